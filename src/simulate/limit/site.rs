//! One site of a frame as the ideal observer sees it.

use super::SiteKind;
use super::observer::Draw;
use super::pull::Taken;
use crate::error::Result;
use crate::progress::stop_if_asked;
use crate::simulate::probe::Probe;
use crate::simulate::{Column, Imaging, Scan, poisson};
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;

/// Where a column's image is less than this fraction of its peak, its pixels say nothing: less than 1e-4 of the
/// information (the squared image over the background) lies there.
pub(super) const SEEN: f64 = 1e-3;

/// A frame as the ideal observer knows it.
pub(super) struct View<'a> {
    pub(super) scan: &'a Scan,
    pub(super) probe: Probe,
    pub(super) expected: Array2<f64>,
}

/// The pixels of one site: what everything else makes them count, and what one W atom there would add.
pub(super) struct Site {
    others: Vec<f64>,
    of_w: Vec<f64>,
    /// Row and column of each pixel.
    at: Vec<[usize; 2]>,
}

impl View<'_> {
    /// None where the site's pixels are not all in the frame.
    pub(super) fn site(&self, column: Column) -> Option<Site> {
        self.site_at(0, column, self.scan.imaging.weight(column.atoms))
    }

    /// The same in any frame, of a column of which `weight` is in what is expected.
    pub(super) fn site_at(&self, frame: usize, column: Column, weight: f64) -> Option<Site> {
        let imaging = &self.scan.imaging;
        let (y, x) = self.scan.place(frame, (column.y_nm, column.x_nm));
        // Jitter is added, so that rows which look aside still see the column.
        let seen = self.probe.seen(SEEN) + libm::ceil(4.0 * imaging.jitter_nm / imaging.nm_per_px);
        let (top, left) = (libm::round(y) - seen, libm::round(x) - seen);
        let (width, n) = (2 * seen as usize + 1, imaging.size_px);
        if top < 0.0 || left < 0.0 || top as usize + width > n || left as usize + width > n {
            return None;
        }
        let (top, left) = (top as usize, left as usize);
        let rows = top..top + width;
        let shifts: Vec<f64> = rows.clone().map(|r| self.scan.jitter_nm[[frame, r]] / imaging.nm_per_px).collect();
        let mut image = vec![0.0; width * width];
        self.probe.add(&mut image, width, (y - top as f64, x - left as f64), 1.0, &shifts);
        let highest = image.iter().copied().fold(0.0, f64::max);
        let mut site = Site { others: vec![], of_w: vec![], at: vec![] };
        for (image, row) in image.chunks_exact(width).zip(rows) {
            let scale = self.scan.gain[[frame, row]] * imaging.counts_per_weight();
            for (i, &v) in image.iter().enumerate().filter(|(_, v)| **v >= SEEN * highest) {
                site.of_w.push(scale * v);
                site.at.push([row, left + i]);
                // Rounding must not make an empty place's counts negative.
                site.others.push((self.expected[[row, left + i]] - weight * scale * v).max(0.0));
            }
        }
        Some(site)
    }
}

impl View<'_> {
    /// Pixels of a site, and what one W atom there would add to each; none where they are not all in the frame.
    pub(super) fn own(&self, frame: usize, [y_nm, x_nm]: [f64; 2]) -> Option<Vec<([usize; 2], f64)>> {
        let site = self.site_at(frame, Column { y_nm, x_nm, atoms: [0; 3] }, 0.0)?;
        Some(site.at.into_iter().zip(site.of_w).collect())
    }
}

impl Site {
    /// Counts drawn `times` for each species, as the observer judges them.
    pub(super) fn draws(
        &self,
        kind: &SiteKind,
        imaging: &Imaging,
        times: usize,
        rng: &mut ChaCha8Rng,
    ) -> Result<Vec<Draw>> {
        stop_if_asked("while drawing counts at sites")?;
        let species = kind.species();
        let means: Vec<Vec<f64>> = species.iter().map(|(atoms, _)| self.means(imaging.weight(*atoms))).collect();
        let logarithms: Vec<Vec<f64>> = means.iter().map(|m| m.iter().map(|m| libm::log(*m)).collect()).collect();
        let totals: Vec<f64> = means.iter().map(|m| m.iter().sum()).collect();
        let prior: Vec<f64> = species.iter().map(|s| s.1).collect();
        let mut draws = vec![];
        for means in &means {
            for _ in 0..times {
                let mut likelihood: Vec<f64> = totals.iter().map(|total| -total).collect();
                for (i, &mean) in means.iter().enumerate() {
                    let count = poisson(mean, rng);
                    if count > 0.0 {
                        likelihood.iter_mut().zip(&logarithms).for_each(|(l, log)| *l += count * log[i]);
                    }
                }
                draws.push(Draw::new(&likelihood, &prior));
            }
        }
        Ok(draws)
    }

    /// How much more probable counts are with each weight at the site than with the first, as logarithms.
    pub(super) fn log_ratios(&self, counts: &Array2<f64>, weights: &[f64], into: &mut [f64]) {
        into.fill(0.0);
        for ((&others, &of_w), &at) in self.others.iter().zip(&self.of_w).zip(&self.at) {
            let first = others + weights[0] * of_w;
            let count = counts[at];
            for (log, weight) in into.iter_mut().zip(weights).skip(1) {
                let change = (weight - weights[0]) * of_w;
                // An empty place without dark counts must not make a count impossible.
                let ratio = f64::max(1.0 + change / first, 1e-6);
                *log += count * libm::log(ratio) - change;
            }
        }
    }

    fn means(&self, weight: f64) -> Vec<f64> {
        self.others.iter().zip(&self.of_w).map(|(others, of_w)| others + weight * of_w).collect()
    }
}

impl Scan {
    /// How far the counts about each of these places are from what is expected, in standard deviations of Poisson's, matched
    /// with a column's image less what a background's window takes of it; none where they are not all in the frame.
    pub(crate) fn deviations(
        &self,
        frame: usize,
        (expected, counts): (Array2<f64>, &Array2<f64>),
        places: impl Iterator<Item = [f64; 2]>,
        smooth_px: f64,
    ) -> Vec<Option<f64>> {
        let view = View { expected, scan: self, probe: self.imaging.probe() };
        let of = |place: [f64; 2]| {
            let own = view.own(frame, place)?;
            let taken = Taken::of(&own, self.place(frame, (place[0], place[1])), smooth_px);
            let (mut sum, mut information) = (0.0, 0.0);
            for (at, of_w) in own {
                let (e, v) = (view.expected[at].max(1e-9), of_w - taken.at(at));
                sum += (counts[at] - e) * v / e;
                information += v * v / e;
            }
            Some(sum / libm::sqrt(f64::max(information, 1e-12)))
        };
        places.map(of).collect()
    }

    /// Beyond this many pixels a column is not seen.
    pub(crate) fn seen_px(&self) -> f64 {
        self.imaging.probe().seen(SEEN)
    }
}
