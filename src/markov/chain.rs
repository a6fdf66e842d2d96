//! A Markov chain: what follows what in one frame interval, and what follows from that.

use super::exponential::reachable;
use crate::error::{Error, Result, check};
use crate::linear::{eigenvalues, solve};
use ndarray::{Array1, Array2, Axis};
use serde::{Deserialize, Serialize};

/// Probabilities of the next state (columns) after the present one (rows).
///
/// ```
/// use atomotion::markov::Chain;
/// use atomotion::ndarray::array;
/// let chain = Chain::new(vec!["V_S".into(), "V_2S".into()], array![[0.9, 0.1], [0.3, 0.7]], 5.0)?;
/// assert!((chain.stationary()?[0] - 0.75).abs() < 1e-12);
/// assert!((chain.first_passage_s()?[[0, 1]] - 50.0).abs() < 1e-9);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// Names of the states, in the order of rows and columns.
    pub names: Vec<String>,
    /// Rows sum to 1.
    pub probabilities: Array2<f64>,
    /// Seconds of one step.
    pub interval_s: f64,
}

/// How far a row's sum may be from 1 by rounding: what `f32` leaves.
const SUM: f64 = 1e-6;

impl Chain {
    /// From probabilities, whose rows are to sum to 1.
    ///
    /// # Errors
    /// If the matrix is not square, not of as many states as names, or has a row that is no distribution.
    pub fn new(names: Vec<String>, probabilities: Array2<f64>, interval_s: f64) -> Result<Chain> {
        let n = names.len();
        check("states", n, n > 0, "at least one state")?;
        let (rows, columns) = probabilities.dim();
        check(
            "probabilities",
            format!("{rows} x {columns}"),
            (rows, columns) == (n, n),
            format!("{n} x {n}, one row and column a state"),
        )?;
        check("interval_s", interval_s, interval_s > 0.0 && interval_s.is_finite(), "a positive number of seconds")?;
        for (name, row) in names.iter().zip(probabilities.rows()) {
            let sum: f64 = row.sum();
            let valid = row.iter().all(|p| *p >= 0.0) && (sum - 1.0).abs() < SUM;
            check("probabilities", format!("{row:.4} (from {name})"), valid, "rows of numbers from 0 that sum to 1")?;
        }
        Ok(Chain { names, probabilities, interval_s })
    }

    /// Number of states.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // there is always one
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Number of a state by its name.
    ///
    /// # Errors
    /// If there is none of that name; the error lists those that there are.
    pub fn state(&self, name: &str) -> Result<usize> {
        let found = self.names.iter().position(|n| n == name);
        found.ok_or_else(|| Error::data(format!("no state {name:?}; there are {}", self.names.join(", "))))
    }

    /// Probabilities after `steps` intervals.
    #[must_use]
    pub fn after(&self, steps: u32) -> Array2<f64> {
        let (mut power, mut base, mut left) = (Array2::eye(self.len()), self.probabilities.clone(), steps);
        while left > 0 {
            if left & 1 == 1 {
                power = power.dot(&base);
            }
            base = base.dot(&base);
            left >>= 1;
        }
        power
    }

    /// Groups of states that, once entered, are never left.
    #[must_use]
    pub fn closed(&self) -> Vec<Vec<usize>> {
        let reach = reachable(self.probabilities.view());
        let mut groups: Vec<Vec<usize>> = vec![];
        for i in 0..self.len() {
            let returns = (0..self.len()).all(|j| !reach[[i, j]] || reach[[j, i]]);
            if returns && groups.iter().all(|g| !g.contains(&i)) {
                groups.push((0..self.len()).filter(|&j| reach[[i, j]]).collect());
            }
        }
        groups
    }

