//! How often a distortion of the unit cell is claimed where there is none: `false_claims [MOVIES]`, with true positions.
//!
//! Movies of 256 x 256 pixels and 20 frames, of three kinds: perfect crystals (some sites against the others), Mo that moves
//! nothing, and Mo that moves nothing beside vacancies that do. A fourth kind, Mo that draws its neighbours in by 2 pm, says
//! how often a true one is seen.

use atomotion::prelude::*;
use atomotion::simulate::Relaxation;

#[path = "../tests/common/cells.rs"]
mod cells;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let movies: u64 = std::env::args().nth(1).map_or(Ok(100), |n| n.parse())?;
    let dopants = || Composition::perfect().with_dopant(0.03);
    let still = Relaxation::none();
    let kinds = [
        ("perfect crystals", Composition::perfect(), still),
        ("Mo without relaxation", dopants(), still),
        ("Mo without, vacancies with relaxation", dopants().with_double(0.01), still.with_vacancy_nm(-0.005)),
        ("Mo with 2 pm inwards", dopants(), still.with_dopant_nm(-0.002)),
    ];
    println!(
        "| movies of | movies | displacements claimed | upper 95 % bound | image components claimed | upper 95 % bound |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for (name, composition, relaxation) in kinds {
        let (mut displaced, mut imaged) = (0, 0);
        for seed in 0..movies {
            let recording = cells::record(composition, relaxation, 256, 20, seed)?;
            let (ours, perfect) = cells::cut(&recording, composition.dopant > 0.0)?;
            let options = UnitCells::default().with_seed(seed).with_components(3);
            displaced += u64::from(options.compare(&ours, &perfect)?.claimed);
            imaged += u64::from(options.with_draws(19).image_modes(&ours, Some(&perfect))?.significant > 0);
        }
        let (a, b) = (upper(displaced, movies), upper(imaged, movies));
        println!("| {name} | {movies} | {displaced} | {:.1} % | {imaged} | {:.1} % |", 100.0 * a, 100.0 * b);
    }
    Ok(())
}

/// One-sided 95 % bound of a share (Clopper and Pearson, Biometrika 26, 404, 1934).
fn upper(seen: u64, of: u64) -> f64 {
    let below = |p: f64| -> f64 {
        let mut term = (1.0 - p).powi(of as i32);
        let mut sum = term;
        for i in 0..seen {
            term *= (of - i) as f64 / (i + 1) as f64 * p / (1.0 - p);
            sum += term;
        }
        sum
    };
    let (mut low, mut high) = (0.0, 1.0 - 1e-12);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if below(middle) > 0.05 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}
