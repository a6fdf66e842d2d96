//! Simulated recordings: the same everywhere, in the project's columns, true to their counts; and the datasets.

mod common;

use atomotion::movie::datasets;
use atomotion::prelude::*;
use atomotion::simulate::{Rate, Relaxation, State, dataset_names, make_dataset};
use common::{Folder, one_at_a_time};

fn small() -> Experiment {
    Experiment::ws2().with_frames(4).with_imaging(Experiment::ws2().imaging.with_size_px(128))
}

/// FNV-1a, by which the test below knows the bytes.
fn fingerprint(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn the_same_seed_is_the_same_movie_on_any_number_of_threads() {
    let recording = small().simulate(3).unwrap();
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let alone = one.install(|| small().simulate(3).unwrap());
    for frame in 0..4 {
        assert_eq!(recording.movie.frame(frame).unwrap().data, alone.movie.frame(frame).unwrap().data);
    }
    assert!(recording.truth.equals_missing(&alone.truth));
    assert!(!recording.truth.equals_missing(&small().simulate(4).unwrap().truth));
}

/// Every site's state in every frame of a whole movie, and every event's time to the last bit.
#[test]
fn the_events_of_a_seed_are_the_same_bytes_on_every_machine() {
    let evolution = Matter::ws2().evolve(12.0, 100, 5.0, 11).unwrap();
    let states = (0..evolution.len()).flat_map(|f| evolution.states(f)).map(|s| s.index() as u8);
    let events = evolution.events().iter().flat_map(|e| e.time_s.to_le_bytes());
    let places = evolution.columns(99).into_iter().flat_map(|c| [c.y_nm.to_le_bytes(), c.x_nm.to_le_bytes()].concat());
    let print = fingerprint(states.chain(events).chain(places));
    assert_eq!(
        print, 0x7661_a75f_d232_22e7,
        "{print:#018x}: if the simulation was changed on purpose, make the datasets anew"
    );
}

#[test]
fn truth_is_in_the_projects_columns_and_follows_the_image() {
    let mut experiment = small();
    experiment.imaging.drift_nm_per_s = [0.01, -0.02];
    let recording = experiment.simulate(5).unwrap();
    let truth = &recording.truth;
    let names: Vec<&str> = truth.columns().iter().map(|c| c.name().as_str()).collect();
    let expected = ["frame", "time_s", "species", "state", "site", "track", "y_px", "x_px", "y_nm", "x_nm"];
    assert_eq!(names, expected);
    assert_eq!(truth.column("track").unwrap().null_count(), 0, "every defect has a track");
    // A Mo stays: between frames it moves by the drift alone.
    let drift = recording.drift().unwrap();
    let shift = |frame: usize, axis: &str| drift.column(axis).unwrap().f64().unwrap().get(frame).unwrap();
    let place = |frame: u32, track: u32| {
        let column = |name: &str| truth.column(name).unwrap().u32().unwrap().clone();
        let row = (0..truth.height())
            .find(|&i| column("frame").get(i) == Some(frame) && column("track").get(i) == Some(track))?;
        let at = |name: &str| f64::from(truth.column(name).unwrap().f32().unwrap().get(row).unwrap());
        Some((at("y_px"), at("x_px")))
    };
    let species = truth.column("species").unwrap().str().unwrap();
    let tracks = truth.column("track").unwrap().u32().unwrap();
    let mut followed = 0;
    for i in (0..truth.height()).filter(|&i| species.get(i) == Some("Mo_W")) {
        let track = tracks.get(i).unwrap();
        if let (Some(a), Some(b)) = (place(0, track), place(3, track)) {
            let (y, x) = (shift(3, "y_px") - shift(0, "y_px"), shift(3, "x_px") - shift(0, "x_px"));
            // Neighbours' vacancies come and go: up to 0.4 pixel of relaxation. Drift is 4.7 and 9.4 pixels.
            assert!((b.0 - a.0 - y).abs() < 0.5 && (b.1 - a.1 - x).abs() < 0.5, "{a:?} to {b:?}, drift {y}, {x}");
            followed += 1;
        }
    }
    assert!(followed > 0);
}

/// A perfect crystal seen by a perfect microscope is brightest at its hosts, in every frame, where the table says.
#[test]
fn the_lattice_is_where_the_table_says() {
    let mut experiment = small();
    experiment.matter.composition = Composition::perfect();
    experiment.imaging = Imaging::ideal().with_size_px(128).with_counts_at_w(2000.0);
    experiment.imaging.drift_nm_per_s = [0.02, 0.01];
    let recording = experiment.simulate(1).unwrap();
    let (lattice, frame) = (recording.lattice(2).unwrap(), recording.movie.frame(2).unwrap());
    let column = |name: &str| lattice.column(name).unwrap().f32().unwrap().clone();
    let sublattice = lattice.column("sublattice").unwrap().u8().unwrap();
    let (y, x) = (column("y_px"), column("x_px"));
    let mut seen = 0;
    for i in (0..lattice.height()).filter(|&i| sublattice.get(i) == Some(0)) {
        let (cy, cx) = (y.get(i).unwrap(), x.get(i).unwrap());
        if !(6.0..121.0).contains(&cy) || !(6.0..121.0).contains(&cx) {
            continue;
        }
        let near = |v: f32| (v.round() as usize - 2)..=(v.round() as usize + 2);
        let (mut sum, mut sy, mut sx) = (0.0, 0.0, 0.0);
        for py in near(cy) {
            for px in near(cx) {
                let v = f64::from(frame.data[[py, px]]);
                (sum, sy, sx) = (sum + v, sy + v * py as f64, sx + v * px as f64);
            }
        }
        // The window's centre of mass is drawn to its middle, at most half a pixel away.
        let off = (sy / sum - f64::from(cy)).hypot(sx / sum - f64::from(cx));
        assert!(off < 0.5, "a W column is {off} pixels from where it should be");
        seen += 1;
    }
    assert!(seen > 100);
}

/// Known displacements: a lone Mo moves its three S by what the table says, and nothing else.
#[test]
fn relaxations_are_those_of_the_options() {
    let mut matter = Matter::ws2().with_composition(Composition::perfect().with_dopant(0.01));
    matter.relaxation = Relaxation::none().with_dopant_nm(0.01);
    matter.beam.dose_rate_e_nm2_s = 0.0;
    let evolution = matter.evolve(6.0, 1, 1.0, 4).unwrap();
    matter.relaxation = Relaxation::none();
    let still = matter.evolve(6.0, 1, 1.0, 4).unwrap();
    let moved: Vec<f64> = (evolution.columns(0).iter().zip(still.columns(0)))
        .map(|(a, b)| (a.y_nm - b.y_nm).hypot(a.x_nm - b.x_nm))
        .filter(|far| *far > 1e-12)
        .collect();
    let dopants = evolution.states(0).iter().filter(|s| matches!(s, State::Dopant { .. })).count();
    assert!(
        dopants > 1 && moved.len() <= 3 * dopants && moved.len() >= 3 * dopants - 4,
        "{} by {dopants}",
        moved.len()
    );
    assert!(moved.iter().all(|far| (far - 0.01).abs() < 1e-9), "{moved:?}");
}

#[test]
fn masks_show_the_nearest_defect() {
    let recording = small().simulate(2).unwrap();
    let mask = recording.mask(1, 0.1).unwrap();
    let lattice = recording.lattice(1).unwrap();
    let names: Vec<String> = State::ALL.iter().map(|s| s.name(&Crystal::ws2())).collect();
    let states = lattice.column("state").unwrap().str().unwrap();
    let (y, x) = (lattice.column("y_px").unwrap().f32().unwrap(), lattice.column("x_px").unwrap().f32().unwrap());
    let sites: Vec<(f32, f32, u8)> = (0..lattice.height())
        .map(|i| {
            let state = names.iter().position(|n| Some(n.as_str()) == states.get(i)).unwrap();
            (y.get(i).unwrap(), x.get(i).unwrap(), state as u8)
        })
        .collect();
    let reach = 0.1 / 0.032;
    for ((py, px), &value) in mask.indexed_iter().filter(|((py, px), _)| (4..124).contains(py) && (4..124).contains(px))
    {
        let far = |s: &&(f32, f32, u8)| (s.0 - py as f32).hypot(s.1 - px as f32);
        let nearest = sites.iter().filter(|s| s.2 > 0).min_by(|a, b| far(a).total_cmp(&far(b)));
        let slow = nearest.filter(|s| far(s) <= reach).map_or(0, |s| s.2);
        // Places are stored in single precision: at the very rim either answer is right.
        let rim = nearest.is_some_and(|s| (far(&s) - reach).abs() < 1e-3);
        assert!(rim || value == slow, "at {py}, {px}: {value}, not {slow}");
    }
    assert!(mask.iter().any(|&v| v > 0));
}

#[test]
fn other_lattices_live_by_the_same_description() {
    for (matter, dopant) in [(Matter::mos2(), "W_Mo"), (Matter::graphene(), "Si_C")] {
        let experiment = small().with_matter(matter.clone());
        let recording = experiment.simulate(1).unwrap();
        let species = recording.per_frame().unwrap();
        assert!(species.contains_key(dopant), "{species:?}");
        assert!(matter.generator().unwrap().height() > 5);
    }
    // At 60 kV no carbon leaves; S leaves MoS2 at 100 kV.
    let kinds = |matter: Matter| -> Vec<String> {
        let evolution = matter.evolve(10.0, 50, 5.0, 1).unwrap();
        evolution.events().iter().map(|e| e.step.name().to_owned()).collect()
    };
    assert!(!kinds(Matter::graphene()).contains(&"knock-out".to_owned()));
    assert!(kinds(Matter::mos2()).contains(&"knock-out".to_owned()));
}

/// The rates of the table are those of the formulas, and what is thermal is nothing at 300 K.
#[test]
fn the_generator_has_the_rates_of_the_formulas() {
    let matter = Matter::ws2();
    let table = matter.generator().unwrap();
    let text = |name: &str| table.column(name).unwrap().str().unwrap().clone();
    let number = |name: &str| table.column(name).unwrap().f64().unwrap().clone();
    let rate = |step: &str, around: &str, from: &str, to: &str| {
        let row = (0..table.height()).find(|&i| {
            let is = |name: &str, value: &str| text(name).get(i) == Some(value);
            is("move", step) && is("around", around) && is("from", from) && is("to", to)
        });
        let row = row.unwrap_or_else(|| panic!("no {step} from {from} to {to} around {around} in {table}"));
        (number("beam_per_s").get(row).unwrap(), number("thermal_per_s").get(row).unwrap())
    };
    let near = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-9, "{a} is not {b}");
    let kt = 8.617_333_262e-5_f64 * 300.0;
    let hop = 4.0 * 1e-4 / (6.0 * 0.3155 * 0.3155);
    near(rate("hop", "nothing", "V_S", "V_S").0, hop);
    near(rate("hop", "nothing", "V_S", "V_S").1, 1e13 * f64::exp(-1.9 / kt));
    near(rate("hop", "a dopant one step away", "V_S", "V_S@Mo_W").0, hop);
    near(rate("hop", "a dopant beside it", "V_S@Mo_W", "V_S").0, hop * f64::exp(-0.06 / kt));
    near(rate("turn", "a dopant beside it", "V_S@Mo_W", "V_S@Mo_W").0, 3.0 * hop);
    near(rate("hop", "a vacancy one step away", "V_S", "V_2S").0, 0.5 * hop);
    near(rate("hop", "nothing", "V_2S", "V_S").0, 2.0 * hop * f64::exp(-(0.16 - 0.02) / kt));
    let leave = |threshold: f64| matter.beam.displacement_barn(16, threshold).unwrap() * 1e-10 * 2e4;
    near(rate("knock-out", "nothing", "lattice", "V_S").0, 2.0 * leave(7.0));
    near(rate("knock-out", "nothing", "V_S", "V_2S").0, leave(6.95));
    near(rate("edge reconstructs", "a hole of one host beside it", "hole_edge", "hole_edge'").0, 0.01);
    // The fastest thermal move takes ten thousand years; the slowest driven one a few days.
    let all = |name: &str| number(name).iter().flatten().collect::<Vec<f64>>();
    assert!(all("thermal_per_s").iter().all(|r| *r < 1e-11) && all("beam_per_s").iter().all(|r| *r > 1e-6));
}

