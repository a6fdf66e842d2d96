//! A specimen that moves under the beam and changes while it does: a monolayer of W and S pairs with Mo, vacancies that
//! hop and holes that grow, drawn anew for every frame at its true place, with Poisson counts. Small and independent of
//! the library's own simulation.

use atomotion::ndarray::{Array2, Array3};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub struct Specimen {
    pub size: usize,
    pub frames: usize,
    /// Counts at a W column's peak.
    pub dose: f64,
    pub mo: f64,
    pub vacancies: f64,
    /// Radius of the hole in the last frame, in pixels.
    pub hole_px: f64,
    /// Root mean square of a row's place along x.
    pub jitter_px: f64,
    /// Place of the content in each frame, y and x.
    pub shifts: Vec<[f64; 2]>,
}

pub struct Drawn {
    pub stack: Array3<f32>,
    /// `[frame, row]`
    pub jitter: Array2<f64>,
    /// Smallest possible standard deviation of a frame's place along y and x, the specimen known (Cramér and Rao).
    pub bound: [f64; 2],
    /// The same of a row's place along x.
    pub row_bound: f64,
}

/// Ten pixels a period, a probe of 0.045 nm at 0.0315 nm a pixel.
pub const PERIOD: f64 = 10.0;
const SIGMA: f64 = 1.43;
const S_PAIR: f64 = 0.15;
const MO: f64 = 0.38;
const BACKGROUND: f64 = 0.05;

