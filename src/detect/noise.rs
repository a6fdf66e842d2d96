//! Scores in units of a frame's own noise, which is measured where the lattice is as it should be.

use super::filter::{gaussian, robust};
use crate::error::{Error, Result};
use ndarray::{Array2, Zip, s};

/// Noise of one band of expected intensity.
#[derive(Clone, Copy)]
struct Noise {
    level: f32,
    mean: f32,
    deviation: f32,
    skewness: f32,
}

/// Standard normal deviate of the 90th percentile.
const Z90: f32 = 1.281_55;

impl Noise {
    /// From the 10th, 50th and 90th percentiles, which a few per cent of defects hardly move (Cornish and Fisher's
    /// expansion gives deviation, mean and skewness from them).
    fn of(level: f32, values: &mut [f32]) -> Noise {
        let mut quantile = |p: f32| {
            let at = ((values.len() - 1) as f32 * p) as usize;
            *values.select_nth_unstable_by(at, f32::total_cmp).1
        };
        let (low, middle, high) = (quantile(0.1), quantile(0.5), quantile(0.9));
        let deviation = (high - low) / (2.0 * Z90);
        let skewness = if deviation > 0.0 { 3.0 * (high + low - 2.0 * middle) / (Z90 * Z90 * deviation) } else { 0.0 };
        Noise { level, mean: middle + skewness * deviation / 6.0, deviation, skewness }
    }

    /// Counts have a third cumulant in fixed proportion to their variance, so that skewness times deviation is the
    /// same in every band: the median over the bands is a better estimate than each band's own.
    fn share_skewness(bands: &mut [Noise]) {
        let mut products: Vec<f32> = bands.iter().map(|b| b.skewness * b.deviation).collect();
        let shared = robust(&mut products).0;
        for b in bands {
            let skewness = (shared / b.deviation).clamp(-0.9, 0.9);
            b.mean += (skewness - b.skewness) * b.deviation / 6.0;
            b.skewness = skewness;
        }
    }

    fn between(a: Noise, b: Noise, level: f32) -> Noise {
        let t = if b.level > a.level { ((level - a.level) / (b.level - a.level)).clamp(0.0, 1.0) } else { 0.0 };
        let mix = |a: f32, b: f32| a + t * (b - a);
        Noise {
            level,
            mean: mix(a.mean, b.mean),
            deviation: mix(a.deviation, b.deviation),
            skewness: mix(a.skewness, b.skewness),
        }
    }

    /// The deviate of a standard normal that is as unlikely as `value` is in noise of this skewness (Wilson and
    /// Hilferty 1931): starved counts have a long bright tail, which must not pass for defects.
    fn score(self, value: f32) -> f32 {
        let t = (value - self.mean) / self.deviation;
        let g = self.skewness;
        if g.abs() < 0.02 {
            return t;
        }
        6.0 / g * ((1.0 + g * t / 2.0).cbrt() - 1.0) + g / 6.0
    }
}

/// Noise in eight bands of the expected intensity, of pairs of intensity and residual.
fn bands(mut pairs: Vec<(f32, f32)>) -> Vec<Noise> {
    const BANDS: usize = 8;
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    pairs
        .chunks(pairs.len().div_ceil(BANDS).max(1))
        .map(|band| Noise::of(band[band.len() / 2].0, &mut band.iter().map(|p| p.1).collect::<Vec<_>>()))
        .collect()
}

/// Standard deviation of the noise at each pixel, by its expected intensity; 1 where there is none. Every third pixel of every
/// third row is enough to measure it.
pub(super) fn deviations(rest: &Array2<f32>, level: &Array2<f32>) -> Array2<f32> {
    let some = s![..;3, ..;3];
    let bands = bands(level.slice(some).iter().copied().zip(rest.slice(some).iter().copied()).collect());
    let of = |l: f32| {
        let after = bands.partition_point(|b| b.level < l).min(bands.len().saturating_sub(1));
        let deviation = Noise::between(bands[after.saturating_sub(1)], bands[after], l).deviation;
        if deviation > 0.0 { deviation } else { 1.0 }
    };
    if bands.is_empty() { Array2::ones(rest.dim()) } else { level.mapv(of) }
}

/// Divides by the noise's standard deviation, measured where `weight` is 1 in eight bands of the expected intensity
/// (smoothed like the residual) and interpolated between them.
pub(super) fn standardise(
    rest: &Array2<f32>,
    periodic: &Array2<f32>,
    weight: &Array2<f32>,
    column: f32,
) -> Result<Array2<f32>> {
    let level = gaussian(periodic.view(), column);
    let trusted = level.iter().zip(rest).zip(weight).filter(|(_, w)| **w >= 1.0).map(|((l, r), _)| (*l, *r));
    let mut bands = bands(trusted.collect());
    if bands.is_empty() || bands.iter().any(|b| b.deviation <= 0.0) {
        return Err(Error::data(
            "the frame has no noise to measure significance with: more than half of its pixels fit the lattice exactly",
        ));
    }
    Noise::share_skewness(&mut bands);
    let mut scores = rest.clone();
    Zip::from(&mut scores).and(&level).par_for_each(|s, &l| {
        let after = bands.partition_point(|b| b.level < l).min(bands.len() - 1);
        *s = Noise::between(bands[after.saturating_sub(1)], bands[after], l).score(*s);
    });
    Ok(scores)
}
