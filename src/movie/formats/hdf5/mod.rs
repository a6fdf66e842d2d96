//! The part of HDF5 that movies use: old and new groups, attributes, contiguous and chunked datasets, filters.
//!
//! Format: "HDF5 File Format Specification Version 3.0". Every address and size comes from the file and is checked
//! against it; walks through trees, heaps and chains are bounded, because a damaged file can point back at itself.

mod attributes;
mod chunks;
mod dataset;
mod filters;
mod groups;
mod heap;
mod types;

pub use attributes::Value;
pub use dataset::Dataset;

use super::input::{Cursor, Input};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
/// More than any movie's file has; a damaged one can claim any number.
const MOST_MESSAGES: usize = 100_000;
const MOST_BLOCKS: usize = 10_000;

/// An open file.
#[derive(Clone)]
pub struct Hdf5 {
    input: Arc<Input>,
    /// Where the file begins inside the file: a user block may come first.
    base: u64,
    offset_size: usize,
    length_size: usize,
    root: u64,
    /// Bytes of headers and heaps that may still be read. A damaged file can name the same ones without end.
    work: Arc<AtomicU64>,
}

/// A group or a dataset: the messages of its header.
pub struct Object {
    pub address: u64,
    messages: Vec<Message>,
}

struct Message {
    kind: u16,
    body: Arc<Input>,
}

impl Object {
    fn message(&self, kind: u16) -> Option<&Message> {
        self.messages.iter().find(|m| m.kind == kind)
    }
}

mod kind {
    pub const DATASPACE: u16 = 0x1;
    pub const LINK_INFO: u16 = 0x2;
    pub const DATATYPE: u16 = 0x3;
    pub const FILL_VALUE: u16 = 0x5;
    pub const LINK: u16 = 0x6;
    pub const EXTERNAL_FILES: u16 = 0x7;
    pub const LAYOUT: u16 = 0x8;
    pub const FILTERS: u16 = 0xb;
    pub const ATTRIBUTE: u16 = 0xc;
    pub const CONTINUATION: u16 = 0x10;
    pub const SYMBOL_TABLE: u16 = 0x11;
    pub const ATTRIBUTE_INFO: u16 = 0x15;
}

/// Where the signature stands, if anywhere: at byte 0, 512, 1024, 2048 and so on.
pub fn recognise(input: &Input) -> bool {
    superblock_at(input).is_some()
}

fn superblock_at(input: &Input) -> Option<u64> {
    let places = std::iter::once(0).chain((9..32).map(|power| 1_u64 << power));
    let holds = |at: &u64| input.cursor(*at, false).take::<8>().is_ok_and(|found| found == SIGNATURE);
    places.take_while(|&at| at + 8 <= input.len()).find(holds)
}

impl Hdf5 {
    pub fn open(input: Arc<Input>) -> Result<Hdf5, String> {
        let at = superblock_at(&input).ok_or("has no HDF5 signature")?;
        let mut c = input.cursor(at + 8, false);
        let version = c.u8()?;
        let (offset_size, length_size) = match version {
            0 | 1 => {
                c.skip(4)?;
                (c.u8()?, c.u8()?)
            }
            2 | 3 => (c.u8()?, c.u8()?),
            _ => return Err(format!("has an HDF5 superblock of version {version}, which is not known")),
        };
        if ![offset_size, length_size].iter().all(|s| matches!(s, 2 | 4 | 8)) {
            return Err(format!("is damaged: its addresses have {offset_size} bytes, its lengths {length_size}"));
        }
        c.skip(match version {
            0 => 1 + 4 + 4,
            1 => 1 + 4 + 4 + 4,
            _ => 1,
        })?;
        let (offset_size, length_size) = (usize::from(offset_size), usize::from(length_size));
        let mut addresses = [0; 4];
        for address in &mut addresses {
            *address = c.uint(offset_size)?;
        }
        let root = match version {
            // The root group's symbol table entry follows: the name's offset, then the header's address.
            0 | 1 => {
                c.uint(offset_size)?;
                c.uint(offset_size)?
            }
            _ => addresses[3],
        };
        // The base address is 0 or where the superblock stands; some writers say 0 after a user block too.
        let base = addresses[0].max(at);
        drop(c);
        let work = Arc::new(AtomicU64::new(input.len().saturating_mul(64).saturating_add(64 << 20)));
        Ok(Hdf5 { input, base, offset_size, length_size, root, work })
    }

    pub fn root(&self) -> Result<Object, String> {
        self.object(self.root)
    }

