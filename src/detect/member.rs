//! One network of an ensemble, its running mean, and what files hold of it.

use super::augment::{Batch, Canvas};
use super::descent::{fits, in_parts, ranges};
use super::network::Model;
use super::training::{Training, images};
use crate::device::reachable;
use crate::error::Result;
use crate::file::Array;
use ndarray::s;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use tch::{Device, Kind, Tensor, nn};

/// A network with its weights.
pub(super) struct Member {
    pub vs: nn::VarStore,
    pub model: Box<dyn Model>,
}

impl Member {
    /// With new weights, which depend on the seed alone: they are drawn on the CPU, whatever the device.
    ///
    /// # Errors
    /// If the device is not there, or has no memory for them.
    pub(super) fn new(training: &Training, seed: u64, device: Device) -> Result<Member> {
        // libtorch has one generator for all threads.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        tch::manual_seed(seed as i64);
        let vs = nn::VarStore::new(Device::Cpu);
        let model = training.architecture.build(
            &vs.root(),
            training.input.planes() as i64,
            training.output.channels().len() as i64,
        );
        let mut member = Member { vs, model };
        member.move_to(device)?;
        Ok(member)
    }

    /// Moves all variables to another device.
    ///
    /// # Errors
    /// If the device is not there, or has no memory for them: they stay where they are.
    pub(super) fn move_to(&mut self, device: Device) -> Result<()> {
        reachable(device)?;
        // tch's own way to do it panics where one does not fit: it is left with nothing to move.
        let mut variables: Vec<Tensor> = self.vs.variables().into_values().collect();
        let there = variables.iter().map(|v| v.f_to_device(device)).collect::<Result<Vec<_>, _>>()?;
        tch::no_grad(|| variables.iter_mut().zip(&there).try_for_each(|(v, there)| v.f_set_data(there)))?;
        self.vs.set_device(device);
        Ok(())
    }

    /// Every variable, on the CPU.
    pub(super) fn weights(&self) -> Result<BTreeMap<String, Array>> {
        self.vs.variables().into_iter().map(|(name, value)| Ok((name, array(&value)?))).collect()
    }

    /// Copies weights, named with a prefix; every variable must be there, in its shape. Says in words what is wrong.
    pub(super) fn load(&self, arrays: &BTreeMap<String, Array>, prefix: &str) -> Result<(), String> {
        for (name, mut to) in self.vs.variables() {
            let stored = format!("{prefix}{name}");
            let (shape, values) = arrays.get(&stored).ok_or_else(|| format!("{stored} is missing"))?;
            let expected: Vec<usize> = to.size().iter().map(|&n| n as usize).collect();
            if *shape != expected {
                return Err(format!("{stored} has shape {shape:?}, not {expected:?}"));
            }
            let refused = |e: tch::TchError| e.to_string();
            let from = Tensor::f_from_slice(values).and_then(|t| t.f_view_as(&to)).map_err(refused)?;
            tch::no_grad(|| to.f_copy_(&from)).map_err(refused)?;
        }
        Ok(())
    }

    /// Measures the statistics that batches are normalised by anew: those of averaged weights are not the averages. Where the
    /// device runs out of memory, crops that are tried again count twice in these running means.
    pub(super) fn settle(&self, canvases: &[Canvas], training: &Training, seed: u64, mut parts: usize) -> Result<()> {
        const BATCHES: u64 = 8;
        for i in 0..BATCHES {
            let batch = training.augment.batch(canvases, training.batch, training.steps as u64 + i, seed);
            in_parts(training.batch, &mut parts, |parts| {
                for some in ranges(training.batch, parts) {
                    let _ = self.said(&batch, some, true)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The logits of some crops of a batch; in training what batches are normalised by is measured along with them.
    pub(super) fn said(&self, batch: &Batch, crops: Range<usize>, train: bool) -> Result<Tensor> {
        fits(crops.len())?;
        let image = images(batch.image.slice(s![crops, .., .., ..]), self.vs.device())?;
        tch::no_grad(|| self.model.forward(&image, train))
    }
}

/// A running mean of all variables, statistics included: one long vector in the order of their names.
pub(super) struct Average {
    pub mean: Tensor,
    variables: Vec<Tensor>,
}

impl Average {
    pub(super) fn new(vs: &nn::VarStore) -> Result<Average> {
        let mut named: Vec<(String, Tensor)> = vs.variables().into_iter().collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        let variables: Vec<Tensor> = named.into_iter().map(|(_, t)| t).collect();
        Ok(Average { mean: flat(&variables)?, variables })
    }

    /// Takes the present weights in. Early on it remembers less, so that the first weights do not linger.
    pub(super) fn update(&mut self, memory: f64, step: usize) -> Result<()> {
        let memory = memory.min((1.0 + step as f64) / (10.0 + step as f64));
        self.mean = tch::no_grad(|| self.mean.f_lerp(&flat(&self.variables)?, 1.0 - memory))?;
        Ok(())
    }

    /// Copies the mean into a network of the same kind.
    pub(super) fn copy_to(&self, vs: &nn::VarStore) -> Result<()> {
        let mut named: Vec<(String, Tensor)> = vs.variables().into_iter().collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        let mut at = 0;
        for (_, mut variable) in named {
            let length = variable.numel() as i64;
            let part = self.mean.f_narrow(0, at, length)?.f_view_as(&variable)?;
            tch::no_grad(|| variable.f_copy_(&part))?;
            at += length;
        }
        Ok(())
    }
}

fn flat(variables: &[Tensor]) -> Result<Tensor, tch::TchError> {
    tch::no_grad(|| {
        let parts = variables.iter().map(|v| v.f_flatten(0, -1)).collect::<Result<Vec<_>, _>>()?;
        Tensor::f_cat(&parts, 0)
    })
}

/// A tensor's shape and elements.
pub(super) fn array(tensor: &Tensor) -> Result<Array> {
    let shape = tensor.size().iter().map(|&n| n as usize).collect();
    let flat = tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_flatten(0, -1)?;
    Ok((shape, Vec::<f32>::try_from(flat)?))
}
