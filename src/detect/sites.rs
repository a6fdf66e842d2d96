//! The sites of a frame's lattice: where its columns stand, how bright each kind is, and what a column looks like.

use super::cell::{Kind, MeanCell};
use super::filter::{gaussian, median, weighted_gaussian};
use super::labels::Labels;
use super::waves::Wave;
use ndarray::{Array2, Zip};
use std::collections::HashSet;

/// A place in pixels of the binned frame, `(y, x)`.
pub(super) type Spot = (f32, f32);

/// One site.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Site {
    pub at: Spot,
    pub kind: Kind,
    /// What its column adds at its middle, in the image's units; at a hollow what the brightest kind would.
    pub height: f32,
}

/// A column's image, 1 at its middle: a Gaussian core and a wider tail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    pub core_px: f32,
    pub tail_px: f32,
    /// What the tail has of the 1.
    pub tail: f32,
}

impl Shape {
    pub(super) fn at(&self, r2: f32) -> f32 {
        let gauss = |s: f32| (-r2 / (2.0 * s * s)).exp();
        (1.0 - self.tail) * gauss(self.core_px) + if self.tail > 0.0 { self.tail * gauss(self.tail_px) } else { 0.0 }
    }

    /// Beyond this it is less than half a per cent.
    pub(super) fn reach(&self) -> f32 {
        let of = |share: f32, s: f32| if share > 0.005 { s * (2.0 * (share / 0.0025).ln()).sqrt() } else { 0.0 };
        of(1.0 - self.tail, self.core_px).max(of(self.tail, self.tail_px))
    }
}

/// The sites of a labelled frame.
pub(super) struct Sites {
    pub sites: Vec<Site>,
    pub shape: Shape,
}

/// A frame's phases: how far along the two cell vectors each pixel is, and how strong the lattice is there.
struct Phases {
    /// Cells per pixel along each cell vector: rows of the reciprocal basis, `[y, x]`.
    reciprocal: [[f64; 2]; 2],
    /// Cell vectors in pixels, `[y, x]`.
    basis: [[f64; 2]; 2],
    /// What the lattice is ahead of the reciprocal basis, in cells, at each pixel.
    ahead: [Array2<f32>; 2],
    strength: Array2<f32>,
}

impl Sites {
    /// Finds them, both sublattices and what is hollow between: the local phases of the lattice say where in its cell
    /// each pixel lies, the average over all cells shows the columns far above the noise, and each of them is then
    /// put back to where the phases say. None where the lattice is too faint for that.
    pub(super) fn find(labels: &Labels) -> Option<Sites> {
        let period = (labels.lattice.period_px / labels.bin as f64) as f32;
        let unsure = (labels.threshold * 2.0 / 3.0) as f32;
        let trust = labels.score.mapv(|s| if s.abs() > unsure { 1e-3 } else { 1.0 });
        let flat = &labels.image - &weighted_gaussian(&labels.image, &trust, 2.5 * period);
        let basis = labels.lattice.basis_px.map(|v| v.map(|c| c / labels.bin as f64));
        let phases = Phases::of(&(&flat * &trust), basis, 2.5 * period)?;
        let cell = MeanCell::of(&flat, &trust, |y, x| phases.cell(y, x), phases.basis)?;
        let columns = cell.columns()?;
        let mut sites = vec![];
        for (uv, kind, height) in &columns.columns {
            phases.everywhere(*uv, |at, strength| {
                // Where the lattice has nearly gone there is no column to edit.
                if strength > 0.4 {
                    sites.push(Site { at, kind: *kind, height: height * strength.min(1.5) });
                }
            });
        }
        let shape = columns.shape;
        (!sites.is_empty()).then_some(Sites { sites, shape })
    }
}

impl Sites {
    /// Distance from a column to the nearest other one, in the middle of the frame.
    pub(super) fn apart(&self) -> Option<f32> {
        let columns: Vec<Spot> = self.sites.iter().filter(|s| s.kind != Kind::Hollow).map(|s| s.at).collect();
        let n = columns.len() as f32;
        let middle = columns.iter().fold((0.0, 0.0), |sum, at| (sum.0 + at.0 / n, sum.1 + at.1 / n));
        let far = |a: Spot, b: Spot| (a.0 - b.0).hypot(a.1 - b.1);
        let first = *columns.iter().min_by(|a, b| far(**a, middle).total_cmp(&far(**b, middle)))?;
        // The same column may have been found twice where phases are noisy.
        columns.iter().map(|at| far(*at, first)).filter(|d| *d > 1.0).min_by(f32::total_cmp)
    }
}

