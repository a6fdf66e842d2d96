//! Patches cut anew: from another movie of the same frames, at another size, in the lattice's own frame.

use super::Defects;
use crate::detect::Lattice;
use crate::error::{Error, Result, check, setters};
use crate::movie::{Calibration, Movie, sample};
use crate::progress::{EARLIER, Progress, Reporter, stop_if_asked};
use ndarray::{Array2, Array3, Axis};
use polars::prelude::{Column, DataFrame, NamedFrom, Series};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How patches are cut out of frames: by cubic convolution (Keys 1981) at a fraction of a pixel.
///
/// ```no_run
/// # fn main() -> atomotion::Result<()> {
/// # use atomotion::prelude::*;
/// # let movie = Movie::open("movie.npy")?;
/// # let defects = Defects::load("defects")?;
/// let lattice = Lattice::find(&movie.frame(0)?.data)?;
/// let upright = defects.recut(&movie, &Cut::default().with_side_px(48).along(&lattice).with_on_column(true))?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cut {
    /// Height and width of a patch in its own pixels.
    pub side_px: usize,
    /// Height and width in nanometres (pixels where the movie is not calibrated): how much of the frame a patch shows. By
    /// default a pixel of the patch is one of the frame.
    pub side_nm: Option<f64>,
    /// Direction in the frame of the patch's x axis, in degrees from the frame's x axis towards its y axis.
    pub turn_deg: f64,
    /// Centres a patch on the column (bright maximum) that is nearest to the defect in its own frame, instead of on the
    /// defect's recorded centre.
    pub on_column: bool,
    /// What is added to every centre, `[y, x]` in nanometres (pixels where not calibrated), in the patch's turned frame: from
    /// one sublattice to the other.
    pub shift_nm: [f64; 2],
}

impl Default for Cut {
    fn default() -> Self {
        Cut { side_px: 32, side_nm: None, turn_deg: 0.0, on_column: false, shift_nm: [0.0; 2] }
    }
}

/// Marks a pixel outside of the frame; no count is this low.
const OUTSIDE: f32 = f32::MIN;
/// Standard deviation, in patch pixels, of the average in which the nearest column is sought.
const COLUMN_SIGMA: f32 = 1.5;

impl Cut {
    setters! {
        side_px: usize => with_side_px,
        side_nm: Option<f64> => with_side_nm,
        turn_deg: f64 => with_turn_deg,
        on_column: bool => with_on_column,
        shift_nm: [f64; 2] => with_shift_nm,
    }

    /// With the patch's x axis along the lattice's first vector.
    #[must_use]
    pub fn along(self, lattice: &Lattice) -> Cut {
        let [y, x] = lattice.basis_px[0];
        self.with_turn_deg(y.atan2(x).to_degrees())
    }

    fn validate(&self) -> Result<()> {
        check("side_px", self.side_px, (4..=512).contains(&self.side_px), "from 4 to 512 pixels")?;
        if let Some(side) = self.side_nm {
            check("side_nm", side, side.is_finite() && side > 0.0, "a positive length")?;
        }
        check("turn_deg", self.turn_deg, self.turn_deg.is_finite(), "a number of degrees")?;
        let finite = self.shift_nm.iter().all(|v| v.is_finite());
        check("shift_nm", format!("{:?}", self.shift_nm), finite, "two lengths")
    }

    /// Frame pixels to a patch pixel.
    fn step(&self, calibration: Calibration) -> f64 {
        self.side_nm.map_or(1.0, |side| side / calibration.to_nm(1.0) / self.side_px as f64)
    }

    /// One patch, and which part of it lies outside the frame: there it has the mean of what lies inside.
    fn patch(&self, image: &Array2<f32>, centre: (f64, f64), step: f64, shift: [f64; 2]) -> (Array2<f32>, f32) {
        let (sin, cos) = self.turn_deg.to_radians().sin_cos();
        let middle = (self.side_px as f64 - 1.0) / 2.0;
        let centre = if self.on_column { column(image, centre, step) } else { centre };
        let (h, w) = (image.nrows() as f64 - 0.5, image.ncols() as f64 - 0.5);
        let (mut outside, mut sum) = (0, 0.0);
        let mut patch = Array2::from_shape_fn((self.side_px, self.side_px), |(v, u)| {
            let (v, u) = ((v as f64 - middle) * step + shift[0], (u as f64 - middle) * step + shift[1]);
            let (y, x) = (centre.0 + u * sin + v * cos, centre.1 + u * cos - v * sin);
            if !(-0.5..=h).contains(&y) || !(-0.5..=w).contains(&x) {
                outside += 1;
                return OUTSIDE;
            }
            let value = sample(image, y, x);
            sum += f64::from(value);
            value
        });
        let inside = self.side_px * self.side_px - outside;
        if outside > 0 {
            // A patch that shows nothing of the frame has nothing to say: 0.
            let mean = if inside > 0 { (sum / inside as f64) as f32 } else { 0.0 };
            patch.mapv_inplace(|v| if v == OUTSIDE { mean } else { v });
        }
        (patch, outside as f32 / (self.side_px * self.side_px) as f32)
    }
}

