//! One step down the loss, on a device whose memory may not hold a whole batch.

use super::adam::Adam;
use super::augment::Batch;
use super::member::Member;
use super::training::{Training, images, tensor};
use crate::error::{Error, Result};
use ndarray::{Array4, Axis, s};
use tch::Tensor;

/// Network and optimiser.
pub(super) struct Descent {
    pub member: Member,
    pub adam: Adam,
    /// Pretends that the device holds no more crops than this.
    #[cfg(test)]
    pub room: Option<usize>,
}

impl Descent {
    pub(super) fn new(member: Member) -> Descent {
        let adam = Adam::new(&member.vs);
        Descent {
            member,
            adam,
            #[cfg(test)]
            room: None,
        }
    }

    /// Takes a step and gives its loss. A batch that the device has no memory for is taken in `parts`, twice as many
    /// each time, whose gradients add up.
    pub(super) fn step(&mut self, batch: &Batch, training: &Training, rate: f64, parts: &mut usize) -> Result<f32> {
        loop {
            match self.gradient(batch, training, *parts) {
                Err(e) if out_of_memory(&e) && *parts < training.batch => *parts = (2 * *parts).min(training.batch),
                loss => {
                    let loss = loss?;
                    self.adam.descend(rate)?;
                    return Ok(loss);
                }
            }
        }
    }

    /// The loss of a batch; its gradient is in the variables.
    fn gradient(&mut self, batch: &Batch, training: &Training, parts: usize) -> Result<f32> {
        self.adam.forget();
        let crops = batch.image.len_of(Axis(0));
        let mut sum = 0.0;
        for start in (0..crops).step_by(crops.div_ceil(parts)) {
            let end = (start + crops.div_ceil(parts)).min(crops);
            self.fits(end - start)?;
            let loss = self.loss(batch, start..end, training)?;
            let share = (end - start) as f64 / crops as f64;
            loss.f_mul_scalar(share)?.f_backward()?;
            sum += loss.f_double_value(&[])? * share;
        }
        Ok(sum as f32)
    }

    /// The loss of some crops of a batch.
    fn loss(&self, batch: &Batch, crops: std::ops::Range<usize>, training: &Training) -> Result<Tensor> {
        let device = self.member.vs.device();
        let part = |all: &Array4<f32>| tensor(all.slice(s![crops.clone(), .., .., ..]), device);
        let image = images(batch.image.slice(s![crops.clone(), .., .., ..]), device)?;
        let (target, weight) = (part(&batch.target)?, part(&batch.weight)?);
        let logits = self.member.model.forward(&image, true)?;
        training.loss.of(&logits, &target, &weight, &training.shares())
    }

    #[cfg(test)]
    fn fits(&self, crops: usize) -> Result<()> {
        match self.room {
            Some(room) if crops > room => Err(Error::Torch(tch::TchError::Torch("CUDA out of memory. Tried …".into()))),
            _ => Ok(()),
        }
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)] // tests have less room
    fn fits(&self, _crops: usize) -> Result<()> {
        Ok(())
    }
}

/// What CUDA, its allocator and the CPU's say when there is no memory left.
pub(super) fn out_of_memory(error: &Error) -> bool {
    let Error::Torch(error) = error else { return false };
    let said = error.to_string().to_ascii_lowercase();
    ["out of memory", "can't allocate memory", "cannot allocate memory", "alloc_failed"]
        .iter()
        .any(|w| said.contains(w))
}
