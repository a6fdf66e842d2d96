//! Scores of whole movies by group, with intervals.

use super::Score;
use super::reliability::Reliability;
use super::truth::{Detection, FrameTruth, Group, Instance, Judged};
use crate::defects::Defects;
use crate::error::{Error, Result};
use crate::session::seeded;
use crate::simulate::Recording;
use polars::prelude::{DataFrame, NamedFrom, Series};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Resamples of a bootstrap interval: its ends have a sampling error of 2 % of the interval.
const RESAMPLES: usize = 2000;

/// A number and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The number.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// How many of a species were found.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeciesRecall {
    /// Its name.
    pub species: String,
    /// True defects of the species, over all frames.
    pub instances: usize,
    /// Fraction of them that was found.
    pub recall: Interval,
}

/// The scores of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupScore {
    /// Which.
    pub group: Group,
    /// Its name in the crystal at hand: `dark on a W site`.
    pub name: String,
    /// Hits, false alarms and misses.
    pub score: Score,
    /// Fraction of the detections that are true.
    pub precision: Interval,
    /// Fraction of the true defects that were found.
    pub recall: Interval,
    /// Harmonic mean of the two.
    pub f1: Interval,
    /// Root of the mean squared distance, in pixels, of the hits from where the defect is.
    pub error_px: Interval,
    /// Recall of each species in the group, by name.
    pub species: Vec<SpeciesRecall>,
}

/// Scores of detections against the truth of simulated movies.
///
/// A detection belongs to the nearest lattice site within half the distance of neighbouring columns, and to the sign of
/// what is left there when the lattice is taken out. Holes, their rims, and sites at the border are not judged.
/// The 95 % intervals come from resampling whole movies (Efron's bootstrap, Annals of Statistics 7, 1, 1979, percentiles of
/// 2000 resamples), since frames of a movie are alike; of a single movie, frames are resampled, and the scores say so.
///
/// ```
/// use atomotion::{detect::{Detector, PeriodicityBreak, Scores, Training}, simulate::{Experiment, Imaging}};
/// let imaging = Imaging::clean().with_size_px(128);
/// let recording = Experiment::ws2().with_frames(2).with_imaging(imaging).simulate(1)?;
/// let labels = PeriodicityBreak::default().label(&recording.movie.frame(0)?)?;
/// let detector = Detector::train(&labels, &Training::default().with_steps(10))?; // 800 for use
/// let scores = Scores::of(&[(&detector.find(&recording.movie)?, &recording)])?;
/// println!("{scores:?}");
/// println!("{}", scores.table()?);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone)]
pub struct Scores {
    /// One for each group, in the order of [`Group::ALL`].
    pub groups: Vec<GroupScore>,
    /// What the intervals are over: movies, or the frames of the only one.
    pub over: &'static str,
    /// How many of these there are.
    pub units: usize,
    /// Frames in all.
    pub frames: usize,
    pub(super) judged: Vec<Judged>,
    pub(super) instances: [usize; 3],
}

/// The frames of one movie: what is true, and what was found.
pub type ScoredMovie = Vec<(FrameTruth, Vec<Detection>)>;

/// Counts that add up.
#[derive(Clone, Default)]
struct Tally {
    groups: [Counts; 3],
}

#[derive(Clone, Default)]
struct Counts {
    hits: f64,
    judged: f64,
    instances: f64,
    squares: f64,
    /// Found, and all, of each species.
    species: BTreeMap<String, [f64; 2]>,
}

impl Scores {
    /// Scores what was found in simulated movies, all frames of each.
    ///
    /// # Errors
    /// If there is no movie, the crystals differ, or a table has lost a column.
    pub fn of(movies: &[(&Defects, &Recording)]) -> Result<Scores> {
        let crystal = |r: &Recording| {
            let crystal = &r.experiment.matter.crystal;
            (crystal.host(), crystal.mobile())
        };
        let first = movies.first().map(|(_, r)| crystal(r)).ok_or_else(|| Error::data("there is no movie to score"))?;
        if movies.iter().any(|(_, r)| crystal(r) != first) {
            return Err(Error::data("movies of different crystals have different groups: score them one by one"));
        }
        let scored = movies.iter().map(|(defects, recording)| {
            let frames = 0..recording.movie.len();
            let one = |f: usize| Ok((FrameTruth::of(recording, f)?, Detection::of(defects, f as u32)?));
            frames.map(one).collect::<Result<ScoredMovie>>()
        });
        Scores::of_detections(&scored.collect::<Result<Vec<_>>>()?, first)
    }

