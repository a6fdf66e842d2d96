//! The Markov model on simulated specimens and movies, whose rates and states are known.

use atomotion::markov::{Reading, best_f1, mean_of_frames, sum_of_ratios};
use atomotion::prelude::*;
use atomotion::simulate::{Around, Occupant, Rate, State};
use ndarray::{Axis, array};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// WS2 whose vacancies hop often enough to be counted: 0.15 hops a frame of 5 s.
fn lively() -> Matter {
    let mut matter = Matter::ws2();
    let per_frame = 6.0 * 1e-10 * matter.beam.dose_rate_e_nm2_s * 5.0;
    matter.kinetics.hop = Rate { barrier_ev: 1.9, barn: 0.15 / per_frame };
    // Columns that lack both atoms stay: a state that lumps them with others has no rate of its own.
    (matter.composition.single, matter.composition.double) = (0.02, 0.0);
    matter.composition.dopant = 0.04;
    matter
}

/// Tracks of dopants, from the specimen's own states.
fn dopants(matter: &Matter, states: &States, seed: u64) -> Sequences {
    let evolution = matter.evolve(16.0, 48, 5.0, seed).unwrap();
    let of = |site: usize| -> Option<Vec<usize>> {
        (0..evolution.len())
            .map(|t| states.of_configuration(evolution.specimen(t).state(evolution.sites(), site)))
            .collect()
    };
    let tracks: Vec<Vec<usize>> = (0..evolution.sites().len()).filter_map(of).collect();
    Sequences::from_states(states.names(), &tracks).unwrap()
}

const COMPLEXES: [&str; 8] =
    ["Mo_W", "Mo_W+V_S/0", "Mo_W+V_S/1", "Mo_W+V_S/2", "Mo_W+2V_S/0", "Mo_W+2V_S/1", "Mo_W+2V_S/2", "Mo_W+3V_S"];

/// Physics from the table against kinetic Monte Carlo: the effective rates of a complex are those that its vacancies have
/// one by one. Dopants are few: a vacancy between two of them is held by both, which a state of one does not know.
#[test]
fn rates_from_the_table_are_those_of_the_simulation() {
    let mut matter = lively();
    matter.composition.dopant = 0.004;
    let states = States::of(&matter.crystal).select(&COMPLEXES).unwrap();
    let chain = Physics::of(&matter, &states).chain(5.0).unwrap();
    let mut sequences = dopants(&matter, &states, 1);
    for seed in 2..25 {
        sequences.tracks.extend(dopants(&matter, &states, seed).tracks);
    }
    let estimate =
        Estimation::default().with_prior(Some(chain.clone())).with_strength(0.1).of(&sequences, 5.0).unwrap();
    let at = |p: &Array2<f64>, from: &str, to: &str| p[[states.index(from).unwrap(), states.index(to).unwrap()]];
    let mean =
        |p: &Array2<f64>, of: &[(&str, &str)]| of.iter().map(|(a, b)| at(p, a, b)).sum::<f64>() / of.len() as f64;
    let turns: Vec<(&str, &str)> =
        (1..4).flat_map(|i| (1..4).filter(move |j| i != *j).map(move |j| (COMPLEXES[i], COMPLEXES[j]))).collect();
    let (leaves, comes): (Vec<_>, Vec<_>) = (1..4).map(|i| ((COMPLEXES[i], "Mo_W"), ("Mo_W", COMPLEXES[i]))).unzip();
    // Turns within a factor of 1.4: more and more columns lack both atoms, which hardly turn. What leaves often comes back:
    // a surrounding is no reservoir.
    for (name, which, within) in [("turns", &turns, 1.4), ("leaves", &leaves, 1.35), ("comes", &comes, 1.6)] {
        let (physics, found) = (mean(&chain.probabilities, which), mean(&estimate.chain.probabilities, which));
        println!("{name}: physics {physics:.5}, counted {found:.5}");
        assert!((physics / found).ln().abs() < f64::ln(within), "{name}: physics {physics:.5}, counted {found:.5}");
    }
    // What is forbidden does not happen, but for two moves within one frame, which the exponential has.
    assert!(estimate.forbidden().is_empty(), "{:?}", estimate.forbidden());
}

