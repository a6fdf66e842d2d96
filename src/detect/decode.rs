//! From frames to a table of defects.

use super::augment::{bilinear, mirror};
use super::components::components;
use super::detector::Detector;
use super::filter::bin;
use super::network::STRIDE;
use super::training::{fits, normalise};
use crate::defects::{Defects, Rows};
use crate::error::{Error, Result, check, setters};
use crate::movie::{Frame, Movie};
use crate::progress::{EARLIER, Progress, Reporter};
use ndarray::{Array2, Array3, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How the network's map becomes defects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decoding {
    /// Pixels with at least this probability belong to a defect.
    pub threshold: f64,
    /// Defects of fewer (binned) pixels are dropped.
    pub min_area_px: usize,
    /// Defects whose centre is nearer to the frame's border than this many periods are dropped: their surroundings,
    /// which tell them from lattice, are not all seen.
    pub edge_periods: f64,
    /// Height and width of a patch in (binned) pixels; the default holds three periods of ten pixels.
    pub patch_px: usize,
    /// Frames that are decoded at once, at most: large frames are taken one by one.
    pub batch: usize,
}

impl Default for Decoding {
    fn default() -> Self {
        Decoding { threshold: 0.5, min_area_px: 4, edge_periods: 0.5, patch_px: 32, batch: 4 }
    }
}

/// A defect in pixels of the binned frame.
struct Found {
    y: f32,
    x: f32,
    area: usize,
    probability: f32,
}

impl Decoding {
    setters! {
        threshold: f64 => with_threshold,
        min_area_px: usize => with_min_area_px,
        edge_periods: f64 => with_edge_periods,
        patch_px: usize => with_patch_px,
        batch: usize => with_batch,
    }

    fn validate(&self) -> Result<()> {
        check(
            "threshold",
            self.threshold,
            self.threshold > 0.0 && self.threshold < 1.0,
            "a probability between 0 and 1",
        )?;
        check(
            "edge_periods",
            self.edge_periods,
            self.edge_periods.is_finite() && self.edge_periods >= 0.0,
            "zero or a positive number of periods",
        )?;
        check("patch_px", self.patch_px, (4..=512).contains(&self.patch_px), "from 4 to 512 pixels")?;
        check("batch", self.batch, (1..=1024).contains(&self.batch), "from 1 to 1024 frames")
    }

    /// Connected regions above the threshold, with probability-weighted centres.
    fn defects(&self, map: &Array2<f32>, period: f64) -> Vec<Found> {
        let threshold = self.threshold as f32;
        let edge = (self.edge_periods * period) as f32;
        let (h, w) = (map.nrows() as f32 - 1.0, map.ncols() as f32 - 1.0);
        components(&map.mapv(|p| p >= threshold))
            .into_iter()
            .filter(|pixels| pixels.len() >= self.min_area_px)
            .map(|pixels| {
                let (mut sum, mut y, mut x, mut peak) = (0.0, 0.0, 0.0, 0.0_f32);
                for &(py, px) in &pixels {
                    let p = map[[py, px]];
                    sum += p;
                    y += p * py as f32;
                    x += p * px as f32;
                    peak = peak.max(p);
                }
                Found { y: y / sum, x: x / sum, area: pixels.len(), probability: peak }
            })
            .filter(|d| d.y >= edge && d.x >= edge && d.y <= h - edge && d.x <= w - edge)
            .collect()
    }
}

impl Detector {
    /// Finds the defects of every frame.
    ///
    /// # Errors
    /// If a frame cannot be read, holds NaN, is constant, or is smaller than what the network looks at.
    pub fn find(&self, movie: &Movie) -> Result<Defects> {
        self.find_with(movie, &Decoding::default(), &mut Reporter::new("finding defects", "frames"))
    }

