//! The networks, fully convolutional: a frame of any size goes in, one logit for each pixel and channel comes out.

mod dilated;
mod light;
mod parts;
mod published;
mod unet;

use crate::error::Result;
use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

/// Frames are padded to a multiple of this, whatever the network.
pub(super) const STRIDE: usize = 4;
/// Pixels that a prediction can see across, of most networks.
pub(super) const FIELD: usize = 56;

/// Which network is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Architecture {
    /// Two levels at a half and a quarter of the resolution, skips added, 24 and 48 channels: 49 thousand weights.
    #[default]
    Light,
    /// The published encoder and decoder: no skips, 32 to 64 channels, 149 thousand weights (Maksov et al., npj
    /// Computational Materials 5, 12, 2019).
    Published,
    /// The published one with residual stages of three layers.
    Residual,
    /// U-Net: three levels, skips beside each other, 16 to 64 channels (Ronneberger, Fischer and Brox, MICCAI 2015).
    UNet,
    /// No levels: convolutions with taps ever further apart (Yu and Koltun, ICLR 2016).
    Dilated,
}

/// What every network can do.
pub(super) trait Model: std::fmt::Debug + Send {
    /// (batch, planes, height, width) to logits (batch, channels, height, width); height and width are multiples of
    /// [`STRIDE`].
    fn forward(&self, image: &Tensor, train: bool) -> Result<Tensor>;
}

impl Architecture {
    /// All of them.
    pub const ALL: [Architecture; 5] = [
        Architecture::Light,
        Architecture::Published,
        Architecture::Residual,
        Architecture::UNet,
        Architecture::Dilated,
    ];

    /// A network with new weights, which are variables of `root`.
    ///
    /// `planes` go in, `channels` come out.
    pub(super) fn build(self, root: &nn::Path, planes: i64, channels: i64) -> Box<dyn Model> {
        match self {
            Architecture::Light => Box::new(light::Light::new(root, planes, channels)),
            Architecture::Published => Box::new(published::EncoderDecoder::published(root, planes, channels)),
            Architecture::Residual => Box::new(published::EncoderDecoder::residual(root, planes, channels)),
            Architecture::UNet => Box::new(unet::UNet::new(root, planes, channels)),
            Architecture::Dilated => Box::new(dilated::Dilated::new(root, planes, channels)),
        }
    }

    /// Pixels (of the binned frame) that a prediction can see across.
    #[must_use]
    pub fn field_px(self) -> usize {
        match self {
            Architecture::Light => 44,
            Architecture::Published => 40,
            Architecture::Residual => 76,
            Architecture::UNet | Architecture::Dilated => FIELD,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn network(architecture: Architecture, channels: i64) -> (nn::VarStore, Box<dyn Model>) {
        tch::manual_seed(1);
        let vs = nn::VarStore::new(Device::Cpu);
        let model = architecture.build(&vs.root(), 1, channels);
        (vs, model)
    }

    #[test]
    fn a_frame_gives_maps_of_its_size() {
        for architecture in Architecture::ALL {
            let (_vs, model) = network(architecture, 2);
            let out = model.forward(&Tensor::zeros([2, 1, 64, 44], (Kind::Float, Device::Cpu)), false).unwrap();
            assert_eq!(out.size(), [2, 2, 64, 44], "{architecture:?}");
        }
    }

    /// Numbers of 16 bits go through every network, whether or not the processor has instructions for them, and give what 32
    /// give to two digits or so.
    #[test]
    fn sixteen_bits_go_through() {
        for architecture in Architecture::ALL {
            let (_vs, model) = network(architecture, 2);
            let image = Tensor::randn([1, 1, 64, 48], (Kind::Float, Device::Cpu));
            let full = tch::no_grad(|| model.forward(&image, false)).unwrap();
            let half = tch::no_grad(|| model.forward(&image.to_kind(Kind::BFloat16), false)).unwrap();
            assert_eq!(half.kind(), Kind::BFloat16);
            let off =
                (half.to_kind(Kind::Float) - &full).std(true).double_value(&[]) / full.std(true).double_value(&[]);
            assert!(off > 0.0 && off < 0.05, "{architecture:?}: {off}");
        }
    }

    /// What libtorch refuses is an error: here skips that do not fit together.
    #[test]
    fn a_frame_that_does_not_fit_is_an_error() {
        let (_vs, model) = network(Architecture::Light, 1);
        assert!(model.forward(&Tensor::zeros([1, 1, 63, 42], (Kind::Float, Device::Cpu)), false).is_err());
    }

    #[test]
    fn weights_are_as_many_as_stated() {
        let count = |architecture: Architecture| {
            let (vs, _) = network(architecture, 1);
            vs.trainable_variables().iter().map(Tensor::numel).sum::<usize>()
        };
        assert_eq!(count(Architecture::Published), 148_737);
        assert_eq!(count(Architecture::Light) / 1000, 49);
    }

    /// What one output pixel can see is what its gradient touches: not wider than stated, and not much less.
    #[test]
    fn fields_are_as_stated() {
        for architecture in Architecture::ALL {
            let (_vs, model) = network(architecture, 1);
            let mut seen = (0, 0);
            for x in 62..66_usize {
                let image = Tensor::randn([1, 1, 128, 128], (Kind::Float, Device::Cpu)).set_requires_grad(true);
                let out = model.forward(&image, false).unwrap();
                out.select(2, 64).select(2, x as i64).sum(Kind::Float).backward();
                let columns = Vec::<f64>::try_from(
                    image.grad().abs().sum_dim_intlist([2_i64].as_slice(), false, Kind::Double).flatten(0, -1),
                )
                .unwrap();
                let touched: Vec<usize> = (0..128).filter(|&c| columns[c] > 0.0).collect();
                seen = (seen.0.max(x - touched[0]), seen.1.max(touched[touched.len() - 1] - x));
            }
            let (across, stated) = (seen.0 + seen.1 + 1, architecture.field_px());
            assert!(across <= stated && across + 8 >= stated, "{architecture:?} sees {across} pixels, not {stated}");
        }
    }
}
