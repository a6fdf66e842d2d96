//! Gives the executable the two places where it finds `libstd`: beside its prepared copy, and in the toolchain.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib");
    let rustc = std::env::var_os("RUSTC").expect("cargo sets RUSTC");
    let out = Command::new(rustc).args(["--print", "target-libdir"]).output().expect("rustc runs");
    let libraries = String::from_utf8(out.stdout).expect("the toolchain's path is UTF-8");
    println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{}", libraries.trim());
}
