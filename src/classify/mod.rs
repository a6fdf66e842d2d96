//! Sorting defects into classes without supervision, by what their patches look like.
//!
//! Every method is a struct of options with a `fit` that takes [`Defects`](crate::defects::Defects): [`KMeans`],
//! [`GaussianMixture`], [`Hierarchy`] (whose [`Dendrogram`] is cut), [`Density`]; all give [`Classes`]. What of a patch they
//! look at is a matter of [`Features`]. Beside each class stands what noise alone gives of it ([`Classes::noise`]), where the
//! defects come from a search.

mod cell;
mod classes;
mod cluster;
mod components;
mod dendrogram;
mod embedding;
mod features;
mod file;
mod kmeans;
mod mixture;
mod model;
mod naming;
mod noise;
mod number;
mod outliers;
mod symmetry;
mod validate;

pub use cell::{Displacement, Distortion, Modes, UnitCell, UnitCells};
pub use classes::Classes;
pub use components::{Components, Ica, Nmf, Pca};
pub use dendrogram::{Dendrogram, Hierarchy, Linkage, Merge};
pub use embedding::{Embedded, Embedding};
pub use features::Features;
pub use kmeans::KMeans;
pub use mixture::{Covariance, GaussianMixture};
pub use naming::{Motif, Motifs, Naming};
pub use noise::{NoiseAlone, Surrogate};
pub use number::{HowMany, NumberOfClasses};
pub use outliers::Density;
pub use symmetry::PointGroup;
pub use validate::{CrossValidated, Sort};
