//! Where vacancies are already, and what is left for one more.

use ndarray::{Array3, s};

/// How much more probable a frame is with one more vacancy at a site than without, given how probably others are there.
pub(super) fn gains(evidence: &Array3<f64>, occupied: &Array3<f64>, sites: Option<&[usize]>) -> Array3<f64> {
    let (frames, all, species) = evidence.dim();
    let count = sites.map_or(all, <[usize]>::len);
    let mut gain = Array3::zeros((frames, count, species - 1));
    for t in 0..frames {
        for i in 0..count {
            let site = sites.map_or(i, |s| s[i]);
            let others: f64 = occupied.slice(s![t, site, ..]).sum().clamp(0.0, 1.0 - 1e-9);
            let taken = if others > 1e-9 {
                let with: f64 = (0..species - 1)
                    .map(|k| occupied[[t, site, k]].max(0.0) * libm::exp(evidence[[t, site, k + 1]]))
                    .sum();
                libm::log(1.0 - others) - libm::log(1.0 - others + with)
            } else {
                0.0
            };
            for k in 0..species - 1 {
                gain[[t, i, k]] = evidence[[t, site, k + 1]] + taken;
            }
        }
    }
    gain
}

/// Sites within so many steps of one, nearest first, and their neighbours among themselves.
pub(super) fn window(neighbours: &[Vec<usize>], from: usize, reach: usize) -> (Vec<usize>, Vec<Vec<usize>>) {
    let mut place = std::collections::HashMap::from([(from, 0)]);
    let (mut sites, mut ring) = (vec![from], 0..1);
    for _ in 0..reach {
        for i in ring.clone() {
            for &n in &neighbours[sites[i]] {
                if let std::collections::hash_map::Entry::Vacant(entry) = place.entry(n) {
                    entry.insert(sites.len());
                    sites.push(n);
                }
            }
        }
        ring = ring.end..sites.len();
    }
    let near = sites.iter().map(|&s| neighbours[s].iter().filter_map(|n| place.get(n).copied()).collect()).collect();
    (sites, near)
}

/// The species after the perfect column, with what is left for that in front.
pub(super) fn with_perfect(occupied: &Array3<f64>) -> Array3<f64> {
    let (frames, sites, kinds) = occupied.dim();
    let mut all = Array3::zeros((frames, sites, kinds + 1));
    for t in 0..frames {
        for site in 0..sites {
            let sum: f64 = occupied.slice(s![t, site, ..]).sum();
            let scale = if sum > 1.0 { 1.0 / sum } else { 1.0 };
            for k in 0..kinds {
                all[[t, site, k + 1]] = (occupied[[t, site, k]] * scale).max(0.0);
            }
            all[[t, site, 0]] = (1.0 - sum).max(0.0);
        }
    }
    all
}
