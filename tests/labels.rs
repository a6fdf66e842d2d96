//! Labels, whatever the frame: against planted truth, and beside the limit of what any method could find.

mod common;
#[path = "common/planted.rs"]
mod planted;

use atomotion::prelude::*;
use planted::{Group, Planted, Specimen};

/// One row of the table: what is looked at, how, and the least that must come out.
struct Case {
    name: &'static str,
    specimen: Specimen,
    imaging: Imaging,
    /// What is done to the frame afterwards.
    spoil: fn(&Array2<f32>) -> Array2<f32>,
    /// Least F1 of dark on the first kind of site, of dark on the second, of bright, as fractions of the limit: what was
    /// measured when this was written, less some two standard deviations of so few defects (three frames hold 20 to
    /// 200 of a group).
    least: [f64; 3],
    /// At most so many times as many false labels as announced. At 1000 counts what the lattice leaves of contamination
    /// and row shifts is as strong as the noise, and is no noise.
    most_false: f64,
}

fn as_it_is(frame: &Array2<f32>) -> Array2<f32> {
    frame.clone()
}

/// Eight bits from darkest to brightest, as exported pictures are.
fn eight_bits(frame: &Array2<f32>) -> Array2<f32> {
    let (low, high) = frame.iter().fold((f32::MAX, f32::MIN), |(lo, hi), &v| (lo.min(v), hi.max(v)));
    frame.mapv(|v| (255.0 * (v - low) / (high - low)).round())
}

/// No unit and no zero: as a file with a "scaled" axis has it.
fn unitless(frame: &Array2<f32>) -> Array2<f32> {
    frame.mapv(|v| 1e-4 * v - 0.3)
}

fn pixels(period_px: f64, size_px: usize) -> Imaging {
    // The dose of a clean movie for each column, however many pixels it is spread over.
    let imaging = Imaging::clean().with_size_px(size_px);
    let dose = imaging.electrons_per_nm2;
    imaging.with_nm_per_px(0.3155 / period_px).with_electrons_per_nm2(dose)
}

fn cases() -> Vec<Case> {
    let clean = || Imaging::clean().with_size_px(384);
    let case =
        |name, specimen, imaging, least| Case { name, specimen, imaging, spoil: as_it_is, least, most_false: 2.0 };
    let contaminated = clean().with_carbon_per_nm2(600.0);
    // A C column of 60 counts: W would have seventy times as many.
    let graphene = Imaging::clean().with_size_px(384).with_carbon_per_nm2(4.0).with_counts_at_w(4300.0);
    vec![
        case("clean", Specimen::Ws2, clean(), [0.9, 0.7, 0.7]),
        case("as recorded", Specimen::Ws2, Imaging::as_recorded(), [0.8, 0.0, 0.85]),
        case("20 counts", Specimen::Ws2, clean().with_counts_at_w(20.0), [0.85, 0.25, 0.7]),
        Case {
            most_false: 5.0,
            ..case("1000 counts", Specimen::Ws2, clean().with_counts_at_w(1000.0), [0.7, 0.5, 0.5])
        },
        case("5 px a period", Specimen::Ws2, pixels(5.0, 192), [0.85, 0.6, 0.55]),
        case("20 px a period", Specimen::Ws2, pixels(20.0, 512), [0.7, 0.6, 0.5]),
        case("40 px a period", Specimen::Ws2, pixels(40.0, 768), [0.6, 0.4, 0.4]),
        case("heavy contamination", Specimen::Ws2, contaminated, [0.8, 0.4, 0.8]),
        case("tilted and sheared", Specimen::Tilted, clean(), [0.8, 0.5, 0.7]),
        case("offset of 10000", Specimen::Ws2, clean().with_offset(10_000.0), [0.9, 0.7, 0.7]),
        Case { spoil: eight_bits, ..case("eight bits", Specimen::Ws2, clean(), [0.85, 0.6, 0.65]) },
        Case { spoil: unitless, ..case("unitless", Specimen::Ws2, clean(), [0.9, 0.7, 0.7]) },
        case("graphene", Specimen::Graphene, graphene, [0.85, 0.85, 0.7]),
    ]
}

fn frame(case: &Case, defects: bool, seed: u64) -> (Frame, Planted) {
    let planted = Planted::new(case.specimen, &case.imaging, defects, seed);
    (Frame::new((case.spoil)(&planted.counts), case.imaging.calibration().unwrap()), planted)
}

