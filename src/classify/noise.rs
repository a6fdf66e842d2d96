//! What noise alone gives of each class: the same choice made where there is nothing to find.

use super::classes::{Classes, Sums};
use super::model::Model;
use crate::defects::{Defects, poisson_interval};
use crate::error::{Result, check};
use crate::statistics::beta_cdf;
use ndarray::{Array2, Array3, Axis};
use std::collections::BTreeSet;

/// What the same detector and classes make of frames without defects, of one kind.
#[derive(Clone)]
pub struct Surrogate {
    /// How the frames were made: `noise`, `sites` or `simulated`, as [`Surrogates`](crate::detect::Surrogates) says, or
    /// `given` by [`Classes::with_surrogate`].
    pub kind: String,
    /// Detections in each class.
    pub counts: Vec<usize>,
    /// Mean patch of each class, shape (classes, height, width); 0 where there is none.
    pub means: Array3<f32>,
    /// How many times as much lattice the classes' frames have as these.
    pub scale: f64,
}

/// What noise alone gives of a class, among as many frames as its defects are from ([`Classes::noise`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseAlone {
    /// Detections that noise alone is expected to give, by the kind of surrogate frame that gives fewest and by the one that
    /// gives most.
    pub expected: [f64; 2],
    /// From the least to the greatest end of the 95 % intervals of all kinds (Garwood, Biometrika 28, 437, 1936, of the
    /// detections that were seen).
    pub interval: [f64; 2],
    /// The chance that noise alone gives as many as the class has, the least and the greatest of all kinds: of two Poisson
    /// counts, given their sum (Przyborowski and Wilenski, Biometrika 31, 313, 1940). It takes surrogate frames for what
    /// noise is; they give as many as the movie's own noise within a factor of two or three, and that is not in it.
    pub p: [f64; 2],
    /// Whether the class has more than noise gives, by either kind: a chance below 0.05 shared among the classes (Bonferroni).
    pub finding: bool,
    /// Whether one kind says so and another does not, or there are too few surrogate frames to say so of so few defects even if
    /// nothing is found in them: more of them ([`Surrogates::with_frames`](crate::detect::Surrogates::with_frames)) decide.
    pub undecided: bool,
}

/// What may be noise by chance, in all classes together.
const LEVEL: f64 = 0.05;
/// Pixels of two movies are alike where their sizes differ by no more than this part.
const SAME_SCALE: f64 = 0.01;

impl Surrogate {
    /// What a model of these classes makes of the surrogate frames that go along with defects, where their patches are of the
    /// same making.
    pub(super) fn all(defects: &Defects, model: &Model, classes: usize) -> Result<Vec<Surrogate>> {
        let (_, h, w) = defects.patches().dim();
        let nm = defects.patch_nm_per_px();
        let alike = |none: &Defects| {
            let (_, a, b) = none.patches().dim();
            (a, b) == (h, w) && (none.patch_nm_per_px() / nm - 1.0).abs() < SAME_SCALE
        };
        let surrogates = defects.surrogates().iter().filter(|s| alike(&s.defects));
        surrogates.map(|s| Surrogate::of(&s.kind, defects, &s.defects, model, classes)).collect()
    }

    pub(super) fn of(
        kind: &str,
        defects: &Defects,
        none: &Defects,
        model: &Model,
        classes: usize,
    ) -> Result<Surrogate> {
        let labels = if none.is_empty() { vec![] } else { model.apply(none.patches(), classes)?.0 };
        let Sums { counts, means, .. } = Sums::of(none.patches(), &labels, classes);
        let (_, h, w) = defects.patches().dim();
        let views: Vec<_> = means.iter().map(Array2::view).collect();
        let means = ndarray::stack(Axis(0), &views).unwrap_or_else(|_| Array3::zeros((0, h, w)));
        Ok(Surrogate { kind: kind.into(), counts, means, scale: times(defects, none) })
    }

    /// With classes counted as one: the class that each becomes part of, of so many, and their means turned and averaged.
    pub(super) fn merged(
        &self,
        to: &[usize],
        classes: usize,
        turned: &dyn Fn(usize, &Array2<f32>) -> Array2<f32>,
    ) -> Surrogate {
        let mut counts = vec![0; classes];
        to.iter().zip(&self.counts).for_each(|(&c, n)| counts[c] += n);
        let (_, h, w) = self.means.dim();
        let mut means = Array3::zeros((classes, h, w));
        for (class, mean) in self.means.outer_iter().enumerate() {
            let weight = self.counts[class] as f32 / counts[to[class]].max(1) as f32;
            let mut sum = means.index_axis_mut(Axis(0), to[class]);
            sum += &(turned(class, &mean.to_owned()) * weight);
        }
        Surrogate { kind: self.kind.clone(), counts, means, scale: self.scale }
    }

