//! Where a crop's pixels lie in the frame.

use super::super::sites::Spot;
use ndarray::Array2;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A map from crop pixels to frame pixels: turned, flipped and zoomed; then each row moved along itself, and all of it
/// bent by two slow waves as a scan is that drifts unevenly.
pub(super) struct Pose {
    pub centre: Spot,
    /// Rows of the matrix: frame y and frame x from crop (y, x).
    matrix: [[f32; 2]; 2],
    /// How far each crop row is moved along x.
    rows: Vec<f32>,
    waves: [Wave; 2],
    /// Height and width of the crop.
    size: usize,
}

/// A displacement `reach * sin(phase + y turn_y + x turn_x)` along y or x of the crop.
#[derive(Clone, Copy, Default)]
struct Wave {
    reach: f32,
    phase: f32,
    turn: (f32, f32),
}

/// How far a pose may depart from the frame as it is.
pub(super) struct Freedom {
    pub symmetries: bool,
    pub rotation_deg: f64,
    pub zoom: f64,
    pub elastic_px: f64,
    pub row_jitter_px: f64,
}

impl Pose {
    /// The frame as it is or, if so asked, in one of the eight symmetries of the square; crop pixels fall on frame pixels.
    pub(super) fn straight(centre: Spot, size: usize, symmetries: bool, rng: &mut ChaCha8Rng) -> Pose {
        let half = if size.is_multiple_of(2) { 0.5 } else { 0.0 };
        let on = |c: f32| c.floor() + half;
        Pose {
            centre: (on(centre.0), on(centre.1)),
            matrix: symmetry(symmetries, (1.0, 0.0), rng),
            rows: vec![],
            waves: [Wave::default(); 2],
            size,
        }
    }

