//! What a figure was made with: versions, machine, seeds and the state of the project's files, so that it can be traced.

use crate::device::{best_device, describe};
use crate::show::{emit_html, escape_html};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Which random steps have run in this process, with their seeds: the order is that of their first use.
static SEEDS: Mutex<Vec<(&'static str, u64)>> = Mutex::new(Vec::new());

/// Remembers the seed of a random step for [`session_info`].
pub(crate) fn seeded(step: &'static str, seed: u64) -> u64 {
    let mut seeds = SEEDS.lock().unwrap_or_else(PoisonError::into_inner);
    if !seeds.contains(&(step, seed)) {
        seeds.push((step, seed));
    }
    seed
}

/// What [`session_info`] found: names and values, which show themselves as a table.
#[derive(Clone, PartialEq)]
pub struct SessionInfo {
    /// Name and value, in the order in which they are shown.
    pub rows: Vec<(&'static str, String)>,
}

/// Versions of the library, Rust and libtorch, device, threads, the seeds that have been used and the state of the
/// files in the notebook's folder: put it into a notebook's last cell.
///
/// ```
/// let info = atomotion::session_info();
/// assert!(info.to_string().contains("libtorch"));
/// ```
#[must_use]
pub fn session_info() -> SessionInfo {
    let mut rows = vec![("atomotion", library())];
    if let Ok(version) = std::env::var("ATOMOTION_KERNEL_VERSION") {
        rows.push(("kernel", version));
    }
    rows.extend([
        ("Rust", env!("ATOMOTION_RUSTC").to_owned()),
        ("libtorch", env!("ATOMOTION_LIBTORCH").to_owned()),
        ("device", describe(best_device())),
        ("threads", threads()),
        ("seeds", seeds()),
        ("files", files()),
        ("system", system()),
    ]);
    SessionInfo { rows }
}

/// The version, and the commit of the clone that the library was compiled in.
fn library() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match state(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        Some(state) => format!("{version}, {state}"),
        None => version.to_owned(),
    }
}

fn threads() -> String {
    let of = |name: &str, count: usize| format!("{count} for {name}");
    let torch = usize::try_from(tch::get_num_threads()).unwrap_or(0);
    // As Polars itself decides; its pool is not public.
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let polars = std::env::var("POLARS_MAX_THREADS").ok().and_then(|count| count.parse().ok()).unwrap_or(all);
    [of("images", rayon::current_num_threads()), of("libtorch", torch), of("Polars", polars)].join(", ")
}

fn seeds() -> String {
    let seeds = SEEDS.lock().unwrap_or_else(PoisonError::into_inner);
    if seeds.is_empty() {
        return "none used yet".into();
    }
    seeds.iter().map(|(step, seed)| format!("{step} {seed}")).collect::<Vec<_>>().join(", ")
}

/// The notebook's folder by its last name, which says enough and tells nothing of the machine.
fn files() -> String {
    let Ok(folder) = std::env::current_dir() else { return "the folder of this process is gone".into() };
    let name = folder.file_name().map_or_else(|| "/".into(), |name| name.to_string_lossy().into_owned());
    match state(&folder) {
        Some(state) => format!("{name}/ at {state}"),
        None => format!("{name}/, not under git"),
    }
}

fn system() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, key: &str, mark: char| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(mark)?.1.trim().trim_matches('"').to_owned())
    };
    let name = value(&read("/etc/os-release"), "PRETTY_NAME", '=').unwrap_or_else(|| std::env::consts::OS.into());
    let processor = value(&read("/proc/cpuinfo"), "model name", ':').unwrap_or_else(|| std::env::consts::ARCH.into());
    let memory =
        value(&read("/proc/meminfo"), "MemTotal", ':').and_then(|kib| kib.split(' ').next()?.parse::<f64>().ok());
    let memory = memory.map(|kib| format!(", {:.0} GiB", kib / f64::from(1 << 20))).unwrap_or_default();
    format!("{name}, {processor}{memory}")
}

/// "commit 1a2b3c4d5e6f" and how many files differ from it; nothing where there is no git or no repository.
fn state(folder: &Path) -> Option<String> {
    let git = |words: &[&str]| {
        let out = Command::new("git").arg("-C").arg(folder).args(words).stdin(Stdio::null()).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain"])?.lines().count();
    let differ = match changed {
        0 => String::new(),
        1 => ", 1 file differs from it".into(),
        n => format!(", {n} files differ from it"),
    };
    Some(format!("commit {}{differ}", commit.trim()))
}

impl SessionInfo {
    /// Shows itself as a table.
    pub fn evcxr_display(&self) {
        let rows = self.rows.iter().map(|(name, value)| {
            format!(
                "<tr><th style=\"text-align:left;padding:2px 12px 2px 0\">{name}</th>\
                 <td style=\"text-align:left\">{}</td></tr>",
                escape_html(value)
            )
        });
        let rows: String = rows.collect();
        emit_html(&format!("<table style=\"color:inherit\">{rows}</table>"), &self.to_string());
    }
}

impl std::fmt::Display for SessionInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<String> = self.rows.iter().map(|(name, value)| format!("{name:<10} {value}")).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::fmt::Debug for SessionInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> String {
        session_info().rows.into_iter().find(|row| row.0 == name).unwrap().1
    }

    #[test]
    fn versions_are_those_of_the_build() {
        assert!(value("atomotion").starts_with(env!("CARGO_PKG_VERSION")));
        assert!(value("Rust").starts_with("1."), "{}", value("Rust"));
        let libtorch = value("libtorch");
        assert!(libtorch.split('.').count() == 3 && libtorch.starts_with(char::is_numeric), "{libtorch}");
    }

    #[test]
    fn every_seed_that_was_used_is_named_once() {
        for _ in 0..2 {
            crate::simulate::Ws2::default().with_size_px(32).simulate(987).unwrap();
        }
        assert_eq!(value("seeds").matches("Ws2 987").count(), 1, "{}", value("seeds"));
    }

    #[test]
    fn the_state_of_a_folder_counts_what_was_changed() {
        let folder = std::env::temp_dir().join(format!("atomotion-git-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let git = |words: &[&str]| {
            let identity = ["-c", "user.name=a", "-c", "user.email=a@b"];
            let done = Command::new("git").arg("-C").arg(&folder).args(identity).args(words).output();
            done.is_ok_and(|out| out.status.success())
        };
        if git(&["init"]) && git(&["commit", "--allow-empty", "-m", "start"]) {
            let clean = state(&folder).unwrap();
            assert!(clean.starts_with("commit ") && clean.len() == "commit ".len() + 12, "{clean}");
            std::fs::write(folder.join("new"), "").unwrap();
            assert_eq!(state(&folder).unwrap(), format!("{clean}, 1 file differs from it"));
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
