//! Hierarchical classes of the patches: a tree that can be cut.

use super::classes::{Classes, Sorted, check_classes};
pub use super::cluster::hierarchy::Linkage;
use super::cluster::hierarchy::merges;
pub use super::cluster::merges::Merge;
use super::cluster::{kmeans, merges as tree, seeding};
use super::features::{Extractor, Features, class_centres};
use crate::defects::Defects;
use crate::error::{Error, Result, check, setters};
use crate::session::seeded;
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How to build a [`Dendrogram`].
///
/// Up to `most_exact` defects the tree is exact; memory grows as 4 bytes for every pair, and time as the square. Of more
/// defects it is an *approximation*, and says so: k-means sorts them into `groups` small groups, and Ward's method merges
/// these, each weighing as much as it holds. That needs [`Linkage::Ward`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hierarchy {
    /// How far apart clusters are.
    pub linkage: Linkage,
    /// What of a patch is looked at.
    pub features: Features,
    /// As many defects get an exact tree.
    pub most_exact: usize,
    /// Small groups that more defects are sorted into first.
    pub groups: usize,
    /// Seed of these groups.
    pub seed: u64,
}

impl Default for Hierarchy {
    fn default() -> Self {
        Hierarchy { linkage: Linkage::Ward, features: Features::Pixels, most_exact: 25_000, groups: 1_000, seed: 1 }
    }
}

/// A tree of defects: which were merged, and how far apart they were (Ward: the square root of twice the growth of the
/// sum of squares, as SciPy has it). Cut it into classes.
///
/// ```no_run
/// # fn main() -> atomotion::Result<()> {
/// # use atomotion::prelude::*;
/// # let defects = Defects::load("defects")?;
/// let tree = defects.dendrogram(Linkage::Ward)?;
/// let classes = tree.cut(6)?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Dendrogram {
    /// Merges by height, numbered as SciPy does: a node below the number of leaves is a leaf, node `leaves + i` is what
    /// merge `i` made.
    pub merges: Vec<Merge>,
    /// The leaf that each defect belongs to: its own row, or its small group where the tree is an approximation.
    pub leaves: Vec<u32>,
    /// Whether small groups stand for their members.
    pub approximate: bool,
    /// How far apart clusters were.
    pub linkage: Linkage,
    pub(crate) defects: Defects,
    data: Arc<Array2<f32>>,
    extractor: Extractor,
}

impl Hierarchy {
    /// With one linkage, and the defaults.
    #[must_use]
    pub fn new(linkage: Linkage) -> Self {
        Hierarchy { linkage, ..Hierarchy::default() }
    }

    setters! {
        linkage: Linkage => with_linkage,
        features: Features => with_features,
        most_exact: usize => with_most_exact,
        groups: usize => with_groups,
        seed: u64 => with_seed,
    }

    /// Builds the tree.
    ///
    /// # Errors
    /// If there are no defects, a patch holds NaN, or there are too many for the linkage.
    pub fn fit(&self, defects: &Defects) -> Result<Dendrogram> {
        if defects.is_empty() {
            return Err(Error::data("no defects make no tree"));
        }
        check("groups", self.groups, self.groups >= 2, "at least 2")?;
        let extractor = self.features.of(defects)?;
        let data = extractor.measure(defects.patches())?;
        let approximate = defects.len() > self.most_exact;
        if approximate && self.linkage != Linkage::Ward {
            return Err(Error::data(format!(
                "{} defects are more than most_exact = {}, and only Ward's linkage can be approximated: raise it (the \
                 tree needs {:.1} GB of memory), or use Linkage::Ward",
                defects.len(),
                self.most_exact,
                4e-9 * (defects.len() as f64).powi(2)
            )));
        }
        let (leaves, merges) = if approximate {
            let rows = seeding::sample(data.nrows(), self.groups, seeded("Hierarchy", self.seed));
            let start = seeding::centres(data.view(), &rows);
            let mut run = kmeans::kmeans(data.view(), &[start], 1e-3, 12, |_| ())?;
            let run = run.pop().ok_or_else(|| Error::data("no groups were found"))?;
            grouped(data.view(), &run.labels, self.groups)?
        } else {
            ((0..defects.len() as u32).collect(), merges(data.view(), self.linkage, None)?)
        };
        let (linkage, defects) = (self.linkage, defects.clone());
        Ok(Dendrogram { merges, leaves, approximate, linkage, defects, data: Arc::new(data), extractor })
    }
}

/// Ward's merges of groups, each weighing as much as it holds; empty groups are left out.
fn grouped(data: ndarray::ArrayView2<f32>, labels: &[u32], groups: usize) -> Result<(Vec<u32>, Vec<Merge>)> {
    let mut sizes = vec![0_usize; groups];
    labels.iter().for_each(|&l| sizes[l as usize] += 1);
    let full: Vec<usize> = (0..groups).filter(|&g| sizes[g] > 0).collect();
    let mut to = vec![0_u32; groups];
    full.iter().enumerate().for_each(|(i, &g)| to[g] = i as u32);
    let leaves: Vec<u32> = labels.iter().map(|&l| to[l as usize]).collect();
    let centres = class_centres(data, &leaves, full.len());
    let sizes: Vec<usize> = full.iter().map(|&g| sizes[g]).collect();
    let merges = merges(centres.view(), Linkage::Ward, Some(&sizes))?;
    Ok((leaves, merges))
}

