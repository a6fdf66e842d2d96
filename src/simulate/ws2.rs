//! Mo-doped WS2 with S vacancies that hop, drawn at a given dose.

use super::poisson::poisson;
use crate::error::{Result, check, setters};
use crate::movie::{Calibration, Movie};
use crate::progress::{EARLIER, Progress, Reporter, stop_if_asked};
use crate::session::seeded;
use ndarray::{Array2, Array3, Axis};
use polars::prelude::{DataFrame, NamedFrom, Series};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Lattice constant of WS2 in nanometres (Schutte, de Boer and Jellinek, J. Solid State Chem. 70, 207, 1987).
const A_NM: f64 = 0.3153;
/// Exponent of the atomic number in annular dark-field contrast.
const Z_POWER: f64 = 1.7;

/// A simple simulated WS2 monolayer: Mo on W sites (which stay), S vacancies (which hop to a neighbouring column and
/// grow in number, as under the beam), Gaussian probe, slow contamination, Poisson counts.
///
/// ```
/// use atomotion::simulate::Ws2;
/// let simulated = Ws2::default().with_frames(2).with_size_px(96).simulate(7)?;
/// assert_eq!(simulated.movie.len(), 2);
/// assert!(simulated.truth.height() > 0);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ws2 {
    /// Number of frames.
    pub frames: usize,
    /// Height and width of a frame in pixels.
    pub size_px: usize,
    /// Nanometres per pixel. The default gives 10 pixels a lattice period.
    pub nm_per_px: f64,
    /// Seconds per frame.
    pub s_per_frame: f64,
    /// Mean counts at the peak of a W column. The real first frame has one to two, a clean movie 60.
    pub dose: f64,
    /// Fraction of W sites that hold Mo.
    pub mo_fraction: f64,
    /// Fraction of S columns that lack both S atoms in frame 0 (`V_2S`).
    pub vacancy_fraction: f64,
    /// Fraction of S columns that lose both S atoms in each later frame.
    pub damage_per_frame: f64,
    /// Probability that a vacancy hops to a neighbouring S column between frames.
    pub hop_probability: f64,
    /// Standard deviation of the probe in nanometres.
    pub probe_nm: f64,
    /// Rotation of the lattice in degrees.
    pub rotation_deg: f64,
    /// Height of slow contamination relative to a W column.
    pub contamination: f64,
}

impl Default for Ws2 {
    fn default() -> Self {
        Ws2 {
            frames: 1,
            size_px: 256,
            nm_per_px: A_NM / 10.0,
            s_per_frame: 1.0,
            dose: 60.0,
            mo_fraction: 0.02,
            vacancy_fraction: 0.008,
            damage_per_frame: 0.002,
            hop_probability: 0.2,
            probe_nm: 0.045,
            rotation_deg: 4.0,
            contamination: 0.1,
        }
    }
}

/// A simulated movie with the truth about it.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// The counts.
    pub movie: Movie,
    /// One row per defect per frame: `frame` u32, `species` (`Mo_W`, `V_2S`), `y_px`, `x_px` f32.
    pub truth: DataFrame,
}

/// The lattice's columns in pixel coordinates, with the S neighbours of each S column.
struct Lattice {
    metal: Vec<(f64, f64)>,
    chalcogen: Vec<(f64, f64)>,
    /// For each S column, the S columns one lattice vector away.
    neighbours: Vec<Vec<usize>>,
}

impl Ws2 {
    setters! {
        frames: usize => with_frames,
        size_px: usize => with_size_px,
        nm_per_px: f64 => with_nm_per_px,
        s_per_frame: f64 => with_s_per_frame,
        dose: f64 => with_dose,
        mo_fraction: f64 => with_mo_fraction,
        vacancy_fraction: f64 => with_vacancy_fraction,
        damage_per_frame: f64 => with_damage_per_frame,
        hop_probability: f64 => with_hop_probability,
        probe_nm: f64 => with_probe_nm,
        rotation_deg: f64 => with_rotation_deg,
        contamination: f64 => with_contamination,
    }

