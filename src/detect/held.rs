//! The part of labelled frames that no crop is cut from, and how well a network does there.

use super::augment::{Augment, Canvas};
use super::components::components;
use super::descent::{in_parts, ranges};
use super::member::Member;
use super::training::{Training, tensor};
use crate::error::Result;
use ndarray::{Array2, Axis};
use tch::Tensor;

/// The frames to learn from, and what is held out of them.
pub(super) struct Parts {
    pub learnt: Vec<Canvas>,
    pub held: Vec<Canvas>,
}

impl Parts {
    /// The lowest rows of each are held out. Where they are fewer than a defect and its surroundings need, none are.
    pub(super) fn of(canvases: &[Canvas], training: &Training) -> Parts {
        const FEWEST: usize = 32;
        let mut parts = Parts { learnt: vec![], held: vec![] };
        for canvas in canvases {
            let rows = canvas.image.nrows();
            let held = (rows as f64 * training.held_out).round() as usize;
            let cut = if held >= FEWEST { rows - held } else { rows };
            parts.learnt.push(canvas.rows(0..cut));
            parts.held.extend((cut < rows).then(|| canvas.rows(cut..rows)));
        }
        parts
    }
}

/// Loss and F1 of a network on crops of what was held out, always the same ones.
pub(super) fn judge(member: &Member, held: &[Canvas], training: &Training, mut parts: usize) -> Result<(f32, f32)> {
    const BATCHES: u64 = 2;
    // As the frame is, whatever is trained on: what matters is how it does on frames.
    let augment = Augment { straight: 1.0, near_labels: 0.0, contrast: 0.0, shift: 0.0, ..training.augment.clone() };
    let (mut loss, mut found) = (0.0, Found::default());
    for i in 0..BATCHES {
        let batch = augment.batch(held, training.batch, i, !training.seed);
        let logits = in_parts(training.batch, &mut parts, |parts| {
            let said = |some| member.said(&batch, some, false);
            let mut said = ranges(training.batch, parts).map(said).collect::<Result<Vec<_>>>()?;
            match said.len() {
                1 => Ok(said.remove(0)),
                _ => Ok(Tensor::f_cat(&said, 0)?),
            }
        })?;
        let device = member.vs.device();
        let (target, weight) = (tensor(batch.target.view(), device)?, tensor(batch.weight.view(), device)?);
        loss += training.loss.of(&logits, &target, &weight, &training.shares())?.f_double_value(&[])?;
        let maps = super::predict::array(&logits)?;
        for (maps, targets) in maps.outer_iter().zip(batch.target.outer_iter()) {
            for (map, target) in maps.axis_iter(Axis(0)).zip(targets.axis_iter(Axis(0))) {
                found.count(&map.mapv(|logit| logit > 0.0), &target.mapv(|t| t > 0.5));
            }
        }
    }
    Ok((loss as f32 / BATCHES as f32, found.f1()))
}

/// Discs that were found, found regions that are no disc, discs that were missed.
#[derive(Default)]
struct Found {
    hits: usize,
    extra: usize,
    missed: usize,
}

impl Found {
    fn count(&mut self, found: &Array2<bool>, target: &Array2<bool>) {
        let touches = |pixels: &[(usize, usize)], map: &Array2<bool>| pixels.iter().any(|&(y, x)| map[[y, x]]);
        for disc in components(target) {
            if touches(&disc, found) { self.hits += 1 } else { self.missed += 1 }
        }
        self.extra += components(found).iter().filter(|region| !touches(region, target)).count();
    }

    fn f1(&self) -> f32 {
        2.0 * self.hits as f32 / (2 * self.hits + self.extra + self.missed).max(1) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discs_are_counted_once() {
        let map = |pixels: &[(usize, usize)]| {
            let mut map = Array2::from_elem((9, 9), false);
            pixels.iter().for_each(|&at| map[at] = true);
            map
        };
        let mut found = Found::default();
        // One disc found by two regions, one missed, and one region where nothing is.
        found.count(&map(&[(1, 1), (1, 3), (7, 7)]), &map(&[(1, 1), (1, 2), (1, 3), (5, 1)]));
        assert_eq!((found.hits, found.extra, found.missed), (1, 1, 1));
        assert!((found.f1() - 0.5).abs() < 1e-6);
    }
}
