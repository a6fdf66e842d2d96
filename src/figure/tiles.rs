//! Images in a row or grid, each with a caption, marks over it and a scale bar.

use super::canvas::{Across, Canvas, Down, Paint, Pixels};
use super::colours::ColourMap;
use super::font::Font;
use super::room::Room;
use super::theme::{EM, PAPER, Rgb, SMALLEST, TEXT, text};
use ndarray::Array2;

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
    /// Unit of the image's values; none draws no colour bar below it.
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

const GAP: f64 = 8.0;
const LINE: f64 = 20.0;
/// The least side of a tile whose caption can be read.
const LEAST: f64 = 56.0;

impl Tiles {
    /// Width and height of a tile in CSS pixels.
    pub(super) fn tile(&self, room: Room) -> (f64, f64) {
        let (h, w) = self.tiles.first().map_or((1, 1), |t| t.image.dim());
        let longest = h.max(w).max(1) as f64;
        let scale = match room.width {
            None => self.side / longest,
            Some(width) => ((width - GAP) / self.across(room) as f64 - GAP).max(8.0) / w.max(1) as f64,
        };
        (w as f64 * scale, h as f64 * scale)
    }

    /// Tiles in a row: half as many where they would get too small.
    fn across(&self, room: Room) -> usize {
        let mut columns = self.columns.min(self.tiles.len()).max(1);
        let narrow = |columns: usize| room.width.is_some_and(|w| (w - GAP) / (columns as f64) < LEAST + GAP);
        while columns.is_multiple_of(2) && !room.one_row && narrow(columns) {
            columns /= 2;
        }
        columns
    }

    fn rows(&self, room: Room) -> usize {
        self.tiles.len().div_ceil(self.across(room)).max(1)
    }

    pub(super) fn size(&self, room: Room) -> (f64, f64) {
        let (w, h) = self.tile(room);
        let width = room.width.unwrap_or((self.across(room) as f64 * (w + GAP) + GAP).ceil());
        let lines = self.legend_places(width).last().map_or(0.0, |place| place.1 + 1.0);
        let legend = if self.legend.is_empty() { 0.0 } else { lines * LINE + GAP / 2.0 };
        (width, (self.top_of(self.rows(room), h, room) + legend).ceil())
    }

    /// Where a row begins: rows with colour bars have a line more.
    fn top_of(&self, row: usize, h: f64, room: Room) -> f64 {
        let rows = self.tiles.chunks(self.across(room)).take(row);
        let bars = rows.filter(|tiles| tiles.iter().any(|t| t.bar.is_some())).count();
        row as f64 * (h + LINE + GAP) + bars as f64 * LINE
    }

    pub(super) fn draw(&self, canvas: &mut Canvas, room: Room) {
        let (w, h) = self.tile(room);
        let (ink, columns) = (canvas.theme.ink(), self.across(room));
        for (i, tile) in self.tiles.iter().enumerate() {
            let left = GAP + (i % columns) as f64 * (w + GAP);
            let top = self.top_of(i / columns, h, room);
            let (caption, size) = fit(&tile.caption, w);
            canvas.words(caption, (left, top + LINE - 6.0), text(size, ink).at(Across::Left, Down::Bottom));
            self.draw_tile(canvas, tile, (left, top + LINE), (w, h), room);
        }
        self.draw_legend(canvas, self.top_of(self.rows(room), h, room));
    }

    fn draw_tile(&self, canvas: &mut Canvas, tile: &Tile, (left, top): (f64, f64), (w, h): (f64, f64), room: Room) {
        // What means below and above keeps its colours.
        let colours = room.colours.filter(|_| self.colours != ColourMap::Diverging).unwrap_or(self.colours);
        if tile.image.iter().all(|v| v.is_nan()) {
            let outline = Paint::mix(canvas.theme.ink(), 0.25);
            return canvas.frame((left + 0.5, top + 0.5), (left + w - 0.5, top + h - 0.5), outline, 1.0);
        }
        canvas.image((left, top), (w, h), pixels(tile, colours, w));
        canvas.clip = Some([left, top, w, h]);
        let zoom = w / tile.image.ncols().max(1) as f64;
        let place = |y: f32, x: f32| (left + (f64::from(x) + 0.5) * zoom, top + (f64::from(y) + 0.5) * zoom);
        let radius = |mark: &Mark| (f64::from(mark.radius) * zoom).max(3.5);
        // On any image: the colour, with a dark line around it.
        let strokes = |rgb: Rgb| [(Paint::mix((0, 0, 0), 0.6), 2.5), (rgb.into(), 1.5)];
        for mark in &tile.marks {
            for (paint, width) in strokes(mark.colour) {
                canvas.ring(place(mark.y, mark.x), radius(mark), paint, width);
            }
        }
        for (points, rgb) in &tile.lines {
            for (paint, width) in strokes(*rgb) {
                canvas.line(points.iter().map(|p| place(p.0, p.1)).collect(), paint, width);
            }
        }
        for mark in &tile.squares {
            let ((x, y), half) = (place(mark.y, mark.x), radius(mark));
            for (paint, width) in strokes(mark.colour) {
                canvas.frame((x - half, y - half), (x + half, y + half), paint, width);
            }
        }
        canvas.clip = None;
        if let Some(nm) = tile.nm_per_px {
            scale_bar(canvas, (left, top + h), w, w / (nm * tile.image.ncols() as f64));
        }
        if let Some(unit) = tile.bar {
            colour_bar(canvas, colours, tile.range, unit, (left, top + h, w));
        }
    }

