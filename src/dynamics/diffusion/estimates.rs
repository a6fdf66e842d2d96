//! What tracks say about motion, by kind of defect.

use super::covariance::covariance;
use super::hops::{Hop, HopRates, rates};
use super::motion::Pieces;
use super::msd::{MsdPoint, fit, msd};
use super::sites::Net;
use crate::detect::{Interval, Lattice};
use crate::dynamics::path::Path;
use crate::dynamics::sightings::Groups;
use crate::dynamics::tracks::{Tracks, commonest};
use crate::error::{Error, Result, check, setters};
use crate::movie::Calibration;
use crate::progress::{Progress, Reporter, stop_if_asked};
use crate::session::seeded;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Mean squared displacements of one kind of defect, or of one track.
#[derive(Clone, Debug, PartialEq)]
pub struct KindMsd {
    /// Which.
    pub kind: String,
    /// Tracks taken together.
    pub tracks: usize,
    /// By lag.
    pub points: Vec<MsdPoint>,
    /// The fit `4 D t + 4 σ²`: D in nm²/s, and σ in nm.
    pub fit: Option<(f64, f64)>,
}

/// Mean squared displacements by kind of defect.
#[derive(Clone)]
pub struct Msd {
    /// One for each kind.
    pub kinds: Vec<KindMsd>,
}

/// How to estimate diffusion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiffusionOptions {
    /// The column of kinds; by default `species`, or `class` where there is no species. A track's kind is its commonest.
    pub by: Option<String>,
    /// How much a defect's motion during a frame blurs its position: 0 (default) where the frame is an instant for each
    /// defect, as in a scan, 1/6 where it is an exposure all along.
    pub blur: f64,
    /// Whether to tell free from confined and anomalous motion (default), which takes most of the time.
    pub models: bool,
}

impl Default for DiffusionOptions {
    fn default() -> Self {
        DiffusionOptions { by: None, blur: 0.0, models: true }
    }
}

impl DiffusionOptions {
    setters! {
        by: Option<String> => with_by,
        blur: f64 => with_blur,
        models: bool => with_models,
    }
}

/// What the likelihood says about how something moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// No motion can be told from the errors of positions.
    Still,
    /// Brownian motion explains all; nothing else does so better.
    Free,
    /// Held in a place.
    Confined,
    /// The displacement grows with another power of time.
    Anomalous,
    /// Not free, but whether confined or anomalous cannot be told.
    NotFree,
    /// Too little was seen.
    Unknown,
}

/// The diffusion of one kind of defect.
#[derive(Clone, Debug, PartialEq)]
pub struct KindDiffusion {
    /// Which.
    pub kind: String,
    /// Tracks of at least three positions, and steps of these.
    pub tracks: usize,
    /// Steps.
    pub steps: usize,
    /// Diffusion coefficient in nm²/s by the covariance of steps, which assumes nothing about their distribution.
    pub d_nm2_s: Interval,
    /// Standard deviation of a position along one axis, in nm, by the same.
    pub error_nm: f64,
    /// Diffusion coefficient by the likelihood of free motion, with Gaussian steps.
    pub likely_d_nm2_s: Option<Interval>,
    /// Exponent of time in the mean squared displacement: 1 for free motion.
    pub alpha: Option<Interval>,
    /// Size of the place that holds it (standard deviation along one axis), in nm; the upper end is infinite where free
    /// motion is as likely.
    pub size_nm: Option<Interval>,
    /// What all of this amounts to.
    pub moves: Moves,
}

/// The diffusion of each kind of defect.
///
/// ```
/// use atomotion::prelude::*;
/// // Back and forth by errors of position alone.
/// let y: Vec<f64> = (0..40).map(|i| 0.01 * f64::from(i * 7 % 5 - 2)).collect();
/// let table = df!("frame" => (0..40_u32).collect::<Vec<_>>(), "track" => [0_u32; 40], "y_px" => &y, "x_px" => &y)?;
/// let diffusion = Tracks::of(&table)?.diffusion()?;
/// assert_eq!(diffusion.kinds[0].moves.words(), "still");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Diffusion {
    /// One for each kind that has a track of three positions.
    pub kinds: Vec<KindDiffusion>,
}

