//! Rates per second from tracks whose frames need not be evenly spaced.

use super::exponential::{exponential, probabilities};
use crate::error::{Error, Result, check, setters};
use crate::linear::solve;
use crate::progress::stop_if_asked;
use ndarray::{Array2, ArrayView2, s};
use serde::{Deserialize, Serialize};

/// What was seen at two moments: the state at the first and, `seconds` later, at the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// State at the first moment.
    pub from: usize,
    /// State at the second.
    pub to: usize,
    /// Seconds between.
    pub seconds: f64,
}

/// How rates are fitted: the most probable generator, by expectation and maximisation over what happened between the
/// moments (Holmes and Rubin, J. Mol. Biol. 317, 753, 2002; the integrals by Van Loan's block exponential, IEEE Trans.
/// Autom. Control 23, 395, 1978).
///
/// ```
/// use atomotion::markov::{RateFit, Step};
/// use atomotion::ndarray::array;
/// let steps: Vec<Step> = (0..200).map(|i| Step { from: 0, to: usize::from(i % 4 == 0), seconds: 5.0 }).collect();
/// let fit = RateFit::default().of(&["V_S".into(), "V_2S".into()], &array![[0.0, 0.1], [0.0, 0.0]], &steps)?;
/// assert!((fit.rates[[0, 1]] + libm_ln(0.75) / 5.0).abs() < 1e-3);
/// # fn libm_ln(x: f64) -> f64 { x.ln() }
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateFit {
    /// Seconds in each state for which the prior rates count as seen: 0 by default (the data alone).
    pub prior_s: f64,
    /// Probability within the intervals: 0.95 by default.
    pub credible: f64,
    /// Rounds at most: 500 by default.
    pub rounds: usize,
    /// Ends where no rate changes by more than this fraction: 1e-7 by default.
    pub tolerance: f64,
}

impl Default for RateFit {
    fn default() -> Self {
        RateFit { prior_s: 0.0, credible: 0.95, rounds: 500, tolerance: 1e-7 }
    }
}

/// Fitted rates.
#[derive(Clone, PartialEq)]
pub struct Rates {
    /// Names of the states.
    pub names: Vec<String>,
    /// Per second, from (row) to (column); rows sum to 0.
    pub rates: Array2<f64>,
    /// Ends of the intervals, from the curvature of the posterior in the logarithm of the rates; not a number where the
    /// data say nothing of a rate.
    pub low: Array2<f64>,
    /// Upper ends.
    pub high: Array2<f64>,
    /// Logarithm of the likelihood.
    pub log_likelihood: f64,
}

/// The steps by how long they take, as counts.
struct Data {
    groups: Vec<(f64, Array2<f64>)>,
}

impl RateFit {
    setters! {
        prior_s: f64 => with_prior_s,
        credible: f64 => with_credible,
        rounds: usize => with_rounds,
        tolerance: f64 => with_tolerance,
    }

    /// Fits the rates that are not 0 in `start`, which is also the prior; what is 0 there is forbidden and stays 0.
    ///
    /// # Errors
    /// If an option is out of range, a step is none, or the data have a step that no allowed moves make.
    pub fn of(&self, names: &[String], start: &Array2<f64>, steps: &[Step]) -> Result<Rates> {
        let n = names.len();
        check("prior_s", self.prior_s, self.prior_s >= 0.0 && self.prior_s.is_finite(), "seconds, 0 or more")?;
        check("credible", self.credible, self.credible > 0.0 && self.credible < 1.0, "between 0 and 1")?;
        check("rounds", self.rounds, self.rounds > 0, "at least 1")?;
        check("tolerance", self.tolerance, self.tolerance > 0.0, "a positive fraction")?;
        check("start", format!("{:?}", start.dim()), start.dim() == (n, n), format!("{n} x {n}"))?;
        let prior = generator(start);
        let valid = prior.indexed_iter().all(|((i, j), q)| q.is_finite() && (i == j || *q >= 0.0));
        check("start", "the rates", valid, "numbers of 0 or more per second")?;
        let data = Data::new(n, steps)?;
        let mut q = prior.clone();
        for round in 0..self.rounds {
            stop_if_asked("while fitting rates")?;
            let (jumps, time) = data.expected(&q, names)?;
            let mut change = 0.0_f64;
            let old = q.clone();
            for i in 0..n {
                for j in (0..n).filter(|&j| j != i && prior[[i, j]] > 0.0) {
                    let seconds = time[i] + self.prior_s;
                    let rate = if seconds > 0.0 {
                        (jumps[[i, j]] + prior[[i, j]] * self.prior_s) / seconds
                    } else {
                        old[[i, j]]
                    };
                    // A rate of which nothing was seen goes to 0, slowly: that is near enough.
                    q[[i, j]] = rate.max(1e-12 * prior[[i, j]]);
                    let size = rate.max(1e-6 * prior[[i, j]]);
                    change = change.max((q[[i, j]] - old[[i, j]]).abs() / size);
                }
            }
            q = generator(&q);
            if change < self.tolerance && round > 0 {
                break;
            }
        }
        let (low, high) = self.intervals(&q, &prior, &data)?;
        let log_likelihood = data.log_likelihood(&q)?;
        Ok(Rates { names: names.to_vec(), rates: q, low, high, log_likelihood })
    }

