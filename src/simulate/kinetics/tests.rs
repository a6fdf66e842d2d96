//! Events against their rates: waiting times, counts, diffusion, Boltzmann's distribution, holes.

use super::*;
use crate::simulate::composition::Composition;
use crate::simulate::matter::Matter;
use rand::SeedableRng;

const BEAM: Beam = Beam { voltage_kv: 100.0, dose_rate_e_nm2_s: 2e4 };

/// Hops alone: no atom leaves, no hole begins.
fn hops() -> Kinetics {
    Kinetics::default().with_displacement_ev(30.0).with_hole_onset_e_nm2(f64::MAX)
}

fn middle(sites: &Sites, which: impl Fn(usize) -> bool) -> usize {
    let far = |s: &usize| libm::hypot(sites.at_nm[*s][0], sites.at_nm[*s][1]);
    (0..sites.len()).filter(|&s| which(s)).min_by(|a, b| far(a).total_cmp(&far(b))).unwrap()
}

fn planted(sites: &Sites, what: &[(usize, Occupant)]) -> Specimen {
    let mut at = Specimen::perfect(sites);
    for &(site, occupant) in what {
        at.occupant[site] = occupant;
    }
    at.name_tracks(sites);
    at
}

/// Greatest distance of the sorted values' distribution from that of an exponential of mean 1, times root n.
fn kolmogorov(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let at = |(i, v): (usize, &f64)| {
        let p = 1.0 - (-v).exp();
        (p - i as f64 / n).abs().max((p - (i + 1) as f64 / n).abs())
    };
    values.iter().enumerate().map(at).fold(0.0, f64::max) * n.sqrt()
}

#[test]
fn an_isolated_vacancy_diffuses_as_its_rates_say() {
    let crystal = Crystal::ws2().with_rotation_deg(10.0);
    let sites = crystal.sites(12.0).unwrap();
    let kinetics = hops();
    let start = middle(&sites, |s| sites.mobile[s]);
    let (duration, runs) = (2000.0, 1500);
    let (mut squares, mut counts, mut waits, mut directions) = (vec![], vec![], vec![], [0.0_f64; 6]);
    let rate = 4.0 * 1e-4 / (0.3155 * 0.3155); // D = rate a² / 4
    for run in 0..runs {
        let mut at = planted(&sites, &[(start, Occupant::Missing1)]);
        let mut rng = ChaCha8Rng::seed_from_u64(run);
        let mut engine = Engine::new(&crystal, &sites, &kinetics, &BEAM).unwrap();
        let events = engine.run(&mut at, &[0.0, duration], &mut rng, |_, _| Ok(())).unwrap();
        let (mut place, mut before) = (start, 0.0);
        for event in &events {
            assert_eq!((event.from as usize, event.step), (place, Move::Hop));
            let to = event.to.unwrap();
            directions[sites.steps[place].iter().position(|&s| s == to).unwrap()] += 1.0;
            (place, before) = (to as usize, event.time_s);
        }
        // The first wait alone: later ones are cut off by the end where they are long.
        waits.extend(events.first().map(|event| event.time_s * rate));
        counts.push(events.len() as f64);
        assert!(before <= duration && at.occupant[place] == Occupant::Missing1);
        let (dy, dx) = (sites.at_nm[place][0] - sites.at_nm[start][0], sites.at_nm[place][1] - sites.at_nm[start][1]);
        squares.push(dy * dy + dx * dx);
    }
    let n = runs as f64;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    // <r²> = 4 D t; r² is about exponential, so that its mean is known to 1/√n = 2.6 %: four of those.
    let diffusion = mean(&squares) / (4.0 * duration);
    assert!((diffusion / 1e-4 - 1.0).abs() < 4.0 / n.sqrt(), "D = {diffusion} nm²/s");
    // Hop counts are Poisson: mean and variance are rate times duration (8.04), within four standard errors.
    let (expected, m) = (rate * duration, mean(&counts));
    assert!((m - expected).abs() < 4.0 * (expected / n).sqrt(), "{m} hops, not {expected}");
    let variance = mean(&counts.iter().map(|c| (c - m) * (c - m)).collect::<Vec<_>>());
    assert!((variance / expected - 1.0).abs() < 4.0 * (2.0 / n).sqrt(), "variance {variance}, not {expected}");
    // A first hop fails to come with probability exp(-8): no matter here. Kolmogorov's 0.1 % limit is 1.95.
    assert!(waits.len() as f64 > 0.99 * n && kolmogorov(waits) < 1.95);
    // Six equal directions: chi-squared of 5 degrees stays below 20.5 but once in a thousand.
    let each = directions.iter().sum::<f64>() / 6.0;
    let chi2: f64 = directions.iter().map(|d| (d - each) * (d - each) / each).sum();
    assert!(chi2 < 20.5, "{directions:?}");
}

