//! Labels from one frame: what is left of it when its lattice has been taken out.

use super::components::components;
use super::filter::{bin, gaussian, robust};
use super::lattice::Lattice;
use crate::error::{Error, Result, check, setters};
use crate::movie::Frame;
use crate::progress::{EARLIER, Progress, Reporter};
use ndarray::{Array2, Zip};
use serde::{Deserialize, Serialize};

/// Finds what breaks the lattice of a frame.
///
/// The lattice's Bragg peaks are found in the power spectrum; the wave of each is demodulated with a Gaussian window
/// a few periods wide, so that its amplitude and phase may drift across the frame (strain, tilt, a second grain, slow
/// contamination; this is the local Fourier analysis of Hytch, Snoeck and Kilaas, Ultramicroscopy 74, 131, 1998);
/// their sum is the periodic part. What is left is correlated with the shape of a column and divided by its robust
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
            column_periods: 0.14,
            radius_periods: 0.3,
            target_period_px: 9.0,
        }
    }
}

/// One place that breaks the lattice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Position in pixels of the frame.
    pub y_px: f32,
    /// Position in pixels of the frame.
    pub x_px: f32,
    /// Peak score in robust standard deviations: positive is too bright, negative too dark.
    pub score: f32,
}

/// The labels of one frame, and how they were come by.
#[derive(Clone)]
pub struct Labels {
    /// The frame that was labelled.
    pub frame: Frame,
    /// Its lattice, in pixels of the frame.
    pub lattice: Lattice,
    /// Bin factor of the maps below: one of their pixels is `bin` x `bin` of the frame's.
    pub bin: usize,
    /// The frame, binned.
    pub image: Array2<f32>,
    /// The lattice and the slow background, binned.
    pub periodic: Array2<f32>,
    /// What stands out, in robust standard deviations, binned.
    pub score: Array2<f32>,
    /// The places that stand out by more than `threshold`, most significant first.
    pub regions: Vec<Region>,
    /// The threshold they were found with.
    pub threshold: f64,
    /// How many of them noise alone is expected to give (independent places times the two tails of a Gaussian).
    pub expected_false: f64,
    /// Radius of a label's disc in binned pixels.
    pub radius_px: f32,
    /// Standard deviation of a column in binned pixels.
    pub column_px: f32,
}

impl PeriodicityBreak {
    setters! {
        threshold: f64 => with_threshold,
        window_periods: f64 => with_window_periods,
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
    /// If an option is out of range, the frame holds NaN or is constant, or it shows no lattice.
    pub fn label(&self, frame: &Frame) -> Result<Labels> {
        self.validate()?;
        frame.usable()?;
        let lattice = Lattice::find(&frame.data)?;
        let by = self.bin_factor(&lattice);
        let image = bin(&frame.data, by);
        let period = lattice.period_px / by as f64;
        let doing = || format!("while labelling frame {} of {}", frame.index, frame.source);
        let (periodic, score) = self
            .score(&image, &lattice, by, &mut Reporter::new("labelling", "lattice waves"))
            .map_err(|e| e.while_doing(doing, EARLIER))?;
        let column = (self.column_periods * period) as f32;
        let mut labels = Labels {
            frame: frame.clone(),
            bin: by,
            regions: vec![],
            threshold: self.threshold,
            expected_false: expected_false(image.len(), column, self.threshold),
            radius_px: (self.radius_periods * period).max(1.0) as f32,
            column_px: column,
            image,
            periodic,
            score,
            lattice,
        };
        labels.find_regions();
        Ok(labels)
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
        let period = lattice.period_px / by as f64;
        let window = (self.window_periods * period) as f32;
        let column = (self.column_periods * period).max(0.5) as f32;
        let waves: Vec<[f64; 2]> = lattice.peaks.iter().map(|g| [g[0] * by as f64, g[1] * by as f64]).collect();
        let mut weight = Array2::ones(image.dim());
        let mut result = (Array2::zeros(image.dim()), Array2::zeros(image.dim()));
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
            let periodic = periodic_part(image, &weight, &waves, window, &mut before_wave)?;
            let rest = gaussian((image - &periodic).view(), column);
            let score = standardise(&rest, &periodic, &weight, column)?;
            let trusted = trust(&score, self.threshold as f32, (0.5 * period) as f32);
            result = (periodic, score);
            if std::mem::replace(&mut weight, trusted) == weight {
                break;
            }
        }
        progress.update(total, total, "");
        Ok(result)
    }
}

