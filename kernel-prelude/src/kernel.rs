//! The kernel process: evcxr with everything it has learned, and one Jupyter after the other that it works for.

use crate::engine::{Ask, Completions, Engine};
use crate::interrupt::Interrupt;
use crate::launcher::restart_socket;
use crate::link::{self, Adoption, Link, Word};
use crate::recipe::Recipe;
use crate::relay::{Event, Sink};
use crate::report::{Cell, Report};
use crate::server::{self, Ended};
use crate::{Result, environment};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// How long a kernel that is being restarted waits for the new launcher.
const RESTART: Duration = Duration::from_secs(20);

/// Whether cells can run.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Starting,
    Ready,
    Failed(String),
}

type Done<T> = oneshot::Sender<T>;
/// How a cell asks the person at the front end: the prompt, and whether to hide what is typed.
pub type Asking = Box<dyn Fn(&str, bool) -> String + Send>;

enum Job {
    Execute(Cell, Asking, Done<std::result::Result<(), Report>>),
    Complete(String, usize, Done<Option<Completions>>),
    Inspect(String, usize, Done<Option<(String, String)>>),
    MoveTo(PathBuf, Vec<(String, String)>),
    Reset,
}

/// evcxr in a thread of its own, in which it stays.
#[derive(Clone)]
pub struct Worker {
    jobs: mpsc::Sender<Job>,
    pub state: watch::Receiver<State>,
    /// A cell runs, or waits to run: nobody should wait for an answer to anything else.
    busy: Arc<AtomicBool>,
    pub interrupt: Interrupt,
    pub hub: Hub,
}

/// Where events go at present.
#[derive(Clone, Default)]
pub struct Hub(Arc<Mutex<Option<Sink>>>);

impl Hub {
    pub fn set(&self, sink: Option<Sink>) {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = sink;
    }

    fn send(&self, event: Event) {
        let sink = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        if let Some(sink) = sink {
            sink(event);
        }
    }
}

impl Worker {
    fn start(session: &Path) -> Result<Worker> {
        let interrupt = Interrupt::new(Path::new(
            &std::env::var_os(environment::INTERRUPT)
                .ok_or("not inside a session: start the kernel by its launcher")?,
        ))?;
        let (jobs, queue) = mpsc::channel();
        let (say, state) = watch::channel(State::Starting);
        let hub = Hub::default();
        let busy = Arc::new(AtomicBool::new(false));
        let worker = Worker { jobs, state, busy: Arc::clone(&busy), interrupt: interrupt.clone(), hub: hub.clone() };
        let session = session.to_path_buf();
        // rust-analyzer descends deeply into types.
        std::thread::Builder::new().name("evcxr".into()).stack_size(64 << 20).spawn(move || {
            let sink: Sink = Arc::new(move |event| hub.send(event));
            match Engine::start(&session, interrupt, sink) {
                Ok(mut engine) => {
                    say.send_replace(State::Ready);
                    work(&mut engine, &queue, &say, &busy);
                }
                Err(error) => {
                    say.send_replace(State::Failed(format!("The kernel could not start: {error}")));
                }
            }
        })?;
        Ok(worker)
    }

