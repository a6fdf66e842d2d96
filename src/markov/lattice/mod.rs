//! Detection in space and time: every site of a lattice carries a hidden state, and every frame's evidence updates it.

mod changes;
mod hop_rate;
mod hopping;
mod limit;
mod occupied;
mod particle;
mod score;
mod sites;

pub use changes::Change;
pub use hopping::{HoppingVacancies, Vacancy};
pub use score::{BestF1, best_f1, mean_of_frames, running_mean, sum_of_ratios};
pub use sites::SiteModel;
