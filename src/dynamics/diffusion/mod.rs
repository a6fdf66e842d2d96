//! How defects move: mean squared displacements, diffusion coefficients, kinds of motion, hops on the lattice.

mod covariance;
mod estimates;
mod hops;
mod judge;
mod motion;
mod msd;
mod sites;
mod tables;
#[cfg(test)]
mod tests;

pub use estimates::{Diffusion, DiffusionOptions, Hopping, Hops, KindDiffusion, KindMsd, Moves, Msd};
pub use hops::{Direction, Hop, HopRates};
pub use motion::MotionModel;
pub use msd::MsdPoint;
