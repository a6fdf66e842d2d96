//! Whether the right physics is accused by tracks that it made itself, and complexes that turn.

use crate::tracks::{NAMES, crowded, seen, true_sequences};
use atomotion::Error;
use atomotion::markov::{Hidden, Physics, Sequences, States, contradictions};
use atomotion::ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// Of so many sets of tracks that the model itself makes, how many accuse it: by soft evidence (at two noise levels), by
/// what a path through the evidence calls, and by the states themselves; and of as many sets of the simulation.
pub fn physics(seed: u64, sets: u64) -> Result<Value, Error> {
    let matter = crowded();
    let states = States::of(&matter.crystal).select(&NAMES)?;
    let n = states.len();
    let physics = Physics::of(&matter, &states);
    let chain = physics.chain(5.0)?;
    let model = Hidden::from_confusion(chain.clone(), Array2::eye(n), &vec![0.9; n])?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut accused = [0; 5];
    for set in 0..sets {
        let truth: Vec<Vec<usize>> = (0..120).map(|_| track(&model, 16, &mut rng)).collect();
        for (k, margin) in [2.6, 1.9].into_iter().enumerate() {
            let observed = seen(&truth, n, margin, &mut rng);
            accused[k] += usize::from(model.contradictions(&observed, 120, seed + set)?.disagrees());
            if k == 0 {
                let paths =
                    observed.iter().map(|o| Ok(model.path(o)?.0.to_vec())).collect::<Result<Vec<_>, Error>>()?;
                let called = Sequences::from_states(states.names(), &paths)?;
                accused[2] += usize::from(contradictions(&called, &chain, seed + set)?.disagrees());
            }
        }
        let states_themselves = Sequences::from_states(states.names(), &truth)?;
        accused[3] += usize::from(contradictions(&states_themselves, &chain, seed + set)?.disagrees());
        let simulated = true_sequences(&matter, &states, 16, seed + 900 + set)?;
        let simulated = Sequences::from_states(states.names(), &simulated)?;
        accused[4] += usize::from(contradictions(&simulated, &chain, seed + set)?.disagrees());
    }
    Ok(json!({
        "sets": sets,
        "ways": ["soft evidence, 15 % errors", "soft evidence, 34 % errors", "called states, 15 % errors",
            "the states themselves", "the states of the simulation"],
        "accused": accused,
    }))
}

/// States that the model's chain goes through.
fn track(model: &Hidden, frames: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let draw = |row: &[f64], rng: &mut ChaCha8Rng| {
        let mut left: f64 = rng.r#gen();
        row.iter()
            .position(|p| {
                left -= p;
                left < 0.0
            })
            .unwrap_or(row.len() - 1)
    };
    let mut at = draw(&model.start.to_vec(), rng);
    (0..frames)
        .map(|t| {
            if t > 0 {
                at = draw(&model.chain.probabilities.row(at).to_vec(), rng);
            }
            at
        })
        .collect()
}
