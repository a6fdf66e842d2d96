//! What merged with what: the tree that hierarchical clustering leaves, and its cuts.

use serde::{Deserialize, Serialize};

/// One merge. Nodes below the number of rows are rows; node `rows + i` is what merge `i` made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Merge {
    /// The smaller node number of the two.
    pub first: usize,
    /// The other.
    pub second: usize,
    /// How far apart they were.
    pub height: f64,
    /// Rows in what they made.
    pub size: usize,
}

/// Sorts merges, given by a row of either side, by height, and numbers nodes as SciPy does.
pub(super) fn numbered(rows: usize, sizes: &[usize], mut found: Vec<(usize, usize, f64)>) -> Vec<Merge> {
    found.sort_by(|a, b| a.2.total_cmp(&b.2));
    let mut sets = Sets::new(rows);
    let mut node: Vec<usize> = (0..rows).collect();
    let mut size = sizes.to_vec();
    let mut merges = Vec::with_capacity(found.len());
    for (i, (a, b, height)) in found.into_iter().enumerate() {
        let (a, b) = (sets.root(a), sets.root(b));
        let (x, y) = (node[a], node[b]);
        let root = sets.join(a, b);
        size[root] = size[a] + size[b] - if a == b { size[a] } else { 0 };
        node[root] = rows + i;
        merges.push(Merge { first: x.min(y), second: x.max(y), height, size: size[root] });
    }
    merges
}

/// The class of each row when the last merges are undone until `classes` parts are left; classes are numbered by
/// their first row.
pub(crate) fn cut(rows: usize, merges: &[Merge], classes: usize) -> Vec<u32> {
    let kept = rows.saturating_sub(classes.max(1)).min(merges.len());
    let mut sets = Sets::new(rows + merges.len());
    for (i, merge) in merges[..kept].iter().enumerate() {
        sets.parent[merge.first] = rows + i;
        sets.parent[merge.second] = rows + i;
    }
    let mut numbers = std::collections::HashMap::new();
    (0..rows)
        .map(|row| {
            let next = numbers.len() as u32;
            *numbers.entry(sets.root(row)).or_insert(next)
        })
        .collect()
}

/// Disjoint sets.
pub(super) struct Sets {
    parent: Vec<usize>,
}

impl Sets {
    pub(super) fn new(n: usize) -> Sets {
        Sets { parent: (0..n).collect() }
    }

    pub(super) fn root(&mut self, mut i: usize) -> usize {
        while self.parent[i] != i {
            self.parent[i] = self.parent[self.parent[i]];
            i = self.parent[i];
        }
        i
    }

    /// Joins the sets of two roots under the smaller.
    pub(super) fn join(&mut self, a: usize, b: usize) -> usize {
        let (low, high) = (a.min(b), a.max(b));
        self.parent[high] = low;
        low
    }
}