/// The brightest columns of a labelled frame and what they look like, in pixels of the frame itself.
pub(crate) struct FoundColumns {
    /// Where the brightest are, `[y, x]`.
    pub bright: Vec<[f64; 2]>,
    pub basis_px: [[f64; 2]; 2],
    /// Their median, in the frame's units.
    pub bright_height: f64,
    /// A Gaussian core, and a tail that has `tail` of the height.
    pub core_px: f64,
    pub tail_px: f64,
    pub tail: f64,
}

impl FoundColumns {
    /// None where the lattice is too faint.
    pub(crate) fn of(labels: &Labels) -> Option<FoundColumns> {
        let found = Sites::find(labels)?;
        let by = labels.bin as f64;
        let full = |v: f32| (f64::from(v) + 0.5) * by - 0.5;
        let bright: Vec<&Site> = found.sites.iter().filter(|s| s.kind == Kind::Bright).collect();
        let height = median(&mut bright.iter().map(|s| s.height).collect::<Vec<_>>());
        Some(FoundColumns {
            bright: bright.iter().map(|s| [full(s.at.0), full(s.at.1)]).collect(),
            basis_px: labels.lattice.basis_px,
            bright_height: f64::from(height),
            core_px: by * f64::from(found.shape.core_px),
            tail_px: by * f64::from(found.shape.tail_px),
            tail: f64::from(found.shape.tail),
        })
    }
}

impl Phases {
    fn of(flat: &Array2<f32>, basis: [[f64; 2]; 2], window: f32) -> Option<Phases> {
        let [a, b] = basis;
        let area = a[0] * b[1] - a[1] * b[0];
        if !area.is_finite() || area.abs() < 4.0 {
            return None;
        }
        // Dual to the cell vectors: one whole along its own, none along the other.
        let reciprocal = [[b[1] / area, -b[0] / area], [-a[1] / area, a[0] / area]];
        let waves = reciprocal.map(|g| demodulated(flat, g, window));
        let mut strength = Zip::from(&waves[0].1).and(&waves[1].1).map_collect(|a, b| a + b);
        let typical = median(&mut strength.iter().copied().collect::<Vec<_>>());
        if !typical.is_finite() || typical <= 0.0 {
            return None;
        }
        strength.mapv_inplace(|s| s / typical);
        let [(first, _), (second, _)] = waves;
        Some(Phases { reciprocal, basis, ahead: [first, second], strength })
    }

    /// Where in the cell a pixel lies, in cells, not yet reduced to one.
    fn cell(&self, y: usize, x: usize) -> [f32; 2] {
        [0, 1].map(|i| {
            let g = self.reciprocal[i];
            (g[0] * y as f64 + g[1] * x as f64).rem_euclid(1.0) as f32 + self.ahead[i][[y, x]]
        })
    }

    /// Calls `f` with every place of the frame that lies at `uv` in its cell, and the lattice's strength there.
    fn everywhere(&self, uv: [f32; 2], mut f: impl FnMut(Spot, f32)) {
        let (h, w) = self.strength.dim();
        let corners = [(0, 0), (h, 0), (0, w), (h, w)]
            .map(|(y, x)| self.reciprocal.map(|g| (g[0] * y as f64 + g[1] * x as f64).round() as i64));
        let range = |i: usize| {
            let of = corners.map(|c| c[i]);
            (of.into_iter().min().unwrap_or(0) - 2)..=(of.into_iter().max().unwrap_or(0) + 2)
        };
        let mut taken = HashSet::new();
        for n in range(0) {
            for m in range(1) {
                let [a, b] = self.basis;
                let (u, v) = (n as f64 + f64::from(uv[0]), m as f64 + f64::from(uv[1]));
                let start = ((u * a[0] + v * b[0]) as f32, (u * a[1] + v * b[1]) as f32);
                let Some(at) = self.settled(start, uv) else { continue };
                let period = a[0].hypot(a[1]).min(b[0].hypot(b[1])) as f32;
                let near = ((at.0 / (0.5 * period)).round() as i32, (at.1 / (0.5 * period)).round() as i32);
                if taken.insert(near) {
                    f(at, self.strength[[at.0.round() as usize, at.1.round() as usize]]);
                }
            }
        }
    }

