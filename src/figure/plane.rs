//! Bands, points, lines and images on two axes, with the legend below, where it covers nothing.

use super::axis::{Axis, Inside, Place, Scale, extent, round, ticks};
use super::canvas::{Across, Canvas, Down, Paint, Pixels, Style};
use super::chart::number;
use super::colours::ColourMap;
use super::font::Font;
use super::room::Room;
use super::theme::{EM, Rgb, TEXT, text};
use super::tiles::contrast;
use ndarray::Array2;

/// One thing drawn. Places are in the axes' own units.
pub(crate) enum Shape {
    /// Joined places.
    Line { places: Vec<Place>, colour: Rgb, width: f64 },
    /// From the second number up to the third, at each first.
    Band { ends: Vec<(f64, f64, f64)>, colour: Rgb },
    /// Discs of a radius in CSS pixels.
    Discs { places: Vec<Place>, colour: Rgb, radius: f64 },
    /// Vertical bars from low to high.
    Whiskers { ends: Vec<(f64, f64, f64)>, colour: Rgb },
    /// A filled outline.
    Patch { places: Vec<Place>, colour: Rgb },
    /// Grey levels behind everything, so many units wide and high from 0.
    Image { image: Array2<f32>, size: Place },
    /// Words, their left end at a place.
    Words { at: Place, words: String },
}

/// Shapes on two axes.
pub(crate) struct Plane {
    pub x: Axis,
    pub y: Axis,
    pub shapes: Vec<Shape>,
    pub legend: Vec<(Rgb, String)>,
    /// Colours that mean a number, from low to high, with what it is.
    pub bar: Option<(f64, f64, String)>,
    /// Whether a unit is as long on both axes.
    pub equal: bool,
    /// Whether y goes down, as rows of an image do.
    pub down: bool,
    /// Whether axes are drawn.
    pub axes: bool,
    /// In CSS pixels.
    pub width: f64,
    pub height: f64,
}

const LEFT: f64 = 62.0;
const BOTTOM: f64 = 42.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 10.0;
const LINE: f64 = 20.0;
const BAR: f64 = 74.0;

impl Plane {
    pub(crate) fn new(x: Axis, y: Axis) -> Plane {
        let (width, height) = (560.0, 320.0);
        let (shapes, legend) = (vec![], vec![]);
        Plane { x, y, shapes, legend, bar: None, equal: false, down: false, axes: true, width, height }
    }

    fn margins(&self) -> (f64, f64) {
        if self.axes { (LEFT, BOTTOM) } else { (RIGHT, TOP) }
    }

    fn right(&self) -> f64 {
        if self.bar.is_some() { RIGHT + BAR } else { RIGHT }
    }

    /// Height of the legend at a width.
    fn below(&self, width: f64) -> f64 {
        self.places(width).last().map_or(0.0, |p| (p.1 + 1.0) * LINE + 6.0)
    }

    pub(super) fn size(&self, room: Room) -> (f64, f64) {
        let (left, bottom) = self.margins();
        let (width, mut height) = room.size((self.width, self.height));
        if self.equal {
            let ((x0, x1), (y0, y1)) = self.ends(room);
            height = (width - left - self.right()) * (y1 - y0) / (x1 - x0) + TOP + bottom;
        }
        (width.ceil(), (height + self.below(width)).ceil())
    }

    /// Ends of both axes, those from outside where there are any.
    fn ends(&self, room: Room) -> (Place, Place) {
        let (x, y) = self.ranges();
        let along = |axis: &Axis, (a, b): Place| (axis.to(a), axis.to(b));
        (room.x.map_or(x, |e| along(&self.x, e)), room.y.map_or(y, |e| along(&self.y, e)))
    }

    /// The same in the axes' own units.
    pub(super) fn limits(&self) -> (Place, Place) {
        let (x, y) = self.ranges();
        let back = |axis: &Axis, (a, b): Place| match axis.scale {
            Scale::Linear => (a, b),
            Scale::Logarithmic => (10_f64.powf(a), 10_f64.powf(b)),
        };
        (back(&self.x, x), back(&self.y, y))
    }

