//! Where names, strings and links are kept: local, global and fractal heaps.

use super::Hdf5;

/// How deep indirect blocks of a fractal heap may nest: each level holds at least twice the one below.
const DEEPEST: u32 = 16;

impl Hdf5 {
    /// The text at `offset` of the local heap at `address`.
    pub(super) fn local_text(&self, address: u64, offset: u64) -> Result<String, String> {
        let mut c = self.block(address, b"HEAP")?;
        c.skip(4)?;
        let size = c.uint(self.length_size)?;
        c.uint(self.length_size)?;
        let data = c.uint(self.offset_size)?;
        if offset >= size {
            return Err("is damaged: a name lies outside its heap".into());
        }
        let mut c = self.at(data.checked_add(offset).ok_or("is damaged: a heap lies outside the file")?)?;
        let mut text = vec![];
        for _ in offset..size.min(offset + (1 << 16)) {
            match c.u8()? {
                0 => break,
                byte => text.push(byte),
            }
        }
        self.spend(text.len() as u64)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Object `index` of the global heap collection at `address`.
    pub(super) fn global_object(&self, address: u64, index: u32) -> Result<Vec<u8>, String> {
        let mut c = self.block(address, b"GCOL")?;
        c.skip(4)?;
        let size = c.uint(self.length_size)?;
        let end = c.at.saturating_sub(8 + self.length_size as u64).saturating_add(size);
        while c.at + 8 + self.length_size as u64 <= end {
            let found = c.u16()?;
            c.skip(6)?;
            let length = c.uint(self.length_size)?;
            self.spend(16)?;
            if u32::from(found) == index {
                self.spend(length)?;
                return c.bytes(length, "a text");
            }
            if found == 0 {
                break; // what follows is free
            }
            c.skip(length.checked_next_multiple_of(8).ok_or("is damaged: a heap's object is too large")?)?;
        }
        Err(format!("is damaged: its heap at byte {address} has no object {index}"))
    }
}

/// A fractal heap: small objects in blocks whose sizes double.
pub(super) struct FractalHeap<'a> {
    file: &'a Hdf5,
    id_length: u64,
    filtered: bool,
    largest_managed: u64,
    width: u64,
    first_block: u64,
    largest_direct: u64,
    heap_bits: u32,
    root: u64,
    /// Rows of the root block; 0 where it is a direct block.
    root_rows: u64,
    huge: u64,
}

