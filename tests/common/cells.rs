//! Unit cells of simulated movies, at their true places.

use atomotion::prelude::*;
use atomotion::simulate::Relaxation;

/// Mo-doped WS2 at the clean dose, under a beam that moves nothing.
pub fn record(
    composition: Composition,
    relaxation: Relaxation,
    size_px: usize,
    frames: usize,
    seed: u64,
) -> Result<Recording, Error> {
    let mut matter = Matter::ws2().with_composition(composition).with_relaxation(relaxation);
    matter.beam.voltage_kv = 20.0;
    let imaging = Imaging::clean().with_size_px(size_px);
    Experiment::ws2().with_matter(matter).with_imaging(imaging).with_frames(frames).simulate(seed)
}

/// Patches of 28 x 28 pixels on W sites, turned into the lattice's frame: those of Mo (or a third of the perfect ones), and
/// one in four perfect ones with nothing wrong within 0.75 nm.
pub fn cut(recording: &Recording, dopants: bool) -> Result<(Defects, Defects), Error> {
    let nm = recording.experiment.imaging.nm_per_px;
    let mut tables = vec![];
    for frame in 0..recording.movie.len() {
        let sites = recording.lattice(frame)?;
        let state = sites.column("state")?.str()?.clone();
        let sublattice = sites.column("sublattice")?.u8()?.clone();
        let (y, x) = (sites.column("ideal_y_px")?.f32()?.clone(), sites.column("ideal_x_px")?.f32()?.clone());
        let numbers = sites.column("site")?.u32()?.clone();
        let number = |i: usize| numbers.get(i).unwrap_or(0);
        let n = sites.height();
        let place = |i: usize| (y.get(i).unwrap_or(0.0), x.get(i).unwrap_or(0.0));
        let odd: Vec<usize> = (0..n).filter(|&i| state.get(i) != Some("lattice")).collect();
        let alone = |i: usize, but: bool| {
            odd.iter().all(|&j| {
                let (a, b) = (place(i), place(j));
                (but && i == j) || f64::from((a.0 - b.0).hypot(a.1 - b.1)) * nm > 0.75
            })
        };
        let kept: Vec<(usize, u32)> = (0..n)
            .filter(|&i| sublattice.get(i) == Some(0))
            .filter_map(|i| match state.get(i) {
                Some("Mo_W") => alone(i, true).then_some((i, 1)),
                // One in four: as many as are needed.
                Some("lattice") if number(i) % 4 == 0 => {
                    alone(i, false).then_some((i, u32::from(!dopants && number(i) % 3 == 0)))
                }
                _ => None,
            })
            .collect();
        let of = |pick: &dyn Fn(usize) -> f32| kept.iter().map(|k| pick(k.0)).collect::<Vec<f32>>();
        tables.push(df![
            "frame" => vec![frame as u32; kept.len()],
            "y_px" => of(&|i| place(i).0),
            "x_px" => of(&|i| place(i).1),
            "ours" => kept.iter().map(|k| k.1).collect::<Vec<_>>(),
        ]?);
    }
    let mut table = tables[0].clone();
    for other in &tables[1..] {
        table.vstack_mut(other)?;
    }
    let cut = Cut::default().with_side_px(28).with_turn_deg(recording.experiment.matter.crystal.rotation_deg);
    let all = Defects::at_truth(&recording.movie, &table, &cut)?;
    let whole = all.query(|rows| rows.filter(col("patch_outside").eq(lit(0.0_f32))))?;
    let part = |which: u32| whole.query(|rows| rows.filter(col("ours").eq(lit(which))));
    Ok((part(1)?, part(0)?))
}
