//! What crops are cut from, as arrays of a file and back, to the last bit.

use super::augment::Canvas;
use super::cell::Kind;
use super::gain::Gain;
use super::memory::Memory;
use super::plant::Soil;
use super::sites::{Shape, Site};
use super::training::Input;
use crate::file::Array;
use ndarray::Array2;
use std::collections::BTreeMap;

const KINDS: [Kind; 3] = [Kind::Bright, Kind::Faint, Kind::Hollow];

/// Adds a canvas to a file's arrays, under names that begin with `prefix`.
pub(super) fn canvas_to(canvas: &Canvas, prefix: &str, arrays: &mut BTreeMap<String, Array>) {
    let map = |a: &Array2<f32>| -> Array { (a.shape().to_vec(), a.iter().copied().collect()) };
    let mut add = |name: &str, array: Array| arrays.insert(format!("{prefix}{name}"), array);
    add("image", map(&canvas.image));
    add("weight", map(&canvas.weight));
    add("period", (vec![1, 1], vec![canvas.period as f32]));
    for (i, target) in canvas.targets.iter().enumerate() {
        add(&format!("target{i}"), map(target));
    }
    add("labels", (vec![canvas.labels.len(), 2], canvas.labels.iter().flat_map(|&(y, x)| [y, x]).collect()));
    if let Some(soil) = &canvas.soil {
        let kind = |k: Kind| KINDS.iter().position(|&of| of == k).unwrap_or(0) as f32;
        let sites = soil.sites.iter().flat_map(|s| [s.at.0, s.at.1, kind(s.kind), s.height]).collect();
        add("sites", (vec![soil.sites.len(), 4], sites));
        add("expected", map(&soil.expected));
        let (shape, noise) = (soil.shape, soil.noise);
        let whole = if noise.whole { 1.0 } else { 0.0 };
        let numbers = vec![shape.core_px, shape.tail_px, shape.tail, noise.gain, noise.offset, whole, soil.radius_px];
        add("soil", (vec![1, numbers.len()], numbers));
    }
}

/// Takes a canvas out of a file's arrays; says in words what is wrong with it.
pub(super) fn canvas_of(arrays: &mut BTreeMap<String, Array>, prefix: &str, memory: &Memory) -> Result<Canvas, String> {
    let mut take = |name: &str| -> Result<Array2<f32>, String> {
        let name = format!("{prefix}{name}");
        match arrays.remove(&name) {
            Some((shape, values)) if shape.len() == 2 => {
                Array2::from_shape_vec((shape[0], shape[1]), values).map_err(|e| format!("{name}: {e}"))
            }
            _ => Err(format!("{name} is missing")),
        }
    };
    let (image, weight, places) = (take("image")?, take("weight")?, take("labels")?);
    let Some(period) = take("period")?.first().copied().filter(|p| p.is_finite() && *p > 0.0) else {
        return Err("a frame's period is no length".into());
    };
    let channels = memory.training.output.channels().len();
    let targets = (0..channels).map(|i| take(&format!("target{i}"))).collect::<Result<Vec<_>, _>>()?;
    let soil = match (take("sites"), take("expected"), take("soil")) {
        (Ok(sites), Ok(expected), Ok(numbers)) => Some(soil(&sites, expected, &numbers, period)?),
        _ => None,
    };
    let other = |map: &Array2<f32>| map.dim() != image.dim();
    let unlike = targets.iter().any(other) || other(&weight) || soil.as_ref().is_some_and(|s| other(&s.expected));
    if image.is_empty() || unlike || places.ncols() != 2 {
        return Err("its frame, target and weight are not of one size".into());
    }
    let labels = places.rows().into_iter().map(|p| (p[0], p[1])).collect();
    let canvas = Canvas::new(image, period, targets, weight, labels, soil);
    Ok(canvas.with_backdrop(memory.training.input == Input::FrameAndRemainder))
}

fn soil(sites: &Array2<f32>, expected: Array2<f32>, numbers: &Array2<f32>, period_px: f32) -> Result<Soil, String> {
    let [core_px, tail_px, tail, gain, offset, whole, radius_px] = numbers.iter().copied().collect::<Vec<_>>()[..]
    else {
        return Err("a frame's soil does not have 7 numbers".into());
    };
    if sites.ncols() != 4 {
        return Err("a frame's sites do not have 4 columns".into());
    }
    let kind = |k: f32| KINDS.get(k as usize).copied().unwrap_or(Kind::Hollow);
    let sites = sites.rows().into_iter().map(|s| Site { at: (s[0], s[1]), kind: kind(s[2]), height: s[3] }).collect();
    let shape = Shape { core_px, tail_px, tail };
    Ok(Soil { sites, shape, noise: Gain { gain, offset, whole: whole > 0.5 }, expected, radius_px, period_px })
}