/// The bright maximum nearest to a place: uphill in a Gaussian average, to a fraction of a pixel.
fn column(image: &Array2<f32>, (y, x): (f64, f64), step: f64) -> (f64, f64) {
    let sigma = f64::from(COLUMN_SIGMA) * step;
    let reach = (3.0 * sigma).ceil() as i64;
    let smooth = |y: f64, x: f64| {
        let (mut sum, mut weight) = (0.0, 0.0);
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let w = (-((dy * dy + dx * dx) as f64) / (2.0 * sigma * sigma)).exp();
                sum += w * f64::from(sample(image, y + dy as f64, x + dx as f64));
                weight += w;
            }
        }
        sum / weight
    };
    let (mut y, mut x) = (y, x);
    for _ in 0..12 {
        let here = smooth(y, x);
        let [up, down, left, right] = [smooth(y - 1.0, x), smooth(y + 1.0, x), smooth(y, x - 1.0), smooth(y, x + 1.0)];
        // A parabola's top where it bends down, else a step uphill; never more than a pixel.
        let move_by = |a: f64, b: f64| {
            let curve = a + b - 2.0 * here;
            if curve < 0.0 { (0.5 * (a - b) / curve).clamp(-1.0, 1.0) } else { (b - a).signum() }
        };
        let (dy, dx) = (move_by(up, down), move_by(left, right));
        (y, x) = (y + dy, x + dx);
        if dy.abs() + dx.abs() < 1e-3 {
            break;
        }
    }
    (y, x)
}

impl Defects {
    /// Cuts the patches anew from a movie of the same frames (raw, normalised or decoded: as the movie is). Adds or replaces
    /// the column `patch_outside` f32: which part of a patch lies beyond the frame's edge. There a patch has the mean of what it
    /// shows of the frame; leave such rows out by this column where patches are to be sorted.
    ///
    /// Patches of surrogate frames are left out: [`comparable_patches`](crate::analysis::comparable_patches) cuts both.
    ///
    /// # Errors
    /// If an option is out of range, a frame is missing or cannot be read, or a centre is not a number.
    pub fn recut(&self, movie: &Movie, cut: &Cut) -> Result<Defects> {
        cut.validate()?;
        let calibration = movie.calibration();
        let step = cut.step(calibration);
        let shift = cut.shift_nm.map(|v| v / calibration.to_nm(1.0));
        let frames = self.table.column("frame")?.u32()?.clone();
        let (y, x) = (self.table.column("y_px")?.f32()?.clone(), self.table.column("x_px")?.f32()?.clone());
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|&i| frames.get(i));
        let mut patches = Array3::zeros((self.len(), cut.side_px, cut.side_px));
        let mut outside = vec![0.0_f32; self.len()];
        let mut progress = Reporter::new("cutting patches", "defects");
        let mut done = 0;
        for rows in order.chunk_by(|&a, &b| frames.get(a) == frames.get(b)) {
            let doing = || format!("after {done} of {} patches", self.len());
            stop_if_asked("while cutting patches").map_err(|e| e.while_doing(doing, EARLIER))?;
            let index = frames.get(rows[0]).unwrap_or(0) as usize;
            if index >= movie.len() {
                let last = movie.len() - 1;
                return Err(Error::data(format!(
                    "defects of frame {index} cannot be cut from a movie whose last is {last}"
                )));
            }
            let image = movie.frame(index)?.data;
            let one = |&row: &usize| {
                let centre = (y.get(row).unwrap_or(f32::NAN), x.get(row).unwrap_or(f32::NAN));
                if !centre.0.is_finite() || !centre.1.is_finite() {
                    return Err(Error::data(format!("the centre of row {row} is not a number: leave that row out")));
                }
                Ok(cut.patch(&image, (f64::from(centre.0), f64::from(centre.1)), step, shift))
            };
            let cut: Vec<_> = rows.par_iter().map(one).collect::<Result<_>>()?;
            for (&row, (patch, out)) in rows.iter().zip(cut) {
                patches.index_axis_mut(Axis(0), row).assign(&patch);
                outside[row] = out;
            }
            done += rows.len();
            progress.update(done, self.len(), "");
        }
        let mut table = self.table.clone();
        table.with_column(Series::new("patch_outside".into(), outside).into())?;
        let new = Defects::new(table, patches, step * calibration.to_nm(1.0))?;
        Ok(Defects { areas: self.areas.clone(), false_alarms: self.false_alarms.clone(), ..new })
    }

    /// Patches at the places of a table with `frame` u32, `y_px` and `x_px` f32: of a simulated movie's truth, say. All of the
    /// table's columns go along; those that defects need and it lacks are made (probability 1, area 0).
    ///
    /// # Errors
    /// As for [`Defects::recut`], or if a column is missing.
    pub fn at_truth(movie: &Movie, truth: &DataFrame, cut: &Cut) -> Result<Defects> {
        let n = truth.height();
        let mut table = truth.clone();
        let calibration = movie.calibration();
        let frames = truth.column("frame")?.u32()?.clone();
        let nm = |name: &str| -> Result<Vec<Option<f32>>> {
            let px = truth.column(name)?.f32()?;
            Ok(px.iter().map(|v| v.map(|v| calibration.to_nm(f64::from(v)) as f32)).collect())
        };
        let time: Vec<f64> = frames.iter().map(|f| calibration.time_s(f.unwrap_or(0))).collect();
        let made: Vec<Column> = vec![
            Series::new("defect".into(), (0..n as u64).collect::<Vec<_>>()).into(),
            Series::new("time_s".into(), time).into(),
            Series::new("y_nm".into(), nm("y_px")?).into(),
            Series::new("x_nm".into(), nm("x_px")?).into(),
            Series::new("area_px".into(), vec![0_u32; n]).into(),
            Series::new("probability".into(), vec![1.0_f32; n]).into(),
        ];
        for column in made {
            if table.column(column.name().as_str()).is_err() {
                table.with_column(column)?;
            }
        }
        Defects::new(table, Array3::zeros((n, cut.side_px, cut.side_px)), 1.0)?.recut(movie, cut)
    }
}
