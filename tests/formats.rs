//! Movies in every format agree with what other programs put into the files, or read from them.

mod common;

use atomotion::movie::{Axis, Movie};
use common::{Folder, skipped};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

fn expected(folder: &Path) -> Vec<(String, Json)> {
    let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let Json::Object(entries) = serde_json::from_str(&text).unwrap() else { panic!("expected.json is not an object") };
    entries.into_iter().collect()
}

fn close(found: f64, wanted: f64, relative: f64) -> bool {
    (found - wanted).abs() <= relative * wanted.abs().max(1e-12)
}

/// Lengths in nm and times in s, so that files in other units compare.
fn in_common_units(scale: f64, units: &str) -> (f64, String) {
    let axis = Axis::new(1).scaled(scale.abs(), 0.0, units);
    match (axis.nm(), axis.seconds()) {
        (Some(nm), _) => (nm * scale.signum(), "nm".into()),
        (_, Some(s)) => (s * scale.signum(), "s".into()),
        _ => (scale, axis.units.trim_matches(['[', ']']).to_string()),
    }
}

/// The frames of a file, in double precision.
fn frames(movie: &Movie) -> Vec<Vec<f64>> {
    movie.frames().map(|f| f.unwrap().data.iter().map(|&v| f64::from(v)).collect()).collect()
}

