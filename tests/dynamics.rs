//! Tracks, concentrations, diffusion and couplings: against trackpy's tracks, planted truth, and simulated movies.

mod common;

use atomotion::dynamics::{BranchKind, Moves};
use atomotion::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.r#gen(), rng.r#gen());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

fn says(result: Result<impl Sized, Error>, words: &[&str]) {
    let message = result.err().expect("this should have been an error").to_string();
    for word in words {
        assert!(message.contains(word), "{message:?} does not say {word:?}");
    }
}

/// Points that wander, are missed now and then, vanish, and appear.
struct Crowd {
    frames: u32,
    count: usize,
    size: f64,
    step: f64,
    missed: f64,
    drift: [f64; 2],
}

impl Crowd {
    fn table(&self, seed: u64) -> DataFrame {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut at: Vec<[f64; 2]> =
            (0..self.count).map(|_| [rng.gen_range(0.0..self.size), rng.gen_range(0.0..self.size)]).collect();
        let mut track: Vec<u32> = (0..self.count as u32).collect();
        let mut next = self.count as u32;
        let (mut f, mut y, mut x, mut t) = (vec![], vec![], vec![], vec![]);
        for frame in 0..self.frames {
            for i in 0..self.count {
                if rng.r#gen::<f64>() >= self.missed {
                    f.push(frame);
                    y.push(at[i][0] + self.drift[0] * f64::from(frame));
                    x.push(at[i][1] + self.drift[1] * f64::from(frame));
                    t.push(track[i]);
                }
                at[i] = at[i].map(|v| v + self.step * normal(&mut rng));
                if rng.r#gen::<f64>() < 0.01 {
                    (at[i], track[i]) = ([rng.gen_range(0.0..self.size), rng.gen_range(0.0..self.size)], next);
                    next += 1;
                }
            }
        }
        let class: Vec<u32> = t.iter().map(|t| t % 3).collect();
        df!("frame" => f, "y_px" => y, "x_px" => x, "track" => t, "class" => class).unwrap()
    }
}

