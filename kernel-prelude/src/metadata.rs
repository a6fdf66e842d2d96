//! What rust-analyzer learns about the crates: cargo's metadata, cut down to those whose types a cell can hold.
//!
//! Nearly all of a kernel's start is rust-analyzer reading sources, so each crate left out is time saved.

use crate::recipe::{Recipe, output};
use crate::{Result, environment, shim, sysroot};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Stands for the session's folder in the recorded metadata.
const CELL: &str = "@CELL@";

/// Families of crates that go together: kept whole, but for `LEFT_OUT`.
const FAMILIES: [&str; 3] = ["polars", "linfa", "plotters"];
/// Crates whose types stay inside the library.
const LEFT_OUT: [&str; 31] = [
    "addr2line",
    "backtrace",
    "base64",
    "flate2",
    "glob",
    "libc",
    "libm",
    "linfa-kernel",
    "linfa-nn",
    "memmap2",
    "miniz_oxide",
    "png",
    "polars-arrow-format",
    "polars-async",
    "polars-compute",
    "polars-expr",
    "polars-mem-engine",
    "polars-ooc",
    "polars-parquet",
    "polars-parquet-format",
    "polars-row",
    "polars-sql",
    "polars-stream",
    "polars-time",
    "rustfft",
    "safetensors",
    "serde",
    "sha2",
    "thiserror",
    "tiff",
    "weezl",
];
/// Crates further down whose types or traits show in the interfaces above.
const ALSO: [&str; 9] = [
    "either",
    "num-complex",
    "num-integer",
    "num-traits",
    "rand_core",
    "rayon-core",
    "smallvec",
    "torch-sys",
    "ndarray-rand",
];

/// A `cargo metadata` command line.
pub struct Request<'a> {
    pub args: &'a [String],
    pub manifest: Option<&'a Path>,
    pub no_deps: bool,
}

/// The answer, or `None` where the real cargo has to give it.
pub fn answer(recipe: &Recipe, kernel: &Path, cell: &Path, of_cell: bool, request: &Request) -> Result<Option<String>> {
    let record = |name: &str| fs::read_to_string(kernel.join("record").join(name));
    if request.manifest == Some(sysroot::place(kernel).join("Cargo.toml").as_path()) {
        let name = if request.no_deps { "sysroot-alone.json" } else { "sysroot.json" };
        return Ok(record(name).ok());
    }
    if !of_cell {
        return Ok(None);
    }
    let alone = request.no_deps || std::env::var_os(environment::STALE).is_some();
    let known = record(if alone { "cell-alone.json" } else { "cell.json" })?;
    let known = known.replace(CELL, &cell.display().to_string());
    if !shim::has_dependencies(cell)? {
        return Ok(Some(known));
    }
    // evcxr asks without naming a manifest, to see whether a new dependency resolves: cargo alone knows.
    if request.manifest.is_none() {
        return Ok(None);
    }
    let mut cargo = Command::new(&recipe.cargo);
    environment::restore(&mut cargo);
    let real = output(cargo.args(request.args).env("RUSTC", &recipe.rustc))?;
    let merged = merge(serde_json::from_str(&real)?, serde_json::from_str(&known)?);
    Ok(Some(merged.to_string()))
}

/// Adds the recorded crates to those of the user.
fn merge(mut real: Value, known: Value) -> Value {
    let have: HashSet<String> = list(&real["packages"]).iter().map(id).collect();
    let packages = list(&known["packages"]).iter().filter(|package| !have.contains(&id(package))).cloned();
    let packages: Vec<Value> = packages.collect();
    real["packages"].as_array_mut().into_iter().for_each(|all| all.extend(packages.iter().cloned()));

    let mut nodes: HashMap<String, Value> = HashMap::new();
    for node in list(&real["resolve"]["nodes"]).iter().chain(list(&known["resolve"]["nodes"])) {
        match nodes.get_mut(&id(node)) {
            Some(existing) => unite(existing, node),
            None => {
                nodes.insert(id(node), node.clone());
            }
        }
    }
    real["resolve"]["nodes"] = nodes.into_values().collect();
    real
}

/// Adds to a node of the dependency graph what another account of the same crate has more. The user's names win.
fn unite(node: &mut Value, other: &Value) {
    for key in ["dependencies", "features", "deps"] {
        let more = list(&other[key]).iter().filter(|new| {
            let same = |old: &&Value| {
                if key == "deps" { old["name"] == new["name"] } else { old == new }
            };
            !list(&node[key]).iter().any(|old| same(&old))
        });
        let more: Vec<Value> = more.cloned().collect();
        node[key].as_array_mut().into_iter().for_each(|all| all.extend(more.iter().cloned()));
    }
}

