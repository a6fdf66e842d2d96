//! Compiling a cell by the recorded recipe: one `rustc`, started in place of cargo.

use crate::recipe::Recipe;
use crate::{Result, environment};
use serde_json::json;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

/// The crate that evcxr makes of a cell.
const CRATE: &str = "ctx";
/// Made in the cell's folder once the `42` that evcxr starts with has been compiled.
const STARTED: &str = ".started";

#[derive(Clone, Copy, PartialEq)]
pub enum Goal {
    Build,
    Check,
}

/// Compiles the cell in `folder`. Returns only where there is no compiler to become.
///
/// evcxr reads rustc's messages whether or not cargo has wrapped them, so this process can simply turn into rustc.
pub fn compile(recipe: &Recipe, kernel: &Path, folder: &Path, goal: Goal) -> Result<ExitCode> {
    let mut rustc = Command::new(&recipe.rustc);
    rustc.args(basic_arguments(folder, goal)?);
    match trouble(recipe, kernel) {
        None => {
            rustc.args(library_arguments(recipe, &[]));
            fs::write(folder.join(STARTED), "")?;
        }
        Some(_) if !folder.join(STARTED).exists() => return first_cell(rustc, folder),
        Some(reason) => return Ok(refuse(&reason)),
    }
    rustc.args(std::env::var("RUSTFLAGS").unwrap_or_default().split_whitespace());
    announce(folder)?;
    Err(rustc.exec().into())
}

/// Why no cell can use the library now.
fn trouble(recipe: &Recipe, kernel: &Path) -> Option<String> {
    if let Ok(reason) = std::env::var(environment::STALE) {
        return Some(reason);
    }
    let other = std::env::var_os("RUSTC").filter(|rustc| Path::new(rustc) != recipe.rustc);
    if let Some(other) = other {
        return Some(format!(
            "The library was compiled by {}, and {} cannot use it: `:toolchain` does not work in this kernel. \
             Restart the kernel to go on.",
            recipe.rustc.display(),
            other.display()
        ));
    }
    recipe.stale_files(kernel)
}

/// evcxr compiles a `42` before anything else, and gives up where that fails. It does not need the library.
fn first_cell(mut rustc: Command, folder: &Path) -> Result<ExitCode> {
    announce(folder)?;
    let status = rustc.status()?;
    if status.success() {
        fs::write(folder.join(STARTED), "")?;
    }
    Ok(ExitCode::from(status.code().unwrap_or(1) as u8))
}

/// Answers as cargo does when a compiler reports an error, so that the reason is all that the user sees.
pub fn refuse(reason: &str) -> ExitCode {
    let message =
        json!({"level": "error", "message": reason, "rendered": reason, "code": null, "spans": [], "children": []});
    println!("{}", json!({"reason": "compiler-message", "message": message}));
    ExitCode::FAILURE
}

fn basic_arguments(folder: &Path, goal: Goal) -> Result<Vec<String>> {
    let target = folder.join("target");
    fs::create_dir_all(&target)?;
    let emit = if goal == Goal::Build { "link" } else { "metadata" };
    let words = format!(
        "--crate-name {CRATE} --edition 2024 --crate-type cdylib --emit {emit} --error-format json src/lib.rs \
         -C prefer-dynamic -C opt-level={} -C codegen-units=16 -C debuginfo=0 -C embed-bitcode=no \
         -C debug-assertions=on -C overflow-checks=on",
        opt_level(folder)?
    );
    let mut arguments: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    arguments.extend(["--out-dir".into(), target.display().to_string()]);
    Ok(arguments)
}

/// What rustc needs to find the library, leaving out the crates in `taken`, which the cell has of its own.
pub fn library_arguments(recipe: &Recipe, taken: &[&str]) -> Vec<String> {
    let mut arguments = Vec::new();
    for (name, file) in recipe.externs.iter().filter(|(name, _)| !taken.contains(&name.as_str())) {
        arguments.extend(["--extern".into(), format!("{name}={}", file.display())]);
    }
    for folder in &recipe.search {
        arguments.extend(["-L".into(), folder.clone()]);
    }
    // The older kind of rpath also holds for what the library itself needs.
    arguments.push("-Clink-arg=-Wl,--disable-new-dtags".into());
    for folder in &recipe.run_paths {
        arguments.push(format!("-Clink-arg=-Wl,-rpath,{}", folder.display()));
    }
    arguments
}

/// `:opt` writes its level into the cell's Cargo.toml.
fn opt_level(folder: &Path) -> Result<String> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
    let value = manifest.lines().find_map(|line| line.strip_prefix("opt-level = "));
    Ok(value.unwrap_or("0").trim_matches(['"', '\'', ' ']).to_owned())
}

/// Tells evcxr where the compiled cell will be. It looks there only if the compiler succeeds.
fn announce(folder: &Path) -> Result<()> {
    if let Some(file) = std::env::var_os("EVCXR_EXECUTION_SO_PATH") {
        let library = folder.join("target").join(format!("lib{CRATE}.so"));
        fs::write(file, library.display().to_string())?;
    }
    Ok(())
}
