//! One executable, many hats. Jupyter starts it as the kernel, a user as a terminal REPL, set-up as `prepare`;
//! evcxr starts it again as the process that runs the user's code; and, under the names of cargo, rustup, a
//! compiler wrapper and a linker, it stands between evcxr and the real tools so that a cell costs one `rustc` and nothing else.

mod cell;
mod cook;
mod engine;
mod environment;
mod interrupt;
mod kernel;
mod launcher;
mod link;
mod link_cell;
mod metadata;
mod prepare;
mod recipe;
mod relay;
mod repl;
mod report;
mod runtime;
mod server;
mod session;
mod shim;
mod syntax;
mod sysroot;
mod trace;
mod warm;

use std::process::ExitCode;

/// Whatever went wrong, as a sentence for the user.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const HELP: &str = "\
atomotion-kernel prepare --project DIR   record how cells are compiled (cargo lab setup runs this)
atomotion-kernel --control_file FILE     be a Jupyter kernel (Jupyter runs this)
atomotion-kernel warm                    keep a kernel ready at the socket ATOMOTION_WARM (cargo lab runs this)
atomotion-kernel repl                    read cells from the terminal or from standard input";

fn main() -> ExitCode {
    if runtime::is_user_process() {
        runtime::settle();
        runtime::run();
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
        link_cell::NAME => return link_cell::link(&args[1..]),
        "cell-rustc" => return shim::rustc_wrapper(&args[1..]),
        _ => {}
    }
    let words: Vec<&str> = args[1..].iter().map(String::as_str).collect();
    match words[..] {
        ["prepare", "--project", project] => {
            prepare::prepare(project.as_ref())?;
            Ok(ExitCode::SUCCESS)
        }
        ["--control_file", file] => launcher::launch(file.as_ref()),
        ["serve"] => kernel::serve(None),
        ["serve", "--warm", socket] => kernel::serve(Some(socket.as_ref())),
        ["warm"] => warm::keep(),
        ["repl"] => repl::launch(),
        _ => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
    }
}
