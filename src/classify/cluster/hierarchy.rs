//! Hierarchical clustering by chains of nearest neighbours (Murtagh, Comput. J. 26, 354, 1983; Müllner, arXiv:1109.2378,
//! 2011) on distances from a matrix product.

use super::merges::{Merge, numbered};
use super::product::{BLOCK, centred, distance2, squares};
use crate::error::Result;
use crate::progress::stop_if_asked;
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How far apart two clusters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Linkage {
    /// By how much the sum of squared distances from the means grows (Ward, J. Am. Stat. Assoc. 58, 236, 1963).
    Ward,
    /// Mean distance of their members.
    Average,
    /// Distance of the members that are farthest apart.
    Complete,
    /// Distance of the members that are nearest.
    Single,
}

/// Distances this close (of the larger one, and of the longest squared row) are compared again in double precision.
const NEAR: (f32, f32) = (1e-5, 4e-6);

/// All merges, by height. For Ward, `sizes` may say that a row stands for several (the mean of so many).
///
/// Time grows as n² d / 2 for the product and n² for the chains, memory as 4 n² bytes. Ward's heights are computed in
/// double precision from the means, and near ties are decided so; of the others heights have single precision.
pub(crate) fn merges(data: ArrayView2<f32>, linkage: Linkage, sizes: Option<&[usize]>) -> Result<Vec<Merge>> {
    let n = data.nrows();
    let ones = vec![1; n];
    let sizes = sizes.unwrap_or(&ones);
    if n < 2 {
        return Ok(vec![]);
    }
    let (data, _) = centred(data);
    let norms = squares(data.view());
    let mut distances = all_distances(data.view(), &norms)?;
    if linkage == Linkage::Ward {
        let sizes: Vec<f32> = sizes.iter().map(|&s| s as f32).collect();
        if sizes.iter().any(|&s| s != 1.0) {
            distances.axis_iter_mut(Axis(0)).into_par_iter().zip(&sizes).for_each(|(mut row, a)| {
                row.iter_mut().zip(&sizes).for_each(|(d, b)| *d *= 2.0 * a * b / (a + b));
            });
        }
    } else {
        distances.par_mapv_inplace(f32::sqrt);
    }
    let longest = norms.iter().copied().fold(0.0, f64::max) as f32;
    let chain = Chain {
        linkage,
        slack: longest * NEAR.1,
        width: n,
        distances: distances.into_raw_vec_and_offset().0,
        ids: (0..n).collect(),
        sizes: sizes.to_vec(),
        means: (linkage == Linkage::Ward).then(|| data.mapv(f64::from)),
    };
    Ok(numbered(n, sizes, chain.run()?))
}

/// Squared distances of all rows. Where a difference of products would lose digits it is taken directly.
pub(crate) fn all_distances(data: ArrayView2<f32>, norms: &[f64]) -> Result<Array2<f32>> {
    let n = data.nrows();
    let mut all = Array2::zeros((n, n));
    let blocks: Vec<(usize, usize)> =
        (0..n.div_ceil(BLOCK)).flat_map(|i| (i..n.div_ceil(BLOCK)).map(move |j| (i, j))).collect();
    let span = |i: usize| i * BLOCK..((i + 1) * BLOCK).min(n);
    // A group of blocks at a time, so that the work can be stopped; a block and its mirror image.
    for group in blocks.chunks(32) {
        stop_if_asked("while measuring distances")?;
        let found: Vec<Array2<f32>> = group
            .par_iter()
            .map(|&(i, j)| {
                let (a, b) = (span(i), span(j));
                let of = |r: &std::ops::Range<usize>| data.slice(ndarray::s![r.clone(), ..]);
                // One thread each: the group has enough for all.
                let mut block = of(&a).dot(&of(&b).t());
                for ((y, x), v) in block.indexed_iter_mut() {
                    let (y, x) = (a.start + y, b.start + x);
                    let sum = norms[y] + norms[x];
                    let d = (sum - 2.0 * f64::from(*v)) as f32;
                    *v = if f64::from(d) < 1e-3 * sum {
                        let row = |r: usize| data.index_axis_move(Axis(0), r);
                        match (row(y).to_slice(), row(x).to_slice()) {
                            (Some(p), Some(q)) => distance2(p, q) as f32,
                            _ => d.max(0.0),
                        }
                    } else {
                        d
                    };
                }
                block
            })
            .collect();
        for (&(i, j), block) in group.iter().zip(&found) {
            all.slice_mut(ndarray::s![span(i), span(j)]).assign(block);
            if i != j {
                all.slice_mut(ndarray::s![span(j), span(i)]).assign(&block.t());
            }
        }
    }
    Ok(all)
}

/// Clusters under way: slot `i` of the square of distances is the cluster that row `ids[i]` belongs to.
struct Chain {
    linkage: Linkage,
    /// How wrong a squared distance from a product may be.
    slack: f32,
    width: usize,
    distances: Vec<f32>,
    ids: Vec<usize>,
    sizes: Vec<usize>,
    /// Means of clusters, for Ward.
    means: Option<Array2<f64>>,
}

const DEAD: usize = 0;

