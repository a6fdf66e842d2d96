//! What the user reads when a cell fails: first what went wrong, then where in the cell, then what to do.

use crate::relay::{Failed, Panicked};
use crate::syntax::Fault;
use evcxr::CompilationError;
use std::collections::HashMap;
use std::fmt::Write as _;

// The eight basic colours: every theme has a readable form of them.
const RED: &str = "\x1b[31m";
const BLUE: &str = "\x1b[34m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// How a cell failed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// An error that left it through `?`.
    Error,
    Panic,
    /// The process that ran it has died.
    Crash,
    Interrupted,
    /// It does not compile.
    CompileError,
    /// A line that begins with a colon.
    CommandError,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Error => "Error",
            Kind::Panic => "Panic",
            Kind::Crash => "Crash",
            Kind::Interrupted => "Interrupted",
            Kind::CompileError => "CompileError",
            Kind::CommandError => "CommandError",
        }
    }
}

/// A failed cell, as Jupyter and the terminal show it.
#[derive(Clone, Debug)]
pub struct Report {
    pub kind: Kind,
    /// What went wrong, in a line.
    pub summary: String,
    /// All of it, coloured for terminals.
    pub lines: Vec<String>,
}

impl Report {
    pub fn new(kind: Kind, message: &str) -> Report {
        let message = message.trim_end();
        let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
        let mut report = Report { kind, summary: first.to_owned(), lines: Vec::new() };
        report.lines.push(format!("{RED}{}{PLAIN}: {BOLD}{first}{PLAIN}", kind.name()));
        report.lines.extend(rest.lines().map(str::to_owned));
        report
    }

    fn at(mut self, place: Option<Place>) -> Report {
        if let Some(place) = place {
            self.lines.extend(place.shown());
        }
        self
    }

    /// Adds what the reader should know or do.
    pub fn note(mut self, note: impl AsRef<str>) -> Report {
        self.lines.extend(note.as_ref().lines().map(str::to_owned));
        self
    }
}

/// A cell that was run: its number and its source.
#[derive(Clone, Debug)]
pub struct Cell {
    pub number: u32,
    pub code: String,
}

/// A line of a cell.
#[derive(Debug, PartialEq)]
struct Place {
    cell: u32,
    line: usize,
    text: String,
}

impl Place {
    /// The line of a cell that line `line` of the generated source came from. evcxr copies statements and items as
    /// they are, each on lines of its own: so the text tells. `cells` has the latest last.
    fn find(generated: &str, line: usize, cells: &[Cell]) -> Option<Place> {
        let text = generated.lines().nth(line.checked_sub(1)?)?.trim();
        if text.len() < 2 {
            return None;
        }
        let before = generated.lines().take(line - 1).filter(|other| other.trim() == text).count();
        let exact = cells.iter().rev().find_map(|cell| {
            let same: Vec<usize> = positions(cell, |other| other.trim() == text);
            let at = same.get(before).or(same.last())?;
            Some((cell, *at))
        });
        // Several statements on one line have been parted.
        let within = || {
            cells.iter().rev().find_map(|cell| Some((cell, *positions(cell, |other| other.contains(text)).first()?)))
        };
        let (cell, at) = exact.or_else(within)?;
        let text = cell.code.lines().nth(at).unwrap_or_default().to_owned();
        Some(Place { cell: cell.number, line: at + 1, text })
    }

    fn shown(&self) -> Vec<String> {
        let number = self.line.to_string();
        vec![
            format!("  {BLUE}cell [{}], line {number}{PLAIN}", self.cell),
            format!("{BLUE}{number} |{PLAIN} {}", self.text),
        ]
    }
}

fn positions(cell: &Cell, matches: impl Fn(&str) -> bool) -> Vec<usize> {
    cell.code.lines().enumerate().filter(|(_, line)| matches(line)).map(|(at, _)| at).collect()
}

/// An error that left the cell through `?`.
pub fn failed(error: &Failed, generated: &str, cells: &[Cell]) -> Report {
    let stopped = error.message.strip_prefix("interrupted ").filter(|_| error.kind == "interrupted");
    let (kind, message) = stopped.map_or((Kind::Error, error.message.as_str()), |what| (Kind::Interrupted, what));
    Report::new(kind, message).at(Place::find(generated, error.line, cells))
}

