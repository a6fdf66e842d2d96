//! `prepare`: asks cargo and rustc once what every cell would ask again, and writes it down in `.atomotion/kernel`.

use crate::metadata::{self, list, text};
use crate::recipe::{FileState, Recipe, output, rustc_version};
use crate::{Result, cell, link_cell, sysroot};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn prepare(project: &Path) -> Result<()> {
    let project = project.canonicalize().map_err(|error| format!("{}: {error}", project.display()))?;
    let tools = Tools::find(&project)?;
    let build = Build::of_library(&project, &tools)?;
    let whole = serde_json::from_str(&tools.metadata(&project, &[])?)?;
    let recipe = recipe(project.clone(), &tools, &build, &whole)?;

    let state = project.join(".atomotion");
    fs::create_dir_all(&state)?;
    let fresh = Temporary(state.join(format!("kernel.{}", std::process::id())));
    write_executables(&fresh.0, &tools)?;
    write_records(&fresh.0.join("record"), &tools, &recipe, &whole)?;
    sysroot::copy(&tools.sysroot.join("lib/rustlib/src/rust/library"), &sysroot::place(&fresh.0))?;
    write_facade(&fresh.0.join("facade"), &recipe)?;
    link_cell::write_stub(&fresh.0)?;
    let text = serde_json::to_vec_pretty(&recipe)?;
    fs::write(fresh.0.join("recipe.json"), text)?;
    replace(&fresh.0, &state.join("kernel"))
}

/// A folder that is removed unless it has been moved to its place.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Puts `fresh` where `old` was. A kernel that is being started meanwhile finds one or the other.
fn replace(fresh: &Path, old: &Path) -> Result<()> {
    let aside = Temporary(fresh.with_extension("old"));
    if old.exists() {
        fs::rename(old, &aside.0)?;
    }
    fs::rename(fresh, old)?;
    Ok(())
}

struct Tools {
    sysroot: PathBuf,
    rustc: PathBuf,
    cargo: PathBuf,
    host: String,
    version: String,
}

impl Tools {
    /// The compiler that the project's folder selects, not the proxy that selects it.
    fn find(project: &Path) -> Result<Tools> {
        let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(project))?;
        let sysroot = PathBuf::from(sysroot.trim());
        let rustc = sysroot.join("bin/rustc");
        let version = rustc_version(&rustc)?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc -vV names no host")?;
        let beside = sysroot.join("bin/cargo");
        let cargo = if beside.is_file() { beside } else { PathBuf::from("cargo") };
        Ok(Tools { host: host.to_owned(), sysroot, rustc, cargo, version })
    }

    /// Where `libstd` and its like lie.
    fn libraries(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(&self.host).join("lib")
    }

    fn cargo(&self, folder: &Path) -> Command {
        let mut cargo = Command::new(&self.cargo);
        cargo.current_dir(folder).env("RUSTC", &self.rustc);
        cargo
    }

    fn metadata(&self, folder: &Path, more: &[&str]) -> Result<String> {
        let mut cargo = self.cargo(folder);
        output(cargo.args(["metadata", "--format-version", "1", "--filter-platform", &self.host]).args(more))
    }
}

/// What cargo says about the built library.
struct Build {
    library: PathBuf,
    /// Per package, the library files that were made of it; the same crate may be built for build scripts as well.
    artifacts: BTreeMap<String, Vec<Value>>,
    /// `-L` values of build scripts.
    native: Vec<String>,
}

