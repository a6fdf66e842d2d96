//! Being cargo, rustup and the compiler's wrapper for evcxr and rust-analyzer: answered here where the answer is known,
//! passed on to the real tool, in the user's own environment, where it is not.

use crate::cell::{self, Goal};
use crate::recipe::Recipe;
use crate::{Result, environment, link_cell, metadata};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// A cargo command line, as far as it matters here.
struct Request<'a> {
    args: &'a [String],
    subcommand: &'a str,
    manifest: Option<&'a Path>,
}

impl<'a> Request<'a> {
    fn parse(args: &'a [String]) -> Request<'a> {
        let mut words = args.iter();
        let mut subcommand = "";
        while let Some(word) = words.next() {
            if word == "-Z" {
                words.next();
            } else if !word.starts_with('-') {
                subcommand = word;
                break;
            }
        }
        let manifest = args.iter().position(|arg| arg == "--manifest-path");
        let manifest = manifest.and_then(|at| args.get(at + 1)).map(Path::new);
        Request { args, subcommand, manifest }
    }

    fn has(&self, flag: &str) -> bool {
        self.args.iter().any(|arg| arg == flag)
    }
}

pub fn cargo(args: &[String]) -> Result<ExitCode> {
    let kernel = environment::kernel_dir()?;
    let recipe = Recipe::load(&kernel)?;
    let request = Request::parse(args);
    let Some(cell) = std::env::var_os("EVCXR_TMPDIR").map(PathBuf::from) else {
        return pass_on(&recipe.cargo, args);
    };
    let at_cell = std::env::current_dir()? == cell;
    let of_cell = request.manifest.map_or(at_cell, |manifest| manifest == cell.join("Cargo.toml"));
    let record = |name: &str| fs::read_to_string(kernel.join("record").join(name));
    match request.subcommand {
        "build" | "check" if of_cell => {
            let goal = if request.subcommand == "build" { Goal::Build } else { Goal::Check };
            if has_dependencies(&cell)? {
                return build_with_dependencies(&recipe, &kernel, args);
            }
            return cell::compile(&recipe, &kernel, &cell, goal);
        }
        "metadata" => match metadata::answer(&recipe, &kernel, &cell, of_cell, &request_of(&request))? {
            Some(answer) => println!("{answer}"),
            None => return pass_on(&recipe.cargo, args),
        },
        "locate-project" if of_cell => {
            println!("{}", serde_json::json!({ "root": cell.join("Cargo.toml") }));
        }
        "rustc" if at_cell && request.has("cfg") => print!("{}", record("cfg.txt")?),
        "rustc" if at_cell && request.has("target-spec-json") => {
            print!("{}", record("target.json")?)
        }
        "clean" | "config" if at_cell => {}
        "" if request.has("--version") => print!("{}", record("cargo-version.txt")?),
        _ => return pass_on(&recipe.cargo, args),
    }
    Ok(ExitCode::SUCCESS)
}

fn request_of<'a>(request: &'a Request) -> metadata::Request<'a> {
    metadata::Request { args: request.args, manifest: request.manifest, no_deps: request.has("--no-deps") }
}

/// evcxr asks rustup where the tools are, so as not to go through rustup for every cell.
pub fn rustup(args: &[String]) -> Result<ExitCode> {
    let kernel = environment::kernel_dir()?;
    let recipe = Recipe::load(&kernel)?;
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["which", "cargo"] | [_, "which", "cargo"] => {
            println!("{}", kernel.join("cargo-home/bin/cargo").display())
        }
        ["which", "rustc"] => println!("{}", recipe.rustc.display()),
        _ => return pass_on(Path::new("rustup"), args),
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the user has added crates with `:dep`.
pub fn has_dependencies(cell: &Path) -> Result<bool> {
    let manifest = fs::read_to_string(cell.join("Cargo.toml"))?;
    let dependencies = manifest.split_once("[dependencies]").map_or("", |(_, rest)| rest);
    Ok(!dependencies.trim().is_empty())
}

/// Lets the real cargo build the user's crates; `rustc_wrapper` then adds the library to the cell alone.
fn build_with_dependencies(recipe: &Recipe, kernel: &Path, args: &[String]) -> Result<ExitCode> {
    if let Some(reason) = std::env::var(environment::STALE).ok().or_else(|| recipe.stale_files(kernel)) {
        return Ok(cell::refuse(&reason));
    }
    let mut cargo = Command::new(&recipe.cargo);
    environment::restore(&mut cargo);
    cargo
        .args(args)
        // `:opt` is about the cell. The crates it uses are compiled once, at a level that suits them.
        .args(["--config", "profile.dev.package.'*'.opt-level=2"])
        .env("RUSTC", &recipe.rustc)
        .env("RUSTC_WORKSPACE_WRAPPER", kernel.join("bin/cell-rustc"))
        .env("CARGO_INCREMENTAL", "0");
    // What cargo is doing may take minutes: it goes to whoever watches, as it comes.
    let mut child = cargo.spawn()?;
    let guard = cell::stop_when_interrupted(&child);
    let status = child.wait()?;
    drop(guard);
    if cell::interrupted() {
        return Ok(cell::refuse("interrupted"));
    }
    Ok(ExitCode::from(status.code().unwrap_or(1) as u8))
}

/// Compiles what cargo asks for; a cell gets the library as well.
pub fn rustc_wrapper(args: &[String]) -> Result<ExitCode> {
    let kernel = environment::kernel_dir()?;
    let recipe = Recipe::load(&kernel)?;
    let (rustc, args) =
        args.split_first().ok_or("cell-rustc is for cargo to call: it takes a compiler and its arguments.")?;
    let mut rustc = Command::new(rustc);
    rustc.args(args);
    let is_cell = args.windows(2).any(|pair| pair[0] == "--crate-name" && pair[1] == cell::CRATE);
    if is_cell {
        let externs = args.windows(2).filter(|pair| pair[0] == "--extern");
        let taken: Vec<&str> = externs.map(|pair| pair[1].split('=').next().unwrap_or_default()).collect();
        rustc.args(cell::library_arguments(&recipe, &taken)).args(link_cell::own_linker(&recipe));
        let folder = std::env::current_dir()?;
        return cell::run_cooked(rustc, &kernel, &folder);
    }
    Err(rustc.exec().into())
}

/// Becomes the real tool.
fn pass_on(tool: &Path, args: &[String]) -> Result<ExitCode> {
    let mut command = Command::new(tool);
    environment::restore(&mut command);
    command.args(args);
    let error = command.exec();
    Err(format!("{}: {error}", tool.display()).into())
}
