//! Distributions that tests and intervals need.

use crate::statistics::beta_cdf;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Where a beta distribution's cumulative probability is `p`: bisection, to double precision.
pub(crate) fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    if a <= 0.0 {
        return 0.0;
    }
    if b <= 0.0 {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..200 {
        // In logarithms while the numbers are small, so that rare events keep their digits.
        let middle: f64 =
            if high > 4.0 * low && high < 0.25 { libm::sqrt(f64::max(low, 1e-300) * high) } else { 0.5 * (low + high) };
        if beta_cdf(middle, a, b) < p {
            low = middle
        } else {
            high = middle
        }
        if high - low <= 1e-15 * high {
            break;
        }
    }
    0.5 * (low + high)
}

/// Two-sided p-value of `hits` in `trials` for a probability: twice the smaller tail, at most 1 (Clopper and Pearson's
/// convention). Exact at the ends: a probability of 0 that was hit has 0.
pub(crate) fn binomial_p(hits: u64, trials: u64, p: f64) -> f64 {
    let (k, n) = (hits as f64, trials as f64);
    if p <= 0.0 {
        return if hits > 0 { 0.0 } else { 1.0 };
    }
    if p >= 1.0 {
        return if hits < trials { 0.0 } else { 1.0 };
    }
    let at_least = if hits == 0 { 1.0 } else { beta_cdf(p, k, n - k + 1.0) };
    let at_most = if hits == trials { 1.0 } else { 1.0 - beta_cdf(p, k + 1.0, n - k) };
    (2.0 * f64::min(at_least, at_most)).min(1.0)
}

/// Draws an index by its probability.
pub(crate) fn draw(probabilities: impl Iterator<Item = f64>, rng: &mut ChaCha8Rng) -> usize {
    let mut left: f64 = rng.r#gen();
    let mut last = 0;
    for (i, p) in probabilities.enumerate() {
        if p > 0.0 {
            last = i;
            if left < p {
                return i;
            }
            left -= p;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::{chi_squared_tail, holm};

    /// SciPy 1.17: beta.cdf, beta.ppf, chi2.sf, and the tails of binom.
    #[test]
    fn agrees_with_scipy() {
        for (x, a, b, want) in [
            (0.3, 2.0, 5.0, 0.579_825),
            (0.01, 0.5, 200.0, 0.954_905_892_862_920_2),
            (0.9, 30.0, 2.0, 0.169_564_633_100_864_9),
        ] {
            let found = beta_cdf(x, a, b);
            assert!((found - want).abs() < 1e-12, "{x} {a} {b}: {found}");
        }
        assert!((beta_quantile(0.5, 1.0, 1.0) - 0.5).abs() < 1e-12);
        for (p, a, b) in [(0.025, 3.0, 997.0), (0.975, 0.7, 1e5), (0.5, 400.0, 3.0)] {
            assert!((beta_cdf(beta_quantile(p, a, b), a, b) - p).abs() < 1e-9);
        }
        assert!((chi_squared_tail(3.841_458_820_694_124, 1.0) - 0.05).abs() < 1e-10);
        assert!((chi_squared_tail(600.0, 500.0) - 0.001_377_471_877_528_201).abs() < 1e-11);
    }

    #[test]
    fn the_binomial_test_is_the_sum_of_its_terms() {
        let terms = |n: u64, p: f64| -> Vec<f64> {
            let mut t = vec![libm::pow(1.0 - p, n as f64)];
            for k in 0..n {
                t.push(t[k as usize] * (n - k) as f64 / (k + 1) as f64 * p / (1.0 - p));
            }
            t
        };
        for (k, n, p) in [(3, 20, 0.05), (0, 50, 0.1), (20, 20, 0.8), (7, 30, 0.25)] {
            let t = terms(n, p);
            let (up, down): (f64, f64) = (t[k as usize..].iter().sum(), t[..=k as usize].iter().sum());
            let slow = (2.0 * up.min(down)).min(1.0);
            assert!((binomial_p(k, n, p) - slow).abs() < 1e-9, "{k} of {n}: {} {slow}", binomial_p(k, n, p));
        }
        assert_eq!((binomial_p(1, 5, 0.0), binomial_p(0, 5, 0.0), binomial_p(4, 5, 1.0)), (0.0, 1.0, 0.0));
    }

    #[test]
    fn holm_multiplies_the_smallest_by_all() {
        let close = holm(&[0.01, 0.04, 0.03]).iter().zip([0.03, 0.06, 0.06]).all(|(a, b)| (a - b).abs() < 1e-15);
        assert!(close, "{:?}", holm(&[0.01, 0.04, 0.03]));
    }
}
