//! How likely every row of a frame is at every place along x, and what that says of all rows.

use crate::fourier::{Fourier, frequency};
use crate::movie::operations::interpolate::{part, taps};
use ndarray::{Array2, Zip, s};
use rayon::prelude::*;
use std::collections::VecDeque;

/// Steps of the search, and how many finer ones are read between them.
pub(super) const STEP_PX: f64 = 0.25;
const FINER: usize = 8;

/// Log-likelihood of every row of frame `index` at every step to the left and right, `[row, step]`, against the mean of
/// the other frames, or against its own lattice where there are none.
pub(super) fn scores(
    fourier: &Fourier,
    window: &VecDeque<(usize, Array2<f32>)>,
    index: usize,
    shifts: &[[f64; 2]],
    steps: usize,
) -> Array2<f32> {
    let Some((_, frame)) = window.iter().find(|(i, _)| *i == index) else { return Array2::zeros((0, 0)) };
    let size = frame.dim();
    let others: Vec<_> = window.iter().filter(|(i, _)| *i != index).collect();
    let moved = |(i, data): &&(usize, Array2<f32>)| {
        part(data, (shifts[*i][0] - shifts[index][0], shifts[*i][1] - shifts[index][1]), size)
    };
    let sum = others.par_iter().map(moved).reduce(|| Array2::zeros(size), |a, b| a + b);
    let mean = lattice(fourier, if others.is_empty() { frame } else { &sum }) / others.len().max(1) as f32;
    let frame = without_slow(fourier, frame);
    let noise = noise(&frame, &mean);
    // What moves in at the ends was not recorded.
    let ends = (steps as f64 * STEP_PX).ceil() as usize;
    let seen = s![.., ends..size.1 - ends];
    let frame = frame.slice(seen);
    let at = |step: usize| -> Vec<f32> {
        let moved = part(&mean, (0.0, (steps as f64 - step as f64) * STEP_PX), size);
        let moved = moved.slice(seen);
        let rows = frame.rows().into_iter().zip(moved.rows());
        rows.map(|(f, m)| f.iter().zip(m).map(|(f, m)| f * m - 0.5 * m * m).sum::<f32>() / noise).collect()
    };
    let columns: Vec<_> = (0..=2 * steps).into_par_iter().map(at).collect();
    Array2::from_shape_fn((size.0, 2 * steps + 1), |(y, step)| columns[step][y])
}

/// The noise's variance where it matters: on the flanks of columns, by their steepness. Counts have more there than on
/// the average, and rows would else seem to be known better than they are.
fn noise(frame: &Array2<f32>, mean: &Array2<f32>) -> f32 {
    let w = frame.ncols();
    let (mut above, mut below) = (0.0_f64, 0.0_f64);
    Zip::indexed(frame).and(mean).for_each(|(y, x), f, m| {
        let slope = mean[[y, (x + 1).min(w - 1)]] - mean[[y, x.saturating_sub(1)]];
        let square = f64::from(slope * slope);
        above += square * f64::from((f - m) * (f - m));
        below += square;
    });
    ((above / below.max(f64::MIN_POSITIVE)) as f32).max(f32::MIN_POSITIVE)
}

/// The image without what varies slowly.
fn without_slow(fourier: &Fourier, image: &Array2<f32>) -> Array2<f32> {
    filtered(fourier, image, |_, _, _| 1.0)
}

/// The lattice alone, from the peaks of the spectrum: it averages over many rows. What is less than a thousandth of the
/// strongest holds what the rows' own places did to the image, which must not come back as their truth.
fn lattice(fourier: &Fourier, image: &Array2<f32>) -> Array2<f32> {
    filtered(
        fourier,
        image,
        |power, noise, most| {
            if power > 4.0 * noise && power > 1e-3 * most { 1.0 - noise / power } else { 0.0 }
        },
    )
}

