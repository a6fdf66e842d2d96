//! Rates from energies, temperature and beam.

use super::chain::Chain;
use super::energies::Energies;
use super::generator::Generator;
use super::moves::{PhysicalMove, Process, of_configurations};
use super::states::{StateKind, States};
use crate::error::{Error, Result, check, setters};
use crate::simulate::{Beam, Composition, Kinetics, Matter};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// Boltzmann's constant in eV per kelvin (CODATA 2018), and square nanometres in a barn.
const BOLTZMANN_EV: f64 = 8.617_333_262e-5;
const NM2_PER_BARN: f64 = 1e-10;

/// What may turn into what, how, and how often.
///
/// The rate of a move is thermal, `attempt exp(-(migration + max(ΔE, 0)) / kT)`, plus beam-driven,
/// `hop_barn × dose rate × exp(-max(ΔE, 0) / kT)`, times the ways in which it can happen and the fraction of places that
/// have (or lack) the vacancy that comes (or goes). `ΔE` is the change of the states' interaction energies. Both parts of
/// a move and of its way back differ by Boltzmann's factor: detailed balance. A knock-out has McKinley and Feshbach's
/// cross-section at its threshold, and no way back. Every other move is forbidden: its rate is 0.
///
/// The states are those of a *track*: one defect, wherever it goes.
///
/// ```
/// use atomotion::markov::{Physics, States};
/// let physics = Physics::ws2();
/// let generator = physics.generator()?;
/// assert_eq!(generator.rate("Mo_W", "V_S")?, 0.0, "a Mo stays");
/// assert!(generator.rate("Mo_W+V_S/0", "Mo_W+V_S/1")? > 0.0, "a complex turns");
/// let chain = physics.chain(5.0)?; // probabilities from one frame to the next, 5 s apart
/// println!("{chain:?}");
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Physics {
    /// The states.
    pub states: States,
    /// What may happen. What is not here is forbidden.
    pub moves: Vec<PhysicalMove>,
    /// The table of energies.
    pub energies: Energies,
    /// Temperature in kelvin.
    pub temperature_k: f64,
    /// Attempts per second at a barrier.
    pub attempt_per_s: f64,
    /// Dose rate and voltage.
    pub beam: Beam,
    /// Cross-section in barn of a beam-driven hop in one direction: the *effective hop rate* over the dose rate.
    pub hop_barn: f64,
    /// Atomic number of the atoms that hop and are knocked out.
    pub mobile: u8,
    /// Fraction of columns that have a vacancy; none takes that of thermal equilibrium, from the formation energy.
    pub vacancy_fraction: Option<f64>,
    /// Fraction of the complexes that turn at the full rate. A state says that a column beside the dopant lacks atoms; not
    /// whether it lacks both (which leaves one by one, against their binding) or is bonded to a second dopant (whose
    /// binding holds it): those hardly turn. [`Physics::of`] takes it from the composition in equilibrium; 1 is a complex
    /// by itself.
    pub turning: f64,
    /// Cross-section in barn for a defect to end in a hole: 0 by default, since it depends on what lies around.
    pub hole_barn: f64,
    /// Cross-section in barn for an edge to reconstruct.
    pub edge_barn: f64,
}

impl Physics {
    setters! {
        energies: Energies => with_energies,
        temperature_k: f64 => with_temperature_k,
        attempt_per_s: f64 => with_attempt_per_s,
        beam: Beam => with_beam,
        hop_barn: f64 => with_hop_barn,
        vacancy_fraction: Option<f64> => with_vacancy_fraction,
        turning: f64 => with_turning,
        hole_barn: f64 => with_hole_barn,
        edge_barn: f64 => with_edge_barn,
    }

    /// Mo-doped WS2 at 100 kV, the default of [`Matter`], with all states that have an orientation or bond.
    #[must_use]
    pub fn ws2() -> Physics {
        Physics::of(&Matter::ws2(), &States::ws2())
    }

