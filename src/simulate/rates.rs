//! How often each move happens: a thermal term and one that the beam drives.

use super::beam::{Beam, NM2_PER_BARN};
use super::crystal::Crystal;
use crate::error::{Result, check, setters};
use serde::{Deserialize, Serialize};

/// Boltzmann's constant in eV per kelvin (CODATA 2018).
const BOLTZMANN_EV: f64 = 8.617_333_262e-5;
/// Diffusion coefficient of a single vacancy by default, in nm²/s, and where it was chosen: WS2 at the default beam.
const DIFFUSION: f64 = 1e-4;
const PERIOD_NM: f64 = 0.3155;
const DOSE_RATE: f64 = 2e4;

/// One move's rate: thermal over a barrier, plus beam-driven by a cross-section.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Height of the barrier in eV.
    pub barrier_ev: f64,
    /// Cross-section in barn for the beam to do it.
    pub barn: f64,
}

/// A move that never happens.
fn none() -> Rate {
    Rate { barrier_ev: 100.0, barn: 0.0 }
}

fn is_none(rate: &Rate) -> bool {
    *rate == none()
}

/// What the moves cost and how often the beam makes them. The defaults are for WS2.
///
/// A move's rate is `attempt exp(-(barrier + max(ΔE, 0)) / kT) + σ J exp(-max(ΔE, 0) / kT)`, with the dose rate `J` and
/// the difference `ΔE` of the configuration's energy (`binding_ev`, `pair_ev`, `cluster_ev`). Both terms favour the lower
/// energy by the same factor, so that hops alone lead to Boltzmann's distribution over the configurations.
///
/// What stands behind the defaults:
///
/// - Barriers: above 1.9 eV for a vacancy's hop in MoS2 (Sensoy et al., Phys. Rev. B 95, 014106, 2017). At 300 K that is
///   once in some 10^10 years: nothing here is thermal ([`Matter::generator`](super::Matter::generator) shows both terms).
/// - `hop`'s cross-section: *chosen*, so that an isolated `V_S` has the diffusion coefficient 1e-4 nm²/s at the default
///   beam, the order of what is measured in movies (Maksov et al., npj Comput. Mater. 5, 12, 2019).
/// - `displacement_ev`: about 7 eV for S in WS2 (Komsa et al., Phys. Rev. Lett. 109, 035503, 2012), which 100 kV just
///   reaches.
/// - `pair_ev`: 0.16 eV bind two vacancies in one column of WS2 (first principles, arXiv:2509.19121).
/// - `binding_ev`, `cluster_ev`, `loosening_ev`, `turn_factor`, and whatever concerns holes and edges: *chosen*, so that
///   dopants and vacancies visibly couple, and holes grow over tens of frames. They are there to be found, not believed.
///
/// ```
/// use atomotion::simulate::{Beam, Crystal, Kinetics};
/// let (kinetics, beam) = (Kinetics::default(), Beam::default());
/// assert!((kinetics.diffusion_nm2_s(&Crystal::ws2(), &beam)? - 1e-4).abs() < 1e-10);
/// let thermal = kinetics.diffusion_nm2_s(&Crystal::ws2(), &beam.with_dose_rate_e_nm2_s(0.0))?;
/// assert!(thermal < 1e-19, "without the beam nothing moves at 300 K");
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kinetics {
    /// Temperature in kelvin.
    pub temperature_k: f64,
    /// Attempts per second at a barrier: about a lattice vibration.
    pub attempt_per_s: f64,
    /// A vacancy hops to one of the next mobile columns: rate for one direction, and one vacancy in a whole column. Of
    /// `m` vacancies in a column and `n` atoms in the next, each vacancy can change places with each atom.
    pub hop: Rate,
    /// A column that lacks both of its atoms changes places with a whole one, as one: rate for one direction. None by
    /// default; it is there for movies in which `V_2S` moves.
    #[serde(default = "none", skip_serializing_if = "is_none")]
    pub pair_hop: Rate,
    /// Energy that a vacancy gains from each dopant that its column is bonded to.
    pub binding_ev: f64,
    /// Energy gained by two vacancies in one column.
    pub pair_ev: f64,
    /// Energy gained by each pair of neighbouring columns that both lack atoms.
    pub cluster_ev: f64,
    /// How much more often a vacancy hops around a dopant, from one of its bonds to the next, than elsewhere.
    pub turn_factor: f64,
    /// Energy that an electron must give to a mobile atom for it to leave; also the barrier to leaving thermally.
    pub displacement_ev: f64,
    /// How much less it is for each atom that the column and its neighbours lack.
    pub loosening_ev: f64,
    /// A hole begins at a host: rate for each pair of atoms that the three columns around it lack. Host and columns go.
    pub nucleation: Rate,
    /// Electrons per nm² before which no hole begins: by default those of the first half of 100 frames.
    pub hole_onset_e_nm2: f64,
    /// A hole takes the host at its edge: rate for each of the host's bonds that ends in the hole. Columns that are left
    /// with fewer than two bonds go with it.
    pub growth: Rate,
    /// A site at a hole's edge moves to where it is at rest (reconstructs), and back.
    pub reconstruction: Rate,
    /// Energy that it gains by that.
    pub reconstruction_ev: f64,
}

