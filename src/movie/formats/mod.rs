//! Readers of the files that instruments and programs write, one a file. They take bytes and give frames; opening
//! paths, and errors that name them, are `movie/reader.rs`'s.
//!
//! Every reader answers any bytes with frames or an error, checks declared sizes against the file before it asks for
//! memory, and needs nothing of the rest of the crate: `fuzz/` compiles this folder alone.

mod dialects;
mod dm;
mod hdf5;
mod input;
mod mrc;
mod npy;
mod npz;
mod number;
mod png;
mod ser;
mod stored;
mod tiff;
mod unpack;

pub use input::Input;
use std::sync::Arc;

/// Gives any frame of a file when it is asked for.
pub trait Frames: Send + Sync {
    /// The pixels of frame `index`, rows first.
    ///
    /// # Errors
    /// If the file cannot be read there, in words that follow the file's name.
    fn read(&self, index: usize) -> Result<Vec<f32>, String>;
}

/// A movie found in a file.
pub struct Parsed {
    pub frames: Box<dyn Frames>,
    /// Frames, rows, columns.
    pub axes: [Axis; 3],
    pub metadata: Metadata,
}

/// How a movie's frames, rows or columns are spaced, in the words of its file. A length in metres is given in nm.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Number of frames, rows or columns.
    pub size: usize,
    /// From one to the next, in `units`. 1 where the file does not say.
    pub scale: f64,
    /// Where the first one is, in `units`.
    pub offset: f64,
    /// Empty where the file does not say.
    pub units: String,
}

impl Axis {
    /// An axis of which only the size is known.
    #[must_use]
    pub fn new(size: usize) -> Axis {
        Axis { size, scale: 1.0, offset: 0.0, units: String::new() }
    }

    /// The same axis with a scale, where it is a number.
    #[must_use]
    pub fn scaled(mut self, scale: f64, offset: f64, units: &str) -> Axis {
        let units = units.trim().trim_matches('\0');
        if !scale.is_finite() || scale == 0.0 {
            return self;
        }
        self.units = match units {
            "<undefined>" | "None" => String::new(),
            "um" | "micron" | "microns" | "\\u00B5m" => "µm".into(), // ImageJ's ways to write it
            _ => units.replace('\u{3bc}', "µ"),
        };
        self.scale = scale;
        self.offset = if offset.is_finite() { offset + 0.0 } else { 0.0 }; // no -0
        if self.units == "m" {
            (self.scale, self.offset, self.units) = (self.scale * 1e9, self.offset * 1e9, "nm".into());
        }
        self
    }

    /// Nanometres from one pixel to the next, where the units are a length.
    #[must_use]
    pub fn nm(&self) -> Option<f64> {
        let unit = match self.units.as_str() {
            "nm" | "nanometer" | "nanometers" => 1.0,
            "A" | "Å" | "\u{212b}" | "angstrom" | "Angstrom" | "\\u00C5" => 0.1,
            "pm" => 1e-3,
            "um" | "µm" | "micron" | "microns" | "micrometer" | "\\u00B5m" => 1e3,
            "mm" => 1e6,
            _ => return None,
        };
        Some(self.scale * unit).filter(|&nm| nm > 0.0 && nm.is_finite())
    }

    /// Seconds from one frame to the next, where the units are a time.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        let unit = match self.units.as_str() {
            "s" | "sec" | "second" | "seconds" => 1.0,
            "ms" | "msec" => 1e-3,
            "us" | "µs" | "usec" => 1e-6,
            "ns" => 1e-9,
            "min" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        Some(self.scale * unit).filter(|&s| s > 0.0 && s.is_finite())
    }
}

/// What else a file says of its movie, in order: first what is common to all formats (`acquired`, `frame_time_s`,
/// `dwell_time_s`, `exposure_time_s`, `voltage_kv`, `magnification`, `detector`, `title`, and `history`: what was done to it
/// here), then the file's own names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    entries: Vec<(String, String)>,
}

/// What is kept of one file's metadata: entries, and characters of a value.
const MOST_ENTRIES: usize = 5000;
const LONGEST_VALUE: usize = 2000;

impl Metadata {
    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The value of a name as a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.trim().parse().ok()
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the file says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an entry; empty values and all beyond the first 5000 are left out.
    pub fn add(&mut self, name: impl Into<String>, value: impl ToString) {
        let value = value.to_string();
        let value = value.trim().trim_matches('\0');
        if value.is_empty() || self.entries.len() >= MOST_ENTRIES {
            return;
        }
        let mut value = value.to_string();
        if value.len() > LONGEST_VALUE {
            let end = (0..=LONGEST_VALUE).rev().find(|&i| value.is_char_boundary(i)).unwrap_or(0);
            value.truncate(end);
            value.push('…');
        }
        self.entries.push((name.into(), value));
    }

    /// Replaces the value of a name, or adds it where a common entry belongs.
    pub fn set(&mut self, name: &str, value: impl ToString) {
        self.entries.retain(|(n, _)| n != name);
        self.insert_common(name, value.to_string());
    }