    /// Logarithm of the posterior as a function of the logarithms of the rates.
    fn log_posterior(&self, q: &Array2<f64>, prior: &Array2<f64>, data: &Data) -> Result<f64> {
        let of = |((i, j), &p): ((usize, usize), &f64)| {
            if i == j || p == 0.0 { 0.0 } else { p * self.prior_s * libm::log(q[[i, j]]) - q[[i, j]] * self.prior_s }
        };
        Ok(data.log_likelihood(q)? + prior.indexed_iter().map(of).sum::<f64>())
    }

    /// Normal intervals of the logarithms, from the second derivatives.
    fn intervals(&self, q: &Array2<f64>, prior: &Array2<f64>, data: &Data) -> Result<(Array2<f64>, Array2<f64>)> {
        let n = q.nrows();
        let mut low = Array2::from_elem((n, n), f64::NAN);
        let mut high = low.clone();
        // Rates that have gone to 0 have no curvature to tell of.
        let of: Vec<(usize, usize)> = prior
            .indexed_iter()
            .filter(|((i, j), p)| i != j && **p > 0.0 && q[[*i, *j]] > 1e-9 * **p)
            .map(|e| e.0)
            .collect();
        const H: f64 = 1e-3;
        let moved = |by: &[(usize, f64)]| -> Result<f64> {
            let mut at = q.clone();
            by.iter().for_each(|&(k, h)| at[of[k]] *= libm::exp(h));
            self.log_posterior(&generator(&at), prior, data)
        };
        let middle = moved(&[])?;
        let m = of.len();
        let mut curvature = Array2::zeros((m, m));
        for a in 0..m {
            for b in a..m {
                let second = if a == b {
                    moved(&[(a, H)])? + moved(&[(a, -H)])? - 2.0 * middle
                } else {
                    0.25 * (moved(&[(a, H), (b, H)])? + moved(&[(a, -H), (b, -H)])?
                        - moved(&[(a, H), (b, -H)])?
                        - moved(&[(a, -H), (b, H)])?)
                };
                curvature[[a, b]] = -second / (H * H);
                curvature[[b, a]] = curvature[[a, b]];
            }
        }
        // What the data say nothing of has no curvature, and would make the equations singular.
        let told: Vec<usize> = (0..m).filter(|&a| curvature[[a, a]] > 1e-3).collect();
        let k = told.len();
        let reduced = Array2::from_shape_fn((k, k), |(a, b)| curvature[[told[a], told[b]]]);
        let Ok(covariance) = solve(reduced.view(), Array2::eye(k).view()) else { return Ok((low, high)) };
        let z = normal_quantile(0.5 * (1.0 + self.credible));
        for (a, &which) in told.iter().enumerate() {
            let wide = z * libm::sqrt(covariance[[a, a]].max(0.0));
            low[of[which]] = q[of[which]] * libm::exp(-wide);
            high[of[which]] = q[of[which]] * libm::exp(wide);
        }
        Ok((low, high))
    }
}

