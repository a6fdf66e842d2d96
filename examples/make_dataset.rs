//! Makes a dataset from its seed: `cargo run --example make_dataset -- NAME FOLDER`, which `cargo lab dataset NAME` does.
//!
//! `--manifest FOLDER` makes all of them there, and the manifest of the repository with them.

use atomotion::movie::datasets;
use atomotion::simulate::{Dataset, dataset_names, make_dataset};
use std::collections::BTreeMap;
use std::path::Path;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--manifest", folder] => manifest(Path::new(folder)),
        [name, folder] => one(name, Path::new(folder)),
        _ => Err(format!("name a dataset and a folder: the datasets are {}", dataset_names().join(", ")).into()),
    };
    if let Err(problem) = done {
        eprintln!("error: {problem}");
        std::process::exit(1);
    }
}

type Done = Result<(), Box<dyn std::error::Error>>;

fn one(name: &str, folder: &Path) -> Done {
    let made = make_dataset(name, folder)?;
    let known = datasets()?.remove(name);
    for (file, is) in &made.files {
        let same = known.as_ref().and_then(|known| known.files.get(file)) == Some(is);
        let verdict = if same { "as in the manifest" } else { "NOT as in the manifest" };
        println!("{}  {}  {} bytes, {verdict}", is.sha256, folder.join(file).display(), is.bytes);
    }
    match known.as_ref() == Some(&made) {
        true => Ok(()),
        false => Err(format!("{name} is not what the manifest says: it was made by another version").into()),
    }
}

fn manifest(folder: &Path) -> Done {
    let made = dataset_names().into_iter().map(|name| Ok((name, make_dataset(name, folder)?)));
    let all = made.collect::<atomotion::Result<BTreeMap<&str, Dataset>>>()?;
    let text = serde_json::to_string_pretty(&all)?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/manifest.json");
    std::fs::write(&path, text + "\n")?;
    for (name, dataset) in &all {
        println!("{name}: {} bytes", dataset.files.values().map(|file| file.bytes).sum::<u64>());
    }
    println!("copy those that are stored from {} to datasets/", folder.display());
    Ok(())
}
