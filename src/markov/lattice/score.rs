//! How well posteriors find what is there, and what plain averages make of the same evidence.

use crate::error::{Result, check};
use ndarray::{Array2, Array3, Axis, s};

/// F1 at the threshold where it is largest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BestF1 {
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// From which score on something is called.
    pub threshold: f64,
    /// Of what is called, how much is right.
    pub precision: f64,
    /// Of what is there, how much is called.
    pub recall: f64,
}

/// The largest F1 that any threshold on `score` (frames, sites) gives for the species `which`, over the sites and frames
/// that are shown. The threshold is chosen with the truth in hand: do so for everything that is compared.
///
/// # Errors
/// If the shapes differ, or the species is nowhere.
pub fn best_f1(score: &Array2<f64>, truth: &Array2<usize>, shown: &Array2<bool>, which: usize) -> Result<BestF1> {
    check(
        "score",
        format!("{:?}", score.dim()),
        score.dim() == truth.dim() && truth.dim() == shown.dim(),
        format!("{:?}", truth.dim()),
    )?;
    let mut all: Vec<(f64, bool)> =
        score.iter().zip(truth).zip(shown).filter(|(_, shown)| **shown).map(|((s, t), _)| (*s, *t == which)).collect();
    let there = all.iter().filter(|a| a.1).count();
    check("truth", format!("none of species {which}"), there > 0, "at least one place where it is")?;
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut best = BestF1 { f1: 0.0, threshold: f64::INFINITY, precision: 0.0, recall: 0.0 };
    let mut hits = 0;
    for (i, &(score, hit)) in all.iter().enumerate() {
        hits += usize::from(hit);
        // Equal scores are called together.
        if all.get(i + 1).is_some_and(|next| next.0 == score) {
            continue;
        }
        let f1 = 2.0 * hits as f64 / (i + 1 + there) as f64;
        if f1 > best.f1 {
            best = BestF1 {
                f1,
                threshold: score,
                precision: hits as f64 / (i + 1) as f64,
                recall: hits as f64 / there as f64,
            };
        }
    }
    Ok(best)
}

/// The mean of the evidence for a species over all frames, at every frame: what averaging a movie does.
#[must_use]
pub fn mean_of_frames(evidence: &Array3<f64>, which: usize) -> Array2<f64> {
    running_mean(evidence, which, usize::MAX)
}

/// The mean of the evidence for a species over so many frames around each (an odd number; fewer at the ends).
#[must_use]
pub fn running_mean(evidence: &Array3<f64>, which: usize, length: usize) -> Array2<f64> {
    let (frames, sites, _) = evidence.dim();
    let of = evidence.index_axis(Axis(2), which);
    let half = length / 2;
    let mut mean = Array2::zeros((frames, sites));
    for t in 0..frames {
        let range = t.saturating_sub(half)..t.saturating_add(half).saturating_add(1).min(frames);
        let sum = of.slice(s![range.clone(), ..]).sum_axis(Axis(0));
        mean.row_mut(t).assign(&(sum / range.len() as f64));
    }
    mean
}

/// Probability of a species if nothing ever changed: the sum of log-likelihood ratios over all frames with the fractions
/// at the start, the same in every frame.
#[must_use]
pub fn sum_of_ratios(evidence: &Array3<f64>, start: &[f64], which: usize) -> Array2<f64> {
    let (frames, sites, species) = evidence.dim();
    let sums = evidence.sum_axis(Axis(0));
    let mut out = Array2::zeros((frames, sites));
    for site in 0..sites {
        let log: Vec<f64> = (0..species).map(|k| sums[[site, k]] + libm::log(start[k])).collect();
        let most = log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = log.iter().map(|l| libm::exp(l - most)).sum();
        // As a logarithm of odds, so that thresholds near 1 can be told apart.
        let p = libm::exp(log[which] - most) / total;
        out.column_mut(site).fill(p);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_best_threshold_is_found() {
        let truth = array![[1, 0, 1], [0, 0, 1]];
        let shown = Array2::from_elem((2, 3), true);
        let best = best_f1(&array![[0.9, 0.8, 0.7], [0.1, 0.7, 0.2]], &truth, &shown, 1).unwrap();
        // By hand: from 0.7 on, 2 of 4 called are right, of 3: 4/7; from 0.2 on 3 of 5: 6/8.
        assert!((best.f1 - 0.75).abs() < 1e-12 && best.threshold == 0.2, "{best:?}");
        assert!(best_f1(&Array2::zeros((2, 3)), &truth, &shown, 2).is_err());
    }

    #[test]
    fn means_are_those_by_hand() {
        let mut evidence = Array3::zeros((4, 1, 2));
        evidence.slice_mut(s![.., 0, 1]).assign(&array![1.0, 3.0, 5.0, -1.0]);
        assert_eq!(running_mean(&evidence, 1, 3).column(0).to_vec(), [2.0, 3.0, 7.0 / 3.0, 2.0]);
        assert_eq!(mean_of_frames(&evidence, 1).column(0).to_vec(), [2.0; 4]);
        let odds = 0.01 / 0.99 * 8.0_f64.exp();
        assert!((sum_of_ratios(&evidence, &[0.99, 0.01], 1)[[2, 0]] - odds / (1.0 + odds)).abs() < 1e-12);
    }
}
