//! Movies are read as other programs wrote them.

mod common;

use atomotion::prelude::*;
use common::{Folder, npy, skipped};
use proptest::prelude::*;

/// One value in every number type, both byte orders, as NumPy stores it.
#[test]
fn every_number_type_of_npy() {
    let folder = Folder::new("npy-types");
    let cases: [(&str, Vec<u8>, f32); 22] = [
        ("|b1", vec![1], 1.0),
        ("|i1", (-5_i8).to_le_bytes().to_vec(), -5.0),
        ("|u1", vec![200], 200.0),
        ("<i2", (-300_i16).to_le_bytes().to_vec(), -300.0),
        (">i2", (-300_i16).to_be_bytes().to_vec(), -300.0),
        ("<u2", 60_000_u16.to_le_bytes().to_vec(), 60_000.0),
        (">u2", 60_000_u16.to_be_bytes().to_vec(), 60_000.0),
        ("<i4", (-70_000_i32).to_le_bytes().to_vec(), -70_000.0),
        (">i4", (-70_000_i32).to_be_bytes().to_vec(), -70_000.0),
        ("<u4", 4_000_000_000_u32.to_le_bytes().to_vec(), 4e9),
        (">u4", 4_000_000_000_u32.to_be_bytes().to_vec(), 4e9),
        ("<i8", (-(1_i64 << 40)).to_le_bytes().to_vec(), -(2_f32.powi(40))),
        (">i8", (-(1_i64 << 40)).to_be_bytes().to_vec(), -(2_f32.powi(40))),
        ("<u8", (1_u64 << 63).to_le_bytes().to_vec(), 2_f32.powi(63)),
        (">u8", (1_u64 << 63).to_be_bytes().to_vec(), 2_f32.powi(63)),
        ("<f2", 0x4248_u16.to_le_bytes().to_vec(), 3.140_625),
        (">f2", 0x4248_u16.to_be_bytes().to_vec(), 3.140_625),
        ("<f4", 2.5_f32.to_le_bytes().to_vec(), 2.5),
        (">f4", 2.5_f32.to_be_bytes().to_vec(), 2.5),
        ("<f8", (-1e-3_f64).to_le_bytes().to_vec(), -1e-3),
        (">f8", (-1e-3_f64).to_be_bytes().to_vec(), -1e-3),
        ("=f4", 2.5_f32.to_ne_bytes().to_vec(), 2.5),
    ];
    for (descr, one, value) in cases {
        let path = folder.write("a.npy", &npy(descr, false, "2, 2", &one.repeat(4)));
        let data = Movie::open(path).unwrap().frame(0).unwrap().data;
        assert!(data.iter().all(|&v| v == value), "{descr}: {data} is not {value}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Any movie of any shape and order comes back as it was stored.
    #[test]
    fn npy_comes_back(t in 1_usize..4, h in 1_usize..6, w in 1_usize..6, fortran: bool, seed in 0_u32..1000) {
        let value = |i: usize, y: usize, x: usize| (seed as usize + 100 * i + 10 * y + x) as f32;
        let mut data = vec![];
        if fortran {
            for (x, y, i) in (0..w).flat_map(|x| (0..h).flat_map(move |y| (0..t).map(move |i| (x, y, i)))) {
                data.extend(value(i, y, x).to_le_bytes());
            }
        } else {
            for (i, y, x) in (0..t).flat_map(|i| (0..h).flat_map(move |y| (0..w).map(move |x| (i, y, x)))) {
                data.extend(value(i, y, x).to_le_bytes());
            }
        }
        let folder = Folder::new("npy-order");
        let path = folder.write("movie.npy", &npy("<f4", fortran, &format!("{t}, {h}, {w}"), &data));
        let movie = Movie::open(path).unwrap();
        prop_assert_eq!((movie.len(), movie.height(), movie.width()), (t, h, w));
        for i in 0..t {
            prop_assert_eq!(movie.frame(i).unwrap().data, Array2::from_shape_fn((h, w), |(y, x)| value(i, y, x)));
        }
    }
}

#[test]
fn tiff_pages_in_any_order() {
    use tiff::encoder::{TiffEncoder, colortype};
    let folder = Folder::new("tiff-pages");
    let file = std::fs::File::create(folder.join("movie.tif")).unwrap();
    let mut encoder = TiffEncoder::new(file).unwrap();
    for page in 0..5_u16 {
        let pixels: Vec<u16> = (0..12).map(|i| 100 * page + i).collect();
        encoder.write_image::<colortype::Gray16>(4, 3, &pixels).unwrap();
    }
    drop(encoder);
    let movie = Movie::open(folder.join("movie.tif")).unwrap();
    assert_eq!((movie.len(), movie.height(), movie.width()), (5, 3, 4));
    for page in [4, 0, 2, 2] {
        assert_eq!(movie.frame(page).unwrap().data[[2, 1]], (100 * page + 9) as f32);
    }
}

/// Against what an independent reader found in files as other programs wrote them.
#[test]
fn tiff_files_of_other_programs() {
    let Some(folder) = real_data().unwrap() else {
        return skipped("tiff_files_of_other_programs", "ATOMOTION_REAL is not set");
    };
    for name in ["imagej_stack.tif", "dm_stack.tif"] {
        let movie = Movie::open(folder.join("formats").join(name)).unwrap();
        assert_eq!((movie.len(), movie.height(), movie.width()), (2, 68, 68), "{name}");
        let sum: f64 = movie.frames().map(|f| f64::from(f.unwrap().data.mapv(f64::from).sum() as f32)).sum();
        assert!((sum - 30_845_660.0).abs() < 16.0, "{name}: {sum}"); // single precision of the sum
    }
    let calibration = Movie::open(folder.join("formats/imagej_stack.tif")).unwrap().calibration();
    assert!((calibration.nm_per_px / 168.674_710_988 - 1.0).abs() < 1e-6, "{calibration:?}");
}
