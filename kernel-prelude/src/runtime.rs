//! The process that loads and runs the user's code: this executable, started again by evcxr.

use crate::environment;
use std::os::unix::process::parent_id;
use std::time::Duration;

/// Whether evcxr started this process to run the user's code.
pub fn is_user_process() -> bool {
    std::env::var_os("EVCXR_IS_RUNTIME").is_some()
}

/// Makes the process the user's: their environment, an interrupt that interrupts, and an end when the kernel ends.
pub fn settle() {
    environment::restore_own();
    // SAFETY: restoring a signal's default action has no preconditions.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    // evcxr ends this process by closing its standard input, which a busy cell does not read. PR_SET_PDEATHSIG would
    // not do: it fires when the *thread* that started us ends, and evcxr restarts us from threads that come and go.
    let kernel = parent_id();
    std::thread::spawn(move || {
        while parent_id() == kernel {
            std::thread::sleep(Duration::from_millis(500));
        }
        // SAFETY: ends the process at once; nothing of the user's code is to run any more.
        unsafe { libc::_exit(1) };
    });
}
