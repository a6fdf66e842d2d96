//! A movie whose lattice is followed, and what its frames say of the sites.

use super::model::Model;
use super::read::read;
use super::watched::Watched;
use crate::detect::Ground;
use crate::error::{Result, check};
use crate::filter::gaussian;
use crate::movie::{Frame, Movie};
use crate::progress::stop_if_asked;
use crate::simulate::{
    Around, Candidates, Matter, Scan, Seen, SiteEvidence, Sites, Sublattice, gather, perfect_weights, symbol_of,
};
use ndarray::{Array2, s};
use polars::prelude::{DataFrame, NamedFrom, Series};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

/// A movie in which every site of a crystal is followed.
///
/// ```
/// use atomotion::prelude::*;
/// use atomotion::simulate::Around;
/// let imaging = Imaging::as_recorded().with_size_px(128);
/// let movie = Experiment::ws2().with_imaging(imaging).with_frames(4).simulate(3)?.movie;
/// let followed = Watch::default().follow(&movie)?;
/// let around = followed.weights();
/// let evidence = followed.evidence(&[("W", [74, 0, 0]), ("Mo_W", [42, 0, 0])], Around::Believed(around.view()))?;
/// assert_eq!(evidence.log_ratio.dim().0, 4); // frames, sites, species
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Followed {
    pub(super) movie: Movie,
    pub(super) matter: Matter,
    pub(super) sites: Sites,
    /// Where each site is in the first frame, in nm from the middle of the scan.
    pub(super) places: Vec<[f64; 2]>,
    pub(super) scan: Scan,
    /// Units of the frames for one count, and of an empty pixel.
    pub(super) count: (f64, f64),
    pub(super) dispersion: f64,
    /// What of the dispersion is the same in every frame.
    pub(super) repeats: f64,
    /// Frames whose drift may be off by a lattice period.
    pub(super) doubtful: usize,
    /// What a mean over the background's window has of a frame of ones: less at the border.
    pub(super) norm: Array2<f32>,
    /// Whether each site is lattice in each frame, and no hole.
    pub(super) lattice: Array2<bool>,
    pub(super) smooth_px: f32,
    pub(super) size: (usize, usize),
    pub(super) rounds: usize,
    pub(super) found: f64,
    pub(super) jitter_px: f64,
    /// Weight of each site (column) in each frame (row), as far as it is known.
    pub(super) believed: Array2<f64>,
}

impl Followed {
    /// Which sites are lattice in each frame.
    pub(super) fn ground(&self, ground: Option<&Ground>) -> Result<Array2<bool>> {
        let (frames, count) = (self.scan.frames(), self.sites.len());
        let of = |frame: usize| -> Result<Vec<bool>> {
            stop_if_asked("while looking for holes")?;
            let Some(ground) = ground else { return Ok(vec![true; count]) };
            let image = self.movie.frame(frame)?.data;
            Ok(ground.lattice_at(&image, (0..count).map(|s| self.px(frame, s))))
        };
        let rows = (0..frames).into_par_iter().map(of).collect::<Result<Vec<_>>>()?;
        Ok(Array2::from_shape_fn((frames, count), |(f, s)| rows[f][s]))
    }

    /// Nothing stands in holes.
    pub(super) fn empty_holes(&mut self) {
        let (believed, lattice) = (&mut self.believed, &self.lattice);
        believed.zip_mut_with(lattice, |weight, lattice| *weight = if *lattice { *weight } else { 0.0 });
    }

    /// Where a site is in a frame, `[y, x]` in pixels.
    pub(super) fn px(&self, frame: usize, site: usize) -> [f64; 2] {
        let [y, x] = self.places[site];
        let (y, x) = self.scan.place(frame, (y, x));
        [y, x]
    }

    pub(super) fn inside(&self, [y, x]: [f64; 2]) -> bool {
        y >= 0.0 && x >= 0.0 && y <= self.size.0 as f64 - 1.0 && x <= self.size.1 as f64 - 1.0
    }

    /// Number of frames.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // there is always a first
    pub fn len(&self) -> usize {
        self.scan.frames()
    }

    pub(crate) fn frame(&self, frame: usize) -> Result<Frame> {
        self.movie.frame(frame)
    }

    /// From a column to the nearest other one, in pixels.
    pub(crate) fn bond_px(&self) -> f64 {
        self.sites.bond_nm / self.scan.imaging.nm_per_px
    }

    /// What the columns of each sublattice are: "W", "2S".
    pub(crate) fn sublattices(&self) -> Vec<String> {
        let name = |s: &Sublattice| match s.per_column {
            1 => symbol_of(s.element).to_owned(),
            n => format!("{n}{}", symbol_of(s.element)),
        };
        self.matter.crystal.sublattices.iter().map(name).collect()
    }

    /// Every site that a frame shows: `site` u32, `sublattice` u8, `y_px`, `x_px` f32, and whether it is still `lattice`.
    ///
    /// # Errors
    /// If there is no such frame.
    pub fn sites(&self, frame: usize) -> Result<DataFrame> {
        check("frame", frame, frame < self.scan.frames(), format!("below {}", self.scan.frames()))?;
        let shown: Vec<usize> = (0..self.sites.len()).filter(|&s| self.inside(self.px(frame, s))).collect();
        let at = |i: usize| shown.iter().map(|&s| self.px(frame, s)[i] as f32).collect::<Vec<_>>();
        Ok(DataFrame::new(
            shown.len(),
            vec![
                Series::new("site".into(), shown.iter().map(|&s| s as u32).collect::<Vec<_>>()).into(),
                Series::new("sublattice".into(), shown.iter().map(|&s| self.sites.sublattice[s]).collect::<Vec<_>>())
                    .into(),
                Series::new("y_px".into(), at(0)).into(),
                Series::new("x_px".into(), at(1)).into(),
                Series::new("lattice".into(), shown.iter().map(|&s| self.lattice[[frame, s]]).collect::<Vec<_>>())
                    .into(),
            ],
        )?)
    }

