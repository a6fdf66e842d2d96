//! New training crops from one frame, made in parallel while the network learns.

use super::filter::gaussian;
use crate::error::{Result, check, setters};
use crate::simulate::{normal, poisson};
use ndarray::{Array2, Array3, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How crops are varied. Each range is sampled uniformly, anew for every crop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Augment {
    /// Height and width of a crop in pixels (of the binned frame).
    pub crop_px: usize,
    /// Fraction of the crops that are centred near a label; the rest lie anywhere.
    pub near_labels: f64,
    /// Largest rotation in degrees, on top of the eight symmetries of the square (flips and quarter turns).
    pub rotation_deg: f64,
    /// Largest change of scale, as a fraction: 0.1 is 0.9 to 1.1 times.
    pub zoom: f64,
    /// Largest change of contrast, as a fraction.
    pub contrast: f64,
    /// Largest shift of the intensities, in standard deviations of the frame.
    pub shift: f64,
    /// Largest Gaussian noise added, in standard deviations of the frame.
    pub noise: f64,
    /// Fewest mean counts per pixel that a crop is redrawn with (Poisson); half of the crops are not redrawn.
    pub counts: f64,
    /// Largest blur, a Gaussian's standard deviation in pixels.
    pub blur_px: f64,
}

impl Default for Augment {
    fn default() -> Self {
        Augment {
            crop_px: 64,
            near_labels: 0.6,
            rotation_deg: 15.0,
            zoom: 0.1,
            contrast: 0.2,
            shift: 0.1,
            noise: 0.2,
            counts: 20.0,
            blur_px: 0.6,
        }
    }
}

/// What crops are cut from: the normalised frame, its target and weight, and the labels' places.
pub(super) struct Canvas {
    pub image: Array2<f32>,
    pub target: Array2<f32>,
    pub weight: Array2<f32>,
    pub labels: Vec<(f32, f32)>,
}

/// A batch of crops, each (crops, height, width).
pub(super) struct Batch {
    pub image: Array3<f32>,
    pub target: Array3<f32>,
    pub weight: Array3<f32>,
}

/// An affine map from crop pixels to frame pixels.
struct Pose {
    centre: (f32, f32),
    /// Rows of the matrix: frame y and frame x from crop (y, x).
    matrix: [[f32; 2]; 2],
}

impl Augment {
    setters! {
        crop_px: usize => with_crop_px,
        near_labels: f64 => with_near_labels,
        rotation_deg: f64 => with_rotation_deg,
        zoom: f64 => with_zoom,
        contrast: f64 => with_contrast,
        shift: f64 => with_shift,
        noise: f64 => with_noise,
        counts: f64 => with_counts,
        blur_px: f64 => with_blur_px,
    }

    pub(super) fn validate(&self) -> Result<()> {
        check(
            "crop_px",
            self.crop_px,
            (16..=1024).contains(&self.crop_px) && self.crop_px.is_multiple_of(4),
            "a multiple of 4 from 16 to 1024",
        )?;
        check("near_labels", self.near_labels, (0.0..=1.0).contains(&self.near_labels), "a fraction from 0 to 1")?;
        check("rotation_deg", self.rotation_deg, (0.0..=180.0).contains(&self.rotation_deg), "0 to 180 degrees")?;
        check("zoom", self.zoom, (0.0..0.9).contains(&self.zoom), "a fraction from 0 to 0.9")?;
        check("contrast", self.contrast, (0.0..1.0).contains(&self.contrast), "a fraction from 0 to 1")?;
        check("counts", self.counts, self.counts > 0.0, "a positive number of counts")?;
        for (name, value) in [("shift", self.shift), ("noise", self.noise), ("blur_px", self.blur_px)] {
            check(name, value, value.is_finite() && value >= 0.0, "zero or a positive number")?;
        }
        Ok(())
    }

    /// Makes a batch; crop `i` of step `step` depends on the seed and those two alone.
    pub(super) fn batch(&self, canvas: &Canvas, crops: usize, step: u64, seed: u64) -> Batch {
        let n = self.crop_px;
        let mut batch = Batch {
            image: Array3::zeros((crops, n, n)),
            target: Array3::zeros((crops, n, n)),
            weight: Array3::zeros((crops, n, n)),
        };
        batch
            .image
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(batch.target.axis_iter_mut(Axis(0)))
            .zip(batch.weight.axis_iter_mut(Axis(0)))
            .enumerate()
            .for_each(|(i, ((mut image, mut target), mut weight))| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(step * crops as u64 + i as u64 + 1);
                let pose = self.pose(canvas, &mut rng);
                image.assign(&self.intensities(pose.sample(&canvas.image, n, true), &mut rng));
                target.assign(&pose.sample(&canvas.target, n, false));
                weight.assign(&pose.sample(&canvas.weight, n, false));
            });
        batch
    }

    fn pose(&self, canvas: &Canvas, rng: &mut ChaCha8Rng) -> Pose {
        let (h, w) = canvas.image.dim();
        let jitter = self.crop_px as f32 / 3.0;
        let centre = if !canvas.labels.is_empty() && rng.r#gen_bool(self.near_labels) {
            let (y, x) = canvas.labels[rng.gen_range(0..canvas.labels.len())];
            (y + rng.gen_range(-jitter..jitter), x + rng.gen_range(-jitter..jitter))
        } else {
            (rng.gen_range(0.0..h as f32), rng.gen_range(0.0..w as f32))
        };
        let turn = f64::from(rng.gen_range(0..4_u8)) * 90.0 + self.rotation_deg * rng.gen_range(-1.0..=1.0);
        let scale = (1.0 + self.zoom * rng.gen_range(-1.0..=1.0)) as f32;
        let (sin, cos) = (turn.to_radians().sin() as f32 * scale, turn.to_radians().cos() as f32 * scale);
        let flip = if rng.r#gen() { -1.0 } else { 1.0 };
        Pose { centre, matrix: [[cos, -sin * flip], [sin, cos * flip]] }
    }

    fn intensities(&self, mut image: Array2<f32>, rng: &mut ChaCha8Rng) -> Array2<f32> {
        let blur = (self.blur_px * rng.r#gen::<f64>()) as f32;
        if blur > 0.3 {
            image = gaussian(image.view(), blur);
        }
        if rng.r#gen() {
            let min = image.iter().copied().fold(f32::MAX, f32::min);
            let per =
                (self.counts * (1.0 + 4.0 * rng.r#gen::<f64>())) as f32 / (image.mean().unwrap_or(0.0) - min).max(1e-3);
            image.mapv_inplace(|v| poisson(f64::from((v - min) * per), rng) as f32 / per + min);
        }
        let noise = (self.noise * rng.r#gen::<f64>()) as f32;
        let gain = (1.0 + self.contrast * rng.gen_range(-1.0..=1.0)) as f32;
        let shift = (self.shift * rng.gen_range(-1.0..=1.0)) as f32;
        image.mapv_inplace(|v| gain * v + shift + noise * normal(rng));
        image
    }
}

impl Pose {
    /// Samples a map at the crop's pixels: between pixels linearly, or the nearest; beyond the border mirrored.
    fn sample(&self, map: &Array2<f32>, n: usize, linear: bool) -> Array2<f32> {
        let middle = (n as f32 - 1.0) / 2.0;
        let [[yy, yx], [xy, xx]] = self.matrix;
        Array2::from_shape_fn((n, n), |(y, x)| {
            let (dy, dx) = (y as f32 - middle, x as f32 - middle);
            let at = (self.centre.0 + yy * dy + yx * dx, self.centre.1 + xy * dy + xx * dx);
            if linear {
                bilinear(map, at)
            } else {
                map[[mirror(at.0.round() as i64, map.nrows()), mirror(at.1.round() as i64, map.ncols())]]
            }
        })
    }
}

/// Index `i` mirrored into `0..n` (without repeating the border).
pub(crate) fn mirror(i: i64, n: usize) -> usize {
    let last = n as i64 - 1;
    if last == 0 {
        return 0;
    }
    let i = i.rem_euclid(2 * last);
    (if i > last { 2 * last - i } else { i }) as usize
}

/// Value between pixels, borders mirrored.
pub(crate) fn bilinear(map: &Array2<f32>, (y, x): (f32, f32)) -> f32 {
    let (y0, x0) = (y.floor(), x.floor());
    let (fy, fx) = (y - y0, x - x0);
    let rows = [mirror(y0 as i64, map.nrows()), mirror(y0 as i64 + 1, map.nrows())];
    let columns = [mirror(x0 as i64, map.ncols()), mirror(x0 as i64 + 1, map.ncols())];
    let row = |r: usize| map[[r, columns[0]]] * (1.0 - fx) + map[[r, columns[1]]] * fx;
    row(rows[0]) * (1.0 - fy) + row(rows[1]) * fy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canvas() -> Canvas {
        let target =
            Array2::from_shape_fn((80, 90), |(y, x)| if y.abs_diff(40) < 3 && x.abs_diff(45) < 3 { 1.0 } else { 0.0 });
        Canvas {
            image: Array2::from_shape_fn((80, 90), |(y, x)| ((y / 3 + x / 4) % 5) as f32 - 2.0) + &target * 9.0,
            weight: Array2::ones((80, 90)),
            target,
            labels: vec![(40.0, 45.0)],
        }
    }

    /// The target moves with the image: the label's pixels stay the brightest under every pose.
    #[test]
    fn target_follows_image() {
        let canvas = canvas();
        let still = Augment::default()
            .with_near_labels(1.0)
            .with_crop_px(48)
            .with_noise(0.0)
            .with_blur_px(0.0)
            .with_counts(1e4);
        let batch = still.batch(&canvas, 32, 0, 9);
        for (image, target) in batch.image.outer_iter().zip(batch.target.outer_iter()) {
            let inside: Vec<f32> = image.iter().zip(&target).filter(|(_, t)| **t > 0.5).map(|(i, _)| *i).collect();
            let outside = image.iter().zip(&target).filter(|(_, t)| **t < 0.5).map(|(i, _)| *i);
            assert!(!inside.is_empty());
            let mean = |v: Vec<f32>| v.iter().sum::<f32>() / v.len() as f32;
            assert!(mean(inside) > mean(outside.collect()) + 4.0);
        }
    }

    #[test]
    fn same_seed_same_crops_other_seed_others() {
        let (canvas, augment) = (canvas(), Augment::default());
        let a = augment.batch(&canvas, 4, 3, 1);
        assert_eq!(a.image, augment.batch(&canvas, 4, 3, 1).image);
        assert_ne!(a.image, augment.batch(&canvas, 4, 3, 2).image);
        assert_ne!(a.image, augment.batch(&canvas, 4, 4, 1).image);
    }

    #[test]
    fn mirror_reflects() {
        assert_eq!([-2, -1, 0, 3, 4, 5].map(|i| mirror(i, 4)), [2, 1, 0, 3, 2, 1]);
        assert_eq!(mirror(-7, 1), 0);
    }
}
