//! How well any method could do on one frame, if sites were independent.

use super::column::Column;
use super::imaging::Imaging;
use super::observer::{Draw, Rates, best_threshold};
use super::poisson;
use super::probe::Probe;
use super::scan::Scan;
use crate::error::{Result, check, setters};
use crate::progress::{EARLIER, Progress, Reporter, stop_if_asked};
use crate::session::seeded;
use ndarray::Array2;
use polars::prelude::{DataFrame, NamedFrom, Series};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use serde::{Deserialize, Serialize};

/// Where a column's image is less than this fraction of its peak, its pixels say nothing: less than 1e-4 of the
/// information (the squared image over the background) lies there.
const SEEN: f64 = 1e-3;
/// Between the seeds of frames: odd and large, so that neighbouring seeds share none.
const FRAMES_APART: u64 = 0x9e37_79b9_7f4a_7c15;

/// One thing that may stand at a site instead of its host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Substitute {
    /// Name of the species: `V_2S`.
    pub name: String,
    /// Atomic numbers of its column, 0 for none.
    pub atoms: [u8; 3],
    /// Fraction of the sites that hold it, in the frame in question.
    pub prevalence: f64,
}

/// Sites that hold the same column in a perfect crystal, and all that may stand there instead: each species is judged
/// against all others of its site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SiteKind {
    /// Atomic numbers of the perfect crystal's column.
    pub host: [u8; 3],
    /// What may stand there instead.
    pub substitutes: Vec<Substitute>,
}

/// Options of [`detection_limit`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitOptions {
    /// Sites and species. The default is WS2 at the start of a movie: `Mo_W` on 2 % of W sites, `V_S` and `V_2S` on
    /// 0.8 % of S columns each.
    pub kinds: Vec<SiteKind>,
    /// Frames that are drawn, each with its own occupancy, contamination, gains and jitter: half of them choose the
    /// threshold, the others are judged by it.
    pub frames: usize,
    /// Sites of each kind that are looked at in a frame.
    pub sites: usize,
    /// Counts drawn at each site for each species.
    pub draws: usize,
    /// Seed of all of it.
    pub seed: u64,
}

impl SiteKind {
    /// Sites of a host, with substitutes `(name, atoms, prevalence)`.
    #[must_use]
    pub fn new(host: [u8; 3], substitutes: &[(&str, [u8; 3], f64)]) -> Self {
        let own =
            |&(name, atoms, prevalence): &(&str, [u8; 3], f64)| Substitute { name: name.into(), atoms, prevalence };
        SiteKind { host, substitutes: substitutes.iter().map(own).collect() }
    }

    /// Atoms and prevalence of host and substitutes, the host first.
    fn species(&self) -> Vec<([u8; 3], f64)> {
        let taken: f64 = self.substitutes.iter().map(|s| s.prevalence).sum();
        let others = self.substitutes.iter().map(|s| (s.atoms, s.prevalence));
        std::iter::once((self.host, 1.0 - taken)).chain(others).collect()
    }

    fn validate(&self) -> Result<()> {
        check("substitutes", self.substitutes.len(), !self.substitutes.is_empty(), "at least one for each host")?;
        for s in &self.substitutes {
            check("prevalence", s.prevalence, s.prevalence > 0.0 && s.prevalence < 1.0, "between 0 and 1")?;
        }
        let taken: f64 = self.substitutes.iter().map(|s| s.prevalence).sum();
        check("prevalence", taken, taken < 1.0, "less than 1 for all substitutes of a host together")
    }
}

impl Default for LimitOptions {
    fn default() -> Self {
        let kinds = vec![
            SiteKind::new([74, 0, 0], &[("Mo_W", [42, 0, 0], 0.02)]),
            SiteKind::new([16, 16, 0], &[("V_S", [16, 0, 0], 0.008), ("V_2S", [0, 0, 0], 0.008)]),
        ];
        LimitOptions { kinds, frames: 40, sites: 10, draws: 40, seed: 1 }
    }
}

impl LimitOptions {
    setters! {
        kinds: Vec<SiteKind> => with_kinds,
        frames: usize => with_frames,
        sites: usize => with_sites,
        draws: usize => with_draws,
        seed: u64 => with_seed,
    }

    fn validate(&self) -> Result<()> {
        check("kinds", self.kinds.len(), !self.kinds.is_empty(), "at least one kind of site")?;
        check("frames", self.frames, self.frames >= 20, "at least 20, to say how sure the limit is")?;
        check("sites", self.sites, self.sites > 0, "at least one a frame")?;
        check("draws", self.draws, self.draws > 0, "at least one")?;
        self.kinds.iter().try_for_each(SiteKind::validate)
    }
}

