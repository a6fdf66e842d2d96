//! The kernel's side of Jupyter's sockets.
//!
//! Cells run one after the other. Everything else is answered at once, also while a cell runs; an answer that needs
//! evcxr is then empty. A front end takes the last status it hears for the kernel's, so whoever is answered while a
//! cell runs hears "idle" for their question, and then "busy" again for the cell.

use crate::kernel::{Asking, State, Worker};
use crate::launcher::restart_socket;
use crate::relay::{Bundle, Event, Sink, Stream};
use crate::report::{Cell, Kind, Report};
use crate::syntax::{self, Completeness};
use crate::{Result, link, recipe};
use jupyter_protocol::messaging::*;
use jupyter_protocol::{ConnectionInfo, Transport};
use jupyter_zmq_client as zmq;
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, mpsc as std_mpsc};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zeromq::{SocketRecv, SocketSend};

#[derive(Debug)]
pub enum Ended {
    Shutdown,
    /// The launcher that Jupyter starts next knocks here.
    Restart(UnixListener),
}

/// How long the ports of a connection file may still be taken.
const PORTS: Duration = Duration::from_secs(10);

/// Works for the Jupyter that wrote the connection file, until it has had enough.
pub fn run(control: &Path, worker: &Worker) -> Result<Ended> {
    let text = std::fs::read(control).map_err(|error| format!("{}: {error}", control.display()))?;
    let info: ConnectionInfo = serde_json::from_slice(&text)
        .map_err(|error| format!("{} is not a connection file: {error}", control.display()))?;
    check(&info)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended = runtime.block_on(serve(&info, control, worker));
    worker.hub.set(None);
    runtime.shutdown_timeout(Duration::from_millis(200));
    ended
}

/// Cells are code: nobody from outside the machine is to send any.
fn check(info: &ConnectionInfo) -> Result<()> {
    let loopback = info.ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) || info.ip == "localhost";
    if matches!(info.transport, Transport::TCP) && !loopback {
        return Err(format!(
            "The connection file asks for {}, which other machines can reach. This kernel listens on 127.0.0.1 alone: \
             reach it through the Jupyter server, or through a tunnel.",
            info.ip
        )
        .into());
    }
    Ok(())
}

fn is_in_use(error: &zmq::RuntimeError) -> bool {
    error.to_string().contains("in use")
}

/// What is known of the cell that runs, or ran last.
#[derive(Default)]
struct Current {
    /// The request: outputs belong to it.
    parent: Option<JupyterMessage>,
    running: bool,
    silent: bool,
    count: u32,
    /// Identities of the displays that there are.
    displays: Vec<String>,
}

#[derive(Clone)]
struct Server {
    worker: Worker,
    iopub: UnboundedSender<JupyterMessage>,
    stdin: UnboundedSender<JupyterMessage>,
    current: Arc<Mutex<Current>>,
    /// Where the answer to a question that a cell has asked goes.
    answer: Arc<Mutex<Option<std_mpsc::Sender<String>>>>,
    /// Tells the cell that waits for the kernel to start that it is not wanted any more.
    stop: Arc<Notify>,
    /// The request to shut down, and whether it is to be a restart.
    end: UnboundedSender<(JupyterMessage, bool)>,
    /// The connection file.
    control: PathBuf,
}

