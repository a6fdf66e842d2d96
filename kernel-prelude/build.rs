//! Gives the executable the two places where it finds `libstd`: beside its prepared copy, and in the toolchain.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib");
    let rustc = std::env::var_os("RUSTC").expect("cargo sets RUSTC");
    let out = Command::new(rustc)
        .args(["--print", "sysroot"])
        .output()
        .expect("rustc runs");
    let sysroot = String::from_utf8(out.stdout).expect("the sysroot's path is UTF-8");
    println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{}/lib", sysroot.trim());
}
