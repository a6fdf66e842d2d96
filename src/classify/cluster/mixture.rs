//! Mixtures of Gaussians by expectation and maximisation (Dempster, Laird and Rubin, J. R. Stat. Soc. B 39, 1, 1977).

use super::moments::{Covariance, Moments, Spread};
use super::product::centred;
use crate::error::{Error, Result};
use crate::progress::stop_if_asked;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

const CHUNK: usize = 256;

/// A fitted mixture.
#[derive(Clone, Debug)]
pub(crate) struct Mixture {
    pub kind: Covariance,
    pub weights: Array1<f64>,
    pub means: Array2<f64>,
    pub spread: Spread,
    /// Mean log-likelihood of a row.
    pub log_likelihood: f64,
    /// Whether it stopped because nothing changed any more.
    pub settled: bool,
}

/// How a fit goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fitting {
    pub kind: Covariance,
    /// Added to every variance.
    pub regularisation: f64,
    /// Ends when the mean log-likelihood of a row grows by less.
    pub tolerance: f64,
    pub most: usize,
}

/// Log-densities ready to be taken: constants, and matrices that rows are multiplied by.
enum Ready {
    /// For each class a triangle that whitens, and the whitened mean.
    Full(Vec<(Array2<f64>, Array1<f64>)>),
    Tied(Array2<f64>, Array2<f64>),
    /// Of x and of x²: shape (d, k) each.
    Diagonal(Array2<f64>, Array2<f64>),
    Spherical(Array1<f64>, Array2<f64>),
}

/// Fits a mixture, starting from the class of each row.
pub(crate) fn fit(data: ArrayView2<f32>, start: &[u32], classes: usize, options: Fitting) -> Result<Mixture> {
    // Second moments about the data's mean lose the fewest digits.
    let (data, mean) = centred(data);
    let shares = Array2::from_shape_fn((data.nrows(), classes), |(i, c)| f64::from(start[i] as usize == c));
    let mut moments = over_chunks(data.view(), |from, rows| {
        let mut moments = Moments::new(options.kind, classes, rows.ncols());
        let shares = shares.slice(ndarray::s![from..from + rows.nrows(), ..]);
        moments.add(options.kind, rows.mapv(f64::from).view(), shares);
        moments
    })?;
    let n = data.nrows() as f64;
    let mut before = f64::NEG_INFINITY;
    let mut mixture = None;
    for _ in 0..options.most {
        stop_if_asked("while fitting a mixture")?;
        let (means, spread) = moments.solve(options.kind, data.nrows(), options.regularisation);
        let weights = &moments.weight / moments.weight.sum();
        let (ready, constants) = prepare(&means, &spread, &weights)?;
        let single = match &ready {
            Ready::Diagonal(linear, square) => Some(Stacked::weights(linear, square)),
            _ => None,
        };
        moments = over_chunks(data.view(), |_, rows| {
            let mut moments = Moments::new(options.kind, classes, rows.ncols());
            if let Some(weights) = &single {
                let stacked = Stacked::of(rows);
                let mut log = stacked.times(weights) + &constants;
                moments.log_likelihood = normalise(&mut log);
                stacked.add_to(&mut moments, &log);
            } else {
                let rows = rows.mapv(f64::from);
                let mut log = log_densities(&ready, &constants, &rows);
                moments.log_likelihood = normalise(&mut log);
                moments.add(options.kind, rows.view(), log.view());
            }
            moments
        })?;
        let log_likelihood = moments.log_likelihood / n;
        let settled = (log_likelihood - before).abs() < options.tolerance;
        before = log_likelihood;
        let kind = options.kind;
        mixture = Some(Mixture { kind, weights, means, spread, log_likelihood, settled });
        if settled {
            break;
        }
    }
    let mut mixture = mixture.ok_or_else(|| Error::data("a mixture needs at least one iteration"))?;
    mixture.means += &mean;
    Ok(mixture)
}

/// Sums over chunks of rows, in double precision; in the same order whatever the number of threads.
fn over_chunks(data: ArrayView2<f32>, of: impl Fn(usize, ArrayView2<f32>) -> Moments + Sync) -> Result<Moments> {
    let chunks: Vec<_> = data.axis_chunks_iter(Axis(0), CHUNK).enumerate().collect();
    // Eight chunks to a sum: few enough sums to keep.
    let sum = |part: &[(usize, ArrayView2<f32>)]| {
        part.iter().map(|(i, rows)| of(i * CHUNK, rows.view())).reduce(|a, b| a.merge(&b))
    };
    let sums: Vec<Option<Moments>> = chunks.par_chunks(8).map(sum).collect();
    let all = sums.into_iter().flatten().reduce(|a, b| a.merge(&b));
    all.ok_or_else(|| Error::data("there are no rows to fit a mixture to"))
}

