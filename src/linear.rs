//! Linear equations and eigenvalues of small dense matrices.

use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2};

/// Solves `a x = b` by Gauss's elimination with row pivots.
///
/// # Errors
/// If `a` is singular to working precision.
pub(crate) fn solve(a: ArrayView2<f64>, b: ArrayView2<f64>) -> Result<Array2<f64>> {
    Ok(solve_and_determine(a, b)?.0)
}

/// The same, with the logarithm of the determinant's size.
///
/// # Errors
/// Those of [`solve`].
pub(crate) fn solve_and_determine(a: ArrayView2<f64>, b: ArrayView2<f64>) -> Result<(Array2<f64>, f64)> {
    let n = a.nrows();
    let (mut a, mut x) = (a.to_owned(), b.to_owned());
    let mut log_determinant = 0.0;
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[[i, k]].abs().total_cmp(&a[[j, k]].abs())).unwrap_or(k);
        if a[[pivot, k]].abs() < f64::MIN_POSITIVE || !a[[pivot, k]].is_finite() {
            return Err(Error::data("the equations have no unique solution: the matrix is singular"));
        }
        if pivot != k {
            for j in 0..n {
                a.swap([k, j], [pivot, j]);
            }
            for j in 0..x.ncols() {
                x.swap([k, j], [pivot, j]);
            }
        }
        log_determinant += libm::log(a[[k, k]].abs());
        for i in k + 1..n {
            let factor = a[[i, k]] / a[[k, k]];
            if factor != 0.0 {
                for j in k..n {
                    a[[i, j]] -= factor * a[[k, j]];
                }
                for j in 0..x.ncols() {
                    x[[i, j]] -= factor * x[[k, j]];
                }
            }
        }
    }
    for k in (0..n).rev() {
        for j in 0..x.ncols() {
            let sum: f64 = (k + 1..n).map(|i| a[[k, i]] * x[[i, j]]).sum();
            x[[k, j]] = (x[[k, j]] - sum) / a[[k, k]];
        }
    }
    Ok((x, log_determinant))
}

/// A complex number: the little of one that eigenvalues need.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Complex(f64, f64);

impl Complex {
    fn times(self, b: Complex) -> Complex {
        Complex(self.0 * b.0 - self.1 * b.1, self.0 * b.1 + self.1 * b.0)
    }
    fn plus(self, b: Complex) -> Complex {
        Complex(self.0 + b.0, self.1 + b.1)
    }
    fn minus(self, b: Complex) -> Complex {
        Complex(self.0 - b.0, self.1 - b.1)
    }
    fn conjugate(self) -> Complex {
        Complex(self.0, -self.1)
    }
    fn size(self) -> f64 {
        libm::hypot(self.0, self.1)
    }
    fn over(self, by: f64) -> Complex {
        Complex(self.0 / by, self.1 / by)
    }
    fn root(self) -> Complex {
        let size = self.size();
        let re = libm::sqrt(0.5 * (size + self.0).max(0.0));
        let im = libm::sqrt(0.5 * (size - self.0).max(0.0));
        Complex(re, if self.1 < 0.0 { -im } else { im })
    }
}

/// Eigenvalues as (real, imaginary), in no order: the QR algorithm with Wilkinson's shifts on the Hessenberg form
/// (Golub and Van Loan, Matrix Computations, chapter 7).
///
/// # Errors
/// If it does not converge, which numbers that are not finite make it do.
pub(crate) fn eigenvalues(a: ArrayView2<f64>) -> Result<Vec<(f64, f64)>> {
    let n = a.nrows();
    let mut h: Vec<Vec<Complex>> =
        hessenberg(a).rows().into_iter().map(|r| r.iter().map(|&v| Complex(v, 0.0)).collect()).collect();
    let (mut values, mut end, mut turns) = (vec![], n, 0);
    while end > 0 {
        let last = end - 1;
        let near = |h: &[Vec<Complex>], k: usize| 1e-15 * (h[k - 1][k - 1].size() + h[k][k].size()).max(1e-290);
        let start = (1..end).rev().find(|&k| h[k][k - 1].size() <= near(&h, k)).unwrap_or(0);
        if start == last {
            values.push((h[last][last].0, h[last][last].1));
            (end, turns) = (last, 0);
            continue;
        }
        turns += 1;
        if turns > 200 {
            return Err(Error::data("the matrix's eigenvalues were not found: are all its numbers finite?"));
        }
        let shift = if turns % 11 == 10 {
            Complex(h[last][last - 1].size(), 0.0).plus(h[last][last])
        } else {
            wilkinson(&h, last)
        };
        turn(&mut h, start, end, shift);
    }
    Ok(values)
}

/// The eigenvalue of the last two rows and columns that is nearer to the last entry.
fn wilkinson(h: &[Vec<Complex>], last: usize) -> Complex {
    let (a, b, c, d) = (h[last - 1][last - 1], h[last - 1][last], h[last][last - 1], h[last][last]);
    let half = a.minus(d).over(2.0);
    let root = half.times(half).plus(b.times(c)).root();
    let mean = a.plus(d).over(2.0);
    let (one, two) = (mean.plus(root), mean.minus(root));
    if one.minus(d).size() < two.minus(d).size() { one } else { two }
}

