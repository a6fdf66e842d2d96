//! The crystal found in a movie.

use super::followed::Followed;
use super::model::Model;
use super::register::{Registered, register};
use super::watched::Watched;
use crate::detect::{FoundColumns, Ground, PeriodicityBreak};
use crate::error::{Error, Result, check, setters};
use crate::filter::gaussian;
use crate::movie::{Drift, Frame, Jitter, MeasuredDrift, Movie};
use crate::progress::{EARLIER, Progress, Reporter, stop_if_asked};
use crate::simulate::{Imaging, Matter, Scan, perfect_weights};
use ndarray::{Array2, s};

/// Follows every site of a crystal through a movie.
///
/// What is known beforehand is the crystal and its physics, [`Matter`]. What the microscope did is estimated from the movie:
/// drift and jitter of rows; where the sites are, from the mean of the aligned frames; what a column looks like; how many
/// counts a grey value is; the slow background, and the gain of each row. The variance of the counts at the sites is measured,
/// and the evidence divided by it. What is wrong in the same way in every frame (a speck of contamination, say) is part of that
/// variance, but does not average out over frames as the rest does: [`Followed`] says how much it is.
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
        let cut = size.0.abs_diff(mean.data.nrows()).max(size.1.abs_diff(mean.data.ncols())) as f64;
        let margin = far + cut + 3.0 * labels.lattice.period_px;
        let registered = register(&mean.data, &found, &self.matter.crystal, margin)?;
        let jitter = self.jitter.then(|| Jitter::default().measure(movie, &drift)).transpose()?;
        let scan = scan(&registered, &found, movie, &drift)?;
        let middle = (scan.imaging.size_px as f64 - 1.0) / 2.0;
        let nm = |px: f64, first: f64| (px + first - middle) * registered.nm_per_px;
        let places = registered.at_px.iter().map(|[y, x]| [nm(*y, first[0]), nm(*x, first[1])]).collect();
        let ground = Ground::of(&mean.data, labels.bin);
        let mut followed = Followed {
            movie: movie.clone(),
            matter: self.matter.clone().with_crystal(registered.crystal.clone()),
            sites: registered.sites,
            places,
            scan,
            count: (1.0, 0.0),
            dispersion: 1.0,
            repeats: 0.0,
            doubtful: drift.doubtful(),
            norm: Array2::ones((0, 0)),
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
        followed.norm = gaussian(Array2::ones(size).view(), followed.smooth_px);
        followed.lattice = followed.ground(ground.as_ref())?;
        followed.measure(&found, registered.ratio)?;
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
