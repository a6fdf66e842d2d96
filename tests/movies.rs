//! Movies are saved so that nothing is lost, and operations chain over files.

mod common;

use atomotion::movie::Axis;
use atomotion::ndarray::Array3;
use atomotion::prelude::*;
use common::Folder;
use proptest::prelude::*;

fn value(seed: usize, i: usize) -> f32 {
    ((seed + i).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32
}

/// A movie with a calibration, an origin and a history.
fn movie(shape: (usize, usize, usize), seed: usize, most: f32) -> Movie {
    let (_, h, w) = shape;
    let stack = Array3::from_shape_fn((shape.0, h + 1, w + 2), |(t, y, x)| value(seed, (t * h + y) * w + x) % most);
    let calibrated = Movie::from_array(stack).unwrap().with_calibration(Calibration::new(0.0315, 0.25).unwrap());
    calibrated.crop(1.., 2..).unwrap()
}

fn same(a: &Movie, b: &Movie) -> bool {
    let bits = |m: &Movie, i: usize| m.frame(i).unwrap().data.mapv(f32::to_bits);
    (a.len(), a.height(), a.width()) == (b.len(), b.height(), b.width())
        && (0..a.len()).all(|i| bits(a, i) == bits(b, i))
}

fn close(found: &Axis, wanted: &Axis) -> bool {
    // Positions are differences in double precision; fractions of 32 bits reach 1e-9.
    let near = |a: f64, b: f64| (a - b).abs() <= 2e-9 * b.abs().max(1e-3);
    near(found.scale, wanted.scale) && near(found.offset, wanted.offset) && found.units == wanted.units
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Every format and type of number brings back every bit; all but .npy bring back what a pixel is worth.
    #[test]
    fn saved_movies_come_back(t in 1_usize..4, h in 2_usize..9, w in 2_usize..9, seed: u16) {
        let folder = Folder::new(&format!("saved-{t}-{h}-{w}-{seed}"));
        for (number, most) in [(Stored::F32, f32::MAX), (Stored::U16, 65_536.0), (Stored::U8, 256.0)] {
            let movie = movie((t, h, w), seed as usize, most);
            for name in ["a.tif", "a.npy", "a.emd"] {
                let path = folder.join(name);
                movie.save_with(&path, &Saving::default().with_number(number)).unwrap();
                let back = Movie::open(&path).unwrap();
                prop_assert!(same(&back, &movie), "{name} {number:?}");
                if name == "a.npy" {
                    prop_assert!(!back.calibration().known);
                    continue;
                }
                prop_assert!((back.calibration().nm_per_px / 0.0315 - 1.0).abs() < 2e-9, "{name}: {back:?}");
                prop_assert_eq!(back.metadata().get("history"), movie.metadata().get("history"));
                for axis in usize::from(t == 1)..3 {
                    prop_assert!(close(&back.axes()[axis], &movie.axes()[axis]), "{name}: {:?} {:?}", back.axes(), movie.axes());
                }
            }
        }
        let left: Vec<_> = std::fs::read_dir(folder.join("")).unwrap().collect();
        prop_assert_eq!(left.len(), 3); // no partial file
    }
}

/// NaN and infinity are numbers to single precision; every bit of them comes back.
#[test]
fn numbers_that_are_none_are_kept() {
    let folder = Folder::new("saved-nan");
    let mut stack = Array3::zeros((2, 4, 4));
    (stack[[0, 1, 2]], stack[[1, 3, 3]], stack[[1, 0, 0]]) = (f32::NAN, f32::NEG_INFINITY, -0.0);
    let movie = Movie::from_array(stack).unwrap();
    for name in ["a.tif", "a.npy", "a.emd"] {
        movie.save(folder.join(name)).unwrap();
        assert!(same(&Movie::open(folder.join(name)).unwrap(), &movie), "{name}");
    }
}

#[test]
fn what_cannot_be_saved_leaves_what_was_there() {
    let folder = Folder::new("saved-refused");
    let path = folder.write("a.tif", b"what was there");
    let movie = Movie::from_array(Array3::from_shape_fn((3, 2, 2), |(t, y, x)| (t + y + x) as f32 - 1.5)).unwrap();
    let refused = movie.save_with(&path, &Saving::default().with_number(Stored::U8)).unwrap_err().to_string();
    assert!(refused.contains("number = U8") && refused.contains("frame 0 has -1.5 at y = 0, x = 0"), "{refused}");
    let broken = movie.map("broken", |f| if f.index == 2 { Array2::zeros((1, 1)) } else { f.data.clone() });
    assert!(broken.save(&path).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"what was there");
    assert_eq!(std::fs::read_dir(folder.join("")).unwrap().count(), 1);
    let unknown = movie.save(folder.join("a.jpg")).unwrap_err().to_string();
    assert!(unknown.contains("end it with .tif, .emd or .npy"), "{unknown}");
    assert!(movie.save(folder.join("no such folder/a.tif")).is_err());
}

/// A file may be saved over while it is the movie's own source.
#[test]
fn a_movie_is_saved_over_its_own_file() {
    let folder = Folder::new("saved-over");
    let path = folder.join("a.tif");
    movie((3, 6, 6), 5, 100.0).save(&path).unwrap();
    let halved = Movie::open(&path).unwrap().bin(2).unwrap();
    let wanted = halved.collect().unwrap();
    halved.save(&path).unwrap();
    let back = Movie::open(&path).unwrap();
    assert!(same(&back, &wanted));
    assert_eq!(back.metadata().get("history").unwrap(), "crop rows 1..7, columns 2..8; bin 2 x 2 (mean)");
}

/// Many entries of metadata, as Velox's files have, and letters of every alphabet.
#[test]
fn metadata_of_all_kinds_are_kept_in_emd() {
    let folder = Folder::new("saved-metadata");
    let velox = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/formats/velox.emd");
    let movie = Movie::open(velox).unwrap().map("Größe in µm, 原子", |f| f.data.clone());
    movie.save(folder.join("a.emd")).unwrap();
    movie.save(folder.join("a.tif")).unwrap();
    let back = Movie::open(folder.join("a.emd")).unwrap();
    assert!(same(&back, &movie));
    assert_eq!(back.metadata().get("history"), Some("Größe in µm, 原子"));
    assert_eq!(back.metadata().get("dwell_time_s"), movie.metadata().get("dwell_time_s"));
    assert!(same(&Movie::open(folder.join("a.tif")).unwrap(), &movie));
}
