//! Labels from one frame: what is left of it when its lattice has been taken out.

use super::filter::{bin, gaussian, median};
use super::labels::Labels;
use super::lattice::Lattice;
use super::noise::standardise;
use super::rows::Rows;
use super::waves::Demodulator;
use crate::error::{Error, Result, check, setters};
use crate::movie::{Frame, Movie};
use crate::progress::{EARLIER, Progress, Reporter};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// Finds what breaks the lattice of a frame.
///
/// The lattice's Bragg peaks are found in the power spectrum; the wave of each is demodulated with a Gaussian window
/// a few periods wide, so that its amplitude and phase may drift across the frame (strain, tilt, a second grain, slow
/// contamination; this is the local Fourier analysis of Hytch, Snoeck and Kilaas, Ultramicroscopy 74, 131, 1998);
/// their sum, with the local mean, is the periodic part. Rows that the scan made brighter or moved along x are fitted by it
/// and taken out. What is left is correlated with the shape of a column and divided by its robust
/// standard deviation, which is measured separately at bright and dark places because counts are Poisson. Places
/// that stand out are left out of the windows and the whole is done again, so that a defect does not hide itself.
///
/// ```
/// use atomotion::{detect::PeriodicityBreak, simulate::Ws2};
/// let frame = Ws2::default().with_size_px(128).simulate(3)?.movie.frame(0)?;
/// let labels = PeriodicityBreak::default().label(&frame)?;
/// assert!((labels.lattice.period_px - 10.0).abs() < 0.2);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeriodicityBreak {
    /// How many robust standard deviations a place must stand out by. 4.5 lets noise alone make about one label in
    /// five frames of 512 x 512 pixels at 10 pixels a period.
    pub threshold: f64,
    /// Width of the window in which the lattice counts as one, as a Gaussian's standard deviation in periods.
    pub window_periods: f64,
    /// Width of the window whose mean is the slow background, likewise. Contamination has structure of a nanometre: what
    /// a wide window leaves of it would stand out at every dose but the lowest.
    pub background_periods: f64,
    /// Standard deviation of a column in periods.
    pub column_periods: f64,
    /// Radius of a label's disc in periods.
    pub radius_periods: f64,
    /// Pixels a period that the frame is binned down to, at least; coarser frames are left as they are.
    pub target_period_px: f64,
}

impl Default for PeriodicityBreak {
    fn default() -> Self {
        PeriodicityBreak {
            threshold: 4.5,
            window_periods: 2.5,
            background_periods: 0.8,
            column_periods: 0.14,
            radius_periods: 0.3,
            target_period_px: 9.0,
        }
    }
}

impl PeriodicityBreak {
    setters! {
        threshold: f64 => with_threshold,
        window_periods: f64 => with_window_periods,
        background_periods: f64 => with_background_periods,
        column_periods: f64 => with_column_periods,
        radius_periods: f64 => with_radius_periods,
        target_period_px: f64 => with_target_period_px,
    }

    fn validate(&self) -> Result<()> {
        let positive = |v: f64| v.is_finite() && v > 0.0;
        check(
            "threshold",
            self.threshold,
            positive(self.threshold),
            "a positive number of standard deviations, 3 to 6",
        )?;
        check(
            "window_periods",
            self.window_periods,
            positive(self.window_periods) && self.window_periods >= 1.0,
            "at least 1 period",
        )?;
        check(
            "background_periods",
            self.background_periods,
            positive(self.background_periods) && self.background_periods >= 0.5,
            "at least 0.5 periods, or the lattice itself is taken for background",
        )?;
        check(
            "column_periods",
            self.column_periods,
            positive(self.column_periods) && self.column_periods < 1.0,
            "between 0 and 1",
        )?;
        check(
            "radius_periods",
            self.radius_periods,
            positive(self.radius_periods) && self.radius_periods <= 1.0,
            "between 0 and 1",
        )?;
        check("target_period_px", self.target_period_px, self.target_period_px >= 4.0, "at least 4 pixels")
    }

