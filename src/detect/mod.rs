//! Finding defects: labels from what breaks the lattice of one frame, a network trained on them, and its decoding of
//! every frame into a table.

mod augment;
mod components;
mod decode;
mod evidence;
mod filter;
mod lattice;
mod network;
mod periodicity;
mod published;
mod score;
mod training;

pub use augment::Augment;
pub use decode::Decoding;
pub use evidence::{Evidence, SplitHalf};
pub use lattice::Lattice;
pub use periodicity::{Labels, PeriodicityBreak, Region};
pub use published::{PublishedMask, published_mask};
pub use score::{Score, score};
pub use training::{Detector, Training};
