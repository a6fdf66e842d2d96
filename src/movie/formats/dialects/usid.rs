//! USID: data of any number of dimensions folded to two, positions along rows and what was measured there along
//! columns, with four further datasets that say how to unfold them.

use super::{Axis, Candidate, Dataset, Hdf5, Layout, Metadata, Object, Value, attribute, walk};

/// One of the folded dimensions.
#[derive(Debug, Clone)]
struct Dimension {
    units: String,
    size: usize,
    scale: f64,
    offset: f64,
    position: bool,
}

pub fn find<'a>(file: &Hdf5, root: &Object) -> Result<Vec<Candidate<'a>>, String> {
    let mut found = vec![];
    for (path, object) in walk(file, root)? {
        let attributes = file.attributes(&object).unwrap_or_default();
        if attribute(&attributes, "Position_Indices").is_none() {
            continue;
        }
        let Some(dataset) = file.dataset(&object)? else { continue };
        let folded = dataset.number().and_then(|_| unfold(file, &attributes, dataset.sizes()));
        let (layout, order) = match folded {
            Ok((layout, order)) => (Ok(layout), order),
            Err(problem) => (Err(problem), vec![]),
        };
        let sizes = if order.is_empty() { dataset.sizes().to_vec() } else { shape(&order) };
        let describe = move |_: &Hdf5, plain: [Axis; 3]| Ok((scaled(plain, &order), metadata(&attributes)));
        found.push(Candidate { name: path, address: object.address, sizes, layout, describe: Box::new(describe) });
    }
    Ok(found)
}

fn shape(order: &[Option<Dimension>]) -> Vec<u64> {
    order.iter().flatten().map(|d| d.size as u64).collect()
}

/// How frames lie in the folded dataset, and the dimensions that are frames, rows and columns.
fn unfold(
    file: &Hdf5,
    attributes: &[(String, Value)],
    sizes: &[u64],
) -> Result<(Layout, Vec<Option<Dimension>>), String> {
    let mut all = dimensions(file, attributes, "Position", true)?;
    all.extend(dimensions(file, attributes, "Spectroscopic", false)?);
    let [rows, columns] = *sizes else { return Err("is damaged: a USID dataset has two dimensions".into()) };
    let count = |position: bool| {
        let mut sizes = all.iter().filter(|d| d.position == position).map(|d| d.size as u64);
        sizes.try_fold(1_u64, u64::checked_mul)
    };
    if count(true) != Some(rows) || count(false) != Some(columns) {
        return Err("holds a grid with gaps, which cannot be unfolded into frames".into());
    }
    let used: Vec<Dimension> = all.into_iter().filter(|d| d.size > 1).collect();
    let positions = used.iter().filter(|d| d.position).count();
    match (&used[..], positions) {
        ([y, x], 2) => Ok((folded(1, y, x), vec![None, Some(y.clone()), Some(x.clone())])),
        ([y, x], 0) => Ok((folded(0, y, x), vec![None, Some(y.clone()), Some(x.clone())])),
        ([y, x, t], 2) => Ok((folded(1, y, x), vec![Some(t.clone()), Some(y.clone()), Some(x.clone())])),
        ([t, y, x], 1) => Ok((folded(0, y, x), vec![Some(t.clone()), Some(y.clone()), Some(x.clone())])),
        _ => Err(format!("holds data of {} dimensions: a frame has 2, a movie 3", used.len())),
    }
}

fn folded(frames: usize, y: &Dimension, x: &Dimension) -> Layout {
    Layout::Folded { frames, height: y.size, width: x.size }
}

/// Dimensions of one side, slowest first. Indices have a row a position; for spectra they are turned.
fn dimensions(
    file: &Hdf5,
    attributes: &[(String, Value)],
    side: &str,
    position: bool,
) -> Result<Vec<Dimension>, String> {
    let (indices, units) = table(file, attributes, &format!("{side}_Indices"), position)?;
    let (values, _) = table(file, attributes, &format!("{side}_Values"), position)?;
    let mut found = vec![];
    for (i, column) in indices.iter().enumerate() {
        let most = column.iter().fold(0.0_f64, |most, &n| most.max(n));
        // How many steps it takes until the index changes tells which dimension is the fastest.
        let repeats = column.iter().position(|&n| n != column[0]).unwrap_or(usize::MAX);
        let step = values.get(i).and_then(|v| Some(v.get(repeats.min(v.len().saturating_sub(1)))? - v.first()?));
        let first = values.get(i).and_then(|v| v.first()).copied().unwrap_or(0.0);
        let dimension = Dimension {
            units: units.get(i).cloned().unwrap_or_default(),
            size: if most < 1e9 { most as usize + 1 } else { 0 },
            scale: step.filter(|s| *s != 0.0).unwrap_or(1.0),
            offset: first,
            position,
        };
        found.push((repeats, dimension));
    }
    found.sort_by_key(|(repeats, _)| std::cmp::Reverse(*repeats));
    Ok(found.into_iter().map(|(_, dimension)| dimension).collect())
}

type Table = (Vec<Vec<f64>>, Vec<String>);

/// A table that an attribute refers to, by dimension, with units.
fn table(file: &Hdf5, attributes: &[(String, Value)], name: &str, rows: bool) -> Result<Table, String> {
    let missing = || format!("is damaged: it has no {name}");
    let Some(Value::References(addresses)) = attribute(attributes, name) else { return Err(missing()) };
    let object = file.object(*addresses.first().ok_or_else(missing)?)?;
    let dataset = file.dataset(&object)?.ok_or_else(missing)?;
    let own = file.attributes(&object)?;
    let units = match attribute(&own, "units") {
        Some(Value::Texts(units)) => units,
        _ => vec![],
    };
    let values = small(&dataset)?;
    let [first, second] = *dataset.sizes() else { return Err(missing()) };
    let (count, dimensions) = if rows { (first, second) } else { (second, first) };
    let (count, dimensions) = (count as usize, dimensions as usize);
    if values.len() != count.saturating_mul(dimensions) || count == 0 {
        return Err(missing());
    }
    let at = |i: usize, dimension: usize| if rows { i * dimensions + dimension } else { dimension * count + i };
    let columns = (0..dimensions).map(|d| (0..count).map(|i| values[at(i, d)]).collect()).collect();
    Ok((columns, units))
}

fn small(dataset: &Dataset) -> Result<Vec<f64>, String> {
    let total = dataset.sizes().iter().try_fold(1_u64, |all, &n| all.checked_mul(n));
    if total.is_none_or(|n| n > 1 << 26) {
        return Err("has tables of positions that are too large".into());
    }
    match dataset.value()? {
        Some(Value::Numbers(values)) => Ok(values),
        _ => Err("is damaged: positions are not numbers".into()),
    }
}

fn scaled(axes: [Axis; 3], order: &[Option<Dimension>]) -> [Axis; 3] {
    let mut axes = axes;
    for (axis, dimension) in axes.iter_mut().zip(order) {
        if let Some(d) = dimension {
            *axis = axis.clone().scaled(d.scale, d.offset, &d.units);
        }
    }
    axes
}

fn metadata(attributes: &[(String, Value)]) -> Metadata {
    let mut metadata = Metadata::default();
    for (name, value) in attributes {
        if let Some(shown) = value.shown() {
            metadata.add(name.clone(), shown);
        }
    }
    metadata
}
