//! Dopants with the vacancies beside them.

use super::Grid;
use crate::error::{Result, check};
use polars::prelude::{DataFrame, NamedFrom, Series};

/// The table with a column `state`: what `species` says, and for a dopant how many vacancies stand within `reach_px` in the same
/// frame: `Mo_W+V_S`, `Mo_W+2V_S`, `Mo_W+3V_S`, as [`States::lumped`](crate::markov::States::lumped) names
/// them. Other rows keep their species. Columns needed: `frame` u32, `species`, `y_px` and `x_px` f32.
///
/// The nearest S columns of WS2 are 0.58 lattice periods from a W site, the next 1.15: 0.8 periods lies between.
///
/// ```
/// use atomotion::prelude::*;
/// let table = df!(
///     "frame" => [0_u32, 0, 0, 1], "species" => ["Mo_W", "V_S", "V_S", "Mo_W"],
///     "y_px" => [10.0_f32, 10.0, 30.0, 10.0], "x_px" => [10.0_f32, 15.8, 30.0, 10.0],
/// )?;
/// let states = complexes(&table, "Mo_W", "V_S", 8.0)?.column("state")?.str()?.clone();
/// assert_eq!(states.iter().flatten().collect::<Vec<_>>(), ["Mo_W+V_S", "V_S", "V_S", "Mo_W"]);
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// If a column is missing or of another type, or the reach is no length.
pub fn complexes(table: &DataFrame, dopant: &str, vacancy: &str, reach_px: f64) -> Result<DataFrame> {
    check("reach_px", reach_px, reach_px.is_finite() && reach_px > 0.0, "a positive number of pixels")?;
    let (frames, species) = (table.column("frame")?.u32()?, table.column("species")?.str()?);
    let (y, x) = (table.column("y_px")?.f32()?, table.column("x_px")?.f32()?);
    let mut vacancies: std::collections::BTreeMap<u32, Vec<[f64; 2]>> = Default::default();
    let place = |row: usize| Some([f64::from(y.get(row)?), f64::from(x.get(row)?)]);
    for row in 0..table.height() {
        if let (true, Some(frame), Some(at)) = (species.get(row) == Some(vacancy), frames.get(row), place(row)) {
            vacancies.entry(frame).or_default().push(at);
        }
    }
    let grids: std::collections::BTreeMap<u32, Grid> =
        vacancies.into_iter().map(|(frame, all)| (frame, Grid::new(all.into_iter(), reach_px))).collect();
    let state = |row: usize| -> Option<String> {
        let name = species.get(row)?;
        if name != dopant {
            return Some(name.to_owned());
        }
        let mut beside = 0;
        if let (Some(grid), Some(at)) = (frames.get(row).and_then(|frame| grids.get(&frame)), place(row)) {
            grid.near(at, reach_px, |_, _| beside += 1);
        }
        Some(match beside.min(MOST) {
            0 => name.to_owned(),
            1 => format!("{name}+{vacancy}"),
            n => format!("{name}+{n}{vacancy}"),
        })
    };
    let states: Vec<Option<String>> = (0..table.height()).map(state).collect();
    let mut table = table.clone();
    table.with_column(Series::new("state".into(), states).into())?;
    Ok(table)
}

/// Columns next to a site.
const MOST: usize = 3;
