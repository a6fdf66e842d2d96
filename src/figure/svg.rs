//! SVG: shapes as they are, text as outlines of the embedded font with the words beside them for screen readers.

use super::canvas::{Canvas, Clip, Item, Paint};
use super::font::{Font, Stroke};
use super::picture::png;
use crate::show::escape_html;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A number with at most two decimals.
fn n(v: f64) -> String {
    let text = format!("{v:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

fn hex(paint: Paint) -> String {
    let (r, g, b) = paint.rgb;
    format!("#{r:02X}{g:02X}{b:02X}")
}

fn fill(paint: Option<Paint>) -> String {
    match paint {
        None => " fill=\"none\"".into(),
        Some(p) if p.alpha < 1.0 => format!(" fill=\"{}\" fill-opacity=\"{}\"", hex(p), n(p.alpha)),
        Some(p) => format!(" fill=\"{}\"", hex(p)),
    }
}

fn stroke(stroke: Option<(Paint, f64)>) -> String {
    let Some((p, width)) = stroke else { return String::new() };
    let opacity = if p.alpha < 1.0 { format!(" stroke-opacity=\"{}\"", n(p.alpha)) } else { String::new() };
    format!(" stroke=\"{}\" stroke-width=\"{}\"{opacity}", hex(p), n(width))
}

fn points(points: &[(f64, f64)]) -> String {
    points.iter().map(|p| format!("{},{}", n(p.0), n(p.1))).collect::<Vec<_>>().join(" ")
}

/// The document. `mm` is the width that it asks for, where it asks for one.
pub(super) fn write(canvas: &Canvas, mm: Option<f64>, alt: &str) -> String {
    let (mut body, mut clips, mut glyphs) = (String::new(), Clips::default(), BTreeMap::new());
    let paper = fill(Some(canvas.theme.paper().into()));
    let _ = writeln!(body, "<rect width=\"100%\" height=\"100%\"{paper}/>");
    let mut open: Clip = None;
    for (item, clip) in &canvas.items {
        if *clip != open {
            body.push_str(if open.is_some() { "</g>\n" } else { "" });
            if let Some(clip) = clip {
                let _ = writeln!(body, "<g clip-path=\"url(#PREFIXc{})\">", clips.number(*clip));
            }
            open = *clip;
        }
        put(&mut body, item, &mut glyphs);
    }
    body.push_str(if open.is_some() { "</g>\n" } else { "" });
    let mut defs = String::new();
    for (glyph, outline) in &glyphs {
        let _ = writeln!(defs, "<path id=\"PREFIXg{glyph}\" d=\"{outline}\"/>");
    }
    for (i, [x, y, w, h]) in clips.0.iter().enumerate() {
        let rect = format!("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>", n(*x), n(*y), n(*w), n(*h));
        let _ = writeln!(defs, "<clipPath id=\"PREFIXc{i}\">{rect}</clipPath>");
    }
    let (w, h) = (canvas.width, canvas.height);
    let (wide, high) = match mm {
        Some(mm) => (format!("{}mm", n(mm)), format!("{}mm", n(mm * h / w))),
        None => (n(w), n(h)),
    };
    let alt = escape_html(alt);
    let head = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{wide}\" \
         height=\"{high}\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{alt}\">\n<title>{alt}</title>\n",
        n(w),
        n(h)
    );
    // A page may hold many figures: names are those of this one alone.
    let prefix = prefix(body.as_bytes());
    let all = format!("<defs>\n{defs}</defs>\n{body}").replace("PREFIX", &prefix);
    format!("{head}{all}</svg>\n")
}

/// Letters that follow from the content (FNV-1a, 64 bits).
pub(super) fn prefix(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    format!("a{hash:016x}")
}

#[derive(Default)]
struct Clips(Vec<[f64; 4]>);

impl Clips {
    fn number(&mut self, clip: [f64; 4]) -> usize {
        self.0.iter().position(|c| *c == clip).unwrap_or_else(|| {
            self.0.push(clip);
            self.0.len() - 1
        })
    }
}

fn put(body: &mut String, item: &Item, glyphs: &mut BTreeMap<u16, String>) {
    let _ = match item {
        Item::Rect { at: [x, y, w, h], fill: f, stroke: s } => {
            let (x, y, w, h) = (n(*x), n(*y), n(*w), n(*h));
            writeln!(body, "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"{}{}/>", fill(*f), stroke(*s))
        }
        Item::Circle { at, radius, fill: f, stroke: s } => {
            let (x, y, r) = (n(at.0), n(at.1), n(*radius));
            writeln!(body, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\"{}{}/>", fill(*f), stroke(*s))
        }
        Item::Line { points: p, paint, width } => {
            let style = stroke(Some((*paint, *width)));
            writeln!(body, "<polyline fill=\"none\"{style} stroke-linejoin=\"round\" points=\"{}\"/>", points(p))
        }
        Item::Area { points: p, paint } => {
            writeln!(body, "<polygon{} points=\"{}\"/>", fill(Some(*paint)), points(p))
        }
        Item::Image { at: [x, y, w, h], image } => {
            use base64::Engine as _;
            let data = base64::engine::general_purpose::STANDARD.encode(png(image, None));
            // Enlarged pixels are squares, as they are in the data.
            let squares = if image.width as f64 <= 2.0 * w { " style=\"image-rendering:pixelated\"" } else { "" };
            let (x, y, w, h) = (n(*x), n(*y), n(*w), n(*h));
            writeln!(
                body,
                "<image x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" preserveAspectRatio=\"none\"{squares} \
                 xlink:href=\"data:image/png;base64,{data}\"/>"
            )
        }
        Item::Words { at, words, size, paint, up, bold } => {
            let font = Font::embedded();
            let scale = size / font.em;
            let turn = if *up { " rotate(-90)" } else { "" };
            let _ = writeln!(
                body,
                "<g role=\"text\" aria-label=\"{}\"{} transform=\"translate({} {}){turn} scale({scale:.6} \
                 -{scale:.6})\">",
                escape_html(words),
                fill(Some(*paint)),
                n(at.0),
                n(at.1)
            );
            for (glyph, x) in font.lay(words).0 {
                let outline = glyphs.entry(glyph).or_insert_with(|| path(&font.outline(glyph)));
                let starts = [Some(0.0), bold.then_some(Font::BOLD * font.em)];
                for start in starts.into_iter().flatten().filter(|_| !outline.is_empty()) {
                    let _ = write!(body, "<use xlink:href=\"#PREFIXg{glyph}\" x=\"{}\"/>", n(x + start));
                }
            }
            writeln!(body, "</g>")
        }
    };
    glyphs.retain(|_, outline| !outline.is_empty());
}

/// An outline as SVG writes it.
fn path(strokes: &[Stroke]) -> String {
    let p = |(x, y): (f64, f64)| format!("{} {}", n(x), n(y));
    let one = |stroke: &Stroke| match *stroke {
        Stroke::Move(a) => format!("M{}", p(a)),
        Stroke::Line(a) => format!("L{}", p(a)),
        Stroke::Quad(a, b) => format!("Q{} {}", p(a), p(b)),
        Stroke::Cubic(a, b, c) => format!("C{} {} {}", p(a), p(b), p(c)),
        Stroke::Close => "Z".into(),
    };
    strokes.iter().map(one).collect()
}
