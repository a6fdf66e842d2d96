//! Compiling a cell by the recorded recipe: one `rustc`, started in place of cargo.

use crate::cook::{self, Added, cook};
use crate::recipe::Recipe;
use crate::{Result, environment, interrupt, link_cell, trace};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::{Duration, SystemTime};

/// The crate that evcxr makes of a cell.
pub const CRATE: &str = "ctx";
/// Made in the cell's folder once the `42` that evcxr starts with has been compiled.
const STARTED: &str = ".started";
/// In the cell's folder: the source as it is compiled.
const COOKED: &str = "cooked";

#[derive(Clone, Copy, PartialEq)]
pub enum Goal {
    Build,
    Check,
}

/// Compiles the cell in `folder`.
///
/// evcxr reads rustc's messages whether or not cargo has wrapped them.
pub fn compile(recipe: &Recipe, kernel: &Path, folder: &Path, goal: Goal) -> Result<ExitCode> {
    let mut rustc = Command::new(&recipe.rustc);
    rustc.args(basic_arguments(folder, goal)?);
    match trouble(recipe, kernel) {
        None => {
            rustc.args(library_arguments(recipe, &[])).args(link_cell::own_linker(recipe));
            fs::write(folder.join(STARTED), "")?;
        }
        Some(_) if !folder.join(STARTED).exists() => return first_cell(rustc, folder),
        Some(reason) => return Ok(refuse(&reason)),
    }
    rustc.args(std::env::var("RUSTFLAGS").unwrap_or_default().split_whitespace());
    announce(folder)?;
    run_cooked(rustc, kernel, folder)
}

/// Runs the compiler on the cell with what the kernel adds to it, and without what turns out not to fit.
pub fn run_cooked(mut rustc: Command, kernel: &Path, folder: &Path) -> Result<ExitCode> {
    let source = fs::read_to_string(folder.join("src/lib.rs"))?;
    rustc.arg(format!("-Clinker={}", kernel.join("bin").join(link_cell::NAME).display()));
    let place = folder.join(COOKED);
    fs::create_dir_all(place.join("src"))?;
    // The path that panics name.
    rustc.current_dir(&place);
    let mut added = cook::ALL;
    loop {
        fs::write(place.join("src/lib.rs"), cook(&source, added))?;
        let started = SystemTime::now();
        let Some(output) = output_unless_interrupted(&mut rustc)? else {
            return Ok(refuse("interrupted"));
        };
        trace::compiler(folder, started);
        let messages = Messages::read(&output);
        match messages.unfit(added) {
            Some(less) if !output.status.success() => added = less,
            _ => {
                std::io::stdout().write_all(&output.stdout)?;
                messages.write(cook::value_lines(&source))?;
                return Ok(ExitCode::from(output.status.code().unwrap_or(1) as u8));
            }
        }
    }
}

/// Waits for a command, and stops it when the user stops the cell.
pub fn output_unless_interrupted(command: &mut Command) -> Result<Option<Output>> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let guard = stop_when_interrupted(&child);
    let output = child.wait_with_output()?;
    drop(guard);
    Ok((!interrupted()).then_some(output))
}

/// Ends `child` when the user asks for it, for as long as the returned value lives.
pub fn stop_when_interrupted(child: &Child) -> std::sync::mpsc::Sender<()> {
    let (guard, ended) = std::sync::mpsc::channel::<()>();
    let id = child.id() as i32;
    std::thread::spawn(move || {
        while ended.recv_timeout(Duration::from_millis(50)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            if interrupted() {
                // SAFETY: plain system call. The child has not been waited for while the guard lives.
                unsafe { libc::kill(id, libc::SIGTERM) };
                break;
            }
        }
    });
    guard
}

pub fn interrupted() -> bool {
    std::env::var_os(environment::INTERRUPT).is_some_and(|file| interrupt::is_requested(Path::new(&file)))
}

/// What the compiler said, line by line: JSON, or something else that is passed on.
struct Messages(Vec<(String, Option<Value>)>);

impl Messages {
    fn read(output: &Output) -> Messages {
        let text = String::from_utf8_lossy(&output.stderr);
        let message = |line: &str| (line.to_owned(), serde_json::from_str(line).ok().filter(Value::is_object));
        Messages(text.lines().map(message).collect())
    }

    fn errors(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().filter_map(|(_, message)| message.as_ref()).filter(|message| message["level"] == "error")
    }

    /// What to leave out, where the errors come from what was added.
    fn unfit(&self, added: Added) -> Option<Added> {
        let has = |test: &dyn Fn(&Value) -> bool| self.errors().any(test);
        let conversion = |error: &Value| {
            error["code"]["code"] == "E0277" && error["message"].as_str().is_some_and(|text| text.contains("Display"))
                || children(error).any(|text| text.contains("EvcxrUserCodeError") && text.contains("Display"))
        };
        if added.display && has(&conversion) {
            return Some(Added { display: false, ..added });
        }
        let in_value = |error: &Value| spans(error).any(|span| text_of(span).contains("evcxr_value"));
        if added.value && has(&in_value) {
            return Some(Added { value: false, ..added });
        }
        None
    }

    /// evcxr looks for the cell's own lines in a message to decide what is wrong, and two kinds mislead it.
    ///
    /// An error about a variable that it stores and the cell has moved is about storing it alone: the other places in it
    /// would be faults of the cell. An error in the last expression, whose lines are `value`, is looked at again when
    /// evcxr has tried to show it otherwise: a note that points elsewhere in the cell would be all of it.
    fn write(self, value: Option<Range<u64>>) -> Result<()> {
        let mut stderr = std::io::stderr().lock();
        for (line, message) in self.0 {
            match message {
                Some(mut message) if value.as_ref().is_some_and(|lines| is_within(&message, lines)) => {
                    message["children"].as_array_mut().into_iter().flatten().for_each(take_places);
                    writeln!(stderr, "{message}")?;
                }
                Some(mut message) if is_about_storing(&message) => {
                    let storing = |span: &Value| text_of(span).contains("evcxr_variable_store");
                    if let Some(spans) = message["spans"].as_array_mut() {
                        spans.retain(storing);
                    }
                    message["children"] = json!([]);
                    writeln!(stderr, "{message}")?;
                }
                _ => writeln!(stderr, "{line}")?,
            }
        }
        Ok(())
    }
}

