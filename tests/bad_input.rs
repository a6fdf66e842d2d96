//! Bad input: each a clear error that names the thing, and no panic.

mod common;

use atomotion::movie::FrameSource;
use atomotion::prelude::*;
use common::{Folder, npy};
use std::sync::OnceLock;

/// The message of what must be an error.
fn message<T>(result: atomotion::Result<T>) -> String {
    match result {
        Ok(_) => panic!("this should have been an error"),
        Err(e) => e.to_string(),
    }
}

fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{message:?} does not say {word:?}");
    }
}

fn frame(data: Array2<f32>) -> Frame {
    Frame::new(data, Calibration::default())
}

/// A good frame, its labels, and a few defects, made once.
fn good() -> &'static (Movie, Labels, Defects) {
    static GOOD: OnceLock<(Movie, Labels, Defects)> = OnceLock::new();
    GOOD.get_or_init(|| {
        let movie = Ws2::default().with_size_px(128).with_vacancy_fraction(0.04).simulate(3).unwrap().movie;
        let labels = PeriodicityBreak::default().label(&movie.frame(0).unwrap()).unwrap();
        let patches = Array3::from_shape_fn((5, 8, 8), |(i, y, x)| ((i + 1) * (y + 2 * x) % 7) as f32);
        let table = df!(
            "defect" => [0_u64, 1, 2, 3, 4], "frame" => [0_u32, 0, 0, 1, 1], "time_s" => [0.0, 0.0, 0.0, 1.0, 1.0],
            "y_px" => [1_f32; 5], "x_px" => [2_f32; 5], "y_nm" => [1_f32; 5], "x_nm" => [2_f32; 5],
            "area_px" => [9_u32; 5], "probability" => [0.9_f32; 5],
        );
        (movie, labels, Defects::new(table.unwrap(), patches, 0.03).unwrap())
    })
}

#[test]
fn files_that_are_not_movies() {
    let folder = Folder::new("not-movies");
    says(&message(Movie::open(folder.join("none.npy"))), &["none.npy", "open"]);
    says(&message(Movie::open(folder.join(""))), &["folder"]);
    says(&message(Movie::open(folder.write("a.npy", b""))), &["a.npy", "neither"]);
    says(&message(Movie::open(folder.write("b.npy", b"GIF89a...."))), &["neither a NumPy .npy file nor a TIFF"]);
    says(&message(Movie::open(folder.write("c.npy", b"\x93NUMPY\x01\x00\xff"))), &["cut short"]);
    says(&message(Movie::open(folder.write("d.tif", b"II*\0\x08\0\0\0"))), &["d.tif", "TIFF"]);
}

#[test]
fn npy_files_that_cannot_be_read() {
    let folder = Folder::new("bad-npy");
    let open = |name: &str, bytes: Vec<u8>| message(Movie::open(folder.write(name, &bytes)));
    says(&open("cut.npy", npy("<f4", false, "2, 4, 4", &[0; 100])), &["cut.npy", "cut short", "128 bytes", "100"]);
    says(&open("none.npy", npy("<f4", false, "0, 4, 4", &[])), &["empty"]);
    says(&open("flat.npy", npy("<f4", false, "16,", &[0; 64])), &["1 dimensions"]);
    says(&open("deep.npy", npy("<f4", false, "1, 1, 4, 4", &[0; 64])), &["4 dimensions", "movie 3"]);
    says(&open("complex.npy", npy("<c8", false, "4, 4", &[0; 128])), &["complex", "numpy.abs"]);
    says(&open("text.npy", npy("<U4", false, "4, 4", &[0; 256])), &["<U4", "not real numbers"]);
}

#[test]
fn tiff_files_that_cannot_be_read() {
    use tiff::encoder::{TiffEncoder, colortype};
    let folder = Folder::new("bad-tiff");
    let mut bytes = std::io::Cursor::new(vec![]);
    let mut encoder = TiffEncoder::new(&mut bytes).unwrap();
    encoder.write_image::<colortype::Gray8>(4, 4, &[7; 16]).unwrap();
    encoder.write_image::<colortype::Gray8>(4, 5, &[7; 20]).unwrap();
    let uneven = bytes.into_inner();
    says(&message(Movie::open(folder.write("uneven.tif", &uneven))), &["different sizes", "page 1"]);
    // Cut at every byte: an error when opened or when read, or the pages before the cut; never a panic.
    for length in 0..uneven.len() {
        if let Ok(movie) = Movie::open(folder.write("cut.tif", &uneven[..length])) {
            for index in 0..movie.len() {
                let _ = movie.frame(index);
            }
        }
    }
    let mut bytes = std::io::Cursor::new(vec![]);
    TiffEncoder::new(&mut bytes).unwrap().write_image::<colortype::RGB8>(2, 2, &[7; 12]).unwrap();
    says(&message(Movie::open(folder.write("colour.tif", &bytes.into_inner()))), &["colour", "grey"]);
}

