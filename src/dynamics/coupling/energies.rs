//! Energies of pairs by neighbour shell, from how often they stand there.

use super::Coupling;
use super::compare::{draw, resampled};
use super::pairs::mean;
use super::scene::{Rule, Scene};
use crate::detect::Interval;
use crate::dynamics::sightings::Sightings;
use crate::dynamics::statistics::quantile;
use crate::error::{Result, check};
use polars::prelude::{Column, DataFrame, NamedFrom, Series};

/// Boltzmann's constant in eV per kelvin (CODATA 2018).
const BOLTZMANN_EV: f64 = 8.617_333_262e-5;

/// The energy of a pair in one shell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairEnergy {
    /// Distance of the shell in nm.
    pub shell_nm: f64,
    /// Defects of the second kind with the nearest of the first in this shell, over all frames.
    pub seen: f64,
    /// How many there would be if the kinds took no notice of each other.
    pub expected: f64,
    /// Energy in eV, against a pair beyond the last shell, with its 95 % interval (infinite at an end that the data do not reach).
    pub energy_ev: Interval,
}

/// Energies by shell.
///
/// ```
/// use atomotion::prelude::*;
/// let imaging = Imaging::clean().with_size_px(200);
/// let recording = Experiment::ws2().with_frames(2).with_imaging(imaging).simulate(1)?;
/// let coupling = Coupling::default().with_draws(39);
/// let energies = coupling.energies(&recording, "Mo_W", "V_S", &[0.182, 0.364], 300.0)?;
/// println!("{}", energies.table()?);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct PairEnergies {
    /// The two kinds.
    pub between: (String, String),
    /// At which temperature the occupancy is read, in kelvin.
    pub temperature_k: f64,
    /// One a shell.
    pub shells: Vec<PairEnergy>,
}

impl Coupling {
    /// Energies of pairs by neighbour shell: `-kT ln` of how often sites of a shell are taken over how often sites are that
    /// are far from any of the first kind, both by what the null model would take. Each of the second kind counts once, in
    /// the shell of the nearest of the first kind; those with two in that shell are left out.
    ///
    /// This reads an occupancy as Boltzmann's. It holds where pairs form and break often while they are watched, by moves whose
    /// rates favour the lower energy as thermal ones do. Under a beam that creates vacancies faster than they meet, it is an
    /// effective number. `shells_nm` are the distances of the shells, ascending; what lies nearest to a shell belongs to it.
    /// Intervals come from resampling the second kind's tracks.
    ///
    /// # Errors
    /// As [`Coupling::between`]; if shells do not ascend from above 0, or the temperature is not positive.
    pub fn energies(
        &self,
        of: &impl Sightings,
        a: &str,
        b: &str,
        shells_nm: &[f64],
        temperature_k: f64,
    ) -> Result<PairEnergies> {
        let ascend = shells_nm.first().is_some_and(|s| *s > 0.0)
            && shells_nm.windows(2).all(|w| w[1] > w[0])
            && shells_nm.iter().all(|s| s.is_finite());
        check("shells_nm", format!("{shells_nm:?}"), ascend, "distances above 0 nm, ascending")?;
        let warm = temperature_k.is_finite() && temperature_k > 0.0;
        check("temperature_k", temperature_k, warm, "a positive temperature in kelvin")?;
        let scene = self.scene(of, a, b)?;
        let n = shells_nm.len();
        let half = |i: usize| 0.5 * (shells_nm[i] + shells_nm[i + 1]);
        let last = if n > 1 { 0.5 * (shells_nm[n - 1] - shells_nm[n - 2]) } else { 0.3 * shells_nm[0] };
        let bins: Vec<f64> = (0..n - 1).map(half).chain([shells_nm[n - 1] + last]).collect();
        let rule = Rule { bins, adjacent: 0.0, windows: vec![] };
        let sums =
            |by_track: &[Vec<f64>]| -> Vec<f64> { (0..=n).map(|k| by_track.iter().map(|t| t[k]).sum()).collect() };
        let even = vec![1.0; scene.frames.len()];
        let count = |s: &Scene, weights: &[f64]| sums(&s.shells(&rule, weights));
        let (seen, drawn) = draw(&scene, self.null, self.draws, self.seed, count)?;
        let expected: Vec<f64> = (0..=n).map(|k| mean(&drawn.iter().map(|d| d[k]).collect::<Vec<_>>())).collect();
        let mut by_track = scene.shells(&rule, &even);
        by_track.retain(|t| t.iter().any(|v| *v > 0.0));
        let again = resampled(&by_track, self.draws.max(499), self.seed);
        let kt = BOLTZMANN_EV * temperature_k;
        let energy = |ratio: f64| if ratio > 0.0 { -kt * ratio.ln() } else { f64::INFINITY };
        // Occupancy of the shell's sites over that of sites far from any of the first kind.
        let ratio = |seen: &[f64], k: usize| (seen[k] / expected[k]) / (seen[n] / expected[n]);
        let longest = by_track.iter().map(|t| t.iter().sum::<f64>()).fold(1.0, f64::max);
        let shell = |k: usize| {
            let mut ratios: Vec<f64> = again.iter().map(|s| ratio(s, k)).filter(|r| r.is_finite()).collect();
            let (mut low, high) = (energy(quantile(&mut ratios, 0.975)), energy(quantile(&mut ratios, 0.025)));
            if seen[k] == 0.0 {
                // None of what may be 3.7 tracks (Poisson), seen as long as the longest.
                let mut most = seen.clone();
                most[k] = 3.7 * longest;
                low = energy(ratio(&most, k));
            }
            let energy_ev = Interval { value: energy(ratio(&seen, k)), low, high };
            PairEnergy { shell_nm: shells_nm[k], seen: seen[k], expected: expected[k], energy_ev }
        };
        Ok(PairEnergies { between: (a.into(), b.into()), temperature_k, shells: (0..n).map(shell).collect() })
    }
}

impl PairEnergies {
    /// One row a shell: `shell_nm`, `seen`, `expected`, `energy_ev`, `low_ev`, `high_ev` f64.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let of = |name: &str, pick: fn(&PairEnergy) -> f64| {
            Series::new(name.into(), self.shells.iter().map(pick).collect::<Vec<f64>>()).into()
        };
        let columns: Vec<Column> = vec![
            of("shell_nm", |s| s.shell_nm),
            of("seen", |s| s.seen),
            of("expected", |s| s.expected),
            of("energy_ev", |s| s.energy_ev.value),
            of("low_ev", |s| s.energy_ev.low),
            of("high_ev", |s| s.energy_ev.high),
        ];
        Ok(DataFrame::new(self.shells.len(), columns)?)
    }
}

impl std::fmt::Debug for PairEnergies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} and {} at {} K:", self.between.0, self.between.1, self.temperature_k)?;
        for s in &self.shells {
            let e = s.energy_ev;
            write!(f, " {:.3} eV at {:.3} nm ({:.3} to {:.3});", e.value, s.shell_nm, e.low, e.high)?;
        }
        Ok(())
    }
}
