//! Planted values come back within their intervals, as often as these claim.

use super::covariance::covariance;
use super::motion::{MotionModel, Pieces};
use super::msd::{fit, msd};
use crate::dynamics::path::Path;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(super) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.r#gen(), rng.r#gen());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Brownian tracks; with a spring (its variance) they are confined. Positions are wrong by `sigma`, and some missing.
fn walks(rng: &mut ChaCha8Rng, tracks: usize, n: usize, (d, sigma, size): (f64, f64, f64), missing: f64) -> Vec<Path> {
    let s_per_frame = 2.0;
    let one = |rng: &mut ChaCha8Rng| {
        let keep = if size.is_finite() { (-d * s_per_frame / size).exp() } else { 1.0 };
        let spread = if size.is_finite() { size * (1.0 - keep * keep) } else { 2.0 * d * s_per_frame };
        let mut at = [0.0; 2];
        if size.is_finite() {
            at = [size.sqrt() * normal(rng), size.sqrt() * normal(rng)];
        }
        let mut path = Path::default();
        for frame in 0..n as u32 {
            if frame == 0 || rng.r#gen::<f64>() >= missing {
                path.frames.push(frame);
                path.times_s.push(f64::from(frame) * s_per_frame);
                path.at_nm.push([at[0] + sigma * normal(rng), at[1] + sigma * normal(rng)]);
            }
            at = at.map(|v| keep * v + spread.sqrt() * normal(rng));
        }
        path
    };
    (0..tracks).map(|_| one(rng)).collect()
}

/// 95 % intervals over 200 sets: 180 or more (the standard deviation of the count is 3, and t intervals of few tracks are a
/// little short for skewed sums).
#[test]
fn the_covariance_estimator_holds_what_was_planted() {
    for (tracks, n, sigma, missing) in [(30, 20, 0.02, 0.0), (30, 20, 0.1, 0.2), (3, 100, 0.05, 0.0)] {
        let (mut inside, mut sum, mut errors) = (0, 0.0, 0.0);
        for seed in 0..200 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let paths = walks(&mut rng, tracks, n, (1e-3, sigma, f64::INFINITY), missing);
            let found = covariance(&paths.iter().collect::<Vec<_>>(), 0.0).unwrap();
            inside += usize::from((found.low..=found.high).contains(&1e-3));
            (sum, errors) = (sum + found.d, errors + found.variance);
        }
        assert!(inside >= 180, "{inside} of 200 with {tracks} tracks, error {sigma}");
        let bias = sum / 200.0 / 1e-3 - 1.0;
        assert!(bias.abs() < 0.06, "D is {bias} too large with error {sigma}");
        let found = (errors / 200.0).sqrt();
        assert!((found / sigma - 1.0).abs() < 0.25, "error {found} for {sigma}");
    }
}

#[test]
fn mean_squared_displacements_grow_as_planted() {
    let (mut inside, mut all, mut slopes) = (0, 0, 0.0);
    for seed in 0..100 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let paths = walks(&mut rng, 40, 30, (1e-3, 0.05, f64::INFINITY), 0.1);
        let points = msd(&paths.iter().collect::<Vec<_>>(), 10);
        for p in &points {
            let truth = 4.0 * 1e-3 * p.lag_s + 4.0 * 0.05 * 0.05;
            inside += usize::from((p.low..=p.high).contains(&truth));
            all += 1;
        }
        slopes += fit(&points, 30.0).unwrap().0 / 100.0;
    }
    assert_eq!(all, 1000);
    assert!(inside >= 910, "{inside} of 1000 intervals hold the truth"); // lags of a set are correlated
    assert!((slopes / 1e-3 - 1.0).abs() < 0.05, "slope {slopes}");
}

#[test]
fn the_likelihood_tells_motions_apart() {
    let free = (1e-3, 0.03, f64::INFINITY);
    let confined = (1e-3, 0.03, 4e-3);
    let (mut alpha_inside, mut d_inside, mut size_inside, mut told) = (0, 0, 0, 0);
    const SETS: u64 = 20;
    for seed in 0..SETS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let paths = walks(&mut rng, 12, 40, free, 0.0);
        let pieces = Pieces::of(&paths.iter().collect::<Vec<_>>()).unwrap();
        let best = pieces.fit(MotionModel::Free);
        let (low, high) = pieces.interval(MotionModel::Free, &best, 1, (-40.0, 40.0));
        d_inside += usize::from((low..=high).contains(&(1e-3 * pieces.span).ln()));
        let best = pieces.fit(MotionModel::Anomalous);
        let (low, high) = pieces.interval(MotionModel::Anomalous, &best, 2, (0.05, 1.95));
        alpha_inside += usize::from((low..=high).contains(&1.0));
        let paths = walks(&mut rng, 12, 40, confined, 0.0);
        let pieces = Pieces::of(&paths.iter().collect::<Vec<_>>()).unwrap();
        let (open, best) = (pieces.fit(MotionModel::Free), pieces.fit(MotionModel::Confined));
        let (low, high) = pieces.interval(MotionModel::Confined, &best, 2, (-40.0, 40.0));
        size_inside += usize::from((low..=high).contains(&4e-3_f64.ln()));
        told += usize::from(open.1 - best.1 > 1.92 && best.1 < pieces.fit(MotionModel::Anomalous).1);
    }
    for (name, inside) in [("α", alpha_inside), ("D", d_inside), ("size", size_inside)] {
        assert!(inside >= 16, "{name} inside its interval in {inside} of 20 sets"); // 19 expected, deviation 1
    }
    assert!(told >= 17, "confined motion told in {told} of 20 sets");
}
