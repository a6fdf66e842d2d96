//! The movies that detectors are tried on: seeds and settings that no training sees.

use atomotion::prelude::*;
use atomotion::simulate::Composition;
use std::ops::Range;

/// A kind of movie. Detectors are trained on frame 0 of each, and judged on others.
pub struct Condition {
    pub name: &'static str,
    pub about: &'static str,
    pub experiment: Experiment,
    /// The frame that is trained on comes from a movie of this specimen, where it is another.
    pub first: Option<Experiment>,
    pub training: Training,
    /// Frames that are judged.
    pub judged: Range<usize>,
    /// Movies by default; of those without peers, with 200 instances of each group in all, or more.
    pub movies: u64,
}

/// Side of a frame in pixels: 10 nm.
const SIZE_PX: usize = 320;
/// Rare kinds are made less rare than they are in the published movie, so that there are enough of each to count.
fn composition() -> Composition {
    Composition::default().with_host_vacancy(0.003).with_adatom(0.003).with_antisite(0.003)
}

fn matter() -> Matter {
    Matter::ws2().with_composition(composition())
}

/// Frames 1 to 8, one every 5 s.
fn early(imaging: Imaging, matter: Matter) -> Experiment {
    let imaging = imaging.with_size_px(SIZE_PX).with_s_per_frame(5.0);
    Experiment::ws2().with_matter(matter).with_frames(9).with_imaging(imaging)
}

fn plain(name: &'static str, about: &'static str, experiment: Experiment) -> Condition {
    Condition { name, about, experiment, first: None, training: Training::default(), judged: 1..9, movies: 6 }
}

/// All of them, in the order of the table.
pub fn all() -> Vec<Condition> {
    let counts = |counts: f64| early(Imaging::clean().with_counts_at_w(counts), matter());
    let clean = || early(Imaging::clean(), matter());
    let mut late = clean().with_frames(14);
    late.imaging.s_per_frame = 40.0;
    let turned = Matter { crystal: matter().crystal.with_rotation_deg(19.0), ..matter() };
    let sized = |nm_per_px: f64| {
        let px = (SIZE_PX as f64 * 0.032 / nm_per_px).round() as usize;
        let mut experiment = early(Imaging::clean().with_nm_per_px(nm_per_px), matter());
        // The same electrons on the same area.
        experiment.imaging.size_px = px;
        experiment
    };
    let absent = |change: fn(Composition) -> Composition| {
        early(Imaging::clean(), Matter { composition: change(composition()), ..matter() })
    };
    let no_hosts_missing = Planting::default().without(|p| matches!(p.on, On::Bright) && p.to == 0.0);
    let apart = Planting::default().with_together(0.0);
    let planting = |planting: Planting| Training::default().with_augment(Augment::default().with_planting(planting));
    vec![
        plain("clean", "clean (70 counts at a W column), frames 1 to 8", clean()),
        Condition { judged: 8..14, ..plain("late", "clean, after 5 to 9 min of beam: holes", late) },
        plain("counts-35", "35 counts", counts(35.0)),
        plain("counts-17", "17 counts", counts(17.0)),
        plain("counts-9", "9 counts", counts(9.0)),
        plain("recorded", "as recorded: 5.5 counts, afterglow", early(Imaging::as_recorded(), matter())),
        plain("turned", "clean, the lattice turned by 19 degrees", early(Imaging::clean(), turned)),
        plain("fine", "clean, 0.024 nm a pixel", sized(0.024)),
        plain("coarse", "clean, 0.045 nm a pixel", sized(0.045)),
        Condition {
            first: Some(absent(|c| c.with_host_vacancy(0.0))),
            training: planting(no_hosts_missing),
            ..plain("new-v-w", "clean; no V_W in the frame that is trained on, and none planted", clean())
        },
        Condition {
            first: Some(absent(|c| c.with_single(0.0))),
            training: planting(apart),
            ..plain("new-pair", "clean; no Mo beside V_S in the frame that is trained on, and none planted", clean())
        },
        Condition {
            experiment: large(Imaging::clean()),
            judged: 1..5,
            movies: 1,
            ..plain("peers-clean", "clean, 512 x 512", clean())
        },
        Condition {
            experiment: large(Imaging::clean().with_counts_at_w(20.0)),
            judged: 1..5,
            movies: 1,
            ..plain("peers-middle", "20 counts, 512 x 512", clean())
        },
        Condition {
            experiment: large(Imaging::as_recorded()),
            judged: 1..5,
            movies: 1,
            ..plain("peers-recorded", "as recorded, 512 x 512", clean())
        },
    ]
}

fn large(imaging: Imaging) -> Experiment {
    let mut experiment = early(imaging, matter()).with_frames(5);
    experiment.imaging.size_px = 512;
    experiment
}

/// The movie of a number.
pub fn recording(condition: &Condition, movie: u64) -> atomotion::Result<Recording> {
    condition.experiment.simulate(70_000 + movie)
}

/// The frame that is trained on.
pub fn first_frame(condition: &Condition, movie: u64) -> atomotion::Result<Frame> {
    match &condition.first {
        Some(other) => other.clone().with_frames(1).simulate(80_000 + movie)?.movie.frame(0),
        None => recording(condition, movie)?.movie.frame(0),
    }
}

/// The independent-site limit of each group at a condition's dose, species as frequent as they are in the frames that are
/// judged, of as many movies as a condition has: an ideal observer of one frame that knows lattice and probe. It counts a
/// species taken for another of its group as wrong, which the scores do not.
pub fn limit(condition: &Condition) -> atomotion::Result<[f64; 3]> {
    let movies =
        (0..condition.movies).map(|movie| recording(condition, movie)).collect::<atomotion::Result<Vec<_>>>()?;
    let limit = Recording::limit_of(&movies.iter().collect::<Vec<_>>(), condition.judged.clone())?;
    let groups = [["Mo_W", "V_W"], ["V_S", "V_2S"], ["W_ad", "W_2S"]];
    let [a, b, c] = groups.map(|names| {
        limit
            .f1_of(&names)
            .ok_or_else(|| Error::Data(format!("{}: no frame that is judged has {}", condition.name, names[0])))
    });
    Ok([a?, b?, c?])
}