    /// The distribution that a step leaves as it is, by elimination without subtractions (Grassmann, Taksar and Heyman,
    /// Oper. Res. 33, 1107, 1985), so that rare states keep their digits.
    ///
    /// # Errors
    /// If there are several such distributions: the error names the groups of states between which nothing moves.
    pub fn stationary(&self) -> Result<Array1<f64>> {
        let groups = self.closed();
        if groups.len() != 1 {
            let named: Vec<String> = groups
                .iter()
                .map(|g| g.iter().map(|&i| self.names[i].as_str()).collect::<Vec<_>>().join(", "))
                .collect();
            return Err(Error::data(format!(
                "there is no single stationary distribution: none leaves any of ({}); take the states of one of them with select",
                named.join("), (")
            )));
        }
        let states = &groups[0];
        let m = states.len();
        let mut p = Array2::from_shape_fn((m, m), |(i, j)| self.probabilities[[states[i], states[j]]]);
        for k in (1..m).rev() {
            let out: f64 = (0..k).map(|j| p[[k, j]]).sum();
            for i in 0..k {
                p[[i, k]] /= out;
                for j in 0..k {
                    p[[i, j]] += p[[i, k]] * p[[k, j]];
                }
            }
        }
        let mut weight = vec![1.0; m];
        for k in 1..m {
            weight[k] = (0..k).map(|i| weight[i] * p[[i, k]]).sum();
        }
        let total: f64 = weight.iter().sum();
        let mut all = Array1::zeros(self.len());
        states.iter().zip(weight).for_each(|(&s, w)| all[s] = w / total);
        Ok(all)
    }

    /// Mean seconds until a state (column) is first entered from another (row), or until the return to it (diagonal);
    /// infinite where it may never be.
    ///
    /// # Errors
    /// If the equations have no solution.
    pub fn first_passage_s(&self) -> Result<Array2<f64>> {
        let n = self.len();
        let p = &self.probabilities;
        let reach = reachable(p.view());
        let mut times = Array2::from_elem((n, n), f64::INFINITY);
        for to in 0..n {
            // From these the state is reached whatever happens: nothing on the way leads away from it for good.
            let sure = |i: usize| reach[[i, to]] && (0..n).all(|j| !self.avoids(i, j, to) || reach[[j, to]]);
            let from: Vec<usize> = (0..n).filter(|&i| i != to && sure(i)).collect();
            let m = from.len();
            let stay = Array2::from_shape_fn((m, m), |(i, j)| f64::from(u8::from(i == j)) - p[[from[i], from[j]]]);
            let mean = solve(stay.view(), Array2::from_elem((m, 1), self.interval_s).view())?;
            from.iter().zip(&mean).for_each(|(&i, &t)| times[[i, to]] = t);
            let back: f64 = (0..n).filter(|&j| j != to && p[[to, j]] > 0.0).map(|j| p[[to, j]] * times[[j, to]]).sum();
            times[[to, to]] = self.interval_s + back;
        }
        Ok(times)
    }

    /// Whether `j` can be reached from `i` without passing through `but`.
    fn avoids(&self, i: usize, j: usize, but: usize) -> bool {
        let (mut open, mut seen) = (vec![i], vec![false; self.len()]);
        while let Some(at) = open.pop() {
            if at == but || std::mem::replace(&mut seen[at], true) {
                continue;
            }
            if at == j {
                return true;
            }
            open.extend((0..self.len()).filter(|&k| self.probabilities[[at, k]] > 0.0));
        }
        false
    }

    /// Time scales on which the chain forgets, slowest first, in seconds: `-interval / ln |eigenvalue|` of every eigenvalue
    /// but those of size 1 (infinite: a quantity that never changes).
    ///
    /// # Errors
    /// If the eigenvalues are not found.
    pub fn time_scales_s(&self) -> Result<Vec<f64>> {
        let mut sizes: Vec<f64> =
            eigenvalues(self.probabilities.view())?.iter().map(|v| libm::hypot(v.0, v.1)).collect();
        sizes.sort_by(|a, b| b.total_cmp(a));
        let scale = |size: f64| if size > 1e-14 { -self.interval_s / libm::log(size) } else { 0.0 };
        Ok(sizes.into_iter().filter(|s| *s < 1.0 - 1e-12).map(scale).collect())
    }

    /// Mean seconds that a state lasts.
    #[must_use]
    pub fn lifetimes_s(&self) -> Vec<f64> {
        (0..self.len()).map(|i| self.interval_s / (1.0 - self.probabilities[[i, i]])).collect()
    }

