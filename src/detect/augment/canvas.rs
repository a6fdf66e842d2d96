//! The labelled frame as crops are cut from it.

use super::super::noise::Noise;
use super::super::periodicity::{Labels, disc};
use super::super::plant::Soil;
use super::super::sites::{Site, Sites, Spot};
use ndarray::{Array2, s};
use std::ops::Range;

/// What crops are cut from.
pub(in super::super) struct Canvas {
    /// The binned frame, as it was recorded.
    pub image: Array2<f32>,
    pub background: Array2<f32>,
    /// Standard deviation of the frame about its background.
    pub deviation: f32,
    /// 1 in a label's disc: one map for all labels, or dark and bright.
    pub targets: Vec<Array2<f32>>,
    /// 0 where the frame cannot say.
    pub weight: Array2<f32>,
    pub labels: Vec<Spot>,
    /// What planting must know; none where the lattice is too faint.
    pub soil: Option<Soil>,
}

impl Canvas {
    /// Of labels, with one target or two.
    pub(in super::super) fn of(labels: &Labels, channels: usize) -> Canvas {
        let (_, weight) = labels.target_and_weight();
        let mut targets = vec![Array2::zeros(labels.image.dim()); channels];
        for region in &labels.regions {
            let (y, x) = labels.binned(region);
            let channel = if region.score < 0.0 { 0 } else { channels - 1 };
            disc(&mut targets[channel], y, x, labels.radius_px, |t| *t = 1.0);
        }
        let places: Vec<Spot> = labels.regions.iter().map(|r| labels.binned(r)).collect();
        let period = (labels.lattice.period_px / labels.bin as f64) as f32;
        let soil = Sites::find(labels).map(|found| {
            let near = |at: Spot, p: &Spot| (at.0 - p.0).hypot(at.1 - p.1) < 0.75 * period;
            let sites = found.sites.into_iter().filter(|s| !places.iter().any(|p| near(s.at, p))).collect();
            let noise = Noise::of(&labels.image, &labels.periodic, &weight);
            Soil { sites, shape: found.shape, noise, expected: labels.periodic.clone(), radius_px: labels.radius_px }
        });
        Canvas::new(labels.image.clone(), period, targets, weight, places, soil)
    }

    pub(in super::super) fn new(
        image: Array2<f32>,
        period_px: f32,
        targets: Vec<Array2<f32>>,
        weight: Array2<f32>,
        labels: Vec<Spot>,
        soil: Option<Soil>,
    ) -> Canvas {
        let (background, deviation) = super::super::training::levels(&image, f64::from(period_px));
        Canvas { image, background, deviation, targets, weight, labels, soil }
    }

    /// Some rows of it, as a canvas of its own.
    pub(in super::super) fn rows(&self, rows: Range<usize>) -> Canvas {
        let part = |map: &Array2<f32>| map.slice(s![rows.clone(), ..]).to_owned();
        let moved = |at: Spot| (at.0 - rows.start as f32, at.1);
        let inside = |at: Spot| at.0 >= rows.start as f32 - 0.5 && at.0 < rows.end as f32 - 0.5;
        let soil = self.soil.as_ref().map(|soil| Soil {
            sites: soil.sites.iter().filter(|s| inside(s.at)).map(|s| Site { at: moved(s.at), ..*s }).collect(),
            expected: part(&soil.expected),
            ..soil.clone()
        });
        Canvas {
            image: part(&self.image),
            background: part(&self.background),
            deviation: self.deviation,
            targets: self.targets.iter().map(part).collect(),
            weight: part(&self.weight),
            labels: self.labels.iter().filter(|l| inside(**l)).map(|l| moved(*l)).collect(),
            soil,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::PeriodicityBreak;
    use crate::simulate::Ws2;

    /// Rows that are held out are in no crop of the others.
    #[test]
    fn rows_are_apart() {
        let labels = PeriodicityBreak::default()
            .label(&Ws2::default().with_size_px(192).simulate(5).unwrap().movie.frame(0).unwrap())
            .unwrap();
        let canvas = Canvas::of(&labels, 1);
        let (upper, lower) = (canvas.rows(0..150), canvas.rows(150..192));
        assert_eq!((upper.image.nrows(), lower.image.nrows()), (150, 42));
        assert_eq!(upper.labels.len() + lower.labels.len(), canvas.labels.len());
        let sites = |c: &Canvas| c.soil.as_ref().unwrap().sites.len();
        assert_eq!(sites(&upper) + sites(&lower), sites(&canvas));
        assert_eq!(lower.image[[3, 7]], canvas.image[[153, 7]]);
    }
}
