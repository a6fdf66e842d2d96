//! Drift and jitter that are known are found, at the noise of real frames, beside the least error that noise allows.

mod common;
#[path = "common/drifting.rs"]
mod drifting;

use atomotion::ndarray::{Array3, Axis};
use atomotion::prelude::*;
use drifting::{PERIOD, Specimen, rms, wandering};

fn specimen(size: usize, frames: usize, dose: f64, seed: u64) -> Specimen {
    let shifts = wandering(frames, [0.4, -0.7], 0.5, seed);
    Specimen { size, frames, dose, mo: 0.02, vacancies: 0.008, hole_px: 60.0, jitter_px: 0.0, shifts }
}

/// One to two counts at a W column, Mo in 2 % of the metal, vacancies that hop and a hole that grows. Shifts are told
/// from the first frame, whose own error is in all of them alike; but for that, each is within twice the least error
/// that counts allow when the specimen is known.
#[test]
fn drift_at_the_noise_of_real_frames() {
    for seed in 0..2 {
        let specimen = specimen(512, 24, 1.5, seed);
        let drawn = specimen.draw(seed + 10);
        let movie = Movie::from_array(drawn.stack).unwrap();
        let drift = Drift::default().measure(&movie).unwrap();
        let error = rms(drift.shifts_px(), &specimen.shifts);
        let apart = [0, 1].map(|i| {
            let errors: Vec<f64> = drift.shifts_px().iter().zip(&specimen.shifts).map(|(f, t)| f[i] - t[i]).collect();
            let mean = errors.iter().sum::<f64>() / 24.0;
            (errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / 24.0).sqrt()
        });
        let bound = drawn.bound;
        println!(
            "error {error:.4?} px, without the first frame's own {apart:.4?}; Cramér and Rao {bound:.4?}; {drift:?}"
        );
        for i in 0..2 {
            assert!(error[i] < 0.1 && apart[i] < 2.0 * bound[i], "{error:?} {apart:?} {bound:?}");
            assert!(apart[i] > 0.7 * bound[i], "better than possible: {apart:?} {bound:?}");
        }
        let sigma = drift.table().column("sigma_px").unwrap().f64().unwrap().get(20).unwrap();
        assert!((0.5..2.0).contains(&(sigma / bound[0])), "{sigma} {bound:?}");
    }
}

/// A stage that jumps by more than a lattice period is followed: what is not periodic says where to.
#[test]
fn jumps_of_several_periods_are_seen() {
    let mut specimen = specimen(256, 8, 12.0, 5);
    specimen.hole_px = 0.0;
    for shift in &mut specimen.shifts[4..] {
        shift[0] += 3.3 * PERIOD;
        shift[1] -= 2.6 * PERIOD;
    }
    let movie = Movie::from_array(specimen.draw(6).stack).unwrap();
    let drift = Drift::default().measure(&movie).unwrap();
    let error = rms(drift.shifts_px(), &specimen.shifts);
    assert!(error[0] < 0.05 && error[1] < 0.05, "{error:?}");
}

/// In a perfect lattice a period further looks the same: continuity decides, and the margin says that nothing else did.
#[test]
fn a_perfect_lattice_is_followed_by_continuity() {
    let mut specimen = specimen(256, 12, 30.0, 7);
    (specimen.mo, specimen.vacancies, specimen.hole_px) = (0.0, 0.0, 0.0);
    let movie = Movie::from_array(specimen.draw(8).stack).unwrap();
    let drift = Drift::default().measure(&movie).unwrap();
    let error = rms(drift.shifts_px(), &specimen.shifts);
    println!("{error:?} {drift:?}");
    assert!(error[0] < 0.05 && error[1] < 0.05, "{error:?}");
}

/// Aligned frames show the specimen where the first one does, and drift no more.
#[test]
fn aligned_frames_stand_still() {
    let specimen = specimen(256, 10, 20.0, 9);
    let movie =
        Movie::from_array(specimen.draw(3).stack).unwrap().with_calibration(Calibration::new(0.0315, 1.0).unwrap());
    let drift = Drift::default().measure(&movie).unwrap();
    let aligned = movie.align(&drift).unwrap();
    let (lost, [y, x]) = ((256 - aligned.height(), 256 - aligned.width()), *drift.shifts_px().last().unwrap());
    assert!(lost.0 as f64 >= y.abs() && lost.1 as f64 >= x.abs() && lost.0 < 20 && lost.1 < 20, "{lost:?} {y} {x}");
    let again = Drift::default().measure(&aligned).unwrap();
    let left = rms(again.shifts_px(), &[[0.0; 2]; 10]);
    assert!(left[0] < 0.05 && left[1] < 0.05, "{left:?}");
    // The offset says where the part lies in the first frame, which is not moved by parts of a pixel.
    let top = (aligned.axes()[1].offset / 0.0315).round() as usize;
    let left = (aligned.axes()[2].offset / 0.0315).round() as usize;
    assert_eq!(aligned.frame(0).unwrap().data[[7, 9]], movie.frame(0).unwrap().data[[top + 7, left + 9]]);
    assert_eq!(aligned.metadata().get("history"), Some("align by measured drift"));
}

