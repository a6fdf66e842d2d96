//! What the user's process writes, seen as it comes.
//!
//! evcxr reads the process's stdout itself, and holds back every picture until the cell has ended. So the process
//! swaps its outputs for pipes of its own as soon as it starts, and hands these over together with the originals
//! through a socket in the session's folder. Here the pipes are read: text and displays go on as events at once, and
//! only the lines by which evcxr steers are passed to it.

use crate::{Result, link};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use rustix::pipe::{PipeFlags, pipe_with};
use serde::Deserialize;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const BEGIN: &str = "EVCXR_BEGIN_CONTENT ";
const END: &str = "EVCXR_END_CONTENT";
pub const COMPLETE: &str = "EVCXR_EXECUTION_COMPLETE";
const PANIC: &str = "EVCXR_PANIC_NOTIFICATION";
const QUESTION_MARK: &str = "EVCXR_ERROR_OCCURRED";
const OURS: [&str; 3] = ["ATOMOTION_VALUE", "ATOMOTION_ERROR {", "ATOMOTION_PANIC {"];
/// Lines that evcxr acts upon. The last two have something after them.
const FOR_EVCXR: [&str; 5] = [COMPLETE, PANIC, QUESTION_MARK, "EVCXR_VARIABLE_CHANGED_TYPE:", "EVCXR_INPUT_REQUEST"];

/// Text is collected for this long, so that a loop that prints is not one message a line.
const TEXT_PAUSE: Duration = Duration::from_millis(20);
/// The forms of one display follow each other within this.
const DISPLAY_PAUSE: Duration = Duration::from_millis(40);
const TEXT_AT_ONCE: usize = 64 << 10;
/// Text of one cell beyond this is left out, but for its end: browsers choke on more.
const TEXT_OF_A_CELL: usize = 1 << 20;
const TEXT_AT_END: usize = 32 << 10;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stream {
    Out,
    Err,
}

/// One value in several forms: MIME type and content.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bundle {
    pub parts: Vec<(String, String)>,
    /// A display with an identity is replaced by the next with the same.
    pub id: Option<String>,
    /// Whether it is what the cell's last expression shows.
    pub is_value: bool,
}

/// An error that left a cell through `?`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Failed {
    pub message: String,
    pub kind: String,
    pub file: String,
    pub line: usize,
}

/// Says, in the process of the user, that the cell could not be started: an error like any other, and nothing is lost.
pub fn refuse(reason: &str) {
    let error = serde_json::json!({
        "message": format!("the cell could not be loaded: {reason}"), "kind": "error", "file": "", "line": 0,
    });
    println!("\nATOMOTION_ERROR {error}\n{QUESTION_MARK}\n{COMPLETE}");
}

/// A panic, whether or not it reached the cell.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Panicked {
    pub message: String,
    pub file: String,
    pub line: usize,
    pub thread: String,
    pub cell_line: Option<usize>,
    pub backtrace: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Text(Stream, String),
    Display(Bundle),
    Failed(Failed),
    Panicked(Panicked),
    /// A panic has ended the cell.
    CellPanicked,
    /// An error has ended the cell through `?`.
    CellFailed,
    /// The cell has run to its end, one way or the other.
    Complete,
}

pub type Sink = Arc<dyn Fn(Event) + Send + Sync>;

