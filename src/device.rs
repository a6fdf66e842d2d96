//! Where tensors live: the GPU where libtorch sees one, else the CPU. Chosen at run time.

use tch::{Cuda, Device};

/// Loads libtorch's CUDA half, where it lies beside the other. Nothing here calls it by name, so that the linker leaves it
/// out even where it is there; and libtorch looks once, at its first use, for what can drive a GPU, so that this must come
/// before: as this library is loaded. Without that half, or with one that does not load, there is the CPU.
extern "C" fn load_cuda() {
    // SAFETY: a name that ends in a zero; what is loaded stays loaded. libtorch's own halves are loaded this way in Python.
    unsafe { libc::dlopen(c"libtorch_cuda.so".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
}

#[used]
#[unsafe(link_section = ".init_array")]
static WHEN_LOADED: extern "C" fn() = load_cuda;

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
