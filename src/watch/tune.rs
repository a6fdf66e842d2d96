//! What the microscope did, fitted to the frames of a movie.

use super::followed::Followed;
use crate::detect::{FoundColumns, counts_of};
use crate::error::Result;
use crate::filter::{median, robust};
use crate::progress::{Progress, Reporter, stop_if_asked};
use crate::simulate::{Imaging, Seen, believed_places, perfect_row, perfect_weights};
use ndarray::{Array2, s};
use rayon::prelude::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

/// How often probe, places and gains are fitted in turn.
const TUNED: usize = 2;

impl Followed {
    /// Counts, probe, places, gains of rows and the noise of the evidence, one after the other.
    pub(super) fn measure(&mut self, found: &FoundColumns, ratio: Option<f64>) -> Result<()> {
        // Columns as high as in the mean, of whose weights the brightest has the most.
        if let Some(ratio) = ratio {
            self.scan.imaging.z_power = self.power(ratio);
            self.believed = perfect_weights(self);
        }
        let most = perfect_row(self).into_iter().fold(f64::MIN_POSITIVE, f64::max);
        let height = found.bright_height / most;
        self.scan.imaging = self.scan.imaging.clone().with_counts_at_w(height);
        self.empty_holes();
        // An empty pixel is no brighter than the darkest ones.
        let mut darkest = vec![];
        for frame in looks(self.movie.len()) {
            let mut sorted: Vec<f32> = self.movie.frame(frame)?.data.iter().copied().collect();
            let place = sorted.len() / 1000;
            darkest.push(*sorted.select_nth_unstable_by(place, f32::total_cmp).1);
        }
        let dark = f64::from(median(&mut darkest));
        self.count = (1.0, dark);
        let mut pairs = vec![];
        for frame in looks(self.movie.len()) {
            let (expected, values) = self.believed_counts(frame)?;
            let part = |a: &Array2<f64>| a.slice(s![..self.size.0, ..self.size.1]).mapv(|v| v as f32);
            let (gain, above) = counts_of(&part(&values), &part(&expected));
            pairs.push((gain, dark + above.min(0.0)));
        }
        let middle = |pick: fn(&(f64, f64)) -> f64| {
            let mut all: Vec<f32> = pairs.iter().map(|p| pick(p) as f32).collect();
            f64::from(median(&mut all))
        };
        self.count = (middle(|p| p.0).max(f64::MIN_POSITIVE), middle(|p| p.1));
        self.scan.imaging = self.scan.imaging.clone().with_counts_at_w(height / self.count.0);
        self.tune()
    }

    /// Probe, places, gains and noise, fitted in turn beside what is believed to stand at the sites.
    pub(super) fn tune(&mut self) -> Result<()> {
        let mut progress = Reporter::new("fitting the microscope", "steps");
        for round in 0..TUNED {
            self.shape()?;
            progress.update(3 * round + 1, 3 * TUNED, "");
            self.settle()?;
            progress.update(3 * round + 2, 3 * TUNED, "");
            self.gains()?;
            progress.update(3 * round + 3, 3 * TUNED, "");
        }
        (self.dispersion, self.repeats) = self.noise()?;
        Ok(())
    }

    /// Expected counts of a frame as it is believed to be, and those that there are.
    fn believed_counts(&self, frame: usize) -> Result<(Array2<f64>, Array2<f64>)> {
        let row = self.believed.row(frame);
        self.expected(frame, &believed_places(self, frame, row), &row.to_vec())
    }

    /// The power of the atomic number that makes the fainter column's height this part of the brighter one's.
    fn power(&self, ratio: f64) -> f64 {
        let ratio_at = |power: f64| {
            let imaging = self.scan.imaging.clone().with_z_power(power);
            let of = imaging.perfect_weights(&self.matter.crystal);
            of.iter().copied().fold(f64::MAX, f64::min) / of.iter().copied().fold(f64::MIN_POSITIVE, f64::max)
        };
        let powers = (0..=50).map(|i| 1.3 + 0.014 * f64::from(i));
        let off = |p: &f64| libm::fabs(libm::log(ratio_at(*p) / ratio));
        powers.min_by(|p, q| off(p).total_cmp(&off(q))).unwrap_or(1.7)
    }

