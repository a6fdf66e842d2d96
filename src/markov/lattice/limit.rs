//! How well any method could do on a movie: the rates, the image and all other vacancies known.

use super::hopping::HoppingVacancies;
use super::occupied::{gains, window, with_perfect};
use super::particle::{Life, paths};
use crate::error::{Result, check};
use crate::progress::stop_if_asked;
use ndarray::{Array2, Array3, s};

impl HoppingVacancies {
    /// The *movie limit* for vacancies that hop: the posterior of an observer who knows rates and image, and of every
    /// vacancy he is asked about where all others truly are, in all frames. He sums over the paths of each by itself, and
    /// of one more where there is none.
    ///
    /// `evidence` must be that of the true surroundings ([`Around::Truth`](crate::simulate::Around)); `tracks` has for
    /// each true vacancy its site and kind (from 0) in each frame, none where it is not; `truth` which species stands at
    /// each site in each frame, the perfect column as 0.
    ///
    /// # Errors
    /// If the shapes do not fit, an option is out of range, or the user stops it.
    pub fn movie_limit(
        &self,
        evidence: &Array3<f64>,
        neighbours: &[Vec<usize>],
        truth: &Array2<usize>,
        tracks: &[Vec<Option<(usize, usize)>>],
    ) -> Result<Array3<f64>> {
        self.validate(evidence, neighbours)?;
        let (frames, sites, species) = evidence.dim();
        check("truth", format!("{:?}", truth.dim()), truth.dim() == (frames, sites), format!("{frames} x {sites}"))?;
        let kinds = species - 1;
        let there = |t: usize, i: usize, k: usize| f64::from(u8::from(truth[[t, i]] == k + 1));
        let occupied = Array3::from_shape_fn((frames, sites, kinds), |(t, i, k)| there(t, i, k));
        let life = Life { hops: &self.hops, start: &self.start, appear: &self.appear, becomes: &self.becomes };
        // One more, anywhere: what is called where nothing is.
        let more = paths(&life, gains(evidence, &occupied, None).view(), neighbours, None);
        let odds = libm::exp(more.log_odds.min(600.0));
        let mut best = more.share.mapv(|share| share * odds / (1.0 + share * odds));
        for track in tracks {
            stop_if_asked("while computing the movie's limit")?;
            let Some(&(start, _)) = track.iter().flatten().next() else { continue };
            let mut others = occupied.clone();
            for (t, at) in track.iter().enumerate() {
                if let Some((site, _)) = at {
                    others.slice_mut(s![t, *site, ..]).fill(0.0);
                }
            }
            let far = track.iter().flatten().any(|(site, _)| *site != start);
            let (window, near) = window(neighbours, start, if far { 2 * self.reach } else { self.reach });
            let found = paths(&life, gains(evidence, &others, Some(&window)).view(), &near, None);
            let probability = 1.0 / (1.0 + libm::exp(-found.log_odds));
            for (i, &site) in window.iter().enumerate() {
                for t in 0..frames {
                    for k in 0..kinds {
                        let own = found.share[[t, i, k]] * probability;
                        let known = best[[t, site, k]].max(own);
                        best[[t, site, k]] = known;
                    }
                }
            }
        }
        Ok(with_perfect(&best))
    }
}
