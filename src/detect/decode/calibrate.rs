//! Calibration: what is found in frames like the labelled one, in which every defect was planted.

use super::super::augment::{Canvas, From};
use super::super::calibration::Calibration;
use super::super::detector::Detector;
use super::super::plant::Planting;
use super::Decoding;
use super::objects::usual;
use super::places::{Front, Places};
use crate::error::Result;
use ndarray::{Array2, Array4, Axis, s};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Plants that there should be in all, for a slope that is known to about a tenth.
const PLANTS: f64 = 150.0;
const MOST_FRAMES: usize = 8;
/// Of larger frames a corner is enough.
const MOST_PX: usize = 768;
/// Where labels are rarer than this they say little about how rare defects are.
const LEAST_RATE: f64 = 0.003;
/// How far above what the map says of most places, towards 1, it must be for a place to be looked at.
const FLOOR: f64 = 0.08;

impl Detector {
    /// With maps that are probabilities in frames like the labelled one, where defects are as frequent as labels are. Nothing
    /// changes where no frames can be made: without planting, or without a lattice.
    pub(in super::super) fn calibrated(mut self, canvas: &Canvas) -> Result<Detector> {
        let training = self.memory.training.clone();
        let Some(fresh) = canvas.fresh.as_ref().filter(|_| training.augment.planting.rate > 0.0) else {
            return Ok(self);
        };
        let rate = (canvas.labels.len() as f64 / fresh.sites().max(1) as f64).clamp(LEAST_RATE, 0.1);
        let planting = training.augment.planting.clone().with_rate(rate);
        let frames = (PLANTS / (rate * fresh.sites() as f64)).ceil() as usize;
        let mut rng = ChaCha8Rng::seed_from_u64(!training.seed);
        let mut detections = vec![];
        for _ in 0..frames.clamp(1, MOST_FRAMES) {
            detections.extend(self.judged(canvas, &planting, &mut rng)?);
        }
        self.memory.calibration = Calibration::of(&detections);
        Ok(self)
    }

    /// What the networks say of a new frame's detections, and whether each was planted.
    fn judged(&self, canvas: &Canvas, planting: &Planting, rng: &mut ChaCha8Rng) -> Result<Vec<(f32, bool)>> {
        let Some(fresh) = &canvas.fresh else { return Ok(vec![]) };
        let (h, w) = fresh.size();
        let (h, w) = (h.min(MOST_PX), w.min(MOST_PX));
        let channels = canvas.targets.len();
        let like = (canvas.deviation, canvas.backdrop.as_ref());
        let made = fresh.piece((0..h, 0..w), (planting, channels), like, From::LikePlaces, rng);
        let mut planes = vec![made.image];
        if let Some(backdrop) = &made.backdrop {
            planes.push(backdrop.remainder(&planes[0], canvas.period));
        }
        let step = super::STRIDE;
        // What does not fill a stride is left out.
        let (h, w) = (h / step * step, w / step * step);
        let stack = Array4::from_shape_fn((1, planes.len(), h, w), |(_, p, y, x)| planes[p][[y, x]]);
        let maps = self.uncalibrated(&stack)?.mean.index_axis_move(Axis(0), 0);
        let mut judged = vec![];
        for (c, map) in maps.axis_iter(Axis(0)).enumerate() {
            let low = f64::from(usual(map));
            let decoding = Decoding::default().with_threshold((low + FLOOR * (1.0 - low)).min(0.95));
            let signed = planes.get(1).map(|rest| rest.slice(s![..h, ..w]).to_owned());
            let target: &Array2<f32> = &made.targets[c.min(channels - 1)];
            let front = signed.as_ref().map(|signed| {
                let lattice = made.backdrop.as_ref().map(|b| b.lattice.view());
                let places = lattice.zip(fresh.basis()).and_then(|(lattice, basis)| Places::of(lattice, basis));
                Front::of(signed, (c, channels), places)
            });
            for object in decoding.objects(map, front.as_ref(), canvas.period) {
                let planted = target[[object.y.round() as usize, object.x.round() as usize]] > 0.5;
                judged.push((object.probability, planted));
            }
        }
        Ok(judged)
    }
}
