//! How long work says how far it is.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Receives the progress of long work. Implement it to show progress your own way.
pub trait Progress {
    /// `done` of `total` steps are finished; `note` is a word on the present state ("loss 0.021").
    fn update(&mut self, done: usize, total: usize, note: &str);
}

/// Says nothing.
impl Progress for () {
    fn update(&mut self, _: usize, _: usize, _: &str) {}
}

/// Prints to stdout: a bar that redraws itself in a terminal, a line now and then elsewhere (notebook, log file).
/// Work that takes less than a second prints nothing.
pub struct Printed {
    what: &'static str,
    start: Instant,
    last: Option<Instant>,
    terminal: bool,
}

impl Printed {
    /// Progress of `what` ("training").
    #[must_use]
    pub fn new(what: &'static str) -> Self {
        Printed { what, start: Instant::now(), last: None, terminal: std::io::stdout().is_terminal() }
    }

    fn line(&self, done: usize, total: usize, note: &str) -> String {
        let elapsed = self.start.elapsed().as_secs_f64();
        let left = elapsed / done.max(1) as f64 * (total - done.min(total)) as f64;
        let note = if note.is_empty() { String::new() } else { format!(", {note}") };
        if done >= total {
            format!("{}: {total} of {total}{note}, took {elapsed:.0} s", self.what)
        } else {
            format!("{}: {done} of {total}{note}, {left:.0} s left", self.what)
        }
    }
}

impl Progress for Printed {
    fn update(&mut self, done: usize, total: usize, note: &str) {
        let every = Duration::from_millis(if self.terminal { 200 } else { 10_000 });
        let due = self.last.map_or(self.start.elapsed() > Duration::from_secs(1), |last| last.elapsed() > every);
        let finished = done >= total && self.start.elapsed() > Duration::from_secs(1);
        if !(due || finished) {
            return;
        }
        self.last = Some(Instant::now());
        let line = self.line(done, total, note);
        let mut out = std::io::stdout().lock();
        // Progress is a courtesy: a closed stdout must not stop the work.
        let _ = if self.terminal {
            write!(out, "\r\x1b[K{line}{}", if finished { "\n" } else { "" }).and_then(|()| out.flush())
        } else {
            writeln!(out, "{line}")
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_and_how_long() {
        let progress = Printed::new("training");
        assert!(progress.line(5, 10, "loss 0.1").starts_with("training: 5 of 10, loss 0.1, 0 s left"));
        assert!(progress.line(10, 10, "").starts_with("training: 10 of 10, took"));
    }
}
