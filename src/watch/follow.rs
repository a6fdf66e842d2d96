//! The crystal found in a movie and followed through it, with what a column does to the counts.

use super::model::Model;
use super::read::read;
use super::register::{Registered, register};
use super::watched::Watched;
use crate::detect::{FoundColumns, Ground, PeriodicityBreak, counts_of};
use crate::error::{Error, Result, check, setters};
use crate::filter::{gaussian, robust};
use crate::movie::{Drift, Frame, Jitter, MeasuredDrift, Movie};
use crate::progress::{EARLIER, Progress, Reporter, stop_if_asked};
use crate::simulate::{
    Around, Candidates, Imaging, Matter, Scan, Seen, SiteEvidence, Sites, believed_places, gather, perfect_weights,
};
use ndarray::{Array2, s};
use polars::prelude::{DataFrame, NamedFrom, Series};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

/// Follows every site of a crystal through a movie.
///
/// What is known beforehand is the crystal and its physics, [`Matter`]. What the microscope did is estimated from the movie:
/// drift and jitter of rows; where the sites are, from the mean of the aligned frames; what a column looks like; how many
/// counts a grey value is; the slow background, and the gain of each row. What the estimates leave unexplained counts as
/// noise: the variance of the evidence at the sites is measured, and the evidence weakened by it.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// The crystal, with what moves in it and how often: [`Matter::ws2`] by default. Its rotation is found.
    pub matter: Matter,
    /// Frames whose mean shows the lattice: the first 30 by default.
    pub mean_frames: usize,
    /// How often hosts and columns are read in turn, each beside what is believed of the other: 2 by default.
    pub rounds: usize,
    /// Whether rows are moved to where they should be: yes by default.
    pub jitter: bool,
    /// Standard deviation of the window whose mean is the background, in periods: 0.8 by default.
    pub background_periods: f64,
}

/// How often probe, places and gains are fitted in turn.
const TUNED: usize = 2;

impl Default for Watch {
    fn default() -> Self {
        Watch { matter: Matter::ws2(), mean_frames: 30, rounds: 2, jitter: true, background_periods: 0.8 }
    }
}

impl Watch {
    setters! {
        matter: Matter => with_matter,
        mean_frames: usize => with_mean_frames,
        rounds: usize => with_rounds,
        jitter: bool => with_jitter,
        background_periods: f64 => with_background_periods,
    }

    /// Follows the lattice, and reads what stands at its sites with the rates that follow from the matter.
    ///
    /// # Errors
    /// Those of [`Watch::follow`] and [`Followed::read`].
    pub fn read(&self, movie: &Movie) -> Result<Watched> {
        let model = Model::of(&self.matter, movie.calibration().s_per_frame)?;
        self.follow(movie)?.read(&model)
    }

    /// Where every site is in every frame, and how the frames show it.
    ///
    /// # Errors
    /// If an option is out of range, a frame cannot be used, the movie's lattice is not the crystal's or too faint in the
    /// mean of the frames, or the user stops it.
    pub fn follow(&self, movie: &Movie) -> Result<Followed> {
        check("mean_frames", self.mean_frames, self.mean_frames > 0, "at least one frame")?;
        check("rounds", self.rounds, (1..=20).contains(&self.rounds), "from 1 to 20")?;
        let wide = self.background_periods;
        check("background_periods", wide, (0.5..=10.0).contains(&wide), "from 0.5 to 10 periods")?;
        let drift = Drift::default().measure(movie)?;
        let (mean, first) = self.mean(movie, &drift)?;
        let labels = PeriodicityBreak::default().label(&mean)?;
        let faint = || Error::data(format!("the mean of the frames of {} shows no columns", movie.name()));
        let found = FoundColumns::of(&labels).ok_or_else(faint)?;
        let far = drift.shifts_px().iter().flatten().fold(0.0_f64, |m, v| m.max(v.abs()));
        let size = (movie.height(), movie.width());
        let registered = register(&found, &self.matter.crystal, mean.data.dim(), far + 3.0 * labels.lattice.period_px)?;
        let jitter = self.jitter.then(|| Jitter::default().measure(movie, &drift)).transpose()?;
        let scan = scan(&registered, &found, movie, &drift)?;
        let middle = (scan.imaging.size_px as f64 - 1.0) / 2.0;
        let nm = |px: f64, first: f64| (px + first - middle) * registered.nm_per_px;
        let places = registered.at_px.iter().map(|[y, x]| [nm(*y, first[0]), nm(*x, first[1])]).collect();
        let ground = Ground::of(&mean.data, labels.lattice.period_px);
        let mut followed = Followed {
            movie: movie.clone(),
            matter: self.matter.clone().with_crystal(registered.crystal.clone()),
            sites: registered.sites,
            places,
            scan,
            count: (1.0, 0.0),
            dispersion: 1.0,
            lattice: Array2::from_elem((0, 0), true),
            smooth_px: (self.background_periods * labels.lattice.period_px) as f32,
            size,
            rounds: self.rounds,
            found: registered.found,
            jitter_px: jitter.as_ref().map_or(0.0, |j| j.rms_px()),
            believed: Array2::zeros((0, 0)),
        };
        followed.believed = perfect_weights(&followed);
        if let Some(jitter) = jitter {
            let nm = jitter.rows_px() * followed.scan.imaging.nm_per_px;
            followed.scan.jitter_nm.slice_mut(s![.., ..size.0]).assign(&nm);
        }
        followed.measure(&found)?;
        followed.lattice = followed.ground(ground.as_ref())?;
        Ok(followed)
    }

