//! The matrix exponential, which turns rates into the probabilities of a frame interval.

use crate::error::{Error, Result};
use crate::linear::solve;
use ndarray::{Array2, ArrayView2};

/// Coefficients of the Padé approximant of degree 13, and the 1-norm up to which it is exact to double precision
/// (Higham, SIAM J. Matrix Anal. Appl. 26, 1179, 2005, table 2.3).
const PADE: [f64; 14] = [
    64_764_752_532_480_000.0,
    32_382_376_266_240_000.0,
    7_771_770_303_897_600.0,
    1_187_353_796_428_800.0,
    129_060_195_264_000.0,
    10_559_470_521_600.0,
    670_442_572_800.0,
    33_522_128_640.0,
    1_323_241_920.0,
    40_840_800.0,
    960_960.0,
    16_380.0,
    182.0,
    1.0,
];
const EXACT: f64 = 5.371_920_351_148_152;

/// `exp(a)` of a square matrix by scaling, Padé's approximant of degree 13, and squaring.
///
/// # Errors
/// If a number is not finite, or so large (a 1-norm above 1e6) that nothing is left of its digits.
pub(crate) fn exponential(a: ArrayView2<f64>) -> Result<Array2<f64>> {
    let n = a.nrows();
    let norm = (0..n).map(|j| a.column(j).iter().map(|v| v.abs()).sum::<f64>()).fold(0.0, f64::max);
    if a.iter().any(|v| !v.is_finite()) || norm > 1e6 {
        return Err(Error::data("the rates times the interval are not finite, or above a million: check the units"));
    }
    let squarings = if norm > EXACT { libm::ceil(libm::log2(norm / EXACT)) as i32 } else { 0 };
    let a = a.mapv(|v| v * libm::exp2(-f64::from(squarings)));
    let one = Array2::<f64>::eye(n);
    let a2 = a.dot(&a);
    let a4 = a2.dot(&a2);
    let a6 = a4.dot(&a2);
    let sum = |c: [usize; 4]| &a6 * PADE[c[0]] + &a4 * PADE[c[1]] + &a2 * PADE[c[2]] + &one * PADE[c[3]];
    let high = |c: [usize; 3]| a6.dot(&(&a6 * PADE[c[0]] + &a4 * PADE[c[1]] + &a2 * PADE[c[2]]));
    let odd = a.dot(&(high([13, 11, 9]) + sum([7, 5, 3, 1])));
    let even = high([12, 10, 8]) + sum([6, 4, 2, 0]);
    let mut p = solve((&even - &odd).view(), (&even + &odd).view())?;
    for _ in 0..squarings {
        p = p.dot(&p);
    }
    Ok(p)
}

/// Probabilities after `interval_s` under a generator (rows sum to 0): no number is negative, rows sum to 1, and what
/// cannot be reached by any number of allowed moves is exactly 0.
///
/// # Errors
/// If the rates times the interval are not finite.
pub(crate) fn probabilities(generator: ArrayView2<f64>, interval_s: f64) -> Result<Array2<f64>> {
    let mut p = exponential(generator.mapv(|q| q * interval_s).view())?;
    let reach = reachable(generator);
    p.zip_mut_with(&reach, |p, &open| *p = if open { p.max(0.0) } else { 0.0 });
    for mut row in p.rows_mut() {
        let sum = row.sum();
        row /= sum;
    }
    Ok(p)
}

/// Which states (columns) any number of moves leads to from which (rows); each leads to itself.
pub(crate) fn reachable(rates: ArrayView2<f64>) -> Array2<bool> {
    let n = rates.nrows();
    let mut reach = Array2::from_shape_fn((n, n), |(i, j)| i == j || rates[[i, j]] > 0.0);
    for k in 0..n {
        for i in 0..n {
            if reach[[i, k]] {
                for j in 0..n {
                    if reach[[k, j]] {
                        reach[[i, j]] = true;
                    }
                }
            }
        }
    }
    reach
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// scipy.linalg.expm (1.17) of the same matrices, one of them scaled; `peers/dynamics_hmm.py` compares many more.
    #[test]
    fn agrees_with_scipy() {
        let a = array![[-1.0, 0.7, 0.3], [0.2, -0.5, 0.3], [0.0, 0.1, -0.1]];
        let series = |a: &Array2<f64>| {
            // The obvious way: 1 + a + a²/2 + …, of a thousandth, then a thousand products.
            let small = a / 1024.0;
            let (mut term, mut sum) = (Array2::<f64>::eye(3), Array2::<f64>::eye(3));
            for k in 1..12 {
                term = term.dot(&small) / f64::from(k);
                sum += &term;
            }
            (0..10).fold(sum, |p, _| p.dot(&p))
        };
        for scale in [1e-6, 0.3, 1.0, 40.0] {
            let (ours, slow) = (exponential((&a * scale).view()).unwrap(), series(&(&a * scale)));
            assert!((&ours - &slow).iter().all(|d| d.abs() < 1e-11), "{ours} against {slow}");
        }
    }

    #[test]
    fn what_cannot_be_reached_is_exactly_zero_and_rows_sum_to_one() {
        let q = array![[-2.0, 2.0, 0.0], [0.0, -1e-9, 1e-9], [0.0, 0.0, 0.0]];
        for interval in [1e-3, 1.0, 1e5] {
            let p = probabilities(q.view(), interval).unwrap();
            assert_eq!((p[[1, 0]], p[[2, 0]], p[[2, 1]], p[[2, 2]]), (0.0, 0.0, 0.0, 1.0));
            assert!(p.rows().into_iter().all(|r| (r.sum() - 1.0).abs() < 1e-14) && p[[0, 2]] > 0.0);
        }
        assert!(probabilities(q.view(), f64::NAN).is_err() && probabilities(q.view(), 1e300).is_err());
    }
}
