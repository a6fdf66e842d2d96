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
/// How often noise from anywhere has the other sign. Single vacancies of clean movies were found with F1 0.50 at 0, 0.53 at 0.5,
/// 0.57 at 0.9.
const MIRRORED: f64 = 0.9;

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
    /// Lattice vectors in pixels, `[y, x]`, where a lattice is known.
    basis: Option<[[f64; 2]; 2]>,
    /// What the scan did to the rows.
    rows: Vec<Row>,
    soil: Soil,
}

/// Where a place's new noise comes from.
#[derive(Clone, Copy, PartialEq)]
pub(in super::super) enum From {
    /// Anywhere, most of the time with the other sign: no place's noise is ever seen twice alike, and faint defects that no label
    /// shows do not teach a network that what looks like them is noise.
    Anywhere,
    /// The same place of other cells, whose noise is of the same kind: what the scan does to a bright column's flank stays
    /// there.
    LikePlaces,
    /// The same with the other sign: defects that no label shows are as dark as they were bright, and the reverse.
    LikePlacesMirrored,
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
    pub(super) fn of(canvas: &Canvas, bands: Option<&Bands>, basis: Option<[[f64; 2]; 2]>) -> Option<Fresh> {
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
            basis,
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

    /// Lattice vectors in pixels, `[y, x]`, where a lattice is known.
    pub(in super::super) fn basis(&self) -> Option<[[f64; 2]; 2]> {
        self.basis
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
        from: From,
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
        let shift = match (from, self.basis) {
            (From::LikePlaces | From::LikePlacesMirrored, Some(basis)) => self.shift_by_cells(basis, rng),
            _ => (rng.gen_range(0..self.residual.nrows()) as i64, rng.gen_range(0..self.residual.ncols()) as i64),
        };
        let mirrored = match from {
            From::Anywhere => rng.gen_bool(MIRRORED),
            From::LikePlaces => false,
            From::LikePlacesMirrored => true,
        };
        let sign = if mirrored { -1.0 } else { 1.0 };
        self.add_noise(image.view_mut(), (rows.start, columns.start), shift, sign);
        image = (image - part(&self.background)) / deviation;
        let backdrop = backdrop.zip(lattice).map(|(b, lattice)| Backdrop { lattice, noise: part(&b.noise) });
        Made { image, backdrop, targets, weight }
    }

    /// The frame's own noise from elsewhere, as strong as it is here. Where that would lie outside the frame it comes from the
    /// other side, and at last from where it is.
    fn add_noise(&self, mut image: ArrayViewMut2<f32>, corner: (usize, usize), (dy, dx): (i64, i64), sign: f32) {
        let (h, w) = (self.residual.nrows() as i64, self.residual.ncols() as i64);
        for ((y, x), v) in image.indexed_iter_mut() {
            let (y, x) = ((y + corner.0) as i64, (x + corner.1) as i64);
            let inside = |(y, x): &(i64, i64)| (0..h).contains(y) && (0..w).contains(x);
            let places = [(y + dy, x + dx), (y - dy, x - dx)];
            let (y, x) = places.into_iter().find(inside).unwrap_or((y.rem_euclid(h), x.rem_euclid(w)));
            *v += sign * self.deviation(*v) * self.residual[[y as usize, x as usize]];
        }
    }

    /// A shift by whole cells of the lattice, no farther than half the frame.
    fn shift_by_cells(&self, [a, b]: [[f64; 2]; 2], rng: &mut ChaCha8Rng) -> (i64, i64) {
        const TRIES: usize = 100;
        let (h, w) = (self.residual.nrows() as f64, self.residual.ncols() as f64);
        let most = (h.max(w) / a[0].hypot(a[1]).min(b[0].hypot(b[1])).max(1.0)) as i64;
        let one = |_| {
            let (n, m) = (rng.gen_range(-most..=most) as f64, rng.gen_range(-most..=most) as f64);
            (n * a[0] + m * b[0], n * a[1] + m * b[1])
        };
        let fits = |(y, x): &(f64, f64)| y.abs() < 0.5 * h && x.abs() < 0.5 * w && y.hypot(*x) > 1.0;
        let (y, x) = (0..TRIES).map(one).find(fits).unwrap_or_default();
        (y.round() as i64, x.round() as i64)
    }
}
