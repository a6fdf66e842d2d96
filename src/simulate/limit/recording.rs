//! The limit of a recording: at its dose, with its species as frequent as they are.

use super::super::composition::Composition;
use super::super::experiment::Recording;
use super::super::states::{Occupant, State};
use super::{DetectionLimit, LimitOptions, SiteKind, Substitute, detection_limit};
use crate::error::{Result, check};
use std::ops::Range;

/// Side of the frames that are drawn, in nanometres: more would change nothing.
const SIDE_NM: f64 = 4.0;
/// The crystal goes so far beyond them.
const BEYOND_NM: f64 = 2.0;

/// Sites with one host, and how often what else stands there.
#[derive(Default)]
struct Counted {
    sites: u64,
    /// Names, atoms, and counts.
    species: Vec<(String, [u8; 3], u64)>,
}

impl Recording {
    /// The independent-site limit ([`detection_limit`]) of this movie: at its dose and pixel size, with every species as
    /// frequent as it is in the specimen at these frames, beyond the image's edge too. Sites in holes do not count.
    ///
    /// ```no_run
    /// use atomotion::prelude::*;
    /// let recording = Experiment::ws2().with_frames(3).simulate(1)?;
    /// let limit = recording.limit(1..3)?;
    /// println!("vacancies on S: F1 {:.2}", limit.f1_of(&["V_S", "V_2S"]).unwrap_or(f64::NAN));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If the movie has no such frames or they hold no defect, and as [`detection_limit`].
    pub fn limit(&self, frames: Range<usize>) -> Result<DetectionLimit> {
        Recording::limit_of(&[self], frames)
    }

    /// The same of several movies of one experiment, with species as frequent as in these frames of all of them.
    ///
    /// # Errors
    /// As [`Recording::limit`].
    pub fn limit_of(recordings: &[&Recording], frames: Range<usize>) -> Result<DetectionLimit> {
        check("recordings", recordings.len(), !recordings.is_empty(), "at least one")?;
        let mut hosts: Vec<([u8; 3], Counted)> = vec![];
        for recording in recordings {
            let told = format!("{}..{}", frames.start, frames.end);
            let all = recording.evolution.len();
            check("frames", told, frames.start < frames.end && frames.end <= all, format!("some of 0..{all}"))?;
            frames.clone().for_each(|frame| recording.count(frame, &mut hosts));
        }
        let kinds = hosts.into_iter().filter(|(_, c)| !c.species.is_empty()).map(|(host, counted)| {
            let of = |(name, atoms, n)| Substitute { name, atoms, prevalence: n as f64 / counted.sites as f64 };
            SiteKind { host, substitutes: counted.species.into_iter().map(of).collect() }
        });
        let experiment = &recordings[0].experiment;
        let imaging = experiment.imaging.clone().with_size_px((SIDE_NM / experiment.imaging.nm_per_px) as usize);
        let side = imaging.size_px as f64 * imaging.nm_per_px + BEYOND_NM;
        let perfect = experiment.matter.clone().with_composition(Composition::perfect()).evolve(side, 1, 1.0, 1)?;
        detection_limit(&imaging, &perfect.columns(0), &LimitOptions::default().with_kinds(kinds.collect()))
    }

    /// Counts what stands where in a frame.
    fn count(&self, frame: usize, hosts: &mut Vec<([u8; 3], Counted)>) {
        let (crystal, sites) = (&self.evolution.matter().crystal, self.evolution.sites());
        let specimen = self.evolution.specimen(frame);
        for site in 0..sites.len() {
            let state = specimen.state(sites, site);
            if state == State::Hole {
                continue;
            }
            let sublattice = &crystal.sublattices[usize::from(sites.sublattice[site])];
            let host = Occupant::Perfect.atoms(sublattice, crystal.adatom);
            let at = hosts.iter().position(|(h, _)| *h == host).unwrap_or_else(|| {
                hosts.push((host, Counted::default()));
                hosts.len() - 1
            });
            let counted = &mut hosts[at].1;
            counted.sites += 1;
            if matches!(state, State::Lattice | State::HoleEdge { .. }) {
                continue;
            }
            let name = state.species(crystal);
            match counted.species.iter_mut().find(|s| s.0 == name) {
                Some(species) => species.2 += 1,
                None => counted.species.push((name, specimen.column(crystal, sites, site), 1)),
            }
        }
    }
}
