//! Every fast method against the obvious slow one.

use super::compare::adjusted_rand;
use super::hierarchy::{Linkage, merges};
use super::merges::cut;
use super::mixture::{Fitting, fit};
use super::moments::Covariance;
use super::*;
use ndarray::{Array2, ArrayView2, Axis, array};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn normal(rng: &mut ChaCha8Rng) -> f32 {
    // Box and Muller.
    let (u, v): (f32, f32) = (rng.gen_range(1e-7..1.0), rng.r#gen());
    (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
}

/// `k` clouds of unit variance, `apart` between neighbouring centres along each axis; and which row is of which.
fn clouds(n: usize, d: usize, k: usize, apart: f32, seed: u64) -> (Array2<f32>, Vec<u32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let truth: Vec<u32> = (0..n).map(|i| (i % k) as u32).collect();
    let centre = |c: u32, j: usize| apart * f32::from((c as usize >> (j % 3)) & 1 == 1) + 0.5 * apart * c as f32;
    let data = Array2::from_shape_fn((n, d), |(i, j)| 3.0 + centre(truth[i], j) + normal(&mut rng));
    (data, truth)
}

fn d2(a: ndarray::ArrayView1<f32>, b: ndarray::ArrayView1<f32>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
}

/// Lloyd's iterations, one row and one centre after the other.
fn slow_kmeans(data: ArrayView2<f32>, centres: &Array2<f32>) -> (Vec<u32>, f64) {
    let mut centres = centres.mapv(f64::from);
    let mut labels = vec![u32::MAX; data.nrows()];
    loop {
        let near = |row: ndarray::ArrayView1<f32>| {
            let of = |c: usize| row.iter().zip(centres.row(c)).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>();
            (0..centres.nrows()).map(|c| (c as u32, of(c))).min_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
        };
        let next: Vec<(u32, f64)> = data.outer_iter().map(near).collect();
        let now: Vec<u32> = next.iter().map(|n| n.0).collect();
        if now == labels {
            return (labels, next.iter().map(|n| n.1).sum());
        }
        labels = now;
        for c in 0..centres.nrows() {
            let own: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] as usize == c).collect();
            if !own.is_empty() {
                centres.row_mut(c).assign(&data.select(Axis(0), &own).mapv(f64::from).mean_axis(Axis(0)).unwrap());
            }
        }
    }
}

