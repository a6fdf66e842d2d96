//! What a figure is made of before it becomes a file: shapes, words and images on a sheet, in CSS pixels (96 to the inch).
//!
//! Every kind of plot draws on a [`Canvas`]; SVG, PNG and PDF are written from the same one, so that all three show the
//! same layout.

use super::font::Font;
use super::theme::{Rgb, Theme};
use std::sync::Arc;

/// A colour and how opaque it is, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Paint {
    pub rgb: Rgb,
    pub alpha: f64,
}

impl From<Rgb> for Paint {
    fn from(rgb: Rgb) -> Paint {
        Paint { rgb, alpha: 1.0 }
    }
}

impl Paint {
    pub(super) fn mix(rgb: Rgb, alpha: f64) -> Paint {
        Paint { rgb, alpha }
    }
}

/// Where words stand relative to their place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Across {
    Left,
    Middle,
    Right,
}

/// The same along the other direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Down {
    Top,
    Middle,
    Bottom,
}

/// How words look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Size of an em.
    pub size: f64,
    pub paint: Paint,
    pub across: Across,
    pub down: Down,
    /// Read upwards.
    pub up: bool,
    pub bold: bool,
}

impl Style {
    pub(super) fn new(size: f64, rgb: Rgb) -> Style {
        Style { size, paint: rgb.into(), across: Across::Left, down: Down::Top, up: false, bold: false }
    }

    pub(super) fn at(self, across: Across, down: Down) -> Style {
        Style { across, down, ..self }
    }
}

/// One thing on a canvas.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Rect {
        at: [f64; 4],
        fill: Option<Paint>,
        stroke: Option<(Paint, f64)>,
    },
    Circle {
        at: (f64, f64),
        radius: f64,
        fill: Option<Paint>,
        stroke: Option<(Paint, f64)>,
    },
    Line {
        points: Vec<(f64, f64)>,
        paint: Paint,
        width: f64,
    },
    Area {
        points: Vec<(f64, f64)>,
        paint: Paint,
    },
    /// From the left end of the baseline.
    Words {
        at: (f64, f64),
        words: String,
        size: f64,
        paint: Paint,
        up: bool,
        bold: bool,
    },
    Image {
        at: [f64; 4],
        image: Arc<Pixels>,
    },
}

/// Rows of red, green and blue.
#[derive(Debug, PartialEq)]
pub(super) struct Pixels {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

/// Left, top, width, height outside of which nothing is drawn.
pub(super) type Clip = Option<[f64; 4]>;

/// A sheet with things on it, later ones over earlier ones.
pub(super) struct Canvas {
    pub width: f64,
    pub height: f64,
    pub theme: Theme,
    /// What is drawn from now on is cut here.
    pub clip: Clip,
    pub items: Vec<(Item, Clip)>,
}

impl Canvas {
    pub(super) fn new((width, height): (f64, f64), theme: Theme) -> Canvas {
        Canvas { width, height, theme, clip: None, items: vec![] }
    }

    fn push(&mut self, item: Item) {
        self.items.push((item, self.clip));
    }

    /// Between two opposite corners.
    pub(super) fn fill(&mut self, a: (f64, f64), b: (f64, f64), paint: impl Into<Paint>) {
        self.push(Item::Rect { at: corners(a, b), fill: Some(paint.into()), stroke: None });
    }

    pub(super) fn frame(&mut self, a: (f64, f64), b: (f64, f64), paint: impl Into<Paint>, width: f64) {
        self.push(Item::Rect { at: corners(a, b), fill: None, stroke: Some((paint.into(), width)) });
    }

    pub(super) fn line(&mut self, points: Vec<(f64, f64)>, paint: impl Into<Paint>, width: f64) {
        // What is no number, or out of all reach, breaks a line instead of the file.
        let near = |p: &(f64, f64)| p.0.abs() < 1e5 && p.1.abs() < 1e5;
        let paint = paint.into();
        for part in points.split(|p| !near(p)).filter(|part| part.len() > 1) {
            self.push(Item::Line { points: part.to_vec(), paint, width });
        }
    }

