//! Labelling a frame, ours and the published mask side by side on the same frames: time, and how good the labels are.
//!
//! `cargo bench --profile dev` runs it with the dependencies that are compiled already.

use atomotion::prelude::*;
use std::time::Instant;

fn main() -> atomotion::Result<()> {
    println!("512 x 512 pixels, 10 pixels a period, means of three frames");
    for dose in [4.0, 12.0, 60.0] {
        let (mut ours, mut published, mut hits) = (0.0, 0.0, Score { hits: 0, false_alarms: 0, misses: 0 });
        for seed in 0..3 {
            let simulated = Ws2::default().with_size_px(512).with_dose(dose).simulate(seed)?;
            let frame = simulated.movie.frame(0)?;
            let start = Instant::now();
            let labels = PeriodicityBreak::default().label(&frame)?;
            ours += start.elapsed().as_secs_f64() / 3.0;
            let start = Instant::now();
            std::hint::black_box(published_mask(&frame.data, PublishedMask::default()));
            published += start.elapsed().as_secs_f64() / 3.0;
            let found: Vec<_> = labels.regions.iter().map(|r| (r.y_px, r.x_px)).collect();
            let (y, x) = (simulated.truth.column("y_px")?.f32()?, simulated.truth.column("x_px")?.f32()?);
            let truth: Vec<_> = y.iter().zip(x.iter()).filter_map(|(y, x)| Some((y?, x?))).collect();
            hits += score(&found, &truth, 5.0)?;
        }
        println!("{dose:>4} counts at a W column: ours {ours:.3} s, {hits}; the published mask {published:.3} s");
    }
    Ok(())
}
