//! Planting: sites of the labelled frame edited to look like what may stand there, at the frame's own noise.

use super::cell::Kind;
use super::gain::Gain;
use super::sites::{Shape, Site, Spot};
use crate::error::{Result, check, setters};
use ndarray::{Array2, s};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Where something is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum On {
    /// A column of the brightest kind, or one nearly as bright: W of WS2, C of graphene.
    Bright,
    /// A fainter column: S of WS2. Lattices of one kind of column have none, and nothing is planted there.
    Faint,
    /// The darkest place of the cell, where no column stands.
    Hollow,
}

/// A change of a column: to a factor of its intensity, drawn evenly between `from` and `to`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plant {
    /// Which sites.
    pub on: On,
    /// Smallest factor: 0 is no column left, 1 no change. On [`On::Hollow`] of the brightest column's intensity.
    pub from: f64,
    /// Largest factor.
    pub to: f64,
    /// How often, against the others.
    pub share: f64,
}

impl Plant {
    /// A change of `on` to between `from` and `to` of its intensity, `share` times as often as one of share 1.
    #[must_use]
    pub fn new(on: On, from: f64, to: f64, share: f64) -> Plant {
        Plant { on, from, to, share }
    }

    /// Whether it makes its site darker.
    fn darkens(&self) -> bool {
        self.on != On::Hollow && self.from + self.to < 2.0
    }
}

/// What is planted in a crop, so that one frame teaches more than the defects it happens to hold.
///
/// An edited column keeps the noise of the frame. Where the frame is counts, darkening is binomial thinning (a Poisson
/// deviate whose every count is kept with a probability is Poisson again) and brightening adds Poisson counts; where
/// it is not, the Gaussian deviate of the same mean and variance takes their place, with the gain estimated from
/// variance against level.
///
/// ```
/// use atomotion::detect::{On, Plant, Planting};
/// let default = Planting::default();
/// // Nothing is planted where no column stands, and no column is removed altogether:
/// let fewer = default.without(|p| p.on == On::Hollow || p.from == 0.0);
/// assert!(fewer.plants.contains(&Plant::new(On::Bright, 0.2, 0.7, 1.0)));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Planting {
    /// Fraction of a crop's sites that are edited, a mean over the kinds of site; 0 plants nothing. More than real frames
    /// hold: rare things take long to learn.
    pub rate: f64,
    /// How many times likelier a site is edited that stands beside an edited one: vacancies gather around dopants.
    pub together: f64,
    /// How far the columns next to an edited site move, towards it or away, in lattice periods: drawn evenly up to this where a
    /// column has gone, and to less where it has lost a part. Without it a network takes what moved neighbours leave for a
    /// sign that nothing is missing.
    pub relaxation: f64,
    /// What is planted.
    pub plants: Vec<Plant>,
}

impl Default for Planting {
    fn default() -> Self {
        let plants = vec![
            Plant::new(On::Bright, 0.2, 0.7, 1.0), // a lighter atom
            Plant::new(On::Bright, 0.0, 0.0, 0.25),
            Plant::new(On::Bright, 1.3, 2.2, 0.4),  // another atom on top
            Plant::new(On::Faint, 0.35, 0.65, 0.8), // one of two missing
            Plant::new(On::Faint, 0.0, 0.0, 0.8),
            Plant::new(On::Faint, 2.5, 8.0, 0.25), // a heavy atom in its place
            Plant::new(On::Hollow, 0.3, 1.0, 0.15),
        ];
        Planting { rate: 0.025, together: 4.0, relaxation: 0.08, plants }
    }
}

impl Planting {
    setters! {
        rate: f64 => with_rate,
        together: f64 => with_together,
        relaxation: f64 => with_relaxation,
        plants: Vec<Plant> => with_plants,
    }

    /// Plants nothing.
    #[must_use]
    pub fn none() -> Planting {
        Planting { rate: 0.0, together: 1.0, relaxation: 0.0, plants: vec![] }
    }

