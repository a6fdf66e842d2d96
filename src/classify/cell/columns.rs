//! A cell as a sum of columns of one shape.

use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2, Axis};

/// Columns in an image: offset, widths of the two Gaussians, the wide one's share of the peak, and for each column its height
/// and place.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    shared: [f64; 4],
    /// Height, y, x.
    pub columns: Vec<[f64; 3]>,
    /// Columns beyond the border, whose tails reach in: where the lattice goes on, as high as those that they repeat.
    beyond: Vec<[f64; 3]>,
}

/// Columns this close to the border, in pixels, are fitted but not reported: half of them is not seen.
const BORDER: f64 = 3.0;
/// Height of the lightest column that is looked for, as a fraction of the heaviest.
const LEAST: f64 = 0.04;

impl Columns {
    /// Fits the columns that an image shows, then those that are seen once the others are taken away: light ones in the tails of
    /// heavy ones. `error` is the standard error of a pixel.
    pub(super) fn fit(image: &Array2<f32>, error: f32) -> Result<Columns> {
        let mut at = Columns::of_peaks(image)?.refined(image);
        for _ in 0..6 {
            at.beyond = at.continued(image.dim());
            // Without those beyond, or with light ones taken for tails, the tails had no good fit to start from.
            (at.shared[2], at.shared[3]) = (2.2 * at.shared[1], 0.1);
            at = at.refined(image);
            at.columns.extend(at.missing(image, error));
        }
        at = at.refined(image);
        Ok(at)
    }

    /// Columns that stand out where those that are known are taken away.
    fn missing(&self, image: &Array2<f32>, error: f32) -> Vec<[f64; 3]> {
        let rest = image - &self.image(image.dim()).mapv(|v| v as f32);
        let highest = self.columns.iter().map(|c| c[0]).fold(0.0, f64::max);
        let least = (LEAST * highest).max(6.0 * f64::from(error));
        let apart = self.shared[1] * 2.0;
        super::super::features::peaks(&rest, 1.0)
            .into_iter()
            .map(|(y, x)| (f64::from(y), f64::from(x)))
            .filter(|&(y, x)| self.columns.iter().all(|c| (c[1] - y).hypot(c[2] - x) > apart))
            .map(|(y, x)| [f64::from(crate::movie::sample(&rest, y, x)), y, x])
            .filter(|c| c[0] > least)
            .collect()
    }

    /// The columns found, repeated by the steps from each to its nearest like ones, as far as lies just beyond the border.
    fn continued(&self, (h, w): (usize, usize)) -> Vec<[f64; 3]> {
        let like = |a: &[f64; 3], b: &[f64; 3]| (a[0] / b[0] - 1.0).abs() < 0.5;
        let apart = |a: &[f64; 3], b: &[f64; 3]| (a[1] - b[1]).hypot(a[2] - b[2]);
        let pairs = || self.columns.iter().flat_map(|a| self.columns.iter().map(move |b| (a, b)));
        let steps: Vec<(f64, f64)> = {
            let near = |a: &[f64; 3]| {
                let others = self.columns.iter().filter(|b| like(a, b)).map(|b| apart(a, b)).filter(|d| *d > 0.5);
                others.fold(f64::MAX, f64::min)
            };
            pairs()
                .filter(|(a, b)| like(a, b) && apart(a, b) > 0.5 && apart(a, b) < 1.25 * near(a))
                .map(|(a, b)| (b[1] - a[1], b[2] - a[2]))
                .collect()
        };
        let reach = 1.5 * steps.iter().map(|s| s.0.hypot(s.1)).fold(f64::MAX, f64::min).min(20.0);
        let outside = |v: f64, n: usize| v < 0.0 || v > n as f64 - 1.0;
        let beyond = |v: f64, n: usize| v < -reach || v > n as f64 - 1.0 + reach;
        let mut found: Vec<[f64; 3]> = vec![];
        for c in &self.columns {
            for &(dy, dx) in &steps {
                let new = [c[0], c[1] + dy, c[2] + dx];
                let there = (outside(new[1], h) || outside(new[2], w)) && !beyond(new[1], h) && !beyond(new[2], w);
                if there && found.iter().chain(&self.columns).all(|o| apart(o, &new) > 2.0 * self.shared[1].min(2.0)) {
                    found.push(new);
                }
            }
        }
        found
    }

