//! What is there and what is missing, with the fix for each.

use crate::jupyter;
use crate::libtorch::{self, Set};
use crate::place::Place;
use crate::process;
use crate::python::{Lock, Python};
use crate::rust::{self, Rust};
use crate::setup;
use crate::stamp::Stamp;
use std::path::{Path, PathBuf};

const OLDEST_RUST: (u32, u32) = (1, 95);
const SET_UP: &str = "`cargo lab setup`";
const GIB: u64 = 1 << 30;
/// What a first set-up fills, downloads and the target folder together.
const DISK_FOR_SET_UP: u64 = 6 * GIB;

struct Row {
    name: &'static str,
    state: State,
}

enum State {
    Good(String),
    /// Works, but could be better.
    Note(String, String),
    /// What is wrong, and the fix.
    Bad(String, String),
}

use State::{Bad, Good, Note};

/// Prints the table; true when nothing is missing.
pub fn doctor(place: &Place) -> bool {
    let mut rows = vec![system(), rust_row(place), components(place), compiler(), python_row(), disk(place)];
    rows.extend([
        libtorch_row(place),
        gpu(place),
        environment(place),
        library(place),
        kernel(place),
        own_jupyter(place),
    ]);
    let mut text = String::new();
    for row in &rows {
        let (mark, what, fix) = match &row.state {
            Good(what) => ("ok", what, None),
            Note(what, fix) => ("note", what, Some(fix)),
            Bad(what, fix) => ("MISSING", what, Some(fix)),
        };
        text += &format!("{mark:<8} {:<20} {what}\n", row.name);
        if let Some(fix) = fix {
            text += &format!("{:<8} {:<20} fix: {fix}\n", "", "");
        }
    }
    let bad = rows.iter().filter(|row| matches!(row.state, Bad(..))).count();
    text += &match bad {
        0 => "\nNothing is missing.\n".to_string(),
        1 => "\n1 line needs its fix.\n".to_string(),
        _ => format!("\n{bad} lines need their fixes, from the top down.\n"),
    };
    process::print(&text);
    bad == 0
}

