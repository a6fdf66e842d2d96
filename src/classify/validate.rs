//! What keeps classes honest: the choice made on other pixels than those that are looked at.

use super::classes::Classes;
use super::cluster::compare::{adjusted_rand, matching};
use super::{Dendrogram, Density, GaussianMixture, Hierarchy, KMeans};
use crate::defects::Defects;
use crate::error::Result;
use ndarray::{Array3, Axis};

/// A way to sort defects, chosen with its options.
pub trait Sort {
    /// Sorts the defects.
    ///
    /// # Errors
    /// As the method's own `fit`.
    fn sort(&self, defects: &Defects) -> Result<Classes>;
}

impl Sort for KMeans {
    fn sort(&self, defects: &Defects) -> Result<Classes> {
        self.fit(defects)
    }
}

impl Sort for GaussianMixture {
    fn sort(&self, defects: &Defects) -> Result<Classes> {
        self.fit(defects)
    }
}

impl Sort for Density {
    fn sort(&self, defects: &Defects) -> Result<Classes> {
        self.fit(defects)
    }
}

/// A tree and how many classes to cut it into.
impl Sort for (Hierarchy, usize) {
    fn sort(&self, defects: &Defects) -> Result<Classes> {
        self.0.fit(defects).and_then(|tree: Dendrogram| tree.cut(self.1))
    }
}

/// Means whose pixels had no part in choosing what they are the mean of, by [`Classes::cross_validated`].
#[derive(Clone)]
pub struct CrossValidated {
    /// Mean patches, shape (classes, height, width), classes numbered as in what was validated.
    pub means: Array3<f32>,
    /// Number of defects in each class, by the choice on either half of the pixels.
    pub counts: [Vec<usize>; 2],
    /// How alike the two choices are (adjusted Rand index): near 0, the classes were noise.
    pub likeness: f64,
}

impl Classes {
    /// Sorts by one half of the pixels (a chequerboard) and averages on the other, and the other way round. A class that is
    /// nothing but a choice from noise has a flat mean here.
    ///
    /// Neighbouring pixels of most cameras and scans are a little alike; the halves are as independent as pixels are.
    ///
    /// # Errors
    /// As the method's own.
    pub fn cross_validated(&self, method: &impl Sort) -> Result<CrossValidated> {
        let patches = self.defects.patches();
        let all = self.labels()?;
        let (_, h, w) = patches.dim();
        let overall = patches.mean_axis(Axis(0)).unwrap_or_default();
        let mut means = Array3::zeros((self.len(), h, w));
        let mut counts = [vec![], vec![]];
        let mut choices = vec![];
        for (half, counted) in counts.iter_mut().enumerate() {
            // The other half of the pixels says nothing: every patch has the same there.
            let mut seen = patches.clone();
            for ((_, y, x), v) in seen.indexed_iter_mut() {
                if (y + x) % 2 != half {
                    *v = overall[[y, x]];
                }
            }
            let sorted = method.sort(&self.defects.with_patches(seen)?)?;
            let labels = sorted.labels()?;
            let to = matching(&labels, &all, sorted.len(), self.len());
            let mut count = vec![0; self.len()];
            let mut sums = Array3::<f64>::zeros((self.len(), h, w));
            let classes: Vec<Option<u32>> = labels.iter().map(|&l| to[l as usize]).collect();
            for (row, class) in classes.iter().enumerate() {
                let Some(class) = *class else { continue };
                count[class as usize] += 1;
                let mut sum = sums.index_axis_mut(Axis(0), class as usize);
                sum.zip_mut_with(&patches.index_axis(Axis(0), row), |s, &v| *s += f64::from(v));
            }
            for ((class, y, x), v) in sums.indexed_iter() {
                if (y + x) % 2 != half {
                    means[[class, y, x]] = (v / count[class].max(1) as f64) as f32;
                }
            }
            *counted = count;
            choices.push(classes.into_iter().map(|c| c.unwrap_or(u32::MAX)).collect::<Vec<u32>>());
        }
        Ok(CrossValidated { means, counts, likeness: adjusted_rand(&choices[0], &choices[1]) })
    }
}

impl std::fmt::Debug for CrossValidated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Means of {} classes, chosen on one half of the pixels and averaged on the other; the two choices are alike by \
             {:.2} (adjusted Rand index)",
            self.counts[0].len(),
            self.likeness
        )
    }
}
