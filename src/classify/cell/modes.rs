//! Principal components, and which of them are more than chance.

use super::super::cluster::pca::{Principal, components};
use super::UnitCells;
use super::groups::Groups;
use crate::error::{Error, Result};
use crate::progress::{Progress, Reporter, stop_if_asked};
use crate::session::seeded;
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Components of cells with what chance would give (parallel analysis: Horn, Psychometrika 30, 179, 1965). Chance is that sites
/// of the species and of perfect cells, each about its own mean, are exchanged: as many cells are drawn from both, site by
/// site, and given each pixel's spread in the species' cells. Every site counts with the same variance: one under a patch of
/// contamination has more counts, more noise, and no more to say.
#[derive(Clone)]
pub struct Modes {
    /// Variance along each component, largest first.
    pub variances: Array1<f64>,
    /// What only a share `level` of the draws exceeds, by the draws' own components of the same rank.
    pub chance: Array1<f64>,
    /// How often chance gives as much: (draws that do + 1) / (draws + 1).
    pub p_values: Vec<f64>,
    /// Components before the first that chance would give.
    pub significant: usize,
    /// What was called significant: chance gives as much no more often ([`UnitCells`]).
    pub level: f64,
    /// Each component, shape (components, height, width), or (components, columns, 2) of displacements `[y, x]`: unit length.
    pub vectors: Array3<f32>,
    /// Standard error of each loading, from sites drawn anew (bootstrap).
    pub errors: Array3<f32>,
    /// What chance was: `perfect cells` or `noise`.
    pub against: &'static str,
}

/// Cells drawn anew for the errors of loadings.
const RESAMPLES: usize = 40;

/// Cells as rows, and which are of one site.
pub(super) type Set<'a> = (ArrayView2<'a, f32>, &'a Groups);

pub(super) fn modes(
    (data, groups): Set,
    perfect: Option<Set>,
    options: &UnitCells,
    (h, w): (usize, usize),
) -> Result<Modes> {
    let n = data.nrows();
    let data = evened(data, groups, None);
    let size = size_of(&data);
    let data = data.view();
    let spread = deviations(data);
    let keep = options.components.min(n - 1).min(data.ncols());
    let found = components(data, keep)?;
    // Drawn from the perfect cells alone they would be more alike than two samples are.
    let exchanged = match perfect {
        Some((perfect, others)) => {
            let theirs = evened(perfect, others, Some(size));
            let both = ndarray::concatenate(Axis(0), &[data.view(), theirs.view()]);
            Some((both.map_err(|e| Error::data(e.to_string()))?, groups.with(others, n)))
        }
        None => None,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seeded("UnitCells", options.seed));
    let mut progress = Reporter::new("components of chance", "draws");
    let mut as_large = vec![0; keep];
    let mut all: Vec<Vec<f64>> = vec![vec![]; keep];
    for draw in 0..options.draws {
        progress.update(draw, options.draws, "");
        stop_if_asked("while drawing cells")?;
        let null = match &exchanged {
            Some((both, sites)) => scaled(both.select(Axis(0), &sites.drawn(n, &mut rng)), &spread),
            None => permuted(data, &mut rng),
        };
        let chance = components(null.view(), keep)?.variances;
        for k in 0..keep {
            let value = chance.get(k).copied().unwrap_or(0.0);
            as_large[k] += usize::from(value >= found.variances[k]);
            all[k].push(value);
        }
    }
    progress.update(options.draws, options.draws, "");
    let high = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[((values.len() as f64 * (1.0 - options.level)) as usize).min(values.len() - 1)]
    };
    let p_values: Vec<f64> = as_large.iter().map(|&a| (1 + a) as f64 / (1 + options.draws) as f64).collect();
    let errors = loading_errors(data, groups, &found, &mut rng)?;
    let shaped = |m: Array2<f64>| {
        m.mapv(|v| v as f32).into_shape_with_order((keep, h, w)).map_err(|e| Error::data(e.to_string()))
    };
    Ok(Modes {
        significant: p_values.iter().take_while(|p| **p <= options.level).count(),
        chance: all.iter_mut().map(high).collect(),
        level: options.level,
        p_values,
        vectors: shaped(found.vectors.clone())?,
        errors: shaped(errors)?,
        variances: found.variances,
        against: if perfect.is_some() { "perfect cells" } else { "noise" },
    })
}

