//! Gatan Digital Micrograph 3 and 4: a tree of named tags, some of which are images.
//!
//! No official description; after "Digital Micrograph file structure" by G. Jefferis and C. Boothroyd. Sizes and
//! names are big-endian, data in the order that the header names.

use super::input::{Cursor, Input};
use super::number::Number;
use super::stored::Stored;
use super::{Axis, Metadata, Parsed, choose, shape_text, size};
use std::collections::HashMap;
use std::sync::Arc;

/// Tags in a file, and groups inside groups: more than any that was seen.
const MOST_TAGS: usize = 200_000;
const DEEPEST: usize = 32;
const MOST_IMAGES: usize = 1000;
const LONGEST_PATH: usize = 1024;
/// Elements of an array that is read as text or kept as metadata.
const LONGEST_TEXT: u64 = 1 << 12;

/// A tag: its path, with positions for those without a name, and what it holds.
type Tag = (String, Content);

#[derive(Debug, Clone, PartialEq)]
enum Content {
    Number(f64),
    Text(String),
    /// Where an array's elements are: offset, how many, bytes of each.
    Array {
        at: u64,
        count: u64,
        bytes: u64,
    },
}

struct Tags<'a> {
    c: Cursor<'a>,
    version: u32,
    little_data: bool,
    found: Vec<Tag>,
    visited: usize,
}

pub fn parse(input: &Arc<Input>, choice: Option<&str>) -> Result<Parsed, String> {
    let (tags, little) = tags(input)?;
    let images = images(&tags);
    let named: Vec<_> = images.iter().map(|image| (image.name.clone(), shape_text(&image.sizes))).collect();
    let image = &images[choose(&named, choice)?];
    image.parse(input, !little, metadata(&tags, &image.path))
}

fn tags(input: &Input) -> Result<(Vec<Tag>, bool), String> {
    let mut c = input.cursor(0, true);
    let version = c.u32()?;
    if version != 3 && version != 4 {
        return Err(format!("is of Digital Micrograph version {version}; 3 and 4 are known"));
    }
    c.skip(if version == 3 { 4 } else { 8 })?; // the file's size
    let little_data = c.u32()? == 1;
    let mut tags = Tags { c, version, little_data, found: vec![], visited: 0 };
    tags.group("", 0)?;
    Ok((tags.found, little_data))
}

impl Tags<'_> {
    /// Sizes have four bytes in version 3, eight in version 4.
    fn size(&mut self) -> Result<u64, String> {
        if self.version == 3 { Ok(u64::from(self.c.u32()?)) } else { self.c.u64() }
    }

    fn group(&mut self, path: &str, depth: usize) -> Result<(), String> {
        if depth > DEEPEST {
            return Err("is damaged: its tags are nested too deep".into());
        }
        self.c.skip(2)?; // sorted, open
        let count = self.size()?;
        let mut unnamed = 0;
        for _ in 0..count {
            self.visited += 1;
            if self.visited > MOST_TAGS {
                return Err("is damaged: it has too many tags".into());
            }
            let kind = self.c.u8()?;
            if kind == 0 {
                break;
            }
            let length = self.c.u16()?;
            let name: String = self.c.bytes(u64::from(length), "a name")?.iter().map(|&b| char::from(b)).collect();
            if self.version == 4 {
                self.c.skip(8)?; // bytes of the tag
            }
            let name = if name.is_empty() {
                unnamed += 1;
                (unnamed - 1).to_string()
            } else {
                name
            };
            let path = if path.is_empty() { name } else { format!("{path}.{name}") };
            if path.len() > LONGEST_PATH {
                return Err("is damaged: its tags' names are too long".into());
            }
            match kind {
                20 => self.group(&path, depth + 1)?,
                21 => self.data(path)?,
                other => return Err(format!("is damaged: tag {path} is of kind {other}")),
            }
        }
        Ok(())
    }

    fn data(&mut self, path: String) -> Result<(), String> {
        if self.c.take::<4>()? != *b"%%%%" {
            return Err(format!("is damaged: tag {path} has no data"));
        }
        self.size()?; // words of the type that follows
        let kind = self.size()?;
        match kind {
            15 => {
                let fields = self.structure()?;
                let mut values = vec![];
                for field in fields {
                    values.push(self.number(field)?.to_string());
                }
                self.found.push((path, Content::Text(values.join(", "))));
            }
            18 => {
                let length = self.size()?;
                let text = self.text(length, 1)?;
                self.found.push((path, Content::Text(text)));
            }
            20 => self.array(path)?,
            _ => {
                let value = self.number(kind)?;
                self.found.push((path, Content::Number(value)));
            }
        }
        Ok(())
    }

    /// The types of a structure's fields.
    fn structure(&mut self) -> Result<Vec<u64>, String> {
        self.size()?; // length of its name
        let fields = self.size()?;
        if fields > 1000 {
            return Err("is damaged: a tag has too many fields".into());
        }
        let mut kinds = vec![];
        for _ in 0..fields {
            self.size()?; // length of the field's name
            kinds.push(self.size()?);
        }
        Ok(kinds)
    }

    fn array(&mut self, path: String) -> Result<(), String> {
        let kind = self.size()?;
        let bytes = match kind {
            15 => self.structure()?.into_iter().map(bytes_of).sum::<Result<u64, String>>()?,
            20 => return Err(format!("is damaged: tag {path} holds an array of arrays")),
            _ => bytes_of(kind)?,
        };
        let count = self.size()?;
        let total = count.checked_mul(bytes).ok_or("is damaged: an array is too large")?;
        let at = self.c.at;
        self.c.skip(total)?;
        // Arrays of 16-bit numbers are how texts are kept.
        if kind == 4 && count <= LONGEST_TEXT && !path.ends_with(".Data") {
            self.c.at = at;
            let text = self.text(total, 2)?;
            self.found.push((path, Content::Text(text)));
        } else {
            self.found.push((path, Content::Array { at, count, bytes }));
        }
        Ok(())
    }

    fn text(&mut self, bytes: u64, unit: usize) -> Result<String, String> {
        if bytes > 2 * LONGEST_TEXT {
            self.c.skip(bytes)?;
            return Ok(String::new());
        }
        let raw = self.c.bytes(bytes, "a text")?;
        if unit == 1 {
            return Ok(raw.iter().map(|&b| char::from(b)).collect());
        }
        let pair = |b: &[u8]| if self.little_data { [b[0], b[1]] } else { [b[1], b[0]] };
        let units: Vec<u16> = raw.chunks_exact(2).map(|b| u16::from_le_bytes(pair(b))).collect();
        Ok(String::from_utf16_lossy(&units))
    }

    fn number(&mut self, kind: u64) -> Result<f64, String> {
        let number = number_of(kind).ok_or_else(|| format!("is damaged: a tag of type {kind}"))?;
        let mut raw = [0; 8];
        for byte in &mut raw[..number.bytes()] {
            *byte = self.c.u8()?;
        }
        Ok(number.exact(&raw, !self.little_data))
    }
}

