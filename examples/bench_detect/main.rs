//! What `cargo lab bench detect` measures of this library, one step at a time; each prints one line of JSON last.
//!
//!     bench_detect list
//!     bench_detect limit CONDITION
//!     bench_detect train CONDITION MOVIE SEED FOUND.json [TRAINING]     options of the training, and `threshold`, as JSON
//!     bench_detect score CONDITION FOUND.json…                          of movies 0, 1, …
//!     bench_detect frames CONDITION MOVIE FOLDER                        movie and masks for other programs
//!     bench_detect step CONDITION [TRAINING]                            seconds of a training step
//!     bench_detect keep CONDITION DETECTOR                              trains as `train` does, 200 steps, and saves
//!     bench_detect found CONDITION DETECTOR FOUND.json [half]           of a saved detector, on the best device
//!     bench_detect device                                               the best device
//!     bench_detect speed                                                decoding 512 x 512 frames
//!     bench_detect memory FRAMES                                        of a long movie
//!
//! FOUND.json holds `[frame, y, x, bright, probability]`; where `bright` is null (other programs do not say) the sign is
//! that of what is left of the frame there.

mod conditions;
mod speed;

use atomotion::detect::{Detection, FrameTruth, ScoredMovie};
use atomotion::device::describe;
use atomotion::prelude::*;
use conditions::{Condition, all, first_frame, limit, recording};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match answer(&words) {
        Ok(line) => println!("{line}"),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}

fn answer(words: &[&str]) -> atomotion::Result<Value> {
    match words {
        ["list"] => Ok(list()),
        ["limit", name] => Ok(json!(limit(&condition(name)?)?)),
        ["train", name, movie, seed, to, more @ ..] => {
            train(&condition(name)?, number(movie)?, number(seed)?, Path::new(to), more.first().copied())
        }
        ["step", name, more @ ..] => step(&condition(name)?, more.first().copied()),
        ["keep", name, to] => keep(&condition(name)?, to),
        ["found", name, detector, to] => found(&condition(name)?, detector, Path::new(to), false),
        ["found", name, detector, to, "half"] => found(&condition(name)?, detector, Path::new(to), true),
        ["score", name, files @ ..] => score(&condition(name)?, files),
        ["frames", name, movie, to] => frames(&condition(name)?, number(movie)?, Path::new(to)),
        ["truth", name, movie] => truth(&condition(name)?, number(movie)?),
        ["device"] => Ok(json!(describe(best_device()))),
        ["speed"] => speed::speed(),
        ["memory", frames] => speed::memory(number(frames)? as usize),
        _ => Err(Error::Data("list, limit, train, step, score, frames, speed, memory, …; see the source".into())),
    }
}

fn number(word: &str) -> atomotion::Result<u64> {
    word.parse().map_err(|_| Error::Data(format!("{word} is not a whole number")))
}

fn condition(name: &str) -> atomotion::Result<Condition> {
    all().into_iter().find(|c| c.name == name).ok_or_else(|| Error::Data(format!("there is no condition {name}")))
}

fn list() -> Value {
    let of = |c: Condition| json!({ "name": c.name, "about": c.about, "movies": c.movies });
    all().into_iter().map(of).collect()
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |source| Error::Io { action: "use", path: path.to_path_buf(), source }
}

/// The training of a condition, with options in JSON; and the threshold that goes with them.
fn training(c: &Condition, options: Option<&str>) -> atomotion::Result<(Training, f64)> {
    let wrong = |e: serde_json::Error| Error::Data(format!("options: {e}"));
    let mut training = serde_json::to_value(&c.training).unwrap_or_default();
    let more: Value = serde_json::from_str(options.unwrap_or("{}")).map_err(wrong)?;
    let threshold = more["threshold"].as_f64().unwrap_or(Decoding::default().threshold);
    merge(&mut training, more);
    Ok((serde_json::from_value(training).map_err(wrong)?, threshold))
}

/// Trains on the first frame, finds in all the others.
fn train(c: &Condition, movie: u64, seed: u64, to: &Path, options: Option<&str>) -> atomotion::Result<Value> {
    let (training, threshold) = training(c, options)?;
    let (recording, first) = (recording(c, movie)?, first_frame(c, movie)?);
    let begun = Instant::now();
    let labels = PeriodicityBreak::default().label(&first)?;
    let detector = Detector::train_with(&labels, &training.with_seed(seed), best_device(), &mut ())?;
    let trained = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let decoding = Decoding::default().with_threshold(threshold);
    let found = detector.find_with(&recording.movie, &decoding, &mut ())?;
    let seconds = begun.elapsed().as_secs_f64();
    write(c, &found, to)?;
    let alarms: Vec<Value> =
        found.false_alarms().map_or(vec![], |a| a.kinds.iter().map(|k| json!([k.kind, k.detections])).collect());
    Ok(json!({ "train_s": trained, "find_s": seconds, "frames": recording.movie.len(), "alarms": alarms }))
}

