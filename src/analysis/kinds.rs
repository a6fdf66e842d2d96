//! What the classes of a movie are called: by a simulated movie of the same material, scale and orientation.

use super::perfect::{brightness, scaled};
use crate::classify::{Classes, Covariance, Features, GaussianMixture, Motifs, Naming};
use crate::defects::{Cut, Defects, SurrogateFrames};
use crate::detect::Lattice;
use crate::error::{Error, Result};
use crate::movie::{Calibration, Movie, Normalise};
use crate::simulate::{Composition, Experiment, Imaging, Matter};
use polars::prelude::{NamedFrom, Series};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A material whose defects the library knows by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Material {
    /// Mo-doped WS2.
    Ws2,
    /// W-doped MoS2.
    Mos2,
    /// Graphene with Si.
    Graphene,
}

impl Material {
    /// All, with the names they are asked for by.
    pub const ALL: [(&'static str, Material); 3] =
        [("ws2", Material::Ws2), ("mos2", Material::Mos2), ("graphene", Material::Graphene)];

    /// The specimen and what the beam does to it.
    #[must_use]
    pub fn matter(self) -> Matter {
        match self {
            Material::Ws2 => Matter::ws2(),
            Material::Mos2 => Matter::mos2(),
            Material::Graphene => Matter::graphene(),
        }
    }
}

/// Side of a patch, in lattice periods: the defect, its neighbours, and theirs.
const PERIODS: f64 = 3.2;
/// A motif is the mean of so many simulated patches, at least.
const FEWEST: usize = 12;
/// Species are told apart in so many patches that lie in the frame, at least; in all patches where there are fewer.
const FEWEST_WHOLE: usize = 30;
/// How far from its middle a patch says what stands there, in lattice periods.
const MIDDLE_PERIODS: f64 = 0.6;

/// Patches that are alike for every movie: 3.2 lattice periods wide, and of such brightness that the mean of a perfect cell
/// is 0 and its standard deviation 1. Those of the search's surrogate frames, on the same scale, go along
/// ([`Defects::surrogates`]).
///
/// ```no_run
/// use atomotion::prelude::*;
/// # fn main() -> atomotion::Result<()> {
/// let movie = Movie::open("movie.dm4")?;
/// let lattice = Lattice::find(&movie.frame(0)?.data)?;
/// let defects = Detector::load("detector.safetensors")?.find(&movie)?;
/// let classes = GaussianMixture::new(6).fit(&comparable_patches(&defects, &movie, &lattice)?)?;
/// let named = Material::Ws2.name(&classes, &movie, &lattice, 1)?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// As [`Defects::recut`], or if defects are so dense that no perfect cell is left.
pub fn comparable_patches(defects: &Defects, movie: &Movie, lattice: &Lattice) -> Result<Defects> {
    let scale = brightness(defects, movie, lattice)?;
    let cut = cut(movie, lattice);
    let comparable = |defects: &Defects, movie: &Movie| {
        scaled(&defects.recut(&movie.normalise(&Normalise::default())?, &cut)?, scale)
    };
    // A scale that was set since the search is that of its surrogate frames as well, but for simulated ones.
    let simulated = |s: &SurrogateFrames| s.kind == "simulated";
    let surrogate = |s: &SurrogateFrames| {
        let scale = if simulated(s) { s.movie.calibration() } else { movie.calibration() };
        let movie = s.movie.clone().with_calibration(scale);
        Ok(SurrogateFrames { kind: s.kind.clone(), defects: comparable(&s.defects, &movie)?, movie })
    };
    let fits = |s: &&SurrogateFrames| !simulated(s) || movie.calibration().known;
    let surrogates: Vec<SurrogateFrames> =
        defects.surrogates().iter().filter(fits).map(surrogate).collect::<Result<_>>()?;
    Ok(comparable(defects, movie)?.with_surrogates(surrogates))
}

/// How [`comparable_patches`] cuts.
pub(super) fn cut(movie: &Movie, lattice: &Lattice) -> Cut {
    Cut::default().with_side_nm(Some(movie.calibration().to_nm(PERIODS * lattice.period_px)))
}

/// Which patches lie in the frame. One that reaches beyond the edge shows the outermost pixel again and again.
pub(super) fn in_frame(defects: &Defects) -> Result<Vec<bool>> {
    let outside = defects.table().column("patch_outside")?.f32()?;
    Ok(outside.iter().map(|part| part.is_some_and(|part| part <= 0.0)).collect())
}

/// Patches that lie in the frame, if there are enough of them: the others would be classes of their own.
fn whole(defects: &Defects, fewest: usize) -> Result<Defects> {
    let whole = in_frame(defects)?;
    let enough = whole.iter().filter(|whole| **whole).count() >= fewest;
    if enough { defects.filter(&whole) } else { Ok(defects.clone()) }
}

/// Sorts the defects: into the species of the material, where it is known; else into so many classes, fewer where there
/// are few defects, that are called "class 0" and so on.
pub(super) fn sorted(
    defects: &Defects,
    classes: usize,
    material: Option<Material>,
    movie: &Movie,
    lattice: &Lattice,
    seed: u64,
) -> Result<Classes> {
    const PER_CLASS: usize = 8;
    if let Some(material) = material {
        return material.sort(defects, movie, lattice, seed);
    }
    let fitted = whole(defects, PER_CLASS)?;
    let most = (fitted.len() / PER_CLASS).max(1);
    let mixture = GaussianMixture::new(classes.min(most)).with_seed(seed);
    let mixture = mixture.clone().with_components(mixture.components.min(fitted.len() / 2).max(1));
    let sorted = mixture.fit(&fitted)?.apply(defects)?;
    (0..sorted.len()).try_fold(sorted, |all, c| all.named(c as u32, &format!("class {c}")))
}

impl Material {
    /// The movie with the scale that its lattice says: a period of this material is so many nanometres. One whose scale is known
    /// stays as it is. The time between frames no lattice tells: it stays what the file says, or one second.
    ///
    /// ```
    /// use atomotion::prelude::*;
    /// let recorded = Experiment::ws2().with_imaging(Imaging::clean().with_size_px(128)).with_frames(1).simulate(1)?.movie;
    /// let movie = Material::Ws2.calibrated(recorded.with_calibration(Calibration::default()))?;
    /// assert!((movie.calibration().nm_per_px / 0.032 - 1.0).abs() < 0.02);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If the scale is not known and the first frame shows no lattice.
    pub fn calibrated(self, movie: Movie) -> Result<Movie> {
        let calibration = movie.calibration();
        if calibration.known {
            return Ok(movie);
        }
        let lattice = Lattice::find(&movie.frame(0)?.data)?;
        let nm_per_px = self.scale(&lattice);
        Ok(movie.with_calibration(Calibration::new(nm_per_px, calibration.s_per_frame)?))
    }

    /// Nanometres a pixel, of a movie with this lattice.
    fn scale(self, lattice: &Lattice) -> f64 {
        let [[ay, ax], [by, bx]] = lattice.basis_px;
        (self.matter().crystal.cell_nm2() / (ay * bx - ax * by).abs()).sqrt()
    }

    /// Sorts defects by what stands on their own site, and names them: a mixture that starts from what each species looks like in a
    /// simulated movie of the same scale and orientation, and then follows the data ([`GaussianMixture::fit_from`]). It looks
    /// at the middle of a patch alone, so that a dopant is a dopant whatever stands beside it;
    /// [`complexes`](crate::dynamics::complexes) says what does. Species that nothing is like have no class.
    ///
    /// The patches must be those of [`comparable_patches`].
    ///
    /// ```no_run
    /// use atomotion::prelude::*;
    /// # fn main() -> atomotion::Result<()> {
    /// let movie = Movie::open("movie.dm4")?;
    /// let lattice = Lattice::find(&movie.frame(0)?.data)?;
    /// let defects = Detector::load("detector.safetensors")?.find(&movie)?;
    /// let species = Material::Ws2.sort(&comparable_patches(&defects, &movie, &lattice)?, &movie, &lattice, 1)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If there are no defects, the movie's scale cannot be right for this material, or the user asked to stop.
    pub fn sort(self, patches: &Defects, movie: &Movie, lattice: &Lattice, seed: u64) -> Result<Classes> {
        let whole = whole(patches, FEWEST_WHOLE)?;
        let middle = Features::Within { px: (MIDDLE_PERIODS * lattice.period_px) as f32, scores: 6 };
        let mixture = GaussianMixture::default().with_covariance(Covariance::Tied).with_features(Some(middle));
        let mixture = mixture.with_seed(seed);
        self.best_turn(lattice, |angle| {
            let mut motifs = motifs(self, movie, lattice, angle, ("species", seed))?;
            motifs.motifs.retain(|motif| !motif.species.starts_with("hole")); // an edge is no defect by itself
            mixture.fit_from(&whole, &motifs)?.apply(patches)
        })
    }

    /// Names classes of this material's defects by a simulated movie of the same scale and orientation, whose every defect
    /// is known: each class gets the state whose mean patch is most like its own, orientations not told apart
    /// (`Mo_W+V_S`). A class of false detections gets a name as well: look at the likeness.
    ///
    /// The patches must be those of [`comparable_patches`], which shows what to do.
    ///
    /// # Errors
    /// If the movie's scale cannot be right for this material, or the user asked to stop.
    pub fn name(self, classes: &Classes, movie: &Movie, lattice: &Lattice, seed: u64) -> Result<Classes> {
        self.best_turn(lattice, |angle| {
            classes.name_classes(&motifs(self, movie, lattice, angle, ("state", seed))?, seed)
        })
    }

    /// The lattice looks the same after a turn by 60 degrees; which sublattice is which decides how well motifs fit.
    fn best_turn(self, lattice: &Lattice, named: impl Fn(f64) -> Result<Classes>) -> Result<Classes> {
        let [y, x] = lattice.basis_px[0];
        let angle = y.atan2(x).to_degrees();
        let mut best: Option<(f64, Classes)> = None;
        for turn in [0.0, 60.0] {
            let named = named(angle + turn)?;
            let fit = |(name, n): (&Option<Naming>, &usize)| {
                name.as_ref().map_or(0.0, |name| name.likeness.max(-1.0) * *n as f64)
            };
            let fits: f64 = named.species.iter().zip(&named.counts).map(fit).sum();
            if best.as_ref().is_none_or(|(other, _)| fits > *other) {
                best = Some((fits, named));
            }
        }
        best.map(|(_, named)| named).ok_or_else(|| Error::data("no orientation was tried"))
    }
}

/// Mean patches of a simulated movie with this scale and rotation, of many counts: one of every name in a column of its truth.
fn motifs(
    material: Material,
    movie: &Movie,
    lattice: &Lattice,
    rotation_deg: f64,
    (column, seed): (&str, u64),
) -> Result<Motifs> {
    let mut matter = material.matter();
    matter.crystal.rotation_deg = rotation_deg;
    // Enough of each kind for its mean to be known.
    matter.composition = Composition {
        dopant: 0.04,
        single: 0.03,
        double: 0.02,
        host_vacancy: 0.02,
        adatom: 0.01,
        ..matter.composition
    };
    let calibration = movie.calibration();
    let nm_per_px = if calibration.known { calibration.nm_per_px } else { material.scale(lattice) };
    let imaging = Imaging::clean()
        .with_nm_per_px(nm_per_px)
        .with_size_px(((8.0 / nm_per_px) as usize).clamp(128, 512))
        .with_s_per_frame(20.0)
        .with_counts_at_w(1000.0);
    let experiment = Experiment::ws2().with_matter(matter).with_imaging(imaging).with_frames(6);
    let recording = experiment.simulate(seed)?;
    let truth = lumped(&recording.truth)?;
    let side = recording.movie.height() as f32;
    let edge = 0.5 * PERIODS as f32 * lattice.period_px as f32;
    let (y, x) = (truth.column("y_px")?.f32()?, truth.column("x_px")?.f32()?);
    let inside = |v: Option<f32>| v.is_some_and(|v| v > edge && v < side - edge);
    let keep: Vec<bool> = y.iter().zip(x.iter()).map(|(y, x)| inside(y) && inside(x)).collect();
    let own = Lattice::find(&recording.movie.frame(0)?.data)?;
    // Every defect is kept clear of, those at the border as well.
    let all =
        comparable_patches(&Defects::at_truth(&recording.movie, &truth, &Cut::default())?, &recording.movie, &own)?;
    let mut motifs = Motifs::of(&all.filter(&keep)?, column)?;
    motifs.motifs.retain(|motif| motif.patches >= FEWEST);
    // A vacancy beside a dopant looks different, and is a vacancy: `V_S@Mo_W` is called `V_S`.
    for motif in &mut motifs.motifs {
        motif.species.truncate(motif.species.find('@').unwrap_or(motif.species.len()));
    }
    if motifs.motifs.is_empty() {
        return Err(Error::data("the simulated movie that names defects is too small: give --nm-per-px correctly"));
    }
    Ok(motifs)
}

/// The truth with states whose orientations are not told apart: `Mo_W+V_S`, not `Mo_W+V_S/1`.
fn lumped(truth: &polars::prelude::DataFrame) -> Result<polars::prelude::DataFrame> {
    let states = truth.column("state")?.str()?;
    let plain = |state: Option<&str>| {
        state.map(|s| s.split_once('/').map_or(s, |(name, _)| name).trim_end_matches('\'').to_owned())
    };
    let names: Vec<Option<String>> = states.iter().map(plain).collect();
    let mut truth = truth.clone();
    truth.with_column(Series::new("state".into(), names).into())?;
    Ok(truth)
}

/// The names of the kinds, the commonest first, with how many defects there are of each.
pub(super) fn commonest(classes: &Classes) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, n) in classes.species.iter().zip(&classes.counts) {
        if let Some(name) = name {
            *counts.entry(&name.species).or_default() += n;
        }
    }
    let mut kinds: Vec<(String, usize)> = counts.into_iter().map(|(k, n)| (k.to_owned(), n)).collect();
    kinds.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    kinds
}
