//! Several pixels into one.

use super::resampled;
use crate::error::{Result, check};
use crate::filter::bin;
use crate::movie::{FrameSource, Movie};
use ndarray::Array2;
use std::sync::Arc;

struct Bin {
    from: Arc<dyn FrameSource>,
    factor: usize,
}

impl FrameSource for Bin {
    fn shape(&self) -> (usize, usize, usize) {
        let (frames, height, width) = self.from.shape();
        (frames, height / self.factor, width / self.factor)
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        Ok(bin(&self.from.read(index)?, self.factor))
    }
}

impl Movie {
    /// Means of blocks of `factor` x `factor` pixels; rows and columns that fill no block, at the bottom and at the
    /// right, are left out. A mean keeps intensities comparable; for counts a block, multiply by `factor` squared.
    ///
    /// # Errors
    /// If `factor` is 0 or larger than the frame.
    pub fn bin(&self, factor: usize) -> Result<Movie> {
        let most = self.height().min(self.width());
        check("factor", factor, (1..=most).contains(&factor), format!("from 1 to {most}, the frame's shorter side"))?;
        let source = Bin { from: self.source.clone(), factor };
        let mut movie = self.after(source, &format!("bin {factor} x {factor} (mean)"));
        // The first block's centre lies between its pixels' centres.
        let centre = (factor as f64 - 1.0) / 2.0;
        resampled(&mut movie.axes[1], centre, factor as f64);
        resampled(&mut movie.axes[2], centre, factor as f64);
        if movie.calibration.known {
            movie.calibration.nm_per_px *= factor as f64;
        }
        Ok(movie)
    }
}
