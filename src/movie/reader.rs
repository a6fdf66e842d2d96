//! Opens what a path names: a file, one dataset of a file, a folder of images, or a pattern such as `frames/*.tif`.

use super::Calibration;
use super::formats::{self, Axis, Frames, Input, Metadata, Parsed};
use crate::error::{Error, Result};
use ndarray::Array2;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a reader gives: the movie's shape, and any frame when it is asked for.
pub trait FrameSource: Send + Sync {
    /// (frames, height, width)
    fn shape(&self) -> (usize, usize, usize);
    /// Reads frame `index`, which is below `shape().0`.
    ///
    /// # Errors
    /// If the file cannot be read there.
    fn read(&self, index: usize) -> Result<Array2<f32>>;
}

/// A movie as a path gives it.
pub(super) struct Opened {
    pub(super) source: Arc<dyn FrameSource>,
    pub(super) axes: [Axis; 3],
    pub(super) metadata: Metadata,
}

impl Opened {
    /// Nanometres and seconds, where the axes say them. Pixels that are not square have no length in nanometres.
    pub(super) fn calibration(&self) -> Calibration {
        let [frames, y, x] = &self.axes;
        let nm = match (y.nm(), x.nm()) {
            (Some(y), Some(x)) if (y / x - 1.0).abs() < 0.01 => Some(x),
            _ => None,
        };
        let seconds = frames.seconds().or_else(|| self.metadata.number("frame_time_s").filter(|s| *s > 0.0));
        let seconds = seconds.filter(|s| s.is_finite()).unwrap_or(1.0);
        Calibration { nm_per_px: nm.unwrap_or(1.0), s_per_frame: seconds, known: nm.is_some() }
    }
}

/// Opens a file, a folder or a pattern; `choice` names one dataset of a file that holds several.
pub(super) fn open(path: &Path, choice: Option<&str>) -> Result<Opened> {
    if path.is_dir() {
        return images(path, in_folder(path)?);
    }
    if !path.exists() && path.to_string_lossy().contains(['*', '?', '[']) {
        return images(path, matching(path)?);
    }
    let parsed = parse(path, choice)?;
    let shape = shape(&parsed);
    let source = FromFile { frames: parsed.frames, path: path.to_owned(), shape };
    Ok(Opened { source: Arc::new(source), axes: parsed.axes, metadata: parsed.metadata })
}

fn parse(path: &Path, choice: Option<&str>) -> Result<Parsed> {
    let file = std::fs::File::open(path).map_err(Error::io("open", path))?;
    let input = Input::file(file).map_err(Error::io("read", path))?;
    let parsed = formats::parse(input, &|extension| beside(path, extension), choice);
    parsed.map_err(|problem| Error::format(path, problem))
}

/// A file of the same name with another extension; TIA numbers the series that belong to one `.emi`.
fn beside(path: &Path, extension: &str) -> Option<Vec<u8>> {
    const MOST: u64 = 64 << 20;
    let stem = path.file_stem()?.to_str()?;
    let plain = stem.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_');
    [stem, plain].iter().find_map(|stem| {
        let other = path.with_file_name(format!("{stem}.{extension}"));
        std::fs::metadata(&other).ok().filter(|m| m.is_file() && m.len() <= MOST)?;
        std::fs::read(other).ok()
    })
}

fn shape(parsed: &Parsed) -> (usize, usize, usize) {
    let [frames, height, width] = &parsed.axes;
    (frames.size, height.size, width.size)
}

struct FromFile {
    frames: Box<dyn Frames>,
    path: PathBuf,
    shape: (usize, usize, usize),
}

impl FrameSource for FromFile {
    fn shape(&self) -> (usize, usize, usize) {
        self.shape
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        let pixels = self.frames.read(index).map_err(|problem| Error::format(&self.path, problem))?;
        frame(&self.path, pixels, self.shape)
    }
}

fn frame(path: &Path, pixels: Vec<f32>, (_, height, width): (usize, usize, usize)) -> Result<Array2<f32>> {
    Array2::from_shape_vec((height, width), pixels)
        .map_err(|_| Error::format(path, format!("does not hold {height} x {width} pixels where it says so")))
}

/// One image a file.
struct Images {
    paths: Vec<PathBuf>,
    shape: (usize, usize, usize),
}

impl FrameSource for Images {
    fn shape(&self) -> (usize, usize, usize) {
        self.shape
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        let path = &self.paths[index];
        let parsed = parse(path, None)?;
        let (frames, height, width) = shape(&parsed);
        if (frames, height, width) != (1, self.shape.1, self.shape.2) {
            return Err(Error::format(
                path,
                format!(
                    "holds {frames} frames of {height} x {width} pixels; the first image of its folder is {} x {}: \
                     leave it out with a pattern, such as frames/a*.png",
                    self.shape.1, self.shape.2
                ),
            ));
        }
        let pixels = parsed.frames.read(0).map_err(|problem| Error::format(path, problem))?;
        frame(path, pixels, self.shape)
    }
}

