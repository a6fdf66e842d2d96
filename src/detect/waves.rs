//! The waves of a lattice, each with its local amplitude and phase.

use super::filter::{gaussian, weighted_gaussian};
use crate::error::Result;
use ndarray::{Array2, Zip};

/// cos and sin of 2 pi g . r at every pixel, from a table for the rows and one for the columns.
pub(super) struct Wave {
    rows: Vec<(f32, f32)>,
    columns: Vec<(f32, f32)>,
}

impl Wave {
    pub(super) fn new(g: [f64; 2], (h, w): (usize, usize)) -> Wave {
        let turn = |g: f64, n: usize| -> Vec<(f32, f32)> {
            (0..n)
                .map(|i| (std::f64::consts::TAU * g * i as f64).sin_cos())
                .map(|(s, c)| (c as f32, s as f32))
                .collect()
        };
        Wave { rows: turn(g[0], h), columns: turn(g[1], w) }
    }

    pub(super) fn at(&self, y: usize, x: usize) -> (f32, f32) {
        let ((cy, sy), (cx, sx)) = (self.rows[y], self.columns[x]);
        (cy * cx - sy * sx, cy * sx + sy * cx)
    }
}

/// An image made ready for taking waves out of it: slow background aside, and only what `weight` trusts.
pub(super) struct Demodulator {
    background: Array2<f32>,
    flat: Array2<f32>,
    /// One over the weight that a window around each pixel holds.
    norm: Array2<f32>,
    window: f32,
}

impl Demodulator {
    /// `window` is the standard deviation, in pixels, of the Gaussian in which a wave counts as one, `slow` of that in
    /// which the background is the mean.
    pub(super) fn new(image: &Array2<f32>, weight: &Array2<f32>, window: f32, slow: f32) -> Demodulator {
        let norm = gaussian(weight.view(), window).mapv(|n| 1.0 / n.max(1e-6));
        let background = weighted_gaussian(image, weight, slow);
        let flat = (image - &background) * weight;
        Demodulator { background, flat, norm, window }
    }

    /// Local mean of the image times cos and sin of 2 pi g . r: of a wave A cos(2 pi g . r + p) it is A / 2 times cos p
    /// and minus sin p.
    pub(super) fn local(&self, g: [f64; 2]) -> (Array2<f32>, Array2<f32>) {
        let wave = Wave::new(g, self.flat.dim());
        let part = |pick: fn((f32, f32)) -> f32| {
            let turned = Array2::from_shape_fn(self.flat.dim(), |(y, x)| self.flat[[y, x]] * pick(wave.at(y, x)));
            gaussian(turned.view(), self.window) * &self.norm
        };
        (part(|w| w.0), part(|w| w.1))
    }

    /// Slow background plus every wave. Calls `before_wave` with the number of each, which may stop it.
    pub(super) fn sum(
        &self,
        waves: &[[f64; 2]],
        mut before_wave: impl FnMut(usize) -> Result<()>,
    ) -> Result<Array2<f32>> {
        let mut sum = self.background.clone();
        for (i, g) in waves.iter().enumerate() {
            before_wave(i)?;
            let (re, im) = self.local(*g);
            let wave = Wave::new(*g, sum.dim());
            Zip::indexed(&mut sum).and(&re).and(&im).par_for_each(|(y, x), s, &re, &im| {
                let (c, i) = wave.at(y, x);
                *s += 2.0 * (re * c + im * i);
            });
        }
        Ok(sum)
    }
}
