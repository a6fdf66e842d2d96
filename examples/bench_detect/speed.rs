//! How fast frames of 512 x 512 pixels become defects, what a stream's latency is, and how much memory a long movie takes.

use super::conditions::{all, recording};
use super::io;
use atomotion::prelude::*;
use serde_json::{Value, json};
use std::io::Write;
use std::time::Instant;

/// Rounds, of which the best counts.
const ROUNDS: usize = 3;
const FRAMES: usize = 40;

fn trained() -> atomotion::Result<(Movie, Detector)> {
    let condition =
        all().into_iter().find(|c| c.name == "peers-clean").ok_or_else(|| Error::Data("no movie".into()))?;
    let movie = recording(&condition, 0)?.movie;
    let labels = PeriodicityBreak::default().label(&movie.frame(0)?)?;
    let detector = Detector::train_with(&labels, &Training::default().with_steps(100), best_device(), &mut ())?;
    Ok((movie, detector))
}

/// Seconds a frame: of the network alone, of all that makes defects of frames, the same with 16 bits and with fitted centres,
/// and of a stream.
pub fn speed() -> atomotion::Result<Value> {
    let (movie, detector) = trained()?;
    let movie = repeated(&movie)?;
    let alone = Decoding::default().with_surrogates(Surrogates::default().with_frames(0));
    let each = |work: &mut dyn FnMut() -> atomotion::Result<()>| -> atomotion::Result<f64> {
        let mut best = f64::MAX;
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            work()?;
            best = best.min(begun.elapsed().as_secs_f64());
        }
        Ok(best / movie.len() as f64)
    };
    let mut network = f64::MAX;
    for _ in 0..ROUNDS {
        network = network.min(detector.network_s(&movie)?);
    }
    let find = each(&mut || detector.find_with(&movie, &alone, &mut ()).map(drop))?;
    let half = each(&mut || detector.find_with(&movie, &alone.clone().with_half_precision(true), &mut ()).map(drop))?;
    let refined = each(&mut || detector.find_with(&movie, &alone.clone().with_refine(true), &mut ()).map(drop))?;
    let mut stream = detector.stream();
    for _ in 0..4 {
        stream.over(movie.frames()).try_for_each(|defects| defects.map(drop))?;
    }
    let latency = stream.latency(0.5).map_or(0.0, |l| l.as_secs_f64());
    Ok(json!({
        "network_s": network, "find_s": find, "half_s": half, "refined_s": refined, "latency_s": latency,
    }))
}

/// The movie again and again: what is done once for a movie is a small part of the time.
fn repeated(movie: &Movie) -> atomotion::Result<Movie> {
    let frames = movie.frames().collect::<atomotion::Result<Vec<_>>>()?;
    let all: Vec<_> = frames.iter().cycle().take(FRAMES).map(|frame| frame.data.view()).collect();
    let stack = ndarray::stack(ndarray::Axis(0), &all).map_err(|e| Error::Data(e.to_string()))?;
    Ok(Movie::from_array(stack)?.with_calibration(movie.calibration()))
}

/// Decodes a movie of many frames from a file, and says how much memory that took.
pub fn memory(frames: usize) -> atomotion::Result<Value> {
    let (movie, detector) = trained()?;
    let path = std::env::temp_dir().join(format!("bench-detect-{}.npy", std::process::id()));
    write_bytes(&movie, frames, &path).map_err(io(&path))?;
    let before = peak_mb();
    let begun = Instant::now();
    let found = Movie::open(&path).and_then(|long| detector.find_with(&long, &Decoding::default(), &mut ()));
    let seconds = begun.elapsed().as_secs_f64();
    std::fs::remove_file(&path).map_err(io(&path))?;
    let found = found?;
    Ok(json!({
        "frames": frames, "seconds": seconds, "defects": found.len(), "patches_mb": 4 * found.patches().len() / 1_000_000,
        "peak_mb": peak_mb(), "before_mb": before,
    }))
}

/// A NumPy file of bytes (counts cut at 255), frame by frame.
fn write_bytes(movie: &Movie, frames: usize, path: &std::path::Path) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let (h, w) = (movie.height(), movie.width());
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({frames}, {h}, {w}), }}");
    // Magic, version and length are 10 bytes; the whole is a multiple of 64 and ends with a line feed.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&(length as u16).to_le_bytes())?;
    writeln!(file, "{header:<0$}", length - 1)?;
    for i in 0..frames {
        let frame = movie.frame(i % movie.len()).map_err(|e| std::io::Error::other(e.to_string()))?;
        file.write_all(&frame.data.iter().map(|&v| v.clamp(0.0, 255.0) as u8).collect::<Vec<_>>())?;
    }
    file.flush()
}

/// The most memory that this process has held (VmHWM, on Linux).
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1000
}
