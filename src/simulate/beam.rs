//! What the electron beam does to an atom: the energy it can give, and how often it gives enough.

use super::element::mass_u;
use crate::error::{Result, check, setters};
use serde::{Deserialize, Serialize};

/// Rest energy of the electron and of the unified atomic mass unit, in eV (CODATA 2018).
const ELECTRON_EV: f64 = 510_998.95;
const MASS_UNIT_EV: f64 = 931_494_102.42;
/// Fine-structure constant and classical electron radius in nm (CODATA 2018).
const FINE_STRUCTURE: f64 = 7.297_352_569_3e-3;
const ELECTRON_RADIUS_NM: f64 = 2.817_940_326_2e-6;
/// A barn is 1e-28 square metres.
pub(super) const NM2_PER_BARN: f64 = 1e-10;

/// The beam: how fast its electrons are, and how many there are.
///
/// ```
/// use atomotion::simulate::Beam;
/// let beam = Beam::default();
/// let most = beam.transfer_ev(16)?; // to an S atom at rest, head-on
/// assert!((most - 7.51).abs() < 0.01);
/// assert_eq!(beam.displacement_barn(16, most + 0.1)?, 0.0);
/// assert!(beam.displacement_barn(16, 7.0)? > 0.0);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beam {
    /// Accelerating voltage in kilovolts.
    pub voltage_kv: f64,
    /// Electrons per nm² and second, averaged over the scan. The default gives 1e5 per nm² in a frame of 5 s.
    pub dose_rate_e_nm2_s: f64,
}

impl Default for Beam {
    fn default() -> Self {
        Beam { voltage_kv: 100.0, dose_rate_e_nm2_s: 2e4 }
    }
}

impl Beam {
    setters! {
        voltage_kv: f64 => with_voltage_kv,
        dose_rate_e_nm2_s: f64 => with_dose_rate_e_nm2_s,
    }

    pub(super) fn validate(&self) -> Result<()> {
        check("voltage_kv", self.voltage_kv, (1.0..=3000.0).contains(&self.voltage_kv), "1 to 3000 kV")?;
        let rate = self.dose_rate_e_nm2_s;
        check("dose_rate_e_nm2_s", rate, rate.is_finite() && rate >= 0.0, "electrons per nm² and second, 0 or more")
    }

    fn energy_ev(&self) -> f64 {
        self.voltage_kv * 1000.0
    }

    /// The most that one electron can give to an atom at rest, in eV: `2E (E + 2mc²) / Mc²`, for a nucleus much heavier
    /// than the electron.
    ///
    /// # Errors
    /// If the atomic number is none that the simulation knows.
    pub fn transfer_ev(&self, atomic_number: u8) -> Result<f64> {
        let energy = self.energy_ev();
        Ok(2.0 * energy * (energy + 2.0 * ELECTRON_EV) / (mass_u(atomic_number)? * MASS_UNIT_EV))
    }

    /// Cross-section in barn for giving an atom at rest at least `threshold_ev`: McKinley and Feshbach, Phys. Rev. 74,
    /// 1759 (1948), integrated over the energies above the threshold (Seitz and Koehler, Solid State Physics 2, 305,
    /// 1956). 0 where the beam cannot give that much. Vibration of the atoms, which blurs the threshold, is left out.
    ///
    /// # Errors
    /// If the atomic number is none that the simulation knows, or the threshold is not positive.
    pub fn displacement_barn(&self, atomic_number: u8, threshold_ev: f64) -> Result<f64> {
        check("threshold_ev", threshold_ev, threshold_ev > 0.0, "a positive energy in eV")?;
        let most = self.transfer_ev(atomic_number)?;
        if threshold_ev >= most {
            return Ok(0.0);
        }
        let gamma = 1.0 + self.energy_ev() / ELECTRON_EV;
        let beta2 = 1.0 - 1.0 / (gamma * gamma);
        let beta = libm::sqrt(beta2);
        let z = f64::from(atomic_number);
        let spin = std::f64::consts::PI * FINE_STRUCTURE * z * beta;
        let ratio = most / threshold_ev; // above 1
        let root = libm::sqrt(ratio);
        let shape = ratio - 1.0 - beta2 * libm::log(ratio) + spin * (2.0 * (root - 1.0) - libm::log(ratio));
        let radius = z * ELECTRON_RADIUS_NM;
        let scale = std::f64::consts::PI * radius * radius * (1.0 - beta2) / (beta2 * beta2);
        Ok(scale * shape / NM2_PER_BARN)
    }

    /// Events per second of one target of this cross-section.
    pub(super) fn per_s(&self, barn: f64) -> f64 {
        barn * NM2_PER_BARN * self.dose_rate_e_nm2_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The differential cross-section by McKinley and Feshbach over the energy given, summed by Simpson's rule.
    fn summed(beam: &Beam, z: u8, threshold: f64) -> f64 {
        let most = beam.transfer_ev(z).unwrap();
        let gamma = 1.0 + beam.voltage_kv * 1000.0 / ELECTRON_EV;
        let beta = (1.0 - 1.0 / (gamma * gamma)).sqrt();
        let charge = f64::from(z);
        // dσ/dΩ = (Z r_e / 2)² (1-β²) / (β⁴ s⁴) (1 - β² s² + π α Z β s (1 - s)), s = sin(θ/2), and T = T_max s².
        let differential = |energy: f64| {
            let s = (energy / most).sqrt();
            let rutherford =
                (charge * ELECTRON_RADIUS_NM / 2.0).powi(2) * (1.0 - beta * beta) / (beta.powi(4) * s.powi(4));
            let spin = std::f64::consts::PI * FINE_STRUCTURE * charge * beta * s * (1.0 - s);
            rutherford * (1.0 - beta * beta * s * s + spin) * 4.0 * std::f64::consts::PI / most // dΩ = 4π dT / T_max
        };
        let n = 20_000;
        let h = (most - threshold) / f64::from(n);
        let weight = |i: i32| if i == 0 || i == n { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
        (0..=n).map(|i| weight(i) * differential(threshold + h * f64::from(i))).sum::<f64>() * h / 3.0 / NM2_PER_BARN
    }

    #[test]
    fn the_formula_is_the_integral_of_the_differential_cross_section() {
        for (z, threshold, kv) in [(16, 7.0, 100.0), (16, 6.5, 200.0), (6, 17.0, 120.0), (42, 20.0, 300.0)] {
            let beam = Beam::default().with_voltage_kv(kv);
            if threshold < beam.transfer_ev(z).unwrap() {
                let (ours, slow) = (beam.displacement_barn(z, threshold).unwrap(), summed(&beam, z, threshold));
                assert!((ours / slow - 1.0).abs() < 1e-9, "Z {z}: {ours} against {slow}");
            } else {
                assert_eq!(beam.displacement_barn(z, threshold).unwrap(), 0.0);
            }
        }
    }

    /// Worked by hand: 15.8 eV to carbon at 80 kV, 22 eV at 109 kV; a W atom is out of reach of any threshold.
    #[test]
    fn the_energy_given_is_that_of_the_formula_worked_by_hand() {
        let most = |kv: f64, z: u8| Beam::default().with_voltage_kv(kv).transfer_ev(z).unwrap();
        assert!((most(80.0, 6) - 15.8).abs() < 0.1, "{}", most(80.0, 6));
        assert!(most(100.0, 74) < 1.4, "W is out of reach at 100 kV");
        assert!(most(109.0, 6) > 22.0 && most(107.0, 6) < 22.0);
    }
}
