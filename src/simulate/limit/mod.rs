//! How well any method could do on one frame, if sites were independent.

mod evidence;
mod found;
mod observer;
mod options;
mod pull;
mod recording;
mod site;

pub use evidence::{Around, Candidates, SiteEvidence};
pub(crate) use evidence::{Seen, believed_places, gather, perfect_row, perfect_weights};
pub use found::{DetectionLimit, LimitCurve, SpeciesLimit};
pub use options::{LimitOptions, SiteKind, Substitute};

use super::column::Column;
use super::imaging::Imaging;
use super::scan::Scan;
use crate::error::{Result, check};
use crate::progress::{EARLIER, Progress, Reporter};
use crate::session::seeded;
use observer::{Draw, Rates, best_threshold};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use site::{Site, View};

/// Between the seeds of frames: odd and large, so that neighbouring seeds share none.
const FRAMES_APART: u64 = 0x9e37_79b9_7f4a_7c15;

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
    let scan = Scan::new(imaging, 1, rng.r#gen())?;
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