/// Complexes by themselves turn at the table's rate; those whose column lacks both atoms, or belongs to a second dopant,
/// hardly do: what a state does not tell apart, and `turning` stands for.
#[test]
fn a_complex_by_itself_turns_at_the_rate_of_the_table() {
    let mut matter = lively();
    (matter.composition.dopant, matter.composition.single) = (0.02, 0.01);
    let states = States::of(&matter.crystal).select(&COMPLEXES).unwrap();
    let physics = Physics::of(&matter, &states);
    let alone = physics.clone().with_turning(1.0).chain(5.0).unwrap().probabilities[[1, 2]];
    // Frames and turns of complexes: by themselves, and the others.
    let (mut frames, mut turns) = ([0.0; 2], [0.0; 2]);
    for seed in 0..12 {
        let evolution = matter.evolve(16.0, 48, 5.0, 400 + seed).unwrap();
        let table = evolution.sites().table().unwrap();
        let bonds: Vec<Vec<Option<u32>>> =
            (0..3).map(|k| table.column(&format!("bond_{k}")).unwrap().u32().unwrap().iter().collect()).collect();
        let (sites, bond) = (evolution.sites(), |site: usize, k: usize| bonds[k][site].map(|b| b as usize));
        for t in 1..evolution.len() {
            let (before, after) = (evolution.specimen(t - 1), evolution.specimen(t));
            for site in 0..sites.len() {
                let (State::Dopant { vacant }, State::Dopant { vacant: next }) =
                    (before.state(sites, site), after.state(sites, site))
                else {
                    continue;
                };
                if vacant.count_ones() != 1 || (0..3).any(|k| bond(site, k).is_none()) {
                    continue;
                }
                let column = bond(site, vacant.trailing_zeros() as usize).unwrap();
                let hosts = || (0..3).filter_map(|k| bond(column, k));
                let dopants = hosts().filter(|h| before.occupant(*h) == Occupant::Dopant).count();
                let near = hosts().flat_map(|h| (0..3).filter_map(move |k| bond(h, k)));
                let crowd = near.filter(|c| *c != column && before.occupant(*c).missing() > 0).count();
                let lacks = before.occupant(column).missing();
                let which = match (lacks, dopants, crowd) {
                    (1, 1, 0) => 0,
                    (1, 1, _) => continue,
                    _ => 1,
                };
                frames[which] += 1.0;
                turns[which] += 0.5 * f64::from(u8::from(next.count_ones() == 1 && next != vacant));
            }
        }
    }
    let [own, held] = [turns[0] / frames[0], turns[1] / frames[1]];
    println!("by themselves {own:.4} of {alone:.4} in {} frames; held {held:.4} in {}", frames[0], frames[1]);
    // Some 3000 frames with 400 turns: 5 % of counting error.
    assert!(frames[0] > 1000.0 && (own / alone - 1.0).abs() < 0.15, "{own} {alone}");
    assert!(frames[1] > 300.0 && held < 0.25 * alone, "{held} {alone}");
    assert!((0.4..0.95).contains(&physics.turning), "{}", physics.turning);
}

#[test]
fn wrong_physics_is_accused_by_tracks_of_the_simulation() {
    let matter = lively();
    let states = States::of(&matter.crystal).select(&COMPLEXES).unwrap();
    let sequences = dopants(&matter, &states, 2);
    let right = Physics::of(&matter, &states);
    let slow = right.clone().with_hop_barn(0.1 * right.hop_barn).chain(5.0).unwrap();
    let verdict = contradictions(&sequences, &slow, 1).unwrap();
    assert!(verdict.disagrees() && verdict.found().any(|c| c.count > c.expected), "{verdict:?}");
    let still = right.forbid("Mo_W+V_S/0", "Mo_W+V_S/1").chain(5.0).unwrap();
    let verdict = contradictions(&sequences, &still, 1).unwrap();
    assert!(verdict.found().any(|c| c.from == "Mo_W+V_S/0" && c.to.as_deref() == Some("Mo_W+V_S/1")), "{verdict:?}");
}

