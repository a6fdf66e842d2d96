//! k-means (Lloyd, IEEE Trans. Inf. Theory 28, 129, 1982), all starts at once.

use super::product::{BLOCK, centred, distance2, squares};
use super::seeding::{centres, plus_plus};
use crate::error::Result;
use crate::progress::stop_if_asked;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

/// Where a start ended.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    /// Centres, shape (classes, features).
    pub centres: Array2<f32>,
    /// Class of each row: the nearest centre.
    pub labels: Vec<u32>,
    /// Sum of squared distances from the nearest centre.
    pub inertia: f64,
}

/// One start under way. Sums are kept and changed by what changes class: late iterations touch few rows.
struct Run {
    centres: Array2<f32>,
    sums: Array2<f64>,
    counts: Vec<usize>,
    labels: Vec<u32>,
    /// |c|²/2 - x·c of the nearest centre.
    nearest: Vec<f32>,
    settled: bool,
}

const NONE: u32 = u32::MAX;

/// Runs k-means from each of the given centres until no row changes its class, centres move by less than `tolerance`
/// (squared, in units of the mean variance of a feature; scikit-learn's 1e-4), or `most` iterations have passed.
///
/// The products of the rows with the centres of all starts that still move are one matrix product. A class that
/// empties takes the row that is farthest from its own centre; it stays empty where all rows lie on centres.
pub(crate) fn kmeans(
    data: ArrayView2<f32>,
    starts: &[Array2<f32>],
    tolerance: f64,
    most: usize,
    mut told: impl FnMut(usize),
) -> Result<Vec<Settled>> {
    let (data, mean) = centred(data);
    let shift = mean.mapv(|v| v as f32);
    let norms = squares(data.view());
    let still = tolerance * norms.iter().sum::<f64>() / data.len().max(1) as f64;
    let mut runs: Vec<Run> = starts.iter().map(|c| Run::new(c - &shift, data.nrows())).collect();
    for iteration in 0..most {
        stop_if_asked("during k-means")?;
        let mut moving: Vec<&mut Run> = runs.iter_mut().filter(|r| !r.settled).collect();
        if moving.is_empty() {
            break;
        }
        assign(data.view(), &mut moving, |run, changes| run.change(data.view(), &norms, changes));
        let last = iteration + 1 == most;
        moving.par_iter_mut().for_each(|run| run.step(still, last));
        told(runs.iter().filter(|r| r.settled).count());
    }
    // Centres that moved a little at the end: every row to its nearest once more.
    assign(data.view(), &mut runs.iter_mut().collect::<Vec<_>>(), |_, _| ());
    Ok(runs.into_iter().map(|run| run.finish(&norms, &shift)).collect())
}

/// Which rows change class in a run: row, and its former class.
type Changes = Vec<(u32, u32)>;

/// Gives every row its nearest centre, in each run.
fn assign(data: ArrayView2<f32>, runs: &mut [&mut Run], after: impl Fn(&mut Run, Changes) + Sync) {
    let k = runs.first().map_or(0, |r| r.centres.nrows());
    let stacked: Vec<_> = runs.iter().map(|r| r.centres.view()).collect();
    let Ok(stacked) = ndarray::concatenate(Axis(0), &stacked) else { return };
    let half: Vec<f32> = squares(stacked.view()).iter().map(|&v| (0.5 * v) as f32).collect();
    let blocks: Vec<Vec<Vec<(u32, f32)>>> = data
        .axis_chunks_iter(Axis(0), BLOCK)
        .into_par_iter()
        .map(|rows| {
            let mut products = Array2::zeros((rows.nrows(), stacked.nrows()));
            general_mat_mul(1.0, &rows, &stacked.t(), 0.0, &mut products);
            let nearest = |s: usize| {
                let columns = s * k..(s + 1) * k;
                let of = |row: ndarray::ArrayView1<f32>| {
                    let scores = row.iter().zip(&half[columns.clone()]).map(|(p, h)| h - p);
                    let first = (0_u32, f32::MAX);
                    scores.enumerate().fold(first, |best, (c, v)| if v < best.1 { (c as u32, v) } else { best })
                };
                products.slice(s![.., columns.clone()]).outer_iter().map(of).collect()
            };
            (0..stacked.nrows() / k.max(1)).map(nearest).collect()
        })
        .collect();
    runs.par_iter_mut().enumerate().for_each(|(s, run)| {
        let mut changes = vec![];
        for (i, &(class, value)) in blocks.iter().flat_map(|b| &b[s]).enumerate() {
            run.nearest[i] = value;
            if run.labels[i] != class {
                changes.push((i as u32, run.labels[i]));
                run.labels[i] = class;
            }
        }
        after(run, changes);
    });
}

