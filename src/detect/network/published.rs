//! The encoder and decoder of the published recipe, and the same with residual stages.

use super::Model;
use super::parts::{Convolution, Rectified, Stage, doubled, halved};
use crate::error::Result;
use tch::{Tensor, nn};

/// 148,737 weights with one output: 3 x 3 convolutions, each with a leaky rectifier and batch normalisation, to a
/// quarter of the resolution and back by bilinear interpolation, without skips (after Maksov et al., npj
/// Computational Materials 5, 12, 2019).
#[derive(Debug)]
pub(super) struct EncoderDecoder {
    down: [Stage; 3],
    up: [Stage; 2],
    head: Convolution,
}

impl EncoderDecoder {
    pub(super) fn published(root: &nn::Path, planes: i64, channels: i64) -> EncoderDecoder {
        let widths: [&[i64]; 5] = [&[planes, 32], &[32, 64, 64], &[64, 64], &[64, 64], &[64, 32]];
        EncoderDecoder::new(root, channels, widths, false)
    }

    /// Each stage has two more layers, which add to its first.
    pub(super) fn residual(root: &nn::Path, planes: i64, channels: i64) -> EncoderDecoder {
        let widths: [&[i64]; 5] = [&[planes, 32, 32, 32], &[32, 48, 48, 48], &[48; 4], &[48; 4], &[48, 32, 32, 32]];
        EncoderDecoder::new(root, channels, widths, true)
    }

    fn new(root: &nn::Path, channels: i64, widths: [&[i64]; 5], shortcut: bool) -> EncoderDecoder {
        let stage = |name: &str, w: &[i64]| Stage::new(&(root / name), w, Rectified::First, shortcut);
        let [a, b, c, d, e] = widths;
        EncoderDecoder {
            down: [stage("down0", a), stage("down1", b), stage("down2", c)],
            up: [stage("up0", d), stage("up1", e)],
            head: Convolution::new(&(root / "head"), *e.last().unwrap_or(&1), channels, 1),
        }
    }
}

impl Model for EncoderDecoder {
    fn forward(&self, image: &Tensor, train: bool) -> Result<Tensor> {
        let x = self.down[0].forward(image, train)?;
        let x = self.down[1].forward(&halved(&x)?, train)?;
        let x = self.down[2].forward(&halved(&x)?, train)?;
        let x = self.up[0].forward(&doubled(&x)?, train)?;
        let x = self.up[1].forward(&doubled(&x)?, train)?;
        self.head.forward(&x)
    }
}
