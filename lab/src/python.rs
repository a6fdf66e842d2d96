//! Python: finding one, running pip from its own wheel, and the environment with JupyterLab.
//!
//! Debian splits venv's and pip's parts into packages of their own. `venv --without-pip` and a wheel of pip that is
//! run by its path need neither.

use crate::board::Task;
use crate::place::Place;
use crate::process;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PIP: &str = "lab/vendor/pip-26.3-py3-none-any.whl";
const PIP_SHA256: &str = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13";

const NAMES: [&str; 6] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"];
const OLDEST: (u32, u32) = (3, 10);

/// A lock file, and the file that says that an environment has all of it: written last, with the lock file's mark.
pub struct Lock {
    path: PathBuf,
    stamp: &'static str,
}

impl Lock {
    /// What users have: JupyterLab and what executes notebooks.
    pub fn users(place: &Place) -> Lock {
        Lock { path: place.python_file("requirements.txt"), stamp: "atomotion-complete" }
    }

    /// What the tests of the kernel need beside it.
    pub fn tests(place: &Place) -> Lock {
        Lock { path: place.python_file("tests.txt"), stamp: "atomotion-tests" }
    }

    /// What benchmarks run side by side with the library.
    pub fn peers(place: &Place) -> Lock {
        Lock { path: place.clone.join("peers/requirements.txt"), stamp: "atomotion-complete" }
    }

    /// What tracks and the Markov model are measured beside.
    pub fn dynamics(place: &Place) -> Lock {
        Lock { path: place.clone.join("peers/bench_dynamics.txt"), stamp: "atomotion-complete" }
    }

    /// What patches are sorted by beside the library.
    pub fn classify(place: &Place) -> Lock {
        Lock { path: place.clone.join("peers/bench_classify.txt"), stamp: "atomotion-complete" }
    }

    /// Eight letters that change with the lock file.
    fn mark(&self) -> Result<String, String> {
        let bytes = fs::read(&self.path).map_err(|error| format!("{}: {error}", self.path.display()))?;
        Ok(format!("{:x}", Sha256::digest(&bytes))[..8].to_string())
    }

    /// Whether an environment has everything of the present lock file.
    pub fn is_in(&self, environment: &Path) -> bool {
        let mark = fs::read_to_string(environment.join(self.stamp)).unwrap_or_default();
        !mark.is_empty() && Ok(mark) == self.mark() && interpreter(environment).exists()
    }

    /// A name for the folder of an environment of this Python and this lock file.
    pub fn name(&self, what: &str, python: &Python) -> Result<String, String> {
        let (major, minor) = python.version;
        Ok(format!("{what}-{major}.{minor}-{}", self.mark()?))
    }
}

pub struct Python {
    pub exe: PathBuf,
    pub version: (u32, u32),
}

impl Python {
    /// The first Python on PATH that is new enough.
    pub fn find() -> Result<Python, String> {
        let mut older = Vec::new();
        for name in NAMES {
            let probe = "import sys, venv, ssl, ctypes; print(*sys.version_info[:2], sys.executable)";
            let Ok(text) = process::text(process::command(name).args(["-c", probe])) else {
                continue;
            };
            match parse_probe(&text) {
                Some(python) if python.version >= OLDEST => return Ok(python),
                Some(python) => older.push(format!("{name} is {}.{}", python.version.0, python.version.1)),
                None => {}
            }
        }
        let found = if older.is_empty() { "none was found on PATH".into() } else { older.join(", ") };
        Err(format!("Python 3.10 or newer is needed ({found})"))
    }

    /// pip, set up to listen to the user's own configuration (index, proxy, certificates) for where packages come
    /// from, and to nothing that would change where they go.
    fn pip(&self, place: &Place, verb: &str) -> Result<Command, String> {
        let wheel = place.clone.join(PIP);
        let bytes = fs::read(&wheel).map_err(|error| format!("{}: {error}", wheel.display()))?;
        if format!("{:x}", Sha256::digest(&bytes)) != PIP_SHA256 {
            return Err(format!("{} is damaged: restore it with `git checkout {PIP}`", wheel.display()));
        }
        let temporary = place.downloads().join("tmp");
        fs::create_dir_all(&temporary).map_err(|error| format!("{}: {error}", temporary.display()))?;
        let mut pip = process::command(&self.exe);
        pip.arg(wheel.join("pip")).args([verb, "--require-hashes", "--only-binary=:all:", "--no-cache-dir"]);
        pip.args(["--progress-bar", "raw", "--disable-pip-version-check", "--no-input", "--resume-retries", "5"]);
        pip.env("TMPDIR", temporary).env("PYTHONNOUSERSITE", "1").env("PYTHONUNBUFFERED", "1");
        for (name, value) in [("PIP_USER", "0"), ("PIP_REQUIRE_VIRTUALENV", "0")] {
            pip.env(name, value);
        }
        for name in ["PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIREMENT", "PIP_CONSTRAINT", "PIP_QUIET"] {
            pip.env_remove(name);
        }
        Ok(pip)
    }

