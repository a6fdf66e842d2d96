//! The whole way from a movie to a folder of figures and tables, in one call: what `atomotion analyse` does.
//!
//! Every step is one of the library's own calls with its defaults, so that a notebook can repeat it and go on from there.

mod keep;
mod kinds;
mod manifest;
mod perfect;
mod report;
mod results;
mod steps;

pub use kinds::{Material, comparable_patches};
pub use perfect::perfect_cells;
pub use results::Results;

use crate::detect::{Decoding, Training};
use crate::error::{Error, Result, check, setters};
use crate::movie::Movie;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The whole analysis of a movie: labels of its first frame, a network trained on them, every defect of every frame,
/// classes, concentrations, tracks, diffusion, coupling, transitions, the average cell of the commonest kind, and what all
/// frames together say of every site.
///
/// What is long is kept in the folder while it is made: an analysis that was interrupted, or whose process was ended,
/// goes on from there when it is started again with the same options, and its results are the same to the byte. A step
/// for which a movie has too few defects is left out, and the report says why.
///
/// ```no_run
/// use atomotion::prelude::*;
/// let results = Analysis::default().with_seed(7).run(&Movie::open("movie.dm4")?, "results/movie")?;
/// println!("{results:?}");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Analysis {
    /// How many robust standard deviations a label stands out by.
    pub threshold: f64,
    /// Steps of the training.
    pub steps: usize,
    /// Probability from which on a place of a frame counts as a defect.
    pub probability: f64,
    /// How many classes defects are sorted into where the material is not known; fewer where there are less than eight defects
    /// for each.
    pub classes: usize,
    /// What the specimen is, so that defects are sorted into its species, and every site is read by all frames together
    /// ([`Watch`](crate::watch::Watch); not of graphene). Without, classes are called `class 0` and so on.
    pub material: Option<Material>,
    /// Seed of every random step.
    pub seed: u64,
}

impl Default for Analysis {
    fn default() -> Self {
        Analysis {
            threshold: 4.5,
            steps: Training::default().steps,
            probability: Decoding::default().threshold,
            classes: 6,
            material: None,
            seed: 1,
        }
    }
}

impl Analysis {
    setters! {
        threshold: f64 => with_threshold,
        steps: usize => with_steps,
        probability: f64 => with_probability,
        classes: usize => with_classes,
        material: Option<Material> => with_material,
        seed: u64 => with_seed,
    }

    fn validate(&self) -> Result<()> {
        let threshold = self.threshold;
        check("threshold", threshold, threshold.is_finite() && threshold > 0.0, "a positive number; 4.5 is usual")?;
        check("steps", self.steps, (1..=1_000_000).contains(&self.steps), "from 1 to 1000000; 800 is usual")?;
        let probability = self.probability;
        check("probability", probability, probability > 0.0 && probability < 1.0, "between 0 and 1; 0.2 is usual")?;
        check("classes", self.classes, (1..=100).contains(&self.classes), "from 1 to 100; 6 is usual")
    }

    /// Analyses a movie and writes the results into a folder, which is created.
    ///
    /// # Errors
    /// If an option is out of range, the folder holds the results of another analysis, a frame cannot be read, no
    /// lattice or no label is found, or the user asked to stop: then the same call goes on where it was.
    pub fn run(&self, movie: &Movie, folder: impl AsRef<Path>) -> Result<Results> {
        self.run_with(movie, folder, &mut |_| ())
    }

    /// The same, telling `say` of each step in a line.
    ///
    /// # Errors
    /// As [`Analysis::run`].
    pub fn run_with(&self, movie: &Movie, folder: impl AsRef<Path>, say: &mut dyn FnMut(&str)) -> Result<Results> {
        self.validate()?;
        let kept = "everything up to there, in the folder of results. The same command goes on from it";
        let stopped = |e: Error| match e {
            Error::Interrupted { doing, .. } => Error::interrupted(doing, kept),
            other => other,
        };
        steps::run(self, movie, folder.as_ref(), say).map_err(stopped)
    }
}
