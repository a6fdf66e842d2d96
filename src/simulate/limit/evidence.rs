//! What every frame of a recording says of every site, by an observer who knows the image model.

use super::View;
use super::pull::{Slope, Stand, log_ratios};
use crate::error::{Error, Result, check};
use crate::progress::stop_if_asked;
use crate::simulate::{Column, Matter, Occupant, Recording, Scan, Sites, Specimen};
use ndarray::{Array2, Array3, ArrayView1, ArrayView2};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

/// What may stand at a site.
fn may_stand(sites: &Sites, site: usize) -> &'static [Occupant] {
    match (sites.host[site], sites.mobile[site]) {
        (true, false) => &[Occupant::Perfect, Occupant::Dopant, Occupant::HostVacancy, Occupant::Adatom],
        (false, true) if sites.per_column[site] > 1 => {
            &[Occupant::Perfect, Occupant::Missing1, Occupant::Missing2, Occupant::Antisite]
        }
        _ => &[Occupant::Perfect, Occupant::Dopant, Occupant::Missing1],
    }
}

/// What may stand at the sites of a kind: name and column of each species, the perfect crystal's first.
pub type Candidates<'a> = [(&'a str, [u8; 3])];

/// What else stands around a site while it is judged.
#[derive(Clone, Copy)]
pub enum Around<'a> {
    /// The perfect crystal: what a matched filter takes for granted.
    Perfect,
    /// What does stand there, in its relaxed place: what only an ideal observer knows. Here, too, whatever may stand at the
    /// site itself pulls its neighbours along as it is judged.
    Truth,
    /// What is believed, with its neighbours relaxed accordingly: weight (that of a W atom is 1) of each site (column) in
    /// each frame (row), as [`Recording::weights`] gives it. Whatever may stand at the site itself pulls its neighbours
    /// along as it is judged: without that a faint vacancy looks like none.
    Believed(ArrayView2<'a, f64>),
}

/// Log-likelihood ratios at the sites of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteEvidence {
    /// The sites, as numbered by the recording's [`Sites`](crate::simulate::Sites).
    pub sites: Vec<u32>,
    /// Names of the species, the perfect crystal's first.
    pub species: Vec<String>,
    /// Logarithm of how much more probable a frame's pixels are with the species than without any defect: frames, sites,
    /// species. 0 where the frame does not show the whole site.
    pub log_ratio: Array3<f64>,
    /// Neighbours to which a vacancy may hop, as places in `sites`.
    pub neighbours: Vec<Vec<usize>>,
    /// Which species truly stands there, frames and sites; the number of species where it is another (a hole, …), or where
    /// nobody knows (a movie that was not simulated).
    pub truth: Array2<usize>,
    /// Whether a frame shows the site.
    pub shown: Array2<bool>,
}

/// A movie, with what is known or estimated of how its frames show a crystal.
pub(crate) trait Seen: Sync {
    fn matter(&self) -> &Matter;
    fn sites(&self) -> &Sites;
    /// Where the frames look. Its gains and counts for a weight are what a column adds to a frame.
    fn scan(&self) -> &Scan;
    /// Where each site of the perfect crystal is, `[y, x]` in nm as [`Scan::place`] takes it.
    fn places(&self) -> &[[f64; 2]];
    /// Expected counts of a frame in which weights stand at places, and the counts that there are.
    fn expected(&self, frame: usize, places: &[[f64; 2]], weights: &[f64]) -> Result<(Array2<f64>, Array2<f64>)>;
    /// Places and weights as they truly are.
    fn truly(&self, _frame: usize) -> Option<(Vec<[f64; 2]>, Vec<f64>)> {
        None
    }
    /// Whether a site's surroundings can be judged in a frame.
    fn shows(&self, _frame: usize, _site: usize) -> bool {
        true
    }
    /// Whether a site is part of a hole in a frame.
    fn hole(&self, _frame: usize, _site: usize) -> bool {
        false
    }
    /// Standard deviation, in pixels, of the window whose mean was taken for the background: what it has of a defect must be
    /// given back. None where the background is known.
    fn smooth_px(&self) -> Option<f64> {
        None
    }
    /// Least counts that are expected anywhere.
    fn least(&self) -> f64 {
        0.0
    }
    /// Variance of the counts, as a multiple of Poisson's.
    fn dispersion(&self) -> f64 {
        1.0
    }
}

