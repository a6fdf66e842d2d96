//! From frames to a table of defects.

mod calibrate;
mod fit;
mod maps;
mod objects;
mod options;
mod places;
mod prepare;
mod remainder;
mod stream;
mod surrogates;

pub use options::Decoding;
pub use remainder::too_bright;
pub use stream::Stream;
pub use surrogates::Surrogates;

use super::augment::bilinear;
use super::calibration::{rate_with_odds, with_odds};
use super::detector::Detector;
use super::network::STRIDE;
use super::order::Kind;
use crate::defects::{Area, Areas, Defects, Found, Rows};
use crate::error::{Error, Result};
use crate::movie::{Frame, Movie};
use crate::progress::{EARLIER, Progress, Reporter};
use maps::{AT_ONCE_CPU, AT_ONCE_GPU, Engine, Maps};
use ndarray::{Array2, Array3, Array4, ArrayView2, Axis};
use objects::{Object, usual};
use places::{Front, Places};
use prepare::{Preparation, Prepared};
use rayon::prelude::*;
use remainder::Remainder;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

impl Detector {
    /// Finds the defects of every frame. What noise alone would have given comes along
    /// ([`Defects::false_alarms`], [`Defects::surrogates`]), and how much of each frame was lattice, hole and amorphous ([`Defects::areas`]).
    ///
    /// Frames are read ahead while the network runs. Where a frame is no lattice, nothing counts as a point defect.
    ///
    /// # Errors
    /// If a frame cannot be read, holds NaN, or is smaller than what the network looks at; if the movie shows no lattice
    /// and a frame is constant.
    pub fn find(&self, movie: &Movie) -> Result<Defects> {
        self.find_with(movie, &Decoding::default(), &mut Reporter::new("finding defects", "frames"))
    }

    /// Finds the defects of every frame, with options of choice, telling `progress`.
    ///
    /// # Errors
    /// As [`Detector::find`], and if an option is out of range.
    pub fn find_with(&self, movie: &Movie, decoding: &Decoding, progress: &mut dyn Progress) -> Result<Defects> {
        decoding.validate()?;
        let preparation = self.preparation().with_reference_of(movie);
        let decoder = Decoder { decoding, preparation: &preparation };
        let mut gathered = Gathered::new(decoding, &preparation, movie);
        progress.update(0, movie.len(), "");
        self.engine(decoding, |engine| {
            self.walk(movie, &decoder, engine, &mut gathered, progress)?;
            let mut noise = surrogates::count(&decoder, movie, engine, &gathered, progress)?;
            progress.update(movie.len(), movie.len(), &format!("{} defects", gathered.rows.len()));
            let areas = Areas::new(gathered.areas, movie.calibration());
            Ok(gathered.rows.finish(Some(areas), noise.alarms())?.with_surrogates(noise.frames()?))
        })
    }

    /// The network's probability map of one frame, in pixels of the binned frame; of several channels the highest. It is
    /// calibrated on the labelled frame: how frequent faint defects are in this one, only the probabilities of
    /// [`Detector::find`] say.
    ///
    /// # Errors
    /// If the frame holds NaN, is constant, or is smaller than what the network looks at.
    pub fn probability(&self, frame: &Frame) -> Result<Array2<f32>> {
        Ok(self.maps(frame)?.any())
    }

    /// The probability maps of one frame: `[channel, y, x]`, in pixels of the binned frame; channels as
    /// [`Detector::channels`] says.
    ///
    /// # Errors
    /// As [`Detector::probability`].
    pub fn probabilities(&self, frame: &Frame) -> Result<Array3<f32>> {
        Ok(self.maps(frame)?.mean)
    }

    /// How much the networks of an ensemble differ, as a standard deviation of the probability: shape as
    /// [`Detector::probabilities`]; none where there is one network.
    ///
    /// # Errors
    /// As [`Detector::probability`].
    pub fn spread(&self, frame: &Frame) -> Result<Option<Array3<f32>>> {
        Ok(self.maps(frame)?.spread)
    }