/// Makes the recorded metadata of a cell: `bare` is that of an empty crate in `CELL`, `whole` that of the project.
/// `externs` are the crates that a cell can name.
pub fn trim(mut bare: Value, whole: &Value, externs: &[String]) -> Result<Value> {
    let packages: HashMap<String, &Value> = list(&whole["packages"]).iter().map(|it| (id(it), it)).collect();
    let nodes: HashMap<String, &Value> = list(&whole["resolve"]["nodes"]).iter().map(|it| (id(it), it)).collect();
    let library = packages.values().find(|it| it["name"] == "atomotion").ok_or("cargo's metadata lacks atomotion")?;
    let library = id(library);
    let direct: HashSet<String> = normal_dependencies(nodes[&library]).map(|dep| text(&dep["pkg"])).collect();

    let mut kept = vec![library.clone()];
    let mut seen = HashSet::from([library.clone()]);
    let mut next = 0;
    while next < kept.len() {
        for dep in normal_dependencies(nodes[&kept[next]]) {
            let id = text(&dep["pkg"]);
            if is_kept(packages[&id], direct.contains(&id)) && seen.insert(id.clone()) {
                kept.push(id);
            }
        }
        next += 1;
    }
    for id in &kept {
        push(&mut bare["packages"], library_only(packages[id], *id == library));
        push(&mut bare["resolve"]["nodes"], with_dependencies(nodes[id], |dep| seen.contains(&text(&dep["pkg"]))));
    }
    let root = &mut bare["resolve"]["nodes"][0];
    let mut named: Vec<Value> = normal_dependencies(nodes[&library]).cloned().collect();
    named.push(json!({"name": "atomotion", "pkg": library, "dep_kinds": [{"kind": null, "target": null}]}));
    for dep in named {
        if externs.contains(&text(&dep["name"])) && seen.contains(&text(&dep["pkg"])) {
            push(&mut root["dependencies"], dep["pkg"].clone());
            push(&mut root["deps"], dep);
        }
    }
    Ok(bare)
}

/// The metadata in which `folder` stands for any cell.
pub fn any_cell(metadata: &str, folder: &Path) -> Result<Value> {
    Ok(serde_json::from_str(&metadata.replace(&folder.display().to_string(), CELL))?)
}

fn is_kept(package: &Value, direct: bool) -> bool {
    let name = text(&package["name"]);
    let family = FAMILIES.iter().any(|family| name.starts_with(family));
    let wanted = direct || family || ALSO.contains(&name.as_str());
    wanted && !LEFT_OUT.contains(&name.as_str()) && !is_macro(package)
}

fn is_macro(package: &Value) -> bool {
    list(&package["targets"]).iter().any(|target| list(&target["kind"]).contains(&json!("proc-macro")))
}

/// A package without its tests, examples and build script. rust-analyzer reads every source file under the manifest's
/// folder; for the library itself that must not be the whole clone.
fn library_only(package: &Value, is_library: bool) -> Value {
    let mut package = package.clone();
    if let Some(targets) = package["targets"].as_array_mut() {
        targets.retain(|target| {
            let kinds = list(&target["kind"]);
            ["lib", "rlib", "dylib"].iter().any(|kind| kinds.contains(&json!(kind)))
        });
    }
    package["dependencies"] = json!([]);
    if is_library {
        let manifest = text(&package["manifest_path"]).replace("Cargo.toml", "src/Cargo.toml");
        package["manifest_path"] = json!(manifest);
    }
    package
}

fn with_dependencies(node: &Value, keep: impl Fn(&Value) -> bool) -> Value {
    let deps: Vec<Value> = normal_dependencies(node).filter(|dep| keep(dep)).cloned().collect();
    let ids: Vec<&Value> = deps.iter().map(|dep| &dep["pkg"]).collect();
    json!({"id": node["id"], "dependencies": ids, "deps": deps, "features": node["features"]})
}

/// Neither for tests nor for build scripts.
pub fn normal_dependencies(node: &Value) -> impl Iterator<Item = &Value> {
    list(&node["deps"]).iter().filter(|dep| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()))
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn id(value: &Value) -> String {
    text(&value["id"])
}

fn push(to: &mut Value, value: Value) {
    to.as_array_mut().into_iter().for_each(|all| all.push(value.clone()));
}
