//! Which kinds stand on adjacent sites, for all pairs of kinds.

use super::Coupling;
use crate::detect::Interval;
use crate::dynamics::sightings::{self, Groups, Sightings};
use crate::dynamics::statistics::benjamini_hochberg;
use crate::error::Result;
use crate::statistics::holm;
use polars::prelude::{Column, DataFrame, NamedFrom, Series};

/// Two kinds on adjacent sites.
#[derive(Clone, Debug, PartialEq)]
pub struct Adjacency {
    /// One kind.
    pub a: String,
    /// The other.
    pub b: String,
    /// Adjacent pairs seen, over all frames.
    pub seen: f64,
    /// What the null model gives on average.
    pub expected: f64,
    /// Seen over expected, with its 95 % interval.
    pub ratio: Interval,
    /// Probability of a number as far out without coupling.
    pub p: f64,
    /// Corrected for the number of pairs of kinds by Holm.
    pub p_holm: f64,
    /// By Benjamini and Hochberg.
    pub p_bh: f64,
}

/// All pairs of kinds.
#[derive(Clone)]
pub struct CoOccurrence {
    /// One for each pair of kinds that could be adjacent.
    pub pairs: Vec<Adjacency>,
}

impl Coupling {
    /// How often each two kinds stand on adjacent sites, against the null model, corrected for the number of pairs of kinds.
    /// Kinds with themselves are left out where there are no tracks, or names are dealt.
    ///
    /// # Errors
    /// As [`Coupling::between`].
    pub fn co_occurrence(&self, of: &impl Sightings) -> Result<CoOccurrence> {
        self.validate()?;
        let names = Groups::of(of.sightings(), self.by.as_deref())?.names;
        let alone = self.null == super::Null::Shift && sightings::tracks(of.sightings()).is_ok();
        let mut pairs = vec![];
        for (i, a) in names.iter().enumerate() {
            for b in &names[i..] {
                if a == b && !alone {
                    continue;
                }
                let found = self.clone().with_windows(1).between(of, a, b)?.adjacent;
                let (seen, expected, ratio, p) = (found.seen, found.expected, found.ratio, found.p);
                if seen + expected > 0.0 {
                    pairs.push(Adjacency {
                        a: a.clone(),
                        b: b.clone(),
                        seen,
                        expected,
                        ratio,
                        p,
                        p_holm: 1.0,
                        p_bh: 1.0,
                    });
                }
            }
        }
        let p: Vec<f64> = pairs.iter().map(|a| a.p).collect();
        for ((pair, holm), bh) in pairs.iter_mut().zip(holm(&p)).zip(benjamini_hochberg(&p)) {
            (pair.p_holm, pair.p_bh) = (holm, bh);
        }
        Ok(CoOccurrence { pairs })
    }
}

impl CoOccurrence {
    /// One row for each pair of kinds: `a`, `b`, `seen`, `expected`, `ratio`, `ratio_low`, `ratio_high`, `p`, `p_holm`, `p_bh`.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let text = |name: &str, of: fn(&Adjacency) -> &str| {
            Series::new(name.into(), self.pairs.iter().map(of).collect::<Vec<_>>()).into()
        };
        let number = |name: &str, of: fn(&Adjacency) -> f64| {
            Series::new(name.into(), self.pairs.iter().map(of).collect::<Vec<f64>>()).into()
        };
        let columns: Vec<Column> = vec![
            text("a", |p| &p.a),
            text("b", |p| &p.b),
            number("seen", |p| p.seen),
            number("expected", |p| p.expected),
            number("ratio", |p| p.ratio.value),
            number("ratio_low", |p| p.ratio.low),
            number("ratio_high", |p| p.ratio.high),
            number("p", |p| p.p),
            number("p_holm", |p| p.p_holm),
            number("p_bh", |p| p.p_bh),
        ];
        Ok(DataFrame::new(self.pairs.len(), columns)?)
    }
}

impl std::fmt::Debug for CoOccurrence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let found = self.pairs.iter().filter(|p| p.p_holm <= 0.05).count();
        write!(
            f,
            "{} pairs of kinds, {found} of them adjacent more or less often than by chance (5 %)",
            self.pairs.len()
        )
    }
}
