//! Eigenvalues and vectors of symmetric matrices.

use crate::error::{Error, Result};
use crate::progress::stop_if_asked;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Eigenvalues, largest first, and unit eigenvectors as rows.
pub(crate) type Eigen = (Array1<f64>, Array2<f64>);

/// The `keep` largest eigenvalues, with their vectors, of a matrix without negative ones. Small matrices are solved
/// whole. Of large ones a block Krylov space gives what stands out, and Chebyshev polynomials that are small on the rest
/// of the spectrum separate what does not (Zhou, Saad, Tiago and Chelikowsky, J. Comput. Phys. 219, 172, 2006).
pub(crate) fn largest(matrix: ArrayView2<f64>, keep: usize) -> Result<Eigen> {
    let n = matrix.nrows();
    let keep = keep.min(n);
    let width = keep + keep.clamp(8, 24);
    let first =
        |(values, vectors): Eigen| (values.slice(s![..keep]).to_owned(), vectors.slice(s![..keep, ..]).to_owned());
    if n <= 160 || width * 5 > n {
        return Ok(first(whole(matrix)?));
    }
    let mut ritz = krylov(matrix, width)?;
    for _ in 0..40 {
        // A value is wrong by no more than the residual squared over the gap to the next that was left out.
        let goal = 3e-4 * ritz.values[keep - 1].abs().max(1e-9 * ritz.values[0].abs());
        let settled = ritz.residuals.iter().take_while(|r| **r <= goal).count();
        if settled >= keep {
            return Ok(first((ritz.values, ritz.vectors)));
        }
        stop_if_asked("while finding eigenvalues")?;
        let cut = ritz.values[width - 1];
        let mut block = filtered(matrix, &ritz, settled, cut);
        orthonormalise(&mut block, ritz.vectors.slice(s![..settled, ..]));
        let solved = Ritz::of(matrix, block)?;
        ritz.replace(settled, &solved);
    }
    Ok(first(whole(matrix)?))
}

/// Approximate eigenvalues, largest first, with vectors (rows) and residuals.
struct Ritz {
    values: Array1<f64>,
    vectors: Array2<f64>,
    residuals: Vec<f64>,
}

impl Ritz {
    /// The best of the space that orthonormal rows span.
    fn of(matrix: ArrayView2<f64>, basis: Array2<f64>) -> Result<Ritz> {
        let images = images(matrix, &basis);
        Ritz::from_images(&basis, &images, basis.nrows())
    }

    fn from_images(basis: &Array2<f64>, images: &Array2<f64>, keep: usize) -> Result<Ritz> {
        let (values, small) = whole(basis.dot(&images.t()).view())?;
        let small = small.slice(s![..keep, ..]);
        let (vectors, images) = (small.dot(basis), small.dot(images));
        let residual = |i: usize| (&images.row(i) - &(&vectors.row(i) * values[i])).mapv(|v| v * v).sum().sqrt();
        let residuals = (0..keep).map(residual).collect();
        Ok(Ritz { values: values.slice(s![..keep]).to_owned(), vectors, residuals })
    }

    /// Puts others in place of those from `from` on.
    fn replace(&mut self, from: usize, by: &Ritz) {
        self.values.slice_mut(s![from..]).assign(&by.values);
        self.vectors.slice_mut(s![from.., ..]).assign(&by.vectors);
        self.residuals[from..].copy_from_slice(&by.residuals);
    }
}

/// Rows times a symmetric matrix.
fn images(matrix: ArrayView2<f64>, rows: &Array2<f64>) -> Array2<f64> {
    let mut turned = Array2::zeros((matrix.nrows(), rows.nrows()));
    turned
        .axis_chunks_iter_mut(Axis(0), 128)
        .into_par_iter()
        .zip(matrix.axis_chunks_iter(Axis(0), 128).into_par_iter())
        .for_each(|(mut to, from)| general_mat_mul(1.0, &from, &rows.t(), 0.0, &mut to));
    turned.t().as_standard_layout().into_owned()
}

