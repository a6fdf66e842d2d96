//! Separable Gaussian averages that respect a weight map and the frame's borders.

use ndarray::{Array2, ArrayView2, Zip};
use rayon::prelude::*;

/// Taps of a normalised Gaussian, out to four standard deviations.
fn kernel(sigma: f32) -> Vec<f32> {
    let reach = (4.0 * sigma).ceil() as i32;
    let taps: Vec<f32> = (-reach..=reach).map(|i| (-(i * i) as f32 / (2.0 * sigma * sigma)).exp()).collect();
    let sum: f32 = taps.iter().sum();
    taps.into_iter().map(|t| t / sum).collect()
}

/// How far from a maximum between two neighbours a parabola through the three has its top, at most half a step.
pub(crate) fn vertex(before: f32, here: f32, after: f32) -> f32 {
    let curve = before - 2.0 * here + after;
    if curve < 0.0 { (0.5 * (before - after) / curve).clamp(-0.5, 0.5) } else { 0.0 }
}

/// `to[i] += tap * from[i + shift]` wherever that exists.
fn add_shifted(to: &mut [f32], from: &[f32], shift: isize, tap: f32) {
    let n = to.len() as isize;
    let (lo, hi) = ((-shift).max(0), (n - shift).min(n));
    if lo < hi {
        let from = &from[(lo + shift) as usize..(hi + shift) as usize];
        to[lo as usize..hi as usize].iter_mut().zip(from).for_each(|(t, f)| *t += tap * f);
    }
}

/// Convolution with a Gaussian of the given standard deviation; outside the frame counts as zero.
///
/// A wide Gaussian (8 pixels and more) is computed on every second row and column of the averaged frame and read
/// back between them, eight times faster; that differs from the direct sum by less than half a per cent.
pub(crate) fn gaussian(image: ArrayView2<f32>, sigma: f32) -> Array2<f32> {
    let (h, w) = image.dim();
    if sigma < 8.0 || h < 16 || w < 16 {
        return direct(image, sigma);
    }
    let (ch, cw) = (h.div_ceil(2), w.div_ceil(2));
    let at = |y: usize, x: usize| if y < h && x < w { image[[y, x]] } else { 0.0 };
    let coarse = Array2::from_shape_fn((ch, cw), |(y, x)| {
        let (y, x) = (2 * y, 2 * x);
        0.25 * (at(y, x) + at(y + 1, x) + at(y, x + 1) + at(y + 1, x + 1))
    });
    // Averaging pairs and reading back linearly each widen the Gaussian a little: 1/4 + 1/4 of a pixel squared.
    let coarse = direct(coarse.view(), (sigma * sigma - 0.5).sqrt() / 2.0);
    // Beyond the outermost centres the line through the last two goes on.
    let split = |i: usize, n: usize| {
        let p = (i as f32 - 0.5) / 2.0;
        let before = (p.max(0.0) as usize).min(n - 2);
        (before, before + 1, p - before as f32)
    };
    let mut fine = Array2::zeros((h, w));
    Zip::indexed(&mut fine).par_for_each(|(y, x), v| {
        let ((y0, y1, fy), (x0, x1, fx)) = (split(y, ch), split(x, cw));
        *v = (coarse[[y0, x0]] * (1.0 - fx) + coarse[[y0, x1]] * fx) * (1.0 - fy)
            + (coarse[[y1, x0]] * (1.0 - fx) + coarse[[y1, x1]] * fx) * fy;
    });
    fine
}

/// Every tap of the kernel, rows first, then columns.
fn direct(image: ArrayView2<f32>, sigma: f32) -> Array2<f32> {
    let taps = kernel(sigma);
    let reach = (taps.len() / 2) as isize;
    let (height, width) = image.dim();
    let image = image.as_standard_layout();
    let source = image.as_slice().unwrap_or(&[]);
    let mut rows = vec![0.0_f32; height * width];
    rows.par_chunks_mut(width).zip(source.par_chunks(width)).for_each(|(to, from)| {
        for (k, &tap) in taps.iter().enumerate() {
            add_shifted(to, from, k as isize - reach, tap);
        }
    });
    let mut result = vec![0.0_f32; height * width];
    result.par_chunks_mut(width).enumerate().for_each(|(y, to)| {
        for (k, &tap) in taps.iter().enumerate() {
            let from = y as isize + k as isize - reach;
            if (0..height as isize).contains(&from) {
                let from = from as usize * width;
                to.iter_mut().zip(&rows[from..from + width]).for_each(|(t, f)| *t += tap * f);
            }
        }
    });
    Array2::from_shape_vec((height, width), result).unwrap_or_else(|_| Array2::zeros((height, width)))
}

