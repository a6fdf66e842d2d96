//! Linking defects from frame to frame into tracks.

mod assign;
mod branches;
mod links;
mod quality;

pub use branches::{Branch, BranchKind};
pub use quality::{LinkScores, score_links};

use super::sightings::{self, Groups, Sightings, Unit};
use super::tracks::Tracks;
use crate::error::{Error, Result, check, setters};
use crate::movie::MeasuredDrift;
use crate::progress::{EARLIER, Progress, Reporter, stop_if_asked};
use links::{Costs, Extra, Points};
use serde::{Deserialize, Serialize};

/// Where a defect is expected in the next frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Motion {
    /// Where it is: what is bound to a lattice stays or hops.
    #[default]
    Still,
    /// Moved as all the others: the median step of the links, found anew for each frame. For movies with drift.
    Common,
    /// Moved on as it moved itself (half of its last step, a quarter of the one before, and so on).
    Own,
}

/// A link that might be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Row of the table of the earlier defect.
    pub from: usize,
    /// Row of the later one.
    pub to: usize,
    /// Frames between them: 1 from one frame to the next.
    pub frames: u32,
    /// Distance of the later one from where it was expected, in pixels.
    pub distance_px: f64,
}

/// Links the defects of a movie into tracks.
///
/// From frame to frame, links are chosen such that the sum of squared distances, and of the costs below, is least; an end
/// and a beginning cost as much as a link over the whole search range. This is Crocker and Grier's principle (J. Colloid
/// Interface Sci. 179, 298, 1996) with trackpy's costs, so that with `memory_frames` the same and the other options at their
/// defaults the tracks are trackpy's. The assignment is exact whatever the number of defects that compete with each other
/// (Jonker and Volgenant, Computing 38, 325, 1987).
///
/// ```
/// use atomotion::prelude::*;
/// let table = df!("frame" => [0_u32, 0, 1, 1, 2], "y_px" => [1.0, 9.0, 1.5, 9.5, 2.0], "x_px" => [1.0, 9.0, 1.0, 9.0, 1.0])?;
/// let tracks = Linker::default().with_search_px(3.0).link(&table)?;
/// assert_eq!(tracks.len(), 2);
/// assert_eq!(tracks.of_rows(), [0, 1, 0, 1, 0]);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linker {
    /// How far a defect may be from where it is expected, in pixels (default 12: a hop to the next site of a lattice with
    /// a period of 10 pixels, and what positions are wrong by).
    pub search_px: f64,
    /// For how many frames a defect may be missing and still be the same (default 1).
    pub memory_frames: u32,
    /// What a link costs more for each frame that the defect was missing in, in square pixels (default 0).
    pub gap_px2: f64,
    /// What the beginning of a track costs, in square pixels; by default half of `search_px` squared.
    pub appearance_px2: Option<f64>,
    /// What its end costs; by default the same. Since every link saves one of each, only the sum decides.
    pub disappearance_px2: Option<f64>,
    /// What a link costs more where the class differs, in square pixels (default 0: classes do not matter).
    pub class_px2: f64,
    /// The column of classes; by default `species`, or `class` where there is no species.
    pub by: Option<String>,
    /// Where defects are expected (default: where they are).
    pub motion: Motion,
    /// How near a track must begin to another that goes on to have split from it, or end to have merged into it, in
    /// pixels (default 0: splits and merges are not looked for).
    pub branch_px: f64,
}

impl Default for Linker {
    fn default() -> Self {
        Linker {
            search_px: 12.0,
            memory_frames: 1,
            gap_px2: 0.0,
            appearance_px2: None,
            disappearance_px2: None,
            class_px2: 0.0,
            by: None,
            motion: Motion::Still,
            branch_px: 0.0,
        }
    }
}

impl Linker {
    setters! {
        search_px: f64 => with_search_px,
        memory_frames: u32 => with_memory_frames,
        gap_px2: f64 => with_gap_px2,
        appearance_px2: Option<f64> => with_appearance_px2,
        disappearance_px2: Option<f64> => with_disappearance_px2,
        class_px2: f64 => with_class_px2,
        by: Option<String> => with_by,
        motion: Motion => with_motion,
        branch_px: f64 => with_branch_px,
    }

