//! Where a frame is lattice, and where it is none any more: holes and amorphous places.

use super::components::components;
use super::filter::{bin, handy, median};
use super::lattice::{Lattice, fft2};
use crate::defects::Area;
use ndarray::{Array2, Zip};
use rustfft::num_complex::Complex32;

/// Standard deviation, in periods, of the Gaussian window in which the lattice's waves are measured: narrow enough for
/// small holes, wide enough that a missing column leaves more than half of the amplitude (it is a quarter of the window).
const WINDOW_PERIODS: f64 = 0.7;
/// Less than this fraction of the usual amplitude is no lattice: what a straight edge leaves on it.
const LATTICE: f32 = 0.5;
/// Smaller places, in unit cells, count as lattice: a point defect is no hole.
const LEAST_CELLS: f64 = 1.5;
/// The strongest waves are as many as hexagonal lattices of two grains have in their first ring.
const WAVES: usize = 6;
/// The first ring ends here, in cycles a period: hexagonal lattices have their peaks at 1.15 and 2, square ones at 1 and 1.4.
const RING: f64 = 1.6;

/// What a lattice looks like in a frame that shows one: what other frames are held against.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// Lattice vectors in pixels of the (binned) frame, `[y, x]`.
    pub basis: [[f64; 2]; 2],
    /// Every peak of its transform, in cycles per pixel.
    pub peaks: Vec<[f64; 2]>,
    pub period: f64,
    /// The strongest of the peaks.
    waves: Vec<[f64; 2]>,
    /// Median amplitude of the waves, and the level that nine tenths of the places do not reach.
    amplitude: f32,
    high: f32,
    /// Brightness of the valleys between columns.
    valley: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Lattice,
    Hole,
    Amorphous,
}

/// What every place of a frame is.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// One for a square of `step` x `step` pixels of the (binned) frame.
    kinds: Array2<Kind>,
    step: usize,
    size: (usize, usize),
}

/// Amplitude of the waves, and brightness, at every second place of the image binned by `by`.
struct Measured {
    amplitude: Array2<f32>,
    brightness: Array2<f32>,
    by: usize,
}

/// Where frames still show the lattice that an image of theirs shows.
pub(crate) struct Ground(Reference, usize);

impl Ground {
    /// Of an image, which is binned by `by`; none where it shows no lattice.
    pub(crate) fn of(image: &Array2<f32>, by: usize) -> Option<Ground> {
        Reference::of(&bin(image, by)).map(|reference| Ground(reference, by))
    }

    /// Whether each of these places `[y, x]` of a frame is lattice.
    pub(crate) fn lattice_at(&self, frame: &Array2<f32>, places: impl Iterator<Item = [f64; 2]>) -> Vec<bool> {
        let (order, by) = (self.0.order(&bin(frame, self.1)), self.1 as f64);
        let binned = |v: f64| ((v + 0.5) / by - 0.5) as f32;
        places.map(|[y, x]| order.at(binned(y), binned(x)) == Kind::Lattice).collect()
    }
}

impl Reference {
    /// None where the image shows no lattice.
    pub(super) fn of(image: &Array2<f32>) -> Option<Reference> {
        let lattice = Lattice::find(image).ok()?;
        let strongest = *lattice.strength.first()?;
        let first = |g: &[f64; 2]| g[0].hypot(g[1]) * lattice.period_px < RING;
        let strong = lattice.peaks.iter().zip(&lattice.strength).filter(|(g, s)| first(g) && **s > 0.05 * strongest);
        let waves: Vec<[f64; 2]> = strong.map(|(g, _)| *g).take(WAVES).collect();
        let mut reference = Reference {
            basis: lattice.basis_px,
            waves,
            period: lattice.period_px,
            peaks: lattice.peaks.clone(),
            amplitude: 0.0,
            high: 0.0,
            valley: 0.0,
        };
        let measured = reference.measure(image);
        let mut amplitudes: Vec<f32> = measured.amplitude.iter().copied().collect();
        reference.amplitude = median(&mut amplitudes);
        reference.high = high(&mut amplitudes);
        let ordered = measured.amplitude.mapv(|a| a > reference.amplitude * 0.8);
        reference.valley = reference.valley_of(image, &ordered, 2 * measured.by);
        (reference.amplitude > 0.0).then_some(reference)
    }

