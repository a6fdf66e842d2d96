//! Back into the network: a detector trained on what one frame shows, and one on what all frames together say of it.

use crate::movie::recorded;
use atomotion::Error;
use atomotion::detect::{Detector, PeriodicityBreak, Score, Training, score};
use atomotion::markov::{BackAndForth, Judged};
use atomotion::polars::prelude::DataFrame;
use atomotion::simulate::{Composition, Experiment, Imaging, Matter, Recording};
use atomotion::watch::Watch;
use serde_json::{Value, json};

const UNSEEN: u64 = 4;
const FRAMES: [usize; 4] = [0, 16, 33, 49];
const WITHIN_PX: f32 = 3.0;

fn places(table: &DataFrame, frame: usize) -> Result<Vec<(f32, f32)>, Error> {
    let (f, y, x) = (table.column("frame")?.u32()?, table.column("y_px")?.f32()?, table.column("x_px")?.f32()?);
    let at = |i: usize| Some((y.get(i)?, x.get(i)?));
    Ok((0..table.height()).filter(|&i| f.get(i) == Some(frame as u32)).filter_map(at).collect())
}

/// F1 of a detector on movies that neither it nor the labels have seen, and what it finds a frame where nothing is.
fn judge(detector: &Detector, unseen: &[Recording], perfect: &Recording) -> Result<Judged, Error> {
    let find = |movie: &atomotion::movie::Movie| detector.find(movie);
    let mut sum = Score { hits: 0, false_alarms: 0, misses: 0 };
    for recording in unseen {
        for frame in FRAMES {
            let found = find(&recording.movie.take_frames(frame..=frame, 1)?)?;
            sum += score(&places(found.table(), 0)?, &places(&recording.truth, frame)?, WITHIN_PX)?;
        }
    }
    let alarms = find(&perfect.movie)?.table().height() as f64 / perfect.movie.len() as f64;
    eprintln!("{sum}, {alarms} a frame where nothing is");
    Ok(Judged { f1: sum.f1(), false_per_frame: alarms })
}

/// The loop, until it settles.
pub fn back(seed: u64, dose: f64) -> Result<Value, Error> {
    let (matter, recording) = recorded(seed, dose, 0.02)?;
    let unseen =
        (1..=UNSEEN).map(|i| recorded(seed + 7 * i, dose, 0.02).map(|r| r.1)).collect::<Result<Vec<_>, _>>()?;
    let still = Matter::ws2().with_composition(Composition::perfect());
    let imaging = Imaging::as_recorded().with_size_px(256).with_s_per_frame(5.0).with_counts_at_w(dose);
    let perfect = Experiment::ws2().with_matter(still).with_imaging(imaging).with_frames(8).simulate(seed)?;
    let first = recording.movie.frame(0)?;
    let labels = PeriodicityBreak::default().label(&first)?;
    let truth = places(&recording.truth, 0)?;
    let of = |labels: &atomotion::detect::Labels| {
        let at: Vec<(f32, f32)> = labels.regions.iter().map(|r| (r.y_px, r.x_px)).collect();
        score(&at, &truth, WITHIN_PX)
    };
    let from_frame = of(&labels)?;
    let watched = Watch::default().with_matter(matter).read(&recording.movie)?;
    let from_movie = of(&watched.labels(0)?)?;
    eprintln!("labels of one frame: {from_frame}; of the movie: {from_movie}");
    let train = |labels: &atomotion::detect::Labels| Detector::train(labels, &Training::default().with_seed(seed));
    let settled = BackAndForth::default().run(
        train(&labels)?,
        |_| watched.labels(0),
        |labels| train(labels),
        |detector| judge(detector, &unseen, &perfect),
    )?;
    eprintln!("{settled:?}");
    let rounds = settled.rounds.iter().map(|r| {
        json!({ "before": [r.before.f1, r.before.false_per_frame], "after": [r.after.f1, r.after.false_per_frame], "kept": r.kept })
    });
    Ok(
        json!({ "labels": [from_frame.f1(), from_movie.f1()], "rounds": rounds.collect::<Vec<_>>(), "settled": settled.settled }),
    )
}
