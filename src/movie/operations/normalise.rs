//! Intensities of every frame on one scale.

use crate::error::{Error, Result, check, setters};
use crate::movie::{FrameSource, Movie};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What [`Movie::normalise`] takes for 0 and for 1: two percentiles of the frame, which a few hot pixels do not move.
///
/// Median and median deviation would not do: in frames of less than a count a pixel both can be 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalise {
    /// Percentile that becomes 0 (default 1).
    pub low_percent: f64,
    /// Percentile that becomes 1 (default 99).
    pub high_percent: f64,
}

impl Default for Normalise {
    fn default() -> Self {
        Normalise { low_percent: 1.0, high_percent: 99.0 }
    }
}

impl Normalise {
    setters! {
        low_percent: f64 => with_low_percent,
        high_percent: f64 => with_high_percent,
    }

    fn validate(&self) -> Result<()> {
        let (low, high) = (self.low_percent, self.high_percent);
        check("low_percent", low, (0.0..100.0).contains(&low), "from 0 to less than 100")?;
        check("high_percent", high, high > low && high <= 100.0, format!("more than low_percent = {low}, at most 100"))
    }
}

struct Normalised {
    from: Arc<dyn FrameSource>,
    options: Normalise,
}

/// Two percentiles of the finite values, the nearest there are; the extremes where the percentiles are equal.
fn range(frame: &Array2<f32>, options: &Normalise) -> Option<(f32, f32)> {
    let mut values: Vec<f32> = frame.iter().copied().filter(|v| v.is_finite()).collect();
    let last = values.len().checked_sub(1)?;
    let mut at = |percent: f64| {
        let index = (percent / 100.0 * last as f64).round() as usize;
        *values.select_nth_unstable_by(index, f32::total_cmp).1
    };
    let (low, high) = (at(options.low_percent), at(options.high_percent));
    if low < high {
        return Some((low, high));
    }
    let (low, high) = (at(0.0), at(100.0));
    (low < high).then_some((low, high))
}

impl FrameSource for Normalised {
    fn shape(&self) -> (usize, usize, usize) {
        self.from.shape()
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        let frame = self.from.read(index)?;
        let (low, high) = range(&frame, &self.options).ok_or_else(|| {
            Error::data(format!("frame {index} is constant and cannot be normalised: leave it out with take_frames"))
        })?;
        Ok(frame.mapv_into(|v| (v - low) / (high - low)))
    }
}

impl Movie {
    /// Every frame scaled by itself so that two of its percentiles become 0 and 1; nothing is cut off.
    ///
    /// ```
    /// # use atomotion::movie::{Movie, Normalise};
    /// # use atomotion::ndarray::Array3;
    /// let movie = Movie::from_array(Array3::from_shape_fn((2, 10, 10), |(t, y, x)| (50 * t + 10 * y + x) as f32))?;
    /// let same = movie.normalise(&Normalise::default())?;
    /// assert!((&same.frame(0)?.data - &same.frame(1)?.data).iter().all(|d| d.abs() < 1e-6));
    /// # Ok::<(), atomotion::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the percentiles are not in order; when a frame is read, if it is constant.
    pub fn normalise(&self, options: &Normalise) -> Result<Movie> {
        options.validate()?;
        let step = format!("normalise percentiles {} and {} to 0 and 1", options.low_percent, options.high_percent);
        Ok(self.after(Normalised { from: self.source.clone(), options: *options }, &step))
    }
}
