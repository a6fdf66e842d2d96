//! Whether tracks contradict what physics says, and where.

use super::chain::Chain;
use super::sequences::Sequences;
use super::statistics::{binomial_p, draw};
use crate::error::{Result, check};
use crate::session::seeded;
use crate::statistics::holm;
use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// One state, or one transition, held against the physics.
#[derive(Clone, Debug, PartialEq)]
pub struct Contradiction {
    /// State that was left.
    pub from: String,
    /// The next one; none for all that follows `from` together.
    pub to: Option<String>,
    /// How often it was seen; of hidden states, how often it probably happened.
    pub count: f64,
    /// How often the physics expects it among as many transitions out of `from`.
    pub expected: f64,
    /// Probability of counts as far off, if the physics is right.
    pub p_value: f64,
    /// The same, corrected for how many were tested (Holm).
    pub corrected: f64,
}

/// What tracks say of the physics.
#[derive(Clone, PartialEq)]
pub struct Verdict {
    /// Each state with all that follows it: a likelihood-ratio test, whose distribution is simulated.
    pub states: Vec<Contradiction>,
    /// Each transition by itself: exact binomial tests.
    pub transitions: Vec<Contradiction>,
    /// Probability of accusing the right physics: 0.05, one half of it for the states, the other for the transitions.
    pub level: f64,
}

/// From which corrected p-value on something counts as a contradiction.
pub(super) const LEVEL: f64 = 0.05;

/// Simulated rows for each state: p-values are no finer than one over this.
const DRAWS: usize = 4000;

/// Tests the chain that physics gives against the transitions of tracks from one frame to the next.
///
/// Tracks of neighbouring defects change together; where they do, p-values are smaller than they should be.
///
/// ```
/// use atomotion::markov::{Chain, Sequences, contradictions};
/// use atomotion::ndarray::array;
/// let names = vec!["Mo_W".to_string(), "Mo_W+V_S".to_string()];
/// let physics = Chain::new(names.clone(), array![[0.99, 0.01], [0.0, 1.0]], 5.0)?;
/// let tracks = Sequences::from_states(names, &[vec![0, 1, 1, 0, 0, 0, 1]])?;
/// let verdict = contradictions(&tracks, &physics, 1)?;
/// assert!(verdict.found().any(|c| c.from == "Mo_W+V_S" && c.to.as_deref() == Some("Mo_W")));
/// # Ok::<(), atomotion::Error>(())
/// ```
///
/// # Errors
/// If the chain is of other states.
pub fn contradictions(sequences: &Sequences, physics: &Chain, seed: u64) -> Result<Verdict> {
    let names = &sequences.names;
    check("physics", physics.names.join(", "), physics.names == *names, format!("a chain of {}", names.join(", ")))?;
    let n = names.len();
    let counts = sequences.counts().remove(&1).unwrap_or_else(|| Array2::zeros((n, n)));
    let mut rng = ChaCha8Rng::seed_from_u64(seeded("contradictions", seed));
    let (mut states, mut transitions) = (vec![], vec![]);
    for i in 0..n {
        let (row, p) = (counts.row(i), physics.probabilities.row(i));
        let total = row.sum();
        if total == 0 {
            continue;
        }
        let ratio = |counts: &[u64]| -> f64 {
            let of = |(&c, &p): (&u64, &f64)| match (c, p > 0.0) {
                (0, _) => 0.0,
                (_, false) => f64::INFINITY,
                (c, true) => 2.0 * c as f64 * libm::log(c as f64 / (total as f64 * p)),
            };
            counts.iter().zip(p).map(of).sum()
        };
        let found = ratio(&row.to_vec());
        let p_value = if found.is_infinite() {
            0.0
        } else {
            let more = (0..DRAWS)
                .filter(|_| ratio(&multinomial(total, p.as_slice().unwrap_or(&[]), &mut rng)) >= found - 1e-9)
                .count();
            (more + 1) as f64 / (DRAWS + 1) as f64
        };
        states.push(Contradiction {
            from: names[i].clone(),
            to: None,
            count: total as f64,
            expected: total as f64,
            p_value,
            corrected: 1.0,
        });
        for j in 0..n {
            let (count, expected) = (row[j], p[j] * total as f64);
            // What neither is seen nor expected cannot contradict.
            if count > 0 || expected > 1e-3 {
                let p_value = binomial_p(count, total, p[j]);
                let to = Some(names[j].clone());
                transitions.push(Contradiction {
                    from: names[i].clone(),
                    to,
                    count: count as f64,
                    expected,
                    p_value,
                    corrected: 1.0,
                });
            }
        }
    }
    for of in [&mut states, &mut transitions] {
        let corrected = holm(&of.iter().map(|c: &Contradiction| c.p_value).collect::<Vec<_>>());
        of.iter_mut().zip(corrected).for_each(|(c, p)| c.corrected = p);
    }
    Ok(Verdict { states, transitions, level: LEVEL })
}

