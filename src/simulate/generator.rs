//! The rates of all site-level moves, read off the simulation itself in planted surroundings.

use super::beam::Beam;
use super::kinetics::{Engine, Move};
use super::matter::Matter;
use super::rates::Kinetics;
use super::sites::Sites;
use super::specimen::Specimen;
use super::states::Occupant;
use crate::error::{Error, Result};
use polars::prelude::{DataFrame, NamedFrom, Series};

/// A small specimen with something planted in it, and the site whose moves are listed.
struct Scene {
    around: &'static str,
    at: Specimen,
    site: usize,
}

/// One row of the table. Moves that are equivalent by symmetry are one row.
struct Row {
    step: Move,
    around: &'static str,
    from: String,
    to: String,
    ways: u32,
    /// Per second and way: thermal, by the beam.
    rates: [f64; 2],
}

impl Matter {
    /// The generator of the site-level moves: what a site can do in typical surroundings, and how often.
    ///
    /// Columns: `move`, `around` (what else is there), `from` and `to` (the state of the site that the move begins at, and
    /// afterwards of the one that it ends at), `ways` u32 (equivalent directions), and per second for one of them
    /// `thermal_per_s`, `beam_per_s`, `rate_per_s` f64. Holes are past their onset.
    ///
    /// ```
    /// let table = atomotion::simulate::Matter::ws2().generator()?;
    /// let (thermal, beam) = (table.column("thermal_per_s")?.f64()?, table.column("beam_per_s")?.f64()?);
    /// assert!(thermal.iter().zip(beam.iter()).all(|(t, b)| t < Some(1e-11) && b > Some(1e-6)));
    /// # Ok::<(), atomotion::Error>(())
    /// ```
    ///
    /// # Errors
    /// If an option is out of range.
    pub fn generator(&self) -> Result<DataFrame> {
        self.validate()?;
        let sites = self.crystal.sites(14.0 * self.crystal.period_nm())?;
        let still = Beam { dose_rate_e_nm2_s: 0.0, ..self.beam };
        let cold = Kinetics { attempt_per_s: 0.0, ..self.kinetics.clone() };
        let thermal = Engine::new(&self.crystal, &sites, &self.kinetics, &still)?.past_onset();
        let mut driven = Engine::new(&self.crystal, &sites, &cold, &self.beam)?.past_onset();
        let mut rows: Vec<Row> = vec![];
        for scene in scenes(&sites, &mut driven)? {
            let mut found: Vec<(Move, Option<usize>, [f64; 2])> = vec![];
            driven.moves(&scene.at, scene.site, &mut |step, to, rate| found.push((step, to, [0.0, rate])));
            let mut i = 0;
            thermal.moves(&scene.at, scene.site, &mut |_, _, rate| {
                found[i].2[0] = rate;
                i += 1;
            });
            for (step, to, rates) in found {
                let from = scene.at.state(&sites, scene.site).name(&self.crystal);
                let mut after = scene.at.clone();
                driven.happen(&mut after, 0.0, step, scene.site, to);
                let to = after.state(&sites, to.unwrap_or(scene.site)).name(&self.crystal);
                add(&mut rows, Row { step, around: scene.around, from, to, ways: 1, rates });
            }
        }
        table(&rows)
    }
}

/// Equal to twelve digits is the same by symmetry.
fn add(rows: &mut Vec<Row>, new: Row) {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.abs().max(b.abs());
    let same = rows.iter_mut().find(|r| {
        (r.step, r.around, &r.from, &r.to) == (new.step, new.around, &new.from, &new.to)
            && near(r.rates[0], new.rates[0])
            && near(r.rates[1], new.rates[1])
    });
    match same {
        Some(row) => row.ways += 1,
        None => rows.push(new),
    }
}

fn scenes(sites: &Sites, engine: &mut Engine) -> Result<Vec<Scene>> {
    let nearest = |which: &dyn Fn(usize) -> bool| {
        let far = |s: &usize| libm::hypot(sites.at_nm[*s][0], sites.at_nm[*s][1]);
        (0..sites.len()).filter(|&s| which(s)).min_by(|a, b| far(a).total_cmp(&far(b)))
    };
    let missing = || Error::data("the lattice has no site that all of this fits around");
    let host = nearest(&|s| sites.host[s]).ok_or_else(missing)?;
    let column = sites.bonded(host).next().ok_or_else(missing)?;
    let beside = |s: usize| sites.bonded(s).any(|b| b == host);
    let outside = sites.stepped(column).find(|&s| s != host && !beside(s)).ok_or_else(missing)?;
    let plant = |around, planted: &[(usize, Occupant)], site| {
        let mut at = Specimen::perfect(sites);
        for &(s, what) in planted {
            at.occupant[s] = what;
        }
        at.name_tracks(sites);
        Scene { around, at, site }
    };
    let one = Occupant::Missing1;
    let whole = if sites.per_column[column] > 1 { Occupant::Missing2 } else { one };
    let mut scenes = vec![
        plant("nothing", &[], column),
        plant("nothing", &[(column, one)], column),
        plant("a dopant beside it", &[(host, Occupant::Dopant), (column, one)], column),
        plant("a dopant one step away", &[(host, Occupant::Dopant), (outside, one)], outside),
        plant("a vacancy one step away", &[(outside, one), (column, one)], column),
        plant("a whole column lacking beside it", &[(column, whole)], host),
    ];
    if whole != one {
        scenes.push(plant("nothing", &[(column, whole)], column));
    }
    let mut open = plant("a hole of one host beside it", &[], host);
    engine.happen(&mut open.at, 0.0, Move::HoleBegins, host, None);
    let edge = |host: bool| (0..sites.len()).find(|&s| open.at.edge[s] && sites.host[s] == host);
    for site in [edge(true), edge(false)].into_iter().flatten() {
        let scene = Scene { around: open.around, at: open.at.clone(), site };
        let mut rested = scene.at.clone();
        rested.reconstructed[site] = true;
        scenes.push(scene);
        scenes.push(Scene { around: open.around, at: rested, site });
    }
    Ok(scenes)
}

fn table(rows: &[Row]) -> Result<DataFrame> {
    let text = |name: &str, of: &dyn Fn(&Row) -> String| {
        Series::new(name.into(), rows.iter().map(of).collect::<Vec<_>>()).into()
    };
    let rate =
        |name: &str, of: &dyn Fn(&Row) -> f64| Series::new(name.into(), rows.iter().map(of).collect::<Vec<_>>()).into();
    let columns = vec![
        text("move", &|r| r.step.name().into()),
        text("around", &|r| r.around.into()),
        text("from", &|r| r.from.clone()),
        text("to", &|r| r.to.clone()),
        Series::new("ways".into(), rows.iter().map(|r| r.ways).collect::<Vec<_>>()).into(),
        rate("thermal_per_s", &|r| r.rates[0]),
        rate("beam_per_s", &|r| r.rates[1]),
        rate("rate_per_s", &|r| r.rates[0] + r.rates[1]),
    ];
    Ok(DataFrame::new(rows.len(), columns)?)
}
