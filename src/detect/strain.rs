//! Strain of a frame's lattice, from the phases of its waves.

use super::filter::{gaussian, median};
use super::labels::Labels;
use super::periodicity::disc;
use super::waves::Demodulator;
use crate::error::{Error, Result, check, setters};
use crate::progress::stop_if_asked;
use ndarray::{Array2, Zip};
use serde::{Deserialize, Serialize};

/// Geometric phase analysis (Hytch, Snoeck and Kilaas, Ultramicroscopy 74, 131, 1998).
///
/// A displacement u(r) of the lattice turns the phase of its wave g by P = -2 pi g . u. Every wave of the lattice is
/// demodulated with a Gaussian window and the gradient of its phase taken without unwrapping, as Im(H* grad H) / |H|^2;
/// the displacement gradient that fits all of them best, each weighted by its local intensity, is the strain. The
/// labels' discs are left out of the windows. Strain is relative to the frame's own mean lattice, so that its median is
/// 0, and whatever the scan distorts is in it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeometricPhase {
    /// Width of the window, as a Gaussian's standard deviation in periods: the map's resolution. Noise falls as its
    /// square; a strain that goes as a sine of wavelength L is seen smaller by exp(-2 pi^2 window^2 / L^2).
    pub window_periods: f64,
}

impl Default for GeometricPhase {
    fn default() -> Self {
        GeometricPhase { window_periods: 2.5 }
    }
}

/// Strain of one frame, as maps in the labels' binned pixels; x is to the right and y down. Where more than a
/// twentieth of a window lies beyond the frame, or its waves have less than a tenth of their usual
/// amplitude (a hole), all are NaN.
#[derive(Clone)]
pub struct Strain {
    /// Stretch along x: 0.01 is 1 % longer than the mean lattice.
    pub e_xx: Array2<f32>,
    /// Stretch along y.
    pub e_yy: Array2<f32>,
    /// Shear: half the sum of the two mixed derivatives.
    pub e_xy: Array2<f32>,
    /// Rotation in radians: x turns towards y where it is positive.
    pub rotation: Array2<f32>,
    /// Standard deviation that the frame's noise alone gives to `e_xx` and `e_yy`, the larger of the two, at a typical
    /// place: what is not well above it says nothing.
    pub error: f32,
    /// Standard deviation of the window in binned pixels.
    pub window_px: f32,
    /// Bin factor: a map's pixel is `bin` x `bin` of the frame's.
    pub bin: usize,
    /// Nanometres per pixel of the maps, where known.
    pub nm_per_px: Option<f64>,
    /// Which frame.
    pub source: String,
}

/// Sums over the waves at each pixel: of g gT |H|^2 (three numbers), and of -g x Im(H* grad H) (four).
struct Sums {
    normal: [Array2<f32>; 3],
    moments: [Array2<f32>; 4],
}

impl GeometricPhase {
    setters! {
        window_periods: f64 => with_window_periods,
    }

    /// Strain of a labelled frame.
    ///
    /// # Errors
    /// If the window is not from 1 to 20 periods, the frame is too small for it, or the user asks to stop.
    pub fn strain(&self, labels: &Labels) -> Result<Strain> {
        check("window_periods", self.window_periods, (1.0..=20.0).contains(&self.window_periods), "from 1 to 20")?;
        let by = labels.bin as f64;
        let window = (self.window_periods * labels.lattice.period_px / by) as f32;
        let mut weight = Array2::ones(labels.image.dim());
        for region in &labels.regions {
            let (y, x) = labels.binned(region);
            disc(&mut weight, y, x, 1.5 * labels.radius_px, |w| *w = 1e-3);
        }
        let offset = median(&mut labels.image.iter().copied().collect::<Vec<_>>());
        let period = (labels.lattice.period_px / by) as f32;
        let demodulator = Demodulator::new(&(&labels.image - offset), &weight, window, period);
        let sums = Sums::of(&demodulator, labels)?;
        let intensity = Zip::from(&sums.normal[0]).and(&sums.normal[2]).map_collect(|a, b| a + b);
        let usual = median(&mut intensity.iter().copied().collect::<Vec<_>>());
        // Discs that were left out count as covered: only borders and holes are not.
        let covered = gaussian(Array2::ones(labels.image.dim()).view(), window);
        let usable = Zip::from(&intensity).and(&covered).map_collect(|&i, &c| i > 0.01 * usual && c > 0.95);
        if !usable.iter().any(|u| *u) {
            return Err(Error::data(format!(
                "frame {} of {} is too small for a window of {} periods: {} x {} px. Use a smaller window_periods",
                labels.frame.index,
                labels.frame.source,
                self.window_periods,
                labels.frame.data.nrows(),
                labels.frame.data.ncols()
            )));
        }
        Ok(sums.strain(&usable, labels, window))
    }
}

impl Sums {
    fn of(demodulator: &Demodulator, labels: &Labels) -> Result<Sums> {
        let dim = labels.image.dim();
        let zeros = || Array2::<f32>::zeros(dim);
        let mut sums = Sums { normal: [zeros(), zeros(), zeros()], moments: [zeros(), zeros(), zeros(), zeros()] };
        for g in &labels.lattice.peaks {
            stop_if_asked("while measuring strain")?;
            let g = [g[0] * labels.bin as f64, g[1] * labels.bin as f64];
            let (re, im) = demodulator.local(g);
            let (gy, gx) = (g[0] as f32, g[1] as f32);
            for (sum, gg) in sums.normal.iter_mut().zip([gy * gy, gy * gx, gx * gx]) {
                Zip::from(sum).and(&re).and(&im).par_for_each(|s, r, i| *s += gg * (r * r + i * i));
            }
            for (k, sum) in sums.moments.iter_mut().enumerate() {
                // In the order: g_y d/dy, g_y d/dx, g_x d/dy, g_x d/dx.
                let (component, along_x) = (if k < 2 { gy } else { gx }, k % 2 == 1);
                Zip::indexed(sum).par_for_each(|at, s| *s += component * turning(&re, &im, at, along_x));
            }
        }
        Ok(sums)
    }

