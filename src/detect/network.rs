//! The network: small, fully convolutional, light enough for two cores.

use tch::nn::{self, ModuleT};
use tch::{Kind, Tensor};

/// Channels at full, half and quarter resolution.
const WIDTHS: [i64; 3] = [12, 24, 48];
/// Frames are padded to a multiple of this.
pub(super) const STRIDE: usize = 4;
/// Pixels that a prediction can see across.
pub(super) const FIELD: usize = 52;

/// An encoder and decoder of three levels whose skips are added. A frame of any size goes in, one logit a pixel
/// comes out.
#[derive(Debug)]
pub(super) struct Network {
    down: [nn::SequentialT; 3],
    up: [nn::SequentialT; 2],
    shrink: [nn::Conv2D; 2],
    head: nn::Conv2D,
}

fn convolution(path: &nn::Path, from: i64, to: i64, size: i64) -> nn::Conv2D {
    nn::conv2d(path, from, to, size, nn::ConvConfig { padding: size / 2, ..Default::default() })
}

/// Two 3 x 3 convolutions, each normalised and rectified.
fn block(path: &nn::Path, from: i64, to: i64) -> nn::SequentialT {
    [(from, "0"), (to, "1")].iter().fold(nn::seq_t(), |seq, (from, name)| {
        let path = path / name;
        seq.add(convolution(&(&path / "conv"), *from, to, 3))
            .add(nn::batch_norm2d(&path / "norm", to, Default::default()))
            .add_fn(Tensor::relu)
    })
}

impl Network {
    pub(super) fn new(root: &nn::Path) -> Network {
        let [a, b, c] = WIDTHS;
        Network {
            down: [block(&(root / "down0"), 1, a), block(&(root / "down1"), a, b), block(&(root / "down2"), b, c)],
            up: [block(&(root / "up0"), a, a), block(&(root / "up1"), b, b)],
            shrink: [convolution(&(root / "shrink0"), b, a, 1), convolution(&(root / "shrink1"), c, b, 1)],
            head: convolution(&(root / "head"), a, 1, 1),
        }
    }

    /// (batch, 1, height, width) to logits of the same shape; height and width are multiples of [`STRIDE`].
    pub(super) fn logits(&self, image: &Tensor, train: bool) -> Tensor {
        let x0 = self.down[0].forward_t(image, train);
        let x1 = self.down[1].forward_t(&x0.max_pool2d_default(2), train);
        let x2 = self.down[2].forward_t(&x1.max_pool2d_default(2), train);
        let y1 = self.up[1].forward_t(&(self.raise(&x2, 1) + x1), train);
        let y0 = self.up[0].forward_t(&(self.raise(&y1, 0) + x0), train);
        y0.apply(&self.head)
    }

    /// Fewer channels, twice the resolution.
    fn raise(&self, x: &Tensor, level: usize) -> Tensor {
        let x = x.apply(&self.shrink[level]);
        let (h, w) = (x.size()[2], x.size()[3]);
        x.upsample_bilinear2d([2 * h, 2 * w], false, None, None)
    }
}

/// Focal loss (Lin et al., ICCV 2017, equation 5; gamma 2), averaged over the pixels that have weight. Defects are a
/// few per cent of the pixels; `positive` is the share of the loss that theirs gets.
pub(super) fn focal_loss(logits: &Tensor, target: &Tensor, weight: &Tensor, positive: f64) -> Tensor {
    let cross_entropy = logits.binary_cross_entropy_with_logits::<Tensor>(target, None, None, tch::Reduction::None);
    let p = logits.sigmoid();
    let wrong = target * (1.0 - &p) + (1.0 - target) * &p;
    let share = target * (2.0 * positive - 1.0) + (1.0 - positive);
    (cross_entropy * &wrong * &wrong * share * weight).sum(Kind::Float) / weight.sum(Kind::Float).clamp_min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn a_frame_gives_a_map_of_its_size() {
        let vs = nn::VarStore::new(Device::Cpu);
        let network = Network::new(&vs.root());
        let out = network.logits(&Tensor::zeros([2, 1, 64, 44], (Kind::Float, Device::Cpu)), false);
        assert_eq!(out.size(), [2, 1, 64, 44]);
    }

    /// What one output pixel can see is what its gradient touches: not wider than FIELD.
    #[test]
    fn field_is_as_stated() {
        tch::manual_seed(1);
        let vs = nn::VarStore::new(Device::Cpu);
        let network = Network::new(&vs.root());
        let mut seen = (usize::MAX, 0);
        for x in 46..50_usize {
            let image = Tensor::randn([1, 1, 96, 96], (Kind::Float, Device::Cpu)).set_requires_grad(true);
            network.logits(&image, false).select(2, 48).select(2, x as i64).sum(Kind::Float).backward();
            let columns = Vec::<f64>::try_from(
                image.grad().abs().sum_dim_intlist([2_i64].as_slice(), false, Kind::Double).flatten(0, -1),
            )
            .unwrap();
            let touched: Vec<usize> = (0..96).filter(|&c| columns[c] > 0.0).collect();
            seen = (seen.0.min(x - touched[0]), seen.1.max(touched[touched.len() - 1] - x));
        }
        assert!(seen.0 + seen.1 < FIELD, "{seen:?}");
    }

    /// Against the formula written out for one pixel.
    #[test]
    fn focal_loss_matches_its_formula() {
        let (logit, positive) = (0.7_f64, 0.75);
        let p = 1.0 / (1.0 + (-logit).exp());
        for (target, expected) in
            [(1.0, -positive * (1.0 - p).powi(2) * p.ln()), (0.0, -(1.0 - positive) * p * p * (1.0 - p).ln())]
        {
            let t = |v: f64| Tensor::from_slice(&[v as f32]).view([1, 1, 1, 1]);
            let loss = focal_loss(&t(logit), &t(target), &t(1.0), positive).double_value(&[]);
            assert!((loss - expected).abs() < 1e-6, "{loss} {expected}");
        }
    }
}
