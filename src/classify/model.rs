//! What was learnt about classes, so that other defects can be sorted in the same way.

use super::cluster::kmeans::nearest;
use super::cluster::mixture::Mixture;
use super::features::Extractor;
use crate::error::Result;
use ndarray::{Array2, Array3, ArrayView2};

/// A way to sort patches, in the classes' own numbering.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub extractor: Extractor,
    pub sorter: Sorter,
    /// The class for each of the sorter's own.
    pub order: Vec<u32>,
}

#[derive(Clone, Debug)]
pub(crate) enum Sorter {
    /// The nearest centre; the variance of a feature about it and the classes' shares say how sure that is.
    Centres {
        centres: Array2<f32>,
        variance: f64,
        weights: Vec<f64>,
    },
    Mixture(Box<Mixture>),
}

impl Sorter {
    /// Centres with the variance that the rows of each class have about them.
    pub(crate) fn centres(data: ArrayView2<f32>, labels: &[u32], centres: Array2<f32>) -> Sorter {
        let mut sum = 0.0;
        let mut weights = vec![0.0; centres.nrows()];
        for (row, &label) in data.outer_iter().zip(labels) {
            weights[label as usize] += 1.0 / labels.len() as f64;
            sum += row.iter().zip(centres.row(label as usize)).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
        }
        Sorter::Centres { centres, variance: sum / data.len().max(1) as f64, weights }
    }

    /// The class of each row, and the probability of each class.
    pub(crate) fn sort(&self, data: ArrayView2<f32>) -> Result<(Vec<u32>, Array2<f64>)> {
        match self {
            Sorter::Mixture(mixture) => {
                let shares = mixture.shares(data)?.0;
                let best = |row: ndarray::ArrayView1<f64>| {
                    row.iter().enumerate().fold((0, -1.0), |b, (c, &p)| if p > b.1 { (c as u32, p) } else { b }).0
                };
                Ok((shares.outer_iter().map(best).collect(), shares))
            }
            Sorter::Centres { centres, .. } => Ok((nearest(data, centres.view()), self.shares(data))),
        }
    }

    /// Probability of each class where each is a round Gaussian of the same variance about its centre.
    pub(crate) fn shares(&self, data: ArrayView2<f32>) -> Array2<f64> {
        let Sorter::Centres { centres, variance, weights } = self else { return Array2::zeros((0, 0)) };
        let products = super::cluster::product::products(data, centres.view());
        let half = centres.map_axis(ndarray::Axis(1), |c| 0.5 * c.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>());
        let mut shares = products.mapv(f64::from);
        for mut row in shares.rows_mut() {
            for (c, v) in row.iter_mut().enumerate() {
                *v = (*v - half[c]) / variance.max(1e-30) + weights[c].max(1e-300).ln();
            }
            let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            row.mapv_inplace(|v| (v - top).exp());
            let sum = row.sum();
            row /= sum;
        }
        shares
    }
}

impl Model {
    /// The class of each patch, and the probability of each class, shape (defects, classes).
    pub(crate) fn apply(&self, patches: &Array3<f32>, classes: usize) -> Result<(Vec<u32>, Array2<f64>)> {
        let data = self.extractor.measure(patches)?;
        let (labels, shares) = self.sorter.sort(data.view())?;
        let mut ordered = Array2::zeros((labels.len(), classes));
        for (raw, &class) in self.order.iter().enumerate() {
            let mut to = ordered.column_mut(class as usize);
            to += &shares.column(raw);
        }
        Ok((labels.iter().map(|&l| self.order[l as usize]).collect(), ordered))
    }
}
