//! Defects sorted into classes.

use super::model::{Model, Sorter};
use crate::defects::Defects;
use crate::error::{Error, Result, check};
use ndarray::{Array2, Array3, ArrayView2, Axis};
use polars::prelude::{DataFrame, NamedFrom, Series};
use std::sync::Arc;

/// Defects sorted into classes, numbered from 0 by size, the largest first (equal sizes: the brighter first; what is
/// left as outliers comes last), so that two runs agree.
#[derive(Clone)]
pub struct Classes {
    /// The defects, with columns `class` u32 and `class_probability` f64 (of that class). Naming adds `species`.
    pub defects: Defects,
    /// Mean patch of each class, shape (classes, height, width).
    pub means: Array3<f32>,
    /// Variance of each pixel within each class, the same shape.
    pub variances: Array3<f32>,
    /// Number of defects in each class.
    pub counts: Vec<usize>,
    /// Standard error of each count: how it scatters where as many independent defects are drawn anew (binomial), and that the
    /// class of each is not sure (by `memberships`). Defects that are seen in many frames are not independent, and the error
    /// is then too small by the root of how often each is seen.
    pub count_errors: Vec<f64>,
    /// Probability of each class for each defect, shape (defects, classes). From a mixture these are its own; from other
    /// methods they are those of round Gaussians of one variance about the class centres.
    pub memberships: Array2<f64>,
    /// The class of outliers, if the method leaves any.
    pub outliers: Option<u32>,
    /// What each class was found to be, by [`Classes::name_classes`] or by hand.
    pub species: Vec<Option<super::Naming>>,
    /// What the same choice makes of frames without defects, one for each kind of them: those of the search that found the
    /// defects, or what [`Classes::with_surrogate`] was given. Empty where neither is there.
    pub surrogates: Vec<super::Surrogate>,
    /// What sorted them, for captions.
    pub method: String,
    pub(crate) model: Option<Arc<Model>>,
}

/// Checks that so many classes can be told apart in so many defects.
pub(crate) fn check_classes(classes: usize, defects: usize) -> Result<()> {
    check("classes", classes, classes > 0, "at least 1")?;
    check("classes", classes, classes <= defects, format!("at most the number of defects, {defects}"))
}

/// What a method found, in its own numbering.
pub(crate) struct Sorted {
    pub labels: Vec<u32>,
    pub model: Model,
    pub shares: Array2<f64>,
    /// Which of its classes holds the outliers.
    pub outliers: Option<u32>,
}

impl Sorted {
    /// From labels alone: centres are means of features.
    pub(crate) fn by_centres(
        extractor: super::features::Extractor,
        data: ArrayView2<f32>,
        labels: Vec<u32>,
        centres: Array2<f32>,
    ) -> Sorted {
        let sorter = Sorter::centres(data, &labels, centres);
        let shares = sorter.shares(data);
        Sorted { labels, model: Model { extractor, sorter, order: vec![] }, shares, outliers: None }
    }
}

impl Classes {
    /// From what a method found.
    pub(crate) fn new(defects: &Defects, found: Sorted, method: String) -> Result<Classes> {
        let Sorted { labels, mut model, shares, outliers } = found;
        let sums = Sums::of(defects.patches(), &labels, shares.ncols());
        let mut order: Vec<usize> = (0..shares.ncols()).filter(|&c| sums.counts[c] > 0).collect();
        let last = |c: usize| outliers == Some(c as u32);
        order.sort_by(|&a, &b| {
            let size = sums.counts[b].cmp(&sums.counts[a]);
            last(a).cmp(&last(b)).then(size).then(sums.means[b].sum().total_cmp(&sums.means[a].sum())).then(a.cmp(&b))
        });
        let mut to = vec![0; shares.ncols()];
        order.iter().enumerate().for_each(|(class, &raw)| to[raw] = class as u32);
        let memberships = shares.select(Axis(1), &order);
        let labels: Vec<u32> = labels.iter().map(|&l| to[l as usize]).collect();
        model.order = to;
        let outliers = outliers.map(|raw| model.order[raw as usize]);
        Classes::sorted(defects, labels, memberships, method, outliers, Some(Arc::new(model)))
    }