    /// A first guess at the local maxima.
    fn of_peaks(image: &Array2<f32>) -> Result<Columns> {
        let peaks = super::super::features::peaks(image, 1.0);
        if peaks.len() < 4 {
            return Err(Error::data(format!(
                "the average cell shows {} columns: at least four are needed",
                peaks.len()
            )));
        }
        let lowest = f64::from(image.iter().copied().fold(f32::MAX, f32::min));
        let height = |(y, x): (f32, f32)| f64::from(crate::movie::sample(image, f64::from(y), f64::from(x))) - lowest;
        let columns = peaks.iter().map(|&p| [height(p), f64::from(p.0), f64::from(p.1)]).collect();
        // Neighbours are not nearer than about two widths of a column to each other.
        let spacing = nearest(&peaks);
        Ok(Columns { shared: [lowest, (spacing / 4.0).min(2.5), spacing / 2.0, 0.1], columns, beyond: vec![] })
    }

    /// The nearest least-squares fit (Levenberg, Q. Appl. Math. 2, 164, 1944; Marquardt, J. SIAM 11, 431, 1963).
    fn refined(&self, image: &Array2<f32>) -> Columns {
        let mut at = self.clone();
        let mut error = at.misfit(image);
        let mut damping = 1e-3;
        for _ in 0..60 {
            let jacobian = at.jacobian(image.dim(), true);
            let residual: Vec<f64> = at.image(image.dim()).iter().zip(image).map(|(m, v)| f64::from(*v) - m).collect();
            let normal = jacobian.dot(&jacobian.t());
            let right = jacobian.dot(&ndarray::Array1::from(residual)).to_vec();
            let mut better = false;
            for _ in 0..8 {
                let mut damped = normal.clone();
                damped.diag_mut().mapv_inplace(|v| v * (1.0 + damping) + 1e-12);
                let Some(step) = solve(&damped, &right) else { break };
                let next = at.moved(&step);
                let next_error = next.misfit(image);
                if next_error < error {
                    better = error - next_error > 1e-10 * error;
                    (at, error) = (next, next_error);
                    damping *= 0.3;
                    break;
                }
                damping *= 4.0;
            }
            if !better {
                break;
            }
        }
        at
    }

    fn moved(&self, step: &[f64]) -> Columns {
        let mut next = self.clone();
        next.shared.iter_mut().zip(step).for_each(|(v, s)| *v += s);
        next.shared[1] = next.shared[1].max(0.3);
        next.shared[2] = next.shared[2].max(next.shared[1] * 1.1);
        next.shared[3] = next.shared[3].clamp(0.02, 0.9);
        for (i, column) in next.columns.iter_mut().enumerate() {
            (0..3).for_each(|k| column[k] += step[4 + 3 * i + k]);
        }
        next
    }

    /// Value and slopes (along y, along x) of a column of height 1 at a distance.
    fn shape(&self, dy: f64, dx: f64) -> (f64, f64, f64) {
        let [_, a, b, share] = self.shared;
        let r2 = dy * dy + dx * dx;
        let (narrow, wide) = ((1.0 - share) * (-0.5 * r2 / (a * a)).exp(), share * (-0.5 * r2 / (b * b)).exp());
        let slope = narrow / (a * a) + wide / (b * b);
        (narrow + wide, dy * slope, dx * slope)
    }

    pub(super) fn image(&self, dim: (usize, usize)) -> Array2<f64> {
        Array2::from_shape_fn(dim, |(y, x)| {
            let one = |c: &[f64; 3]| c[0] * self.shape(y as f64 - c[1], x as f64 - c[2]).0;
            self.shared[0] + self.columns.iter().chain(&self.beyond).map(one).sum::<f64>()
        })
    }

