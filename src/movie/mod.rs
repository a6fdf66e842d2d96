//! Movies and their frames: opening files lazily, calibration, operations, drift, saving.
//!
//! A [`Movie`] gives [`Frame`]s one at a time; nothing is read before it is asked for. Operations are lazy, too, and
//! chain: `movie.crop(..256, ..256)?.bin(2)?.rolling_average(5)?` computes a frame when that frame is read.

mod calibration;
mod dataset;
mod drift;
mod examples;
mod formats;
mod operations;
mod reader;
mod save;

pub use calibration::Calibration;
pub use dataset::{dataset_drift, dataset_events, dataset_truth, datasets};
pub use drift::{Drift, Jitter, MeasuredDrift, MeasuredJitter};
pub use examples::{example_movies, real_data};
pub use formats::{Axis, Metadata};
pub use operations::Normalise;
pub(crate) use operations::interpolate::sample;
pub use reader::FrameSource;
pub use save::{Saving, Stored};

use crate::error::{Error, Result};
use ndarray::{Array2, Array3};
use std::path::Path;
use std::sync::Arc;

/// One image of a movie: `data[[y, x]]`, origin top left, pixel centres on whole numbers.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The intensities, rows first.
    pub data: Array2<f32>,
    /// Which frame of the movie this is, from 0.
    pub index: u32,
    /// What a pixel is worth.
    pub calibration: Calibration,
    /// Where it came from, for captions and messages.
    pub source: String,
}

impl Frame {
    /// A frame from an array, for data that come from elsewhere.
    #[must_use]
    pub fn new(data: Array2<f32>, calibration: Calibration) -> Self {
        Frame { data, index: 0, calibration, source: "array".into() }
    }

    /// Checks that the frame can be analysed: finite and not constant.
    pub(crate) fn usable(&self) -> Result<()> {
        let bad = self.data.iter().filter(|v| !v.is_finite()).count();
        if bad > 0 {
            let (y, x) = self.data.indexed_iter().find(|(_, v)| !v.is_finite()).map_or((0, 0), |(at, _)| at);
            return Err(Error::data(format!(
                "frame {} of {} has {bad} pixels that are NaN or infinite, the first at y = {y}, x = {x}: \
                 replace them or leave that frame out",
                self.index, self.source
            )));
        }
        let first = self.data.first().copied().unwrap_or(0.0);
        if self.data.iter().all(|&v| v == first) {
            return Err(Error::data(format!(
                "frame {} of {} is constant (every pixel is {first}): there is nothing to find in it",
                self.index, self.source
            )));
        }
        Ok(())
    }
}

/// A sequence of frames of one size, read lazily.
///
/// ```
/// use atomotion::movie::{Calibration, Movie};
/// use atomotion::ndarray::Array3;
/// let stack = Array3::from_shape_fn((3, 32, 32), |(t, y, x)| (t + y + x) as f32);
/// let movie = Movie::from_array(stack)?.with_calibration(Calibration::new(0.03, 1.0)?);
/// assert_eq!((movie.len(), movie.height(), movie.width()), (3, 32, 32));
/// assert_eq!(movie.frame(2)?.data[[0, 0]], 2.0);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone)]
pub struct Movie {
    source: Arc<dyn FrameSource>,
    calibration: Calibration,
    axes: [Axis; 3],
    metadata: Metadata,
    name: String,
}

