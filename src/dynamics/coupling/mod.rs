//! Whether two kinds of defects keep company: pair correlations, neighbours, adjacent sites, energies of pairs.

mod adjacent;
mod compare;
mod energies;
mod pairs;
mod scene;
#[cfg(test)]
mod tests;

pub use adjacent::{Adjacency, CoOccurrence};
pub use compare::Null;
pub use energies::{PairEnergies, PairEnergy};
pub use pairs::{Coupled, PairPoint, TimeWindow};

use super::sightings::{self, Groups, Sightings, Unit};
use crate::error::{Error, Result, check, setters};
use ndarray::Array2;
use scene::{One, Scene};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Compares how two kinds of defects stand with what they would do if they took no notice of each other.
///
/// Lengths are in nm (pixels where the movie is not calibrated). Everything is held against a null model ([`Null`]) that keeps
/// the density, the edges and the lattice, so that no formula for edges is needed; tracks stay whole, because what stands
/// beside something for a hundred frames is one event, not a hundred. Probabilities are exact ranks among the null's draws
/// (two-sided) and come corrected for the number of tests as well, by Holm and by Benjamini and Hochberg.
///
/// ```
/// use atomotion::prelude::*;
/// let imaging = Imaging::clean().with_size_px(160);
/// let recording = Experiment::ws2().with_frames(3).with_imaging(imaging).simulate(1)?;
/// let coupled = Coupling::default().with_draws(39).between(&recording, "Mo_W", "V_S")?;
/// println!("{coupled:?}\n{}", coupled.table()?);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coupling {
    /// How far pairs are looked at (default 2 nm).
    pub reach_nm: f64,
    /// Width of a bin of distance (default 0.1 nm).
    pub bin_nm: f64,
    /// Up to which distance sites are adjacent (default 0.25 nm: in WS2 a metal site and its three S columns at 0.182 nm,
    /// and no two sites of one kind, which are 0.3155 nm apart).
    pub adjacent_nm: f64,
    /// Windows of equal length in time, in which adjacent pairs are counted apart (default 3).
    pub windows: usize,
    /// The null model (default: shifts).
    pub null: Null,
    /// Two lattice vectors, `[y, x]` in nm: shifts are by whole numbers of them. Without, shifts are any, and what the lattice
    /// does to distances looks like coupling.
    pub lattice_nm: Option<[[f64; 2]; 2]>,
    /// Height and width of the field; by default the extent of all defects.
    pub field_nm: Option<[f64; 2]>,
    /// The column of kinds; by default `species`, or `class` where there is no species.
    pub by: Option<String>,
    /// Draws of the null model (default 499).
    pub draws: usize,
    /// Their seed.
    pub seed: u64,
    /// Where each frame is lattice, and pixels of these masks for a nm: see [`Coupling::with_lattice_at`].
    #[serde(skip)]
    lattice_at: Option<(BTreeMap<u32, Array2<bool>>, f64)>,
}

impl Default for Coupling {
    fn default() -> Self {
        Coupling {
            reach_nm: 2.0,
            bin_nm: 0.1,
            adjacent_nm: 0.25,
            windows: 3,
            null: Null::Shift,
            lattice_nm: None,
            field_nm: None,
            by: None,
            draws: 499,
            seed: 0,
            lattice_at: None,
        }
    }
}

impl Coupling {
    setters! {
        reach_nm: f64 => with_reach_nm,
        bin_nm: f64 => with_bin_nm,
        adjacent_nm: f64 => with_adjacent_nm,
        windows: usize => with_windows,
        null: Null => with_null,
        lattice_nm: Option<[[f64; 2]; 2]> => with_lattice_nm,
        field_nm: Option<[f64; 2]> => with_field_nm,
        by: Option<String> => with_by,
        draws: usize => with_draws,
        seed: u64 => with_seed,
    }

    /// Says where each frame is lattice (true) and where hole, by masks of the frame with so many nm a pixel. Defects that a
    /// shift brings into a hole are left out, and the rest of the frame counts for them: two kinds that both avoid a hole do
    /// not pass for coupled.
    #[must_use]
    pub fn with_lattice_at(mut self, masks: BTreeMap<u32, Array2<bool>>, nm_per_px: f64) -> Self {
        self.lattice_at = Some((masks, 1.0 / nm_per_px));
        self
    }

