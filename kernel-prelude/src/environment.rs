//! The environment of a session: what it adds for evcxr and rust-analyzer, and how the user's own comes back.

use crate::Result;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The session's folder; its presence says that this process belongs to a session.
pub const SESSION: &str = "ATOMOTION_KERNEL_SESSION";
/// Why cells cannot be compiled, when set-up no longer matches what is on the machine.
pub const STALE: &str = "ATOMOTION_KERNEL_STALE";
/// Which set-up the session was started with.
pub const RECIPE: &str = "ATOMOTION_KERNEL_RECIPE";
/// The file whose first byte says that the user has asked the cell to stop. The library looks at it, too.
pub const INTERRUPT: &str = "ATOMOTION_INTERRUPT";
/// Tells the library that displays are shown as they come and can be updated.
const LIVE: &str = "ATOMOTION_LIVE";
/// Tells the library that what it prints ends up in a terminal.
const TERMINAL: &str = "ATOMOTION_TERMINAL";
/// Tells the library which kernel it runs in.
const VERSION: &str = "ATOMOTION_KERNEL_VERSION";
const REAL_PATH: &str = "ATOMOTION_KERNEL_REAL_PATH";
const REAL_CARGO_HOME: &str = "ATOMOTION_KERNEL_REAL_CARGO_HOME";
const REAL_RUSTC: &str = "ATOMOTION_KERNEL_REAL_RUSTC";
const REAL_RUST_SRC: &str = "ATOMOTION_KERNEL_REAL_RUST_SRC_PATH";

/// The variables that a session changes, and where each keeps the user's own value.
const SHADOWED: [(&str, &str); 4] =
    [("PATH", REAL_PATH), ("CARGO_HOME", REAL_CARGO_HOME), ("RUSTC", REAL_RUSTC), ("RUST_SRC_PATH", REAL_RUST_SRC)];
/// The variables that a session adds for evcxr.
const ADDED: [&str; 5] = [SESSION, STALE, RECIPE, "EVCXR_TMPDIR", "EVCXR_CONFIG_DIR"];

/// The prepared folder that this executable lies in: `<project>/.atomotion/kernel`.
pub fn kernel_dir() -> Result<PathBuf> {
    let exe = std::env::current_exe()?.canonicalize()?;
    let dir = exe.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    if dir.join("recipe.json").is_file() {
        return Ok(dir.to_path_buf());
    }
    Err("This kernel has not been prepared: run `cargo lab setup` in Atomotion's folder, and start \
         .atomotion/kernel/bin/atomotion-kernel from there."
        .into())
}

/// The user's cache folder for Atomotion.
pub fn cache_dir() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("ATOMOTION_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("atomotion")))
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache/atomotion")))
        .ok_or_else(|| "No cache folder: set HOME or ATOMOTION_CACHE to a folder that can be written.".into())
}

/// Where the user's process hands over its outputs.
pub fn relay_socket(session: &Path) -> PathBuf {
    session.join("relay")
}

/// Makes `command` part of the session in `session`, with the shims of `kernel` before the real tools.
pub fn enter(command: &mut Command, session: &Path, kernel: &Path, rustc: &Path) {
    for (name, keep) in SHADOWED {
        if let Some(value) = std::env::var_os(name) {
            command.env(keep, value);
        }
    }
    let shims = kernel.join("cargo-home/bin");
    let mut path = shims.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    command
        .env(SESSION, session)
        .env(INTERRUPT, session.join("interrupt"))
        .env(LIVE, "1")
        .env(VERSION, env!("CARGO_PKG_VERSION"))
        .env("PATH", path)
        // rust-analyzer takes `$CARGO_HOME/bin/cargo` before the one on the PATH, and `$RUSTC` before either.
        .env("CARGO_HOME", kernel.join("cargo-home"))
        .env("RUSTC", rustc)
        // Where rust-analyzer finds the standard library's sources.
        .env("RUST_SRC_PATH", crate::sysroot::place(kernel))
        .env("EVCXR_TMPDIR", session.join("cell"))
        .env("EVCXR_CONFIG_DIR", session.join("config"));
    // libtorch's threads would otherwise spin while they wait, and take the processor from those they wait for: on a
    // busy machine training takes twice as long.
    if std::env::var_os("OMP_WAIT_POLICY").is_none() {
        command.env("OMP_WAIT_POLICY", "passive");
    }
}

/// Makes a session one that has no front end to show displays.
pub fn in_terminal(command: &mut Command, is_terminal: bool) {
    command.env_remove(LIVE);
    if is_terminal {
        command.env(TERMINAL, "1");
    }
}

/// What a session changed, with the user's own values (`None`: was not set).
pub fn originals() -> Vec<(&'static str, Option<OsString>)> {
    if std::env::var_os(SESSION).is_none() {
        return Vec::new();
    }
    SHADOWED.iter().map(|(name, keep)| (*name, std::env::var_os(keep))).collect()
}

/// Gives `command`, a real tool, the environment the user started the kernel with.
pub fn restore(command: &mut Command) {
    for (name, value) in originals() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// Gives this process the environment the user started the kernel with, so that code in cells sees no shims.
pub fn restore_own() {
    let originals = originals();
    // SAFETY: called first thing in `main`, while there is one thread.
    unsafe {
        for (name, value) in originals {
            match value {
                Some(value) => std::env::set_var(name, value),
                None => std::env::remove_var(name),
            }
        }
        for name in ADDED.into_iter().chain(SHADOWED.map(|(_, keep)| keep)) {
            std::env::remove_var(name);
        }
        // evcxr asks for the stack of whatever fails, which is that of the kernel's insides. `:backtrace` has a panic's.
        std::env::set_var("RUST_BACKTRACE", "0");
    }
}
