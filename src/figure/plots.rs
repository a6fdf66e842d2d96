//! Drawings that are neither one chart nor tiles alone: charts beside each other, and trees.

use super::Chart;
use super::theme::{INK, Rgb, TEXT, colour, text};
use super::tiles::Tiles;
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingAreaErrorKind, DrawingBackend, PathElement, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// Draws charts row by row on an area split evenly.
pub(super) fn panels<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    charts: &[Chart],
    columns: usize,
    scale: f64,
) -> Drawn<DB> {
    let parts = area.split_evenly((charts.len().div_ceil(columns), columns));
    charts.iter().zip(&parts).try_for_each(|(chart, part)| chart.draw(part, scale))
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
    pub(super) fn size(&self) -> (u32, u32) {
        let (w, h) = self.tiles.size();
        (w + AXIS as u32, h + HIGH as u32)
    }

    pub(super) fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>, scale: f64) -> Drawn<DB> {
        let top = self.joins.iter().map(|j| j.2).fold(f64::MIN_POSITIVE, f64::max);
        let px = |v: f64| (v * scale).round() as i32;
        let at = |height: f64| 22.0 + (HIGH - 28.0) * (1.0 - height / top);
        let (side, _) = self.tiles.tile();
        let mut places: Vec<(f64, f64, Option<Rgb>)> = (0..self.colours.len())
            .map(|i| (AXIS + 8.0 + i as f64 * (side + 8.0) + side / 2.0, HIGH - 4.0, Some(self.colours[i])))
            .collect();
        for &(a, b, height) in &self.joins {
            let (a, b, y) = (places[a], places[b], at(height));
            // A branch has a colour while all below it have the same.
            let own = if a.2 == b.2 { a.2 } else { None };
            let stroke = |c: Option<Rgb>| c.map_or(INK, colour).stroke_width((1.8 * scale).round() as u32);
            let line = |from: (f64, f64), to: (f64, f64), c| {
                PathElement::new(vec![(px(from.0), px(from.1)), (px(to.0), px(to.1))], stroke(c))
            };
            area.draw(&line((a.0, a.1), (a.0, y), a.2))?;
            area.draw(&line((b.0, b.1), (b.0, y), b.2))?;
            area.draw(&line((a.0, y), (b.0, y), own))?;
            places.push(((a.0 + b.0) / 2.0, y, own));
        }
        self.axis(area, top, &at, scale)?;
        let below = area.clone().shrink((px(AXIS), px(HIGH)), {
            let (w, h) = self.tiles.size();
            ((f64::from(w) * scale) as u32, (f64::from(h) * scale) as u32)
        });
        self.tiles.draw(&below, scale)
    }

    /// Ticks of the height at round numbers.
    fn axis<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        top: f64,
        at: &impl Fn(f64) -> f64,
        scale: f64,
    ) -> Drawn<DB> {
        let px = |v: f64| (v * scale).round() as i32;
        let power = 10_f64.powf((top / 3.0).log10().floor());
        let step = [1.0, 2.0, 5.0].iter().map(|s| s * power).rfind(|s| top / s >= 2.5).unwrap_or(power);
        let ink = INK.stroke_width(scale.round().max(1.0) as u32);
        area.draw(&PathElement::new(vec![(px(AXIS - 4.0), px(at(top))), (px(AXIS - 4.0), px(at(0.0)))], ink))?;
        for i in 0..=(top / step) as usize {
            let value = i as f64 * step;
            let y = at(value);
            area.draw(&PathElement::new(vec![(px(AXIS - 8.0), px(y)), (px(AXIS - 4.0), px(y))], ink))?;
            let label = if step < 1.0 { format!("{value:.2}") } else { format!("{value:.0}") };
            let style = text(TEXT - 0.5, scale, INK).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(label, (px(AXIS - 11.0), px(y)), style))?;
        }
        let style = text(TEXT, scale, INK).pos(Pos::new(HPos::Left, VPos::Top));
        area.draw(&Text::new("height", (px(8.0), px(4.0)), style))
    }
}