    pub(super) fn area(&mut self, points: Vec<(f64, f64)>, paint: impl Into<Paint>) {
        let points: Vec<_> = points.into_iter().filter(|p| p.0.abs() < 1e5 && p.1.abs() < 1e5).collect();
        if points.len() > 2 {
            self.push(Item::Area { points, paint: paint.into() });
        }
    }

    pub(super) fn disc(&mut self, at: (f64, f64), radius: f64, paint: impl Into<Paint>) {
        self.circle(at, radius, Some(paint.into()), None);
    }

    pub(super) fn ring(&mut self, at: (f64, f64), radius: f64, paint: impl Into<Paint>, width: f64) {
        self.circle(at, radius, None, Some((paint.into(), width)));
    }

    fn circle(&mut self, at: (f64, f64), radius: f64, fill: Option<Paint>, stroke: Option<(Paint, f64)>) {
        if at.0.abs() < 1e5 && at.1.abs() < 1e5 {
            self.push(Item::Circle { at, radius, fill, stroke });
        }
    }

    pub(super) fn image(&mut self, (left, top): (f64, f64), (width, height): (f64, f64), image: Pixels) {
        self.push(Item::Image { at: [left, top, width, height], image: Arc::new(image) });
    }

    pub(super) fn words(&mut self, words: impl Into<String>, (x, y): (f64, f64), style: Style) {
        let words = words.into();
        if words.is_empty() || !(x.abs() < 1e5 && y.abs() < 1e5) {
            return;
        }
        let long = Font::embedded().width(&words, style.size);
        let along = match style.across {
            Across::Left => 0.0,
            Across::Middle => -0.5 * long,
            Across::Right => -long,
        };
        // Capitals of DejaVu Sans are 0.73 em high; what hangs below the line takes 0.24 em.
        let below = style.size
            * match style.down {
                Down::Top => 0.76,
                Down::Middle => 0.36,
                Down::Bottom => -0.24,
            };
        let at = if style.up { (x + below, y - along) } else { (x + along, y + below) };
        let (size, paint, up, bold) = (style.size, style.paint, style.up, style.bold);
        self.push(Item::Words { at, words, size, paint, up, bold });
    }

    /// Puts all of another canvas on this one, its upper left corner at a place, `times` as large.
    pub(super) fn place(&mut self, other: Canvas, (dx, dy): (f64, f64), times: f64) {
        let at = |(x, y): (f64, f64)| (dx + times * x, dy + times * y);
        let rect = |[x, y, w, h]: [f64; 4]| [dx + times * x, dy + times * y, times * w, times * h];
        let wide = |stroke: Option<(Paint, f64)>| stroke.map(|(paint, width)| (paint, times * width));
        for (item, clip) in other.items {
            let item = match item {
                Item::Rect { at, fill, stroke } => Item::Rect { at: rect(at), fill, stroke: wide(stroke) },
                Item::Circle { at: a, radius, fill, stroke } => {
                    Item::Circle { at: at(a), radius: times * radius, fill, stroke: wide(stroke) }
                }
                Item::Line { points, paint, width } => {
                    Item::Line { points: points.into_iter().map(at).collect(), paint, width: times * width }
                }
                Item::Area { points, paint } => Item::Area { points: points.into_iter().map(at).collect(), paint },
                Item::Words { at: a, words, size, paint, up, bold } => {
                    Item::Words { at: at(a), words, size: times * size, paint, up, bold }
                }
                Item::Image { at, image } => Item::Image { at: rect(at), image },
            };
            self.items.push((item, clip.map(rect)));
        }
    }

    /// The smallest text, in points (72 to the inch).
    pub(super) fn smallest_text(&self) -> Option<f64> {
        let sizes = self.items.iter().filter_map(|(item, _)| match item {
            Item::Words { size, .. } => Some(0.75 * size),
            _ => None,
        });
        sizes.reduce(f64::min)
    }
}

fn corners(a: (f64, f64), b: (f64, f64)) -> [f64; 4] {
    let (x, y) = (a.0.min(b.0).clamp(-1e5, 1e5), a.1.min(b.1).clamp(-1e5, 1e5));
    [x, y, (a.0.max(b.0).clamp(-1e5, 1e5)) - x, (a.1.max(b.1).clamp(-1e5, 1e5)) - y]
}
