//! Decoding and its scores, from outside, against the truth of simulated movies.

mod common;

use atomotion::detect::{Detection, FrameTruth, Standing};
use atomotion::prelude::*;
use atomotion::simulate::{Composition, State};
use common::{Folder, one_at_a_time};
use std::collections::HashMap;
use std::sync::OnceLock;

const SIZE: usize = 256;

fn experiment(frames: usize) -> Experiment {
    let imaging = Imaging::clean().with_s_per_frame(5.0).with_size_px(SIZE);
    Experiment::ws2().with_frames(frames).with_imaging(imaging)
}

/// The same without a defect, under a beam too weak to make one.
fn perfect_crystal(frames: usize) -> Experiment {
    let mut perfect = experiment(frames);
    perfect.matter.composition = Composition::perfect();
    perfect.matter.beam.dose_rate_e_nm2_s = 1e-3;
    perfect
}

/// A short movie, a detector trained on its first frame, and what it finds with a low threshold.
fn good() -> &'static (Recording, Shared, Defects) {
    static GOOD: OnceLock<(Recording, Shared, Defects)> = OnceLock::new();
    GOOD.get_or_init(|| {
        let _turn = one_at_a_time();
        let recording = experiment(6).simulate(11).unwrap();
        let labels = PeriodicityBreak::default().label(&recording.movie.frame(0).unwrap()).unwrap();
        let detector =
            Detector::train_with(&labels, &Training::default().with_steps(300), best_device(), &mut ()).unwrap();
        let found = detector.find(&recording.movie).unwrap();
        (recording, Shared::of(&detector), found)
    })
}

/// A detector that every test's thread can have: its weights in a file.
struct Shared(Folder);

impl Shared {
    fn of(detector: &Detector) -> Shared {
        let folder = Folder::new("decoding");
        detector.save(folder.join("detector.safetensors")).unwrap();
        Shared(folder)
    }

    fn detector(&self) -> Detector {
        Detector::load(self.0.join("detector.safetensors")).unwrap()
    }
}

fn message<T>(result: atomotion::Result<T>) -> String {
    result.err().expect("this should have been an error").to_string()
}

fn floats(table: &DataFrame, name: &str) -> Vec<f32> {
    table.column(name).unwrap().f32().unwrap().iter().map(Option::unwrap).collect()
}

/// Rows of two tables that may differ by rounding alone.
fn alike(a: &Defects, b: &Defects) {
    assert_eq!(a.len(), b.len());
    for name in ["y_px", "x_px", "probability"] {
        for (a, b) in floats(a.table(), name).iter().zip(floats(b.table(), name)) {
            assert!((a - b).abs() < 2e-3, "{name}: {a} {b}");
        }
    }
    assert!(a.table().column("sign").unwrap().equals(b.table().column("sign").unwrap()));
}

/// One frame at a time, several, or tiles of 128 x 128 pixels: the same defects.
#[test]
fn batches_and_tiles_make_no_difference() {
    let (recording, shared, found) = good();
    let detector = shared.detector();
    for decoding in [
        Decoding::default().with_batch(1),
        Decoding::default().with_batch(64),
        Decoding::default().with_most_px(Some(128 * 128)),
    ] {
        alike(&detector.find_with(&recording.movie, &decoding, &mut ()).unwrap(), found);
    }
}