    /// The mean of the first frames, aligned, and where in the first frame it begins.
    fn mean(&self, movie: &Movie, drift: &MeasuredDrift) -> Result<(Frame, [f64; 2])> {
        // Not so far that little is left.
        let most = 0.25 * movie.height().min(movie.width()) as f64;
        let near = drift.shifts_px().iter().take_while(|s| s[0].abs() < most && s[1].abs() < most).count();
        let count = near.min(self.mean_frames);
        let shifts = &drift.shifts_px()[..count];
        let aligned = movie.take_frames(..count, 1)?.align(&MeasuredDrift::known(shifts, movie.calibration())?)?;
        let first = [0, 1].map(|i| (-shifts.iter().map(|s| s[i]).fold(0.0, f64::min)).ceil());
        let mut progress = Reporter::new("mean of the frames", "frames");
        let mut sum = Array2::<f32>::zeros((aligned.height(), aligned.width()));
        for i in 0..aligned.len() {
            let doing = || format!("after {i} of {count} frames");
            stop_if_asked("").map_err(|e| e.while_doing(doing, EARLIER))?;
            sum += &aligned.frame(i)?.data;
            progress.update(i + 1, count, "");
        }
        let mut frame = aligned.frame(0)?;
        frame.data = sum / count as f32;
        frame.source = format!("the mean of {count} frames of {}", movie.name());
        Ok((frame, first))
    }
}

/// The microscope as it is estimated: nothing random in it.
fn scan(registered: &Registered, found: &FoundColumns, movie: &Movie, drift: &MeasuredDrift) -> Result<Scan> {
    let nm = registered.nm_per_px;
    // Volumes of core and tail.
    let (core, tail) = ((1.0 - found.tail) * found.core_px.powi(2), found.tail * found.tail_px.powi(2));
    let imaging = Imaging::ideal()
        .with_size_px(movie.height().max(movie.width()))
        .with_nm_per_px(nm)
        .with_s_per_frame(movie.calibration().s_per_frame)
        .with_source_nm(0.0)
        .with_probe_nm(found.core_px * nm)
        .with_tail_nm(found.tail_px * nm)
        .with_tail_fraction(tail / (core + tail));
    let mut scan = Scan::new(&imaging, movie.len(), 0)?;
    scan.drift_nm = drift.shifts_px().iter().map(|s| s.map(|px| px * nm)).collect();
    Ok(scan)
}

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
    places: Vec<[f64; 2]>,
    pub(super) scan: Scan,
    /// Units of the frames for one count, and of an empty pixel.
    count: (f64, f64),
    dispersion: f64,
    /// Whether each site is lattice in each frame, and no hole.
    pub(super) lattice: Array2<bool>,
    smooth_px: f32,
    size: (usize, usize),
    pub(super) rounds: usize,
    found: f64,
    jitter_px: f64,
    /// Weight of each site (column) in each frame (row), as far as it is known.
    pub(super) believed: Array2<f64>,
}

