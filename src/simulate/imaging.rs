//! How a microscope turns columns of atoms into counts: options, doses, presets.

use super::crystal::Crystal;
use super::probe::Probe;
use super::scan::Scan;
use super::states::Occupant;
use crate::error::{Result, check, setters};
use crate::movie::Calibration;
use crate::session::seeded;
use serde::{Deserialize, Serialize};

/// The atom that everything is measured by.
const REFERENCE: u8 = 74;
/// Counts at a W column of [`Imaging::clean`], computed by `detection_limit`; a test computes them again.
const CLEAN: f64 = 70.0;

/// An annular dark-field scan of a thin specimen.
///
/// Every atom scatters on its own, as Z to the power `z_power` (Krivanek et al., Nature 464, 571, 2010), and the atoms
/// of a column add up: the expected counts of a pixel are
///
/// ```text
/// row gain x (electrons per pixel x W's cross-section x (sum over columns of weight x probe(distance) + carbon's)
///             + dark counts)
/// ```
///
/// with the weight of W 1, and the probe (per nm^2) of integral 1. A scan samples: the beam stands on a pixel's centre.
/// Counts are Poisson, and `offset` is added to them. All lengths are in nanometres, all doses those of one frame.
///
/// ```
/// use atomotion::simulate::{Column, Imaging};
/// let imaging = Imaging::default().with_size_px(64).with_counts_at_w(100.0);
/// let w = Column { y_nm: 0.0, x_nm: 0.0, atoms: [74, 0, 0] };
/// let frame = imaging.scan(1, 7)?.counts(0, &[w])?; // (64, 64), in counts
/// assert!((frame[[31, 31]] - 85.0).abs() < 40.0);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Imaging {
    /// Height and width of a frame in pixels.
    pub size_px: usize,
    /// Nanometres per pixel.
    pub nm_per_px: f64,
    /// Seconds from one frame to the next.
    pub s_per_frame: f64,
    /// Incident electrons per square nanometre in one frame.
    pub electrons_per_nm2: f64,
    /// Area in nm^2 that one W atom holds up to the beam: an electron through it is counted. The default is Rutherford's
    /// for scattering by more than about 90 mrad at 100 kV. An image shows only the product with the dose.
    pub w_cross_section_nm2: f64,
    /// Power of the atomic number that an atom's intensity goes with.
    pub z_power: f64,
    /// Standard deviation of the probe's Gaussian core, for an ideal (point) source.
    pub probe_nm: f64,
    /// Fraction of the probe's current in its tail.
    pub tail_fraction: f64,
    /// Standard deviation of the tail, a wider Gaussian.
    pub tail_nm: f64,
    /// Standard deviation of the source's image on the specimen, which blurs core and tail.
    pub source_nm: f64,
    /// Mean contamination, in carbon atoms per square nanometre (one graphene sheet has 38.2).
    pub carbon_per_nm2: f64,
    /// Standard deviation of the logarithm of the contamination from place to place.
    pub carbon_contrast: f64,
    /// Length over which the contamination changes: the standard deviation of its Gaussian correlation.
    pub carbon_length_nm: f64,
    /// Steady drift `[y, x]` of the specimen in the frame, in nm/s.
    pub drift_nm_per_s: [f64; 2],
    /// Standard deviation of the drift's random step from frame to frame, along y and along x.
    pub drift_step_nm: f64,
    /// Standard deviation of the shift of a row along x.
    pub jitter_nm: f64,
    /// Correlation of a row's shift with that of the row before it, 0 to less than 1.
    pub jitter_memory: f64,
    /// Standard deviation of the logarithm of a row's gain, whose mean is 1.
    pub row_noise: f64,
    /// Mean counts in a pixel without any specimen.
    pub dark_counts: f64,
    /// What a pixel keeps of the signal of the pixel before it in its row, as the light of a scintillator does that
    /// fades: 0 (whole counts) to less than 1. Nothing is lost by it: counts follow from signals.
    pub afterglow: f64,
    /// What the detector adds to every pixel, in counts.
    pub offset: f64,
}

impl Default for Imaging {
    /// [`Imaging::clean`].
    fn default() -> Self {
        Imaging::clean()
    }
}