    /// The chain of some of the states alone: what would leave them does not, and rows are scaled to sum to 1.
    ///
    /// # Errors
    /// If a name is none of a state, or nothing is left of a row.
    pub fn select(&self, names: &[&str]) -> Result<Chain> {
        let at = names.iter().map(|n| self.state(n)).collect::<Result<Vec<_>>>()?;
        let mut p = self.probabilities.select(Axis(0), &at).select(Axis(1), &at);
        for (name, mut row) in names.iter().zip(p.rows_mut()) {
            let sum = row.sum();
            check("states", *name, sum > 0.0, "states of which each may stay or lead to another of them")?;
            row /= sum;
        }
        Chain::new(names.iter().map(|n| (*n).to_owned()).collect(), p, self.interval_s)
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let moves = self.probabilities.indexed_iter().filter(|((i, j), p)| i != j && **p > 0.0).count();
        write!(
            f,
            "Markov chain of {} states, {moves} changes possible in a step of {} s",
            self.len(),
            self.interval_s
        )?;
        for (name, lasts) in self.names.iter().zip(self.lifetimes_s()) {
            write!(f, "\n{name:<12} lasts {lasts:.4} s")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    fn chain(p: Array2<f64>) -> Chain {
        Chain::new((0..p.nrows()).map(|i| format!("s{i}")).collect(), p, 2.0).unwrap()
    }

    proptest! {
        /// Against powers of the matrix and against the recursion of passage times, on random chains.
        #[test]
        fn stationary_and_passage_times_satisfy_their_equations(
            weights in proptest::collection::vec(0.01..1.0_f64, 16)
        ) {
            let mut p = Array2::from_shape_vec((4, 4), weights).unwrap();
            p.rows_mut().into_iter().for_each(|mut r| { let s = r.sum(); r /= s; });
            let chain = chain(p.clone());
            let pi = chain.stationary().unwrap();
            prop_assert!((&pi.dot(&p) - &pi).iter().all(|d| d.abs() < 1e-14));
            prop_assert!(chain.after(4096).row(2).iter().zip(&pi).all(|(a, b)| (a - b).abs() < 1e-9));
            let m = chain.first_passage_s().unwrap();
            for i in 0..4 {
                for j in 0..4 {
                    let rest: f64 = (0..4).filter(|&k| k != j).map(|k| p[[i, k]] * m[[k, j]]).sum();
                    prop_assert!((m[[i, j]] - 2.0 - rest).abs() < 1e-7 * m[[i, j]]);
                }
                // Kac: the mean return time is one over the stationary probability.
                prop_assert!((m[[i, i]] * pi[i] / 2.0 - 1.0).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn time_scales_are_those_of_two_states() {
        let scales = chain(array![[0.9, 0.1], [0.3, 0.7]]).time_scales_s().unwrap();
        assert!(scales.len() == 1 && (scales[0] + 2.0 / libm::log(0.6)).abs() < 1e-10, "{scales:?}");
        assert!(chain(Array2::eye(3)).time_scales_s().unwrap().is_empty());
    }

    #[test]
    fn what_is_never_left_is_known() {
        let c = chain(array![[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.2, 0.3, 0.5]]);
        assert_eq!(c.closed(), vec![vec![1]]);
        assert_eq!(c.stationary().unwrap().to_vec(), vec![0.0, 1.0, 0.0]);
        let m = c.first_passage_s().unwrap();
        assert!((m[[0, 1]] - 4.0).abs() < 1e-12 && m[[1, 0]].is_infinite() && m[[2, 0]].is_infinite(), "{m}");
        assert!(m[[0, 0]].is_infinite() && (m[[1, 1]] - 2.0).abs() < 1e-12);
        let two = chain(array![[1.0, 0.0], [0.0, 1.0]]).stationary().unwrap_err().to_string();
        assert!(two.contains("(s0), (s1)"), "{two}");
    }

    #[test]
    fn bad_probabilities_are_named() {
        let of = |p: Array2<f64>| Chain::new(vec!["a".into(), "b".into()], p, 1.0).unwrap_err().to_string();
        assert!(of(array![[0.5, 0.4], [0.0, 1.0]]).contains("from a"));
        assert!(of(array![[1.0, 0.0], [1.5, -0.5]]).contains("from b"));
        assert!(of(array![[f64::NAN, 0.0], [0.0, 1.0]]).contains("from a"));
        assert!(of(array![[1.0]]).contains("2 x 2"));
        assert!(Chain::new(vec!["a".into()], array![[1.0]], 0.0).is_err());
        assert!(chain(Array2::eye(2)).state("Mo").unwrap_err().to_string().contains("s0, s1"));
    }
}