/// Numbers of 16 bits find the same defects but for a few at the threshold; nothing changes where the processor has no
/// instructions for them.
#[test]
fn half_precision_finds_nearly_the_same() {
    let (recording, shared, found) = good();
    let detector = shared.detector();
    let half = Decoding::default().with_half_precision(true);
    let half = detector.find_with(&recording.movie, &half, &mut ()).unwrap();
    let places = |defects: &Defects| -> Vec<[f32; 4]> {
        let frames = defects.table().column("frame").unwrap().u32().unwrap().clone();
        let of = ["y_px", "x_px", "probability"].map(|name| floats(defects.table(), name));
        (0..defects.len()).map(|i| [frames.get(i).unwrap() as f32, of[0][i], of[1][i], of[2][i]]).collect()
    };
    let (full, half) = (places(found), places(&half));
    let near = |a: &[f32; 4], b: &[f32; 4]| a[0] == b[0] && (a[1] - b[1]).hypot(a[2] - b[2]) < 1.0;
    let shared: Vec<f32> =
        full.iter().filter_map(|a| half.iter().find(|b| near(a, b)).map(|b| (a[3] - b[3]).abs())).collect();
    println!("{} with 32 bits, {} with 16, {} the same", full.len(), half.len(), shared.len());
    assert!(shared.len() * 20 >= 19 * full.len().max(half.len()));
    // Eight bits of mantissa: a four-hundredth of each number, of which a layer adds up some hundreds.
    assert!(shared.iter().sum::<f32>() / (shared.len() as f32) < 0.02);
}

/// What the networks alone take of a frame is a time.
#[test]
fn the_time_of_the_networks_alone_is_told() {
    let (recording, shared, _) = good();
    let network_s = shared.detector().network_s(&recording.movie).unwrap();
    assert!(network_s > 0.0 && network_s.is_finite(), "{network_s}");
}

/// A stream finds what the movie's search finds, frame by frame, and says how long each frame took.
#[test]
fn a_stream_finds_the_same() {
    let (recording, shared, found) = good();
    let mut stream = Stream::new(shared.detector());
    let each: Vec<Defects> = stream.over(recording.movie.frames()).collect::<Result<_, _>>().unwrap();
    for (frame, defects) in each.iter().enumerate() {
        let of: Vec<bool> =
            found.table().column("frame").unwrap().u32().unwrap().iter().map(|f| f == Some(frame as u32)).collect();
        alike(defects, &found.filter(&of).unwrap());
    }
    assert_eq!(stream.latencies().len(), each.len());
    assert_eq!(stream.area_of_each(), found.areas().unwrap().frames());
    let (median, high) = (stream.latency(0.5).unwrap(), stream.latency(0.95).unwrap());
    assert!(stream.latencies().contains(&median) && median <= high);
    assert!(format!("{stream:?}").contains("95th percentile"), "{stream:?}");
    // What noise gives is part of every table, counted in one frame of twenty: here in the first alone.
    let alarms = |defects: &Defects| defects.false_alarms().unwrap().clone();
    assert_eq!(alarms(&each[0]).kinds.iter().map(|k| k.detections.len()).collect::<Vec<_>>(), [1, 1]);
    assert!(each.iter().all(|defects| alarms(defects) == alarms(&each[0])));
    let alone = shared.detector().find_in(&recording.movie.frame(0).unwrap()).unwrap();
    assert_eq!(alarms(&alone), alarms(&each[0]));
    let movie = recording.movie.take_frames(..1, 1).unwrap();
    assert_eq!(alarms(&shared.detector().find(&movie).unwrap()), alarms(&alone));
    let without = Decoding::default().with_surrogates(Surrogates::default().with_frames(0));
    let mut quiet = Stream::new(shared.detector()).with_decoding(without).unwrap();
    assert!(quiet.find_in(&recording.movie.frame(0).unwrap()).unwrap().false_alarms().is_none());
    // A frame of another size is another frame.
    let small = recording.movie.crop(..160, ..192).unwrap().frame(1).unwrap();
    let inside = stream.find_in(&small).unwrap();
    assert!(!inside.is_empty() && floats(inside.table(), "y_px").iter().all(|y| *y < 160.0));
}

