//! Back and forth between detection and the Markov model, until it settles.

use crate::error::{Result, check, setters};
use crate::markov::chain::Chain;
use crate::progress::stop_if_asked;
use ndarray::{Array2, Array3, Axis};
use serde::{Deserialize, Serialize};

/// A search that learns from what the Markov model made of its findings, kept only where that helps.
///
/// A round reads the movie with the present detector (whatever it is), makes labels of what the model believes, trains the
/// next one on them, and judges it on what neither has seen. The next is kept if F1 on unseen movies rises by more than
/// `gain` and false detections on surrogates do not; otherwise the last one stays, and all ends there.
///
/// ```
/// use atomotion::markov::{BackAndForth, Judged};
/// // A "detector" is a threshold here: it should be 3, and each round of labels brings it half way.
/// let judge = |t: &f64| Ok(Judged { f1: 1.0 / (1.0 + (t - 3.0).abs()), false_per_frame: 0.1 });
/// let found = BackAndForth::default().run(1.0, |t| Ok(0.5 * (t + 3.0)), |label| Ok(*label), judge)?;
/// assert!(found.detector > 2.5 && found.rounds.iter().all(|round| round.kept));
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackAndForth {
    /// Rounds at most: 4 by default.
    pub rounds: usize,
    /// F1 must rise by more than this: 0.002 by default, about what another seed changes.
    pub gain: f64,
    /// False detections a frame of surrogates may rise by this: 0 by default.
    pub slack: f64,
}

/// How good a detector is on what it has not seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// F1 on unseen movies.
    pub f1: f64,
    /// Detections in a frame of surrogates, where there is nothing to detect.
    pub false_per_frame: f64,
}

/// One round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// Of the detector before.
    pub before: Judged,
    /// Of the one that was trained.
    pub after: Judged,
    /// Whether it was kept.
    pub kept: bool,
}

/// What a loop ended with.
#[derive(Clone, PartialEq)]
pub struct Settled<D> {
    /// The best detector.
    pub detector: D,
    /// What each round did.
    pub rounds: Vec<Round>,
    /// Whether it ended because nothing was gained any more, and not because rounds were used up.
    pub settled: bool,
}

impl Default for BackAndForth {
    fn default() -> Self {
        BackAndForth { rounds: 4, gain: 0.002, slack: 0.0 }
    }
}

impl BackAndForth {
    setters! {
        rounds: usize => with_rounds,
        gain: f64 => with_gain,
        slack: f64 => with_slack,
    }

    /// Runs the loop from a first detector: `label` makes labels of what the model believes of its findings, `train` a
    /// detector of labels, `judge` looks at unseen movies and surrogates.
    ///
    /// # Errors
    /// Those of the three, if an option is out of range or F1 is not a number, or if the user stops it.
    pub fn run<D, L>(
        &self,
        first: D,
        mut label: impl FnMut(&D) -> Result<L>,
        mut train: impl FnMut(&L) -> Result<D>,
        mut judge: impl FnMut(&D) -> Result<Judged>,
    ) -> Result<Settled<D>> {
        check("rounds", self.rounds, self.rounds > 0, "at least 1")?;
        check("gain", self.gain, (0.0..1.0).contains(&self.gain), "from 0 to below 1")?;
        check("slack", self.slack, self.slack >= 0.0 && self.slack.is_finite(), "detections a frame, 0 or more")?;
        let mut judged = |detector: &D| -> Result<Judged> {
            let found = judge(detector)?;
            let valid = (0.0..=1.0).contains(&found.f1) && found.false_per_frame >= 0.0;
            check("judge", format!("{found:?}"), valid, "an F1 from 0 to 1 and detections a frame, 0 or more")?;
            Ok(found)
        };
        let mut before = judged(&first)?;
        let (mut detector, mut rounds) = (first, vec![]);
        for _ in 0..self.rounds {
            stop_if_asked("between rounds of detection and the Markov model")?;
            let next = train(&label(&detector)?)?;
            let after = judged(&next)?;
            let kept = after.f1 > before.f1 + self.gain && after.false_per_frame <= before.false_per_frame + self.slack;
            rounds.push(Round { before, after, kept });
            if !kept {
                return Ok(Settled { detector, rounds, settled: true });
            }
            (detector, before) = (next, after);
        }
        Ok(Settled { detector, rounds, settled: false })
    }
}

impl<D> std::fmt::Debug for Settled<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rounds, {}", self.rounds.len(), if self.settled { "settled" } else { "not settled yet" })?;
        for (i, r) in self.rounds.iter().enumerate() {
            write!(
                f,
                "\n{}: F1 {:.3} to {:.3}, false a frame {:.2} to {:.2}: {}",
                i + 1,
                r.before.f1,
                r.after.f1,
                r.before.false_per_frame,
                r.after.false_per_frame,
                if r.kept { "kept" } else { "the one before stays" }
            )?;
        }
        Ok(())
    }
}

