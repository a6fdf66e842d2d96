//! How the specimen moved under the beam from frame to frame, and frames moved back.

mod align;
mod correlate;
mod jitter;
mod rows;

pub use jitter::{Jitter, MeasuredJitter};

use super::{Calibration, Movie};
use crate::error::{Result, check, setters};
use crate::progress::{EARLIER, Progress, Reporter, stop_if_asked};
use correlate::{Correlator, Expected, Found};
use polars::prelude::{DataFrame, NamedFrom, Series};
use serde::{Deserialize, Serialize};

/// Measures rigid drift: every frame is held against a running mean of those before it, by a cross-correlation that
/// weights each frequency by what it says above the noise (see [`Drift::measure`]).
///
/// ```
/// # use atomotion::prelude::*;
/// # let movie = Ws2::default().with_size_px(96).with_frames(3).simulate(1)?.movie;
/// let drift = Drift::default().measure(&movie)?;
/// assert_eq!(drift.shifts_px().len(), 3);
/// let aligned = movie.align(&drift)?; // lazy, as all operations
/// assert!(drift.shifts_px().iter().all(|s| s[0].hypot(s[1]) < 0.5)); // this specimen stands still
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// How far a frame usually lies from where the drift so far leads to, in pixels (default 1). Where frames alone
    /// cannot tell one lattice period from the next, this decides: keep it well below half a period.
    pub step_px: f64,
    /// Over how many frames the reference remembers (default 10): more for starved frames, fewer where the specimen
    /// changes fast.
    pub memory_frames: f64,
    /// Structures longer than this, in pixels, are not looked at (default 64): contamination, uneven illumination.
    pub longest_px: f64,
}

impl Default for Drift {
    fn default() -> Self {
        Drift { step_px: 1.0, memory_frames: 10.0, longest_px: 64.0 }
    }
}

/// The smallest frame that has a spectrum to speak of.
const SMALLEST: usize = 16;

impl Drift {
    setters! {
        step_px: f64 => with_step_px,
        memory_frames: f64 => with_memory_frames,
        longest_px: f64 => with_longest_px,
    }

    fn validate(&self, movie: &Movie) -> Result<()> {
        let positive = |v: f64| v.is_finite() && v > 0.0;
        check("step_px", self.step_px, positive(self.step_px), "a positive number of pixels")?;
        let memory = self.memory_frames;
        check("memory_frames", memory, memory.is_finite() && memory >= 1.0, "1 frame or more")?;
        check("longest_px", self.longest_px, positive(self.longest_px), "a positive number of pixels")?;
        let side = movie.height().min(movie.width());
        check("the frame's shorter side", side, side >= SMALLEST, format!("{SMALLEST} pixels or more to measure drift"))
    }

    /// Measures where each frame's content lies against the first frame's.
    ///
    /// Frames are windowed and correlated with the running reference by generalised cross-correlation (Knapp and
    /// Carter, IEEE Trans. ASSP 24, 320, 1976) with the weights of greatest likelihood; noise is measured ring by ring
    /// of the spectrum from what is left when frames are aligned. That a lattice looks the same a period further is
    /// decided by what is not periodic in it (dopants, vacancies, edges) and by continuity: the likelihood of a place
    /// is weighed with its distance from where the drift so far leads to. The top of the peak is found by Newton's
    /// method on the exact transform.
    ///
    /// # Errors
    /// If an option is out of range, frames are smaller than 16 pixels, a frame cannot be read, is constant or has
    /// pixels that are not finite; if the user asked to stop.
    pub fn measure(&self, movie: &Movie) -> Result<MeasuredDrift> {
        self.validate(movie)?;
        let first = movie.frame(0)?;
        first.usable()?;
        let correlator = Correlator::new(&first.data, self.longest_px);
        let keep = (1.0 - 1.0 / self.memory_frames) as f32;
        let mut progress = Reporter::new("measuring drift", "frames");
        let spectrum = |index| {
            let frame = movie.frame(index)?;
            frame.usable()?;
            Ok::<_, crate::Error>(correlator.spectrum(&frame.data))
        };
        let mut reference = correlator.start(correlator.spectrum(&first.data));
        let first = Found { shift: [0.0; 2], quality: 1.0, margin: f64::INFINITY, sigma: [0.0; 2] };
        let (mut found, mut at, mut velocity) = (vec![first], [0.0; 2], [0.0; 2]);
        let mut next = (movie.len() > 1).then(|| spectrum(1)).transpose()?;
        for index in 1..movie.len() {
            let doing = || format!("after the drift of {index} of {} frames", movie.len());
            stop_if_asked("").map_err(|e| e.while_doing(doing, EARLIER))?;
            let Some(frame) = next.take() else { break };
            let locate = || {
                let one = correlator.find(&reference, &frame, &Expected { at: velocity, usual: self.step_px });
                correlator.take(&mut reference, &frame, one.shift, keep);
                one
            };
            // The next frame is read and transformed meanwhile.
            let prepare = || (index + 1 < movie.len()).then(|| spectrum(index + 1)).transpose();
            let (one, following) = rayon::join(locate, prepare);
            next = following?;
            for i in 0..2 {
                at[i] += one.shift[i];
                velocity[i] += VELOCITY_SHARE * (one.shift[i] - velocity[i]);
            }
            found.push(Found { shift: at, ..one });
            progress.update(index + 1, movie.len(), "");
        }
        MeasuredDrift::new(&found, movie.calibration())
    }
}

