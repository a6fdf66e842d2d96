//! The movies that come with the project, and how each is made.

use super::experiment::Experiment;
use super::pack::npz;
use crate::defects::write_parquet;
use crate::error::{Error, Result};
use crate::file::write_whole;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// A file of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetFile {
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the contents, in hexadecimal.
    pub sha256: String,
}

/// What the manifest says of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dataset {
    /// What it is, in a line.
    pub about: String,
    /// Whether it lies in the repository; else `cargo lab dataset NAME` makes it.
    pub stored: bool,
    /// Frames, height, width.
    pub shape: [usize; 3],
    /// Nanometres per pixel.
    pub nm_per_px: f64,
    /// Seconds from one frame to the next.
    pub s_per_frame: f64,
    /// Names and values of the movie's metadata; they hold every option, and the seed.
    pub metadata: Vec<(String, String)>,
    /// By their names: `NAME.npz` (the counts), `NAME.truth.parquet`, `NAME.events.parquet`, `NAME.drift.parquet`.
    pub files: BTreeMap<String, DatasetFile>,
}

/// How a dataset is made.
struct Recipe {
    name: &'static str,
    about: &'static str,
    stored: bool,
    experiment: Experiment,
    seed: u64,
    /// Whether counts are rounded: a detector's afterglow leaves parts of one.
    round: bool,
}

const SEED: u64 = 2019;

fn recipes() -> Vec<Recipe> {
    let sized = |mut experiment: Experiment, frames: usize, size_px: usize| {
        experiment.imaging.size_px = size_px;
        experiment.with_frames(frames)
    };
    // The same specimen, of which the frame shows less: smaller files.
    let cut = |mut experiment: Experiment, px: usize| {
        experiment.margin_nm += px as f64 * experiment.imaging.nm_per_px;
        experiment.imaging.size_px -= 2 * px;
        experiment
    };
    let (clean, recorded) = (Experiment::ws2, Experiment::ws2_as_recorded);
    let recipe = |name, about, stored, experiment, round| Recipe { name, about, stored, experiment, seed: SEED, round };
    vec![
        recipe("ws2-beam", "Mo-doped WS2 under the beam, clean", true, sized(clean(), 100, 384), false),
        recipe(
            "ws2-beam-recorded",
            "the events of ws2-beam as recorded, less 12 pixels all around, rounded to whole counts",
            true,
            cut(sized(recorded(), 100, 384), 12),
            true,
        ),
        recipe("ws2-tiny", "eight small frames of Mo-doped WS2, clean", true, sized(clean(), 8, 128), false),
        recipe("ws2-beam-full", "ws2-beam with frames of 512 x 512 pixels", false, sized(clean(), 100, 512), false),
        recipe(
            "ws2-beam-recorded-full",
            "ws2-beam-recorded with frames of 512 x 512 pixels",
            false,
            sized(recorded(), 100, 512),
            true,
        ),
    ]
}

/// Names of all datasets.
#[must_use]
pub fn dataset_names() -> Vec<&'static str> {
    recipes().iter().map(|r| r.name).collect()
}

/// Makes a dataset from its seed and writes its files into a folder: the same bytes each time. Returns what the manifest
/// says of it.
///
/// # Errors
/// If there is none of this name, with the names of those there are; if a file cannot be written.
pub fn make_dataset(name: &str, folder: impl AsRef<Path>) -> Result<Dataset> {
    let folder = folder.as_ref();
    let recipe = recipes().into_iter().find(|r| r.name == name).ok_or_else(|| unknown_dataset(name))?;
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let recording = recipe.experiment.simulate(recipe.seed)?;
    let mut files = BTreeMap::new();
    let mut note = |file: String| -> Result<()> {
        let bytes = std::fs::read(folder.join(&file)).map_err(Error::io("read", folder.join(&file)))?;
        let sha256 = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        files.insert(file, DatasetFile { bytes: bytes.len() as u64, sha256 });
        Ok(())
    };
    for (kind, table) in [
        ("truth", recording.truth.clone()),
        ("events", recording.evolution.events_table()?),
        ("drift", recording.drift()?),
    ] {
        let file = format!("{name}.{kind}.parquet");
        write_parquet(&table, folder.join(&file))?;
        note(file)?;
    }
    // The counts last: where they are, all of it is.
    let file = format!("{name}.npz");
    write_whole(&folder.join(&file), &npz(&recording.movie, recipe.round)?)?;
    note(file)?;
    let (movie, imaging) = (&recording.movie, &recipe.experiment.imaging);
    Ok(Dataset {
        about: recipe.about.into(),
        stored: recipe.stored,
        shape: [movie.len(), movie.height(), movie.width()],
        nm_per_px: imaging.nm_per_px,
        s_per_frame: imaging.s_per_frame,
        metadata: movie.metadata().iter().map(|(name, value)| (name.into(), value.into())).collect(),
        files,
    })
}

pub(crate) fn unknown_dataset(name: &str) -> Error {
    Error::data(format!("there is no dataset \"{name}\": the names are {}", dataset_names().join(", ")))
}
