//! Adam, with its state in the open: libtorch's own cannot be saved, and a training that was stopped could not go on.

use crate::error::Result;
use tch::{Kind, Tensor, nn};

const BETA: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

/// The optimiser of Kingma and Ba (ICLR 2015, algorithm 1), with their defaults. All parameters are one long vector, in
/// the order of their names, so that a step is a handful of operations.
pub(super) struct Adam {
    parameters: Vec<Tensor>,
    /// Running mean of the gradient, and of its square.
    pub moments: [Tensor; 2],
    pub steps: i32,
}

impl Adam {
    pub(super) fn new(vs: &nn::VarStore) -> Result<Adam> {
        let mut named: Vec<(String, Tensor)> = vs.variables().into_iter().filter(|(_, t)| t.requires_grad()).collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        let parameters: Vec<Tensor> = named.into_iter().map(|(_, t)| t).collect();
        let length: i64 = parameters.iter().map(|p| p.numel() as i64).sum();
        let zeros = || Tensor::f_zeros([length], (Kind::Float, vs.device()));
        Ok(Adam { parameters, moments: [zeros()?, zeros()?], steps: 0 })
    }

    /// Begins a new gradient.
    pub(super) fn forget(&mut self) -> Result<()> {
        for parameter in &self.parameters {
            let mut gradient = parameter.f_grad()?;
            if gradient.defined() {
                let _ = gradient.f_detach_()?.f_zero_()?;
            }
        }
        Ok(())
    }

    /// Takes one step down the gradient that has gathered.
    pub(super) fn descend(&mut self, rate: f64) -> Result<()> {
        tch::no_grad(|| self.moved(rate))
    }

    fn moved(&mut self, rate: f64) -> Result<()> {
        self.steps += 1;
        let gradients =
            self.parameters.iter().map(|p| p.f_grad()?.f_flatten(0, -1)).collect::<Result<Vec<_>, tch::TchError>>()?;
        let gradient = Tensor::f_cat(&gradients, 0)?;
        let [mean, square] = &mut self.moments;
        *mean = mean.f_lerp(&gradient, 1.0 - BETA.0)?;
        *square = square.f_lerp(&gradient.f_square()?, 1.0 - BETA.1)?;
        // The moments begin at zero, and are too small by these factors.
        let (unbiased, unbiased_square) = (1.0 - BETA.0.powi(self.steps), 1.0 - BETA.1.powi(self.steps));
        let root = square.f_div_scalar(unbiased_square)?.f_sqrt()?.f_add_scalar(EPSILON)?;
        let change = mean.f_div(&root)?.f_mul_scalar(rate / unbiased)?;
        let mut at = 0;
        for parameter in &mut self.parameters {
            let length = parameter.numel() as i64;
            let part = change.f_narrow(0, at, length)?.f_view_as(parameter)?;
            let _ = parameter.f_sub_(&part)?;
            at += length;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;
    use tch::nn::{Module, OptimizerConfig};

    /// The same path as libtorch's Adam, from the same start.
    #[test]
    fn it_is_adam() {
        let make = || {
            let vs = nn::VarStore::new(Device::Cpu);
            let net = nn::seq()
                .add(nn::linear(vs.root() / "a", 5, 7, Default::default()))
                .add_fn(Tensor::tanh)
                .add(nn::linear(vs.root() / "b", 7, 1, Default::default()));
            (vs, net)
        };
        let ((vs, ours), (mut other, theirs)) = (make(), make());
        other.copy(&vs).unwrap();
        let x = Tensor::randn([64, 5], (Kind::Float, Device::Cpu));
        let y = (&x * &x).sum_dim_intlist([1_i64].as_slice(), true, Kind::Float);
        let mut adam = Adam::new(&vs).unwrap();
        let mut reference = nn::Adam::default().build(&other, 0.0).unwrap();
        for step in 0..200 {
            let rate = 0.02 / f64::from(step + 10);
            adam.forget().unwrap();
            (ours.forward(&x) - &y).square().mean(Kind::Float).backward();
            adam.descend(rate).unwrap();
            reference.set_lr(rate);
            reference.backward_step(&(theirs.forward(&x) - &y).square().mean(Kind::Float));
        }
        let theirs = other.variables();
        for (name, value) in vs.variables() {
            let difference = (&value - &theirs[&name]).abs().max().double_value(&[]);
            assert!(difference < 1e-5, "{name} differs by {difference}");
        }
    }
}