    /// Seconds that the network takes for a frame of a movie, in batches as [`Detector::find`] makes them, copies to the
    /// device and back included. The rest of a search is preparation and decoding, on the processor, beside it. Meanwhile
    /// all frames are held in memory.
    ///
    /// # Errors
    /// As [`Detector::find`].
    pub fn network_s(&self, movie: &Movie) -> Result<f64> {
        let preparation = self.preparation().with_reference_of(movie);
        let prepared = movie.frames().map(|f| preparation.frame(&f?)).collect::<Result<Vec<_>>>()?;
        let planes: Vec<_> = prepared.iter().map(|p| &p.planes[..]).collect();
        self.engine(&Decoding::default(), |engine| {
            engine.maps(&planes[..1])?; // libtorch sets itself up
            let begun = Instant::now();
            for some in planes.chunks(Decoding::default().batch) {
                engine.maps(some)?;
            }
            Ok(begun.elapsed().as_secs_f64() / planes.len() as f64)
        })
    }

    fn maps(&self, frame: &Frame) -> Result<Maps> {
        let mut preparation = self.preparation();
        preparation.learn(frame);
        let prepared = preparation.frame(frame)?;
        let maps = self.engine(&Decoding::default(), |engine| engine.maps(&[&prepared.planes]))?;
        maps.into_iter().next().ok_or_else(|| Error::data("no frame was given"))
    }

    fn preparation(&self) -> Preparation {
        Preparation {
            bin: self.memory.bin,
            period: self.memory.period_px,
            reference: None,
            input: self.memory.training.input,
            bands: None,
            unsure: self.memory.unsure.clone(),
        }
    }

    /// The network as what runs on any frames.
    fn engine<T>(&self, decoding: &Decoding, work: impl FnOnce(&mut Engine) -> Result<T>) -> Result<T> {
        let predict = |stack: &Array4<f32>| self.predict(stack, decoding.half_precision);
        let usual = if self.device().is_cuda() { AT_ONCE_GPU } else { AT_ONCE_CPU };
        let most_px = decoding.most_px.unwrap_or(usual);
        work(&mut Engine { predict: &predict, stride: STRIDE, field: self.field_px(), most_px })
    }

    /// Three things go on at once: the next frames are read and prepared, the network runs, and the last maps become
    /// defects. Prepared are at most twice as many frames as are made side by side (one for each core, as far as they have
    /// [`AHEAD_PX`] pixels, or as many as the network takes), and with the network and behind it three times what it takes.
    fn walk(
        &self,
        movie: &Movie,
        decoder: &Decoder,
        engine: &mut Engine,
        gathered: &mut Gathered,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let size = (movie.height() / self.memory.bin.max(1), movie.width() / self.memory.bin.max(1));
        let at_once = |engine: &Engine| decoder.decoding.batch.min(engine.frames_at_once(size));
        std::thread::scope(|scope| {
            let fit = AHEAD_PX / (movie.height() * movie.width()).max(1);
            let ahead = at_once(engine).max(rayon::current_num_threads().min(fit));
            let (give, take) = sync_channel::<Result<Prepared>>(ahead);
            scope.spawn(move || {
                let prepared = |index| movie.frame(index).and_then(|f| decoder.preparation.frame(&f));
                // Several at once: little of what is done to one frame can be shared among cores.
                for first in (0..movie.len()).step_by(ahead) {
                    let some: Vec<_> = (first..movie.len().min(first + ahead)).into_par_iter().map(prepared).collect();
                    for prepared in some {
                        let last = prepared.is_err();
                        // Nobody listens any more when the work was stopped.
                        if give.send(prepared).is_err() || last {
                            return;
                        }
                    }
                }
            });
            let mut finishing: Option<std::thread::ScopedJoinHandle<'_, Vec<Decoded>>> = None;
            let mut read = 0;
            while read < movie.len() {
                if progress.interrupted() {
                    return Err(Error::interrupted(format!("after {read} of {} frames", movie.len()), EARLIER));
                }
                let batch = take.iter().take(at_once(engine)).collect::<Result<Vec<_>>>()?;
                if batch.is_empty() {
                    return Err(Error::data(format!("{} ended after {read} frames", movie.name())));
                }
                read += batch.len();
                let maps = engine.maps(&batch.iter().map(|p| &p.planes[..]).collect::<Vec<_>>())?;
                let work = move || batch.par_iter().zip(&maps).map(|(p, m)| decoder.decode(p, m, None)).collect();
                if let Some(before) = finishing.replace(scope.spawn(work)) {
                    gathered.take(before)?;
                }
                // The end is told when noise has been counted, too.
                if read < movie.len() {
                    progress.update(read, movie.len(), &format!("{} defects", gathered.rows.len()));
                }
            }
            finishing.map_or(Ok(()), |last| gathered.take(last))
        })
    }
}

