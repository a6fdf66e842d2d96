//! Classes against truth, and what may not go wrong.

use atomotion::classify::{Motifs, Sort};
use atomotion::prelude::*;
use ndarray::{Axis, Zip};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::OnceLock;

/// A table for patches that come from no movie.
fn defects(patches: Array3<f32>) -> Defects {
    let n = patches.len_of(Axis(0));
    let table = df![
        "defect" => (0..n as u64).collect::<Vec<_>>(),
        "frame" => (0..n as u32).map(|i| i / 10).collect::<Vec<_>>(),
        "time_s" => vec![0.0_f64; n],
        "y_px" => (0..n).map(|i| i as f32).collect::<Vec<_>>(),
        "x_px" => vec![5.0_f32; n],
        "y_nm" => (0..n).map(|i| i as f32).collect::<Vec<_>>(),
        "x_nm" => vec![5.0_f32; n],
        "area_px" => vec![9_u32; n],
        "probability" => (0..n).map(|i| i as f32 / n as f32).collect::<Vec<_>>(),
    ];
    Defects::new(table.unwrap(), patches, 0.03).unwrap()
}

fn named(of: &Defects, species: &[&str]) -> Defects {
    of.with_column(Series::new("species".into(), species)).unwrap()
}

fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let (u, v): (f32, f32) = (rng.gen_range(1e-7..1.0), rng.r#gen());
    (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
}

/// A bright spot at one of several places, in noise; and which.
fn spots(n: usize, places: &[(f32, f32)], noise: f32, seed: u64) -> (Defects, Vec<u32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // The first is the most frequent.
    let truth: Vec<u32> = (0..n).map(|i| ((i * i + i / 2) % (places.len() * (places.len() + 1) / 2)) as u32).collect();
    let pick = |t: u32| {
        let (mut t, mut place) = (t as usize, 0);
        while t >= places.len() - place {
            t -= places.len() - place;
            place += 1;
        }
        place as u32
    };
    let truth: Vec<u32> = truth.into_iter().map(pick).collect();
    let mut patches = Array3::zeros((n, 17, 17));
    for ((i, y, x), v) in patches.indexed_iter_mut() {
        let (cy, cx) = places[truth[i] as usize];
        *v = 3.0 * (-((y as f32 - cy).powi(2) + (x as f32 - cx).powi(2)) / 6.0).exp() + noise * normal(&mut rng);
    }
    (defects(patches), truth)
}

const PLACES: [(f32, f32); 3] = [(8.0, 8.0), (4.0, 11.0), (12.0, 5.0)];

/// Patches of a clean simulated movie at the true places, with their species.
fn clean() -> &'static Defects {
    static MADE: OnceLock<Defects> = OnceLock::new();
    MADE.get_or_init(|| {
        let imaging = Imaging::clean().with_size_px(384);
        let recording = Experiment::ws2().with_frames(8).with_imaging(imaging).simulate(3).unwrap();
        let movie = &recording.movie;
        let all = Defects::at_truth(movie, &recording.truth, &Cut::default().with_side_px(24)).unwrap();
        let kept = ["Mo_W", "V_S", "V_2S"].map(|name| col("species").eq(lit(name)));
        let kept = kept.into_iter().reduce(|a, b| a.or(b)).unwrap();
        all.query(|rows| rows.filter(kept.and(col("patch_outside").eq(lit(0.0_f32))))).unwrap()
    })
}

use polars::prelude::{NamedFrom, Series};

fn numbers(names: &Defects) -> Vec<u32> {
    let names = names.table().column("species").unwrap().str().unwrap().clone();
    let mut known: Vec<String> = vec![];
    names
        .iter()
        .map(|n| {
            let n = n.unwrap();
            if let Some(i) = known.iter().position(|k| k == n) {
                return i as u32;
            }
            known.push(n.to_string());
            known.len() as u32 - 1
        })
        .collect()
}

/// The adjusted Rand index against the true species, per method, on a clean movie.
#[test]
fn species_are_told_apart_at_true_places() {
    let defects = clean();
    let truth = numbers(defects);
    let counts = defects.lazy().group_by([col("species")]).agg([col("frame").count()]).collect().unwrap();
    println!("{} patches\n{counts}", defects.len());
    let kinds = 1 + *truth.iter().max().unwrap() as usize;
    let found = [
        ("k-means", KMeans::new(kinds).fit(defects).unwrap()),
        ("mixture", GaussianMixture::new(kinds).fit(defects).unwrap()),
        ("tied mixture", GaussianMixture::new(kinds).with_covariance(Covariance::Tied).fit(defects).unwrap()),
        ("Ward", defects.dendrogram(Linkage::Ward).unwrap().cut(kinds).unwrap()),
        (
            "Ward on scores",
            Hierarchy::default().with_features(Features::Scores(6)).fit(defects).unwrap().cut(kinds).unwrap(),
        ),
        ("density", Density::default().fit(defects).unwrap()),
    ];
    let mut best: f64 = 0.0;
    for (name, classes) in &found {
        let likeness = classes.likeness(&truth).unwrap();
        println!("{name}: {likeness:.3} {classes:?}");
        best = best.max(likeness);
    }
    assert!(best > 0.9, "{best}");
}

