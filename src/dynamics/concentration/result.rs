//! Counts in time, and what is read from them.

use super::Concentration;
use super::bands::deviation;
use super::changes::jumps;
use super::level::Level;
use crate::detect::Interval;
use crate::dynamics::sightings::ENDS;
use crate::error::{Error, Result};
use polars::prelude::{Column, DataFrame, NamedFrom, Series};

/// How much there is of a kind, with 95 % intervals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amount {
    /// In the frame, corrected for recall and precision where these are known.
    pub total: Interval,
    /// For each nm² that is lattice, where the area is known.
    pub per_nm2: Option<Interval>,
    /// For each site, where the number of sites is known.
    pub per_site: Option<Interval>,
}

impl Amount {
    /// The most telling number that is known: per nm², or in total.
    #[must_use]
    pub fn best(&self) -> Interval {
        self.per_nm2.unwrap_or(self.total)
    }
}

/// The defects of one kind in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Count {
    /// Which frame.
    pub frame: u32,
    /// When it began, in seconds.
    pub time_s: f64,
    /// How many were seen.
    pub seen: usize,
    /// What that means.
    pub amount: Amount,
}

/// A sudden change of a concentration.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Of which kind.
    pub kind: String,
    /// The first frame after it.
    pub frame: u32,
    /// First and last frame that it may have come before (95 %).
    pub between: (u32, u32),
    /// By how much, per nm² or in total.
    pub size: f64,
    /// Probability of a change as large anywhere in a series without one.
    pub p: f64,
}

/// How fast a concentration goes up or down.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// Of which kind.
    pub kind: String,
    /// Change per second, per nm² or in total, with its 95 % interval.
    pub per_s: Interval,
}