/// Mo and vacancies are dark and what has an atom too many is bright; most are found at this dose. The scores of a copy of
/// the truth are perfect.
#[test]
fn scores_by_group() {
    let (recording, _, found) = good();
    let scores = Scores::of(&[(found, recording)]).unwrap();
    println!("{scores:?}\n{}", scores.table().unwrap());
    let dark = scores.group(Group::DarkOnHost).unwrap();
    // 300 steps of 800, 256 pixels of 512: no record, but far beyond chance (2 % of sites).
    assert!(dark.f1.value > 0.8 && dark.error_px.value < 1.0, "{dark:?}");
    // Vacancies take longer to learn; what is missed is counted.
    let mobile = scores.group(Group::DarkOnMobile).unwrap();
    let vacancies = ["V_S", "V_2S"].map(|s| mobile.species.iter().find(|m| m.species == s).unwrap().instances);
    assert_eq!(vacancies.iter().sum::<usize>(), mobile.score.hits + mobile.score.misses);
    println!("calibration error {:.2}", scores.reliability().error);
    // Defects' pixels weigh three times as much as others in the loss: probabilities are too high.
    assert!(scores.reliability().error < 0.5);
    let perfect: Vec<(FrameTruth, Vec<Detection>)> = (0..3)
        .map(|frame| {
            let truth = FrameTruth::of(recording, frame).unwrap();
            let copy = truth.sites.iter().filter_map(|s| match &s.standing {
                Standing::Defect { bright, .. } => {
                    Some(Detection { y_px: s.y_px, x_px: s.x_px, bright: *bright, probability: 0.9 })
                }
                _ => None,
            });
            let copy = copy.collect();
            (truth, copy)
        })
        .collect();
    let scores = Scores::of_detections(&[perfect], ("W", "S")).unwrap();
    for group in scores.groups.iter().filter(|g| g.score.hits > 0) {
        assert!(group.f1.value == 1.0 && group.error_px.value == 0.0, "{group:?}");
    }
    assert!(scores.group(Group::DarkOnHost).unwrap().score.hits > 0);
}

/// Fitted centres of Mo are nearer to where it is, and their errors are announced: of the squared errors, summed over two
/// axes and divided by their announced variance, the median is that of a chi-squared variable with two degrees of freedom
/// (1.39) within a factor of three and a half (relaxed neighbours, probe tails and the scan's jitter are not in the model, so that errors
/// are announced 1.7 times too small).
#[test]
fn fitted_centres_are_better_and_say_how_good() {
    let (recording, shared, found) = good();
    let fitted =
        shared.detector().find_with(&recording.movie, &Decoding::default().with_refine(true), &mut ()).unwrap();
    let errors = |defects: &Defects| {
        let (y, x) = (floats(defects.table(), "y_px"), floats(defects.table(), "x_px"));
        let frames: Vec<u32> =
            defects.table().column("frame").unwrap().u32().unwrap().iter().map(Option::unwrap).collect();
        let near = |i: usize| {
            let truth = common::truth(&recording.truth, frames[i], "Mo_W");
            let d = truth.iter().map(|t| (t.0 - y[i]).hypot(t.1 - x[i])).fold(f32::MAX, f32::min);
            (d < 2.5).then_some((i, d))
        };
        (0..y.len()).filter_map(near).collect::<Vec<_>>()
    };
    let rms = |e: &[(usize, f32)]| (e.iter().map(|e| e.1 * e.1).sum::<f32>() / e.len() as f32).sqrt();
    let (before, after) = (errors(found), errors(&fitted));
    println!("root mean square error of Mo: {:.3} px by the map, {:.3} px fitted", rms(&before), rms(&after));
    assert!(after.len() > 20 && rms(&after) < rms(&before));
    let announced = fitted.table().column("position_error_px").unwrap().f32().unwrap().clone();
    let mut ratios: Vec<f32> = after.iter().filter_map(|&(i, d)| Some((d / announced.get(i)?).powi(2))).collect();
    assert!(ratios.len() * 10 > after.len() * 7, "most fits should succeed: {} of {}", ratios.len(), after.len());
    ratios.sort_by(f32::total_cmp);
    let median = ratios[ratios.len() / 2];
    println!("median of squared errors over announced variances: {median:.2} (1.39 expected)");
    assert!((0.4..4.9).contains(&median), "{median}");
}

