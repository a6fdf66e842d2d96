//! States of the Markov model: how each looks, what it lacks, and with whom it binds.

use crate::error::{Error, Result, check};
use crate::simulate::{Crystal, State};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One state of a defect.
///
/// ```
/// use atomotion::markov::{StateKind, States};
/// let states = States::new(vec![
///     StateKind::new("Si_C").with_atoms([14, 0, 0]).lacking("C", 1).lacking("Si", -1),
///     StateKind::new("Si_C+V_C").with_atoms([14, 0, 0]).lacking("C", 2).lacking("Si", -1).with_vacancies(1, &[1], &[]),
/// ])?;
/// assert_eq!(states.names(), ["Si_C", "Si_C+V_C"]); // serde writes and reads them as a list
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateKind {
    /// Its name in tables and figures: `Mo_W+V_S/1`.
    pub name: String,
    /// What stands at the place itself: `Mo_W`.
    pub species: String,
    /// How it looks: atomic numbers of the column there, 0 for none.
    pub atoms: [u8; 3],
    /// Atoms of each element that it lacks, with the columns that belong to it; negative for atoms too many. This is what
    /// moves conserve or do not.
    pub lacks: BTreeMap<String, i32>,
    /// Vacancies in it.
    pub vacancies: u8,
    /// Pairs of a dopant and a vacancy in it, by neighbour shell, the nearest first.
    pub bound: Vec<u8>,
    /// Pairs of vacancies in it by shell: in one column, in neighbouring columns, ….
    pub pairs: Vec<u8>,
    /// The configurations of the simulation that it stands for; empty for states of your own.
    #[serde(default)]
    pub configurations: Vec<State>,
}

impl StateKind {
    /// A state that lacks nothing and looks like nothing yet.
    #[must_use]
    pub fn new(name: &str) -> StateKind {
        StateKind {
            name: name.into(),
            species: name.split(['+', '@', '/']).next().unwrap_or(name).into(),
            atoms: [0; 3],
            lacks: BTreeMap::new(),
            vacancies: 0,
            bound: vec![],
            pairs: vec![],
            configurations: vec![],
        }
    }

    /// How it looks: atomic numbers of its column, 0 for none.
    #[must_use]
    pub fn with_atoms(mut self, atoms: [u8; 3]) -> StateKind {
        self.atoms = atoms;
        self
    }

    /// Atoms of an element that it lacks.
    #[must_use]
    pub fn lacking(mut self, element: &str, atoms: i32) -> StateKind {
        *self.lacks.entry(element.into()).or_insert(0) += atoms;
        self.lacks.retain(|_, n| *n != 0);
        self
    }

    /// Its vacancies, and how many pairs of dopant and vacancy, and of vacancies, there are by shell.
    #[must_use]
    pub fn with_vacancies(mut self, vacancies: u8, bound: &[u8], pairs: &[u8]) -> StateKind {
        (self.vacancies, self.bound, self.pairs) = (vacancies, bound.to_vec(), pairs.to_vec());
        self
    }
}

/// The states of a model, in the order of its matrices.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct States {
    /// In order.
    pub kinds: Vec<StateKind>,
}

impl States {
    /// From a declaration.
    ///
    /// # Errors
    /// If there is none, or a name comes twice.
    pub fn new(kinds: Vec<StateKind>) -> Result<States> {
        check("states", kinds.len(), !kinds.is_empty(), "at least one state")?;
        for (i, kind) in kinds.iter().enumerate() {
            let unique = kinds[..i].iter().all(|k| k.name != kind.name);
            check("states", &kind.name, unique, "names that differ")?;
        }
        Ok(States { kinds })
    }

    /// All that the simulation tells apart in a crystal, as [`State::ALL`], with orientations.
    #[must_use]
    pub fn of(crystal: &Crystal) -> States {
        let mobile = crystal.mobile();
        let host = crystal.sublattices.iter().find(|s| s.dopant.is_some());
        let (host, dopant) = host.map_or((0, 0), |s| (s.element, s.dopant.unwrap_or(0)));
        let column = crystal.sublattices.iter().find(|s| s.mobile);
        let (atom, whole) = column.map_or((0, 0), |s| (s.element, s.per_column));
        let pile = |n: u8| std::array::from_fn(|i| if i < usize::from(n) { atom } else { 0 });
        let [dopant_name, host_name] = [crystal.dopant_name(), crystal.host().to_owned()];
        let dopant_symbol = dopant_name.split('_').next().unwrap_or("?").to_owned();
        let kind = |state: State| {
            let mut kind = StateKind::new(&state.name(crystal));
            kind.species = state.species(crystal);
            kind.configurations = vec![state];
            match state {
                State::Lattice | State::HoleEdge { .. } => kind.with_atoms([host, 0, 0]),
                State::Dopant { vacant } => {
                    let n = vacant.count_ones() as u8;
                    let kind = kind.with_atoms([dopant, 0, 0]).lacking(&host_name, 1).lacking(&dopant_symbol, -1);
                    kind.lacking(mobile, i32::from(n)).with_vacancies(n, &[n], &[0, n * n.saturating_sub(1) / 2])
                }
                State::Vacancy { missing, bound } => {
                    let bonds = if bound { missing } else { 0 };
                    let kind = kind.with_atoms(pile(whole.saturating_sub(missing))).lacking(mobile, i32::from(missing));
                    kind.with_vacancies(missing, &[bonds], &[u8::from(missing == 2), 0])
                }
                State::HostVacancy => kind.lacking(&host_name, 1),
                State::Adatom => kind.with_atoms([host, crystal.adatom, 0]).lacking(&host_name, -1),
                State::Antisite => {
                    kind.with_atoms([crystal.adatom, 0, 0]).lacking(mobile, i32::from(whole)).lacking(&host_name, -1)
                }
                State::Hole => kind.lacking(&host_name, 1).lacking(mobile, i32::from(whole)),
            }
        };
        States { kinds: State::ALL.into_iter().map(kind).collect() }
    }

