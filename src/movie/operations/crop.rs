//! A part of every frame.

use super::{resampled, within};
use crate::error::Result;
use crate::movie::{FrameSource, Movie};
use ndarray::{Array2, s};
use std::ops::{Range, RangeBounds};
use std::sync::Arc;

struct Crop {
    from: Arc<dyn FrameSource>,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl FrameSource for Crop {
    fn shape(&self) -> (usize, usize, usize) {
        (self.from.shape().0, self.rows.len(), self.columns.len())
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        Ok(self.from.read(index)?.slice(s![self.rows.clone(), self.columns.clone()]).to_owned())
    }
}

impl Movie {
    /// The given rows and columns of every frame: `movie.crop(100..300, ..256)?`. Axes keep where they are: their
    /// offsets move.
    ///
    /// ```
    /// # use atomotion::movie::Movie;
    /// # use atomotion::ndarray::Array3;
    /// let movie = Movie::from_array(Array3::from_shape_fn((2, 8, 8), |(_, y, x)| (10 * y + x) as f32))?;
    /// let part = movie.crop(2..5, 3..)?;
    /// assert_eq!((part.height(), part.width(), part.frame(0)?.data[[0, 0]]), (3, 5, 23.0));
    /// # Ok::<(), atomotion::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a range is empty or reaches beyond the frame.
    pub fn crop(&self, rows: impl RangeBounds<usize>, columns: impl RangeBounds<usize>) -> Result<Movie> {
        let rows = within("rows", &rows, self.height())?;
        let columns = within("columns", &columns, self.width())?;
        let step = format!("crop rows {rows:?}, columns {columns:?}");
        let (top, left) = (rows.start as f64, columns.start as f64);
        let mut movie = self.after(Crop { from: self.source.clone(), rows, columns }, &step);
        resampled(&mut movie.axes[1], top, 1.0);
        resampled(&mut movie.axes[2], left, 1.0);
        Ok(movie)
    }
}