/// Weight of every site of the perfect crystal.
pub(crate) fn perfect_row(seen: &dyn Seen) -> Vec<f64> {
    let weights = seen.scan().imaging.perfect_weights(&seen.matter().crystal);
    seen.sites().sublattice.iter().map(|&kind| weights[usize::from(kind)]).collect()
}

/// The same in every frame (row).
pub(crate) fn perfect_weights(seen: &dyn Seen) -> Array2<f64> {
    let row = ndarray::Array1::from(perfect_row(seen));
    row.broadcast((seen.scan().frames(), row.len())).map_or_else(|| Array2::zeros((0, 0)), |rows| rows.to_owned())
}

/// The evidence of every frame at the sites whose perfect column is the first candidate's.
pub(crate) fn gather(seen: &dyn Seen, candidates: &Candidates, around: Around) -> Result<SiteEvidence> {
    check("candidates", candidates.len(), candidates.len() > 1, "the perfect column and at least one other")?;
    let (crystal, all) = (&seen.matter().crystal, seen.sites());
    let perfect = |s: usize| {
        let kind = &crystal.sublattices[usize::from(all.sublattice[s])];
        Occupant::Perfect.atoms(kind, crystal.adatom)
    };
    let frames = seen.scan().frames();
    // Drift brings sites into view that other frames do not show; those that none shows are left out.
    let sites: Vec<usize> =
        (0..all.len()).filter(|&s| perfect(s) == candidates[0].1 && (0..frames).any(|f| seen.shows(f, s))).collect();
    let first = format!("{:?}", candidates[0]);
    check("candidates", first, !sites.is_empty(), format!("a column of perfect {} first", crystal.name))?;
    let of_frame = |frame: usize| evidence_of(seen, frame, &sites, candidates, around);
    let each = (0..frames).into_par_iter().map(of_frame).collect::<Result<Vec<_>>>()?;
    let (n, m) = (sites.len(), candidates.len());
    let (mut log_ratio, mut shown) = (Array3::zeros((frames, n, m)), Array2::from_elem((frames, n), false));
    for (f, (log, found)) in each.into_iter().enumerate() {
        for (i, found) in found.into_iter().enumerate().filter(|(i, found)| *found && seen.shows(f, sites[*i])) {
            shown[[f, i]] = found;
            let scaled = &log.row(i) / seen.dispersion();
            log_ratio.slice_mut(ndarray::s![f, i, ..]).assign(&scaled);
        }
    }
    let place: std::collections::HashMap<usize, usize> = sites.iter().enumerate().map(|(i, &s)| (s, i)).collect();
    let neighbours = sites.iter().map(|&s| all.stepped(s).filter_map(|t| place.get(&t).copied()).collect()).collect();
    let species = candidates.iter().map(|c| c.0.to_owned()).collect();
    Ok(SiteEvidence {
        sites: sites.iter().map(|&s| s as u32).collect(),
        species,
        log_ratio,
        neighbours,
        truth: Array2::from_elem((frames, n), m),
        shown,
    })
}