/// What must be there before a set-up can begin.
pub fn prerequisites(place: &Place) -> Result<(), String> {
    let rows = [system(), rust_row(place), compiler(), python_row(), disk(place)];
    let faults: Vec<String> = rows
        .iter()
        .filter_map(|row| match &row.state {
            Bad(what, fix) => Some(format!("{}: {what}\n  fix: {fix}", row.name)),
            _ => None,
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(format!("the set-up cannot begin.\n{}", faults.join("\n"))) }
}

fn system() -> Row {
    let here = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let state = match here.as_str() {
        "linux x86_64" => Good("Linux x86_64".into()),
        _ => Bad(here, "libtorch is set up for Linux x86_64 only: use such a machine".into()),
    };
    Row { name: "System", state }
}

fn rust_row(place: &Place) -> Row {
    let update = "`rustup update stable`, or install Rust from rustup.rs";
    let state = match Rust::find(place) {
        Err(error) => Bad(error, update.into()),
        Ok(rust) if rust_version(rust.short()) < Some(OLDEST_RUST) => {
            Bad(format!("{} is older than {}.{}", rust.short(), OLDEST_RUST.0, OLDEST_RUST.1), update.into())
        }
        Ok(rust) => Good(rust.short().into()),
    };
    Row { name: "Rust", state }
}

/// (1, 95) from "rustc 1.95.0 (...)".
fn rust_version(short: &str) -> Option<(u32, u32)> {
    let mut numbers = short.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn components(place: &Place) -> Row {
    let missing = Rust::find(place).map(|rust| rust.missing_components());
    let state = match missing.as_deref() {
        Ok([]) => Good("rust-src, clippy, rustfmt".into()),
        Ok(missing) => Bad(format!("not there: {}", missing.join(", ")), rust::component_fix(missing)),
        Err(error) => Bad(error.clone(), "install Rust first".into()),
    };
    Row { name: "Rust components", state }
}

fn compiler() -> Row {
    let program = std::env::var("CXX").ok().filter(|name| !name.is_empty()).unwrap_or("c++".into());
    let mut words = program.split_whitespace();
    let name = words.next().unwrap_or("c++").to_string();
    let mut check = process::command(&name);
    check.args(words).args(["-x", "c++", "-std=c++17", "-fsyntax-only", "-include", "vector", "/dev/null"]);
    let works = process::text(&mut check);
    let version = process::text(process::command(&name).arg("--version"));
    let state = match (works, version) {
        (Ok(_), Ok(version)) => Good(version.lines().next().unwrap_or(&name).into()),
        (Err(error), _) | (_, Err(error)) => {
            Bad(first_line(&error), "Debian, Ubuntu: `sudo apt install g++`; Fedora: `sudo dnf install gcc-c++`".into())
        }
    };
    Row { name: "C++ compiler", state }
}

fn python_row() -> Row {
    let state = match Python::find() {
        Ok(python) => Good(format!("Python {}.{} ({})", python.version.0, python.version.1, python.exe.display())),
        Err(error) => {
            Bad(error, "Debian, Ubuntu: `sudo apt install python3`; or put a newer one, as python3, on PATH".into())
        }
    };
    Row { name: "Python", state }
}

fn disk(place: &Place) -> Row {
    let done = place.kernel().exists();
    let needed = if done { GIB } else { DISK_FOR_SET_UP };
    let free = [&place.target, &place.cache].map(|folder| (free_bytes(folder), folder));
    let (least, folder) =
        free.into_iter().min_by_key(|(free, _)| free.unwrap_or(u64::MAX)).unwrap_or((None, &place.cache));
    let state = match least {
        None => Note("df did not say how much is free".into(), format!("{} GB are needed", needed / GIB)),
        Some(least) if least < needed => Bad(
            format!("{:.1} GB free at {}, {} GB needed", least as f64 / GIB as f64, folder.display(), needed / GIB),
            "free some, or set CARGO_TARGET_DIR and ATOMOTION_CACHE to folders on a larger disk".into(),
        ),
        Some(least) => Good(format!("{} GB free", least / GIB)),
    };
    Row { name: "Disk", state }
}

/// Free space where a folder is, or will be.
fn free_bytes(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    let text = process::text(process::command("df").args(["-Pk", "--"]).arg(there)).ok()?;
    let kib: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kib * 1024)
}

fn chosen() -> (Set, String) {
    libtorch::choose(libtorch::driver().as_deref())
}

fn libtorch_row(place: &Place) -> Row {
    let (set, _) = chosen();
    let linked = std::fs::read_link(place.libtorch_link()).ok();
    let state = if let Some(fault) = libtorch::fault(place, set) {
        Bad(fault, SET_UP.into())
    } else if linked != Some(libtorch::home(place, set)) {
        Bad(format!("{} does not lead to it", place.libtorch_link().display()), SET_UP.into())
    } else {
        Good(format!("{}, {} set ({})", libtorch::VERSION, set.name(), libtorch::home(place, set).display()))
    };
    Row { name: "libtorch", state }
}

/// Whether libtorch, as it lies there, loads and can use a GPU.
fn gpu(place: &Place) -> Row {
    let (set, why) = chosen();
    let Ok(python) = Python::find() else {
        return Row { name: "GPU", state: Note(why, "with Python this line says more".into()) };
    };
    let mut probe = process::command(python.exe);
    probe.arg(place.python_file("probe_libtorch.py")).arg(libtorch::home(place, set).join("lib"));
    let probe = process::text(&mut probe);
    let state = match (probe.as_deref().map(str::trim), set) {
        _ if libtorch::fault(place, set).is_some() => Note(why, "after the set-up this line says more".into()),
        (Err(error), _) => Bad(format!("libtorch does not load: {}", last_line(error)), SET_UP.into()),
        (Ok("cuda"), _) => Good(format!("CUDA works ({why})")),
        (Ok(_), Set::Cuda) => Bad(
            format!("{why}, but libtorch finds no GPU"),
            "see whether `nvidia-smi` lists one; reload the driver".into(),
        ),
        (Ok(_), Set::Cpu) if libtorch::driver().is_some() => {
            Note(why, "update the NVIDIA driver, then `cargo lab setup`".into())
        }
        (Ok(_), Set::Cpu) => Good(why),
    };
    Row { name: "GPU", state }
}

fn environment(place: &Place) -> Row {
    let folder = PathBuf::from(Stamp::read(&place.dot).get("python"));
    let state = if Lock::users(place).is_in(&folder) {
        Good(format!("JupyterLab, nbclient, nbconvert ({})", folder.display()))
    } else {
        Bad("not set up, or for another version of the lock file".into(), SET_UP.into())
    };
    Row { name: "Python environment", state }
}

fn library(place: &Place) -> Row {
    let file = place.built("libatomotion.so");
    let state = if file.exists() {
        Good(file.display().to_string())
    } else {
        Bad(format!("{} is not there", file.display()), SET_UP.into())
    };
    Row { name: "Library", state }
}

fn kernel(place: &Place) -> Row {
    let before = Stamp::read(&place.dot);
    let state = match Rust::find(place) {
        _ if !place.kernel().exists() => Bad(format!("{} is not there", place.kernel().display()), SET_UP.into()),
        Err(error) => Bad(error, "install Rust first".into()),
        Ok(rust) => {
            let now = setup::stamp(place, &rust, chosen().0, Path::new(before.get("python")));
            let changes = before.changes(&now);
            if before.0.is_empty() {
                Bad("the set-up was not finished".into(), SET_UP.into())
            } else if !changes.is_empty() {
                Bad(format!("since the set-up, {}", changes.join("; ")), SET_UP.into())
            } else if !jupyter::own_spec_is_current(place) {
                Bad("its kernel spec is missing or names another clone".into(), SET_UP.into())
            } else {
                Good(place.kernel().display().to_string())
            }
        }
    };
    Row { name: "Kernel", state }
}

fn own_jupyter(place: &Place) -> Row {
    let again = "`cargo lab kernel install --user`".to_string();
    let state = match jupyter::installed_program() {
        None => Good("not installed there (`cargo lab kernel install --user` does it)".into()),
        Some(program) if program == place.kernel() => Good("has this clone's kernel".into()),
        Some(program) if program.exists() => Note(format!("has another clone's kernel ({})", program.display()), again),
        Some(program) => Bad(format!("its kernel is gone ({})", program.display()), again),
    };
    Row { name: "Your own Jupyter", state }
}

fn first_line(text: &str) -> String {
    text.lines().take(2).collect::<Vec<_>>().join(" ")
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_versions_are_compared_as_numbers() {
        assert_eq!(rust_version("rustc 1.95.0 (59807616e 2026-04-14)"), Some((1, 95)));
        assert!(rust_version("rustc 1.100.0-nightly (x)") > Some(OLDEST_RUST));
        assert!(rust_version("rustc 1.9.0 (x)") < Some(OLDEST_RUST));
    }

    #[test]
    fn free_space_is_found_also_for_a_folder_that_is_not_there_yet() {
        assert!(free_bytes(Path::new("/tmp/not-there/nor-this")).is_some_and(|free| free > 0));
    }
}
