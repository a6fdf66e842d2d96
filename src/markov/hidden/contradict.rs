//! Whether soft evidence contradicts the model that reads it, and where.

use super::{Hidden, Learning, Smoothed, forward_backward_all, impossible};
use crate::error::{Error, Result, check};
use crate::markov::contradiction::{Contradiction, LEVEL, Verdict};
use crate::markov::statistics::draw;
use crate::session::seeded;
use crate::statistics::holm;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What stands for a forbidden move's probability where evidence for it is summed up: too little to change anything else.
const LEAK: f64 = 1e-9;

/// For each track and each move the evidence for more of it (negative: for less): its mean is 0 if the model is right.
struct Scores {
    /// Tracks, then from (row) to (column).
    each: Vec<Array2<f64>>,
    /// Expected number of moves, of all tracks.
    moves: Array2<f64>,
}

impl Hidden {
    /// Tests the model's chain against what was seen of tracks, without calling any frame one state or another: counts of
    /// called states are no fair test, for calls err, and err towards what the model expects.
    ///
    /// For each move the score is summed over tracks, the derivative of the log-likelihood by the move's probability,
    /// whose mean is 0 under the right chain (Cox and Hinkley, Theoretical Statistics, 1974, section 4.8); that of a
    /// forbidden move as the logarithm of what allowing it would gain. How far a sum may be off by chance is what `draws`
    /// simulations of the chain show, each of as many tracks of the same lengths, seen as the tracks' own frames were in
    /// the states that they most probably show. The p-value of a move is that of the *largest* deviation of all moves
    /// (Westfall and Young, Resampling-based multiple testing, 1993), so that a right model is accused of any with a
    /// probability of 2.5 %, and of any state's row as a whole with another 2.5 %.
    ///
    /// Of the result, `count` is as the tracks themselves would have it (by the model learnt from them), `expected` as the
    /// chain has it for as many frames in each state.
    ///
    /// ```
    /// use atomotion::markov::{Chain, Hidden};
    /// use atomotion::ndarray::{Array2, array};
    /// let chain = Chain::new(vec!["Mo_W".into(), "V_S".into()], array![[1.0, 0.0], [0.0, 1.0]], 5.0)?;
    /// let hidden = Hidden::from_confusion(chain, array![[0.95, 0.05], [0.05, 0.95]], &[1.0, 1.0])?;
    /// // Ten tracks, each of which changes in the middle: never, says the chain.
    /// let track = Array2::from_shape_fn((12, 3), |(t, s)| f64::from(u8::from(s == t / 6)));
    /// let verdict = hidden.contradictions(&vec![track; 10], 100, 1)?;
    /// assert!(verdict.disagrees());
    /// # Ok::<(), atomotion::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are no tracks, fewer than 40 draws, evidence is no distribution, or the user stops it.
    pub fn contradictions(&self, tracks: &[Array2<f64>], draws: usize, seed: u64) -> Result<Verdict> {
        check("draws", draws, (40..=100_000).contains(&draws), "40 to 100000 simulations")?;
        if tracks.is_empty() {
            return Err(Error::data("there are no tracks to hold against the model"));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seeded("Hidden::contradictions", seed));
        let leaky = self.leaky();
        let found = leaky.scores(tracks)?;
        let read = leaky.posteriors(tracks)?;
        let seen = seen_as(&read, self.chain.len());
        let first = read.iter().fold(Array1::zeros(self.chain.len()), |sum: Array1<f64>, p| sum + p.row(0));
        let first = &first / first.sum();
        let per_leave = found.moves.sum_axis(Axis(1)).mapv(|n| 1.0 / (n + 1.0));
        let sum = |scores: &Scores| self.sums(scores, per_leave.as_slice().unwrap_or(&[]));
        let mut simulated = Vec::with_capacity(draws);
        for _ in 0..draws {
            let made = self.simulated(tracks, &first, &seen, &mut rng);
            simulated.push(sum(&leaky.scores(&made)?));
        }
        let learnt = leaky.learn(tracks, &Learning::default().with_rounds(30).with_tolerance(1e-4))?.model;
        let count = learnt.scores(tracks)?.moves;
        Ok(self.verdict(&sum(&found), &simulated, &count))
    }

