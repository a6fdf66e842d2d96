//! A session: the private folder of one kernel or REPL, and the process that watches over it.
//!
//! The process that Jupyter starts only keeps the folder; its child is the kernel proper. So the folder goes when the
//! kernel ends, however it ends, and what a killed keeper leaves behind is swept up by the next.

use crate::recipe::Recipe;
use crate::{Result, environment};
use std::fs::{self, File, TryLockError};
use std::os::unix::process::{CommandExt, ExitStatusExt, parent_id};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus};

const PRELUDE: &str = include_str!("../prelude.rs");
/// Cells compile fastest unoptimised, and the library is optimised already: `:opt 2` for a loop of one's own.
const CONFIG: &str = "[evcxr]\nopt_level = \"0\"\n";
/// evcxr prefers mold and lld; for a cell they are no faster, and they need not be there.
const INIT: &str = ":linker system\n";
const SIGNALS: [i32; 3] = [libc::SIGCHLD, libc::SIGTERM, libc::SIGHUP];

/// Whether this process is the child that does the work.
pub fn inside() -> bool {
    std::env::var_os(environment::SESSION).is_some()
}

/// Starts this executable again inside a new session, waits for it and clears up.
pub fn supervise(args: &[String]) -> Result<ExitCode> {
    let kernel = environment::kernel_dir()?;
    let recipe = Recipe::load(&kernel)?;
    let stale = recipe.stale(&kernel)?;
    let session = Session::create()?;
    session.configure(stale.is_none())?;

    let mut command = Command::new(kernel.join("bin/atomotion-kernel"));
    command.args(args);
    environment::enter(&mut command, &session.dir, &kernel, &recipe.rustc);
    if let Some(reason) = &stale {
        eprintln!("{reason}");
        command.env(environment::STALE, reason);
    }
    let status = wait(&mut command)?;
    drop(session);
    Ok(match (status.code(), status.signal()) {
        (Some(code), _) => ExitCode::from(code as u8),
        (None, signal) => ExitCode::from(128 + signal.unwrap_or(0) as u8),
    })
}

/// Ends this process when its keeper ends, even by SIGKILL.
pub fn die_with_parent() {
    // SAFETY: no memory is involved. The keeper starts us from its only thread, so the signal means its end.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // It may have ended before the call.
    let keeper = std::env::var(environment::KEEPER).ok().and_then(|number| number.parse().ok());
    if keeper.is_some_and(|keeper: u32| parent_id() != keeper) {
        std::process::exit(1);
    }
}

struct Session {
    dir: PathBuf,
    /// Held locked for as long as the session lives.
    lock: PathBuf,
    _held: File,
}

impl Session {
    fn create() -> Result<Session> {
        let sessions = environment::cache_dir()?.join("sessions");
        fs::create_dir_all(&sessions).map_err(|error| {
            format!(
                "No session folder can be made in {}: {error}. Set ATOMOTION_CACHE to a folder that can be written.",
                sessions.display()
            )
        })?;
        let sessions = sessions.canonicalize()?;
        sweep(&sessions);
        for attempt in 0.. {
            let dir = sessions.join(format!("{}-{attempt}", std::process::id()));
            let lock = dir.with_extension("lock");
            let held = File::create(&lock)?;
            // The file may be locked by a process of another container, or be swept between the two calls.
            if held.try_lock().is_ok() && lock.exists() && !dir.exists() {
                fs::create_dir(&dir)?;
                return Ok(Session { dir, lock, _held: held });
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// Writes what evcxr reads at its start. Without the library there is no prelude to load.
    fn configure(&self, with_prelude: bool) -> Result<()> {
        let config = self.dir.join("config");
        fs::create_dir(&config)?;
        fs::create_dir(self.dir.join("cell"))?;
        fs::write(config.join("evcxr.toml"), CONFIG)?;
        fs::write(config.join("init.evcxr"), INIT)?;
        if with_prelude {
            fs::write(config.join("prelude.rs"), PRELUDE)?;
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next sweep.
        let _ = fs::remove_dir_all(&self.dir);
        let _ = fs::remove_file(&self.lock);
    }
}

/// Removes the folders of sessions whose keeper is gone: nobody holds their lock.
fn sweep(sessions: &Path) {
    for entry in fs::read_dir(sessions).into_iter().flatten().flatten() {
        let lock = entry.path();
        if lock.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        let Ok(file) = File::open(&lock) else {
            continue;
        };
        match file.try_lock() {
            Ok(()) => {
                let _ = fs::remove_dir_all(lock.with_extension(""));
                let _ = fs::remove_file(&lock);
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

/// Runs `command` to its end, passing on requests to stop. Interrupts are the child's business alone. When Jupyter is
/// gone without a word (its terminal was closed), so that somebody else is our parent, the child is stopped, too.
fn wait(command: &mut Command) -> Result<ExitStatus> {
    // SAFETY: plain signal-mask calls on a set that lives on this stack; `pre_exec` only undoes the mask, which is
    // async-signal-safe.
    let signals = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in SIGNALS {
            libc::sigaddset(&mut set, signal);
        }
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        command.pre_exec(move || {
            libc::sigprocmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
            Ok(())
        });
        set
    };
    let parent = parent_id();
    let mut child = command.spawn()?;
    loop {
        let patience = libc::timespec { tv_sec: 2, tv_nsec: 0 };
        // SAFETY: the pointers are to live values or null; the signals of the set are blocked.
        let signal = unsafe { libc::sigtimedwait(&signals, std::ptr::null_mut(), &patience) };
        if (signal > 0 && signal != libc::SIGCHLD) || parent_id() != parent {
            stop(&mut child);
        }
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
    }
}

fn stop(child: &mut Child) {
    // SAFETY: the child has not been waited for, so its number is still its own.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
}