    /// Counts what is read beside pixels; a valid file is read some ten times over at most.
    fn spend(&self, bytes: u64) -> Result<(), String> {
        let left = self.work.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes));
        left.map(|_| ()).map_err(|_| "is damaged: it refers to the same parts again and again".into())
    }

    fn undefined(&self, address: u64) -> bool {
        address == u64::MAX >> (64 - 8 * self.offset_size)
    }

    /// A cursor at an address of the file.
    fn at(&self, address: u64) -> Result<Cursor<'_>, String> {
        let at = address.checked_add(self.base).filter(|&at| at < self.input.len());
        let at = at.ok_or_else(|| format!("is cut short or damaged: it points at byte {address}"))?;
        Ok(self.input.cursor(at, false))
    }

    /// A cursor just after the four letters that a structure begins with.
    fn block(&self, address: u64, letters: &[u8; 4]) -> Result<Cursor<'_>, String> {
        let mut c = self.at(address)?;
        if c.take::<4>()? != *letters {
            let name = String::from_utf8_lossy(letters);
            return Err(format!("is damaged: there is no {name} block at byte {address}"));
        }
        Ok(c)
    }

    pub fn object(&self, address: u64) -> Result<Object, String> {
        let new = self.at(address)?.take::<4>()? == *b"OHDR";
        let mut walk = Walk::new(self, true);
        if new { walk.version_2(address) } else { walk.version_1(address) }?;
        Ok(Object { address, messages: walk.messages })
    }
}

/// Reads the blocks of an object header.
struct Walk<'a> {
    file: &'a Hdf5,
    messages: Vec<Message>,
    /// Blocks still to be read: address and length.
    queue: Vec<(u64, u64)>,
    blocks: usize,
    /// Whether messages that are kept elsewhere are fetched.
    follow: bool,
}