impl<'a> FractalHeap<'a> {
    pub(super) fn open(file: &'a Hdf5, address: u64) -> Result<FractalHeap<'a>, String> {
        let mut c = file.block(address, b"FRHP")?;
        c.skip(1)?;
        let id_length = u64::from(c.u16()?);
        let filters = c.u16()?;
        c.u8()?; // flags
        let largest_managed = u64::from(c.u32()?);
        c.uint(file.length_size)?; // next huge id
        let huge = c.uint(file.offset_size)?;
        // Free space, its manager, managed space, allocated, iterator, counts and sizes of managed, huge, tiny.
        c.uint(file.length_size)?;
        c.uint(file.offset_size)?;
        for _ in 0..8 {
            c.uint(file.length_size)?;
        }
        let width = u64::from(c.u16()?);
        let (first_block, largest_direct) = (c.uint(file.length_size)?, c.uint(file.length_size)?);
        let heap_bits = u32::from(c.u16()?);
        c.u16()?;
        let root = c.uint(file.offset_size)?;
        let root_rows = u64::from(c.u16()?);
        let sane = width.is_power_of_two()
            && first_block.is_power_of_two()
            && largest_direct.is_power_of_two()
            && largest_direct >= first_block
            && heap_bits <= 64;
        if !sane {
            return Err("is damaged: a fractal heap's sizes make no sense".into());
        }
        Ok(FractalHeap {
            file,
            id_length,
            filtered: filters > 0,
            largest_managed,
            width,
            first_block,
            largest_direct,
            heap_bits,
            root,
            root_rows,
            huge,
        })
    }

    pub(super) fn id_length(&self) -> u64 {
        self.id_length
    }

    fn offset_bytes(&self) -> usize {
        self.heap_bits.div_ceil(8) as usize
    }

    /// The object that an identifier names.
    pub(super) fn object(&self, id: &[u8]) -> Result<Vec<u8>, String> {
        let first = *id.first().ok_or("is damaged: an empty heap identifier")?;
        match first >> 4 & 3 {
            0 => self.managed(id),
            1 if !self.filtered => self.huge(id),
            2 => {
                let length = usize::from(first & 0xf) + 1;
                id.get(1..1 + length).map(<[u8]>::to_vec).ok_or_else(|| "is damaged: a tiny heap object".into())
            }
            _ => Err("keeps attributes or links in a compressed heap, which is not supported".into()),
        }
    }

    fn managed(&self, id: &[u8]) -> Result<Vec<u8>, String> {
        let bytes = self.offset_bytes();
        let by_block = self.largest_direct.ilog2().div_ceil(8);
        let length_bytes = by_block.min(self.largest_managed.max(1).ilog2() / 8 + 1) as usize;
        let field = |from: usize, count: usize| {
            let part = id.get(from..from + count).ok_or("is damaged: a heap identifier is too short")?;
            Ok::<_, String>(part.iter().rev().fold(0_u64, |all, &b| (all << 8) | u64::from(b)))
        };
        let (offset, length) = (field(1, bytes)?, field(1 + bytes, length_bytes)?);
        if self.filtered {
            return Err("keeps attributes or links in a compressed heap, which is not supported".into());
        }
        let (address, start) = if self.root_rows == 0 {
            (self.root, 0)
        } else {
            self.direct_block(self.root, self.root_rows, offset, 0, 0)?
        };
        let within = offset.checked_sub(start).ok_or("is damaged: a heap's block")?;
        let at = address.checked_add(within).ok_or("is damaged: a heap's block")?;
        self.file.block(address, b"FHDB")?;
        self.file.spend(length.saturating_add(64))?;
        self.file.at(at)?.bytes(length, "a heap's object")
    }

    fn block_size(&self, row: u64) -> Option<u64> {
        let doublings = row.saturating_sub(1);
        self.first_block.checked_shl(u32::try_from(doublings).ok()?).filter(|s| s >> doublings == self.first_block)
    }

    /// The direct block that holds `offset`, and the heap offset where it begins. `start` is that of this block.
    fn direct_block(&self, address: u64, rows: u64, offset: u64, start: u64, depth: u32) -> Result<(u64, u64), String> {
        let damaged = || "is damaged: a heap's block tree".to_string();
        if depth > DEEPEST {
            return Err(damaged());
        }
        let mut c = self.file.block(address, b"FHIB")?;
        c.skip((1 + self.file.offset_size + self.offset_bytes()) as u64)?;
        let mut at = start;
        for row in 0..rows {
            let size = self.block_size(row).ok_or_else(damaged)?;
            for _ in 0..self.width {
                let child = c.uint(self.file.offset_size)?;
                let end = at.checked_add(size).ok_or_else(damaged)?;
                if (at..end).contains(&offset) {
                    if self.file.undefined(child) {
                        return Err(damaged());
                    }
                    if size <= self.largest_direct {
                        return Ok((child, at));
                    }
                    let child_rows = u64::from((size / (self.first_block * self.width)).max(1).ilog2()) + 1;
                    return self.direct_block(child, child_rows, offset, at, depth + 1);
                }
                at = end;
            }
        }
        Err(damaged())
    }

    /// Large objects have a tree of their own, or their address in the identifier where it is long enough.
    fn huge(&self, id: &[u8]) -> Result<Vec<u8>, String> {
        let read = |address: u64, length: u64| {
            self.file.spend(length)?;
            self.file.at(address)?.bytes(length, "a large heap object")
        };
        let direct = self.file.offset_size + self.file.length_size;
        let number = |part: &[u8]| part.iter().rev().fold(0_u64, |all, &b| (all << 8) | u64::from(b));
        if id.len() > direct {
            let address = number(&id[1..1 + self.file.offset_size]);
            let length = number(&id[1 + self.file.offset_size..1 + direct]);
            return read(address, length);
        }
        let wanted = number(&id[1..]);
        for record in self.file.records(self.huge, &[1])? {
            let mut c = record.cursor(0, false);
            let (address, length) = (c.uint(self.file.offset_size)?, c.uint(self.file.length_size)?);
            if c.uint(self.file.length_size)? == wanted {
                return read(address, length);
            }
        }
        Err("is damaged: a large heap object is not in its tree".into())
    }
}
