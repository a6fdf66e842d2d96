//! Where the time of a cell goes, for whoever asks: `ATOMOTION_KERNEL_TRACE` names a file that gets a line of JSON for
//! every phase of every cell.

use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const TRACE: &str = "ATOMOTION_KERNEL_TRACE";
/// In the cell's folder: when compilers started and ended.
const COMPILERS: &str = "compilers.txt";
/// The same of linkers.
const LINKERS: &str = "linkers.txt";

fn now_us() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()
}

pub fn is_wanted() -> bool {
    std::env::var_os(TRACE).is_some()
}

/// Notes the time a compiler took. The process that calls it is not the one that reports.
pub fn compiler(folder: &Path, started: SystemTime) {
    note(&folder.join(COMPILERS), started);
}

/// Notes the time a linker took, which is part of a compiler's.
pub fn linker(folder: &Path, started: SystemTime) {
    note(&folder.join(LINKERS), started);
}

fn note(file: &Path, started: SystemTime) {
    if !is_wanted() {
        return;
    }
    let started = started.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(file) {
        let _ = writeln!(file, "{started} {}", now_us());
    }
}

/// When each of the noted began and ended, in microseconds.
fn read(file: &Path) -> Vec<(u128, u128)> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let span = |line: &str| line.split_once(' ').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    text.lines().filter_map(span).collect()
}

/// Runs while a cell does.
pub struct Clock {
    file: PathBuf,
    folder: PathBuf,
    started: Instant,
    started_us: u128,
}

impl Clock {
    pub fn start(folder: &Path) -> Option<Clock> {
        let file = PathBuf::from(std::env::var_os(TRACE)?);
        for file in [COMPILERS, LINKERS] {
            let _ = fs::remove_file(folder.join(file));
        }
        Some(Clock { file, folder: folder.to_path_buf(), started: Instant::now(), started_us: now_us() })
    }

    /// What comes before the first compiler is analysis, what comes after the last is running. A trace is a
    /// courtesy: where it cannot be written, there is none.
    pub fn stop(self, cell: u32) {
        let total = self.started.elapsed();
        let (spans, links) = (read(&self.folder.join(COMPILERS)), read(&self.folder.join(LINKERS)));
        let us = |us: u128| Duration::from_micros(us as u64);
        let sum = |spans: &[(u128, u128)]| spans.iter().map(|(start, end)| us(end.saturating_sub(*start))).sum();
        let (compile, link): (Duration, Duration) = (sum(&spans), sum(&links));
        let first = spans.first().map_or(total, |(start, _)| us(start.saturating_sub(self.started_us)));
        let last = spans.last().map_or(total, |(_, end)| us(end.saturating_sub(self.started_us)));
        let run = total.saturating_sub(last);
        let between = total.saturating_sub(first + compile + run);
        let phases =
            [("analysis", first + between), ("compile", compile.saturating_sub(link)), ("link", link), ("run", run)];
        let Ok(mut file) = OpenOptions::new().create(true).append(true).open(&self.file) else { return };
        for (phase, time) in phases {
            let ms = (time.as_secs_f64() * 1e5).round() / 100.0;
            let _ = writeln!(file, "{}", json!({"cell": cell, "phase": phase, "ms": ms, "compilers": spans.len()}));
        }
    }
}
