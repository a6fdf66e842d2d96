//! Hidden Markov models: what a defect was in each frame, from what was seen of it in all frames.

mod contradict;
mod fast;
mod forward;
mod lanes;
mod learn;

pub(crate) use forward::{Smoothed, Steps, forward_backward, log_likelihood as forward_log_likelihood};
pub(crate) use lanes::forward_backward_all;
pub use learn::{Learned, Learning};

use super::chain::Chain;
use crate::error::{Error, Result, check};
use crate::progress::stop_if_asked;
use ndarray::{Array1, Array2, ArrayView2};
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};
use serde::{Deserialize, Serialize};

/// What is seen where nothing was detected.
pub const NOT_DETECTED: &str = "not detected";

/// States that follow each other as a [`Chain`] says, and what a search and a classifier make of them.
///
/// `emission` has, for each state (row), the probability of each class (column) that a classifier may give, and of
/// [`NOT_DETECTED`] in the last column. An observation of a track has a row for each of its frames: the classifier's soft
/// evidence, one weight a class (they sum to 1), or 1 in the last column where nothing was detected. The likelihood of a
/// state is the mean of its emissions under these weights (virtual evidence, Pearl 1988), so that a classifier that is
/// sure gives a plain hidden Markov model.
///
/// ```
/// use atomotion::markov::{Chain, Hidden};
/// use atomotion::ndarray::array;
/// let chain = Chain::new(vec!["Mo_W".into(), "Mo_W+V_S".into()], array![[0.98, 0.02], [0.05, 0.95]], 5.0)?;
/// let hidden = Hidden::from_confusion(chain, array![[0.9, 0.1], [0.2, 0.8]], &[0.95, 0.9])?;
/// // Seen as Mo_W, not seen at all, doubtful, Mo_W.
/// let track = array![[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.4, 0.6, 0.0], [1.0, 0.0, 0.0]];
/// let posterior = hidden.posterior(&track)?;
/// assert!(posterior[[2, 0]] > 0.9, "one doubtful frame does not make a vacancy");
/// assert_eq!(hidden.path(&track)?.0.to_vec(), [0, 0, 0, 0]);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Hidden {
    /// The states, and what follows what.
    pub chain: Chain,
    /// Probabilities of the first frame's state.
    pub start: Array1<f64>,
    /// What may be seen; the last is [`NOT_DETECTED`].
    pub symbols: Vec<String>,
    /// Rows sum to 1.
    pub emission: Array2<f64>,
}

/// How far soft evidence may be from a sum of 1.
const SUM: f64 = 1e-3;

impl Hidden {
    /// From a chain, start and emission probabilities.
    ///
    /// # Errors
    /// If shapes do not fit, or a row is no distribution.
    pub fn new(chain: Chain, start: Array1<f64>, symbols: Vec<String>, emission: Array2<f64>) -> Result<Hidden> {
        let n = chain.len();
        check(
            "start",
            format!("{start:.4}"),
            start.len() == n && distribution(start.iter()),
            format!("{n} numbers from 0 that sum to 1"),
        )?;
        let (rows, columns) = emission.dim();
        let fits = rows == n && columns == symbols.len() && columns > 0;
        check(
            "emission",
            format!("{rows} x {columns}"),
            fits,
            format!("{n} x {}: a row a state, a column a symbol", symbols.len()),
        )?;
        for (name, row) in chain.names.iter().zip(emission.rows()) {
            check(
                "emission",
                format!("{row:.4} (of {name})"),
                distribution(row.iter()),
                "rows of numbers from 0 that sum to 1",
            )?;
        }
        Ok(Hidden { chain, start, symbols, emission })
    }

