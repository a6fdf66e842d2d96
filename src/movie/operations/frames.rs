//! Some of the frames.

use super::{resampled, within};
use crate::error::{Result, check};
use crate::movie::{FrameSource, Movie};
use ndarray::Array2;
use std::ops::RangeBounds;
use std::sync::Arc;

struct Frames {
    from: Arc<dyn FrameSource>,
    first: usize,
    step: usize,
    count: usize,
}

impl FrameSource for Frames {
    fn shape(&self) -> (usize, usize, usize) {
        let (_, height, width) = self.from.shape();
        (self.count, height, width)
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        self.from.read(self.first + index * self.step)
    }
}

impl Movie {
    /// Every `step`-th frame of a range: `movie.take_frames(10.., 2)?`. They count from 0 again; the axis's offset says
    /// when the first one was.
    ///
    /// ```
    /// # use atomotion::movie::Movie;
    /// # use atomotion::ndarray::Array3;
    /// let movie = Movie::from_array(Array3::from_shape_fn((9, 4, 4), |(t, _, _)| t as f32))?;
    /// let some = movie.take_frames(1..8, 3)?; // 1, 4, 7
    /// assert_eq!((some.len(), some.frame(2)?.data[[0, 0]]), (3, 7.0));
    /// # Ok::<(), atomotion::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the range is empty or reaches beyond the movie, or `step` is 0.
    pub fn take_frames(&self, frames: impl RangeBounds<usize>, step: usize) -> Result<Movie> {
        let frames = within("frames", &frames, self.len())?;
        check("step", step, step > 0, "1 for every frame, 2 for every other, and so on")?;
        let words =
            format!("take frames {frames:?}") + &if step > 1 { format!(", every {step}") } else { String::new() };
        let count = frames.len().div_ceil(step);
        let source = Frames { from: self.source.clone(), first: frames.start, step, count };
        let mut movie = self.after(source, &words);
        resampled(&mut movie.axes[0], frames.start as f64, step as f64);
        movie.calibration.s_per_frame *= step as f64;
        if let Some(seconds) = self.metadata.number("frame_time_s") {
            movie.metadata.set("frame_time_s", seconds * step as f64);
        }
        Ok(movie)
    }
}
