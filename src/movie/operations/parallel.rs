//! All frames at once, on every core.

use crate::error::Result;
use crate::movie::{Frame, FrameSource, Movie};
use crate::progress::{Progress, Reporter, stop_if_asked};
use ndarray::Array2;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Frames in memory.
struct Collected {
    frames: Vec<Array2<f32>>,
    size: (usize, usize),
}

impl FrameSource for Collected {
    fn shape(&self) -> (usize, usize, usize) {
        (self.frames.len(), self.size.0, self.size.1)
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        Ok(self.frames[index].clone())
    }
}

impl Movie {
    /// What `work` makes of each frame, in the frames' order. Frames are read and worked on side by side, with
    /// progress; the stop button ends it, and so does the first error.
    ///
    /// ```
    /// # use atomotion::movie::Movie;
    /// # use atomotion::ndarray::Array3;
    /// let movie = Movie::from_array(Array3::from_shape_fn((5, 4, 4), |(t, _, _)| t as f32))?;
    /// let sums = movie.map_parallel(|frame| Ok(frame.data.sum()))?;
    /// assert_eq!(sums, [0.0, 16.0, 32.0, 48.0, 64.0]);
    /// # Ok::<(), atomotion::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first frame's that cannot be read, and those of `work`; if the user asked to stop.
    pub fn map_parallel<T: Send>(&self, work: impl Fn(Frame) -> Result<T> + Sync) -> Result<Vec<T>> {
        let progress = Mutex::new((Reporter::new("working", "frames"), 0));
        let one = |index| {
            stop_if_asked("while working through a movie")?;
            let made = work(self.frame(index)?)?;
            let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.1 += 1;
            let done = progress.1;
            progress.0.update(done, self.len(), "");
            Ok(made)
        };
        (0..self.len()).into_par_iter().map(one).collect()
    }

    /// Carries out all operations now, on every core, and keeps the frames in memory.
    ///
    /// # Errors
    /// If a frame cannot be read or computed; if the user asked to stop.
    pub fn collect(&self) -> Result<Movie> {
        let frames = self.map_parallel(|frame| Ok(frame.data))?;
        let source = Collected { frames, size: (self.height(), self.width()) };
        Ok(Movie { source: std::sync::Arc::new(source), ..self.clone() })
    }
}
