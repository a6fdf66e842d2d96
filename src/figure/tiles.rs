//! Images in a row or grid, each with a caption, marks over it and a scale bar.

use super::theme::{INK, PAPER, Rgb, TEXT, colour, text};
use ndarray::Array2;
use plotters::coord::Shift;
use plotters::prelude::{
    BitMapElement, Circle, DrawingArea, DrawingAreaErrorKind, DrawingBackend, PathElement, Rectangle, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor};

/// How intensities become colours.
#[derive(Clone, Copy)]
pub(crate) enum ColourMap {
    Grey,
    /// Perceptually uniform: dark blue is low, yellow is high.
    Viridis,
    /// Blue below, white in the middle, red above; grey where there is no number.
    Diverging,
}

/// A circle around a place of the image.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    pub y: f32,
    pub x: f32,
    /// In image pixels.
    pub radius: f32,
    pub colour: Rgb,
}

/// One image.
pub(crate) struct Tile {
    pub image: Array2<f32>,
    /// Intensities that are drawn black and white; the rest is cut.
    pub range: (f32, f32),
    pub caption: String,
    pub marks: Vec<Mark>,
    /// The same as squares, of that half side.
    pub squares: Vec<Mark>,
    /// Lines through places (y, x) of the image.
    pub lines: Vec<(Vec<(f32, f32)>, Rgb)>,
    /// Unit of the image's values; none draws no colour bar.
    pub bar: Option<&'static str>,
    /// Nanometres per image pixel; none draws no scale bar.
    pub nm_per_px: Option<f64>,
}

impl Tile {
    /// A tile whose range leaves out the darkest and brightest half per cent.
    pub(crate) fn new(image: Array2<f32>, caption: impl Into<String>) -> Tile {
        let range = contrast(image.iter().copied());
        Tile {
            image,
            range,
            caption: caption.into(),
            marks: vec![],
            squares: vec![],
            lines: vec![],
            bar: None,
            nm_per_px: None,
        }
    }
}

/// The 0.5th and 99.5th percentile.
pub(crate) fn contrast(values: impl Iterator<Item = f32>) -> (f32, f32) {
    let mut values: Vec<f32> = values.filter(|v| v.is_finite()).collect();
    if values.is_empty() {
        return (0.0, 1.0);
    }
    let at = |values: &mut [f32], p: f64| {
        let i = ((values.len() - 1) as f64 * p).round() as usize;
        *values.select_nth_unstable_by(i, f32::total_cmp).1
    };
    let (low, high) = (at(&mut values, 0.005), at(&mut values, 0.995));
    if high > low { (low, high) } else { (low - 0.5, low + 0.5) }
}

/// Tiles of one size, row by row.
pub(crate) struct Tiles {
    pub tiles: Vec<Tile>,
    pub columns: usize,
    /// Longer side of a tile in CSS pixels.
    pub side: f64,
    pub colours: ColourMap,
    /// Legend below: what each colour of mark means.
    pub legend: Vec<(Rgb, String)>,
}

/// ColorBrewer's RdBu turned round (Harrower and Brewer, The Cartographic Journal 40, 27, 2003), which colour-blind
/// readers can tell apart.
const DIVERGING: [Rgb; 9] = [
    (33, 102, 172),
    (67, 147, 195),
    (146, 197, 222),
    (209, 229, 240),
    (247, 247, 247),
    (253, 219, 199),
    (244, 165, 130),
    (214, 96, 77),
    (178, 24, 43),
];

const GAP: f64 = 8.0;
const LINE: f64 = 20.0;

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

impl Tiles {
    /// Width and height of a tile in CSS pixels.
    pub(super) fn tile(&self) -> (f64, f64) {
        let (h, w) = self.tiles.first().map_or((1, 1), |t| t.image.dim());
        let scale = self.side / h.max(w).max(1) as f64;
        (w as f64 * scale, h as f64 * scale)
    }

    fn rows(&self) -> usize {
        self.tiles.len().div_ceil(self.columns.max(1)).max(1)
    }

    pub(super) fn size(&self) -> (u32, u32) {
        let (w, h) = self.tile();
        let columns = self.columns.min(self.tiles.len()).max(1) as f64;
        let width = columns * (w + GAP) + GAP;
        let lines = self.legend_places(width).last().map_or(0.0, |place| place.1 + 1.0);
        let legend = if self.legend.is_empty() { 0.0 } else { lines * LINE + GAP / 2.0 };
        (width.ceil() as u32, (self.rows() as f64 * (h + LINE + GAP) + legend).ceil() as u32)
    }

