//! A function of one's own on every frame.

use crate::error::{Error, Result};
use crate::movie::{Frame, FrameSource, Movie};
use ndarray::Array2;

struct Map<F> {
    from: Movie,
    name: String,
    function: F,
}

impl<F: Fn(&Frame) -> Array2<f32> + Send + Sync> FrameSource for Map<F> {
    fn shape(&self) -> (usize, usize, usize) {
        self.from.source.shape()
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        let frame = self.from.frame(index)?;
        let made = (self.function)(&frame);
        if made.dim() == frame.data.dim() {
            return Ok(made);
        }
        let ((h, w), (height, width)) = (made.dim(), frame.data.dim());
        Err(Error::data(format!(
            "map \"{}\" made {h} x {w} pixels of frame {index} of {}, which has {height} x {width}: \
             a function must keep the frame's size (crop and bin change it)",
            self.name, frame.source
        )))
    }
}

impl Movie {
    /// Applies a function to every frame when it is read; `name` stands in the history. The function keeps the frame's
    /// size, and may be called from several threads at once.
    ///
    /// ```
    /// # use atomotion::movie::Movie;
    /// # use atomotion::ndarray::Array3;
    /// let movie = Movie::from_array(Array3::from_elem((2, 4, 4), 9.0))?;
    /// let roots = movie.map("square root", |frame| frame.data.mapv(f32::sqrt));
    /// assert_eq!(roots.frame(1)?.data[[0, 0]], 3.0);
    /// assert_eq!(roots.metadata().get("history"), Some("square root"));
    /// # Ok::<(), atomotion::Error>(())
    /// ```
    #[must_use]
    pub fn map(&self, name: &str, function: impl Fn(&Frame) -> Array2<f32> + Send + Sync + 'static) -> Movie {
        self.after(Map { from: self.clone(), name: name.to_owned(), function }, name)
    }
}