    fn total(&self) -> f64 {
        self.counts.iter().sum::<usize>() as f64 * self.scale
    }
}

/// How many times as much lattice the frames of some defects have as those of others: by area where that is known, else by
/// frames. Of rows that were taken it is that of the whole movie, so that noise is over-estimated.
fn times(defects: &Defects, none: &Defects) -> f64 {
    let area = |of: &Defects| {
        let areas = of.areas()?;
        let sum = areas.frames().iter().map(|a| a.lattice_nm2).sum::<f64>();
        (sum > 0.0).then_some((areas.calibration().known, sum))
    };
    let frames = |of: &Defects| {
        let column = of.table().column("frame").ok().and_then(|c| c.u32().ok());
        let seen = column.map_or(0, |frames| frames.iter().flatten().collect::<BTreeSet<u32>>().len());
        of.areas().map_or(seen, |areas| areas.frames().len()).max(1) as f64
    };
    match area(defects).zip(area(none)) {
        Some(((known, a), (other, b))) if known == other => a / b,
        _ => frames(defects) / frames(none),
    }
}

/// The chance of at least `n` where noise gives `scale` times what a count of `seen` is from.
fn chance(n: usize, seen: usize, scale: f64) -> f64 {
    if n == 0 { 1.0 } else { beta_cdf(scale / (1.0 + scale), n as f64, seen as f64 + 1.0) }
}

impl Classes {
    /// Puts beside each class what the same choice makes of noise ("Einstein from noise"): give the detections of the same
    /// detector in frames that hold no defect (a simulated perfect crystal, say). Where defects come from a search whose patches
    /// were not changed since, or from [`comparable_patches`](crate::analysis::comparable_patches), that is done already, with
    /// the search's own surrogate frames.
    ///
    /// # Errors
    /// As for [`Classes::apply`].
    pub fn with_surrogate(&self, none: &Defects) -> Result<Classes> {
        let surrogate = Surrogate::of("given", &self.defects, none, self.sorts_others()?, self.len())?;
        Ok(Classes { surrogates: vec![surrogate], ..self.clone() })
    }

    /// What noise alone gives of a class; none where the classes were not tried on frames without defects.
    ///
    /// ```no_run
    /// # fn main() -> atomotion::Result<()> {
    /// # use atomotion::prelude::*;
    /// # let movie = Movie::open("movie.npy")?;
    /// let defects = Detector::load("detector.safetensors")?.find(&movie)?;
    /// let classes = GaussianMixture::new(4).fit(&defects)?;
    /// if let Some(noise) = classes.noise(0)? {
    ///     println!("{} detections, of which noise gives {:.0}", classes.counts[0], noise.expected[1]);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If there is no such class.
    pub fn noise(&self, class: u32) -> Result<Option<NoiseAlone>> {
        check("class", class, (class as usize) < self.len(), format!("below {}", self.len()))?;
        Ok(self.noise_of(class as usize))
    }

