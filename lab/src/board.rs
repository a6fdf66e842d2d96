//! Progress of parts that run side by side: a bar each on a terminal, a line now and then elsewhere.
//!
//! A part shows only once it has taken a while, so that a set-up with nothing to do stays quiet.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const QUIET: Duration = Duration::from_millis(1500);
const REDRAW: Duration = Duration::from_millis(200);
const REPORT: Duration = Duration::from_secs(30);

pub struct Board {
    state: Arc<Mutex<State>>,
    ticker: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    rows: Vec<Row>,
    /// Lines that wait to be written.
    said: String,
    /// How many lines of bars stand at the end of the terminal.
    drawn: usize,
    closed: bool,
}

struct Row {
    name: String,
    about: String,
    unit: &'static str,
    done: u64,
    total: u64,
    note: String,
    started: Instant,
    reported: Instant,
    phase: Phase,
}

#[derive(PartialEq)]
enum Phase {
    Hidden,
    Shown,
    Over { took: Duration, well: bool },
    Gone,
}

/// A part's hold on its row.
pub struct Task<'a> {
    state: &'a Mutex<State>,
    index: usize,
}

impl Board {
    pub fn new() -> Board {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let terminal = std::io::stdout().is_terminal();
        let ticker = std::thread::spawn(move || {
            while lock(&shared).draw(terminal) {
                std::thread::park_timeout(REDRAW);
            }
        });
        Board { state, ticker: Some(ticker) }
    }

    /// Writes a line between the others.
    pub fn say(&self, line: &str) {
        lock(&self.state).said += &format!("{line}\n");
    }

    /// Runs one part of the work. `about` says what it does and how long that usually takes.
    pub fn part<T>(
        &self,
        name: &str,
        about: &str,
        unit: &'static str,
        work: impl FnOnce(&Task) -> Result<T, String>,
    ) -> Result<T, String> {
        let started = Instant::now();
        let row = Row {
            name: name.into(),
            about: about.into(),
            unit,
            done: 0,
            total: 0,
            note: String::new(),
            started,
            reported: started,
            phase: Phase::Hidden,
        };
        let index = {
            let mut state = lock(&self.state);
            state.rows.push(row);
            state.rows.len() - 1
        };
        let result = work(&Task { state: &self.state, index });
        lock(&self.state).rows[index].end(result.is_ok());
        result
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        lock(&self.state).closed = true;
        if let Some(ticker) = self.ticker.take() {
            ticker.thread().unpark();
            let _ = ticker.join();
        }
    }
}

impl Task<'_> {
    pub fn at(&self, done: u64, total: u64) {
        let row = &mut lock(self.state).rows[self.index];
        (row.done, row.total) = (done, total);
    }

    /// What it is busy with, in a few words.
    pub fn note(&self, text: &str) {
        lock(self.state).rows[self.index].note = text.into();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl State {
    /// Writes what is new; false when the board is closed and nothing more will come.
    fn draw(&mut self, terminal: bool) -> bool {
        let mut text = if self.drawn > 0 { format!("\x1b[{}A\x1b[J", self.drawn) } else { String::new() };
        text += &std::mem::take(&mut self.said);
        for row in &mut self.rows {
            text += &row.news(terminal);
        }
        let shown = self.rows.iter().filter(|row| terminal && row.phase == Phase::Shown);
        let bars: Vec<String> = shown.map(Row::bar).collect();
        self.drawn = bars.len();
        text.extend(bars);
        if !text.is_empty() {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
        !self.closed
    }
}

impl Row {
    fn end(&mut self, well: bool) {
        let quiet = self.phase == Phase::Hidden && well;
        self.phase = if quiet { Phase::Gone } else { Phase::Over { took: self.started.elapsed(), well } };
    }

    /// Lines that stay.
    fn news(&mut self, terminal: bool) -> String {
        match self.phase {
            Phase::Hidden if self.started.elapsed() > QUIET => {
                self.phase = Phase::Shown;
                format!("{}: {}\n", self.name, self.about)
            }
            Phase::Shown if !terminal && self.reported.elapsed() > REPORT => {
                self.reported = Instant::now();
                format!("{}: {}\n", self.name, [self.count(), self.elapsed(), self.note.clone()].join("  ").trim())
            }
            Phase::Over { took, well } => {
                self.phase = Phase::Gone;
                format!("{}: {} after {}\n", self.name, if well { "done" } else { "failed" }, clock(took))
            }
            _ => String::new(),
        }
    }

    /// One line of at most 79 columns.
    fn bar(&self) -> String {
        const WIDTH: usize = 20;
        let filled = (self.done.min(self.total) as usize * WIDTH).checked_div(self.total as usize).unwrap_or(0);
        let bar = format!("[{}{}]", "=".repeat(filled), " ".repeat(WIDTH - filled));
        let line = format!("{:<14} {bar} {:<16} {:>5}  {}", self.name, self.count(), self.elapsed(), self.note);
        line.trim_end().chars().take(79).chain(['\n']).collect()
    }

    fn count(&self) -> String {
        if self.total == 0 { String::new() } else { format!("{} of {} {}", self.done, self.total, self.unit) }
    }

    fn elapsed(&self) -> String {
        clock(self.started.elapsed())
    }
}

/// Minutes and seconds.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(done: u64, total: u64) -> Row {
        let now = Instant::now();
        Row {
            name: "library".into(),
            about: "compile".into(),
            unit: "crates",
            done,
            total,
            note: "a note that is much longer than any line of a terminal can be".into(),
            started: now,
            reported: now,
            phase: Phase::Hidden,
        }
    }

    #[test]
    fn a_bar_fits_a_terminal_whatever_the_counts() {
        assert!(row(5, 10).bar().starts_with("library        [==========          ] 5 of 10 crates"));
        for (done, total) in [(0, 0), (11, 10), (1, u64::from(u32::MAX)), (530, 530)] {
            assert!(row(done, total).bar().chars().count() <= 80);
        }
    }

    #[test]
    fn short_parts_stay_quiet_unless_they_fail() {
        let (mut well, mut ill) = (row(0, 0), row(0, 0));
        well.end(true);
        ill.end(false);
        assert_eq!(well.news(true), "");
        assert_eq!(ill.news(false), "library: failed after 0:00\n");
        assert_eq!(ill.news(false), "");
    }

    #[test]
    fn clocks_round() {
        assert_eq!(clock(Duration::from_millis(59_600)), "1:00");
        assert_eq!(clock(Duration::from_secs(754)), "12:34");
    }
}
