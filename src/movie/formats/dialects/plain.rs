//! Any other HDF5 file: its arrays of two or three dimensions, with the axes that NSID attaches to them.

use super::{Axis, Candidate, Hdf5, Layout, Metadata, Object, Value, attribute, positions, spacing, text, walk};

pub fn find<'a>(file: &Hdf5, root: &Object) -> Result<Vec<Candidate<'a>>, String> {
    let mut found = vec![];
    for (path, object) in walk(file, root)? {
        let attributes = file.attributes(&object).unwrap_or_default();
        // One that cannot be read is offered with its reason, unless it has nothing to do with images.
        let dataset = match file.dataset(&object) {
            Ok(Some(dataset)) => dataset,
            Ok(None) => continue,
            Err(problem) => {
                found.push(broken(path, &object, problem));
                continue;
            }
        };
        let sizes = dataset.sizes().to_vec();
        let scale = attribute(&attributes, "CLASS").and_then(|v| v.text().map(|t| t == "DIMENSION_SCALE"));
        if sizes.len() < 2 || sizes.iter().rev().take(2).any(|&n| n < 2) || scale == Some(true) {
            continue;
        }
        let axes = described(file, &attributes, sizes.len());
        let layout = dataset.number().and_then(|_| layout(&sizes, &axes));
        let order = layout.clone();
        let describe = move |_: &Hdf5, mut plain: [Axis; 3]| {
            let mut metadata = Metadata::default();
            for (name, value) in &attributes {
                if let Some(shown) = value.shown() {
                    metadata.add(name.clone(), shown);
                }
            }
            if let Ok(Layout::Axes { frames, y, x }) = order {
                for (axis, i) in [(0, frames), (1, Some(y)), (2, Some(x))] {
                    if let Some(d) = i.and_then(|i| axes.get(i)) {
                        plain[axis] = plain[axis].clone().scaled(d.scale.0, d.scale.1, &d.units);
                    }
                }
            }
            Ok((plain, metadata))
        };
        found.push(Candidate { name: path, address: object.address, sizes, layout, describe: Box::new(describe) });
    }
    Ok(found)
}

fn broken<'a>(name: String, object: &Object, problem: String) -> Candidate<'a> {
    let describe = Box::new(|_: &Hdf5, axes| Ok((axes, Metadata::default())));
    Candidate { name, address: object.address, sizes: vec![], layout: Err(problem), describe }
}

struct Described {
    scale: (f64, f64),
    units: String,
    kind: String,
}

/// NSID: an attribute refers to a dataset of positions for each axis.
fn described(file: &Hdf5, attributes: &[(String, Value)], rank: usize) -> Vec<Described> {
    let Some(Value::References(addresses)) = attribute(attributes, "DIMENSION_LIST") else { return vec![] };
    if addresses.len() != rank {
        return vec![];
    }
    let one = |address: u64| {
        let object = file.object(address).ok()?;
        let own = file.attributes(&object).ok()?;
        let scale = spacing(&positions(file, &object).ok()?).unwrap_or((1.0, 0.0));
        let words = |name| text(&own, name).unwrap_or_default();
        Some(Described { scale, units: words("units"), kind: words("dimension_type").to_lowercase() })
    };
    addresses.into_iter().map(one).collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// Rows and columns are the two spatial axes where the file names them.
fn layout(sizes: &[u64], axes: &[Described]) -> Result<Layout, String> {
    let spatial: Vec<usize> = (0..axes.len()).filter(|&i| axes[i].kind.contains("spatial")).collect();
    match (sizes.len(), &spatial[..]) {
        (3, &[y, x]) => Ok(Layout::Axes { frames: (0..3).find(|i| *i != y && *i != x), y, x }),
        _ => Layout::usual(sizes),
    }
}
