//! Movies whose every defect is known: a first, simple Mo-doped WS2, and the imaging of any columns of atoms.
//!
//! Intensities go as Z^1.7 (the usual approximation of annular dark-field contrast, Krivanek et al., Nature 464, 571,
//! 2010), counts are Poisson. [`Imaging`] has the microscope, [`detection_limit`] says how well any method could do on
//! one of its frames. Every transcendental function is `libm`'s, so that the same
//! seed gives the same bytes on every machine.

mod column;
mod contamination;
mod imaging;
mod limit;
mod poisson;
mod probe;
mod scan;
mod ws2;

pub use column::Column;
pub use imaging::Imaging;
pub use limit::{
    DetectionLimit, LimitCurve, LimitOptions, SiteKind, SpeciesLimit, Substitute, detection_limit, limit_against_dose,
};
pub(crate) use poisson::{normal, poisson};
pub use scan::Scan;
pub use ws2::{Simulated, Ws2};
