//! Tables and words of what is said about motion.

use super::estimates::{Diffusion, Hops, KindDiffusion, Moves, Msd};
use super::hops::Hop;
use super::msd::MsdPoint;
use crate::detect::Interval;
use crate::dynamics::sightings::ENDS;
use crate::error::Result;
use polars::prelude::{Column, DataFrame, NamedFrom, Series};

fn column<T, P: ?Sized>(name: &str, values: T) -> Column
where
    Series: NamedFrom<T, P>,
{
    Series::new(name.into(), values).into()
}

impl Msd {
    /// One row for each kind and lag: `kind`, `lag_frames` u32, `lag_s`, `msd_nm2`, `low`, `high` f64, `pairs`, `tracks` u32.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let rows: Vec<(&str, &MsdPoint)> =
            self.kinds.iter().flat_map(|k| k.points.iter().map(move |p| (k.kind.as_str(), p))).collect();
        let f64s = |of: fn(&MsdPoint) -> f64| rows.iter().map(|r| of(r.1)).collect::<Vec<f64>>();
        let u32s = |of: fn(&MsdPoint) -> u32| rows.iter().map(|r| of(r.1)).collect::<Vec<u32>>();
        let columns = vec![
            column("kind", rows.iter().map(|r| r.0).collect::<Vec<_>>()),
            column("lag_frames", u32s(|p| p.lag_frames)),
            column("lag_s", f64s(|p| p.lag_s)),
            column("msd_nm2", f64s(|p| p.msd_nm2)),
            column("low", f64s(|p| p.low)),
            column("high", f64s(|p| p.high)),
            column("pairs", u32s(|p| p.pairs as u32)),
            column("tracks", u32s(|p| p.tracks as u32)),
        ];
        Ok(DataFrame::new(rows.len(), columns)?)
    }
}

impl Diffusion {
    /// One row a kind: `kind`, `tracks`, `steps` u32, `d_nm2_s` with `_low` and `_high`, `error_nm`, `likely_d_nm2_s`,
    /// `alpha`, `size_nm` with their ends (f64, null where not estimated), `moves`.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let all = &self.kinds;
        let u32s = |of: fn(&KindDiffusion) -> usize| all.iter().map(|k| of(k) as u32).collect::<Vec<u32>>();
        let mut columns = vec![
            column("kind", all.iter().map(|k| k.kind.as_str()).collect::<Vec<_>>()),
            column("tracks", u32s(|k| k.tracks)),
            column("steps", u32s(|k| k.steps)),
        ];
        let mut add = |name: &str, of: fn(&KindDiffusion) -> Option<Interval>| {
            for (end, pick) in ENDS {
                columns.push(column(&format!("{name}{end}"), all.iter().map(|k| of(k).map(pick)).collect::<Vec<_>>()));
            }
        };
        add("d_nm2_s", |k| Some(k.d_nm2_s));
        add("likely_d_nm2_s", |k| k.likely_d_nm2_s);
        add("alpha", |k| k.alpha);
        add("size_nm", |k| k.size_nm);
        columns.push(column("error_nm", all.iter().map(|k| k.error_nm).collect::<Vec<_>>()));
        columns.push(column("moves", all.iter().map(|k| k.moves.words()).collect::<Vec<_>>()));
        Ok(DataFrame::new(all.len(), columns)?)
    }
}

impl Hops {
    /// One row a hop: `kind`, `track`, `from_frame`, `frame` u32, `u`, `v` i32 (lattice vectors), `y_nm`, `x_nm` f64.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let all = &self.hops;
        let u32s = |of: fn(&Hop) -> u32| all.iter().map(of).collect::<Vec<u32>>();
        let columns = vec![
            column("kind", all.iter().map(|h| h.kind.as_str()).collect::<Vec<_>>()),
            column("track", u32s(|h| h.track)),
            column("from_frame", u32s(|h| h.from_frame)),
            column("frame", u32s(|h| h.frame)),
            column("u", all.iter().map(|h| h.cells[0]).collect::<Vec<i32>>()),
            column("v", all.iter().map(|h| h.cells[1]).collect::<Vec<i32>>()),
            column("y_nm", all.iter().map(|h| h.vector_nm[0]).collect::<Vec<f64>>()),
            column("x_nm", all.iter().map(|h| h.vector_nm[1]).collect::<Vec<f64>>()),
        ];
        Ok(DataFrame::new(all.len(), columns)?)
    }
}

impl Moves {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Moves::Still => "still",
            Moves::Free => "free",
            Moves::Confined => "confined",
            Moves::Anomalous => "anomalous",
            Moves::NotFree => "confined or anomalous",
            Moves::Unknown => "unknown",
        }
    }
}

impl std::fmt::Debug for Msd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let points: usize = self.kinds.iter().map(|k| k.points.len()).sum();
        write!(f, "Mean squared displacements of {} kinds, {points} lags in all", self.kinds.len())
    }
}

impl std::fmt::Debug for Diffusion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, k) in self.kinds.iter().enumerate() {
            let (d, between) = (k.d_nm2_s, if i == 0 { "" } else { "\n" });
            write!(f, "{between}{}: D = {:.2e} nm²/s ({:.1e} to {:.1e}) ", k.kind, d.value, d.low, d.high)?;
            write!(f, "from {} tracks, positions wrong by {:.3} nm, motion {}", k.tracks, k.error_nm, k.moves.words())?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Hops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, k) in self.kinds.iter().enumerate() {
            let (r, d, between) = (k.per_s, k.d_nm2_s, if i == 0 { "" } else { "\n" });
            write!(f, "{between}{}: {} hops in {:.0} s, {:.2e} per s ", k.kind, k.hops, k.watched_s, r.value)?;
            write!(f, "({:.1e} to {:.1e}), D = {:.2e} nm²/s ", r.low, r.high, d.value)?;
            write!(f, "({:.1e} to {:.1e}), directions alike: p = {:.3}", d.low, d.high, k.bias_p)?;
        }
        Ok(())
    }
}
