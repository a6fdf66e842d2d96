//! U-Net (Ronneberger, Fischer and Brox, MICCAI 2015), with two levels below the first.

use super::Model;
use super::parts::{Convolution, Rectified, Stage, doubled, halved};
use crate::error::Result;
use tch::{Tensor, nn};

const WIDTHS: [i64; 3] = [16, 32, 64];

#[derive(Debug)]
pub(super) struct UNet {
    down: [Stage; 3],
    up: [Stage; 2],
    head: Convolution,
}

impl UNet {
    pub(super) fn new(root: &nn::Path, planes: i64, channels: i64) -> UNet {
        let [a, b, c] = WIDTHS;
        let stage =
            |name: &str, from: i64, to: i64| Stage::new(&(root / name), &[from, to, to], Rectified::Last, false);
        UNet {
            down: [stage("down0", planes, a), stage("down1", a, b), stage("down2", b, c)],
            up: [stage("up0", a + b, a), stage("up1", b + c, b)],
            head: Convolution::new(&(root / "head"), a, channels, 1),
        }
    }
}

impl Model for UNet {
    fn forward(&self, image: &Tensor, train: bool) -> Result<Tensor> {
        let x0 = self.down[0].forward(image, train)?;
        let x1 = self.down[1].forward(&halved(&x0)?, train)?;
        let x2 = self.down[2].forward(&halved(&x1)?, train)?;
        let y1 = self.up[1].forward(&Tensor::f_cat(&[doubled(&x2)?, x1], 1)?, train)?;
        let y0 = self.up[0].forward(&Tensor::f_cat(&[doubled(&y1)?, x0], 1)?, train)?;
        self.head.forward(&y0)
    }
}
