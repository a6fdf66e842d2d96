//! Where things are: the clone, its `.atomotion/`, cargo's target folder and the cache.

use crate::process;
use std::env;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
pub struct Place {
    pub clone: PathBuf,
    /// What belongs to this clone and is not committed: the link to libtorch, the kernel, Jupyter's files.
    pub dot: PathBuf,
    pub target: PathBuf,
    /// What clones share: downloads, libtorch, the Python environments.
    pub cache: PathBuf,
}

impl Place {
    pub fn find() -> Result<Place, String> {
        // Set by `cargo run`, and right also when the clone has moved since `lab` was compiled.
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or(env!("CARGO_MANIFEST_DIR").into());
        let clone = Path::new(&manifest).parent().ok_or("lab must lie in a clone of the project")?.to_path_buf();
        let target = target_folder(&clone)?;
        Ok(Place { dot: clone.join(".atomotion"), clone, target, cache: cache_folder()? })
    }

    pub fn downloads(&self) -> PathBuf {
        self.cache.join("downloads")
    }

    /// The name `LIBTORCH` has in `.cargo/config.toml`.
    pub fn libtorch_link(&self) -> PathBuf {
        self.dot.join("libtorch")
    }

    /// The kernel as Jupyter starts it.
    pub fn kernel(&self) -> PathBuf {
        self.dot.join("kernel/bin/atomotion-kernel")
    }

    /// What `cargo build` makes of a package.
    pub fn built(&self, file: &str) -> PathBuf {
        self.target.join("debug").join(file)
    }

    pub fn python_file(&self, name: &str) -> PathBuf {
        self.clone.join("lab/python").join(name)
    }
}

fn target_folder(clone: &Path) -> Result<PathBuf, String> {
    let mut cargo = process::cargo();
    let text = process::text(cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(clone))?;
    let metadata: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let folder = metadata["target_directory"].as_str();
    folder.map(PathBuf::from).ok_or("cargo metadata names no target_directory".into())
}

fn cache_folder() -> Result<PathBuf, String> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("ATOMOTION_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("atomotion")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/atomotion")))
        .ok_or("neither HOME nor XDG_CACHE_HOME is set: name a folder for downloads in ATOMOTION_CACHE")?;
    std::path::absolute(&folder).map_err(|error| format!("{}: {error}", folder.display()))
}