impl<'a> Walk<'a> {
    fn new(file: &'a Hdf5, follow: bool) -> Walk<'a> {
        Walk { file, messages: vec![], queue: vec![], blocks: 0, follow }
    }

    fn version_1(&mut self, address: u64) -> Result<(), String> {
        let mut c = self.file.at(address)?;
        let version = c.u8()?;
        if version != 1 {
            return Err(format!("is damaged: no object header at byte {address}"));
        }
        c.skip(1 + 2 + 4)?;
        let size = c.u32()?;
        c.skip(4)?;
        self.queue.push((c.at - self.file.base, u64::from(size)));
        while let Some((address, length)) = self.next()? {
            let mut c = self.file.at(address)?;
            let end = c.at + length;
            while c.at + 8 <= end {
                let (kind, size, flags) = (c.u16()?, c.u16()?, c.u8()?);
                c.skip(3)?;
                self.message(&mut c, kind, u64::from(size), flags, end)?;
            }
        }
        Ok(())
    }

    fn version_2(&mut self, address: u64) -> Result<(), String> {
        let mut c = self.file.block(address, b"OHDR")?;
        let (_version, flags) = (c.u8()?, c.u8()?);
        c.skip(if flags & 0x20 != 0 { 16 } else { 0 })?;
        c.skip(if flags & 0x10 != 0 { 4 } else { 0 })?;
        let size = c.uint(1 << (flags & 3))?;
        self.queue.push((c.at - self.file.base, size));
        let mut first = true;
        while let Some((address, length)) = self.next()? {
            let mut c = self.file.at(address)?;
            let mut end = c.at + length;
            if !first {
                // A continuation has four letters before its messages and a checksum after them.
                c = self.file.block(address, b"OCHK")?;
                end = end.saturating_sub(4);
            }
            first = false;
            let header = if flags & 4 != 0 { 6 } else { 4 };
            while c.at + header <= end {
                let (kind, size, message_flags) = (c.u8()?, c.u16()?, c.u8()?);
                c.skip(header - 4)?;
                self.message(&mut c, u16::from(kind), u64::from(size), message_flags, end)?;
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(u64, u64)>, String> {
        let Some((address, length)) = self.queue.pop() else {
            return Ok(None);
        };
        self.blocks += 1;
        if self.blocks > MOST_BLOCKS || self.messages.len() > MOST_MESSAGES {
            return Err("is damaged: an object header does not end".into());
        }
        let at = address.checked_add(self.file.base).ok_or("is damaged: an object header lies outside the file")?;
        self.file.input.holds(at, length, "an object header")?;
        self.file.spend(length.saturating_add(64))?;
        Ok(Some((address, length)))
    }

    fn message(&mut self, c: &mut Cursor<'_>, kind: u16, size: u64, flags: u8, end: u64) -> Result<(), String> {
        if c.at + size > end {
            return Err("is damaged: a message is longer than its object header".into());
        }
        let body = Arc::new(Input::memory(c.bytes(size, "a message")?));
        if kind == kind::CONTINUATION {
            let mut c = body.cursor(0, false);
            self.queue.push((c.uint(self.file.offset_size)?, c.uint(self.file.length_size)?));
            return Ok(());
        }
        let body = if flags & 2 != 0 && self.follow { self.file.shared(kind, &body)? } else { body };
        self.messages.push(Message { kind, body });
        Ok(())
    }
}

impl Hdf5 {
    /// The body of a message that is kept in another object's header: a committed datatype.
    fn shared(&self, kind: u16, reference: &Input) -> Result<Arc<Input>, String> {
        let mut c = reference.cursor(0, false);
        let (version, place) = (c.u8()?, c.u8()?);
        if version == 3 && place == 1 {
            return Err("keeps messages in a shared heap, which is not supported: save it again with h5repack".into());
        }
        c.skip(if version == 1 { 6 } else { 0 })?;
        let address = c.uint(self.offset_size)?;
        // Its own messages are not shared in turn: read them without following, so that no circle can form.
        let mut c = self.at(address)?;
        let new = c.take::<4>()? == *b"OHDR";
        let mut walk = Walk::new(self, false);
        if new { walk.version_2(address) } else { walk.version_1(address) }?;
        let found = walk.messages.into_iter().find(|m| m.kind == kind);
        found.map(|m| m.body).ok_or_else(|| "is damaged: a shared message is not where it should be".into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::damage::{answers, edits};
    use super::*;
    use proptest::prelude::*;

    fn open(bytes: &[u8]) -> Hdf5 {
        Hdf5::open(Arc::new(Input::memory(bytes.to_vec()))).unwrap()
    }

    #[test]
    fn groups_and_attributes_of_both_kinds() {
        let files = [
            include_bytes!("../../../../tests/data/formats/h5_group_early.h5").as_slice(),
            include_bytes!("../../../../tests/data/formats/h5_group_late.h5").as_slice(),
        ];
        for bytes in files {
            let file = open(bytes);
            let a = file.child(&file.root().unwrap(), "a").unwrap().unwrap();
            let b = file.child(&a, "b").unwrap().unwrap();
            assert_eq!(file.links(&b).unwrap().len(), 12);
            let attributes = file.attributes(&b).unwrap();
            assert_eq!(attributes.len(), 12);
            let seventh = attributes.iter().find(|(name, _)| name == "attribute 7").unwrap();
            assert_eq!(seventh.1, Value::Numbers(vec![3.5]));
            let object = file.child(&b, "child 7").unwrap().unwrap();
            let movie = file.dataset(&file.child(&object, "movie").unwrap().unwrap()).unwrap().unwrap();
            assert_eq!(movie.sizes(), [3, 5, 4]);
            assert!(file.dataset(&b).unwrap().is_none());
        }
    }

    /// One index along any axis is what the whole array has there.
    #[test]
    fn parts_of_a_dataset() {
        let files = [
            include_bytes!("../../../../tests/data/formats/h5_plain_early.h5").as_slice(),
            include_bytes!("../../../../tests/data/formats/h5_chunked_early.h5").as_slice(),
            include_bytes!("../../../../tests/data/formats/h5_growing_all_late.h5").as_slice(),
        ];
        for bytes in files {
            let file = open(bytes);
            let object = file.child(&file.root().unwrap(), "movie").unwrap().unwrap();
            let dataset = file.dataset(&object).unwrap().unwrap();
            let whole = dataset.read(None).unwrap();
            let element = |t: usize, y: usize, x: usize| &whole[2 * (x + 4 * (y + 5 * t))..][..2];
            for t in 0..3 {
                let part: Vec<_> = (0..20).flat_map(|i| element(t, i / 4, i % 4).to_vec()).collect();
                assert_eq!(dataset.read(Some((0, t as u64))).unwrap(), part);
            }
            for y in 0..5 {
                let part: Vec<_> = (0..12).flat_map(|i| element(i / 4, y, i % 4).to_vec()).collect();
                assert_eq!(dataset.read(Some((1, y as u64))).unwrap(), part);
            }
            for x in 0..4 {
                let part: Vec<_> = (0..15).flat_map(|i| element(i / 5, i % 5, x).to_vec()).collect();
                assert_eq!(dataset.read(Some((2, x as u64))).unwrap(), part);
            }
            assert!(dataset.read(Some((0, 3))).is_err());
            assert!(dataset.read(Some((3, 0))).is_err());
        }
    }

    /// A file that names the same parts without end is an error after a while.
    #[test]
    fn work_is_bounded() {
        let file = open(include_bytes!("../../../../tests/data/formats/h5_plain_early.h5"));
        let found = (0..10_000_000).find_map(|_| file.root().err());
        assert!(found.unwrap().contains("again and again"));
    }

    proptest! {
        /// Whatever is done to a valid file, it is answered.
        #[test]
        fn damage_is_answered(which in any::<prop::sample::Index>(), edits in edits()) {
            let files = [
                include_bytes!("../../../../tests/data/formats/h5_plain_early.h5").as_slice(),
                include_bytes!("../../../../tests/data/formats/h5_group_late.h5").as_slice(),
                include_bytes!("../../../../tests/data/formats/h5_growing_gzip_late.h5").as_slice(),
                include_bytes!("../../../../tests/data/formats/h5_growing_all_late.h5").as_slice(),
                include_bytes!("../../../../tests/data/formats/h5_bounded_late.h5").as_slice(),
                include_bytes!("../../../../tests/data/formats/usid.h5").as_slice(),
                include_bytes!("../../../../tests/data/formats/velox.emd").as_slice(),
                include_bytes!("../../../../tests/data/formats/hyperspy.hspy").as_slice(),
            ];
            answers(files[which.index(files.len())], &edits);
        }
    }
}