/// `stopped` says that the user has asked the cell to stop: an interruption that was unwrapped is still one.
pub fn panicked(panic: &Panicked, generated: &str, cells: &[Cell], stopped: bool) -> Report {
    let own = panic.file == "src/lib.rs";
    let place = if own { Some(panic.line) } else { panic.cell_line };
    let place = place.and_then(|line| Place::find(generated, line, cells));
    if stopped && let Some((_, what)) = panic.message.split_once("interrupted ") {
        return Report::new(Kind::Interrupted, what).at(place);
    }
    let mut report = Report::new(Kind::Panic, &panic.message).at(place);
    if !own {
        let file = panic.file.rsplit("/src/").next().unwrap_or(&panic.file);
        let package = panic.file.rsplit("/src/").nth(1).and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let in_package = if package.is_empty() { String::new() } else { format!("{package}, ") };
        report = report.note(format!("raised in {in_package}{file}, line {}", panic.line));
    }
    report.note("`:backtrace` shows the whole stack.")
}

/// The process has gone; `status` is what evcxr says of it.
pub fn crashed(status: &str) -> Report {
    let signal = status.split("signal: ").nth(1).and_then(|rest| rest.split(' ').next());
    let message = match signal.and_then(|number| number.parse::<i32>().ok()) {
        Some(libc::SIGSEGV) => {
            "segmentation fault: unsafe code, or a stack that a recursion without end has filled".to_owned()
        }
        Some(libc::SIGABRT) => "the process has aborted".to_owned(),
        Some(libc::SIGKILL) => "the process was killed: perhaps the machine has run out of memory".to_owned(),
        Some(libc::SIGILL) => "illegal instruction".to_owned(),
        Some(libc::SIGBUS) => "bus error: a mapped file has become shorter?".to_owned(),
        Some(number) => format!("the process was ended by signal {number}"),
        None => match status.split("exit status: ").nth(1) {
            Some(code) => format!("the process has ended itself (exit status {})", code.trim()),
            None => "the process has ended".to_owned(),
        },
    };
    Report::new(Kind::Crash, &message)
}

/// A bracket without its other half.
pub fn unbalanced(fault: &Fault, cell: &Cell) -> Report {
    let mut report = Report::new(Kind::CompileError, &fault.message);
    if let Some(head) = report.lines.first_mut() {
        *head = format!("{RED}error{PLAIN}: {BOLD}{}{PLAIN}", fault.message);
    }
    let text = cell.code.lines().nth(fault.line - 1).unwrap_or_default().to_owned();
    let indent = indent(&text, fault.column);
    let width = fault.line.to_string().len();
    report = report.at(Some(Place { cell: cell.number, line: fault.line, text }));
    report.lines.push(format!("{BLUE}{:>width$} |{PLAIN} {indent}{RED}^{PLAIN}", ""));
    report
}

/// White space as wide as the first characters of a line. Tabs stay tabs, so that marks stand under what they mean.
fn indent(line: &str, characters: usize) -> String {
    line.chars().take(characters).map(|char| if char == '\t' { '\t' } else { ' ' }).collect()
}

/// Errors of the compiler. `lost` tells of variables that are gone why they are.
pub fn compile_errors(errors: &[CompilationError], cell: &Cell, lost: &HashMap<String, String>) -> Report {
    let mut reports = errors.iter().map(|error| compile_error(error, cell, lost));
    let Some(mut first) = reports.next() else {
        return Report::new(Kind::CompileError, "the cell does not compile");
    };
    for report in reports {
        first.lines.push(String::new());
        first.lines.extend(report.lines);
    }
    first
}

fn compile_error(error: &CompilationError, cell: &Cell, lost: &HashMap<String, String>) -> Report {
    // A command's error has no compiler's message behind it.
    let kind = if error.json.is_null() { Kind::CommandError } else { Kind::CompileError };
    let message = plain(&error.message());
    let mut report = Report::new(kind, &message);
    if let (Kind::CompileError, Some(head)) = (kind, report.lines.first_mut()) {
        let code = error.code().map(|code| format!("[{code}]")).unwrap_or_default();
        let first = &report.summary;
        *head = format!("{RED}error{code}{PLAIN}: {BOLD}{first}{PLAIN}");
    }
    report.lines.extend(marked_lines(error, cell));
    let mut notes = Vec::new();
    if let Some(name) = missing_name(error)
        && let Some(reason) = lost.get(name)
    {
        notes.push(reason.clone());
    }
    if matches!(error.code(), Some("E0384" | "E0596")) {
        notes.push("a variable of an earlier cell becomes mutable by `let mut x = x;`".into());
    }
    notes.extend(error.help().into_iter().filter(|help| !help.contains("evcxr")));
    for note in notes {
        let mut lines = note.lines().filter(|line| !line.trim().is_empty());
        let first = lines.next().unwrap_or_default();
        report.lines.push(format!("  {BLUE}= help:{PLAIN} {first}"));
        report.lines.extend(lines.map(|line| format!("          {line}")));
    }
    report
}