    /// From what a classifier makes of each state, given that it was detected (rows: states, columns: classes, named as
    /// the states), and how often each state is detected. The start is the chain's stationary distribution, or even where
    /// there is none.
    ///
    /// # Errors
    /// If shapes do not fit, a row is no distribution, or a recall is not from 0 to 1.
    pub fn from_confusion(chain: Chain, confusion: Array2<f64>, recall: &[f64]) -> Result<Hidden> {
        let n = chain.len();
        check("confusion", format!("{:?}", confusion.dim()), confusion.dim() == (n, n), format!("{n} x {n}"))?;
        check("recall", format!("{} numbers", recall.len()), recall.len() == n, format!("{n}, one a state"))?;
        for r in recall {
            check("recall", r, (0.0..=1.0).contains(r), "from 0 to 1")?;
        }
        let emission =
            Array2::from_shape_fn(
                (n, n + 1),
                |(s, c)| if c < n { recall[s] * confusion[[s, c]] } else { 1.0 - recall[s] },
            );
        let start = chain.stationary().unwrap_or_else(|_| Array1::from_elem(n, 1.0 / n as f64));
        // No state is impossible at the start because it does not last.
        let start = start.mapv(|p| 0.99 * p + 0.01 / n as f64);
        let symbols = chain.names.iter().cloned().chain([NOT_DETECTED.into()]).collect();
        Hidden::new(chain, start, symbols, emission)
    }

    /// The same with another chain of the same states.
    ///
    /// # Errors
    /// If its states are others.
    pub fn with_chain(mut self, chain: Chain) -> Result<Hidden> {
        check(
            "chain",
            chain.names.join(", "),
            chain.names == self.chain.names,
            format!("a chain of {}", self.chain.names.join(", ")),
        )?;
        self.chain = chain;
        Ok(self)
    }

    /// Log-likelihood of each state (column) in each frame (row) of a track.
    ///
    /// # Errors
    /// If there is no frame, or a row's numbers do not fit or do not sum to 1: the error names it.
    pub fn evidence(&self, observed: &Array2<f64>) -> Result<Array2<f64>> {
        let (frames, m) = observed.dim();
        check(
            "observed",
            format!("{frames} x {m}"),
            frames > 0 && m == self.symbols.len(),
            format!("frames x {} symbols", self.symbols.len()),
        )?;
        for (t, row) in observed.rows().into_iter().enumerate() {
            let sum: f64 = row.sum();
            if !((sum - 1.0).abs() < SUM && row.iter().all(|w| *w >= 0.0)) {
                return Err(Error::data(format!(
                    "frame {t} of the track: the evidence {row:.4} is no distribution: it must sum to 1"
                )));
            }
        }
        Ok(observed.dot(&self.emission.t()).mapv(libm::log))
    }

    /// The same of many tracks, by all threads.
    fn evidence_of(&self, tracks: &[Array2<f64>]) -> Result<Vec<Array2<f64>>> {
        let of = |observed: &Array2<f64>| {
            stop_if_asked("while reading tracks")?;
            self.evidence(observed)
        };
        tracks.par_iter().map(of).collect()
    }

    pub(crate) fn steps(&self) -> Result<Steps<'_>> {
        match (self.start.as_slice(), self.chain.probabilities.as_slice()) {
            (Some(start), Some(transition)) => Ok(Steps { start, transition }),
            _ => Err(Error::data("start and transitions must be in standard order")),
        }
    }

    /// Logarithm of the probability of what was seen of a track.
    ///
    /// # Errors
    /// Those of [`Hidden::evidence`].
    pub fn log_likelihood(&self, observed: &Array2<f64>) -> Result<f64> {
        Ok(forward::log_likelihood(&self.steps()?, self.evidence(observed)?.view()))
    }

    /// Probability of each state (column) in each frame (row), in the light of all frames.
    ///
    /// # Errors
    /// Those of [`Hidden::evidence`]; also if what was seen is impossible under the model.
    pub fn posterior(&self, observed: &Array2<f64>) -> Result<Array2<f64>> {
        Ok(self.smoothed(observed, false)?.states)
    }

    fn smoothed(&self, observed: &Array2<f64>, moves: bool) -> Result<Smoothed> {
        forward_backward(&self.steps()?, self.evidence(observed)?.view(), moves).ok_or_else(impossible)
    }

    /// Posteriors of many tracks, by all threads, in their order.
    ///
    /// # Errors
    /// Those of [`Hidden::posterior`]; also if the user stops it.
    pub fn posteriors(&self, tracks: &[Array2<f64>]) -> Result<Vec<Array2<f64>>> {
        let logs = self.evidence_of(tracks)?;
        let views: Vec<ArrayView2<f64>> = logs.iter().map(Array2::view).collect();
        let read = forward_backward_all(&self.steps()?, &views, false, "while reading tracks")?;
        read.into_iter().map(|s| s.map(|s| s.states).ok_or_else(impossible)).collect()
    }

    /// The most probable states of all frames together (Viterbi), and the logarithm of their probability with what was
    /// seen.
    ///
    /// # Errors
    /// Those of [`Hidden::posterior`].
    pub fn path(&self, observed: &Array2<f64>) -> Result<(Array1<usize>, f64)> {
        forward::viterbi(&self.steps()?, self.evidence(observed)?.view()).ok_or_else(impossible)
    }
}

