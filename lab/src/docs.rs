//! `cargo lab docs`: the site of notebooks, pages and rustdoc. Pages are made by build_docs.py, on nbconvert.

use crate::jupyter;
use crate::place::Place;
use crate::process;
use std::path::{Path, PathBuf};
use std::process::Command;

/// True when everything was built.
pub fn build(place: &Place, environment: &Path, out: Option<PathBuf>) -> Result<bool, String> {
    let out = out.unwrap_or_else(|| place.dot.join("site"));
    let mut cargo = process::cargo();
    cargo.args(["doc", "--no-deps", "--lib", "-p", "atomotion"]).current_dir(&place.clone);
    if !process::lines_shown(&mut cargo, |_| ())? {
        return Ok(false);
    }
    process::lines_shown(&mut pages(place, environment, &out), |_| ())
}

/// Makes the pages beside what rustdoc has written.
pub fn pages(place: &Place, environment: &Path, out: &Path) -> Command {
    let mut python = jupyter::python(place, environment);
    python.arg(place.python_file("build_docs.py")).arg(&place.clone).arg(place.target.join("doc")).arg(out);
    python.arg("--executed").arg(place.dot.join("test"));
    python
}
