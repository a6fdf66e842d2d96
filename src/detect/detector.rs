//! A trained network: training in one call, saving, loading.

use super::checkpoint::{header, memory, prefix};
use super::labels::Labels;
use super::member::Member;
use super::memory::{HeldOut, Memory};
use super::trainer::Trainer;
use super::training::{Channel, Training};
use crate::device::{best_device, describe};
use crate::error::{Error, Result};
use crate::file::Arrays;
use crate::progress::{Progress, Reporter};
use std::collections::BTreeMap;
use std::path::Path;
use tch::Device;

const FORMAT: &str = "atomotion detector 4";

/// A network, or an ensemble of them, that says which pixels of a frame belong to a defect.
///
/// ```
/// use atomotion::{detect::{Detector, PeriodicityBreak, Training}, simulate::Ws2};
/// let movie = Ws2::default().with_size_px(128).simulate(3)?.movie;
/// let labels = PeriodicityBreak::default().label(&movie.frame(0)?)?;
/// let detector = Detector::train(&labels, &Training::default().with_steps(10))?; // 800 for use
/// let defects = detector.find(&movie)?;
/// assert_eq!(detector.losses().len(), 10);
/// # Ok::<(), atomotion::Error>(())
/// ```
///
/// Training can be interrupted and goes on exactly where it was. What it has learnt so far is in a file that the error
/// names, for [`Detector::resume`]; [`Detector::trainer`] keeps it in a variable.
pub struct Detector {
    /// At least one.
    pub(super) members: Vec<Member>,
    pub(super) memory: Memory,
}

impl Detector {
    /// Trains on the labels of one frame, or of several (`&[first, late]`), on the GPU where there is one, and shows
    /// progress.
    ///
    /// # Errors
    /// If an option is out of range, there is no label to learn from, a frame is smaller than what the network looks at,
    /// frames differ in magnification, or training diverges. [`Error::Interrupted`] names the file that [`Detector::resume`] goes on from.
    pub fn train(labels: &(impl AsRef<[Labels]> + ?Sized), training: &Training) -> Result<Detector> {
        Detector::train_with(labels, training, best_device(), &mut Reporter::new("training", "steps"))
    }

    /// Trains on a device of choice, telling `progress`.
    ///
    /// # Errors
    /// As [`Detector::train`].
    pub fn train_with(
        labels: &(impl AsRef<[Labels]> + ?Sized),
        training: &Training,
        device: Device,
        progress: &mut dyn Progress,
    ) -> Result<Detector> {
        Trainer::new(labels.as_ref(), training, device)?.finish(progress)
    }

    /// A training to be run in steps: interrupted, looked at, and gone on with.
    ///
    /// # Errors
    /// As [`Detector::train`].
    pub fn trainer(labels: &(impl AsRef<[Labels]> + ?Sized), training: &Training) -> Result<Trainer> {
        Trainer::new(labels.as_ref(), training, best_device())
    }

    /// Goes on with a training that was interrupted, from the file that the error named, on the GPU where there is one;
    /// where it began on the same device, with the same result as if it had not been interrupted, and else but for
    /// rounding. The file is all that is needed; a training that had finished gives its detector at once.
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

    /// How well each look at the held-out part of the frame found the networks; none where nothing was held out.
    #[must_use]
    pub fn held_out(&self) -> &[HeldOut] {
        &self.memory.held_out
    }

    /// What each channel of the network's maps is the probability of.
    #[must_use]
    pub fn channels(&self) -> &'static [Channel] {
        self.memory.training.output.channels()
    }

    /// How many networks it has.
    #[must_use]
    pub fn networks(&self) -> usize {
        self.members.len()
    }

    /// How it was trained.
    #[must_use]
    pub fn training(&self) -> &Training {
        &self.memory.training
    }

    /// Where its weights are.
    #[must_use]
    pub fn device(&self) -> Device {
        self.members.first().map_or(Device::Cpu, |m| m.vs.device())
    }

    /// Pixels (of the binned frame) that a prediction can see across.
    #[must_use]
    pub fn field_px(&self) -> usize {
        self.memory.training.architecture.field_px()
    }

    /// Moves the weights to another device.
    ///
    /// # Errors
    /// If the device is not there, or has no memory for them.
    pub fn to_device(&mut self, device: Device) -> Result<()> {
        let before = self.device();
        let moved = self.members.iter_mut().try_for_each(|m| m.move_to(device));
        if moved.is_err() {
            // All where the first was; what they left is free again.
            self.members.iter_mut().try_for_each(|m| m.move_to(before))?;
        }
        moved
    }

    /// Saves the weights as safetensors; the header says what they are and how they were trained: `format`,
    /// `architecture`, `options`, `data`, `seed`, `metrics` and, for [`Detector::load`], `memory`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut arrays = BTreeMap::new();
        for (i, member) in self.members.iter().enumerate() {
            arrays.extend(member.weights()?.into_iter().map(|(name, value)| (format!("{}{name}", prefix(i)), value)));
        }
        Arrays { header: header(path, FORMAT, &self.memory)?, arrays }.write(path)
    }

    /// Loads weights that [`Detector::save`] wrote, on whatever device, onto the GPU where there is one.
    ///
    /// # Errors
    /// If the file is missing, is not safetensors, or was not written by this version's detector.
    pub fn load(path: impl AsRef<Path>) -> Result<Detector> {
        const WHAT: &str = "a detector's weights";
        let path = path.as_ref();
        let stored = Arrays::read(path, WHAT)?;
        let memory = memory(path, &stored, FORMAT, WHAT)?;
        let foreign = |why: String| Error::format(path, format!("does not hold {WHAT}: {why}"));
        memory.training.validate().map_err(|e| foreign(e.to_string()))?;
        // A detector of a training under way may have fewer networks than were asked for.
        let there = |i: &usize| stored.arrays.keys().any(|name| name.starts_with(&prefix(*i)));
        let count = (0..memory.training.networks).take_while(there).count().max(1);
        let mut members = vec![];
        for i in 0..count {
            let member = Member::new(&memory.training, 0, best_device())?;
            member.load(&stored.arrays, &prefix(i)).map_err(foreign)?;
            members.push(member);
        }
        Ok(Detector { members, memory })
    }
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let m = &self.memory;
        let (loss, of) = m.last_losses();
        let steps = match (m.losses.len(), m.all_steps()) {
            (taken, all) if taken < all => format!("{taken} of {all} steps"),
            (taken, _) => format!("{taken} steps"),
        };
        write!(
            f,
            "Detector{} trained on {} of {} (noise alone: about {:.1}) in {steps} (loss {loss:.4}, mean of the last {of}), \
             on {}",
            if self.members.len() > 1 { format!(" of {} networks", self.members.len()) } else { String::new() },
            if m.labels == 1 { "1 label".into() } else { format!("{} labels", m.labels) },
            m.source,
            m.expected_false,
            describe(self.device()),
        )?;
        match m.held_out.last() {
            Some(h) => write!(f, ". Held out of the frame: loss {:.4}, F1 {:.2}", h.loss, h.f1),
            None => Ok(()),
        }
    }
}