fn number_of(kind: u64) -> Option<Number> {
    Some(match kind {
        2 => Number::I(2),
        3 => Number::I(4),
        4 => Number::U(2),
        5 => Number::U(4),
        6 => Number::F(4),
        7 => Number::F(8),
        8 => Number::Bool,
        9 => Number::I(1),
        10 => Number::U(1),
        11 => Number::I(8),
        12 => Number::U(8),
        _ => return None,
    })
}

fn bytes_of(kind: u64) -> Result<u64, String> {
    number_of(kind).map(|n| n.bytes() as u64).ok_or_else(|| format!("is damaged: an array of type {kind}"))
}

/// One entry of the list of images.
struct Image {
    path: String,
    name: String,
    /// As the file has them: width, height, frames.
    sizes: Vec<u64>,
    kind: f64,
    data: (u64, u64, u64),
    axes: Vec<(f64, f64, String)>,
}

/// A packed colour picture, as thumbnails are.
const RGB: f64 = 23.0;

fn images(tags: &[Tag]) -> Vec<Image> {
    let thumbnails: Vec<f64> =
        tags.iter().filter(|(p, _)| is_thumbnail(p)).filter_map(|(_, c)| content_number(c)).collect();
    let by_path: HashMap<&str, &Content> = tags.iter().map(|(path, content)| (path.as_str(), content)).collect();
    let mut images: Vec<Image> = vec![];
    for (path, content) in tags {
        let Content::Array { at, count, bytes } = content else { continue };
        let Some(base) = path.strip_suffix(".ImageData.Data").filter(|p| p.starts_with("ImageList.")) else { continue };
        let index: f64 = base["ImageList.".len()..].parse().unwrap_or(f64::NAN);
        if !thumbnails.contains(&index) && images.len() < MOST_IMAGES {
            images.push(Image::new(&by_path, base, (*at, *count, *bytes)));
        }
    }
    // Old files do not say which one the thumbnail is; it is in colour and the first.
    if thumbnails.is_empty() && images.len() > 1 && images[0].kind == RGB {
        images.remove(0);
    }
    // Images of the same name are told apart by their place.
    let mut named: HashMap<String, usize> = HashMap::new();
    for image in &images {
        *named.entry(image.name.clone()).or_default() += 1;
    }
    for image in &mut images {
        if image.name.is_empty() || named.get(&image.name).is_some_and(|&n| n > 1) {
            image.name = image.path.clone();
        }
    }
    images
}

