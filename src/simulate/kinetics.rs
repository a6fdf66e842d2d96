//! Continuous-time (kinetic) Monte Carlo: one event after another, each drawn by its rate.
//!
//! The method is that of Bortz, Kalos and Lebowitz (J. Comput. Phys. 17, 10, 1975) and Gillespie (1976): the time to the
//! next event is exponential with the sum of all rates, which a tree keeps; only rates near an event are computed anew.

use super::beam::Beam;
use super::crystal::Crystal;
use super::rates::{Kinetics, Rate};
use super::sites::{NONE, Sites};
use super::specimen::Specimen;
use super::states::Occupant;
use super::tree::SumTree;
use crate::error::Result;
use crate::progress::stop_if_asked;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What can happen at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Move {
    /// The beam takes a mobile atom. Loses it.
    KnockOut,
    /// A vacancy changes places with an atom of the next column. Loses nothing.
    Hop,
    /// A hop around a dopant, from one of its bonds to the next: the complex turns. Loses nothing.
    Turn,
    /// A column that lacks both atoms changes places with a whole one. Loses nothing.
    PairHop,
    /// A host and the columns around it go. Loses them.
    HoleBegins,
    /// A host at a hole's edge goes, with columns that hang by one bond. Loses them.
    HoleGrows,
    /// A site at a hole's edge reconstructs. Loses nothing.
    Reconstructs,
    /// A reconstructed site returns. Loses nothing.
    Returns,
}

impl Move {
    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Move::KnockOut => "knock-out",
            Move::Hop => "hop",
            Move::Turn => "turn",
            Move::PairHop => "pair hop",
            Move::HoleBegins => "hole begins",
            Move::HoleGrows => "hole grows",
            Move::Reconstructs => "edge reconstructs",
            Move::Returns => "edge returns",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Seconds from the first frame's beginning.
    pub time_s: f64,
    /// What.
    pub step: Move,
    /// Site at which it happened; of a hop, where the vacancy was.
    pub from: u32,
    /// Of a hop, where the vacancy went.
    pub to: Option<u32>,
    /// The track of the vacancy that hopped or was made.
    pub track: Option<u32>,
    /// Mobile atoms, and hosts, that were lost.
    pub lost: [u16; 2],
}

/// Rates that do not change while time goes on.
pub(super) struct Engine<'a> {
    sites: &'a Sites,
    kinetics: &'a Kinetics,
    /// Rate of leaving for each number of atoms missing around, by sublattice.
    knock_out: Vec<Vec<f64>>,
    hop: f64,
    pair_hop: f64,
    nucleation: f64,
    growth: f64,
    reconstruction: f64,
    onset_s: f64,
    holes_begin: bool,
    tree: SumTree,
    /// For walking through neighbours without visiting one twice.
    mark: Vec<u32>,
    stamp: u32,
}

/// Missing atoms that are told apart in the table of knock-outs.
const MOST_MISSING: usize = 14;