    fn validate(&self) -> Result<()> {
        check("frames", self.frames, self.frames > 0, "at least one frame")?;
        check("size_px", self.size_px, (16..=8192).contains(&self.size_px), "from 16 to 8192 pixels")?;
        let period = A_NM / self.nm_per_px;
        check("nm_per_px", self.nm_per_px, (3.0..=200.0).contains(&period), "3 to 200 pixels a lattice period")?;
        check("dose", self.dose, self.dose.is_finite() && self.dose > 0.0, "a positive number of counts")?;
        check("probe_nm", self.probe_nm, self.probe_nm > 0.0 && self.probe_nm < 1.0, "between 0 and 1 nm")?;
        for (name, value) in [
            ("mo_fraction", self.mo_fraction),
            ("vacancy_fraction", self.vacancy_fraction),
            ("damage_per_frame", self.damage_per_frame),
            ("hop_probability", self.hop_probability),
            ("contamination", self.contamination),
        ] {
            check(name, value, (0.0..=1.0).contains(&value), "a fraction from 0 to 1")?;
        }
        Ok(())
    }

    /// Draws the movie and its truth.
    ///
    /// # Errors
    /// If an option is out of range.
    pub fn simulate(&self, seed: u64) -> Result<Simulated> {
        self.validate()?;
        let mut rng = ChaCha8Rng::seed_from_u64(seeded("Ws2", seed));
        let mut progress = Reporter::new("simulating", "frames");
        let lattice = self.lattice();
        let mo: Vec<bool> = lattice.metal.iter().map(|_| rng.r#gen_bool(self.mo_fraction)).collect();
        let mut vacant: Vec<bool> = lattice.chalcogen.iter().map(|_| rng.r#gen_bool(self.vacancy_fraction)).collect();
        let haze = self.haze(&mut rng)?;
        let mut stack = Array3::zeros((self.frames, self.size_px, self.size_px));
        let mut truth = Truth::default();
        for frame in 0..self.frames {
            progress.update(frame, self.frames, "");
            let doing = || format!("after {frame} of {} simulated frames", self.frames);
            if frame > 0 {
                self.step(&mut vacant, &lattice, &mut rng);
            }
            let mean = self.expected(&lattice, &mo, &vacant).map_err(|e| e.while_doing(doing, EARLIER))? + &haze;
            let mut counts = stack.index_axis_mut(Axis(0), frame);
            for (mut to, mean) in counts.rows_mut().into_iter().zip(mean.rows()) {
                stop_if_asked("while drawing counts").map_err(|e| e.while_doing(doing, EARLIER))?;
                to.zip_mut_with(&mean, |to, &m| *to = poisson(self.dose * m, &mut rng) as f32);
            }
            truth.add(frame as u32, "Mo_W", &lattice.metal, &mo, self.size_px);
            truth.add(frame as u32, "V_2S", &lattice.chalcogen, &vacant, self.size_px);
        }
        progress.update(self.frames, self.frames, "");
        let movie = Movie::from_array(stack)?
            .with_calibration(Calibration::new(self.nm_per_px, self.s_per_frame)?)
            .with_name(format!("simulated WS2, {} counts at a W column", self.dose));
        Ok(Simulated { movie, truth: truth.table()? })
    }

    /// Columns up to one period outside the frame, so that its borders are as bright as its middle.
    fn lattice(&self) -> Lattice {
        let a = A_NM / self.nm_per_px;
        let (sin, cos) = libm::sincos(self.rotation_deg.to_radians());
        let half = self.size_px as f64 / 2.0;
        let reach = (1.5 * self.size_px as f64 / a) as i64 + 2;
        let place = |u: f64, v: f64| {
            let (x, y) = (a * (u + 0.5 * v), a * v * libm::sqrt(0.75));
            (half + sin * x + cos * y, half + cos * x - sin * y)
        };
        let inside = |(y, x): (f64, f64)| {
            let range = -a..self.size_px as f64 + a;
            range.contains(&y) && range.contains(&x)
        };
        let mut lattice = Lattice { metal: vec![], chalcogen: vec![], neighbours: vec![] };
        let mut index = std::collections::HashMap::new();
        for v in -reach..=reach {
            for u in -reach..=reach {
                let (metal, s) = (place(u as f64, v as f64), place(u as f64 + 1.0 / 3.0, v as f64 + 1.0 / 3.0));
                if inside(metal) {
                    lattice.metal.push(metal);
                }
                if inside(s) {
                    index.insert((u, v), lattice.chalcogen.len());
                    lattice.chalcogen.push(s);
                }
            }
        }
        lattice.neighbours = vec![vec![]; lattice.chalcogen.len()];
        for (&(u, v), &i) in &index {
            for (du, dv) in [(1, 0), (0, 1), (-1, 1), (-1, 0), (0, -1), (1, -1)] {
                lattice.neighbours[i].extend(index.get(&(u + du, v + dv)));
            }
        }
        lattice
    }

    /// One frame's time: vacancies hop to an occupied neighbour, and the beam makes new ones.
    fn step(&self, vacant: &mut [bool], lattice: &Lattice, rng: &mut ChaCha8Rng) {
        for i in 0..vacant.len() {
            if !vacant[i] && rng.r#gen_bool(self.damage_per_frame) {
                vacant[i] = true;
            } else if vacant[i] && rng.r#gen_bool(self.hop_probability) && !lattice.neighbours[i].is_empty() {
                let to = lattice.neighbours[i][rng.gen_range(0..lattice.neighbours[i].len())];
                vacant.swap(i, to);
            }
        }
    }

