//! Where k-means starts.

use super::product::{products, squares};
use crate::error::Result;
use crate::progress::stop_if_asked;
use ndarray::{Array2, ArrayView2, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// One start under way: its random numbers, what it has chosen, and how far each point is from the nearest choice.
struct Seeding {
    rng: ChaCha8Rng,
    chosen: Vec<usize>,
    nearest: Vec<f32>,
}

/// Rows for the first centres of `starts` starts by greedy k-means++ (Arthur and Vassilvitskii, SODA 2007): a point is
/// chosen with a probability proportional to its squared distance from the nearest centre so far, and of 2 + ln k such
/// points the one is taken that leaves least. The starts' distances are found in one product.
///
/// Start `first + i` draws the same numbers whatever is started beside it.
pub(crate) fn plus_plus(
    data: ArrayView2<f32>,
    k: usize,
    first: usize,
    starts: usize,
    seed: u64,
) -> Result<Vec<Vec<usize>>> {
    let n = data.nrows();
    let norms = squares(data);
    let trials = 2 + (k as f64).ln() as usize;
    let mut all: Vec<Seeding> = (0..starts)
        .map(|start| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream((first + start) as u64);
            Seeding { rng, chosen: vec![], nearest: vec![f32::MAX; n] }
        })
        .collect();
    for round in 0..k {
        stop_if_asked("while choosing where k-means starts")?;
        let candidates: Vec<Vec<usize>> = all
            .iter_mut()
            .map(|s| match round {
                0 => vec![s.rng.gen_range(0..n)],
                _ => draw(&s.nearest, trials, &mut s.rng),
            })
            .collect();
        let width = candidates[0].len();
        let flat: Vec<usize> = candidates.iter().flatten().copied().collect();
        let products = products(data, data.select(Axis(0), &flat).view());
        all.par_iter_mut().enumerate().for_each(|(s, seeding)| {
            let of = |trial: usize| -> (f64, Vec<f32>) {
                let column = s * width + trial;
                let centre2 = norms[flat[column]];
                let mut sum = 0.0;
                let nearest = (0..n)
                    .map(|i| {
                        let d = (norms[i] + centre2 - 2.0 * f64::from(products[[i, column]])).max(0.0) as f32;
                        let d = d.min(seeding.nearest[i]);
                        sum += f64::from(d);
                        d
                    })
                    .collect();
                (sum, nearest)
            };
            let mut best = (0, of(0));
            for trial in 1..width {
                let next = of(trial);
                if next.0 < best.1.0 {
                    best = (trial, next);
                }
            }
            seeding.chosen.push(flat[s * width + best.0]);
            seeding.nearest = best.1.1;
        });
    }
    Ok(all.into_iter().map(|s| s.chosen).collect())
}

/// Draws rows with a probability proportional to their weight (any row where all weights are 0).
fn draw(weights: &[f32], count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut sum = 0.0;
    let running: Vec<f64> = weights
        .iter()
        .map(|&w| {
            sum += f64::from(w);
            sum
        })
        .collect();
    let one = |_| match sum > 0.0 {
        true => {
            let at = rng.r#gen::<f64>() * sum;
            running.partition_point(|&r| r <= at).min(weights.len() - 1)
        }
        false => rng.gen_range(0..weights.len()),
    };
    (0..count).map(one).collect()
}

/// Different rows, each equally likely: a start for very many centres.
pub(crate) fn sample(n: usize, k: usize, seed: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut rows = rand::seq::index::sample(&mut rng, n, k.min(n)).into_vec();
    rows.sort_unstable();
    rows
}

/// The rows as centres.
pub(crate) fn centres(data: ArrayView2<f32>, rows: &[usize]) -> Array2<f32> {
    data.select(Axis(0), rows)
}