/// One shifted QR step of the rows and columns from `start` to `end`.
#[allow(clippy::needless_range_loop)] // two rows at once
fn turn(h: &mut [Vec<Complex>], start: usize, end: usize, shift: Complex) {
    for (k, row) in h.iter_mut().enumerate().take(end).skip(start) {
        row[k] = row[k].minus(shift);
    }
    let mut turned = vec![];
    for k in start..end - 1 {
        let (x, y) = (h[k][k], h[k + 1][k]);
        let size = libm::hypot(x.size(), y.size());
        let (c, s) = if size > 0.0 { (x.over(size), y.over(size)) } else { (Complex(1.0, 0.0), Complex(0.0, 0.0)) };
        for j in k..end {
            let (a, b) = (h[k][j], h[k + 1][j]);
            h[k][j] = c.conjugate().times(a).plus(s.conjugate().times(b));
            h[k + 1][j] = c.times(b).minus(s.times(a));
        }
        turned.push((c, s));
    }
    for (i, (c, s)) in turned.into_iter().enumerate() {
        let k = start + i;
        for row in h.iter_mut().take((k + 2).min(end)).skip(start) {
            let (a, b) = (row[k], row[k + 1]);
            row[k] = a.times(c).plus(b.times(s));
            row[k + 1] = b.times(c.conjugate()).minus(a.times(s.conjugate()));
        }
    }
    for (k, row) in h.iter_mut().enumerate().take(end).skip(start) {
        row[k] = row[k].plus(shift);
    }
}

/// The same eigenvalues, zeros below the first subdiagonal: elimination with pivots.
fn hessenberg(a: ArrayView2<f64>) -> Array2<f64> {
    let n = a.nrows();
    let mut h = a.to_owned();
    for k in 1..n.saturating_sub(1) {
        let pivot = (k..n).max_by(|&i, &j| h[[i, k - 1]].abs().total_cmp(&h[[j, k - 1]].abs())).unwrap_or(k);
        if h[[pivot, k - 1]] == 0.0 {
            continue;
        }
        if pivot != k {
            for j in 0..n {
                h.swap([k, j], [pivot, j]);
            }
            for i in 0..n {
                h.swap([i, k], [i, pivot]);
            }
        }
        for i in k + 1..n {
            let factor = h[[i, k - 1]] / h[[k, k - 1]];
            if factor != 0.0 {
                for j in 0..n {
                    h[[i, j]] -= factor * h[[k, j]];
                }
                for r in 0..n {
                    h[[r, k]] += factor * h[[r, i]];
                }
            }
        }
    }
    h
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn equations_are_solved() {
        let a = array![[0.0, 2.0, 1.0], [1.0, 1.0, 0.0], [3.0, 0.0, -1.0]];
        let x = array![[1.0, 4.0], [-2.0, 0.5], [3.0, 0.0]];
        let found = solve(a.view(), a.dot(&x).view()).unwrap();
        assert!((&found - &x).iter().all(|d| d.abs() < 1e-13), "{found}");
        // By hand: 0 - 2 (-1 - 0) + 1 (0 - 3) = -1.
        assert!(solve_and_determine(a.view(), x.view()).unwrap().1.abs() < 1e-14);
        assert!(solve(array![[1.0, 2.0], [2.0, 4.0]].view(), array![[1.0], [2.0]].view()).is_err());
    }

    /// numpy.linalg.eigvals of the same matrices; a rotation has a complex pair.
    #[test]
    fn eigenvalues_are_those_of_numpy() {
        let sorted = |a: Array2<f64>| {
            let mut v = eigenvalues(a.view()).unwrap();
            v.sort_by(|p, q| p.0.total_cmp(&q.0).then(p.1.total_cmp(&q.1)));
            v
        };
        let close = |found: &[(f64, f64)], wanted: &[(f64, f64)]| {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(a, b)| (a.0 - b.0).abs() < 1e-10 && (a.1 - b.1).abs() < 1e-10)
        };
        let rotation = sorted(array![[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.5]]);
        assert!(close(&rotation, &[(0.0, -1.0), (0.0, 1.0), (0.5, 0.0)]), "{rotation:?}");
        let cycle = sorted(array![[0.1, 0.9, 0.0], [0.0, 0.1, 0.9], [0.9, 0.0, 0.1]]);
        let s = 0.9 * 0.75_f64.sqrt();
        assert!(close(&cycle, &[(-0.35, -s), (-0.35, s), (1.0, 0.0)]), "{cycle:?}");
        let triangle = sorted(array![[3.0, 1.0, 2.0], [0.0, 2.0, 5.0], [0.0, 0.0, -1.0]]);
        assert!(close(&triangle, &[(-1.0, 0.0), (2.0, 0.0), (3.0, 0.0)]), "{triangle:?}");
    }
}
