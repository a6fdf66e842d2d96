//! How a frame's lattice and noise look, in numbers that can be held against another frame's.

use super::lattice::fft2;
use crate::error::{Error, Result};
use crate::movie::Frame;
use ndarray::Array2;
use rustfft::num_complex::Complex32;

/// Power that noise does not reach: white noise of the frame's whole variance has 1, and exceeds this once in 3000.
const PEAK: f32 = 8.0;
/// Slower than this many periods a frame is contamination or tilt, not noise.
const SLOW: f64 = 12.0;
/// Lines of the spectrum about an axis that are left out where the other lines are averaged.
const NEAR_AXIS: usize = 6;
/// Bands of a spectrum, from 0 to half a cycle a pixel.
const BANDS: usize = 13;
/// Bins of the histogram, and what one is wide in standard deviations; the first begins at `-BINS_BELOW` of them.
const BINS: usize = 36;
const BIN: f64 = 0.25;
const BINS_BELOW: f64 = 3.0;

/// Spectra along x and y, correlation of the noise, and histogram of one frame, all with the frame scaled to mean 0
/// and variance 1: white noise alone has power 1 everywhere.
///
/// The lattice's peaks (more than eight times the power of white noise, and their neighbours) and what changes fewer
/// than twelve times a frame are left out of spectra and correlation.
///
/// ```
/// use atomotion::prelude::*;
/// let simulated = Ws2::default().with_size_px(128).simulate(1)?;
/// let texture = Texture::of(&simulated.movie.frame(0)?)?;
/// assert!((texture.correlation[[0, 0]] - 1.0).abs() < 1e-6);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Texture {
    /// Mean power in 13 bands of the frequency along x, from 0 to 0.5 cycles a pixel, over all frequencies along y.
    pub along_x: Vec<f64>,
    /// The same along y.
    pub along_y: Vec<f64>,
    /// Mean power of what is the same all along a row: where the frequency along x is 0 and that along y above 0.06.
    pub rows: f64,
    /// Mean power where both frequencies are above 0.4 cycles a pixel.
    pub corner: f64,
    /// Fraction of the variance in the lattice and in slow changes.
    pub lattice: f64,
    /// Correlation of the noise with itself `[dy, dx]` pixels away, 0 to 2.
    pub correlation: Array2<f64>,
    /// Fraction of the pixels in bins of a quarter of a standard deviation, the first from -3, the last to 6; pixels
    /// beyond are counted in the last.
    pub histogram: Vec<f64>,
    /// Skewness of the pixels.
    pub skewness: f64,
    /// Where the frame came from.
    pub source: String,
}

/// The power of every frequency, and which are lattice or slow.
struct Spectrum {
    transform: Array2<Complex32>,
    power: Array2<f32>,
    lattice: Array2<bool>,
}

impl Texture {
    /// Measures a frame.
    ///
    /// # Errors
    /// If the frame is constant, holds NaN, or has fewer than 64 pixels a side.
    pub fn of(frame: &Frame) -> Result<Texture> {
        frame.usable()?;
        let (h, w) = frame.data.dim();
        if h.min(w) < 64 {
            return Err(Error::data(format!("a frame of {h} x {w} pixels is too small: 64 a side are needed")));
        }
        let n = frame.data.len() as f64;
        let mean = frame.data.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let deviation = (frame.data.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n).sqrt();
        let image = frame.data.mapv(|v| ((f64::from(v) - mean) / deviation) as f32);
        let spectrum = Spectrum::of(&image);
        let near = |k: usize| k <= NEAR_AXIS;
        let kept: f64 = spectrum.noise().map(|(_, _, p)| p).sum();
        Ok(Texture {
            along_x: bands(spectrum.noise().filter(|(y, _, _)| !near(*y)).map(|(_, x, p)| (x as f64 / w as f64, p))),
            along_y: bands(spectrum.noise().filter(|(_, x, _)| !near(*x)).map(|(y, _, p)| (y as f64 / h as f64, p))),
            rows: average(spectrum.noise().filter(|(y, x, _)| *x == 0 && *y as f64 > 0.06 * h as f64)),
            corner: average(spectrum.noise().filter(|(y, x, _)| 10 * y > 4 * h && 10 * x > 4 * w)),
            lattice: 1.0 - kept / n,
            correlation: spectrum.correlation(),
            histogram: histogram(&image),
            skewness: image.iter().map(|&v| f64::from(v).powi(3)).sum::<f64>() / n,
            source: frame.source.clone(),
        })
    }

