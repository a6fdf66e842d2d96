//! What one input may take: memory, counted by the allocator, and time, watched by a thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

const MOST_BYTES: usize = 512 << 20;
const LONGEST: Duration = Duration::from_secs(10);

/// Less than nothing where the standard library, a shared one, took by itself what is given back here.
static LIVE: AtomicIsize = AtomicIsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);
static OVER: AtomicBool = AtomicBool::new(false);
static NUMBER: AtomicU64 = AtomicU64::new(0);
static CURRENT: Mutex<Option<(Instant, Vec<u8>)>> = Mutex::new(None);
static PLACE: OnceLock<(PathBuf, String)> = OnceLock::new();

/// The system's allocator, counting.
pub struct Limited;

// SAFETY: every call is handed on to the system's allocator; only counters are kept.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take(size);
        LIVE.fetch_sub(layout.size() as isize, Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn take(bytes: usize) {
    let before = LIVE.fetch_add(bytes as isize, Relaxed).max(0) as usize;
    let live = before.saturating_add(bytes);
    MOST.fetch_max(live, Relaxed);
    // An allocator may not unwind: the input is kept and the run ends.
    if live > MOST_BYTES && !OVER.swap(true, Relaxed) {
        stop("memory", &format!("{bytes} bytes were asked for on top of {before}"));
    }
}

fn stop(what: &str, why: &str) -> ! {
    let input = CURRENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    if let Some((_, input)) = input {
        keep(&input, what);
    }
    eprintln!("{what}: {why}");
    eprintln!("{}", std::backtrace::Backtrace::force_capture());
    std::process::exit(3);
}

pub fn most() -> usize {
    MOST.load(Relaxed)
}

pub fn begin(input: &[u8]) {
    *CURRENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some((Instant::now(), input.to_vec()));
}

pub fn end() {
    *CURRENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
}

/// Starts the thread that ends the run when one input takes too long.
pub fn watch(folder: PathBuf, format: &str) {
    let _ = PLACE.set((folder, format.to_string())); // set once: there is one run a process
    std::thread::spawn(|| {
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let late = {
                let current = CURRENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                current.as_ref().is_some_and(|(start, _)| start.elapsed() > LONGEST)
            };
            if late {
                stop("time", "one input took more than ten seconds");
            }
        }
    });
}

/// Writes an input to the folder of findings.
pub fn keep(input: &[u8], what: &str) {
    let Some((folder, format)) = PLACE.get() else { return };
    let path = folder.join(format!("{format}-{what}-{}", NUMBER.fetch_add(1, Relaxed)));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, input));
    match written {
        Ok(()) => eprintln!("kept {}", path.display()),
        Err(problem) => eprintln!("{} could not be written: {problem}", path.display()),
    }
}
