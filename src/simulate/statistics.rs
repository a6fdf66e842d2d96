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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::chi_squared_tail;

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