/// Shares of time in which `seen` returns each of its answers.
fn shares<const N: usize>(
    crystal: &Crystal,
    sites: &Sites,
    kinetics: &Kinetics,
    mut at: Specimen,
    seen: impl Fn(&Specimen) -> usize,
) -> [f64; N] {
    let mut engine = Engine::new(crystal, sites, kinetics, &BEAM).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    // Looked at far more seldom than hops come, so that looks are nearly independent.
    let looks = 40_000;
    let times: Vec<f64> = (0..looks).map(|i| 3e3 * f64::from(i)).collect();
    let mut share = [0.0; N];
    engine
        .run(&mut at, &times, &mut rng, |_, at| {
            share[seen(at)] += 1.0 / f64::from(looks);
            Ok(())
        })
        .unwrap();
    share
}

#[test]
fn a_vacancy_sits_beside_a_dopant_as_boltzmann_says_in_all_three_orientations_alike() {
    let crystal = Crystal::ws2();
    let sites = crystal.sites(2.2).unwrap();
    let host = middle(&sites, |s| sites.host[s]);
    let bonds: Vec<usize> = sites.bonded(host).collect();
    let start = (0..sites.len()).find(|&s| sites.mobile[s] && sites.stepped(s).count() > 0).unwrap();
    let at = planted(&sites, &[(host, Occupant::Dopant), (start, Occupant::Missing1)]);
    let kinetics = hops();
    let seen = |at: &Specimen| bonds.iter().position(|&b| at.occupant[b].missing() > 0).unwrap_or(3);
    let share = shares::<4>(&crystal, &sites, &kinetics, at, seen);
    let columns = (0..sites.len()).filter(|&s| sites.mobile[s] && sites.stepped(s).count() > 0).count() as f64;
    let factor = (0.06_f64 / (8.617_333_262e-5 * 300.0)).exp(); // 10.2
    let bound = 3.0 * factor / (3.0 * factor + columns - 3.0);
    // 40,000 looks give a share to 0.0025; they are not quite independent: four times twice that.
    assert!((share[0] + share[1] + share[2] - bound).abs() < 0.02, "{share:?}, not {bound} in all");
    for k in 0..3 {
        assert!((share[k] - bound / 3.0).abs() < 0.02, "orientation {k}: {share:?}, not {}", bound / 3.0);
    }
}

#[test]
fn two_vacancies_pair_and_cluster_as_boltzmann_says() {
    let crystal = Crystal::ws2();
    let sites = crystal.sites(1.3).unwrap();
    let columns: Vec<usize> = (0..sites.len()).filter(|&s| sites.mobile[s] && sites.stepped(s).count() > 0).collect();
    let at = planted(&sites, &[(columns[0], Occupant::Missing1), (columns[1], Occupant::Missing1)]);
    let kinetics = hops().with_pair_ev(0.07).with_cluster_ev(0.03);
    let near = |a: usize, b: usize| sites.stepped(a).any(|s| s == b);
    let seen = |at: &Specimen| {
        let lacking: Vec<usize> = columns.iter().copied().filter(|&s| at.occupant[s].missing() > 0).collect();
        match lacking[..] {
            [_] => 0,
            [a, b] if near(a, b) => 1,
            _ => 2,
        }
    };
    let share = shares::<3>(&crystal, &sites, &kinetics, at, seen);
    // Two missing in one column are one arrangement; in two columns each may be the upper or the lower: four.
    let boltzmann = |ev: f64| (ev / kinetics.kt_ev()).exp();
    let mut weight = [columns.len() as f64 * boltzmann(0.07), 0.0, 0.0];
    for (i, &a) in columns.iter().enumerate() {
        for &b in &columns[..i] {
            let beside = near(a, b);
            weight[if beside { 1 } else { 2 }] += 4.0 * if beside { boltzmann(0.03) } else { 1.0 };
        }
    }
    let all: f64 = weight.iter().sum();
    for k in 0..3 {
        // As above.
        assert!((share[k] - weight[k] / all).abs() < 0.02, "{share:?}, not {:?}", weight.map(|w| w / all));
    }
}

