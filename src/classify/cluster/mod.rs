//! Clustering and components of plain arrays: rows are points, columns features. What needs only `ndarray` and threads.
//!
//! Data are single precision; sums over points are double. The heavy part of every method is a matrix product.

pub(crate) mod compare;
pub(crate) mod density;
pub(crate) mod eigen;
pub(crate) mod hierarchy;
pub(crate) mod kmeans;
pub(crate) mod merges;
pub(crate) mod mixture;
pub(crate) mod moments;
pub(crate) mod number;
pub(crate) mod pca;
pub(crate) mod product;
pub(crate) mod reduce;
pub(crate) mod seeding;
#[cfg(test)]
mod tests;
pub(crate) mod tsne;
