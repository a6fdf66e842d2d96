//! The embedded font, as outlines: text looks the same on every machine, with or without fonts.

use ab_glyph::{Font as _, FontRef, GlyphId, OutlineCurve};
use std::sync::OnceLock;

/// The file: DejaVu Sans.
pub(super) const FILE: &[u8] = include_bytes!("font/DejaVuSans.ttf");

/// One stroke of an outline, in units of the font, y upwards.
#[derive(Clone, Copy)]
pub(super) enum Stroke {
    Move((f64, f64)),
    Line((f64, f64)),
    /// With one control point.
    Quad((f64, f64), (f64, f64)),
    /// With two.
    Cubic((f64, f64), (f64, f64), (f64, f64)),
    Close,
}

/// The embedded font.
pub(super) struct Font {
    font: FontRef<'static>,
    /// Units of the font to the em.
    pub em: f64,
}

impl Font {
    /// Bold letters are drawn twice, so much of an em apart: one font is enough.
    pub(super) const BOLD: f64 = 0.05;

    pub(super) fn embedded() -> &'static Font {
        static FONT: OnceLock<Font> = OnceLock::new();
        FONT.get_or_init(|| {
            let font = FontRef::try_from_slice(FILE).expect("the file that is compiled in is a font");
            let em = f64::from(font.units_per_em().unwrap_or(2048.0));
            Font { font, em }
        })
    }

    /// The glyphs of a text and where each begins along the baseline, in units of the font; then its length.
    pub(super) fn lay(&self, words: &str) -> (Vec<(u16, f64)>, f64) {
        let (mut glyphs, mut x, mut before) = (vec![], 0.0, None::<GlyphId>);
        for char in words.chars() {
            let glyph = self.font.glyph_id(char);
            x += before.map_or(0.0, |b| f64::from(self.font.kern_unscaled(b, glyph)));
            glyphs.push((glyph.0, x));
            x += f64::from(self.font.h_advance_unscaled(glyph));
            before = Some(glyph);
        }
        (glyphs, x)
    }

    /// Length of a text whose em has a size, in the size's unit.
    pub(super) fn width(&self, words: &str, size: f64) -> f64 {
        self.lay(words).1 * size / self.em
    }

    /// The outline of a glyph; nothing for a space.
    pub(super) fn outline(&self, glyph: u16) -> Vec<Stroke> {
        let Some(outline) = self.font.outline(GlyphId(glyph)) else { return vec![] };
        let point = |p: ab_glyph::Point| (f64::from(p.x), f64::from(p.y));
        let (mut strokes, mut at) = (vec![], None);
        for curve in outline.curves {
            let (from, to, stroke) = match curve {
                OutlineCurve::Line(a, b) => (point(a), point(b), Stroke::Line(point(b))),
                OutlineCurve::Quad(a, b, c) => (point(a), point(c), Stroke::Quad(point(b), point(c))),
                OutlineCurve::Cubic(a, b, c, d) => (point(a), point(d), Stroke::Cubic(point(b), point(c), point(d))),
            };
            if at != Some(from) {
                strokes.extend(at.map(|_| Stroke::Close));
                strokes.push(Stroke::Move(from));
            }
            strokes.push(stroke);
            at = Some(to);
        }
        strokes.extend(at.map(|_| Stroke::Close));
        strokes
    }

    /// As many of the first characters as fit into a width, with an ellipsis where some do not.
    pub(super) fn cut(&self, words: &str, size: f64, width: f64) -> String {
        if self.width(words, size) <= width {
            return words.to_string();
        }
        let chars: Vec<char> = words.chars().collect();
        let shorter = (0..chars.len()).rev().map(|n| chars[..n].iter().collect::<String>() + "…");
        shorter.into_iter().find(|s| self.width(s, size) <= width).unwrap_or_default()
    }
}