/// Name of a column, and what is in it.
type Pick = (&'static str, fn(&Amount) -> Option<Interval>);

/// The concentration of each kind of defect in time.
#[derive(Clone)]
pub struct Concentrations {
    pub(super) kinds: Vec<(String, Vec<Count>)>,
    pub(super) by: String,
    pub(super) options: Concentration,
}

impl Concentrations {
    /// Every kind with its counts, frame by frame.
    #[must_use]
    pub fn kinds(&self) -> &[(String, Vec<Count>)] {
        &self.kinds
    }

    /// The counts of one kind.
    ///
    /// # Errors
    /// If there is no such kind.
    pub fn of(&self, kind: &str) -> Result<&[Count]> {
        let names = || self.kinds.iter().map(|k| k.0.as_str()).collect::<Vec<_>>().join(", ");
        let found = self.kinds.iter().find(|k| k.0 == kind);
        found.map(|k| k.1.as_slice()).ok_or_else(|| Error::data(format!("there is no {kind}: there is {}", names())))
    }

    /// Whether concentrations are per nm²; else they are numbers in a frame.
    #[must_use]
    pub fn per_area(&self) -> bool {
        self.kinds.iter().flat_map(|k| &k.1).any(|c| c.amount.per_nm2.is_some())
    }

    /// One row for each kind and frame: the kind, `frame` u32, `time_s`, `seen` u32, `total`, `total_low`, `total_high`
    /// and, where they are known, the same of `per_nm2` and `per_site` (f64, 95 % intervals).
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let all: Vec<(&str, &Count)> =
            self.kinds.iter().flat_map(|(name, counts)| counts.iter().map(move |c| (name.as_str(), c))).collect();
        let mut columns: Vec<Column> = vec![
            Series::new(self.by.as_str().into(), all.iter().map(|a| a.0).collect::<Vec<_>>()).into(),
            Series::new("frame".into(), all.iter().map(|a| a.1.frame).collect::<Vec<_>>()).into(),
            Series::new("time_s".into(), all.iter().map(|a| a.1.time_s).collect::<Vec<_>>()).into(),
            Series::new("seen".into(), all.iter().map(|a| a.1.seen as u32).collect::<Vec<_>>()).into(),
        ];
        let amounts: [Pick; 3] =
            [("total", |a| Some(a.total)), ("per_nm2", |a| a.per_nm2), ("per_site", |a| a.per_site)];
        for (name, pick) in amounts {
            let values: Vec<Option<Interval>> = all.iter().map(|a| pick(&a.1.amount)).collect();
            if values.iter().any(Option::is_some) {
                for (end, of) in ENDS {
                    let column = values.iter().map(|v| v.map(of)).collect::<Vec<_>>();
                    columns.push(Series::new(format!("{name}{end}").into(), column).into());
                }
            }
        }
        Ok(DataFrame::new(all.len(), columns)?)
    }

    /// The level model of a kind; none of fewer than six frames, or where nothing was ever seen.
    fn level(&self, counts: &[Count]) -> Option<Level> {
        const AROUND: usize = 5;
        let best: Vec<Interval> = counts.iter().map(|c| c.amount.best()).collect();
        if best.len() < 6 || counts.iter().all(|c| c.seen == 0) {
            return None;
        }
        // A count's variance is its mean, taken over the frames around: of the count itself it would make low ones look sure.
        let variance = |i: usize| {
            let near = &best[i.saturating_sub(AROUND)..(i + AROUND + 1).min(best.len())];
            let mean = near.iter().map(|b| deviation(*b).powi(2)).sum::<f64>() / near.len() as f64;
            mean.max(1e-300)
        };
        let y: Vec<f64> = best.iter().map(|b| b.value).collect();
        let times: Vec<f64> = counts.iter().map(|c| c.time_s).collect();
        let seen: usize = counts.iter().map(|c| c.seen).sum();
        let unit = y.iter().sum::<f64>() / seen as f64;
        Some(Level::new(&y, &times, &(0..best.len()).map(variance).collect::<Vec<_>>(), unit))
    }

    /// Sudden changes of each kind's concentration: those that neither a steady trend nor a slow wander explains. A kind
    /// without one shows one with a probability of `alpha` (see [`Concentration`]).
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let (alpha, draws, seed) = (self.options.alpha, self.options.resamples, self.options.seed);
        let of = |(kind, counts): &(String, Vec<Count>)| {
            let found = self.level(counts).map_or(vec![], |level| jumps(level, alpha, draws, seed).1);
            let change = |jump: &super::changes::Jump| Change {
                kind: kind.clone(),
                frame: counts[jump.at].frame,
                between: (counts[jump.between.0].frame, counts[jump.between.1].frame),
                size: jump.size,
                p: jump.p,
            };
            found.iter().map(change).collect::<Vec<_>>()
        };
        self.kinds.iter().flat_map(of).collect()
    }

    /// How fast each kind's concentration goes up or down. The interval knows that what is there in one frame is there in
    /// the next: the level may wander, and how much is estimated along with the rate (a local level model with drift).
    #[must_use]
    pub fn trends(&self) -> Vec<Trend> {
        let of = |(kind, counts): &(String, Vec<Count>)| {
            let (value, low, high) = self.level(counts)?.rate();
            Some(Trend { kind: kind.clone(), per_s: Interval { value, low, high } })
        };
        self.kinds.iter().filter_map(of).collect()
    }
}

impl std::fmt::Debug for Concentrations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = if self.per_area() { "per nm²" } else { "in a frame" };
        for (i, (kind, counts)) in self.kinds.iter().enumerate() {
            let best = |c: &Count| c.amount.best();
            let (Some(first), Some(last)) = (counts.first().map(best), counts.last().map(best)) else { continue };
            let between = if i == 0 { "" } else { "; " };
            write!(f, "{between}{kind} {:.3} {unit} at first ({:.3} to {:.3}), ", first.value, first.low, first.high)?;
            write!(f, "{:.3} at last ({:.3} to {:.3})", last.value, last.low, last.high)?;
        }
        Ok(())
    }
}