/// Pixels nearer to a site of a hole than to any other: the true area.
fn true_hole(recording: &Recording, frame: usize) -> f64 {
    let sites = recording.lattice(frame).unwrap();
    let names: HashMap<String, bool> = State::ALL
        .iter()
        .map(|s| (s.name(&recording.experiment.matter.crystal), matches!(s, State::Hole | State::HostVacancy)))
        .collect();
    let (y, x) = (floats(&sites, "ideal_y_px"), floats(&sites, "ideal_x_px"));
    let state = sites.column("state").unwrap().str().unwrap().clone();
    let hole: Vec<bool> = state.iter().map(|s| names[s.unwrap()]).collect();
    let nm2 = recording.experiment.imaging.nm_per_px.powi(2);
    let step = 2;
    let pixels = (0..SIZE).step_by(step).flat_map(|py| (0..SIZE).step_by(step).map(move |px| (py as f32, px as f32)));
    let inside = pixels.filter(|p| {
        let far = |i: &usize| (y[*i] - p.0).powi(2) + (x[*i] - p.1).powi(2);
        (0..y.len()).min_by(|a, b| far(a).total_cmp(&far(b))).is_some_and(|i| hole[i])
    });
    inside.count() as f64 * nm2 * (step * step) as f64
}

/// Sixty times the beam, so that holes grow within a few frames: their area is the truth's within a tenth and half a nm^2
/// (six unit cells: rims have no sharp edge, and holes of one or two cells count as point defects), at a clean dose and as
/// recorded.
#[test]
fn holes_are_measured() {
    let (_, shared, _) = good();
    let detector = shared.detector();
    for imaging in [Imaging::clean(), Imaging::as_recorded()] {
        let mut experiment = experiment(7).with_imaging(imaging.with_s_per_frame(5.0).with_size_px(SIZE));
        experiment.matter.beam.dose_rate_e_nm2_s *= 60.0;
        let recording = experiment.simulate(4).unwrap();
        let found = detector.find(&recording.movie).unwrap();
        let areas = found.areas().unwrap();
        println!("{areas:?}");
        let mut grown: f64 = 0.0;
        for (frame, area) in areas.frames().iter().enumerate() {
            let truth = true_hole(&recording, frame);
            println!(
                "frame {frame}: {truth:.2} nm2 of hole, found {:.2} hole, {:.2} amorphous",
                area.hole_nm2, area.amorphous_nm2
            );
            assert!((area.hole_nm2 + area.amorphous_nm2 - truth).abs() < 0.1 * truth + 0.5);
            let whole = (SIZE as f64 * recording.experiment.imaging.nm_per_px).powi(2);
            assert!((area.hole_nm2 + area.amorphous_nm2 + area.lattice_nm2 - whole).abs() < 1e-6 * whole);
            grown = grown.max(truth);
        }
        assert!(grown > 5.0, "this movie should have grown holes: {grown} nm2");
        let table = areas.table().unwrap();
        assert_eq!(table.height(), 7);
        assert_eq!(table.column("time_s").unwrap().f64().unwrap().get(2), Some(10.0));
    }
}

/// How many detections of a movie are no defect, by the truth: a frame, on average.
fn wrong_a_frame(found: &Defects, recording: &Recording) -> f64 {
    let table = found.table();
    let truth: Vec<_> = (0..recording.movie.len() as u32).map(|f| common::truth(&recording.truth, f, "")).collect();
    let frame = table.column("frame").unwrap().u32().unwrap();
    let (y, x) = (table.column("y_px").unwrap().f32().unwrap(), table.column("x_px").unwrap().f32().unwrap());
    let rows = frame.into_no_null_iter().zip(y.into_no_null_iter().zip(x.into_no_null_iter()));
    let wrong = rows.filter(|(f, (y, x))| truth[*f as usize].iter().all(|t| (t.0 - y).hypot(t.1 - x) > 3.0));
    wrong.count() as f64 / truth.len() as f64
}

