//! Lines, bars and marker lines on labelled axes.

use super::axis::Place;
use super::canvas::Canvas;
use super::record::{FINE, Recorder};
use super::room::Room;
use super::theme::{Rgb, TEXT};
use SeriesLabelPosition::{LowerLeft, LowerRight, UpperLeft, UpperRight};
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::{
    BindKeyPoints, ChartBuilder, DrawingAreaErrorKind, IntoDrawingArea, IntoLogRange, LineSeries, PathElement, Ranged,
    Rectangle, SeriesLabelPosition,
};
use plotters::style::{Color, IntoFont, RGBColor, TextStyle};
use std::convert::Infallible;

/// One thing drawn in a chart.
pub(crate) enum Series {
    /// Joined points.
    Line { points: Vec<(f64, f64)>, colour: Rgb, width: f64, name: Option<String> },
    /// Bars of a given width, from 0, centred on x.
    Bars { points: Vec<(f64, f64)>, width: f64, colour: Rgb, name: Option<String> },
    /// A vertical line at x.
    Marker { x: f64, colour: Rgb, name: String },
}

/// Where a legend may lie below what is drawn.
#[derive(Clone, Copy)]
pub(crate) enum Corner {
    LowerLeft,
    LowerRight,
}

/// Series on common axes.
pub(crate) struct Chart {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    pub log_y: bool,
    /// Ticks on whole numbers only, along x.
    pub whole_x: bool,
    pub series: Vec<Series>,
}

/// How a chart's axes are divided, and where they end.
#[derive(Clone, Copy)]
pub(super) enum Axes {
    Linear,
    /// x logarithmic.
    Decades,
    /// Both from 0 to 1, the legend in a corner that is likely to be free.
    Unit(Corner),
}

type Drawn = Result<(), DrawingAreaErrorKind<Infallible>>;

fn colour((r, g, b): Rgb) -> RGBColor {
    RGBColor(r, g, b)
}

fn text(size: f64, rgb: Rgb) -> TextStyle<'static> {
    ("sans-serif", (size * FINE) as i32).into_font().color(&colour(rgb).mix(1.0))
}

fn px(v: f64) -> u32 {
    (v * FINE).round() as u32
}

impl Chart {
    /// Smallest and largest x and y of everything drawn.
    pub(super) fn ranges(&self) -> (Place, Place) {
        let (mut xs, mut ys) = (vec![], vec![]);
        for series in &self.series {
            match series {
                Series::Line { points, .. } => {
                    xs.extend(points.iter().map(|p| p.0));
                    ys.extend(points.iter().map(|p| p.1));
                }
                Series::Bars { points, width, .. } => {
                    xs.extend(points.iter().flat_map(|p| [p.0 - width / 2.0, p.0 + width / 2.0]));
                    ys.extend(points.iter().map(|p| p.1).chain([0.0]));
                }
                Series::Marker { x, .. } => xs.push(*x),
            }
        }
        if self.log_y {
            ys.retain(|y| *y > 0.0);
        }
        (extent(&xs), extent(&ys))
    }

    /// Space above the highest point, as a fraction of the range: as much as the legend needs at a height in CSS pixels.
    fn room(&self, height: f64) -> f64 {
        let named = self.series.iter().filter(|s| match s {
            Series::Line { name, .. } | Series::Bars { name, .. } => name.is_some(),
            Series::Marker { .. } => true,
        });
        match named.count() {
            0 => 0.06,
            count => (f64::max(0.3, 0.12 * count as f64) * 300.0 / height).min(2.0),
        }
    }

    pub(super) fn draw(&self, canvas: &mut Canvas, axes: Axes, room: Room) -> Drawn {
        let (x, y) = self.ranges();
        let ((x0, x1), y) = (room.x.unwrap_or(x), room.y.unwrap_or(y));
        match axes {
            Axes::Linear => {
                let pad = 0.02 * (x1 - x0);
                let x = (x0 - pad..x1 + pad, self.x_ticks(x1 - x0, canvas.width));
                if self.log_y {
                    // The legend's room, as a share of the decades.
                    let top = (y.1 / y.0).powf(0.6 * self.room(canvas.height)).max(1.2);
                    let (y0, y1) = (y.0 / 1.2, y.1 * top);
                    let y = (y0..y1).log_scale().with_key_points(decades(y0, y1));
                    return self.draw_on(canvas, x, y, (y0, y1), UpperRight);
                }
                let y = self.linear_y(y, canvas.height);
                self.draw_on(canvas, x, y.clone(), (y.start, y.end), UpperRight)
            }
            Axes::Decades => {
                let (x0, x1, y) = (x0 / 1.05, x1 * 1.05, self.linear_y(y, canvas.height));
                let ticks = decades(x0, x1);
                let count = ticks.len();
                let x = (x0..x1).log_scale().with_key_points(ticks);
                // What grows over decades leaves its upper left corner free.
                self.draw_on(canvas, (x, count), y.clone(), (y.start, y.end), UpperLeft)
            }
            Axes::Unit(corner) => {
                let legend = match corner {
                    Corner::LowerLeft => LowerLeft,
                    Corner::LowerRight => LowerRight,
                };
                self.draw_on(canvas, (0.0..1.03, 6), 0.0..1.05, (0.0, 1.05), legend)
            }
        }
    }