    /// Anything that the freedom allows.
    pub(super) fn free(centre: Spot, size: usize, freedom: &Freedom, rng: &mut ChaCha8Rng) -> Pose {
        let angle = (freedom.rotation_deg * rng.gen_range(-1.0..=1.0)).to_radians();
        let scale = 1.0 + freedom.zoom * rng.gen_range(-1.0..=1.0);
        let (sin, cos) = ((libm::sin(angle) * scale) as f32, (libm::cos(angle) * scale) as f32);
        let jitter = (freedom.row_jitter_px * rng.r#gen::<f64>()) as f32;
        let rows =
            if jitter > 0.0 { (0..size).map(|_| jitter * crate::simulate::normal(rng)).collect() } else { vec![] };
        let waves = [0, 1].map(|_| Wave {
            reach: (freedom.elastic_px * rng.r#gen::<f64>()) as f32,
            phase: rng.gen_range(0.0..std::f32::consts::TAU),
            // From one to three waves over a crop of 64 pixels, mostly along the slow axis.
            turn: (rng.gen_range(0.1..0.3), rng.gen_range(-0.1..0.1)),
        });
        Pose { centre, matrix: symmetry(freedom.symmetries, (cos, sin), rng), rows, waves, size }
    }

    /// Where a crop pixel lies in the frame.
    pub(super) fn place(&self, y: usize, x: usize) -> Spot {
        let middle = (self.size as f32 - 1.0) / 2.0;
        let (mut dy, mut dx) = (y as f32 - middle, x as f32 - middle);
        if let Some(shift) = self.rows.get(y) {
            dx += shift;
        }
        if self.waves[0].reach > 0.0 {
            let [a, b] = self.waves.map(|w| w.reach * (w.phase + w.turn.0 * dy + w.turn.1 * dx).sin());
            (dy, dx) = (dy + a, dx + b);
        }
        let [[yy, yx], [xy, xx]] = self.matrix;
        (self.centre.0 + yy * dy + yx * dx, self.centre.1 + xy * dy + xx * dx)
    }

    /// How far from its centre the crop sees, along y and x.
    pub(super) fn reach(&self) -> f32 {
        let half = self.size as f32 / 2.0;
        let moved = self.rows.iter().fold(0.0_f32, |m, r| m.max(r.abs())) + self.waves[0].reach + self.waves[1].reach;
        let side = self.matrix.iter().map(|[a, b]| a.abs() + b.abs()).fold(0.0, f32::max);
        side * (half + moved) + 2.0
    }
}

/// A turn by (cos, sin) that may hold a scale, behind one of the eight symmetries of the square if so asked, as a matrix.
fn symmetry(any: bool, (cos, sin): (f32, f32), rng: &mut ChaCha8Rng) -> [[f32; 2]; 2] {
    if !any {
        return [[cos, -sin], [sin, cos]];
    }
    let (c, s) = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][rng.gen_range(0..4)];
    let (cos, sin) = (c * cos - s * sin, s * cos + c * sin);
    let flip = if rng.r#gen() { -1.0 } else { 1.0 };
    [[cos, -sin * flip], [sin, cos * flip]]
}

/// Index `i` mirrored into `0..n` (without repeating the border).
pub(crate) fn mirror(i: i64, n: usize) -> usize {
    let last = n as i64 - 1;
    if last == 0 {
        return 0;
    }
    let i = i.rem_euclid(2 * last);
    (if i > last { 2 * last - i } else { i }) as usize
}

/// Value between pixels, borders mirrored.
pub(crate) fn bilinear(map: &Array2<f32>, (y, x): (f32, f32)) -> f32 {
    let (y0, x0) = (y.floor(), x.floor());
    let (fy, fx) = (y - y0, x - x0);
    let rows = [mirror(y0 as i64, map.nrows()), mirror(y0 as i64 + 1, map.nrows())];
    let columns = [mirror(x0 as i64, map.ncols()), mirror(x0 as i64 + 1, map.ncols())];
    let row = |r: usize| map[[r, columns[0]]] * (1.0 - fx) + map[[r, columns[1]]] * fx;
    row(rows[0]) * (1.0 - fy) + row(rows[1]) * fy
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn mirror_reflects() {
        assert_eq!([-2, -1, 0, 3, 4, 5].map(|i| mirror(i, 4)), [2, 1, 0, 3, 2, 1]);
        assert_eq!(mirror(-7, 1), 0);
    }

    /// The eight symmetries, all of them, each a permutation of the same frame pixels.
    #[test]
    fn a_straight_pose_takes_pixels_as_they_are() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let pose = Pose::straight((40.3, 51.9), 16, true, &mut rng);
            let mut places: Vec<_> = (0..256).map(|i| pose.place(i / 16, i % 16)).collect();
            let whole = |v: f32| v as i32;
            assert!(places.iter().all(|p| p.0.fract() == 0.0 && p.1.fract() == 0.0));
            seen.insert([0, 15].map(|i| (whole(places[i].0), whole(places[i].1))));
            places.sort_by(|a, b| a.partial_cmp(b).unwrap());
            places.dedup();
            assert!(places.len() == 256 && places[0] == (33.0, 44.0) && places[255] == (48.0, 59.0), "{:?}", places[0]);
        }
        assert_eq!(seen.len(), 8);
        let pose = Pose::straight((40.3, 51.9), 16, false, &mut rng);
        assert_eq!([pose.place(0, 0), pose.place(3, 5)], [(33.0, 44.0), (36.0, 49.0)]);
    }

    /// No crop pixel lies further away than announced: planting relies on it.
    #[test]
    fn nothing_lies_beyond_the_reach() {
        let freedom = Freedom { symmetries: true, rotation_deg: 180.0, zoom: 0.3, elastic_px: 2.0, row_jitter_px: 1.0 };
        for seed in 0..50 {
            let pose = Pose::free((0.0, 0.0), 32, &freedom, &mut ChaCha8Rng::seed_from_u64(seed));
            let far =
                (0..1024).map(|i| pose.place(i / 32, i % 32)).fold(0.0_f32, |m, p| m.max(p.0.abs()).max(p.1.abs()));
            assert!(far <= pose.reach(), "{far} {}", pose.reach());
        }
    }
}
