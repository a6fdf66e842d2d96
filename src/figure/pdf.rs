//! PDF: the same shapes as vectors, images without loss, text as outlines with the words, invisible, over them, so that
//! they can be searched and copied.

use super::canvas::{Canvas, Clip, Item, Paint, Pixels};
use super::font::{Font, Stroke};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Points to a CSS pixel.
const POINTS: f64 = 0.75;
/// Control points of a quarter of a circle.
const ROUND: f64 = 0.552_284_75;

/// One page of the canvas's size.
pub(super) fn write(canvas: &Canvas, title: &str) -> Vec<u8> {
    let (width, height) = (POINTS * canvas.width, POINTS * canvas.height);
    let mut page = Page { content: Content::new(), alphas: BTreeSet::new(), images: vec![] };
    // Units are CSS pixels, y downwards.
    page.content.transform([POINTS as f32, 0.0, 0.0, -POINTS as f32, 0.0, height as f32]);
    page.fill(canvas.theme.paper().into());
    page.content.rect(0.0, 0.0, canvas.width as f32, canvas.height as f32).fill_nonzero();
    let mut open: Clip = None;
    for (item, clip) in &canvas.items {
        if *clip != open {
            if open.is_some() {
                page.content.restore_state();
            }
            if let Some([x, y, w, h]) = *clip {
                page.content.save_state();
                page.content.rect(x as f32, y as f32, w as f32, h as f32).clip_nonzero().end_path();
            }
            open = *clip;
        }
        page.put(item);
    }
    if open.is_some() {
        page.content.restore_state();
    }
    page.finish((width, height), title)
}

struct Page {
    content: Content,
    /// In hundredths.
    alphas: BTreeSet<u32>,
    images: Vec<Arc<Pixels>>,
}

fn unit(v: u8) -> f32 {
    f32::from(v) / 255.0
}

/// What is said in Windows' Latin letters, which the standard fonts have.
fn latin(words: &str) -> Vec<u8> {
    words.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(bytes, 6)
}

impl Page {
    fn alpha(&mut self, alpha: f64) {
        let hundredths = (100.0 * alpha).round().clamp(0.0, 100.0) as u32;
        self.alphas.insert(hundredths);
        self.content.set_parameters(Name(format!("A{hundredths}").as_bytes()));
    }

    fn fill(&mut self, paint: Paint) {
        self.alpha(paint.alpha);
        let (r, g, b) = paint.rgb;
        self.content.set_fill_rgb(unit(r), unit(g), unit(b));
    }

    fn stroke(&mut self, paint: Paint, width: f64) {
        self.alpha(paint.alpha);
        let (r, g, b) = paint.rgb;
        self.content.set_stroke_rgb(unit(r), unit(g), unit(b)).set_line_width(width as f32);
        self.content.set_line_join(pdf_writer::types::LineJoinStyle::RoundJoin);
    }

    /// Draws the outline that `path` makes, filled, stroked, or first the one and then the other.
    fn shape(&mut self, fill: Option<Paint>, stroke: Option<(Paint, f64)>, path: impl Fn(&mut Content)) {
        if let Some(paint) = fill {
            self.fill(paint);
            path(&mut self.content);
            self.content.fill_nonzero();
        }
        if let Some((paint, width)) = stroke {
            self.stroke(paint, width);
            path(&mut self.content);
            self.content.stroke();
        }
    }

    fn put(&mut self, item: &Item) {
        match item {
            Item::Rect { at: [x, y, w, h], fill, stroke } => self.shape(*fill, *stroke, |c| {
                c.rect(*x as f32, *y as f32, *w as f32, *h as f32);
            }),
            Item::Circle { at, radius, fill, stroke } => self.shape(*fill, *stroke, |c| circle(c, *at, *radius)),
            Item::Line { points, paint, width } => {
                self.shape(None, Some((*paint, *width)), |c| lines(c, points));
            }
            Item::Area { points, paint } => self.shape(Some(*paint), None, |c| {
                lines(c, points);
                c.close_path();
            }),
            Item::Image { at: [x, y, w, h], image } => {
                let known = self.images.iter().position(|i| Arc::ptr_eq(i, image) || i == image);
                let number = known.unwrap_or_else(|| {
                    self.images.push(image.clone());
                    self.images.len() - 1
                });
                self.alpha(1.0);
                self.content.save_state();
                self.content.transform([*w as f32, 0.0, 0.0, -*h as f32, *x as f32, (y + h) as f32]);
                self.content.x_object(Name(format!("I{number}").as_bytes()));
                self.content.restore_state();
            }
            Item::Words { at, words, size, paint, up, bold } => self.words(*at, words, *size, *paint, (*up, *bold)),
        }
    }