    /// Middle of each band of a spectrum, in cycles a pixel.
    #[must_use]
    pub fn frequencies(&self) -> Vec<f64> {
        (0..BANDS).map(|b| (b as f64 + 0.5) * 0.5 / BANDS as f64).collect()
    }

    /// Middle of each bin of the histogram, in standard deviations from the mean.
    #[must_use]
    pub fn levels(&self) -> Vec<f64> {
        (0..BINS).map(|i| (i as f64 + 0.5) * BIN - BINS_BELOW).collect()
    }

    /// Largest difference between the distributions of two frames' pixels (Kolmogorov and Smirnov), at the bins' ends.
    #[must_use]
    pub fn distance(&self, other: &Texture) -> f64 {
        let (mut sum, mut largest) = (0.0, 0.0_f64);
        for (a, b) in self.histogram.iter().zip(&other.histogram) {
            sum += a - b;
            largest = largest.max(f64::abs(sum));
        }
        largest
    }
}

/// Frequency `i` of `n`, its sign aside.
fn unsigned(i: usize, n: usize) -> usize {
    i.min(n - i)
}

impl Spectrum {
    fn of(image: &Array2<f32>) -> Spectrum {
        let (h, w) = image.dim();
        let mut transform = image.mapv(|v| Complex32::new(v, 0.0));
        fft2(&mut transform, false);
        let power = transform.mapv(|c| c.norm_sqr() / image.len() as f32);
        let strong = |y: usize, x: usize| {
            let slow = (unsigned(y, h) as f64).hypot(unsigned(x, w) as f64) < SLOW;
            slow || power[[y, x]] > PEAK
        };
        let lattice = Array2::from_shape_fn((h, w), |(y, x)| {
            strong(y, x)
                || strong((y + 1) % h, x)
                || strong((y + h - 1) % h, x)
                || strong(y, (x + 1) % w)
                || strong(y, (x + w - 1) % w)
        });
        Spectrum { power, transform, lattice }
    }

    /// Frequencies along y and x, in periods a frame, and power, of all that is not lattice.
    fn noise(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        let (h, w) = self.power.dim();
        let kept = self.power.indexed_iter().filter(|(at, _)| !self.lattice[*at]);
        kept.map(move |((y, x), &p)| (unsigned(y, h), unsigned(x, w), f64::from(p)))
    }

    fn correlation(&self) -> Array2<f64> {
        // The correlation of an image is the transform of its power.
        let mut power = Array2::from_shape_fn(self.transform.dim(), |at| {
            let noise = if self.lattice[at] { 0.0 } else { self.power[at] };
            Complex32::new(noise, 0.0)
        });
        fft2(&mut power, true);
        Array2::from_shape_fn((3, 3), |at| f64::from(power[at].re) / f64::from(power[[0, 0]].re))
    }
}

fn average(noise: impl Iterator<Item = (usize, usize, f64)>) -> f64 {
    let (n, sum) = noise.fold((0_usize, 0.0), |(n, sum), (_, _, p)| (n + 1, sum + p));
    sum / n.max(1) as f64
}