/// What is announced is what the movie itself has of detections that are no defect, and for perfect crystals what one of
/// another seed gives, within a factor of two and the Poisson scatter of both: at the usual threshold, and at one that
/// lets much noise through.
#[test]
fn false_alarms_are_as_many_as_announced() {
    let (recording, shared, _) = good();
    let detector = shared.detector();
    let perfect = perfect_crystal(4);
    let movie = perfect.simulate(77).unwrap().movie;
    for threshold in [0.5, 0.3, Decoding::default().threshold, 0.15] {
        let decoding = |s: Surrogates| Decoding::default().with_threshold(threshold).with_surrogates(s);
        let surrogates = Surrogates::default().with_frames(1).with_experiment(perfect.clone());
        let found = detector.find_with(&recording.movie, &decoding(surrogates), &mut ()).unwrap();
        let announced = found.false_alarms().unwrap().clone();
        let real = detector.find_with(&movie, &decoding(Surrogates::default().with_frames(0)), &mut ()).unwrap();
        assert!(real.false_alarms().is_none());
        let real = real.len() as f64 / movie.len() as f64;
        let own = wrong_a_frame(&found, recording);
        println!("threshold {threshold}: {announced:?}; there are {own:.1}, a perfect crystal gives {real:.1} a frame");
        let kinds: Vec<_> = announced.kinds.iter().map(|k| k.kind.as_str()).collect();
        // Where nearly every cell holds a detection there are none to resample.
        assert!(kinds == ["noise", "sites", "simulated"] || (threshold < 0.2 && kinds == ["noise", "simulated"]));
        for kind in &announced.kinds {
            let (low, high) = kind.interval();
            let real = if kind.kind == "simulated" { real } else { own };
            assert!(real < 2.0 * high && real > low / 2.0 - 1.0, "{real}, announced {low} to {high} by {}", kind.kind);
        }
    }
}

/// Table, patches, areas and false alarms come back as they were saved, and go along with rows that are taken and columns
/// that are added.
#[test]
fn everything_reads_back_and_goes_along() {
    let (_, _, found) = good();
    let folder = Folder::new("decoded");
    found.save(folder.join("defects")).unwrap();
    let loaded = Defects::load(folder.join("defects")).unwrap();
    assert!(loaded.table().equals_missing(found.table()));
    assert_eq!(loaded.areas(), found.areas());
    assert_eq!(loaded.false_alarms(), found.false_alarms());
    let told = |defects: &Defects| -> Vec<_> {
        let of = |s: &SurrogateFrames| {
            let frames: Vec<Array2<f32>> = s.movie.frames().map(|f| f.unwrap().data).collect();
            assert!(s.defects.surrogates().is_empty());
            (s.kind.clone(), frames, s.movie.calibration(), s.defects.patches().clone(), s.defects.areas().cloned())
        };
        defects.surrogates().iter().map(of).collect()
    };
    assert_eq!(told(found).iter().map(|s| s.0.as_str()).collect::<Vec<_>>(), ["noise", "sites"]);
    assert!(told(&loaded) == told(found));
    for (a, b) in loaded.surrogates().iter().zip(found.surrogates()) {
        assert!(a.defects.table().equals_missing(b.defects.table()));
    }
    let some = found.filter(&(0..found.len()).map(|i| i % 2 == 0).collect::<Vec<_>>()).unwrap();
    assert_eq!((some.areas(), some.false_alarms()), (found.areas(), found.false_alarms()));
    let classes = KMeans::new(2).fit(found).unwrap();
    assert!(classes.defects.areas().is_some() && classes.defects.table().column("sign").is_ok());
    assert!(format!("{found:?}").contains("Noise alone: about"), "{found:?}");
}