    /// The same with a little chance of every forbidden move.
    fn leaky(&self) -> Hidden {
        let mut leaky = self.clone();
        leaky.chain.probabilities.mapv_inplace(|p| if p > 0.0 { p } else { LEAK });
        for mut row in leaky.chain.probabilities.rows_mut() {
            let sum = row.sum();
            row /= sum;
        }
        leaky
    }

    fn scores(&self, tracks: &[Array2<f64>]) -> Result<Scores> {
        let logs = self.evidence_of(tracks)?;
        let views: Vec<ArrayView2<f64>> = logs.iter().map(Array2::view).collect();
        let read = forward_backward_all(&self.steps()?, &views, true, "while looking for contradictions")?;
        let p = &self.chain.probabilities;
        let mut moves = Array2::zeros(p.dim());
        let mut each = Vec::with_capacity(tracks.len());
        for found in read {
            let Smoothed { moves: made, .. } = found.ok_or_else(impossible)?;
            moves += &made;
            let leaves = made.sum_axis(Axis(1));
            each.push(Array2::from_shape_fn(p.dim(), |(i, j)| made[[i, j]] / p[[i, j]] - leaves[i]));
        }
        Ok(Scores { each, moves })
    }

    /// Tracks as the chain makes them, as long as these, seen as these were.
    fn simulated(
        &self,
        tracks: &[Array2<f64>],
        first: &Array1<f64>,
        seen: &[Vec<(f64, usize, usize)>],
        rng: &mut ChaCha8Rng,
    ) -> Vec<Array2<f64>> {
        let one = |track: &Array2<f64>| {
            let mut made = Array2::zeros(track.dim());
            let mut at = draw(first.iter().copied(), rng);
            for t in 0..track.nrows() {
                if t > 0 {
                    at = draw(self.chain.probabilities.row(at).iter().copied(), rng);
                }
                let all = seen[at].last().map_or(0.0, |l| l.0);
                let wanted = rng.r#gen::<f64>() * all;
                let place = seen[at].partition_point(|s| s.0 <= wanted).min(seen[at].len() - 1);
                let (_, i, from) = seen[at][place];
                made.row_mut(t).assign(&tracks[i].row(from));
            }
            made
        };
        tracks.iter().map(one).collect()
    }

    fn sums(&self, scores: &Scores, per_leave: &[f64]) -> Array2<f64> {
        let p = &self.chain.probabilities;
        let gain = |i: usize, u: f64| libm::log1p((per_leave[i] * u).max(-0.5));
        Array2::from_shape_fn(p.dim(), |(i, j)| match p[[i, j]] > 0.0 {
            true => scores.each.iter().map(|u| u[[i, j]]).sum::<f64>(),
            false => scores.each.iter().map(|u| gain(i, u[[i, j]])).sum(),
        })
    }

    fn verdict(&self, found: &Array2<f64>, simulated: &[Array2<f64>], count: &Array2<f64>) -> Verdict {
        let (n, draws) = (self.chain.len(), simulated.len() as f64);
        let mean = simulated.iter().fold(Array2::<f64>::zeros(found.dim()), |sum, s| sum + s) / draws;
        let spread = simulated.iter().fold(Array2::zeros(found.dim()), |sum, s| sum + (s - &mean).mapv(|d| d * d));
        let spread = spread.mapv(|v: f64| libm::sqrt(v / draws));
        // In standard deviations; of a forbidden move only evidence for it counts, and of a state that is never left none.
        let off = |sums: &Array2<f64>| {
            Array2::from_shape_fn(found.dim(), |(i, j)| {
                let off: f64 = (sums[[i, j]] - mean[[i, j]]) / spread[[i, j]];
                match self.chain.probabilities[[i, j]] > 0.0 {
                    _ if !off.is_finite() || spread[[i, j]] < 1e-12 => 0.0,
                    true => off.abs(),
                    false => off.max(0.0),
                }
            })
        };
        let (found, simulated): (Array2<f64>, Vec<Array2<f64>>) = (off(found), simulated.iter().map(off).collect());
        let beyond = |largest: &mut dyn Iterator<Item = f64>, value: f64| {
            (largest.filter(|l| *l >= value).count() as f64 + 1.0) / (draws + 1.0)
        };
        let tops: Vec<f64> = simulated.iter().map(|s| s.iter().copied().fold(0.0, f64::max)).collect();
        let row = |s: &Array2<f64>, i: usize| s.row(i).iter().map(|z| z * z).sum::<f64>();
        let (mut states, mut transitions) = (vec![], vec![]);
        for i in (0..n).filter(|&i| found.row(i).sum() > 0.0) {
            let name = |j: usize| self.chain.names[j].clone();
            let one = |to: Option<usize>, p_value: f64, corrected: f64| Contradiction {
                from: name(i),
                to: to.map(name),
                count: to.map_or_else(|| count.row(i).sum(), |j| count[[i, j]]),
                expected: count.row(i).sum() * to.map_or(1.0, |j| self.chain.probabilities[[i, j]]),
                p_value,
                corrected,
            };
            states.push(one(None, beyond(&mut simulated.iter().map(|s| row(s, i)), row(&found, i)), 1.0));
            for j in (0..n).filter(|&j| found[[i, j]] > 0.0) {
                let p_value = beyond(&mut simulated.iter().map(|s| s[[i, j]]), found[[i, j]]);
                transitions.push(one(Some(j), p_value, beyond(&mut tops.iter().copied(), found[[i, j]])));
            }
        }
        let corrected = holm(&states.iter().map(|c: &Contradiction| c.p_value).collect::<Vec<_>>());
        states.iter_mut().zip(corrected).for_each(|(c, p)| c.corrected = p);
        Verdict { states, transitions, level: LEVEL }
    }
}

