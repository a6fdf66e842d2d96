//! Movies whose every defect is known.
//!
//! An [`Experiment`] is a specimen in a microscope. [`Matter`] is the specimen: a [`Crystal`] with its defects, which move
//! by their [`Kinetics`] under a [`Beam`]. [`Imaging`] is the microscope. What comes out is a [`Recording`]: the movie, and
//! all that is true of it. [`Ws2`] is a first, simple Mo-doped WS2.
//!
//! Intensities go as Z^1.7 (the usual approximation of annular dark-field contrast, Krivanek et al., Nature 464, 571,
//! 2010), counts are Poisson. [`Imaging`] has the microscope, [`detection_limit`] says how well any method could do on
//! one of its frames. Every transcendental function is `libm`'s, so that the same
//! seed gives the same bytes on every machine.

mod beam;
mod column;
mod composition;
mod contamination;
mod crystal;
mod dataset;
mod element;
mod experiment;
mod generator;
mod imaging;
mod kinetics;
mod limit;
mod matter;
mod pack;
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
pub(crate) use dataset::unknown_dataset;
pub use dataset::{Dataset, DatasetFile, dataset_names, make_dataset};
pub(crate) use element::{brightness_of_species, symbol as symbol_of};
pub use experiment::{Experiment, Recording};
pub use imaging::Imaging;
pub use kinetics::{Event, Move};
pub use limit::{
    Around, Candidates, DetectionLimit, LimitCurve, LimitOptions, SiteEvidence, SiteKind, SpeciesLimit, Substitute,
    detection_limit, limit_against_dose,
};
pub(crate) use limit::{Seen, believed_places, gather, perfect_row, perfect_weights};
pub use matter::{Evolution, Matter};
pub(crate) use poisson::{normal, poisson};
pub use rates::{Kinetics, Rate};
pub use relaxation::Relaxation;
pub use scan::Scan;
pub use sites::Sites;
pub use specimen::Specimen;
pub use states::{Occupant, STATES, State};
pub use transitions::{MarkovTest, Transitions};
pub use ws2::{Simulated, Ws2};
