//! Tables of tracked defects: their states as sequences, and every defect read in the light of its track.

use super::chain::Chain;
use super::corrected::{Corrected, Reading};
use super::estimate::Estimate;
use super::hidden::{Hidden, NOT_DETECTED};
use super::sequences::{Sequence, Sequences};
use crate::error::{Error, Result, check};
use crate::progress::stop_if_asked;
use ndarray::{Array1, Array2, Axis};
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

impl Hidden {
    /// From what a classifier called defects whose state is known (those of a simulated movie): `state` and `called` are
    /// columns of names. Half a call is added to each, so that what did not happen in so many calls is not taken for
    /// impossible. Tracks start in a state as often as the table has it. Rows of other states than the chain's, and calls
    /// that are no state of it, are left out. `recall` is how often a defect is detected at all.
    ///
    /// ```
    /// use atomotion::prelude::*;
    /// let chain = Chain::new(vec!["V_S".into(), "V_2S".into()], array![[0.99, 0.01], [0.0, 1.0]], 5.0)?;
    /// let calls = df!("truth" => ["V_S", "V_S", "V_S", "V_2S"], "species" => ["V_S", "V_S", "V_2S", "V_2S"])?;
    /// let hidden = Hidden::from_calls(chain, &calls, "truth", "species", 0.9)?;
    /// assert!((hidden.emission[[0, 0]] - 0.9 * 2.5 / 4.0).abs() < 1e-12);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If a column is missing, no row is of a state of the chain, or `recall` is not from 0 to 1.
    pub fn from_calls(chain: Chain, table: &DataFrame, state: &str, called: &str, recall: f64) -> Result<Hidden> {
        let words = |name: &str| -> Result<Vec<Option<usize>>> {
            let column = table.column(name).map_err(|_| Error::data(format!("the table has no column {name:?}")))?;
            let column = column.cast(&DataType::String)?;
            Ok(column.str()?.iter().map(|word| chain.names.iter().position(|n| Some(n.as_str()) == word)).collect())
        };
        let n = chain.len();
        let mut counts = Array2::from_elem((n, n), 0.5);
        let mut start = Array1::from_elem(n, 0.5);
        let mut seen = 0;
        for (state, called) in words(state)?.into_iter().zip(words(called)?) {
            if let (Some(state), Some(called)) = (state, called) {
                counts[[state, called]] += 1.0;
                start[state] += 1.0;
                seen += 1;
            }
        }
        if seen == 0 {
            let names = chain.names.join(", ");
            return Err(Error::data(format!("no row has both {state:?} and {called:?} among the states {names}")));
        }
        let sums = counts.sum_axis(Axis(1)).insert_axis(Axis(1));
        let hidden = Hidden::from_confusion(chain, counts / sums, &vec![recall; n])?;
        Ok(Hidden { start: &start / start.sum(), ..hidden })
    }

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
