//! The order of a set-up. What is there is kept; every part becomes visible only when it is whole.

use crate::board::{Board, clock};
use crate::doctor;
use crate::jupyter;
use crate::libtorch::{self, Set};
use crate::place::Place;
use crate::process;
use crate::python::{self, Python};
use crate::rust::{self, Rust};
use crate::stamp::{Stamp, fingerprint};
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Instant;

/// What later steps need to know.
pub struct Ready {
    pub environment: PathBuf,
    pub rust: Rust,
}

pub fn set_up(place: &Place) -> Result<Ready, String> {
    let started = Instant::now();
    let _alone = wait_for_others(place)?;
    warn_of_overrides();
    doctor::prerequisites(place)?;
    let rust = Rust::find(place)?;
    let before = Stamp::read(&place.dot);
    let set = libtorch::choose(libtorch::driver().as_deref()).0;
    let python = PythonPart::find(place, &before)?;
    announce(place, set, &python);

    let board = Board::new();
    let missing = rust.missing_components();
    if !missing.is_empty() {
        let about = format!("adding {} (usually under a minute)", missing.join(", "));
        board.part("Rust", &about, "", |_| rust::add_components(place, &missing))?;
    }
    // The kernel needs no libtorch: it compiles while the downloads run.
    std::thread::scope(|scope| {
        let downloads = scope.spawn(|| download(place, set, &python, &before, &board));
        let kernel = board.part("kernel", KERNEL, "crates", |task| rust::build(place, "atomotion-kernel", task));
        let downloads = downloads.join().map_err(|_| "the downloads stopped unexpectedly".to_string());
        downloads.flatten().and(kernel)
    })?;
    board.part("library", LIBRARY, "crates", |task| rust::build(place, "atomotion", task))?;

    let now = stamp(place, &rust, set, &python.environment);
    let changes = before.changes(&now);
    if before.0.is_empty() || !changes.is_empty() || !place.kernel().exists() {
        let about = format!("{}preparing it for notebooks (usually under a minute)", because(&changes));
        board.part("kernel", &about, "", |task| rust::prepare_kernel(place, &rust, task))?;
    }
    drop(board);
    jupyter::write_own_files(place, &rust)?;
    if now != before {
        now.write(&place.dot)?;
    }
    println!("Everything is in place ({}).", clock(started.elapsed()));
    Ok(Ready { environment: python.environment, rust })
}

const KERNEL: &str = "compiling it (the first time usually 9 min on 2 cores)";
const LIBRARY: &str = "compiling it (the first time usually 12 min on 2 cores)";
const ENVIRONMENT: &str = "installing JupyterLab, nbclient and nbconvert (usually 1 min)";

/// The environment, and the Python to make it with if it has to be made.
struct PythonPart {
    environment: PathBuf,
    python: Option<Python>,
}

impl PythonPart {
    fn find(place: &Place, before: &Stamp) -> Result<PythonPart, String> {
        let environment = PathBuf::from(before.get("python"));
        if environment.starts_with(&place.cache) && python::is_ready(place, &environment) {
            return Ok(PythonPart { environment, python: None });
        }
        let python = Python::find()?;
        let environment = python::environment(place, &python)?;
        Ok(PythonPart { environment, python: Some(python) })
    }
}

fn announce(place: &Place, set: Set, python: &PythonPart) {
    if libtorch::fault(place, set).is_some() || !python::is_ready(place, &python.environment) {
        println!("Setting up. Downloads go to {}; what is there already is kept.", place.cache.display());
    }
}

fn download(place: &Place, set: Set, part: &PythonPart, before: &Stamp, board: &Board) -> Result<(), String> {
    let find = || match &part.python {
        Some(python) => Ok(Python { exe: python.exe.clone(), version: python.version }),
        None => Python::find(),
    };
    if libtorch::fault(place, set).is_some() {
        board.part("libtorch", set.about(), "MB", |task| libtorch::provide(place, &find()?, set, task))?;
    }
    let moved = libtorch::link(place, set)?;
    if moved && before.get("libtorch") != libtorch_name(set) {
        // Its build script would not notice that other libraries lie behind the same path.
        process::text(process::cargo().args(["clean", "-p", "torch-sys"]).current_dir(&place.clone))?;
    }
    if !python::is_ready(place, &part.environment) {
        board.part("Python", ENVIRONMENT, "packages", |task| python::make_environment(place, &find()?, task))?;
    }
    Ok(())
}

fn libtorch_name(set: Set) -> String {
    format!("{} {}", libtorch::VERSION, set.name())
}

/// The present state, as the stamp records it.
pub fn stamp(place: &Place, rust: &Rust, set: Set, environment: &std::path::Path) -> Stamp {
    let pairs = [
        ("rustc", rust.version.clone()),
        ("clone", place.clone.display().to_string()),
        ("target", place.target.display().to_string()),
        ("libtorch", libtorch_name(set)),
        ("python", environment.display().to_string()),
        ("library", fingerprint(&place.built("libatomotion.so"))),
        ("kernel", fingerprint(&place.built("atomotion-kernel"))),
    ];
    Stamp(pairs.into_iter().map(|(key, value)| (key.to_string(), value)).collect())
}

fn because(changes: &[String]) -> String {
    if changes.is_empty() { String::new() } else { format!("{}; ", changes.join("; ")) }
}

/// Two set-ups at once would step on each other's files. The lock ends with the process that holds it.
fn wait_for_others(place: &Place) -> Result<File, String> {
    let path = place.cache.join("lock");
    let say = |error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(&place.cache).map_err(say)?;
    let file = File::options().create(true).append(true).open(&path).map_err(say)?;
    if file.try_lock().is_err() {
        println!("Another `cargo lab` is setting up: waiting for it.");
        file.lock().map_err(say)?;
    }
    Ok(file)
}

fn warn_of_overrides() {
    for name in process::OVERRIDES.iter().filter(|name| std::env::var_os(name).is_some()) {
        println!("{name} is set: it is left out of these builds, which need the flags of .cargo/config.toml.");
    }
}
