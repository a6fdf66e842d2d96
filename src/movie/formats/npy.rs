//! NumPy `.npy` files, read a frame at a time: all real number types, both byte orders, C and Fortran order.
//!
//! Format: NumPy Enhancement Proposal 1 ("A Simple File Format for NumPy Arrays").

use super::input::{Input, Plane};
use super::number::Number;
use super::{Axis, Frames, Metadata, Parsed};
use std::sync::Arc;

struct Npy {
    input: Arc<Input>,
    at: u64,
    layout: Layout,
}

/// What the header says, checked against the length of the data.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    pub data_at: usize,
    pub number: Number,
    pub big_endian: bool,
    pub fortran: bool,
    /// (frames, height, width)
    pub shape: (usize, usize, usize),
}

/// Headers are some hundred bytes long; only structured arrays need more.
const LONGEST_HEADER: u64 = 1 << 20;

pub fn parse(input: &Arc<Input>) -> Result<Parsed, String> {
    parse_at(input, 0, input.len())
}

/// An array that lies inside a file.
pub fn parse_at(input: &Arc<Input>, at: u64, bytes: u64) -> Result<Parsed, String> {
    let head = input.read(at, bytes.min(LONGEST_HEADER), "a header")?;
    let layout = Layout::parse(&head, bytes)?;
    Ok(parsed(layout.shape, Box::new(Npy { input: input.clone(), at, layout })))
}

pub fn parsed((t, h, w): (usize, usize, usize), frames: Box<dyn Frames>) -> Parsed {
    Parsed { frames, axes: [Axis::new(t), Axis::new(h), Axis::new(w)], metadata: Metadata::default() }
}

impl Layout {
    /// From the first bytes of an array that is `total` bytes long.
    pub fn parse(bytes: &[u8], total: u64) -> Result<Layout, String> {
        let truncated = || "is cut short inside its header: copy the file again".to_string();
        let version = *bytes.get(6).ok_or_else(truncated)?;
        let (length_bytes, header_at) = if version >= 2 { (4, 12) } else { (2, 10) };
        let length = bytes
            .get(8..8 + length_bytes)
            .ok_or_else(truncated)?
            .iter()
            .rev()
            .fold(0_usize, |all, &byte| (all << 8) | usize::from(byte));
        let data_at = header_at + length;
        let header = std::str::from_utf8(bytes.get(header_at..data_at).ok_or_else(truncated)?)
            .map_err(|_| "has a header that is not text".to_string())?;
        let descr = quoted(header, "descr").ok_or("has no simple number type (structured arrays are not images)")?;
        let (number, big_endian) = number(descr)?;
        let fortran = value(header, "fortran_order").is_some_and(|v| v.starts_with("True"));
        let shape = frames_of(&dimensions(header)?)?;
        let (t, h, w) = shape;
        let needed = t.checked_mul(h).and_then(|n| n.checked_mul(w)).and_then(|n| n.checked_mul(number.bytes()));
        let there = total - data_at as u64;
        match needed {
            Some(needed) if needed as u64 <= there => Ok(Layout { data_at, number, big_endian, fortran, shape }),
            _ => Err(format!(
                "is cut short: {t} frames of {h} x {w} pixels need {} bytes of data, the file has {there}",
                needed.map_or("too many".to_string(), |n| n.to_string())
            )),
        }
    }

    /// Where frame `index` lies, in an array that begins at `at`.
    pub fn plane(&self, at: u64, index: usize) -> Plane {
        let (t, h, w) = self.shape;
        let size = self.number.bytes();
        let (first, y, x) = if self.fortran { (1, t, t * h) } else { (h * w, w, 1) };
        let bytes = |elements: usize| (elements * size) as u64;
        Plane {
            at: at + self.data_at as u64 + bytes(index * first),
            height: h,
            width: w,
            y_stride: bytes(y),
            x_stride: bytes(x),
            size,
        }
    }
}

