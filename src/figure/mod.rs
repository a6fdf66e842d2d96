//! Figures: values that show themselves in a notebook and save themselves as SVG, PNG or PDF.
//!
//! Every figure is drawn in one theme with an embedded font, so that it needs nothing installed and looks the same on every
//! machine. It can be restyled, given a width on paper, and put beside others:
//!
//! ```
//! use atomotion::prelude::*;
//! let movie = Ws2::default().with_size_px(64).with_frames(2).simulate(1)?.movie;
//! let figures = [movie.frame(0)?.figure(), movie.frame(1)?.figure()];
//! let figure = Figure::grid(&figures, 2)?.with_letters().with_theme(Theme::Print).with_width(Width::Double);
//! let pdf: Vec<u8> = figure.to_pdf()?;
//! assert!(pdf.starts_with(b"%PDF"));
//! # Ok::<(), Error>(())
//! ```

mod animation;
mod axis;
mod canvas;
mod cells;
mod chart;
mod classes;
mod colours;
mod coupling;
mod defects;
mod drift;
mod dynamics;
mod embedding;
mod film;
mod font;
mod kinds;
mod labels;
mod layout;
mod markov;
mod movies;
mod outline;
mod output;
mod pdf;
mod picture;
mod plane;
mod player;
mod plots;
mod raster;
mod record;
mod recording;
mod room;
mod scores;
mod simulated;
mod sketch;
mod svg;
mod theme;
mod tiles;
mod training;
mod watched;

pub use animation::Animation;
pub use colours::ColourMap;
pub use layout::InsetAt;
pub use markov::site_map;
pub use theme::{Theme, Width};

pub(crate) use chart::{Chart, Corner, Series};
pub(crate) use theme::{BRIGHT, CLASS_COLOURS, DARK, DEFECT, Rgb};
pub(crate) use tiles::{Mark, Tile, Tiles};

use crate::error::{Error, Result};
use canvas::Canvas;
use chart::Axes;
use room::Room;
use std::sync::{Arc, OnceLock};
use theme::PX_PER_MM;

/// A drawing. Shows itself as the last expression of a cell; [`Figure::save`] writes it.
#[derive(Clone)]
pub struct Figure {
    plot: Arc<Plot>,
    theme: Option<Theme>,
    width: Option<Width>,
    colours: Option<ColourMap>,
    /// What it shows, in words: for screen readers and for front ends without pictures.
    alt: String,
}

enum Plot {
    Tiles(Tiles),
    /// On axes divided in a way; the size that suits it, in CSS pixels.
    Chart(Chart, Axes, (f64, f64)),
    /// Bands, points and lines, the legend below.
    Plane(plane::Plane),
    Sketch(sketch::Sketch),
    /// One that is made for a width, where there is one.
    Made(Box<dyn Fn(Option<f64>) -> sketch::Sketch + Send + Sync>),
    /// So many in a row.
    Panels(Vec<Chart>, usize),
    Tree(plots::Tree),
    Grid(layout::Grid),
    Inset(layout::Inset),
}

impl Figure {
    fn new(plot: Plot, alt: impl Into<String>) -> Figure {
        Figure { plot: Arc::new(plot), theme: None, width: None, colours: None, alt: alt.into() }
    }

    pub(crate) fn tiles(tiles: Tiles, alt: impl Into<String>) -> Figure {
        Figure::new(Plot::Tiles(tiles), alt)
    }

    pub(crate) fn chart(chart: Chart, alt: impl Into<String>) -> Figure {
        Figure::new(Plot::Chart(chart, Axes::Linear, (520.0, 300.0)), alt)
    }

    /// A chart whose x axis is logarithmic.
    pub(crate) fn log_chart(chart: Chart, alt: impl Into<String>) -> Figure {
        Figure::new(Plot::Chart(chart, Axes::Decades, (620.0, 340.0)), alt)
    }

    /// A chart whose axes both go from 0 to 1, with the legend in a corner that is likely to be free.
    pub(crate) fn unit_chart(chart: Chart, legend: Corner, alt: impl Into<String>) -> Figure {
        Figure::new(Plot::Chart(chart, Axes::Unit(legend), (480.0, 420.0)), alt)
    }

    pub(crate) fn plane(plane: plane::Plane, alt: impl Into<String>) -> Figure {
        Figure::new(Plot::Plane(plane), alt)
    }

    pub(crate) fn sketch(sketch: sketch::Sketch, alt: impl Into<String>) -> Figure {
        Figure::new(Plot::Sketch(sketch), alt)
    }

