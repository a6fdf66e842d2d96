//! What noise alone gives: what the detector finds in frames that look like the movie's but hold no defect.

use super::super::bands::{WINDOW_PERIODS, periodic_part};
use super::super::evidence::{strength, surrogate};
use super::super::order::{Kind, Reference};
use super::super::periodicity::disc;
use super::super::training::levels;
use super::maps::Engine;
use super::prepare::{Preparation, Prepared};
use super::{Decoded, Decoder, Gathered};
use crate::defects::{Alarm, Area, Areas, FalseAlarms, Rows, SurrogateFrames};
use crate::error::{Error, Result, check, setters};
use crate::movie::{Calibration, Frame, Movie};
use crate::progress::{EARLIER, Progress};
use crate::session::seeded;
use crate::simulate::{Composition, Experiment};
use ndarray::{Array2, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Frames without defects, made from the movie's own, in which detections are counted.
///
/// A few frames are taken apart into lattice and remainder, and put together again in two ways: the lattice with noise of
/// the remainder's spectrum and strength (`noise`), and the lattice with the remainder of another cell in each cell
/// (`sites`), which keeps the noise as it is, whatever its distribution. No cell with a detection is taken, so that `sites`
/// is a lower estimate where many detections are noise; `noise` is an upper one where the remainder has structure, as
/// contamination gives it, which is then everywhere. Where an experiment is given, perfect crystals are simulated as well
/// (`simulated`). The frames stay with the result ([`Defects::surrogates`](crate::defects::Defects::surrogates)), sixteen of each
/// kind at most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Surrogates {
    /// Frames of each kind. By default one for twenty frames of the movie or stream, at least one and at most three; a stream
    /// looks at no more than one of twenty whatever is asked for. 0 counts nothing.
    pub frames: Option<usize>,
    /// Seed of the noise.
    pub seed: u64,
    /// Specimen and microscope of frames to be simulated; defects and number of frames do not matter.
    pub experiment: Option<Box<Experiment>>,
}

impl Default for Surrogates {
    fn default() -> Self {
        Surrogates { frames: None, seed: 1, experiment: None }
    }
}

/// Radius of what a defect has changed, in periods: its column and a good part of the next.
const FOUND_PERIODS: f64 = 0.6;
/// Of so many frames at most one is looked at.
const FRAMES_A_LOOK: usize = 20;
/// So many looks where none are asked for, in a movie or stream that is long enough.
const USUAL_LOOKS: usize = 3;
/// So many frames of each kind are kept.
const KEPT: usize = 16;
/// Kinds of surrogate frames.
const KINDS: [&str; 3] = ["noise", "sites", "simulated"];
/// Fewer cells to draw from are too few.
const LEAST_CELLS: usize = 20;

impl Surrogates {
    setters! {
        seed: u64 => with_seed,
    }

    /// Sets [`frames`](#structfield.frames).
    #[must_use]
    pub fn with_frames(mut self, frames: impl Into<Option<usize>>) -> Self {
        self.frames = frames.into();
        self
    }

    /// Sets [`experiment`](#structfield.experiment).
    #[must_use]
    pub fn with_experiment(mut self, experiment: Experiment) -> Self {
        self.experiment = Some(Box::new(experiment));
        self
    }

    pub(super) fn validate(&self) -> Result<()> {
        let Some(frames) = self.frames else { return Ok(()) };
        check("frames", frames, frames <= 1000, "from 0 to 1000 surrogate frames")
    }

    /// Which frames of a movie, evenly.
    fn chosen(&self, frames: usize) -> Vec<usize> {
        let count = self.frames.unwrap_or((frames / FRAMES_A_LOOK).clamp(1, USUAL_LOOKS)).min(frames);
        (0..count).map(|i| (2 * i + 1) * frames / (2 * count)).collect()
    }
}

