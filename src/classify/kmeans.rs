//! k-means classes of the patches, by linfa-clustering.

use super::{Classes, check_classes, features};
use crate::defects::Defects;
use crate::error::{Error, Result, check, setters};
use crate::progress::{EARLIER, Progress, Reporter, stop_if_asked};
use crate::session::seeded;
use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_clustering::KMeansInit;
use ndarray::{Array1, Array2};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;

/// linfa's k-means with a single iteration. (A function would have to name a type of a crate that we do not depend on.)
macro_rules! once {
    ($options:expr, $rng:expr) => {
        linfa_clustering::KMeans::params_with_rng($options.classes, $rng).n_runs(1).max_n_iterations(1)
    };
}

/// linfa's own, for a start that never settles, and for the distance that counts as none.
const MOST_ITERATIONS: usize = 300;
const TOLERANCE: f64 = 1e-4;

/// k-means (Lloyd 1982) on the pixels of the patches, started by k-means++ (Arthur and Vassilvitskii 2007).
///
/// ```
/// use atomotion::{classify::KMeans, defects::Defects};
/// # use atomotion::{detect::*, simulate::Ws2};
/// # let movie = Ws2::default().with_size_px(128).with_vacancy_fraction(0.05).simulate(3)?.movie;
/// # let labels = PeriodicityBreak::default().label(&movie.frame(0)?)?;
/// # let defects = Detector::train(&labels, &Training::default().with_steps(120))?.find(&movie)?;
/// let classes = KMeans::new(2).fit(&defects)?;
/// assert_eq!(classes.counts.iter().sum::<usize>(), defects.len());
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KMeans {
    /// Number of classes.
    pub classes: usize,
    /// Starts; the best is kept.
    pub starts: usize,
    /// Seed of the starts.
    pub seed: u64,
}

impl KMeans {
    /// Sorts into so many classes.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        KMeans { classes, starts: 10, seed: 1 }
    }

    setters! { starts: usize => with_starts, seed: u64 => with_seed }

    /// Sorts the defects.
    ///
    /// # Errors
    /// If there are no classes to make, or more than there are defects.
    pub fn fit(&self, defects: &Defects) -> Result<Classes> {
        check_classes(self.classes, defects.len())?;
        check("starts", self.starts, self.starts > 0, "at least 1")?;
        let data = features(defects)?;
        let dataset = DatasetBase::from(data.clone());
        let rng = Shared(Rc::new(RefCell::new(ChaCha8Rng::seed_from_u64(seeded("KMeans", self.seed)))));
        let mut progress = Reporter::new("k-means", "starts");
        let mut best: Option<Settled> = None;
        for start in 0..self.starts {
            progress.update(start, self.starts, "");
            let doing = || format!("after {start} of {} starts of k-means", self.starts);
            let settled = self.start(&dataset, &rng).map_err(|e| e.while_doing(doing, EARLIER))?;
            if best.as_ref().is_none_or(|best| settled.inertia < best.inertia) {
                best = Some(settled);
            }
        }
        progress.update(self.starts, self.starts, "");
        let best = best.ok_or_else(|| Error::data("k-means found no classes"))?;
        let model = once!(self, rng).init_method(KMeansInit::Precomputed(best.centroids)).fit(&dataset);
        let model = model.map_err(|e| Error::data(format!("k-means: {e}")))?;
        Classes::new(defects, &model.predict(&data), None, "k-means".into())
    }

    /// One start, an iteration a call, so that it can be interrupted between them.
    fn start(&self, dataset: &DatasetBase<Array2<f64>, Array1<()>>, rng: &Shared) -> Result<Settled> {
        let iterate = |from: KMeansInit<f64>| -> Result<Settled> {
            stop_if_asked("during k-means")?;
            let model = once!(self, rng.clone()).init_method(from).fit(dataset);
            let model = model.map_err(|e| Error::data(format!("k-means: {e}")))?;
            Ok(Settled { centroids: model.centroids().clone(), inertia: model.inertia() })
        };
        let mut at = iterate(KMeansInit::KMeansPlusPlus)?;
        for _ in 1..MOST_ITERATIONS {
            let next = iterate(KMeansInit::Precomputed(at.centroids.clone()))?;
            let moved = (&next.centroids - &at.centroids).mapv(|d| d * d).sum().sqrt();
            at = next;
            if moved < TOLERANCE {
                break;
            }
        }
        Ok(at)
    }
}

/// Where a start ended.
struct Settled {
    centroids: Array2<f64>,
    /// Mean squared distance from the nearest centroid.
    inertia: f64,
}

/// linfa takes a copy of the generator for each call; these copies draw from one sequence.
#[derive(Clone)]
struct Shared(Rc<RefCell<ChaCha8Rng>>);

impl RngCore for Shared {
    fn next_u32(&mut self) -> u32 {
        self.0.borrow_mut().next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.borrow_mut().next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.borrow_mut().fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand::Error> {
        self.0.borrow_mut().try_fill_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Iterations one by one come to what linfa makes of all at once.
    #[test]
    fn it_is_linfas_k_means() {
        let at = |i: usize, j: usize| ((i * 37 + j * 11) % 101) as f64 / 20.0 + if i % 3 == j % 3 { 2.0 } else { 0.0 };
        let data = Array2::from_shape_fn((90, 6), |(i, j)| at(i, j));
        let dataset = DatasetBase::from(data.clone());
        let rng = Shared(Rc::new(RefCell::new(ChaCha8Rng::seed_from_u64(3))));
        let ours: Vec<f64> = (0..4).map(|_| KMeans::new(3).start(&dataset, &rng).unwrap().inertia).collect();
        let whole = linfa_clustering::KMeans::params_with_rng(3, ChaCha8Rng::seed_from_u64(3));
        let theirs = whole.n_runs(4).max_n_iterations(300).fit(&dataset).unwrap().inertia();
        let best = ours.iter().copied().fold(f64::MAX, f64::min);
        assert!((best - theirs).abs() < 1e-9 * theirs, "{ours:?} {theirs}");
    }
}
