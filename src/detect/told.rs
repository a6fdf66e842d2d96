//! Labels from elsewhere: a simulation's truth, a table, a list of places, a mask.

use super::components::components;
use super::labels::{LabelSource, Labels, Sign};
use super::periodicity::PeriodicityBreak;
use crate::error::{Error, Result};
use crate::movie::Frame;
use crate::simulate::brightness_of_species;
use ndarray::Array2;
use polars::prelude::{DataFrame, DataType};
use std::cmp::Ordering;

/// A place `(y, x)` in pixels, with its sign where that is known, and what it is called in messages.
struct Place {
    at: (f64, f64),
    sign: Option<Sign>,
    name: String,
}

impl Labels {
    /// Labels from a simulation's truth: the rows of this frame in a table with the columns `frame`, `species`, `y_px`
    /// and `x_px` ([`Recording::truth`](crate::simulate::Recording), `dataset_truth`). The sign follows from the
    /// species: `Mo_W` is dark, `W_ad` bright. Edges of holes are left out: they are no point defects.
    ///
    /// ```
    /// use atomotion::{detect::Labels, simulate::{Experiment, Imaging}};
    /// let imaging = Imaging::clean().with_size_px(128);
    /// let recording = Experiment::ws2().with_frames(1).with_imaging(imaging).simulate(1)?;
    /// let labels = Labels::from_truth(&recording.movie.frame(0)?, &recording.truth)?;
    /// assert_eq!(labels.len(), recording.truth.height());
    /// # Ok::<(), atomotion::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a column is missing or has the wrong type, a place is not in the frame, or the frame shows no lattice.
    pub fn from_truth(frame: &Frame, truth: &DataFrame) -> Result<Labels> {
        truth.column("frame")?;
        truth.column("species")?;
        Labels::told(frame, places(frame, truth)?, LabelSource::Truth)
    }

    /// Labels from a table with a row for each defect: `y_px` and `x_px` (pixels of the frame) or `y_nm` and `x_nm` (from
    /// its top left pixel's centre), of any number type. If there is a column `frame`, only rows of this frame count. The
    /// sign is that of a column `sign` ("dark" or "bright"), of a column `species`, or what the frame itself shows there.
    ///
    /// ```
    /// use atomotion::prelude::*;
    /// let frame = Ws2::default().with_size_px(128).simulate(3)?.movie.frame(0)?;
    /// let table = df!("y_px" => [40.0, 71.5], "x_px" => [22.0, 90.0], "sign" => ["dark", "bright"])?;
    /// assert_eq!(Labels::from_table(&frame, &table)?.len(), 2);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If a column is missing or has the wrong type, a place is missing or not in the frame, there are only nanometres and
    /// the frame is not calibrated, or the frame shows no lattice.
    pub fn from_table(frame: &Frame, table: &DataFrame) -> Result<Labels> {
        Labels::told(frame, places(frame, table)?, LabelSource::Table)
    }

    /// Labels at places `(y, x)` in pixels of the frame, each with the sign that the frame shows there.
    ///
    /// # Errors
    /// If a place is not in the frame, or the frame shows no lattice.
    pub fn from_positions(frame: &Frame, positions: &[(f32, f32)]) -> Result<Labels> {
        let place = |(i, &(y, x)): (usize, &(f32, f32))| Place {
            at: (f64::from(y), f64::from(x)),
            sign: None,
            name: format!("position {i}"),
        };
        Labels::told(frame, positions.iter().enumerate().map(place).collect(), LabelSource::Table)
    }