fn write(c: &Condition, found: &Defects, to: &Path) -> atomotion::Result<()> {
    let mut rows = vec![];
    for frame in c.judged.clone() {
        let of = Detection::of(found, frame as u32)?;
        rows.extend(of.iter().map(|d| json!([frame, d.y_px, d.x_px, d.bright, d.probability])));
    }
    std::fs::write(to, Value::from(rows).to_string()).map_err(io(to))
}

/// When each step ended.
struct Ticks(Vec<Instant>);

impl Progress for Ticks {
    fn update(&mut self, _: usize, _: usize, _: &str) {
        self.0.push(Instant::now());
    }
}

/// Seconds of a step, and of a whole training: the median of a few, which leaves out looks at what is held out.
fn step(c: &Condition, options: Option<&str>) -> atomotion::Result<Value> {
    let (training, _) = training(c, options)?;
    let labels = PeriodicityBreak::default().label(&first_frame(c, 0)?)?;
    let mut ticks = Ticks(vec![]);
    let few = training.clone().with_networks(1).with_steps(40);
    let mut trainer = Detector::trainer(&labels, &few)?;
    trainer.run_with(&mut ticks)?;
    eprintln!("{trainer:?}"); // what a step takes, and the next batch beside it
    let mut took: Vec<f64> = ticks.0.windows(2).map(|t| (t[1] - t[0]).as_secs_f64()).collect();
    took.sort_by(f64::total_cmp);
    let step = took[took.len() / 2];
    Ok(json!({ "step_s": step, "all_s": step * (training.steps * training.networks) as f64 }))
}

fn keep(c: &Condition, to: &str) -> atomotion::Result<Value> {
    let labels = PeriodicityBreak::default().label(&first_frame(c, 0)?)?;
    let detector = Detector::train_with(&labels, &c.training.clone().with_steps(200), best_device(), &mut ())?;
    detector.save(to)?;
    Ok(json!({ "device": describe(best_device()) }))
}

fn found(c: &Condition, detector: &str, to: &Path, half: bool) -> atomotion::Result<Value> {
    let recording = recording(c, 0)?;
    let decoding = Decoding::default().with_half_precision(half);
    let found = Detector::load(detector)?.find_with(&recording.movie, &decoding, &mut ())?;
    write(c, &found, to)?;
    Ok(json!({ "device": describe(best_device()), "defects": found.len() }))
}

fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (name, value) in more {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

/// Scores of the groups over movies, with intervals, and recall of each species and of pairs.
fn score(c: &Condition, files: &[&str]) -> atomotion::Result<Value> {
    let (mut movies, mut pairs) = (vec![], [0, 0]);
    for (movie, file) in files.iter().enumerate() {
        let recording = recording(c, movie as u64)?;
        let found = read(Path::new(file))?;
        let mut scored: ScoredMovie = vec![];
        for frame in c.judged.clone() {
            let detections = detections(&recording, &found, frame)?;
            let truth = FrameTruth::of(&recording, frame)?;
            let [hits, all] = beside_dopants(&recording, frame, &detections, truth.within_px)?;
            pairs = [pairs[0] + hits, pairs[1] + all];
            scored.push((truth, detections));
        }
        movies.push(scored);
    }
    let scores = Scores::of_detections(&movies, ("W", "S"))?;
    let interval = |i: &atomotion::detect::Interval| json!([i.value, i.low, i.high]);
    let groups: Vec<Value> = scores
        .groups
        .iter()
        .map(|g| {
            let species = g.species.iter().map(|s| json!([s.species, s.instances, s.recall.value]));
            json!({
                "name": g.name, "f1": interval(&g.f1), "precision": interval(&g.precision),
                "recall": interval(&g.recall), "hits": g.score.hits, "false": g.score.false_alarms,
                "missed": g.score.misses, "species": species.collect::<Vec<_>>(),
            })
        })
        .collect();
    let sum = scores
        .groups
        .iter()
        .fold([0; 3], |s, g| [s[0] + g.score.hits, s[1] + g.score.false_alarms, s[2] + g.score.misses]);
    let all = atomotion::detect::Score { hits: sum[0], false_alarms: sum[1], misses: sum[2] };
    Ok(json!({
        "groups": groups, "all": all.f1(), "movies": files.len(), "frames": scores.frames,
        "beside_dopants": pairs, "reliability": scores.reliability().error,
    }))
}

type Rows = Vec<(usize, f32, f32, Option<bool>, f32)>;

fn read(path: &Path) -> atomotion::Result<Rows> {
    let text = std::fs::read_to_string(path).map_err(io(path))?;
    serde_json::from_str(&text).map_err(|e| Error::Data(format!("{}: {e}", path.display())))
}

fn detections(recording: &Recording, found: &Rows, frame: usize) -> atomotion::Result<Vec<Detection>> {
    let of: Vec<_> = found.iter().filter(|row| row.0 == frame).collect();
    let places: Vec<(f32, f32)> = of.iter().map(|row| (row.1, row.2)).collect();
    let signs = if of.iter().any(|row| row.3.is_none()) {
        atomotion::detect::too_bright(&recording.movie.frame(frame)?, &places)?
    } else {
        vec![false; of.len()]
    };
    let one = |(row, sign): (&&(usize, f32, f32, Option<bool>, f32), bool)| Detection {
        y_px: row.1,
        x_px: row.2,
        bright: row.3.unwrap_or(sign),
        probability: row.4,
    };
    Ok(of.iter().zip(signs).map(one).collect())
}

/// Vacancies beside a dopant: how many are found, and how many there are.
fn beside_dopants(
    recording: &Recording,
    frame: usize,
    found: &[Detection],
    within_px: f32,
) -> atomotion::Result<[usize; 2]> {
    let table = recording.lattice(frame)?;
    let (state, y, x) = (table.column("state")?.str()?, table.column("y_px")?.f32()?, table.column("x_px")?.f32()?);
    let side = recording.movie.height() as f32 - 1.0;
    let margin = 2.0 * within_px;
    let mut pairs = [0, 0];
    for (state, (y, x)) in state.iter().zip(y.iter().zip(x.iter())) {
        let (Some(state), Some(y), Some(x)) = (state, y, x) else { continue };
        let inside = y.min(x) >= margin && y.max(x) <= side - margin;
        if inside && state.starts_with("V_S") && state.contains("Mo") {
            let hit = found.iter().any(|d| !d.bright && (d.y_px - y).hypot(d.x_px - x) <= within_px);
            pairs = [pairs[0] + usize::from(hit), pairs[1] + 1];
        }
    }
    Ok(pairs)
}

/// `movie.npy` f32 (frames, y, x), and masks of frame 0 as bytes: `ours.npy` (the labels' discs), `published.npy`.
fn frames(c: &Condition, movie: u64, to: &Path) -> atomotion::Result<Value> {
    std::fs::create_dir_all(to).map_err(io(to))?;
    let recording = recording(c, movie)?;
    recording.movie.save(to.join("movie.npy"))?;
    let first = first_frame(c, movie)?;
    let labels = PeriodicityBreak::default().label(&first)?;
    let radius = labels.radius_px * labels.bin as f32;
    let mut ours = ndarray::Array2::<f32>::zeros(first.data.dim());
    for region in &labels.regions {
        let inside = |(y, x): (usize, usize)| (y as f32 - region.y_px).hypot(x as f32 - region.x_px) <= radius;
        ours.indexed_iter_mut().filter(|(at, _)| inside(*at)).for_each(|(_, m)| *m = 1.0);
    }
    let published = published_mask(&first.data, PublishedMask::default()).mapv(|m| f32::from(u8::from(m)));
    for (name, mask) in [("ours.npy", ours), ("published.npy", published)] {
        let (h, w) = mask.dim();
        let stack = mask.into_shape_with_order((1, h, w)).map_err(|e| Error::Data(e.to_string()))?;
        Movie::from_array(stack)?.save(to.join(name))?;
    }
    Ok(json!({ "period_px": labels.lattice.period_px, "judged": [c.judged.start, c.judged.end] }))
}

fn truth(c: &Condition, movie: u64) -> atomotion::Result<Value> {
    let r = recording(c, movie)?;
    let mut rows = vec![];
    for f in 0..r.movie.len() {
        let t = r.lattice(f)?;
        let (st, y, x) = (t.column("state")?.str()?, t.column("y_px")?.f32()?, t.column("x_px")?.f32()?);
        for i in 0..t.height() {
            rows.push(json!([f, y.get(i), x.get(i), st.get(i)]));
        }
    }
    Ok(rows.into())
}
