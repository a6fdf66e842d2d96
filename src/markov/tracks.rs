//! Tables of tracked defects: their states as sequences, and every defect read in the light of its track.

use super::estimate::Estimate;
use super::hidden::{Hidden, NOT_DETECTED, Steps, forward_backward};
use super::sequences::{Sequence, Sequences};
use crate::error::{Error, Result, check};
use crate::progress::stop_if_asked;
use ndarray::{Array1, Array2};
use polars::prelude::{DataFrame, DataType, NamedFrom, Series};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use std::collections::BTreeMap;

/// Tracks, frames and a column of names, as plain vectors.
struct Rows {
    track: Vec<Option<u32>>,
    frame: Vec<Option<u32>>,
    what: Vec<Option<String>>,
}

impl Rows {
    fn of(table: &DataFrame, column: &str) -> Result<Rows> {
        let whole = |name: &str| -> Result<Vec<Option<u32>>> {
            let found = table
                .column(name)
                .map_err(|_| Error::data(format!("the table has no column {name:?}: link the defects first")))?;
            Ok(found.cast(&DataType::UInt32)?.u32()?.iter().collect())
        };
        let what = table.column(column).map_err(|_| Error::data(format!("the table has no column {column:?}")))?;
        let what = what.cast(&DataType::String)?.str()?.iter().map(|s| s.map(str::to_owned)).collect();
        Ok(Rows { track: whole("track")?, frame: whole("frame")?, what })
    }

    /// Rows of each track by frame. Rows without a track or frame are left out.
    fn by_track(&self) -> Result<BTreeMap<u32, BTreeMap<u32, usize>>> {
        let mut tracks: BTreeMap<u32, BTreeMap<u32, usize>> = BTreeMap::new();
        for row in 0..self.track.len() {
            if let (Some(track), Some(frame)) = (self.track[row], self.frame[row])
                && tracks.entry(track).or_default().insert(frame, row).is_some()
            {
                return Err(Error::data(format!(
                    "track {track} has two rows in frame {frame}: one defect is in one place"
                )));
            }
        }
        if tracks.is_empty() {
            return Err(Error::data("there are no tracks: no row has both a track and a frame"));
        }
        Ok(tracks)
    }
}

impl Sequences {
    /// The states of tracks from a table with `track` and `frame` and a column of states' names (`state`, `species`,
    /// `class`, …). Rows in any order; rows whose name is none of the states are taken as not seen.
    ///
    /// ```
    /// use atomotion::markov::{Sequences, States};
    /// use atomotion::simulate::{Experiment, Imaging};
    /// let imaging = Imaging::clean().with_size_px(128);
    /// let recording = Experiment::ws2().with_frames(4).with_imaging(imaging).simulate(1)?;
    /// let sequences = Sequences::from_table(&recording.truth, "state", &States::ws2().names())?;
    /// assert!(sequences.steps() > 0);
    /// # Ok::<(), atomotion::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a column is missing, a track has two rows in a frame, or there is no track.
    pub fn from_table(table: &DataFrame, column: &str, states: &[String]) -> Result<Sequences> {
        let rows = Rows::of(table, column)?;
        let number: BTreeMap<&str, usize> = states.iter().enumerate().map(|(i, s)| (s.as_str(), i)).collect();
        let of = |(track, frames): (u32, BTreeMap<u32, usize>)| {
            let seen = |(&frame, &row): (&u32, &usize)| Some((frame, *number.get(rows.what[row].as_deref()?)?));
            let (frames, states) = frames.iter().filter_map(seen).unzip();
            Sequence { track, frames, states }
        };
        let tracks: Vec<Sequence> = rows.by_track()?.into_iter().map(of).filter(|s| !s.frames.is_empty()).collect();
        if tracks.is_empty() {
            return Err(Error::data(format!("no row's {column:?} is one of the states {}", states.join(", "))));
        }
        Sequences::new(states.to_vec(), tracks)
    }
}

