//! Shapes as closed polygons: circles, lines of a width, curves.

use super::canvas::Item;
use super::font::Stroke;

/// Corners in order, the last joined to the first.
pub(super) type Polygon = Vec<(f64, f64)>;

/// The polygons that are filled and those that are stroked, of everything that is not an image or text.
pub(super) fn of(item: &Item, scale: f64) -> (Vec<Polygon>, Vec<Polygon>) {
    match item {
        Item::Rect { at: [x, y, w, h], stroke, .. } => {
            let half = 0.5 * stroke.map_or(0.0, |s| s.1);
            (
                vec![rect(*x, *y, *w, *h)],
                vec![
                    rect(x - half, y - half, w + 2.0 * half, h + 2.0 * half),
                    rect(x + half, y + half, (w - 2.0 * half).max(0.0), (h - 2.0 * half).max(0.0))
                        .into_iter()
                        .rev()
                        .collect(),
                ],
            )
        }
        Item::Circle { at, radius, stroke, .. } => {
            let half = 0.5 * stroke.map_or(0.0, |s| s.1);
            let inner: Polygon = circle(*at, (radius - half).max(0.0), scale).into_iter().rev().collect();
            (vec![circle(*at, *radius, scale)], vec![circle(*at, radius + half, scale), inner])
        }
        Item::Line { points, width, .. } => (vec![], line(points, 0.5 * width)),
        Item::Area { points, .. } => (vec![points.clone()], vec![]),
        Item::Words { .. } | Item::Image { .. } => (vec![], vec![]),
    }
}

fn rect(x: f64, y: f64, w: f64, h: f64) -> Polygon {
    vec![(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
}

/// With so many corners that none is seen.
fn circle((x, y): (f64, f64), radius: f64, scale: f64) -> Polygon {
    let corners = (8.0 + 6.0 * (radius * scale).sqrt()).min(200.0) as u32;
    let angle = |i: u32| std::f64::consts::TAU * f64::from(i) / f64::from(corners);
    (0..corners).map(|i| (x + radius * libm::cos(angle(i)), y + radius * libm::sin(angle(i)))).collect()
}

/// What lies within `half` of a line: one outline for each run without a sharp bend, and the wedges between runs.
fn line(points: &[(f64, f64)], half: f64) -> Vec<Polygon> {
    let mut clean: Vec<(f64, f64)> = Vec::with_capacity(points.len());
    for p in points {
        if clean.last().is_none_or(|l| libm::hypot(p.0 - l.0, p.1 - l.1) > 1e-6) {
            clean.push(*p);
        }
    }
    // Unit vectors to the right of each step.
    let side = |a: (f64, f64), b: (f64, f64)| {
        let long = libm::hypot(b.0 - a.0, b.1 - a.1);
        ((a.1 - b.1) / long, (b.0 - a.0) / long)
    };
    let sides: Vec<_> = clean.windows(2).map(|w| side(w[0], w[1])).collect();
    let (mut polygons, mut start) = (vec![], 0);
    for i in 0..sides.len() {
        let ends = i + 1 == sides.len() || {
            let (a, b) = (sides[i], sides[i + 1]);
            a.0 * b.0 + a.1 * b.1 < 0.8
        };
        if ends {
            polygons.push(run(&clean[start..=i + 1], &sides[start..=i], half));
            if let Some(next) = sides.get(i + 1) {
                polygons.push(wedge(clean[i + 1], sides[i], *next, half));
            }
            start = i + 1;
        }
    }
    polygons
}

/// A run that bends gently.
fn run(points: &[(f64, f64)], sides: &[(f64, f64)], half: f64) -> Polygon {
    let offset = |k: usize, sign: f64| {
        let (a, b) = (sides[k.saturating_sub(1)], sides[k.min(sides.len() - 1)]);
        let (x, y) = (a.0 + b.0, a.1 + b.1);
        // Half the sum of two unit vectors, longer by what the bend takes.
        let reach = sign * half * 2.0 / (x * x + y * y);
        (points[k].0 + reach * x, points[k].1 + reach * y)
    };
    let there = (0..points.len()).map(|k| offset(k, -1.0));
    there.chain((0..points.len()).rev().map(|k| offset(k, 1.0))).collect()
}

/// The outer side of a sharp bend, rounded.
fn wedge(at: (f64, f64), a: (f64, f64), b: (f64, f64), half: f64) -> Polygon {
    let turn = a.0 * b.1 - a.1 * b.0;
    let sign = if turn > 0.0 { -half } else { half };
    let point = |(x, y): (f64, f64)| {
        let long = libm::hypot(x, y).max(1e-9);
        (at.0 + sign * x / long, at.1 + sign * y / long)
    };
    let between = |s: f64| (a.0 + s * (b.0 - a.0), a.1 + s * (b.1 - a.1));
    let arc = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0].map(|s| point(between(s)));
    let all: Polygon = std::iter::once(at).chain(arc).collect();
    // All polygons turn the same way, so that they add up.
    if turn > 0.0 { all } else { all.into_iter().rev().collect() }
}

/// A glyph as polygons, in units of the font.
pub(super) fn glyph(strokes: &[Stroke]) -> Vec<Polygon> {
    let (mut polygons, mut at): (Vec<Polygon>, _) = (vec![], (0.0, 0.0));
    const STEPS: u32 = 6;
    for stroke in strokes {
        let curve = |f: &dyn Fn(f64) -> (f64, f64)| (1..=STEPS).map(|i| f(f64::from(i) / f64::from(STEPS))).collect();
        let more: Polygon = match *stroke {
            Stroke::Move(a) => {
                polygons.push(vec![]);
                vec![a]
            }
            Stroke::Line(a) => vec![a],
            Stroke::Quad(a, b) => {
                let mix = |t: f64, p: f64, q: f64, r: f64| (1.0 - t).powi(2) * p + 2.0 * t * (1.0 - t) * q + t * t * r;
                curve(&|t| (mix(t, at.0, a.0, b.0), mix(t, at.1, a.1, b.1)))
            }
            Stroke::Cubic(a, b, c) => {
                let mix = |t: f64, p: f64, q: f64, r: f64, s: f64| {
                    let u = 1.0 - t;
                    u * u * u * p + 3.0 * u * u * t * q + 3.0 * u * t * t * r + t * t * t * s
                };
                curve(&|t| (mix(t, at.0, a.0, b.0, c.0), mix(t, at.1, a.1, b.1, c.1)))
            }
            Stroke::Close => vec![],
        };
        if let (Some(last), Some(polygon)) = (more.last(), polygons.last_mut()) {
            at = *last;
            polygon.extend(more);
        }
    }
    polygons
}