impl Dendrogram {
    /// Number of leaves.
    #[must_use]
    pub fn leaf_count(&self) -> usize {
        self.merges.len() + 1
    }

    /// The classes that are left when the last merges are undone.
    ///
    /// # Errors
    /// If there are fewer leaves than classes.
    pub fn cut(&self, classes: usize) -> Result<Classes> {
        check_classes(classes, self.leaf_count())?;
        let parts = tree::cut(self.leaf_count(), &self.merges, classes);
        let labels: Vec<u32> = self.leaves.iter().map(|&l| parts[l as usize]).collect();
        let centres = class_centres(self.data.view(), &labels, classes);
        let found = Sorted::by_centres(self.extractor.clone(), self.data.view(), labels, centres);
        let method = match self.linkage {
            Linkage::Ward if self.approximate => "Ward's method (approximate)",
            Linkage::Ward => "Ward's method",
            Linkage::Average => "average linkage",
            Linkage::Complete => "complete linkage",
            Linkage::Single => "single linkage",
        };
        Classes::new(&self.defects, found, method.into())
    }

    /// The classes that are farther apart than `height`.
    ///
    /// # Errors
    /// If `height` is not a number.
    pub fn cut_at(&self, height: f64) -> Result<Classes> {
        check("height", height, !height.is_nan(), "a height of the tree")?;
        self.cut(1 + self.merges.iter().filter(|m| m.height > height).count())
    }
}

/// The top of a tree: branches that are not drawn further, from left to right.
pub(crate) struct Branches {
    /// Rows of defects in each.
    pub rows: Vec<Vec<usize>>,
    /// What is joined: two nodes (a branch's number, or the branches' count plus a join's) and the height.
    pub joins: Vec<(usize, usize, f64)>,
}

impl Dendrogram {
    pub(crate) fn defects(&self) -> &Defects {
        &self.defects
    }

    /// The branches that are left when the last merges are undone, ordered so that no lines cross, larger ones to the left.
    pub(crate) fn branches(&self, count: usize) -> Branches {
        let leaves = self.leaf_count();
        let kept = leaves - count.clamp(1, leaves);
        let size = |node: usize| if node < leaves { 1 } else { self.merges[node - leaves].size };
        // From the top down: every node that is drawn, left to right.
        let mut order = vec![];
        let mut todo = vec![leaves + self.merges.len() - 1];
        while let Some(node) = todo.pop() {
            if node < leaves + kept {
                order.push(node);
                continue;
            }
            let merge = self.merges[node - leaves];
            let (a, b) = (merge.first, merge.second);
            let (large, small) = if size(a) >= size(b) { (a, b) } else { (b, a) };
            todo.extend([small, large]);
        }
        let place = |node: usize| match node < leaves + kept {
            true => order.iter().position(|&n| n == node).unwrap_or(0),
            false => order.len() + node - leaves - kept,
        };
        let joins = self.merges[kept..].iter().map(|m| (place(m.first), place(m.second), m.height)).collect();
        let parts = tree::cut(leaves, &self.merges, order.len());
        let mut of_part = vec![vec![]; order.len()];
        self.leaves.iter().enumerate().for_each(|(row, &leaf)| of_part[parts[leaf as usize] as usize].push(row));
        let part = |node: usize| {
            let mut node = node;
            while node >= leaves {
                node = self.merges[node - leaves].first;
            }
            parts[node] as usize
        };
        Branches { rows: order.iter().map(|&node| std::mem::take(&mut of_part[part(node)])).collect(), joins }
    }

    /// The number of classes, from two to ten, below which the tree has the widest gap between merges (as a ratio).
    pub(crate) fn widest_gap(&self) -> usize {
        let top: Vec<f64> = self.merges.iter().rev().take(11).map(|m| m.height).collect();
        let ratio = |k: usize| top[k - 2] / top[k - 1].max(f64::MIN_POSITIVE);
        (2..=10).filter(|&k| k <= top.len()).max_by(|&a, &b| ratio(a).total_cmp(&ratio(b))).unwrap_or(1)
    }
}

impl Defects {
    /// The tree of the patches' pixels; [`Hierarchy`] has more to choose from.
    ///
    /// # Errors
    /// As for [`Hierarchy::fit`].
    pub fn dendrogram(&self, linkage: Linkage) -> Result<Dendrogram> {
        Hierarchy::new(linkage).fit(self)
    }
}

impl std::fmt::Debug for Dendrogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let top = self.merges.last().map_or(0.0, |m| m.height);
        write!(f, "A tree of {} defects ({:?} linkage), {top:.3} high", self.defects.len(), self.linkage)?;
        if self.approximate {
            write!(f, ". An approximation: its leaves are {} small groups by k-means", self.leaf_count())?;
        }
        Ok(())
    }
}