impl Default for Kinetics {
    fn default() -> Self {
        Kinetics {
            temperature_k: 300.0,
            attempt_per_s: 1e13,
            // Six directions: D = 6 k a² / 4.
            hop: Rate {
                barrier_ev: 1.9,
                barn: 4.0 * DIFFUSION / (6.0 * PERIOD_NM * PERIOD_NM) / DOSE_RATE / NM2_PER_BARN,
            },
            pair_hop: none(),
            binding_ev: 0.06,
            pair_ev: 0.16,
            cluster_ev: 0.02,
            turn_factor: 3.0,
            displacement_ev: 7.0,
            loosening_ev: 0.05,
            nucleation: Rate { barrier_ev: 4.0, barn: 100.0 },
            hole_onset_e_nm2: 5e6,
            growth: Rate { barrier_ev: 3.0, barn: 8000.0 },
            reconstruction: Rate { barrier_ev: 1.5, barn: 5000.0 },
            reconstruction_ev: 0.03,
        }
    }
}

impl Kinetics {
    setters! {
        temperature_k: f64 => with_temperature_k,
        attempt_per_s: f64 => with_attempt_per_s,
        hop: Rate => with_hop,
        pair_hop: Rate => with_pair_hop,
        binding_ev: f64 => with_binding_ev,
        pair_ev: f64 => with_pair_ev,
        cluster_ev: f64 => with_cluster_ev,
        turn_factor: f64 => with_turn_factor,
        displacement_ev: f64 => with_displacement_ev,
        loosening_ev: f64 => with_loosening_ev,
        nucleation: Rate => with_nucleation,
        hole_onset_e_nm2: f64 => with_hole_onset_e_nm2,
        growth: Rate => with_growth,
        reconstruction: Rate => with_reconstruction,
        reconstruction_ev: f64 => with_reconstruction_ev,
    }

    pub(super) fn validate(&self) -> Result<()> {
        check("temperature_k", self.temperature_k, (1.0..=5000.0).contains(&self.temperature_k), "1 to 5000 K")?;
        let attempt = self.attempt_per_s;
        check("attempt_per_s", attempt, (0.0..=1e16).contains(&attempt), "0 to 1e16 per second")?;
        for (name, rate) in [
            ("hop", self.hop),
            ("pair_hop", self.pair_hop),
            ("nucleation", self.nucleation),
            ("growth", self.growth),
            ("reconstruction", self.reconstruction),
        ] {
            let shown = format!("{} eV, {} barn", rate.barrier_ev, rate.barn);
            let valid = (0.0..=100.0).contains(&rate.barrier_ev) && (0.0..=1e12).contains(&rate.barn);
            check(name, shown, valid, "a barrier of 0 to 100 eV and a cross-section of 0 to 1e12 barn")?;
        }
        for (name, value) in [
            ("binding_ev", self.binding_ev),
            ("pair_ev", self.pair_ev),
            ("cluster_ev", self.cluster_ev),
            ("loosening_ev", self.loosening_ev),
            ("reconstruction_ev", self.reconstruction_ev),
        ] {
            check(name, value, (-5.0..=5.0).contains(&value), "an energy of -5 to 5 eV")?;
        }
        check("turn_factor", self.turn_factor, (0.0..=1e6).contains(&self.turn_factor), "a factor of 0 to 1e6")?;
        let displacement = self.displacement_ev;
        check("displacement_ev", displacement, displacement > 0.0 && displacement < 1000.0, "0 to 1000 eV")?;
        let onset = self.hole_onset_e_nm2;
        check("hole_onset_e_nm2", onset, onset >= 0.0, "electrons per nm², 0 or more")
    }

    /// Thermal energy in eV.
    #[must_use]
    pub fn kt_ev(&self) -> f64 {
        BOLTZMANN_EV * self.temperature_k
    }

    /// Factor by which a move is slower for the energy it costs.
    pub(super) fn uphill(&self, energy_ev: f64) -> f64 {
        libm::exp(-energy_ev.max(0.0) / self.kt_ev())
    }

    /// Thermal and beam-driven rate per second.
    pub(super) fn terms(&self, rate: Rate, beam: &Beam) -> (f64, f64) {
        (self.attempt_per_s * libm::exp(-rate.barrier_ev / self.kt_ev()), beam.per_s(rate.barn))
    }

    /// How often a second a move happens, thermal and driven by the beam together.
    #[must_use]
    pub fn per_s(&self, rate: Rate, beam: &Beam) -> f64 {
        let (thermal, driven) = self.terms(rate, beam);
        thermal + driven
    }

    /// For a mobile atom of which `missing` of the column and its neighbours are gone: barrier and cross-section to leave.
    ///
    /// # Errors
    /// If the atomic number is none that the simulation knows.
    pub fn knock_out(&self, beam: &Beam, atomic_number: u8, missing: usize) -> Result<Rate> {
        // However loose, an atom is bound.
        let threshold = (self.displacement_ev - self.loosening_ev * missing as f64).max(0.1 * self.displacement_ev);
        Ok(Rate { barrier_ev: threshold, barn: beam.displacement_barn(atomic_number, threshold)? })
    }

    /// Diffusion coefficient of an isolated single vacancy, from the rates: steps per second times length squared, over 4.
    ///
    /// # Errors
    /// If an option is out of range.
    pub fn diffusion_nm2_s(&self, crystal: &Crystal, beam: &Beam) -> Result<f64> {
        self.validate()?;
        beam.validate()?;
        let sites = crystal.sites(8.0 * crystal.period_nm())?;
        let directions = (0..sites.len()).map(|i| sites.stepped(i).count()).max().unwrap_or(0) as f64;
        let (thermal, driven) = self.terms(self.hop, beam);
        Ok(directions * (thermal + driven) * sites.step_nm * sites.step_nm / 4.0)
    }
}
