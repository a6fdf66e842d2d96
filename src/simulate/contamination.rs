//! A smooth stain of carbon that lies on the specimen.

use super::imaging::Imaging;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Waves whose sum is nearly a Gaussian field.
const WAVES: usize = 32;

/// Carbon atoms per nm^2 at every place: log-normal, its logarithm a sum of plane waves of random direction, length and
/// phase, so that it can be asked for anywhere.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contamination {
    mean: f64,
    contrast: f64,
    /// Wave vector (y, x) in radians per nm, and phase.
    waves: Vec<[f64; 3]>,
}

impl Contamination {
    pub(super) fn new(imaging: &Imaging, rng: &mut ChaCha8Rng) -> Contamination {
        let mut normal = || f64::from(super::normal(rng));
        let mut wave = || [normal() / imaging.carbon_length_nm, normal() / imaging.carbon_length_nm, 0.0];
        let mut waves: Vec<[f64; 3]> = (0..WAVES).map(|_| wave()).collect();
        for wave in &mut waves {
            wave[2] = std::f64::consts::TAU * rng.r#gen::<f64>();
        }
        Contamination { mean: imaging.carbon_per_nm2, contrast: imaging.carbon_contrast, waves }
    }

    /// Carbon atoms per nm^2 at each x of a row, at `(y, x[i] + shift)` in nm: cos(a + b) from the sines and cosines of
    /// `across` (see [`Contamination::across`]).
    pub(super) fn add_row(&self, row: &mut [f64], y: f64, shift: f64, across: &[Vec<(f64, f64)>], weight: f64) {
        if self.mean == 0.0 {
            return;
        }
        let mut field = vec![0.0; row.len()];
        for (wave, across) in self.waves.iter().zip(across) {
            let (sin, cos) = libm::sincos(wave[0] * y + wave[1] * shift + wave[2]);
            for (to, &(s, c)) in field.iter_mut().zip(across) {
                *to += cos * c - sin * s;
            }
        }
        let scale = self.contrast * libm::sqrt(2.0 / WAVES as f64);
        // The mean of exp(s g) is exp(s^2 / 2) for a Gaussian g.
        let mean = weight * self.mean * libm::exp(-0.5 * self.contrast * self.contrast);
        for (to, g) in row.iter_mut().zip(field) {
            *to += mean * libm::exp(scale * g);
        }
    }

    /// Sine and cosine of each wave's phase along a row whose pixels lie at `x` nm.
    pub(super) fn across(&self, x: &[f64]) -> Vec<Vec<(f64, f64)>> {
        self.waves.iter().map(|wave| x.iter().map(|x| libm::sincos(wave[1] * x)).collect()).collect()
    }
}