/// A table of tracks as classifiers give it: some rows wrong, some frames missing.
fn noisy_table(states: &States, seed: u64) -> (DataFrame, Vec<Vec<usize>>) {
    let chain = Physics::of(&lively(), states).chain(5.0).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut track, mut frame, mut species, mut sure) = (vec![], vec![], vec![], vec![]);
    let mut truth = vec![];
    for t in 0..60_u32 {
        let mut at = t as usize % states.len();
        let mut path = vec![];
        for f in 0..30_u32 {
            path.push(at);
            let inner = f > 0 && f < 29;
            if !(inner && rng.r#gen::<f64>() < 0.1) {
                let wrong = rng.r#gen::<f64>() < 0.2;
                let called = if wrong { rng.gen_range(0..states.len()) } else { at };
                track.push(t);
                frame.push(f + 5);
                species.push(states.kinds[called].name.clone());
                sure.push(if wrong { 0.5 } else { 0.8_f32 });
            }
            let mut left: f64 = rng.r#gen();
            at = chain
                .probabilities
                .row(at)
                .iter()
                .position(|p| {
                    left -= p;
                    left < 0.0
                })
                .unwrap_or(at);
        }
        truth.push(path);
    }
    (df!("track" => track, "frame" => frame, "species" => species, "p" => sure).unwrap(), truth)
}

#[test]
fn tracks_correct_classes_fill_gaps_and_say_why() {
    let states = States::ws2().select(&COMPLEXES[..4]).unwrap();
    let (table, truth) = noisy_table(&states, 3);
    let chain = Physics::of(&lively(), &states).chain(5.0).unwrap();
    let confusion = Array2::from_shape_fn((4, 4), |(i, j)| if i == j { 0.85 } else { 0.05 });
    let hidden = Hidden::from_confusion(chain, confusion, &[0.9; 4]).unwrap();
    let read = hidden.read(&table, "species", Some("p")).unwrap();
    assert_eq!(read.table.height(), table.height());
    let errors = |of: &dyn Fn(&Reading, usize) -> Option<usize>| -> f64 {
        let mut wrong = (0.0, 0.0);
        for r in &read.readings {
            for (t, &true_state) in truth[r.track as usize].iter().enumerate().take(r.rows.len()) {
                if let Some(state) = of(r, t) {
                    wrong = (wrong.0 + f64::from(u8::from(state != true_state)), wrong.1 + 1.0);
                }
            }
        }
        wrong.0 / wrong.1
    };
    let called = |row: usize| states.index(table.column("species").unwrap().str().unwrap().get(row).unwrap()).unwrap();
    let before = errors(&|r, t| r.rows[t].map(called));
    let best =
        |r: &Reading, t: usize| (0..4).max_by(|&a, &b| r.posterior[[t, a]].total_cmp(&r.posterior[[t, b]])).unwrap();
    let after = errors(&|r, t| r.rows[t].map(|_| best(r, t)));
    let filled = errors(&|r, t| r.rows[t].is_none().then(|| best(r, t)));
    println!("errors: {before:.3} alone, {after:.3} in tracks, {filled:.3} where nothing was detected");
    assert!(before > 0.12 && after < 0.5 * before && filled < 0.15, "{before} {after} {filled}");
    assert_eq!(read.gaps().unwrap().height(), 60 * 30 - table.height());
    // Why: the three parts multiply to the whole.
    let reading = read.readings.iter().find(|r| r.rows.iter().any(Option::is_none)).unwrap();
    for t in [0, reading.rows.iter().position(Option::is_none).unwrap(), 29] {
        let why = read.why(reading.track, 5 + t as u32).unwrap();
        let product: Vec<f64> = (0..4).map(|s| why.before[s] * why.here[s] * why.after[s]).collect();
        let sum: f64 = product.iter().sum();
        assert!(product.iter().zip(&why.posterior).all(|(p, q)| (p / sum - q).abs() < 1e-9), "{why:?}");
    }
    assert!(format!("{:?}", read.why(0, 7).unwrap()).contains("before"));
    assert!(read.why(0, 4).unwrap_err().to_string().contains("5 to 34"));
    assert!(read.why(999, 7).is_err());
}