/// The specimen that has at each site what its weight is nearest to.
fn believed_specimen(seen: &dyn Seen, frame: usize, weights: ArrayView1<f64>) -> Specimen {
    let (matter, all, scan) = (seen.matter(), seen.sites(), seen.scan());
    let crystal = &matter.crystal;
    let mut specimen = Specimen::perfect(all);
    for (s, weight) in weights.iter().enumerate() {
        let kind = &crystal.sublattices[usize::from(all.sublattice[s])];
        let near = |o: &Occupant| libm::fabs(scan.imaging.weight(o.atoms(kind, crystal.adatom)) - weight);
        let may = may_stand(all, s);
        let best = may.iter().min_by(|a, b| near(a).total_cmp(&near(b)));
        specimen.occupant[s] = if seen.hole(frame, s) { Occupant::Hole } else { best.copied().unwrap_or_default() };
    }
    specimen
}

/// Where every site is if this stands at it, its neighbours pushed.
pub(crate) fn believed_places(seen: &dyn Seen, frame: usize, weights: ArrayView1<f64>) -> Vec<[f64; 2]> {
    moved(seen, &believed_specimen(seen, frame, weights))
}

fn moved(seen: &dyn Seen, specimen: &Specimen) -> Vec<[f64; 2]> {
    let by = seen.matter().relaxation.displacements(seen.sites(), specimen);
    seen.places().iter().zip(by).map(|([y, x], [dy, dx])| [y + dy, x + dx]).collect()
}

/// The evidence where each candidate pulls its neighbours along.
fn evidence_pulled(
    seen: &dyn Seen,
    (frame, sites): (usize, &[usize]),
    candidates: &Candidates,
    (weights, places): (ArrayView1<f64>, Option<Vec<[f64; 2]>>),
) -> Result<(Array2<f64>, Vec<bool>)> {
    let (scan, all, matter) = (seen.scan(), seen.sites(), seen.matter());
    let imaging = &scan.imaging;
    let believed = believed_specimen(seen, frame, weights);
    let places = places.unwrap_or_else(|| moved(seen, &believed));
    let weights = weights.to_vec();
    let (expected, counts) = seen.expected(frame, &places, &weights)?;
    let view = View { expected, scan, probe: imaging.probe() };
    let slopes: Vec<Option<Slope>> = (0..all.len()).map(|s| view.slope(frame, places[s], weights[s])).collect();
    let push = |occupant: Occupant| matter.relaxation.push(occupant).unwrap_or((0.0, 0.0));
    let mut log = Array2::zeros((sites.len(), candidates.len()));
    let mut shown = vec![false; sites.len()];
    for (i, &s) in sites.iter().enumerate() {
        let kind = &matter.crystal.sublattices[usize::from(all.sublattice[s])];
        let stands = |atoms: [u8; 3]| {
            let of = may_stand(all, s).iter().find(|o| o.atoms(kind, matter.crystal.adatom) == atoms);
            Stand { weight: imaging.weight(atoms), push: push(of.copied().unwrap_or_default()) }
        };
        let may: Vec<Stand> = candidates.iter().map(|c| stands(c.1)).collect();
        let now = Stand { weight: weights[s], push: push(believed.occupant(s)) };
        let at = (frame, s, places[s]);
        if let Some(found) =
            log_ratios(&view, &counts, (all, &slopes), at, (now, &may), (seen.least(), seen.smooth_px()))
        {
            log.row_mut(i).iter_mut().zip(found).for_each(|(to, l)| *to = l);
            shown[i] = true;
        }
    }
    Ok((log, shown))
}

