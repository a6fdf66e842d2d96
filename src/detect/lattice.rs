//! Finds a frame's lattice in its power spectrum: the Bragg peaks themselves, without being told where to look.

use super::filter::robust;
use super::indexing::{Indexed, dual, norm, reduced};
use crate::error::{Error, Result};
use ndarray::{Array2, Axis};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex32;

/// A lattice as the Fourier transform shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Lattice {
    /// Reciprocal vectors in cycles per pixel, `[ky, kx]`, one of each pair `g`, `-g`, strongest first.
    pub peaks: Vec<[f64; 2]>,
    /// How far each peak stands above the noise at its radius (1 = the noise's mean power).
    pub strength: Vec<f64>,
    /// Lattice period in pixels: the length of the shortest lattice vector.
    pub period_px: f64,
    /// Two shortest lattice vectors in pixels, `[y, x]`.
    pub basis_px: [[f64; 2]; 2],
}

/// Two-dimensional discrete Fourier transform, unnormalised, in place.
pub(crate) fn fft2(data: &mut Array2<Complex32>, inverse: bool) {
    let mut planner = FftPlanner::new();
    for axis in [Axis(1), Axis(0)] {
        let length = data.len_of(axis);
        let plan = if inverse { planner.plan_fft_inverse(length) } else { planner.plan_fft_forward(length) };
        let mut line = vec![Complex32::default(); length];
        for mut lane in data.lanes_mut(axis) {
            line.iter_mut().zip(&lane).for_each(|(to, from)| *to = *from);
            plan.process(&mut line);
            lane.iter_mut().zip(&line).for_each(|(to, from)| *to = *from);
        }
    }
}

/// Signed frequency of bin `i` of `n`.
fn signed(i: usize, n: usize) -> f64 {
    if 2 * i > n { i as f64 - n as f64 } else { i as f64 }
}

/// Power spectrum under a Hann window. Intensities are cut at 2.5 robust deviations first: one heavy atom on a light
/// lattice would otherwise outshine it at every long period.
fn power(image: &Array2<f32>) -> Array2<f32> {
    let (h, w) = image.dim();
    let (median, deviation) = robust(&mut image.iter().copied().collect::<Vec<_>>());
    let reach = if deviation > 0.0 { 2.5 * deviation } else { f32::MAX };
    let image = without_plane(&image.mapv(|v| v.clamp(median - reach, median + reach)));
    let mean = image.mean().unwrap_or(0.0);
    let hann = |i: usize, n: usize| 0.5 - 0.5 * (std::f32::consts::TAU * (i as f32 + 0.5) / n as f32).cos();
    let mut data =
        Array2::from_shape_fn((h, w), |(y, x)| Complex32::new((image[[y, x]] - mean) * hann(y, h) * hann(x, w), 0.0));
    fft2(&mut data, false);
    data.mapv(|c| c.norm_sqr())
}

/// The image less the plane that fits it best: a steep slope leaks into every frequency.
fn without_plane(image: &Array2<f32>) -> Array2<f32> {
    let (h, w) = image.dim();
    let mean = image.mean().unwrap_or(0.0);
    let (cy, cx) = ((h as f32 - 1.0) / 2.0, (w as f32 - 1.0) / 2.0);
    let (mut sy, mut sx) = (0.0_f64, 0.0_f64);
    for ((y, x), &v) in image.indexed_iter() {
        sy += f64::from((v - mean) * (y as f32 - cy));
        sx += f64::from((v - mean) * (x as f32 - cx));
    }
    let (n_y, n_x) = (h as f64, w as f64);
    // On a grid the two slopes are independent, and the sum of squares of 0..n about its middle is n (n^2 - 1) / 12.
    let slope_y = (sy * 12.0 / (n_x * n_y * (n_y * n_y - 1.0)).max(1.0)) as f32;
    let slope_x = (sx * 12.0 / (n_x * n_y * (n_x * n_x - 1.0)).max(1.0)) as f32;
    Array2::from_shape_fn((h, w), |(y, x)| image[[y, x]] - mean - slope_y * (y as f32 - cy) - slope_x * (x as f32 - cx))
}

