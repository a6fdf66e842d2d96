//! Writes movies whose numbers follow a formula in every format: `cargo run --example saved_movies -- FOLDER`.
//!
//! `peers/check_saved.py` opens them in other programs.

use atomotion::prelude::*;

fn main() -> atomotion::Result<()> {
    let folder = std::path::PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "saved-movies".into()));
    std::fs::create_dir_all(&folder).map_err(|source| Error::Io { action: "create", path: folder.clone(), source })?;
    for (frames, name) in [(5, "movie"), (1, "single")] {
        let stack = Array3::from_shape_fn((frames, 13, 18), |(t, y, x)| (45 * t + 3 * y + x) as f32);
        let whole = Movie::from_array(stack)?.with_calibration(Calibration::new(0.0315, 0.25)?);
        let movie = whole.crop(2.., 1..)?; // an origin that is not 0
        for (number, of) in [(Stored::F32, "f4"), (Stored::U16, "u2"), (Stored::U8, "u1")] {
            for format in ["tif", "npy", "emd"] {
                let path = folder.join(format!("{name}_{of}.{format}"));
                movie.save_with(&path, &Saving::default().with_number(number))?;
                println!("{}", path.display());
            }
        }
    }
    Ok(())
}
