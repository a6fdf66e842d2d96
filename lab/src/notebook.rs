//! Executing notebooks without a browser. The work is done by run_notebook.py, on nbclient and nbconvert.

use crate::args::Run;
use crate::jupyter;
use crate::place::Place;
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn command(place: &Place, environment: &Path, run: &Run) -> Command {
    let mut python = jupyter::python(place, environment);
    python.arg(place.python_file("run_notebook.py")).arg(&run.notebook);
    python.args(["--kernel", jupyter::KERNEL, "--timeout", &run.timeout_s.to_string()]);
    if let Some(out) = &run.out {
        python.arg("--out").arg(out);
    }
    python
}

/// The notebooks of the project, in order.
pub fn all(place: &Place) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place.clone.join("notebooks")).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_notebook(path)).collect();
    found.sort();
    found
}

fn is_notebook(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".ipynb") && !name.ends_with(".executed.ipynb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_earlier_runs_are_not_notebooks() {
        assert!(is_notebook("a/01-first-look.ipynb".as_ref()));
        assert!(!is_notebook("a/01-first-look.executed.ipynb".as_ref()));
        assert!(!is_notebook("a/01-first-look.html".as_ref()));
    }
}
