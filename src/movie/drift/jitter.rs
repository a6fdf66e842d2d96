//! Scan lines that begin too early or too late: how far each lies from where it should, and the lines moved back.

use super::MeasuredDrift;
use super::fourier::{Fourier, frequency};
use crate::error::{Error, Result, check, setters};
use crate::movie::operations::interpolate::{part, taps};
use crate::movie::{Calibration, FrameSource, Movie};
use crate::progress::{EARLIER, Progress, Reporter, stop_if_asked};
use ndarray::{Array2, s};
use polars::prelude::{DataFrame, NamedFrom, Series};
use rayon::prelude::*;
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

/// Steps of the search, and how many finer ones are read between them.
const STEP_PX: f64 = 0.25;
const FINER: usize = 8;

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
            scores.push(self.scores(&fourier, &window, index, drift.shifts_px()));
            progress.update(index + 1, movie.len(), "");
        }
        let (rms_px, rows) = spread(&scores, self.steps());
        MeasuredJitter::new(&rows, rms_px, movie.height(), movie.calibration())
    }

    /// Steps to either side.
    fn steps(&self) -> usize {
        (self.most_px / STEP_PX).round() as usize
    }

    /// Log-likelihood of every row of a frame at every step, `[row, step]`.
    fn scores(
        &self,
        fourier: &Fourier,
        window: &VecDeque<(usize, Array2<f32>)>,
        index: usize,
        shifts: &[[f64; 2]],
    ) -> Array2<f32> {
        let mut frame = Array2::zeros((0, 0));
        let mut others = vec![];
        for (i, data) in window {
            if *i == index {
                frame = data.clone();
            } else {
                others.push(([0, 1].map(|a| shifts[*i][a] - shifts[index][a]), data));
            }
        }
        let size = frame.dim();
        let mut mean = others
            .par_iter()
            .map(|([y, x], data)| part(data, (*y, *x), size))
            .reduce(|| Array2::zeros(size), |a, b| a + b)
            / others.len().max(1) as f32;
        if others.is_empty() {
            mean.assign(&frame);
        }
        let mean = structure(fourier, &mean);
        let frame = structure_of(fourier, &frame);
        let noise = (&frame - &mean).mapv(|d| d * d).mean().unwrap_or(0.0).max(f32::MIN_POSITIVE);
        let (steps, inside) = (self.steps() as i64, self.most_px.ceil() as usize);
        let mut scores = Array2::zeros((size.0, 2 * steps as usize + 1));
        let columns: Vec<Vec<f32>> = (-steps..=steps)
            .into_par_iter()
            .map(|step| {
                let moved = part(&mean, (0.0, -step as f64 * STEP_PX), size);
                // What moves in at the ends was not recorded.
                let seen = s![.., inside..size.1 - inside];
                (0..size.0)
                    .map(|y| {
                        let (f, m) = (frame.slice(seen), moved.slice(seen));
                        f.row(y).iter().zip(m.row(y)).map(|(f, m)| f * m - 0.5 * m * m).sum::<f32>() / noise
                    })
                    .collect()
            })
            .collect();
        for (step, column) in columns.into_iter().enumerate() {
            column.into_iter().enumerate().for_each(|(y, v)| scores[[y, step]] = v);
        }
        scores
    }
}

/// The image without what varies slowly.
fn structure_of(fourier: &Fourier, image: &Array2<f32>) -> Array2<f32> {
    filtered(fourier, image, |_, _| 1.0)
}

/// What stands out of the spectrum's noise: the lattice, and little else where frames are starved.
fn structure(fourier: &Fourier, image: &Array2<f32>) -> Array2<f32> {
    filtered(fourier, image, |power, noise| if power > 4.0 * noise { 1.0 - noise / power } else { 0.0 })
}

