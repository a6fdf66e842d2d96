//! Figures of classes: the gallery, the tree, how many there are, and what the halves of the pixels say.

use super::kinds::show;
use super::plots::Tree;
use super::tiles::contrast;
use super::{CLASS_COLOURS, Chart, ColourMap, Figure, Rgb, Series, Tile, Tiles};
use crate::classify::{Classes, CrossValidated, Dendrogram, NumberOfClasses};
use crate::error::Result;
use crate::show::{escape_html, table_html};
use ndarray::{Array2, Array3, Axis};

/// Width of a gallery, in CSS pixels, and the largest side of one of its patches.
const WIDE: f64 = 690.0;
const LARGEST: f64 = 130.0;
/// More classes than these show their means alone, in several rows.
const ONE_ROW: usize = 8;
/// Leaves that a tree is truncated to.
const LEAVES: usize = 14;

pub(super) fn class_colour(class: usize) -> Rgb {
    CLASS_COLOURS[class % CLASS_COLOURS.len()]
}

impl Classes {
    /// Mean patch of each class with its number of defects and species, the spread within it, and, where the classes were
    /// tried on frames without defects, what they made of those, and how many of the class's defects that would be (by the kinds of
    /// frames that give fewest and most). A class that has no more is called no finding, and where the kinds of frames
    /// contradict each other, one that may be noise.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let mean = contrast(self.means.iter().copied());
        let spread = self.variances.mapv(f32::sqrt);
        let wide = contrast(spread.iter().copied());
        let one_row = self.len() <= ONE_ROW;
        let count = |c: usize| match self.count_errors[c] {
            e if e >= 0.5 => format!("{} ± {e:.0}", self.counts[c]),
            _ => self.counts[c].to_string(),
        };
        let species = |c: usize| match &self.species[c] {
            Some(n) if n.confidence < 1.0 => Some(format!("{} {:.0} %", n.species, 100.0 * n.confidence)),
            Some(n) => Some(n.species.clone()),
            None => (self.outliers == Some(c as u32)).then(|| "outliers".into()),
        };
        // Where there is a name it stands over the mean, and the count over the spread. What may be noise has none.
        let doubt = |c: usize| self.noise_of(c).and_then(|noise| noise.doubt()).map(String::from);
        let name = |c: usize| doubt(c).or_else(|| species(c).filter(|_| one_row));
        let over_mean = |c: usize| match name(c) {
            Some(name) => format!("{c}: {name}"),
            None => format!("{c}: {}", count(c)),
        };
        let over_spread = |c: usize| match name(c) {
            Some(_) => format!("spread of {}", self.counts[c]),
            None => "spread".into(),
        };
        let nm = self.defects.patch_nm_per_px();
        let row = |of: &Array3<f32>, range: (f32, f32), words: &dyn Fn(usize) -> String, bar: bool| -> Vec<Tile> {
            let tile = |(c, image): (usize, ndarray::ArrayView2<f32>)| Tile {
                range,
                nm_per_px: (bar && c == 0).then_some(nm),
                ..Tile::new(image.to_owned(), words(c))
            };
            of.outer_iter().enumerate().map(tile).collect()
        };
        let mut tiles = row(&self.means, mean, &over_mean, true);
        if one_row {
            tiles.extend(row(&spread, wide, &over_spread, false));
            if let Some(surrogate) = self.worst_surrogate() {
                let words =
                    |c: usize| self.noise_of(c).map_or_else(String::new, |noise| format!("noise: {}", noise.range()));
                let mut means = surrogate.means.clone();
                for c in (0..self.len()).filter(|&c| surrogate.counts[c] == 0) {
                    means.index_axis_mut(Axis(0), c).fill(f32::NAN);
                }
                tiles.extend(row(&means, mean, &words, false));
            }
        }
        gallery(tiles, self.len(), format!("{self:?}"))
    }

    /// Shows the classes in a notebook.
    pub fn evcxr_display(&self) {
        let table = self.table().map_or_else(|e| escape_html(&e.to_string()), |t| table_html(&t));
        show(&format!("{self:?}"), &table, &[Ok(self.figure())]);
    }
}