impl Followed {
    /// Counts, probe, places, gains of rows and the noise of the evidence, one after the other.
    fn measure(&mut self, found: &FoundColumns) -> Result<()> {
        // Columns as high as in the mean, of whose weights the brightest has the most.
        let most = self.believed.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let height = found.bright_height / most;
        self.scan.imaging = self.scan.imaging.clone().with_counts_at_w(height);
        if found.faint_height > 0.0 {
            self.scan.imaging.z_power = self.power(found.faint_height / found.bright_height);
            self.believed = perfect_weights(self);
        }
        let mut pairs = vec![];
        for frame in looks(self.movie.len()) {
            let (expected, values) = self.believed_counts(frame)?;
            let part = |a: &Array2<f64>| a.slice(s![..self.size.0, ..self.size.1]).mapv(|v| v as f32);
            let (gain, offset) = counts_of(&part(&values), &part(&expected));
            // An empty pixel is no brighter than the darkest ones.
            let mut sorted: Vec<f32> = self.movie.frame(frame)?.data.iter().copied().collect();
            let (_, dark, _) = sorted.select_nth_unstable_by(values.len() / 1000, f32::total_cmp);
            pairs.push((gain, offset.min(f64::from(*dark))));
        }
        let middle = |pick: fn(&(f64, f64)) -> f64| {
            let mut all: Vec<f32> = pairs.iter().map(|p| pick(p) as f32).collect();
            f64::from(crate::filter::median(&mut all))
        };
        self.count = (middle(|p| p.0).max(f64::MIN_POSITIVE), middle(|p| p.1));
        self.scan.imaging = self.scan.imaging.clone().with_counts_at_w(height / self.count.0);
        self.tune()
    }

    /// Probe, places, gains and noise, fitted in turn beside what is believed to stand at the sites.
    pub(super) fn tune(&mut self) -> Result<()> {
        for _ in 0..TUNED {
            self.shape()?;
            self.settle()?;
            self.gains()?;
        }
        self.dispersion = self.noise()?;
        Ok(())
    }

    /// Expected counts of a frame as it is believed to be, and those that there are.
    fn believed_counts(&self, frame: usize) -> Result<(Array2<f64>, Array2<f64>)> {
        let row = self.believed.row(frame);
        self.expected(frame, &believed_places(self, row), &row.to_vec())
    }

    /// The power of the atomic number that makes the fainter column's height this part of the brighter one's.
    fn power(&self, ratio: f64) -> f64 {
        let crystal = &self.matter.crystal;
        let ratio_at = |power: f64| {
            let imaging = self.scan.imaging.clone().with_z_power(power);
            let pile = |s: &crate::simulate::Sublattice| {
                let atoms = std::array::from_fn(|i| if i < usize::from(s.per_column) { s.element } else { 0 });
                imaging.weight(atoms)
            };
            let of: Vec<f64> = crystal.sublattices.iter().map(pile).collect();
            of.iter().copied().fold(f64::MAX, f64::min) / of.iter().copied().fold(f64::MIN_POSITIVE, f64::max)
        };
        let powers = (0..=50).map(|i| 1.3 + 0.014 * f64::from(i));
        let off = |p: &f64| libm::fabs(libm::log(ratio_at(*p) / ratio));
        powers.min_by(|p, q| off(p).total_cmp(&off(q))).unwrap_or(1.7)
    }

    /// Probe and counts, each in turn changed so that a few frames are most probable: the mean of the frames has a wider one,
    /// since it was moved by parts of pixels.
    fn shape(&mut self) -> Result<()> {
        let changes: [fn(&mut Imaging, f64); 4] = [
            |i, by| i.probe_nm *= by,
            |i, by| i.electrons_per_nm2 *= by,
            |i, by| i.tail_fraction = (i.tail_fraction * by).clamp(0.0, 0.9),
            |i, by| i.tail_nm *= by,
        ];
        let mut now = self.left(&self.scan.imaging)?;
        for step in [0.06, 0.02] {
            for change in changes {
                for by in [1.0 + step, 1.0 / (1.0 + step)] {
                    // On in the same direction as long as it helps.
                    for _ in 0..8 {
                        let mut other = self.scan.imaging.clone();
                        change(&mut other, by);
                        let left = self.left(&other)?;
                        if left >= now {
                            break;
                        }
                        (now, self.scan.imaging) = (left, other);
                    }
                }
            }
        }
        Ok(())
    }

