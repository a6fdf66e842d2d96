//! Every site of a crystal through the whole movie: detection in space and time.
//!
//! [`Watch`] finds the crystal in a movie, follows it from frame to frame, and asks of every site in every frame how
//! probable the pixels are with each species that may stand there. A Markov model that obeys physics
//! ([`SiteModel`](crate::markov::SiteModel) for what stays, [`HoppingVacancies`](crate::markov::HoppingVacancies) for what
//! hops) reads all frames together. What no single frame shows is found where many agree.
//!
//! ```
//! use atomotion::prelude::*;
//! let imaging = Imaging::as_recorded().with_size_px(128);
//! let movie = Experiment::ws2().with_imaging(imaging).with_frames(6).simulate(3)?.movie;
//! let watched = Watch::default().read(&movie)?;
//! let found = watched.table(); // one row for each defect of each frame
//! assert!(found.column("probability")?.f32()?.into_no_null_iter().all(|p| p > 0.5));
//! # Ok::<(), Error>(())
//! ```

mod follow;
mod followed;
mod model;
mod read;
mod register;
mod tune;
mod watched;

pub use follow::Watch;
pub use followed::Followed;
pub use model::Model;
pub use watched::Watched;
