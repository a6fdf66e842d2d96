//! New training crops from one frame, made in parallel while the network learns.

mod batch;
mod canvas;
mod fresh;
mod intensities;
mod pose;

use super::plant::Planting;
use crate::error::{Result, check, setters};
use pose::Freedom;
use serde::{Deserialize, Serialize};

pub(super) use batch::Batch;
pub(super) use canvas::Canvas;
pub(super) use fresh::{Fresh, From};
pub(crate) use pose::{bilinear, mirror};

/// How crops are varied. Each range is sampled uniformly, anew for every crop.
///
/// Some crops are *straight*: pixels of the frame as they are. The others are turned, zoomed and bent as well, which takes values between pixels and so makes noise smoother than it is; blur,
/// counts drawn anew and noise vary that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Augment {
    /// Height and width of a crop in pixels (of the binned frame).
    pub crop_px: usize,
    /// Fraction of the crops that are centred near a label; the rest lie anywhere.
    pub near_labels: f64,
    /// Sites that are edited to look like defects.
    pub planting: Planting,
    /// Fraction of the crops whose noise is new: the frame's lattice and background, plants, and on them the frame's own
    /// noise from elsewhere. They hold no labels.
    pub fresh: f64,
    /// Fraction of the crops that are straight; all that follows but `contrast` and `shift` is for the others.
    pub straight: f64,
    /// Whether crops are turned by quarters and flipped. A movie's lattice keeps its direction, and which of two places
    /// holds a faint column is learnt sooner where it is always the same one.
    pub symmetries: bool,
    /// Largest rotation in degrees: 45 with symmetries, or 180 without, is any rotation.
    pub rotation_deg: f64,
    /// Largest change of scale, as a fraction: 0.1 is 0.9 to 1.1 times.
    pub zoom: f64,
    /// Largest reach of the slow waves that bend a crop, in pixels.
    pub elastic_px: f64,
    /// Largest root mean square shift of single rows along themselves, in pixels.
    pub row_jitter_px: f64,
    /// Largest change of contrast, as a fraction.
    pub contrast: f64,
    /// Largest shift of the intensities, in standard deviations of the frame.
    pub shift: f64,
    /// Largest logarithm of the gamma that intensities are bent by: 0.2 is powers from 0.82 to 1.22.
    pub gamma: f64,
    /// Largest reach of a slow background, in standard deviations of the frame.
    pub background: f64,
    /// Largest Gaussian noise added, in standard deviations of the frame.
    pub noise: f64,
    /// Fewest mean counts per pixel that a crop is redrawn with (Poisson); half of the crops are not redrawn.
    pub counts: f64,
    /// Largest blur, a Gaussian's standard deviation in pixels.
    pub blur_px: f64,
}

impl Default for Augment {
    fn default() -> Self {
        Augment {
            crop_px: 64,
            near_labels: 0.3,
            planting: Planting::default(),
            fresh: 0.7,
            straight: 0.8,
            symmetries: false,
            rotation_deg: 3.0,
            zoom: 0.03,
            elastic_px: 0.5,
            row_jitter_px: 0.3,
            contrast: 0.1,
            shift: 0.05,
            gamma: 0.1,
            background: 0.2,
            noise: 0.2,
            counts: 20.0,
            blur_px: 0.6,
        }
    }
}

impl Augment {
    setters! {
        crop_px: usize => with_crop_px,
        near_labels: f64 => with_near_labels,
        planting: Planting => with_planting,
        fresh: f64 => with_fresh,
        straight: f64 => with_straight,
        symmetries: bool => with_symmetries,
        rotation_deg: f64 => with_rotation_deg,
        zoom: f64 => with_zoom,
        elastic_px: f64 => with_elastic_px,
        row_jitter_px: f64 => with_row_jitter_px,
        contrast: f64 => with_contrast,
        shift: f64 => with_shift,
        gamma: f64 => with_gamma,
        background: f64 => with_background,
        noise: f64 => with_noise,
        counts: f64 => with_counts,
        blur_px: f64 => with_blur_px,
    }

    pub(super) fn validate(&self) -> Result<()> {
        check(
            "crop_px",
            self.crop_px,
            (16..=1024).contains(&self.crop_px) && self.crop_px.is_multiple_of(4),
            "a multiple of 4 from 16 to 1024",
        )?;
        for (name, value) in [("near_labels", self.near_labels), ("fresh", self.fresh), ("straight", self.straight)] {
            check(name, value, (0.0..=1.0).contains(&value), "a fraction from 0 to 1")?;
        }
        check("rotation_deg", self.rotation_deg, (0.0..=180.0).contains(&self.rotation_deg), "0 to 180 degrees")?;
        check("zoom", self.zoom, (0.0..0.9).contains(&self.zoom), "a fraction from 0 to 0.9")?;
        check("contrast", self.contrast, (0.0..1.0).contains(&self.contrast), "a fraction from 0 to 1")?;
        check("gamma", self.gamma, (0.0..=2.0).contains(&self.gamma), "from 0 to 2")?;
        check("counts", self.counts, self.counts > 0.0, "a positive number of counts")?;
        for (name, value) in [
            ("elastic_px", self.elastic_px),
            ("row_jitter_px", self.row_jitter_px),
            ("shift", self.shift),
            ("background", self.background),
            ("noise", self.noise),
            ("blur_px", self.blur_px),
        ] {
            check(name, value, value.is_finite() && value >= 0.0, "zero or a positive number")?;
        }
        self.planting.validate()
    }

    fn freedom(&self) -> Freedom {
        Freedom {
            symmetries: self.symmetries,
            rotation_deg: self.rotation_deg,
            zoom: self.zoom,
            elastic_px: self.elastic_px,
            row_jitter_px: self.row_jitter_px,
        }
    }
}
