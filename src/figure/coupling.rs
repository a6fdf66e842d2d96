//! Figures of which defects keep company.

use super::axis::Axis;
use super::dynamics::{LINES, html};
use super::kinds::show;
use super::plane::{Plane, Shape};
use super::{Figure, Rgb};
use crate::dynamics::{CoOccurrence, Coupled, PairEnergies};

const GREY: Rgb = (150, 150, 150);

impl Coupled {
    /// Pairs by distance over what is expected without coupling, with the band that 95 % of the null model's scenes stay in;
    /// discs where the number differs significantly, corrected for the number of bins (Holm, 5 %).
    #[must_use]
    pub fn figure(&self) -> Figure {
        let y = Axis::linear("pairs seen over expected");
        let mut plane = Plane::new(Axis::linear("distance (nm)"), y);
        let known = || self.points.iter().filter(|p| p.expected > 0.0);
        let middle = |p: &crate::dynamics::PairPoint| 0.5 * (p.from_nm + p.to_nm);
        let ends: Vec<(f64, f64, f64)> = known().map(|p| (middle(p), p.null_low, p.null_high)).collect();
        let ends_x = (ends.first().map_or(0.0, |e| e.0), ends.last().map_or(1.0, |e| e.0));
        plane.shapes.push(Shape::Band { ends, colour: GREY });
        plane.shapes.push(Shape::Line { places: vec![(ends_x.0, 1.0), (ends_x.1, 1.0)], colour: GREY, width: 1.0 });
        let places = known().map(|p| (middle(p), p.relative)).collect();
        plane.shapes.push(Shape::Line { places, colour: LINES[0], width: 2.0 });
        let sure = known().filter(|p| p.p_holm <= 0.05).map(|p| (middle(p), p.relative)).collect();
        plane.shapes.push(Shape::Discs { places: sure, colour: LINES[3], radius: 4.0 });
        plane.legend = vec![
            (LINES[0], format!("{} and {} (anywhere as far out: p = {:.3})", self.a, self.b, self.p_global)),
            (GREY, "95 % without coupling".into()),
            (LINES[3], "significant (Holm)".into()),
        ];
        Figure::plane(plane, format!("{self:?}"))
    }

    /// Shows the coupling in a notebook: the table and the figure.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), &html(self.table()), &[Ok(self.figure())]);
    }
}

impl PairEnergies {
    /// The energy of each shell with its 95 % interval.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let mut plane = Plane::new(Axis::linear("distance (nm)"), Axis::linear("energy of a pair (eV)"));
        let seen = || self.shells.iter().filter(|s| s.energy_ev.value.is_finite());
        let places: Vec<(f64, f64)> = seen().map(|s| (s.shell_nm, s.energy_ev.value)).collect();
        let end = |v: f64, other: f64| if v.is_finite() { v } else { other };
        let ends = seen().map(|s| {
            let e = s.energy_ev;
            (s.shell_nm, end(e.low, e.value), end(e.high, e.value))
        });
        plane.shapes.push(Shape::Whiskers { ends: ends.collect(), colour: LINES[0] });
        let last = self.shells.last().map_or(1.0, |s| s.shell_nm);
        plane.shapes.push(Shape::Line { places: vec![(0.0, 0.0), (1.1 * last, 0.0)], colour: GREY, width: 1.0 });
        plane.shapes.push(Shape::Discs { places, colour: LINES[0], radius: 4.0 });
        plane.legend = vec![(LINES[0], format!("{} and {}, {} K", self.between.0, self.between.1, self.temperature_k))];
        Figure::plane(plane, format!("{self:?}"))
    }

    /// Shows the energies in a notebook: the table and the figure.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), &html(self.table()), &[Ok(self.figure())]);
    }
}

impl CoOccurrence {
    /// Shows the pairs of kinds in a notebook: the table.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), &html(self.table()), &[]);
    }
}
