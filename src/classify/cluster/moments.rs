//! Sums over the rows that a mixture's step needs, and what a chunk of rows adds to them.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use serde::{Deserialize, Serialize};

/// What shapes the Gaussians of a mixture may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Covariance {
    /// Each class its own, any ellipsoid.
    Full,
    /// One ellipsoid for all classes.
    Tied,
    /// Each class its own variance in each feature: for many features.
    Diagonal,
    /// Each class one variance.
    Spherical,
}

/// Covariances of k classes in d dimensions.
#[derive(Clone, Debug)]
pub(crate) enum Spread {
    /// k matrices.
    Full(Vec<Array2<f64>>),
    /// One matrix.
    Tied(Array2<f64>),
    /// Variances, shape (k, d).
    Diagonal(Array2<f64>),
    /// k variances.
    Spherical(Array1<f64>),
}

/// Weighted sums over rows.
pub(super) struct Moments {
    pub weight: Array1<f64>,
    pub sum: Array2<f64>,
    /// Of products: k matrices for Full, one (of all rows) for Tied; of squares: (k, d) for Diagonal, (k, 1) for Spherical.
    pub second: Vec<Array2<f64>>,
    pub log_likelihood: f64,
}

impl Moments {
    pub(super) fn new(kind: Covariance, k: usize, d: usize) -> Moments {
        let second = match kind {
            Covariance::Full => vec![Array2::zeros((d, d)); k],
            Covariance::Tied => vec![Array2::zeros((d, d))],
            Covariance::Diagonal => vec![Array2::zeros((k, d))],
            Covariance::Spherical => vec![Array2::zeros((k, 1))],
        };
        Moments { weight: Array1::zeros(k), sum: Array2::zeros((k, d)), second, log_likelihood: 0.0 }
    }

    /// Adds a chunk of rows, with the probability of each class for each.
    pub(super) fn add(&mut self, kind: Covariance, rows: ArrayView2<f64>, share: ArrayView2<f64>) {
        self.weight += &share.sum_axis(Axis(0));
        self.sum += &share.t().dot(&rows);
        match kind {
            Covariance::Full => {
                for (class, second) in self.second.iter_mut().enumerate() {
                    let weighted = &rows * &share.slice(s![.., class..=class]);
                    *second += &weighted.t().dot(&rows);
                }
            }
            Covariance::Tied => self.second[0] += &rows.t().dot(&rows),
            Covariance::Diagonal => self.second[0] += &share.t().dot(&rows.mapv(|v| v * v)),
            Covariance::Spherical => {
                let squares = rows.map_axis(Axis(1), |row| row.dot(&row)).insert_axis(Axis(1));
                self.second[0] += &share.t().dot(&squares);
            }
        }
    }

    pub(super) fn merge(mut self, other: &Moments) -> Moments {
        self.weight += &other.weight;
        self.sum += &other.sum;
        self.second.iter_mut().zip(&other.second).for_each(|(a, b)| *a += b);
        self.log_likelihood += other.log_likelihood;
        self
    }

    /// Means and covariances, with `regularisation` added to every variance.
    pub(super) fn solve(&self, kind: Covariance, rows: usize, regularisation: f64) -> (Array2<f64>, Spread) {
        let weight = self.weight.mapv(|w| w.max(10.0 * f64::EPSILON)).insert_axis(Axis(1));
        let means = &self.sum / &weight;
        let d = means.ncols();
        let outer = |class: usize| {
            let m = means.row(class).insert_axis(Axis(1)).to_owned();
            m.dot(&m.t())
        };
        let add = |mut matrix: Array2<f64>| {
            matrix.diag_mut().mapv_inplace(|v| v + regularisation);
            matrix
        };
        let spread = match kind {
            Covariance::Full => {
                let of = |(class, second): (usize, &Array2<f64>)| add(second / weight[[class, 0]] - outer(class));
                Spread::Full(self.second.iter().enumerate().map(of).collect())
            }
            Covariance::Tied => {
                let between =
                    (0..means.nrows()).fold(Array2::<f64>::zeros((d, d)), |sum, c| sum + outer(c) * weight[[c, 0]]);
                Spread::Tied(add((&self.second[0] - &between) / rows as f64))
            }
            Covariance::Diagonal => {
                Spread::Diagonal((&self.second[0] / &weight - &means * &means).mapv(|v| v.max(0.0) + regularisation))
            }
            Covariance::Spherical => {
                let square = means.map_axis(Axis(1), |m| m.dot(&m));
                let all = self.second[0].column(0).to_owned() / weight.column(0) - square;
                Spread::Spherical(all.mapv(|v| (v / d as f64).max(0.0) + regularisation))
            }
        };
        (means, spread)
    }
}