impl Run {
    fn new(centres: Array2<f32>, rows: usize) -> Run {
        let (k, d) = centres.dim();
        Run {
            centres,
            sums: Array2::zeros((k, d)),
            counts: vec![0; k],
            labels: vec![NONE; rows],
            nearest: vec![0.0; rows],
            settled: false,
        }
    }

    /// Moves what changed class from sum to sum, and fills classes that are left empty.
    fn change(&mut self, data: ArrayView2<f32>, norms: &[f64], changes: Changes) {
        self.settled = changes.is_empty();
        for (i, before) in changes {
            self.shift(data, i as usize, before);
        }
        for class in 0..self.counts.len() {
            if self.counts[class] > 0 {
                continue;
            }
            let far = |i: usize| norms[i] + 2.0 * f64::from(self.nearest[i]);
            let movable = (0..norms.len()).filter(|&i| self.counts[self.labels[i] as usize] > 1);
            let Some(row) = movable.max_by(|&a, &b| far(a).total_cmp(&far(b)).then(b.cmp(&a))) else { continue };
            if far(row) <= 1e-6 * norms[row] {
                continue;
            }
            let before = std::mem::replace(&mut self.labels[row], class as u32);
            self.nearest[row] = (-0.5 * norms[row]) as f32;
            self.shift(data, row, before);
            self.settled = false;
        }
    }

    fn shift(&mut self, data: ArrayView2<f32>, row: usize, before: u32) {
        let values = data.row(row);
        let mut add = |class: u32, sign: f64| {
            let mut sum = self.sums.row_mut(class as usize);
            sum.zip_mut_with(&values, |s, &v| *s += sign * f64::from(v));
        };
        add(self.labels[row], 1.0);
        self.counts[self.labels[row] as usize] += 1;
        if before != NONE {
            add(before, -1.0);
            self.counts[before as usize] -= 1;
        }
    }

    /// Centres to the means of their classes.
    fn step(&mut self, still: f64, last: bool) {
        let mut moved = 0.0;
        for (class, &count) in self.counts.iter().enumerate().filter(|(_, n)| **n > 0) {
            let to = self.sums.row(class).mapv(|v| (v / count as f64) as f32);
            let mut centre = self.centres.row_mut(class);
            moved += to.iter().zip(&centre).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
            centre.assign(&to);
        }
        self.settled |= moved <= still || last;
    }

    fn finish(self, norms: &[f64], shift: &ndarray::Array1<f32>) -> Settled {
        let inertia = norms.iter().zip(&self.nearest).map(|(n, v)| (n + 2.0 * f64::from(*v)).max(0.0)).sum();
        Settled { centres: self.centres + shift, labels: self.labels, inertia }
    }
}

/// What scikit-learn takes: the most iterations, and the squared movement of the centres, in units of the mean variance of
/// a feature, that counts as none.
pub(crate) const USUAL: (f64, usize) = (1e-4, 300);

/// k-means from so many k-means++ starts, as many at a time as fill a matrix product. `told` hears how many are done.
pub(crate) fn started(
    data: ArrayView2<f32>,
    k: usize,
    starts: usize,
    seed: u64,
    mut told: impl FnMut(usize),
) -> Result<Vec<Settled>> {
    let batch = (192 / k).max(1);
    let mut all = vec![];
    for first in (0..starts).step_by(batch) {
        let rows = plus_plus(data, k, first, batch.min(starts - first), seed)?;
        let from: Vec<_> = rows.iter().map(|rows| centres(data, rows)).collect();
        all.extend(kmeans(data, &from, USUAL.0, USUAL.1, |settled| told(first + settled))?);
    }
    Ok(all)
}

/// The nearest centre of each row.
pub(crate) fn nearest(data: ArrayView2<f32>, centres: ArrayView2<f32>) -> Vec<u32> {
    let rows: Vec<_> = data.outer_iter().collect();
    let of = |row: &ndarray::ArrayView1<f32>| {
        let row = row.to_vec();
        let all = centres.outer_iter().map(|c| distance2(&row, &c.to_vec())).enumerate();
        all.fold((0, f64::MAX), |best, (c, d)| if d < best.1 { (c as u32, d) } else { best }).0
    };
    rows.par_iter().map(of).collect()
}
