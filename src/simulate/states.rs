//! Species and configurations: what can stand on a site, and how it counts as a state of a Markov chain.

use super::crystal::{Crystal, Sublattice};
use serde::{Deserialize, Serialize};

/// What stands on a site, its neighbours aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Occupant {
    /// What belongs there.
    #[default]
    Perfect,
    /// A dopant in place of a host.
    Dopant,
    /// A column of mobile atoms that lacks one: `V_S`.
    Missing1,
    /// One that lacks two: `V_2S`.
    Missing2,
    /// A host that is not there: `V_W`.
    HostVacancy,
    /// A heavy atom on top of a host: `W_ad`.
    Adatom,
    /// A heavy atom in place of a whole mobile column: `W_2S`.
    Antisite,
    /// Nothing, as part of a hole.
    Hole,
}

impl Occupant {
    /// Atoms that a mobile column lacks.
    #[must_use]
    pub fn missing(self) -> u8 {
        match self {
            Occupant::Missing1 => 1,
            Occupant::Missing2 => 2,
            _ => 0,
        }
    }

    pub(super) fn lacking(missing: u8) -> Occupant {
        match missing {
            0 => Occupant::Perfect,
            1 => Occupant::Missing1,
            _ => Occupant::Missing2,
        }
    }

    /// Atomic numbers of the column, 0 where there is none.
    pub(super) fn atoms(self, kind: &Sublattice, adatom: u8) -> [u8; 3] {
        let pile = |count: u8| std::array::from_fn(|i| if i < usize::from(count) { kind.element } else { 0 });
        match self {
            Occupant::Perfect => pile(kind.per_column),
            Occupant::Missing1 | Occupant::Missing2 => pile(kind.per_column.saturating_sub(self.missing())),
            Occupant::Dopant => [kind.dopant.unwrap_or(0), 0, 0],
            Occupant::Adatom => [kind.element, adatom, 0],
            Occupant::Antisite => [adatom, 0, 0],
            Occupant::HostVacancy | Occupant::Hole => [0; 3],
        }
    }
}

/// A site with what around it makes a difference: a state of the Markov chain.
///
/// | state | name in WS2 | what it lacks | how it is left |
/// | --- | --- | --- | --- |
/// | `Lattice` | `lattice` | nothing | loses an S, receives a vacancy, becomes an edge |
/// | `Dopant`, no vacancy beside it | `Mo_W` | nothing; a Mo stays for good, until a hole takes it | a vacancy comes |
/// | `Dopant` with one | `Mo_W+V_S/0` to `/2` | nothing itself; the columns beside it do | it turns (conserves all), leaves, gains |
/// | `Dopant` with two | `Mo_W+2V_S/0` to `/2` (the one that is *not* vacant) | | |
/// | `Dopant` with three | `Mo_W+3V_S` | | |
/// | `Vacancy` of one | `V_S`; `V_S@Mo_W` beside a dopant | 1 S | hops (conserves S), pairs, loses the other S |
/// | `Vacancy` of two | `V_2S`; `V_2S@Mo_W` | 2 S | one of the two hops away |
/// | `HostVacancy` | `V_W` | 1 W | a hole takes it |
/// | `Adatom`, `Antisite` | `W_ad`, `W_2S` | nothing; 2 S, with a W too many | a hole takes them |
/// | `HoleEdge` | `hole_edge`, `hole_edge'` reconstructed | nothing itself | reconstructs and returns (conserves all) |
/// | `Hole` | `hole` | all | never |
///
/// A column that lacks two counts as one vacancy beside a dopant. Orientation `k` is the direction of the dopant's k-th
/// bond, the same for all dopants of a sublattice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Nothing wrong.
    Lattice,
    /// A dopant; bit `k` of `vacant` is set where the column at its k-th bond lacks atoms.
    Dopant {
        /// 0 to 7.
        vacant: u8,
    },
    /// A mobile column that lacks atoms.
    Vacancy {
        /// 1 or 2.
        missing: u8,
        /// Whether a dopant is bonded to it.
        bound: bool,
    },
    /// A host that is not there.
    HostVacancy,
    /// A heavy atom on top.
    Adatom,
    /// A heavy atom in place of a column.
    Antisite,
    /// Bonded to a hole.
    HoleEdge {
        /// Whether it has moved to where it is at rest without its neighbours.
        reconstructed: bool,
    },
    /// Part of a hole.
    Hole,
}

/// How many states there are.
pub const STATES: usize = 19;

impl State {
    /// All of them, in the order of [`State::index`].
    pub const ALL: [State; STATES] = [
        State::Lattice,
        State::Dopant { vacant: 0b000 },
        State::Dopant { vacant: 0b001 },
        State::Dopant { vacant: 0b010 },
        State::Dopant { vacant: 0b100 },
        State::Dopant { vacant: 0b110 },
        State::Dopant { vacant: 0b101 },
        State::Dopant { vacant: 0b011 },
        State::Dopant { vacant: 0b111 },
        State::Vacancy { missing: 1, bound: false },
        State::Vacancy { missing: 1, bound: true },
        State::Vacancy { missing: 2, bound: false },
        State::Vacancy { missing: 2, bound: true },
        State::HostVacancy,
        State::Adatom,
        State::Antisite,
        State::HoleEdge { reconstructed: false },
        State::HoleEdge { reconstructed: true },
        State::Hole,
    ];