    /// The lattice's valleys: a cell's darkest place, averaged over so many pixels that noise does not make it, median over
    /// the cells where the lattice is good.
    fn valley_of(&self, image: &Array2<f32>, ordered: &Array2<bool>, step: usize) -> f32 {
        let soft = super::filter::gaussian(image.view(), (0.12 * self.period).max(0.5) as f32);
        let cell = (self.period.ceil() as usize).max(2);
        let (h, w) = image.dim();
        // Zeros beyond the border darken what is near it.
        let (rows, columns) = (cell..h.saturating_sub(2 * cell), cell..w.saturating_sub(2 * cell));
        let mut darkest: Vec<f32> = rows
            .step_by(cell)
            .flat_map(|y| columns.clone().step_by(cell).map(move |x| (y, x)))
            .filter(|&(y, x)| ordered.get((y / step, x / step)).copied().unwrap_or(false))
            .map(|(y, x)| soft.slice(ndarray::s![y..y + cell, x..x + cell]).iter().copied().fold(f32::MAX, f32::min))
            .collect();
        if darkest.is_empty() { f32::MIN } else { median(&mut darkest) }
    }

    /// Each wave's amplitude in a Gaussian window, as one number (root of the sum of squares), and the mean intensity in
    /// the same window: bands of the transform, back on a coarser grid. Beyond the border nothing is counted
    /// (normalised convolution).
    fn measure(&self, image: &Array2<f32>) -> Measured {
        // Four pixels a period are enough for waves of the first ring.
        let by = ((self.period / 4.0) as usize).max(1);
        let image = bin(image, by);
        let (h, w) = image.dim();
        let sigma = WINDOW_PERIODS * self.period / by as f64;
        let room = (4.0 * sigma).ceil() as usize;
        let (ph, pw) = (handy(h + room), handy(w + room));
        let mean = image.mean().unwrap_or(0.0);
        // The frame as the real part and where it is as the imaginary one: one transform for both.
        let mut data = Array2::from_elem((ph, pw), Complex32::default());
        Zip::from(data.slice_mut(ndarray::s![..h, ..w]))
            .and(&image)
            .for_each(|d, &v| *d = Complex32::new(v - mean, 1.0));
        fft2(&mut data, false);
        let band = Band { spectrum: &data, sigma };
        let (ch, cw) = (h.div_ceil(2), w.div_ceil(2));
        let inside = |map: Array2<Complex32>| map.slice(ndarray::s![..ch, ..cw]).to_owned();
        let level = inside(band.around([0.0, 0.0], Part::Both));
        let norm = level.mapv(|c| 1.0 / c.im.max(1e-3));
        let brightness = Zip::from(&level).and(&norm).map_collect(|c, n| mean + c.re * n);
        let mut power = Array2::<f32>::zeros((ch, cw));
        for g in &self.waves {
            let wave = inside(band.around([g[0] * by as f64, g[1] * by as f64], Part::Image));
            Zip::from(&mut power).and(&wave).for_each(|p, c| *p += c.norm_sqr());
        }
        Measured { amplitude: Zip::from(&power).and(&norm).map_collect(|p, n| p.sqrt() * n), brightness, by }
    }

