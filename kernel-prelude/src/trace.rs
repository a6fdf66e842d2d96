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

fn now_us() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()
}

/// Notes the time a compiler took. The process that calls it is not the one that reports.
pub fn compiler(folder: &Path, started: SystemTime) {
    if std::env::var_os(TRACE).is_none() {
        return;
    }
    let started = started.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(folder.join(COMPILERS)) {
        let _ = writeln!(file, "{started} {}", now_us());
    }
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
        let _ = fs::remove_file(folder.join(COMPILERS));
        Some(Clock { file, folder: folder.to_path_buf(), started: Instant::now(), started_us: now_us() })
    }

    /// What comes before the first compiler is analysis, what comes after the last is running. A trace is a
    /// courtesy: where it cannot be written, there is none.
    pub fn stop(self, cell: u32) {
        let total = self.started.elapsed();
        let text = fs::read_to_string(self.folder.join(COMPILERS)).unwrap_or_default();
        let spans: Vec<(u128, u128)> = text
            .lines()
            .filter_map(|line| line.split_once(' ').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?))))
            .collect();
        let us = |us: u128| Duration::from_micros(us as u64);
        let compile: Duration = spans.iter().map(|(start, end)| us(end.saturating_sub(*start))).sum();
        let first = spans.first().map_or(total, |(start, _)| us(start.saturating_sub(self.started_us)));
        let last = spans.last().map_or(total, |(_, end)| us(end.saturating_sub(self.started_us)));
        let run = total.saturating_sub(last);
        let between = total.saturating_sub(first + compile + run);
        let phases = [("analysis", first + between), ("compile", compile), ("run", run)];
        let Ok(mut file) = OpenOptions::new().create(true).append(true).open(&self.file) else { return };
        for (phase, time) in phases {
            let ms = (time.as_secs_f64() * 1e5).round() / 100.0;
            let _ = writeln!(file, "{}", json!({"cell": cell, "phase": phase, "ms": ms, "compilers": spans.len()}));
        }
    }
}
