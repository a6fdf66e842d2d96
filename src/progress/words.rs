//! Progress in words, and as the bar of a terminal.

use std::time::Duration;

/// How far some work is.
pub(super) struct State<'a> {
    pub what: &'a str,
    pub unit: &'a str,
    pub done: usize,
    pub total: usize,
    /// Steps that were done before `elapsed` began.
    pub before: usize,
    pub elapsed: Duration,
    pub note: &'a str,
    /// Whether nothing more will come.
    pub ended: bool,
}

impl State<'_> {
    pub(super) fn fraction(&self) -> f64 {
        self.done.min(self.total) as f64 / self.total.max(1) as f64
    }

    pub(super) fn finished(&self) -> bool {
        self.done >= self.total
    }

    /// Steps per second, once there is one to count.
    fn rate(&self) -> Option<f64> {
        let steps = self.done.saturating_sub(self.before) as f64;
        let rate = steps / self.elapsed.as_secs_f64().max(1e-9);
        (steps > 0.0).then_some(rate)
    }

    /// All that there is to say but for what the work is.
    pub(super) fn details(&self) -> String {
        let elapsed = duration(self.elapsed.as_secs_f64());
        let mut parts = match (self.ended, self.finished()) {
            (_, true) if self.before > 0 => {
                let more = self.total.saturating_sub(self.before);
                vec![format!("{more} more {} in {elapsed}, {} in all", self.unit, self.total)]
            }
            (_, true) => vec![format!("{} {} in {elapsed}", self.total, self.unit)],
            (true, false) => vec![format!("stopped at {} of {} {} after {elapsed}", self.done, self.total, self.unit)],
            (false, false) => vec![format!("{} of {} {}", self.done, self.total, self.unit)],
        };
        if let (false, false, Some(rate)) = (self.ended, self.finished(), self.rate()) {
            let left = (self.total - self.done) as f64 / rate;
            parts.push(format!("{} {}/s", three_digits(rate), self.unit));
            parts.push(format!("{elapsed} so far"));
            parts.push(format!("{} left", duration(left)));
        }
        if !self.note.is_empty() {
            parts.push(self.note.to_owned());
        }
        parts.join(", ")
    }

    /// One line.
    pub(super) fn line(&self) -> String {
        format!("{}: {}", self.what, self.details())
    }
}

/// The bar of a terminal; nothing once the work has ended.
pub(super) fn bar(state: &State) -> String {
    const WIDTH: usize = 20;
    if state.ended {
        return String::new();
    }
    let full = (state.fraction() * WIDTH as f64) as usize;
    format!("[{}{}] ", "#".repeat(full), "-".repeat(WIDTH - full))
}

/// "0.4 s", "36 s", "2 min 5 s", "1 h 12 min".
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..120 => format!("{whole} s"),
        120..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

fn three_digits(v: f64) -> String {
    let digits = (2 - v.max(1e-3).log10().floor() as i32).clamp(0, 4) as usize;
    format!("{v:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(done: usize, ended: bool) -> State<'static> {
        let elapsed = Duration::from_secs(10);
        State { what: "training", unit: "steps", done, total: 400, before: 0, elapsed, note: "loss 0.0021", ended }
    }

    #[test]
    fn the_line_says_how_far_how_fast_and_how_long() {
        let line = "training: 100 of 400 steps, 10.0 steps/s, 10 s so far, 30 s left, loss 0.0021";
        assert_eq!(state(100, false).line(), line);
        assert_eq!(state(400, true).line(), "training: 400 steps in 10 s, loss 0.0021");
        assert_eq!(state(100, true).line(), "training: stopped at 100 of 400 steps after 10 s, loss 0.0021");
        assert_eq!(state(0, false).line(), "training: 0 of 400 steps, loss 0.0021");
    }

    /// What a checkpoint brought was not done in this time.
    #[test]
    fn the_rate_counts_what_was_done_here() {
        let resumed = State { before: 300, ..state(350, false) };
        assert!(resumed.line().contains("5.00 steps/s, 10 s so far, 10 s left"), "{}", resumed.line());
    }

    #[test]
    fn the_bar_fills_and_goes() {
        assert_eq!(bar(&state(100, false)), "[#####---------------] ");
        assert_eq!(bar(&state(400, true)), "");
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(
            [0.44, 9.97, 36.2, 125.0, 4320.0].map(duration),
            ["0.4 s", "10 s", "36 s", "2 min 5 s", "1 h 12 min"].map(String::from)
        );
    }
}
