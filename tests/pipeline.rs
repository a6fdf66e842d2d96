//! The whole path, from a simulated movie to classes, against the truth.

mod common;

use atomotion::prelude::*;
use common::{Folder, one_at_a_time, skipped, truth};

fn sum(all: impl Iterator<Item = Score>) -> Score {
    all.fold(Score { hits: 0, false_alarms: 0, misses: 0 }, |mut total, s| {
        total += s;
        total
    })
}

fn places(labels: &Labels) -> Vec<(f32, f32)> {
    labels.regions.iter().map(|r| (r.y_px, r.x_px)).collect()
}

/// Labels at a generous dose are nearly the truth, and better than the published mask with its best thresholds.
#[test]
fn labels_beat_the_published_mask() {
    let (mut ours, mut published) = (vec![], vec![]);
    for seed in 0..4 {
        let simulated = Ws2::default().simulate(seed).unwrap();
        let frame = simulated.movie.frame(0).unwrap();
        let truth = truth(&simulated.truth, 0, "");
        let labels = PeriodicityBreak::default().label(&frame).unwrap();
        ours.push(score(&places(&labels), &truth, 5.0).unwrap());
        published.push(best_published(&frame, &truth));
    }
    let (ours, published) = (sum(ours.into_iter()), sum(published.into_iter()));
    println!("labels: ours {ours}, published mask at its best {published}");
    assert!(ours.f1() > 0.9 && ours.f1() > published.f1() + 0.1);
}

/// The published mask with the radius and threshold that suit the truth best, regions of at least four pixels.
fn best_published(frame: &Frame, truth: &[(f32, f32)]) -> Score {
    let mut best = Score { hits: 0, false_alarms: 0, misses: truth.len() };
    for mask_ratio in [6.0, 8.0, 10.0, 14.0] {
        for cut in (1..20).map(|i| 0.02 * i as f32) {
            let options = PublishedMask { mask_ratio, low: cut, high: 1.1 };
            let found = centres(&published_mask(&frame.data, options));
            let score = score(&found, truth, 5.0).unwrap();
            best = if score.f1() > best.f1() { score } else { best };
        }
    }
    best
}

/// Centres of the connected regions of at least four pixels, by flooding.
fn centres(mask: &Array2<bool>) -> Vec<(f32, f32)> {
    let mut open = mask.clone();
    let mut found = vec![];
    for start in mask.indexed_iter().map(|(at, _)| at) {
        let mut pixels = vec![];
        let mut next = vec![start];
        while let Some((y, x)) = next.pop() {
            if !open.get((y, x)).copied().unwrap_or(false) {
                continue;
            }
            open[[y, x]] = false;
            pixels.push((y, x));
            next.extend([(y + 1, x), (y, x + 1), (y.wrapping_sub(1), x), (y, x.wrapping_sub(1))]);
        }
        if pixels.len() >= 4 {
            let n = pixels.len() as f32;
            let sum = pixels.iter().fold((0.0, 0.0), |s, p| (s.0 + p.0 as f32, s.1 + p.1 as f32));
            found.push((sum.0 / n, sum.1 / n));
        }
    }
    found
}

/// The number of labels that noise alone gives is what the labels say, within a factor of three.
#[test]
fn false_labels_are_as_many_as_announced() {
    for dose in [1.5, 10.0, 60.0] {
        let pure = Ws2::default().with_mo_fraction(0.0).with_vacancy_fraction(0.0).with_dose(dose);
        let (mut found, mut announced) = (0.0, 0.0);
        for seed in 0..4 {
            let frame = pure.simulate(seed).unwrap().movie.frame(0).unwrap();
            let labels = PeriodicityBreak::default().with_threshold(3.5).label(&frame).unwrap();
            found += labels.regions.len() as f64;
            announced += labels.expected_false;
        }
        println!("dose {dose}: {found} false labels, {announced:.1} announced");
        assert!(found < 3.0 * announced && found > announced / 3.0);
    }
}

/// Trained on the first frame only, the detector finds the defects of later ones; classes tell Mo from vacancies;
/// everything reads back as it was saved.
#[test]
fn from_a_movie_to_classes() {
    let _turn = one_at_a_time();
    let simulated = Ws2::default().with_frames(4).with_vacancy_fraction(0.02).simulate(1).unwrap();
    let movie = &simulated.movie;
    let labels = PeriodicityBreak::default().label(&movie.frame(0).unwrap()).unwrap();
    let detector = Detector::train(&labels, &Training::default().with_steps(250)).unwrap();
    let defects = detector.find(movie).unwrap();
    let score_of = |frame: u32| {
        let inside = |p: &(f32, f32)| (5.0..250.0).contains(&p.0) && (5.0..250.0).contains(&p.1);
        let truth: Vec<_> = truth(&simulated.truth, frame, "").into_iter().filter(inside).collect();
        let found: Vec<_> = defects.positions(frame).unwrap().into_iter().filter(inside).collect();
        score(&found, &truth, 5.0).unwrap()
    };
    let later = sum((1..4).map(score_of));
    println!("frames 1 to 3: {later}");
    assert!(later.f1() > 0.85, "{later}");
    two_classes_are_the_two_species(&KMeans::new(2).fit(&defects).unwrap(), &simulated);
    two_classes_are_the_two_species(&GaussianMixture::new(2).fit(&defects).unwrap(), &simulated);
    reads_back(&detector, &defects, movie);
}

