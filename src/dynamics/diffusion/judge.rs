//! What the likelihoods of several kinds of motion amount to.

use super::estimates::{KindDiffusion, Moves};
use super::motion::{MotionModel, Pieces};
use crate::detect::Interval;

/// Twice the gain in likelihood above which a parameter that cannot be negative is more than 0, at 5 %.
const HALF_CHI2_95: f64 = 2.706;
/// The same for one that can be either.
const CHI2_95: f64 = 3.841;

impl KindDiffusion {
    /// Fits all kinds of motion and compares them.
    pub(super) fn judge(&mut self, pieces: &Pieces) {
        let [still, free, confined, anomalous] = MotionModel::ALL.map(|model| pieces.fit(model));
        let per_s = |log: f64| log.exp() / pieces.span;
        let interval = |model, best: &(Vec<f64>, f64), which, range| pieces.interval(model, best, which, range);
        let (low, high) = interval(MotionModel::Free, &free, 1, (free.0[1] - 12.0, free.0[1] + 12.0));
        let low = if low <= free.0[1] - 12.0 { 0.0 } else { per_s(low) };
        self.likely_d_nm2_s = Some(Interval { value: per_s(free.0[1]), low, high: per_s(high) });
        let moving = 2.0 * (still.1 - free.1) > HALF_CHI2_95 || 2.0 * (still.1 - confined.1.min(anomalous.1)) > 5.14; // two parameters more, one of them from 0 on
        if !moving {
            self.moves = Moves::Still;
            return;
        }
        let (low, high) = interval(MotionModel::Anomalous, &anomalous, 2, (0.05, 1.95));
        self.alpha = Some(Interval { value: anomalous.0[2], low, high });
        let top = confined.0[2] + 12.0;
        let (low, high) = interval(MotionModel::Confined, &confined, 2, (confined.0[2] - 12.0, top));
        let size = |log: f64| (0.5 * log).exp();
        let high = if high >= top { f64::INFINITY } else { size(high) };
        self.size_nm = Some(Interval { value: size(confined.0[2]), low: size(low), high });
        let is_confined = 2.0 * (free.1 - confined.1) > HALF_CHI2_95;
        let is_anomalous = 2.0 * (free.1 - anomalous.1) > CHI2_95;
        // As many parameters each: a likelihood e² times the other's decides.
        self.moves = match (is_confined, is_anomalous) {
            (false, false) => Moves::Free,
            _ if confined.1 < anomalous.1 - 2.0 => Moves::Confined,
            _ if anomalous.1 < confined.1 - 2.0 => Moves::Anomalous,
            _ => Moves::NotFree,
        };
    }
}