    /// Finds the defects of every frame, with options of choice, telling `progress`.
    ///
    /// # Errors
    /// As [`Detector::find`], and if an option is out of range.
    pub fn find_with(&self, movie: &Movie, decoding: &Decoding, progress: &mut dyn Progress) -> Result<Defects> {
        decoding.validate()?;
        let mut rows = Rows::new(decoding.patch_px, self.memory.bin, movie.calibration());
        progress.update(0, movie.len(), "");
        // Between batches the user may stop the work: on a CPU a batch of this size takes a good half second.
        const MOST_PIXELS: usize = 1 << 20;
        let pixels = movie.height() * movie.width() / self.memory.bin.pow(2);
        let at_once = decoding.batch.min((MOST_PIXELS / pixels.max(1)).max(1));
        for start in (0..movie.len()).step_by(at_once) {
            if progress.interrupted() {
                return Err(Error::interrupted(format!("after {start} of {} frames", movie.len()), EARLIER));
            }
            let indices = start..(start + at_once).min(movie.len());
            let frames = indices.clone().map(|i| movie.frame(i)).collect::<Result<Vec<_>>>()?;
            for (frame, (image, map)) in frames.iter().zip(self.maps(&frames)?) {
                for d in decoding.defects(&map, self.memory.period_px) {
                    let patch = patch(&image, (d.y, d.x), decoding.patch_px);
                    rows.push(frame.index, (d.y, d.x), d.area, d.probability, patch);
                }
            }
            progress.update(indices.end, movie.len(), &format!("{} defects", rows.len()));
        }
        rows.finish()
    }

    /// The network's probability map of one frame, in pixels of the binned frame.
    ///
    /// # Errors
    /// As [`Detector::find`].
    pub fn probability(&self, frame: &Frame) -> Result<Array2<f32>> {
        let last = self.maps(std::slice::from_ref(frame))?.pop();
        last.map(|(_, map)| map).ok_or_else(|| Error::data("no frame was given"))
    }

    /// Each frame normalised, and its probability map.
    fn maps(&self, frames: &[Frame]) -> Result<Vec<(Array2<f32>, Array2<f32>)>> {
        let (by, period) = (self.memory.bin, self.memory.period_px);
        let images = frames
            .par_iter()
            .map(|frame| {
                frame.usable()?;
                let image = bin(&frame.data, by);
                fits(image.dim(), by)?;
                Ok(normalise(&image, period))
            })
            .collect::<Result<Vec<_>>>()?;
        let Some(first) = images.first() else {
            return Ok(vec![]);
        };
        let (h, w) = first.dim();
        let (ph, pw) = (h.next_multiple_of(STRIDE), w.next_multiple_of(STRIDE));
        let stack = Array3::from_shape_fn((images.len(), ph, pw), |(i, y, x)| {
            images[i][[mirror(y as i64, h), mirror(x as i64, w)]]
        });
        let maps = self.predict(&stack)?.mean;
        let any = maps.map_axis(Axis(1), |channels| channels.iter().copied().fold(0.0, f32::max));
        let inside = any.axis_iter(Axis(0)).map(|m| m.slice(ndarray::s![..h, ..w]).to_owned());
        Ok(images.into_iter().zip(inside).collect())
    }
}

/// A crop centred on a place between pixels; beyond the border the frame is mirrored.
fn patch(image: &Array2<f32>, (cy, cx): (f32, f32), size: usize) -> Array2<f32> {
    let middle = (size as f32 - 1.0) / 2.0;
    Array2::from_shape_fn((size, size), |(y, x)| bilinear(image, (cy + y as f32 - middle, cx + x as f32 - middle)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A planted blob is found at its centre, to a tenth of a pixel; small ones and those at the edge are dropped.
    #[test]
    fn centres_are_subpixel() {
        let blob = |cy: f32, cx: f32, s: f32| {
            move |y: usize, x: usize| {
                0.95 * (-((y as f32 - cy).powi(2) + (x as f32 - cx).powi(2)) / (2.0 * s * s)).exp()
            }
        };
        let (middle, edge, small) = (blob(20.3, 31.6, 3.0), blob(1.0, 10.0, 3.0), blob(40.0, 12.0, 0.7));
        let map = Array2::from_shape_fn((64, 64), |(y, x)| middle(y, x).max(edge(y, x)).max(small(y, x)));
        let found = Decoding::default().defects(&map, 10.0);
        assert_eq!(found.len(), 1);
        assert!((found[0].y - 20.3).abs() < 0.1 && (found[0].x - 31.6).abs() < 0.1);
        assert!(found[0].probability > 0.9 && found[0].area > 10);
    }
}
