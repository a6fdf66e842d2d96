//! What `peers/bench_markov.py` runs beside hmmlearn and SciPy, and the benchmark on simulated movies and tracks.
//!
//! `bench_markov hmm FOLDER` reads tracks and matrices that the peer wrote, `bench_markov movies SEED MOVIES` measures
//! detection in space and time, `bench_markov tracks SEED` classification by tracks. Tables are Markdown.

use atomotion::Error;
use atomotion::markov::{
    Chain, Estimation, Generator, Hidden, HoppingVacancies, Learning, Physics, Sequences, SiteModel, States, best_f1,
    contradictions, mean_of_frames, running_mean, sum_of_ratios,
};
use atomotion::ndarray::{Array1, Array2, Array3, Axis};
use atomotion::simulate::{Around, Experiment, Imaging, Matter, Rate, Recording, SiteEvidence};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, or: u64| args.get(i).and_then(|a| a.parse().ok()).unwrap_or(or);
    match args.first().map(String::as_str) {
        Some("hmm") => hmm(Path::new(args.get(1).map_or(".", String::as_str))),
        Some("movies") => movies(number(1, 1), number(2, 5)),
        Some("tracks") => tracks(number(1, 1)),
        _ => Err(Error::Data("say hmm FOLDER, movies SEED MOVIES or tracks SEED".into())),
    }
}

fn read(path: &Path) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap_or_default())).collect()
}

fn write(path: &Path, values: impl Iterator<Item = f64>) {
    let bytes: Vec<u8> = values.flat_map(f64::to_le_bytes).collect();
    if let Err(problem) = std::fs::write(path, bytes) {
        eprintln!("{}: {problem}", path.display());
    }
}

/// Log-likelihoods and posteriors of the peer's tracks, and exponentials of its matrices.
fn hmm(folder: &Path) -> Result<(), Error> {
    let start = Array1::from(read(&folder.join("start.f64")));
    let n = start.len();
    let shaped = |v: Vec<f64>| Array2::from_shape_vec((v.len() / n, n), v).map_err(|e| Error::Data(e.to_string()));
    let names: Vec<String> = (0..n).map(|i| format!("s{i}")).collect();
    let chain = Chain::new(names.clone(), shaped(read(&folder.join("transition.f64")))?, 1.0)?;
    let log = shaped(read(&folder.join("log.f64")))?;
    let mut tracks = vec![];
    let mut at = 0;
    for length in read(&folder.join("lengths.f64")) {
        tracks.push(log.slice(atomotion::ndarray::s![at..at + length as usize, ..]).to_owned());
        at += length as usize;
    }
    chain.smooth(&start, &tracks[..1])?; // starts the threads
    let mut best = f64::INFINITY;
    let mut found = vec![];
    for _ in 0..3 {
        let begun = Instant::now();
        found = chain.smooth(&start, &tracks)?;
        best = best.min(begun.elapsed().as_secs_f64());
    }
    println!("{best}");
    write(&folder.join("ours_log.f64"), found.iter().map(|f| f.0));
    write(&folder.join("ours_posterior.f64"), found.iter().flat_map(|f| f.1.iter().copied()));
    let rates = shaped(read(&folder.join("generators.f64")))?;
    let mut out = vec![];
    for k in 0..rates.nrows() / n {
        let thermal = rates.slice(atomotion::ndarray::s![k * n..(k + 1) * n, ..]).to_owned();
        let generator = Generator { names: names.clone(), beam: Array2::zeros((n, n)), thermal };
        out.extend(generator.chain(1.0)?.probabilities.iter().copied());
    }
    write(&folder.join("ours_exponentials.f64"), out.into_iter());
    Ok(())
}

const HOSTS: [(&str, [u8; 3]); 4] =
    [("W", [74, 0, 0]), ("Mo_W", [42, 0, 0]), ("V_W", [0, 0, 0]), ("W_ad", [74, 74, 0])];
