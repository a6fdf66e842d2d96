//! Figures of what defects do: concentrations in time, tracks, displacements, hops.

use super::axis::Axis;
use super::kinds::show;
use super::plane::{Plane, Shape};
use super::{CLASS_COLOURS, ColourMap, Figure, Rgb};
use crate::dynamics::{Concentrations, Diffusion, HopRates, Hops, KindMsd, Msd, Tracks};
use crate::error::Result;
use crate::movie::Frame;
use crate::show::{escape_html, table_html};
use polars::prelude::DataFrame;

/// Blue, orange, green, vermilion, sky blue, purple: yellow lines are hard to see on paper.
pub(super) const LINES: [Rgb; 6] =
    [CLASS_COLOURS[6], CLASS_COLOURS[0], CLASS_COLOURS[2], CLASS_COLOURS[5], CLASS_COLOURS[1], CLASS_COLOURS[4]];

fn line_colour(i: usize) -> Rgb {
    LINES[i % LINES.len()]
}

pub(super) fn html(table: Result<DataFrame>) -> String {
    table.map_or_else(|e| escape_html(&e.to_string()), |t| table_html(&t))
}

impl Concentrations {
    /// The concentration of each kind in time with its 95 % band; a thin vertical line where one changed suddenly.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let unit = if self.per_area() { "defects per nm²" } else { "defects in a frame" };
        let mut plane = Plane::new(Axis::linear("time (s)"), Axis::linear(unit));
        let mut top = 0.0_f64;
        for (i, (kind, counts)) in self.kinds().iter().enumerate() {
            let (colour, best) = (line_colour(i), |c: &crate::dynamics::Count| c.amount.best());
            let ends: Vec<(f64, f64, f64)> = counts.iter().map(|c| (c.time_s, best(c).low, best(c).high)).collect();
            let places = counts.iter().map(|c| (c.time_s, best(c).value)).collect();
            top = ends.iter().map(|e| e.2).fold(top, f64::max);
            plane.shapes.push(Shape::Band { ends, colour });
            plane.shapes.push(Shape::Line { places, colour, width: 2.0 });
            plane.legend.push((colour, kind.clone()));
        }
        let mut changed = false;
        for change in self.changes() {
            for (i, (_, counts)) in self.kinds().iter().enumerate().filter(|(_, k)| k.0 == change.kind) {
                if let Some(c) = counts.iter().find(|c| c.frame == change.frame) {
                    let places = vec![(c.time_s, 0.0), (c.time_s, c.amount.best().high)];
                    plane.shapes.push(Shape::Line { places, colour: line_colour(i), width: 1.0 });
                    changed = true;
                }
            }
        }
        if changed {
            plane.legend.push(((255, 255, 255), "vertical lines: sudden changes".into()));
        }
        plane.y = plane.y.from(0.0, if top > 0.0 { 1.05 * top } else { 1.0 });
        Figure::plane(plane, format!("Concentration of each kind in time. {self:?}"))
    }

    /// Shows the concentrations in a notebook: the table and the figure.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), &html(self.table()), &[Ok(self.figure())]);
    }
}

/// How tracks are coloured.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Time,
    Kind,
}

impl Tracks {
    /// Every track in space, coloured by time.
    ///
    /// # Errors
    /// If the table has lost its columns.
    pub fn figure(&self) -> Result<Figure> {
        self.in_space(None, By::Time)
    }

    /// Every track in space, coloured by kind: the commonest `species` or `class` of each.
    ///
    /// # Errors
    /// If the table has lost its columns.
    pub fn kinds_figure(&self) -> Result<Figure> {
        self.in_space(None, By::Kind)
    }

    /// Every track over a frame, coloured by time.
    ///
    /// # Errors
    /// If the table has lost its columns.
    pub fn over(&self, frame: &Frame) -> Result<Figure> {
        self.in_space(Some(frame), By::Time)
    }