/// Surrogate frames are the movie's own without its defects: as like it as two of its frames are, in its own units, and where
/// Mo stood there is W. What was found in them is what is announced.
#[test]
fn surrogate_frames_are_the_movies_own_without_its_defects() {
    let (recording, shared, _) = good();
    let movie = &recording.movie;
    let decoding = Decoding::default().with_surrogates(Surrogates::default().with_frames(movie.len()));
    let found = shared.detector().find_with(movie, &decoding, &mut ()).unwrap();
    let alarms = found.false_alarms().unwrap();
    assert_eq!(found.surrogates().len(), 2);
    for (surrogate, alarm) in found.surrogates().iter().zip(&alarms.kinds) {
        assert_eq!((&surrogate.kind, surrogate.movie.len()), (&alarm.kind, movie.len()));
        assert_eq!(surrogate.movie.calibration(), movie.calibration());
        assert_eq!(surrogate.defects.areas().unwrap().frames().len(), movie.len());
        for (frame, &detections) in alarm.detections.iter().enumerate() {
            assert_eq!(surrogate.defects.positions(frame as u32).unwrap().len(), detections as usize);
            let (own, without) = (movie.frame(frame).unwrap().data, surrogate.movie.frame(frame).unwrap().data);
            let level = (without.mean().unwrap(), own.mean().unwrap());
            assert!((level.0 / level.1 - 1.0).abs() < 0.02, "{level:?}");
            // The brightest of what is near each Mo, in both.
            let near = |image: &Array2<f32>, (y, x): (f32, f32)| {
                let (y, x) = (y.round() as usize, x.round() as usize);
                image.slice(s![y - 1..y + 2, x - 1..x + 2]).mean().unwrap()
            };
            let inside = |v: f32| v > 4.0 && v < SIZE as f32 - 5.0;
            let molybdenum = common::truth(&recording.truth, frame as u32, "Mo_W");
            let inside: Vec<_> = molybdenum.into_iter().filter(|p| inside(p.0) && inside(p.1)).collect();
            assert!(inside.len() > 5, "{inside:?}");
            let rise = inside.iter().map(|&p| near(&without, p) / near(&own, p)).sum::<f32>() / inside.len() as f32;
            assert!(rise > 1.3, "Mo became W: {rise}");
        }
    }
}

/// Where there is no defect, no class is a finding, whatever is sorted and however much noise is let through. Where there are,
/// Mo is one. Patches cut anew are on the scale of the movie's.
#[test]
fn classes_of_noise_are_no_findings() {
    let (recording, shared, _) = good();
    let detector = shared.detector();
    let perfect = perfect_crystal(6);
    let mut sorted = 0;
    for seed in [77, 78, 79] {
        let nothing = perfect.simulate(seed).unwrap().movie;
        for threshold in [0.3, Decoding::default().threshold, 0.1] {
            let surrogates = Surrogates::default().with_frames(6);
            let decoding = Decoding::default().with_threshold(threshold).with_surrogates(surrogates);
            let found = detector.find_with(&nothing, &decoding, &mut ()).unwrap();
            if found.len() < 8 {
                continue;
            }
            sorted += 1;
            let classes = GaussianMixture::new(3).fit(&found).unwrap();
            println!("seed {seed}, threshold {threshold}: {classes:?}");
            assert!((0..classes.len() as u32).all(|c| !classes.noise(c).unwrap().unwrap().finding), "{classes:?}");
            assert!(classes.findings().unwrap().is_empty());
        }
    }
    assert!(sorted >= 5, "noise was sorted in {sorted} movies");
    let surrogates = Surrogates::default().with_frames(6);
    let found =
        detector.find_with(&recording.movie, &Decoding::default().with_surrogates(surrogates), &mut ()).unwrap();
    let lattice = Lattice::find(&recording.movie.frame(0).unwrap().data).unwrap();
    let patches = comparable_patches(&found, &recording.movie, &lattice).unwrap();
    let species = Material::Ws2.sort(&patches, &recording.movie, &lattice, 1).unwrap();
    println!("{species:?}");
    let findings = species.findings().unwrap();
    assert!(findings.of_species("Mo_W").unwrap().len() == species.of_species("Mo_W").unwrap().len());
    assert_eq!(findings.defects.len(), findings.counts.iter().sum::<usize>());
    assert!(patches.surrogates().iter().any(|s| !s.defects.is_empty()));
    for surrogate in patches.surrogates().iter().filter(|s| !s.defects.is_empty()) {
        let mean = surrogate.defects.patches().mean_axis(ndarray::Axis(0)).unwrap();
        // A perfect cell has a contrast of 1; means of few patches have some noise, and false detections are not quite perfect.
        assert!((mean.std(0.0) - 1.0).abs() < 0.3 && mean.mean().unwrap().abs() < 0.3, "{mean:?}");
    }
}

