//! What has a row for each defect of each frame, and its columns as numbers.

use crate::classify::Classes;
use crate::defects::{Areas, Defects};
use crate::detect::Interval;
use crate::error::{Error, Result};
use crate::simulate::Recording;
use polars::prelude::{DataFrame, DataType};
use std::collections::BTreeMap;
use std::ops::Range;

/// Whatever has a row for each defect of each frame: defects, classes, tracks, the truth of a recording, a table.
///
/// Columns that are used where they are there: `frame` u32 (needed by all), `time_s`, `y_px`, `x_px`, `y_nm`, `x_nm`,
/// `track` u32, `species` or `class`. Rows may come in any order; frames without rows are frames in which nothing was found.
pub trait Sightings {
    /// The table.
    fn sightings(&self) -> &DataFrame;

    /// How much of each frame is lattice, where that is known.
    fn lattice_areas(&self) -> Option<&Areas> {
        None
    }

    /// The defects with their patches, where there are patches.
    fn with_patches(&self) -> Option<&Defects> {
        None
    }
}

impl Sightings for DataFrame {
    fn sightings(&self) -> &DataFrame {
        self
    }
}

impl Sightings for Defects {
    fn sightings(&self) -> &DataFrame {
        self.table()
    }

    fn lattice_areas(&self) -> Option<&Areas> {
        self.areas()
    }

    fn with_patches(&self) -> Option<&Defects> {
        Some(self)
    }
}

impl Sightings for Classes {
    fn sightings(&self) -> &DataFrame {
        self.defects.table()
    }

    fn lattice_areas(&self) -> Option<&Areas> {
        self.defects.areas()
    }

    fn with_patches(&self) -> Option<&Defects> {
        Some(&self.defects)
    }
}

impl Sightings for Recording {
    fn sightings(&self) -> &DataFrame {
        &self.truth
    }
}

/// How the columns of an interval are named, and what is in them.
pub(super) type End = (&'static str, fn(Interval) -> f64);

pub(super) const ENDS: [End; 3] = [("", |i| i.value), ("_low", |i| i.low), ("_high", |i| i.high)];

/// A unit of length, and the columns that are in it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Unit {
    Px,
    Nm,
}

/// The frame of each row.
///
/// # Errors
/// If there is no row, no such column, or a value is missing.
pub(super) fn frames(table: &DataFrame) -> Result<Vec<u32>> {
    if table.height() == 0 {
        return Err(Error::data("there is not one defect: nothing to follow"));
    }
    let column = table.column("frame").map_err(|_| lacks("frame"))?;
    let column = column.cast(&DataType::UInt32)?;
    let frames: Vec<u32> = column.u32()?.iter().flatten().collect();
    if frames.len() != table.height() {
        return Err(Error::data("the column frame has values that are missing or no frame numbers"));
    }
    Ok(frames)
}

fn lacks(name: &str) -> Error {
    Error::data(format!("the table has no column {name}"))
}

/// A column of finite numbers.
pub(super) fn numbers(table: &DataFrame, name: &str) -> Result<Vec<f64>> {
    let column = table.column(name).map_err(|_| lacks(name))?.cast(&DataType::Float64)?;
    let values: Vec<f64> = column.f64()?.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
    match values.iter().position(|v| !v.is_finite()) {
        Some(row) => Err(Error::data(format!("{name} of row {row} is missing or not finite: leave that row out"))),
        None => Ok(values),
    }
}

/// Where each row is, `[y, x]`.
pub(super) fn places(table: &DataFrame, unit: Unit) -> Result<Vec<[f64; 2]>> {
    let (y, x) = if unit == Unit::Px { ("y_px", "x_px") } else { ("y_nm", "x_nm") };
    Ok(numbers(table, y)?.into_iter().zip(numbers(table, x)?).map(|(y, x)| [y, x]).collect())
}

/// The time of each row in seconds; the frame's number where there is none.
pub(super) fn times(table: &DataFrame, frames: &[u32]) -> Result<Vec<f64>> {
    if table.column("time_s").is_ok() {
        numbers(table, "time_s")
    } else {
        Ok(frames.iter().map(|&f| f64::from(f)).collect())
    }
}

/// The track of each row.
pub(super) fn tracks(table: &DataFrame) -> Result<Vec<u32>> {
    let missing = || Error::data("the table has no column track: link it first (`Linker::default().link(&…)?`)");
    let column = table.column("track").map_err(|_| missing())?.cast(&DataType::UInt32)?;
    let tracks: Vec<u32> = column.u32()?.iter().flatten().collect();
    if tracks.len() != table.height() {
        return Err(Error::data("the column track has missing values: leave those rows out, or link them"));
    }
    Ok(tracks)
}

/// Rows sorted into groups by a column.
#[derive(Clone)]
pub(super) struct Groups {
    /// The column, or none where all rows are one group.
    pub by: Option<String>,
    pub names: Vec<String>,
    /// Of each row.
    pub of: Vec<usize>,
}

impl Groups {
    /// By a column of names or numbers; of its own accord by `species`, or by `class` where there is no species. All rows
    /// are one group where there is neither. Rows without a value are `unclassified`.
    pub(super) fn of(table: &DataFrame, by: Option<&str>) -> Result<Groups> {
        let name = match by {
            Some(name) => Some(name),
            None => ["species", "class"].into_iter().find(|name| table.column(name).is_ok()),
        };
        let Some(name) = name else {
            return Ok(Groups { by: None, names: vec!["all".into()], of: vec![0; table.height()] });
        };
        let column = table.column(name).map_err(|_| lacks(name))?;
        let number = column.dtype().is_primitive_numeric();
        // Numbers sort as numbers.
        let mut keys = BTreeMap::new();
        let mut of = vec![];
        let column = if number { column.cast(&DataType::Int64)? } else { column.cast(&DataType::String)? };
        for row in 0..table.height() {
            let key = if number {
                column.i64()?.get(row).map(|v| (v, format!("{name} {v}")))
            } else {
                column.str()?.get(row).map(|v| (0, v.to_string()))
            };
            of.push(key.unwrap_or((i64::MAX, "unclassified".into())));
            keys.entry(of[row].clone()).or_insert(0);
        }
        keys.values_mut().enumerate().for_each(|(i, number)| *number = i);
        let of = of.iter().map(|key| keys[key]).collect();
        Ok(Groups { by: Some(name.into()), names: keys.into_keys().map(|key| key.1).collect(), of })
    }

    /// The group of this name.
    pub(super) fn find(&self, name: &str) -> Result<usize> {
        self.names
            .iter()
            .position(|n| n == name)
            .ok_or_else(|| Error::data(format!("there is no {name}: the table has {}", self.names.join(", "))))
    }
}

/// Row numbers sorted by frame (and by row within a frame), and where each frame's begin.
pub(super) fn by_frame(frames: &[u32]) -> (Vec<usize>, Vec<(u32, Range<usize>)>) {
    let mut rows: Vec<usize> = (0..frames.len()).collect();
    rows.sort_by_key(|&row| (frames[row], row));
    let mut ranges: Vec<(u32, Range<usize>)> = vec![];
    for (i, &row) in rows.iter().enumerate() {
        match ranges.last_mut() {
            Some((frame, range)) if *frame == frames[row] => range.end = i + 1,
            _ => ranges.push((frames[row], i..i + 1)),
        }
    }
    (rows, ranges)
}
