//! What the code that the kernel generates around a cell calls. Not for users: nothing outside the kernel needs it.
//!
//! Everything is told to the kernel as one line on standard output (see `kernel-prelude/README.md`).

use crate::error::said_by_libtorch;
use crate::progress;
use crate::show::write_out;
use serde_json::json;
use std::backtrace::Backtrace;
use std::panic::{Location, PanicHookInfo};
use std::sync::Once;

/// The start of a cell. The first one of a process makes panics tell the kernel where they happened.
pub fn begin() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| std::panic::set_hook(Box::new(|panic| tell_panic(panic))));
}

/// The display that follows is the cell's value.
pub fn value() {
    write_out("ATOMOTION_VALUE\n");
}

/// An error left the cell through the `?` at `place`.
pub fn failed(message: String, place: &'static Location<'static>) {
    let interrupted = progress::interrupted() && message.starts_with("interrupted");
    let error = json!({
        "message": said_by_libtorch(&message),
        "kind": if interrupted { "interrupted" } else { "error" },
        "file": place.file(),
        "line": place.line(),
        "column": place.column(),
    });
    write_out(&format!("ATOMOTION_ERROR {error}\n"));
}

/// Moves this process to a notebook's folder and surroundings: it was started before the notebook was known. What
/// cannot be done is said, and the rest is done.
pub fn enter(folder: &str, variables: &[(&str, &str)]) {
    if let Err(problem) = std::env::set_current_dir(folder) {
        eprintln!("cannot go to the notebook's folder {folder}: {problem}");
    }
    for (name, value) in variables {
        // SAFETY: the kernel calls this before the first cell, when no other thread of the process reads variables.
        unsafe { std::env::set_var(name, value) };
    }
}

/// Runs while the thread is panicking, where another panic would end the process: nothing here may panic.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("a panic without a message");
    let backtrace = Backtrace::force_capture().to_string();
    let thread = std::thread::current();
    let place = panic.location();
    let told = json!({
        "message": in_words(message),
        "file": place.map(Location::file),
        "line": place.map(Location::line),
        "column": place.map(Location::column),
        "thread": thread.name().unwrap_or("unnamed"),
        "cell_line": cell_line(&backtrace),
        "backtrace": format!("{message}\n{backtrace}"),
    });
    write_out(&format!("ATOMOTION_PANIC {told}\n"));
}

/// tch's plain methods panic with libtorch's error as Rust code, C++ stack and all.
fn in_words(message: &str) -> String {
    match message.split_once("Err` value: Torch(\"") {
        Some((_, rest)) => {
            let said = rest.trim_end_matches("\")").replace("\\n", "\n").replace("\\\"", "\"");
            format!("libtorch: {}", said_by_libtorch(&said))
        }
        None => message.to_owned(),
    }
}

/// The line of the innermost frame that is code of a cell.
fn cell_line(backtrace: &str) -> Option<u32> {
    let mut name = "";
    let mut frames = vec![];
    for line in backtrace.lines().map(str::trim) {
        match line.strip_prefix("at ") {
            None => name = line,
            Some(place) => frames.extend(place.split_once("src/lib.rs:").map(|(folder, line)| (name, folder, line))),
        }
    }
    // Cells are the crate `ctx`. Functions that were inlined do not say so, but they are in the same file.
    let (_, cell, _) = frames.iter().find(|(name, ..)| name.contains("ctx::") || name.contains("run_user_code"))?;
    let (_, _, line) = frames.iter().find(|(_, folder, _)| folder == cell)?;
    line.split(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_libtorch_is_one_sentence() {
        let panic = std::panic::catch_unwind(|| {
            tch::Tensor::zeros([2, 3], (tch::Kind::Float, tch::Device::Cpu)).reshape([7]);
        });
        let message = panic.unwrap_err().downcast_ref::<String>().unwrap().clone();
        assert_eq!(in_words(&message), "libtorch: shape '[7]' is invalid for input of size 6", "{message}");
        assert_eq!(in_words("no"), "no");
    }

    #[test]
    fn the_innermost_frame_of_a_cell_is_found() {
        let backtrace = "\
   0: atomotion::cell::tell_panic
   1: core::panicking::panic_fmt
             at /rustc/59807616/library/core/src/panicking.rs:80:14
   2: core::ops::function::call
             at /rustc/59807616/library/std/src/lib.rs:7:5
   3: inlined
             at ./src/lib.rs:12:5
   4: ctx::helper
             at ./src/lib.rs:20:5
   5: run_user_code_3
             at ./src/lib.rs:40:9
";
        assert_eq!(cell_line(backtrace), Some(12));
        assert_eq!(cell_line("   0: main\n             at ./src/lib.rs:3:1\n"), None);
        assert_eq!(cell_line(""), None);
    }
}
