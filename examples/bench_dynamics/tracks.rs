//! Classification by tracks: the classifier alone, a free hidden Markov model, and one that obeys physics.

use crate::specimen::matter;
use crate::write;
use atomotion::Error;
use atomotion::markov::{Chain, Estimation, Hidden, Learning, PhysicalMove, Physics, Process, Sequences, States};
use atomotion::ndarray::{Array2, s};
use atomotion::simulate::Matter;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::path::Path;

pub const NAMES: [&str; 8] =
    ["Mo_W", "Mo_W+V_S/0", "Mo_W+V_S/1", "Mo_W+V_S/2", "Mo_W+2V_S/0", "Mo_W+2V_S/1", "Mo_W+2V_S/2", "Mo_W+3V_S"];
/// How far apart the classifier's scores are: it errs on about 15, 34 and 50 % of frames, and on 5 %.
const MARGINS: [f64; 4] = [3.3, 2.6, 1.9, 1.6];
const LENGTH: usize = 16;
const SHORT_SETS: u64 = 5;
/// Frames and number of short tracks, from which a free model has little to learn.
const SHORT: (usize, usize) = (6, 60);
const DRAWS: usize = 200;

/// A specimen with enough complexes to count.
pub fn crowded() -> Matter {
    let mut matter = matter(0.15);
    (matter.composition.single, matter.composition.double) = (0.03, 0.0);
    matter
}

