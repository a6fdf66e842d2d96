//! What a trained network says of images: the one place where it is run.

use super::detector::Detector;
use super::network::STRIDE;
use super::training::tensor;
use crate::error::{Error, Result};
use ndarray::Array4;
use tch::{Device, Kind, Tensor};

/// Probability maps of a stack of images: `[image, channel, y, x]`; channels as [`Detector::channels`] says.
pub(super) struct Prediction {
    /// The mean over the networks.
    pub mean: Array4<f32>,
    /// Standard deviation over the networks; none where there is one network.
    pub spread: Option<Array4<f32>>,
}

impl Detector {
    /// Probabilities: what the networks say, calibrated.
    pub(super) fn predict(&self, stack: &Array4<f32>) -> Result<Prediction> {
        let mut said = self.uncalibrated(stack)?;
        let calibration = self.memory.calibration;
        if let Some(spread) = &mut said.spread {
            spread.zip_mut_with(&said.mean, |s, &p| *s *= calibration.rate(p));
        }
        said.mean.par_mapv_inplace(|p| calibration.probability(p));
        Ok(said)
    }

    /// Runs the network on images (image, plane, height, width) as [`Detector`] prepares them, whose sides are multiples of [`STRIDE`].
    pub(super) fn uncalibrated(&self, stack: &Array4<f32>) -> Result<Prediction> {
        debug_assert!(stack.shape()[2].is_multiple_of(STRIDE) && stack.shape()[3].is_multiple_of(STRIDE));
        let image = tensor(stack.view(), self.device())?;
        let mixed = self.memory.training.mixed_precision && self.device().is_cuda();
        let map = |member: &super::member::Member| -> Result<Tensor> {
            let logits = tch::autocast(mixed, || tch::no_grad(|| member.model.forward(&image, false)))?;
            Ok(logits.f_to_kind(Kind::Float)?.f_sigmoid()?)
        };
        let maps = self.members.iter().map(map).collect::<Result<Vec<_>>>()?;
        if let [one] = &maps[..] {
            return Ok(Prediction { mean: array(one)?, spread: None });
        }
        let all = Tensor::f_stack(&maps, 0)?;
        let mean = array(&all.f_mean_dim([0_i64].as_slice(), false, Kind::Float)?)?;
        let spread = array(&all.f_std_dim([0_i64].as_slice(), true, false)?)?;
        Ok(Prediction { mean, spread: Some(spread) })
    }
}

/// (batch, channels, height, width) as an array.
pub(super) fn array(maps: &Tensor) -> Result<Array4<f32>> {
    let (n, channels, h, w) = maps.size4()?;
    let values = Vec::<f32>::try_from(maps.f_to_device(Device::Cpu)?.f_flatten(0, -1)?)?;
    let shape = [n, channels, h, w].map(|side| side as usize);
    Array4::from_shape_vec(shape, values)
        .map_err(|e| Error::data(format!("the network's map has the wrong shape: {e}")))
}
