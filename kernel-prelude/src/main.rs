//! One executable, many hats. Jupyter starts it as the kernel, a user as a terminal REPL, set-up as `prepare`;
//! evcxr starts it again as the process that runs the user's code; and, under the names of cargo, rustup and a
//! compiler wrapper, it stands between evcxr and the real tools so that a cell costs one `rustc` and nothing else.

mod cell;
mod environment;
mod metadata;
mod prepare;
mod recipe;
mod repl;
mod runtime;
mod session;
mod shim;

use std::process::ExitCode;

/// Whatever went wrong, as a sentence for the user.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const HELP: &str = "\
atomotion-kernel prepare --project DIR   record how cells are compiled (cargo lab setup runs this)
atomotion-kernel --control_file FILE     be a Jupyter kernel (Jupyter runs this)
atomotion-kernel repl                    read cells from the terminal or from standard input";

fn main() -> ExitCode {
    if runtime::is_user_process() {
        runtime::settle();
    }
    evcxr::runtime_hook();
    let args: Vec<String> = std::env::args().collect();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<ExitCode> {
    let name = args[0].rsplit('/').next().unwrap_or_default();
    match name {
        "cargo" => return shim::cargo(&args[1..]),
        "rustup" => return shim::rustup(&args[1..]),
        "cell-rustc" => return shim::rustc_wrapper(&args[1..]),
        _ => {}
    }
    let words: Vec<&str> = args[1..].iter().map(String::as_str).collect();
    match words[..] {
        ["prepare", "--project", project] => {
            prepare::prepare(project.as_ref())?;
            Ok(ExitCode::SUCCESS)
        }
        ["--control_file", file] if session::inside() => {
            session::die_with_parent();
            evcxr_jupyter::main().map_err(|error| format!("The kernel stopped ({file}): {error:#}"))?;
            Ok(ExitCode::SUCCESS)
        }
        ["repl"] if session::inside() => {
            session::die_with_parent();
            repl::run()
        }
        ["--control_file", _] | ["repl"] => session::supervise(&args[1..]),
        _ => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
    }
}