    /// The physics of a simulated specimen, for these of its states ([`States::of`] its crystal, perhaps lumped or a
    /// selection): energies, cross-sections and beam are its own, vacancies and dopants as many as at its start.
    #[must_use]
    pub fn of(matter: &Matter, states: &States) -> Physics {
        let Kinetics { temperature_k, attempt_per_s, hop, binding_ev, pair_ev, cluster_ev, .. } = matter.kinetics;
        let k = &matter.kinetics;
        let c = &matter.composition;
        Physics {
            states: states.clone(),
            moves: of_configurations(states, c.dopant, k.turn_factor, matter.crystal.mobile_atoms()),
            energies: Energies::default()
                .with_migration_ev(hop.barrier_ev)
                .with_binding_ev(vec![binding_ev])
                .with_pair_ev(vec![pair_ev, cluster_ev])
                .with_displacement_ev(k.displacement_ev)
                .with_loosening_ev(k.loosening_ev)
                .with_edge_ev(k.reconstruction_ev),
            temperature_k,
            attempt_per_s,
            beam: matter.beam,
            hop_barn: hop.barn,
            mobile: matter.crystal.sublattices.iter().find(|s| s.mobile).map_or(0, |s| s.element),
            vacancy_fraction: Some(c.single + c.double),
            turning: turning(c, binding_ev / k.kt_ev()),
            hole_barn: 0.0,
            edge_barn: k.reconstruction.barn,
        }
    }

    /// Of states of your own, without any move yet: everything is forbidden that [`Physics::allow`] does not allow.
    #[must_use]
    pub fn declare(states: States) -> Physics {
        Physics { moves: vec![], states, turning: 1.0, ..Physics::ws2() }
    }

    /// Allows a move (and its way back, unless it is a knock-out or a hole), instead of any between the same states.
    #[must_use]
    pub fn allow(mut self, step: PhysicalMove) -> Physics {
        self.moves.retain(|m| !m.joins(&step.from, &step.to));
        self.moves.push(step);
        self
    }

    /// Forbids what leads from one state to another, and back.
    #[must_use]
    pub fn forbid(mut self, from: &str, to: &str) -> Physics {
        self.moves.retain(|m| !m.joins(from, to));
        self
    }

