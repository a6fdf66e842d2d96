//! How a detector is trained, and what it is trained on.

use super::augment::{Augment, Canvas};
use super::filter::weighted_gaussian;
use super::labels::Labels;
use super::network::FIELD;
use crate::error::{Error, Result, check, setters};
use ndarray::{Array2, Array3};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tch::{Device, Tensor};

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
    /// File in which a training keeps its state: every minute, when it is interrupted, and when it has finished. `None`
    /// is a file in the cache's folder, which goes when the training has finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<PathBuf>,
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
            checkpoint: None,
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
    /// Loss of every step that was taken.
    pub losses: Vec<f32>,
}

impl Memory {
    /// Of a training that begins.
    pub(super) fn new(labels: &Labels, training: &Training) -> Memory {
        Memory {
            training: training.clone(),
            bin: labels.bin,
            period_px: labels.lattice.period_px / labels.bin as f64,
            source: format!("frame {} of {}", labels.frame.index, labels.frame.source),
            labels: labels.regions.len(),
            expected_false: labels.expected_false,
            losses: Vec::with_capacity(training.steps),
        }
        .into_stored()
    }

    /// What comes back from a file: JSON may change the last bit of a number, and a training that goes on from a
    /// checkpoint must not differ from one that was never stopped. So both begin with numbers that come back the same.
    fn into_stored(self) -> Memory {
        let again = |m: &Memory| serde_json::from_str(&serde_json::to_string(m).ok()?).ok();
        std::iter::successors(Some(self.clone()), again).take(4).last().unwrap_or(self)
    }

    /// Mean of the last ten losses, and how many there were.
    pub(super) fn last_losses(&self) -> (f32, usize) {
        let last = &self.losses[self.losses.len().saturating_sub(10)..];
        (last.iter().sum::<f32>() / last.len().max(1) as f32, last.len())
    }
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

    /// Sets [`checkpoint`](#structfield.checkpoint).
    #[must_use]
    pub fn with_checkpoint(mut self, path: impl Into<PathBuf>) -> Self {
        self.checkpoint = Some(path.into());
        self
    }

    pub(super) fn validate(&self) -> Result<()> {
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
    pub(super) fn rate(&self, step: usize) -> f64 {
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

/// Everything that crops are cut from.
pub(super) fn canvas(labels: &Labels) -> Result<Canvas> {
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
