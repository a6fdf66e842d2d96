//! How many defects of each kind there are in each frame: per area that is still lattice, per site, in total.

mod bands;
mod changes;
mod level;
mod result;

pub use result::{Amount, Change, Concentrations, Count, Trend};

use super::sightings::{self, Groups, Sightings};
use crate::defects::Area;
use crate::detect::Interval;
use crate::error::{Error, Result, check, setters};
use crate::session::seeded;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the intervals of a count are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bands {
    /// Poisson's, exact (Garwood, Biometrika 28, 437, 1936): defects stand where they stand independently of each other.
    #[default]
    Poisson,
    /// Percentiles of resampled squares of the field: right for clustered defects as well, once there are many squares that
    /// hold some. Where none of the squares holds any it says 0 to 0.
    Blocks,
}

/// Counts defects by frame and kind, and says what the counts mean.
///
/// ```
/// use atomotion::prelude::*;
/// let recording = Experiment::ws2().with_frames(4).with_imaging(Imaging::clean().with_size_px(128)).simulate(1)?;
/// let amounts = Concentration::default().of(&recording)?;
/// println!("{}", amounts.table()?);
/// assert_eq!(amounts.of("Mo_W")?.len(), 4);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Concentration {
    /// The column that says of which kind a defect is; by default `species`, or `class` where there is no species.
    pub by: Option<String>,
    /// Area of the whole frame in nm², for tables that do not know how much of each frame is lattice.
    pub area_nm2: Option<f64>,
    /// Area of lattice for each site that may hold a defect, in nm²: for WS2 0.0862, the cell's.
    pub nm2_per_site: Option<f64>,
    /// How many frames the movie has, for tables that do not know; by default up to the last one with a defect.
    pub frames: Option<u32>,
    /// Where the intervals come from (default: Poisson).
    pub bands: Bands,
    /// Squares along each side of the field, for [`Bands::Blocks`] (default 5).
    pub blocks: usize,
    /// Resamples, and simulations of a change's p-value (default 499).
    pub resamples: usize,
    /// Seed of both.
    pub seed: u64,
    /// Chance of a change where there is none (default 0.05).
    pub alpha: f64,
    known: BTreeMap<String, (f64, f64, f64, f64, f64, f64)>,
}

impl Default for Concentration {
    fn default() -> Self {
        Concentration {
            by: None,
            area_nm2: None,
            nm2_per_site: None,
            frames: None,
            bands: Bands::Poisson,
            blocks: 5,
            resamples: 499,
            seed: 0,
            alpha: 0.05,
            known: BTreeMap::new(),
        }
    }
}

impl Concentration {
    setters! {
        by: Option<String> => with_by,
        area_nm2: Option<f64> => with_area_nm2,
        nm2_per_site: Option<f64> => with_nm2_per_site,
        frames: Option<u32> => with_frames,
        bands: Bands => with_bands,
        blocks: usize => with_blocks,
        resamples: usize => with_resamples,
        seed: u64 => with_seed,
        alpha: f64 => with_alpha,
    }

    /// Says how well defects of a kind are detected: counts are multiplied by the precision and divided by the recall,
    /// and the intervals of both widen those of the counts.
    #[must_use]
    pub fn with_detection(mut self, kind: impl Into<String>, recall: Interval, precision: Interval) -> Self {
        let all = (recall.value, recall.low, recall.high, precision.value, precision.low, precision.high);
        self.known.insert(kind.into(), all);
        self
    }

    fn validate(&self) -> Result<()> {
        for (name, value) in [("area_nm2", self.area_nm2), ("nm2_per_site", self.nm2_per_site)] {
            let value = value.unwrap_or(1.0);
            check(name, value, value.is_finite() && value > 0.0, "a positive area in nm²")?;
        }
        check("blocks", self.blocks, (2..=100).contains(&self.blocks), "from 2 to 100 squares along a side")?;
        check("resamples", self.resamples, (19..=1_000_000).contains(&self.resamples), "from 19 to 1000000")?;
        check("alpha", self.alpha, self.alpha > 0.0 && self.alpha < 1.0, "between 0 and 1")?;
        let least = 1.0 / (self.resamples as f64 + 1.0);
        check("alpha", self.alpha, self.alpha >= least, format!("{least} or more with {} resamples", self.resamples))?;
        for (kind, k) in &self.known {
            for (name, (value, low, high)) in [("recall", (k.0, k.1, k.2)), ("precision", (k.3, k.4, k.5))] {
                let valid = low > 0.0 && low <= value && value <= high && high <= 1.0;
                let shown = format!("{value} ({low} to {high})");
                check(name, shown, valid, format!("for {kind} a fraction above 0, up to 1, inside its interval"))?;
            }
        }
        Ok(())
    }

