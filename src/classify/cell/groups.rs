//! Which cells are of one site: seen again and again, they are no independent witnesses.

use crate::defects::Defects;
use crate::error::{Error, Result};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Rows by site.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Groups {
    /// Rows of each site.
    pub rows: Vec<Vec<usize>>,
}

/// A site seen again is no farther than this from where it was seen last, in nanometres; in pixels where not calibrated.
const SAME_NM: f64 = 0.1;
const SAME_PX: f64 = 3.0;

impl Groups {
    /// By the column `track` where there is one; else what stands within 0.1 nm of where it was seen last.
    pub(super) fn of(defects: &Defects) -> Result<Groups> {
        let table = defects.table();
        if let Ok(tracks) = table.column("track") {
            let names: Vec<String> = (0..table.height())
                .map(|i| tracks.get(i).map(|v| v.to_string()))
                .collect::<std::result::Result<_, _>>()?;
            return Ok(Groups::named(names.into_iter()));
        }
        let frames = table.column("frame")?.u32()?;
        let (y, x) = (table.column("y_px")?.f32()?, table.column("x_px")?.f32()?);
        let nm = table.column("x_nm")?.f32()?;
        // Lengths in nm are in pixels where the movie is not calibrated.
        let calibrated = (0..table.height()).find(|&i| x.get(i).is_some_and(|v| v.abs() > 1.0));
        let scale = calibrated.and_then(|i| Some(f64::from(nm.get(i)? / x.get(i)?))).unwrap_or(1.0);
        let same = if (scale - 1.0).abs() < 1e-6 { SAME_PX } else { SAME_NM / scale };
        let places = (0..table.height()).map(|i| {
            let at = |c: &polars::prelude::Float32Chunked| f64::from(c.get(i).unwrap_or(f32::NAN));
            (frames.get(i).unwrap_or(0), at(y), at(x))
        });
        Ok(Groups::near(&places.collect::<Vec<_>>(), same))
    }

    fn named(names: impl Iterator<Item = String>) -> Groups {
        let mut rows = std::collections::BTreeMap::<String, Vec<usize>>::new();
        names.enumerate().for_each(|(i, name)| rows.entry(name).or_default().push(i));
        Groups { rows: rows.into_values().collect() }
    }

    /// Frame, y and x of each row: a row belongs to the nearest site that was last seen in an earlier frame within `same`.
    pub(super) fn near(places: &[(u32, f64, f64)], same: f64) -> Groups {
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_by_key(|&i| places[i].0);
        let mut last: Vec<(u32, f64, f64)> = vec![];
        let mut rows: Vec<Vec<usize>> = vec![];
        for i in order {
            let (frame, y, x) = places[i];
            let far = |l: &(u32, f64, f64)| (l.1 - y).hypot(l.2 - x);
            let known = last.iter().enumerate().filter(|(_, l)| l.0 < frame && far(l) < same);
            match known.min_by(|a, b| far(a.1).total_cmp(&far(b.1))).map(|(k, _)| k) {
                Some(k) => {
                    last[k] = places[i];
                    rows[k].push(i);
                }
                None => {
                    last.push(places[i]);
                    rows.push(vec![i]);
                }
            }
        }
        Groups { rows }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// These sites and those of others, whose rows come after `rows` of these.
    pub(super) fn with(&self, others: &Groups, rows: usize) -> Groups {
        let moved = others.rows.iter().map(|site| site.iter().map(|r| r + rows).collect());
        Groups { rows: self.rows.iter().cloned().chain(moved).collect() }
    }

    /// So many rows, site by site, each site at most once.
    pub(super) fn drawn(&self, n: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let mut order: Vec<&Vec<usize>> = self.rows.iter().collect();
        order.shuffle(rng);
        order.into_iter().flatten().copied().take(n).collect()
    }

    /// Sites drawn anew, as many as there are (bootstrap).
    pub(super) fn drawn_anew(&self, rng: &mut ChaCha8Rng) -> Vec<usize> {
        (0..self.len()).flat_map(|_| self.rows[rng.gen_range(0..self.len())].clone()).collect()
    }
}

/// What the rows of each site sum to, and how many they are.
pub(super) struct Sums {
    sums: Array2<f64>,
    counts: Vec<f64>,
}

impl Sums {
    pub(super) fn of(z: ArrayView2<f64>, groups: &Groups) -> Sums {
        let mut sums = Array2::zeros((groups.len(), z.ncols()));
        for (mut sum, rows) in sums.rows_mut().into_iter().zip(&groups.rows) {
            rows.iter().for_each(|&r| sum += &z.row(r));
        }
        Sums { sums, counts: groups.rows.iter().map(|r| r.len() as f64).collect() }
    }