async fn serve(info: &ConnectionInfo, file: &Path, worker: &Worker) -> Result<Ended> {
    let session = std::process::id().to_string();
    let started = Instant::now();
    // A macro, since each socket has a type of its own.
    macro_rules! bind {
        ($create:expr) => {
            loop {
                match $create.await {
                    // The kernel that had this connection file before is still on its way out.
                    Err(error) if is_in_use(&error) && started.elapsed() < PORTS => {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    bound => break bound?,
                }
            }
        };
    }
    let mut heartbeat = bind!(zmq::create_kernel_heartbeat_connection(info));
    let mut iopub = bind!(zmq::create_kernel_iopub_connection(info, &session));
    let (mut shell_send, mut shell) = bind!(zmq::create_kernel_shell_connection(info, &session)).split();
    let (mut control_send, mut control) = bind!(zmq::create_kernel_control_connection(info, &session)).split();
    let (mut stdin_send, mut stdin) = bind!(zmq::create_kernel_stdin_connection(info, &session)).split();

    // The protocol wants the same bytes back, not the crate's own "pong".
    let beating = tokio::spawn(async move {
        while let Ok(ping) = heartbeat.socket.recv().await {
            if heartbeat.socket.send(ping).await.is_err() {
                break;
            }
        }
    });
    let (iopub_tx, mut iopub_rx) = unbounded_channel::<JupyterMessage>();
    tokio::spawn(async move {
        while let Some(message) = iopub_rx.recv().await {
            // Nobody listens: nobody misses it.
            let _ = iopub.send(message).await;
        }
    });
    macro_rules! sender {
        ($socket:ident) => {{
            let (sender, mut receiver) = unbounded_channel::<JupyterMessage>();
            let task = tokio::spawn(async move {
                while let Some(message) = receiver.recv().await {
                    // Who asked has gone.
                    let _ = $socket.send(message).await;
                }
            });
            (sender, task)
        }};
    }
    let ((shell_tx, shell_sends), (control_tx, _)) = (sender!(shell_send), sender!(control_send));
    let answers = control_tx.clone();
    let (stdin_tx, stdin_sends) = sender!(stdin_send);
    let (end, mut ended) = unbounded_channel();
    let server = Server {
        worker: worker.clone(),
        iopub: iopub_tx,
        stdin: stdin_tx,
        current: Arc::default(),
        answer: Arc::default(),
        stop: Arc::default(),
        end,
        control: file.to_path_buf(),
    };
    worker.hub.set(Some(server.sink()));
    server.publish(Status::starting(), None);

    let (cells_tx, cells) = unbounded_channel();
    tokio::spawn(server.clone().run_cells(cells, shell_tx.clone()));
    tokio::spawn(server.clone().announce_ready());
    // Messages that cannot be read (a wrong signature, a type that does not parse) are not for us.
    macro_rules! receiver {
        ($socket:ident, $message:ident => $handle:expr) => {
            tokio::spawn({
                let server = server.clone();
                async move {
                    let server = server;
                    loop {
                        match $socket.read().await {
                            Ok($message) => $handle(&server, $message),
                            Err(zmq::RuntimeError::ZmqError(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                            Err(_) => {}
                        }
                    }
                }
            })
        };
    }
    let shell_hears =
        receiver!(shell, message => |server: &Server, message| server.on_shell(message, &shell_tx, &cells_tx));
    receiver!(control, message => |server: &Server, message| server.on_control(message, &control_tx));
    let stdin_hears = receiver!(stdin, message => |server: &Server, message| server.on_stdin(message));
    let others = [beating, shell_hears, shell_sends, stdin_hears, stdin_sends];

    let Some((request, restart)) = ended.recv().await else { return Ok(Ended::Shutdown) };
    // The last words of a cell are on their way.
    tokio::time::sleep(Duration::from_millis(50)).await;
    // Whoever hears the answer may send the next cell, which is for the next kernel.
    for task in others {
        task.abort();
        let _ = task.await;
    }
    let ended = if restart { server.open_door() } else { Ended::Shutdown };
    let reply = ShutdownReply { restart, status: ReplyStatus::Ok, error: None };
    server.publish(Status::busy(), Some(&request));
    server.publish(reply.clone(), Some(&request));
    let _ = answers.send(reply.as_child_of(&request));
    server.publish(Status::idle(), Some(&request));
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(ended)
}

impl Server {
    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn publish(&self, content: impl Into<JupyterMessageContent>, parent: Option<&JupyterMessage>) {
        let mut message = JupyterMessage::new(content, parent);
        let topic = format!("kernel.{}", message.header.msg_type);
        message.zmq_identities = vec![topic.into_bytes().into()];
        // Fails when the kernel is shutting down.
        let _ = self.iopub.send(message);
    }

    /// Answers a request, within the "busy" and "idle" that front ends wait for.
    fn answer(&self, request: &JupyterMessage, reply: Option<JupyterMessage>, to: &UnboundedSender<JupyterMessage>) {
        self.publish(Status::busy(), Some(request));
        if let Some(reply) = reply {
            let _ = to.send(reply);
        }
        self.publish(Status::idle(), Some(request));
        let current = self.current();
        if current.running {
            self.publish(Status::busy(), current.parent.as_ref());
        } else if *self.worker.state.borrow() == State::Starting {
            self.publish(Status::starting(), None);
        }
    }

    fn on_shell(
        &self,
        request: JupyterMessage,
        replies: &UnboundedSender<JupyterMessage>,
        cells: &UnboundedSender<JupyterMessage>,
    ) {
        let reply = match &request.content {
            JupyterMessageContent::ExecuteRequest(_) => {
                let _ = cells.send(request);
                return;
            }
            JupyterMessageContent::CompleteRequest(asked) => {
                let (server, replies, asked) = (self.clone(), replies.clone(), asked.clone());
                tokio::spawn(async move {
                    let reply = server.complete(&asked).await.as_child_of(&request);
                    server.answer(&request, Some(reply), &replies);
                });
                return;
            }
            JupyterMessageContent::InspectRequest(asked) => {
                let (server, replies, asked) = (self.clone(), replies.clone(), asked.clone());
                tokio::spawn(async move {
                    let reply = server.inspect(&asked).await.as_child_of(&request);
                    server.answer(&request, Some(reply), &replies);
                });
                return;
            }
            JupyterMessageContent::IsCompleteRequest(asked) => is_complete(&asked.code).as_child_of(&request),
            JupyterMessageContent::HistoryRequest(_) => HistoryReply::new(Vec::new()).as_child_of(&request),
            JupyterMessageContent::CommInfoRequest(_) => CommInfoReply::default().as_child_of(&request),
            JupyterMessageContent::CommOpen(comm) => {
                // There is nobody here to talk to.
                let close = CommClose { comm_id: comm.comm_id.clone(), data: Map::new() };
                self.publish(close, Some(&request));
                return self.answer(&request, None, replies);
            }
            _ => return self.on_control(request, replies),
        };
        self.answer(&request, Some(reply), replies);
    }

    /// Old front ends send these to the shell.
    fn on_control(&self, request: JupyterMessage, replies: &UnboundedSender<JupyterMessage>) {
        let reply = match &request.content {
            JupyterMessageContent::KernelInfoRequest(_) => Some(kernel_info().as_child_of(&request)),
            JupyterMessageContent::InterruptRequest(_) => {
                self.worker.interrupt.request();
                self.stop.notify_waiters();
                Some(InterruptReply::new().as_child_of(&request))
            }
            JupyterMessageContent::ShutdownRequest(asked) => {
                let restart = asked.restart;
                // A cell that runs is not waited for.
                self.worker.interrupt.request();
                self.worker.interrupt.request();
                let _ = self.end.send((request, restart));
                return;
            }
            _ => None,
        };
        self.answer(&request, reply, replies);
    }

    /// Jupyter may start the next launcher as soon as it has its answer: by then there is a door to knock at. Without
    /// one the next kernel is a new one.
    fn open_door(&self) -> Ended {
        let door = restart_socket(&self.control).and_then(|path| link::bind(&path));
        door.map_or_else(
            |error| {
                eprintln!("The kernel starts anew, since nothing can be handed on: {error}");
                Ended::Shutdown
            },
            Ended::Restart,
        )
    }

    fn on_stdin(&self, message: JupyterMessage) {
        if let JupyterMessageContent::InputReply(reply) = message.content {
            let waiting = self.answer.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
            if let Some(waiting) = waiting {
                let _ = waiting.send(reply.value);
            }
        }
    }

    async fn announce_ready(self) {
        let mut state = self.worker.state.clone();
        if state.wait_for(|state| *state != State::Starting).await.is_ok() && !self.current().running {
            self.publish(Status::idle(), None);
        }
    }

    async fn run_cells(self, mut cells: UnboundedReceiver<JupyterMessage>, replies: UnboundedSender<JupyterMessage>) {
        while let Some(request) = cells.recv().await {
            let JupyterMessageContent::ExecuteRequest(asked) = request.content.clone() else { continue };
            let failed = self.run_cell(&request, &asked, &replies).await;
            if !(failed && asked.stop_on_error) {
                continue;
            }
            // What was sent together with the cell that failed is not run.
            while let Ok(next) = cells.try_recv() {
                let reply = ExecuteReply { status: ReplyStatus::Aborted, ..ExecuteReply::default() };
                self.answer(&next, Some(reply.as_child_of(&next)), &replies);
            }
        }
    }

    /// True if the cell failed.
    async fn run_cell(
        &self,
        request: &JupyterMessage,
        asked: &ExecuteRequest,
        replies: &UnboundedSender<JupyterMessage>,
    ) -> bool {
        let empty = asked.code.trim().is_empty();
        let number = self.begin(request, asked, empty);
        let result = if empty {
            Ok(())
        } else {
            match self.started().await {
                Ok(()) => {
                    let cell = Cell { number, code: asked.code.clone() };
                    self.worker.execute(cell, self.asking(request, asked.allow_stdin)).await
                }
                Err(report) => Err(report),
            }
        };
        let execution_count = ExecutionCount::new(number as usize);
        let mut reply = ExecuteReply { execution_count, ..ExecuteReply::default() };
        let failed = result.is_err();
        if let Err(report) = result {
            let error = ReplyError {
                ename: report.kind.name().to_owned(),
                evalue: report.summary.clone(),
                traceback: report.lines.clone(),
            };
            let shown = ErrorOutput {
                ename: error.ename.clone(),
                evalue: error.evalue.clone(),
                traceback: error.traceback.clone(),
            };
            self.publish(shown, Some(request));
            reply.status = ReplyStatus::Error;
            reply.error = Some(Box::new(error));
        } else {
            reply.user_expressions = Some(Default::default());
        }
        let _ = replies.send(reply.as_child_of(request));
        self.current().running = false;
        self.publish(Status::idle(), Some(request));
        failed
    }

    /// Waits until cells can run, or the user waits no longer.
    async fn started(&self) -> std::result::Result<(), Report> {
        let mut state = self.worker.state.clone();
        let known = tokio::select! {
            known = state.wait_for(|state| *state != State::Starting) => known.map(|state| state.clone()),
            () = self.stop.notified() => {
                return Err(Report::new(Kind::Interrupted, "interrupted before the kernel had started"));
            }
        };
        match known {
            Ok(State::Ready) => Ok(()),
            Ok(State::Failed(reason)) => Err(Report::new(Kind::Crash, &reason)),
            _ => Err(Report::new(Kind::Crash, "the kernel has stopped working: restart it")),
        }
    }

    /// Makes outputs those of this request; returns the cell's number.
    fn begin(&self, request: &JupyterMessage, asked: &ExecuteRequest, empty: bool) -> u32 {
        let mut current = self.current();
        self.publish(Status::busy(), Some(request));
        if asked.store_history && !asked.silent && !empty {
            current.count += 1;
        }
        let number = current.count;
        current.parent = Some(request.clone());
        current.running = true;
        current.silent = asked.silent;
        if !asked.silent {
            let execution_count = ExecutionCount::new(number as usize);
            self.publish(ExecuteInput { code: asked.code.clone(), execution_count }, Some(request));
        }
        number
    }

    /// What a cell calls to ask the person at the front end something.
    fn asking(&self, request: &JupyterMessage, allowed: bool) -> Asking {
        let (server, request) = (self.clone(), request.clone());
        Box::new(move |prompt, password| {
            if !allowed {
                return String::new();
            }
            let (sender, answer) = std_mpsc::channel();
            *server.answer.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(sender);
            let question = InputRequest { prompt: prompt.to_owned(), password };
            let _ = server.stdin.send(question.as_child_of(&request));
            loop {
                match answer.recv_timeout(Duration::from_millis(100)) {
                    Ok(line) => return line,
                    Err(std_mpsc::RecvTimeoutError::Timeout) if server.is_waited_for() => {}
                    Err(_) => return String::new(),
                }
            }
        })
    }

    /// Whether there still is a cell that wants an answer.
    fn is_waited_for(&self) -> bool {
        !self.worker.interrupt.is_asked() && self.worker.interrupt.is_process_alive()
    }

    /// Sends what a cell writes to the front end.
    fn sink(&self) -> Sink {
        let server = self.clone();
        Arc::new(move |event| {
            let mut current = server.current();
            if current.parent.is_none() {
                return;
            }
            let content: JupyterMessageContent = match event {
                Event::Text(Stream::Out, text) => StreamContent::stdout(&text).into(),
                Event::Text(Stream::Err, text) => StreamContent::stderr(&text).into(),
                Event::Display(bundle) => match display(bundle, &mut current) {
                    Some(content) => content,
                    None => return,
                },
                _ => return,
            };
            server.publish(content, current.parent.as_ref());
        })
    }

    async fn complete(&self, asked: &CompleteRequest) -> CompleteReply {
        let at = byte_of(&asked.code, asked.cursor_pos);
        let found = self.worker.completions(asked.code.clone(), at).await;
        let (words, start, end) = match found {
            Some(found) => (found.words, found.start, found.end),
            None => (Vec::new(), at, at),
        };
        let (start, end) = (character_of(&asked.code, start), character_of(&asked.code, end));
        let types: Vec<Value> = words
            .iter()
            .map(|word| json!({"text": word.code, "type": word.kind, "start": start, "end": end, "signature": word.label}))
            .collect();
        let mut metadata = Map::new();
        metadata.insert("_jupyter_types_experimental".into(), types.into());
        CompleteReply {
            matches: words.into_iter().map(|word| word.code).collect(),
            cursor_start: start,
            cursor_end: end,
            metadata,
            status: ReplyStatus::Ok,
            error: None,
        }
    }

    async fn inspect(&self, asked: &InspectRequest) -> InspectReply {
        let at = byte_of(&asked.code, asked.cursor_pos);
        let found = self.worker.inspect(asked.code.clone(), at).await;
        let data = found.as_ref().map(|(plain, html)| {
            let parts = [("text/plain", plain), ("text/html", html)];
            media(parts.map(|(mime, content)| (mime.to_owned(), content.clone())).into_iter())
        });
        InspectReply {
            found: found.is_some(),
            data: data.unwrap_or_default(),
            metadata: Map::new(),
            status: ReplyStatus::Ok,
            error: None,
        }
    }
}

/// A display as a message: new, an update of an earlier one, or the cell's value.
fn display(bundle: Bundle, current: &mut Current) -> Option<JupyterMessageContent> {
    let data = media(bundle.parts.into_iter());
    let metadata = Map::new();
    Some(match bundle.id {
        Some(id) if current.displays.contains(&id) => {
            UpdateDisplayData { data, metadata, transient: Transient { display_id: Some(id) } }.into()
        }
        Some(id) => {
            current.displays.push(id.clone());
            DisplayData { data, metadata, transient: Some(Transient { display_id: Some(id) }) }.into()
        }
        None if bundle.is_value && current.silent => return None,
        None if bundle.is_value => {
            let execution_count = ExecutionCount::new(current.count as usize);
            ExecuteResult { execution_count, data, metadata, transient: Some(Transient::default()) }.into()
        }
        None => DisplayData { data, metadata, transient: None }.into(),
    })
}

fn media(parts: impl Iterator<Item = (String, String)>) -> Media {
    let bundle: Map<String, Value> = parts
        .map(|(mime, content)| {
            let json = mime.contains("json").then(|| serde_json::from_str(&content).ok()).flatten();
            (mime, json.unwrap_or(Value::String(content)))
        })
        .collect();
    serde_json::from_value(Value::Object(bundle)).unwrap_or_default()
}

fn is_complete(code: &str) -> IsCompleteReply {
    match syntax::completeness(code) {
        Completeness::Complete => IsCompleteReply::complete(),
        Completeness::Incomplete => IsCompleteReply::incomplete("    ".into()),
        Completeness::Invalid => IsCompleteReply::invalid(),
    }
}

fn kernel_info() -> KernelInfoReply {
    let compiler = recipe::compiler_version();
    let link = |text: &str, url: &str| HelpLink { text: text.into(), url: url.into() };
    KernelInfoReply {
        status: ReplyStatus::Ok,
        protocol_version: "5.3".into(),
        implementation: "atomotion".into(),
        implementation_version: env!("CARGO_PKG_VERSION").into(),
        language_info: LanguageInfo {
            name: "rust".into(),
            version: compiler,
            mimetype: Some("text/x-rustsrc".into()),
            file_extension: Some(".rs".into()),
            pygments_lexer: Some("rust".into()),
            codemirror_mode: Some(CodeMirrorMode::Simple("rust".into())),
            nbconvert_exporter: Some("script".into()),
        },
        banner: format!(
            "Atomotion {}: machine learning on atomic-resolution movies, in Rust. `:help` lists commands.",
            env!("CARGO_PKG_VERSION")
        ),
        help_links: vec![
            link("Rust's standard library", "https://doc.rust-lang.org/stable/std/"),
            link("Polars", "https://docs.rs/polars"),
            link("ndarray", "https://docs.rs/ndarray"),
            link("tch", "https://docs.rs/tch"),
        ],
        debugger: false,
        error: None,
    }
}

/// Jupyter counts in characters, evcxr in bytes.
fn byte_of(code: &str, character: usize) -> usize {
    code.char_indices().nth(character).map_or(code.len(), |(at, _)| at)
}

fn character_of(code: &str, byte: usize) -> usize {
    code.char_indices().take_while(|(at, _)| *at < byte).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_code_are_characters() {
        let code = "µm = \"Å\"; x";
        for (at, (byte, _)) in code.char_indices().enumerate() {
            assert_eq!(byte_of(code, at), byte);
            assert_eq!(character_of(code, byte), at);
        }
        assert_eq!(byte_of(code, 999), code.len());
    }

    #[test]
    fn nobody_from_outside_may_connect() {
        let info = |ip: &str| -> ConnectionInfo {
            serde_json::from_value(json!({
                "ip": ip, "transport": "tcp", "shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4,
                "hb_port": 5, "key": "k", "signature_scheme": "hmac-sha256"
            }))
            .unwrap()
        };
        assert!(check(&info("127.0.0.1")).is_ok());
        for ip in ["0.0.0.0", "192.168.0.3", "*", "::"] {
            assert!(check(&info(ip)).unwrap_err().to_string().contains("127.0.0.1"), "{ip}");
        }
    }

    #[test]
    fn a_display_is_made_once_and_then_updated() {
        let mut current = Current::default();
        let bar = |text: &str| Bundle {
            parts: vec![("text/plain".into(), text.into())],
            id: Some("bar".into()),
            is_value: false,
        };
        let kinds = [bar("1"), bar("2")].map(|bundle| display(bundle, &mut current).unwrap().message_type().to_owned());
        assert_eq!(kinds, ["display_data", "update_display_data"]);
        let value = Bundle { is_value: true, id: None, ..bar("3") };
        assert_eq!(display(value.clone(), &mut current).unwrap().message_type(), "execute_result");
        current.silent = true;
        assert!(display(value, &mut current).is_none());
    }
}