    /// Probe and counts, each in turn changed so that a few frames are most probable: the mean of the frames has a wider one,
    /// since it was moved by parts of pixels.
    fn shape(&mut self) -> Result<()> {
        let changes: [fn(&mut Imaging, f64); 4] = [
            |i, by| i.probe_nm *= by,
            |i, by| i.electrons_per_nm2 *= by,
            |i, by| i.tail_fraction = (i.tail_fraction * by).clamp(0.0, 0.9),
            |i, by| i.tail_nm *= by,
        ];
        let mut now = self.left()?;
        for step in [0.06, 0.02] {
            for change in changes {
                for by in [1.0 + step, 1.0 / (1.0 + step)] {
                    // On in the same direction as long as it helps.
                    for _ in 0..8 {
                        let before = self.scan.imaging.clone();
                        change(&mut self.scan.imaging, by);
                        let left = self.left();
                        if !left.as_ref().is_ok_and(|left| *left < now) {
                            self.scan.imaging = before;
                            left?;
                            break;
                        }
                        now = left?;
                    }
                }
            }
        }
        Ok(())
    }

    fn left(&self) -> Result<f64> {
        let of = |frame: usize| -> Result<f64> {
            stop_if_asked("while fitting the probe")?;
            let (expected, counts) = self.believed_counts(frame)?;
            let part = s![..self.size.0, ..self.size.1];
            let less_likely = |c: &f64, e: &f64| e - c * libm::log(*e);
            Ok(counts.slice(part).iter().zip(expected.slice(part)).map(|(c, e)| less_likely(c, e)).sum())
        };
        Ok(looks(self.movie.len()).into_par_iter().map(of).collect::<Result<Vec<f64>>>()?.into_iter().sum())
    }

    /// Moves every frame, and every row along x, to where its likelihood is greatest: a step of Newton's method, rows with a
    /// normal prior as wide as their jitter.
    fn settle(&mut self) -> Result<()> {
        let (h, w) = self.size;
        let jitter_nm = self.jitter_px * self.scan.imaging.nm_per_px;
        let step = 0.1 * self.scan.imaging.nm_per_px;
        let of = |frame: usize| -> Result<([f64; 2], Vec<f64>)> {
            stop_if_asked("while settling frames")?;
            let weights = self.believed.row(frame).to_vec();
            let places = believed_places(self, frame, self.believed.row(frame));
            let (expected, counts) = self.expected(frame, &places, &weights)?;
            let slope = |dy: f64, dx: f64| -> Result<Array2<f64>> {
                let moved = |by: f64| places.iter().map(|[y, x]| [y + by * dy, x + by * dx]).collect::<Vec<_>>();
                let image = |by: f64| self.scan.expected_of(frame, &moved(by), &weights);
                let (on, back) = (image(step)?, image(-step)?);
                Ok((on - back) / (2.0 * step))
            };
            let (along_y, along_x) = (slope(1.0, 0.0)?, slope(0.0, 1.0)?);
            // Of each row: the likelihood's slope and curvature.
            let row = |slope: &Array2<f64>, r: usize| {
                (0..w).fold((0.0, 0.0), |(d, i), c| {
                    let (e, g) = (expected[[r, c]], slope[[r, c]]);
                    (d + (counts[[r, c]] - e) * g / e, i + g * g / e)
                })
            };
            let add = |sum: (f64, f64), one: (f64, f64)| (sum.0 + one.0, sum.1 + one.1);
            let rows_x: Vec<(f64, f64)> = (0..h).map(|r| row(&along_x, r)).collect();
            let x = rows_x.iter().copied().fold((0.0, 0.0), add);
            let y = (0..h).map(|r| row(&along_y, r)).fold((0.0, 0.0), add);
            let shift = [y, x].map(|(d, i)| if i > 0.0 { d / i } else { 0.0 });
            let prior = 1.0 / (jitter_nm * jitter_nm).max(1e-12);
            let jitter = |(r, (d, i)): (usize, &(f64, f64))| {
                let now = self.scan.jitter_nm[[frame, r]];
                now + (d - i * shift[1] - now * prior) / (i + prior)
            };
            Ok((shift, rows_x.iter().enumerate().map(jitter).collect()))
        };
        let all = (0..self.scan.frames()).into_par_iter().map(of).collect::<Result<Vec<_>>>()?;
        let most = 0.5 * self.scan.imaging.nm_per_px;
        for (frame, (shift, rows)) in all.into_iter().enumerate() {
            for (to, by) in self.scan.drift_nm[frame].iter_mut().zip(shift) {
                *to += by.clamp(-most, most);
            }
            if jitter_nm > 0.0 {
                self.scan.jitter_nm.row_mut(frame).iter_mut().zip(rows).for_each(|(to, x)| *to = x);
            }
        }
        Ok(())
    }

