//! Moves between states: what happens, in how many ways, and what it conserves.

use super::states::{StateKind, States};
use crate::error::{Error, Result, check};
use crate::simulate::State;
use serde::{Deserialize, Serialize};

/// What happens in a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Process {
    /// A vacancy of the state hops to where it has other neighbours. Conserves all.
    Hops,
    /// A vacancy goes from one bond of a dopant to the next. Conserves all.
    Turns,
    /// A vacancy comes from outside (and, back, leaves). The state lacks one mobile atom more.
    Arrives,
    /// The beam takes a mobile atom. There is no way back.
    KnockOut,
    /// An edge reconstructs (and returns). Conserves all.
    Reconstructs,
    /// A hole takes all. There is no way back.
    Opens,
}

/// A move between two states.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhysicalMove {
    /// From this state.
    pub from: String,
    /// To this.
    pub to: String,
    /// What happens.
    pub process: Process,
    /// Equivalent ways in which it can happen.
    pub ways: f64,
    /// The same for the way back, where there is one.
    pub ways_back: f64,
}

impl PhysicalMove {
    /// A move with as many ways there as back.
    #[must_use]
    pub fn new(from: &str, to: &str, process: Process, ways: f64) -> PhysicalMove {
        PhysicalMove { from: from.into(), to: to.into(), process, ways, ways_back: ways }
    }

    /// The same with another number of ways back.
    #[must_use]
    pub fn with_ways_back(mut self, ways: f64) -> PhysicalMove {
        self.ways_back = ways;
        self
    }

    /// Whether it leads between these two, in either direction.
    pub(super) fn joins(&self, from: &str, to: &str) -> bool {
        (self.from == from && self.to == to) || (self.from == to && self.to == from)
    }

    /// Checks what it gains and loses.
    pub(super) fn conserves(&self, from: &StateKind, to: &StateKind, mobile: u8) -> Result<()> {
        let positive = |w: f64| w >= 0.0 && w.is_finite();
        check("ways", self.ways, positive(self.ways) && positive(self.ways_back), "numbers of 0 or more")?;
        check("moves", format!("{} -> {}", self.from, self.to), self.from != self.to, "two different states")?;
        let lost = i32::from(matches!(self.process, Process::Arrives | Process::KnockOut));
        if self.process == Process::Opens {
            return Ok(());
        }
        let elements = from.lacks.keys().chain(to.lacks.keys());
        let symbol = crate::simulate::symbol_of(mobile);
        for element in elements {
            let of = |kind: &StateKind| kind.lacks.get(element).copied().unwrap_or(0);
            let wanted = if element == symbol { lost } else { 0 };
            let change = of(to) - of(from);
            if change != wanted {
                return Err(Error::data(format!(
                    "{} -> {} does not conserve {element}: a move that {:?} loses {wanted}, this would lose {change}",
                    self.from, self.to, self.process
                )));
            }
        }
        Ok(())
    }
}

/// The moves between the simulation's configurations that one thing happening can make, as a track sees them, summed over
/// what is lumped (lumped vacancies as those far from dopants).
///
/// Counts of ways: of a column's six neighbours two are at the same dopant, four are not; a vacancy away from dopants (a
/// fraction `dopant` of hosts) has a dopant's column beside it `12 dopant` times, from which four ways lead back.
pub(super) fn of_configurations(states: &States, dopant: f64, turn_factor: f64, atoms: u8) -> Vec<PhysicalMove> {
    let mut moves: Vec<PhysicalMove> = vec![];
    let stands_for = |kind: &StateKind| -> Vec<State> {
        let free: Vec<State> =
            kind.configurations.iter().copied().filter(|s| !matches!(s, State::Vacancy { bound: true, .. })).collect();
        if free.is_empty() { kind.configurations.clone() } else { free }
    };
    for from in &states.kinds {
        for to in states.kinds.iter().filter(|to| to.name != from.name) {
            let (a, b) = (stands_for(from), stands_for(to));
            let mut found: Vec<(Process, f64, f64)> = vec![];
            for (x, y) in a.iter().flat_map(|x| b.iter().map(move |y| (*x, *y))) {
                for (process, there, back) in steps(x, y, dopant, turn_factor, f64::from(atoms)) {
                    let (there, back) = (there / a.len() as f64, back / b.len() as f64);
                    match found.iter_mut().find(|f| f.0 == process) {
                        Some(f) => (f.1, f.2) = (f.1 + there, f.2 + back),
                        None => found.push((process, there, back)),
                    }
                }
            }
            moves.extend(found.into_iter().map(|(process, ways, ways_back)| PhysicalMove {
                from: from.name.clone(),
                to: to.name.clone(),
                process,
                ways,
                ways_back,
            }));
        }
    }
    moves
}

/// What leads from one configuration to another, with the ways there and back; two-way moves are listed once, in the
/// direction in which vacancies come, or in which numbers rise.
fn steps(from: State, to: State, dopant: f64, turn_factor: f64, atoms: f64) -> Vec<(Process, f64, f64)> {
    match (from, to) {
        (State::Hole | State::Lattice, _) => vec![],
        (_, State::Hole) => vec![(Process::Opens, 1.0, 0.0)],
        (State::Dopant { vacant: a }, State::Dopant { vacant: b }) => {
            let (more, fewer) = ((b & !a).count_ones(), (a & !b).count_ones());
            match (more, fewer) {
                (1, 0) => vec![(Process::Arrives, 4.0, 4.0), (Process::KnockOut, atoms, 0.0)],
                (1, 1) if a < b => vec![(Process::Turns, turn_factor, turn_factor)],
                _ => vec![],
            }
        }
        (State::Vacancy { missing: 1, bound: false }, State::Vacancy { missing: 1, bound: true }) => {
            vec![(Process::Hops, 12.0 * dopant, 4.0)]
        }
        // One of two vacancies leaves in any of six directions; one that comes finds half of the atoms gone.
        (State::Vacancy { missing: 1, bound: a }, State::Vacancy { missing: 2, bound: b }) if a == b => {
            vec![(Process::Arrives, 3.0, 12.0), (Process::KnockOut, 1.0, 0.0)]
        }
        (State::HoleEdge { reconstructed: false }, State::HoleEdge { reconstructed: true }) => {
            vec![(Process::Reconstructs, 1.0, 1.0)]
        }
        _ => vec![],
    }
}
