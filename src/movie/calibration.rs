//! What a pixel and a frame are worth in nanometres and seconds.

use crate::error::{Result, check};
use serde::{Deserialize, Serialize};

/// Converts between pixels and nanometres, frames and seconds. Every conversion in the crate goes through this.
///
/// ```
/// use atomotion::movie::Calibration;
/// let calibration = Calibration::new(0.0315, 0.5)?;
/// assert_eq!(calibration.to_nm(10.0), 0.315);
/// assert_eq!(calibration.time_s(4), 2.0);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Nanometres per pixel, along both axes. 1 where the file did not say (see `known`).
    pub nm_per_px: f64,
    /// Seconds per frame. 1 where the file did not say.
    pub s_per_frame: f64,
    /// Whether the length scale is known; otherwise lengths "in nm" are in pixels.
    pub known: bool,
}

impl Default for Calibration {
    fn default() -> Self {
        Calibration { nm_per_px: 1.0, s_per_frame: 1.0, known: false }
    }
}

impl Calibration {
    /// A calibration from nanometres per pixel and seconds per frame.
    ///
    /// # Errors
    /// If either is not a positive, finite number.
    pub fn new(nm_per_px: f64, s_per_frame: f64) -> Result<Self> {
        check(
            "nm_per_px",
            nm_per_px,
            nm_per_px.is_finite() && nm_per_px > 0.0,
            "give a positive number of nanometres",
        )?;
        check(
            "s_per_frame",
            s_per_frame,
            s_per_frame.is_finite() && s_per_frame > 0.0,
            "give a positive number of seconds",
        )?;
        Ok(Calibration { nm_per_px, s_per_frame, known: true })
    }

    /// Pixels to nanometres.
    #[must_use]
    pub fn to_nm(&self, px: f64) -> f64 {
        px * self.nm_per_px
    }

    /// The time at which a frame begins, in seconds.
    #[must_use]
    pub fn time_s(&self, frame: u32) -> f64 {
        f64::from(frame) * self.s_per_frame
    }
}
