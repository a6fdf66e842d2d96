//! The periodic part of an image by Fourier transforms, whatever the number of its waves.

use super::filter::handy;
use super::rows::Rows;
use crate::fourier::Fourier;
use ndarray::{Array2, Zip, s};

/// Standard deviation of the window in which the lattice counts as one, in periods: that of the labels.
pub(super) const WINDOW_PERIODS: f64 = 2.5;

/// Gaussian bands of the spectrum around every wave of a lattice, for images of one size.
///
/// To demodulate a wave, smooth it and put it back is to keep a Gaussian band of the spectrum around it. The weights of the
/// normalised convolution are the same for all waves, so that all bands are kept at once. Beyond the border nothing is
/// counted.
pub(super) struct Bands {
    size: (usize, usize),
    window: f64,
    fourier: Fourier,
    /// Of half a spectrum, `[kx, ky]`.
    kept: Array2<f32>,
    /// What the window sees of the image at each pixel, to be divided by.
    norm: Array2<f32>,
}

impl Bands {
    /// `waves` in cycles per pixel; `window` is the standard deviation of the window in which each has its local amplitude
    /// and phase.
    pub(super) fn new(size: (usize, usize), waves: &[[f64; 2]], window: f64) -> Bands {
        let room = (4.0 * window).ceil() as usize;
        let padded = (handy(size.0 + room), handy(size.1 + room));
        let whole = bands(waves, padded, window);
        let kept = Array2::from_shape_fn((padded.1 / 2 + 1, padded.0), |(kx, ky)| whole[[ky, kx]]);
        let fourier = Fourier::new(padded.0, padded.1);
        let mut bands = Bands { size, window, fourier, kept, norm: Array2::ones(size) };
        let seen = bands.filtered(&bands.slow(), &Array2::ones(size));
        bands.norm = seen.mapv(|n| 1.0 / n.max(1e-6));
        bands
    }

    /// Size of the images that it is for.
    pub(super) fn size(&self) -> (usize, usize) {
        self.size
    }

    /// The waves of an image whose slow background has been taken out.
    pub(super) fn lattice(&self, flat: &Array2<f32>) -> Array2<f32> {
        self.filtered(&self.kept, flat) * &self.norm
    }

    /// The same as the frame's rows show them: a scan shifts each a little, and makes it brighter or darker, which in frames
    /// of many counts is most of what is left beside a bright column.
    pub(super) fn as_scanned(&self, flat: &Array2<f32>) -> Array2<f32> {
        const ROUNDS: usize = 2;
        let farthest = 0.25 * (self.window / WINDOW_PERIODS) as f32;
        let (mut rows, even) = (Rows::alike(flat.nrows()), Array2::ones(flat.dim()));
        let mut lattice = self.lattice(flat);
        for _ in 0..ROUNDS {
            rows.fit(flat, &lattice, &even, farthest);
            let of_rows = rows.seen(&lattice) - &lattice;
            lattice = self.lattice(&(flat - &of_rows));
        }
        rows.seen(&lattice)
    }

    /// The window's transform, of half a spectrum.
    fn slow(&self) -> Array2<f32> {
        let padded = (self.fourier.height, self.fourier.width);
        Array2::from_shape_fn(self.kept.dim(), |(kx, ky)| bell(&[0.0, 0.0], (ky, kx), padded, self.window))
    }

    fn filtered(&self, filter: &Array2<f32>, image: &Array2<f32>) -> Array2<f32> {
        let (h, w) = self.size;
        let mut padded = Array2::zeros((self.fourier.height, self.fourier.width));
        padded.slice_mut(s![..h, ..w]).assign(image);
        let scale = 1.0 / padded.len() as f32;
        let mut spectrum = self.fourier.forward(&padded);
        Zip::from(&mut spectrum).and(filter).for_each(|d, f| *d *= f * scale);
        self.fourier.inverse(spectrum).slice(s![..h, ..w]).to_owned()
    }
}

/// Slow background plus every wave (cycles per pixel), each with its local amplitude and phase in a Gaussian window of the
/// given standard deviation.
pub(super) fn periodic_part(image: &Array2<f32>, waves: &[[f64; 2]], window: f64) -> Array2<f32> {
    let bands = Bands::new(image.dim(), waves, window);
    let mean = image.mean().unwrap_or(0.0);
    let background = bands.filtered(&bands.slow(), &(image - mean)) * &bands.norm + mean;
    let lattice = bands.lattice(&(image - &background));
    background + lattice
}