/// The limit of one species.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeciesLimit {
    /// Name of the species.
    pub species: String,
    /// Fraction of its sites that hold it.
    pub prevalence: f64,
    /// Expected F1, and the ends of its 95 % interval (of the Monte Carlo sampling, not of one frame).
    pub f1: f64,
    /// Lower end of the interval.
    pub f1_low: f64,
    /// Upper end of the interval.
    pub f1_high: f64,
    /// Expected fraction of the detections that are right.
    pub precision: f64,
    /// Expected fraction of the species that is found.
    pub recall: f64,
    /// Posterior probability from which a site is called this species.
    pub threshold: f64,
}

/// What [`detection_limit`] found, in the order of the options.
#[derive(Clone, PartialEq)]
pub struct DetectionLimit {
    /// One for each substitute.
    pub species: Vec<SpeciesLimit>,
    /// The dose, as mean counts at the peak of a lone W column.
    pub counts_at_w: f64,
}

/// The *independent-site limit* of a single frame: how well an ideal observer does who knows everything of the frame
/// (positions, probe, drift, jitter, gains, background, and what stands at all other sites) but the one site that he
/// is asked about.
///
/// He computes the exact posterior of every species at the site from the Poisson likelihoods of its pixels, with the
/// prevalences as prior, and calls the site a species where its posterior passes a threshold, that which makes the
/// *expected* F1 largest. A method that uses one frame, and takes sites as independent, cannot do better; one that does
/// uses knowledge of how defects lie together in space or time, and should say which.
///
/// `columns` are those of the perfect crystal, over the whole field of view; their occupancy is drawn from the
/// prevalences. Afterglow and offset change nothing, since the counts follow from the signals. Neighbours stay where
/// they are: what their relaxation tells of a defect is not counted.
///
/// Counts are drawn for every species equally often and weighted by how probable the prevalences make them, so that
/// rare species and rare mistakes are sampled well.
///
/// ```
/// use atomotion::simulate::{Column, Imaging, LimitOptions, SiteKind, detection_limit};
/// // A square lattice of W, of which one in ten may be Mo.
/// let at = |i: i32| f64::from(i) * 0.3;
/// let columns: Vec<Column> = (-10..=10)
///     .flat_map(|y| (-10..=10).map(move |x| Column { y_nm: at(y), x_nm: at(x), atoms: [74, 0, 0] }))
///     .collect();
/// let kinds = vec![SiteKind::new([74, 0, 0], &[("Mo_W", [42, 0, 0], 0.1)])];
/// let options = LimitOptions::default().with_kinds(kinds).with_draws(10);
/// let limit = detection_limit(&Imaging::as_recorded().with_size_px(128), &columns, &options)?;
/// assert!(limit.of("Mo_W").is_some_and(|mo| mo.f1 > 0.8));
/// # Ok::<(), atomotion::Error>(())
/// ```
///
/// # Errors
/// If an option is out of range, a host stands nowhere far enough inside the frame, or the user asks to stop.
pub fn detection_limit(imaging: &Imaging, columns: &[Column], options: &LimitOptions) -> Result<DetectionLimit> {
    options.validate()?;
    imaging.validate()?;
    let seed = seeded("detection_limit", options.seed);
    let frame = |i: usize| frame(imaging, columns, options, seed.wrapping_add((i as u64).wrapping_mul(FRAMES_APART)));
    let frames = (0..options.frames).into_par_iter().map(frame).collect::<Result<Vec<_>>>()?;
    let kinds = options.kinds.iter().enumerate();
    let species = kinds.flat_map(|(k, kind)| judge(kind, &frames.iter().map(|f| &f[k][..]).collect::<Vec<_>>()));
    Ok(DetectionLimit { species: species.collect(), counts_at_w: imaging.counts_at_w() })
}

/// Counts drawn in one frame, for each kind of site.
fn frame(imaging: &Imaging, columns: &[Column], options: &LimitOptions, seed: u64) -> Result<Vec<Vec<Draw>>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let filled: Vec<Column> = columns.iter().map(|c| occupied(*c, &options.kinds, &mut rng)).collect();
    let scan = imaging.scan(1, rng.r#gen())?;
    let view = View { expected: scan.expected(0, &filled)?, scan: &scan, probe: imaging.probe() };
    let of = |kind: &SiteKind| {
        let mut hosts: Vec<usize> = (0..columns.len()).filter(|&i| columns[i].atoms == kind.host).collect();
        hosts.shuffle(&mut rng);
        let sites: Vec<Site> = hosts.iter().filter_map(|&i| view.site(filled[i])).take(options.sites).collect();
        let expected = format!("at least one {:?} well inside the frame", kind.host);
        check("columns", format!("{} columns", columns.len()), !sites.is_empty(), expected)?;
        let draws = sites.iter().map(|site| site.draws(kind, imaging, options.draws, &mut rng));
        Ok(draws.collect::<Result<Vec<_>>>()?.concat())
    };
    options.kinds.iter().map(of).collect()
}

