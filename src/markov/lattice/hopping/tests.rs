//! Vacancies that hop, planted and found.

use super::*;
use crate::markov::statistics::draw;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A sheet of `n` x `n` sites with six neighbours each, without an edge.
pub(crate) fn sheet(n: usize) -> Vec<Vec<usize>> {
    let at = |y: usize, x: usize| (y % n) * n + x % n;
    (0..n * n)
        .map(|i| {
            let (y, x) = (i / n + n, i % n + n);
            vec![at(y, x + 1), at(y, x - 1), at(y + 1, x), at(y - 1, x), at(y + 1, x - 1), at(y - 1, x + 1)]
        })
        .collect()
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.r#gen::<f64>(), rng.r#gen());
    libm::sqrt(-2.0 * libm::log(u)) * libm::cos(std::f64::consts::TAU * v)
}

/// `count` vacancies that hop, and evidence of deflection `d` at each site: N(±d²/2, d²), as a matched filter gives.
fn planted(n: usize, frames: usize, count: usize, hops: f64, d: f64, seed: u64) -> (Array3<f64>, Array2<bool>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let near = sheet(n);
    let mut at: Vec<usize> = vec![];
    while at.len() < count {
        let site = rng.gen_range(0..n * n);
        if at.iter().all(|&a| a != site && !near[a].contains(&site)) {
            at.push(site);
        }
    }
    let mut truth = Array2::from_elem((frames, n * n), false);
    for t in 0..frames {
        for i in 0..count {
            if t > 0 && rng.r#gen::<f64>() < hops {
                let to = near[at[i]][draw([1.0 / 6.0; 6].into_iter(), &mut rng)];
                if !at.contains(&to) {
                    at[i] = to;
                }
            }
            truth[[t, at[i]]] = true;
        }
    }
    let mut evidence = Array3::zeros((frames, n * n, 2));
    for ((t, site), there) in truth.indexed_iter() {
        let mean = if *there { 0.5 } else { -0.5 } * d * d;
        evidence[[t, site, 1]] = mean + d * normal(&mut rng);
    }
    (evidence, truth)
}

#[test]
fn vacancies_that_hop_are_followed_where_sites_alone_lose_them() {
    let (evidence, truth) = planted(12, 40, 3, 0.15, 2.2, 5);
    let model = HoppingVacancies::new(1).with_hops(vec![0.15]).with_start(vec![0.02]);
    let found = model.posterior(&evidence, &sheet(12)).unwrap();
    let score = |p: &Array3<f64>| {
        let hits = truth.indexed_iter().filter(|(at, there)| **there && p[[at.0, at.1, 1]] > 0.5).count() as f64;
        let called = p.slice(s![.., .., 1]).iter().filter(|p| **p > 0.5).count() as f64;
        2.0 * hits / (called + 120.0)
    };
    assert!(score(&found) > 0.85, "{}", score(&found));
    assert!(found.iter().all(|p| (-1e-9..=1.0 + 1e-9).contains(p)));
    assert!(found.sum_axis(Axis(2)).iter().all(|s| (s - 1.0).abs() < 1e-9));
}

#[test]
fn where_every_frame_is_sure_nothing_is_missed() {
    for (hops, seed) in [(0.02, 1), (0.15, 2), (0.0, 3)] {
        let (evidence, truth) = planted(12, 30, 5, hops, 7.0, seed);
        let model = HoppingVacancies::new(1).with_hops(vec![hops.max(0.01)]).with_start(vec![0.03]);
        let found = model.posterior(&evidence, &sheet(12)).unwrap();
        let right = truth.indexed_iter().filter(|(at, there)| (found[[at.0, at.1, 1]] > 0.5) == **there).count();
        assert!(truth.len() - right <= 3, "{} of {} wrong at {hops} hops", truth.len() - right, truth.len());
    }
}

#[test]
fn of_noise_little_is_found() {
    let (evidence, _) = planted(12, 40, 0, 0.1, 2.2, 6);
    let found =
        HoppingVacancies::new(1).with_hops(vec![0.1]).with_start(vec![0.01]).posterior(&evidence, &sheet(12)).unwrap();
    let called = found.slice(s![.., .., 1]).iter().filter(|p| **p > 0.5).count();
    assert!(called < 5, "{called} of 5760");
}

/// 12 movies: at 95 % less than one misses; four would by chance once in 400.
#[test]
fn planted_hop_rates_are_within_their_intervals() {
    let mut missed = 0;
    for (seed, hops) in (0..12).zip([0.03, 0.1, 0.2].into_iter().cycle()) {
        let (evidence, _) = planted(10, 60, 3, hops, 3.0, 20 + seed);
        let model = HoppingVacancies::new(1).with_start(vec![0.03]).with_hops(vec![0.1]);
        let (rate, low, high) = model.hop_rate(&evidence, &sheet(10), 0).unwrap();
        assert!(low < rate && rate < high);
        missed += usize::from(!(low..=high).contains(&hops));
    }
    assert!(missed < 4, "{missed} of 12 outside");
}

#[test]
fn bad_lattices_and_rates_are_named() {
    let evidence = Array3::zeros((2, 4, 2));
    let says = |h: HoppingVacancies, near: Vec<Vec<usize>>| h.posterior(&evidence, &near).unwrap_err().to_string();
    let ring: Vec<Vec<usize>> = (0..4).map(|i| vec![(i + 1) % 4, (i + 3) % 4]).collect();
    assert!(says(HoppingVacancies::new(1), vec![vec![1], vec![], vec![], vec![]]).contains("one-sided"));
    assert!(says(HoppingVacancies::new(2), ring.clone()).contains("hops"));
    assert!(says(HoppingVacancies::new(1).with_hops(vec![f64::NAN]), ring.clone()).contains("hops"));
    assert!(says(HoppingVacancies::new(1).with_least(0.0), ring.clone()).contains("least"));
    assert!(says(HoppingVacancies::new(1), ring[..3].to_vec()).contains("4, one a site"));
}
