//! Unit cells against planted relaxations.

use atomotion::prelude::*;
use atomotion::simulate::Relaxation;
use polars::prelude::{NamedFrom, Series};

#[path = "common/cells.rs"]
mod cells;

/// A planted relaxation is found, its amplitude within its interval; without one nothing is claimed, though Mo is darker.
#[test]
fn planted_relaxations_are_found() {
    let dopants = Composition::perfect().with_dopant(0.03);
    for (by, seed) in [(-0.006, 1), (0.0, 2)] {
        let recording = cells::record(dopants, Relaxation::none().with_dopant_nm(by), 320, 24, seed).unwrap();
        let (ours, perfect) = cells::cut(&recording, true).unwrap();
        let distortion = UnitCells::default().compare(&ours, &perfect).unwrap();
        println!("{by}: {} of {}: {distortion:?}\n{:?}", ours.len(), perfect.len(), distortion.modes);
        let (amplitude, [low, high]) = distortion.breathing_nm;
        assert_eq!(distortion.claimed, by != 0.0, "{distortion:?}");
        assert!(low < amplitude && amplitude < high && low - 0.0003 < by && by < high + 0.0003, "{distortion:?}");
        // The column in the middle is Mo: much darker than W, (42/74)^1.7 = 0.38 of its height and what tails add.
        assert!((-0.7..-0.4).contains(&distortion.columns[0].height.0), "{:?}", distortion.columns[0]);
        if by != 0.0 {
            if let Some(folder) = std::env::var_os("ATOMOTION_FIGURES").map(std::path::PathBuf::from) {
                let modes = UnitCells::default().with_draws(19).image_modes(&ours, Some(&perfect)).unwrap();
                for (name, figure) in [
                    ("cell", distortion.cell.figure()),
                    ("arrows", distortion.figure()),
                    ("scree", modes.figure()),
                    ("eigencells", modes.cells_figure()),
                ] {
                    std::fs::write(folder.join(format!("{name}.png")), figure.to_png(1.0).unwrap()).unwrap();
                }
            }
            assert_eq!(distortion.table().unwrap().height(), distortion.columns.len());
            assert!(distortion.figure().to_png(1.0).unwrap().len() > 2000);
        }
    }
}

/// Shifts that were planted are taken out: the aligned average is sharper, and the shifts are those planted.
#[test]
fn cells_are_aligned() {
    let recording = cells::record(Composition::perfect(), Relaxation::none(), 256, 2, 3).unwrap();
    let (_, still) = cells::cut(&recording, true).unwrap();
    let planted = |i: usize| ((i * 7 % 11) as f64 / 10.0 - 0.5, (i * 5 % 13) as f64 / 12.0 - 0.5);
    let moved = still
        .with_column(Series::new("dy".into(), (0..still.len()).map(|i| planted(i).0 as f32).collect::<Vec<_>>()))
        .and_then(|d| {
            d.with_column(
                polars::prelude::Series::from_iter((0..still.len()).map(|i| planted(i).1 as f32))
                    .with_name("dx".into()),
            )
        })
        .and_then(|d| d.query(|rows| rows.with_columns([col("y_px") + col("dy"), col("x_px") + col("dx")])))
        .and_then(|d| d.recut(&recording.movie, &Cut::default().with_side_px(28).with_turn_deg(4.0)))
        .unwrap();
    let cells = UnitCells::default();
    let (sharp, blurred, aligned) = (
        cells.average(&still).unwrap(),
        cells.clone().with_align(false).average(&moved).unwrap(),
        cells.average(&moved).unwrap(),
    );
    let contrast = |c: &UnitCell| c.mean.std(0.0);
    assert!(contrast(&blurred) < 0.985 * contrast(&aligned), "{} {}", contrast(&blurred), contrast(&aligned));
    assert!((contrast(&aligned) / contrast(&sharp) - 1.0).abs() < 0.02);
    // Along the frame's axes a shift of the centre by d moves the patch's content by -d, turned by four degrees.
    let (sin, cos) = 4_f64.to_radians().sin_cos();
    let n = moved.len();
    let mean = |v: &dyn Fn(usize) -> f64| (0..n).map(v).sum::<f64>() / n as f64;
    let expected = |i: usize| {
        let (dy, dx) = planted(i);
        -(dy * cos - dx * sin)
    };
    let (a, b) = (mean(&|i| aligned.shifts_px[i][0]), mean(&expected));
    let off = mean(&|i| (aligned.shifts_px[i][0] - a - expected(i) + b).powi(2)).sqrt();
    assert!(off < 0.1, "{off}");
}