    /// Mean weight of every site (column) in every frame (row) of the perfect crystal, as [`Around::Believed`] takes it.
    #[must_use]
    pub fn weights(&self) -> Array2<f64> {
        perfect_weights(self)
    }

    /// The evidence of every frame for what stands at the sites whose perfect column is the first candidate's: Poisson
    /// likelihoods with what was estimated of the microscope, divided by the variance that is seen at the sites. Every candidate's
    /// neighbours are where the matter's relaxation pushes them.
    ///
    /// # Errors
    /// If there are fewer than two candidates, no such site, or the user stops it; the true surroundings are not known.
    pub fn evidence(&self, candidates: &Candidates, around: Around) -> Result<SiteEvidence> {
        gather(self, candidates, around)
    }

    /// What stands at every site in every frame.
    ///
    /// # Errors
    /// If the model is of another crystal or of another time between frames, or the user stops it.
    pub fn read(&self, model: &Model) -> Result<Watched> {
        let (of_model, of_movie) = (model.hosts.chain.interval_s, self.movie.calibration().s_per_frame);
        let same = libm::fabs(of_model / of_movie - 1.0) < 1e-6;
        check(
            "model",
            format!("{of_model} s a frame"),
            same,
            format!("that of the movie, {of_movie} s: Model::of makes it"),
        )?;
        read(self, model)
    }
}

impl Seen for Followed {
    fn matter(&self) -> &Matter {
        &self.matter
    }

    fn sites(&self) -> &Sites {
        &self.sites
    }

    fn scan(&self) -> &Scan {
        &self.scan
    }

    fn places(&self) -> &[[f64; 2]] {
        &self.places
    }

    /// What columns add, and around them the smooth rest of the frame.
    fn expected(&self, frame: usize, places: &[[f64; 2]], weights: &[f64]) -> Result<(Array2<f64>, Array2<f64>)> {
        let mut expected = self.scan.expected_of(frame, places, weights)?;
        let (h, w) = self.size;
        let data = self.movie.frame(frame)?.data;
        let mut counts = Array2::zeros(expected.dim());
        let (gain, offset) = self.count;
        counts.slice_mut(s![..h, ..w]).assign(&data.mapv(|v| (f64::from(v) - offset) / gain));
        let least = self.least();
        let rest = (&counts - &expected).slice(s![..h, ..w]).mapv(|v| v as f32);
        // Rows that are brighter have a brighter background, too.
        let gains = self.scan.gain.row(frame);
        let mut rest = rest;
        rest.rows_mut().into_iter().zip(gains).for_each(|(mut row, g)| row /= *g as f32);
        let background = gaussian(rest.view(), self.smooth_px) / &self.norm;
        for ((mut to, add), gain) in
            expected.slice_mut(s![..h, ..w]).rows_mut().into_iter().zip(background.rows()).zip(gains)
        {
            to.iter_mut().zip(add).for_each(|(e, b)| *e = (*e + gain * f64::from(*b)).max(least));
        }
        counts.mapv_inplace(|c| c.max(0.0));
        // Beyond a frame that is not square nothing is as expected or otherwise.
        let seen = counts.slice(s![..h, ..w]).to_owned();
        counts.assign(&expected);
        counts.slice_mut(s![..h, ..w]).assign(&seen);
        Ok((expected, counts))
    }

    fn shows(&self, frame: usize, site: usize) -> bool {
        let [y, x] = self.px(frame, site);
        let near = self.scan.seen_px();
        let inside = self.inside([y - near, x - near]) && self.inside([y + near, x + near]);
        inside && self.lattice.get((frame, site)).is_none_or(|l| *l)
    }

    fn dispersion(&self) -> f64 {
        self.dispersion
    }

    fn hole(&self, frame: usize, site: usize) -> bool {
        self.lattice.get((frame, site)).is_some_and(|lattice| !lattice)
    }

    fn smooth_px(&self) -> Option<f64> {
        Some(f64::from(self.smooth_px))
    }

    /// A fiftieth of what a column of W has: what is estimated is never so sure of darkness that one count proves it wrong.
    fn least(&self) -> f64 {
        (0.02 * self.scan.imaging.counts_at_w()).max(1e-3)
    }
}

impl std::fmt::Debug for Followed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let imaging = &self.scan.imaging;
        let shown = (0..self.sites.len()).filter(|&s| self.shows(0, s)).count();
        write!(
            f,
            "{} followed through {} frames of {}: {shown} sites in the first (columns at {:.0} % of them), turned by {:.2}°, \
             {:.5} nm a pixel, {} s a frame, {:.2} counts at a column of W, jitter of rows {:.2} px. Noise at the sites is {:.2} \
             times Poisson's, of which {:.2} are the same in every frame",
            self.matter.crystal.name,
            self.scan.frames(),
            self.movie.name(),
            100.0 * self.found,
            self.matter.crystal.rotation_deg,
            imaging.nm_per_px,
            self.movie.calibration().s_per_frame,
            imaging.counts_at_w(),
            self.jitter_px,
            self.dispersion,
            self.repeats
        )?;
        match self.doubtful {
            0 => Ok(()),
            n => write!(
                f,
                ". The drift of {n} frames may be off by a lattice period: align the movie first, or leave them out"
            ),
        }
    }
}
