//! Moves patches onto their average.

use super::columns::solve;
use crate::error::Result;
use crate::movie::sample;
use crate::progress::stop_if_asked;
use ndarray::{Array2, Array3, ArrayView2, Axis};
use rayon::prelude::*;

/// The patches moved, and how far, `[y, x]`. Each round fits every patch by the average's height, offset and slopes (Lucas and
/// Kanade, IJCAI 1981); the average is that of the round before.
pub(super) fn align(
    patches: &Array3<f32>,
    onto: Option<&Array2<f32>>,
    most: f64,
    rounds: usize,
) -> Result<(Array3<f32>, Vec<[f64; 2]>)> {
    let n = patches.len_of(Axis(0));
    let mut shifts = vec![[0.0; 2]; n];
    let mut moved = patches.clone();
    for _ in 0..rounds {
        stop_if_asked("while aligning cells")?;
        let mean = moved.mean_axis(Axis(0)).unwrap_or_default();
        let target = onto.unwrap_or(&mean);
        let steps: Vec<[f64; 2]> =
            moved.outer_iter().collect::<Vec<_>>().par_iter().map(|p| step(target, *p)).collect();
        for (shift, step) in shifts.iter_mut().zip(steps) {
            for axis in 0..2 {
                shift[axis] = (shift[axis] + step[axis]).clamp(-most, most);
            }
        }
        let rows: Vec<Array2<f32>> =
            (0..n).into_par_iter().map(|i| shifted(&patches.index_axis(Axis(0), i), shifts[i])).collect();
        rows.iter().enumerate().for_each(|(i, p)| moved.index_axis_mut(Axis(0), i).assign(p));
    }
    Ok((moved, shifts))
}

/// The patch as it is seen from a place further on.
fn shifted(patch: &ArrayView2<f32>, [dy, dx]: [f64; 2]) -> Array2<f32> {
    let patch = patch.to_owned();
    Array2::from_shape_fn(patch.dim(), |(y, x)| sample(&patch, y as f64 + dy, x as f64 + dx))
}

/// How far a patch stands from the average.
fn step(mean: &Array2<f32>, patch: ArrayView2<f32>) -> [f64; 2] {
    let (h, w) = mean.dim();
    let mut normal = Array2::<f64>::zeros((4, 4));
    let mut right = vec![0.0; 4];
    for y in 2..h.saturating_sub(2) {
        for x in 2..w.saturating_sub(2) {
            let slope = |a: f32, b: f32| f64::from(b - a) / 2.0;
            let basis = [
                slope(mean[[y - 1, x]], mean[[y + 1, x]]),
                slope(mean[[y, x - 1]], mean[[y, x + 1]]),
                f64::from(mean[[y, x]]),
                1.0,
            ];
            for i in 0..4 {
                right[i] += basis[i] * f64::from(patch[[y, x]]);
                (0..4).for_each(|j| normal[[i, j]] += basis[i] * basis[j]);
            }
        }
    }
    match solve(&normal, &right) {
        // p(x) = a m(x - s) + b = a m - a s m' + b
        Some(found) if found[2] > 0.0 => {
            [0, 1].map(|axis| (-found[axis] / found[2]).clamp(-1.0, 1.0)).map(|v| if v.is_finite() { v } else { 0.0 })
        }
        _ => [0.0; 2],
    }
}
