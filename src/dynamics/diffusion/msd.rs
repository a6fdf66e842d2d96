//! Mean squared displacements.

use crate::dynamics::path::Path;
use crate::dynamics::statistics::t95;
use rayon::prelude::*;

/// The mean squared displacement after one lag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MsdPoint {
    /// Frames from one position to the other.
    pub lag_frames: u32,
    /// The mean of their times.
    pub lag_s: f64,
    /// Mean squared displacement in nm², and its 95 % interval.
    pub msd_nm2: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Pairs of positions.
    pub pairs: usize,
    /// Tracks that have such pairs.
    pub tracks: usize,
}

/// What one track says about one lag.
#[derive(Clone, Copy, Default)]
struct Share {
    squares: f64,
    time: f64,
    pairs: f64,
}

/// All pairs of positions of a track, by the frames between them: overlapping ones, and across gaps.
fn shares(path: &Path, most: u32) -> Vec<Share> {
    let mut shares = vec![Share::default(); most as usize];
    for i in 0..path.frames.len() {
        for j in i + 1..path.frames.len() {
            let lag = path.frames[j] - path.frames[i];
            if lag > most {
                break;
            }
            let [y, x] = [0, 1].map(|a| path.at_nm[j][a] - path.at_nm[i][a]);
            let share = &mut shares[lag as usize - 1];
            share.squares += y * y + x * x;
            share.time += path.times_s[j] - path.times_s[i];
            share.pairs += 1.0;
        }
    }
    shares
}

/// Mean squared displacements of tracks taken together, every pair of positions alike. The intervals are those of a ratio
/// of sums over tracks, since pairs of one track overlap (Cochran, Sampling Techniques, 1977, chapter 6), with Student's t;
/// of a single track, of as many independent pairs as fit into it one after the other.
pub(super) fn msd(paths: &[&Path], most: u32) -> Vec<MsdPoint> {
    let all: Vec<Vec<Share>> = paths.par_iter().map(|p| shares(p, most)).collect();
    let point = |lag: u32| {
        let of: Vec<Share> = all.iter().map(|s| s[lag as usize - 1]).filter(|s| s.pairs > 0.0).collect();
        let sum = |pick: fn(&Share) -> f64| of.iter().map(pick).sum::<f64>();
        let (pairs, tracks) = (sum(|s| s.pairs), of.len());
        let msd = sum(|s| s.squares) / pairs;
        let half = if tracks > 1 {
            let spread: f64 = of.iter().map(|s| (s.squares - msd * s.pairs).powi(2)).sum();
            let n = tracks as f64;
            t95(n - 1.0) * (spread * n / (n - 1.0)).sqrt() / pairs
        } else {
            // Of n independent pairs in two dimensions the mean has a relative variance of 1 / n.
            let n = (pairs / f64::from(lag)).max(1.0);
            t95(n) * msd / n.sqrt()
        };
        let (low, high) = ((msd - half).max(0.0), msd + half);
        (tracks > 0).then(|| MsdPoint {
            lag_frames: lag,
            lag_s: sum(|s| s.time) / pairs,
            msd_nm2: msd,
            low,
            high,
            pairs: pairs as usize,
            tracks,
        })
    };
    (1..=most).filter_map(point).collect()
}

/// Slope and localisation error from the first points, by least squares: `4 D t + 4 σ²`. How many points are best depends
/// on how large the error is beside a step (Michalet, Phys. Rev. E 82, 041914, 2010; the coefficients are those of Michalet and
/// Berglund, Phys. Rev. E 85, 061916, 2012), which the fit itself says: it is
/// done again until that no longer changes. `steps` is the number of steps of a typical track.
pub(super) fn fit(points: &[MsdPoint], steps: f64) -> Option<(f64, f64)> {
    let mut use_points = 4.min(points.len());
    let mut seen = vec![];
    loop {
        let (slope, offset) = line(points.get(..use_points)?)?;
        let (d, variance) = (slope / 4.0, offset / 4.0);
        let span = points[0].lag_s / f64::from(points[0].lag_frames);
        let best = best_points((variance / (d * span)).max(0.0), steps, points.len());
        if d <= 0.0 || best == use_points || seen.contains(&best) {
            return Some((d, variance.max(0.0).sqrt()));
        }
        seen.push(use_points);
        use_points = best;
    }
}

/// The optimal number of points for the slope by ordinary least squares, of a reduced localisation error `σ²/(D Δt)`
/// (Michalet and Berglund 2012).
fn best_points(error: f64, steps: f64, most: usize) -> usize {
    let far = 2.0 + 1.35 * error.min(1e6).powf(0.6);
    let long = 0.8 + 0.564 * steps;
    let both = far * long / (far.powi(3) + long.powi(3)).cbrt();
    (both.min(long) as usize).clamp(2, most.max(2))
}

/// A line through points, each weighted by its pairs over its lag: later points share their steps.
fn line(points: &[MsdPoint]) -> Option<(f64, f64)> {
    let weight = |p: &MsdPoint| p.pairs as f64 / f64::from(p.lag_frames);
    let sum = |of: &dyn Fn(&MsdPoint) -> f64| points.iter().map(|p| weight(p) * of(p)).sum::<f64>();
    let (w, x, y) = (sum(&|_| 1.0), sum(&|p| p.lag_s), sum(&|p| p.msd_nm2));
    let (xx, xy) = (sum(&|p| p.lag_s * p.lag_s), sum(&|p| p.lag_s * p.msd_nm2));
    let under = w * xx - x * x;
    (points.len() > 1 && under > 0.0).then(|| {
        let slope = (w * xy - x * y) / under;
        (slope, (y - slope * x) / w)
    })
}
