//! The statistics that the room shares: distributions, intervals, corrections for many tests, a minimum.

use crate::statistics::{beta_cdf, gamma_tails, ranked};

/// Two-sided 95 %: this many standard deviations of a normal distribution.
pub(super) const Z95: f64 = 1.959_963_984_540_054;
/// 95 % point of chi-squared with one degree of freedom: half of it is how far a log-likelihood falls at the ends of a
/// profile interval.
pub(super) const CHI2_95: f64 = Z95 * Z95;

/// Regularised lower incomplete gamma function P(a, x).
pub(super) fn gamma_p(a: f64, x: f64) -> f64 {
    match (a <= 0.0, x <= 0.0) {
        (true, _) => 1.0,
        (_, true) => 0.0,
        _ => gamma_tails(a, x)[0],
    }
}

/// The x at which an increasing function reaches `target`, by bisection from 0.
fn reached(target: f64, start: f64, function: impl Fn(f64) -> f64) -> f64 {
    let mut high = start.max(1e-9);
    while function(high) < target && high < 1e300 {
        high *= 2.0;
    }
    let mut low = 0.0;
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if function(middle) < target {
            low = middle
        } else {
            high = middle
        }
        if high - low <= 1e-13 * high {
            break;
        }
    }
    0.5 * (low + high)
}

/// Quantile of the gamma distribution of this shape and scale 1.
pub(super) fn gamma_quantile(p: f64, shape: f64) -> f64 {
    reached(p, shape.max(1.0), |x| gamma_p(shape, x))
}

/// Exact 95 % interval of the mean of a Poisson variable that was seen to be `count` (Garwood, Biometrika 28, 437, 1936).
pub(super) fn poisson_interval(count: f64) -> (f64, f64) {
    weighted_poisson_interval(count, count)
}

/// 95 % interval of the mean of a weighted sum of Poisson counts: `sum` of the weights seen, `squares` of their squares (Fay
/// and Feuer, Statistics in Medicine 16, 791, 1997). With weights of 1 it is Garwood's.
pub(super) fn weighted_poisson_interval(sum: f64, squares: f64) -> (f64, f64) {
    // Nothing seen: as if one event, of weight 1, might have been.
    if sum <= 0.0 || squares <= 0.0 {
        return (0.0, -(0.025_f64.ln()));
    }
    let weight = squares / sum;
    let low = weight * gamma_quantile(0.025, sum * sum / squares);
    let (more, more_squares) = (sum + weight, squares + weight * weight);
    (low, more_squares / more * gamma_quantile(0.975, more * more / more_squares))
}

/// 97.5 % point of Student's t, by Newton's method from the expansion for many degrees of freedom: the distribution is
/// concave beyond 0, so that from the second step on the way is straight.
pub(super) fn t95(degrees: f64) -> f64 {
    let (z, v) = (Z95, degrees);
    let first = (z.powi(3) + z) / (4.0 * v);
    let mut t = z + first + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * v * v);
    let front = (libm::lgamma(0.5 * (v + 1.0)) - libm::lgamma(0.5 * v)).exp() / (v * std::f64::consts::PI).sqrt();
    for _ in 0..50 {
        let below = 1.0 - 0.5 * beta_cdf(v / (v + t * t), 0.5 * v, 0.5);
        let density = front * (1.0 + t * t / v).powf(-0.5 * (v + 1.0));
        let step = (0.975 - below) / density;
        t = (t + step).max(0.0);
        if step.abs() < 1e-12 * t {
            break;
        }
    }
    t
}

/// Benjamini and Hochberg's (J. R. Statist. Soc. B 57, 289, 1995): the share of false findings among all is kept.
pub(super) fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let order = ranked(p);
    let mut corrected = vec![1.0; p.len()];
    let mut least = 1.0_f64;
    for (rank, &i) in order.iter().enumerate().rev() {
        least = least.min(p.len() as f64 / (rank + 1) as f64 * p[i]);
        corrected[i] = least;
    }
    corrected
}

/// Quantile of values, between the two nearest ones.
pub(super) fn quantile(values: &mut [f64], p: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_unstable_by(f64::total_cmp);
    let at = p * (values.len() - 1) as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    values[low] + (at - low as f64) * (values[high] - values[low])
}

/// Where a function of several variables is least, by Nelder and Mead's simplex (Computer Journal 7, 308, 1965), started
/// twice: the place, and the value there.
pub(super) fn minimum(start: &[f64], step: f64, mut function: impl FnMut(&[f64]) -> f64) -> (Vec<f64>, f64) {
    let mut best = simplex(start, step, &mut function);
    best = simplex(&best.0, 0.3 * step, &mut function);
    best
}

