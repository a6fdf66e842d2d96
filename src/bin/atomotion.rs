//! `atomotion analyse PATH`: from a movie to a folder of figures and tables, without a notebook.

use atomotion::analysis::{Analysis, Material};
use atomotion::movie::{Calibration, Movie};
use atomotion::progress::stop_on_ctrl_c;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = concat!(
    "\
Usage: atomotion analyse PATH [options]

Finds the defects of a STEM movie, sorts them, follows them, and writes a folder of figures (SVG, PNG, PDF), tables
(Parquet, CSV), a report to open in a browser (report.html), and a manifest of inputs, versions, seeds and checksums.

PATH is a movie: a file (npy, npz, tiff, dm3, dm4, mrc, ser, emd, hspy, h5, png), a folder of images, a pattern such as
'frames/*.tif', or the name of one of the project's own movies: ws2-tiny, ws2-beam, ws2-beam-recorded.

",
    include_str!("analyse-options.txt"),
    "  --help              this text
  --version           the version

Ctrl-C stops it; the same command goes on where it was. Run twice, the figures are the same to the byte.
`cargo lab analyse PATH` sets up what is missing and starts it.
"
);

/// What was asked for.
#[derive(Debug, PartialEq)]
enum Asked {
    Help,
    Version,
    Analyse(Box<Job>),
}