/// Frames are prepared side by side as long as they have no more pixels together: prepared they take 16 bytes each.
const AHEAD_PX: usize = 1 << 24;

/// Everything of a movie so far.
struct Gathered {
    rows: Rows,
    areas: Vec<Area>,
    odds: Vec<Vec<f64>>,
}

impl Gathered {
    fn new(decoding: &Decoding, preparation: &Preparation, movie: &Movie) -> Gathered {
        let rows = Rows::new(decoding.patch_px, preparation.bin, movie.calibration(), decoding.refine);
        Gathered { rows, areas: Vec::with_capacity(movie.len()), odds: Vec::with_capacity(movie.len()) }
    }

    fn take(&mut self, finishing: std::thread::ScopedJoinHandle<'_, Vec<Decoded>>) -> Result<()> {
        let decoded = finishing.join().map_err(|_| Error::data("the maps of a frame could not be decoded"))?;
        for frame in decoded {
            self.push(frame);
        }
        Ok(())
    }

    fn push(&mut self, decoded: Decoded) {
        self.areas.push(decoded.area);
        self.odds.push(decoded.odds);
        for (found, patch) in decoded.found {
            self.rows.push(decoded.area.frame, found, patch);
        }
    }
}

/// What was found in one frame.
struct Decoded {
    found: Vec<(Found, Array2<f32>)>,
    area: Area,
    /// By what the odds of its detections were multiplied, in each channel.
    odds: Vec<f64>,
}

/// A map that says more of most places than this part of what a faint detection begins with is none of faint detections.
const SURE_OF_MOST: f64 = 0.25;

/// One map of a frame.
struct Channel<'a> {
    map: ArrayView2<'a, f32>,
    /// What stands in front of the lattice, where that is known.
    front: Option<Front<'a>>,
}

/// Makes defects of maps.
struct Decoder<'a> {
    decoding: &'a Decoding,
    preparation: &'a Preparation,
}

