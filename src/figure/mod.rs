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
mod film;
mod font;
mod kinds;
mod labels;
mod layout;
mod markov;
mod movies;
mod outline;
mod pdf;
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

pub use animation::Animation;
pub use colours::ColourMap;
pub use layout::InsetAt;
pub use markov::site_map;
pub use theme::{Theme, Width};

pub(crate) use chart::{Chart, Corner, Series};
pub(crate) use theme::{BRIGHT, CLASS_COLOURS, DARK, DEFECT, Rgb};
pub(crate) use tiles::{Mark, Tile, Tiles};

use crate::error::{Error, Result, check};
use crate::file::write_whole;
use canvas::Canvas;
use chart::Axes;
use room::Room;
use std::path::Path;
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

    /// The figure as an SVG document, the same bytes each time. Text is drawn as outlines, so that it needs no font; the words
    /// are kept for screen readers.
    ///
    /// # Errors
    /// If it cannot be drawn, or its width is not from 30 to 500 mm.
    pub fn to_svg(&self) -> Result<String> {
        svg::write(&self.canvas()?, self.width.map(Width::mm).transpose()?, &self.alt)
    }

    /// The figure as a PDF of one page: shapes and outlines of text as vectors, images without loss. Its words can be searched.
    ///
    /// # Errors
    /// As for [`Figure::to_svg`].
    pub fn to_pdf(&self) -> Result<Vec<u8>> {
        Ok(pdf::write(&self.canvas()?, &self.alt))
    }

    /// The figure as a PNG with `scale` image pixels to a CSS pixel (2 is sharp on most screens, 4 is 384 dpi).
    ///
    /// # Errors
    /// If `scale` is not from 0.25 to 16, or as for [`Figure::to_svg`].
    pub fn to_png(&self, scale: f64) -> Result<Vec<u8>> {
        check("scale", scale, (0.25..=16.0).contains(&scale), "from 0.25 to 16 image pixels to a CSS pixel")?;
        let pixels = raster::draw(&self.canvas()?, scale)?;
        encode_png(&pixels.rgb, pixels.width as u32, pixels.height as u32, scale)
    }

    /// Saves as SVG, PDF or PNG (at 300 dots per inch), by the name's ending. The file appears whole or not at all.
    ///
    /// # Errors
    /// If the name ends otherwise, the file cannot be written, or as for [`Figure::to_svg`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("svg") => write_whole(path, self.to_svg()?.as_bytes()),
            Some("pdf") => write_whole(path, &self.to_pdf()?),
            Some("png") => self.save_png(path, 300.0),
            _ => Err(Error::format(path, "names no kind of picture: end it with .svg, .pdf or .png")),
        }
    }

    /// Saves a PNG with so many dots per inch.
    ///
    /// # Errors
    /// If `dpi` is not from 24 to 1536, the file cannot be written, or as for [`Figure::to_svg`].
    pub fn save_png(&self, path: impl AsRef<Path>, dpi: f64) -> Result<()> {
        check("dpi", dpi, (24.0..=1536.0).contains(&dpi), "from 24 to 1536 dots per inch")?;
        write_whole(path.as_ref(), &self.to_png(dpi / 96.0)?)
    }

    /// Size of the smallest text, in points, at the figure's width.
    ///
    /// # Errors
    /// As for [`Figure::to_svg`].
    pub fn smallest_text_pt(&self) -> Result<Option<f64>> {
        Ok(self.canvas()?.smallest_text())
    }

    /// An `<img>` that is sharp on high-density screens.
    pub(crate) fn html(&self) -> Result<String> {
        use base64::Engine as _;
        let data = base64::engine::general_purpose::STANDARD.encode(self.to_png(2.0)?);
        let alt = crate::show::escape_html(&self.alt);
        let (width, height) = self.size();
        Ok(format!("<img src=\"data:image/png;base64,{data}\" width=\"{width}\" height=\"{height}\" alt=\"{alt}\">"))
    }

    /// Shows the figure in a notebook.
    pub fn evcxr_display(&self) {
        match self.html() {
            Ok(html) => crate::show::emit_html(&html, &self.alt),
            Err(e) => crate::show::emit_text("text/plain", &e.to_string()),
        }
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
        let (width, height) = self.size();
        write!(f, "Figure ({width} x {height}): {}", self.alt)
    }
}