/// Slow background plus every lattice wave, each with its local amplitude and phase. Calls `before_wave` with the number
/// of each, which may stop it.
fn periodic_part(
    image: &Array2<f32>,
    weight: &Array2<f32>,
    waves: &[[f64; 2]],
    window: f32,
    before_wave: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Array2<f32>> {
    let (h, w) = image.dim();
    let norm = gaussian(weight.view(), window).mapv(|n| 1.0 / n.max(1e-6));
    let background = gaussian((image * weight).view(), window) * &norm;
    let flat = (image - &background) * weight;
    let mut sum = background;
    for (i, g) in waves.iter().enumerate() {
        before_wave(i)?;
        let turn = |g: f64, n: usize| -> Vec<(f32, f32)> {
            (0..n)
                .map(|i| (std::f64::consts::TAU * g * i as f64).sin_cos())
                .map(|(s, c)| (c as f32, s as f32))
                .collect()
        };
        let (ey, ex) = (turn(g[0], h), turn(g[1], w));
        let wave = |y: usize, x: usize| {
            let ((cy, sy), (cx, sx)) = (ey[y], ex[x]);
            (cy * cx - sy * sx, cy * sx + sy * cx)
        };
        let re = gaussian(Array2::from_shape_fn((h, w), |(y, x)| flat[[y, x]] * wave(y, x).0).view(), window);
        let im = gaussian(Array2::from_shape_fn((h, w), |(y, x)| flat[[y, x]] * wave(y, x).1).view(), window);
        Zip::indexed(&mut sum).and(&re).and(&im).and(&norm).par_for_each(|(y, x), s, &re, &im, &n| {
            let (c, i) = wave(y, x);
            *s += 2.0 * n * (re * c + im * i);
        });
    }
    Ok(sum)
}

/// Noise of one band of expected intensity.
#[derive(Clone, Copy)]
struct Noise {
    level: f32,
    mean: f32,
    deviation: f32,
    skewness: f32,
}

/// Standard normal deviate of the 90th percentile.
const Z90: f32 = 1.281_55;

impl Noise {
    /// From the 10th, 50th and 90th percentiles, which a few per cent of defects hardly move (Cornish and Fisher's
    /// expansion gives deviation, mean and skewness from them).
    fn of(level: f32, values: &mut [f32]) -> Noise {
        let mut quantile = |p: f32| {
            let at = ((values.len() - 1) as f32 * p) as usize;
            *values.select_nth_unstable_by(at, f32::total_cmp).1
        };
        let (low, middle, high) = (quantile(0.1), quantile(0.5), quantile(0.9));
        let deviation = (high - low) / (2.0 * Z90);
        let skewness = if deviation > 0.0 { 3.0 * (high + low - 2.0 * middle) / (Z90 * Z90 * deviation) } else { 0.0 };
        Noise { level, mean: middle + skewness * deviation / 6.0, deviation, skewness }
    }

    /// Counts have a third cumulant in fixed proportion to their variance, so that skewness times deviation is the
    /// same in every band: the median over the bands is a better estimate than each band's own.
    fn share_skewness(bands: &mut [Noise]) {
        let mut products: Vec<f32> = bands.iter().map(|b| b.skewness * b.deviation).collect();
        let shared = robust(&mut products).0;
        for b in bands {
            let skewness = (shared / b.deviation).clamp(-0.9, 0.9);
            b.mean += (skewness - b.skewness) * b.deviation / 6.0;
            b.skewness = skewness;
        }
    }

    fn between(a: Noise, b: Noise, level: f32) -> Noise {
        let t = if b.level > a.level { ((level - a.level) / (b.level - a.level)).clamp(0.0, 1.0) } else { 0.0 };
        let mix = |a: f32, b: f32| a + t * (b - a);
        Noise {
            level,
            mean: mix(a.mean, b.mean),
            deviation: mix(a.deviation, b.deviation),
            skewness: mix(a.skewness, b.skewness),
        }
    }

    /// The deviate of a standard normal that is as unlikely as `value` is in noise of this skewness (Wilson and
    /// Hilferty 1931): starved counts have a long bright tail, which must not pass for defects.
    fn score(self, value: f32) -> f32 {
        let t = (value - self.mean) / self.deviation;
        let g = self.skewness;
        if g.abs() < 0.02 {
            return t;
        }
        6.0 / g * ((1.0 + g * t / 2.0).cbrt() - 1.0) + g / 6.0
    }
}

/// Divides by the noise's standard deviation, measured where `weight` is 1 in eight bands of the expected intensity
/// (smoothed like the residual) and interpolated between them.
fn standardise(rest: &Array2<f32>, periodic: &Array2<f32>, weight: &Array2<f32>, column: f32) -> Result<Array2<f32>> {
    const BANDS: usize = 8;
    let level = gaussian(periodic.view(), column);
    let mut pairs: Vec<(f32, f32)> =
        level.iter().zip(rest).zip(weight).filter(|(_, w)| **w >= 1.0).map(|((l, r), _)| (*l, *r)).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut bands: Vec<Noise> = pairs
        .chunks(pairs.len().div_ceil(BANDS).max(1))
        .map(|band| Noise::of(band[band.len() / 2].0, &mut band.iter().map(|p| p.1).collect::<Vec<_>>()))
        .collect();
    if bands.is_empty() || bands.iter().any(|b| b.deviation <= 0.0) {
        return Err(Error::data(
            "the frame has no noise to measure significance with: more than half of its pixels fit the lattice exactly",
        ));
    }
    Noise::share_skewness(&mut bands);
    let mut scores = rest.clone();
    Zip::from(&mut scores).and(&level).par_for_each(|s, &l| {
        let after = bands.partition_point(|b| b.level < l).min(bands.len() - 1);
        *s = Noise::between(bands[after.saturating_sub(1)], bands[after], l).score(*s);
    });
    Ok(scores)
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

/// Applies `f` to every pixel within `radius` of a place.
pub(crate) fn disc<T>(map: &mut Array2<T>, cy: f32, cx: f32, radius: f32, mut f: impl FnMut(&mut T)) {
    let range = |c: f32, n: usize| {
        ((c - radius).ceil().max(0.0) as usize)..((c + radius).floor() + 1.0).clamp(0.0, n as f32) as usize
    };
    for y in range(cy, map.nrows()) {
        for x in range(cx, map.ncols()) {
            if (y as f32 - cy).powi(2) + (x as f32 - cx).powi(2) <= radius * radius {
                f(&mut map[[y, x]]);
            }
        }
    }
}

/// How many places of a noise map smoothed by a Gaussian of standard deviation s pass a threshold t: the expected Euler
/// characteristic of the excursion set of a Gaussian field (Adler, The Geometry of Random Fields, 1981), which is
/// area / (2 s^2) x t exp(-t^2 / 2) / (2 pi)^(3/2) in two dimensions, for both tails.
fn expected_false(pixels: usize, column: f32, threshold: f64) -> f64 {
    let s = f64::from(column).max(0.5);
    let resolution = 1.0 / (2.0 * s * s);
    2.0 * pixels as f64 * resolution * threshold * (-threshold * threshold / 2.0).exp()
        / (2.0 * std::f64::consts::PI).powf(1.5)
}

impl Labels {
    /// Number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.regions.len()
    }

    /// Whether nothing stands out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// Finds the regions anew, at `self.threshold`.
    fn find_regions(&mut self) {
        let by = self.bin as f32;
        let hot = self.score.mapv(|s| s.abs() > self.threshold as f32);
        // Opposite signs that touch are two regions.
        let dark = Zip::from(&hot).and(&self.score).map_collect(|&h, &s| h && s < 0.0);
        let bright = Zip::from(&hot).and(&self.score).map_collect(|&h, &s| h && s > 0.0);
        self.regions = [dark, bright]
            .iter()
            .flat_map(components)
            .map(|pixels| {
                let (mut peak, mut y, mut x, mut sum) = (0.0_f32, 0.0, 0.0, 0.0);
                for (py, px) in pixels {
                    let s = self.score[[py, px]];
                    peak = if s.abs() > peak.abs() { s } else { peak };
                    y += s * py as f32;
                    x += s * px as f32;
                    sum += s;
                }
                let full = |v: f32| (v / sum + 0.5) * by - 0.5;
                Region { y_px: full(y), x_px: full(x), score: peak }
            })
            .collect();
        self.regions.sort_by(|a, b| b.score.abs().total_cmp(&a.score.abs()));
    }

    /// The same labels at another threshold.
    ///
    /// # Errors
    /// If the threshold is not a positive number.
    pub fn at_threshold(mut self, threshold: f64) -> Result<Self> {
        check("threshold", threshold, threshold.is_finite() && threshold > 0.0, "a positive number, 3 to 6")?;
        self.expected_false = expected_false(self.image.len(), self.column_px, threshold);
        self.threshold = threshold;
        self.find_regions();
        Ok(self)
    }

    /// Position of a region in binned pixels.
    pub(crate) fn binned(&self, region: &Region) -> (f32, f32) {
        let by = self.bin as f32;
        ((region.y_px + 0.5) / by - 0.5, (region.x_px + 0.5) / by - 0.5)
    }

    /// Training target (1 in a label's disc) and weight: 0 where the frame cannot say, that is where the score is
    /// between two thirds of the threshold and the threshold, away from every label.
    pub(crate) fn target_and_weight(&self) -> (Array2<f32>, Array2<f32>) {
        let unsure = (self.threshold * 2.0 / 3.0) as f32;
        let mut weight = self.score.mapv(|s| if s.abs() > unsure { 0.0 } else { 1.0 });
        let mut target = Array2::zeros(self.score.dim());
        for region in &self.regions {
            let (y, x) = self.binned(region);
            disc(&mut weight, y, x, 2.0 * self.radius_px, |w| *w = 1.0);
            disc(&mut target, y, x, self.radius_px, |t| *t = 1.0);
        }
        (target, weight)
    }
}

impl std::fmt::Debug for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bright = self.regions.iter().filter(|r| r.score > 0.0).count();
        write!(
            f,
            "{} label{} in frame {} of {} at {} robust standard deviations ({bright} too bright, {} too dark); noise \
             alone would give about {:.1}. Lattice period {:.2} px",
            self.regions.len(),
            if self.regions.len() == 1 { "" } else { "s" },
            self.frame.index,
            self.frame.source,
            self.threshold,
            self.regions.len() - bright,
            self.expected_false,
            self.lattice.period_px,
        )?;
        if self.frame.calibration.known {
            write!(f, " ({:.4} nm)", self.frame.calibration.to_nm(self.lattice.period_px))?;
        }
        Ok(())
    }
}
