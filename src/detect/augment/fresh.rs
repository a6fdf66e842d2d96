//! Crops whose noise is drawn anew: a network that sees the same noise again and again learns it by heart, and with it
//! which faint places are defects and which are not.

use super::super::backdrop::Backdrop;
use super::super::bands::Bands;
use super::super::gain::Gain;
use super::super::periodicity::disc;
use super::super::plant::{Bed, Planting, Soil};
use super::super::rows::{Row, Rows};
use super::super::training::levels;
use super::canvas::Canvas;
use ndarray::{Array2, ArrayViewMut2, s};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::ops::Range;

/// Radius of what a defect changes of a frame, in periods.
const LABEL_PERIODS: f64 = 0.5;

/// The labelled frame without defects, and what noise it has.
#[derive(Clone, Debug)]
pub(in super::super) struct Fresh {
    /// What each pixel would be without defects, noise, and what the scan did to its row; in the frame's units.
    clean: Array2<f32>,
    background: Array2<f32>,
    /// What a search would take for the lattice, its rows being straight; background taken out and scaled as frames are.
    lattice: Array2<f32>,
    /// The frame less what it should be, in standard deviations of the noise; 0 at labels.
    residual: Array2<f32>,
    noise: Gain,
    /// Standard deviation where noise does not grow with the level.
    least: f32,
    /// What the scan did to the rows.
    rows: Vec<Row>,
    soil: Soil,
}

/// What is made of a part of it, before noise and plants are normalised.
pub(in super::super) struct Made {
    pub image: Array2<f32>,
    pub backdrop: Option<Backdrop>,
    pub targets: Vec<Array2<f32>>,
    pub weight: Array2<f32>,
}

impl Fresh {
    /// None where so little of the frame is free of labels that its noise cannot be told.
    pub(super) fn of(canvas: &Canvas, bands: Option<&Bands>) -> Option<Fresh> {
        let (image, soil, period) = (&canvas.image, canvas.soil.as_ref()?, canvas.period);
        let clean = soil.expected.clone();
        // Only what is surely no noise is left out: without its strongest places noise would seem weaker than it is.
        let mut weight = Array2::ones(image.dim());
        for &(y, x) in &canvas.labels {
            disc(&mut weight, y, x, (LABEL_PERIODS * period) as f32, |w| *w = 0.0);
        }
        let mut rows = Rows::alike(image.nrows());
        rows.fit(image, &clean, &weight, (0.25 * period) as f32);
        let mut residual = (image - &rows.seen(&clean)) * &weight;
        let trusted = weight.sum();
        if trusted < 0.5 * weight.len() as f32 {
            return None;
        }
        let least = (residual.iter().map(|r| r * r).sum::<f32>() / trusted).sqrt().max(f32::MIN_POSITIVE);
        let fresh = Fresh {
            noise: soil.noise,
            least,
            rows: rows.each(),
            // Columns are edited before noise is drawn.
            soil: Soil { noise: Gain { gain: 0.0, ..soil.noise }, ..soil.clone() },
            background: levels(&clean, period).0,
            lattice: Array2::zeros((0, 0)),
            residual: Array2::zeros((0, 0)),
            clean,
        };
        residual.zip_mut_with(&fresh.clean, |r, &level| *r /= fresh.deviation(level));
        let flat = (&fresh.clean - &fresh.background) / canvas.deviation;
        let lattice = bands.map_or_else(|| Array2::zeros(flat.dim()), |bands| bands.lattice(&flat));
        Some(Fresh { lattice, residual, ..fresh })
    }

    /// Of some rows of the frame; noise still comes from all of it.
    pub(super) fn rows(&self, rows: Range<usize>) -> Fresh {
        let part = |map: &Array2<f32>| map.slice(s![rows.clone(), ..]).to_owned();
        Fresh {
            clean: part(&self.clean),
            background: part(&self.background),
            lattice: part(&self.lattice),
            soil: self.soil.rows(rows.clone()),
            ..self.clone()
        }
    }

    /// Sites that can be edited.
    pub(in super::super) fn sites(&self) -> usize {
        self.soil.sites.len()
    }

    /// Height and width.
    pub(in super::super) fn size(&self) -> (usize, usize) {
        self.clean.dim()
    }

    /// Standard deviation of the noise of a pixel.
    fn deviation(&self, level: f32) -> f32 {
        let variance = self.noise.gain * (level - self.noise.offset);
        if variance > 0.0 {
            variance.sqrt()
        } else if self.noise.gain > 0.0 {
            0.1 * self.least
        } else {
            self.least
        }
    }

    /// A part of the frame with plants and new noise, normalised as frames are.
    pub(in super::super) fn piece(
        &self,
        (rows, columns): (Range<usize>, Range<usize>),
        (planting, channels): (&Planting, usize),
        (deviation, backdrop): (f32, Option<&Backdrop>),
        rng: &mut ChaCha8Rng,
    ) -> Made {
        let part = |map: &Array2<f32>| map.slice(s![rows.clone(), columns.clone()]).to_owned();
        let mut image = part(&self.clean);
        let mut targets = vec![Array2::zeros(image.dim()); channels];
        let mut weight = Array2::ones(image.dim());
        let bed = &mut Bed {
            image: &mut image,
            targets: &mut targets,
            weight: &mut weight,
            corner: (rows.start, columns.start),
        };
        self.soil.plant(planting, bed, rng);
        let mut lattice = backdrop.map(|_| part(&self.lattice));
        for y in 0..image.nrows() {
            let row = self.rows[rng.gen_range(0..self.rows.len())];
            row.show(image.row_mut(y));
            if let Some(lattice) = &mut lattice {
                row.without_level().show(lattice.row_mut(y));
            }
        }
        self.add_noise(image.view_mut(), rng);
        image = (image - part(&self.background)) / deviation;
        let backdrop = backdrop.zip(lattice).map(|(b, lattice)| Backdrop { lattice, noise: part(&b.noise) });
        Made { image, backdrop, targets, weight }
    }

    /// The frame's own noise from elsewhere, as strong as it is here.
    fn add_noise(&self, mut image: ArrayViewMut2<f32>, rng: &mut ChaCha8Rng) {
        let (h, w) = self.residual.dim();
        let (dy, dx) = (rng.gen_range(0..h), rng.gen_range(0..w));
        for ((y, x), v) in image.indexed_iter_mut() {
            *v += self.deviation(*v) * self.residual[[(y + dy) % h, (x + dx) % w]];
        }
    }
}
