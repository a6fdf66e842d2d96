//! Links of a group: symbol tables of old files, link messages and their heap of new ones.

use super::super::input::Input;
use super::heap::FractalHeap;
use super::{Hdf5, Object, kind};

/// Nodes of one tree that are looked at, and links of one group: more than any movie's file has.
const MOST_NODES: usize = 100_000;
const MOST_LINKS: usize = 200_000;
const DEEPEST: u16 = 32;

impl Hdf5 {
    /// Names of a group's children and the addresses of their headers. Soft and external links are left out.
    pub fn links(&self, object: &Object) -> Result<Vec<(String, u64)>, String> {
        let mut links = vec![];
        if let Some(table) = object.message(kind::SYMBOL_TABLE) {
            let mut c = table.body.cursor(0, false);
            let (tree, heap) = (c.uint(self.offset_size)?, c.uint(self.offset_size)?);
            self.symbols(tree, heap, &mut links)?;
        }
        for message in object.messages.iter().filter(|m| m.kind == kind::LINK) {
            links.extend(self.link(&message.body)?);
        }
        if let Some(info) = object.message(kind::LINK_INFO) {
            let mut c = info.body.cursor(1, false);
            let flags = c.u8()?;
            c.skip(if flags & 1 != 0 { 8 } else { 0 })?;
            let (heap, tree) = (c.uint(self.offset_size)?, c.uint(self.offset_size)?);
            if !self.undefined(heap) && !self.undefined(tree) {
                for body in self.heap_objects(heap, tree, 5)? {
                    links.extend(self.link(&body)?);
                }
            }
        }
        links.sort();
        links.dedup();
        Ok(links)
    }

    pub fn child(&self, object: &Object, name: &str) -> Result<Option<Object>, String> {
        match self.links(object)?.into_iter().find(|(n, _)| n == name) {
            Some((_, address)) => self.object(address).map(Some),
            None => Ok(None),
        }
    }

    fn link(&self, body: &Input) -> Result<Option<(String, u64)>, String> {
        let mut c = body.cursor(1, false);
        let flags = c.u8()?;
        let kind = if flags & 8 != 0 { c.u8()? } else { 0 };
        c.skip(if flags & 4 != 0 { 8 } else { 0 })?;
        c.skip(if flags & 16 != 0 { 1 } else { 0 })?;
        let length = c.uint(1 << (flags & 3))?;
        let name = c.bytes(length, "a link's name")?;
        if kind != 0 {
            return Ok(None);
        }
        Ok(Some((String::from_utf8_lossy(&name).into_owned(), c.uint(self.offset_size)?)))
    }

    /// Walks the B-tree of an old group, level by level.
    fn symbols(&self, tree: u64, heap: u64, links: &mut Vec<(String, u64)>) -> Result<(), String> {
        let mut nodes = vec![(tree, None)];
        let mut seen = 0;
        while let Some((address, level)) = nodes.pop() {
            seen += 1;
            if seen > MOST_NODES || links.len() > MOST_LINKS {
                return Err("is damaged: a group does not end".into());
            }
            if level == Some(u8::MAX) {
                self.symbol_node(address, heap, links)?;
                continue;
            }
            let mut c = self.block(address, b"TREE")?;
            let (node_kind, this) = (c.u8()?, c.u8()?);
            if node_kind != 0 || level.is_some_and(|level| level != this) || this == u8::MAX {
                return Err("is damaged: a group's tree".into());
            }
            let entries = c.u16()?;
            c.skip(2 * self.offset_size as u64)?;
            for _ in 0..entries {
                c.uint(self.length_size)?; // key
                nodes.push((c.uint(self.offset_size)?, Some(this.wrapping_sub(1))));
            }
        }
        Ok(())
    }

    fn symbol_node(&self, address: u64, heap: u64, links: &mut Vec<(String, u64)>) -> Result<(), String> {
        let mut c = self.block(address, b"SNOD")?;
        c.skip(2)?;
        for _ in 0..c.u16()? {
            let (name, header) = (c.uint(self.offset_size)?, c.uint(self.offset_size)?);
            let cached = c.u32()?;
            c.skip(4 + 16)?;
            if cached != 2 {
                links.push((self.local_text(heap, name)?, header)); // 2 is a soft link
            }
        }
        Ok(())
    }