/// Mean power in bands of a frequency from 0 to 0.5.
fn bands(noise: impl Iterator<Item = (f64, f64)>) -> Vec<f64> {
    let mut sums = [(0_usize, 0.0); BANDS];
    for (frequency, power) in noise {
        let band = &mut sums[((frequency * 2.0 * BANDS as f64) as usize).min(BANDS - 1)];
        *band = (band.0 + 1, band.1 + power);
    }
    sums.iter().map(|(n, sum)| sum / (*n).max(1) as f64).collect()
}

fn histogram(image: &Array2<f32>) -> Vec<f64> {
    let mut counts = vec![0.0; BINS];
    for &v in image {
        let bin = ((f64::from(v) + BINS_BELOW) / BIN).clamp(0.0, BINS as f64 - 1.0);
        counts[bin as usize] += 1.0 / image.len() as f64;
    }
    counts
}

impl std::fmt::Debug for Texture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Texture of {}: noise power {:.2} in the corner of the spectrum, {:.2} to {:.2} along x, {:.2} to {:.2} \
             along y (white noise of the frame's variance has 1), {:.2} of what is common to rows; its correlation \
             with the next pixel {:.3} along x and {:.3} along y; {:.0} % of the variance in lattice and slow changes",
            self.source,
            self.corner,
            self.along_x.iter().copied().fold(f64::MAX, f64::min),
            self.along_x.iter().copied().fold(f64::MIN, f64::max),
            self.along_y.iter().copied().fold(f64::MAX, f64::min),
            self.along_y.iter().copied().fold(f64::MIN, f64::max),
            self.rows,
            self.correlation[[0, 1]],
            self.correlation[[1, 0]],
            100.0 * self.lattice
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::movie::Calibration;
    use crate::simulate::normal;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn noise(n: usize, seed: u64) -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Array2::from_shape_simple_fn((n, n), || normal(&mut rng))
    }

    /// White noise: power 1 (12,000 frequencies a band: 1 % each, so 4 % is four standard errors; the peaks' cut takes
    /// less than 1 %), no correlation (1/256 each).
    #[test]
    fn white_noise_is_white() {
        let texture = Texture::of(&Frame::new(noise(256, 1), Calibration::default())).unwrap();
        for band in texture.along_x.iter().chain(&texture.along_y) {
            assert!((band - 1.0).abs() < 0.06, "{band}");
        }
        assert!((texture.corner - 1.0).abs() < 0.06, "{texture:?}");
        for ((y, x), c) in texture.correlation.indexed_iter().filter(|(at, _)| *at != (0, 0)) {
            assert!(c.abs() < 0.02, "{c} at {y}, {x}");
        }
    }

    /// A fifth of the next pixel along x is added to each: correlation 0.2 / 1.04 with the next along x alone, and power
    /// (1.04 + 0.4 cos(2 pi k)) / 1.04 along x, the same for all along y. The peaks' cut takes 3 % where power is 1.4.
    #[test]
    fn blur_along_a_row_is_seen_along_x() {
        let white = noise(256, 2);
        let blurred = Array2::from_shape_fn((256, 256), |(y, x)| white[[y, x]] + 0.2 * white[[y, (x + 1) % 256]]);
        let texture = Texture::of(&Frame::new(blurred, Calibration::default())).unwrap();
        assert!((texture.correlation[[0, 1]] - 0.192).abs() < 0.025, "{texture:?}");
        assert!(texture.correlation[[1, 0]].abs() < 0.02 && texture.correlation[[0, 2]].abs() < 0.02, "{texture:?}");
        for (k, power) in texture.frequencies().iter().zip(&texture.along_x) {
            let expected = (1.04 + 0.4 * (std::f64::consts::TAU * k).cos()) / 1.04;
            assert!((power - expected).abs() < 0.08, "{power}, not {expected}, at {k}");
        }
        // The lines next to the axis, which are left out here, are the strongest: what is left has 0.97.
        assert!(texture.along_y.iter().all(|power| (power - 0.97).abs() < 0.06), "{texture:?}");
    }
}
