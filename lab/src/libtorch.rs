//! libtorch: which set this machine takes, and how it comes to lie in the cache.

use crate::board::Task;
use crate::place::Place;
use crate::process;
use crate::python::{self, Python};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

pub const VERSION: &str = "2.11.0";

/// The first driver that CUDA 13 runs on.
const DRIVER: u32 = 580;

/// What must lie in `lib/` of the CPU set, with the size where nothing was changed in it.
const LIBRARIES: [(&str, u64); 7] = [
    ("libtorch.so", 0),
    ("libtorch_cpu.so", 451_209_129),
    ("libc10.so", 1_498_969),
    ("libgomp.so.1", 254_009),
    ("libshm.so", 57_633),
    ("libcupti.so.13", 4_152_208),
    ("libcudart.so.13", 704_288),
];

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Set {
    Cpu,
    Cuda,
}

impl Set {
    pub fn name(self) -> &'static str {
        match self {
            Set::Cpu => "cpu",
            Set::Cuda => "cuda",
        }
    }

    fn download_bytes(self) -> u64 {
        match self {
            Set::Cpu => 544_114_256,
            Set::Cuda => 2_512_368_551,
        }
    }

    /// What the set-up says before it starts.
    pub fn about(self) -> &'static str {
        match self {
            Set::Cpu => "downloading 0.55 GB and unpacking 0.5 GB (usually 1 to 5 min, as fast as your line)",
            Set::Cuda => "downloading 2.5 GB and installing 3.8 GB (usually 3 to 20 min, as fast as your line)",
        }
    }
}

/// The set for this machine's NVIDIA driver, and why.
pub fn choose(driver: Option<&str>) -> (Set, String) {
    let Some(driver) = driver else {
        return (Set::Cpu, "no NVIDIA driver: it runs on the CPU".into());
    };
    match driver.split('.').next().and_then(|major| major.parse::<u32>().ok()) {
        Some(major) if major >= DRIVER => (Set::Cuda, format!("NVIDIA driver {driver}: CUDA 13")),
        Some(_) => (
            Set::Cpu,
            format!("NVIDIA driver {driver} is too old for CUDA 13: with {DRIVER} or newer it would run on the GPU"),
        ),
        None => (Set::Cpu, format!("the NVIDIA driver's version `{driver}` is not a number: it runs on the CPU")),
    }
}

/// The version of the NVIDIA driver, if there is one.
pub fn driver() -> Option<String> {
    let mut smi = process::command("nvidia-smi");
    let asked = process::text(smi.args(["--query-gpu=driver_version", "--format=csv,noheader"]));
    let from_smi = asked.ok().and_then(|text| text.lines().next().and_then(version_in));
    from_smi.or_else(|| version_in(&fs::read_to_string("/proc/driver/nvidia/version").ok()?))
}

/// The first word that looks like a driver's version: 580.65.06.
fn version_in(text: &str) -> Option<String> {
    let looks = |word: &&str| word.contains('.') && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    text.split_whitespace().find(looks).map(String::from)
}

fn folder(place: &Place, set: Set) -> PathBuf {
    place.cache.join(format!("libtorch-{VERSION}-{}", set.name()))
}

/// What `LIBTORCH` is to point at.
pub fn home(place: &Place, set: Set) -> PathBuf {
    match set {
        Set::Cpu => folder(place, set),
        Set::Cuda => folder(place, set).join("torch"),
    }
}

/// The first thing that is wrong with the set in the cache, if anything.
pub fn fault(place: &Place, set: Set) -> Option<String> {
    let home = home(place, set);
    let wrong = |file: &str, size: u64| {
        let path = home.join(file);
        match fs::metadata(&path) {
            Err(_) => Some(format!("{} is missing", path.display())),
            Ok(found) if found.len() == 0 || (size > 0 && found.len() != size) => {
                Some(format!("{} is damaged: {} bytes", path.display(), found.len()))
            }
            Ok(_) => None,
        }
    };
    if let Some(fault) = wrong("include/torch/csrc/api/include/torch/torch.h", 0) {
        return Some(fault);
    }
    match set {
        Set::Cpu => LIBRARIES.iter().find_map(|(name, size)| wrong(&format!("lib/{name}"), *size)),
        Set::Cuda => ["libtorch.so", "libtorch_cpu.so", "libtorch_cuda.so", "libc10.so", "libc10_cuda.so"]
            .iter()
            .find_map(|name| wrong(&format!("lib/{name}"), 0)),
    }
}

