//! Diffusion coefficients from the covariance of successive steps.

use crate::dynamics::path::Path;
use crate::dynamics::statistics::{Z95, t95};

/// What a track contributes: sums over its steps, both axes together.
#[derive(Clone, Copy, Default)]
struct Sums {
    squares: f64,
    products: f64,
    time: f64,
    steps: f64,
    pairs: f64,
}

fn sums(path: &Path) -> Sums {
    let mut sums = Sums::default();
    let mut before: Option<[f64; 2]> = None;
    for (span, step) in path.steps() {
        sums.squares += step[0] * step[0] + step[1] * step[1];
        sums.time += span;
        sums.steps += 1.0;
        if let Some(last) = before {
            sums.products += step[0] * last[0] + step[1] * last[1];
            sums.pairs += 1.0;
        }
        before = Some(step);
    }
    sums
}

/// A diffusion coefficient, in nm²/s, with its standard deviation, and the variance of a position along one axis in nm².
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Covariance {
    pub d: f64,
    pub low: f64,
    pub high: f64,
    pub variance: f64,
}

/// The covariance-based estimator (Vestergaard, Blainey and Flyvbjerg, Phys. Rev. E 89, 022726, 2014): localisation errors
/// lengthen each step, and make successive steps go back and forth by as much, so that they cancel in
/// `<Δ²> + 2 <Δ Δ'>`. Steps across gaps count with the time that they took. `blur` is the paper's R: 0 where a frame is an
/// instant for each defect (as in a scan), 1/6 where it is an exposure all along.
///
/// The interval is that of a ratio of sums over tracks, and with fewer than eight tracks the paper's for Gaussian steps.
/// None where no track has three positions.
pub(super) fn covariance(paths: &[&Path], blur: f64) -> Option<Covariance> {
    let all: Vec<Sums> = paths.iter().map(|p| sums(p)).filter(|s| s.pairs > 0.0).collect();
    let sum = |pick: fn(&Sums) -> f64| all.iter().map(pick).sum::<f64>();
    let (steps, pairs, time) = (sum(|s| s.steps), sum(|s| s.pairs), sum(|s| s.time));
    if all.is_empty() || time <= 0.0 {
        return None;
    }
    // Each track lacks one pair; its mean stands for it.
    let more = |s: &Sums| s.squares + 2.0 * s.products * s.steps / s.pairs;
    let d = all.iter().map(more).sum::<f64>() / (4.0 * time);
    let (square, product) = (sum(|s| s.squares) / (2.0 * steps), sum(|s| s.products) / (2.0 * pairs));
    let variance = blur * square + (2.0 * blur - 1.0) * product;
    let half = if all.len() < 8 {
        let span = time / steps;
        let error = if d > 0.0 { variance.max(0.0) / (d * span) - 2.0 * blur } else { 0.0 };
        // Two axes are twice as many steps.
        let (n, e) = (2.0 * steps, error);
        let relative = (6.0 + 4.0 * e + 2.0 * e * e) / n + 4.0 * (1.0 + e).powi(2) / (n * n);
        if d > 0.0 { Z95 * d * relative.sqrt() } else { f64::INFINITY }
    } else {
        let n = all.len() as f64;
        let spread: f64 = all.iter().map(|s| (more(s) / 4.0 - d * s.time).powi(2)).sum();
        t95(n - 1.0) * (spread * n / (n - 1.0)).sqrt() / time
    };
    Some(Covariance { d, low: d - half, high: d + half, variance })
}