    fn in_space(&self, frame: Option<&Frame>, by: By) -> Result<Figure> {
        let tracks = self.drawn()?;
        let known = self.in_nm();
        let unit = if known { "nm" } else { "px" };
        let mut plane = Plane::new(Axis::linear(format!("x ({unit})")), Axis::linear(format!("y ({unit})")));
        (plane.equal, plane.down, plane.width) = (true, true, 560.0);
        if let Some(frame) = frame {
            let nm = if known { frame.calibration.nm_per_px } else { 1.0 };
            let (h, w) = frame.data.dim();
            let size = (w as f64 * nm, h as f64 * nm);
            plane.x = plane.x.from(0.0, size.0);
            plane.y = plane.y.from(0.0, size.1);
            plane.shapes.push(Shape::Image { image: frame.data.clone(), size });
        }
        let times = || tracks.iter().flat_map(|t| &t.times_s).copied();
        let (first, last) = (times().fold(f64::INFINITY, f64::min), times().fold(f64::NEG_INFINITY, f64::max));
        let level = |t: f64| ((t - first) / (last - first).max(f64::MIN_POSITIVE)) as f32;
        for track in tracks.iter().filter(|_| frame.is_some()) {
            // A dark edge, so that any colour is seen on any frame.
            let places: Vec<(f64, f64)> = track.at_nm.iter().map(|[y, x]| (*x, *y)).collect();
            let (end, colour) = (vec![places[places.len() - 1]], (0, 0, 0));
            plane.shapes.push(Shape::Discs { places: end, colour, radius: 3.2 });
            plane.shapes.push(Shape::Line { places, colour, width: 4.2 });
        }
        for track in &tracks {
            let places: Vec<(f64, f64)> = track.at_nm.iter().map(|[y, x]| (*x, *y)).collect();
            match by {
                By::Time => {
                    for (pair, t) in places.windows(2).zip(&track.times_s) {
                        let colour = ColourMap::Viridis.rgb(level(*t));
                        plane.shapes.push(Shape::Line { places: pair.to_vec(), colour, width: 1.8 });
                    }
                    let (end, t) = (places[places.len() - 1], track.times_s[places.len() - 1]);
                    let colour = ColourMap::Viridis.rgb(level(t));
                    plane.shapes.push(Shape::Discs { places: vec![end], colour, radius: 2.0 });
                }
                By::Kind => {
                    let colour = line_colour(track.kind);
                    let end = places[places.len() - 1];
                    plane.shapes.push(Shape::Line { places, colour, width: 1.8 });
                    plane.shapes.push(Shape::Discs { places: vec![end], colour, radius: 2.0 });
                }
            }
        }
        match by {
            By::Time => plane.bar = Some((first, last, "time (s)".into())),
            By::Kind => plane.legend = self.legend()?,
        }
        Ok(Figure::plane(plane, format!("Tracks in space. {self:?}")))
    }

    /// Space and time: where along x every track is, against time, coloured by kind.
    ///
    /// # Errors
    /// If the table has lost its columns.
    pub fn space_time_figure(&self) -> Result<Figure> {
        let unit = if self.in_nm() { "nm" } else { "px" };
        let mut plane = Plane::new(Axis::linear("time (s)"), Axis::linear(format!("x ({unit})")));
        for track in self.drawn()? {
            let places: Vec<(f64, f64)> = track.times_s.iter().zip(&track.at_nm).map(|(t, [_, x])| (*t, *x)).collect();
            let colour = line_colour(track.kind);
            plane.shapes.push(match places.len() {
                1 => Shape::Discs { places, colour, radius: 1.5 },
                _ => Shape::Line { places, colour, width: 1.5 },
            });
        }
        plane.legend = self.legend()?;
        plane.height = 420.0;
        Ok(Figure::plane(plane, format!("Tracks in space and time. {self:?}")))
    }

    fn legend(&self) -> Result<Vec<(Rgb, String)>> {
        Ok(self.kinds()?.into_iter().enumerate().map(|(i, name)| (line_colour(i), name)).collect())
    }

    /// Shows the tracks in a notebook: a row for each, and where they went.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), &html(self.per_track()), &[self.figure()]);
    }
}

