//! Forward-backward and matrix exponentials, on what a peer wrote.

use crate::{read, write};
use atomotion::Error;
use atomotion::markov::{Chain, Generator};
use atomotion::ndarray::{Array1, Array2};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

/// Log-likelihoods and posteriors of the peer's tracks, and exponentials of its matrices.
pub fn hmm(folder: &Path) -> Result<Value, Error> {
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
    write(&folder.join("ours_log.f64"), found.iter().map(|f| f.0))?;
    write(&folder.join("ours_posterior.f64"), found.iter().flat_map(|f| f.1.iter().copied()))?;
    let rates = shaped(read(&folder.join("generators.f64")))?;
    let mut out = vec![];
    for k in 0..rates.nrows() / n {
        let thermal = rates.slice(atomotion::ndarray::s![k * n..(k + 1) * n, ..]).to_owned();
        let generator = Generator { names: names.clone(), beam: Array2::zeros((n, n)), thermal };
        out.extend(generator.chain(1.0)?.probabilities.iter().copied());
    }
    write(&folder.join("ours_exponentials.f64"), out.into_iter())?;
    Ok(json!({ "seconds": best }))
}