    /// Mean over all rows of some sites, and what each site adds to its error.
    fn residuals(&self, which: &[usize]) -> (Array1<f64>, Array2<f64>) {
        let n: f64 = which.iter().map(|&g| self.counts[g]).sum();
        let mut mean = Array1::zeros(self.sums.ncols());
        which.iter().for_each(|&g| mean += &self.sums.row(g));
        mean /= n;
        let mut rest = self.sums.select(Axis(0), which);
        for (mut row, &g) in rest.rows_mut().into_iter().zip(which) {
            row.scaled_add(-self.counts[g], &mean);
        }
        // As many sites as there are, less the one that the mean takes (Liang and Zeger, Biometrika 73, 13, 1986).
        let sites = which.len() as f64;
        rest *= (sites / (sites - 1.0).max(1.0)).sqrt() / n;
        (mean, rest)
    }

    /// Mean over all rows, and its covariance by how sites differ.
    pub(super) fn mean(&self) -> (Array1<f64>, Array2<f64>) {
        let (mean, rest) = self.residuals(&(0..self.counts.len()).collect::<Vec<_>>());
        (mean, rest.t().dot(&rest))
    }

    fn spread(&self, which: &[usize]) -> (Array1<f64>, Array1<f64>) {
        let (mean, rest) = self.residuals(which);
        (mean, rest.map_axis(Axis(0), |c| c.dot(&c)))
    }
}

/// How often sites exchanged between two sets give means as different as these: the sum of squared differences, each in units
/// of its variance *in that exchange*, which holds where the sets scatter unequally (Janssen, Statist. Probab. Lett. 36, 9,
/// 1997).
pub(super) fn exchanged(ours: &Sums, theirs: &Sums, draws: usize, rng: &mut ChaCha8Rng) -> Result<f64> {
    let sums = ndarray::concatenate(Axis(0), &[ours.sums.view(), theirs.sums.view()])
        .map_err(|e| Error::data(e.to_string()))?;
    let all = Sums { sums, counts: ours.counts.iter().chain(&theirs.counts).copied().collect() };
    let statistic = |order: &[usize]| {
        let ((a, u), (b, v)) = (all.spread(&order[..ours.counts.len()]), all.spread(&order[ours.counts.len()..]));
        let terms = a.iter().zip(&b).zip(u.iter().zip(&v));
        terms.map(|((a, b), (u, v))| (a - b).powi(2) / (u + v).max(1e-300)).sum::<f64>()
    };
    let mut order: Vec<usize> = (0..all.counts.len()).collect();
    let seen = statistic(&order);
    let mut as_large = 0;
    for _ in 0..draws {
        crate::progress::stop_if_asked("while exchanging sites")?;
        order.shuffle(rng);
        as_large += usize::from(statistic(&order) >= seen);
    }
    Ok((1 + as_large) as f64 / (1 + draws) as f64)
}

/// Student's 0.975 quantile (Abramowitz and Stegun, 26.7.5), never less wide than for three degrees of freedom.
pub(super) fn student(freedom: f64) -> f64 {
    let (z, n) = (1.959_964_f64, freedom.max(3.0));
    let (z3, z5, z7) = (z.powi(3), z.powi(5), z.powi(7));
    z + (z3 + z) / (4.0 * n)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * n * n)
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * n.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn students_quantiles_are_those_of_tables() {
        for (n, wanted) in [(5.0, 2.571), (10.0, 2.228), (30.0, 2.042)] {
            assert!((student(n) - wanted).abs() < 0.01, "{n}: {}", student(n));
        }
    }

    #[test]
    fn a_site_seen_again_is_one() {
        let places = [(0, 5.0, 5.0), (0, 15.0, 5.0), (1, 5.4, 5.0), (1, 15.0, 5.3), (2, 5.9, 5.0), (2, 40.0, 4.0)];
        let groups = Groups::near(&places, 1.0);
        assert_eq!(groups.rows, [vec![0, 2, 4], vec![1, 3], vec![5]]);
    }

    /// Sites that differ, each seen twenty times: by rows nearly everything would be significant, by sites as much as the
    /// level says, though the second set scatters three times as much.
    #[test]
    fn exchanging_sites_keeps_its_level() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut claimed = 0;
        for _ in 0..200 {
            let mut set = |sites: usize, scatter: f64| {
                let mut z = Array2::zeros((20 * sites, 6));
                for k in 0..6 {
                    for site in 0..sites {
                        let own = scatter * (rng.r#gen::<f64>() - 0.5);
                        (0..20).for_each(|i| z[[20 * site + i, k]] = own + 0.3 * (rng.r#gen::<f64>() - 0.5));
                    }
                }
                let rows = (0..sites).map(|s| (20 * s..20 * s + 20).collect()).collect();
                Sums::of(z.view(), &Groups { rows })
            };
            let (a, b) = (set(12, 1.0), set(40, 3.0));
            claimed += usize::from(exchanged(&a, &b, 39, &mut rng).unwrap() <= 0.05);
        }
        // Binomial: 10 expected of 200, 3 to 20 in all but a few of a thousand.
        assert!((3..=20).contains(&claimed), "{claimed}");
    }
}
