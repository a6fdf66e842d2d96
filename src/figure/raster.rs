//! Pixels: the canvas drawn with smooth edges, for PNG.

use super::canvas::{Canvas, Clip, Item, Paint, Pixels};
use super::font::Font;
use super::outline::{self, Polygon};
use crate::error::{Error, Result};
use ab_glyph_rasterizer::{Rasterizer, point};

/// The most pixels of a picture.
const MOST: f64 = 4e8;

/// Rows of red, green and blue with `scale` pixels to a CSS pixel.
pub(super) fn draw(canvas: &Canvas, scale: f64) -> Result<Pixels> {
    let px = |v: f64| (v * scale).round().max(1.0);
    let (width, height) = (px(canvas.width), px(canvas.height));
    if width * height > MOST {
        return Err(Error::Figure(format!("a picture of {width} x {height} pixels is too large: draw it smaller")));
    }
    let (width, height) = (width as usize, height as usize);
    let (r, g, b) = canvas.theme.paper();
    let rgb = [r, g, b].repeat(width * height);
    // A picture's pixels are whole: it is as little larger or smaller as that takes.
    let scale = (width as f64 / canvas.width, height as f64 / canvas.height);
    let mut sheet = Sheet { pixels: Pixels { width, height, rgb }, scale };
    for (item, clip) in &canvas.items {
        sheet.put(item, *clip);
    }
    Ok(sheet.pixels)
}

struct Sheet {
    pixels: Pixels,
    /// Pixels to a CSS pixel, across and down.
    scale: (f64, f64),
}

impl Sheet {
    fn put(&mut self, item: &Item, clip: Clip) {
        let (inside, edge) = outline::of(item, self.scale.0);
        match item {
            Item::Rect { fill, stroke, .. } | Item::Circle { fill, stroke, .. } => {
                fill.iter().for_each(|paint| self.fill(&inside, *paint, clip));
                stroke.iter().for_each(|(paint, _)| self.fill(&edge, *paint, clip));
            }
            Item::Line { paint, .. } => self.fill(&edge, *paint, clip),
            Item::Area { paint, .. } => self.fill(&inside, *paint, clip),
            Item::Image { at, image } => self.image(*at, image, clip),
            Item::Words { at, words, size, paint, up, bold } => {
                let font = Font::embedded();
                let unit = size / font.em;
                let starts = if *bold { vec![0.0, Font::BOLD * font.em] } else { vec![0.0] };
                for (glyph, x) in font.lay(words).0 {
                    let polygons = outline::glyph(&font.outline(glyph));
                    for start in &starts {
                        let to = |&(u, v): &(f64, f64)| {
                            let (along, above) = (unit * (x + start + u), unit * v);
                            if *up { (at.0 - above, at.1 - along) } else { (at.0 + along, at.1 - above) }
                        };
                        let placed: Vec<Polygon> = polygons.iter().map(|p| p.iter().map(to).collect()).collect();
                        self.fill(&placed, *paint, clip);
                    }
                }
            }
        }
    }

    /// The part of the sheet in which something is drawn, in whole pixels: left, top, right, bottom.
    fn reach(&self, (x0, y0): (f64, f64), (x1, y1): (f64, f64), clip: Clip) -> [usize; 4] {
        let [cx, cy, cw, ch] = clip.unwrap_or([-1e9, -1e9, 2e9, 2e9]);
        let (w, h) = (self.pixels.width, self.pixels.height);
        let (sx, sy) = self.scale;
        let low = |v: f64, c: f64, n: usize| (v.floor().max(c.round()).max(0.0) as usize).min(n);
        let high = |v: f64, c: f64, n: usize| (v.ceil().min(c.round()).max(0.0) as usize).min(n);
        [low(x0, sx * cx, w), low(y0, sy * cy, h), high(x1, sx * (cx + cw), w), high(y1, sy * (cy + ch), h)]
    }

