//! When a vacancy did something: the frame, with an interval.

use super::hopping::Vacancy;
use ndarray::s;

/// Where a vacancy is in a frame, and of which kind (from 0).
type Place = (usize, usize);

/// Something that a vacancy most probably did: it appeared, hopped, became of another kind, or vanished.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Site and kind before; none if it was not there.
    pub from: Option<Place>,
    /// Site and kind afterwards; none if it is gone.
    pub to: Option<Place>,
    /// The first frame that most probably shows it afterwards.
    pub frame: usize,
    /// First and last frame that this may be instead, by 95 %.
    pub between: (usize, usize),
}

impl Vacancy {
    /// What it did, in order, if it exists. The interval of a change is that in which the probability of afterwards, among
    /// before and afterwards, rises from 2.5 % to 97.5 %: it is calibrated where nothing else happens within it, and where
    /// rates and evidence are right.
    ///
    /// ```
    /// use atomotion::markov::HoppingVacancies;
    /// use atomotion::ndarray::Array3;
    /// // Two sites, ten frames: the evidence goes over from one to the other at frame 4, but frame 3 says nothing.
    /// let evidence = Array3::from_shape_fn((10, 2, 2), |(t, site, kind)| match (kind, t) {
    ///     (0, _) | (_, 3) => 0.0,
    ///     (_, t) => if (t < 4) == (site == 0) { 5.0 } else { -5.0 },
    /// });
    /// let model = HoppingVacancies::new(1).with_hops(vec![0.3]).with_start(vec![0.1]);
    /// let found = model.find(&evidence, &[vec![1], vec![0]])?;
    /// let changes = found[0].changes();
    /// assert_eq!((changes.len(), changes[0].from, changes[0].to, changes[0].between), (1, Some((0, 0)), Some((1, 0)), (3, 4)));
    /// # Ok::<(), atomotion::Error>(())
    /// ```
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let frames = self.there.dim().0;
        let best: Vec<Option<Place>> = (0..frames).map(|t| self.best(t)).collect();
        let change = |t: usize| {
            let (from, to) = (best[t - 1], best[t]);
            let after = |t: usize| {
                let (a, b) = (self.chance(t, from), self.chance(t, to));
                b / (a + b).max(f64::MIN_POSITIVE)
            };
            let first = (0..t).rev().take_while(|&t| after(t) >= 0.025).last().unwrap_or(t);
            let last = (t..frames).find(|&t| after(t) >= 0.975).unwrap_or(frames);
            Change { from, to, frame: t, between: (first, last.min(frames - 1)) }
        };
        (1..frames).filter(|&t| best[t] != best[t - 1]).map(change).collect()
    }

    /// Most probable place of a frame, if it exists.
    fn best(&self, t: usize) -> Option<Place> {
        let (mut best, mut most) = (None, self.chance(t, None));
        for ((i, k), &p) in self.there.slice(s![t, .., ..]).indexed_iter() {
            if p / self.probability > most {
                (best, most) = (Some((self.sites[i], k)), p / self.probability);
            }
        }
        best
    }

    /// Probability of a place in a frame, or of none, if it exists.
    fn chance(&self, t: usize, at: Option<Place>) -> f64 {
        let of = |(site, kind): Place| {
            self.sites.iter().position(|s| *s == site).map_or(0.0, |i| self.there[[t, i, kind]] / self.probability)
        };
        at.map_or_else(|| 1.0 - self.there.slice(s![t, .., ..]).sum() / self.probability, of)
    }
}