/// A steady drift that wanders: `speed` pixels a frame on the average, `wander` more or less.
pub fn wandering(frames: usize, speed: [f64; 2], wander: f64, seed: u64) -> Vec<[f64; 2]> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut at = [0.0; 2];
    let mut all = vec![at];
    for _ in 1..frames {
        for i in 0..2 {
            at[i] += speed[i] + wander * normal(&mut rng);
        }
        all.push(at);
    }
    all
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.r#gen::<f64>(), rng.r#gen());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Knuth's products; in parts, so that e to the minus mean stays a number.
fn poisson(mean: f64, rng: &mut ChaCha8Rng) -> f64 {
    let (mut left, mut count) = (mean, 0.0);
    while left > 0.0 {
        let part = left.min(20.0);
        let (limit, mut product) = ((-part).exp(), rng.r#gen::<f64>());
        while product > limit {
            count += 1.0;
            product *= rng.r#gen::<f64>();
        }
        left -= part;
    }
    count
}

struct Column {
    y: f64,
    x: f64,
    height: f64,
}

impl Specimen {
    pub fn draw(&self, seed: u64) -> Drawn {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let [metal, pairs] = self.sites();
        let heights: Vec<f64> = metal.iter().map(|_| if rng.r#gen_bool(self.mo) { MO } else { 1.0 }).collect();
        let mut vacant: Vec<bool> = pairs.iter().map(|_| rng.r#gen_bool(self.vacancies)).collect();
        let jitter = Array2::from_shape_fn((self.frames, self.size), |_| self.jitter_px * normal(&mut rng));
        let mut stack = Array3::zeros((self.frames, self.size, self.size));
        let (mut bound, mut row_bound) = ([0.0; 2], 0.0);
        for frame in 0..self.frames {
            // A vacancy in five hops to some other site nearby; sites lie in the order of rows.
            for i in 0..vacant.len() {
                if vacant[i] && rng.r#gen_bool(0.2) {
                    let to = (i + 1).min(vacant.len() - 1);
                    vacant.swap(i, to);
                }
            }
            let hole = self.hole_px * frame as f64 / self.frames.max(2) as f64;
            let there = |y: f64, x: f64| (y - 20.0).hypot(x + 35.0) >= hole;
            let columns = metal.iter().zip(&heights).map(|(&(y, x), &height)| Column { y, x, height });
            let s = pairs.iter().zip(&vacant).filter(|(_, gone)| !**gone);
            let columns = columns.chain(s.map(|(&(y, x), _)| Column { y, x, height: S_PAIR }));
            let columns: Vec<_> = columns.filter(|c| there(c.y, c.x)).collect();
            let shift = self.shifts[frame];
            let expected = self.expected(&columns, shift, &jitter.row(frame).to_vec());
            if frame == 0 {
                (bound, row_bound) = self.bounds(&columns, shift);
            }
            stack
                .index_axis_mut(atomotion::ndarray::Axis(0), frame)
                .zip_mut_with(&expected, |to, &mean| *to = poisson(mean, &mut rng) as f32);
        }
        Drawn { stack, jitter, bound, row_bound }
    }

    /// Metal and S columns that some frame may see, from the frame's middle; the lattice is turned by 7 degrees.
    fn sites(&self) -> [Vec<(f64, f64)>; 2] {
        let far = self.shifts.iter().flatten().fold(0.0_f64, |m, s| m.max(s.abs()));
        let half = self.size as f64 / 2.0 + far + 10.0;
        let (sin, cos) = 7.0_f64.to_radians().sin_cos();
        let n = (2.5 * half / PERIOD) as i32;
        let (mut metal, mut pairs) = (vec![], vec![]);
        for v in -n..=n {
            for u in -n..=n {
                let place = |u: f64, v: f64| {
                    let (y, x) = (v * 0.75_f64.sqrt() * PERIOD, (u + 0.5 * v) * PERIOD);
                    (x * sin + y * cos, x * cos - y * sin)
                };
                let (u, v) = (f64::from(u), f64::from(v));
                for (list, (y, x)) in [(&mut metal, place(u, v)), (&mut pairs, place(u + 1.0 / 3.0, v + 1.0 / 3.0))] {
                    if y.abs() < half && x.abs() < half {
                        list.push((y, x));
                    }
                }
            }
        }
        [metal, pairs]
    }

    fn expected(&self, columns: &[Column], shift: [f64; 2], jitter: &[f64]) -> Array2<f64> {
        let mut image = Array2::from_elem((self.size, self.size), self.dose * BACKGROUND);
        let middle = (self.size as f64 - 1.0) / 2.0;
        let n = self.size as i64;
        for c in columns {
            let (cy, cx) = (middle + c.y + shift[0], middle + c.x + shift[1]);
            for y in ((cy - 6.0).ceil() as i64).max(0)..((cy + 6.0) as i64 + 1).min(n) {
                let cx = cx + jitter[y as usize];
                for x in ((cx - 6.0).ceil() as i64).max(0)..((cx + 6.0) as i64 + 1).min(n) {
                    let d2 = (y as f64 - cy).powi(2) + (x as f64 - cx).powi(2);
                    image[[y as usize, x as usize]] += self.dose * c.height * (-d2 / (2.0 * SIGMA * SIGMA)).exp();
                }
            }
        }
        image
    }

    /// From the Fisher information of Poisson counts: the sum of (derivative of the mean)^2 / mean.
    fn bounds(&self, columns: &[Column], [y, x]: [f64; 2]) -> ([f64; 2], f64) {
        let still = vec![0.0; self.size];
        let at = |dy: f64, dx: f64| self.expected(columns, [y + dy, x + dx], &still);
        let mean = at(0.0, 0.0);
        let information = |a: Array2<f64>, b: Array2<f64>| {
            let derivative = (a - b) / 0.1;
            (&derivative * &derivative / &mean).sum()
        };
        let [of_y, of_x] = [information(at(0.05, 0.0), at(-0.05, 0.0)), information(at(0.0, 0.05), at(0.0, -0.05))];
        ([of_y.sqrt().recip(), of_x.sqrt().recip()], (of_x / self.size as f64).sqrt().recip())
    }
}

/// Root mean square of the differences along y and x.
pub fn rms(found: &[[f64; 2]], truth: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|i| {
        let sum: f64 = found.iter().zip(truth).map(|(f, t)| (f[i] - t[i] + truth[0][i]).powi(2)).sum();
        (sum / found.len() as f64).sqrt()
    })
}
