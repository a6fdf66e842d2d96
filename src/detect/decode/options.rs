//! How the network's map becomes defects.

use super::Surrogates;
use crate::error::{Result, check, setters};
use serde::{Deserialize, Serialize};

/// How the network's map becomes defects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decoding {
    /// What is at least this probable is a defect. Probabilities are calibrated on frames like the labelled one, and follow how
    /// frequent faint defects are in each frame; about half of what has 0.5 is true on frames like the labelled
    /// one, fewer in frames of very few counts. F1 of what is hard to see is highest at a lower one.
    pub threshold: f64,
    /// Defects of fewer (binned) pixels are dropped.
    pub min_area_px: usize,
    /// Defects whose centre is nearer to the frame's border than this many periods are dropped: their surroundings,
    /// which tell them from lattice, are not all seen.
    pub edge_periods: f64,
    /// Two defects are at least this many periods apart: nearer detections are one, the most probable. Neighbouring columns
    /// of WS2 are 0.58 periods apart.
    pub apart_periods: f64,
    /// A region with several maxima is several defects where the way from one to the other goes below this fraction of the
    /// lower one.
    pub saddle: f64,
    /// Whether centres are fitted: a Gaussian to what is left of the frame at a defect when the lattice is taken out. The
    /// table then has the standard error of each centre, which knows of the counts' noise but not of the scan's jitter; where
    /// the fit fails the map's centre stays.
    pub refine: bool,
    /// Height and width of a patch in (binned) pixels; the default holds three periods of ten pixels.
    pub patch_px: usize,
    /// Frames that are decoded at once, at most: large frames are taken one by one, or in tiles.
    pub batch: usize,
    /// Most (binned) pixels that go through the network at once; larger frames go in overlapping tiles, with the same
    /// result. None suits the device. Where its memory is not enough, half is tried.
    pub most_px: Option<usize>,
    /// Whether the network computes with numbers of 16 bits (bfloat16) on a processor that has instructions for them (AMX,
    /// AVX-512 BF16): faster, with probabilities that differ in the third digit. Nothing changes elsewhere, nor on a GPU.
    pub half_precision: bool,
    /// How it is counted what noise alone gives.
    pub surrogates: Surrogates,
}

impl Default for Decoding {
    fn default() -> Self {
        Decoding {
            threshold: 0.2,
            min_area_px: 4,
            edge_periods: 0.5,
            apart_periods: 0.4,
            saddle: 0.9,
            refine: false,
            patch_px: 32,
            batch: 16,
            most_px: None,
            half_precision: false,
            surrogates: Surrogates::default(),
        }
    }
}

impl Decoding {
    setters! {
        threshold: f64 => with_threshold,
        min_area_px: usize => with_min_area_px,
        edge_periods: f64 => with_edge_periods,
        apart_periods: f64 => with_apart_periods,
        saddle: f64 => with_saddle,
        refine: bool => with_refine,
        patch_px: usize => with_patch_px,
        batch: usize => with_batch,
        most_px: Option<usize> => with_most_px,
        half_precision: bool => with_half_precision,
        surrogates: Surrogates => with_surrogates,
    }

    pub(super) fn validate(&self) -> Result<()> {
        check(
            "threshold",
            self.threshold,
            self.threshold > 0.0 && self.threshold < 1.0,
            "a probability between 0 and 1",
        )?;
        check(
            "edge_periods",
            self.edge_periods,
            self.edge_periods.is_finite() && self.edge_periods >= 0.0,
            "zero or a positive number of periods",
        )?;
        check(
            "apart_periods",
            self.apart_periods,
            (0.0..=2.0).contains(&self.apart_periods),
            "from 0 to 2 periods; 0.4 is usual",
        )?;
        check("saddle", self.saddle, (0.0..=1.0).contains(&self.saddle), "a fraction from 0 to 1; 0.9 is usual")?;
        check("patch_px", self.patch_px, (4..=512).contains(&self.patch_px), "from 4 to 512 pixels")?;
        check("batch", self.batch, (1..=1024).contains(&self.batch), "from 1 to 1024 frames")?;
        if let Some(most) = self.most_px {
            check("most_px", most, most >= 1 << 14, "at least 16384 pixels (128 x 128)")?;
        }
        self.surrogates.validate()
    }
}
