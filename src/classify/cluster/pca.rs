//! Principal components of rows.

use super::eigen::largest;
use super::product::{BLOCK, mean};
use crate::error::Result;
use crate::progress::stop_if_asked;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

/// What was found.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub mean: Array1<f64>,
    /// Unit vectors as rows, largest first, their largest value positive.
    pub vectors: Array2<f64>,
    /// Variance along each.
    pub variances: Array1<f64>,
    /// Variance in all.
    pub total: f64,
}

/// The first components, exactly: eigenvectors of the covariance, or of the rows' own products where there are fewer rows
/// than columns.
pub(crate) fn components(data: ArrayView2<f32>, keep: usize) -> Result<Principal> {
    let (n, d) = data.dim();
    let mean = mean(data);
    let scale = 1.0 / (n.max(2) - 1) as f64;
    let keep = keep.min(d).min(n.saturating_sub(1)).max(1);
    let wide = d <= n;
    let matrix = if wide {
        second_moments(data, &mean)?
    } else {
        let centred = &data - &mean.mapv(|v| v as f32);
        second_moments(centred.t().as_standard_layout().view(), &Array1::zeros(n))?
    };
    let matrix = matrix * scale;
    let total = matrix.diag().sum();
    let (variances, mut vectors) = largest(matrix.view(), keep)?;
    if !wide {
        // u of the rows' products gives Xᵀu of the columns'.
        vectors = vectors.dot(&(&data.mapv(f64::from) - &mean));
        for mut v in vectors.rows_mut() {
            let length = v.dot(&v).sqrt();
            v.mapv_inplace(|x| if length > 0.0 { x / length } else { 0.0 });
        }
    }
    for mut v in vectors.rows_mut() {
        let peak = v.iter().copied().fold(0.0, |m: f64, x| if x.abs() > m.abs() { x } else { m });
        if peak < 0.0 {
            v.mapv_inplace(|x| -x);
        }
    }
    Ok(Principal { mean, vectors, variances: variances.mapv(|v| v.max(0.0)), total })
}

/// Xᵀ X of rows less their mean: products of a few thousand rows in single precision, their sum in double. Only blocks on
/// and above the diagonal are multiplied.
pub(crate) fn second_moments(data: ArrayView2<f32>, mean: &Array1<f64>) -> Result<Array2<f64>> {
    let d = data.ncols();
    let side = d.div_ceil(4).clamp(1, 256).max(d.div_ceil(64));
    let mean = mean.mapv(|v| v as f32);
    let parts = d.div_ceil(side);
    let span = |i: usize| i * side..((i + 1) * side).min(d);
    stop_if_asked("while finding principal components")?;
    let chunks: Vec<_> = data.axis_chunks_iter(Axis(0), 4 * BLOCK).collect();
    let add = |mut sum: Array2<f64>, rows: &ArrayView2<f32>| {
        let rows = rows - &mean;
        for i in 0..parts {
            for j in i..parts {
                let product = rows.slice(s![.., span(i)]).t().dot(&rows.slice(s![.., span(j)]));
                sum.slice_mut(s![span(i), span(j)]).zip_mut_with(&product, |s, &v| *s += f64::from(v));
            }
        }
        sum
    };
    // A fixed number of sums, so that the result does not depend on how many threads there are.
    let per = chunks.len().div_ceil(8).max(1);
    let sums: Vec<Array2<f64>> =
        chunks.par_chunks(per).map(|part| part.iter().fold(Array2::zeros((d, d)), add)).collect();
    let mut all = sums.into_iter().fold(Array2::zeros((d, d)), |a: Array2<f64>, b| a + b);
    for i in 0..d {
        for j in 0..i {
            all[[i, j]] = all[[j, i]];
        }
    }
    Ok(all)
}

impl Principal {
    /// Position of each row along each component.
    pub(crate) fn scores(&self, data: ArrayView2<f32>) -> Array2<f32> {
        let vectors = self.vectors.mapv(|v| v as f32);
        let offset = self.vectors.dot(&self.mean).mapv(|v| v as f32);
        let mut scores = super::product::products(data, vectors.view());
        scores.axis_iter_mut(Axis(0)).for_each(|mut row| row -= &offset);
        scores
    }
}
