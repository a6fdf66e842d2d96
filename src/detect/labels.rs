//! The labels of one frame: where it breaks its lattice, found or told, and what a network is taught by them.

use super::components::components;
use super::lattice::Lattice;
use super::periodicity::{disc, expected_false};
use crate::error::{Result, check};
use crate::movie::Frame;
use ndarray::{Array2, Zip};
use serde::{Deserialize, Serialize};

/// Whether a place is darker or brighter than its lattice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sign {
    /// Too dark: a lighter atom, or fewer.
    Dark,
    /// Too bright: a heavier atom, or more.
    Bright,
}

/// How a label came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LabelSource {
    /// It stands out of the frame's lattice.
    Found,
    /// Somebody looked, and added it ([`Labels::with_defect`]).
    ByHand,
    /// From a simulation's truth ([`Labels::from_truth`]).
    Truth,
    /// From a table or a list of places ([`Labels::from_table`]).
    Table,
    /// From a mask ([`Labels::from_mask`]).
    Mask,
}

/// One place that breaks the lattice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Position in pixels of the frame.
    pub y_px: f32,
    /// Position in pixels of the frame.
    pub x_px: f32,
    /// Peak score in robust standard deviations: positive is too bright, negative too dark. Of a place that was told and
    /// not found: the strongest score of its sign in its disc, or 0.
    pub score: f32,
    /// Darker or brighter than the lattice.
    pub sign: Sign,
    /// How the label came to be.
    pub source: LabelSource,
}

/// The labels of one frame, and how they were come by.
///
/// They can be looked at, corrected and gone on with; each step gives new labels, so that steps chain:
///
/// ```
/// use atomotion::prelude::*;
/// let frame = Ws2::default().with_size_px(128).simulate(3)?.movie.frame(0)?;
/// let labels = PeriodicityBreak::default().label(&frame)?;
/// let first = labels.regions[0];
/// let labels = labels.at_threshold(4.0)?.with_defect(64.0, 40.0, Sign::Dark)?.without(first.y_px.into(), first.x_px.into())?;
/// assert!(format!("{labels:?}").contains("1 added and 1 erased by hand"));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Labels {
    /// The frame that was labelled.
    pub frame: Frame,
    /// Its lattice, in pixels of the frame.
    pub lattice: Lattice,
    /// Bin factor of the maps below: one of their pixels is `bin` x `bin` of the frame's.
    pub bin: usize,
    /// The frame, binned.
    pub image: Array2<f32>,
    /// The lattice and the slow background, binned; what the scan did to single rows is not in it.
    pub periodic: Array2<f32>,
    /// What stands out, in robust standard deviations, binned.
    pub score: Array2<f32>,
    /// The labels, most significant first: places that stand out by more than `threshold`, and those that were told.
    pub regions: Vec<Region>,
    /// The threshold of those that were found.
    pub threshold: f64,
    /// How many of them noise alone is expected to give (independent places times the two tails of a Gaussian).
    pub expected_false: f64,
    /// Radius of a label's disc in binned pixels.
    pub radius_px: f32,
    /// Standard deviation of a column in binned pixels.
    pub column_px: f32,
    /// What a reader of these labels should know: pixels at the detector's maximum, parts of a mask that were left out.
    pub notices: Vec<String>,
    /// Whether places that stand out are labels; if not, only those that were told.
    pub(super) finds: bool,
    /// Labels that were told; they stay whatever the threshold.
    pub(super) told: Vec<Region>,
    /// Found labels that were erased by hand.
    pub(super) erased: Vec<Region>,
}

/// One frame's labels, where those of several may be given.
impl AsRef<[Labels]> for Labels {
    fn as_ref(&self) -> &[Labels] {
        std::slice::from_ref(self)
    }
}

