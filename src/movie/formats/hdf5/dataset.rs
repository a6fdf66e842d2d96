//! Datasets: their layout, and reading all that has one index along one axis.

use super::super::input::{Input, Plane};
use super::super::number::Number;
use super::attributes::Value;
use super::chunks::{Chunk, Chunks};
use super::filters::{self, Filter};
use super::types::{Space, Type};
use super::{Hdf5, Object, kind};
use std::sync::{Arc, Mutex, OnceLock};

/// A dataset: its sizes, and where its elements are.
pub struct Dataset {
    file: Hdf5,
    sizes: Vec<u64>,
    datatype: Type,
    /// Bytes of one element.
    size: u64,
    layout: Layout,
    fill: Vec<u8>,
    /// Unpacked chunks that hold several frames, so that they are not unpacked for each.
    kept: Mutex<Vec<(u64, Arc<Vec<u8>>)>>,
}

enum Layout {
    Compact(Vec<u8>),
    /// None where nothing was ever written.
    Contiguous(Option<u64>),
    Chunked(Box<Chunked>),
}

struct Chunked {
    /// Elements of a chunk along each axis.
    shape: Vec<u64>,
    index: Chunks,
    filters: Vec<Filter>,
    found: OnceLock<Result<Vec<Chunk>, String>>,
}

/// Unpacked chunks that are kept, in bytes.
const MOST_KEPT: usize = 128 << 20;

impl Hdf5 {
    /// The dataset that an object is; `None` for a group.
    pub fn dataset(&self, object: &Object) -> Result<Option<Dataset>, String> {
        let (Some(space), Some(datatype)) = (object.message(kind::DATASPACE), object.message(kind::DATATYPE)) else {
            return Ok(None);
        };
        let Some(layout) = object.message(kind::LAYOUT) else {
            return Ok(None);
        };
        if object.message(kind::EXTERNAL_FILES).is_some() {
            return Err("keeps its data in other files, which is not supported: save it as one file".into());
        }
        let space = Space::parse(&space.body, self.length_size)?;
        let datatype = Type::parse(&datatype.body)?;
        let size = datatype.size(self.offset_size);
        let filters = object.message(kind::FILTERS).map_or(Ok(vec![]), |m| filters::parse(&m.body))?;
        let layout = self.layout(&layout.body, &space, size, filters)?;
        let fill = object.message(kind::FILL_VALUE).map_or(Ok(vec![]), |m| fill(&m.body))?;
        let bytes = space.elements()?.checked_mul(size).ok_or("is damaged: a dataset is too large")?;
        match &layout {
            Layout::Contiguous(Some(at)) => self.input.holds(at.saturating_add(self.base), bytes, "a dataset")?,
            Layout::Compact(data) if (data.len() as u64) < bytes => {
                return Err("is damaged: a dataset is cut short".into());
            }
            _ => {}
        }
        Ok(Some(Dataset {
            file: self.clone(),
            sizes: space.sizes,
            datatype,
            size,
            layout,
            fill,
            kept: Mutex::default(),
        }))
    }

    fn layout(&self, body: &Input, space: &Space, size: u64, filters: Vec<Filter>) -> Result<Layout, String> {
        let mut c = body.cursor(0, false);
        let version = c.u8()?;
        if !(3..=5).contains(&version) {
            return Err(format!("has a data layout of version {version}, which is not supported: run h5repack"));
        }
        match c.u8()? {
            0 => {
                let length = u64::from(c.u16()?);
                Ok(Layout::Compact(c.bytes(length, "a small dataset")?))
            }
            1 => {
                let address = c.uint(self.offset_size)?;
                Ok(Layout::Contiguous((!self.undefined(address)).then_some(address)))
            }
            2 => {
                let (shape, index) = Chunks::parse(self, &mut c, version, space, size, !filters.is_empty())?;
                if shape.len() != space.sizes.len() || shape.contains(&0) {
                    return Err("is damaged: chunks do not fit their dataset".into());
                }
                Ok(Layout::Chunked(Box::new(Chunked { shape, index, filters, found: OnceLock::new() })))
            }
            3 => Err("is a virtual dataset, made of other files, which is not supported: save it as one".into()),
            other => Err(format!("is damaged: a data layout of class {other}")),
        }
    }
}

