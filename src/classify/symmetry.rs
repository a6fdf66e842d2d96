//! The lattice's symmetry, acting on patches.

use super::classes::Classes;
use crate::detect::Lattice;
use crate::error::{Result, check};
use ndarray::{Array2, ArrayView2, Axis};
use polars::prelude::{NamedFrom, Series};
use serde::{Deserialize, Serialize};

/// Rotations about the middle of a patch, and mirrors through it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointGroup {
    /// Turns by 360° / `fold` leave the lattice as it is.
    pub fold: usize,
    /// Direction of one mirror line, in degrees from the x axis towards the y axis; none without mirrors.
    pub mirror_deg: Option<f64>,
}

/// One element: a turn (clockwise on screen, since y points down), then maybe a mirror.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Element {
    /// Rows of the matrix that takes (y, x) of the result to (y, x) of the patch.
    matrix: [[f64; 2]; 2],
}

impl PointGroup {
    /// Turns only.
    #[must_use]
    pub fn turns(fold: usize) -> PointGroup {
        PointGroup { fold, mirror_deg: None }
    }

    /// Of a site of the two-dimensional transition metal dichalcogenides (3m): threefold turns, and mirrors along the bonds,
    /// which are perpendicular to lattice vectors.
    #[must_use]
    pub fn of_dichalcogenide(lattice: &Lattice) -> PointGroup {
        let [y, x] = lattice.basis_px[0];
        PointGroup { fold: 3, mirror_deg: Some(y.atan2(x).to_degrees() + 90.0) }
    }

    fn elements(&self) -> Vec<Element> {
        let turn = |i: usize| {
            let angle = std::f64::consts::TAU * i as f64 / self.fold as f64;
            [[angle.cos(), angle.sin()], [-angle.sin(), angle.cos()]]
        };
        let mut all: Vec<Element> = (0..self.fold).map(|i| Element { matrix: turn(i) }).collect();
        if let Some(line) = self.mirror_deg {
            let (s, c) = (2.0 * line.to_radians()).sin_cos();
            // Reflection about a line at an angle a: x' = x cos 2a + y sin 2a, y' = x sin 2a - y cos 2a.
            let mirror = [[-c, s], [s, c]];
            for i in 0..self.fold {
                let t = turn(i);
                let product = |r: usize, k: usize| t[r][0] * mirror[0][k] + t[r][1] * mirror[1][k];
                all.push(Element { matrix: [[product(0, 0), product(0, 1)], [product(1, 0), product(1, 1)]] });
            }
        }
        all
    }

    /// How many elements the group has.
    #[must_use]
    pub fn order(&self) -> usize {
        self.fold * (1 + usize::from(self.mirror_deg.is_some()))
    }

    /// The patch under every element, the unchanged one first. What comes from beyond the edge is the nearest pixel's.
    #[must_use]
    pub fn images(&self, patch: ArrayView2<f32>) -> Vec<Array2<f32>> {
        let (h, w) = patch.dim();
        let (cy, cx) = ((h as f64 - 1.0) / 2.0, (w as f64 - 1.0) / 2.0);
        let patch = patch.to_owned();
        let of = |e: Element| {
            Array2::from_shape_fn((h, w), |(y, x)| {
                let (y, x) = (y as f64 - cy, x as f64 - cx);
                let [[a, b], [c, d]] = e.matrix;
                crate::movie::sample(&patch, cy + a * y + b * x, cx + c * y + d * x)
            })
        };
        self.elements().into_iter().enumerate().map(|(i, e)| if i == 0 { patch.clone() } else { of(e) }).collect()
    }
}

/// Sum of squares of a difference within the largest circle, which turns do not leave.
fn difference(a: &Array2<f32>, b: ArrayView2<f32>) -> f64 {
    let (h, w) = a.dim();
    let (cy, cx) = ((h as f64 - 1.0) / 2.0, (w as f64 - 1.0) / 2.0);
    let reach = h.min(w) as f64 / 2.0 - 1.0;
    a.indexed_iter()
        .filter(|((y, x), _)| (*y as f64 - cy).hypot(*x as f64 - cx) <= reach)
        .map(|(at, v)| f64::from(v - b[at]).powi(2))
        .sum()
}