#[test]
fn atoms_leave_by_cross_section_times_dose() {
    let crystal = Crystal::ws2();
    let sites = crystal.sites(8.0).unwrap();
    // Neither hops nor loosening nor holes: each atom leaves at σ J, whatever the others do.
    let kinetics = Kinetics::default()
        .with_hop(Rate { barrier_ev: 50.0, barn: 0.0 })
        .with_loosening_ev(0.0)
        .with_hole_onset_e_nm2(f64::MAX);
    let per_atom = BEAM.displacement_barn(16, 7.0).unwrap() * 1e-10 * BEAM.dose_rate_e_nm2_s;
    let duration = 1000.0;
    let (mut lost, mut waits, mut all) = (0, vec![], 0.0);
    for run in 0..20 {
        let mut at = Specimen::perfect(&sites);
        let before = at.count_atoms(&sites);
        let mut rng = ChaCha8Rng::seed_from_u64(100 + run);
        let mut engine = Engine::new(&crystal, &sites, &kinetics, &BEAM).unwrap();
        let events = engine.run(&mut at, &[0.0, duration], &mut rng, |_, _| Ok(())).unwrap();
        let (mut time, mut atoms) = (0.0, before[0] as f64);
        for event in &events {
            assert_eq!((event.step, event.lost), (Move::KnockOut, [1, 0]));
            waits.push((event.time_s - time) * atoms * per_atom);
            (time, atoms) = (event.time_s, atoms - 1.0);
        }
        lost += events.len();
        all += before[0] as f64;
        assert_eq!(at.count_atoms(&sites), [before[0] - events.len() as u64, before[1]]);
    }
    let share = 1.0 - (-per_atom * duration).exp();
    let (expected, error) = (all * share, (all * share * (1.0 - share)).sqrt());
    assert!((lost as f64 - expected).abs() < 4.0 * error, "{lost} of {all} left, not {expected} ± {error}");
    // The wait that an ending cuts off is one in a hundred here. Kolmogorov's 0.1 % limit is 1.95.
    let distance = kolmogorov(waits);
    assert!(distance < 1.95, "waiting times are not exponential: {distance}");
}

/// A specimen with much going on, and every event of it.
fn busy(seed: u64, look: impl FnMut(&Sites, usize, &Specimen)) -> (Sites, Vec<Event>) {
    let mut look = look;
    let matter = Matter::ws2().with_composition(
        Composition::default().with_dopant(0.1).with_single(0.05).with_double(0.03).with_antisite(0.01),
    );
    matter
        .watch(7.0, 81, 5.0, seed, |sites, frame, at| {
            look(sites, frame, at);
            Ok(())
        })
        .unwrap()
}

#[test]
fn rates_kept_up_to_date_are_those_computed_anew() {
    for (seed, crystal) in [(1, Crystal::ws2()), (2, Crystal::ws2()), (3, Crystal::graphene())] {
        let sites = crystal.sites(5.0).unwrap();
        let kinetics = Kinetics::default().with_hole_onset_e_nm2(2e6).with_displacement_ev(6.0);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let composition = Composition::default().with_dopant(0.1).with_single(0.1).with_host_vacancy(0.0);
        let mut at = composition.draw(&crystal, &sites, &kinetics, &mut rng);
        let mut engine = Engine::new(&crystal, &sites, &kinetics, &BEAM).unwrap();
        for time in [100.0, 300.0, 400.0] {
            engine.run(&mut at, &[0.0, time], &mut rng, |_, _| Ok(())).unwrap();
            let kept = engine.tree.total();
            let anew: f64 = (0..sites.len()).map(|s| engine.rate(&at, s)).sum();
            assert!((kept / anew - 1.0).abs() < 1e-12, "seed {seed}: {kept} is not {anew}");
            for site in 0..sites.len() {
                let open = at.occupant[site] != Occupant::Hole && at.open_bonds(&sites, site) > 0;
                assert_eq!(at.edge[site], open, "seed {seed}, site {site}");
            }
        }
    }
}

