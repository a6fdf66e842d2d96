//! Calibration: what is found in frames like the labelled one, in which every defect was planted.

use super::super::augment::{Canvas, Fresh, From};
use super::super::backdrop::Backdrop;
use super::super::calibration::{Calibration, Unsure};
use super::super::detector::Detector;
use super::super::plant::Planting;
use super::maps::{Engine, Maps};
use super::objects::{Object, usual};
use super::places::{Front, Places};
use super::{Decoding, STRIDE};
use crate::error::Result;
use ndarray::{Array2, Array4, Axis, s};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::ops::Range;

/// Plants that there should be in all, for a slope that is known to about a tenth.
const PLANTS: f64 = 150.0;
const MOST_FRAMES: usize = 8;
/// Of larger frames a corner is enough.
const MOST_PX: usize = 768;
/// Where labels are rarer than this they say little about how rare defects are.
const LEAST_RATE: f64 = 0.003;
/// How far above what the map says of most places, towards 1, it must be for a place to be looked at.
const FLOOR: f64 = 0.08;

/// One detection in a frame that was made: in which channel, what the networks say of it, and whether it was planted.
#[derive(Clone, Copy)]
struct Judgement {
    channel: usize,
    said: f32,
    planted: bool,
}

/// What calibration learns from.
struct Judgements {
    made: Vec<Judgement>,
    /// How many frames were made.
    frames: usize,
    /// Detections in the labelled frame: channel, and what the networks say of each.
    seen: Vec<(usize, f32)>,
    /// How many pixels of it were searched, and from which value of a map on.
    pixels: usize,
    from: f32,
}

/// A frame as it is searched: what networks are shown, and the lattice in front of which defects stand.
struct Shown<'a> {
    planes: Vec<Array2<f32>>,
    lattice: Option<&'a Array2<f32>>,
    basis: Option<[[f64; 2]; 2]>,
    period: f64,
}

impl<'a> Shown<'a> {
    fn of(flat: Array2<f32>, backdrop: Option<&'a Backdrop>, basis: Option<[[f64; 2]; 2]>, period: f64) -> Shown<'a> {
        let rest = backdrop.map(|b| b.remainder(&flat, period));
        let planes = [Some(flat), rest].into_iter().flatten().collect();
        Shown { planes, lattice: backdrop.map(|b| &b.lattice), basis, period }
    }
}

impl Detector {
    /// With maps that are probabilities in frames like the labelled one. Nothing changes where no frames can be made: without
    /// planting, or without a lattice.
    ///
    /// Frames are made of the labelled one's lattice, plants, and its own noise from elsewhere. Defects that no label shows are
    /// in that noise, and would count as noise that looks like a defect; the same noise with the other sign has them where
    /// nobody takes them for defects of their kind, and of the two that is believed which raises fewer false alarms. How frequent
    /// defects are is what the labelled frame's own detections say (Saerens, Latinne and Decaestecker, Neural Computation 14,
    /// 21, 2002): labels are the stronger part of them.
    pub(in super::super) fn calibrated(mut self, canvases: &[Canvas]) -> Result<Detector> {
        let (mut kept, mut seen, mut planted) = (vec![], vec![], 0.0);
        let (mut pixels, mut from) = (0, 0.0_f32);
        for canvas in canvases {
            if let Some(of) = self.judgements(canvas, PLANTS / canvases.len() as f64)? {
                planted += of.made.iter().filter(|j| j.planted).count() as f64 / of.frames as f64;
                kept.extend(of.made.iter().map(|j| (j.said, j.planted)));
                seen.extend(of.seen);
                pixels += of.pixels;
                from = from.max(of.from);
            }
        }
        let said: Vec<f32> = seen.iter().map(|s| s.1).collect();
        let calibration = Calibration::of(&kept).as_frequent(planted, &said);
        let unsure = |channel: usize| {
            let of = seen.iter().filter(|s| s.0 == channel).map(|s| calibration.probability(s.1));
            Unsure::of(of, pixels, f64::from(calibration.probability(from)))
        };
        let channels = canvases.first().filter(|_| pixels > 0).map_or(0, |canvas| canvas.targets.len());
        self.memory.unsure = (0..channels).map(unsure).collect();
        self.memory.calibration = calibration;
        Ok(self)
    }

