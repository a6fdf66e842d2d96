//! NumPy `.npz`: a ZIP archive of `.npy` arrays, stored or deflated.
//!
//! Format: PKWARE's APPNOTE.TXT, with the 64-bit extension that NumPy uses. A deflated array is unpacked as its frames
//! are walked through, and from its beginning again when an earlier frame is asked for.

use super::input::{Cursor, Input};
use super::npy::{self, Layout};
use super::{Frames, Parsed, choose, shape_text};
use flate2::read::DeflateDecoder;
use std::io::Read;
use std::sync::{Arc, Mutex};

/// A file in the archive.
#[derive(Debug, Clone, PartialEq)]
struct Member {
    name: String,
    method: u16,
    packed: u64,
    bytes: u64,
    /// Where its bytes begin.
    at: u64,
}

const MOST_MEMBERS: u64 = 4096;
/// Arrays in Fortran order have no frames in a row: deflated ones are unpacked whole, up to this.
const MOST_IN_MEMORY: u64 = 1 << 30;

pub fn parse(input: &Arc<Input>, choice: Option<&str>) -> Result<Parsed, String> {
    let members = members(input)?;
    let mut arrays = vec![];
    for member in members.iter().filter(|m| m.name.ends_with(".npy")) {
        // Arrays that are no images are not offered, unless there is nothing else to complain about.
        arrays.push((member, layout(input, member)));
    }
    let images: Vec<_> = arrays.iter().filter_map(|(m, l)| l.as_ref().ok().map(|l| (*m, l))).collect();
    if images.is_empty() {
        return match arrays.into_iter().next() {
            Some((member, Err(problem))) => Err(format!("holds no image: {} {problem}", member.name)),
            _ => Err("is an archive without a NumPy array".into()),
        };
    }
    let named = |(m, l): &(&Member, &Layout)| {
        let (t, h, w) = l.shape;
        (m.name.trim_end_matches(".npy").to_string(), shape_text(&[t as u64, h as u64, w as u64]))
    };
    let (member, layout) = images[choose(&images.iter().map(named).collect::<Vec<_>>(), choice)?];
    if member.method == 0 {
        return npy::parse_at(input, member.at, member.bytes);
    }
    if layout.fortran && layout.shape.0 > 1 {
        if member.bytes > MOST_IN_MEMORY {
            return Err(format!(
                "holds {} deflated in Fortran order, which cannot be read frame by frame",
                member.name
            ));
        }
        let whole = stream(input, member).read_exactly(member.bytes)?;
        return npy::parse(&Arc::new(Input::memory(whole)));
    }
    let frames =
        Deflated { input: input.clone(), member: member.clone(), layout: layout.clone(), state: Mutex::default() };
    Ok(npy::parsed(layout.shape, Box::new(frames)))
}

fn layout(input: &Arc<Input>, member: &Member) -> Result<Layout, String> {
    let longest = member.bytes.min(1 << 16);
    let head = match member.method {
        0 => input.read(member.at, longest, "an array")?,
        _ => stream(input, member).read_exactly(longest)?,
    };
    Layout::parse(&head, member.bytes)
}

/// The central directory at the file's end lists what is inside.
fn members(input: &Input) -> Result<Vec<Member>, String> {
    let (count, at) = directory(input)?;
    if count > MOST_MEMBERS {
        return Err(format!("is an archive of {count} files: one with fewer than {MOST_MEMBERS} is expected"));
    }
    let mut c = input.cursor(at, false);
    (0..count).map(|_| member(input, &mut c)).collect()
}

/// How many entries the directory has, and where it begins.
fn directory(input: &Input) -> Result<(u64, u64), String> {
    let cut = || "is cut short: the list at the archive's end is missing. Copy the file again".to_string();
    // A comment of up to 65535 bytes can follow.
    let tail_at = input.len().saturating_sub(22 + 65_535);
    let tail = input.read(tail_at, input.len() - tail_at, "an archive's end")?;
    let last = tail.len().checked_sub(22).ok_or_else(cut)?;
    let end = (0..=last).rev().find(|&i| tail[i..].starts_with(b"PK\x05\x06")).ok_or_else(cut)? as u64 + tail_at;
    let mut c = input.cursor(end + 10, false);
    let (count, _size, at) = (u64::from(c.u16()?), c.u32()?, u64::from(c.u32()?));
    if count < 0xffff && at < 0xffff_ffff {
        return Ok((count, at));
    }
    // Too large for that: the 64-bit end is pointed at from just before.
    let Some(locator) = end.checked_sub(20) else { return Ok((count, at)) };
    let mut c = input.cursor(locator, false);
    if c.take::<4>()? != *b"PK\x06\x07" {
        return Ok((count, at));
    }
    c.skip(4)?;
    let mut c = input.cursor(c.u64()?, false);
    if c.take::<4>()? != *b"PK\x06\x06" {
        return Err("is damaged: its archive's end".into());
    }
    c.skip(28)?;
    let count = c.u64()?;
    c.skip(8)?;
    Ok((count, c.u64()?))
}

