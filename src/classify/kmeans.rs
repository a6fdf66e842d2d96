//! k-means classes of the patches.

use super::classes::{Classes, Sorted, check_classes};
use super::cluster::kmeans;
use super::features::Features;
use crate::defects::Defects;
use crate::error::{Error, Result, check, setters};
use crate::progress::{EARLIER, Progress, Reporter};
use crate::session::seeded;
use ndarray::Axis;
use serde::{Deserialize, Serialize};

/// k-means (Lloyd 1982) on features of the patches, started by greedy k-means++ (Arthur and Vassilvitskii 2007). All starts
/// run side by side; the one with the least inertia is kept.
///
/// ```
/// use atomotion::{classify::KMeans, defects::Defects};
/// # use atomotion::{detect::*, simulate::Ws2};
/// # let movie = Ws2::default().with_size_px(128).with_vacancy_fraction(0.05).simulate(3)?.movie;
/// # let labels = PeriodicityBreak::default().label(&movie.frame(0)?)?;
/// # let defects = Detector::train(&labels, &Training::default().with_steps(120))?.find(&movie)?;
/// let classes = KMeans::new(2).fit(&defects)?;
/// assert_eq!(classes.counts.iter().sum::<usize>(), defects.len());
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KMeans {
    /// Number of classes. Where patches are identical fewer may be found.
    pub classes: usize,
    /// Starts; the best is kept.
    pub starts: usize,
    /// Seed of the starts.
    pub seed: u64,
    /// What of a patch is looked at.
    pub features: Features,
    /// Rows whose patches are the first centres, instead of random starts.
    pub from_rows: Option<Vec<usize>>,
}

impl Default for KMeans {
    fn default() -> Self {
        KMeans { classes: 4, starts: 10, seed: 1, features: Features::Pixels, from_rows: None }
    }
}

impl KMeans {
    /// Sorts into so many classes.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        KMeans { classes, ..KMeans::default() }
    }

    setters! {
        classes: usize => with_classes,
        starts: usize => with_starts,
        seed: u64 => with_seed,
        features: Features => with_features,
    }

    /// Sets [`from_rows`](#structfield.from_rows).
    #[must_use]
    pub fn with_from_rows(mut self, rows: Vec<usize>) -> Self {
        self.from_rows = Some(rows);
        self
    }

    /// Sorts the defects.
    ///
    /// # Errors
    /// If there are no classes to make, or more than there are defects, or a patch holds NaN.
    pub fn fit(&self, defects: &Defects) -> Result<Classes> {
        check_classes(self.classes, defects.len())?;
        check("starts", self.starts, self.starts > 0, "at least 1")?;
        let extractor = self.features.of(defects)?;
        let data = extractor.measure(defects.patches())?;
        let mut progress = Reporter::new("k-means", "starts");
        let mut done = 0;
        let told = |settled: usize| {
            done = settled;
            progress.update(settled, self.starts, "");
        };
        let runs = match &self.from_rows {
            Some(rows) => {
                check("from_rows", rows.len(), rows.len() == self.classes, format!("{} rows", self.classes))?;
                let inside = rows.iter().all(|&r| r < defects.len());
                check("from_rows", format!("{rows:?}"), inside, format!("rows below {}", defects.len()))?;
                kmeans::kmeans(data.view(), &[data.select(Axis(0), rows)], kmeans::USUAL.0, kmeans::USUAL.1, |_| ())
            }
            None => kmeans::started(data.view(), self.classes, self.starts, seeded("KMeans", self.seed), told),
        };
        let doing = || format!("after {done} of {} starts of k-means", self.starts);
        let runs = runs.map_err(|e| e.while_doing(doing, EARLIER))?;
        let best = runs.into_iter().min_by(|a, b| a.inertia.total_cmp(&b.inertia));
        let best = best.ok_or_else(|| Error::data("k-means found no classes"))?;
        let found = Sorted::by_centres(extractor, data.view(), best.labels, best.centres);
        Classes::new(defects, found, "k-means".into())
    }
}
