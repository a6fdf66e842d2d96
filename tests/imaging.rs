//! Images follow their formulas, and the preset "as recorded" looks like the real frame.

mod common;
#[path = "common/ws2.rs"]
mod ws2;

use atomotion::movie::real_data;
use atomotion::ndarray::{Array2, Axis};
use atomotion::prelude::*;
use common::skipped;
use proptest::prelude::{ProptestConfig, prop_assert, proptest};
use ws2::{REDRAWN, redraw, sheet, with_defects};

/// A microscope without anything random but the counts.
fn ideal(size_px: usize) -> Imaging {
    Imaging::ideal().with_size_px(size_px)
}

fn w_at(y_nm: f64, x_nm: f64) -> Column {
    Column { y_nm, x_nm, atoms: [74, 0, 0] }
}

fn mean_and_variance(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values: Vec<f64> = values.collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0))
}

/// The obvious way: both Gaussians of the probe at every pixel, to infinity.
fn slowly(imaging: &Imaging, column: Column, shifts_nm: &[f64]) -> Array2<f64> {
    let middle = (imaging.size_px as f64 - 1.0) / 2.0;
    let counts = imaging.electrons_per_px() * imaging.w_cross_section_nm2 * imaging.weight(column.atoms);
    Array2::from_shape_fn((imaging.size_px, imaging.size_px), |(y, x)| {
        let dy = (y as f64 - middle) * imaging.nm_per_px - column.y_nm;
        let dx = (x as f64 - middle) * imaging.nm_per_px - column.x_nm - shifts_nm[y];
        let gaussian = |fraction: f64, nm: f64| {
            let variance = nm * nm + imaging.source_nm * imaging.source_nm;
            fraction * (-(dy * dy + dx * dx) / (2.0 * variance)).exp() / (std::f64::consts::TAU * variance)
        };
        let tail = imaging.tail_fraction;
        counts * (gaussian(1.0 - tail, imaging.probe_nm) + gaussian(tail, imaging.tail_nm))
    })
}

/// A column counts its weight times dose times cross-section, whichever its atoms; the sum over pixels is the integral
/// to 1e-5 because the probe is broad against a pixel and is drawn to five standard deviations.
#[test]
fn the_counts_of_a_column_are_weight_times_dose() {
    let imaging = ideal(96).with_electrons_per_nm2(3e5);
    for atoms in [[74, 0, 0], [42, 0, 0], [16, 16, 0], [16, 0, 0], [0, 0, 0]] {
        let column = Column { y_nm: 0.013, x_nm: -0.1, atoms };
        let sum = imaging.scan(1, 1).unwrap().expected(0, &[column]).unwrap().sum();
        let expected: f64 = atoms.iter().map(|&z| 3e5 * 5e-4 * (f64::from(z) / 74.0).powf(1.7)).sum();
        assert!((sum - expected).abs() <= 1e-5 * expected, "{atoms:?}: {sum}, not {expected}");
    }
    assert!((imaging.weight([16, 16, 0]) - 0.1482).abs() < 5e-4, "a pair of S is 0.15 of a W");
}