#[test]
fn what_may_turn_into_what_scores_links() {
    let states = States::ws2().select(&["Mo_W", "V_S", "V_2S"]).unwrap();
    let chain = Physics::of(&Matter::ws2(), &states).chain(5.0).unwrap();
    let hidden = Hidden::from_confusion(chain, Array2::eye(3), &[0.9; 3]).unwrap();
    let track = array![[1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]];
    let same = hidden.link_score(&track, &array![1.0, 0.0, 0.0, 0.0], 1).unwrap();
    let other = hidden.link_score(&track, &array![0.0, 1.0, 0.0, 0.0], 3).unwrap();
    assert!(same > 0.0 && other == f64::NEG_INFINITY, "{same} {other}");
    let vacancy = array![[0.0, 1.0, 0.0, 0.0]];
    let grows = hidden.link_score(&vacancy, &array![0.0, 0.0, 1.0, 0.0], 1).unwrap();
    assert!(grows.is_finite() && grows < same, "{grows}");
    assert!(hidden.link_score(&track, &array![1.0, 0.0, 0.0, 0.0], 0).is_err());
}

const HOSTS: [(&str, [u8; 3]); 3] = [("W", [74, 0, 0]), ("Mo_W", [42, 0, 0]), ("V_W", [0, 0, 0])];
const COLUMNS: [(&str, [u8; 3]); 3] = [("2S", [16, 16, 0]), ("V_S", [16, 0, 0]), ("V_2S", [0, 0, 0])];

/// One small movie in which V_2S hops, at a dose where one frame shows few of them.
#[test]
fn a_movie_is_read_in_space_and_time() {
    let mut matter = Matter::ws2();
    matter.composition = matter.composition.with_single(0.0).with_double(0.012).with_antisite(0.0).with_adatom(0.0);
    matter.composition.dopant = 0.02;
    let per_frame = 6.0 * 1e-10 * matter.beam.dose_rate_e_nm2_s * 5.0;
    matter.kinetics.pair_hop = Rate { barrier_ev: 1.9, barn: 0.1 / per_frame };
    let imaging = Imaging::as_recorded().with_size_px(160).with_s_per_frame(5.0).with_counts_at_w(20.0);
    let recording = Experiment::ws2().with_matter(matter).with_imaging(imaging).with_frames(24).simulate(10).unwrap();
    let hops = recording.evolution.events().iter().filter(|e| e.step.name() == "pair hop").count();
    println!("{hops} hops");
    let columns = recording.evidence(&COLUMNS, Around::Truth).unwrap();
    assert_eq!(columns.log_ratio.index_axis(Axis(2), 0).sum(), 0.0, "ratios to the perfect column");
    let hopping = HoppingVacancies::new(2).with_hops(vec![0.02, 0.1]).with_start(vec![0.001, 0.012]);
    let posterior = hopping.posterior(&columns.log_ratio, &columns.neighbours).unwrap();
    let f1 = |score: &Array2<f64>| best_f1(score, &columns.truth, &columns.shown, 2).unwrap().f1;
    let of = |p: &Array3<f64>| f1(&p.index_axis(Axis(2), 2).to_owned());
    let (ours, mean) = (of(&posterior), f1(&mean_of_frames(&columns.log_ratio, 2)));
    let sum = f1(&sum_of_ratios(&columns.log_ratio, &[0.987, 0.001, 0.012], 2));
    let single = f1(&columns.log_ratio.index_axis(Axis(2), 2).to_owned());
    println!("V_2S that hops: F1 {ours:.3}; one frame {single:.3}, mean of frames {mean:.3}, sum of ratios {sum:.3}");
    assert!(hops > 4 && ours > 0.9 && ours > single && ours > mean + 0.05 && ours > sum + 0.05);
    // What stays is found by the sites alone.
    let hosts = recording.evidence(&HOSTS, Around::Perfect).unwrap();
    let names = HOSTS.iter().map(|h| h.0.to_string()).collect();
    let model = SiteModel::new(Chain::new(names, Array2::eye(3), 5.0).unwrap(), array![0.979, 0.02, 0.001]).unwrap();
    let posterior = model.posterior(&hosts.log_ratio).unwrap();
    let mo = best_f1(&posterior.index_axis(Axis(2), 1).to_owned(), &hosts.truth, &hosts.shown, 1).unwrap();
    assert!(mo.f1 > 0.97, "{mo:?}");
    // The figure that goes with it.
    let frame = recording.movie.frame(3).unwrap();
    let places: Vec<(f64, f64)> = (0..columns.sites.len()).map(|i| (40.0 + (i % 10) as f64, 60.0)).collect();
    let shown: Vec<f64> =
        (0..places.len()).map(|i| posterior.get([3, i, 1]).copied().unwrap_or(0.0).clamp(0.0, 1.0)).collect();
    assert!(site_map(&frame, &places, &shown, 4.0, "V_2S").unwrap().to_svg().unwrap().contains("probability of V_2S"));
}

