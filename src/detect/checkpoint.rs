//! A training on disk: everything that it needs to go on, in one file.

use super::ground::{canvas_of, canvas_to};
use super::member::{Member, array};
use super::memory::Memory;
use super::trainer::Trainer;
use crate::device::best_device;
use crate::error::{Error, Result};
use crate::file::{Arrays, cache_folder};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tch::Tensor;

const FORMAT: &str = "atomotion checkpoint 4";
const WHAT: &str = "a training";
/// So many checkpoints that nobody named are kept.
const KEPT: usize = 10;
/// Names of Adam's two moments in the file, and of the running mean of the weights.
const MOMENTS: [&str; 2] = ["adam.mean", "adam.square"];
const AVERAGE: &str = "average";

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

    /// Saves the training, finished or not, as safetensors: the weights, their running mean, the optimiser's moments, the
    /// labelled frames and, in the header, the options and losses. [`Detector::resume`](super::Detector::resume) and
    /// [`Trainer::load`] need nothing else. The file is written whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut arrays = self.descent.member.weights()?;
        for (name, moment) in MOMENTS.iter().zip(&self.descent.adam.moments) {
            arrays.insert((*name).into(), array(moment)?);
        }
        arrays.insert(AVERAGE.into(), array(&self.average.mean)?);
        for (i, member) in self.done.iter().enumerate() {
            arrays.extend(member.weights()?.into_iter().map(|(name, value)| (format!("{}{name}", prefix(i)), value)));
        }
        for (i, canvas) in self.canvases.iter().enumerate() {
            canvas_to(canvas, &format!("frame{i}."), &mut arrays);
        }
        Arrays { header: header(path, FORMAT, &self.memory)?, arrays }.write(path)
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
        let canvas = |i: usize| canvas_of(&mut stored.arrays, &format!("frame{i}."), &memory).map_err(foreign);
        let canvases = (0..memory.frames.max(1)).map(canvas).collect::<Result<Vec<_>>>()?;
        let device = best_device();
        let mut trainer = Trainer::with_new_weights(canvases, memory, Checkpoint::at(path), device)?;
        trainer.descent.member.load(&stored.arrays, "").map_err(foreign)?;
        for i in 0..trainer.memory.network() {
            let member = Member::new(&trainer.memory.training, 0, device)?;
            member.load(&stored.arrays, &prefix(i)).map_err(foreign)?;
            trainer.done.push(member);
        }
        let like = |name: &str, tensor: &Tensor| {
            let (_, values) = stored.arrays.get(name).ok_or_else(|| foreign(format!("{name} is missing")))?;
            if values.len() != tensor.numel() {
                return Err(foreign(format!("{name} has {} numbers, not {}", values.len(), tensor.numel())));
            }
            Ok(Tensor::f_from_slice(values)?.f_to_device(tensor.device())?)
        };
        trainer.average.mean = like(AVERAGE, &trainer.average.mean)?;
        let adam = &mut trainer.descent.adam;
        for (name, moment) in MOMENTS.iter().zip(&mut adam.moments) {
            *moment = like(name, moment)?;
        }
        adam.steps = trainer.memory.step() as i32;
        Ok(trainer)
    }
}

/// What the names of a finished network's weights begin with.
pub(super) fn prefix(network: usize) -> String {
    format!("network{network}.")
}

/// A file's header: all that is remembered, and in plain words what a reader of the file may look for.
pub(super) fn header(path: &Path, format: &str, memory: &Memory) -> Result<HashMap<String, String>> {
    let text = |v: serde_json::Result<String>| v.map_err(|e| Error::format(path, e.to_string()));
    let training = &memory.training;
    let (loss, _) = memory.last_losses();
    let mut metrics = format!("loss {loss:.5} after {} steps", memory.losses.len());
    if let Some(last) = memory.held_out.last() {
        metrics.push_str(&format!("; held out: loss {:.5}, F1 {:.3}", last.loss, last.f1));
    }
    Ok(HashMap::from([
        ("format".to_string(), format.to_string()),
        ("memory".to_string(), text(serde_json::to_string(memory))?),
        ("architecture".to_string(), format!("{:?}", training.architecture)),
        ("options".to_string(), text(serde_json::to_string(training))?),
        ("data".to_string(), memory.source.clone()),
        ("seed".to_string(), training.seed.to_string()),
        ("metrics".to_string(), metrics),
    ]))
}

/// What a file of `format` remembers of its training.
pub(super) fn memory(path: &Path, stored: &Arrays, format: &str, what: &str) -> Result<Memory> {
    let foreign = |why: String| Error::format(path, format!("does not hold {what}: {why}"));
    let found = stored.header.get("format").map_or("", String::as_str);
    let kind = |format: &str| format.trim_end_matches(char::is_numeric).to_owned();
    if found == FORMAT && found != format {
        return Err(foreign("it is a training under way, which `Detector::resume` and `Trainer::load` read".into()));
    }
    if found != format && kind(found) == kind(format) {
        return Err(foreign(format!(
            "it says \"{found}\", and this version of the library reads \"{format}\": train again, or load it with the \
             version that wrote it"
        )));
    }
    if found != format {
        return Err(foreign(format!("its header does not say \"{format}\"")));
    }
    let memory = stored.header.get("memory").map_or("", String::as_str);
    serde_json::from_str(memory).map_err(|e| foreign(e.to_string()))
}
