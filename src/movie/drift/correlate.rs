//! Where a frame lies against a reference: generalised cross-correlation (Knapp and Carter, IEEE Trans. ASSP 24, 320,
//! 1976), every frequency weighted by how much it can say.
//!
//! The model: reference and frame are the same specimen, shifted, each with noise. With `S` the specimen's power at a
//! frequency, `N` the noise's and `n` the frames in the reference, the reference is known up to a variance
//! `V = S N / (n S + N)`, and the logarithm of the likelihood of a shift `s` is, up to a constant, the sum over all
//! frequencies of `Re[F conj(R) S / (S + N / n) exp(2 pi i k s)] / (N + V)`. Phase correlation would count every
//! frequency alike; in frames of a count a pixel nearly all of them are noise. Beside the lattice's peaks, which say
//! where the lattice is but not which period, the sum holds all that is not periodic, which does.

use crate::filter::{handy, median, vertex};
use crate::fourier::{Fourier, Spectrum, frequency};
use crate::movie::operations::interpolate::taps;
use ndarray::{Array2, Zip};
use rayon::prelude::*;
use rustfft::FftPlanner;
use rustfft::num_complex::Complex32;
use std::f64::consts::TAU;

/// Rings of the spectrum, each with its own noise, from frequency 0 to that of the corners.
const RINGS: usize = 72;

/// A frequency belongs to the lattice where the power around it is so many times what is usual in its ring. Noise
/// averaged over nine frequencies does not reach it.
const PERIODIC: f32 = 6.0;
/// Rings on either side that a ring's mean is taken over as well.
const BESIDE: usize = 1;
/// Local maxima of the likelihood this high, as a fraction of the highest, are held against each other.
const PLACES: f32 = 0.6;

/// Frames of one size, and what their frequencies are worth.
pub(super) struct Correlator {
    full: Fourier,
    window: Window,
    /// Of the frequencies that hold anything, which are those of a smaller frame: its pixels' height and width.
    fourier: Fourier,
    scale: [f64; 2],
    /// The first frame's noise, taken to be white, as strong as where there is least.
    white: f32,
    /// For every frequency its ring, and from 0 to 1 whether it is used at all.
    ring: Vec<u8>,
    used: Vec<f32>,
}

/// The mean of earlier frames, in the coordinates of the last of them.
pub(super) struct Reference {
    sum: Spectrum,
    /// Sums of the frames' weights and of their squares.
    weights: (f32, f32),
    noise: Vec<f32>,
    frames: usize,
    /// What each frequency counts, and which of them are the lattice's.
    worth: Vec<f32>,
    periodic: Vec<bool>,
}

/// Until so many frames are in the reference its noise and what frequencies are worth are learnt from every frame, after
/// that from every [`SELDOM`]-th, since they hardly change any more.
const LEARNING: usize = 8;
const SELDOM: usize = 4;

/// Where a frame was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// How far its content lies from the reference's: y, x in pixels.
    pub shift: [f64; 2],
    /// Mean cosine of the phases that are left, by weight.
    pub quality: f64,
    /// How much likelier, in natural logarithms, than the next best place.
    pub margin: f64,
    /// Standard deviation, along y and x, that the noise implies.
    pub sigma: [f64; 2],
}

/// A step as long as `usual` is expected: its logarithmic probability, with a tail so that a jump remains possible.
pub(super) struct Expected {
    pub at: [f64; 2],
    pub usual: f64,
}

impl Expected {
    /// Huber's: a parabola up to three times the usual, straight from there.
    fn log_prior(&self, y: f64, x: f64) -> f64 {
        let d = (y - self.at[0]).hypot(x - self.at[1]) / self.usual;
        if d <= 3.0 { -d * d / 2.0 } else { 4.5 - 3.0 * d }
    }
}

/// The ring of a frequency in cycles a pixel.
fn ring(k: f64) -> u8 {
    (k * std::f64::consts::SQRT_2 * RINGS as f64).min(RINGS as f64 - 1.0) as u8
}