#[test]
fn movies_without_frames() {
    says(&message(Movie::from_array(Array3::zeros((0, 4, 4)))), &["empty"]);
    let movie = Movie::from_array(Array3::zeros((2, 4, 4))).unwrap();
    says(&message(movie.frame(2)), &["no frame 2", "from 0 to 1"]);
    says(&message(Calibration::new(0.0, 1.0)), &["nm_per_px = 0"]);
    says(&message(Calibration::new(1.0, f64::NAN)), &["s_per_frame = NaN"]);
    assert_eq!(Array3::<f32>::zeros((2, 4, 5)).shape(), &[2, 4, 5]);
    assert_eq!(FrameSource::shape(&Array3::<f32>::zeros((2, 4, 5))), (2, 4, 5));
}

#[test]
fn frames_that_show_nothing() {
    let label = |data: Array2<f32>| message(PeriodicityBreak::default().label(&frame(data)));
    let mut nan = good().0.frame(0).unwrap().data;
    nan[[3, 5]] = f32::NAN;
    says(&label(nan.clone()), &["NaN", "y = 3, x = 5"]);
    says(&label(Array2::from_elem((64, 64), 2.0)), &["constant"]);
    says(&label(Array2::from_shape_fn((8, 8), |(y, x)| (y * x) as f32)), &["too small"]);
    let noise = Array2::from_shape_fn((64, 64), |(y, x)| ((y * 7919 + x * 104_729) % 1009) as f32);
    let ramp = Array2::from_shape_fn((64, 64), |(y, x)| (y + 2 * x) as f32);
    says(&label(ramp), &["lattice"]);
    let _ = PeriodicityBreak::default().label(&frame(noise)); // an error or labels, but no panic
    let exact = Array2::from_shape_fn((64, 64), |(y, x)| f32::from(u8::from(y % 8 == 0 && x % 8 == 0)));
    let _ = PeriodicityBreak::default().label(&frame(exact));
    says(&message(Evidence::default().split_half(&frame(nan))), &["NaN"]);
}

#[test]
fn options_out_of_range() {
    let (movie, labels, _) = good();
    let first = movie.frame(0).unwrap();
    let label = |options: PeriodicityBreak| message(options.label(&first));
    says(&label(PeriodicityBreak::default().with_threshold(-1.0)), &["threshold = -1", "positive"]);
    says(&label(PeriodicityBreak::default().with_window_periods(f64::NAN)), &["window_periods = NaN"]);
    says(&message(labels.clone().at_threshold(-3.0)), &["threshold = -3"]);
    let train = |options: Training| message(Detector::train(labels, &options));
    says(&train(Training::default().with_steps(0)), &["steps = 0"]);
    says(&train(Training::default().with_learning_rate(-0.1)), &["learning_rate = -0.1"]);
    says(
        &train(Training::default().with_augment(Augment::default().with_crop_px(50))),
        &["crop_px = 50", "multiple of 4"],
    );
    says(&message(Ws2::default().with_dose(0.0).simulate(1)), &["dose = 0"]);
    says(&message(Ws2::default().with_mo_fraction(1.5).simulate(1)), &["mo_fraction = 1.5"]);
    says(&message(Evidence::default().with_surrogates(3).split_half(&first)), &["surrogates = 3"]);
    says(&message(score(&[], &[], 0.0)), &["within_px = 0"]);
}

#[test]
fn nothing_to_learn_from() {
    let none = good().1.clone().at_threshold(1000.0).unwrap();
    says(&message(Detector::train(&none, &Training::default())), &["no label", "at_threshold(3.5)"]);
}

#[test]
fn frames_smaller_than_the_network_looks_at() {
    let (movie, labels, _) = good();
    let detector = Detector::train(labels, &Training::default().with_steps(1).with_batch(2)).unwrap();
    let small = Movie::from_array(Array3::from_shape_fn((1, 20, 128), |(_, y, x)| (y * x) as f32)).unwrap();
    says(&message(detector.find(&small)), &["20 x 128", "smaller than what the network looks at"]);
    let find = |d: Decoding| message(detector.find_with(movie, &d, &mut ()));
    says(&find(Decoding::default().with_threshold(-0.5)), &["threshold = -0.5", "probability"]);
    says(&find(Decoding::default().with_patch_px(0)), &["patch_px = 0"]);
    let constant = Movie::from_array(Array3::ones((1, 128, 128))).unwrap();
    says(&message(detector.find(&constant)), &["frame 0", "constant"]);
}