/// Every method finds planted classes, numbers them by size, and two runs agree.
#[test]
fn classes_are_found_and_numbered_by_size() {
    let (defects, truth) = spots(400, &PLACES, 0.5, 1);
    type Method<'a> = (&'a str, Box<dyn Fn() -> Classes + 'a>);
    let methods: Vec<Method> = vec![
        ("k-means", Box::new(|| KMeans::new(3).fit(&defects).unwrap())),
        ("full", Box::new(|| GaussianMixture::new(3).fit(&defects).unwrap())),
        ("tied", Box::new(|| GaussianMixture::new(3).with_covariance(Covariance::Tied).fit(&defects).unwrap())),
        (
            "diagonal",
            Box::new(|| {
                let pixels = GaussianMixture::new(3).with_features(Some(Features::Pixels));
                pixels.with_covariance(Covariance::Diagonal).fit(&defects).unwrap()
            }),
        ),
        (
            "spherical",
            Box::new(|| GaussianMixture::new(3).with_covariance(Covariance::Spherical).fit(&defects).unwrap()),
        ),
        ("Ward", Box::new(|| defects.dendrogram(Linkage::Ward).unwrap().cut(3).unwrap())),
        ("sites", Box::new(|| KMeans::new(3).with_features(Features::Sites(1.0)).fit(&defects).unwrap())),
        ("density", Box::new(|| Density::default().with_reach(Some(2.5)).fit(&defects).unwrap())),
    ];
    for (name, fit) in methods {
        let (classes, again) = (fit(), fit());
        assert_eq!(classes.labels().unwrap(), again.labels().unwrap(), "{name}");
        assert!(classes.likeness(&truth).unwrap() > 0.98, "{name}: {classes:?}");
        assert!(classes.counts.windows(2).all(|w| w[0] >= w[1]), "{name}: {:?}", classes.counts);
        assert_eq!(classes.counts.iter().sum::<usize>(), 400);
        for row in classes.memberships.rows() {
            assert!((row.sum() - 1.0).abs() < 1e-9, "{name}");
        }
        // The mean's bright spot is where it was planted, and the variance that of the noise.
        let brightest =
            classes.means.index_axis(Axis(0), 0).indexed_iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        assert!((brightest.0 as f32 - 8.0).abs() <= 1.0 && (brightest.1 as f32 - 8.0).abs() <= 1.0, "{name}");
        let variance = classes.variances.index_axis(Axis(0), 0).mean().unwrap();
        assert!((variance - 0.25).abs() < 0.02, "{name}: {variance}");
    }
}

/// Classes of one movie sort another as they would have sorted it themselves.
#[test]
fn classes_apply_to_other_defects() {
    let (ours, _) = spots(300, &PLACES, 0.5, 2);
    let (theirs, truth) = spots(200, &PLACES, 0.5, 3);
    for fitted in [KMeans::new(3).fit(&ours).unwrap(), GaussianMixture::new(3).fit(&ours).unwrap()] {
        let again = fitted.apply(&ours).unwrap();
        assert_eq!(again.labels().unwrap(), fitted.labels().unwrap());
        assert!(fitted.apply(&theirs).unwrap().likeness(&truth).unwrap() > 0.98);
    }
    let tree = ours.dendrogram(Linkage::Average).unwrap().cut(3).unwrap();
    assert!(tree.apply(&theirs).unwrap().likeness(&truth).unwrap() > 0.98);
    let (small, _) = spots(50, &PLACES, 0.5, 3);
    let small = small.with_patches(Array3::zeros((50, 9, 9))).unwrap();
    assert!(tree.apply(&small).unwrap_err().to_string().contains("9 x 9"));
}

/// The three orientations of a complex are three classes, or one.
#[test]
fn orientations_are_told_apart_or_counted_as_one() {
    let at = |angle: f32| (8.0 + 5.0 * angle.to_radians().sin(), 8.0 + 5.0 * angle.to_radians().cos());
    let (defects, truth) = spots(900, &[at(20.0), at(140.0), at(260.0), (8.0, 8.0)], 0.4, 4);
    let apart = KMeans::new(4).fit(&defects).unwrap();
    assert!(apart.likeness(&truth).unwrap() > 0.98);
    let as_one = apart.merged_by(&PointGroup::turns(3), 0.8).unwrap();
    assert_eq!(as_one.len(), 2, "{as_one:?}");
    let one: Vec<u32> = truth.iter().map(|&t| u32::from(t == 3)).collect();
    assert!(as_one.likeness(&one).unwrap() > 0.98);
    // Turned onto each other, not smeared: the merged mean is as bright as each of the three.
    let peak = |c: &Classes| c.means.index_axis(Axis(0), 0).iter().copied().fold(0.0, f32::max);
    assert!(peak(&as_one) > 0.85 * peak(&apart), "{} {}", peak(&as_one), peak(&apart));
    let turned = as_one.defects.table().column("orientation").unwrap().u32().unwrap().clone();
    assert!((0..3).all(|o| turned.iter().flatten().any(|t| t == o)));
    // What stands beside the classes is turned with them: here the defects themselves.
    let beside = apart.with_surrogate(&defects).unwrap().merged_by(&PointGroup::turns(3), 0.8).unwrap();
    assert_eq!(beside.surrogates[0].counts, as_one.counts);
    assert!((&beside.surrogates[0].means - &as_one.means).iter().all(|v| v.abs() < 1e-3));
    // Fourfold turns relate none of them.
    assert_eq!(apart.merged_by(&PointGroup::turns(4), 0.8).unwrap().len(), 4);
    // Zernike moduli do not see orientation at all.
    let blind = KMeans::new(2).with_features(Features::Zernike(6)).fit(&defects).unwrap();
    assert!(blind.likeness(&one).unwrap() > 0.95, "{blind:?}");
}