fn simplex(start: &[f64], step: f64, function: &mut impl FnMut(&[f64]) -> f64) -> (Vec<f64>, f64) {
    let n = start.len();
    let mut corners: Vec<(Vec<f64>, f64)> = (0..=n)
        .map(|i| {
            let mut at = start.to_vec();
            if i > 0 {
                at[i - 1] += step;
            }
            let value = function(&at);
            (at, value)
        })
        .collect();
    for _ in 0..400 * n.max(1) {
        corners.sort_by(|a, b| a.1.total_cmp(&b.1));
        if corners[n].1 - corners[0].1 <= 1e-9 * (1.0 + corners[0].1.abs()) {
            break;
        }
        let centre: Vec<f64> = (0..n).map(|k| corners[..n].iter().map(|c| c.0[k]).sum::<f64>() / n as f64).collect();
        let mut try_at = |along: f64, worst: &[f64]| {
            let at: Vec<f64> = (0..n).map(|k| centre[k] + along * (worst[k] - centre[k])).collect();
            let value = function(&at);
            (at, value)
        };
        let worst = corners[n].clone();
        let reflected = try_at(-1.0, &worst.0);
        if reflected.1 < corners[0].1 {
            let expanded = try_at(-2.0, &worst.0);
            corners[n] = if expanded.1 < reflected.1 { expanded } else { reflected };
        } else if reflected.1 < corners[n - 1].1 {
            corners[n] = reflected;
        } else {
            let inside = reflected.1 >= worst.1;
            let contracted = try_at(if inside { 0.5 } else { -0.5 }, &worst.0);
            if contracted.1 < worst.1.min(reflected.1) {
                corners[n] = contracted;
            } else {
                let best = corners[0].0.clone();
                for corner in &mut corners[1..] {
                    corner.0.iter_mut().zip(&best).for_each(|(v, b)| *v = 0.5 * (*v + b));
                    corner.1 = function(&corner.0);
                }
            }
        }
    }
    corners.sort_by(|a, b| a.1.total_cmp(&b.1));
    corners.swap_remove(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::holm;

    /// Values of SciPy 1.17: `gamma.ppf`, `gamma.sf`, `t.ppf(0.975, …)`, `betainc`.
    #[test]
    fn agrees_with_scipy() {
        for (found, known) in [
            (gamma_quantile(0.025, 10.0), 4.795_388_696_632_4),
            (gamma_quantile(0.975, 11.0), 18.390_356_045_169_3),
            (1.0 - gamma_p(5.0, 9.153_519_026_637_57), 0.05),
            (t95(1.0), 12.706_204_736_432_1),
            (t95(10.0), 2.228_138_851_964_94),
            (t95(1000.0), 1.962_339_080_689_8),
            (beta_cdf(0.4, 2.0, 3.0), 0.524_8),
        ] {
            assert!((found / known - 1.0).abs() < 1e-7, "{found} against {known}");
        }
        let (low, high) = poisson_interval(10.0);
        assert!((low - 4.795_389).abs() < 1e-5 && (high - 18.390_356).abs() < 1e-5);
        assert!((poisson_interval(0.0).1 - 3.688_879).abs() < 1e-5);
        // Ten events of weight 2 are ten events, each counted twice.
        let (twice_low, twice_high) = weighted_poisson_interval(20.0, 40.0);
        assert!((twice_low - 2.0 * low).abs() < 1e-9 && (twice_high - 2.0 * high).abs() < 1e-9);
    }

    /// Values of statsmodels' `multipletests`.
    #[test]
    fn corrections_are_the_known_ones() {
        let p = [0.01, 0.04, 0.03, 0.005];
        let near = |a: Vec<f64>, b: [f64; 4]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near(holm(&p), [0.03, 0.06, 0.06, 0.02]));
        assert!(near(benjamini_hochberg(&p), [0.02, 0.04, 0.04, 0.02]));
    }

    #[test]
    fn the_simplex_finds_rosenbrocks_valley() {
        let (at, value) = minimum(&[-1.2, 1.0], 0.5, |p| (1.0 - p[0]).powi(2) + 100.0 * (p[1] - p[0] * p[0]).powi(2));
        assert!(value < 1e-8 && (at[0] - 1.0).abs() < 1e-3 && (at[1] - 1.0).abs() < 1e-3, "{at:?}");
    }
}