    /// The place near `at` whose phases are `uv`; none outside the frame.
    fn settled(&self, mut at: Spot, uv: [f32; 2]) -> Option<Spot> {
        let (h, w) = self.strength.dim();
        let inside = |v: f32, n: usize| (v > -0.5 && v < n as f32 - 0.5).then_some(v.round().max(0.0) as usize);
        for _ in 0..3 {
            let (y, x) = (inside(at.0, h)?, inside(at.1, w)?);
            let off = [0, 1].map(|i| {
                let g = self.reciprocal[i];
                let here = g[0] * f64::from(at.0) + g[1] * f64::from(at.1) + f64::from(self.ahead[i][[y, x]]);
                let away = f64::from(uv[i]) - here;
                away - away.round()
            });
            let [a, b] = self.basis;
            at.0 += (off[0] * a[0] + off[1] * b[0]) as f32;
            at.1 += (off[0] * a[1] + off[1] * b[1]) as f32;
        }
        (inside(at.0, h).is_some() && inside(at.1, w).is_some()).then_some(at)
    }
}

/// Phase (in turns) and amplitude of a wave, in a Gaussian window about each pixel. The phase is that by which an image
/// `cos(2 pi (g r + phase))` is ahead.
fn demodulated(flat: &Array2<f32>, g: [f64; 2], window: f32) -> (Array2<f32>, Array2<f32>) {
    let wave = Wave::new(g, flat.dim());
    let part = |pick: fn((f32, f32)) -> f32| {
        let turned = Array2::from_shape_fn(flat.dim(), |(y, x)| flat[[y, x]] * pick(wave.at(y, x)));
        gaussian(turned.view(), window)
    };
    let (cos, sin) = (part(|t| t.0), part(|t| t.1));
    let phase = Zip::from(&sin).and(&cos).map_collect(|s, c| (-s).atan2(*c) / std::f32::consts::TAU);
    let amplitude = Zip::from(&sin).and(&cos).map_collect(|s, c| s.hypot(*c));
    (phase, amplitude)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::PeriodicityBreak;
    use crate::simulate::{Experiment, Imaging};

    /// Columns of both sublattices are found where they are: at a generous dose and at that of the real frame. Rows of
    /// the scan are shifted by 0.45 pixels at random, and drift is in the truth; half a pixel is a twentieth of a period.
    /// In a starved frame the feet of the bright columns' probe are not known well, and pull the faint ones by two pixels.
    #[test]
    fn sites_are_those_of_the_crystal() {
        // In the second three wide columns, which are nearly a constant, fit a little better than the two that are there.
        let fewer = Imaging::clean().with_counts_at_w(20.0);
        for (imaging, seed, faint_within) in
            [(Imaging::clean(), 4, 0.5), (fewer, 70_001, 0.7), (Imaging::as_recorded(), 4, 2.5)]
        {
            let recording =
                Experiment::ws2().with_frames(1).with_imaging(imaging.with_size_px(256)).simulate(seed).unwrap();
            let labels = PeriodicityBreak::default().label(&recording.movie.frame(0).unwrap()).unwrap();
            let sites = Sites::find(&labels).unwrap();
            let truth = recording.lattice(0).unwrap();
            let of = |name: &str| truth.column(name).unwrap().f32().unwrap().into_no_null_iter().collect::<Vec<_>>();
            let (y, x) = (of("ideal_y_px"), of("ideal_x_px"));
            let sublattice: Vec<u8> = truth.column("sublattice").unwrap().u8().unwrap().into_no_null_iter().collect();
            for (kind, number, within) in [(Kind::Bright, 0, 0.5), (Kind::Faint, 1, faint_within)] {
                let ours: Vec<Site> = sites.sites.iter().filter(|s| s.kind == kind).copied().collect();
                let theirs: Vec<Spot> =
                    (0..y.len()).filter(|&i| sublattice[i] == number).map(|i| (y[i], x[i])).collect();
                let mut far: Vec<f32> = ours
                    .iter()
                    .map(|s| theirs.iter().map(|t| (t.0 - s.at.0).hypot(t.1 - s.at.1)).fold(f32::MAX, f32::min))
                    .collect();
                println!("{kind:?}: {} of {}, off by {} px (median)", ours.len(), theirs.len(), median(&mut far));
                assert!(ours.len().abs_diff(theirs.len()) < 60, "{} {}", ours.len(), theirs.len());
                assert!(median(&mut far) < within);
            }
            let height = |kind: Kind| sites.sites.iter().find(|s| s.kind == kind).unwrap().height;
            // An S pair scatters 2 (16 / 74)^1.7 = 0.148 of what W does.
            let ratio = height(Kind::Faint) / height(Kind::Bright);
            println!("{:?}, ratio {ratio}", sites.shape);
            assert!((0.09..0.22).contains(&ratio), "{ratio}");
        }
    }
}