    pub(super) fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>, scale: f64) -> Drawn<DB> {
        let (w, h) = self.tile();
        for (i, tile) in self.tiles.iter().enumerate() {
            let left = GAP + (i % self.columns) as f64 * (w + GAP);
            let top = (i / self.columns) as f64 * (h + LINE + GAP);
            let fitted = fit(&tile.caption, w);
            let at = ((left * scale) as i32, ((top + 4.0) * scale) as i32);
            area.draw(&Text::new(fitted, at, text(TEXT, scale, INK)))?;
            self.draw_tile(area, tile, (left, top + LINE), (w, h), scale)?;
        }
        self.draw_legend(area, self.rows() as f64 * (h + LINE + GAP), scale)
    }

    fn draw_tile<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        tile: &Tile,
        (left, top): (f64, f64),
        (w, h): (f64, f64),
        scale: f64,
    ) -> Drawn<DB> {
        let px = |v: f64| (v * scale).round() as i32;
        let (width, height) = (px(w).max(1) as u32, px(h).max(1) as u32);
        let rgb = self.pixels(tile, width as usize, height as usize);
        if let Some(bitmap) = BitMapElement::with_owned_buffer((px(left), px(top)), (width, height), rgb) {
            area.draw(&bitmap)?;
        }
        if let Some(nm) = tile.nm_per_px {
            scale_bar(area, (left, top + h), w, w / (nm * tile.image.ncols() as f64), scale)?;
        }
        if let Some(unit) = tile.bar {
            self.colour_bar(area, tile.range, unit, (left + w, top + h), scale)?;
        }
        let zoom = w / tile.image.ncols().max(1) as f64;
        let line = (1.5 * scale).round() as u32;
        let place = |mark: &Mark| {
            let at = (px(left + (f64::from(mark.x) + 0.5) * zoom), px(top + (f64::from(mark.y) + 0.5) * zoom));
            (at, px((f64::from(mark.radius) * zoom).max(3.5)))
        };
        // On any image: the colour, with a dark line around it.
        let strokes = |mark: &Mark| {
            let dark = RGBColor(0, 0, 0).mix(0.6).stroke_width(line + scale.round() as u32);
            [dark, colour(mark.colour).stroke_width(line)]
        };
        for mark in &tile.marks {
            let (at, radius) = place(mark);
            strokes(mark).into_iter().try_for_each(|stroke| area.draw(&Circle::new(at, radius, stroke)))?;
        }
        for (points, rgb) in &tile.lines {
            let at =
                |p: &(f32, f32)| (px(left + (f64::from(p.1) + 0.5) * zoom), px(top + (f64::from(p.0) + 0.5) * zoom));
            let points: Vec<_> = points.iter().map(at).collect();
            let dark = RGBColor(0, 0, 0).mix(0.6).stroke_width(line + scale.round() as u32);
            area.draw(&PathElement::new(points.clone(), dark))?;
            area.draw(&PathElement::new(points, colour(*rgb).stroke_width(line)))?;
        }
        for mark in &tile.squares {
            let ((x, y), half) = place(mark);
            let corners = [(x - half, y - half), (x + half, y + half)];
            strokes(mark).into_iter().try_for_each(|stroke| area.draw(&Rectangle::new(corners, stroke)))?;
        }
        Ok(())
    }

    /// The colours from low to high, with the range's ends, on a plate in the lower right corner.
    fn colour_bar<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        (low, high): (f32, f32),
        unit: &str,
        (right, bottom): (f64, f64),
        scale: f64,
    ) -> Drawn<DB> {
        const WIDE: f64 = 112.0;
        const HIGH: f64 = 10.0;
        let px = |v: f64| (v * scale).round() as i32;
        let (x1, y1) = (right - 6.0, bottom - 6.0);
        let (x0, y0) = (x1 - WIDE - 12.0, y1 - HIGH - 24.0);
        area.draw(&Rectangle::new([(px(x0), px(y0)), (px(x1), px(y1))], RGBColor(0, 0, 0).mix(0.65).filled()))?;
        let (width, height) = (px(WIDE).max(1) as u32, px(HIGH).max(1) as u32);
        let colour = |i: u32| self.colours.rgb((i % width) as f32 / (width - 1).max(1) as f32);
        let rgb = (0..width * height).map(colour).flat_map(|(r, g, b)| [r, g, b]).collect();
        if let Some(bar) = BitMapElement::with_owned_buffer((px(x0 + 6.0), px(y0 + 5.0)), (width, height), rgb) {
            area.draw(&bar)?;
        }
        let label = |value: f32| if value > 0.0 { format!("+{value:.2} {unit}") } else { format!("{value:.2}") };
        for (value, at, side) in [(low, x0 + 6.0, HPos::Left), (high, x1 - 6.0, HPos::Right)] {
            let style = text(TEXT, scale, PAPER).pos(Pos::new(side, VPos::Top));
            area.draw(&Text::new(label(value), (px(at), px(y0 + HIGH + 6.0)), style))?;
        }
        Ok(())
    }

    /// The image at the size it is drawn: nearest pixels when enlarged, means when reduced.
    fn pixels(&self, tile: &Tile, width: usize, height: usize) -> Vec<u8> {
        let (rows, columns) = tile.image.dim();
        let mut rgb = Vec::with_capacity(3 * width * height);
        let span = |i: usize, to: usize, from: usize| {
            let start = i * from / to;
            start..((i + 1) * from / to).max(start + 1).min(from)
        };
        let (low, high) = tile.range;
        for y in 0..height {
            for x in 0..width {
                let block = tile.image.slice(ndarray::s![span(y, height, rows), span(x, width, columns)]);
                let level = (block.mean().unwrap_or(low) - low) / (high - low);
                let (r, g, b) = self.colours.rgb(level.clamp(0.0, 1.0));
                rgb.extend([r, g, b]);
            }
        }
        rgb
    }

    fn draw_legend<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>, top: f64, scale: f64) -> Drawn<DB> {
        let px = |v: f64| (v * scale).round() as i32;
        let (width, _) = self.size();
        for ((rgb, words), (left, line)) in self.legend.iter().zip(self.legend_places(f64::from(width))) {
            let top = top + line * LINE;
            area.draw(&Circle::new(
                (px(left + 6.0), px(top + 9.0)),
                px(5.0),
                INK.mix(0.6).stroke_width((2.5 * scale) as u32),
            ))?;
            area.draw(&Circle::new(
                (px(left + 6.0), px(top + 9.0)),
                px(5.0),
                colour(*rgb).stroke_width((1.5 * scale).round() as u32),
            ))?;
            area.draw(&Text::new(words.clone(), (px(left + 16.0), px(top + 3.0)), text(TEXT, scale, INK)))?;
        }
        Ok(())
    }

    /// Where each entry of the legend begins, from the left, and in which line.
    fn legend_places(&self, width: f64) -> Vec<(f64, f64)> {
        let (mut left, mut line) = (GAP, 0.0);
        let place = |(_, words): &(Rgb, String)| {
            let long = 16.0 + words.chars().count() as f64 * 0.6 * TEXT + 14.0;
            if left > GAP && left + long - 14.0 > width {
                (left, line) = (GAP, line + 1.0);
            }
            let place = (left, line);
            left += long;
            place
        };
        self.legend.iter().map(place).collect()
    }
}

