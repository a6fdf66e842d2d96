//! What the code that the kernel generates around a cell calls. Not for users: nothing outside the kernel needs it.
//!
//! Everything is told to the kernel as one line on standard output (see `kernel-prelude/README.md`).

mod stack;
pub mod store;

use crate::error::said_by_libtorch;
use crate::progress;
use crate::show::write_out;
use serde_json::json;
use stack::Frame;
use std::panic::{Location, PanicHookInfo};
use std::sync::Once;

/// The start of a cell. The first one of a process makes panics tell the kernel where they happened.
pub fn begin() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| std::panic::set_hook(Box::new(tell_panic)));
    progress::cell_begins();
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
    let frames = stack::capture();
    let thread = std::thread::current();
    let place = panic.location();
    let told = json!({
        "message": in_words(message),
        "file": place.map(Location::file),
        "line": place.map(Location::line),
        "column": place.map(Location::column),
        "thread": thread.name().unwrap_or("unnamed"),
        "cell_line": cell_line(&frames),
        "backtrace": format!("{message}\n{}", stack::text(&frames)),
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
fn cell_line(frames: &[Frame]) -> Option<u32> {
    // Cells are the crate `ctx`. Functions that were inlined do not say so, but they are in the same file.
    let cell = frames.iter().find(|frame| frame.name.contains("ctx::") || frame.name.contains("run_user_code"))?;
    frames.iter().find(|frame| frame.line > 0 && frame.file == cell.file).map(|frame| frame.line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_libtorch_is_one_sentence() {
        let panic = std::panic::catch_unwind(|| {
            let _ = tch::Tensor::zeros([2, 3], (tch::Kind::Float, tch::Device::Cpu)).reshape([7]);
        });
        let message = panic.unwrap_err().downcast_ref::<String>().unwrap().clone();
        assert_eq!(in_words(&message), "libtorch: shape '[7]' is invalid for input of size 6", "{message}");
        assert_eq!(in_words("no"), "no");
    }

    #[test]
    fn the_innermost_frame_of_a_cell_is_found() {
        let frame = |name: &str, file: &str, line| Frame { name: name.into(), file: file.into(), line };
        let frames = [
            frame("core::panicking::panic_fmt", "library/core/src/panicking.rs", 80),
            frame("core::ops::function::call", "library/std/src/lib.rs", 7),
            frame("inlined", "./src/lib.rs", 12),
            frame("ctx::helper", "./src/lib.rs", 20),
            frame("run_user_code_3", "./src/lib.rs", 40),
        ];
        assert_eq!(cell_line(&frames), Some(12));
        assert_eq!(cell_line(&frames[..2]), None);
        assert_eq!(cell_line(&[]), None);
    }
}
