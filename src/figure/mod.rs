//! Figures: values that show themselves in a notebook and save themselves as SVG or PNG.
//!
//! Every figure is drawn by plotters in one theme, with an embedded font, so that it needs nothing installed.

mod axis;
mod cells;
mod chart;
mod classes;
mod coupling;
mod defects;
mod drift;
mod dynamics;
mod kinds;
mod labels;
mod markov;
mod plane;
mod plots;
mod recording;
mod scores;
mod simulated;
mod sketch;
mod theme;
mod tiles;
mod training;

pub use markov::site_map;

pub(crate) use chart::{Chart, Corner, Series};
pub(crate) use theme::{BRIGHT, CLASS_COLOURS, DARK, DEFECT, Rgb};
pub(crate) use tiles::{ColourMap, Mark, Tile, Tiles};

use crate::error::{Error, Result, check};
use crate::file::write_whole;
use plotters::prelude::{BitMapBackend, DrawingBackend, IntoDrawingArea, SVGBackend};
use std::path::Path;
use std::sync::Arc;

/// A drawing of a given size. Shows itself as the last expression of a cell; [`Figure::save`] writes it.
#[derive(Clone)]
pub struct Figure {
    plot: Arc<Plot>,
    /// In CSS pixels, 96 to the inch.
    width: u32,
    height: u32,
    /// What it shows, in words: for screen readers and for front ends without pictures.
    alt: String,
}

enum Plot {
    Tiles(Tiles),
    Chart(Chart),
    /// With a logarithmic x axis.
    LogChart(Chart),
    /// Of fractions against fractions.
    UnitChart(Chart, Corner),
    /// Bands, points and lines, the legend below.
    Plane(plane::Plane),
    Sketch(sketch::Sketch),
    /// So many in a row.
    Panels(Vec<Chart>, usize),
    Tree(plots::Tree),
}

impl Figure {
    pub(crate) fn tiles(tiles: Tiles, alt: impl Into<String>) -> Figure {
        let (width, height) = tiles.size();
        Figure { plot: Arc::new(Plot::Tiles(tiles)), width, height, alt: alt.into() }
    }

    pub(crate) fn chart(chart: Chart, alt: impl Into<String>) -> Figure {
        Figure { plot: Arc::new(Plot::Chart(chart)), width: 520, height: 300, alt: alt.into() }
    }

    /// A chart whose x axis is logarithmic.
    pub(crate) fn log_chart(chart: Chart, alt: impl Into<String>) -> Figure {
        Figure { plot: Arc::new(Plot::LogChart(chart)), width: 620, height: 340, alt: alt.into() }
    }

    /// A chart whose axes both go from 0 to 1, with the legend in a corner that is likely to be free.
    pub(crate) fn unit_chart(chart: Chart, legend: Corner, alt: impl Into<String>) -> Figure {
        Figure { plot: Arc::new(Plot::UnitChart(chart, legend)), width: 480, height: 420, alt: alt.into() }
    }

    pub(crate) fn plane(plane: plane::Plane, alt: impl Into<String>) -> Figure {
        let (width, height) = plane.size();
        Figure { plot: Arc::new(Plot::Plane(plane)), width, height, alt: alt.into() }
    }

    pub(crate) fn sketch(sketch: sketch::Sketch, alt: impl Into<String>) -> Figure {
        let (width, height) = (sketch.size.0.ceil() as u32, sketch.size.1.ceil() as u32);
        Figure { plot: Arc::new(Plot::Sketch(sketch)), width, height, alt: alt.into() }
    }

    /// Charts beside each other, so many in a row.
    pub(crate) fn panels(charts: Vec<Chart>, columns: usize, alt: impl Into<String>) -> Figure {
        let (width, height) = (350 * columns as u32, 230 * charts.len().div_ceil(columns) as u32);
        Figure { plot: Arc::new(Plot::Panels(charts, columns)), width, height, alt: alt.into() }
    }

    /// A tree over patches.
    pub(crate) fn tree(tree: plots::Tree, alt: impl Into<String>) -> Figure {
        let (width, height) = tree.size();
        Figure { plot: Arc::new(Plot::Tree(tree)), width, height, alt: alt.into() }
    }