/// Twenty replicas, at the default rates: probabilities against what the rates say for one site.
#[test]
fn transition_counts_are_those_of_the_rates() {
    let mut matter = Matter::ws2().with_composition(Composition::perfect().with_single(0.001));
    // Vacancies far from each other, that never leave or multiply: a hop away is all that can happen.
    matter.kinetics = matter.kinetics.with_displacement_ev(30.0).with_growth(Rate { barrier_ev: 9.0, barn: 0.0 });
    let transitions = matter.transitions(12.0, 60, 5.0, 20, 1).unwrap();
    let (vacancy, lattice) = (State::Vacancy { missing: 1, bound: false }.index(), State::Lattice.index());
    let p = transitions.probabilities();
    // Gone after 5 s with probability 1 - exp(-Γ t), less those that have come back (one in six hops at most).
    let gone = 1.0 - (-5.0 * 4.0 * 1e-4_f64 / (0.3155 * 0.3155)).exp();
    let n = transitions.counts.row(vacancy).sum() as f64;
    let error = 4.0 * (gone * (1.0 - gone) / n).sqrt();
    assert!((p[[vacancy, lattice]] - gone).abs() < error, "{} is not {gone} ± {error}", p[[vacancy, lattice]]);
    assert_eq!(transitions.lumped().counts.sum(), transitions.counts.sum());
    assert_eq!(transitions.replicas, 20);
    let table = transitions.table().unwrap();
    assert!(table.height() >= 4, "{table}");
}