    fn draw_legend(&self, canvas: &mut Canvas, top: f64) {
        let ink = canvas.theme.ink();
        for ((rgb, words), (left, line)) in self.legend.iter().zip(self.legend_places(canvas.width)) {
            let middle = top + line * LINE + 9.0;
            canvas.ring((left + 6.0, middle), 5.0, Paint::mix(ink, 0.6), 2.5);
            canvas.ring((left + 6.0, middle), 5.0, *rgb, 1.5);
            canvas.words(words.clone(), (left + 16.0, middle), text(TEXT, ink).at(Across::Left, Down::Middle));
        }
    }

    /// Where each entry of the legend begins, from the left, and in which line.
    fn legend_places(&self, width: f64) -> Vec<(f64, f64)> {
        let (mut left, mut line) = (GAP, 0.0);
        let place = |(_, words): &(Rgb, String)| {
            let long = 16.0 + Font::embedded().width(words, EM * TEXT) + 14.0;
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

/// The image's own pixels in colours; where it has far more than are seen, means of several.
fn pixels(tile: &Tile, colours: ColourMap, width: f64) -> Pixels {
    let (low, high) = tile.range;
    let rgb = tile.image.iter().map(|v| colours.rgb((v - low) / (high - low))).flat_map(|(r, g, b)| [r, g, b]);
    let own = Pixels { width: tile.image.ncols(), height: tile.image.nrows(), rgb: rgb.collect() };
    let most = (4.0 * width).ceil() as usize;
    if own.width > most { own.resampled(most, (own.height * most / own.width).max(1)) } else { own }
}

/// A caption that does not run into the next tile, and its size: smaller letters first, then fewer. Of a number nothing is
/// left out: it is there or not.
fn fit(caption: &str, width: f64) -> (String, f64) {
    let font = Font::embedded();
    let size = (TEXT * width / font.width(caption, EM * TEXT).max(1e-9)).clamp(SMALLEST / EM, TEXT);
    let shown = font.cut(caption, EM * size, width);
    let part_of_number = shown != caption && caption.parse::<f64>().is_ok();
    (if part_of_number { String::new() } else { shown }, size)
}

/// The colours from low to high between the range's ends, in a line below the image.
fn colour_bar(
    canvas: &mut Canvas,
    colours: ColourMap,
    (low, high): (f32, f32),
    unit: &str,
    (left, top, width): (f64, f64, f64),
) {
    const HIGH: f64 = 9.0;
    const BETWEEN: f64 = 5.0;
    const SHORTEST: f64 = 20.0;
    let ink = canvas.theme.ink();
    let signed = |v: f32| if low < 0.0 && v > 0.0 { format!("+{}", short(v)) } else { short(v) };
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    let labels = [signed(low), signed(high) + &unit];
    let long = |size: f64| labels.each_ref().map(|l| Font::embedded().width(l, EM * size));
    let words: f64 = long(TEXT).iter().sum();
    let size = (TEXT * (width - SHORTEST - 2.0 * BETWEEN) / words).clamp(SMALLEST / EM, TEXT);
    let [of_low, of_high] = long(size);
    let bar = (width - of_low - of_high - 2.0 * BETWEEN).clamp(SHORTEST, 110.0);
    let (x, middle) = (left + of_low + BETWEEN, top + 0.6 * LINE);
    let rgb = (0..256).map(|i| colours.rgb(i as f32 / 255.0)).flat_map(|(r, g, b)| [r, g, b]).collect();
    canvas.image((x, middle - HIGH / 2.0), (bar, HIGH), Pixels { width: 256, height: 1, rgb });
    let corner = (x + bar, middle + HIGH / 2.0);
    canvas.frame((x, middle - HIGH / 2.0), corner, Paint::mix(ink, 0.5), 0.75);
    let [low, high] = labels;
    canvas.words(low, (left, middle), text(size, ink).at(Across::Left, Down::Middle));
    canvas.words(high, (x + bar + BETWEEN, middle), text(size, ink).at(Across::Left, Down::Middle));
}

/// Three digits of a number.
fn short(v: f32) -> String {
    if v != 0.0 && (v.abs() < 0.01 || v.abs() >= 1e5) {
        return format!("{v:.1e}");
    }
    let digits = if v.abs() >= 100.0 { 0 } else { 2 };
    let text = format!("{v:.digits$}");
    if digits > 0 { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

/// The longest round length (1, 2 or 5 of a decade) below so many nanometres, and how it is written.
pub(super) fn round_length(most_nm: f64) -> (f64, String) {
    let power = 10_f64.powf(most_nm.log10().floor());
    let length = [5.0, 2.0, 1.0].iter().map(|n| n * power).find(|l| *l <= most_nm).unwrap_or(power);
    let label = if length < 1.0 { format!("{:.0} pm", length * 1000.0) } else { format!("{length:.0} nm") };
    (length, label)
}

/// A bar of a round length, at most a third of the image, on a dark plate so that it is seen on any image.
fn scale_bar(canvas: &mut Canvas, (left, bottom): (f64, f64), width: f64, px_per_nm: f64) {
    let (length, label) = round_length(width / px_per_nm / 3.0);
    let bar = length * px_per_nm;
    let plate = bar.max(Font::embedded().width(&label, EM * TEXT)) + 12.0;
    let inset = if width < 120.0 { 2.0 } else { 6.0 };
    let (x0, y0) = (left + inset, bottom - inset);
    if plate + inset > width {
        return; // its words do not fit on so small an image
    }
    canvas.fill((x0, y0 - 26.0), (x0 + plate, y0), Paint::mix((0, 0, 0), 0.65));
    let middle = x0 + plate / 2.0;
    canvas.fill((middle - bar / 2.0, y0 - 8.0), (middle + bar / 2.0, y0 - 5.0), PAPER);
    canvas.words(label, (middle, y0 - 12.0), text(TEXT, PAPER).at(Across::Middle, Down::Bottom));
}
