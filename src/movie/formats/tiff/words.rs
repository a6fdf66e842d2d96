//! What other programs write into TIFF files in words: which planes belong together, and calibrations.

use super::super::{Axis, Metadata};
use super::directory::{Entries, tag};

/// Planes that belong together, and the axes they vary along, fastest first.
#[derive(Debug, PartialEq)]
pub struct Series {
    name: String,
    start: usize,
    /// Letter (C, Z, T) and size.
    order: Vec<(char, usize)>,
}

impl Series {
    pub fn new(order: Vec<(char, usize)>) -> Series {
        Series { name: String::new(), start: 0, order }
    }

    fn sized(&self, letter: char) -> usize {
        self.order.iter().find(|(l, _)| *l == letter).map_or(1, |(_, n)| *n)
    }

    /// The axis that frames follow: time, else depth, else channels.
    fn frame_letter(&self) -> char {
        ['T', 'Z', 'C'].into_iter().find(|&l| self.sized(l) > 1).unwrap_or('T')
    }

    pub fn frames(&self) -> usize {
        self.sized(self.frame_letter())
    }

    /// The other axes, fastest first.
    fn others(&self) -> Vec<(char, usize)> {
        let frames = self.frame_letter();
        self.order.iter().copied().filter(|(l, n)| *l != frames && *n > 1).collect()
    }

    pub fn parts(&self) -> usize {
        self.others().iter().map(|(_, n)| n).product()
    }

    pub fn part_name(&self, part: usize) -> String {
        let mut rest = part;
        let mut words = vec![];
        for (letter, n) in self.others() {
            let word = if letter == 'C' { "channel" } else { "slice" };
            words.push(format!("{word} {}", rest % n));
            rest /= n;
        }
        let series = if self.name.is_empty() { None } else { Some(self.name.clone()) };
        series.into_iter().chain(words).collect::<Vec<_>>().join(" ")
    }

    /// The planes of a part, in the order of its frames.
    pub fn planes(&self, part: usize) -> impl Iterator<Item = usize> + '_ {
        let mut rest = part;
        let (mut base, mut stride, mut step) = (self.start, 1, 1);
        for &(letter, n) in &self.order {
            if letter == self.frame_letter() {
                step = stride;
            } else if n > 1 {
                base += rest % n * stride;
                rest /= n;
            }
            stride *= n;
        }
        (0..self.frames()).map(move |i| base + i * step)
    }
}

/// The lines `name=value` that ImageJ writes.
fn imagej<'a>(first: &'a Entries, name: &str) -> Option<&'a str> {
    let text = first.text(tag::DESCRIPTION)?;
    text.starts_with("ImageJ=").then_some(())?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::trim)
}

pub fn imagej_images(first: &Entries) -> Option<usize> {
    imagej(first, "images")?.parse().ok()
}

/// How a file's planes belong together; all of them one movie where nothing says otherwise.
pub fn series(first: &Entries, planes: usize, metadata: &mut Metadata) -> Vec<Series> {
    if let Some(text) = first.text(tag::DESCRIPTION) {
        if text.contains("<OME") {
            let found = ome(text);
            let total = found.iter().try_fold(0_usize, |all, s| all.checked_add(s.count()?));
            if total == Some(planes) {
                return found;
            }
        } else if text.starts_with("ImageJ=") {
            let number = |name| imagej(first, name).and_then(|v| v.parse().ok()).unwrap_or(1_usize);
            let order = vec![('C', number("channels")), ('Z', number("slices")), ('T', number("frames"))];
            let found = Series::new(order);
            if found.count() == Some(planes) {
                return vec![found];
            }
        }
        metadata.add("ImageDescription", text);
    }
    vec![Series::new(vec![('T', planes)])]
}

impl Series {
    /// How many planes it has; nothing if that is none or too many.
    fn count(&self) -> Option<usize> {
        self.order.iter().try_fold(1_usize, |all, (_, n)| all.checked_mul(*n)).filter(|&n| n > 0)
    }
}

