//! Whether motion is free, confined or anomalous, by the likelihood of every position of every track.

use crate::dynamics::path::Path;
use crate::dynamics::statistics::{CHI2_95, minimum};
use std::collections::HashMap;

/// How something moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MotionModel {
    /// Not at all: positions differ by their errors.
    Still,
    /// Brownian motion: the mean squared displacement is `4 D t`.
    Free,
    /// Held by a spring (an Ornstein-Uhlenbeck process): free at first, and never far.
    Confined,
    /// Fractional Brownian motion: `4 D t^α`, with steps that remember.
    Anomalous,
}

impl MotionModel {
    pub(super) const ALL: [MotionModel; 4] =
        [MotionModel::Still, MotionModel::Free, MotionModel::Confined, MotionModel::Anomalous];

    /// Mean squared displacement along one axis, without errors. Parameters: logarithms of the variance of a position, of D
    /// and of the confinement's variance, or α.
    fn displacement(self, p: &[f64], time: f64) -> f64 {
        match self {
            MotionModel::Still => 0.0,
            MotionModel::Free => 2.0 * p[1].exp() * time,
            MotionModel::Confined => {
                let size = p[2].exp();
                2.0 * size * -(-p[1].exp() * time / size).exp_m1()
            }
            MotionModel::Anomalous => 2.0 * p[1].exp() * time.powf(p[2]),
        }
    }
}

/// Tracks cut into pieces, those seen at the same times together: they have the same covariance.
pub(super) struct Pieces {
    /// Times since the piece's first, in units of `span`, and the steps of each piece along each axis.
    patterns: Vec<(Vec<f64>, Vec<Vec<f64>>)>,
    /// Typical time of a step.
    pub span: f64,
    /// Mean square of a step along one axis.
    pub square: f64,
    pub steps: usize,
}

/// Steps in a piece: longer ones know more of slow motion, and cost more.
const LONGEST: usize = 50;

impl Pieces {
    pub(super) fn of(paths: &[&Path]) -> Option<Pieces> {
        let spans: Vec<f64> = paths.iter().flat_map(|p| p.steps().map(|s| s.0)).collect();
        let span = spans.iter().copied().fold(f64::INFINITY, f64::min);
        let mut patterns: HashMap<Vec<u64>, usize> = HashMap::new();
        let mut found: Vec<(Vec<f64>, Vec<Vec<f64>>)> = vec![];
        let (mut square, mut steps) = (0.0, 0);
        for path in paths.iter().filter(|p| p.at_nm.len() > 2) {
            let all: Vec<(f64, [f64; 2])> = path.steps().collect();
            for piece in all.chunks(LONGEST).filter(|piece| piece.len() > 1) {
                let mut times = vec![0.0];
                piece.iter().for_each(|s| times.push(times[times.len() - 1] + s.0 / span));
                // Times that differ by a millionth of a step are the same.
                let key = times.iter().map(|t| (t * 1e6).round() as u64).collect();
                let at = *patterns.entry(key).or_insert_with(|| {
                    found.push((times, vec![]));
                    found.len() - 1
                });
                for axis in 0..2 {
                    found[at].1.push(piece.iter().map(|s| s.1[axis]).collect());
                }
                square += piece.iter().map(|s| s.1[0] * s.1[0] + s.1[1] * s.1[1]).sum::<f64>() / 2.0;
                steps += piece.len();
            }
        }
        let usable = steps > 0 && span.is_finite() && span > 0.0 && square > 0.0;
        usable.then(|| Pieces { patterns: found, span, square: square / steps as f64, steps })
    }

    /// Minus the log-likelihood. Times are in units of `span`, and so is D.
    fn cost(&self, model: MotionModel, p: &[f64]) -> f64 {
        if p.iter().any(|v| !(-60.0..60.0).contains(v)) {
            return f64::INFINITY;
        }
        if model == MotionModel::Anomalous && !(0.02..1.98).contains(&p[2]) {
            return f64::INFINITY;
        }
        self.patterns.iter().map(|(times, pieces)| self.cost_of(model, p, times, pieces)).sum()
    }