/// `peers/make_dynamics_reference.py` made the file.
#[test]
fn tracks_are_trackpys() {
    let text = include_str!("data/dynamics/trackpy.csv");
    let rows: Vec<Vec<f64>> =
        text.lines().skip(1).map(|l| l.split(',').map(|v| v.parse().unwrap()).collect()).collect();
    for case in 0..4 {
        let of: Vec<&Vec<f64>> = rows.iter().filter(|r| r[0] == f64::from(case)).collect();
        assert!(of.len() > 500);
        let column = |k: usize| of.iter().map(|r| r[k]).collect::<Vec<f64>>();
        let frames: Vec<u32> = column(3).iter().map(|&f| f as u32).collect();
        let table = df!("frame" => frames, "y_px" => column(4), "x_px" => column(5)).unwrap();
        let linker = Linker::default().with_search_px(of[0][1]).with_memory_frames(of[0][2] as u32);
        let tracks = linker.link(&table).unwrap();
        let known: Vec<u32> = column(6).iter().map(|&t| t as u32).collect();
        assert_eq!(tracks.of_rows(), known, "case {case}");
        // The same whatever the order of rows.
        let order = table.sort(["x_px"], Default::default()).unwrap();
        let shuffled = linker.link(&order).unwrap();
        let pairs = |t: &Tracks| {
            let table = t.table().sort(["frame", "y_px", "x_px"], Default::default()).unwrap();
            let track: Vec<u32> = table.column("track").unwrap().u32().unwrap().iter().flatten().collect();
            let mut first = std::collections::HashMap::new();
            track
                .iter()
                .map(|t| {
                    let next = first.len();
                    *first.entry(*t).or_insert(next)
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(pairs(&tracks), pairs(&shuffled), "case {case}, rows in another order");
    }
}

/// What links can be told shrinks with density. Bounds leave a third of the errors that seeds 1 to 5 gave as room.
#[test]
fn links_are_right_until_points_crowd() {
    let mut before = 1.0;
    for (count, least) in [(30, 0.985), (120, 0.96), (480, 0.85)] {
        let crowd = Crowd { frames: 30, count, size: 256.0, step: 1.5, missed: 0.05, drift: [0.0; 2] };
        let truth = crowd.table(1);
        let points = truth.drop("track").unwrap();
        let linker = Linker::default().with_search_px(8.0);
        let scores = score_links(&linker.link(&points).unwrap(), &truth, 0.5, 1).unwrap();
        assert!(scores.recall() >= least && scores.precision() >= least, "{count} points: {scores}");
        assert!(scores.recall() <= before, "{count} points: {scores}");
        assert_eq!(scores.true_links, scores.right + scores.fragmentations);
        before = scores.recall();
        // Classes that are right help.
        let aware = score_links(&linker.with_class_px2(64.0).link(&points).unwrap(), &truth, 0.5, 1).unwrap();
        assert!(aware.switches <= scores.switches / 2, "{count} points: {aware} with classes, {scores} without");
    }
}

/// The truth of a simulated movie, drift and hops and all, with a tenth of it missed and positions wrong by half a pixel.
#[test]
fn links_of_a_simulated_movie_are_right() {
    let imaging = Imaging::clean().with_size_px(256).with_s_per_frame(5.0);
    let recording = Experiment::ws2().with_imaging(imaging).with_frames(40).simulate(8).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let keep = (0..recording.truth.height()).map(|_| Some(rng.r#gen::<f64>() > 0.1)).collect();
    let mut seen = recording.truth.filter(&keep).unwrap().drop("track").unwrap();
    for name in ["y_px", "x_px"] {
        let exact = seen.column(name).unwrap().f32().unwrap().clone();
        let wrong: Vec<f32> = exact.iter().map(|v| v.unwrap() + 0.5 * normal(&mut rng) as f32).collect();
        seen.with_column(atomotion::polars::prelude::Column::new(name.into(), wrong)).unwrap();
    }
    // Without the edges of holes, which are no defects of their own.
    let mobile: Vec<Option<bool>> =
        seen.column("species").unwrap().str().unwrap().iter().map(|s| Some(s != Some("hole_edge"))).collect();
    let seen = seen.filter(&mobile.into_iter().collect()).unwrap();
    let nm = recording.movie.calibration().nm_per_px;
    let shifts: Vec<[f64; 2]> = recording.scan.drift_nm.iter().map(|d| d.map(|v| v / nm)).collect();
    let drift = MeasuredDrift::known(&shifts, recording.movie.calibration()).unwrap();
    let linker = Linker::default().with_memory_frames(2).with_class_px2(60.0);
    let tracks = linker.link_drifting(&seen, &drift).unwrap();
    let scores = score_links(&tracks, &recording.truth, 3.0, 2).unwrap();
    assert!(scores.recall() > 0.98 && scores.precision() > 0.98, "{scores}");
    assert!(scores.true_links > 1000, "{scores}");
}

#[test]
fn one_crowd_is_one_network() {
    // Trackpy refuses more than 30 that compete.
    let crowd = Crowd { frames: 3, count: 4000, size: 256.0, step: 1.0, missed: 0.0, drift: [0.0; 2] };
    let tracks = Linker::default().with_search_px(10.0).link(&crowd.table(2).drop("track").unwrap()).unwrap();
    assert!(tracks.largest_network() > 7000, "{}", tracks.largest_network());
}

#[test]
fn drift_is_predicted_or_told() {
    let crowd = Crowd { frames: 20, count: 60, size: 256.0, step: 0.5, missed: 0.05, drift: [5.0, -4.0] };
    let truth = crowd.table(3);
    let points = truth.drop("track").unwrap();
    let recall = |tracks: &Tracks| score_links(tracks, &truth, 0.5, 1).unwrap().recall();
    let linker = Linker::default().with_search_px(5.0);
    assert!(recall(&linker.link(&points).unwrap()) < 0.2, "a drift of 6.4 pixels is beyond the search");
    let near = linker.clone().with_search_px(9.0).with_motion(Motion::Common);
    assert!(recall(&near.link(&points).unwrap()) > 0.97, "{:?}", recall(&near.link(&points).unwrap()));
    let own = linker.clone().with_search_px(9.0).with_motion(Motion::Own);
    assert!(recall(&own.link(&points).unwrap()) > 0.9, "{:?}", recall(&own.link(&points).unwrap()));
    let shifts: Vec<[f64; 2]> = (0..20).map(|f| [5.0 * f64::from(f), -4.0 * f64::from(f)]).collect();
    let drift = MeasuredDrift::known(&shifts, Calibration::default()).unwrap();
    assert!(recall(&linker.link_drifting(&points, &drift).unwrap()) > 0.98);
    let short = MeasuredDrift::known(&shifts[..5], Calibration::default()).unwrap();
    says(linker.link_drifting(&points, &short), &["drift of frame 5", "5 frames"]);
}

#[test]
fn tracks_split_and_merge() {
    // One goes straight; a second leaves it at frame 3, a third comes to it and is gone at frame 6.
    let mut rows = vec![];
    for f in 0..10_u32 {
        rows.push((f, 50.0, 50.0));
        if f >= 3 {
            rows.push((f, 50.0 + 4.0 * (f64::from(f) - 2.0), 50.0));
        }
        if f < 6 {
            rows.push((f, 50.0, 54.0 + 4.0 * (5.0 - f64::from(f))));
        }
    }
    let table = df!(
        "frame" => rows.iter().map(|r| r.0).collect::<Vec<_>>(),
        "y_px" => rows.iter().map(|r| r.1).collect::<Vec<_>>(),
        "x_px" => rows.iter().map(|r| r.2).collect::<Vec<_>>(),
    )
    .unwrap();
    let tracks = Linker::default().with_search_px(5.0).with_branch_px(6.0).with_memory_frames(0).link(&table).unwrap();
    assert_eq!(tracks.len(), 3);
    let [split, merge] = tracks.branches() else { panic!("{:?}", tracks.branches()) };
    assert_eq!((split.kind, split.frame, split.trunk, split.branch), (BranchKind::Split, 3, 0, 2));
    assert_eq!((merge.kind, merge.frame, merge.trunk, merge.branch), (BranchKind::Merge, 6, 0, 1));
    assert_eq!(tracks.branches_table().unwrap().height(), 2);
    assert!(Linker::default().with_search_px(5.0).link(&table).unwrap().branches().is_empty());
}

#[test]
fn a_cost_of_ones_own_decides() {
    let table = df!("frame" => [0_u32, 1, 1], "y_px" => [0.0, 1.0, 2.0], "x_px" => [0.0; 3]).unwrap();
    let linker = Linker::default().with_search_px(5.0);
    assert_eq!(linker.link(&table).unwrap().of_rows(), [0, 0, 1]);
    let forbidden = linker.link_with(&table, |pair| (pair.to != 1).then_some(0.0)).unwrap();
    assert_eq!(forbidden.of_rows(), [0, 1, 0]);
    let dear = linker.link_with(&table, |pair| Some(if pair.to == 1 { 10.0 } else { 0.0 })).unwrap();
    assert_eq!(dear.of_rows(), [0, 1, 0]);
    // An appearance and a disappearance that cost next to nothing: nothing is linked.
    let cheap = linker.with_appearance_px2(Some(0.1)).with_disappearance_px2(Some(0.1));
    assert_eq!(cheap.link(&table).unwrap().of_rows(), [0, 1, 2]);
}

/// Ws2 at its default beam: no dopants, so that every vacancy hops as the rates say.
fn vacancies(seed: u64) -> Recording {
    let composition = Composition::perfect().with_single(0.01);
    let matter = Matter::ws2().with_composition(composition);
    let imaging = Imaging::clean().with_size_px(320).with_s_per_frame(5.0).with_drift_nm_per_s([0.0; 2]);
    let imaging = imaging.with_drift_step_nm(0.0);
    Experiment::ws2().with_matter(matter).with_imaging(imaging).with_frames(60).simulate(seed).unwrap()
}

/// The rates give 1e-4 nm²/s to an isolated vacancy (`Kinetics::diffusion_nm2_s`), and the true tracks say so: from some 80
/// hops of four specimens within a third (three standard deviations), by hops and by covariance alike.
#[test]
fn a_vacancy_diffuses_as_published() {
    let (mut watched, mut paths, mut inside) = (0.0, 0.0, 0);
    for seed in 1..=4 {
        let recording = vacancies(seed);
        let tracks = Tracks::of(&recording.truth.filter(&is(&recording.truth, "V_S")).unwrap()).unwrap();
        let crystal = &recording.experiment.matter.crystal;
        let hops = tracks.hops(&Hopping::on(turn(crystal.cell_nm, crystal.rotation_deg))).unwrap();
        let found = &hops.kinds[0];
        watched += found.watched_s;
        paths += found.d_nm2_s.value * found.watched_s;
        inside += usize::from(found.d_nm2_s.low < 1e-4 && 1e-4 < found.d_nm2_s.high);
        assert!(found.hops > 8 && found.bias_p > 0.005, "{hops:?}");
        assert_eq!(hops.table().unwrap().height(), hops.hops.len());
        let diffusion = tracks.diffusion_with(&DiffusionOptions::default().with_models(false)).unwrap();
        let d = diffusion.kinds[0].d_nm2_s;
        assert!((d.value / found.d_nm2_s.value - 1.0).abs() < 0.4, "{diffusion:?} {hops:?}");
    }
    let d = paths / watched;
    assert!((d / 1e-4 - 1.0).abs() < 0.33, "{d} nm²/s");
    assert!(inside >= 3, "{inside} of 4 intervals hold it");
}

fn is(table: &DataFrame, species: &str) -> atomotion::polars::prelude::BooleanChunked {
    let column = table.column("species").unwrap().str().unwrap();
    column.iter().map(|s| Some(s == Some(species))).collect()
}

/// Lattice vectors `[y, x]` of a crystal that is turned in its movie.
fn turn(cell: [[f64; 2]; 2], degrees: f64) -> [[f64; 2]; 2] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    cell.map(|[y, x]| [sin * x + cos * y, cos * x - sin * y])
}

/// The simulation places vacancies beside dopants as a binding of 0.06 eV at 300 K asks for.
#[test]
fn dopants_and_vacancies_are_coupled_as_simulated() {
    let composition = Composition::default().with_dopant(0.03).with_single(0.02).with_double(0.0);
    let imaging = Imaging::clean().with_size_px(400).with_s_per_frame(5.0);
    let experiment = Experiment::ws2().with_imaging(imaging).with_frames(3);
    let matter = |binding: f64| {
        let mut matter = Matter::ws2().with_composition(composition);
        matter.kinetics = matter.kinetics.with_binding_ev(binding).with_cluster_ev(0.0);
        matter
    };
    let crystal = Matter::ws2().crystal;
    let coupling = Coupling::default()
        .with_lattice_nm(Some(turn(crystal.cell_nm, crystal.rotation_deg)))
        .with_draws(999)
        .with_windows(1)
        .with_reach_nm(1.5);
    let bound = experiment.clone().with_matter(matter(0.06)).simulate(5).unwrap();
    let found = coupling.between(&bound, "Mo_W", "V_S").unwrap();
    assert!(found.p_global <= 0.01 && found.adjacent.p <= 0.01 && found.adjacent.ratio.low > 1.5, "{found:?}");
    let first = found.points.iter().find(|p| (p.from_nm..p.to_nm).contains(&0.182)).unwrap();
    assert!(first.relative > 2.0 && first.p_holm <= 0.05, "{first:?}");
    let energies = coupling.energies(&bound, "Mo_W", "V_S", &[0.182, 0.364], 300.0).unwrap();
    let nearest = energies.shells[0].energy_ev;
    assert!(nearest.low < -0.06 && -0.06 < nearest.high, "{energies:?}");
    let free = experiment.with_matter(matter(0.0)).simulate(6).unwrap();
    let none = coupling.between(&free, "Mo_W", "V_S").unwrap();
    assert!(none.p_global > 0.01 && none.adjacent.ratio.low < 1.0, "{none:?}");
    let all = coupling.co_occurrence(&bound).unwrap();
    let pair = all.pairs.iter().find(|p| (p.a.as_str(), p.b.as_str()) == ("Mo_W", "V_S")).unwrap();
    assert!(pair.p_holm <= 0.05 && pair.p <= pair.p_bh && pair.p_bh <= pair.p_holm, "{all:?}");
}

/// Counts of a Poisson variable with mean 12, half of them detected, a fifth of what is detected false.
#[test]
fn concentrations_are_corrected_and_their_bands_hold() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let (mut f, mut kind) = (vec![], vec![]);
    for frame in 0..400_u32 {
        let mut clock = 0.0;
        loop {
            // A detected mean of 7.5: of 12 true ones a half, and a fifth more that are false.
            clock -= (1.0 - rng.r#gen::<f64>()).ln() / 7.5;
            if clock > 1.0 {
                break;
            }
            f.push(frame);
            kind.push("V_S");
        }
        f.push(frame);
        kind.push("Mo_W");
    }
    let n = f.len();
    let place: Vec<f64> = (0..n).map(|_| rng.gen_range(0.0..100.0)).collect();
    let table = df!("frame" => f, "species" => kind, "y_px" => &place, "x_px" => place.iter().rev().copied().collect::<Vec<_>>())
        .unwrap();
    let sure = |value: f64| atomotion::detect::Interval { value, low: value, high: value };
    let options = Concentration::default()
        .with_detection("V_S", sure(0.5), sure(0.8))
        .with_area_nm2(Some(60.0))
        .with_nm2_per_site(Some(0.0862));
    let amounts = options.of(&table).unwrap();
    let counts = amounts.of("V_S").unwrap();
    assert_eq!(counts.len(), 400);
    let mean = counts.iter().map(|c| c.amount.total.value).sum::<f64>() / 400.0;
    assert!((mean - 12.0).abs() < 0.7, "{mean}"); // the standard deviation of this mean is 0.22
    let inside = counts.iter().filter(|c| (c.amount.total.low..=c.amount.total.high).contains(&12.0)).count();
    assert!(inside >= 372, "{inside} of 400 intervals hold the mean"); // 380 expected, deviation 4.4
    let one = counts[0].amount;
    assert!((one.per_nm2.unwrap().value * 60.0 - one.total.value).abs() < 1e-9);
    assert!((one.per_site.unwrap().value * 60.0 / 0.0862 - one.total.value).abs() < 1e-6);
    let table_of = amounts.table().unwrap();
    assert_eq!(table_of.height(), 800);
    assert!(table_of.column("per_site_high").is_ok());
    // Squares of the field, for points that stand independently: the same.
    let blocks = options.clone().with_bands(Bands::Blocks).of(&table).unwrap();
    let inside = blocks.of("V_S").unwrap().iter();
    let inside = inside.filter(|c| (c.amount.total.low..=c.amount.total.high).contains(&12.0)).count();
    assert!(inside >= 350, "{inside} of 400 resampled intervals hold the mean"); // of few points they are short
    says(amounts.of("V_X"), &["no V_X", "Mo_W, V_S"]);
    says(options.clone().with_detection("Xy", sure(0.5), sure(0.5)).of(&table), &["no Xy"]);
    says(options.clone().with_detection("V_S", sure(0.0), sure(0.5)).of(&table), &["recall", "V_S"]);
    says(options.clone().with_frames(Some(7)).of(&table), &["frames = 7", "400 or more"]);
}

#[test]
fn concentrations_use_the_area_that_is_left() {
    let recording =
        Experiment::ws2().with_frames(20).with_imaging(Imaging::clean().with_size_px(160)).simulate(2).unwrap();
    let amounts = concentration(&recording).unwrap();
    let known = recording.per_frame().unwrap();
    for (kind, counts) in amounts.kinds() {
        let seen: Vec<u32> = counts.iter().map(|c| c.seen as u32).collect();
        assert_eq!(seen, known[kind], "{kind}");
    }
    assert!(!amounts.per_area());
    let rates = amounts.trends();
    assert!(rates.iter().all(|t| t.per_s.low <= t.per_s.value && t.per_s.value <= t.per_s.high), "{rates:?}");
}

/// Kinds of motion of tracks in a table, as a user would ask.
#[test]
fn kinds_of_motion_are_told() {
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    let (mut f, mut t, mut y, mut x, mut s) = (vec![], vec![], vec![], vec![], vec![]);
    for track in 0..30_u32 {
        let species = ["free", "held", "still"][track as usize % 3];
        let mut at = [0.0_f64; 2];
        for frame in 0..40_u32 {
            let keep = if species == "held" { 0.6 } else { 1.0 };
            let step = if species == "still" { 0.0 } else { 0.04 };
            at = at.map(|v| keep * v + step * normal(&mut rng));
            f.push(frame);
            t.push(track);
            s.push(species);
            y.push(at[0] + 0.02 * normal(&mut rng));
            x.push(at[1] + 0.02 * normal(&mut rng));
        }
    }
    let table = df!("frame" => f, "track" => t, "species" => s, "y_px" => &y, "x_px" => &x, "y_nm" => &y, "x_nm" => &x);
    let tracks = Tracks::of(&table.unwrap()).unwrap();
    let diffusion = tracks.diffusion().unwrap();
    let of = |kind: &str| diffusion.kinds.iter().find(|k| k.kind == kind).unwrap();
    assert_eq!([of("free").moves, of("held").moves, of("still").moves], [Moves::Free, Moves::Confined, Moves::Still]);
    let alpha = of("free").alpha.unwrap();
    assert!(alpha.low < 1.0 && 1.0 < alpha.high && alpha.high - alpha.low < 0.6, "{alpha:?}");
    // Half a mean squared step a frame: 0.04² / 2 nm² in a second.
    let d = of("free").likely_d_nm2_s.unwrap();
    assert!(d.low < 8e-4 && 8e-4 < d.high, "{d:?}");
    assert!((of("still").error_nm / 0.02 - 1.0).abs() < 0.15, "{}", of("still").error_nm);
    // 0.04 / √(1 - 0.6²) is how far the held ones get.
    let size = of("held").size_nm.unwrap();
    assert!(size.low < 0.05 && 0.05 < size.high, "{size:?}");
    assert!(format!("{diffusion:?}").contains("motion confined"));
    let msd = tracks.msd(20).unwrap();
    assert_eq!(msd.table().unwrap().height(), 60);
}

#[test]
fn tables_that_cannot_be_followed() {
    let empty = df!("frame" => Vec::<u32>::new(), "y_px" => Vec::<f64>::new(), "x_px" => Vec::<f64>::new()).unwrap();
    let linker = Linker::default();
    says(linker.link(&empty), &["not one defect"]);
    says(concentration(&empty), &["not one defect"]);
    let one = df!("frame" => [5_u32, 5], "y_px" => [1.0, 1.0], "x_px" => [2.0, 2.0]).unwrap();
    // One frame, and two defects at the same place: two tracks, which have no displacement.
    let tracks = linker.link(&one).unwrap();
    assert_eq!((tracks.len(), tracks.of_rows()), (2, &[0, 1][..]));
    says(tracks.msd(3), &["no track", "two frames"]);
    says(tracks.diffusion(), &["three positions"]);
    says(tracks.hops(&Hopping::on([[0.0, 1.0], [1.0, 0.0]])), &["two successive frames"]);
    says(tracks.hops(&Hopping::on([[0.0, 1.0], [0.0, 2.0]])), &["lattice_nm", "not parallel"]);
    says(tracks.msd(0), &["lags = 0"]);
    assert_eq!(tracks.per_track().unwrap().height(), 2);
    let lacking = one.drop("x_px").unwrap();
    says(linker.link(&lacking), &["no column x_px"]);
    let nan = df!("frame" => [0_u32, 1], "y_px" => [1.0, f64::NAN], "x_px" => [2.0, 2.0]).unwrap();
    says(linker.link(&nan), &["y_px of row 1", "not finite"]);
    let missing = df!("frame" => [Some(0_u32), None], "y_px" => [1.0, 1.0], "x_px" => [2.0, 2.0]).unwrap();
    says(linker.link(&missing), &["frame", "missing"]);
    let twice = df!("frame" => [3_u32, 3], "y_px" => [1.0, 2.0], "x_px" => [2.0, 2.0], "track" => [7_u32, 7]).unwrap();
    says(Tracks::of(&twice), &["track 7", "two rows in frame 3"]);
    says(Tracks::of(&one), &["no column track", "Linker"]);
    // Frames that are far apart, unsorted, with numbers that are not small: no link, and no memory for the gap.
    let gap = df!("frame" => [4_000_000_000_u32, 0], "y_px" => [1.0, 1.0], "x_px" => [2.0, 2.0]).unwrap();
    assert_eq!(linker.link(&gap).unwrap().of_rows(), [1, 0]);
    says(concentration(&gap), &["number of frames"]);
}

#[test]
fn options_out_of_range() {
    let table =
        df!("frame" => [0_u32, 1], "y_px" => [1.0, 1.0], "x_px" => [2.0, 2.0], "species" => ["a", "b"]).unwrap();
    let linker = Linker::default();
    says(linker.clone().with_search_px(0.0).link(&table), &["search_px = 0"]);
    says(linker.clone().with_search_px(f64::NAN).link(&table), &["search_px = NaN"]);
    says(linker.clone().with_class_px2(-1.0).link(&table), &["class_px2 = -1"]);
    says(linker.clone().with_by(Some("state".into())).link(&table), &["no column state"]);
    says(linker.with_class_px2(1.0).link(&table.drop("species").unwrap()), &["class_px2", "neither"]);
    let coupling = Coupling::default();
    says(coupling.clone().with_reach_nm(-1.0).between(&table, "a", "b"), &["reach_nm = -1"]);
    says(coupling.clone().with_draws(3).between(&table, "a", "b"), &["draws = 3"]);
    says(coupling.between(&table, "a", "c"), &["no c", "a, b"]);
    says(coupling.between(&table, "a", "a"), &["no column track"]);
    says(coupling.clone().with_null(Null::Relabel).between(&table, "a", "b"), &["no column track"]);
    says(coupling.energies(&table, "a", "b", &[0.3, 0.2], 300.0), &["shells_nm", "ascending"]);
    says(coupling.energies(&table, "a", "b", &[0.3], 0.0), &["temperature_k = 0"]);
    says(Concentration::default().with_blocks(1).of(&table), &["blocks = 1"]);
    says(Concentration::default().with_alpha(0.0001).of(&table), &["alpha", "resamples"]);
    says(score_links(&table, &table, 0.0, 0), &["within_px = 0"]);
}

/// Every figure of the room shows what it must, and is drawn.
#[test]
fn figures_show_what_they_should() {
    let recording = vacancies(3);
    let tracks = Tracks::of(&recording.truth).unwrap();
    let frame = recording.movie.frame(0).unwrap();
    let crystal = &recording.experiment.matter.crystal;
    let lattice = turn(crystal.cell_nm, crystal.rotation_deg);
    let roses = tracks.hops(&Hopping::on(lattice)).unwrap().figures();
    let coupling = Coupling::default().with_lattice_nm(Some(lattice)).with_draws(39);
    let coupled = coupling.between(&tracks, "V_S", "V_S").unwrap();
    let energies = coupling.energies(&tracks, "V_S", "V_S", &[0.3155, 0.5465, 0.631], 300.0).unwrap();
    let figures = [
        (tracks.figure().unwrap(), "x (nm)"),
        (tracks.over(&frame).unwrap(), "time (s)"),
        (tracks.kinds_figure().unwrap(), "V_S"),
        (tracks.space_time_figure().unwrap(), "time (s)"),
        (tracks.msd(15).unwrap().figure(), "lag (s)"),
        (concentration(&tracks).unwrap().figure(), "defects in a frame"),
        (roses[0].clone(), "hops"),
        (coupled.figure(), "95 % without coupling"),
        (energies.figure(), "eV"),
    ];
    let folder = std::env::var_os("ATOMOTION_FIGURES").map(std::path::PathBuf::from);
    for (i, (figure, words)) in figures.iter().enumerate() {
        assert!(figure.to_svg().unwrap().contains(words), "{figure:?} does not say {words}");
        let png = figure.to_png(1.0).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert!(pixels.iter().filter(|&&v| v < 200).count() > pixels.len() / 200, "{figure:?} is nearly blank");
        if let Some(folder) = &folder {
            figure.save(folder.join(format!("dynamics-{i}.png"))).unwrap();
        }
    }
}

/// A movie that drifts by pixels: on the specimen its dopants stay, and its vacancies hop as often as the simulation says.
#[test]
fn common_motion_is_the_drift() {
    let imaging = Imaging::clean().with_size_px(256).with_s_per_frame(5.0);
    let recording = Experiment::ws2().with_imaging(imaging).with_frames(40).simulate(11).unwrap();
    let tracks = Tracks::of(&recording.truth).unwrap();
    let still = tracks.without_common_motion().unwrap();
    let ranges = |of: &Tracks| {
        let y = || col("y_px").cast(polars::prelude::DataType::Float64);
        let each = of.table().clone().lazy().filter(col("species").eq(lit("Mo_W")));
        let each = each.group_by([col("track")]).agg([(y().max() - y().min()).alias("range")]).collect().unwrap();
        each.column("range").unwrap().f64().unwrap().iter().flatten().fold(0.0, f64::max)
    };
    assert!(ranges(&tracks) > 3.0 * ranges(&still), "{} {}", ranges(&tracks), ranges(&still));
    assert!(ranges(&still) < 0.7, "{}", ranges(&still));
    let same = tracks.on_specimen(&MeasuredDrift::known(&drift_of(&recording), recording.movie.calibration()).unwrap());
    assert!(ranges(&same.unwrap()) < 0.7);
    let lattice = Lattice::find(&recording.movie.frame(0).unwrap().data).unwrap();
    let hops = |of: &Tracks| of.hops(&Hopping::on_lattice(&lattice, recording.movie.calibration())).unwrap().hops.len();
    let events = recording.evolution.events_table().unwrap();
    let moves = events.column("move").unwrap().str().unwrap().iter().flatten().filter(|e| ["hop", "turn"].contains(e));
    let moves = moves.count();
    // Not all of the specimen is in the frame.
    assert!((moves / 4..=moves).contains(&hops(&still)), "{} of {moves}", hops(&still));
    assert!(hops(&tracks) > 2 * moves, "{} of {moves}", hops(&tracks));
    let moved = still.table().clone().lazy().filter(col("species").eq(lit("Mo_W"))).collect().unwrap();
    assert_eq!(hops(&Tracks::of(&moved).unwrap()), 0);
    // Too few to tell what they share.
    let first: Vec<u32> = still.table().column("track").unwrap().u32().unwrap().iter().flatten().take(4).collect();
    let some = first.into_iter().map(|t| col("track").eq(lit(t))).reduce(|a, b| a.or(b)).unwrap();
    let few = still.table().clone().lazy().filter(some).collect().unwrap();
    says(Tracks::of(&few).unwrap().without_common_motion(), &["at least 5", "on_specimen"]);
}

fn drift_of(recording: &Recording) -> Vec<[f64; 2]> {
    let table = recording.drift().unwrap();
    let column = |name: &str| table.column(name).unwrap().f64().unwrap().iter().flatten().collect::<Vec<f64>>();
    column("y_px").into_iter().zip(column("x_px")).map(|(y, x)| [y, x]).collect()
}