    /// Leaves out what `which` picks.
    #[must_use]
    pub fn without(mut self, which: impl Fn(&Plant) -> bool) -> Planting {
        self.plants.retain(|p| !which(p));
        self
    }

    pub(super) fn validate(&self) -> Result<()> {
        check("rate", self.rate, (0.0..=0.5).contains(&self.rate), "a fraction from 0 to 0.5; 0.025 is usual")?;
        check("together", self.together, (0.0..=100.0).contains(&self.together), "from 0 to 100; 4 is usual")?;
        let valid = (0.0..=0.2).contains(&self.relaxation);
        check("relaxation", self.relaxation, valid, "from 0 to 0.2 lattice periods; 0.08 is usual")?;
        for p in &self.plants {
            let range = format!("{} to {}", p.from, p.to);
            let one_side = p.on == On::Hollow || p.to <= 1.0 || p.from >= 1.0;
            let valid = p.from >= 0.0 && p.from <= p.to && p.to <= 100.0 && one_side;
            check("plants", range, valid, "a range of factors from 0 to 100, on one side of 1")?;
            check("share", p.share, p.share.is_finite() && p.share >= 0.0, "zero or a positive number")?;
        }
        Ok(())
    }

    /// What to plant on a site, if anything.
    fn draw(&self, site: &Site, beside: bool, rng: &mut ChaCha8Rng) -> Option<(&Plant, f32)> {
        let fits = |p: &&Plant| {
            matches!(
                (p.on, site.kind),
                (On::Bright, Kind::Bright) | (On::Faint, Kind::Faint) | (On::Hollow, Kind::Hollow)
            )
        };
        // There are about as many bright columns as faint ones and hollows, so that shares hold for the crop as a whole.
        const KINDS: f64 = 3.0;
        let all: f64 = self.plants.iter().map(|p| p.share).sum();
        let rate = self.rate * if beside { self.together } else { 1.0 };
        let mut left = rng.r#gen::<f64>() * all / (KINDS * rate).max(f64::MIN_POSITIVE);
        let plant = self.plants.iter().filter(fits).find(|p| {
            left -= p.share;
            left < 0.0
        })?;
        Some((plant, rng.gen_range(plant.from..=plant.to) as f32))
    }
}

/// Part of a frame that plants are put into: `image` begins at `corner` of the frame.
pub(super) struct Bed<'a> {
    pub image: &'a mut Array2<f32>,
    /// Targets: one for all, or dark and bright.
    pub targets: &'a mut [Array2<f32>],
    pub weight: &'a mut Array2<f32>,
    pub corner: (usize, usize),
}

/// What planting must know of a frame.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Soil {
    /// Sites away from labels and from the border.
    pub sites: Vec<Site>,
    pub shape: Shape,
    pub noise: Gain,
    /// Lattice and background, the expectation of every pixel.
    pub expected: Array2<f32>,
    /// Radius of a target's disc.
    pub radius_px: f32,
    /// Lattice period.
    pub period_px: f32,
}

impl Soil {
    /// Edits sites at random, and marks them in the targets.
    pub(super) fn plant(&self, planting: &Planting, bed: &mut Bed, rng: &mut ChaCha8Rng) {
        let (top, left) = (bed.corner.0 as f32, bed.corner.1 as f32);
        let (bottom, right) = (top + bed.image.nrows() as f32, left + bed.image.ncols() as f32);
        let inside = |s: &&Site| s.at.0 >= top && s.at.0 < bottom && s.at.1 >= left && s.at.1 < right;
        let mut edited: Vec<Spot> = vec![];
        // A column and those around it: a little more than a target's disc and the next one's.
        let near = 2.7 * self.radius_px;
        for site in self.sites.iter().filter(inside) {
            let beside = edited.iter().any(|at| (at.0 - site.at.0).hypot(at.1 - site.at.1) < near);
            if let Some((plant, factor)) = planting.draw(site, beside, rng) {
                edited.push(site.at);
                let change = if plant.on == On::Hollow { factor } else { factor - 1.0 };
                self.edit(bed, site, change * site.height, rng);
                self.mark(bed, site, plant.darkens());
                let most = planting.relaxation as f32 * change.abs().min(1.0);
                let towards = if most > 0.0 { rng.gen_range(-most..=most) } else { 0.0 };
                self.relax(bed, site, towards, rng);
            }
        }
    }