impl Build {
    fn of_library(project: &Path, tools: &Tools) -> Result<Build> {
        let messages = output(tools.cargo(project).args(["build", "--package", "atomotion", "--message-format=json"]))?;
        let mut build = Build { library: PathBuf::new(), artifacts: BTreeMap::new(), native: Vec::new() };
        for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            match message["reason"].as_str() {
                Some("compiler-artifact") => build.add_artifact(message),
                Some("build-script-executed") => build.native.extend(list(&message["linked_paths"]).iter().map(text)),
                _ => {}
            }
        }
        build.native.sort();
        build.native.dedup();
        if build.library.as_os_str().is_empty() {
            return Err("cargo built no libatomotion.so: is the library's crate-type still \"dylib\"?".into());
        }
        Ok(build)
    }

    fn add_artifact(&mut self, message: Value) {
        let dylib = list(&message["filenames"]).iter().map(text).find(|file| file.ends_with("/libatomotion.so"));
        if let Some(dylib) = dylib {
            // cargo links it from `deps`, next to everything that it is made of.
            let dylib = PathBuf::from(dylib);
            let in_deps = dylib.with_file_name("deps").join("libatomotion.so");
            self.library = if in_deps.is_file() { in_deps } else { dylib };
        }
        self.artifacts.entry(text(&message["package_id"])).or_default().push(message);
    }

    /// The `.rlib` of a package as the library uses it: build scripts get theirs unoptimised.
    fn rlib(&self, package: &str) -> Option<PathBuf> {
        let artifacts = self.artifacts.get(package)?;
        let rlibs = artifacts.iter().filter_map(|artifact| {
            let file = list(&artifact["filenames"]).iter().map(text).find(|file| file.ends_with(".rlib"))?;
            Some((text(&artifact["profile"]["opt_level"]), file))
        });
        rlibs.max().map(|(_, file)| PathBuf::from(file))
    }
}

fn recipe(project: PathBuf, tools: &Tools, build: &Build, whole: &Value) -> Result<Recipe> {
    let libtorch = build.native.iter().filter_map(|path| path.strip_prefix("native=")).map(PathBuf::from);
    let libtorch = libtorch.map(|folder| folder.join("libtorch_cpu.so")).find(|file| file.is_file());
    let libtorch = libtorch.ok_or("libtorch is not where the build looked for it: run `cargo lab setup`.")?;
    let folder = |file: &Path| file.parent().map(Path::to_path_buf).unwrap_or_default();
    let deps = folder(&build.library);
    let mut search = vec![format!("dependency={}", deps.display())];
    search.extend(build.native.iter().cloned());
    Ok(Recipe {
        externs: externs(build, whole)?,
        run_paths: vec![deps, folder(&libtorch), tools.libraries()],
        library: FileState::of(&build.library)?,
        libtorch: FileState::of(&libtorch)?,
        search,
        project,
        cargo: tools.cargo.clone(),
        rustc: tools.rustc.clone(),
        rustc_version: tools.version.clone(),
        host: tools.host.clone(),
        sysroot: tools.sysroot.clone(),
    })
}

/// The library, and its direct dependencies, so that a cell can also say `use polars::prelude::*`.
fn externs(build: &Build, whole: &Value) -> Result<Vec<(String, PathBuf)>> {
    let package = list(&whole["packages"]).iter().find(|it| it["name"] == "atomotion");
    let id = package.map(|it| &it["id"]).ok_or("cargo's metadata lacks atomotion")?;
    let node = list(&whole["resolve"]["nodes"]).iter().find(|node| node["id"] == *id);
    let node = node.ok_or("cargo's metadata lacks atomotion's dependencies")?;
    let direct = metadata::normal_dependencies(node)
        .filter_map(|dep| Some((text(&dep["name"]), build.rlib(&text(&dep["pkg"]))?)));
    Ok(std::iter::once(("atomotion".to_owned(), build.library.clone())).chain(direct).collect())
}

/// This executable under all its names, and the `libstd` that it runs with.
fn write_executables(kernel: &Path, tools: &Tools) -> Result<()> {
    let (bin, shims, lib) = (kernel.join("bin"), kernel.join("cargo-home/bin"), kernel.join("lib"));
    for folder in [&bin, &shims, &lib] {
        fs::create_dir_all(folder)?;
    }
    fs::copy(std::env::current_exe()?, bin.join("atomotion-kernel"))?;
    for name in ["cell-rustc", link_cell::NAME] {
        symlink("atomotion-kernel", bin.join(name))?;
    }
    for name in ["cargo", "rustup"] {
        symlink("../../bin/atomotion-kernel", shims.join(name))?;
    }
    for entry in fs::read_dir(tools.libraries())?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("libstd-") && name.ends_with(".so") {
            fs::copy(entry.path(), lib.join(name))?;
        }
    }
    Ok(())
}

