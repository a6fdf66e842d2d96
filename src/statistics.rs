//! Distributions and corrections that rooms share.

/// Both tails of the gamma distribution of this shape (above 0) and scale 1 at `x` (above 0), lower and upper: the regularised
/// incomplete gamma functions, by the series or by the continued fraction (Lentz), whichever converges fast.
pub(crate) fn gamma_tails(shape: f64, x: f64) -> [f64; 2] {
    let a = shape;
    let front = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term > 1e-16 * sum {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        let lower = (front * sum).min(1.0);
        return [lower, 1.0 - lower];
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
    let upper = front * fraction;
    [(1.0 - upper).max(0.0), upper]
}

/// Probability that chi-squared with so many degrees of freedom is at least `value`.
pub(crate) fn chi_squared_tail(value: f64, degrees: f64) -> f64 {
    if degrees <= 0.0 || value <= 0.0 { 1.0 } else { gamma_tails(degrees / 2.0, value / 2.0)[1] }
}

/// Regularised incomplete beta function I_x(a, b), by Lentz's continued fraction.
pub(crate) fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_cdf(1.0 - x, b, a);
    }
    let front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x);
    let safe = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let (mut c, mut d) = (1.0, 1.0 / safe(1.0 - (a + b) * x / (a + 1.0)));
    let mut f = d;
    for m in 1..10_000 {
        let m = f64::from(m);
        for term in [
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        ] {
            d = 1.0 / safe(1.0 + term * d);
            c = safe(1.0 + term / c);
            f *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    (libm::exp(front) / a * f).clamp(0.0, 1.0)
}

/// Holm's correction of p-values for being many (Scand. J. Stat. 6, 65, 1979), in their order: the chance of even one false
/// finding is kept.
pub(crate) fn holm(p: &[f64]) -> Vec<f64> {
    let mut corrected = vec![1.0; p.len()];
    let mut most = 0.0_f64;
    for (rank, i) in ranked(p).into_iter().enumerate() {
        most = most.max((p.len() - rank) as f64 * p[i]).min(1.0);
        corrected[i] = most;
    }
    corrected
}

/// Places of values, the smallest first.
pub(crate) fn ranked(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    order
}
