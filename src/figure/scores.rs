//! Figures of scores: precision against recall, and whether probabilities are what they say.

use super::kinds::show;
use super::{CLASS_COLOURS, Chart, Corner, Figure, Rgb, Series};
use crate::detect::{GroupScore, Reliability, Scores};
use crate::show::{escape_html, table_html};
use crate::simulate::{DetectionLimit, SpeciesLimit};

/// One for each group: blue, green, vermilion.
const LINES: [Rgb; 3] = [CLASS_COLOURS[6], CLASS_COLOURS[2], CLASS_COLOURS[5]];
const GREY: Rgb = (150, 150, 150);

impl Scores {
    /// Precision against recall of each group, from threshold to threshold. Where a limit is given, a diamond marks where
    /// an ideal observer of one frame stands for each species, and a thin line everything that has the same F1.
    #[must_use]
    pub fn figure(&self, limit: Option<&DetectionLimit>) -> Figure {
        let mut series = vec![];
        for (group, &colour) in self.groups.iter().zip(&LINES) {
            let points: Vec<(f64, f64)> = self.curve(group.group).into_iter().map(|(_, p, r)| (r, p)).collect();
            if points.is_empty() {
                continue;
            }
            let name = Some(format!("{}: F1 {:.2}", group.name, group.f1.value));
            series.push(Series::Line { points, colour, width: 2.5, name });
            series.extend(limit.iter().flat_map(|l| of_limit(group, l, colour)));
        }
        let chart = Chart {
            title: String::new(),
            x_label: "recall".into(),
            y_label: "precision".into(),
            log_y: false,
            whole_x: false,
            series,
        };
        Figure::unit_chart(chart, Corner::LowerLeft, format!("Precision against recall. {self:?}"))
    }

    /// Shows the scores in a notebook: a table, precision against recall, and the reliability of probabilities.
    pub fn evcxr_display(&self) {
        let table = self.table().map_or_else(|e| escape_html(&e.to_string()), |t| table_html(&t));
        show(&format!("{self:?}"), &table, &[Ok(self.figure(None)), Ok(self.reliability().figure())]);
    }
}

/// The limit of each species in a group.
fn of_limit(group: &GroupScore, limit: &DetectionLimit, colour: Rgb) -> Vec<Series> {
    let inside = |s: &&SpeciesLimit| group.species.iter().any(|g| g.species == s.species);
    limit.species.iter().filter(inside).flat_map(|s| [iso(s, colour), diamond(s, colour)]).collect()
}

/// Every precision and recall with the limit's F1.
fn iso(limit: &SpeciesLimit, colour: Rgb) -> Series {
    let least = limit.f1 / (2.0 - limit.f1); // where precision is 1
    let at = |i: i32| least + f64::from(i) * (1.0 - least) / 40.0;
    Series::Line {
        points: (0..=40).map(at).map(|r| (r, (limit.f1 * r / (2.0 * r - limit.f1)).min(1.0))).collect(),
        colour,
        width: 1.0,
        name: Some(format!("limit of {}: F1 {:.2}", limit.species, limit.f1)),
    }
}

fn diamond(limit: &SpeciesLimit, colour: Rgb) -> Series {
    let (r, p) = (limit.recall, limit.precision);
    let (dr, dp) = (0.012, 0.024);
    let points = vec![(r - dr, p), (r, p + dp), (r + dr, p), (r, p - dp), (r - dr, p)];
    Series::Line { points, colour, width: 2.0, name: None }
}

impl Reliability {
    /// The fraction of detections that are true against their probability; on the thin line it is what it says.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let points = self.bins.iter().map(|b| (b.probability, b.observed)).collect();
        let exact = vec![(0.0, 0.0), (1.0, 1.0)];
        let chart = Chart {
            title: String::new(),
            x_label: "probability of a detection".into(),
            y_label: "fraction that is true".into(),
            log_y: false,
            whole_x: false,
            series: vec![
                Series::Line { points: exact, colour: GREY, width: 1.0, name: Some("as it should be".into()) },
                Series::Line {
                    points,
                    colour: CLASS_COLOURS[6],
                    width: 2.5,
                    name: Some(format!("calibration error {:.3}", self.error)),
                },
            ],
        };
        let alt = format!("Reliability of probabilities: expected calibration error {:.3}", self.error);
        Figure::unit_chart(chart, Corner::LowerRight, alt)
    }

    /// Shows the reliability in a notebook: the table and the diagram.
    pub fn evcxr_display(&self) {
        let text = format!("Expected calibration error {:.3}", self.error);
        let table = self.table().map_or_else(|e| escape_html(&e.to_string()), |t| table_html(&t));
        show(&text, &table, &[Ok(self.figure())]);
    }
}
