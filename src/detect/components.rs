//! Connected components of a mask, eight neighbours to a pixel.

use ndarray::Array2;

/// The pixels of each component, components in order of their first pixel (row by row).
pub(crate) fn components(mask: &Array2<bool>) -> Vec<Vec<(usize, usize)>> {
    let (h, w) = mask.dim();
    let mut open = mask.clone();
    let mut all = vec![];
    for start in mask.indexed_iter().filter(|(_, m)| **m).map(|(at, _)| at) {
        if !open[start] {
            continue;
        }
        open[start] = false;
        let (mut pixels, mut next) = (vec![start], 0);
        while let Some(&(y, x)) = pixels.get(next) {
            next += 1;
            for ny in y.saturating_sub(1)..(y + 2).min(h) {
                for nx in x.saturating_sub(1)..(x + 2).min(w) {
                    if std::mem::take(&mut open[[ny, nx]]) {
                        pixels.push((ny, nx));
                    }
                }
            }
        }
        all.push(pixels);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The obvious slow version: spread the smallest label until nothing changes.
    fn slow(mask: &Array2<bool>) -> Vec<Vec<(usize, usize)>> {
        let (h, w) = mask.dim();
        let mut label = Array2::from_shape_fn((h, w), |(y, x)| if mask[[y, x]] { y * w + x } else { usize::MAX });
        loop {
            let before = label.clone();
            for ((y, x), _) in mask.indexed_iter().filter(|(_, m)| **m) {
                for (ny, nx) in (y.saturating_sub(1)..(y + 2).min(h))
                    .flat_map(|ny| (x.saturating_sub(1)..(x + 2).min(w)).map(move |nx| (ny, nx)))
                {
                    label[[y, x]] = label[[y, x]].min(label[[ny, nx]]);
                }
            }
            if before == label {
                break;
            }
        }
        let mut groups = std::collections::BTreeMap::<usize, Vec<(usize, usize)>>::new();
        for (at, &l) in label.indexed_iter().filter(|(_, l)| **l != usize::MAX) {
            groups.entry(l).or_default().push(at);
        }
        groups.into_values().collect()
    }

    proptest! {
        #[test]
        fn fast_equals_slow(h in 1_usize..12, w in 1_usize..12, bits in prop::collection::vec(any::<bool>(), 144)) {
            let mask = Array2::from_shape_fn((h, w), |(y, x)| bits[y * 12 + x]);
            let mut fast = components(&mask);
            fast.iter_mut().for_each(|c| c.sort_unstable());
            prop_assert_eq!(fast, slow(&mask));
        }
    }
}