    /// What each place of a frame is. The whole frame may be brighter or less sharp than the reference, by half.
    pub(super) fn order(&self, image: &Array2<f32>) -> Order {
        let measured = self.measure(image);
        let mut amplitudes: Vec<f32> = measured.amplitude.iter().copied().collect();
        let scale = (high(&mut amplitudes) / self.high.max(f32::MIN_POSITIVE)).clamp(0.5, 1.5);
        let least = LATTICE * scale * self.amplitude;
        let step = 2 * measured.by;
        let cell = (self.basis[0][0] * self.basis[1][1] - self.basis[0][1] * self.basis[1][0]).abs();
        let small = LEAST_CELLS * cell / (step * step) as f64;
        let mut kinds = Array2::from_elem(measured.amplitude.dim(), Kind::Lattice);
        for place in components(&measured.amplitude.mapv(|a| a < least)) {
            if (place.len() as f64) < small {
                continue;
            }
            let place = self.whole(place, &measured.amplitude, step);
            let dark: Vec<_> = place.iter().copied().filter(|&at| measured.brightness[at] < self.valley).collect();
            let reach = (WINDOW_PERIODS * self.period / step as f64) as f32;
            let mut near = Array2::from_elem(kinds.dim(), false);
            for &(y, x) in &dark {
                super::periodicity::disc(&mut near, y as f32, x as f32, reach, |n| *n = true);
            }
            // The window smears a hole's rim to what is beside it.
            for at in place {
                kinds[at] = if near[at] { Kind::Hole } else { Kind::Amorphous };
            }
        }
        Order { kinds, step, size: image.dim() }
    }
}

impl Reference {
    /// With what smoothing has taken from a place. A disc that is smoothed and cut at half its height moves inwards by
    /// sigma^2 / 2R (motion by curvature: Merriman, Bence and Osher, J. Comput. Phys. 112, 334, 1994), and so loses
    /// pi sigma^2 whatever its size; at the border half of it. The places around with the least lattice are given back.
    fn whole(&self, mut place: Vec<(usize, usize)>, amplitude: &Array2<f32>, step: usize) -> Vec<(usize, usize)> {
        let sigma = WINDOW_PERIODS * self.period / step as f64;
        let (h, w) = amplitude.dim();
        let border = place.iter().any(|p| p.0 == 0 || p.1 == 0 || p.0 + 1 == h || p.1 + 1 == w);
        let lost = std::f64::consts::PI * sigma * sigma * if border { 0.5 } else { 1.0 };
        let mut near = Array2::from_elem((h, w), false);
        for &(y, x) in &place {
            super::periodicity::disc(&mut near, y as f32, x as f32, sigma as f32, |n| *n = true);
        }
        place.iter().for_each(|&at| near[at] = false);
        let mut around: Vec<(usize, usize)> = near.indexed_iter().filter(|(_, n)| **n).map(|(at, _)| at).collect();
        around.sort_by(|a, b| amplitude[*a].total_cmp(&amplitude[*b]));
        place.extend(around.into_iter().take(lost.round() as usize));
        place
    }
}

impl Order {
    /// Of a frame when no lattice is known to hold it against: nothing tells amorphous from empty.
    pub(super) fn none(size: (usize, usize)) -> Order {
        Order { kinds: Array2::from_elem((1, 1), Kind::Hole), step: size.0.max(size.1).max(1), size }
    }

    /// What is at a place, in pixels of the (binned) frame.
    pub(super) fn at(&self, y: f32, x: f32) -> Kind {
        let index = |v: f32, n: usize| (((v.max(0.0) + 0.5) / self.step as f32) as usize).min(n.saturating_sub(1));
        self.kinds[[index(y, self.kinds.nrows()), index(x, self.kinds.ncols())]]
    }

    /// How many pixels of the (binned) frame are lattice; all where no lattice is known.
    pub(super) fn lattice_px(&self) -> f64 {
        let area = self.area(0, 1.0);
        if area.lattice_nm2 > 0.0 { area.lattice_nm2 } else { (self.size.0 * self.size.1) as f64 }
    }

    /// Areas, of places of `side_nm` x `side_nm`; a place at the border counts as far as it lies in the frame.
    pub(super) fn area(&self, frame: u32, px_nm: f64) -> Area {
        let mut area = Area { frame, ..Area::default() };
        for ((y, x), kind) in self.kinds.indexed_iter() {
            let side = |i: usize, n: usize| self.step.min(n.saturating_sub(i * self.step)) as f64 * px_nm;
            let of = side(y, self.size.0) * side(x, self.size.1);
            match kind {
                Kind::Lattice => area.lattice_nm2 += of,
                Kind::Hole => area.hole_nm2 += of,
                Kind::Amorphous => area.amorphous_nm2 += of,
            }
        }
        area
    }
}