#[test]
fn a_wide_range_of_frames_is_labelled() {
    println!("{:20} {:>7} {:>7}  false at 3.5  F1 of groups / limit", "", "period", "found");
    let mut wrong = vec![];
    for case in cases() {
        let (mut announced, mut false_found) = (0.0, 0.0);
        let mut scores = [Score { hits: 0, false_alarms: 0, misses: 0 }; 3];
        let mut periods = (0.0, 0.0);
        for seed in 0..3 {
            let (pure, _) = frame(&case, false, 100 + seed);
            let labels = PeriodicityBreak::default().with_threshold(3.5).label(&pure).unwrap();
            announced += labels.expected_false;
            false_found += labels.len() as f64;
            let (doped, planted) = frame(&case, true, seed);
            let labels = PeriodicityBreak::default().label(&doped).unwrap();
            periods = (planted.period_px, labels.lattice.period_px);
            let found: Vec<_> =
                labels.regions.iter().map(|r| (f64::from(r.y_px), f64::from(r.x_px), r.sign == Sign::Bright)).collect();
            scores.iter_mut().zip(planted.scores(&found)).for_each(|(sum, s)| *sum += s);
        }
        let limits = case.specimen.limits(&case.imaging);
        print!("{:20} {:7.3} {:7.3} {:>6.0} of {:<6.1}", case.name, periods.0, periods.1, false_found, announced);
        for (group, (s, limit)) in
            [Group::DarkFirst, Group::DarkSecond, Group::Bright].iter().zip(scores.iter().zip(limits))
        {
            print!(" {group:?} {:.2}/{limit:.2} ({} {} {})", s.f1(), s.hits, s.false_alarms, s.misses);
        }
        println!();
        let mut must = |well: bool, what: String| wrong.extend((!well).then_some(format!("{}: {what}", case.name)));
        must((periods.1 / periods.0 - 1.0).abs() < 0.01, format!("period {}", periods.1));
        let (most, fewest) = (case.most_false * announced, announced / 3.0);
        must(false_found < most && false_found > fewest, format!("{false_found} false, {announced} announced"));
        for (s, (limit, least)) in scores.iter().zip(limits.into_iter().zip(case.least)) {
            must(s.f1() >= least * limit, format!("{s}, and the limit is {limit:.2}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A frame with planted defects, and its labels.
fn labelled() -> (Labels, Planted) {
    let imaging = Imaging::clean().with_size_px(256);
    let planted = Planted::new(Specimen::Ws2, &imaging, true, 5);
    let frame = Frame::new(planted.counts.clone(), imaging.calibration().unwrap());
    (PeriodicityBreak::default().label(&frame).unwrap(), planted)
}

fn at(labels: &Labels, y: f32, x: f32) -> Option<Region> {
    labels.regions.iter().copied().find(|r| (r.y_px - y).hypot(r.x_px - x) < 1.5)
}

/// What is added or erased by hand stays so at any threshold, and is said.
#[test]
fn labels_are_corrected_by_hand() {
    let (labels, _) = labelled();
    let first = labels.regions[0];
    let (y, x) = (f64::from(first.y_px), f64::from(first.x_px));
    assert!(at(&labels, 20.0, 200.0).is_none());
    let edited = labels.without(y + 1.0, x - 1.0).unwrap().with_defect(20.0, 200.0, Sign::Bright).unwrap();
    assert_eq!(edited.len(), labels.len());
    for threshold in [3.0, 4.5, 6.0, 50.0] {
        let moved = edited.at_threshold(threshold).unwrap();
        assert!(at(&moved, first.y_px, first.x_px).is_none_or(|r| r.sign != first.sign), "at {threshold}");
        let added = at(&moved, 20.0, 200.0).unwrap();
        assert_eq!((added.sign, added.source), (Sign::Bright, LabelSource::ByHand));
    }
    assert_eq!(edited.at_threshold(50.0).unwrap().len(), 1);
    assert_eq!((edited.added().len(), edited.erased()), (1, &[first][..]));
    assert!(format!("{edited:?}").contains("1 added and 1 erased by hand"), "{edited:?}");
    // What was added can be taken away again, and what was erased be told to be one.
    let undone = edited.without(20.0, 200.0).unwrap().with_defect(y, x, first.sign).unwrap();
    assert_eq!((undone.added().len(), undone.len()), (1, labels.len()));
    assert_eq!(at(&undone, first.y_px, first.x_px).unwrap().source, LabelSource::ByHand);
    // Where one was found, the person's word counts.
    let other = if first.sign == Sign::Dark { Sign::Bright } else { Sign::Dark };
    let corrected = labels.with_defect(y, x, other).unwrap();
    assert_eq!((corrected.len(), at(&corrected, first.y_px, first.x_px).unwrap().sign), (labels.len(), other));
}

#[test]
fn corrections_that_make_no_sense_are_refused() {
    let (labels, _) = labelled();
    let message = |result: atomotion::Result<Labels>| result.map(|_| ()).unwrap_err().to_string();
    let outside = message(labels.with_defect(20.0, 256.0, Sign::Dark));
    assert!(outside.contains("x_px = 256") && outside.contains("from 0 to 255 px"), "{outside}");
    assert!(message(labels.with_defect(f64::NAN, 1.0, Sign::Dark)).contains("y_px = NaN"));
    assert!(message(labels.without(-3.0, 10.0)).contains("y_px = -3"));
    // The middle of the emptiest place.
    let nearest =
        |y: f32, x: f32| labels.regions.iter().map(|r| (r.y_px - y).hypot(r.x_px - x)).fold(f32::MAX, f32::min);
    let places = (0..128).flat_map(|y| (0..128).map(move |x| (2.0 * y as f32, 2.0 * x as f32)));
    let (y, x) = places.max_by(|a, b| nearest(a.0, a.1).total_cmp(&nearest(b.0, b.1))).unwrap();
    let none = message(labels.without(f64::from(y), f64::from(x)));
    assert!(
        none.contains(&format!("the nearest is {:.1} px away", nearest(y, x))) && none.contains("half a period"),
        "{none}"
    );
    let empty = labels.at_threshold(1000.0).unwrap();
    assert!(empty.is_empty());
    assert!(message(empty.without(10.0, 10.0)).contains("no label to take away"));
}

/// Truth, table, mask and positions say the same of the same frame; each says where it is from.
#[test]
fn labels_come_from_elsewhere() {
    let imaging = Imaging::clean().with_size_px(256);
    let recording = Experiment::ws2().with_frames(2).with_imaging(imaging).simulate(4).unwrap();
    for index in 0..2 {
        let frame = recording.movie.frame(index).unwrap();
        let truth = common::truth(&recording.truth, index as u32, "");
        let labels = Labels::from_truth(&frame, &recording.truth).unwrap();
        assert!(truth.len() > 20 && labels.regions.iter().all(|r| r.source == LabelSource::Truth));
        let own = labels.score_against(&truth, 0.01).unwrap();
        assert_eq!((own.hits, own.false_alarms, own.misses), (truth.len(), 0, 0));
        let dark = common::truth(&recording.truth, index as u32, "Mo_W");
        assert!(dark.iter().all(|p| at(&labels, p.0, p.1).is_some_and(|r| r.sign == Sign::Dark)));
        // In nanometres, frame by frame, signs by hand.
        let table = recording.truth.select(["frame", "y_nm", "x_nm"]).unwrap();
        let by_table = Labels::from_table(&frame, &table).unwrap();
        assert_eq!(by_table.score_against(&truth, 0.02).unwrap().hits, truth.len());
        let by_positions = Labels::from_positions(&frame, &truth).unwrap();
        let signs = |labels: &Labels| truth.iter().map(|p| at(labels, p.0, p.1).unwrap().sign).collect::<Vec<_>>();
        assert_eq!(signs(&by_table), signs(&by_positions));
        // What the frame itself shows is the truth but for a few vacancies of one S, at this dose.
        let agree = signs(&by_positions).iter().zip(signs(&labels)).filter(|(a, b)| **a == *b).count();
        assert!(agree * 10 >= truth.len() * 9, "{agree} of {}", truth.len());
        // Discs of 2 px do not touch, so that each is a label.
        let mask = recording.mask(index, 0.064).unwrap();
        let by_mask = Labels::from_mask(&frame, &mask).unwrap();
        let s = by_mask.score_against(&truth, 1.0).unwrap();
        assert!(s.f1() > 0.97, "{s}"); // discs cut by the border have their centres elsewhere
        let flags = Labels::from_mask(&frame, &mask.mapv(|m| m > 0)).unwrap();
        assert_eq!(flags.len(), by_mask.len());
    }
}

#[test]
fn tables_and_masks_that_do_not_fit_are_refused() {
    let (labels, _) = labelled();
    let frame = &labels.frame;
    let refused = |table: DataFrame| Labels::from_table(frame, &table).map(|_| ()).unwrap_err().to_string();
    let says =
        |message: String, words: &[&str]| words.iter().for_each(|w| assert!(message.contains(w), "{w}: {message}"));
    says(refused(df!("y" => [1.0], "x" => [2.0]).unwrap()), &["y_px and x_px", "it has y, x"]);
    says(
        refused(df!("y_px" => [1.0, 300.0], "x_px" => [2.0, 3.0]).unwrap()),
        &["row 1", "y_px = 300", "from 0 to 255"],
    );
    says(refused(df!("y_px" => [Some(1.0), None], "x_px" => [2.0, 3.0]).unwrap()), &["row 1", "missing"]);
    says(refused(df!("y_px" => ["a"], "x_px" => [2.0]).unwrap()), &["column y_px", "not numbers"]);
    says(refused(df!("y_px" => [1.0], "x_px" => [2.0], "sign" => ["up"]).unwrap()), &["row 0", "\"up\"", "dark"]);
    says(
        Labels::from_truth(frame, &df!("y_px" => [1.0], "x_px" => [2.0]).unwrap()).map(|_| ()).unwrap_err().to_string(),
        &["frame"],
    );
    let bare = Frame::new(frame.data.clone(), Calibration::default());
    let nm = df!("y_nm" => [1.0], "x_nm" => [2.0]).unwrap();
    says(Labels::from_table(&bare, &nm).map(|_| ()).unwrap_err().to_string(), &["nm", "not calibrated"]);
    let mask = Array2::<u8>::zeros((10, 256));
    says(Labels::from_mask(frame, &mask).map(|_| ()).unwrap_err().to_string(), &["10 x 256", "256 x 256"]);
    // An empty set is one, and says so; a hole in a mask is no point defect.
    let none = Labels::from_table(frame, &df!("y_px" => [1.0], "x_px" => [2.0], "frame" => [7]).unwrap()).unwrap();
    assert!(none.is_empty() && format!("{none:?}").contains("No label was given"), "{none:?}");
    says(Detector::train(&none, &Training::default()).map(|_| ()).unwrap_err().to_string(), &["no label"]);
    let hole = Array2::from_shape_fn((256, 256), |(y, x)| y > 100 && y < 150 && x < 60 || (y, x) == (20, 20));
    let holed = Labels::from_mask(frame, &hole).unwrap();
    assert_eq!(holed.len(), 1);
    assert!(format!("{holed:?}").contains("1 region is larger"), "{holed:?}");
}

/// Graphene and labels by hand can be learned from, as those that were found.
#[test]
fn told_labels_can_be_learned_from() {
    let _turn = common::one_at_a_time();
    let imaging = Imaging::clean().with_size_px(192).with_carbon_per_nm2(4.0).with_counts_at_w(4300.0);
    let planted = Planted::new(Specimen::Graphene, &imaging, true, 2);
    let frame = Frame::new(planted.counts.clone(), imaging.calibration().unwrap());
    let labels =
        Labels::from_positions(&frame, &planted.defects()).unwrap().with_defect(90.0, 90.0, Sign::Dark).unwrap();
    let detector = Detector::train(&labels, &Training::default().with_steps(3).with_batch(4)).unwrap();
    assert!(detector.losses().iter().all(|l| l.is_finite()));
}

/// Several frames are labelled, each by itself.
#[test]
fn several_frames_are_labelled() {
    let movie = Ws2::default().with_size_px(128).with_frames(3).simulate(3).unwrap().movie;
    let all = PeriodicityBreak::default().label_frames(&movie, &[2, 0]).unwrap();
    assert_eq!(all.iter().map(|l| l.frame.index).collect::<Vec<_>>(), [2, 0]);
    let one = PeriodicityBreak::default().label(&movie.frame(2).unwrap()).unwrap();
    assert_eq!(all[0].regions, one.regions);
    let wrong = |frames: &[usize]| {
        PeriodicityBreak::default().label_frames(&movie, frames).map(|_| ()).unwrap_err().to_string()
    };
    assert!(wrong(&[0, 3]).contains("no frame 3"));
    assert!(wrong(&[]).contains("at least one frame"));
}

/// A lattice of WS2's periodicity displaced by u(r), with noise.
fn displaced(u: impl Fn(f64, f64) -> [f64; 2], noise: f64, seed: u64) -> Frame {
    use rand::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let waves: Vec<[f64; 2]> = (0..3)
        .map(|k| libm::sincos((7.0 + 60.0 * f64::from(k)).to_radians()))
        .map(|(s, c)| [0.115 * s, 0.115 * c])
        .collect();
    let data = Array2::from_shape_fn((320, 320), |(y, x)| {
        let [uy, ux] = u(y as f64, x as f64);
        let at = |g: &[f64; 2]| (std::f64::consts::TAU * (g[0] * (y as f64 - uy) + g[1] * (x as f64 - ux))).cos();
        // Twelve uniform numbers have variance 1.
        let normal = (0..12).map(|_| rng.r#gen::<f64>()).sum::<f64>() - 6.0;
        (100.0 + waves.iter().map(at).sum::<f64>() * 10.0 + noise * normal) as f32
    });
    Frame::new(data, Calibration::new(0.032, 1.0).unwrap())
}

/// Root mean square of a map less what was planted, each about its own median, where there is a number.
fn off(map: &Array2<f32>, planted: impl Fn(f64, f64) -> f64) -> f64 {
    let places = map.indexed_iter().filter(|(_, v)| v.is_finite());
    let pairs: Vec<(f64, f64)> = places.map(|((y, x), v)| (f64::from(*v), planted(y as f64, x as f64))).collect();
    assert!(pairs.len() > map.len() / 2, "{} places have a number", pairs.len());
    let mut sorted: Vec<f64> = pairs.iter().map(|p| p.1).collect();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    (pairs.iter().map(|(v, p)| (v - p + median).powi(2)).sum::<f64>() / pairs.len() as f64).sqrt()
}

/// Wavelength and height of a displacement in pixels.
const L: f64 = 160.0;
const U: f64 = 0.3;

fn sine(v: f64) -> f64 {
    U * (std::f64::consts::TAU * v / L).sin()
}

/// Each part of a planted strain comes back, smaller by what the window's width says, and the others are not moved by it;
/// with noise, the error is the one that is announced.
#[test]
fn planted_strain_comes_back() {
    let k = std::f64::consts::TAU / L;
    let strain = |frame: &Frame| PeriodicityBreak::default().label(frame).unwrap().strain().unwrap();
    // (displacement, derivative planted in): along x by x, along y by y, along x by y, along y by x.
    type Displacement = fn(f64, f64) -> [f64; 2];
    let cases: [(Displacement, bool, [f64; 4]); 4] = [
        (|_, x| [0.0, sine(x)], true, [1.0, 0.0, 0.0, 0.0]),
        (|y, _| [sine(y), 0.0], false, [0.0, 1.0, 0.0, 0.0]),
        (|y, _| [0.0, sine(y)], false, [0.0, 0.0, 0.5, -0.5]),
        (|_, x| [sine(x), 0.0], true, [0.0, 0.0, 0.5, 0.5]),
    ];
    for (u, along_x, parts) in cases {
        let found = strain(&displaced(u, 1.0, 3));
        let window = f64::from(found.window_px);
        let seen = U * k * (-0.5 * (k * window).powi(2)).exp();
        for (map, part) in [&found.e_xx, &found.e_yy, &found.e_xy, &found.rotation].into_iter().zip(parts) {
            let planted = |y: f64, x: f64| part * seen * (k * if along_x { x } else { y }).cos();
            let off = off(map, planted);
            // 5 % of the planted strain (borders, where windows are cut) and twice what noise gives.
            assert!(off < 0.05 * seen + 2.0 * f64::from(found.error), "{off} of {seen}, {found:?}");
        }
    }
    for noise in [5.0, 20.0] {
        let found = strain(&displaced(|_, _| [0.0, 0.0], noise, 4));
        let off = off(&found.e_xx, |_, _| 0.0).max(off(&found.e_yy, |_, _| 0.0));
        println!("noise {noise}: {off:.5}, announced {:.5}", found.error);
        // Some forty independent windows: good to 12 %, and cut windows add to it.
        assert!(off < 1.5 * f64::from(found.error) && off > 0.6 * f64::from(found.error), "{off}, {found:?}");
    }
}

#[test]
fn strain_says_what_it_cannot_do() {
    let (labels, _) = labelled();
    let message = |r: atomotion::Result<Strain>| r.map(|_| ()).unwrap_err().to_string();
    assert!(
        message(GeometricPhase::default().with_window_periods(0.2).strain(&labels)).contains("window_periods = 0.2")
    );
    assert!(
        message(GeometricPhase::default().with_window_periods(20.0).strain(&labels)).contains("too small for a window")
    );
}

/// A few saturated pixels are said and do no harm; many are refused. Vacuum, a constant, a crumb are refused in words.
#[test]
fn frames_that_cannot_be_labelled() {
    let imaging = Imaging::clean().with_size_px(256);
    let planted = Planted::new(Specimen::Ws2, &imaging, true, 5);
    let label = |data: Array2<f32>| PeriodicityBreak::default().label(&Frame::new(data, Calibration::default()));
    let message = |data: Array2<f32>| label(data).map(|_| ()).unwrap_err().to_string();
    let mut sorted: Vec<f32> = planted.counts.iter().copied().collect();
    sorted.sort_by(f32::total_cmp);
    let cut = |share: f64| {
        let highest = sorted[((1.0 - share) * sorted.len() as f64) as usize];
        planted.counts.mapv(|v| v.min(highest))
    };
    let whole = label(planted.counts.clone()).unwrap();
    assert!(whole.notices.is_empty(), "{whole:?}");
    let few = label(cut(0.05)).unwrap();
    assert!(few.notices.len() == 1 && format!("{few:?}").contains("saturated"), "{few:?}");
    let dark = |labels: &Labels| labels.count(Sign::Dark) as f64;
    assert!(dark(&few) > 0.7 * dark(&whole) && dark(&few) < 1.2 * dark(&whole), "{few:?}, {whole:?}");
    assert!(message(cut(0.4)).contains("saturated"));
    for seed in 0..6 {
        let vacuum =
            imaging.clone().with_dark_counts(3.0).with_row_noise(0.3).scan(1, seed).unwrap().counts(0, &[]).unwrap();
        assert!(message(vacuum).contains("no lattice found"));
    }
    assert!(message(Array2::from_elem((64, 64), 7.0)).contains("constant"));
    let mut nan = planted.counts.clone();
    nan[[9, 8]] = f32::NAN;
    assert!(message(nan).contains("y = 9, x = 8"));
    // Crumbs of every size: labels or an error, and no panic.
    for n in 1..40 {
        let _ = label(planted.counts.slice(s![..n, ..n + 3]).to_owned());
    }
    assert!(message(planted.counts.slice(s![..12, ..200]).to_owned()).contains("too small"));
}

/// Rings for what was found, squares for what was added, words for both, and what noise alone gives.
#[test]
fn the_figure_of_labels_tells_marks_apart() {
    let (labels, _) = labelled();
    let edited = labels.with_defect(20.0, 200.0, Sign::Bright).unwrap();
    let (before, after) = (labels.figure().to_svg().unwrap(), edited.figure().to_svg().unwrap());
    let squares = |svg: &str| svg.matches("fill=\"none\" stroke=\"#E69F00\"").count();
    assert!(after.contains("squares: 1 by hand") && !before.contains("squares"));
    assert!(
        after.matches("<rect").count() == before.matches("<rect").count() + 2 && squares(&after) > squares(&before)
    );
    assert!(after.contains("by noise alone") && after.contains(&format!("too dark ({})", labels.count(Sign::Dark))));
    let strain = labels.strain().unwrap().figure().to_svg().unwrap();
    for words in ["e_xx", "e_yy", "e_xy", "rotation", " %", " °", "nm"] {
        assert!(strain.contains(words), "{words}");
    }
    if let Some(folder) = std::env::var_os("ATOMOTION_LOOK") {
        let folder = std::path::PathBuf::from(folder);
        edited.figure().save(folder.join("labels.png")).unwrap();
        labels.strain().unwrap().figure().save(folder.join("strain.png")).unwrap();
    }
}