/// How much of the last step goes into where the next is expected.
const VELOCITY_SHARE: f64 = 0.3;

/// Where each frame's content lies, in pixels and nanometres from the first frame's.
#[derive(Clone)]
pub struct MeasuredDrift {
    shifts: Vec<[f64; 2]>,
    table: DataFrame,
    calibration: Calibration,
}

impl MeasuredDrift {
    fn new(found: &[Found], calibration: Calibration) -> Result<Self> {
        let column = |of: &dyn Fn(&Found) -> f64| found.iter().map(of).collect::<Vec<_>>();
        let frames: Vec<u32> = (0..found.len() as u32).collect();
        let named = |name: &str, values: Vec<f64>| Series::new(name.into(), values).into();
        let table = DataFrame::new(
            found.len(),
            vec![
                Series::new("frame".into(), frames).into(),
                named("y_px", column(&|f| f.shift[0])),
                named("x_px", column(&|f| f.shift[1])),
                named("y_nm", column(&|f| calibration.to_nm(f.shift[0]))),
                named("x_nm", column(&|f| calibration.to_nm(f.shift[1]))),
                named("quality", column(&|f| f.quality)),
                named("margin", column(&|f| f.margin)),
                named("sigma_px", column(&|f| f.sigma[0].hypot(f.sigma[1]) * std::f64::consts::FRAC_1_SQRT_2)),
            ],
        )?;
        Ok(MeasuredDrift { shifts: found.iter().map(|f| f.shift).collect(), table, calibration })
    }

    /// Drift that is known from elsewhere: how far each frame's content has moved since the first, y and x in pixels.
    ///
    /// # Errors
    /// If a number is not finite, or there is no frame.
    pub fn known(shifts_px: &[[f64; 2]], calibration: Calibration) -> Result<Self> {
        check("the number of frames", shifts_px.len(), !shifts_px.is_empty(), "at least one")?;
        for shift in shifts_px {
            let finite = shift.iter().all(|v| v.is_finite());
            check("shifts_px", format!("{shift:?}"), finite, "finite numbers of pixels")?;
        }
        let one = |&shift| Found { shift, quality: 1.0, margin: f64::INFINITY, sigma: [0.0; 2] };
        MeasuredDrift::new(&shifts_px.iter().map(one).collect::<Vec<_>>(), calibration)
    }

    /// How far each frame's content has moved since the first frame: y, x in pixels.
    #[must_use]
    pub fn shifts_px(&self) -> &[[f64; 2]] {
        &self.shifts
    }

    /// One row a frame: `frame` u32; `y_px`, `x_px`, `y_nm`, `x_nm` f64, the content's way since frame 0; `quality`,
    /// from 0 (nothing in common with the frames before) to 1 (the same without noise); `margin`, by how much the place
    /// is likelier than the next best, in natural logarithms (below 5 a frame may be a lattice period off);
    /// `sigma_px`, the standard deviation against the reference that the noise implies.
    #[must_use]
    pub fn table(&self) -> &DataFrame {
        &self.table
    }

    /// What a pixel of the movie is worth.
    #[must_use]
    pub fn calibration(&self) -> Calibration {
        self.calibration
    }

    /// Frames whose place is not much likelier than the next best.
    pub(crate) fn doubtful(&self) -> usize {
        let margins = self.table.column("margin").ok().and_then(|c| c.f64().ok());
        margins.map_or(0, |m| m.iter().flatten().filter(|m| *m < DOUBTFUL).count())
    }
}

/// A place less than e^5 = 150 times likelier than the next.
const DOUBTFUL: f64 = 5.0;

impl std::fmt::Debug for MeasuredDrift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [y, x] = self.shifts.last().copied().unwrap_or_default();
        let path: f64 = self.shifts.windows(2).map(|s| (s[1][0] - s[0][0]).hypot(s[1][1] - s[0][1])).sum();
        let n = self.shifts.len();
        write!(f, "Drift of {n} frame{}: y {y:.2} px, x {x:.2} px from first to last", if n == 1 { "" } else { "s" })?;
        if self.calibration.known {
            write!(f, " ({:.3} nm, {:.3} nm)", self.calibration.to_nm(y), self.calibration.to_nm(x))?;
        }
        write!(f, ", {path:.1} px along its path")?;
        match self.doubtful() {
            0 => Ok(()),
            n => write!(f, "; {n} of them may be a lattice period off (margin below {DOUBTFUL})"),
        }
    }
}

#[cfg(test)]
mod tests;
