//! A frame's noise: how many of its units a count is.

use super::filter::weighted_gaussian;
use crate::simulate::{normal, poisson};
use ndarray::Array2;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Counts times a gain, plus an offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gain {
    /// The image's units for one count: 0 where its noise does not grow with its level.
    pub gain: f32,
    pub offset: f32,
    /// Whether the image divided by the gain is whole counts.
    pub whole: bool,
}

impl Gain {
    /// From the variance against the level: the slope is the gain, and the offset is where the variance would be 0.
    ///
    /// The variance is that of fourth differences along rows of what the lattice leaves: shifts of rows, which the
    /// lattice does not describe, are smooth along a row and leave next to nothing there.
    pub(super) fn of(image: &Array2<f32>, expected: &Array2<f32>, trust: &Array2<f32>) -> Gain {
        const TAPS: [f32; 5] = [1.0, -4.0, 6.0, -4.0, 1.0];
        let norm: f32 = TAPS.iter().map(|t| t * t).sum();
        let level = weighted_gaussian(expected, &Array2::ones(expected.dim()), 1.0);
        let mut pairs = vec![];
        for y in 2..image.nrows().saturating_sub(2) {
            for x in 2..image.ncols().saturating_sub(2) {
                let at = |i: usize| [y, x + i - 2];
                if (0..5).all(|i| trust[at(i)] >= 1.0) {
                    let sum: f32 = TAPS.iter().enumerate().map(|(i, t)| t * (image[at(i)] - expected[at(i)])).sum();
                    pairs.push((level[[y, x]], sum * sum / norm));
                }
            }
        }
        let Some((slope, offset)) = line(&mut pairs) else {
            return Gain { gain: 0.0, offset: 0.0, whole: false };
        };
        Gain { gain: slope, offset, whole: false }.or_counts(image)
    }

    /// Whole numbers whose variance is about their mean are counts, and then the gain is known exactly; `image` may be
    /// a mean over blocks of a few pixels, of which the sums are whole.
    fn or_counts(self, image: &Array2<f32>) -> Gain {
        let Some(per_count) = (1..=6_u8).map(|b| 1.0 / f32::from(b * b)).find(|unit| {
            image.iter().all(|v| *v >= 0.0 && (v / unit - (v / unit).round()).abs() < 1e-3 + 1e-6 * v / unit)
        }) else {
            return self;
        };
        // Of a small offset the line is not sure enough to tell it from none.
        let offset = Some((self.offset / per_count).round()).filter(|o| *o > 2.0).unwrap_or(0.0) * per_count;
        let counts = (0.7..1.4).contains(&(self.gain / per_count));
        if counts { Gain { gain: per_count, offset, whole: true } } else { self }
    }

    /// A pixel whose expectation changes: the value that it might have had.
    pub(super) fn changed(&self, value: f32, expected: f32, change: f32, rng: &mut ChaCha8Rng) -> f32 {
        if self.gain <= 0.0 {
            return value + change;
        }
        let (counts, change) = ((value - self.offset) / self.gain, change / self.gain);
        let new = if change >= 0.0 {
            counts + self.more(change, rng)
        } else {
            // What the pixel shows beyond its expectation belongs to other things than this column.
            let keep = 1.0 + change / ((expected - self.offset) / self.gain).max(-change).max(f32::MIN_POSITIVE);
            self.fewer(counts, keep.clamp(0.0, 1.0), rng)
        };
        new * self.gain + self.offset
    }

    /// Counts of mean `change`.
    fn more(&self, change: f32, rng: &mut ChaCha8Rng) -> f32 {
        if self.whole { poisson(f64::from(change), rng) as f32 } else { change + change.sqrt() * normal(rng) }
    }

