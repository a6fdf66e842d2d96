//! The Fourier transform of real images of one size, in single precision: half a spectrum holds it all.

use ndarray::Array2;
use rayon::prelude::*;
use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

/// `[kx, ky]`, kx from 0 to half the width: columns first, because that is how the second pass leaves them.
pub(super) type Spectrum = Array2<Complex32>;

pub(super) struct Fourier {
    pub(super) height: usize,
    pub(super) width: usize,
    along_rows: [Arc<dyn Fft<f32>>; 2],
    along_columns: [Arc<dyn Fft<f32>>; 2],
}

/// Frequency of bin `i` of `n`, in cycles a pixel.
pub(super) fn frequency(i: usize, n: usize) -> f64 {
    (if 2 * i > n { i as f64 - n as f64 } else { i as f64 }) / n as f64
}

impl Fourier {
    pub(super) fn new(height: usize, width: usize) -> Fourier {
        let mut planner = FftPlanner::new();
        let mut both = |n| [planner.plan_fft_forward(n), planner.plan_fft_inverse(n)];
        Fourier { height, width, along_rows: both(width), along_columns: both(height) }
    }

    fn half(&self) -> usize {
        self.width / 2 + 1
    }

    pub(super) fn zeros(&self) -> Spectrum {
        Array2::zeros((self.half(), self.height))
    }

    /// Not normalised.
    pub(super) fn forward(&self, image: &Array2<f32>) -> Spectrum {
        self.forward_to(image, self.half())
    }

    /// The transform up to a frequency along x: the first columns.
    pub(super) fn forward_to(&self, image: &Array2<f32>, columns: usize) -> Spectrum {
        let (w, half) = (self.width, self.half());
        let mut rows = vec![Complex32::default(); self.height * half];
        // Two rows are the real and the imaginary part of one transform.
        rows.par_chunks_mut(2 * half).enumerate().for_each(|(pair, to)| {
            let second = (2 * pair + 1 < self.height).then(|| image.row(2 * pair + 1));
            let imaginary = |x: usize| second.as_ref().map_or(0.0, |row| row[x]);
            let mut z: Vec<_> =
                image.row(2 * pair).iter().enumerate().map(|(x, &v)| Complex32::new(v, imaginary(x))).collect();
            self.along_rows[0].process(&mut z);
            let (a, b) = to.split_at_mut(half);
            for k in 0..half {
                let (plus, minus) = (z[k], z[(w - k) % w].conj());
                a[k] = (plus + minus) * 0.5;
                if let Some(b) = b.get_mut(k) {
                    let d = (plus - minus) * 0.5;
                    *b = Complex32::new(d.im, -d.re);
                }
            }
        });
        let mut columns = Array2::zeros((columns.min(half), self.height));
        self.each_column(&mut columns, |kx, column| {
            column.iter_mut().enumerate().for_each(|(y, to)| *to = rows[y * half + kx]);
            self.along_columns[0].process(column);
        });
        columns
    }

    /// The sum over all frequencies, not normalised.
    pub(super) fn inverse(&self, mut spectrum: Spectrum) -> Array2<f32> {
        let (w, half) = (self.width, self.half());
        self.each_column(&mut spectrum, |_, column| self.along_columns[1].process(column));
        let mut image = vec![0.0_f32; self.height * w];
        image.par_chunks_mut(2 * w).enumerate().for_each(|(pair, to)| {
            let second = 2 * pair + 1 < self.height;
            let of = |k: usize| {
                let b = if second { spectrum[[k, 2 * pair + 1]] } else { Complex32::default() };
                (spectrum[[k, 2 * pair]], b)
            };
            let mut z = vec![Complex32::default(); w];
            for k in 0..half {
                let (a, b) = of(k);
                z[k] = Complex32::new(a.re - b.im, a.im + b.re);
                // The other half are the conjugates.
                z[(w - k) % w] = Complex32::new(a.re + b.im, b.re - a.im);
            }
            // What is its own conjugate is real.
            for k in [0].into_iter().chain((w % 2 == 0).then_some(w / 2)) {
                let (a, b) = of(k);
                z[k] = Complex32::new(a.re, b.re);
            }
            self.along_rows[1].process(&mut z);
            let (a, b) = to.split_at_mut(w);
            a.iter_mut().zip(&z).for_each(|(to, z)| *to = z.re);
            b.iter_mut().zip(&z).for_each(|(to, z)| *to = z.im);
        });
        Array2::from_shape_vec((self.height, w), image).unwrap_or_else(|_| Array2::zeros((self.height, w)))
    }

    fn each_column(&self, spectrum: &mut Spectrum, work: impl Fn(usize, &mut [Complex32]) + Sync) {
        let all = spectrum.as_slice_mut().unwrap_or(&mut []);
        all.par_chunks_mut(self.height).enumerate().for_each(|(kx, column)| work(kx, column));
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
