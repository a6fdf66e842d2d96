//! Intervals of counts.

use super::Concentration;
use crate::detect::Interval;
use crate::dynamics::sightings::{self, Unit};
use crate::dynamics::statistics::{Z95, poisson_interval, quantile};
use crate::error::Result;
use polars::prelude::DataFrame;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(super) fn poisson(count: f64) -> (f64, f64) {
    poisson_interval(count)
}

/// What was seen, times the precision, over the recall. Relative errors of the three add in squares.
pub(super) fn corrected(seen: Interval, recall: Interval, precision: Interval) -> Interval {
    let factor = precision.value / recall.value;
    let value = seen.value * factor;
    if seen.value <= 0.0 {
        return Interval { value, low: 0.0, high: seen.high * precision.high / recall.low };
    }
    let up = |i: Interval| (i.high / i.value).ln();
    let down = |i: Interval| (i.value / i.low).ln();
    // A high count, a high precision, a low recall: more of them.
    let more = up(seen).hypot(up(precision)).hypot(down(recall));
    let low = if seen.low > 0.0 { value * (-down(seen).hypot(down(precision)).hypot(up(recall))).exp() } else { 0.0 };
    Interval { value, low, high: value * more.exp() }
}

/// Squares of the field that are resampled.
pub(super) struct Blocks {
    of_row: Vec<usize>,
    blocks: usize,
    resamples: usize,
    seed: u64,
}

impl Blocks {
    pub(super) fn of(table: &DataFrame, options: &Concentration) -> Result<Blocks> {
        let unit = if table.column("y_px").is_ok() { Unit::Px } else { Unit::Nm };
        let at = sightings::places(table, unit)?;
        let n = options.blocks;
        let fold = |axis: usize, start: f64, f: fn(f64, f64) -> f64| at.iter().map(|p| p[axis]).fold(start, f);
        let low = [0, 1].map(|a| fold(a, f64::INFINITY, f64::min));
        let high = [0, 1].map(|a| fold(a, f64::NEG_INFINITY, f64::max));
        let along = |v: f64, a: usize| {
            ((n as f64 * (v - low[a]) / (high[a] - low[a]).max(f64::MIN_POSITIVE)) as usize).min(n - 1)
        };
        let of_row = at.iter().map(|p| along(p[0], 0) * n + along(p[1], 1)).collect();
        Ok(Blocks { of_row, blocks: n * n, resamples: options.resamples, seed: options.seed })
    }

    /// Percentiles of the sum over squares drawn with replacement, spread by √(B / (B - 1)), which resampling lacks.
    pub(super) fn interval(&self, rows: &[usize], frame: u32) -> (f64, f64) {
        let mut counts = vec![0.0; self.blocks];
        rows.iter().for_each(|&row| counts[self.of_row[row]] += 1.0);
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(u64::from(frame));
        let mut draw = || (0..self.blocks).map(|_| counts[rng.gen_range(0..self.blocks)]).sum::<f64>();
        let mut sums: Vec<f64> = (0..self.resamples).map(|_| draw()).collect();
        let n = rows.len() as f64;
        let spread = (self.blocks as f64 / (self.blocks as f64 - 1.0)).sqrt();
        let mut at = |p: f64| (n + spread * (quantile(&mut sums, p) - n)).max(0.0);
        (at(0.025), at(0.975))
    }
}

/// Relative standard deviation that an interval stands for.
pub(super) fn deviation(interval: Interval) -> f64 {
    (interval.high - interval.low) / (2.0 * Z95)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(value: f64, low: f64, high: f64) -> Interval {
        Interval { value, low, high }
    }

    #[test]
    fn what_is_missed_is_added_and_what_is_false_taken_away() {
        let sure = interval(0.5, 0.5, 0.5);
        let found = corrected(interval(40.0, 30.0, 52.0), sure, interval(0.8, 0.8, 0.8));
        assert!(
            (found.value - 64.0).abs() < 1e-9 && (found.low - 48.0).abs() < 1e-9 && (found.high - 83.2).abs() < 1e-9
        );
        let wide = corrected(interval(40.0, 30.0, 52.0), interval(0.5, 0.4, 0.6), interval(0.8, 0.7, 0.9));
        assert!(wide.low < found.low && wide.high > found.high);
        let none = corrected(interval(0.0, 0.0, 3.7), sure, sure);
        assert_eq!((none.value, none.low, none.high), (0.0, 0.0, 3.7));
    }
}