/// Merges the two nearest clusters, looking at all pairs of rows each time.
fn slow_merges(data: ArrayView2<f32>, linkage: Linkage) -> Vec<(f64, Vec<usize>)> {
    let mut clusters: Vec<Vec<usize>> = (0..data.nrows()).map(|i| vec![i]).collect();
    let mut found = vec![];
    let mean = |c: &[usize]| data.select(Axis(0), c).mapv(f64::from).mean_axis(Axis(0)).unwrap();
    let apart = |a: &[usize], b: &[usize]| -> f64 {
        let all = || a.iter().flat_map(|&i| b.iter().map(move |&j| d2(data.row(i), data.row(j)).sqrt()));
        match linkage {
            Linkage::Single => all().fold(f64::MAX, f64::min),
            Linkage::Complete => all().fold(0.0, f64::max),
            Linkage::Average => all().sum::<f64>() / (a.len() * b.len()) as f64,
            Linkage::Ward => {
                let (x, y) = (a.len() as f64, b.len() as f64);
                (2.0 * x * y / (x + y) * (mean(a) - mean(b)).mapv(|v| v * v).sum()).sqrt()
            }
        }
    };
    while clusters.len() > 1 {
        let pairs = (0..clusters.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
        let (height, i, j) =
            pairs.map(|(i, j)| (apart(&clusters[i], &clusters[j]), i, j)).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        let gone = clusters.remove(i);
        clusters[j].extend(gone);
        clusters[j].sort_unstable();
        found.push((height, clusters[j].clone()));
    }
    found
}

/// What each merge made, as rows.
fn members(n: usize, merges: &[super::merges::Merge]) -> Vec<Vec<usize>> {
    let mut nodes: Vec<Vec<usize>> = (0..n).map(|i| vec![i]).collect();
    for merge in merges {
        let mut made = [nodes[merge.first].clone(), nodes[merge.second].clone()].concat();
        made.sort_unstable();
        nodes.push(made);
    }
    nodes.split_off(n)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn k_means_is_lloyds(n in 8_usize..120, d in 1_usize..9, k in 1_usize..6, seed in 0_u64..1000) {
        let (data, _) = clouds(n, d, k, 2.0, seed);
        let rows = seeding::plus_plus(data.view(), k, 0, 3, seed).unwrap();
        let starts: Vec<_> = rows.iter().map(|r| seeding::centres(data.view(), r)).collect();
        let runs = kmeans::kmeans(data.view(), &starts, 0.0, 1000, |_| ()).unwrap();
        for (run, start) in runs.iter().zip(&starts) {
            let (labels, inertia) = slow_kmeans(data.view(), start);
            prop_assert!(adjusted_rand(&run.labels, &labels) > 0.999);
            // Single precision of distances, in units of the data's own spread.
            prop_assert!((run.inertia - inertia).abs() < 1e-4 * (inertia + 1.0), "{} {inertia}", run.inertia);
        }
    }

    #[test]
    fn merges_are_those_of_all_pairs(n in 2_usize..40, d in 1_usize..6, seed in 0_u64..1000, which in 0_usize..4) {
        let linkage = [Linkage::Ward, Linkage::Average, Linkage::Complete, Linkage::Single][which];
        let (data, _) = clouds(n, d, 3, 1.5, seed);
        let fast = merges(data.view(), linkage, None).unwrap();
        let slow = slow_merges(data.view(), linkage);
        prop_assert_eq!(fast.len(), n - 1);
        for (made, (fast, slow)) in members(n, &fast).iter().zip(fast.iter().zip(&slow)) {
            prop_assert!((fast.height - slow.0).abs() < 1e-4 * slow.0.max(1e-2), "{} {}", fast.height, slow.0);
            prop_assert_eq!(made, &slow.1);
            prop_assert_eq!(made.len(), fast.size);
        }
    }

    /// Rows that stand for several give the tree of the several.
    #[test]
    fn weighted_rows_stand_for_several(n in 3_usize..14, seed in 0_u64..1000) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let data = Array2::from_shape_fn((n, 3), |_| normal(&mut rng));
        let sizes: Vec<usize> = (0..n).map(|_| rng.gen_range(1..4)).collect();
        let rows: Vec<usize> = (0..n).flat_map(|i| std::iter::repeat_n(i, sizes[i])).collect();
        let few = merges(data.view(), Linkage::Ward, Some(&sizes)).unwrap();
        let all = merges(data.select(Axis(0), &rows).view(), Linkage::Ward, None).unwrap();
        let tail = &all[rows.len() - n..];
        for (a, b) in few.iter().zip(tail) {
            prop_assert!((a.height - b.height).abs() < 1e-4 * b.height.max(0.1), "{} {}", a.height, b.height);
            prop_assert_eq!(a.size, b.size);
        }
    }

    #[test]
    fn eigenvectors_are_eigenvectors(n in 1_usize..30, seed in 0_u64..1000) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let half = Array2::from_shape_fn((n, n), |_| f64::from(normal(&mut rng)));
        let matrix = &half + &half.t();
        let (values, vectors) = eigen::whole(matrix.view()).unwrap();
        let back = vectors.t().dot(&(&vectors * &values.clone().insert_axis(Axis(1))));
        prop_assert!((&back - &matrix).iter().all(|v| v.abs() < 1e-10 * n as f64));
        prop_assert!((vectors.dot(&vectors.t()) - Array2::<f64>::eye(n)).iter().all(|v| v.abs() < 1e-11));
        prop_assert!(values.windows(2).into_iter().all(|w| w[0] >= w[1]));
    }

    /// Dense rows within reach share a class; a row with none near is an outlier.
    #[test]
    fn density_is_what_it_says(n in 1_usize..60, seed in 0_u64..1000, reach in 0.3_f64..3.0, points in 1_usize..6) {
        let (data, _) = clouds(n, 2, 3, 4.0, seed);
        let found = density::dbscan(data.view(), reach, points).unwrap();
        let near = |i: usize, j: usize| d2(data.row(i), data.row(j)).sqrt() <= reach;
        let dense: Vec<bool> = (0..n).map(|i| (0..n).filter(|&j| near(i, j)).count() >= points).collect();
        // By flooding from each dense row.
        let mut flooded = vec![None; n];
        for first in 0..n {
            if !dense[first] || flooded[first].is_some() {
                continue;
            }
            let mut todo = vec![first];
            while let Some(i) = todo.pop() {
                for j in 0..n {
                    if dense[j] && near(i, j) && flooded[j].is_none() {
                        flooded[j] = Some(first);
                        todo.push(j);
                    }
                }
            }
        }
        for i in 0..n {
            if dense[i] {
                for j in (0..n).filter(|&j| dense[j]) {
                    prop_assert_eq!(flooded[i] == flooded[j], found[i] == found[j]);
                }
            } else {
                prop_assert_eq!(found[i].is_some(), (0..n).any(|j| dense[j] && near(i, j)));
            }
        }
    }
}

