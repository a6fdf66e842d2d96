//! Forward-backward of many tracks: four at a time, side by side, so that one instruction does the same for several.

use super::fast::exp;
use super::forward::{LEAST, Smoothed, Steps, forward_backward, in_logarithms};
use crate::error::Result;
use crate::progress::stop_if_asked;
use ndarray::{Array2, ArrayView2};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

/// Tracks that are read together.
const LANES: usize = 4;

/// The same number of each of the tracks.
type Lanes = [f64; LANES];

/// [`forward_backward`] of many tracks by all threads, in their order; none for a track of which no path has a probability.
///
/// # Errors
/// If the user stops it.
pub(crate) fn forward_backward_all(
    steps: &Steps,
    tracks: &[ArrayView2<f64>],
    moves: bool,
    doing: &str,
) -> Result<Vec<Option<Smoothed>>> {
    // Tracks of like lengths go together: what the others are longer is done for nothing.
    let mut order: Vec<usize> = (0..tracks.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(tracks[i].nrows()));
    let groups = order.chunks(LANES).collect::<Vec<_>>();
    let read = |group: &&[usize]| -> Result<Vec<Option<Smoothed>>> {
        stop_if_asked(doing)?;
        let views: Vec<ArrayView2<f64>> = group.iter().map(|&i| tracks[i]).collect();
        Ok(together(steps, &views, moves))
    };
    let done = groups.into_par_iter().map(|g| read(&g)).collect::<Result<Vec<_>>>()?;
    let mut all: Vec<Option<Smoothed>> = tracks.iter().map(|_| None).collect();
    order.into_iter().zip(done.into_iter().flatten()).for_each(|(i, found)| all[i] = found);
    Ok(all)
}

/// Up to four tracks, by the widest registers that the processor has; the numbers are the same to the last bit.
fn together(steps: &Steps, tracks: &[ArrayView2<f64>], moves: bool) -> Vec<Option<Smoothed>> {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn wide(steps: &Steps, tracks: &[ArrayView2<f64>], moves: bool) -> Vec<Option<Smoothed>> {
            by_states(steps, tracks, moves)
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has what the function was compiled for.
            return unsafe { wide(steps, tracks, moves) };
        }
    }
    by_states(steps, tracks, moves)
}

/// With the number of states known to the compiler, its loops have no ends to look for.
#[inline(always)]
fn by_states(steps: &Steps, tracks: &[ArrayView2<f64>], moves: bool) -> Vec<Option<Smoothed>> {
    match steps.start.len() {
        2 => fixed::<2>(steps, tracks, moves),
        3 => fixed::<3>(steps, tracks, moves),
        4 => fixed::<4>(steps, tracks, moves),
        5 => fixed::<5>(steps, tracks, moves),
        6 => fixed::<6>(steps, tracks, moves),
        7 => fixed::<7>(steps, tracks, moves),
        8 => fixed::<8>(steps, tracks, moves),
        9 => fixed::<9>(steps, tracks, moves),
        10 => fixed::<10>(steps, tracks, moves),
        12 => fixed::<12>(steps, tracks, moves),
        19 => fixed::<19>(steps, tracks, moves),
        _ => tracks.iter().map(|log| forward_backward(steps, *log, moves)).collect(),
    }
}

/// `a + b c` in each lane.
#[inline(always)]
fn add(a: &mut Lanes, b: &Lanes, c: &Lanes) {
    for l in 0..LANES {
        a[l] += b[l] * c[l];
    }
}

