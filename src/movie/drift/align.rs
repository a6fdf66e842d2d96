//! Frames moved back to where the first one is.

use super::MeasuredDrift;
use crate::error::{Error, Result};
use crate::movie::operations::{interpolate::part, resampled};
use crate::movie::{FrameSource, Movie};
use ndarray::Array2;
use std::sync::Arc;

struct Aligned {
    from: Arc<dyn FrameSource>,
    /// Where the common part begins in each frame: y, x.
    starts: Vec<[f64; 2]>,
    size: (usize, usize),
}

impl FrameSource for Aligned {
    fn shape(&self) -> (usize, usize, usize) {
        (self.starts.len(), self.size.0, self.size.1)
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        let [y, x] = self.starts[index];
        Ok(part(&self.from.read(index)?, (y, x), self.size))
    }
}

/// First row (or column) of what all frames show, in the first frame's coordinates, and how many there are.
fn common(shifts: impl Iterator<Item = f64> + Clone, n: usize) -> (f64, usize) {
    let least = shifts.clone().fold(0.0, f64::min);
    let most = shifts.fold(0.0, f64::max);
    // Row r of the first frame is row r + shift of another, and must lie from 0 to n - 1 in all of them.
    let (first, last) = ((-least).ceil(), (n as f64 - 1.0 - most).floor());
    (first, if last < first { 0 } else { (last - first) as usize + 1 })
}

impl Movie {
    /// Every frame moved back by its drift, by cubic convolution, and cut to the part that all frames show, so that
    /// every pixel was recorded: a frame loses as many rows and columns as the specimen moved. The axes' offsets say
    /// where that part is in the first frame. Moving by parts of a pixel smooths noise a little.
    ///
    /// # Errors
    /// If the drift was measured on another number of frames, or the frames have no part in common.
    pub fn align(&self, drift: &MeasuredDrift) -> Result<Movie> {
        let shifts = drift.shifts_px();
        if shifts.len() != self.len() {
            return Err(Error::data(format!(
                "the drift is that of {} frames, {} has {}: measure it on this movie",
                shifts.len(),
                self.name(),
                self.len()
            )));
        }
        let (top, height) = common(shifts.iter().map(|s| s[0]), self.height());
        let (left, width) = common(shifts.iter().map(|s| s[1]), self.width());
        if height == 0 || width == 0 {
            return Err(Error::data(format!(
                "the specimen moved so far that the frames of {} have no part in common: take fewer (take_frames)",
                self.name()
            )));
        }
        let starts = shifts.iter().map(|[y, x]| [top + y, left + x]).collect();
        let source = Aligned { from: self.source.clone(), starts, size: (height, width) };
        let mut movie = self.after(source, "align by measured drift");
        resampled(&mut movie.axes[1], top, 1.0);
        resampled(&mut movie.axes[2], left, 1.0);
        Ok(movie)
    }
}