    fn validate(&self) -> Result<()> {
        let search = self.search_px;
        check("search_px", search, search.is_finite() && search > 0.0, "a positive number of pixels")?;
        check("memory_frames", self.memory_frames, self.memory_frames <= 100_000, "from 0 to 100000 frames")?;
        for (name, value) in [
            ("gap_px2", self.gap_px2),
            ("class_px2", self.class_px2),
            ("appearance_px2", self.appearance_px2.unwrap_or(0.0)),
            ("disappearance_px2", self.disappearance_px2.unwrap_or(0.0)),
        ] {
            check(name, value, value.is_finite() && value >= 0.0, "0 or more square pixels")?;
        }
        check("branch_px", self.branch_px, (0.0..=1e6).contains(&self.branch_px), "from 0 to 1e6 pixels")
    }

    /// Links.
    ///
    /// # Errors
    /// If an option is out of range, there is no defect, a column is missing or a position is not finite; if the user
    /// asked to stop.
    pub fn link(&self, of: &impl Sightings) -> Result<Tracks> {
        self.run(of, None, None)
    }

    /// Links where the specimen drifted as was measured: distances are those on the specimen. Positions in the table stay
    /// those in the frames; [`Tracks::on_specimen`] takes the drift out of them.
    ///
    /// # Errors
    /// As [`Linker::link`]; if there are frames whose drift was not measured.
    pub fn link_drifting(&self, of: &impl Sightings, drift: &MeasuredDrift) -> Result<Tracks> {
        self.run(of, Some(drift), None)
    }

    /// Links with a cost of your own for each link, in square pixels, on top of the others; none forbids the link. It is
    /// where a Markov model says what may turn into what: `-2 σ² ln p` for a probability `p` and positions wrong by `σ`.
    ///
    /// # Errors
    /// As [`Linker::link`].
    pub fn link_with(&self, of: &impl Sightings, cost_px2: impl Fn(&Pair) -> Option<f64> + Sync) -> Result<Tracks> {
        self.run(of, None, Some(&cost_px2))
    }

    fn run(&self, of: &impl Sightings, drift: Option<&MeasuredDrift>, extra: Option<Extra>) -> Result<Tracks> {
        self.validate()?;
        let table = of.sightings();
        let frames = sightings::frames(table)?;
        let mut places = sightings::places(table, Unit::Px)?;
        if let Some(drift) = drift {
            subtract(&mut places, &frames, drift.shifts_px())?;
        }
        let asked = self.by.is_some() || self.class_px2 > 0.0;
        let groups = asked.then(|| Groups::of(table, self.by.as_deref())).transpose()?;
        if self.class_px2 > 0.0 && groups.as_ref().is_some_and(|g| g.by.is_none()) {
            return Err(Error::data("class_px2 is set, but the table has neither a column species nor class"));
        }
        let (rows, ranges) = sightings::by_frame(&frames);
        let points = Points {
            frames: ranges,
            at: rows.iter().map(|&row| places[row]).collect(),
            class: groups.map(|g| rows.iter().map(|&row| g.of[row] as u32).collect()),
            row: &rows,
        };
        let half = 0.5 * self.search_px * self.search_px;
        let costs = Costs {
            reach: self.search_px,
            unlinked: self.appearance_px2.unwrap_or(half) + self.disappearance_px2.unwrap_or(half),
            class: self.class_px2,
            gap: self.gap_px2,
            extra,
        };
        let total = points.frames.len();
        let mut progress = Reporter::new("linking", "frames");
        let linked = points.link(&costs, self.memory_frames, self.motion, &mut |done| {
            stop_if_asked("").map_err(|e| e.while_doing(|| format!("after {done} of {total} frames"), EARLIER))?;
            progress.update(done, total, "");
            Ok(())
        })?;
        let branches = if self.branch_px > 0.0 {
            branches::find(&points, &linked.track, linked.tracks, self.branch_px)
        } else {
            vec![]
        };
        let mut track = vec![0; rows.len()];
        rows.iter().zip(&linked.track).for_each(|(&row, &t)| track[row] = t);
        Tracks::linked(of, track, branches, linked.largest)
    }
}

/// Takes the drift out of positions.
pub(super) fn subtract(places: &mut [[f64; 2]], frames: &[u32], shifts: &[[f64; 2]]) -> Result<()> {
    for (place, &frame) in places.iter_mut().zip(frames) {
        let Some(shift) = shifts.get(frame as usize) else {
            let n = shifts.len();
            return Err(Error::data(format!("the drift of frame {frame} is not known: it was measured in {n} frames")));
        };
        (place[0], place[1]) = (place[0] - shift[0], place[1] - shift[1]);
    }
    Ok(())
}
