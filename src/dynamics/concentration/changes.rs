//! Sudden changes of a level.

use super::level::{Fitted, Level};
use crate::simulate::{normal, poisson};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A sudden change: the index of the first value after it, by how much, and its p-value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Jump {
    pub at: usize,
    pub size: f64,
    pub p: f64,
    /// First and last index that it may have happened at (95 %).
    pub between: (usize, usize),
}

/// Adds the most significant jump to the model as long as its p-value is at most `alpha`. The p-value is that of the
/// largest gain in likelihood of all times under the fitted model without the jump, from `draws` simulations of it: trends and wander
/// are no jumps, and a series without a jump shows one with a probability of `alpha`.
pub(super) fn jumps(mut level: Level, alpha: f64, draws: usize, seed: u64) -> (Level, Vec<Jump>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut found = vec![];
    while found.len() < 20 && level.len() > 4 + 2 * found.len() {
        let Some(fitted) = level.fit() else { break };
        let gains = level.gains();
        let Some((at, top)) = largest(&gains, level.jumps()) else { break };
        let beyond = (0..draws).filter(|_| simulated_top(&level, &fitted, &mut rng) >= top).count();
        let p = (beyond + 1) as f64 / (draws + 1) as f64;
        if p > alpha {
            break;
        }
        let likely = |i: &usize| gains[*i] >= top - 3.0;
        let first = (0..=at).rev().take_while(likely).last().unwrap_or(at);
        let last = (at..gains.len()).take_while(likely).last().unwrap_or(at);
        level = level.with_jump(at);
        found.push(Jump { at: at + 1, size: 0.0, p, between: (first + 1, last + 1) });
    }
    if let Some(fitted) = level.fit() {
        for (jump, size) in found.iter_mut().zip(&fitted.values[1..]) {
            jump.size = *size;
        }
    }
    found.sort_by_key(|j| j.at);
    (level, found)
}

fn largest(gains: &[f64], taken: &[usize]) -> Option<(usize, f64)> {
    let free = (0..gains.len()).filter(|i| !taken.contains(i));
    free.map(|i| (i, gains[i])).max_by(|a, b| a.1.total_cmp(&b.1)).filter(|top| top.1.is_finite())
}

/// The largest gain in a series that the model makes.
fn simulated_top(level: &Level, fitted: &Fitted, rng: &mut ChaCha8Rng) -> f64 {
    let scale = fitted.scale;
    let noise: Vec<f64> = level.noise().iter().map(|v| f64::from(normal(rng)) * (scale * v).sqrt()).collect();
    let wander = |i: usize, rng: &mut ChaCha8Rng| pieces(scale * level.wander(fitted.ratio, i), level.unit(), rng);
    let steps = (0..level.len()).map(|i| noise[i + 1] - noise[i] + wander(i, rng)).collect();
    let drawn = level.like(steps);
    largest(&drawn.gains(), level.jumps()).map_or(0.0, |top| top.1)
}

/// Wander of this variance in whole units, as many up as down: what comes and goes is whole defects, and where few do, a
/// single one is no sudden change.
fn pieces(variance: f64, unit: f64, rng: &mut ChaCha8Rng) -> f64 {
    let mean = 0.5 * variance / (unit * unit);
    if mean > 20.0 {
        return f64::from(normal(rng)) * variance.sqrt();
    }
    unit * (poisson(mean, rng) - poisson(mean, rng))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    fn series(n: usize, seed: u64, mean: impl Fn(usize) -> f64, wander: f64) -> Level {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut walk = 0.0;
        let y: Vec<f64> = (0..n)
            .map(|i| {
                walk += wander * f64::from(normal(&mut rng));
                poisson((mean(i) + walk).max(0.1), &mut rng)
            })
            .collect();
        let times: Vec<f64> = (0..n).map(|i| i as f64).collect();
        let average = y.iter().sum::<f64>() / n as f64;
        Level::new(&y, &times, &vec![average; n], 1.0)
    }

    /// 5 % of the series without a jump may show one; of 80, 10 would be three standard deviations too many.
    #[test]
    fn trends_and_wander_are_no_jumps() {
        for (slope, wander) in [(0.0, 0.0), (0.4, 0.0), (0.1, 1.5)] {
            let shows = |seed: &u64| {
                let level = series(60, *seed, |i| 20.0 + slope * i as f64, wander);
                !jumps(level, 0.05, 39, *seed).1.is_empty()
            };
            let count = (0..80).filter(shows).count();
            assert!(count <= 10, "{count} of 80 with slope {slope}, wander {wander}");
        }
    }

    #[test]
    fn a_jump_is_found_where_it_is() {
        let (mut found, mut inside) = (0, 0);
        for seed in 0..40 {
            let level = series(60, 1000 + seed, |i| if i < 35 { 15.0 } else { 32.0 }, 0.0);
            let (_, all) = jumps(level, 0.05, 39, seed);
            if let Some(jump) = all.iter().find(|j| j.at.abs_diff(35) <= 5) {
                found += 1;
                inside += usize::from((jump.between.0..=jump.between.1).contains(&35));
                assert!(jump.size > 5.0, "{jump:?}");
            }
        }
        assert!(found >= 36, "{found} of 40 found");
        assert!(inside * 100 >= found * 88, "{inside} of {found} intervals hold the frame");
    }

    /// 95 % intervals of the rate, whether the level only drifts or wanders as well: at least 90 % of 200 (97.5 % limit of a
    /// binomial count with 0.95 is 184; the wander's size is estimated).
    #[test]
    fn intervals_of_the_rate_hold_it() {
        for wander in [0.0, 1.0, 3.0] {
            let holds = |seed: &u64| {
                let (_, low, high) = series(60, 5000 + seed, |i| 40.0 + 0.3 * i as f64, wander).rate();
                (low..=high).contains(&0.3)
            };
            let count = (0..200).filter(holds).count();
            assert!(count >= 180, "{count} of 200 with wander {wander}");
        }
    }

    /// A few defects that come, one after the other, and stay: none of them is a sudden change.
    #[test]
    fn single_defects_that_come_are_no_jumps() {
        let shows = |seed: &u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(*seed);
            let mut level = 0.0;
            let y: Vec<f64> = (0..40)
                .map(|_| {
                    level += f64::from(u8::from(rng.r#gen::<f64>() < 0.06));
                    level
                })
                .collect();
            let times: Vec<f64> = (0..40).map(f64::from).collect();
            level > 0.0 && !jumps(Level::new(&y, &times, &[1.0; 40], 1.0), 0.05, 39, *seed).1.is_empty()
        };
        let count = (0..80).filter(shows).count();
        assert!(count <= 10, "{count} of 80");
    }
}
