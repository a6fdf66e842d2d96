//! Machine learning on atomic-resolution electron microscopy movies: from the first frame's broken periodicity to a
//! table of every defect in every frame, sorted into classes.
//!
//! The rooms, in the order in which data flows through them:
//!
//! - [`movie`]: opening movies, calibration
//! - [`simulate`]: movies whose every defect is known
//! - [`detect`]: labels from one frame, a network trained on them, its decoding of every frame
//! - [`defects`]: the table and the patches that go with its rows
//! - [`classify`]: classes and principal components of the patches
//! - [`dynamics`]: tracks, concentrations, diffusion, and who keeps company with whom
//! - [`markov`]: what may follow what, and noisy evidence read in its light
//! - [`watch`]: every site of the lattice through the whole movie: detection in space and time
//! - [`figure`]: how all of that is drawn
//! - [`analysis`]: all of it in one call, with a folder of results
//! - [`prelude`]: the names that a notebook cell sees
//!
//! ```
//! use atomotion::prelude::*;
//!
//! let simulated = Ws2::default().with_size_px(128).simulate(1)?;
//! let labels = PeriodicityBreak::default().label(&simulated.movie.frame(0)?)?;
//! let detector = Detector::train(&labels, &Training::default().with_steps(20))?; // 400 for use
//! let defects = detector.find(&simulated.movie)?;
//! println!("{}", defects.table());
//! # Ok::<(), Error>(())
//! ```
#![warn(missing_docs)]

pub mod analysis;
#[doc(hidden)]
pub mod cell;
pub mod classify;
pub mod defects;
pub mod detect;
pub mod device;
pub mod dynamics;
pub mod error;
pub mod figure;
mod file;
mod filter;
mod fourier;
mod linear;
pub mod markov;
pub mod movie;
pub mod prelude;
pub mod progress;
pub mod session;
pub mod show;
pub mod simulate;
mod statistics;
pub mod watch;

/// The page for users of other programs: rustdoc compiles its calls.
#[cfg(doctest)]
#[doc = include_str!("../docs/coming-from.md")]
pub struct ComingFrom;

pub use error::{Error, Result};
pub use session::session_info;
pub use {linfa, linfa_clustering, linfa_reduction, ndarray, plotters, polars, polars_io, tch};
