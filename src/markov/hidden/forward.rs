//! Forward-backward and Viterbi on the log-likelihoods of one track.
//!
//! Every frame's likelihoods are scaled by their largest and every forward vector by its sum, which costs one
//! exponential a number; where a track's frames contradict the zeros so much that this underflows, the same is done in
//! logarithms (the slow version, to which tests hold the fast one).

use ndarray::{Array1, Array2, ArrayView2};

/// Start and transitions of a hidden chain, as plain numbers.
pub(crate) struct Steps<'a> {
    pub start: &'a [f64],
    /// One row after the other.
    pub transition: &'a [f64],
}

/// What one track's frames say together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Smoothed {
    pub log_likelihood: f64,
    /// Probability of each state (column) in each frame (row).
    pub states: Array2<f64>,
    /// Expected number of transitions from (row) to (column).
    pub moves: Array2<f64>,
}

pub(super) const LEAST: f64 = 1e-200;

/// Likelihoods of a frame over their largest, and its logarithm; none where all are 0.
fn scaled(log: ndarray::ArrayView1<f64>, into: &mut [f64]) -> Option<f64> {
    let most = log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    into.iter_mut().zip(log).for_each(|(v, l)| *v = libm::exp(l - most));
    most.is_finite().then_some(most)
}

/// The logarithm of the likelihood alone.
pub(crate) fn log_likelihood(steps: &Steps, log: ArrayView2<f64>) -> f64 {
    let n = steps.start.len();
    let (mut forward, mut next, mut seen) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let mut sum = 0.0;
    for (t, row) in log.rows().into_iter().enumerate() {
        let Some(most) = scaled(row, &mut seen) else { return f64::NEG_INFINITY };
        if t == 0 {
            next.copy_from_slice(steps.start);
        } else {
            advance(&forward, steps.transition, &mut next);
        }
        next.iter_mut().zip(&seen).for_each(|(a, b)| *a *= b);
        let total: f64 = next.iter().sum();
        if total < LEAST {
            return in_logarithms(steps, log, false).map_or(f64::NEG_INFINITY, |s| s.log_likelihood);
        }
        forward.iter_mut().zip(&next).for_each(|(f, a)| *f = a / total);
        sum += most + libm::log(total);
    }
    sum
}

/// `next = from · transition`.
#[inline]
fn advance(from: &[f64], transition: &[f64], next: &mut [f64]) {
    next.fill(0.0);
    for (f, row) in from.iter().zip(transition.chunks_exact(next.len())) {
        next.iter_mut().zip(row).for_each(|(a, p)| *a += f * p);
    }
}

/// None where no path has a probability. For many tracks `lanes.rs` is faster.
pub(crate) fn forward_backward(steps: &Steps, log: ArrayView2<f64>, moves: bool) -> Option<Smoothed> {
    let (frames, n) = log.dim();
    let mut forward = vec![0.0; frames * n];
    let mut seen = vec![0.0; frames * n];
    let mut scale = vec![0.0; frames];
    let mut sum = 0.0;
    let mut next = vec![0.0; n];
    for t in 0..frames {
        let row = &mut seen[t * n..(t + 1) * n];
        let most = scaled(log.row(t), row)?;
        if t == 0 {
            next.copy_from_slice(steps.start);
        } else {
            advance(&forward[(t - 1) * n..t * n], steps.transition, &mut next);
        }
        next.iter_mut().zip(&*row).for_each(|(a, b)| *a *= b);
        let total: f64 = next.iter().sum();
        if total < LEAST {
            return in_logarithms(steps, log, moves);
        }
        forward[t * n..(t + 1) * n].iter_mut().zip(&next).for_each(|(f, a)| *f = a / total);
        scale[t] = total;
        sum += most + libm::log(total);
    }
    let mut expected = vec![0.0; if moves { n * n } else { 0 }];
    let (mut backward, mut weighted) = (vec![1.0; n], vec![0.0; n]);
    let mut states = vec![0.0; frames * n];
    for t in (0..frames).rev() {
        let here = &forward[t * n..(t + 1) * n];
        if t + 1 < frames {
            // The next frame's evidence and what comes after it.
            let after = &seen[(t + 1) * n..(t + 2) * n];
            weighted.iter_mut().zip(after).zip(&backward).for_each(|((w, s), b)| *w = s * b / scale[t + 1]);
            for (i, row) in steps.transition.chunks_exact(n).enumerate() {
                backward[i] = row.iter().zip(&weighted).map(|(p, w)| p * w).sum();
            }
            if moves {
                for (i, row) in steps.transition.chunks_exact(n).enumerate() {
                    let into = &mut expected[i * n..(i + 1) * n];
                    into.iter_mut().zip(row).zip(&weighted).for_each(|((e, p), w)| *e += here[i] * p * w);
                }
            }
        }
        let into = &mut states[t * n..(t + 1) * n];
        into.iter_mut().zip(here).zip(&backward).for_each(|((s, a), b)| *s = a * b);
        let total: f64 = into.iter().sum();
        if total.is_nan() || total <= LEAST {
            return in_logarithms(steps, log, moves);
        }
        into.iter_mut().for_each(|s| *s /= total);
    }
    let shaped =
        |v: Vec<f64>, rows: usize| Array2::from_shape_vec((rows, n), v).unwrap_or_else(|_| Array2::zeros((rows, n)));
    Some(Smoothed {
        log_likelihood: sum,
        states: shaped(states, frames),
        moves: shaped(expected, if moves { n } else { 0 }),
    })
}

