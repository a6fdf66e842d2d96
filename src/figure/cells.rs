//! Figures of unit cells: the average, where its columns went, and which components are more than chance.

use super::kinds::show;
use super::tiles::{Tile, contrast};
use super::{CLASS_COLOURS, Chart, ColourMap, Figure, Rgb, Series, Tiles};
use crate::classify::{Distortion, Modes, UnitCell};
use crate::show::{escape_html, table_html};
use ndarray::Array2;

const SIDE: f64 = 330.0;
const ARROW: Rgb = CLASS_COLOURS[5];
const ELLIPSE: Rgb = CLASS_COLOURS[1];
/// Half axes of a 95 % ellipse, in standard deviations: the root of chi-squared's quantile for two.
const WIDE: f64 = 2.4477;

impl UnitCell {
    /// The average, and the standard error of each pixel.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let mean = Tile { nm_per_px: Some(self.nm_per_px), ..Tile::new(self.mean.clone(), self.caption()) };
        let error = Tile { bar: Some(""), ..Tile::new(self.error.clone(), "standard error") };
        let tiles =
            Tiles { tiles: vec![mean, error], columns: 2, side: SIDE, colours: ColourMap::Viridis, legend: vec![] };
        Figure::tiles(tiles, format!("{self:?}"))
    }

    fn caption(&self) -> String {
        format!("average of {} cells", self.shifts_px.len())
    }

    /// Shows the cell in a notebook.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), "", &[Ok(self.figure())]);
    }
}

impl Distortion {
    /// The average cell with an arrow from each column's place in a perfect cell, many times longer than it is (the caption says
    /// how many), and the 95 % ellipse of its end, as much larger.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let nm = self.cell.nm_per_px;
        let length = |c: &crate::classify::Displacement| c.by_nm[0].hypot(c.by_nm[1]) / nm;
        let longest = self.columns.iter().map(length).fold(1e-9, f64::max);
        // The longest arrow as long as an eighth of the patch, at a round magnification.
        let wanted = self.cell.mean.ncols() as f64 / 8.0 / longest;
        let power = 10_f64.powf(wanted.log10().floor());
        let times = [5.0, 2.0, 1.0].iter().map(|s| s * power).find(|s| *s <= wanted).unwrap_or(power);
        let mut tile = Tile::new(self.cell.mean.clone(), format!("{}; arrows {times:.0} times", self.cell.caption()));
        tile.nm_per_px = Some(nm);
        let wide = WIDE * self.wider();
        for c in &self.columns {
            let end = (c.y_px + times * c.by_nm[0] / nm, c.x_px + times * c.by_nm[1] / nm);
            let point = |y: f64, x: f64| (y as f32, x as f32);
            tile.lines.push((ellipse(end, c.covariance, wide * times / nm), ELLIPSE));
            tile.lines.push((vec![point(c.y_px, c.x_px), point(end.0, end.1)], ARROW));
            let (dy, dx) = (end.0 - c.y_px, end.1 - c.x_px);
            let long = dy.hypot(dx);
            if long > 0.5 {
                let (uy, ux) = (dy / long * (0.35 * long).min(1.0), dx / long * (0.35 * long).min(1.0));
                let head = |s: f64| point(end.0 - uy + s * 0.6 * ux, end.1 - ux - s * 0.6 * uy);
                tile.lines.push((vec![head(1.0), point(end.0, end.1), head(-1.0)], ARROW));
            }
        }
        let legend = vec![(ARROW, "displacement".into()), (ELLIPSE, "95 % of its error".into())];
        let tiles = Tiles { tiles: vec![tile], columns: 1, side: 460.0, colours: ColourMap::Grey, legend };
        Figure::tiles(tiles, format!("{self:?}"))
    }

    /// Shows the distortion in a notebook: its table, the arrows, and the components.
    pub fn evcxr_display(&self) {
        let table = self.table().map_or_else(|e| escape_html(&e.to_string()), |t| table_html(&t));
        show(&format!("{self:?}"), &table, &[Ok(self.figure()), Ok(self.modes.figure())]);
    }
}

/// A closed line around a place.
fn ellipse((y, x): (f64, f64), covariance: [[f64; 2]; 2], scale: f64) -> Vec<(f32, f32)> {
    // Cholesky's factor takes the circle to the ellipse.
    let a = covariance[0][0].max(0.0).sqrt();
    let b = if a > 0.0 { covariance[1][0] / a } else { 0.0 };
    let c = (covariance[1][1] - b * b).max(0.0).sqrt();
    (0..=36)
        .map(|i| {
            let (sin, cos) = (f64::from(i) * std::f64::consts::TAU / 36.0).sin_cos();
            let (dy, dx) = (a * sin, b * sin + c * cos);
            ((y + scale * dy) as f32, (x + scale * dx) as f32)
        })
        .collect()
}

impl Modes {
    /// Variance of each component, beside what chance gives in 95 of 100 draws.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let total = self.variances[0].max(f64::MIN_POSITIVE);
        let points = |v: &ndarray::Array1<f64>| v.iter().enumerate().map(|(i, v)| (i as f64, v / total)).collect();
        let chart = Chart {
            title: String::new(),
            x_label: "component".into(),
            y_label: "variance (of the first)".into(),
            log_y: false,
            whole_x: true,
            series: vec![
                Series::Bars {
                    points: points(&self.variances),
                    width: 0.7,
                    colour: CLASS_COLOURS[6],
                    name: Some(format!("found ({} significant)", self.significant)),
                },
                Series::Line {
                    points: points(&self.chance),
                    colour: CLASS_COLOURS[5],
                    width: 2.0,
                    name: Some(format!("{}, {:.0} %", self.against, 100.0 * (1.0 - self.level))),
                },
            ],
        };
        Figure::chart(chart, format!("{self:?}"))
    }

    /// Each component as an image, with its variance and how often chance gives as much: eigen-cells. Of displacements only the
    /// scree plot is drawn.
    #[must_use]
    pub fn cells_figure(&self) -> Figure {
        let tile = |(k, v): (usize, ndarray::ArrayView2<f32>)| {
            let image: Array2<f32> = v.to_owned();
            let (low, high) = contrast(image.iter().copied());
            let most = low.abs().max(high.abs());
            Tile { range: (-most, most), ..Tile::new(image, format!("{k}: p {:.2}", self.p_values[k])) }
        };
        let tiles: Vec<Tile> = self.vectors.outer_iter().enumerate().map(tile).collect();
        let columns = tiles.len().clamp(1, 6);
        let tiles = Tiles { tiles, columns, side: 105.0, colours: ColourMap::Diverging, legend: vec![] };
        Figure::tiles(tiles, format!("{self:?}"))
    }

    /// Shows the components in a notebook.
    pub fn evcxr_display(&self) {
        let mut figures = vec![Ok(self.figure())];
        if self.vectors.dim().2 > 2 {
            figures.push(Ok(self.cells_figure()));
        }
        show(&format!("{self:?}"), "", &figures);
    }
}