/// Noise of a spectrum where there is least, and the highest frequency at which it holds more than that: a ring with
/// more power than noise has, or a peak that noise does not reach.
fn reach(full: &Fourier, spectrum: &Spectrum) -> (f32, f64) {
    let mut rings = vec![vec![]; RINGS];
    for ((kx, ky), c) in spectrum.indexed_iter() {
        let k = frequency(ky, full.height).hypot(frequency(kx, full.width));
        rings[ring(k) as usize].push(c.norm_sqr());
    }
    // A ring of few frequencies is low by chance.
    let enough = spectrum.len() / 150;
    let level = |r: &mut Vec<f32>| if r.len() > enough { median(r) / std::f32::consts::LN_2 } else { f32::MAX };
    let levels: Vec<f32> = rings.iter_mut().map(level).collect();
    let mean = spectrum.iter().map(|c| c.norm_sqr()).sum::<f32>() / spectrum.len() as f32;
    let least = levels.iter().copied().fold(f32::MAX, f32::min);
    let white = if least < f32::MAX { least } else { mean }.max(1e-6 * mean).max(f32::MIN_POSITIVE);
    let holds = |r: &usize| {
        let level = levels[*r];
        (level < f32::MAX && level > 1.2 * white) || rings[*r].iter().any(|p| *p > 25.0 * white)
    };
    let last = (0..RINGS).rev().find(holds).unwrap_or(RINGS);
    (white, (last as f64 + 2.0) / (RINGS as f64 * std::f64::consts::SQRT_2))
}

/// A length that is fast to transform; at most `n`.
fn fast(at_least: f64, n: usize) -> usize {
    handy((at_least.ceil() as usize).max(SMALLEST)).min(n)
}

/// Sides of a spectrum are no shorter.
const SMALLEST: usize = 16;

impl Correlator {
    /// For frames like this one. Structures longer than `longest` pixels are not used: contamination, uneven
    /// illumination.
    pub(super) fn new(first: &Array2<f32>, longest: f64) -> Correlator {
        let (height, width) = first.dim();
        let full = Fourier::new(height, width);
        let window = Window::new(first);
        let (white, highest) = reach(&full, &window.spectrum(&full, first, full.width / 2 + 1));
        let (h, w) = (fast(2.0 * highest * height as f64, height), fast(2.0 * highest * width as f64, width));
        let (mut rings, mut used) = (vec![], vec![]);
        for kx in 0..=w / 2 {
            for ky in 0..h {
                let whole = |i: usize, n: usize| frequency(i, n) * n as f64;
                let k = (whole(ky, h) / height as f64).hypot(whole(kx, w) / width as f64);
                rings.push(ring(k));
                // Stripes along rows or columns belong to the scan, and at half the sampling a shift has no sign.
                let stripe = kx < 2 || ky < 2 || ky == h - 1;
                let nyquist = 2 * kx == w || 2 * ky == h;
                let used_by = if stripe || nyquist { 0.0 } else { 1.0 - (-(k * longest).powi(2)).exp() };
                used.push(used_by as f32);
            }
        }
        let scale = [height as f64 / h as f64, width as f64 / w as f64];
        Correlator { full, window, fourier: Fourier::new(h, w), scale, white, ring: rings, used }
    }

    /// The windowed frame's spectrum, as far as it holds anything.
    pub(super) fn spectrum(&self, frame: &Array2<f32>) -> Spectrum {
        let (h, columns) = (self.fourier.height, self.width() / 2 + 1);
        let spectrum = self.window.spectrum(&self.full, frame, columns);
        if h == self.full.height {
            return spectrum;
        }
        let below = self.full.height - h;
        Array2::from_shape_fn((columns, h), |(kx, ky)| spectrum[[kx, if 2 * ky > h { ky + below } else { ky }]])
    }

    pub(super) fn start(&self, first: Spectrum) -> Reference {
        let noise = vec![self.white; RINGS];
        let (worth, periodic) = (vec![], vec![]);
        let mut reference = Reference { sum: first, weights: (1.0, 1.0), noise, frames: 1, worth, periodic };
        self.weigh(&mut reference);
        reference
    }

    /// A third of the values, by ring.
    fn rings(&self, values: impl Iterator<Item = f32>) -> Vec<Vec<f32>> {
        let mut rings = vec![vec![]; RINGS];
        for (value, &ring) in values.zip(&self.ring).step_by(3) {
            rings[ring as usize].push(value);
        }
        rings
    }

