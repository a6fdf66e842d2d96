//! Measures the drift of a movie and prints it as JSON: `cargo run --example measure_drift -- FILE [FIGURE]`, where
//! FIGURE is an SVG or PNG to draw the path into.
//!
//! `peers/compare_drift.py` holds it against another program and the truth.

use atomotion::prelude::*;
use std::time::Instant;

fn main() -> atomotion::Result<()> {
    let Some(file) = std::env::args().nth(1) else {
        eprintln!("name a movie's file");
        std::process::exit(1);
    };
    // Reading is not what is measured.
    let movie = Movie::open(file)?.collect()?;
    let start = Instant::now();
    let drift = Drift::default().measure(&movie)?;
    let seconds = start.elapsed().as_secs_f64();
    if let Some(figure) = std::env::args().nth(2) {
        drift.figure().save(figure)?;
    }
    println!("{}", serde_json::json!({"seconds": seconds, "shifts_px": drift.shifts_px()}));
    Ok(())
}
