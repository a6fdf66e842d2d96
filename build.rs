//! Linking: where libtorch and Rust's own libstd are found at run time, and which of libtch's symbols cells can reach.

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
    // Rust hides C symbols that it does not know by name, and torch-sys links libtch without names. Notebook cells that
    // use tch's generic functions need them, from one copy: tch keeps its last error in it.
    println!("cargo:rerun-if-changed=torch.map");
    println!("cargo:rustc-link-arg=-Wl,--version-script={}/torch.map", env!("CARGO_MANIFEST_DIR"));
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    if let Ok(found) = Command::new(rustc).args(["--print", "target-libdir"]).output() {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", String::from_utf8_lossy(&found.stdout).trim());
    }
}
