//! The terminal REPL: the same cells with the same prelude, without Jupyter.

use crate::engine::Engine;
use crate::interrupt::Interrupt;
use crate::recipe::Recipe;
use crate::relay::{Bundle, Event, Sink, Stream};
use crate::report::Cell;
use crate::session::Session;
use crate::syntax::{self, Completeness};
use crate::{Result, environment, runtime};
use std::fs;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;

/// Starts this executable again inside a session, and clears up after it.
pub fn launch() -> Result<ExitCode> {
    if let Some(session) = std::env::var_os(environment::SESSION) {
        return run(session.as_ref());
    }
    let kernel = environment::kernel_dir()?;
    let recipe = Recipe::load(&kernel)?;
    let stale = recipe.stale(&kernel)?;
    let session = Session::create()?;
    session.configure(stale.is_none())?;
    let mut command = Command::new(kernel.join("bin/atomotion-kernel"));
    command.arg("repl");
    environment::enter(&mut command, &session.dir, &kernel, &recipe.rustc);
    environment::in_terminal(&mut command, std::io::stdout().is_terminal());
    if let Some(reason) = &stale {
        eprintln!("{reason}");
        command.env(environment::STALE, reason);
    }
    // SAFETY: a plain system call. An interrupt is for the cell, which the child asks to stop.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
    let status = command.status()?;
    drop(session);
    Ok(ExitCode::from(status.code().unwrap_or(1) as u8))
}

fn run(session: &Path) -> Result<ExitCode> {
    let file = std::env::var_os(environment::INTERRUPT).ok_or("not inside a session")?;
    let interrupt = Interrupt::new(Path::new(&file))?;
    request_on_signal(interrupt.clone());
    runtime::end_with_parent();
    let pictures = Mutex::new(Pictures::default());
    let sink: Sink = std::sync::Arc::new(move |event| print(event, &pictures));
    let mut engine = Engine::start(session, interrupt.clone(), sink)?;
    let mut input = Input::new()?;
    let mut failed = false;
    let mut number = 0;
    while let Some(code) = input.cell()? {
        if code.trim().is_empty() {
            continue;
        }
        number += 1;
        let ask = |prompt: &str, _: bool| ask(prompt);
        interrupt.begin();
        if let Err(report) = engine.execute(Cell { number, code }, &ask) {
            failed = true;
            let coloured = std::io::stderr().is_terminal();
            for line in &report.lines {
                eprintln!("{}", if coloured { line.clone() } else { without_colours(line) });
            }
        }
        std::io::stdout().flush()?;
    }
    // A script that went wrong says so to who ran it; a person at a terminal knows.
    Ok(if failed && !input.is_terminal() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Lets Ctrl-C stop the cell.
fn request_on_signal(interrupt: Interrupt) {
    // SAFETY: plain signal-mask calls on a set that lives on this stack, while there is one thread.
    let set = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGINT);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        set
    };
    std::thread::spawn(move || {
        let mut signal = 0;
        // SAFETY: both pointers are to live values; the signal is blocked in every thread.
        while unsafe { libc::sigwait(&set, &mut signal) } == 0 {
            interrupt.request();
        }
    });
}

fn ask(prompt: &str) -> String {
    print!("{prompt}");
    let mut line = String::new();
    // At the end of the input there is no answer.
    let _ = std::io::stdout().flush().and_then(|()| std::io::stdin().read_line(&mut line));
    line.trim_end_matches('\n').to_owned()
}

fn print(event: Event, pictures: &Mutex<Pictures>) {
    match event {
        Event::Text(Stream::Out, text) => print!("{text}"),
        Event::Text(Stream::Err, text) => eprint!("{text}"),
        Event::Display(bundle) => show(&bundle, pictures),
        _ => {}
    }
    // Nobody reads any more.
    let _ = std::io::stdout().flush();
}

