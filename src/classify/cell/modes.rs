//! Principal components, and which of them are more than chance.

use super::super::cluster::pca::{Principal, components};
use super::UnitCells;
use crate::error::{Error, Result};
use crate::progress::{Progress, Reporter, stop_if_asked};
use crate::session::seeded;
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Components of cells with what chance would give (parallel analysis: Horn, Psychometrika 30, 179, 1965).
#[derive(Clone)]
pub struct Modes {
    /// Variance along each component, largest first.
    pub variances: Array1<f64>,
    /// What each component's variance exceeds in 5 % of the draws alone, by the draws' own components of the same rank.
    pub chance: Array1<f64>,
    /// How often chance gives as much: (draws that do + 1) / (draws + 1).
    pub p_values: Vec<f64>,
    /// Components before the first that chance would give.
    pub significant: usize,
    /// Each component, shape (components, height, width), or (components, columns, 2) of displacements `[y, x]`: unit length.
    pub vectors: Array3<f32>,
    /// Standard error of each loading, from cells drawn anew (bootstrap).
    pub errors: Array3<f32>,
    /// What chance was: `perfect cells` or `noise`.
    pub against: &'static str,
}

/// Cells drawn anew for the errors of loadings.
const RESAMPLES: usize = 40;

pub(super) fn modes(
    data: ArrayView2<f32>,
    perfect: Option<ArrayView2<f32>>,
    options: &UnitCells,
    (h, w): (usize, usize),
) -> Result<Modes> {
    let n = data.nrows();
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
            Some(perfect) => drawn(perfect, n, &mut rng),
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
    let errors = loading_errors(data, &found, &mut rng)?;
    let shaped = |m: Array2<f64>| {
        m.mapv(|v| v as f32).into_shape_with_order((keep, h, w)).map_err(|e| Error::data(e.to_string()))
    };
    Ok(Modes {
        significant: p_values.iter().take_while(|p| **p <= options.level).count(),
        chance: all.iter_mut().map(high).collect(),
        p_values,
        vectors: shaped(found.vectors.clone())?,
        errors: shaped(errors)?,
        variances: found.variances,
        against: if perfect.is_some() { "perfect cells" } else { "noise" },
    })
}

/// As many rows of another set: without putting back where there are enough.
fn drawn(from: ArrayView2<f32>, n: usize, rng: &mut ChaCha8Rng) -> Array2<f32> {
    let rows: Vec<usize> = if from.nrows() >= 2 * n {
        rand::seq::index::sample(rng, from.nrows(), n).into_vec()
    } else {
        (0..n).map(|_| rng.gen_range(0..from.nrows())).collect()
    };
    from.select(Axis(0), &rows)
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

/// Standard deviation of each loading over cells drawn anew; each drawn component is turned to the sign of, and paired with, the
/// found one that it is most alike.
fn loading_errors(data: ArrayView2<f32>, found: &Principal, rng: &mut ChaCha8Rng) -> Result<Array2<f64>> {
    let keep = found.vectors.nrows();
    let mut sum = Array2::<f64>::zeros(found.vectors.dim());
    for _ in 0..RESAMPLES {
        stop_if_asked("while drawing cells anew")?;
        let again = components(drawn_anew(data, rng).view(), keep)?;
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

fn drawn_anew(data: ArrayView2<f32>, rng: &mut ChaCha8Rng) -> Array2<f32> {
    let rows: Vec<usize> = (0..data.nrows()).map(|_| rng.gen_range(0..data.nrows())).collect();
    data.select(Axis(0), &rows)
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