    /// Labels from a mask of the frame's size, of `bool` or `u8`: one at the centre of each connected region that is not 0
    /// and has one value, with the sign that the frame shows there. Regions larger than four labels' discs (holes) are
    /// left out, and a notice says how many.
    ///
    /// # Errors
    /// If the mask has another size, or the frame shows no lattice.
    pub fn from_mask<T: Copy + Into<u8>>(frame: &Frame, mask: &Array2<T>) -> Result<Labels> {
        let ((h, w), (mask_h, mask_w)) = (frame.data.dim(), mask.dim());
        if (h, w) != (mask_h, mask_w) {
            return Err(Error::data(format!(
                "a mask of {mask_h} x {mask_w} pixels does not fit a frame of {h} x {w}: one value a pixel is needed"
            )));
        }
        let labels = PeriodicityBreak::default().label(frame)?;
        let mask: Array2<u8> = mask.mapv(Into::into);
        let mut values: Vec<u8> = mask.iter().copied().filter(|v| *v > 0).collect();
        values.sort_unstable();
        values.dedup();
        let regions: Vec<_> = values.iter().flat_map(|value| components(&mask.mapv(|v| v == *value))).collect();
        let radius = labels.radius_px * labels.bin as f32;
        let most = (4.0 * std::f32::consts::PI * radius * radius) as usize;
        let (small, large): (Vec<_>, Vec<_>) = regions.into_iter().partition(|pixels| pixels.len() <= most);
        let place = |pixels: &Vec<(usize, usize)>| {
            let n = pixels.len() as f64;
            let sum = pixels.iter().fold((0, 0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
            Place { at: (sum.0 as f64 / n, sum.1 as f64 / n), sign: None, name: "a region of the mask".into() }
        };
        let mut labels = labels.only(small.iter().map(place).collect(), LabelSource::Mask)?;
        if !large.is_empty() {
            let (n, plural) = (large.len(), if large.len() == 1 { " is" } else { "s are" });
            labels.notices.push(format!("{n} region{plural} larger than {most} px and no point defects: left out"));
        }
        Ok(labels)
    }

    fn told(frame: &Frame, places: Vec<Place>, source: LabelSource) -> Result<Labels> {
        PeriodicityBreak::default().label(frame)?.only(places, source)
    }

    /// The same frame with other labels.
    fn only(mut self, places: Vec<Place>, source: LabelSource) -> Result<Labels> {
        for Place { at: (y, x), sign, name } in places {
            let region = self.told_region(y, x, sign, source);
            self.told.push(region.map_err(|e| Error::data(format!("{name}: {e}")))?);
        }
        self.finds = false;
        self.gather();
        if self.is_empty() {
            self.notices.push("No label was given for this frame".into());
        }
        Ok(self)
    }
}

/// The places of one frame in a table.
fn places(frame: &Frame, table: &DataFrame) -> Result<Vec<Place>> {
    let has = |name: &str| table.column(name).is_ok();
    let (y, x) = if has("y_px") && has("x_px") {
        (numbers(table, "y_px")?, numbers(table, "x_px")?)
    } else if has("y_nm") && has("x_nm") {
        let c = frame.calibration;
        if !c.known {
            return Err(Error::data(format!(
                "the table gives places in nm, and frame {} of {} is not calibrated: set its movie's with_calibration, or \
                 give y_px and x_px",
                frame.index, frame.source
            )));
        }
        let px = |nm: Vec<Option<f64>>| nm.into_iter().map(|v| v.map(|v| v / c.nm_per_px)).collect();
        (px(numbers(table, "y_nm")?), px(numbers(table, "x_nm")?))
    } else {
        let names: Vec<String> = table.get_column_names().iter().map(ToString::to_string).collect();
        return Err(Error::data(format!(
            "the table has no places: columns y_px and x_px, or y_nm and x_nm, are needed; it has {}",
            if names.is_empty() { "none".into() } else { names.join(", ") }
        )));
    };
    let frames = if has("frame") { Some(numbers(table, "frame")?) } else { None };
    let (sign, species) = (words(table, "sign")?, words(table, "species")?);
    let mut places = vec![];
    for row in 0..table.height() {
        let kind = species.as_ref().and_then(|s| s[row].as_deref());
        let elsewhere = frames.as_ref().is_some_and(|f| f[row] != Some(f64::from(frame.index)));
        if elsewhere || kind.is_some_and(|kind| kind.starts_with("hole")) {
            continue;
        }
        let (Some(y), Some(x)) = (y[row], x[row]) else {
            return Err(Error::data(format!("row {row} of the table has no place: y or x is missing")));
        };
        let given = sign.as_ref().and_then(|s| s[row].as_deref()).map(|word| read_sign(word, row)).transpose()?;
        let sign = given.or_else(|| kind.and_then(brightness_of_species).map(sign_of));
        places.push(Place { at: (y, x), sign, name: format!("row {row} of the table") });
    }
    Ok(places)
}

fn sign_of(brightness: Ordering) -> Sign {
    if brightness == Ordering::Greater { Sign::Bright } else { Sign::Dark }
}

fn read_sign(word: &str, row: usize) -> Result<Sign> {
    match word.to_ascii_lowercase().as_str() {
        "dark" | "-" | "-1" => Ok(Sign::Dark),
        "bright" | "+" | "1" | "+1" => Ok(Sign::Bright),
        _ => Err(Error::data(format!(
            "row {row} of the table has the sign \"{word}\": \"dark\" or \"bright\" is needed"
        ))),
    }
}

/// A column of numbers of any type.
fn numbers(table: &DataFrame, name: &str) -> Result<Vec<Option<f64>>> {
    let column = table.column(name)?;
    if !column.dtype().is_primitive_numeric() {
        return Err(Error::data(format!("column {name} of the table holds {}, not numbers", column.dtype())));
    }
    Ok(column.cast(&DataType::Float64)?.f64()?.iter().collect())
}

/// A column of words or whole numbers, if there is one.
fn words(table: &DataFrame, name: &str) -> Result<Option<Vec<Option<String>>>> {
    let Ok(column) = table.column(name) else {
        return Ok(None);
    };
    Ok(Some(column.cast(&DataType::String)?.str()?.iter().map(|w| w.map(Into::into)).collect()))
}
