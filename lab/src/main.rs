//! `cargo lab`: set up, open the notebooks, run them, test, measure, doctor.

mod args;
mod bench;
mod board;
mod docs;
mod doctor;
mod help;
mod jupyter;
mod libtorch;
mod notebook;
mod place;
mod process;
mod python;
mod rust;
mod setup;
mod stamp;
mod testing;

use args::Action;
use place::Place;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match args::parse(&words).and_then(act) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// False when the work was done and its outcome is a failure.
fn act(action: Action) -> Result<bool, String> {
    if let Action::Help(text) = action {
        process::print(text);
        return Ok(true);
    }
    let place = Place::find()?;
    match action {
        Action::Help(_) => Ok(true),
        Action::SetUp => setup::set_up(&place).map(|_| true),
        Action::Test { full } => testing::test(&place, full),
        Action::Doctor => Ok(doctor::doctor(&place)),
        Action::Open(open) => {
            let environment = setup::set_up(&place)?;
            Err(jupyter::open(&place, &environment, &open))
        }
        Action::Run(run) => {
            let environment = setup::set_up(&place)?;
            Err(process::turn_into(&mut notebook::command(&place, &environment, &run)))
        }
        Action::Analyse(words) => {
            setup::set_up(&place)?;
            Err(process::turn_into(process::command(place.built("atomotion")).arg("analyse").args(words)))
        }
        Action::Docs { out } => {
            let environment = setup::set_up(&place)?;
            docs::build(&place, &environment, out)
        }
        Action::BenchKernel(asked) => {
            let environment = setup::set_up(&place)?;
            let mut measure = bench::kernel(&place, &environment, &asked)?;
            Err(process::turn_into(&mut measure))
        }
        Action::BenchDetect(asked) => {
            let environment = setup::set_up(&place)?;
            let mut measure = bench::detect(&place, &environment, &asked)?;
            Err(process::turn_into(&mut measure))
        }
        Action::BenchDynamics(asked) => {
            setup::set_up(&place)?;
            let mut measure = bench::dynamics(&place, &asked)?;
            Err(process::turn_into(&mut measure))
        }
        Action::BenchClassify(asked) => {
            setup::set_up(&place)?;
            let mut measure = bench::classify(&place, &asked)?;
            Err(process::turn_into(&mut measure))
        }
        Action::Dataset { name } => {
            setup::set_up(&place)?;
            Err(process::turn_into(&mut rust::make_dataset(&place, &name)))
        }
        Action::Repl => {
            setup::set_up(&place)?;
            Err(process::turn_into(process::command(place.kernel()).arg("repl")))
        }
        Action::KernelInstall(destination) => {
            setup::set_up(&place)?;
            jupyter::install(&place, &destination).map(|()| true)
        }
        Action::KernelUninstall(destination) => jupyter::uninstall(&destination).map(|()| true),
    }
}