    fn words(&mut self, at: (f64, f64), words: &str, size: f64, paint: Paint, (up, bold): (bool, bool)) {
        let font = Font::embedded();
        let unit = (size / font.em) as f32;
        let (x, y) = (at.0 as f32, at.1 as f32);
        self.content.save_state();
        // The font's units, y upwards, along the line's direction.
        let turned = if up { [0.0, -unit, -unit, 0.0, x, y] } else { [unit, 0.0, 0.0, -unit, x, y] };
        self.content.transform(turned);
        self.fill(paint);
        let (glyphs, long) = font.lay(words);
        for (glyph, x) in glyphs {
            let strokes = font.outline(glyph);
            if strokes.is_empty() {
                continue;
            }
            for start in [Some(0.0), bold.then_some(Font::BOLD * font.em)].into_iter().flatten() {
                outline(&mut self.content, &strokes, x + start);
                self.content.fill_nonzero();
            }
        }
        // About as long as what is seen: letters of Helvetica are half an em wide.
        let stretch = 100.0 * long / (0.5 * font.em * words.chars().count().max(1) as f64);
        self.content.begin_text();
        self.content.set_text_rendering_mode(pdf_writer::types::TextRenderingMode::Invisible);
        self.content.set_font(Name(b"F"), font.em as f32).set_horizontal_scaling(stretch as f32);
        self.content.show(Str(&latin(words)));
        self.content.end_text();
        self.content.restore_state();
    }

    fn finish(self, (width, height): (f64, f64), title: &str) -> Vec<u8> {
        let [catalog, pages, page, content, font, information] = [1, 2, 3, 4, 5, 6].map(Ref::new);
        let image = |i: usize| Ref::new(10 + i as i32);
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(pages);
        pdf.pages(pages).kids([page]).count(1);
        let mut sheet = pdf.page(page);
        sheet.media_box(Rect::new(0.0, 0.0, width as f32, height as f32)).parent(pages).contents(content);
        let mut resources = sheet.resources();
        resources.fonts().pair(Name(b"F"), font);
        let mut states = resources.ext_g_states();
        for alpha in &self.alphas {
            let share = *alpha as f32 / 100.0;
            states
                .insert(Name(format!("A{alpha}").as_bytes()))
                .start::<pdf_writer::writers::ExtGraphicsState>()
                .non_stroking_alpha(share)
                .stroking_alpha(share);
        }
        states.finish();
        let mut objects = resources.x_objects();
        for i in 0..self.images.len() {
            objects.pair(Name(format!("I{i}").as_bytes()), image(i));
        }
        objects.finish();
        resources.finish();
        sheet.finish();
        let standard = Name(b"Helvetica");
        pdf.type1_font(font).base_font(standard).encoding_predefined(Name(b"WinAnsiEncoding"));
        for (i, pixels) in self.images.iter().enumerate() {
            let grey = pixels.is_grey();
            let data = if grey { packed(&pixels.levels()) } else { packed(&pixels.rgb) };
            let mut object = pdf.image_xobject(image(i), &data);
            object.width(pixels.width as i32).height(pixels.height as i32).bits_per_component(8);
            if grey {
                object.color_space().device_gray();
            } else {
                object.color_space().device_rgb();
            }
            object.filter(Filter::FlateDecode);
        }
        let data = packed(&self.content.finish());
        pdf.stream(content, &data).filter(Filter::FlateDecode);
        pdf.document_info(information).title(TextStr(title)).creator(TextStr("Atomotion"));
        pdf.finish()
    }
}

fn lines(content: &mut Content, points: &[(f64, f64)]) {
    for (i, &(x, y)) in points.iter().enumerate() {
        let (x, y) = (x as f32, y as f32);
        if i == 0 {
            content.move_to(x, y)
        } else {
            content.line_to(x, y)
        };
    }
}

fn circle(content: &mut Content, (x, y): (f64, f64), r: f64) {
    let k = ROUND * r;
    let to = |c: &mut Content, a: (f64, f64), b: (f64, f64), d: (f64, f64)| {
        let f = |p: (f64, f64)| ((x + p.0) as f32, (y + p.1) as f32);
        c.cubic_to(f(a).0, f(a).1, f(b).0, f(b).1, f(d).0, f(d).1);
    };
    content.move_to((x + r) as f32, y as f32);
    to(content, (r, k), (k, r), (0.0, r));
    to(content, (-k, r), (-r, k), (-r, 0.0));
    to(content, (-r, -k), (-k, -r), (0.0, -r));
    to(content, (k, -r), (r, -k), (r, 0.0));
    content.close_path();
}

fn outline(content: &mut Content, strokes: &[Stroke], along: f64) {
    let f = |(x, y): (f64, f64)| ((x + along) as f32, y as f32);
    let mut at = (0.0, 0.0);
    for stroke in strokes {
        match *stroke {
            Stroke::Move(a) => {
                content.move_to(f(a).0, f(a).1);
                at = a;
            }
            Stroke::Line(a) => {
                content.line_to(f(a).0, f(a).1);
                at = a;
            }
            Stroke::Quad(a, b) => {
                // PDF has cubic curves alone.
                let third = |p: (f64, f64)| (p.0 + 2.0 / 3.0 * (a.0 - p.0), p.1 + 2.0 / 3.0 * (a.1 - p.1));
                let (one, two) = (f(third(at)), f(third(b)));
                content.cubic_to(one.0, one.1, two.0, two.1, f(b).0, f(b).1);
                at = b;
            }
            Stroke::Cubic(a, b, c) => {
                content.cubic_to(f(a).0, f(a).1, f(b).0, f(b).1, f(c).0, f(c).1);
                at = c;
            }
            Stroke::Close => {
                content.close_path();
            }
        }
    }
}
