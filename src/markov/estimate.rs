//! Transition probabilities from tracks, with what physics says before them and how sure they are after.

use super::chain::Chain;
use super::sequences::Sequences;
use super::statistics::{beta_quantile, draw};
use crate::error::{Result, check, setters};
use crate::progress::stop_if_asked;
use crate::session::seeded;
use ndarray::{Array2, Array3, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How transition probabilities are estimated.
///
/// Every row has a Dirichlet prior: `strength` times the row of the prior chain are counts that were seen before the
/// data. Where the prior chain is 0 the move is forbidden, and stays 0 whatever was counted (what was counted there is
/// reported by [`Estimate::forbidden`] and by [`contradictions`](super::contradictions)).
///
/// Steps over frames in which the track was not seen are no transitions: what happened between is drawn together with
/// the probabilities (Gibbs's sampler), so that they tell what they can and the intervals stay honest.
///
/// ```
/// use atomotion::markov::{Estimation, Sequences};
/// let tracks = vec![vec![0, 0, 0, 1, 1, 0], vec![1, 1, 1, 0, 0, 0]];
/// let sequences = Sequences::from_states(vec!["V_S".into(), "V_2S".into()], &tracks)?;
/// let estimate = Estimation::default().of(&sequences, 5.0)?;
/// assert!(estimate.low[[0, 1]] < estimate.chain.probabilities[[0, 1]]);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimation {
    /// What is believed before the data. Without one, every move is equally probable and `strength` is shared evenly.
    pub prior: Option<Chain>,
    /// How many transitions out of each state the prior counts for: 2 by default.
    pub strength: f64,
    /// Probability within the intervals: 0.95 by default.
    pub credible: f64,
    /// Draws of the sampler where frames are missing: 400 by default.
    pub draws: usize,
    /// Seed of these draws.
    pub seed: u64,
}

impl Default for Estimation {
    fn default() -> Self {
        Estimation { prior: None, strength: 2.0, credible: 0.95, draws: 400, seed: 1 }
    }
}

/// Estimated transition probabilities.
#[derive(Clone, PartialEq)]
pub struct Estimate {
    /// The posterior mean.
    pub chain: Chain,
    /// Ends of the equal-tailed credible interval of every probability. Where less than half a transition speaks for a move, or
    /// against it, the interval is wider: it ends where that of half a transition does (Jeffreys' prior), so that what a prior of
    /// a transition or two calls rare is not excluded before it was looked for.
    pub low: Array2<f64>,
    /// Upper ends.
    pub high: Array2<f64>,
    /// Transitions from one frame to the next that were seen.
    pub counts: Array2<u64>,
    /// Steps over missing frames.
    pub over_gaps: u64,
    /// What was believed before.
    pub prior: Array2<f64>,
    /// How many transitions out of each state it counts for.
    pub strength: f64,
    /// Probability within the intervals.
    pub credible: f64,
}

impl Estimation {
    setters! {
        prior: Option<Chain> => with_prior,
        strength: f64 => with_strength,
        credible: f64 => with_credible,
        draws: usize => with_draws,
        seed: u64 => with_seed,
    }

    fn validate(&self, names: &[String]) -> Result<()> {
        check(
            "strength",
            self.strength,
            self.strength.is_finite() && self.strength > 0.0,
            "a positive number of transitions",
        )?;
        check("credible", self.credible, self.credible > 0.0 && self.credible < 1.0, "between 0 and 1")?;
        check("draws", self.draws, (50..=1_000_000).contains(&self.draws), "from 50 to a million")?;
        if let Some(prior) = &self.prior {
            let shown = prior.names.join(", ");
            check("prior", shown, prior.names == names, format!("a chain of the same states: {}", names.join(", ")))?;
        }
        Ok(())
    }

    /// Estimates from tracks whose frames are `interval_s` apart.
    ///
    /// # Errors
    /// If an option is out of range, the prior is of other states, or the user stops it.
    pub fn of(&self, sequences: &Sequences, interval_s: f64) -> Result<Estimate> {
        let names = &sequences.names;
        self.validate(names)?;
        let n = names.len();
        let even = Array2::from_elem((n, n), 1.0 / n as f64);
        let prior = self.prior.as_ref().map_or(even, |chain| chain.probabilities.clone());
        let mut counts = sequences.counts();
        let direct = counts.remove(&1).unwrap_or_else(|| Array2::zeros((n, n)));
        let over_gaps = counts.values().map(Array2::sum).sum();
        // Of forbidden moves nothing is learnt.
        let before = &prior * self.strength;
        let alpha = &before + &direct.mapv(|c| c as f64) * &prior.mapv(|p| f64::from(u8::from(p > 0.0)));
        let (mean, low, high) = if over_gaps == 0 { self.exact(&alpha) } else { self.sampled(&alpha, &counts)? };
        let chain = Chain::new(names.clone(), mean, interval_s)?;
        Ok(Estimate {
            chain,
            low,
            high,
            counts: direct,
            over_gaps,
            prior,
            strength: self.strength,
            credible: self.credible,
        })
    }

