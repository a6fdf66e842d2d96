//! A specimen in a microscope: a movie of it, and the truth.

use super::imaging::Imaging;
use super::matter::{Evolution, Matter};
use super::scan::Scan;
use super::transitions::Transitions;
use crate::error::{Error, Result, check, setters};
use crate::movie::{Metadata, Movie};
use crate::progress::{EARLIER, Progress, Reporter};
use crate::session::seeded;
use ndarray::{Array3, Axis};
use polars::prelude::DataFrame;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A specimen, a microscope, and how long it looks.
///
/// ```
/// use atomotion::simulate::{Experiment, Imaging};
/// let imaging = Imaging::clean().with_size_px(128);
/// let recording = Experiment::ws2().with_frames(3).with_imaging(imaging).simulate(1)?;
/// assert_eq!(recording.movie.len(), 3);
/// println!("{}", recording.truth); // a row for every defect of every frame
/// println!("{}", recording.evolution.events_table()?);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// The specimen, and what the beam does to it.
    pub matter: Matter,
    /// The microscope.
    pub imaging: Imaging,
    /// How many frames it records.
    pub frames: usize,
    /// How much further than the drifting scan ever sees the specimen goes on, all around. Vacancies do not leave it.
    pub margin_nm: f64,
}

/// Seconds from one frame to the next: 512 x 512 pixels of 16 µs, and the flyback.
const S_PER_FRAME: f64 = 5.0;

impl Default for Experiment {
    fn default() -> Self {
        Experiment::ws2()
    }
}

impl Experiment {
    setters! {
        matter: Matter => with_matter,
        imaging: Imaging => with_imaging,
        frames: usize => with_frames,
        margin_nm: f64 => with_margin_nm,
    }

    /// 100 frames of 512 x 512 pixels, one every 5 s, of Mo-doped WS2, at the dose of [`Imaging::clean`].
    #[must_use]
    pub fn ws2() -> Experiment {
        Experiment {
            matter: Matter::ws2(),
            imaging: Imaging::clean().with_s_per_frame(S_PER_FRAME),
            frames: 100,
            margin_nm: 0.64,
        }
    }

    /// The same events (with the same seed) as the published movie was recorded: starved of counts.
    #[must_use]
    pub fn ws2_as_recorded() -> Experiment {
        Experiment { imaging: Imaging::as_recorded().with_s_per_frame(S_PER_FRAME), ..Experiment::ws2() }
    }

    /// Side of the square that is simulated.
    fn side_nm(&self, scan: &Scan) -> f64 {
        let drift = scan.drift_nm.iter().flatten().map(|d| libm::fabs(*d)).fold(0.0, f64::max);
        self.imaging.size_px as f64 * self.imaging.nm_per_px + 2.0 * (drift + self.margin_nm)
    }

    /// Lets the specimen evolve and records it. A frame shows the specimen as it is when the frame begins.
    ///
    /// # Errors
    /// If an option is out of range, or the user stops it.
    pub fn simulate(&self, seed: u64) -> Result<Recording> {
        check("frames", self.frames, (1..=100_000).contains(&self.frames), "from 1 to 100000 frames")?;
        check("margin_nm", self.margin_nm, (0.0..=1000.0).contains(&self.margin_nm), "from 0 to 1000 nm")?;
        self.matter.validate()?;
        let seed = seeded("Experiment", seed);
        let scan = self.imaging.scan(self.frames, seed)?;
        let evolution = self.matter.evolve(self.side_nm(&scan), self.frames, self.imaging.s_per_frame, seed)?;
        let stack = self.record(&scan, &evolution)?;
        let counts = self.imaging.counts_at_w();
        let movie = Movie::from_array(stack)?
            .with_calibration(self.imaging.calibration()?)
            .with_metadata(self.metadata(seed))
            .with_name(format!("simulated {}, {counts:.3} counts at a W column", self.matter.crystal.name));
        let truth = evolution.truth(&scan)?;
        Ok(Recording { movie, truth, evolution, scan, experiment: self.clone(), seed })
    }

    /// Frames are drawn by all threads, a few at a time; each depends on the seed and its number alone.
    fn record(&self, scan: &Scan, evolution: &Evolution) -> Result<Array3<f32>> {
        let n = self.imaging.size_px;
        let mut stack = Array3::zeros((self.frames, n, n));
        let mut progress = Reporter::new("simulating", "frames");
        let batch = 2 * rayon::current_num_threads().max(1);
        for begin in (0..self.frames).step_by(batch) {
            progress.update(begin, self.frames, "");
            let end = (begin + batch).min(self.frames);
            let drawn: Vec<_> = (begin..end)
                .into_par_iter()
                .map(|frame| scan.counts(frame, &evolution.columns(frame)))
                .collect::<Result<_>>()
                .map_err(|e| e.while_doing(|| format!("after {begin} of {} simulated frames", self.frames), EARLIER))?;
            for (frame, counts) in (begin..end).zip(drawn) {
                stack.index_axis_mut(Axis(0), frame).assign(&counts);
            }
        }
        progress.update(self.frames, self.frames, "");
        Ok(stack)
    }