    /// Those of Mo-doped WS2.
    #[must_use]
    pub fn ws2() -> States {
        States::of(&Crystal::ws2())
    }

    /// The same without orientations, without whether a dopant is near a vacancy, and with edges as one: as coarse as
    /// classes that a search finds.
    #[must_use]
    pub fn lumped(&self) -> States {
        let mut kinds: Vec<StateKind> = vec![];
        for kind in &self.kinds {
            let lump = kind.configurations.first().map(|s| s.lumped());
            let same = |k: &&mut StateKind| lump.is_some() && k.configurations.first().map(|s| s.lumped()) == lump;
            match kinds.iter_mut().find(same) {
                Some(into) => into.configurations.extend(&kind.configurations),
                None => {
                    let name = kind.name.split('/').next().unwrap_or(&kind.name).to_owned();
                    kinds.push(StateKind { name, ..kind.clone() });
                }
            }
        }
        States { kinds }
    }

    /// Some of the states, in the order asked for.
    ///
    /// # Errors
    /// If a name is none of a state.
    pub fn select(&self, names: &[&str]) -> Result<States> {
        States::new(names.iter().map(|n| self.index(n).map(|i| self.kinds[i].clone())).collect::<Result<_>>()?)
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.kinds.iter().map(|k| k.name.clone()).collect()
    }

    /// Number of states.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // there is always one
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Number of a state by its name.
    ///
    /// # Errors
    /// If there is none; the error lists those that there are.
    pub fn index(&self, name: &str) -> Result<usize> {
        let found = self.kinds.iter().position(|k| k.name == name);
        found.ok_or_else(|| Error::data(format!("no state {name:?}; there are {}", self.names().join(", "))))
    }

    /// The state of a configuration of the simulation.
    #[must_use]
    pub fn of_configuration(&self, state: State) -> Option<usize> {
        self.kinds.iter().position(|k| k.configurations.contains(&state))
    }
}

impl std::fmt::Debug for States {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} states", self.len())?;
        for k in &self.kinds {
            let lacks: Vec<String> = k
                .lacks
                .iter()
                .map(|(e, n)| if *n > 0 { format!("{n} {e} missing") } else { format!("{} {e} too many", -n) })
                .collect();
            let lacks = if lacks.is_empty() { "lacks nothing".into() } else { lacks.join(", ") };
            write!(f, "\n{:<12} {lacks}", k.name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_those_of_the_simulation_and_survive_json() {
        let states = States::ws2();
        assert_eq!(states.names(), State::ALL.map(|s| s.name(&Crystal::ws2())));
        let back: States = serde_json::from_str(&serde_json::to_string(&states).unwrap()).unwrap();
        assert_eq!(back, states);
        let lumped = states.lumped();
        assert_eq!(lumped.len(), 12);
        assert_eq!(lumped.kinds[lumped.index("Mo_W+V_S").unwrap()].configurations.len(), 3);
        for state in State::ALL {
            assert!(lumped.of_configuration(state).is_some_and(|i| lumped.kinds[i].configurations.contains(&state)));
        }
    }

    #[test]
    fn what_states_lack_is_counted() {
        let states = States::ws2();
        let lacks = |name: &str, element: &str| {
            states.kinds[states.index(name).unwrap()].lacks.get(element).copied().unwrap_or(0)
        };
        assert_eq!((lacks("Mo_W+2V_S/1", "S"), lacks("Mo_W+2V_S/1", "W"), lacks("Mo_W+2V_S/1", "Mo")), (2, 1, -1));
        assert_eq!((lacks("V_2S", "S"), lacks("W_2S", "W"), lacks("lattice", "S")), (2, -1, 0));
        assert!(states.index("V_Se").unwrap_err().to_string().contains("V_S@Mo_W"));
        let twice = States::new(vec![StateKind::new("a"), StateKind::new("a")]).unwrap_err().to_string();
        assert!(twice.contains("names that differ"), "{twice}");
    }
}
