//! The indices that say where a dataset's chunks are: B-trees of both versions, fixed and extensible arrays.

use super::super::input::Cursor;
use super::Hdf5;
use super::types::Space;

/// One stored chunk.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chunk {
    /// Its place in the grid of chunks.
    pub(super) place: Vec<u64>,
    pub(super) address: u64,
    /// Stored bytes, where the index says.
    pub(super) bytes: Option<u64>,
    /// Filters that were left out, a bit each.
    pub(super) mask: u32,
}

pub(super) struct Chunks {
    kind: Index,
    address: u64,
    filtered: bool,
    /// Chunks along each axis that the dataset may grow to, for indices that count them.
    largest: Vec<u64>,
    /// Bytes of a chunk, elements included.
    chunk_bytes: u64,
    /// Bytes that a stored size has in version 4's indices.
    size_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Index {
    Tree1,
    Single { bytes: Option<u64>, mask: u32 },
    Implicit,
    Fixed { page_bits: u8 },
    Extensible(Extensible),
    Tree2,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Extensible {
    max_bits: u8,
    index_elements: u8,
    super_min_pointers: u8,
    block_min_elements: u8,
    page_bits: u8,
    /// The axis without limit, which counts slowest.
    axis: usize,
}

const DEEPEST: u8 = 32;
const MOST_NODES: usize = 1 << 20;

impl Chunks {
    /// Reads the rest of a layout message; also gives the chunk's shape.
    pub(super) fn parse(
        file: &Hdf5,
        c: &mut Cursor<'_>,
        version: u8,
        space: &Space,
        size: u64,
        filtered: bool,
    ) -> Result<(Vec<u64>, Chunks), String> {
        let mut shape;
        let (kind, address);
        if version == 3 {
            let rank = c.u8()?;
            address = c.uint(file.offset_size)?;
            shape = (0..rank).map(|_| c.u32().map(u64::from)).collect::<Result<Vec<_>, _>>()?;
            kind = Index::Tree1;
        } else {
            let (flags, rank) = (c.u8()?, c.u8()?);
            let bytes = usize::from(c.u8()?);
            shape = (0..rank).map(|_| c.uint(bytes)).collect::<Result<Vec<_>, _>>()?;
            kind = Index::parse(file, c, flags, space)?;
            address = c.uint(file.offset_size)?;
        }
        shape.pop(); // the last one is the element's size
        if shape.len() != space.sizes.len() || shape.contains(&0) {
            return Err("is damaged: chunks do not fit their dataset".into());
        }
        let chunk_bytes = shape.iter().try_fold(size, |all, &n| all.checked_mul(n)).ok_or("is damaged: huge chunks")?;
        // Version 4 gives a stored size one byte more than the full one needs; version 5 always eight.
        let bits = 64 - chunk_bytes.max(1).leading_zeros();
        let size_bytes = if version == 5 { 8 } else { (1 + (bits as usize).div_ceil(8)).min(8) };
        let largest = space.largest.iter().zip(&shape).map(|(&n, &s)| if n == u64::MAX { 0 } else { n.div_ceil(s) });
        let largest = largest.collect();
        Ok((shape, Chunks { kind, address, filtered, largest, chunk_bytes, size_bytes }))
    }

    /// Every chunk that was stored, sorted by place.
    pub(super) fn all(&self, file: &Hdf5, sizes: &[u64], shape: &[u64]) -> Result<Vec<Chunk>, String> {
        if file.undefined(self.address) {
            return Ok(vec![]);
        }
        let grid: Vec<u64> = sizes.iter().zip(shape).map(|(&n, &s)| n.div_ceil(s)).collect();
        let mut found = match self.kind {
            Index::Tree1 => self.tree_1(file, shape)?,
            Index::Tree2 => self.tree_2(file, shape.len())?,
            Index::Single { bytes, mask } => {
                vec![Chunk { place: vec![0; shape.len()], address: self.address, bytes, mask }]
            }
            Index::Implicit => self.implicit(file, &grid)?,
            Index::Fixed { page_bits } => self.fixed(file, page_bits, &grid)?,
            Index::Extensible(array) => self.extensible(file, array, &grid)?,
        };
        // Chunks beyond the sizes stay behind when a dataset shrinks.
        found.retain(|chunk| chunk.place.iter().zip(&grid).all(|(p, g)| p < g) && !file.undefined(chunk.address));
        found.sort_by(|a, b| a.place.cmp(&b.place));
        found.dedup_by(|a, b| a.place == b.place);
        Ok(found)
    }

    fn tree_1(&self, file: &Hdf5, shape: &[u64]) -> Result<Vec<Chunk>, String> {
        let damaged = || "is damaged: the tree of a dataset's chunks".to_string();
        let mut found = vec![];
        let mut nodes = vec![(self.address, None)];
        let mut seen = 0;
        while let Some((address, level)) = nodes.pop() {
            seen += 1;
            let mut c = file.block(address, b"TREE")?;
            let (kind, this) = (c.u8()?, c.u8()?);
            // Levels go down by one, so that a circle ends.
            if kind != 1 || this > DEEPEST || level.is_some_and(|l| l != this) || seen > MOST_NODES {
                return Err(damaged());
            }
            let entries = c.u16()?;
            c.skip(2 * file.offset_size as u64)?;
            for _ in 0..entries {
                let (bytes, mask) = (c.u32()?, c.u32()?);
                let mut place = Vec::with_capacity(shape.len());
                for &n in shape {
                    place.push(c.u64()? / n);
                }
                c.u64()?;
                let child = c.uint(file.offset_size)?;
                if this > 0 {
                    nodes.push((child, Some(this - 1)));
                } else {
                    let bytes = self.filtered.then_some(u64::from(bytes));
                    found.push(Chunk { place, address: child, bytes, mask });
                }
            }
            // A chunk's key alone has more than 16 bytes.
            if found.len() as u64 * 16 > file.input.len() {
                return Err(damaged());
            }
        }
        Ok(found)
    }

    fn tree_2(&self, file: &Hdf5, rank: usize) -> Result<Vec<Chunk>, String> {
        let records = file.records(self.address, &[10, 11])?;
        let chunk = |record: &super::Input| {
            let mut c = record.cursor(0, false);
            let (address, bytes, mask) = self.element(file, &mut c)?;
            let place = (0..rank).map(|_| c.u64()).collect::<Result<_, _>>()?;
            Ok(Chunk { place, address, bytes, mask })
        };
        records.iter().map(chunk).collect()
    }

    /// An address; with filters the stored size and the mask too.
    fn element(&self, file: &Hdf5, c: &mut Cursor<'_>) -> Result<(u64, Option<u64>, u32), String> {
        let address = c.uint(file.offset_size)?;
        if !self.filtered {
            return Ok((address, None, 0));
        }
        Ok((address, Some(c.uint(self.size_bytes)?), c.u32()?))
    }

    fn element_bytes(&self, file: &Hdf5) -> u64 {
        (file.offset_size + if self.filtered { self.size_bytes + 4 } else { 0 }) as u64
    }

    /// The place of the chunk that is `number`th in an array; `first` is the axis that counts slowest.
    fn place(&self, number: u64, grid: &[u64], first: usize) -> Vec<u64> {
        let order: Vec<usize> = std::iter::once(first).chain((0..grid.len()).filter(|&a| a != first)).collect();
        let mut place = vec![0; grid.len()];
        let mut rest = number;
        for &axis in order.iter().skip(1).rev() {
            let n = if self.largest[axis] > 0 { self.largest[axis] } else { grid[axis].max(1) };
            place[axis] = rest % n;
            rest /= n;
        }
        place[first] = rest;
        place
    }

    /// How many chunks an array has that covers the dataset at its largest.
    fn count(&self, file: &Hdf5, grid: &[u64]) -> Result<u64, String> {
        let mut sizes = self.largest.iter().zip(grid).map(|(&l, &g)| l.max(g));
        let count = sizes.try_fold(1_u64, u64::checked_mul);
        count.filter(|&n| n <= file.input.len()).ok_or_else(|| "is damaged: it has more chunks than bytes".into())
    }

    fn implicit(&self, file: &Hdf5, grid: &[u64]) -> Result<Vec<Chunk>, String> {
        let count = self.count(file, grid)?;
        if count.checked_mul(self.chunk_bytes).is_none_or(|bytes| bytes > file.input.len()) {
            return Err("is cut short or damaged: its chunks do not fit the file".into());
        }
        let chunk = |number: u64| {
            let address = number.checked_mul(self.chunk_bytes).and_then(|n| n.checked_add(self.address));
            let address = address.ok_or("is damaged: a chunk lies outside the file")?;
            Ok(Chunk { place: self.place(number, grid, 0), address, bytes: None, mask: 0 })
        };
        (0..count).map(chunk).collect()
    }

    fn fixed(&self, file: &Hdf5, page_bits: u8, grid: &[u64]) -> Result<Vec<Chunk>, String> {
        let mut c = file.block(self.address, b"FAHD")?;
        c.skip(2)?;
        let element = u64::from(c.u8()?);
        c.u8()?;
        let count = c.uint(file.length_size)?;
        let block = c.uint(file.offset_size)?;
        if element != self.element_bytes(file) || count > file.input.len() || page_bits > 30 {
            return Err("is damaged: the array of a dataset's chunks".into());
        }
        if file.undefined(block) {
            return Ok(vec![]);
        }
        let mut c = file.block(block, b"FADB")?;
        c.skip(2 + file.offset_size as u64)?;
        let page = 1_u64 << page_bits;
        let mut array = Array { chunks: self, file, grid, first: 0, found: vec![] };
        if count <= page {
            array.elements(&mut c, 0, count)?;
            return Ok(array.found);
        }
        let pages = count.div_ceil(page);
        let written = c.bytes(pages.div_ceil(8), "a bitmap")?;
        c.skip(4)?;
        array.pages(&mut c, 0, count, page, |i| written[(i / 8) as usize] >> (7 - i % 8) & 1 == 1)?;
        Ok(array.found)
    }

    fn extensible(&self, file: &Hdf5, layout: Extensible, grid: &[u64]) -> Result<Vec<Chunk>, String> {
        let mut c = file.block(self.address, b"EAHD")?;
        c.skip(2)?;
        let element = u64::from(c.u8()?);
        c.skip(5 + 6 * file.length_size as u64)?;
        let index = c.uint(file.offset_size)?;
        let sane = layout.block_min_elements.is_power_of_two()
            && layout.super_min_pointers.is_power_of_two()
            && layout.max_bits <= 64
            && u32::from(layout.max_bits) >= layout.block_min_elements.ilog2()
            && layout.page_bits <= 30;
        if element != self.element_bytes(file) || !sane {
            return Err("is damaged: the growing array of a dataset's chunks".into());
        }
        if file.undefined(index) {
            return Ok(vec![]);
        }
        let mut c = file.block(index, b"EAIB")?;
        c.skip(2 + file.offset_size as u64)?;
        let mut array = Array { chunks: self, file, grid, first: layout.axis, found: vec![] };
        array.elements(&mut c, 0, u64::from(layout.index_elements))?;
        array.super_blocks(&mut c, layout)?;
        Ok(array.found)
    }
}

impl Index {
    fn parse(file: &Hdf5, c: &mut Cursor<'_>, flags: u8, space: &Space) -> Result<Index, String> {
        Ok(match c.u8()? {
            1 if flags & 2 != 0 => Index::Single { bytes: Some(c.uint(file.length_size)?), mask: c.u32()? },
            1 => Index::Single { bytes: None, mask: 0 },
            2 => Index::Implicit,
            3 => Index::Fixed { page_bits: c.u8()? },
            4 => Index::Extensible(Extensible {
                max_bits: c.u8()?,
                index_elements: c.u8()?,
                super_min_pointers: c.u8()?,
                block_min_elements: c.u8()?,
                page_bits: c.u8()?,
                axis: space.largest.iter().position(|&n| n == u64::MAX).unwrap_or(0),
            }),
            5 => {
                c.skip(4 + 1 + 1)?;
                Index::Tree2
            }
            other => return Err(format!("has a chunk index of kind {other}, which is not supported: run h5repack")),
        })
    }
}

/// Collects the elements of an array of chunks.
struct Array<'a> {
    chunks: &'a Chunks,
    file: &'a Hdf5,
    grid: &'a [u64],
    first: usize,
    found: Vec<Chunk>,
}

impl<'a> Array<'a> {
    fn elements(&mut self, c: &mut Cursor<'_>, start: u64, count: u64) -> Result<(), String> {
        for i in 0..count {
            let (address, bytes, mask) = self.chunks.element(self.file, c)?;
            if !self.file.undefined(address) {
                let place = self.chunks.place(start + i, self.grid, self.first);
                self.found.push(Chunk { place, address, bytes, mask });
            }
        }
        if self.found.len() as u64 > self.file.input.len() {
            return Err("is damaged: it has more chunks than bytes".into());
        }
        Ok(())
    }

