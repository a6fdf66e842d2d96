//! What stood at every site in every frame.

use super::followed::Followed;
use super::model::{Model, Stands};
use crate::detect::Labels;
use crate::error::{Result, check};
use crate::markov::{Change, Vacancy};
use crate::simulate::SiteEvidence;
use ndarray::Array3;
use polars::prelude::{DataFrame, NamedFrom, Series};

/// The sites of one kind.
#[derive(Clone)]
pub(super) struct Part {
    pub evidence: SiteEvidence,
    /// Frames, sites, species.
    pub posterior: Array3<f64>,
    pub kinds: Vec<Stands>,
    /// Fractions of the sites in the first frame.
    pub start: Vec<f64>,
    pub vacancies: Vec<Vacancy>,
}

impl Part {
    pub(super) fn new(evidence: SiteEvidence, posterior: Array3<f64>, kinds: &[Stands], start: Vec<f64>) -> Part {
        Part { evidence, posterior, kinds: kinds.to_vec(), start, vacancies: vec![] }
    }

    /// Which sites a frame shows: place in the evidence, and number.
    fn shown(&self, frame: usize) -> impl Iterator<Item = (usize, u32)> {
        let evidence = &self.evidence;
        let all = evidence.sites.iter().copied().enumerate();
        all.filter(move |(i, _)| evidence.shown[[frame, *i]])
    }

    /// Probability of a species at a site by one frame alone.
    fn alone(&self, frame: usize, site: usize, kind: usize) -> f64 {
        let log: Vec<f64> = (0..self.start.len())
            .map(|k| self.evidence.log_ratio[[frame, site, k]] + libm::log(self.start[k]))
            .collect();
        let most = log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        libm::exp(log[kind] - most) / log.iter().map(|l| libm::exp(l - most)).sum::<f64>()
    }
}

/// A row of the table.
struct Row<'a> {
    frame: u32,
    site: u32,
    species: &'a str,
    probability: f32,
    alone: f32,
    at: [f64; 2],
}

/// One site in one frame.
pub(crate) struct SiteRead {
    /// `(y, x)` in pixels.
    pub at: (f64, f64),
    /// Probabilities that it is not perfect: by all frames, and by this one.
    pub together: f64,
    pub alone: f64,
    /// What most probably stands there, as a number of [`Watched::species`].
    pub called: Option<usize>,
}

/// A movie read in space and time: the probability of every species at every site in every frame.
///
/// See [`crate::watch`].
#[derive(Clone)]
pub struct Watched {
    followed: Followed,
    hosts: Part,
    columns: Part,
    model: Model,
    table: DataFrame,
}

impl Watched {
    pub(super) fn new(followed: Followed, hosts: Part, columns: Part, model: Model) -> Result<Watched> {
        let mut watched = Watched { followed, hosts, columns, model, table: DataFrame::default() };
        watched.table = watched.called(0.5)?;
        Ok(watched)
    }

    /// The defects that are more probable than not, one row for each in each frame: `frame` u32, `time_s` f64, `site` u32,
    /// `species`, `probability` f32, `alone` (f32: the probability by this frame alone, with the same fractions), `y_px`,
    /// `x_px`, `y_nm`, `x_nm` f32 (of the site). It can be linked, counted and coupled as a table of detections.
    #[must_use]
    pub fn table(&self) -> &DataFrame {
        &self.table
    }

