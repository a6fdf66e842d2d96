//! Figures of drift and jitter.

use super::{CLASS_COLOURS, Chart, Figure, Series, kinds::show};
use crate::movie::{Calibration, MeasuredDrift, MeasuredJitter};
use crate::show::table_html;

const Y: super::Rgb = CLASS_COLOURS[5];
const X: super::Rgb = CLASS_COLOURS[6];

fn line(points: Vec<(f64, f64)>, colour: super::Rgb, name: &str) -> Series {
    Series::Line { points, colour, width: 2.0, name: Some(name.into()) }
}

/// Lengths over whole numbers, in nanometres, or in pixels where the movie is not calibrated.
fn chart(calibration: Calibration, x_label: &str, length: &str, series: Vec<Series>) -> Chart {
    let unit = if calibration.known { "nm" } else { "px" };
    Chart {
        title: String::new(),
        x_label: x_label.into(),
        y_label: format!("{length} ({unit})"),
        log_y: false,
        whole_x: true,
        series,
    }
}

impl MeasuredDrift {
    /// The specimen's way since the first frame, along y and x, in nanometres (in pixels where the movie is not
    /// calibrated), over time.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let calibration = self.calibration();
        let along = |axis: usize| {
            let point = |(i, s): (usize, &[f64; 2])| (i as f64, calibration.to_nm(s[axis]));
            self.shifts_px().iter().enumerate().map(point).collect()
        };
        let series = vec![line(along(0), Y, "y (down)"), line(along(1), X, "x (right)")];
        Figure::chart(chart(calibration, "frame", "way of the specimen", series), format!("{self:?}"))
    }

    /// Shows the drift in a notebook: the table and the path.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), &table_html(self.table()), &[Ok(self.figure())]);
    }
}

impl MeasuredJitter {
    /// How far the first frame's rows lie to the right of where they should.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let calibration = self.calibration();
        let rows = self.rows_px().row(0);
        let points = rows.iter().enumerate().map(|(y, &px)| (y as f64, calibration.to_nm(px))).collect();
        let series = vec![Series::Line { points, colour: X, width: 1.5, name: None }];
        let chart = chart(calibration, "row of frame 0", "place of the row along x", series);
        Figure::chart(chart, format!("{self:?}"))
    }

    /// Shows the jitter in a notebook: the table and the first frame's rows.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), &table_html(self.table()), &[Ok(self.figure())]);
    }
}
