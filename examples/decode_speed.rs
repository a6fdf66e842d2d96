//! How fast frames of 512 x 512 pixels become defects, what a stream's latency is, and how much memory a long movie takes.
//!
//!     cargo run --example decode_speed            # frames per second, latency
//!     cargo run --example decode_speed -- 2000    # and the peak memory of a movie of that many frames

use atomotion::prelude::*;
use std::io::Write;
use std::time::Instant;

/// Frames that are simulated; longer movies repeat them.
const FRAMES: usize = 8;

fn main() -> Result<(), Error> {
    let recording = Experiment::ws2().with_frames(FRAMES).simulate(1)?;
    let labels = PeriodicityBreak::default().label(&recording.movie.frame(0)?)?;
    let detector = Detector::train(&labels, &Training::default().with_steps(150))?;
    let movie = &recording.movie;
    detector.probability(&movie.frame(0)?)?; // libtorch sets itself up
    let alone = Decoding::default().with_surrogates(Surrogates::default().with_frames(0));
    per_second("network alone, one frame at a time", || {
        movie.frames().try_for_each(|frame| detector.probability(&frame?).map(drop))
    })?;
    per_second("defects, areas and patches", || detector.find_with(movie, &alone, &mut ()).map(drop))?;
    per_second("the same with fitted centres", || {
        detector.find_with(movie, &alone.clone().with_refine(true), &mut ()).map(drop)
    })?;
    let begun = Instant::now();
    let found = detector.find_with(movie, &Decoding::default(), &mut ())?;
    println!("with surrogates of {FRAMES} frames: {:.2} s. {:?}", begun.elapsed().as_secs_f64(), found.false_alarms());
    let mut stream = detector.stream();
    for _ in 0..4 {
        stream.over(movie.frames()).try_for_each(|defects| defects.map(drop))?;
    }
    println!("{stream:?}");
    println!("{:?}", Scores::of(&[(&found, &recording)])?);
    if let Some(frames) = std::env::args().nth(1) {
        let frames = frames.parse().map_err(|_| Error::Data(format!("{frames} is no number of frames")))?;
        long(&detector, movie, frames)?;
    }
    Ok(())
}

/// Best of three.
fn per_second(what: &str, mut work: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
    let mut best = f64::MAX;
    for _ in 0..3 {
        let begun = Instant::now();
        work()?;
        best = best.min(begun.elapsed().as_secs_f64());
    }
    println!("{what}: {:.1} frames/s ({:.0} ms each)", FRAMES as f64 / best, 1e3 * best / FRAMES as f64);
    Ok(())
}

/// Decodes a movie of many frames from a file, and says how much memory that took.
fn long(detector: &Detector, movie: &Movie, frames: usize) -> Result<(), Error> {
    let path = std::env::temp_dir().join(format!("decode-speed-{}.npy", std::process::id()));
    let io = |source| Error::Io { action: "write", path: path.clone(), source };
    write_bytes(movie, frames, &path).map_err(io)?;
    let before = peak_mb();
    let begun = Instant::now();
    let found = Movie::open(&path).and_then(|long| detector.find(&long));
    let seconds = begun.elapsed().as_secs_f64();
    std::fs::remove_file(&path).map_err(io)?;
    let found = found?;
    println!(
        "{frames} frames in {seconds:.0} s ({:.1} frames/s): {} defects, whose patches are {} MB; peak memory {} MB, {before} MB before",
        frames as f64 / seconds,
        found.len(),
        4 * found.patches().len() / 1_000_000,
        peak_mb()
    );
    Ok(())
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
