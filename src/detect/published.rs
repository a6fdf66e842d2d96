//! The published way to labels, kept as the baseline to beat.

use super::lattice::fft2;
use ndarray::Array2;
use rustfft::num_complex::Complex32;

/// Options of the published mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PublishedMask {
    /// Radius of the disc in Fourier space, as 1 / this of the frame's size.
    pub mask_ratio: f64,
    /// Fraction of the range from smallest to largest that counts as dark (below) or bright (above).
    pub low: f32,
    /// See `low`.
    pub high: f32,
}

impl Default for PublishedMask {
    fn default() -> Self {
        PublishedMask { mask_ratio: 10.0, low: 0.25, high: 0.75 }
    }
}

/// Labels as published with the WS2 movie (Ziatdinov et al., ACS Nano 11, 12742, 2017): a disc is cut out of the
/// middle of the Fourier transform, the lattice that remains is transformed back and subtracted, and what is left is
/// cut at fixed fractions of its range.
#[must_use]
pub fn published_mask(image: &Array2<f32>, options: PublishedMask) -> Array2<bool> {
    let (h, w) = image.dim();
    let radius = h.min(w) as f64 / options.mask_ratio;
    let mut data = image.mapv(|v| Complex32::new(v, 0.0));
    fft2(&mut data, false);
    for ((y, x), value) in data.indexed_iter_mut() {
        let (ky, kx) = (y.min(h - y) as f64, x.min(w - x) as f64);
        if ky.hypot(kx) < radius {
            *value = Complex32::default();
        }
    }
    fft2(&mut data, true);
    let scale = 1.0 / (h * w) as f32;
    let rest = ndarray::Zip::from(image).and(&data).map_collect(|&i, l| i - l.re * scale);
    let (min, max) = rest.iter().fold((f32::MAX, f32::MIN), |(lo, hi), &v| (lo.min(v), hi.max(v)));
    let fraction = (max - min).max(f32::MIN_POSITIVE);
    rest.mapv(|v| {
        let level = (v - min) / fraction;
        level < options.low || level > options.high
    })
}