/// For each state, frames of the tracks (track, frame) with the sums of their probabilities to be it.
fn seen_as(read: &[Array2<f64>], states: usize) -> Vec<Vec<(f64, usize, usize)>> {
    let mut seen = vec![vec![]; states];
    for (i, posterior) in read.iter().enumerate() {
        for ((t, s), &p) in posterior.indexed_iter() {
            let before = seen[s].last().map_or(0.0, |l: &(f64, usize, usize)| l.0);
            seen[s].push((before + p, i, t));
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markov::chain::Chain;
    use ndarray::array;

    fn model(p: Array2<f64>) -> Hidden {
        let chain = Chain::new(vec!["a".into(), "b".into(), "c".into()], p, 1.0).unwrap();
        Hidden::from_confusion(chain, array![[0.8, 0.15, 0.05], [0.1, 0.8, 0.1], [0.05, 0.15, 0.8]], &[0.9, 0.8, 0.9])
            .unwrap()
    }

    fn right() -> Hidden {
        model(array![[0.9, 0.1, 0.0], [0.04, 0.92, 0.04], [0.0, 0.1, 0.9]])
    }

    /// Tracks of 12 frames that one hidden model makes.
    fn tracks(model: &Hidden, count: usize, seed: u64) -> Vec<Array2<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let one = |_| {
            let mut made = Array2::zeros((12, 4));
            let mut at = draw(model.start.iter().copied(), &mut rng);
            for t in 0..12 {
                if t > 0 {
                    at = draw(model.chain.probabilities.row(at).iter().copied(), &mut rng);
                }
                made[[t, draw(model.emission.row(at).iter().copied(), &mut rng)]] = 1.0;
            }
            made
        };
        (0..count).map(one).collect()
    }

    /// 60 sets of tracks that the model itself makes: at a level of 5 % about 3 are accused; 8 or more by chance once in
    /// a hundred times, and none once in twenty.
    #[test]
    fn the_right_model_is_accused_at_the_level() {
        let model = right();
        let accused = (0..60_u64)
            .filter(|&seed| model.contradictions(&tracks(&model, 40, seed), 100, seed).unwrap().disagrees())
            .count();
        println!("{accused} of 60 accused");
        assert!(accused < 8, "{accused} of 60");
    }

    #[test]
    fn a_wrong_model_is_accused_where_it_is_wrong() {
        let seen = tracks(&right(), 200, 7);
        let forbids = model(array![[1.0, 0.0, 0.0], [0.04, 0.92, 0.04], [0.0, 0.1, 0.9]]);
        let verdict = forbids.contradictions(&seen, 200, 1).unwrap();
        assert!(verdict.found().any(|c| c.from == "a" && c.to.as_deref() == Some("b")), "{verdict:?}");
        let slow = model(array![[0.9, 0.1, 0.0], [0.04, 0.92, 0.04], [0.0, 0.01, 0.99]]);
        let verdict = slow.contradictions(&seen, 200, 1).unwrap();
        assert!(verdict.disagrees() && verdict.found().any(|c| c.from == "c"), "{verdict:?}");
        assert!(right().contradictions(&[], 200, 1).is_err() && right().contradictions(&seen, 3, 1).is_err());
    }
}