/// Cuts a caption that would run into the next tile.
fn fit(caption: &str, width: f64) -> String {
    let most = (width / (0.56 * TEXT)) as usize;
    if caption.chars().count() <= most {
        return caption.to_string();
    }
    caption.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A bar of a round length, at most a third of the image, on a dark plate so that it is seen on any image.
fn scale_bar<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    (left, bottom): (f64, f64),
    width: f64,
    px_per_nm: f64,
    scale: f64,
) -> Drawn<DB> {
    let most = width / px_per_nm / 3.0;
    let power = 10_f64.powf(most.log10().floor());
    let length = [5.0, 2.0, 1.0].iter().map(|n| n * power).find(|l| *l <= most).unwrap_or(power);
    let label = if length < 1.0 { format!("{:.0} pm", length * 1000.0) } else { format!("{length:.0} nm") };
    let bar = length * px_per_nm;
    let plate = bar.max(label.chars().count() as f64 * 0.6 * TEXT) + 12.0;
    let px = |v: f64| (v * scale).round() as i32;
    let (x0, y0) = (left + 6.0, bottom - 6.0);
    area.draw(&Rectangle::new(
        [(px(x0), px(y0 - 28.0)), (px(x0 + plate), px(y0))],
        RGBColor(0, 0, 0).mix(0.65).filled(),
    ))?;
    let middle = x0 + plate / 2.0;
    area.draw(&Rectangle::new(
        [(px(middle - bar / 2.0), px(y0 - 8.0)), (px(middle + bar / 2.0), px(y0 - 5.0))],
        PAPER.filled(),
    ))?;
    let style = text(TEXT, scale, PAPER).pos(Pos::new(HPos::Center, VPos::Top));
    area.draw(&Text::new(label, (px(middle), px(y0 - 25.0)), style))
}

impl ColourMap {
    pub(super) fn rgb(self, level: f32) -> Rgb {
        match self {
            ColourMap::Grey => {
                let v = (255.0 * level).round() as u8;
                (v, v, v)
            }
            ColourMap::Viridis => {
                use plotters::style::colors::colormaps::{ColorMap, ViridisRGB};
                let c = ViridisRGB.get_color(level);
                (c.0, c.1, c.2)
            }
            ColourMap::Diverging if level.is_nan() => (150, 150, 150),
            ColourMap::Diverging => {
                let at = level.clamp(0.0, 1.0) * (DIVERGING.len() - 1) as f32;
                let before = (at as usize).min(DIVERGING.len() - 2);
                let mix = |a: u8, b: u8| (f32::from(a) + (at - before as f32) * (f32::from(b) - f32::from(a))) as u8;
                let (a, b) = (DIVERGING[before], DIVERGING[before + 1]);
                (mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
            }
        }
    }
}
