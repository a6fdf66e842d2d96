//! What is left of a frame at a place when its lattice is taken out: each pixel less the same pixel of the cells around.
//!
//! That takes no transform of the frame, so that it costs next to nothing, and as a median it does not mind defects in
//! the other cells.

use super::super::augment::bilinear;
use super::super::filter::median;
use super::super::lattice::Lattice;
use super::fit::{Fitted, fit};
use crate::error::Result;
use crate::movie::Frame;
use ndarray::Array2;

/// Standard deviation of a column, in periods: that of the labels' matched filter.
const COLUMN_PERIODS: f64 = 0.14;
/// Half the side of the window for a fit, in periods: it ends before the next site does.
const WINDOW_PERIODS: f64 = 0.45;
/// Cells around, in each direction.
const CELLS: i32 = 2;
/// Fewer neighbours say nothing about the lattice.
const LEAST: usize = 4;

/// A frame, its period, and its lattice vectors where they are known.
pub(super) struct Remainder<'a> {
    pub image: &'a Array2<f32>,
    pub period: f64,
    pub basis: Option<[[f64; 2]; 2]>,
}

/// Whether each of some places `(y, x)`, in pixels, is too bright or too dark for its lattice: the column-shaped filter's
/// answer there against that at the same place of the cells around. For detections that come from elsewhere.
///
/// # Errors
/// If the frame holds NaN, is constant, or shows no lattice.
pub fn too_bright(frame: &Frame, places: &[(f32, f32)]) -> Result<Vec<bool>> {
    frame.usable()?;
    let lattice = Lattice::find(&frame.data)?;
    let remainder = Remainder { image: &frame.data, period: lattice.period_px, basis: Some(lattice.basis_px) };
    Ok(places.iter().map(|&place| remainder.at(place) > 0.0).collect())
}