    /// As `pip`, for the files of another Python than this one: those that libtorch is taken from.
    pub fn pip_cp311(&self, place: &Place, verb: &str) -> Result<Command, String> {
        let mut pip = self.pip(place, verb)?;
        for glibc in ["_2_28", "_2_27", "_2_25", "_2_24", "_2_18", "2014", "2010", "1"] {
            pip.arg("--platform").arg(format!("manylinux{glibc}_x86_64"));
        }
        pip.args(["--no-deps", "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]);
        Ok(pip)
    }
}

fn parse_probe(text: &str) -> Option<Python> {
    let mut words = text.trim().splitn(3, ' ');
    let version = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Python { exe: words.next()?.into(), version })
}

pub fn interpreter(environment: &Path) -> PathBuf {
    environment.join("bin/python")
}

/// A new environment with everything of a lock file.
pub fn make_environment(place: &Place, python: &Python, folder: &Path, lock: &Lock, task: &Task) -> Result<(), String> {
    task.note("an empty environment");
    let mut venv = process::command(&python.exe);
    process::text(venv.args(["-m", "venv", "--clear", "--without-pip"]).arg(folder))?;
    add(place, python, folder, lock, task)
}

/// Adds everything of a lock file to an environment.
pub fn add(place: &Place, python: &Python, folder: &Path, lock: &Lock, task: &Task) -> Result<(), String> {
    let inside = Python { exe: interpreter(folder), version: python.version };
    let mut pip = inside.pip(place, "install")?;
    let total = packages(&fs::read_to_string(&lock.path).unwrap_or_default());
    let (mut seen, mut said) = (0, Vec::new());
    // Nothing comes in that the lock file does not name.
    let ok = process::lines(pip.args(["--no-deps", "-r"]).arg(&lock.path), |line| {
        if line.starts_with("Collecting ") || line.starts_with("Ignoring ") {
            seen += 1;
            task.at(seen, total);
        } else if line.starts_with("Installing ") {
            task.note("installing");
        }
        keep(&mut said, line);
    })?;
    if !ok {
        return Err(failure("the Python environment", &said));
    }
    fs::write(folder.join(lock.stamp), lock.mark()?).map_err(|error| format!("{}: {error}", folder.display()))
}

/// How many packages a lock file names.
fn packages(lock: &str) -> u64 {
    lock.lines().filter(|line| !line.starts_with(['#', ' ']) && line.contains("==")).count() as u64
}

/// Keeps the last lines of what pip says, without its progress.
pub fn keep(said: &mut Vec<String>, line: &str) {
    if !line.starts_with("Progress ") && !line.trim().is_empty() {
        said.push(line.into());
    }
}

pub fn failure(what: &str, said: &[String]) -> String {
    let tail = said[said.len().saturating_sub(12)..].join("\n    ");
    format!(
        "{what} could not be installed. pip said:\n    {tail}\n\
         The first set-up needs a network; behind a proxy or a mirror, pip's own configuration is what counts \
         (`pip config`, PIP_INDEX_URL, PIP_CERT). Then run `cargo lab setup` again: it goes on where it stopped."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_with_spaces_in_the_path_is_read() {
        let python = parse_probe("3 12 /opt/my python/bin/python3\n").unwrap();
        assert_eq!((python.version, python.exe), ((3, 12), "/opt/my python/bin/python3".into()));
        assert!(parse_probe("no such thing").is_none());
    }

    #[test]
    fn the_lock_files_pin_and_hash_every_package_and_name_no_place() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
        for name in [
            "requirements.txt",
            "tests.txt",
            "libtorch-cpu.txt",
            "libtorch-cuda.txt",
            "../../peers/requirements.txt",
            "../../peers/bench_dynamics.txt",
            "../../peers/bench_classify.txt",
        ] {
            let text = fs::read_to_string(folder.join(name)).unwrap();
            let mut entries = text.lines().filter(|line| !line.starts_with(['#', ' ', '-']));
            assert!(entries.all(|line| line.contains("==") && line.ends_with('\\')), "{name}");
            assert!(text.matches("--hash=sha256:").count() as u64 >= packages(&text), "{name}");
            assert!(!text.contains("://"), "{name}");
        }
        let requirements = fs::read_to_string(folder.join("requirements.txt")).unwrap();
        for wanted in ["jupyterlab==", "nbclient==", "nbconvert==", "jupyter-console=="] {
            assert!(requirements.contains(&format!("\n{wanted}")), "{wanted}");
        }
    }

    #[test]
    fn packages_are_counted_without_hashes_and_comments() {
        assert_eq!(packages("# made by==\na==1 \\\n    --hash=sha256:0==\nb==2 ; x == 'y' \\\n"), 2);
    }
}
