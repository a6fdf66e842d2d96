//! Bands, points, lines and images on two axes, with the legend below, where it covers nothing.

use super::axis::{Axis, Inside, Place, Scale, extent, round, ticks};
use super::chart::number;
use super::theme::{FAINT, INK, Rgb, TEXT, colour, text};
use super::tiles::{ColourMap, contrast};
use ndarray::Array2;
use plotters::coord::Shift;
use plotters::prelude::{
    BitMapElement, Circle, DrawingArea, DrawingAreaErrorKind, DrawingBackend, PathElement, Polygon, Rectangle, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontTransform};

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

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

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

    pub(super) fn size(&self) -> (u32, u32) {
        let (left, bottom) = self.margins();
        let height = if self.equal {
            let ((x0, x1), (y0, y1)) = self.ranges();
            (self.width - left - self.right()) * (y1 - y0) / (x1 - x0) + TOP + bottom
        } else {
            self.height
        };
        let lines = self.places().last().map_or(0.0, |p| p.1 + 1.0);
        (self.width.ceil() as u32, (height + lines * LINE + if lines > 0.0 { 6.0 } else { 0.0 }).ceil() as u32)
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

    pub(super) fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>, scale: f64) -> Drawn<DB> {
        let lines = self.places().last().map_or(0.0, |p| p.1 + 1.0);
        let below = if lines > 0.0 { lines * LINE + 6.0 } else { 0.0 };
        let bottom = f64::from(self.size().1) - below;
        let (left, under) = self.margins();
        let frame = Inside {
            x: self.ranges().0,
            y: self.ranges().1,
            left,
            top: TOP,
            width: self.width - left - self.right(),
            height: bottom - TOP - under,
            down: self.down,
            scale,
        };
        if self.axes {
            self.draw_axes(area, &frame)?;
        }
        for shape in &self.shapes {
            self.draw_shape(area, shape, &frame)?;
        }
        if self.axes {
            let corners = [frame.at(frame.x.0, frame.y.0), frame.at(frame.x.1, frame.y.1)];
            area.draw(&Rectangle::new(corners, INK.stroke_width(scale.round().max(1.0) as u32)))?;
        }
        if let Some((low, high, words)) = &self.bar {
            let place = (self.width - RIGHT - BAR + 14.0, TOP, bottom - under);
            draw_bar(area, (*low, *high), words, place, scale)?;
        }
        self.draw_legend(area, bottom, scale)
    }

    /// Lines across, numbers and names along the axes.
    fn draw_axes<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>, frame: &Inside) -> Drawn<DB> {
        let scale = frame.scale;
        let px = |v: f64| (v * scale).round() as i32;
        let words =
            |axis: &Axis, v: f64| number(round(if axis.scale == Scale::Logarithmic { 10_f64.powf(v) } else { v }));
        let style = |h, v| text(TEXT - 0.5, scale, INK).pos(Pos::new(h, v));
        let thin = FAINT.stroke_width(scale.round().max(1.0) as u32);
        let bottom = frame.top + frame.height;
        for tick in ticks(&self.y, frame.y.0, frame.y.1) {
            let (left, y) = frame.at(frame.x.0, tick);
            area.draw(&PathElement::new(vec![(left, y), frame.at(frame.x.1, tick)], thin))?;
            area.draw(&Text::new(words(&self.y, tick), (left - px(6.0), y), style(HPos::Right, VPos::Center)))?;
        }
        for tick in ticks(&self.x, frame.x.0, frame.x.1) {
            let x = frame.at(tick, frame.y.0).0;
            area.draw(&PathElement::new(
                vec![(x, px(bottom)), (x, px(bottom + 4.0))],
                INK.stroke_width(thin.stroke_width),
            ))?;
            area.draw(&Text::new(words(&self.x, tick), (x, px(bottom + 6.0)), style(HPos::Center, VPos::Top)))?;
        }
        let name = |h, v| text(TEXT, scale, INK).pos(Pos::new(h, v));
        let middle = (px(frame.left + frame.width / 2.0), px(bottom + BOTTOM - 4.0));
        area.draw(&Text::new(self.x.label.clone(), middle, name(HPos::Center, VPos::Bottom)))?;
        let turned = name(HPos::Center, VPos::Center).transform(FontTransform::Rotate270);
        let middle = (px(12.0), px(frame.top + frame.height / 2.0));
        area.draw(&Text::new(self.y.label.clone(), middle, turned))
    }

    fn draw_shape<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        shape: &Shape,
        frame: &Inside,
    ) -> Drawn<DB> {
        let scale = frame.scale;
        let at = |p: &Place| frame.at(self.x.to(p.0), self.y.to(p.1));
        let line = |c: &Rgb, width: f64| colour(*c).stroke_width((width * scale).round().max(1.0) as u32);
        match shape {
            Shape::Line { places, colour, width } => {
                area.draw(&PathElement::new(places.iter().map(at).collect::<Vec<_>>(), line(colour, *width)))
            }
            Shape::Band { ends, colour: c } => {
                let low = ends.iter().map(|e| at(&(e.0, e.1)));
                let high = ends.iter().rev().map(|e| at(&(e.0, e.2)));
                area.draw(&Polygon::new(low.chain(high).collect::<Vec<_>>(), colour(*c).mix(0.25)))
            }
            Shape::Discs { places, colour: c, radius } => {
                let radius = (radius * scale).round() as i32;
                places.iter().try_for_each(|p| area.draw(&Circle::new(at(p), radius, colour(*c).filled())))
            }
            Shape::Whiskers { ends, colour } => ends.iter().try_for_each(|e| {
                area.draw(&PathElement::new(vec![at(&(e.0, e.1)), at(&(e.0, e.2))], line(colour, 1.5)))
            }),
            Shape::Patch { places, colour: c } => {
                let mut outline: Vec<(i32, i32)> = places.iter().map(at).collect();
                area.draw(&Polygon::new(outline.clone(), colour(*c).mix(0.6)))?;
                outline.extend(outline.first().copied());
                area.draw(&PathElement::new(outline, line(c, 1.5)))
            }
            Shape::Image { image, size } => {
                let ((left, top), (right, bottom)) = (at(&(0.0, 0.0)), at(size));
                let (w, h) = ((right - left).max(1) as u32, (bottom - top).max(1) as u32);
                match BitMapElement::with_owned_buffer((left, top), (w, h), grey(image, w, h)) {
                    Some(bitmap) => area.draw(&bitmap),
                    None => Ok(()),
                }
            }
            Shape::Words { at: place, words } => {
                let style = text(TEXT - 1.0, scale, INK).pos(Pos::new(HPos::Left, VPos::Center));
                area.draw(&Text::new(words.clone(), at(place), style))
            }
        }
    }

    fn draw_legend<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>, top: f64, scale: f64) -> Drawn<DB> {
        let px = |v: f64| (v * scale).round() as i32;
        for ((rgb, words), (left, line)) in self.legend.iter().zip(self.places()) {
            let top = top + line * LINE;
            let swatch = [(px(left), px(top + 5.0)), (px(left + 16.0), px(top + 11.0))];
            area.draw(&Rectangle::new(swatch, colour(*rgb).filled()))?;
            area.draw(&Text::new(words.clone(), (px(left + 22.0), px(top + 1.0)), text(TEXT - 0.5, scale, INK)))?;
        }
        Ok(())
    }

    /// Where each entry of the legend begins, and in which line.
    fn places(&self) -> Vec<Place> {
        let start = self.margins().0;
        let (mut left, mut line) = (start, 0.0);
        let place = |(_, words): &(Rgb, String)| {
            let long = 22.0 + words.chars().count() as f64 * 0.6 * TEXT + 16.0;
            if left > start && left + long - 16.0 > self.width {
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
fn draw_bar<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    (low, high): Place,
    words: &str,
    (left, top, bottom): (f64, f64, f64),
    scale: f64,
) -> Drawn<DB> {
    let px = |v: f64| (v * scale).round() as i32;
    let (top, bottom) = (top + LINE, bottom - 4.0);
    let (w, h) = (px(12.0).max(1) as u32, px(bottom - top).max(1) as u32);
    let level = |i: u32| 1.0 - (i / w) as f32 / (h - 1).max(1) as f32;
    let rgb = (0..w * h).map(|i| ColourMap::Viridis.rgb(level(i))).flat_map(|(r, g, b)| [r, g, b]).collect();
    if let Some(bar) = BitMapElement::with_owned_buffer((px(left), px(top)), (w, h), rgb) {
        area.draw(&bar)?;
    }
    area.draw(&Text::new(words.to_string(), (px(left), px(top - LINE)), text(TEXT - 0.5, scale, INK)))?;
    for share in [0.0, 0.5, 1.0] {
        let y = bottom - share * (bottom - top);
        let style = text(TEXT - 0.5, scale, INK).pos(Pos::new(HPos::Left, VPos::Center));
        let value = number(round(low + share * (high - low)));
        area.draw(&Text::new(value, (px(left + 17.0), px(y)), style))?;
    }
    Ok(())
}

/// Grey levels at the size they are drawn, the nearest pixel's.
fn grey(image: &Array2<f32>, w: u32, h: u32) -> Vec<u8> {
    let (low, high) = contrast(image.iter().copied());
    let (rows, columns) = image.dim();
    let at = |i: u32, n: u32, of: usize| ((i as usize * of) / n as usize).min(of - 1);
    let level = |y: u32, x: u32| ((image[[at(y, h, rows), at(x, w, columns)]] - low) / (high - low)).clamp(0.0, 1.0);
    (0..h).flat_map(|y| (0..w).map(move |x| (y, x))).flat_map(|(y, x)| [(255.0 * level(y, x)) as u8; 3]).collect()
}