    pub async fn execute(&self, cell: Cell, ask: Asking) -> std::result::Result<(), Report> {
        let (done, result) = oneshot::channel();
        self.busy.store(true, Ordering::Release);
        self.interrupt.begin();
        let gone = || Report::new(crate::report::Kind::Crash, "the kernel has stopped working: restart it");
        if self.jobs.send(Job::Execute(cell, ask, done)).is_err() {
            return Err(gone());
        }
        result.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Nothing while a cell runs.
    pub async fn completions(&self, code: String, at: usize) -> Option<Completions> {
        let (done, result) = oneshot::channel();
        self.free()?;
        self.jobs.send(Job::Complete(code, at, done)).ok()?;
        result.await.ok()?
    }

    /// Nothing while a cell runs.
    pub async fn inspect(&self, code: String, at: usize) -> Option<(String, String)> {
        let (done, result) = oneshot::channel();
        self.free()?;
        self.jobs.send(Job::Inspect(code, at, done)).ok()?;
        result.await.ok()?
    }

    fn free(&self) -> Option<()> {
        (*self.state.borrow() == State::Ready && !self.busy.load(Ordering::Acquire)).then_some(())
    }

    fn send(&self, job: Job) {
        // A worker that has stopped says so when a cell is run.
        let _ = self.jobs.send(job);
    }
}

fn work(engine: &mut Engine, queue: &mpsc::Receiver<Job>, say: &watch::Sender<State>, busy: &AtomicBool) {
    for job in queue {
        match job {
            Job::Execute(cell, ask, done) => {
                let ask: Ask = &*ask;
                let result = engine.execute(cell, ask);
                busy.store(false, Ordering::Release);
                // Who asked may have gone.
                let _ = done.send(result);
            }
            Job::Complete(code, at, done) => {
                let _ = done.send(engine.completions(&code, at).ok());
            }
            Job::Inspect(code, at, done) => {
                let _ = done.send(engine.inspect(&code, at));
            }
            Job::MoveTo(folder, variables) => {
                if let Err(error) = engine.move_to(folder, variables) {
                    eprintln!("The notebook's folder could not be entered: {error}");
                }
            }
            Job::Reset => {
                let result = engine.reset();
                let state = result.map_or_else(|error| State::Failed(error.to_string()), |()| State::Ready);
                say.send_replace(state);
            }
        }
    }
}

/// Is a kernel process until nobody wants it any more. With `warm`, it waits at that socket to be adopted.
pub fn serve(warm: Option<&Path>) -> Result<ExitCode> {
    let session = std::env::var_os(environment::SESSION).map(PathBuf::from).ok_or("no session")?;
    let mut starter = Link::new(take_stdin()?)?;
    // Bound before anything else: who connects now is served as soon as can be.
    let door = warm.map(link::bind).transpose()?;
    let worker = Worker::start(&session)?;
    let (mut link, mut adoption) = match &door {
        None => {
            let adoption = starter.hear::<Adoption>()?.ok_or("the launcher has gone")?;
            (starter, adoption)
        }
        Some(door) => {
            tell_when_ready(&worker, starter.speaker()?);
            let mut speaker = starter.speaker()?;
            let watched = end_with(starter, &session);
            let (link, adoption) = wait_for_launcher(door, &session, None)?.ok_or("nobody has come")?;
            watched.store(false, Ordering::Release);
            let _ = speaker.say(&Word::Adopted { session: session.clone(), process: std::process::id() });
            worker.send(Job::MoveTo(adoption.folder.clone(), adoption.variables.clone()));
            (link, adoption)
        }
    };
    if let Some(path) = warm {
        let _ = std::fs::remove_file(path);
    }
    drop(door);
    loop {
        std::env::set_current_dir(&adoption.folder).ok();
        let mut speaker = link.speaker()?;
        let watched = end_with(link, &session);
        let ended = server::run(&adoption.control, &worker)?;
        watched.store(false, Ordering::Release);
        let Ended::Restart(door) = ended else {
            let _ = speaker.say(&Word::Ended { keeps: false });
            break;
        };
        worker.send(Job::Reset);
        let _ = speaker.say(&Word::Ended { keeps: true });
        speaker.hang_up();
        let next = wait_for_launcher(&door, &session, Some(RESTART))?;
        let _ = std::fs::remove_file(restart_socket(&adoption.control)?);
        let Some(next) = next else {
            crate::session::remove_folder(&session);
            break;
        };
        if (&next.1.folder, &next.1.variables) != (&adoption.folder, &adoption.variables) {
            worker.send(Job::MoveTo(next.1.folder.clone(), next.1.variables.clone()));
        }
        (link, adoption) = next;
    }
    Ok(ExitCode::SUCCESS)
}

/// The socket that the starter has put in place of stdin.
fn take_stdin() -> Result<UnixStream> {
    let null = std::fs::File::open("/dev/null")?;
    // SAFETY: the number is that of a fresh duplicate, owned by nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 3)) };
    rustix::stdio::dup2_stdin(&null)?;
    Ok(socket.into())
}

fn tell_when_ready(worker: &Worker, mut starter: Link) {
    let mut state = worker.state.clone();
    std::thread::spawn(move || {
        while *state.borrow_and_update() == State::Starting {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = starter.say(&Word::Ready);
    });
}

/// Ends this process when the other end hangs up, unless the returned flag is cleared before.
fn end_with(mut link: Link, session: &Path) -> Arc<AtomicBool> {
    let session = session.to_path_buf();
    let watched = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&watched);
    std::thread::spawn(move || {
        while let Ok(Some(_)) = link.hear::<serde_json::Value>() {}
        if still.load(Ordering::Acquire) {
            // The user's process sees that its parent has gone.
            crate::session::remove_folder(&session);
            std::process::exit(0);
        }
    });
    watched
}

/// Waits for a launcher that fits.
fn wait_for_launcher(
    door: &UnixListener,
    session: &Path,
    patience: Option<Duration>,
) -> Result<Option<(Link, Adoption)>> {
    let recipe = Recipe::load(&environment::kernel_dir()?)?.fingerprint();
    let deadline = patience.map(|patience| Instant::now() + patience);
    door.set_nonblocking(true)?;
    loop {
        match door.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                let mut link = Link::new(stream)?;
                link.set_patience(Some(Duration::from_secs(2)))?;
                let Ok(Some(adoption)) = link.hear::<Adoption>() else { continue };
                if adoption.recipe != recipe {
                    let _ = link.say(&Word::Refused);
                    continue;
                }
                link.set_patience(None)?;
                let word = Word::Adopted { session: session.to_path_buf(), process: std::process::id() };
                if link.say(&word).is_ok() {
                    return Ok(Some((link, adoption)));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                    return Ok(None);
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(error.into()),
        }
    }
}
