//! Gaussian mixture classes of the patches.

use super::classes::{Classes, Sorted, check_classes};
use super::cluster::kmeans;
use super::cluster::mixture::{Fitting, Mixture, fit};
pub use super::cluster::moments::Covariance;
use super::features::Features;
use super::model::{Model, Sorter};
use super::naming::Motifs;
use crate::defects::Defects;
use crate::error::{Error, Result, check, setters};
use crate::progress::{EARLIER, Progress, Reporter};
use crate::session::seeded;
use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

const MOST_ITERATIONS: usize = 200;

/// A mixture of Gaussians (Dempster, Laird and Rubin 1977) on the patches' principal components, or on other features.
/// Every defect gets a class and the probability of each.
///
/// Each start is a k-means of its own; the one of the largest likelihood is kept. With [`Covariance::Diagonal`] the pixels
/// themselves can be the features.
///
/// ```no_run
/// # fn main() -> atomotion::Result<()> {
/// # use atomotion::prelude::*;
/// # let defects = Defects::load("defects")?;
/// let classes = GaussianMixture::new(3).fit(&defects)?;
/// println!("{:?}", classes.counts);
/// let pixels = GaussianMixture::new(3).with_covariance(Covariance::Diagonal).with_features(Some(Features::Pixels));
/// let classes = pixels.fit(&defects)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GaussianMixture {
    /// Number of classes.
    pub classes: usize,
    /// What the Gaussians may look like.
    pub covariance: Covariance,
    /// Principal components that the mixture sees; fewer where there are too few defects to fit so many.
    pub components: usize,
    /// Other features instead of principal components.
    pub features: Option<Features>,
    /// Starts; the best is kept.
    pub starts: usize,
    /// Added to every variance, as a fraction of the first feature's (of principal components: the largest), so that no
    /// class can shrink to one point.
    pub regularisation: f64,
    /// A fit ends when the mean log-likelihood of a defect grows by less.
    pub tolerance: f64,
    /// Seed of the starts.
    pub seed: u64,
}

impl Default for GaussianMixture {
    fn default() -> Self {
        GaussianMixture {
            classes: 4,
            covariance: Covariance::Full,
            components: 6,
            features: None,
            starts: 10,
            regularisation: 1e-3,
            tolerance: 1e-4,
            seed: 1,
        }
    }
}