    /// Scores detections that come from elsewhere; `atoms` are the symbols of host and mobile atoms, for the names of the
    /// groups.
    ///
    /// # Errors
    /// If there is no frame, or a frame's reach is not a positive number.
    pub fn of_detections(movies: &[ScoredMovie], atoms: (&str, &str)) -> Result<Scores> {
        let one_movie = movies.len() == 1;
        let (mut units, mut judged, mut frames) = (vec![], vec![], 0);
        for movie in movies {
            let mut whole = Tally::default();
            for (truth, detections) in movie {
                let (of_frame, instances) = truth.judge(detections)?;
                let mut frame = Tally::default();
                frame.add(&of_frame, &instances);
                judged.extend(of_frame);
                frames += 1;
                if one_movie { units.push(frame) } else { whole.merge(&frame) }
            }
            units.extend((!one_movie).then_some(whole));
        }
        if frames == 0 {
            return Err(Error::data("there is no frame to score"));
        }
        let all = Tally::sum(units.iter());
        let resamples = resamples(&units);
        let groups = (0..3).map(|g| all.score(g, &resamples, Group::ALL[g].name(atoms.0, atoms.1))).collect();
        let instances = std::array::from_fn(|g| all.groups[g].instances as usize);
        let over = if one_movie { "frames" } else { "movies" };
        Ok(Scores { groups, over, units: units.len(), frames, judged, instances })
    }

    /// The scores of one group.
    #[must_use]
    pub fn group(&self, group: Group) -> Option<&GroupScore> {
        self.groups.iter().find(|g| g.group == group)
    }

    /// Precision and recall of a group at every threshold that makes a difference: `(threshold, precision, recall)`, the
    /// highest threshold first. It ends at the threshold that the defects were found with: find them with a lower one
    /// (`Decoding::default().with_threshold(0.1)`) to see more of the curve.
    #[must_use]
    pub fn curve(&self, group: Group) -> Vec<(f64, f64, f64)> {
        let mut of: Vec<&Judged> = self.judged.iter().filter(|j| j.group == group).collect();
        of.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        let instances = self.instances[group as usize].max(1) as f64;
        let mut hits = 0.0;
        let mut curve = vec![];
        for (i, j) in of.iter().enumerate() {
            hits += f64::from(u8::from(j.error_px.is_some()));
            // Detections of one probability come together.
            if of.get(i + 1).is_none_or(|next| next.probability < j.probability) {
                curve.push((f64::from(j.probability), hits / (i + 1) as f64, hits / instances));
            }
        }
        curve
    }

    /// Whether probabilities are what they say: those of the detections that were judged.
    #[must_use]
    pub fn reliability(&self) -> Reliability {
        let all = self.judged.iter().map(|j| (f64::from(j.probability), j.error_px.is_some()));
        Reliability::of(&all.collect::<Vec<_>>())
    }

    /// A row for each group and, below it, for each of its species (for which there is recall alone): `group`, `species`
    /// (null in a group's row), `instances`, `hits`, `false_alarms` u32, and `precision`, `recall`, `f1`, `error_px` f64, each
    /// with the ends of its 95 % interval (`f1_low`, `f1_high`).
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let rows: Vec<Row> = self.groups.iter().flat_map(Row::of).collect();
        let column = |name: &str, pick: &dyn Fn(&Row) -> Option<f64>| {
            Series::new(name.into(), rows.iter().map(pick).collect::<Vec<_>>()).into()
        };
        let count = |name: &str, pick: &dyn Fn(&Row) -> Option<u32>| {
            Series::new(name.into(), rows.iter().map(pick).collect::<Vec<_>>()).into()
        };
        let mut columns: Vec<polars::prelude::Column> = vec![
            Series::new("group".into(), rows.iter().map(|r| r.group.name.as_str()).collect::<Vec<_>>()).into(),
            Series::new(
                "species".into(),
                rows.iter().map(|r| r.species.map(|s| s.species.as_str())).collect::<Vec<_>>(),
            )
            .into(),
            count("instances", &|r| Some(r.instances() as u32)),
            count("hits", &|r| r.whole().map(|g| g.score.hits as u32)),
            count("false_alarms", &|r| r.whole().map(|g| g.score.false_alarms as u32)),
        ];
        let numbers: [(&str, Pick); 4] = [
            ("precision", |r| r.whole().map(|g| g.precision)),
            ("recall", |r| Some(r.species.map_or(r.group.recall, |s| s.recall))),
            ("f1", |r| r.whole().map(|g| g.f1)),
            ("error_px", |r| r.whole().map(|g| g.error_px)),
        ];
        for (name, pick) in numbers {
            columns.push(column(name, &|r| pick(r).map(|i| i.value)));
            columns.push(column(&format!("{name}_low"), &|r| pick(r).map(|i| i.low)));
            columns.push(column(&format!("{name}_high"), &|r| pick(r).map(|i| i.high)));
        }
        Ok(DataFrame::new(rows.len(), columns)?)
    }
}

