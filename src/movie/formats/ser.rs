//! TIA series (`.ser`) as FEI's microscopes write them, with what the `.emi` file beside them says.
//!
//! No official description; after C. Boothroyd, "TIA Reader" and "SER file format". Always little-endian.

use super::input::{Cursor, Input};
use super::number::Number;
use super::{Axis, Frames, Metadata, Parsed, date, size};
use std::sync::Arc;

struct Ser {
    input: Arc<Input>,
    /// Where each frame's header begins.
    offsets: Vec<u64>,
    first: Header,
}

/// What stands before the pixels of a frame.
#[derive(Debug, Clone, PartialEq)]
struct Header {
    scale: [f64; 2],
    offset: [f64; 2],
    number: Number,
    width: u64,
    height: u64,
    data_at: u64,
}

pub fn parse(input: &Arc<Input>, emi: Option<&[u8]>) -> Result<Parsed, String> {
    let mut c = input.cursor(4, false);
    let version = c.u16()?;
    let data_kind = c.u32()?;
    if data_kind == 0x4120 {
        return Err("holds spectra, not images".into());
    }
    let tag_kind = c.u32()?;
    let (elements, valid) = (c.u32()?, c.u32()?);
    // Offsets have 4 bytes before version 0x220, 8 from then on.
    let wide = if version >= 0x220 { 8 } else { 4 };
    let offsets_at = c.uint(wide)?;
    let frame_axis = frame_axis(&mut c)?;
    let valid = valid.min(elements);
    input.holds(offsets_at, u64::from(elements) * wide as u64, "the list of frames")?;
    let mut list = input.cursor(offsets_at, false);
    let offsets = (0..valid).map(|_| list.uint(wide)).collect::<Result<Vec<_>, _>>()?;
    let tags_at = offsets_at + u64::from(elements) * wide as u64;
    let first = Header::parse(input, *offsets.first().ok_or("is empty: it holds no frame")?)?;
    let mut metadata = emi.map(from_emi).unwrap_or_default();
    times(input, (tags_at, wide), valid, tag_kind, &mut metadata);
    let image =
        |size_: u64, i: usize| Ok::<_, String>(Axis::new(size(size_)?).scaled(first.scale[i], first.offset[i], "m"));
    let mut frames = Axis::new(offsets.len());
    if let Some((scale, offset, units)) = frame_axis.filter(|(_, _, units)| !units.is_empty() && units != "Number") {
        frames = frames.scaled(scale, offset, &units);
    }
    let axes = [frames, image(first.height, 1)?, image(first.width, 0)?];
    Ok(Parsed { frames: Box::new(Ser { input: input.clone(), offsets, first }), axes, metadata })
}

/// The dimension array: only the first one is of use, for frames in a row.
fn frame_axis(c: &mut Cursor<'_>) -> Result<Option<(f64, f64, String)>, String> {
    let dimensions = c.u32()?;
    if dimensions == 0 {
        return Ok(None);
    }
    let _size = c.u32()?;
    let (offset, scale) = (c.f64()?, c.f64()?);
    let _element = c.u32()?;
    let length = c.u32()?;
    c.bytes(u64::from(length), "a description")?;
    let length = c.u32()?;
    let units = c.bytes(u64::from(length), "units")?;
    Ok(Some((scale, offset, String::from_utf8_lossy(&units).trim().to_string())))
}

impl Header {
    fn parse(input: &Input, at: u64) -> Result<Header, String> {
        let mut c = input.cursor(at, false);
        let mut scale = [0.0; 2];
        let mut offset = [0.0; 2];
        for axis in 0..2 {
            (offset[axis], scale[axis]) = (c.f64()?, c.f64()?);
            c.u32()?; // the element that the offset is of
        }
        let number = match c.u16()? {
            1 => Number::U(1),
            2 => Number::U(2),
            3 => Number::U(4),
            4 => Number::I(1),
            5 => Number::I(2),
            6 => Number::I(4),
            7 => Number::F(4),
            8 => Number::F(8),
            9 | 10 => return Err("holds complex numbers: save their modulus instead".into()),
            other => return Err(format!("holds pixels of TIA's type {other}, which is not known")),
        };
        let (width, height) = (u64::from(c.u32()?), u64::from(c.u32()?));
        let bytes = width.checked_mul(height).and_then(|n| n.checked_mul(number.bytes() as u64));
        let bytes = bytes.ok_or("is damaged: a frame is too large")?;
        input.holds(c.at, bytes, "a frame")?;
        Ok(Header { scale, offset, number, width, height, data_at: c.at })
    }
}