/// The matrix with the diagonal that makes rows sum to 0.
pub(super) fn generator(rates: &Array2<f64>) -> Array2<f64> {
    let mut q = rates.clone();
    for i in 0..q.nrows() {
        q[[i, i]] = 0.0;
        q[[i, i]] = -q.row(i).sum();
    }
    q
}

/// Bisection on the error function: only a few digits are needed, and all are right.
fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-10.0, 10.0);
    for _ in 0..100 {
        let z = 0.5 * (low + high);
        if 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2) < p { low = z } else { high = z }
    }
    low
}

impl Data {
    fn new(n: usize, steps: &[Step]) -> Result<Data> {
        if steps.is_empty() {
            return Err(Error::data("there are no steps: every track was seen in one frame alone"));
        }
        let mut groups: Vec<(f64, Array2<f64>)> = vec![];
        for step in steps {
            check(
                "seconds",
                step.seconds,
                step.seconds > 0.0 && step.seconds.is_finite(),
                "a positive time between two moments",
            )?;
            check("state", step.from.max(step.to), step.from.max(step.to) < n, format!("a state from 0 to {}", n - 1))?;
            // A time read from a file has rounding errors: what is equal to nine digits is the same interval.
            let at = groups.iter().position(|g| (g.0 - step.seconds).abs() < 1e-9 * step.seconds);
            let at = at.unwrap_or_else(|| {
                groups.push((step.seconds, Array2::zeros((n, n))));
                groups.len() - 1
            });
            groups[at].1[[step.from, step.to]] += 1.0;
        }
        Ok(Data { groups })
    }

    /// Expected number of jumps, and seconds in each state, given what was seen.
    fn expected(&self, q: &Array2<f64>, names: &[String]) -> Result<(Array2<f64>, Vec<f64>)> {
        let n = q.nrows();
        let (mut jumps, mut time) = (Array2::zeros((n, n)), vec![0.0; n]);
        for (seconds, counts) in &self.groups {
            let p = probabilities(q.view(), *seconds)?;
            let mut block = Array2::zeros((2 * n, 2 * n));
            block.slice_mut(s![..n, ..n]).assign(&(q * *seconds));
            block.slice_mut(s![n.., n..]).assign(&(q * *seconds));
            for ((from, to), &count) in counts.indexed_iter().filter(|(_, c)| **c > 0.0) {
                if p[[from, to]] <= 0.0 {
                    return Err(Error::data(format!(
                        "{} was followed by {} after {seconds} s, which no allowed moves make: allow one, or take out the step",
                        names[from], names[to]
                    )));
                }
                block[[to, n + from]] = seconds * count / p[[from, to]];
            }
            let whole = exponential(block.view())?;
            let inner: ArrayView2<f64> = whole.slice(s![..n, n..]);
            for i in 0..n {
                time[i] += inner[[i, i]].max(0.0);
                for j in (0..n).filter(|&j| j != i) {
                    jumps[[i, j]] += (q[[i, j]] * inner[[j, i]]).max(0.0);
                }
            }
        }
        Ok((jumps, time))
    }

    fn log_likelihood(&self, q: &Array2<f64>) -> Result<f64> {
        let mut sum = 0.0;
        for (seconds, counts) in &self.groups {
            let p = probabilities(q.view(), *seconds)?;
            sum += counts.iter().zip(&p).filter(|(c, _)| **c > 0.0).map(|(c, p)| c * libm::log(*p)).sum::<f64>();
        }
        Ok(sum)
    }
}

impl std::fmt::Debug for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rates per second, log-likelihood {:.2}", self.log_likelihood)?;
        for ((i, j), rate) in self.rates.indexed_iter().filter(|((i, j), r)| i != j && **r > 0.0) {
            let (low, high) = (self.low[[i, j]], self.high[[i, j]]);
            let known = if low.is_nan() { "nothing seen".into() } else { format!("{low:.3e} to {high:.3e}") };
            write!(f, "\n{:<12} -> {:<12} {rate:.3e} ({known})", self.names[i], self.names[j])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
