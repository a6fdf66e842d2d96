//! Operations against obvious slow versions, on small movies of random numbers.

use atomotion::Result;
use atomotion::prelude::*;
use proptest::prelude::*;

fn noise(seed: usize, i: usize) -> f32 {
    ((seed + i).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / 1024.0
}

fn movie(shape: (usize, usize, usize), seed: usize) -> Movie {
    let (_, h, w) = shape;
    let stack = Array3::from_shape_fn(shape, |(t, y, x)| noise(seed, (t * h + y) * w + x));
    Movie::from_array(stack).unwrap().with_calibration(Calibration::new(0.02, 0.5).unwrap())
}

fn frame(movie: &Movie, index: usize) -> Array2<f32> {
    movie.frame(index).unwrap().data
}

fn close(a: &Array2<f32>, b: &Array2<f32>, within: f32) -> bool {
    a.dim() == b.dim() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= within)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// A crop of a crop is one crop, and pixels keep their places on the axes.
    #[test]
    fn crops_add_up(a in 0_usize..5, b in 0_usize..5, c in 0_usize..3, d in 0_usize..3, seed: u16) {
        let movie = movie((2, 20, 24), seed as usize);
        let twice = movie.crop(a.., b..20).unwrap().crop(c..c + 9, d..=d + 7).unwrap();
        let once = movie.crop(a + c..a + c + 9, b + d..b + d + 8).unwrap();
        prop_assert_eq!(frame(&twice, 1), frame(&once, 1));
        prop_assert_eq!(frame(&once, 0)[[3, 4]], frame(&movie, 0)[[a + c + 3, b + d + 4]]);
        for (axis, first) in [(1, a + c), (2, b + d)] {
            prop_assert!((twice.axes()[axis].offset - 0.02 * first as f64).abs() < 1e-12);
        }
        prop_assert_eq!(once.calibration(), movie.calibration());
    }

    /// Binning keeps the sum of what it covers, and a block's centre keeps its place.
    #[test]
    fn bins_are_means(h in 1_usize..20, w in 1_usize..20, factor in 1_usize..6, seed: u16) {
        let movie = movie((1, h, w), seed as usize);
        if factor > h.min(w) {
            prop_assert!(movie.bin(factor).is_err());
            return Ok(());
        }
        let (binned, full) = (movie.bin(factor).unwrap(), frame(&movie, 0));
        let small = frame(&binned, 0);
        for ((y, x), mean) in small.indexed_iter() {
            let sum: f32 = (0..factor * factor).map(|i| full[[y * factor + i / factor, x * factor + i % factor]]).sum();
            prop_assert!((sum / (factor * factor) as f32 - mean).abs() < 1e-2); // values up to 16384 in single precision
        }
        let axis = &binned.axes()[2];
        prop_assert_eq!(axis.size, w / factor);
        prop_assert!((axis.scale - 0.02 * factor as f64).abs() < 1e-12);
        prop_assert!((axis.offset - 0.02 * (factor as f64 - 1.0) / 2.0).abs() < 1e-12);
        prop_assert_eq!(binned.calibration().nm_per_px, 0.02 * factor as f64);
    }

    /// Frames taken are those of a step through the range; time goes on from the first of them.
    #[test]
    fn frames_are_taken(first in 0_usize..9, step in 1_usize..5, seed: u16) {
        let movie = movie((9, 3, 2), seed as usize);
        let some = movie.take_frames(first.., step).unwrap();
        let slow: Vec<usize> = (first..9).filter(|i| (i - first) % step == 0).collect();
        prop_assert_eq!(some.len(), slow.len());
        for (i, &from) in slow.iter().enumerate() {
            prop_assert_eq!(frame(&some, i), frame(&movie, from));
        }
        prop_assert_eq!(some.calibration().s_per_frame, 0.5 * step as f64);
        prop_assert_eq!(some.axes()[0].offset, 0.5 * first as f64);
    }

    /// Four quarters are none, two are a half, and quarters are what their definition says.
    #[test]
    fn quarters_move_pixels(h in 1_usize..9, w in 1_usize..9, seed: u16) {
        let movie = movie((1, h, w), seed as usize);
        let quarter = movie.rotate(90.0).unwrap();
        let (turned, full) = (frame(&quarter, 0), frame(&movie, 0));
        prop_assert_eq!((turned.nrows(), turned.ncols()), (w, h));
        for ((y, x), v) in turned.indexed_iter() {
            prop_assert_eq!(*v, full[[x, w - 1 - y]]); // what was on the right is on top
        }
        prop_assert_eq!(frame(&quarter.rotate(90.0).unwrap(), 0), frame(&movie.rotate(-180.0).unwrap(), 0));
        prop_assert_eq!(frame(&quarter.rotate(270.0).unwrap(), 0), full);
    }

    /// The mean of the frames around, computed anew for each, in whatever order frames are asked for.
    #[test]
    fn averages_are_means(reach in 0_usize..4, order in Just((0..9_usize).collect::<Vec<_>>()).prop_shuffle(), seed: u16) {
        let movie = movie((9, 3, 4), seed as usize);
        let averaged = movie.rolling_average(2 * reach + 1).unwrap();
        for i in order {
            let near: Vec<usize> = (0..9).filter(|j| i.abs_diff(*j) <= reach).collect();
            let sum = near.iter().fold(Array2::zeros((3, 4)), |sum, &j| sum + frame(&movie, j));
            prop_assert!(close(&frame(&averaged, i), &(sum / near.len() as f32), 1e-2));
        }
    }

    /// Scale and offset of a frame do not matter to what it is normalised to.
    #[test]
    fn normalised_whatever_the_scale(gain in 0.01_f32..50.0, offset in -500.0_f32..500.0, seed: u16) {
        let movie = movie((1, 9, 12), seed as usize);
        let other = movie.map("gain", move |f| f.data.mapv(|v| gain * v + offset));
        let normal = |m: &Movie| frame(&m.normalise(&Normalise::default()).unwrap(), 0);
        // Differences of numbers near 16384 gain, in single precision.
        prop_assert!(close(&normal(&movie), &normal(&other), 1e-2));
        let mut sorted: Vec<f32> = normal(&movie).into_iter().collect();
        sorted.sort_by(f32::total_cmp);
        prop_assert_eq!((sorted[1], sorted[106]), (0.0, 1.0)); // ranks 1 % and 99 % of 107
    }

    /// Turning there and back leaves a smooth image as it was, away from its edges.
    #[test]
    fn turns_can_be_undone(degrees in 1.0_f64..89.0) {
        let wave = |y: f64, x: f64| ((0.31 * y + 0.2 * x).sin() + (0.25 * x - 0.1 * y).cos()) as f32;
        let stack = Array3::from_shape_fn((1, 61, 61), |(_, y, x)| wave(y as f64 - 30.0, x as f64 - 30.0));
        let movie = Movie::from_array(stack).unwrap();
        let back = movie.rotate(degrees).unwrap().rotate(-degrees).unwrap();
        let data = frame(&back, 0);
        let centre = |n: usize| (n as f64 - 1.0) / 2.0;
        let inside = |i: usize, n: usize| (4..n - 4).contains(&i);
        for ((y, x), v) in data.indexed_iter().filter(|((y, x), _)| inside(*y, data.nrows()) && inside(*x, data.ncols())) {
            let wanted = wave(y as f64 - centre(data.nrows()), x as f64 - centre(data.ncols()));
            // Cubic convolution errs by the third derivative: 0.37^3 / 15 at most each time, doubled for safety.
            prop_assert!((v - wanted).abs() < 0.02, "{v} {wanted} at {y}, {x} of {:?}", data.dim());
        }
    }

    /// Backgrounds that are flat or a slope far from the edges go; what is fast stays.
    #[test]
    fn slow_backgrounds_go(level in -100.0_f32..100.0, slope in -1.0_f32..1.0) {
        let stack = Array3::from_shape_fn((1, 96, 96), |(_, _, x)| level + slope * x as f32 + if x % 2 == 0 { 1.0 } else { -1.0 });
        let flat = frame(&Movie::from_array(stack).unwrap().subtract_background(6.0).unwrap(), 0);
        for x in 30..66 {
            let wanted = if x % 2 == 0 { 1.0 } else { -1.0 };
            prop_assert!((flat[[48, x]] - wanted).abs() < 0.01, "{} at {x}", flat[[48, x]]);
        }
    }
}

