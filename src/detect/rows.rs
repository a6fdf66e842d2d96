//! What a scan does to whole rows: each is a little brighter or darker than the others, and shifted a little along x.

use ndarray::{Array2, ArrayView1, ArrayViewMut1, Axis};
use rayon::prelude::*;

/// What each row of a frame adds to its lattice. A row is hundreds of pixels, so that a tenth of what noise does to a
/// single pixel can be measured, and taken out; left in, it is most of the noise of a frame with many counts.
pub(super) struct Rows {
    /// Added to every pixel of a row.
    level: Vec<f32>,
    /// Contrast of a row, as a fraction more or less than 1.
    contrast: Vec<f32>,
    /// Shift along x in pixels.
    shift: Vec<f32>,
}

/// What the scan did to one row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    level: f32,
    contrast: f32,
    shift: f32,
}

impl Row {
    /// A row as this one shows it.
    pub(super) fn show(self, mut row: ArrayViewMut1<f32>) {
        let moved = shifted(row.view(), self.shift);
        let mean = moved.iter().sum::<f32>() / moved.len().max(1) as f32;
        row.iter_mut().zip(moved).for_each(|(to, v)| *to = mean + self.level + (1.0 + self.contrast) * (v - mean));
    }

    /// The same, neither brighter nor darker.
    pub(super) fn without_level(self) -> Row {
        Row { level: 0.0, ..self }
    }
}

/// What one row suggests, with the variance that its noise gives to each.
struct Hint {
    level: (f32, f32),
    contrast: (f32, f32),
    shift: (f32, f32),
}

impl Rows {
    /// Of a frame with `rows` rows that are all alike.
    pub(super) fn alike(rows: usize) -> Rows {
        Rows { level: vec![0.0; rows], contrast: vec![0.0; rows], shift: vec![0.0; rows] }
    }

    /// The lattice as these rows show it.
    pub(super) fn seen(&self, lattice: &Array2<f32>) -> Array2<f32> {
        let mut seen = lattice.clone();
        seen.axis_iter_mut(Axis(0)).into_par_iter().zip(self.each()).for_each(|(row, how)| how.show(row));
        seen
    }

    /// Row by row.
    pub(super) fn each(&self) -> Vec<Row> {
        let of = |y: usize| Row { level: self.level[y], contrast: self.contrast[y], shift: self.shift[y] };
        (0..self.level.len()).map(of).collect()
    }

    /// One step of Gauss and Newton towards the rows that explain the image best, where `weight` trusts it. What the
    /// rows suggest is shrunk by how much of its spread their noise alone would give (James and Stein), so that rows
    /// which are alike stay so. No row is moved by more than `farthest` pixels.
    pub(super) fn fit(&mut self, image: &Array2<f32>, lattice: &Array2<f32>, weight: &Array2<f32>, farthest: f32) {
        let seen = self.seen(lattice);
        let hints: Vec<Hint> = (0..image.nrows())
            .into_par_iter()
            .map(|y| Hint::of(image.row(y), seen.row(y), weight.row(y), 1.0 + self.contrast[y]))
            .collect();
        let shrunk = |now: &[f32], of: fn(&Hint) -> (f32, f32)| {
            let all: Vec<(f32, f32)> =
                now.iter().zip(&hints).map(|(now, hint)| (now + of(hint).0, of(hint).1)).collect();
            shrink(&all)
        };
        self.level = shrunk(&self.level, |h| h.level);
        self.contrast = shrunk(&self.contrast, |h| h.contrast).into_iter().map(|c| c.clamp(-0.5, 0.5)).collect();
        self.shift = shrunk(&self.shift, |h| h.shift).into_iter().map(|s| s.clamp(-farthest, farthest)).collect();
    }
}

impl Hint {
    /// Level, contrast and slope of a row are nearly independent over many periods: each is fitted by itself.
    fn of(image: ArrayView1<f32>, seen: ArrayView1<f32>, weight: ArrayView1<f32>, contrast: f32) -> Hint {
        let n = seen.len();
        let trusted: f32 = weight.sum().max(1e-6);
        let mean = seen.iter().zip(weight).map(|(s, w)| s * w).sum::<f32>() / trusted;
        let rest = |x: usize| image[x] - seen[x];
        let variance = (0..n).map(|x| weight[x] * rest(x).powi(2)).sum::<f32>() / trusted;
        let fit = |shape: &dyn Fn(usize) -> f32| {
            let (mut along, mut square) = (0.0, 0.0);
            for x in 0..n {
                along += weight[x] * rest(x) * shape(x);
                square += weight[x] * shape(x).powi(2);
            }
            if square > 0.0 { (along / square, variance / square) } else { (0.0, 0.0) }
        };
        // Moving a row to higher x lowers it where it rises.
        let slope = |x: usize| 0.5 * (seen[x.saturating_sub(1)] - seen[(x + 1).min(n - 1)]);
        let relative = fit(&|x| seen[x] - mean);
        Hint {
            level: fit(&|_| 1.0),
            contrast: (relative.0 * contrast, relative.1 * contrast * contrast),
            shift: fit(&slope),
        }
    }
}