    /// The same with those that are more probable than `least`.
    ///
    /// # Errors
    /// If `least` is not between 0 and 1.
    pub fn called(&self, least: f64) -> Result<DataFrame> {
        check("least", least, least > 0.0 && least < 1.0, "a probability between 0 and 1")?;
        let calibration = self.followed.movie.calibration();
        let nm = self.followed.scan.imaging.nm_per_px;
        let mut rows: Vec<Row> = vec![];
        for frame in 0..self.hosts.posterior.dim().0 {
            for part in [&self.hosts, &self.columns] {
                for (i, site) in part.shown(frame) {
                    for kind in 1..part.kinds.len() {
                        let p = part.posterior[[frame, i, kind]];
                        if p > least {
                            rows.push(Row {
                                frame: frame as u32,
                                site,
                                species: &part.kinds[kind].0,
                                probability: p as f32,
                                alone: part.alone(frame, i, kind) as f32,
                                at: self.followed.px(frame, site as usize),
                            });
                        }
                    }
                }
            }
        }
        let place = |axis: usize, by: f64| rows.iter().map(|r| (by * r.at[axis]) as f32).collect::<Vec<_>>();
        let time: Vec<f64> = rows.iter().map(|r| calibration.time_s(r.frame)).collect();
        Ok(DataFrame::new(
            rows.len(),
            vec![
                Series::new("frame".into(), rows.iter().map(|r| r.frame).collect::<Vec<_>>()).into(),
                Series::new("time_s".into(), time).into(),
                Series::new("site".into(), rows.iter().map(|r| r.site).collect::<Vec<_>>()).into(),
                Series::new("species".into(), rows.iter().map(|r| r.species).collect::<Vec<_>>()).into(),
                Series::new("probability".into(), rows.iter().map(|r| r.probability).collect::<Vec<_>>()).into(),
                Series::new("alone".into(), rows.iter().map(|r| r.alone).collect::<Vec<_>>()).into(),
                Series::new("y_px".into(), place(0, 1.0)).into(),
                Series::new("x_px".into(), place(1, 1.0)).into(),
                Series::new("y_nm".into(), place(0, nm)).into(),
                Series::new("x_nm".into(), place(1, nm)).into(),
            ],
        )?)
    }

    /// Vacancies that hop, each with what it did: from which frame on, and within which.
    #[must_use]
    pub fn vacancies(&self) -> &[Vacancy] {
        &self.columns.vacancies
    }