#[derive(Debug, Default, PartialEq)]
struct Job {
    path: PathBuf,
    out: Option<PathBuf>,
    dataset: Option<String>,
    nm_per_px: Option<f64>,
    s_per_frame: Option<f64>,
    analysis: Analysis,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match parse(&words) {
        Ok(Asked::Help) => {
            print!("{HELP}");
            Ok(())
        }
        Ok(Asked::Version) => {
            println!("atomotion {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Ok(Asked::Analyse(job)) => run(&job).map_err(|e| e.to_string()),
        Err(message) => Err(message),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(job: &Job) -> atomotion::Result<()> {
    stop_on_ctrl_c();
    let movie = open(job)?;
    let out = job.out.clone().unwrap_or_else(|| Path::new("results").join(stem(&job.path)));
    println!("{movie:?}");
    match (movie.calibration().known, job.analysis.material) {
        (true, _) => (),
        (false, None) => {
            println!(
                "The movie has no scale: lengths are in pixels. --nm-per-px and --s-per-frame give one, or --material."
            );
        }
        (false, Some(_)) => println!(
            "The movie has no scale: it is taken from the lattice, and frames to be {} s apart (--s-per-frame says otherwise).",
            movie.calibration().s_per_frame
        ),
    }
    let results = job.analysis.run_with(&movie, &out, &mut |line| println!("{line}"))?;
    println!("\nReport: {}", results.folder().join("report.html").display());
    Ok(())
}

/// The movie at a path, or the project's own of that name, with the scale that was given.
fn open(job: &Job) -> atomotion::Result<Movie> {
    let name = job.path.to_string_lossy();
    let own = !job.path.exists() && atomotion::movie::datasets()?.contains_key(&*name);
    let movie = match &job.dataset {
        Some(dataset) => Movie::open_dataset(&job.path, dataset)?,
        None if own => Movie::dataset(&name)?,
        None => Movie::open(&job.path)?,
    };
    let of_file = movie.calibration();
    match (job.nm_per_px, job.s_per_frame) {
        (None, None) => Ok(movie),
        (Some(nm), s) => Ok(movie.with_calibration(Calibration::new(nm, s.unwrap_or(of_file.s_per_frame))?)),
        (None, Some(s)) => {
            let scale = Calibration::new(of_file.nm_per_px, s)?;
            Ok(movie.with_calibration(Calibration { known: of_file.known, ..scale }))
        }
    }
}

/// The name of a folder of results: the file's without its ending, of a pattern the folder that it looks into.
fn stem(path: &Path) -> String {
    let named = |part: &Path| part.file_stem().map(|name| name.to_string_lossy().into_owned());
    let is_pattern = |name: &String| !path.exists() && name.contains(['*', '?', '[']);
    let of_folder = || path.parent().and_then(named).filter(|name| !is_pattern(name));
    let name = named(path).filter(|name| !is_pattern(name)).or_else(of_folder).unwrap_or_else(|| "movie".into());
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    name.chars().map(plain).collect()
}

fn parse(words: &[String]) -> Result<Asked, String> {
    let has = |names: &[&str]| words.iter().any(|word| names.contains(&word.as_str()));
    if words.is_empty() || has(&["--help", "-h", "help"]) {
        return Ok(Asked::Help);
    }
    if has(&["--version", "-V"]) {
        return Ok(Asked::Version);
    }
    let [command, rest @ ..] = words else { return Ok(Asked::Help) };
    if command != "analyse" && command != "analyze" {
        return Err(format!("there is no command `{command}`: it is `atomotion analyse PATH`. --help tells more."));
    }
    let mut job = Job::default();
    let mut paths = vec![];
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        if !word.starts_with("--") {
            paths.push(PathBuf::from(word));
            continue;
        }
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let mut value = || {
            let value = attached.clone().or_else(|| rest.next().cloned());
            value.filter(|v| !v.is_empty()).ok_or(format!("{name} needs a value after it."))
        };
        option(&mut job, name, &mut value)?;
    }
    match paths.as_slice() {
        [path] => job.path = path.clone(),
        [] => return Err("`analyse` needs a movie: atomotion analyse PATH. --help tells more.".into()),
        [_, second, ..] => {
            return Err(format!(
                "one movie at a time: do not know what to do with {}. A pattern of files needs quotes.",
                second.display()
            ));
        }
    }
    Ok(Asked::Analyse(Box::new(job)))
}

fn option(job: &mut Job, name: &str, value: &mut dyn FnMut() -> Result<String, String>) -> Result<(), String> {
    match name {
        "--out" => job.out = Some(value()?.into()),
        "--dataset" => job.dataset = Some(value()?),
        "--nm-per-px" => job.nm_per_px = Some(number(name, &value()?, "a number of nanometres")?),
        "--s-per-frame" => job.s_per_frame = Some(number(name, &value()?, "a number of seconds")?),
        "--threshold" => job.analysis.threshold = number(name, &value()?, "a number; 4.5 is usual")?,
        "--probability" => job.analysis.probability = number(name, &value()?, "a number between 0 and 1")?,
        "--steps" => job.analysis.steps = number(name, &value()?, "a whole number; 800 is usual")?,
        "--classes" => job.analysis.classes = number(name, &value()?, "a whole number; 6 is usual")?,
        "--seed" => job.analysis.seed = number(name, &value()?, "a whole number")?,
        "--material" => {
            let name = value()?;
            let known = Material::ALL.iter().find(|(n, _)| *n == name);
            let names = Material::ALL.map(|(n, _)| n).join(", ");
            job.analysis.material = Some(known.ok_or(format!("--material {name}: expected one of {names}."))?.1);
        }
        other => return Err(format!("there is no option {other}. `atomotion --help` lists them.")),
    }
    Ok(())
}

fn number<T: std::str::FromStr>(name: &str, text: &str, expected: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name} {text}: expected {expected}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Asked, String> {
        parse(&line.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn words_become_a_job() {
        let Ok(Asked::Analyse(job)) = asked("analyse a.dm4 --out here --seed=7 --material ws2 --nm-per-px 0.03") else {
            panic!("not a job");
        };
        assert_eq!((job.path, job.out), ("a.dm4".into(), Some("here".into())));
        assert_eq!((job.analysis.seed, job.analysis.material), (7, Some(Material::Ws2)));
        assert_eq!((job.nm_per_px, job.s_per_frame), (Some(0.03), None));
        assert_eq!(asked(""), Ok(Asked::Help));
        assert_eq!(asked("analyse x --help"), Ok(Asked::Help));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, said) in [
            ("analyse", "needs a movie"),
            ("analyse a b", "one movie at a time"),
            ("analyse a --sed 1", "no option --sed"),
            ("analyse a --seed one", "--seed one: expected a whole number"),
            ("analyse a --seed", "--seed needs a value"),
            ("analyse a --material gold", "ws2, mos2, graphene"),
            ("train a", "no command `train`"),
        ] {
            let error = asked(line).unwrap_err();
            assert!(error.contains(said), "{line}: {error}");
        }
    }

    #[test]
    fn results_are_named_after_the_movie() {
        assert_eq!(stem(Path::new("data/my movie.dm4")), "my-movie");
        assert_eq!(stem(Path::new("frames/*.tif")), "frames");
        assert_eq!(stem(Path::new("*.tif")), "movie");
    }
}