/// The limit at several doses, given as counts at the peak of a lone W column.
///
/// # Errors
/// Those of [`detection_limit`]; also if there is no dose.
pub fn limit_against_dose(
    imaging: &Imaging,
    columns: &[Column],
    options: &LimitOptions,
    counts_at_w: &[f64],
) -> Result<LimitCurve> {
    check("counts_at_w", "empty", !counts_at_w.is_empty(), "at least one dose")?;
    let mut progress = Reporter::new("detection limit", "doses");
    let mut limits = vec![];
    for (i, &counts) in counts_at_w.iter().enumerate() {
        progress.update(i, counts_at_w.len(), "");
        let doing = || format!("after {i} of {} doses", counts_at_w.len());
        let limit = detection_limit(&imaging.clone().with_counts_at_w(counts), columns, options);
        limits.push(limit.map_err(|e| e.while_doing(doing, EARLIER))?);
    }
    progress.update(counts_at_w.len(), counts_at_w.len(), "");
    Ok(LimitCurve { limits })
}

/// The column with what stands there, drawn by prevalence.
fn occupied(column: Column, kinds: &[SiteKind], rng: &mut ChaCha8Rng) -> Column {
    let Some(kind) = kinds.iter().find(|kind| kind.host == column.atoms) else {
        return column;
    };
    let mut left: f64 = rng.r#gen();
    for substitute in &kind.substitutes {
        left -= substitute.prevalence;
        if left < 0.0 {
            return Column { atoms: substitute.atoms, ..column };
        }
    }
    column
}

/// A frame as the ideal observer knows it.
struct View<'a> {
    scan: &'a Scan,
    probe: Probe,
    expected: Array2<f64>,
}

/// The pixels of one site: what everything else makes them count, and what one W atom there would add.
struct Site {
    others: Vec<f64>,
    of_w: Vec<f64>,
}

impl View<'_> {
    /// None where the site's pixels are not all in the frame.
    fn site(&self, column: Column) -> Option<Site> {
        let imaging = &self.scan.imaging;
        let (y, x) = self.scan.place(0, (column.y_nm, column.x_nm));
        // Jitter is added, so that rows which look aside still see the column.
        let seen = self.probe.seen(SEEN) + libm::ceil(4.0 * imaging.jitter_nm / imaging.nm_per_px);
        let (top, left) = (libm::round(y) - seen, libm::round(x) - seen);
        let (width, n) = (2 * seen as usize + 1, imaging.size_px);
        if top < 0.0 || left < 0.0 || top as usize + width > n || left as usize + width > n {
            return None;
        }
        let (top, left) = (top as usize, left as usize);
        let rows = top..top + width;
        let shifts: Vec<f64> = rows.clone().map(|r| self.scan.jitter_nm[[0, r]] / imaging.nm_per_px).collect();
        let mut image = vec![0.0; width * width];
        self.probe.add(&mut image, width, (y - top as f64, x - left as f64), 1.0, &shifts);
        let (weight, highest) = (imaging.weight(column.atoms), image.iter().copied().fold(0.0, f64::max));
        let mut site = Site { others: vec![], of_w: vec![] };
        for (image, row) in image.chunks_exact(width).zip(rows) {
            let scale = self.scan.gain[[0, row]] * imaging.counts_per_weight();
            for (i, &v) in image.iter().enumerate().filter(|(_, v)| **v >= SEEN * highest) {
                site.of_w.push(scale * v);
                // Rounding must not make an empty place's counts negative.
                site.others.push((self.expected[[row, left + i]] - weight * scale * v).max(0.0));
            }
        }
        Some(site)
    }
}

