//! What several tests need: a folder of their own, files to open, the truth of a simulated frame.
#![allow(dead_code)] // each test program uses a part of it

use atomotion::polars::prelude::DataFrame;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Held by tests that train: each uses every core, and side by side they take longer than one after the other.
pub fn one_at_a_time() -> std::sync::MutexGuard<'static, ()> {
    static TRAINING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    TRAINING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A folder that goes when the test ends.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("atomotion-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An `.npy` file as NumPy writes it (version 1.0).
pub fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

/// Positions of the true defects of one frame, of one species or (empty name) of all.
pub fn truth(table: &DataFrame, frame: u32, species: &str) -> Vec<(f32, f32)> {
    let (f, s) = (table.column("frame").unwrap().u32().unwrap(), table.column("species").unwrap().str().unwrap());
    let (y, x) = (table.column("y_px").unwrap().f32().unwrap(), table.column("x_px").unwrap().f32().unwrap());
    (0..table.height())
        .filter(|&i| f.get(i) == Some(frame) && (species.is_empty() || s.get(i) == Some(species)))
        .map(|i| (y.get(i).unwrap(), x.get(i).unwrap()))
        .collect()
}

/// Says that a test did not run, and why: `cargo lab test` lists it at the end.
pub fn skipped(what: &str, why: &str) {
    println!("skipped: {what}: {why}");
    if let Some(path) = std::env::var_os("ATOMOTION_SKIPPED") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "skipped: {what}: {why}").unwrap();
    }
}