/// Rows beside their squares, shape (rows, 2 x features), in single precision: all that a diagonal mixture needs of many
/// features, in one product each way. Sums over more than a chunk of rows are in double precision.
struct Stacked(Array2<f32>);

impl Stacked {
    fn of(rows: ArrayView2<f32>) -> Stacked {
        let (n, d) = rows.dim();
        let mut both = Array2::zeros((n, 2 * d));
        let (mut plain, mut squares) = both.view_mut().split_at(Axis(1), d);
        plain.assign(&rows);
        squares.zip_mut_with(&rows, |to, v| *to = v * v);
        Stacked(both)
    }

    /// Weights of x and of x², shape (features, classes) each, as one matrix.
    fn weights(linear: &Array2<f64>, square: &Array2<f64>) -> Array2<f32> {
        let (d, k) = linear.dim();
        let of = |(i, class): (usize, usize)| if i < d { linear[[i, class]] } else { square[[i - d, class]] };
        Array2::from_shape_fn((2 * d, k), |at| of(at) as f32)
    }

    fn times(&self, weights: &Array2<f32>) -> Array2<f64> {
        self.0.dot(weights).mapv(f64::from)
    }

    fn add_to(&self, moments: &mut Moments, shares: &Array2<f64>) {
        moments.weight += &shares.sum_axis(Axis(0));
        let sums = shares.t().mapv(|v| v as f32).dot(&self.0);
        let (first, second) = sums.view().split_at(Axis(1), self.0.ncols() / 2);
        moments.sum.zip_mut_with(&first, |to, v| *to += f64::from(*v));
        moments.second[0].zip_mut_with(&second, |to, v| *to += f64::from(*v));
    }
}

/// Turns log-densities into shares of each row, by log-sum-exp: the sum of the rows' log-likelihoods.
fn normalise(log: &mut Array2<f64>) -> f64 {
    let mut total = 0.0;
    for mut row in log.rows_mut() {
        let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut sum = 0.0;
        row.iter_mut().for_each(|v| {
            *v = (*v - top).exp();
            sum += *v;
        });
        row.mapv_inplace(|v| v / sum);
        total += top + sum.ln();
    }
    total
}

fn prepare(means: &Array2<f64>, spread: &Spread, weights: &Array1<f64>) -> Result<(Ready, Array1<f64>)> {
    let (k, d) = means.dim();
    let base = weights.mapv(|w| w.max(f64::MIN_POSITIVE).ln() - 0.5 * d as f64 * std::f64::consts::TAU.ln());
    Ok(match spread {
        Spread::Full(all) => {
            let mut constants = base;
            let mut ready = vec![];
            for (class, covariance) in all.iter().enumerate() {
                let (whiten, half_log) = whitening(covariance)?;
                constants[class] -= half_log;
                let mean = means.row(class).dot(&whiten);
                ready.push((whiten, mean));
            }
            (Ready::Full(ready), constants)
        }
        Spread::Tied(covariance) => {
            let (whiten, half_log) = whitening(covariance)?;
            let means = means.dot(&whiten);
            let constants = base - half_log - means.map_axis(Axis(1), |m| 0.5 * m.dot(&m));
            (Ready::Tied(whiten, means.t().to_owned()), constants)
        }
        Spread::Diagonal(variances) => {
            let precision = variances.mapv(|v| 1.0 / v);
            let constants = (0..k).map(|c| {
                let m2: f64 = means.row(c).iter().zip(precision.row(c)).map(|(m, p)| m * m * p).sum();
                base[c] - 0.5 * (m2 + variances.row(c).mapv(f64::ln).sum())
            });
            let linear = (means * &precision).t().to_owned();
            (Ready::Diagonal(linear, precision.t().mapv(|p| -0.5 * p)), constants.collect())
        }
        Spread::Spherical(variances) => {
            let precision = variances.mapv(|v| 1.0 / v);
            let squares = means.map_axis(Axis(1), |m| m.dot(&m));
            let logs = variances.mapv(|v| 0.5 * d as f64 * v.ln());
            let constants = base - logs - (&squares * &precision * 0.5);
            let linear = (means * &precision.clone().insert_axis(Axis(1))).t().to_owned();
            (Ready::Spherical(precision, linear), constants)
        }
    })
}

