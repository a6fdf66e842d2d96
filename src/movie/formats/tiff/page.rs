//! One page: how its pixels are laid out, and reading them.

use super::super::input::Input;
use super::super::number::Number;
use super::super::unpack;
use super::directory::{Entries, File, tag};

pub struct Page {
    pub width: usize,
    pub height: usize,
    pub big_endian: bool,
    bits: u64,
    samples: u64,
    format: u64,
    photometric: u64,
    compression: u64,
    predictor: u64,
    /// Height and width of a strip or tile.
    block: (usize, usize),
    /// Offset and bytes of each.
    blocks: Vec<(u64, u64)>,
}

impl Page {
    pub fn parse(file: &File, entries: &Entries) -> Result<Page, String> {
        let one = |tag, otherwise| entries.one(tag).unwrap_or(otherwise);
        let size = |n: u64, name| {
            let n = usize::try_from(n).ok().filter(|&n| n > 0 && n <= u32::MAX as usize);
            n.ok_or_else(|| format!("is damaged: it has no {name}"))
        };
        let width = size(one(tag::WIDTH, 0), "width")?;
        let height = size(one(tag::HEIGHT, 0), "height")?;
        let tiled = entries.one(tag::TILE_OFFSETS).is_some();
        let (offsets, bytes, block) = if tiled {
            let block = (size(one(tag::TILE_HEIGHT, 0), "tile height")?, size(one(tag::TILE_WIDTH, 0), "tile width")?);
            (entries.all(tag::TILE_OFFSETS), entries.all(tag::TILE_BYTES), block)
        } else {
            let rows = size(one(tag::STRIP_ROWS, u64::from(u32::MAX)), "rows in a strip")?.min(height);
            (entries.all(tag::STRIP_OFFSETS), entries.all(tag::STRIP_BYTES), (rows, width))
        };
        let mut page = Page {
            width,
            height,
            big_endian: file.big_endian,
            bits: one(tag::BITS, 1),
            samples: one(tag::SAMPLES, 1),
            format: one(tag::SAMPLE_FORMAT, 1),
            photometric: one(tag::PHOTOMETRIC, 1),
            compression: one(tag::COMPRESSION, 1),
            predictor: one(tag::PREDICTOR, 1),
            block,
            blocks: vec![],
        };
        // Some writers leave out how many bytes there are where nothing is compressed.
        let plain = page.row_bytes(page.block.1).saturating_mul(page.block.0 as u64);
        let bytes = |i: usize| bytes.get(i).copied().filter(|&n| n > 0).unwrap_or(plain);
        page.blocks = offsets.iter().enumerate().map(|(i, &offset)| (offset, bytes(i))).collect();
        Ok(page)
    }

    /// Checks that the pixels are grey levels that can be read.
    pub fn grey(&self) -> Result<(), String> {
        if self.photometric > 1 && self.photometric != 32803 || self.samples != 1 {
            return Err(format!(
                "is an image in colour ({} values a pixel, photometric interpretation {}): save it in grey levels, as \
                 the instrument measured it",
                self.samples, self.photometric
            ));
        }
        if !matches!(self.compression, 1 | 5 | 8 | 32773 | 32946) {
            return Err(format!(
                "is compressed in a way that is not supported (TIFF compression {}): save it with LZW or Deflate",
                self.compression
            ));
        }
        if !(1..=3).contains(&self.predictor) || self.predictor > 1 && self.packed() {
            return Err(format!("has predictor {}, which is not supported for {} bits", self.predictor, self.bits));
        }
        self.kind().map(|_| ())
    }

    /// Whether several pixels share a byte.
    fn packed(&self) -> bool {
        !matches!(self.bits, 8 | 16 | 32 | 64)
    }

    fn kind(&self) -> Result<Option<Number>, String> {
        let number = match (self.format, self.bits) {
            (1 | 4, bits) if bits < 16 && !bits.is_multiple_of(8) => return Ok(None),
            (1 | 4, _) => Number::sized(Number::U, (self.bits / 8) as usize),
            (2, _) => Number::sized(Number::I, (self.bits / 8) as usize),
            (3, _) => Number::sized(Number::F, (self.bits / 8) as usize),
            (5 | 6, _) => return Err("holds complex numbers: save their modulus instead".into()),
            _ => None,
        };
        let number = number.filter(|_| self.bits.is_multiple_of(8));
        number.map(Some).ok_or_else(|| format!("has pixels of {} bits in format {}", self.bits, self.format))
    }

    pub fn number(&self) -> Result<Number, String> {
        self.kind()?.ok_or_else(|| format!("has pixels of {} bits, several in a byte", self.bits))
    }

    fn row_bytes(&self, width: usize) -> u64 {
        (width as u64).saturating_mul(self.bits).div_ceil(8)
    }

    pub fn frame_bytes(&self) -> Result<u64, String> {
        let bytes = self.row_bytes(self.width).checked_mul(self.height as u64);
        bytes.ok_or_else(|| "is damaged: its frames are too large".into())
    }