/// For a stock evcxr: a crate that stands for the library, and the lines that make a session use it.
fn write_facade(folder: &Path, recipe: &Recipe) -> Result<()> {
    fs::create_dir_all(folder.join("src"))?;
    let project = recipe.project.display();
    let manifest = FACADE_MANIFEST.replace("PROJECT", &project.to_string());
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(folder.join("src/lib.rs"), "pub use atomotion_built::*;\n")?;
    // Of the crates that a cell of our own kernel can name, a stock one leaves the names to the user's `:dep`.
    let names: Vec<&str> = recipe.externs.iter().map(|(name, _)| name.as_str()).collect();
    let mut flags = cell::library_arguments(recipe, &names);
    flags.push(format!("--extern=atomotion_built={}", recipe.library.path.display()));
    let flags = flags.join(" ");
    let place = recipe.project.join(".atomotion/kernel/facade");
    let lines = format!(
        ":build_env RUSTFLAGS=-Cprefer-dynamic {flags}\n\
         :dep atomotion = {{ path = \"{}\" }}\n\
         use atomotion::prelude::*;\n",
        place.display()
    );
    Ok(fs::write(folder.join("stock.evcxr"), lines)?)
}

/// The library, already built, under its own name. Its crates are listed for rust-analyzer alone: cargo compiles none
/// of them, since no build sets the condition.
const FACADE_MANIFEST: &str = r#"
[package]
name = "atomotion"
version = "0.0.0"
edition = "2024"

[lib]
path = "src/lib.rs"

[target.'cfg(atomotion_analysis)'.dependencies]
atomotion_built = { package = "atomotion", path = "PROJECT" }

[workspace]
"#;

/// The answers to what rust-analyzer asks when it loads a project.
fn write_records(folder: &Path, tools: &Tools, recipe: &Recipe, whole: &Value) -> Result<()> {
    fs::create_dir_all(folder)?;
    let write = |name: &str, text: &str| fs::write(folder.join(name), text);
    let rustc = |args: &[&str]| output(Command::new(&tools.rustc).args(args).env("RUSTC_BOOTSTRAP", "1"));
    write("cfg.txt", &rustc(&["--print", "cfg", "-O", "--target", &tools.host])?)?;
    write("target.json", &rustc(&["-Zunstable-options", "--print", "target-spec-json", "--target", &tools.host])?)?;
    write("cargo-version.txt", &output(tools.cargo(folder).arg("--version"))?)?;

    let cell = Temporary(folder.join("cell"));
    fs::create_dir_all(cell.0.join("src"))?;
    fs::write(cell.0.join("src/lib.rs"), "")?;
    fs::write(cell.0.join("Cargo.toml"), CELL_MANIFEST)?;
    let names: Vec<String> = recipe.externs.iter().map(|(name, _)| name.clone()).collect();
    let bare = metadata::any_cell(&tools.metadata(&cell.0, &["--offline"])?, &cell.0)?;
    write("cell.json", &metadata::trim(bare.clone(), whole, &names)?.to_string())?;
    write("cell-alone.json", &bare.to_string())?;

    let library = tools.sysroot.join("lib/rustlib/src/rust/library");
    if !library.join("Cargo.toml").is_file() {
        return Err("The sources of Rust's standard library are missing: run `rustup component add rust-src`.".into());
    }
    // As rust-analyzer asks: the library's manifest uses what only nightly cargo reads.
    let nightly = |more: &[&str]| {
        let mut cargo = tools.cargo(&library);
        cargo.env("__CARGO_TEST_CHANNEL_OVERRIDE_DO_NOT_USE_THIS", "nightly").env("RUSTC_BOOTSTRAP", "1");
        output(
            cargo.args(["metadata", "--format-version", "1", "--filter-platform", &tools.host, "--locked"]).args(more),
        )
    };
    let place = sysroot::place(&recipe.project.join(".atomotion/kernel"));
    write("sysroot.json", &sysroot::metadata(&nightly(&[])?, &library, &place)?)?;
    write("sysroot-alone.json", &sysroot::metadata(&nightly(&["--no-deps"])?, &library, &place)?)?;
    Ok(())
}

/// A crate like those that evcxr makes, outside every workspace.
const CELL_MANIFEST: &str = r#"
[package]
name = "ctx"
version = "1.0.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]
path = "src/lib.rs"

[workspace]
"#;
