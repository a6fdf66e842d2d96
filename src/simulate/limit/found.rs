//! What the limit is, as values that show themselves.

use crate::error::Result;
use polars::prelude::{DataFrame, NamedFrom, Series};

/// The limit of one species.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeciesLimit {
    /// Name of the species.
    pub species: String,
    /// Fraction of its sites that hold it.
    pub prevalence: f64,
    /// Expected F1, and the ends of its 95 % interval (of the Monte Carlo sampling, not of one frame).
    pub f1: f64,
    /// Lower end of the interval.
    pub f1_low: f64,
    /// Upper end of the interval.
    pub f1_high: f64,
    /// Expected fraction of the detections that are right.
    pub precision: f64,
    /// Expected fraction of the species that is found.
    pub recall: f64,
    /// Posterior probability from which a site is called this species.
    pub threshold: f64,
}

/// What [`detection_limit`](super::detection_limit) found, in the order of the options.
#[derive(Clone, PartialEq)]
pub struct DetectionLimit {
    /// One for each substitute.
    pub species: Vec<SpeciesLimit>,
    /// The dose, as mean counts at the peak of a lone W column.
    pub counts_at_w: f64,
}

impl DetectionLimit {
    /// The limit of one species.
    #[must_use]
    pub fn of(&self, species: &str) -> Option<&SpeciesLimit> {
        self.species.iter().find(|s| s.species == species)
    }

    /// Expected F1 of several species together, each called at its own threshold; none where there is none of them. One of
    /// them that is taken for another counts as wrong.
    #[must_use]
    pub fn f1_of(&self, species: &[&str]) -> Option<f64> {
        let (mut hits, mut called, mut all) = (0.0, 0.0, 0.0);
        for s in species.iter().filter_map(|name| self.of(name)) {
            let found = s.prevalence * s.recall;
            hits += found;
            called += if found > 0.0 { found / s.precision } else { 0.0 };
            all += s.prevalence;
        }
        (all > 0.0).then(|| 2.0 * hits / (called + all))
    }

    /// One row for each species: `species`, `counts_at_w`, `prevalence`, `f1`, `f1_low`, `f1_high`, `precision`,
    /// `recall`, `threshold`.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        table(&[self])
    }
}

/// The limit at several doses.
#[derive(Clone, PartialEq)]
pub struct LimitCurve {
    /// In the order of the doses that were asked for.
    pub limits: Vec<DetectionLimit>,
}

impl LimitCurve {
    /// The rows of every dose, as of [`DetectionLimit::table`].
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        table(&self.limits.iter().collect::<Vec<_>>())
    }
}

/// A number of one row.
type Value = fn(&(f64, &SpeciesLimit)) -> f64;

fn table(limits: &[&DetectionLimit]) -> Result<DataFrame> {
    let rows: Vec<(f64, &SpeciesLimit)> =
        limits.iter().flat_map(|limit| limit.species.iter().map(|s| (limit.counts_at_w, s))).collect();
    let names: Vec<&str> = rows.iter().map(|(_, s)| s.species.as_str()).collect();
    let mut columns: Vec<polars::prelude::Column> = vec![Series::new("species".into(), names).into()];
    let numbers: [(&str, Value); 8] = [
        ("counts_at_w", |row| row.0),
        ("prevalence", |row| row.1.prevalence),
        ("f1", |row| row.1.f1),
        ("f1_low", |row| row.1.f1_low),
        ("f1_high", |row| row.1.f1_high),
        ("precision", |row| row.1.precision),
        ("recall", |row| row.1.recall),
        ("threshold", |row| row.1.threshold),
    ];
    for (name, value) in numbers {
        columns.push(Series::new(name.into(), rows.iter().map(value).collect::<Vec<f64>>()).into());
    }
    Ok(DataFrame::new(rows.len(), columns)?)
}

impl std::fmt::Debug for DetectionLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Independent-site limit of one frame at {:.3} counts at a W column:", self.counts_at_w)?;
        for s in &self.species {
            write!(
                f,
                " {} F1 {:.3} ({:.3} to {:.3}; precision {:.2}, recall {:.2}, threshold {:.2});",
                s.species, s.f1, s.f1_low, s.f1_high, s.precision, s.recall, s.threshold
            )?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for LimitCurve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Independent-site limit of one frame at {} doses", self.limits.len())
    }
}
