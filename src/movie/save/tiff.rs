//! TIFF of one page a frame, calibrated as ImageJ does it.
//!
//! Format: "TIFF Revision 6.0", and BigTIFF where addresses need more than four bytes. The frames come first, one after
//! the other, then the pages' directories. ImageJ's words are a list of `name=value` in the first page's description
//! (its source, `FileSaver` and `FileInfo`): `unit`, `finterval` in seconds, `xorigin` in pixels; pixels per unit are
//! the resolution.

use super::super::formats::Axis;
use super::{Plan, Stored, Wrapping};
use std::fmt::Write as _;

// Types of values.
const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;
const LONG8: u16 = 16;

struct Layout {
    big: bool,
}

struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    bytes: Vec<u8>,
}

impl Entry {
    fn short(tag: u16, value: u16) -> Entry {
        Entry { tag, kind: SHORT, count: 1, bytes: value.to_le_bytes().to_vec() }
    }

    fn long(tag: u16, value: u32) -> Entry {
        Entry { tag, kind: LONG, count: 1, bytes: value.to_le_bytes().to_vec() }
    }

    fn rational(tag: u16, value: f64) -> Entry {
        let (above, below) = fraction(value);
        Entry { tag, kind: RATIONAL, count: 1, bytes: [above.to_le_bytes(), below.to_le_bytes()].concat() }
    }

    fn text(tag: u16, text: &str) -> Entry {
        let bytes = [text.as_bytes(), &[0]].concat();
        Entry { tag, kind: ASCII, count: bytes.len() as u64, bytes }
    }
}

/// The fraction of two 32-bit numbers that is nearest to a positive number, by its continued fraction.
fn fraction(value: f64) -> (u32, u32) {
    let (mut before, mut now, mut rest) = ((0_u64, 1_u64), (1_u64, 0_u64), value);
    loop {
        let whole = rest.floor();
        let next = (whole * now.0 as f64 + before.0 as f64, whole * now.1 as f64 + before.1 as f64);
        if next.0.max(next.1) > f64::from(u32::MAX) {
            break;
        }
        (before, now) = (now, (next.0 as u64, next.1 as u64));
        if (now.0 as f64 / now.1 as f64 - value).abs() <= 1e-15 * value || rest == whole {
            break;
        }
        rest = 1.0 / (rest - whole);
    }
    (now.0 as u32, now.1 as u32)
}

impl Layout {
    fn address(&self) -> usize {
        if self.big { 8 } else { 4 }
    }

    fn place(&self, value: u64) -> Entry {
        let bytes = value.to_le_bytes()[..self.address()].to_vec();
        Entry { tag: 0, kind: if self.big { LONG8 } else { LONG }, count: 1, bytes }
    }

    fn header(&self, first_directory: u64) -> Vec<u8> {
        let magic: &[u8] = if self.big { b"II\x2b\0\x08\0\0\0" } else { b"II\x2a\0" };
        [magic, &first_directory.to_le_bytes()[..self.address()]].concat()
    }

    /// A directory that begins at `at`, with what does not fit into its entries after it.
    fn directory(&self, entries: &[Entry], at: u64, last: bool) -> Vec<u8> {
        let (n, room) = (entries.len(), self.address());
        let counted = if self.big { 8 } else { 2 };
        let entry_bytes = 4 + 2 * room;
        let mut beyond = vec![];
        let beyond_at = at + (counted + n * entry_bytes + room) as u64;
        let mut bytes = (n as u64).to_le_bytes()[..counted].to_vec();
        for entry in entries {
            bytes.extend(entry.tag.to_le_bytes());
            bytes.extend(entry.kind.to_le_bytes());
            bytes.extend(&entry.count.to_le_bytes()[..room]);
            if entry.bytes.len() <= room {
                bytes.extend(&entry.bytes);
                bytes.resize(bytes.len() + room - entry.bytes.len(), 0);
            } else {
                bytes.extend(&(beyond_at + beyond.len() as u64).to_le_bytes()[..room]);
                beyond.extend(&entry.bytes);
                beyond.resize(beyond.len().next_multiple_of(8), 0);
            }
        }
        let end = (beyond_at + beyond.len() as u64).next_multiple_of(8);
        bytes.extend(&(if last { 0 } else { end }).to_le_bytes()[..room]);
        bytes.extend(beyond);
        bytes.resize((end - at) as usize, 0);
        bytes
    }
}

/// Without what only one directory can say.
fn page(plan: &Plan, layout: &Layout, data_at: u64) -> Result<Vec<Entry>, String> {
    let side = |n: usize| u32::try_from(n).map_err(|_| format!("cannot hold frames with a side of {n} pixels"));
    let (height, width) = (side(plan.movie.height())?, side(plan.movie.width())?);
    let (bits, format) = match plan.number {
        Stored::F32 => (32, 3),
        Stored::U16 => (16, 1),
        Stored::U8 => (8, 1),
    };
    let per_unit = |axis: &Axis| {
        let per_unit = 1.0 / axis.scale.abs();
        if (1e-9..4e9).contains(&per_unit) { per_unit } else { 1.0 } // beyond what a fraction of 32 bits can say
    };
    let [_, y, x] = plan.movie.axes();
    Ok(vec![
        Entry::long(256, width),
        Entry::long(257, height),
        Entry::short(258, bits),
        Entry::short(259, 1), // not compressed
        Entry::short(262, 1), // black is 0
        Entry { tag: 273, ..layout.place(data_at) },
        Entry::short(277, 1),
        Entry::long(278, height),
        Entry { tag: 279, ..layout.place(plan.frame_bytes()) },
        Entry::rational(282, per_unit(x)),
        Entry::rational(283, per_unit(y)),
        Entry::short(296, 1), // the unit stands in the description
        Entry::short(339, format),
    ])
}