/// Only the first image is looked at now; the others when they are read.
fn images(path: &Path, paths: Vec<PathBuf>) -> Result<Opened> {
    let parsed = parse(&paths[0], None)?;
    let (frames, height, width) = shape(&parsed);
    if frames != 1 {
        let problem = format!("is taken for a movie of one image a file, but {} holds {frames}", paths[0].display());
        return Err(Error::format(path, format!("{problem}: open that file itself")));
    }
    let mut axes = parsed.axes;
    axes[0] = Axis::new(paths.len());
    let source = Images { shape: (paths.len(), height, width), paths };
    Ok(Opened { source: Arc::new(source), axes, metadata: parsed.metadata })
}

/// The images of a folder, in natural order. Files of other kinds are passed over; images of two kinds are not a movie.
fn in_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut kinds: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("open", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if let Some(kind) = kind(&path).filter(|_| !hidden && path.is_file()) {
            kinds.entry(kind).or_default().push(path);
        }
    }
    let counts: Vec<String> = kinds.iter().map(|(kind, paths)| format!("{} {kind}", paths.len())).collect();
    let mut all = kinds.into_values();
    match (all.next(), all.next()) {
        (Some(paths), None) => Ok(in_order(paths)),
        (None, _) => Err(Error::format(
            folder,
            "is a folder without images (PNG, TIFF, DM3 or DM4): name a file in it, or a folder of images",
        )),
        _ => Err(Error::format(
            folder,
            format!(
                "is a folder with images of several kinds ({}): choose some, such as folder/*.tif",
                counts.join(", ")
            ),
        )),
    }
}

/// A folder is taken by its files' names: opening every file in it to see what it is would take long.
fn kind(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "png" => Some("PNG"),
        "tif" | "tiff" => Some("TIFF"),
        "dm3" | "dm4" => Some("DM"),
        _ => None,
    }
}

fn matching(pattern: &Path) -> Result<Vec<PathBuf>> {
    let text = pattern.to_str().ok_or_else(|| Error::format(pattern, "is a pattern that is not UTF-8"))?;
    let found = glob::glob(text).map_err(|e| Error::format(pattern, format!("is not a pattern: {e}")))?;
    // A folder that may not be read is no match; the others are still there.
    let paths: Vec<PathBuf> = found.filter_map(std::result::Result::ok).filter(|path| path.is_file()).collect();
    if paths.is_empty() {
        return Err(Error::format(pattern, "matches no file"));
    }
    Ok(in_order(paths))
}

fn in_order(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
    paths
}

/// Numbers in names compare by value: `frame2` comes before `frame10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let (Some(first_a), Some(first_b)) = (rest_a.chars().next(), rest_b.chars().next()) else {
            // One ends before the other; names that differ in leading zeros only are told apart in the end.
            return rest_a.len().cmp(&rest_b.len()).then_with(|| a.cmp(b));
        };
        let (part_a, part_b);
        let order;
        if first_a.is_ascii_digit() && first_b.is_ascii_digit() {
            (part_a, part_b) = (digits(rest_a), digits(rest_b));
            let value = |digits: &str| digits.trim_start_matches('0').to_string();
            let (value_a, value_b) = (value(part_a), value(part_b));
            order = value_a.len().cmp(&value_b.len()).then_with(|| value_a.cmp(&value_b));
        } else {
            (part_a, part_b) = (&rest_a[..first_a.len_utf8()], &rest_b[..first_b.len_utf8()]);
            order = part_a.cmp(part_b);
        }
        if order != Ordering::Equal {
            return order;
        }
        (rest_a, rest_b) = (&rest_a[part_a.len()..], &rest_b[part_b.len()..]);
    }
}

fn digits(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_in_names_compare_by_value() {
        let mut names = vec!["f10.png", "f2.png", "f1.png", "f01.png", "g.png", "f2a.png", "f.png"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["f.png", "f01.png", "f1.png", "f2.png", "f2a.png", "f10.png", "g.png"]);
    }

    proptest! {
        /// An order in the strict sense: sorting by it never goes wrong.
        #[test]
        fn natural_order_is_an_order(a in "[a-b0-9é.]{0,6}", b in "[a-b0-9é.]{0,6}", c in "[a-b0-9é.]{0,6}") {
            prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            prop_assert_eq!(natural(&a, &b) == Ordering::Equal, a == b);
            if natural(&a, &b) != Ordering::Greater && natural(&b, &c) != Ordering::Greater {
                prop_assert_ne!(natural(&a, &c), Ordering::Greater);
            }
        }
    }

    #[test]
    fn pixels_that_are_not_square_are_not_calibrated() {
        let axes = |y: f64, x: f64| {
            [
                Axis::new(2).scaled(250.0, 0.0, "ms"),
                Axis::new(2).scaled(y, 0.0, "nm"),
                Axis::new(2).scaled(x, 0.0, "nm"),
            ]
        };
        let opened = |axes| Opened {
            source: Arc::new(Images { paths: vec![], shape: (2, 2, 2) }),
            axes,
            metadata: Metadata::default(),
        };
        let square = opened(axes(0.02, 0.02)).calibration();
        assert_eq!((square.nm_per_px, square.s_per_frame, square.known), (0.02, 0.25, true));
        assert!(!opened(axes(0.2, 0.02)).calibration().known);
    }
}
