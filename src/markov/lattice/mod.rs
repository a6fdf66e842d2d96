//! Detection in space and time: every site of a lattice carries a hidden state, and every frame's evidence updates it.

mod hopping;
mod particle;
mod sites;

pub use hopping::{Hopping, Vacancy};
pub use sites::SiteModel;