/// The text after `'key':` in the header's dictionary.
fn value<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let at = header.find(&format!("'{key}'"))? + key.len() + 2;
    Some(header[at..].trim_start().strip_prefix(':')?.trim_start())
}

fn quoted<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    value(header, key)?.strip_prefix('\'')?.split('\'').next()
}

fn dimensions(header: &str) -> Result<Vec<usize>, String> {
    let inside = value(header, "shape")
        .and_then(|v| v.strip_prefix('('))
        .and_then(|v| v.split_once(')'))
        .ok_or("has a header without a shape")?
        .0;
    inside
        .split(',')
        .map(|d| d.trim().trim_end_matches('L'))
        .filter(|d| !d.is_empty())
        .map(|d| d.parse().map_err(|_| format!("has a shape that is not numbers: ({inside})")))
        .collect()
}

fn frames_of(shape: &[usize]) -> Result<(usize, usize, usize), String> {
    let frames = match *shape {
        [h, w] => (1, h, w),
        [t, h, w] => (t, h, w),
        _ => {
            return Err(format!(
                "has {} dimensions {shape:?}: a frame has 2 (height, width), a movie 3 (frames, height, width)",
                shape.len()
            ));
        }
    };
    if frames.0 * frames.1.min(1) * frames.2.min(1) == 0 {
        return Err(format!("is empty: its shape is {shape:?}"));
    }
    Ok(frames)
}

fn number(descr: &str) -> Result<(Number, bool), String> {
    let (order, kind) = match descr.as_bytes().first() {
        Some(b'<' | b'|' | b'=') => (false, &descr[1..]),
        Some(b'>') => (true, &descr[1..]),
        _ => (false, descr),
    };
    let number = match kind {
        "b1" | "?" => Number::Bool,
        "i1" => Number::I(1),
        "i2" => Number::I(2),
        "i4" => Number::I(4),
        "i8" => Number::I(8),
        "u1" => Number::U(1),
        "u2" => Number::U(2),
        "u4" => Number::U(4),
        "u8" => Number::U(8),
        "f2" => Number::F(2),
        "f4" => Number::F(4),
        "f8" => Number::F(8),
        _ if kind.starts_with('c') => {
            return Err(format!("holds complex numbers ({descr}): save their modulus, numpy.abs(a), instead"));
        }
        _ => return Err(format!("holds values of type {descr}, which are not real numbers")),
    };
    Ok((number, order))
}

impl Frames for Npy {
    fn read(&self, index: usize) -> Result<Vec<f32>, String> {
        if index >= self.layout.shape.0 {
            return Err(format!("has no frame {index}"));
        }
        let raw = self.layout.plane(self.at, index).read(&self.input)?;
        Ok(self.layout.number.decode(&raw, self.layout.big_endian))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A parser answers any bytes with a layout that fits the file, or an error; it never panics.
        #[test]
        fn any_bytes_are_answered(mut bytes in prop::collection::vec(any::<u8>(), 0..400), text in "\\PC{0,120}") {
            if let Ok(layout) = Layout::parse(&bytes, bytes.len() as u64) {
                let (t, h, w) = layout.shape;
                prop_assert!(layout.data_at + t * h * w * layout.number.bytes() <= bytes.len());
            }
            bytes.splice(0..0, *b"\x93NUMPY\x01\x00");
            let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({text}), }}");
            bytes.splice(8..8, (header.len() as u16).to_le_bytes().into_iter().chain(header.bytes()));
            let _ = Layout::parse(&bytes, bytes.len() as u64);
        }

        /// Huge declared sizes overflow nothing.
        #[test]
        fn huge_shapes_are_refused(t in 1_u64.., h in 1_u64.., w in 1_u64..) {
            let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({t}, {h}, {w}), }}");
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((header.len() as u16).to_le_bytes());
            bytes.extend(header.bytes());
            bytes.extend([0; 4]);
            prop_assert!(Layout::parse(&bytes, bytes.len() as u64).is_err());
        }
    }
}