    /// Labels a frame.
    ///
    /// # Errors
    /// If an option is out of range, the frame holds NaN or is constant, more than a fifth of its pixels are saturated, or
    /// it shows no lattice.
    pub fn label(&self, frame: &Frame) -> Result<Labels> {
        self.validate()?;
        frame.usable()?;
        let notices = saturation(frame)?.into_iter().collect();
        let lattice = Lattice::find(&frame.data).map_err(|e| named(e, frame))?;
        let by = self.bin_factor(&lattice);
        let image = bin(&frame.data, by);
        let period = lattice.period_px / by as f64;
        let doing = || format!("while labelling frame {} of {}", frame.index, frame.source);
        let (periodic, score) = self
            .score(&image, &lattice, by, &mut Reporter::new("labelling", "lattice waves"))
            .map_err(|e| named(e.while_doing(doing, EARLIER), frame))?;
        let mut labels = Labels {
            frame: frame.clone(),
            bin: by,
            regions: vec![],
            threshold: self.threshold,
            expected_false: 0.0,
            radius_px: (self.radius_periods * period).max(1.0) as f32,
            column_px: (self.column_periods * period) as f32,
            notices,
            finds: true,
            told: vec![],
            erased: vec![],
            image,
            periodic,
            score,
            lattice,
        };
        labels.gather();
        Ok(labels)
    }

    /// Labels several frames of a movie, each by itself: more examples to learn from than one frame holds.
    ///
    /// ```
    /// use atomotion::prelude::*;
    /// let movie = Ws2::default().with_size_px(128).with_frames(3).simulate(3)?.movie;
    /// let labels = PeriodicityBreak::default().label_frames(&movie, &[0, 2])?;
    /// assert_eq!((labels.len(), labels[1].frame.index), (2, 2));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`PeriodicityBreak::label`], and if there is no such frame, or none is named.
    pub fn label_frames(&self, movie: &Movie, frames: &[usize]) -> Result<Vec<Labels>> {
        check("frames", "empty", !frames.is_empty(), "at least one frame to label")?;
        frames.iter().map(|&i| self.label(&movie.frame(i)?)).collect()
    }

    /// How many pixels a side are averaged into one before the lattice is taken out.
    pub(crate) fn bin_factor(&self, lattice: &Lattice) -> usize {
        ((lattice.period_px / self.target_period_px).floor() as usize).max(1)
    }

    /// Periodic part and score map of a binned image. Most of the time goes to the waves, which `progress` counts.
    pub(crate) fn score(
        &self,
        image: &Array2<f32>,
        lattice: &Lattice,
        by: usize,
        progress: &mut dyn Progress,
    ) -> Result<(Array2<f32>, Array2<f32>)> {
        const ROUNDS: usize = 3;
        let period = (lattice.period_px / by as f64) as f32;
        let window = self.window_periods as f32 * period;
        let slow = self.background_periods as f32 * period;
        let column = (self.column_periods as f32 * period).max(0.5);
        let waves: Vec<[f64; 2]> = lattice.peaks.iter().map(|g| [g[0] * by as f64, g[1] * by as f64]).collect();
        // A detector's offset may be a thousand times the signal: single precision is for what is left.
        let offset = median(&mut image.iter().copied().collect::<Vec<_>>());
        let image = image - offset;
        let (mut weight, mut rows) = (Array2::ones(image.dim()), Rows::alike(image.nrows()));
        let (mut straight, mut result) = (image.clone(), (Array2::zeros(image.dim()), Array2::zeros(image.dim())));
        let total = ROUNDS * waves.len();
        for round in 0..ROUNDS {
            let mut before_wave = |wave: usize| {
                progress.update(round * waves.len() + wave, total, "");
                if progress.interrupted() {
                    Err(Error::interrupted("while taking out a lattice", EARLIER))
                } else {
                    Ok(())
                }
            };
            let periodic = Demodulator::new(&straight, &weight, window, slow).sum(&waves, &mut before_wave)?;
            rows.fit(&image, &periodic, &weight, 0.25 * period);
            let of_rows = rows.seen(&periodic) - &periodic;
            straight = &image - &of_rows;
            let rest = gaussian((&straight - &periodic).view(), column);
            let score = standardise(&rest, &periodic, &weight, column)?;
            weight = trust(&score, self.threshold as f32, 0.5 * period);
            result = (periodic, score);
        }
        progress.update(total, total, "");
        Ok((result.0 + offset, result.1))
    }
}