/// Every frequency times what `gain` makes of its power and of its ring's noise; the longest are left out.
fn filtered(fourier: &Fourier, image: &Array2<f32>, gain: impl Fn(f32, f32) -> f32) -> Array2<f32> {
    const LONGEST_PX: f64 = 64.0;
    const RINGS: f64 = 64.0;
    let mean = image.mean().unwrap_or(0.0);
    let mut spectrum = fourier.forward(&(image - mean));
    let radius = |kx: usize, ky: usize| frequency(ky, fourier.height).hypot(frequency(kx, fourier.width));
    let ring = |k: f64| (k * RINGS) as usize;
    let mut rings = vec![vec![]; RINGS as usize];
    for ((kx, ky), c) in spectrum.indexed_iter() {
        rings[ring(radius(kx, ky))].push(c.norm_sqr());
    }
    let median = |r: &mut Vec<f32>| {
        let middle = r.len() / 2;
        if r.is_empty() { 0.0 } else { *r.select_nth_unstable_by(middle, f32::total_cmp).1 / std::f32::consts::LN_2 }
    };
    let noise: Vec<f32> = rings.iter_mut().map(median).collect();
    for ((kx, ky), c) in spectrum.indexed_iter_mut() {
        let k = radius(kx, ky);
        let slow = 1.0 - (-(k * LONGEST_PX).powi(2)).exp();
        *c *= slow as f32 * gain(c.norm_sqr(), noise[ring(k)]);
    }
    fourier.inverse(spectrum) / (fourier.height * fourier.width) as f32
}

/// Place and standard deviation of every row of every frame, and the jitter's own spread.
fn spread(scores: &[Array2<f32>], steps: usize) -> (f64, Vec<(f64, f64)>) {
    // Half a pixel to begin with; thirty rounds are enough where the noise says anything at all.
    let (mut variance, mut rows) = (0.25_f64, vec![]);
    for _ in 0..30 {
        rows = scores
            .par_iter()
            .flat_map_iter(|frame| {
                let mut rows: Vec<_> = frame
                    .rows()
                    .into_iter()
                    .map(|row| posterior(row.as_slice().unwrap_or(&[]), steps, variance))
                    .collect();
                // What all rows share is drift.
                let mean = rows.iter().map(|r| r.0).sum::<f64>() / rows.len() as f64;
                rows.iter_mut().for_each(|r| r.0 -= mean);
                rows
            })
            .collect();
        let next = rows.iter().map(|(at, sigma)| at * at + sigma * sigma).sum::<f64>() / rows.len() as f64;
        let done = (next / variance - 1.0).abs() < 1e-3;
        variance = next.max(1e-6);
        if done {
            break;
        }
    }
    (variance.sqrt(), rows)
}

/// Mean and standard deviation of a row's place, from its log-likelihoods, which are read cubically between steps.
fn posterior(scores: &[f32], steps: usize, variance: f64) -> (f64, f64) {
    let last = scores.len() - 1;
    let at = |i: usize| scores[i.clamp(0, last)];
    let fine = (0..=last * FINER).map(|f| {
        let (i, t) = (f / FINER, (f % FINER) as f32 / FINER as f32);
        let four = [at(i.saturating_sub(1)), at(i), at(i + 1), at(i + 2)];
        let score: f32 = four.iter().zip(taps(t)).map(|(v, w)| v * w).sum();
        let place = (f as f64 / FINER as f64 - steps as f64) * STEP_PX;
        (place, f64::from(score) - place * place / (2.0 * variance))
    });
    let fine: Vec<_> = fine.collect();
    let most = fine.iter().map(|f| f.1).fold(f64::MIN, f64::max);
    let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
    for (place, score) in fine {
        let p = (score - most).exp();
        (sum, first, second) = (sum + p, first + p * place, second + p * place * place);
    }
    let mean = first / sum;
    (mean, (second / sum - mean * mean).max(0.0).sqrt())
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

    /// What the noise will leave of it when rows are moved back: root mean square in pixels. Near [`Self::rms_px`] there
    /// is nothing to be gained.
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