    /// Pages of elements, each followed by a checksum; pages never written hold nothing of use.
    fn pages(
        &mut self,
        c: &mut Cursor<'_>,
        start: u64,
        count: u64,
        page: u64,
        written: impl Fn(u64) -> bool,
    ) -> Result<(), String> {
        let bytes = self.chunks.element_bytes(self.file);
        for i in 0..count.div_ceil(page) {
            let here = page.min(count - i * page);
            if written(i) {
                self.elements(c, start + i * page, here)?;
            } else {
                c.skip(here * bytes)?;
            }
            c.skip(4)?;
        }
        Ok(())
    }

    /// What comes after the elements in an extensible array's index block.
    fn super_blocks(&mut self, c: &mut Cursor<'a>, layout: Extensible) -> Result<(), String> {
        let damaged = || "is damaged: the growing array of a dataset's chunks".to_string();
        let minimum = u64::from(layout.block_min_elements);
        let blocks = 1 + u32::from(layout.max_bits) - minimum.ilog2();
        let direct = 2 * u32::from(layout.super_min_pointers).ilog2();
        let mut start = u64::from(layout.index_elements);
        let offset_bytes = u64::from(layout.max_bits).div_ceil(8);
        let page = 1_u64 << layout.page_bits;
        for level in 0..blocks {
            let count = 1_u64 << (level / 2);
            let each = (1_u64 << level.div_ceil(2)).checked_mul(minimum).ok_or_else(damaged)?;
            let mut bitmap = vec![];
            let mut super_block;
            let pages = if each > page { each.div_ceil(page) } else { 0 };
            let pointers: &mut Cursor<'a> = if level < direct {
                &mut *c
            } else {
                let address = c.uint(self.file.offset_size)?;
                if self.file.undefined(address) {
                    start = start.checked_add(count.checked_mul(each).ok_or_else(damaged)?).ok_or_else(damaged)?;
                    continue;
                }
                super_block = self.file.block(address, b"EASB")?;
                super_block.skip(2 + self.file.offset_size as u64 + offset_bytes)?;
                let bytes = count.checked_mul(pages.div_ceil(8)).ok_or_else(damaged)?;
                bitmap = super_block.bytes(bytes, "a bitmap")?;
                &mut super_block
            };
            for block in 0..count {
                let address = pointers.uint(self.file.offset_size)?;
                if !self.file.undefined(address) {
                    let mut data = self.file.block(address, b"EADB")?;
                    data.skip(2 + self.file.offset_size as u64 + offset_bytes)?;
                    if pages == 0 {
                        self.elements(&mut data, start, each)?;
                    } else {
                        data.skip(4)?;
                        // The bits of all blocks follow each other without gaps. Blocks named by the index have none.
                        let bit = |n: u64| bitmap.get((n / 8) as usize).is_none_or(|b| b >> (7 - n % 8) & 1 == 1);
                        let written = |i: u64| bit(block * pages + i);
                        self.pages(&mut data, start, each, page, written)?;
                    }
                }
                start = start.checked_add(each).ok_or_else(damaged)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(largest: &[u64]) -> Chunks {
        let largest = largest.to_vec();
        Chunks { kind: Index::Implicit, address: 0, filtered: false, largest, chunk_bytes: 1, size_bytes: 1 }
    }

    #[test]
    fn places_are_counted_with_the_last_axis_fastest() {
        let plain = chunks(&[2, 3, 4]);
        let places: Vec<_> = (0..24).map(|n| plain.place(n, &[2, 3, 4], 0)).collect();
        assert_eq!(places[1], [0, 0, 1]);
        assert_eq!(places[4], [0, 1, 0]);
        assert_eq!(places[23], [1, 2, 3]);
        // The axis without limit counts slowest, wherever it stands; 0 stands for no limit.
        let growing = chunks(&[2, 3, 0]);
        assert_eq!(growing.place(1, &[2, 3, 9], 2), [0, 1, 0]);
        assert_eq!(growing.place(7, &[2, 3, 9], 2), [0, 1, 1]);
    }
}
