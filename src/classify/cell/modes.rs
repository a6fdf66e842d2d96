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

/// Components of cells with what chance would give (parallel analysis: Horn, Psychometrika 30, 179, 1965). Perfect cells are
/// drawn site by site, and given each pixel's spread in the species' cells.
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
    let spread = deviations(data);
    let keep = options.components.min(n - 1).min(data.ncols());
    let found = components(data, keep)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seeded("UnitCells", options.seed));
    let mut progress = Reporter::new("components of chance", "draws");
    let mut as_large = vec![0; keep];
    let mut all: Vec<Vec<f64>> = vec![vec![]; keep];
    for draw in 0..options.draws {
        progress.update(draw, options.draws, "");
        stop_if_asked("while drawing cells")?;
        let null = match perfect {
            Some((perfect, groups)) => scaled(perfect.select(Axis(0), &groups.drawn(n, &mut rng)), &spread),
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

/// Takes the paraboloid that is nearest to it out of every patch, but for its mean over patches.
pub(super) fn level(patches: &mut Array3<f32>) {
    let (_, h, w) = patches.dim();
    let along = |i: usize, n: usize| (2.0 * i as f64 + 1.0) / n as f64 - 1.0;
    // Orthonormal by Gram and Schmidt.
    let mut basis: Vec<Array1<f64>> = vec![];
    for power in [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)] {
        let of = |p: usize| along(p / w, h).powi(power.0) * along(p % w, w).powi(power.1);
        let mut new = Array1::from_shape_fn(h * w, of);
        basis.iter().for_each(|b| new.scaled_add(-b.dot(&new), b));
        let length = new.dot(&new).sqrt();
        if length > 1e-9 {
            basis.push(new / length);
        }
    }
    let mean = patches.mean_axis(Axis(0)).unwrap_or_default();
    for mut patch in patches.outer_iter_mut() {
        let rest = Array1::from_iter(patch.iter().zip(&mean).map(|(v, m)| f64::from(v - m)));
        for b in &basis {
            let share = b.dot(&rest);
            patch.iter_mut().zip(b).for_each(|(v, b)| *v -= (share * b) as f32);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is slow goes, what is not stays.
    #[test]
    fn a_paraboloid_is_taken_out_of_each_patch() {
        let slow = |i: usize, y: f32, x: f32| i as f32 * (3.0 + y - 2.0 * x + 0.1 * y * x + 0.2 * x * x);
        let quick = |i: usize, y: f32, x: f32| if i % 2 == 0 { (2.0 * y).sin() * (2.0 * x).cos() } else { 0.0 };
        let of = |slowly: f32| {
            Array3::from_shape_fn((6, 16, 18), |(i, y, x)| {
                let (y, x) = (y as f32, x as f32);
                slowly * slow(i, y, x) + quick(i, y, x)
            })
        };
        let (mut with, mut without) = (of(1.0), of(0.0));
        level(&mut with);
        level(&mut without);
        let difference =
            &(&with - &with.mean_axis(Axis(0)).unwrap()) - &(&without - &without.mean_axis(Axis(0)).unwrap());
        assert!(difference.iter().all(|d| d.abs() < 2e-3), "{difference}");
        // Of a pattern of so many waves nearly all is left.
        assert!(without.var_axis(Axis(0), 0.0).sum() > 0.95 * of(0.0).var_axis(Axis(0), 0.0).sum());
    }
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