impl Estimate {
    /// One row for each transition that may be: `from`, `to`, `count` u64, `probability`, `low`, `high`, `prior` f64.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let p = &self.chain.probabilities;
        let rows: Vec<(usize, usize)> =
            p.indexed_iter().filter(|(at, p)| **p > 0.0 || self.counts[*at] > 0).map(|(at, _)| at).collect();
        let name = |of: &dyn Fn(&(usize, usize)) -> usize| -> Vec<&str> {
            rows.iter().map(|r| self.chain.names[of(r)].as_str()).collect()
        };
        let number = |of: &Array2<f64>| rows.iter().map(|&r| of[r]).collect::<Vec<f64>>();
        let columns = vec![
            Series::new("from".into(), name(&|r| r.0)).into(),
            Series::new("to".into(), name(&|r| r.1)).into(),
            Series::new("count".into(), rows.iter().map(|&r| self.counts[r]).collect::<Vec<_>>()).into(),
            Series::new("probability".into(), number(p)).into(),
            Series::new("low".into(), number(&self.low)).into(),
            Series::new("high".into(), number(&self.high)).into(),
            Series::new("prior".into(), number(&self.prior)).into(),
        ];
        Ok(DataFrame::new(rows.len(), columns)?)
    }
}

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

impl Hidden {
    /// Reads every track of a table: re-classes its defects in the light of their tracks, and says what was there in
    /// frames in which nothing was detected.
    ///
    /// `column` has the symbol of each row (`species`, `class`, …); `probability` names the column that says how sure it
    /// is (the rest is shared by the other symbols), or nothing is doubted. Columns `p_SYMBOL`, one for each symbol,
    /// are taken instead where the table has them all.
    ///
    /// # Errors
    /// If a column is missing, a symbol is unknown, a probability is not from 0 to 1, or the user stops it.
    pub fn read(&self, table: &DataFrame, column: &str, probability: Option<&str>) -> Result<Corrected> {
        let rows = Rows::of(table, column)?;
        let seen = self.weights(table, &rows.what, column, probability)?;
        let m = self.symbols.len();
        let read = |(track, frames): (u32, BTreeMap<u32, usize>)| -> Result<Reading> {
            stop_if_asked("while reading tracks")?;
            let (first, last) = (*frames.keys().next().unwrap_or(&0), *frames.keys().last().unwrap_or(&0));
            let rows: Vec<Option<usize>> = (first..=last).map(|f| frames.get(&f).copied()).collect();
            let mut observed = Array2::zeros((rows.len(), m));
            for (t, row) in rows.iter().enumerate() {
                match row {
                    Some(row) => observed.row_mut(t).assign(&seen.row(*row)),
                    None => observed[[t, self.not_detected()?]] = 1.0,
                }
            }
            let of = |e: Error| Error::data(format!("track {track}: {e}"));
            let (posterior, (path, _)) = (self.posterior(&observed).map_err(of)?, self.path(&observed).map_err(of)?);
            Ok(Reading { track, first_frame: first, rows, observed, posterior, path })
        };
        let tracks: Vec<_> = rows.by_track()?.into_iter().collect();
        let readings = tracks.into_par_iter().map(read).collect::<Result<Vec<_>>>()?;
        let table = self.corrected(table, &rows.what, &readings)?;
        Ok(Corrected { model: self.clone(), table, readings })
    }

    fn not_detected(&self) -> Result<usize> {
        let last = self.symbols.len() - 1;
        check(
            "symbols",
            &self.symbols[last],
            self.symbols[last] == NOT_DETECTED,
            format!("{NOT_DETECTED:?} last, for frames that are missing"),
        )?;
        Ok(last)
    }

