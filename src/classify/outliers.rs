//! Classes where patches lie dense, and outliers where they do not.

use super::classes::{Classes, Sorted};
use super::cluster::density::{bend, dbscan, neighbour_distances};
use super::features::{Features, class_centres};
use crate::defects::Defects;
use crate::error::{Error, Result, check, setters};
use serde::{Deserialize, Serialize};

/// DBSCAN (Ester, Kriegel, Sander and Xu, KDD 1996): a patch is dense if `points` patches, itself among them, lie within
/// `reach`; dense patches within reach of each other share a class, others join the nearest dense one within reach, and what
/// is left is an outlier. Outliers are a class of their own, the last, named by [`Classes::outliers`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Density {
    /// How many patches make a place dense.
    pub points: usize,
    /// How near they must be, in units of the features; by default where the sorted distances to the `points`-th
    /// neighbour bend upwards.
    pub reach: Option<f64>,
    /// What of a patch is looked at. In many dimensions all noise is equally far apart: few components serve best.
    pub features: Features,
}

impl Default for Density {
    fn default() -> Self {
        Density { points: 10, reach: None, features: Features::Scores(6) }
    }
}

impl Density {
    setters! {
        points: usize => with_points,
        reach: Option<f64> => with_reach,
        features: Features => with_features,
    }

    /// Sorts the defects.
    ///
    /// # Errors
    /// If there are none, or an option is out of range.
    pub fn fit(&self, defects: &Defects) -> Result<Classes> {
        if defects.is_empty() {
            return Err(Error::data("no defects have no density"));
        }
        check("points", self.points, self.points > 0, "at least 1")?;
        if let Some(reach) = self.reach {
            check("reach", reach, reach.is_finite() && reach > 0.0, "a positive distance between features")?;
        }
        let extractor = self.features.of(defects)?;
        let data = extractor.measure(defects.patches())?;
        let reach = self.reach.unwrap_or_else(|| {
            f64::from(bend(&neighbour_distances(data.view(), self.points, 2000))).max(f64::from(f32::MIN_POSITIVE))
        });
        let found = dbscan(data.view(), reach, self.points)?;
        let classes = found.iter().flatten().max().map_or(0, |m| m + 1);
        let labels: Vec<u32> = found.iter().map(|c| c.unwrap_or(classes)).collect();
        let left = found.iter().any(Option::is_none);
        let all = classes as usize + usize::from(left);
        let centres = class_centres(data.view(), &labels, all);
        let mut sorted = Sorted::by_centres(extractor, data.view(), labels, centres);
        // Density knows of no doubt.
        sorted.shares.fill(0.0);
        sorted.labels.iter().enumerate().for_each(|(i, &c)| sorted.shares[[i, c as usize]] = 1.0);
        sorted.outliers = left.then_some(classes);
        Classes::new(defects, sorted, format!("density, reach {reach:.3}"))
    }
}