/// In the user's process: swaps stdout and stderr for pipes, and hands them over.
pub fn hand_over(socket: &Path) -> Result<()> {
    let socket = link::connect(socket)?;
    let (out_read, out_write) = pipe_with(PipeFlags::CLOEXEC)?;
    let (err_read, err_write) = pipe_with(PipeFlags::CLOEXEC)?;
    let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
    let files = [stdout.as_fd(), stderr.as_fd(), out_read.as_fd(), err_read.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    rights.push(SendAncillaryMessage::ScmRights(&files));
    sendmsg(&socket, &[IoSlice::new(b"!")], &mut rights, SendFlags::empty())?;
    rustix::stdio::dup2_stdout(&out_write)?;
    rustix::stdio::dup2_stderr(&err_write)?;
    // Stays open until this process ends, however it ends: that is how the other side learns of it, even where a
    // child of the user's still holds the pipes.
    std::mem::forget(socket);
    Ok(())
}

/// In the kernel: takes over the outputs of every user process that is started from now on.
pub fn listen(socket: &Path, sink: Sink) -> Result<()> {
    let listener = link::bind(socket)?;
    std::thread::Builder::new().name("relay".into()).spawn(move || {
        for process in listener.incoming().flatten() {
            let sink = Arc::clone(&sink);
            // A process that says nothing sensible is one that has died: evcxr notices.
            if let Ok(relay) = Relay::accept(process, sink) {
                let _ = std::thread::Builder::new().name("relay".into()).spawn(move || relay.run());
            }
        }
    })?;
    Ok(())
}

struct Relay {
    alive: UnixStream,
    out: File,
    err: File,
    /// evcxr's end of the process's original stdout; closing it tells evcxr that the process is gone.
    evcxr: File,
    /// Closed at the same time.
    _evcxr_err: OwnedFd,
    reading: Reading,
    sink: Sink,
}

impl Relay {
    fn accept(alive: UnixStream, sink: Sink) -> Result<Relay> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let message = recvmsg(&alive, &mut [IoSliceMut::new(&mut byte)], &mut rights, RecvFlags::CMSG_CLOEXEC)?;
        if message.flags.contains(ReturnFlags::CTRUNC) {
            return Err("the user's process handed over too much".into());
        }
        let mut files = VecDeque::new();
        for part in rights.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = part {
                files.extend(rights);
            }
        }
        let mut next = || files.pop_front().ok_or("the user's process handed over too little");
        let (evcxr, evcxr_err, out, err) = (next()?, next()?, next()?, next()?);
        Ok(Relay {
            alive,
            out: out.into(),
            err: err.into(),
            evcxr: evcxr.into(),
            _evcxr_err: evcxr_err,
            reading: Reading::default(),
            sink,
        })
    }

    fn run(mut self) {
        let mut out_open = true;
        let mut err_open = true;
        loop {
            let mut files = vec![PollFd::new(&self.alive, PollFlags::IN)];
            // A closed pipe would be ready for ever.
            let out_at = out_open.then(|| files.push(PollFd::new(&self.out, PollFlags::IN))).map(|()| 1);
            let err_at = err_open.then(|| files.push(PollFd::new(&self.err, PollFlags::IN))).map(|()| files.len() - 1);
            let wait = self.reading.due().map(|due| {
                let left = due.saturating_duration_since(Instant::now());
                Timespec { tv_sec: 0, tv_nsec: left.as_nanos().min(999_999_999) as _ }
            });
            match poll(&mut files, wait.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => break,
            }
            let ready = |at: Option<usize>| at.is_some_and(|at| !files[at].revents().is_empty());
            let (gone, out_ready, err_ready) = (ready(Some(0)), ready(out_at), ready(err_at));
            drop(files);
            if err_ready {
                err_open = self.read_err();
            }
            if out_ready {
                out_open = self.read_out();
            }
            if gone && !out_ready && !err_ready {
                break;
            }
            for event in self.reading.when_due(Instant::now()) {
                (self.sink)(event);
            }
        }
        for event in self.reading.flush() {
            (self.sink)(event);
        }
    }

    /// False at the end of the pipe.
    fn read_err(&mut self) -> bool {
        let mut bytes = [0; 64 << 10];
        let count = self.err.read(&mut bytes).unwrap_or(0);
        for event in self.reading.err(&bytes[..count]) {
            (self.sink)(event);
        }
        count > 0
    }

    fn read_out(&mut self) -> bool {
        let mut bytes = [0; 64 << 10];
        let count = self.out.read(&mut bytes).unwrap_or(0);
        let mut rest = &bytes[..count];
        loop {
            let (events, for_evcxr) = self.reading.out(&mut rest);
            for event in events {
                (self.sink)(event);
            }
            let Some(line) = for_evcxr else { break };
            if line == COMPLETE {
                self.complete();
            }
            // evcxr has gone where this fails, and with it everything that could be done about it.
            let _ = self.evcxr.write_all(line.as_bytes()).and_then(|()| self.evcxr.write_all(b"\n"));
        }
        count > 0
    }

    /// Everything that the cell has written comes before its end.
    fn complete(&mut self) {
        loop {
            let mut files = [PollFd::new(&self.err, PollFlags::IN)];
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            let ready = poll(&mut files, Some(&now)).is_ok_and(|count| count > 0);
            if !ready || !files[0].revents().contains(PollFlags::IN) || !self.read_err() {
                break;
            }
        }
        for event in self.reading.flush() {
            (self.sink)(event);
        }
        (self.sink)(Event::Complete);
        self.reading.next_cell();
    }
}