    /// Checks everything: options, energies, that moves are between known states, named once, and conserve what they must.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn validate(&self) -> Result<()> {
        self.energies.validate()?;
        check("temperature_k", self.temperature_k, (1.0..=5000.0).contains(&self.temperature_k), "1 to 5000 K")?;
        check("attempt_per_s", self.attempt_per_s, (0.0..=1e16).contains(&self.attempt_per_s), "0 to 1e16 per second")?;
        let dose = self.beam.dose_rate_e_nm2_s;
        check("dose_rate_e_nm2_s", dose, dose.is_finite() && dose >= 0.0, "electrons per nm² and second, 0 or more")?;
        for (name, barn) in [("hop_barn", self.hop_barn), ("hole_barn", self.hole_barn), ("edge_barn", self.edge_barn)]
        {
            check(name, barn, (0.0..=1e12).contains(&barn), "a cross-section of 0 to 1e12 barn")?;
        }
        if let Some(c) = self.vacancy_fraction {
            check("vacancy_fraction", c, (0.0..1.0).contains(&c), "a fraction from 0 to below 1")?;
        }
        check("turning", self.turning, (0.0..=1.0).contains(&self.turning), "a fraction from 0 to 1")?;
        for (i, step) in self.moves.iter().enumerate() {
            let (from, to) = (self.kind(&step.from)?, self.kind(&step.to)?);
            if self.moves[..i].iter().any(|m| m.joins(&step.from, &step.to) && m.process == step.process) {
                return Err(Error::data(format!("the moves contradict each other: {step:?} is there twice")));
            }
            step.conserves(from, to, self.mobile)?;
        }
        self.states.kinds.iter().try_for_each(|kind| self.known(kind))
    }

    /// Every pair of a state needs an energy.
    fn known(&self, kind: &StateKind) -> Result<()> {
        for (what, shells, energies) in
            [("binding", &kind.bound, &self.energies.binding_ev), ("pair", &kind.pairs, &self.energies.pair_ev)]
        {
            if let Some(shell) = (energies.len()..shells.len()).find(|&s| shells[s] > 0) {
                return Err(Error::data(format!(
                    "{} has a {what} in shell {shell}, of which the energies say nothing",
                    kind.name
                )));
            }
        }
        Ok(())
    }

    fn kind(&self, name: &str) -> Result<&StateKind> {
        Ok(&self.states.kinds[self.states.index(name)?])
    }

    /// Thermal energy in eV.
    #[must_use]
    pub fn kt_ev(&self) -> f64 {
        BOLTZMANN_EV * self.temperature_k
    }

    /// Interaction energy of a state: what its bonds gain, negative.
    fn energy_ev(&self, kind: &StateKind) -> f64 {
        let sum =
            |shells: &[u8], energies: &[f64]| shells.iter().zip(energies).map(|(n, e)| f64::from(*n) * e).sum::<f64>();
        let edge = kind
            .configurations
            .first()
            .is_some_and(|s| matches!(s, crate::simulate::State::HoleEdge { reconstructed: true }));
        -sum(&kind.bound, &self.energies.binding_ev)
            - sum(&kind.pairs, &self.energies.pair_ev)
            - if edge { self.energies.edge_ev } else { 0.0 }
    }

    /// Fraction of columns with a vacancy.
    fn fraction(&self) -> f64 {
        self.vacancy_fraction.unwrap_or_else(|| 1.0 / (1.0 + libm::exp(self.energies.formation_ev / self.kt_ev())))
    }

    /// The rates between all states.
    ///
    /// # Errors
    /// Those of [`Physics::validate`].
    pub fn generator(&self) -> Result<Generator> {
        self.validate()?;
        let n = self.states.len();
        let kt = self.kt_ev();
        let (mut thermal, mut beam) = (Array2::zeros((n, n)), Array2::zeros((n, n)));
        let per_s = |barn: f64| barn * NM2_PER_BARN * self.beam.dose_rate_e_nm2_s;
        let barrier = |ev: f64| self.attempt_per_s * libm::exp(-ev / kt);
        for step in &self.moves {
            let (from, to) = (self.states.index(&step.from)?, self.states.index(&step.to)?);
            let (a, b) = (&self.states.kinds[from], &self.states.kinds[to]);
            let uphill = |ev: f64| libm::exp(-ev.max(0.0) / kt);
            let rise = self.energy_ev(b) - self.energy_ev(a);
            let (there, back) = match step.process {
                Process::Hops | Process::Reconstructs => (1.0, 1.0),
                Process::Turns => (self.turning, self.turning),
                Process::Arrives => (self.fraction(), 1.0 - self.fraction()),
                Process::KnockOut | Process::Opens => (1.0, 0.0),
            };
            let (slow, fast) = match step.process {
                Process::KnockOut => {
                    let near = f64::from(a.vacancies);
                    let least = 0.1 * self.energies.displacement_ev;
                    let threshold = (self.energies.displacement_ev - self.energies.loosening_ev * near).max(least);
                    (barrier(threshold), per_s(self.beam.displacement_barn(self.mobile, threshold)?))
                }
                Process::Opens => (0.0, per_s(self.hole_barn)),
                Process::Reconstructs => (barrier(self.energies.migration_ev), per_s(self.edge_barn)),
                _ => (barrier(self.energies.migration_ev), per_s(self.hop_barn)),
            };
            // A knock-out and a hole cost what their threshold says, and nothing more.
            let (up, down) = if back == 0.0 { (1.0, 0.0) } else { (uphill(rise), uphill(-rise)) };
            for (part, rate) in [(&mut thermal, slow), (&mut beam, fast)] {
                part[[from, to]] += rate * step.ways * there * up;
                part[[to, from]] += rate * step.ways_back * back * down;
            }
        }
        for part in [&mut thermal, &mut beam] {
            for i in 0..n {
                part[[i, i]] = 0.0;
                part[[i, i]] = -part.row(i).sum();
            }
        }
        Ok(Generator { names: self.states.names(), thermal, beam })
    }

    /// Probabilities from one frame to the next, `interval_s` apart.
    ///
    /// # Errors
    /// Those of [`Physics::generator`]; also if the interval is not positive.
    pub fn chain(&self, interval_s: f64) -> Result<Chain> {
        self.generator()?.chain(interval_s)
    }

    /// Names and energies of the states in eV, without their formation: what decides between them in equilibrium.
    #[must_use]
    pub fn energies_of_states(&self) -> Vec<(String, f64)> {
        self.states.kinds.iter().map(|k| (k.name.clone(), self.energy_ev(k))).collect()
    }
}

/// Of the vacant columns beside a dopant, by how many more dopants they are bonded to and whether they lack one atom or
/// both, in equilibrium (the binding in units of kT): the mean of how much slower they turn.
fn turning(c: &Composition, binding: f64) -> f64 {
    let weight = libm::exp(binding);
    let mean = |w: f64| (1.0 - c.dopant + c.dopant * w).powi(3);
    let (mut all, mut turn) = (0.0, 0.0);
    for (more, ways) in [(0, 1.0), (1, 2.0), (2, 1.0)] {
        let chance = ways * c.dopant.powi(more) * (1.0 - c.dopant).powi(2 - more);
        let single = chance * c.single * weight.powi(more + 1) / mean(weight);
        let double = chance * c.double * weight.powi(2 * more + 2) / mean(weight * weight);
        (all, turn) = (all + single + double, turn + single * weight.powi(-more));
    }
    if all > 0.0 { turn / all } else { 1.0 }
}

#[cfg(test)]
mod tests;