    /// Its number in matrices.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            State::Lattice => 0,
            State::Dopant { vacant } => [1, 2, 3, 7, 4, 6, 5, 8][usize::from(vacant & 7)],
            State::Vacancy { missing, bound } => 7 + 2 * usize::from(missing.clamp(1, 2)) + usize::from(bound),
            State::HostVacancy => 13,
            State::Adatom => 14,
            State::Antisite => 15,
            State::HoleEdge { reconstructed } => 16 + usize::from(reconstructed),
            State::Hole => 18,
        }
    }

    /// Which way a complex points: 0 to 2. None for what has no direction.
    #[must_use]
    pub fn orientation(self) -> Option<u8> {
        match self {
            State::Dopant { vacant } if vacant.count_ones() == 1 => Some(vacant.trailing_zeros() as u8),
            State::Dopant { vacant } if vacant.count_ones() == 2 => Some((!vacant & 7).trailing_zeros() as u8),
            _ => None,
        }
    }

    /// The same without orientation, and without whether a dopant is near: as coarse as classes that a search finds.
    /// Edges are one state.
    #[must_use]
    pub fn lumped(self) -> State {
        match self {
            State::Dopant { vacant } => {
                State::Dopant { vacant: [0, 0b001, 0b110, 0b111][vacant.count_ones() as usize] }
            }
            State::Vacancy { missing, .. } => State::Vacancy { missing, bound: false },
            State::HoleEdge { .. } => State::HoleEdge { reconstructed: false },
            other => other,
        }
    }

    /// What stands at the site itself, its neighbours aside: `Mo_W`, `V_S`, `V_2S`, `V_W`, `W_ad`, `W_2S`, `hole_edge`,
    /// `hole` or `lattice`.
    #[must_use]
    pub fn species(self, crystal: &Crystal) -> String {
        let vacancy = |missing: u8| match missing {
            1 => format!("V_{}", crystal.mobile()),
            n => format!("V_{n}{}", crystal.mobile()),
        };
        let heavy = super::element::symbol(crystal.adatom);
        match self {
            State::Lattice => "lattice".into(),
            State::Dopant { .. } => crystal.dopant_name(),
            State::Vacancy { missing, .. } => vacancy(missing),
            State::HostVacancy => format!("V_{}", crystal.host()),
            State::Adatom => format!("{heavy}_ad"),
            State::Antisite => format!("{heavy}_{}{}", crystal.mobile_atoms(), crystal.mobile()),
            State::HoleEdge { .. } => "hole_edge".into(),
            State::Hole => "hole".into(),
        }
    }

    /// The configuration's name, with orientation: `Mo_W+V_S/1`, `V_S@Mo_W`, `hole_edge'`.
    #[must_use]
    pub fn name(self, crystal: &Crystal) -> String {
        let species = self.species(crystal);
        let turned = self.orientation().map_or_else(String::new, |k| format!("/{k}"));
        match self {
            State::Dopant { vacant } if vacant != 0 => format!("{species}{}{turned}", self.beside(crystal)),
            State::Vacancy { bound: true, .. } => format!("{species}@{}", crystal.dopant_name()),
            State::HoleEdge { reconstructed: true } => format!("{species}'"),
            _ => species,
        }
    }

    /// The name without orientation: `Mo_W+V_S`.
    #[must_use]
    pub fn lumped_name(self, crystal: &Crystal) -> String {
        match self {
            State::Dopant { vacant } if vacant != 0 => format!("{}{}", self.species(crystal), self.beside(crystal)),
            _ => self.lumped().name(crystal),
        }
    }

    /// "+V_S", "+2V_S".
    fn beside(self, crystal: &Crystal) -> String {
        let State::Dopant { vacant } = self else { return String::new() };
        let count = if vacant.count_ones() > 1 { vacant.count_ones().to_string() } else { String::new() };
        format!("+{count}V_{}", crystal.mobile())
    }

    /// Atoms that the site itself lacks.
    #[must_use]
    pub fn lacks(self, crystal: &Crystal) -> u8 {
        match self {
            State::Vacancy { missing, .. } => missing,
            State::HostVacancy => 1,
            State::Antisite => crystal.mobile_atoms(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_own_number_and_name() {
        let crystal = Crystal::ws2();
        let mut names: Vec<String> = vec![];
        for (i, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state.index(), i);
            assert_eq!(state.lumped().lumped(), state.lumped());
            assert!(names.iter().all(|n| *n != state.name(&crystal)), "{}", state.name(&crystal));
            names.push(state.name(&crystal));
        }
        for name in ["Mo_W", "Mo_W+V_S/2", "Mo_W+2V_S/0", "Mo_W+3V_S", "V_S", "V_2S@Mo_W", "V_W", "W_ad", "W_2S"] {
            assert!(names.iter().any(|n| n == name), "{name} is none of {names:?}");
        }
        assert_eq!(State::Dopant { vacant: 0b010 }.name(&Crystal::graphene()), "Si_C+V_C/1");
    }

    #[test]
    fn states_survive_being_written_as_json() {
        let text = serde_json::to_string(&State::ALL.to_vec()).unwrap();
        assert_eq!(serde_json::from_str::<Vec<State>>(&text).unwrap(), State::ALL);
    }

    #[test]
    fn turning_a_complex_changes_its_orientation_alone() {
        for k in 0..3_u8 {
            let one = State::Dopant { vacant: 1 << k };
            let two = State::Dopant { vacant: 7 & !(1 << k) };
            assert_eq!((one.orientation(), two.orientation()), (Some(k), Some(k)));
            assert_eq!(one.lumped(), State::Dopant { vacant: 1 });
            assert_eq!(two.lumped(), State::Dopant { vacant: 6 });
        }
    }
}
