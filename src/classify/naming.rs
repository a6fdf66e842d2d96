//! What a class physically is: class means beside simulated motifs.

use super::classes::Classes;
use super::cluster::product::products;
use super::features::rows;
use crate::defects::Defects;
use crate::error::{Error, Result, check};
use crate::session::seeded;
use ndarray::{Array2, ArrayView2, Axis, CowArray, Ix2};
use polars::prelude::{NamedFrom, Series};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name of a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Naming {
    /// Species or state: `Mo_W`.
    pub species: String,
    /// How often this motif is the most alike when the class's members are drawn anew (bootstrap); 1 by hand.
    pub confidence: f64,
    /// Correlation of the class mean with the motif, the mean of all motifs taken out of both; NaN by hand.
    pub likeness: f64,
}

/// What a species looks like.
#[derive(Clone, Debug)]
pub struct Motif {
    /// Its name.
    pub species: String,
    /// Its mean patch.
    pub patch: Array2<f32>,
    /// How many patches that is the mean of.
    pub patches: usize,
}

/// What species look like, from a simulated movie whose every defect is known.
#[derive(Clone, Debug)]
pub struct Motifs {
    /// One for each species, by name.
    pub motifs: Vec<Motif>,
}

impl Motifs {
    /// Mean patches of the species in a column of the table: `species`, or `state` for orientations told apart. Cut the
    /// patches at the true places of a simulated movie with the same lattice, orientation and scale
    /// ([`Defects::at_truth`](crate::defects::Defects::at_truth)).
    ///
    /// # Errors
    /// If the column is missing or holds no names.
    pub fn of(defects: &Defects, column: &str) -> Result<Motifs> {
        let names = defects.table().column(column)?.str()?;
        let mut rows: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        names.iter().enumerate().for_each(|(i, name)| {
            if let Some(name) = name {
                rows.entry(name.to_owned()).or_default().push(i);
            }
        });
        let mean = |rows: &[usize]| defects.patches().select(Axis(0), rows).mean_axis(Axis(0)).unwrap_or_default();
        let motifs: Vec<Motif> = rows
            .into_iter()
            .map(|(species, rows)| Motif { species, patch: mean(&rows), patches: rows.len() })
            .collect();
        if motifs.is_empty() {
            return Err(Error::data(format!("the column {column} holds no names")));
        }
        Ok(Motifs { motifs })
    }

    /// The motifs as rows of unit length, less their mean, and that mean.
    fn directions(&self, pixels: usize) -> Result<(Array2<f32>, Array2<f32>)> {
        if let Some(odd) = self.motifs.iter().find(|m| m.patch.len() != pixels) {
            let (h, w) = odd.patch.dim();
            return Err(Error::data(format!(
                "the motif of {} has {h} x {w} pixels, the patches {pixels} in all",
                odd.species
            )));
        }
        let mut all = Array2::zeros((self.motifs.len(), pixels));
        for (mut row, motif) in all.rows_mut().into_iter().zip(&self.motifs) {
            row.iter_mut().zip(&motif.patch).for_each(|(to, v)| *to = *v);
        }
        let mean = all.mean_axis(Axis(0)).unwrap_or_default().insert_axis(Axis(0));
        if self.motifs.len() > 1 {
            all -= &mean;
        }
        Ok((all, mean))
    }
}