/// A class from noise has a flat mean once the pixels that chose it are left out; a true one keeps it.
#[test]
fn noise_does_not_survive_cross_validation() {
    let (real, _) = spots(400, &PLACES, 0.5, 5);
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let noise = defects(Array3::from_shape_fn((400, 17, 17), |_| normal(&mut rng)));
    let contrast = |means: &Array3<f32>| {
        let mean = means.mean_axis(Axis(0)).unwrap();
        means.outer_iter().map(|m| (&m - &mean).mapv(|v| v * v).sum()).sum::<f32>()
    };
    let method = KMeans::new(3);
    let (fitted, of_noise) = (method.fit(&real).unwrap(), method.fit(&noise).unwrap());
    let (held, held_noise) = (fitted.cross_validated(&method).unwrap(), of_noise.cross_validated(&method).unwrap());
    assert!(held.likeness > 0.95 && held_noise.likeness < 0.1, "{held:?} {held_noise:?}");
    assert!(contrast(&held.means) > 0.8 * contrast(&fitted.means));
    // What is left is a mean's own noise: three classes of about 133 patches, 289 pixels each, less one mean.
    let expected = 2.0 * 289.0 * 3.0 / 400.0;
    assert!(contrast(&held_noise.means) < 1.5 * expected, "{} {expected}", contrast(&held_noise.means));
    assert!(contrast(&of_noise.means) > 2.0 * expected);
    // The same, as the surrogate beside the classes.
    let beside = fitted.with_surrogate(&noise).unwrap();
    let [surrogate] = &beside.surrogates[..] else { panic!("{beside:?}") };
    assert_eq!((surrogate.counts.iter().sum::<usize>(), surrogate.scale), (400, 1.0));
    let _: &dyn Fn(&Defects) -> _ = &|d: &Defects| method.sort(d);
}

/// Two of three kinds are in frames with nothing in them, too: one as often, one a quarter as often. The first is no finding;
/// what is left keeps its numbers, and classes that are counted as one have the noise of both.
#[test]
fn what_noise_gives_as_often_is_no_finding() {
    let (all, truth) = spots(400, &PLACES, 0.3, 21);
    let classes = KMeans::new(3).fit(&all).unwrap();
    assert!(classes.noise(0).unwrap().is_none() && classes.findings().unwrap().len() == 3);
    let labels = classes.labels().unwrap();
    assert!(classes.likeness(&truth).unwrap() > 0.99);
    let mut of_one = 0;
    let keep: Vec<bool> = labels
        .iter()
        .map(|&l| {
            of_one += u32::from(l == 1);
            l == 2 || l == 1 && of_one % 4 == 0
        })
        .collect();
    // Frames are ten rows each; those that are left are in as many frames.
    let none = all.filter(&keep).unwrap();
    let beside = classes.with_surrogate(&none).unwrap();
    let noise: Vec<_> = (0..3).map(|c| beside.noise(c).unwrap().unwrap()).collect();
    assert!(noise[0].finding && noise[1].finding && !noise[2].finding, "{beside:?}");
    let scale = beside.surrogates[0].scale;
    let rows = |l: u32| labels.iter().zip(&keep).filter(|(c, keep)| **c == l && **keep).count() as f64;
    assert!((0.9..1.2).contains(&scale), "{scale}");
    for (class, noise) in noise.iter().enumerate() {
        assert_eq!(noise.expected, [rows(class as u32) * scale; 2]);
        assert!(noise.interval[0] <= noise.expected[0] && noise.expected[1] <= noise.interval[1]);
    }
    let table = beside.table().unwrap();
    let finding: Vec<_> = table.column("finding").unwrap().bool().unwrap().iter().flatten().collect();
    assert_eq!(finding, [true, true, false]);
    assert!(format!("{beside:?}").contains(", no finding)"), "{beside:?}");
    assert!(noise.iter().all(|n| !n.undecided && n.p[0] == n.p[1]));
    // What is left.
    let found = beside.findings().unwrap();
    assert_eq!((&found.counts[..], found.defects.len()), (&beside.counts[..2], beside.counts[0] + beside.counts[1]));
    assert_eq!(found.means, beside.means.slice(s![..2, .., ..]));
    assert_eq!(found.surrogates[0].counts, beside.surrogates[0].counts[..2]);
    assert!(found.apply(&all).unwrap_err().to_string().contains("left by others"));
    // Counted as one.
    let one = beside.named(0, "a").unwrap().named(1, "b").unwrap().named(2, "b").unwrap().merged_by_name().unwrap();
    let of = |class: usize| beside.surrogates[0].counts[class];
    let mut counts = one.surrogates[0].counts.clone();
    counts.sort_unstable();
    let mut expected = [of(0), of(1) + of(2)];
    expected.sort_unstable();
    assert_eq!(counts, expected);
    let merged = (0..2).find(|&c| one.species[c].as_ref().unwrap().species == "b").unwrap();
    let weighted = (&beside.surrogates[0].means.index_axis(Axis(0), 1) * of(1) as f32
        + &beside.surrogates[0].means.index_axis(Axis(0), 2) * of(2) as f32)
        / (of(1) + of(2)) as f32;
    let apart = &one.surrogates[0].means.index_axis(Axis(0), merged) - &weighted;
    assert!(apart.iter().all(|v| v.abs() < 1e-4));
}