    fn left(&self, imaging: &Imaging) -> Result<f64> {
        let mut other = self.clone();
        other.scan.imaging = imaging.clone();
        let of = |frame: usize| -> Result<f64> {
            stop_if_asked("while fitting the probe")?;
            let (expected, counts) = other.believed_counts(frame)?;
            let part = s![..self.size.0, ..self.size.1];
            let less_likely = |c: &f64, e: &f64| e - c * libm::log(*e);
            Ok(counts.slice(part).iter().zip(expected.slice(part)).map(|(c, e)| less_likely(c, e)).sum())
        };
        Ok(looks(self.movie.len()).into_par_iter().map(of).collect::<Result<Vec<f64>>>()?.into_iter().sum())
    }

    /// Moves every frame, and every row along x, to where its likelihood is greatest: a step of Newton's method, rows with a
    /// normal prior as wide as their jitter.
    fn settle(&mut self) -> Result<()> {
        let (h, w) = self.size;
        let jitter_nm = self.jitter_px * self.scan.imaging.nm_per_px;
        let step = 0.1 * self.scan.imaging.nm_per_px;
        let of = |frame: usize| -> Result<([f64; 2], Vec<f64>)> {
            stop_if_asked("while settling frames")?;
            let weights = self.believed.row(frame).to_vec();
            let places = believed_places(self, self.believed.row(frame));
            let (expected, counts) = self.expected(frame, &places, &weights)?;
            let slope = |dy: f64, dx: f64| -> Result<Array2<f64>> {
                let moved = |by: f64| places.iter().map(|[y, x]| [y + by * dy, x + by * dx]).collect::<Vec<_>>();
                let image = |by: f64| self.scan.expected_of(frame, &moved(by), &weights);
                let (on, back) = (image(step)?, image(-step)?);
                Ok((on - back) / (2.0 * step))
            };
            let (along_y, along_x) = (slope(1.0, 0.0)?, slope(0.0, 1.0)?);
            // Of each row: the likelihood's slope and curvature.
            let row = |slope: &Array2<f64>, r: usize| {
                (0..w).fold((0.0, 0.0), |(d, i), c| {
                    let (e, g) = (expected[[r, c]], slope[[r, c]]);
                    (d + (counts[[r, c]] - e) * g / e, i + g * g / e)
                })
            };
            let add = |sum: (f64, f64), one: (f64, f64)| (sum.0 + one.0, sum.1 + one.1);
            let rows_x: Vec<(f64, f64)> = (0..h).map(|r| row(&along_x, r)).collect();
            let x = rows_x.iter().copied().fold((0.0, 0.0), add);
            let y = (0..h).map(|r| row(&along_y, r)).fold((0.0, 0.0), add);
            let shift = [y, x].map(|(d, i)| if i > 0.0 { d / i } else { 0.0 });
            let prior = 1.0 / (jitter_nm * jitter_nm).max(1e-12);
            let jitter = |(r, (d, i)): (usize, &(f64, f64))| {
                let now = self.scan.jitter_nm[[frame, r]];
                now + (d - i * shift[1] - now * prior) / (i + prior)
            };
            Ok((shift, rows_x.iter().enumerate().map(jitter).collect()))
        };
        let all = (0..self.scan.frames()).into_par_iter().map(of).collect::<Result<Vec<_>>>()?;
        let most = 0.5 * self.scan.imaging.nm_per_px;
        for (frame, (shift, rows)) in all.into_iter().enumerate() {
            for (to, by) in self.scan.drift_nm[frame].iter_mut().zip(shift) {
                *to += by.clamp(-most, most);
            }
            if jitter_nm > 0.0 {
                self.scan.jitter_nm.row_mut(frame).iter_mut().zip(rows).for_each(|(to, x)| *to = x);
            }
        }
        Ok(())
    }

