//! Where tensors live: the GPU where libtorch sees one, else the CPU. Chosen at run time.

use tch::{Cuda, Device};

/// The device that training and detection use by default.
#[must_use]
pub fn best_device() -> Device {
    if Cuda::is_available() { Device::Cuda(0) } else { Device::Cpu }
}

/// A short description for tables and captions.
#[must_use]
pub fn describe(device: Device) -> String {
    match device {
        Device::Cpu => format!("CPU, {} threads", tch::get_num_threads()),
        Device::Cuda(i) => format!("CUDA device {i}"),
        other => format!("{other:?}"),
    }
}