    /// Soft evidence of every row.
    fn weights(
        &self,
        table: &DataFrame,
        what: &[Option<String>],
        column: &str,
        probability: Option<&str>,
    ) -> Result<Array2<f64>> {
        let m = self.symbols.len();
        let numbers = |name: &str| -> Result<Vec<f64>> {
            let found = table.column(name).map_err(|_| Error::data(format!("the table has no column {name:?}")))?;
            Ok(found.cast(&DataType::Float64)?.f64()?.iter().map(|v| v.unwrap_or(f64::NAN)).collect())
        };
        let named: Vec<String> = self.symbols[..m - 1].iter().map(|s| format!("p_{s}")).collect();
        let mut weights = Array2::zeros((table.height(), m));
        if named.iter().all(|n| table.column(n).is_ok()) {
            for (c, name) in named.iter().enumerate() {
                weights.column_mut(c).assign(&Array1::from(numbers(name)?));
            }
            return Ok(weights);
        }
        let sure = probability.map(numbers).transpose()?;
        for (row, name) in what.iter().enumerate() {
            let Some(name) = name else { return Err(Error::data(format!("row {row} has no {column:?}"))) };
            let symbol = self.symbols.iter().position(|s| s == name);
            let symbol = symbol.ok_or_else(|| {
                Error::data(format!("row {row}: {name:?} is none of what may be seen: {}", self.symbols.join(", ")))
            })?;
            let p = sure.as_ref().map_or(1.0, |s| s[row]);
            if !(0.0..=1.0 + 1e-6).contains(&p) {
                return Err(Error::data(format!("row {row}: a probability of {p} is none: it must be from 0 to 1")));
            }
            let others = (m - 1).saturating_sub(1).max(1) as f64;
            for c in 0..m - 1 {
                weights[[row, c]] = if m == 2 { 1.0 } else { (1.0 - p).max(0.0) / others };
            }
            weights[[row, symbol]] = if m == 2 { 1.0 } else { p.min(1.0) };
        }
        Ok(weights)
    }

    fn corrected(&self, table: &DataFrame, what: &[Option<String>], readings: &[Reading]) -> Result<DataFrame> {
        let mut state: Vec<Option<String>> = vec![None; table.height()];
        let mut sure: Vec<Option<f32>> = vec![None; table.height()];
        let mut changed: Vec<Option<bool>> = vec![None; table.height()];
        for reading in readings {
            for (t, row) in reading.rows.iter().enumerate() {
                let Some(row) = *row else { continue };
                let (best, p) = reading.best(t);
                state[row] = Some(self.chain.names[best].clone());
                sure[row] = Some(p as f32);
                changed[row] = Some(what[row].as_deref() != Some(self.chain.names[best].as_str()));
            }
        }
        let mut out = table.clone();
        out.with_column(Series::new("state".into(), state).into())?;
        out.with_column(Series::new("state_probability".into(), sure).into())?;
        out.with_column(Series::new("state_changed".into(), changed).into())?;
        Ok(out)
    }

    /// How much more probable a detection is as the next sight of a track than as something new, as a logarithm: what
    /// the track may have turned into after `gap` frames, against how often each state is found at all. A link that the
    /// model forbids has minus infinity.
    ///
    /// # Errors
    /// If the observations do not fit, or `gap` is 0.
    pub fn link_score(&self, track: &Array2<f64>, detection: &Array1<f64>, gap: u32) -> Result<f64> {
        check("gap", gap, gap > 0, "at least 1 frame")?;
        let posterior = self.posterior(track)?;
        let last = posterior.row(posterior.nrows() - 1);
        let log = self.evidence(&detection.clone().insert_axis(ndarray::Axis(0)))?;
        let seen = log.row(0).mapv(libm::exp);
        let expected = last.dot(&self.chain.after(gap));
        Ok(libm::log(expected.dot(&seen)) - libm::log(self.start.dot(&seen)))
    }
}

impl Reading {
    /// The most probable state of a frame (counted from the track's first), and its probability.
    fn best(&self, t: usize) -> (usize, f64) {
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