/// The level that nine in ten do not reach.
fn high(values: &mut [f32]) -> f32 {
    let at = values.len() * 9 / 10;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(at, f32::total_cmp).1 }
}

/// A transform of real part and imaginary part, of which bands are taken.
struct Band<'a> {
    spectrum: &'a Array2<Complex32>,
    sigma: f64,
}

enum Part {
    /// The real part alone: half of what a frequency and its opposite share.
    Image,
    Both,
}

impl Band<'_> {
    /// The part of the spectrum around a frequency (cycles a pixel) under the window's transform, back as a map of half
    /// the size; its modulus is the amplitude there.
    fn around(&self, g: [f64; 2], part: Part) -> Array2<Complex32> {
        let (h, w) = self.spectrum.dim();
        let (ch, cw) = (h / 2, w / 2);
        let axis = |g: f64, n: usize, coarse: usize| {
            let at = g * n as f64;
            let middle = at.round();
            let taps = (0..coarse).map(move |i| {
                // Coarse frequencies in the transform's own order: 0 and up, then the negative ones.
                let q = if 2 * i < coarse { i as f64 } else { i as f64 - coarse as f64 };
                let bin = (middle + q).rem_euclid(n as f64) as usize;
                let far = std::f64::consts::PI * self.sigma * (middle + q - at) / n as f64;
                (bin, (-2.0 * far * far).exp() as f32)
            });
            taps.collect::<Vec<(usize, f32)>>()
        };
        let (rows, columns) = (axis(g[0], h, ch), axis(g[1], w, cw));
        let mut band = Array2::from_shape_fn((ch, cw), |(y, x)| {
            let ((ky, wy), (kx, wx)) = (rows[y], columns[x]);
            let weight = wy * wx;
            if weight < 1e-7 {
                return Complex32::default();
            }
            let here = self.spectrum[[ky, kx]];
            match part {
                Part::Both => here * weight,
                // The transform of a real image: (F(k) + conj F(-k)) / 2.
                Part::Image => {
                    let opposite = self.spectrum[[(h - ky) % h, (w - kx) % w]].conj();
                    (here + opposite) * (0.5 * weight)
                }
            }
        });
        fft2(&mut band, true);
        let scale = 1.0 / (h * w) as f32;
        band.mapv_into(|c| c * scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    /// Three waves at 120 degrees, period 10: a hexagonal lattice of amplitude 1 on a level of 10.
    fn lattice(y: f64, x: f64) -> f64 {
        let g = 2.0 / (3.0_f64.sqrt() * 10.0);
        let wave = |angle: f64| (TAU * g * (y * angle.to_radians().sin() + x * angle.to_radians().cos())).cos();
        10.0 + wave(4.0) + wave(64.0) + wave(124.0)
    }

    /// The obvious slow version: at each place the sum over all pixels under the window.
    fn slow(image: &Array2<f32>, waves: &[[f64; 2]], sigma: f64, (cy, cx): (f64, f64)) -> f64 {
        let mean = f64::from(image.mean().unwrap());
        let mut norm = 0.0;
        let mut sums = vec![(0.0, 0.0); waves.len()];
        for ((y, x), &v) in image.indexed_iter() {
            let weight = (-((y as f64 - cy).powi(2) + (x as f64 - cx).powi(2)) / (2.0 * sigma * sigma)).exp();
            norm += weight;
            for (sum, g) in sums.iter_mut().zip(waves) {
                let (s, c) = (TAU * (g[0] * y as f64 + g[1] * x as f64)).sin_cos();
                sum.0 += weight * (f64::from(v) - mean) * c;
                sum.1 += weight * (f64::from(v) - mean) * s;
            }
        }
        sums.iter().map(|s| s.0 * s.0 + s.1 * s.1).sum::<f64>().sqrt() / norm
    }

    #[test]
    fn bands_equal_the_slow_sum() {
        let image = Array2::from_shape_fn((61, 70), |(y, x)| {
            (lattice(y as f64, x as f64) + ((y * 7 + x * 13) % 11) as f64 * 0.1) as f32
        });
        // Seven pixels a period, so that nothing is binned.
        let waves: Vec<[f64; 2]> = vec![[0.02, 0.11], [0.1, 0.05], [-0.09, 0.06]];
        let reference = Reference {
            basis: [[7.0, 0.0], [0.0, 7.0]],
            waves: waves.clone(),
            peaks: waves.clone(),
            period: 7.0,
            amplitude: 1.0,
            high: 1.0,
            valley: 0.0,
        };
        let measured = reference.measure(&image);
        assert_eq!(measured.by, 1);
        for (y, x) in [(0, 0), (3, 9), (15, 17), (30, 34), (12, 2)] {
            let slow = slow(&image, &waves, WINDOW_PERIODS * 7.0, (2.0 * y as f64, 2.0 * x as f64));
            let fast = f64::from(measured.amplitude[[y, x]]);
            // Single precision, and taps below 1e-7 left out.
            assert!((fast - slow).abs() < 2e-3 * slow.max(0.05), "{fast} {slow} at {y}, {x}");
        }
    }

    /// A round hole of 2.2 periods and an amorphous rectangle: areas within a tenth, each what it is.
    #[test]
    fn planted_areas_are_measured() {
        let image = |holes: bool| {
            Array2::from_shape_fn((240, 200), |(y, x)| {
                let hole = (y as f64 - 70.0).hypot(x as f64 - 90.0) < 22.0;
                let amorphous = (140..180).contains(&y) && (60..110).contains(&x);
                let v = lattice(y as f64, x as f64);
                (if !holes {
                    v
                } else if hole {
                    2.0
                } else if amorphous {
                    10.5
                } else {
                    v
                }) as f32
                    + ((y * 7919 + x * 104_729) % 97) as f32 * 0.004
            })
        };
        let reference = Reference::of(&image(false)).unwrap();
        let whole = reference.order(&image(false)).area(0, 1.0);
        assert_eq!((whole.hole_nm2, whole.amorphous_nm2, whole.lattice_nm2), (0.0, 0.0, 48_000.0));
        let area = reference.order(&image(true)).area(3, 1.0);
        let hole = std::f64::consts::PI * 22.0 * 22.0;
        assert!((area.hole_nm2 / hole - 1.0).abs() < 0.1, "{area:?}, not {hole}");
        assert!((area.amorphous_nm2 / 2000.0 - 1.0).abs() < 0.1, "{area:?}, not 2000");
        assert!((area.hole_nm2 + area.amorphous_nm2 + area.lattice_nm2 - 48_000.0).abs() < 1e-6);
        let order = reference.order(&image(true));
        assert_eq!(order.at(70.0, 90.0), Kind::Hole);
        assert_eq!(order.at(160.0, 85.0), Kind::Amorphous);
        assert_eq!(order.at(200.0, 20.0), Kind::Lattice);
    }

    /// A frame with nothing in it is one hole; one that is saturated is not dark, so it is amorphous.
    #[test]
    fn vacuum_and_saturation_are_no_lattice() {
        let image =
            Array2::from_shape_fn((96, 96), |(y, x)| lattice(y as f64, x as f64) as f32 + (x % 3) as f32 * 0.05);
        let reference = Reference::of(&image).unwrap();
        let all = 96.0 * 96.0;
        assert_eq!(reference.order(&Array2::zeros((96, 96))).area(0, 1.0).hole_nm2, all);
        assert_eq!(reference.order(&Array2::from_elem((96, 96), 99.0)).area(0, 1.0).amorphous_nm2, all);
    }
}