    /// Width and height in CSS pixels (96 to the inch).
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn draw<DB: DrawingBackend>(&self, backend: DB, scale: f64) -> Result<()> {
        theme::register_font()?;
        let area = backend.into_drawing_area();
        let problem = |e: &dyn std::fmt::Display| Error::Figure(e.to_string());
        area.fill(&theme::PAPER).map_err(|e| problem(&e))?;
        match &*self.plot {
            Plot::Tiles(tiles) => tiles.draw(&area, scale),
            Plot::Chart(chart) => chart.draw(&area, scale),
            Plot::LogChart(chart) => chart.draw_over_decades(&area, scale),
            Plot::UnitChart(chart, legend) => chart.draw_in_square(&area, scale, *legend),
            Plot::Plane(plane) => plane.draw(&area, scale),
            Plot::Sketch(sketch) => sketch.draw(&area, scale),
            Plot::Panels(charts, columns) => plots::panels(&area, charts, *columns, scale),
            Plot::Tree(tree) => tree.draw(&area, scale),
        }
        .map_err(|e| problem(&e))?;
        area.present().map_err(|e| problem(&e))
    }

    /// The figure as an SVG document. Text stays text, in DejaVu Sans or the viewer's sans-serif.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn to_svg(&self) -> Result<String> {
        let mut svg = String::new();
        self.draw(SVGBackend::with_string(&mut svg, (self.width, self.height)), 1.0)?;
        Ok(svg.replace("font-family=\"sans-serif\"", "font-family=\"DejaVu Sans, sans-serif\""))
    }

    /// The figure as a PNG with `scale` image pixels to a CSS pixel (2 is sharp on most screens, 4 is 384 dpi).
    ///
    /// # Errors
    /// If `scale` is not from 0.25 to 16, or it cannot be drawn.
    pub fn to_png(&self, scale: f64) -> Result<Vec<u8>> {
        check("scale", scale, (0.25..=16.0).contains(&scale), "from 0.25 to 16 image pixels to a CSS pixel")?;
        let px = |n: u32| (f64::from(n) * scale).round() as u32;
        let (width, height) = (px(self.width), px(self.height));
        let mut rgb = vec![0_u8; width as usize * height as usize * 3];
        self.draw(BitMapBackend::with_buffer(&mut rgb, (width, height)), scale)?;
        encode_png(&rgb, width, height, scale)
    }

    /// Saves as SVG or PNG (at 300 dots per inch), by the name's ending. The file appears whole or not at all.
    ///
    /// # Errors
    /// If the name ends otherwise, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("svg") => write_whole(path, self.to_svg()?.as_bytes()),
            Some("png") => write_whole(path, &self.to_png(300.0 / 96.0)?),
            _ => Err(Error::format(path, "names no kind of picture: end it with .svg or .png")),
        }
    }

    /// An `<img>` that is sharp on high-density screens.
    pub(crate) fn html(&self) -> Result<String> {
        use base64::Engine as _;
        let data = base64::engine::general_purpose::STANDARD.encode(self.to_png(2.0)?);
        let alt = crate::show::escape_html(&self.alt);
        Ok(format!(
            "<img src=\"data:image/png;base64,{data}\" width=\"{}\" height=\"{}\" alt=\"{alt}\">",
            self.width, self.height
        ))
    }

    /// Shows the figure in a notebook.
    pub fn evcxr_display(&self) {
        match self.html() {
            Ok(html) => crate::show::emit_html(&html, &self.alt),
            Err(e) => crate::show::emit_text("text/plain", &e.to_string()),
        }
    }
}

fn encode_png(rgb: &[u8], width: u32, height: u32, scale: f64) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let per_metre = (96.0 * scale / 0.0254).round() as u32;
    encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit: png::Unit::Meter }));
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(rgb))
        .map_err(|e| Error::Figure(e.to_string()))?;
    Ok(bytes)
}

impl std::fmt::Debug for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Figure ({} x {}): {}", self.width, self.height, self.alt)
    }
}
