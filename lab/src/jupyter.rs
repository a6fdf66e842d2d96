//! Jupyter: our own, which writes only into the clone, and the user's, into which the kernel can be put.

use crate::args::{Destination, Open};
use crate::place::Place;
use crate::process;
use crate::python;
use crate::stamp::write_whole;
use serde_json::json;
use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub const KERNEL: &str = "atomotion";

/// A Python of the environment, with everything that Jupyter writes kept under `.atomotion/jupyter/`.
pub fn python(place: &Place, environment: &Path) -> Command {
    let home = place.dot.join("jupyter");
    let mut command = process::command(python::interpreter(environment));
    command.env("JUPYTER_PATH", &home).env("PYTHONNOUSERSITE", "1").env("JUPYTER_PREFER_ENV_PATH", "1");
    for (name, folder) in [
        ("JUPYTER_CONFIG_DIR", "config"),
        ("JUPYTER_DATA_DIR", "data"),
        ("JUPYTER_RUNTIME_DIR", "runtime"),
        ("IPYTHONDIR", "ipython"),
        ("JUPYTERLAB_SETTINGS_DIR", "settings"),
        ("JUPYTERLAB_WORKSPACES_DIR", "workspaces"),
    ] {
        command.env(name, home.join(folder));
    }
    for name in ["JUPYTER_CONFIG_PATH", "JUPYTERLAB_DIR", "JUPYTER_TOKEN", "JUPYTER_PORT", "JUPYTER_NO_CONFIG"] {
        command.env_remove(name);
    }
    command
}

/// The kernel spec and the settings of our own Jupyter.
pub fn write_own_files(place: &Place) -> Result<(), String> {
    let home = place.dot.join("jupyter");
    write_spec(place, &home)?;
    // No question about news, and no look for a newer JupyterLab than the pinned one.
    let notifications = json!({ "fetchNews": "false", "checkForUpdates": false });
    // JupyterLab drops completions that take more than a second: the first of a session may.
    let overrides = json!({
        "@jupyterlab/apputils-extension:notification": notifications,
        "@jupyterlab/completer-extension:manager": { "providerTimeout": 5000 },
    });
    write_whole(&home.join("config/labconfig/default_setting_overrides.json"), &format!("{overrides:#}\n"))
}

fn write_spec(place: &Place, jupyter: &Path) -> Result<PathBuf, String> {
    let spec = json!({
        "argv": [place.kernel(), "--control_file", "{connection_file}"],
        "display_name": "Rust (Atomotion)",
        "language": "rust",
        "interrupt_mode": "message",
    });
    let path = spec_file(jupyter);
    write_whole(&path, &format!("{spec:#}\n"))?;
    Ok(path)
}

fn spec_file(jupyter: &Path) -> PathBuf {
    jupyter.join("kernels").join(KERNEL).join("kernel.json")
}

/// Becomes JupyterLab: Ctrl-C then reaches it directly, and ends it and its kernels. Returns only on failure.
pub fn open(place: &Place, environment: &Path, open: &Open) -> String {
    let mut lab = python(place, environment);
    lab.args(["-m", "jupyterlab", "--ServerApp.log_level=WARN", "--LabApp.log_level=WARN"]);
    // Ctrl-C ends it without asking; and it starts no npm, which would write to the home folder.
    lab.args(["--ServerApp.answer_yes=True", "--LanguageServerManager.autodetect=False"]);
    lab.arg(format!("--MultiKernelManager.default_kernel_name={KERNEL}"));
    // The whole clone can be browsed, beginning at the notebooks.
    lab.arg(format!("--ServerApp.root_dir={}", place.clone.display()));
    lab.arg("--LabApp.default_url=/lab/tree/notebooks");
    if !open.browser {
        lab.arg("--no-browser");
    }
    if let Some(port) = open.port {
        lab.args([format!("--port={port}"), "--ServerApp.port_retries=0".into()]);
    }
    if is_root() {
        lab.arg("--allow-root");
    }
    if open.warm {
        lab.envs(keep_warm(place));
    }
    println!("Opening JupyterLab on notebooks/ with the kernel \"Rust (Atomotion)\". Ctrl-C ends it.");
    process::turn_into(lab.current_dir(&place.clone))
}

/// Starts what keeps a kernel ready for the next notebook, and returns how kernels learn of it. It ends with the
/// process that it is started from, which becomes JupyterLab.
fn keep_warm(place: &Place) -> Option<(&'static str, PathBuf)> {
    const WARM: &str = "ATOMOTION_WARM";
    let socket = place.cache.join(format!("warm-{}", std::process::id()));
    let mut keeper = process::command(place.kernel());
    keeper.arg("warm").env(WARM, &socket).stdin(Stdio::null()).stdout(Stdio::null());
    match keeper.spawn() {
        Ok(_) => Some((WARM, socket)),
        Err(error) => {
            println!("No kernel is kept ready, so that a notebook takes ten seconds to start: {error}");
            None
        }
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

pub fn install(place: &Place, destination: &Destination) -> Result<(), String> {
    let path = write_spec(place, &user_folder(destination)?)?;
    println!("Installed \"Rust (Atomotion)\": {}", path.display());
    println!("It runs from this clone. Install it again when the clone has moved.");
    Ok(())
}

pub fn uninstall(destination: &Destination) -> Result<(), String> {
    let path = spec_file(&user_folder(destination)?);
    let folder = path.parent().unwrap_or(&path);
    if !path.exists() {
        return Err(format!("there is no kernel \"Rust (Atomotion)\" at {}", folder.display()));
    }
    fs::remove_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    println!("Removed {}", folder.display());
    Ok(())
}

fn user_folder(destination: &Destination) -> Result<PathBuf, String> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    match destination {
        Destination::Prefix(folder) if !folder.is_dir() => {
            Err(format!("--prefix {}: no such folder", folder.display()))
        }
        Destination::Prefix(folder) => Ok(folder.join("share/jupyter")),
        Destination::User => set("JUPYTER_DATA_DIR")
            .or_else(|| set("XDG_DATA_HOME").map(|data| data.join("jupyter")))
            .or_else(|| set("HOME").map(|home| home.join(".local/share/jupyter")))
            .ok_or("HOME is not set: name a folder with --prefix".into()),
    }
}

/// The program that the kernel in the user's own Jupyter starts, where there is one.
pub fn installed_program() -> Option<PathBuf> {
    let text = fs::read_to_string(spec_file(&user_folder(&Destination::User).ok()?)).ok()?;
    let spec: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(spec["argv"][0].as_str()?.into())
}

/// Whether our own Jupyter's spec names the kernel of this clone.
pub fn own_spec_is_current(place: &Place) -> bool {
    let text = fs::read_to_string(spec_file(&place.dot.join("jupyter"))).unwrap_or_default();
    let spec: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    spec["argv"][0].as_str().map(Path::new) == Some(&place.kernel())
}
