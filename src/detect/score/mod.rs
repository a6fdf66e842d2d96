//! How good detections are, where the truth is known.

mod reliability;
mod scores;
mod truth;

pub use reliability::{Reliability, ReliabilityBin};
pub use scores::{GroupScore, Interval, ScoredMovie, Scores, SpeciesRecall};
pub use truth::{Detection, FrameTruth, Group, Standing, TrueSite};

use crate::error::{Result, check};

/// Precision, recall and F1 of detections against the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Detections that are a true defect.
    pub hits: usize,
    /// Detections that are not.
    pub false_alarms: usize,
    /// True defects that were not detected.
    pub misses: usize,
}

impl Score {
    /// Fraction of the detections that are true.
    #[must_use]
    pub fn precision(&self) -> f64 {
        self.hits as f64 / (self.hits + self.false_alarms).max(1) as f64
    }

    /// Fraction of the true defects that were detected.
    #[must_use]
    pub fn recall(&self) -> f64 {
        self.hits as f64 / (self.hits + self.misses).max(1) as f64
    }

    /// Harmonic mean of precision and recall.
    #[must_use]
    pub fn f1(&self) -> f64 {
        2.0 * self.hits as f64 / (2 * self.hits + self.false_alarms + self.misses).max(1) as f64
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "F1 {:.2} (precision {:.2}, recall {:.2})", self.f1(), self.precision(), self.recall())
    }
}

impl std::ops::AddAssign for Score {
    fn add_assign(&mut self, other: Score) {
        self.hits += other.hits;
        self.false_alarms += other.false_alarms;
        self.misses += other.misses;
    }
}

/// Matches detections with true positions `(y, x)` of one frame, nearest pairs first, each used once, no farther
/// apart than `within_px`.
///
/// ```
/// use atomotion::detect::score;
/// let s = score(&[(1.0, 1.0), (9.0, 9.0)], &[(1.0, 2.0)], 3.0)?;
/// assert_eq!((s.hits, s.false_alarms, s.misses), (1, 1, 0));
/// # Ok::<(), atomotion::Error>(())
/// ```
///
/// # Errors
/// If `within_px` is not a positive number.
pub fn score(found: &[(f32, f32)], truth: &[(f32, f32)], within_px: f32) -> Result<Score> {
    check("within_px", within_px, within_px > 0.0, "a positive distance in pixels")?;
    let mut pairs = vec![];
    for (i, f) in found.iter().enumerate() {
        for (j, t) in truth.iter().enumerate() {
            let distance = (f.0 - t.0).hypot(f.1 - t.1);
            if distance <= within_px {
                pairs.push((distance, i, j));
            }
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut used, mut matched) = (vec![false; found.len()], vec![false; truth.len()]);
    let mut hits = 0;
    for (_, i, j) in pairs {
        if !used[i] && !matched[j] {
            (used[i], matched[j]) = (true, true);
            hits += 1;
        }
    }
    Ok(Score { hits, false_alarms: found.len() - hits, misses: truth.len() - hits })
}