    /// Each count kept with a probability.
    fn fewer(&self, counts: f32, keep: f32, rng: &mut ChaCha8Rng) -> f32 {
        if counts <= 0.0 {
            return counts;
        }
        let variance = counts * keep * (1.0 - keep);
        if !self.whole || variance > 40.0 {
            let drawn = counts * keep + variance.sqrt() * normal(rng);
            return if self.whole { drawn.round().clamp(0.0, counts) } else { drawn };
        }
        let limit = (f64::from(keep) * f64::from(u32::MAX)) as u32;
        (0..counts.round() as u32).filter(|_| rng.r#gen::<u32>() < limit).count() as f32
    }
}

/// How many of an image's units a count is, and what an empty pixel has, given what it is expected to show. Where the noise
/// does not grow with the level, a count is what makes the variance of the mean level Poisson's.
pub(crate) fn counts_of(image: &Array2<f32>, expected: &Array2<f32>) -> (f64, f64) {
    let found = Gain::of(image, expected, &Array2::ones(image.dim()));
    if found.gain > 0.0 {
        return (f64::from(found.gain), f64::from(found.offset));
    }
    let rest = image - expected;
    let (variance, mean) = (f64::from(rest.var(0.0)), f64::from(expected.mean().unwrap_or(0.0)));
    let gain = if mean > 0.0 && variance > 0.0 { variance / mean } else { 1.0 };
    (gain, 0.0)
}

/// Slope, and where the line meets zero, of the variance in sixteen bands of the level; none where it does not rise.
fn line(pairs: &mut [(f32, f32)]) -> Option<(f32, f32)> {
    const BANDS: usize = 16;
    if pairs.len() < 20 * BANDS {
        return None;
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mean = |band: &[(f32, f32)], pick: fn(&(f32, f32)) -> f32| {
        band.iter().map(|p| f64::from(pick(p))).sum::<f64>() / band.len() as f64
    };
    let bands: Vec<(f64, f64)> =
        pairs.chunks(pairs.len().div_ceil(BANDS)).map(|b| (mean(b, |p| p.0), mean(b, |p| p.1))).collect();
    // The error of a variance goes with the variance: bands weigh by its inverse square.
    let (mut s, mut sx, mut sy, mut sxx, mut sxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (x, y) in bands {
        let w = 1.0 / (y * y).max(f64::MIN_POSITIVE);
        s += w;
        sx += w * x;
        sy += w * y;
        sxx += w * x * x;
        sxy += w * x * y;
    }
    let slope = (s * sxy - sx * sy) / (s * sxx - sx * sx);
    let intercept = (sy - slope * sx) / s;
    let rises = slope.is_finite() && slope > 0.0;
    rises.then_some((slope as f32, (-intercept / slope) as f32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(5)
    }

    fn lattice(n: usize, height: f32) -> Array2<f32> {
        let wave = |i: usize| 0.5 + 0.5 * (std::f32::consts::TAU * i as f32 / 10.0).cos();
        Array2::from_shape_fn((n, n), |(y, x)| height * (0.1 + wave(y) * wave(x)))
    }

    /// Gain and offset of simulated detectors; smoothing narrows the range of levels by a tenth, so that the slope is
    /// too steep by as much; the offset, to which the line is prolonged, is known to a sixteenth of a column's height.
    #[test]
    fn gain_and_offset_are_measured() {
        for (gain, offset, height) in
            [(1.0, 0.0, 60.0), (1.0, 0.0, 4.0), (0.25, 0.0, 30.0), (1.0, 50.0, 20.0), (3.7, 100.0, 20.0)]
        {
            let (mut rng, expected) = (rng(), lattice(500, height));
            let image = expected.mapv(|m| poisson(f64::from(m), &mut rng) as f32 * gain + offset);
            let found = Gain::of(&image, &(expected * gain + offset), &Array2::ones((500, 500)));
            assert!((found.gain / gain - 1.0).abs() < 0.12, "{found:?}, not {gain}");
            assert!((found.offset - offset).abs() < 0.0625 * gain * height + 0.05, "{found:?}, not {offset}");
            assert_eq!(found.whole, gain <= 1.0, "{found:?}");
        }
        let mut rng = rng();
        let expected = lattice(500, 9.0);
        let image = expected.mapv(|m| m + normal(&mut rng));
        let found = Gain::of(&image, &expected, &Array2::ones((500, 500)));
        assert!(found.gain < 0.02 && !found.whole, "{found:?}");
    }

    /// A changed Poisson deviate is a Poisson deviate of the new mean, whole counts or not: mean and variance, within
    /// four standard errors.
    #[test]
    fn changed_counts_have_the_noise_of_their_new_mean() {
        for (whole, gain, offset) in [(true, 1.0, 0.0), (true, 0.25, 0.0), (false, 2.5, 30.0)] {
            let noise = Gain { gain, offset, whole };
            for (old, new) in [(6.0, 2.0), (6.0, 0.0), (80.0, 30.0), (400.0, 150.0), (6.0, 9.0), (0.3, 40.0)] {
                let mut rng = rng();
                let n = 40_000;
                let draws: Vec<f64> = (0..n)
                    .map(|_| {
                        let value = poisson(old, &mut rng) as f32 * gain + offset;
                        let (expected, change) = (old as f32 * gain + offset, (new - old) as f32 * gain);
                        let changed = noise.changed(value, expected, change, &mut rng);
                        f64::from((changed - offset) / gain)
                    })
                    .collect();
                let mean = draws.iter().sum::<f64>() / f64::from(n);
                let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / f64::from(n);
                let error = (new / f64::from(n)).sqrt();
                assert!((mean - new).abs() <= 4.0 * error + 1e-6, "{whole} {old} to {new}: mean {mean}");
                let error = ((new + 2.0 * new * new) / f64::from(n)).sqrt();
                assert!((variance - new).abs() <= 4.0 * error + 1e-6, "{whole} {old} to {new}: variance {variance}");
                assert!(!whole || draws.iter().all(|d| (d - d.round()).abs() < 1e-4));
            }
        }
    }
}
