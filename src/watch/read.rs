//! Hosts and columns read in turn, each beside what is believed of the other.

use super::followed::Followed;
use super::model::{Model, Stands};
use super::watched::{Part, Watched};
use crate::error::{Error, Result};
use crate::progress::{EARLIER, Progress, Reporter, stop_if_asked};
use crate::simulate::{Around, SiteEvidence};
use ndarray::{Array1, Array2, Array3, Axis, s};

/// As many sites as the prior's fractions are worth.
const PRIOR_SITES: f64 = 50.0;

pub(super) fn read(followed: &Followed, model: &Model) -> Result<Watched> {
    let mut followed = followed.clone();
    let steps = 2 * followed.rounds;
    let mut progress = Reporter::new("reading sites", "passes");
    let prior = model;
    let mut model = model.clone();
    let mut parts = None;
    for round in 0..followed.rounds {
        let doing = || format!("after {round} of {} rounds", followed.rounds);
        stop_if_asked("").map_err(|e| e.while_doing(doing, EARLIER))?;
        if round > 0 {
            // What was taken for noise before defects were known is none.
            followed.tune()?;
        }
        let evidence = at(&followed, &model.host_kinds)?;
        let posterior = model.hosts.posterior(&evidence.log_ratio)?;
        if model.learns_fractions {
            let learnt = fractions(&posterior, &evidence.shown, prior.hosts.start.as_slice().unwrap_or(&[]));
            model.hosts.start = Array1::from(learnt);
        }
        let hosts = Part::new(evidence, posterior, &model.host_kinds, model.hosts.start.to_vec());
        progress.update(2 * round + 1, steps, "");
        believe(&mut followed, &hosts);
        let evidence = at(&followed, &model.column_kinds)?;
        let vacancies = model.columns.find(&evidence.log_ratio, &evidence.neighbours)?;
        let posterior = model.columns.posterior_of(&vacancies, evidence.log_ratio.dim());
        let all = [&[1.0 - prior.columns.start.iter().sum::<f64>()][..], &prior.columns.start].concat();
        let start = if model.learns_fractions { fractions(&posterior, &evidence.shown, &all) } else { all };
        model.columns.start = start[1..].to_vec();
        let mut columns = Part::new(evidence, posterior, &model.column_kinds, start);
        columns.vacancies = vacancies;
        progress.update(2 * round + 2, steps, "");
        believe(&mut followed, &columns);
        parts = Some((hosts, columns));
    }
    let (hosts, columns) = parts.ok_or_else(|| Error::data("a movie is read in at least one round"))?;
    Watched::new(followed, hosts, columns, model)
}

fn at(followed: &Followed, kinds: &[Stands]) -> Result<SiteEvidence> {
    let candidates: Vec<(&str, [u8; 3])> = kinds.iter().map(|k| (k.0.as_str(), k.1)).collect();
    followed.evidence(&candidates, Around::Believed(followed.believed.view()))
}

/// Puts what is believed of some sites into the weights of all.
fn believe(followed: &mut Followed, part: &Part) {
    let of: Vec<f64> = part.kinds.iter().map(|k| followed.scan.imaging.weight(k.1)).collect();
    for t in 0..followed.believed.nrows() {
        for (i, &site) in part.evidence.sites.iter().enumerate() {
            let mean = of.iter().enumerate().map(|(k, w)| part.posterior[[t, i, k]] * w).sum();
            followed.believed[[t, site as usize]] = mean;
        }
    }
    followed.empty_holes();
}

/// Fractions of the sites of each species in the first frame, the prior's as worth some sites.
fn fractions(posterior: &Array3<f64>, shown: &Array2<bool>, prior: &[f64]) -> Vec<f64> {
    let mut sums: Vec<f64> = prior.iter().map(|p| p * PRIOR_SITES).collect();
    for site in (0..shown.ncols()).filter(|&i| shown[[0, i]]) {
        sums.iter_mut().zip(posterior.index_axis(Axis(0), 0).slice(s![site, ..])).for_each(|(sum, p)| *sum += p);
    }
    let all: f64 = sums.iter().sum();
    let parts: Vec<f64> = sums.iter().map(|s| (s / all).max(1e-5)).collect();
    let all: f64 = parts.iter().sum();
    // No kind of vacancy is taken for more than a ninth of the columns: nearly all is perfect, or it is no crystal.
    let others: Vec<f64> = parts[1..].iter().map(|p| (p / all).min(0.11)).collect();
    [&[1.0 - others.iter().sum::<f64>()][..], &others].concat()
}