impl Frames for Ser {
    fn read(&self, index: usize) -> Result<Vec<f32>, String> {
        let at = *self.offsets.get(index).ok_or_else(|| format!("has no frame {index}"))?;
        let header = Header::parse(&self.input, at)?;
        if (header.width, header.height) != (self.first.width, self.first.height) {
            return Err(format!(
                "has frames of different sizes: frame {index} is {} x {}, the first {} x {} pixels",
                header.width, header.height, self.first.width, self.first.height
            ));
        }
        let bytes = header.width * header.height * header.number.bytes() as u64;
        let raw = self.input.read(header.data_at, bytes, "a frame")?;
        // As in a graph, the first row that is stored is the lowest.
        let rows = header.number.decode(&raw, false);
        Ok(rows.chunks_exact(header.width.max(1) as usize).rev().flatten().copied().collect())
    }
}

/// When frames were recorded, to the second: tags of their own.
fn times(input: &Input, (at, wide): (u64, usize), frames: u32, kind: u32, metadata: &mut Metadata) {
    let time = |index: u32| {
        let tag = input.cursor(at + u64::from(index) * wide as u64, false).uint(wide).ok()?;
        let mut c = input.cursor(tag, false);
        let found = c.u16().ok()?;
        c.skip(2).ok()?;
        (u32::from(found) == kind).then(|| c.u32().ok()).flatten().filter(|&t| t > 0)
    };
    let Some(first) = time(0) else { return };
    metadata.insert_common("acquired", date(first));
    if let Some(last) = time(frames.saturating_sub(1)).filter(|&t| frames > 1 && t > first) {
        metadata.add("seconds from first to last frame", last - first);
    }
}

/// The `.emi` file holds XML in the middle of other bytes: leaves of `ObjectInfo`, and pairs of label and value.
fn from_emi(bytes: &[u8]) -> Metadata {
    let mut metadata = Metadata::default();
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(64 << 20)]);
    let part = text.split_once("<ObjectInfo>").and_then(|(_, rest)| rest.split_once("</ObjectInfo>"));
    let Some((xml, _)) = part else { return metadata };
    let mut label = String::new();
    for piece in xml.split('<').skip(1) {
        let Some((tag, value)) = piece.split_once('>') else { continue };
        let (tag, value) = (tag.trim(), value.trim());
        match tag {
            _ if value.is_empty() || tag.starts_with('/') => {}
            "Label" => label = value.to_string(),
            "Value" => metadata.add(label.clone(), value),
            "Unit" => metadata.add(format!("{label} unit"), value),
            _ => metadata.add(tag, value),
        }
    }
    metadata.common("voltage_kv", 1.0, &["High tension"]);
    metadata.common("voltage_kv", 1e-3, &["AcceleratingVoltage"]);
    metadata.common("magnification", 1.0, &["Magnification"]);
    metadata.common("dwell_time_s", 1.0, &["DwellTimePath", "Dwell time", "DwellTime"]);
    metadata.common("frame_time_s", 1.0, &["FrameTime", "Frame time"]);
    metadata.common_text("acquired", &["AcquireDate"]);
    metadata.common_text("instrument", &["Microscope", "Manufacturer"]);
    metadata
}

#[cfg(test)]
mod tests {
    use super::super::damage::{answers, edits};
    use super::*;
    use proptest::prelude::*;

    const SERIES: &[u8] = include_bytes!("../../../tests/data/formats/tia_1.ser");

    #[test]
    fn frames_of_another_size_are_named() {
        let mut bytes = SERIES.to_vec();
        let input = Arc::new(Input::memory(bytes.clone()));
        let second = {
            let mut list = input.cursor(u64::from(input.cursor(22, false).u32().unwrap()) + 4, false);
            list.u32().unwrap() as usize
        };
        bytes[second + 42] = 3; // its width
        let movie = parse(&Arc::new(Input::memory(bytes)), None).unwrap();
        assert!(movie.frames.read(0).is_ok());
        let problem = movie.frames.read(1).unwrap_err();
        assert!(problem.contains("frame 1 is 3 x 5, the first 4 x 5"), "{problem}");
    }

    #[test]
    fn spectra_are_not_images() {
        let mut bytes = SERIES.to_vec();
        bytes[6..10].copy_from_slice(&0x4120_u32.to_le_bytes());
        assert!(parse(&Arc::new(Input::memory(bytes)), None).err().unwrap().contains("spectra"));
    }

    proptest! {
        /// Whatever is done to a valid file, it is answered.
        #[test]
        fn damage_is_answered(which in any::<prop::sample::Index>(), edits in edits()) {
            let files = [
                include_bytes!("../../../tests/data/formats/tia_1.ser").as_slice(),
                include_bytes!("../../../tests/data/formats/tia_wide_1.ser").as_slice(),
            ];
            answers(files[which.index(files.len())], &edits);
        }
    }

    proptest! {
        #[test]
        fn any_text_beside_a_series_is_answered(text in "(<|>|/|Label|Value|ObjectInfo|é| |3){0,40}") {
            let _ = from_emi(format!("<ObjectInfo>{text}</ObjectInfo>").as_bytes());
            let _ = from_emi(text.as_bytes());
        }
    }
}
