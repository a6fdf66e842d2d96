//! What is in the specimen before the first frame.

use super::crystal::Crystal;
use super::rates::Kinetics;
use super::sites::Sites;
use super::specimen::Specimen;
use super::states::Occupant;
use crate::error::{Result, check, setters};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Fractions of sites that are not as they should be in frame 0. The defaults are the prevalences of the WS2 movie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Composition {
    /// Of hosts that are dopants (`Mo_W`).
    pub dopant: f64,
    /// Of mobile columns that lack one atom (`V_S`).
    pub single: f64,
    /// Of mobile columns that lack two (`V_2S`); of no meaning where a column has one atom.
    pub double: f64,
    /// Of hosts that are missing (`V_W`).
    pub host_vacancy: f64,
    /// Of hosts with a heavy atom on top (`W_ad`).
    pub adatom: f64,
    /// Of mobile columns that a heavy atom replaces (`W_2S`).
    pub antisite: f64,
}

impl Default for Composition {
    fn default() -> Self {
        Composition { dopant: 0.02, single: 0.008, double: 0.008, host_vacancy: 0.001, adatom: 0.001, antisite: 0.0005 }
    }
}

impl Composition {
    setters! {
        dopant: f64 => with_dopant,
        single: f64 => with_single,
        double: f64 => with_double,
        host_vacancy: f64 => with_host_vacancy,
        adatom: f64 => with_adatom,
        antisite: f64 => with_antisite,
    }

    /// Nothing wrong anywhere.
    #[must_use]
    pub fn perfect() -> Composition {
        Composition { dopant: 0.0, single: 0.0, double: 0.0, host_vacancy: 0.0, adatom: 0.0, antisite: 0.0 }
    }

    pub(super) fn validate(&self) -> Result<()> {
        for (name, value) in [
            ("dopant", self.dopant),
            ("single", self.single),
            ("double", self.double),
            ("host_vacancy", self.host_vacancy),
            ("adatom", self.adatom),
            ("antisite", self.antisite),
        ] {
            check(name, value, (0.0..=1.0).contains(&value), "a fraction from 0 to 1")?;
        }
        let host = self.dopant + self.host_vacancy + self.adatom;
        check("dopant + host_vacancy + adatom", host, host <= 1.0, "at most 1 in all")?;
        let mobile = self.single + self.double + self.antisite;
        check("single + double + antisite", mobile, mobile <= 1.0, "at most 1 in all")
    }

    /// Draws what stands on each site: hosts first, then vacancies, which sit beside dopants as much more often as their
    /// binding says, the mean fraction being kept.
    pub(super) fn draw(&self, crystal: &Crystal, sites: &Sites, kinetics: &Kinetics, rng: &mut ChaCha8Rng) -> Specimen {
        let mut specimen = Specimen::perfect(sites);
        for site in (0..sites.len()).filter(|&s| sites.host[s]) {
            let kinds = [
                (self.dopant, Occupant::Dopant),
                (self.host_vacancy, Occupant::HostVacancy),
                (self.adatom, Occupant::Adatom),
            ];
            specimen.occupant[site] = pick(kinds, rng.r#gen());
        }
        let atoms = i32::from(crystal.mobile_atoms());
        let bound = |site: usize, specimen: &Specimen| {
            let dopants = sites.bonded(site).filter(|&b| specimen.occupant[b] == Occupant::Dopant).count() as f64;
            libm::exp(kinetics.binding_ev * dopants / kinetics.kt_ev())
        };
        let columns: Vec<usize> =
            (0..sites.len()).filter(|&s| sites.mobile[s] && specimen.occupant[s] == Occupant::Perfect).collect();
        let weights: Vec<f64> = columns.iter().map(|&s| bound(s, &specimen)).collect();
        let mean = |of: fn(f64) -> f64| weights.iter().map(|&w| of(w)).sum::<f64>() / weights.len() as f64;
        let (one, two) = (mean(|w| w), mean(|w| w * w));
        for (&site, &weight) in columns.iter().zip(&weights) {
            let double = if atoms > 1 { self.double * weight * weight / two } else { 0.0 };
            let kinds = [
                (self.single * weight / one, Occupant::Missing1),
                (double, Occupant::Missing2),
                (self.antisite, Occupant::Antisite),
            ];
            specimen.occupant[site] = pick(kinds, rng.r#gen());
        }
        specimen.name_tracks(sites);
        specimen
    }
}

/// The kind in whose share of 1 the number falls, or a perfect column.
fn pick(kinds: [(f64, Occupant); 3], number: f64) -> Occupant {
    let mut left = number;
    for (share, kind) in kinds {
        if left < share {
            return kind;
        }
        left -= share;
    }
    Occupant::Perfect
}