    /// Objects of a fractal heap, through the tree that indexes them by name. `record` is the tree's kind.
    pub(super) fn heap_objects(&self, heap: u64, tree: u64, record: u8) -> Result<Vec<Input>, String> {
        let heap = FractalHeap::open(self, heap)?;
        let mut objects = vec![];
        for body in self.records(tree, &[record])? {
            // Names of links come after a hash of four bytes; attributes begin with the identifier.
            let mut c = body.cursor(if record == 5 { 4 } else { 0 }, false);
            let id = c.bytes(if record == 5 { heap.id_length() } else { 8 }, "a heap identifier")?;
            objects.push(Input::memory(heap.object(&id)?));
        }
        Ok(objects)
    }

    /// All records of a B-tree of version 2 that is of one of these kinds.
    pub(super) fn records(&self, address: u64, kinds: &[u8]) -> Result<Vec<Input>, String> {
        let damaged = || "is damaged: a tree of version 2".to_string();
        let mut c = self.block(address, b"BTHD")?;
        c.skip(1)?;
        if !kinds.contains(&c.u8()?) {
            return Err(damaged());
        }
        let (node_size, record_size, depth) = (u64::from(c.u32()?), u64::from(c.u16()?), c.u16()?);
        c.skip(2)?;
        let (root, root_records) = (c.uint(self.offset_size)?, c.u16()?);
        if self.undefined(root) {
            return Ok(vec![]);
        }
        if depth > DEEPEST || record_size == 0 || node_size < 10 {
            return Err(damaged());
        }
        let layout = TreeLayout::new(self, node_size, record_size, depth);
        let mut found = vec![];
        let mut nodes = vec![(root, u64::from(root_records), depth)];
        let mut seen = 0;
        while let Some((address, records, depth)) = nodes.pop() {
            seen += 1;
            if seen > MOST_NODES
                || records > layout.most[0].max(1)
                || found.len() as u64 * record_size > self.input.len()
            {
                return Err(damaged());
            }
            self.spend(records.saturating_mul(record_size).saturating_add(64))?;
            let mut c = self.block(address, if depth == 0 { b"BTLF" } else { b"BTIN" })?;
            c.skip(2)?;
            for _ in 0..records {
                found.push(Input::memory(c.bytes(record_size, "a record")?));
            }
            if depth == 0 {
                continue;
            }
            for _ in 0..=records {
                let child = c.uint(self.offset_size)?;
                let count = c.uint(layout.count_bytes[usize::from(depth) - 1])?;
                if depth > 1 {
                    c.uint(layout.total_bytes[usize::from(depth) - 1])?;
                }
                nodes.push((child, count, depth - 1));
            }
        }
        Ok(found)
    }
}

/// How many bytes the counts in a node's pointers have, for children at each depth (0 is a leaf).
struct TreeLayout {
    most: Vec<u64>,
    count_bytes: Vec<usize>,
    total_bytes: Vec<usize>,
}

impl TreeLayout {
    fn new(file: &Hdf5, node_size: u64, record_size: u64, depth: u16) -> TreeLayout {
        let bytes = |n: u64| (64 - n.max(1).leading_zeros()).div_ceil(8) as usize;
        let room = node_size - 10;
        let leaf = room / record_size;
        // The library gives every level's record count the bytes that a leaf's needs.
        let mut layout = TreeLayout { most: vec![leaf], count_bytes: vec![bytes(leaf)], total_bytes: vec![0] };
        let mut total = leaf;
        for level in 1..=usize::from(depth) {
            let pointer = file.offset_size + layout.count_bytes[0] + layout.total_bytes[level - 1];
            let records = room.saturating_sub(pointer as u64) / (record_size + pointer as u64);
            total = (records + 1).saturating_mul(total).saturating_add(records);
            layout.most.push(records);
            layout.count_bytes.push(layout.count_bytes[0]);
            layout.total_bytes.push(bytes(total));
        }
        layout
    }
}
