//! evcxr, and what has to be known around it: what a cell wrote, how it ended, and what was lost with it.

use crate::interrupt::{self, Interrupt};
use crate::relay::{self, Bundle, Event, Failed, Panicked, Sink, Stream};
use crate::report::{self, Cell, Kind, Report};
use crate::{Result, cell, environment, syntax, trace};
use evcxr::{CommandContext, Error, EvalCallbacks, EvalOutputs};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// What was seen of the running cell.
#[derive(Default)]
struct Seen {
    running: bool,
    failed: Option<Failed>,
    panics: Vec<Panicked>,
    cell_panicked: bool,
    cell_failed: bool,
}

/// Asks the person at the front end for a line: the prompt, and whether to hide what is typed.
pub type Ask<'a> = &'a dyn Fn(&str, bool) -> String;

pub struct Engine {
    context: CommandContext,
    seen: Arc<Mutex<Seen>>,
    sink: Sink,
    interrupt: Interrupt,
    /// The folder in which evcxr compiles.
    folder: PathBuf,
    cells: Vec<Cell>,
    /// Variables that are gone, and why.
    lost: HashMap<String, String>,
    backtrace: Option<String>,
    /// The notebook's folder and variables, where the process was started before they were known.
    home: Option<(PathBuf, Vec<(String, String)>)>,
}