const COLUMNS: [(&str, [u8; 3]); 4] =
    [("2S", [16, 16, 0]), ("V_S", [16, 0, 0]), ("V_2S", [0, 0, 0]), ("W_2S", [74, 0, 0])];
const HOST_START: [f64; 4] = [0.975, 0.02, 0.004, 0.001];
const COLUMN_START: [f64; 4] = [0.9835, 0.008, 0.008, 0.0005];
const FRAMES: usize = 50;

/// The specimen of the benchmark: hops of V_S and of V_2S as one so many times a frame; more V_W than usual, so that they
/// can be counted. Holes begin after these frames.
fn matter(hops: f64) -> Matter {
    let mut matter = Matter::ws2();
    matter.composition.host_vacancy = HOST_START[2];
    let per_frame = 6.0 * 1e-10 * matter.beam.dose_rate_e_nm2_s * 5.0;
    matter.kinetics.hop = Rate { barrier_ev: 1.9, barn: hops / per_frame };
    matter.kinetics.pair_hop = Rate { barrier_ev: 1.9, barn: hops / per_frame };
    matter
}

/// The model of the columns, from the same physics.
fn hopping(matter: &Matter, hops: f64) -> Result<HoppingVacancies, Error> {
    let per_frame = 1e-10 * matter.beam.dose_rate_e_nm2_s * 5.0;
    let leaves = |threshold: f64| matter.beam.displacement_barn(16, threshold).map(|barn| barn * per_frame);
    let (first, second) = (2.0 * leaves(7.0)?, leaves(6.95)?);
    let mut becomes = Array2::eye(3);
    (becomes[[0, 0]], becomes[[0, 1]]) = (1.0 - second, second);
    Ok(HoppingVacancies::new(3)
        .with_hops(vec![hops, hops, 0.0])
        .with_start(COLUMN_START[1..].to_vec())
        .with_appear(vec![first, 0.0, 0.0])
        .with_becomes(becomes))
}

fn hosts() -> Result<SiteModel, Error> {
    let names = HOSTS.iter().map(|h| h.0.to_owned()).collect();
    SiteModel::new(Chain::new(names, Array2::eye(4), 5.0)?, Array1::from(HOST_START.to_vec()))
}

/// Sites that exchange nothing: what hops away vanishes, and comes from nowhere.
fn columns_alone(hops: f64) -> Result<SiteModel, Error> {
    let names = COLUMNS.iter().map(|h| h.0.to_owned()).collect();
    let mut p = Array2::eye(4);
    for k in 1..3 {
        p[[k, k]] = 1.0 - hops;
        p[[k, 0]] = hops;
        p[[0, k]] = hops * COLUMN_START[k];
        p[[0, 0]] -= hops * COLUMN_START[k];
    }
    SiteModel::new(Chain::new(names, p, 5.0)?, Array1::from(COLUMN_START.to_vec()))
}

