//! What a frame would be without defects: its lattice as its rows show it, and the strength of its noise.

use super::bands::Bands;
use super::filter::gaussian;
use super::noise::deviations;
use ndarray::Array2;

/// Standard deviation of the filter that a column stands out by, in periods. It is narrower than a column, beside which rows
/// that the scan has shifted leave more than noise.
const COLUMN_PERIODS: f64 = 0.12;
/// Standard deviation of the window whose mean is taken out, in periods: contamination has structure of a nanometre.
const SLOW_PERIODS: f64 = 1.0;

/// The lattice of an image whose slow background has been taken out, and how much noise what is left has at each pixel.
#[derive(Clone, Debug)]
pub(super) struct Backdrop {
    pub lattice: Array2<f32>,
    pub noise: Array2<f32>,
}

impl Backdrop {
    /// Of a frame in which no lattice is known none is taken out.
    pub(super) fn of(flat: &Array2<f32>, bands: Option<&Bands>, period: f64) -> Backdrop {
        let (lattice, rest) = without_lattice(flat, bands, period);
        let noise = noise(&rest, &lattice, period);
        Backdrop { lattice, noise }
    }

    /// The same of what `part` takes of a map: some rows, a crop.
    pub(super) fn mapped(&self, part: impl Fn(&Array2<f32>) -> Array2<f32>) -> Backdrop {
        Backdrop { lattice: part(&self.lattice), noise: part(&self.noise) }
    }

    /// What is left of an image in front of it, in standard deviations of the noise.
    pub(super) fn remainder(&self, flat: &Array2<f32>, period: f64) -> Array2<f32> {
        filtered(&(flat - &self.lattice), period) / &self.noise
    }
}

/// A frame's lattice, and what is left of the frame without it, as columns stand out, in standard deviations of its noise,
/// or of noise that is given.
pub(super) fn apart(
    flat: &Array2<f32>,
    bands: Option<&Bands>,
    period: f64,
    given: Option<&Array2<f32>>,
) -> (Array2<f32>, Array2<f32>) {
    let (lattice, rest) = without_lattice(flat, bands, period);
    let rest = match given {
        Some(noise) => rest / noise,
        None => {
            let noise = noise(&rest, &lattice, period);
            rest / noise
        }
    };
    (lattice, rest)
}

/// Pixels around a place that its remainder depends on, the lattice being given.
pub(super) fn reach_px(period: f64) -> usize {
    (2.0 * SLOW_PERIODS * period).ceil() as usize
}

fn without_lattice(flat: &Array2<f32>, bands: Option<&Bands>, period: f64) -> (Array2<f32>, Array2<f32>) {
    let lattice = bands.map_or_else(|| Array2::zeros(flat.dim()), |bands| bands.as_scanned(flat));
    let rest = filtered(&(flat - &lattice), period);
    (lattice, rest)
}

fn noise(rest: &Array2<f32>, lattice: &Array2<f32>, period: f64) -> Array2<f32> {
    deviations(rest, &gaussian(lattice.view(), column(period)))
}

fn column(period: f64) -> f32 {
    (COLUMN_PERIODS * period).max(0.5) as f32
}

/// Averaged under a column, less the mean around.
fn filtered(rest: &Array2<f32>, period: f64) -> Array2<f32> {
    gaussian(rest.view(), column(period)) - gaussian(rest.view(), (SLOW_PERIODS * period) as f32)
}
