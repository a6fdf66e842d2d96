//! Matrix products in blocks, on all threads, and distances from them.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

/// Rows of a block: its product with a few hundred columns stays in the cache.
pub(crate) const BLOCK: usize = 512;

/// `a · bᵀ`, shape (rows of a, rows of b).
pub(crate) fn products(a: ArrayView2<f32>, b: ArrayView2<f32>) -> Array2<f32> {
    let mut out = Array2::zeros((a.nrows(), b.nrows()));
    out.axis_chunks_iter_mut(Axis(0), BLOCK)
        .into_par_iter()
        .zip(a.axis_chunks_iter(Axis(0), BLOCK).into_par_iter())
        .for_each(|(mut out, a)| general_mat_mul(1.0, &a, &b.t(), 0.0, &mut out));
    out
}

/// The mean of every column.
pub(crate) fn mean(data: ArrayView2<f32>) -> Array1<f64> {
    let sum = data
        .axis_chunks_iter(Axis(0), BLOCK)
        .into_par_iter()
        .map(|rows| {
            let mut sum = Array1::<f64>::zeros(rows.ncols());
            rows.outer_iter().for_each(|row| sum.zip_mut_with(&row, |s, &v| *s += f64::from(v)));
            sum
        })
        .collect::<Vec<_>>();
    let total = sum.into_iter().fold(Array1::zeros(data.ncols()), |a: Array1<f64>, b| a + b);
    total / data.nrows().max(1) as f64
}

/// The data less the mean of every column, and that mean. Products of centred data lose the fewest digits.
pub(crate) fn centred(data: ArrayView2<f32>) -> (Array2<f32>, Array1<f64>) {
    let mean = mean(data);
    let shift = mean.mapv(|v| v as f32);
    let mut centred = Array2::zeros(data.dim());
    centred
        .axis_chunks_iter_mut(Axis(0), BLOCK)
        .into_par_iter()
        .zip(data.axis_chunks_iter(Axis(0), BLOCK).into_par_iter())
        .for_each(|(mut to, from)| to.assign(&(&from - &shift)));
    (centred, mean)
}

/// Squared length of every row.
pub(crate) fn squares(data: ArrayView2<f32>) -> Vec<f64> {
    let rows: Vec<_> = data.outer_iter().collect();
    rows.par_iter().map(|row| square(row.iter().copied())).collect()
}

fn square(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|v| f64::from(v) * f64::from(v)).sum()
}

/// Squared distance of two rows, without a short cut.
pub(crate) fn distance2(a: &[f32], b: &[f32]) -> f64 {
    square(a.iter().zip(b).map(|(a, b)| a - b))
}

/// Squared distances of every row of `a` to every row of `b`, whose squared lengths are given; not below 0.
pub(crate) fn distances2(a: ArrayView2<f32>, a2: &[f64], b: ArrayView2<f32>, b2: &[f64]) -> Array2<f32> {
    let mut out = products(a, b);
    let columns: Vec<f32> = b2.iter().map(|&v| v as f32).collect();
    out.axis_iter_mut(Axis(0)).into_par_iter().zip(a2).for_each(|(mut row, &a2)| {
        let a2 = a2 as f32;
        row.iter_mut().zip(&columns).for_each(|(v, &b2)| *v = (a2 + b2 - 2.0 * *v).max(0.0));
    });
    out
}
