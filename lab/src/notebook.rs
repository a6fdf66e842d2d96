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
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    if let Some(movie) = &run.movie {
        // The notebook runs in its own folder. What is no file is the name of a dataset, or a pattern.
        let path = Path::new(movie);
        let file =
            path.exists() || movie.contains('*') || path.parent().is_some_and(|folder| !folder.as_os_str().is_empty());
        python.env("ATOMOTION_MOVIE", if file { absolute(path) } else { path.to_path_buf() });
    }
    let of_movie = run.movie.as_ref().map(|movie| Path::new("results").join(results_name(movie)));
    if let Some(out) = run.out.as_ref().or(of_movie.as_ref()) {
        python.arg("--out").arg(out);
        python.env("ATOMOTION_OUT", absolute(out));
    }
    python
}

/// The name of the folder for what comes of a movie: the file's without its ending.
fn results_name(movie: &str) -> String {
    let name = Path::new(movie).file_stem().map_or_else(|| "movie".into(), |name| name.to_string_lossy().into_owned());
    name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
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
    fn results_are_named_after_the_movie() {
        assert_eq!(results_name("data/my movie.dm4"), "my-movie");
        assert_eq!(results_name("ws2-tiny"), "ws2-tiny");
    }

    #[test]
    fn results_of_earlier_runs_are_not_notebooks() {
        assert!(is_notebook("a/01-first-look.ipynb".as_ref()));
        assert!(!is_notebook("a/01-first-look.executed.ipynb".as_ref()));
        assert!(!is_notebook("a/01-first-look.html".as_ref()));
    }
}