fn is_thumbnail(path: &str) -> bool {
    path.starts_with("Thumbnails.") && path.ends_with(".ImageIndex")
}

fn content_number(content: &Content) -> Option<f64> {
    match content {
        Content::Number(n) => Some(*n),
        _ => None,
    }
}

impl Image {
    fn new(tags: &HashMap<&str, &Content>, base: &str, data: (u64, u64, u64)) -> Image {
        let find = |name: &str| tags.get(format!("{base}.{name}").as_str()).copied();
        let number = |name: &str| find(name).and_then(content_number);
        let text = |name: &str| match find(name) {
            Some(Content::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let sizes = (0..8).map_while(|i| number(&format!("ImageData.Dimensions.{i}"))).map(|n| n.max(0.0) as u64);
        let axis = |i| {
            let calibration = format!("ImageData.Calibrations.Dimension.{i}");
            let value = |name: &str| number(&format!("{calibration}.{name}"));
            let scale = value("Scale").unwrap_or(1.0);
            // The origin is counted in pixels, backwards.
            (scale, -value("Origin").unwrap_or(0.0) * scale, text(&format!("{calibration}.Units")))
        };
        Image {
            path: base.into(),
            name: text("Name").trim().to_string(),
            sizes: sizes.collect(),
            kind: number("ImageData.DataType").unwrap_or(0.0),
            data,
            axes: (0..3).map(axis).collect(),
        }
    }

    fn parse(&self, input: &Arc<Input>, big_endian: bool, mut metadata: Metadata) -> Result<Parsed, String> {
        let number = pixel_type(self.kind)?;
        let trimmed: Vec<u64> = {
            let used = self.sizes.iter().rposition(|&n| n != 1).map_or(0, |i| i + 1).max(2);
            self.sizes.iter().copied().take(used).collect()
        };
        let (width, height, frames) = match *trimmed {
            [w, h] => (w, h, 1),
            [w, h, t] => (w, h, t),
            _ => {
                let shape = shape_text(&self.sizes);
                return Err(format!("holds data of shape {shape}: a frame has 2 dimensions, a movie 3"));
            }
        };
        let (at, count, bytes) = self.data;
        let pixels = width.checked_mul(height).and_then(|n| n.checked_mul(frames));
        if bytes != number.bytes() as u64 || pixels.is_none_or(|n| n > count) {
            return Err(format!(
                "is damaged: {} pixels of {} bytes are declared, {count} of {bytes} are there",
                shape_text(&self.sizes),
                number.bytes()
            ));
        }
        let axis = |i: usize, n: u64| {
            let (scale, offset, units) = &self.axes[i];
            Ok::<_, String>(Axis::new(size(n)?).scaled(*scale, *offset, units))
        };
        let axes = [axis(2, frames)?, axis(1, height)?, axis(0, width)?];
        if let Some(seconds) = axes[0].seconds().filter(|_| frames > 1) {
            metadata.insert_common("frame_time_s", seconds.to_string());
        }
        let frames = Stored { input: input.clone(), at, height: axes[1].size, width: axes[2].size, number, big_endian };
        Ok(Parsed { frames: Box::new(frames), axes, metadata })
    }
}

/// The number behind `ImageData.DataType`.
fn pixel_type(kind: f64) -> Result<Number, String> {
    Ok(match kind as i64 {
        1 => Number::I(2),
        2 => Number::F(4),
        6 => Number::U(1),
        7 => Number::I(4),
        9 => Number::I(1),
        10 => Number::U(2),
        11 => Number::U(4),
        12 => Number::F(8),
        14 => Number::Bool,
        39 => Number::I(8),
        40 => Number::U(8),
        3 | 5 | 13 | 27 | 28 => return Err("holds complex numbers: save their modulus instead".into()),
        8 | 23 => return Err("is an image in colour: save it in grey levels, as the instrument measured it".into()),
        other => return Err(format!("holds pixels of Digital Micrograph's type {other}, which is not known")),
    })
}

/// The image's own tags, and what they have in common with other formats.
fn metadata(tags: &[Tag], image: &str) -> Metadata {
    let mut metadata = Metadata::default();
    for (path, content) in tags {
        let Some(name) = path.strip_prefix(image).and_then(|p| p.strip_prefix('.')) else { continue };
        if name.starts_with("ImageData.") {
            continue; // sizes and calibrations are in the axes
        }
        match content {
            Content::Number(number) => metadata.add(name, number),
            Content::Text(text) => metadata.add(name, text),
            Content::Array { .. } => {}
        }
    }
    let acquired: Vec<_> = ["ImageTags.DataBar.Acquisition Date", "ImageTags.DataBar.Acquisition Time"]
        .iter()
        .filter_map(|name| metadata.get(name))
        .collect();
    let acquired = acquired.join(" ");
    if !acquired.is_empty() {
        metadata.insert_common("acquired", acquired);
    }
    let microscope = |name: &str| format!("ImageTags.Microscope Info.{name}");
    metadata.common_text("title", &["Name"]);
    metadata.common("dwell_time_s", 1e-6, &["ImageTags.DigiScan.Sample Time"]);
    metadata.common(
        "exposure_time_s",
        1.0,
        &["ImageTags.DataBar.Exposure Time (s)", "ImageTags.Acquisition.Parameters.High Level.Exposure (s)"],
    );
    metadata.common("voltage_kv", 1e-3, &[&microscope("Voltage")]);
    metadata.common(
        "magnification",
        1.0,
        &[&microscope("Actual Magnification"), &microscope("Indicated Magnification")],
    );
    metadata.common_text("detector", &["ImageTags.DataBar.Signal Name", "ImageTags.DataBar.Device Name"]);
    metadata.common_text("instrument", &[&microscope("Microscope"), &microscope("Name")]);
    metadata
}

#[cfg(test)]
mod tests {
    use super::super::damage::{answers, edits};
    use super::*;
    use proptest::prelude::*;

    fn image(index: usize, kind: f64, name: &str, sizes: &[u64], count: u64) -> Vec<Tag> {
        let path = |what: &str| format!("ImageList.{index}.{what}");
        let bytes = pixel_type(kind).map_or(4, |number| number.bytes() as u64);
        let mut tags = vec![
            (path("ImageData.Data"), Content::Array { at: 0, count, bytes }),
            (path("ImageData.DataType"), Content::Number(kind)),
            (path("Name"), Content::Text(name.into())),
        ];
        for (i, &n) in sizes.iter().enumerate() {
            tags.push((path(&format!("ImageData.Dimensions.{i}")), Content::Number(n as f64)));
        }
        tags
    }

    fn parsed(tags: &[Tag]) -> Result<Parsed, String> {
        images(tags)[0].parse(&Arc::new(Input::memory(vec![0; 4096])), false, Metadata::default())
    }

    #[test]
    fn the_thumbnail_is_not_the_image() {
        let mut tags = image(0, RGB, "", &[2, 2], 4);
        tags.extend(image(1, 10.0, "movie", &[4, 5, 3], 60));
        assert_eq!(images(&tags).iter().map(|i| i.name.clone()).collect::<Vec<_>>(), ["movie"]);
        // A file can say which one it is; then it may be of any kind and anywhere.
        let mut tags = image(0, 10.0, "movie", &[4, 5, 3], 60);
        tags.extend(image(1, 10.0, "small", &[2, 2], 4));
        tags.push(("Thumbnails.0.ImageIndex".into(), Content::Number(1.0)));
        assert_eq!(images(&tags).iter().map(|i| i.name.clone()).collect::<Vec<_>>(), ["movie"]);
    }

    #[test]
    fn images_of_one_name_are_told_apart() {
        let mut tags = image(0, 10.0, "a", &[2, 2], 4);
        tags.extend(image(1, 10.0, "a", &[2, 2], 4));
        tags.extend(image(2, 10.0, "b", &[2, 2], 4));
        let names: Vec<_> = images(&tags).iter().map(|i| i.name.clone()).collect();
        assert_eq!(names, ["ImageList.0", "ImageList.1", "b"]);
    }

    #[test]
    fn images_that_cannot_be_movies() {
        let problem = |kind, sizes: &[u64], count| parsed(&image(0, kind, "", sizes, count)).err().unwrap();
        assert!(problem(3.0, &[2, 2], 4).contains("complex"));
        assert!(problem(RGB, &[2, 2], 4).contains("colour"));
        assert!(problem(99.0, &[2, 2], 4).contains("type 99"));
        assert!(problem(10.0, &[2, 2, 2, 2], 16).contains("2 x 2 x 2 x 2"));
        assert!(problem(10.0, &[4, 5, 3], 59).contains("4 x 5 x 3 pixels of 2 bytes are declared, 59"));
        assert!(problem(10.0, &[u64::MAX, 2, 2], 8).contains("declared"));
        let movie = parsed(&image(0, 10.0, "", &[4, 5, 3, 1], 60)).unwrap();
        assert_eq!(movie.axes.map(|axis| axis.size), [3, 5, 4]);
    }

    proptest! {
        /// Whatever is done to a valid file, it is answered.
        #[test]
        fn damage_is_answered(which in any::<prop::sample::Index>(), edits in edits()) {
            let files = [
                include_bytes!("../../../tests/data/formats/gatan_u2_little.dm3").as_slice(),
                include_bytes!("../../../tests/data/formats/gatan_f4_big.dm4").as_slice(),
            ];
            answers(files[which.index(files.len())], &edits);
        }
    }
}