    /// Every probability of a Dirichlet distribution is a beta variable.
    fn exact(&self, alpha: &Array2<f64>) -> (Array2<f64>, Array2<f64>, Array2<f64>) {
        let totals = alpha.sum_axis(Axis(1));
        let tail = 0.5 * (1.0 - self.credible);
        let mean = Array2::from_shape_fn(alpha.dim(), |(i, j)| alpha[[i, j]] / totals[i]);
        // A prior that counts for one transition cannot exclude what it calls rare: where less than half a transition speaks
        // for or against a move, the end is that of half of one (Jeffreys' prior). Forbidden moves stay forbidden.
        let low = |a: f64, b: f64| {
            if b <= 0.0 && a > 0.0 {
                1.0
            } else if a < HALF {
                0.0
            } else {
                beta_quantile(tail, a, b.max(HALF))
            }
        };
        let high = |a: f64, b: f64| {
            if a <= 0.0 {
                0.0
            } else if b < HALF {
                1.0
            } else {
                beta_quantile(1.0 - tail, a.max(HALF), b)
            }
        };
        let ends = |end: &dyn Fn(f64, f64) -> f64| {
            Array2::from_shape_fn(alpha.dim(), |(i, j)| end(alpha[[i, j]], totals[i] - alpha[[i, j]]))
        };
        (mean, ends(&low), ends(&high))
    }

    /// Draws what happened in missing frames and the probabilities in turn.
    fn sampled(
        &self,
        alpha: &Array2<f64>,
        gaps: &BTreeMap<u32, Array2<u64>>,
    ) -> Result<(Array2<f64>, Array2<f64>, Array2<f64>)> {
        let n = alpha.nrows();
        let mut rng = ChaCha8Rng::seed_from_u64(seeded("Estimation", self.seed));
        // Started as if nothing had happened in missing frames: a matrix has many roots, and states that last are meant.
        let open = alpha.mapv(|a| f64::from(u8::from(a > 0.0)));
        let mut p = self.exact(&gaps.values().fold(alpha.clone(), |sum, c| sum + c.mapv(|c| c as f64) * &open)).0;
        let mut kept = Array3::zeros((self.draws, n, n));
        // The mean of each draw's own mean: of draws themselves it would miss what is rare.
        let mut mean = Array2::<f64>::zeros((n, n));
        let mut all = Array2::<f64>::zeros((n, n));
        let warm_up = self.draws / 4;
        for sweep in 0..self.draws + warm_up {
            stop_if_asked("while estimating transition probabilities")?;
            let mut full = alpha.clone();
            for (&gap, counts) in gaps {
                bridge(&p, gap, counts, &mut full, &mut rng);
            }
            for (i, mut row) in p.rows_mut().into_iter().enumerate() {
                dirichlet(full.row(i).as_slice().unwrap_or(&[]), row.as_slice_mut().unwrap_or(&mut []), &mut rng);
            }
            if sweep >= warm_up {
                kept.index_axis_mut(Axis(0), sweep - warm_up).assign(&p);
                mean += &(&full / &full.sum_axis(Axis(1)).insert_axis(Axis(1)));
                all += &(full / self.draws as f64);
            }
        }
        mean.rows_mut().into_iter().for_each(|mut r| {
            let sum = r.sum();
            r /= sum;
        });
        let tail = 0.5 * (1.0 - self.credible);
        let end = |at: f64| {
            Array2::from_shape_fn((n, n), |(i, j)| {
                let mut values = kept.slice(ndarray::s![.., i, j]).to_vec();
                values.sort_by(f64::total_cmp);
                values[(at * (values.len() - 1) as f64).round() as usize]
            })
        };
        // Half a transition, as above.
        let (_, low, high) = self.exact(&all);
        let totals = all.sum_axis(Axis(1));
        let scarce = |(i, j): (usize, usize)| all[[i, j]].min(totals[i] - all[[i, j]]) < HALF;
        let ends = [(end(tail), low), (end(1.0 - tail), high)];
        let [low, high] = ends
            .map(|(drawn, exact)| Array2::from_shape_fn((n, n), |at| if scarce(at) { exact[at] } else { drawn[at] }));
        Ok((mean, low, high))
    }
}