/// Evidence of the sites of one kind, what is believed of them, and what may stand there.
type Part<'a> = (&'a SiteEvidence, &'a Array3<f64>, &'a [(&'a str, [u8; 3])]);

/// Weights of all sites as they are believed.
fn believed(recording: &Recording, parts: &[Part]) -> Array2<f64> {
    let mut weights = recording.weights();
    let imaging = &recording.scan.imaging;
    for (evidence, posterior, candidates) in parts {
        for t in 0..posterior.dim().0 {
            for (i, &site) in evidence.sites.iter().enumerate() {
                let mean: f64 =
                    candidates.iter().enumerate().map(|(k, c)| posterior[[t, i, k]] * imaging.weight(c.1)).sum();
                weights[[t, site as usize]] = mean;
            }
        }
    }
    weights
}

/// Site and kind of every true vacancy in every frame.
fn true_tracks(recording: &Recording, columns: &SiteEvidence) -> Vec<Vec<Option<(usize, usize)>>> {
    let mut tracks = std::collections::BTreeMap::<u32, Vec<Option<(usize, usize)>>>::new();
    for t in 0..recording.movie.len() {
        let specimen = recording.evolution.specimen(t);
        for (i, &site) in columns.sites.iter().enumerate() {
            let kind = columns.truth[[t, i]];
            if let Some(track) = specimen.track(site as usize).filter(|_| (1..COLUMNS.len()).contains(&kind)) {
                tracks.entry(track).or_insert_with(|| vec![None; recording.movie.len()])[t] = Some((i, kind - 1));
            }
        }
    }
    tracks.into_values().collect()
}

const METHODS: [&str; 7] =
    ["one frame", "mean of frames", "running mean", "sum of ratios", "sites alone", "this model", "movie limit"];

/// F1 of every method for every species of one movie.
fn movie(
    dose: f64,
    hops: f64,
    seed: u64,
    rates: &mut Vec<(f64, f64, f64)>,
) -> Result<Vec<(&'static str, Vec<f64>)>, Error> {
    let matter = matter(hops);
    let imaging = Imaging::as_recorded().with_size_px(256).with_s_per_frame(5.0).with_counts_at_w(dose);
    let recording =
        Experiment::ws2().with_matter(matter.clone()).with_imaging(imaging).with_frames(FRAMES).simulate(seed)?;
    let (host_model, column_model) = (hosts()?, hopping(&matter, hops)?);
    // Hosts first, which scatter most; then the columns beside what is believed of them, and both once more.
    let read_hosts = |around: &Array2<f64>| -> Result<_, Error> {
        let host = recording.evidence(&HOSTS, Around::Believed(around.view()))?;
        let posterior = host_model.posterior(&host.log_ratio)?;
        Ok((host, posterior))
    };
    let read_columns = |around: &Array2<f64>| -> Result<_, Error> {
        let columns = recording.evidence(&COLUMNS, Around::Believed(around.view()))?;
        let posterior = column_model.posterior(&columns.log_ratio, &columns.neighbours)?;
        Ok((columns, posterior))
    };
    let (host, posterior) = read_hosts(&recording.weights())?;
    let around = believed(&recording, &[(&host, &posterior, &HOSTS)]);
    let (columns, column_posterior) = read_columns(&around)?;
    let around = believed(&recording, &[(&host, &posterior, &HOSTS), (&columns, &column_posterior, &COLUMNS)]);
    let (host, host_posterior) = read_hosts(&around)?;
    let around = believed(&recording, &[(&host, &host_posterior, &HOSTS), (&columns, &column_posterior, &COLUMNS)]);
    let (columns, column_posterior) = read_columns(&around)?;
    // The limits know what else stands around.
    let truly = recording.evidence(&COLUMNS, Around::Truth)?;
    let column_limit = column_model.movie_limit(
        &truly.log_ratio,
        &truly.neighbours,
        &truly.truth,
        &true_tracks(&recording, &truly),
    )?;
    let host_limit = host_model.posterior(&recording.evidence(&HOSTS, Around::Truth)?.log_ratio)?;
    let alone = columns_alone(hops)?.posterior(&columns.log_ratio)?;
    rates.push(column_model.hop_rate(&columns.log_ratio, &columns.neighbours, 1)?);
    let mut scores = vec![];
    for (name, evidence, which, posterior, limit, alone, start) in [
        ("V_S", &columns, 1, &column_posterior, &column_limit, &alone, &COLUMN_START),
        ("V_2S", &columns, 2, &column_posterior, &column_limit, &alone, &COLUMN_START),
        ("Mo_W", &host, 1, &host_posterior, &host_limit, &host_posterior, &HOST_START),
        ("V_W", &host, 2, &host_posterior, &host_limit, &host_posterior, &HOST_START),
    ] {
        let f1 =
            |score: &Array2<f64>| best_f1(score, &evidence.truth, &evidence.shown, which).map_or(f64::NAN, |b| b.f1);
        let of = |p: &Array3<f64>| f1(&p.index_axis(Axis(2), which).to_owned());
        let lengths = (0..FRAMES).map(|half| f1(&running_mean(&evidence.log_ratio, which, 2 * half + 1)));
        let row = vec![
            f1(&running_mean(&evidence.log_ratio, which, 1)),
            f1(&mean_of_frames(&evidence.log_ratio, which)),
            lengths.fold(0.0, f64::max),
            f1(&sum_of_ratios(&evidence.log_ratio, start, which)),
            of(alone),
            of(posterior),
            of(limit),
        ];
        scores.push((name, row));
    }
    Ok(scores)
}

fn movies(seed: u64, count: u64) -> Result<(), Error> {
    println!("| dose | hops/frame | species | {} |", METHODS.join(" | "));
    println!("| --- | --- | --- |{}", " --- |".repeat(METHODS.len()));
    for dose in [5.5, 20.0, 70.0] {
        for hops in [0.02, 0.15] {
            let mut rates = vec![];
            let all =
                (0..count).map(|i| movie(dose, hops, seed + 1000 * i, &mut rates)).collect::<Result<Vec<_>, _>>()?;
            for species in 0..4 {
                let cell = |m: usize| {
                    let f1: Vec<f64> = all.iter().map(|movie| movie[species].1[m]).filter(|f| f.is_finite()).collect();
                    let n = f1.len() as f64;
                    let mean = f1.iter().sum::<f64>() / n;
                    let spread = f1.iter().map(|f| (f - mean) * (f - mean)).sum::<f64>() / (n - 1.0).max(1.0);
                    // Student's 97.5 % point, to first order in the number of movies.
                    format!("{mean:.3} ± {:.3}", (1.96 + 2.37 / (n - 1.0).max(1.0)) * (spread / n).sqrt())
                };
                let cells: Vec<String> = (0..METHODS.len()).map(cell).collect();
                println!("| {dose} | {hops} | {} | {} |", all[0][species].0, cells.join(" | "));
            }
            let inside = rates.iter().filter(|r| (r.1..=r.2).contains(&hops)).count();
            let shown: Vec<String> = rates.iter().map(|r| format!("{:.3} ({:.3} to {:.3})", r.0, r.1, r.2)).collect();
            println!(
                "| {dose} | {hops} | hops of V_2S found | {inside} of {} intervals hold the truth: {} ||||||",
                rates.len(),
                shown.join("; ")
            );
        }
    }
    Ok(())
}

/// True sequences of dopants' states, in tracks of this length.
fn true_sequences(matter: &Matter, states: &States, length: usize, seed: u64) -> Result<Vec<Vec<usize>>, Error> {
    let evolution = matter.evolve(12.0, 50, 5.0, seed)?;
    let mut tracks = vec![];
    for site in 0..evolution.sites().len() {
        let path: Vec<Option<usize>> = (0..evolution.len())
            .map(|t| states.of_configuration(evolution.specimen(t).state(evolution.sites(), site)))
            .collect();
        tracks.extend(path.chunks_exact(length).filter_map(|c| c.iter().copied().collect::<Option<Vec<usize>>>()));
    }
    Ok(tracks)
}

/// A classifier's soft evidence: the scores of the classes are normal, with the true one higher by `margin`. One frame in
/// ten is not detected.
fn seen(tracks: &[Vec<usize>], n: usize, margin: f64, rng: &mut ChaCha8Rng) -> Vec<Array2<f64>> {
    let normal = |rng: &mut ChaCha8Rng| {
        let (u, v): (f64, f64) = (1.0 - rng.r#gen::<f64>(), rng.r#gen());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    let of = |track: &Vec<usize>, rng: &mut ChaCha8Rng| {
        let mut observed = Array2::zeros((track.len(), n + 1));
        for (t, &state) in track.iter().enumerate() {
            if rng.r#gen::<f64>() < 0.1 {
                observed[[t, n]] = 1.0;
                continue;
            }
            // Posterior of equal priors: the likelihood ratio of normal scores.
            let scores: Vec<f64> =
                (0..n).map(|s| margin * (normal(rng) + if s == state { margin } else { 0.0 })).collect();
            let most = scores.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = scores.iter().map(|s| (s - most).exp()).sum();
            (0..n).for_each(|s| observed[[t, s]] = (scores[s] - most).exp() / sum);
        }
        observed
    };
    tracks.iter().map(|t| of(t, rng)).collect()
}

/// Fraction of frames that are called wrong, and recall of the states of frames without detection.
fn errors(called: &[Array2<f64>], observed: &[Array2<f64>], truth: &[Vec<usize>]) -> (f64, f64) {
    let (mut wrong, mut all, mut filled, mut missed) = (0.0, 0.0, 0.0, 0.0);
    for ((p, seen), truth) in called.iter().zip(observed).zip(truth) {
        for (t, &state) in truth.iter().enumerate() {
            let best = (0..p.ncols()).max_by(|&a, &b| p[[t, a]].total_cmp(&p[[t, b]])).unwrap_or(0);
            let right = f64::from(u8::from(best == state));
            if seen[[t, seen.ncols() - 1]] == 1.0 {
                (filled, missed) = (filled + right, missed + 1.0);
            } else {
                (wrong, all) = (wrong + 1.0 - right, all + 1.0);
            }
        }
    }
    (100.0 * wrong / all, 100.0 * filled / f64::max(missed, 1.0))
}

fn tracks(seed: u64) -> Result<(), Error> {
    let mut matter = matter(0.15);
    (matter.composition.single, matter.composition.double) = (0.03, 0.0);
    let names =
        ["Mo_W", "Mo_W+V_S/0", "Mo_W+V_S/1", "Mo_W+V_S/2", "Mo_W+2V_S/0", "Mo_W+2V_S/1", "Mo_W+2V_S/2", "Mo_W+3V_S"];
    let states = States::of(&matter.crystal).select(&names)?;
    let n = states.len();
    let truth = true_sequences(&matter, &states, 16, seed)?;
    let right = Physics::of(&matter, &states);
    let chain = right.chain(5.0)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let recall = vec![0.9; n];
    println!("{} tracks of 16 frames of {n} states.\n", truth.len());
    println!(
        "| classifier errs (%) | free HMM errs | physics errs | physics + data errs | missed filled right (%) | KL counted | KL with physics |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let occupancy: Vec<f64> = (0..n).map(|s| truth.iter().flatten().filter(|t| **t == s).count() as f64).collect();
    let fresh = true_sequences(&matter, &states, 50, seed + 77)?;
    let long = Sequences::from_states(states.names(), &fresh)?;
    let reference = Estimation::default().with_prior(Some(chain.clone())).of(&long, 5.0)?.chain.probabilities;
    for margin in [2.6, 1.9, 1.35] {
        let observed = seen(&truth, n, margin, &mut rng);
        let alone: Vec<Array2<f64>> =
            observed.iter().map(|o| o.slice(atomotion::ndarray::s![.., ..n]).to_owned()).collect();
        let flat = Array2::from_shape_fn((n, n), |(i, j)| if i == j { 0.9 } else { 0.1 / (n - 1) as f64 });
        let identity = Array2::eye(n);
        let free = Hidden::from_confusion(Chain::new(states.names(), flat, 5.0)?, identity.clone(), &recall)?;
        let free = free.learn(&observed, &Learning::default().with_rounds(60))?.model;
        let physics = Hidden::from_confusion(chain.clone(), identity, &recall)?;
        let learnt = physics.learn(&observed, &Learning::default().with_rounds(60).with_transition_prior(100.0))?.model;
        let [a, f, p, l] =
            [alone, free.posteriors(&observed)?, physics.posteriors(&observed)?, learnt.posteriors(&observed)?]
                .map(|called| errors(&called, &observed, &truth));
        // The matrix: counted from what the classifier calls, and learnt with the physics.
        let called: Vec<Vec<usize>> = observed
            .iter()
            .map(|o| {
                (0..o.nrows()).map(|t| (0..n).max_by(|&x, &y| o[[t, x]].total_cmp(&o[[t, y]])).unwrap_or(0)).collect()
            })
            .collect();
        let counted =
            Estimation::default().with_strength(0.01).of(&Sequences::from_states(states.names(), &called)?, 5.0)?;
        let mut with_physics = counted.clone();
        with_physics.chain = learnt.chain.clone();
        println!(
            "| {:.1} | {:.2} | {:.2} | {:.2} | {:.1} | {:.4} | {:.4} |",
            a.0,
            f.0,
            p.0,
            l.0,
            p.1,
            counted.divergence(&reference, &occupancy),
            with_physics.divergence(&reference, &occupancy)
        );
    }
    println!(
        "\n| physics, at the middle noise | errs (%) with it as it is | with data | says that the data disagree |"
    );
    println!("| --- | --- | --- | --- |");
    let observed = seen(&truth, n, 1.9, &mut rng);
    let wrong = |f: &dyn Fn(&mut Matter)| {
        let mut other = matter.clone();
        f(&mut other);
        Physics::of(&other, &states)
    };
    let scaled = |by: f64| move |m: &mut Matter| m.kinetics.hop.barn *= by;
    let cases: Vec<(&str, Physics)> = vec![
        ("right", right.clone()),
        ("hops 10 times too often", wrong(&scaled(10.0))),
        ("hops 10 times too rare", wrong(&scaled(0.1))),
        ("hops 1000 times too rare", wrong(&scaled(1e-3))),
        ("binding 0.05 eV too strong", wrong(&|m| m.kinetics.binding_ev += 0.05)),
        ("binding 0.3 eV too strong", wrong(&|m| m.kinetics.binding_ev += 0.3)),
        ("turns forbidden (0 to 1)", right.clone().forbid("Mo_W+V_S/0", "Mo_W+V_S/1")),
        ("a forbidden move allowed", {
            let mut open = right.clone();
            open.moves.push(atomotion::markov::PhysicalMove::new(
                "Mo_W+V_S/0",
                "Mo_W+2V_S/0",
                atomotion::markov::Process::Arrives,
                40.0,
            ));
            open
        }),
    ];
    for (name, physics) in cases {
        let model = Hidden::from_confusion(physics.chain(5.0)?, Array2::eye(n), &recall)?;
        let learnt = model.learn(&observed, &Learning::default().with_rounds(60).with_transition_prior(100.0))?.model;
        let (p, l) = (
            errors(&model.posteriors(&observed)?, &observed, &truth),
            errors(&learnt.posteriors(&observed)?, &observed, &truth),
        );
        // Read by a model that allows everything, so that the physics cannot hide what contradicts it.
        let open = Array2::from_shape_fn((n, n), |(i, j)| 0.9 * physics_free(i, j, n) + 0.1 / n as f64);
        let judge = Hidden::from_confusion(Chain::new(states.names(), open, 5.0)?, Array2::eye(n), &recall)?;
        let judge = judge.learn(&observed, &Learning::default().with_rounds(60))?.model;
        let paths = observed.iter().map(|o| judge.path(o).map(|p| p.0.to_vec())).collect::<Result<Vec<_>, _>>()?;
        let verdict = contradictions(&Sequences::from_states(states.names(), &paths)?, &physics.chain(5.0)?, 1)?;
        let first = verdict
            .found()
            .next()
            .map_or_else(String::new, |c| format!("first {} -> {}", c.from, c.to.as_deref().unwrap_or("all")));
        println!("| {name} | {:.2} | {:.2} | {} {first} |", p.0, l.0, if verdict.disagrees() { "yes," } else { "no" });
    }
    Ok(())
}

fn physics_free(i: usize, j: usize, n: usize) -> f64 {
    if i == j { 0.95 } else { 0.05 / (n - 1) as f64 }
}
