//! Keeping a kernel ready for the next notebook: `cargo lab` runs this beside JupyterLab.

use crate::launcher::{self, WARM};
use crate::link::Word;
use crate::recipe::Recipe;
use crate::session::Session;
use crate::{Result, environment};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// After a kernel was taken, the machine first belongs to whoever took it.
const PAUSE: Duration = Duration::from_secs(8);
/// A kernel that ends sooner than this without being taken cannot start at all.
const TOO_SOON: Duration = Duration::from_secs(30);

pub fn keep() -> Result<ExitCode> {
    let socket = std::env::var_os(WARM).filter(|path| !path.is_empty()).map(PathBuf::from);
    let socket = socket.ok_or("ATOMOTION_WARM names no socket to wait at")?;
    let kernel = environment::kernel_dir()?;
    // The kernel notices that the line is dead, and clears up.
    launcher::on_ending(|| std::process::exit(0));
    loop {
        let recipe = Recipe::load(&kernel)?;
        if let Some(reason) = recipe.stale(&kernel)? {
            return Err(reason.into());
        }
        let session = Session::create()?;
        session.configure(true)?;
        let started = Instant::now();
        let path = socket.display().to_string();
        let (mut child, mut link) =
            launcher::start_kernel(&kernel, &recipe, &session.dir, None, &["serve", "--warm", &path])?;
        let mut adopted = false;
        while let Ok(Some(word)) = link.hear::<Word>() {
            match word {
                Word::Ready => {
                    println!("ready");
                    std::io::stdout().flush()?;
                }
                Word::Adopted { .. } => adopted = true,
                _ => {}
            }
            if adopted {
                break;
            }
        }
        if !adopted {
            let status = child.wait()?;
            drop(session);
            // Hung up: by a signal, or because whoever started this process has gone.
            if status.success() {
                return Ok(ExitCode::SUCCESS);
            }
            if started.elapsed() < TOO_SOON {
                return Err(format!("a kernel could not be kept warm ({status})").into());
            }
            continue;
        }
        session.leave();
        // It belongs to its launcher now; it is only waited for, so that it leaves no trace in the process table.
        std::thread::spawn(move || child.wait());
        std::thread::sleep(PAUSE);
    }
}