/// Files that instruments and other programs wrote, against what an independent reader found in them.
#[test]
fn files_of_instruments() {
    let Some(folder) = atomotion::movie::real_data().unwrap() else {
        return skipped("files_of_instruments", "ATOMOTION_REAL is not set");
    };
    let folder = folder.join("formats");
    let all = expected(&folder);
    assert!(all.len() >= 11, "{} files are listed", all.len());
    for (name, datasets) in all {
        let movie = Movie::open(folder.join(&name)).unwrap();
        let [wanted] = &datasets.as_array().unwrap()[..] else { panic!("{name}: one dataset is expected") };
        let sizes: Vec<usize> =
            wanted["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
        let found = [movie.len(), movie.height(), movie.width()];
        assert_eq!(found[3 - sizes.len()..], sizes, "{name}");
        assert!(sizes.len() == 3 || movie.len() == 1, "{name}");
        let values: Vec<f64> = frames(&movie).concat();
        let of = |pick: fn(f64, f64) -> f64, start| values.iter().copied().fold(start, pick);
        for (what, found) in [
            ("min", of(f64::min, f64::INFINITY)),
            ("max", of(f64::max, f64::NEG_INFINITY)),
            ("sum", values.iter().sum()),
        ] {
            let wanted = wanted[what].as_f64().unwrap();
            assert!(close(found, wanted, 1e-7), "{name}: {what} is {found}, should be {wanted}");
        }
        let axes = &movie.axes()[3 - sizes.len()..];
        for (axis, wanted) in axes.iter().zip(wanted["axes"].as_array().unwrap()) {
            let (scale, units) = in_common_units(wanted["scale"].as_f64().unwrap(), wanted["units"].as_str().unwrap());
            let (found, found_units) = in_common_units(axis.scale, &axis.units);
            // "None" says that the other reader found no unit where ours may have: only the scales compare.
            if wanted["units"] == "None" {
                assert!(close(axis.scale, wanted["scale"].as_f64().unwrap(), 1e-6), "{name}: {axis:?}");
                continue;
            }
            assert!(close(found, scale, 1e-6) && found_units == units, "{name}: {axis:?} should be {scale} {units}");
        }
    }
}

/// Small files written by other programs (`peers/make_movie_files.py`), pixel by pixel.
fn agrees(folder: &Path) -> usize {
    let all = expected(folder);
    let problems: Vec<String> = all.iter().filter_map(|(name, wanted)| disagreement(folder, name, wanted)).collect();
    assert!(problems.is_empty(), "{} of {} files:\n{}", problems.len(), all.len(), problems.join("\n"));
    all.len()
}

fn disagreement(folder: &Path, name: &str, wanted: &Json) -> Option<String> {
    let path = folder.join(name);
    let opened = match wanted["dataset"].as_str() {
        Some(dataset) => Movie::open_dataset(&path, dataset),
        None => Movie::open(&path),
    };
    let movie = match opened {
        Ok(movie) => movie,
        Err(problem) => return Some(problem.to_string()),
    };
    let shape: Vec<u64> = wanted["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    let found = [movie.len(), movie.height(), movie.width()].map(|n| n as u64);
    if found.to_vec() != shape {
        return Some(format!("{name}: {found:?} should be {shape:?}"));
    }
    let pixels = frames(&movie);
    let numbers = |key: &str| wanted[key].as_array().map(|a| a.iter().map(|n| n.as_f64().unwrap()).collect::<Vec<_>>());
    let weighted = |f: &Vec<f64>| f.iter().enumerate().map(|(i, v)| i as f64 * v).sum::<f64>();
    let same = match numbers("values") {
        Some(values) => pixels.concat() == values,
        None => {
            pixels.iter().map(|f| f.iter().sum()).collect::<Vec<f64>>() == numbers("sums").unwrap()
                && pixels.iter().map(weighted).collect::<Vec<_>>() == numbers("weighted").unwrap()
        }
    };
    if !same {
        return Some(format!("{name}: the pixels differ, {:?}", &pixels[0][..pixels[0].len().min(12)]));
    }
    for (axis, wanted) in movie.axes().iter().zip(wanted["axes"].as_array().unwrap()) {
        let Some(wanted) = wanted.as_array() else { continue };
        let (scale, units) = in_common_units(wanted[0].as_f64().unwrap(), wanted[1].as_str().unwrap());
        let (found, found_units) = in_common_units(axis.scale, &axis.units);
        if !close(found, scale, 1e-6) || found_units != units {
            return Some(format!("{name}: {axis:?} should be {scale} {units}"));
        }
    }
    None
}

#[test]
fn files_of_other_programs() {
    let count = agrees(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats"));
    assert!(count > 60, "{count} files");
}

/// `ATOMOTION_MOVIES` can name a folder that `peers/make_movie_files.py FOLDER --more` filled.
#[test]
fn more_files_of_other_programs() {
    match std::env::var_os("ATOMOTION_MOVIES") {
        Some(folder) => println!("{} files agree", agrees(&PathBuf::from(folder))),
        None => skipped("more_files_of_other_programs", "ATOMOTION_MOVIES is not set"),
    }
}

/// Frames can be asked for in any order, and by several threads at once.
#[test]
fn frames_in_any_order_and_side_by_side() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats");
    for name in ["deflated.npz", "h5_gzip_early.h5", "velox.emd", "lzw.tif", "tia_1.ser", "npy_fortran.npy"] {
        let movie = Movie::open(folder.join(name)).unwrap();
        let in_order = frames(&movie);
        std::thread::scope(|scope| {
            for start in 0..4 {
                let (movie, in_order) = (&movie, &in_order);
                scope.spawn(move || {
                    for i in (0..2 * movie.len()).map(|i| (5 * i + start) % movie.len()) {
                        let frame = movie.frame(i).unwrap().data;
                        assert!(
                            frame.iter().map(|&v| f64::from(v)).eq(in_order[i].iter().copied()),
                            "{name}, frame {i}"
                        );
                    }
                });
            }
        });
    }
}

#[test]
fn what_a_file_says_is_kept() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats");
    let number = |name: &str, key: &str| Movie::open(folder.join(name)).unwrap().metadata().number(key);
    for (name, key, value) in [
        ("gatan_u2_little.dm3", "voltage_kv", 80.0),
        ("gatan_u2_big.dm4", "dwell_time_s", 2.5e-6),
        ("velox.emd", "voltage_kv", 80.0),
        ("velox.emd", "frame_time_s", 0.25),
        ("velox.emd", "dwell_time_s", 2.5e-6),
        ("hyperspy.hspy", "voltage_kv", 80.0),
        ("ncem.emd", "voltage_kv", 80.0),
        ("imagej.tif", "frame_time_s", 0.25),
    ] {
        assert_eq!(number(name, key), Some(value), "{name}: {key}");
    }
    let movie = Movie::open(folder.join("tia_1.ser")).unwrap();
    assert_eq!(movie.metadata().get("acquired"), Some("2020-09-13 12:26:40 UTC"));
    assert_eq!(Movie::open(folder.join("velox.emd")).unwrap().calibration().s_per_frame, 0.25);
}

/// The `.emi` file beside a series says how it was recorded.
#[test]
fn series_with_the_file_beside_them() {
    let folder = Folder::new("emi");
    let series = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats/tia_1.ser")).unwrap();
    folder.write("scan_1.ser", &series);
    let xml = "\0\x07<ObjectInfo><AcquireDate>Mon May 5 2014</AcquireDate><ExperimentalDescription><Root><Data>\
               <Label>High tension</Label><Value>80</Value><Unit>kV</Unit></Data></Root></ExperimentalDescription>\
               </ObjectInfo>\0";
    folder.write("scan.emi", xml.as_bytes());
    let movie = Movie::open(folder.join("scan_1.ser")).unwrap();
    assert_eq!(movie.metadata().number("voltage_kv"), Some(80.0));
    assert_eq!(movie.metadata().get("High tension unit"), Some("kV"));
}

#[test]
fn folders_and_patterns_of_images() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats");
    let folder = Folder::new("images");
    let png = |value: u8| {
        let mut bytes = vec![];
        let mut encoder = png::Encoder::new(&mut bytes, 3, 2);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.write_header().unwrap().write_image_data(&[value; 6]).unwrap();
        bytes
    };
    for i in [10, 2, 1] {
        folder.write(&format!("frame{i}.png"), &png(i));
    }
    folder.write("notes.txt", b"not an image");
    folder.write(".hidden.png", b"not an image either");
    let movie = Movie::open(folder.join("")).unwrap();
    let first = |movie: &Movie| movie.frames().map(|f| f.unwrap().data[[0, 0]]).collect::<Vec<_>>();
    assert_eq!((movie.len(), movie.height(), movie.width()), (3, 2, 3));
    assert_eq!(first(&movie), [1.0, 2.0, 10.0]);
    assert_eq!(first(&Movie::open(folder.join("frame1*.png")).unwrap()), [1.0, 10.0]);
    let message = |path: &str| Movie::open(folder.join(path)).expect_err(path).to_string();
    assert!(message("none*.png").contains("matches no file"));
    // One of another size is only found when it is read.
    folder.write("frame3.png", &std::fs::read(data.join("grey8.png")).unwrap());
    let problem = Movie::open(folder.join("")).unwrap().frame(2).err().unwrap().to_string();
    assert!(problem.contains("frame3.png") && problem.contains("2 x 3"), "{problem}");
    folder.write("a.tif", &std::fs::read(data.join("pages.tif")).unwrap());
    assert!(message("").contains("several kinds (4 PNG, 1 TIFF)"), "{}", message(""));
    assert!(message("*.tif").contains("holds 3"), "{}", message("*.tif"));
}

