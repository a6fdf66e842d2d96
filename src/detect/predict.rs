//! What a trained network says of images: the one place where it is run.

use super::detector::Detector;
use super::network::STRIDE;
use super::training::images;
use crate::device::halves;
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

/// The same, where the networks are.
struct Said {
    mean: Tensor,
    spread: Option<Tensor>,
}

impl Detector {
    /// Probabilities: what the networks say, calibrated. With `half` the bits where the device is the faster for it.
    pub(super) fn predict(&self, stack: &Array4<f32>, half: bool) -> Result<Prediction> {
        let said = self.said(stack, half)?;
        let calibration = self.memory.calibration;
        let mean = array(&calibration.applied(&said.mean)?)?;
        let Some(spread) = &said.spread else { return Ok(Prediction { mean, spread: None }) };
        let (raw, mut spread) = (array(&said.mean)?, array(spread)?);
        spread.zip_mut_with(&raw, |s, &p| *s *= calibration.rate(p));
        Ok(Prediction { mean, spread: Some(spread) })
    }

    /// Runs the network on images (image, plane, height, width) as [`Detector`] prepares them, whose sides are multiples of [`STRIDE`].
    pub(super) fn uncalibrated(&self, stack: &Array4<f32>) -> Result<Prediction> {
        let said = self.said(stack, false)?;
        Ok(Prediction { mean: array(&said.mean)?, spread: said.spread.as_ref().map(array).transpose()? })
    }

    /// The networks' own maps of images, still where the networks are.
    fn said(&self, stack: &Array4<f32>, half: bool) -> Result<Said> {
        debug_assert!(stack.shape()[2].is_multiple_of(STRIDE) && stack.shape()[3].is_multiple_of(STRIDE));
        let mut image = images(stack.view(), self.device())?;
        if half && halves(self.device()) {
            image = image.f_to_kind(Kind::BFloat16)?;
        }
        let map = |member: &super::member::Member| -> Result<Tensor> {
            let logits = tch::no_grad(|| member.model.forward(&image, false))?;
            Ok(logits.f_to_kind(Kind::Float)?.f_sigmoid()?)
        };
        let maps = self.members.iter().map(map).collect::<Result<Vec<_>>>()?;
        if let [one] = &maps[..] {
            return Ok(Said { mean: one.shallow_clone(), spread: None });
        }
        let all = Tensor::f_stack(&maps, 0)?;
        let mean = all.f_mean_dim([0_i64].as_slice(), false, Kind::Float)?;
        let spread = all.f_std_dim([0_i64].as_slice(), true, false)?;
        Ok(Said { mean, spread: Some(spread) })
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