impl Chain {
    /// Merges until one is left: pairs of rows that stand for the clusters, with heights.
    fn run(mut self) -> Result<Vec<(usize, usize, f64)>> {
        let total = self.width;
        let mut found = Vec::with_capacity(total - 1);
        let mut chain: Vec<usize> = vec![];
        let mut first = 0;
        let mut alive = total;
        while alive > 1 {
            if found.len() % 64 == 0 {
                stop_if_asked("while merging clusters")?;
            }
            if chain.is_empty() {
                while self.sizes[first] == DEAD {
                    first += 1;
                }
                chain.push(first);
            }
            let (a, b) = loop {
                let top = chain[chain.len() - 1];
                let before = chain.len().checked_sub(2).map(|i| chain[i]);
                let next = self.nearest(top, before);
                if before == Some(next) || chain.contains(&next) {
                    chain.truncate(chain.len().saturating_sub(2));
                    // Rounding could lead back to an earlier link: then the last two are as near as can be told.
                    break (top, before.unwrap_or(next));
                }
                chain.push(next);
            };
            found.push((self.ids[a], self.ids[b], self.height(a, b)));
            self.merge(a, b);
            alive -= 1;
            if alive * 2 < self.width && self.width > 256 {
                let at = self.compact();
                chain.iter_mut().for_each(|slot| *slot = at[*slot]);
                first = 0;
            }
        }
        Ok(found)
    }

    fn row(&self, slot: usize) -> &[f32] {
        &self.distances[slot * self.width..(slot + 1) * self.width]
    }

    /// The nearest cluster; of several as near, the one before in the chain, then the first.
    fn nearest(&self, of: usize, before: Option<usize>) -> usize {
        let row = self.row(of);
        let least = smallest(row, of);
        let reach = match self.means {
            Some(_) => least * (1.0 + NEAR.0) + self.slack * 1e-3_f32.max(f32::from(least < self.slack * 100.0)),
            None => least,
        };
        let mut best: Option<(usize, f64)> = None;
        let mut several = false;
        let near = |i: &usize| row[*i] <= reach && *i != of && self.sizes[*i] != DEAD;
        for i in (0..row.len()).filter(near) {
            several |= best.is_some();
            let exact = |i: usize| if self.means.is_some() { self.height(of, i) } else { f64::from(row[i]) };
            if !several {
                best = Some((i, f64::NAN));
                continue;
            }
            let (at, mut value) = best.unwrap_or((i, f64::MAX));
            if value.is_nan() {
                value = exact(at);
            }
            let this = exact(i);
            let prefer = this < value || (this == value && before == Some(i));
            best = Some(if prefer { (i, this) } else { (at, value) });
        }
        best.map_or(before.unwrap_or(of), |b| b.0)
    }

    /// Height of a merge.
    fn height(&self, a: usize, b: usize) -> f64 {
        let Some(means) = &self.means else { return f64::from(self.row(a)[b]) };
        let (x, y) = (self.sizes[a] as f64, self.sizes[b] as f64);
        let row = |r: usize| means.index_axis(Axis(0), r);
        let square: f64 = row(a).iter().zip(row(b)).map(|(p, q)| (p - q) * (p - q)).sum();
        (2.0 * x * y / (x + y) * square).sqrt()
    }

    /// Lance and Williams' update (Comput. J. 9, 373, 1967); the result takes slot `b`.
    fn merge(&mut self, a: usize, b: usize) {
        let (x, y) = (self.sizes[a] as f32, self.sizes[b] as f32);
        let between = self.row(a)[b];
        let width = self.width;
        let new: Vec<f32> = (0..width)
            .map(|i| {
                let (p, q) = (self.distances[a * width + i], self.distances[b * width + i]);
                if i == a || i == b || self.sizes[i] == DEAD {
                    return f32::MAX;
                }
                let z = self.sizes[i] as f32;
                match self.linkage {
                    Linkage::Ward => (((x + z) * p + (y + z) * q - z * between) / (x + y + z)).max(0.0),
                    Linkage::Average => (x * p + y * q) / (x + y),
                    Linkage::Complete => p.max(q),
                    Linkage::Single => p.min(q),
                }
            })
            .collect();
        for (i, &d) in new.iter().enumerate() {
            self.distances[i * width + b] = d;
            self.distances[i * width + a] = f32::MAX;
        }
        self.distances[b * width..(b + 1) * width].copy_from_slice(&new);
        if let Some(means) = &mut self.means {
            let share = f64::from(y / (x + y));
            let from = means.row(a).to_owned();
            means.row_mut(b).zip_mut_with(&from, |m, &v| *m = *m * share + v * (1.0 - share));
        }
        self.sizes[b] += self.sizes[a];
        self.sizes[a] = DEAD;
    }

    /// Drops the slots of clusters that are gone: where each slot went.
    fn compact(&mut self) -> Vec<usize> {
        let keep: Vec<usize> = (0..self.width).filter(|&i| self.sizes[i] != DEAD).collect();
        let mut at = vec![0; self.width];
        for (to, &from) in keep.iter().enumerate() {
            at[from] = to;
            for (column, &source) in keep.iter().enumerate() {
                self.distances[to * keep.len() + column] = self.distances[from * self.width + source];
            }
        }
        self.width = keep.len();
        self.distances.truncate(self.width * self.width);
        self.ids = keep.iter().map(|&i| self.ids[i]).collect();
        self.sizes = keep.iter().map(|&i| self.sizes[i]).collect();
        self.means = self.means.take().map(|means| means.select(Axis(0), &keep));
        at
    }
}

/// The smallest value of a row but for its own place, eight lanes at a time.
fn smallest(row: &[f32], own: usize) -> f32 {
    let least = |part: &[f32]| {
        let mut lanes = [f32::MAX; 8];
        let chunks = part.chunks_exact(8);
        let rest = chunks.remainder().iter().copied().fold(f32::MAX, f32::min);
        for chunk in chunks {
            lanes.iter_mut().zip(chunk).for_each(|(l, &v)| *l = if v < *l { v } else { *l });
        }
        lanes.into_iter().fold(rest, f32::min)
    };
    least(&row[..own]).min(least(&row[own + 1..]))
}
