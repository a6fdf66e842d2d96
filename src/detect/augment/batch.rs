//! A batch of crops, made in parallel.

use super::super::backdrop::{Backdrop, reach_px};
use super::super::filter::robust;
use super::super::plant::Bed;
use super::Augment;
use super::canvas::Canvas;
use super::fresh::{From, Made};
use super::pose::{Pose, mirror};
use ndarray::{Array2, Array4, ArrayViewMut2, ArrayViewMut3, Axis, s};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Crops: images (crops, planes, height, width), targets (crops, channels, height, width), weights (crops, 1, height, width).
pub(in super::super) struct Batch {
    pub image: Array4<f32>,
    pub target: Array4<f32>,
    pub weight: Array4<f32>,
}

/// A part of the canvas that a crop is cut from, edited.
struct Piece {
    image: Array2<f32>,
    backdrop: Option<Backdrop>,
    targets: Vec<Array2<f32>>,
    weight: Array2<f32>,
    corner: (usize, usize),
    /// Height and width of the whole.
    whole: (usize, usize),
}

impl Piece {
    /// All that a crop sees, with what grows there, normalised.
    fn of(canvas: &Canvas, pose: &Pose, augment: &Augment, rng: &mut ChaCha8Rng) -> Piece {
        let (h, w) = canvas.image.dim();
        let reach = pose.reach();
        let range = |c: f32, n: usize| {
            let clip = |v: f32| v.clamp(0.0, n as f32) as usize;
            clip((c - reach).floor())..clip((c + reach).ceil() + 1.0)
        };
        let (rows, columns) = (range(pose.centre.0, h), range(pose.centre.1, w));
        let part = |map: &Array2<f32>| map.slice(s![rows.clone(), columns.clone()]).to_owned();
        if let Some(fresh) = canvas.fresh.as_ref().filter(|_| rng.gen_bool(augment.fresh)) {
            let corner = (rows.start, columns.start);
            let (what, like) =
                ((&augment.planting, canvas.targets.len()), (canvas.deviation, canvas.backdrop.as_ref()));
            let Made { image, backdrop, targets, weight } =
                fresh.piece((rows, columns), what, like, From::Anywhere, rng);
            return Piece { image, backdrop, targets, weight, corner, whole: (h, w) };
        }
        let mut piece = Piece {
            image: part(&canvas.image),
            backdrop: canvas.backdrop.as_ref().map(|b| b.mapped(part)),
            targets: canvas.targets.iter().map(part).collect(),
            weight: part(&canvas.weight),
            corner: (rows.start, columns.start),
            whole: (h, w),
        };
        if let Some(soil) = &canvas.soil {
            let Piece { image, targets, weight, corner, .. } = &mut piece;
            soil.plant(&augment.planting, &mut Bed { image, targets, weight, corner: *corner }, rng);
        }
        piece.image = (piece.image - part(&canvas.background)) / canvas.deviation;
        piece
    }

    /// A place of the whole, mirrored at its borders, in the piece.
    fn inside(&self, y: i64, x: i64) -> (usize, usize) {
        let on = |i: i64, whole: usize, corner: usize, n: usize| mirror(i, whole).saturating_sub(corner).min(n - 1);
        let (h, w) = self.image.dim();
        (on(y, self.whole.0, self.corner.0, h), on(x, self.whole.1, self.corner.1, w))
    }

    /// The crop of a map, between pixels linearly.
    fn sampled(&self, map: &Array2<f32>, pose: &Pose, size: usize) -> Array2<f32> {
        Array2::from_shape_fn((size, size), |(y, x)| {
            let at = pose.place(y, x);
            let (y0, x0) = (at.0.floor(), at.1.floor());
            let (fy, fx) = (at.0 - y0, at.1 - x0);
            let pixel = |dy: i64, dx: i64| map[self.inside(y0 as i64 + dy, x0 as i64 + dx)];
            if fy == 0.0 && fx == 0.0 {
                pixel(0, 0)
            } else {
                (pixel(0, 0) * (1.0 - fx) + pixel(0, 1) * fx) * (1.0 - fy)
                    + (pixel(1, 0) * (1.0 - fx) + pixel(1, 1) * fx) * fy
            }
        })
    }

    /// Targets and weight of the middle of the crop, of the nearest pixel.
    fn mark(&self, pose: &Pose, around: usize, mut target: ArrayViewMut3<f32>, mut weight: ArrayViewMut2<f32>) {
        for ((y, x), value) in weight.indexed_iter_mut() {
            let at = pose.place(y + around, x + around);
            let nearest = self.inside(at.0.round() as i64, at.1.round() as i64);
            for (c, map) in self.targets.iter().enumerate() {
                target[[c, y, x]] = map[nearest];
            }
            *value = self.weight[nearest];
        }
    }
}