    /// What each frequency counts.
    ///
    /// A lattice's power is that around each frequency; of what is not periodic only the ring's mean is known well
    /// enough: weights that follow chance would find it again, and be sure of it.
    fn weigh(&self, reference: &mut Reference) {
        let (w1, w2) = reference.weights;
        let power = reference.sum.mapv(|c| c.norm_sqr() / (w1 * w1));
        let around = smooth(&power);
        let usual: Vec<f32> = self
            .rings(around.iter().copied())
            .iter_mut()
            .map(|r| if r.is_empty() { f32::MAX } else { median(r) })
            .collect();
        reference.periodic = self.near(
            around
                .indexed_iter()
                .zip(&self.ring)
                .filter_map(|((at, p), &ring)| (*p > PERIODIC * usual[ring as usize]).then_some(at)),
        );
        let plain = self.means(power.iter().zip(&reference.periodic).map(|(p, periodic)| (!periodic).then_some(*p)));
        let all = around.iter().zip(&reference.periodic).zip(self.ring.iter().zip(&self.used));
        let worth = all.map(|((around, periodic), (&ring, &used))| {
            let noise = reference.noise[ring as usize];
            let of_reference = noise * w2 / (w1 * w1);
            let power = if *periodic { *around } else { plain[ring as usize] };
            let signal = (power - of_reference).max(0.0);
            let gain = signal / (signal + of_reference);
            used * gain / (noise + gain * of_reference)
        });
        reference.worth = worth.collect();
    }

    /// Terms of the log-likelihood at shift 0.
    fn terms(&self, reference: &Reference, frame: &Spectrum) -> Spectrum {
        let mut terms = self.fourier.zeros();
        let mean = 1.0 / reference.weights.0;
        let all = terms.iter_mut().zip(frame).zip(&reference.sum).zip(&reference.worth);
        all.for_each(|(((to, f), r), worth)| *to = f * r.conj() * (worth * mean));
        terms
    }

    /// The given frequencies and those within two of them, where a window's edges leave a peak's feet.
    fn near(&self, peaks: impl Iterator<Item = (usize, usize)>) -> Vec<bool> {
        let (columns, h) = (self.width() / 2 + 1, self.fourier.height);
        let mut near = vec![false; columns * h];
        for (kx, ky) in peaks {
            for x in kx.saturating_sub(2)..(kx + 3).min(columns) {
                for y in 0..5 {
                    near[x * h + (ky + h + y - 2) % h] = true;
                }
            }
        }
        near
    }

    /// Means of the values there are, by ring, each over the rings beside it, too.
    fn means(&self, values: impl Iterator<Item = Option<f32>>) -> Vec<f32> {
        let mut sums = [(0.0_f64, 0.0_f64); RINGS];
        for (value, &ring) in values.zip(&self.ring) {
            if let Some(value) = value {
                sums[ring as usize].0 += f64::from(value);
                sums[ring as usize].1 += 1.0;
            }
        }
        let near = |r: usize| &sums[r.saturating_sub(BESIDE)..(r + BESIDE + 1).min(RINGS)];
        let mean = |r| {
            let (sum, count) = near(r).iter().fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
            if count > 0.0 { (sum / count) as f32 } else { 0.0 }
        };
        (0..RINGS).map(mean).collect()
    }

    /// Where `frame` lies against the reference.
    pub(super) fn find(&self, reference: &Reference, frame: &Spectrum, expected: &Expected) -> Found {
        let terms = self.terms(reference, frame);
        let mut other = terms.clone();
        let lattice = other.iter_mut().zip(&reference.periodic).filter(|(_, periodic)| **periodic);
        lattice.for_each(|(term, _)| *term = Complex32::ZERO);
        let inverse = |terms| self.fourier.inverse(terms);
        let (map, other) = rayon::join(|| inverse(terms.clone()), || inverse(other));
        let (start, margin) = best(&map, &other, expected, self.scale);
        let (shift, curve) = self.refine(&terms, start);
        let (at_best, _, _) = self.likelihood(&terms, shift);
        let norms = |column: ndarray::ArrayView1<Complex32>| column.iter().map(|c| f64::from(c.norm())).sum::<f64>();
        // Half of the spectrum is stored; of its outer columns nothing is used.
        let most: f64 = 2.0 * terms.rows().into_iter().map(norms).sum::<f64>();
        let quality = if most > 0.0 { (at_best / most).clamp(0.0, 1.0) } else { 0.0 };
        let in_pixels = |v: [f64; 2]| [v[0] * self.scale[0], v[1] * self.scale[1]];
        Found { shift: in_pixels(shift), quality, margin, sigma: in_pixels(sigma(curve)) }
    }

    fn width(&self) -> usize {
        self.fourier.width
    }