impl GaussianMixture {
    /// A mixture of so many classes.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        GaussianMixture { classes, ..GaussianMixture::default() }
    }

    setters! {
        classes: usize => with_classes,
        covariance: Covariance => with_covariance,
        components: usize => with_components,
        features: Option<Features> => with_features,
        starts: usize => with_starts,
        regularisation: f64 => with_regularisation,
        tolerance: f64 => with_tolerance,
        seed: u64 => with_seed,
    }

    /// Sorts the defects.
    ///
    /// # Errors
    /// If there are no classes to make, or more than there are defects, or the mixture cannot be fitted.
    pub fn fit(&self, defects: &Defects) -> Result<Classes> {
        let (extractor, data) = self.data(defects)?;
        let mixture = self.best(&data)?;
        self.classes_of(defects, extractor, &data, mixture)
    }

    /// Sorts the defects into the species that are known: one class for each motif, which starts from the defects that are
    /// most like it, and is then free to go where the likelihood leads. Classes are named by motif as
    /// [`Classes::name_classes`] does it; `classes` and `starts` are not used.
    ///
    /// This finds rare species, which a mixture that starts from chance gives away to split the common ones. With one
    /// covariance for all and what is near the middle of a patch it comes nearest to the truth (`benches/README.md`):
    ///
    /// ```no_run
    /// # fn main() -> atomotion::Result<()> {
    /// # use atomotion::prelude::*;
    /// # let defects = Defects::load("defects")?;
    /// # let known = Defects::load("simulated")?;
    /// let motifs = Motifs::of(&known, "species")?;
    /// let middle = Features::Within { px: 6.0, scores: 6 };
    /// let mixture = GaussianMixture::default().with_covariance(Covariance::Tied).with_features(Some(middle));
    /// let classes = mixture.fit_from(&defects, &motifs)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If motifs and patches differ in size, or the mixture cannot be fitted.
    pub fn fit_from(&self, defects: &Defects, motifs: &Motifs) -> Result<Classes> {
        let this = GaussianMixture { classes: motifs.motifs.len().min(defects.len()), ..self.clone() };
        let (extractor, data) = this.data(defects)?;
        let patches: Vec<_> = motifs.motifs.iter().map(|m| m.patch.view()).collect();
        let patches = ndarray::stack(Axis(0), &patches).map_err(|_| Error::data("the motifs differ in size"))?;
        let nearest = kmeans::nearest(data.view(), extractor.measure(&patches)?.view());
        // Motifs that nothing is like start no class.
        let mut used = nearest.clone();
        used.sort_unstable();
        used.dedup();
        let start: Vec<u32> = nearest.iter().map(|n| used.partition_point(|u| u < n) as u32).collect();
        let mixture = fit(data.view(), &start, used.len(), this.fitting(&data))?;
        this.classes_of(defects, extractor, &data, mixture)?.name_classes(motifs, self.seed)
    }

    fn classes_of(
        &self,
        defects: &Defects,
        extractor: super::features::Extractor,
        data: &Array2<f32>,
        mixture: Mixture,
    ) -> Result<Classes> {
        let shares = mixture.shares(data.view())?.0;
        let best = |row: ndarray::ArrayView1<f64>| {
            row.iter().enumerate().fold((0, -1.0), |b, (c, &p)| if p > b.1 { (c as u32, p) } else { b }).0
        };
        let labels = shares.outer_iter().map(best).collect();
        let method = if mixture.settled { "Gaussian mixture" } else { "Gaussian mixture (not settled)" };
        let model = Model { extractor, sorter: Sorter::Mixture(Box::new(mixture)), order: vec![] };
        Classes::new(defects, Sorted { labels, model, shares, outliers: None }, method.into())
    }

    /// Mean log-likelihood of a defect's features under the best mixture.
    ///
    /// # Errors
    /// As for [`GaussianMixture::fit`].
    pub fn log_likelihood(&self, defects: &Defects) -> Result<f64> {
        Ok(self.best(&self.data(defects)?.1)?.log_likelihood)
    }

    fn data(&self, defects: &Defects) -> Result<(super::features::Extractor, Array2<f32>)> {
        check_classes(self.classes, defects.len())?;
        check("components", self.components, self.components > 0, "at least 1")?;
        check("starts", self.starts, self.starts > 0, "at least 1")?;
        check("tolerance", self.tolerance, self.tolerance > 0.0, "a small positive number")?;
        let r = self.regularisation;
        check("regularisation", r, r.is_finite() && r >= 0.0, "zero or a small positive number")?;
        // A full covariance of d dimensions needs more than d points a class.
        let fewest = (defects.len() / self.classes / 2).max(1);
        let features = self.features.unwrap_or(Features::Scores(self.components.min(fewest)));
        let extractor = features.of(defects)?;
        let data = extractor.measure(defects.patches())?;
        Ok((extractor, data))
    }

    fn fitting(&self, data: &Array2<f32>) -> Fitting {
        let scale = data.axis_iter(Axis(1)).next().map_or(0.0, |c| c.mapv(f64::from).var(0.0));
        let regularisation = (self.regularisation * scale).max(1e-12);
        Fitting { kind: self.covariance, regularisation, tolerance: self.tolerance, most: MOST_ITERATIONS }
    }

    /// The likeliest of the starts.
    pub(crate) fn best(&self, data: &Array2<f32>) -> Result<Mixture> {
        let options = self.fitting(data);
        let seed = seeded("GaussianMixture", self.seed);
        let runs = kmeans::started(data.view(), self.classes, self.starts, seed, |_| ())
            .map_err(|e| e.while_doing(|| "before the first start of a Gaussian mixture".into(), EARLIER))?;
        let mut progress = Reporter::new("Gaussian mixture", "starts");
        let mut best: Option<Mixture> = None;
        // Starts that k-means led to the same place would lead to the same mixture.
        let mut seen: Vec<f64> = vec![];
        for (start, run) in runs.iter().enumerate() {
            progress.update(start, runs.len(), "");
            if seen.iter().any(|s| (s - run.inertia).abs() <= 1e-9 * run.inertia) {
                continue;
            }
            seen.push(run.inertia);
            let doing = || format!("after {start} of {} starts of a Gaussian mixture", self.starts);
            let fitted = fit(data.view(), &run.labels, self.classes, options);
            let fitted = fitted.map_err(|e| e.while_doing(doing, EARLIER))?;
            if best.as_ref().is_none_or(|b| fitted.log_likelihood > b.log_likelihood) {
                best = Some(fitted);
            }
        }
        progress.update(runs.len(), runs.len(), "");
        best.ok_or_else(|| Error::data("the mixture found no classes"))
    }
}
