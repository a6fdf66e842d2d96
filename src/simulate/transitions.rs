//! How often each state is followed by each other, from many replicas, and how far that is from a Markov chain.

use super::matter::Matter;
use super::states::{STATES, State};
use super::statistics::wilson;
use crate::error::{Result, check};
use crate::session::seeded;
use crate::statistics::chi_squared_tail;
use ndarray::{Array2, Array3, Axis};
use polars::prelude::{DataFrame, NamedFrom, Series};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

/// Transition counts of sites' states from one frame to the next, over replicas with their own seeds.
///
/// ```
/// use atomotion::simulate::Matter;
/// let transitions = Matter::ws2().transitions(6.0, 30, 5.0, 4, 1)?; // 4 replicas; 20 and more for use
/// let p = transitions.probabilities(); // (19, 19), rows sum to 1 where the state was seen
/// assert!(p[[0, 0]] > 0.99, "a perfect site nearly always stays one");
/// println!("{}", transitions.table()?);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Transitions {
    /// The states' names, in the order of rows and columns.
    pub names: Vec<String>,
    /// From (row) to (column), one frame later.
    pub counts: Array2<u64>,
    /// From, to, and after that.
    pub second: Array3<u64>,
    /// Seconds from one frame to the next.
    pub interval_s: f64,
    /// How many replicas were counted.
    pub replicas: usize,
}

/// How far counts are from those of a Markov chain.
#[derive(Clone, Debug, PartialEq)]
pub struct MarkovTest {
    /// Likelihood ratio of second against first order (Anderson and Goodman, Ann. Math. Stat. 28, 89, 1957): twice the log.
    /// Here and below, of triples that a Markov chain would show at least once.
    pub likelihood_ratio: f64,
    /// Pearson's chi-squared of the same counts.
    pub chi_squared: f64,
    /// What chi-squared is on average for a Markov chain: its degrees of freedom, in part where triples are left out.
    pub degrees: f64,
    /// Probability of a chi-squared this large if the chain were of first order and sites independent. Neighbouring sites
    /// change together, and a million steps find the slightest memory: look at the sizes below.
    pub p_value: f64,
    /// What the state before the present one tells of the next, in bits a transition out of any state but the perfect
    /// lattice: about 0 for a Markov chain (what chance gives is taken off).
    pub memory_bits: f64,
    /// One row a state: `state`, `count`, `chapman_kolmogorov` (total variation between the chances two frames later and
    /// those of the squared matrix: 0 for a Markov chain, at most 1), and `by_chance` (what as many counts give anyway).
    pub by_state: DataFrame,
}

impl Matter {
    /// Counts transitions at the frame interval in `replicas` runs with seeds of their own, at all sites one period and
    /// more inside the square.
    ///
    /// # Errors
    /// If an option is out of range, or the user stops it.
    pub fn transitions(
        &self,
        side_nm: f64,
        frames: usize,
        interval_s: f64,
        replicas: usize,
        seed: u64,
    ) -> Result<Transitions> {
        check("frames", frames, frames > 2, "at least 3 frames")?;
        check("replicas", replicas, (1..=10_000).contains(&replicas), "from 1 to 10000")?;
        let seed = seeded("Transitions", seed);
        let inner = side_nm / 2.0 - self.crystal.period_nm();
        let second = (0..replicas as u64)
            .into_par_iter()
            .map(|r| self.count(side_nm, inner, frames, interval_s, seed.wrapping_add(1 + r)))
            .try_reduce(|| Array3::zeros((STATES, STATES, STATES)), |a, b| Ok(a + b))?;
        let names = State::ALL.iter().map(|s| s.name(&self.crystal)).collect();
        Ok(Transitions::new(names, second, interval_s, replicas))
    }

    fn count(&self, side_nm: f64, inner: f64, frames: usize, interval_s: f64, seed: u64) -> Result<Array3<u64>> {
        let mut counts = Array3::zeros((STATES, STATES, STATES));
        let mut seen: Vec<[u8; 3]> = vec![];
        self.watch(side_nm, frames, interval_s, seed, |sites, frame, specimen| {
            seen.resize(sites.len(), [0; 3]);
            for (site, last) in seen.iter_mut().enumerate() {
                *last = [last[1], last[2], specimen.state(sites, site).index() as u8];
                let inside = libm::fabs(sites.at_nm[site][0]) < inner && libm::fabs(sites.at_nm[site][1]) < inner;
                if frame > 1 && inside {
                    counts[last.map(usize::from)] += 1;
                }
            }
            Ok(())
        })?;
        Ok(counts)
    }
}