impl Labels {
    /// Number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.regions.len()
    }

    /// Whether there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// Number of labels of a sign.
    #[must_use]
    pub fn count(&self, sign: Sign) -> usize {
        self.regions.iter().filter(|r| r.sign == sign).count()
    }

    /// Whether places that stand out are labels; if not, only those that were told.
    pub(crate) fn finds_labels(&self) -> bool {
        self.finds
    }

    /// Places that stand out at `self.threshold`, darker and brighter ones apart, even where they touch.
    fn found(&self) -> Vec<Region> {
        let by = self.bin as f32;
        let threshold = self.threshold as f32;
        let full = |v: f32| (v + 0.5) * by - 0.5;
        let of = |sign: Sign| {
            let sense = sign.sense();
            components(&self.score.mapv(|s| sense * s > threshold)).into_iter().map(move |pixels| {
                let (mut peak, mut y, mut x, mut sum) = (0.0_f32, 0.0, 0.0, 0.0);
                for (py, px) in pixels {
                    let s = sense * self.score[[py, px]];
                    peak = peak.max(s);
                    y += s * py as f32;
                    x += s * px as f32;
                    sum += s;
                }
                let (y_px, x_px) = (full(y / sum), full(x / sum));
                Region { y_px, x_px, score: sense * peak, sign, source: LabelSource::Found }
            })
        };
        of(Sign::Dark).chain(of(Sign::Bright)).collect()
    }

    /// Makes `regions` anew: what stands out, but for what was erased, and what was told, before which the found give way.
    pub(super) fn gather(&mut self) {
        let near = |a: &Region, b: &Region| a.distance(b.y_px, b.x_px) <= self.radius_px * self.bin as f32;
        let gone = |r: &Region| self.erased.iter().any(|e| e.sign == r.sign && near(e, r));
        let found = if self.finds { self.found() } else { vec![] };
        let kept = found.into_iter().filter(|r| !gone(r) && !self.told.iter().any(|t| near(t, r)));
        self.regions = self.told.iter().copied().chain(kept).collect();
        self.regions.sort_by(|a, b| b.score.abs().total_cmp(&a.score.abs()));
        self.expected_false =
            if self.finds { expected_false(self.image.len(), self.column_px, self.threshold) } else { 0.0 };
    }

    /// The same labels at another threshold. What was added or erased by hand stays so.
    ///
    /// # Errors
    /// If the threshold is not a positive number.
    pub fn at_threshold(&self, threshold: f64) -> Result<Self> {
        check("threshold", threshold, threshold.is_finite() && threshold > 0.0, "a positive number, 3 to 6")?;
        let mut labels = Labels { threshold, ..self.clone() };
        labels.gather();
        Ok(labels)
    }

    /// Position of a region in binned pixels.
    pub(crate) fn binned(&self, region: &Region) -> (f32, f32) {
        let by = self.bin as f32;
        ((region.y_px + 0.5) / by - 0.5, (region.x_px + 0.5) / by - 0.5)
    }

    /// Training target (1 in a label's disc) and weight, as of [`Labels::target_and_weight_by_sign`].
    pub(crate) fn target_and_weight(&self) -> (Array2<f32>, Array2<f32>) {
        let ([dark, bright], weight) = self.target_and_weight_by_sign();
        (Zip::from(&dark).and(&bright).map_collect(|&d, &b| f32::max(d, b)), weight)
    }

    /// Training targets, dark and bright (1 in the discs of such labels), and the weight of each pixel: 0 where the frame
    /// cannot say, that is where the score is between two thirds of the threshold and the threshold, away from every
    /// label and from what was erased by hand. Labels that were told, and not found, are sure everywhere.
    pub(crate) fn target_and_weight_by_sign(&self) -> ([Array2<f32>; 2], Array2<f32>) {
        let unsure = if self.finds { (self.threshold * 2.0 / 3.0) as f32 } else { f32::INFINITY };
        let mut weight = self.score.mapv(|s| if s.abs() > unsure { 0.0 } else { 1.0 });
        let mut targets = [Array2::zeros(self.score.dim()), Array2::zeros(self.score.dim())];
        for region in self.regions.iter().chain(&self.erased) {
            let (y, x) = self.binned(region);
            disc(&mut weight, y, x, 2.0 * self.radius_px, |w| *w = 1.0);
        }
        for region in &self.regions {
            let (y, x) = self.binned(region);
            disc(&mut targets[region.sign as usize], y, x, self.radius_px, |t| *t = 1.0);
        }
        (targets, weight)
    }
}

impl Sign {
    /// 1 for bright, -1 for dark: what a score of this sign is multiplied by to be positive.
    pub(super) fn sense(self) -> f32 {
        match self {
            Sign::Dark => -1.0,
            Sign::Bright => 1.0,
        }
    }
}

impl std::fmt::Display for Sign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Sign::Dark => "dark",
            Sign::Bright => "bright",
        })
    }
}

impl Region {
    /// Distance in pixels of the frame.
    pub(super) fn distance(&self, y_px: f32, x_px: f32) -> f32 {
        (self.y_px - y_px).hypot(self.x_px - x_px)
    }
}

impl std::fmt::Debug for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (n, bright) = (self.len(), self.count(Sign::Bright));
        let plural = if n == 1 { "" } else { "s" };
        write!(f, "{n} label{plural} in frame {} of {}", self.frame.index, self.frame.source)?;
        if self.finds {
            write!(f, " at {} robust standard deviations", self.threshold)?;
        }
        write!(f, " ({bright} too bright, {} too dark", n - bright)?;
        let (added, erased) = (self.added().len(), self.erased.len());
        if added + erased > 0 {
            write!(f, "; {added} added and {erased} erased by hand")?;
        }
        write!(f, ")")?;
        if self.finds {
            write!(f, "; noise alone would give about {:.1}", self.expected_false)?;
        }
        write!(f, ". Lattice period {:.2} px", self.lattice.period_px)?;
        if self.frame.calibration.known {
            write!(f, " ({:.4} nm)", self.frame.calibration.to_nm(self.lattice.period_px))?;
        }
        self.notices.iter().try_for_each(|notice| write!(f, ". {notice}"))
    }
}
