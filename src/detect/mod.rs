//! Finding defects: labels from what breaks the lattice of one frame, a network trained on them, and its decoding of
//! every frame into a table.

mod augment;
mod components;


mod filter;
mod lattice;

mod periodicity;
mod published;
mod score;


pub use augment::Augment;
pub use lattice::Lattice;
pub use periodicity::{Labels, PeriodicityBreak, Region};
pub use published::{PublishedMask, published_mask};
pub use score::{Score, score};