#[test]
fn a_dose_is_the_same_however_it_is_said() {
    let imaging = ideal(33).with_counts_at_w(12.5);
    assert!((imaging.counts_at_w() - 12.5).abs() < 1e-12);
    assert!((imaging.electrons_per_px() - imaging.electrons_per_nm2 * 0.032 * 0.032).abs() < 1e-9);
    // 33 pixels: the middle of the frame is the middle of a pixel.
    let peak = imaging.scan(1, 1).unwrap().expected(0, &[w_at(0.0, 0.0)]).unwrap()[[16, 16]];
    assert!((peak - 12.5).abs() < 1e-9, "{peak}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The fast way and the obvious one differ by what lies beyond five standard deviations, 4e-6 of the peak.
    #[test]
    fn the_fast_probe_is_the_obvious_one(
        y in -0.9..0.9, x in -0.9..0.9, probe in 0.01..0.12, tail in 0.12..0.3, fraction in 0.0..0.9,
        jitter in 0.0..0.06, seed in 0_u64..1000,
    ) {
        let imaging = ideal(40).with_probe_nm(probe).with_tail_nm(tail).with_tail_fraction(fraction);
        let imaging = imaging.with_jitter_nm(jitter);
        let scan = imaging.scan(1, seed).unwrap();
        let fast = scan.expected(0, &[w_at(y, x)]).unwrap();
        let slow = slowly(&imaging, w_at(y, x), &scan.jitter_nm.row(0).to_vec());
        let peak = imaging.counts_at_w();
        let worst = fast.iter().zip(&slow).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        prop_assert!(worst < 4e-6 * peak, "{worst} of {peak}");
    }

    /// Images of columns add up, and the dose multiplies them.
    #[test]
    fn expected_counts_are_linear(seed in 0_u64..1000, more in 0.1..20.0) {
        let columns = with_defects(sheet(1.5, 11.0), seed);
        let (some, others) = columns.split_at(columns.len() / 3);
        let scan = ideal(48).with_jitter_nm(0.02).with_row_noise(0.1).scan(1, seed).unwrap();
        let sum = scan.expected(0, some).unwrap() + scan.expected(0, others).unwrap();
        let all = scan.expected(0, &columns).unwrap();
        let mut brighter = scan.clone();
        brighter.imaging.electrons_per_nm2 *= more;
        let bright = brighter.expected(0, &columns).unwrap();
        for ((&all, &sum), &bright) in all.iter().zip(&sum).zip(&bright) {
            let tiny = 1e-9 * f64::max(1.0, bright);
            prop_assert!(f64::abs(all - sum) < tiny && f64::abs(all * more - bright) < tiny);
        }
    }

    /// What lies outside the frame by more than the probe's reach does not reach into it.
    #[test]
    fn far_columns_are_not_seen(angle in 0.0..std::f64::consts::TAU, far in 2.0..1e6) {
        let column = w_at(far * angle.sin(), far * angle.cos());
        let outside = column.y_nm.abs().max(column.x_nm.abs()) > 1.5;
        let image = ideal(48).scan(1, 1).unwrap().expected(0, &[column]).unwrap();
        prop_assert!(!outside || image.iter().all(|&v| v == 0.0));
    }
}

/// Poisson: over 400 frames of the same scene the mean of every pixel is the expected count and so is its variance.
/// Summed over 4,096 pixels, chi^2 of the means has a relative error of sqrt(2 / 4096) = 2 %, and so have variances.
#[test]
fn the_variance_of_counts_is_their_mean() {
    let imaging = ideal(64).with_counts_at_w(6.0).with_carbon_per_nm2(100.0).with_offset(3.0);
    let scan = imaging.scan(400, 9).unwrap();
    let columns = sheet(2.1, 5.0);
    let expected = scan.expected(0, &columns).unwrap();
    let frames: Vec<Array2<f32>> = (0..400).map(|i| scan.counts(i, &columns).unwrap()).collect();
    let (mut chi, mut ratio) = (0.0, 0.0);
    for (at, &mean) in expected.indexed_iter() {
        let (m, v) = mean_and_variance(frames.iter().map(|f| f64::from(f[at]) - 3.0));
        chi += (m - mean).powi(2) / (mean / 400.0) / 4096.0;
        ratio += v / mean / 4096.0;
    }
    assert!((chi - 1.0).abs() < 0.09, "chi^2 of the means {chi}");
    assert!((ratio - 1.0).abs() < 0.01, "variance over mean {ratio}");
    assert!(frames[0].iter().all(|v| v.fract() == 0.0 && *v >= 3.0), "whole counts above the offset");
}

/// Shifts and gains of 60,000 rows: standard deviations to 0.3 %, so 1.5 % is five standard errors.
#[test]
fn jitter_and_gains_have_the_statistics_that_were_asked_for() {
    let imaging = ideal(600).with_jitter_nm(0.02).with_jitter_memory(0.6).with_row_noise(0.2);
    let scan = imaging.scan(100, 4).unwrap();
    let (mean, variance) = mean_and_variance(scan.jitter_nm.iter().copied());
    // A memory of 0.6 leaves (1 - 0.6) / (1 + 0.6), a quarter, of the rows independent.
    assert!(mean.abs() < 5.0 * 0.02 / 15_000_f64.sqrt() && (variance.sqrt() / 0.02 - 1.0).abs() < 0.03, "{mean}");
    let pairs =
        scan.jitter_nm.rows().into_iter().flat_map(|r| r.to_vec().windows(2).map(|p| p[0] * p[1]).collect::<Vec<_>>());
    let (product, _) = mean_and_variance(pairs);
    assert!((product / variance - 0.6).abs() < 0.02, "memory {}", product / variance);
    let (mean, variance) = mean_and_variance(scan.gain.iter().copied());
    assert!((mean - 1.0).abs() < 5.0 * 0.2 / 60_000_f64.sqrt(), "mean gain {mean}");
    assert!((variance / (0.2_f64.powi(2).exp() - 1.0) - 1.0).abs() < 0.05, "variance of the gain {variance}");
    let (_, logarithm) = mean_and_variance(scan.gain.iter().map(|g| g.ln()));
    assert!((logarithm.sqrt() / 0.2 - 1.0).abs() < 0.015, "{logarithm}");
}

/// The path is the steady drift and a walk whose variance grows with the number of steps.
#[test]
fn drift_is_a_walk_about_a_line() {
    let imaging = ideal(16).with_s_per_frame(0.5).with_drift_nm_per_s([0.02, -0.01]).with_drift_step_nm(0.003);
    let scan = imaging.scan(20_000, 8).unwrap();
    assert_eq!(scan.drift_nm[0], [0.0, 0.0]);
    for (axis, speed) in [(0, 0.02), (1, -0.01)] {
        for apart in [1, 16] {
            let steps = scan.drift_nm.chunks_exact(apart).map(|c| c[0][axis]).collect::<Vec<_>>();
            let (mean, variance) = mean_and_variance(steps.windows(2).map(|p| p[1] - p[0]));
            let (n, spread) = (steps.len() as f64 - 1.0, 0.003 * (apart as f64).sqrt());
            assert!((mean - 0.5 * speed * apart as f64).abs() < 5.0 * spread / n.sqrt(), "axis {axis}: {mean}");
            assert!((variance.sqrt() / spread - 1.0).abs() < 5.0 / (2.0 * n).sqrt(), "axis {axis}: {variance}");
        }
    }
    let table = scan.drift().unwrap();
    let (px, nm) = (table.column("y_px").unwrap().f64().unwrap(), table.column("y_nm").unwrap().f64().unwrap());
    assert_eq!(table.height(), 20_000);
    assert!((px.get(777).unwrap() * 0.032 - nm.get(777).unwrap()).abs() < 1e-12);
}

/// The centre of mass of a column's image is where `place` says, jitter aside: pixels to 1e-4.
#[test]
fn a_drifting_column_is_where_its_truth_says() {
    let scan = ideal(128).with_drift_nm_per_s([0.05, -0.08]).with_drift_step_nm(0.03).scan(12, 3).unwrap();
    for frame in 0..12 {
        let image = scan.expected(frame, &[w_at(0.2, 0.1)]).unwrap();
        let (y, x) = scan.place(frame, (0.2, 0.1));
        let mass = |axis: usize| {
            let along = image.sum_axis(Axis(1 - axis));
            along.iter().enumerate().map(|(i, v)| i as f64 * v).sum::<f64>() / image.sum()
        };
        assert!((mass(0) - y).abs() < 1e-4 && (mass(1) - x).abs() < 1e-4, "frame {frame}: {y}, {x}");
    }
}

/// Contamination lies on the specimen: mean and spread are those asked for, and it drifts along.
#[test]
fn contamination_is_a_stain_on_the_specimen() {
    let imaging = ideal(256).with_nm_per_px(0.1).with_carbon_per_nm2(50.0).with_carbon_length_nm(0.8);
    let imaging = imaging.with_carbon_contrast(0.3).with_drift_nm_per_s([0.7, 0.4]).with_s_per_frame(1.0);
    let per_atom = imaging.electrons_per_px() * imaging.w_cross_section_nm2 * (6.0_f64 / 74.0).powf(1.7);
    let (mut means, mut spreads) = (0.0, 0.0);
    for seed in 0..20 {
        let scan = imaging.scan(2, seed).unwrap();
        let carbon = scan.expected(0, &[]).unwrap() / per_atom;
        let (mean, _) = mean_and_variance(carbon.iter().copied());
        let (_, spread) = mean_and_variance(carbon.iter().map(|v| v.ln()));
        means += mean / 20.0;
        spreads += spread / 20.0;
        // One frame later it is 7 pixels down and 4 to the right.
        let later = scan.expected(1, &[]).unwrap() / per_atom;
        assert!((carbon[[100, 100]] - later[[107, 104]]).abs() < 1e-9 * carbon[[100, 100]]);
    }
    // 25.6 nm hold some (25.6 / 2 pi^0.5 0.8)^2 = 80 independent patches, 20 frames 1600: 0.3 / 40 is 0.75 %.
    assert!((means / 50.0 - 1.0).abs() < 0.03, "mean {means}");
    assert!((spreads.sqrt() / 0.3 - 1.0).abs() < 0.08, "spread {}", spreads.sqrt());
}

/// Counts follow from signals by undoing the afterglow, and neighbours in a row are correlated by it.
#[test]
fn afterglow_loses_nothing() {
    let with = Imaging::as_recorded().with_size_px(128).with_afterglow(0.25).scan(2, 5).unwrap();
    let mut without = with.clone();
    without.imaging.afterglow = 0.0;
    let columns = sheet(4.2, 3.0);
    let (signal, counts) = (with.counts(1, &columns).unwrap(), without.counts(1, &columns).unwrap());
    for y in 0..128 {
        for x in 1..128 {
            let undone = (f64::from(signal[[y, x]]) - 0.25 * f64::from(signal[[y, x - 1]])) / 0.75;
            assert!((undone - f64::from(counts[[y, x]])).abs() < 1e-5, "{undone} is not {}", counts[[y, x]]);
        }
    }
    let flat = Imaging::as_recorded().with_size_px(256).with_afterglow(0.25).with_carbon_per_nm2(0.0);
    let flat = flat.with_row_noise(0.0).with_dark_counts(5.0).scan(1, 2).unwrap().counts(0, &[]).unwrap();
    let product = |away: [usize; 2]| {
        let pairs = (0..200).flat_map(|y| (0..200).map(move |x| (y, x)));
        let pairs = pairs.map(|(y, x)| (flat[[y, x]] - 5.0) * (flat[[y + away[0], x + away[1]]] - 5.0));
        f64::from(pairs.sum::<f32>()) / 40_000.0
    };
    // Correlations of 40,000 pixels have errors of 0.005.
    for (away, expected) in [([0, 1], 0.25), ([0, 2], 0.0625), ([1, 0], 0.0)] {
        let found = product(away) / product([0, 0]);
        assert!((found - expected).abs() < 0.025, "{away:?}: {found}");
    }
}

#[test]
fn a_frame_depends_on_seed_and_number_alone() {
    let scan = Imaging::as_recorded().with_size_px(64).scan(6, 21).unwrap();
    let columns = sheet(2.1, 3.0);
    let in_order: Vec<_> = (0..6).map(|i| scan.counts(i, &columns).unwrap()).collect();
    let longer = Imaging::as_recorded().with_size_px(64).scan(9, 21).unwrap();
    std::thread::scope(|threads| {
        let (longer, columns) = (&longer, &columns);
        let each: Vec<_> =
            (0..6).rev().map(|i| (i, threads.spawn(move || longer.counts(i, columns).unwrap()))).collect();
        for (i, thread) in each {
            assert_eq!(thread.join().unwrap(), in_order[i], "frame {i}");
        }
    });
    assert_ne!(in_order[0], in_order[1]);
    assert_ne!(in_order[0], Imaging::as_recorded().with_size_px(64).scan(6, 22).unwrap().counts(0, &columns).unwrap());
}

/// The same bytes on every machine: FNV-1a of a frame with everything in it.
#[test]
fn the_same_seed_gives_the_same_bytes_everywhere() {
    let scan = Imaging::as_recorded().with_size_px(96).with_jitter_memory(0.3).with_offset(2.0).scan(3, 1234).unwrap();
    let frame = scan.counts(2, &with_defects(sheet(3.1, 7.0), 5)).unwrap();
    let bytes = frame.iter().flat_map(|v| v.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
    assert_eq!(format!("{hash:016x}"), "700b0870e96d415d");
}

#[test]
fn a_bad_option_is_named() {
    let says = |imaging: Imaging, words: [&str; 2]| {
        let error = imaging.scan(1, 1).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    says(Imaging::clean().with_size_px(3), ["size_px", "16 to 8192"]);
    says(Imaging::clean().with_probe_nm(0.0), ["probe_nm", "a fifth of a pixel"]);
    says(Imaging::clean().with_tail_nm(0.01), ["tail_nm", "probe_nm to 2 nm"]);
    says(Imaging::clean().with_electrons_per_nm2(f64::NAN), ["electrons_per_nm2", "positive"]);
    says(Imaging::clean().with_counts_at_w(-1.0), ["electrons_per_nm2", "positive"]);
    says(Imaging::clean().with_afterglow(1.0), ["afterglow", "below 1"]);
    says(Imaging::clean().with_drift_nm_per_s([0.0, f64::INFINITY]), ["drift_nm_per_s", "finite"]);
    let error = Imaging::clean().scan(0, 1).unwrap_err().to_string();
    assert!(error.contains("frames"), "{error}");
    let error = Imaging::clean().scan(2, 1).unwrap().counts(2, &[]).unwrap_err().to_string();
    assert!(error.contains("frame") && error.contains("0 to 1"), "{error}");
}

/// The first frame as recorded, redrawn as the real one was, and the real one.
fn pair(seed: u64) -> Option<(Texture, Texture)> {
    let folder = real_data().unwrap()?;
    let real = Movie::open(folder.join("ws2_frame0.npy")).unwrap().frame(0).unwrap();
    let imaging = Imaging::as_recorded().with_nm_per_px(0.0507 / REDRAWN);
    let columns = with_defects(sheet(16.6, -0.8), seed);
    let simulated = redraw(&imaging.scan(1, seed).unwrap().counts(0, &columns).unwrap());
    let simulated = Frame::new(simulated, Calibration::default());
    Some((Texture::of(&real).unwrap(), Texture::of(&simulated).unwrap()))
}

/// Bands of a spectrum hold 7,000 frequencies each, 1.2 % by chance. Along x the third is up to 12 % off (a distorted
/// lattice leaves residues beside its peaks), and the slowest 20 %: the real current also changes slowly within a row,
/// which the model has as one gain a row. Correlations have errors of 0.004 from 100,000 pixels; residues add 0.01.
#[test]
fn as_recorded_looks_like_the_real_frame() {
    for seed in 0..3 {
        let Some((real, simulated)) = pair(seed) else {
            return skipped("as_recorded_looks_like_the_real_frame", "ATOMOTION_REAL is not set");
        };
        println!(
            "{real:?}\n{simulated:?}\ndistance {:.3}, skewness {:.2} {:.2}",
            real.distance(&simulated),
            real.skewness,
            simulated.skewness
        );
        println!(
            "along x {:.2?}\n        {:.2?}\nalong y {:.2?}\n        {:.2?}",
            real.along_x, simulated.along_x, real.along_y, simulated.along_y
        );
        for (band, (r, s)) in real.along_x.iter().zip(&simulated.along_x).enumerate() {
            let most = if band == 0 { 0.3 } else { 0.16 };
            assert!((s / r - 1.0).abs() < most, "band {band} along x: {s}, real {r}");
        }
        for (band, (r, s)) in real.along_y.iter().zip(&simulated.along_y).enumerate() {
            assert!((s / r - 1.0).abs() < 0.08, "band {band} along y: {s}, real {r}");
        }
        assert!((simulated.corner / real.corner - 1.0).abs() < 0.08, "{simulated:?}");
        // The mean of 140 powers: 8 % each.
        assert!((simulated.rows / real.rows - 1.0).abs() < 0.35, "{simulated:?}");
        assert!((simulated.lattice - real.lattice).abs() < 0.04, "{simulated:?}");
        for (at, r) in real.correlation.indexed_iter() {
            assert!((simulated.correlation[at] - r).abs() < 0.025, "{at:?}: {}, real {r}", simulated.correlation[at]);
        }
        // Counts are 0.4 standard deviations apart, and a bin a quarter: one level more or less in it.
        assert!(real.distance(&simulated) < 0.05, "{}", real.distance(&simulated));
        assert!((simulated.skewness - real.skewness).abs() < 0.15, "{} {}", simulated.skewness, real.skewness);
    }
}

/// How much the covariance of neighbours `apart` pixels away along x beats with the redraw's step, over what it does at
/// other frequencies about there.
fn beat(frame: &Array2<f32>, apart: usize) -> f64 {
    let mean = frame.mean().unwrap();
    let product = |x: usize| {
        let (here, there) = (frame.column(x), frame.column(x + apart));
        here.iter().zip(there).map(|(a, b)| f64::from((a - mean) * (b - mean))).sum::<f64>()
    };
    let along: Vec<f64> = (0..frame.ncols() - apart).map(product).collect();
    let level = along.iter().sum::<f64>() / along.len() as f64;
    let at = |frequency: f64| {
        let phase = |x: usize| std::f64::consts::TAU * frequency * x as f64;
        let sum = |of: fn(f64) -> f64| along.iter().enumerate().map(|(x, v)| (v - level) * of(phase(x))).sum::<f64>();
        sum(f64::cos).hypot(sum(f64::sin))
    };
    let mut others: Vec<f64> = (0..120).map(|i| 0.36 + 0.001 * f64::from(i)).map(at).collect();
    others.sort_by(f64::total_cmp);
    at(2.0 - REDRAWN) / others[60]
}

/// A frame redrawn otherwise: each pixel a sum over its row and column with weights of the distance in pixels.
fn weighed(frame: &Array2<f32>, weight: impl Fn(f64) -> f64) -> Array2<f32> {
    let along_rows = |image: &Array2<f32>| {
        Array2::from_shape_fn((image.nrows(), 323), |(y, x)| {
            let middle = (x as f64 + 0.5) * REDRAWN - 0.5;
            let near = (middle - 1.5).max(0.0) as usize..=(middle + 2.5) as usize;
            near.map(|i| weight((i as f64 - middle).abs()) as f32 * image[[y, i]]).sum::<f32>()
        })
    };
    along_rows(&along_rows(frame).t().to_owned()).t().to_owned()
}

/// The redraw took pixels rather than means of them or values between them. Its covariance of a column with the next
/// beats in step with 1.5655 pixels, so that is its scale. Its noise is as strong in the corner of the spectrum as on
/// the plateau of an axis, where means leave half; and its variance does not beat, as it does between pixels. Of chance
/// the ratio of a beat is above 3 once in 500.
#[test]
fn the_real_frame_was_redrawn_from_single_pixels() {
    let Some(folder) = real_data().unwrap() else {
        return skipped("the_real_frame_was_redrawn_from_single_pixels", "ATOMOTION_REAL is not set");
    };
    let real = Movie::open(folder.join("ws2_frame0.npy")).unwrap().frame(0).unwrap().data;
    let imaging = Imaging::as_recorded().with_nm_per_px(0.0507 / REDRAWN);
    let counts = imaging.scan(1, 1).unwrap().counts(0, &sheet(16.6, -0.8)).unwrap();
    let of = |name: &str, frame: &Array2<f32>| {
        let texture = Texture::of(&Frame::new(frame.clone(), Calibration::default())).unwrap();
        let plateau = texture.along_y[5..9].iter().sum::<f64>() / 4.0;
        let found = (beat(frame, 1), beat(frame, 0), texture.corner / plateau);
        println!("{name}: covariance {:.1}, variance {:.1}, corner {:.2} of the plateau", found.0, found.1, found.2);
        found
    };
    for (name, frame) in [("real", &real), ("single pixels", &redraw(&counts))] {
        let (covariance, variance, corner) = of(name, frame);
        assert!(covariance > 6.0 && variance < 3.0 && corner > 0.75, "{name}");
    }
    let covered = |distance: f64| (0.5 * (1.0 + REDRAWN) - distance).clamp(0.0, 1.0) / REDRAWN;
    assert!(of("means", &weighed(&counts, covered)).2 < 0.65);
    assert!(of("between pixels", &weighed(&counts, |distance| (1.0 - distance).max(0.0))).1 > 6.0);
}
