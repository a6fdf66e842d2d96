//! What Jupyter starts and watches: finds a kernel that is warm or starts one, and lives exactly as long as it.

use crate::link::{self, Adoption, Link, Word};
use crate::recipe::Recipe;
use crate::session::{self, Session};
use crate::{Result, environment};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt, parent_id};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// Names the socket of a kernel that is kept warm for whoever comes (`cargo lab` sets it).
pub const WARM: &str = "ATOMOTION_WARM";
const ENDINGS: [i32; 2] = [libc::SIGTERM, libc::SIGHUP];

/// Is a kernel to Jupyter until the kernel ends.
pub fn launch(control: &Path) -> Result<ExitCode> {
    let kernel = environment::kernel_dir()?;
    let recipe = Recipe::load(&kernel)?;
    let stale = recipe.stale(&kernel)?;
    let control = std::path::absolute(control)?;
    let adoption =
        Adoption { folder: std::env::current_dir()?, variables: variables(), recipe: recipe.fingerprint(), control };
    if let Some((link, dir)) = stale.is_none().then(|| adopt(&adoption)).flatten() {
        return stay(link, Keep::Folder(dir));
    }
    let session = Session::create()?;
    session.configure(stale.is_none())?;
    if let Some(reason) = &stale {
        eprintln!("{reason}");
    }
    let (child, mut link) = start_kernel(&kernel, &recipe, &session.dir, stale.as_deref(), &["serve"])?;
    link.say(&adoption)?;
    stay(link, Keep::Own(session, child))
}

/// The variables of this process that are text and none of the kernel's own.
fn variables() -> Vec<(String, String)> {
    let text =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    text.filter(|(name, _)| !name.starts_with("ATOMOTION_KERNEL_")).collect()
}

/// A kernel that waits: one that Jupyter has just restarted, or one that was started for the purpose.
fn adopt(adoption: &Adoption) -> Option<(Link, PathBuf)> {
    let again = restart_socket(&adoption.control).ok();
    let warm = std::env::var_os(WARM).filter(|path| !path.is_empty()).map(PathBuf::from);
    again.into_iter().chain(warm).find_map(|socket| {
        let mut link = Link::new(link::connect(&socket).ok()?).ok()?;
        link.set_patience(Some(Duration::from_secs(2))).ok()?;
        link.say(adoption).ok()?;
        let Ok(Some(Word::Adopted { session, .. })) = link.hear() else { return None };
        link.set_patience(None).ok()?;
        Some((link, session))
    })
}

/// Where the kernel of this connection file waits while Jupyter restarts it.
pub fn restart_socket(control: &Path) -> Result<PathBuf> {
    let folder = environment::cache_dir()?.join("restart");
    std::fs::create_dir_all(&folder)?;
    let mut hasher = DefaultHasher::new();
    control.hash(&mut hasher);
    Ok(folder.join(format!("{:016x}", hasher.finish())))
}

/// Starts this executable as a kernel process in the session.
pub fn start_kernel(
    kernel: &Path,
    recipe: &Recipe,
    session: &Path,
    stale: Option<&str>,
    arguments: &[&str],
) -> Result<(Child, Link)> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(kernel.join("bin/atomotion-kernel"));
    command.args(arguments).stdin(Stdio::from(OwnedFd::from(theirs)));
    environment::enter(&mut command, session, kernel, &recipe.rustc);
    command.env(environment::RECIPE, recipe.fingerprint());
    if let Some(reason) = stale {
        command.env(environment::STALE, reason);
    }
    // A group of its own: an interrupt at the terminal is not meant for it.
    command.process_group(0);
    // SAFETY: `pre_exec` only undoes the mask of `on_ending`, which is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut none);
            libc::pthread_sigmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
            Ok(())
        });
    }
    Ok((command.spawn()?, Link::new(ours)?))
}

/// Whose the session's folder is.
enum Keep {
    Own(Session, Child),
    Folder(PathBuf),
}

/// Waits for the end of the kernel, or of whoever started this process.
fn stay(mut link: Link, keep: Keep) -> Result<ExitCode> {
    let line = link.speaker()?;
    on_ending(move || line.hang_up());
    let mut keeps = false;
    while let Ok(Some(word)) = link.hear::<Word>() {
        if let Word::Ended { keeps: its } = word {
            keeps = its;
            break;
        }
    }
    drop(link);
    match (keep, keeps) {
        (Keep::Own(session, _), true) => session.leave(),
        (Keep::Folder(_), true) => {}
        (Keep::Own(session, mut child), false) => {
            let status = child.wait()?;
            drop(session);
            return Ok(match (status.code(), status.signal()) {
                (Some(code), _) => ExitCode::from(code as u8),
                (None, signal) => ExitCode::from(128 + signal.unwrap_or(0) as u8),
            });
        }
        (Keep::Folder(dir), false) => session::remove_folder(&dir),
    }
    Ok(ExitCode::SUCCESS)
}

/// Does something when asked to end, or when Jupyter is gone without a word (its terminal was closed). Interrupts are
/// none of this process's business: Jupyter sends the kernel a message.
pub fn on_ending(action: impl FnOnce() + Send + 'static) {
    // SAFETY: plain signal-mask calls on a set that lives on this stack, while there is one thread.
    let signals = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in ENDINGS {
            libc::sigaddset(&mut set, signal);
        }
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        set
    };
    let parent = parent_id();
    std::thread::spawn(move || {
        loop {
            let patience = libc::timespec { tv_sec: 1, tv_nsec: 0 };
            // SAFETY: the pointers are to live values or null; the signals of the set are blocked.
            let signal = unsafe { libc::sigtimedwait(&signals, std::ptr::null_mut(), &patience) };
            if signal > 0 || parent_id() != parent {
                return action();
            }
        }
    });
}
