//! A trained network: training in one call, saving, loading.

use super::labels::Labels;
use super::network::Network;
use super::trainer::{Trainer, load_weights, weights};
use super::training::{Memory, Training};
use crate::device::{best_device, describe};
use crate::error::{Error, Result};
use crate::file::Arrays;
use crate::progress::{Progress, Reporter};
use std::collections::HashMap;
use std::path::Path;
use tch::{Device, nn};

const FORMAT: &str = "atomotion detector 1";

/// A network that says which pixels of a frame belong to a defect.
///
/// ```
/// use atomotion::{detect::{Detector, PeriodicityBreak, Training}, simulate::Ws2};
/// let movie = Ws2::default().with_size_px(128).simulate(3)?.movie;
/// let labels = PeriodicityBreak::default().label(&movie.frame(0)?)?;
/// let detector = Detector::train(&labels, &Training::default().with_steps(10))?; // 400 for use
/// let defects = detector.find(&movie)?;
/// assert_eq!(detector.losses().len(), 10);
/// # Ok::<(), atomotion::Error>(())
/// ```
///
/// Training can be interrupted and goes on exactly where it was. What it has learnt so far is in a file that the error
/// names, for [`Detector::resume`]; [`Detector::trainer`] keeps it in a variable.
pub struct Detector {
    pub(super) vs: nn::VarStore,
    pub(super) network: Network,
    pub(super) memory: Memory,
}

impl Detector {
    /// Trains on the labels of one frame, on the GPU where there is one, and shows progress.
    ///
    /// # Errors
    /// If an option is out of range, there is no label to learn from, the frame is smaller than what the network looks
    /// at, or training diverges. [`Error::Interrupted`] names the file that [`Detector::resume`] goes on from.
    pub fn train(labels: &Labels, training: &Training) -> Result<Detector> {
        Detector::train_with(labels, training, best_device(), &mut Reporter::new("training", "steps"))
    }

    /// Trains on a device of choice, telling `progress`.
    ///
    /// # Errors
    /// As [`Detector::train`].
    pub fn train_with(
        labels: &Labels,
        training: &Training,
        device: Device,
        progress: &mut dyn Progress,
    ) -> Result<Detector> {
        Trainer::new(labels, training, device)?.finish(progress)
    }

    /// A training to be run in steps: interrupted, looked at, and gone on with.
    ///
    /// # Errors
    /// As [`Detector::train`].
    pub fn trainer(labels: &Labels, training: &Training) -> Result<Trainer> {
        Trainer::new(labels, training, best_device())
    }

    /// Goes on with a training that was interrupted, from the file that the error named, with the same result as if it
    /// had not been. The file is all that is needed; a training that had finished gives its detector at once.
    ///
    /// # Errors
    /// If the file is missing or damaged, and as [`Detector::train`].
    pub fn resume(checkpoint: impl AsRef<Path>) -> Result<Detector> {
        Trainer::load(checkpoint)?.finish(&mut Reporter::new("training", "steps"))
    }

    /// Loss of every training step.
    #[must_use]
    pub fn losses(&self) -> &[f32] {
        &self.memory.losses
    }

    /// Saves the weights as safetensors; the header says what they are and how they were trained.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let memory = serde_json::to_string(&self.memory).map_err(|e| Error::format(path, e.to_string()))?;
        let header = HashMap::from([("format".to_string(), FORMAT.to_string()), ("memory".to_string(), memory)]);
        Arrays { header, arrays: weights(&self.vs)? }.write(path)
    }

    /// Loads weights that [`Detector::save`] wrote.
    ///
    /// # Errors
    /// If the file is missing, is not safetensors, or was not written by this version's detector.
    pub fn load(path: impl AsRef<Path>) -> Result<Detector> {
        const WHAT: &str = "a detector's weights";
        let path = path.as_ref();
        let stored = Arrays::read(path, WHAT)?;
        let memory = super::checkpoint::memory(path, &stored, FORMAT, WHAT)?;
        let vs = nn::VarStore::new(best_device());
        let network = Network::new(&vs.root());
        load_weights(&vs, &stored.arrays).map_err(|why| Error::format(path, format!("does not hold {WHAT}: {why}")))?;
        Ok(Detector { vs, network, memory })
    }
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let m = &self.memory;
        let (loss, of) = m.last_losses();
        let steps = match (m.losses.len(), m.training.steps) {
            (taken, all) if taken < all => format!("{taken} of {all} steps"),
            (taken, _) => format!("{taken} steps"),
        };
        write!(
            f,
            "Detector trained on {} of {} (noise alone: about {:.1}) in {steps} (loss {loss:.4}, mean of the last {of}), \
             on {}",
            if m.labels == 1 { "1 label".into() } else { format!("{} labels", m.labels) },
            m.source,
            m.expected_false,
            describe(self.vs.device()),
        )
    }
}
