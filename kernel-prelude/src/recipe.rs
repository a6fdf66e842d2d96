//! What set-up recorded: how a cell is compiled, and the state of the machine for which that holds.

use crate::{Result, environment};
use serde::{Deserialize, Serialize};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

/// How a cell is compiled, without cargo.
#[derive(Serialize, Deserialize)]
pub struct Recipe {
    /// The clone in which set-up ran.
    pub project: PathBuf,
    pub cargo: PathBuf,
    pub rustc: PathBuf,
    /// What `rustc -vV` said.
    pub rustc_version: String,
    /// The target triple.
    pub host: String,
    pub sysroot: PathBuf,
    /// `libatomotion.so`.
    pub library: FileState,
    pub libtorch: FileState,
    /// The library, and the crates that it is made of and cells may name: name and file.
    pub externs: Vec<(String, PathBuf)>,
    /// Values of `-L`.
    pub search: Vec<String>,
    /// Where a loaded cell finds the shared libraries that it needs.
    pub run_paths: Vec<PathBuf>,
}

/// A file as it was: enough to notice that it changed.
#[derive(Serialize, Deserialize, PartialEq)]
pub struct FileState {
    pub path: PathBuf,
    size: u64,
    modified_ns: u128,
}

impl FileState {
    pub fn of(path: &Path) -> Result<FileState> {
        let meta = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let modified_ns = meta.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
        Ok(FileState { path: path.to_path_buf(), size: meta.len(), modified_ns })
    }

    fn unchanged(&self) -> bool {
        FileState::of(&self.path).is_ok_and(|now| now == *self)
    }
}

impl Recipe {
    pub fn load(kernel: &Path) -> Result<Recipe> {
        let file = kernel.join("recipe.json");
        let text = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        serde_json::from_slice(&text).map_err(|error| {
            format!("{} cannot be read ({error}): run `cargo lab setup` in Atomotion's folder.", file.display()).into()
        })
    }

    /// What tells this recipe from others.
    pub fn fingerprint(&self) -> String {
        let mut hasher = DefaultHasher::new();
        serde_json::to_string(self).unwrap_or_default().hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Why cells cannot be compiled, or `None`. Costs a look at three files.
    pub fn stale_files(&self, kernel: &Path) -> Option<String> {
        let at = |cause: &str| Some(self.advice(kernel, cause));
        if !kernel.starts_with(&self.project) || !self.project.join("Cargo.toml").is_file() {
            return at(&format!("Atomotion's folder has moved since set-up (it was {}).", self.project.display()));
        }
        // Variables are of the library that this process has loaded.
        if std::env::var(environment::RECIPE).is_ok_and(|started_with| started_with != self.fingerprint()) {
            return Some("Atomotion was set up anew since this kernel started: restart the kernel.".into());
        }
        if !self.libtorch.path.is_file() {
            return at(&format!("libtorch is missing ({}).", self.libtorch.path.display()));
        }
        if !self.libtorch.unchanged() {
            return at(&format!("libtorch has changed since set-up ({}).", self.libtorch.path.display()));
        }
        if !self.library.path.is_file() {
            return at(&format!("The compiled library is missing ({}).", self.library.path.display()));
        }
        if !self.library.unchanged() {
            return at("The library has been compiled again since this kernel was set up.");
        }
        None
    }

    /// As `stale_files`, and asks the compiler who it is. An error means that there is no compiler.
    pub fn stale(&self, kernel: &Path) -> Result<Option<String>> {
        let version = rustc_version(&self.rustc)
            .map_err(|error| self.advice(kernel, &format!("The Rust compiler of set-up is gone ({error}).")))?;
        if version != self.rustc_version {
            let name = |text: &str| text.lines().next().unwrap_or_default().to_owned();
            let cause = format!(
                "The Rust compiler has changed since set-up: it is {}, it was {}.",
                name(&version),
                name(&self.rustc_version)
            );
            return Ok(Some(self.advice(kernel, &cause)));
        }
        Ok(self.stale_files(kernel))
    }

    fn advice(&self, kernel: &Path, cause: &str) -> String {
        // The kernel lies in `<clone>/.atomotion/kernel`, wherever the clone is now.
        let clone = kernel.ancestors().nth(2).unwrap_or(&self.project);
        format!("{cause} Run `cargo lab setup` in {}, then restart the kernel.", clone.display())
    }
}

/// The compiler's number, as set-up found it.
pub fn compiler_version() -> String {
    let recipe = crate::environment::kernel_dir().and_then(|kernel| Recipe::load(&kernel));
    let version = recipe.map(|recipe| recipe.rustc_version).unwrap_or_default();
    version.split(' ').nth(1).unwrap_or_default().to_owned()
}

pub fn rustc_version(rustc: &Path) -> Result<String> {
    output(Command::new(rustc).arg("-vV"))
}

/// The standard output of a command that must succeed.
pub fn output(command: &mut Command) -> Result<String> {
    let out = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if !out.status.success() {
        let words = String::from_utf8_lossy(&out.stderr);
        return Err(format!("{command:?} failed ({}):\n{}", out.status, words.trim_end()).into());
    }
    Ok(String::from_utf8(out.stdout)?)
}
