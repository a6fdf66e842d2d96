//! What networks are put together from. Every step that libtorch may refuse says so instead of ending the process.

use crate::error::Result;
use tch::Tensor;
use tch::nn;

/// A convolution that keeps the size of the map.
#[derive(Debug)]
pub(super) struct Convolution {
    weight: Tensor,
    bias: Option<Tensor>,
    padding: i64,
    dilation: i64,
}

impl Convolution {
    pub(super) fn new(path: &nn::Path, from: i64, to: i64, size: i64) -> Convolution {
        Convolution::dilated(path, from, to, size, 1)
    }

    /// With `dilation` pixels from one tap to the next.
    pub(super) fn dilated(path: &nn::Path, from: i64, to: i64, size: i64, dilation: i64) -> Convolution {
        let made = nn::conv2d(path, from, to, size, nn::ConvConfig::default());
        Convolution { weight: made.ws, bias: made.bs, padding: dilation * (size / 2), dilation }
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (padding, dilation) = ([self.padding; 2], [self.dilation; 2]);
        Ok(x.f_conv2d(&self.weight, self.bias.as_ref(), [1, 1], padding, dilation, 1)?)
    }
}

/// Where a layer's rectifier stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rectified {
    /// Behind the normalisation.
    Last,
    /// Before it, and leaky (0.01), as in the published networks.
    First,
}

/// A 3 x 3 convolution, batch normalisation (Ioffe and Szegedy, ICML 2015) and a rectifier.
#[derive(Debug)]
pub(super) struct Layer {
    convolution: Convolution,
    norm: nn::BatchNorm,
    rectified: Rectified,
}

impl Layer {
    pub(super) fn new(path: &nn::Path, from: i64, to: i64, rectified: Rectified) -> Layer {
        Layer::dilated(path, from, to, 1, rectified)
    }

    pub(super) fn dilated(path: &nn::Path, from: i64, to: i64, dilation: i64, rectified: Rectified) -> Layer {
        let one = nn::BatchNormConfig { ws_init: nn::Init::Const(1.0), ..Default::default() };
        Layer {
            convolution: Convolution::dilated(&(path / "conv"), from, to, 3, dilation),
            norm: nn::batch_norm2d(path / "norm", to, one),
            rectified,
        }
    }

    pub(super) fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = self.convolution.forward(x)?;
        match self.rectified {
            Rectified::Last => Ok(self.normalised(&x, train)?.f_relu_()?),
            Rectified::First => self.normalised(&x.f_leaky_relu()?, train),
        }
    }

    fn normalised(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let n = &self.norm;
        let (mean, variance) = (Some(&n.running_mean), Some(&n.running_var));
        Ok(x.f_batch_norm(n.ws.as_ref(), n.bs.as_ref(), mean, variance, train, 0.1, 1e-5, true)?)
    }
}

/// Layers one after the other; with `shortcut`, what all but the first add to it (He et al., CVPR 2016).
#[derive(Debug)]
pub(super) struct Stage {
    layers: Vec<Layer>,
    shortcut: bool,
}

impl Stage {
    /// `widths` are the channels that go in, and those behind each layer.
    pub(super) fn new(path: &nn::Path, widths: &[i64], rectified: Rectified, shortcut: bool) -> Stage {
        let layer = |(i, pair): (usize, &[i64])| Layer::new(&(path / i.to_string()), pair[0], pair[1], rectified);
        Stage { layers: widths.windows(2).enumerate().map(layer).collect(), shortcut }
    }

    pub(super) fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let Some((first, rest)) = self.layers.split_first() else { return Ok(x.shallow_clone()) };
        let first = first.forward(x, train)?;
        let mut y = first.shallow_clone();
        for layer in rest {
            y = layer.forward(&y, train)?;
        }
        if self.shortcut && !rest.is_empty() { Ok(y.f_add(&first)?) } else { Ok(y) }
    }
}

/// Half the resolution: the largest of four.
pub(super) fn halved(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?)
}

/// Twice the resolution, linearly between pixels.
pub(super) fn doubled(x: &Tensor) -> Result<Tensor> {
    let (_, _, h, w) = x.size4()?;
    Ok(x.f_upsample_bilinear2d([2 * h, 2 * w], false, None, None)?)
}