fn member(input: &Input, c: &mut Cursor<'_>) -> Result<Member, String> {
    if c.take::<4>()? != *b"PK\x01\x02" {
        return Err("is damaged: the list of what is in the archive".into());
    }
    c.skip(4)?;
    let (flags, method) = (c.u16()?, c.u16()?);
    c.skip(8)?;
    let (mut packed, mut bytes) = (u64::from(c.u32()?), u64::from(c.u32()?));
    let (name, extra, comment) = (c.u16()?, c.u16()?, c.u16()?);
    c.skip(8)?;
    let mut header = u64::from(c.u32()?);
    let name = String::from_utf8_lossy(&c.bytes(u64::from(name), "a name")?).into_owned();
    let end = c.at + u64::from(extra);
    while c.at + 4 <= end {
        let (kind, length) = (c.u16()?, c.u16()?);
        let next = c.at + u64::from(length);
        if kind == 1 {
            // Those that did not fit, in this order.
            for value in [&mut bytes, &mut packed, &mut header] {
                if *value == 0xffff_ffff && c.at + 8 <= next {
                    *value = c.u64()?;
                }
            }
        }
        c.at = next;
    }
    c.at = end;
    c.skip(u64::from(comment))?;
    if flags & 1 != 0 {
        return Err(format!("holds {name} encrypted"));
    }
    if method != 0 && method != 8 {
        return Err(format!("holds {name} packed by method {method}; numpy.savez_compressed writes what can be read"));
    }
    let at = data_at(input, header)?;
    input.holds(at, packed, &name)?;
    if method == 0 && packed != bytes {
        return Err(format!("is damaged: {name} has two sizes"));
    }
    input.could_unpack(packed, bytes)?;
    Ok(Member { name, method, packed, bytes, at })
}

/// A header of its own stands before each file.
fn data_at(input: &Input, header: u64) -> Result<u64, String> {
    let mut c = input.cursor(header, false);
    if c.take::<4>()? != *b"PK\x03\x04" {
        return Err("is damaged: a file in the archive is not where it should be".into());
    }
    c.skip(22)?;
    let (name, extra) = (c.u16()?, c.u16()?);
    Ok(c.at + u64::from(name) + u64::from(extra))
}

/// A deflated file, being unpacked.
struct Stream {
    decoder: DeflateDecoder<Part>,
    /// Unpacked bytes so far.
    at: u64,
}

/// A part of the input as something to read from.
struct Part {
    input: Arc<Input>,
    at: u64,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = (self.end - self.at).min(buffer.len() as u64) as usize;
        self.input.fill(self.at, &mut buffer[..n]).map_err(std::io::Error::other)?;
        self.at += n as u64;
        Ok(n)
    }
}

fn stream(input: &Arc<Input>, member: &Member) -> Stream {
    let part = Part { input: input.clone(), at: member.at, end: member.at + member.packed };
    Stream { decoder: DeflateDecoder::new(part), at: 0 }
}

impl Stream {
    fn read_exactly(&mut self, bytes: u64) -> Result<Vec<u8>, String> {
        let mut out = vec![];
        let read = (&mut self.decoder).take(bytes).read_to_end(&mut out);
        self.at += out.len() as u64;
        match read {
            Ok(n) if n as u64 == bytes => Ok(out),
            Ok(n) => Err(format!("is damaged: {n} bytes come out of the archive instead of {bytes}")),
            Err(e) => Err(format!("is damaged: cannot be unpacked ({e})")),
        }
    }

    fn skip_to(&mut self, at: u64) -> Result<(), String> {
        let wanted = at - self.at;
        let skipped = std::io::copy(&mut (&mut self.decoder).take(wanted), &mut std::io::sink());
        let skipped = skipped.map_err(|e| format!("is damaged: cannot be unpacked ({e})"))?;
        self.at += skipped;
        if skipped == wanted { Ok(()) } else { Err("is damaged: the archive ends too early".into()) }
    }
}