fn show(bundle: &Bundle, pictures: &Mutex<Pictures>) {
    let has_text = bundle.parts.iter().any(|(kind, _)| kind == "text/plain");
    for (kind, content) in &bundle.parts {
        match kind.as_str() {
            "text/plain" => println!("{content}"),
            "image/png" | "image/svg+xml" => {
                let mut pictures = pictures.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                match pictures.save(kind, content) {
                    Ok(file) => println!("{}", file.display()),
                    Err(error) => eprintln!("The picture could not be saved: {error}"),
                }
            }
            "text/html" if !has_text => println!("{content}"),
            _ => {}
        }
    }
}

/// The line without what turns colours on and off.
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
}

/// Pictures become files, since a terminal cannot show them. The folder stays: the user may still be looking.
#[derive(Default)]
struct Pictures {
    folder: Option<PathBuf>,
    count: usize,
}

impl Pictures {
    fn save(&mut self, kind: &str, content: &str) -> Result<PathBuf> {
        let folder = self
            .folder
            .get_or_insert_with(|| std::env::temp_dir().join(format!("atomotion-pictures-{}", std::process::id())));
        fs::create_dir_all(&folder)?;
        self.count += 1;
        let (ending, bytes) = match kind {
            "image/png" => ("png", decode_base64(content)),
            _ => ("svg", content.as_bytes().to_vec()),
        };
        let file = folder.join(format!("{}.{ending}", self.count));
        fs::write(&file, bytes)?;
        Ok(file)
    }
}

fn decode_base64(text: &str) -> Vec<u8> {
    let sextet = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let sextets: Vec<u8> = text.bytes().filter_map(sextet).collect();
    let mut bytes = Vec::with_capacity(sextets.len() * 3 / 4);
    for group in sextets.chunks(4) {
        let bits = group.iter().fold(0u32, |bits, sextet| bits << 6 | u32::from(*sextet)) << (6 * (4 - group.len()));
        bytes.extend(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}

/// Where cells come from.
enum Input {
    Terminal(Box<rustyline::DefaultEditor>),
    Pipe(std::io::Stdin),
}

impl Input {
    fn new() -> Result<Input> {
        if std::io::stdin().is_terminal() {
            println!("Atomotion. :help lists commands, Ctrl-D ends.");
            return Ok(Input::Terminal(Box::new(rustyline::DefaultEditor::new()?)));
        }
        Ok(Input::Pipe(std::io::stdin()))
    }

    fn is_terminal(&self) -> bool {
        matches!(self, Input::Terminal(_))
    }

    /// The next cell: lines, until they make a whole. `None` at the end.
    fn cell(&mut self) -> Result<Option<String>> {
        let mut cell = String::new();
        while let Some(line) = self.line(cell.is_empty())? {
            cell.push_str(&line);
            cell.push('\n');
            if syntax::completeness(&cell) != Completeness::Incomplete {
                return Ok(Some(cell));
            }
        }
        Ok(Some(cell).filter(|cell| !cell.is_empty()))
    }

    fn line(&mut self, first: bool) -> Result<Option<String>> {
        use rustyline::error::ReadlineError;
        match self {
            Input::Pipe(stdin) => Ok(stdin.lock().lines().next().transpose()?),
            Input::Terminal(editor) => match editor.readline(if first { ">> " } else { ".. " }) {
                Ok(line) => {
                    editor.add_history_entry(&line)?;
                    Ok(Some(line))
                }
                Err(ReadlineError::Interrupted) => Ok(Some(String::new())),
                Err(ReadlineError::Eof) => Ok(None),
                Err(error) => Err(error.into()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals() {
        assert_eq!(without_colours("\x1b[1;31mError\x1b[0m: no"), "Error: no");
        assert_eq!(without_colours("plain"), "plain");
    }

    #[test]
    fn base64_of_every_length() {
        assert_eq!(decode_base64("QQ=="), b"A");
        assert_eq!(decode_base64("QUI="), b"AB");
        assert_eq!(decode_base64("QUJD\nRA=="), b"ABCD");
    }
}