/// The movie with its frames changed.
fn changed(movie: &Movie, change: impl Fn(usize, Array2<f32>) -> Array2<f32>) -> Movie {
    let mut stack = Array3::zeros((movie.len(), movie.height(), movie.width()));
    for (i, mut frame) in stack.outer_iter_mut().enumerate() {
        frame.assign(&change(i, movie.frame(i).unwrap().data));
    }
    Movie::from_array(stack).unwrap().with_calibration(movie.calibration())
}

#[test]
fn frames_that_cannot_be_decoded_are_named() {
    let (recording, shared, _) = good();
    let detector = shared.detector();
    let find = |movie: &Movie| message(detector.find_with(movie, &Decoding::default(), &mut ()));
    let nan = changed(&recording.movie, |i, mut data| {
        data[[7, 9]] = if i == 4 { f32::NAN } else { data[[7, 9]] };
        data
    });
    let said = find(&nan);
    assert!(said.contains("frame 4") && said.contains("y = 7, x = 9"), "{said}");
    let shrinking = recording.movie.map("shrink", |frame| {
        let side = if frame.index > 2 { 200 } else { 256 };
        frame.data.slice(s![..side, ..side]).to_owned()
    });
    let said = find(&shrinking);
    assert!(said.contains("frame 3") && said.contains("200 x 200") && said.contains("256 x 256"), "{said}");
    let said = find(&recording.movie.crop(..40, ..40).unwrap());
    assert!(said.contains("40 x 40") && said.contains("smaller than what the network looks at"), "{said}");
    assert!(message(Movie::from_array(Array3::zeros((0, 64, 64)))).contains("empty"));
    for (decoding, word) in [
        (Decoding::default().with_saddle(1.5), "saddle = 1.5"),
        (Decoding::default().with_apart_periods(-1.0), "apart_periods = -1"),
        (Decoding::default().with_most_px(Some(7)), "most_px = 7"),
        (Decoding::default().with_surrogates(Surrogates::default().with_frames(5000)), "frames = 5000"),
    ] {
        let said = message(detector.find_with(&recording.movie, &decoding, &mut ()));
        assert!(said.contains(word), "{said}");
        assert!(detector.stream().with_decoding(decoding).is_err());
    }
}

