//! The process that loads and runs the user's code: this executable, started again by evcxr.

use crate::{environment, relay};
use std::os::unix::process::parent_id;
use std::path::Path;
use std::time::Duration;

/// Faults of the user's code. evcxr would answer them with the stack of this process, which tells the user nothing.
const FAULTS: [i32; 3] = [libc::SIGSEGV, libc::SIGILL, libc::SIGBUS];

/// Whether evcxr started this process to run the user's code.
pub fn is_user_process() -> bool {
    std::env::var_os("EVCXR_IS_RUNTIME").is_some()
}

/// Makes the process the user's: their environment, their outputs, and an end when the kernel ends.
pub fn settle() {
    if let Some(session) = std::env::var_os(environment::SESSION)
        && let Err(error) = relay::hand_over(&environment::relay_socket(Path::new(&session)))
    {
        eprintln!("The outputs of cells cannot be shown as they come: {error}");
    }
    environment::restore_own();
    // SAFETY: plain system calls on a set that lives on this stack. A fault that is blocked ends the process as if
    // nobody handled it.
    unsafe {
        // An interrupt at a terminal goes to this process as well; the kernel asks the cell to stop.
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in FAULTS {
            libc::sigaddset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
    // evcxr ends this process by closing its standard input, which a busy cell does not read. PR_SET_PDEATHSIG would
    // not do: it fires when the *thread* that started us ends.
    let kernel = parent_id();
    std::thread::spawn(move || {
        while parent_id() == kernel {
            std::thread::sleep(Duration::from_millis(500));
        }
        // SAFETY: ends the process at once; nothing of the user's code is to run any more.
        unsafe { libc::_exit(1) };
    });
}