/// The cell's lines that the error is about, with marks under what it means.
fn marked_lines(error: &CompilationError, cell: &Cell) -> Vec<String> {
    let lines: Vec<&str> = cell.code.lines().collect();
    let mut marks: Vec<_> = error.spanned_messages().iter().filter_map(|mark| Some((mark.span?, mark))).collect();
    marks.sort_by_key(|(span, mark)| (span.start_line, !mark.is_primary, span.start_column));
    let Some(first) = marks.iter().find(|(_, mark)| mark.is_primary).or(marks.first()) else {
        return Vec::new();
    };
    let mut shown = vec![format!("  {BLUE}cell [{}], line {}{PLAIN}", cell.number, first.0.start_line)];
    let width = marks.iter().map(|(span, _)| span.start_line.to_string().len()).max().unwrap_or(1);
    let mut last = 0;
    for (span, mark) in marks {
        let text = lines.get(span.start_line.saturating_sub(1)).copied().unwrap_or_default();
        if span.start_line != last {
            shown.push(format!("{BLUE}{:>width$} |{PLAIN} {text}", span.start_line));
            last = span.start_line;
        }
        let end = if span.end_line > span.start_line { text.chars().count() + 1 } else { span.end_column };
        let length = end.saturating_sub(span.start_column).max(1);
        let (colour, sign) = if mark.is_primary { (RED, "^") } else { (BLUE, "-") };
        let indent = indent(text, span.start_column.saturating_sub(1));
        let label = plain(&mark.label);
        let label = label.lines().next().unwrap_or_default();
        shown.push(format!("{BLUE}{:>width$} |{PLAIN} {indent}{colour}{}{PLAIN} {label}", "", sign.repeat(length)));
    }
    shown
}

/// The name that the compiler does not find.
fn missing_name(error: &CompilationError) -> Option<&str> {
    if error.code() != Some("E0425") {
        return None;
    }
    let message = error.json["message"].as_str()?;
    message.split('`').nth(1)
}

/// A message without the names of generated code.
fn plain(message: &str) -> String {
    let mut plain = message.replace("`EvcxrUserCodeError`", "what a cell can show");
    if let Some(at) = plain.find("`evcxr_variable_store`") {
        plain.replace_range(at..at + "`evcxr_variable_store`".len(), "the end of the cell");
    }
    plain.replace("<end of input>", "the end of the cell")
}

/// Names in a sentence: "`a`, `b` and `c`".
pub fn names(names: &[String]) -> String {
    let mut list = String::new();
    for (at, name) in names.iter().enumerate() {
        let join = match at {
            0 => "",
            _ if at + 1 == names.len() => " and ",
            _ => ", ",
        };
        let _ = write!(list, "{join}`{name}`");
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(number: u32, code: &str) -> Cell {
        Cell { number, code: code.to_owned() }
    }

    fn place(cell: u32, line: usize, text: &str) -> Option<Place> {
        Some(Place { cell, line, text: text.to_owned() })
    }

    #[test]
    fn a_generated_line_is_found_in_the_cell_it_came_from() {
        let cells = [cell(1, "fn f() {\n    panic!(\"no\")\n}"), cell(2, "let a = 1; g()?;\n\ng()?;\n  g()?;")];
        let generated = "fn f() {\n    panic!(\"no\")\n}\nfn run() {\nlet a = 1;\ng()?;\ng()?;\n}";
        assert_eq!(Place::find(generated, 2, &cells), place(1, 2, "    panic!(\"no\")"));
        assert_eq!(Place::find(generated, 5, &cells), place(2, 1, "let a = 1; g()?;"));
        assert_eq!(Place::find(generated, 6, &cells), place(2, 3, "g()?;"));
        assert_eq!(Place::find(generated, 7, &cells), place(2, 4, "  g()?;"));
        assert_eq!(Place::find(generated, 8, &cells), None);
        assert_eq!(Place::find(generated, 99, &cells), None);
    }

    #[test]
    fn how_a_process_ended_is_said_in_words() {
        let summary = |status: &str| crashed(status).summary;
        assert!(summary("Subprocess terminated with status: signal: 11 (SIGSEGV)").starts_with("segmentation fault"));
        assert!(summary("Subprocess terminated with status: signal: 9 (SIGKILL)").contains("memory"));
        assert_eq!(
            summary("Subprocess terminated with status: exit status: 3"),
            "the process has ended itself (exit status 3)"
        );
    }

    #[test]
    fn names_make_a_sentence() {
        let list = |list: &[&str]| names(&list.iter().map(|name| name.to_string()).collect::<Vec<_>>());
        assert_eq!(list(&["a"]), "`a`");
        assert_eq!(list(&["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