    /// The sum over all frequencies at any shift: value, gradient, second derivatives yy, yx, xx.
    fn likelihood(&self, terms: &Spectrum, [sy, sx]: [f64; 2]) -> (f64, [f64; 2], [f64; 3]) {
        let (h, w) = (self.fourier.height, self.width());
        let turn = |angle: f64| Complex32::new(angle.cos() as f32, angle.sin() as f32);
        let omega: Vec<f32> = (0..h).map(|ky| (TAU * frequency(ky, h)) as f32).collect();
        let turns: Vec<Complex32> = (0..h).map(|ky| turn(TAU * frequency(ky, h) * sy)).collect();
        let column = |kx: usize| {
            let row = terms.row(kx);
            let row = row.as_slice().unwrap_or(&[]);
            let mut sums = [Complex32::default(); 3];
            for ((term, turn), &o) in row.iter().zip(&turns).zip(&omega) {
                let z = term * turn;
                sums[0] += z;
                sums[1] += z * o;
                sums[2] += z * (o * o);
            }
            let ox = TAU * frequency(kx, w);
            let times = if kx == 0 || 2 * kx == w { 1.0 } else { 2.0 };
            let [s0, s1, s2] = sums.map(|s| s * turn(ox * sx));
            // Derivatives bring down i times the frequency.
            let (value, dy, dx) = (f64::from(s0.re), -f64::from(s1.im), -ox * f64::from(s0.im));
            let (yy, yx, xx) = (-f64::from(s2.re), -ox * f64::from(s1.re), -ox * ox * f64::from(s0.re));
            [value, dy, dx, yy, yx, xx].map(|v| v * times)
        };
        let add = |a: [f64; 6], b: [f64; 6]| std::array::from_fn(|i| a[i] + b[i]);
        let [value, dy, dx, yy, yx, xx] = (0..=w / 2).into_par_iter().map(column).reduce(|| [0.0; 6], add);
        (value, [dy, dx], [yy, yx, xx])
    }

    /// Newton's steps to the top of the peak at `start`: what upsampling the transform around it (Guizar-Sicairos,
    /// Thurman and Fienup, Opt. Lett. 33, 156, 2008) approaches as its grid becomes finer.
    fn refine(&self, terms: &Spectrum, start: [f64; 2]) -> ([f64; 2], [f64; 3]) {
        let mut at = start;
        let mut curve = [0.0; 3];
        for _ in 0..8 {
            let (_, [dy, dx], second) = self.likelihood(terms, at);
            curve = second;
            let [yy, yx, xx] = second;
            let determinant = yy * xx - yx * yx;
            if !(determinant > 0.0 && yy < 0.0) {
                return (start, [0.0; 3]); // no top of a peak: whole pixels are all there is
            }
            let step = [(xx * dy - yx * dx) / determinant, (yy * dx - yx * dy) / determinant];
            at = [at[0] - step[0].clamp(-0.5, 0.5), at[1] - step[1].clamp(-0.5, 0.5)];
            if (at[0] - start[0]).abs() > 1.5 || (at[1] - start[1]).abs() > 1.5 {
                return (start, [0.0; 3]);
            }
            if step[0].abs().max(step[1].abs()) < 1e-4 {
                break;
            }
        }
        (at, curve)
    }

    /// Takes a frame that lies at `shift` into the reference, whose coordinates become the frame's. What was there
    /// before keeps the share `keep`.
    pub(super) fn take(&self, reference: &mut Reference, frame: &Spectrum, shift: [f64; 2], keep: f32) {
        self.shift(&mut reference.sum, [shift[0] / self.scale[0], shift[1] / self.scale[1]]);
        let learns = reference.frames < LEARNING || reference.frames.is_multiple_of(SELDOM);
        if learns {
            self.learn_noise(reference, frame);
        }
        let (w1, w2) = reference.weights;
        reference.sum.zip_mut_with(frame, |r, f| *r = *r * keep + f);
        reference.weights = (keep * w1 + 1.0, keep * keep * w2 + 1.0);
        reference.frames += 1;
        if learns {
            self.weigh(reference);
        }
    }

    /// The noise of each ring, from how a frame differs from the reference.
    fn learn_noise(&self, reference: &mut Reference, frame: &Spectrum) {
        let (w1, w2) = reference.weights;
        let differences = frame.iter().zip(&reference.sum).map(|(f, r)| (f - r / w1).norm_sqr());
        // Both the frame's noise and the mean's are in the difference.
        let both = std::f32::consts::LN_2 * (1.0 + w2 / (w1 * w1));
        let share = if reference.frames < LEARNING { 1.0 / reference.frames as f32 } else { 0.4 };
        let floor = reference.noise.iter().copied().fold(0.0, f32::max) * 1e-6;
        for (noise, ring) in reference.noise.iter_mut().zip(&mut self.rings(differences)) {
            if ring.len() > 10 {
                *noise += share * ((median(ring) / both).max(floor) - *noise);
            }
        }
    }

