//! Hops from site to site: how often, and where to.

use super::sites::Net;
use crate::detect::Interval;
use crate::dynamics::path::Path;
use crate::dynamics::statistics::{Z95, poisson_interval, weighted_poisson_interval};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One hop: a track at another site than before.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// Which track.
    pub track: u32,
    /// Of which kind.
    pub kind: String,
    /// Frame in which it was last seen at the site that it left.
    pub from_frame: u32,
    /// Frame in which it is at the new site.
    pub frame: u32,
    /// Lattice vectors that it moved by.
    pub cells: [i32; 2],
    /// The same in nm, along y (down) and x.
    pub vector_nm: [f64; 2],
}

/// Hops along one of the shortest steps of the lattice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Direction {
    /// Lattice vectors.
    pub cells: [i32; 2],
    /// Degrees from the x axis, anticlockwise as the image is seen.
    pub angle_deg: f64,
    /// How many.
    pub hops: usize,
    /// Per second, for one defect, with its 95 % interval.
    pub per_s: Interval,
}

/// How often defects of one kind hop, and where to.
#[derive(Clone, Debug, PartialEq)]
pub struct HopRates {
    /// Which kind.
    pub kind: String,
    /// Tracks that were watched, and for how long in all.
    pub tracks: usize,
    /// Seconds, over all tracks, from a frame to the next.
    pub watched_s: f64,
    /// Times that a track was at another site in the next frame.
    pub hops: usize,
    /// Hops per second of one defect, with its 95 % interval. A hop by √3 steps counts as three: that is how many it takes
    /// on average, so that several hops within a frame are not lost.
    pub per_s: Interval,
    /// Diffusion coefficient of such hops, a quarter of rate times step squared, in nm²/s.
    pub d_nm2_s: Interval,
    /// By direction.
    pub directions: Vec<Direction>,
    /// Hops that led farther than to a neighbouring site.
    pub farther: usize,
    /// Probability of directions as unequal as these where all are equally likely.
    pub bias_p: f64,
    /// Mean velocity along y (down) and x, in nm/s.
    pub drift_nm_s: [Interval; 2],
    /// Hops that the next frame takes back. Where these are most of them, positions are too uncertain for the lattice.
    pub back: usize,
    /// Standard deviation of positions about their sites along one axis, in nm.
    pub error_nm: f64,
}

/// Sums over the tracks of one kind.
pub(super) fn rates(kind: &str, paths: &[&Path], net: &Net, draws: usize, seed: u64) -> (HopRates, Vec<Hop>) {
    let mut all = vec![];
    let (mut watched, mut hops, mut farther, mut back) = (0.0, 0, 0, 0);
    let (mut squares, mut fourths) = (0.0, 0.0);
    let mut along = vec![0_usize; net.nearest.len()];
    let (mut sum, mut sum2) = ([0.0; 2], [0.0; 2]);
    let (mut rest, mut positions) = (0.0, 0.0);
    for path in paths {
        let (sites, far) = net.sites(path);
        rest += far;
        positions += (sites.len() as f64 - 1.0).max(0.0);
        let mut before: Option<[i32; 2]> = None;
        for (i, pair) in sites.windows(2).enumerate() {
            let cells = [pair[1][0] - pair[0][0], pair[1][1] - pair[0][1]];
            let vector_nm = net.vector(cells);
            let next = path.frames[i + 1] - path.frames[i] == 1;
            if cells != [0, 0] {
                let (from_frame, frame) = (path.frames[i], path.frames[i + 1]);
                all.push(Hop { track: path.track, kind: kind.into(), from_frame, frame, cells, vector_nm });
            }
            // Across gaps it is not known how often it hopped.
            if next {
                watched += path.times_s[i + 1] - path.times_s[i];
                let square = (vector_nm[0] * vector_nm[0] + vector_nm[1] * vector_nm[1]) / (net.step_nm * net.step_nm);
                (squares, fourths) = (squares + square, fourths + square * square);
                for axis in 0..2 {
                    sum[axis] += vector_nm[axis];
                    sum2[axis] += vector_nm[axis] * vector_nm[axis];
                }
                if cells != [0, 0] {
                    hops += 1;
                    match net.nearest.iter().position(|n| *n == cells) {
                        Some(direction) => along[direction] += 1,
                        None => farther += 1,
                    }
                    back += usize::from(before == Some([-cells[0], -cells[1]]));
                }
            }
            before = next.then_some(cells);
        }
    }
    let per =
        |value: f64, (low, high): (f64, f64), by: f64| Interval { value: value * by, low: low * by, high: high * by };
    let each = 1.0 / watched.max(f64::MIN_POSITIVE);
    let total = weighted_poisson_interval(squares, fourths);
    let of = |(cells, &n): (&[i32; 2], &usize)| Direction {
        cells: *cells,
        angle_deg: net.angle_deg(*cells),
        hops: n,
        per_s: per(n as f64, poisson_interval(n as f64), each),
    };
    let velocity = |axis: usize| {
        let half = Z95 * sum2[axis].sqrt();
        per(sum[axis], (sum[axis] - half, sum[axis] + half), each)
    };
    let rates = HopRates {
        kind: kind.into(),
        tracks: paths.iter().filter(|p| p.frames.windows(2).any(|w| w[1] == w[0] + 1)).count(),
        watched_s: watched,
        hops,
        per_s: per(squares, total, each),
        d_nm2_s: per(squares, total, each * net.step_nm * net.step_nm / 4.0),
        directions: net.nearest.iter().zip(&along).map(of).collect(),
        farther,
        bias_p: bias(&along, draws, seed),
        drift_nm_s: [velocity(0), velocity(1)],
        back,
        error_nm: if positions > 0.0 { (rest / (2.0 * positions)).sqrt() } else { f64::NAN },
    };
    (rates, all)
}

