//! Defects: the table, and the crops that go with its rows.

mod alarms;
mod areas;
mod cut;
mod file;
mod perfect;
mod query;
mod rows;
mod surrogate;

pub(crate) use alarms::poisson_interval;
pub use alarms::{Alarm, FalseAlarms};
pub use areas::{Area, Areas};
pub use cut::Cut;
pub use file::{read_parquet, write_parquet};
pub(crate) use rows::{Found, Rows};
pub use surrogate::SurrogateFrames;

use crate::error::{Error, Result};
use ndarray::{Array3, ArrayView2, Axis};
use polars::prelude::{BooleanChunked, Column, DataFrame, NamedFrom, Series};
use std::sync::Arc;

/// Every defect that was found: a Polars table with one row each, and a patch (crop) per row.
///
/// Columns: `defect` u64 (number), `frame` u32, `time_s` f64, `y_px`, `x_px`, `y_nm`, `x_nm` f32 (centre),
/// `area_px` u32, `probability` f32, and from a detector `sign` (`dark` or `bright`: what is left at the place when the
/// lattice is taken out), `probability_spread` f32 where several networks were asked (the standard deviation of what they
/// say) and `position_error_px` f32 where centres were fitted (null where the fit failed); classifying adds `class` u32
/// and, for mixtures, `class_probability` f64. Lengths "in nm" are in pixels where the movie is not calibrated. Patches are normalised (slow background removed,
/// unit variance) and cut from the binned frame.
///
/// What a detector found of a movie also says what noise alone would have given ([`Defects::false_alarms`]) and how much of
/// each frame was no lattice ([`Defects::areas`]); both go along with every step. What it found where there is nothing to find
/// goes along as long as patches stay as they are ([`Defects::surrogates`]).
#[derive(Clone)]
pub struct Defects {
    table: DataFrame,
    patches: Array3<f32>,
    patch_nm_per_px: f64,
    pub(crate) areas: Option<Areas>,
    pub(crate) false_alarms: Option<FalseAlarms>,
    surrogates: Arc<[SurrogateFrames]>,
}

impl Defects {
    /// Joins a table and its patches, shape (rows, height, width).
    ///
    /// # Errors
    /// If their lengths differ or a column of the design is missing.
    pub fn new(table: DataFrame, patches: Array3<f32>, patch_nm_per_px: f64) -> Result<Self> {
        if table.height() != patches.len_of(Axis(0)) {
            return Err(Error::data(format!(
                "{} rows but {} patches: each defect needs one",
                table.height(),
                patches.len_of(Axis(0))
            )));
        }
        for name in ["defect", "frame", "time_s", "y_px", "x_px", "y_nm", "x_nm", "area_px", "probability"] {
            if table.column(name).is_err() {
                return Err(Error::data(format!("the table has no column {name}, so it is not a table of defects")));
            }
        }
        Ok(Defects { table, patches, patch_nm_per_px, areas: None, false_alarms: None, surrogates: Arc::new([]) })
    }

    /// The same movie's defects with other rows or columns.
    fn with(&self, table: DataFrame, patches: Array3<f32>) -> Result<Defects> {
        let new = Defects::new(table, patches, self.patch_nm_per_px)?;
        let (areas, false_alarms) = (self.areas.clone(), self.false_alarms.clone());
        Ok(Defects { areas, false_alarms, surrogates: Arc::clone(&self.surrogates), ..new })
    }

    /// How much of each frame was lattice, hole and amorphous; none where no detector said.
    #[must_use]
    pub fn areas(&self) -> Option<&Areas> {
        self.areas.as_ref()
    }

    /// How many detections noise alone gives, in frames like these but without defects; none where that was not counted.
    /// Of rows that were filtered it is an upper bound.
    #[must_use]
    pub fn false_alarms(&self) -> Option<&FalseAlarms> {
        self.false_alarms.as_ref()
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &DataFrame {
        &self.table
    }

    /// The patches, shape (defects, height, width), in row order.
    #[must_use]
    pub fn patches(&self) -> &Array3<f32> {
        &self.patches
    }

    /// One patch.
    #[must_use]
    pub fn patch(&self, row: usize) -> Option<ArrayView2<'_, f32>> {
        (row < self.len()).then(|| self.patches.index_axis(Axis(0), row))
    }

    /// Nanometres per pixel of a patch.
    #[must_use]
    pub fn patch_nm_per_px(&self) -> f64 {
        self.patch_nm_per_px
    }

    /// Number of defects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.height()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Centres `(y, x)` in pixels of the defects in one frame.
    ///
    /// # Errors
    /// If the table's columns have lost their types.
    pub fn positions(&self, frame: u32) -> Result<Vec<(f32, f32)>> {
        let frames = self.table.column("frame")?.u32()?;
        let (y, x) = (self.table.column("y_px")?.f32()?, self.table.column("x_px")?.f32()?);
        Ok((0..self.len())
            .filter(|&i| frames.get(i) == Some(frame))
            .filter_map(|i| Some((y.get(i)?, x.get(i)?)))
            .collect())
    }

    /// The rows where `keep` is true, with their patches.
    ///
    /// # Errors
    /// If `keep` is not as long as the table.
    pub fn filter(&self, keep: &[bool]) -> Result<Defects> {
        if keep.len() != self.len() {
            return Err(Error::data(format!("a mask of {} values cannot filter {} defects", keep.len(), self.len())));
        }
        let rows: Vec<usize> = (0..keep.len()).filter(|&i| keep[i]).collect();
        let table = self.table.filter(&BooleanChunked::new("keep".into(), keep))?;
        self.with(table, self.patches.select(Axis(0), &rows))
    }

    /// The same defects with a column added or replaced.
    ///
    /// # Errors
    /// If the column is not as long as the table.
    pub fn with_column(&self, column: impl Into<Column>) -> Result<Defects> {
        let mut table = self.table.clone();
        table.with_column(column.into())?;
        self.with(table, self.patches.clone())
    }

    /// How many there are, what noise alone would give, and where the lattice has gone, in a line.
    pub(crate) fn summary(&self) -> String {
        let mut text = match self.per_frame().map_or(0, |t| t.height()) {
            1 => format!("{} defects in 1 frame", self.len()),
            n => format!("{} defects in {n} frames", self.len()),
        };
        if let Some(alarms) = &self.false_alarms {
            text.push_str(&format!(". {alarms}"));
        }
        if let Some(areas) = &self.areas {
            text.push_str(&format!(". {areas}"));
        }
        text
    }

    /// Defects per frame: a table with columns `frame` and `defects`, one row per frame that has any.
    ///
    /// # Errors
    /// If the table's columns have lost their types.
    pub fn per_frame(&self) -> Result<DataFrame> {
        let mut counts = std::collections::BTreeMap::<u32, u32>::new();
        for frame in self.table.column("frame")?.u32()?.iter().flatten() {
            *counts.entry(frame).or_default() += 1;
        }
        let (frames, defects): (Vec<u32>, Vec<u32>) = counts.into_iter().unzip();
        let columns = vec![Series::new("frame".into(), &frames).into(), Series::new("defects".into(), defects).into()];
        Ok(DataFrame::new(frames.len(), columns)?)
    }
}

impl std::fmt::Debug for Defects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.summary())?;
        write!(f, "{}", self.table)
    }
}
