//! Sorting defects into classes without supervision, by what their patches look like.

mod components;
mod kmeans;
mod mixture;

pub use components::{Components, Pca};
pub use kmeans::KMeans;
pub use mixture::GaussianMixture;

use crate::defects::Defects;
use crate::error::{Error, Result, check};
use ndarray::{Array1, Array2, Array3, Axis};
use polars::prelude::{NamedFrom, Series};

/// Defects sorted into classes, numbered from 0 by size, the largest first (equal sizes: the brighter first).
#[derive(Clone)]
pub struct Classes {
    /// The defects, with columns `class` u32 and, from a mixture, `class_probability` f64 (of that class).
    pub defects: Defects,
    /// Mean patch of each class, shape (classes, height, width).
    pub means: Array3<f32>,
    /// Number of defects in each class.
    pub counts: Vec<usize>,
    /// What sorted them, for captions.
    pub method: String,
}

/// The patches as rows of features, shape (defects, height x width).
pub(crate) fn features(defects: &Defects) -> Result<Array2<f64>> {
    let patches = defects.patches();
    let (n, h, w) = patches.dim();
    let flat = patches.mapv(f64::from).into_shape_with_order((n, h * w)).map_err(|e| Error::data(e.to_string()))?;
    if let Some((row, _)) = flat.indexed_iter().find(|(_, v)| !v.is_finite()) {
        return Err(Error::data(format!("the patch of defect {} holds NaN: leave that row out", row.0)));
    }
    Ok(flat)
}

/// Checks that so many classes can be told apart in so many defects.
pub(crate) fn check_classes(classes: usize, defects: usize) -> Result<()> {
    check("classes", classes, classes > 0, "at least 1")?;
    check("classes", classes, classes <= defects, format!("at most the number of defects, {defects}"))
}

impl Classes {
    /// From the class of each row, in any numbering.
    pub(crate) fn new(
        defects: &Defects,
        raw: &Array1<usize>,
        probability: Option<Vec<f64>>,
        method: String,
    ) -> Result<Classes> {
        let classes = raw.iter().max().map_or(0, |m| m + 1);
        let members = |c: usize| -> Vec<usize> { (0..raw.len()).filter(|&i| raw[i] == c).collect() };
        let mut found: Vec<(Vec<usize>, Array2<f32>)> = (0..classes)
            .map(members)
            .filter(|rows| !rows.is_empty())
            .map(|rows| {
                let mean = defects.patches().select(Axis(0), &rows).mean_axis(Axis(0)).unwrap_or_default();
                (rows, mean)
            })
            .collect();
        found.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(b.1.sum().total_cmp(&a.1.sum())));
        let (_, h, w) = defects.patches().dim();
        let mut numbers = vec![0_u32; raw.len()];
        let mut means = Array3::zeros((found.len(), h, w));
        for (class, (rows, mean)) in found.iter().enumerate() {
            rows.iter().for_each(|&row| numbers[row] = class as u32);
            means.index_axis_mut(Axis(0), class).assign(mean);
        }
        let mut defects = defects.with_column(Series::new("class".into(), numbers))?;
        if let Some(p) = probability {
            defects = defects.with_column(Series::new("class_probability".into(), p))?;
        }
        Ok(Classes { defects, means, counts: found.iter().map(|f| f.0.len()).collect(), method })
    }

    /// Number of classes that hold a defect.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether there is no class.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The class of each defect, in row order.
    ///
    /// # Errors
    /// If the table's column has lost its type.
    pub fn labels(&self) -> Result<Vec<u32>> {
        Ok(self.defects.table().column("class")?.u32()?.iter().flatten().collect())
    }
}

impl std::fmt::Debug for Classes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts: Vec<String> = self.counts.iter().enumerate().map(|(c, n)| format!("class {c}: {n}")).collect();
        write!(f, "{} defects in {} classes by {} ({})", self.defects.len(), self.len(), self.method, counts.join(", "))
    }
}
