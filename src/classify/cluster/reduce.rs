//! Independent components and parts that only add.

use crate::error::Result;
use crate::progress::stop_if_asked;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Rotates whitened rows (n, k) so that their columns are as independent as can be: the rotation, rows the components
/// (FastICA with tanh, symmetric; Hyvärinen, IEEE Trans. Neural Netw. 10, 626, 1999).
pub(crate) fn independent(white: ArrayView2<f64>, seed: u64, most: usize) -> Result<Array2<f64>> {
    let (n, k) = white.dim();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut turn = Array2::from_shape_fn((k, k), |_| rng.gen_range(-1.0..1.0));
    orthogonal(&mut turn)?;
    for _ in 0..most {
        stop_if_asked("while finding independent components")?;
        let bent = white.dot(&turn.t()).mapv(f64::tanh);
        let slope: Array1<f64> = bent.map_axis(Axis(0), |c| c.iter().map(|v| 1.0 - v * v).sum::<f64>() / n as f64);
        let mut next = bent.t().dot(&white) / n as f64 - &turn * &slope.insert_axis(Axis(1));
        orthogonal(&mut next)?;
        let change = (&next * &turn).sum_axis(Axis(1)).mapv(|v| (v.abs() - 1.0).abs()).fold(0.0_f64, |a, &b| a.max(b));
        turn = next;
        if change < 1e-6 {
            break;
        }
    }
    Ok(turn)
}

/// The orthogonal matrix nearest to one: (W Wᵀ)^(-1/2) W.
fn orthogonal(matrix: &mut Array2<f64>) -> Result<()> {
    let (values, vectors) = super::eigen::whole(matrix.dot(&matrix.t()).view())?;
    let scaled = &vectors * &values.mapv(|v| 1.0 / v.max(1e-300).sqrt()).insert_axis(Axis(1));
    *matrix = vectors.t().dot(&scaled).dot(matrix);
    Ok(())
}

/// Parts (k, d) and amounts (n, k), none negative, whose product is nearest to the data, by hierarchical alternating least
/// squares (Cichocki and Phan, IEICE Trans. E92-A, 708, 2009).
pub(crate) fn parts(data: ArrayView2<f64>, k: usize, seed: u64, most: usize) -> Result<(Array2<f64>, Array2<f64>)> {
    let (n, d) = data.dim();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let scale = (data.mean().unwrap_or(0.0).max(0.0) / k as f64).sqrt().max(1e-12);
    let mut amounts = Array2::from_shape_fn((n, k), |_| scale * rng.gen_range(0.1..1.0));
    let mut parts = Array2::from_shape_fn((k, d), |_| scale * rng.gen_range(0.1..1.0));
    let all = data.iter().map(|v| v * v).sum::<f64>();
    let mut before = f64::MAX;
    for _ in 0..most {
        stop_if_asked("while finding parts")?;
        let (cross, square) = (amounts.t().dot(&data), amounts.t().dot(&amounts));
        sweep(&mut parts, &cross, &square);
        let (cross, square) = (parts.dot(&data.t()), parts.dot(&parts.t()));
        let mut turned = amounts.t().to_owned();
        sweep(&mut turned, &cross, &square);
        let fit = turned.dot(&turned.t());
        let error = all - 2.0 * (&turned * &cross).sum() + (&fit * &square).sum();
        amounts = turned.t().to_owned();
        if (before - error).abs() < 1e-6 * all {
            break;
        }
        before = error;
    }
    Ok((parts, amounts))
}

/// One pass over the rows of `of`, each solved with the others held.
fn sweep(of: &mut Array2<f64>, cross: &Array2<f64>, square: &Array2<f64>) {
    for c in 0..of.nrows() {
        let step = (&cross.row(c) - &square.row(c).dot(of)) / square[[c, c]].max(1e-300);
        let mut row = of.row_mut(c);
        row.zip_mut_with(&step, |v, s| *v = (*v + s).max(0.0));
    }
}
