//! Classes on disk: a folder of defects, as [`Defects::save`] writes it, with `classes.safetensors` beside them.

use super::classes::Classes;
use super::{Naming, Surrogate};
use crate::defects::Defects;
use crate::error::{Error, Result};
use crate::file::Arrays;
use ndarray::{Array2, Array3, Axis};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

const NAME: &str = "classes.safetensors";

impl Classes {
    /// Saves the defects and all that was found of their classes in a folder of this name.
    ///
    /// # Errors
    /// As for [`Defects::save`].
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        self.defects.save(folder)?;
        let path = folder.join(NAME);
        let json = |e: serde_json::Error| Error::format(&path, e.to_string());
        let told = |s: &Surrogate| (s.kind.clone(), s.counts.clone(), s.scale);
        let surrogates: Vec<Told> = self.surrogates.iter().map(told).collect();
        let header = HashMap::from([
            ("method".to_string(), self.method.clone()),
            ("outliers".to_string(), serde_json::to_string(&self.outliers).map_err(json)?),
            (
                "species".to_string(),
                serde_json::to_string(&self.species.iter().map(named).collect::<Vec<_>>()).map_err(json)?,
            ),
            ("surrogates".to_string(), serde_json::to_string(&surrogates).map_err(json)?),
        ]);
        let shape = |a: &Array3<f32>| (a.shape().to_vec(), a.iter().copied().collect::<Vec<f32>>());
        let memberships = self.memberships.iter().map(|&p| p as f32).collect();
        let mut arrays = BTreeMap::from([
            ("means".to_string(), shape(&self.means)),
            ("variances".to_string(), shape(&self.variances)),
            ("memberships".to_string(), (self.memberships.shape().to_vec(), memberships)),
        ]);
        for (i, surrogate) in self.surrogates.iter().enumerate() {
            arrays.insert(format!("surrogate_means_{i}"), shape(&surrogate.means));
        }
        Arrays { header, arrays }.write(&path)
    }

    /// Loads what [`Classes::save`] wrote. Memberships come back in single precision, and loaded classes do not know how to
    /// sort other defects: fit again for that.
    ///
    /// # Errors
    /// If the folder or a file in it is missing or is not what it should be.
    pub fn load(folder: impl AsRef<Path>) -> Result<Classes> {
        let folder = folder.as_ref();
        let defects = Defects::load(folder)?;
        let path = folder.join(NAME);
        let mut stored = Arrays::read(&path, "classes")?;
        let wrong = || Error::format(&path, "does not hold the classes of the defects beside it");
        let mut three = |name: &str| -> Option<Array3<f32>> {
            let (shape, values) = stored.arrays.remove(name)?;
            let [n, h, w] = shape[..] else { return None };
            Array3::from_shape_vec((n, h, w), values).ok()
        };
        let (means, variances) = three("means").zip(three("variances")).ok_or_else(wrong)?;
        let surrogate_means: Vec<_> = (0..).map_while(|i| three(&format!("surrogate_means_{i}"))).collect();
        let (shape, values) = stored.arrays.remove("memberships").ok_or_else(wrong)?;
        let [rows, classes] = shape[..] else { return Err(wrong()) };
        let memberships = Array2::from_shape_vec((rows, classes), values).map_err(|_| wrong())?.mapv(f64::from);
        let labels: Vec<u32> = defects.table().column("class")?.u32()?.iter().flatten().collect();
        let fits = rows == defects.len() && labels.len() == rows && means.shape()[0] == classes;
        if !fits || labels.iter().any(|&l| l as usize >= classes) {
            return Err(wrong());
        }
        let parse = |name: &str| stored.header.get(name).ok_or_else(wrong);
        let species: Vec<Option<Named>> = serde_json::from_str(parse("species")?).map_err(|_| wrong())?;
        let outliers = serde_json::from_str(parse("outliers")?).map_err(|_| wrong())?;
        let method = parse("method")?.clone();
        let own = defects.table().column("class_probability")?.clone();
        let told = stored.header.get("surrogates").map_or("[]", String::as_str); // earlier files have none
        let told: Vec<Told> = serde_json::from_str(told).map_err(|_| wrong())?;
        let count = told.len().max(surrogate_means.len());
        let of = |((kind, counts, scale), means): (Told, Array3<f32>)| Surrogate { kind, counts, means, scale };
        let surrogates: Vec<Surrogate> = told.into_iter().zip(surrogate_means).map(of).collect();
        if surrogates.len() != count
            || surrogates.iter().any(|s| s.counts.len() != classes || s.means.len_of(Axis(0)) != classes)
        {
            return Err(wrong());
        }
        let loaded = Classes::sorted(&defects, labels, memberships, method, outliers, None)?;
        // The probabilities of the table have all their digits.
        let defects = loaded.defects.with_column(own)?;
        let species = species.into_iter().map(|n| n.map(unnamed)).collect();
        Ok(Classes { defects, means, variances, species, surrogates, ..loaded })
    }
}

/// What a file's header says of surrogate frames: kind, detections in each class, scale.
type Told = (String, Vec<usize>, f64);

/// A name for JSON, which has no NaN.
type Named = (String, f64, Option<f64>);

fn named(naming: &Option<Naming>) -> Option<Named> {
    let n = naming.as_ref()?;
    Some((n.species.clone(), n.confidence, n.likeness.is_finite().then_some(n.likeness)))
}

fn unnamed((species, confidence, likeness): Named) -> Naming {
    Naming { species, confidence, likeness: likeness.unwrap_or(f64::NAN) }
}
