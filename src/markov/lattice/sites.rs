//! Sites that know nothing of each other: exact, by forward-backward at each.

use crate::error::{Result, check};
use crate::markov::chain::Chain;
use crate::markov::hidden::{Steps, forward_backward_all, forward_log_likelihood};
use ndarray::{Array1, Array3, ArrayView2, Axis, s};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use serde::{Deserialize, Serialize};

/// Every site of a lattice carries a hidden state of its own, which evolves by a chain: what stays where it is, appears
/// and vanishes (`Mo_W`, `V_W`, sulphur that is knocked out). Exact for sites that do not exchange anything.
///
/// ```
/// use atomotion::markov::{Chain, SiteModel};
/// use atomotion::ndarray::{Array3, array};
/// let names = vec!["W".to_string(), "Mo_W".to_string()];
/// let model = SiteModel::new(Chain::new(names, array![[1.0, 0.0], [0.0, 1.0]], 5.0)?, array![0.98, 0.02])?;
/// // Three frames, one site: each says by e to 3 that it is Mo.
/// let evidence = Array3::from_shape_fn((3, 1, 2), |(_, _, kind)| 3.0 * kind as f64);
/// let posterior = model.posterior(&evidence)?;
/// let odds = 0.02 / 0.98 * (9.0_f64).exp();
/// assert!((posterior[[0, 0, 1]] - odds / (1.0 + odds)).abs() < 1e-12);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SiteModel {
    /// What follows what at a site, from one frame to the next.
    pub chain: Chain,
    /// Fractions of the sites in each state in the first frame.
    pub start: Array1<f64>,
}

impl SiteModel {
    /// From a chain and the fractions at the start.
    ///
    /// # Errors
    /// If the fractions are not as many as states, or do not sum to 1.
    pub fn new(chain: Chain, start: Array1<f64>) -> Result<SiteModel> {
        let valid = start.len() == chain.len() && start.iter().all(|p| *p >= 0.0) && (start.sum() - 1.0).abs() < 1e-9;
        check("start", format!("{start}"), valid, format!("{} fractions that sum to 1", chain.len()))?;
        Ok(SiteModel { chain, start })
    }

    fn checked<'a>(&'a self, evidence: &Array3<f64>) -> Result<Steps<'a>> {
        let (frames, _, n) = evidence.dim();
        check(
            "evidence",
            format!("{:?}", evidence.dim()),
            frames > 0 && n == self.chain.len(),
            format!("frames x sites x {}", self.chain.len()),
        )?;
        check(
            "evidence",
            "not a number",
            evidence.iter().all(|v| !v.is_nan() && *v < f64::INFINITY),
            "finite logarithms, or minus infinity",
        )?;
        match (self.start.as_slice(), self.chain.probabilities.as_slice()) {
            (Some(start), Some(transition)) => Ok(Steps { start, transition }),
            _ => check("chain", "transposed", false, "a matrix in standard order")
                .map(|()| Steps { start: &[], transition: &[] }),
        }
    }

    /// Probability of every state at every site in every frame (frames, sites, states), from log-likelihoods of the same
    /// shape (ratios to any of the states do as well).
    ///
    /// # Errors
    /// If the evidence does not fit or is impossible at a site, or the user stops it.
    pub fn posterior(&self, evidence: &Array3<f64>) -> Result<Array3<f64>> {
        let steps = self.checked(evidence)?;
        let views: Vec<ArrayView2<f64>> =
            (0..evidence.dim().1).map(|site| evidence.index_axis(Axis(1), site)).collect();
        let read = forward_backward_all(&steps, &views, false, "while reading sites")?;
        let mut all = Array3::zeros(evidence.dim());
        for (site, found) in read.into_iter().enumerate() {
            let impossible =
                || crate::error::Error::data(format!("the evidence at site {site} is impossible under the chain"));
            all.slice_mut(s![.., site, ..]).assign(&found.ok_or_else(impossible)?.states);
        }
        Ok(all)
    }

    /// Logarithm of the probability of the evidence of all sites.
    ///
    /// # Errors
    /// If the evidence does not fit.
    pub fn log_likelihood(&self, evidence: &Array3<f64>) -> Result<f64> {
        let steps = self.checked(evidence)?;
        let of = |site: usize| {
            let log: ArrayView2<f64> = evidence.index_axis(Axis(1), site);
            forward_log_likelihood(&steps, log)
        };
        // Collected first, so that the sum does not depend on the number of threads.
        Ok((0..evidence.dim().1).into_par_iter().map(of).collect::<Vec<f64>>().into_iter().sum())
    }
}