/// Looks at surrogates of a movie; at none where that is not wanted or no lattice is known.
pub(super) fn count(
    decoder: &Decoder,
    movie: &Movie,
    engine: &mut Engine,
    gathered: &Gathered,
    progress: &mut dyn Progress,
) -> Result<Noise> {
    let mut noise = Noise::new(&decoder.decoding.surrogates);
    if decoder.preparation.reference.is_none() {
        return Ok(noise);
    }
    for index in decoder.decoding.surrogates.chosen(movie.len()) {
        if progress.interrupted() {
            return Err(Error::interrupted("while counting what noise alone gives", EARLIER));
        }
        let frame = movie.frame(index)?;
        let prepared = decoder.preparation.frame(&frame)?;
        let taken: Vec<(f32, f32)> = gathered.rows.places(index as u32).collect();
        noise.look(decoder, (&frame, &prepared), (&taken, &gathered.odds[index]), engine)?;
    }
    Ok(noise)
}

/// What noise alone was seen to give.
pub(super) struct Noise {
    options: Surrogates,
    rng: ChaCha8Rng,
    kinds: [OfKind; 3],
    looks: usize,
    /// What [`Noise::frames`] has made since the last look.
    made: Option<Arc<[SurrogateFrames]>>,
}

/// What surrogates of one kind gave.
#[derive(Default)]
struct OfKind {
    detections: Vec<u32>,
    frames: Vec<Array2<f32>>,
    areas: Vec<Area>,
    /// Of the frames that are kept, with what a pixel is worth in them.
    rows: Option<(Rows, Calibration)>,
}

impl Noise {
    pub fn new(options: &Surrogates) -> Noise {
        let rng = ChaCha8Rng::seed_from_u64(options.seed);
        Noise { options: options.clone(), rng, kinds: Default::default(), looks: 0, made: None }
    }

    /// Whether to look at the next frame of a stream, which has shown a lattice for so many: the first, and then one of
    /// twenty until there are as many as are wanted.
    pub fn due(&self, lattice: usize) -> bool {
        self.looks < self.options.frames.unwrap_or(USUAL_LOOKS) && lattice >= FRAMES_A_LOOK * self.looks
    }

    /// Sees what is found in surrogates of a frame, in which detections are at these places and have these odds.
    pub fn look(
        &mut self,
        decoder: &Decoder,
        (frame, prepared): (&Frame, &Prepared),
        (taken, odds): (&[(f32, f32)], &[f64]),
        engine: &mut Engine,
    ) -> Result<()> {
        let Some(reference) = &decoder.preparation.reference else { return Ok(()) };
        seeded("Surrogates", self.options.seed);
        let parts = Parts::of(prepared, reference, decoder.preparation.period);
        let sites = resampled(&parts, prepared, reference, taken, &mut self.rng);
        let rest = without(&parts.rest, taken, sites.as_ref(), reference.period);
        let units = decoder.preparation.units(&prepared.raw);
        let images =
            [Some(surrogate(&parts.periodic, &rest, &mut self.rng)), sites.map(|rest| &parts.periodic + &rest)];
        for (kind, image) in images.into_iter().enumerate().filter_map(|(kind, image)| Some((kind, image?))) {
            let full = full_size(&frame.data, &prepared.raw, &image, decoder.preparation.bin);
            let image = decoder.preparation.image(image, prepared.area.frame, frame.calibration, Some(&units));
            let decoded = decoded(decoder, &image, engine, odds)?;
            if self.kinds[kind].take(decoder, full, decoded, frame.calibration) {
                self.made = None;
            }
        }
        if let Some(experiment) = &self.options.experiment {
            let seed = self.options.seed + self.looks as u64;
            let (frame, decoded) = simulated(decoder, experiment, seed, engine, odds)?;
            if self.kinds[2].take(decoder, frame.data, decoded, frame.calibration) {
                self.made = None;
            }
        }
        self.looks += 1;
        Ok(())
    }

    /// Detections of every look so far, by kind; none before the first.
    pub fn alarms(&self) -> Option<FalseAlarms> {
        let named = KINDS.into_iter().zip(&self.kinds).filter(|(_, k)| !k.detections.is_empty());
        let kinds: Vec<Alarm> =
            named.map(|(kind, k)| Alarm { kind: kind.into(), detections: k.detections.clone() }).collect();
        (self.looks > 0).then_some(FalseAlarms { kinds })
    }

