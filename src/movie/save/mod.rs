//! Movies written to files, one format a file, a frame at a time, so that a movie may be larger than memory.

mod emd;
mod hdf5;
mod npy;
mod tiff;

use super::Movie;
use super::formats::Metadata;
use crate::error::{Error, Result};
use crate::file::write_whole_by;
use crate::progress::{Progress, Reporter, stop_if_asked};
use ndarray::Array2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// The type of the numbers in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stored {
    /// Single precision, as frames are in memory: nothing can be lost.
    #[default]
    F32,
    /// Whole numbers from 0 to 65535.
    U16,
    /// Whole numbers from 0 to 255.
    U8,
}

impl Stored {
    fn bytes(self) -> usize {
        match self {
            Stored::F32 => 4,
            Stored::U16 => 2,
            Stored::U8 => 1,
        }
    }

    /// Little-endian bytes of a frame; an error where a number cannot be kept as it is.
    fn encode(self, frame: &Array2<f32>, index: usize) -> Result<Vec<u8>> {
        let most = match self {
            Stored::F32 => return Ok(frame.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Stored::U16 => f32::from(u16::MAX),
            Stored::U8 => f32::from(u8::MAX),
        };
        let lost = |v: &f32| !(v.fract() == 0.0 && (0.0..=most).contains(v)); // NaN as well
        if let Some(((y, x), value)) = frame.indexed_iter().find(|(_, v)| lost(v)) {
            return Err(Error::Option {
                option: "number",
                value: format!("{self:?}"),
                expected: format!(
                    "frame {index} has {value} at y = {y}, x = {x}, and this type keeps whole numbers from 0 to {most} \
                     only: save as F32, or round and scale the movie first (`map`)"
                ),
            });
        }
        Ok(match self {
            Stored::U8 => frame.iter().map(|&v| v as u8).collect(),
            _ => frame.iter().flat_map(|&v| (v as u16).to_le_bytes()).collect(),
        })
    }
}

/// How [`Movie::save_with`] writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saving {
    /// The type of the stored numbers (default [`Stored::F32`]). A value that it cannot keep is an error.
    pub number: Stored,
}

impl Saving {
    crate::error::setters! {
        number: Stored => with_number,
    }
}

/// What a format needs to know of a movie before the first frame.
struct Plan<'a> {
    movie: &'a Movie,
    number: Stored,
}

impl Plan<'_> {
    fn frame_bytes(&self) -> u64 {
        self.movie.height() as u64 * self.movie.width() as u64 * self.number.bytes() as u64
    }

    fn data_bytes(&self) -> u64 {
        self.frame_bytes() * self.movie.len() as u64
    }

    /// Names and values worth keeping, without those that another format's reader made of its own bookkeeping.
    fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        let metadata: &Metadata = self.movie.metadata();
        metadata.iter().map(|(name, value)| (name.strip_prefix("comments.").unwrap_or(name), value))
    }
}

/// A file's bytes around its frames, which lie one after the other.
struct Wrapping {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Movie {
    /// Saves the movie in single precision, in the format that the name ends with:
    ///
    /// - `.tif`, `.tiff`: one page a frame, with pixel size, unit, origin and frame interval as ImageJ writes and reads
    ///   them; BigTIFF above 4 GB (which ImageJ opens through Bio-Formats);
    /// - `.emd`: HDF5 as NCEM defined it, with positions along every axis; HyperSpy, ncempy and py4DSTEM open it;
    /// - `.npy`: the bare array (frames, height, width), without calibration.
    ///
    /// The file appears whole or not at all. Frames are computed as they are written.
    ///
    /// # Errors
    /// If the name ends otherwise, a frame cannot be read, or the file cannot be written; if the user asked to stop.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.save_with(path, &Saving::default())
    }

    /// [`Movie::save`] with another type of numbers.
    ///
    /// ```no_run
    /// use atomotion::movie::{Movie, Saving, Stored};
    /// let counts = Movie::open("counts.dm4")?;
    /// counts.save_with("counts.tif", &Saving::default().with_number(Stored::U16))?;
    /// # Ok::<(), atomotion::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Movie::save`], and if a value cannot be kept in that type, with its place.
    pub fn save_with(&self, path: impl AsRef<Path>, options: &Saving) -> Result<()> {
        let path = path.as_ref();
        let plan = Plan { movie: self, number: options.number };
        let wrap = match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("tif" | "tiff") => tiff::wrapping,
            Some("npy") => npy::wrapping,
            Some("emd") => emd::wrapping,
            _ => return Err(Error::format(path, "names no format of movies: end it with .tif, .emd or .npy")),
        };
        let wrapping = wrap(&plan).map_err(|problem| Error::format(path, problem))?;
        write_whole_by(path, |file| {
            file.write_all(&wrapping.before).map_err(Error::io("write", path))?;
            frames(&plan, file, path)?;
            file.write_all(&wrapping.after).map_err(Error::io("write", path))
        })
    }
}

/// Writes the frames in order; as many as there are threads are computed at a time.
fn frames(plan: &Plan, file: &mut BufWriter<File>, path: &Path) -> Result<()> {
    let (total, mut progress) = (plan.movie.len(), Reporter::new("saving", "frames"));
    let together = rayon::current_num_threads().max(1);
    for first in (0..total).step_by(together) {
        stop_if_asked("while saving a movie; no file was written")?;
        let last = (first + together).min(total);
        let encode = |i| plan.number.encode(&plan.movie.frame(i)?.data, i);
        let encoded = (first..last).into_par_iter().map(encode).collect::<Result<Vec<_>>>()?;
        for frame in encoded {
            file.write_all(&frame).map_err(Error::io("write", path))?;
        }
        progress.update(last, total, "");
    }
    Ok(())
}
