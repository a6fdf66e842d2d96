//! What results were made from and with, and the checksum of every file.

use crate::error::{Error, Result};
use crate::movie::Movie;
use crate::progress::{Progress, Reporter, stop_if_asked};
use crate::session::session_info;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;

/// A movie's shape, calibration and the checksum of its pixels.
pub(super) fn of_movie(movie: &Movie) -> Result<Value> {
    let mut hash = Sha256::new();
    let mut progress = Reporter::new("reading the movie", "frames");
    for (done, frame) in movie.frames().enumerate() {
        stop_if_asked("while reading the movie")?;
        let data = frame?.data;
        let bytes: Vec<u8> = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        hash.update(&bytes);
        progress.update(done + 1, movie.len(), "");
    }
    let calibration = movie.calibration();
    Ok(json!({
        "name": movie.name(),
        "frames": movie.len(),
        "height_px": movie.height(),
        "width_px": movie.width(),
        "nm_per_px": calibration.known.then_some(calibration.nm_per_px),
        "s_per_frame": calibration.s_per_frame,
        "sha256_of_pixels": hex(hash),
    }))
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The manifest of a folder.
pub(super) fn of(folder: &Path, title: &str, inputs: &[Value], options: &Value, files: &[String]) -> Result<Value> {
    let with: serde_json::Map<String, Value> =
        session_info().rows.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let mut listed = serde_json::Map::new();
    for file in files {
        let path = folder.join(file);
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let mut hash = Sha256::new();
        hash.update(&bytes);
        listed.insert(file.clone(), json!({ "bytes": bytes.len(), "sha256": hex(hash) }));
    }
    Ok(json!({ "title": title, "inputs": inputs, "made_with": with, "options": options, "files": listed }))
}
