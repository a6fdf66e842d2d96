//! Rates from uneven moments, against planted ones.

use super::*;
use crate::markov::statistics::draw;
use ndarray::array;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn names(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("s{i}")).collect()
}

/// Steps of a chain seen at uneven moments.
fn seen(q: &Array2<f64>, steps: usize, seed: u64) -> Vec<Step> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let intervals = [0.5, 1.0, 2.5, 7.0];
    let tables: Vec<Array2<f64>> = intervals.iter().map(|t| probabilities(q.view(), *t).unwrap()).collect();
    let mut at = 0;
    (0..steps)
        .map(|_| {
            let k = rng.gen_range(0..intervals.len());
            let to = draw(tables[k].row(at).iter().copied(), &mut rng);
            let step = Step { from: at, to, seconds: intervals[k] };
            at = to;
            step
        })
        .collect()
}

/// Intervals at 95 % miss once in twenty: of 4 rates in 60 series 12 are to miss, and 25 would by chance once in 3000.
#[test]
fn planted_rates_are_within_their_intervals_as_often_as_they_should() {
    let q = generator(&array![[0.0, 0.2, 0.0], [0.1, 0.0, 0.05], [0.0, 0.3, 0.0]]);
    let mut missed = 0;
    for seed in 0..60 {
        let fit = RateFit::default()
            .of(&names(3), &q.mapv(|v| if v > 0.0 { 0.1 } else { 0.0 }), &seen(&q, 400, seed))
            .unwrap();
        assert_eq!((fit.rates[[0, 2]], fit.rates[[2, 0]]), (0.0, 0.0), "forbidden stays forbidden");
        for at in [[0, 1], [1, 0], [1, 2], [2, 1]] {
            missed += usize::from(!(fit.low[at]..=fit.high[at]).contains(&q[at]));
        }
    }
    assert!((2..25).contains(&missed), "{missed} of 240 outside");
}

/// With even intervals and no zeros the fit's matrix exponential is the counted frequencies (Kalbfleisch and Lawless).
#[test]
fn even_intervals_give_the_counted_frequencies() {
    let counts = [[900.0, 80.0, 20.0], [50.0, 940.0, 10.0], [30.0, 20.0, 450.0]];
    let steps: Vec<Step> = (0..9)
        .flat_map(|k| (0..counts[k / 3][k % 3] as usize).map(move |_| Step { from: k / 3, to: k % 3, seconds: 2.0 }))
        .collect();
    let fit = RateFit::default()
        .with_tolerance(1e-10)
        .with_rounds(5000)
        .of(&names(3), &Array2::from_elem((3, 3), 0.05), &steps)
        .unwrap();
    let p = probabilities(fit.rates.view(), 2.0).unwrap();
    for i in 0..3 {
        let total: f64 = counts[i].iter().sum();
        for j in 0..3 {
            assert!((p[[i, j]] - counts[i][j] / total).abs() < 1e-6, "{p}");
        }
    }
}

#[test]
fn a_prior_holds_what_nothing_was_seen_of() {
    let steps = vec![Step { from: 0, to: 0, seconds: 1.0 }; 50];
    let start = array![[0.0, 0.02], [0.3, 0.0]];
    let fit = RateFit::default().with_prior_s(100.0).of(&names(2), &start, &steps).unwrap();
    assert!((fit.rates[[1, 0]] - 0.3).abs() < 5e-3 && fit.rates[[0, 1]] < 0.02, "{fit:?}");
}

#[test]
fn bad_steps_are_named() {
    let start = array![[0.0, 0.1], [0.0, 0.0]];
    let says = |step: Step| RateFit::default().of(&names(2), &start, &[step]).unwrap_err().to_string();
    assert!(says(Step { from: 1, to: 0, seconds: 1.0 }).contains("s1 was followed by s0"));
    assert!(says(Step { from: 0, to: 1, seconds: 0.0 }).contains("seconds"));
    assert!(says(Step { from: 0, to: 3, seconds: 1.0 }).contains("from 0 to 1"));
    assert!(RateFit::default().of(&names(2), &start, &[]).unwrap_err().to_string().contains("no steps"));
}