/// Every frequency times what `gain` makes of its power, its ring's noise and the largest power of all; the longest are
/// left out.
fn filtered(fourier: &Fourier, image: &Array2<f32>, gain: impl Fn(f32, f32, f32) -> f32) -> Array2<f32> {
    const LONGEST_PX: f64 = 64.0;
    const RINGS: f64 = 64.0;
    let mean = image.mean().unwrap_or(0.0);
    let mut spectrum = fourier.forward(&(image - mean));
    let radius = |kx: usize, ky: usize| frequency(ky, fourier.height).hypot(frequency(kx, fourier.width));
    let ring = |k: f64| (k * RINGS) as usize;
    let mut rings = vec![vec![]; RINGS as usize];
    for ((kx, ky), c) in spectrum.indexed_iter() {
        rings[ring(radius(kx, ky))].push(c.norm_sqr());
    }
    let median = |r: &mut Vec<f32>| {
        let middle = r.len() / 2;
        if r.is_empty() { 0.0 } else { *r.select_nth_unstable_by(middle, f32::total_cmp).1 / std::f32::consts::LN_2 }
    };
    let noise: Vec<f32> = rings.iter_mut().map(median).collect();
    let fast = |k: f64| (1.0 - (-(k * LONGEST_PX).powi(2)).exp()) as f32;
    let powers = spectrum.indexed_iter().map(|((kx, ky), c)| fast(radius(kx, ky)).powi(2) * c.norm_sqr());
    let most = powers.fold(0.0, f32::max);
    for ((kx, ky), c) in spectrum.indexed_iter_mut() {
        let k = radius(kx, ky);
        *c *= fast(k) * gain(c.norm_sqr(), noise[ring(k)], most);
    }
    fourier.inverse(spectrum) / (fourier.height * fourier.width) as f32
}

/// Place and standard deviation of every row of every frame, and the jitter's own spread.
pub(super) fn spread(scores: &[Array2<f32>], steps: usize) -> (f64, Vec<(f64, f64)>) {
    // Half a pixel to begin with; thirty rounds are enough where the noise says anything at all.
    let (mut variance, mut rows) = (0.25_f64, vec![]);
    for _ in 0..30 {
        rows = scores
            .par_iter()
            .flat_map_iter(|frame| {
                let mut rows: Vec<_> = frame
                    .rows()
                    .into_iter()
                    .map(|row| posterior(row.as_slice().unwrap_or(&[]), steps, variance))
                    .collect();
                // What all rows share is drift.
                let mean = rows.iter().map(|r| r.0).sum::<f64>() / rows.len() as f64;
                rows.iter_mut().for_each(|r| r.0 -= mean);
                rows
            })
            .collect();
        let next = rows.iter().map(|(at, sigma)| at * at + sigma * sigma).sum::<f64>() / rows.len() as f64;
        let done = (next / variance - 1.0).abs() < 1e-3;
        variance = next.max(1e-6);
        if done {
            break;
        }
    }
    (variance.sqrt(), rows)
}

/// Mean and standard deviation of a row's place, from its log-likelihoods, which are read cubically between steps.
fn posterior(scores: &[f32], steps: usize, variance: f64) -> (f64, f64) {
    let last = scores.len() - 1;
    let at = |i: usize| scores[i.clamp(0, last)];
    let fine = (0..=last * FINER).map(|f| {
        let (i, t) = (f / FINER, (f % FINER) as f32 / FINER as f32);
        let four = [at(i.saturating_sub(1)), at(i), at(i + 1), at(i + 2)];
        let score: f32 = four.iter().zip(taps(t)).map(|(v, w)| v * w).sum();
        let place = (f as f64 / FINER as f64 - steps as f64) * STEP_PX;
        (place, f64::from(score) - place * place / (2.0 * variance))
    });
    let fine: Vec<_> = fine.collect();
    let most = fine.iter().map(|f| f.1).fold(f64::MIN, f64::max);
    let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
    for (place, score) in fine {
        let p = (score - most).exp();
        (sum, first, second) = (sum + p, first + p * place, second + p * place * place);
    }
    let mean = first / sum;
    (mean, (second / sum - mean * mean).max(0.0).sqrt())
}
