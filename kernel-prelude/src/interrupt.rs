//! Stopping a cell: asking first, ending its process if it does not listen.
//!
//! The library looks at a byte of a file that is mapped into the user's process, and stops at the next opportunity
//! when it is not zero; the compiler's stand-in looks at the same file. The next byte is the library's: how many seconds
//! its steps take. What listens to neither, after as long as its steps take, is killed.

use crate::Result;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How long a cell has to stop by itself.
pub const GRACE: Duration = Duration::from_secs(3);

/// What is to be told to the user.
pub type Voice = Arc<dyn Fn(&str) + Send + Sync>;

/// Whether the file says that somebody asked for an interrupt.
pub fn is_requested(file: &Path) -> bool {
    fs::read(file).is_ok_and(|bytes| bytes.first().is_some_and(|byte| *byte != 0))
}

#[derive(Default)]
struct State {
    /// Counts cells, so that a grace period ends with the cell it was given to.
    cell: u64,
    running: bool,
    requested: bool,
    killed: bool,
    process: Option<Arc<Mutex<Child>>>,
    voice: Option<Voice>,
}

#[derive(Clone)]
pub struct Interrupt {
    state: Arc<Mutex<State>>,
    file: Arc<Mutex<File>>,
}

/// How the request ended, as the cell's report needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    pub requested: bool,
    pub killed: bool,
}

impl Interrupt {
    pub fn new(path: &Path) -> Result<Interrupt> {
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        // A page, so that it can be mapped.
        file.write_all(&[0; 4096])?;
        Ok(Interrupt { state: Arc::default(), file: Arc::new(Mutex::new(file)) })
    }

    /// Whose process is to be killed, and how its user is told of something.
    pub fn watch(&self, process: Arc<Mutex<Child>>, voice: Voice) {
        let mut state = self.state();
        (state.process, state.voice) = (Some(process), Some(voice));
    }

    /// A cell is about to run: whatever was asked before is forgotten, what is asked from here on concerns it.
    pub fn begin(&self) {
        let mut state = self.state();
        self.write(&[0, 0]);
        let (process, voice) = (state.process.take(), state.voice.take());
        *state = State { cell: state.cell + 1, running: true, process, voice, ..State::default() };
    }

    /// The cell has ended.
    pub fn end(&self) -> Outcome {
        let mut state = self.state();
        state.running = false;
        self.write(&[0]);
        Outcome { requested: state.requested, killed: state.killed }
    }

    /// Asks the running cell to stop; the second time does not ask.
    pub fn request(&self) {
        let mut state = self.state();
        if !state.running {
            return;
        }
        if state.requested {
            kill(&mut state);
            return;
        }
        state.requested = true;
        self.write(&[1]);
        let cell = state.cell;
        let this = self.clone();
        std::thread::spawn(move || {
            std::thread::sleep(GRACE);
            let step = this.pace();
            if step > GRACE && this.is_waited_for(cell) {
                this.say(&format!(
                    "It stops after the step at hand, which takes about {} s. Stop once more to end it at once, with its \
                     process and all variables.\n",
                    step.as_secs()
                ));
                std::thread::sleep(step + step / 2);
            }
            let mut state = this.state();
            if state.running && state.cell == cell {
                kill(&mut state);
            }
        });
    }

    fn is_waited_for(&self, cell: u64) -> bool {
        let state = self.state();
        state.running && state.cell == cell && !state.killed
    }

    fn say(&self, what: &str) {
        let voice = self.state().voice.clone();
        if let Some(voice) = voice {
            voice(what);
        }
    }

    /// How long the cell's work has lately taken between two looks at the file.
    fn pace(&self) -> Duration {
        let mut file = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut bytes = [0; 2];
        let read = file.rewind().and_then(|()| file.read_exact(&mut bytes));
        Duration::from_secs(if read.is_ok() { bytes[1].into() } else { 0 })
    }

    /// Whether the user's process lives.
    pub fn is_process_alive(&self) -> bool {
        let state = self.state();
        state
            .process
            .as_ref()
            .is_none_or(|process| process.lock().is_ok_and(|mut process| matches!(process.try_wait(), Ok(None))))
    }

    /// Whether the running cell has been asked to stop.
    pub fn is_asked(&self) -> bool {
        self.state().requested
    }

    fn write(&self, bytes: &[u8]) {
        let mut file = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // Where the file is gone, so is the session.
        let _ = file.rewind().and_then(|()| file.write_all(bytes));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn kill(state: &mut State) {
    state.killed = true;
    if let Some(process) = &state.process
        && let Ok(mut process) = process.lock()
    {
        // It may have ended by itself.
        let _ = process.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_concerns_the_running_cell_alone() {
        let path = std::env::temp_dir().join(format!("atomotion-interrupt-{}", std::process::id()));
        let interrupt = Interrupt::new(&path).unwrap();
        interrupt.request();
        assert!(!is_requested(&path), "nothing runs");
        interrupt.begin();
        interrupt.request();
        assert!(is_requested(&path));
        assert_eq!(interrupt.end(), Outcome { requested: true, killed: false });
        assert!(!is_requested(&path));
        interrupt.begin();
        assert_eq!(interrupt.end(), Outcome::default());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_second_request_kills() {
        let path = std::env::temp_dir().join(format!("atomotion-interrupt-kill-{}", std::process::id()));
        let interrupt = Interrupt::new(&path).unwrap();
        let sleeper = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let sleeper = Arc::new(Mutex::new(sleeper));
        interrupt.watch(Arc::clone(&sleeper), Arc::new(|_| ()));
        interrupt.begin();
        interrupt.request();
        interrupt.request();
        assert!(!sleeper.lock().unwrap().wait().unwrap().success());
        assert_eq!(interrupt.end(), Outcome { requested: true, killed: true });
        fs::remove_file(path).unwrap();
    }
}