fn evidence_of(
    seen: &dyn Seen,
    frame: usize,
    sites: &[usize],
    candidates: &Candidates,
    around: Around,
) -> Result<(Array2<f64>, Vec<bool>)> {
    stop_if_asked("while gathering evidence")?;
    let (scan, all) = (seen.scan(), seen.sites());
    let (places, weights) = match around {
        Around::Truth => {
            let unknown = || Error::data("the truth of this movie is not known: ask for what is believed");
            let (places, weights) = seen.truly(frame).ok_or_else(unknown)?;
            let weights = ndarray::Array1::from(weights);
            return evidence_pulled(seen, (frame, sites), candidates, (weights.view(), Some(places)));
        }
        Around::Perfect => (seen.places().to_vec(), perfect_row(seen)),
        Around::Believed(weights) => {
            check(
                "around",
                format!("{:?}", weights.dim()),
                weights.dim() == (scan.frames(), all.len()),
                "a weight for each frame and site",
            )?;
            return evidence_pulled(seen, (frame, sites), candidates, (weights.row(frame), None));
        }
    };
    let (expected, counts) = seen.expected(frame, &places, &weights)?;
    let view = View { expected, scan, probe: scan.imaging.probe() };
    let steps: Vec<f64> = candidates.iter().map(|c| scan.imaging.weight(c.1)).collect();
    let mut log = Array2::zeros((sites.len(), candidates.len()));
    let mut shown = vec![false; sites.len()];
    for (i, &s) in sites.iter().enumerate() {
        let at = Column { y_nm: places[s][0], x_nm: places[s][1], atoms: [0; 3] };
        if let Some(site) = view.site_at(frame, at, weights[s]) {
            site.log_ratios(&counts, &steps, log.row_mut(i).as_slice_mut().unwrap_or(&mut []));
            shown[i] = true;
        }
    }
    Ok((log, shown))
}

impl Seen for Recording {
    fn matter(&self) -> &Matter {
        self.evolution.matter()
    }

    fn sites(&self) -> &Sites {
        self.evolution.sites()
    }

    fn scan(&self) -> &Scan {
        &self.scan
    }

    fn places(&self) -> &[[f64; 2]] {
        &self.evolution.sites().at_nm
    }

    fn expected(&self, frame: usize, places: &[[f64; 2]], weights: &[f64]) -> Result<(Array2<f64>, Array2<f64>)> {
        let expected = self.scan.expected_of(frame, places, weights)?;
        let counts = self.scan.whole_counts(&self.movie.frame(frame)?.data, &expected);
        Ok((expected, counts))
    }

    fn truly(&self, frame: usize) -> Option<(Vec<[f64; 2]>, Vec<f64>)> {
        let (crystal, all) = (&self.evolution.matter().crystal, self.evolution.sites());
        let specimen = self.evolution.specimen(frame);
        let weights = (0..all.len()).map(|s| self.scan.imaging.weight(specimen.column(crystal, all, s)));
        Some((self.evolution.places(frame), weights.collect()))
    }
}

impl Recording {
    /// Mean weight of every site (column) in every frame (row), as [`Around::Believed`] takes it, of the perfect crystal.
    #[must_use]
    pub fn weights(&self) -> Array2<f64> {
        perfect_weights(self)
    }

    /// The evidence of every frame for what stands at the sites whose perfect column is the first candidate's: exact
    /// Poisson likelihoods with the recording's own probe, drift, jitter, gains and contamination.
    ///
    /// ```
    /// use atomotion::simulate::{Around, Experiment, Imaging};
    /// let recording = Experiment::ws2().with_frames(2).with_imaging(Imaging::clean().with_size_px(96)).simulate(1)?;
    /// let evidence = recording.evidence(&[("W", [74, 0, 0]), ("Mo_W", [42, 0, 0])], Around::Perfect)?;
    /// assert_eq!(evidence.log_ratio.dim().0, 2);
    /// # Ok::<(), atomotion::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are fewer than two candidates, no such site, or the user stops it.
    pub fn evidence(&self, candidates: &Candidates, around: Around) -> Result<SiteEvidence> {
        let mut evidence = gather(self, candidates, around)?;
        let (crystal, all) = (&self.evolution.matter().crystal, self.evolution.sites());
        for ((f, i), truth) in evidence.truth.indexed_iter_mut() {
            let (specimen, site) = (self.evolution.specimen(f), evidence.sites[i] as usize);
            let atoms = specimen.column(crystal, all, site);
            if specimen.occupant(site) != Occupant::Hole {
                *truth = candidates.iter().position(|c| c.1 == atoms).unwrap_or(candidates.len());
            }
        }
        Ok(evidence)
    }
}
