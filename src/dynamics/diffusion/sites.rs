//! Tracks on a lattice: which site each position stands for.

use crate::dynamics::path::Path;
use crate::error::{Result, check};

/// A lattice: two vectors `[y, x]` in nm, and the six or four shortest steps on it.
#[derive(Clone, Debug)]
pub(super) struct Net {
    basis: [[f64; 2]; 2],
    inverse: [[f64; 2]; 2],
    /// Length of the shortest step.
    pub step_nm: f64,
    /// The steps no longer than 1.2 times that, by angle.
    pub nearest: Vec<[i32; 2]>,
}

impl Net {
    pub(super) fn new(basis: [[f64; 2]; 2]) -> Result<Net> {
        let [[ay, ax], [by, bx]] = basis;
        let area = ay * bx - ax * by;
        let long = ay.hypot(ax).max(by.hypot(bx));
        let valid = basis.iter().flatten().all(|v| v.is_finite()) && area.abs() > 1e-6 * long * long;
        check("lattice_nm", format!("{basis:?}"), valid, "two finite vectors that are not parallel")?;
        let inverse = [[bx / area, -by / area], [-ax / area, ay / area]];
        let mut net = Net { basis, inverse, step_nm: 0.0, nearest: vec![] };
        let around = |reach: i32| (-reach..=reach).flat_map(move |u| (-reach..=reach).map(move |v| [u, v]));
        let all: Vec<([i32; 2], f64)> =
            around(3).filter(|c| *c != [0, 0]).map(|c| (c, net.vector(c)[0].hypot(net.vector(c)[1]))).collect();
        net.step_nm = all.iter().map(|a| a.1).fold(f64::INFINITY, f64::min);
        net.nearest = all.iter().filter(|a| a.1 < 1.2 * net.step_nm).map(|a| a.0).collect();
        let angle = |c: &[i32; 2]| net.angle_deg(*c);
        let mut nearest = net.nearest.clone();
        nearest.sort_by(|a, b| angle(a).total_cmp(&angle(b)));
        net.nearest = nearest;
        Ok(net)
    }

    /// A step of so many cells in nm, `[y, x]`.
    pub(super) fn vector(&self, [u, v]: [i32; 2]) -> [f64; 2] {
        [0, 1].map(|k| f64::from(u) * self.basis[0][k] + f64::from(v) * self.basis[1][k])
    }

    /// Direction of a step: degrees from the x axis, anticlockwise as the image is seen, from 0 to 360.
    pub(super) fn angle_deg(&self, cells: [i32; 2]) -> f64 {
        let [y, x] = self.vector(cells);
        (-y).atan2(x).to_degrees().rem_euclid(360.0)
    }

    fn cells(&self, [y, x]: [f64; 2]) -> [f64; 2] {
        [0, 1].map(|k| self.inverse[k][0] * y + self.inverse[k][1] * x)
    }

    /// The site nearest to a place, and how far from it that is.
    fn nearest_site(&self, place: [f64; 2]) -> ([i32; 2], f64) {
        let [u, v] = self.cells(place).map(|c| c.floor() as i32);
        let far = |c: [i32; 2]| {
            let at = self.vector(c);
            (at[0] - place[0]).hypot(at[1] - place[1])
        };
        // In a reduced basis the nearest is among these.
        let mut best = ([u, v], far([u, v]));
        for c in [[u + 1, v], [u, v + 1], [u + 1, v + 1], [u - 1, v + 1], [u + 1, v - 1], [u + 2, v], [u, v + 2]] {
            let d = far(c);
            if d < best.1 {
                best = (c, d);
            }
        }
        best
    }

    /// The site of each position of a track, in cells from an origin of the track's own, and the sum of squared distances.
    /// The origin is where positions fall within a cell, by the mean of their phases.
    pub(super) fn sites(&self, path: &Path) -> (Vec<[i32; 2]>, f64) {
        let mut phase = [[0.0; 2]; 2];
        for place in &path.at_nm {
            for (k, cells) in self.cells(*place).into_iter().enumerate() {
                let (sin, cos) = (std::f64::consts::TAU * cells).sin_cos();
                phase[k] = [phase[k][0] + sin, phase[k][1] + cos];
            }
        }
        let [u, v] = phase.map(|[sin, cos]| sin.atan2(cos) / std::f64::consts::TAU);
        let mut origin = [0, 1].map(|k| u * self.basis[0][k] + v * self.basis[1][k]);
        let mut found = (vec![], 0.0);
        // Once more from the mean distance, which the phases only come near to.
        for _ in 0..2 {
            let of = |place: &[f64; 2]| self.nearest_site([place[0] - origin[0], place[1] - origin[1]]);
            let sites: Vec<([i32; 2], f64)> = path.at_nm.iter().map(of).collect();
            let rest = |axis: usize| {
                let one = |(place, site): (&[f64; 2], &([i32; 2], f64))| {
                    place[axis] - origin[axis] - self.vector(site.0)[axis]
                };
                path.at_nm.iter().zip(&sites).map(one).sum::<f64>() / path.at_nm.len().max(1) as f64
            };
            let shift = [rest(0), rest(1)];
            found = (sites.iter().map(|s| s.0).collect(), sites.iter().map(|s| s.1 * s.1).sum());
            origin = [origin[0] + shift[0], origin[1] + shift[1]];
        }
        found
    }
}