impl Decoder<'_> {
    /// The defects of a frame, whose odds are multiplied as its own faint ones say, or as is said.
    fn decode(&self, frame: &Prepared, maps: &Maps, odds: Option<&[f64]>) -> Decoded {
        let remainder = Remainder {
            image: &frame.raw,
            period: self.preparation.period,
            basis: self.preparation.reference.as_ref().map(|r| r.basis),
        };
        let channels = self.channels(frame, maps);
        let odds = odds.map_or_else(|| self.odds(frame, &channels), <[f64]>::to_vec);
        let found = self
            .objects(frame, &channels, &odds)
            .into_iter()
            .map(|(channel, object)| {
                let found = self.found(&remainder, maps, (channel, odds[channel]), &object);
                let patch = patch(&frame.planes[0], (found.y, found.x), self.decoding.patch_px);
                (found, patch)
            })
            .collect();
        Decoded { found, area: frame.area, odds }
    }

    /// Each channel's map, and what stands in front of the lattice with that sign.
    fn channels<'m>(&self, frame: &'m Prepared, maps: &'m Maps) -> Vec<Channel<'m>> {
        let all = maps.mean.axis_iter(Axis(0)).enumerate();
        let count = maps.mean.len_of(Axis(0));
        let front = |c| frame.planes.get(1).map(|signed| Front::of(signed, (c, count), self.places(frame)));
        all.map(|(c, map)| Channel { map, front: front(c) }).collect()
    }

    /// By what the odds of this frame's detections are to be multiplied, in each channel: faint defects may be more or less
    /// frequent than in the labelled frame.
    fn odds(&self, frame: &Prepared, channels: &[Channel]) -> Vec<f64> {
        let lattice = frame.order.lattice_px();
        let of = |(c, channel): (usize, &Channel)| {
            let Some(unsure) = self.preparation.unsure.get(c) else { return 1.0 };
            // A training too short to be sure of most places says nothing of faint ones.
            if f64::from(usual(channel.map)) > SURE_OF_MOST * unsure.from {
                return 1.0;
            }
            let seen = self.standing_out(unsure.from, frame, channel);
            unsure.odds(seen.into_iter().map(|o| o.probability), lattice)
        };
        channels.iter().enumerate().map(of).collect()
    }

    /// What stands out of a channel's map by this probability, where the frame is lattice.
    fn standing_out(&self, threshold: f64, frame: &Prepared, channel: &Channel) -> Vec<Object> {
        let decoding = self.decoding.clone().with_threshold(threshold);
        let mut objects = decoding.objects(channel.map, channel.front.as_ref(), self.preparation.period);
        objects.retain(|o| frame.order.at(o.y, o.x) == Kind::Lattice);
        objects
    }

    /// The objects of every channel, each once, where the frame is lattice; row by row. Their probabilities have these odds.
    fn objects(&self, frame: &Prepared, channels: &[Channel], odds: &[f64]) -> Vec<(usize, Object)> {
        let period = self.preparation.period;
        let mut all = vec![];
        for (c, (channel, &odds)) in channels.iter().zip(odds).enumerate() {
            // What has the threshold once its odds are multiplied.
            for mut object in self.standing_out(with_odds(self.decoding.threshold, 1.0 / odds), frame, channel) {
                object.probability = with_odds(f64::from(object.probability), odds) as f32;
                all.push((c, object));
            }
        }
        let mut kept = self.decoding.without_duplicates(all, period, |(_, o)| o);
        kept.sort_by(|a, b| a.1.y.total_cmp(&b.1.y).then(a.1.x.total_cmp(&b.1.x)));
        kept
    }

    /// Where defects stand, in a frame whose lattice is known.
    fn places<'a>(&self, frame: &'a Prepared) -> Option<Places<'a>> {
        let reference = self.preparation.reference.as_ref()?;
        Places::of(frame.lattice.as_ref()?.view(), reference.basis)
    }

    fn found(&self, remainder: &Remainder, maps: &Maps, (channel, odds): (usize, f64), object: &Object) -> Found {
        let at = [channel, object.peak.0, object.peak.1];
        let rate = rate_with_odds(f64::from(maps.mean[at]), odds);
        let spread = maps.spread.as_ref().map(|s| s[at] * rate as f32);
        let bright =
            if maps.mean.len_of(Axis(0)) == 1 { remainder.at((object.y, object.x)) > 0.0 } else { channel == 1 };
        let fitted = self.decoding.refine.then(|| remainder.centre((object.y, object.x))).flatten();
        let (y, x) = fitted.map_or((object.y, object.x), |f| (f.y as f32, f.x as f32));
        Found {
            y,
            x,
            area: object.area,
            probability: object.probability,
            spread,
            bright,
            error: fitted.map(|f| f.error as f32),
        }
    }
}

/// A crop centred on a place between pixels; beyond the border the frame is mirrored.
fn patch(image: &Array2<f32>, (cy, cx): (f32, f32), size: usize) -> Array2<f32> {
    let middle = (size as f32 - 1.0) / 2.0;
    Array2::from_shape_fn((size, size), |(y, x)| bilinear(image, (cy + y as f32 - middle, cx + x as f32 - middle)))
}
