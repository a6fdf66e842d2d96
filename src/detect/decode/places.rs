//! The places of a lattice that defects stand at, where a frame shows its lattice.

use super::super::filter::vertex;
use ndarray::{Array2, ArrayView2};

/// The columns around which a maximum of the lattice is the highest, in periods.
const MAXIMUM_PERIODS: f64 = 0.45;
/// Sites this far outside of a region count for it as well, in periods.
const MARGIN_PERIODS: f64 = 1.3;
/// Nearer places are the same, in periods.
const SAME_PERIODS: f64 = 0.3;

/// A frame's lattice, and what leads from one place of its cell to the others.
pub(super) struct Places<'a> {
    lattice: ArrayView2<'a, f32>,
    /// From the brightest column to the cell's other places of threefold symmetry, in pixels `[y, x]`.
    others: [[f64; 2]; 2],
    period: f64,
}

impl<'a> Places<'a> {
    /// None of a lattice that is not hexagonal: places of high symmetry are then not known from the basis alone.
    pub(super) fn of(lattice: ArrayView2<'a, f32>, [a, b]: [[f64; 2]; 2]) -> Option<Places<'a>> {
        let length = |v: [f64; 2]| v[0].hypot(v[1]);
        let cosine = (a[0] * b[0] + a[1] * b[1]) / (length(a) * length(b));
        let alike = (length(a) / length(b) - 1.0).abs() < 0.15;
        if !alike || (cosine.abs() - 0.5).abs() > 0.15 {
            return None;
        }
        let sum = |n: f64, m: f64| [n * a[0] + m * b[0], n * a[1] + m * b[1]];
        let third = 1.0 / 3.0;
        let others = if cosine > 0.0 {
            [sum(third, third), sum(2.0 * third, 2.0 * third)]
        } else {
            [sum(2.0 * third, third), sum(third, 2.0 * third)]
        };
        Some(Places { lattice, others, period: 0.5 * (length(a) + length(b)) })
    }

    /// Columns and hollows in and around a rectangle of pixels: from `low` to `high`, both `(y, x)`.
    pub(super) fn near(&self, low: (usize, usize), high: (usize, usize)) -> Vec<(f32, f32)> {
        let margin = (MARGIN_PERIODS * self.period).ceil() as usize;
        let (h, w) = self.lattice.dim();
        let (rows, columns) = (
            low.0.saturating_sub(margin).max(1)..(high.0 + margin + 1).min(h.saturating_sub(1)),
            low.1.saturating_sub(margin).max(1)..(high.1 + margin + 1).min(w.saturating_sub(1)),
        );
        let mut places: Vec<(f32, f32)> = vec![];
        let same = (SAME_PERIODS * self.period) as f32;
        let maxima = rows.flat_map(|y| columns.clone().map(move |x| (y, x))).filter(|&at| self.is_maximum(at));
        for (y, x) in maxima {
            let (y, x) = self.between_pixels(y, x);
            for [dy, dx] in [[0.0, 0.0], self.others[0], self.others[1]] {
                let at = (y + dy as f32, x + dx as f32);
                if !places.iter().any(|p| (p.0 - at.0).hypot(p.1 - at.1) < same) {
                    places.push(at);
                }
            }
        }
        places
    }

    fn is_maximum(&self, (y, x): (usize, usize)) -> bool {
        let here = self.lattice[[y, x]];
        let (h, w) = self.lattice.dim();
        let r = (MAXIMUM_PERIODS * self.period) as isize;
        let higher = |dy: isize, dx: isize| {
            let (y, x) = (y as isize + dy, x as isize + dx);
            let inside = y >= 0 && x >= 0 && (y as usize) < h && (x as usize) < w;
            // Of two pixels alike the first is the maximum.
            inside && {
                let there = self.lattice[[y as usize, x as usize]];
                there > here || (there == here && (dy, dx) < (0, 0))
            }
        };
        here > 0.0 && !(-r..=r).any(|dy| (-r..=r).any(|dx| dy * dy + dx * dx <= r * r && higher(dy, dx)))
    }

    /// A maximum between pixels: the vertex of a parabola along each axis.
    fn between_pixels(&self, y: usize, x: usize) -> (f32, f32) {
        let at = |y: usize, x: usize| self.lattice[[y, x]];
        let dy = vertex(at(y - 1, x), at(y, x), at(y + 1, x));
        let dx = vertex(at(y, x - 1), at(y, x), at(y, x + 1));
        (y as f32 + dy, x as f32 + dx)
    }
}

/// What tells touching defects apart.
pub(super) struct Front<'a> {
    /// How much each place stands out, larger for what is searched: dark, bright or, where there is one channel, either.
    pub rest: Array2<f32>,
    /// The same, positive where it is bright.
    pub signed: &'a Array2<f32>,
    /// The lattice, where one is known.
    pub places: Option<Places<'a>>,
}

