//! Changes of a crop's intensities.

use super::super::backdrop::Backdrop;
use super::super::filter::gaussian;
use super::Augment;
use crate::simulate::{normal, poisson};
use ndarray::Array2;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

impl Augment {
    /// Blur, another gamma, a slow background, counts drawn anew, added noise. The backdrop of the crop goes along.
    pub(super) fn intensities(&self, image: &mut Array2<f32>, backdrop: Option<&mut Backdrop>, rng: &mut ChaCha8Rng) {
        let blur = (self.blur_px * rng.r#gen::<f64>()) as f32;
        let gamma = libm::exp(self.gamma * rng.gen_range(-1.0..=1.0)) as f32;
        let mut bend = Bend::none();
        if blur > 0.3 {
            *image = gaussian(image.view(), blur);
        }
        if self.gamma > 0.0 {
            bend = Bend::of(image, gamma);
            bend.bend(image);
        }
        if let Some(Backdrop { lattice, .. }) = backdrop {
            if blur > 0.3 {
                *lattice = gaussian(lattice.view(), blur);
            }
            bend.bend(lattice);
        }
        if self.background > 0.0 {
            sloped(image, self.background as f32, rng);
        }
        if rng.r#gen() {
            let min = image.iter().copied().fold(f32::MAX, f32::min);
            let per =
                (self.counts * (1.0 + 4.0 * rng.r#gen::<f64>())) as f32 / (image.mean().unwrap_or(0.0) - min).max(1e-3);
            image.mapv_inplace(|v| poisson(f64::from((v - min) * per), rng) as f32 / per + min);
        }
        let noise = (self.noise * rng.r#gen::<f64>()) as f32;
        if noise > 0.0 {
            image.mapv_inplace(|v| v + noise * normal(rng));
        }
    }

    /// Another contrast and level.
    pub(super) fn contrast(&self, image: &mut Array2<f32>, rng: &mut ChaCha8Rng) {
        let gain = (1.0 + self.contrast * rng.gen_range(-1.0..=1.0)) as f32;
        let shift = (self.shift * rng.gen_range(-1.0..=1.0)) as f32;
        image.mapv_inplace(|v| gain * v + shift);
    }
}

/// Intensities from the darkest to the brightest to a power, and then scaled and shifted.
struct Bend {
    low: f32,
    range: f32,
    gamma: f32,
    scale: f32,
    shift: f32,
}

impl Bend {
    /// Changes nothing.
    fn none() -> Bend {
        Bend { low: 0.0, range: 0.0, gamma: 1.0, scale: 1.0, shift: 0.0 }
    }

    /// To a power that leaves mean and deviation of an image as they are.
    fn of(image: &Array2<f32>, gamma: f32) -> Bend {
        let (low, high) = image.iter().fold((f32::MAX, f32::MIN), |(lo, hi), &v| (lo.min(v), hi.max(v)));
        let range = high - low;
        if range <= 0.0 {
            return Bend::none();
        }
        let powers = image.mapv(|v| ((v - low) / range).powf(gamma));
        let scale = image.std(0.0) / powers.std(0.0).max(f32::MIN_POSITIVE);
        let shift = image.mean().unwrap_or(0.0) - scale * powers.mean().unwrap_or(0.0);
        Bend { low, range, gamma, scale, shift }
    }

    fn bend(&self, image: &mut Array2<f32>) {
        if self.range > 0.0 {
            image.mapv_inplace(|v| ((v - self.low).max(0.0) / self.range).powf(self.gamma) * self.scale + self.shift);
        }
    }
}

/// Adds a slow wave of random direction, less than one period over the crop.
fn sloped(image: &mut Array2<f32>, reach: f32, rng: &mut ChaCha8Rng) {
    let n = image.nrows() as f32;
    let turn = std::f32::consts::TAU * rng.gen_range(0.2..0.8) / n;
    let (sin, cos) = rng.gen_range(0.0..std::f32::consts::TAU).sin_cos();
    let (phase, reach) = (rng.gen_range(0.0..std::f32::consts::TAU), reach * rng.r#gen::<f32>());
    for ((y, x), v) in image.indexed_iter_mut() {
        *v += reach * (phase + turn * (sin * y as f32 + cos * x as f32)).sin();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// A gamma keeps order, mean and deviation; 1 changes nothing.
    #[test]
    fn gamma_keeps_order_and_level() {
        let image = Array2::from_shape_fn((16, 16), |(y, x)| (y * 16 + x) as f32 * 0.01 - 1.0);
        for gamma in [0.6, 1.0, 1.7] {
            let mut changed = image.clone();
            Bend::of(&image, gamma).bend(&mut changed);
            assert!(changed.iter().zip(changed.iter().skip(1)).all(|(a, b)| a < b));
            assert!((changed.mean().unwrap() - image.mean().unwrap()).abs() < 1e-4);
            assert!((changed.std(0.0) - image.std(0.0)).abs() < 1e-4);
            assert_eq!(gamma == 1.0, changed.iter().zip(&image).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }

    /// A background is slow: neighbours hardly differ, and it stays within its reach.
    #[test]
    fn a_background_is_slow() {
        let mut image = Array2::zeros((64, 64));
        sloped(&mut image, 0.5, &mut ChaCha8Rng::seed_from_u64(2));
        assert!(image.iter().all(|v: &f32| v.abs() <= 0.5) && image.std(0.0) > 0.0);
        assert!(image.rows().into_iter().all(|r| r.windows(2).into_iter().all(|p| (p[0] - p[1]).abs() < 0.05)));
    }
}