/// Logarithm of a sum of exponentials.
pub(crate) fn log_sum(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY { most } else { most + libm::log(values.map(|v| libm::exp(v - most)).sum()) }
}

/// The same in logarithms throughout.
pub(crate) fn in_logarithms(steps: &Steps, log: ArrayView2<f64>, moves: bool) -> Option<Smoothed> {
    let (frames, n) = log.dim();
    let p = Array2::from_shape_fn((n, n), |(i, j)| libm::log(steps.transition[i * n + j]));
    let mut forward = Array2::from_elem((frames, n), f64::NEG_INFINITY);
    let mut backward = Array2::zeros((frames, n));
    for t in 0..frames {
        for j in 0..n {
            let before = if t == 0 {
                libm::log(steps.start[j])
            } else {
                log_sum((0..n).map(|i| forward[[t - 1, i]] + p[[i, j]]))
            };
            forward[[t, j]] = before + log[[t, j]];
        }
    }
    let sum = log_sum(forward.row(frames - 1).iter().copied());
    if !sum.is_finite() {
        return None;
    }
    for t in (0..frames - 1).rev() {
        for i in 0..n {
            backward[[t, i]] = log_sum((0..n).map(|j| p[[i, j]] + log[[t + 1, j]] + backward[[t + 1, j]]));
        }
    }
    let states = Array2::from_shape_fn((frames, n), |(t, i)| libm::exp(forward[[t, i]] + backward[[t, i]] - sum));
    let mut expected = Array2::zeros((if moves { n } else { 0 }, n));
    if moves {
        for t in 1..frames {
            for i in 0..n {
                for j in 0..n {
                    expected[[i, j]] +=
                        libm::exp(forward[[t - 1, i]] + p[[i, j]] + log[[t, j]] + backward[[t, j]] - sum);
                }
            }
        }
    }
    Some(Smoothed { log_likelihood: sum, states, moves: expected })
}

