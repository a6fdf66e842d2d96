//! Operations on movies, one a file: each gives another movie and reads nothing before a frame is asked for.
//!
//! Axes and calibration follow every operation, and the metadata's `history` says what was done, in order.

mod average;
mod background;
mod bin;
mod crop;
mod frames;
pub(super) mod interpolate;
mod map;
mod normalise;
mod parallel;
mod rotate;

pub use normalise::Normalise;

use super::formats::Axis;
use super::{FrameSource, Movie};
use crate::error::{Error, Result};
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

impl Movie {
    /// This movie with its frames given by `source`, and a step more in its history.
    pub(super) fn after(&self, source: impl FrameSource + 'static, step: &str) -> Movie {
        let mut movie = Movie { source: Arc::new(source), ..self.clone() };
        let (frames, height, width) = movie.source.shape();
        for (axis, size) in movie.axes.iter_mut().zip([frames, height, width]) {
            axis.size = size;
        }
        let history = match self.metadata.get("history") {
            Some(earlier) => format!("{earlier}; {step}"),
            None => step.to_owned(),
        };
        movie.metadata.set("history", history);
        movie
    }
}

/// The axis from index `first` on (which may lie between two), `step` of the old indices a new one.
pub(super) fn resampled(axis: &mut Axis, first: f64, step: f64) {
    axis.offset += first * axis.scale;
    axis.scale *= step;
}

/// The indices of a range such as `2..`, which must lie within `0..len` and hold at least one.
fn within(option: &'static str, range: &impl RangeBounds<usize>, len: usize) -> Result<Range<usize>> {
    let start = match range.start_bound() {
        Bound::Included(&n) => n,
        Bound::Excluded(&n) => n.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&n) => n.saturating_add(1),
        Bound::Excluded(&n) => n,
        Bound::Unbounded => len,
    };
    if start < end && end <= len {
        return Ok(start..end);
    }
    let expected = format!("a range of at least one within 0..{len}");
    Err(Error::Option { option, value: format!("{start}..{end}"), expected })
}
