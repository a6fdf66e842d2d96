//! Finding defects: labels from what breaks the lattice of one frame, a network trained on them, and its decoding of
//! every frame into a table.

mod adam;
mod augment;
mod bands;
mod checkpoint;
mod components;
mod decode;
mod detector;
mod evidence;
mod lattice;
mod network;
mod order;
mod periodicity;
mod predict;
mod published;
mod score;
mod texture;
mod trainer;
mod training;

use crate::filter;

pub use augment::Augment;
pub use decode::{Decoding, Stream, Surrogates, too_bright};
pub use detector::Detector;
pub use evidence::{Evidence, SplitHalf};
pub use lattice::Lattice;
pub use periodicity::{Labels, PeriodicityBreak, Region};
pub use published::{PublishedMask, published_mask};
pub use score::{
    Detection, FrameTruth, Group, GroupScore, Interval, Reliability, ReliabilityBin, Score, ScoredMovie, Scores,
    SpeciesRecall, Standing, TrueSite, score,
};
pub use texture::Texture;
pub use trainer::Trainer;
pub use training::Training;