/// True sequences of dopants' states, in tracks of this length.
pub fn true_sequences(matter: &Matter, states: &States, length: usize, seed: u64) -> Result<Vec<Vec<usize>>, Error> {
    let evolution = matter.evolve(20.0, 50, 5.0, seed)?;
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
pub fn seen(tracks: &[Vec<usize>], n: usize, margin: f64, rng: &mut ChaCha8Rng) -> Vec<Array2<f64>> {
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

/// Classes that are called, frame by frame.
fn called(observed: &[Array2<f64>], n: usize) -> Vec<Vec<usize>> {
    let best = |o: &Array2<f64>, t: usize| (0..n).max_by(|&x, &y| o[[t, x]].total_cmp(&o[[t, y]])).unwrap_or(0);
    observed.iter().map(|o| (0..o.nrows()).map(|t| best(o, t)).collect()).collect()
}

/// What every frame says to a model that knows of no other frame.
fn alone(observed: &[Array2<f64>], n: usize) -> Vec<Array2<f64>> {
    observed.iter().map(|o| o.slice(s![.., ..n]).to_owned()).collect()
}

fn hidden(chain: Chain) -> Result<Hidden, Error> {
    let n = chain.len();
    Hidden::from_confusion(chain, Array2::eye(n), &vec![0.9; n])
}

/// Starts knowing nothing of what follows what, and learns it from the tracks.
fn free(states: &States, observed: &[Array2<f64>]) -> Result<Hidden, Error> {
    let n = states.len();
    let flat = Array2::from_shape_fn((n, n), |(i, j)| if i == j { 0.9 } else { 0.1 / (n - 1) as f64 });
    Ok(hidden(Chain::new(states.names(), flat, 5.0)?)?.learn(observed, &Learning::default().with_rounds(60))?.model)
}

/// The physics, and as much of the tracks as a hundred transitions of each state leave.
fn learnt(model: &Hidden, observed: &[Array2<f64>]) -> Result<Hidden, Error> {
    Ok(model.learn(observed, &Learning::default().with_rounds(60).with_transition_prior(100.0))?.model)
}

/// The tables of classification, for so many sets of tracks; what the classifier called goes to the folder.
pub fn tracks(seed: u64, sets: u64, folder: &Path) -> Result<Value, Error> {
    let matter = crowded();
    let states = States::of(&matter.crystal).select(&NAMES)?;
    let n = states.len();
    let physics = Physics::of(&matter, &states);
    let chain = physics.chain(5.0)?;
    // What truly follows what, from as many other specimens.
    let mut fresh = vec![];
    for i in 0..8 {
        fresh.extend(true_sequences(&matter, &states, 50, seed + 7700 + i)?);
    }
    let long = Sequences::from_states(states.names(), &fresh)?;
    let reference = Estimation::default().with_prior(Some(chain.clone())).of(&long, 5.0)?.chain.probabilities;
    write(&folder.join("reference.f64"), reference.iter().copied())?;
    let mut rows = vec![];
    for set in 0..sets {
        let truth = true_sequences(&matter, &states, LENGTH, seed + set)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed + set);
        let flat: Vec<f64> = occupied(&truth, n);
        for (noise, margin) in MARGINS.into_iter().enumerate() {
            let (row, calls) = compared(&truth, margin, (&chain, &states, &reference), &mut rng)?;
            if set == 0 {
                write(&folder.join(format!("called{noise}.f64")), calls.iter().flatten().map(|s| *s as f64))?;
                write(&folder.join("occupancy.f64"), flat.iter().copied())?;
            }
            rows.push(json!({ "set": set, "noise": noise, "short": false, "found": row }));
        }
        for part in 0..SHORT_SETS {
            let short = true_sequences(&matter, &states, SHORT.0, seed + 3300 + set * SHORT_SETS + part)?;
            let short = &short[..SHORT.1.min(short.len())];
            for (noise, margin) in MARGINS.into_iter().enumerate() {
                let (row, _) = compared(short, margin, (&chain, &states, &reference), &mut rng)?;
                rows.push(json!({ "set": set * SHORT_SETS + part, "noise": noise, "short": true, "found": row }));
            }
        }
    }
    Ok(
        json!({ "states": n, "length": LENGTH, "short": SHORT.0, "rows": rows, "wrong": wrong(&matter, &states, seed)? }),
    )
}

fn occupied(truth: &[Vec<usize>], n: usize) -> Vec<f64> {
    (0..n).map(|s| truth.iter().flatten().filter(|t| **t == s).count() as f64).collect()
}

/// One row of the tables, and what the classifier calls.
fn compared(
    truth: &[Vec<usize>],
    margin: f64,
    (chain, states, reference): (&Chain, &States, &Array2<f64>),
    rng: &mut ChaCha8Rng,
) -> Result<(Value, Vec<Vec<usize>>), Error> {
    let n = states.len();
    let observed = seen(truth, n, margin, rng);
    let model = hidden(chain.clone())?;
    let both = learnt(&model, &observed)?;
    let ways = [
        alone(&observed, n),
        free(states, &observed)?.posteriors(&observed)?,
        model.posteriors(&observed)?,
        both.posteriors(&observed)?,
    ];
    let errs: Vec<(f64, f64)> = ways.iter().map(|way| errors(way, &observed, truth)).collect();
    let calls = called(&observed, n);
    let counted =
        Estimation::default().with_strength(0.01).of(&Sequences::from_states(states.names(), &calls)?, 5.0)?;
    let mut with_physics = counted.clone();
    with_physics.chain = both.chain.clone();
    let occupancy = occupied(truth, n);
    let row = json!({
        "tracks": truth.len(),
        "errs": errs.iter().map(|e| e.0).collect::<Vec<_>>(),
        "filled": errs.iter().map(|e| e.1).collect::<Vec<_>>(),
        "switches": ways.iter().map(|way| switches(way, truth)).collect::<Vec<_>>(),
        "divergence": [counted.divergence(reference, &occupancy), with_physics.divergence(reference, &occupancy)],
    });
    Ok((row, calls))
}

/// Changes of state that are called where none is, and the other way round, per hundred frames.
fn switches(called: &[Array2<f64>], truth: &[Vec<usize>]) -> f64 {
    let (mut false_ones, mut all) = (0.0, 0.0);
    for (p, truth) in called.iter().zip(truth) {
        let best = |t: usize| (0..p.ncols()).max_by(|&a, &b| p[[t, a]].total_cmp(&p[[t, b]])).unwrap_or(0);
        for t in 1..truth.len() {
            false_ones += f64::from(u8::from((best(t) == best(t - 1)) != (truth[t] == truth[t - 1])));
            all += 1.0;
        }
    }
    100.0 * false_ones / all
}

/// Physics that is wrong in one respect, at the middle noise.
fn wrong(matter: &Matter, states: &States, seed: u64) -> Result<Vec<Value>, Error> {
    let n = states.len();
    let truth = true_sequences(matter, states, LENGTH, seed + 500)?;
    let observed = seen(&truth, n, MARGINS[1], &mut ChaCha8Rng::seed_from_u64(seed + 500));
    let right = Physics::of(matter, states);
    let with = |f: &dyn Fn(&mut Matter)| {
        let mut other = matter.clone();
        f(&mut other);
        Physics::of(&other, states)
    };
    let scaled = |by: f64| move |m: &mut Matter| m.kinetics.hop.barn *= by;
    let mut open = right.clone();
    open.moves.push(PhysicalMove::new("Mo_W+V_S/0", "Mo_W+2V_S/0", Process::Arrives, 40.0));
    let cases = [
        ("as the table has it", right.clone()),
        ("hops 10 times too often", with(&scaled(10.0))),
        ("hops 10 times too rare", with(&scaled(0.1))),
        ("hops 1000 times too rare", with(&scaled(1e-3))),
        ("binding 0.05 eV too strong", with(&|m| m.kinetics.binding_ev += 0.05)),
        ("binding 0.3 eV too strong", with(&|m| m.kinetics.binding_ev += 0.3)),
        ("turns from 0 to 1 forbidden", right.forbid("Mo_W+V_S/0", "Mo_W+V_S/1")),
        ("a forbidden move allowed", open),
    ];
    let judged = cases.into_iter().map(|(name, physics)| -> Result<Value, Error> {
        let model = hidden(physics.chain(5.0)?)?;
        let verdict = model.contradictions(&observed, DRAWS, seed)?;
        let first = verdict.found().next().map(|c| {
            let to = c.to.as_deref().unwrap_or("anything");
            format!("{} -> {to}: {:.1}, expected {:.1}", c.from, c.count, c.expected)
        });
        Ok(json!({
            "physics": name,
            "errs": errors(&model.posteriors(&observed)?, &observed, &truth).0,
            "with_data": errors(&learnt(&model, &observed)?.posteriors(&observed)?, &observed, &truth).0,
            "disagrees": verdict.disagrees(),
            "first": first,
        }))
    });
    judged.collect()
}
