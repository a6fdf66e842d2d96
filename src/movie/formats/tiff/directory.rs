//! The chain of directories, and the values that their entries name.

use super::super::input::Input;
use std::collections::HashSet;
use std::sync::Arc;

pub struct File {
    pub input: Arc<Input>,
    pub big_endian: bool,
    big: bool,
    first: u64,
}

/// A directory as the walk sees it: enough to tell the pages' sizes.
#[derive(Debug)]
pub struct Directory {
    pub at: u64,
    pub width: usize,
    pub height: usize,
}

/// All entries of a directory, values read.
#[derive(Debug, Default)]
pub struct Entries {
    all: Vec<(u16, Values)>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    Whole(Vec<u64>),
    Real(Vec<f64>),
    Text(String),
}

struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    /// Where the value is.
    at: u64,
}

pub mod tag {
    pub const SUBFILE: u16 = 254;
    pub const WIDTH: u16 = 256;
    pub const HEIGHT: u16 = 257;
    pub const BITS: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const DESCRIPTION: u16 = 270;
    pub const STRIP_OFFSETS: u16 = 273;
    pub const SAMPLES: u16 = 277;
    pub const STRIP_ROWS: u16 = 278;
    pub const STRIP_BYTES: u16 = 279;
    pub const X_RESOLUTION: u16 = 282;
    pub const Y_RESOLUTION: u16 = 283;
    pub const PREDICTOR: u16 = 317;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_HEIGHT: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_BYTES: u16 = 325;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const INSTRUMENT: u16 = 272;
    pub const SOFTWARE: u16 = 305;
    pub const DATE: u16 = 306;
    /// Units, origins and scales of Digital Micrograph, along x, y and z each.
    pub const DM_UNITS: u16 = 65003;
    pub const DM_ORIGINS: u16 = 65006;
    pub const DM_SCALES: u16 = 65009;
    /// What FEI's microscopes write, one in older ones, one in newer ones.
    pub const FEI: [u16; 2] = [34680, 34682];

    pub fn of_use(tag: u16) -> bool {
        (SUBFILE..=SAMPLE_FORMAT).contains(&tag) || FEI.contains(&tag) || (DM_UNITS..DM_SCALES + 3).contains(&tag)
    }
}

/// Entries of one directory that are looked at, and bytes of one value other than the places of strips.
const MOST_ENTRIES: u64 = 4096;
const LONGEST_VALUE: u64 = 1 << 20;

impl File {
    pub fn open(input: Arc<Input>) -> Result<File, String> {
        let mut c = input.cursor(0, false);
        let big_endian = c.take::<2>()? == *b"MM";
        c.big_endian = big_endian;
        let big = c.u16()? == 43;
        if big && (c.u16()?, c.u16()?) != (8, 0) {
            return Err("cannot be read as TIFF: its offsets do not have 8 bytes".into());
        }
        let first = if big { c.u64()? } else { u64::from(c.u32()?) };
        drop(c);
        Ok(File { input, big_endian, big, first })
    }

    /// All pages but those that are smaller copies of others.
    pub fn directories(&self) -> Result<Vec<Directory>, String> {
        let (mut pages, mut seen) = (vec![], HashSet::new());
        let mut at = self.first;
        while at != 0 {
            if !seen.insert(at) {
                return Err("cannot be read as TIFF: its pages go round in a circle".into());
            }
            let page = self.entries(at).and_then(|(entries, next)| Ok((self.summary(at, &entries)?, next)));
            let (page, next) = match page {
                Ok(found) => found,
                // What was written before a recording broke off can be read.
                Err(_) if !pages.is_empty() => break,
                Err(problem) => return Err(format!("cannot be read as TIFF: its first page {problem}")),
            };
            pages.extend(page);
            at = next;
        }
        if pages.is_empty() { Err("cannot be read as TIFF: it has no page".into()) } else { Ok(pages) }
    }

    fn summary(&self, at: u64, entries: &[Entry]) -> Result<Option<Directory>, String> {
        let one = |tag| match entries.iter().find(|e| e.tag == tag) {
            Some(entry) => self.values(entry, 1).map(|values| values.and_then(|v| v.first())),
            None => Ok(None),
        };
        if one(tag::SUBFILE)?.is_some_and(|kind| kind & 1 == 1) {
            return Ok(None);
        }
        let size = |tag, name| {
            let n = one(tag)?.filter(|&n| n > 0 && n <= u64::from(u32::MAX));
            n.map(|n| n as usize).ok_or_else(|| format!("is damaged: it has no {name}"))
        };
        Ok(Some(Directory { at, width: size(tag::WIDTH, "width")?, height: size(tag::HEIGHT, "height")? }))
    }