    /// From the class of each defect, in the final numbering.
    pub(crate) fn sorted(
        defects: &Defects,
        labels: Vec<u32>,
        memberships: Array2<f64>,
        method: String,
        outliers: Option<u32>,
        model: Option<Arc<Model>>,
    ) -> Result<Classes> {
        let classes = memberships.ncols();
        let sums = Sums::of(defects.patches(), &labels, classes);
        let (_, h, w) = defects.patches().dim();
        let stacked = |parts: &[Array2<f32>]| {
            let views: Vec<_> = parts.iter().map(|p| p.view()).collect();
            ndarray::stack(Axis(0), &views).unwrap_or_else(|_| Array3::zeros((0, h, w)))
        };
        let own: Vec<f64> = labels.iter().enumerate().map(|(i, &c)| memberships[[i, c as usize]]).collect();
        let surrogates = match &model {
            Some(model) if outliers.is_none() => super::Surrogate::all(defects, model, classes)?,
            _ => vec![],
        };
        let defects = defects
            .with_column(Series::new("class".into(), labels))?
            .with_column(Series::new("class_probability".into(), own))?;
        let doubt = memberships.map_axis(Axis(0), |p| p.iter().map(|p| p * (1.0 - p)).sum::<f64>());
        let drawn = |n: usize| n as f64 * (1.0 - n as f64 / defects.len().max(1) as f64);
        let count_errors: Vec<f64> = sums.counts.iter().zip(&doubt).map(|(&n, d)| (drawn(n) + d).sqrt()).collect();
        Ok(Classes {
            defects,
            means: stacked(&sums.means),
            variances: stacked(&sums.variances),
            counts: sums.counts,
            count_errors,
            memberships,
            outliers,
            species: vec![None; classes],
            surrogates,
            method,
            model,
        })
    }

    /// Number of classes that hold a defect.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether there is no class.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The class of each defect, in row order.
    ///
    /// # Errors
    /// If the table's column has lost its type.
    pub fn labels(&self) -> Result<Vec<u32>> {
        Ok(self.defects.table().column("class")?.u32()?.iter().flatten().collect())
    }

    /// Sorts the defects of another movie, or of another part of this one, into these classes. Numbers, means and names
    /// stay those of the classes; counts, memberships and variances are of the defects given. A class may be empty.
    ///
    /// # Errors
    /// If the patches have another size, hold NaN, or the classes were changed by hand.
    pub fn apply(&self, defects: &Defects) -> Result<Classes> {
        let model = self.sorts_others()?;
        let (labels, memberships) = model.apply(defects.patches(), self.len())?;
        let applied =
            Classes::sorted(defects, labels, memberships, self.method.clone(), None, Some(Arc::clone(model)))?;
        let mut means = applied.means.clone();
        for (class, _) in applied.counts.iter().enumerate().filter(|(_, n)| **n == 0) {
            means.index_axis_mut(Axis(0), class).assign(&self.means.index_axis(Axis(0), class));
        }
        let applied = Classes { means, ..applied };
        let named = self.species.iter().any(Option::is_some);
        if named { applied.with_species(self.species.clone()) } else { Ok(applied) }
    }

    /// What sorts other defects than those that were fitted.
    pub(super) fn sorts_others(&self) -> Result<&Arc<Model>> {
        if self.outliers.is_some() {
            return Err(Error::data(
                "classes by density cannot be applied to other defects: density is that of the defects",
            ));
        }
        self.model.as_ref().ok_or_else(|| {
            Error::data(
                "these classes were merged, loaded or left by others, and do not know how to sort others: apply those that were \
                 fitted",
            )
        })
    }

    /// The defects of one class.
    ///
    /// # Errors
    /// If there is no such class.
    pub fn of_class(&self, class: u32) -> Result<Defects> {
        check("class", class, (class as usize) < self.len(), format!("below {}", self.len()))?;
        let keep: Vec<bool> = self.labels()?.into_iter().map(|c| c == class).collect();
        self.defects.filter(&keep)
    }

    /// The defects of one species, whatever their classes.
    ///
    /// # Errors
    /// If no class has that name.
    pub fn of_species(&self, species: &str) -> Result<Defects> {
        let named = |c: u32| self.species[c as usize].as_ref().is_some_and(|n| n.species == species);
        if !(0..self.len() as u32).any(named) {
            let known: Vec<_> = self.species.iter().flatten().map(|n| n.species.as_str()).collect();
            return Err(Error::data(format!("no class is named {species}; names are: {}", known.join(", "))));
        }
        let keep: Vec<bool> = self.labels()?.into_iter().map(named).collect();
        self.defects.filter(&keep)
    }