    /// The frames so far with what was found in them, by kind.
    pub fn frames(&mut self) -> Result<Arc<[SurrogateFrames]>> {
        if let Some(made) = &self.made {
            return Ok(Arc::clone(made));
        }
        let all = KINDS.into_iter().zip(&self.kinds).filter_map(|(name, kind)| kind.frames(name));
        let made: Arc<[SurrogateFrames]> = all.collect::<Result<Vec<_>>>()?.into();
        self.made = Some(Arc::clone(&made));
        Ok(made)
    }
}

impl OfKind {
    /// Counts what was found in a frame; whether that frame is kept.
    fn take(&mut self, decoder: &Decoder, frame: Array2<f32>, decoded: Decoded, calibration: Calibration) -> bool {
        self.detections.push(decoded.found.len() as u32);
        // A stream's frames may have different sizes and scales; a movie's have one.
        let fits = self.frames.first().is_none_or(|first| first.dim() == frame.dim())
            && self.rows.as_ref().is_none_or(|(_, own)| *own == calibration);
        if !fits || self.frames.len() == KEPT {
            return false;
        }
        let new =
            || Rows::new(decoder.decoding.patch_px, decoder.preparation.bin, calibration, decoder.decoding.refine);
        let (rows, _) = self.rows.get_or_insert_with(|| (new(), calibration));
        let index = self.frames.len() as u32;
        for (found, patch) in decoded.found {
            rows.push(index, found, patch);
        }
        self.areas.push(Area { frame: index, ..decoded.area });
        self.frames.push(frame);
        true
    }

    fn frames(&self, kind: &str) -> Option<Result<SurrogateFrames>> {
        let (rows, calibration) = self.rows.as_ref()?;
        let views: Vec<_> = self.frames.iter().map(Array2::view).collect();
        let made = || {
            let stack = ndarray::stack(Axis(0), &views).map_err(|e| Error::data(e.to_string()))?;
            let name = format!("without defects ({kind})");
            let movie = Movie::from_array(stack)?.with_calibration(*calibration).with_name(name);
            let areas = Areas::new(self.areas.clone(), *calibration);
            Ok(SurrogateFrames { kind: kind.into(), movie, defects: rows.clone().finish(Some(areas), None)? })
        };
        Some(made())
    }
}

/// What is found in a frame, with the odds of another.
fn decoded(decoder: &Decoder, frame: &Prepared, engine: &mut Engine, odds: &[f64]) -> Result<Decoded> {
    let maps = engine.maps(&[&frame.planes])?;
    let maps = maps.first().ok_or_else(|| Error::data("the network gave no map of a frame"))?;
    Ok(decoder.decode(frame, maps, Some(odds)))
}

/// A surrogate of a binned frame in the pixels of the frame itself: what these differ by within each bin stays.
fn full_size(frame: &Array2<f32>, binned: &Array2<f32>, surrogate: &Array2<f32>, bin: usize) -> Array2<f32> {
    if bin <= 1 {
        return surrogate.clone();
    }
    let mut full = frame.clone();
    for ((y, x), v) in full.indexed_iter_mut() {
        let at = (y / bin, x / bin);
        if let (Some(of), Some(before)) = (surrogate.get(at), binned.get(at)) {
            *v += of - before;
        }
    }
    full
}

/// A perfect crystal as the experiment's microscope sees it.
fn simulated(
    decoder: &Decoder,
    experiment: &Experiment,
    seed: u64,
    engine: &mut Engine,
    odds: &[f64],
) -> Result<(Frame, Decoded)> {
    let matter = experiment.matter.clone().with_composition(Composition::perfect());
    let movie = experiment.clone().with_matter(matter).with_frames(1).simulate(seed)?.movie;
    let preparation = Preparation { reference: None, ..decoder.preparation.clone() }.with_reference_of(&movie);
    let decoder = Decoder { preparation: &preparation, ..*decoder };
    let frame = movie.frame(0)?;
    let decoded = decoded(&decoder, &preparation.frame(&frame)?, engine, odds)?;
    Ok((frame, decoded))
}

/// A binned frame taken apart.
struct Parts {
    periodic: Array2<f32>,
    rest: Array2<f32>,
}

