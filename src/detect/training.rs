//! How a detector is trained, and what it is trained on.

use super::augment::{Augment, Canvas};
use super::backdrop::{Backdrop, apart};
use super::bands::Bands;
use super::filter::weighted_gaussian;
use super::labels::Labels;
use super::loss::{Loss, Shares};
use super::network::{Architecture, FIELD};
use crate::error::{Error, Result, check, setters};
use ndarray::{Array2, Array4, ArrayView4, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tch::{Device, Tensor};

/// What a channel of a detector's maps says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Channel {
    /// The probability of any defect.
    Defect,
    /// The probability of a defect that is darker than what should be there.
    Dark,
    /// The probability of a brighter one.
    Bright,
}

/// Which maps a detector makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// One, of all defects.
    Defect,
    /// Two, of dark and of bright ones.
    #[default]
    Sign,
}

impl Output {
    /// What each channel is.
    #[must_use]
    pub fn channels(self) -> &'static [Channel] {
        match self {
            Output::Defect => &[Channel::Defect],
            Output::Sign => &[Channel::Dark, Channel::Bright],
        }
    }
}

/// What a network is shown of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// The frame, its slow background taken out.
    Frame,
    /// The frame, and beside it what is left when its lattice is taken out, smoothed to the size of a column and in
    /// units of the noise. A network that has to find out lattice and noise by itself takes many times longer to learn,
    /// and sees less.
    #[default]
    FrameAndRemainder,
}

impl Input {
    /// How many images that is.
    pub(super) fn planes(self) -> usize {
        match self {
            Input::Frame => 1,
            Input::FrameAndRemainder => 2,
        }
    }
}

/// How the learning rate goes with the steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Schedule {
    /// Rises over a fraction of the steps and falls as a cosine after, to a hundredth (Loshchilov and Hutter, ICLR 2017).
    Cosine {
        /// The fraction, from 0 to below 1.
        warm_up: f64,
    },
    /// The same at every step.
    Constant,
}

/// How a detector is trained. The defaults are all that most need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Training {
    /// Optimiser steps of each network.
    pub steps: usize,
    /// Crops per step.
    pub batch: usize,
    /// Highest learning rate of Adam.
    pub learning_rate: f64,
    /// How the learning rate goes with the steps.
    pub schedule: Schedule,
    /// Which network.
    pub architecture: Architecture,
    /// What the network is shown.
    pub input: Input,
    /// One map, or one of each sign.
    pub output: Output,
    /// What is made small.
    pub loss: Loss,
    /// Share of the loss that goes to defect pixels, which are few: 0.5 leaves probabilities as they are.
    pub positive_share: f64,
    /// Weights of dark and bright defects in the loss, where there are two maps.
    pub class_weights: [f64; 2],
    /// Memory of the running mean of the weights, which is what the detector gets: 0.98 remembers some 50 steps, 0 takes
    /// the last weights (Polyak and Juditsky 1992).
    pub averaging: f64,
    /// Networks of an ensemble, each with its own seed (Lakshminarayanan et al., NeurIPS 2017). They are trained one after
    /// the other; the detector gives their mean, and how much they differ.
    pub networks: usize,
    /// Fraction of the frame's rows, at its lower end, that no crop is cut from. Loss and F1 there, against labels and
    /// plants, are measured ten times in a training. 0 holds nothing out.
    pub held_out: f64,
    /// A network's training ends when so many of these measurements in a row bring no lower loss; 0 takes all steps.
    pub patience: usize,
    /// How crops are varied, and what is planted in them.
    pub augment: Augment,
    /// Seed of the weights and of every crop.
    pub seed: u64,
    /// File in which a training keeps its state: every minute, when it is interrupted, and when it has finished. `None`
    /// is a file in the cache's folder, which goes when the training has finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<PathBuf>,
}

