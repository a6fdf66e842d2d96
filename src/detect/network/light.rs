//! The default: an encoder and decoder of three levels whose skips are added, light enough for two cores.

use super::Model;
use super::parts::{Convolution, Rectified, Stage, doubled, halved};
use crate::error::Result;
use tch::{Tensor, nn};

/// Channels at full, half and quarter resolution.
const WIDTHS: [i64; 3] = [12, 24, 48];

#[derive(Debug)]
pub(super) struct Light {
    down: [Stage; 3],
    up: [Stage; 2],
    shrink: [Convolution; 2],
    head: Convolution,
}

impl Light {
    pub(super) fn new(root: &nn::Path, planes: i64, channels: i64) -> Light {
        let [a, b, c] = WIDTHS;
        let stage =
            |name: &str, from: i64, to: i64| Stage::new(&(root / name), &[from, to, to], Rectified::Last, false);
        Light {
            down: [stage("down0", planes, a), stage("down1", a, b), stage("down2", b, c)],
            up: [stage("up0", a, a), stage("up1", b, b)],
            shrink: [Convolution::new(&(root / "shrink0"), b, a, 1), Convolution::new(&(root / "shrink1"), c, b, 1)],
            head: Convolution::new(&(root / "head"), a, channels, 1),
        }
    }

    /// Fewer channels, twice the resolution.
    fn raise(&self, x: &Tensor, level: usize) -> Result<Tensor> {
        doubled(&self.shrink[level].forward(x)?)
    }
}

impl Model for Light {
    fn forward(&self, image: &Tensor, train: bool) -> Result<Tensor> {
        let x0 = self.down[0].forward(image, train)?;
        let x1 = self.down[1].forward(&halved(&x0)?, train)?;
        let x2 = self.down[2].forward(&halved(&x1)?, train)?;
        let y1 = self.up[1].forward(&self.raise(&x2, 1)?.f_add_(&x1)?, train)?;
        let y0 = self.up[0].forward(&self.raise(&y1, 0)?.f_add_(&x0)?, train)?;
        self.head.forward(&y0)
    }
}