    /// Moves content by `shift`.
    fn shift(&self, spectrum: &mut Spectrum, [sy, sx]: [f64; 2]) {
        let (h, w) = (self.fourier.height, self.width());
        let turn = |angle: f64| Complex32::new(angle.cos() as f32, angle.sin() as f32);
        let turns: Vec<Complex32> = (0..h).map(|ky| turn(-TAU * frequency(ky, h) * sy)).collect();
        for (kx, mut row) in spectrum.rows_mut().into_iter().enumerate() {
            let along = turn(-TAU * frequency(kx, w) * sx);
            row.iter_mut().zip(&turns).for_each(|(c, turn)| *c *= turn * along);
        }
    }
}

/// The likeliest of the places where the likelihood has a maximum, in pixels of the map (`scale` of the frame's), and by how much it is likelier than
/// the next. The lattice says where these places are but not which it is: its part is the same for all of them, and so
/// great that reading it at whole pixels would decide by chance. What decides is all that is not periodic, `other`,
/// read between pixels, and what was expected.
///
/// How sure `other` is, its own spread says: it is noise but for one place. Where it is `z` standard deviations high and
/// the true place is at `m`, the logarithm of the likelihood is `m z` less a constant; `m` is near the strongest,
/// less what the strongest of as many places would be by chance.
fn best(map: &Array2<f32>, other: &Array2<f32>, expected: &Expected, scale: [f64; 2]) -> ([f64; 2], f64) {
    let (h, w) = map.dim();
    let signed = |i: usize, n: usize| frequency(i, n) * n as f64;
    let most = map.iter().copied().fold(f32::MIN, f32::max);
    let places = |y: usize| -> Vec<Place> {
        let (up, down) = ((y + h - 1) % h, (y + 1) % h);
        let place = |x: usize| {
            let here = map[[y, x]];
            if here < 0.5 * PLACES * most {
                return None;
            }
            let (left, right) = (map[[y, (x + w - 1) % w]], map[[y, (x + 1) % w]]);
            let (above, below) = (map[[up, x]], map[[down, x]]);
            if here < left || here < right || here < above || here < below {
                return None;
            }
            let (dy, dx) = (f64::from(vertex(above, here, below)), f64::from(vertex(left, here, right)));
            let top = f64::from(here) - 0.25 * (f64::from(above - below) * dy + f64::from(left - right) * dx);
            Some(Place { y, x, dy, dx, top })
        };
        (0..w).filter_map(place).collect()
    };
    let mut all: Vec<_> = (0..h).into_par_iter().flat_map_iter(places).collect();
    let highest = all.iter().map(|p| p.top).fold(f64::MIN, f64::max);
    all.retain(|p| p.top >= f64::from(PLACES) * highest);
    let spread = spread(other);
    let found = all.into_iter().map(|p| {
        let at = [signed(p.y, h) + p.dy, signed(p.x, w) + p.dx];
        (between(other, &p) / spread, expected.log_prior(at[0] * scale[0], at[1] * scale[1]), at)
    });
    let found: Vec<_> = found.collect();
    let strongest = found.iter().map(|f| f.0).fold(0.0, f64::max);
    // The strongest of so many places without anything to say is as high as this, and must not decide.
    let by_chance = 2.0 * (found.len().max(1) as f64).ln();
    let sure = (strongest * strongest - by_chance).max(0.0).sqrt();
    let mut all: Vec<_> = found.into_iter().map(|(z, prior, at)| (sure * z + prior, at)).collect();
    all.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let Some(&(first, at)) = all.first() else {
        return ([expected.at[0] / scale[0], expected.at[1] / scale[1]], 0.0);
    };
    (at, all.get(1).map_or(f64::INFINITY, |second| first - second.0))
}

/// A maximum of a map: the whole place, how far from it a parabola has its top, and how high that is.
struct Place {
    y: usize,
    x: usize,
    dy: f64,
    dx: f64,
    top: f64,
}