/// Whole pixels are moved, not computed.
#[test]
fn whole_shifts_are_exact() {
    let stack = Array3::from_shape_fn((3, 20, 20), |(t, y, x)| (100 * (y + 40 - 2 * t) + (x + 40 + 3 * t)) as f32);
    let movie = Movie::from_array(stack).unwrap();
    let shifts: Vec<_> = (0..3).map(|t| [2.0 * f64::from(t), -3.0 * f64::from(t)]).collect();
    let aligned = movie.align(&MeasuredDrift::known(&shifts, movie.calibration()).unwrap()).unwrap();
    assert_eq!((aligned.height(), aligned.width()), (16, 14));
    for frame in aligned.frames() {
        assert_eq!(frame.unwrap().data, aligned.frame(0).unwrap().data);
    }
    let far = MeasuredDrift::known(&[[0.0, 0.0], [0.0, 0.0], [30.0, 0.0]], movie.calibration()).unwrap();
    assert!(movie.align(&far).unwrap_err().to_string().contains("no part in common"));
    let short = MeasuredDrift::known(&[[0.0, 0.0]], movie.calibration()).unwrap();
    assert!(movie.align(&short).unwrap_err().to_string().contains("drift is that of 1 frames, array has 3"));
}

/// What is planted and what is left when rows are moved back, root mean square, and what was said of both.
fn dejittered(dose: f64, planted: f64) -> (f64, f64, MeasuredJitter, f64) {
    let mut specimen = specimen(256, 9, dose, 11);
    (specimen.jitter_px, specimen.hole_px) = (planted, 0.0);
    let drawn = specimen.draw(12);
    let movie = Movie::from_array(drawn.stack).unwrap();
    let drift = MeasuredDrift::known(&specimen.shifts, movie.calibration()).unwrap();
    let jitter = Jitter::default().measure(&movie, &drift).unwrap();
    // What all rows of a frame share is drift.
    let truth = &drawn.jitter - &drawn.jitter.mean_axis(Axis(1)).unwrap().insert_axis(Axis(1));
    let square = |a: atomotion::ndarray::Array2<f64>| a.mapv(|v| v * v).mean().unwrap().sqrt();
    let (before, after) = (square(truth.clone()), square(&truth - jitter.rows_px()));
    println!(
        "{dose} counts, planted {before:.3} px: left {after:.3} px, said {:.3} of {:.3}; Cramér and Rao {:.3} px",
        jitter.left_px(),
        jitter.rms_px(),
        drawn.row_bound
    );
    assert!(movie.dejitter(&jitter).unwrap().frame(8).is_ok());
    (before, after, jitter, drawn.row_bound)
}

#[test]
fn jitter_is_reduced_where_noise_allows() {
    let (before, after, jitter, bound) = dejittered(60.0, 0.5);
    assert!(after < 0.25 * before, "{after} of {before}, at best {bound}");
    assert!((jitter.rms_px() / before - 1.0).abs() < 0.1, "{jitter:?} {before}");
}

/// At a count a column a row says little: half a pixel can be halved, a tenth not, and neither becomes worse.
#[test]
fn jitter_at_the_noise_of_real_frames() {
    let (before, after, jitter, _) = dejittered(1.5, 0.5);
    assert!(after < 0.75 * before && (jitter.left_px() / after - 1.0).abs() < 0.3, "{after} of {before}, {jitter:?}");
    let (before, after, ..) = dejittered(1.5, 0.1);
    assert!(after < 1.05 * before, "{after} of {before}");
}

#[test]
fn what_cannot_be_measured_says_why() {
    let movie =
        Movie::from_array(Array3::from_shape_fn((2, 32, 32), |(t, y, x)| ((t + y * y + 3 * x) % 7) as f32)).unwrap();
    let message = |drift: Drift| drift.measure(&movie).unwrap_err().to_string();
    assert_eq!(message(Drift::default().with_step_px(0.0)), "step_px = 0 is not valid: a positive number of pixels");
    assert_eq!(message(Drift::default().with_memory_frames(0.5)), "memory_frames = 0.5 is not valid: 1 frame or more");
    let small = movie.crop(..8, ..).unwrap();
    assert!(Drift::default().measure(&small).unwrap_err().to_string().contains("16 pixels or more"));
    let flat = Movie::from_array(Array3::zeros((2, 32, 32))).unwrap();
    assert!(Drift::default().measure(&flat).unwrap_err().to_string().contains("is constant"));
    let drift = Drift::default().measure(&movie).unwrap();
    let far = Jitter::default().with_most_px(9.0).measure(&movie, &drift).unwrap_err().to_string();
    assert_eq!(far, "most_px = 9 is not valid: from 0.25 to 8 pixels");
}