    fn misfit(&self, image: &Array2<f32>) -> f64 {
        self.image(image.dim()).iter().zip(image).map(|(m, v)| (f64::from(*v) - m).powi(2)).sum()
    }

    /// How each pixel changes with each parameter, a row a parameter: the offset and, where asked for, widths and share, then
    /// height, y and x of each column.
    fn jacobian(&self, (h, w): (usize, usize), widths: bool) -> Array2<f64> {
        let first = if widths { 4 } else { 1 };
        let mut rows = Array2::zeros((first + 3 * self.columns.len(), h * w));
        for p in 0..h * w {
            let (y, x) = ((p / w) as f64, (p % w) as f64);
            rows[[0, p]] = 1.0;
            for (i, c) in self.columns.iter().enumerate() {
                let (value, dy, dx) = self.shape(y - c[1], x - c[2]);
                rows[[first + 3 * i, p]] = value;
                rows[[first + 3 * i + 1, p]] = c[0] * dy;
                rows[[first + 3 * i + 2, p]] = c[0] * dx;
            }
            for c in self.columns.iter().chain(&self.beyond).filter(|_| widths) {
                let [_, a, b, share] = self.shared;
                let r2 = (y - c[1]).powi(2) + (x - c[2]).powi(2);
                let (narrow, wide) = ((-0.5 * r2 / (a * a)).exp(), (-0.5 * r2 / (b * b)).exp());
                rows[[1, p]] += c[0] * (1.0 - share) * narrow * r2 / a.powi(3);
                rows[[2, p]] += c[0] * share * wide * r2 / b.powi(3);
                rows[[3, p]] += c[0] * (wide - narrow);
            }
        }
        rows
    }

    /// What each patch (a row) says of the columns' places, shape (patches, 2 x columns), y and x in pixels, and of their heights
    /// as fractions, shape (patches, columns): one least-squares step from here.
    ///
    /// A column in the middle that is darker or brighter than here would move its light neighbours where its tail is not quite
    /// that of the shape: an error of a thousandth of its peak looks like a picometre. So places are estimated beside *any*
    /// change that is round about the middle, and beside other widths of all columns. What is left to say where a neighbour
    /// stands is what is not round: the neighbours of a site stand at some angles and not at others.
    pub(super) fn each(&self, patches: ArrayView2<f32>, dim: (usize, usize)) -> Result<(Array2<f64>, Array2<f64>)> {
        let n = self.columns.len();
        let own = self.jacobian(dim, false);
        let heights: Vec<usize> = (0..n).map(|i| 1 + 3 * i).collect();
        let places: Vec<usize> = (0..2 * n).map(|k| 1 + 3 * (k / 2) + 1 + k % 2).collect();
        let widths = self.jacobian(dim, true).slice_move(ndarray::s![1..4, ..]);
        let wide = ndarray::concatenate(Axis(0), &[own.view(), widths.view(), self.round(dim).view()])
            .map_err(|e| Error::data(e.to_string()))?;
        let model = self.image(dim);
        let found = estimates(&wide, &places, &model, patches)?;
        let mut fractions = estimates(&own, &heights, &model, patches)?;
        for (i, c) in self.columns.iter().enumerate() {
            fractions.column_mut(i).mapv_inplace(|v| v / c[0].max(1e-12));
        }
        Ok((found, fractions))
    }

    /// Anything round about the column that is nearest to the middle: cubic splines of the distance, with knots as far apart as
    /// the narrow Gaussian is wide, a row each.
    fn round(&self, (h, w): (usize, usize)) -> Array2<f64> {
        let middle = ((h as f64 - 1.0) / 2.0, (w as f64 - 1.0) / 2.0);
        let far = |c: &&[f64; 3]| (c[1] - middle.0).hypot(c[2] - middle.1);
        let centre = self.columns.iter().min_by(|a, b| far(a).total_cmp(&far(b)));
        let (cy, cx) = centre.filter(|c| far(c) < 2.0).map_or(middle, |c| (c[1], c[2]));
        let apart = self.shared[1].max(1.0);
        let rings = (0.5 * h.min(w) as f64 / apart) as usize;
        Array2::from_shape_fn((rings, h * w), |(k, p)| {
            let r = ((p / w) as f64 - cy).hypot((p % w) as f64 - cx) / apart;
            spline((r - k as f64).abs())
        })
    }

