//! The default: an encoder and decoder whose skips are added, at half the frame's resolution. Four pixels side by side are
//! channels of one: nothing of the frame is lost, and no layer runs on as many places as the frame has pixels, which is where
//! networks of small frames spend their time.

use super::Model;
use super::parts::{Convolution, Rectified, Stage, doubled, halved};
use crate::error::Result;
use tch::{Tensor, nn};

/// Pixels along each side that are made one.
const BLOCK: i64 = 2;
/// Channels at a half, a quarter, … of the resolution.
const WIDTHS: [i64; 2] = [24, 48];

#[derive(Debug)]
pub(super) struct Light {
    down: Vec<Stage>,
    /// From the finest on; the coarsest level has none.
    up: Vec<Stage>,
    shrink: Vec<Convolution>,
    head: Convolution,
}

impl Light {
    pub(super) fn new(root: &nn::Path, planes: i64, channels: i64) -> Light {
        let stage =
            |name: String, from: i64, to: i64| Stage::new(&(root / name), &[from, to, to], Rectified::Last, false);
        let levels = || WIDTHS.iter().copied().enumerate();
        let from = |level: usize| if level == 0 { BLOCK * BLOCK * planes } else { WIDTHS[level - 1] };
        let pairs = || WIDTHS.windows(2).enumerate();
        Light {
            down: levels().map(|(i, to)| stage(format!("down{i}"), from(i), to)).collect(),
            up: pairs().map(|(i, pair)| stage(format!("up{i}"), pair[0], pair[0])).collect(),
            shrink: pairs().map(|(i, p)| Convolution::new(&(root / format!("shrink{i}")), p[1], p[0], 1)).collect(),
            head: Convolution::new(&(root / "head"), WIDTHS[0], BLOCK * BLOCK * channels, 1),
        }
    }
}

impl Model for Light {
    fn forward(&self, image: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = image.f_pixel_unshuffle(BLOCK)?;
        let mut skips = vec![];
        for (level, stage) in self.down.iter().enumerate() {
            x = stage.forward(&if level == 0 { x } else { halved(&x)? }, train)?;
            skips.push(x.shallow_clone());
        }
        skips.pop();
        for (level, skip) in skips.iter().enumerate().rev() {
            // Fewer channels, twice the resolution.
            let raised = doubled(&self.shrink[level].forward(&x)?)?.f_add_(skip)?;
            x = self.up[level].forward(&raised, train)?;
        }
        Ok(self.head.forward(&x)?.f_pixel_shuffle(BLOCK)?)
    }
}
