//! One vacancy that hops: the sums over all of its paths.

use ndarray::{Array2, Array3, ArrayView3, Axis};

/// How one vacancy lives, in one frame interval.
pub(super) struct Life<'a> {
    /// Expected hops of each kind in all six directions together.
    pub hops: &'a [f64],
    /// Chance that a site holds one in the first frame, of each kind.
    pub start: &'a [f64],
    /// Chance that one appears at a site in an interval, of each kind.
    pub appear: &'a [f64],
    /// Chance that one of a kind (row) is of another (column) an interval later; rows sum to less than 1 where it vanishes.
    pub becomes: &'a Array2<f64>,
}

/// Where and when a path must pass: the frame, and the sites.
pub(super) struct Anchor {
    pub frame: usize,
    pub sites: Vec<usize>,
}

/// What all paths together weigh, against there being no vacancy, and where they lie.
pub(super) struct Paths {
    /// Logarithm of the odds that there is one.
    pub log_odds: f64,
    /// Frames, sites, kinds: odds of a path through there, as a fraction of all.
    pub share: Array3<f64>,
}

/// Directions in which a vacancy hops: the rate of one is a sixth of the sum.
const DIRECTIONS: f64 = 6.0;

/// Hops of one interval, as two halves, so that a vacancy can be two sites on in the next frame.
fn spread(f: &mut Array2<f64>, scratch: &mut Array2<f64>, neighbours: &[Vec<usize>], hops: &[f64]) {
    for _ in 0..2 {
        for (site, near) in neighbours.iter().enumerate() {
            for (k, hop) in hops.iter().enumerate() {
                let each = 0.5 * hop / DIRECTIONS;
                let stay = (1.0 - each * near.len() as f64) * f[[site, k]];
                scratch[[site, k]] = stay + each * near.iter().map(|&n| f[[n, k]]).sum::<f64>();
            }
        }
        std::mem::swap(f, scratch);
    }
}

/// Forward and backward sums over all paths of one vacancy that may appear and vanish; `gain` is how much more probable a
/// frame is with it there (a logarithm: frames, sites, kinds).
pub(super) fn paths(life: &Life, gain: ArrayView3<f64>, neighbours: &[Vec<usize>], anchor: Option<&Anchor>) -> Paths {
    let (frames, sites, kinds) = gain.dim();
    // Whatever is more probable than e to 600 is certain, and must stay a number.
    let weight = Array3::from_shape_fn((frames, sites, kinds), |at| libm::exp(gain[at].clamp(-600.0, 600.0)));
    let masked = |frame: usize, f: &mut Array2<f64>| -> bool {
        let Some(a) = anchor.filter(|a| a.frame == frame) else { return false };
        let mut kept = Array2::zeros(f.dim());
        a.sites.iter().for_each(|&s| kept.row_mut(s).assign(&f.row(s)));
        *f = kept;
        true
    };
    // Numbers are kept as fractions of exp(scale). `none`: it has not appeared yet; `gone`: it has vanished.
    let mut forward = Array3::zeros((frames, sites, kinds));
    let mut scales = vec![0.0; frames];
    let (mut f, mut scratch) = (Array2::zeros((sites, kinds)), Array2::zeros((sites, kinds)));
    let (mut none, mut gone, mut scale) = (1.0, 0.0, 0.0_f64);
    #[allow(clippy::needless_range_loop)] // of several arrays
    for t in 0..frames {
        if t == 0 {
            f.rows_mut().into_iter().for_each(|mut row| row.iter_mut().zip(life.start).for_each(|(v, p)| *v = *p));
        } else {
            gone += vanished(&f, life);
            spread(&mut f, &mut scratch, neighbours, life.hops);
            f = f.dot(life.becomes);
            f.rows_mut()
                .into_iter()
                .for_each(|mut row| row.iter_mut().zip(life.appear).for_each(|(v, p)| *v += none * p));
        }
        f *= &weight.index_axis(Axis(0), t);
        if masked(t, &mut f) {
            (none, gone) = (0.0, 0.0);
        }
        let total = f.sum() + gone + none;
        if total > 0.0 {
            f /= total;
            (none, gone, scale) = (none / total, gone / total, scale + libm::log(total));
        }
        scales[t] = scale;
        forward.index_axis_mut(Axis(0), t).assign(&f);
    }
    let log_odds = match anchor {
        Some(_) => scale + libm::log(f.sum() + gone),
        None => scale + libm::log((f.sum() + gone).max(f64::MIN_POSITIVE)),
    };
    let mut share = Array3::zeros((frames, sites, kinds));
    let mut b: Array2<f64> = Array2::ones((sites, kinds));
    let (mut gone, mut back) = (1.0, 0.0_f64);
    for t in (0..frames).rev() {
        let log = scales[t] + back - log_odds;
        let factor = libm::exp(log);
        let here = &forward.index_axis(Axis(0), t) * &b * factor;
        share.index_axis_mut(Axis(0), t).assign(&here);
        if t == 0 {
            break;
        }
        if masked(t, &mut b) {
            gone = 0.0;
        }
        let mut next = &b * &weight.index_axis(Axis(0), t);
        next = next.dot(&life.becomes.t());
        spread(&mut next, &mut scratch, neighbours, life.hops);
        for (k, row) in life.becomes.rows().into_iter().enumerate() {
            let leaves = 1.0 - row.sum();
            next.column_mut(k).mapv_inplace(|v| v + leaves * gone);
        }
        let most = next.iter().copied().fold(gone, f64::max);
        if most > 0.0 {
            next /= most;
            (gone, back) = (gone / most, back + libm::log(most));
        }
        b = next;
    }
    Paths { log_odds, share }
}

