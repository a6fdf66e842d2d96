//! Which sites there are, what may stand there, and how many of them are looked at.

use crate::error::{Result, check, setters};
use serde::{Deserialize, Serialize};

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

/// Options of [`detection_limit`](super::detection_limit).
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
    pub(super) fn species(&self) -> Vec<([u8; 3], f64)> {
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

    pub(super) fn validate(&self) -> Result<()> {
        check("kinds", self.kinds.len(), !self.kinds.is_empty(), "at least one kind of site")?;
        check("frames", self.frames, self.frames >= 20, "at least 20, to say how sure the limit is")?;
        check("sites", self.sites, self.sites > 0, "at least one a frame")?;
        check("draws", self.draws, self.draws > 0, "at least one")?;
        self.kinds.iter().try_for_each(SiteKind::validate)
    }
}
