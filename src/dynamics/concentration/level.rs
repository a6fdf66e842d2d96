//! A level that drifts, wanders, and is seen with noise: what rates and sudden changes are read from.

use crate::dynamics::statistics::t95;
use crate::linear::solve_and_determine;
use ndarray::Array2;

/// A series whose level goes up or down by a constant rate and wanders: `y = level + noise`, and from one time to the next
/// the level changes by `rate τ + wander`. The local level model with drift (Harvey, Forecasting, Structural Time Series
/// Models and the Kalman Filter, Cambridge 1989), written for the differences of `y`, whose covariance has three diagonals.
#[derive(Clone)]
pub(super) struct Level {
    /// Differences of the series, and the time that each took.
    steps: Vec<f64>,
    spans: Vec<f64>,
    /// Relative variance of the noise at each time.
    noise: Vec<f64>,
    /// What one defect more adds to the level: wander comes in such pieces.
    unit: f64,
    /// Times (index of the difference) of sudden changes that are part of the model.
    jumps: Vec<usize>,
}

/// The model with one ratio of wander to noise.
pub(super) struct Fitted {
    /// Variance of the wander over that of the noise, per mean span.
    pub ratio: f64,
    /// Rate and jumps, in this order.
    pub values: Vec<f64>,
    /// Variance of the first of them.
    pub rate_variance: f64,
    /// Variance of the noise over its relative variance.
    pub scale: f64,
    pub likelihood: f64,
    residuals: Vec<f64>,
}

/// Ratios that are tried; the first is no wander at all.
const RATIOS: usize = 41;

fn ratio(i: usize) -> f64 {
    if i == 0 { 0.0 } else { 10_f64.powf(-5.0 + 8.0 * i as f64 / (RATIOS - 1) as f64) }
}

impl Level {
    pub(super) fn new(y: &[f64], times: &[f64], noise: &[f64], unit: f64) -> Level {
        let differences = |v: &[f64]| v.windows(2).map(|w| w[1] - w[0]).collect::<Vec<_>>();
        Level { steps: differences(y), spans: differences(times), noise: noise.to_vec(), unit, jumps: vec![] }
    }

    /// Number of differences.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn with_jump(mut self, at: usize) -> Level {
        self.jumps.push(at);
        self
    }

    pub(super) fn jumps(&self) -> &[usize] {
        &self.jumps
    }

    /// The same with other differences: a simulation of the model.
    pub(super) fn like(&self, steps: Vec<f64>) -> Level {
        Level { steps, ..self.clone() }
    }

    pub(super) fn unit(&self) -> f64 {
        self.unit
    }

    pub(super) fn noise(&self) -> &[f64] {
        &self.noise
    }

    /// Variance of the wander over one span, relative as `noise` is.
    pub(super) fn wander(&self, ratio: f64, i: usize) -> f64 {
        let mean_noise = self.noise.iter().sum::<f64>() / self.noise.len() as f64;
        let mean_span = self.spans.iter().sum::<f64>() / self.spans.len() as f64;
        ratio * mean_noise * self.spans[i] / mean_span
    }

    pub(super) fn covariance(&self, ratio: f64) -> Tridiagonal {
        let diagonal = (0..self.len()).map(|i| self.noise[i] + self.noise[i + 1] + self.wander(ratio, i)).collect();
        Tridiagonal::new(diagonal, self.noise[1..self.len()].iter().map(|v| -v).collect())
    }

    /// Rate and jumps by generalised least squares, and the restricted likelihood.
    pub(super) fn fit_at(&self, ratio: f64) -> Fitted {
        let covariance = self.covariance(ratio);
        let mut design = vec![self.spans.clone()];
        for &jump in &self.jumps {
            let mut pulse = vec![0.0; self.len()];
            pulse[jump] = 1.0;
            design.push(pulse);
        }
        let weighted: Vec<Vec<f64>> = design.iter().map(|d| covariance.solve(d)).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let m = design.len();
        let normal = Array2::from_shape_fn((m, m), |(i, j)| dot(&design[i], &weighted[j]));
        // The values, and the first column of the inverse. A jump where the series has no difference left is not told.
        let right = Array2::from_shape_fn((m, 2), |(i, k)| match k {
            0 => dot(&weighted[i], &self.steps),
            _ => f64::from(u8::from(i == 0)),
        });
        let (solved, log_normal) = solve_and_determine(normal.view(), right.view())
            .unwrap_or_else(|_| (Array2::from_elem((m, 2), f64::NAN), f64::INFINITY));
        let (values, first) = (solved.column(0).to_vec(), solved[[0, 1]]);
        let fitted = |i: usize| design.iter().zip(&values).map(|(d, v)| d[i] * v).sum::<f64>();
        let residuals: Vec<f64> = (0..self.len()).map(|i| self.steps[i] - fitted(i)).collect();
        let left = dot(&residuals, &covariance.solve(&residuals)).max(1e-300);
        let degrees = (self.len() - m).max(1) as f64;
        let scale = left / degrees;
        let likelihood = -0.5 * (degrees * scale.ln() + covariance.log_determinant() + log_normal);
        Fitted { ratio, values, rate_variance: scale * first, scale, likelihood, residuals }
    }

    fn all(&self) -> Vec<Fitted> {
        (0..RATIOS).map(|i| self.fit_at(ratio(i))).collect()
    }

    /// The likeliest ratio's.
    pub(super) fn fit(&self) -> Option<Fitted> {
        self.all().into_iter().max_by(|a, b| a.likelihood.total_cmp(&b.likelihood))
    }

    /// The rate with its 95 % interval, over all ratios by their likelihood: how much the level wanders is itself not known.
    pub(super) fn rate(&self) -> (f64, f64, f64) {
        let all = self.all();
        let best = all.iter().map(|f| f.likelihood).fold(f64::NEG_INFINITY, f64::max);
        // On this grid a flat prior of the wander's standard deviation (Gelman, Bayesian Analysis 1, 515, 2006).
        let weights: Vec<f64> = all.iter().map(|f| f.ratio.sqrt() * (f.likelihood - best).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let mean = |of: &dyn Fn(&Fitted) -> f64| all.iter().zip(&weights).map(|(f, w)| w * of(f)).sum::<f64>() / sum;
        let rate = mean(&|f| f.values[0]);
        let variance = mean(&|f| f.rate_variance + (f.values[0] - rate).powi(2));
        let half = t95((self.len() as f64 - 1.0 - self.jumps.len() as f64).max(1.0)) * variance.sqrt();
        (rate, rate - half, rate + half)
    }

    /// By how much the likelihood gains from a jump at each difference, the ratio of wander to noise being the likeliest with
    /// and without: a jump that is there must not pass for wander.
    pub(super) fn gains(&self) -> Vec<f64> {
        let n = self.len() as f64;
        // A series of whole defects that one jump explains exactly is not infinitely well explained.
        let mean_noise = self.noise.iter().sum::<f64>() / self.noise.len() as f64;
        let least = 0.1 * self.unit * self.unit / mean_noise;
        let (mut without, mut with) = (f64::NEG_INFINITY, vec![f64::NEG_INFINITY; self.len()]);
        for i in (0..RATIOS).step_by(4) {
            let fitted = self.fit_at(ratio(i));
            let covariance = self.covariance(fitted.ratio);
            let weighted = covariance.solve(&fitted.residuals);
            let spans = covariance.solve(&self.spans);
            let normal: f64 = spans.iter().zip(&self.spans).map(|(a, b)| a * b).sum();
            let left: f64 = weighted.iter().zip(&fitted.residuals).map(|(a, b)| a * b).sum();
            let likelihood = |left: f64| -0.5 * (n * left.max(least).ln() + covariance.log_determinant());
            without = without.max(likelihood(left));
            for (k, inverse) in covariance.inverse_diagonal().into_iter().enumerate() {
                let information = inverse - spans[k] * spans[k] / normal;
                if information > 1e-9 * inverse {
                    with[k] = with[k].max(likelihood(left - weighted[k] * weighted[k] / information));
                }
            }
        }
        with.into_iter().map(|w| w - without).collect()
    }
}