    fn entries(&self, at: u64) -> Result<(Vec<Entry>, u64), String> {
        let mut c = self.input.cursor(at, self.big_endian);
        let word = |c: &mut super::super::input::Cursor<'_>| if self.big { c.u64() } else { c.u32().map(u64::from) };
        let count = if self.big { c.u64()? } else { u64::from(c.u16()?) };
        if count > MOST_ENTRIES {
            return Err(format!("is damaged: a directory of {count} entries"));
        }
        let mut entries = vec![];
        for _ in 0..count {
            let (tag, kind, count) = (c.u16()?, c.u16()?, word(&mut c)?);
            let here = c.at;
            let room = if self.big { 8 } else { 4 };
            let inside = count.checked_mul(bytes_of(kind)).is_some_and(|bytes| bytes <= room);
            let value = word(&mut c)?;
            entries.push(Entry { tag, kind, count, at: if inside { here } else { value } });
        }
        // A file that was cut right here has its last page all the same.
        let next = word(&mut c).unwrap_or(0);
        Ok((entries, next))
    }

    pub fn directory(&self, at: u64) -> Result<Entries, String> {
        let mut found = Entries::default();
        for entry in self.entries(at)?.0.into_iter().filter(|entry| tag::of_use(entry.tag)) {
            // A second one of the same number would never be found.
            if found.get(entry.tag).is_some() {
                continue;
            }
            if let Some(values) = self.values(&entry, u64::MAX)? {
                found.all.push((entry.tag, values));
            }
        }
        Ok(found)
    }

    /// The first values of an entry; nothing for types that are of no use here, or values too long to be any.
    fn values(&self, entry: &Entry, most: u64) -> Result<Option<Values>, String> {
        use tag::{STRIP_BYTES, STRIP_OFFSETS, TILE_BYTES, TILE_OFFSETS};
        let n = entry.count.min(most);
        let bytes = n.checked_mul(bytes_of(entry.kind)).ok_or("is damaged: a value is too long")?;
        let places = [STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES].contains(&entry.tag);
        if bytes > LONGEST_VALUE && !places {
            return Ok(None);
        }
        let needed = places || entry.tag < 600;
        if let Err(problem) = self.input.holds(entry.at, bytes, "a value") {
            return if needed { Err(problem) } else { Ok(None) };
        }
        let mut c = self.input.cursor(entry.at, self.big_endian);
        Ok(Some(match entry.kind {
            1 => Values::Whole(c.bytes(n, "a value")?.into_iter().map(u64::from).collect()),
            2 => {
                let raw = c.bytes(n, "a text")?;
                let text = String::from_utf8(raw).unwrap_or_else(|e| e.as_bytes().iter().map(|&b| b as char).collect());
                Values::Text(text.trim_end_matches('\0').to_string())
            }
            3 => Values::Whole((0..n).map(|_| c.u16().map(u64::from)).collect::<Result<_, _>>()?),
            4 | 13 => Values::Whole((0..n).map(|_| c.u32().map(u64::from)).collect::<Result<_, _>>()?),
            16 | 18 => Values::Whole((0..n).map(|_| c.u64()).collect::<Result<_, _>>()?),
            5 => {
                let ratio = |_| Ok::<_, String>(f64::from(c.u32()?) / f64::from(c.u32()?));
                Values::Real((0..n).map(ratio).collect::<Result<_, _>>()?)
            }
            9 => Values::Real((0..n).map(|_| c.i32().map(f64::from)).collect::<Result<_, _>>()?),
            11 => Values::Real((0..n).map(|_| c.f32().map(f64::from)).collect::<Result<_, _>>()?),
            12 => Values::Real((0..n).map(|_| c.f64()).collect::<Result<_, _>>()?),
            _ => return Ok(None),
        }))
    }
}

/// 0 for types that are not known: their value is not looked at.
fn bytes_of(kind: u16) -> u64 {
    match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 | 17 | 18 => 8,
        _ => 0,
    }
}

impl Values {
    fn first(&self) -> Option<u64> {
        match self {
            Values::Whole(values) => values.first().copied(),
            _ => None,
        }
    }
}

impl Entries {
    fn get(&self, tag: u16) -> Option<&Values> {
        self.all.iter().find(|(t, _)| *t == tag).map(|(_, values)| values)
    }

    pub fn one(&self, tag: u16) -> Option<u64> {
        self.get(tag)?.first()
    }

    pub fn all(&self, tag: u16) -> &[u64] {
        match self.get(tag) {
            Some(Values::Whole(values)) => values,
            _ => &[],
        }
    }

    pub fn real(&self, tag: u16) -> Option<f64> {
        match self.get(tag)? {
            Values::Real(values) => values.first().copied(),
            Values::Whole(values) => values.first().map(|&n| n as f64),
            Values::Text(_) => None,
        }
    }

    pub fn text(&self, tag: u16) -> Option<&str> {
        match self.get(tag)? {
            Values::Text(text) => Some(text),
            _ => None,
        }
    }
}
