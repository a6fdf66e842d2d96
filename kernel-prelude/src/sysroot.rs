//! The sources of Rust's standard library as rust-analyzer sees them: without what no variable of a notebook is made of.
//!
//! Half of what rust-analyzer would read at the start are processors' intrinsics, each of them a function.

use crate::Result;
use crate::metadata::{list, text};
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The crates that are kept; `sysroot` stands for all of them.
const CRATES: [&str; 5] = ["core", "alloc", "std", "proc_macro", "sysroot"];
/// Modules of `core` that live elsewhere, and stay empty.
const EMPTY: [&str; 2] = ["stdarch/crates/core_arch/src/mod.rs", "portable-simd/crates/core_simd/src/mod.rs"];

/// Where the copy is, in the prepared folder.
pub fn place(kernel: &Path) -> PathBuf {
    kernel.join("rust")
}

/// Copies what is kept of the sources in `library`.
pub fn copy(library: &Path, to: &Path) -> Result<()> {
    for name in CRATES {
        copy_folder(&library.join(name).join("src"), &to.join(name).join("src"))?;
        fs::copy(library.join(name).join("Cargo.toml"), to.join(name).join("Cargo.toml"))?;
    }
    for file in ["Cargo.toml", "Cargo.lock"] {
        fs::copy(library.join(file), to.join(file))?;
    }
    for module in EMPTY {
        let module = to.join(module);
        fs::create_dir_all(module.parent().unwrap_or(to))?;
        fs::write(module, "")?;
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))? {
        let entry = entry?;
        let (kind, place) = (entry.file_type()?, to.join(entry.file_name()));
        // Their tests are as long as they are.
        if kind.is_dir() && entry.file_name() != "tests" {
            copy_folder(&entry.path(), &place)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &place)?;
        }
    }
    Ok(())
}

/// cargo's metadata of `library`, of the crates that are kept, as if they were in `copy`.
pub fn metadata(of: &str, library: &Path, copy: &Path) -> Result<String> {
    let (library, copy) = (library.display().to_string(), copy.display().to_string());
    let mut all: Value = serde_json::from_str(&of.replace(&library, &copy))?;
    let kept = |package: &&Value| CRATES.contains(&text(&package["name"]).as_str());
    let ids: HashSet<String> = list(&all["packages"]).iter().filter(kept).map(|package| text(&package["id"])).collect();
    let known = |value: &Value| ids.contains(&text(value));
    keep(&mut all, "/packages", |package| known(&package["id"]));
    keep(&mut all, "/workspace_members", known);
    keep(&mut all, "/workspace_default_members", known);
    keep(&mut all, "/resolve/nodes", |node| known(&node["id"]));
    for node in all["resolve"]["nodes"].as_array_mut().into_iter().flatten() {
        keep(node, "/dependencies", known);
        keep(node, "/deps", |dep| known(&dep["pkg"]));
    }
    Ok(all.to_string())
}

/// Keeps what is wanted of a list, where there is one: what cargo does not say stays unsaid.
fn keep(of: &mut Value, list: &str, wanted: impl Fn(&Value) -> bool) {
    if let Some(values) = of.pointer_mut(list).and_then(Value::as_array_mut) {
        values.retain(|value| wanted(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_out_is_not_named_either() {
        let whole = json!({
            "packages": [{"id": "/lib/std", "name": "std"}, {"id": "libc", "name": "libc"}],
            "workspace_members": ["/lib/std", "/lib/coretests"],
            "resolve": {"nodes": [
                {"id": "/lib/std", "dependencies": ["libc"], "deps": [{"name": "libc", "pkg": "libc"}]},
                {"id": "libc", "dependencies": [], "deps": []},
            ]},
        });
        let kept = metadata(&whole.to_string(), Path::new("/lib"), Path::new("/copy")).unwrap();
        let expected = json!({
            "packages": [{"id": "/copy/std", "name": "std"}],
            "workspace_members": ["/copy/std"],
            "resolve": {"nodes": [{"id": "/copy/std", "dependencies": [], "deps": []}]},
        });
        assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), expected);
    }
}