struct Deflated {
    input: Arc<Input>,
    member: Member,
    layout: Layout,
    state: Mutex<Option<Stream>>,
}

impl Frames for Deflated {
    fn read(&self, index: usize) -> Result<Vec<f32>, String> {
        let (t, h, w) = self.layout.shape;
        if index >= t {
            return Err(format!("has no frame {index}"));
        }
        let layout = Layout { fortran: false, ..self.layout.clone() };
        let start = layout.plane(0, index).at;
        let bytes = (h * w * layout.number.bytes()) as u64;
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Taken out, so that a stream that failed half way is not gone on with.
        let stream = state.take().filter(|s| s.at <= start);
        let mut stream = stream.unwrap_or_else(|| stream_of(self));
        stream.skip_to(start)?;
        let raw = stream.read_exactly(bytes)?;
        *state = Some(stream);
        drop(state);
        let pixels = layout.number.decode(&raw, layout.big_endian);
        if !self.layout.fortran {
            return Ok(pixels);
        }
        // One frame in Fortran order: columns first.
        Ok((0..h * w).map(|i| pixels[i / w + h * (i % w)]).collect())
    }
}

fn stream_of(deflated: &Deflated) -> Stream {
    stream(&deflated.input, &deflated.member)
}

#[cfg(test)]
mod tests {
    use super::super::damage::{answers, edits};
    use super::*;
    use proptest::prelude::*;

    /// An archive with one stored file, whose directory uses the 64-bit extension throughout.
    fn large_archive(content: &[u8]) -> Vec<u8> {
        let n = content.len() as u64;
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.extend([0; 22]);
        bytes.extend([5, 0, 0, 0]);
        bytes.extend(b"a.npy");
        bytes.extend(content);
        let directory = bytes.len() as u64;
        bytes.extend(b"PK\x01\x02");
        bytes.extend([0; 16]);
        bytes.extend([0xff; 8]); // both sizes are in the extra field
        bytes.extend([5, 0, 28, 0, 0, 0]);
        bytes.extend([0; 8]);
        bytes.extend([0xff; 4]);
        bytes.extend(b"a.npy");
        bytes.extend([1, 0, 24, 0]);
        bytes.extend([n, n, 0].map(u64::to_le_bytes).concat());
        let end = bytes.len() as u64;
        bytes.extend(b"PK\x06\x06");
        bytes.extend([0; 28]);
        bytes.extend([1, 46 + 5 + 28, directory].map(u64::to_le_bytes).concat());
        bytes.extend(b"PK\x06\x07");
        bytes.extend([0; 4]);
        bytes.extend(end.to_le_bytes());
        bytes.extend([1, 0, 0, 0]);
        bytes.extend(b"PK\x05\x06");
        bytes.extend([0; 4]);
        bytes.extend([0xff; 12]);
        bytes.extend([0, 0]);
        bytes
    }

    #[test]
    fn archives_of_more_than_four_gigabytes() {
        let array = include_bytes!("../../../tests/data/formats/npy_u1.npy");
        let bytes = large_archive(array);
        let movie = parse(&Arc::new(Input::memory(bytes)), None).unwrap();
        assert_eq!(movie.axes.each_ref().map(|axis| axis.size), [3, 5, 4]);
        let alone = npy::parse(&Arc::new(Input::memory(array.to_vec()))).unwrap();
        assert_eq!(movie.frames.read(2).unwrap(), alone.frames.read(2).unwrap());
    }

    #[test]
    fn frames_of_a_deflated_array_in_any_order() {
        let bytes = include_bytes!("../../../tests/data/formats/deflated.npz").to_vec();
        let movie = parse(&Arc::new(Input::memory(bytes)), None).unwrap();
        let first: Vec<f32> = [2, 0, 1, 1, 2].iter().map(|&i| movie.frames.read(i).unwrap()[0]).collect();
        assert_eq!(first, [40.0, 0.0, 20.0, 20.0, 40.0]);
        assert!(movie.frames.read(3).is_err());
    }

    proptest! {
        /// Whatever is done to a valid file, it is answered.
        #[test]
        fn damage_is_answered(which in any::<prop::sample::Index>(), edits in edits()) {
            let files = [
                include_bytes!("../../../tests/data/formats/stored.npz").as_slice(),
                include_bytes!("../../../tests/data/formats/deflated.npz").as_slice(),
                include_bytes!("../../../tests/data/formats/deflated_fortran.npz").as_slice(),
            ];
            answers(files[which.index(files.len())], &edits);
        }
    }
}