#[test]
fn weights_that_are_not_a_detectors() {
    let folder = Folder::new("weights");
    says(&message(Detector::load(folder.join("none.safetensors"))), &["none.safetensors", "open"]);
    says(&message(Detector::load(folder.write("text", b"not weights at all"))), &["not safetensors"]);
    let header = br#"{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut foreign = (header.len() as u64).to_le_bytes().to_vec();
    foreign.extend(header);
    foreign.extend([0; 4]);
    says(&message(Detector::load(folder.write("foreign.safetensors", &foreign))), &["foreign.safetensors", "header"]);
    // Ours, cut short.
    let detector = Detector::train(&good().1, &Training::default().with_steps(1).with_batch(2)).unwrap();
    detector.save(folder.join("ours.safetensors")).unwrap();
    let bytes = std::fs::read(folder.join("ours.safetensors")).unwrap();
    let cut = folder.write("cut.safetensors", &bytes[..bytes.len() / 2]);
    says(&message(Detector::load(cut)), &["does not hold a detector's weights"]);
    says(&message(detector.save(folder.join("no/such/folder/w.safetensors"))), &["write"]);
}

#[test]
fn classes_that_cannot_be() {
    let few = good().2.filter(&(0..good().2.len()).map(|i| i < 5).collect::<Vec<_>>()).unwrap();
    let defects = &few;
    says(&message(KMeans::new(0).fit(defects)), &["classes = 0"]);
    says(&message(KMeans::new(6).fit(defects)), &["classes = 6", "at most the number of defects, 5"]);
    says(&message(GaussianMixture::new(0).fit(defects)), &["classes = 0"]);
    says(&message(GaussianMixture::new(9).fit(defects)), &["classes = 9"]);
    says(&message(Pca::new(0).fit(defects)), &["components = 0"]);
    let none = defects.filter(&[false; 5]).unwrap();
    says(&message(KMeans::new(1).fit(&none)), &["classes = 1", "number of defects, 0"]);
    says(&message(Pca::new(2).fit(&none)), &["0 defects"]);
    says(&message(defects.filter(&[true])), &["1 values", "5 defects"]);
    let same = Defects::new(defects.table().clone(), Array3::ones((5, 8, 8)), 0.03).unwrap();
    says(&message(Pca::new(2).fit(&same)), &["the same"]);
    // What cannot be told apart is one class.
    assert_eq!(GaussianMixture::new(2).fit(&same).unwrap().len(), 1);
    let nan = Defects::new(defects.table().clone(), Array3::from_elem((5, 8, 8), f32::NAN), 0.03).unwrap();
    says(&message(KMeans::new(2).fit(&nan)), &["NaN"]);
}

#[test]
fn tables_that_are_not_of_defects() {
    let folder = Folder::new("tables");
    says(&message(Defects::load(folder.join("none"))), &["defects.parquet", "open"]);
    let table = df!("a" => [1, 2]).unwrap();
    says(&message(Defects::new(table.clone(), Array3::zeros((2, 4, 4)), 1.0)), &["no column defect"]);
    says(&message(Defects::new(table, Array3::zeros((3, 4, 4)), 1.0)), &["2 rows but 3 patches"]);
    says(&message(read_parquet(folder.write("text.parquet", b"not parquet"))), &["text.parquet", "Parquet"]);
    folder.write("mine", b"something of the user's");
    says(&message(good().2.save(folder.join("mine"))), &["mine", "choose another name"]);
    assert_eq!(std::fs::read(folder.join("mine")).unwrap(), b"something of the user's");
}

#[test]
fn figures_that_cannot_be_saved() {
    let figure = good().1.figure();
    says(&message(figure.save("figure.bmp")), &["figure.bmp", ".svg, .pdf or .png"]);
    says(&message(figure.to_png(0.0)), &["scale = 0"]);
}

/// The variable is set for child processes only: tests run side by side in this one.
#[test]
fn real_data_that_is_not_there() {
    if std::env::var_os("ATOMOTION_TEST_CHILD").is_some() {
        println!("child says: {}", message(real_data()));
        return;
    }
    let me = std::env::current_exe().unwrap();
    let output = std::process::Command::new(me)
        .args(["--exact", "real_data_that_is_not_there", "--nocapture"])
        .envs([("ATOMOTION_TEST_CHILD", "1"), ("ATOMOTION_REAL", "/no/such/folder")])
        .output()
        .unwrap();
    says(&String::from_utf8_lossy(&output.stdout), &["ATOMOTION_REAL is set", "ws2_frame0.npy"]);
}