impl Classes {
    /// Counts classes as one that differ by the lattice's symmetry alone: the three orientations of a complex. Adds the
    /// column `orientation` u32 (the element that turns a defect's class into the merged class as it is drawn; 0 none).
    ///
    /// Two classes are one if turning explains at least `share` (0.8, say) of the squared difference of their means, what
    /// noise leaves of it aside. The merged mean is that of the turned class means.
    ///
    /// # Errors
    /// If `share` or the group is out of range.
    pub fn merged_by(&self, group: &PointGroup, share: f64) -> Result<Classes> {
        check("fold", group.fold, (1..=12).contains(&group.fold), "from 1 to 12")?;
        check("share", share, share > 0.0 && share <= 1.0, "above 0 and at most 1")?;
        let noise: Vec<f64> = (0..self.len())
            .map(|c| {
                let zero = Array2::zeros(self.means.index_axis(Axis(0), c).dim());
                let deviation = self.variances.index_axis(Axis(0), c).mapv(f32::sqrt);
                difference(&zero, deviation.view()) / self.counts[c].max(1) as f64
            })
            .collect();
        // Each class to the first that it is an image of, largest first.
        let mut into: Vec<(usize, usize)> = vec![];
        for class in 0..self.len() {
            let mean = self.means.index_axis(Axis(0), class);
            let images = group.images(mean);
            let heads = (0..class).filter(|&c| into[c].0 == c && self.outliers != Some(c as u32));
            let found = heads.filter_map(|head| {
                let of_head = self.means.index_axis(Axis(0), head);
                let least = noise[class] + noise[head];
                let plain = difference(&images[0], of_head) - least;
                let turned = images.iter().map(|i| difference(i, of_head) - least).enumerate().skip(1);
                let (element, left) = turned.min_by(|a, b| a.1.total_cmp(&b.1))?;
                (plain > 0.0 && left < (1.0 - share) * plain).then_some((head, element))
            });
            let own = if self.outliers == Some(class as u32) { None } else { found.into_iter().next() };
            into.push(own.unwrap_or((class, 0)));
        }
        self.merged(group, &into)
    }

    fn merged(&self, group: &PointGroup, into: &[(usize, usize)]) -> Result<Classes> {
        let heads: Vec<usize> = (0..self.len()).filter(|&c| into[c].0 == c).collect();
        let size = |head: usize| (0..self.len()).filter(|&c| into[c].0 == head).map(|c| self.counts[c]).sum::<usize>();
        let mut order = heads.clone();
        let last = |c: usize| self.outliers == Some(c as u32);
        order.sort_by(|&a, &b| last(a).cmp(&last(b)).then(size(b).cmp(&size(a))).then(a.cmp(&b)));
        let to = |class: usize| order.iter().position(|&h| h == into[class].0).unwrap_or(0);
        let labels = self.labels()?;
        let mut memberships = Array2::zeros((labels.len(), order.len()));
        for class in 0..self.len() {
            let mut column = memberships.column_mut(to(class));
            column += &self.memberships.column(class);
        }
        let turned: Vec<u32> = labels.iter().map(|&c| into[c as usize].1 as u32).collect();
        let defects = self.defects.with_column(Series::new("orientation".into(), turned))?;
        let labels = labels.into_iter().map(|c| to(c as usize) as u32).collect();
        let outliers = self.outliers.map(|c| to(c as usize) as u32);
        let merged = Classes::sorted(&defects, labels, memberships, self.method.clone(), outliers, None)?;
        let (_, h, w) = self.means.dim();
        let mut means = merged.means.clone();
        let mut variances = merged.variances.clone();
        for (i, &head) in order.iter().enumerate() {
            let mut sum = [Array2::<f32>::zeros((h, w)), Array2::zeros((h, w))];
            for class in (0..self.len()).filter(|&c| into[c].0 == head) {
                let weight = self.counts[class] as f32 / size(head).max(1) as f32;
                for (sum, from) in sum.iter_mut().zip([&self.means, &self.variances]) {
                    *sum += &(&group.images(from.index_axis(Axis(0), class))[into[class].1] * weight);
                }
            }
            means.index_axis_mut(Axis(0), i).assign(&sum[0]);
            variances.index_axis_mut(Axis(0), i).assign(&sum[1]);
        }
        let species = order.iter().map(|&h| self.species[h].clone()).collect();
        let new: Vec<usize> = (0..self.len()).map(to).collect();
        let turned = |class: usize, mean: &Array2<f32>| group.images(mean.view())[into[class].1].clone();
        let surrogates = self.surrogates.iter().map(|s| s.merged(&new, order.len(), &turned)).collect();
        Ok(Classes { means, variances, species, surrogates, ..merged })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The group closes: images of images are images; turning three times by a third is no change.
    #[test]
    fn the_group_is_a_group() {
        for group in [PointGroup::turns(3), PointGroup { fold: 3, mirror_deg: Some(37.0) }, PointGroup::turns(4)] {
            let all = group.elements();
            assert_eq!(all.len(), group.order());
            for a in &all {
                for b in &all {
                    let product =
                        |r: usize, k: usize| a.matrix[r][0] * b.matrix[0][k] + a.matrix[r][1] * b.matrix[1][k];
                    let same =
                        |e: &Element| (0..2).all(|r| (0..2).all(|k| (e.matrix[r][k] - product(r, k)).abs() < 1e-9));
                    assert!(all.iter().any(same));
                }
            }
        }
        let patch = Array2::from_shape_fn((9, 9), |(y, x)| (y * 9 + x) as f32);
        let quarter = &PointGroup::turns(4).images(patch.view())[1];
        // On whole pixels a quarter turn moves pixels and changes none.
        let mut expected = patch.t().to_owned();
        let a = quarter
            .iter()
            .zip(&{
                expected.invert_axis(Axis(0));
                expected.clone()
            })
            .all(|(a, b)| (a - b).abs() < 1e-3);
        let mut other = patch.t().to_owned();
        other.invert_axis(Axis(1));
        let b = quarter.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(a != b, "{quarter}");
    }
}