#[test]
fn classes_are_named_by_motifs() {
    let (defects, truth) = spots(300, &PLACES, 0.5, 7);
    let names: Vec<&str> = truth.iter().map(|&t| ["Mo_W", "V_2S", "V_S"][t as usize]).collect();
    let known = defects.with_column(Series::new("species".into(), names)).unwrap();
    let motifs = Motifs::of(&known, "species").unwrap();
    let named = KMeans::new(3).fit(&defects).unwrap().name_classes(&motifs, 1).unwrap();
    let found: Vec<&str> = named.species.iter().flatten().map(|n| n.species.as_str()).collect();
    let expected: Vec<&str> = {
        let sizes = |t: u32| truth.iter().filter(|&&u| u == t).count();
        let mut all: Vec<u32> = vec![0, 1, 2];
        all.sort_by_key(|&t| std::cmp::Reverse(sizes(t)));
        all.into_iter().map(|t| ["Mo_W", "V_2S", "V_S"][t as usize]).collect()
    };
    assert_eq!(found, expected);
    assert!(named.species.iter().flatten().all(|n| n.confidence == 1.0 && n.likeness > 0.95));
    let by_hand = named.named(0, "W_ad").unwrap();
    assert_eq!(by_hand.of_species("W_ad").unwrap().len(), by_hand.counts[0]);
    assert!(by_hand.of_species("X").unwrap_err().to_string().contains("V_2S"));
}

#[test]
fn the_number_of_classes_is_recommended() {
    let (defects, _) = spots(400, &PLACES, 0.5, 8);
    let number = HowMany::default().with_most(6).with_draws(4).fit(&defects).unwrap();
    assert_eq!(number.recommended, 3, "{number:?}");
    assert_eq!(number.table().unwrap().height(), 6);
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let one = self::defects(Array3::from_shape_fn((300, 9, 9), |_| normal(&mut rng)));
    let none = HowMany::default().with_most(6).with_draws(4).fit(&one).unwrap();
    assert!(none.votes[0] == 1 && none.stability[1] < 0.9, "{none:?} {:?}", none.stability);
}

/// The approximate tree gives the classes of the exact one.
#[test]
fn the_approximate_tree_is_like_the_exact_one() {
    let (defects, _) = spots(1500, &PLACES, 0.6, 10);
    let exact = Hierarchy::default().fit(&defects).unwrap();
    let rough = Hierarchy::default().with_most_exact(100).with_groups(150).fit(&defects).unwrap();
    assert!(!exact.approximate && rough.approximate && format!("{rough:?}").contains("approximation"));
    let (a, b) = (exact.cut(3).unwrap(), rough.cut(3).unwrap());
    assert!(a.likeness(&b.labels().unwrap()).unwrap() > 0.97);
    let (x, y) = (exact.merges.last().unwrap().height, rough.merges.last().unwrap().height);
    assert!((x / y - 1.0).abs() < 0.02, "{x} {y}");
    let refused = Hierarchy::new(Linkage::Single).with_most_exact(100).fit(&defects).unwrap_err();
    assert!(refused.to_string().contains("only Ward's linkage"), "{refused}");
}

