//! What `peers/bench_classify.py` measures beside scikit-learn and SciPy: sorts the patches in a folder, and writes what came
//! out and how long it took.
//!
//!     bench_classify make FOLDER ROWS FIRST [COUNTS]   draws movies (seeds FIRST and on) and cuts their patches:
//!                                                    patches.f32, side.txt, species.txt
//!     bench_classify run FOLDER STEP             one step, on what is there: STEP.json and its arrays, little-endian
//!
//! COUNTS are those at a W column's peak (those of *clean* without). Steps: kmeans, from_rows (with rows.txt), pca, diagonal,
//! full, ward, sorted (every method's classes), all (every method that takes many patches, timed).

use atomotion::prelude::*;
use ndarray::Axis;
use polars::prelude::NamedFrom;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match words[..] {
        ["make", folder, rows, first] => make(Path::new(folder), rows.parse()?, first.parse()?, Imaging::clean()),
        ["make", folder, rows, first, counts] => {
            make(Path::new(folder), rows.parse()?, first.parse()?, Imaging::clean().with_counts_at_w(counts.parse()?))
        }
        ["run", folder, step] => run(Path::new(folder), step),
        _ => Err("bench_classify make FOLDER ROWS FIRST [COUNTS] | run FOLDER STEP".into()),
    }
}

/// Patches at the true places of simulated movies, until there are enough.
fn make(folder: &Path, rows: usize, first: u64, imaging: Imaging) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(folder)?;
    let mut file = BufWriter::new(std::fs::File::create(folder.join("patches.f32"))?);
    let mut species = vec![];
    let of = Experiment::ws2();
    let interval = of.imaging.s_per_frame;
    let experiment = of.with_imaging(imaging.with_s_per_frame(interval)).with_frames(10);
    for seed in first.. {
        let recording = experiment.simulate(seed)?;
        let movie = recording.movie.normalise(&Normalise::default())?;
        let cut = Defects::at_truth(&movie, &recording.truth, &Cut::default())?;
        let cut = cut.query(|rows| rows.filter(col("patch_outside").eq(lit(0.0_f32))))?;
        let names = cut.table().column("species")?.str()?.clone();
        for (patch, name) in cut.patches().axis_iter(Axis(0)).zip(names.iter()).take(rows - species.len()) {
            patch.iter().try_for_each(|v| file.write_all(&v.to_le_bytes()))?;
            species.push(name.unwrap_or("?").to_owned());
        }
        if species.len() == rows {
            break;
        }
    }
    file.flush()?;
    std::fs::write(folder.join("side.txt"), "32")?;
    Ok(std::fs::write(folder.join("species.txt"), species.join("\n"))?)
}

fn load(folder: &Path) -> Result<Defects, Box<dyn std::error::Error>> {
    let side: usize = std::fs::read_to_string(folder.join("side.txt"))?.trim().parse()?;
    let bytes = std::fs::read(folder.join("patches.f32"))?;
    let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let n = values.len() / side / side;
    let patches = Array3::from_shape_vec((n, side, side), values)?;
    let zeros = || vec![0.0_f32; n];
    let table = df![
        "defect" => (0..n as u64).collect::<Vec<_>>(), "frame" => vec![0_u32; n], "time_s" => vec![0.0_f64; n],
        "y_px" => zeros(), "x_px" => zeros(), "y_nm" => zeros(), "x_nm" => zeros(),
        "area_px" => vec![1_u32; n], "probability" => zeros(),
    ]?;
    Ok(Defects::new(table, patches, 0.0315)?)
}

fn run(folder: &Path, step: &str) -> Result<(), Box<dyn std::error::Error>> {
    let defects = load(folder)?;
    let write = |name: &str, values: Vec<f64>| {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(folder.join(name), bytes)
    };
    let labels =
        |classes: &Classes| -> Result<Vec<f64>, Error> { Ok(classes.labels()?.into_iter().map(f64::from).collect()) };
    let mut timed = vec![];
    // The first run takes memory from the system and wakes threads: the shorter of two counts, as for the peers.
    for _ in 0..if step == "all" { 1 } else { 2 } {
        let start = Instant::now();
        match step {
            "kmeans" => write("kmeans.f64", labels(&KMeans::new(6).fit(&defects)?)?)?,
            "from_rows" => {
                let rows = std::fs::read_to_string(folder.join("rows.txt"))?;
                let rows = rows.split_whitespace().map(str::parse).collect::<Result<Vec<usize>, _>>()?;
                write("from_rows.f64", labels(&KMeans::new(6).with_from_rows(rows).fit(&defects)?)?)?;
            }
            "pca" => {
                let found = Pca::new(16).fit(&defects)?;
                timed.push(start.elapsed().as_secs_f64());
                let all = defects.patches().mapv(f64::from).var_axis(Axis(0), 1.0).sum();
                write("pca.f64", found.explained.iter().map(|e| e * all).collect())?;
                continue;
            }
            "diagonal" | "full" => {
                let mixture = GaussianMixture::new(6).with_regularisation(0.0).with_tolerance(1e-3);
                let mixture = match step {
                    "full" => mixture.with_components(16),
                    _ => mixture
                        .with_covariance(Covariance::Diagonal)
                        .with_features(Some(Features::Pixels))
                        .with_starts(1),
                };
                let classes = mixture.fit(&defects)?;
                timed.push(start.elapsed().as_secs_f64());
                write(&format!("{step}.f64"), labels(&classes)?)?;
                write(&format!("{step}.likelihood.f64"), vec![mixture.log_likelihood(&defects)?])?;
                continue;
            }
            "ward" => {
                let tree = defects.dendrogram(Linkage::Ward)?;
                timed.push(start.elapsed().as_secs_f64());
                let rows = tree.merges.iter().flat_map(|m| [m.first as f64, m.second as f64, m.height, m.size as f64]);
                write("ward.f64", rows.collect())?;
                continue;
            }
            "sorted" => return sorted(folder, &defects),
            "all" => return all(folder, &defects),
            _ => return Err(format!("no step is called {step}").into()),
        }
        timed.push(start.elapsed().as_secs_f64());
    }
    let best = timed.iter().copied().fold(f64::MAX, f64::min);
    Ok(std::fs::write(folder.join(format!("{step}.json")), format!("{{\"seconds\": {best}}}"))?)
}