impl Transitions {
    /// From counts of three frames in a row.
    pub(super) fn new(names: Vec<String>, second: Array3<u64>, interval_s: f64, replicas: usize) -> Transitions {
        // The last two frames of every three: each pair but a run's first is among them.
        let counts = second.sum_axis(Axis(0));
        Transitions { names, counts, second, interval_s, replicas }
    }

    /// The same with states lumped that differ only in orientation, in whether a dopant is near, or in reconstruction.
    #[must_use]
    pub fn lumped(&self) -> Transitions {
        let mut second = Array3::zeros((STATES, STATES, STATES));
        let to = State::ALL.map(|s| s.lumped().index());
        for ((i, j, k), &n) in self.second.indexed_iter() {
            second[[to[i], to[j], to[k]]] += n;
        }
        // Of those that are lumped, only the first keeps its name, less the orientation.
        let name = |(i, name): (usize, &String)| if to[i] == i { shared(name) } else { format!("({name})") };
        let names = self.names.iter().enumerate().map(name).collect();
        Transitions::new(names, second, self.interval_s, self.replicas)
    }

    /// Probabilities of the next state: rows sum to 1, or are 0 for states never seen.
    #[must_use]
    pub fn probabilities(&self) -> Array2<f64> {
        normalised(&self.counts)
    }

    /// One row for each transition that was seen, and for staying: `from`, `to`, `count` u64, `probability`, and its 95 %
    /// interval by Wilson, `low` and `high`.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let totals = self.counts.sum_axis(Axis(1));
        let seen: Vec<_> =
            self.counts.indexed_iter().filter(|((i, j), n)| **n > 0 || (i == j && totals[*i] > 0)).collect();
        let interval: Vec<(f64, f64)> = seen.iter().map(|((i, _), n)| wilson(**n, totals[*i])).collect();
        let name = |at: &dyn Fn(&(usize, usize)) -> usize| -> Vec<&str> {
            seen.iter().map(|(place, _)| self.names[at(place)].as_str()).collect()
        };
        let columns = vec![
            Series::new("from".into(), name(&|p| p.0)).into(),
            Series::new("to".into(), name(&|p| p.1)).into(),
            Series::new("count".into(), seen.iter().map(|(_, n)| **n).collect::<Vec<_>>()).into(),
            Series::new(
                "probability".into(),
                seen.iter().map(|((i, _), n)| **n as f64 / totals[*i].max(1) as f64).collect::<Vec<_>>(),
            )
            .into(),
            Series::new("low".into(), interval.iter().map(|i| i.0).collect::<Vec<_>>()).into(),
            Series::new("high".into(), interval.iter().map(|i| i.1).collect::<Vec<_>>()).into(),
        ];
        Ok(DataFrame::new(seen.len(), columns)?)
    }

    /// Tests whether the next state depends on the present one alone.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn markov_test(&self) -> Result<MarkovTest> {
        let before = self.second.sum_axis(Axis(2)); // what came before the present state, and it
        let present = self.counts.sum_axis(Axis(1));
        let (mut ratio, mut chi_squared, mut degrees, mut leaving) = (0.0, 0.0, 0.0, 0.0);
        for ((i, j, k), &n) in self.second.indexed_iter() {
            let (n, all) = (n as f64, present[j].max(1) as f64);
            let (before, after) = (before[[i, j]] as f64 / all, self.counts[[j, k]] as f64 / all);
            let expected = before * after * all;
            leaving += if j == State::Lattice.index() { 0.0 } else { n };
            if expected >= 1.0 {
                let logarithm = if n > 0.0 { n * libm::log(n / expected) } else { 0.0 };
                ratio += 2.0 * (logarithm - (n - expected));
                chi_squared += (n - expected) * (n - expected) / expected;
                degrees += (1.0 - before) * (1.0 - after);
            }
        }
        let excess = f64::max(chi_squared - degrees, 0.0);
        Ok(MarkovTest {
            likelihood_ratio: ratio,
            chi_squared,
            degrees,
            p_value: chi_squared_tail(chi_squared, degrees),
            memory_bits: excess / (2.0 * leaving.max(1.0) * std::f64::consts::LN_2),
            by_state: self.two_steps()?,
        })
    }

    /// Chances two frames later, as seen and from the squared matrix.
    fn two_steps(&self) -> Result<DataFrame> {
        let first = normalised(&self.second.sum_axis(Axis(2))); // the chain's step into the present
        let squared = first.dot(&self.probabilities());
        let twice = self.second.sum_axis(Axis(1));
        let (seen, totals) = (normalised(&twice), twice.sum_axis(Axis(1)));
        let rows: Vec<usize> = (0..totals.len()).filter(|&i| totals[i] > 0).collect();
        let distance = |i: usize| 0.5 * (&seen.row(i) - &squared.row(i)).mapv(f64::abs).sum();
        let chance = |i: usize| {
            // Mean absolute deviation of a count, as if it were normal.
            let of = |p: &f64| libm::sqrt(2.0 * p * (1.0 - p) / (std::f64::consts::PI * totals[i] as f64));
            0.5 * seen.row(i).iter().map(of).sum::<f64>()
        };
        let columns = vec![
            Series::new("state".into(), rows.iter().map(|&i| self.names[i].as_str()).collect::<Vec<_>>()).into(),
            Series::new("count".into(), rows.iter().map(|&i| totals[i]).collect::<Vec<_>>()).into(),
            Series::new("chapman_kolmogorov".into(), rows.iter().map(|&i| distance(i)).collect::<Vec<_>>()).into(),
            Series::new("by_chance".into(), rows.iter().map(|&i| chance(i)).collect::<Vec<_>>()).into(),
        ];
        Ok(DataFrame::new(rows.len(), columns)?)
    }
}

