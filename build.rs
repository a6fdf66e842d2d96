//! Linking: where libtorch and Rust's own libstd are found at run time, and which of libtch's symbols cells can reach;
//! and the versions that `session_info` tells.

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
    // The library lies beside the program `atomotion`, wherever cargo puts both.
    println!("cargo:rustc-link-arg-bins=-Wl,-rpath,$ORIGIN");
    println!("cargo:rustc-env=ATOMOTION_LIBTORCH={}", version_of(Path::new(&libtorch)));
    // Rust hides C symbols that it does not know by name, and torch-sys links libtch without names. Notebook cells that
    // use tch's generic functions need them, from one copy: tch keeps its last error in it.
    println!("cargo:rerun-if-changed=torch.map");
    // Asked as this runs: the program may have been compiled for another clone with the same target folder.
    let clone = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo:rustc-link-arg=-Wl,--version-script={clone}/torch.map");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    println!("cargo:rustc-env=ATOMOTION_RUSTC={}", version_of_rust(&rustc));
    if let Ok(found) = Command::new(rustc).args(["--print", "target-libdir"]).output() {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", String::from_utf8_lossy(&found.stdout).trim());
    }
}

/// "2.11.0", from libtorch's own header.
fn version_of(libtorch: &Path) -> String {
    let header = std::fs::read_to_string(libtorch.join("include/torch/headeronly/version.h")).unwrap_or_default();
    let (_, rest) = header.split_once("#define TORCH_VERSION \\").unwrap_or_default();
    rest.split('"').nth(1).unwrap_or("of an unknown version").to_owned()
}

/// "1.95.0 (59807616e 2026-04-14)"
fn version_of_rust(rustc: &str) -> String {
    let out = Command::new(rustc).arg("-V").output().map(|out| out.stdout).unwrap_or_default();
    String::from_utf8_lossy(&out).trim().trim_start_matches("rustc ").to_owned()
}
