//! How often vacancies hop, by the probability of the evidence.

use super::hopping::{HoppingVacancies, Vacancy};
use crate::error::{Result, check};
use crate::progress::stop_if_asked;
use ndarray::Array3;

impl HoppingVacancies {
    /// Logarithm of the probability of the evidence against there being no vacancy, at the vacancies that were found: the
    /// mean field's estimate, which rates can be compared by.
    ///
    /// # Errors
    /// Those of [`HoppingVacancies::posterior`].
    pub fn log_evidence(
        &self,
        evidence: &Array3<f64>,
        neighbours: &[Vec<usize>],
        vacancies: &[Vacancy],
    ) -> Result<f64> {
        self.validate(evidence, neighbours)?;
        let (frames, sites, species) = evidence.dim();
        let mut occupied = Array3::zeros((frames, sites, species - 1));
        vacancies.iter().for_each(|v| v.add(&mut occupied, 1.0));
        let mut sum = 0.0;
        for v in vacancies {
            stop_if_asked("while comparing rates")?;
            v.add(&mut occupied, -1.0);
            // How sure the vacancy was stays, so that only its paths are compared.
            let again = self.follow(evidence, &occupied, neighbours, v.tied);
            sum += v.probability * again.log_odds;
            v.add(&mut occupied, 1.0);
        }
        Ok(sum)
    }

    /// The hops per frame of one kind that make the evidence most probable, with the ends of its 95 % interval (where the
    /// logarithm of the probability is 1.92 less); the other options stay. Vacancies that were found stay tied where they
    /// are.
    ///
    /// # Errors
    /// Those of [`HoppingVacancies::posterior`]; also if `kind` is none, or no vacancy was found.
    pub fn hop_rate(&self, evidence: &Array3<f64>, neighbours: &[Vec<usize>], kind: usize) -> Result<(f64, f64, f64)> {
        check("kind", kind, kind < self.hops.len(), format!("below {}", self.hops.len()))?;
        let vacancies = self.find(evidence, neighbours)?;
        let sure: Vec<Vacancy> = vacancies.into_iter().filter(|v| v.probability > 0.5).collect();
        check("evidence", "no vacancy", !sure.is_empty(), "at least one vacancy that is more probable than not")?;
        let at = |hops: f64| -> Result<f64> {
            let mut other = self.clone();
            other.hops[kind] = hops;
            other.log_evidence(evidence, neighbours, &sure)
        };
        // A grid over four decades, refined around the best by parabolas.
        let grid: Vec<f64> = (0..=24).map(|i| libm::exp10(-3.5 + f64::from(i) * 3.5 / 24.0)).collect();
        let logs = grid.iter().map(|h| at(*h)).collect::<Result<Vec<f64>>>()?;
        let best = (0..grid.len()).max_by(|&i, &j| logs[i].total_cmp(&logs[j])).unwrap_or(0);
        let x = |i: usize| libm::log(grid[i]);
        let step = x(1) - x(0);
        let (centre, top) = if best > 0 && best + 1 < grid.len() {
            let (a, b, c) = (logs[best - 1], logs[best], logs[best + 1]);
            let shift = 0.5 * (a - c) / (a - 2.0 * b + c).min(-1e-300);
            (x(best) + shift.clamp(-1.0, 1.0) * step, b - 0.25 * (a - c) * shift)
        } else {
            (x(best), logs[best])
        };
        let cross = |range: &mut dyn Iterator<Item = usize>, beyond: f64| -> f64 {
            let (mut before, mut at) = (top, centre);
            for i in range {
                let level = top - 1.92;
                if logs[i] < level {
                    return libm::exp(at + (x(i) - at) * (before - level) / (before - logs[i]));
                }
                (before, at) = (logs[i], x(i));
            }
            beyond
        };
        let low = cross(&mut (0..=best).rev().filter(|&i| x(i) < centre), 0.0);
        let high = cross(&mut (best..grid.len()).filter(|&i| x(i) > centre), f64::INFINITY);
        Ok((libm::exp(centre), low, high))
    }
}