impl Parts {
    /// The lattice as the rows show it, as the network's input has it: what the scan has shifted would be noise elsewhere. And
    /// with it the slow background, which stays where it is.
    fn of(frame: &Prepared, reference: &Reference, period: f64) -> Parts {
        let periodic = match &frame.lattice {
            Some(lattice) => {
                let (background, deviation) = levels(&frame.raw, period);
                background + lattice * deviation
            }
            None => periodic_part(&frame.raw, &reference.peaks, WINDOW_PERIODS * reference.period),
        };
        Parts { rest: &frame.raw - &periodic, periodic }
    }
}

/// The remainder with what was found taken out, or noise would have the power of the defects: other cells' remainder, if
/// there is any, stands in its place.
fn without(rest: &Array2<f32>, taken: &[(f32, f32)], others: Option<&Array2<f32>>, period: f64) -> Array2<f32> {
    let mut found = Array2::from_elem(rest.dim(), false);
    for &(y, x) in taken {
        disc(&mut found, y, x, (FOUND_PERIODS * period) as f32, |f| *f = true);
    }
    let instead = |at: (usize, usize)| others.map_or(0.0, |o| o[at]);
    Array2::from_shape_fn(rest.dim(), |at| if found[at] { instead(at) } else { rest[at] })
}

/// For each cell the remainder of another, scaled as the noise at either place is strong; none where too few cells are
/// lattice without detection.
fn resampled(
    parts: &Parts,
    frame: &Prepared,
    reference: &Reference,
    taken: &[(f32, f32)],
    rng: &mut ChaCha8Rng,
) -> Option<Array2<f32>> {
    let cells = Cells::of(reference.basis);
    let (h, w) = parts.rest.dim();
    let apart = reference.period as f32;
    let good = |&(u, v): &(i64, i64)| {
        let corners =
            [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)].map(|c| cells.place(u as f64 + c.0, v as f64 + c.1));
        // A shift is rounded to whole pixels.
        let inside = |(y, x): (f64, f64)| y >= 1.0 && x >= 1.0 && y <= h as f64 - 2.0 && x <= w as f64 - 2.0;
        let (y, x) = cells.place(u as f64 + 0.5, v as f64 + 0.5);
        let (y, x) = (y as f32, x as f32);
        corners.into_iter().all(inside)
            && frame.order.at(y, x) == Kind::Lattice
            && taken.iter().all(|t| (t.0 - y).hypot(t.1 - x) > apart)
    };
    let all = cells.all(h, w);
    let from: Vec<(i64, i64)> = all.iter().copied().filter(good).collect();
    if from.len() < LEAST_CELLS {
        return None;
    }
    let shifts: std::collections::HashMap<(i64, i64), (i64, i64)> = all
        .into_iter()
        .map(|to| {
            let donor = from[rng.gen_range(0..from.len())];
            let (y, x) = cells.place((donor.0 - to.0) as f64, (donor.1 - to.1) as f64);
            (to, (y.round() as i64, x.round() as i64))
        })
        .collect();
    let strength = strength(&parts.periodic, &parts.rest);
    Some(Array2::from_shape_fn((h, w), |(y, x)| {
        let (dy, dx) = shifts.get(&cells.cell(y, x)).copied().unwrap_or_default();
        let at = |i: usize, d: i64, n: usize| (i as i64 + d).clamp(0, n as i64 - 1) as usize;
        let donor = [at(y, dy, h), at(x, dx, w)];
        parts.rest[donor] * strength[[y, x]] / strength[donor].max(f32::MIN_POSITIVE)
    }))
}

/// The cells of a lattice over a frame, numbered along its two vectors.
struct Cells {
    basis: [[f64; 2]; 2],
    inverse: [[f64; 2]; 2],
}

impl Cells {
    fn of(basis: [[f64; 2]; 2]) -> Cells {
        let [a, b] = basis;
        let area = a[0] * b[1] - a[1] * b[0];
        Cells { basis, inverse: [[b[1] / area, -b[0] / area], [-a[1] / area, a[0] / area]] }
    }

    fn place(&self, u: f64, v: f64) -> (f64, f64) {
        let [a, b] = self.basis;
        (u * a[0] + v * b[0], u * a[1] + v * b[1])
    }

