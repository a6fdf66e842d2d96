//! Rates of false and true findings over many scenes: a honeycomb with dopants on one sublattice, vacancies on the other.

use super::compare::{Null, draw, global, two_sided};
use super::scene::{One, Rule, Scene};
use crate::statistics::holm;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const A: f64 = 0.3155;
const BASIS: [[f64; 2]; 2] = [[0.0, A], [0.866_025_4 * A, 0.5 * A]];
const FIELD: [f64; 2] = [8.0, 8.0];
const KT: f64 = 0.025_85;

fn sublattice(shift: [f64; 2]) -> Vec<[f64; 2]> {
    let cells = (-40..80).flat_map(|v| (-80..80).map(move |u| (f64::from(u), f64::from(v))));
    let place = |(u, v): (f64, f64)| [0, 1].map(|k| (u + shift[0]) * BASIS[0][k] + (v + shift[1]) * BASIS[1][k]);
    let inside = |p: &[f64; 2]| (0..2).all(|k| (0.0..FIELD[k]).contains(&p[k]));
    cells.map(place).filter(inside).collect()
}

/// Dopants anywhere, vacancies on sites with Boltzmann's weight of what binds them to the dopants beside; both stay for ten
/// frames, as real ones do, with positions that are wrong by 0.01 nm.
fn scene(rng: &mut ChaCha8Rng, binding_ev: f64) -> Scene {
    let (metal, sulphur) = (sublattice([0.0, 0.0]), sublattice([1.0 / 3.0, 1.0 / 3.0]));
    let dopants: Vec<[f64; 2]> = metal.into_iter().filter(|_| rng.r#gen::<f64>() < 0.05).collect();
    let beside = |p: &[f64; 2]| dopants.iter().filter(|d| (d[0] - p[0]).hypot(d[1] - p[1]) < 0.25).count();
    let weight = |p: &[f64; 2]| (beside(p) as f64 * binding_ev / KT).exp();
    let vacancies: Vec<[f64; 2]> = sulphur.into_iter().filter(|p| rng.r#gen::<f64>() < 0.02 * weight(p)).collect();
    let all: Vec<([f64; 2], bool)> =
        dopants.iter().map(|p| (*p, true)).chain(vacancies.into_iter().map(|p| (p, false))).collect();
    let frame = |f: u32| {
        let one = |(track, (p, first)): (usize, &([f64; 2], bool))| {
            let at = p.map(|v| v + 0.01 * (f64::from(f * 7919 + track as u32 * 31 % 97) % 1.9 - 0.95));
            One { at, track, first: *first }
        };
        (f, all.iter().enumerate().map(one).collect())
    };
    Scene {
        frames: (0..10).map(frame).collect(),
        field: FIELD,
        same: false,
        lattice: Some(BASIS),
        tracks: all.len(),
        lattice_at: None,
    }
}

fn rule() -> Rule {
    Rule { bins: (1..=10).map(|i| f64::from(i) * 0.1).collect(), adjacent: 0.25, windows: vec![] }
}

/// Of 150 scenes without coupling 5 % may be called coupled: 7.5, and 16 is more than three standard deviations beyond.
/// Every test is asked: adjacent sites, the whole curve, the bins corrected by Holm, the nearest neighbour.
#[test]
fn the_absence_of_coupling_is_not_found() {
    let mut called = [0; 4];
    for seed in 0..150 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (seen, drawn) = draw(&scene(&mut rng, 0.0), Null::Shift, 99, seed, |s, w| s.count(&rule(), w)).unwrap();
        let pairs: Vec<Vec<f64>> = drawn.iter().map(|d| d.pairs.clone()).collect();
        let column = |k: usize| pairs.iter().map(|p| p[k]).collect::<Vec<_>>();
        let p: Vec<f64> = (0..10).map(|k| two_sided(seen.pairs[k], &column(k))).collect();
        let of = |pick: fn(&super::scene::Tally) -> f64| drawn.iter().map(pick).collect::<Vec<_>>();
        called[0] += u32::from(two_sided(seen.adjacent[0], &of(|d| d.adjacent[0])) <= 0.05);
        called[1] += u32::from(global(&seen.pairs, &pairs) <= 0.05);
        called[2] += u32::from(holm(&p).iter().any(|p| *p <= 0.05));
        called[3] += u32::from(two_sided(seen.nearest, &of(|d| d.nearest)) <= 0.05);
    }
    assert!(called.iter().all(|c| *c <= 16), "{called:?} of 150");
}

/// Binding by 0.06 eV makes a site beside a dopant ten times as likely to be taken as one far away.
#[test]
fn coupling_is_found_and_its_energy() {
    let (mut found, mut taken, mut expected) = (0, [0.0; 3], [0.0; 3]);
    // Shells at 0.182 and 0.364 nm.
    let shells = Rule { bins: vec![0.27, 0.42], adjacent: 0.0, windows: vec![] };
    for seed in 0..40 {
        let mut rng = ChaCha8Rng::seed_from_u64(100 + seed);
        let count = |s: &Scene, w: &[f64]| {
            let sums = s.shells(&shells, w).iter().fold([0.0; 3], |sum, t| [0, 1, 2].map(|k| sum[k] + t[k]));
            (s.count(&rule(), w).adjacent[0], sums)
        };
        let (seen, drawn) = draw(&scene(&mut rng, 0.06), Null::Shift, 99, seed, count).unwrap();
        let adjacent: Vec<f64> = drawn.iter().map(|d| d.0).collect();
        found += u32::from(two_sided(seen.0, &adjacent) <= 0.05);
        for k in 0..3 {
            taken[k] += seen.1[k];
            expected[k] += drawn.iter().map(|d| d.1[k]).sum::<f64>() / drawn.len() as f64;
        }
    }
    assert!(found >= 38, "{found} of 40");
    let energy = |k: usize| KT * ((taken[k] / expected[k]) / (taken[2] / expected[2])).ln();
    // One scene has about 20 bound vacancies and 12 free ones, 40 scenes know the ratio to a tenth: 0.003 eV.
    assert!((energy(0) - 0.06).abs() < 0.006, "{} eV", energy(0));
    assert!(energy(1).abs() < 0.008, "{} eV in the second shell", energy(1));
}

/// What a shift does keeps the lattice: every distance of the shifted scene is one that the lattice has.
#[test]
fn shifts_keep_the_lattice_and_the_numbers() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let scene = scene(&mut rng, 0.0);
    let fine = Rule { bins: vec![0.13, 0.24, 0.31, 0.42], adjacent: 0.25, windows: vec![] };
    for _ in 0..20 {
        let (moved, weights) = scene.shifted(&mut rng);
        assert!(weights.iter().all(|w| *w == 1.0));
        assert_eq!(moved.firsts(), scene.firsts());
        let tally = moved.count(&fine, &weights);
        // Shells at 0.182 and 0.364 nm; nothing nearer, and nothing between.
        assert_eq!((tally.pairs[0], tally.pairs[2]), (0.0, 0.0), "{tally:?}");
        let first: Vec<f64> = moved.frames[0].1.iter().filter(|o| o.first).map(|o| o.at[0]).collect();
        assert!(first.iter().all(|y| (-0.2..8.2).contains(y)));
    }
    let dealt = scene.relabelled(&mut rng);
    assert_eq!(dealt.firsts(), scene.firsts());
    assert!(dealt.frames[0].1.iter().zip(&dealt.frames[9].1).all(|(a, b)| a.first == b.first));
}

