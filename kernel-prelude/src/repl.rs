//! The terminal REPL: the same cells with the same prelude, without Jupyter.

use crate::Result;
use evcxr::{CommandContext, Error, EvalOutputs};
use std::fs;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

pub fn run() -> Result<ExitCode> {
    // SAFETY: an interrupt is for the user's code, which runs in a process of its own.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
    let (mut context, outputs) = CommandContext::new().map_err(|error| error.to_string())?;
    let stderr = outputs.stderr;
    std::thread::spawn(move || stderr.iter().for_each(|line| eprintln!("{line}")));
    let stdout = outputs.stdout;
    std::thread::spawn(move || stdout.iter().for_each(|line| println!("{line}")));
    context.execute(":load_config --quiet").map_err(|error| error.to_string())?;

    let mut input = Input::new()?;
    let mut failed = false;
    let mut pictures = Pictures::default();
    while let Some(cell) = input.cell()? {
        match context.execute(&cell) {
            Ok(outputs) => show(outputs, &mut pictures)?,
            Err(error) => {
                failed = true;
                complain(&error, &cell);
            }
        }
        std::io::stdout().flush()?;
    }
    // A script that went wrong says so to who ran it; a person at a terminal knows.
    Ok(if failed && !input.is_terminal() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(outputs: EvalOutputs, pictures: &mut Pictures) -> Result<()> {
    let mut kinds: Vec<_> = outputs.content_by_mime_type.iter().collect();
    kinds.sort();
    for (kind, content) in kinds {
        match kind.as_str() {
            "text/plain" => println!("{content}"),
            "image/png" | "image/svg+xml" => {
                println!("{}", pictures.save(kind, content)?.display())
            }
            "text/html" if outputs.get("text/plain").is_none() => println!("{content}"),
            _ => {}
        }
    }
    Ok(())
}

fn complain(error: &Error, cell: &str) {
    let Error::CompilationErrors(errors) = error else {
        eprintln!("{error}");
        return;
    };
    for error in errors {
        eprintln!("error: {}", error.message());
        for message in error.spanned_messages() {
            if let Some(span) = &message.span {
                let line = cell.lines().nth(span.start_line - 1).unwrap_or_default();
                let width = if span.end_line == span.start_line { span.end_column - span.start_column } else { 1 };
                eprintln!("  {line}");
                eprintln!("  {}{} {}", " ".repeat(span.start_column - 1), "^".repeat(width.max(1)), message.label);
            }
        }
        for help in error.help() {
            eprintln!("help: {help}");
        }
    }
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

    /// The next cell: lines, until every bracket is closed. `None` at the end.
    fn cell(&mut self) -> Result<Option<String>> {
        let mut cell = String::new();
        while let Some(line) = self.line(cell.is_empty())? {
            cell.push_str(&line);
            cell.push('\n');
            if is_complete(&cell) {
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

/// Whether all brackets and quotes are closed. Comments and character literals are not looked into closely: evcxr is
/// the judge of the code, this only decides when to ask it.
fn is_complete(cell: &str) -> bool {
    let mut depth = 0;
    let mut quoted = false;
    for line in cell.lines() {
        let mut chars = line.chars();
        while let Some(char) = chars.next() {
            match char {
                '\\' if quoted => {
                    chars.next();
                }
                '"' => quoted = !quoted,
                '/' if !quoted && chars.as_str().starts_with('/') => break,
                '(' | '[' | '{' if !quoted => depth += 1,
                ')' | ']' | '}' if !quoted => depth -= 1,
                _ => {}
            }
        }
    }
    depth <= 0 && !quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_ends_when_its_brackets_are_closed() {
        assert!(is_complete("let a = 1;"));
        assert!(is_complete("let a = \"(\";"));
        assert!(is_complete("f() // ("));
        assert!(!is_complete("fn f() {"));
        assert!(!is_complete("let a = \"one"));
        assert!(is_complete("fn f() {\n}"));
    }

    #[test]
    fn base64_of_every_length() {
        assert_eq!(decode_base64("QQ=="), b"A");
        assert_eq!(decode_base64("QUI="), b"AB");
        assert_eq!(decode_base64("QUJD\nRA=="), b"ABCD");
    }
}
