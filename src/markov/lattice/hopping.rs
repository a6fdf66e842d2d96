//! Vacancies that hop: a mean field over vacancies, each of which is summed over all of its paths.

use super::occupied::{gains, window, with_perfect};
use super::particle::{Anchor, Life, paths};
use crate::error::{Result, check, setters};
use crate::progress::stop_if_asked;
use ndarray::{Array2, Array3, Axis, s};
use serde::{Deserialize, Serialize};

/// Vacancies that hop between neighbouring sites, found in space and time.
///
/// Hops couple sites: exact posteriors are out of reach for more than a few vacancies. The approximation is a structured
/// mean field (Ghahramani and Jordan, Machine Learning 29, 245, 1997): each vacancy is a chain of its own over all sites,
/// summed exactly over its paths, and sees of the others the probability that one of them is where it might be. Two are
/// never in one place. Vacancies are added one after the other where the paths of one more weigh most, each tied to the
/// neighbourhood of the place and frame where it is surest, until one more would be improbable, and then read again in
/// the light of the others. A single vacancy is exact but for the tie; many are, as long as they keep apart; clusters of
/// vacancies that exchange places within a frame are not.
///
/// Kinds are the species after the perfect column: for WS2 `V_S` and `V_2S`.
///
/// ```
/// use atomotion::markov::HoppingVacancies;
/// use atomotion::ndarray::Array3;
/// // Six sites in a row, eight frames: one vacancy moves from site 1 to site 2 after frame 3.
/// let neighbours: Vec<Vec<usize>> = (0..6_usize).map(|i| [i.checked_sub(1), Some(i + 1).filter(|n| *n < 6)].into_iter().flatten().collect()).collect();
/// let mut evidence = Array3::zeros((8, 6, 2));
/// for t in 0..8 {
///     for site in 0..6 {
///         evidence[[t, site, 1]] = if site == if t < 4 { 1 } else { 2 } { 3.0 } else { -3.0 };
///     }
/// }
/// let hopping = HoppingVacancies::new(1).with_hops(vec![0.05]).with_start(vec![0.01]);
/// let found = hopping.posterior(&evidence, &neighbours)?;
/// assert!(found[[3, 1, 1]] > 0.9 && found[[4, 2, 1]] > 0.9 && found[[4, 1, 1]] < 0.1);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoppingVacancies {
    /// Expected hops in a frame interval, in all directions together, of each kind.
    pub hops: Vec<f64>,
    /// Fraction of the sites that hold each kind in the first frame.
    pub start: Vec<f64>,
    /// Chance that a vacancy of each kind appears at a site in an interval.
    pub appear: Vec<f64>,
    /// Chance that one of a kind (row) is of another (column) an interval later; what rows lack of 1 vanishes.
    pub becomes: Array2<f64>,
    /// Vacancies that are less probable than this are not kept: 0.05 by default.
    pub least: f64,
    /// How often all are read again: 2 by default.
    pub sweeps: usize,
    /// How many sites away from its tie a vacancy is followed: 8 by default.
    pub reach: usize,
}

/// One vacancy that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Vacancy {
    /// Probability that it exists.
    pub probability: f64,
    /// The same as the logarithm of odds, which still tells surenesses apart where the probability is 1.
    pub log_odds: f64,
    /// Frame and site to whose neighbourhood it is tied.
    pub tied: (usize, usize),
    /// Sites that it may visit.
    pub(super) sites: Vec<usize>,
    /// Frames, those sites, kinds: probability that it is there.
    pub(super) there: Array3<f64>,
}

impl HoppingVacancies {
    setters! {
        hops: Vec<f64> => with_hops,
        start: Vec<f64> => with_start,
        appear: Vec<f64> => with_appear,
        becomes: Array2<f64> => with_becomes,
        least: f64 => with_least,
        sweeps: usize => with_sweeps,
        reach: usize => with_reach,
    }

    /// `kinds` kinds of vacancies that hop 0.02 times a frame, hold 0.8 % of the sites, never appear, and stay of their
    /// kind.
    #[must_use]
    pub fn new(kinds: usize) -> HoppingVacancies {
        HoppingVacancies {
            hops: vec![0.02; kinds],
            start: vec![0.008; kinds],
            appear: vec![0.0; kinds],
            becomes: Array2::eye(kinds),
            least: 0.05,
            sweeps: 2,
            reach: 8,
        }
    }

    pub(super) fn validate(&self, evidence: &Array3<f64>, neighbours: &[Vec<usize>]) -> Result<()> {
        let (frames, sites, species) = evidence.dim();
        let kinds = species.saturating_sub(1);
        check(
            "evidence",
            format!("{:?}", evidence.dim()),
            frames > 0 && kinds > 0,
            "frames x sites x species, the perfect column first",
        )?;
        check("evidence", "not a number", evidence.iter().all(|v| v.is_finite()), "finite logarithms")?;
        check(
            "neighbours",
            format!("{} lists", neighbours.len()),
            neighbours.len() == sites,
            format!("{sites}, one a site"),
        )?;
        let symmetric = neighbours
            .iter()
            .enumerate()
            .all(|(i, near)| near.iter().all(|&n| n < sites && n != i && neighbours[n].contains(&i)));
        check("neighbours", "one-sided", symmetric, "sites of which each is its neighbours' neighbour")?;
        for (name, values, most) in
            [("hops", &self.hops, 2.0), ("start", &self.start, 0.5), ("appear", &self.appear, 0.5)]
        {
            let valid = values.len() == kinds && values.iter().all(|v| (0.0..=most).contains(v));
            check(name, format!("{values:?}"), valid, format!("{kinds} numbers from 0 to {most}, one a kind"))?;
        }
        let rows = self.becomes.rows().into_iter().all(|r| r.iter().all(|p| *p >= 0.0) && r.sum() <= 1.0 + 1e-9);
        check(
            "becomes",
            format!("{:?}", self.becomes),
            self.becomes.dim() == (kinds, kinds) && rows,
            format!("{kinds} rows of {kinds} that sum to at most 1"),
        )?;
        check("least", self.least, self.least > 0.0 && self.least < 1.0, "between 0 and 1")?;
        check("reach", self.reach, (1..=1000).contains(&self.reach), "from 1 to 1000 sites")
    }