/// Power over the noise level of its ring. For noise the ratio is exponential with mean 1, whatever its colour.
fn above_noise(power: &Array2<f32>) -> Array2<f32> {
    let (h, w) = power.dim();
    let size = h.min(w) as f64;
    let ring = |y: usize, x: usize| {
        let (ky, kx) = (signed(y, h) / h as f64, signed(x, w) / w as f64);
        ((ky * ky + kx * kx).sqrt() * size / 2.0) as usize // two bins wide
    };
    let mut rings: Vec<Vec<f32>> = vec![vec![]; h.max(w)];
    for ((y, x), &p) in power.indexed_iter() {
        rings[ring(y, x)].push(p);
    }
    let level: Vec<f32> = rings.iter_mut().map(|r| noise_level(r)).collect();
    Array2::from_shape_fn((h, w), |(y, x)| power[[y, x]] / level[ring(y, x)].max(f32::MIN_POSITIVE))
}

/// Mean of an exponential from its lower fifth, which Bragg peaks do not reach even where they fill half of a small ring.
fn noise_level(ring: &mut [f32]) -> f32 {
    if ring.is_empty() {
        return 0.0;
    }
    let fifth = ring.len() / 5;
    let below = (fifth as f32 + 0.5) / ring.len() as f32;
    *ring.select_nth_unstable_by(fifth, f32::total_cmp).1 / -(1.0 - below).ln()
}

/// Centre of a peak between bins, by a parabola through the logarithms of its neighbours.
fn refine(power: &Array2<f32>, y: usize, x: usize) -> [f64; 2] {
    let (h, w) = power.dim();
    let log = |y: usize, x: usize| f64::from(power[[y % h, x % w]].max(f32::MIN_POSITIVE)).ln();
    let offset = |before: f64, here: f64, after: f64| {
        let curve = before - 2.0 * here + after;
        if curve < 0.0 { (0.5 * (before - after) / curve).clamp(-0.5, 0.5) } else { 0.0 }
    };
    let here = log(y, x);
    [
        (signed(y, h) + offset(log(y + h - 1, x), here, log(y + 1, x))) / h as f64,
        (signed(x, w) + offset(log(y, x + w - 1), here, log(y, x + 1))) / w as f64,
    ]
}

impl Lattice {
    /// Finds the lattice of an image.
    ///
    /// A peak is a local maximum of the power spectrum that noise alone would exceed once in a thousand frames
    /// (power over the ring's mean is exponential: threshold ln(pixels x 1000)), at a spacing of 3 pixels to a fifth of
    /// the frame.
    ///
    /// # Errors
    /// If fewer than two independent peaks stand above the noise.
    pub fn find(image: &Array2<f32>) -> Result<Lattice> {
        let (h, w) = image.dim();
        if h.min(w) < 16 {
            return Err(Error::data(format!(
                "a frame of {h} x {w} pixels is too small to show a lattice: at least 16 x 16"
            )));
        }
        let rest = without_plane(image);
        // Rounding makes patterns, too: six digits of single precision, less one for the arithmetic.
        if rest.std(0.0) < 1e-5 * (image.std(0.0) + image.mean().unwrap_or(0.0).abs()) {
            return Err(Error::data("no lattice found: the frame is a smooth slope and nothing else"));
        }
        let power = power(image);
        let ratio = above_noise(&power);
        let threshold = (ratio.len() as f32 * 1000.0).ln();
        let longest = h.min(w) as f64 / 5.0;
        let mut found: Vec<([f64; 2], f64)> = vec![];
        for ((y, x), &r) in ratio.indexed_iter() {
            let k = [signed(y, h) / h as f64, signed(x, w) / w as f64];
            let upper = k[0] > 0.0 || (k[0] == 0.0 && k[1] > 0.0);
            let spacing = 1.0 / norm(k).max(1e-12);
            if r > threshold && upper && (2.2..longest).contains(&spacing) && is_local_maximum(&power, y, x) {
                found.push((refine(&power, y, x), f64::from(r)));
            }
        }
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        found.truncate(48);
        let strongest = found.first().map_or(0.0, |f| f.1);
        // Side lobes of the window and defects' diffuse scattering are below a thousandth of a good lattice's peak.
        found.retain(|f| f.1 > 1e-3 * strongest);
        // Windows and noise move a peak by a fraction of a bin, strain a little more.
        let indexed = Indexed::best(&found, 1.5 / h.min(w) as f64).ok_or_else(|| {
            Error::data(format!(
                "no lattice found: {} peaks of the power spectrum stand above the noise, two independent ones are \
                 needed. Is this an atomic-resolution image, with at least five periods across?",
                found.len()
            ))
        })?;
        // What belongs to no lattice and is weak is what scan rows do, with their gains and shifts, and no second grain.
        found.retain(|f| indexed.holds(f.0) || f.1 > 0.01 * strongest);
        let basis = reduced(dual(indexed.pair));
        Ok(Lattice {
            period_px: norm(basis[0]),
            basis_px: basis,
            peaks: found.iter().map(|f| f.0).collect(),
            strength: found.iter().map(|f| f.1).collect(),
        })
    }
}

