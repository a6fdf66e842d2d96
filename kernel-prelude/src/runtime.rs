//! The process that loads and runs the user's code: this executable, started again by evcxr.

use crate::{Result, environment, relay};
use std::ffi::{CStr, CString, c_void};
use std::io::Read;
use std::os::fd::AsFd;
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
    // evcxr ends this process by closing its standard input, which a busy cell does not read.
    end_with_parent();
}

/// Ends this process when the one that started it has gone. PR_SET_PDEATHSIG would not do: it fires when the *thread*
/// that started us ends.
pub fn end_with_parent() {
    let parent = parent_id();
    std::thread::spawn(move || {
        while parent_id() == parent {
            std::thread::sleep(Duration::from_millis(500));
        }
        // SAFETY: ends the process at once; nothing of the user's code is to run any more.
        unsafe { libc::_exit(1) };
    });
}

/// Runs the cells that the kernel sends until it hangs up.
///
/// In place of evcxr's loop, which holds the lock of standard input while a cell runs: cells share this executable's
/// standard library, and one that reads its input would wait for ever.
pub fn run() -> ! {
    let mut variables = std::ptr::null_mut();
    loop {
        match read_line().and_then(|line| line.map(|line| load_and_run(&line, variables)).transpose()) {
            Ok(Some(stored)) => variables = stored,
            Ok(None) => std::process::exit(0),
            Err(error) => {
                eprintln!("The cell could not be loaded: {error}");
                std::process::exit(99);
            }
        }
    }
}

/// A line of standard input, and not a byte more: what follows may be for the cell to read.
fn read_line() -> Result<Option<String>> {
    let mut input = std::fs::File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let (mut line, mut byte) = (Vec::new(), [0]);
    loop {
        match input.read_exact(&mut byte) {
            Ok(()) if byte[0] == b'\n' => return Ok(Some(String::from_utf8(line)?)),
            Ok(()) => line.push(byte[0]),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// `LOAD_AND_RUN library function`: the function takes the variables and returns them.
fn load_and_run(line: &str, variables: *mut c_void) -> Result<*mut c_void> {
    let Some((library, function)) = line.strip_prefix("LOAD_AND_RUN ").and_then(|rest| rest.rsplit_once(' ')) else {
        // An answer that the cell which asked has not read.
        return Ok(variables);
    };
    let (library, function) = (CString::new(library)?, CString::new(function)?);
    // SAFETY: evcxr has compiled the library, with this function, for this call. It stays loaded for as long as the
    // process lives: variables may be of its types, and threads may run its code.
    let stored = unsafe {
        let handle = libc::dlopen(library.as_ptr(), libc::RTLD_LAZY);
        if handle.is_null() {
            let reason = CStr::from_ptr(libc::dlerror()).to_string_lossy();
            // It begins with the library's path, which tells the user nothing.
            relay::refuse(reason.split_once(".so: ").map_or(&*reason, |(_, reason)| reason));
            return Ok(variables);
        }
        let address = libc::dlsym(handle, function.as_ptr());
        if address.is_null() {
            return Err(format!("{library:?} has no {function:?}").into());
        }
        std::mem::transmute::<*mut c_void, extern "C" fn(*mut c_void) -> *mut c_void>(address)(variables)
    };
    println!("{}", relay::COMPLETE);
    Ok(stored)
}
