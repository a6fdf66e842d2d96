//! A network without levels: at half the resolution, with taps ever further apart (Yu and Koltun, ICLR 2016).

use super::Model;
use super::parts::{Convolution, Layer, Rectified, Stage, doubled, halved};
use crate::error::Result;
use tch::{Tensor, nn};

const WIDTH: i64 = 24;
/// Pixels of the halved map from one tap to the next.
const DILATIONS: [i64; 5] = [1, 2, 3, 4, 1];

#[derive(Debug)]
pub(super) struct Dilated {
    first: Stage,
    middle: Vec<Layer>,
    last: Stage,
    head: Convolution,
}

impl Dilated {
    pub(super) fn new(root: &nn::Path, planes: i64, channels: i64) -> Dilated {
        let middle = DILATIONS
            .iter()
            .enumerate()
            .map(|(i, &d)| Layer::dilated(&(root / format!("middle{i}")), WIDTH, WIDTH, d, Rectified::Last))
            .collect();
        Dilated {
            first: Stage::new(&(root / "first"), &[planes, WIDTH], Rectified::Last, false),
            middle,
            last: Stage::new(&(root / "last"), &[2 * WIDTH, WIDTH], Rectified::Last, false),
            head: Convolution::new(&(root / "head"), WIDTH, channels, 1),
        }
    }
}

impl Model for Dilated {
    fn forward(&self, image: &Tensor, train: bool) -> Result<Tensor> {
        let fine = self.first.forward(image, train)?;
        let mut x = halved(&fine)?;
        for layer in &self.middle {
            x = layer.forward(&x, train)?.f_add(&x)?;
        }
        self.head.forward(&self.last.forward(&Tensor::f_cat(&[doubled(&x)?, fine], 1)?, train)?)
    }
}