    /// Ends of both axes, logarithms where these are logarithmic.
    fn ranges(&self) -> (Place, Place) {
        let (mut xs, mut ys) = (vec![], vec![]);
        for shape in &self.shapes {
            match shape {
                Shape::Line { places, .. } | Shape::Discs { places, .. } | Shape::Patch { places, .. } => {
                    xs.extend(places.iter().map(|p| p.0));
                    ys.extend(places.iter().map(|p| p.1));
                }
                Shape::Band { ends, .. } | Shape::Whiskers { ends, .. } => {
                    xs.extend(ends.iter().map(|e| e.0));
                    ys.extend(ends.iter().flat_map(|e| [e.1, e.2]));
                }
                Shape::Image { size, .. } => {
                    xs.extend([0.0, size.0]);
                    ys.extend([0.0, size.1]);
                }
                Shape::Words { .. } => {}
            }
        }
        (extent(&self.x, &xs), extent(&self.y, &ys))
    }

    pub(super) fn draw(&self, canvas: &mut Canvas, room: Room) {
        let (width, theme) = (canvas.width, canvas.theme);
        let bottom = canvas.height - self.below(width);
        let (left, under) = self.margins();
        let (x, y) = self.ends(room);
        let frame = Inside {
            x,
            y,
            left,
            top: TOP,
            width: width - left - self.right(),
            height: bottom - TOP - under,
            down: self.down,
        };
        if self.axes {
            self.draw_axes(canvas, &frame);
        }
        if self.axes {
            // What lies outside of the axes is not drawn over their numbers.
            canvas.clip = Some([frame.left - 1.0, frame.top - 1.0, frame.width + 2.0, frame.height + 2.0]);
        }
        for shape in &self.shapes {
            self.draw_shape(canvas, shape, &frame, room);
        }
        canvas.clip = None;
        if self.axes {
            canvas.frame(frame.at(frame.x.0, frame.y.0), frame.at(frame.x.1, frame.y.1), theme.ink(), 1.0);
        }
        if let Some((low, high, words)) = &self.bar {
            draw_bar(canvas, (*low, *high), words, (width - RIGHT - BAR + 14.0, TOP, bottom - under));
        }
        for ((rgb, words), (left, line)) in self.legend.iter().zip(self.places(width)) {
            let top = bottom + line * LINE;
            canvas.fill((left, top + 5.0), (left + 16.0, top + 11.0), theme.adapt(*rgb));
            let style = text(TEXT - 0.5, theme.ink()).at(Across::Left, Down::Middle);
            let words = Font::embedded().cut(words, style.size, width - left - 24.0);
            canvas.words(words, (left + 22.0, top + 8.0), style);
        }
    }

    /// Lines across, numbers and names along the axes.
    fn draw_axes(&self, canvas: &mut Canvas, frame: &Inside) {
        let words =
            |axis: &Axis, v: f64| number(round(if axis.scale == Scale::Logarithmic { 10_f64.powf(v) } else { v }));
        let theme = canvas.theme;
        let style = |across, down| text(TEXT - 0.5, theme.ink()).at(across, down);
        let bottom = frame.top + frame.height;
        for tick in ticks(&self.y, frame.y.0, frame.y.1, frame.height / 36.0) {
            let (left, y) = frame.at(frame.x.0, tick);
            canvas.line(vec![(left, y), frame.at(frame.x.1, tick)], theme.faint(), 1.0);
            canvas.words(words(&self.y, tick), (left - 6.0, y), style(Across::Right, Down::Middle));
        }
        let mut free = f64::MIN;
        for tick in ticks(&self.x, frame.x.0, frame.x.1, frame.width / 52.0) {
            let x = frame.at(tick, frame.y.0).0;
            canvas.line(vec![(x, bottom), (x, bottom + 4.0)], theme.ink(), 1.0);
            let label = words(&self.x, tick);
            let half = 0.5 * Font::embedded().width(&label, EM * TEXT);
            // Ticks of a logarithmic axis can be too near each other for all of their numbers.
            if x - half > free {
                free = x + half + 4.0;
                canvas.words(label, (x, bottom + 6.0), style(Across::Middle, Down::Top));
            }
        }
        let name = |words: &str, long: f64| {
            let size = Font::embedded().width(words, EM * TEXT);
            text(TEXT * (long / size).min(1.0), theme.ink())
        };
        let style = name(&self.x.label, canvas.width - 8.0).at(Across::Middle, Down::Bottom);
        let half = 0.5 * Font::embedded().width(&self.x.label, style.size);
        let middle = (frame.left + frame.width / 2.0).min(canvas.width - 2.0 - half);
        canvas.words(self.x.label.clone(), (middle, bottom + BOTTOM - 3.0), style);
        let style = name(&self.y.label, frame.height + TOP + BOTTOM).at(Across::Middle, Down::Middle);
        let half = 0.5 * Font::embedded().width(&self.y.label, style.size);
        let middle = (frame.top + frame.height / 2.0).max(half + 2.0);
        canvas.words(self.y.label.clone(), (12.0, middle), Style { up: true, ..style });
    }

