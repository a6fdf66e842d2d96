//! What varies slowly across a frame, taken away.

use crate::error::{Result, check};
use crate::filter::weighted_gaussian;
use crate::movie::{FrameSource, Movie};
use ndarray::Array2;
use std::sync::Arc;

struct WithoutBackground {
    from: Arc<dyn FrameSource>,
    sigma: f32,
}

impl FrameSource for WithoutBackground {
    fn shape(&self) -> (usize, usize, usize) {
        self.from.shape()
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        let frame = self.from.read(index)?;
        let slow = weighted_gaussian(&frame, &Array2::ones(frame.dim()), self.sigma);
        Ok(frame - slow)
    }
}

impl Movie {
    /// Every frame less its Gaussian average of standard deviation `sigma_px`, which near the edges is over what is
    /// there. What is left has a mean near 0. Take two lattice periods or more, so that columns stay.
    ///
    /// # Errors
    /// If `sigma_px` is not from 1 to the frame's longer side.
    pub fn subtract_background(&self, sigma_px: f32) -> Result<Movie> {
        let most = self.height().max(self.width()) as f32;
        let valid = (1.0..=most.max(1.0)).contains(&sigma_px);
        check("sigma_px", sigma_px, valid, format!("from 1 to {most} pixels, the frame's longer side"))?;
        let source = WithoutBackground { from: self.source.clone(), sigma: sigma_px };
        Ok(self.after(source, &format!("subtract background slower than {sigma_px} px")))
    }
}