impl Engine {
    /// Starts evcxr in the session's folder, and loads the prelude. What cells write goes to `sink`.
    pub fn start(session: &Path, interrupt: Interrupt, sink: Sink) -> Result<Engine> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let started = Arc::new(AtomicBool::new(false));
        let observer = observer(Arc::clone(&seen), after(Arc::clone(&started), Arc::clone(&sink)));
        relay::listen(&environment::relay_socket(session), observer)?;
        let (context, outputs) = CommandContext::new().map_err(|error| error.to_string())?;
        // Next to nothing comes this way: user processes hand their outputs to the relay.
        for lines in [outputs.stdout, outputs.stderr] {
            std::thread::spawn(move || lines.iter().for_each(|line| eprintln!("{line}")));
        }
        let voice = Arc::clone(&sink);
        interrupt.watch(
            context.process_handle(),
            Arc::new(move |what: &str| voice(Event::Text(Stream::Err, what.to_owned()))),
        );
        let folder = session.join("cell");
        let cells = Vec::new();
        let lost = HashMap::new();
        let mut engine = Engine { context, seen, sink, interrupt, folder, cells, lost, backtrace: None, home: None };
        engine.load_prelude()?;
        started.store(true, Ordering::Release);
        Ok(engine)
    }

    /// Forgets everything the user has done. rust-analyzer keeps what it knows about the library.
    pub fn reset(&mut self) -> Result<()> {
        self.context.reset_config();
        self.context.execute(":clear").map_err(|error| error.to_string())?;
        self.cells.clear();
        self.lost.clear();
        self.backtrace = None;
        self.load_prelude()?;
        self.go_home()
    }

    fn load_prelude(&mut self) -> Result<()> {
        self.context.execute(":load_config --quiet").map_err(|error| error.to_string())?;
        *self.seen() = Seen::default();
        Ok(())
    }

    /// Makes the user's process, and those that follow it, one of `folder`, with these environment variables.
    pub fn move_to(&mut self, folder: PathBuf, variables: Vec<(String, String)>) -> Result<()> {
        self.home = Some((folder, variables));
        self.go_home()
    }

    fn go_home(&mut self) -> Result<()> {
        let Some((folder, variables)) = &self.home else { return Ok(()) };
        let code = format!("atomotion::cell::enter({folder:?}, &{variables:?}.map(|(name, value)| (name, value)));");
        self.context.execute(&code).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// Runs a cell, which `Interrupt::begin` has announced.
    pub fn execute(&mut self, cell: Cell, ask: Ask) -> std::result::Result<(), Report> {
        if cell.code.trim() == ":backtrace" {
            self.interrupt.end();
            return self.show_backtrace();
        }
        if let Some(fault) = syntax::fault(&cell.code) {
            self.interrupt.end();
            return Err(report::unbalanced(&fault, &cell));
        }
        let before = self.variables();
        *self.seen() = Seen { running: true, ..Seen::default() };
        let clock = trace::Clock::start(&self.folder);
        let (interrupt, unanswered) = (self.interrupt.clone(), std::cell::Cell::new(false));
        let mut callbacks = EvalCallbacks {
            input_reader: &|request| {
                let answer = ask(&request.prompt, request.is_password);
                unanswered.set(interrupt.is_asked());
                answer
            },
        };
        let result = self.context.execute_with_callbacks(&syntax::with_first_doc(&cell.code), &mut callbacks);
        if let Some(clock) = clock {
            clock.stop(cell.number);
        }
        let stop = self.interrupt.end();
        let seen = std::mem::take(&mut *self.seen());
        self.cells.push(cell);
        let died = matches!(result, Err(Error::SubprocessTerminated(_)));
        let mut report = self.report(result, &seen, stop);
        // What the cell has made of an empty answer is not what went wrong.
        if unanswered.get() && !died {
            report = Some(Report::new(Kind::Interrupted, "interrupted while it waited for input"));
        }
        if !seen.cell_panicked {
            seen.panics.iter().for_each(|panic| (self.sink)(Event::Text(Stream::Err, told(panic))));
        }
        self.backtrace = seen.panics.last().map(|panic| panic.backtrace.clone()).or(self.backtrace.take());
        let report = report.map(|report| self.account(report, &before, died, stop));
        self.remember_moved(&before, report.is_none());
        if died && let Err(error) = self.go_home() {
            eprintln!("The new process is not in the notebook's folder: {error}");
        }
        report.map_or(Ok(()), Err)
    }

    /// What went wrong, if anything did; results of commands are shown here, since they come from evcxr itself.
    fn report(
        &mut self,
        result: std::result::Result<EvalOutputs, Error>,
        seen: &Seen,
        stop: interrupt::Outcome,
    ) -> Option<Report> {
        let generated = || std::fs::read_to_string(self.folder.join("src/lib.rs")).unwrap_or_default();
        let cell = self.cells.last()?;
        match result {
            Ok(outputs) if !seen.cell_panicked && !seen.cell_failed => {
                self.show(outputs);
                None
            }
            Ok(_) if seen.cell_panicked => {
                let main = seen.panics.iter().rev().find(|panic| panic.thread == "main");
                let Some(panic) = main.or(seen.panics.last()) else {
                    return Some(Report::new(Kind::Panic, "the cell has panicked"));
                };
                let mut report = report::panicked(panic, &generated(), &self.cells, stop.requested);
                // A thread that was joined says in its own words what went wrong.
                for other in seen.panics.iter().filter(|other| *other != panic) {
                    report = report.note(format!("before it, {}", told(other).trim_end()));
                }
                Some(report)
            }
            Ok(_) => Some(match &seen.failed {
                Some(error) => report::failed(error, &generated(), &self.cells),
                None => Report::new(Kind::Error, "the cell has ended early"),
            }),
            Err(_) if stop.killed => {
                Some(Report::new(Kind::Interrupted, "the cell did not stop by itself and was ended"))
            }
            Err(Error::SubprocessTerminated(status)) => Some(report::crashed(&status)),
            // The compiler was stopped, or ended by itself at the same moment.
            Err(_) if stop.requested => Some(Report::new(Kind::Interrupted, "interrupted before the cell ran")),
            Err(Error::CompilationErrors(errors)) => Some(report::compile_errors(&errors, cell, &self.lost)),
            Err(error) => {
                let command = cell.code.trim_start().starts_with(':');
                let kind = if command { Kind::CommandError } else { Kind::CompileError };
                Some(Report::new(kind, &error.to_string()))
            }
        }
    }

    /// Adds to the report which variables it cost.
    fn account(
        &mut self,
        mut report: Report,
        before: &BTreeSet<String>,
        died: bool,
        stop: interrupt::Outcome,
    ) -> Report {
        let Some(cell) = self.cells.last() else { return report };
        let (number, code) = (cell.number, cell.code.clone());
        if died {
            let lost: Vec<String> = before.iter().filter(|name| !name.starts_with("evcxr")).cloned().collect();
            if !lost.is_empty() {
                report = report.note(format!(
                    "Its variables went with it: {}. Functions and types are still there. Run the cells that define \
                     what you need again.",
                    report::names(&lost)
                ));
            }
            for name in lost {
                let reason = format!("`{name}` was lost when cell [{number}] ended its process; run its cell again");
                self.lost.insert(name, reason);
            }
            return report;
        }
        if matches!(report.kind, Kind::CompileError | Kind::CommandError) {
            return report;
        }
        let after = self.variables();
        let gone: Vec<String> = syntax::new_variables(&code).into_iter().filter(|name| !after.contains(name)).collect();
        if !gone.is_empty() {
            let verb = if gone.len() == 1 { "was" } else { "were" };
            let kept = if stop.requested { " Variables of earlier cells are kept." } else { "" };
            report =
                report.note(format!("{} {verb} not defined, since this cell did not end.{kept}", report::names(&gone)));
        } else if stop.requested {
            report = report.note("All variables are kept.");
        }
        for name in gone {
            let reason = format!("cell [{number}] would have defined `{name}`, but failed before its end");
            self.lost.insert(name, reason);
        }
        report
    }

    /// A variable that is no longer there, though its process is, was moved.
    fn remember_moved(&mut self, before: &BTreeSet<String>, succeeded: bool) {
        let after = self.variables();
        let Some(cell) = self.cells.last() else { return };
        let number = cell.number;
        let new = syntax::new_variables(&cell.code);
        let moved = before.iter().chain(new.iter().filter(|_| succeeded)).filter(|name| !after.contains(*name));
        let moved: Vec<String> = moved.cloned().collect();
        for name in moved {
            let reason = format!(
                "`{name}` was moved in cell [{number}]: pass `&{name}` or `{name}.clone()` there, and run the cell that \
                 defines it again"
            );
            self.lost.entry(name).or_insert(reason);
        }
        self.lost.retain(|name, _| !after.contains(name));
    }

    fn variables(&self) -> BTreeSet<String> {
        self.context.variables_and_types().map(|(name, _)| name.to_owned()).collect()
    }

    fn show(&self, outputs: EvalOutputs) {
        let mut parts: Vec<(String, String)> = outputs.content_by_mime_type.into_iter().collect();
        parts.sort();
        if let Some(time) = outputs.timing {
            (self.sink)(Event::Text(Stream::Out, format!("took {:.2} s\n", time.as_secs_f64())));
        }
        if !parts.is_empty() {
            (self.sink)(Event::Display(Bundle { parts, id: None, is_value: true }));
        }
    }

    fn show_backtrace(&self) -> std::result::Result<(), Report> {
        let Some(backtrace) = &self.backtrace else {
            return Err(Report::new(Kind::CommandError, "no cell has panicked yet"));
        };
        (self.sink)(Event::Text(Stream::Out, format!("{}\n", backtrace.trim_end())));
        Ok(())
    }

    /// Completions at a byte of the code: each with its kind, and the bytes that they replace.
    pub fn completions(&mut self, code: &str, at: usize) -> Result<Completions> {
        let found = match unharmed(|| self.context.completions(code, at)) {
            Some(found) => found.map_err(|error| error.to_string())?,
            None => self.completions_of_any_type(code, at)?,
        };
        let mut words: Vec<Completion> = Vec::new();
        for item in &found.completions {
            let names = [&item.code, &item.label].map(|name| name.to_lowercase());
            let hidden = names.iter().any(|name| name.contains("evcxr"));
            // The name alone: brackets that are put in with it have to be stepped out of.
            let code = item.code.split(['(', '{', ' ']).next().unwrap_or_default().to_owned();
            if !hidden && !words.iter().any(|word| word.code == code) {
                words.push(Completion { code, label: item.label.clone(), kind: item.kind });
            }
        }
        let typed = code.get(found.start_offset..at).unwrap_or_default();
        // What the user most likely means comes first: what begins like it, methods before what every type has.
        words.sort_by_key(|word| (!word.code.starts_with(typed), rank(word)));
        if ":backtrace".starts_with(typed) && typed.starts_with(':') {
            words.push(Completion { code: ":backtrace".into(), label: ":backtrace".into(), kind: "magic" });
        }
        Ok(Completions { words, start: found.start_offset, end: found.end_offset })
    }

    /// rust-analyzer looks for expressions of the type that is wanted at a cell's end, and may fail at that. Within a loop
    /// none is wanted.
    fn completions_of_any_type(&mut self, code: &str, at: usize) -> Result<evcxr::Completions> {
        const LOOP: &str = "while false { ";
        let word = code[..at].trim_end_matches(|char: char| char.is_alphanumeric() || char == '_').len();
        let looped = format!("{}{LOOP}{} }}{}", &code[..word], &code[word..at], &code[at..]);
        let found =
            unharmed(|| self.context.completions(&looped, at + LOOP.len())).ok_or("rust-analyzer has failed")?;
        let mut found = found.map_err(|error| error.to_string())?;
        let earlier = |offset: usize| offset.saturating_sub(LOOP.len()).max(word);
        (found.start_offset, found.end_offset) = (earlier(found.start_offset), earlier(found.end_offset));
        Ok(found)
    }

    /// What is known of the name at a byte of the code, as text and as HTML.
    pub fn inspect(&mut self, code: &str, at: usize) -> Option<(String, String)> {
        // evcxr reads no further than the place: it is to see the whole name. A method it knows only by its bracket.
        let rest = &code[at..];
        let name = &code[..at + rest.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(rest.len())];
        let forms = [(name.to_owned(), name.len()), (format!("{name}()"), name.len() + 1)];
        let found = forms.into_iter().find_map(|(code, at)| {
            let found = unharmed(|| self.context.hover_at(&code, at))?;
            found.ok().filter(|(plain, _)| !NOTHING.contains(&plain.as_str()))
        })?;
        // Headings of documentation are those of a page, not of a note beside a cell.
        let html = without_crate(&found.1).replace("<h1>", "<h4>").replace("</h1>", "</h4>");
        Some((without_crate(&found.0), html))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

/// What some work gives; nothing if it panics. Asking rust-analyzer changes nothing that a panic could leave half done.
fn unharmed<T>(work: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
}

pub struct Completion {
    pub code: String,
    pub label: String,
    pub kind: &'static str,
}

pub struct Completions {
    pub words: Vec<Completion>,
    pub start: usize,
    pub end: usize,
}

/// Methods that every type has are seldom what is looked for.
fn rank(word: &Completion) -> u8 {
    let everywhere =
        ["into", "try_into", "borrow", "borrow_mut", "type_id", "to_owned", "clone_into", "from", "try_from"];
    u8::from(everywhere.contains(&word.code.as_str()))
}

/// What evcxr and rust-analyzer say where they know nothing.
const NOTHING: [&str; 2] = ["No documentation found", "{unknown}"];

/// What is known of a name begins with where it is from: nobody knows the crate that evcxr makes of cells.
fn without_crate(known: &str) -> String {
    const FRAME: [&str; 2] = ["<pre><code class=\"language-rust\">", "\n</code></pre>\n"];
    let (start, rest) = known.strip_prefix(FRAME[0]).map_or(("", known), |rest| (FRAME[0], rest));
    match rest.strip_prefix(cell::CRATE) {
        Some(path) if path.starts_with("::") => format!("{start}{}", &path[2..]),
        Some(rest) if rest.starts_with('\n') => rest.strip_prefix(FRAME[1]).unwrap_or(rest.trim_start()).to_owned(),
        _ => known.to_owned(),
    }
}

/// Events before the engine has started are of what evcxr evaluates for itself.
fn after(started: Arc<AtomicBool>, sink: Sink) -> Sink {
    Arc::new(move |event| {
        if started.load(Ordering::Acquire) {
            sink(event);
        }
    })
}

/// Notes what an event means for the cell, and passes on what the user sees.
fn observer(seen: Arc<Mutex<Seen>>, sink: Sink) -> Sink {
    Arc::new(move |event| {
        let mut state = lock(&seen);
        match event {
            Event::Failed(error) => state.failed = Some(error),
            Event::CellPanicked => state.cell_panicked = true,
            Event::CellFailed => state.cell_failed = true,
            Event::Panicked(panic) if state.running => state.panics.push(panic),
            // Of a thread that has outlived its cell.
            Event::Panicked(panic) => sink(Event::Text(Stream::Err, told(&panic))),
            other => {
                drop(state);
                sink(other);
            }
        }
    })
}

fn told(panic: &Panicked) -> String {
    let file = panic.file.rsplit("/src/").next().unwrap_or(&panic.file);
    let place = if panic.file == "src/lib.rs" { String::new() } else { format!(" ({file}, line {})", panic.line) };
    let thread = if panic.thread == "unnamed" { "a thread".into() } else { format!("thread `{}`", panic.thread) };
    format!("{thread} panicked: {}{place}\n", panic.message)
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_names_no_generated_crate() {
        let html = |place: &str| format!("<pre><code class=\"language-rust\">{place}\n</code></pre>\n<p>docs</p>");
        assert_eq!(without_crate("ctx\n\nfn f()"), "fn f()");
        assert_eq!(without_crate("ctx::Site\n\nfn g()"), "Site\n\nfn g()");
        assert_eq!(without_crate(&html("ctx")), "<p>docs</p>");
        assert_eq!(without_crate(&html("ctx::Site")), html("Site"));
        for other in ["ctxt\n\nfn f()", "let movie: Movie", ""] {
            assert_eq!(without_crate(other), other);
            assert_eq!(without_crate(&html(other)), html(other));
        }
    }
}