impl<'a> Engine<'a> {
    /// `beam` and `kinetics` have been checked.
    pub(super) fn new(crystal: &Crystal, sites: &'a Sites, kinetics: &'a Kinetics, beam: &Beam) -> Result<Engine<'a>> {
        let per_s = |rate: Rate| {
            let (thermal, driven) = kinetics.terms(rate, beam);
            thermal + driven
        };
        let leaving = |element: u8| -> Result<Vec<f64>> {
            (0..=MOST_MISSING).map(|n| Ok(per_s(kinetics.knock_out(beam, element, n)?))).collect()
        };
        let dose_rate = beam.dose_rate_e_nm2_s;
        let onset_s = match kinetics.hole_onset_e_nm2 {
            0.0 => 0.0,
            onset if dose_rate > 0.0 => onset / dose_rate,
            _ => f64::INFINITY,
        };
        Ok(Engine {
            sites,
            kinetics,
            knock_out: crystal.sublattices.iter().map(|s| leaving(s.element)).collect::<Result<_>>()?,
            hop: per_s(kinetics.hop),
            // A barrier that nothing passes in the age of the universe is none.
            pair_hop: if kinetics.pair_hop.barn > 0.0 { per_s(kinetics.pair_hop) } else { 0.0 },
            nucleation: per_s(kinetics.nucleation),
            growth: per_s(kinetics.growth),
            reconstruction: per_s(kinetics.reconstruction),
            onset_s,
            holes_begin: onset_s == 0.0,
            tree: SumTree::new(sites.len()),
            mark: vec![0; sites.len()],
            stamp: 0,
        })
    }

    /// Lets time go on from 0 to the last of the times, which ascend; `at_time` sees the specimen at each. Returns what
    /// happened.
    pub(super) fn run(
        &mut self,
        specimen: &mut Specimen,
        times_s: &[f64],
        rng: &mut ChaCha8Rng,
        mut at_time: impl FnMut(usize, &Specimen) -> Result<()>,
    ) -> Result<Vec<Event>> {
        let mut events = vec![];
        let (mut time, mut next) = (0.0, 0);
        self.all_rates(specimen);
        while next < times_s.len() {
            if events.len() % 256 == 0 {
                stop_if_asked("while the specimen evolved")?;
            }
            let total = self.tree.total();
            let wait = if total > 0.0 { -libm::log(1.0 - rng.r#gen::<f64>()) / total } else { f64::INFINITY };
            // Rates change when holes may begin: what was drawn beyond that moment is drawn anew from there.
            let waits_for_holes = !self.holes_begin && time + wait >= self.onset_s;
            let until = if waits_for_holes { self.onset_s } else { time + wait };
            while next < times_s.len() && times_s[next] <= until {
                at_time(next, specimen)?;
                next += 1;
            }
            if next == times_s.len() {
                break;
            }
            time = until;
            if waits_for_holes {
                self.holes_begin = true;
                self.all_rates(specimen);
                continue;
            }
            let (site, within) = self.tree.find(rng.r#gen::<f64>() * total);
            if let Some((step, to)) = self.choose(specimen, site, within) {
                let event = self.happen(specimen, time, step, site, to);
                events.push(event);
            }
        }
        Ok(events)
    }

    /// As after the dose that holes wait for.
    pub(super) fn past_onset(mut self) -> Engine<'a> {
        self.holes_begin = true;
        self
    }

    fn all_rates(&mut self, specimen: &Specimen) {
        for site in 0..self.sites.len() {
            self.tree.set(site, self.rate(specimen, site));
        }
    }

    fn rate(&self, specimen: &Specimen, site: usize) -> f64 {
        let mut sum = 0.0;
        self.moves(specimen, site, &mut |_, _, rate| sum += rate);
        sum
    }

    fn choose(&self, specimen: &Specimen, site: usize, within: f64) -> Option<(Move, Option<usize>)> {
        let (mut left, mut chosen) = (within, None);
        self.moves(specimen, site, &mut |step, to, rate| {
            // Once it is negative the choice is made; rounding may leave a little after the last.
            if left >= 0.0 && rate > 0.0 {
                chosen = Some((step, to));
                left -= rate;
                left = if left < 0.0 { f64::NEG_INFINITY } else { left };
            }
        });
        chosen
    }

    /// Every move that begins at a site, with its rate.
    pub(super) fn moves(&self, at: &Specimen, site: usize, visit: &mut impl FnMut(Move, Option<usize>, f64)) {
        let occupant = at.occupant[site];
        if occupant == Occupant::Hole {
            return;
        }
        let atoms = at.atoms(self.sites, site);
        if atoms > 0 {
            let near = self.missing_near(at, site).min(MOST_MISSING);
            let kind = usize::from(self.sites.sublattice[site]);
            visit(Move::KnockOut, None, f64::from(atoms) * self.knock_out[kind][near]);
        }
        if occupant.missing() > 0 {
            for to in self.sites.stepped(site).filter(|&to| at.atoms(self.sites, to) > 0) {
                let (step, rate) = self.hop(at, site, to);
                visit(step, Some(to), rate);
            }
        }
        if occupant == Occupant::Missing2 && self.pair_hop > 0.0 {
            for to in self.sites.stepped(site).filter(|&to| at.atoms(self.sites, to) == 2) {
                let dopants = |s: usize| at.dopants_at(self.sites, s) as f64;
                let uphill = self.kinetics.uphill(2.0 * self.kinetics.binding_ev * (dopants(site) - dopants(to)));
                visit(Move::PairHop, Some(to), self.pair_hop * uphill);
            }
        }
        if self.sites.host[site] {
            let lacking: u32 = self.sites.bonded(site).map(|b| u32::from(at.occupant[b].missing())).sum();
            match at.open_bonds(self.sites, site) {
                0 if self.holes_begin && lacking > 1 => {
                    let pairs = f64::from(lacking * (lacking - 1) / 2);
                    visit(Move::HoleBegins, None, pairs * self.nucleation);
                }
                0 => {}
                open => visit(Move::HoleGrows, None, open as f64 * self.growth),
            }
        }
        if at.edge[site] && occupant == Occupant::Perfect {
            match at.reconstructed[site] {
                false => visit(Move::Reconstructs, None, self.reconstruction),
                true => {
                    let back = self.kinetics.uphill(self.kinetics.reconstruction_ev);
                    visit(Move::Returns, None, self.reconstruction * back);
                }
            }
        }
    }

    /// Mobile atoms missing in a column and the next ones; a hole counts as a whole column.
    fn missing_near(&self, at: &Specimen, site: usize) -> usize {
        let of = |s: usize| match at.occupant[s] {
            Occupant::Hole => usize::from(self.sites.per_column[s]),
            other => usize::from(other.missing()),
        };
        of(site) + self.sites.stepped(site).map(of).sum::<usize>()
    }

    fn hop(&self, at: &Specimen, from: usize, to: usize) -> (Move, f64) {
        let (vacancies, atoms) = (at.occupant[from].missing(), at.atoms(self.sites, to));
        let pairs = f64::from(vacancies) * f64::from(atoms) / f64::from(self.sites.per_column[to]);
        let turns = self
            .sites
            .bonded(from)
            .any(|b| at.occupant[b] == Occupant::Dopant && self.sites.bonds[to].contains(&(b as u32)));
        let (step, factor) = if turns { (Move::Turn, self.kinetics.turn_factor) } else { (Move::Hop, 1.0) };
        let uphill = self.kinetics.uphill(self.hop_energy(at, from, to));
        (step, self.hop * pairs * factor * uphill)
    }

    /// What the configuration's energy gains by a vacancy's hop.
    fn hop_energy(&self, at: &Specimen, from: usize, to: usize) -> f64 {
        let k = self.kinetics;
        let (m, n) = (at.occupant[from].missing(), at.occupant[to].missing());
        let dopants = |s: usize| at.dopants_at(self.sites, s) as f64;
        let binding = k.binding_ev * (dopants(from) - dopants(to));
        let pairs = f64::from(u8::from(m == 2)) - f64::from(u8::from(n == 1));
        let vacant_near = |s: usize, but: usize| {
            self.sites.stepped(s).filter(|&o| o != but && at.occupant[o].missing() > 0).count() as f64
        };
        let (near_from, near_to) = (vacant_near(from, to), vacant_near(to, from));
        let (before, after) = (f64::from(u8::from(n > 0)), f64::from(u8::from(m > 1)));
        // Columns that stop or begin to lack anything, and whether the two are neighbours that both do.
        let (stops, begins) = (f64::from(u8::from(m == 1)), f64::from(u8::from(n == 0)));
        let clusters = stops * near_from - begins * near_to + before - after;
        binding + k.pair_ev * pairs + k.cluster_ev * clusters
    }

    pub(super) fn happen(
        &mut self,
        at: &mut Specimen,
        time_s: f64,
        step: Move,
        site: usize,
        to: Option<usize>,
    ) -> Event {
        let (track, lost, changed) = match (step, to) {
            (Move::Hop | Move::Turn, Some(to)) => (Some(hop(at, site, to)), [0; 2], vec![site, to]),
            (Move::PairHop, Some(to)) => {
                hop(at, site, to);
                (Some(hop(at, site, to)), [0; 2], vec![site, to])
            }
            (Move::KnockOut, _) => (Some(lose_atom(at, site)), [1, 0], vec![site]),
            (Move::Reconstructs | Move::Returns, _) => {
                at.reconstructed[site] = step == Move::Reconstructs;
                (None, [0; 2], vec![site])
            }
            _ => {
                let (lost, changed) = self.open(at, site, step == Move::HoleBegins);
                (None, lost, changed)
            }
        };
        self.refresh(at, &changed);
        Event { time_s, step, from: site as u32, to: to.map(|t| t as u32), track, lost }
    }

    /// Takes a host out, at the beginning of a hole its columns too, and then whatever hangs by fewer than two bonds.
    fn open(&self, at: &mut Specimen, host: usize, begins: bool) -> ([u16; 2], Vec<usize>) {
        let mut going = vec![host];
        if begins {
            going.extend(self.sites.bonded(host));
        }
        let (mut lost, mut gone) = ([0; 2], vec![]);
        while let Some(site) = going.pop() {
            if at.occupant[site] == Occupant::Hole {
                continue;
            }
            let [mobile, host] = at.atoms_at(self.sites, site);
            lost = [lost[0] + mobile, lost[1] + host];
            at.occupant[site] = Occupant::Hole;
            (at.vacancies[site], at.fixed[site], at.reconstructed[site]) = ([NONE; 2], NONE, false);
            at.edge[site] = false;
            gone.push(site);
            let hangs = |near: &usize| self.sites.mobile[*near] && at.open_bonds(self.sites, *near) > 1;
            going.extend(self.sites.bonded(site).filter(hangs));
        }
        for &site in &gone {
            for near in self.sites.bonded(site).filter(|&n| at.occupant[n] != Occupant::Hole).collect::<Vec<_>>() {
                at.edge[near] = true;
                if at.fixed[near] == NONE {
                    at.fixed[near] = at.new_track();
                }
            }
        }
        (lost, gone)
    }

    /// Computes the rates anew that a change at these sites may have changed: up to two neighbours away.
    fn refresh(&mut self, at: &Specimen, changed: &[usize]) {
        self.stamp = self.stamp.wrapping_add(1);
        let mut reached: Vec<usize> = vec![];
        let (mut from, mut rings) = (changed.to_vec(), 0);
        loop {
            from.retain(|&s| std::mem::replace(&mut self.mark[s], self.stamp) != self.stamp);
            reached.extend(&from);
            if rings == 2 {
                break;
            }
            from = from.iter().flat_map(|&s| self.sites.bonded(s).chain(self.sites.stepped(s))).collect();
            rings += 1;
        }
        for site in reached {
            self.tree.set(site, self.rate(at, site));
        }
    }
}

/// The younger of a column's vacancies goes to the next column. Returns its track.
fn hop(at: &mut Specimen, from: usize, to: usize) -> u32 {
    let slots = &mut at.vacancies[from];
    let younger = if slots[1] != NONE && (slots[0] == NONE || slots[1] > slots[0]) { 1 } else { 0 };
    let track = std::mem::replace(&mut slots[younger], NONE);
    at.occupant[from] = Occupant::lacking(at.occupant[from].missing() - 1);
    put(at, to, track);
    track
}

fn lose_atom(at: &mut Specimen, site: usize) -> u32 {
    let track = at.new_track();
    put(at, site, track);
    track
}

/// A column lacks one more atom.
fn put(at: &mut Specimen, site: usize, track: u32) {
    at.occupant[site] = Occupant::lacking(at.occupant[site].missing() + 1);
    at.reconstructed[site] = false;
    let free = usize::from(at.vacancies[site][0] != NONE);
    at.vacancies[site][free] = track;
}

#[cfg(test)]
mod tests;
