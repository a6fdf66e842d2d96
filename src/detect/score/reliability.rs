//! Whether probabilities are what they say.

use crate::error::Result;
use polars::prelude::{DataFrame, NamedFrom, Series};

const BINS: usize = 10;

/// Detections of similar probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReliabilityBin {
    /// Lower end of the range of probabilities, a tenth wide.
    pub from: f64,
    /// Mean of the probabilities.
    pub probability: f64,
    /// Fraction of the detections that are true.
    pub observed: f64,
    /// How many detections there are.
    pub detections: usize,
}

/// Detections by probability, with the fraction that is true: a reliability diagram (DeGroot and Fienberg, The Statistician
/// 32, 12, 1983).
#[derive(Clone, Debug, PartialEq)]
pub struct Reliability {
    /// Tenths of the range from 0 to 1 that hold any detection.
    pub bins: Vec<ReliabilityBin>,
    /// Mean difference between probability and what is observed, weighted by the number of detections (expected
    /// calibration error; Guo et al., ICML 2017, equation 3). 0 where there is no detection.
    pub error: f64,
}

impl Reliability {
    /// From probabilities, and whether each was right.
    pub(super) fn of(all: &[(f64, bool)]) -> Reliability {
        let mut sums = [(0_usize, 0.0, 0.0); BINS];
        for &(p, right) in all {
            let bin = &mut sums[((p * BINS as f64) as usize).min(BINS - 1)];
            *bin = (bin.0 + 1, bin.1 + p, bin.2 + f64::from(u8::from(right)));
        }
        let some = sums.iter().enumerate().filter(|(_, s)| s.0 > 0);
        let bins: Vec<ReliabilityBin> = some
            .map(|(i, &(n, probability, observed))| ReliabilityBin {
                from: i as f64 / BINS as f64,
                probability: probability / n as f64,
                observed: observed / n as f64,
                detections: n,
            })
            .collect();
        let off = bins.iter().map(|b| b.detections as f64 * (b.probability - b.observed).abs()).sum::<f64>();
        Reliability { bins, error: off / all.len().max(1) as f64 }
    }

    /// A row for each bin: `from`, `probability`, `observed` f64, `detections` u32.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let of = |pick: &dyn Fn(&ReliabilityBin) -> f64| self.bins.iter().map(pick).collect::<Vec<_>>();
        let columns = vec![
            Series::new("from".into(), of(&|b| b.from)).into(),
            Series::new("probability".into(), of(&|b| b.probability)).into(),
            Series::new("observed".into(), of(&|b| b.observed)).into(),
            Series::new("detections".into(), self.bins.iter().map(|b| b.detections as u32).collect::<Vec<_>>()).into(),
        ];
        Ok(DataFrame::new(self.bins.len(), columns)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two of three at 0.65, one of one at 0.95: |0.65 - 2/3| x 3/4 + 0.05 / 4.
    #[test]
    fn a_case_by_hand() {
        let found = Reliability::of(&[(0.65, true), (0.65, false), (0.65, true), (0.95, true)]);
        assert!((found.error - (0.75 * (2.0 / 3.0 - 0.65) + 0.25 * 0.05)).abs() < 1e-12, "{found:?}");
        assert_eq!(found.bins.len(), 2);
        assert_eq!(Reliability::of(&[]).error, 0.0);
        assert_eq!(Reliability::of(&[(1.0, true)]).bins[0].from, 0.9);
    }

    proptest! {
        /// The error is between 0 and 1, no detection is lost, and it is at least the whole sample's own difference.
        #[test]
        fn errors_are_bounded(all in prop::collection::vec((0.0_f64..=1.0, any::<bool>()), 1..200)) {
            let found = Reliability::of(&all);
            prop_assert_eq!(found.bins.iter().map(|b| b.detections).sum::<usize>(), all.len());
            let n = all.len() as f64;
            let whole = all.iter().map(|(p, right)| p - f64::from(u8::from(*right))).sum::<f64>() / n;
            prop_assert!(found.error <= 1.0 && found.error >= whole.abs() - 1e-9);
        }
    }
}
