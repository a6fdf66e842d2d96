//! The kernel as a user has it after set-up: driven through its REPL, with the prepared folder of this clone.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The folder of this package in the clone that is tested, which need not be the one that this was compiled in: clones may
/// share a target folder.
fn package() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

/// The prepared kernel of this clone.
fn kernel() -> PathBuf {
    let clone = std::env::var_os("ATOMOTION_PROJECT").map(PathBuf::from);
    let clone = clone.unwrap_or_else(|| package().join(".."));
    let kernel = clone.canonicalize().unwrap().join(".atomotion/kernel");
    assert!(kernel.join("recipe.json").is_file(), "{} is missing: run `cargo lab setup` first", kernel.display());
    kernel
}

/// A cache folder of a test's own, removed at its end.
struct Cache(PathBuf);

impl Cache {
    fn new(name: &str) -> Cache {
        let folder = std::env::temp_dir().join(format!("atomotion-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Cache(folder.canonicalize().unwrap())
    }

    fn sessions(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.0.join("sessions")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Starts a REPL and gives it all of its input.
fn start(kernel: &Path, cache: &Cache, input: &str) -> Child {
    let mut repl = Command::new(kernel.join("bin/atomotion-kernel"))
        .arg("repl")
        .env("ATOMOTION_CACHE", &cache.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The input ends here, and with it, in time, the REPL.
    repl.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    repl
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn cells_run_and_show_their_values() {
    let cache = Cache::new("cells");
    let input = "\
let a = 20;
a + 1
fn double(x: f64) -> f64 {
    x * 2.0
}
double(4.25)
let table = df!(\"n\" => [1, 2, 3])?;
table.clone().lazy().select([col(\"n\").sum()]).collect()?
for i in 0..2 { println!(\"line {i}\") }
Tensor::zeros([2, 3], (Kind::Float, Device::Cpu)).tr()
:opt 2
a + 2
";
    let output = start(&kernel(), &cache, input).wait_with_output().unwrap();
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let expected = ["21", "8.5", "│ 6   │", "line 0\nline 1", "Tensor [3, 2] Float on Cpu", "Optimization: 2", "22"];
    let mut rest = stdout.as_str();
    for part in expected {
        let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?} in order in\n{stdout}\n{stderr}"));
        rest = &rest[at + part.len()..];
    }
    assert!(!stdout.contains("()"), "a loop shows nothing:\n{stdout}");
    assert!(cache.sessions().is_empty(), "the session's folder is removed");
}

#[test]
fn errors_point_into_the_cell_and_fail_a_script() {
    let cache = Cache::new("errors");
    let input = "let right = 1;\nright + wrong\nstruct Bare;\nBare\nright + 1\n";
    let output = start(&kernel(), &cache, input).wait_with_output().unwrap();
    let (stdout, stderr) = texts(&output);
    assert!(!output.status.success());
    assert!(stderr.contains("cannot find value `wrong`") && stderr.contains("^^^^^"), "{stderr}");
    assert!(stderr.contains("`Bare` doesn't implement `Debug`"), "{stderr}");
    assert!(!stderr.contains("evcxr"), "{stderr}");
    assert!(stdout.contains('2'), "the next cell works: {stdout}");
}

#[test]
fn added_crates_work_beside_the_library_and_are_compiled_once() {
    let cache = Cache::new("dep");
    let small = cache.0.join("small");
    fs::create_dir_all(small.join("src")).unwrap();
    fs::write(
        small.join("Cargo.toml"),
        "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n",
    )
    .unwrap();
    fs::write(
        small.join("src/lib.rs"),
        "#[derive(Debug)] pub struct Found(pub usize); pub fn find(n: usize) -> Found { Found(n) }",
    )
    .unwrap();
    let input = format!(
        ":dep small = {{ path = {:?} }}\nlet found = small::find(41);\nfound\n:opt 2\n\
         let table = df!(\"n\" => [found.0 as u32])?;\ntable.height() + found.0\n",
        small.display().to_string()
    );
    let output = start(&kernel(), &cache, &input).wait_with_output().unwrap();
    let (stdout, stderr) = texts(&output);
    assert!(stdout.contains("Found(41)") && stdout.contains("42"), "{stdout}\n{stderr}");
    assert_eq!(stderr.matches("Compiling small").count(), 1, "{stderr}");
}

#[test]
fn two_at_once_do_not_meet() {
    let cache = Cache::new("two");
    let kernel = kernel();
    let start = |value: u32| start(&kernel, &cache, &format!("let a = {value};\na * 10\n"));
    let (one, two) = (start(1), start(2));
    let (one, two) = (one.wait_with_output().unwrap(), two.wait_with_output().unwrap());
    assert_eq!(texts(&one).0.trim(), "10", "{}", texts(&one).1);
    assert_eq!(texts(&two).0.trim(), "20", "{}", texts(&two).1);
    assert!(cache.sessions().is_empty());
}

#[test]
fn folders_of_killed_kernels_are_swept_and_their_children_end() {
    let cache = Cache::new("swept");
    let kernel = kernel();
    let mut killed = start(&kernel, &cache, "std::thread::sleep(std::time::Duration::from_secs(600));\n");
    while cache.sessions().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    killed.kill().unwrap();
    // Its pipes close only when its children have ended, too.
    killed.wait_with_output().unwrap();
    assert!(!cache.sessions().is_empty(), "a killed kernel cannot clear up");
    start(&kernel, &cache, "").wait_with_output().unwrap();
    assert!(cache.sessions().is_empty(), "the next one does");
}

#[test]
fn outside_a_session_the_shims_are_the_real_tools() {
    let shims = kernel().join("cargo-home/bin");
    let ask = |program: PathBuf| {
        let output = Command::new(program)
            .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
            .current_dir(package())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", texts(&output).1);
        texts(&output).0
    };
    assert_eq!(ask(shims.join("cargo")), ask(PathBuf::from(env!("CARGO"))));
}

#[test]
fn a_stale_set_up_is_named_in_every_cell() {
    let real = kernel();
    let cache = Cache::new("stale");
    // The same kernel in another folder: as if the clone had been moved.
    let moved = cache.0.join("moved/.atomotion/kernel");
    copy(&real, &moved);
    let output = start(&moved, &cache, "1 + 1\nlet a = 2;\n").wait_with_output().unwrap();
    let (stdout, stderr) = texts(&output);
    let advice = format!("Run `cargo lab setup` in {}", cache.0.join("moved").display());
    assert!(stderr.matches(&advice).count() >= 3, "at the start and in both cells:\n{stderr}");
    assert!(stderr.starts_with("Atomotion's folder has moved"), "the cause leads:\n{stderr}");
    assert!(!stderr.contains("rustc") && !stderr.contains("E0"), "no compiler error:\n{stderr}");
    assert_eq!(stdout, "");

    // And without the compiler of set-up.
    let recipe = fs::read_to_string(moved.join("recipe.json")).unwrap();
    let recipe = recipe.replace("bin/rustc\"", "bin/no-such-rustc\"");
    fs::write(moved.join("recipe.json"), recipe).unwrap();
    let output = start(&moved, &cache, "").wait_with_output().unwrap();
    assert!(!output.status.success());
    assert!(texts(&output).1.starts_with("The Rust compiler of set-up is gone"), "{}", texts(&output).1);
}

#[test]
fn a_library_compiled_again_is_named_in_the_next_cell() {
    let real = kernel();
    let cache = Cache::new("rebuilt");
    let moved = cache.0.join("moved/.atomotion/kernel");
    copy(&real, &moved);
    fs::write(cache.0.join("moved/Cargo.toml"), "").unwrap();
    // The same kernel, set up for this folder and watching a copy of the library.
    let library = cache.0.join("libatomotion.so");
    let text = fs::read(moved.join("recipe.json")).unwrap();
    let mut recipe: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let original = PathBuf::from(recipe["library"]["path"].as_str().unwrap());
    fs::copy(&original, &library).unwrap();
    let modified = fs::metadata(&original).unwrap().modified().unwrap();
    fs::File::options().write(true).open(&library).unwrap().set_modified(modified).unwrap();
    recipe["project"] = cache.0.join("moved").display().to_string().into();
    recipe["library"]["path"] = library.display().to_string().into();
    fs::write(moved.join("recipe.json"), recipe.to_string()).unwrap();

    let input = format!("20 + 1\n!touch {}\n20 + 2\n", library.display());
    let output = start(&moved, &cache, &input).wait_with_output().unwrap();
    let (stdout, stderr) = texts(&output);
    assert!(stdout.contains("21") && !stdout.contains("22"), "{stdout}\n{stderr}");
    assert!(stderr.contains("The library has been compiled again"), "{stderr}");
    assert!(stderr.contains("cargo lab setup") && !stderr.contains("crate"), "{stderr}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_type().unwrap().is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), target).unwrap();
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
