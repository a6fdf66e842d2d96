//! The Fourier transform of real images of one size, in single precision: half a spectrum holds it all.

use ndarray::Array2;
use rayon::prelude::*;
use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

/// `[kx, ky]`, kx from 0 to half the width: columns first, because that is how the second pass leaves them.
pub(crate) type Spectrum = Array2<Complex32>;

/// Columns that are gathered from rows at once, or rows from columns: what is read of each fills a line of the cache. Even,
/// since rows go in pairs.
const TOGETHER: usize = 8;

pub(crate) struct Fourier {
    pub(crate) height: usize,
    pub(crate) width: usize,
    along_rows: [Arc<dyn Fft<f32>>; 2],
    along_columns: [Arc<dyn Fft<f32>>; 2],
}

/// Frequency of bin `i` of `n`, in cycles a pixel.
pub(crate) fn frequency(i: usize, n: usize) -> f64 {
    (if 2 * i > n { i as f64 - n as f64 } else { i as f64 }) / n as f64
}

impl Fourier {
    pub(crate) fn new(height: usize, width: usize) -> Fourier {
        let mut planner = FftPlanner::new();
        let mut both = |n| [planner.plan_fft_forward(n), planner.plan_fft_inverse(n)];
        Fourier { height, width, along_rows: both(width), along_columns: both(height) }
    }

    fn half(&self) -> usize {
        self.width / 2 + 1
    }

    pub(crate) fn zeros(&self) -> Spectrum {
        Array2::zeros((self.half(), self.height))
    }

    /// Not normalised.
    pub(crate) fn forward(&self, image: &Array2<f32>) -> Spectrum {
        self.forward_to(image, self.half(), |_, _, v| v)
    }

    /// The transform up to a frequency along x, the first columns, of what `value` makes of y, x and the pixel there.
    pub(crate) fn forward_to(
        &self,
        image: &Array2<f32>,
        columns: usize,
        value: impl Fn(usize, usize, f32) -> f32 + Sync,
    ) -> Spectrum {
        let (w, columns) = (self.width, columns.min(self.half()));
        let mut rows = vec![Complex32::default(); self.height * columns];
        // Two rows are the real and the imaginary part of one transform.
        rows.par_chunks_mut(2 * columns).enumerate().for_each(|(pair, to)| {
            let y = 2 * pair;
            let mut z: Vec<_> =
                image.row(y).iter().enumerate().map(|(x, &v)| Complex32::new(value(y, x, v), 0.0)).collect();
            if y + 1 < self.height {
                z.iter_mut().zip(image.row(y + 1)).enumerate().for_each(|(x, (z, &v))| z.im = value(y + 1, x, v));
            }
            self.along_rows[0].process(&mut z);
            let (a, b) = to.split_at_mut(columns);
            for k in 0..columns {
                let (plus, minus) = (z[k], z[(w - k) % w].conj());
                a[k] = (plus + minus) * 0.5;
                if let Some(b) = b.get_mut(k) {
                    let d = (plus - minus) * 0.5;
                    *b = Complex32::new(d.im, -d.re);
                }
            }
        });
        let mut spectrum = Array2::zeros((columns, self.height));
        let all = spectrum.as_slice_mut().unwrap_or(&mut []);
        all.par_chunks_mut(TOGETHER * self.height).enumerate().for_each(|(block, to)| {
            let (first, some) = (block * TOGETHER, to.len() / self.height);
            for (y, row) in rows.chunks_exact(columns).enumerate() {
                for (k, &v) in row[first..first + some].iter().enumerate() {
                    to[k * self.height + y] = v;
                }
            }
            to.chunks_exact_mut(self.height).for_each(|column| self.along_columns[0].process(column));
        });
        spectrum
    }

    /// The sum over all frequencies, not normalised.
    pub(crate) fn inverse(&self, mut spectrum: Spectrum) -> Array2<f32> {
        let (w, h) = (self.width, self.height);
        let all = spectrum.as_slice_mut().unwrap_or(&mut []);
        all.par_chunks_mut(h).for_each(|column| self.along_columns[1].process(column));
        let columns: &[Complex32] = all;
        let mut image = vec![0.0_f32; h * w];
        image.par_chunks_mut(TOGETHER * w).enumerate().for_each(|(block, to)| {
            let (first, some) = (block * TOGETHER, to.len() / w);
            let mut turned = vec![Complex32::default(); TOGETHER * self.half()];
            for (k, column) in columns.chunks_exact(h).enumerate() {
                for (y, &v) in column[first..first + some].iter().enumerate() {
                    turned[y * self.half() + k] = v;
                }
            }
            let mut z = vec![Complex32::default(); w];
            for (to, pair) in to.chunks_mut(2 * w).zip(turned.chunks_exact(2 * self.half())) {
                let (a, b) = pair.split_at(self.half());
                for (k, (a, b)) in a.iter().zip(b).enumerate() {
                    z[k] = Complex32::new(a.re - b.im, a.im + b.re);
                    // The other half are the conjugates.
                    z[(w - k) % w] = Complex32::new(a.re + b.im, b.re - a.im);
                }
                // What is its own conjugate is real.
                for k in [0].into_iter().chain((w % 2 == 0).then_some(w / 2)) {
                    z[k] = Complex32::new(a[k].re, b[k].re);
                }
                self.along_rows[1].process(&mut z);
                let (a, b) = to.split_at_mut(w);
                a.iter_mut().zip(&z).for_each(|(to, z)| *to = z.re);
                b.iter_mut().zip(&z).for_each(|(to, z)| *to = z.im);
            }
        });
        Array2::from_shape_vec((h, w), image).unwrap_or_else(|_| Array2::zeros((h, w)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// The sum that defines the transform, and the way back.
        #[test]
        fn it_is_the_transform(h in 1_usize..13, w in 1_usize..13, seed in 0_usize..1000) {
            let image = Array2::from_shape_fn((h, w), |(y, x)| ((seed + 7 * y * y + 13 * x + y * x) % 17) as f32 - 8.0);
            let fourier = Fourier::new(h, w);
            let fast = fourier.forward(&image);
            for ((kx, ky), found) in fast.indexed_iter() {
                let mut sum = (0.0, 0.0);
                for ((y, x), &v) in image.indexed_iter() {
                    let angle = -std::f64::consts::TAU * ((ky * y) as f64 / h as f64 + (kx * x) as f64 / w as f64);
                    sum = (sum.0 + f64::from(v) * angle.cos(), sum.1 + f64::from(v) * angle.sin());
                }
                // Single precision, sums of up to 144 terms below 9.
                prop_assert!((f64::from(found.re) - sum.0).abs() < 2e-3 && (f64::from(found.im) - sum.1).abs() < 2e-3);
            }
            for (back, v) in fourier.inverse(fast).iter().zip(&image) {
                prop_assert!((back / (h * w) as f32 - v).abs() < 1e-4);
            }
        }
    }
}
