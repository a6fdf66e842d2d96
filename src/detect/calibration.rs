//! What a network's maps say, turned into probabilities: a loss that weighs rare defects up, and plants that are more
//! frequent than defects, leave them too high.

use crate::error::Result;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// Detections between these probabilities say how frequent faint defects are: what is surer is no fainter kind, what is less
/// sure is noise.
const UNSURE: [f64; 2] = [0.05, 0.9];
/// Detections that are added to those of a frame, so that few do not move it far.
const AS_BEFORE: f64 = 3.0;
/// By how much the odds of a frame's detections may differ from the labelled one's.
const ODDS: [f64; 2] = [0.2, 10.0];

/// What the labelled frame's unsure detections are, by their probabilities: so many defects and so many others for each pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Unsure {
    right: f64,
    wrong: f64,
    /// Detections were looked for from this probability on.
    pub from: f64,
}

impl Unsure {
    /// Of detections of a labelled frame of so many pixels that were looked for from a probability on.
    pub(super) fn of(seen: impl Iterator<Item = f32>, pixels: usize, from: f64) -> Unsure {
        let from = from.max(UNSURE[0]);
        let mut unsure = Unsure { from, ..Unsure::default() };
        for p in seen.map(f64::from).filter(|p| (from..UNSURE[1]).contains(p)) {
            unsure.right += p / pixels.max(1) as f64;
            unsure.wrong += (1.0 - p) / pixels.max(1) as f64;
        }
        unsure
    }

    /// By what the odds of a frame's detections are to be multiplied, because faint defects are more or less frequent in it than
    /// in the labelled frame: expectation and maximisation (Saerens, Latinne and Decaestecker, Neural Computation 14, 21,
    /// 2002), the number of false ones believed to be half way to what it was. For the labelled frame that is 1. `seen` are the
    /// detections of a frame of which so many pixels are lattice.
    pub(super) fn odds(self, seen: impl Iterator<Item = f32>, pixels: f64) -> f64 {
        let seen: Vec<f64> = seen.map(f64::from).filter(|p| (self.from..UNSURE[1]).contains(p)).collect();
        let more = |now: f64, before: f64| (now + AS_BEFORE) / (before * pixels + AS_BEFORE);
        (0..ROUNDS).fold(1.0, |odds, _| {
            let right: f64 = seen.iter().map(|p| with_odds(*p, odds)).sum();
            let wrong = 0.5 * (seen.len() as f64 - right + self.wrong * pixels);
            (more(right, self.right) / more(wrong, self.wrong)).clamp(ODDS[0], ODDS[1])
        })
    }
}

/// A probability whose odds are multiplied.
pub(super) fn with_odds(p: f64, odds: f64) -> f64 {
    odds * p / (odds * p + 1.0 - p)
}

/// How much that changes with the probability.
pub(super) fn rate_with_odds(p: f64, odds: f64) -> f64 {
    odds / (odds * p + 1.0 - p).powi(2)
}

/// A line from the map's logit to the probability's (Platt, Advances in Large Margin Classifiers, 61, 1999).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Calibration {
    slope: f64,
    offset: f64,
}

impl Default for Calibration {
    /// Leaves maps as they are.
    fn default() -> Self {
        Calibration { slope: 1.0, offset: 0.0 }
    }
}

/// Precision, in inverse squares, with which slope and offset are known to be near 1 and 0 before anything is seen: few
/// examples do not move them far.
const PRIOR: [f64; 2] = [4.0, 0.25];
/// Fewer detections of either kind say nothing.
const FEWEST: usize = 5;
const ROUNDS: usize = 50;
/// What is nearer to 0 or 1 counts as this.
const LEAST: f64 = 1e-6;
/// Defects are at most so many times as frequent as labels.
const MOST_FREQUENT: f64 = 10.0;

impl Calibration {
    /// From detections in frames whose every defect is known: what the map said, and whether it was one. Newton's method on
    /// the logistic likelihood.
    pub(super) fn of(detections: &[(f32, bool)]) -> Calibration {
        let right = detections.iter().filter(|d| d.1).count();
        let mut at = Calibration::default();
        if right.min(detections.len() - right) < FEWEST {
            return at;
        }
        for _ in 0..ROUNDS {
            let (from_one, from_zero) = (at.slope - 1.0, at.offset);
            let mut gradient = [-PRIOR[0] * from_one, -PRIOR[1] * from_zero];
            let mut curvature = [PRIOR[0], 0.0, PRIOR[1]];
            for &(said, right) in detections {
                let x = logit(f64::from(said));
                let p = sigmoid(at.slope * x + at.offset);
                let (off, weight) = (f64::from(u8::from(right)) - p, p * (1.0 - p));
                gradient[0] += off * x;
                gradient[1] += off;
                curvature[0] += weight * x * x;
                curvature[1] += weight * x;
                curvature[2] += weight;
            }
            let [xx, x, one] = curvature;
            let determinant = xx * one - x * x;
            let step =
                [one * gradient[0] - x * gradient[1], xx * gradient[1] - x * gradient[0]].map(|s| s / determinant);
            if !step.iter().all(|s| s.is_finite()) {
                return Calibration::default();
            }
            at.slope = (at.slope + step[0].clamp(-0.5, 0.5)).clamp(0.2, 8.0);
            at.offset += step[1].clamp(-1.0, 1.0);
            if step.iter().all(|s| s.abs() < 1e-6) {
                break;
            }
        }
        at
    }