    /// Adds a common entry, times a factor, from the first of the file's own names that holds a positive number.
    pub(self) fn common(&mut self, name: &str, factor: f64, own: &[&str]) {
        let value = own.iter().find_map(|own| self.number(own).filter(|v| *v > 0.0 && v.is_finite()));
        if let Some(value) = value {
            // 300000 V is 300 kV, not 300.00000000000006.
            let rounded = format!("{:.9e}", value * factor).parse::<f64>().unwrap_or(value * factor);
            self.insert_common(name, rounded.to_string());
        }
    }

    /// Adds a common entry as text, from the first of the file's own names that is there.
    pub(self) fn common_text(&mut self, name: &str, own: &[&str]) {
        if let Some(value) = own.iter().find_map(|own| self.get(own)).map(ToString::to_string) {
            self.insert_common(name, value);
        }
    }

    fn insert_common(&mut self, name: &str, value: String) {
        if self.get(name).is_none() {
            let rank = |n: &str| COMMON.iter().position(|common| *common == n).unwrap_or(COMMON.len());
            let at = self.entries.iter().take_while(|(n, _)| rank(n) < rank(name)).count();
            self.entries.insert(at, (name.into(), value));
        }
    }
}

impl std::fmt::Display for Metadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.iter().try_for_each(|(name, value)| writeln!(f, "{name}: {value}"))
    }
}

const COMMON: [&str; 10] = [
    "title",
    "acquired",
    "frame_time_s",
    "dwell_time_s",
    "exposure_time_s",
    "voltage_kv",
    "magnification",
    "detector",
    "instrument",
    "history",
];

/// Makes a movie of what a file holds. `name` is the file's name without folders; `beside` reads a file beside it;
/// `choice` names one dataset of several.
///
/// # Errors
/// If it is no movie, in words that follow the file's name.
pub fn parse(input: Input, beside: &dyn Fn(&str) -> Option<Vec<u8>>, choice: Option<&str>) -> Result<Parsed, String> {
    let input = Arc::new(input);
    let mut magic = [0; 8];
    let got = magic.len().min(input.len() as usize);
    input.fill(0, &mut magic[..got])?;
    let parsed = match Format::recognise(&magic[..got], &input) {
        Some(Format::Npy) => only(choice, npy::parse(&input)),
        Some(Format::Npz) => npz::parse(&input, choice),
        Some(Format::Tiff) => tiff::parse(&input, choice),
        Some(Format::Png) => only(choice, png::parse(&input)),
        Some(Format::Dm) => dm::parse(&input, choice),
        Some(Format::Ser) => only(choice, ser::parse(&input, beside("emi").as_deref())),
        Some(Format::Hdf5) => dialects::parse(&input, choice),
        Some(Format::Mrc) => only(choice, mrc::parse(&input)),
        None => Err(format!(
            "is neither a NumPy .npy file nor a TIFF, .npz, DM3, DM4, MRC, SER, HDF5 or PNG (it begins with {:02x?})",
            &magic[..got]
        )),
    }?;
    // One place for what every reader promises: the sizes can be multiplied, and there is something.
    let [frames, height, width] = parsed.axes.each_ref().map(|axis| axis.size);
    if frames.checked_mul(height).and_then(|n| n.checked_mul(width)).is_none() {
        return Err(format!("is damaged: {frames} frames of {height} x {width} pixels are too many"));
    }
    if frames == 0 || height == 0 || width == 0 {
        return Err(format!("is empty: it holds {frames} frames of {height} x {width} pixels"));
    }
    Ok(parsed)
}

