//! Gathers defects while frames are decoded.

use super::{Areas, Defects, FalseAlarms};
use crate::error::{Error, Result};
use crate::movie::Calibration;
use ndarray::{Array2, Array3};
use polars::prelude::{Column, DataFrame, NamedFrom, Series};

/// One defect, in pixels of the binned frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub y: f32,
    pub x: f32,
    pub area: usize,
    pub probability: f32,
    /// Standard deviation of the probability over several networks.
    pub spread: Option<f32>,
    pub bright: bool,
    /// Standard error of the centre along one axis, where it was fitted.
    pub error: Option<f32>,
}

#[derive(Clone)]
pub(crate) struct Rows {
    patch_px: usize,
    bin: usize,
    calibration: Calibration,
    frame: Vec<u32>,
    found: Vec<Found>,
    patches: Vec<f32>,
    fitted: bool,
}

impl Rows {
    /// With a column for the error of fitted centres if they are `fitted`.
    pub(crate) fn new(patch_px: usize, bin: usize, calibration: Calibration, fitted: bool) -> Rows {
        Rows { patch_px, bin, calibration, frame: vec![], found: vec![], patches: vec![], fitted }
    }

    pub(crate) fn len(&self) -> usize {
        self.frame.len()
    }

    /// Centres of one frame's defects, in pixels of the binned frame.
    pub(crate) fn places(&self, frame: u32) -> impl Iterator<Item = (f32, f32)> {
        self.frame.iter().zip(&self.found).filter(move |(f, _)| **f == frame).map(|(_, d)| (d.y, d.x))
    }

    pub(crate) fn push(&mut self, frame: u32, found: Found, patch: Array2<f32>) {
        self.frame.push(frame);
        self.found.push(found);
        self.patches.extend(patch);
    }

    pub(crate) fn finish(self, areas: Option<Areas>, false_alarms: Option<FalseAlarms>) -> Result<Defects> {
        let (n, by) = (self.len(), self.bin as f32);
        let place =
            |of: fn(&Found) -> f32| -> Vec<f32> { self.found.iter().map(|f| (of(f) + 0.5) * by - 0.5).collect() };
        let (y, x) = (place(|f| f.y), place(|f| f.x));
        let nm = |px: &[f32]| px.iter().map(|&v| self.calibration.to_nm(f64::from(v)) as f32).collect::<Vec<_>>();
        let time: Vec<f64> = self.frame.iter().map(|&f| self.calibration.time_s(f)).collect();
        let area: Vec<u32> = self.found.iter().map(|f| (f.area * self.bin * self.bin) as u32).collect();
        let probability: Vec<f32> = self.found.iter().map(|f| f.probability).collect();
        let sign: Vec<&str> = self.found.iter().map(|f| if f.bright { "bright" } else { "dark" }).collect();
        let mut columns: Vec<Column> = vec![
            Series::new("defect".into(), (0..n as u64).collect::<Vec<_>>()).into(),
            Series::new("frame".into(), &self.frame).into(),
            Series::new("time_s".into(), time).into(),
            Series::new("y_px".into(), &y).into(),
            Series::new("x_px".into(), &x).into(),
            Series::new("y_nm".into(), nm(&y)).into(),
            Series::new("x_nm".into(), nm(&x)).into(),
            Series::new("area_px".into(), area).into(),
            Series::new("probability".into(), probability).into(),
            Series::new("sign".into(), sign).into(),
        ];
        if self.found.iter().any(|f| f.spread.is_some()) {
            let spread: Vec<Option<f32>> = self.found.iter().map(|f| f.spread).collect();
            columns.push(Series::new("probability_spread".into(), spread).into());
        }
        if self.fitted {
            let error: Vec<Option<f32>> = self.found.iter().map(|f| f.error.map(|e| e * by)).collect();
            columns.push(Series::new("position_error_px".into(), error).into());
        }
        let patches = Array3::from_shape_vec((n, self.patch_px, self.patch_px), self.patches)
            .map_err(|e| Error::data(format!("patches do not fit their table: {e}")))?;
        let defects = Defects::new(DataFrame::new(n, columns)?, patches, self.calibration.to_nm(self.bin as f64))?;
        Ok(Defects { areas, false_alarms, ..defects })
    }
}
