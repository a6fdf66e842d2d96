//! Scan lines that begin too early or too late: how far each lies from where it should, and the lines moved back.

use super::MeasuredDrift;
use super::rows::{self, STEP_PX};
use crate::error::{Error, Result, check, setters};
use crate::fourier::Fourier;
use crate::movie::operations::interpolate::part;
use crate::movie::{Calibration, FrameSource, Movie};
use crate::progress::{EARLIER, Progress, Reporter, stop_if_asked};
use ndarray::Array2;
use polars::prelude::{DataFrame, NamedFrom, Series};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// Measures how far every row lies, along x, from where its neighbours in space and time say: by the likelihood of its
/// place in the aligned frames around it (a frame alone: in its own lattice), and the spread of all rows.
///
/// ```
/// # use atomotion::prelude::*;
/// # let movie = Ws2::default().with_size_px(96).with_frames(3).simulate(1)?.movie;
/// let drift = Drift::default().measure(&movie)?;
/// let jitter = Jitter::default().measure(&movie, &drift)?;
/// let steady = movie.dejitter(&jitter)?; // then `.align(&drift)?`
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Jitter {
    /// How many frames before and after a frame its rows are held against (default 4).
    pub reach_frames: usize,
    /// The farthest that a row is looked for, in pixels (default 2): less than half a lattice period.
    pub most_px: f64,
}

impl Default for Jitter {
    fn default() -> Self {
        Jitter { reach_frames: 4, most_px: 2.0 }
    }
}

impl Jitter {
    setters! {
        reach_frames: usize => with_reach_frames,
        most_px: f64 => with_most_px,
    }

    /// Measures the jitter of every row of a movie, whose drift is known.
    ///
    /// A row's place is the mean of its posterior: the likelihood of the row (white noise as strong as what is left)
    /// times a normal distribution, whose width is the jitter's, found by expectation maximisation over all rows.
    /// Where the noise says more than a row, its place is therefore near 0, and moving rows back does no harm.
    ///
    /// # Errors
    /// If an option is out of range, the drift is that of another number of frames, or a frame cannot be used; if the
    /// user asked to stop.
    pub fn measure(&self, movie: &Movie, drift: &MeasuredDrift) -> Result<MeasuredJitter> {
        let most = movie.width() as f64 / 4.0;
        let reach = self.most_px;
        check("most_px", reach, (STEP_PX..=most).contains(&reach), format!("from {STEP_PX} to {most} pixels"))?;
        check("reach_frames", self.reach_frames, self.reach_frames <= 1000, "at most 1000 frames")?;
        let frames = drift.shifts_px().len();
        check("the drift's frames", frames, frames == movie.len(), format!("{}, as the movie has", movie.len()))?;
        let mut progress = Reporter::new("measuring jitter", "frames");
        let fourier = Fourier::new(movie.height(), movie.width());
        let mut window: VecDeque<(usize, Array2<f32>)> = VecDeque::new();
        let mut next = 0;
        let mut scores = vec![];
        for index in 0..movie.len() {
            let doing = || format!("after the jitter of {index} of {} frames", movie.len());
            stop_if_asked("").map_err(|e| e.while_doing(doing, EARLIER))?;
            while next < movie.len() && next <= index + self.reach_frames {
                let frame = movie.frame(next)?;
                frame.usable()?;
                window.push_back((next, frame.data));
                next += 1;
            }
            while window.front().is_some_and(|(i, _)| i + self.reach_frames < index) {
                window.pop_front();
            }
            scores.push(rows::scores(&fourier, &window, index, drift.shifts_px(), self.steps()));
            progress.update(index + 1, movie.len(), "");
        }
        let (rms_px, rows) = rows::spread(&scores, self.steps());
        MeasuredJitter::new(&rows, rms_px, movie.height(), movie.calibration())
    }

    /// Steps to either side.
    fn steps(&self) -> usize {
        (self.most_px / STEP_PX).round() as usize
    }
}

/// Where every row lies, along x, from where it should.
#[derive(Clone)]
pub struct MeasuredJitter {
    /// `[frame, row]`, in pixels.
    rows: Array2<f64>,
    rms_px: f64,
    left_px: f64,
    table: DataFrame,
    calibration: Calibration,
}