    /// Columns that are far enough from the border.
    pub(super) fn inner(&self, (h, w): (usize, usize)) -> Vec<usize> {
        let inside = |v: f64, n: usize| v > BORDER && v < n as f64 - 1.0 - BORDER;
        (0..self.columns.len()).filter(|&i| inside(self.columns[i][1], h) && inside(self.columns[i][2], w)).collect()
    }
}

/// Least-squares estimates of some parameters, for each patch (a row): how far each is from where `model` has it. `jacobian` has
/// a row for each parameter.
fn estimates(
    jacobian: &Array2<f64>,
    which: &[usize],
    model: &Array2<f64>,
    patches: ArrayView2<f32>,
) -> Result<Array2<f64>> {
    let mut normal = jacobian.dot(&jacobian.t());
    // A billionth of each parameter's own weight: rings can nearly make up a column.
    normal.diag_mut().mapv_inplace(|v| v * (1.0 + 1e-9) + 1e-12);
    let lost = || Error::data("columns overlap so that their places cannot be told apart");
    let mut inverse = Array2::zeros((which.len(), normal.nrows()));
    for (mut row, &i) in inverse.rows_mut().into_iter().zip(which) {
        let unit: Vec<f64> = (0..normal.nrows()).map(|j| f64::from(i == j)).collect();
        row.assign(&ndarray::Array1::from(solve(&normal, &unit).ok_or_else(lost)?));
    }
    let estimator = inverse.dot(jacobian);
    let offset = estimator.dot(&ndarray::Array1::from_iter(model.iter().copied()));
    let mut found =
        super::super::cluster::product::products(patches, estimator.mapv(|v| v as f32).view()).mapv(f64::from);
    found -= &offset;
    Ok(found)
}

/// The cubic B-spline with whole knots.
fn spline(r: f64) -> f64 {
    match r {
        r if r < 1.0 => 2.0 / 3.0 - r * r * (1.0 - 0.5 * r),
        r if r < 2.0 => (2.0 - r).powi(3) / 6.0,
        _ => 0.0,
    }
}

fn nearest(peaks: &[(f32, f32)]) -> f64 {
    let pairs =
        peaks.iter().enumerate().flat_map(|(i, a)| peaks[..i].iter().map(move |b| (a.0 - b.0).hypot(a.1 - b.1)));
    f64::from(pairs.fold(f32::MAX, f32::min)).clamp(2.0, 40.0)
}

/// Solves symmetric positive equations by Cholesky's factors; none where they are not.
pub(super) fn solve(matrix: &Array2<f64>, right: &[f64]) -> Option<Vec<f64>> {
    let n = right.len();
    let mut lower = Array2::<f64>::zeros((n, n));
    for i in 0..n {
        for j in 0..=i {
            let (a, b) = (lower.row(i), lower.row(j));
            let rest = matrix[[i, j]] - a.slice(ndarray::s![..j]).dot(&b.slice(ndarray::s![..j]));
            if i == j && rest <= 1e-14 * matrix[[i, i]].abs() {
                return None;
            }
            lower[[i, j]] = if i == j { rest.sqrt() } else { rest / lower[[j, j]] };
        }
    }
    let mut y = vec![0.0; n];
    for i in 0..n {
        let sum: f64 = (0..i).map(|j| lower[[i, j]] * y[j]).sum();
        y[i] = (right[i] - sum) / lower[[i, i]];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|j| lower[[j, i]] * y[j]).sum();
        y[i] = (y[i] - sum) / lower[[i, i]];
    }
    Some(y)
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
