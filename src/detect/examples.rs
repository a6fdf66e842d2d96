//! Some of the crops that a training would see, to be looked at.

use super::components::components;
use super::labels::Labels;
use super::training::{Channel, Training, canvases};
use crate::error::{Result, check};
use ndarray::{Array2, s};

/// A crop, and the middles of its targets' discs.
pub(crate) struct Example {
    pub image: Array2<f32>,
    pub marks: Vec<(Channel, f32, f32)>,
}

/// The first `count` crops of a training, and the radius of a target's disc in their pixels.
pub(crate) fn examples(labels: &Labels, training: &Training, count: usize) -> Result<(Vec<Example>, f32)> {
    training.validate()?;
    check("count", count, (1..=100).contains(&count), "from 1 to 100 crops")?;
    let canvases = canvases(std::slice::from_ref(labels), training)?;
    let batch = training.augment.batch(&canvases, count, 0, training.seed_of(0));
    let of = |i: usize| {
        let channels = training.output.channels().iter().enumerate();
        let marks = channels.flat_map(|(c, &channel)| {
            components(&batch.target.slice(s![i, c, .., ..]).mapv(|t| t > 0.5)).into_iter().map(move |pixels| {
                let n = pixels.len() as f32;
                let (y, x) = pixels.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0 as f32, sum.1 + p.1 as f32));
                (channel, y / n, x / n)
            })
        });
        Example { image: batch.image.slice(s![i, 0, .., ..]).to_owned(), marks: marks.collect() }
    };
    Ok(((0..count).map(of).collect(), labels.radius_px))
}
