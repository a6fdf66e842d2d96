//! Baum-Welch: the model itself from tracks, with structural zeros and priors.

use super::{Hidden, Smoothed, forward_backward_all, impossible};
use crate::error::{Error, Result, check, setters};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};
use serde::{Deserialize, Serialize};

/// How a hidden model is learnt: expectation and maximisation (Baum and others, Ann. Math. Stat. 41, 164, 1970), started
/// at the model it is called on. What is 0 there stays 0. Priors are that model's own numbers, counted as so many
/// transitions (observations) of each state.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learning {
    /// Rounds at most: 100 by default.
    pub rounds: usize,
    /// Ends where a round gains less log-likelihood (with the priors) than this for each frame: 1e-6 by default.
    pub tolerance: f64,
    /// Transitions of each state that the starting model counts for: 0 by default (the data alone).
    pub transition_prior: f64,
    /// Observations of each state that its emission counts for: 1 by default.
    pub emission_prior: f64,
    /// Whether what follows what is learnt: yes by default.
    pub transitions: bool,
    /// Whether what is seen of a state is learnt: no by default.
    pub emissions: bool,
}

impl Default for Learning {
    fn default() -> Self {
        Learning {
            rounds: 100,
            tolerance: 1e-6,
            transition_prior: 0.0,
            emission_prior: 1.0,
            transitions: true,
            emissions: false,
        }
    }
}

/// What was learnt.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// The model.
    pub model: Hidden,
    /// Log-likelihood of all tracks before each round, and at the end.
    pub log_likelihood: Vec<f64>,
    /// Whether it ended by the tolerance.
    pub converged: bool,
}

struct Expected {
    log_likelihood: f64,
    start: Array1<f64>,
    moves: Array2<f64>,
    seen: Array2<f64>,
}

impl Learning {
    setters! {
        rounds: usize => with_rounds,
        tolerance: f64 => with_tolerance,
        transition_prior: f64 => with_transition_prior,
        emission_prior: f64 => with_emission_prior,
        transitions: bool => with_transitions,
        emissions: bool => with_emissions,
    }

    fn validate(&self) -> Result<()> {
        check("rounds", self.rounds, self.rounds > 0, "at least 1")?;
        check("tolerance", self.tolerance, self.tolerance > 0.0, "a positive gain of log-likelihood")?;
        let prior = self.transition_prior;
        check("transition_prior", prior, prior >= 0.0 && prior.is_finite(), "a number of transitions, 0 or more")?;
        let prior = self.emission_prior;
        check("emission_prior", prior, prior >= 0.0 && prior.is_finite(), "a number of observations, 0 or more")
    }
}

impl Hidden {
    /// Learns from tracks, starting at this model.
    ///
    /// # Errors
    /// If there is no track, one is impossible under the model, an option is out of range, or the user stops it.
    pub fn learn(&self, tracks: &[Array2<f64>], learning: &Learning) -> Result<Learned> {
        learning.validate()?;
        if tracks.is_empty() {
            return Err(Error::data("there are no tracks to learn from"));
        }
        let frames: usize = tracks.iter().map(Array2::nrows).sum();
        let (mut model, mut history, mut before, mut converged) = (self.clone(), vec![], f64::NEG_INFINITY, false);
        for _ in 0..learning.rounds {
            let expected = model.expected(tracks, learning.emissions)?;
            history.push(expected.log_likelihood);
            let score = expected.log_likelihood + self.log_prior(&model, learning);
            if score - before < learning.tolerance * frames as f64 {
                converged = true;
                break;
            }
            before = score;
            self.maximise(&mut model, &expected, learning);
        }
        if !converged {
            let last = tracks.par_iter().map(|t| model.log_likelihood(t)).sum::<Result<f64>>()?;
            history.push(last);
        }
        Ok(Learned { model, log_likelihood: history, converged })
    }

    fn expected(&self, tracks: &[Array2<f64>], emissions: bool) -> Result<Expected> {
        let (n, m) = self.emission.dim();
        let none = || Expected {
            log_likelihood: 0.0,
            start: Array1::zeros(n),
            moves: Array2::zeros((n, n)),
            seen: Array2::zeros((n, m)),
        };
        let logs = self.evidence_of(tracks)?;
        let views: Vec<ArrayView2<f64>> = logs.iter().map(Array2::view).collect();
        let read = forward_backward_all(&self.steps()?, &views, true, "while learning from tracks")?;
        // Summed in the order of the tracks, so that the result is the same for any number of threads.
        let mut all = none();
        for ((found, observed), log) in read.into_iter().zip(tracks).zip(&logs) {
            let Smoothed { log_likelihood, states, moves } = found.ok_or_else(impossible)?;
            all.log_likelihood += log_likelihood;
            all.start += &states.row(0);
            all.moves += &moves;
            if !emissions {
                continue;
            }
            // A frame's weight for a state goes to the symbols by how much each made the state probable.
            for ((row, weights), log) in states.rows().into_iter().zip(observed.rows()).zip(log.rows()) {
                for s in (0..n).filter(|&s| row[s] > 0.0) {
                    let share = row[s] / libm::exp(log[s]);
                    for c in 0..m {
                        all.seen[[s, c]] += share * weights[c] * self.emission[[s, c]];
                    }
                }
            }
        }
        Ok(all)
    }

    /// Log-density of the priors at a model, up to a constant: `strength p0 ln p`, so that the prior is where it was.
    fn log_prior(&self, model: &Hidden, learning: &Learning) -> f64 {
        let of = |p0: &Array2<f64>, p: &Array2<f64>, strength: f64| -> f64 {
            p0.iter()
                .zip(p)
                .filter(|(p0, _)| **p0 > 0.0 && strength > 0.0)
                .map(|(p0, p)| strength * p0 * libm::log(*p))
                .sum()
        };
        of(&self.chain.probabilities, &model.chain.probabilities, learning.transition_prior)
            + of(&self.emission, &model.emission, learning.emission_prior)
    }