/// Patches in rows of as many as there are classes, or of eight.
fn gallery(tiles: Vec<Tile>, classes: usize, alt: String) -> Figure {
    let columns = classes.clamp(1, ONE_ROW);
    let side = (WIDE / columns as f64 - 8.0).min(LARGEST);
    Figure::tiles(Tiles { tiles, columns, side, colours: ColourMap::Viridis, legend: vec![] }, alt)
}

impl CrossValidated {
    /// The means.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let range = contrast(self.means.iter().copied());
        let caption = |c: usize| format!("{c}: {}, {}", self.counts[0][c], self.counts[1][c]);
        let tile = |(c, m): (usize, ndarray::ArrayView2<f32>)| Tile { range, ..Tile::new(m.to_owned(), caption(c)) };
        gallery(
            self.means.outer_iter().enumerate().map(tile).collect(),
            self.means.len_of(Axis(0)),
            format!("{self:?}"),
        )
    }

    /// Shows them in a notebook.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), "", &[Ok(self.figure())]);
    }
}

impl NumberOfClasses {
    /// The four measures against the number of classes, each with the number that it would take.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let gap: Vec<f64> = self.gap.iter().map(|g| g.0).collect();
        let bounds = [-1.0, 1.0].map(|sign| self.gap.iter().map(|g| g.0 + sign * g.1).collect::<Vec<f64>>());
        let line = |values: &[f64], colour: Rgb, width: f64| {
            let points = values.iter().enumerate().filter(|(_, v)| v.is_finite()).map(|(i, &v)| ((i + 1) as f64, v));
            Series::Line { points: points.collect(), colour, width, name: None }
        };
        let chart = |label: &str, values: &[f64], vote: usize| Chart {
            title: String::new(),
            x_label: "classes".into(),
            y_label: label.into(),
            log_y: false,
            whole_x: true,
            series: vec![
                line(values, CLASS_COLOURS[6], 2.0),
                Series::Marker { x: vote as f64, colour: CLASS_COLOURS[5], name: format!("takes {vote}") },
            ],
        };
        let thousands: Vec<f64> = self.bic.iter().map(|b| b / 1000.0).collect();
        let mut charts = vec![
            chart("BIC (thousands)", &thousands, self.votes[0]),
            chart("silhouette", &self.silhouette, self.votes[1]),
            chart("gap (± standard error)", &gap, self.votes[2]),
            chart("stability", &self.stability, self.votes[3]),
        ];
        charts[2].series.extend(bounds.iter().map(|b| line(b, (150, 180, 210), 1.0)));
        Figure::panels(charts, 2, format!("{self:?}"))
    }

    /// Shows the measures in a notebook.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), "", &[Ok(self.figure())]);
    }
}

impl Dendrogram {
    /// The top of the tree, coloured by the classes that it is cut into, with the mean patch and the number of defects of each
    /// branch that is not drawn further.
    ///
    /// # Errors
    /// As for [`Dendrogram::cut`].
    pub fn figure(&self, classes: usize) -> Result<Figure> {
        let leaves = LEAVES.max(classes).min(self.leaf_count());
        let branches = self.branches(leaves);
        let cut = self.cut(classes)?;
        let labels = cut.labels()?;
        let patches = self.defects().patches();
        let (_, h, w) = patches.dim();
        let mut tiles = vec![];
        let mut colours = vec![];
        for rows in &branches.rows {
            let mut mean = Array2::<f32>::zeros((h, w));
            rows.iter().for_each(|&r| mean += &patches.index_axis(Axis(0), r));
            mean /= rows.len().max(1) as f32;
            tiles.push(Tile::new(mean, rows.len().to_string()));
            colours.push(class_colour(labels[rows[0]] as usize));
        }
        let range = contrast(tiles.iter().flat_map(|t| t.image.iter().copied()));
        tiles.iter_mut().for_each(|t| t.range = range);
        let legend = (0..cut.len()).map(|c| (class_colour(c), format!("class {c} ({})", cut.counts[c]))).collect();
        let side = (WIDE / leaves as f64 - 8.0).min(70.0);
        let tiles = Tiles { tiles, columns: leaves, side, colours: ColourMap::Viridis, legend };
        Ok(Figure::tree(Tree { tiles, joins: branches.joins, colours }, format!("{self:?}")))
    }

    /// Shows the tree in a notebook, cut where the heights of merges leave the widest gap between two and ten classes.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), "", &[self.figure(self.widest_gap())]);
    }
}