/// Takes what the process writes apart.
#[derive(Default)]
struct Reading {
    /// Bytes of a line that has not ended, or of a character that is not complete.
    out_rest: Vec<u8>,
    err_rest: Vec<u8>,
    text: Option<(Stream, String, Instant)>,
    display: Option<(Bundle, Instant)>,
    /// The content being read: its MIME type, its identity, and what has come so far.
    content: Option<(String, Option<String>, String)>,
    next_is_value: bool,
    /// Length of the cell's text so far, and the end of what was left out.
    said: usize,
    left_out: (usize, String),
}

impl Reading {
    /// When something that is waiting has waited long enough.
    fn due(&self) -> Option<Instant> {
        let text = self.text.as_ref().map(|(_, _, since)| *since + TEXT_PAUSE);
        let rest = (!self.out_rest.is_empty() || !self.err_rest.is_empty()).then(|| Instant::now() + TEXT_PAUSE);
        let rest = rest.filter(|_| self.content.is_none() && text.is_none() && self.partial_text().is_some());
        let display = self.whole_display().map(|since| since + DISPLAY_PAUSE);
        [text, rest, display].into_iter().flatten().min()
    }

    fn when_due(&mut self, now: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        if self.whole_display().is_some_and(|since| now >= since + DISPLAY_PAUSE) {
            self.end_display(&mut events);
        }
        if let Some(text) = self.partial_text().filter(|_| self.content.is_none()) {
            self.out_rest.drain(..text.len());
            self.add_text(Stream::Out, &text, &mut events);
        }
        if self.text.as_ref().is_some_and(|(_, _, since)| now >= *since + TEXT_PAUSE) {
            self.end_text(&mut events);
        }
        events
    }

    /// Since when a display waits for other forms of it. While one is being read, which takes long where it is a film, the
    /// display is not whole.
    fn whole_display(&self) -> Option<Instant> {
        self.display.as_ref().filter(|_| self.content.is_none()).map(|(_, since)| *since)
    }

