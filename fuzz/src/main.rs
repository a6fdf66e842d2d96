//! Damages valid files in every way and reads them: the readers must answer each with frames or an error.
//!
//! What counts as a finding: a panic (overflows included), more than 512 MiB of memory at once, more than ten seconds
//! for one input. Each is written to `findings/`, from where `cargo run --release -- FORMAT --replay FILE` reads it
//! again. The same seed gives the same inputs.

mod damage;
#[path = "../../src/movie/formats/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod formats;
mod limits;

use damage::Damage;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[global_allocator]
static MEMORY: limits::Limited = limits::Limited;

struct Plan {
    format: String,
    inputs: u64,
    minutes: f64,
    seed: u64,
    replay: Option<PathBuf>,
}

/// Formats, and which of the seeds are theirs.
const FORMATS: [(&str, &[&str]); 12] = [
    ("npy", &[".npy"]),
    ("npz", &[".npz"]),
    ("tiff", &[".tif"]),
    ("png", &[".png"]),
    ("mrc", &[".mrc"]),
    ("ser", &[".ser"]),
    ("dm3", &[".dm3"]),
    ("dm4", &[".dm4"]),
    ("hdf5", &[".h5"]),
    ("velox", &["velox.emd"]),
    ("ncem", &["ncem.emd", "hyperspy_ncem.emd"]),
    ("hyperspy", &[".hspy"]),
];

fn main() {
    match plan().and_then(|plan| run(&plan)) {
        Ok(0) => {}
        Ok(findings) => {
            eprintln!("{findings} findings, in {}", findings_folder().display());
            std::process::exit(1);
        }
        Err(problem) => {
            let names: Vec<_> = FORMATS.iter().map(|(name, _)| *name).collect();
            eprintln!("{problem}\nusage: fuzz FORMAT [--inputs N] [--minutes M] [--seed S] [--replay FILE]");
            eprintln!("formats: {}", names.join(", "));
            std::process::exit(2);
        }
    }
}

fn plan() -> Result<Plan, String> {
    let mut arguments = std::env::args().skip(1);
    let format = arguments.next().ok_or("no format was named")?;
    let mut plan = Plan { format, inputs: 1_000_000, minutes: 0.0, seed: 1, replay: None };
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        let bad = |_| format!("{option} {value} is not a number");
        match option.as_str() {
            "--inputs" => plan.inputs = value.parse().map_err(bad)?,
            "--minutes" => plan.minutes = value.parse().map_err(|_| format!("{option} {value} is not a number"))?,
            "--seed" => plan.seed = value.parse().map_err(bad)?,
            "--replay" => plan.replay = Some(value.into()),
            _ => return Err(format!("{option} is not an option")),
        }
    }
    Ok(plan)
}

fn seeds(format: &str) -> Result<Vec<Vec<u8>>, String> {
    let (_, endings) = FORMATS.iter().find(|(name, _)| *name == format).ok_or("no such format")?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/formats");
    let mut paths = vec![];
    for entry in std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if endings.iter().any(|ending| name.ends_with(ending)) {
            paths.push(path);
        }
    }
    paths.sort(); // a folder's own order is not the same everywhere
    paths.iter().map(|path| std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))).collect()
}

fn run(plan: &Plan) -> Result<u64, String> {
    limits::watch(findings_folder(), &plan.format);
    if let Some(path) = &plan.replay {
        let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        println!("{:?}", read(&bytes));
        return Ok(0);
    }
    let mut damage = Damage::new(plan.seed, seeds(&plan.format)?);
    let untouched = damage.seeds().iter().filter(|seed| read(seed).is_err()).count();
    if untouched > 0 || damage.seeds().is_empty() {
        return Err(format!("{untouched} of {} seeds cannot be read as they are", damage.seeds().len()));
    }
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let (start, mut said) = (Instant::now(), Instant::now());
    let (mut inputs, mut movies, mut findings) = (0_u64, 0_u64, 0_u64);
    while inputs < plan.inputs || start.elapsed().as_secs_f64() < 60.0 * plan.minutes {
        let input = damage.next();
        limits::begin(&input);
        match std::panic::catch_unwind(|| read(&input)) {
            Ok(answer) => movies += u64::from(answer.is_ok()),
            Err(_) => {
                findings += 1;
                limits::keep(&input, "panic");
            }
        }
        limits::end();
        inputs += 1;
        if said.elapsed() > Duration::from_secs(60) {
            println!("{}: {inputs} inputs, {movies} of them movies, {findings} findings", plan.format);
            said = Instant::now();
        }
        if findings >= 20 {
            break;
        }
    }
    std::panic::set_hook(quiet);
    println!(
        "{}: {inputs} inputs in {:.1} min from {} seeds, {movies} of them movies, {findings} findings, {} MiB at most",
        plan.format,
        start.elapsed().as_secs_f64() / 60.0,
        damage.seeds().len(),
        limits::most() >> 20
    );
    Ok(findings)
}

fn findings_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("findings")
}

/// All that a user can do with a file: open it, choose a dataset, look at some frames and at what it says.
fn read(bytes: &[u8]) -> Result<(), String> {
    // What stands beside a series is taken from the same bytes: they are damaged as well.
    let beside = |_: &str| {
        let mut text = b"<ObjectInfo><Label>High tension</Label><Value>80".to_vec();
        text.extend(bytes.iter().take(200));
        text.extend(b"</Value></ObjectInfo>");
        Some(text)
    };
    let open = |choice: Option<&str>| formats::parse(formats::Input::memory(bytes.to_vec()), &beside, choice);
    let movie = match open(None) {
        Err(problem) if problem.contains("Name one: ") => open(problem.split('"').nth(1))?,
        opened => opened?,
    };
    let [frames, height, width] = movie.axes.each_ref().map(|axis| axis.size);
    let _ = movie.metadata.to_string();
    let _ = movie.axes.each_ref().map(|axis| (axis.nm(), axis.seconds()));
    let mut answer = Ok(());
    for index in [0, frames / 2, frames - 1] {
        match movie.frames.read(index) {
            Ok(pixels) => assert_eq!(pixels.len(), height * width, "frame {index}"),
            Err(problem) => answer = Err(problem),
        }
    }
    answer
}
