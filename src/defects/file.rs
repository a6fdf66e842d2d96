//! Defects on disk: one folder with `defects.parquet` and `patches.safetensors`.

use super::Defects;
use crate::error::{Error, Result};
use crate::file::{Arrays, temporary, write_whole};
use ndarray::Array3;
use polars::prelude::DataFrame;
use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;
use polars_io::parquet::write::ParquetWriter;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Writes any table as Parquet.
///
/// # Errors
/// If the file cannot be written.
pub fn write_parquet(table: &DataFrame, path: impl AsRef<Path>) -> Result<()> {
    let mut bytes = vec![];
    ParquetWriter::new(&mut bytes).finish(&mut table.clone())?;
    write_whole(path.as_ref(), &bytes)
}

/// Reads a table from Parquet.
///
/// # Errors
/// If the file is missing or is not Parquet.
pub fn read_parquet(path: impl AsRef<Path>) -> Result<DataFrame> {
    let path = path.as_ref();
    let file = std::fs::File::open(path).map_err(Error::io("open", path))?;
    ParquetReader::new(file).finish().map_err(|e| Error::format(path, format!("cannot be read as Parquet: {e}")))
}

impl Defects {
    /// Saves the table and its patches in a folder of this name. The folder is written whole or not at all; one that
    /// is there already is replaced only if it holds saved defects.
    ///
    /// # Errors
    /// If the folder cannot be written, or is there and holds something else.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        if folder.exists() && !folder.join("defects.parquet").is_file() {
            return Err(Error::format(folder, "is there already and does not hold saved defects: choose another name"));
        }
        let partial = temporary(folder);
        let io = |action| Error::io(action, folder);
        let _ = std::fs::remove_dir_all(&partial); // left by a process of the same number that was killed
        std::fs::create_dir_all(&partial).map_err(io("create"))?;
        write_parquet(&self.table, partial.join("defects.parquet"))?;
        self.write_patches(&partial.join("patches.safetensors"))?;
        if folder.exists() {
            let old = temporary(&folder.with_extension("old"));
            std::fs::rename(folder, &old).map_err(io("replace"))?;
            std::fs::rename(&partial, folder).map_err(io("write"))?;
            return std::fs::remove_dir_all(&old).map_err(io("remove the former"));
        }
        std::fs::rename(&partial, folder).map_err(io("write"))
    }

    /// Loads what [`Defects::save`] wrote.
    ///
    /// # Errors
    /// If the folder or a file in it is missing or is not what it should be.
    pub fn load(folder: impl AsRef<Path>) -> Result<Defects> {
        let folder = folder.as_ref();
        let table = read_parquet(folder.join("defects.parquet"))?;
        let (patches, nm_per_px) = read_patches(&folder.join("patches.safetensors"))?;
        Defects::new(table, patches, nm_per_px)
    }

    fn write_patches(&self, path: &Path) -> Result<()> {
        let values = self.patches.iter().copied().collect();
        let arrays = BTreeMap::from([("patches".to_string(), (self.patches.shape().to_vec(), values))]);
        let header = HashMap::from([("nm_per_px".to_string(), self.patch_nm_per_px.to_string())]);
        Arrays { header, arrays }.write(path)
    }
}

fn read_patches(path: &Path) -> Result<(Array3<f32>, f64)> {
    let mut stored = Arrays::read(path, "patches")?;
    let nm_per_px = stored.header.get("nm_per_px").and_then(|v| v.parse().ok());
    match (stored.arrays.remove("patches"), nm_per_px) {
        (Some((shape, values)), Some(nm_per_px)) if shape.len() == 3 => {
            let patches = Array3::from_shape_vec((shape[0], shape[1], shape[2]), values);
            patches.map(|patches| (patches, nm_per_px)).map_err(|e| Error::format(path, e.to_string()))
        }
        _ => Err(Error::format(path, "does not hold patches of shape (defects, height, width) with their scale")),
    }
}