    /// Of some rows of the frame.
    pub(super) fn rows(&self, rows: Range<usize>) -> Soil {
        let inside = |s: &&Site| s.at.0 >= rows.start as f32 - 0.5 && s.at.0 < rows.end as f32 - 0.5;
        let moved = |s: &Site| Site { at: (s.at.0 - rows.start as f32, s.at.1), ..*s };
        Soil {
            sites: self.sites.iter().filter(inside).map(moved).collect(),
            expected: self.expected.slice(s![rows.clone(), ..]).to_owned(),
            ..self.clone()
        }
    }

    /// Moves the columns next to a site towards it, by so many lattice periods.
    fn relax(&self, bed: &mut Bed, site: &Site, towards: f32, rng: &mut ChaCha8Rng) {
        if towards == 0.0 {
            return;
        }
        let far = |s: &Site| (s.at.0 - site.at.0).hypot(s.at.1 - site.at.1);
        let columns = || self.sites.iter().filter(|s| s.kind != Kind::Hollow && far(s) > 1.0);
        let Some(nearest) = columns().map(far).min_by(f32::total_cmp) else { return };
        let step = towards * self.period_px;
        for near in columns().filter(|s| far(s) < 1.25 * nearest) {
            let unit = ((site.at.0 - near.at.0) / far(near), (site.at.1 - near.at.1) / far(near));
            let to = (near.at.0 + step * unit.0, near.at.1 + step * unit.1);
            let of = |at: Spot, y: f32, x: f32| self.shape.at((y - at.0).powi(2) + (x - at.1).powi(2));
            self.change(bed, near.at, |y, x| near.height * (of(to, y, x) - of(near.at, y, x)), rng);
        }
    }

    /// Adds `change` times the column's shape to what is expected, and draws counts anew where it must.
    pub(super) fn edit(&self, bed: &mut Bed, site: &Site, change: f32, rng: &mut ChaCha8Rng) {
        let of = |y: f32, x: f32| change * self.shape.at((y - site.at.0).powi(2) + (x - site.at.1).powi(2));
        self.change(bed, site.at, of, rng);
    }

    /// Adds to what is expected around a place.
    fn change(&self, bed: &mut Bed, at: Spot, by: impl Fn(f32, f32) -> f32, rng: &mut ChaCha8Rng) {
        let reach = self.shape.reach();
        let (dy, dx) = bed.corner;
        let range = |c: f32, from: usize, n: usize| {
            let clip = |v: f32| (v - from as f32).clamp(0.0, n as f32) as usize;
            clip((c - reach).ceil())..clip((c + reach).floor() + 1.0)
        };
        for y in range(at.0, dy, bed.image.nrows()) {
            for x in range(at.1, dx, bed.image.ncols()) {
                let value = &mut bed.image[[y, x]];
                let change = by((y + dy) as f32, (x + dx) as f32);
                *value = self.noise.changed(*value, self.expected[[y + dy, x + dx]], change, rng);
            }
        }
    }

    fn mark(&self, bed: &mut Bed, site: &Site, dark: bool) {
        let (y, x) = (site.at.0 - bed.corner.0 as f32, site.at.1 - bed.corner.1 as f32);
        let channel = if dark { 0 } else { bed.targets.len() - 1 };
        super::periodicity::disc(&mut bed.targets[channel], y, x, self.radius_px, |t| *t = 1.0);
        super::periodicity::disc(bed.weight, y, x, self.radius_px, |w| *w = 1.0);
    }
}