    fn cost_of(&self, model: MotionModel, p: &[f64], times: &[f64], pieces: &[Vec<f64>]) -> f64 {
        let error = p[0].exp();
        // Times are multiples of the span but for gaps of odd length: each difference is worked out once.
        let mut known: HashMap<u64, f64> = HashMap::new();
        let mut square = |i: usize, j: usize| {
            if i == j {
                return 0.0;
            }
            let time = (times[i] - times[j]).abs();
            let of = |time: f64| model.displacement(p, time) + 2.0 * error;
            *known.entry(time.to_bits()).or_insert_with(|| of(time))
        };
        let n = times.len() - 1;
        // Covariance of two steps of a process whose steps are stationary.
        let mut between =
            |i: usize, j: usize| 0.5 * (square(i + 1, j) + square(i, j + 1) - square(i, j) - square(i + 1, j + 1));
        let mut lower: Vec<Vec<f64>> = (0..n).map(|i| (0..=i).map(|j| between(i, j)).collect()).collect();
        let mut log_determinant = 0.0;
        for i in 0..n {
            for j in 0..=i {
                let (before, from) = lower.split_at_mut(i);
                let row = &mut from[0];
                let other: &[f64] = if j < i { &before[j] } else { &[] };
                let sum: f64 = if j < i {
                    row[..j].iter().zip(&other[..j]).map(|(a, b)| a * b).sum()
                } else {
                    row[..j].iter().map(|a| a * a).sum()
                };
                let left = row[j] - sum;
                if j < i {
                    row[j] = left / other[j];
                } else {
                    if left <= 0.0 {
                        return f64::INFINITY;
                    }
                    row[j] = left.sqrt();
                    log_determinant += left.ln();
                }
            }
        }
        let mut cost = 0.0;
        let mut x = vec![0.0; n];
        for piece in pieces {
            for i in 0..n {
                let sum: f64 = lower[i][..i].iter().zip(&x[..i]).map(|(a, b)| a * b).sum();
                x[i] = (piece[i] - sum) / lower[i][i];
            }
            cost += 0.5 * (log_determinant + x.iter().map(|v| v * v).sum::<f64>());
        }
        cost
    }

    /// The likeliest parameters, and minus the log-likelihood there.
    pub(super) fn fit(&self, model: MotionModel) -> (Vec<f64>, f64) {
        let (error, d) = ((0.2 * self.square).ln(), (0.3 * self.square).ln());
        let starts: Vec<Vec<f64>> = match model {
            MotionModel::Still => vec![vec![(0.5 * self.square).ln()]],
            MotionModel::Free => vec![vec![error, d], vec![error - 3.0, d], vec![error, d - 3.0]],
            MotionModel::Confined => {
                let size = self.square.ln();
                vec![vec![error, d, size], vec![error - 2.0, d, size + 3.0], vec![error, d + 1.5, size - 1.0]]
            }
            MotionModel::Anomalous => vec![vec![error, d, 0.9], vec![error - 2.0, d, 0.5], vec![error, d - 1.0, 1.3]],
        };
        let fits = starts.iter().map(|start| minimum(start, 0.5, |p| self.cost(model, p)));
        fits.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((vec![], f64::INFINITY))
    }

    /// The 95 % profile interval of one parameter: as far as the likelihood, the others being the likeliest each time, falls
    /// by no more than 1.92. Ends beyond `range` are not looked for.
    pub(super) fn interval(
        &self,
        model: MotionModel,
        best: &(Vec<f64>, f64),
        which: usize,
        range: (f64, f64),
    ) -> (f64, f64) {
        let profile = |value: f64, start: &[f64]| {
            let insert = |others: &[f64]| {
                let mut p = others.to_vec();
                p.insert(which, value);
                p
            };
            let mut others = start.to_vec();
            others.remove(which);
            if others.is_empty() {
                return (insert(&others), self.cost(model, &insert(&others)));
            }
            let (at, cost) = minimum(&others, 0.3, |o| self.cost(model, &insert(o)));
            (insert(&at), cost)
        };
        let end = |limit: f64| {
            let inside = |cost: f64| cost - best.1 <= 0.5 * CHI2_95;
            let centre = best.0[which];
            let sign = (limit - centre).signum();
            let (mut good, mut step, mut start) = (centre, 0.1, best.0.clone());
            let mut bad = loop {
                let value = centre + sign * step;
                if (value - limit) * sign >= 0.0 {
                    if inside(profile(limit, &start).1) {
                        return limit;
                    }
                    break limit;
                }
                let (at, cost) = profile(value, &start);
                if !inside(cost) {
                    break value;
                }
                (good, start, step) = (value, at, 2.0 * step);
            };
            for _ in 0..8 {
                let middle = 0.5 * (good + bad);
                let (at, cost) = profile(middle, &start);
                if inside(cost) { (good, start) = (middle, at) } else { bad = middle }
            }
            0.5 * (good + bad)
        };
        (end(range.0), end(range.1))
    }
}
