//! Files that the library writes and reads itself: whole or not at all, arrays as safetensors, and the cache's folder.

use crate::error::{Error, Result};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// A name beside `path` that nobody else uses.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
}

/// Writes a file under a temporary name and renames it, so that no reader ever sees half of it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole_by(path, |file| file.write_all(bytes).map_err(Error::io("write", path)))
}

/// [`write_whole`] for what is written part by part. Where `write` fails nothing is left.
pub(crate) fn write_whole_by(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let partial = temporary(path);
    let problem = || Error::io("write", path);
    let all = || {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&partial).map_err(problem())?);
        write(&mut file)?;
        file.into_inner().map_err(|e| problem()(e.into_error()))?.sync_all().map_err(problem())?;
        std::fs::rename(&partial, path).map_err(problem())
    };
    all().inspect_err(|_| {
        let _ = std::fs::remove_file(&partial); // it may not exist; the first error is the one to tell
    })
}

/// The folder for what can be made again: `$ATOMOTION_CACHE`, else `$XDG_CACHE_HOME/atomotion`, else
/// `~/.cache/atomotion`.
pub(crate) fn cache_folder() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("ATOMOTION_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("atomotion")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/atomotion")))
        .unwrap_or_else(|| std::env::temp_dir().join("atomotion"))
}

/// Arrays of single precision with their names, and what a header says of them.
#[derive(Default)]
pub(crate) struct Arrays {
    pub header: HashMap<String, String>,
    pub arrays: BTreeMap<String, Array>,
}

/// Shape and elements, last axis fastest.
pub(crate) type Array = (Vec<usize>, Vec<f32>);

impl Arrays {
    /// Writes a safetensors file.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let problem = |e: safetensors::SafeTensorError| Error::format(path, format!("cannot be written: {e}"));
        let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let stored: Vec<_> = self.arrays.iter().map(|(name, (shape, v))| (name, shape, bytes(v))).collect();
        let views = stored
            .iter()
            .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, (*shape).clone(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(problem)?;
        write_whole(path, &safetensors::serialize(views, Some(self.header.clone())).map_err(problem)?)
    }

    /// Reads a safetensors file; `what` says what it should hold.
    pub(crate) fn read(path: &Path, what: &str) -> Result<Arrays> {
        let bytes = std::fs::read(path).map_err(Error::io("open", path))?;
        let foreign = |why: String| Error::format(path, format!("does not hold {what}: {why}"));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| foreign(format!("not safetensors ({e})")))?;
        let stored = SafeTensors::deserialize(&bytes).map_err(|e| foreign(format!("it is damaged ({e})")))?;
        let floats = |b: &[u8]| b.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let single = |(name, view): (String, TensorView)| match view.dtype() {
            Dtype::F32 => Ok((name, (view.shape().to_vec(), floats(view.data())))),
            other => Err(foreign(format!("{name} holds {other:?}, not single precision"))),
        };
        let arrays = stored.tensors().into_iter().map(single).collect::<Result<_>>()?;
        Ok(Arrays { header: header.metadata().clone().unwrap_or_default(), arrays })
    }
}