/// Half a transition.
const HALF: f64 = 0.5;

/// Adds transitions drawn for steps over `gap` frames, given where they began and ended.
fn bridge(p: &Array2<f64>, gap: u32, counts: &Array2<u64>, into: &mut Array2<f64>, rng: &mut ChaCha8Rng) {
    let n = p.nrows();
    // Longer gaps than a chain's memory tell nothing: their ends are drawn as if the rest were independent.
    let mut powers = vec![Array2::eye(n)];
    for k in 0..gap as usize {
        let next = powers[k].dot(p);
        powers.push(next);
    }
    for ((from, to), &count) in counts.indexed_iter() {
        if powers[gap as usize][[from, to]] <= 0.0 {
            continue; // impossible under the prior's zeros: reported, not learnt from
        }
        for _ in 0..count {
            let mut at = from;
            for left in (0..gap as usize).rev() {
                let total: f64 = (0..n).map(|j| p[[at, j]] * powers[left][[j, to]]).sum();
                let next = draw((0..n).map(|j| p[[at, j]] * powers[left][[j, to]] / total), rng);
                into[[at, next]] += 1.0;
                at = next;
            }
        }
    }
}

/// A Dirichlet variable: gamma variables (Marsaglia and Tsang, ACM Trans. Math. Softw. 26, 363, 2000), scaled.
pub(super) fn dirichlet(alpha: &[f64], into: &mut [f64], rng: &mut ChaCha8Rng) {
    // In logarithms, because a gamma variable of a small shape is often too small for a number.
    let logs: Vec<f64> =
        alpha.iter().map(|&a| if a > 0.0 { log_gamma_variable(a, rng) } else { f64::NEG_INFINITY }).collect();
    let highest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    into.iter_mut().zip(&logs).for_each(|(v, l)| *v = libm::exp(l - highest));
    let sum: f64 = into.iter().sum();
    into.iter_mut().for_each(|v| *v /= sum);
}

fn log_gamma_variable(shape: f64, rng: &mut ChaCha8Rng) -> f64 {
    use rand::Rng;
    if shape < 1.0 {
        let u: f64 = 1.0 - rng.r#gen::<f64>();
        return log_gamma_variable(shape + 1.0, rng) + libm::log(u) / shape;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        // Box and Muller's normal variable.
        let (u, v): (f64, f64) = (1.0 - rng.r#gen::<f64>(), rng.r#gen());
        let x = libm::sqrt(-2.0 * libm::log(u)) * libm::cos(std::f64::consts::TAU * v);
        let cube = 1.0 + c * x;
        if cube > 0.0 {
            let v = cube * cube * cube;
            let u: f64 = 1.0 - rng.r#gen::<f64>();
            if libm::log(u) < 0.5 * x * x + d - d * v + d * libm::log(v) {
                return libm::log(d * v);
            }
        }
    }
}

impl Estimate {
    /// Transitions that were seen though the prior forbids them: from, to, how often.
    #[must_use]
    pub fn forbidden(&self) -> Vec<(&str, &str, u64)> {
        let names = &self.chain.names;
        let seen = self.counts.indexed_iter().filter(|((i, j), n)| **n > 0 && self.prior[[*i, *j]] == 0.0);
        seen.map(|((i, j), n)| (names[i].as_str(), names[j].as_str(), *n)).collect()
    }

    /// Kullback-Leibler divergence in nats of true to estimated rows, weighted by how often each state is occupied;
    /// estimated zeros count as `1 / 2n` of the n transitions that were seen out of the state.
    #[must_use]
    pub fn divergence(&self, truth: &Array2<f64>, occupancy: &[f64]) -> f64 {
        let seen = self.counts.sum_axis(Axis(1));
        let total: f64 = occupancy.iter().sum();
        let cell = |((i, j), &p): ((usize, usize), &f64)| {
            let floor = 0.5 / seen[i].max(1) as f64;
            let q = self.chain.probabilities[[i, j]];
            if p > 0.0 { occupancy[i] / total * p * libm::log(p / if q > 0.0 { q } else { floor }) } else { 0.0 }
        };
        truth.indexed_iter().map(cell).sum()
    }
}

impl std::fmt::Debug for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let direct = self.counts.sum();
        write!(f, "Transition probabilities from {direct} transitions")?;
        if self.over_gaps > 0 {
            write!(f, " and {} steps over missing frames", self.over_gaps)?;
        }
        write!(f, ", {} of prior a state, step {} s", self.strength, self.chain.interval_s)?;
        for (from, to, n) in self.forbidden() {
            write!(f, "\n{from} -> {to} was seen {n} times, but is forbidden")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