    /// Probability of every species at every site in every frame, from log-likelihood ratios to the perfect column (frames,
    /// sites, species, the perfect column first).
    ///
    /// # Errors
    /// If an option is out of range, the evidence does not fit, or the user stops it.
    pub fn posterior(&self, evidence: &Array3<f64>, neighbours: &[Vec<usize>]) -> Result<Array3<f64>> {
        Ok(self.posterior_of(&self.find(evidence, neighbours)?, evidence.dim()))
    }

    /// The same of vacancies that were found in evidence of this shape.
    pub(crate) fn posterior_of(
        &self,
        vacancies: &[Vacancy],
        (frames, sites, species): (usize, usize, usize),
    ) -> Array3<f64> {
        let mut occupied = Array3::zeros((frames, sites, species - 1));
        vacancies.iter().for_each(|v| v.add(&mut occupied, 1.0));
        with_perfect(&occupied)
    }

    /// The vacancies themselves.
    ///
    /// # Errors
    /// Those of [`HoppingVacancies::posterior`].
    pub fn find(&self, evidence: &Array3<f64>, neighbours: &[Vec<usize>]) -> Result<Vec<Vacancy>> {
        self.validate(evidence, neighbours)?;
        let (frames, sites, species) = evidence.dim();
        let kinds = species - 1;
        let mut occupied: Array3<f64> = Array3::zeros((frames, sites, kinds));
        let mut found: Vec<Vacancy> = vec![];
        let expected =
            sites as f64 * self.start.iter().sum::<f64>() + (frames * sites) as f64 * self.appear.iter().sum::<f64>();
        let most = (4.0 * expected) as usize + 50;
        while found.len() < most {
            stop_if_asked("while looking for vacancies that hop")?;
            let Some((frame, site)) = self.surest(evidence, &occupied, neighbours) else { break };
            let one = self.follow(evidence, &occupied, neighbours, (frame, site));
            if one.probability < self.least {
                break;
            }
            one.add(&mut occupied, 1.0);
            found.push(one);
        }
        for _ in 0..self.sweeps {
            for one in &mut found {
                stop_if_asked("while reading vacancies again")?;
                one.add(&mut occupied, -1.0);
                *one = self.follow(evidence, &occupied, neighbours, one.tied);
                one.add(&mut occupied, 1.0);
            }
        }
        Ok(found)
    }

    fn life(&self) -> Life<'_> {
        Life { hops: &self.hops, start: &self.start, appear: &self.appear, becomes: &self.becomes }
    }

    /// Where the paths of one more weigh most, beyond what is there already.
    fn surest(
        &self,
        evidence: &Array3<f64>,
        occupied: &Array3<f64>,
        neighbours: &[Vec<usize>],
    ) -> Option<(usize, usize)> {
        let gain = gains(evidence, occupied, None);
        let all = paths(&self.life(), gain.view(), neighbours, None);
        // By the weight itself: around a vacancy that is sure every place could be reached, and would be as sure.
        let mut best = (0.0, None);
        for ((t, site), _) in all.share.index_axis(Axis(2), 0).indexed_iter() {
            let share: f64 = all.share.slice(s![t, site, ..]).sum();
            let free = 1.0 - occupied.slice(s![t, site, ..]).sum().clamp(0.0, 1.0);
            let odds = share * libm::exp(all.log_odds.min(600.0));
            if share * free > best.0 && odds / (1.0 + odds) > self.least {
                best = (share * free, Some((t, site)));
            }
        }
        best.1
    }

    /// Sums over the paths of one vacancy through the neighbourhood of a place.
    pub(super) fn follow(
        &self,
        evidence: &Array3<f64>,
        occupied: &Array3<f64>,
        neighbours: &[Vec<usize>],
        tied: (usize, usize),
    ) -> Vacancy {
        let (sites, near) = window(neighbours, tied.1, self.reach);
        let gain = gains(evidence, occupied, Some(&sites));
        // The site itself and its neighbours are the first of the window.
        let ties = 1 + neighbours[tied.1].len();
        let anchor = Anchor { frame: tied.0, sites: (0..ties).collect() };
        let found = paths(&self.life(), gain.view(), &near, Some(&anchor));
        let probability = 1.0 / (1.0 + libm::exp(-found.log_odds));
        Vacancy { probability, log_odds: found.log_odds, tied, sites, there: found.share * probability }
    }
}

impl Vacancy {
    /// Adds (or takes away) where it is.
    pub(super) fn add(&self, occupied: &mut Array3<f64>, sign: f64) {
        for (i, &site) in self.sites.iter().enumerate() {
            let mut at = occupied.slice_mut(s![.., site, ..]);
            at.scaled_add(sign, &self.there.slice(s![.., i, ..]));
        }
    }

    /// Where it most probably is in a frame: site and probability.
    #[must_use]
    pub fn place(&self, frame: usize) -> (usize, f64) {
        let sums = self.there.index_axis(Axis(0), frame).sum_axis(Axis(1));
        let best = sums.iter().copied().enumerate().fold((0, -1.0), |a, b| if b.1 > a.1 { b } else { a });
        (self.sites[best.0], best.1)
    }
}

#[cfg(test)]
mod tests;