/// A single vacancy moves its neighbours: evidence that leaves them in place calls it none where its surroundings are not
/// known, evidence that moves them along does not.
#[test]
fn a_faint_vacancy_is_seen_with_what_it_moves() {
    let mut matter = Matter::ws2();
    matter.composition = matter.composition.with_single(0.02).with_double(0.0).with_antisite(0.0).with_adatom(0.0);
    (matter.composition.dopant, matter.composition.host_vacancy) = (0.0, 0.0);
    let imaging = Imaging::as_recorded().with_size_px(128).with_counts_at_w(70.0);
    let recording = Experiment::ws2().with_matter(matter).with_imaging(imaging).with_frames(3).simulate(6).unwrap();
    let perfect = recording.weights();
    let sum = |around: Around| -> f64 {
        let evidence = recording.evidence(&COLUMNS[..2], around).unwrap();
        let there = evidence.truth.indexed_iter().filter(|(at, t)| evidence.shown[*at] && **t == 1);
        there.map(|(at, _)| evidence.log_ratio[[at.0, at.1, 1]]).sum()
    };
    let (still, moved) = (sum(Around::Perfect), sum(Around::Believed(perfect.view())));
    println!("evidence for the true vacancies: {still:.0} with neighbours in place, {moved:.0} moved along");
    assert!(moved > 0.0 && moved > still, "{still} {moved}");
}

/// Posteriors from the exact evidence are calibrated: of sites that are said to be Mo with probabilities between two
/// bounds, as many are. At this dose one frame leaves many in doubt.
#[test]
fn posteriors_from_the_exact_evidence_are_calibrated() {
    let mut matter = Matter::ws2();
    matter.composition.dopant = 0.1;
    let imaging = Imaging::as_recorded().with_size_px(192).with_counts_at_w(1.5);
    let recording = Experiment::ws2().with_matter(matter).with_imaging(imaging).with_frames(12).simulate(4).unwrap();
    let evidence = recording.evidence(&HOSTS[..2], Around::Truth).unwrap();
    let (mut said, mut is, mut all) = ([0.0; 4], [0.0; 4], [0.0; 4]);
    for (at, &truth) in evidence.truth.indexed_iter().filter(|(at, t)| evidence.shown[*at] && **t < 2) {
        let odds = 0.1 / 0.9 * f64::exp(evidence.log_ratio[[at.0, at.1, 1]]);
        let p = odds / (1.0 + odds);
        let bin = (4.0 * p) as usize;
        (said[bin], is[bin], all[bin]) = (said[bin] + p, is[bin] + truth as f64, all[bin] + 1.0);
    }
    println!("said {said:.0?}, is {is:.0?} of {all:.0?}");
    for bin in 0..4 {
        // Three standard deviations of a count; prevalences of a frame are alike, so that they count once in twelve frames.
        let spread = 3.0 * f64::sqrt(said[bin] * (1.0 - said[bin] / all[bin])) + 0.1 * said[bin];
        assert!((said[bin] - is[bin]).abs() < spread, "bin {bin}: {} said, {} are", said[bin], is[bin]);
    }
}