/// The value of elements that were never written; nothing stands for zero.
fn fill(body: &Input) -> Result<Vec<u8>, String> {
    let mut c = body.cursor(0, false);
    let version = c.u8()?;
    let defined = if version < 3 {
        c.skip(2)?;
        let defined = c.u8()? != 0;
        version == 1 || defined
    } else {
        c.u8()? & 0x20 != 0
    };
    if !defined {
        return Ok(vec![]);
    }
    let length = c.u32()?;
    c.bytes(u64::from(length), "a fill value")
}

impl Dataset {
    pub fn sizes(&self) -> &[u64] {
        &self.sizes
    }

    /// The number type and whether it is big-endian.
    ///
    /// # Errors
    /// If the elements are not real numbers.
    pub fn number(&self) -> Result<(Number, bool), String> {
        self.datatype.as_pixels()
    }

    /// All elements of a small dataset.
    pub fn value(&self) -> Result<Option<Value>, String> {
        let raw = self.read(None)?;
        self.file.value(&self.datatype, &raw)
    }

    /// The packed bytes of all elements, or of those with an index along an axis (axis, index), in the file's order.
    pub fn read(&self, fixed: Option<(usize, u64)>) -> Result<Vec<u8>, String> {
        let of = |(axis, n): (usize, &u64)| if fixed.is_some_and(|(a, _)| a == axis) { 1 } else { *n };
        let shape: Vec<u64> = self.sizes.iter().enumerate().map(of).collect();
        if let Some((axis, index)) = fixed
            && self.sizes.get(axis).is_none_or(|&n| index >= n)
        {
            return Err(format!("has no element {index} along axis {axis}"));
        }
        let elements = shape.iter().try_fold(self.size, |all, &n| all.checked_mul(n));
        let bytes = elements.ok_or("is damaged: a dataset is too large")?;
        match &self.layout {
            Layout::Compact(data) => self.strided(&Input::memory(data.clone()), 0, fixed),
            Layout::Contiguous(Some(at)) => self.strided(&self.file.input, at + self.file.base, fixed),
            Layout::Contiguous(None) => self.filled(bytes),
            Layout::Chunked(chunked) => self.chunks(chunked, fixed, &shape, bytes),
        }
    }

    fn strided(&self, input: &Input, at: u64, fixed: Option<(usize, u64)>) -> Result<Vec<u8>, String> {
        let product = |sizes: &[u64]| sizes.iter().product::<u64>();
        let (axis, index) = fixed.unwrap_or((0, 0));
        let (before, after) = match fixed {
            Some(_) => (product(&self.sizes[..axis]), product(&self.sizes[axis + 1..]) * self.size),
            None => (1, product(&self.sizes) * self.size),
        };
        let stride = fixed.map_or(after, |_| after * self.sizes[axis]);
        let plane = Plane {
            at: at + index * after,
            height: before as usize,
            width: 1,
            y_stride: stride,
            x_stride: after,
            size: after as usize,
        };
        plane.read(input)
    }

    /// Elements that were never written. There is nothing in the file to hold the size against.
    fn filled(&self, bytes: u64) -> Result<Vec<u8>, String> {
        self.file.input.could_unpack(self.file.input.len(), bytes)?;
        let size = self.size as usize;
        if self.fill.len() != size || self.fill.iter().all(|&b| b == 0) {
            return Ok(vec![0; bytes as usize]);
        }
        Ok(self.fill.repeat(bytes as usize / size.max(1)))
    }

