//! Figures made of a few shapes: matrices, graphs, ribbons.

use super::theme::{INK, Rgb, TEXT, colour, text};
use plotters::coord::Shift;
use plotters::prelude::{
    Circle, DrawingArea, DrawingAreaErrorKind, DrawingBackend, PathElement, Polygon, Rectangle, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontTransform, RGBColor};

/// Where a text stands relative to its place.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Left,
    Middle,
    Right,
}

/// One shape; all lengths in CSS pixels from the upper left corner.
pub(crate) enum Shape {
    /// Left, top, width, height.
    Box {
        at: [f64; 4],
        fill: Rgb,
    },
    Line {
        points: Vec<(f64, f64)>,
        colour: Rgb,
        width: f64,
    },
    Area {
        points: Vec<(f64, f64)>,
        fill: Rgb,
    },
    Disc {
        at: (f64, f64),
        radius: f64,
        fill: Option<Rgb>,
        line: Rgb,
    },
    /// Vertically centred on its place; `up` reads upwards.
    Words {
        at: (f64, f64),
        words: String,
        size: f64,
        colour: Rgb,
        side: Side,
        up: bool,
    },
}

/// Shapes, drawn one over the other.
pub(crate) struct Sketch {
    pub size: (f64, f64),
    pub shapes: Vec<Shape>,
}

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

pub(crate) const BLACK: Rgb = (INK.0, INK.1, INK.2);

impl Sketch {
    pub(crate) fn words(&mut self, at: (f64, f64), words: impl Into<String>, side: Side) {
        self.shapes.push(Shape::Words { at, words: words.into(), size: TEXT, colour: BLACK, side, up: false });
    }

    pub(super) fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>, scale: f64) -> Drawn<DB> {
        let px = |v: f64| (v * scale).round() as i32;
        let place = |(x, y): (f64, f64)| (px(x), px(y));
        for shape in &self.shapes {
            match shape {
                Shape::Box { at: [x, y, w, h], fill } => {
                    area.draw(&Rectangle::new([place((*x, *y)), place((x + w, y + h))], colour(*fill).filled()))?;
                }
                Shape::Line { points, colour: c, width } => {
                    let style = colour(*c).stroke_width((width * scale).round().max(1.0) as u32);
                    area.draw(&PathElement::new(points.iter().map(|p| place(*p)).collect::<Vec<_>>(), style))?;
                }
                Shape::Area { points, fill } => {
                    area.draw(&Polygon::new(
                        points.iter().map(|p| place(*p)).collect::<Vec<_>>(),
                        colour(*fill).filled(),
                    ))?;
                }
                Shape::Disc { at, radius, fill, line } => {
                    if let Some(fill) = fill {
                        area.draw(&Circle::new(place(*at), px(*radius), colour(*fill).filled()))?;
                    }
                    area.draw(&Circle::new(
                        place(*at),
                        px(*radius),
                        colour(*line).stroke_width(px(1.2).max(1) as u32),
                    ))?;
                }
                Shape::Words { at, words, size, colour: (r, g, b), side, up } => {
                    let side = match side {
                        Side::Left => HPos::Left,
                        Side::Middle => HPos::Center,
                        Side::Right => HPos::Right,
                    };
                    let mut style = text(*size, scale, RGBColor(*r, *g, *b)).pos(Pos::new(side, VPos::Center));
                    if *up {
                        style = style.transform(FontTransform::Rotate270);
                    }
                    area.draw(&Text::new(words.clone(), place(*at), style))?;
                }
            }
        }
        Ok(())
    }
}
