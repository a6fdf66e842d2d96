//! Where the columns of a species' cell stand, against those of perfect cells.

use super::columns::Columns;
use super::groups::{Groups, Sums, exchanged, student};
use super::modes::{Modes, modes};
use super::{UnitCell, UnitCells};
use crate::error::{Error, Result};
use crate::session::seeded;
use ndarray::{Array1, Array2, Axis};
use polars::prelude::{DataFrame, NamedFrom, Series};
use rand::SeedableRng;
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
    /// Mean displacement of the nearest shell away from the centre, in nanometres, and its 95 % interval (Student's, by how
    /// sites differ).
    pub breathing_nm: (f64, [f64; 2]),
    /// Sites of the species. Cells of one site in many frames are no independent witnesses, so that all errors here come from
    /// how sites differ.
    pub sites: usize,
    /// How often sites exchanged with perfect ones give displacements of the nearest shell as large as these (permutation test of
    /// their sum of squares, each in units of its variance).
    pub p_value: f64,
    /// Whether the displacements are significant.
    pub claimed: bool,
    /// Components of the single cells' displacements, against perfect cells.
    pub modes: Modes,
    /// The average cell.
    pub cell: UnitCell,
}

/// A set of cells, and which of them are of one site.
pub(super) struct Cells {
    pub cell: UnitCell,
    pub groups: Groups,
}

pub(super) fn compare(options: &UnitCells, ours: Cells, theirs: &Cells) -> Result<Distortion> {
    let perfect = &theirs.cell;
    let dim = perfect.mean.dim();
    let columns = Columns::fit(&perfect.mean, perfect.error.mean().unwrap_or(0.0))?;
    let mut inner = columns.inner(dim);
    let centre = ((dim.0 as f64 - 1.0) / 2.0, (dim.1 as f64 - 1.0) / 2.0);
    let far = |i: usize| (columns.columns[i][1] - centre.0).hypot(columns.columns[i][2] - centre.1);
    inner.sort_by(|&a, &b| far(a).total_cmp(&far(b)));
    if inner.len() < 4 {
        return Err(Error::data("fewer than four columns are whole: cut larger patches"));
    }
    let each = |cells: &Cells| -> Result<Measured> {
        let (places, heights) = columns.each(super::super::features::rows(&cells.cell.patches)?, dim)?;
        let (places, heights) = pick(&places, &heights, &inner);
        Ok(Measured {
            sums: Sums::of(places.view(), &cells.groups),
            of_heights: Sums::of(heights.view(), &cells.groups),
            places,
        })
    };
    let (us, them) = (each(&ours)?, each(theirs)?);
    let nm = ours.cell.nm_per_px;
    let ((a, u), (b, v)) = (us.sums.mean(), them.sums.mean());
    let (difference, covariance) = ((a - b) * nm, (u + v) * nm * nm);
    let ((g, p), (h, q)) = (us.of_heights.mean(), them.of_heights.mean());
    let displaced = inner.iter().enumerate().map(|(k, &i)| Displacement {
        y_px: columns.columns[i][1],
        x_px: columns.columns[i][2],
        by_nm: [difference[2 * k], difference[2 * k + 1]],
        covariance: [0, 1].map(|r| [0, 1].map(|c| covariance[[2 * k + r, 2 * k + c]])),
        height: (g[k] - h[k], (p[[k, k]] + q[[k, k]]).sqrt()),
    });
    let displaced: Vec<Displacement> = displaced.collect();
    let direction = breathing(&displaced, centre);
    let amplitude = direction.dot(&difference);
    let sites = ours.groups.len();
    let error = student(sites as f64 - 1.0) * direction.dot(&covariance.dot(&direction)).sqrt();
    let mut rng = ChaCha8Rng::seed_from_u64(seeded("UnitCells", options.seed));
    // Relaxation is local: columns farther off would only add their noise.
    let shell: Vec<usize> =
        (0..direction.len()).filter(|k| (0..2).any(|axis| direction[2 * (k / 2) + axis] != 0.0)).collect();
    let near = |set: &Measured, groups: &Groups| Sums::of(set.places.select(Axis(1), &shell).view(), groups);
    let p_value = exchanged(&near(&us, &ours.groups), &near(&them, &theirs.groups), options.draws, &mut rng)?;
    let single = |z: &Array2<f64>| z.mapv(|v| v as f32);
    let (data, null) = (single(&us.places), single(&them.places));
    let modes = modes((data.view(), &ours.groups), Some((null.view(), &theirs.groups)), options, (inner.len(), 2))?;
    Ok(Distortion {
        columns: displaced,
        breathing_nm: (amplitude, [amplitude - error, amplitude + error]),
        sites,
        p_value,
        claimed: p_value <= options.level,
        modes,
        cell: ours.cell,
    })
}

/// What the single cells of a set say.
struct Measured {
    places: Array2<f64>,
    sums: Sums,
    of_heights: Sums,
}

/// Places of the inner columns (y, x of each), what they have in common taken out, and their heights.
fn pick(places: &Array2<f64>, heights: &Array2<f64>, inner: &[usize]) -> (Array2<f64>, Array2<f64>) {
    let n = places.nrows();
    let mut picked = Array2::from_shape_fn((n, 2 * inner.len()), |(i, k)| places[[i, 2 * inner[k / 2] + k % 2]]);
    for mut row in picked.rows_mut() {
        for axis in 0..2 {
            let common = row.iter().skip(axis).step_by(2).sum::<f64>() / inner.len() as f64;
            row.iter_mut().skip(axis).step_by(2).for_each(|v| *v -= common);
        }
    }
    (picked, heights.select(Axis(1), inner))
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

impl Distortion {
    /// How much wider an interval is than a normal one, because few sites say how sites differ.
    pub(crate) fn wider(&self) -> f64 {
        student(self.sites as f64 - 1.0) / 1.96
    }

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
            "Displacements of {} columns in {} cells of {} sites are {said} (p = {:.3}). Nearest shell, away from the centre: {:.2} pm ({:.2} to {:.2})",
            self.columns.len(),
            self.cell.shifts_px.len(),
            self.sites,
            self.p_value,
            1000.0 * amplitude,
            1000.0 * low,
            1000.0 * high
        )
    }
}
