//! Starting other programs: with a clean environment, and with errors that say what was run.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Compiler flags in the environment replace those of `.cargo/config.toml`: a library built with them does not fit
/// the kernel's cells.
pub const OVERRIDES: [&str; 4] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
];

/// Left by `cargo run` for `lab` itself. Some build scripts watch them and would run again at every change.
const FROM_CARGO_RUN: [&str; 5] =
    ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_CRATE_NAME", "CARGO_BIN_NAME"];

/// Would change which modules our Python programs import.
const PYTHON: [&str; 3] = ["PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"];

/// A command whose environment is the user's, without what would make it behave differently here.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let ours = OVERRIDES.contains(&&*text) || FROM_CARGO_RUN.contains(&&*text) || PYTHON.contains(&&*text);
        if ours || text.starts_with("CARGO_PKG_") || text.starts_with("LIBTORCH") {
            command.env_remove(&name);
        }
    }
    match library_path() {
        Some(path) if !path.is_empty() => command.env("LD_LIBRARY_PATH", path),
        _ => command.env_remove("LD_LIBRARY_PATH"),
    };
    command
}

/// The user's `LD_LIBRARY_PATH`: `cargo run` puts the folders of the toolchain and of the build before it.
fn library_path() -> Option<OsString> {
    let path = env::var_os("LD_LIBRARY_PATH")?;
    let toolchain = env::var_os("CARGO").and_then(|cargo| Some(Path::new(&cargo).parent()?.parent()?.to_path_buf()));
    let build = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_path_buf()));
    let added = |folder: &Path| [&toolchain, &build].into_iter().flatten().any(|root| folder.starts_with(root));
    env::join_paths(env::split_paths(&path).filter(|folder| !added(folder))).ok()
}

pub fn cargo() -> Command {
    let mut cargo = command("cargo");
    // rust-analyzer's crates are compiled anew, for minutes, whenever this variable comes or goes.
    cargo.env_remove("CI");
    cargo
}

/// What is printed, or an error with what was printed on the other stream.
pub fn text(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| not_started(command, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{} failed ({}):\n{}", shown(command), output.status, String::from_utf8_lossy(&said).trim_end()))
}

/// Prints, and does not mind a reader that has gone, such as `head`.
pub fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Becomes another program, so that Ctrl-C reaches that alone. Returns only if it could not be started.
pub fn turn_into(command: &mut Command) -> String {
    let error = command.exec();
    not_started(command, &error)
}

/// Runs to the end and hands each line over as it comes, `\r` ending a line like `\n`. Both streams go through one
/// pipe, so that they keep their order. True when it succeeded.
pub fn lines(command: &mut Command, mut each: impl FnMut(&str)) -> Result<bool, String> {
    let (mut reader, writer) = std::io::pipe().map_err(|error| format!("no pipe for a child: {error}"))?;
    let second = writer.try_clone().map_err(|error| format!("no pipe for a child: {error}"))?;
    command.stdin(Stdio::null()).stdout(writer).stderr(second);
    let mut child = command.spawn().map_err(|error| not_started(command, &error))?;
    // The pipe ends when every writer is closed: the command still holds ours.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (mut rest, mut buffer) = (Vec::new(), [0; 8192]);
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        rest.extend_from_slice(&buffer[..count]);
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let line: Vec<u8> = rest.drain(..=end).collect();
            each(&String::from_utf8_lossy(&line[..end]));
        }
    }
    if !rest.is_empty() {
        each(&String::from_utf8_lossy(&rest));
    }
    child.wait().map(|status| status.success()).map_err(|error| format!("{}: {error}", shown(command)))
}

/// As `lines`, passing everything on to the terminal as well.
pub fn lines_shown(command: &mut Command, mut each: impl FnMut(&str)) -> Result<bool, String> {
    let mut out = std::io::stdout();
    lines(command, |line| {
        let _ = writeln!(out, "{line}");
        each(line);
    })
}

fn not_started(command: &Command, error: &std::io::Error) -> String {
    format!("could not start {}: {error}", shown(command))
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_returns_and_newlines_and_failure_is_reported() {
        let mut seen = Vec::new();
        let ok =
            lines(Command::new("sh").args(["-c", r"printf 'a\rb\nc'; exit 3"]), |line| seen.push(line.to_string()));
        assert_eq!((ok, seen), (Ok(false), vec!["a".to_string(), "b".into(), "c".into()]));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = text(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(error.starts_with("could not start no-such-program-here"), "{error}");
    }

    #[test]
    fn flags_of_the_user_do_not_reach_children() {
        let command = command("true");
        let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        let here = env::var_os("CARGO_MANIFEST_DIR").is_some();
        assert_eq!(removed.contains(&OsStr::new("CARGO_MANIFEST_DIR")), here);
    }
}
