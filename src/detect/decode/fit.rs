//! A Gaussian fitted to what is left of a frame around a defect, for its centre.

use ndarray::Array2;

/// A Gaussian on a level: level, height, y, x, standard deviation.
pub(super) type Gaussian = [f64; 5];

/// Where the centre is, and how well that is known: its standard error along one axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fitted {
    pub y: f64,
    pub x: f64,
    pub height: f64,
    pub error: f64,
}

const ROUNDS: usize = 40;

/// Least squares by Levenberg and Marquardt (Marquardt, J. Soc. Indust. Appl. Math. 11, 431, 1963), from a start that
/// should be right within a width or so. Errors come from the curvature and from what is left over.
///
/// None where it does not converge, ends outside the window, or with a width that is not within a factor of two of the
/// start's.
pub(super) fn fit(window: &Array2<f64>, start: Gaussian) -> Option<Fitted> {
    let (mut at, mut damping) = (start, 1e-3);
    let mut sum = squares(window, &at);
    let mut settled = false;
    for _ in 0..ROUNDS {
        let (normal, slope) = equations(window, &at);
        let mut damped = normal;
        (0..5).for_each(|i| damped[i][i] *= 1.0 + damping);
        let step = solve(damped, slope)?;
        let next: Gaussian = std::array::from_fn(|i| at[i] + step[i]);
        let better = squares(window, &next);
        if better.is_finite() && better <= sum && next[4] > 0.1 {
            let small = step[2].abs().max(step[3].abs()) < 1e-4 && (sum - better) <= 1e-6 * sum.max(f64::MIN_POSITIVE);
            (at, sum, damping) = (next, better, (damping * 0.3).max(1e-9));
            if small {
                settled = true;
                break;
            }
        } else {
            damping *= 8.0;
            if damping > 1e9 {
                settled = true; // no step is better: this is the minimum
                break;
            }
        }
    }
    let (h, w) = window.dim();
    let inside = at[2] >= 0.0 && at[3] >= 0.0 && at[2] <= h as f64 - 1.0 && at[3] <= w as f64 - 1.0;
    let width = at[4] / start[4];
    if !settled || !inside || !(0.5..=2.0).contains(&width) {
        return None;
    }
    let variance = sum / (window.len() as f64 - 5.0).max(1.0);
    let (normal, _) = equations(window, &at);
    let of = |i: usize| solve(normal, std::array::from_fn(|j| f64::from(u8::from(i == j)))).map(|column| column[i]);
    let error = (0.5 * variance * (of(2)? + of(3)?)).sqrt();
    error.is_finite().then_some(Fitted { y: at[2], x: at[3], height: at[1], error })
}

fn model(at: &Gaussian, y: usize, x: usize) -> (f64, f64, f64, f64) {
    let (dy, dx) = (y as f64 - at[2], x as f64 - at[3]);
    let bell = (-(dy * dy + dx * dx) / (2.0 * at[4] * at[4])).exp();
    (at[0] + at[1] * bell, bell, dy, dx)
}

fn squares(window: &Array2<f64>, at: &Gaussian) -> f64 {
    window.indexed_iter().map(|((y, x), v)| (v - model(at, y, x).0).powi(2)).sum()
}

/// The normal equations of one step.
fn equations(window: &Array2<f64>, at: &Gaussian) -> ([[f64; 5]; 5], [f64; 5]) {
    let (mut normal, mut slope) = ([[0.0; 5]; 5], [0.0; 5]);
    for ((y, x), v) in window.indexed_iter() {
        let (value, bell, dy, dx) = model(at, y, x);
        let per = at[1] * bell / (at[4] * at[4]);
        let by = [1.0, bell, per * dy, per * dx, per * (dy * dy + dx * dx) / at[4]];
        for i in 0..5 {
            slope[i] += by[i] * (v - value);
            for j in 0..5 {
                normal[i][j] += by[i] * by[j];
            }
        }
    }
    (normal, slope)
}

/// Gaussian elimination with pivots; none where the equations do not determine the answer.
fn solve(mut a: [[f64; 5]; 5], mut b: [f64; 5]) -> Option<[f64; 5]> {
    for i in 0..5 {
        let pivot = (i..5).max_by(|&p, &q| a[p][i].abs().total_cmp(&a[q][i].abs()))?;
        if a[pivot][i].abs() < 1e-30 {
            return None;
        }
        a.swap(i, pivot);
        b.swap(i, pivot);
        for row in i + 1..5 {
            let by = a[row][i] / a[i][i];
            let from = a[i];
            a[row].iter_mut().zip(from).for_each(|(v, f)| *v -= by * f);
            b[row] -= by * b[i];
        }
    }
    for i in (0..5).rev() {
        let known: f64 = (i + 1..5).map(|j| a[i][j] * b[j]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    Some(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::normal;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn planted(at: &Gaussian, noise: f64, rng: &mut ChaCha8Rng) -> Array2<f64> {
        Array2::from_shape_fn((11, 11), |(y, x)| model(at, y, x).0 + noise * f64::from(normal(rng)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Without noise the planted Gaussian is found, from a start a pixel away.
        #[test]
        fn planted_is_found(y in 4.0_f64..6.0, x in 4.0_f64..6.0, s in 1.2_f64..2.2, height in 1.0_f64..9.0, dark: bool) {
            let height = if dark { -height } else { height };
            let window = planted(&[3.0, height, y, x, s], 0.0, &mut ChaCha8Rng::seed_from_u64(1));
            let fitted = fit(&window, [2.0, 0.6 * height, 5.0, 5.0, 1.6]).unwrap();
            prop_assert!((fitted.y - y).abs() < 1e-3 && (fitted.x - x).abs() < 1e-3, "{fitted:?}");
            prop_assert!((fitted.height - height).abs() < 1e-2);
        }
    }

    /// The announced error is the error: over 400 windows the deviations divided by it have variance 1 (2 sigma of a
    /// variance of 800 numbers: 0.1; the curvature is taken at the fit, not at the truth), and it is that of Cramér and
    /// Rao for a centre in white noise, 2 s^2 pi... for a Gaussian: noise / height x sqrt(2 / pi).
    #[test]
    fn announced_errors_are_true() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let (mut squares, mut errors, mut n) = (0.0, 0.0, 0.0);
        for i in 0..400 {
            let truth = [1.0, 5.0, 5.0 + 0.3 * f64::from(i % 3) - 0.3, 5.2, 1.5];
            let window = planted(&truth, 0.4, &mut rng);
            let fitted = fit(&window, [1.0, 4.0, 5.0, 5.0, 1.5]).unwrap();
            squares += ((fitted.y - truth[2]).powi(2) + (fitted.x - truth[3]).powi(2)) / fitted.error.powi(2);
            errors += fitted.error;
            n += 1.0;
        }
        let variance: f64 = squares / (2.0 * n);
        assert!((variance - 1.0).abs() < 0.2, "{variance}");
        let bound = 0.4 / 5.0 * (2.0 / std::f64::consts::PI).sqrt();
        assert!((errors / n / bound - 1.0).abs() < 0.1, "{} {bound}", errors / n);
    }

    /// Noise alone has no centre that can be believed: either the fit fails, or its error says so.
    #[test]
    fn noise_is_not_fitted_with_confidence() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let sure = (0..100)
            .filter_map(|_| fit(&planted(&[0.0, 0.0, 5.0, 5.0, 1.5], 1.0, &mut rng), [0.0, 0.5, 5.0, 5.0, 1.5]))
            .filter(|f| f.error < 0.1)
            .count();
        assert!(sure < 5, "{sure}");
    }
}