    /// Where the pixels begin, if they lie in one piece, uncompressed.
    pub fn one_block(&self) -> Option<u64> {
        let mut at = self.blocks.first()?.0;
        let first = at;
        for &(offset, bytes) in &self.blocks {
            if offset != at {
                return None;
            }
            at = at.checked_add(bytes)?;
        }
        (self.compression == 1 && self.samples == 1 && self.block.1 == self.width && !self.packed()).then_some(first)
    }

    pub fn pixels(&self, input: &Input) -> Result<Vec<f32>, String> {
        let total = self.frame_bytes()?;
        let stored = self.blocks.iter().fold(0_u64, |all, b| all.saturating_add(b.1.min(input.len())));
        if self.compression == 1 {
            input.holds(0, total, "a page")?;
        } else {
            input.could_unpack(stored, total)?;
        }
        let across = self.width.div_ceil(self.block.1);
        let needed = across * self.height.div_ceil(self.block.0);
        if self.blocks.len() < needed {
            return Err(format!("is damaged: it has {} strips or tiles of {needed}", self.blocks.len()));
        }
        let row = self.row_bytes(self.block.1);
        let mut out = vec![0.0; self.width * self.height];
        for (i, &block) in self.blocks[..needed].iter().enumerate() {
            let (top, left) = (i / across * self.block.0, i % across * self.block.1);
            // The last strip ends with the image; tiles are filled up.
            let rows = if self.block.1 == self.width { self.block.0.min(self.height - top) } else { self.block.0 };
            let bytes = row.checked_mul(rows as u64).ok_or("is damaged: a tile is too large")?;
            let data = self.block(input, block, bytes)?;
            let (rows, columns) = (rows.min(self.height - top), self.block.1.min(self.width - left));
            for (y, line) in data.chunks_exact(row as usize).take(rows).enumerate() {
                let to = (top + y) * self.width + left;
                let line = self.numbers(line)?;
                out[to..to + columns].copy_from_slice(&line[..columns]);
            }
        }
        Ok(out)
    }

    /// One strip or tile, unpacked, in the file's byte order.
    fn block(&self, input: &Input, (at, stored): (u64, u64), bytes: u64) -> Result<Vec<u8>, String> {
        if self.compression == 1 {
            return input.read(at, bytes, "a strip");
        }
        input.could_unpack(stored, bytes)?;
        let packed = input.read(at, stored, "a strip")?;
        let unpack = match self.compression {
            5 => unpack::lzw,
            32773 => unpack::pack_bits,
            _ => unpack::zlib,
        };
        let mut data = unpack(&packed, bytes as usize)?;
        if (data.len() as u64) < bytes {
            return Err(format!("is damaged: a strip gives {} bytes instead of {bytes}", data.len()));
        }
        let row = self.row_bytes(self.block.1) as usize;
        for line in data.chunks_exact_mut(row) {
            match self.predictor {
                2 => self.undo_differences(line),
                3 => self.undo_float_predictor(line),
                _ => {}
            }
        }
        Ok(data)
    }

    /// Each pixel was stored as its difference from the one before.
    fn undo_differences(&self, line: &mut [u8]) {
        let size = self.bits as usize / 8;
        for at in (size..line.len()).step_by(size) {
            let mut carry = 0;
            for byte in 0..size {
                let byte = if self.big_endian { size - 1 - byte } else { byte };
                let sum = u16::from(line[at + byte]) + u16::from(line[at + byte - size]) + carry;
                line[at + byte] = sum as u8;
                carry = sum >> 8;
            }
        }
    }

    /// Adobe's predictor 3: differences of bytes, bytes of equal significance together, the most significant first.
    fn undo_float_predictor(&self, line: &mut [u8]) {
        for i in 1..line.len() {
            line[i] = line[i].wrapping_add(line[i - 1]);
        }
        let size = self.bits as usize / 8;
        let planes = line.to_vec();
        let count = line.len() / size;
        for (i, value) in line.chunks_exact_mut(size).enumerate() {
            for byte in 0..size {
                let to = if self.big_endian { byte } else { size - 1 - byte };
                value[to] = planes[byte * count + i];
            }
        }
    }

    fn numbers(&self, line: &[u8]) -> Result<Vec<f32>, String> {
        let mut values = match self.kind()? {
            Some(number) => number.decode(line, self.big_endian),
            None => self.few_bits(line),
        };
        if self.photometric == 0 && self.format == 1 {
            // White is zero: turned, as the format says, so that more is brighter.
            let most = (2_f64.powi(self.bits as i32) - 1.0) as f32;
            for value in &mut values {
                *value = most - *value;
            }
        }
        Ok(values)
    }

    fn few_bits(&self, line: &[u8]) -> Vec<f32> {
        let bits = self.bits as usize;
        let value = |i: usize| {
            let bit = |n: usize| u32::from(line[n / 8] >> (7 - n % 8) & 1);
            (i * bits..(i + 1) * bits).fold(0, |all, n| all << 1 | bit(n)) as f32
        };
        (0..line.len() * 8 / bits).map(value).collect()
    }
}