impl Classes {
    /// Names each class by the motif that its mean is nearest to, and adds the column `species`. Means and motifs are
    /// compared by squared difference, where the features look ([`Features::Within`](super::Features::Within) at the middle
    /// alone); how sure a name is says the bootstrap.
    ///
    /// # Errors
    /// If motifs and patches differ in size.
    pub fn name_classes(&self, motifs: &Motifs, seed: u64) -> Result<Classes> {
        const DRAWS: usize = 200;
        let data = rows(self.defects.patches())?;
        let (directions, mean) = motifs.directions(data.ncols())?;
        // Where features look at a part of the patch alone, names do as well.
        let part = self.model.as_ref().and_then(|model| model.extractor.pixels());
        let flat = (self.len(), self.means.len() / self.len().max(1));
        let means = self.means.view().into_shape_with_order(flat).map_err(|e| Error::data(e.to_string()))?;
        let means = looked_at(means, part);
        let (data, directions, mean) =
            (looked_at(data, part), looked_at(directions.view(), part), looked_at(mean.view(), part));
        let half: Vec<f32> = directions.map_axis(Axis(1), |d| 0.5 * d.dot(&d)).to_vec();
        // |x - m|² is least where x·m - |m|²/2 is largest; of a mean of patches that is the mean of theirs.
        let common = mean.dot(&directions.t());
        let nearness = products(data.view(), directions.view()) - &common - &ndarray::Array1::from(half);
        let labels = self.labels()?;
        let mut rng = ChaCha8Rng::seed_from_u64(seeded("name_classes", seed));
        let mut species = self.species.clone();
        for (class, name) in species.iter_mut().enumerate() {
            let rows: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] as usize == class).collect();
            if rows.is_empty() {
                continue;
            }
            let best = most(nearness.view(), rows.iter().copied());
            let draws = (0..DRAWS).filter(|_| {
                let drawn: Vec<usize> = rows.iter().map(|_| rows[rng.gen_range(0..rows.len())]).collect();
                most(nearness.view(), drawn.into_iter()) == best
            });
            let confidence = draws.count() as f64 / DRAWS as f64;
            let less: Vec<f32> = means.row(class).iter().zip(&mean).map(|(a, b)| a - b).collect();
            let likeness = correlation(&less, directions.row(best).to_vec().as_slice());
            *name = Some(Naming { species: motifs.motifs[best].species.clone(), confidence, likeness });
        }
        self.with_species(species)
    }

    /// Names one class by hand.
    ///
    /// # Errors
    /// If there is no such class.
    pub fn named(&self, class: u32, species: &str) -> Result<Classes> {
        check("class", class, (class as usize) < self.len(), format!("below {}", self.len()))?;
        let mut all = self.species.clone();
        all[class as usize] = Some(Naming { species: species.into(), confidence: 1.0, likeness: f64::NAN });
        self.with_species(all)
    }

    /// Counts classes that have the same name as one. Where species differ little, sort into several times as many classes
    /// as there are species, name them, and merge: a class is then all of one species more often than where each species
    /// has to be found as one round heap. Classes without a name stay as they are.
    ///
    /// ```no_run
    /// # fn main() -> atomotion::Result<()> {
    /// # use atomotion::prelude::*;
    /// # let (defects, motifs) = (Defects::load("defects")?, Motifs::of(&Defects::load("simulated")?, "species")?);
    /// let middle = Features::Within { px: 6.0, scores: 6 };
    /// let many = GaussianMixture::new(24).with_covariance(Covariance::Tied).with_features(Some(middle)).fit(&defects)?;
    /// let species = many.name_classes(&motifs, 1)?.merged_by_name()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the table's column has lost its type.
    pub fn merged_by_name(&self) -> Result<Classes> {
        let name = |c: usize| self.species[c].as_ref().map(|n| n.species.as_str());
        let head = |c: usize| (0..c).find(|&first| name(c).is_some() && name(first) == name(c)).unwrap_or(c);
        let members = |head_of: usize| (0..self.len()).filter(move |&c| head(c) == head_of);
        let size = |h: usize| members(h).map(|c| self.counts[c]).sum::<usize>();
        let mut order: Vec<usize> = (0..self.len()).filter(|&c| head(c) == c).collect();
        let last = |c: usize| self.outliers == Some(c as u32);
        order.sort_by(|&a, &b| last(a).cmp(&last(b)).then(size(b).cmp(&size(a))).then(a.cmp(&b)));
        let to: Vec<u32> =
            (0..self.len()).map(|c| order.iter().position(|&h| h == head(c)).unwrap_or(0) as u32).collect();
        let labels: Vec<u32> = self.labels()?.into_iter().map(|c| to[c as usize]).collect();
        let mut memberships = Array2::zeros((labels.len(), order.len()));
        for (class, &merged) in to.iter().enumerate() {
            let mut column = memberships.column_mut(merged as usize);
            column += &self.memberships.column(class);
        }
        let model = self.model.as_ref().map(|model| {
            let order = model.order.iter().map(|&c| to[c as usize]).collect();
            std::sync::Arc::new(super::model::Model { order, ..(**model).clone() })
        });
        let outliers = self.outliers.map(|c| to[c as usize]);
        let merged = Classes::sorted(&self.defects, labels, memberships, self.method.clone(), outliers, model)?;
        let new: Vec<usize> = to.iter().map(|&c| c as usize).collect();
        let surrogates = self.surrogates.iter().map(|s| s.merged(&new, order.len(), &|_, mean| mean.clone())).collect();
        let merged = Classes { surrogates, ..merged };
        // Of several names the confidence is the members' mean, the likeness that of the largest class.
        let naming = |&h: &usize| {
            let sum = |of: fn(&Naming) -> f64| {
                let weighted = |c: usize| self.counts[c] as f64 * self.species[c].as_ref().map_or(0.0, of);
                members(h).map(weighted).sum::<f64>() / size(h).max(1) as f64
            };
            self.species[h].clone().map(|n| Naming { confidence: sum(|n| n.confidence), ..n })
        };
        merged.with_species(order.iter().map(naming).collect())
    }

    pub(super) fn with_species(&self, species: Vec<Option<Naming>>) -> Result<Classes> {
        let names: Vec<Option<&str>> =
            self.labels()?.into_iter().map(|c| species[c as usize].as_ref().map(|n| n.species.as_str())).collect();
        let defects = self.defects.with_column(Series::new("species".into(), names))?;
        Ok(Classes { defects, species, ..self.clone() })
    }
}

/// The column with the largest mean over some rows.
fn most(values: ArrayView2<f32>, rows: impl Iterator<Item = usize>) -> usize {
    let mut sums = vec![0.0_f64; values.ncols()];
    for row in rows {
        sums.iter_mut().zip(values.row(row)).for_each(|(s, v)| *s += f64::from(*v));
    }
    (0..sums.len()).max_by(|&a, &b| sums[a].total_cmp(&sums[b]).then(b.cmp(&a))).unwrap_or(0)
}

/// These columns of all rows.
fn looked_at<'a>(all: ArrayView2<'a, f32>, part: Option<&[usize]>) -> CowArray<'a, f32, Ix2> {
    part.map_or_else(|| CowArray::from(all), |part| CowArray::from(all.select(Axis(1), part)))
}

/// Pearson's correlation.
pub(super) fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let n = a.len().max(1) as f64;
    let mean = |v: &[f32]| v.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (f64::from(*x) - ma, f64::from(*y) - mb);
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    if aa > 0.0 && bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}