/// The space of a random block and its first images.
fn krylov(matrix: ArrayView2<f64>, width: usize) -> Result<Ritz> {
    const STEPS: usize = 4;
    let n = matrix.nrows();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut next = Array2::from_shape_fn((width, n), |_| rand::Rng::gen_range(&mut rng, -1.0..1.0));
    let mut basis = Array2::<f64>::zeros((STEPS * width, n));
    let mut all = Array2::<f64>::zeros((STEPS * width, n));
    for from in (0..STEPS).map(|step| step * width) {
        orthonormalise(&mut next, basis.slice(s![..from, ..]));
        basis.slice_mut(s![from..from + width, ..]).assign(&next);
        next = images(matrix, &next);
        all.slice_mut(s![from..from + width, ..]).assign(&next);
    }
    Ritz::from_images(&basis, &all, width)
}

/// The vectors from `from` on, with what belongs to eigenvalues from 0 to `cut` made small.
fn filtered(matrix: ArrayView2<f64>, ritz: &Ritz, from: usize, cut: f64) -> Array2<f64> {
    let half = 0.5 * cut.max(f64::MIN_POSITIVE);
    let before = ritz.vectors.slice(s![from.., ..]).to_owned();
    // T(m, x) = cosh(m acosh x): as high a degree as leaves eight digits to the weakest.
    let growth = (ritz.values[from] / half - 1.0).max(1.0 + 1e-9).acosh();
    let degree = ((18.0 / growth) as usize).clamp(2, 24);
    // What is settled must not come back: the polynomial would make the least rest of it large.
    let settled = ritz.vectors.slice(s![..from, ..]);
    let step = |rows: &Array2<f64>| {
        let next = images(matrix, rows) / half - rows;
        let along = next.dot(&settled.t());
        next - along.dot(&settled)
    };
    let (mut last, mut next) = (before.clone(), step(&before));
    for _ in 1..degree {
        let after = step(&next) * 2.0 - &last;
        last = std::mem::replace(&mut next, after);
    }
    next
}

/// Makes rows orthogonal to `basis` and to each other, of length 1; twice, for digits. What vanishes becomes 0.
fn orthonormalise(rows: &mut Array2<f64>, basis: ArrayView2<f64>) {
    for _ in 0..2 {
        let along = rows.dot(&basis.t());
        let less = along.dot(&basis);
        *rows -= &less;
        for i in 0..rows.nrows() {
            let (before, mut rest) = rows.view_mut().split_at(Axis(0), i);
            let mut row = rest.row_mut(0);
            let length = row.dot(&row).sqrt();
            let along = before.dot(&row);
            row -= &along.dot(&before);
            let left = row.dot(&row).sqrt();
            let scale = if left > 1e-12 * length && left > 0.0 { 1.0 / left } else { 0.0 };
            row *= scale;
        }
    }
}

