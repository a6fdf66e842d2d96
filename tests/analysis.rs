//! The executable, as a person uses it: what it writes, that it goes on, and what it says when something is wrong.

use atomotion::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A folder of the test's own, removed when it has passed.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("atomotion-analysis-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&folder).ok();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }
}

fn atomotion(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atomotion"));
    command.args(words);
    command
}

fn error_of(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A short training, and a threshold at which its faint maps show something.
fn analyse(out: &Path) -> Command {
    let out = out.to_str().unwrap();
    atomotion(&["analyse", "ws2-tiny", "--out", out, "--steps", "60", "--probability", "0.02", "--material", "ws2"])
}

fn figures(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder.join("figures")).unwrap();
    entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

/// Run twice, once interrupted in the middle of the training: figures and tables are the same to the byte.
#[test]
fn an_interrupted_analysis_goes_on_and_ends_the_same() {
    let (whole, parts) = (Folder::new("whole"), Folder::new("parts"));
    let output = analyse(&whole.0).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // What a notebook's stop button does: a byte in a shared file, once the training keeps its state.
    let stop = std::env::temp_dir().join(format!("atomotion-stop-{}", std::process::id()));
    std::fs::write(&stop, [0_u8, 0]).unwrap();
    let mut first = analyse(&parts.0);
    let child = first.env("ATOMOTION_INTERRUPT", &stop).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while !parts.0.join("training.safetensors").is_file() && began.elapsed() < Duration::from_secs(300) {
        std::thread::sleep(Duration::from_millis(5));
    }
    // In place: the process has the file mapped.
    let mut file = std::fs::File::options().write(true).open(&stop).unwrap();
    std::io::Write::write_all(&mut file, &[1]).unwrap();
    let error = error_of(&child.wait_with_output().unwrap());
    assert!(error.contains("interrupted") && error.contains("The same command goes on"), "{error}");
    assert!(!parts.0.join("manifest.json").exists());
    std::fs::remove_file(&stop).ok();

    let output = analyse(&parts.0).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!parts.0.join("training.safetensors").exists(), "what was kept for going on is gone");
    let (a, b) = (figures(&whole.0), figures(&parts.0));
    assert!(a.len() >= 2 * 5, "{:?}", a.keys());
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(bytes == &b[name], "{name} differs");
    }
    results_are_whole(&whole.0);

    // Another seed is another analysis.
    let error = error_of(&analyse(&whole.0).args(["--seed", "2"]).output().unwrap());
    assert!(error.contains("seed (1, now 2)") && error.contains("--out"), "{error}");
}

fn results_are_whole(folder: &Path) {
    let manifest: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["inputs"][0]["frames"], 8);
    assert_eq!(manifest["inputs"][0]["sha256_of_pixels"].as_str().unwrap().len(), 64);
    assert_eq!(manifest["options"]["steps"], 60);
    let files = manifest["files"].as_object().unwrap();
    for (name, about) in files {
        let bytes = std::fs::metadata(folder.join(name)).unwrap().len();
        assert_eq!(about["bytes"].as_u64(), Some(bytes), "{name}");
    }
    for needed in [
        "report.html",
        "figures/labels.svg",
        "tables/defects.csv",
        "tables/changes.csv",
        "figures/pathways.svg",
        "detector.safetensors",
    ] {
        assert!(files.contains_key(needed), "{needed}");
    }
    // The table is the search's own, and says the same in both formats.
    let table = read_parquet(folder.join("tables/defects.parquet")).unwrap();
    let lines = std::fs::read_to_string(folder.join("tables/defects.csv")).unwrap().lines().count();
    assert_eq!(lines, table.height() + 1);
    assert_eq!(Defects::load(folder.join("defects")).unwrap().len(), table.height());
    let report = std::fs::read_to_string(folder.join("report.html")).unwrap();
    for name in files.keys().filter(|name| name.starts_with("figures/") && name.ends_with(".svg")) {
        assert!(report.contains(name.as_str()), "{name} is not in the report");
    }
}

#[test]
fn mistakes_are_explained() {
    let folder = Folder::new("mistakes");
    let out = folder.0.to_str().unwrap();
    for (words, said) in [
        (vec!["analyse", "no-such.dm4"], "no-such.dm4"),
        (vec!["analyse", "ws2-tiny", "--steps", "0"], "steps = 0 is not valid"),
        (vec!["analyse", "ws2-tiny", "--nm-per-px", "-1"], "nm_per_px"),
        (vec!["analyse", "ws2-tiny", "--material", "gold"], "ws2, mos2, graphene"),
        (vec!["analyze", "ws2-tiny", "--treshold", "3"], "no option --treshold"),
    ] {
        let words = [words.as_slice(), &["--out", out]].concat();
        let error = error_of(&atomotion(&words).output().unwrap());
        assert!(error.starts_with("error: ") && error.contains(said), "{words:?}: {error}");
    }
    let help = atomotion(&["--help"]).output().unwrap();
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--s-per-frame"));
}

/// Every call in the tables of docs/coming-from.md stands in the code below its table, which rustdoc compiles.
#[test]
fn calls_that_the_page_names_are_compiled() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/coming-from.md")).unwrap();
    let mut calls = 0;
    for section in page.split("\n## ").skip(1) {
        let (text, code) = section.split_once("```rust,no_run").expect("each section has its code");
        let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")).skip(1);
        for row in rows {
            let ours = row.split(" | ").nth(1).unwrap();
            for span in ours.split('`').skip(1).step_by(2) {
                // `a::b(c).d(e)`: the names that are called, and the types that they are called on.
                let names = span.split(|c: char| !(c.is_alphanumeric() || c == '_'));
                let called = |name: &&str| span.contains(&format!("{name}(")) || span.contains(&format!("{name}::"));
                for name in names.filter(|name| !name.is_empty()).filter(called) {
                    assert!(code.contains(name), "{name} of `{span}` is in no code of this section");
                    calls += 1;
                }
            }
        }
    }
    assert!(calls > 80, "{calls}");
}
