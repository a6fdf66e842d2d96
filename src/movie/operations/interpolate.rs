//! Values between pixels: cubic convolution (Keys, IEEE Trans. ASSP 29, 1153, 1981; a = -1/2), which reproduces
//! parabolas and leaves whole places as they are. Beyond the edge the outermost pixel goes on.

use ndarray::Array2;

/// Weights of the four pixels around a place `f` of the way from the second to the third.
pub(in crate::movie) fn taps(f: f32) -> [f32; 4] {
    [
        ((-0.5 * f + 1.0) * f - 0.5) * f,
        (1.5 * f - 2.5) * f * f + 1.0,
        ((-1.5 * f + 2.0) * f + 0.5) * f,
        (0.5 * f - 0.5) * f * f,
    ]
}

/// The four indices around `at`, kept within `0..n`, and their weights.
fn around(at: f64, n: usize) -> ([usize; 4], [f32; 4]) {
    let before = at.floor();
    let index = |k: i64| (before as i64 + k).clamp(0, n as i64 - 1) as usize;
    ([index(-1), index(0), index(1), index(2)], taps((at - before) as f32))
}

/// The value at (y, x).
pub(crate) fn sample(image: &Array2<f32>, y: f64, x: f64) -> f32 {
    let ((rows, wy), (columns, wx)) = (around(y, image.nrows()), around(x, image.ncols()));
    let row = |r: usize| columns.iter().zip(wx).map(|(&c, w)| image[[r, c]] * w).sum::<f32>();
    rows.iter().zip(wy).map(|(&r, w)| row(r) * w).sum()
}

/// The part of `image` that begins at (y, x), `size` large. Whole places copy pixels.
pub(in crate::movie) fn part(image: &Array2<f32>, (y, x): (f64, f64), size: (usize, usize)) -> Array2<f32> {
    let along =
        |start: f64, length: usize, n: usize| -> Vec<_> { (0..length).map(|i| around(start + i as f64, n)).collect() };
    let (rows, columns) = (along(y, size.0, image.nrows()), along(x, size.1, image.ncols()));
    // A pixel that counts nothing is left out, so that one that is NaN stays where it is.
    let sum = |(at, weights): &([usize; 4], [f32; 4]), value: &dyn Fn(usize) -> f32| {
        at.iter().zip(weights).filter(|(_, w)| **w != 0.0).map(|(&i, w)| value(i) * w).sum::<f32>()
    };
    let across = Array2::from_shape_fn((image.nrows(), size.1), |(r, c)| sum(&columns[c], &|i| image[[r, i]]));
    Array2::from_shape_fn(size, |(r, c)| sum(&rows[r], &|i| across[[i, c]]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::s;

    /// Parts at whole places are copies; between pixels parabolas come out right.
    #[test]
    fn interpolation_keeps_whole_places_and_parabolas() {
        let image = Array2::from_shape_fn((12, 12), |(y, x)| (y * y) as f32 - 3.0 * x as f32 + 0.5 * (x * x) as f32);
        let copy = part(&image, (2.0, 3.0), (5, 6));
        assert_eq!(copy, image.slice(s![2..7, 3..9]));
        let between = part(&image, (2.3, 3.6), (5, 5));
        for ((y, x), v) in between.indexed_iter() {
            let (y, x) = (y as f32 + 2.3, x as f32 + 3.6);
            assert!((v - (y * y - 3.0 * x + 0.5 * x * x)).abs() < 1e-3);
        }
    }
}