    /// One row for each class: `class` u32, `defects` u32, `defects_error` f64; where they were tried on frames without
    /// defects, how many noise alone gives, `noise_low`, `noise_high` f64 (95 %), and whether the class has more, `finding`; and,
    /// where named, `species` and `confidence`.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let mut columns = vec![
            Series::new("class".into(), (0..self.len() as u32).collect::<Vec<_>>()).into(),
            Series::new("defects".into(), self.counts.iter().map(|&n| n as u32).collect::<Vec<_>>()).into(),
            Series::new("defects_error".into(), self.count_errors.clone()).into(),
        ];
        let noise: Vec<_> = (0..self.len()).filter_map(|c| self.noise_of(c)).collect();
        if noise.len() == self.len() {
            let of = |end: usize| noise.iter().map(|n| n.interval[end]).collect::<Vec<_>>();
            columns.push(Series::new("noise_low".into(), of(0)).into());
            columns.push(Series::new("noise_high".into(), of(1)).into());
            columns.push(Series::new("finding".into(), noise.iter().map(|n| n.finding).collect::<Vec<_>>()).into());
        }
        if self.species.iter().any(Option::is_some) {
            let names: Vec<Option<&str>> =
                self.species.iter().map(|s| s.as_ref().map(|n| n.species.as_str())).collect();
            let sure: Vec<Option<f64>> = self.species.iter().map(|s| s.as_ref().map(|n| n.confidence)).collect();
            columns.push(Series::new("species".into(), names).into());
            columns.push(Series::new("confidence".into(), sure).into());
        }
        Ok(DataFrame::new(self.len(), columns)?)
    }

    /// How alike two ways of sorting the same defects are: the adjusted Rand index, 1 for the same classes under any
    /// numbers, 0 on average for chance (Hubert and Arabie, J. Classification 2, 193, 1985).
    ///
    /// # Errors
    /// If they do not hold as many defects.
    pub fn likeness(&self, other: &[u32]) -> Result<f64> {
        if other.len() != self.defects.len() {
            return Err(Error::data(format!("{} classes for {} defects", other.len(), self.defects.len())));
        }
        Ok(super::cluster::compare::adjusted_rand(&self.labels()?, other))
    }
}

/// Sizes, mean and variance of each class.
pub(super) struct Sums {
    pub counts: Vec<usize>,
    pub means: Vec<Array2<f32>>,
    pub variances: Vec<Array2<f32>>,
}

impl Sums {
    pub(super) fn of(patches: &Array3<f32>, labels: &[u32], classes: usize) -> Sums {
        use rayon::prelude::*;
        let (_, h, w) = patches.dim();
        let mut rows = vec![vec![]; classes];
        labels.iter().enumerate().for_each(|(i, &c)| rows[c as usize].push(i));
        let one = |rows: &Vec<usize>| {
            let n = rows.len().max(1) as f64;
            let mut sum = Array2::<f64>::zeros((h, w));
            rows.iter().for_each(|&r| sum.zip_mut_with(&patches.index_axis(Axis(0), r), |s, &v| *s += f64::from(v)));
            let mean = sum / n;
            let mut square = Array2::<f64>::zeros((h, w));
            for &r in rows {
                ndarray::Zip::from(&mut square).and(&patches.index_axis(Axis(0), r)).and(&mean).for_each(
                    |s, &v, &m| {
                        *s += (f64::from(v) - m).powi(2);
                    },
                );
            }
            (mean.mapv(|v| v as f32), square.mapv(|v| (v / (n - 1.0).max(1.0)) as f32))
        };
        let (means, variances) = rows.par_iter().map(one).unzip();
        Sums { counts: rows.iter().map(Vec::len).collect(), means, variances }
    }
}

impl std::fmt::Debug for Classes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |c: usize| {
            let name = self.species[c].as_ref().map(|n| format!(" {}", n.species)).unwrap_or_default();
            if self.outliers == Some(c as u32) { " (outliers)".into() } else { name }
        };
        let noise = |c: usize| self.noise_of(c).map_or_else(String::new, |noise| format!(" ({noise})"));
        let count = |(c, n): (usize, &usize)| format!("class {c}{}: {n}{}", name(c), noise(c));
        let counts: Vec<String> = self.counts.iter().enumerate().map(count).collect();
        write!(f, "{} defects in {} classes by {} ({})", self.defects.len(), self.len(), self.method, counts.join(", "))
    }
}