/// One row of the table: a group, or a species in it.
struct Row<'a> {
    group: &'a GroupScore,
    species: Option<&'a SpeciesRecall>,
}

type Pick = fn(&Row) -> Option<Interval>;

impl Row<'_> {
    fn of(group: &GroupScore) -> Vec<Row<'_>> {
        let species = group.species.iter().map(|s| Row { group, species: Some(s) });
        std::iter::once(Row { group, species: None }).chain(species).collect()
    }

    fn whole(&self) -> Option<&GroupScore> {
        self.species.is_none().then_some(self.group)
    }

    fn instances(&self) -> usize {
        self.species.map_or(self.group.score.hits + self.group.score.misses, |s| s.instances)
    }
}

impl Tally {
    fn add(&mut self, judged: &[Judged], instances: &[Instance]) {
        for j in judged {
            let counts = &mut self.groups[j.group as usize];
            counts.judged += 1.0;
            if let Some(error) = j.error_px {
                counts.hits += 1.0;
                counts.squares += f64::from(error).powi(2);
            }
        }
        for i in instances {
            let counts = &mut self.groups[i.group as usize];
            counts.instances += 1.0;
            let [found, all] = counts.species.entry(i.species.clone()).or_default();
            *found += f64::from(u8::from(i.found));
            *all += 1.0;
        }
    }

    fn merge(&mut self, other: &Tally) {
        for (a, b) in self.groups.iter_mut().zip(&other.groups) {
            a.hits += b.hits;
            a.judged += b.judged;
            a.instances += b.instances;
            a.squares += b.squares;
            for (name, [found, all]) in &b.species {
                let of = a.species.entry(name.clone()).or_default();
                of[0] += found;
                of[1] += all;
            }
        }
    }

    fn sum<'a>(all: impl Iterator<Item = &'a Tally>) -> Tally {
        all.fold(Tally::default(), |mut sum, t| {
            sum.merge(t);
            sum
        })
    }

    fn score(&self, g: usize, resamples: &[Tally], name: String) -> GroupScore {
        let counts = &self.groups[g];
        let interval =
            |of: &dyn Fn(&Counts) -> f64| Interval::of(of(counts), resamples.iter().map(|t| of(&t.groups[g])));
        let species = counts.species.iter().map(|(name, [_, all])| SpeciesRecall {
            species: name.clone(),
            instances: *all as usize,
            recall: interval(&|c| c.species.get(name).map_or(f64::NAN, |[found, all]| found / all)),
        });
        GroupScore {
            group: Group::ALL[g],
            name,
            score: Score {
                hits: counts.hits as usize,
                false_alarms: (counts.judged - counts.hits) as usize,
                misses: (counts.instances - counts.hits) as usize,
            },
            precision: interval(&|c| c.hits / c.judged),
            recall: interval(&|c| c.hits / c.instances),
            f1: interval(&|c| 2.0 * c.hits / (c.judged + c.instances)),
            error_px: interval(&|c| (c.squares / c.hits).sqrt()),
            species: species.collect(),
        }
    }
}

/// Sums of as many movies (or frames) as there are, drawn anew.
fn resamples(units: &[Tally]) -> Vec<Tally> {
    let mut rng = ChaCha8Rng::seed_from_u64(seeded("Scores", 1));
    let mut draw = || Tally::sum((0..units.len()).map(|_| &units[rng.gen_range(0..units.len())]));
    (0..RESAMPLES).map(|_| draw()).collect()
}

impl Interval {
    /// Percentiles of what resampling makes of a number; resamples that do not define it (0 / 0) are left out.
    fn of(value: f64, resampled: impl Iterator<Item = f64>) -> Interval {
        let mut all: Vec<f64> = resampled.filter(|v| v.is_finite()).collect();
        all.sort_by(f64::total_cmp);
        let at =
            |p: f64| all.get((p * all.len().saturating_sub(1) as f64).round() as usize).copied().unwrap_or(f64::NAN);
        Interval { value, low: at(0.025), high: at(0.975) }
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.value.is_nan() {
            return write!(f, "–");
        }
        write!(f, "{:.2} ({:.2} to {:.2})", self.value, self.low, self.high)
    }
}

