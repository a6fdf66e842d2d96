//! Defects: the table, and the crops that go with its rows.

mod file;

pub use file::{read_parquet, write_parquet};

use crate::error::{Error, Result};
use crate::movie::Calibration;
use ndarray::{Array2, Array3, ArrayView2, Axis};
use polars::prelude::{BooleanChunked, Column, DataFrame, NamedFrom, Series};

/// Every defect that was found: a Polars table with one row each, and a patch (crop) per row.
///
/// Columns: `defect` u64 (number), `frame` u32, `time_s` f64, `y_px`, `x_px`, `y_nm`, `x_nm` f32 (centre),
/// `area_px` u32, `probability` f32; classifying adds `class` u32 and, for mixtures, `class_probability` f64.
/// Lengths "in nm" are in pixels where the movie is not calibrated. Patches are normalised (slow background removed,
/// unit variance) and cut from the binned frame.
#[derive(Clone)]
pub struct Defects {
    table: DataFrame,
    patches: Array3<f32>,
    patch_nm_per_px: f64,
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
        Ok(Defects { table, patches, patch_nm_per_px })
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
        Defects::new(table, self.patches.select(Axis(0), &rows), self.patch_nm_per_px)
    }

    /// The same defects with a column added or replaced.
    ///
    /// # Errors
    /// If the column is not as long as the table.
    pub fn with_column(&self, column: impl Into<Column>) -> Result<Defects> {
        let mut table = self.table.clone();
        table.with_column(column.into())?;
        Defects::new(table, self.patches.clone(), self.patch_nm_per_px)
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

/// Gathers defects while frames are decoded.
pub(crate) struct Rows {
    patch_px: usize,
    bin: usize,
    calibration: Calibration,
    frame: Vec<u32>,
    y: Vec<f32>,
    x: Vec<f32>,
    area: Vec<u32>,
    probability: Vec<f32>,
    patches: Vec<f32>,
}

impl Rows {
    pub(crate) fn new(patch_px: usize, bin: usize, calibration: Calibration) -> Rows {
        let none = (vec![], vec![], vec![], vec![], vec![], vec![]);
        let (frame, y, x, area, probability, patches) = none;
        Rows { patch_px, bin, calibration, frame, y, x, area, probability, patches }
    }

    pub(crate) fn len(&self) -> usize {
        self.frame.len()
    }

    /// Adds a defect whose centre and area are in pixels of the binned frame.
    pub(crate) fn push(&mut self, frame: u32, (y, x): (f32, f32), area: usize, probability: f32, patch: Array2<f32>) {
        let by = self.bin as f32;
        self.frame.push(frame);
        self.y.push((y + 0.5) * by - 0.5);
        self.x.push((x + 0.5) * by - 0.5);
        self.area.push((area * self.bin * self.bin) as u32);
        self.probability.push(probability);
        self.patches.extend(patch);
    }

    pub(crate) fn finish(self) -> Result<Defects> {
        let n = self.len();
        let nm = |px: &[f32]| px.iter().map(|&v| self.calibration.to_nm(f64::from(v)) as f32).collect::<Vec<_>>();
        let time: Vec<f64> = self.frame.iter().map(|&f| self.calibration.time_s(f)).collect();
        let columns: Vec<Column> = vec![
            Series::new("defect".into(), (0..n as u64).collect::<Vec<_>>()).into(),
            Series::new("frame".into(), &self.frame).into(),
            Series::new("time_s".into(), time).into(),
            Series::new("y_px".into(), &self.y).into(),
            Series::new("x_px".into(), &self.x).into(),
            Series::new("y_nm".into(), nm(&self.y)).into(),
            Series::new("x_nm".into(), nm(&self.x)).into(),
            Series::new("area_px".into(), &self.area).into(),
            Series::new("probability".into(), &self.probability).into(),
        ];
        let patches = Array3::from_shape_vec((n, self.patch_px, self.patch_px), self.patches)
            .map_err(|e| Error::data(format!("patches do not fit their table: {e}")))?;
        Defects::new(DataFrame::new(n, columns)?, patches, self.calibration.to_nm(self.bin as f64))
    }
}

impl std::fmt::Debug for Defects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} defects\n{}", self.len(), self.table)
    }
}
