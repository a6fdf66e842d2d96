//! Recognises a file by its first bytes and hands it to its reader.

use super::{Calibration, npy, tiff};
use crate::error::{Error, Result};
use ndarray::Array2;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// What a reader gives: the movie's shape, and any frame when it is asked for.
pub trait FrameSource: Send + Sync {
    /// (frames, height, width)
    fn shape(&self) -> (usize, usize, usize);
    /// Reads frame `index`, which is below `shape().0`.
    ///
    /// # Errors
    /// If the file cannot be read there.
    fn read(&self, index: usize) -> Result<Array2<f32>>;
}

pub(super) type Opened = (Arc<dyn FrameSource>, Calibration);

pub(super) fn open(path: &Path) -> Result<Opened> {
    let mut file = std::fs::File::open(path).map_err(Error::io("open", path))?;
    if file.metadata().map_err(Error::io("read", path))?.is_dir() {
        return Err(Error::format(path, "is a folder: name one .npy or TIFF file in it"));
    }
    let mut magic = [0_u8; 8];
    let mut got = 0;
    while got < magic.len() {
        match file.read(&mut magic[got..]).map_err(Error::io("read", path))? {
            0 => break,
            n => got += n,
        }
    }
    if magic[..got].starts_with(b"\x93NUMPY") {
        npy::open(path)
    } else if matches!(&magic[..4], b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+") {
        tiff::open(path)
    } else {
        Err(Error::format(
            path,
            format!("is neither a NumPy .npy file nor a TIFF (it begins with {:02x?})", &magic[..got]),
        ))
    }
}