/// Turning is symmetric: each orientation of a complex goes to each other equally often.
#[test]
fn orientations_of_a_complex_are_alike() {
    let mut matter = Matter::ws2().with_composition(Composition::perfect().with_dopant(0.05).with_single(0.02));
    matter.kinetics = matter.kinetics.with_displacement_ev(30.0);
    let counts = matter.transitions(14.0, 100, 5.0, 40, 2).unwrap().counts;
    let state = |k: u8| State::Dopant { vacant: 1 << k }.index();
    let turned: Vec<f64> = (0..3)
        .flat_map(|a| (0..3).filter(move |b| *b != a).map(move |b| (a, b)))
        .map(|(a, b)| counts[[state(a), state(b)]] as f64)
        .collect();
    let mean = turned.iter().sum::<f64>() / 6.0;
    let chi2: f64 = turned.iter().map(|n| (n - mean) * (n - mean) / mean).sum();
    // Five degrees of freedom: above 20.5 once in a thousand. Turns back and forth make counts pairwise alike, not unlike.
    assert!(mean > 50.0 && chi2 < 25.0, "{turned:?}");
}

#[test]
fn options_that_make_no_sense_are_named() {
    let mut matter = Matter::ws2();
    matter.kinetics.temperature_k = -3.0;
    assert_eq!(matter.generator().unwrap_err().to_string(), "temperature_k = -3 is not valid: 1 to 5000 K");
    let error = Matter::ws2().with_composition(Composition::default().with_dopant(1.5)).evolve(5.0, 2, 1.0, 1);
    assert_eq!(error.unwrap_err().to_string(), "dopant = 1.5 is not valid: a fraction from 0 to 1");
    assert!(small().with_frames(0).simulate(1).unwrap_err().to_string().starts_with("frames = 0 is not valid"));
    assert!(small().simulate(1).unwrap().lattice(4).unwrap_err().to_string().starts_with("frame = 4 is not valid"));
    let mut square = Crystal::ws2();
    square.cell_nm = [[0.3, 0.0], [0.0, 0.3]];
    assert!(square.sites(3.0).unwrap_err().to_string().contains("bonds, not 3"));
}

