//! A movie's scan: where every row of every frame looks, and what it counts there.

use super::column::Column;
use super::contamination::Contamination;
use super::imaging::Imaging;
use super::{normal, poisson};
use crate::error::{Result, check};
use crate::progress::stop_if_asked;
use ndarray::Array2;
use polars::prelude::{DataFrame, NamedFrom, Series};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Drift, jitter, gains and contamination of a movie, and the images that follow from them.
///
/// Frames can be asked for in any order and by any number of threads: the counts of a frame depend on the seed and its
/// number alone.
#[derive(Clone, PartialEq)]
pub struct Scan {
    /// The options.
    pub imaging: Imaging,
    /// Displacement `[y, x]` of the specimen in each frame, in nm; none in frame 0, the same for all rows of a frame.
    pub drift_nm: Vec<[f64; 2]>,
    /// Shift along x of each row, in nm; shape (frames, rows).
    pub jitter_nm: Array2<f64>,
    /// Gain of each row; shape (frames, rows).
    pub gain: Array2<f64>,
    contamination: Contamination,
    seed: u64,
}

impl Scan {
    pub(crate) fn new(imaging: &Imaging, frames: usize, seed: u64) -> Result<Scan> {
        imaging.validate()?;
        check("frames", frames, (1..=1_000_000).contains(&frames), "from 1 to 1000000")?;
        let mut rng = stream(seed, 0);
        let contamination = Contamination::new(imaging, &mut rng);
        let mut at = [0.0; 2];
        let mut drift_nm = vec![at];
        for _ in 1..frames {
            for (axis, at) in at.iter_mut().enumerate() {
                let step = imaging.drift_step_nm * f64::from(normal(&mut rng));
                *at += imaging.drift_nm_per_s[axis] * imaging.s_per_frame + step;
            }
            drift_nm.push(at);
        }
        let shape = (frames, imaging.size_px);
        let (mut jitter_nm, mut gain) = (Array2::zeros(shape), Array2::zeros(shape));
        for frame in 0..frames {
            let mut rng = stream(seed, 2 * frame as u64 + 1);
            let mut shift = f64::from(normal(&mut rng));
            let memory = imaging.jitter_memory;
            let fresh = libm::sqrt(1.0 - memory * memory);
            for row in 0..imaging.size_px {
                jitter_nm[[frame, row]] = imaging.jitter_nm * shift;
                shift = memory * shift + fresh * f64::from(normal(&mut rng));
                // Log-normal of mean 1: no gain is negative.
                let deviate = f64::from(normal(&mut rng)) - 0.5 * imaging.row_noise;
                gain[[frame, row]] = libm::exp(imaging.row_noise * deviate);
            }
        }
        Ok(Scan { imaging: imaging.clone(), drift_nm, jitter_nm, gain, contamination, seed })
    }