impl Chain {
    /// Reads many tracks from log-likelihoods of each state (column) in each frame (row), wherever they come from, by all
    /// threads: for each the logarithm of the probability of what was seen, and the probability of each state in each
    /// frame.
    ///
    /// ```
    /// use atomotion::markov::Chain;
    /// use atomotion::ndarray::array;
    /// let chain = Chain::new(vec!["a".into(), "b".into()], array![[0.9, 0.1], [0.2, 0.8]], 1.0)?;
    /// let read = chain.smooth(&array![0.5, 0.5], &[array![[0.0, -3.0], [0.0, 0.0]]])?;
    /// let seen = 0.5 + 0.5 * (-3.0_f64).exp();
    /// assert!((read[0].0 - seen.ln()).abs() < 1e-12 && read[0].1[[0, 0]] > 0.9);
    /// # Ok::<(), atomotion::Error>(())
    /// ```
    ///
    /// # Errors
    /// If start or a track's shape does not fit, a track is impossible, or the user stops it.
    pub fn smooth(&self, start: &Array1<f64>, tracks: &[Array2<f64>]) -> Result<Vec<(f64, Array2<f64>)>> {
        let n = self.len();
        let valid = start.len() == n && distribution(start.iter());
        check("start", format!("{start:.4}"), valid, format!("{n} numbers from 0 that sum to 1"))?;
        let (start, transition) = (start.to_vec(), self.probabilities.iter().copied().collect::<Vec<f64>>());
        let steps = Steps { start: &start, transition: &transition };
        for log in tracks {
            check("tracks", format!("{:?}", log.dim()), log.nrows() > 0 && log.ncols() == n, format!("frames x {n}"))?;
            let logarithms =
                log.rows().into_iter().all(|row| row.iter().fold(true, |all, v| all & (*v < f64::INFINITY)));
            check("tracks", "not a number", logarithms, "logarithms")?;
        }
        let views: Vec<ArrayView2<f64>> = tracks.iter().map(Array2::view).collect();
        let read = forward_backward_all(&steps, &views, false, "while reading tracks")?;
        read.into_iter().map(|s| s.map(|s| (s.log_likelihood, s.states)).ok_or_else(impossible)).collect()
    }
}

fn impossible() -> Error {
    Error::data(
        "what was seen of a track is impossible under the model: give every state a small chance of every symbol",
    )
}

fn distribution<'a>(values: impl Iterator<Item = &'a f64>) -> bool {
    let mut sum = 0.0;
    for v in values {
        if v.is_nan() || *v < 0.0 {
            return false;
        }
        sum += v;
    }
    (sum - 1.0).abs() < 1e-6
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hidden Markov model of {} states and {} symbols", self.chain.len(), self.symbols.len())?;
        for (name, row) in self.chain.names.iter().zip(self.emission.rows()) {
            let seen: Vec<String> = self
                .symbols
                .iter()
                .zip(row)
                .filter(|(_, p)| **p >= 0.005)
                .map(|(s, p)| format!("{s} {p:.2}"))
                .collect();
            write!(f, "\n{name:<12} is seen as {}", seen.join(", "))?;
        }
        Ok(())
    }
}