impl Augment {
    /// Makes a batch of crops from any of the canvases, of which there is at least one; crop `i` of step `step` depends on
    /// the seed and those two alone.
    pub(in super::super) fn batch(&self, canvases: &[Canvas], crops: usize, step: u64, seed: u64) -> Batch {
        let n = self.crop_px;
        let like = &canvases[0];
        let mut batch = Batch {
            image: Array4::zeros((crops, like.planes(), n, n)),
            target: Array4::zeros((crops, like.targets.len(), n, n)),
            weight: Array4::zeros((crops, 1, n, n)),
        };
        batch
            .image
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(batch.target.axis_iter_mut(Axis(0)))
            .zip(batch.weight.axis_iter_mut(Axis(0)))
            .enumerate()
            .for_each(|(i, ((mut planes, target), mut weight))| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(step * crops as u64 + i as u64 + 1);
                let canvas = if canvases.len() > 1 { &canvases[rng.gen_range(0..canvases.len())] } else { like };
                // What is left without the lattice depends on what lies around a crop.
                let around = if canvas.backdrop.is_some() { reach_px(canvas.period) } else { 0 };
                let straight = rng.gen_bool(self.straight);
                let pose = self.pose(canvas, n + 2 * around, straight, &mut rng);
                let piece = Piece::of(canvas, &pose, self, &mut rng);
                piece.mark(&pose, around, target, weight.index_axis_mut(Axis(0), 0));
                let wide = |map: &Array2<f32>| piece.sampled(map, &pose, n + 2 * around);
                let mut image = wide(&piece.image);
                let mut backdrop = piece.backdrop.as_ref().map(|b| b.mapped(wide));
                if !straight {
                    self.intensities(&mut image, backdrop.as_mut(), &mut rng);
                }
                let middle = s![around..around + n, around..around + n];
                if let Some(backdrop) = backdrop {
                    let mut rest = backdrop.remainder(&image, canvas.period);
                    if !straight {
                        // The noise of frames is measured, whatever it is.
                        let (_, deviation) = robust(&mut rest.iter().copied().collect::<Vec<_>>());
                        rest /= deviation.max(f32::MIN_POSITIVE);
                    }
                    planes.index_axis_mut(Axis(0), 1).assign(&rest.slice(middle));
                }
                self.contrast(&mut image, &mut rng);
                planes.index_axis_mut(Axis(0), 0).assign(&image.slice(middle));
            });
        batch
    }

    fn pose(&self, canvas: &Canvas, size: usize, straight: bool, rng: &mut ChaCha8Rng) -> Pose {
        let (h, w) = canvas.image.dim();
        let jitter = self.crop_px as f32 / 3.0;
        let centre = if !canvas.labels.is_empty() && rng.gen_bool(self.near_labels) {
            let (y, x) = canvas.labels[rng.gen_range(0..canvas.labels.len())];
            (y + rng.gen_range(-jitter..jitter), x + rng.gen_range(-jitter..jitter))
        } else {
            (rng.gen_range(0.0..h as f32), rng.gen_range(0.0..w as f32))
        };
        // As far as it can a crop lies in the frame: lattices that are mirrored at a border are not found in frames.
        let on = |c: f32, n: usize| {
            let margin = (self.crop_px.min(n) / 2) as f32;
            c.clamp(margin, (n as f32 - margin).max(margin))
        };
        let centre = (on(centre.0, h), on(centre.1, w));
        if straight {
            Pose::straight(centre, size, self.symmetries, rng)
        } else {
            Pose::free(centre, size, &self.freedom(), rng)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::PeriodicityBreak;
    use crate::detect::plant::Planting;
    use crate::simulate::Ws2;

    fn canvas() -> [Canvas; 1] {
        let target =
            Array2::from_shape_fn((80, 90), |(y, x)| if y.abs_diff(40) < 3 && x.abs_diff(45) < 3 { 1.0 } else { 0.0 });
        let image = Array2::from_shape_fn((80, 90), |(y, x)| ((y / 3 + x / 4) % 5) as f32 - 2.0) + &target * 9.0;
        [Canvas::new(image, 10.0, vec![target], Array2::ones((80, 90)), vec![(40.0, 45.0)], None)]
    }

    /// The target moves with the image: the label's pixels stay the brightest under every pose.
    #[test]
    fn target_follows_image() {
        let canvas = canvas();
        let quiet = |straight: f64| {
            let still = Augment::default().with_near_labels(1.0).with_crop_px(48).with_noise(0.0).with_blur_px(0.0);
            still.with_counts(1e4).with_straight(straight)
        };
        for augment in [quiet(0.0), quiet(1.0)] {
            let batch = augment.batch(&canvas, 32, 0, 9);
            for (image, target) in batch.image.outer_iter().zip(batch.target.outer_iter()) {
                let pairs = || image.index_axis(Axis(0), 0).into_iter().zip(&target);
                let inside: Vec<f32> = pairs().filter(|(_, t)| **t > 0.5).map(|(i, _)| *i).collect();
                let outside = pairs().filter(|(_, t)| **t < 0.5).map(|(i, _)| *i).collect();
                assert!(!inside.is_empty());
                let mean = |v: Vec<f32>| v.iter().sum::<f32>() / v.len() as f32;
                assert!(mean(inside) > mean(outside) + 2.0);
            }
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

    /// Crops come from every canvas: a dark one and a bright one give about as many each (of 64, four standard deviations are 16).
    #[test]
    fn crops_come_from_every_canvas() {
        let flat = |level: f32| {
            let [one] = canvas();
            let (image, background) = (Array2::from_elem((80, 90), level), Array2::zeros((80, 90)));
            Canvas { image, background, deviation: 1.0, ..one }
        };
        let plain = Augment::default().with_straight(1.0).with_contrast(0.0).with_shift(0.0).with_crop_px(16);
        let batch = plain.batch(&[flat(-1.0), flat(1.0)], 64, 0, 1);
        let bright = batch.image.outer_iter().filter(|crop| crop.sum() > 0.0).count();
        assert!((16..=48).contains(&bright), "{bright}");
    }

    /// A straight crop holds the frame's own pixels, normalised; its mean square is theirs.
    #[test]
    fn a_straight_crop_is_the_frame() {
        let canvas = canvas();
        let plain = Augment::default().with_straight(1.0).with_contrast(0.0).with_shift(0.0).with_crop_px(16);
        let batch = plain.batch(&canvas, 8, 0, 1);
        let [canvas] = &canvas;
        let all: Vec<f32> = ((&canvas.image - &canvas.background) / canvas.deviation).iter().copied().collect();
        assert!(batch.image.iter().all(|v| all.iter().any(|a| (a - v).abs() < 1e-6)));
    }

    /// Planted places are in the targets by their sign, are darker or brighter than their like, and without planting
    /// nothing is there. 1.5 is a third of the smallest change at this dose, in the frame's standard deviations.
    #[test]
    fn what_is_planted_is_seen_and_marked() {
        let pure = Ws2::default().with_mo_fraction(0.0).with_vacancy_fraction(0.0).with_dose(200.0).with_size_px(192);
        let frame = pure.simulate(5).unwrap().movie.frame(0).unwrap();
        let mut labels = PeriodicityBreak::default().label(&frame).unwrap();
        labels.regions.clear();
        let canvas = [Canvas::of(&labels, 2)];
        let soil = canvas[0].soil.as_ref().unwrap();
        assert!(soil.noise.whole && soil.noise.gain == 1.0, "{:?}", soil.noise);
        let dark_only =
            Planting::default().without(|p| p.to > 1.0 || p.on != crate::detect::On::Bright).with_rate(0.02);
        let straight = Augment::default().with_straight(1.0).with_contrast(0.0).with_shift(0.0).with_near_labels(0.0);
        let crops = |planting: Planting| straight.clone().with_planting(planting).batch(&canvas, 16, 0, 3);
        let (with, without) = (crops(dark_only), crops(Planting::none()));
        assert_eq!(without.target.sum(), 0.0);
        let (dark, bright) = (with.target.index_axis(Axis(1), 0), with.target.index_axis(Axis(1), 1));
        assert!(dark.sum() > 100.0 && bright.sum() == 0.0, "{} {}", dark.sum(), bright.sum());
        // The same crops, since the poses are drawn first.
        let change = (&with.image - &without.image).index_axis_move(Axis(1), 0);
        let mean_inside = (&change * &dark).sum() / dark.sum();
        let outside = (&change * &dark.mapv(|d| 1.0 - d)).sum() / (dark.len() as f32 - dark.sum());
        assert!(mean_inside < -0.5 && outside.abs() < 0.1, "{mean_inside} {outside}");
    }
}