/// Vacuum (also exactly dark), and a detector at its limit: no defect there, the frame is a hole or it is not lattice;
/// the others are as they were.
#[test]
fn vacuum_and_saturated_frames_hold_no_defects() {
    let (recording, shared, found) = good();
    let detector = shared.detector();
    let movie = changed(&recording.movie, |i, data| match i {
        0 => Array2::zeros(data.dim()),
        2 => Array2::from_shape_fn(data.dim(), |(y, x)| f32::from(u8::from((y * 7919 + x * 104_729) % 13 == 0))),
        3 => Array2::from_elem(data.dim(), 4095.0),
        _ => data,
    });
    let decoded = detector.find_with(&movie, &Decoding::default(), &mut ()).unwrap();
    let areas = decoded.areas().unwrap().frames();
    for frame in [0, 2, 3] {
        assert!(decoded.positions(frame).unwrap().is_empty(), "frame {frame}");
        assert_eq!(areas[frame as usize].lattice_nm2, 0.0, "frame {frame}");
    }
    assert!(areas[0].amorphous_nm2 == 0.0 && areas[2].amorphous_nm2 == 0.0 && areas[3].hole_nm2 == 0.0);
    for frame in [1, 4, 5] {
        // The lattice is known from another frame, so that what is hardly probable enough may not be, and the reverse.
        let (now, then) = (decoded.positions(frame).unwrap().len(), found.positions(frame).unwrap().len());
        assert!(now.abs_diff(then) <= 1 + then / 20, "{now} {then}");
    }
    // Saturated where it is brightest: defects are still found.
    let cut = changed(&recording.movie, |_, data| data.mapv(|v| v.min(75.0)));
    let cut = detector.find_with(&cut, &Decoding::default(), &mut ()).unwrap();
    assert!(cut.len() * 2 > found.len(), "{} of {}", cut.len(), found.len());
    let vacuum = Movie::from_array(Array3::zeros((2, SIZE, SIZE))).unwrap();
    assert!(message(detector.find_with(&vacuum, &Decoding::default(), &mut ())).contains("constant"));
}

/// Work that is stopped says how far it was.
#[test]
fn the_search_can_be_stopped() {
    struct After(usize);
    impl Progress for After {
        fn update(&mut self, done: usize, _: usize, note: &str) {
            assert!(done == 0 || note.contains("defects"), "{note}");
            self.0 = self.0.saturating_sub(1);
        }
        fn interrupted(&self) -> bool {
            self.0 == 0
        }
    }
    let (recording, shared, _) = good();
    let decoding = Decoding::default().with_batch(2);
    let said = message(shared.detector().find_with(&recording.movie, &decoding, &mut After(3)));
    assert!(said.contains("interrupted after 4 of 6 frames"), "{said}");
}

#[test]
fn figures_of_scores_and_areas_are_drawn() {
    let (recording, _, found) = good();
    let scores = Scores::of(&[(found, recording)]).unwrap();
    let columns = recording.experiment.matter.evolve(8.0, 1, 5.0, 1).unwrap().columns(0);
    let options = LimitOptions::default().with_frames(20).with_draws(4).with_sites(4);
    let limit = detection_limit(&recording.experiment.imaging, &columns, &options).unwrap();
    let figure = scores.figure(Some(&limit));
    let svg = figure.to_svg().unwrap();
    for words in ["dark on a W site: F1", "limit of Mo_W: F1", "limit of V_2S: F1", "recall", "precision"] {
        assert!(svg.contains(words), "{words}");
    }
    let areas = found.areas().unwrap().figure();
    assert!(areas.to_svg().unwrap().contains("amorphous"));
    assert!(scores.reliability().figure().to_svg().unwrap().contains("calibration error"));
    let counts = found.counts_figure().unwrap();
    assert!(counts.to_svg().unwrap().contains("noise alone"));
    let marked = found.figure(&recording.movie.frame(1).unwrap()).unwrap();
    assert!(marked.to_svg().unwrap().contains("too dark"));
    if let Some(folder) = std::env::var_os("ATOMOTION_FIGURES") {
        let folder = std::path::PathBuf::from(folder);
        for (name, figure) in [
            ("scores.png", figure),
            ("areas.png", areas),
            ("counts.png", counts),
            ("marked.png", marked),
            ("reliability.png", scores.reliability().figure()),
        ] {
            figure.save(folder.join(name)).unwrap();
        }
    }
}