#[test]
fn every_stored_dataset_is_what_its_manifest_says() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets");
    let known = datasets().unwrap();
    let mut names: Vec<&str> = known.keys().map(String::as_str).collect();
    let mut made = dataset_names();
    names.sort_unstable();
    made.sort_unstable();
    assert_eq!(names, made);
    let mut total = 0;
    for (name, dataset) in known.iter().filter(|(_, d)| d.stored) {
        for (file, is) in &dataset.files {
            let bytes = std::fs::metadata(folder.join(file)).unwrap().len();
            assert_eq!(bytes, is.bytes, "{file}");
            total += bytes;
        }
        let movie = Movie::dataset(name).unwrap();
        assert_eq!([movie.len(), movie.height(), movie.width()], dataset.shape);
        assert!(movie.frame(movie.len() - 1).unwrap().data.iter().all(|v| *v >= 0.0 && v.fract() == 0.0));
        assert!(dataset_truth(name).unwrap().height() > movie.len());
    }
    assert!(total < 18_000_000, "{total} bytes are too many for a repository");
    assert!(known["ws2-beam"].files["ws2-beam.npz"].bytes < 12_000_000);
    assert!(known["ws2-beam-recorded"].files["ws2-beam-recorded.npz"].bytes < 5_000_000);
    // Of both doses the same events.
    let (clean, recorded) = (dataset_events("ws2-beam").unwrap(), dataset_events("ws2-beam-recorded").unwrap());
    assert!(clean.height() > 100 && clean.equals_missing(&recorded));
}

#[test]
fn a_dataset_is_the_same_bytes_each_time() {
    let _alone = one_at_a_time();
    let folder = Folder::new("dataset");
    let made = make_dataset("ws2-tiny", folder.join("made")).unwrap();
    assert_eq!(made, datasets().unwrap()["ws2-tiny"]);
    let stored = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/ws2-tiny.npz");
    assert_eq!(std::fs::read(folder.join("made/ws2-tiny.npz")).unwrap(), std::fs::read(stored).unwrap());
}

#[test]
fn an_unknown_dataset_is_told_the_known_ones() {
    let error = Movie::dataset("ws2-bean").unwrap_err().to_string();
    assert!(error.contains("there is no dataset \"ws2-bean\"") && error.contains("ws2-beam-recorded"), "{error}");
}
