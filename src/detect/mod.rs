//! Finding defects: labels from what breaks the lattice of one frame, a network trained on them, and its decoding of
//! every frame into a table.

mod adam;
mod augment;
mod backdrop;
mod bands;
mod calibration;
mod cell;
mod checkpoint;
mod components;
mod decode;
mod descent;
mod detector;
mod edit;
mod evidence;
mod examples;
mod gain;
mod ground;
mod held;
mod indexing;
mod labels;
mod lattice;
mod loss;
mod member;
mod memory;
mod network;
mod noise;
mod order;
mod periodicity;
mod plant;
mod predict;
mod published;
mod rows;
mod score;
mod sites;
mod strain;
mod texture;
mod told;
mod trainer;
mod training;
mod waves;

use crate::filter;

pub use augment::Augment;
pub use decode::{Decoding, Stream, Surrogates, too_bright};
pub use detector::Detector;
pub use evidence::{Evidence, SplitHalf};
pub(crate) use examples::examples;
pub(crate) use gain::counts_of;
pub use labels::{LabelSource, Labels, Region, Sign};
pub use lattice::Lattice;
pub use loss::Loss;
pub use memory::HeldOut;
pub use network::Architecture;
pub(crate) use order::Ground;
pub use periodicity::PeriodicityBreak;
pub use plant::{On, Plant, Planting};
pub use published::{PublishedMask, published_mask};
pub use score::{
    Detection, FrameTruth, Group, GroupScore, Interval, Reliability, ReliabilityBin, Score, ScoredMovie, Scores,
    SpeciesRecall, Standing, TrueSite, score,
};
pub(crate) use sites::FoundColumns;
pub use strain::{GeometricPhase, Strain};
pub use texture::Texture;
pub use trainer::Trainer;
pub use training::{Channel, Input, Output, Schedule, Training};