impl Remainder<'_> {
    /// What a filter of a column's shape makes of a place, less what it makes of the same place in the cells around;
    /// where no lattice is known, less the mean of what lies around. Positive is too bright.
    pub fn at(&self, place: (f32, f32)) -> f32 {
        let column = (COLUMN_PERIODS * self.period).max(0.5) as f32;
        let mut others: Vec<f32> = self.neighbours(place).map(|at| self.mean(at, column)).collect();
        let usual = if others.len() < LEAST { self.mean(place, self.period as f32) } else { median(&mut others) };
        self.mean(place, column) - usual
    }

    /// The centre of a defect, by a Gaussian fitted to the remainder, if it is one.
    pub fn centre(&self, (y, x): (f32, f32)) -> Option<Fitted> {
        let reach = (WINDOW_PERIODS * self.period).ceil() as i32;
        let corner = (y.round() - reach as f32, x.round() - reach as f32);
        let n = 2 * reach as usize + 1;
        let (h, w) = (self.image.nrows() as f32, self.image.ncols() as f32);
        let outside = corner.0 < 0.0 || corner.1 < 0.0 || corner.0 + n as f32 > h || corner.1 + n as f32 > w;
        let cells: Vec<(f32, f32)> = self.shifts().collect();
        if outside || cells.len() < LEAST {
            return None;
        }
        let window = Array2::from_shape_fn((n, n), |(i, j)| {
            let at = (corner.0 + i as f32, corner.1 + j as f32);
            let mut others: Vec<f32> = cells
                .iter()
                .map(|s| (at.0 + s.0, at.1 + s.1))
                .filter(|p| self.inside(*p))
                .map(|p| bilinear(self.image, p))
                .collect();
            f64::from(self.image[[at.0 as usize, at.1 as usize]] - median(&mut others))
        });
        let column = COLUMN_PERIODS * self.period;
        let middle = (f64::from(y - corner.0), f64::from(x - corner.1));
        let height = window[[middle.0.round() as usize, middle.1.round() as usize]];
        let fitted = fit(&window, [0.0, height, middle.0, middle.1, column])?;
        let moved = (fitted.y - middle.0).hypot(fitted.x - middle.1);
        let believed = moved < 0.3 * self.period && fitted.error < 0.15 * self.period && fitted.height * height > 0.0;
        let (y, x) = (fitted.y + f64::from(corner.0), fitted.x + f64::from(corner.1));
        believed.then_some(Fitted { y, x, ..fitted })
    }

    /// To the same place in the cells around.
    fn shifts(&self) -> impl Iterator<Item = (f32, f32)> {
        self.basis.into_iter().flat_map(|basis| {
            let all = (-CELLS..=CELLS).flat_map(|u| (-CELLS..=CELLS).map(move |v| (u, v))).filter(|n| *n != (0, 0));
            all.map(move |(u, v)| {
                let along = |i: usize| f64::from(u) * basis[0][i] + f64::from(v) * basis[1][i];
                (along(0) as f32, along(1) as f32)
            })
        })
    }

    fn neighbours(&self, (y, x): (f32, f32)) -> impl Iterator<Item = (f32, f32)> {
        self.shifts().map(move |s| (y + s.0, x + s.1)).filter(|p| self.inside(*p))
    }

    fn inside(&self, (y, x): (f32, f32)) -> bool {
        y >= 0.0 && x >= 0.0 && y <= self.image.nrows() as f32 - 1.0 && x <= self.image.ncols() as f32 - 1.0
    }

    /// Mean under a Gaussian, to two and a half standard deviations.
    fn mean(&self, (cy, cx): (f32, f32), sigma: f32) -> f32 {
        let reach = 2.5 * sigma;
        let range = |c: f32, n: usize| (c - reach).ceil().max(0.0) as usize..((c + reach) as usize + 1).min(n);
        let (mut sum, mut norm) = (0.0, 0.0);
        for y in range(cy, self.image.nrows()) {
            for x in range(cx, self.image.ncols()) {
                let weight = (-((y as f32 - cy).powi(2) + (x as f32 - cx).powi(2)) / (2.0 * sigma * sigma)).exp();
                sum += weight * self.image[[y, x]];
                norm += weight;
            }
        }
        if norm > 0.0 { sum / norm } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASIS: [[f64; 2]; 2] = [[0.0, 10.0], [8.66, 5.0]];

    /// A honeycomb of bright and faint columns, with one faint column missing, one bright one half as high, and an atom in
    /// a hollow.
    fn image() -> Array2<f32> {
        let mut columns = vec![];
        for u in -12..20 {
            for v in -2..14 {
                let y = f64::from(u) * BASIS[0][0] + f64::from(v) * BASIS[1][0] + 3.0;
                let x = f64::from(u) * BASIS[0][1] + f64::from(v) * BASIS[1][1] + 2.0;
                columns.push((y, x, if (u, v) == (2, 5) { 0.5 } else { 1.0 }));
                columns.push((y + 5.77, x, if (u, v) == (0, 6) { 0.0 } else { 0.3 }));
            }
        }
        columns.push((3.0 + 8.66 * 3.0 - 5.77, 2.0 + 15.0 + 30.0, 0.4));
        Array2::from_shape_fn((100, 100), |(y, x)| {
            let of = |c: &(f64, f64, f64)| {
                c.2 * (-((y as f64 - c.0).powi(2) + (x as f64 - c.1).powi(2)) / (2.0 * 1.4 * 1.4)).exp()
            };
            columns.iter().map(of).sum::<f64>() as f32
        })
    }

    #[test]
    fn signs_are_those_of_what_was_changed() {
        let image = image();
        let remainder = Remainder { image: &image, period: 10.0, basis: Some(BASIS) };
        let half = (3.0 + 5.0 * 8.66, 2.0 + 20.0 + 25.0);
        let missing = (3.0 + 6.0 * 8.66 + 5.77, 2.0 + 30.0);
        let added = (3.0 + 3.0 * 8.66 - 5.77, 2.0 + 45.0);
        assert!(remainder.at(half) < -0.2, "a bright column that is half as high is too dark, though it is bright");
        assert!(remainder.at(missing) < -0.1 && remainder.at(added) > 0.1);
        assert!(remainder.at((3.0 + 4.0 * 8.66, 2.0 + 20.0)).abs() < 0.02);
        let blind = Remainder { basis: None, ..remainder };
        assert!(blind.at(missing) < 0.0);
    }

    /// From a start a pixel away, to a tenth of a pixel: between pixels the other cells are read linearly, which blurs them.
    #[test]
    fn centres_are_those_of_what_was_changed() {
        let image = image();
        let remainder = Remainder { image: &image, period: 10.0, basis: Some(BASIS) };
        for (y, x) in [(3.0 + 5.0 * 8.66, 2.0 + 20.0 + 25.0), (3.0 + 6.0 * 8.66 + 5.77, 2.0 + 30.0)] {
            let fitted = remainder.centre((y as f32 + 0.8, x as f32 - 0.6)).unwrap();
            assert!((fitted.y - y).hypot(fitted.x - x) < 0.1, "{fitted:?}, not {y}, {x}");
        }
        assert!(remainder.centre((1.0, 50.0)).is_none(), "the window leaves the frame");
    }
}
