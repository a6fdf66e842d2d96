//! The specimen of the benchmark, and models from the same physics.

use atomotion::Error;
use atomotion::markov::{Chain, HoppingVacancies, SiteModel};
use atomotion::ndarray::{Array1, Array2};
use atomotion::simulate::{Matter, Rate};

pub const HOSTS: [(&str, [u8; 3]); 4] =
    [("W", [74, 0, 0]), ("Mo_W", [42, 0, 0]), ("V_W", [0, 0, 0]), ("W_ad", [74, 74, 0])];
pub const COLUMNS: [(&str, [u8; 3]); 4] =
    [("2S", [16, 16, 0]), ("V_S", [16, 0, 0]), ("V_2S", [0, 0, 0]), ("W_2S", [74, 0, 0])];
pub const HOST_START: [f64; 4] = [0.975, 0.02, 0.004, 0.001];
pub const COLUMN_START: [f64; 4] = [0.9835, 0.008, 0.008, 0.0005];
pub const FRAMES: usize = 50;

/// The specimen of the benchmark: hops of V_S and of V_2S as one so many times a frame; more V_W than usual, so that they
/// can be counted. Holes begin after these frames.
pub fn matter(hops: f64) -> Matter {
    let mut matter = Matter::ws2();
    matter.composition.host_vacancy = HOST_START[2];
    let per_frame = 6.0 * 1e-10 * matter.beam.dose_rate_e_nm2_s * 5.0;
    matter.kinetics.hop = Rate { barrier_ev: 1.9, barn: hops / per_frame };
    matter.kinetics.pair_hop = Rate { barrier_ev: 1.9, barn: hops / per_frame };
    matter
}

/// The model of the columns, from the same physics.
pub fn hopping(matter: &Matter, hops: f64) -> Result<HoppingVacancies, Error> {
    let per_frame = 1e-10 * matter.beam.dose_rate_e_nm2_s * 5.0;
    let leaves = |threshold: f64| matter.beam.displacement_barn(16, threshold).map(|barn| barn * per_frame);
    let (first, second) = (2.0 * leaves(7.0)?, leaves(6.95)?);
    let mut becomes = Array2::eye(3);
    (becomes[[0, 0]], becomes[[0, 1]]) = (1.0 - second, second);
    Ok(HoppingVacancies::new(3)
        .with_hops(vec![hops, hops, 0.0])
        .with_start(COLUMN_START[1..].to_vec())
        .with_appear(vec![first, 0.0, 0.0])
        .with_becomes(becomes))
}

pub fn hosts() -> Result<SiteModel, Error> {
    let names = HOSTS.iter().map(|h| h.0.to_owned()).collect();
    SiteModel::new(Chain::new(names, Array2::eye(4), 5.0)?, Array1::from(HOST_START.to_vec()))
}

/// Sites that exchange nothing: what hops away vanishes, and comes from nowhere.
pub fn columns_alone(hops: f64) -> Result<SiteModel, Error> {
    let names = COLUMNS.iter().map(|h| h.0.to_owned()).collect();
    let mut p = Array2::eye(4);
    for k in 1..3 {
        p[[k, k]] = 1.0 - hops;
        p[[k, 0]] = hops;
        p[[0, k]] = hops * COLUMN_START[k];
        p[[0, 0]] -= hops * COLUMN_START[k];
    }
    SiteModel::new(Chain::new(names, p, 5.0)?, Array1::from(COLUMN_START.to_vec()))
}