    /// A sketch that is made anew for every width.
    pub(crate) fn made(
        make: impl Fn(Option<f64>) -> sketch::Sketch + Send + Sync + 'static,
        alt: impl Into<String>,
    ) -> Figure {
        Figure::new(Plot::Made(Box::new(make)), alt)
    }

    /// Charts beside each other, so many in a row.
    pub(crate) fn panels(charts: Vec<Chart>, columns: usize, alt: impl Into<String>) -> Figure {
        Figure::new(Plot::Panels(charts, columns), alt)
    }

    /// A tree over patches.
    pub(crate) fn tree(tree: plots::Tree, alt: impl Into<String>) -> Figure {
        Figure::new(Plot::Tree(tree), alt)
    }

    /// In the colours of a theme, in place of [`Theme::set_default`]'s.
    #[must_use]
    pub fn with_theme(self, theme: Theme) -> Figure {
        Figure { theme: Some(theme), ..self }
    }

    /// Laid out for a width on paper. Text keeps its size (8 points; none is smaller than 6), what it stands beside gets
    /// narrower.
    #[must_use]
    pub fn with_width(self, width: Width) -> Figure {
        Figure { width: Some(width), ..self }
    }

    /// Images in other colours, except where these mean below and above.
    #[must_use]
    pub fn with_colours(self, colours: ColourMap) -> Figure {
        Figure { colours: Some(colours), ..self }
    }

    /// What it shows, in words.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.alt
    }

    /// Width and height in CSS pixels (96 to the inch), rounded up.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        let (w, h) = self.plot.size(self.room(Room::default()).unwrap_or_default());
        (w.ceil() as u32, h.ceil() as u32)
    }

    /// Its own choices, in the room that it is given.
    fn room(&self, room: Room) -> Result<Room> {
        let own = self.width.map(Width::mm).transpose()?.map(|mm| PX_PER_MM * mm);
        Ok(Room { width: room.width.or(own), colours: self.colours.or(room.colours), ..room })
    }

    fn canvas(&self) -> Result<Canvas> {
        self.canvas_in(Room::default(), self.theme.unwrap_or_else(Theme::usual))
    }

    fn canvas_in(&self, room: Room, theme: Theme) -> Result<Canvas> {
        let room = self.room(room)?;
        let mut canvas = Canvas::new(self.plot.size(room), theme);
        self.plot.draw(&mut canvas, room)?;
        Ok(canvas)
    }
}

impl Plot {
    /// Width and height in CSS pixels.
    fn size(&self, room: Room) -> (f64, f64) {
        match self {
            Plot::Tiles(tiles) => tiles.size(room),
            Plot::Chart(_, _, natural) => room.size(*natural),
            Plot::Plane(plane) => plane.size(room),
            Plot::Sketch(sketch) => sketch.size(room),
            Plot::Made(make) => make(room.width).size(room),
            Plot::Panels(charts, columns) => plots::panels_size(charts.len(), *columns, room),
            Plot::Tree(tree) => tree.size(room),
            Plot::Grid(grid) => grid.size(room),
            Plot::Inset(inset) => inset.under.plot.size(room),
        }
    }

    fn draw(&self, canvas: &mut Canvas, room: Room) -> Result<()> {
        match self {
            Plot::Tiles(tiles) => tiles.draw(canvas, room),
            Plot::Chart(chart, axes, _) => {
                register_font()?;
                chart.draw(canvas, *axes, room).map_err(|e| Error::Figure(e.to_string()))?;
            }
            Plot::Plane(plane) => plane.draw(canvas, room),
            Plot::Sketch(sketch) => sketch.draw(canvas),
            Plot::Made(make) => make(room.width).draw(canvas),
            Plot::Panels(charts, columns) => {
                register_font()?;
                plots::panels(canvas, charts, *columns, room)?;
            }
            Plot::Tree(tree) => tree.draw(canvas, room),
            Plot::Grid(grid) => grid.draw(canvas, room)?,
            Plot::Inset(inset) => inset.draw(canvas, room)?,
        }
        Ok(())
    }
}

/// Makes the embedded font known to plotters, once.
fn register_font() -> Result<()> {
    use plotters::style::{FontStyle, register_font};
    static DONE: OnceLock<bool> = OnceLock::new();
    if *DONE.get_or_init(|| register_font("sans-serif", FontStyle::Normal, font::FILE).is_ok()) {
        return Ok(());
    }
    Err(Error::Figure("the embedded font cannot be read".into()))
}

impl std::fmt::Debug for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (width, height) = self.size();
        write!(f, "Figure ({width} x {height}): {}", self.alt)
    }
}