/// Averages every patch with a Gaussian of one pixel.
pub(super) fn smooth(patches: &mut Array3<f32>) {
    use rayon::prelude::*;
    let ones = Array2::ones((patches.len_of(Axis(1)), patches.len_of(Axis(2))));
    patches
        .axis_iter_mut(Axis(0))
        .into_par_iter()
        .for_each(|mut patch| patch.assign(&crate::filter::weighted_gaussian(&patch.to_owned(), &ones, 1.0)));
}

/// Takes out of every patch what is slow (a paraboloid) and what comes of where it was cut (the gradient of the mean patch):
/// the nearest of both, but for the patches' mean.
pub(super) fn level(patches: &mut Array3<f32>) {
    let (_, h, w) = patches.dim();
    let mean = patches.mean_axis(Axis(0)).unwrap_or_default();
    let along = |i: usize, n: usize| (2.0 * i as f64 + 1.0) / n as f64 - 1.0;
    let image = |of: &dyn Fn(usize, usize) -> f64| Array1::from_shape_fn(h * w, |p| of(p / w, p % w));
    let mut all: Vec<Array1<f64>> = [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
        .map(|(a, b)| image(&|y, x| along(y, h).powi(a) * along(x, w).powi(b)))
        .into();
    let at = |y: usize, x: usize| f64::from(mean[[y.min(h - 1), x.min(w - 1)]]);
    all.push(image(&|y, x| at(y + 1, x) - at(y.saturating_sub(1), x)));
    all.push(image(&|y, x| at(y, x + 1) - at(y, x.saturating_sub(1))));
    // Orthonormal by Gram and Schmidt.
    let mut basis: Vec<Array1<f64>> = vec![];
    for mut new in all {
        let before = new.dot(&new).sqrt();
        basis.iter().for_each(|b| new.scaled_add(-b.dot(&new), b));
        let length = new.dot(&new).sqrt();
        if length > 1e-9 * before {
            basis.push(new / length);
        }
    }
    for mut patch in patches.outer_iter_mut() {
        let rest = Array1::from_iter(patch.iter().zip(&mean).map(|(v, m)| f64::from(v - m)));
        for b in &basis {
            let share = b.dot(&rest);
            patch.iter_mut().zip(b).for_each(|(v, b)| *v -= (share * b) as f32);
        }
    }
}

/// Root mean square.
fn size_of(rows: &Array2<f32>) -> f64 {
    (rows.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / rows.len().max(1) as f64).sqrt()
}

/// Rows less their mean, those of every site multiplied so that their root mean square is the same: this, or all rows' own.
fn evened(rows: ArrayView2<f32>, groups: &Groups, size: Option<f64>) -> Array2<f32> {
    let mut rows = &rows - &rows.mean_axis(Axis(0)).unwrap_or_default();
    let wanted = size.unwrap_or_else(|| size_of(&rows));
    for site in &groups.rows {
        let own = size_of(&rows.select(Axis(0), site));
        let by = if own > 0.0 { (wanted / own) as f32 } else { 0.0 };
        site.iter().for_each(|&r| rows.row_mut(r).mapv_inplace(|v| v * by));
    }
    let mean = rows.mean_axis(Axis(0)).unwrap_or_default();
    rows - &mean
}

/// Standard deviation of each column.
fn deviations(data: ArrayView2<f32>) -> Array1<f32> {
    data.mapv(f64::from).std_axis(Axis(0), 0.0).mapv(|v| v as f32)
}

/// Each column with another spread: counts are noisier where a cell is brighter, and that is no mode. What is left to
/// compare is how columns go together.
fn scaled(mut null: Array2<f32>, spread: &Array1<f32>) -> Array2<f32> {
    let own = deviations(null.view());
    let mean = null.mean_axis(Axis(0)).unwrap_or_default();
    for (k, mut column) in null.columns_mut().into_iter().enumerate() {
        let by = if own[k] > 0.0 { spread[k] / own[k] } else { 0.0 };
        column.mapv_inplace(|v| (v - mean[k]) * by);
    }
    null
}

/// Every column's values in another order: nothing that columns have in common is left.
fn permuted(data: ArrayView2<f32>, rng: &mut ChaCha8Rng) -> Array2<f32> {
    let mut null = data.to_owned();
    for mut column in null.columns_mut() {
        let mut values = column.to_vec();
        values.shuffle(rng);
        column.iter_mut().zip(values).for_each(|(to, v)| *to = v);
    }
    null
}

/// Standard deviation of each loading over sites drawn anew; each drawn component is turned to the sign of, and paired with, the
/// found one that it is most alike.
fn loading_errors(
    data: ArrayView2<f32>,
    groups: &Groups,
    found: &Principal,
    rng: &mut ChaCha8Rng,
) -> Result<Array2<f64>> {
    let keep = found.vectors.nrows();
    let mut sum = Array2::<f64>::zeros(found.vectors.dim());
    for _ in 0..RESAMPLES {
        stop_if_asked("while drawing cells anew")?;
        let again = components(data.select(Axis(0), &groups.drawn_anew(rng)).view(), keep)?;
        let alike = found.vectors.dot(&again.vectors.t());
        for k in 0..keep {
            let at = (0..again.vectors.nrows()).max_by(|&a, &b| alike[[k, a]].abs().total_cmp(&alike[[k, b]].abs()));
            let at = at.unwrap_or(0);
            let sign = alike[[k, at]].signum();
            let difference = &again.vectors.row(at) * sign - found.vectors.row(k);
            let mut row = sum.row_mut(k);
            row += &difference.mapv(|d| d * d);
        }
    }
    Ok(sum.mapv(|s| (s / RESAMPLES as f64).sqrt()))
}

impl std::fmt::Debug for Modes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let p: Vec<String> = self.p_values.iter().map(|p| format!("{p:.3}")).collect();
        write!(
            f,
            "{} of {} components are more than {} show (p = {})",
            self.significant,
            self.variances.len(),
            self.against,
            p.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is slow goes, and what moves the mean; what does neither stays.
    #[test]
    fn what_is_no_mode_is_taken_out_of_each_patch() {
        let cell = |y: f32, x: f32| (0.8 * y).sin() + (0.7 * x).cos();
        // Of no mean over the six patches.
        let slow = |i: usize, y: f32, x: f32| (i as f32 - 2.5) * (3.0 + y - 2.0 * x + 0.1 * y * x + 0.2 * x * x);
        let moved = |i: usize, y: f32, x: f32| {
            let by = 0.01 * (i as f32 - 2.5);
            0.5 * (cell(y + by, x) - cell(y - by, x))
        };
        let quick =
            |i: usize, y: f32, x: f32| if i.is_multiple_of(2) { 1.0 } else { -1.0 } * (2.0 * y).sin() * (2.0 * x).cos();
        let of = |other: &dyn Fn(usize, f32, f32) -> f32| {
            let mut made = Array3::from_shape_fn((6, 16, 18), |(i, y, x)| {
                let (y, x) = (y as f32, x as f32);
                cell(y, x) + quick(i, y, x) + other(i, y, x)
            });
            level(&mut made);
            made
        };
        let plain = of(&|_, _, _| 0.0);
        assert!((&of(&slow) - &plain).iter().all(|d| d.abs() < 5e-3));
        // Differences of neighbours are not quite the gradient.
        let left = (&of(&moved) - &plain).mapv(|d| d * d).sum();
        let before = Array3::from_shape_fn((6, 16, 18), |(i, y, x)| moved(i, y as f32, x as f32).powi(2)).sum();
        assert!(left < 0.05 * before, "{left} of {before}");
        // Of a pattern of so many waves nearly all is left.
        assert!(plain.var_axis(Axis(0), 0.0).sum() > 0.9 * 0.25 * (16 * 18) as f32);
    }
}
