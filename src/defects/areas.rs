//! How much of each frame is lattice, and how much is not.

use crate::error::Result;
use crate::movie::Calibration;
use polars::prelude::{DataFrame, NamedFrom, Series};

/// One frame's areas in nm^2 (in pixels where the movie is not calibrated).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Area {
    /// Which frame.
    pub frame: u32,
    /// No lattice, and darker than the valleys of the lattice between its columns.
    pub hole_nm2: f64,
    /// No lattice, but not dark: amorphous, or so disturbed that no lattice is seen.
    pub amorphous_nm2: f64,
    /// The rest.
    pub lattice_nm2: f64,
}

/// The areas of every frame of a movie, frames in the order in which they were looked at.
#[derive(Clone, PartialEq)]
pub struct Areas {
    frames: Vec<Area>,
    calibration: Calibration,
}

impl Areas {
    pub(crate) fn new(frames: Vec<Area>, calibration: Calibration) -> Areas {
        Areas { frames, calibration }
    }

    /// One for each frame.
    #[must_use]
    pub fn frames(&self) -> &[Area] {
        &self.frames
    }

    /// One row for each frame: `frame` u32, `time_s`, `hole_nm2`, `amorphous_nm2`, `lattice_nm2` f64.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let of = |pick: &dyn Fn(&Area) -> f64| self.frames.iter().map(pick).collect::<Vec<f64>>();
        let columns = vec![
            Series::new("frame".into(), self.frames.iter().map(|a| a.frame).collect::<Vec<_>>()).into(),
            Series::new("time_s".into(), of(&|a| self.calibration.time_s(a.frame))).into(),
            Series::new("hole_nm2".into(), of(&|a| a.hole_nm2)).into(),
            Series::new("amorphous_nm2".into(), of(&|a| a.amorphous_nm2)).into(),
            Series::new("lattice_nm2".into(), of(&|a| a.lattice_nm2)).into(),
        ];
        Ok(DataFrame::new(self.frames.len(), columns)?)
    }

    /// Whether any of it is no lattice.
    pub(crate) fn lost(&self) -> bool {
        self.frames.iter().any(|a| a.hole_nm2 + a.amorphous_nm2 > 0.0)
    }

    pub(crate) fn calibration(&self) -> Calibration {
        self.calibration
    }

    /// From a table as [`Areas::table`] gives it.
    pub(crate) fn from_table(table: &DataFrame, calibration: Calibration) -> Result<Areas> {
        let of = |name: &str| Ok::<_, crate::Error>(table.column(name)?.f64()?.iter().map(|v| v.unwrap_or(0.0)));
        let frames = table.column("frame")?.u32()?.iter().map(|v| v.unwrap_or(0));
        let areas = frames
            .zip(of("hole_nm2")?)
            .zip(of("amorphous_nm2")?)
            .zip(of("lattice_nm2")?)
            .map(|(((frame, hole_nm2), amorphous_nm2), lattice_nm2)| Area {
                frame,
                hole_nm2,
                amorphous_nm2,
                lattice_nm2,
            })
            .collect();
        Ok(Areas::new(areas, calibration))
    }
}

/// What the last frame has lost.
impl std::fmt::Display for Areas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(last) = self.frames.last() else {
            return write!(f, "No frame's areas are known");
        };
        let unit = if self.calibration.known { "nm²" } else { "px" };
        write!(
            f,
            "Holes {:.1} {unit} and amorphous {:.1} {unit} of {:.1} {unit} in frame {}",
            last.hole_nm2,
            last.amorphous_nm2,
            last.hole_nm2 + last.amorphous_nm2 + last.lattice_nm2,
            last.frame
        )
    }
}

impl std::fmt::Debug for Areas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Areas of {} frames. {self}", self.frames.len())
    }
}
