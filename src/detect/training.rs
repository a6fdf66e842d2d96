//! Training a detector on the labels of one frame.

use super::augment::{Augment, Canvas};
use super::filter::weighted_gaussian;
use super::network::{FIELD, Network, focal_loss};
use super::periodicity::Labels;
use crate::device::best_device;
use crate::error::{Error, Result, check, setters};
use crate::progress::{Printed, Progress};
use ndarray::{Array2, Array3};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;
use tch::nn::{self, OptimizerConfig};
use tch::{Device, Kind, Tensor};

const FORMAT: &str = "atomotion detector 1";

/// How a detector is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Optimiser steps.
    pub steps: usize,
    /// Crops per step.
    pub batch: usize,
    /// Highest learning rate of Adam; it rises over the first tenth of the steps and falls as a cosine after.
    pub learning_rate: f64,
    /// Share of the focal loss that goes to defect pixels, which are few.
    pub positive_share: f64,
    /// How crops are varied.
    pub augment: Augment,
    /// Seed of the weights and of every crop.
    pub seed: u64,
}

impl Default for Training {
    fn default() -> Self {
        Training {
            steps: 400,
            batch: 16,
            learning_rate: 4e-3,
            positive_share: 0.75,
            augment: Augment::default(),
            seed: 1,
        }
    }
}

/// What a detector remembers of its training; saved with the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    pub training: Training,
    /// Frames are binned by this before the network sees them.
    pub bin: usize,
    /// Lattice period in binned pixels.
    pub period_px: f64,
    pub source: String,
    pub labels: usize,
    /// How many of the labels noise alone was expected to give.
    pub expected_false: f64,
    /// Loss of every step.
    pub losses: Vec<f32>,
}

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
pub struct Detector {
    pub(super) vs: nn::VarStore,
    pub(super) network: Network,
    pub(super) memory: Memory,
}

impl Training {
    setters! {
        steps: usize => with_steps,
        batch: usize => with_batch,
        learning_rate: f64 => with_learning_rate,
        positive_share: f64 => with_positive_share,
        augment: Augment => with_augment,
        seed: u64 => with_seed,
    }

    fn validate(&self) -> Result<()> {
        check("steps", self.steps, self.steps > 0, "at least 1; 400 is usual")?;
        check("batch", self.batch, (1..=4096).contains(&self.batch), "from 1 to 4096 crops")?;
        let rate = self.learning_rate;
        check("learning_rate", rate, rate.is_finite() && rate > 0.0 && rate < 1.0, "between 0 and 1; 0.004 is usual")?;
        check(
            "positive_share",
            self.positive_share,
            self.positive_share > 0.0 && self.positive_share < 1.0,
            "between 0 and 1",
        )?;
        self.augment.validate()
    }

    /// Learning rate of a step.
    fn rate(&self, step: usize) -> f64 {
        let warm = (self.steps / 10).max(1);
        if step < warm {
            return self.learning_rate * (step + 1) as f64 / warm as f64;
        }
        let t = (step - warm) as f64 / (self.steps - warm).max(1) as f64;
        self.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * t).cos()).max(0.02)
    }
}

/// What the network sees: the slow background taken out, unit variance.
pub(super) fn normalise(image: &Array2<f32>, period_px: f64) -> Array2<f32> {
    let background = weighted_gaussian(image, &Array2::ones(image.dim()), (2.0 * period_px) as f32);
    let flat = image - &background;
    let deviation = flat.std(0.0);
    flat / deviation.max(f32::MIN_POSITIVE)
}

/// (batch, height, width) as a tensor with one channel.
pub(super) fn tensor(stack: &Array3<f32>, device: Device) -> Tensor {
    let (n, h, w) = stack.dim();
    let stack = stack.as_standard_layout();
    Tensor::from_slice(stack.as_slice().unwrap_or(&[])).view([n as i64, 1, h as i64, w as i64]).to_device(device)
}

