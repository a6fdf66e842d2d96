//! Frames one at a time, as they come from a microscope.

use super::surrogates::Noise;
use super::{Decoder, Decoding, Gathered};
use crate::defects::{Area, Areas, Defects, Rows};
use crate::detect::Detector;
use crate::error::Result;
use crate::movie::Frame;
use std::borrow::Borrow;
use std::time::{Duration, Instant};

/// A detector that is given frames one at a time, and says how long each took.
///
/// Frames may have any size. The first one that shows a lattice is what later ones are held against where a frame may have
/// lost its lattice; before it, a frame counts as one hole. What noise alone gives ([`Defects::false_alarms`]) is counted in that
/// frame and in every twentieth after it, as often as [`Surrogates::frames`](super::Surrogates::frames) says: those take about three times as long, and
/// every table has the counts so far.
///
/// ```
/// use atomotion::{detect::{Detector, PeriodicityBreak, Training}, simulate::Ws2};
/// let movie = Ws2::default().with_size_px(128).with_frames(3).simulate(3)?.movie;
/// let labels = PeriodicityBreak::default().label(&movie.frame(0)?)?;
/// let detector = Detector::train(&labels, &Training::default().with_steps(10))?; // 800 for use
/// let mut stream = detector.stream();
/// for defects in stream.over(movie.frames()) {
///     println!("{} defects", defects?.len());
/// }
/// assert_eq!(stream.latencies().len(), 3);
/// # Ok::<(), atomotion::Error>(())
/// ```
///
/// [`Detector::stream`] borrows the detector; `Stream::new(detector)` keeps it, so that a notebook can hold the stream from
/// cell to cell.
pub struct Stream<D> {
    detector: D,
    decoding: Decoding,
    preparation: super::Preparation,
    /// What the device has been seen to hold at once.
    most_px: Option<usize>,
    noise: Noise,
    /// Frames so far since one had a lattice.
    lattice: usize,
    areas: Vec<Area>,
    latencies: Vec<Duration>,
}

impl Detector {
    /// Takes frames one at a time, from a live source or any iterator.
    #[must_use]
    pub fn stream(&self) -> Stream<&Detector> {
        Stream::new(self)
    }

    /// Finds the defects of one frame, and what noise alone would have given in it ([`Defects::false_alarms`]), which takes twice
    /// as long again: `detector.stream().with_decoding(decoding)?` with [`Surrogates::with_frames(0)`](super::Surrogates::with_frames) leaves it out.
    ///
    /// # Errors
    /// If the frame holds NaN, is constant, or is smaller than what the network looks at.
    pub fn find_in(&self, frame: &Frame) -> Result<Defects> {
        self.stream().find_in(frame)
    }
}

impl<D: Borrow<Detector>> Stream<D> {
    /// A stream that has seen nothing yet.
    #[must_use]
    pub fn new(detector: D) -> Stream<D> {
        let preparation = detector.borrow().preparation();
        let decoding = Decoding::default();
        let noise = Noise::new(&decoding.surrogates);
        let (areas, latencies) = (vec![], vec![]);
        Stream { detector, decoding, preparation, most_px: None, noise, lattice: 0, areas, latencies }
    }

    /// The same with options of choice.
    ///
    /// # Errors
    /// If an option is out of range.
    pub fn with_decoding(mut self, decoding: Decoding) -> Result<Self> {
        decoding.validate()?;
        self.most_px = decoding.most_px;
        (self.noise, self.lattice) = (Noise::new(&decoding.surrogates), 0);
        self.decoding = decoding;
        Ok(self)
    }

    /// Finds the defects of the next frame.
    ///
    /// # Errors
    /// As [`Detector::find_in`]; a constant frame is an error only before a lattice was seen.
    pub fn find_in(&mut self, frame: &Frame) -> Result<Defects> {
        let begun = Instant::now();
        if self.preparation.reference.is_none() {
            self.preparation.learn(frame);
        }
        let prepared = self.preparation.frame(frame)?;
        let decoding = self.decoding.clone().with_most_px(self.most_px);
        let decoder = Decoder { decoding: &self.decoding, preparation: &self.preparation };
        let rows = Rows::new(self.decoding.patch_px, self.preparation.bin, frame.calibration, self.decoding.refine);
        let mut gathered = Gathered { rows, areas: vec![], odds: vec![] };
        let look = self.preparation.reference.is_some() && self.noise.due(self.lattice);
        let noise = &mut self.noise;
        self.most_px = self.detector.borrow().engine(&decoding, |engine| {
            let maps = engine.maps(&[&prepared.planes])?;
            maps.iter().for_each(|m| gathered.push(decoder.decode(&prepared, m, None)));
            if let (true, Some(odds)) = (look, gathered.odds.first()) {
                let taken: Vec<(f32, f32)> = gathered.rows.places(prepared.area.frame).collect();
                noise.look(&decoder, (frame, &prepared), (&taken, odds), engine)?;
            }
            Ok(Some(engine.most_px))
        })?;
        self.lattice += usize::from(self.preparation.reference.is_some());
        self.areas.extend(&gathered.areas);
        let areas = Areas::new(gathered.areas, frame.calibration);
        let defects = gathered.rows.finish(Some(areas), self.noise.alarms())?.with_surrogates(self.noise.frames()?);
        self.latencies.push(begun.elapsed());
        Ok(defects)
    }

    /// The defects of each frame of an iterator, when that frame is asked for.
    pub fn over<'a>(
        &'a mut self,
        frames: impl IntoIterator<Item = Result<Frame>> + 'a,
    ) -> impl Iterator<Item = Result<Defects>> + 'a {
        frames.into_iter().map(move |frame| self.find_in(&frame?))
    }

    /// How long each frame took so far, from being given to its table.
    #[must_use]
    pub fn latencies(&self) -> &[Duration] {
        &self.latencies
    }

    /// The areas of every frame so far.
    #[must_use]
    pub fn area_of_each(&self) -> &[Area] {
        &self.areas
    }
}

impl<D> Stream<D> {
    /// The latency that a fraction of the frames did not exceed; none before the first frame.
    #[must_use]
    pub fn latency(&self, fraction: f64) -> Option<Duration> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        sorted.get((fraction.clamp(0.0, 1.0) * last as f64).round() as usize).copied()
    }
}

impl<D> std::fmt::Debug for Stream<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream of {} frames", self.latencies.len())?;
        let ms = |of: f64| self.latency(of).map(|l| 1e3 * l.as_secs_f64());
        if let (Some(median), Some(high), Some(last)) = (ms(0.5), ms(0.95), self.latencies.last()) {
            write!(
                f,
                ": latency {median:.0} ms in the median, {high:.0} ms at the 95th percentile, {:.0} ms of the last",
                1e3 * last.as_secs_f64()
            )?;
        }
        Ok(())
    }
}
