//! What the defects do: their tracks, how many there are in time, how they move, and whether they keep company.
//!
//! Everything here takes whatever has a row for each defect of each frame ([`Sightings`]): defects, classes, tracks, the
//! truth of a simulated movie, or any table with the columns `frame`, `y_px` and `x_px`.

mod complexes;
mod concentration;
mod coupling;
mod diffusion;
mod grid;
mod linking;
mod path;
mod sightings;
mod statistics;
mod tracks;

pub use complexes::complexes;
pub use concentration::{Amount, Bands, Change, Concentration, Concentrations, Count, Trend, concentration};
pub use coupling::{Adjacency, CoOccurrence, Coupled, Coupling, Null, PairEnergies, PairEnergy, PairPoint, TimeWindow};
pub use diffusion::{
    Diffusion, DiffusionOptions, Direction, Hop, HopRates, Hopping, Hops, KindDiffusion, KindMsd, MotionModel, Moves,
    Msd, MsdPoint,
};
pub(crate) use grid::Grid;
pub use linking::{Branch, BranchKind, LinkScores, Linker, Motion, Pair, score_links};
pub use sightings::Sightings;
pub use tracks::Tracks;
