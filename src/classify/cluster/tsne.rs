//! Points in the plane, neighbours beside neighbours: t-SNE (van der Maaten and Hinton, J. Mach. Learn. Res. 9, 2579, 2008), by
//! its exact gradient.
//!
//! Each step costs the square of the number of points: a second in all for a thousand points, half a minute for five thousand.

use super::product::products;
use crate::error::Result;
use crate::progress::{Progress, Reporter, stop_if_asked};
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

/// Steps in which affinities are exaggerated, and by how much, so that clusters find together before they spread.
const EARLY: usize = 250;
const EXAGGERATION: f64 = 12.0;

/// How alike points are: each row of Gaussian affinities has the perplexity, then both directions are averaged; sums to 1.
pub(crate) fn affinities(data: ArrayView2<f32>, perplexity: f64) -> Array2<f32> {
    let n = data.nrows();
    let norms: Vec<f32> = data.rows().into_iter().map(|r| r.dot(&r)).collect();
    let products = products(data, data);
    let mut all = Array2::<f32>::zeros((n, n));
    all.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, mut row)| {
        let squares: Vec<f64> =
            (0..n).map(|j| f64::from((norms[i] + norms[j] - 2.0 * products[[i, j]]).max(0.0))).collect();
        let one = gaussian(&squares, i, perplexity);
        row.iter_mut().zip(one).for_each(|(to, p)| *to = (p / (2.0 * n as f64)) as f32);
    });
    &all + &all.t()
}

/// Affinities to the others of one point, of the width that gives the perplexity (bisection of its logarithm).
fn gaussian(squares: &[f64], own: usize, perplexity: f64) -> Vec<f64> {
    let others = || squares.iter().enumerate().filter(|(j, _)| *j != own).map(|(_, s)| *s);
    let nearest = others().fold(f64::MAX, f64::min);
    let scale = others().map(|s| s - nearest).sum::<f64>() / squares.len().max(2) as f64;
    if scale <= 0.0 {
        // All others are as far: each is as alike.
        let each = 1.0 / (squares.len() as f64 - 1.0).max(1.0);
        return (0..squares.len()).map(|j| if j == own { 0.0 } else { each }).collect();
    }
    let (mut low, mut high) = (-12.0_f64, 24.0_f64);
    let weigh = |log: f64| -> (Vec<f64>, f64) {
        let beta = log.exp() / scale;
        let mut p: Vec<f64> = squares.iter().map(|s| (-beta * (s - nearest)).exp()).collect();
        p[own] = 0.0;
        let sum: f64 = p.iter().sum();
        p.iter_mut().for_each(|v| *v /= sum);
        let entropy: f64 = p.iter().filter(|v| **v > 0.0).map(|v| -v * v.ln()).sum();
        (p, entropy)
    };
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if weigh(middle).1 > perplexity.ln() { low = middle } else { high = middle }
    }
    weigh(0.5 * (low + high)).0
}

/// Places of the points (two columns) and the Kullback-Leibler divergence that is left, in nats. `start` are places to begin at.
pub(crate) fn embed(affinities: &Array2<f32>, start: Array2<f64>, steps: usize) -> Result<(Array2<f64>, f64)> {
    let n = start.nrows();
    let rate = (n as f64 / EXAGGERATION / 4.0).max(50.0);
    let mut places = start;
    let (mut speed, mut gains) = (Array2::<f64>::zeros((n, 2)), Array2::<f64>::ones((n, 2)));
    let mut progress = Reporter::new("placing patches", "steps");
    let mut divergence = f64::NAN;
    for step in 0..steps {
        stop_if_asked("while placing patches")?;
        let early = step < EARLY.min(steps / 2);
        let (gradient, left) = gradient(affinities, &places, if early { EXAGGERATION } else { 1.0 });
        divergence = left;
        let momentum = if early { 0.5 } else { 0.8 };
        ndarray::Zip::from(&mut speed).and(&mut gains).and(&gradient).for_each(|v, g, &d| {
            // A step that turns round is made smaller, one that goes on larger (Jacobs, Neural Networks 1, 295, 1988).
            *g = if (d > 0.0) == (*v > 0.0) { (*g * 0.8).max(0.01) } else { *g + 0.2 };
            *v = momentum * *v - rate * *g * d;
        });
        places += &speed;
        let middle = places.mean_axis(Axis(0)).unwrap_or_default();
        places -= &middle;
        if step % 25 == 0 {
            progress.update(step, steps, &format!("divergence {divergence:.2}"));
        }
    }
    progress.update(steps, steps, "");
    Ok((places, divergence))
}

