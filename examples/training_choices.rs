//! What each default choice of a training contributes: `cargo run --example training_choices -- [options]`.
//!
//! Simulated movies of WS2 are made with seeds that training never sees, a detector is trained on the first frame of
//! each, and its later frames are scored in groups: a detection belongs to the nearest true lattice site within half
//! the distance from W to S, and to its sign. Beside it stands the independent-site limit, as a mixture of the
//! species of a group; it counts a species taken for another of its group as wrong, which the scores do not.
//!
//! Options, as NAME=VALUE: `dose` (`clean`, `recorded`, or counts at a W column; several with commas), `size` (pixels),
//! `frames`, `movies`, `seeds` (of the training), `steps`, `only` (names of choices, with commas), `threshold`, and
//! `json`: options of one training more, as a file's header holds them (`json={"augment":{"straight":0.5}}`).

use atomotion::prelude::*;
use atomotion::simulate::Composition;
use std::collections::BTreeMap;
use std::time::Instant;

/// dark on a W site, dark on an S site, bright
const GROUPS: [&str; 3] = ["dark on W", "dark on S", "bright"];
/// Half the distance from W to S.
const REACH_NM: f64 = 0.091;
/// Sites nearer to the border than this are not judged.
const MARGIN_NM: f64 = 0.32;

struct Settings {
    doses: Vec<String>,
    size: usize,
    frames: usize,
    movies: u64,
    seeds: u64,
    steps: usize,
    only: Vec<String>,
    threshold: f64,
    json: Option<String>,
}

