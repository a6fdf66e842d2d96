//! What is counted, against what null models give.

use super::scene::Scene;
use crate::error::Result;
use crate::progress::{Progress, Reporter, stop_if_asked};
use crate::session::seeded;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// What the two kinds are held against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Null {
    /// The first kind shifted as a whole over the field, by lattice vectors where a lattice is given: keeps the density, the
    /// lattice, and how each kind stands and moves by itself. Of one kind with itself, every track is shifted by itself.
    #[default]
    Shift,
    /// The names of the two kinds dealt anew to the tracks: keeps every place. For kinds that can stand on the same sites.
    Relabel,
}

/// What `count` says of the scene and of `draws` scenes of the null model, each depending on the seed and its number alone.
/// It is given a scene and the weight of each of its frames.
pub(super) fn draw<T: Send>(
    scene: &Scene,
    null: Null,
    draws: usize,
    seed: u64,
    count: impl Fn(&Scene, &[f64]) -> T + Sync,
) -> Result<(T, Vec<T>)> {
    let (even, seed) = (vec![1.0; scene.frames.len()], seeded("Coupling", seed));
    let one = |i: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(i as u64);
        match null {
            Null::Shift => {
                let (scene, weights) = scene.shifted(&mut rng);
                count(&scene, &weights)
            }
            Null::Relabel => count(&scene.relabelled(&mut rng), &even),
        }
    };
    const BATCH: usize = 32;
    let mut progress = Reporter::new("drawing without coupling", "draws");
    let mut all = Vec::with_capacity(draws);
    for begin in (0..draws).step_by(BATCH) {
        stop_if_asked("the comparison with the null model")?;
        all.extend((begin..(begin + BATCH).min(draws)).into_par_iter().map(one).collect::<Vec<_>>());
        progress.update(all.len(), draws, "");
    }
    Ok((count(scene, &even), all))
}

/// Two-sided probability of a value as far out as this among those drawn.
pub(super) fn two_sided(seen: f64, drawn: &[f64]) -> f64 {
    // Sums of weights differ in their last digits.
    let near = 1e-9 * (1.0 + seen.abs());
    let above = drawn.iter().filter(|d| **d >= seen - near).count();
    let below = drawn.iter().filter(|d| **d <= seen + near).count();
    (2.0 * (above.min(below) + 1) as f64 / (drawn.len() + 1) as f64).min(1.0)
}

/// Probability that any of several counts is as far out as the farthest one seen, distances in standard deviations of the
/// draws (a global envelope test: Myllymäki et al., J. R. Statist. Soc. B 79, 381, 2017).
pub(super) fn global(seen: &[f64], drawn: &[Vec<f64>]) -> f64 {
    let n = drawn.len() as f64 + 1.0;
    // The scene itself is one of its own null model: it takes part in mean and deviation.
    let all = || drawn.iter().map(Vec::as_slice).chain([seen]);
    let mean: Vec<f64> = (0..seen.len()).map(|k| all().map(|d| d[k]).sum::<f64>() / n).collect();
    let deviation: Vec<f64> =
        (0..seen.len()).map(|k| (all().map(|d| (d[k] - mean[k]).powi(2)).sum::<f64>() / n).sqrt()).collect();
    let farthest = |values: &[f64]| {
        let of = |k: usize| if deviation[k] > 1e-9 { (values[k] - mean[k]).abs() / deviation[k] } else { 0.0 };
        (0..values.len()).map(of).fold(0.0, f64::max)
    };
    let top = farthest(seen) - 1e-9;
    let beyond = drawn.iter().filter(|d| farthest(d) >= top).count();
    (beyond + 1) as f64 / n
}

/// Intervals of ratios of the counts that are seen to those that are expected, by resampling the tracks of the first kind:
/// what one track does in many frames is one event, not many. `of` counts by track; columns are what is counted.
pub(super) fn resampled(by_track: &[Vec<f64>], draws: usize, seed: u64) -> Vec<Vec<f64>> {
    let columns = by_track.first().map_or(0, Vec::len);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::MAX);
    let mut one = || {
        let mut sum = vec![0.0; columns];
        for _ in 0..by_track.len() {
            let track = &by_track[rng.gen_range(0..by_track.len())];
            sum.iter_mut().zip(track).for_each(|(s, v)| *s += v);
        }
        sum
    };
    (0..draws).map(|_| one()).collect()
}