    /// A smooth stain: a few broad Gaussians, at most `contamination` high.
    fn haze(&self, rng: &mut ChaCha8Rng) -> Result<Array2<f64>> {
        let n = self.size_px as f64;
        let blobs: Vec<(f64, f64, f64)> = (0..4)
            .map(|_| (rng.r#gen::<f64>() * n, rng.r#gen::<f64>() * n, n * (0.15 + 0.15 * rng.r#gen::<f64>())))
            .collect();
        let blob = |&(by, bx, s): &(f64, f64, f64), y: usize, x: usize| {
            let (dy, dx) = (y as f64 - by, x as f64 - bx);
            libm::exp(-(dy * dy + dx * dx) / (2.0 * s * s))
        };
        let mut haze = Array2::zeros((self.size_px, self.size_px));
        for (y, mut row) in haze.rows_mut().into_iter().enumerate() {
            stop_if_asked("before the first simulated frame")?;
            for (x, to) in row.iter_mut().enumerate() {
                let sum: f64 = blobs.iter().map(|b| blob(b, y, x)).sum();
                *to = 0.05 + self.contamination * (sum / 2.0).min(1.0);
            }
        }
        Ok(haze)
    }

    /// Expected intensity with a W column's peak at 1.
    fn expected(&self, lattice: &Lattice, mo: &[bool], vacant: &[bool]) -> Result<Array2<f64>> {
        let z = |atomic_number: f64| libm::pow(atomic_number / 74.0, Z_POWER);
        let sigma = self.probe_nm / self.nm_per_px;
        let mut image = Array2::zeros((self.size_px, self.size_px));
        for (at, &is_mo) in lattice.metal.iter().zip(mo) {
            stop_if_asked("while drawing a frame")?;
            draw(&mut image, *at, if is_mo { z(42.0) } else { 1.0 }, sigma);
        }
        for (at, &gone) in lattice.chalcogen.iter().zip(vacant) {
            stop_if_asked("while drawing a frame")?;
            if !gone {
                draw(&mut image, *at, 2.0 * z(16.0), sigma);
            }
        }
        Ok(image)
    }
}

/// Adds a Gaussian column to the image.
fn draw(image: &mut Array2<f64>, (cy, cx): (f64, f64), height: f64, sigma: f64) {
    let reach = libm::ceil(4.0 * sigma) as i64;
    let (rows, columns) = (image.nrows() as i64, image.ncols() as i64);
    let (y0, x0) = (libm::round(cy) as i64, libm::round(cx) as i64);
    for y in (y0 - reach).max(0)..(y0 + reach + 1).min(rows) {
        for x in (x0 - reach).max(0)..(x0 + reach + 1).min(columns) {
            let (dy, dx) = (y as f64 - cy, x as f64 - cx);
            image[[y as usize, x as usize]] += height * libm::exp(-(dy * dy + dx * dx) / (2.0 * sigma * sigma));
        }
    }
}

#[derive(Default)]
struct Truth {
    frame: Vec<u32>,
    species: Vec<&'static str>,
    y: Vec<f32>,
    x: Vec<f32>,
}

impl Truth {
    fn add(&mut self, frame: u32, species: &'static str, sites: &[(f64, f64)], there: &[bool], size_px: usize) {
        let seen = -0.5..size_px as f64 - 0.5;
        for (&(y, x), _) in sites.iter().zip(there).filter(|(_, there)| **there) {
            if seen.contains(&y) && seen.contains(&x) {
                self.frame.push(frame);
                self.species.push(species);
                self.y.push(y as f32);
                self.x.push(x as f32);
            }
        }
    }

    fn table(self) -> Result<DataFrame> {
        let height = self.frame.len();
        Ok(DataFrame::new(
            height,
            vec![
                Series::new("frame".into(), self.frame).into(),
                Series::new("species".into(), self.species).into(),
                Series::new("y_px".into(), self.y).into(),
                Series::new("x_px".into(), self.x).into(),
            ],
        )?)
    }
}
