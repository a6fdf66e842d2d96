//! What is true of a frame, site by site, and what detections are held against it.

use crate::defects::Defects;
use crate::error::{Error, Result, check};
use crate::simulate::{Crystal, Recording, State};
use std::collections::HashMap;

/// Kinds of defects that are scored apart: where they are, and what they look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Darker than the perfect column, on a host's site: Mo on W, a missing W.
    DarkOnHost,
    /// Darker, on a site of the mobile kind: a missing S, or two.
    DarkOnMobile,
    /// Brighter, on either: an atom on top, a W in place of S.
    Bright,
}

impl Group {
    /// All of them, in the order of tables.
    pub const ALL: [Group; 3] = [Group::DarkOnHost, Group::DarkOnMobile, Group::Bright];

    fn of(mobile: bool, bright: bool) -> Group {
        match (bright, mobile) {
            (true, _) => Group::Bright,
            (false, false) => Group::DarkOnHost,
            (false, true) => Group::DarkOnMobile,
        }
    }

    /// Its name in a crystal whose host and mobile atoms have these symbols.
    #[must_use]
    pub fn name(self, host: &str, mobile: &str) -> String {
        match self {
            Group::DarkOnHost => format!("dark on {} site", with_article(host)),
            Group::DarkOnMobile => format!("dark on {} site", with_article(mobile)),
            Group::Bright => "bright".into(),
        }
    }
}

/// "a W", "an S": single letters are spelt.
fn with_article(symbol: &str) -> String {
    let vowel = matches!(symbol, "F" | "H" | "I" | "N" | "O" | "S");
    format!("{} {symbol}", if vowel { "an" } else { "a" })
}

/// What stands on a site.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// What belongs there.
    Perfect,
    /// A defect of this species, brighter or darker than what belongs there.
    Defect {
        /// Its name: `V_2S`.
        species: String,
        /// Whether it is brighter.
        bright: bool,
    },
    /// Nothing that is to be judged: part of a hole or of its rim, or too near to the border. Detections here count
    /// neither for nor against.
    Unjudged,
}

/// A lattice site of one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct TrueSite {
    /// Where the column is, in pixels.
    pub y_px: f32,
    /// Where the column is, in pixels.
    pub x_px: f32,
    /// Whether it is of the mobile kind (S), not a host's (W).
    pub mobile: bool,
    /// What is there.
    pub standing: Standing,
}

/// Every lattice site of one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameTruth {
    /// The sites.
    pub sites: Vec<TrueSite>,
    /// How far from a site a detection may be to belong to it: half the distance of neighbouring columns.
    pub within_px: f32,
}

/// A detection as it is scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Centre in pixels.
    pub y_px: f32,
    /// Centre in pixels.
    pub x_px: f32,
    /// Whether what is left of the frame there is too bright, not too dark.
    pub bright: bool,
    /// How sure the detector is.
    pub probability: f32,
}

/// A detection that was judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judged {
    pub group: Group,
    pub probability: f32,
    /// Distance in pixels from the defect that it is; none if it is none.
    pub error_px: Option<f32>,
}

/// A true defect, and how sure the detection was that found it; none did if there is no number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Instance {
    pub group: Group,
    pub species: String,
    pub found: bool,
}

impl FrameTruth {
    /// Of a simulated frame. Sites nearer to the border than neighbouring columns are to each other are not judged.
    ///
    /// # Errors
    /// If there is no such frame, or it has no two sites.
    pub fn of(recording: &Recording, frame: usize) -> Result<FrameTruth> {
        let crystal = &recording.experiment.matter.crystal;
        let table = recording.lattice(frame)?;
        let standing: HashMap<String, Standing> =
            State::ALL.iter().map(|s| (s.name(crystal), Standing::of(*s, crystal))).collect();
        let (sublattice, state) = (table.column("sublattice")?.u8()?, table.column("state")?.str()?);
        let of = |name: &str| Ok::<_, Error>(table.column(name)?.f32()?.iter().map(|v| v.unwrap_or(0.0)).collect());
        let (y, x, ideal_y, ideal_x): (Vec<f32>, Vec<f32>, Vec<f32>, Vec<f32>) =
            (of("y_px")?, of("x_px")?, of("ideal_y_px")?, of("ideal_x_px")?);
        let bond = nearest(&ideal_y, &ideal_x)?;
        let (h, w) = (recording.movie.height() as f32 - 1.0, recording.movie.width() as f32 - 1.0);
        let sites = (0..table.height()).map(|i| {
            let inside = y[i] >= bond && x[i] >= bond && y[i] <= h - bond && x[i] <= w - bond;
            let kind = crystal.sublattices.get(usize::from(sublattice.get(i).unwrap_or(0)));
            let standing = state.get(i).and_then(|s| standing.get(s)).cloned().filter(|_| inside);
            TrueSite {
                y_px: y[i],
                x_px: x[i],
                mobile: kind.is_some_and(|k| k.dopant.is_none()),
                standing: standing.unwrap_or(Standing::Unjudged),
            }
        });
        Ok(FrameTruth { sites: sites.collect(), within_px: 0.5 * bond })
    }

