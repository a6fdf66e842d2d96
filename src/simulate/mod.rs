//! Movies whose every defect is known.
//!
//! [`Matter`] is the specimen: a [`Crystal`] with its defects, whose [`Kinetics`] let them move under a [`Beam`]. [`Ws2`]
//! is a first, simple Mo-doped WS2.
//!
//! Columns are Gaussians whose height goes as Z^1.7 (the usual approximation of annular dark-field contrast, Krivanek
//! et al., Nature 464, 571, 2010), counts are Poisson. Every transcendental function is `libm`'s, so that the same
//! seed gives the same bytes on every machine.

mod beam;
mod column;
mod composition;
mod contamination;
mod crystal;
mod element;
mod experiment;
mod generator;
mod imaging;
mod kinetics;
mod matter;
mod limit;
mod poisson;
mod probe;
mod rates;
mod relaxation;
mod scan;
mod sites;
mod specimen;
mod states;
mod statistics;
mod transitions;
mod tree;
mod truth;
mod ws2;

pub use beam::Beam;
pub use column::Column;
pub use composition::Composition;
pub use crystal::{Crystal, Sublattice};
pub use experiment::{Experiment, Recording};
pub use imaging::Imaging;
pub use kinetics::{Event, Move};
pub use matter::{Evolution, Matter};
pub use limit::{
    DetectionLimit, LimitCurve, LimitOptions, SiteKind, SpeciesLimit, Substitute, detection_limit, limit_against_dose,
};
pub(crate) use poisson::{normal, poisson};
pub use rates::{Kinetics, Rate};
pub use relaxation::Relaxation;
pub use scan::Scan;
pub use sites::Sites;
pub use specimen::Specimen;
pub use states::{Occupant, STATES, State};
pub use transitions::{MarkovTest, Transitions};
pub use ws2::{Simulated, Ws2};
