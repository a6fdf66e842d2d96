//! The mean of neighbouring frames.

use crate::error::{Result, check};
use crate::movie::{FrameSource, Movie};
use ndarray::Array2;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

struct Average {
    from: Arc<dyn FrameSource>,
    reach: usize,
    /// Frames that the neighbours of the frame before needed, too.
    kept: Mutex<VecDeque<(usize, Arc<Array2<f32>>)>>,
}

impl Average {
    fn frame(&self, index: usize) -> Result<Arc<Array2<f32>>> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, frame)) = kept().iter().find(|(i, _)| *i == index) {
            return Ok(frame.clone());
        }
        let frame = Arc::new(self.from.read(index)?); // without the lock: others read meanwhile
        let mut kept = kept();
        kept.push_back((index, frame.clone()));
        // What two walks side by side need.
        while kept.len() > 2 * (2 * self.reach + 1) {
            kept.pop_front();
        }
        Ok(frame)
    }
}

impl FrameSource for Average {
    fn shape(&self) -> (usize, usize, usize) {
        self.from.shape()
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        let (first, last) = (index.saturating_sub(self.reach), (index + self.reach).min(self.shape().0 - 1));
        let mut sum = Array2::zeros((self.shape().1, self.shape().2));
        for i in first..=last {
            sum += &*self.frame(i)?;
        }
        Ok(sum / (last - first + 1) as f32)
    }
}

impl Movie {
    /// Every frame becomes the mean of the `frames` around it, itself in the middle; at both ends, of those there are.
    /// Align the movie first.
    ///
    /// # Errors
    /// If `frames` is even or larger than the movie.
    pub fn rolling_average(&self, frames: usize) -> Result<Movie> {
        let valid = frames % 2 == 1 && frames <= self.len();
        check("frames", frames, valid, format!("an odd number from 1 to {}, the movie's length", self.len()))?;
        let source = Average { from: self.source.clone(), reach: frames / 2, kept: Mutex::default() };
        Ok(self.after(source, &format!("rolling average of {frames} frames")))
    }
}