    /// Judges the detections of the frame: each belongs to the nearest site, if it is within reach, and to the sign of what
    /// it looks like. Of several that belong to one site the most probable is it, the others are false; one that belongs to
    /// no site is false in the group of the nearest.
    pub(super) fn judge(&self, detections: &[Detection]) -> Result<(Vec<Judged>, Vec<Instance>)> {
        check("within_px", self.within_px, self.within_px > 0.0, "a positive distance in pixels")?;
        let mut order: Vec<&Detection> = detections.iter().collect();
        order.sort_by(|a, b| {
            b.probability.total_cmp(&a.probability).then(a.y_px.total_cmp(&b.y_px)).then(a.x_px.total_cmp(&b.x_px))
        });
        let (mut used, mut found) = (vec![false; self.sites.len()], vec![false; self.sites.len()]);
        let mut judged = vec![];
        for d in order {
            let Some((i, distance)) = self.nearest(d) else {
                judged.push(Judged { group: Group::of(false, d.bright), probability: d.probability, error_px: None });
                continue;
            };
            let site = &self.sites[i];
            if site.standing == Standing::Unjudged {
                continue;
            }
            let here = distance <= self.within_px;
            let right = matches!(&site.standing, Standing::Defect { bright, .. } if *bright == d.bright);
            let hit = here && right && !used[i];
            used[i] |= here;
            found[i] |= hit;
            let group = Group::of(site.mobile, d.bright);
            judged.push(Judged { group, probability: d.probability, error_px: hit.then_some(distance) });
        }
        let instance = |(site, found): (&TrueSite, bool)| match &site.standing {
            Standing::Defect { species, bright } => {
                Some(Instance { group: Group::of(site.mobile, *bright), species: species.clone(), found })
            }
            _ => None,
        };
        Ok((judged, self.sites.iter().zip(found).filter_map(instance).collect()))
    }

    fn nearest(&self, d: &Detection) -> Option<(usize, f32)> {
        let distances = self.sites.iter().map(|s| (s.y_px - d.y_px).hypot(s.x_px - d.x_px)).enumerate();
        distances.min_by(|a, b| a.1.total_cmp(&b.1))
    }
}

impl Standing {
    fn of(state: State, crystal: &Crystal) -> Standing {
        let heavier = crystal.sublattices.iter().any(|s| s.dopant.is_some_and(|z| z > s.element));
        let bright = match state {
            State::Lattice => return Standing::Perfect,
            State::Hole | State::HoleEdge { .. } => return Standing::Unjudged,
            State::Dopant { .. } => heavier,
            State::Vacancy { .. } | State::HostVacancy => false,
            State::Adatom | State::Antisite => true,
        };
        Standing::Defect { species: state.species(crystal), bright }
    }
}

/// Median distance of a site from the nearest other.
fn nearest(y: &[f32], x: &[f32]) -> Result<f32> {
    // A hundred sites tell it as well as all.
    let some = (0..y.len()).step_by((y.len() / 100).max(1));
    let mut distances: Vec<f32> = some
        .filter_map(|i| {
            let others = (0..y.len()).filter(|&j| j != i).map(|j| (y[i] - y[j]).hypot(x[i] - x[j]));
            others.min_by(f32::total_cmp)
        })
        .collect();
    if distances.is_empty() {
        return Err(Error::data("a frame with fewer than two sites has no lattice to score against"));
    }
    Ok(crate::filter::median(&mut distances))
}

