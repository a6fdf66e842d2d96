//! Tracks as a model reads them, and why.

use super::hidden::{Hidden, Steps, forward_backward};
use super::sequences::{Sequence, Sequences};
use crate::error::{Error, Result, check};
use ndarray::{Array1, Array2};
use polars::prelude::{DataFrame, NamedFrom, Series};

/// One track as the model reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Number of the track.
    pub track: u32,
    /// Its first frame; there is one row below for this and every frame up to its last.
    pub first_frame: u32,
    /// The table's row of each frame; none where nothing was detected.
    pub rows: Vec<Option<usize>>,
    /// What was seen, as the model takes it: a column a symbol.
    pub observed: Array2<f64>,
    /// Probability of each state.
    pub posterior: Array2<f64>,
    /// The most probable states of all frames together.
    pub path: Array1<usize>,
}

/// Tracks read by a hidden Markov model.
#[derive(Clone)]
pub struct Corrected {
    /// The model.
    pub model: Hidden,
    /// The rows that were given, with what they are now: `state` (the most probable) and `state_probability`, null where
    /// a row has no track; `state_changed` says whether it was called otherwise.
    pub table: DataFrame,
    /// Every track.
    pub readings: Vec<Reading>,
}

/// Why a defect is called what it is: the three things that are multiplied.
#[derive(Clone, PartialEq)]
pub struct Why {
    /// Which track and frame.
    pub track: u32,
    /// Which frame.
    pub frame: u32,
    /// Names of the states.
    pub names: Vec<String>,
    /// What the frames before lead to expect.
    pub before: Vec<f64>,
    /// What this frame's evidence says by itself (scaled to sum to 1).
    pub here: Vec<f64>,
    /// How well the frames after follow from each state (scaled to sum to 1).
    pub after: Vec<f64>,
    /// All together.
    pub posterior: Vec<f64>,
}

impl Reading {
    /// The most probable state of a frame (counted from the track's first), and its probability.
    pub(super) fn best(&self, t: usize) -> (usize, f64) {
        self.posterior.row(t).iter().copied().enumerate().fold((0, -1.0), |a, b| if b.1 > a.1 { b } else { a })
    }
}

impl Corrected {
    /// Rows whose class was changed.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn changed(&self) -> Result<usize> {
        Ok(self.table.column("state_changed")?.bool()?.iter().flatten().filter(|c| *c).count())
    }

    /// Frames between a track's first and last in which nothing was detected: `track` u32, `frame` u32, `state`,
    /// `state_probability` f64.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn gaps(&self) -> Result<DataFrame> {
        let (mut track, mut frame, mut state, mut sure) = (vec![], vec![], vec![], vec![]);
        for reading in &self.readings {
            for (t, _) in reading.rows.iter().enumerate().filter(|(_, row)| row.is_none()) {
                let (best, p) = reading.best(t);
                track.push(reading.track);
                frame.push(reading.first_frame + t as u32);
                state.push(self.model.chain.names[best].as_str());
                sure.push(p);
            }
        }
        let columns = vec![
            Series::new("track".into(), &track).into(),
            Series::new("frame".into(), frame).into(),
            Series::new("state".into(), state).into(),
            Series::new("state_probability".into(), sure).into(),
        ];
        Ok(DataFrame::new(track.len(), columns)?)
    }

    /// The tracks' states as the model reads them, frames without detection included.
    ///
    /// # Errors
    /// Those of [`Sequences::new`].
    pub fn sequences(&self) -> Result<Sequences> {
        let of = |r: &Reading| Sequence {
            track: r.track,
            frames: (r.first_frame..r.first_frame + r.rows.len() as u32).collect(),
            states: r.path.to_vec(),
        };
        Sequences::new(self.model.chain.names.clone(), self.readings.iter().map(of).collect())
    }

    /// Why a track is what it is in a frame.
    ///
    /// # Errors
    /// If there is no such track, or it is not there in that frame.
    pub fn why(&self, track: u32, frame: u32) -> Result<Why> {
        let found = self.readings.iter().find(|r| r.track == track);
        let reading = found
            .ok_or_else(|| Error::data(format!("there is no track {track}; there are {}", self.readings.len())))?;
        let last = reading.first_frame + reading.rows.len() as u32 - 1;
        check(
            "frame",
            frame,
            (reading.first_frame..=last).contains(&frame),
            format!("{} to {last}, the frames of track {track}", reading.first_frame),
        )?;
        let t = (frame - reading.first_frame) as usize;
        let log = self.model.evidence(&reading.observed)?;
        let n = self.model.chain.len();
        let scaled = |v: Vec<f64>| {
            let sum: f64 = v.iter().sum();
            v.into_iter().map(|x| x / sum).collect::<Vec<f64>>()
        };
        // The frame's own evidence taken out, and the frames after it: what is expected from before.
        let steps = self.model.steps()?;
        let before = match t {
            0 => self.model.start.to_vec(),
            t => {
                let past = smoothed(&steps, &log, 0..t)?;
                past.row(t - 1).dot(&self.model.chain.probabilities).to_vec()
            }
        };
        let most = log.row(t).iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let here = scaled(log.row(t).iter().map(|l| libm::exp(l - most)).collect());
        let posterior = reading.posterior.row(t).to_vec();
        let after = (0..n)
            .map(|s| if before[s] * here[s] > 0.0 { posterior[s] / (before[s] * here[s]) } else { 0.0 })
            .collect();
        Ok(Why { track, frame, names: self.model.chain.names.clone(), before, here, after: scaled(after), posterior })
    }
}

fn smoothed(steps: &Steps, log: &Array2<f64>, frames: std::ops::Range<usize>) -> Result<Array2<f64>> {
    let found = forward_backward(steps, log.slice(ndarray::s![frames, ..]), false);
    Ok(found.ok_or_else(|| Error::data("what was seen before is impossible under the model"))?.states)
}

impl std::fmt::Debug for Corrected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows: usize = self.readings.iter().map(|r| r.rows.iter().flatten().count()).sum();
        let gaps: usize = self.readings.iter().map(|r| r.rows.iter().filter(|row| row.is_none()).count()).sum();
        let changed = self.changed().unwrap_or(0);
        write!(
            f,
            "{} tracks, {rows} rows: {changed} called otherwise than before, {gaps} frames without detection filled",
            self.readings.len()
        )
    }
}

impl std::fmt::Debug for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Track {} in frame {}:\n{:<14}{:>9}{:>9}{:>9}{:>11}",
            self.track, self.frame, "state", "before", "here", "after", "together"
        )?;
        let mut order: Vec<usize> = (0..self.names.len()).collect();
        order.sort_by(|&a, &b| self.posterior[b].total_cmp(&self.posterior[a]));
        for s in order {
            write!(
                f,
                "\n{:<14}{:>9.4}{:>9.4}{:>9.4}{:>11.4}",
                self.names[s], self.before[s], self.here[s], self.after[s], self.posterior[s]
            )?;
        }
        Ok(())
    }
}
