//! What networks are put together from. Every step that libtorch may refuse says so instead of ending the process.

use crate::error::Result;
use tch::{Device, Tensor, nn};

/// What is added to a variance before its root is taken.
const EPSILON: f64 = 1e-5;

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
        // Weights of as many bits as what they weigh.
        let weight = self.weight.f_to_kind(x.kind())?;
        let bias = self.bias.as_ref().map(|bias| bias.f_to_kind(x.kind())).transpose()?;
        Ok(x.f_conv2d(&weight, bias.as_ref(), [1, 1], padding, dilation, 1)?)
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
        match self.rectified {
            Rectified::Last if !train => Ok(self.folded()?.forward(x)?.f_relu_()?),
            Rectified::Last => Ok(self.normalised(&self.convolution.forward(x)?, train)?.f_relu_()?),
            Rectified::First => self.normalised(&self.convolution.forward(x)?.f_leaky_relu()?, train),
        }
    }

    /// The convolution with what the normalisation does to it, once its statistics stand: one pass over the map, not two.
    fn folded(&self) -> Result<Convolution> {
        let (n, c) = (&self.norm, &self.convolution);
        let mut scale = n.running_var.f_add_scalar(EPSILON)?.f_rsqrt()?;
        if let Some(gain) = &n.ws {
            scale = scale.f_mul(gain)?;
        }
        let mean = match &c.bias {
            Some(bias) => bias.f_sub(&n.running_mean)?,
            None => n.running_mean.f_neg()?,
        };
        let mut bias = mean.f_mul(&scale)?;
        if let Some(offset) = &n.bs {
            bias = bias.f_add(offset)?;
        }
        let weight = c.weight.f_mul(&scale.f_view([-1, 1, 1, 1])?)?;
        Ok(Convolution { weight, bias: Some(bias), padding: c.padding, dilation: c.dilation })
    }

    fn normalised(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let n = &self.norm;
        let (mean, variance) = (Some(&n.running_mean), Some(&n.running_var));
        Ok(x.f_batch_norm(n.ws.as_ref(), n.bs.as_ref(), mean, variance, train, 0.1, EPSILON, true)?)
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
    if x.device() != Device::Cpu {
        return doubled_along(&doubled_along(x, 2)?, 3);
    }
    let (_, _, h, w) = x.size4()?;
    Ok(x.f_upsample_bilinear2d([2 * h, 2 * w], false, None, None)?)
}

/// The same along one axis, 2 or 3, by sums: on a GPU libtorch's own adds up its gradient in another order every time.
fn doubled_along(x: &Tensor, axis: i64) -> Result<Tensor> {
    let (_, _, h, w) = x.size4()?;
    let n = if axis == 2 { h } else { w };
    let (first, last) = (x.f_narrow(axis, 0, 1)?, x.f_narrow(axis, n - 1, 1)?);
    let before = Tensor::f_cat(&[&first, &x.f_narrow(axis, 0, n - 1)?], axis)?;
    let after = Tensor::f_cat(&[&x.f_narrow(axis, 1, n - 1)?, &last], axis)?;
    let near = x.f_mul_scalar(0.75)?;
    let pairs = Tensor::f_stack(
        &[near.f_add(&before.f_mul_scalar(0.25)?)?, near.f_add(&after.f_mul_scalar(0.25)?)?],
        axis + 1,
    )?;
    Ok(pairs.f_flatten(axis, axis + 1)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    /// Pixels between pixels, by sums and by libtorch's own, to single precision.
    #[test]
    fn doubling_by_sums_is_linear_interpolation() {
        let x = Tensor::randn([2, 3, 5, 7], (Kind::Float, Device::Cpu));
        let sums = doubled_along(&doubled_along(&x, 2).unwrap(), 3).unwrap();
        assert_eq!(sums.size(), [2, 3, 10, 14]);
        let off = (sums - doubled(&x).unwrap()).abs().max().double_value(&[]);
        assert!(off < 1e-6, "{off}");
    }

    /// With statistics and weights that are anything, a convolution with its normalisation folded in gives what the two give one after
    /// the other (single precision, values of about one).
    #[test]
    fn folding_changes_nothing() {
        tch::manual_seed(3);
        let vs = nn::VarStore::new(Device::Cpu);
        let mut layer = Layer::new(&vs.root(), 5, 7, Rectified::Last);
        let random = |low: f64| Tensor::rand([7], (Kind::Float, Device::Cpu)) + low;
        (layer.norm.running_mean, layer.norm.running_var) = (random(-0.5), random(0.1));
        (layer.norm.ws, layer.norm.bs) = (Some(random(0.5)), Some(random(-0.5)));
        let x = Tensor::randn([2, 5, 12, 9], (Kind::Float, Device::Cpu));
        let after = layer.normalised(&layer.convolution.forward(&x).unwrap(), false).unwrap().relu();
        let off = (layer.forward(&x, false).unwrap() - after).abs().max().double_value(&[]);
        assert!(off < 1e-5, "{off}");
    }
}