/// A symmetric positive matrix with three diagonals, factored as L D L'.
pub(super) struct Tridiagonal {
    lower: Vec<f64>,
    pivots: Vec<f64>,
    upper_pivots: Vec<f64>,
    diagonal: Vec<f64>,
}

impl Tridiagonal {
    pub(super) fn new(diagonal: Vec<f64>, off: Vec<f64>) -> Tridiagonal {
        let n = diagonal.len();
        let (mut pivots, mut lower, mut upper_pivots) = (diagonal.clone(), vec![0.0; n], diagonal.clone());
        for i in 1..n {
            lower[i] = off[i - 1] / pivots[i - 1];
            pivots[i] -= lower[i] * off[i - 1];
        }
        for i in (0..n.saturating_sub(1)).rev() {
            upper_pivots[i] -= off[i] * off[i] / upper_pivots[i + 1];
        }
        Tridiagonal { lower, pivots, upper_pivots, diagonal }
    }

    pub(super) fn solve(&self, right: &[f64]) -> Vec<f64> {
        let mut x = right.to_vec();
        for i in 1..x.len() {
            x[i] -= self.lower[i] * x[i - 1];
        }
        x.iter_mut().zip(&self.pivots).for_each(|(x, pivot)| *x /= pivot);
        for i in (1..x.len()).rev() {
            x[i - 1] -= self.lower[i] * x[i];
        }
        x
    }

    pub(super) fn log_determinant(&self) -> f64 {
        self.pivots.iter().map(|p| p.ln()).sum()
    }

    /// The inverse's diagonal, from the pivots of elimination from both ends.
    fn inverse_diagonal(&self) -> Vec<f64> {
        let both = self.pivots.iter().zip(&self.upper_pivots).zip(&self.diagonal);
        both.map(|((down, up), d)| 1.0 / (down + up - d)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By elimination on the whole matrix.
    #[test]
    fn three_diagonals_are_solved() {
        let matrix = Tridiagonal::new(vec![2.0, 3.0, 2.5, 4.0], vec![-1.0, -0.5, -1.5]);
        let full = [[2.0, -1.0, 0.0, 0.0], [-1.0, 3.0, -0.5, 0.0], [0.0, -0.5, 2.5, -1.5], [0.0, 0.0, -1.5, 4.0]];
        let x = matrix.solve(&[1.0, 2.0, -1.0, 0.5]);
        for (row, right) in full.iter().zip([1.0, 2.0, -1.0, 0.5]) {
            let sum: f64 = row.iter().zip(&x).map(|(a, b)| a * b).sum();
            assert!((sum - right).abs() < 1e-12);
        }
        for (i, d) in matrix.inverse_diagonal().into_iter().enumerate() {
            let mut unit = [0.0; 4];
            unit[i] = 1.0;
            assert!((matrix.solve(&unit)[i] - d).abs() < 1e-12);
        }
        let whole = Array2::from_shape_fn((4, 4), |(i, j)| full[i][j]);
        let log = solve_and_determine(whole.view(), Array2::zeros((4, 1)).view()).unwrap().1;
        assert!((log - matrix.log_determinant()).abs() < 1e-12);
    }
}