/// A choice makes no sense for formats that hold one movie.
fn only(choice: Option<&str>, parsed: Result<Parsed, String>) -> Result<Parsed, String> {
    match choice {
        Some(choice) => parsed.and(Err(format!("holds one movie without a name, so \"{choice}\" cannot be chosen"))),
        None => parsed,
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Format {
    Npy,
    Npz,
    Tiff,
    Png,
    Dm,
    Ser,
    Hdf5,
    Mrc,
}

impl Format {
    fn recognise(magic: &[u8], input: &Input) -> Option<Format> {
        let starts = |with: &[u8]| magic.starts_with(with);
        Some(match () {
            () if starts(b"\x93NUMPY") => Format::Npy,
            () if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") => Format::Npz,
            () if [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|m| starts(*m)) => Format::Tiff,
            () if starts(b"\x89PNG\r\n\x1a\n") => Format::Png,
            // A width of 3 or 4 in a big-endian MRC file looks like the version of Digital Micrograph.
            () if mrc::named(input) => Format::Mrc,
            () if starts(&[0, 0, 0, 3]) || starts(&[0, 0, 0, 4]) => Format::Dm,
            () if starts(b"II\x97\x01") => Format::Ser,
            () if hdf5::recognise(input) => Format::Hdf5,
            () if mrc::recognise(input) => Format::Mrc,
            () => return None,
        })
    }
}

/// Which of several datasets to take: the only one, or the one that was chosen by its name or the end of its path.
/// `all` gives names and what they hold.
fn choose(all: &[(String, String)], choice: Option<&str>) -> Result<usize, String> {
    let list = || all.iter().take(40).map(|(n, what)| format!("\"{n}\" ({what})")).collect::<Vec<_>>().join(", ");
    let Some(choice) = choice else {
        return match all {
            [] => Err("holds no image".into()),
            [_] => Ok(0),
            _ => Err(format!(
                "holds {} datasets: {}. Name one: Movie::open_dataset(path, \"{}\")",
                all.len(),
                list(),
                all[0].0
            )),
        };
    };
    if let Some(exact) = all.iter().position(|(name, _)| name == choice) {
        return Ok(exact);
    }
    let ends = |name: &str| name.rsplit('/').next() == Some(choice) || name.split('/').any(|part| part == choice);
    let mut found = all.iter().enumerate().filter(|(_, (name, _))| ends(name)).map(|(i, _)| i);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(format!("holds no dataset \"{choice}\"; it holds {}", list())),
        _ => Err(format!("holds several datasets of which \"{choice}\" is a part: {}", list())),
    }
}

fn shape_text(sizes: &[u64]) -> String {
    sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
}

/// Seconds since 1970 as a date and time.
fn date(seconds: u32) -> String {
    let (days, rest) = (i64::from(seconds / 86_400), seconds % 86_400);
    // Howard Hinnant's algorithm: years begin in March, eras have 400 years.
    let z = days + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + 400 * era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", rest / 3600, rest / 60 % 60, rest % 60)
}

/// A size that a file declares, as the machine counts.
fn size(n: u64) -> Result<usize, String> {
    usize::try_from(n).map_err(|_| format!("is damaged: a size of {n}"))
}

/// For the readers' own tests: a valid file, damaged.
#[cfg(test)]
mod damage {
    use proptest::prelude::*;

    /// A place, from 0 to 1 of the file, and what to put there; the last one cuts the file.
    pub type Edits = (Vec<(f64, u8)>, f64);

    pub fn edits() -> impl Strategy<Value = Edits> {
        // Half of the damage goes to the beginning, where headers are.
        let place = prop_oneof![0.0..0.05, 0.0..1.0];
        let byte = prop_oneof![any::<u8>(), Just(0), Just(0xff), Just(1), Just(0x80)];
        (prop::collection::vec((place, byte), 0..8), prop_oneof![Just(1.0), 0.0..1.0])
    }

    /// Opens a damaged file and reads what it holds: any answer will do, but one must come.
    pub fn answers(file: &[u8], (edits, cut): &Edits) {
        let mut file = file.to_vec();
        for &(place, byte) in edits {
            let at = (place * file.len() as f64) as usize;
            file[at] = byte;
        }
        file.truncate((cut * file.len() as f64) as usize);
        let Ok(movie) = super::parse(super::Input::memory(file), &|_| None, None) else { return };
        let [frames, height, width] = movie.axes.each_ref().map(|axis| axis.size);
        for index in [0, frames - 1] {
            if let Ok(pixels) = movie.frames.read(index) {
                assert_eq!(pixels.len(), height * width);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_are_chosen_by_name_or_part_of_it() {
        let all = [("a/one".to_string(), "2 x 2".to_string()), ("b/two".into(), "3 x 3".into())];
        assert_eq!(choose(&all, Some("two")), Ok(1));
        assert_eq!(choose(&all, Some("a")), Ok(0));
        assert_eq!(choose(&all[..1], None), Ok(0));
        let message = choose(&all, None).unwrap_err();
        assert!(message.contains("\"a/one\" (2 x 2), \"b/two\" (3 x 3)"), "{message}");
        assert!(choose(&all, Some("three")).unwrap_err().contains("no dataset \"three\""));
    }

    #[test]
    fn units_of_length_and_time() {
        for (scale, units, nm) in [(2.0, "nm", 2.0), (2.0, "Å", 0.2), (5e-10, "m", 0.5), (3.0, "µm", 3000.0)] {
            let found = Axis::new(1).scaled(scale, 0.0, units).nm().unwrap();
            assert!((found / nm - 1.0).abs() < 1e-12, "{scale} {units} is {found} nm");
        }
        assert_eq!(Axis::new(1).scaled(-1.0, 0.0, "nm").nm(), None);
        assert_eq!(Axis::new(1).scaled(1.0, 0.0, "1/nm").nm(), None);
        assert_eq!(Axis::new(1).scaled(f64::NAN, 0.0, "nm"), Axis::new(1));
        assert_eq!(Axis::new(1).scaled(250.0, 0.0, "ms").seconds(), Some(0.25));
    }

    #[test]
    fn common_names_come_first() {
        let mut metadata = Metadata::default();
        metadata.add("Voltage", "300000");
        metadata.add("Detector", "HAADF");
        metadata.add("empty", "  ");
        metadata.common("voltage_kv", 1e-3, &["none", "Voltage"]);
        metadata.common_text("detector", &["Detector"]);
        let names: Vec<_> = metadata.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["voltage_kv", "detector", "Voltage", "Detector"]);
        assert_eq!(metadata.number("voltage_kv"), Some(300.0));
        metadata.add("long", "µ".repeat(3000));
        assert!(metadata.get("long").unwrap().len() <= LONGEST_VALUE + 3);
    }
}