impl Default for Training {
    fn default() -> Self {
        Training {
            steps: 800,
            batch: 16,
            learning_rate: 8e-3,
            schedule: Schedule::Cosine { warm_up: 0.1 },
            architecture: Architecture::Light,
            input: Input::FrameAndRemainder,
            output: Output::Sign,
            loss: Loss::Focal { gamma: 2.0 },
            positive_share: 0.75,
            class_weights: [1.0; 2],
            averaging: 0.97,
            networks: 1,
            held_out: 0.0,
            patience: 0,
            augment: Augment::default(),
            seed: 1,
            checkpoint: None,
        }
    }
}

impl Training {
    setters! {
        steps: usize => with_steps,
        batch: usize => with_batch,
        learning_rate: f64 => with_learning_rate,
        schedule: Schedule => with_schedule,
        architecture: Architecture => with_architecture,
        input: Input => with_input,
        output: Output => with_output,
        loss: Loss => with_loss,
        positive_share: f64 => with_positive_share,
        class_weights: [f64; 2] => with_class_weights,
        averaging: f64 => with_averaging,
        networks: usize => with_networks,
        held_out: f64 => with_held_out,
        patience: usize => with_patience,
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
        check("steps", self.steps, self.steps > 0, "at least 1; 800 is usual")?;
        check("batch", self.batch, (1..=4096).contains(&self.batch), "from 1 to 4096 crops")?;
        let rate = self.learning_rate;
        check("learning_rate", rate, rate.is_finite() && rate > 0.0 && rate < 1.0, "between 0 and 1; 0.008 is usual")?;
        if let Schedule::Cosine { warm_up } = self.schedule {
            check("warm_up", warm_up, (0.0..1.0).contains(&warm_up), "a fraction from 0 to below 1")?;
        }
        let share = self.positive_share;
        check("positive_share", share, share > 0.0 && share < 1.0, "between 0 and 1")?;
        for weight in self.class_weights {
            check("class_weights", weight, weight.is_finite() && weight > 0.0, "positive numbers")?;
        }
        check("averaging", self.averaging, (0.0..1.0).contains(&self.averaging), "from 0 to below 1")?;
        check("networks", self.networks, (1..=64).contains(&self.networks), "from 1 to 64 networks")?;
        check("held_out", self.held_out, (0.0..=0.5).contains(&self.held_out), "a fraction from 0 to 0.5")?;
        let judged = self.patience == 0 || self.held_out > 0.0;
        check("patience", self.patience, judged, "0 where held_out is 0: nothing says when to stop")?;
        self.loss.validate()?;
        self.augment.validate()
    }

    /// Learning rate of a step.
    pub(super) fn rate(&self, step: usize) -> f64 {
        let Schedule::Cosine { warm_up } = self.schedule else { return self.learning_rate };
        let warm = ((self.steps as f64 * warm_up) as usize).max(1);
        if step < warm {
            return self.learning_rate * (step + 1) as f64 / warm as f64;
        }
        let t = (step - warm) as f64 / (self.steps - warm).max(1) as f64;
        self.learning_rate * (0.5 * (1.0 + (std::f64::consts::PI * t).cos())).max(0.01)
    }