/// The most probable path as a whole, and the logarithm of its probability together with the evidence.
pub(crate) fn viterbi(steps: &Steps, log: ArrayView2<f64>) -> Option<(Array1<usize>, f64)> {
    let (frames, n) = log.dim();
    let p: Vec<f64> = steps.transition.iter().map(|p| libm::log(*p)).collect();
    let mut best: Vec<f64> = (0..n).map(|i| libm::log(steps.start[i]) + log[[0, i]]).collect();
    let mut from = Array2::<usize>::zeros((frames, n));
    for t in 1..frames {
        let mut next = vec![f64::NEG_INFINITY; n];
        for (i, b) in best.iter().enumerate() {
            for (j, v) in next.iter_mut().enumerate() {
                let through = b + p[i * n + j];
                if through > *v {
                    *v = through;
                    from[[t, j]] = i;
                }
            }
        }
        next.iter_mut().enumerate().for_each(|(j, v)| *v += log[[t, j]]);
        best = next;
    }
    let (mut at, most) =
        best.iter().copied().enumerate().fold((0, f64::NEG_INFINITY), |a, b| if b.1 > a.1 { b } else { a });
    if !most.is_finite() {
        return None;
    }
    let mut path = Array1::zeros(frames);
    for t in (0..frames).rev() {
        path[t] = at;
        at = from[[t, at]];
    }
    Some((path, most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sums and maxima over all paths: the obvious slow version.
    fn all_paths(start: &[f64], p: &[f64], log: &Array2<f64>) -> (f64, Array2<f64>, Array2<f64>, f64) {
        let (frames, n) = log.dim();
        let (mut total, mut best) = (0.0, 0.0_f64);
        let (mut states, mut moves) = (Array2::<f64>::zeros((frames, n)), Array2::<f64>::zeros((n, n)));
        for code in 0..n.pow(frames as u32) {
            let path: Vec<usize> = (0..frames).map(|t| code / n.pow(t as u32) % n).collect();
            let mut w = start[path[0]] * log[[0, path[0]]].exp();
            for t in 1..frames {
                w *= p[path[t - 1] * n + path[t]] * log[[t, path[t]]].exp();
            }
            total += w;
            best = best.max(w);
            for t in 0..frames {
                states[[t, path[t]]] += w;
                if t > 0 {
                    moves[[path[t - 1], path[t]]] += w;
                }
            }
        }
        (total.ln(), states / total, moves / total, best.ln())
    }

    fn normalised(mut v: Vec<f64>, n: usize) -> Vec<f64> {
        // Some structural zeros, none on the diagonal.
        v.iter_mut().enumerate().for_each(|(k, x)| {
            if *x < 0.25 && k / n != k % n {
                *x = 0.0
            }
        });
        v.chunks_mut(n).for_each(|row| {
            let s: f64 = row.iter().sum();
            row.iter_mut().for_each(|x| *x /= s)
        });
        v
    }

    proptest! {
        #[test]
        fn scaled_and_logarithmic_agree_with_all_paths(
            start in proptest::collection::vec(0.05..1.0_f64, 3),
            p in proptest::collection::vec(0.01..1.0_f64, 9),
            log in proptest::collection::vec(-8.0..2.0_f64, 15),
        ) {
            let start = normalised(start, 4); // one row of 3
            let sum: f64 = start.iter().sum();
            let start: Vec<f64> = start.iter().map(|s| s / sum).collect();
            prop_assume!(sum > 0.0);
            let p = normalised(p, 3);
            let log = Array2::from_shape_vec((5, 3), log).unwrap();
            let steps = Steps { start: &start, transition: &p };
            let (likelihood, states, moves, best) = all_paths(&start, &p, &log);
            for found in [forward_backward(&steps, log.view(), true).unwrap(), in_logarithms(&steps, log.view(), true).unwrap()] {
                prop_assert!((found.log_likelihood - likelihood).abs() < 1e-10);
                prop_assert!((&found.states - &states).iter().all(|d| d.abs() < 1e-11));
                prop_assert!((&found.moves - &moves).iter().all(|d| d.abs() < 1e-10));
            }
            prop_assert!((log_likelihood(&steps, log.view()) - likelihood).abs() < 1e-10);
            prop_assert!((viterbi(&steps, log.view()).unwrap().1 - best).abs() < 1e-10);
        }
    }

    #[test]
    fn evidence_against_all_that_is_allowed_is_done_in_logarithms() {
        // State 1 can only be left; the evidence wants it throughout, by more than a number can hold.
        let steps = Steps { start: &[1.0, 0.0], transition: &[1.0, 0.0, 0.5, 0.5] };
        let log = Array2::from_shape_fn((4, 2), |(_, s)| if s == 0 { -900.0 } else { 0.0 });
        let found = forward_backward(&steps, log.view(), true).unwrap();
        assert!((found.log_likelihood + 3600.0).abs() < 1e-9 && found.states.column(0).iter().all(|p| *p == 1.0));
        assert_eq!(viterbi(&steps, log.view()).unwrap().0.to_vec(), vec![0; 4]);
        let never = log.mapv(|l| if l < 0.0 { f64::NEG_INFINITY } else { l });
        assert!(forward_backward(&steps, never.view(), false).is_none() && viterbi(&steps, never.view()).is_none());
    }
}