/// What of a distribution vanishes in an interval.
fn vanished(f: &Array2<f64>, life: &Life) -> f64 {
    let leaves = life.becomes.rows().into_iter().map(|row| 1.0 - row.sum());
    f.columns().into_iter().zip(leaves).map(|(column, leaves)| column.sum() * leaves).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    /// All paths of one vacancy of one kind on a ring, one after the other: absent (0), at a site (1 to n), gone (n + 1).
    fn slow(life: &Life, gain: &Array3<f64>, neighbours: &[Vec<usize>], anchor: Option<&Anchor>) -> (f64, Array3<f64>) {
        let (frames, n, _) = gain.dim();
        let mut step = Array2::<f64>::zeros((n, n));
        for i in 0..n {
            let mut f = Array2::zeros((n, 1));
            f[[i, 0]] = 1.0;
            spread(&mut f, &mut Array2::zeros((n, 1)), neighbours, life.hops);
            step.row_mut(i).assign(&f.column(0));
        }
        let stays = life.becomes[[0, 0]];
        let move_of = |a: usize, b: usize| match (a, b) {
            (0, 0) => 1.0,
            (0, b) if b <= n => life.appear[0],
            (a, b) if a >= 1 && a <= n && b >= 1 && b <= n => step[[a - 1, b - 1]] * stays,
            (a, b) if a >= 1 && a <= n && b == n + 1 => 1.0 - stays,
            (a, b) if a == n + 1 && b == n + 1 => 1.0,
            _ => 0.0,
        };
        let (mut total, mut share) = (0.0, Array3::zeros(gain.dim()));
        for code in 0..(n + 2).pow(frames as u32) {
            let path: Vec<usize> = (0..frames).map(|t| code / (n + 2).pow(t as u32) % (n + 2)).collect();
            let mut w = match path[0] {
                0 => 1.0,
                s if s <= n => life.start[0],
                _ => 0.0,
            };
            w *= (1..frames).map(|t| move_of(path[t - 1], path[t])).product::<f64>();
            w *= (0..frames)
                .filter(|&t| (1..=n).contains(&path[t]))
                .map(|t| gain[[t, path[t] - 1, 0]].exp())
                .product::<f64>();
            let there = path.iter().any(|s| (1..=n).contains(s));
            let through = anchor.is_none_or(|a| path[a.frame] >= 1 && a.sites.contains(&(path[a.frame] - 1)));
            if there && through {
                total += w;
                (0..frames).filter(|&t| (1..=n).contains(&path[t])).for_each(|t| share[[t, path[t] - 1, 0]] += w);
            }
        }
        (total.ln(), share / total)
    }

    proptest! {
        #[test]
        fn sums_are_those_over_all_paths(gain in proptest::collection::vec(-3.0..3.0_f64, 16), anchored: bool) {
            let gain = Array3::from_shape_vec((4, 4, 1), gain).unwrap();
            let ring: Vec<Vec<usize>> = (0..4).map(|i| vec![(i + 1) % 4, (i + 3) % 4]).collect();
            let becomes = array![[0.9]];
            let life = Life { hops: &[0.6], start: &[0.05], appear: &[0.01], becomes: &becomes };
            let anchor = anchored.then(|| Anchor { frame: 2, sites: vec![1, 2] });
            let (fast, (log_odds, share)) = (paths(&life, gain.view(), &ring, anchor.as_ref()), slow(&life, &gain, &ring, anchor.as_ref()));
            prop_assert!((fast.log_odds - log_odds).abs() < 1e-10, "{} {}", fast.log_odds, log_odds);
            prop_assert!((&fast.share - &share).iter().all(|d| d.abs() < 1e-10), "{} {}", fast.share, share);
        }
    }
}