    /// What vacancies did, one row each, in the order of frames, of those that are more probable than not: `vacancy` u32,
    /// `what` (appeared, hopped, changed, vanished), species `from` and `to`, `from_site` and `to_site` (u32; null where it was
    /// not there), the `frame` that first shows it afterwards, and `first` and `last`, the frames that this may be by 95 %.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn changes(&self) -> Result<DataFrame> {
        let sure = self.columns.vacancies.iter().enumerate().filter(|(_, v)| v.probability > 0.5);
        let mut rows: Vec<(u32, Change)> =
            sure.flat_map(|(i, v)| v.changes().into_iter().map(move |c| (i as u32, c))).collect();
        rows.sort_by_key(|(i, c)| (c.frame, *i));
        let site = |at: Option<(usize, usize)>| at.map(|(site, _)| self.columns.evidence.sites[site]);
        let kind = |at: Option<(usize, usize)>| at.map(|(_, kind)| self.columns.kinds[kind + 1].0.as_str());
        let what = |c: &Change| match (c.from, c.to) {
            (None, _) => "appeared",
            (_, None) => "vanished",
            (Some((a, _)), Some((b, _))) if a != b => "hopped",
            _ => "changed",
        };
        fn column<'a, T>(rows: &'a [(u32, Change)], of: impl Fn(&'a Change) -> T) -> Vec<T> {
            rows.iter().map(|(_, c)| of(c)).collect()
        }
        Ok(DataFrame::new(
            rows.len(),
            vec![
                Series::new("vacancy".into(), rows.iter().map(|r| r.0).collect::<Vec<_>>()).into(),
                Series::new("what".into(), column(&rows, what)).into(),
                Series::new("from".into(), column(&rows, |c| kind(c.from))).into(),
                Series::new("to".into(), column(&rows, |c| kind(c.to))).into(),
                Series::new("from_site".into(), column(&rows, |c| site(c.from))).into(),
                Series::new("to_site".into(), column(&rows, |c| site(c.to))).into(),
                Series::new("frame".into(), column(&rows, |c| c.frame as u32)).into(),
                Series::new("first".into(), column(&rows, |c| c.between.0 as u32)).into(),
                Series::new("last".into(), column(&rows, |c| c.between.1 as u32)).into(),
            ],
        )?)
    }

    /// The lattice, followed.
    #[must_use]
    pub fn followed(&self) -> &Followed {
        &self.followed
    }

    /// The model that it was read with, fractions as learnt.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Evidence and posterior of hosts, and of mobile columns.
    #[must_use]
    pub fn posteriors(&self) -> [(&SiteEvidence, &Array3<f64>); 2] {
        [&self.hosts, &self.columns].map(|part| (&part.evidence, &part.posterior))
    }

    /// One row a species: how many a frame has on average (`a_frame`), how many of these are expected to be wrong (`wrong`), and
    /// how many single frames would call (`alone`), f64.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn per_species(&self) -> Result<DataFrame> {
        let counts: Vec<_> = self.counts().into_iter().filter(|c| c.1 > 0.0 || c.3 > 0.0).collect();
        let rounded = |v: f64| (100.0 * v).round() / 100.0;
        Ok(DataFrame::new(
            counts.len(),
            vec![
                Series::new("species".into(), counts.iter().map(|c| c.0).collect::<Vec<_>>()).into(),
                Series::new("a_frame".into(), counts.iter().map(|c| rounded(c.1)).collect::<Vec<_>>()).into(),
                Series::new("wrong".into(), counts.iter().map(|c| rounded(c.2)).collect::<Vec<_>>()).into(),
                Series::new("alone".into(), counts.iter().map(|c| rounded(c.3)).collect::<Vec<_>>()).into(),
            ],
        )?)
    }

    /// The hops of a species that follow from this movie, in hops a frame in all directions together, with the ends of their
    /// 95 % interval; see [`HoppingVacancies::hop_rate`](crate::markov::HoppingVacancies::hop_rate).
    ///
    /// # Errors
    /// If no such vacancy was found, or the user stops it.
    pub fn hop_rate(&self, species: &str) -> Result<(f64, f64, f64)> {
        let names: Vec<&str> = self.columns.kinds[1..].iter().map(|k| k.0.as_str()).collect();
        let kind = names.iter().position(|name| *name == species);
        check("species", species, kind.is_some(), format!("one of {}", names.join(", ")))?;
        let evidence = &self.columns.evidence;
        self.model.columns.hop_rate(&evidence.log_ratio, &evidence.neighbours, kind.unwrap_or_default())
    }

    /// Names of what is not perfect, hosts' first.
    pub(crate) fn species(&self) -> Vec<&str> {
        [&self.hosts, &self.columns].iter().flat_map(|part| part.kinds[1..].iter().map(|k| k.0.as_str())).collect()
    }

    /// What is known of every site that a frame shows.
    pub(crate) fn sites_of(&self, frame: usize) -> Result<Vec<SiteRead>> {
        let frames = self.hosts.posterior.dim().0;
        check("frame", frame, frame < frames, format!("below {frames}"))?;
        let mut sites = vec![];
        let mut first = 0;
        for part in [&self.hosts, &self.columns] {
            for (i, site) in part.shown(frame) {
                let [y, x] = self.followed.px(frame, site as usize);
                let called = (1..part.kinds.len()).find(|&k| part.posterior[[frame, i, k]] > 0.5);
                sites.push(SiteRead {
                    at: (y, x),
                    together: (1.0 - part.posterior[[frame, i, 0]]).clamp(0.0, 1.0),
                    alone: 1.0 - part.alone(frame, i, 0),
                    called: called.map(|k| first + k - 1),
                });
            }
            first += part.kinds.len() - 1;
        }
        Ok(sites)
    }

    /// Labels of a frame for a detector to be trained on: what all frames together say of it, with the sign that each species
    /// has, whether the frame itself shows it or not. Sites at the border, whose surroundings are not in the frame, have none.
    ///
    /// # Errors
    /// If there is no such frame, or it shows no lattice.
    pub fn labels(&self, frame: usize) -> Result<Labels> {
        Labels::from_truth(&self.followed.frame(frame)?, &self.table)
    }

    /// How many of each species a frame has on average, and of how many that is wrong: by its own probabilities, and by
    /// those of single frames.
    fn counts(&self) -> Vec<(&str, f64, f64, f64)> {
        let frames = self.hosts.posterior.dim().0 as f64;
        let mut counts = vec![];
        for part in [&self.hosts, &self.columns] {
            for kind in 1..part.kinds.len() {
                let (mut n, mut wrong, mut alone) = (0.0, 0.0, 0.0);
                for frame in 0..part.posterior.dim().0 {
                    for (i, _) in part.shown(frame) {
                        let p = part.posterior[[frame, i, kind]];
                        if p > 0.5 {
                            (n, wrong) = (n + 1.0, wrong + 1.0 - p);
                        }
                        alone += f64::from(u8::from(part.alone(frame, i, kind) > 0.5));
                    }
                }
                counts.push((part.kinds[kind].0.as_str(), n / frames, wrong / frames, alone / frames));
            }
        }
        counts
    }
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:?}", self.followed)?;
        write!(f, "Defects a frame (expected to be wrong; seen by single frames):")?;
        for (name, n, wrong, alone) in self.counts().into_iter().filter(|c| c.1 > 0.0 || c.3 > 0.0) {
            write!(f, "\n  {name:<5} {n:6.1}  ({wrong:.2}; {alone:.1})")?;
        }
        Ok(())
    }
}
