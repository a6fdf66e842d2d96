//! How far the neighbours of a defect move.

use super::sites::Sites;
use super::specimen::Specimen;
use super::states::{Occupant, State};
use crate::error::{Result, check, setters};
use serde::{Deserialize, Serialize};

/// Displacements in nanometres of the sites bonded to a defect, away from it (negative: towards it). Those one step on
/// from a vacancy move by `second` times as much; those of several defects add up.
///
/// The defaults are *chosen*, of the order that first-principles calculations give for such lattices, so that an analysis
/// of distortions has something true to find: they are no result.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relaxation {
    /// Around a dopant.
    pub dopant_nm: f64,
    /// Around a mobile column, for each atom that it lacks.
    pub vacancy_nm: f64,
    /// Around a missing host.
    pub host_vacancy_nm: f64,
    /// Around a host with a heavy atom on top.
    pub adatom_nm: f64,
    /// Around a heavy atom in place of a column.
    pub antisite_nm: f64,
    /// A site at a hole's edge, away from the hole.
    pub edge_nm: f64,
    /// The same, reconstructed.
    pub reconstructed_nm: f64,
    /// Second neighbours of a vacancy, as a fraction of the first.
    pub second: f64,
}

impl Default for Relaxation {
    fn default() -> Self {
        Relaxation {
            dopant_nm: -0.002,
            vacancy_nm: -0.005,
            host_vacancy_nm: 0.008,
            adatom_nm: 0.003,
            antisite_nm: 0.006,
            edge_nm: 0.006,
            reconstructed_nm: 0.025,
            second: -0.3,
        }
    }
}

impl Relaxation {
    setters! {
        dopant_nm: f64 => with_dopant_nm,
        vacancy_nm: f64 => with_vacancy_nm,
        host_vacancy_nm: f64 => with_host_vacancy_nm,
        adatom_nm: f64 => with_adatom_nm,
        antisite_nm: f64 => with_antisite_nm,
        edge_nm: f64 => with_edge_nm,
        reconstructed_nm: f64 => with_reconstructed_nm,
        second: f64 => with_second,
    }

    /// Every site where it belongs.
    #[must_use]
    pub fn none() -> Relaxation {
        Relaxation {
            dopant_nm: 0.0,
            vacancy_nm: 0.0,
            host_vacancy_nm: 0.0,
            adatom_nm: 0.0,
            antisite_nm: 0.0,
            edge_nm: 0.0,
            reconstructed_nm: 0.0,
            second: 0.0,
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        for (name, value) in [
            ("dopant_nm", self.dopant_nm),
            ("vacancy_nm", self.vacancy_nm),
            ("host_vacancy_nm", self.host_vacancy_nm),
            ("adatom_nm", self.adatom_nm),
            ("antisite_nm", self.antisite_nm),
            ("edge_nm", self.edge_nm),
            ("reconstructed_nm", self.reconstructed_nm),
        ] {
            check(name, value, (-0.05..=0.05).contains(&value), "-0.05 to 0.05 nm, less than a third of a bond")?;
        }
        check("second", self.second, (-1.0..=1.0).contains(&self.second), "a fraction from -1 to 1")
    }

    /// How far a defect pushes its neighbours: the first, and the second.
    pub(super) fn push(&self, occupant: Occupant) -> Option<(f64, f64)> {
        match occupant {
            Occupant::Dopant => Some((self.dopant_nm, 0.0)),
            Occupant::Missing1 => Some((self.vacancy_nm, self.second * self.vacancy_nm)),
            Occupant::Missing2 => Some((2.0 * self.vacancy_nm, 2.0 * self.second * self.vacancy_nm)),
            Occupant::HostVacancy => Some((self.host_vacancy_nm, 0.0)),
            Occupant::Adatom => Some((self.adatom_nm, 0.0)),
            Occupant::Antisite => Some((self.antisite_nm, 0.0)),
            Occupant::Perfect | Occupant::Hole => None,
        }
    }

    /// Displacement (y, x) of every site in nanometres.
    pub(super) fn displacements(&self, sites: &Sites, specimen: &Specimen) -> Vec<[f64; 2]> {
        let mut moved = vec![[0.0; 2]; sites.len()];
        for site in 0..sites.len() {
            if let Some((first, second)) = self.push(specimen.occupant[site]) {
                for near in sites.bonded(site) {
                    shift(&mut moved[near], sites, site, near, first);
                }
                for near in sites.stepped(site) {
                    shift(&mut moved[near], sites, site, near, second);
                }
            }
            if specimen.edge[site] {
                let rest = State::HoleEdge { reconstructed: true } == specimen.state(sites, site);
                let far = if rest { self.reconstructed_nm } else { self.edge_nm };
                for hole in sites.bonded(site).filter(|&b| specimen.occupant[b] == Occupant::Hole) {
                    shift(&mut moved[site], sites, hole, site, far);
                }
            }
        }
        moved
    }
}

/// Moves `what` by `far` on the line from `from` to it.
fn shift(moved: &mut [f64; 2], sites: &Sites, from: usize, what: usize, far: f64) {
    let (dy, dx) = (sites.at_nm[what][0] - sites.at_nm[from][0], sites.at_nm[what][1] - sites.at_nm[from][1]);
    let length = libm::hypot(dy, dx);
    moved[0] += far * dy / length;
    moved[1] += far * dx / length;
}