/// Two kinds that take no notice of each other, but that both avoid a hole of half the field: with the hole's mask the number
/// of pairs is the expected one, without it is twice that.
#[test]
fn a_hole_is_no_coupling() {
    let (mut seen, mut told, mut untold) = (0.0, 0.0, 0.0);
    for seed in 0..10 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut scene = scene(&mut rng, 0.0);
        scene.frames.iter_mut().for_each(|f| f.1.retain(|o| o.at[1] < 4.0));
        let wide = Rule { bins: vec![1.0], adjacent: 1.0, windows: vec![] };
        let count = |s: &Scene, w: &[f64]| s.count(&wide, w).adjacent[0];
        let mean = |drawn: &[f64]| drawn.iter().sum::<f64>() / drawn.len() as f64;
        untold += mean(&draw(&scene, Null::Shift, 99, seed, count).unwrap().1);
        let mask = ndarray::Array2::from_shape_fn((80, 80), |(_, x)| x < 40);
        scene.lattice_at = Some(((0..10).map(|f| (f, mask.clone())).collect(), 10.0));
        let (pairs, drawn) = draw(&scene, Null::Shift, 99, seed, count).unwrap();
        (seen, told) = (seen + pairs, told + mean(&drawn));
    }
    assert!((seen / told - 1.0).abs() < 0.25, "{} times with the mask", seen / told);
    assert!(seen / untold > 1.5, "{} times without", seen / untold);
}
