//! Polars' lazy expressions on defects, patches following their rows.

use super::Defects;
use crate::error::{Error, Result};
use ndarray::{Array3, Axis};
use polars::prelude::{IntoLazy, LazyFrame, NamedFrom, Series};

/// Where a row came from, while a query runs.
const ROW: &str = "__row";

impl Defects {
    /// The table as a lazy frame: for aggregates, whose rows are no longer defects.
    ///
    /// ```no_run
    /// # fn main() -> atomotion::Result<()> {
    /// # use atomotion::prelude::*;
    /// # let defects = Defects::load("defects")?;
    /// defects.lazy().group_by([col("class")]).agg([col("probability").mean()]).collect()?;
    /// # Ok(()) }
    /// ```
    pub fn lazy(&self) -> LazyFrame {
        self.table().clone().lazy()
    }

    /// Filters, sorts, joins or adds columns by lazy expressions; each row that is left keeps its patch. A row may come out
    /// more than once (a join), in any order.
    ///
    /// ```no_run
    /// # fn main() -> atomotion::Result<()> {
    /// # use atomotion::prelude::*;
    /// # let defects = Defects::load("defects")?;
    /// let sure = defects.query(|rows| rows.filter(col("probability").gt(lit(0.9)).and(col("frame").lt(lit(10)))))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If Polars refuses, a column of the design is gone, or rows come out that were not defects before (an outer join, an
    /// aggregate).
    pub fn query(&self, of: impl FnOnce(LazyFrame) -> LazyFrame) -> Result<Defects> {
        let mut table = self.table().clone();
        table.with_column(Series::new(ROW.into(), (0..self.len() as u32).collect::<Vec<_>>()).into())?;
        let mut table = of(table.lazy()).collect()?;
        let made = "the query makes rows that were no defects before: use `defects.lazy()` for aggregates, left or inner joins \
                    for joins";
        let rows = table.drop_in_place(ROW).map_err(|_| Error::data(made))?;
        let rows = rows.u32().map_err(|_| Error::data(made))?;
        let rows: Vec<usize> =
            rows.iter().map(|r| r.map(|r| r as usize)).collect::<Option<_>>().ok_or_else(|| Error::data(made))?;
        self.with(table, self.patches().select(Axis(0), &rows))
    }

    /// The same rows with other patches, shape (rows, height, width), of the same scale. Patches of surrogate frames are left
    /// out, for they are not of the same making any more.
    ///
    /// # Errors
    /// If there is not one for each row.
    pub fn with_patches(&self, patches: Array3<f32>) -> Result<Defects> {
        Ok(self.with(self.table().clone(), patches)?.with_surrogates([]))
    }
}