impl Imaging {
    setters! {
        size_px: usize => with_size_px,
        nm_per_px: f64 => with_nm_per_px,
        s_per_frame: f64 => with_s_per_frame,
        electrons_per_nm2: f64 => with_electrons_per_nm2,
        w_cross_section_nm2: f64 => with_w_cross_section_nm2,
        z_power: f64 => with_z_power,
        probe_nm: f64 => with_probe_nm,
        tail_fraction: f64 => with_tail_fraction,
        tail_nm: f64 => with_tail_nm,
        source_nm: f64 => with_source_nm,
        carbon_per_nm2: f64 => with_carbon_per_nm2,
        carbon_contrast: f64 => with_carbon_contrast,
        carbon_length_nm: f64 => with_carbon_length_nm,
        drift_nm_per_s: [f64; 2] => with_drift_nm_per_s,
        drift_step_nm: f64 => with_drift_step_nm,
        jitter_nm: f64 => with_jitter_nm,
        jitter_memory: f64 => with_jitter_memory,
        row_noise: f64 => with_row_noise,
        dark_counts: f64 => with_dark_counts,
        afterglow: f64 => with_afterglow,
        offset: f64 => with_offset,
    }

    /// A microscope without drift, jitter, row noise, contamination, dark counts and offset: probe and counts alone.
    #[must_use]
    pub fn ideal() -> Self {
        Imaging {
            size_px: 512,
            nm_per_px: 0.032,
            s_per_frame: 1.0,
            electrons_per_nm2: 1e6,
            w_cross_section_nm2: 5e-4,
            z_power: 1.7,
            probe_nm: 0.051,
            tail_fraction: 0.38,
            tail_nm: 0.117,
            source_nm: 0.03,
            carbon_per_nm2: 0.0,
            carbon_contrast: 0.5,
            carbon_length_nm: 1.5,
            drift_nm_per_s: [0.0, 0.0],
            drift_step_nm: 0.0,
            jitter_nm: 0.0,
            jitter_memory: 0.0,
            row_noise: 0.0,
            dark_counts: 0.0,
            afterglow: 0.0,
            offset: 0.0,
        }
    }

    /// As the published WS2 movie was recorded: 5.5 counts at the peak of a W column.
    ///
    /// Fitted to a redraw of its first frame (323 x 323 pixels, 8 bits) in spectra along x and y, correlation of the
    /// noise, and histogram. The redraw took every 1.57th pixel and no means: its noise is nearly white, and its
    /// variance the same everywhere. So the noise is that of the frame's own pixels, not less. A count here is what
    /// explains that noise as Poisson's; a detector whose pulses differ in height gives more pulses. Drift cannot be
    /// seen in one frame; what is set here is a slow one.
    #[must_use]
    pub fn as_recorded() -> Self {
        Imaging {
            carbon_per_nm2: 120.0,
            carbon_contrast: 1.0,
            carbon_length_nm: 1.2,
            drift_nm_per_s: [0.002, -0.001],
            drift_step_nm: 0.01,
            jitter_nm: 0.0145,
            row_noise: 0.034,
            dark_counts: 0.43,
            afterglow: 0.13,
            ..Imaging::ideal()
        }
        .with_counts_at_w(5.5)
    }

    /// The same microscope at the dose where an ideal observer of one frame finds `V_2S` with F1 0.98 (see
    /// [`detection_limit`](super::detection_limit)), and without afterglow, so that frames are whole counts.
    #[must_use]
    pub fn clean() -> Self {
        Imaging { afterglow: 0.0, ..Imaging::as_recorded() }.with_counts_at_w(CLEAN)
    }

    /// Sets the dose at which a lone W column has this many counts in the pixel that it is centred on.
    #[must_use]
    pub fn with_counts_at_w(mut self, counts: f64) -> Self {
        self.electrons_per_nm2 = 1.0;
        self.electrons_per_nm2 = counts / self.counts_at_w();
        self
    }

    /// Mean counts of a lone W column in the pixel that it is centred on.
    #[must_use]
    pub fn counts_at_w(&self) -> f64 {
        self.counts_per_weight() * self.probe().at(0.0)
    }

    /// Mean counts of a lone W column in all its pixels together.
    #[must_use]
    pub fn counts_of_w(&self) -> f64 {
        self.electrons_per_nm2 * self.w_cross_section_nm2
    }

    /// Incident electrons per pixel in one frame.
    #[must_use]
    pub fn electrons_per_px(&self) -> f64 {
        self.electrons_per_nm2 * self.nm_per_px * self.nm_per_px
    }