/// On which lattice, and how, hops are counted.
///
/// ```
/// use atomotion::prelude::*;
/// let y = [0.0, 0.02, -0.01, 0.3, 0.32];
/// let table = df!("frame" => [0_u32, 1, 2, 3, 4], "track" => [0_u32; 5], "y_px" => y, "x_px" => [0.0; 5])?;
/// let hops = Tracks::of(&table)?.hops(&Hopping::on([[0.0, 0.3], [0.3, 0.0]]))?;
/// assert_eq!((hops.kinds[0].hops, hops.hops[0].frame, hops.hops[0].cells), (1, 3, [0, 1]));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hopping {
    /// Two lattice vectors, `[y, x]` in nm.
    pub lattice_nm: [[f64; 2]; 2],
    /// The column of kinds; by default `species`, or `class` where there is no species.
    pub by: Option<String>,
    /// Draws for the probability of the bias (default 999).
    pub draws: usize,
    /// Their seed.
    pub seed: u64,
}

impl Hopping {
    /// On a lattice of these vectors, `[y, x]` in nm, the two shortest.
    #[must_use]
    pub fn on(lattice_nm: [[f64; 2]; 2]) -> Hopping {
        Hopping { lattice_nm, by: None, draws: 999, seed: 0 }
    }

    /// On the lattice that was found in a frame.
    #[must_use]
    pub fn on_lattice(lattice: &Lattice, calibration: Calibration) -> Hopping {
        Hopping::on(lattice.basis_px.map(|v| v.map(|px| calibration.to_nm(px))))
    }

    setters! {
        by: Option<String> => with_by,
        draws: usize => with_draws,
        seed: u64 => with_seed,
    }
}

/// Every hop, and how often each kind of defect hops.
#[derive(Clone)]
pub struct Hops {
    /// By kind.
    pub kinds: Vec<HopRates>,
    /// Every hop, by kind, track and frame.
    pub hops: Vec<Hop>,
}

/// Tracks by kind: of each track the commonest.
fn by_kind<'a>(tracks: &Tracks, paths: &'a [Path], by: Option<&str>) -> Result<Vec<(String, Vec<&'a Path>)>> {
    let groups = Groups::of(tracks.table(), by)?;
    let mut kinds: Vec<(String, Vec<&Path>)> = groups.names.iter().map(|n| (n.clone(), vec![])).collect();
    paths.iter().for_each(|path| kinds[commonest(path, &groups).0].1.push(path));
    kinds.retain(|k| !k.1.is_empty());
    Ok(kinds)
}

fn kind_msd(kind: String, paths: &[&Path], lags: u32) -> KindMsd {
    let points = msd(paths, lags);
    let long = paths.iter().map(|p| p.at_nm.len() as f64).fold(0.0, f64::max);
    KindMsd { kind, tracks: paths.len(), fit: fit(&points, long - 1.0), points }
}

impl Tracks {
    /// Mean squared displacements of each kind of defect, up to a lag of so many frames. All pairs of positions count,
    /// across gaps as well. Where the frame drifts, so does everything in it: take that out first
    /// ([`Tracks::without_common_motion`], [`Tracks::on_specimen`]).
    ///
    /// ```
    /// use atomotion::prelude::*;
    /// let table = df!("frame" => [0_u32, 1, 2, 4], "track" => [0_u32; 4], "y_px" => [0.0, 1.0, 2.0, 4.0],
    ///     "x_px" => [0.0; 4])?;
    /// let msd = Tracks::of(&table)?.msd(3)?;
    /// let squares: Vec<f64> = msd.kinds[0].points.iter().map(|p| p.msd_nm2).collect();
    /// assert_eq!(squares, [1.0, 4.0, 9.0]); // in square pixels: the table has no y_nm
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If `lags` is not from 1 to 100000, or the table has lost its columns.
    pub fn msd(&self, lags: u32) -> Result<Msd> {
        check("lags", lags, (1..=100_000).contains(&lags), "from 1 to 100000 frames")?;
        let paths = self.paths()?;
        let kinds = by_kind(self, &paths, None)?;
        let kinds = kinds.into_iter().map(|(kind, paths)| kind_msd(kind, &paths, lags)).collect::<Vec<_>>();
        if kinds.iter().all(|k| k.points.is_empty()) {
            return Err(Error::data("no track is seen in two frames: there is no displacement"));
        }
        Ok(Msd { kinds })
    }