#[test]
fn cells_that_are_too_few_or_unlike_say_so() {
    let recording = cells::record(Composition::perfect(), Relaxation::none(), 256, 1, 4).unwrap();
    let (_, some) = cells::cut(&recording, true).unwrap();
    let few = some.filter(&(0..some.len()).map(|i| i < 9).collect::<Vec<_>>()).unwrap();
    let cells = UnitCells::default();
    let says = |text: String, words: &str| assert!(text.contains(words), "{text}");
    says(cells.average(&few).unwrap_err().to_string(), "9 cells are too few");
    says(cells.clone().with_draws(5).average(&some).unwrap_err().to_string(), "draws = 5");
    says(cells.clone().with_level(0.001).average(&some).unwrap_err().to_string(), "level = 0.001");
    let small = some.with_patches(Array3::zeros((some.len(), 20, 20))).unwrap();
    says(cells.compare(&some, &small).unwrap_err().to_string(), "cut them alike");
    says(cells.compare(&small, &small).unwrap_err().to_string(), "shows 0 columns");
    let mut torn = some.patches().clone();
    torn[[0, 1, 1]] = f32::NAN;
    says(cells.average(&some.with_patches(torn).unwrap()).unwrap_err().to_string(), "row 0 holds NaN");
}

/// Perfect cells beside the dopants are on W sites, away from every defect; those of dopants that stand alone are.
#[test]
fn perfect_cells_lie_beside_those_of_the_species() {
    let mixed = Composition::perfect().with_dopant(0.03).with_double(0.01);
    let recording = cells::record(mixed, Relaxation::none(), 256, 2, 5).unwrap();
    let movie = &recording.movie;
    let lattice = Lattice::find(&movie.frame(0).unwrap().data).unwrap();
    let cut = Cut::default().with_side_px(28).along(&lattice);
    let all = Defects::at_truth(movie, &recording.truth, &cut).unwrap();
    let dopants = all.query(|rows| rows.filter(col("species").eq(lit("Mo_W")))).unwrap();
    let alone = dopants.alone(&all, 0.75).unwrap();
    assert!(alone.len() >= 10 && alone.len() < dopants.len(), "{} {}", alone.len(), dopants.len());
    let perfect = alone.perfect_beside(&all, movie, &lattice, &cut, 0.75).unwrap();
    assert!(perfect.len() > alone.len() && perfect.len() <= 3 * alone.len() + 3, "{}", perfect.len());
    let nm = recording.experiment.imaging.nm_per_px as f32;
    for frame in 0..2 {
        let sites = recording.lattice(frame).unwrap();
        let of = |name: &str| sites.column(name).unwrap().f32().unwrap().to_vec();
        let sublattice = sites.column("sublattice").unwrap().u8().unwrap().to_vec();
        let metal = of("ideal_y_px").into_iter().zip(of("ideal_x_px")).zip(&sublattice);
        let metal: Vec<(f32, f32)> =
            metal.filter(|(_, s)| **s == Some(0)).filter_map(|((y, x), _)| Some((y?, x?))).collect();
        let odd = all.positions(frame as u32).unwrap();
        for p in perfect.positions(frame as u32).unwrap() {
            let nearest =
                |list: &[(f32, f32)]| list.iter().map(|q| (q.0 - p.0).hypot(q.1 - p.1)).fold(f32::MAX, f32::min) * nm;
            // Steps of a fitted lattice, and the scan's jitter.
            assert!(nearest(&metal) < 0.04, "{p:?}: {}", nearest(&metal));
            assert!(nearest(&odd) > 0.75, "{p:?}");
        }
    }
    assert!(alone.perfect_beside(&all, movie, &lattice, &cut, 5.0).unwrap_err().to_string().contains("ask for less"));
}