    /// Counts per pixel for a column of weight 1 where the probe is 1 per nm^2.
    pub(super) fn counts_per_weight(&self) -> f64 {
        self.electrons_per_px() * self.w_cross_section_nm2
    }

    /// Intensity of a column relative to one W atom: the sum over its atoms of (Z / 74)^`z_power`.
    #[must_use]
    pub fn weight(&self, atoms: [u8; 3]) -> f64 {
        let of = |z: u8| libm::pow(f64::from(z) / f64::from(REFERENCE), self.z_power);
        atoms.iter().filter(|&&z| z > 0).map(|&z| of(z)).sum()
    }

    /// The same of the perfect column of each sublattice.
    pub(crate) fn perfect_weights(&self, crystal: &Crystal) -> Vec<f64> {
        let perfect = |kind| self.weight(Occupant::Perfect.atoms(kind, crystal.adatom));
        crystal.sublattices.iter().map(perfect).collect()
    }

    /// Nanometres per pixel and seconds per frame.
    ///
    /// # Errors
    /// If either is not positive.
    pub fn calibration(&self) -> Result<Calibration> {
        Calibration::new(self.nm_per_px, self.s_per_frame)
    }

    /// What is random about a movie of `frames` frames but the counts: drift, jitter, gains, contamination.
    ///
    /// # Errors
    /// If an option is out of range.
    pub fn scan(&self, frames: usize, seed: u64) -> Result<Scan> {
        Scan::new(self, frames, seeded("Imaging", seed))
    }

    pub(super) fn probe(&self) -> Probe {
        Probe::new(self)
    }

    /// # Errors
    /// If an option is out of range: the error names it.
    pub fn validate(&self) -> Result<()> {
        check("size_px", self.size_px, (16..=8192).contains(&self.size_px), "from 16 to 8192 pixels")?;
        let finer = "from 0.001 to 0.2 nm";
        check("nm_per_px", self.nm_per_px, (0.001..=0.2).contains(&self.nm_per_px), finer)?;
        check("z_power", self.z_power, (1.0..=2.0).contains(&self.z_power), "from 1 to 2")?;
        let wide = (0.2 * self.nm_per_px..=1.0).contains(&self.probe_nm);
        check("probe_nm", self.probe_nm, wide, "from a fifth of a pixel to 1 nm")?;
        check("tail_fraction", self.tail_fraction, (0.0..1.0).contains(&self.tail_fraction), "from 0 to below 1")?;
        let wider = (self.probe_nm..=2.0).contains(&self.tail_nm);
        check("tail_nm", self.tail_nm, wider, "from probe_nm to 2 nm")?;
        check("jitter_memory", self.jitter_memory, (0.0..1.0).contains(&self.jitter_memory), "from 0 to below 1")?;
        check("afterglow", self.afterglow, (0.0..1.0).contains(&self.afterglow), "from 0 to below 1")?;
        check("row_noise", self.row_noise, (0.0..=1.0).contains(&self.row_noise), "from 0 to 1")?;
        check("carbon_contrast", self.carbon_contrast, (0.0..=2.0).contains(&self.carbon_contrast), "from 0 to 2")?;
        for (name, value) in [
            ("s_per_frame", self.s_per_frame),
            ("electrons_per_nm2", self.electrons_per_nm2),
            ("w_cross_section_nm2", self.w_cross_section_nm2),
            ("carbon_length_nm", self.carbon_length_nm),
        ] {
            check(name, value, value.is_finite() && value > 0.0, "a positive number")?;
        }
        for (name, value) in [
            ("source_nm", self.source_nm),
            ("carbon_per_nm2", self.carbon_per_nm2),
            ("drift_step_nm", self.drift_step_nm),
            ("jitter_nm", self.jitter_nm),
            ("dark_counts", self.dark_counts),
        ] {
            check(name, value, value.is_finite() && value >= 0.0, "0 or a positive number")?;
        }
        for (name, value) in [
            ("drift_nm_per_s", self.drift_nm_per_s[0]),
            ("drift_nm_per_s", self.drift_nm_per_s[1]),
            ("offset", self.offset),
        ] {
            check(name, value, value.is_finite(), "a finite number")?;
        }
        Ok(())
    }
}