    /// How bright each row is beside what is expected, its own noise taken into account.
    fn gains(&mut self) -> Result<()> {
        let (h, w) = self.size;
        // Of each row its gain, as the counts say it, and the variance of that.
        let of = |frame: usize| -> Result<Vec<(f64, f64)>> {
            stop_if_asked("while measuring the gains of rows")?;
            let (expected, counts) = self.believed_counts(frame)?;
            let sum = |a: &Array2<f64>, r: usize| a.slice(s![r, ..w]).sum();
            let row = |r: usize| {
                let (now, e) = (self.scan.gain[[frame, r]], sum(&expected, r).max(1e-9));
                (now * sum(&counts, r) / e, now * now / e)
            };
            Ok((0..h).map(row).collect())
        };
        let all = (0..self.scan.frames()).into_par_iter().map(of).collect::<Result<Vec<_>>>()?;
        let (mut spread, mut noise, mut n) = (0.0, 0.0, 0.0);
        for (gain, variance) in all.iter().flatten() {
            (spread, noise, n) = (spread + (gain - 1.0).powi(2), noise + variance, n + 1.0);
        }
        let own = ((spread - noise) / f64::max(n, 1.0)).max(0.0);
        for (frame, rows) in all.iter().enumerate() {
            for (row, (gain, variance)) in rows.iter().enumerate() {
                let share = if own > 0.0 { own / (own + variance) } else { 0.0 };
                self.scan.gain[[frame, row]] = (1.0 + share * (gain - 1.0)).clamp(0.2, 5.0);
            }
        }
        Ok(())
    }

    /// Variance of what a column's image is matched with, at the sites, beside that of Poisson's counts; and the part of it that
    /// is the same in every frame.
    fn noise(&self) -> Result<(f64, f64)> {
        let looks = looks(self.movie.len());
        let of = |&frame: &usize| -> Result<Vec<Option<f64>>> {
            let (expected, counts) = self.believed_counts(frame)?;
            let places = believed_places(self, frame, self.believed.row(frame));
            let smooth = f64::from(self.smooth_px);
            let found = self.scan.deviations(frame, (expected, &counts), places.into_iter(), smooth);
            Ok(found.into_iter().enumerate().map(|(s, z)| z.filter(|_| self.shows(frame, s))).collect())
        };
        let frames = looks.par_iter().map(of).collect::<Result<Vec<_>>>()?;
        let mut all: Vec<f32> = frames.iter().flatten().flatten().map(|z| *z as f32).collect();
        if all.is_empty() {
            return Ok((1.0, 0.0));
        }
        let total = f64::from(robust(&mut all).1).powi(2).max(1e-6);
        let mut means = vec![];
        for site in 0..self.sites.len() {
            let seen: Vec<f64> = frames.iter().filter_map(|f| f[site]).collect();
            if seen.len() == looks.len() && seen.len() > 1 {
                means.push((seen.iter().sum::<f64>() / seen.len() as f64) as f32);
            }
        }
        let k = looks.len() as f64;
        let of_means = if means.is_empty() { 0.0 } else { f64::from(robust(&mut means).1).powi(2) };
        // The mean of k frames has the whole of what repeats, and a k-th of the rest.
        let repeats = if k > 1.0 { ((of_means - total / k) / (1.0 - 1.0 / k)).clamp(0.0, total) } else { 0.0 };
        Ok((total, repeats))
    }
}

/// A few frames, evenly spread.
fn looks(frames: usize) -> Vec<usize> {
    let mut looks: Vec<usize> = (0..8).map(|i| i * (frames - 1) / 7).collect();
    looks.dedup();
    looks
}