#[test]
fn figures_have_what_they_must_show() {
    let states = States::ws2().select(&COMPLEXES).unwrap();
    let chain = Physics::of(&lively(), &states).chain(5.0).unwrap();
    let map = chain.figure().to_svg().unwrap();
    assert!(COMPLEXES.iter().all(|name| map.contains(&format!("aria-label=\"{name}\""))), "{}", &map[..400]);
    let graph = chain.graph(&states, 1e-4).to_svg().unwrap();
    assert!(graph.contains("Mo_W+3V_S") && graph.matches("<circle").count() > 30);
    let four = states.select(&COMPLEXES[..4]).unwrap();
    let (table, _) = noisy_table(&four, 5);
    let hidden =
        Hidden::from_confusion(Physics::of(&lively(), &four).chain(5.0).unwrap(), Array2::eye(4), &[0.9; 4]).unwrap();
    let life = hidden.read(&table, "species", Some("p")).unwrap().life(1).unwrap().to_svg().unwrap();
    assert!(life.contains("frame") && life.contains("seen Mo_W"));
    for (name, figure) in [
        ("matrix", chain.figure()),
        ("graph", chain.graph(&states, 1e-4)),
        ("life", hidden.read(&table, "species", Some("p")).unwrap().life(1).unwrap()),
    ] {
        if let Some(folder) = std::env::var_os("ATOMOTION_FIGURES") {
            figure.save(std::path::Path::new(&folder).join(format!("{name}.png"))).unwrap();
        }
    }
}

#[test]
fn bad_tables_are_named() {
    let states = States::ws2().lumped();
    let names = states.names();
    let says = |table: DataFrame| Sequences::from_table(&table, "species", &names).unwrap_err().to_string();
    let frames =
        |f: Vec<u32>| df!("track" => vec![1_u32; f.len()], "species" => vec!["V_S"; f.len()], "frame" => f).unwrap();
    assert!(says(frames(vec![3, 3])).contains("track 1 has two rows in frame 3"));
    assert!(says(df!("frame" => [1_u32], "species" => ["V_S"]).unwrap()).contains("no column \"track\""));
    assert!(says(df!("track" => [1_u32], "frame" => [1_u32]).unwrap()).contains("\"species\""));
    assert!(
        says(df!("track" => [None::<u32>], "frame" => [1_u32], "species" => ["V_S"]).unwrap()).contains("no tracks")
    );
    assert!(
        says(df!("track" => [1_u32], "frame" => [1_u32], "species" => ["V_Se"]).unwrap()).contains("none")
            || says(df!("track" => [1_u32], "frame" => [1_u32], "species" => ["V_Se"]).unwrap()).contains("no row")
    );
    // Unsorted and missing frames are put right; one frame alone tells of no step.
    let sorted = Sequences::from_table(&frames(vec![9, 2, 4]), "species", &names).unwrap();
    assert_eq!(sorted.tracks[0].frames, [2, 4, 9]);
    assert_eq!(Sequences::from_table(&frames(vec![2]), "species", &names).unwrap().steps(), 0);
    let chain = Chain::new(vec!["V_S".into(), "V_2S".into()], array![[0.9, 0.1], [0.1, 0.9]], 5.0).unwrap();
    let hidden = Hidden::from_confusion(chain, Array2::eye(2), &[0.9, 0.9]).unwrap();
    let read = |table: DataFrame| hidden.read(&table, "species", Some("p")).unwrap_err().to_string();
    let row =
        |name: &str, p: f64| df!("track" => [1_u32], "frame" => [1_u32], "species" => [name], "p" => [p]).unwrap();
    assert!(read(row("Mo_W", 0.5)).contains("\"Mo_W\" is none of"));
    assert!(read(row("V_S", 1.5)).contains("1.5") && read(row("V_S", f64::NAN)).contains("NaN"));
    let sums = df!("track" => [1_u32], "frame" => [1_u32], "species" => ["V_S"], "p" => [0.5], "p_V_S" => [0.5], "p_V_2S" => [0.2]).unwrap();
    assert!(read(sums).contains("sum to 1"));
    // A confusion of certainties makes wrong turns impossible: it says so.
    let fixed = Chain::new(vec!["V_S".into(), "V_2S".into()], Array2::eye(2), 5.0).unwrap();
    let strict = Hidden::from_confusion(fixed, Array2::eye(2), &[1.0, 1.0]).unwrap();
    let turns = df!("track" => [1_u32, 1], "frame" => [1_u32, 2], "species" => ["V_S", "V_2S"]).unwrap();
    assert!(strict.read(&turns, "species", None).unwrap_err().to_string().contains("track 1: what was seen"));
}

#[test]
fn states_of_the_simulation_have_names_in_tables() {
    let states = States::ws2();
    assert_eq!(states.of_configuration(State::Lattice), Some(0));
    assert!(format!("{states:?}").contains("1 S missing"));
}
