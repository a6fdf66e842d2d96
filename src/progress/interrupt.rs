//! How a notebook's "stop" reaches work that is under way: a few bytes in a file that the kernel shares with us.

use crate::error::{Error, Result};
use memmap2::{MmapOptions, MmapRaw};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Instant;

/// The shared bytes, where the kernel told of them: whether to stop, and how many seconds the work at hand has been
/// seen to take between two looks, for which the kernel waits before it ends the process.
fn shared() -> Option<&'static [AtomicU8; 2]> {
    static MAP: OnceLock<Option<MmapRaw>> = OnceLock::new();
    let map = MAP.get_or_init(|| {
        let file =
            std::fs::File::options().read(true).write(true).open(std::env::var_os("ATOMOTION_INTERRUPT")?).ok()?;
        let map = MmapOptions::new().map_raw(&file).ok()?;
        (map.len() >= 2).then_some(map)
    });
    // SAFETY: the bytes live as long as the process (the map is never dropped, and the kernel never shortens the file),
    // are aligned as every byte is, and are touched by atomic operations alone, here and in the other process.
    map.as_ref().map(|map| unsafe { &*map.as_ptr().cast::<[AtomicU8; 2]>() })
}

/// Whether the user has asked for the cell to stop. Costs next to nothing: ask as often as you like.
///
/// Outside a notebook nobody asks, and the answer is no, unless the program called [`stop_on_ctrl_c`].
#[must_use]
pub fn interrupted() -> bool {
    CTRL_C.load(Ordering::Relaxed)
        || shared().is_some_and(|[stop, patience]| {
            note_pace(patience);
            stop.load(Ordering::Relaxed) != 0
        })
}

/// Whether Ctrl-C was pressed in a program that called [`stop_on_ctrl_c`].
static CTRL_C: AtomicBool = AtomicBool::new(false);

/// Makes Ctrl-C in a terminal end long work as a notebook's stop button does: in order, with what it has kept. A second
/// Ctrl-C ends the process at once. For programs of their own, such as `atomotion`; a kernel does this another way.
pub fn stop_on_ctrl_c() {
    extern "C" fn note(signal: libc::c_int) {
        CTRL_C.store(true, Ordering::Relaxed);
        // SAFETY: setting a signal back to its default is allowed in a handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let note: extern "C" fn(libc::c_int) = note;
    // SAFETY: the handler touches an atomic alone, and is a function of the type that a handler has.
    unsafe { libc::signal(libc::SIGINT, note as libc::sighandler_t) };
}

/// When work last told how long its steps take, in milliseconds of this process.
static TOLD_MS: AtomicU64 = AtomicU64::new(0);

fn now_ms() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64
}

/// Tells the kernel how long the present steps are, once a second or once a step, whichever is longer.
fn note_pace(patience: &AtomicU8) {
    let (now, told) = (now_ms(), TOLD_MS.load(Ordering::Relaxed));
    let since = now.saturating_sub(told);
    if since >= 1000 {
        TOLD_MS.store(now, Ordering::Relaxed);
        patience.store(since.div_ceil(1000).min(255) as u8, Ordering::Relaxed);
    }
}

/// The time between two cells is no step.
pub(crate) fn cell_begins() {
    TOLD_MS.store(now_ms(), Ordering::Relaxed);
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