#[test]
fn patches_follow_their_rows() {
    let (defects, _) = spots(60, &PLACES, 0.5, 11);
    let found = defects
        .query(|rows| rows.filter(col("frame").gt(lit(2))).sort(["probability"], Default::default()).reverse())
        .unwrap();
    assert_eq!(found.len(), 30);
    let ids = found.table().column("defect").unwrap().u64().unwrap().clone();
    for (row, id) in ids.iter().flatten().enumerate() {
        assert_eq!(found.patch(row), defects.patch(id as usize));
    }
    assert_eq!(ids.get(0), Some(59));
    let frames = df!["frame" => [1_u32, 4], "dose" => [5.0_f64, 7.0]].unwrap();
    let joined = defects.query(|rows| rows.inner_join(frames.lazy(), col("frame"), col("frame"))).unwrap();
    assert_eq!((joined.len(), joined.table().column("dose").is_ok()), (20, true));
    let aggregate = defects.query(|rows| rows.group_by([col("frame")]).agg([col("y_px").mean()]));
    assert!(aggregate.unwrap_err().to_string().contains("defects.lazy()"));
    let means = defects.lazy().group_by([col("frame")]).agg([col("y_px").mean()]).collect().unwrap();
    assert_eq!(means.height(), 6);
}

/// A patch cut in the lattice's frame shows what the frame shows there: a turned, magnified pattern.
#[test]
fn patches_are_cut_in_any_frame() {
    let value = |y: f64, x: f64| (0.21 * y).sin() + (0.17 * x + 0.05 * y).cos();
    let frame = Array2::from_shape_fn((80, 90), |(y, x)| value(y as f64, x as f64) as f32);
    let movie = Movie::from_array(frame.insert_axis(Axis(0))).unwrap();
    let places = df!["frame" => [0_u32, 0], "y_px" => [40.25_f32, 3.0], "x_px" => [44.5_f32, 50.0]].unwrap();
    let cut = Cut::default().with_side_px(21).with_side_nm(Some(14.0)).with_turn_deg(30.0).with_shift_nm([1.5, -2.0]);
    let defects = Defects::at_truth(&movie, &places, &cut).unwrap();
    let (sin, cos) = 30_f64.to_radians().sin_cos();
    let step = 14.0 / 21.0;
    for ((v, u), found) in defects.patch(0).unwrap().indexed_iter() {
        let (v, u) = ((v as f64 - 10.0) * step + 1.5, (u as f64 - 10.0) * step - 2.0);
        let expected = value(40.25 + u * sin + v * cos, 44.5 + u * cos - v * sin);
        // Cubic convolution of waves of 30 pixels.
        assert!((f64::from(*found) - expected).abs() < 2e-3, "{found} {expected}");
    }
    let outside = defects.table().column("patch_outside").unwrap().f32().unwrap().clone();
    assert!(outside.get(0) == Some(0.0) && outside.get(1).unwrap() > 0.1);
    // What lies beyond the edge has the mean of what does not, and nothing of the frame's outermost pixels.
    let torn = defects.patch(1).unwrap();
    let beyond = |(v, u): (usize, usize)| {
        let (v, u) = ((v as f64 - 10.0) * step + 1.5, (u as f64 - 10.0) * step - 2.0);
        3.0 + u * sin + v * cos < -0.5
    };
    let (out, seen): (Vec<_>, Vec<_>) = torn.indexed_iter().partition(|(at, _)| beyond(*at));
    let mean = seen.iter().map(|(_, v)| **v).sum::<f32>() / seen.len() as f32;
    assert!(out.len() as f32 / 441.0 == outside.get(1).unwrap());
    assert!(out.iter().all(|(_, v)| (**v - mean).abs() < 1e-4), "{out:?} {mean}");
    let far = df!["frame" => [7_u32], "y_px" => [4.0_f32], "x_px" => [4.0_f32]].unwrap();
    assert!(Defects::at_truth(&movie, &far, &cut).unwrap_err().to_string().contains("frame 7"));
    let lost = df!["frame" => [0_u32], "y_px" => [f32::NAN], "x_px" => [4.0_f32]].unwrap();
    assert!(Defects::at_truth(&movie, &lost, &cut).unwrap_err().to_string().contains("row 0"));
}

/// Centred on the nearest column, whatever the recorded centre was off by.
#[test]
fn patches_are_centred_on_columns() {
    let frame = Array2::from_shape_fn((60, 60), |(y, x)| {
        let at = |cy: f32, cx: f32| (-((y as f32 - cy).powi(2) + (x as f32 - cx).powi(2)) / 8.0).exp();
        at(30.3, 28.6) + 0.6 * at(30.0, 40.0)
    });
    let movie = Movie::from_array(frame.insert_axis(Axis(0))).unwrap();
    let places = df!["frame" => [0_u32, 0], "y_px" => [31.5_f32, 28.9], "x_px" => [27.0_f32, 29.9]].unwrap();
    let found = Defects::at_truth(&movie, &places, &Cut::default().with_side_px(15).with_on_column(true)).unwrap();
    let apart = (&found.patch(0).unwrap() - &found.patch(1).unwrap()).mapv(f32::abs).fold(0.0_f32, |a, &b| a.max(b));
    assert!(apart < 0.02, "{apart}");
}

