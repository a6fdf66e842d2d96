//! The order of a set-up. What is there is kept; every part becomes visible only when it is whole.

use crate::board::Board;
use crate::doctor;
use crate::jupyter;
use crate::libtorch::{self, Set};
use crate::place::Place;
use crate::process;
use crate::python::{self, Lock, Python};
use crate::rust::{self, Rust};
use crate::stamp::{Stamp, fingerprint, write_whole};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Returns the folder of the Python environment.
pub fn set_up(place: &Place) -> Result<PathBuf, String> {
    let started = Instant::now();
    let _alone = wait_for_others(place)?;
    warn_of_overrides();
    doctor::prerequisites(place)?;
    let rust = Rust::find(place)?;
    let before = Stamp::read(&place.dot);
    let plan = Plan::of(place, &before)?;
    announce(place, &plan);

    let board = Board::new();
    let missing = rust.missing_components();
    if !missing.is_empty() {
        let about = format!("adding {} (usually under a minute)", missing.join(", "));
        board.part("Rust", &about, "", |_| rust::add_components(place, &missing))?;
    }
    // The kernel needs no libtorch: it compiles while the downloads run.
    std::thread::scope(|scope| {
        let downloads = scope.spawn(|| download(place, &plan, &board));
        let kernel = board.part("kernel", KERNEL, "crates", |task| rust::build(place, "atomotion-kernel", task));
        let downloads = downloads.join().map_err(|_| "the downloads stopped unexpectedly".to_string());
        downloads.flatten().and(kernel)
    })?;
    build_library(place, &plan, &before, &board)?;

    let now = stamp(place, &rust, plan.set, &plan.environment);
    let changes = before.changes(&now);
    if !changes.is_empty() {
        board.say(&format!("Since the last set-up, {}: preparing the kernel again.", changes.join(" and ")));
    }
    if before.0.is_empty() || !changes.is_empty() || !place.kernel().exists() {
        board.part("kernel", PREPARE, "", |task| rust::prepare_kernel(place, task))?;
    }
    drop(board);
    jupyter::write_own_files(place)?;
    if now != before {
        now.write(&place.dot)?;
    }
    println!("Everything is in place ({:.1} s).", started.elapsed().as_secs_f64());
    Ok(plan.environment)
}

const KERNEL: &str = "compiling it (the first time usually 6 min on 2 cores)";
const LIBRARY: &str = "compiling it (the first time usually 12 min on 2 cores)";
const PREPARE: &str = "preparing it for notebooks (usually under a minute)";
const TEST_TOOLS: &str = "installing pytest, Notebook 7 and Playwright (usually under a minute)";
const ENVIRONMENT: &str = "installing JupyterLab, nbclient and nbconvert (usually 1 min)";

/// What later steps share: which things this machine takes, and where they lie or will lie.
struct Plan {
    set: Set,
    python: Python,
    environment: PathBuf,
}

impl Plan {
    fn of(place: &Place, before: &Stamp) -> Result<Plan, String> {
        let python = Python::find()?;
        // An environment that works stays, also when `python3` has become another one.
        let known = PathBuf::from(before.get("python"));
        let lock = Lock::users(place);
        let keep = known.starts_with(&place.cache) && lock.is_in(&known);
        let environment = if keep { known } else { place.cache.join(lock.name("python", &python)?) };
        Ok(Plan { set: libtorch::choose(libtorch::driver().as_deref()).0, python, environment })
    }
}

fn announce(place: &Place, plan: &Plan) {
    let libtorch = libtorch::fault(place, plan.set).is_some();
    if libtorch || !Lock::users(place).is_in(&plan.environment) || !place.kernel().exists() {
        println!("Setting up what is missing; all of it usually takes 20 min on 2 cores.");
        println!("Downloads go to {}.", place.cache.display());
    }
}

fn download(place: &Place, plan: &Plan, board: &Board) -> Result<(), String> {
    let Plan { set, python, environment } = plan;
    if libtorch::fault(place, *set).is_some() {
        board.part("libtorch", set.about(), "MB", |task| libtorch::provide(place, python, *set, task))?;
    }
    libtorch::link(place, *set)?;
    let lock = Lock::users(place);
    if !lock.is_in(environment) {
        board.part("Python", ENVIRONMENT, "packages", |task| {
            python::make_environment(place, python, environment, &lock, task)
        })?;
    }
    Ok(())
}

/// Adds what the tests of the kernel need to the environment.
pub fn add_tests(place: &Place, environment: &Path) -> Result<(), String> {
    let lock = Lock::tests(place);
    if lock.is_in(environment) {
        return Ok(());
    }
    let python = Python::find()?;
    Board::new()
        .part("test tools", TEST_TOOLS, "packages", |task| python::add(place, &python, environment, &lock, task))
}

fn build_library(place: &Place, plan: &Plan, before: &Stamp, board: &Board) -> Result<(), String> {
    let known = before.get("libtorch");
    let other_libtorch = !known.is_empty() && known != libtorch_name(plan.set);
    if other_libtorch || target_is_of_another_clone(place) {
        // Build scripts would not notice that other libraries lie behind the same path, or the same behind another.
        let packages = ["clean", "-p", "torch-sys", "-p", "atomotion"];
        process::text(process::cargo().args(packages).current_dir(&place.clone))?;
    }
    write_whole(&target_owner(place), &place.clone.display().to_string())?;
    board.part("library", LIBRARY, "crates", |task| rust::build(place, "atomotion", task))
}

/// Several clones may share a target folder. Who built in it last is written there.
fn target_owner(place: &Place) -> PathBuf {
    place.target.join("atomotion-clone")
}

fn target_is_of_another_clone(place: &Place) -> bool {
    fs::read_to_string(target_owner(place)).is_ok_and(|owner| owner != place.clone.display().to_string())
}

fn libtorch_name(set: Set) -> String {
    format!("{} {}", libtorch::VERSION, set.name())
}

/// The present state, as the stamp records it.
pub fn stamp(place: &Place, rust: &Rust, set: Set, environment: &Path) -> Stamp {
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