/// Counts of `total` draws. Binomial parts one after the other, each by inversion or, where it is large, draw by draw.
fn multinomial(total: u64, p: &[f64], rng: &mut ChaCha8Rng) -> Vec<u64> {
    let most = p.iter().copied().enumerate().fold((0, 0.0), |a, b| if b.1 > a.1 { b } else { a }).0;
    let rest = 1.0 - p[most];
    let (mut counts, mut left) = (vec![0; p.len()], total);
    // Draws that are not of the most probable: gaps between them are geometric.
    if rest > 0.0 {
        let log = libm::log1p(-rest.min(1.0 - 1e-12));
        let mut position = 0.0;
        loop {
            use rand::Rng;
            position += 1.0 + libm::floor(libm::log(1.0 - rng.r#gen::<f64>()) / log);
            if position > total as f64 {
                break;
            }
            let k = draw(p.iter().enumerate().map(|(j, p)| if j == most { 0.0 } else { p / rest }), rng);
            counts[k] += 1;
            left -= 1;
        }
    }
    counts[most] = left;
    counts
}

impl Verdict {
    /// Transitions that contradict the physics, the surest first.
    pub fn found(&self) -> impl Iterator<Item = &Contradiction> {
        let mut found: Vec<&Contradiction> =
            self.transitions.iter().filter(|c| c.corrected < 0.5 * self.level).collect();
        let off = |c: &Contradiction| (c.count - c.expected).abs() / libm::sqrt(c.expected + 1.0);
        found.sort_by(|a, b| a.corrected.total_cmp(&b.corrected).then(off(b).total_cmp(&off(a))));
        found.into_iter()
    }

    /// Whether any state's or transition's counts contradict the physics.
    #[must_use]
    pub fn disagrees(&self) -> bool {
        self.states.iter().chain(&self.transitions).any(|c| c.corrected < 0.5 * self.level)
    }
}

impl std::fmt::Debug for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.disagrees() {
            return write!(
                f,
                "The tracks do not contradict the physics ({} states, {} transitions tested)",
                self.states.len(),
                self.transitions.len()
            );
        }
        write!(f, "The tracks contradict the physics:")?;
        for c in self.states.iter().filter(|c| c.corrected < 0.5 * self.level) {
            write!(f, "\nwhat follows {} as a whole, p = {:.2e}", c.from, c.corrected)?;
        }
        for c in self.found() {
            let to = c.to.as_deref().unwrap_or("anything");
            if c.expected < 1e-3 {
                write!(f, "\n{} -> {to} is forbidden, and was seen {:.0} times", c.from, c.count)?;
            } else {
                write!(
                    f,
                    "\n{} -> {to} was seen {:.1} times, expected {:.1}, p = {:.1e}",
                    c.from, c.count, c.expected, c.corrected
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn tracks(p: &Array2<f64>, frames: usize, seed: u64) -> Sequences {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let track = |start: usize, rng: &mut ChaCha8Rng| {
            let mut at = start;
            let mut step = || {
                let next = draw(p.row(at).iter().copied(), rng);
                std::mem::replace(&mut at, next)
            };
            (0..frames).map(|_| step()).collect::<Vec<_>>()
        };
        let all: Vec<Vec<usize>> = (0..12).map(|t| track(t % 3, &mut rng)).collect();
        Sequences::from_states(["a", "b", "c"].map(String::from).to_vec(), &all).unwrap()
    }

    fn chain(p: Array2<f64>) -> Chain {
        Chain::new(["a", "b", "c"].map(String::from).to_vec(), p, 1.0).unwrap()
    }

    /// 200 data sets under the physics: at a level of 5 % in all, about 10 false alarms, more than 22 by chance once in 4000.
    #[test]
    fn right_physics_is_rarely_accused() {
        let p = array![[0.9, 0.1, 0.0], [0.05, 0.9, 0.05], [0.0, 0.2, 0.8]];
        let alarms = (0..200)
            .filter(|&seed| contradictions(&tracks(&p, 60, seed), &chain(p.clone()), 1).unwrap().disagrees())
            .count();
        assert!(alarms <= 22, "{alarms} of 200");
    }

    #[test]
    fn wrong_physics_is_named_at_its_transition() {
        let p = array![[0.9, 0.1, 0.0], [0.05, 0.9, 0.05], [0.0, 0.2, 0.8]];
        let physics = chain(array![[0.99, 0.01, 0.0], [0.05, 0.9, 0.05], [0.0, 0.2, 0.8]]);
        let verdict = contradictions(&tracks(&p, 200, 3), &physics, 1).unwrap();
        assert!(verdict.disagrees());
        assert!(verdict.found().all(|c| c.from == "a") && verdict.found().count() > 0, "{verdict:?}");
        let forbids = chain(array![[0.9, 0.1, 0.0], [0.05, 0.95, 0.0], [0.0, 0.2, 0.8]]);
        let verdict = contradictions(&tracks(&p, 200, 3), &forbids, 1).unwrap();
        assert!(verdict.found().any(|c| c.from == "b" && c.to.as_deref() == Some("c") && c.p_value == 0.0));
        assert!(format!("{verdict:?}").contains("b -> c is forbidden"));
    }

    #[test]
    fn multinomial_counts_have_the_right_means() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut sums = [0_u64; 3];
        for _ in 0..2000 {
            let c = multinomial(50, &[0.7, 0.05, 0.25], &mut rng);
            assert_eq!(c.iter().sum::<u64>(), 50);
            sums.iter_mut().zip(c).for_each(|(s, c)| *s += c);
        }
        // Standard errors of the three sums are about 150, 70 and 140.
        assert!((sums[0] as f64 - 70_000.0).abs() < 600.0 && (sums[1] as f64 - 5000.0).abs() < 300.0, "{sums:?}");
    }
}