/// Downloads and lays out a set. It gets its name only when it is whole.
pub fn provide(place: &Place, python: &Python, set: Set, task: &Task) -> Result<(), String> {
    let done = folder(place, set);
    let partial = done.with_file_name(format!("libtorch-{VERSION}-{}.partial", set.name()));
    for stale in [&partial, &done] {
        remove(stale)?;
    }
    match set {
        Set::Cpu => provide_cpu(place, python, &partial, task)?,
        Set::Cuda => {
            let mut pip = python.pip_cp311(place, "install")?;
            pip.arg("--target").arg(&partial).arg("-r").arg(place.python_file("libtorch-cuda.txt"));
            follow(&mut pip, task, Set::Cuda.download_bytes())?;
        }
    }
    fs::rename(&partial, &done).map_err(|error| format!("{}: {error}", done.display()))?;
    if let Some(fault) = fault(place, set) {
        return Err(format!("libtorch was unpacked, and yet {fault}: run `cargo lab setup` again"));
    }
    // The wheels are no longer needed, and large.
    remove(&place.downloads())
}

fn provide_cpu(place: &Place, python: &Python, partial: &PathBuf, task: &Task) -> Result<(), String> {
    let mut pip = python.pip_cp311(place, "download")?;
    pip.arg("-d").arg(place.downloads()).arg("-r").arg(place.python_file("libtorch-cpu.txt"));
    task.note("downloading");
    follow(&mut pip, task, Set::Cpu.download_bytes())?;
    task.note("unpacking");
    let mut unpack = process::command(&python.exe);
    unpack.arg(place.python_file("unpack_libtorch.py")).arg(place.downloads()).arg(partial);
    follow(&mut unpack, task, 0)
}

/// Runs a program that prints `Progress 12 of 34` in bytes, one file after another, of `total` in all where known.
fn follow(command: &mut Command, task: &Task, total: u64) -> Result<(), String> {
    const MB: u64 = 1_000_000;
    let (mut before, mut file, mut said) = (0, 0, Vec::new());
    let ok = process::lines(command, |line| {
        if let Some((done, size)) = progress(line) {
            if done == 0 && total > 0 {
                before += file;
            }
            file = size;
            task.at((before + done) / MB, total.max(before + size) / MB);
        }
        python::keep(&mut said, line);
    })?;
    if ok { Ok(()) } else { Err(python::failure("libtorch", &said)) }
}

fn progress(line: &str) -> Option<(u64, u64)> {
    let (done, total) = line.strip_prefix("Progress ")?.split_once(" of ")?;
    Some((done.parse().ok()?, total.trim().parse().ok()?))
}

/// Makes `.atomotion/libtorch` point at the set.
pub fn link(place: &Place, set: Set) -> Result<(), String> {
    let (link, home) = (place.libtorch_link(), home(place, set));
    if fs::read_link(&link).is_ok_and(|before| before == home) {
        return Ok(());
    }
    let say = |error: std::io::Error| format!("{}: {error}", link.display());
    let fresh = place.dot.join("libtorch.new");
    fs::create_dir_all(&place.dot).map_err(say)?;
    remove(&fresh)?;
    symlink(&home, &fresh).and_then(|()| fs::rename(&fresh, &link)).map_err(say)
}

fn remove(path: &PathBuf) -> Result<(), String> {
    let result = match fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    result.map_err(|error| format!("{} cannot be removed: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_follows_the_driver() {
        assert_eq!(choose(None).0, Set::Cpu);
        assert_eq!(choose(Some("580.65.06")).0, Set::Cuda);
        assert_eq!(choose(Some("1000.1")).0, Set::Cuda);
        let (set, why) = choose(Some("535.183.01"));
        assert!(set == Set::Cpu && why.contains("535.183.01") && why.contains("580"), "{why}");
        assert_eq!(choose(Some("unknown")).0, Set::Cpu);
    }

    #[test]
    fn the_driver_is_read_from_both_sources() {
        assert_eq!(version_in("580.65.06"), Some("580.65.06".into()));
        let proc = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024";
        assert_eq!(version_in(proc), Some("535.183.01".into()));
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.82.07  Release Build";
        assert_eq!(version_in(open), Some("580.82.07".into()));
        assert_eq!(version_in("NVIDIA-SMI has failed because it couldn't communicate"), None);
    }

    #[test]
    fn progress_is_read() {
        assert_eq!(progress("Progress 262144 of 2243632"), Some((262_144, 2_243_632)));
        assert_eq!(progress("Collecting torch"), None);
    }
}