    /// How bright each row is beside what is expected, its own noise taken into account.
    fn gains(&mut self) -> Result<()> {
        let (h, w) = self.size;
        let row_of = |frame: usize| -> Result<Vec<f64>> {
            stop_if_asked("while measuring the gains of rows")?;
            let (expected, counts) = self.believed_counts(frame)?;
            let sums = |a: &Array2<f64>, r: usize| a.slice(s![r, ..w]).sum();
            Ok((0..h).flat_map(|r| [sums(&counts, r), sums(&expected, r)]).collect())
        };
        let rows = (0..self.scan.frames()).into_par_iter().map(row_of).collect::<Result<Vec<_>>>()?;
        let ratios: Vec<Vec<(f64, f64)>> = rows
            .iter()
            .map(|r| r.chunks_exact(2).map(|p| (p[0] / p[1].max(1e-9), 1.0 / p[1].max(1e-9))).collect())
            .collect();
        let all = ratios.iter().flatten();
        let (mut spread, mut noise, mut n) = (0.0, 0.0, 0.0);
        for (ratio, variance) in all {
            (spread, noise, n) = (spread + (ratio - 1.0).powi(2), noise + variance, n + 1.0);
        }
        let own = ((spread - noise) / f64::max(n, 1.0)).max(0.0);
        for (frame, rows) in ratios.iter().enumerate() {
            for (row, (ratio, variance)) in rows.iter().enumerate() {
                let share = if own > 0.0 { own / (own + variance) } else { 0.0 };
                self.scan.gain[[frame, row]] = (1.0 + share * (ratio - 1.0)).clamp(0.2, 5.0);
            }
        }
        Ok(())
    }

    /// Variance of what a column's image is matched with, at the sites, beside that of Poisson's counts.
    fn noise(&self) -> Result<f64> {
        let mut deviations = vec![];
        for frame in looks(self.movie.len()) {
            let (expected, counts) = self.believed_counts(frame)?;
            for place in believed_places(self, self.believed.row(frame)) {
                let Some(pixels) = self.scan.column_pixels(frame, place) else { continue };
                let (mut sum, mut information) = (0.0, 0.0);
                for (at, of_w) in pixels {
                    let e = expected[at].max(1e-9);
                    sum += (counts[at] - e) * of_w / e;
                    information += of_w * of_w / e;
                }
                deviations.push((sum / libm::sqrt(f64::max(information, 1e-12))) as f32);
            }
        }
        if deviations.is_empty() {
            return Ok(1.0);
        }
        let (_, deviation) = robust(&mut deviations);
        Ok(f64::from(deviation).powi(2).max(1e-6))
    }

    /// Which sites are lattice in each frame.
    fn ground(&self, ground: Option<&Ground>) -> Result<Array2<bool>> {
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
        let at = |s: usize| self.sites.at_nm[s];
        let bond = (0..self.sites.len()).find_map(|s| self.sites.bonded(s).next().map(|n| (at(s), at(n))));
        bond.map_or(5.0, |(a, b)| libm::hypot(a[0] - b[0], a[1] - b[1]) / self.scan.imaging.nm_per_px)
    }

    /// What the columns of each sublattice are: "W", "2S".
    pub(crate) fn sublattices(&self) -> Vec<String> {
        let name = |s: &crate::simulate::Sublattice| match s.per_column {
            1 => crate::simulate::symbol_of(s.element).to_owned(),
            n => format!("{n}{}", crate::simulate::symbol_of(s.element)),
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
    /// likelihoods with what was estimated of the microscope, weakened by what that leaves unexplained. Every candidate's
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
    /// If the model is of another crystal, or the user stops it.
    pub fn read(&self, model: &Model) -> Result<Watched> {
        read(self, model)
    }
}

/// A few frames, evenly spread.
fn looks(frames: usize) -> Vec<usize> {
    let mut looks: Vec<usize> = (0..8).map(|i| i * (frames - 1) / 7).collect();
    looks.dedup();
    looks
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
        let background = gaussian(rest.view(), self.smooth_px);
        expected.slice_mut(s![..h, ..w]).zip_mut_with(&background, |e, b| *e = (*e + f64::from(*b)).max(least));
        counts.mapv_inplace(|c| c.max(0.0));
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
             {:.5} nm a pixel, {:.2} counts at a column of W, jitter of rows {:.2} px, noise at the sites {:.2} times Poisson's",
            self.matter.crystal.name,
            self.scan.frames(),
            self.movie.name(),
            100.0 * self.found,
            self.matter.crystal.rotation_deg,
            imaging.nm_per_px,
            imaging.counts_at_w(),
            self.jitter_px,
            self.dispersion
        )
    }
}
