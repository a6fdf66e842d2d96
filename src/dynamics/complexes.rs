//! Dopants with the vacancies beside them.

use super::sightings::{Unit, frames, places};
use super::{Grid, Sightings};
use crate::error::{Result, check};
use polars::prelude::{DataFrame, NamedFrom, Series};
use std::collections::BTreeMap;

/// The table with a column `state`: what `species` says, and for a dopant how many vacancies stand within `reach_px` in the same
/// frame: `Mo_W+V_S`, `Mo_W+2V_S`, `Mo_W+3V_S`, as [`States::lumped`](crate::markov::States::lumped) names
/// them. Other rows keep their species. Columns needed: `frame`, `species`, `y_px` and `x_px`.
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
/// If there is no row, a column is missing or has no names or numbers, or the reach is no length.
pub fn complexes(of: &impl Sightings, dopant: &str, vacancy: &str, reach_px: f64) -> Result<DataFrame> {
    check("reach_px", reach_px, reach_px.is_finite() && reach_px > 0.0, "a positive number of pixels")?;
    let mut table = of.sightings().clone();
    let (frames, places) = (frames(&table)?, places(&table, Unit::Px)?);
    let species: Vec<Option<&str>> = table.column("species")?.str()?.iter().collect();
    let mut vacancies: BTreeMap<u32, Vec<[f64; 2]>> = BTreeMap::new();
    for row in (0..species.len()).filter(|&row| species[row] == Some(vacancy)) {
        vacancies.entry(frames[row]).or_default().push(places[row]);
    }
    let grids: BTreeMap<u32, Grid> =
        vacancies.into_iter().map(|(frame, all)| (frame, Grid::new(all.into_iter(), reach_px))).collect();
    let state = |row: usize| -> Option<String> {
        let name = species[row]?;
        let mut beside = 0;
        if let (true, Some(grid)) = (name == dopant, grids.get(&frames[row])) {
            grid.near(places[row], reach_px, |_, _| beside += 1);
        }
        Some(match beside.min(MOST) {
            0 => name.to_owned(),
            1 => format!("{name}+{vacancy}"),
            n => format!("{name}+{n}{vacancy}"),
        })
    };
    let states: Vec<Option<String>> = (0..species.len()).map(state).collect();
    table.with_column(Series::new("state".into(), states).into())?;
    Ok(table)
}

/// Columns next to a site.
const MOST: usize = 3;
