//! Measures of how many classes there are.

use super::kmeans::started;
use super::product::{centred, distances2, squares};
use crate::error::Result;
use ndarray::{Array2, ArrayView2};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Mean silhouette of at most `most` rows drawn at random (Rousseeuw, J. Comput. Appl. Math. 20, 53, 1987): 1 where rows
/// are far nearer to their own class than to the next, 0 where classes touch. A row alone in its class counts 0.
pub(crate) fn silhouette(data: ArrayView2<f32>, labels: &[u32], most: usize, seed: u64) -> f64 {
    let rows = super::seeding::sample(data.nrows(), most, seed);
    let (data, _) = centred(data.select(ndarray::Axis(0), &rows).view());
    let labels: Vec<usize> = rows.iter().map(|&i| labels[i] as usize).collect();
    let classes = labels.iter().max().map_or(0, |m| m + 1);
    let mut sizes = vec![0_usize; classes];
    labels.iter().for_each(|&c| sizes[c] += 1);
    if sizes.iter().filter(|s| **s > 0).count() < 2 {
        return 0.0;
    }
    let norms = squares(data.view());
    let distances = distances2(data.view(), &norms, data.view(), &norms);
    let of = |(i, row): (usize, ndarray::ArrayView1<f32>)| {
        let mut sums = vec![0.0_f64; classes];
        row.iter().zip(&labels).enumerate().filter(|(j, _)| *j != i).for_each(|(_, (d, &c))| {
            sums[c] += f64::from(d.sqrt());
        });
        let own = labels[i];
        if sizes[own] < 2 {
            return 0.0;
        }
        let a = sums[own] / (sizes[own] - 1) as f64;
        let others = (0..classes).filter(|&c| c != own && sizes[c] > 0).map(|c| sums[c] / sizes[c] as f64);
        let b = others.fold(f64::MAX, f64::min);
        if a.max(b) > 0.0 { (b - a) / a.max(b) } else { 0.0 }
    };
    let all: Vec<f64> = distances.axis_iter(ndarray::Axis(0)).into_par_iter().enumerate().map(of).collect();
    all.iter().sum::<f64>() / all.len().max(1) as f64
}

/// The gap of each number of classes from 1 to `most`, with its standard error: how much smaller the logarithm of the
/// inertia is than that of points without classes, drawn evenly in the box along the data's principal axes (Tibshirani,
/// Walther and Hastie, J. R. Stat. Soc. B 63, 411, 2001).
pub(crate) fn gaps(scores: ArrayView2<f32>, most: usize, draws: usize, seed: u64) -> Result<Vec<(f64, f64)>> {
    let inertias = |data: ArrayView2<f32>, seed: u64| -> Result<Vec<f64>> {
        (1..=most)
            .map(|k| {
                let runs = started(data, k, 3, seed, |_| ())?;
                Ok(runs.iter().map(|r| r.inertia).fold(f64::MAX, f64::min).max(f64::MIN_POSITIVE).ln())
            })
            .collect()
    };
    let ours = inertias(scores, seed)?;
    let ends: Vec<(f32, f32)> = scores
        .columns()
        .into_iter()
        .map(|c| c.iter().fold((f32::MAX, f32::MIN), |(a, b), &v| (a.min(v), b.max(v))))
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut references = vec![];
    for draw in 0..draws {
        let (n, d) = scores.dim();
        let even = Array2::from_shape_fn((n, d), |(_, j)| ends[j].0 + (ends[j].1 - ends[j].0) * rng.r#gen::<f32>());
        references.push(inertias(even.view(), seed.wrapping_add(1 + draw as u64))?);
    }
    Ok((0..most)
        .map(|k| {
            let all: Vec<f64> = references.iter().map(|r| r[k]).collect();
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            let spread = (all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / all.len() as f64).sqrt();
            (mean - ours[k], spread * (1.0 + 1.0 / all.len() as f64).sqrt())
        })
        .collect())
}