/// Each value about the mean of all, less the share of its spread that its own variance explains.
fn shrink(values: &[(f32, f32)]) -> Vec<f32> {
    let n = values.len().max(1) as f32;
    let mean = values.iter().map(|v| v.0).sum::<f32>() / n;
    let spread = values.iter().map(|v| (v.0 - mean).powi(2)).sum::<f32>() / n;
    let real = (spread - values.iter().map(|v| v.1).sum::<f32>() / n).max(0.0);
    let share = |noise: f32| if real > 0.0 { real / (real + noise) } else { 0.0 };
    values.iter().map(|&(value, noise)| share(noise) * (value - mean)).collect()
}

/// A row moved by `shift` pixels to higher x: six-point Lagrange interpolation, the ends repeated.
fn shifted(row: ArrayView1<f32>, shift: f32) -> Vec<f32> {
    if shift == 0.0 {
        return row.to_vec();
    }
    let (whole, part) = ((-shift).floor(), -shift - (-shift).floor());
    let tap = |k: i32| -> f32 { (-2..=3).filter(|&j| j != k).map(|j| (part - j as f32) / (k - j) as f32).product() };
    let taps: Vec<f32> = (-2..=3).map(tap).collect();
    let last = row.len() as i32 - 1;
    (0..=last)
        .map(|x| {
            let first = x + whole as i32 - 2;
            taps.iter().enumerate().map(|(k, t)| t * row[(first + k as i32).clamp(0, last) as usize]).sum()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::normal;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn wave(x: f32, y: usize) -> f32 {
        20.0 + 8.0 * (std::f32::consts::TAU * (x / 9.3 + y as f32 / 11.0)).cos()
    }

    /// Planted rows come back: with noise of 2 in 300 pixels a row, shifts are good to 2 / (8 x 2 pi / 9.3 x
    /// sqrt(150)) = 0.03 pixels, levels to 0.12; each is held to twice that, root mean square. Rows that are alike stay so,
    /// to a third of what noise would make of each by itself.
    #[test]
    fn planted_rows_come_back() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut draw = |scale: f32| -> Vec<f32> { (0..200).map(|_| scale * normal(&mut rng)).collect() };
        let (levels, shifts) = (draw(1.0), draw(0.5));
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        for planted in [1.0, 0.0] {
            let image = Array2::from_shape_fn((200, 300), |(y, x)| {
                wave(x as f32 - planted * shifts[y], y) + planted * levels[y] + 2.0 * normal(&mut rng)
            });
            let lattice = Array2::from_shape_fn((200, 300), |(y, x)| wave(x as f32, y));
            let mut rows = Rows::alike(200);
            (0..3).for_each(|_| rows.fit(&image, &lattice, &Array2::ones((200, 300)), 2.0));
            let off = |found: &[f32], truth: &[f32]| {
                let mean = truth.iter().sum::<f32>() / 200.0;
                let square = found.iter().zip(truth).map(|(f, t)| (f - planted * (t - mean)).powi(2)).sum::<f32>();
                (square / 200.0).sqrt()
            };
            let (shift, level) = (off(&rows.shift, &shifts), off(&rows.level, &levels));
            let (most_shift, most_level) = if planted > 0.0 { (0.06, 0.24) } else { (0.01, 0.04) };
            assert!(shift < most_shift && level < most_level, "{planted}: {shift} px, {level}");
        }
    }

    /// Six points reproduce polynomials of fifth degree.
    #[test]
    fn a_smooth_row_is_moved_exactly() {
        let row = ndarray::Array1::from_shape_fn(30, |x| (x as f32 / 10.0 - 1.5).powi(5));
        for shift in [-1.7, -0.3, 0.5, 2.2] {
            let moved = shifted(row.view(), shift);
            for (x, moved) in moved.iter().enumerate().take(24).skip(6) {
                let exact = ((x as f32 - shift) / 10.0 - 1.5).powi(5);
                assert!((moved - exact).abs() < 1e-4, "{moved} for {exact}");
            }
        }
    }
}