/// A note without the places that it points at. What it suggests to write there becomes part of its words.
fn take_places(note: &mut Value) {
    let suggested: Vec<&str> = spans(note).filter_map(|span| span["suggested_replacement"].as_str()).collect();
    let text = suggested.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
    if !text.is_empty() {
        note["message"] = json!(format!("{}\n{text}", note["message"].as_str().unwrap_or_default()));
    }
    note["spans"] = json!([]);
}

fn is_about_storing(message: &Value) -> bool {
    message["code"]["code"] == "E0382"
        && primary(message).is_some_and(|span| text_of(span).contains("evcxr_variable_store.put"))
}

fn is_within(message: &Value, lines: &Range<u64>) -> bool {
    primary(message).and_then(|span| span["line_start"].as_u64()).is_some_and(|line| lines.contains(&line))
}

/// Where an error is, rather than what it has to do with.
fn primary(message: &Value) -> Option<&Value> {
    spans(message).find(|span| span["is_primary"] == true)
}

fn spans(message: &Value) -> impl Iterator<Item = &Value> {
    message["spans"].as_array().into_iter().flatten()
}

fn children(message: &Value) -> impl Iterator<Item = &str> {
    message["children"].as_array().into_iter().flatten().filter_map(|child| child["message"].as_str())
}

/// The line that a span stands in.
fn text_of(span: &Value) -> &str {
    span["text"][0]["text"].as_str().unwrap_or_default()
}

/// Why no cell can use the library now.
fn trouble(recipe: &Recipe, kernel: &Path) -> Option<String> {
    if let Ok(reason) = std::env::var(environment::STALE) {
        return Some(reason);
    }
    let other = std::env::var_os("RUSTC").filter(|rustc| Path::new(rustc) != recipe.rustc);
    if let Some(other) = other {
        return Some(format!(
            "The library was compiled by {}, and {} cannot use it: `:toolchain` does not work in this kernel. \
             Restart the kernel to go on.",
            recipe.rustc.display(),
            other.display()
        ));
    }
    recipe.stale_files(kernel)
}

/// evcxr compiles a `42` before anything else, and gives up where that fails. It does not need the library.
fn first_cell(mut rustc: Command, folder: &Path) -> Result<ExitCode> {
    announce(folder)?;
    let status = rustc.current_dir(folder).status()?;
    if status.success() {
        fs::write(folder.join(STARTED), "")?;
    }
    Ok(ExitCode::from(status.code().unwrap_or(1) as u8))
}

/// Answers as cargo does when a compiler reports an error, so that the reason is all that the user sees.
pub fn refuse(reason: &str) -> ExitCode {
    let message =
        json!({"level": "error", "message": reason, "rendered": reason, "code": null, "spans": [], "children": []});
    println!("{}", json!({"reason": "compiler-message", "message": message}));
    ExitCode::FAILURE
}

fn basic_arguments(folder: &Path, goal: Goal) -> Result<Vec<String>> {
    let target = folder.join("target");
    fs::create_dir_all(&target)?;
    let emit = if goal == Goal::Build { "link" } else { "metadata" };
    // Line tables tell where in the cell a panic of the library came from.
    let words = format!(
        "--crate-name {CRATE} --edition 2024 --crate-type cdylib --emit {emit} --error-format json src/lib.rs \
         -C prefer-dynamic -C opt-level={} -C codegen-units=4 -C debuginfo=line-tables-only -C embed-bitcode=no \
         -C debug-assertions=on -C overflow-checks=on",
        opt_level(folder)?
    );
    let mut arguments: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    arguments.extend(["--out-dir".into(), target.display().to_string()]);
    Ok(arguments)
}

/// What rustc needs to find the library, leaving out the crates in `taken`, which the cell has of its own.
pub fn library_arguments(recipe: &Recipe, taken: &[&str]) -> Vec<String> {
    let mut arguments = Vec::new();
    for (name, file) in recipe.externs.iter().filter(|(name, _)| !taken.contains(&name.as_str())) {
        arguments.extend(["--extern".into(), format!("{name}={}", file.display())]);
    }
    for folder in &recipe.search {
        arguments.extend(["-L".into(), folder.clone()]);
    }
    // The older kind of rpath also holds for what the library itself needs.
    arguments.push("-Clink-arg=-Wl,--disable-new-dtags".into());
    for folder in &recipe.run_paths {
        arguments.push(format!("-Clink-arg=-Wl,-rpath,{}", folder.display()));
    }
    arguments
}

/// `:opt` writes its level into the cell's Cargo.toml.
fn opt_level(folder: &Path) -> Result<String> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
    let value = manifest.lines().find_map(|line| line.strip_prefix("opt-level = "));
    Ok(value.unwrap_or("0").trim_matches(['"', '\'', ' ']).to_owned())
}

/// Tells evcxr where the compiled cell will be. It looks there only if the compiler succeeds.
fn announce(folder: &Path) -> Result<()> {
    if let Some(file) = std::env::var_os("EVCXR_EXECUTION_SO_PATH") {
        let library = folder.join("target").join(format!("lib{CRATE}.so"));
        fs::write(file, library.display().to_string())?;
    }
    Ok(())
}