/// Gaussian average of `image` where `weight` says it may be trusted (Knutsson and Westin's normalised convolution,
/// 1993): at borders and around masked pixels the average is over what is there.
pub(crate) fn weighted_gaussian(image: &Array2<f32>, weight: &Array2<f32>, sigma: f32) -> Array2<f32> {
    let norm = gaussian(weight.view(), sigma);
    let mut sum = gaussian((image * weight).view(), sigma);
    Zip::from(&mut sum).and(&norm).for_each(|s, &n| *s /= n.max(1e-6));
    sum
}

/// Mean over blocks of `bin` x `bin` pixels; a remainder at the right and bottom is left out.
pub(crate) fn bin(image: &Array2<f32>, bin: usize) -> Array2<f32> {
    if bin <= 1 {
        return image.clone();
    }
    let scale = 1.0 / (bin * bin) as f32;
    let mut binned = Array2::zeros((image.nrows() / bin, image.ncols() / bin));
    for (y, mut to) in binned.outer_iter_mut().enumerate() {
        for row in image.slice(ndarray::s![y * bin..(y + 1) * bin, ..]).outer_iter() {
            to.iter_mut().zip(row.exact_chunks(bin)).for_each(|(to, block)| *to += block.sum());
        }
    }
    binned * scale
}

/// Median, and the standard deviation that the median absolute deviation implies for a Gaussian.
pub(crate) fn robust(values: &mut [f32]) -> (f32, f32) {
    let centre = median(values);
    values.iter_mut().for_each(|v| *v = (*v - centre).abs());
    (centre, 1.4826 * median(values))
}

/// The next even number without prime factors above 5, which is fast to transform.
pub(crate) fn handy(n: usize) -> usize {
    let smooth = |n: &usize| {
        let mut rest = *n;
        for p in [2, 3, 5] {
            while rest.is_multiple_of(p) {
                rest /= p;
            }
        }
        rest == 1
    };
    (n.next_multiple_of(2)..).step_by(2).find(smooth).unwrap_or(n)
}

/// The value in the middle of a list, 0 of none; the list changes its order.
pub(crate) fn median(values: &mut [f32]) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let n = values.len() / 2;
    *values.select_nth_unstable_by(n, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The obvious slow version: every tap of every pixel.
    fn slow(image: &Array2<f32>, sigma: f32) -> Array2<f32> {
        let taps = kernel(sigma);
        let r = taps.len() as i32 / 2;
        Array2::from_shape_fn(image.dim(), |(y, x)| {
            let mut sum = 0.0;
            for dy in -r..=r {
                for dx in -r..=r {
                    let at = ((y as i32 + dy) as usize, (x as i32 + dx) as usize);
                    sum += taps[(dy + r) as usize] * taps[(dx + r) as usize] * image.get(at).copied().unwrap_or(0.0);
                }
            }
            sum
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn separable_equals_slow(h in 1_usize..20, w in 1_usize..20, sigma in 0.4_f32..3.0, seed: u32) {
            let image = Array2::from_shape_fn((h, w), |(y, x)| ((seed as usize % 97 + 31 * y + 17 * x) % 23) as f32);
            let (fast, slow) = (gaussian(image.view(), sigma), slow(&image, sigma));
            for (a, b) in fast.iter().zip(&slow) {
                prop_assert!((a - b).abs() < 1e-3, "{a} {b}"); // single precision, sums of up to 600 terms
            }
        }

        /// A constant stays constant however it is weighted, up to its borders.
        #[test]
        fn weights_keep_constants(h in 3_usize..20, w in 3_usize..20, value in -50.0_f32..50.0, holes in any::<u64>()) {
            let weight = Array2::from_shape_fn((h, w), |(y, x)| if holes >> ((y * 7 + x) % 64) & 1 == 1 { 0.5 } else { 1.0 });
            let flat = weighted_gaussian(&Array2::from_elem((h, w), value), &weight, 1.7);
            prop_assert!(flat.iter().all(|v| (v - value).abs() < 1e-3 * value.abs().max(1.0)));
        }
    }

    /// The wide Gaussian's short cut stays within half a per cent of the direct sum's largest value.
    #[test]
    fn wide_equals_direct() {
        let image = Array2::from_shape_fn((61, 84), |(y, x)| ((31 * y + 17 * x * x) % 101) as f32);
        let exact = direct(image.view(), 9.0);
        let largest = exact.iter().copied().fold(0.0, f32::max);
        for (a, b) in gaussian(image.view(), 9.0).iter().zip(&exact) {
            assert!((a - b).abs() < 0.005 * largest, "{a} {b}");
        }
    }

    #[test]
    fn robust_ignores_outliers() {
        let mut values: Vec<f32> = (0..1001).map(|i| (i as f32 - 500.0) / 100.0).collect();
        values.extend([1e6; 50]);
        let (median, deviation) = robust(&mut values);
        assert!((median - 0.25).abs() < 0.02 && deviation < 5.0, "{median} {deviation}");
    }
}
