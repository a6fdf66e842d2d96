//! A sheet of WS2 to be imaged, and the redraw that the real first frame is known by.
#![allow(dead_code)] // each test program uses a part of it

use atomotion::ndarray::Array2;
use atomotion::simulate::Column;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Pixels of the original frame to one of the redraw.
pub const REDRAWN: f64 = 1.5655;
/// Height and width of the redraw.
const SIZE: usize = 323;

/// Columns of WS2 (W-W 0.3155 nm) over `size_nm` and a little more; the rows of W run at `degrees` to x.
pub fn sheet(size_nm: f64, degrees: f64) -> Vec<Column> {
    let reach = (1.5 * size_nm / 0.3155) as i64 + 2;
    let (sin, cos) = libm::sincos(degrees.to_radians());
    let mut columns = vec![];
    for v in -reach..=reach {
        for u in -reach..=reach {
            for (shift, atoms) in [(0.0, [74, 0, 0]), (1.0 / 3.0, [16, 16, 0])] {
                let (u, v) = (u as f64 + shift, v as f64 + shift);
                let (x, y) = (0.3155 * (u + 0.5 * v), 0.3155 * v * 0.75_f64.sqrt());
                let column = Column { y_nm: sin * x + cos * y, x_nm: cos * x - sin * y, atoms };
                if column.y_nm.abs().max(column.x_nm.abs()) < size_nm / 2.0 + 0.7 {
                    columns.push(column);
                }
            }
        }
    }
    columns
}

/// The sheet with defects as in a first frame: Mo on 2 % of the W sites, one and two S missing from 0.8 % each.
pub fn with_defects(mut columns: Vec<Column>, seed: u64) -> Vec<Column> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for column in &mut columns {
        let r: f64 = rng.r#gen();
        column.atoms = match column.atoms {
            [74, ..] if r < 0.02 => [42, 0, 0],
            [16, ..] if r < 0.008 => [16, 0, 0],
            [16, ..] if r < 0.016 => [0, 0, 0],
            same => same,
        };
    }
    columns
}

/// A frame as it was redrawn: every 1.5655th pixel, in 8 bits from the darkest to the brightest.
pub fn redraw(frame: &Array2<f32>) -> Array2<f32> {
    let from = |i: usize| {
        let beside = (frame.nrows() as f64 - SIZE as f64 * REDRAWN) / 2.0;
        (beside + (i as f64 + 0.5) * REDRAWN).floor() as usize
    };
    let taken = Array2::from_shape_fn((SIZE, SIZE), |(y, x)| frame[[from(y), from(x)]]);
    let (low, high) = taken.iter().fold((f32::MAX, f32::MIN), |(lo, hi), &v| (lo.min(v), hi.max(v)));
    taken.mapv(|v| (255.0 * (v - low) / (high - low)).round())
}
