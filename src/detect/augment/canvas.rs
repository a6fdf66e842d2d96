//! The labelled frame as crops are cut from it.

use super::super::backdrop::Backdrop;
use super::super::bands::{Bands, WINDOW_PERIODS};
use super::super::gain::Gain;
use super::super::labels::Labels;
use super::super::order::Reference;
use super::super::periodicity::disc;
use super::super::plant::Soil;
use super::super::sites::{Sites, Spot};
use super::fresh::Fresh;
use ndarray::{Array2, s};
use std::ops::Range;

/// What crops are cut from.
pub(in super::super) struct Canvas {
    /// The binned frame, as it was recorded.
    pub image: Array2<f32>,
    pub background: Array2<f32>,
    /// What the frame, its background taken out and of unit deviation, would be without defects; none where the network is
    /// not shown what is left.
    pub backdrop: Option<Backdrop>,
    /// The frame without defects, for crops with new noise.
    pub fresh: Option<Fresh>,
    /// Lattice period in pixels.
    pub period: f64,
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
        let (_, mut weight) = labels.target_and_weight();
        // What stands out beside a label may be another defect that the labels have made one with it.
        let unsure = (labels.threshold * 2.0 / 3.0) as f32;
        weight.zip_mut_with(&labels.score, |w, s| *w = if s.abs() > unsure { 0.0 } else { *w });
        let period = (labels.lattice.period_px / labels.bin as f64) as f32;
        let found = Sites::find(labels);
        let noise = Gain::of(&labels.image, &labels.periodic, &weight);
        let places: Vec<(Spot, f32)> = labels.regions.iter().map(|r| (labels.binned(r), r.score)).collect();
        let [sure, doubtful] = sorted(&places, found.as_ref(), period);
        // Discs of neighbouring columns do not touch: two defects side by side stay two.
        let apart = found.as_ref().and_then(Sites::apart).unwrap_or(f32::MAX);
        let radius_px = labels.radius_px.min(0.4 * apart).max(1.5);
        let mut targets = vec![Array2::zeros(labels.image.dim()); channels];
        for &((y, x), score) in &sure {
            let channel = if score < 0.0 { 0 } else { channels - 1 };
            disc(&mut targets[channel], y, x, radius_px, |t| *t = 1.0);
            disc(&mut weight, y, x, radius_px, |w| *w = 1.0);
        }
        for &((y, x), _) in &doubtful {
            disc(&mut weight, y, x, 1.5 * labels.radius_px, |w| *w = 0.0);
        }
        let soil = found.map(|found| {
            let near = |at: Spot, p: Spot| (at.0 - p.0).hypot(at.1 - p.1) < 0.75 * period;
            let sites = found.sites.into_iter().filter(|s| !places.iter().any(|p| near(s.at, p.0))).collect();
            Soil { sites, shape: found.shape, noise, expected: labels.periodic.clone(), radius_px, period_px: period }
        });
        let sure = sure.into_iter().map(|p| p.0).collect();
        Canvas::new(labels.image.clone(), period, targets, weight, sure, soil)
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
        Canvas {
            image,
            background,
            backdrop: None,
            fresh: None,
            period: f64::from(period_px),
            deviation,
            targets,
            weight,
            labels,
            soil,
        }
    }

    /// With what frames that are searched are seen in front of, defects and all, if the network is shown what is left; and
    /// with what crops of new noise are made of.
    pub(in super::super) fn with_backdrop(self, shown: bool) -> Canvas {
        let flat = (&self.image - &self.background) / self.deviation;
        let reference = Reference::of(&self.image);
        let bands = reference.as_ref().map(|r| Bands::new(flat.dim(), &r.peaks, WINDOW_PERIODS * r.period));
        let fresh = Fresh::of(&self, bands.as_ref(), reference.map(|r| r.basis));
        let backdrop = shown.then(|| Backdrop::of(&flat, bands.as_ref(), self.period));
        Canvas { backdrop, fresh, ..self }
    }

    /// How many images a network is shown.
    pub(in super::super) fn planes(&self) -> usize {
        1 + usize::from(self.backdrop.is_some())
    }

    /// Some rows of it, as a canvas of its own.
    pub(in super::super) fn rows(&self, rows: Range<usize>) -> Canvas {
        let part = |map: &Array2<f32>| map.slice(s![rows.clone(), ..]).to_owned();
        let moved = |at: Spot| (at.0 - rows.start as f32, at.1);
        let inside = |at: Spot| at.0 >= rows.start as f32 - 0.5 && at.0 < rows.end as f32 - 0.5;
        let soil = self.soil.as_ref().map(|soil| soil.rows(rows.clone()));
        Canvas {
            image: part(&self.image),
            background: part(&self.background),
            backdrop: self.backdrop.as_ref().map(|b| b.mapped(part)),
            fresh: self.fresh.as_ref().map(|fresh| fresh.rows(rows.clone())),
            period: self.period,
            deviation: self.deviation,
            targets: self.targets.iter().map(part).collect(),
            weight: part(&self.weight),
            labels: self.labels.iter().filter(|l| inside(**l)).map(|l| moved(*l)).collect(),
            soil,
        }
    }
}

/// Labels on a site, and those between sites, of which rows that a scan has shifted leave many and defects few: they are
/// not learnt from, and not held to be lattice either. Where no label is on a site all are sure.
fn sorted(places: &[(Spot, f32)], found: Option<&Sites>, period: f32) -> [Vec<(Spot, f32)>; 2] {
    const NEAR: f32 = 0.18;
    let on_site = |p: &(Spot, f32)| {
        let near = |at: Spot| (at.0 - p.0.0).hypot(at.1 - p.0.1) < NEAR * period;
        found.is_none_or(|found| found.sites.iter().any(|s| near(s.at)))
    };
    let (sure, doubtful): (Vec<_>, Vec<_>) = places.iter().copied().partition(on_site);
    if sure.is_empty() { [doubtful, sure] } else { [sure, doubtful] }
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
        assert!(!canvas.labels.is_empty());
        let sites = |c: &Canvas| c.soil.as_ref().unwrap().sites.len();
        assert_eq!(sites(&upper) + sites(&lower), sites(&canvas));
        assert_eq!(lower.image[[3, 7]], canvas.image[[153, 7]]);
    }
}
