//! Opening the project's own datasets by name.

use super::{Calibration, Metadata, Movie};
use crate::defects::read_parquet;
use crate::error::{Error, Result};
use crate::file::cache_folder;
use crate::simulate::{Dataset, unknown_dataset};
use polars::prelude::DataFrame;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The manifest is compiled in, so that names and sizes are known wherever the library is used.
const MANIFEST: &str = include_str!("../../datasets/manifest.json");

/// What the manifest says of every dataset, by name.
///
/// ```
/// let datasets = atomotion::movie::datasets()?;
/// assert_eq!(datasets["ws2-beam"].shape, [100, 384, 384]);
/// # Ok::<(), atomotion::Error>(())
/// ```
///
/// # Errors
/// If the manifest that the library was compiled with is damaged.
pub fn datasets() -> Result<BTreeMap<String, Dataset>> {
    serde_json::from_str(MANIFEST).map_err(|e| Error::data(format!("the manifest of the datasets is damaged: {e}")))
}

/// Where datasets may lie: the folder that `ATOMOTION_DATA` names, the clone's `datasets`, the cache's.
fn folders() -> Vec<PathBuf> {
    let named = std::env::var_os("ATOMOTION_DATA").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let clone = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets");
    named.into_iter().chain([clone, cache_folder().join("datasets")]).collect()
}

/// The place of one of a dataset's files.
fn find(name: &str, ending: &str) -> Result<(PathBuf, Dataset)> {
    let dataset = datasets()?.remove(name).ok_or_else(|| unknown_dataset(name))?;
    let file = format!("{name}.{ending}");
    let make = format!("`cargo lab dataset {name}` makes it from its seed");
    let Some(path) = folders().into_iter().map(|folder| folder.join(&file)).find(|path| path.is_file()) else {
        let places = "the folder that ATOMOTION_DATA names, the clone's datasets/, the cache's datasets/";
        return Err(Error::data(format!("{file} is in none of these: {places}. {make}")));
    };
    let bytes = std::fs::metadata(&path).map_err(Error::io("open", &path))?.len();
    match dataset.files.get(&file) {
        Some(expected) if expected.bytes != bytes => Err(Error::format(
            path,
            format!("has {bytes} bytes, not {}: it is damaged, or of another version. {make}", expected.bytes),
        )),
        _ => Ok((path, dataset)),
    }
}

impl Movie {
    /// Opens one of the project's own movies by name, from anywhere: `ws2-beam`, `ws2-beam-recorded`, `ws2-tiny`, and
    /// what `cargo lab dataset NAME` has made. [`dataset_truth`] has what is true of it.
    ///
    /// ```
    /// use atomotion::prelude::*;
    /// let movie = Movie::dataset("ws2-tiny")?;
    /// assert_eq!((movie.len(), movie.height()), (8, 128));
    /// assert_eq!(movie.metadata().get("voltage_kv"), Some("100"));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is none of this name, with the names of those there are; if its file is not found, or damaged.
    pub fn dataset(name: &str) -> Result<Movie> {
        let (path, dataset) = find(name, "npz")?;
        let mut metadata = Metadata::default();
        dataset.metadata.iter().for_each(|(name, value)| metadata.add(name, value));
        let calibration = Calibration::new(dataset.nm_per_px, dataset.s_per_frame)?;
        Ok(Movie::open(path)?.with_calibration(calibration).with_metadata(metadata).with_name(name))
    }

    /// The movie that a notebook works on: the one that `ATOMOTION_MOVIE` names (a path, or a dataset's name), else this
    /// dataset. `cargo lab run NOTEBOOK --movie PATH` sets it; `ATOMOTION_MOVIE=ws2-tiny` makes every notebook quick.
    ///
    /// ```
    /// use atomotion::prelude::*;
    /// let movie = Movie::of_notebook("ws2-tiny")?;
    /// println!("{}", movie.name());
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Movie::open`] and [`Movie::dataset`].
    pub fn of_notebook(usual: &str) -> Result<Movie> {
        let named = std::env::var("ATOMOTION_MOVIE").ok().filter(|name| !name.is_empty());
        let name = named.as_deref().unwrap_or(usual);
        if !Path::new(name).exists() && datasets()?.contains_key(name) {
            return Movie::dataset(name);
        }
        Movie::open(name)
    }
}

/// Every defect of every frame of a dataset; [`Recording`](crate::simulate::Recording) explains the columns.
///
/// # Errors
/// As [`Movie::dataset`].
pub fn dataset_truth(name: &str) -> Result<DataFrame> {
    read_parquet(find(name, "truth.parquet")?.0)
}

/// Every event of a dataset: hops, atoms lost, holes; see [`Evolution`](crate::simulate::Evolution).
///
/// # Errors
/// As [`Movie::dataset`].
pub fn dataset_events(name: &str) -> Result<DataFrame> {
    read_parquet(find(name, "events.parquet")?.0)
}

/// Where each frame of a dataset is displaced to.
///
/// # Errors
/// As [`Movie::dataset`].
pub fn dataset_drift(name: &str) -> Result<DataFrame> {
    read_parquet(find(name, "drift.parquet")?.0)
}