    fn draw_shape(&self, canvas: &mut Canvas, shape: &Shape, frame: &Inside, room: Room) {
        let at = |p: &Place| frame.at(self.x.to(p.0), self.y.to(p.1));
        let theme = canvas.theme;
        match shape {
            Shape::Line { places, colour, width } => {
                canvas.line(places.iter().map(at).collect(), theme.adapt(*colour), *width);
            }
            Shape::Band { ends, colour } => {
                let low = ends.iter().map(|e| at(&(e.0, e.1)));
                let high = ends.iter().rev().map(|e| at(&(e.0, e.2)));
                canvas.area(low.chain(high).collect(), Paint::mix(theme.adapt(*colour), 0.25));
            }
            Shape::Discs { places, colour, radius } => {
                places.iter().for_each(|p| canvas.disc(at(p), *radius, theme.adapt(*colour)));
            }
            Shape::Whiskers { ends, colour } => {
                ends.iter().for_each(|e| {
                    canvas.line(vec![at(&(e.0, e.1)), at(&(e.0, e.2))], theme.adapt(*colour), 1.5);
                });
            }
            Shape::Patch { places, colour } => {
                let mut outline: Vec<Place> = places.iter().map(at).collect();
                canvas.area(outline.clone(), Paint::mix(*colour, 0.6));
                outline.extend(outline.first().copied());
                canvas.line(outline, *colour, 1.5);
            }
            Shape::Image { image, size } => {
                let ((left, top), (right, bottom)) = (at(&(0.0, 0.0)), at(size));
                let colours = room.colours.unwrap_or(ColourMap::Grey);
                canvas.image((left, top), (right - left, bottom - top), pixels(image, colours));
            }
            Shape::Words { at: place, words } => {
                let style = text(TEXT - 1.0, theme.ink()).at(Across::Left, Down::Middle);
                canvas.words(words.clone(), at(place), style);
            }
        }
    }

    /// Where each entry of the legend begins, and in which line.
    fn places(&self, width: f64) -> Vec<Place> {
        let long = |words: &str| 22.0 + Font::embedded().width(words, EM * (TEXT - 0.5)) + 16.0;
        // Below the axes, or from the left edge where an entry needs that.
        let margin = self.margins().0;
        let start = if self.legend.iter().any(|e| margin + long(&e.1) > width + 12.0) { 8.0 } else { margin };
        let (mut left, mut line) = (start, 0.0);
        let place = |(_, words): &(Rgb, String)| {
            let long = long(words);
            if left > start && left + long - 16.0 > width {
                (left, line) = (start, line + 1.0);
            }
            let place = (left, line);
            left += long;
            place
        };
        self.legend.iter().map(place).collect()
    }
}

/// A colour bar at the right, with its ends and what it means.
fn draw_bar(canvas: &mut Canvas, (low, high): Place, words: &str, (left, top, bottom): (f64, f64, f64)) {
    let (top, bottom) = (top + LINE, bottom - 4.0);
    let level = |i: usize| 1.0 - i as f32 / 255.0;
    let rgb = (0..256).map(|i| ColourMap::Viridis.rgb(level(i))).flat_map(|(r, g, b)| [r, g, b]).collect();
    canvas.image((left, top), (12.0, bottom - top), Pixels { width: 1, height: 256, rgb });
    let ink = canvas.theme.ink();
    canvas.words(words, (left, top - LINE), text(TEXT - 0.5, ink));
    for share in [0.0, 0.5, 1.0] {
        let y = bottom - share * (bottom - top);
        let value = number(round(low + share * (high - low)));
        canvas.words(value, (left + 17.0, y), text(TEXT - 0.5, ink).at(Across::Left, Down::Middle));
    }
}

/// An image's own pixels in colours.
fn pixels(image: &Array2<f32>, colours: ColourMap) -> Pixels {
    let (low, high) = contrast(image.iter().copied());
    let rgb = image.iter().map(|v| colours.rgb((v - low) / (high - low))).flat_map(|(r, g, b)| [r, g, b]).collect();
    Pixels { width: image.ncols(), height: image.nrows(), rgb }
}