fn is_local_maximum(power: &Array2<f32>, y: usize, x: usize) -> bool {
    let (h, w) = power.dim();
    let here = power[[y, x]];
    (0..5).all(|dy| (0..5).all(|dx| power[[(y + h + dy - 2) % h, (x + w + dx - 2) % w]] <= here))
}

#[cfg(test)]
mod tests {
    use super::super::indexing::cross;
    use super::*;
    use crate::simulate::Ws2;
    use proptest::prelude::*;
    use rand::SeedableRng;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        /// The planted period is found at any rotation and a wide range of scales, within 2 %.
        #[test]
        fn planted_lattice_is_found(px in 6.0_f64..24.0, rotation in 0.0_f64..60.0, seed in 0_u64..100) {
            let movie = Ws2::default().with_nm_per_px(0.3153 / px).with_rotation_deg(rotation).simulate(seed).unwrap().movie;
            let lattice = Lattice::find(&movie.frame(0).unwrap().data).unwrap();
            prop_assert!((lattice.period_px / px - 1.0).abs() < 0.02, "{} for {px}", lattice.period_px);
        }
    }

    /// A cell with unequal vectors at 75 degrees is found as it was drawn, with peaks that come close to chance.
    #[test]
    fn an_oblique_lattice_is_found() {
        let (a, b) = ([0.9, 9.0], [13.0, 2.0]);
        let [p, q] = dual([a, b]);
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let image = Array2::from_shape_fn((200, 220), |(y, x)| {
            let turns = |m: f64, n: f64| (m * p[0] + n * q[0]) * y as f64 + (m * p[1] + n * q[1]) * x as f64;
            let wave = |m: f64, n: f64| (std::f64::consts::TAU * turns(m, n)).cos();
            let lattice = wave(1.0, 0.0) + 0.7 * wave(0.0, 1.0) + 0.5 * wave(1.0, 1.0) + 0.3 * wave(2.0, -1.0);
            lattice as f32 + crate::simulate::normal(&mut rng)
        });
        let lattice = Lattice::find(&image).unwrap();
        let [c, d] = lattice.basis_px;
        // A bin is a twentieth of the first reciprocal vector; refined by a parabola and by four peaks, to 1 %.
        assert!((lattice.period_px / norm(a) - 1.0).abs() < 0.01, "{lattice:?}");
        assert!((norm(d) / norm(b) - 1.0).abs() < 0.01 && (cross(c, d) / cross(a, b)).abs() > 0.99, "{lattice:?}");
    }

    #[test]
    fn noise_has_no_lattice() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        for _ in 0..5 {
            let noise = Array2::from_shape_fn((128, 128), |_| crate::simulate::normal(&mut rng));
            assert!(Lattice::find(&noise).is_err());
        }
    }

    #[test]
    fn the_transform_inverts() {
        let data = Array2::from_shape_fn((6, 10), |(y, x)| Complex32::new((y * x) as f32, y as f32));
        let mut back = data.clone();
        fft2(&mut back, false);
        fft2(&mut back, true);
        for (a, b) in data.iter().zip(&back) {
            assert!((a - b / 60.0).norm() < 1e-4);
        }
    }
}