/// The classes of every method, to be held against the species.
fn sorted(folder: &Path, defects: &Defects) -> Result<(), Box<dyn std::error::Error>> {
    let write = |name: &str, classes: &Classes| -> Result<(), Box<dyn std::error::Error>> {
        let bytes: Vec<u8> = classes.labels()?.iter().flat_map(|&l| f64::from(l).to_le_bytes()).collect();
        Ok(std::fs::write(folder.join(format!("{name}.f64")), bytes)?)
    };
    write("sorted.k-means", &KMeans::new(6).fit(defects)?)?;
    write("sorted.mixture, full, 16 components", &GaussianMixture::new(6).with_components(16).fit(defects)?)?;
    let diagonal = GaussianMixture::new(6).with_covariance(Covariance::Diagonal);
    write("sorted.mixture, diagonal, pixels", &diagonal.with_features(Some(Features::Pixels)).fit(defects)?)?;
    write("sorted.Ward, pixels", &defects.dendrogram(Linkage::Ward)?.cut(6)?)?;
    write("sorted.mixture, full, 6 components", &GaussianMixture::new(6).with_components(6).fit(defects)?)?;
    let within = Some(Features::Within { px: 6.0, scores: 6 });
    let tied = |classes: usize| GaussianMixture::new(classes).with_covariance(Covariance::Tied);
    write("sorted.mixture, full, within 0.19 nm", &GaussianMixture::new(6).with_features(within).fit(defects)?)?;
    write("sorted.mixture, tied, within 0.19 nm", &tied(6).with_features(within).fit(defects)?)?;
    let motifs = motifs(folder)?;
    let many = tied(24).with_features(within).fit(defects)?.name_classes(&motifs, 1)?;
    write("sorted.the same, 24 classes named by motifs and merged", &many.merged_by_name()?)?;
    write("sorted.the same, from motifs", &tied(6).with_features(within).fit_from(defects, &motifs)?)
}

/// What the species look like at this dose, from movies of other seeds.
fn motifs(folder: &Path) -> Result<Motifs, Box<dyn std::error::Error>> {
    let defects = load(&folder.join("motifs"))?;
    let names = std::fs::read_to_string(folder.join("motifs/species.txt"))?;
    let names: Vec<&str> = names.lines().collect();
    Ok(Motifs::of(&defects.with_column(polars::prelude::Series::new("species".into(), names))?, "species")?)
}

/// Every method, with the time it took and the most memory the process has had so far.
fn all(folder: &Path, defects: &Defects) -> Result<(), Box<dyn std::error::Error>> {
    let mut lines = vec![];
    let mut tell = |name: &str, start: Instant| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0").trim().replace(" kB", "");
        let gb = peak.parse::<f64>().unwrap_or(0.0) / 1e6;
        lines
            .push(format!("{{\"name\": \"{name}\", \"seconds\": {}, \"gb\": {gb:.2}}}", start.elapsed().as_secs_f64()));
    };
    let start = Instant::now();
    KMeans::new(6).fit(defects)?;
    tell("k-means, 6 classes, 10 starts", start);
    let start = Instant::now();
    Pca::new(16).fit(defects)?;
    tell("PCA to 16", start);
    let start = Instant::now();
    GaussianMixture::new(6).with_components(16).fit(defects)?;
    tell("mixture, full, PCA to 16, 10 starts", start);
    let start = Instant::now();
    let pixels = GaussianMixture::new(6).with_covariance(Covariance::Diagonal).with_features(Some(Features::Pixels));
    pixels.with_starts(1).fit(defects)?;
    tell("mixture, diagonal, pixels", start);
    let start = Instant::now();
    Density::default().fit(defects)?;
    tell("density, 6 components", start);
    let start = Instant::now();
    let tree = defects.dendrogram(Linkage::Ward)?;
    tell(if tree.approximate { "Ward, approximate" } else { "Ward" }, start);
    // The approximate tree beside the exact one of every tenth patch, both cut at six classes.
    let keep: Vec<bool> = (0..defects.len()).map(|i| i % 10 == 0).collect();
    let part = defects.filter(&keep)?;
    let cut = tree.cut(6)?.labels()?;
    let labels: Vec<u32> = cut.into_iter().step_by(10).collect();
    let likeness = part.dendrogram(Linkage::Ward)?.cut(6)?.likeness(&labels)?;
    std::fs::write(folder.join("tree.json"), format!("{{\"patches\": {}, \"likeness\": {likeness}}}", part.len()))?;
    Ok(std::fs::write(folder.join("all.json"), format!("[{}]", lines.join(", ")))?)
}
