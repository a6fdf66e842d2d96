//! Drift and jitter that are known are found, at the noise of real frames.

mod common;
#[path = "common/drifting.rs"]
mod drifting;

use atomotion::prelude::*;
use drifting::{Specimen, rms, wandering};

fn as_recorded(size: usize, frames: usize, seed: u64) -> Specimen {
    Specimen {
        size,
        frames,
        dose: 1.5,
        mo: 0.02,
        vacancies: 0.008,
        hole_px: 60.0,
        jitter_px: 0.0,
        shifts: wandering(frames, [0.4, -0.7], 0.5, seed),
    }
}

#[test]
fn drift_at_the_noise_of_real_frames() {
    for seed in 0..2 {
        let specimen = as_recorded(512, 40, seed);
        let drawn = specimen.draw(seed + 10);
        let movie = Movie::from_array(drawn.stack).unwrap();
        let start = std::time::Instant::now();
        let drift = Drift::default().measure(&movie).unwrap();
        let ms = start.elapsed().as_secs_f64() * 1e3 / movie.len() as f64;
        let error = rms(drift.shifts_px(), &specimen.shifts);
        println!("{drift:?}");
        println!(
            "seed {seed}: error y {:.4} x {:.4} px, bound {:.4} {:.4}, {ms:.1} ms a frame",
            error[0], error[1], drawn.bound[0], drawn.bound[1]
        );
        let last: Vec<_> =
            drift.shifts_px().iter().zip(&specimen.shifts).map(|(f, t)| [f[0] - t[0], f[1] - t[1]]).collect();
        println!("{:.3?}", last.iter().step_by(5).collect::<Vec<_>>());
        assert!(error[0] < 0.1 && error[1] < 0.1);
    }
}