/// Cosine edges, a twelfth of the side each: what is cut off hard leaks into every frequency.
struct Window {
    /// Along y and x.
    edges: [Vec<f32>; 2],
    /// Their transforms.
    spectra: [Vec<Complex32>; 2],
    /// About a frame's mean: less of it, less is lost to rounding.
    level: f32,
}

impl Window {
    fn new(first: &Array2<f32>) -> Window {
        let edge = |i: usize, n: usize| {
            let from_edge = (i.min(n - 1 - i) as f32 + 0.5) / (n as f32 / 12.0);
            if from_edge < 1.0 { 0.5 - 0.5 * (std::f32::consts::PI * from_edge).cos() } else { 1.0 }
        };
        let edges = [first.nrows(), first.ncols()].map(|n| (0..n).map(|i| edge(i, n)).collect::<Vec<f32>>());
        let spectra = [0, 1].map(|axis| {
            let mut line: Vec<_> = edges[axis].iter().map(|&v| Complex32::new(v, 0.0)).collect();
            FftPlanner::new().plan_fft_forward(line.len()).process(&mut line);
            line
        });
        Window { edges, spectra, level: first.mean().unwrap_or(0.0) }
    }

    /// The spectrum of the windowed frame around its own mean, up to a frequency along x.
    fn spectrum(&self, fourier: &Fourier, frame: &Array2<f32>, columns: usize) -> Spectrum {
        let [along_y, along_x] = &self.edges;
        let mut spectrum = fourier.forward_to(frame, columns, |y, x, v| (v - self.level) * (along_y[y] * along_x[x]));
        // What is left of the mean is as much of the window's own spectrum.
        let [of_y, of_x] = &self.spectra;
        let mean = spectrum[[0, 0]].re / (of_y[0].re * of_x[0].re);
        for (mut column, &x) in spectrum.rows_mut().into_iter().zip(of_x) {
            let x = x * mean;
            column.iter_mut().zip(of_y).for_each(|(s, y)| *s -= x * y);
        }
        spectrum
    }
}

/// Standard deviation of a map's values, by the median of their magnitudes; a few peaks do not matter.
fn spread(map: &Array2<f32>) -> f64 {
    let mut some: Vec<f32> = map.iter().step_by(7).map(|v| v.abs()).collect();
    f64::from(median(&mut some) * 1.4826).max(f64::MIN_POSITIVE)
}

/// The value at a place, cubically, on a map that goes round.
fn between(map: &Array2<f32>, place: &Place) -> f64 {
    let (h, w) = map.dim();
    let &Place { y, x, dy, dx, .. } = place;
    let around = |i: usize, d: f64, n: usize| {
        let from = if d < 0.0 { i + n - 1 } else { i };
        let index: [usize; 4] = std::array::from_fn(|k| (from + n + k - 1) % n);
        (index, taps((if d < 0.0 { d + 1.0 } else { d }) as f32))
    };
    let ((rows, wy), (columns, wx)) = (around(y, dy, h), around(x, dx, w));
    let row = |r: usize| columns.iter().zip(wx).map(|(&c, weight)| map[[r, c]] * weight).sum::<f32>();
    f64::from(rows.iter().zip(wy).map(|(&r, weight)| row(r) * weight).sum::<f32>())
}

/// The mean of each frequency's power and its neighbours'; a window spreads a peak over them.
fn smooth(power: &Array2<f32>) -> Array2<f32> {
    let (columns, h) = power.dim();
    let mut along = Array2::zeros((columns, h));
    for (row, mut to) in power.rows().into_iter().zip(along.rows_mut()) {
        for ky in 0..h {
            to[ky] = row[(ky + h - 1) % h] + row[ky] + row[(ky + 1) % h];
        }
    }
    let mut both = Array2::zeros((columns, h));
    for (kx, mut to) in both.rows_mut().into_iter().enumerate() {
        let (before, after) = (along.row(kx.saturating_sub(1)), along.row((kx + 1).min(columns - 1)));
        Zip::from(&mut to).and(before).and(along.row(kx)).and(after).for_each(|to, a, b, c| *to = (a + b + c) / 9.0);
    }
    both
}

/// Standard deviations from the curvature of the log-likelihood, along y and x.
fn sigma([yy, yx, xx]: [f64; 3]) -> [f64; 2] {
    let determinant = yy * xx - yx * yx;
    if determinant > 0.0 && yy < 0.0 {
        [(-xx / determinant).sqrt(), (-yy / determinant).sqrt()]
    } else {
        [f64::INFINITY; 2]
    }
}