/// A name without its orientation.
fn shared(name: &str) -> String {
    name.split('/').next().unwrap_or(name).to_owned()
}

fn normalised(counts: &Array2<u64>) -> Array2<f64> {
    let mut p = counts.mapv(|n| n as f64);
    for mut row in p.rows_mut() {
        let sum = row.sum();
        if sum > 0.0 {
            row /= sum;
        }
    }
    p
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Counts of `steps` steps of a chain with this matrix, states seen through `shown`.
    fn chain(matrix: &[[f64; 3]; 3], shown: [usize; 3], steps: usize, seed: u64) -> Transitions {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut counts = Array3::zeros((3, 3, 3));
        let mut last = [0, 0, 0];
        for step in 0..steps {
            let row = matrix[last[2]];
            let u: f64 = rng.r#gen();
            let next = if u < row[0] { 0 } else { 1 + usize::from(u >= row[0] + row[1]) };
            last = [last[1], last[2], next];
            if step > 2 {
                counts[last.map(|s| shown[s])] += 1;
            }
        }
        Transitions::new(["a", "b", "c"].map(String::from).to_vec(), counts, 1.0, 1)
    }

    const MATRIX: [[f64; 3]; 3] = [[0.8, 0.2, 0.0], [0.1, 0.6, 0.3], [0.3, 0.0, 0.7]];

    /// Under a true chain p is uniform: of 200 tests some ten are below 0.05, by chance never 25 (one in 20,000).
    #[test]
    fn a_true_chain_passes_as_often_as_it_should() {
        let p: Vec<f64> =
            (0..200).map(|seed| chain(&MATRIX, [0, 1, 2], 5000, seed).markov_test().unwrap().p_value).collect();
        let low = p.iter().filter(|p| **p < 0.05).count();
        assert!((1..25).contains(&low), "{low} of 200 below 0.05");
    }

    #[test]
    fn a_lumped_chain_is_found_out() {
        // Seen as two states, a cycle of three remembers.
        let cycle = [[0.1, 0.9, 0.0], [0.0, 0.1, 0.9], [0.9, 0.0, 0.1]];
        let (whole, lumped) = (chain(&cycle, [0, 1, 2], 5000, 1), chain(&cycle, [0, 1, 1], 5000, 1));
        let (whole, lumped) = (whole.markov_test().unwrap(), lumped.markov_test().unwrap());
        assert!(whole.p_value > 1e-3 && lumped.p_value < 1e-12, "{} and {}", whole.p_value, lumped.p_value);
        let far =
            lumped.by_state.column("chapman_kolmogorov").unwrap().f64().unwrap().iter().flatten().fold(0.0, f64::max);
        assert!(far > 0.2, "{far}");
    }

    #[test]
    fn probabilities_are_those_of_the_chain_within_their_intervals() {
        let transitions = chain(&MATRIX, [0, 1, 2], 100_000, 3);
        let table = transitions.table().unwrap();
        let number = |name: &str| table.column(name).unwrap().f64().unwrap().clone();
        let (low, high) = (number("low"), number("high"));
        let truth = [0.8, 0.2, 0.1, 0.6, 0.3, 0.3, 0.7];
        assert_eq!(table.height(), truth.len(), "{table}");
        // Seven intervals at 95 %: one may miss by a little; none by as much as its own width.
        for (i, p) in truth.into_iter().enumerate() {
            let (low, high) = (low.get(i).unwrap(), high.get(i).unwrap());
            assert!((2.0 * low - high..2.0 * high - low).contains(&p), "{p} not near {low} to {high}");
        }
    }
}
