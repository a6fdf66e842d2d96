//! Drawings that are neither one chart nor tiles alone: charts beside each other, and trees.

use super::Chart;
use super::canvas::{Across, Canvas, Down};
use super::chart::Axes;
use super::room::Room;
use super::theme::{Rgb, TEXT, text};
use super::tiles::Tiles;
use crate::error::{Error, Result};

/// The least width of a chart, in CSS pixels.
const NARROW: f64 = 220.0;

/// Charts in a row, and the size of each, where so many in a row are asked for.
fn shared(columns: usize, room: Room) -> (usize, (f64, f64)) {
    let columns = room.width.map_or(columns, |w| columns.min((w / NARROW) as usize).max(1));
    (columns, Room { width: room.width.map(|w| w / columns as f64), ..room }.size((350.0, 230.0)))
}

pub(super) fn panels_size(count: usize, columns: usize, room: Room) -> (f64, f64) {
    let (columns, (w, h)) = shared(columns, room);
    (w * columns as f64, h * count.div_ceil(columns) as f64)
}

/// Draws charts row by row.
pub(super) fn panels(canvas: &mut Canvas, charts: &[Chart], columns: usize, room: Room) -> Result<()> {
    let (columns, (w, h)) = shared(columns, room);
    for (i, chart) in charts.iter().enumerate() {
        let mut part = Canvas::new((w, h), canvas.theme);
        chart.draw(&mut part, Axes::Linear, Room::default()).map_err(|e| Error::Figure(e.to_string()))?;
        canvas.place(part, ((i % columns) as f64 * w, (i / columns) as f64 * h), 1.0);
    }
    Ok(())
}

/// A binary tree over a row of patches.
pub(crate) struct Tree {
    /// One for each leaf, from left to right, in one row.
    pub tiles: Tiles,
    /// What is joined, lower ones first: two nodes (a leaf's number, or the leaves' count plus a join's) and the height.
    pub joins: Vec<(usize, usize, f64)>,
    /// Of each leaf.
    pub colours: Vec<Rgb>,
}

/// Heights in CSS pixels: of the tree, and the width that its axis takes.
const HIGH: f64 = 190.0;
const AXIS: f64 = 52.0;

impl Tree {
    pub(super) fn size(&self, room: Room) -> (f64, f64) {
        let (w, h) = self.tiles.size(Tree::below(room));
        (w + AXIS, h + HIGH)
    }

    /// What is left for the patches, which stay below their branches.
    fn below(room: Room) -> Room {
        Room { width: room.width.map(|w| w - AXIS), one_row: true, ..room }
    }

    pub(super) fn draw(&self, canvas: &mut Canvas, room: Room) {
        let top = self.joins.iter().map(|j| j.2).fold(f64::MIN_POSITIVE, f64::max);
        let theme = canvas.theme;
        let at = |height: f64| 22.0 + (HIGH - 28.0) * (1.0 - height / top);
        let (side, _) = self.tiles.tile(Tree::below(room));
        let mut places: Vec<(f64, f64, Option<Rgb>)> = (0..self.colours.len())
            .map(|i| (AXIS + 8.0 + i as f64 * (side + 8.0) + side / 2.0, HIGH - 4.0, Some(self.colours[i])))
            .collect();
        for &(a, b, height) in &self.joins {
            let (a, b, y) = (places[a], places[b], at(height));
            // A branch has a colour while all below it have the same.
            let own = if a.2 == b.2 { a.2 } else { None };
            let mut line = |from, to, c: Option<Rgb>| {
                canvas.line(vec![from, to], c.map_or(theme.ink(), |c| theme.on_paper(c)), 1.8)
            };
            line((a.0, a.1), (a.0, y), a.2);
            line((b.0, b.1), (b.0, y), b.2);
            line((a.0, y), (b.0, y), own);
            places.push(((a.0 + b.0) / 2.0, y, own));
        }
        axis(canvas, top, &at);
        let mut below = Canvas::new(self.tiles.size(Tree::below(room)), theme);
        self.tiles.draw(&mut below, Tree::below(room));
        canvas.place(below, (AXIS, HIGH), 1.0);
    }
}

/// Ticks of the height at round numbers.
fn axis(canvas: &mut Canvas, top: f64, at: &impl Fn(f64) -> f64) {
    let power = 10_f64.powf((top / 3.0).log10().floor());
    let step = [1.0, 2.0, 5.0].iter().map(|s| s * power).rfind(|s| top / s >= 2.5).unwrap_or(power);
    let ink = canvas.theme.ink();
    canvas.line(vec![(AXIS - 4.0, at(top)), (AXIS - 4.0, at(0.0))], ink, 1.0);
    for i in 0..=(top / step) as usize {
        let value = i as f64 * step;
        let y = at(value);
        canvas.line(vec![(AXIS - 8.0, y), (AXIS - 4.0, y)], ink, 1.0);
        let label = if step < 1.0 { format!("{value:.2}") } else { format!("{value:.0}") };
        canvas.words(label, (AXIS - 11.0, y), text(TEXT - 0.5, ink).at(Across::Right, Down::Middle));
    }
    canvas.words("height", (8.0, 4.0), text(TEXT, ink));
}
