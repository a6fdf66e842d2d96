//! The specimen at one moment: what stands on every site, and which defect is which.

use super::crystal::Crystal;
use super::sites::{NONE, Sites};
use super::states::{Occupant, State};

/// What stands on every site of a lattice, with the tracks of its defects.
#[derive(Clone, PartialEq)]
pub struct Specimen {
    pub(super) occupant: Vec<Occupant>,
    /// Whether a site at a hole's edge has reconstructed.
    pub(super) reconstructed: Vec<bool>,
    /// Whether a bond ends in a hole.
    pub(super) edge: Vec<bool>,
    /// The tracks of a column's vacancies; `NONE` where there is none.
    pub(super) vacancies: Vec<[u32; 2]>,
    /// The track of what stays: dopants, host vacancies, adatoms, antisites, edges.
    pub(super) fixed: Vec<u32>,
    pub(super) next_track: u32,
}

impl Specimen {
    pub(super) fn perfect(sites: &Sites) -> Specimen {
        let n = sites.len();
        Specimen {
            occupant: vec![Occupant::Perfect; n],
            reconstructed: vec![false; n],
            edge: vec![false; n],
            vacancies: vec![[NONE; 2]; n],
            fixed: vec![NONE; n],
            next_track: 0,
        }
    }

    pub(super) fn new_track(&mut self) -> u32 {
        self.next_track += 1;
        self.next_track - 1
    }

    /// Gives every defect that has none a track, in the order of the sites.
    pub(super) fn name_tracks(&mut self, sites: &Sites) {
        for site in 0..sites.len() {
            let missing = usize::from(self.occupant[site].missing());
            for k in 0..missing {
                if self.vacancies[site][k] == NONE {
                    self.vacancies[site][k] = self.new_track();
                }
            }
            let plain = self.occupant[site] == Occupant::Perfect && !self.edge[site];
            if missing == 0 && !plain && self.occupant[site] != Occupant::Hole && self.fixed[site] == NONE {
                self.fixed[site] = self.new_track();
            }
        }
    }

    /// What stands on a site.
    #[must_use]
    pub fn occupant(&self, site: usize) -> Occupant {
        self.occupant[site]
    }

    /// Mobile atoms left in a column.
    pub(super) fn atoms(&self, sites: &Sites, site: usize) -> u8 {
        match self.occupant[site] {
            Occupant::Perfect | Occupant::Missing1 | Occupant::Missing2 if sites.mobile[site] => {
                sites.per_column[site].saturating_sub(self.occupant[site].missing())
            }
            _ => 0,
        }
    }

    /// Mobile atoms in the whole square, and all other atoms at hosts (dopants count, what sits on top does not).
    #[must_use]
    pub fn count_atoms(&self, sites: &Sites) -> [u64; 2] {
        (0..sites.len())
            .map(|s| self.atoms_at(sites, s))
            .fold([0; 2], |sum, [m, h]| [sum[0] + u64::from(m), sum[1] + u64::from(h)])
    }

    pub(super) fn atoms_at(&self, sites: &Sites, site: usize) -> [u16; 2] {
        let other = match self.occupant[site] {
            Occupant::Dopant | Occupant::Adatom => 1,
            Occupant::Perfect if !sites.mobile[site] => 1,
            _ => 0,
        };
        [u16::from(self.atoms(sites, site)), other]
    }

    pub(super) fn dopants_at(&self, sites: &Sites, site: usize) -> usize {
        sites.bonded(site).filter(|&b| self.occupant[b] == Occupant::Dopant).count()
    }

    /// Bonds of a site that end in a hole.
    pub(super) fn open_bonds(&self, sites: &Sites, site: usize) -> usize {
        sites.bonded(site).filter(|&b| self.occupant[b] == Occupant::Hole).count()
    }

    /// The site as a state.
    #[must_use]
    pub fn state(&self, sites: &Sites, site: usize) -> State {
        match self.occupant[site] {
            Occupant::Hole => State::Hole,
            Occupant::Dopant => {
                let lacks = |k: usize| {
                    let bond = sites.bonds[site][k];
                    bond != NONE && self.occupant[bond as usize].missing() > 0
                };
                State::Dopant { vacant: (0..3).map(|k| u8::from(lacks(k)) << k).sum() }
            }
            Occupant::Missing1 | Occupant::Missing2 => {
                let missing = self.occupant[site].missing();
                State::Vacancy { missing, bound: self.dopants_at(sites, site) > 0 }
            }
            Occupant::HostVacancy => State::HostVacancy,
            Occupant::Adatom => State::Adatom,
            Occupant::Antisite => State::Antisite,
            Occupant::Perfect if self.edge[site] => State::HoleEdge { reconstructed: self.reconstructed[site] },
            Occupant::Perfect => State::Lattice,
        }
    }

    /// The site's track: of two vacancies in a column, the older one's.
    #[must_use]
    pub fn track(&self, site: usize) -> Option<u32> {
        let [a, b] = self.vacancies[site];
        let track = if self.occupant[site].missing() > 0 { a.min(b) } else { self.fixed[site] };
        Some(track).filter(|&t| t != NONE)
    }

    /// Atomic numbers of a site's column.
    #[must_use]
    pub fn column(&self, crystal: &Crystal, sites: &Sites, site: usize) -> [u8; 3] {
        self.occupant[site].atoms(&crystal.sublattices[usize::from(sites.sublattice[site])], crystal.adatom)
    }
}

impl std::fmt::Debug for Specimen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut counts: Vec<(Occupant, usize)> = vec![];
        for &occupant in &self.occupant {
            match counts.iter_mut().find(|c| c.0 == occupant) {
                Some(count) => count.1 += 1,
                None => counts.push((occupant, 1)),
            }
        }
        let counts: Vec<String> = counts.iter().map(|(occupant, n)| format!("{occupant:?} {n}")).collect();
        write!(f, "{} sites: {}", self.occupant.len(), counts.join(", "))
    }
}
