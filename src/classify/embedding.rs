//! A map of the patches in the plane.

use super::cluster::pca::components;
use super::cluster::tsne::{affinities, embed};
use super::features::rows;
use crate::defects::Defects;
use crate::error::{Error, Result, check, setters};
use crate::session::seeded;
use ndarray::{Array2, Axis};
use polars::prelude::{NamedFrom, Series};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Lays patches out in the plane so that alike ones lie together: t-SNE (van der Maaten and Hinton 2008) of their principal
/// components, begun at the first two (Kobak and Berens, Nat. Commun. 10, 5416, 2019).
///
/// What lies together is alike; how far apart groups lie, and how large they are, says nothing.
///
/// ```no_run
/// # fn main() -> atomotion::Result<()> {
/// # use atomotion::prelude::*;
/// # let defects = Defects::load("defects")?;
/// let classes = GaussianMixture::new(6).fit(&defects)?;
/// let map = Embedding::default().fit(&classes.defects)?;
/// map.figure();
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Embedding {
    /// How many others each patch counts as near, about.
    pub perplexity: f64,
    /// Principal components that are looked at.
    pub components: usize,
    /// Patches that are placed, at most: of more, so many are drawn. Time goes with the square of it.
    pub most: usize,
    /// Steps of the descent.
    pub steps: usize,
    /// Seed of the drawing.
    pub seed: u64,
}

impl Default for Embedding {
    fn default() -> Self {
        Embedding { perplexity: 30.0, components: 16, most: 1500, steps: 600, seed: 1 }
    }
}

/// Patches in the plane, by [`Embedding`].
#[derive(Clone)]
pub struct Embedded {
    /// The defects that were placed, with columns `map_y` and `map_x` f64 (no unit).
    pub defects: Defects,
    /// Their places, shape (defects, 2): y and x.
    pub places: Array2<f64>,
    /// How much of what is near is not near in the map: Kullback-Leibler divergence in nats.
    pub divergence: f64,
    /// Defects that there were.
    pub of: usize,
}

impl Embedding {
    setters! {
        perplexity: f64 => with_perplexity,
        components: usize => with_components,
        most: usize => with_most,
        steps: usize => with_steps,
        seed: u64 => with_seed,
    }

    /// Places the patches.
    ///
    /// # Errors
    /// If an option is out of range, there are fewer than three times as many patches as `perplexity`, all are the same, or a
    /// patch holds NaN.
    pub fn fit(&self, defects: &Defects) -> Result<Embedded> {
        check("perplexity", self.perplexity, (2.0..=1000.0).contains(&self.perplexity), "from 2 to 1000")?;
        check("components", self.components, self.components >= 2, "at least 2")?;
        check("most", self.most, (10..=20_000).contains(&self.most), "from 10 to 20000 patches")?;
        check("steps", self.steps, self.steps >= 50, "at least 50")?;
        let of = defects.len();
        let n = of.min(self.most);
        let fine = n as f64 >= 3.0 * self.perplexity;
        check("perplexity", self.perplexity, fine, format!("at most a third of the {n} patches"))?;
        let mut rng = ChaCha8Rng::seed_from_u64(seeded("Embedding", self.seed));
        let mut keep = vec![n == of; of];
        if n < of {
            rand::seq::index::sample(&mut rng, of, n).iter().for_each(|i| keep[i] = true);
        }
        let drawn = defects.filter(&keep)?;
        let data = rows(drawn.patches())?;
        let found = components(data, self.components.min(n - 1).min(data.ncols()))?;
        if found.total <= 0.0 {
            return Err(Error::data("all patches are the same: there is nothing to lay out"));
        }
        let scores = found.scores(data);
        // y first, as everywhere: the second component goes up.
        let scale = 1e-4 / f64::from(scores.column(0).std(0.0)).max(1e-30);
        let along = |i: usize, k: usize| f64::from(scores[[i, k]]) * scale;
        let start = Array2::from_shape_fn((n, 2), |(i, k)| along(i, (1 - k).min(scores.ncols() - 1)));
        let (places, divergence) = embed(&affinities(scores.view(), self.perplexity), start, self.steps)?;
        let column = |k: usize| places.index_axis(Axis(1), k).to_vec();
        let defects = drawn
            .with_column(Series::new("map_y".into(), column(0)))?
            .with_column(Series::new("map_x".into(), column(1)))?;
        Ok(Embedded { defects, places, divergence, of })
    }
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let drawn = if self.defects.len() < self.of { format!(" (of {}, drawn)", self.of) } else { String::new() };
        write!(
            f,
            "{}{drawn} patches laid out in the plane (t-SNE): alike ones lie together, distances between groups mean nothing. \
             Divergence {:.2}",
            self.defects.len(),
            self.divergence
        )
    }
}
