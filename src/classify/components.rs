//! Principal components of the patches, by linfa-reduction.

use super::features;
use crate::defects::Defects;
use crate::error::{Error, Result, check, setters};
use crate::progress::patiently;
use linfa::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, Array3};
use serde::{Deserialize, Serialize};

/// Principal component analysis of patches (Pearson 1901; Hotelling 1933).
///
/// ```no_run
/// # fn main() -> atomotion::Result<()> {
/// # let defects = atomotion::defects::Defects::load("defects")?;
/// let components = atomotion::classify::Pca::new(8).fit(&defects)?;
/// println!("{:?}", components.explained);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pca {
    /// Number of components to keep; fewer where there are not that many defects.
    pub components: usize,
}

/// What [`Pca`] found.
#[derive(Clone)]
pub struct Components {
    /// Fraction of the patches' variance along each component, largest first.
    pub explained: Array1<f64>,
    /// Each component as a patch, shape (components, height, width), unit length, sign such that its largest value is
    /// positive.
    pub patches: Array3<f32>,
    /// Position of each defect along each component, shape (defects, components).
    pub scores: Array2<f64>,
}

impl Pca {
    /// Keeps so many components.
    #[must_use]
    pub fn new(components: usize) -> Self {
        Pca { components }
    }

    setters! { components: usize => with_components }

    /// Finds the components of the defects' patches.
    ///
    /// # Errors
    /// If `components` is 0 or larger than a patch has pixels, or there are fewer than three defects.
    pub fn fit(&self, defects: &Defects) -> Result<Components> {
        let (n, h, w) = defects.patches().dim();
        check(
            "components",
            self.components,
            (1..=h * w).contains(&self.components),
            format!("from 1 to {} (pixels of a patch)", h * w),
        )?;
        if n < 3 {
            return Err(Error::data(format!("{n} defects have no principal components: at least 3 are needed")));
        }
        let data = features(defects)?;
        let mean = data.mean_axis(ndarray::Axis(0)).unwrap_or_default();
        let total = data.var_axis(ndarray::Axis(0), 1.0).sum();
        if total <= 0.0 {
            return Err(Error::data("all patches are the same: they have no principal components"));
        }
        let keep = self.components.min(n - 1);
        let dataset = DatasetBase::from(data.clone());
        let fit = move || linfa_reduction::Pca::params(keep).fit(&dataset);
        let model = patiently("while finding principal components", fit)?
            .map_err(|e| Error::data(format!("principal components: {e}")))?;
        let mut vectors = model.components().clone();
        for mut v in vectors.rows_mut() {
            let peak = v.iter().copied().fold(0.0, |m: f64, x| if x.abs() > m.abs() { x } else { m });
            if peak < 0.0 {
                v.mapv_inplace(|x| -x);
            }
        }
        let scores = (&data - &mean).dot(&vectors.t());
        // Shares of the whole variance: linfa's own ratio is of what was kept.
        let explained = scores.var_axis(ndarray::Axis(0), 1.0) / total;
        let kept = vectors.nrows();
        let patches =
            vectors.mapv(|v| v as f32).into_shape_with_order((kept, h, w)).map_err(|e| Error::data(e.to_string()))?;
        Ok(Components { explained, patches, scores })
    }
}

impl std::fmt::Debug for Components {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} principal components of {} patches explain {:.0} % of their variance",
            self.explained.len(),
            self.scores.nrows(),
            100.0 * self.explained.sum()
        )
    }
}