impl Detector {
    /// Trains on the labels of one frame, on the GPU where there is one. Prints progress now and then.
    ///
    /// # Errors
    /// If an option is out of range, there is no label to learn from, the frame is smaller than what the network looks
    /// at, or training diverges.
    pub fn train(labels: &Labels, training: &Training) -> Result<Detector> {
        Detector::train_with(labels, training, best_device(), &mut Printed::new("training"))
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
        training.validate()?;
        let canvas = canvas(labels)?;
        tch::manual_seed(training.seed as i64);
        let vs = nn::VarStore::new(device);
        let network = Network::new(&vs.root());
        let mut optimiser = nn::Adam::default().build(&vs, training.learning_rate)?;
        let mut losses = Vec::with_capacity(training.steps);
        for step in 0..training.steps {
            let batch = training.augment.batch(&canvas, training.batch, step as u64, training.seed);
            let logits = network.logits(&tensor(&batch.image, device), true);
            let loss = focal_loss(
                &logits,
                &tensor(&batch.target, device),
                &tensor(&batch.weight, device),
                training.positive_share,
            );
            optimiser.set_lr(training.rate(step));
            optimiser.backward_step(&loss);
            let value = loss.f_double_value(&[])? as f32;
            if !value.is_finite() {
                return Err(Error::data(format!(
                    "training diverged at step {step} (loss {value}): lower learning_rate, now {}",
                    training.learning_rate
                )));
            }
            losses.push(value);
            let last = &losses[losses.len().saturating_sub(10)..];
            let mean = last.iter().sum::<f32>() / last.len() as f32;
            progress.update(step + 1, training.steps, &format!("loss {mean:.4}"));
        }
        let memory = Memory {
            training: training.clone(),
            bin: labels.bin,
            period_px: labels.lattice.period_px / labels.bin as f64,
            source: format!("frame {} of {}", labels.frame.index, labels.frame.source),
            labels: labels.regions.len(),
            expected_false: labels.expected_false,
            losses,
        };
        Ok(Detector { vs, network, memory })
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
        let mut tensors = vec![];
        for (name, value) in self.vs.variables() {
            let flat = value.to_device(Device::Cpu).to_kind(Kind::Float).f_flatten(0, -1)?;
            let bytes: Vec<u8> = Vec::<f32>::try_from(flat)?.iter().flat_map(|v| v.to_le_bytes()).collect();
            let shape: Vec<usize> = value.size().iter().map(|&n| n as usize).collect();
            tensors.push((name, shape, bytes));
        }
        tensors.sort();
        let views: Vec<(String, TensorView)> = tensors
            .iter()
            .map(|(name, shape, bytes)| Ok((name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
            .collect::<Result<_, safetensors::SafeTensorError>>()
            .map_err(|e| Error::format(path, format!("cannot be written: {e}")))?;
        let json = serde_json::to_string(&self.memory).map_err(|e| Error::format(path, e.to_string()))?;
        let header = HashMap::from([("format".to_string(), FORMAT.to_string()), ("memory".to_string(), json)]);
        let bytes = safetensors::serialize(views, Some(header)).map_err(|e| Error::format(path, e.to_string()))?;
        crate::defects::write_whole(path, &bytes)
    }

    /// Loads weights that [`Detector::save`] wrote.
    ///
    /// # Errors
    /// If the file is missing, is not safetensors, or was not written by this version's detector.
    pub fn load(path: impl AsRef<Path>) -> Result<Detector> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(Error::io("open", path))?;
        let foreign = |why: String| Error::format(path, format!("does not hold a detector's weights: {why}"));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| foreign(format!("not safetensors ({e})")))?;
        let entry = |key: &str| header.metadata().as_ref().and_then(|m| m.get(key).cloned());
        if entry("format").as_deref() != Some(FORMAT) {
            return Err(foreign(format!("its header does not say \"{FORMAT}\"")));
        }
        let memory: Memory =
            serde_json::from_str(&entry("memory").unwrap_or_default()).map_err(|e| foreign(e.to_string()))?;
        let stored = SafeTensors::deserialize(&bytes).map_err(|e| foreign(e.to_string()))?;
        let device = best_device();
        let vs = nn::VarStore::new(device);
        let network = Network::new(&vs.root());
        for (name, mut value) in vs.variables() {
            let view = stored.tensor(&name).map_err(|_| foreign(format!("{name} is missing")))?;
            let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
            if shape != value.size() || view.dtype() != Dtype::F32 {
                return Err(foreign(format!("{name} has shape {shape:?}, the network's has {:?}", value.size())));
            }
            let floats: Vec<f32> =
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            tch::no_grad(|| value.f_copy_(&Tensor::from_slice(&floats).view(shape.as_slice())))?;
        }
        Ok(Detector { vs, network, memory })
    }
}

/// Everything that crops are cut from.
fn canvas(labels: &Labels) -> Result<Canvas> {
    if labels.regions.is_empty() {
        return Err(Error::data(format!(
            "there is no label to learn from: nothing in the frame stands out by {} standard deviations. Lower the \
             threshold (labels.at_threshold(3.5)?) or label a frame with more counts",
            labels.threshold
        )));
    }
    fits(labels.image.dim(), labels.bin)?;
    let (target, weight) = labels.target_and_weight();
    let period = labels.lattice.period_px / labels.bin as f64;
    Ok(Canvas {
        image: normalise(&labels.image, period),
        target,
        weight,
        labels: labels.regions.iter().map(|r| labels.binned(r)).collect(),
    })
}

/// A frame must be as large as what the network looks at.
pub(super) fn fits((h, w): (usize, usize), bin: usize) -> Result<()> {
    if h.min(w) >= FIELD {
        return Ok(());
    }
    Err(Error::data(format!(
        "a frame of {} x {} pixels is smaller than what the network looks at, {FIELD} x {FIELD} pixels{}",
        h * bin,
        w * bin,
        if bin > 1 { format!(" of {bin} x {bin}") } else { String::new() }
    )))
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let m = &self.memory;
        let last = &m.losses[m.losses.len().saturating_sub(10)..];
        write!(
            f,
            "Detector trained on {} of {} (noise alone: about {:.1}) in {} steps (loss {:.4}, mean of the last {}), on {}",
            if m.labels == 1 { "1 label".into() } else { format!("{} labels", m.labels) },
            m.source,
            m.expected_false,
            m.losses.len(),
            last.iter().sum::<f32>() / last.len().max(1) as f32,
            last.len(),
            crate::device::describe(self.vs.device()),
        )
    }
}