impl Site {
    /// Counts drawn `times` for each species, as the observer judges them.
    fn draws(&self, kind: &SiteKind, imaging: &Imaging, times: usize, rng: &mut ChaCha8Rng) -> Result<Vec<Draw>> {
        stop_if_asked("while drawing counts at sites")?;
        let species = kind.species();
        let means: Vec<Vec<f64>> = species.iter().map(|(atoms, _)| self.means(imaging.weight(*atoms))).collect();
        let logarithms: Vec<Vec<f64>> = means.iter().map(|m| m.iter().map(|m| libm::log(*m)).collect()).collect();
        let totals: Vec<f64> = means.iter().map(|m| m.iter().sum()).collect();
        let prior: Vec<f64> = species.iter().map(|s| s.1).collect();
        let mut draws = vec![];
        for means in &means {
            for _ in 0..times {
                let mut likelihood: Vec<f64> = totals.iter().map(|total| -total).collect();
                for (i, &mean) in means.iter().enumerate() {
                    let count = poisson(mean, rng);
                    if count > 0.0 {
                        likelihood.iter_mut().zip(&logarithms).for_each(|(l, log)| *l += count * log[i]);
                    }
                }
                draws.push(Draw::new(&likelihood, &prior));
            }
        }
        Ok(draws)
    }

    fn means(&self, weight: f64) -> Vec<f64> {
        self.others.iter().zip(&self.of_w).map(|(others, of_w)| others + weight * of_w).collect()
    }
}

/// The limit of each substitute: half of the frames choose the threshold, the others are judged by it.
fn judge(kind: &SiteKind, frames: &[&[Draw]]) -> Vec<SpeciesLimit> {
    let (choosing, judged) = frames.split_at(frames.len() / 2);
    // Student's 97.5 % point, to first order in the number of frames.
    let wide = 1.96 + 2.37 / (judged.len() - 1) as f64;
    let of = |(i, substitute): (usize, &Substitute)| {
        let threshold = best_threshold(choosing, i + 1, substitute.prevalence);
        let rates = Rates::new(judged, i + 1, substitute.prevalence, threshold);
        SpeciesLimit {
            species: substitute.name.clone(),
            prevalence: substitute.prevalence,
            f1: rates.f1,
            f1_low: (rates.f1 - wide * rates.error).max(0.0),
            f1_high: (rates.f1 + wide * rates.error).min(1.0),
            precision: rates.precision,
            recall: rates.recall,
            threshold,
        }
    };
    kind.substitutes.iter().enumerate().map(of).collect()
}

impl DetectionLimit {
    /// The limit of one species.
    #[must_use]
    pub fn of(&self, species: &str) -> Option<&SpeciesLimit> {
        self.species.iter().find(|s| s.species == species)
    }

    /// One row for each species: `species`, `counts_at_w`, `prevalence`, `f1`, `f1_low`, `f1_high`, `precision`,
    /// `recall`, `threshold`.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        table(&[self])
    }
}

/// The limit at several doses.
#[derive(Clone, PartialEq)]
pub struct LimitCurve {
    /// In the order of the doses that were asked for.
    pub limits: Vec<DetectionLimit>,
}

impl LimitCurve {
    /// The rows of every dose, as of [`DetectionLimit::table`].
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        table(&self.limits.iter().collect::<Vec<_>>())
    }
}

fn table(limits: &[&DetectionLimit]) -> Result<DataFrame> {
    let rows: Vec<(f64, &SpeciesLimit)> =
        limits.iter().flat_map(|limit| limit.species.iter().map(|s| (limit.counts_at_w, s))).collect();
    let names: Vec<&str> = rows.iter().map(|(_, s)| s.species.as_str()).collect();
    let mut columns: Vec<polars::prelude::Column> = vec![Series::new("species".into(), names).into()];
    let numbers: [(&str, fn(&(f64, &SpeciesLimit)) -> f64); 8] = [
        ("counts_at_w", |row| row.0),
        ("prevalence", |row| row.1.prevalence),
        ("f1", |row| row.1.f1),
        ("f1_low", |row| row.1.f1_low),
        ("f1_high", |row| row.1.f1_high),
        ("precision", |row| row.1.precision),
        ("recall", |row| row.1.recall),
        ("threshold", |row| row.1.threshold),
    ];
    for (name, value) in numbers {
        columns.push(Series::new(name.into(), rows.iter().map(value).collect::<Vec<f64>>()).into());
    }
    Ok(DataFrame::new(rows.len(), columns)?)
}

impl std::fmt::Debug for DetectionLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Independent-site limit of one frame at {:.3} counts at a W column:", self.counts_at_w)?;
        for s in &self.species {
            write!(
                f,
                " {} F1 {:.3} ({:.3} to {:.3}; precision {:.2}, recall {:.2}, threshold {:.2});",
                s.species, s.f1, s.f1_low, s.f1_high, s.precision, s.recall, s.threshold
            )?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for LimitCurve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Independent-site limit of one frame at {} doses", self.limits.len())
    }
}