/// The window's transform around a frequency, at bin `(y, x)`.
fn bell(g: &[f64; 2], (y, x): (usize, usize), (h, w): (usize, usize), window: f64) -> f32 {
    let far = |g: f64, i: usize, n: usize| {
        let d = (i as f64 / n as f64 - g).rem_euclid(1.0);
        d.min(1.0 - d)
    };
    let (dy, dx) = (far(g[0], y, h), far(g[1], x, w));
    let by = std::f64::consts::PI * window;
    (-2.0 * by * by * (dy * dy + dx * dx)).exp() as f32
}

/// The sum of the windows' transforms around all waves and their opposites; beyond five standard deviations they are 0.
fn bands(waves: &[[f64; 2]], (h, w): (usize, usize), window: f64) -> Array2<f32> {
    let mut kept = Array2::zeros((h, w));
    let reach = |n: usize| ((5.0 * n as f64 / (std::f64::consts::TAU * window)).ceil() as i64).min(n as i64 / 2 - 1);
    for g in waves.iter().flat_map(|g| [*g, [-g[0], -g[1]]]) {
        let middle = |g: f64, n: usize| (g * n as f64).round() as i64;
        for dy in -reach(h)..=reach(h) {
            let y = (middle(g[0], h) + dy).rem_euclid(h as i64) as usize;
            for dx in -reach(w)..=reach(w) {
                let x = (middle(g[1], w) + dx).rem_euclid(w as i64) as usize;
                kept[[y, x]] += bell(&g, (y, x), (h, w), window);
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    /// The obvious slow version: demodulates each wave, averages it under the window, and puts it back.
    fn slow(image: &Array2<f32>, waves: &[[f64; 2]], window: f64) -> Array2<f64> {
        let average = |of: &dyn Fn(usize, usize) -> f64, cy: usize, cx: usize| {
            let (mut sum, mut norm) = (0.0, 0.0);
            for (y, x) in image.indexed_iter().map(|(at, _)| at) {
                let r2 = (y as f64 - cy as f64).powi(2) + (x as f64 - cx as f64).powi(2);
                let weight = (-r2 / (2.0 * window * window)).exp();
                sum += weight * of(y, x);
                norm += weight;
            }
            sum / norm
        };
        let value = |y: usize, x: usize| f64::from(image[[y, x]]);
        let background = Array2::from_shape_fn(image.dim(), |(y, x)| average(&value, y, x));
        Array2::from_shape_fn(image.dim(), |(cy, cx)| {
            let of = |g: &[f64; 2]| {
                let phase = |y: usize, x: usize| TAU * (g[0] * y as f64 + g[1] * x as f64);
                let flat = |y: usize, x: usize| value(y, x) - background[[y, x]];
                let re = average(&|y, x| flat(y, x) * phase(y, x).cos(), cy, cx);
                let im = average(&|y, x| flat(y, x) * phase(y, x).sin(), cy, cx);
                2.0 * (re * phase(cy, cx).cos() + im * phase(cy, cx).sin())
            };
            background[[cy, cx]] + waves.iter().map(of).sum::<f64>()
        })
    }

    #[test]
    fn bands_equal_demodulated_waves() {
        let waves = [[0.11, 0.03], [-0.04, 0.17], [0.0, 0.25]];
        let image = Array2::from_shape_fn((26, 31), |(y, x)| {
            let wave = |g: &[f64; 2]| (TAU * (g[0] * y as f64 + g[1] * x as f64) + 0.4).cos();
            (3.0 + waves.iter().map(wave).sum::<f64>()) as f32 + ((y * 13 + x * 7) % 5) as f32 * 0.2
        });
        let (fast, slow) = (periodic_part(&image, &waves, 4.0), slow(&image, &waves, 4.0));
        for (a, b) in fast.iter().zip(&slow) {
            // Single precision; the window ends at four standard deviations, where it is 3e-4.
            assert!((f64::from(*a) - b).abs() < 5e-3, "{a} {b}");
        }
    }
}
