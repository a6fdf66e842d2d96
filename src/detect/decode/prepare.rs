//! What a frame goes through before the network sees it.

use super::super::bands::{Bands, WINDOW_PERIODS};
use super::super::calibration::Unsure;
use super::super::filter::bin;
use super::super::order::{Order, Reference};
use super::super::training::{Input, Units, fits, planes};
use crate::defects::Area;
use crate::error::Result;
use crate::movie::{Calibration, Frame, Movie};
use ndarray::Array2;
use std::sync::Arc;

/// How frames are prepared, the same for all frames of a movie.
#[derive(Clone)]
pub(super) struct Preparation {
    /// Frames are binned by this.
    pub bin: usize,
    /// Lattice period in binned pixels.
    pub period: f64,
    /// The lattice that the movie has shown, once it has.
    pub reference: Option<Reference>,
    /// What the network is shown.
    pub input: Input,
    /// The lattice's waves in frames of the movie's size, where the network is shown what is left without them.
    pub bands: Option<Arc<Bands>>,
    /// How frequent unsure detections are in the labelled frame, of each channel.
    pub unsure: Vec<Unsure>,
}

/// A frame as the network sees it, and what else is known of it.
pub(super) struct Prepared {
    /// Binned.
    pub raw: Array2<f32>,
    /// What the network is shown: the binned frame normalised, and what is left of it without its lattice.
    pub planes: Vec<Array2<f32>>,
    /// The lattice in it, where one is known.
    pub lattice: Option<Array2<f32>>,
    pub order: Order,
    pub area: Area,
}

/// Frames of a movie that are looked at until one shows a lattice.
const LOOKS: usize = 5;

impl Preparation {
    /// With the lattice of the first frame that shows one, among a few.
    pub fn with_reference_of(mut self, movie: &Movie) -> Preparation {
        let last = movie.len() - 1;
        let mut looks: Vec<usize> = (0..LOOKS).map(|i| i * last / (LOOKS - 1)).collect();
        looks.dedup();
        // A frame that cannot be read is an error when its turn comes.
        looks.into_iter().filter_map(|i| movie.frame(i).ok()).find(|f| self.learn(f));
        self
    }

    /// Takes the lattice of a frame for the movie's; whether it shows one.
    pub fn learn(&mut self, frame: &Frame) -> bool {
        self.reference = self.reference_of(frame);
        self.bands = self.bands_of((frame.data.nrows() / self.bin, frame.data.ncols() / self.bin));
        self.reference.is_some()
    }

    fn bands_of(&self, size: (usize, usize)) -> Option<Arc<Bands>> {
        let reference = self.reference.as_ref().filter(|_| self.input == Input::FrameAndRemainder)?;
        Some(Arc::new(Bands::new(size, &reference.peaks, WINDOW_PERIODS * reference.period)))
    }

    fn reference_of(&self, frame: &Frame) -> Option<Reference> {
        frame.usable().ok()?;
        Reference::of(&bin(&frame.data, self.bin))
    }

    pub fn frame(&self, frame: &Frame) -> Result<Prepared> {
        // Next to a lattice a constant frame means something: there is none any more.
        if self.reference.is_none() || frame.data.iter().any(|v| !v.is_finite()) {
            frame.usable()?;
        }
        let raw = bin(&frame.data, self.bin);
        fits(raw.dim(), self.bin)?;
        Ok(self.image(raw, frame.index, frame.calibration, None))
    }

    /// From a binned image, in its own units or another's: in a frame without defects, noise is measured to be less by what
    /// defects add to it, and stands out the more.
    pub fn image(&self, raw: Array2<f32>, frame: u32, calibration: Calibration, units: Option<&Units>) -> Prepared {
        let order = self.reference.as_ref().map_or_else(|| Order::none(raw.dim()), |r| r.order(&raw));
        let area = order.area(frame, calibration.to_nm(self.bin as f64));
        let bands = self.bands_for(raw.dim());
        let (planes, lattice) = planes(&raw, self.period, self.input, bands.as_deref(), units);
        Prepared { planes, lattice, order, area, raw }
    }

    /// What a binned image is measured in.
    pub fn units(&self, raw: &Array2<f32>) -> Units {
        Units::of(raw, self.period, self.input, self.bands_for(raw.dim()).as_deref())
    }

    /// Those of the movie's size are kept.
    fn bands_for(&self, size: (usize, usize)) -> Option<Arc<Bands>> {
        self.bands.clone().filter(|b| b.size() == size).or_else(|| self.bands_of(size))
    }
}