#[test]
fn files_of_several_datasets_say_which() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats");
    for (name, words) in [
        ("several.npz", "\"first\" (3 x 5 x 4), \"second\" (3 x 5 x 4)"),
        ("channels.tif", "\"channel 0\" (3 frames), \"channel 1\" (3 frames)"),
        ("h5_several.h5", "\"first\" (3 x 5 x 4), \"group/second\" (3 x 5 x 4)"),
    ] {
        let message = Movie::open(folder.join(name)).expect_err(name).to_string();
        assert!(message.contains(words) && message.contains("Movie::open_dataset(path, "), "{message}");
        let message = Movie::open_dataset(folder.join(name), "third").expect_err(name).to_string();
        assert!(message.contains("no dataset \"third\""), "{message}");
    }
    let message = Movie::open_dataset(folder.join("tia_1.ser"), "x").err().unwrap().to_string();
    assert!(message.contains("one movie"), "{message}");
}

/// Cut anywhere, a file is an error when it is opened or read, or gives the frames before the cut; never a panic.
#[test]
fn files_cut_short() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats");
    let folder = Folder::new("cut");
    for (name, wanted) in expected(&data) {
        let bytes = std::fs::read(data.join(&name)).unwrap();
        for length in (0..bytes.len()).step_by(1 + bytes.len() / 60) {
            let path = folder.write(&name, &bytes[..length]);
            let opened = match wanted["dataset"].as_str() {
                Some(dataset) => Movie::open_dataset(&path, dataset),
                None => Movie::open(&path),
            };
            if let Ok(movie) = opened {
                (0..movie.len()).for_each(|i| drop(movie.frame(i)));
            }
        }
    }
}

/// The largest resident memory of this process so far, in bytes; `None` where the system does not say.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

/// 40 GB open in no time and are walked through in little memory. The file is sparse: it takes no room.
#[test]
fn a_movie_larger_than_memory() {
    if std::env::var_os("ATOMOTION_FULL").is_none() {
        return skipped("a_movie_larger_than_memory", "ATOMOTION_FULL is not set");
    }
    let folder = Folder::new("large");
    let (frames, side) = (10_000_u64, 1024_u64);
    let path = folder.write("large.npy", &common::npy("<f4", false, &format!("{frames}, {side}, {side}"), &[]));
    let header = std::fs::metadata(&path).unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(header + 4 * frames * side * side).unwrap();
    walk("40 GB .npy", &path, frames as usize);
}

/// A BigTIFF as an instrument writes it: every page with its directory behind it.
#[test]
fn a_bigtiff_of_many_pages() {
    if std::env::var_os("ATOMOTION_FULL").is_none() {
        return skipped("a_bigtiff_of_many_pages", "ATOMOTION_FULL is not set");
    }
    use tiff::encoder::{TiffEncoder, colortype};
    let folder = Folder::new("pages");
    let path = folder.join("pages.tif");
    let file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    let mut encoder = TiffEncoder::new_big(file).unwrap();
    for page in 0..20_000_u32 {
        let pixels = vec![(page % 60_000) as u16; 256 * 256];
        encoder.write_image::<colortype::Gray16>(256, 256, &pixels).unwrap();
    }
    drop(encoder);
    walk("BigTIFF of 20,000 pages", &path, 20_000);
}

fn walk(what: &str, path: &Path, frames: usize) {
    let start = std::time::Instant::now();
    let movie = Movie::open(path).unwrap();
    let opened = start.elapsed();
    assert_eq!(movie.len(), frames);
    movie.frames().for_each(|frame| drop(frame.unwrap()));
    let memory = peak_memory();
    println!("{what}: opened in {opened:?}, walked in {:?}, {memory:?} bytes at most", start.elapsed());
    assert!(opened.as_secs_f64() < 2.0, "{what} opened in {opened:?}");
    assert!(memory.is_none_or(|bytes| bytes < 2_000_000_000), "{what} took {memory:?} bytes");
}
