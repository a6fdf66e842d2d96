//! Links points and measures displacements for `peers/bench_dynamics.py`, which runs other programs on the same points:
//! `cargo run --example bench_dynamics -- FOLDER`.
//!
//! FOLDER holds `points.f64` (frame, y, x and class of each point, little endian) and `options.json`. What comes out goes
//! there, too: `tracks.u32`, `result.json` and, where lags are asked for, `msd.f64` (track, lag, value).

use atomotion::prelude::*;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("name a folder")?);
    let options: Value = serde_json::from_slice(&std::fs::read(folder.join("options.json"))?)?;
    let number = |name: &str| options.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let bytes = std::fs::read(folder.join("points.f64"))?;
    let values: Vec<f64> =
        bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap_or_default())).collect();
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
    let linked: Vec<u8> = tracks.of_rows().iter().flat_map(|t| t.to_le_bytes()).collect();
    std::fs::write(folder.join("tracks.u32"), linked)?;
    let lags = number("lags") as u32;
    let mut msd_seconds = None;
    if lags > 0 {
        let start = Instant::now();
        let each = tracks.msd_of_each(lags)?;
        msd_seconds = Some(start.elapsed().as_secs_f64());
        let mut out = vec![];
        for (track, kind) in each.kinds.iter().enumerate() {
            for p in &kind.points {
                for value in [track as f64, f64::from(p.lag_frames), p.msd_nm2] {
                    out.extend(value.to_le_bytes());
                }
            }
        }
        std::fs::write(folder.join("msd.f64"), out)?;
    }
    let result = json!({
        "seconds": seconds,
        "msd_seconds": msd_seconds,
        "tracks": tracks.len(),
        "largest_network": tracks.largest_network(),
    });
    std::fs::write(folder.join("result.json"), result.to_string())?;
    Ok(())
}