#[test]
fn events_account_for_every_atom_and_every_change() {
    for seed in 0..3 {
        let mut frames = vec![];
        let (sites, events) = busy(seed, |_, _, at| frames.push(at.clone()));
        let atoms: Vec<[u64; 2]> = frames.iter().map(|at| at.count_atoms(&sites)).collect();
        for (frame, now) in atoms.iter().enumerate() {
            let until = 5.0 * frame as f64;
            let lost =
                |k: usize| -> u64 { events.iter().filter(|e| e.time_s < until).map(|e| u64::from(e.lost[k])).sum() };
            assert_eq!([now[0] + lost(0), now[1] + lost(1)], atoms[0], "seed {seed}, frame {frame}");
        }
        // Hops, turns and edges lose nothing; all else does.
        for event in &events {
            let loses = matches!(event.step, Move::KnockOut | Move::HoleBegins | Move::HoleGrows);
            assert_eq!(loses, event.lost != [0; 2] || !frames_have_atoms_at(&frames, event), "{event:?}");
        }
        // A track is in one place at a time, and never comes back once it is gone.
        let mut gone = std::collections::HashSet::new();
        let mut before = std::collections::HashSet::new();
        for at in &frames {
            let now: Vec<u32> =
                at.vacancies.iter().flatten().chain(&at.fixed).copied().filter(|&t| t != NONE).collect();
            let set: std::collections::HashSet<u32> = now.iter().copied().collect();
            assert_eq!(set.len(), now.len(), "a track is in two places");
            gone.extend(before.difference(&set).copied());
            assert!(set.is_disjoint(&gone), "a track came back");
            before = set;
        }
    }
}

/// Whether the site of an event had atoms at first: a hole may take a vacancy, and so nothing.
fn frames_have_atoms_at(frames: &[Specimen], event: &Event) -> bool {
    !matches!(frames[0].occupant[event.from as usize], Occupant::HostVacancy)
}

#[test]
fn holes_begin_after_their_onset_and_only_grow() {
    let (mut begun, mut grown) = (0, 0);
    for seed in 0..16 {
        let mut before: Vec<bool> = vec![];
        let (sites, events) = busy(seed, |sites, frame, at| {
            let hole: Vec<bool> = at.occupant.iter().map(|&o| o == Occupant::Hole).collect();
            assert!(frame > 50 || !hole.contains(&true), "a hole before 5e6 electrons per nm² (frame 50)");
            assert!(before.iter().zip(&hole).all(|(was, is)| !was || *is), "a hole has closed");
            for site in (0..sites.len()).filter(|&s| sites.mobile[s] && !hole[s]) {
                assert!(at.open_bonds(sites, site) < 2, "a column hangs by one bond");
            }
            before = hole;
        });
        let mut open = vec![false; sites.len()];
        for event in &events {
            let bonded = |open: &[bool]| sites.bonded(event.from as usize).any(|b| open[b]);
            match event.step {
                Move::HoleBegins => {
                    assert!(event.time_s >= 250.0 && !bonded(&open));
                    open[event.from as usize] = true;
                    sites.bonded(event.from as usize).for_each(|b| open[b] = true);
                    begun += 1;
                }
                Move::HoleGrows => {
                    // Columns that fell with an earlier host count as open too: all are bonded to one.
                    let near = sites.bonded(event.from as usize).any(|b| sites.bonded(b).any(|h| open[h]) || open[b]);
                    assert!(near, "a hole grew where there was none");
                    open[event.from as usize] = true;
                    grown += 1;
                }
                _ => {}
            }
        }
    }
    assert!(begun > 3 && grown > 20, "{begun} holes began and grew {grown} times: too few to tell");
}

#[test]
fn the_same_seed_gives_the_same_events_and_another_does_not() {
    let events = |seed| busy(seed, |_, _, _| ()).1;
    assert_eq!(events(7), events(7));
    assert_ne!(events(7), events(8));
}
