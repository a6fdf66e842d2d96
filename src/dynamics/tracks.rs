//! Tracks: defects through time.

use super::linking::{Branch, BranchKind, subtract};
use super::path::Path;
use super::sightings::{self, Groups, Sightings, Unit};
use crate::defects::{Areas, Defects};
use crate::error::Result;
use crate::movie::MeasuredDrift;
use polars::prelude::{Column, DataFrame, DataType, Float64Chunked, IntoSeries, NamedFrom, NewChunkedArray, Series};

/// Defects with the track of each: the table that was linked with a column `track` u32, numbered by first appearance. A
/// defect that was linked to no other is a track by itself.
///
/// ```
/// use atomotion::prelude::*;
/// let table = df!("frame" => [0_u32, 1, 3], "track" => [7_u32; 3], "y_px" => [1.0, 1.5, 2.0], "x_px" => [4.0; 3])?;
/// let tracks = Tracks::of(&table)?;
/// assert_eq!(tracks.len(), 1);
/// println!("{}", tracks.per_track()?); // seen 3 times, missed once
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Tracks {
    table: DataFrame,
    defects: Option<Defects>,
    areas: Option<Areas>,
    of_rows: Vec<u32>,
    branches: Vec<Branch>,
    largest: usize,
    tracks: usize,
}

impl Tracks {
    pub(super) fn linked(
        of: &impl Sightings,
        track: Vec<u32>,
        branches: Vec<Branch>,
        largest: usize,
    ) -> Result<Tracks> {
        let column = Series::new("track".into(), &track);
        let defects = of.with_patches().map(|d| d.with_column(column.clone())).transpose()?;
        let mut table = of.sightings().clone();
        table.with_column(column.into())?;
        let tracks = track.iter().max().map_or(0, |&t| t as usize + 1);
        Ok(Tracks { table, defects, areas: of.lattice_areas().cloned(), of_rows: track, branches, largest, tracks })
    }

    /// Tracks from a table that has a column `track` already: the truth of a simulated movie, or what another program linked.
    ///
    /// # Errors
    /// If there is no such column, or a track has two rows in one frame.
    pub fn of(table: &impl Sightings) -> Result<Tracks> {
        let frames = sightings::frames(table.sightings())?;
        let track = sightings::tracks(table.sightings())?;
        let mut seen: Vec<(u32, u32)> = track.iter().copied().zip(frames).collect();
        seen.sort_unstable();
        if let Some(twice) = seen.windows(2).find(|w| w[0] == w[1]) {
            let (track, frame) = twice[0];
            return Err(crate::Error::data(format!("track {track} has two rows in frame {frame}: it can have one")));
        }
        let mut different: Vec<u32> = track.clone();
        different.sort_unstable();
        different.dedup();
        Ok(Tracks { tracks: different.len(), ..Tracks::linked(table, track, vec![], 0)? })
    }

    /// The table with its column `track`.
    #[must_use]
    pub fn table(&self) -> &DataFrame {
        &self.table
    }

    /// The defects with their patches, where there were patches.
    #[must_use]
    pub fn defects(&self) -> Option<&Defects> {
        self.defects.as_ref()
    }