    /// Fills polygons that turn one way, and holes that turn the other.
    fn fill(&mut self, polygons: &[Polygon], paint: Paint, clip: Clip) {
        let scaled = |p: &(f64, f64)| (p.0 * self.scale.0, p.1 * self.scale.1);
        let all = || polygons.iter().flatten().map(scaled);
        let start = all().fold((f64::MAX, f64::MAX), |m, p| (m.0.min(p.0), m.1.min(p.1)));
        let end = all().fold((f64::MIN, f64::MIN), |m, p| (m.0.max(p.0), m.1.max(p.1)));
        let [left, top, right, bottom] = self.reach(start, end, clip);
        if left >= right || top >= bottom {
            return;
        }
        let (w, h) = (right - left, bottom - top);
        let mut raster = Rasterizer::new(w, h);
        for polygon in polygons {
            for (i, a) in polygon.iter().enumerate() {
                let b = &polygon[(i + 1) % polygon.len()];
                let inside = |p: (f64, f64)| (p.0 - left as f64, p.1 - top as f64);
                edge(&mut raster, inside(scaled(a)), inside(scaled(b)), w as f64);
            }
        }
        let (r, g, b) = paint.rgb;
        let across = self.pixels.width;
        let rgb = &mut self.pixels.rgb;
        raster.for_each_pixel_2d(|x, y, cover| {
            let share = f64::from(cover.clamp(0.0, 1.0)) * paint.alpha;
            if share > 0.0 {
                let at = 3 * ((top + y as usize) * across + left + x as usize);
                for (old, new) in rgb[at..at + 3].iter_mut().zip([r, g, b]) {
                    *old = (f64::from(*old) + share * (f64::from(new) - f64::from(*old))).round() as u8;
                }
            }
        });
    }

    /// Nearest pixels where it is enlarged, means where it is reduced.
    fn image(&mut self, [x, y, w, h]: [f64; 4], image: &Pixels, clip: Clip) {
        let edge = |x: f64, y: f64| ((x * self.scale.0).round(), (y * self.scale.1).round());
        let (start, end) = (edge(x, y), edge(x + w, y + h));
        let (width, height) = ((end.0 - start.0).max(1.0) as usize, (end.1 - start.1).max(1.0) as usize);
        let resampled = image.resampled(width, height);
        let end = (start.0 + width as f64, start.1 + height as f64);
        let [left, top, right, bottom] = self.reach(start, end, clip);
        for py in top..bottom {
            let row = (py as f64 - start.1) as usize * width;
            for px in left..right {
                let from = 3 * (row + (px as f64 - start.0) as usize);
                let to = 3 * (py * self.pixels.width + px);
                self.pixels.rgb[to..to + 3].copy_from_slice(&resampled.rgb[from..from + 3]);
            }
        }
    }
}

/// One edge of a polygon; what lies left or right of the raster is moved to its side, where it covers as much.
fn edge(raster: &mut Rasterizer, a: (f64, f64), b: (f64, f64), width: f64) {
    let mut cuts = vec![0.0, 1.0];
    for side in [0.0, width] {
        let at = (side - a.0) / (b.0 - a.0);
        if at > 0.0 && at < 1.0 {
            cuts.push(at);
        }
    }
    cuts.sort_by(f64::total_cmp);
    let place = |s: f64| {
        let (x, y) = (a.0 + s * (b.0 - a.0), a.1 + s * (b.1 - a.1));
        point(x.clamp(0.0, width) as f32, y as f32)
    };
    cuts.windows(2).for_each(|w| raster.draw_line(place(w[0]), place(w[1])));
}

impl Pixels {
    /// Whether no pixel has a colour.
    pub(super) fn is_grey(&self) -> bool {
        self.rgb.chunks_exact(3).all(|c| c[0] == c[1] && c[1] == c[2])
    }

    /// One number a pixel of a grey image.
    pub(super) fn levels(&self) -> Vec<u8> {
        self.rgb.iter().step_by(3).copied().collect()
    }

    /// At another size: nearest pixels when enlarged, means when reduced.
    pub(super) fn resampled(&self, width: usize, height: usize) -> Pixels {
        let span = |i: usize, to: usize, from: usize| {
            let start = i * from / to;
            start..((i + 1) * from / to).max(start + 1).min(from)
        };
        let mut rgb = Vec::with_capacity(3 * width * height);
        for y in 0..height {
            let rows = span(y, height, self.height);
            for x in 0..width {
                let columns = span(x, width, self.width);
                let mut sum = [0_usize; 3];
                for r in rows.clone() {
                    let row = &self.rgb[3 * (r * self.width + columns.start)..3 * (r * self.width + columns.end)];
                    row.chunks_exact(3).for_each(|c| (0..3).for_each(|k| sum[k] += usize::from(c[k])));
                }
                let count = rows.len() * columns.len();
                rgb.extend(sum.map(|s| ((s + count / 2) / count) as u8));
            }
        }
        Pixels { width, height, rgb }
    }
}
