//! Lines, bars and marker lines on labelled axes.

use super::theme::{FAINT, INK, Rgb, TEXT, colour, text};
use SeriesLabelPosition::{LowerLeft, LowerRight, UpperLeft, UpperRight};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::{
    BindKeyPoints, ChartBuilder, DrawingArea, DrawingAreaErrorKind, DrawingBackend, IntoLogRange, LineSeries,
    PathElement, Ranged, Rectangle, SeriesLabelPosition,
};
use plotters::style::{Color, RGBColor};

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

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

impl Chart {
    /// Smallest and largest x and y of everything drawn.
    fn ranges(&self) -> ((f64, f64), (f64, f64)) {
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

    /// Space above the highest point, as a fraction of the range: as much as the legend needs.
    fn room(&self) -> f64 {
        let named = self.series.iter().filter(|s| match s {
            Series::Line { name, .. } | Series::Bars { name, .. } => name.is_some(),
            Series::Marker { .. } => true,
        });
        match named.count() {
            0 => 0.06,
            count => f64::max(0.3, 0.12 * count as f64),
        }
    }

    pub(super) fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>, scale: f64) -> Drawn<DB> {
        let ((x0, x1), (y0, y1)) = self.ranges();
        let pad = 0.02 * (x1 - x0);
        let x = x0 - pad..x1 + pad;
        let ticks = self.x_ticks(x1 - x0);
        if self.log_y {
            let y = (y0 / 1.2..y1 * 1.2).log_scale().with_key_points(decades(y0 / 1.2, y1 * 1.2));
            return self.draw_on(area, scale, (x, ticks), y, y0 / 1.2, UpperRight);
        }
        let y = self.linear_y((y0, y1));
        self.draw_on(area, scale, (x, ticks), y.clone(), y.start, UpperRight)
    }

    /// The same with a logarithmic x axis and a linear y axis.
    pub(super) fn draw_over_decades<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>, scale: f64) -> Drawn<DB> {
        let ((x0, x1), y) = self.ranges();
        let (x0, x1, y) = (x0 / 1.05, x1 * 1.05, self.linear_y(y));
        let ticks = decades(x0, x1);
        let count = ticks.len();
        let x = (x0..x1).log_scale().with_key_points(ticks);
        // What grows over decades leaves its upper left corner free.
        self.draw_on(area, scale, (x, count), y.clone(), y.start, UpperLeft)
    }

    /// Both axes from 0 to 1, whatever is drawn.
    pub(super) fn draw_in_square<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: f64,
        corner: Corner,
    ) -> Drawn<DB> {
        let legend = match corner {
            Corner::LowerLeft => LowerLeft,
            Corner::LowerRight => LowerRight,
        };
        self.draw_on(area, scale, (0.0..1.03, 6), 0.0..1.05, 0.0, legend)
    }

    /// A linear y axis, with room for the legend.
    fn linear_y(&self, (y0, y1): (f64, f64)) -> std::ops::Range<f64> {
        let bottom = if y0 == 0.0 { 0.0 } else { y0 - 0.06 * (y1 - y0) };
        bottom..y1 + self.room() * (y1 - y0)
    }

    /// Number of ticks along a linear x axis.
    fn x_ticks(&self, span: f64) -> usize {
        if self.whole_x { (1.04 * span).round() as usize + 1 } else { 7 }.clamp(2, 11)
    }

    fn draw_on<DB: DrawingBackend, X, Y>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: f64,
        (x, ticks): (X, usize),
        y: Y,
        bottom: f64,
        legend: SeriesLabelPosition,
    ) -> Drawn<DB>
    where
        X: AsRangedCoord<Value = f64>,
        X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let px = |v: f64| (v * scale).round() as u32;
        let mut builder = ChartBuilder::on(area);
        builder.margin(px(6.0)).margin_right(px(14.0)).x_label_area_size(px(42.0)).y_label_area_size(px(62.0));
        if !self.title.is_empty() {
            builder.caption(&self.title, text(TEXT + 1.0, scale, INK));
        }
        let top = self.ranges().1.1 * (1.0 + self.room());
        let mut chart = builder.build_cartesian_2d(x, y)?;
        let whole = self.whole_x;
        let format_x = move |v: &f64| if whole && (v - v.round()).abs() > 1e-6 { String::new() } else { number(*v) };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(RGBColor(255, 255, 255).mix(0.0))
            .bold_line_style(FAINT)
            .axis_style(INK)
            .x_labels(ticks)
            .y_labels(6)
            .x_label_formatter(&format_x)
            .y_label_formatter(&|v| number(*v))
            .x_desc(&self.x_label)
            .y_desc(&self.y_label)
            .label_style(text(TEXT - 0.5, scale, INK))
            .axis_desc_style(text(TEXT, scale, INK))
            .draw()?;
        let mut named = false;
        for series in &self.series {
            let (drawn, rgb, name) = match series {
                Series::Line { points, colour: c, width, name } => {
                    let style = colour(*c).stroke_width((width * scale).round().max(1.0) as u32);
                    (chart.draw_series(LineSeries::new(points.iter().copied(), style))?, c, name.as_ref())
                }
                Series::Bars { points, width, colour: c, name } => {
                    let bars = points.iter().map(|&(x, y)| {
                        Rectangle::new([(x - width / 2.0, bottom), (x + width / 2.0, y)], colour(*c).filled())
                    });
                    (chart.draw_series(bars)?, c, name.as_ref())
                }
                Series::Marker { x, colour: c, name } => {
                    let style = colour(*c).stroke_width((2.0 * scale).round() as u32);
                    (chart.draw_series(LineSeries::new([(*x, bottom), (*x, top)], style))?, c, Some(name))
                }
            };
            if let Some(name) = name {
                let (rgb, line) = (*rgb, (2.5 * scale) as u32);
                let long = (16.0 * scale) as i32;
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
                .background_style(RGBColor(255, 255, 255).mix(0.85))
                .label_font(text(TEXT - 0.5, scale, INK))
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