impl std::fmt::Debug for Scores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scores of {} frames, with 95 % intervals by resampling {} {}", self.frames, self.units, self.over)?;
        if self.over == "frames" {
            write!(f, " (of one movie, whose frames are alike: too narrow)")?;
        }
        for g in &self.groups {
            write!(
                f,
                "\n{}: F1 {}, precision {}, recall {}, position error {} px; {} instances",
                g.name,
                g.f1,
                g.precision,
                g.recall,
                g.error_px,
                g.score.hits + g.score.misses
            )?;
            for s in &g.species {
                write!(f, "; {} recall {} of {}", s.species, s.recall, s.instances)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::truth::{Standing, TrueSite};
    use super::*;
    use proptest::prelude::*;
    use rand::Rng;

    /// A frame with `defects` V_S of which `found` are found, at 0.6 px, and `wrong` detections on perfect S.
    fn frame(defects: usize, found: usize, wrong: usize) -> (FrameTruth, Vec<Detection>) {
        let site = |i: usize| TrueSite {
            y_px: 0.0,
            x_px: 10.0 * i as f32,
            mobile: true,
            standing: if i < defects {
                Standing::Defect { species: "V_S".into(), bright: false }
            } else {
                Standing::Perfect
            },
        };
        let at = |i: usize| Detection {
            y_px: 0.6,
            x_px: 10.0 * i as f32,
            bright: false,
            probability: 0.5 + 0.01 * i as f32,
        };
        let detections = (0..found).chain(defects..defects + wrong).map(at).collect();
        (FrameTruth { sites: (0..defects + wrong).map(site).collect(), within_px: 3.0 }, detections)
    }

    #[test]
    fn movies_add_up() {
        let movies = vec![vec![frame(4, 3, 1), frame(4, 4, 0)], vec![frame(2, 1, 3)]];
        let scores = Scores::of_detections(&movies, ("W", "S")).unwrap();
        let g = scores.group(Group::DarkOnMobile).unwrap();
        assert_eq!((g.score.hits, g.score.false_alarms, g.score.misses), (8, 4, 2));
        assert_eq!(g.name, "dark on an S site");
        assert!((g.f1.value - 16.0 / 22.0).abs() < 1e-12 && (g.error_px.value - 0.6).abs() < 1e-6);
        // Two movies: a resample is one of them twice, or both.
        assert!((g.recall.low - 0.5).abs() < 1e-12 && (g.recall.high - 0.875).abs() < 1e-12, "{:?}", g.recall);
        assert_eq!((scores.over, scores.units, scores.frames), ("movies", 2, 3));
        assert_eq!((g.species[0].species.as_str(), g.species[0].instances), ("V_S", 10));
        assert!(scores.group(Group::Bright).unwrap().f1.value.is_nan(), "there was nothing to find, and nothing found");
        let table = scores.table().unwrap();
        assert_eq!(table.height(), 4);
        assert_eq!(table.column("hits").unwrap().u32().unwrap().get(1), Some(8));
    }

    #[test]
    fn one_movie_is_resampled_by_frames_and_says_so() {
        let scores = Scores::of_detections(&[vec![frame(4, 3, 1), frame(4, 4, 0)]], ("W", "S")).unwrap();
        assert_eq!((scores.over, scores.units), ("frames", 2));
        assert!(format!("{scores:?}").contains("too narrow"));
        assert!(
            Scores::of_detections(&[], ("W", "S")).is_err() && Scores::of_detections(&[vec![]], ("W", "S")).is_err()
        );
    }

    /// With binomial counts in 30 movies the bootstrap's interval is that of the binomial, 1.96 standard errors to either
    /// side, within a fifth (the standard error of a standard deviation from 30 is 13 %).
    #[test]
    fn intervals_are_as_wide_as_the_scatter() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let movies: Vec<ScoredMovie> =
            (0..30).map(|_| vec![frame(50, (0..50).filter(|_| rng.r#gen_bool(0.7)).count(), 0)]).collect();
        let recall = Scores::of_detections(&movies, ("W", "S")).unwrap().group(Group::DarkOnMobile).unwrap().recall;
        let expected = 2.0 * 1.96 * (0.7_f64 * 0.3 / 1500.0).sqrt();
        assert!(((recall.high - recall.low) / expected - 1.0).abs() < 0.3, "{recall:?}, {expected}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        /// Along the curve recall never falls, and its end is the score; values lie in their intervals.
        #[test]
        fn curves_end_at_the_score(frames in prop::collection::vec((1_usize..6, 0_usize..6, 0_usize..6), 1..6)) {
            let movies: Vec<ScoredMovie> =
                frames.into_iter().map(|(defects, found, wrong)| vec![frame(defects, found.min(defects), wrong)]).collect();
            let scores = Scores::of_detections(&movies, ("W", "S")).unwrap();
            let g = scores.group(Group::DarkOnMobile).unwrap();
            let curve = scores.curve(Group::DarkOnMobile);
            prop_assert!(curve.windows(2).all(|w| w[0].0 > w[1].0 && w[0].2 <= w[1].2));
            if let Some(end) = curve.last() {
                prop_assert!((end.1 - g.score.precision()).abs() < 1e-12 && (end.2 - g.score.recall()).abs() < 1e-12);
            }
            for i in [g.precision, g.recall, g.f1] {
                prop_assert!(i.value.is_nan() || (i.low <= i.value + 1e-12 && i.value <= i.high + 1e-12), "{i:?}");
            }
        }
    }
}
