//! Tracks as sequences of states, and the counts that everything is estimated from.

use crate::error::{Error, Result};
use ndarray::{Array2, Array3};
use std::collections::BTreeMap;

/// The states of one track in the frames in which it was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sequence {
    /// Number of the track.
    pub track: u32,
    /// Frames, ascending; where one is missing the track was not seen.
    pub frames: Vec<u32>,
    /// The state in each of them, as a row of the chain.
    pub states: Vec<usize>,
}

/// Sequences of all tracks.
///
/// ```
/// use atomotion::markov::Sequences;
/// let sequences = Sequences::from_states(vec!["a".into(), "b".into()], &[vec![0, 0, 1, 1], vec![1, 1, 0]])?;
/// assert_eq!(sequences.counts()[&1], atomotion::ndarray::array![[1_u64, 1], [1, 2]]);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Sequences {
    /// Names of the states.
    pub names: Vec<String>,
    /// One a track.
    pub tracks: Vec<Sequence>,
}

impl Sequences {
    /// Checks that frames ascend and that states are among the names. Tracks of one frame are kept: they are counted, but
    /// tell of no transition.
    ///
    /// # Errors
    /// If there is no track, or one is not as it should be: the error names it.
    pub fn new(names: Vec<String>, tracks: Vec<Sequence>) -> Result<Sequences> {
        if tracks.is_empty() {
            return Err(Error::data(
                "there are no tracks: link the defects first, and look at how many rows have a track",
            ));
        }
        for t in &tracks {
            if t.frames.len() != t.states.len() {
                return Err(Error::data(format!(
                    "track {}: {} frames and {} states",
                    t.track,
                    t.frames.len(),
                    t.states.len()
                )));
            }
            if let Some(pair) = t.frames.windows(2).find(|pair| pair[0] >= pair[1]) {
                let what = if pair[0] == pair[1] { "twice" } else { "out of order" };
                return Err(Error::data(format!("track {}: frame {} comes {what}", t.track, pair[1])));
            }
            if let Some(&s) = t.states.iter().find(|s| **s >= names.len()) {
                return Err(Error::data(format!(
                    "track {}: state {s}, but there are {} (from 0)",
                    t.track,
                    names.len()
                )));
            }
        }
        Ok(Sequences { names, tracks })
    }

    /// From the states of every frame of every track, none missing.
    ///
    /// # Errors
    /// Those of [`Sequences::new`].
    pub fn from_states(names: Vec<String>, tracks: &[Vec<usize>]) -> Result<Sequences> {
        let of = |(i, states): (usize, &Vec<usize>)| Sequence {
            track: i as u32,
            frames: (0..states.len() as u32).collect(),
            states: states.clone(),
        };
        Sequences::new(names, tracks.iter().enumerate().map(of).collect())
    }

    /// From (row) to (column), by how many frames lie between: 1 is from one frame to the next.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<u32, Array2<u64>> {
        let n = self.names.len();
        let mut counts = BTreeMap::new();
        for track in &self.tracks {
            for i in 1..track.frames.len() {
                let gap = track.frames[i] - track.frames[i - 1];
                let of = counts.entry(gap).or_insert_with(|| Array2::zeros((n, n)));
                of[[track.states[i - 1], track.states[i]]] += 1;
            }
        }
        counts
    }

    /// Three frames in a row: before, present, next.
    #[must_use]
    pub fn triples(&self) -> Array3<u64> {
        let n = self.names.len();
        let mut counts = Array3::zeros((n, n, n));
        for track in &self.tracks {
            for (f, s) in track.frames.windows(3).zip(track.states.windows(3)) {
                if f[2] - f[0] == 2 {
                    counts[[s[0], s[1], s[2]]] += 1;
                }
            }
        }
        counts
    }

    /// How often each state was seen.
    #[must_use]
    pub fn seen(&self) -> Vec<u64> {
        let mut seen = vec![0; self.names.len()];
        self.tracks.iter().flat_map(|t| &t.states).for_each(|&s| seen[s] += 1);
        seen
    }

    /// Steps between frames that were both seen, whatever lies between.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.tracks.iter().map(|t| t.frames.len().saturating_sub(1)).sum()
    }
}

impl std::fmt::Debug for Sequences {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seen: Vec<String> = self.names.iter().zip(self.seen()).map(|(name, n)| format!("{name} {n}")).collect();
        write!(f, "{} tracks, {} steps; states seen: {}", self.tracks.len(), self.steps(), seen.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_over_missing_frames_are_kept_apart() {
        let track = Sequence { track: 7, frames: vec![2, 3, 5, 6, 7], states: vec![0, 1, 1, 0, 0] };
        let s = Sequences::new(vec!["a".into(), "b".into()], vec![track]).unwrap();
        let counts = s.counts();
        assert_eq!((counts[&1][[0, 1]], counts[&1][[1, 0]], counts[&1][[0, 0]], counts[&2][[1, 1]]), (1, 1, 1, 1));
        assert_eq!((s.triples().sum(), s.triples()[[1, 0, 0]]), (1, 1));
    }

    #[test]
    fn bad_tracks_are_named() {
        let of = |frames: Vec<u32>, states: Vec<usize>| {
            Sequences::new(vec!["a".into()], vec![Sequence { track: 9, frames, states }]).unwrap_err().to_string()
        };
        assert!(of(vec![1, 1], vec![0, 0]).contains("track 9: frame 1 comes twice"));
        assert!(of(vec![3, 1], vec![0, 0]).contains("out of order"));
        assert!(of(vec![1], vec![4]).contains("state 4"));
        assert!(Sequences::new(vec![], vec![]).unwrap_err().to_string().contains("no tracks"));
    }
}
