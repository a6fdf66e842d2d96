//! The simulated first frame "as recorded" beside the real one: `cargo run --example as_recorded`, with `ATOMOTION_REAL`.
//!
//! Draws both frames, their spectra along x and y, the correlation of their noise and their histograms, and the limit
//! of detection over the dose, into the folder that is given (else the present one).

#[path = "../tests/common/ws2.rs"]
mod ws2;

use atomotion::ndarray::stack;
use atomotion::prelude::*;
use std::path::PathBuf;
use ws2::{REDRAWN, redraw, sheet, with_defects};

fn main() -> atomotion::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    match atomotion::movie::real_data()? {
        Some(real) => compare(&real.join("ws2_frame0.npy"), &folder)?,
        None => println!("ATOMOTION_REAL is not set: there is no real frame to compare with"),
    }
    let doses: Vec<f64> = (0..14).map(|i| 0.5 * 1.6_f64.powi(i)).collect();
    let curve = limit_against_dose(&Imaging::as_recorded(), &sheet(16.6, 4.0), &LimitOptions::default(), &doses)?;
    println!("{}", curve.table()?);
    curve.figure().save(folder.join("limit.png"))
}

fn compare(real: &std::path::Path, folder: &std::path::Path) -> atomotion::Result<()> {
    let calibration = Calibration::new(0.0507, 1.0)?;
    let real = Movie::open(real)?.frame(0)?;
    let imaging = Imaging::as_recorded().with_nm_per_px(calibration.nm_per_px / REDRAWN);
    let counts = imaging.scan(1, 1)?.counts(0, &with_defects(sheet(16.6, -0.8), 1))?;
    let simulated = redraw(&counts);
    let both = stack(ndarray::Axis(0), &[real.data.view(), simulated.view()]).expect("frames of one size");
    let both = Movie::from_array(both)?.with_calibration(calibration);
    both.figure()?.save(folder.join("frames.png"))?;
    let texture = |frame: &Frame, source: &str| Texture::of(&Frame { source: source.into(), ..frame.clone() });
    let (real, simulated) = (texture(&both.frame(0)?, "real")?, texture(&both.frame(1)?, "simulated")?);
    println!("{real:?}\n{simulated:?}");
    println!("largest difference of the distributions: {:.3}", real.distance(&simulated));
    let names = ["spectrum-x", "spectrum-y", "correlation", "histogram"];
    for (figure, name) in real.figures(&simulated).iter().zip(names) {
        figure.save(folder.join(format!("{name}.png")))?;
    }
    Ok(())
}
