//! k-means classes of the patches, by linfa-clustering.

use super::{Classes, check_classes, features};
use crate::defects::Defects;
use crate::error::{Error, Result, check, setters};
use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

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
        let model = linfa_clustering::KMeans::params_with_rng(self.classes, ChaCha8Rng::seed_from_u64(self.seed))
            .n_runs(self.starts)
            .max_n_iterations(300)
            .fit(&dataset)
            .map_err(|e| Error::data(format!("k-means: {e}")))?;
        Classes::new(defects, &model.predict(&data), None, "k-means".into())
    }
}