/// A rare species, among a common one that looks different by what stands beside it: a mixture that starts from the motifs
/// finds it, and what differs beside it does not matter where only the middle is looked at.
#[test]
fn a_rare_species_is_found_from_its_motif() {
    let mut rng = ChaCha8Rng::seed_from_u64(15);
    let truth: Vec<u32> = (0..600).map(|i| u32::from(i % 50 == 0)).collect();
    let mut patches = Array3::zeros((600, 17, 17));
    let beside: Vec<f32> = (0..600).map(|_| if rng.r#gen::<bool>() { 3.0 } else { 0.0 }).collect();
    for ((i, y, x), v) in patches.indexed_iter_mut() {
        let spot = |cy: f32, cx: f32| (-((y as f32 - cy).powi(2) + (x as f32 - cx).powi(2)) / 3.0).exp();
        let own = if truth[i] == 1 { -1.0 } else { 2.0 };
        *v = own * spot(8.0, 8.0) + beside[i] * spot(2.0, 14.0) + 0.4 * normal(&mut rng);
    }
    let all = defects(patches);
    let names: Vec<&str> = truth.iter().map(|&t| if t == 1 { "rare" } else { "common" }).collect();
    let motifs = Motifs::of(&named(&all, &names), "species").unwrap();
    let mixture = GaussianMixture::new(2).with_covariance(Covariance::Tied);
    let whole = mixture.fit(&all).unwrap();
    assert!(whole.likeness(&truth).unwrap() < 0.1, "{whole:?}");
    let middle = Features::Within { px: 4.0, scores: 4 };
    let found = mixture.clone().with_features(Some(middle)).fit_from(&all, &motifs).unwrap();
    assert!(found.likeness(&truth).unwrap() > 0.99, "{found:?}");
    let names: Vec<_> = found.species.iter().flatten().map(|n| n.species.as_str()).collect();
    assert_eq!(names, ["common", "rare"]);
    // Sorted into more classes, named, and merged: the same two, which still know how to sort others.
    let many = GaussianMixture::new(6).with_features(Some(middle)).fit(&all).unwrap();
    let merged = many.name_classes(&motifs, 1).unwrap().merged_by_name().unwrap();
    assert_eq!(merged.len(), 2);
    assert!(merged.likeness(&truth).unwrap() > 0.9, "{merged:?}");
    assert_eq!(merged.counts.iter().sum::<usize>(), 600);
    merged.memberships.rows().into_iter().for_each(|row| assert!((row.sum() - 1.0).abs() < 1e-9));
    let again = merged.apply(&all).unwrap();
    assert_eq!(again.labels().unwrap(), merged.labels().unwrap());
    assert_eq!(again.defects.table().column("species").unwrap().n_unique().unwrap(), 2);
}

#[test]
fn classes_read_back_as_they_were_saved() {
    let folder = std::env::temp_dir().join(format!("atomotion-classes-{}", std::process::id()));
    let (defects, _) = spots(120, &PLACES, 0.5, 12);
    let classes = GaussianMixture::new(3).fit(&defects).unwrap().named(1, "V_2S").unwrap();
    let classes = classes.with_surrogate(&defects).unwrap();
    classes.save(&folder).unwrap();
    let again = Classes::load(&folder).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(again.defects.table().equals_missing(classes.defects.table()));
    assert_eq!((&again.means, &again.counts, &again.method), (&classes.means, &classes.counts, &classes.method));
    assert_eq!(again.species[1].as_ref().unwrap().species, "V_2S");
    Zip::from(&again.memberships).and(&classes.memberships).for_each(|a, b| assert!((a - b).abs() < 1e-6));
    let told = |c: &Classes| {
        c.surrogates.iter().map(|s| (s.kind.clone(), s.counts.clone(), s.means.clone(), s.scale)).collect::<Vec<_>>()
    };
    assert_eq!(told(&again), told(&classes));
    assert_eq!(again.noise(1).unwrap(), classes.noise(1).unwrap());
}

/// No defects, one, identical ones, NaN, more classes than patches: an error that says so, or a defined result.
#[test]
fn what_cannot_be_sorted_says_so() {
    let (some, _) = spots(40, &PLACES, 0.5, 13);
    let none = some.filter(&[false; 40]).unwrap();
    let says = |error: Result<Classes, Error>, words: &str| {
        let text = error.unwrap_err().to_string();
        assert!(text.contains(words), "{text}");
    };
    says(KMeans::new(1).fit(&none), "number of defects, 0");
    says(Density::default().fit(&none), "no defects");
    says(none.dendrogram(Linkage::Ward).and_then(|t| t.cut(1)), "no defects");
    says(some.dendrogram(Linkage::Ward).unwrap().cut(41), "classes = 41");
    says(KMeans::new(3).with_features(Features::Fourier(9)).fit(&some), "Fourier = 9");
    for (px, scores, words) in
        [(-1.0, 2, "within = -1"), (f32::NAN, 2, "within = NaN"), (1.0, 9, "the pixels within 1")]
    {
        says(KMeans::new(3).with_features(Features::Within { px, scores }).fit(&some), words);
    }
    let strange = Motifs::of(&named(&defects(Array3::zeros((2, 5, 5))), &["a", "b"]), "species").unwrap();
    says(GaussianMixture::default().fit_from(&some, &strange), "5 x 5");
    says(KMeans::new(2).with_from_rows(vec![1]).fit(&some), "from_rows");
    says(GaussianMixture::new(3).with_regularisation(-1.0).fit(&some), "regularisation = -1");
    says(some.dendrogram(Linkage::Ward).unwrap().cut_at(f64::NAN), "height = NaN");
    assert!(HowMany::default().with_most(30).fit(&some).unwrap_err().to_string().contains("most = 30"));
    let mut patches = some.patches().clone();
    patches[[7, 3, 3]] = f32::NAN;
    let torn = some.with_patches(patches).unwrap();
    for error in [KMeans::new(2).fit(&torn), GaussianMixture::new(2).fit(&torn), Density::default().fit(&torn)] {
        says(error, "row 7 holds NaN");
    }
    assert!(Nmf::new(2).fit(&torn).unwrap_err().to_string().contains("row 7"));
    let one = some.filter(&(0..40).map(|i| i == 3).collect::<Vec<_>>()).unwrap();
    assert_eq!(KMeans::new(1).fit(&one).unwrap().counts, [1]);
    assert_eq!(one.dendrogram(Linkage::Single).unwrap().cut(1).unwrap().counts, [1]);
    // All alike: one class is left, whatever was asked for.
    let alike = some.with_patches(Array3::from_elem((40, 5, 5), 2.0)).unwrap();
    assert_eq!(KMeans::new(3).fit(&alike).unwrap().counts, [40]);
    assert_eq!(GaussianMixture::new(3).fit(&alike).unwrap().counts.iter().sum::<usize>(), 40);
    assert_eq!(alike.dendrogram(Linkage::Ward).unwrap().cut(2).unwrap().counts.iter().sum::<usize>(), 40);
    assert!(Ica::new(2).fit(&alike).unwrap_err().to_string().contains("the same"));
}

/// Independent and additive components of planted ones.
#[test]
fn components_of_each_kind_are_found() {
    let mut rng = ChaCha8Rng::seed_from_u64(14);
    let part = |k: usize, y: usize, x: usize| f32::from((y / 5 == k) && (2..8).contains(&x));
    let patches = Array3::from_shape_fn((500, 10, 10), |_| 0.02 * normal(&mut rng));
    let mut patches = patches;
    for mut patch in patches.outer_iter_mut() {
        let amounts = [rng.gen_range(0.0..2.0_f32), rng.gen_range(0.0..2.0_f32)];
        for ((y, x), v) in patch.indexed_iter_mut() {
            *v += amounts[0] * part(0, y, x) + amounts[1] * part(1, y, x);
        }
    }
    let defects = defects(patches);
    for found in [Ica::new(2).fit(&defects).unwrap(), Nmf::new(2).fit(&defects).unwrap()] {
        for k in 0..2 {
            let planted = Array2::from_shape_fn((10, 10), |(y, x)| part(k, y, x));
            let length = (planted.iter().map(|v| v * v).sum::<f32>()).sqrt();
            let cosine = |p: ndarray::ArrayView2<f32>| ((&p * &planted).sum() / length).abs();
            let best = found.patches.outer_iter().map(cosine).fold(0.0, f32::max);
            assert!(best > 0.97, "{found:?}: {best}");
        }
    }
}

/// Figures of classes can be drawn; `ATOMOTION_FIGURES` keeps them.
#[test]
fn figures_are_drawn() {
    let defects = clean();
    let keep = std::env::var_os("ATOMOTION_FIGURES").map(std::path::PathBuf::from);
    let draw = |name: &str, figure: Figure| {
        assert!(figure.to_png(1.0).unwrap().len() > 2000, "{name}");
        if let Some(folder) = &keep {
            std::fs::write(folder.join(format!("{name}.png")), figure.to_png(1.0).unwrap()).unwrap();
        }
    };
    let motifs = Motifs::of(defects, "species").unwrap();
    let classes = GaussianMixture::new(3).fit(defects).unwrap().name_classes(&motifs, 1).unwrap();
    let classes = classes.with_surrogate(defects).unwrap();
    draw("gallery", classes.figure());
    draw("validated", classes.cross_validated(&KMeans::new(3)).unwrap().figure());
    let tree = defects.dendrogram(Linkage::Ward).unwrap();
    draw("tree", tree.figure(3).unwrap());
    draw("number", HowMany::default().with_most(8).with_draws(4).fit(defects).unwrap().figure());
    draw("ica", Ica::new(4).fit(defects).unwrap().patches_figure());
}

/// Spots of three places lie in three groups of the map, whose rows keep their columns; options out of range say so.
#[test]
fn patches_are_laid_out_by_likeness() {
    let (defects, truth) = spots(240, &PLACES, 0.4, 5);
    let options = Embedding::default().with_perplexity(15.0).with_steps(300);
    let map = options.fit(&defects).unwrap();
    assert_eq!((map.places.dim(), map.of), ((240, 2), 240));
    assert!(map.defects.table().column("map_x").is_ok() && map.defects.table().column("probability").is_ok());
    let far = |i: usize, j: usize| (&map.places.row(i) - &map.places.row(j)).mapv(|d| d * d).sum();
    let right = (0..240).filter(|&i| {
        let nearest = (0..240).filter(|&j| j != i).min_by(|&a, &b| far(i, a).total_cmp(&far(i, b))).unwrap();
        truth[i] == truth[nearest]
    });
    assert!(right.count() > 230);
    // The same seed gives the same map; of many, some are drawn.
    assert_eq!(options.fit(&defects).unwrap().places, map.places);
    let some = options.clone().with_most(100).fit(&defects).unwrap();
    assert_eq!((some.defects.len(), some.of), (100, 240));
    assert!(some.figure().to_png(1.0).unwrap().len() > 5000);
    let says = |text: String, words: &str| assert!(text.contains(words), "{text}");
    says(options.clone().with_perplexity(90.0).fit(&defects).unwrap_err().to_string(), "a third of the 240");
    let same = defects.with_patches(Array3::ones((240, 17, 17))).unwrap();
    says(options.fit(&same).unwrap_err().to_string(), "all patches are the same");
}

/// Errors of counts are those of drawing as many again, not nothing where a method is sure of every class.
#[test]
fn counts_have_errors() {
    let (defects, _) = spots(240, &PLACES, 0.2, 6);
    let classes = KMeans::new(3).fit(&defects).unwrap();
    for (&n, &error) in classes.counts.iter().zip(&classes.count_errors) {
        let drawn = (n as f64 * (1.0 - n as f64 / 240.0)).sqrt();
        assert!((error / drawn - 1.0).abs() < 0.05, "{n}: {error} {drawn}");
    }
}

/// Detections of a clean movie, sorted by what stands on their site: dopants are dopants whether or not a vacancy stands
/// beside them, and vacancies are none. A fifth may be wrong in all: 4 counts of 70 tell one missing S from two.
#[test]
fn species_are_told_apart_whatever_stands_beside_them() {
    let imaging = Imaging::clean().with_size_px(320);
    let recording = Experiment::ws2().with_imaging(imaging).with_frames(6).simulate(23).unwrap();
    let (movie, truth) = (&recording.movie, &recording.truth);
    let lattice = Lattice::find(&movie.frame(0).unwrap().data).unwrap();
    let defects = Defects::at_truth(movie, truth, &Cut::default()).unwrap();
    let told = defects.query(|rows| rows.with_column(col("species").alias("truth"))).unwrap();
    let patches = comparable_patches(&told, movie, &lattice).unwrap();
    let classes = Material::Ws2.sort(&patches, movie, &lattice, 1).unwrap();
    let table = classes.defects.table();
    let (truth, called) =
        (table.column("truth").unwrap().str().unwrap(), table.column("species").unwrap().str().unwrap());
    let outside = table.column("patch_outside").unwrap().f32().unwrap();
    let (mut right, mut all, mut dopants) = (0, 0, [0, 0]);
    for ((truth, called), outside) in truth.iter().zip(called.iter()).zip(outside.iter()) {
        if outside.unwrap() > 0.0 || truth.unwrap().starts_with("hole") {
            continue;
        }
        all += 1;
        right += usize::from(truth == called);
        if truth == Some("Mo_W") {
            dopants = [dopants[0] + usize::from(called == truth), dopants[1] + 1];
        }
    }
    assert!(all > 100 && dopants[1] > 50, "{all} {dopants:?}");
    assert!(
        right as f64 > 0.8 * all as f64 && dopants[0] as f64 > 0.97 * dopants[1] as f64,
        "{right} of {all}, {dopants:?}"
    );
}

/// A dopant has as many vacancies as stand beside it in its own frame; a wrong reach or column is told.
#[test]
fn complexes_count_what_stands_beside() {
    let table = df!(
        "frame" => [0_u32, 0, 0, 0, 1, 1], "species" => ["Mo_W", "V_S", "V_S", "V_2S", "Mo_W", "Mo_W"],
        "y_px" => [10.0_f32, 10.0, 5.0, 15.0, 10.0, 40.0], "x_px" => [10.0_f32, 15.8, 7.1, 7.1, 10.0, 40.0],
    )
    .unwrap();
    let of = |reach| complexes(&table, "Mo_W", "V_S", reach).map(|t| t.column("state").unwrap().str().unwrap().clone());
    let states = |reach| of(reach).unwrap().iter().map(|s| s.unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(states(8.0), ["Mo_W+2V_S", "V_S", "V_S", "V_2S", "Mo_W", "Mo_W"]);
    assert_eq!(states(1.0)[0], "Mo_W");
    assert!(of(0.0).unwrap_err().to_string().contains("reach_px"));
    assert!(complexes(&table.drop("frame").unwrap(), "Mo_W", "V_S", 8.0).is_err());
}
