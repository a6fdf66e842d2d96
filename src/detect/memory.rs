//! What a detector remembers of its training; saved with the weights.

use super::calibration::{Calibration, Unsure};
use super::labels::Labels;
use super::training::Training;
use serde::{Deserialize, Serialize};

/// How well a network did on the part of the frame that is held out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Which network of the ensemble.
    pub network: usize,
    /// After how many of its steps.
    pub step: usize,
    /// Mean loss of its crops.
    pub loss: f32,
    /// F1 against labels and plants, at a probability of 0.5: a disc is found where it and a connected region overlap.
    pub f1: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    pub training: Training,
    /// Frames are binned by this before the network sees them.
    pub bin: usize,
    /// Lattice period in binned pixels.
    pub period_px: f64,
    pub source: String,
    /// How many frames were labelled, and how many labels they have.
    pub frames: usize,
    pub labels: usize,
    /// How many of the labels noise alone was expected to give.
    pub expected_false: f64,
    /// Loss of every step that was taken, of all networks one after the other.
    pub losses: Vec<f32>,
    /// How many of them were taken when each network that is finished was.
    pub ends: Vec<usize>,
    pub held_out: Vec<HeldOut>,
    /// What makes probabilities of the networks' maps.
    pub calibration: Calibration,
    /// How frequent unsure detections are in the labelled frame, of each channel.
    pub unsure: Vec<Unsure>,
    /// In how many parts a batch is taken, so that it fits the device.
    pub parts: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Memory {
            training: Training::default(),
            bin: 1,
            period_px: 0.0,
            source: String::new(),
            frames: 1,
            labels: 0,
            expected_false: 0.0,
            losses: vec![],
            ends: vec![],
            held_out: vec![],
            calibration: Calibration::default(),
            unsure: vec![],
            parts: 1,
        }
    }
}

impl Memory {
    /// Of a training that begins.
    pub(super) fn new(labels: &[Labels], training: &Training) -> Memory {
        let first = &labels[0];
        Memory {
            training: training.clone(),
            bin: first.bin,
            period_px: first.lattice.period_px / first.bin as f64,
            source: source(labels),
            frames: labels.len(),
            labels: labels.iter().map(|l| l.regions.len()).sum(),
            expected_false: labels.iter().map(|l| l.expected_false).sum(),
            losses: Vec::with_capacity(training.steps * training.networks),
            ..Memory::default()
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

    /// The network that is being trained, counted from 0; as many as there are when all are finished.
    pub(super) fn network(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn finished(&self) -> bool {
        self.network() >= self.training.networks
    }

    /// Steps that the present network has taken.
    pub(super) fn step(&self) -> usize {
        self.losses.len() - self.ends.last().copied().unwrap_or(0)
    }

    /// Steps of all networks, those not taken yet included.
    pub(super) fn all_steps(&self) -> usize {
        let left = (self.training.networks - self.network()) * self.training.steps;
        self.ends.last().copied().unwrap_or(0) + left
    }

    /// Whether the held-out part has said often enough that more steps do not help.
    pub(super) fn stale(&self) -> bool {
        let mine: Vec<f32> = self.held_out.iter().filter(|h| h.network == self.network()).map(|h| h.loss).collect();
        let best = mine.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |b| b.0);
        self.training.patience > 0 && mine.len() > best + self.training.patience
    }
}

/// Which frames were labelled.
fn source(labels: &[Labels]) -> String {
    let name = |l: &Labels| format!("frame {} of {}", l.frame.index, l.frame.source);
    let of_first = labels.iter().all(|l| l.frame.source == labels[0].frame.source);
    if labels.len() > 1 && of_first {
        let frames: Vec<String> = labels.iter().map(|l| l.frame.index.to_string()).collect();
        return format!("frames {} of {}", frames.join(", "), labels[0].frame.source);
    }
    labels.iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_counts_from_the_best() {
        let training = Training::default().with_held_out(0.1).with_patience(2);
        let mut memory = Memory { training, ..Memory::default() };
        let mut stale = vec![];
        for (step, loss) in [3.0, 2.0, 2.5, 1.0, 1.1, 1.2].into_iter().enumerate() {
            memory.held_out.push(HeldOut { network: 0, step, loss, f1: 0.0 });
            stale.push(memory.stale());
        }
        assert_eq!(stale, [false, false, false, false, false, true]);
    }
}
