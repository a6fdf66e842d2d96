//! The Rust side: the compiler, its components, and the builds.

use crate::board::Task;
use crate::place::Place;
use crate::process;
use std::path::PathBuf;
use std::process::Command;

const COMPONENTS: [&str; 3] = ["rust-src", "clippy", "rustfmt"];

pub struct Rust {
    /// `rustc -vV`, whole.
    pub version: String,
    pub sysroot: PathBuf,
}

impl Rust {
    pub fn find(place: &Place) -> Result<Rust, String> {
        let ask = |words: &[&str]| {
            let mut rustc = process::command("rustc");
            process::text(rustc.args(words).current_dir(&place.clone)).map(|text| text.trim().to_string())
        };
        Ok(Rust { version: ask(&["-vV"])?, sysroot: ask(&["--print", "sysroot"])?.into() })
    }

    /// "rustc 1.95.0 (59807616e 2026-04-14)"
    pub fn short(&self) -> &str {
        self.version.lines().next().unwrap_or_default()
    }

    /// The folder of the standard library's shared object.
    pub fn standard_library(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib/x86_64-unknown-linux-gnu/lib")
    }

    pub fn missing_components(&self) -> Vec<&'static str> {
        let file = |component| match component {
            "rust-src" => "lib/rustlib/src/rust/library/Cargo.toml",
            "clippy" => "bin/cargo-clippy",
            _ => "bin/rustfmt",
        };
        COMPONENTS.into_iter().filter(|component| !self.sysroot.join(file(component)).exists()).collect()
    }
}

/// What to do about components that are missing.
pub fn component_fix(missing: &[&str]) -> String {
    format!(
        "`rustup component add {0}`; with a Rust from your distribution, install its packages for {0}",
        missing.join(" ")
    )
}

pub fn add_components(place: &Place, missing: &[&str]) -> Result<(), String> {
    let mut rustup = process::command("rustup");
    rustup.args(["component", "add"]).args(missing).current_dir(&place.clone);
    process::text(&mut rustup)
        .map(drop)
        .map_err(|error| format!("Rust lacks {}: {}.\n{error}", missing.join(" and "), component_fix(missing)))
}

/// `cargo build -p PACKAGE`. One package a command: together their features would unify, and Polars build twice.
pub fn build(place: &Place, package: &str, task: &Task) -> Result<(), String> {
    let mut cargo = process::cargo();
    cargo.args(["build", "--color", "never", "-p", package]).current_dir(&place.clone);
    cargo.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "100");
    cargo.env("CARGO_TERM_QUIET", "false").env("CARGO_TERM_VERBOSE", "false");
    let mut said = Vec::new();
    let ok = process::lines(&mut cargo, |line| match counted(line) {
        Some((done, total, busy)) => {
            task.at(done, total);
            task.note(&busy);
        }
        None => said.extend(worth_keeping(line)),
    })?;
    if ok { Ok(()) } else { Err(build_failure(package, &said)) }
}

/// The library's own program that makes a dataset in the cache.
pub fn make_dataset(place: &Place, name: &str) -> Command {
    let mut cargo = process::cargo();
    cargo.args(["run", "--quiet", "-p", "atomotion", "--example", "make_dataset", "--", name]);
    cargo.arg(place.cache.join("datasets")).current_dir(&place.clone);
    cargo
}

/// "    Building [====>    ] 12/350: serde, tch(build)" as (12, 350, "serde, tch(build)").
fn counted(line: &str) -> Option<(u64, u64, String)> {
    let (_, rest) = line.trim_start().strip_prefix("Building [")?.split_once("] ")?;
    let (count, busy) = rest.split_once(':').unwrap_or((rest, ""));
    let (done, total) = count.trim().split_once('/')?;
    Some((done.parse().ok()?, total.parse().ok()?, busy.trim().to_string()))
}

/// Everything but the list of what was compiled.
fn worth_keeping(line: &str) -> Option<String> {
    const ROUTINE: [&str; 6] = ["Compiling ", "Downloaded ", "Downloading ", "Fresh ", "Finished ", "Building "];
    let text = line.trim_start_matches(['\x1b', '[', 'K', ' ']);
    let routine = text.is_empty() || ROUTINE.iter().any(|word| text.starts_with(word));
    (!routine).then(|| line.to_string())
}

fn build_failure(package: &str, said: &[String]) -> String {
    let all = said.join("\n");
    let no_network = ["failed to download", "Could not resolve", "failed to fetch", "failed to get"];
    let advice = if no_network.iter().any(|words| all.contains(words)) {
        "The first build downloads the crates and needs a network; after that, run `cargo lab setup` again."
    } else if all.contains("torch") && all.contains("c++") {
        "`cargo lab doctor` checks the C++ compiler and libtorch."
    } else {
        "`cargo lab doctor` checks what the build needs."
    };
    let tail = said[said.len().saturating_sub(60)..].join("\n");
    format!("`cargo build -p {package}` failed:\n{tail}\n{advice}")
}

/// Lets the freshly built kernel lay itself out in `.atomotion/kernel/`.
pub fn prepare_kernel(place: &Place, task: &Task) -> Result<(), String> {
    let mut said = Vec::new();
    let mut kernel = process::command(place.built("atomotion-kernel"));
    kernel.arg("prepare").arg("--project").arg(&place.clone).current_dir(&place.clone);
    let ok = process::lines(&mut kernel, |line| {
        task.note(line.trim());
        said.push(line.to_string());
    })?;
    if !ok {
        return Err(format!("preparing the kernel failed:\n{}", said.join("\n")));
    }
    match place.kernel().exists() {
        true => Ok(()),
        false => Err(format!("preparing the kernel left no {}", place.kernel().display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_progress_is_read() {
        let line = "    Building [=====>                 ] 120/350: polars-core, tch(build)";
        assert_eq!(counted(line), Some((120, 350, "polars-core, tch(build)".into())));
        assert_eq!(counted("    Building [=> ] 1/2"), Some((1, 2, String::new())));
        assert_eq!(counted("   Compiling serde v1.0.0"), None);
    }

    #[test]
    fn errors_are_kept_and_routine_is_not() {
        assert_eq!(worth_keeping("   Compiling serde v1.0.0"), None);
        assert_eq!(worth_keeping("\x1b[K"), None);
        assert_eq!(worth_keeping("error[E0425]: no such name"), Some("error[E0425]: no such name".into()));
    }

    #[test]
    fn a_failure_for_want_of_a_network_says_so() {
        let said = vec!["error: failed to download `serde v1.0.0`".to_string()];
        assert!(build_failure("atomotion", &said).contains("needs a network"));
    }
}