/// All eigenvalues and vectors by Householder's reduction and implicit QL (Martin, Reinsch and Wilkinson, Numer. Math.
/// 11, 181, 1968; Dubrulle, Martin and Wilkinson, Numer. Math. 12, 377, 1968).
pub(crate) fn whole(matrix: ArrayView2<f64>) -> Result<Eigen> {
    let n = matrix.nrows();
    if matrix.iter().any(|v| !v.is_finite()) {
        return Err(Error::data("a matrix with NaN has no eigenvalues"));
    }
    let (mut diagonal, mut beside, mut vectors) = tridiagonal(matrix)?;
    beside.rotate_left(1);
    // By the largest, not by the neighbours alone: of eigenvalues that are 0 there is only rounding, beside rounding.
    let norm = diagonal.iter().zip(&beside).map(|(d, e)| d.abs() + e.abs()).fold(0.0, f64::max);
    for l in 0..n {
        stop_if_asked("while finding eigenvalues")?;
        for iteration in 0.. {
            let small = |m: usize| {
                let neighbours = diagonal[m].abs() + diagonal[m + 1].abs();
                beside[m].abs() <= f64::EPSILON * neighbours.max(0.1 * norm)
            };
            let m = (l..n - 1).find(|&m| small(m)).unwrap_or(n - 1);
            if m == l {
                break;
            }
            if iteration == 60 {
                return Err(Error::data("eigenvalues did not settle"));
            }
            ql_step(l, m, &mut diagonal, &mut beside, &mut vectors);
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| diagonal[b].total_cmp(&diagonal[a]));
    let values = order.iter().map(|&i| diagonal[i]).collect();
    Ok((values, vectors.select(Axis(0), &order)))
}

/// One implicit QL step on rows l to m; vectors are rows.
fn ql_step(l: usize, m: usize, d: &mut [f64], e: &mut [f64], z: &mut Array2<f64>) {
    let mut g = (d[l + 1] - d[l]) / (2.0 * e[l]);
    let mut r = g.hypot(1.0);
    g = d[m] - d[l] + e[l] / (g + r.copysign(g));
    let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
    for i in (l..m).rev() {
        let (f, b) = (s * e[i], c * e[i]);
        r = f.hypot(g);
        e[i + 1] = r;
        if r == 0.0 {
            d[i + 1] -= p;
            e[m] = 0.0;
            return;
        }
        (s, c) = (f / r, g / r);
        g = d[i + 1] - p;
        let t = (d[i] - g) * s + 2.0 * c * b;
        p = s * t;
        d[i + 1] = g + p;
        g = c * t - b;
        let (mut low, mut high) = z.multi_slice_mut((s![i, ..], s![i + 1, ..]));
        for (x, y) in low.iter_mut().zip(high.iter_mut()) {
            let (u, v) = (*x, *y);
            *y = s * u + c * v;
            *x = c * u - s * v;
        }
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0.0;
}

/// Householder's reduction: the diagonal, what stands beside it (from index 1), and the transformation, vectors as rows.
fn tridiagonal(matrix: ArrayView2<f64>) -> Result<(Vec<f64>, Vec<f64>, Array2<f64>)> {
    let n = matrix.nrows();
    let mut a = matrix.to_owned();
    let mut q = Array2::<f64>::eye(n);
    for k in 0..n.saturating_sub(2) {
        stop_if_asked("while finding eigenvalues")?;
        let mut v = a.slice(s![k + 1.., k]).to_owned();
        let length = v.dot(&v).sqrt();
        if length == 0.0 {
            continue;
        }
        v[0] += length.copysign(v[0]);
        let scale = v.dot(&v).sqrt();
        v /= scale;
        // The part below and right of k: a - 2 v wᵀ - 2 w vᵀ with w = a v - (v·a v) v.
        let mut rest = a.slice_mut(s![k + 1.., k + 1..]);
        let p = rest.dot(&v);
        let w = &p - &(&v * v.dot(&p));
        for (i, mut row) in rest.outer_iter_mut().enumerate() {
            let (vi, wi) = (2.0 * v[i], 2.0 * w[i]);
            row.iter_mut().zip(w.iter().zip(&v)).for_each(|(r, (w, v))| *r -= vi * w + wi * v);
        }
        let end = -length.copysign(a[[k + 1, k]]);
        a.slice_mut(s![k + 1.., k]).fill(0.0);
        a.slice_mut(s![k, k + 1..]).fill(0.0);
        a[[k + 1, k]] = end;
        a[[k, k + 1]] = end;
        // Rows of q are the vectors: q ← H q.
        let mut rest = q.slice_mut(s![k + 1.., ..]);
        let along = v.dot(&rest);
        for (i, mut row) in rest.outer_iter_mut().enumerate() {
            let vi = 2.0 * v[i];
            row.iter_mut().zip(&along).for_each(|(r, x)| *r -= vi * x);
        }
    }
    let beside = (0..n).map(|i| if i == 0 { 0.0 } else { a[[i, i - 1]] }).collect();
    Ok((a.diag().to_vec(), beside, q))
}