/// Characters that lists of Java's properties escape, so that ImageJ shows them right.
fn escaped(text: &str) -> String {
    let one = |c: char| match c {
        '\\' => "\\\\".into(),
        '\n' | '\r' => " ".into(),
        c if c.is_ascii() => c.to_string(),
        c => c.encode_utf16(&mut [0; 2]).iter().map(|u| format!("\\u{u:04X}")).collect::<String>(),
    };
    text.chars().map(one).collect()
}

/// Names that ImageJ gives a meaning.
const OWN: [&str; 15] = [
    "ImageJ",
    "images",
    "frames",
    "slices",
    "channels",
    "hyperstack",
    "mode",
    "unit",
    "yunit",
    "zunit",
    "finterval",
    "xorigin",
    "yorigin",
    "spacing",
    "loop",
];

fn description(plan: &Plan) -> String {
    let [time, y, x] = plan.movie.axes();
    let n = plan.movie.len();
    let mut text = format!("ImageJ=1.54f\nimages={n}\n");
    if n > 1 {
        let _ = write!(text, "frames={n}\nhyperstack=true\nmode=grayscale\nloop=false\n");
        if let Some(seconds) = time.seconds() {
            let _ = writeln!(text, "finterval={seconds}");
        }
    }
    if !x.units.is_empty() {
        let _ = writeln!(text, "unit={}", escaped(&x.units));
        if y.units != x.units {
            let _ = writeln!(text, "yunit={}", escaped(&y.units));
        }
        for (name, axis) in [("xorigin", x), ("yorigin", y)] {
            if axis.offset != 0.0 {
                let _ = writeln!(text, "{name}={}", -axis.offset / axis.scale);
            }
        }
    }
    for (name, value) in plan.metadata().filter(|(name, _)| !OWN.contains(name) && !name.contains(['=', '\n'])) {
        let _ = writeln!(text, "{}={}", escaped(name), escaped(value));
    }
    text
}

pub(super) fn wrapping(plan: &Plan) -> Result<Wrapping, String> {
    let description = Entry::text(270, &description(plan));
    // A directory of either kind takes less than 400 bytes, the first one its description more.
    let directories = 400 * plan.movie.len() as u64 + description.count;
    laid_out(plan, &Layout { big: plan.data_bytes() + directories > u64::from(u32::MAX) }, description)
}

fn laid_out(plan: &Plan, layout: &Layout, description: Entry) -> Result<Wrapping, String> {
    let data_at = layout.header(0).len() as u64;
    let first = (data_at + plan.data_bytes()).next_multiple_of(8);
    let mut after = vec![0; (first - data_at - plan.data_bytes()) as usize];
    let mut description = Some(description);
    for i in 0..plan.movie.len() {
        let mut entries = page(plan, layout, data_at + i as u64 * plan.frame_bytes())?;
        if let Some(description) = description.take() {
            let place = entries.iter().position(|e| e.tag > description.tag).unwrap_or(entries.len());
            entries.insert(place, description);
        }
        let at = data_at + plan.data_bytes() + after.len() as u64;
        after.extend(layout.directory(&entries, at, i + 1 == plan.movie.len()));
    }
    Ok(Wrapping { before: layout.header(first), after })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::movie::Movie;
    use crate::movie::formats::{Input, parse};
    use ndarray::Array3;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fractions_are_near(value in 1e-6_f64..1e6) {
            let (above, below) = fraction(value);
            prop_assert!((f64::from(above) / f64::from(below) / value - 1.0).abs() < 1e-9, "{above}/{below}");
        }
    }

    #[test]
    fn simple_numbers_are_simple_fractions() {
        assert_eq!(fraction(1.0 / 0.0315), (2000, 63));
        assert_eq!(fraction(1.0), (1, 1));
        assert_eq!(fraction(25.0), (25, 1));
    }

    /// BigTIFF begins above 4 GB, which no test writes: a small one is laid out the same way.
    #[test]
    fn small_big_files_are_read() {
        let movie =
            Movie::from_array(Array3::from_shape_fn((3, 5, 7), |(t, y, x)| (100 * t + 10 * y + x) as f32)).unwrap();
        let plan = Plan { movie: &movie, number: Stored::F32 };
        let wrapping = laid_out(&plan, &Layout { big: true }, Entry::text(270, &description(&plan))).unwrap();
        let mut bytes = wrapping.before;
        assert_eq!(&bytes[..4], b"II\x2b\0");
        for frame in movie.frames() {
            bytes.extend(Stored::F32.encode(&frame.unwrap().data, 0).unwrap());
        }
        bytes.extend(wrapping.after);
        let parsed = parse(Input::memory(bytes), &|_| None, None).unwrap();
        assert_eq!(parsed.axes.each_ref().map(|a| a.size), [3, 5, 7]);
        for i in 0..3 {
            assert_eq!(parsed.frames.read(i).unwrap(), movie.frame(i).unwrap().data.into_raw_vec_and_offset().0);
        }
    }
}
