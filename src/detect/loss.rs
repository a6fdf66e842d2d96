//! What training makes small.

use crate::error::{Result, check};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// How wrong a map is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Loss {
    /// Focal loss (Lin et al., ICCV 2017, equation 5): pixels that are already right count less, as the power `gamma` of
    /// how wrong they are.
    Focal {
        /// 0 is cross-entropy.
        gamma: f64,
    },
    /// Binary cross-entropy: its probabilities are the calibrated ones.
    CrossEntropy,
    /// One less the overlap of map and target (Milletari et al., 3DV 2016, with sums instead of sums of squares).
    Dice,
    /// The mean of the last two.
    CrossEntropyAndDice,
}

/// What a loss weighs by.
pub(super) struct Shares<'a> {
    /// Share of defect pixels against others, 0.5 for none (focal loss and cross-entropy).
    pub positive: f64,
    /// Of each channel.
    pub channels: &'a [f64],
}

impl Loss {
    pub(super) fn validate(self) -> Result<()> {
        match self {
            Loss::Focal { gamma } => check("gamma", gamma, (0.0..=10.0).contains(&gamma), "from 0 to 10; 2 is usual"),
            _ => Ok(()),
        }
    }

    /// Of logits and target (batch, channels, height, width), over the pixels that have weight (batch, 1, height, width).
    pub(super) fn of(self, logits: &Tensor, target: &Tensor, weight: &Tensor, shares: &Shares) -> Result<Tensor> {
        let channels: Vec<f32> = shares.channels.iter().map(|&c| c as f32).collect();
        let channels = Tensor::f_from_slice(&channels)?.f_to_device(logits.device())?.f_view([1, -1, 1, 1])?;
        match self {
            Loss::Focal { gamma } => focal(logits, target, weight, shares.positive, gamma, &channels),
            Loss::CrossEntropy => focal(logits, target, weight, shares.positive, 0.0, &channels),
            Loss::Dice => dice(logits, target, weight, &channels),
            Loss::CrossEntropyAndDice => {
                let a = focal(logits, target, weight, shares.positive, 0.0, &channels)?;
                Ok((a.f_add(&dice(logits, target, weight, &channels)?)?).f_mul_scalar(0.5)?)
            }
        }
    }
}

fn focal(x: &Tensor, target: &Tensor, weight: &Tensor, positive: f64, gamma: f64, channels: &Tensor) -> Result<Tensor> {
    let mut loss = x.f_binary_cross_entropy_with_logits::<Tensor>(target, None, None, tch::Reduction::None)?;
    if gamma != 0.0 {
        let wrong = x.f_sigmoid()?.f_sub(target)?.f_abs()?;
        // libtorch's general power is slow, and its gradient at 0 is not a number for powers below 1.
        let factor =
            if gamma == 2.0 { wrong.f_square()? } else { wrong.f_clamp_min(1e-6)?.f_pow_tensor_scalar(gamma)? };
        loss = loss.f_mul(&factor)?;
    }
    let share = target.f_mul_scalar(2.0 * positive - 1.0)?.f_add_scalar(1.0 - positive)?;
    let sum = loss.f_mul(&share)?.f_mul(weight)?.f_mul(channels)?.f_sum(Kind::Float)?;
    Ok(sum.f_div(&weight.f_sum(Kind::Float)?.f_clamp_min(1.0)?)?)
}

fn dice(x: &Tensor, target: &Tensor, weight: &Tensor, channels: &Tensor) -> Result<Tensor> {
    let p = x.f_sigmoid()?.f_mul(weight)?;
    let t = target.f_mul(weight)?;
    let sum = |v: Tensor| v.f_sum_dim_intlist([0_i64, 2, 3].as_slice(), false, Kind::Float);
    let overlap = sum(p.f_mul(target)?)?.f_mul_scalar(2.0)?.f_add_scalar(1.0)?;
    let all = sum(p)?.f_add(&sum(t)?)?.f_add_scalar(1.0)?;
    let each = (overlap.f_div(&all)?.f_neg()?.f_add_scalar(1.0)?).f_mul(&channels.f_flatten(0, -1)?)?;
    Ok(each.f_mean(Kind::Float)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(values: &[f64], channels: i64) -> Tensor {
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        Tensor::from_slice(&values).view([1, channels, 1, -1])
    }

    fn loss(loss: Loss, logits: &[f64], target: &[f64], weight: &[f64], positive: f64) -> f64 {
        let shares = Shares { positive, channels: &[1.0] };
        loss.of(&map(logits, 1), &map(target, 1), &map(weight, 1), &shares).unwrap().double_value(&[])
    }

    /// Against the formula written out for one pixel.
    #[test]
    fn focal_loss_matches_its_formula() {
        let (logit, positive) = (0.7_f64, 0.75);
        let p = 1.0 / (1.0 + (-logit).exp());
        for gamma in [0.0, 1.0, 2.0, 3.5] {
            let yes = -positive * (1.0 - p).powf(gamma) * p.ln();
            let no = -(1.0 - positive) * p.powf(gamma) * (1.0 - p).ln();
            for (target, expected) in [(1.0, yes), (0.0, no)] {
                let found = loss(Loss::Focal { gamma }, &[logit], &[target], &[1.0], positive);
                assert!((found - expected).abs() < 1e-6, "{found} {expected}");
            }
        }
    }

    /// Against sums written out; a pixel without weight says nothing.
    #[test]
    fn dice_matches_its_formula() {
        let (logits, target): ([f64; 4], [f64; 4]) = ([1.0, -2.0, 0.5, 9.0], [1.0, 0.0, 1.0, 0.0]);
        let p = logits.map(|x| 1.0 / (1.0 + (-x).exp()));
        let expected = 1.0 - (2.0 * (p[0] + p[2]) + 1.0) / (p[0] + p[1] + p[2] + 2.0 + 1.0);
        let found = loss(Loss::Dice, &logits, &target, &[1.0, 1.0, 1.0, 0.0], 0.5);
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }

    #[test]
    fn a_channel_weighs_what_it_is_told_to() {
        let of = |channels: &[f64], l: Loss| {
            let (logits, target) = (map(&[0.3, -0.4], 2), map(&[1.0, 0.0], 2));
            let shares = Shares { positive: 0.5, channels };
            l.of(&logits, &target, &map(&[1.0], 1), &shares).unwrap().double_value(&[])
        };
        for l in [Loss::Focal { gamma: 2.0 }, Loss::CrossEntropy, Loss::Dice, Loss::CrossEntropyAndDice] {
            let (first, second, both) = (of(&[1.0, 0.0], l), of(&[0.0, 1.0], l), of(&[3.0, 1.0], l));
            assert!((3.0 * first + second - both).abs() < 1e-6 && first > 0.0 && second > 0.0, "{l:?}");
        }
    }
}
