//! How often a distortion of the unit cell is claimed where there is none, from labels to significance.
//!
//!     false_claims train FOLDER                      one network and its classes, on a movie of its own
//!     false_claims run FOLDER KIND FROM TO           movies of these seeds; a line each is added to FOLDER/claims.txt
//!     false_claims table FOLDER                      what they came to, as Markdown
//!
//! Movies of 256 x 256 pixels and 20 frames, at the clean dose, under a beam that moves nothing. Kinds: `perfect` (no defects;
//! as the species the sites that the network at a threshold of 0.02 takes for defects, and at true positions a third of all
//! sites), `still` (Mo that moves nothing), `other` (the same, beside vacancies that do), and `moved` (Mo that draws its
//! neighbours in by 2 pm), which says how often what is true is seen. Each is judged at true positions, and where the network
//! found Mo (its patches sorted by classes that were fitted and named on the first movie) and where it found nothing. A movie
//! claims a mode if displacements, their components or components of the images are significant.

use atomotion::prelude::*;
use atomotion::simulate::Relaxation;
use polars::prelude::DataFrame;
use std::io::Write;
use std::path::Path;

#[path = "../tests/common/cells.rs"]
mod cells;

type Done<T> = Result<T, Box<dyn std::error::Error>>;

/// Name, what it is in the table, composition, relaxation, threshold of the network.
type Kind = (&'static str, &'static str, Composition, Relaxation, f64);

fn kinds() -> [Kind; 4] {
    let dopants = || Composition::perfect().with_dopant(0.03);
    let still = Relaxation::none();
    let beside = still.with_vacancy_nm(-0.005);
    [
        ("perfect", "lattice without defects", Composition::perfect(), still, 0.02),
        ("still", "Mo without relaxation", dopants(), still, 0.2),
        ("other", "Mo without, V_2S with relaxation", dopants().with_double(0.01), beside, 0.2),
        ("moved", "Mo with 2 pm inwards (true)", dopants(), still.with_dopant_nm(-0.002), 0.2),
    ]
}

fn main() -> Done<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["train", folder] => {
            std::fs::create_dir_all(folder)?;
            let labels = PeriodicityBreak::default().label(&first()?.movie.frame(0)?)?;
            let detector = Detector::train(&labels, &Training::default().with_steps(300))?;
            Ok(detector.save(Path::new(folder).join("network"))?)
        }
        ["run", folder, kind, from, to] => run(Path::new(folder), kind, from.parse()?..to.parse()?),
        ["table", folder] => table(Path::new(folder)),
        _ => Err("false_claims train FOLDER | run FOLDER KIND FROM TO | table FOLDER".into()),
    }
}

/// The movie that the network is trained on.
fn first() -> Done<Recording> {
    let mixed = Composition::perfect().with_dopant(0.03).with_double(0.015);
    Ok(cells::record(mixed, Relaxation::none(), 256, 20, 1_000)?)
}

fn run(folder: &Path, name: &str, seeds: std::ops::Range<u64>) -> Done<()> {
    let kind = kinds().into_iter().find(|k| k.0 == name).ok_or_else(|| format!("no kind is called {name}"))?;
    let detector = Detector::load(folder.join("network"))?;
    let first = first()?;
    let known = Defects::at_truth(&first.movie.normalise(&Normalise::default())?, &first.truth, &Cut::default())?;
    let found = detector.find(&first.movie)?;
    let classes = GaussianMixture::new(3).fit(&found)?.name_classes(&Motifs::of(&known, "species")?, 1)?;
    for seed in seeds {
        let recording = cells::record(kind.2, kind.3, 256, 20, seed)?;
        let at_truth = cells::cut(&recording, name != "perfect")?;
        let detected = detected(&recording, &detector, &classes, &kind)?;
        let mut line = format!("{name} {seed}");
        for (ours, perfect) in [at_truth, detected] {
            line += &judged(&ours, &perfect, seed)?;
        }
        println!("{line}");
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(folder.join("claims.txt"))?;
        writeln!(file, "{line}")?;
    }
    Ok(())
}

