//! Where the columns of a species' cell stand, against those of perfect cells.

use super::columns::Columns;
use super::modes::{Modes, modes};
use super::{UnitCell, UnitCells};
use crate::error::{Error, Result};
use crate::progress::stop_if_asked;
use crate::session::seeded;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use polars::prelude::{DataFrame, NamedFrom, Series};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// How far one column stands from its place in a perfect cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Displacement {
    /// Its place in the perfect cell, in pixels of the patch.
    pub y_px: f64,
    /// The same along x.
    pub x_px: f64,
    /// Displacement in nanometres (pixels where not calibrated), `[y, x]`.
    pub by_nm: [f64; 2],
    /// Covariance of the displacement: its error ellipse, `[[yy, yx], [yx, xx]]` in nm².
    pub covariance: [[f64; 2]; 2],
    /// How much of the column's height it has gained (negative: lost), as a fraction, and the standard error of that.
    pub height: (f64, f64),
}

/// How a species distorts its cell.
#[derive(Clone)]
pub struct Distortion {
    /// One for each column that is not at the border of the patch, nearest to the centre first.
    pub columns: Vec<Displacement>,
    /// Mean displacement of the nearest shell away from the centre, in nanometres, and its 95 % interval.
    pub breathing_nm: (f64, [f64; 2]),
    /// How often exchanged labels give displacements as large as these (permutation test of their sum of squares, each in
    /// units of its variance).
    pub p_value: f64,
    /// Whether the displacements are significant.
    pub claimed: bool,
    /// Components of the single cells' displacements, against perfect cells.
    pub modes: Modes,
    /// The average cell.
    pub cell: UnitCell,
}

pub(super) fn compare(options: &UnitCells, cell: UnitCell, perfect: &UnitCell) -> Result<Distortion> {
    let dim = perfect.mean.dim();
    let columns = Columns::fit(&perfect.mean, perfect.error.mean().unwrap_or(0.0))?;
    let mut inner = columns.inner(dim);
    let centre = ((dim.0 as f64 - 1.0) / 2.0, (dim.1 as f64 - 1.0) / 2.0);
    let far = |i: usize| (columns.columns[i][1] - centre.0).hypot(columns.columns[i][2] - centre.1);
    inner.sort_by(|&a, &b| far(a).total_cmp(&far(b)));
    if inner.len() < 4 {
        return Err(Error::data("fewer than four columns are whole: cut larger patches"));
    }
    let each = |cell: &UnitCell| -> Result<(Array2<f64>, Array2<f64>)> {
        let flat = super::super::features::rows(&cell.patches)?;
        Ok(places(&columns.each(flat, dim)?, &inner))
    };
    let ((ours, our_heights), (theirs, their_heights)) = (each(&cell)?, each(perfect)?);
    let difference = mean(ours.view()) - mean(theirs.view());
    let nm = cell.nm_per_px;
    let (a, b) = (scatter(&ours), scatter(&theirs));
    let height =
        |h: &Array2<f64>, k: usize| (h.column(k).mean().unwrap_or(0.0), h.column(k).var(1.0) / h.nrows() as f64);
    let displaced = inner.iter().enumerate().map(|(k, &i)| {
        let covariance = |p: usize, q: usize| (a[[2 * k + p, 2 * k + q]] + b[[2 * k + p, 2 * k + q]]) * nm * nm;
        let ((h, e), (g, f)) = (height(&our_heights, k), height(&their_heights, k));
        Displacement {
            y_px: columns.columns[i][1],
            x_px: columns.columns[i][2],
            by_nm: [difference[2 * k] * nm, difference[2 * k + 1] * nm],
            covariance: [[covariance(0, 0), covariance(0, 1)], [covariance(1, 0), covariance(1, 1)]],
            height: (h - g, (e + f).sqrt()),
        }
    });
    let displaced: Vec<Displacement> = displaced.collect();
    let direction = breathing(&displaced, centre);
    let along = |z: &Array2<f64>| z.dot(&direction) * nm;
    let (u, v) = (along(&ours), along(&theirs));
    let amplitude = u.mean().unwrap_or(0.0) - v.mean().unwrap_or(0.0);
    let error = (u.var(1.0) / u.len() as f64 + v.var(1.0) / v.len() as f64).sqrt();
    let p_value = exchanged(&ours, &theirs, options)?;
    let single = |z: &Array2<f64>| z.mapv(|v| v as f32);
    let modes = modes(single(&ours).view(), Some(single(&theirs).view()), options, (inner.len(), 2))?;
    Ok(Distortion {
        columns: displaced,
        breathing_nm: (amplitude, [amplitude - 1.96 * error, amplitude + 1.96 * error]),
        p_value,
        claimed: p_value <= options.level,
        modes,
        cell,
    })
}

