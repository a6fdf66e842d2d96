//! HyperSpy's `.hspy`: signals in `Experiments`, each with `data`, a group an axis, and metadata.

use super::{Axis, Candidate, Hdf5, Layout, Metadata, Object, number, text, tree};

/// An axis as its group describes it.
struct Described {
    scale: f64,
    offset: f64,
    units: String,
    navigate: Option<bool>,
}

pub fn find<'a>(file: &Hdf5, root: &Object) -> Result<Vec<Candidate<'a>>, String> {
    let Some(experiments) = file.child(root, "Experiments")? else { return Ok(vec![]) };
    let mut found = vec![];
    for (name, address) in file.links(&experiments)? {
        let signal = file.object(address)?;
        let Some(data) = file.child(&signal, "data")? else { continue };
        let Some(dataset) = file.dataset(&data)? else { continue };
        let sizes = dataset.sizes().to_vec();
        let axes = axes(file, &signal, sizes.len())?;
        let layout = dataset.number().and_then(|_| layout(&sizes, &axes));
        let order = layout.clone();
        let describe = move |file: &Hdf5, plain: [Axis; 3]| {
            let mut metadata = Metadata::default();
            common(file, &signal, &mut metadata)?;
            let Ok(Layout::Axes { frames, y, x }) = order else { return Ok((plain, metadata)) };
            let [t, h, w] = plain;
            let of = |axis: Axis, i: Option<usize>| match i.and_then(|i| axes.get(i)) {
                Some(a) => axis.scaled(a.scale, a.offset, &a.units),
                None => axis,
            };
            let axes = [of(t, frames), of(h, Some(y)), of(w, Some(x))];
            if let Some(seconds) = axes[0].seconds() {
                metadata.insert_common("frame_time_s", seconds.to_string());
            }
            Ok((axes, metadata))
        };
        found.push(Candidate { name, address: data.address, sizes, layout, describe: Box::new(describe) });
    }
    Ok(found)
}

fn axes(file: &Hdf5, signal: &Object, rank: usize) -> Result<Vec<Described>, String> {
    let links = file.links(signal)?;
    let mut axes = vec![];
    for i in 0..rank {
        let name = format!("axis-{i}");
        let address = links.iter().find(|(n, _)| *n == name).map(|(_, address)| *address);
        let attributes = match address {
            Some(address) => file.attributes(&file.object(address)?)?,
            None => vec![],
        };
        axes.push(Described {
            scale: number(&attributes, "scale").unwrap_or(f64::NAN),
            offset: number(&attributes, "offset").unwrap_or(0.0),
            units: text(&attributes, "units").filter(|u| u != "_None_").unwrap_or_default(),
            navigate: number(&attributes, "navigate").map(|n| n != 0.0),
        });
    }
    Ok(axes)
}

/// Frames are along the axis that is navigated, wherever it stands; else along the first.
fn layout(sizes: &[u64], axes: &[Described]) -> Result<Layout, String> {
    let navigated: Vec<usize> = (0..axes.len()).filter(|&i| axes[i].navigate == Some(true)).collect();
    match (sizes.len(), &navigated[..]) {
        (3, &[frames]) => {
            let rest: Vec<usize> = (0..3).filter(|&i| i != frames).collect();
            Ok(Layout::Axes { frames: Some(frames), y: rest[0], x: rest[1] })
        }
        // A spectrum at every point: the energy goes along the last axis, and a frame is an image at one energy.
        (3, &[0, 1]) => Ok(Layout::Axes { frames: Some(2), y: 0, x: 1 }),
        _ => Layout::usual(sizes),
    }
}

fn common(file: &Hdf5, signal: &Object, metadata: &mut Metadata) -> Result<(), String> {
    for group in ["metadata", "original_metadata"] {
        if let Some(object) = file.child(signal, group)? {
            tree(file, &object, metadata)?;
        }
    }
    let date: Vec<&str> = ["General.date", "General.time"].iter().filter_map(|n| metadata.get(n)).collect();
    let date = date.join(" ");
    if !date.is_empty() {
        metadata.insert_common("acquired", date);
    }
    let instrument = |name: &str| format!("Acquisition_instrument.{name}");
    metadata.common_text("title", &["General.title"]);
    for kind in ["TEM", "SEM"] {
        metadata.common("voltage_kv", 1.0, &[&instrument(&format!("{kind}.beam_energy"))]);
        metadata.common("magnification", 1.0, &[&instrument(&format!("{kind}.magnification"))]);
        metadata.common("dwell_time_s", 1.0, &[&instrument(&format!("{kind}.dwell_time"))]);
        metadata.common_text("instrument", &[&instrument(&format!("{kind}.microscope"))]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_where_the_signal_is_navigated() {
        let order = |navigate: [bool; 3]| {
            let axis = |n| Described { scale: 1.0, offset: 0.0, units: String::new(), navigate: Some(n) };
            layout(&[2, 3, 4], &navigate.map(axis)).unwrap()
        };
        assert_eq!(order([true, false, false]), Layout::Axes { frames: Some(0), y: 1, x: 2 });
        assert_eq!(order([false, false, true]), Layout::Axes { frames: Some(2), y: 0, x: 1 });
        assert_eq!(order([true, true, false]), Layout::Axes { frames: Some(2), y: 0, x: 1 });
        assert_eq!(order([false, false, false]), Layout::Axes { frames: Some(0), y: 1, x: 2 });
    }
}