/// The value of an attribute in the tag that `text` begins with.
fn attribute<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    const LONGEST: usize = 4096;
    let text = &text[..text.floor_char_boundary(LONGEST)];
    let inside = &text[..text.find('>').unwrap_or(text.len())];
    let mut from = 0;
    while let Some(found) = inside[from..].find(name) {
        let at = from + found;
        let rest = inside[at + name.len()..].trim_start();
        let begins = inside[..at].ends_with(|c: char| c.is_whitespace());
        if let Some(value) = rest.strip_prefix('=').map(str::trim_start).filter(|_| begins) {
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            return value[1..].split(quote).next();
        }
        from = at + name.len();
    }
    None
}

fn ome(text: &str) -> Vec<Series> {
    let mut found: Vec<Series> = vec![];
    let mut start = 0;
    let several = text.matches("<Pixels").count() > 1;
    for (at, _) in text.match_indices("<Pixels").take(1000) {
        let pixels = &text[at..];
        let size = |letter: char| attribute(pixels, &format!("Size{letter}")).and_then(|v| v.parse().ok()).unwrap_or(1);
        let order = attribute(pixels, "DimensionOrder").unwrap_or("XYCZT");
        let order: Vec<_> = order.chars().filter(|c| "CZT".contains(*c)).map(|c| (c, size(c))).collect();
        let name = if several { format!("image {}", found.len()) } else { String::new() };
        let series = Series { name, start, order };
        start = start.saturating_add(series.count().unwrap_or(0));
        found.push(series);
    }
    found
}

/// The three axes: from whichever program says something, in the order of how much can be relied on.
pub fn axes(
    first: &Entries,
    series: &Series,
    (frames, height, width): (usize, usize, usize),
    metadata: &mut Metadata,
) -> [Axis; 3] {
    let mut axes = [Axis::new(frames), Axis::new(height), Axis::new(width)];
    for (name, tag) in [("acquired", tag::DATE), ("instrument", tag::INSTRUMENT), ("Software", tag::SOFTWARE)] {
        if let Some(text) = first.text(tag) {
            metadata.add(name, text);
        }
    }
    digital_micrograph(first, &mut axes);
    fei(first, &mut axes, metadata);
    let text = first.text(tag::DESCRIPTION).unwrap_or_default();
    if text.contains("<OME") {
        ome_axes(text, series, &mut axes, metadata);
    } else if text.starts_with("ImageJ=") {
        imagej_axes(first, series, &mut axes, metadata);
    }
    if let Some(seconds) = axes[0].seconds().filter(|_| frames > 1) {
        metadata.insert_common("frame_time_s", seconds.to_string());
    }
    axes
}

/// Tags of its own, along x, y and z: units, origins, scales.
fn digital_micrograph(first: &Entries, axes: &mut [Axis; 3]) {
    for (i, axis) in [2_usize, 1, 0].into_iter().enumerate() {
        let i = i as u16;
        if let Some(scale) = first.real(tag::DM_SCALES + i) {
            let units = first.text(tag::DM_UNITS + i).unwrap_or_default();
            axes[axis] = axes[axis].clone().scaled(scale, first.real(tag::DM_ORIGINS + i).unwrap_or(0.0), units);
        }
    }
}

/// FEI's electron microscopes write an .ini file into a tag; lengths are in metres, times in seconds.
fn fei(first: &Entries, axes: &mut [Axis; 3], metadata: &mut Metadata) {
    let Some(text) = first.text(tag::FEI[1]).or_else(|| first.text(tag::FEI[0])) else { return };
    let mut section = "";
    let mut own = Metadata::default();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((name, value)) = line.split_once('=') {
            own.add(format!("{section}.{}", name.trim()), value);
        }
    }
    for (axis, names) in [(2, ["Scan.PixelWidth", "EScan.PixelWidth"]), (1, ["Scan.PixelHeight", "EScan.PixelHeight"])]
    {
        if let Some(metres) = names.iter().find_map(|name| own.number(name)) {
            axes[axis] = axes[axis].clone().scaled(metres, 0.0, "m");
        }
    }
    metadata.entries.extend(own.entries);
    metadata.common("dwell_time_s", 1.0, &["Scan.Dwelltime", "Scan.DwellTime", "EScan.Dwell"]);
    metadata.common("frame_time_s", 1.0, &["Scan.FrameTime", "EScan.FrameTime"]);
    metadata.common("voltage_kv", 1e-3, &["Beam.HV", "EBeam.HV"]);
    metadata.common_text("detector", &["Detectors.Name"]);
}

