//! One step down the loss, on a device whose memory may not hold a whole batch.

use super::adam::Adam;
use super::augment::Batch;
use super::member::Member;
use super::training::{Training, images, tensor};
use crate::error::Result;
use ndarray::{Array4, Axis, s};
use std::ops::Range;
use tch::Tensor;

/// Network and optimiser.
pub(super) struct Descent {
    pub member: Member,
    pub adam: Adam,
}

impl Descent {
    pub(super) fn new(member: Member) -> Result<Descent> {
        let adam = Adam::new(&member.vs)?;
        Ok(Descent { member, adam })
    }

    /// Takes a step and gives its loss. A batch that the device has no memory for is taken in `parts`, twice as many
    /// each time, whose gradients add up.
    pub(super) fn step(&mut self, batch: &Batch, training: &Training, rate: f64, parts: &mut usize) -> Result<f32> {
        let loss = in_parts(training.batch, parts, |parts| self.gradient(batch, training, parts))?;
        self.adam.descend(rate)?;
        Ok(loss)
    }

    /// The loss of a batch; its gradient is in the variables.
    fn gradient(&mut self, batch: &Batch, training: &Training, parts: usize) -> Result<f32> {
        self.adam.forget()?;
        let crops = batch.image.len_of(Axis(0));
        let mut sum = 0.0;
        for some in ranges(crops, parts) {
            fits(some.len())?;
            let share = some.len() as f64 / crops as f64;
            let loss = self.loss(batch, some, training)?;
            loss.f_mul_scalar(share)?.f_backward()?;
            sum += loss.f_double_value(&[])? * share;
        }
        Ok(sum as f32)
    }

    /// The loss of some crops of a batch.
    fn loss(&self, batch: &Batch, crops: Range<usize>, training: &Training) -> Result<Tensor> {
        let device = self.member.vs.device();
        let part = |all: &Array4<f32>| tensor(all.slice(s![crops.clone(), .., .., ..]), device);
        let image = images(batch.image.slice(s![crops.clone(), .., .., ..]), device)?;
        let (target, weight) = (part(&batch.target)?, part(&batch.weight)?);
        let logits = self.member.model.forward(&image, true)?;
        training.loss.of(&logits, &target, &weight, &training.shares())
    }
}

/// Does work with crops in so many parts; in twice as many, where the device has no memory for one, until a part is one crop.
pub(super) fn in_parts<T>(crops: usize, parts: &mut usize, mut work: impl FnMut(usize) -> Result<T>) -> Result<T> {
    loop {
        match work(*parts) {
            Err(problem) if problem.is_out_of_memory() && *parts < crops => *parts = (2 * *parts).min(crops),
            done => return done,
        }
    }
}

/// Crops in so many parts, the last of which may be smaller.
pub(super) fn ranges(crops: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    let each = crops.div_ceil(parts.max(1)).max(1);
    (0..crops).step_by(each).map(move |start| start..(start + each).min(crops))
}

/// Nothing, but in tests, where a device may pretend to hold no more crops than this.
pub(super) fn fits(_crops: usize) -> Result<()> {
    #[cfg(test)]
    if ROOM.get().is_some_and(|room| _crops > room) {
        return Err(tch::TchError::Torch("CUDA out of memory. Tried …".into()).into());
    }
    Ok(())
}

#[cfg(test)]
thread_local! {
    /// How many crops the device of this thread's tests pretends to hold.
    pub(super) static ROOM: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
}
