//! The workspace keeps its promises to those who build it.

use std::process::Command;

/// Dev-dependencies add no feature to a dependency of the library: otherwise `cargo build` and `cargo test` would each
/// compile Polars.
#[test]
fn tests_share_the_librarys_dependencies() {
    let tree = |edges: &str| -> Vec<String> {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "-p", "atomotion", "--prefix", "none", "-f", "{p} {f}", "-e", edges])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(|l| l.trim_end_matches(" (*)").to_string()).collect()
    };
    let (with, without) = (tree("normal,build,dev"), tree("normal,build"));
    let missing: Vec<_> = without.iter().filter(|line| !with.contains(line)).collect();
    assert!(without.len() > 100 && missing.is_empty(), "their features differ in tests: {missing:?}");
}