/// Pearson's test of equal directions, its probability from multinomial draws: exact with few hops as well.
fn bias(counts: &[usize], draws: usize, seed: u64) -> f64 {
    let n: usize = counts.iter().sum();
    if n == 0 {
        return 1.0;
    }
    let squares = |counts: &[usize]| counts.iter().map(|c| c * c).sum::<usize>();
    let seen = squares(counts);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = || {
        let mut drawn = vec![0; counts.len()];
        (0..n).for_each(|_| drawn[rng.gen_range(0..counts.len())] += 1);
        squares(&drawn)
    };
    let beyond = (0..draws).filter(|_| draw() >= seen).count();
    (beyond + 1) as f64 / (draws + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::super::tests::normal;
    use super::*;

    const BASIS: [[f64; 2]; 2] = [[0.0, 0.3155], [0.273_231, 0.157_75]];

    /// Tracks that hop with a rate a frame, towards some directions more than others.
    fn hopping(rng: &mut ChaCha8Rng, tracks: usize, frames: usize, per_frame: f64, weights: &[f64; 6]) -> Vec<Path> {
        let net = Net::new(BASIS).unwrap();
        let total: f64 = weights.iter().sum();
        (0..tracks)
            .map(|_| {
                let (mut at, mut clock) = ([rng.gen_range(0.0..9.0), rng.gen_range(0.0..9.0)], 0.0);
                let mut next = -rng.r#gen::<f64>().ln() / per_frame;
                let places = (0..frames)
                    .map(|_| {
                        while next < clock {
                            let mut draw = rng.r#gen::<f64>() * total;
                            let to = weights.iter().position(|w| {
                                draw -= w;
                                draw < 0.0
                            });
                            let step = net.vector(net.nearest[to.unwrap_or(5)]);
                            at = [at[0] + step[0], at[1] + step[1]];
                            next -= rng.r#gen::<f64>().ln() / per_frame;
                        }
                        clock += 1.0;
                        [at[0] + 0.03 * normal(rng), at[1] + 0.03 * normal(rng)]
                    })
                    .collect();
                Path::regular(places, 5.0)
            })
            .collect()
    }

    #[test]
    fn a_hexagonal_lattice_has_six_directions() {
        let net = Net::new(BASIS).unwrap();
        let angles: Vec<f64> = net.nearest.iter().map(|c| net.angle_deg(*c)).collect();
        for (angle, known) in angles.iter().zip([0.0, 60.0, 120.0, 180.0, 240.0, 300.0]) {
            assert!((angle - known).abs() < 0.01, "{angles:?}");
        }
        assert!((net.step_nm - 0.3155).abs() < 1e-6);
        assert!(Net::new([[1.0, 0.0], [2.0, 0.0]]).is_err());
    }

    /// Intervals of 200 sets, at the two rates that the simulations use: 182 is three standard deviations below 190, and two
    /// hops of a frame that lead back do no harm.
    #[test]
    fn rates_and_bias_are_what_was_planted() {
        let even = [1.0; 6];
        for rate in [0.02, 0.15] {
            let (mut inside, mut biased) = (0, 0);
            for seed in 0..200 {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let paths = hopping(&mut rng, 20, 50, rate, &even);
                let net = Net::new(BASIS).unwrap();
                let (found, hops) = rates("V_S", &paths.iter().collect::<Vec<_>>(), &net, 199, seed);
                inside += usize::from((found.per_s.low..=found.per_s.high).contains(&(rate / 5.0)));
                biased += usize::from(found.bias_p <= 0.05);
                assert_eq!(hops.len(), found.hops);
                assert!((found.error_nm / 0.03 - 1.0).abs() < 0.1, "{}", found.error_nm);
            }
            assert!(inside >= 182, "{inside} of 200 intervals at {rate} a frame");
            assert!(biased <= 20, "{biased} of 200 are called biased at {rate} a frame");
        }
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let paths = hopping(&mut rng, 40, 50, 0.1, &[4.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        let net = Net::new(BASIS).unwrap();
        let (found, _) = rates("V_S", &paths.iter().collect::<Vec<_>>(), &net, 999, 1);
        assert!(found.bias_p <= 0.01 && found.drift_nm_s[1].low > 0.0, "{found:?}");
        let most = found.directions.iter().max_by_key(|d| d.hops).unwrap();
        assert!(most.angle_deg.abs() < 0.01, "{most:?}");
    }
}
