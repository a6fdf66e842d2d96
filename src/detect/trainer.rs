//! A training under way: it can be stopped after any step, looked at, kept in a file, and gone on with.

use super::adam::Adam;
use super::augment::Canvas;
use super::checkpoint::Checkpoint;
use super::detector::Detector;
use super::labels::Labels;
use super::network::{Network, focal_loss};
use super::training::{Memory, Training, canvas, tensor};
use crate::error::{Error, Result};
use crate::file::Array;
use crate::progress::{Progress, Reporter};
use crate::session::seeded;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor, nn};

/// A crash loses at most so much work.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(60);

/// A training that can be interrupted, looked at and gone on with. The steps after an interruption are the same as
/// without it: the same losses and weights, to the last bit, on the same machine.
///
/// ```
/// use atomotion::prelude::*;
/// # let movie = Ws2::default().with_size_px(128).simulate(3)?.movie;
/// # let labels = PeriodicityBreak::default().label(&movie.frame(0)?)?;
/// let mut trainer = Detector::trainer(&labels, &Training::default().with_steps(10))?; // 400 for use
/// trainer.run()?; // if the cell is interrupted here, the next one can say the same and go on
/// let detector = trainer.detector()?;
/// # Ok::<(), Error>(())
/// ```
pub struct Trainer {
    pub(super) canvas: Canvas,
    pub(super) vs: nn::VarStore,
    pub(super) network: Network,
    pub(super) adam: Adam,
    pub(super) memory: Memory,
    pub(super) checkpoint: Checkpoint,
}

impl Trainer {
    pub(super) fn new(labels: &Labels, training: &Training, device: Device) -> Result<Trainer> {
        training.validate()?;
        let canvas = canvas(labels)?;
        tch::manual_seed(training.seed as i64);
        let checkpoint = Checkpoint::of(training.checkpoint.as_deref());
        Ok(Trainer::with_new_weights(canvas, Memory::new(labels, training), checkpoint, device))
    }

    pub(super) fn with_new_weights(canvas: Canvas, memory: Memory, checkpoint: Checkpoint, device: Device) -> Trainer {
        seeded("Training", memory.training.seed);
        let vs = nn::VarStore::new(device);
        let network = Network::new(&vs.root());
        let adam = Adam::new(&vs);
        Trainer { canvas, vs, network, adam, memory, checkpoint }
    }

    /// Takes the steps that are left, and shows progress.
    ///
    /// # Errors
    /// If training diverges or libtorch refuses. After [`Error::Interrupted`] the trainer goes on where it was.
    pub fn run(&mut self) -> Result<()> {
        self.run_with(&mut Reporter::new("training", "steps"))
    }

    /// Takes the steps that are left, telling `progress`.
    ///
    /// # Errors
    /// As [`Trainer::run`].
    pub fn run_with(&mut self, progress: &mut dyn Progress) -> Result<()> {
        self.run_or(progress, "`trainer.run()?` goes on from there and `trainer.detector()?` is the detector so far")
    }

    /// The steps that are left, and the detector: for callers that keep no trainer.
    pub(super) fn finish(mut self, progress: &mut dyn Progress) -> Result<Detector> {
        self.run_or(progress, "")?;
        Ok(Detector { vs: self.vs, network: self.network, memory: self.memory })
    }

    /// Takes the steps that are left; when interrupted, `else_how` says how to go on, and a file does in any case.
    fn run_or(&mut self, progress: &mut dyn Progress, else_how: &str) -> Result<()> {
        let all = self.memory.training.steps;
        if self.checkpoint.is_users() {
            self.keep()?; // a file that cannot be written is better known now than in an hour
        }
        let (mut saved, mut trouble) = (Instant::now(), String::new());
        progress.losses(&self.memory.losses);
        progress.update(self.steps(), all, "");
        while self.steps() < all {
            if progress.interrupted() {
                return Err(self.interrupted(else_how));
            }
            self.step()?;
            if saved.elapsed() > BETWEEN_CHECKPOINTS || self.steps() == all {
                trouble = self.keep_or_remove().err().map_or(String::new(), |e| format!(", no checkpoint: {e}"));
                saved = Instant::now();
            }
            progress.losses(&self.memory.losses);
            progress.update(self.steps(), all, &format!("loss {:.4}{trouble}", self.memory.last_losses().0));
        }
        Ok(())
    }

