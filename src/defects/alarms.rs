//! How many detections noise alone gives.

use serde::{Deserialize, Serialize};

/// What a detector found in surrogate frames of one kind, which look like the movie's but hold no defect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// How the frames were made: `noise`, `sites` or `simulated`.
    pub kind: String,
    /// Detections in each.
    pub detections: Vec<u32>,
}

/// How many detections a frame without defects gives: by kind of surrogate frame.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct FalseAlarms {
    /// One for each kind.
    pub kinds: Vec<Alarm>,
}

impl Alarm {
    fn total(&self) -> u32 {
        self.detections.iter().sum()
    }

    /// Mean number of detections in a frame.
    #[must_use]
    pub fn per_frame(&self) -> f64 {
        f64::from(self.total()) / self.detections.len().max(1) as f64
    }

    /// 95 % interval of the mean, if detections are Poisson (Garwood, Biometrika 28, 437, 1936).
    #[must_use]
    pub fn interval(&self) -> (f64, f64) {
        let (low, high) = poisson_interval(self.total());
        let n = self.detections.len().max(1) as f64;
        (low / n, high / n)
    }
}

impl FalseAlarms {
    /// The kind of frame that gives most: the estimate to go by, where it is better to believe too little.
    #[must_use]
    pub fn worst(&self) -> Option<&Alarm> {
        self.kinds.iter().max_by(|a, b| a.per_frame().total_cmp(&b.per_frame()))
    }

    /// The kind that gives fewest, where that contradicts the one that gives most: their intervals have nothing in common.
    #[must_use]
    pub fn contradicted(&self) -> Option<&Alarm> {
        let least = self.kinds.iter().min_by(|a, b| a.per_frame().total_cmp(&b.per_frame()))?;
        (least.interval().1 < self.worst()?.interval().0).then_some(least)
    }

    /// Detections that noise alone gives in a frame, by the kind of surrogate frame that gives most.
    #[must_use]
    pub fn per_frame(&self) -> f64 {
        self.worst().map_or(0.0, Alarm::per_frame)
    }
}

impl std::fmt::Display for FalseAlarms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(worst) = self.worst() else {
            return write!(f, "What noise alone gives was not counted");
        };
        let (low, high) = worst.interval();
        match self.contradicted() {
            Some(least) => write!(f, "Noise alone: about {:.1} to {:.1} a frame", least.per_frame(), worst.per_frame()),
            None => write!(f, "Noise alone: about {:.1} a frame ({low:.1} to {high:.1})", worst.per_frame()),
        }
    }
}

impl std::fmt::Debug for FalseAlarms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")?;
        for (i, kind) in self.kinds.iter().enumerate() {
            let (low, high) = kind.interval();
            let words = match kind.kind.as_str() {
                "noise" => "the lattice with noise of the same spectrum",
                "sites" => "the lattice with its cells' remainders drawn anew",
                "simulated" => "perfect crystals, simulated",
                other => other,
            };
            let before = if i == 0 { ": " } else { "; " };
            write!(
                f,
                "{before}{words}: {:.1} ({low:.1} to {high:.1}) in {} frames",
                kind.per_frame(),
                kind.detections.len()
            )?;
        }
        Ok(())
    }
}

/// Exact 95 % interval of the mean of a Poisson variable that was seen to be `count`.
pub(crate) fn poisson_interval(count: u32) -> (f64, f64) {
    // P(X <= count), summed from the largest term's side by recurrence.
    let below = |mean: f64, count: u32| {
        let mut term = (-mean).exp();
        (1..=count).fold(term, |sum, i| {
            term *= mean / f64::from(i);
            sum + term
        })
    };
    let solve = |target: f64, count: u32| {
        // Six standard deviations and more beyond the count lie outside any 95 % interval.
        let (mut low, mut high) = (0.0, f64::from(count) + 10.0 + 6.0 * f64::from(count).sqrt());
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if below(middle, count) > target { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    };
    // exp(-mean) vanishes beyond 700: there the Gaussian interval is as good.
    if count > 400 {
        let n = f64::from(count);
        return (n - 1.96 * n.sqrt(), n + 1.96 * n.sqrt());
    }
    (if count == 0 { 0.0 } else { solve(0.975, count - 1) }, solve(0.025, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the tabulated interval (Garwood 1936; R's `poisson.test`): 0: 0 to 3.689, 1: 0.0253 to 5.572, 10: 4.795 to
    /// 18.390, 100: 81.36 to 121.63.
    #[test]
    fn intervals_are_garwoods() {
        for (count, low, high) in [(0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.390), (100, 81.36, 121.63)] {
            let found = poisson_interval(count);
            assert!((found.0 - low).abs() < 6e-3 && (found.1 - high).abs() < 6e-3, "{count}: {found:?}");
        }
        let (low, high) = poisson_interval(401);
        let (before, after) = poisson_interval(400);
        assert!((low - before - 1.0).abs() < 2.0 && (high - after - 1.0).abs() < 2.0, "{low} {high} {before} {after}");
    }

    #[test]
    fn the_worst_kind_speaks() {
        let kind = |kind: &str, detections: &[u32]| Alarm { kind: kind.into(), detections: detections.to_vec() };
        let alarms = FalseAlarms { kinds: vec![kind("noise", &[0, 1, 0]), kind("sites", &[1, 2, 0])] };
        assert_eq!(alarms.per_frame(), 1.0);
        assert!(alarms.to_string().starts_with("Noise alone: about 1.0 a frame (0.2 to 2.9)"), "{alarms}");
        assert!(format!("{alarms:?}").contains("0.3 (0.0 to 1.9) in 3 frames"), "{alarms:?}");
        let apart = FalseAlarms { kinds: vec![kind("noise", &[20, 30]), kind("sites", &[6, 5])] };
        assert_eq!(apart.to_string(), "Noise alone: about 5.5 to 25.0 a frame");
    }
}
