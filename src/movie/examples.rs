//! The movies that the first notebook opens: simulated ones, and a real frame where the user has it.

use super::{Calibration, Movie};
use crate::error::{Error, Result};
use crate::simulate::Ws2;
use std::path::PathBuf;

/// The folder that the environment variable `ATOMOTION_REAL` names, or `None` where it is not set.
///
/// # Errors
/// If the variable is set but the folder, or one of the frames that belong in it, is missing.
pub fn real_data() -> Result<Option<PathBuf>> {
    let Some(folder) = std::env::var_os("ATOMOTION_REAL").map(PathBuf::from) else {
        return Ok(None);
    };
    for name in ["ws2_frame0.npy", "graphene_si_2nm.npy", "graphene_boundary_4nm.npy"] {
        if !folder.join(name).is_file() {
            return Err(Error::format(
                folder.join(name),
                "is missing: ATOMOTION_REAL is set but its folder is not complete (unset it to use simulated movies)",
            ));
        }
    }
    Ok(Some(folder))
}

/// The two movies of the first notebook, calibrated: a simulated WS2 movie of six frames, and a real graphene frame with Si
/// where `ATOMOTION_REAL` names it, else one simulated frame with three times as many pixels a period. (A single real WS2
/// frame shows too few defects that are more than noise to be sorted into classes.)
///
/// # Errors
/// If `ATOMOTION_REAL` names a folder that is not complete.
pub fn example_movies() -> Result<[Movie; 2]> {
    let movie = Ws2::default().with_frames(6).simulate(1)?.movie.with_name("simulated WS2");
    if let Some(folder) = real_data()? {
        let graphene = Movie::open(folder.join("graphene_si_2nm.npy"))?;
        return Ok([movie, graphene.with_calibration(Calibration::new(0.0078, 1.0)?)]);
    }
    let fine =
        Ws2::default().with_nm_per_px(0.01).with_size_px(512).with_dose(4.0).with_rotation_deg(17.0).simulate(2)?;
    Ok([movie, fine.movie.with_name("simulated WS2, fine pixels")])
}