/// Cells where the network found the species, and W sites where it found nothing near.
fn detected(recording: &Recording, detector: &Detector, classes: &Classes, kind: &Kind) -> Done<(Defects, Defects)> {
    let surrogates = Surrogates::default().with_frames(0);
    let decoding = Decoding::default().with_threshold(kind.4).with_surrogates(surrogates);
    let found = detector.find_with(&recording.movie, &decoding, &mut ())?;
    let none = kind.0 == "perfect";
    let nm = recording.experiment.imaging.nm_per_px as f32;
    let far = |a: (f32, f32), b: (f32, f32)| (a.0 - b.0).hypot(a.1 - b.1) * nm;
    let species: Vec<bool> = if found.is_empty() {
        vec![]
    } else {
        let sorted = classes.apply(&found)?;
        sorted.defects.table().column("species")?.str()?.iter().map(|s| s == Some("Mo_W")).collect()
    };
    let mut ours: Vec<(u32, f32, f32)> = vec![];
    let mut perfect: Vec<(u32, f32, f32)> = vec![];
    let frames = found.table().column("frame")?.u32()?.clone();
    for frame in 0..recording.movie.len() as u32 {
        let places = found.positions(frame)?;
        let named = (0..found.len()).filter(|&i| frames.get(i) == Some(frame)).map(|i| species[i]);
        let sites = recording.lattice(frame as usize)?;
        let sublattice = sites.column("sublattice")?.u8()?.clone();
        let (y, x) = (sites.column("ideal_y_px")?.f32()?.clone(), sites.column("ideal_x_px")?.f32()?.clone());
        let metal = (0..sites.height()).filter(|&i| sublattice.get(i) == Some(0));
        let numbers = sites.column("site")?.u32()?.clone();
        let (metal, some): (Vec<(f32, f32)>, Vec<bool>) =
            metal.filter_map(|i| Some(((y.get(i)?, x.get(i)?), numbers.get(i)? % 4 == 0))).unzip();
        for (i, (&at, named)) in places.iter().zip(named).enumerate() {
            let alone = (0..places.len()).all(|j| i == j || far(at, places[j]) > 0.75);
            let on_metal = metal.iter().any(|&m| far(at, m) < 0.08);
            // In a crystal without defects what is found is noise: that which lies on W is taken for Mo.
            if if none { on_metal } else { named && alone } {
                ours.push((frame, at.0, at.1));
            }
        }
        let clear = if none { 0.3 } else { 0.75 };
        // One in four: as many as are needed.
        let clean = metal.iter().zip(&some).filter(|&(&m, some)| *some && places.iter().all(|&p| far(m, p) > clear));
        perfect.extend(clean.map(|(m, _)| (frame, m.0, m.1)));
    }
    let cut = |rows: &[(u32, f32, f32)]| -> Done<Defects> {
        let table: DataFrame = df![
            "frame" => rows.iter().map(|r| r.0).collect::<Vec<_>>(),
            "y_px" => rows.iter().map(|r| r.1).collect::<Vec<_>>(),
            "x_px" => rows.iter().map(|r| r.2).collect::<Vec<_>>(),
        ]?;
        let turned = Cut::default().with_side_px(28).with_turn_deg(recording.experiment.matter.crystal.rotation_deg);
        let all = Defects::at_truth(&recording.movie, &table, &turned.with_on_column(true))?;
        Ok(all.query(|rows| rows.filter(col("patch_outside").eq(lit(0.0_f32))))?)
    };
    Ok((cut(&ours)?, cut(&perfect)?))
}

/// Cells, sites, whether each of the three claims is made, and the breathing with its interval in picometres; dashes where
/// there are too few to say anything.
fn judged(ours: &Defects, perfect: &Defects, seed: u64) -> Done<String> {
    let options = UnitCells::default().with_seed(seed).with_components(3);
    let distortion = match options.compare(ours, perfect) {
        Ok(distortion) => distortion,
        Err(_) => return Ok(format!(" {} - - - - - - -", ours.len())),
    };
    let images = options.image_modes(ours, Some(perfect))?;
    let (amplitude, [low, high]) = distortion.breathing_nm;
    Ok(format!(
        " {} {} {} {} {} {:.2} {:.2} {:.2}",
        ours.len(),
        distortion.sites,
        u8::from(distortion.claimed),
        distortion.modes.significant,
        images.significant,
        1e3 * amplitude,
        1e3 * low,
        1e3 * high
    ))
}

/// Counts the claims of each kind.
fn table(folder: &Path) -> Done<()> {
    let text = std::fs::read_to_string(folder.join("claims.txt"))?;
    let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
    println!(
        "| movies of | patches | movies | enough cells | displacements | their components | images | any | share, upper \
         95 % bound | breathing (pm), mean | interval holds the truth |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    for (name, what, _, relaxation, _) in kinds() {
        for (at, patches) in [(2, "at true positions"), (10, "detected")] {
            let rows: Vec<&[&str]> = lines.iter().filter(|l| l[0] == name).map(|l| &l[at..at + 8]).collect();
            let enough: Vec<&&[&str]> = rows.iter().filter(|r| r[1] != "-").collect();
            let claims = |k: usize| enough.iter().filter(|r| r[k] != "0").count();
            let any = enough.iter().filter(|r| (2..5).any(|k| r[k] != "0")).count();
            let number = |r: &&&[&str], k: usize| r[k].parse::<f64>().unwrap_or(f64::NAN);
            let mean = enough.iter().map(|r| number(r, 5)).sum::<f64>() / enough.len().max(1) as f64;
            let truth = 1e3 * relaxation.dopant_nm;
            let holds = enough.iter().filter(|r| number(r, 6) <= truth && truth <= number(r, 7)).count();
            println!(
                "| {what} | {patches} | {} | {} | {} | {} | {} | {any} | {:.0} %, {:.1} % | {mean:.2} | {holds} |",
                rows.len(),
                enough.len(),
                claims(2),
                claims(3),
                claims(4),
                100.0 * any as f64 / rows.len().max(1) as f64,
                100.0 * upper(any as u64, rows.len() as u64)
            );
        }
    }
    Ok(())
}

/// One-sided 95 % bound of a share (Clopper and Pearson, Biometrika 26, 404, 1934).
fn upper(seen: u64, of: u64) -> f64 {
    let below = |p: f64| -> f64 {
        let mut term = (1.0 - p).powi(of as i32);
        let mut sum = term;
        for i in 0..seen {
            term *= (of - i) as f64 / (i + 1) as f64 * p / (1.0 - p);
            sum += term;
        }
        sum
    };
    let (mut low, mut high) = (0.0, 1.0 - 1e-12);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if below(middle) > 0.05 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}