    fn metadata(&self, seed: u64) -> Metadata {
        let mut metadata = Metadata::default();
        let (matter, imaging) = (&self.matter, &self.imaging);
        metadata.add("title", format!("simulated {}", matter.crystal.name));
        metadata.add("frame_time_s", imaging.s_per_frame);
        metadata.add("voltage_kv", matter.beam.voltage_kv);
        metadata.add("temperature_k", matter.kinetics.temperature_k);
        metadata.add("dose_rate_e_nm2_s", matter.beam.dose_rate_e_nm2_s);
        metadata.add("counts_at_w", imaging.counts_at_w());
        metadata.add("seed", seed);
        metadata.add("margin_nm", self.margin_nm);
        // All of it, so that the movie can be made again.
        for (name, options) in [
            ("crystal", serde_json::to_string(&matter.crystal)),
            ("composition", serde_json::to_string(&matter.composition)),
            ("beam", serde_json::to_string(&matter.beam)),
            ("kinetics", serde_json::to_string(&matter.kinetics)),
            ("relaxation", serde_json::to_string(&matter.relaxation)),
            ("imaging", serde_json::to_string(imaging)),
        ] {
            metadata.add(name, options.unwrap_or_default());
        }
        metadata
    }
}

/// A simulated movie with all that is true of it.
///
/// `truth` has one row for each defect of each frame, in the project's own columns: `frame` u32, `time_s` f64, `species`
/// (what stands on the site: `Mo_W`, `V_S`, `V_2S`, `V_W`, `W_ad`, `W_2S`, `hole_edge`), `state` (its configuration, see
/// [`State`](super::State): `Mo_W+V_S/1`), `site` u32, `track` u32 (the same as long as it is the same defect; a vacancy
/// takes it along), and `y_px`, `x_px`, `y_nm`, `x_nm` f32 in the frame, drift and relaxation included, jitter of single
/// rows not. A vacancy beside a dopant has a row, and so has the dopant, whose state says that it is there.
#[derive(Clone)]
pub struct Recording {
    /// The counts.
    pub movie: Movie,
    /// Every defect of every frame.
    pub truth: DataFrame,
    /// The specimen at every frame, and every event between.
    pub evolution: Evolution,
    /// Drift, jitter, gains.
    pub scan: Scan,
    /// What it was made by.
    pub experiment: Experiment,
    /// And with which seed.
    pub seed: u64,
}

impl Recording {
    /// Every site that a frame shows: `site` u32, `sublattice` u8, `state`, `y_px`, `x_px` (f32, where it is), `ideal_y_px`,
    /// `ideal_x_px` (f32, where it would be in a perfect lattice).
    ///
    /// # Errors
    /// If there is no such frame.
    pub fn lattice(&self, frame: usize) -> Result<DataFrame> {
        self.evolution.lattice(&self.scan, frame)
    }

    /// For every pixel of a frame the number of the state ([`State::ALL`](super::State::ALL)) of the nearest site that is
    /// not perfect, if it is within `radius_nm`, else 0. Holes are among them.
    ///
    /// # Errors
    /// If there is no such frame.
    pub fn mask(&self, frame: usize, radius_nm: f64) -> Result<ndarray::Array2<u8>> {
        self.evolution.mask(&self.scan, frame, radius_nm)
    }

    /// Displacement of the specimen in each frame.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn drift(&self) -> Result<DataFrame> {
        self.scan.drift()
    }

    /// Transition counts of the states at this movie's frame interval, from `replicas` specimens of the same size with
    /// other seeds.
    ///
    /// # Errors
    /// If the movie has fewer than three frames, or the user stops it.
    pub fn transitions(&self, replicas: usize) -> Result<Transitions> {
        let side = self.experiment.side_nm(&self.scan);
        let imaging = &self.experiment.imaging;
        self.experiment.matter.transitions(side, self.experiment.frames, imaging.s_per_frame, replicas, self.seed)
    }

    /// How many defects of each species each frame has.
    ///
    /// # Errors
    /// If the truth's columns have lost their types.
    pub fn per_frame(&self) -> Result<BTreeMap<String, Vec<u32>>> {
        let (frames, species) = (self.truth.column("frame")?.u32()?, self.truth.column("species")?.str()?);
        let mut counts = BTreeMap::<String, Vec<u32>>::new();
        for (frame, species) in frames.iter().zip(species.iter()) {
            let (Some(frame), Some(species)) = (frame, species) else {
                return Err(Error::data("the truth has a row without frame or species"));
            };
            let of = counts.entry(species.into()).or_insert_with(|| vec![0; self.movie.len()]);
            if let Some(count) = of.get_mut(frame as usize) {
                *count += 1;
            }
        }
        Ok(counts)
    }
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}\n{} rows of truth. {:?}. Seed {}", self.movie, self.truth.height(), self.evolution, self.seed)
    }
}