/// Many eigenvalues of nothing but rounding: patches from which something was projected out.
#[test]
fn a_matrix_of_low_rank_has_eigenvalues() {
    for (n, rank, seed) in [(60, 5, 1), (200, 150, 2), (240, 234, 3)] {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let half = Array2::from_shape_fn((n, rank), |_| 1e3 * f64::from(normal(&mut rng)));
        let matrix = half.dot(&half.t());
        let (values, vectors) = eigen::whole(matrix.view()).unwrap();
        let back = vectors.t().dot(&(&vectors * &values.clone().insert_axis(Axis(1))));
        let most = 1e-12 * n as f64 * values[0];
        assert!((&back - &matrix).iter().all(|v| v.abs() < most));
        assert!(values.iter().skip(rank).all(|v| v.abs() < most), "{values}");
    }
}

#[test]
fn a_large_matrix_has_the_eigenvalues_of_all_of_it() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    // As covariances are: a few strong components above noise of its own spectrum.
    let data = Array2::from_shape_fn((400, 200), |(i, j)| {
        normal(&mut rng)
            + 3.0 * ((i * 7 % 11) as f32 - 5.0) * ((j as f32) * 0.1).sin()
            + (i % 3) as f32 * (j as f32 * 0.3).cos()
    });
    let square = data.t().dot(&data).mapv(f64::from);
    let square = (&square + &square.t()) / 2.0;
    let (whole, _) = eigen::whole(square.view()).unwrap();
    let (some, vectors) = eigen::largest(square.view(), 16).unwrap();
    for i in 0..16 {
        assert!((some[i] / whole[i] - 1.0).abs() < 1e-8, "{i}: {} {}", some[i], whole[i]);
        let image = square.dot(&vectors.row(i));
        assert!((&image - &(&vectors.row(i) * some[i])).mapv(f64::abs).sum() < 1e-4 * some[0]);
    }
}

#[test]
fn components_do_not_depend_on_which_side_is_longer() {
    let (data, _) = clouds(30, 50, 3, 2.0, 1);
    let wide = pca::components(data.view(), 5).unwrap();
    // The same rows twice: the same components, from the other matrix; variances change by (n - 1) / n.
    let twice = ndarray::concatenate(Axis(0), &[data.view(), data.view()]).unwrap();
    let tall = pca::components(twice.view(), 5).unwrap();
    for i in 0..5 {
        let along = wide.vectors.row(i).dot(&tall.vectors.row(i));
        assert!((along - 1.0).abs() < 1e-4, "{i}: {along}");
        assert!((wide.variances[i] / tall.variances[i] - (2.0 * 29.0 / 59.0_f64).recip()).abs() < 1e-4);
    }
    let scores = wide.scores(data.view());
    for i in 0..5 {
        let variance = scores.column(i).mapv(f64::from).var(1.0);
        assert!((variance / wide.variances[i] - 1.0).abs() < 1e-4, "{variance} {}", wide.variances[i]);
    }
}

