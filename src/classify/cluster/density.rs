//! Classes where points lie dense, and outliers where they do not (DBSCAN: Ester, Kriegel, Sander and Xu, KDD 1996).

use super::merges::Sets;
use super::product::{BLOCK, centred, distances2, squares};
use crate::error::Result;
use crate::progress::stop_if_asked;
use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

/// The class of each row, none for outliers; classes are numbered by their first dense row. A row is dense if `points`
/// rows, itself among them, lie within `reach`; a row within reach of a dense one belongs to the class of the nearest.
///
/// Distances are found twice, in blocks, and not kept: memory grows as the number of rows.
pub(crate) fn dbscan(data: ArrayView2<f32>, reach: f64, points: usize) -> Result<Vec<Option<u32>>> {
    let (data, _) = centred(data);
    let norms = squares(data.view());
    let n = data.nrows();
    let reach2 = (reach * reach) as f32;
    let mut dense = vec![false; n];
    blocks(
        data.view(),
        &norms,
        |from, near| {
            near.axis_iter(Axis(0))
                .enumerate()
                .map(|(i, row)| (from + i, row.iter().filter(|d| **d <= reach2).count() >= points))
                .collect::<Vec<_>>()
        },
        |found| found.into_iter().for_each(|(i, d)| dense[i] = d),
    )?;
    let mut sets = Sets::new(n);
    let mut nearest: Vec<Option<usize>> = vec![None; n];
    let told = dense.clone();
    blocks(
        data.view(),
        &norms,
        |from, near| {
            let row = |(i, row): (usize, ndarray::ArrayView1<f32>)| {
                let within = |j: &usize| row[*j] <= reach2 && told[*j];
                if told[from + i] {
                    // Each pair once.
                    return (from + i, (0..from + i).filter(within).collect::<Vec<_>>());
                }
                let best = (0..n).filter(within).min_by(|&a, &b| row[a].total_cmp(&row[b]));
                (from + i, best.into_iter().collect())
            };
            near.axis_iter(Axis(0)).enumerate().map(row).collect::<Vec<_>>()
        },
        |found| {
            for (i, with) in found {
                if !dense[i] {
                    nearest[i] = with.first().copied();
                    continue;
                }
                for j in with {
                    let (a, b) = (sets.root(i), sets.root(j));
                    sets.join(a, b);
                }
            }
        },
    )?;
    let mut numbers = std::collections::HashMap::new();
    let mut classes = vec![None; n];
    for i in (0..n).filter(|&i| dense[i]) {
        let next = numbers.len() as u32;
        classes[i] = Some(*numbers.entry(sets.root(i)).or_insert(next));
    }
    for i in (0..n).filter(|&i| !dense[i]) {
        classes[i] = nearest[i].and_then(|j| classes[j]);
    }
    Ok(classes)
}

/// Squared distances of a block of rows to all rows, handed to `of` on all threads and then, in order, to `then`.
fn blocks<T: Send>(
    data: ArrayView2<f32>,
    norms: &[f64],
    of: impl Fn(usize, Array2<f32>) -> T + Sync,
    mut then: impl FnMut(T),
) -> Result<()> {
    // A block's distances to all rows: at most 32 MB each for 100,000 rows.
    let height = (8_000_000 / data.nrows().max(1)).clamp(16, BLOCK);
    let starts: Vec<usize> = (0..data.nrows()).step_by(height).collect();
    for group in starts.chunks(2 * rayon::current_num_threads()) {
        stop_if_asked("while looking for neighbours")?;
        let one = |&from: &usize| {
            let to = (from + height).min(data.nrows());
            of(from, distances2(data.slice(s![from..to, ..]), &norms[from..to], data, norms))
        };
        let found: Vec<T> = group.par_iter().map(one).collect();
        found.into_iter().for_each(&mut then);
    }
    Ok(())
}

/// Distance from each of at most `most` rows, evenly spread, to its `points`-th nearest row (itself the first), sorted.
pub(crate) fn neighbour_distances(data: ArrayView2<f32>, points: usize, most: usize) -> Vec<f32> {
    let (data, _) = centred(data);
    let norms = squares(data.view());
    let n = data.nrows();
    let step = n.div_ceil(most.max(1)).max(1);
    let rows: Vec<usize> = (0..n).step_by(step).collect();
    let some = data.select(Axis(0), &rows);
    let their: Vec<f64> = rows.iter().map(|&i| norms[i]).collect();
    let mut all: Vec<f32> = distances2(some.view(), &their, data.view(), &norms)
        .axis_iter(Axis(0))
        .map(|row| {
            let mut row = row.to_vec();
            let at = points.clamp(1, n) - 1;
            row.select_nth_unstable_by(at, f32::total_cmp).1.sqrt()
        })
        .collect();
    all.sort_by(f32::total_cmp);
    all
}

/// The bend of a sorted curve: the point farthest below the line from its first to its last.
pub(crate) fn bend(sorted: &[f32]) -> f32 {
    let (Some(&first), Some(&last)) = (sorted.first(), sorted.last()) else { return 0.0 };
    let n = (sorted.len().max(2) - 1) as f32;
    let below = |i: usize| first + (last - first) * i as f32 / n - sorted[i];
    let at = (0..sorted.len()).max_by(|&a, &b| below(a).total_cmp(&below(b))).unwrap_or(0);
    sorted[at]
}
