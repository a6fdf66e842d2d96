//! Components of the patches: principal, independent, and parts that only add.

use super::cluster::pca::components;
use super::cluster::reduce::{independent, parts};
use super::features::rows;
use crate::defects::Defects;
use crate::error::{Error, Result, check, setters};
use crate::session::seeded;
use ndarray::{Array1, Array2, Array3, ArrayView1, Axis};
use serde::{Deserialize, Serialize};

/// Principal component analysis of patches (Pearson 1901; Hotelling 1933): the exact components, from the covariance.
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

/// Independent component analysis (FastICA; Hyvärinen, IEEE Trans. Neural Netw. 10, 626, 1999) of the patches' principal
/// components: directions along which patches are as far from a Gaussian as can be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ica {
    /// Number of components.
    pub components: usize,
    /// Seed of the first guess.
    pub seed: u64,
}

/// Non-negative matrix factorisation (hierarchical alternating least squares; Cichocki and Phan 2009): each patch as a sum
/// of parts, none taken away. Patches are lifted so that their lowest pixel is 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nmf {
    /// Number of parts.
    pub components: usize,
    /// Seed of the first guess.
    pub seed: u64,
}

/// What [`Pca`], [`Ica`] or [`Nmf`] found.
#[derive(Clone)]
pub struct Components {
    /// Fraction of the patches' variance along each component, largest first.
    pub explained: Array1<f64>,
    /// Each component as a patch, shape (components, height, width), unit length, sign such that its largest value is
    /// positive.
    pub patches: Array3<f32>,
    /// Position of each defect along each component, shape (defects, components).
    pub scores: Array2<f64>,
    /// What they are: `principal`, `independent`, `additive`.
    pub kind: &'static str,
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
    /// If `components` is 0 or larger than a patch has pixels, there are fewer than three defects, or all are the same.
    pub fn fit(&self, defects: &Defects) -> Result<Components> {
        checked(self.components, defects)?;
        let data = rows(defects.patches())?;
        let found = components(data, self.components)?;
        if found.total <= 0.0 {
            return Err(Error::data("all patches are the same: they have no principal components"));
        }
        let explained = &found.variances / found.total;
        let scores = found.scores(data).mapv(f64::from);
        Ok(Components { explained, patches: as_patches(&found.vectors, defects)?, scores, kind: "principal" })
    }
}

impl Ica {
    /// Finds so many components.
    #[must_use]
    pub fn new(components: usize) -> Self {
        Ica { components, seed: 1 }
    }

    setters! { components: usize => with_components, seed: u64 => with_seed }

    /// Finds the components. Their patches are what a defect gains along them, not orthogonal to each other.
    ///
    /// # Errors
    /// As for [`Pca::fit`].
    pub fn fit(&self, defects: &Defects) -> Result<Components> {
        let principal = Pca::new(self.components).fit(defects)?;
        let spread = principal.scores.std_axis(Axis(0), 0.0).mapv(|s| s.max(1e-12));
        let white = &principal.scores / &spread;
        let turn = independent(white.view(), seeded("Ica", self.seed), 400)?;
        // x = mean + white · spread · vectors = mean + sources · (turn · spread · vectors)
        let flat = principal.patches.mapv(f64::from);
        let (k, h, w) = flat.dim();
        let flat = flat.into_shape_with_order((k, h * w)).map_err(|e| Error::data(e.to_string()))?;
        let mixing = (&turn * &spread).dot(&flat);
        let lengths = mixing.map_axis(Axis(1), |m: ArrayView1<f64>| m.dot(&m).sqrt());
        let total = principal.scores.var_axis(Axis(0), 1.0).sum() / principal.explained.sum();
        ordered(mixing, white.dot(&turn.t()) * &lengths, total, defects, "independent")
    }
}

impl Nmf {
    /// Finds so many parts.
    #[must_use]
    pub fn new(components: usize) -> Self {
        Nmf { components, seed: 1 }
    }

    setters! { components: usize => with_components, seed: u64 => with_seed }

    /// Finds the parts.
    ///
    /// # Errors
    /// As for [`Pca::fit`].
    pub fn fit(&self, defects: &Defects) -> Result<Components> {
        checked(self.components, defects)?;
        let data = rows(defects.patches())?.mapv(f64::from);
        let lowest = data.iter().copied().fold(f64::MAX, f64::min);
        let total = data.var_axis(Axis(0), 1.0).sum();
        if total <= 0.0 {
            return Err(Error::data("all patches are the same: they have no parts"));
        }
        let (found, amounts) = parts((data - lowest).view(), self.components, seeded("Nmf", self.seed), 300)?;
        let lengths = found.map_axis(Axis(1), |m: ArrayView1<f64>| m.dot(&m).sqrt());
        ordered(found, amounts * &lengths, total, defects, "additive")
    }
}

fn checked(components: usize, defects: &Defects) -> Result<()> {
    let (n, h, w) = defects.patches().dim();
    let expected = format!("from 1 to {} (pixels of a patch)", h * w);
    check("components", components, (1..=h * w).contains(&components), expected)?;
    if n < 3 {
        return Err(Error::data(format!("{n} defects have no principal components: at least 3 are needed")));
    }
    Ok(())
}

/// Components of unit length, those with the largest variance first; scores are given for unit length.
fn ordered(
    vectors: Array2<f64>,
    scores: Array2<f64>,
    total: f64,
    defects: &Defects,
    kind: &'static str,
) -> Result<Components> {
    let variances = scores.var_axis(Axis(0), 1.0) / total;
    let mut order: Vec<usize> = (0..variances.len()).collect();
    order.sort_by(|&a, &b| variances[b].total_cmp(&variances[a]));
    let mut vectors = vectors.select(Axis(0), &order);
    let mut scores = scores.select(Axis(1), &order);
    for (mut v, mut s) in vectors.rows_mut().into_iter().zip(scores.columns_mut()) {
        let length = v.dot(&v).sqrt().max(1e-300);
        let peak = v.iter().copied().fold(0.0, |m: f64, x| if x.abs() > m.abs() { x } else { m });
        let sign = if peak < 0.0 { -1.0 } else { 1.0 };
        v.mapv_inplace(|x| sign * x / length);
        s.mapv_inplace(|x| sign * x);
    }
    let explained = order.iter().map(|&i| variances[i]).collect();
    Ok(Components { explained, patches: as_patches(&vectors, defects)?, scores, kind })
}

fn as_patches(vectors: &Array2<f64>, defects: &Defects) -> Result<Array3<f32>> {
    let (_, h, w) = defects.patches().dim();
    let shape = (vectors.nrows(), h, w);
    vectors.mapv(|v| v as f32).into_shape_with_order(shape).map_err(|e| Error::data(e.to_string()))
}

impl std::fmt::Debug for Components {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (count, kind, n) = (self.explained.len(), self.kind, self.scores.nrows());
        match kind {
            "principal" => {
                let share = 100.0 * self.explained.sum();
                write!(f, "{count} principal components of {n} patches explain {share:.0} % of their variance")
            }
            _ => write!(f, "{count} {kind} components of {n} patches"),
        }
    }
}