fn settings() -> Settings {
    let given: BTreeMap<String, String> =
        std::env::args().skip(1).filter_map(|a| a.split_once('=').map(|(k, v)| (k.into(), v.into()))).collect();
    let number = |name: &str, default: f64| given.get(name).and_then(|v| v.parse().ok()).unwrap_or(default);
    let list = |name: &str, default: &str| {
        let text = given.get(name).map_or(default, String::as_str);
        text.split(',').filter(|t| !t.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    Settings {
        doses: list("dose", "clean,recorded"),
        size: number("size", 256.0) as usize,
        frames: number("frames", 5.0) as usize,
        movies: number("movies", 1.0) as u64,
        seeds: number("seeds", 1.0) as u64,
        steps: number("steps", Training::default().steps as f64) as usize,
        only: list("only", ""),
        threshold: number("threshold", Decoding::default().threshold),
        json: given.get("json").cloned(),
    }
}

fn imaging(dose: &str) -> Imaging {
    match (dose, dose.parse()) {
        ("recorded", _) => Imaging::as_recorded(),
        (_, Ok(counts)) => Imaging::clean().with_counts_at_w(counts),
        _ => Imaging::clean(),
    }
}

/// The choices, each away from the defaults in one thing.
fn choices() -> Vec<(&'static str, Training)> {
    let base = Training::default;
    let augment = Augment::default;
    vec![
        ("default", base()),
        ("no planting", base().with_augment(augment().with_planting(Planting::none()))),
        ("straight crops only", base().with_augment(augment().with_straight(1.0))),
        ("no straight crops", base().with_augment(augment().with_straight(0.0))),
        ("one map", base().with_output(Output::Defect)),
        ("cross-entropy", base().with_loss(Loss::CrossEntropy)),
        ("Dice", base().with_loss(Loss::Dice)),
        ("cross-entropy and Dice", base().with_loss(Loss::CrossEntropyAndDice)),
        ("no averaging", base().with_averaging(0.0)),
        ("published", base().with_architecture(Architecture::Published)),
        ("residual", base().with_architecture(Architecture::Residual)),
        ("U-Net", base().with_architecture(Architecture::UNet)),
        ("dilated", base().with_architecture(Architecture::Dilated)),
        ("three networks", base().with_networks(3)),
    ]
}

fn main() -> atomotion::Result<()> {
    let settings = settings();
    println!("dose, choice, seconds of training, then F1 (precision, recall) of {GROUPS:?}");
    for dose in &settings.doses {
        let imaging = imaging(dose).with_size_px(settings.size);
        println!("{dose}: limit {}", limit(&imaging)?);
        let movies = (0..settings.movies)
            .map(|m| {
                let imaging = imaging.clone().with_s_per_frame(5.0);
                Experiment::ws2().with_frames(settings.frames).with_imaging(imaging).simulate(1000 + m)
            })
            .collect::<atomotion::Result<Vec<_>>>()?;
        println!("{dose}: labels of frame 0: {}", labels_alone(&movies)?);
        for (name, training) in choices() {
            if settings.only.is_empty() || settings.only.iter().any(|o| o == name) {
                judge(dose, name, &training.with_steps(settings.steps), &movies, &settings)?;
            }
        }
        if let Some(json) = &settings.json {
            let training: Training = serde_json::from_str(json).map_err(|e| Error::Data(format!("json: {e}")))?;
            judge(dose, json, &training, &movies, &settings)?;
        }
    }
    Ok(())
}

fn judge(
    dose: &str,
    name: &str,
    training: &Training,
    movies: &[Recording],
    settings: &Settings,
) -> atomotion::Result<()> {
    let (mut groups, mut seconds) = ([none(); 3], 0.0);
    for recording in movies {
        let labels = PeriodicityBreak::default().label(&recording.movie.frame(0)?)?;
        for seed in 0..settings.seeds {
            let start = Instant::now();
            let detector = Detector::train_with(&labels, &training.clone().with_seed(seed), tch::Device::Cpu, &mut ())?;
            seconds += start.elapsed().as_secs_f64();
            let decoding = Decoding::default().with_threshold(settings.threshold);
            let found = detector.find_with(&recording.movie, &decoding, &mut ())?;
            for frame in 1..recording.movie.len() {
                let maps = detector.probabilities(&recording.movie.frame(frame)?)?;
                let bin = recording.movie.width() / maps.dim().2;
                let dark = |y: f32, x: f32| {
                    let at = |c: usize| maps[[c, y as usize / bin, x as usize / bin]];
                    match detector.channels() {
                        [Channel::Dark, Channel::Bright] => Some(at(0) > at(1)),
                        _ => None,
                    }
                };
                let found = found.positions(frame as u32)?;
                let signed: Vec<_> = found.into_iter().map(|(y, x)| (y, x, dark(y, x))).collect();
                for (sum, more) in groups.iter_mut().zip(grouped(recording, frame, &signed)?) {
                    *sum += more;
                }
            }
        }
    }
    let trainings = (movies.len() as u64 * settings.seeds) as f64;
    println!("{dose}, {name}, {:.0} s: {}", seconds / trainings, words(&groups));
    Ok(())
}

fn none() -> Score {
    Score { hits: 0, false_alarms: 0, misses: 0 }
}

fn words(groups: &[Score; 3]) -> String {
    let each = groups
        .iter()
        .zip(GROUPS)
        .map(|(s, g)| format!("{g} {:.3} ({:.2}, {:.2}; {})", s.f1(), s.precision(), s.recall(), s.hits + s.misses));
    each.collect::<Vec<_>>().join("  ")
}

/// The labels of the first frames, scored in the same way.
fn labels_alone(movies: &[Recording]) -> atomotion::Result<String> {
    let mut groups = [none(); 3];
    for recording in movies {
        let labels = PeriodicityBreak::default().label(&recording.movie.frame(0)?)?;
        let signed: Vec<_> = labels.regions.iter().map(|r| (r.y_px, r.x_px, Some(r.score < 0.0))).collect();
        for (sum, more) in groups.iter_mut().zip(grouped(recording, 0, &signed)?) {
            *sum += more;
        }
    }
    Ok(words(&groups))
}

/// Scores of one frame's detections (y, x, whether dark; a detection of unknown sign takes its site's group, if any).
fn grouped(recording: &Recording, frame: usize, found: &[(f32, f32, Option<bool>)]) -> atomotion::Result<[Score; 3]> {
    let (lattice, nm) = (recording.lattice(frame)?, recording.movie.calibration().nm_per_px);
    let number =
        |name: &str| -> atomotion::Result<Vec<f32>> { Ok(lattice.column(name)?.f32()?.into_no_null_iter().collect()) };
    let (y, x) = (number("y_px")?, number("x_px")?);
    let metal: Vec<bool> = lattice.column("sublattice")?.u8()?.into_no_null_iter().map(|s| s == 0).collect();
    let states: Vec<&str> = lattice.column("state")?.str()?.iter().flatten().collect();
    let (margin, side) = ((MARGIN_NM / nm) as f32, recording.movie.height() as f32 - 1.0);
    let judged = |y: f32, x: f32| y.min(x) > margin && y.max(x) < side - margin;
    let group = |i: usize| match states[i] {
        s if s.starts_with("Mo_W") || s.starts_with("V_W") => Some(0),
        s if s.starts_with("V_S") || s.starts_with("V_2S") => Some(1),
        s if s.starts_with("W_ad") || s.starts_with("W_2S") => Some(2),
        _ => None,
    };
    let mut scores = [none(); 3];
    let mut hit = vec![false; y.len()];
    for &(fy, fx, dark) in found {
        let far = |i: usize| (y[i] - fy).hypot(x[i] - fx);
        let Some(nearest) = (0..y.len()).min_by(|&a, &b| far(a).total_cmp(&far(b))) else { continue };
        // What a hole's edge is called is another question.
        if !judged(fy, fx) || !judged(y[nearest], x[nearest]) || states[nearest].contains("hole") {
            continue;
        }
        let by_site = usize::from(!metal[nearest]);
        let of = match dark {
            Some(true) => by_site,
            Some(false) => 2,
            None => group(nearest).unwrap_or(by_site),
        };
        let right = f64::from(far(nearest)) * nm <= REACH_NM && group(nearest) == Some(of);
        if right && !hit[nearest] {
            hit[nearest] = true;
            scores[of].hits += 1;
        } else if !right {
            scores[of].false_alarms += 1;
        }
    }
    for i in (0..y.len()).filter(|&i| judged(y[i], x[i]) && !hit[i]) {
        if let Some(of) = group(i) {
            scores[of].misses += 1;
        }
    }
    Ok(scores)
}

/// The independent-site limit of each group at this dose.
fn limit(imaging: &Imaging) -> atomotion::Result<String> {
    let c = Composition::default();
    let w = [("Mo_W", [42, 0, 0], c.dopant), ("V_W", [0, 0, 0], c.host_vacancy), ("W_ad", [74, 74, 0], c.adatom)];
    let s = [("V_S", [16, 0, 0], c.single), ("V_2S", [0, 0, 0], c.double), ("W_2S", [74, 0, 0], c.antisite)];
    let kinds = vec![SiteKind::new([74, 0, 0], &w), SiteKind::new([16, 16, 0], &s)];
    let side = imaging.size_px as f64 * imaging.nm_per_px + 2.0;
    let perfect = Matter::ws2().with_composition(Composition::perfect()).evolve(side, 1, 1.0, 1)?.columns(0);
    let limit = detection_limit(imaging, &perfect, &LimitOptions::default().with_kinds(kinds))?;
    let groups = [["Mo_W", "V_W"], ["V_S", "V_2S"], ["W_ad", "W_2S"]];
    let each = groups.iter().zip(GROUPS).map(|(names, group)| {
        let of = names.iter().filter_map(|n| limit.of(n));
        let (hits, called, all) = of.fold((0.0, 0.0, 0.0), |sum, s| {
            let hits = s.prevalence * s.recall;
            (sum.0 + hits, sum.1 + hits / s.precision.max(1e-9), sum.2 + s.prevalence)
        });
        let species: Vec<String> =
            names.iter().filter_map(|n| limit.of(n)).map(|s| format!("{} {:.2}", s.species, s.f1)).collect();
        format!("{group} {:.3} ({})", 2.0 * hits / (called + all), species.join(", "))
    });
    Ok(each.collect::<Vec<_>>().join("  "))
}
