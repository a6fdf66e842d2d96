//! TIFF files of one or many pages, read a page at a time.

use super::Calibration;
use super::reader::{FrameSource, Opened};
use crate::error::{Error, Result};
use ndarray::Array2;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult};
use tiff::tags::Tag;

struct Tiff {
    decoder: Mutex<Decoder<BufReader<File>>>,
    path: PathBuf,
    shape: (usize, usize, usize),
}

pub(super) fn open(path: &Path) -> Result<Opened> {
    let problem = |e: tiff::TiffError| Error::format(path, format!("cannot be read as TIFF: {e}"));
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut decoder = Decoder::new(BufReader::new(file)).map_err(problem)?;
    let (width, height) = decoder.dimensions().map_err(problem)?;
    check_colour(decoder.colortype().map_err(problem)?).map_err(|p| Error::format(path, p))?;
    let calibration = calibration(&mut decoder);
    let mut pages = 1;
    while decoder.more_images() {
        decoder.next_image().map_err(problem)?;
        let size = decoder.dimensions().map_err(problem)?;
        if size != (width, height) {
            return Err(Error::format(
                path,
                format!(
                    "has pages of different sizes: page 0 is {width} x {height}, page {pages} is {} x {} pixels",
                    size.0, size.1
                ),
            ));
        }
        pages += 1;
    }
    let shape = (pages, height as usize, width as usize);
    Ok((Arc::new(Tiff { decoder: Mutex::new(decoder), path: path.to_owned(), shape }), calibration))
}

fn check_colour(colour: ColorType) -> Result<(), String> {
    match colour {
        ColorType::Gray(_) => Ok(()),
        other => {
            Err(format!("is an image in colour ({other:?}): save it in grey levels, as the instrument measured it"))
        }
    }
}

/// ImageJ writes the unit in the description and pixels per unit as the resolution.
fn calibration(decoder: &mut Decoder<BufReader<File>>) -> Calibration {
    let text = decoder.get_tag_ascii_string(Tag::ImageDescription).unwrap_or_default();
    let field = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
    let nm = match field("unit=") {
        Some("nm") => 1.0,
        Some("A" | "Å" | "angstrom" | "\\u00C5") => 0.1,
        Some("pm") => 0.001,
        Some("um" | "µm" | "micron" | "\\u00B5m") => 1000.0,
        _ => return Calibration::default(),
    };
    let per_unit = match decoder.get_tag(Tag::XResolution) {
        Ok(tiff::decoder::ifd::Value::Rational(n, d)) => f64::from(n) / f64::from(d),
        _ => return Calibration::default(),
    };
    let seconds = field("finterval=").and_then(|v| v.parse().ok()).filter(|&s: &f64| s > 0.0).unwrap_or(1.0);
    Calibration::new(nm / per_unit, seconds).unwrap_or_default()
}

impl FrameSource for Tiff {
    fn shape(&self) -> (usize, usize, usize) {
        self.shape
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        let problem = |e: tiff::TiffError| Error::format(&self.path, format!("page {index} cannot be read: {e}"));
        let mut decoder = self.decoder.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        decoder.seek_to_image(index).map_err(problem)?;
        check_colour(decoder.colortype().map_err(problem)?)
            .map_err(|p| Error::format(&self.path, format!("page {index} {p}")))?;
        let pixels = to_f32(decoder.read_image().map_err(problem)?);
        let (_, h, w) = self.shape;
        Array2::from_shape_vec((h, w), pixels)
            .map_err(|_| Error::format(&self.path, format!("page {index} does not hold {h} x {w} pixels")))
    }
}

fn to_f32(decoded: DecodingResult) -> Vec<f32> {
    match decoded {
        DecodingResult::U8(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::U16(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::U32(v) => v.into_iter().map(|n| n as f32).collect(),
        DecodingResult::U64(v) => v.into_iter().map(|n| n as f32).collect(),
        DecodingResult::F16(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::F32(v) => v,
        DecodingResult::F64(v) => v.into_iter().map(|n| n as f32).collect(),
        DecodingResult::I8(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::I16(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::I32(v) => v.into_iter().map(|n| n as f32).collect(),
        DecodingResult::I64(v) => v.into_iter().map(|n| n as f32).collect(),
    }
}
