//! Perfect cells to hold a kind's average cell against: the same sublattice, a few lattice vectors away.

use super::kinds::cut;
use crate::defects::{Cut, Defects};
use crate::detect::Lattice;
use crate::error::{Error, Result};
use crate::movie::{Movie, Normalise};
use ndarray::Axis;
use polars::prelude::{DataFrame, NamedFrom, Series};
use std::collections::BTreeMap;

/// How far a perfect cell is from any defect that was found, in periods, and from the frame's edge.
const CLEAR: f64 = 2.5;
const EDGE: f64 = 2.0;

/// Perfect cells to hold a kind's average cell against ([`UnitCells::compare`](crate::classify::UnitCells::compare)): at
/// places that are moved from the kind's own by whole lattice vectors, where nothing was found within 2.5 periods. One for
/// each defect that has such a place; cut and scaled as [`comparable_patches`](super::comparable_patches) does.
///
/// # Errors
/// If there is no such place, or a frame cannot be read.
pub fn perfect_cells(kind: &Defects, all: &Defects, movie: &Movie, lattice: &Lattice) -> Result<Defects> {
    let cells = clear_places(kind, all, movie, lattice, CLEAR, &cut(movie, lattice))?;
    scaled(&cells, brightness(all, movie, lattice)?)
}

/// What a perfect cell's mean and standard deviation are in a movie's frames: of the average over places where nothing was
/// found, each centred on the nearest bright column, so that noise counts for little whatever the dose.
pub(super) fn brightness(all: &Defects, movie: &Movie, lattice: &Lattice) -> Result<(f32, f32)> {
    let cut = cut(movie, lattice).with_on_column(true);
    // Where defects are dense, nearer to them.
    let cells = clear_places(all, all, movie, lattice, CLEAR, &cut)
        .or_else(|_| clear_places(all, all, movie, lattice, 1.2, &cut))?;
    let mean = cells.patches().mean_axis(Axis(0)).unwrap_or_default();
    let (level, contrast) = (mean.mean().unwrap_or(0.0), mean.std(0.0));
    if contrast > 0.0 { Ok((level, contrast)) } else { Err(Error::data("perfect cells show no lattice")) }
}

/// Patches on the scale on which a perfect cell's mean is 0 and its standard deviation 1.
pub(super) fn scaled(defects: &Defects, (level, contrast): (f32, f32)) -> Result<Defects> {
    let patches = defects.patches().mapv(|v| (v - level) / contrast);
    let mut scaled = Defects::new(defects.table().clone(), patches, defects.patch_nm_per_px())?;
    (scaled.areas, scaled.false_alarms) = (defects.areas.clone(), defects.false_alarms.clone());
    Ok(scaled)
}

/// Cells at places moved from the kind's own, at least `clear` periods from every defect.
fn clear_places(
    kind: &Defects,
    all: &Defects,
    movie: &Movie,
    lattice: &Lattice,
    clear: f64,
    cut: &Cut,
) -> Result<Defects> {
    let period = lattice.period_px;
    let places = |of: &Defects| -> Result<Vec<(u32, [f64; 2])>> {
        let table = of.table();
        let (y, x) = (table.column("y_px")?.f32()?, table.column("x_px")?.f32()?);
        let rows = table.column("frame")?.u32()?.iter().zip(y.iter().zip(x.iter()));
        Ok(rows.filter_map(|(f, (y, x))| Some((f?, [f64::from(y?), f64::from(x?)]))).collect())
    };
    let mut taken: BTreeMap<u32, Vec<[f64; 2]>> = BTreeMap::new();
    for (frame, at) in places(all)? {
        taken.entry(frame).or_default().push(at);
    }
    let field = [movie.height() as f64, movie.width() as f64];
    let free = |taken: &BTreeMap<u32, Vec<[f64; 2]>>, frame: u32, at: [f64; 2]| {
        let inside = (0..2).all(|k| at[k] > EDGE * period && at[k] < field[k] - EDGE * period);
        let far = |other: &[f64; 2]| (other[0] - at[0]).hypot(other[1] - at[1]) > clear * period;
        inside && taken.get(&frame).is_none_or(|others| others.iter().all(far))
    };
    let [a, b] = lattice.basis_px;
    let mut steps: Vec<(i32, i32)> = (-6..=6).flat_map(|i| (-6..=6).map(move |j| (i, j))).collect();
    steps.sort_by_key(|&(i, j)| (i * i + j * j + i * j, i, j));
    let (mut frames, mut ys, mut xs) = (vec![], vec![], vec![]);
    for (frame, at) in places(kind)? {
        let moved = |&(i, j): &(i32, i32)| [0, 1].map(|k| at[k] + f64::from(i) * a[k] + f64::from(j) * b[k]);
        if let Some([y, x]) = steps.iter().map(moved).find(|&place| free(&taken, frame, place)) {
            taken.entry(frame).or_default().push([y, x]);
            frames.push(frame);
            ys.push(y as f32);
            xs.push(x as f32);
        }
    }
    if frames.is_empty() {
        return Err(Error::data("no place is far enough from every defect to show a perfect cell"));
    }
    let n = frames.len();
    let columns = vec![
        Series::new("frame".into(), frames).into(),
        Series::new("y_px".into(), ys).into(),
        Series::new("x_px".into(), xs).into(),
    ];
    let even = movie.normalise(&Normalise::default())?;
    Defects::at_truth(&even, &DataFrame::new(n, columns)?, cut)
}