    fn validate(&self) -> Result<()> {
        for (name, value) in [("reach_nm", self.reach_nm), ("bin_nm", self.bin_nm), ("adjacent_nm", self.adjacent_nm)] {
            check(name, value, value.is_finite() && value > 0.0, "a positive length in nm")?;
        }
        let bins = self.reach_nm / self.bin_nm;
        check("bin_nm", self.bin_nm, (1.0..=10_000.0).contains(&bins), "from reach_nm / 10000 to reach_nm")?;
        check("windows", self.windows, (1..=1000).contains(&self.windows), "from 1 to 1000")?;
        check("draws", self.draws, (19..=100_000).contains(&self.draws), "from 19 to 100000")?;
        if let Some([[ay, ax], [by, bx]]) = self.lattice_nm {
            let area = (ay * bx - ax * by).abs();
            let shown = format!("{:?}", [[ay, ax], [by, bx]]);
            check("lattice_nm", shown, area.is_finite() && area > 0.0, "two finite vectors that are not parallel")?;
        }
        if let Some([h, w]) = self.field_nm {
            let positive = |v: f64| v.is_finite() && v > 0.0;
            check("field_nm", format!("{h} x {w}"), positive(h) && positive(w), "a positive height and width in nm")?;
        }
        if let Some((_, px_per_nm)) = &self.lattice_at {
            let valid = px_per_nm.is_finite() && *px_per_nm > 0.0;
            check("nm_per_px", 1.0 / px_per_nm, valid, "a positive number of nm for a pixel of the masks")?;
        }
        Ok(())
    }

    /// The defects of two kinds.
    fn scene(&self, of: &impl Sightings, a: &str, b: &str) -> Result<Scene> {
        self.validate()?;
        let table = of.sightings();
        let frames = sightings::frames(table)?;
        let unit = if table.column("y_nm").is_ok() { Unit::Nm } else { Unit::Px };
        let mut at = sightings::places(table, unit)?;
        let groups = Groups::of(table, self.by.as_deref())?;
        let (first, second) = (groups.find(a)?, groups.find(b)?);
        let tracks = match sightings::tracks(table) {
            Ok(tracks) => tracks,
            Err(e) if a == b || self.null == Null::Relabel => return Err(e),
            // Each row a track of its own: shifts of a whole kind need none.
            Err(_) => (0..frames.len() as u32).collect(),
        };
        if a == b && self.null == Null::Relabel {
            return Err(Error::data(format!("{a} with itself has no names to deal anew: take Null::Shift")));
        }
        let fold = |axis: usize, start: f64, f: fn(f64, f64) -> f64| at.iter().map(|p| p[axis]).fold(start, f);
        let low = [0, 1].map(|axis| fold(axis, f64::INFINITY, f64::min));
        let high = [0, 1].map(|axis| fold(axis, f64::NEG_INFINITY, f64::max));
        let field = self.field_nm.unwrap_or([0, 1].map(|axis| (high[axis] - low[axis]).max(1e-9)));
        if self.field_nm.is_none() {
            at.iter_mut().for_each(|p| *p = [p[0] - low[0], p[1] - low[1]]);
        }
        let (rows, ranges) = sightings::by_frame(&frames);
        let mut numbers = BTreeMap::new();
        let mut one = |row: usize| {
            let group = groups.of[row];
            (group == first || group == second).then(|| {
                let next = numbers.len();
                let track = *numbers.entry(tracks[row]).or_insert(next);
                One { at: at[row], track, first: group == first }
            })
        };
        let frames: Vec<(u32, Vec<One>)> =
            ranges.into_iter().map(|(f, range)| (f, rows[range].iter().filter_map(|&r| one(r)).collect())).collect();
        let (tracks, same) = (numbers.len(), a == b);
        Ok(Scene { frames, field, same, lattice: self.lattice_nm, tracks, lattice_at: self.lattice_at.clone() })
    }

    fn bins(&self) -> Vec<f64> {
        let count = (self.reach_nm / self.bin_nm).round().max(1.0) as usize;
        (1..=count).map(|i| i as f64 * self.bin_nm).collect()
    }

    /// First frames of the windows of time but the first.
    fn window_starts(&self, scene: &Scene) -> Vec<u32> {
        let (first, last) = (scene.frames.first().map_or(0, |f| f.0), scene.frames.last().map_or(0, |f| f.0));
        let span = f64::from(last - first) + 1.0;
        let at = |i: usize| first + (span * i as f64 / self.windows as f64).ceil() as u32;
        (1..self.windows).map(at).collect()
    }
}
