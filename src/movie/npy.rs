//! NumPy `.npy` files, mapped into memory: all real number types, both byte orders, C and Fortran order.
//!
//! Format: NumPy Enhancement Proposal 1 ("A Simple File Format for NumPy Arrays").

use super::Calibration;
use super::reader::{FrameSource, Opened};
use crate::error::{Error, Result};
use memmap2::Mmap;
use ndarray::Array2;
use std::path::{Path, PathBuf};
use std::sync::Arc;

struct Npy {
    map: Mmap,
    path: PathBuf,
    layout: Layout,
}

/// What the header says, checked against the length of the file.
#[derive(Debug, Clone, PartialEq)]
struct Layout {
    data_at: usize,
    number: Number,
    big_endian: bool,
    fortran: bool,
    /// (frames, height, width)
    shape: (usize, usize, usize),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Number {
    Bool,
    I(usize),
    U(usize),
    F(usize),
}

impl Number {
    fn bytes(self) -> usize {
        match self {
            Number::Bool => 1,
            Number::I(n) | Number::U(n) | Number::F(n) => n,
        }
    }
}

pub(super) fn open(path: &Path) -> Result<Opened> {
    let file = std::fs::File::open(path).map_err(Error::io("open", path))?;
    // SAFETY: the map is read only. A file that another program truncates while it is mapped can fault, as with
    // every memory-mapped reader; instruments write a movie once.
    let map = unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))?;
    let layout = parse(&map).map_err(|problem| Error::format(path, problem))?;
    Ok((Arc::new(Npy { map, path: path.to_owned(), layout }), Calibration::default()))
}

fn parse(bytes: &[u8]) -> Result<Layout, String> {
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
    let there = bytes.len() - data_at;
    match needed {
        Some(needed) if needed <= there => Ok(Layout { data_at, number, big_endian, fortran, shape }),
        _ => Err(format!(
            "is cut short: {t} frames of {h} x {w} pixels need {} bytes of data, the file has {there}",
            needed.map_or("too many".to_string(), |n| n.to_string())
        )),
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

/// IEEE 754 half precision to single.
fn half_to_f32(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f32::from(bits & 0x3ff);
    match exponent {
        0 => sign * fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

impl Layout {
    fn decode(&self, raw: &[u8]) -> f32 {
        let mut b = [0_u8; 8];
        let n = self.number.bytes();
        b[..n].copy_from_slice(raw);
        if self.big_endian {
            b[..n].reverse();
        }
        let u = u64::from_le_bytes(b);
        match self.number {
            Number::Bool => f32::from(u8::from(b[0] != 0)),
            Number::U(_) => u as f32,
            Number::I(n) => ((u << (64 - 8 * n)) as i64 >> (64 - 8 * n)) as f32,
            Number::F(2) => half_to_f32(u as u16),
            Number::F(4) => f32::from_bits(u as u32),
            Number::F(_) => f64::from_bits(u) as f32,
        }
    }
}

impl FrameSource for Npy {
    fn shape(&self) -> (usize, usize, usize) {
        self.layout.shape
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        let (t, h, w) = self.layout.shape;
        if index >= t {
            return Err(Error::format(&self.path, format!("has no frame {index}")));
        }
        let size = self.layout.number.bytes();
        let data = &self.map[self.layout.data_at..];
        let at = |y: usize, x: usize| {
            let i = if self.layout.fortran { index + t * (y + h * x) } else { x + w * (y + h * index) };
            self.layout.decode(&data[i * size..(i + 1) * size])
        };
        Ok(Array2::from_shape_fn((h, w), |(y, x)| at(y, x)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_precision_matches_its_definition() {
        for (bits, value) in [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8)] {
            assert_eq!(half_to_f32(bits), value);
        }
        assert!(half_to_f32(0x7e00).is_nan());
    }

    proptest! {
        /// A parser answers any bytes with a layout that fits the file, or an error; it never panics.
        #[test]
        fn any_bytes_are_answered(mut bytes in prop::collection::vec(any::<u8>(), 0..400), text in "\\PC{0,120}") {
            if let Ok(layout) = parse(&bytes) {
                let (t, h, w) = layout.shape;
                prop_assert!(layout.data_at + t * h * w * layout.number.bytes() <= bytes.len());
            }
            bytes.splice(0..0, *b"\x93NUMPY\x01\x00");
            let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({text}), }}");
            bytes.splice(8..8, (header.len() as u16).to_le_bytes().into_iter().chain(header.bytes()));
            let _ = parse(&bytes);
        }

        /// Huge declared sizes overflow nothing.
        #[test]
        fn huge_shapes_are_refused(t in 1_u64.., h in 1_u64.., w in 1_u64..) {
            let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({t}, {h}, {w}), }}");
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((header.len() as u16).to_le_bytes());
            bytes.extend(header.bytes());
            bytes.extend([0; 4]);
            prop_assert!(parse(&bytes).is_err());
        }
    }
}