    fn cell(&self, y: usize, x: usize) -> (i64, i64) {
        let along = |i: [f64; 2]| (i[0] * y as f64 + i[1] * x as f64).floor() as i64;
        (along(self.inverse[0]), along(self.inverse[1]))
    }

    /// Every cell that has a pixel of a frame.
    fn all(&self, h: usize, w: usize) -> Vec<(i64, i64)> {
        let mut all: Vec<(i64, i64)> =
            (0..h).flat_map(|y| (0..w).map(move |x| (y, x))).map(|(y, x)| self.cell(y, x)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Where something was found the others' remainder stands; nothing else is touched.
    #[test]
    fn what_was_found_is_taken_out() {
        let (rest, others) = (Array2::from_elem((30, 30), 1.0), Array2::from_elem((30, 30), 2.0));
        let out = without(&rest, &[(10.0, 12.0)], Some(&others), 10.0);
        assert_eq!((out[[10, 12]], out[[10, 18]], out[[10, 19]], out[[25, 25]]), (2.0, 2.0, 1.0, 1.0));
        assert_eq!(without(&rest, &[(10.0, 12.0)], None, 10.0)[[10, 12]], 0.0);
    }

    #[test]
    fn chosen_frames_are_spread_evenly() {
        let usual = |of: usize| Surrogates::default().chosen(of);
        assert_eq!(usual(100), [16, 50, 83]);
        assert_eq!(usual(1), [0]);
        assert_eq!(usual(45), [11, 33]);
        let chosen = |frames: usize, of: usize| Surrogates::default().with_frames(frames).chosen(of);
        assert_eq!(chosen(3, 10), [1, 5, 8]);
        assert_eq!(chosen(9, 2), [0, 1]);
        assert!(chosen(0, 10).is_empty());
    }

    /// Binned again a surrogate of full size is the surrogate, and a frame that is its own surrogate is itself.
    #[test]
    fn surrogates_have_the_frames_own_pixels() {
        let frame = Array2::from_shape_fn((7, 9), |(y, x)| (y * y + 3 * x) as f32);
        let binned = crate::filter::bin(&frame, 2);
        assert_eq!(full_size(&frame, &binned, &binned, 2), frame);
        let other = Array2::from_shape_fn(binned.dim(), |(y, x)| (y + 10 * x) as f32);
        let again = crate::filter::bin(&full_size(&frame, &binned, &other, 2), 2);
        assert!(again.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-4));
        assert_eq!(full_size(&binned, &binned, &other, 1), other);
    }

    /// In a stream the first frame is looked at and then one of twenty, until there are as many as are wanted.
    #[test]
    fn streams_are_looked_at_now_and_then() {
        let looked = |frames: usize| {
            let mut noise = Noise::new(&Surrogates::default().with_frames(frames));
            let mut at = vec![];
            for lattice in 0..100 {
                if noise.due(lattice) {
                    noise.looks += 1;
                    at.push(lattice);
                }
            }
            at
        };
        assert_eq!(looked(3), [0, 20, 40]);
        assert_eq!(looked(0), [0; 0]);
        assert_eq!(looked(9), [0, 20, 40, 60, 80]);
    }

    proptest! {
        /// A place lies in the cell that is computed for it, at any lattice.
        #[test]
        fn places_lie_in_their_cells(angle in 0.0_f64..180.0, a in 5.0_f64..15.0, b in 5.0_f64..15.0, y in 0_usize..80, x in 0_usize..80) {
            let turn = |r: f64, degrees: f64| [r * degrees.to_radians().sin(), r * degrees.to_radians().cos()];
            let cells = Cells::of([turn(a, angle), turn(b, angle + 70.0)]);
            let (u, v) = cells.cell(y, x);
            let (oy, ox) = cells.place(u as f64, v as f64);
            let (dy, dx) = (y as f64 - oy, x as f64 - ox);
            let along = cells.inverse.map(|i| i[0] * dy + i[1] * dx);
            prop_assert!(along.iter().all(|f| (-1e-9..1.0 + 1e-9).contains(f)), "{along:?}");
        }
    }
}