/// Soft labels of a site from its posterior (frames, sites, states), in which states change as they may: the probability of
/// each state, and how much weight a frame's label should have in a training. The weight is the certainty of the label
/// (twice the distance of its probability from even, at most 1), times what `chain` leaves of it: where the labels of
/// this frame and the next would be a forbidden change, both count for nothing.
///
/// # Errors
/// If the posterior is of other states than the chain's.
pub fn soft_labels(posterior: &Array3<f64>, chain: &Chain) -> Result<(Array2<usize>, Array2<f64>)> {
    let (frames, sites, states) = posterior.dim();
    check("posterior", format!("{states} states"), states == chain.len(), format!("{} states", chain.len()))?;
    let mut labels = Array2::zeros((frames, sites));
    let mut weights = Array2::zeros((frames, sites));
    for ((t, site), label) in labels.indexed_iter_mut() {
        let row = posterior.index_axis(Axis(0), t);
        let best = (0..states).max_by(|&a, &b| row[[site, a]].total_cmp(&row[[site, b]])).unwrap_or(0);
        *label = best;
        weights[[t, site]] = (2.0 * row[[site, best]] - 1.0).clamp(0.0, 1.0);
    }
    for t in 1..frames {
        for site in 0..sites {
            if chain.probabilities[[labels[[t - 1, site]], labels[[t, site]]]] == 0.0 {
                weights[[t - 1, site]] = 0.0;
                weights[[t, site]] = 0.0;
            }
        }
    }
    Ok((labels, weights))
}

/// Where a decoder should look harder: by how much the threshold on a map's logit may be lower (or must be higher) at each
/// site in each frame, given what the model expects there from the *other* frames: the logarithm of expected odds over the
/// usual ones of a fraction `usual` of sites. What is expected nowhere is `-limit`.
///
/// `expected` is the probability of a defect at each site (frames, sites), the frame's own evidence left out.
///
/// # Errors
/// If `usual` is not between 0 and 1, or a probability is none.
pub fn look_harder(expected: &Array2<f64>, usual: f64, limit: f64) -> Result<Array2<f64>> {
    check("usual", usual, usual > 0.0 && usual < 1.0, "a fraction between 0 and 1")?;
    check("limit", limit, limit > 0.0 && limit.is_finite(), "a positive logarithm")?;
    check("expected", "not a probability", expected.iter().all(|p| (0.0..=1.0).contains(p)), "from 0 to 1")?;
    let logit = |p: f64| libm::log(p) - libm::log1p(-p);
    Ok(expected.mapv(|p| (logit(p) - logit(usual)).clamp(-limit, limit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn judged(f1: f64, false_per_frame: f64) -> Result<Judged> {
        Ok(Judged { f1, false_per_frame })
    }

    #[test]
    fn only_what_helps_is_kept() {
        // Detectors are numbers of rounds; F1 rises, then falls.
        let f1 = [0.5, 0.6, 0.65, 0.64, 0.9];
        let run = |alarms: [f64; 5]| {
            let judge = |d: &usize| judged(f1[*d], alarms[*d]);
            BackAndForth::default().run(0, |d| Ok(d + 1), |label| Ok(*label), judge).unwrap()
        };
        let found = run([1.0; 5]);
        assert_eq!((found.detector, found.rounds.len(), found.settled), (2, 3, true));
        assert!(format!("{found:?}").contains("the one before stays"));
        // More false detections: not kept, however good F1 is.
        let found = run([1.0, 1.1, 0.5, 0.5, 0.5]);
        assert_eq!((found.detector, found.settled, found.rounds[0].kept), (0, true, false));
        let short = BackAndForth::default().with_rounds(1).run(0, |d| Ok(d + 1), |l| Ok(*l), |d| judged(f1[*d], 0.0));
        assert!(!short.unwrap().settled);
    }

    #[test]
    fn bad_options_and_judges_are_named() {
        let says = |b: BackAndForth, f1: f64| {
            b.run(0, |d: &i32| Ok(*d), |l| Ok(*l), |_| judged(f1, 0.0)).unwrap_err().to_string()
        };
        assert!(says(BackAndForth::default().with_rounds(0), 0.5).contains("rounds"));
        assert!(says(BackAndForth::default().with_gain(-1.0), 0.5).contains("gain"));
        assert!(says(BackAndForth::default(), f64::NAN).contains("judge"));
    }

    #[test]
    fn forbidden_changes_have_no_weight() {
        let chain = Chain::new(vec!["W".into(), "V_W".into()], array![[0.9, 0.1], [0.0, 1.0]], 1.0).unwrap();
        // A host that vanishes in frame 1 and, wrongly, is back in frame 3.
        let sure = [0.95, 0.1, 0.1, 0.8];
        let posterior = Array3::from_shape_fn((4, 1, 2), |(t, _, s)| if s == 0 { sure[t] } else { 1.0 - sure[t] });
        let (labels, weights) = soft_labels(&posterior, &chain).unwrap();
        assert_eq!(labels.column(0).to_vec(), [0, 1, 1, 0]);
        let close = weights.iter().zip([0.9, 0.8, 0.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close, "{weights}");
        assert!(soft_labels(&Array3::zeros((1, 1, 3)), &chain).is_err());
    }

    #[test]
    fn thresholds_fall_where_something_is_expected() {
        let shift = look_harder(&array![[0.02, 0.5, 1.0, 0.0]], 0.02, 5.0).unwrap();
        assert!(shift[[0, 0]].abs() < 1e-12 && (shift[[0, 1]] - libm::log(49.0)).abs() < 1e-12, "{shift}");
        assert_eq!((shift[[0, 2]], shift[[0, 3]]), (5.0, -5.0));
        assert!(look_harder(&array![[1.5]], 0.02, 5.0).is_err() && look_harder(&array![[0.5]], 0.0, 5.0).is_err());
    }
}
