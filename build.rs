//! Lets the library and every program built with it find libtorch and Rust's own libstd where they are.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-changed=build.rs");
    let libtorch = std::env::var("LIBTORCH").unwrap_or_default();
    if !Path::new(&libtorch).join("lib/libtorch_cpu.so").is_file() {
        println!("cargo:warning=libtorch is not set up: run `cargo lab setup` in the project's folder");
    }
    println!("cargo:rustc-link-arg=-Wl,-rpath,{libtorch}/lib");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    if let Ok(found) = Command::new(rustc).args(["--print", "target-libdir"]).output() {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", String::from_utf8_lossy(&found.stdout).trim());
    }
}
