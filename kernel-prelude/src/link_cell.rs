//! Being the compiler driver that links a cell, as `cell-gcc`.
//!
//! A linker reads the names of every library it is given: 130 MB of ours and 450 MB of libtorch take longer than the
//! rest of the link. Names that it does not find are looked up when a cell is loaded, anyway, so an empty library of our
//! library's name is as good; libtorch comes with ours.

use crate::recipe::{Recipe, output};
use crate::{Result, environment, trace};
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::SystemTime;

/// The name under which rustc starts this. It tells from the name how arguments are to look.
pub const NAME: &str = "cell-gcc";
const LIBRARY: &str = "libatomotion.so";

/// Where the empty library is, in the prepared folder.
fn stub(kernel: &Path) -> PathBuf {
    kernel.join("stub").join(LIBRARY)
}

/// Makes the empty library.
pub fn write_stub(kernel: &Path) -> Result<()> {
    let stub = stub(kernel);
    std::fs::create_dir_all(stub.parent().unwrap_or(kernel))?;
    let mut linker = Command::new("cc");
    linker.args(["-shared", "-nostdlib", "-x", "c", "/dev/null"]).arg(format!("-Wl,-soname,{LIBRARY}"));
    output(linker.arg("-o").arg(stub))?;
    Ok(())
}

/// Arguments of rustc that name its own linker, twice as fast as GNU's. rustc asks for it only where it chooses the
/// compiler driver.
pub fn own_linker(recipe: &Recipe) -> Vec<String> {
    let own = recipe.sysroot.join("lib/rustlib").join(&recipe.host).join("bin/gcc-ld");
    if !own.is_dir() {
        return Vec::new();
    }
    vec![format!("-Clink-arg=-B{}", own.display()), "-Clink-arg=-fuse-ld=lld".into()]
}

pub fn link(args: &[String]) -> Result<ExitCode> {
    let kernel = environment::kernel_dir()?;
    let mut linker = Command::new("cc");
    linker.args(quick(args, &stub(&kernel).display().to_string()));
    if !trace::is_wanted() {
        return Err(linker.exec().into());
    }
    let started = SystemTime::now();
    let status = linker.status()?;
    // rustc runs in a folder of the cell's.
    trace::linker(&std::env::current_dir()?.with_file_name(""), started);
    Ok(ExitCode::from(status.code().unwrap_or(1) as u8))
}

/// The arguments, with the empty library for ours and without libtorch's.
fn quick(args: &[String], stub: &str) -> Vec<String> {
    let ours = |arg: &str| Path::new(arg).file_name() == Some(OsStr::new(LIBRARY));
    let libtorch = |arg: &str| arg.starts_with("-ltorch") || arg == "-lc10";
    let one = |arg: &String| match arg.as_str() {
        // Nothing is found in it, so it would be left out "as not needed".
        arg if ours(arg) => vec!["-Wl,--no-as-needed".into(), stub.to_owned(), "-Wl,--as-needed".into()],
        arg if libtorch(arg) => Vec::new(),
        arg => vec![arg.to_owned()],
    };
    args.iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_large_libraries_are_replaced() {
        let args = ["-shared", "a.o", "/target/deps/libatomotion.so", "-ltorch_cpu", "-lc10", "-lc", "libother.rlib"];
        let quick = quick(&args.map(String::from), "/stub/libatomotion.so");
        let stub = ["-Wl,--no-as-needed", "/stub/libatomotion.so", "-Wl,--as-needed"];
        assert_eq!(quick, [&["-shared", "a.o"][..], &stub, &["-lc", "libother.rlib"]].concat());
    }
}
