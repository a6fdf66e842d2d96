//! Defects on disk: one folder with `defects.parquet`, `patches.safetensors` and, from a detector, `areas.parquet` and a
//! folder for each kind of surrogate frame.

use super::{Areas, Defects, FalseAlarms, SurrogateFrames};
use crate::error::{Error, Result};
use crate::file::{Arrays, temporary, write_whole};
use crate::movie::Calibration;
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

/// Of the surrogate frames of one kind.
fn surrogate_folder(kind: usize) -> String {
    format!("surrogate-{kind}")
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
        if let Some(areas) = &self.areas {
            write_parquet(&areas.table()?, partial.join("areas.parquet"))?;
        }
        for (i, surrogate) in self.surrogates().iter().enumerate() {
            surrogate.save(&partial.join(surrogate_folder(i)))?;
        }
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
        let Patches { patches, nm_per_px, false_alarms, calibration } =
            read_patches(&folder.join("patches.safetensors"))?;
        let path = folder.join("areas.parquet");
        let areas = match calibration {
            Some(calibration) if path.exists() => Some(
                Areas::from_table(&read_parquet(&path)?, calibration)
                    .map_err(|e| Error::format(path, format!("does not hold areas: {e}")))?,
            ),
            _ => None,
        };
        let folders = (0..).map(|i| folder.join(surrogate_folder(i))).take_while(|f| f.exists());
        let surrogates = folders.map(|f| SurrogateFrames::load(&f)).collect::<Result<Vec<_>>>()?;
        let defects = Defects { areas, false_alarms, ..Defects::new(table, patches, nm_per_px)? };
        Ok(defects.with_surrogates(surrogates))
    }

    fn write_patches(&self, path: &Path) -> Result<()> {
        let values = self.patches.iter().copied().collect();
        let arrays = BTreeMap::from([("patches".to_string(), (self.patches.shape().to_vec(), values))]);
        let mut header = HashMap::from([("nm_per_px".to_string(), self.patch_nm_per_px.to_string())]);
        let json = |e: serde_json::Error| Error::format(path, e.to_string());
        if let Some(alarms) = &self.false_alarms {
            header.insert("false_alarms".into(), serde_json::to_string(alarms).map_err(json)?);
        }
        if let Some(areas) = &self.areas {
            header.insert("calibration".into(), serde_json::to_string(&areas.calibration()).map_err(json)?);
        }
        Arrays { header, arrays }.write(path)
    }
}

/// What `patches.safetensors` holds.
struct Patches {
    patches: Array3<f32>,
    nm_per_px: f64,
    false_alarms: Option<FalseAlarms>,
    calibration: Option<Calibration>,
}

fn read_patches(path: &Path) -> Result<Patches> {
    let mut stored = Arrays::read(path, "patches")?;
    let nm_per_px = stored.header.get("nm_per_px").and_then(|v| v.parse().ok());
    let false_alarms = stored.header.get("false_alarms").and_then(|v| serde_json::from_str(v).ok());
    let calibration = stored.header.get("calibration").and_then(|v| serde_json::from_str(v).ok());
    match (stored.arrays.remove("patches"), nm_per_px) {
        (Some((shape, values)), Some(nm_per_px)) if shape.len() == 3 => {
            let patches = Array3::from_shape_vec((shape[0], shape[1], shape[2]), values)
                .map_err(|e| Error::format(path, e.to_string()))?;
            Ok(Patches { patches, nm_per_px, false_alarms, calibration })
        }
        _ => Err(Error::format(path, "does not hold patches of shape (defects, height, width) with their scale")),
    }
}