impl<'a> Front<'a> {
    /// For a channel of so many.
    pub(super) fn of(
        signed: &'a Array2<f32>,
        (channel, channels): (usize, usize),
        places: Option<Places<'a>>,
    ) -> Front<'a> {
        let rest = match (channels, channel) {
            (1, _) => signed.mapv(f32::abs),
            (_, 0) => signed.mapv(|r| -r),
            _ => signed.clone(),
        };
        Front { rest, signed, places }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A honeycomb of bright and faint columns, turned: every column and every hollow is among the places, whichever pair of
    /// lattice vectors is given, and nothing else is.
    #[test]
    fn columns_and_hollows_are_found() {
        let period = 10.0_f64;
        for (turn, between) in [(0.2_f64, 60.0_f64), (0.9, 120.0), (1.7, 60.0)] {
            let vector = |angle: f64| [period * angle.sin(), period * angle.cos()];
            let (a, b) = (vector(turn), vector(turn + between.to_radians()));
            let places_of = |shift: f64| {
                let c = vector(turn + 30_f64.to_radians());
                let s = shift / 3.0_f64.sqrt();
                (-12..12).flat_map(move |n| {
                    (-12..12).map(move |m| {
                        let (n, m) = (f64::from(n), f64::from(m));
                        (32.0 + n * a[0] + m * b[0] + s * c[0], 32.0 + n * a[1] + m * b[1] + s * c[1])
                    })
                })
            };
            let lattice = Array2::from_shape_fn((64, 64), |(y, x)| {
                let of = |shift: f64, height: f64| -> f64 {
                    let r2 = |p: (f64, f64)| (p.0 - y as f64).powi(2) + (p.1 - x as f64).powi(2);
                    places_of(shift).map(|p| height * (-r2(p) / 8.0).exp()).sum()
                };
                (of(0.0, 10.0) + of(1.0, 1.5)) as f32
            });
            let places = Places::of(lattice.view(), [a, b]).unwrap();
            let found = places.near((25, 25), (38, 38));
            let inside = |p: &(f64, f64)| (25.0..39.0).contains(&p.0) && (25.0..39.0).contains(&p.1);
            for shift in [0.0, 1.0, 2.0] {
                for p in places_of(shift).filter(inside) {
                    let near = found.iter().map(|f| (f64::from(f.0) - p.0).hypot(f64::from(f.1) - p.1));
                    assert!(near.fold(f64::MAX, f64::min) < 0.5, "{p:?} of {shift} is none of {found:?}");
                }
            }
            let expected = [0.0, 1.0, 2.0].iter().map(|s| places_of(*s).filter(inside).count()).sum::<usize>();
            let seen = found.iter().filter(|f| inside(&(f64::from(f.0), f64::from(f.1)))).count();
            assert!(seen.abs_diff(expected) <= 2, "{seen} {expected}");
        }
        let square = [[10.0, 0.0], [0.0, 10.0]];
        assert!(Places::of(Array2::zeros((9, 9)).view(), square).is_none());
    }
}
