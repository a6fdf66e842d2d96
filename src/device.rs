//! Where tensors live: the GPU where libtorch sees one, else the CPU. Chosen at run time.

use std::ffi::{CStr, c_void};
use std::sync::LazyLock;
use tch::{Cuda, Device};

/// Loads libtorch's CUDA half, where it lies beside the other. Nothing here calls it by name, so that the linker leaves it
/// out even where it is there; and libtorch looks once, at its first use, for what can drive a GPU, so that this must come
/// before: as this library is loaded. Without that half, or with one that does not load, there is the CPU.
extern "C" fn load_cuda() {
    // SAFETY: a name that ends in a zero; what is loaded stays loaded. libtorch's own halves are loaded this way in Python.
    let cuda = unsafe { libc::dlopen(c"libtorch_cuda.so".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if !cuda.is_null() {
        settle(c"_ZN2at7Context17setAllowTF32CuDNNEb", false);
        settle(c"_ZN2at7Context21setDeterministicCuDNNEb", true);
    }
}

/// Sets a switch of libtorch's context that tch has no name for: convolutions in single precision, not with ten bits
/// (`setAllowTF32CuDNN`), and with sums in the same order every time (`setDeterministicCuDNN`). A libtorch that has no such
/// switch is left as it is.
fn settle(switch: &CStr, to: bool) {
    type Context = extern "C" fn() -> *mut c_void;
    type Switch = extern "C" fn(*mut c_void, bool);
    // SAFETY: C++ functions of libtorch 2.11 by their mangled names, which say what they take: at::globalContext(), whose
    // reference is a pointer, and members of at::Context with one bool. None throws.
    unsafe {
        let context = libc::dlsym(libc::RTLD_DEFAULT, c"_ZN2at13globalContextEv".as_ptr());
        let switch = libc::dlsym(libc::RTLD_DEFAULT, switch.as_ptr());
        if !context.is_null() && !switch.is_null() {
            let context = std::mem::transmute::<*mut c_void, Context>(context);
            std::mem::transmute::<*mut c_void, Switch>(switch)(context(), to);
        }
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
static WHEN_LOADED: extern "C" fn() = load_cuda;

/// The device that training and detection use by default.
#[must_use]
pub fn best_device() -> Device {
    if Cuda::is_available() { Device::Cuda(0) } else { Device::Cpu }
}

/// Whether numbers of 16 bits (bfloat16) make a network faster there: on a processor that has instructions for them.
pub(crate) fn halves(device: Device) -> bool {
    static BY_PROCESSOR: LazyLock<bool> = LazyLock::new(|| {
        let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let flags = told.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
        flags.split_whitespace().any(|flag| ["amx_bf16", "avx512_bf16"].contains(&flag))
    });
    device == Device::Cpu && *BY_PROCESSOR
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