#[test]
fn history_says_what_was_done_in_order() {
    let movie = movie((6, 12, 12), 1);
    let done = movie.crop(2.., ..).unwrap().bin(2).unwrap().take_frames(1..5, 2).unwrap().rolling_average(1).unwrap();
    let history = done.metadata().get("history").unwrap();
    let wanted =
        "crop rows 2..12, columns 0..12; bin 2 x 2 (mean); take frames 1..5, every 2; rolling average of 1 frames";
    assert_eq!(history, wanted);
    assert!(format!("{done:?}").contains(wanted), "{done:?}");
    assert!(movie.metadata().get("history").is_none());
}

#[test]
fn what_cannot_be_done_names_what_could() {
    let movie = movie((3, 8, 6), 1);
    let message = |result: Result<Movie>| result.map(|_| ()).unwrap_err().to_string();
    for (found, wanted) in [
        (message(movie.crop(4..9, ..)), "rows = 4..9 is not valid: a range of at least one within 0..8"),
        (message(movie.crop(.., 3..3)), "columns = 3..3 is not valid: a range of at least one within 0..6"),
        (message(movie.bin(7)), "factor = 7 is not valid: from 1 to 6, the frame's shorter side"),
        (message(movie.take_frames(.., 0)), "step = 0 is not valid: 1 for every frame, 2 for every other, and so on"),
        (message(movie.rolling_average(4)), "frames = 4 is not valid: an odd number from 1 to 3, the movie's length"),
        (message(movie.rotate(f64::NAN)), "degrees = NaN is not valid: a finite number of degrees, counter-clockwise"),
        (
            message(movie.subtract_background(0.5)),
            "sigma_px = 0.5 is not valid: from 1 to 8 pixels, the frame's longer side",
        ),
        (
            message(movie.normalise(&Normalise::default().with_high_percent(0.5))),
            "high_percent = 0.5 is not valid: more than low_percent = 1, at most 100",
        ),
    ] {
        assert_eq!(found, wanted);
    }
    let constant = Movie::from_array(Array3::zeros((1, 4, 4))).unwrap().normalise(&Normalise::default()).unwrap();
    assert!(constant.frame(0).unwrap_err().to_string().contains("frame 0 is constant"));
    let larger = movie.map("larger", |_| Array2::zeros((9, 9)));
    assert!(larger.frame(1).unwrap_err().to_string().contains("map \"larger\" made 9 x 9 pixels of frame 1"));
}

#[test]
fn collected_frames_are_those_that_would_be_computed() {
    let lazy = movie((7, 9, 9), 3).bin(2).unwrap().rolling_average(3).unwrap();
    let kept = lazy.collect().unwrap();
    assert_eq!((kept.axes(), kept.calibration(), kept.metadata()), (lazy.axes(), lazy.calibration(), lazy.metadata()));
    for i in 0..7 {
        assert_eq!(frame(&kept, i), frame(&lazy, i));
    }
    let sums = lazy.map_parallel(|f| Ok((f.index, f.data.sum()))).unwrap();
    assert!(sums.iter().enumerate().all(|(i, (index, sum))| *index == i as u32 && *sum == frame(&lazy, i).sum()));
    let stopped = lazy.map_parallel(|f| if f.index == 4 { Err(Error::Data("enough".into())) } else { Ok(()) });
    assert_eq!(stopped.unwrap_err().to_string(), "enough");
}