/// In nine of ten defects the class says the species.
fn two_classes_are_the_two_species(classes: &Classes, simulated: &Simulated) {
    let table = classes.defects.table();
    let (y, x) = (table.column("y_px").unwrap().f32().unwrap(), table.column("x_px").unwrap().f32().unwrap());
    let frames = table.column("frame").unwrap().u32().unwrap();
    let mut votes = [[0_usize; 2]; 2];
    for (row, class) in classes.labels().unwrap().into_iter().enumerate() {
        let at = (y.get(row).unwrap(), x.get(row).unwrap());
        for (species, name) in ["Mo_W", "V_2S"].iter().enumerate() {
            let near = truth(&simulated.truth, frames.get(row).unwrap(), name);
            if near.iter().any(|t| (t.0 - at.0).hypot(t.1 - at.1) < 2.5) {
                votes[class as usize][species] += 1;
            }
        }
    }
    let right = (votes[0][0] + votes[1][1]).max(votes[0][1] + votes[1][0]);
    let all: usize = votes.iter().flatten().sum();
    println!("{}: {votes:?}", classes.method);
    assert!(right as f64 > 0.9 * all as f64, "{votes:?}");
}

fn reads_back(detector: &Detector, defects: &Defects, movie: &Movie) {
    let folder = Folder::new("reads-back");
    detector.save(folder.join("d.safetensors")).unwrap();
    let again = Detector::load(folder.join("d.safetensors")).unwrap();
    assert_eq!(again.losses(), detector.losses());
    assert!(again.find(movie).unwrap().table().equals_missing(defects.table()));
    for _ in 0..2 {
        defects.save(folder.join("defects")).unwrap(); // the second time it replaces the first
        let loaded = Defects::load(folder.join("defects")).unwrap();
        assert!(loaded.table().equals_missing(defects.table()));
        assert_eq!(loaded.patches(), defects.patches());
        assert_eq!(loaded.patch_nm_per_px(), defects.patch_nm_per_px());
    }
    let left: Vec<_> = std::fs::read_dir(folder.join("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "temporary files stayed: {left:?}");
}

/// The same seed gives the same weights, another seed others.
#[test]
fn training_repeats() {
    let _turn = one_at_a_time();
    let movie = Ws2::default().with_size_px(128).simulate(3).unwrap().movie;
    let labels = PeriodicityBreak::default().label(&movie.frame(0).unwrap()).unwrap();
    let losses = |seed: u64| {
        let training = Training::default().with_steps(6).with_batch(4).with_seed(seed);
        Detector::train_with(&labels, &training, best_device(), &mut ()).unwrap().losses().to_vec()
    };
    assert_eq!(losses(5), losses(5));
    assert_ne!(losses(5), losses(6));
}

/// Simulated movies are the same bytes on every machine: this is the first one's fingerprint.
#[test]
fn simulation_is_the_same_everywhere() {
    let movie = Ws2::default().with_size_px(64).with_frames(2).simulate(7).unwrap().movie;
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for frame in movie.frames() {
        for byte in frame.unwrap().data.iter().flat_map(|v| v.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    assert_eq!(hash, 4_387_736_153_386_443_142, "FNV-1a of two frames");
}

/// On a real graphene frame a person sees one Si atom; so does the detector. It has pushed its neighbours, and where they were
/// is dark: nothing else is found farther away than that.
#[test]
fn the_silicon_atom_in_graphene() {
    let _turn = one_at_a_time();
    let Some(folder) = real_data().unwrap() else {
        return skipped("the_silicon_atom_in_graphene", "ATOMOTION_REAL is not set");
    };
    let movie = Movie::open(folder.join("graphene_si_2nm.npy")).unwrap();
    let labels = PeriodicityBreak::default().label(&movie.frame(0).unwrap()).unwrap();
    let found = Detector::train(&labels, &Training::default().with_steps(150)).unwrap();
    let sure = Decoding::default().with_threshold(0.5);
    let found = found.find_with(&movie, &sure, &mut ()).unwrap();
    println!("{:?}", found.table());
    let places = found.positions(0).unwrap();
    let far = |p: &(f32, f32)| (p.0 - 137.0).hypot(p.1 - 96.0);
    let bright: Vec<bool> =
        found.table().column("sign").unwrap().str().unwrap().iter().map(|s| s == Some("bright")).collect();
    let silicon: Vec<_> = places.iter().zip(&bright).filter(|(_, bright)| **bright).map(|(p, _)| p).collect();
    // A sixth of a period: the atom has pushed its neighbours, and the network has had 150 of 800 steps.
    assert!(silicon.len() == 1 && far(silicon[0]) < 5.0, "{places:?} {bright:?}");
    let period = labels.lattice.period_px as f32;
    assert!(places.iter().all(|p| far(p) < 0.75 * period), "{places:?}, period {period}");
}
