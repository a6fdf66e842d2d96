//! Atomotion
pub mod error; pub mod movie; pub mod simulate; pub mod detect; pub mod defects; pub mod progress; pub mod device;
pub use error::{Error, Result};
pub use {linfa, linfa_clustering, linfa_hierarchical, linfa_reduction, ndarray, plotters, polars, polars_io, tch};