fn ome_axes(text: &str, series: &Series, axes: &mut [Axis; 3], metadata: &mut Metadata) {
    let number = series.name.strip_prefix("image ").and_then(|n| n.parse().ok()).unwrap_or(0);
    let Some((at, _)) = text.match_indices("<Pixels").nth(number) else { return };
    let pixels = &text[at..];
    let scale = |name: &str| attribute(pixels, name).and_then(|v| v.parse::<f64>().ok());
    let units = |name: &str, otherwise| attribute(pixels, name).unwrap_or(otherwise).to_string();
    for (axis, letter) in [(2, 'X'), (1, 'Y')] {
        if let Some(value) = scale(&format!("PhysicalSize{letter}")) {
            axes[axis] = axes[axis].clone().scaled(value, 0.0, &units(&format!("PhysicalSize{letter}Unit"), "µm"));
        }
    }
    let (value, units) = match series.frame_letter() {
        'T' => (scale("TimeIncrement"), units("TimeIncrementUnit", "s")),
        'Z' => (scale("PhysicalSizeZ"), units("PhysicalSizeZUnit", "µm")),
        _ => (None, String::new()),
    };
    axes[0] = axes[0].clone().scaled(value.unwrap_or(f64::NAN), 0.0, &units);
    let element = |name: &str| {
        let from = text.find(&format!("<{name}>"))? + name.len() + 2;
        text[from..].split('<').next()
    };
    if let Some(date) = element("AcquisitionDate") {
        metadata.insert_common("acquired", date.trim().to_string());
    }
    let magnification = text.find("<Objective").and_then(|at| attribute(&text[at..], "NominalMagnification"));
    if let Some(value) = magnification {
        metadata.insert_common("magnification", value.to_string());
    }
}

/// ImageJ gives pixels per unit as the resolution; the frames' interval in seconds, the slices' in the unit.
fn imagej_axes(first: &Entries, series: &Series, axes: &mut [Axis; 3], metadata: &mut Metadata) {
    let unit = imagej(first, "unit").filter(|u| *u != "pixel");
    if let Some(unit) = unit {
        let y_unit = imagej(first, "yunit").unwrap_or(unit);
        // Origins are the pixel at 0.
        let origin = |name| imagej(first, name).and_then(|v| v.parse().ok()).unwrap_or(0.0);
        for (axis, tag, unit, origin) in
            [(2, tag::X_RESOLUTION, unit, origin("xorigin")), (1, tag::Y_RESOLUTION, y_unit, origin("yorigin"))]
        {
            if let Some(per_unit) = first.real(tag) {
                axes[axis] = axes[axis].clone().scaled(1.0 / per_unit, -origin / per_unit, unit);
            }
        }
    }
    let number = |name| imagej(first, name).and_then(|v| v.parse::<f64>().ok());
    let (scale, units) = match series.frame_letter() {
        'T' => (number("finterval"), "s"),
        'Z' => (number("spacing"), imagej(first, "zunit").or(unit).unwrap_or_default()),
        _ => (None, ""),
    };
    axes[0] = axes[0].clone().scaled(scale.unwrap_or(f64::NAN), 0.0, units);
    for line in first.text(tag::DESCRIPTION).unwrap_or_default().lines() {
        if let Some((name, value)) = line.split_once('=') {
            metadata.add(name.trim(), value);
        }
    }
}
