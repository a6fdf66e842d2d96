//! The stack of a panic, with the lines of cells in it.
//!
//! Each cell is a library of its own, loaded while the process runs. The standard library looks only once which
//! libraries there are, and knows nothing of the cells that come after: so these are looked up in their files.

use addr2line::{Loader, demangle_auto};
use std::collections::HashMap;
use std::ffi::{CStr, OsStr};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A function on the stack; several may stand at one address, inlined into each other.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub name: String,
    pub file: String,
    /// 0 where it is not known.
    pub line: u32,
}

/// The stack of this thread, innermost first.
pub(super) fn capture() -> Vec<Frame> {
    let mut addresses = vec![];
    backtrace::trace(|frame| {
        addresses.push(frame.ip() as usize);
        true
    });
    let mut loaded = HashMap::new();
    // What is on the stack is where a call returns to: the call itself is before that.
    addresses.into_iter().flat_map(|at| frames(at.saturating_sub(1), &mut loaded)).collect()
}

pub(super) fn text(frames: &[Frame]) -> String {
    let mut text = String::new();
    for (number, frame) in frames.iter().enumerate() {
        let _ = writeln!(text, "{number:>4}: {}", frame.name);
        if frame.line > 0 {
            let _ = writeln!(text, "             at {}:{}", frame.file, frame.line);
        }
    }
    text
}

fn frames(at: usize, loaded: &mut HashMap<PathBuf, Option<Loader>>) -> Vec<Frame> {
    let mut frames = vec![];
    backtrace::resolve(at as *mut _, |symbol| {
        if let Some(name) = symbol.name() {
            let file = symbol.filename().map_or_else(String::new, |file| file.display().to_string());
            frames.push(Frame { name: format!("{name:#}"), file, line: symbol.lineno().unwrap_or(0) });
        }
    });
    if frames.is_empty() {
        frames = in_file(at, loaded).unwrap_or_default();
    }
    if frames.is_empty() {
        frames.push(Frame { name: "unknown".into(), ..Frame::default() });
    }
    frames
}

/// What the file says that is loaded at this address.
fn in_file(at: usize, loaded: &mut HashMap<PathBuf, Option<Loader>>) -> Option<Vec<Frame>> {
    let (path, base) = library(at)?;
    let loader = loaded.entry(path).or_insert_with_key(|path| Loader::new(path).ok()).as_ref()?;
    let place = (at - base) as u64;
    let mut found = loader.find_frames(place).ok()?;
    let mut frames: Vec<Frame> = vec![];
    while let Ok(Some(frame)) = found.next() {
        let name = frame.function.as_ref().and_then(|name| Some(name.demangle().ok()?.into_owned()));
        let (file, line) = frame.location.map_or((None, None), |place| (place.file, place.line));
        frames.push(Frame {
            name: name.unwrap_or_else(|| "inlined".into()),
            file: file.unwrap_or_default().to_owned(),
            line: line.unwrap_or(0),
        });
    }
    // Line tables name the functions that were inlined, the symbol the one that they were inlined into.
    if let (Some(outermost), Some(symbol)) = (frames.last_mut(), loader.find_symbol(place)) {
        outermost.name = demangle_auto(symbol.into(), None).into_owned();
    }
    Some(frames)
}

/// The library that is loaded at this address, and where it begins.
fn library(at: usize) -> Option<(PathBuf, usize)> {
    // SAFETY: `dladdr` takes any address and fills in the struct, whose name lives as long as the library is loaded.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(at as *const _, &mut info) == 0 || info.dli_fname.is_null() {
            return None;
        }
        let path = OsStr::from_bytes(CStr::from_ptr(info.dli_fname).to_bytes());
        Some((path.into(), info.dli_fbase as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_names_who_called() {
        #[inline(never)]
        fn somebody() -> Vec<Frame> {
            std::hint::black_box(capture())
        }
        let frames = somebody();
        assert!(frames.iter().any(|frame| frame.name.contains("somebody")), "{}", text(&frames));
        assert!(text(&frames).starts_with("   0: "));
    }

    #[test]
    fn a_library_is_found_by_an_address_in_it() {
        let (path, base) = library(library as *const () as usize).unwrap();
        assert!(path.is_file() && base > 0, "{}", path.display());
        assert!(library(8).is_none());
    }
}