/// Places of the inner columns (y, x of each), what they have in common taken out, and their heights.
fn places(found: &Array2<f64>, inner: &[usize]) -> (Array2<f64>, Array2<f64>) {
    let n = found.nrows();
    let mut places = Array2::from_shape_fn((n, 2 * inner.len()), |(i, k)| found[[i, 3 * inner[k / 2] + 1 + k % 2]]);
    for mut row in places.rows_mut() {
        for axis in 0..2 {
            let common = row.iter().skip(axis).step_by(2).sum::<f64>() / inner.len() as f64;
            row.iter_mut().skip(axis).step_by(2).for_each(|v| *v -= common);
        }
    }
    (places, Array2::from_shape_fn((n, inner.len()), |(i, k)| found[[i, 3 * inner[k]]]))
}

fn mean(z: ArrayView2<f64>) -> Array1<f64> {
    z.mean_axis(Axis(0)).unwrap_or_default()
}

/// Covariance of the mean of rows.
fn scatter(z: &Array2<f64>) -> Array2<f64> {
    let centred = z - &mean(z.view());
    let n = z.nrows() as f64;
    centred.t().dot(&centred) / (n * (n - 1.0))
}

/// The mean movement away from the centre of the columns in the first shell around it.
fn breathing(columns: &[Displacement], centre: (f64, f64)) -> Array1<f64> {
    let radius = |c: &Displacement| (c.y_px - centre.0).hypot(c.x_px - centre.1);
    let all: Vec<f64> = columns.iter().map(radius).collect();
    // What stands in the centre itself is no shell.
    let first = all.iter().copied().filter(|r| *r > 2.0).fold(f64::MAX, f64::min);
    let shell: Vec<usize> = (0..all.len()).filter(|&i| all[i] > 2.0 && all[i] < 1.25 * first).collect();
    let mut direction = Array1::zeros(2 * columns.len());
    for &i in &shell {
        direction[2 * i] = (columns[i].y_px - centre.0) / all[i] / shell.len() as f64;
        direction[2 * i + 1] = (columns[i].x_px - centre.1) / all[i] / shell.len() as f64;
    }
    direction
}

/// Permutation test of the difference of two sets of rows.
fn exchanged(ours: &Array2<f64>, theirs: &Array2<f64>, options: &UnitCells) -> Result<f64> {
    let all = ndarray::concatenate(Axis(0), &[ours.view(), theirs.view()]).map_err(|e| Error::data(e.to_string()))?;
    let variance = all.var_axis(Axis(0), 1.0).mapv(|v| v.max(1e-300));
    let sum = all.sum_axis(Axis(0));
    let (n, m) = (ours.nrows(), theirs.nrows());
    let statistic = |part: &Array1<f64>| {
        let difference = part / n as f64 - (&sum - part) / m as f64;
        (&difference * &difference / &variance).sum()
    };
    let seen = statistic(&ours.sum_axis(Axis(0)));
    let mut rng = ChaCha8Rng::seed_from_u64(seeded("UnitCells", options.seed));
    let mut rows: Vec<usize> = (0..n + m).collect();
    let mut as_large = 0;
    for _ in 0..options.draws {
        stop_if_asked("while exchanging labels")?;
        rows.shuffle(&mut rng);
        let mut part = Array1::zeros(all.ncols());
        rows[..n].iter().for_each(|&r| part += &all.row(r));
        as_large += usize::from(statistic(&part) >= seen);
    }
    Ok((1 + as_large) as f64 / (1 + options.draws) as f64)
}

impl Distortion {
    /// One row for each column: `y_px`, `x_px`, `dy_nm`, `dx_nm`, `dy_error_nm`, `dx_error_nm`, `height`, `height_error` f64.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let of = |name: &str, pick: &dyn Fn(&Displacement) -> f64| {
            Series::new(name.into(), self.columns.iter().map(pick).collect::<Vec<f64>>()).into()
        };
        let columns = vec![
            of("y_px", &|c| c.y_px),
            of("x_px", &|c| c.x_px),
            of("dy_nm", &|c| c.by_nm[0]),
            of("dx_nm", &|c| c.by_nm[1]),
            of("dy_error_nm", &|c| c.covariance[0][0].sqrt()),
            of("dx_error_nm", &|c| c.covariance[1][1].sqrt()),
            of("height", &|c| c.height.0),
            of("height_error", &|c| c.height.1),
        ];
        Ok(DataFrame::new(self.columns.len(), columns)?)
    }
}

impl std::fmt::Debug for Distortion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (amplitude, [low, high]) = self.breathing_nm;
        let said = if self.claimed { "significant" } else { "not significant" };
        write!(
            f,
            "Displacements of {} columns in {} cells are {said} (p = {:.3}). Nearest shell, away from the centre: {:.2} pm ({:.2} to {:.2})",
            self.columns.len(),
            self.cell.shifts_px.len(),
            self.p_value,
            1000.0 * amplitude,
            1000.0 * low,
            1000.0 * high
        )
    }
}