    /// For frames in which defects are as frequent as the detections of one of them say, where they were `planted` times a
    /// frame; never rarer.
    pub(super) fn as_frequent(self, planted: f64, seen: &[f32]) -> Calibration {
        if planted < 1.0 {
            return self;
        }
        let times = |ratio: f64| Calibration { offset: self.offset + libm::log(ratio), ..self };
        let expected = |at: Calibration| seen.iter().map(|v| f64::from(at.probability(*v))).sum::<f64>();
        let ratio = (0..ROUNDS).fold(1.0, |ratio, _| (expected(times(ratio)) / planted).clamp(1.0, MOST_FREQUENT));
        times(ratio)
    }

    /// The probability behind a value of a map.
    pub(super) fn probability(self, said: f32) -> f32 {
        if self == Calibration::default() {
            return said;
        }
        sigmoid(self.slope * logit(f64::from(said)) + self.offset) as f32
    }

    /// The probabilities behind maps.
    pub(super) fn applied(self, maps: &Tensor) -> Result<Tensor> {
        if self == Calibration::default() {
            return Ok(maps.shallow_clone());
        }
        Ok(maps.f_logit(Some(LEAST))?.f_mul_scalar(self.slope)?.f_add_scalar(self.offset)?.f_sigmoid()?)
    }

    /// How much a probability changes with the map's value.
    pub(super) fn rate(self, said: f32) -> f32 {
        let p = f64::from(self.probability(said));
        let said = f64::from(said).clamp(LEAST, 1.0 - LEAST);
        (self.slope * p * (1.0 - p) / (said * (1.0 - said))) as f32
    }
}

fn logit(p: f64) -> f64 {
    let p = p.clamp(LEAST, 1.0 - LEAST);
    libm::log(p / (1.0 - p))
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Detections whose probability is a known line of the logit: the line is found within its sampling error (3000
    /// detections; four standard errors of slope and offset are 0.35), and few detections leave maps as they are.
    #[test]
    fn a_planted_line_is_found() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let truth = Calibration { slope: 2.0, offset: -1.5 };
        let detections: Vec<(f32, bool)> = (0..3000)
            .map(|_| {
                let said = rng.gen_range(0.1_f32..0.99);
                (said, rng.r#gen::<f32>() < truth.probability(said))
            })
            .collect();
        let found = Calibration::of(&detections);
        assert!((found.slope - 2.0).abs() < 0.35 && (found.offset + 1.5).abs() < 0.35, "{found:?}");
        assert_eq!(Calibration::of(&detections[..4]), Calibration::default());
        let all_right: Vec<(f32, bool)> = detections.iter().map(|d| (d.0, true)).collect();
        assert_eq!(Calibration::of(&all_right), Calibration::default());
    }

    /// Detections of a frame where faint defects are four times as frequent as in the labelled one, false ones as frequent: the
    /// odds are found within a third (800 unsure defects beside 200 others that look much like them), and where nothing
    /// has changed they are left alone.
    #[test]
    fn more_frequent_defects_are_believed_more() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        // Right ones have the density p, wrong ones 1 - p: p is right where there are as many of both.
        let mut drawn = |right: usize| {
            let mut seen = vec![];
            while seen.len() < right + 200 {
                let x = rng.gen_range(-2.5_f64..2.5);
                let p = sigmoid(x);
                let of_right = seen.len() < right;
                let share = if of_right { p } else { 1.0 - p };
                if rng.r#gen::<f64>() < share {
                    seen.push(p as f32);
                }
            }
            seen
        };
        let labelled = drawn(200);
        let unsure = Unsure::of(labelled.iter().copied(), 1_000_000, 0.0);
        let odds = |seen: &[f32], pixels: f64| unsure.odds(seen.iter().copied(), pixels);
        // The labelled frame itself, and half of it where the rest is a hole.
        assert!((odds(&labelled, 1e6) - 1.0).abs() < 1e-9, "{}", odds(&labelled, 1e6));
        let half: Vec<f32> = labelled.iter().copied().step_by(2).collect();
        assert!((0.8..1.25).contains(&odds(&half, 0.5e6)), "{}", odds(&half, 0.5e6));
        let (usual, more) = (odds(&drawn(200), 1e6), odds(&drawn(800), 1e6));
        assert!((0.75..1.33).contains(&usual), "{usual}");
        assert!((3.0..5.3).contains(&more), "{more}");
        assert!(odds(&[], 1e6) < 0.5);
        for (p, odds) in [(0.1, 3.0), (0.7, 0.4)] {
            let slope = (with_odds(p + 1e-6, odds) - with_odds(p - 1e-6, odds)) / 2e-6;
            assert!((slope - rate_with_odds(p, odds)).abs() < 1e-4);
        }
    }

    /// The rate is the derivative; order is kept.
    #[test]
    fn probabilities_rise_with_the_map() {
        let line = Calibration { slope: 1.7, offset: -0.8 };
        for said in [0.05_f32, 0.3, 0.6, 0.9] {
            let slope = (line.probability(said + 1e-3) - line.probability(said - 1e-3)) / 2e-3;
            assert!(slope > 0.0 && (slope - line.rate(said)).abs() < 0.01, "{slope} {}", line.rate(said));
        }
        assert_eq!(Calibration::default().probability(0.37), 0.37);
        let maps = [0.0_f32, 0.01, 0.4, 0.97, 1.0];
        let applied = Vec::<f32>::try_from(line.applied(&Tensor::from_slice(&maps)).unwrap()).unwrap();
        for (said, applied) in maps.iter().zip(applied) {
            assert!((line.probability(*said) - applied).abs() < 1e-5, "{applied} for {said}");
        }
    }
}