    /// Counts.
    ///
    /// # Errors
    /// If an option is out of range, there is no defect, or a column is missing.
    pub fn of(&self, of: &impl Sightings) -> Result<Concentrations> {
        self.validate()?;
        seeded("Concentration", self.seed);
        let table = of.sightings();
        let frames = sightings::frames(table)?;
        let groups = Groups::of(table, self.by.as_deref())?;
        for kind in self.known.keys() {
            groups.find(kind)?;
        }
        let times = sightings::times(table, &frames)?;
        let axis = self.frames_of(of, &frames, &times)?;
        let index: BTreeMap<u32, usize> = axis.iter().enumerate().map(|(i, f)| (f.frame, i)).collect();
        let mut rows = vec![vec![vec![]; axis.len()]; groups.names.len()];
        for (row, frame) in frames.iter().enumerate() {
            let Some(&i) = index.get(frame) else {
                return Err(Error::data(format!("frame {frame} has defects, but lies beyond the movie's frames")));
            };
            rows[groups.of[row]][i].push(row);
        }
        let blocks = (self.bands == Bands::Blocks).then(|| bands::Blocks::of(table, self)).transpose()?;
        let kinds = groups.names.iter().zip(&rows).map(|(name, rows)| {
            let counts = axis.iter().zip(rows).map(|(at, rows)| {
                let n = rows.len() as f64;
                let (low, high) = blocks.as_ref().map_or_else(|| bands::poisson(n), |b| b.interval(rows, at.frame));
                let seen = Interval { value: n, low, high };
                Count { seen: rows.len(), amount: self.amount(name, seen, at), frame: at.frame, time_s: at.time_s }
            });
            (name.clone(), counts.collect())
        });
        let by = groups.by.clone().unwrap_or("kind".into());
        Ok(Concentrations { kinds: kinds.collect(), by, options: self.clone() })
    }

    /// Frames with their times and lattice areas.
    fn frames_of(&self, of: &impl Sightings, frames: &[u32], times: &[f64]) -> Result<Vec<Axis>> {
        if let Some(areas) = of.lattice_areas() {
            let one = |a: &Area| Axis {
                frame: a.frame,
                time_s: areas.calibration().time_s(a.frame),
                area_nm2: areas.calibration().known.then_some(a.lattice_nm2),
            };
            let mut all: Vec<Axis> = areas.frames().iter().map(one).collect();
            all.sort_by_key(|a| a.frame);
            return Ok(all);
        }
        let last = frames.iter().copied().max().unwrap_or(0);
        let count = self.frames.unwrap_or(last.saturating_add(1));
        check(
            "frames",
            count,
            count > last,
            format!("{} or more: there are defects in frame {last}", u64::from(last) + 1),
        )?;
        check("the number of frames", count, count <= 10_000_000, "10000000 or fewer")?;
        // Seconds a frame, from the rows: frames without defects have a time as well.
        let (first, end) = (argument(frames, false), argument(frames, true));
        let span = f64::from(frames[end] - frames[first]);
        let per_frame = if span > 0.0 { (times[end] - times[first]) / span } else { 1.0 };
        let time = |f: u32| times[first] + per_frame * (f64::from(f) - f64::from(frames[first]));
        Ok((0..count).map(|frame| Axis { frame, time_s: time(frame), area_nm2: self.area_nm2 }).collect())
    }

    fn amount(&self, kind: &str, seen: Interval, at: &Axis) -> Amount {
        let total = match self.known.get(kind) {
            None => seen,
            Some(&(r, rl, rh, p, pl, ph)) => {
                let recall = Interval { value: r, low: rl, high: rh };
                bands::corrected(seen, recall, Interval { value: p, low: pl, high: ph })
            }
        };
        let scaled = |by: f64| Interval { value: total.value * by, low: total.low * by, high: total.high * by };
        let area = at.area_nm2.filter(|a| *a > 0.0);
        Amount {
            total,
            per_nm2: area.map(|a| scaled(1.0 / a)),
            per_site: area.zip(self.nm2_per_site).map(|(a, s)| scaled(s / a)),
        }
    }
}

/// One frame of the movie.
struct Axis {
    frame: u32,
    time_s: f64,
    area_nm2: Option<f64>,
}

/// Where the least or the greatest is.
fn argument(values: &[u32], greatest: bool) -> usize {
    let all = values.iter().enumerate();
    let found = if greatest { all.max_by_key(|v| v.1) } else { all.min_by_key(|v| v.1) };
    found.map_or(0, |v| v.0)
}

/// Counts defects by frame and kind with the default options: see [`Concentration`].
///
/// # Errors
/// If there is no defect, or a column is missing.
pub fn concentration(of: &impl Sightings) -> Result<Concentrations> {
    Concentration::default().of(of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defects::{Areas, Defects};
    use crate::movie::Calibration;
    use polars::prelude::df;

    /// The lattice shrinks to half; the concentration on it stays. A frame without a defect is a frame with none.
    #[test]
    fn holes_do_not_count() {
        let table = df!(
            "defect" => [0_u64, 1, 2], "frame" => [0_u32, 0, 1], "time_s" => [0.0, 0.0, 2.0], "y_px" => [1_f32; 3],
            "x_px" => [2_f32; 3], "y_nm" => [1_f32; 3], "x_nm" => [2_f32; 3], "area_px" => [9_u32; 3],
            "probability" => [0.9_f32; 3],
        );
        let mut defects = Defects::new(table.unwrap(), ndarray::Array3::zeros((3, 4, 4)), 0.03).unwrap();
        let area = |frame, lattice_nm2| Area { frame, hole_nm2: 100.0 - lattice_nm2, amorphous_nm2: 0.0, lattice_nm2 };
        let areas = vec![area(0, 100.0), area(1, 50.0), area(2, 50.0), area(3, 0.0)];
        defects.areas = Some(Areas::new(areas, Calibration::new(0.03, 2.0).unwrap()));
        let found = concentration(&defects).unwrap();
        let counts = found.of("all").unwrap();
        let per_nm2: Vec<Option<f64>> = counts.iter().map(|c| c.amount.per_nm2.map(|i| i.value)).collect();
        assert_eq!(per_nm2, [Some(0.02), Some(0.02), Some(0.0), None]);
        assert_eq!(counts.iter().map(|c| c.time_s).collect::<Vec<_>>(), [0.0, 2.0, 4.0, 6.0]);
        assert!(counts[2].amount.per_nm2.unwrap().high > 0.05, "none seen is not none there");
    }
}