    /// Everything that waits.
    fn flush(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        for (stream, rest) in
            [(Stream::Out, std::mem::take(&mut self.out_rest)), (Stream::Err, std::mem::take(&mut self.err_rest))]
        {
            if !rest.is_empty() && (stream == Stream::Err || self.content.is_none()) {
                self.add_text(stream, &String::from_utf8_lossy(&rest), &mut events);
            }
        }
        self.content = None;
        self.end_text(&mut events);
        self.end_display(&mut events);
        let (left_out, end) = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            let note = format!("\n… {} characters left out …\n{end}", left_out - end.len());
            events.push(Event::Text(Stream::Out, note));
        }
        events
    }

    fn next_cell(&mut self) {
        self.said = 0;
        self.next_is_value = false;
    }

    fn err(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        self.err_rest.extend_from_slice(bytes);
        let complete = complete_characters(&self.err_rest);
        let text: Vec<u8> = self.err_rest.drain(..complete).collect();
        self.add_text(Stream::Err, &String::from_utf8_lossy(&text), &mut events);
        events
    }

    /// Reads from `bytes` to their end, or to the end of a line that evcxr is to get.
    fn out(&mut self, bytes: &mut &[u8]) -> (Vec<Event>, Option<String>) {
        let mut events = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let mut line = std::mem::take(&mut self.out_rest);
            line.extend_from_slice(&bytes[..end]);
            *bytes = &bytes[end + 1..];
            let line = String::from_utf8_lossy(&line).into_owned();
            if let Some(for_evcxr) = self.line(line, &mut events) {
                return (events, Some(for_evcxr));
            }
        }
        self.out_rest.extend_from_slice(bytes);
        *bytes = &[];
        // Somebody prints a very long line, or one without end.
        if self.out_rest.len() > TEXT_AT_ONCE
            && let Some(text) = self.partial_text().filter(|_| self.content.is_none())
        {
            self.out_rest.drain(..text.len());
            self.add_text(Stream::Out, &text, &mut events);
        }
        (events, None)
    }

    fn line(&mut self, line: String, events: &mut Vec<Event>) -> Option<String> {
        // The end of a cell ends everything, even a display that a panic has cut short.
        let steering = steering(&line);
        if let Some((mime, id, mut content)) = self.content.take() {
            if line == END {
                self.add_display(mime, id, content, events);
                return None;
            }
            let cut_short = steering.is_some_and(|at| line[at..] == *COMPLETE || line[at..] == *PANIC);
            if !cut_short {
                if !content.is_empty() {
                    content.push('\n');
                }
                content.push_str(&line);
                self.content = Some((mime, id, content));
                return None;
            }
        }
        let Some(at) = steering else {
            self.add_text(Stream::Out, &(line + "\n"), events);
            return None;
        };
        // What was printed without an end of line stands before it.
        self.add_text(Stream::Out, &line[..at], events);
        self.steer(&line[at..], events)
    }

    fn steer(&mut self, line: &str, events: &mut Vec<Event>) -> Option<String> {
        if let Some(rest) = line.strip_prefix(BEGIN) {
            let mut words = rest.split(' ');
            let mime = words.next().unwrap_or_default().to_owned();
            let id = words.find_map(|word| word.strip_prefix("id=")).map(str::to_owned);
            self.content = Some((mime, id, String::new()));
            return None;
        }
        let json = line.split_once(' ').map(|(_, json)| json).unwrap_or_default();
        if line.starts_with(OURS[0]) {
            self.end_display(events);
            self.next_is_value = true;
            return None;
        }
        if line.starts_with(OURS[1]) {
            events.extend(serde_json::from_str(json).ok().map(Event::Failed));
            return None;
        }
        if line.starts_with(OURS[2]) {
            events.extend(serde_json::from_str(json).ok().map(Event::Panicked));
            return None;
        }
        match line {
            PANIC => events.push(Event::CellPanicked),
            QUESTION_MARK => events.push(Event::CellFailed),
            COMPLETE => {}
            // A question is answered when what stands before it has been read.
            _ => {
                self.end_text(events);
                self.end_display(events);
            }
        }
        Some(line.to_owned())
    }

    fn add_text(&mut self, stream: Stream, text: &str, events: &mut Vec<Event>) {
        if text.is_empty() {
            return;
        }
        self.end_display(events);
        // What comes after something that was left out stands behind it.
        if self.left_out.0 > 0 || self.said + text.len() > TEXT_OF_A_CELL {
            self.left_out.0 += text.len();
            let end = &mut self.left_out.1;
            end.push_str(text);
            if end.len() > 2 * TEXT_AT_END {
                let mut cut = end.len() - TEXT_AT_END;
                while !end.is_char_boundary(cut) {
                    cut += 1;
                }
                end.drain(..cut);
            }
            return;
        }
        self.said += text.len();
        match &mut self.text {
            Some((kind, collected, _)) if *kind == stream => collected.push_str(text),
            _ => {
                self.end_text(events);
                self.text = Some((stream, text.to_owned(), Instant::now()));
            }
        }
        if self.text.as_ref().is_some_and(|(_, text, _)| text.len() > TEXT_AT_ONCE) {
            self.end_text(events);
        }
    }

    fn end_text(&mut self, events: &mut Vec<Event>) {
        events.extend(self.text.take().map(|(stream, text, _)| Event::Text(stream, text)));
    }

    fn add_display(&mut self, mime: String, id: Option<String>, content: String, events: &mut Vec<Event>) {
        self.end_text(events);
        let another_form = self
            .display
            .as_ref()
            .is_some_and(|(bundle, _)| bundle.id == id && bundle.parts.iter().all(|(other, _)| *other != mime));
        if !another_form {
            self.end_display(events);
        }
        let is_value = std::mem::take(&mut self.next_is_value);
        let (bundle, since) =
            self.display.get_or_insert_with(|| (Bundle { id, is_value, ..Bundle::default() }, Instant::now()));
        bundle.parts.push((mime, content));
        *since = Instant::now();
    }

    fn end_display(&mut self, events: &mut Vec<Event>) {
        events.extend(self.display.take().map(|(bundle, _)| Event::Display(bundle)));
    }

    /// The text of a line that has not ended, as far as it cannot become a line for us.
    fn partial_text(&self) -> Option<String> {
        let complete = complete_characters(&self.out_rest);
        let text = std::str::from_utf8(&self.out_rest[..complete]).ok().filter(|text| !text.is_empty())?;
        let may_steer = ["EVCXR_", "ATOMOTION_"]
            .iter()
            .any(|start| text.contains(start) || (1..start.len()).any(|length| text.ends_with(&start[..length])));
        (!may_steer).then(|| text.to_owned())
    }
}