    /// Least squares at every pixel.
    fn strain(self, usable: &Array2<bool>, labels: &Labels, window: f32) -> Strain {
        let [yy, yx, xx] = &self.normal;
        let solve = |at: (usize, usize), along_x: bool| -> [f32; 2] {
            let determinant = yy[at] * xx[at] - yx[at] * yx[at];
            let (my, mx) = (self.moments[usize::from(along_x)][at], self.moments[2 + usize::from(along_x)][at]);
            let scale = 1.0 / (std::f32::consts::TAU * determinant);
            [scale * (xx[at] * my - yx[at] * mx), scale * (yy[at] * mx - yx[at] * my)]
        };
        let map = |of: &(dyn Fn([f32; 2], [f32; 2]) -> f32 + Sync)| {
            let mut map = Array2::from_elem(usable.dim(), f32::NAN);
            Zip::indexed(&mut map).and(usable).par_for_each(|at, m, &usable| {
                if usable {
                    *m = of(solve(at, false), solve(at, true));
                }
            });
            let mean = median(&mut map.iter().copied().filter(|v| v.is_finite()).collect::<Vec<_>>());
            map - mean
        };
        // [dy, dx] are the displacement's (y, x), derived along y and along x.
        Strain {
            e_xx: map(&|_, [_, x_along_x]| x_along_x),
            e_yy: map(&|[y_along_y, _], _| y_along_y),
            e_xy: map(&|[_, x_along_y], [y_along_x, _]| 0.5 * (x_along_y + y_along_x)),
            rotation: map(&|[_, x_along_y], [y_along_x, _]| 0.5 * (y_along_x - x_along_y)),
            error: self.error(usable, labels, window),
            window_px: window,
            bin: labels.bin,
            nm_per_px: labels.frame.calibration.known.then(|| labels.frame.calibration.to_nm(labels.bin as f64)),
            source: format!("frame {} of {}", labels.frame.index, labels.frame.source),
        }
    }

    /// White noise of variance v gives the derivative of H a variance of v / (8 pi window^4), half of it in either
    /// quadrature; the rest follows from the least squares.
    fn error(&self, usable: &Array2<bool>, labels: &Labels, window: f32) -> f32 {
        let rest = &labels.image - &labels.periodic;
        let variance = rest.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / rest.len() as f64;
        let [yy, yx, xx] = &self.normal;
        let mut inverse: Vec<f32> = usable
            .indexed_iter()
            .filter(|(_, usable)| **usable)
            .map(|(at, _)| f32::max(yy[at], xx[at]) / (yy[at] * xx[at] - yx[at] * yx[at]))
            .collect();
        let of_derivative = variance / (16.0 * std::f64::consts::PI * f64::from(window).powi(4));
        ((of_derivative * f64::from(median(&mut inverse))).sqrt() / std::f64::consts::TAU) as f32
    }
}

/// -Im(H* dH) along one axis, by central differences: H is `re` - i `im` (see [`Demodulator::local`]), and its phase is
/// -2 pi g . u.
fn turning(re: &Array2<f32>, im: &Array2<f32>, (y, x): (usize, usize), along_x: bool) -> f32 {
    let (h, w) = re.dim();
    let (before, after) = if along_x {
        ((y, x.saturating_sub(1)), (y, (x + 1).min(w - 1)))
    } else {
        ((y.saturating_sub(1), x), ((y + 1).min(h - 1), x))
    };
    let step = ((after.0 - before.0) + (after.1 - before.1)).max(1) as f32;
    (re[[y, x]] * (im[after] - im[before]) - im[[y, x]] * (re[after] - re[before])) / step
}

impl Labels {
    /// Local strain of the frame's lattice; see [`GeometricPhase`], which has the window as an option.
    ///
    /// ```
    /// use atomotion::prelude::*;
    /// let frame = Ws2::default().with_size_px(128).with_dose(60.0).simulate(3)?.movie.frame(0)?;
    /// let strain = PeriodicityBreak::default().label(&frame)?.strain()?;
    /// assert!(strain.e_xx[[64, 64]].abs() < 0.02); // the specimen is not strained
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If the frame is too small for the window.
    pub fn strain(&self) -> Result<Strain> {
        GeometricPhase::default().strain(self)
    }
}

impl Strain {
    /// Name, unit, map and factor to that unit, in the order in which they are drawn.
    pub(crate) fn maps(&self) -> [(&'static str, &'static str, &Array2<f32>, f32); 4] {
        [
            ("e_xx", "%", &self.e_xx, 100.0),
            ("e_yy", "%", &self.e_yy, 100.0),
            ("e_xy", "%", &self.e_xy, 100.0),
            ("rotation", "°", &self.rotation, 180.0 / std::f32::consts::PI),
        ]
    }
}

impl std::fmt::Debug for Strain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Strain of {}:", self.source)?;
        for (name, unit, map, factor) in self.maps() {
            let finite: Vec<f32> = map.iter().copied().filter(|v| v.is_finite()).collect();
            let square = finite.iter().map(|v| v * v).sum::<f32>() / finite.len().max(1) as f32;
            write!(f, " {name} {:.2} {unit},", factor * square.sqrt())?;
        }
        write!(
            f,
            " root mean square; noise alone gives {:.2} % in a window of {:.1} px",
            100.0 * self.error,
            self.window_px * self.bin as f32
        )
    }
}
