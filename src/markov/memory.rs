//! Whether tracks are a Markov chain.

use super::sequences::Sequences;
use crate::statistics::chi_squared_tail;
use ndarray::Axis;

/// Whether what comes next depends on more than the present state.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// Likelihood ratio of second against first order (Anderson and Goodman, Ann. Math. Stat. 28, 89, 1957), twice its log.
    pub likelihood_ratio: f64,
    /// Pearson's chi-squared of the same counts.
    pub chi_squared: f64,
    /// What chi-squared is on average for a Markov chain.
    pub degrees: f64,
    /// Probability of a chi-squared this large if the chain has no memory and tracks are independent.
    pub p_value: f64,
    /// What the state before tells of the next, in bits a transition, with what chance gives taken off.
    pub bits: f64,
}

/// Tests whether tracks are a Markov chain of first order, on three frames in a row. Of triples that a chain would show
/// less than once nothing is asked: chi-squared is not what it is taken for there.
#[must_use]
pub fn memory(sequences: &Sequences) -> Memory {
    let triples = sequences.triples().mapv(|n| n as f64);
    let (first, second) = (triples.sum_axis(Axis(2)), triples.sum_axis(Axis(0)));
    let present = second.sum_axis(Axis(1));
    let (mut ratio, mut chi, mut degrees) = (0.0, 0.0, 0.0);
    for ((i, j, k), &n) in triples.indexed_iter() {
        let all = present[j].max(1.0);
        let (before, after) = (first[[i, j]] / all, second[[j, k]] / all);
        let expected = before * after * all;
        if expected >= 1.0 {
            ratio += 2.0 * (if n > 0.0 { n * libm::log(n / expected) } else { 0.0 } - (n - expected));
            chi += (n - expected) * (n - expected) / expected;
            degrees += (1.0 - before) * (1.0 - after);
        }
    }
    let bits = f64::max(chi - degrees, 0.0) / (2.0 * triples.sum().max(1.0) * std::f64::consts::LN_2);
    Memory { likelihood_ratio: ratio, chi_squared: chi, degrees, p_value: chi_squared_tail(chi, degrees), bits }
}
