//! Frames without defects that a search was tried on, and what it found there.

use super::Defects;
use crate::error::{Error, Result};
use crate::file::{Array, Arrays};
use crate::movie::{Calibration, Movie};
use ndarray::Array3;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// Frames that look like a movie's but hold no defect, and what the same detector finds in them: whatever is done to a movie's
/// defects can be done to these as well, to see what noise alone makes of it.
///
/// ```no_run
/// # fn main() -> atomotion::Result<()> {
/// # use atomotion::prelude::*;
/// # let movie = Movie::open("movie.npy")?;
/// let defects = Detector::load("detector.safetensors")?.find(&movie)?;
/// for surrogate in defects.surrogates() {
///     println!("{}: {} detections in {} frames", surrogate.kind, surrogate.defects.len(), surrogate.movie.len());
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SurrogateFrames {
    /// How they were made: `noise`, `sites` or `simulated`, as [`Surrogates`](crate::detect::Surrogates) says.
    pub kind: String,
    /// The frames, in the movie's own pixels and units but for simulated ones.
    pub movie: Movie,
    /// What was found in them; frames are numbered as in [`movie`](SurrogateFrames::movie).
    pub defects: Defects,
}

const FRAMES: &str = "frames.safetensors";

impl SurrogateFrames {
    /// Writes them into a folder, which is made.
    pub(super) fn save(&self, folder: &Path) -> Result<()> {
        self.defects.save(folder)?;
        let path = folder.join(FRAMES);
        let frames = self.movie.frames().map(|f| f.map(|f| f.data)).collect::<Result<Vec<_>>>()?;
        let shape = vec![frames.len(), self.movie.height(), self.movie.width()];
        let arrays = BTreeMap::from([("frames".to_string(), (shape, frames.into_iter().flatten().collect()))]);
        let calibration = serde_json::to_string(&self.movie.calibration());
        let calibration = calibration.map_err(|e| Error::format(&path, e.to_string()))?;
        let header =
            [("kind", self.kind.clone()), ("name", self.movie.name().to_owned()), ("calibration", calibration)];
        Arrays { header: HashMap::from(header.map(|(k, v)| (k.to_string(), v))), arrays }.write(&path)
    }

    pub(super) fn load(folder: &Path) -> Result<SurrogateFrames> {
        let path = folder.join(FRAMES);
        let mut stored = Arrays::read(&path, "surrogate frames")?;
        let of = |name: &str| stored.header.get(name).cloned();
        let told = of("kind").zip(of("name")).zip(of("calibration").and_then(|c| serde_json::from_str(&c).ok()));
        let stack = stored.arrays.remove("frames").and_then(stack);
        let (Some(((kind, name), calibration)), Some(stack)) = (told, stack) else {
            return Err(Error::format(&path, "does not hold surrogate frames of shape (frames, height, width)"));
        };
        let calibration: Calibration = calibration;
        let movie = Movie::from_array(stack)?.with_calibration(calibration).with_name(name);
        Ok(SurrogateFrames { kind, movie, defects: Defects::load(folder)? })
    }
}

fn stack((shape, values): Array) -> Option<Array3<f32>> {
    let [n, h, w] = shape[..] else { return None };
    Array3::from_shape_vec((n, h, w), values).ok()
}

impl Defects {
    /// Frames without defects that the search was tried on, of each kind, with what it found there; empty where that was not
    /// counted, and where patches were replaced since. They go along with rows that are taken and columns that are added,
    /// and classes put what they make of them beside each class ([`Classes::noise`](crate::classify::Classes::noise)).
    /// Where rows are taken they stay as they are, so that noise is over-estimated.
    #[must_use]
    pub fn surrogates(&self) -> &[SurrogateFrames] {
        &self.surrogates
    }

    pub(crate) fn with_surrogates(mut self, surrogates: impl Into<Arc<[SurrogateFrames]>>) -> Defects {
        self.surrogates = surrogates.into();
        self
    }
}

impl std::fmt::Debug for SurrogateFrames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Without defects ({}): {} detections in {} frames", self.kind, self.defects.len(), self.movie.len())
    }
}