/// Log of weight times density of each class, shape (rows, classes).
fn log_densities(ready: &Ready, constants: &Array1<f64>, rows: &Array2<f64>) -> Array2<f64> {
    let mut log = match ready {
        Ready::Full(classes) => {
            let mut log = Array2::zeros((rows.nrows(), classes.len()));
            for (class, (whiten, mean)) in classes.iter().enumerate() {
                let white = rows.dot(whiten);
                for (to, row) in log.column_mut(class).iter_mut().zip(white.outer_iter()) {
                    *to = -0.5 * row.iter().zip(mean).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
                }
            }
            log
        }
        Ready::Tied(whiten, means) => {
            let white = rows.dot(whiten);
            let square = white.map_axis(Axis(1), |w| 0.5 * w.dot(&w)).insert_axis(Axis(1));
            white.dot(means) - square
        }
        Ready::Diagonal(linear, square) => rows.dot(linear) + rows.mapv(|v| v * v).dot(square),
        Ready::Spherical(precision, linear) => {
            let square = rows.map_axis(Axis(1), |r| r.dot(&r)).insert_axis(Axis(1));
            rows.dot(linear) - &square * &precision.mapv(|p| 0.5 * p)
        }
    };
    log += constants;
    log
}

/// A matrix that makes the covariance that of independent unit variables (rows times it), and half of the covariance's
/// log-determinant: the inverse of Cholesky's factor, transposed.
fn whitening(covariance: &Array2<f64>) -> Result<(Array2<f64>, f64)> {
    let d = covariance.nrows();
    let mut lower = Array2::<f64>::zeros((d, d));
    for i in 0..d {
        for j in 0..=i {
            let (a, b) = (lower.row(i), lower.row(j));
            let rest = covariance[[i, j]] - a.slice(ndarray::s![..j]).dot(&b.slice(ndarray::s![..j]));
            if i == j && !(rest > 0.0 && rest.is_finite()) {
                return Err(Error::data(
                    "a class of the mixture has shrunk to fewer dimensions than the data have: fewer classes or components, \
                     or more regularisation",
                ));
            }
            lower[[i, j]] = if i == j { rest.sqrt() } else { rest / lower[[j, j]] };
        }
    }
    let half_log = lower.diag().mapv(f64::ln).sum();
    // Columns of the inverse by forward substitution.
    let mut inverse = Array2::<f64>::zeros((d, d));
    for i in 0..d {
        for j in 0..=i {
            let sum: f64 = (j..i).map(|m| lower[[i, m]] * inverse[[m, j]]).sum();
            inverse[[i, j]] = (f64::from(i == j) - sum) / lower[[i, i]];
        }
    }
    Ok((inverse.t().to_owned(), half_log))
}

impl Mixture {
    /// Probability of each class for each row, shape (rows, classes), and the mean log-likelihood of a row.
    pub(crate) fn shares(&self, data: ArrayView2<f32>) -> Result<(Array2<f64>, f64)> {
        let (ready, constants) = prepare(&self.means, &self.spread, &self.weights)?;
        let mut shares = Array2::zeros((data.nrows(), self.weights.len()));
        let sums: Vec<f64> = shares
            .axis_chunks_iter_mut(Axis(0), CHUNK)
            .into_par_iter()
            .zip(data.axis_chunks_iter(Axis(0), CHUNK).into_par_iter())
            .map(|(mut to, rows)| {
                let mut log = log_densities(&ready, &constants, &rows.mapv(f64::from));
                let sum = normalise(&mut log);
                to.assign(&log);
                sum
            })
            .collect();
        Ok((shares, sums.iter().sum::<f64>() / data.nrows().max(1) as f64))
    }

    /// Numbers that were fitted.
    pub(crate) fn parameters(&self) -> usize {
        let (k, d) = self.means.dim();
        let spread = match self.kind {
            Covariance::Full => k * d * (d + 1) / 2,
            Covariance::Tied => d * (d + 1) / 2,
            Covariance::Diagonal => k * d,
            Covariance::Spherical => k,
        };
        k - 1 + k * d + spread
    }

    /// Schwarz's criterion (Ann. Stat. 6, 461, 1978): lower is better.
    pub(crate) fn bic(&self, rows: usize) -> f64 {
        let n = rows as f64;
        self.parameters() as f64 * n.ln() - 2.0 * n * self.log_likelihood
    }
}
