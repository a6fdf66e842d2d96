//! How many classes there are: four measures and a recommendation.

use super::cluster::compare::adjusted_rand;
use super::cluster::kmeans::{nearest, started};
use super::cluster::number::{gaps, silhouette};
use super::features::Features;
use super::mixture::{Covariance, GaussianMixture};
use crate::defects::Defects;
use crate::error::{Result, check, setters};
use crate::progress::{Progress, Reporter};
use crate::session::seeded;
use ndarray::{Array2, Axis};
use polars::prelude::{DataFrame, NamedFrom, Series};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Measures how well each number of classes fits.
///
/// ```no_run
/// # fn main() -> atomotion::Result<()> {
/// # use atomotion::prelude::*;
/// # let defects = Defects::load("defects")?;
/// let number = HowMany::default().with_most(8).fit(&defects)?;
/// let classes = KMeans::new(number.recommended).fit(&defects)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HowMany {
    /// The largest number that is tried.
    pub most: usize,
    /// What of a patch is looked at.
    pub features: Features,
    /// Sets of points without classes for the gap, and pairs of halves for stability.
    pub draws: usize,
    /// Defects drawn for the measures, at most.
    pub sample: usize,
    /// Seed of it all.
    pub seed: u64,
}

impl Default for HowMany {
    fn default() -> Self {
        HowMany { most: 10, features: Features::Scores(8), draws: 8, sample: 5000, seed: 1 }
    }
}

/// What each number of classes, from 1 on, comes to.
#[derive(Clone, PartialEq)]
pub struct NumberOfClasses {
    /// Schwarz's criterion of a Gaussian mixture with full covariances (Ann. Stat. 6, 461, 1978): lower is better.
    pub bic: Vec<f64>,
    /// Mean silhouette of k-means (Rousseeuw 1987): higher is better; 0 of one class.
    pub silhouette: Vec<f64>,
    /// Gap statistic of k-means with its standard error (Tibshirani, Walther and Hastie 2001).
    pub gap: Vec<(f64, f64)>,
    /// Mean adjusted Rand index of what two halves of the defects say about all (after Ben-Hur, Elisseeff and Guyon, Pac.
    /// Symp. Biocomput. 7, 6, 2002): 1 where it does not matter which defects were taken; 1 of one class.
    pub stability: Vec<f64>,
    /// The number that each measure alone would take: least BIC; largest silhouette; the first whose gap is within a
    /// standard error of the next; the largest of two and more with a stability of at least 0.9, else 1.
    pub votes: [usize; 4],
    /// What most measures say; of as many votes, what BIC says if it is among them, else the smallest.
    pub recommended: usize,
}

impl HowMany {
    setters! {
        most: usize => with_most,
        features: Features => with_features,
        draws: usize => with_draws,
        sample: usize => with_sample,
        seed: u64 => with_seed,
    }

    /// Tries every number.
    ///
    /// # Errors
    /// If there are fewer than twice as many defects as classes to try, or an option is out of range.
    pub fn fit(&self, defects: &Defects) -> Result<NumberOfClasses> {
        let n = defects.len();
        check(
            "most",
            self.most,
            self.most >= 2 && self.most * 2 <= n,
            format!("from 2 to {} (half the defects)", n / 2),
        )?;
        check("draws", self.draws, self.draws >= 2, "at least 2")?;
        check("sample", self.sample, self.sample >= 2 * self.most, "at least twice the classes")?;
        let seed = seeded("HowMany", self.seed);
        let data = self.features.of(defects)?.measure(defects.patches())?;
        let rows = super::cluster::seeding::sample(n, self.sample, seed);
        let data = data.select(Axis(0), &rows);
        let mut progress = Reporter::new("number of classes", "steps");
        let steps = self.most + 2;
        let mut found = NumberOfClasses {
            bic: vec![],
            silhouette: vec![],
            gap: vec![],
            stability: self.stability(&data, seed)?,
            votes: [0; 4],
            recommended: 0,
        };
        for k in 1..=self.most {
            progress.update(k, steps, "");
            let mixture = GaussianMixture::new(k).with_covariance(Covariance::Full).with_starts(4).with_seed(seed);
            found.bic.push(mixture.best(&data).map_or(f64::INFINITY, |m| m.bic(data.nrows())));
            let runs = started(data.view(), k, 5, seed, |_| ())?;
            let best = runs.iter().min_by(|a, b| a.inertia.total_cmp(&b.inertia));
            found.silhouette.push(best.map_or(0.0, |r| silhouette(data.view(), &r.labels, 2000, seed)));
        }
        progress.update(steps - 1, steps, "");
        let few = super::cluster::seeding::sample(data.nrows(), 2000, seed);
        found.gap = gaps(data.select(Axis(0), &few).view(), self.most, self.draws, seed)?;
        progress.update(steps, steps, "");
        found.vote();
        Ok(found)
    }

