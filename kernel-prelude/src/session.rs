//! A session: the private folder of one kernel or REPL. It goes when the kernel ends, however it ends, and what is left
//! behind is swept up by the next.

use crate::{Result, environment};
use std::fs::{self, File, TryLockError};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

const PRELUDE: &str = include_str!("../prelude.rs");
/// Cells compile fastest unoptimised, and the library is optimised already: `:opt 2` for a loop of one's own.
const CONFIG: &str = "[evcxr]\nopt_level = \"0\"\n";
/// evcxr prefers mold and lld; for a cell they are no faster, and they need not be there.
const INIT: &str = ":linker system\n";

pub struct Session {
    pub dir: PathBuf,
    /// Held locked by this process and by those it starts, for as long as one of them lives.
    lock: PathBuf,
    _held: File,
}

impl Session {
    pub fn create() -> Result<Session> {
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
                keep_open(&held);
                return Ok(Session { dir, lock, _held: held });
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// Writes what evcxr reads at its start. Without the library there is no prelude to load.
    pub fn configure(&self, with_prelude: bool) -> Result<()> {
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

    /// Leaves the folder to somebody else.
    pub fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        remove(&self.dir, &self.lock);
    }
}

/// Removes the folder of a session that was somebody else's.
pub fn remove_folder(dir: &Path) {
    remove(dir, &dir.with_extension("lock"));
}

fn remove(dir: &Path, lock: &Path) {
    // What cannot be removed now is removed by the next sweep.
    let _ = fs::remove_dir_all(dir);
    let _ = fs::remove_file(lock);
}

/// Lets the processes that this one starts inherit the file, and with it the lock.
fn keep_open(file: &File) {
    // SAFETY: plain system call on a file that is open.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, 0) };
}

/// Removes the folders of sessions that nobody holds the lock of.
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
            Ok(()) => remove(&lock.with_extension(""), &lock),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}
