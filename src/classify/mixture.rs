//! Gaussian mixture classes of the patches, by linfa-clustering.

use super::{Classes, Pca, check_classes};
use crate::defects::Defects;
use crate::error::{Error, Result, check, setters};
use crate::progress::patiently;
use crate::session::seeded;
use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// A mixture of Gaussians of full covariance (Dempster, Laird and Rubin 1977) on the patches' principal components.
/// Every defect gets a class and the probability of it.
///
/// ```no_run
/// # fn main() -> atomotion::Result<()> {
/// # let defects = atomotion::defects::Defects::load("defects")?;
/// let classes = atomotion::classify::GaussianMixture::new(3).fit(&defects)?;
/// println!("{:?}", classes.counts);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaussianMixture {
    /// Number of classes.
    pub classes: usize,
    /// Principal components that the mixture sees; fewer where there are too few defects to fit so many.
    pub components: usize,
    /// Starts; the best is kept.
    pub starts: usize,
    /// Added to every variance, as a fraction of the first component's, so that no class can shrink to one point.
    pub regularisation: f64,
    /// Seed of the starts.
    pub seed: u64,
}

impl GaussianMixture {
    /// A mixture of so many classes.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        GaussianMixture { classes, components: 6, starts: 10, regularisation: 1e-3, seed: 1 }
    }

    setters! {
        components: usize => with_components,
        starts: usize => with_starts,
        regularisation: f64 => with_regularisation,
        seed: u64 => with_seed,
    }

    /// Sorts the defects.
    ///
    /// # Errors
    /// If there are no classes to make, or more than there are defects, or the mixture cannot be fitted.
    pub fn fit(&self, defects: &Defects) -> Result<Classes> {
        check_classes(self.classes, defects.len())?;
        check("components", self.components, self.components > 0, "at least 1")?;
        check("starts", self.starts, self.starts > 0, "at least 1")?;
        let r = self.regularisation;
        check("regularisation", r, r.is_finite() && r >= 0.0, "zero or a small positive number")?;
        // A full covariance of d dimensions needs more than d points a class.
        let fewest = (defects.len() / self.classes / 2).max(1);
        let scores = Pca::new(self.components.min(fewest)).fit(defects)?.scores;
        let scale = scores.column(0).std(1.0).max(f64::MIN_POSITIVE);
        let scores = scores / scale;
        let rng = ChaCha8Rng::seed_from_u64(seeded("GaussianMixture", self.seed));
        let mixture = linfa_clustering::GaussianMixtureModel::params_with_rng(self.classes, rng)
            .n_runs(self.starts as u64)
            .reg_covariance(r)
            .max_n_iterations(500)
            .tolerance(1e-4);
        let data = DatasetBase::from(scores.clone());
        let model = patiently("while fitting a mixture", move || mixture.fit(&data))?
            .map_err(|e| Error::data(format!("the mixture cannot be fitted ({e}): try fewer classes or components")))?;
        let probability = model.predict_proba(&scores);
        let classes = model.predict(&scores);
        let own = classes.iter().enumerate().map(|(row, &class)| probability[[row, class]]).collect();
        Classes::new(defects, &classes, Some(own), "Gaussian mixture".into())
    }
}