impl Movie {
    /// Opens a movie, recognising its format by content, not by name: NumPy `.npy` and `.npz`, TIFF and BigTIFF,
    /// Gatan DM3 and DM4, MRC, TIA `.ser`, HDF5 (Velox and NCEM EMD, HyperSpy, USID, NSID, plain arrays) or PNG.
    ///
    /// A folder of images, or a pattern such as `frames/*.tif`, is a movie of one image a file, in natural order.
    /// Nothing is read but what it takes to know the movie's shape; frames are read when they are asked for.
    ///
    /// # Errors
    /// If the file is missing, truncated, of another kind, empty, or holds complex numbers or colours; if it holds
    /// several datasets, with their names (see [`Movie::open_dataset`]).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Movie::from_opened(path.as_ref(), None)
    }

    /// Opens one dataset of a file that holds several, by its name or by a part of its path.
    ///
    /// # Errors
    /// As [`Movie::open`], and if there is no such dataset, with the names of those there are.
    pub fn open_dataset(path: impl AsRef<Path>, dataset: &str) -> Result<Self> {
        Movie::from_opened(path.as_ref(), Some(dataset))
    }

    fn from_opened(path: &Path, choice: Option<&str>) -> Result<Self> {
        let opened = reader::open(path, choice)?;
        let calibration = opened.calibration();
        let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        let movie = Movie::from_source(opened.source, name, calibration)?;
        Ok(Movie { axes: opened.axes, metadata: opened.metadata, ..movie })
    }

    /// A movie from an array of shape (frames, height, width).
    ///
    /// # Errors
    /// If there is no frame, or a frame has no pixel.
    pub fn from_array(stack: Array3<f32>) -> Result<Self> {
        Movie::from_source(Arc::new(stack), "array".into(), Calibration::default())
    }

    fn from_source(source: Arc<dyn FrameSource>, name: String, calibration: Calibration) -> Result<Self> {
        let (frames, height, width) = source.shape();
        if frames == 0 || height == 0 || width == 0 {
            return Err(Error::data(format!("{name} is empty: its shape is {frames} x {height} x {width}")));
        }
        let axes = [frames, height, width].map(Axis::new);
        let movie = Movie { source, calibration, axes, metadata: Metadata::default(), name };
        Ok(movie.with_calibration(calibration))
    }

    /// The same movie with another calibration, which its axes then show: in nm and s, from 0.
    #[must_use]
    pub fn with_calibration(mut self, calibration: Calibration) -> Self {
        self.calibration = calibration;
        self.axes = self.axes.map(|axis| Axis::new(axis.size));
        if calibration.known {
            let [frames, y, x] = self.axes;
            let (nm, seconds) = (calibration.nm_per_px, calibration.s_per_frame);
            self.axes = [frames.scaled(seconds, 0.0, "s"), y.scaled(nm, 0.0, "nm"), x.scaled(nm, 0.0, "nm")];
        }
        self
    }

    /// The same movie with what is known of its recording.
    #[must_use]
    pub(crate) fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// The same movie under another name (shown in captions).
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Number of frames.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // a movie is never empty: that is checked when it is made
    pub fn len(&self) -> usize {
        self.source.shape().0
    }

    /// Height of a frame in pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.source.shape().1
    }

    /// Width of a frame in pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.source.shape().2
    }

    /// What a pixel and a frame are worth.
    #[must_use]
    pub fn calibration(&self) -> Calibration {
        self.calibration
    }

    /// Frames, rows and columns as the file describes them, in its own units, or as [`Movie::with_calibration`] set them.
    #[must_use]
    pub fn axes(&self) -> &[Axis; 3] {
        &self.axes
    }

    /// What else the file says: when and how it was recorded.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The file's name, or what [`Movie::with_name`] set.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads one frame, counted from 0.
    ///
    /// # Errors
    /// If there is no such frame, or it cannot be read.
    pub fn frame(&self, index: usize) -> Result<Frame> {
        if index >= self.len() {
            return Err(Error::data(format!(
                "{} has no frame {index}: its {} frames count from 0 to {}",
                self.name,
                self.len(),
                self.len() - 1
            )));
        }
        Ok(Frame {
            data: self.source.read(index)?,
            index: index as u32,
            calibration: self.calibration,
            source: self.name.clone(),
        })
    }

    /// Walks through the frames, reading one at a time.
    pub fn frames(&self) -> impl Iterator<Item = Result<Frame>> + '_ {
        (0..self.len()).map(|i| self.frame(i))
    }
}

impl std::fmt::Debug for Movie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let c = self.calibration;
        let plural = if self.len() == 1 { "" } else { "s" };
        write!(f, "Movie {}: {} frame{plural} of {} x {} px", self.name, self.len(), self.height(), self.width())?;
        match (c.known, self.len()) {
            (false, _) => write!(f, ", not calibrated")?,
            (true, 1) => write!(f, ", {:.4} nm/px", c.nm_per_px)?,
            (true, _) => write!(f, ", {:.4} nm/px, {:.3} s/frame", c.nm_per_px, c.s_per_frame)?,
        }
        // What of the metadata says how it was recorded; all of them are in `metadata()`.
        for name in
            ["acquired", "dwell_time_s", "exposure_time_s", "voltage_kv", "magnification", "detector", "history"]
        {
            if let Some(value) = self.metadata.get(name) {
                write!(f, ", {name} {value}")?;
            }
        }
        Ok(())
    }
}

impl FrameSource for Array3<f32> {
    fn shape(&self) -> (usize, usize, usize) {
        self.dim()
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        Ok(self.index_axis(ndarray::Axis(0), index).to_owned())
    }
}