/// Mixtures find planted Gaussians: shares, means and covariances, within what so many rows tell (three standard errors).
#[test]
fn planted_gaussians_are_found() {
    let n = 3000;
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let truth: Vec<u32> = (0..n).map(|i| u32::from(i % 3 == 0)).collect();
    let data = Array2::from_shape_fn((n, 2), |_| normal(&mut rng));
    // Class 1: covariance [[4, 1.2], [1.2, 1]] about (6, 0).
    let data = Array2::from_shape_fn((n, 2), |(i, j)| match (truth[i], j) {
        (0, j) => data[[i, j]],
        (_, 0) => 6.0 + 2.0 * data[[i, 0]],
        _ => 0.6 * data[[i, 0]] + 0.8 * data[[i, 1]],
    });
    let options = |kind| Fitting { kind, regularisation: 1e-9, tolerance: 1e-8, most: 500 };
    let start: Vec<u32> = data.outer_iter().map(|r| u32::from(r[0] > 2.5)).collect();
    let full = fit(data.view(), &start, 2, options(Covariance::Full)).unwrap();
    assert!(full.settled);
    assert!((full.weights[1] - 1.0 / 3.0).abs() < 0.03, "{}", full.weights);
    let moments::Spread::Full(all) = &full.spread else { unreachable!() };
    for (found, planted) in all[1].iter().zip(&array![[4.0, 1.2], [1.2, 1.0]]) {
        assert!((found - planted).abs() < 0.5, "{all:?}");
    }
    let (shares, log_likelihood) = full.shares(data.view()).unwrap();
    assert!((log_likelihood - full.log_likelihood).abs() < 1e-6);
    let best: Vec<u32> = shares.outer_iter().map(|s| u32::from(s[1] > s[0])).collect();
    assert!(adjusted_rand(&best, &truth) > 0.9);
    // More freedom never fits worse; each log-likelihood is that of the density written out.
    let mut last = f64::MAX;
    for kind in [Covariance::Full, Covariance::Diagonal, Covariance::Spherical] {
        let mixture = fit(data.view(), &start, 2, options(kind)).unwrap();
        assert!(mixture.log_likelihood <= last + 1e-9, "{kind:?}");
        last = mixture.log_likelihood;
        let slow = written_out(&mixture, data.view());
        assert!((slow - mixture.shares(data.view()).unwrap().1).abs() < 1e-6, "{kind:?} {slow} {last}");
    }
    let tied = fit(data.view(), &start, 2, options(Covariance::Tied)).unwrap();
    assert!((written_out(&tied, data.view()) - tied.shares(data.view()).unwrap().1).abs() < 1e-6);
    assert!(tied.log_likelihood <= full.log_likelihood);
    assert_eq!((full.parameters(), tied.parameters()), (1 + 4 + 6, 1 + 4 + 3));
}

/// Mean log-likelihood of two-dimensional rows, from the covariance's inverse.
fn written_out(mixture: &mixture::Mixture, data: ArrayView2<f32>) -> f64 {
    let covariance = |c: usize| match &mixture.spread {
        moments::Spread::Full(all) => all[c].clone(),
        moments::Spread::Tied(one) => one.clone(),
        moments::Spread::Diagonal(v) => Array2::from_diag(&v.row(c)),
        moments::Spread::Spherical(v) => Array2::<f64>::eye(2) * v[c],
    };
    let of = |row: ndarray::ArrayView1<f32>| -> f64 {
        let density = |c: usize| {
            let s = covariance(c);
            let det = s[[0, 0]] * s[[1, 1]] - s[[0, 1]] * s[[1, 0]];
            let (y, x) = (f64::from(row[0]) - mixture.means[[c, 0]], f64::from(row[1]) - mixture.means[[c, 1]]);
            let q = (s[[1, 1]] * y * y - 2.0 * s[[0, 1]] * y * x + s[[0, 0]] * x * x) / det;
            mixture.weights[c] * (-0.5 * q).exp() / (std::f64::consts::TAU * det.sqrt())
        };
        (0..mixture.weights.len()).map(density).sum::<f64>().ln()
    };
    data.outer_iter().map(of).sum::<f64>() / data.nrows() as f64
}

#[test]
fn a_class_that_shrinks_is_an_error_and_regularisation_helps() {
    let data = Array2::from_shape_fn((40, 3), |(i, j)| if i < 20 { 0.0 } else { (i * (j + 3) % 7) as f32 });
    let start: Vec<u32> = (0..40).map(|i| u32::from(i >= 20)).collect();
    let with = |regularisation| {
        fit(data.view(), &start, 2, Fitting { kind: Covariance::Full, regularisation, tolerance: 1e-3, most: 20 })
    };
    assert!(with(0.0).is_err());
    assert!(with(1e-3).is_ok());
}

#[test]
fn an_empty_class_is_filled_and_identical_rows_are_one_class() {
    let (data, truth) = clouds(90, 4, 3, 9.0, 2);
    // All starts in one cloud, twice the same centre: one class is empty at first.
    let start = data.select(Axis(0), &[0, 0, 3]);
    let run = &kmeans::kmeans(data.view(), &[start], 0.0, 100, |_| ()).unwrap()[0];
    assert!(adjusted_rand(&run.labels, &truth) > 0.5 && (0..3).all(|c| run.labels.contains(&c)));
    let same = Array2::from_elem((12, 4), 2.5_f32);
    let rows = seeding::plus_plus(same.view(), 3, 0, 2, 1).unwrap();
    let starts: Vec<_> = rows.iter().map(|r| seeding::centres(same.view(), r)).collect();
    let run = &kmeans::kmeans(same.view(), &starts, 1e-4, 100, |_| ()).unwrap()[0];
    assert!(run.labels.iter().all(|l| *l == run.labels[0]) && run.inertia == 0.0);
    let tree = merges(same.view(), Linkage::Ward, None).unwrap();
    assert!(tree.iter().all(|m| m.height == 0.0) && tree.last().unwrap().size == 12);
}

