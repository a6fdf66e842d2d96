//! Says what a movie's file holds, as JSON: `cargo run --example describe_movie -- FILE [--dataset NAME]`.
//!
//! `--frames FOLDER` also writes every frame there as `0.npy`, `1.npy` and so on. `peers/compare_readers.py` holds what
//! this prints against another reader.

use atomotion::movie::Movie;
use std::io::Write;
use std::path::Path;

fn main() {
    if let Err(problem) = run() {
        eprintln!("{problem}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("name a movie's file")?;
    let (mut dataset, mut folder) = (None, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--dataset" => dataset = arguments.next(),
            "--frames" => folder = arguments.next(),
            other => return Err(format!("{other} is not an option: --dataset NAME or --frames FOLDER").into()),
        }
    }
    let movie = match dataset {
        Some(name) => Movie::open_dataset(&file, &name)?,
        None => Movie::open(&file)?,
    };
    let (mut least, mut most, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
    for (index, frame) in movie.frames().enumerate() {
        let data = frame?.data;
        for value in data.iter().map(|&v| f64::from(v)) {
            (least, most, sum) = (f64::min(least, value), f64::max(most, value), sum + value);
        }
        if let Some(folder) = &folder {
            let bytes = data.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
            write_npy(&Path::new(folder).join(format!("{index}.npy")), movie.height(), movie.width(), &bytes)?;
        }
    }
    let axes: Vec<_> = movie
        .axes()
        .iter()
        .map(|a| serde_json::json!({"size": a.size, "scale": a.scale, "offset": a.offset, "units": a.units}))
        .collect();
    let metadata: Vec<_> = movie.metadata().iter().collect();
    let calibration = movie.calibration();
    let description = serde_json::json!({
        "shape": [movie.len(), movie.height(), movie.width()],
        "min": least, "max": most, "sum": sum,
        "axes": axes,
        "nm_per_px": calibration.known.then_some(calibration.nm_per_px),
        "s_per_frame": calibration.s_per_frame,
        "metadata": metadata,
    });
    println!("{description}");
    Ok(())
}

fn write_npy(path: &Path, height: usize, width: usize, data: &[u8]) -> std::io::Result<()> {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({height}, {width}), }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut file = std::fs::File::create(path)?;
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&(header.len() as u16).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    file.write_all(data)
}
