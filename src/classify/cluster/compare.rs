//! How alike two ways of sorting the same rows are.

use std::collections::HashMap;

/// Adjusted Rand index (Hubert and Arabie, J. Classification 2, 193, 1985): 1 for the same classes under any names, 0 on
/// average for chance. Two single classes are the same.
pub(crate) fn adjusted_rand(a: &[u32], b: &[u32]) -> f64 {
    let pairs = |n: f64| n * (n - 1.0) / 2.0;
    let (mut both, mut of_a, mut of_b) = (HashMap::new(), HashMap::new(), HashMap::new());
    for (&i, &j) in a.iter().zip(b) {
        *both.entry((i, j)).or_insert(0.0) += 1.0;
        *of_a.entry(i).or_insert(0.0) += 1.0;
        *of_b.entry(j).or_insert(0.0) += 1.0;
    }
    let index: f64 = both.values().map(|&n| pairs(n)).sum();
    let (sum_a, sum_b): (f64, f64) = (of_a.values().map(|&n| pairs(n)).sum(), of_b.values().map(|&n| pairs(n)).sum());
    let all = pairs(a.len().min(b.len()) as f64);
    let expected = if all > 0.0 { sum_a * sum_b / all } else { 0.0 };
    let most = 0.5 * (sum_a + sum_b);
    if (most - expected).abs() < 1e-12 { 1.0 } else { (index - expected) / (most - expected) }
}

/// Pairs each class of `a` with one of `b` so that as many rows as possible agree: the class of `b` for each class of
/// `a`, none where `b` has fewer (Kuhn, Naval Res. Logist. Q. 2, 83, 1955; here greedily improved by exchanges).
pub(crate) fn matching(a: &[u32], b: &[u32], classes_a: usize, classes_b: usize) -> Vec<Option<u32>> {
    let size = classes_a.max(classes_b);
    let mut together = vec![vec![0_i64; size]; size];
    a.iter().zip(b).for_each(|(&i, &j)| together[i as usize][j as usize] += 1);
    let mut to: Vec<usize> = (0..size).collect();
    // Exchanges of two until none helps, from the largest overlaps on: for the few classes at hand this is the optimum
    // or within a row or two of it.
    let mut order: Vec<(usize, usize)> = (0..size).flat_map(|i| (0..size).map(move |j| (i, j))).collect();
    order.sort_by_key(|&(i, j)| -together[i][j]);
    let (mut taken_a, mut taken_b) = (vec![false; size], vec![false; size]);
    for (i, j) in order {
        if !taken_a[i] && !taken_b[j] {
            (taken_a[i], taken_b[j], to[i]) = (true, true, j);
        }
    }
    let mut better = true;
    while better {
        better = false;
        for i in 0..size {
            for j in 0..i {
                let now = together[i][to[i]] + together[j][to[j]];
                if together[i][to[j]] + together[j][to[i]] > now {
                    to.swap(i, j);
                    better = true;
                }
            }
        }
    }
    to.into_iter().take(classes_a).map(|j| (j < classes_b).then_some(j as u32)).collect()
}
