//! Finding defects: labels from what breaks the lattice of one frame, a network trained on them, and its decoding of
//! every frame into a table.

mod adam;
mod augment;
mod cell;
mod checkpoint;
mod components;
mod decode;
mod descent;
mod detector;
mod evidence;
mod examples;
mod ground;
mod held;
mod lattice;
mod loss;
mod member;
mod memory;
mod network;
mod noise;
mod periodicity;
mod plant;
mod predict;
mod published;
mod score;
mod sites;
mod texture;
mod trainer;
mod training;

use crate::filter;

pub use augment::Augment;
pub use decode::Decoding;
pub use detector::Detector;
pub use evidence::{Evidence, SplitHalf};
pub(crate) use examples::examples;
pub use lattice::Lattice;
pub use loss::Loss;
pub use memory::HeldOut;
pub use network::Architecture;
pub use periodicity::{Labels, PeriodicityBreak, Region};
pub use plant::{On, Plant, Planting};
pub use published::{PublishedMask, published_mask};
pub use score::{Score, score};
pub use texture::Texture;
pub use trainer::Trainer;
pub use training::{Channel, Output, Schedule, Training};