#[inline(always)]
fn fixed<const N: usize>(steps: &Steps, tracks: &[ArrayView2<f64>], moves: bool) -> Vec<Option<Smoothed>> {
    let frames = tracks.iter().map(ArrayView2::nrows).max().unwrap_or(0);
    let length: [usize; LANES] = std::array::from_fn(|l| tracks.get(l).map_or(0, ArrayView2::nrows));
    let mut p = [[[0.0; LANES]; N]; N];
    for (i, row) in p.iter_mut().enumerate() {
        for (j, to) in row.iter_mut().enumerate() {
            *to = [steps.transition[i * N + j]; LANES];
        }
    }
    let mut seen = vec![[[1.0; LANES]; N]; frames];
    let mut sum = [0.0; LANES];
    for (l, log) in tracks.iter().enumerate() {
        sum[l] = gather(log, l, &mut seen);
    }
    for states in &mut seen {
        for lanes in states {
            for value in lanes {
                *value = exp(*value);
            }
        }
    }
    let mut forward = vec![[[0.0; LANES]; N]; frames];
    let mut scale = vec![[0.0; LANES]; frames];
    let mut product = [1.0_f64; LANES];
    let mut fails = [false; LANES];
    // Each frame's numbers are divided by the sum of the frame before: so no frame waits for its own.
    let (mut here, mut by) = ([[0.0; LANES]; N], [1.0; LANES]);
    for t in 0..frames {
        let mut next = [[0.0; LANES]; N];
        if t == 0 {
            (0..N).for_each(|s| next[s] = [steps.start[s]; LANES]);
        } else {
            for i in 0..N {
                for j in 0..N {
                    add(&mut next[j], &here[i], &p[i][j]);
                }
            }
        }
        let mut total = [0.0; LANES];
        for s in 0..N {
            for l in 0..LANES {
                next[s][l] *= seen[t][s][l] * by[l];
                total[l] += next[s][l];
            }
        }
        let mut small = false;
        for l in 0..LANES {
            let live = t < length[l];
            fails[l] |= live && (total[l].is_nan() || total[l] < LEAST);
            by[l] = 1.0 / total[l];
            product[l] *= if live { total[l] } else { 1.0 };
            small |= product[l] < 1e-100;
        }
        here = next;
        (forward[t], scale[t]) = (here, by);
        // One logarithm for many frames.
        if small {
            for l in 0..LANES {
                sum[l] += libm::log(product[l]);
                product[l] = 1.0;
            }
        }
    }
    (0..LANES).for_each(|l| sum[l] += libm::log(product[l]));
    let mut expected = [[[0.0; LANES]; N]; N];
    let mut backward = [[1.0; LANES]; N];
    for t in (0..frames).rev() {
        if t + 1 < frames {
            let mut weighted = [[0.0; LANES]; N];
            for s in 0..N {
                for l in 0..LANES {
                    weighted[s][l] = (seen[t + 1][s][l] * scale[t + 1][l]) * backward[s][l];
                }
            }
            backward = [[0.0; LANES]; N];
            for i in 0..N {
                for j in 0..N {
                    add(&mut backward[i], &p[i][j], &weighted[j]);
                }
            }
            // Beyond the end of a track nothing is known.
            for l in (0..LANES).filter(|&l| t + 1 >= length[l]) {
                (0..N).for_each(|s| (backward[s][l], weighted[s][l]) = (1.0, 0.0));
            }
            if moves {
                (0..N).for_each(|s| (0..LANES).for_each(|l| weighted[s][l] *= scale[t][l]));
                for i in 0..N {
                    for j in 0..N {
                        add(&mut expected[i][j], &forward[t][i], &weighted[j]);
                    }
                }
            }
        }
        let mut total = [0.0; LANES];
        for s in 0..N {
            for l in 0..LANES {
                forward[t][s][l] *= backward[s][l];
                total[l] += forward[t][s][l];
            }
        }
        for l in 0..LANES {
            fails[l] |= t < length[l] && (total[l].is_nan() || total[l] <= LEAST);
            let by = 1.0 / total[l];
            (0..N).for_each(|s| forward[t][s][l] *= by);
        }
    }
    let result = |(l, log): (usize, &ArrayView2<f64>)| {
        if fails[l] || !sum[l].is_finite() {
            return in_logarithms(steps, *log, moves);
        }
        let mut values = vec![0.0; length[l] * N];
        for (to, row) in values.as_chunks_mut::<N>().0.iter_mut().zip(&forward) {
            *to = std::array::from_fn(|s| row[s][l]);
        }
        let states = Array2::from_shape_vec((length[l], N), values).ok()?;
        let rows = if moves { N } else { 0 };
        let moves = Array2::from_shape_fn((rows, N), |(i, j)| expected[i][j][l] * steps.transition[i * N + j]);
        Some(Smoothed { log_likelihood: sum[l], states, moves })
    };
    tracks.iter().enumerate().map(result).collect()
}

/// Puts a track's logarithms into its lane, less each frame's largest; gives the sum of those.
#[inline(always)]
fn gather<const N: usize>(log: &ArrayView2<f64>, lane: usize, into: &mut [[Lanes; N]]) -> f64 {
    let whole = log.as_standard_layout();
    let (rows, _) = whole.as_slice().unwrap_or(&[]).as_chunks::<N>();
    let mut sum = 0.0;
    for (row, into) in rows.iter().zip(&mut *into) {
        let mut most = row[0];
        for &l in &row[1..] {
            most = if l > most { l } else { most };
        }
        sum += most;
        for s in 0..N {
            into[s][lane] = row[s] - most;
        }
    }
    // What is done for nothing must at least be numbers.
    for beyond in into.iter_mut().skip(rows.len()) {
        (0..N).for_each(|s| beyond[s][lane] = 0.0);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Tracks of unequal lengths, some of them impossible, against one after the other in logarithms.
        #[test]
        fn tracks_side_by_side_are_those_one_by_one(
            lengths in proptest::collection::vec(1..9_usize, 1..11),
            weights in proptest::collection::vec(0.0..1.0_f64, 9),
            log in proptest::collection::vec(-30.0..2.0_f64, 300),
            never in 0..40_usize,
        ) {
            let mut p: Vec<f64> = weights.iter().map(|w| if *w < 0.3 { 0.0 } else { *w }).collect();
            for (i, row) in p.chunks_mut(3).enumerate() {
                row[i] += 0.1;
                let sum: f64 = row.iter().sum();
                row.iter_mut().for_each(|w| *w /= sum);
            }
            let steps = Steps { start: &[0.2, 0.5, 0.3], transition: &p };
            let mut log = log;
            log[3 * never..3 * never + 3].fill(f64::NEG_INFINITY);
            let mut at = 0;
            let tracks: Vec<Array2<f64>> = lengths.iter().map(|&l| {
                at += 3 * l;
                Array2::from_shape_vec((l, 3), log[at - 3 * l..at].to_vec()).unwrap()
            }).collect();
            let views: Vec<ArrayView2<f64>> = tracks.iter().map(Array2::view).collect();
            let fast = forward_backward_all(&steps, &views, true, "testing").unwrap();
            for (found, log) in fast.iter().zip(&views) {
                let slow = in_logarithms(&steps, *log, true);
                prop_assert_eq!(found.is_some(), slow.is_some());
                if let (Some(found), Some(slow)) = (found, slow) {
                    prop_assert!((found.log_likelihood - slow.log_likelihood).abs() < 1e-10);
                    prop_assert!((&found.states - &slow.states).iter().all(|d| d.abs() < 1e-10));
                    prop_assert!((&found.moves - &slow.moves).iter().all(|d| d.abs() < 1e-10));
                }
            }
        }
    }
}
