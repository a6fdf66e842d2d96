//! How a notebook's "stop" reaches work that is under way: one byte in a file that the kernel shares with us.

use crate::error::{Error, Result};
use memmap2::{Mmap, MmapOptions};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// The shared byte, where the kernel told of one.
fn shared() -> Option<&'static AtomicU8> {
    static MAP: OnceLock<Option<Mmap>> = OnceLock::new();
    let map = MAP.get_or_init(|| {
        let file = std::fs::File::open(std::env::var_os("ATOMOTION_INTERRUPT")?).ok()?;
        // SAFETY: the kernel keeps the file, and never shortens it, for as long as this process lives.
        let map = unsafe { MmapOptions::new().map(&file) }.ok()?;
        (!map.is_empty()).then_some(map)
    });
    // SAFETY: the byte lives as long as the process (the map is never dropped), is aligned as every byte is, and is
    // only ever read here; that another process writes it is what atomic loads are for.
    map.as_ref().map(|map| unsafe { &*map.as_ptr().cast::<AtomicU8>() })
}

/// Whether the user has asked for the cell to stop. Costs nothing worth counting: ask as often as you like.
///
/// Outside a notebook nobody asks, and the answer is no.
#[must_use]
pub fn interrupted() -> bool {
    shared().is_some_and(|byte| byte.load(Ordering::Relaxed) != 0)
}

/// Ends your own loop where the user has asked for the cell to stop; in the prelude it is `check_interrupt`.
///
/// ```
/// use atomotion::prelude::*;
/// let mut sum = 0;
/// for i in 0..1000 {
///     check_interrupt()?;
///     sum += i;
/// }
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// [`Error::Interrupted`] if the user has asked.
pub fn check() -> Result<()> {
    stop_if_asked("in a loop of this cell")
}

/// What is left after work that keeps nothing of its own.
pub(crate) const EARLIER: &str = "the variables of earlier cells. Running the cell again begins anew";

/// [`check`] for the library's loops; `doing` is what stops ("while labelling a frame").
pub(crate) fn stop_if_asked(doing: &str) -> Result<()> {
    if interrupted() { Err(Error::interrupted(doing, EARLIER)) } else { Ok(()) }
}

/// Runs work of other crates that cannot be asked to stop, elsewhere, and waits for it as long as the user does. What is
/// stopped in this way ends by itself later, and nobody hears of it.
pub(crate) fn patiently<T: Send + 'static>(doing: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let (tell, told) = std::sync::mpsc::channel();
    let worker = std::thread::spawn(move || {
        // Where nobody waits any more, nobody needs the answer.
        let _ = tell.send(work());
    });
    loop {
        match told.recv_timeout(Duration::from_millis(50)) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Timeout) => stop_if_asked(doing)?,
            Err(RecvTimeoutError::Disconnected) => match worker.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => return Err(Error::data(format!("nothing came back {doing}"))),
            },
        }
    }
}
