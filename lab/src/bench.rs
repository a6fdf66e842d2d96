//! `cargo lab bench`: the library and the kernel beside what people use today, in one run on the same data.
//!
//! What is compared with is installed here, each in an environment of its own; peers/ has the programs that measure.

use crate::args::{Bench, Classify, Detect, Dynamics, Peer};
use crate::board::Board;
use crate::jupyter;
use crate::place::Place;
use crate::process;
use crate::python::{self, Lock, Python};
use crate::rust::Rust;
use crate::stamp::write_whole;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release of evcxr_jupyter that the kernel is compared with.
const STOCK: &str = "0.22.0";
const STOCK_ABOUT: &str = "compiling evcxr_jupyter 0.22.0 (once, usually 10 min on 2 cores)";
const SCIKIT_ABOUT: &str = "downloading scikit-learn and SciPy, 60 MB (once)";
const PYTHON_ABOUT: &str = "downloading AtomAI and PyTorch, 3 GB (once, usually 3 to 20 min, as fast as your line)";

const DYNAMICS_ABOUT: &str = "downloading trackpy, hmmlearn and what they need, 200 MB (once, usually 1 min)";

const STOCK_SETUP: [&str; 1] = ["use atomotion::prelude::*;"];
const PYTHON_SETUP: [&str; 2] = [
    "%matplotlib inline",
    "import math\nfrom dataclasses import dataclass\nimport numpy as np\nimport matplotlib.pyplot as plt\n\
     import polars as pl\nimport torch\nimport atomai",
];

/// The command that measures kernels, with a plan of what to run.
pub fn kernel(place: &Place, environment: &Path, bench: &Bench) -> Result<Command, String> {
    let [folder, shared] = folders(place, "kernel")?;
    let mut kernels = vec![ours(place)];
    let mut left_out = Vec::new();
    let board = Board::new();
    for (peer, make) in [(Peer::Stock, stock as Make), (Peer::Python, ipykernel)] {
        match bench.without.contains(&peer) {
            true => left_out.push(format!("{} (`--without {}`)", peer.title(), peer.name())),
            false => kernels.push(make(place, &shared, &board)?),
        }
    }
    drop(board);
    let plan = json!({
        "command": bench.command(),
        "folder": folder,
        "cells": place.clone.join("peers/cells.json"),
        "kernels": kernels,
        "rounds": bench.rounds,
        "drop_caches": bench.drop_caches,
        "warm": { "argv": [place.kernel(), "warm"], "socket": folder.join("warm") },
        "rustc": Rust::find(place)?.short(),
        "readme": readme(place, bench.write),
        "left_out": left_out,
    });
    program(place, environment, "bench_kernel.py", &folder, &plan)
}

/// The command that measures how well defects are found, with a plan of what to run.
pub fn detect(place: &Place, environment: &Path, asked: &Detect) -> Result<Command, String> {
    let [folder, shared] = folders(place, "detect")?;
    let board = Board::new();
    let peers = if asked.peers { Some(peers(place, &shared, &board)?) } else { None };
    drop(board);
    let number = |name: &str| asked.numbers.iter().find(|(n, _)| n == name).map(|(_, value)| *value);
    let plan = json!({
        "command": asked.command(),
        "clone": place.clone,
        "folder": folder,
        "python": peers.as_deref().map(python::interpreter),
        "peer_versions": peers.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy()),
        "rustc": Rust::find(place)?.short(),
        "seeds": number("seeds").unwrap_or(3),
        "minutes": number("minutes").unwrap_or(20),
        "movies": number("movies"),
        "within": number("within"),
        "readme": readme(place, asked.write),
    });
    program(place, environment, "bench_detect.py", &folder, &plan)
}

/// The command that measures tracks and the Markov model, with a plan of what to run: by the Python that has trackpy and
/// hmmlearn.
pub fn dynamics(place: &Place, asked: &Dynamics) -> Result<Command, String> {
    let [folder, shared] = folders(place, "dynamics")?;
    let board = Board::new();
    let environment = installed(place, &shared, &board, "dynamics", Lock::dynamics(place), DYNAMICS_ABOUT)?;
    let atomai = if asked.atomai { Some(peers(place, &shared, &board)?) } else { None };
    drop(board);
    let clock =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_secs() % 1_000_000);
    let plan = json!({
        "command": asked.command(),
        "clone": place.clone,
        "atomai": atomai.as_deref().map(python::interpreter),
        "rustc": Rust::find(place)?.short(),
        "seed": asked.seed.unwrap_or(clock),
        "movies": asked.movies.unwrap_or(5),
        "readme": readme(place, asked.write),
    });
    program(place, &environment, "bench_dynamics.py", &folder, &plan)
}

