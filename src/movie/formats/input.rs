//! The bytes of a file, read where they are asked for. Every size is checked against the file before memory is taken.

use std::fs::File;

/// A file, or bytes in memory. Reading at a place needs no lock, so that frames can be read side by side.
pub struct Input {
    from: From,
    len: u64,
}

enum From {
    File(File),
    Memory(Vec<u8>),
}

/// What a compressed byte can become at most: deflate reaches 1032, LZW's longest strings some 1400.
const MOST_FROM_ONE: u64 = 1500;

impl Input {
    pub fn file(file: File) -> std::io::Result<Input> {
        let len = file.metadata()?.len();
        Ok(Input { from: From::File(file), len })
    }

    pub fn memory(bytes: Vec<u8>) -> Input {
        Input { len: bytes.len() as u64, from: From::Memory(bytes) }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether `bytes` bytes lie at `at`; else what to say.
    pub fn holds(&self, at: u64, bytes: u64, what: &str) -> Result<(), String> {
        match at.checked_add(bytes) {
            Some(end) if end <= self.len => Ok(()),
            _ => Err(format!(
                "is cut short or damaged: {what} should be {bytes} bytes at byte {at}, the file has {} bytes",
                self.len
            )),
        }
    }

    /// Whether something compressed could become `bytes` bytes at all. A declared size that no file of this length
    /// can hold asks for no memory.
    pub fn could_unpack(&self, packed: u64, bytes: u64) -> Result<(), String> {
        if packed.min(self.len).saturating_mul(MOST_FROM_ONE) >= bytes {
            return Ok(());
        }
        Err(format!("is cut short or damaged: {bytes} bytes cannot come out of {packed} compressed ones"))
    }

    pub fn read(&self, at: u64, bytes: u64, what: &str) -> Result<Vec<u8>, String> {
        self.holds(at, bytes, what)?;
        let mut buffer = vec![0; bytes as usize];
        self.fill(at, &mut buffer)?;
        Ok(buffer)
    }

    /// Fills the buffer with what lies at `at`.
    pub fn fill(&self, at: u64, buffer: &mut [u8]) -> Result<(), String> {
        self.holds(at, buffer.len() as u64, "a block")?;
        match &self.from {
            From::Memory(bytes) => {
                let at = at as usize;
                buffer.copy_from_slice(&bytes[at..at + buffer.len()]);
                Ok(())
            }
            From::File(file) => fill_from(file, at, buffer).map_err(|e| format!("cannot be read at byte {at}: {e}")),
        }
    }

    /// A reader of small values, from `at` on.
    pub fn cursor(&self, at: u64, big_endian: bool) -> Cursor<'_> {
        Cursor { input: self, at, big_endian, window: vec![], window_at: 0, step: 512 }
    }
}

#[cfg(unix)]
fn fill_from(file: &File, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, at)
}

#[cfg(windows)]
fn fill_from(file: &File, mut at: u64, mut buffer: &mut [u8]) -> std::io::Result<()> {
    while !buffer.is_empty() {
        let got = std::os::windows::fs::FileExt::seek_read(file, buffer, at)?;
        if got == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        (at, buffer) = (at + got as u64, &mut buffer[got..]);
    }
    Ok(())
}

/// Reads small values one after the other through a window on the file.
pub struct Cursor<'a> {
    input: &'a Input,
    pub at: u64,
    pub big_endian: bool,
    window: Vec<u8>,
    window_at: u64,
    /// How much to read next: small at first, because many places are looked at for a few bytes only.
    step: u64,
}

