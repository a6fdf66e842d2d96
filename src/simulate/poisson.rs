//! Random counts and normal deviates that are the same on every machine.

use rand::Rng;

/// A Poisson deviate of the given mean: multiplication of uniforms (Knuth) for small means, the transformed
/// rejection method PTRS (Hoermann 1993) for large ones.
pub(crate) fn poisson(mean: f64, rng: &mut impl Rng) -> f64 {
    if mean <= 0.0 {
        return 0.0;
    }
    if mean < 10.0 {
        let limit = libm::exp(-mean);
        let (mut k, mut product) = (0.0, rng.r#gen::<f64>());
        while product > limit {
            k += 1.0;
            product *= rng.r#gen::<f64>();
        }
        return k;
    }
    let b = 0.931 + 2.53 * libm::sqrt(mean);
    let a = -0.059 + 0.02483 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let v_r = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let u = rng.r#gen::<f64>() - 0.5;
        let v = rng.r#gen::<f64>();
        let us = 0.5 - libm::fabs(u);
        let k = libm::floor((2.0 * a / us + b) * u + mean + 0.43);
        if us >= 0.07 && v <= v_r {
            return k;
        }
        if k < 0.0 || (us < 0.013 && v > us) {
            continue;
        }
        let left = libm::log(v * inverse_alpha / (a / (us * us) + b));
        if left <= k * libm::log(mean) - mean - libm::lgamma(k + 1.0) {
            return k;
        }
    }
}

/// A standard normal deviate (Box and Muller 1958).
pub(crate) fn normal(rng: &mut impl Rng) -> f32 {
    let u: f64 = 1.0 - rng.r#gen::<f64>();
    let v: f64 = rng.r#gen();
    (libm::sqrt(-2.0 * libm::log(u)) * libm::cos(std::f64::consts::TAU * v)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Mean and variance of a Poisson distribution are equal; 200,000 draws give both within five standard errors.
    #[test]
    fn mean_and_variance_are_the_rate() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for mean in [0.2, 3.0, 9.9, 10.1, 80.0, 1000.0] {
            let n = 200_000.0;
            let draws: Vec<f64> = (0..n as usize).map(|_| poisson(mean, &mut rng)).collect();
            let m = draws.iter().sum::<f64>() / n;
            let v = draws.iter().map(|d| (d - m) * (d - m)).sum::<f64>() / n;
            assert!((m - mean).abs() < 5.0 * (mean / n).sqrt(), "mean {m} of {mean}");
            let se = ((mean + 2.0 * mean * mean) / n).sqrt();
            assert!((v - mean).abs() < 5.0 * se, "variance {v} of {mean}");
        }
    }
}