/// The command that measures how patches are sorted, with a plan of what to run.
pub fn classify(place: &Place, asked: &Classify) -> Result<Command, String> {
    let [folder, shared] = folders(place, "classify")?;
    let board = Board::new();
    let peers = installed(place, &shared, &board, "scikit-learn", Lock::classify(place), SCIKIT_ABOUT)?;
    drop(board);
    let plan = json!({
        "command": asked.command(),
        "clone": place.clone,
        "folder": folder,
        "rustc": Rust::find(place)?.short(),
        "many": asked.many.unwrap_or(100_000),
        "readme": readme(place, asked.write),
    });
    program(place, &peers, "bench_classify.py", &folder, &plan)
}

/// Where a benchmark keeps what it makes, and where all keep what they install; both are made.
fn folders(place: &Place, what: &str) -> Result<[PathBuf; 2], String> {
    let both = [place.dot.join("bench").join(what), place.cache.join("bench")];
    for made in &both {
        fs::create_dir_all(made).map_err(|error| format!("{}: {error}", made.display()))?;
    }
    Ok(both)
}

/// The page that tables are put into; empty where they are not to be.
fn readme(place: &Place, write: bool) -> String {
    if write { place.clone.join("benches/README.md").display().to_string() } else { String::new() }
}

/// A program of peers/, with its plan in a file.
fn program(place: &Place, environment: &Path, name: &str, folder: &Path, plan: &Value) -> Result<Command, String> {
    let file = folder.join("plan.json");
    write_whole(&file, &format!("{plan:#}\n"))?;
    let mut python = jupyter::python(place, environment);
    python.env("PYTHONUNBUFFERED", "1").arg(place.clone.join("peers").join(name)).arg(file);
    Ok(python)
}

type Make = fn(&Place, &Path, &Board) -> Result<Value, String>;

fn ours(place: &Place) -> Value {
    json!({
        "name": "ours",
        "title": "ours",
        "language": "rust",
        "argv": [place.kernel(), "--control_file", "{connection_file}"],
        "env": {},
        "setup": [],
    })
}

/// evcxr_jupyter as it is published, with the library as an ordinary dependency.
fn stock(place: &Place, shared: &Path, board: &Board) -> Result<Value, String> {
    let home = shared.join(format!("evcxr_jupyter-{STOCK}"));
    let program = home.join("bin/evcxr_jupyter");
    if !program.exists() {
        board.part("stock kernel", STOCK_ABOUT, "", |_| install_stock(&home))?;
    }
    let session = home.join("session");
    let depend = format!(":dep atomotion = {{ path = {:?} }}", place.clone.display().to_string());
    let setup: Vec<String> = std::iter::once(depend).chain(STOCK_SETUP.map(String::from)).collect();
    Ok(json!({
        "name": "stock",
        "title": format!("stock evcxr_jupyter {STOCK}, the library as `:dep`"),
        "language": "rust",
        "argv": [program, "--control_file", "{connection_file}"],
        "env": {
            "EVCXR_TMPDIR": session,
            "EVCXR_CONFIG_DIR": home.join("config"),
            "LIBTORCH": place.libtorch_link(),
            // Its own run path is one folder off, which only under the system's temporary folder does no harm.
            "LD_LIBRARY_PATH": Rust::find(place)?.standard_library(),
        },
        "setup": setup,
    }))
}

fn install_stock(home: &Path) -> Result<(), String> {
    let build = home.join("build");
    let mut cargo = process::cargo();
    cargo.args(["install", "evcxr_jupyter", "--locked", "--version", STOCK, "--root"]).arg(home);
    cargo.env("CARGO_TARGET_DIR", &build).current_dir(home.parent().unwrap_or(Path::new("/")));
    process::text(&mut cargo)?;
    // Half a gigabyte that nothing needs any more; where it cannot be removed it does no harm.
    let _ = fs::remove_dir_all(build);
    Ok(())
}

/// Python's kernel with AtomAI.
fn ipykernel(place: &Place, shared: &Path, board: &Board) -> Result<Value, String> {
    let environment = peers(place, shared, board)?;
    Ok(json!({
        "name": "ipykernel",
        "title": "ipykernel with `import atomai`",
        "language": "python",
        "argv": [python::interpreter(&environment), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "env": { "PYTHONNOUSERSITE": "1", "MPLCONFIGDIR": shared.join("matplotlib") },
        "setup": PYTHON_SETUP,
    }))
}

/// The Python environment of the programs that benchmarks run beside ours.
fn peers(place: &Place, shared: &Path, board: &Board) -> Result<PathBuf, String> {
    installed(place, shared, board, "peers", Lock::peers(place), PYTHON_ABOUT)
}

/// An environment with all of a lock file.
fn installed(
    place: &Place,
    shared: &Path,
    board: &Board,
    name: &str,
    lock: Lock,
    about: &'static str,
) -> Result<PathBuf, String> {
    let python = Python::find()?;
    let environment = shared.join(lock.name(name, &python)?);
    if !lock.is_in(&environment) {
        board.part(name, about, "packages", |task| {
            python::make_environment(place, &python, &environment, &lock, task)
        })?;
    }
    Ok(environment)
}
