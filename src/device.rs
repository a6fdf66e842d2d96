//! Where tensors live: the GPU where libtorch sees one, else the CPU. Chosen at run time.

use crate::error::{Error, Result};
use std::ffi::{CStr, CString, OsStr, c_void};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tch::{Cuda, Device};

/// at::globalContext()
const CONTEXT: &CStr = c"_ZN2at13globalContextEv";
/// at::Context::setAllowTF32CuDNN(bool): convolutions with ten bits.
const SINGLE_PRECISION: &CStr = c"_ZN2at7Context17setAllowTF32CuDNNEb";
/// at::Context::setDeterministicCuDNN(bool): sums in the same order every time.
const SAME_ORDER: &CStr = c"_ZN2at7Context21setDeterministicCuDNNEb";

/// Loads libtorch's CUDA half, where it lies beside the other. Nothing here calls it by name, so that the linker leaves it
/// out even where it is there; and libtorch looks once, at its first use, for what can drive a GPU, so that this must come
/// before: as this library is loaded. Without that half, or with one that does not load, there is the CPU.
extern "C" fn load_cuda() {
    // By its path: another libtorch's CUDA half, which the loader may know, fits to another libtorch.
    let Some(path) = folder().map(|folder| folder.join("libtorch_cuda.so")).filter(|path| path.is_file()) else {
        return;
    };
    let Ok(path) = CString::new(path.into_os_string().into_vec()) else { return };
    // SAFETY: a path that ends in a zero; what is loaded stays loaded. libtorch's own halves are loaded this way in Python.
    let cuda = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if !cuda.is_null() {
        settle(SINGLE_PRECISION, false);
        settle(SAME_ORDER, true);
    }
}

/// Sets a switch of libtorch's context that tch has no name for. A libtorch that has no such switch is left as it is.
fn settle(switch: &CStr, to: bool) {
    type Context = extern "C" fn() -> *mut c_void;
    type Switch = extern "C" fn(*mut c_void, bool);
    // SAFETY: C++ functions of libtorch 2.11, whose mangled names say what they take: one returns a reference, which is a
    // pointer, the others are members of it that take one bool. None throws.
    unsafe {
        let [context, switch] = [CONTEXT, switch].map(found);
        if !context.is_null() && !switch.is_null() {
            let context = std::mem::transmute::<*mut c_void, Context>(context);
            std::mem::transmute::<*mut c_void, Switch>(switch)(context(), to);
        }
    }
}

/// Where the libtorch that is loaded lies.
fn folder() -> Option<PathBuf> {
    let mut about = std::mem::MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: what is filled in is read where dladdr says that it was; the name stays as long as the library does.
    let file = unsafe {
        if libc::dladdr(found(CONTEXT), about.as_mut_ptr()) == 0 {
            return None;
        }
        let name = about.assume_init().dli_fname;
        (!name.is_null()).then(|| CStr::from_ptr(name).to_bytes())?
    };
    Path::new(OsStr::from_bytes(file)).parent().map(Path::to_path_buf)
}

/// A function of what is loaded, by its name; null where there is none.
fn found(name: &CStr) -> *mut c_void {
    // SAFETY: a name that ends in a zero.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

#[used]
#[unsafe(link_section = ".init_array")]
static WHEN_LOADED: extern "C" fn() = load_cuda;

/// The device that training and detection use by default.
#[must_use]
pub fn best_device() -> Device {
    if Cuda::is_available() { Device::Cuda(0) } else { Device::Cpu }
}

/// Whether this machine has a device.
pub(crate) fn reachable(device: Device) -> Result<()> {
    let (gpus, best) = (Cuda::device_count().max(0), describe(best_device()));
    match device {
        Device::Cuda(i) if i as i64 >= gpus => {
            Err(Error::data(format!("there is no CUDA device {i}: libtorch sees {gpus}; `best_device()` gives {best}")))
        }
        _ => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What a GPU needs is looked up by name when it is too late for a compiler to complain.
    #[test]
    fn this_libtorch_has_the_switches() {
        let _ = tch::get_num_threads(); // libtorch is loaded for something
        for name in [CONTEXT, SINGLE_PRECISION, SAME_ORDER] {
            assert!(!found(name).is_null(), "{name:?}");
        }
        assert!(folder().unwrap().join("libtorch_cpu.so").is_file());
    }
}