/// A lattice that is not found is missed in a frame.
fn named(error: Error, frame: &Frame) -> Error {
    match error {
        Error::Data(problem) => Error::data(format!("frame {} of {}: {problem}", frame.index, frame.source)),
        other => other,
    }
}

/// What to say of a frame with many pixels at its highest value; none of counts that merely end somewhere.
///
/// # Errors
/// If more than a fifth of the pixels are there: half of the columns, about, have lost their peaks then.
fn saturation(frame: &Frame) -> Result<Option<String>> {
    let highest = frame.data.iter().copied().fold(f32::MIN, f32::max);
    let count = frame.data.iter().filter(|v| **v >= highest).count();
    let percent = 100.0 * count as f64 / frame.data.len() as f64;
    if percent > 20.0 {
        return Err(Error::data(format!(
            "frame {} of {} is saturated: {percent:.0} % of its pixels have its highest value, {highest}. Its columns have \
             no peaks left to be judged by; record with a lower gain, or open the original instead of an 8-bit copy",
            frame.index, frame.source
        )));
    }
    // Counts of a hundred thousand pixels reach their highest value once or a few times.
    Ok((count >= 10 && percent >= 0.1).then(|| {
        format!(
            "{percent:.1} % of the pixels have the frame's highest value, {highest}: it seems saturated, so that too bright \
             places may be missed there, while too dark ones can be told"
        )
    }))
}

/// 0 around places that stand out, 1 elsewhere.
fn trust(score: &Array2<f32>, threshold: f32, radius: f32) -> Array2<f32> {
    let mut weight = Array2::ones(score.dim());
    for ((y, x), s) in score.indexed_iter() {
        if s.abs() > threshold {
            disc(&mut weight, y as f32, x as f32, radius, |w| *w = 1e-3);
        }
    }
    weight
}

/// Every pixel of a map that is within `radius` of a place.
pub(crate) fn disc_pixels(
    (h, w): (usize, usize),
    (cy, cx): (f32, f32),
    radius: f32,
) -> impl Iterator<Item = (usize, usize)> {
    let range = move |c: f32, n: usize| {
        ((c - radius).ceil().max(0.0) as usize)..((c + radius).floor() + 1.0).clamp(0.0, n as f32) as usize
    };
    range(cy, h)
        .flat_map(move |y| range(cx, w).map(move |x| (y, x)))
        .filter(move |&(y, x)| (y as f32 - cy).powi(2) + (x as f32 - cx).powi(2) <= radius * radius)
}

/// Applies `f` to every pixel within `radius` of a place.
pub(crate) fn disc<T>(map: &mut Array2<T>, cy: f32, cx: f32, radius: f32, mut f: impl FnMut(&mut T)) {
    disc_pixels(map.dim(), (cy, cx), radius).for_each(|at| f(&mut map[at]));
}

/// How many places of a noise map smoothed by a Gaussian of standard deviation s pass a threshold t: the expected Euler
/// characteristic of the excursion set of a Gaussian field (Adler, The Geometry of Random Fields, 1981), which is
/// area / (2 s^2) x t exp(-t^2 / 2) / (2 pi)^(3/2) in two dimensions, for both tails.
pub(super) fn expected_false(pixels: usize, column: f32, threshold: f64) -> f64 {
    let s = f64::from(column).max(0.5);
    let resolution = 1.0 / (2.0 * s * s);
    2.0 * pixels as f64 * resolution * threshold * (-threshold * threshold / 2.0).exp()
        / (2.0 * std::f64::consts::PI).powf(1.5)
}