/// How the divergence changes with each place, affinities exaggerated, and the divergence as it is without.
fn gradient(affinities: &Array2<f32>, places: &Array2<f64>, exaggeration: f64) -> (Array2<f64>, f64) {
    let n = places.nrows();
    let flat: Vec<(f64, f64)> = places.rows().into_iter().map(|r| (r[0], r[1])).collect();
    let near = |a: (f64, f64), b: (f64, f64)| 1.0 / (1.0 + (a.0 - b.0).powi(2) + (a.1 - b.1).powi(2));
    // Of each point: attraction, repulsion (to be divided by the sum of all), that sum's part, and p ln p / near.
    let each: Vec<[f64; 6]> = (0..n)
        .into_par_iter()
        .map(|i| {
            let at = flat[i];
            let mut sum = [0.0; 6];
            for (j, &other) in flat.iter().enumerate() {
                if i == j {
                    continue;
                }
                let (close, p) = (near(at, other), f64::from(affinities[[i, j]]));
                let (dy, dx) = (at.0 - other.0, at.1 - other.1);
                sum[0] += p * close * dy;
                sum[1] += p * close * dx;
                sum[2] += close * close * dy;
                sum[3] += close * close * dx;
                sum[4] += close;
                sum[5] += if p > 0.0 { p * (p / close).ln() } else { 0.0 };
            }
            sum
        })
        .collect();
    let total: f64 = each.iter().map(|e| e[4]).sum();
    let of = |i: usize, k: usize| 4.0 * (exaggeration * each[i][k] - each[i][k + 2] / total);
    let divergence = each.iter().map(|e| e[5]).sum::<f64>() + total.ln();
    (Array2::from_shape_fn((n, 2), |(i, k)| of(i, k)), divergence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn blobs(n: usize, apart: f32) -> (Array2<f32>, Vec<usize>) {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let labels: Vec<usize> = (0..n).map(|i| i % 4).collect();
        let data = Array2::from_shape_fn((n, 8), |(i, k)| {
            let noise: f32 = (0..4).map(|_| rng.r#gen::<f32>() - 0.5).sum();
            noise + if k == labels[i] { apart } else { 0.0 }
        });
        (data, labels)
    }

    #[test]
    fn affinities_have_the_perplexity() {
        let (data, _) = blobs(60, 2.0);
        let squares: Vec<f64> =
            (0..60).map(|j| f64::from((&data.row(0) - &data.row(j)).mapv(|v| v * v).sum())).collect();
        let p = gaussian(&squares, 0, 12.0);
        let entropy: f64 = p.iter().filter(|v| **v > 0.0).map(|v| -v * v.ln()).sum();
        assert!((entropy.exp() - 12.0).abs() < 1e-3 && (p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let all = affinities(data.view(), 12.0);
        assert!((all.sum() - 1.0).abs() < 1e-4 && (&all - &all.t()).iter().all(|d| d.abs() < 1e-9));
    }

    /// Against differences of the divergence itself.
    #[test]
    fn the_gradient_is_the_divergences() {
        let (data, _) = blobs(24, 1.0);
        let p = affinities(data.view(), 6.0);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let places = Array2::from_shape_fn((24, 2), |_| rng.r#gen::<f64>() * 3.0);
        let (found, _) = gradient(&p, &places, 1.0);
        for at in [(0, 0), (3, 1), (17, 0)] {
            let moved = |by: f64| {
                let mut other = places.clone();
                other[at] += by;
                gradient(&p, &other, 1.0).1
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((slope - found[at]).abs() < 1e-5, "{slope} {}", found[at]);
        }
    }

    #[test]
    fn groups_stay_together() {
        let (data, labels) = blobs(160, 4.0);
        let start = Array2::from_shape_fn((160, 2), |(i, k)| 1e-4 * f64::from(data[[i, k]]));
        let (places, left) = embed(&affinities(data.view(), 20.0), start, 400).unwrap();
        assert!(left.is_finite() && left > 0.0 && left < 2.0, "{left}");
        let far = |i: usize, j: usize| (&places.row(i) - &places.row(j)).mapv(|d| d * d).sum();
        let right = (0..160).filter(|&i| {
            let nearest = (0..160).filter(|&j| j != i).min_by(|&a, &b| far(i, a).total_cmp(&far(i, b)));
            nearest.is_some_and(|j| labels[i] == labels[j])
        });
        assert!(right.count() >= 158);
    }
}