    /// How many tracks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tracks
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tracks == 0
    }

    /// The track of each row of the table.
    #[must_use]
    pub fn of_rows(&self) -> &[u32] {
        &self.of_rows
    }

    /// Where tracks split and merge, if that was asked for.
    #[must_use]
    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// How many defects, of both frames together, competed with each other in the largest network that linking met.
    #[must_use]
    pub fn largest_network(&self) -> usize {
        self.largest
    }

    /// One row a track: `track`, `first_frame`, `last_frame`, `seen`, `missed` (frames between its first and last without
    /// it) u32; `length_nm` f64 along its path and `reach_nm` f64 from first to last; the commonest `species` or `class` and
    /// `share`, the fraction of its rows that have it.
    ///
    /// # Errors
    /// If the table has lost its columns.
    pub fn per_track(&self) -> Result<DataFrame> {
        let paths = self.paths()?;
        let groups = Groups::of(&self.table, None)?;
        let u32s = |of: &dyn Fn(&Path) -> u32| paths.iter().map(of).collect::<Vec<u32>>();
        let f64s = |of: &dyn Fn(&Path) -> f64| paths.iter().map(of).collect::<Vec<f64>>();
        let common: Vec<(usize, f64)> = paths.iter().map(|p| commonest(p, &groups)).collect();
        let name = groups.by.clone().unwrap_or("species".into());
        let names: Vec<&str> = common.iter().map(|(g, _)| groups.names[*g].as_str()).collect();
        let columns: Vec<Column> = vec![
            Series::new("track".into(), u32s(&|p| p.track)).into(),
            Series::new("first_frame".into(), u32s(&Path::first)).into(),
            Series::new("last_frame".into(), u32s(&Path::last)).into(),
            Series::new("seen".into(), u32s(&|p| p.rows.len() as u32)).into(),
            Series::new("missed".into(), u32s(&|p| p.last() - p.first() + 1 - p.rows.len() as u32)).into(),
            Series::new("length_nm".into(), f64s(&Path::length)).into(),
            Series::new("reach_nm".into(), f64s(&Path::reach)).into(),
            Series::new(name.into(), names).into(),
            Series::new("share".into(), common.iter().map(|c| c.1).collect::<Vec<f64>>()).into(),
        ];
        Ok(DataFrame::new(paths.len(), columns)?)
    }

    /// The same tracks on the specimen: positions less how far each frame's content has moved, as it was measured. What
    /// diffuses does so on the specimen; where the frame drifts, so does everything in it.
    ///
    /// # Errors
    /// If there are frames whose drift was not measured, or a column is missing.
    pub fn on_specimen(&self, drift: &MeasuredDrift) -> Result<Tracks> {
        self.moved(drift.shifts_px())
    }

    /// The same tracks less the motion that all share: the median step from each frame to the next. For displacements, hops
    /// and diffusion in a movie that drifts. Most defects must stay where they are from one frame to the next, as dopants do.
    ///
    /// ```
    /// use atomotion::prelude::*;
    /// let frame: Vec<u32> = (0..24).map(|i| i % 4).collect();
    /// let track: Vec<u32> = (0..24).map(|i| i / 4).collect();
    /// // Six defects in a frame that moves by 0.5 px a frame; the last also hops by 10.
    /// let y: Vec<f64> = (0..24).map(|i| 0.5 * f64::from(i % 4) + if i == 23 { 10.0 } else { 0.0 }).collect();
    /// let x: Vec<f64> = track.iter().map(|t| 20.0 * f64::from(*t)).collect();
    /// let tracks = Tracks::of(&df!("frame" => frame, "track" => track, "y_px" => y, "x_px" => x)?)?;
    /// let still = tracks.without_common_motion()?;
    /// assert_eq!(still.table().column("y_px")?.f64()?.get(22), Some(0.0));
    /// assert_eq!(still.table().column("y_px")?.f64()?.get(23), Some(10.0));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If fewer than five tracks go from one frame to the next: they do not tell what all share. Measure the drift from the
    /// frames then ([`Drift`](crate::movie::Drift)) and use [`Tracks::on_specimen`].
    pub fn without_common_motion(&self) -> Result<Tracks> {
        const FEWEST: usize = 5;
        let frames = sightings::frames(&self.table)?;
        let places = sightings::places(&self.table, Unit::Px)?;
        let Some(last) = frames.iter().max().copied() else { return Ok(self.clone()) };
        let mut order: Vec<usize> = (0..frames.len()).collect();
        order.sort_by_key(|&i| (self.of_rows[i], frames[i]));
        let mut steps = vec![[vec![], vec![]]; last as usize + 1];
        for pair in order.windows(2).map(|w| [w[0], w[1]]) {
            let [a, b] = pair;
            if self.of_rows[a] == self.of_rows[b] && frames[b] == frames[a] + 1 {
                (0..2).for_each(|k| steps[frames[b] as usize][k].push(places[b][k] - places[a][k]));
            }
        }
        let first = frames.iter().min().copied().unwrap_or(0);
        let mut shifts = vec![[0.0; 2]; last as usize + 1];
        for frame in first as usize + 1..=last as usize {
            let [y, x] = &mut steps[frame];
            if y.len() < FEWEST {
                return Err(crate::Error::data(format!(
                    "{} tracks go from frame {} to frame {frame}, at least {FEWEST} tell what all share: measure the drift \
                     from the frames, and take `on_specimen`",
                    y.len(),
                    frame - 1
                )));
            }
            let before = shifts[frame - 1];
            shifts[frame] = [before[0] + median(y), before[1] + median(x)];
        }
        self.moved(&shifts)
    }

    /// Positions less a shift for each frame, in pixels.
    fn moved(&self, shifts_px: &[[f64; 2]]) -> Result<Tracks> {
        let frames = sightings::frames(&self.table)?;
        let mut places = sightings::places(&self.table, Unit::Px)?;
        subtract(&mut places, &frames, shifts_px)?;
        let mut columns = vec![];
        for (k, axis) in ["y", "x"].into_iter().enumerate() {
            let px = format!("{axis}_px");
            let before = self.table.column(&px)?.cast(&DataType::Float64)?;
            let moved = Float64Chunked::from_iter_values(px.as_str().into(), places.iter().map(|p| p[k]));
            let nm = format!("{axis}_nm");
            if let Ok(column) = self.table.column(&nm) {
                // One scale for all; taken where the position is far from 0.
                let values = column.cast(&DataType::Float64)?;
                let both = before.f64()?.iter().zip(values.f64()?.iter()).filter_map(|(p, n)| Some((p?, n?)));
                let far = both.max_by(|a, b| a.0.abs().total_cmp(&b.0.abs()));
                let scale = far.map_or(1.0, |(p, n)| if p == 0.0 { 1.0 } else { n / p });
                let moved = Float64Chunked::from_iter_values(nm.as_str().into(), places.iter().map(|p| scale * p[k]));
                columns.push(moved.into_series().cast(column.dtype())?);
            }
            columns.push(moved.into_series().cast(self.table.column(&px)?.dtype())?);
        }
        let mut moved = self.clone();
        for column in columns {
            moved.defects = moved.defects.map(|d| d.with_column(column.clone())).transpose()?;
            moved.table.with_column(column.into())?;
        }
        Ok(moved)
    }

    /// One row for each split and merge: `kind`, `frame`, `trunk`, `branch` u32, `distance_px` f64.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn branches_table(&self) -> Result<DataFrame> {
        let all = &self.branches;
        let kind = |b: &Branch| if b.kind == BranchKind::Split { "split" } else { "merge" };
        let u32s = |of: &dyn Fn(&Branch) -> u32| all.iter().map(of).collect::<Vec<u32>>();
        let columns: Vec<Column> = vec![
            Series::new("kind".into(), all.iter().map(kind).collect::<Vec<_>>()).into(),
            Series::new("frame".into(), u32s(&|b| b.frame)).into(),
            Series::new("trunk".into(), u32s(&|b| b.trunk)).into(),
            Series::new("branch".into(), u32s(&|b| b.branch)).into(),
            Series::new("distance_px".into(), all.iter().map(|b| b.distance_px).collect::<Vec<f64>>()).into(),
        ];
        Ok(DataFrame::new(all.len(), columns)?)
    }

    /// Whether places are in nm: else they are in pixels.
    pub(crate) fn in_nm(&self) -> bool {
        self.table.column("y_nm").is_ok()
    }

    /// Names of the kinds, by `species` or `class`.
    pub(crate) fn kinds(&self) -> Result<Vec<String>> {
        Ok(Groups::of(&self.table, None)?.names)
    }

    /// Every track as it is drawn.
    pub(crate) fn drawn(&self) -> Result<Vec<Drawn>> {
        let groups = Groups::of(&self.table, None)?;
        let one = |p: Path| Drawn { kind: commonest(&p, &groups).0, times_s: p.times_s, at_nm: p.at_nm };
        Ok(self.paths()?.into_iter().map(one).collect())
    }

    /// Every track's way through the movie, in nanometres, ordered by track and frame.
    pub(crate) fn paths(&self) -> Result<Vec<Path>> {
        let frames = sightings::frames(&self.table)?;
        let times = sightings::times(&self.table, &frames)?;
        let unit = if self.in_nm() { sightings::Unit::Nm } else { sightings::Unit::Px };
        let at = sightings::places(&self.table, unit)?;
        let mut rows: Vec<usize> = (0..frames.len()).collect();
        rows.sort_by_key(|&row| (self.of_rows[row], frames[row]));
        let mut paths: Vec<Path> = vec![];
        for row in rows {
            let track = self.of_rows[row];
            if paths.last().is_none_or(|p| p.track != track) {
                paths.push(Path { track, rows: vec![], frames: vec![], times_s: vec![], at_nm: vec![] });
            }
            if let Some(path) = paths.last_mut() {
                path.rows.push(row);
                path.frames.push(frames[row]);
                path.times_s.push(times[row]);
                path.at_nm.push(at[row]);
            }
        }
        Ok(paths)
    }
}

