//! A specimen under the beam: what it is made of, and what becomes of it.

use super::beam::Beam;
use super::column::Column;
use super::composition::Composition;
use super::crystal::Crystal;
use super::kinetics::{Engine, Event};
use super::rates::Kinetics;
use super::relaxation::Relaxation;
use super::sites::Sites;
use super::specimen::Specimen;
use super::states::{Occupant, State};
use crate::error::{Result, check, setters};
use crate::session::seeded;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// A crystal with its defects, and the rates by which they move.
///
/// ```
/// use atomotion::simulate::Matter;
/// let evolution = Matter::ws2().evolve(6.0, 20, 5.0, 1)?; // a square of 6 nm, 20 frames, one every 5 s
/// assert_eq!(evolution.len(), 20);
/// assert!(evolution.columns(0).len() > 500);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matter {
    /// The lattice.
    pub crystal: Crystal,
    /// What is wrong with it in frame 0.
    pub composition: Composition,
    /// The electrons that come.
    pub beam: Beam,
    /// What they and the temperature make of it.
    pub kinetics: Kinetics,
    /// How far neighbours of defects move.
    pub relaxation: Relaxation,
}

impl Default for Matter {
    fn default() -> Self {
        Matter::ws2()
    }
}

impl Matter {
    setters! {
        crystal: Crystal => with_crystal,
        composition: Composition => with_composition,
        beam: Beam => with_beam,
        kinetics: Kinetics => with_kinetics,
        relaxation: Relaxation => with_relaxation,
    }

    fn of(crystal: Crystal) -> Matter {
        Matter {
            crystal,
            composition: Composition::default(),
            beam: Beam::default(),
            kinetics: Kinetics::default(),
            relaxation: Relaxation::default(),
        }
    }

    /// Mo-doped WS2 at 100 kV, turned by four degrees.
    #[must_use]
    pub fn ws2() -> Matter {
        Matter::of(Crystal::ws2().with_rotation_deg(4.0))
    }

    /// W-doped MoS2, with the same rates.
    #[must_use]
    pub fn mos2() -> Matter {
        Matter::of(Crystal::mos2().with_rotation_deg(4.0))
    }

    /// Graphene with Si at 60 kV, at which no carbon leaves (22 eV, Meyer et al., Phys. Rev. Lett. 108, 196102, 2012).
    #[must_use]
    pub fn graphene() -> Matter {
        let mut matter = Matter::of(Crystal::graphene());
        matter.composition = Composition::perfect().with_dopant(0.004).with_single(0.002);
        matter.beam.voltage_kv = 60.0;
        matter.kinetics.displacement_ev = 22.0;
        matter
    }

    pub(super) fn validate(&self) -> Result<()> {
        self.crystal.validate()?;
        self.composition.validate()?;
        self.beam.validate()?;
        self.kinetics.validate()?;
        self.relaxation.validate()
    }

    /// Lets a square of this side live for `frames` frames, the first of them at once, then one every `interval_s`.
    /// Vacancies do not leave the square: make it wider than what is looked at.
    ///
    /// # Errors
    /// If an option is out of range, or the user stops it.
    pub fn evolve(&self, side_nm: f64, frames: usize, interval_s: f64, seed: u64) -> Result<Evolution> {
        let seed = seeded("Matter", seed);
        let mut kept = Vec::with_capacity(frames);
        let (sites, events) = self.watch(side_nm, frames, interval_s, seed, |_, _, specimen| {
            kept.push(specimen.clone());
            Ok(())
        })?;
        Ok(Evolution { matter: self.clone(), sites, frames: kept, events, interval_s })
    }

    /// The same without keeping anything: `see` is called with sites, frame and specimen.
    pub(super) fn watch(
        &self,
        side_nm: f64,
        frames: usize,
        interval_s: f64,
        seed: u64,
        mut see: impl FnMut(&Sites, usize, &Specimen) -> Result<()>,
    ) -> Result<(Sites, Vec<Event>)> {
        self.validate()?;
        check("frames", frames, (1..=1_000_000).contains(&frames), "from 1 to a million frames")?;
        check("interval_s", interval_s, interval_s > 0.0 && interval_s < 1e9, "a positive number of seconds")?;
        let sites = self.crystal.sites(side_nm)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut specimen = self.composition.draw(&self.crystal, &sites, &self.kinetics, &mut rng);
        let times: Vec<f64> = (0..frames).map(|f| f as f64 * interval_s).collect();
        let mut engine = Engine::new(&self.crystal, &sites, &self.kinetics, &self.beam)?;
        let events = engine.run(&mut specimen, &times, &mut rng, |f, specimen| see(&sites, f, specimen))?;
        Ok((sites, events))
    }
}

/// What became of a specimen: its state at the beginning of every frame, and every event between.
#[derive(Clone)]
pub struct Evolution {
    pub(super) matter: Matter,
    pub(super) sites: Sites,
    pub(super) frames: Vec<Specimen>,
    pub(super) events: Vec<Event>,
    pub(super) interval_s: f64,
}

impl Evolution {
    /// Number of frames.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // there is always a first
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// What it was made of.
    #[must_use]
    pub fn matter(&self) -> &Matter {
        &self.matter
    }

    /// The lattice's sites.
    #[must_use]
    pub fn sites(&self) -> &Sites {
        &self.sites
    }

    /// The specimen at the beginning of a frame.
    ///
    /// # Panics
    /// If there is no such frame.
    #[must_use]
    pub fn specimen(&self, frame: usize) -> &Specimen {
        &self.frames[frame]
    }

    /// What happened until the last frame began, in order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Every site's state at the beginning of a frame.
    ///
    /// # Panics
    /// If there is no such frame.
    #[must_use]
    pub fn states(&self, frame: usize) -> Vec<State> {
        (0..self.sites.len()).map(|s| self.frames[frame].state(&self.sites, s)).collect()
    }

    /// Where every site is at the beginning of a frame: place and displacement, in nanometres.
    pub(super) fn places(&self, frame: usize) -> Vec<[f64; 2]> {
        let moved = self.matter.relaxation.displacements(&self.sites, &self.frames[frame]);
        self.sites.at_nm.iter().zip(moved).map(|([y, x], [dy, dx])| [y + dy, x + dx]).collect()
    }

    /// The columns that an image of a frame shows: all that have an atom.
    ///
    /// # Panics
    /// If there is no such frame.
    #[must_use]
    pub fn columns(&self, frame: usize) -> Vec<Column> {
        let specimen = &self.frames[frame];
        let places = self.places(frame);
        (0..self.sites.len())
            .filter(|&s| specimen.occupant[s] != Occupant::Hole)
            .map(|s| {
                let atoms = specimen.column(&self.matter.crystal, &self.sites, s);
                Column { y_nm: places[s][0], x_nm: places[s][1], atoms }
            })
            .filter(|column| column.atoms != [0; 3])
            .collect()
    }
}

impl std::fmt::Debug for Evolution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = &self.matter.crystal.name;
        let (sites, frames, events) = (self.sites.len(), self.frames.len(), self.events.len());
        write!(f, "{name}: {sites} sites, {frames} frames of {} s, {events} events", self.interval_s)
    }
}