impl Detection {
    /// The detections of one frame.
    ///
    /// # Errors
    /// If the table has no column `sign`, which a detector makes, or its columns have lost their types.
    pub fn of(defects: &Defects, frame: u32) -> Result<Vec<Detection>> {
        let table = defects.table();
        let sign = table.column("sign").map_err(|_| {
            Error::data(
                "the table has no column sign: find the defects again (detector.find(&movie)?) to score by sign",
            )
        })?;
        let (sign, frames) = (sign.str()?, table.column("frame")?.u32()?);
        let (y, x) = (table.column("y_px")?.f32()?, table.column("x_px")?.f32()?);
        let probability = table.column("probability")?.f32()?;
        let inside = (0..defects.len()).filter(|&i| frames.get(i) == Some(frame));
        let one = |i| {
            Some(Detection {
                y_px: y.get(i)?,
                x_px: x.get(i)?,
                bright: sign.get(i)? == "bright",
                probability: probability.get(i)?,
            })
        };
        Ok(inside.filter_map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn site(y: f32, x: f32, mobile: bool, defect: Option<(&str, bool)>) -> TrueSite {
        let standing = defect.map_or(Standing::Perfect, |(s, bright)| Standing::Defect { species: s.into(), bright });
        TrueSite { y_px: y, x_px: x, mobile, standing }
    }

    fn at(y: f32, x: f32, bright: bool, probability: f32) -> Detection {
        Detection { y_px: y, x_px: x, bright, probability }
    }

    /// Five sites in a row, six pixels apart: W, S, Mo, V_S, W_ad; worked out by hand.
    #[test]
    fn a_frame_judged_by_hand() {
        let mut sites = vec![
            site(0.0, 0.0, false, None),
            site(0.0, 6.0, true, None),
            site(0.0, 12.0, false, Some(("Mo_W", false))),
            site(0.0, 18.0, true, Some(("V_S", false))),
            site(0.0, 24.0, false, Some(("W_ad", true))),
        ];
        sites.push(TrueSite { standing: Standing::Unjudged, ..site(0.0, 30.0, false, None) });
        let truth = FrameTruth { sites, within_px: 3.0 };
        let (judged, instances) = truth
            .judge(&[
                at(1.0, 12.0, false, 0.8),  // Mo
                at(0.0, 12.5, false, 0.7),  // Mo again: false
                at(0.0, 18.0, true, 0.9),   // V_S, but bright: false, and then the site is taken
                at(4.0, 24.0, true, 0.6),   // out of reach of W_ad: false, bright
                at(0.0, 0.0, false, 0.95),  // a perfect W: false, dark on W
                at(0.0, 31.0, false, 0.99), // not judged
            ])
            .unwrap();
        let of =
            |group: Group, hit: bool| judged.iter().filter(|j| j.group == group && j.error_px.is_some() == hit).count();
        assert_eq!((of(Group::DarkOnHost, true), of(Group::DarkOnHost, false)), (1, 2));
        assert_eq!((of(Group::DarkOnMobile, true), of(Group::DarkOnMobile, false)), (0, 0));
        assert_eq!((of(Group::Bright, true), of(Group::Bright, false)), (0, 2));
        assert_eq!(judged.iter().find_map(|j| j.error_px), Some(1.0));
        let found: Vec<(&str, bool)> = instances.iter().map(|i| (i.species.as_str(), i.found)).collect();
        assert_eq!(found, [("Mo_W", true), ("V_S", false), ("W_ad", false)]);
    }

    proptest! {
        /// Every detection that is judged is a hit or false, every instance found or missed; hits and found instances are as
        /// many, group by group; the order of the detections makes no difference.
        #[test]
        fn hits_are_found_instances(
            sites in prop::collection::vec((0.0_f32..60.0, 0.0_f32..60.0, any::<bool>(), 0_u8..4), 1..40),
            found in prop::collection::vec((0.0_f32..60.0, 0.0_f32..60.0, any::<bool>(), 0.0_f32..1.0), 0..40),
        ) {
            let sites = sites.into_iter().map(|(y, x, mobile, kind)| match kind {
                0 => site(y, x, mobile, Some(("dark", false))),
                1 => site(y, x, mobile, Some(("bright", true))),
                2 => TrueSite { standing: Standing::Unjudged, ..site(y, x, mobile, None) },
                _ => site(y, x, mobile, None),
            });
            let truth = FrameTruth { sites: sites.collect(), within_px: 4.0 };
            let mut detections: Vec<Detection> = found.into_iter().map(|(y, x, bright, p)| at(y, x, bright, p)).collect();
            let (judged, instances) = truth.judge(&detections).unwrap();
            for group in Group::ALL {
                let hits = judged.iter().filter(|j| j.group == group && j.error_px.is_some()).count();
                prop_assert_eq!(hits, instances.iter().filter(|i| i.group == group && i.found).count());
            }
            prop_assert!(judged.len() <= detections.len());
            prop_assert!(judged.iter().all(|j| j.error_px.is_none_or(|e| e <= 4.0)));
            detections.reverse();
            prop_assert_eq!((judged, instances), truth.judge(&detections).unwrap());
        }
    }
}