impl Sightings for Tracks {
    fn sightings(&self) -> &DataFrame {
        &self.table
    }

    fn lattice_areas(&self) -> Option<&Areas> {
        self.areas.as_ref()
    }

    fn with_patches(&self) -> Option<&Defects> {
        self.defects.as_ref()
    }
}

/// Where a track is when, and the number of its kind.
pub(crate) struct Drawn {
    pub kind: usize,
    pub times_s: Vec<f64>,
    pub at_nm: Vec<[f64; 2]>,
}

/// The group that most of a path's rows have, and the fraction of them that do.
pub(super) fn commonest(path: &Path, groups: &Groups) -> (usize, f64) {
    let mut counts = vec![0_usize; groups.names.len()];
    path.rows.iter().for_each(|&row| counts[groups.of[row]] += 1);
    let most = counts.iter().enumerate().max_by_key(|(i, n)| (**n, std::cmp::Reverse(*i)));
    let (group, count) = most.map_or((0, 0), |(i, n)| (i, *n));
    (group, count as f64 / path.rows.len().max(1) as f64)
}

impl std::fmt::Debug for Tracks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sorted = self.of_rows.clone();
        sorted.sort_unstable();
        let mut lengths: Vec<usize> = sorted.chunk_by(|a, b| a == b).map(<[u32]>::len).collect();
        lengths.sort_unstable();
        let middle = lengths.get(lengths.len() / 2).copied().unwrap_or(0);
        let longest = lengths.last().copied().unwrap_or(0);
        let alone = lengths.iter().filter(|l| **l == 1).count();
        write!(f, "{} defects in {} tracks: median {middle} frames, ", self.of_rows.len(), self.tracks)?;
        write!(f, "longest {longest}, {alone} seen once")?;
        if !self.branches.is_empty() {
            let splits = self.branches.iter().filter(|b| b.kind == BranchKind::Split).count();
            write!(f, "; {splits} splits, {} merges", self.branches.len() - splits)?;
        }
        Ok(())
    }
}

/// The value in the middle; of two in the middle their mean.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    if n == 0 { 0.0 } else { 0.5 * (values[n / 2] + values[(n - 1) / 2]) }
}
