//! Figures made of a few shapes: matrices, graphs, ribbons.

use super::canvas::{Across, Canvas, Down, Style};
use super::room::Room;
use super::theme::{INK, Rgb, TEXT, text};

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

/// Words and lines on the paper; a theme may draw them light on dark.
pub(crate) const BLACK: Rgb = INK;

impl Sketch {
    pub(crate) fn words(&mut self, at: (f64, f64), words: impl Into<String>, side: Side) {
        self.shapes.push(Shape::Words { at, words: words.into(), size: TEXT, colour: BLACK, side, up: false });
    }

    /// At a width every length is scaled, letters not below what can be read.
    pub(super) fn size(&self, room: Room) -> (f64, f64) {
        let times = room.width.map_or(1.0, |w| w / self.size.0);
        (times * self.size.0, times * self.size.1)
    }

    pub(super) fn draw(&self, canvas: &mut Canvas) {
        let (theme, times) = (canvas.theme, canvas.width / self.size.0);
        let place = |(x, y): (f64, f64)| (times * x, times * y);
        let all = |points: &[(f64, f64)]| points.iter().map(|p| place(*p)).collect();
        for shape in &self.shapes {
            match shape {
                Shape::Box { at: [x, y, w, h], fill } => {
                    canvas.fill(place((*x, *y)), place((x + w, y + h)), theme.adapt(*fill));
                }
                Shape::Line { points, colour, width } => {
                    canvas.line(all(points), theme.adapt(*colour), times * width);
                }
                Shape::Area { points, fill } => canvas.area(all(points), theme.adapt(*fill)),
                Shape::Disc { at, radius, fill, line } => {
                    if let Some(fill) = fill {
                        canvas.disc(place(*at), times * radius, theme.adapt(*fill));
                    }
                    canvas.ring(place(*at), times * radius, theme.adapt(*line), 1.2 * times);
                }
                Shape::Words { at, words, size, colour, side, up } => {
                    let across = match side {
                        Side::Left => Across::Left,
                        Side::Middle => Across::Middle,
                        Side::Right => Across::Right,
                    };
                    // Only what stands on the paper: letters in a coloured box keep their colour.
                    let rgb = if *colour == BLACK { theme.ink() } else { *colour };
                    let style = Style { up: *up, ..text(times * size, rgb).at(across, Down::Middle) };
                    canvas.words(words.clone(), place(*at), style);
                }
            }
        }
    }
}
