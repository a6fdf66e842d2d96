//! The probe: two Gaussians, drawn exactly and fast.

use super::imaging::Imaging;

/// Where a Gaussian is taken to end, in standard deviations: 6e-7 of its integral lies beyond, along one axis.
const REACH: f64 = 5.0;

/// Core and tail, both blurred by the source; together of integral 1 (per nm^2).
pub(super) struct Probe {
    parts: [Part; 2],
}

/// One Gaussian, in pixels.
struct Part {
    /// At its centre, per nm^2.
    peak: f64,
    sigma: f64,
    reach: i64,
    /// exp(-i^2 / 2 sigma^2) for i from 0 to `reach`.
    steps: Vec<f64>,
}

impl Part {
    fn new(fraction: f64, sigma_nm: f64, nm_per_px: f64) -> Part {
        let sigma = sigma_nm / nm_per_px;
        let reach = libm::ceil(REACH * sigma) as i64;
        let steps = (0..=reach).map(|i| libm::exp(-((i * i) as f64) / (2.0 * sigma * sigma))).collect();
        Part { peak: fraction / (std::f64::consts::TAU * sigma_nm * sigma_nm), sigma, reach, steps }
    }

    fn at(&self, distance: f64) -> f64 {
        libm::exp(-distance * distance / (2.0 * self.sigma * self.sigma))
    }

    /// Adds `height` times this Gaussian about `centre` to a row.
    ///
    /// Of exp(-(i - u)^2 / 2s^2) = exp(-u^2 / 2s^2) exp(i u / s^2) exp(-i^2 / 2s^2), with u the centre's distance from
    /// its pixel, the second factor is a power and the third is stored: two exponentials a row.
    fn add(&self, row: &mut [f64], centre: f64, height: f64) {
        let middle = libm::round(centre);
        let u = centre - middle;
        let base = height * self.at(u);
        let ratio = libm::exp(u / (self.sigma * self.sigma));
        let middle = middle as i64;
        let end = row.len() as i64 - 1;
        for (step, from) in [(1_i64, 0_i64), (-1, 1)] {
            let factor = if step > 0 { ratio } else { 1.0 / ratio };
            let mut power = if from == 0 { base } else { base * factor };
            for i in from..=self.reach {
                let x = middle + step * i;
                if (0..=end).contains(&x) {
                    row[x as usize] += power * self.steps[i as usize];
                }
                power *= factor;
            }
        }
    }
}

impl Probe {
    pub(super) fn new(imaging: &Imaging) -> Probe {
        let blurred = |nm: f64| libm::sqrt(nm * nm + imaging.source_nm * imaging.source_nm);
        let part = |fraction: f64, nm: f64| Part::new(fraction, blurred(nm), imaging.nm_per_px);
        let tail = imaging.tail_fraction;
        Probe { parts: [part(1.0 - tail, imaging.probe_nm), part(tail, imaging.tail_nm)] }
    }

    /// Intensity per nm^2 at a distance in pixels.
    pub(super) fn at(&self, distance_px: f64) -> f64 {
        self.parts.iter().map(|part| part.peak * part.at(distance_px)).sum()
    }

    /// Distance in whole pixels beyond which the probe is below a fraction of its peak.
    pub(super) fn seen(&self, fraction: f64) -> f64 {
        let reach = self.parts.iter().map(|part| part.reach).max().unwrap_or(0);
        let below = |px: &i64| self.at(*px as f64) < fraction * self.at(0.0);
        (0..=reach).find(below).unwrap_or(reach) as f64
    }

    /// Adds `weight` times the probe about `(y, x)` to an image of `width` pixels a row; row r is shifted along x by
    /// `shifts[r]` pixels.
    pub(super) fn add(&self, image: &mut [f64], width: usize, (y, x): (f64, f64), weight: f64, shifts: &[f64]) {
        let middle = libm::round(y) as i64;
        for part in self.parts.iter().filter(|part| part.peak > 0.0) {
            let rows = (middle - part.reach).max(0)..(middle + part.reach + 1).min(shifts.len() as i64);
            for r in rows {
                let height = weight * part.peak * part.at(r as f64 - y);
                let r = r as usize;
                part.add(&mut image[r * width..(r + 1) * width], x + shifts[r], height);
            }
        }
    }
}