    /// The same of each track by itself.
    ///
    /// # Errors
    /// As [`Tracks::msd`].
    pub fn msd_of_each(&self, lags: u32) -> Result<Msd> {
        check("lags", lags, (1..=100_000).contains(&lags), "from 1 to 100000 frames")?;
        let kinds = self.paths()?.par_iter().map(|p| kind_msd(format!("track {}", p.track), &[p], lags)).collect();
        Ok(Msd { kinds })
    }

    /// Diffusion coefficients and kinds of motion with the default options: see [`Tracks::diffusion_with`]. Take out drift first
    /// ([`Tracks::without_common_motion`]).
    ///
    /// # Errors
    /// If no track has three positions.
    pub fn diffusion(&self) -> Result<Diffusion> {
        self.diffusion_with(&DiffusionOptions::default())
    }

    /// Diffusion coefficients of each kind of defect, localisation errors accounted for, and whether it moves freely.
    ///
    /// The coefficient is the covariance-based one (Vestergaard et al., Phys. Rev. E 89, 022726, 2014). Kinds of motion are
    /// compared by the likelihood of all steps of all tracks of the kind with errors of positions as a parameter: none,
    /// Brownian, Ornstein-Uhlenbeck (confined), fractional Brownian (anomalous). Intervals are profile intervals. They take
    /// steps to be Gaussian: of a few hops on a lattice [`Tracks::hops`] says more.
    ///
    /// # Errors
    /// If `blur` is not from 0 to 1/4, no track has three positions, or the user asked to stop.
    pub fn diffusion_with(&self, options: &DiffusionOptions) -> Result<Diffusion> {
        check("blur", options.blur, (0.0..=0.25).contains(&options.blur), "from 0 to 0.25")?;
        let paths = self.paths()?;
        let mut kinds = vec![];
        let of_kinds = by_kind(self, &paths, options.by.as_deref())?;
        let (mut progress, all) = (Reporter::new("diffusion", "kinds"), of_kinds.len());
        for (done, (kind, paths)) in of_kinds.into_iter().enumerate() {
            stop_if_asked("the diffusion coefficients")?;
            progress.update(done, all, &kind);
            let Some(found) = covariance(&paths, options.blur) else { continue };
            let long: Vec<&Path> = paths.into_iter().filter(|p| p.at_nm.len() > 2).collect();
            let mut one = KindDiffusion {
                kind,
                tracks: long.len(),
                steps: long.iter().map(|p| p.at_nm.len() - 1).sum(),
                d_nm2_s: Interval { value: found.d, low: found.low, high: found.high },
                error_nm: found.variance.max(0.0).sqrt(),
                likely_d_nm2_s: None,
                alpha: None,
                size_nm: None,
                moves: Moves::Unknown,
            };
            if let Some(pieces) = Pieces::of(&long).filter(|p| options.models && p.steps > 5) {
                one.judge(&pieces);
            }
            kinds.push(one);
        }
        progress.update(all, all, "");
        if kinds.is_empty() {
            return Err(Error::data("no track has three positions: diffusion cannot be told from errors of positions"));
        }
        Ok(Diffusion { kinds })
    }

    /// Every hop from site to site, how often each kind of defect hops, and whether it prefers a direction.
    ///
    /// A track's positions are put on the sites of a lattice that goes through them (its origin is the track's own, so that
    /// only drift within a track matters: take it out first, [`Tracks::without_common_motion`]). Rates count steps from one frame to the next, with exact
    /// Poisson intervals.
    ///
    /// # Errors
    /// If the lattice vectors are parallel, or no track is seen in two successive frames.
    pub fn hops(&self, hopping: &Hopping) -> Result<Hops> {
        let net = Net::new(hopping.lattice_nm)?;
        check("draws", hopping.draws, (1..=1_000_000).contains(&hopping.draws), "from 1 to 1000000")?;
        let paths = self.paths()?;
        let (mut kinds, mut hops, seed) = (vec![], vec![], seeded("Hopping", hopping.seed));
        for (kind, paths) in by_kind(self, &paths, hopping.by.as_deref())? {
            let (rates, all) = rates(&kind, &paths, &net, hopping.draws, seed);
            if rates.tracks > 0 {
                kinds.push(rates);
                hops.extend(all);
            }
        }
        if kinds.is_empty() {
            return Err(Error::data("no track is seen in two successive frames: there is nothing to count hops in"));
        }
        Ok(Hops { kinds, hops })
    }
}
