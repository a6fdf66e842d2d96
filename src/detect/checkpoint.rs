//! A training on disk: everything that it needs to go on, in one file.

use super::augment::Canvas;
use super::trainer::{Trainer, array, load_weights, weights};
use super::training::Memory;
use crate::device::best_device;
use crate::error::{Error, Result};
use crate::file::{Array, Arrays, cache_folder};
use ndarray::Array2;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tch::Tensor;

const FORMAT: &str = "atomotion checkpoint 1";
const WHAT: &str = "a training";
/// So many checkpoints that nobody named are kept.
const KEPT: usize = 10;
/// Names of Adam's two moments in the file.
const MOMENTS: [&str; 2] = ["adam.mean", "adam.square"];

/// The file in which a training keeps its state.
pub(super) enum Checkpoint {
    /// Named by the user, and theirs to remove.
    Users(PathBuf),
    /// In the cache's folder, removed when the training has finished.
    Ours(PathBuf),
}

impl Checkpoint {
    /// The user's file, or one of our own that nothing else has.
    pub(super) fn of(users: Option<&Path>) -> Checkpoint {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        if let Some(path) = users {
            return Checkpoint::Users(path.to_owned());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs());
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Checkpoint::Ours(folder().join(format!("training-{now}-{}-{number}.safetensors", std::process::id())))
    }

    /// The file that a training was loaded from.
    fn at(path: &Path) -> Checkpoint {
        let ours = path.parent().is_some_and(|parent| parent == folder());
        if ours { Checkpoint::Ours(path.to_owned()) } else { Checkpoint::Users(path.to_owned()) }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Checkpoint::Users(path) | Checkpoint::Ours(path) => path,
        }
    }

    pub(super) fn is_users(&self) -> bool {
        matches!(self, Checkpoint::Users(_))
    }

    pub(super) fn remove(&self) -> Result<()> {
        match std::fs::remove_file(self.path()) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", self.path())(e)),
            _ => Ok(()),
        }
    }
}

fn folder() -> PathBuf {
    cache_folder().join("checkpoints")
}

/// Removes the oldest of our checkpoints where there are more than are kept. What cannot be removed stays.
fn tidy(folder: &Path) {
    let age = |entry: &std::fs::DirEntry| entry.metadata().and_then(|m| m.modified()).unwrap_or(UNIX_EPOCH);
    let mut files: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().collect();
    files.retain(|entry| entry.file_name().to_string_lossy().starts_with("training-"));
    files.sort_by_key(age);
    for old in files.iter().rev().skip(KEPT) {
        let _ = std::fs::remove_file(old.path());
    }
}

impl Trainer {
    /// Writes the training to its own file.
    pub(super) fn keep(&self) -> Result<()> {
        if let (Checkpoint::Ours(path), Some(folder)) = (&self.checkpoint, self.checkpoint.path().parent()) {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
            self.save(path)?;
            tidy(folder);
            return Ok(());
        }
        self.save(self.checkpoint.path())
    }

    /// Saves the training, finished or not, as safetensors: the weights, the optimiser's moments, the labelled frame
    /// and, in the header, the options and losses. [`Detector::resume`](super::Detector::resume) and [`Trainer::load`]
    /// need nothing else. The file is written whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let memory = serde_json::to_string(&self.memory).map_err(|e| Error::format(path, e.to_string()))?;
        let mut arrays = weights(&self.vs)?;
        for (name, moment) in MOMENTS.iter().zip(&self.adam.moments) {
            arrays.insert((*name).into(), array(moment)?);
        }
        let map = |a: &Array2<f32>| -> Array { (a.shape().to_vec(), a.iter().copied().collect()) };
        let Canvas { image, target, weight, labels } = &self.canvas;
        arrays.extend(
            [("canvas.image", image), ("canvas.target", target), ("canvas.weight", weight)]
                .map(|(name, a)| (name.to_string(), map(a))),
        );
        let places = labels.iter().flat_map(|&(y, x)| [y, x]).collect();
        arrays.insert("canvas.labels".into(), (vec![labels.len(), 2], places));
        let header = HashMap::from([("format".to_string(), FORMAT.to_string()), ("memory".to_string(), memory)]);
        Arrays { header, arrays }.write(path)
    }

    /// Loads a training that was interrupted, or that [`Trainer::save`] wrote, onto the GPU where there is one. It keeps
    /// its state in that file from here on.
    ///
    /// # Errors
    /// If the file is missing, damaged, or holds something else.
    pub fn load(path: impl AsRef<Path>) -> Result<Trainer> {
        let path = path.as_ref();
        let mut stored = Arrays::read(path, WHAT)?;
        let memory = memory(path, &stored, FORMAT, WHAT)?;
        let foreign = |why: String| Error::format(path, format!("does not hold {WHAT}: {why}"));
        memory.training.validate().map_err(|e| foreign(e.to_string()))?;
        let canvas = canvas(&mut stored).map_err(foreign)?;
        let mut trainer = Trainer::with_new_weights(canvas, memory, Checkpoint::at(path), best_device());
        load_weights(&trainer.vs, &stored.arrays).map_err(foreign)?;
        for (name, moment) in MOMENTS.iter().zip(&mut trainer.adam.moments) {
            let (_, values) = stored.arrays.get(*name).ok_or_else(|| foreign(format!("{name} is missing")))?;
            if values.len() != moment.numel() {
                return Err(foreign(format!("{name} has {} numbers, not {}", values.len(), moment.numel())));
            }
            *moment = Tensor::from_slice(values).to_device(moment.device());
        }
        trainer.adam.steps = trainer.memory.losses.len() as i32;
        Ok(trainer)
    }
}

/// What crops are cut from, taken out of a file's arrays; says in words what is wrong with it.
fn canvas(stored: &mut Arrays) -> Result<Canvas, String> {
    let mut take = |name: &str| -> Result<Array2<f32>, String> {
        match stored.arrays.remove(name) {
            Some((shape, values)) if shape.len() == 2 => {
                Array2::from_shape_vec((shape[0], shape[1]), values).map_err(|e| format!("{name}: {e}"))
            }
            _ => Err(format!("{name} is missing")),
        }
    };
    let (image, target, weight) = (take("canvas.image")?, take("canvas.target")?, take("canvas.weight")?);
    let places = take("canvas.labels")?;
    if image.dim() != target.dim() || image.dim() != weight.dim() || image.is_empty() || places.ncols() != 2 {
        return Err("its frame, target and weight are not of one size".into());
    }
    Ok(Canvas { image, target, weight, labels: places.rows().into_iter().map(|p| (p[0], p[1])).collect() })
}

/// What a file of `format` remembers of its training.
pub(super) fn memory(path: &Path, stored: &Arrays, format: &str, what: &str) -> Result<Memory> {
    let foreign = |why: String| Error::format(path, format!("does not hold {what}: {why}"));
    match stored.header.get("format").map(String::as_str) {
        Some(found) if found == format => {}
        Some(FORMAT) => {
            return Err(foreign(
                "it is a training under way, which `Detector::resume` and `Trainer::load` read".into(),
            ));
        }
        _ => return Err(foreign(format!("its header does not say \"{format}\""))),
    }
    let memory = stored.header.get("memory").map_or("", String::as_str);
    serde_json::from_str(memory).map_err(|e| foreign(e.to_string()))
}