    pub(crate) fn noise_of(&self, class: usize) -> Option<NoiseAlone> {
        if self.surrogates.is_empty() {
            return None;
        }
        // The least and the greatest of all kinds.
        let ends = |of: &dyn Fn(&Surrogate) -> f64| {
            let all = || self.surrogates.iter().map(of);
            [all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max)]
        };
        let bounds = |s: &Surrogate| poisson_interval(s.counts[class] as u32);
        let level = LEVEL / self.len() as f64;
        let n = self.counts[class];
        let p = ends(&|s| chance(n, s.counts[class], s.scale));
        let finding = p[1] < level;
        let too_few = self.surrogates.iter().any(|s| chance(n, 0, s.scale) >= level);
        Some(NoiseAlone {
            expected: ends(&|s| s.counts[class] as f64 * s.scale),
            interval: [ends(&|s| bounds(s).0 * s.scale)[0], ends(&|s| bounds(s).1 * s.scale)[1]],
            p,
            finding,
            undecided: !finding && (p[0] < level || too_few),
        })
    }

    /// What the same choice makes of noise, by the kind of surrogate frame that gives most.
    pub(crate) fn worst_surrogate(&self) -> Option<&Surrogate> {
        self.surrogates.iter().max_by(|a, b| a.total().total_cmp(&b.total()))
    }

    /// Whether a class is one that noise alone may give.
    pub(crate) fn may_be_noise(&self, class: usize) -> bool {
        self.noise_of(class).is_some_and(|noise| !noise.finding)
    }

    /// The classes that hold more than noise alone gives, with their defects; all of them where that is not known. Numbers
    /// begin at 0 again.
    ///
    /// # Errors
    /// If the table's column has lost its type.
    pub fn findings(&self) -> Result<Classes> {
        let kept: Vec<usize> = (0..self.len()).filter(|&c| !self.may_be_noise(c)).collect();
        if kept.len() == self.len() {
            return Ok(self.clone());
        }
        let to = |class: u32| kept.iter().position(|&c| c == class as usize);
        let labels = self.labels()?;
        let rows: Vec<usize> = (0..labels.len()).filter(|&i| to(labels[i]).is_some()).collect();
        let defects = self.defects.filter(&labels.iter().map(|&l| to(l).is_some()).collect::<Vec<_>>())?;
        let new = labels.iter().filter_map(|&l| to(l)).map(|c| c as u32).collect();
        let memberships = self.memberships.select(Axis(0), &rows).select(Axis(1), &kept);
        let outliers = self.outliers.and_then(to).map(|c| c as u32);
        let found = Classes::sorted(&defects, new, memberships, self.method.clone(), outliers, None)?;
        let of = |s: &Surrogate| Surrogate {
            kind: s.kind.clone(),
            counts: kept.iter().map(|&c| s.counts[c]).collect(),
            means: s.means.select(Axis(0), &kept),
            scale: s.scale,
        };
        Ok(Classes {
            means: self.means.select(Axis(0), &kept),
            variances: self.variances.select(Axis(0), &kept),
            count_errors: kept.iter().map(|&c| self.count_errors[c]).collect(),
            species: kept.iter().map(|&c| self.species[c].clone()).collect(),
            surrogates: self.surrogates.iter().map(of).collect(),
            ..found
        })
    }
}

impl NoiseAlone {
    /// What a class is called that noise may give as well.
    pub(crate) fn doubt(&self) -> Option<&'static str> {
        (!self.finding).then_some(if self.undecided { "may be noise" } else { "no finding" })
    }

    /// "5 to 12", "12", or, where none was seen, "below 37".
    pub(crate) fn range(&self) -> String {
        let [least, most] = self.expected.map(f64::round);
        match most {
            most if most < 1.0 => format!("below {:.0}", self.interval[1].ceil()),
            most if most == least => format!("{most:.0}"),
            most => format!("{least:.0} to {most:.0}"),
        }
    }
}

/// "noise: 5 to 12", "noise: 5 to 12, no finding", or, where that is undecided, "noise: 5 to 12, may be noise".
impl std::fmt::Display for NoiseAlone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "noise: {}", self.range())?;
        self.doubt().map_or(Ok(()), |doubt| write!(f, ", {doubt}"))
    }
}

impl std::fmt::Debug for Surrogate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Detections without defects ({}), in each class: {:?}", self.kind, self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The sum of the binomial's terms, in logarithms.
    fn slow(n: usize, seen: usize, scale: f64) -> f64 {
        let q = scale / (1.0 + scale);
        let all = n + seen;
        let ln_factorial = |n: usize| (1..=n).map(|i| (i as f64).ln()).sum::<f64>();
        let term = |k: usize| {
            let choose = ln_factorial(all) - ln_factorial(k) - ln_factorial(all - k);
            (choose + k as f64 * q.ln() + (all - k) as f64 * (1.0 - q).ln()).exp()
        };
        (n..=all).map(term).sum()
    }

    proptest! {
        /// The chance is the binomial's tail, falls with what the class has and rises with what noise was seen to give.
        #[test]
        fn chances_are_tails(n in 1_usize..60, seen in 0_usize..40, scale in 0.2_f64..40.0) {
            let p = chance(n, seen, scale);
            prop_assert!((p - slow(n, seen, scale)).abs() < 1e-9, "{p} {}", slow(n, seen, scale));
            prop_assert!(chance(n + 1, seen, scale) <= p + 1e-12 && chance(n, seen + 1, scale) >= p - 1e-12);
        }
    }
}