impl MeasuredJitter {
    fn new(rows: &[(f64, f64)], rms_px: f64, height: usize, calibration: Calibration) -> Result<Self> {
        let frames = rows.len() / height;
        let places = Array2::from_shape_fn((frames, height), |(t, y)| rows[t * height + y].0);
        let named = |name: &str, values: Vec<f64>| Series::new(name.into(), values).into();
        let table = DataFrame::new(
            rows.len(),
            vec![
                Series::new("frame".into(), (0..rows.len()).map(|i| (i / height) as u32).collect::<Vec<_>>()).into(),
                Series::new("row".into(), (0..rows.len()).map(|i| (i % height) as u32).collect::<Vec<_>>()).into(),
                named("x_px", rows.iter().map(|r| r.0).collect()),
                named("x_nm", rows.iter().map(|r| calibration.to_nm(r.0)).collect()),
                named("sigma_px", rows.iter().map(|r| r.1).collect()),
            ],
        )?;
        let left_px = (rows.iter().map(|r| r.1 * r.1).sum::<f64>() / rows.len().max(1) as f64).sqrt();
        Ok(MeasuredJitter { rows: places, rms_px, left_px, table, calibration })
    }

    /// The jitter's root mean square, noise taken away, in pixels.
    #[must_use]
    pub fn rms_px(&self) -> f64 {
        self.rms_px
    }

    /// What the noise will leave of it when rows are moved back: root mean square in pixels. Near [`Self::rms_px`]
    /// there is nothing to be gained.
    #[must_use]
    pub fn left_px(&self) -> f64 {
        self.left_px
    }

    /// How far each row lies to the right of where it should, `[frame, row]`, in pixels.
    #[must_use]
    pub fn rows_px(&self) -> &Array2<f64> {
        &self.rows
    }

    /// One row for every row of every frame: `frame`, `row` u32; `x_px`, `x_nm`, how far it lies to the right;
    /// `sigma_px`, its standard deviation.
    #[must_use]
    pub fn table(&self) -> &DataFrame {
        &self.table
    }

    /// What a pixel of the movie is worth.
    #[must_use]
    pub fn calibration(&self) -> Calibration {
        self.calibration
    }
}

impl std::fmt::Debug for MeasuredJitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (frames, rows) = self.rows.dim();
        write!(
            f,
            "Jitter of {rows} rows in {frames} frame{}: {:.3} px root mean square, of which noise leaves {:.3} px",
            if frames == 1 { "" } else { "s" },
            self.rms_px,
            self.left_px
        )
    }
}

struct Steadied {
    from: Arc<dyn FrameSource>,
    rows: Array2<f64>,
}

impl FrameSource for Steadied {
    fn shape(&self) -> (usize, usize, usize) {
        self.from.shape()
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        let mut frame = self.from.read(index)?;
        let width = frame.ncols();
        for (mut row, &shift) in frame.rows_mut().into_iter().zip(self.rows.row(index)) {
            let alone = row.to_owned().insert_axis(ndarray::Axis(0));
            row.assign(&part(&alone, (0.0, shift), (1, width)).row(0));
        }
        Ok(frame)
    }
}

impl Movie {
    /// Every row moved back by its jitter, by cubic convolution; at both ends the outermost pixel is repeated. Moving
    /// rows by parts of a pixel smooths noise a little.
    ///
    /// # Errors
    /// If the jitter was measured on frames of another number or height.
    pub fn dejitter(&self, jitter: &MeasuredJitter) -> Result<Movie> {
        if jitter.rows.dim() != (self.len(), self.height()) {
            let (frames, rows) = jitter.rows.dim();
            return Err(Error::data(format!(
                "the jitter is that of {frames} frames of {rows} rows, {} has {} of {}: measure it on this movie",
                self.name(),
                self.len(),
                self.height()
            )));
        }
        let source = Steadied { from: self.source.clone(), rows: jitter.rows.clone() };
        Ok(self.after(source, "rows moved back by measured jitter"))
    }
}