    /// A linear y axis, with room for the legend.
    fn linear_y(&self, (y0, y1): Place, height: f64) -> std::ops::Range<f64> {
        let bottom = if y0 == 0.0 { 0.0 } else { y0 - 0.06 * (y1 - y0) };
        bottom..y1 + self.room(height) * (y1 - y0)
    }

    /// Number of ticks along a linear x axis: as many as have room for their numbers.
    fn x_ticks(&self, span: f64, width: f64) -> usize {
        let most = (((width - 76.0) / 40.0).max(2.0) as usize).min(11);
        if self.whole_x { ((1.04 * span).round() as usize + 1).clamp(2, most) } else { most.min(7) }
    }

    fn draw_on<X, Y>(
        &self,
        canvas: &mut Canvas,
        (x, ticks): (X, usize),
        y: Y,
        (bottom, top): Place,
        legend: SeriesLabelPosition,
    ) -> Drawn
    where
        X: AsRangedCoord<Value = f64>,
        X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let theme = canvas.theme;
        let (ink, paper, faint) = (theme.ink(), theme.paper(), theme.faint());
        let y_ticks = ((canvas.height / 40.0) as usize).clamp(3, 6);
        let area = &Recorder(canvas).into_drawing_area();
        let mut builder = ChartBuilder::on(area);
        builder.margin(px(6.0)).margin_right(px(14.0)).x_label_area_size(px(42.0)).y_label_area_size(px(62.0));
        if !self.title.is_empty() {
            builder.caption(&self.title, text(TEXT + 1.0, ink));
        }
        let mut chart = builder.build_cartesian_2d(x, y)?;
        let whole = self.whole_x;
        let format_x = move |v: &f64| if whole && (v - v.round()).abs() > 1e-6 { String::new() } else { number(*v) };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(colour(paper).mix(0.0))
            .bold_line_style(colour(faint).stroke_width(px(1.0)))
            .set_all_tick_mark_size(px(3.5))
            .axis_style(colour(ink).stroke_width(px(1.0)))
            .x_labels(ticks)
            .y_labels(y_ticks)
            .x_label_formatter(&format_x)
            .y_label_formatter(&|v| number(*v))
            .x_desc(&self.x_label)
            .y_desc(&self.y_label)
            .label_style(text(TEXT - 0.5, ink))
            .axis_desc_style(text(TEXT, ink))
            .draw()?;
        let mut named = false;
        for series in &self.series {
            let (drawn, rgb, name) = match series {
                Series::Line { points, colour: c, width, name } => {
                    let style = colour(theme.on_paper(*c)).stroke_width(px(*width));
                    (chart.draw_series(LineSeries::new(points.iter().copied(), style))?, c, name.as_ref())
                }
                Series::Bars { points, width, colour: c, name } => {
                    let bars = points.iter().map(|&(x, y)| {
                        Rectangle::new(
                            [(x - width / 2.0, bottom), (x + width / 2.0, y)],
                            colour(theme.on_paper(*c)).filled(),
                        )
                    });
                    (chart.draw_series(bars)?, c, name.as_ref())
                }
                Series::Marker { x, colour: c, name } => {
                    let style = colour(theme.on_paper(*c)).stroke_width(px(2.0));
                    (chart.draw_series(LineSeries::new([(*x, bottom), (*x, top)], style))?, c, Some(name))
                }
            };
            if let Some(name) = name {
                let (rgb, line) = (theme.on_paper(*rgb), px(2.5));
                let long = px(16.0) as i32;
                drawn.label(name).legend(move |(x, y)| {
                    PathElement::new(vec![(x, y), (x + long, y)], colour(rgb).stroke_width(line))
                });
                named = true;
            }
        }
        if named {
            chart
                .configure_series_labels()
                .position(legend)
                .margin(px(8.0))
                .legend_area_size(px(22.0))
                .background_style(colour(paper).mix(0.85))
                .label_font(text(TEXT - 0.5, ink))
                .draw()?;
        }
        Ok(())
    }
}

/// Ticks of a logarithmic axis: 1, 2 and 5 of every decade, or the decades alone where there are many.
fn decades(low: f64, high: f64) -> Vec<f64> {
    let steps: &[f64] = if high / low > 1e4 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let all = powers.flat_map(|p| steps.iter().map(move |s| s * 10_f64.powi(p)));
    all.filter(|t| (low..=high).contains(t)).collect()
}

fn extent(values: &[f64]) -> (f64, f64) {
    let finite = values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::MAX, f64::MIN), |(lo, hi), v| (lo.min(v), hi.max(v)));
    match low.partial_cmp(&high) {
        Some(std::cmp::Ordering::Less) => (low, high),
        Some(std::cmp::Ordering::Equal) => (low - 0.5, high + 0.5),
        _ => (0.0, 1.0),
    }
}

/// A tick's number without digits that say nothing.
pub(super) fn number(v: f64) -> String {
    if v == 0.0 {
        return "0".into();
    }
    if v.abs() < 1e-3 || v.abs() >= 1e5 {
        return format!("{v:e}");
    }
    let text = format!("{v:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}
