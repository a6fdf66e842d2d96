//! The little statistics that the truth is told with.

/// Wilson's interval at 95 % for a probability of which `hits` of `trials` were seen (J. Am. Stat. Assoc. 22, 209, 1927).
pub(super) fn wilson(hits: u64, trials: u64) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    if trials == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (trials as f64, hits as f64 / trials as f64);
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * libm::sqrt(p * (1.0 - p) / n + Z * Z / (4.0 * n * n));
    let scale = 1.0 + Z * Z / n;
    (((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0))
}

/// Probability that chi-squared with so many degrees of freedom is at least `value`: the upper incomplete gamma function,
/// by its series or its continued fraction (Lentz), whichever converges fast.
pub(super) fn chi_squared_tail(value: f64, degrees: f64) -> f64 {
    let (a, x) = (degrees / 2.0, value / 2.0);
    if degrees <= 0.0 || x <= 0.0 {
        return 1.0;
    }
    let front = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term > 1e-16 * sum {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return (1.0 - front * sum).max(0.0);
    }
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1e300, 1.0 / b);
    let mut fraction = d;
    for i in 1..100_000 {
        let i = f64::from(i);
        let numerator = -i * (i - a);
        b += 2.0;
        d = 1.0 / (numerator * d + b);
        c = b + numerator / c;
        fraction *= c * d;
        if libm::fabs(c * d - 1.0) < 1e-15 {
            break;
        }
    }
    front * fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of SciPy 1.17.1: `chi2.sf`, and `binomtest(5, 50).proportion_ci(method="wilson")`.
    #[test]
    fn agrees_with_scipy() {
        for (value, degrees, tail) in [
            (3.841_458_820_694_124, 1.0, 0.05),
            (18.307_038_053_275_143, 10.0, 0.05),
            (2.0, 10.0, 0.996_340_153_172_656_3),
            (600.0, 500.0, 0.001_377_471_877_528_201),
        ] {
            let ours = chi_squared_tail(value, degrees);
            assert!((ours / tail - 1.0).abs() < 1e-8, "{value}, {degrees}: {ours} against {tail}");
        }
        let (low, high) = wilson(5, 50);
        assert!((low - 0.043_475_764_931_890_41).abs() < 1e-9 && (high - 0.213_602_314_374_796_54).abs() < 1e-9);
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }
}