impl Msd {
    /// Mean squared displacements over lag, both logarithmic, with 95 % intervals and the fit `4 D t + 4 σ²`. Four decades below
    /// the largest it ends: what moves less than that is named, not drawn.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let (x, y) = (Axis::logarithmic("lag (s)"), Axis::logarithmic("mean squared displacement (nm²)"));
        let mut plane = Plane::new(x, y);
        plane.height = 380.0;
        let most = self.kinds.iter().flat_map(|k| &k.points).map(|p| p.msd_nm2).fold(0.0, f64::max);
        let least = 1e-4 * most;
        for (i, kind) in self.kinds.iter().filter(|k| !k.points.is_empty()).enumerate() {
            let colour = line_colour(i);
            let seen: Vec<&crate::dynamics::MsdPoint> = kind.points.iter().filter(|p| p.msd_nm2 > least).collect();
            if seen.is_empty() {
                let below = if most > 0.0 { format!(" (below {least:.0e} nm²)") } else { String::new() };
                plane.legend.push((colour, format!("{}: stays{below}", kind.kind)));
                continue;
            }
            plane.shapes.extend(fitted(kind, colour, least));
            // A lower end of 0 has no logarithm.
            let low = |p: &crate::dynamics::MsdPoint| p.low.max(0.02 * p.msd_nm2).max(least);
            // Beside each other, not on each other.
            let at = |p: &crate::dynamics::MsdPoint| p.lag_s * 1.015_f64.powi(i as i32);
            let ends = seen.iter().map(|p| (at(p), low(p), p.high)).collect();
            plane.shapes.push(Shape::Whiskers { ends, colour });
            let places = seen.iter().map(|p| (at(p), p.msd_nm2)).collect();
            plane.shapes.push(Shape::Discs { places, colour, radius: 3.0 });
            let name = match kind.fit {
                Some((d, sigma)) => format!("{}: D {d:.1e} nm²/s, σ {sigma:.3} nm", kind.kind),
                None => kind.kind.clone(),
            };
            plane.legend.push((colour, name));
        }
        Figure::plane(plane, format!("{self:?}"))
    }

    /// Shows the displacements in a notebook: the table and the figure.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), &html(self.table()), &[Ok(self.figure())]);
    }
}

/// As far as it is not less than `least`.
fn fitted(kind: &KindMsd, colour: Rgb, least: f64) -> Option<Shape> {
    let (d, sigma) = kind.fit.filter(|f| f.0 > 0.0)?;
    let (first, last) = (kind.points.first()?.lag_s, kind.points.last()?.lag_s);
    let at = |i: i32| first * (last / first).powf(f64::from(i) / 40.0);
    let places = (0..=40).map(at).map(|t| (t, 4.0 * d * t + 4.0 * sigma * sigma)).filter(|p| p.1 > least).collect();
    Some(Shape::Line { places, colour, width: 1.5 })
}

impl Hops {
    /// A rose for each kind: hops by direction, each petal as long as there are hops, with its 95 % interval.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        self.kinds.iter().filter(|k| k.hops > 0).map(rose).collect()
    }

    /// Shows the hops in a notebook: the table and the roses.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), &html(self.table()), &self.figures().into_iter().map(Ok).collect::<Vec<_>>());
    }
}

fn rose(kind: &HopRates) -> Figure {
    let mut plane = Plane::new(Axis::linear(""), Axis::linear(""));
    let per = kind.watched_s.max(f64::MIN_POSITIVE);
    let most = kind.directions.iter().map(|d| d.per_s.high * per).fold(1.0, f64::max);
    let power = 10_f64.powf(most.log10().floor());
    let ring = [1.0, 2.0, 5.0, 10.0].iter().map(|s| s * power).find(|s| *s >= 0.45 * most).unwrap_or(power).max(1.0);
    let polar = |r: f64, angle: f64| (r * angle.to_radians().cos(), r * angle.to_radians().sin());
    let mut r = ring;
    while r <= 1.02 * most {
        let places = (0..=72).map(|i| polar(r, 5.0 * f64::from(i))).collect();
        plane.shapes.push(Shape::Line { places, colour: (205, 205, 205), width: 1.0 });
        plane.shapes.push(Shape::Words { at: polar(r * 1.01, 30.0), words: format!("{r}") });
        r += ring;
    }
    let half = 0.36 * 360.0 / kind.directions.len().max(1) as f64;
    for d in &kind.directions {
        let arc = (0..=12).map(|i| polar(d.hops as f64, d.angle_deg - half + 2.0 * half * f64::from(i) / 12.0));
        let places = std::iter::once((0.0, 0.0)).chain(arc).collect();
        plane.shapes.push(Shape::Patch { places, colour: LINES[0] });
        let ends = vec![polar(d.per_s.low * per, d.angle_deg), polar(d.per_s.high * per, d.angle_deg)];
        plane.shapes.push(Shape::Line { places: ends, colour: (40, 40, 40), width: 1.5 });
    }
    let side = 1.08 * most;
    (plane.x, plane.y) = (plane.x.from(-side, side), plane.y.from(-side, side));
    (plane.equal, plane.axes, plane.width) = (true, false, 360.0);
    let hops = if kind.hops == 1 { "1 hop".into() } else { format!("{} hops", kind.hops) };
    let words = format!("{}: {hops}; directions alike: p = {:.3}", kind.kind, kind.bias_p);
    plane.legend = vec![(LINES[0], words.clone())];
    Figure::plane(plane, format!("Hops by direction. {words}"))
}

impl Diffusion {
    /// Shows the diffusion coefficients in a notebook: the table.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), &html(self.table()), &[]);
    }
}