    fn maximise(&self, model: &mut Hidden, expected: &Expected, learning: &Learning) {
        let rows = |counts: Array2<f64>, into: &mut Array2<f64>| {
            for (mut to, row) in into.rows_mut().into_iter().zip(counts.rows()) {
                let sum = row.sum();
                // Of a state that was never occupied nothing is learnt.
                if sum > 0.0 {
                    to.assign(&(&row / sum));
                }
            }
        };
        if learning.transitions {
            rows(
                &expected.moves + &(&self.chain.probabilities * learning.transition_prior),
                &mut model.chain.probabilities,
            );
            let sum = expected.start.sum();
            model.start = &expected.start / sum;
        }
        if learning.emissions {
            rows(&expected.seen + &(&self.emission * learning.emission_prior), &mut model.emission);
        }
        debug_assert_eq!(model.emission.len_of(Axis(0)), model.start.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markov::chain::Chain;
    use crate::markov::statistics::draw;
    use ndarray::array;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn truth() -> Hidden {
        let p = array![[0.95, 0.05, 0.0], [0.1, 0.8, 0.1], [0.0, 0.05, 0.95]];
        let chain = Chain::new(vec!["a".into(), "b".into(), "c".into()], p, 1.0).unwrap();
        Hidden::from_confusion(chain, array![[0.8, 0.15, 0.05], [0.1, 0.8, 0.1], [0.05, 0.15, 0.8]], &[0.9, 0.8, 0.9])
            .unwrap()
    }

    fn tracks(model: &Hidden, count: usize, frames: usize, seed: u64) -> Vec<Array2<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..count)
            .map(|_| {
                let mut at = draw(model.start.iter().copied(), &mut rng);
                Array2::from_shape_vec(
                    (frames, 4),
                    (0..frames)
                        .flat_map(|t| {
                            if t > 0 {
                                at = draw(model.chain.probabilities.row(at).iter().copied(), &mut rng);
                            }
                            let seen = draw(model.emission.row(at).iter().copied(), &mut rng);
                            (0..4).map(move |c| f64::from(u8::from(c == seen)))
                        })
                        .collect(),
                )
                .unwrap()
            })
            .collect()
    }

    #[test]
    fn likelihood_never_falls_and_the_planted_model_is_found() {
        let truth = truth();
        let data = tracks(&truth, 300, 100, 1);
        let flat = array![[0.8, 0.2, 0.0], [0.1, 0.8, 0.1], [0.0, 0.2, 0.8]];
        let start = truth.clone().with_chain(Chain::new(truth.chain.names.clone(), flat, 1.0).unwrap()).unwrap();
        let learned = start.learn(&data, &Learning::default().with_emissions(true).with_rounds(200)).unwrap();
        assert!(learned.log_likelihood.windows(2).all(|w| w[1] > w[0] - 1e-6), "{:?}", learned.log_likelihood);
        let p = &learned.model.chain.probabilities;
        assert_eq!((p[[0, 2]], p[[2, 0]]), (0.0, 0.0), "structural zeros stay");
        // 30,000 frames: a probability of 0.1 is known to about 0.005, the emissions to 0.01.
        assert!((p - &truth.chain.probabilities).iter().all(|d| d.abs() < 0.03), "{p}");
        assert!((&learned.model.emission - &truth.emission).iter().all(|d| d.abs() < 0.05), "{:?}", learned.model);
    }

    #[test]
    fn a_strong_prior_stays_where_it_was() {
        let truth = truth();
        let data = tracks(&truth, 5, 10, 2);
        let held = truth.learn(&data, &Learning::default().with_transition_prior(1e9)).unwrap();
        assert!((&held.model.chain.probabilities - &truth.chain.probabilities).iter().all(|d| d.abs() < 1e-6));
    }

    #[test]
    fn a_state_that_is_never_seen_keeps_its_row() {
        let mut model = truth();
        model.start = array![1.0, 0.0, 0.0];
        model.chain.probabilities = array![[1.0, 0.0, 0.0], [0.1, 0.8, 0.1], [0.0, 0.05, 0.95]];
        let learned = model.learn(&tracks(&model, 3, 20, 3), &Learning::default()).unwrap();
        assert_eq!(learned.model.chain.probabilities.row(2), model.chain.probabilities.row(2));
    }

    #[test]
    fn bad_evidence_is_named() {
        let model = truth();
        let says = |row: Array2<f64>| model.posterior(&row).unwrap_err().to_string();
        assert!(says(array![[0.5, 0.2, 0.0, 0.0]]).contains("frame 0"));
        assert!(says(array![[1.0, 0.0, 0.0, 0.0], [f64::NAN, 1.0, 0.0, 0.0]]).contains("frame 1"));
        assert!(says(array![[1.0, 0.0]]).contains("4 symbols"));
        assert!(says(Array2::zeros((0, 4))).contains("0 x 4"));
        assert!(model.learn(&[], &Learning::default()).unwrap_err().to_string().contains("no tracks"));
        assert!(Hidden::from_confusion(model.chain.clone(), Array2::eye(2), &[1.0, 1.0, 1.0]).is_err());
        assert!(
            Hidden::from_confusion(model.chain.clone(), Array2::eye(3), &[1.0, 1.0, 1.5])
                .unwrap_err()
                .to_string()
                .contains("1.5")
        );
    }
}