    fn chunks(
        &self,
        chunked: &Chunked,
        fixed: Option<(usize, u64)>,
        shape: &[u64],
        bytes: u64,
    ) -> Result<Vec<u8>, String> {
        let found = chunked.found.get_or_init(|| chunked.index.all(&self.file, &self.sizes, &chunked.shape));
        let found = found.as_ref().map_err(Clone::clone)?;
        let mut out = self.filled(bytes)?;
        let chunk_bytes = chunked.shape.iter().try_fold(self.size, |all, &n| all.checked_mul(n));
        let chunk_bytes = chunk_bytes.ok_or("is damaged: its chunks are too large")?;
        // Sorted by their place along the fixed axis first only if that is axis 0: elsewhere all are looked at.
        let wanted = fixed.map(|(axis, index)| (axis, index / chunked.shape[axis]));
        let from = match wanted {
            Some((0, at)) => found.partition_point(|c| c.place[0] < at),
            _ => 0,
        };
        for chunk in &found[from..] {
            match wanted {
                Some((0, at)) if chunk.place[0] != at => break,
                Some((axis, at)) if chunk.place[axis] != at => continue,
                _ => {}
            }
            let several = fixed.is_some_and(|(axis, _)| chunked.shape[axis] > 1);
            let data = self.chunk(chunked, chunk, chunk_bytes, several)?;
            self.copy(chunked, chunk, fixed, shape, &data, &mut out);
        }
        Ok(out)
    }

    fn chunk(&self, chunked: &Chunked, chunk: &Chunk, bytes: u64, keep: bool) -> Result<Arc<Vec<u8>>, String> {
        let lock = || self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if keep && let Some((_, data)) = lock().iter().find(|(address, _)| *address == chunk.address) {
            return Ok(data.clone());
        }
        let input = &self.file.input;
        let at = chunk.address.checked_add(self.file.base).ok_or("is damaged: a chunk lies outside the file")?;
        let stored = chunk.bytes.unwrap_or(bytes);
        input.holds(at, stored, "a chunk")?;
        if chunked.filters.is_empty() {
            if stored < bytes {
                return Err("is damaged: a chunk is cut short".into());
            }
        } else {
            // Filters can be chained: each may unpack, so the file bounds what is plausible.
            input.could_unpack(input.len(), bytes)?;
        }
        let raw = input.read(at, stored, "a chunk")?;
        let data = Arc::new(filters::undo(&chunked.filters, chunk.mask, raw, bytes as usize)?);
        if keep {
            let mut kept = lock();
            while !kept.is_empty() && (kept.len() + 1) * data.len() > MOST_KEPT {
                kept.remove(0);
            }
            if data.len() <= MOST_KEPT {
                kept.push((chunk.address, data.clone()));
            }
        }
        Ok(data)
    }

    /// Copies what a chunk and the wanted elements have in common, a row at a time.
    fn copy(
        &self,
        chunked: &Chunked,
        chunk: &Chunk,
        fixed: Option<(usize, u64)>,
        shape: &[u64],
        data: &[u8],
        out: &mut [u8],
    ) {
        let rank = self.sizes.len();
        // Along each axis: the first element in the chunk, the first in the output, and how many.
        let mut from = vec![0; rank];
        let mut to = vec![0; rank];
        let mut count = vec![1; rank];
        for axis in 0..rank {
            let start = chunk.place[axis].saturating_mul(chunked.shape[axis]);
            match fixed {
                Some((a, index)) if a == axis => from[axis] = index - start,
                _ => {
                    to[axis] = start;
                    count[axis] = chunked.shape[axis].min(self.sizes[axis].saturating_sub(start));
                }
            }
        }
        let size = self.size as usize;
        let offset = |at: &[u64], steps: &[u64], sizes: &[u64]| {
            (0..rank).fold(0_u64, |all, axis| all * sizes[axis] + at[axis] + steps[axis]) as usize * size
        };
        // Axes that both hold whole, from the last on, are copied in one go.
        let whole = |axis: usize| count[axis] == chunked.shape[axis] && count[axis] == shape[axis];
        let mut split = rank.saturating_sub(1);
        while split > 0 && whole(split) {
            split -= 1;
        }
        let row = count[split..].iter().product::<u64>() as usize * size;
        let rows: u64 = count[..split].iter().product();
        let mut steps = vec![0; rank];
        for _ in 0..if row == 0 { 0 } else { rows } {
            let (source, target) = (offset(&from, &steps, &chunked.shape), offset(&to, &steps, shape));
            out[target..target + row].copy_from_slice(&data[source..source + row]);
            for axis in (0..split).rev() {
                steps[axis] += 1;
                if steps[axis] < count[axis] {
                    break;
                }
                steps[axis] = 0;
            }
        }
    }
}
