//! How long work says how far it is, and how it is stopped.
//!
//! [`Reporter`] is what the library itself uses; your own loops can, too:
//!
//! ```
//! use atomotion::progress::{Progress, Reporter, check};
//! let mut progress = Reporter::new("aligning", "frames");
//! for frame in 0..3 {
//!     check()?; // stops here when the notebook's stop button is pressed
//!     progress.update(frame + 1, 3, "");
//! }
//! # Ok::<(), atomotion::Error>(())
//! ```

mod interrupt;
mod live;
mod words;

pub(crate) use interrupt::{EARLIER, cell_begins, stop_if_asked};
pub use interrupt::{check, interrupted, stop_on_ctrl_c};

use crate::show::emit_updating;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use words::State;

/// Receives the progress of long work. Implement it to show progress your own way, or to stop the work.
pub trait Progress {
    /// `done` of `total` steps are finished; `note` is a word on the present state ("loss 0.021"). Work that goes on
    /// from a checkpoint begins with what was done before.
    fn update(&mut self, done: usize, total: usize, note: &str);

    /// The loss of every step so far, where there is one. Comes before the `update` of the last of these steps.
    fn losses(&mut self, _losses: &[f32]) {}

    /// Whether the work is to stop now. Long work asks before every step.
    fn interrupted(&self) -> bool {
        interrupted()
    }
}

/// Says nothing.
impl Progress for () {
    fn update(&mut self, _: usize, _: usize, _: &str) {}
}

/// Work shorter than this shows nothing where progress is drawn in place, and (the second) where it is written in lines.
const QUIET: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(1));
/// Time between two lines of a log.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Shows progress in the form that suits where it is read: a bar that moves in a notebook of the Atomotion kernel and in
/// a terminal, a line now and then in a log or under another kernel. When it goes out of scope it says how the work
/// ended: finished, or stopped.
pub struct Reporter {
    form: Form,
    what: &'static str,
    unit: &'static str,
    start: Instant,
    shown: Option<Instant>,
    /// Steps that were done before this work began.
    before: Option<usize>,
    last: (usize, usize, String),
    curve: live::Curve,
    /// Whether the last word has been said.
    ended: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// A display of this number, replaced in place.
    Live(usize),
    Terminal,
    Log,
}

impl Form {
    fn of_surroundings() -> Form {
        static DISPLAYS: AtomicUsize = AtomicUsize::new(1);
        if std::env::var_os("ATOMOTION_LIVE").is_some_and(|live| live == "1") {
            return Form::Live(DISPLAYS.fetch_add(1, Ordering::Relaxed));
        }
        if std::io::stdout().is_terminal() { Form::Terminal } else { Form::Log }
    }

    /// How long the work must have taken before anything is shown.
    fn quiet(self) -> Duration {
        if self == Form::Log { QUIET.1 } else { QUIET.0 }
    }

    /// Time between two updates: a curve is dearer to draw, and to read, than a bar.
    fn between(self, curve: bool) -> Duration {
        match self {
            Form::Live(_) if curve => Duration::from_millis(500),
            Form::Live(_) | Form::Terminal => Duration::from_millis(200),
            Form::Log => BETWEEN_LINES,
        }
    }
}

impl Reporter {
    /// Progress of `what` ("training"), counted in `unit` ("steps").
    #[must_use]
    pub fn new(what: &'static str, unit: &'static str) -> Self {
        Reporter {
            form: Form::of_surroundings(),
            what,
            unit,
            start: Instant::now(),
            shown: None,
            before: None,
            last: (0, 0, String::new()),
            curve: live::Curve::default(),
            ended: false,
        }
    }

    fn state(&self) -> State<'_> {
        let (done, total, note) = &self.last;
        State {
            what: self.what,
            unit: self.unit,
            done: *done,
            total: *total,
            before: self.before.unwrap_or(0),
            elapsed: self.start.elapsed(),
            note,
            ended: self.ended,
        }
    }

    fn show(&mut self) {
        self.shown = Some(Instant::now());
        let state = self.state();
        match self.form {
            Form::Live(id) => emit_updating(&format!("progress-{id}"), &live::html(&state, &self.curve), &state.line()),
            Form::Terminal => {
                let end = if state.ended { "\n" } else { "" };
                print(&format!("\r\x1b[K{}{}{end}", words::bar(&state), state.line()));
            }
            Form::Log => print(&format!("{}\n", state.line())),
        }
    }

    /// Says how the work ended, where it was long enough for anyone to have wondered.
    fn end(&mut self) {
        let finished = self.last.0 >= self.last.1;
        if !self.ended && (self.shown.is_some() || (finished && self.start.elapsed() >= self.form.quiet())) {
            self.ended = true;
            self.show();
        }
    }
}

/// Progress is a courtesy: a closed stdout must not stop the work.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

impl Progress for Reporter {
    fn update(&mut self, done: usize, total: usize, note: &str) {
        // Some begin with nothing done, some with the first step.
        self.before.get_or_insert(if done < total && done > 1 { done } else { 0 });
        self.last = (done, total, note.to_owned());
        if done >= total {
            return self.end();
        }
        let due = match self.shown {
            None => self.start.elapsed() >= self.form.quiet(),
            Some(last) => last.elapsed() >= self.form.between(!self.curve.is_empty()),
        };
        if due {
            self.show();
        }
    }

    fn losses(&mut self, losses: &[f32]) {
        if let Form::Live(_) = self.form {
            self.curve.take(losses);
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.end();
    }
}