#[test]
fn cuts_give_as_many_classes_as_asked() {
    let (data, truth) = clouds(60, 5, 4, 8.0, 3);
    let tree = merges(data.view(), Linkage::Ward, None).unwrap();
    for classes in 1..=60 {
        let labels = cut(60, &tree, classes);
        assert_eq!(*labels.iter().max().unwrap() as usize + 1, classes);
    }
    assert_eq!(adjusted_rand(&cut(60, &tree, 4), &truth), 1.0);
}

/// Against scikit-learn's `adjusted_rand_score`, which gives 0.4444 for the first two lists.
#[test]
fn the_rand_index_is_adjusted() {
    assert!((adjusted_rand(&[0, 0, 1, 1, 2, 2], &[0, 0, 1, 2, 2, 2]) - 0.444_444_444).abs() < 1e-6);
    assert_eq!(adjusted_rand(&[0, 0, 1, 1], &[5, 5, 3, 3]), 1.0);
    assert_eq!(adjusted_rand(&[0, 0, 0], &[1, 1, 1]), 1.0);
    assert_eq!(compare::matching(&[0, 0, 1, 1, 2], &[1, 1, 0, 0, 0], 3, 2), vec![Some(1), Some(0), None]);
}

#[test]
fn silhouette_and_gap_see_three_clouds() {
    let (data, truth) = clouds(300, 3, 3, 8.0, 5);
    let right = number::silhouette(data.view(), &truth, 1000, 1);
    let wrong: Vec<u32> =
        truth.iter().enumerate().map(|(i, t)| if *t == 2 { 2 + (i as u32 / 3) % 2 } else { *t }).collect();
    assert!(right > 0.6 && right > number::silhouette(data.view(), &wrong, 1000, 1));
    // Written out for one small case: rows 0 and 1 together, 2 alone.
    let few = array![[0.0_f32], [1.0], [4.0]];
    let expected = ((4.0 - 1.0) / 4.0 + (3.0 - 1.0) / 3.0 + 0.0) / 3.0;
    assert!((number::silhouette(few.view(), &[0, 0, 1], 10, 1) - expected).abs() < 1e-6);
    let gaps = number::gaps(data.view(), 5, 5, 1).unwrap();
    let chosen = (1..5).find(|&k| gaps[k - 1].0 >= gaps[k].0 - gaps[k].1).unwrap();
    assert_eq!(chosen, 3, "{gaps:?}");
}

#[test]
fn mixed_sources_are_taken_apart() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let sources = Array2::from_shape_fn((4000, 2), |(_, j)| match j {
        0 => rng.gen_range(-1.0_f64..1.0) * 3.0_f64.sqrt(),
        _ => f64::from(rng.r#gen::<f32>() < 0.5) * 2.0 - 1.0,
    });
    let (c, s) = (0.6_f64.cos(), 0.6_f64.sin());
    let turned = sources.dot(&array![[c, s], [-s, c]]);
    let turn = reduce::independent(turned.view(), 1, 200).unwrap();
    let found = turned.dot(&turn.t());
    for j in 0..2 {
        let best = (0..2).map(|i| found.column(i).dot(&sources.column(j)).abs() / 4000.0).fold(0.0, f64::max);
        assert!(best > 0.98, "{best}");
    }
}

#[test]
fn parts_that_only_add_are_found() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let parts = Array2::from_shape_fn((2, 20), |(k, j)| if j / 10 == k { 1.0 + (j % 3) as f64 } else { 0.0 });
    let amounts = Array2::from_shape_fn((200, 2), |_| rng.gen_range(0.0..1.0_f64));
    let data = amounts.dot(&parts);
    let (found, _) = reduce::parts(data.view(), 2, 1, 500).unwrap();
    for part in parts.outer_iter() {
        let cosine = |f: ndarray::ArrayView1<f64>| f.dot(&part) / (f.dot(&f) * part.dot(&part)).sqrt();
        assert!(found.outer_iter().map(cosine).fold(0.0, f64::max) > 0.99);
    }
}