    /// Detections in frames made of one labelled frame, and in that itself; none where no frames can be made of it.
    fn judgements(&self, canvas: &Canvas, plants: f64) -> Result<Option<Judgements>> {
        let training = &self.memory.training;
        let Some(fresh) = canvas.fresh.as_ref().filter(|_| training.augment.planting.rate > 0.0) else {
            return Ok(None);
        };
        let rate = (canvas.labels.len() as f64 / fresh.sites().max(1) as f64).clamp(LEAST_RATE, 0.1);
        let planting = training.augment.planting.clone().with_rate(rate);
        let frames = (plants / (rate * fresh.sites() as f64)).ceil() as usize;
        let frames = frames.clamp(1, MOST_FRAMES);
        let all = |from| -> Result<Vec<Judgement>> {
            let mut rng = ChaCha8Rng::seed_from_u64(!training.seed);
            let each = (0..frames).map(|_| self.judged(canvas, fresh, (&planting, from), &mut rng));
            Ok(each.collect::<Result<Vec<_>>>()?.concat())
        };
        let (plain, mirrored) = (all(From::LikePlaces)?, all(From::LikePlacesMirrored)?);
        let mut kept = vec![];
        for channel in 0..canvas.targets.len() {
            let of = |all: &[Judgement]| all.iter().filter(|j| j.channel == channel).copied().collect::<Vec<_>>();
            let alarms = |all: &[Judgement]| all.iter().filter(|j| !j.planted).map(|j| j.said).sum::<f32>();
            let (plain, mirrored) = (of(&plain), of(&mirrored));
            kept.extend(if alarms(&mirrored) < alarms(&plain) { mirrored } else { plain });
        }
        let (rows, columns) = corner(fresh.size());
        let (seen, from) = self.said_of(canvas, fresh)?;
        Ok(Some(Judgements { made: kept, frames, seen, pixels: rows.len() * columns.len(), from }))
    }

    /// What the networks say of a new frame's detections, and whether each was planted.
    fn judged(
        &self,
        canvas: &Canvas,
        fresh: &Fresh,
        (planting, from): (&Planting, From),
        rng: &mut ChaCha8Rng,
    ) -> Result<Vec<Judgement>> {
        let like = (canvas.deviation, canvas.backdrop.as_ref());
        let channels = canvas.targets.len();
        let made = fresh.piece(corner(fresh.size()), (planting, channels), like, from, rng);
        let shown = Shown::of(made.image, made.backdrop.as_ref(), fresh.basis(), canvas.period);
        let judgement = |(channel, object): (usize, Object)| {
            let planted = made.targets[channel][[object.y.round() as usize, object.x.round() as usize]] > 0.5;
            Judgement { channel, said: object.probability, planted }
        };
        Ok(self.detections(&shown, channels)?.0.into_iter().map(judgement).collect())
    }

    /// What the networks say of the detections of the labelled frame itself, with their channels, and from which value on.
    fn said_of(&self, canvas: &Canvas, fresh: &Fresh) -> Result<(Vec<(usize, f32)>, f32)> {
        let (rows, columns) = corner(fresh.size());
        let part = |map: &Array2<f32>| map.slice(s![rows.clone(), columns.clone()]).to_owned();
        let flat = (part(&canvas.image) - part(&canvas.background)) / canvas.deviation;
        let backdrop = canvas.backdrop.as_ref().map(|b| b.mapped(part));
        let shown = Shown::of(flat, backdrop.as_ref(), fresh.basis(), canvas.period);
        let (found, from) = self.detections(&shown, canvas.targets.len())?;
        Ok((found.into_iter().map(|(channel, object)| (channel, object.probability)).collect(), from))
    }

    /// All that stands out of the maps, with its channel, and from which value on that is looked for.
    fn detections(&self, shown: &Shown, channels: usize) -> Result<(Vec<(usize, Object)>, f32)> {
        let (h, w) = shown.planes[0].dim();
        // What does not fill a stride is left out.
        let (h, w) = (h / STRIDE * STRIDE, w / STRIDE * STRIDE);
        let planes: Vec<Array2<f32>> = shown.planes.iter().map(|p| p.slice(s![..h, ..w]).to_owned()).collect();
        let predict = |stack: &Array4<f32>| self.uncalibrated(stack);
        let mut engine = Engine { predict: &predict, stride: STRIDE, field: self.field_px(), most_px: usize::MAX };
        let Some(Maps { mean: maps, .. }) = engine.maps(&[&planes])?.into_iter().next() else {
            return Ok((vec![], 0.0));
        };
        let signed = shown.planes.get(1).map(|rest| rest.slice(s![..h, ..w]).to_owned());
        let (mut found, mut from) = (vec![], 0.0_f32);
        for (channel, map) in maps.axis_iter(Axis(0)).enumerate() {
            let low = f64::from(usual(map));
            let threshold = (low + FLOOR * (1.0 - low)).min(0.95);
            let decoding = Decoding::default().with_threshold(threshold);
            from = from.max(threshold as f32);
            let front = signed.as_ref().map(|signed| {
                let places = shown.lattice.zip(shown.basis).and_then(|(l, basis)| Places::of(l.view(), basis));
                Front::of(signed, (channel, channels), places)
            });
            found.extend(decoding.objects(map, front.as_ref(), shown.period).into_iter().map(|o| (channel, o)));
        }
        Ok((found, from))
    }
}

/// The part of a frame that is looked at.
fn corner((h, w): (usize, usize)) -> (Range<usize>, Range<usize>) {
    (0..h.min(MOST_PX), 0..w.min(MOST_PX))
}