    pub(super) fn shares(&self) -> Shares<'_> {
        let channels = if self.output == Output::Sign { &self.class_weights[..] } else { &[1.0][..] };
        Shares { positive: self.positive_share, channels }
    }

    /// Seed of one network of the ensemble; the first has the training's own.
    pub(super) fn seed_of(&self, network: usize) -> u64 {
        // Odd and large, so that ensembles of neighbouring seeds share none.
        self.seed.wrapping_add((network as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// The slow background of an image, and the standard deviation about it.
pub(super) fn levels(image: &Array2<f32>, period_px: f64) -> (Array2<f32>, f32) {
    let background = weighted_gaussian(image, &Array2::ones(image.dim()), (2.0 * period_px) as f32);
    let deviation = (image - &background).std(0.0).max(f32::MIN_POSITIVE);
    (background, deviation)
}

/// By what part lattice periods of frames that are learnt from together may differ.
const MOST_UNLIKE: f64 = 0.15;

/// What a frame is measured in: its standard deviation, and the noise of what is left of it without its lattice, where the
/// network is shown that.
pub(super) struct Units {
    deviation: f32,
    noise: Option<Array2<f32>>,
}

impl Units {
    pub(super) fn of(image: &Array2<f32>, period_px: f64, input: Input, bands: Option<&Bands>) -> Units {
        let (background, deviation) = levels(image, period_px);
        let noise = || Backdrop::of(&((image - &background) / deviation), bands, period_px).noise;
        Units { deviation, noise: (input == Input::FrameAndRemainder).then(noise) }
    }
}

/// What the network sees: the slow background taken out, unit variance; and what is left of that without the lattice,
/// in units of the noise: the frame's own units, or those of another. And the lattice, where it was taken out.
pub(super) fn planes(
    image: &Array2<f32>,
    period_px: f64,
    input: Input,
    bands: Option<&Bands>,
    units: Option<&Units>,
) -> (Vec<Array2<f32>>, Option<Array2<f32>>) {
    let (background, deviation) = levels(image, period_px);
    let flat = (image - &background) / units.map_or(deviation, |units| units.deviation);
    match input {
        Input::Frame => (vec![flat], None),
        Input::FrameAndRemainder => {
            let noise = units.and_then(|units| units.noise.as_ref());
            let (lattice, rest) = apart(&flat, bands, period_px, noise);
            (vec![flat, rest], bands.is_some().then_some(lattice))
        }
    }
}

/// Images (batch, planes, height, width) as a tensor whose planes lie side by side in memory: convolutions of few channels
/// are a third faster that way.
pub(super) fn images(stack: ArrayView4<f32>, device: Device) -> Result<Tensor> {
    let (n, planes, h, w) = stack.dim();
    let mut last = Array4::zeros((n, h, w, planes));
    let (to, from) = (last.axis_iter_mut(Axis(0)), stack.permuted_axes([0, 2, 3, 1]));
    to.into_par_iter().zip(from.axis_iter(Axis(0))).for_each(|(mut to, from)| to.assign(&from));
    Ok(tensor(last.view(), device)?.f_permute([0, 3, 1, 2])?)
}

/// (batch, channels, height, width) as a tensor.
pub(super) fn tensor(stack: ArrayView4<f32>, device: Device) -> Result<Tensor> {
    let shape: Vec<i64> = stack.shape().iter().map(|&n| n as i64).collect();
    let stack = stack.as_standard_layout();
    Ok(Tensor::f_from_slice(stack.as_slice().unwrap_or(&[]))?.f_view(shape.as_slice())?.f_to_device(device)?)
}

/// Everything that crops are cut from, frame by frame.
pub(super) fn canvases(labels: &[Labels], training: &Training) -> Result<Vec<Canvas>> {
    let Some(first) = labels.first() else {
        return Err(Error::data(
            "there is no labelled frame to learn from: `PeriodicityBreak::default().label(&frame)?` gives one",
        ));
    };
    if labels.iter().all(|l| l.regions.is_empty()) {
        let frames = if labels.len() == 1 { "the frame" } else { "any of the frames" };
        return Err(Error::data(format!(
            "there is no label to learn from: nothing in {frames} stands out by {} standard deviations. Lower the \
             threshold (labels.at_threshold(3.5)?) or label a frame with more counts",
            first.threshold
        )));
    }
    let binned = |l: &Labels| l.lattice.period_px / l.bin as f64;
    for (i, other) in labels.iter().enumerate().skip(1) {
        if (binned(other) / binned(first) - 1.0).abs() > MOST_UNLIKE {
            return Err(Error::data(format!(
                "labelled frame {i} has {:.1} px a lattice period where the first has {:.1} px (as the network sees them, binned by \
                 {} and {}): one network learns one scale. Give frames of one magnification",
                binned(other),
                binned(first),
                other.bin,
                first.bin
            )));
        }
    }
    labels.iter().map(|labels| canvas(labels, training)).collect()
}

fn canvas(labels: &Labels, training: &Training) -> Result<Canvas> {
    fits(labels.image.dim(), labels.bin)?;
    let canvas = Canvas::of(labels, training.output.channels().len());
    Ok(canvas.with_backdrop(training.input == Input::FrameAndRemainder))
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
