//! The map of patches: each drawn at its place where there is room, else as a dot.

use super::classes::class_colour;
use super::colours::ColourMap;
use super::kinds::show;
use super::tiles::{Mark, Tile, Tiles, contrast};
use super::{Figure, Rgb};
use crate::classify::Embedded;
use ndarray::Array2;

/// Side of the map and of a patch on it, in its pixels.
const SIDE: usize = 640;
const PATCH: usize = 34;
/// Of defects that were not sorted.
const PLAIN: Rgb = (90, 90, 90);

impl Embedded {
    /// The patches at their places. The frame of a patch and the dots have the colour of the class, where the defects have been
    /// sorted. Axes have no unit.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let mut lows = [f64::MAX; 2];
        let mut highs = [f64::MIN; 2];
        for place in self.places.rows() {
            for k in 0..2 {
                (lows[k], highs[k]) = (lows[k].min(place[k]), highs[k].max(place[k]));
            }
        }
        let span = (highs[0] - lows[0]).max(highs[1] - lows[1]).max(1e-9);
        let room = (SIDE - PATCH - 8) as f64;
        let sides = [0, 1].map(|k| ((highs[k] - lows[k]) / span * room) as usize + PATCH + 8);
        let at = |i: usize, k: usize| {
            let middle = 0.5 * (lows[k] + highs[k]);
            sides[k] as f64 / 2.0 + (self.places[[i, k]] - middle) / span * room
        };
        let class = self.defects.table().column("class").and_then(|c| c.u32().cloned()).ok();
        let colour = |i: usize| class.as_ref().and_then(|c| c.get(i)).map_or(PLAIN, |c| class_colour(c as usize));
        let range = contrast(self.defects.patches().iter().copied());
        // The paper is as bright as the brightest pixel.
        let mut tile =
            Tile::new(Array2::from_elem((sides[0], sides[1]), range.1), format!("{} patches", self.defects.len()));
        tile.range = range;
        let mut drawn: Vec<(f64, f64)> = vec![];
        for i in 0..self.defects.len() {
            let (y, x) = (at(i, 0), at(i, 1));
            let gap = PATCH as f64 + 5.0;
            let free = drawn.iter().all(|d| (d.0 - y).abs() > gap || (d.1 - x).abs() > gap);
            let mark = |radius: f32| Mark { y: y as f32, x: x as f32, radius, colour: colour(i) };
            match self.defects.patch(i) {
                Some(patch) if free => {
                    paste(&mut tile.image, &patch.to_owned(), (y, x));
                    tile.squares.push(mark(PATCH as f32 / 2.0 + 1.0));
                    drawn.push((y, x));
                }
                _ => tile.marks.push(mark(1.2)),
            }
        }
        // A dot on a patch would hide it.
        let half = PATCH as f64 / 2.0 + 2.0;
        tile.marks.retain(|m| {
            drawn.iter().all(|d| (d.0 - f64::from(m.y)).abs() > half || (d.1 - f64::from(m.x)).abs() > half)
        });
        let seen: std::collections::BTreeSet<u32> = class.iter().flat_map(|c| c.iter().flatten()).collect();
        let legend = seen.into_iter().map(|c| (class_colour(c as usize), format!("class {c}"))).collect();
        let tiles = Tiles { tiles: vec![tile], columns: 1, side: SIDE as f64, colours: ColourMap::Grey, legend };
        Figure::tiles(tiles, format!("{self:?}"))
    }

    /// Shows the map in a notebook.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), "", &[Ok(self.figure())]);
    }
}

/// Draws a patch, centred, at the map's scale.
fn paste(map: &mut Array2<f32>, patch: &Array2<f32>, (cy, cx): (f64, f64)) {
    let (h, w) = patch.dim();
    let (top, left) = ((cy - PATCH as f64 / 2.0).round() as usize, (cx - PATCH as f64 / 2.0).round() as usize);
    for v in 0..PATCH {
        for u in 0..PATCH {
            let along = |i: usize, n: usize| (i as f64 + 0.5) / PATCH as f64 * n as f64 - 0.5;
            if let Some(to) = map.get_mut((top + v, left + u)) {
                *to = crate::movie::sample(patch, along(v, h), along(u, w));
            }
        }
    }
}
