//! How good tracks are, where the true ones are known.

use super::branches::nearest;
use crate::dynamics::sightings::{self, Sightings, Unit};
use crate::error::{Result, check};
use std::collections::{BTreeMap, HashMap};

/// Tracks against the true ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkScores {
    /// Links that there are to be found: from each time that a true defect was detected to the next time.
    pub true_links: usize,
    /// How many of them were made.
    pub right: usize,
    /// Links that join two different true defects: identity switches.
    pub switches: usize,
    /// Links with an end that is no true defect.
    pub spurious: usize,
    /// True links that were not made: each breaks the track of a true defect.
    pub fragmentations: usize,
}

impl LinkScores {
    /// Fraction of the true links that were made.
    #[must_use]
    pub fn recall(&self) -> f64 {
        self.right as f64 / self.true_links.max(1) as f64
    }

    /// Fraction of the links made that are true.
    #[must_use]
    pub fn precision(&self) -> f64 {
        self.right as f64 / (self.right + self.switches + self.spurious).max(1) as f64
    }
}

impl std::fmt::Display for LinkScores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (all, right) = (self.true_links, self.right);
        write!(
            f,
            "{right} of {all} true links made (recall {:.4}, precision {:.4}): ",
            self.recall(),
            self.precision()
        )?;
        write!(f, "{} identity switches, {} fragmentations, ", self.switches, self.fragmentations)?;
        write!(f, "{} links of what is no defect", self.spurious)
    }
}

/// Scores tracks against true ones. Both tables need `frame`, `y_px`, `x_px` and `track`. In each frame what was found
/// belongs to the true defect next to it, no farther than `within_px`, each used once. A true link goes from one detection
/// of a true defect to the next one, if no more than `memory_frames` frames lie between them.
///
/// ```
/// use atomotion::prelude::*;
/// let truth = df!("frame" => [0_u32, 1, 2], "y_px" => [1.0, 2.0, 3.0], "x_px" => [1.0; 3], "track" => [0_u32; 3])?;
/// let found = Linker::default().with_search_px(0.5).link(&truth)?; // too short: nothing is linked
/// let scores = score_links(&found, &truth, 1.0, 0)?;
/// assert_eq!((scores.true_links, scores.fragmentations), (2, 2));
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// If a column is missing or `within_px` is not a positive number.
pub fn score_links(
    found: &impl Sightings,
    truth: &impl Sightings,
    within_px: f64,
    memory_frames: u32,
) -> Result<LinkScores> {
    check("within_px", within_px, within_px.is_finite() && within_px > 0.0, "a positive distance in pixels")?;
    let (found, truth) = (Side::of(found)?, Side::of(truth)?);
    let mut belongs = vec![None; found.frame.len()];
    for (frame, rows) in &found.by_frame {
        let Some(others) = truth.by_frame.get(frame) else { continue };
        let places = |side: &Side, rows: &[usize]| rows.iter().map(|&r| side.at[r]).collect::<Vec<_>>();
        for (i, j) in nearest(&places(&found, rows), &places(&truth, others), within_px) {
            belongs[rows[i]] = Some(truth.track[others[j]]);
        }
    }
    let next = found.links();
    let mut scores = LinkScores { true_links: 0, right: 0, switches: 0, spurious: 0, fragmentations: 0 };
    for (&from, &to) in &next {
        match (belongs[from], belongs[to]) {
            (Some(a), Some(b)) => scores.switches += usize::from(a != b),
            _ => scores.spurious += 1,
        }
    }
    let mut seen: HashMap<u32, usize> = HashMap::new();
    for rows in found.by_frame.values() {
        for &row in rows {
            let Some(truth) = belongs[row] else { continue };
            let last = seen.insert(truth, row);
            for last in last.into_iter().filter(|last| found.frame[row] - found.frame[*last] <= memory_frames + 1) {
                scores.true_links += 1;
                scores.right += usize::from(next.get(&last) == Some(&row));
            }
        }
    }
    scores.fragmentations = scores.true_links - scores.right;
    Ok(scores)
}

struct Side {
    frame: Vec<u32>,
    at: Vec<[f64; 2]>,
    track: Vec<u32>,
    by_frame: BTreeMap<u32, Vec<usize>>,
}

impl Side {
    fn of(table: &impl Sightings) -> Result<Side> {
        let table = table.sightings();
        let frame = sightings::frames(table)?;
        let mut by_frame = BTreeMap::<u32, Vec<usize>>::new();
        for (row, &f) in frame.iter().enumerate() {
            by_frame.entry(f).or_default().push(row);
        }
        Ok(Side { frame, at: sightings::places(table, Unit::Px)?, track: sightings::tracks(table)?, by_frame })
    }

    /// From each row the next one of its track.
    fn links(&self) -> HashMap<usize, usize> {
        let mut last = HashMap::new();
        let mut next = HashMap::new();
        for &row in self.by_frame.values().flatten() {
            if let Some(before) = last.insert(self.track[row], row) {
                next.insert(before, row);
            }
        }
        next
    }
}