/// Where in `line` something begins that is not the user's text.
fn steering(line: &str) -> Option<usize> {
    let whole = FOR_EVCXR[..3].iter().chain(&OURS[..1]).filter(|word| line.ends_with(*word));
    let whole = whole.map(|word| line.len() - word.len());
    let start = [BEGIN].iter().chain(&FOR_EVCXR[3..]).chain(&OURS[1..]);
    whole.chain(start.filter_map(|word| line.find(word))).min()
}

/// How many of the bytes are whole characters, or no characters at all.
fn complete_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        // An incomplete character is at most three bytes from the end; anything else is not UTF-8.
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All events and lines for evcxr of what is written in the given pieces, nothing held back at the end.
    fn read(pieces: &[&[u8]]) -> (Vec<Event>, Vec<String>) {
        let mut reading = Reading::default();
        let (mut events, mut lines) = (Vec::new(), Vec::new());
        for piece in pieces {
            let mut rest = *piece;
            loop {
                let (more, line) = reading.out(&mut rest);
                events.extend(more);
                let Some(line) = line else { break };
                if line == COMPLETE {
                    events.extend(reading.flush());
                }
                lines.push(line);
            }
        }
        events.extend(reading.flush());
        (events, lines)
    }

    fn text(text: &str) -> Event {
        Event::Text(Stream::Out, text.into())
    }

    fn bundle(parts: &[(&str, &str)]) -> Bundle {
        let parts = parts.iter().map(|(mime, content)| (mime.to_string(), content.to_string())).collect();
        Bundle { parts, ..Bundle::default() }
    }

    fn content(mime: &str, content: &str) -> String {
        format!("{BEGIN}{mime}\n{content}\n{END}\n")
    }

    #[test]
    fn forms_of_one_display_stay_together_and_two_displays_apart() {
        let written = content("text/plain", "a") + &content("text/html", "<b>") + &content("text/html", "<c>\n<d>");
        let first = Event::Display(bundle(&[("text/plain", "a"), ("text/html", "<b>")]));
        let second = Event::Display(bundle(&[("text/html", "<c>\n<d>")]));
        assert_eq!(read(&[written.as_bytes()]), (vec![first, second], vec![]));
    }

    #[test]
    fn a_form_that_takes_long_to_read_stays_with_the_others() {
        let mut reading = Reading::default();
        let written = content("text/plain", "a film") + &content("text/html", "<img>");
        let (mut start, mut end) = written.as_bytes().split_at(written.len() - 20);
        let late = Instant::now() + 10 * DISPLAY_PAUSE;
        assert_eq!(reading.out(&mut start), (vec![], None));
        assert!(reading.due().is_none() && reading.when_due(late).is_empty());
        reading.out(&mut end);
        let whole = bundle(&[("text/plain", "a film"), ("text/html", "<img>")]);
        assert_eq!(reading.when_due(Instant::now() + DISPLAY_PAUSE), [Event::Display(whole)]);
    }

    #[test]
    fn how_the_bytes_are_cut_does_not_matter() {
        let written = format!(
            "one\ntwo {COMPLETE}\n{}ATOMOTION_VALUE\n{}µm\n{PANIC}\nATOMOTION_ERROR {{\"message\":\"no\",\"kind\":\"error\",\
             \"file\":\"src/lib.rs\",\"line\":3,\"column\":1}}\n{QUESTION_MARK}\nEVCXR_VARIABLE_CHANGED_TYPE:x\nend",
            content("text/html id=bar-1", "10 %"),
            content("image/png", "AAAA"),
        );
        let whole = read(&[written.as_bytes()]);
        assert_eq!(whole.1, [COMPLETE, PANIC, QUESTION_MARK, "EVCXR_VARIABLE_CHANGED_TYPE:x"]);
        assert_eq!(whole.0[0], text("one\ntwo "));
        let Event::Display(bar) = &whole.0[1] else { panic!("{:?}", whole.0) };
        assert_eq!((bar.id.as_deref(), bar.is_value), (Some("bar-1"), false));
        let Event::Display(value) = &whole.0[2] else { panic!("{:?}", whole.0) };
        assert!(value.is_value);
        for cut in 1..written.len() {
            let (start, end) = written.as_bytes().split_at(cut);
            assert_eq!(read(&[start, end]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = written.as_bytes().chunks(1).collect();
        assert_eq!(read(&bytes), whole);
    }

    #[test]
    fn text_without_end_of_line_is_not_held_back() {
        let mut reading = Reading::default();
        let mut rest: &[u8] = b"working";
        assert_eq!(reading.out(&mut rest), (vec![], None));
        assert!(reading.due().is_some());
        reading.when_due(Instant::now());
        assert_eq!(reading.when_due(Instant::now() + TEXT_PAUSE), [text("working")]);
        assert!(reading.due().is_none());
    }

    #[test]
    fn what_may_become_a_line_for_the_kernel_waits() {
        let mut reading = Reading::default();
        let mut rest: &[u8] = b"EVC";
        reading.out(&mut rest);
        assert!(reading.due().is_none() && reading.when_due(Instant::now()).is_empty());
        assert_eq!(reading.flush(), [text("EVC")]);
    }

    #[test]
    fn a_flood_is_cut_and_says_so() {
        let line = "x".repeat(99) + "\n";
        let flood = line.repeat(20_000);
        let (events, _) = read(&[flood.as_bytes(), format!("last\n{COMPLETE}\n").as_bytes()]);
        let Some(Event::Text(_, end)) = events.last() else { panic!() };
        assert!(end.contains("characters left out") && end.ends_with("last\n"), "{end:.80}");
        let length: usize =
            events.iter().map(|event| if let Event::Text(_, text) = event { text.len() } else { 0 }).sum();
        assert!((TEXT_OF_A_CELL - 100..TEXT_OF_A_CELL + 3 * TEXT_AT_END).contains(&length), "{length}");
    }

    #[test]
    fn bytes_that_are_not_text_do_no_harm() {
        let (events, _) = read(&[b"a\xff\xfeb\n", b"\xc2", b"\xb5\n"]);
        assert_eq!(events, [text("a\u{fffd}\u{fffd}b\nµ\n")]);
    }
}
