//! Figures of what is simulated: the limit of detection, and frames held against each other.

use super::kinds::show;
use super::{CLASS_COLOURS, Chart, Figure, Series};
use crate::detect::Texture;
use crate::simulate::{DetectionLimit, Imaging, LimitCurve};

/// Colours of lines that can be told from each other on white (the palette's yellow cannot).
const LINES: [super::Rgb; 6] =
    [CLASS_COLOURS[6], CLASS_COLOURS[0], CLASS_COLOURS[2], CLASS_COLOURS[4], CLASS_COLOURS[1], CLASS_COLOURS[5]];

fn line(points: Vec<(f64, f64)>, which: usize, name: String) -> Series {
    Series::Line { points, colour: LINES[which % LINES.len()], width: 2.0, name: Some(name) }
}

impl DetectionLimit {
    /// Shows the limit in a notebook: one row for each species.
    pub fn evcxr_display(&self) {
        match self.table() {
            Ok(table) => show(&format!("{self:?}"), &crate::show::table_html(&table), &[]),
            Err(problem) => crate::show::emit_text("text/plain", &problem.to_string()),
        }
    }
}

impl LimitCurve {
    /// F1 of each species over the dose, on a logarithmic axis, with the doses of the presets.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let names: Vec<&str> =
            self.limits.first().map_or(vec![], |l| l.species.iter().map(|s| s.species.as_str()).collect());
        let of = |(i, name): (usize, &&str)| {
            let points = self.limits.iter().map(|l| (l.counts_at_w, l.species[i].f1)).collect();
            line(points, i, (*name).to_owned())
        };
        let mut series: Vec<Series> = names.iter().enumerate().map(of).collect();
        let doses = || self.limits.iter().map(|l| l.counts_at_w);
        let (low, high) = (doses().fold(f64::MAX, f64::min), doses().fold(f64::MIN, f64::max));
        let presets = [("as recorded", Imaging::as_recorded(), 110), ("clean", Imaging::clean(), 170)];
        for (name, preset, grey) in presets {
            let x = preset.counts_at_w();
            if (low..=high).contains(&x) {
                series.push(Series::Marker { x, colour: (grey, grey, grey), name: name.into() });
            }
        }
        let chart = Chart {
            title: "independent-site limit of one frame".into(),
            x_label: "dose (counts at the peak of a W column)".into(),
            y_label: "F1".into(),
            log_y: false,
            whole_x: false,
            series,
        };
        Figure::log_chart(chart, format!("{self:?}: F1 of {} over the dose", names.join(", ")))
    }

    /// Shows the curve in a notebook.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), "", &[Ok(self.figure())]);
    }
}

impl Texture {
    /// This frame's spectra along x and y, correlation and histogram, each beside the other frame's.
    #[must_use]
    pub fn figures(&self, other: &Texture) -> [Figure; 4] {
        let spectrum = |axis: &str, of: fn(&Texture) -> &Vec<f64>| {
            let label = format!("frequency along {axis} (cycles/px)");
            let of = |t: &Texture| t.frequencies().into_iter().zip(of(t).iter().copied()).collect();
            self.beside(other, (&label, "power (1: white noise)"), of)
        };
        let lags = |t: &Texture| {
            let away = [(0, 1), (0, 2), (1, 0), (2, 0), (1, 1), (1, 2), (2, 1), (2, 2)];
            away.iter().enumerate().map(|(i, at)| (i as f64, t.correlation[*at])).collect()
        };
        let label = "pixels away, 0 to 7: (0,1) (0,2) (1,0) (2,0) (1,1) (1,2) (2,1) (2,2)";
        [
            spectrum("x", |t| &t.along_x),
            spectrum("y", |t| &t.along_y),
            self.beside(other, (label, "correlation of the noise"), lags),
            self.beside(other, ("intensity (standard deviations)", "fraction of the pixels"), |t| {
                t.levels().into_iter().zip(t.histogram.iter().copied()).collect()
            }),
        ]
    }

    fn beside(&self, other: &Texture, labels: (&str, &str), of: impl Fn(&Texture) -> Vec<(f64, f64)>) -> Figure {
        let chart = Chart {
            title: String::new(),
            x_label: labels.0.into(),
            y_label: labels.1.into(),
            log_y: false,
            whole_x: false,
            series: vec![line(of(self), 0, self.source.clone()), line(of(other), 1, other.source.clone())],
        };
        Figure::chart(chart, format!("{} of {} and {}", labels.1, self.source, other.source))
    }
}