    /// Two halves are sorted apart, and each says the class of all.
    fn stability(&self, data: &Array2<f32>, seed: u64) -> Result<Vec<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut sums = vec![0.0; self.most];
        let mut rows: Vec<usize> = (0..data.nrows()).collect();
        for _ in 0..self.draws {
            rows.shuffle(&mut rng);
            let halves = [&rows[..rows.len() / 2], &rows[rows.len() / 2..]].map(|half| data.select(Axis(0), half));
            for (k, sum) in sums.iter_mut().enumerate() {
                let says = |half: &Array2<f32>| -> Result<Vec<u32>> {
                    let runs = started(half.view(), k + 1, 5, seed, |_| ())?;
                    let best = runs.into_iter().min_by(|a, b| a.inertia.total_cmp(&b.inertia));
                    Ok(best.map_or(vec![], |r| nearest(data.view(), r.centres.view())))
                };
                *sum += adjusted_rand(&says(&halves[0])?, &says(&halves[1])?) / self.draws as f64;
            }
        }
        Ok(sums)
    }
}

impl NumberOfClasses {
    fn vote(&mut self) {
        let most = self.bic.len();
        let least = (0..most).min_by(|&a, &b| self.bic[a].total_cmp(&self.bic[b])).unwrap_or(0) + 1;
        let far = (1..most).max_by(|&a, &b| self.silhouette[a].total_cmp(&self.silhouette[b])).unwrap_or(0) + 1;
        let gap = (1..most).find(|&k| self.gap[k - 1].0 >= self.gap[k].0 - self.gap[k].1).unwrap_or(most);
        let stable = (1..most).rev().find(|&k| self.stability[k] >= 0.9).map_or(1, |k| k + 1);
        self.votes = [least, far, gap, stable];
        let count = |k: usize| self.votes.iter().filter(|v| **v == k).count();
        let top = self.votes.iter().map(|&v| count(v)).max().unwrap_or(0);
        let tied: Vec<usize> = self.votes.iter().copied().filter(|&v| count(v) == top).collect();
        let smallest = tied.iter().copied().min().unwrap_or(1);
        self.recommended = if tied.contains(&least) { least } else { smallest };
    }

    /// One row for each number: `classes` u32, `bic`, `silhouette`, `gap`, `gap_error`, `stability` f64.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let part = |pick: fn(&(f64, f64)) -> f64| self.gap.iter().map(pick).collect::<Vec<f64>>();
        let columns = vec![
            Series::new("classes".into(), (1..=self.bic.len() as u32).collect::<Vec<_>>()).into(),
            Series::new("bic".into(), &self.bic).into(),
            Series::new("silhouette".into(), &self.silhouette).into(),
            Series::new("gap".into(), part(|g| g.0)).into(),
            Series::new("gap_error".into(), part(|g| g.1)).into(),
            Series::new("stability".into(), &self.stability).into(),
        ];
        Ok(DataFrame::new(self.bic.len(), columns)?)
    }
}

impl std::fmt::Debug for NumberOfClasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [bic, silhouette, gap, stability] = self.votes;
        write!(
            f,
            "{} classes recommended (BIC {bic}, silhouette {silhouette}, gap {gap}, stability {stability})",
            self.recommended
        )
    }
}