    /// Writes the checkpoint, or removes one that nobody named and nobody needs any more. Trouble with it is told and
    /// ends no training.
    fn keep_or_remove(&self) -> Result<()> {
        let needed = self.steps() < self.memory.training.steps || self.checkpoint.is_users();
        if needed { self.keep() } else { self.checkpoint.remove() }
    }

    fn interrupted(&mut self, else_how: &str) -> Error {
        let file = match self.keep() {
            Ok(()) => format!("`Detector::resume({:?})?` goes on from there", self.checkpoint.path()),
            Err(problem) => format!("they could not be kept in a file ({problem})"),
        };
        let how = if else_how.is_empty() { file } else { format!("{else_how}; in another session {file}") };
        let (done, all) = (self.steps(), self.memory.training.steps);
        Error::interrupted(format!("after {done} of {all} training steps"), format!("these steps. {how}"))
    }

    fn step(&mut self) -> Result<()> {
        let (training, step, device) = (&self.memory.training, self.memory.losses.len(), self.vs.device());
        let batch = training.augment.batch(&self.canvas, training.batch, step as u64, training.seed);
        let logits = self.network.logits(&tensor(&batch.image, device), true);
        let (target, weight) = (tensor(&batch.target, device), tensor(&batch.weight, device));
        let loss = focal_loss(&logits, &target, &weight, training.positive_share);
        self.adam.step(&loss, training.rate(step))?;
        let value = loss.f_double_value(&[])? as f32;
        if !value.is_finite() {
            return Err(Error::data(format!(
                "training diverged at step {step} (loss {value}): lower learning_rate, now {}",
                training.learning_rate
            )));
        }
        self.memory.losses.push(value);
        Ok(())
    }

    /// Steps taken so far.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.memory.losses.len()
    }

    /// Loss of every step so far.
    #[must_use]
    pub fn losses(&self) -> &[f32] {
        &self.memory.losses
    }

    /// A detector of the steps so far. The trainer goes on without touching it.
    ///
    /// # Errors
    /// If no step has been taken.
    pub fn detector(&self) -> Result<Detector> {
        if self.memory.losses.is_empty() {
            return Err(Error::data("no training step has been taken yet: `trainer.run()?` takes them"));
        }
        let vs = nn::VarStore::new(self.vs.device());
        let network = Network::new(&vs.root());
        let ours = self.vs.variables();
        for (name, mut value) in vs.variables() {
            tch::no_grad(|| value.f_copy_(&ours[&name]))?;
        }
        Ok(Detector { vs, network, memory: self.memory.clone() })
    }
}

/// Every variable of a network, on the CPU.
pub(super) fn weights(vs: &nn::VarStore) -> Result<BTreeMap<String, Array>> {
    vs.variables().into_iter().map(|(name, value)| Ok((name, array(&value)?))).collect()
}

/// A tensor's shape and elements.
pub(super) fn array(tensor: &Tensor) -> Result<Array> {
    let flat = tensor.to_device(Device::Cpu).to_kind(Kind::Float).f_flatten(0, -1)?;
    Ok((tensor.size().iter().map(|&n| n as usize).collect(), Vec::<f32>::try_from(flat)?))
}

/// Fills a network's variables, wherever they live; says in words what does not fit.
pub(super) fn load_weights(vs: &nn::VarStore, arrays: &BTreeMap<String, Array>) -> Result<(), String> {
    for (name, mut value) in vs.variables() {
        let Some((shape, values)) = arrays.get(&name) else { return Err(format!("{name} is missing")) };
        let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        if shape != value.size() {
            return Err(format!("{name} has shape {shape:?}, the network's has {:?}", value.size()));
        }
        let stored = Tensor::from_slice(values).view(shape.as_slice());
        tch::no_grad(|| value.f_copy_(&stored)).map_err(|e| e.to_string())?;
    }
    Ok(())
}

impl std::fmt::Debug for Trainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (done, all) = (self.steps(), self.memory.training.steps);
        write!(f, "Trainer at {done} of {all} steps")?;
        if done > 0 {
            let (loss, of) = self.memory.last_losses();
            write!(f, " (loss {loss:.4}, mean of the last {of})")?;
        }
        write!(f, ", on {}, {}", self.memory.source, crate::device::describe(self.vs.device()))?;
        if done < all { f.write_str(": `trainer.run()?` goes on") } else { Ok(()) }
    }
}