    /// Number of frames.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.drift_nm.len()
    }

    /// Where a place `(y, x)` of the specimen, in nm from its centre, is in a frame, in pixels: drift is in it, the
    /// jitter of single rows is not.
    ///
    /// # Panics
    /// If there is no such frame.
    #[must_use]
    pub fn place(&self, frame: usize, (y_nm, x_nm): (f64, f64)) -> (f64, f64) {
        let middle = (self.imaging.size_px as f64 - 1.0) / 2.0;
        let px = |nm: f64| middle + nm / self.imaging.nm_per_px;
        (px(y_nm + self.drift_nm[frame][0]), px(x_nm + self.drift_nm[frame][1]))
    }

    /// Expected counts of a frame, `offset` not among them; shape (`size_px`, `size_px`).
    ///
    /// # Errors
    /// If there is no such frame, or the user asks to stop.
    pub fn expected(&self, frame: usize, columns: &[Column]) -> Result<Array2<f64>> {
        let places: Vec<[f64; 2]> = columns.iter().map(|c| [c.y_nm, c.x_nm]).collect();
        let weights: Vec<f64> = columns.iter().map(|c| self.imaging.weight(c.atoms)).collect();
        self.expected_of(frame, &places, &weights)
    }

    /// The same with a weight for each place `[y, x]` in nm, columns or not.
    pub(crate) fn expected_of(&self, frame: usize, places: &[[f64; 2]], weights: &[f64]) -> Result<Array2<f64>> {
        let last = self.frames() - 1;
        check("frame", frame, frame <= last, format!("from 0 to {last}"))?;
        let (imaging, probe) = (&self.imaging, self.imaging.probe());
        let n = imaging.size_px;
        let shifts: Vec<f64> = self.jitter_nm.row(frame).iter().map(|nm| nm / imaging.nm_per_px).collect();
        let mut image = vec![0.0; n * n];
        for (i, (place, &weight)) in places.iter().zip(weights).filter(|(_, w)| **w != 0.0).enumerate() {
            if i % 1024 == 0 {
                stop_if_asked("while drawing a frame")?;
            }
            probe.add(&mut image, n, self.place(frame, (place[0], place[1])), weight, &shifts);
        }
        self.stain(frame, &mut image);
        let per_weight = imaging.counts_per_weight();
        for (row, gain) in image.chunks_exact_mut(n).zip(self.gain.row(frame)) {
            row.iter_mut().for_each(|v| *v = gain * (per_weight * *v + imaging.dark_counts));
        }
        Ok(Array2::from_shape_vec((n, n), image).expect("n rows of n pixels"))
    }

    /// The counts behind a frame's signals: the offset and the afterglow taken out.
    pub(super) fn whole_counts(&self, frame: &Array2<f32>, expected: &Array2<f64>) -> Array2<f64> {
        let (glow, offset) = (self.imaging.afterglow, self.imaging.offset);
        let mut counts = Array2::zeros(frame.dim());
        for ((mut to, row), means) in counts.rows_mut().into_iter().zip(frame.rows()).zip(expected.rows()) {
            let mut before = means[0];
            for (to, &value) in to.iter_mut().zip(row) {
                let signal = f64::from(value) - offset;
                *to = libm::round((signal - glow * before) / (1.0 - glow)).max(0.0);
                before = signal;
            }
        }
        counts
    }

    /// Adds what the contamination scatters.
    fn stain(&self, frame: usize, image: &mut [f64]) {
        let imaging = &self.imaging;
        let (n, weight) = (imaging.size_px, imaging.weight([6, 0, 0]));
        let [dy, dx] = self.drift_nm[frame];
        let nm = |i: usize| (i as f64 - (n as f64 - 1.0) / 2.0) * imaging.nm_per_px;
        let across = self.contamination.across(&(0..n).map(|i| nm(i) - dx).collect::<Vec<_>>());
        for (r, row) in image.chunks_exact_mut(n).enumerate() {
            let shift = -self.jitter_nm[[frame, r]];
            self.contamination.add_row(row, nm(r) - dy, shift, &across, weight);
        }
    }

    /// Counts of a frame, with the detector's `offset`; shape (`size_px`, `size_px`).
    ///
    /// # Errors
    /// If there is no such frame, or the user asks to stop.
    pub fn counts(&self, frame: usize, columns: &[Column]) -> Result<Array2<f32>> {
        let expected = self.expected(frame, columns)?;
        let mut rng = stream(self.seed, 2 * frame as u64 + 2);
        stop_if_asked("while drawing counts")?;
        let (glow, offset) = (self.imaging.afterglow, self.imaging.offset);
        let mut counts = Array2::zeros(expected.dim());
        for (mut to, means) in counts.rows_mut().into_iter().zip(expected.rows()) {
            // Before a row the beam rests where it begins.
            let mut signal = means[0];
            for (to, &mean) in to.iter_mut().zip(means) {
                signal = glow * signal + (1.0 - glow) * poisson(mean, &mut rng);
                *to = (signal + offset) as f32;
            }
        }
        Ok(counts)
    }

    /// The drift as a table: `frame` u32, `time_s`, `y_px`, `x_px`, `y_nm`, `x_nm` f64.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn drift(&self) -> Result<DataFrame> {
        let axis = |axis: usize, scale: f64| -> Vec<f64> { self.drift_nm.iter().map(|d| d[axis] * scale).collect() };
        let px = 1.0 / self.imaging.nm_per_px;
        let frame: Vec<u32> = (0..self.frames() as u32).collect();
        let time: Vec<f64> = frame.iter().map(|&f| f64::from(f) * self.imaging.s_per_frame).collect();
        let height = frame.len();
        Ok(DataFrame::new(
            height,
            vec![
                Series::new("frame".into(), frame).into(),
                Series::new("time_s".into(), time).into(),
                Series::new("y_px".into(), axis(0, px)).into(),
                Series::new("x_px".into(), axis(1, px)).into(),
                Series::new("y_nm".into(), axis(0, 1.0)).into(),
                Series::new("x_nm".into(), axis(1, 1.0)).into(),
            ],
        )?)
    }
}

/// Random numbers of one purpose: streams of one seed do not overlap.
fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [y, x] = self.drift_nm[self.frames() - 1];
        write!(
            f,
            "Scan of {} frames, {} x {} px of {} nm, {:.3} counts at a W column, drift to ({y:.3}, {x:.3}) nm, seed {}",
            self.frames(),
            self.imaging.size_px,
            self.imaging.size_px,
            self.imaging.nm_per_px,
            self.imaging.counts_at_w(),
            self.seed
        )
    }
}
