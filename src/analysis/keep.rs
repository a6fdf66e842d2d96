//! What an analysis keeps while it is under way, so that it can go on: its options, the training, the detector, the
//! defects.

use super::{Analysis, manifest};
use crate::defects::Defects;
use crate::detect::{Decoding, Detector, Labels, Surrogates, Trainer, Training};
use crate::error::{Error, Result};
use crate::file::write_whole;
use crate::movie::Movie;
use crate::progress::Reporter;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// An analysis's own files in the folder of results.
pub(super) struct Kept {
    folder: PathBuf,
    /// What the movie is.
    pub input: Value,
}

pub(super) const DETECTOR: &str = "detector.safetensors";
const STARTED: &str = "analysis.json";
const TRAINING: &str = "training.safetensors";
const DEFECTS: &str = "defects";
/// Frames without defects, of each kind, that say what noise alone gives of each class.
const SURROGATES: usize = 10;

impl Kept {
    /// Begins in an empty or new folder, or goes on in one in which the same analysis began.
    pub fn begin(folder: &Path, analysis: &Analysis, movie: &Movie) -> Result<Kept> {
        let input = manifest::of_movie(movie)?;
        let options = serde_json::to_value(analysis).map_err(|e| Error::data(e.to_string()))?;
        let now = json!({ "version": env!("CARGO_PKG_VERSION"), "movie": input, "options": options });
        let path = folder.join(STARTED);
        if let Ok(text) = std::fs::read_to_string(&path) {
            let before: Value = serde_json::from_str(&text).unwrap_or_default();
            if let Some(what) = differs(&before, &now) {
                return Err(Error::format(
                    folder,
                    format!("holds an analysis with another {what}: choose another folder (--out), or remove that one"),
                ));
            }
        }
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        write_whole(&path, format!("{now:#}\n").as_bytes())?;
        Ok(Kept { folder: folder.to_owned(), input })
    }

    /// The detector: loaded, trained on from where a training was, or trained.
    pub fn detector(&self, labels: &Labels, analysis: &Analysis) -> Result<Detector> {
        let (path, checkpoint) = (self.folder.join(DETECTOR), self.folder.join(TRAINING));
        if path.is_file() {
            return Detector::load(path);
        }
        let training = Training::default().with_steps(analysis.steps).with_seed(analysis.seed);
        let mut trainer = match checkpoint.is_file() {
            true => Trainer::load(&checkpoint)?,
            false => Detector::trainer(labels, &training.with_checkpoint(&checkpoint))?,
        };
        trainer.run()?;
        // As it is loaded, so that an analysis that goes on uses the same one.
        trainer.detector()?.save(&path)?;
        std::fs::remove_file(&checkpoint).map_err(Error::io("remove", &checkpoint))?;
        Detector::load(path)
    }

    /// Every defect: loaded, or searched for.
    pub fn defects(&self, detector: &Detector, movie: &Movie, analysis: &Analysis) -> Result<Defects> {
        let path = self.folder.join(DEFECTS);
        if !path.join("defects.parquet").is_file() {
            let surrogates = Surrogates::default().with_frames(SURROGATES);
            let decoding = Decoding::default().with_threshold(analysis.probability).with_surrogates(surrogates);
            detector.find_with(movie, &decoding, &mut Reporter::new("finding", "frames"))?.save(&path)?;
        }
        Defects::load(path)
    }

    /// The files that stay, by their path in the folder.
    pub fn files(&self) -> Vec<String> {
        let defects = ["defects.parquet", "patches.safetensors", "areas.parquet", "frames.safetensors"];
        let surrogates = (0..3).map(|kind| format!("{DEFECTS}/surrogate-{kind}"));
        let folders = std::iter::once(DEFECTS.to_string()).chain(surrogates);
        let of = |folder: String| defects.map(|file| format!("{folder}/{file}"));
        let all = std::iter::once(DETECTOR.to_string()).chain(folders.flat_map(of));
        all.filter(|file| self.folder.join(file).is_file()).collect()
    }
}

/// What differs first, with both values: "seed (1, now 2)".
fn differs(before: &Value, now: &Value) -> Option<String> {
    let one = |what: &str, a: &Value, b: &Value| (a != b).then(|| format!("{what} ({a}, now {b})"));
    if before["movie"]["sha256_of_pixels"] != now["movie"]["sha256_of_pixels"] {
        return Some(format!("movie ({}, now {})", before["movie"]["name"], now["movie"]["name"]));
    }
    let scale = ["nm_per_px", "s_per_frame"].map(|part| one(part, &before["movie"][part], &now["movie"][part]));
    let options = now["options"].as_object().into_iter().flatten();
    let options = options.map(|(name, value)| one(name, &before["options"][name], value));
    let version = one("version of the library", &before["version"], &now["version"]);
    scale.into_iter().chain(options).chain([version]).flatten().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let state = |seed: u64, hash: &str| {
            let movie = json!({ "name": "m", "sha256_of_pixels": hash, "nm_per_px": 0.03, "s_per_frame": 1.0 });
            json!({ "version": "1", "movie": movie, "options": { "seed": seed, "steps": 800 } })
        };
        assert_eq!(differs(&state(1, "a"), &state(1, "a")), None);
        assert_eq!(differs(&state(1, "a"), &state(2, "a")).unwrap(), "seed (1, now 2)");
        assert_eq!(differs(&state(1, "a"), &state(1, "b")).unwrap(), "movie (\"m\", now \"m\")");
    }
}
