//! The first notebook as a program: `cargo run --example first_look`.
//!
//! Simulates a small WS2 movie, trains on its first frame, finds the defects of every frame and says how many of them
//! are right. With a path, it opens that movie instead: `cargo run --example first_look -- movie.npy`.

use atomotion::detect::Score;
use atomotion::prelude::*;

fn main() -> atomotion::Result<()> {
    let (movie, truth) = match std::env::args().nth(1) {
        Some(path) => (Movie::open(path)?, None),
        None => {
            let simulated = Ws2::default().with_frames(6).simulate(1)?;
            (simulated.movie, Some(simulated.truth))
        }
    };
    println!("{movie:?}");
    let labels = PeriodicityBreak::default().label(&movie.frame(0)?)?;
    println!("{labels:?}");
    let detector = Detector::train(&labels, &Training::default())?;
    println!("{detector:?}");
    let defects = detector.find(&movie)?;
    println!("{}", defects.table());
    if let Some(truth) = truth {
        for frame in 0..movie.len() as u32 {
            println!("frame {frame}: {}", against(&truth, &defects, frame)?);
        }
    }
    let classes = KMeans::new(2).fit(&defects)?;
    println!("{classes:?}");
    classes.defects.figure(&movie.frame(movie.len() - 1)?)?.save("first-look.png")?;
    println!("the last frame's defects are drawn in first-look.png");
    Ok(())
}

/// Detections of one frame against the truth, away from the border, within half a lattice period.
fn against(truth: &DataFrame, defects: &Defects, frame: u32) -> atomotion::Result<Score> {
    let inside = |p: &(f32, f32)| (5.0..250.0).contains(&p.0) && (5.0..250.0).contains(&p.1);
    let (y, x) = (truth.column("y_px")?.f32()?, truth.column("x_px")?.f32()?);
    let frames = truth.column("frame")?.u32()?;
    let rows = (0..truth.height()).filter(|&i| frames.get(i) == Some(frame));
    let places: Vec<_> = rows.filter_map(|i| Some((y.get(i)?, x.get(i)?))).filter(inside).collect();
    let found: Vec<_> = defects.positions(frame)?.into_iter().filter(inside).collect();
    score(&found, &places, 5.0)
}
