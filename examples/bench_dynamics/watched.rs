//! The same movies read as any movie is: of the microscope nothing is known but its pixels.

use atomotion::Error;
use atomotion::markov::{best_f1, running_mean};
use atomotion::ndarray::{Array2, Array3, Axis};
use atomotion::simulate::{Recording, SiteEvidence};
use atomotion::watch::{Watch, Watched};

/// Name and F1 of every species, by one frame and by the whole movie.
pub fn from_pixels(recording: &Recording) -> Result<Vec<(String, f64, f64)>, Error> {
    let watched = Watch::default().with_matter(recording.evolution.matter().clone()).read(&recording.movie)?;
    eprintln!("{watched:?}");
    let mut rows = vec![];
    for ((evidence, posterior), host) in watched.posteriors().into_iter().zip([true, false]) {
        let (truth, shown) = truth(recording, &watched, evidence, host)?;
        let f1 = |score: &Array2<f64>, kind: usize| best_f1(score, &truth, &shown, kind).map_or(f64::NAN, |b| b.f1);
        for kind in 1..evidence.species.len() {
            let alone = f1(&running_mean(&evidence.log_ratio, kind, 1), kind);
            rows.push((evidence.species[kind].clone(), alone, f1(&layer(posterior, kind), kind)));
        }
    }
    Ok(rows)
}

fn layer(posterior: &Array3<f64>, kind: usize) -> Array2<f64> {
    posterior.index_axis(Axis(2), kind).to_owned()
}

/// What truly stands at each site that was followed, as the number of its species, and where both show it.
fn truth(
    recording: &Recording,
    watched: &Watched,
    evidence: &SiteEvidence,
    host: bool,
) -> Result<(Array2<usize>, Array2<bool>), Error> {
    let (frames, sites, kinds) = evidence.log_ratio.dim();
    let mut truth = Array2::from_elem((frames, sites), kinds);
    let mut shown = Array2::from_elem((frames, sites), false);
    let mut off = vec![];
    for frame in 0..frames {
        let ours = watched.followed().sites(frame)?;
        let lattice = recording.lattice(frame)?;
        let of = |t: &atomotion::polars::prelude::DataFrame, name: &str| -> Result<Vec<f64>, Error> {
            Ok(t.column(name)?.f32()?.into_no_null_iter().map(f64::from).collect())
        };
        let (y, x) = (of(&lattice, "ideal_y_px")?, of(&lattice, "ideal_x_px")?);
        let sublattice: Vec<u8> = lattice.column("sublattice")?.u8()?.into_no_null_iter().collect();
        let states = lattice.column("state")?.str()?.clone();
        let numbers: Vec<u32> = ours.column("site")?.u32()?.into_no_null_iter().collect();
        let (our_y, our_x) = (of(&ours, "y_px")?, of(&ours, "x_px")?);
        let place: std::collections::HashMap<u32, usize> =
            evidence.sites.iter().enumerate().map(|(i, &s)| (s, i)).collect();
        for (k, number) in numbers.iter().enumerate() {
            let Some(&i) = place.get(number) else { continue };
            let far = |j: &usize| (y[*j] - our_y[k]).hypot(x[*j] - our_x[k]);
            let same = (0..y.len()).filter(|&j| (sublattice[j] == 0) == host);
            let Some(j) = same.min_by(|a, b| far(a).total_cmp(&far(b))).filter(|j| far(j) < 2.5) else { continue };
            off.push(far(&j));
            let state = states.get(j).unwrap_or("");
            let species = state.split(['+', '@']).next().unwrap_or("");
            let perfect = species == "lattice";
            truth[[frame, i]] =
                if perfect { 0 } else { evidence.species.iter().position(|s| s == species).unwrap_or(kinds) };
            shown[[frame, i]] = evidence.shown[[frame, i]];
        }
    }
    off.sort_by(f64::total_cmp);
    eprintln!("sites are off by {:.3} px (median), {:.3} px (95 %)", off[off.len() / 2], off[off.len() * 95 / 100]);
    Ok((truth, shown))
}
