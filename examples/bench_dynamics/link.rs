//! Links points and measures displacements.

use crate::{read, write};
use atomotion::prelude::*;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

/// FOLDER holds `points.f64` (frame, y, x and class of each point, little endian) and `options.json`. What comes out goes
/// there, too: `tracks.f64` and, where lags are asked for, `msd.f64` (track, lag, value).
pub fn link(folder: &Path) -> Result<Value, Error> {
    let options: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("options.json")).unwrap_or_default())
            .unwrap_or_default();
    let number = |name: &str| options.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let values = read(&folder.join("points.f64"));
    let column = |k: usize| values.chunks_exact(4).map(move |p| p[k]);
    let table = df!(
        "frame" => column(0).map(|v| v as u32).collect::<Vec<_>>(),
        "y_px" => column(1).collect::<Vec<_>>(),
        "x_px" => column(2).collect::<Vec<_>>(),
        "class" => column(3).map(|v| v as u32).collect::<Vec<_>>(),
    )?;
    let linker = Linker::default()
        .with_search_px(number("search_px"))
        .with_memory_frames(number("memory_frames") as u32)
        .with_class_px2(number("class_px2"));
    let start = Instant::now();
    let tracks = linker.link(&table)?;
    let seconds = start.elapsed().as_secs_f64();
    write(&folder.join("tracks.f64"), tracks.of_rows().iter().map(|t| f64::from(*t)))?;
    let lags = number("lags") as u32;
    let mut msd_seconds = None;
    if lags > 0 {
        let start = Instant::now();
        let each = tracks.msd_of_each(lags)?;
        msd_seconds = Some(start.elapsed().as_secs_f64());
        let mut out = vec![];
        for (track, kind) in each.kinds.iter().enumerate() {
            out.extend(kind.points.iter().flat_map(|p| [track as f64, f64::from(p.lag_frames), p.msd_nm2]));
        }
        write(&folder.join("msd.f64"), out.into_iter())?;
    }
    Ok(json!({
        "seconds": seconds,
        "msd_seconds": msd_seconds,
        "tracks": tracks.len(),
        "largest_network": tracks.largest_network(),
    }))
}
