//! What a trained network says of images: the one place where it is run.

use super::detector::Detector;
use super::network::STRIDE;
use super::training::tensor;
use crate::error::{Error, Result};
use ndarray::{Array3, Array4};
use tch::{Device, Tensor};

/// Probability maps of a stack of images: `[image, channel, y, x]`.
pub(super) struct Prediction {
    /// The mean over the networks.
    pub mean: Array4<f32>,
    /// The standard deviation over the networks, where there are several.
    pub spread: Option<Array4<f32>>,
}

impl Detector {
    /// Runs the network on normalised images of one size, whose sides are multiples of [`STRIDE`].
    pub(super) fn predict(&self, stack: &Array3<f32>) -> Result<Prediction> {
        debug_assert!(stack.shape()[1].is_multiple_of(STRIDE) && stack.shape()[2].is_multiple_of(STRIDE));
        let maps = tch::no_grad(|| self.network.logits(&tensor(stack, self.vs.device()), false).f_sigmoid())?;
        Ok(Prediction { mean: array(&maps)?, spread: None })
    }
}

fn array(maps: &Tensor) -> Result<Array4<f32>> {
    let (n, channels, h, w) = maps.size4()?;
    let values = Vec::<f32>::try_from(maps.f_to_device(Device::Cpu)?.f_flatten(0, -1)?)?;
    let shape = [n, channels, h, w].map(|side| side as usize);
    Array4::from_shape_vec(shape, values)
        .map_err(|e| Error::data(format!("the network's map has the wrong shape: {e}")))
}