impl Cursor<'_> {
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let n = N as u64;
        self.input.holds(self.at, n, "a value")?;
        if self.at < self.window_at || self.at + n > self.window_at + self.window.len() as u64 {
            let bytes = self.step.max(n).min(self.input.len() - self.at);
            self.window = self.input.read(self.at, bytes, "a value")?;
            self.window_at = self.at;
            self.step = (2 * self.step).min(1 << 16);
        }
        let from = (self.at - self.window_at) as usize;
        let mut value = [0; N];
        value.copy_from_slice(&self.window[from..from + N]);
        self.at += n;
        if self.big_endian {
            value.reverse();
        }
        Ok(value)
    }

    pub fn u8(&mut self) -> Result<u8, String> {
        Ok(self.take::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16, String> {
        Ok(u16::from_le_bytes(self.take()?))
    }

    pub fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    pub fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    pub fn i32(&mut self) -> Result<i32, String> {
        Ok(i32::from_le_bytes(self.take()?))
    }

    pub fn f32(&mut self) -> Result<f32, String> {
        Ok(f32::from_le_bytes(self.take()?))
    }

    pub fn f64(&mut self) -> Result<f64, String> {
        Ok(f64::from_le_bytes(self.take()?))
    }

    /// An unsigned number of 1 to 8 bytes.
    pub fn uint(&mut self, bytes: usize) -> Result<u64, String> {
        let mut value = [0_u8; 8];
        for byte in value.iter_mut().take(bytes) {
            *byte = self.u8()?;
        }
        if self.big_endian {
            value[..bytes.min(8)].reverse();
        }
        Ok(u64::from_le_bytes(value))
    }

    pub fn bytes(&mut self, count: u64, what: &str) -> Result<Vec<u8>, String> {
        let bytes = self.input.read(self.at, count, what)?;
        self.at += count;
        Ok(bytes)
    }

    pub fn skip(&mut self, bytes: u64) -> Result<(), String> {
        self.input.holds(self.at, bytes, "a part")?;
        self.at += bytes;
        Ok(())
    }
}

/// Where the pixels of one frame lie: strides in bytes, for frames that are not stored one after the other.
pub struct Plane {
    pub at: u64,
    pub height: usize,
    pub width: usize,
    pub y_stride: u64,
    pub x_stride: u64,
    /// Bytes of one pixel.
    pub size: usize,
}

/// Pixels farther apart than this are read one at a time; nearer ones in blocks, of which most is thrown away.
const FAR_APART: u64 = 4096;
const BLOCK: u64 = 1 << 22;

impl Plane {
    /// The pixels, rows first, packed.
    pub fn read(&self, input: &Input) -> Result<Vec<u8>, String> {
        let size = self.size as u64;
        let pixels = (self.height as u64).checked_mul(self.width as u64);
        let total = pixels.and_then(|n| n.checked_mul(size)).ok_or("is damaged: its frames are too large")?;
        input.holds(self.at, 0, "a frame")?;
        input.holds(0, total, "a frame")?;
        let row = size * self.width as u64;
        if self.x_stride == size && (self.y_stride == row || self.height == 1) {
            return input.read(self.at, total, "a frame");
        }
        let mut packed = vec![0; total as usize];
        if self.x_stride == size {
            for (y, to) in packed.chunks_exact_mut(row.max(1) as usize).enumerate() {
                input.fill(self.row(y)?, to)?;
            }
        } else if self.x_stride <= self.y_stride {
            self.lines(
                input,
                (self.height, self.y_stride),
                (self.width, self.x_stride),
                |y, x, w| y * w + x,
                &mut packed,
            )?;
        } else {
            // Columns first: the walk through the file goes down the columns.
            self.lines(
                input,
                (self.width, self.x_stride),
                (self.height, self.y_stride),
                |x, y, _| y * self.width + x,
                &mut packed,
            )?;
        }
        Ok(packed)
    }

    fn row(&self, y: usize) -> Result<u64, String> {
        let offset = (y as u64).checked_mul(self.y_stride);
        offset.and_then(|o| o.checked_add(self.at)).ok_or_else(|| "is damaged: its frames are too large".into())
    }

    /// Gathers pixels in the order of the file: `outer` and `inner` are (count, stride).
    fn lines(
        &self,
        input: &Input,
        outer: (usize, u64),
        inner: (usize, u64),
        place: impl Fn(usize, usize, usize) -> usize,
        packed: &mut [u8],
    ) -> Result<(), String> {
        let too_large = || "is damaged: its frames are too large".to_string();
        let mut block = (0, vec![]);
        for o in 0..outer.0 {
            for i in 0..inner.0 {
                let offset = (o as u64).checked_mul(outer.1).ok_or_else(too_large)?;
                let at = (i as u64).checked_mul(inner.1).and_then(|n| n.checked_add(offset));
                let at = at.and_then(|n| n.checked_add(self.at)).ok_or_else(too_large)?;
                let to = place(o, i, inner.0) * self.size;
                let to = &mut packed[to..to + self.size];
                if inner.1 > FAR_APART {
                    input.fill(at, to)?;
                    continue;
                }
                let within =
                    |block: &(u64, Vec<u8>)| at >= block.0 && at + self.size as u64 <= block.0 + block.1.len() as u64;
                if !within(&block) {
                    input.holds(at, self.size as u64, "a pixel")?;
                    block = (at, input.read(at, BLOCK.min(input.len() - at), "a frame")?);
                }
                let from = (at - block.0) as usize;
                to.copy_from_slice(&block.1[from..from + self.size]);
            }
        }
        Ok(())
    }
}
