//! What may follow what: a Markov model whose rates come from physics, its estimation from tracks, and the reading of
//! noisy evidence in its light.
//!
//! - [`States`] are declared with how they look and what they conserve; [`Physics`] makes rates of a small table of
//!   [`Energies`], temperature and beam; a [`Chain`] has the probabilities of a frame interval.
//! - [`Sequences`] are the states of tracks; [`Estimation`] gives transition probabilities with intervals, [`RateFit`]
//!   rates from uneven moments, [`memory`] tests the Markov property, [`contradictions`] the physics.
//! - [`SiteModel`] and [`HoppingVacancies`] read every site of a lattice through a movie.
//! - [`Hidden`] reads a classifier's soft evidence, with what was not detected, and says whether it contradicts the model.
//! - [`BackAndForth`] goes from detection to the model and back, [`soft_labels`] and [`look_harder`] are what goes back.

mod back;
mod chain;
mod contradiction;
mod corrected;
mod energies;
mod estimate;
mod exponential;
mod generator;
mod hidden;
mod lattice;
mod memory;
mod moves;
mod physics;
mod rates;
mod sequences;
mod states;
mod statistics;
mod tracks;

pub use back::{BackAndForth, Judged, Round, Settled, look_harder, soft_labels};
pub use chain::Chain;
pub use contradiction::{Contradiction, Verdict, contradictions};
pub use corrected::{Corrected, Reading, Why};
pub use energies::Energies;
pub use estimate::{Estimate, Estimation};
pub use generator::Generator;
pub use hidden::{Hidden, Learned, Learning, NOT_DETECTED};
pub use lattice::{
    BestF1, Change, HoppingVacancies, SiteModel, Vacancy, best_f1, mean_of_frames, running_mean, sum_of_ratios,
};
pub use memory::{Memory, memory};
pub use moves::{PhysicalMove, Process};
pub use physics::Physics;
pub use rates::{RateFit, Rates, Step};
pub use sequences::{Sequence, Sequences};
pub use states::{StateKind, States};
