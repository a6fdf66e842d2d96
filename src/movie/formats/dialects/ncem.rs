//! EMD as the National Center for Electron Microscopy defined it: groups marked `emd_group_type` with `data` and a
//! dataset of positions an axis: `dim1`, `dim2` and so on, or from `dim0` since version 1.0.
//!
//! The order of axes is not the same everywhere: ncempy writes (frames, rows, columns), HyperSpy columns first. Names
//! of axes decide where there are any; else files that begin with `dim1` are taken to be HyperSpy's.

use super::{Axis, Candidate, Hdf5, Layout, Metadata, Object, attribute, number, positions, spacing, text, tree, walk};

struct Described {
    name: String,
    scale: Option<(f64, f64)>,
    units: String,
}

pub fn find<'a>(file: &Hdf5, root: &Object) -> Result<Vec<Candidate<'a>>, String> {
    let mut found = vec![];
    for (path, group) in walk(file, root)? {
        let marked = file.attributes(&group).unwrap_or_default();
        if attribute(&marked, "emd_group_type").is_none() {
            continue;
        }
        for (name, address) in file.links(&group)?.into_iter().filter(|(name, _)| is_data(name)) {
            let object = file.object(address)?;
            let Some(dataset) = file.dataset(&object)? else { continue };
            let sizes = dataset.sizes().to_vec();
            let (axes, from_one) = axes(file, &group, sizes.len())?;
            let layout = dataset.number().and_then(|_| layout(&sizes, &axes, from_one));
            let name = if name == "data" { path.clone() } else { format!("{path}/{name}") };
            let (order, root) = (layout.clone(), root.address);
            let describe = move |file: &Hdf5, plain: [Axis; 3]| {
                let axes = scaled(plain, order, &axes);
                Ok((axes, metadata(file, &file.object(root)?)?))
            };
            found.push(Candidate { name, address, sizes, layout, describe: Box::new(describe) });
        }
    }
    Ok(found)
}

fn is_data(name: &str) -> bool {
    ["data", "realslice", "diffractionslice", "datacube"].iter().any(|known| name.starts_with(known))
}

/// The axes in the dataset's order, and whether they are counted from one.
fn axes(file: &Hdf5, group: &Object, rank: usize) -> Result<(Vec<Described>, bool), String> {
    let links = file.links(group)?;
    let find = |name: String| links.iter().find(|(n, _)| *n == name).map(|(_, address)| *address);
    let first = usize::from(find("dim0".into()).is_none());
    let mut axes = vec![];
    for i in 0..rank {
        let mut axis = Described { name: String::new(), scale: None, units: String::new() };
        if let Some(address) = find(format!("dim{}", i + first)) {
            let object = file.object(address)?;
            let attributes = file.attributes(&object)?;
            axis.name = text(&attributes, "name").unwrap_or_default();
            axis.units = plain_units(&text(&attributes, "units").unwrap_or_default());
            axis.scale = spacing(&positions(file, &object)?);
        }
        axes.push(axis);
    }
    Ok((axes, first == 1))
}

/// `[n_m]` is how the format writes nm.
fn plain_units(units: &str) -> String {
    match units.trim().strip_prefix('[').and_then(|u| u.strip_suffix(']')) {
        Some(inside) => inside.replace('_', ""),
        None => units.trim().to_string(),
    }
}

fn layout(sizes: &[u64], axes: &[Described], from_one: bool) -> Result<Layout, String> {
    let usual = Layout::usual(sizes)?;
    let is = |i: usize, letter: char| axes[i].name.trim().to_lowercase().starts_with(letter);
    let last = sizes.len() - 1;
    let columns_first = match (is(0, 'x'), is(last, 'x')) {
        (true, false) => true,
        (false, true) => false,
        _ => from_one && !is(0, 'y') || is(last, 'y') && !is(0, 'y'),
    };
    Ok(match (columns_first, last) {
        (true, 1) => Layout::Axes { frames: None, y: 1, x: 0 },
        (true, _) => Layout::Axes { frames: Some(2), y: 1, x: 0 },
        _ => usual,
    })
}

fn scaled(axes: [Axis; 3], layout: Result<Layout, String>, described: &[Described]) -> [Axis; 3] {
    let Ok(Layout::Axes { frames, y, x }) = layout else { return axes };
    let mut axes = axes;
    for (axis, i) in [(0, frames), (1, Some(y)), (2, Some(x))] {
        if let Some(d) = i.and_then(|i| described.get(i)) {
            let (scale, offset) = d.scale.unwrap_or((1.0, 0.0));
            axes[axis] = axes[axis].clone().scaled(scale, offset, &d.units);
        }
    }
    axes
}

fn metadata(file: &Hdf5, root: &Object) -> Result<Metadata, String> {
    let mut metadata = Metadata::default();
    for name in ["microscope", "sample", "user", "comments"] {
        if let Some(group) = file.child(root, name)? {
            let mut own = Metadata::default();
            tree(file, &group, &mut own)?;
            own.iter().for_each(|(key, value)| metadata.add(format!("{name}.{key}"), value));
        }
    }
    // In volts by the format's examples, in kilovolts by habit.
    let attributes = match file.child(root, "microscope")? {
        Some(group) => file.attributes(&group)?,
        None => vec![],
    };
    let volts = number(&attributes, "voltage").or_else(|| number(&attributes, "accelerating voltage"));
    if let Some(volts) = volts.filter(|v| *v > 0.0) {
        metadata.insert_common("voltage_kv", (if volts > 5000.0 { volts / 1000.0 } else { volts }).to_string());
    }
    metadata.common("magnification", 1.0, &["microscope.magnification"]);
    metadata.common_text("instrument", &["microscope.name", "microscope.microscope name"]);
    // What Atomotion itself writes there.
    for name in super::super::COMMON {
        metadata.common_text(name, &[&format!("comments.{name}")]);
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(names: &[&str], from_one: bool) -> Layout {
        let axis = |name: &&str| Described { name: (*name).into(), scale: None, units: String::new() };
        let axes: Vec<_> = names.iter().map(axis).collect();
        layout(&vec![2; names.len()], &axes, from_one).unwrap()
    }

    #[test]
    fn names_of_axes_decide_their_order() {
        let rows_first = Layout::Axes { frames: Some(0), y: 1, x: 2 };
        let columns_first = Layout::Axes { frames: Some(2), y: 1, x: 0 };
        for from_one in [false, true] {
            assert_eq!(order(&["time", "y", "x"], from_one), rows_first);
            assert_eq!(order(&["X", "Y", "time"], from_one), columns_first);
        }
        assert_eq!(order(&["", "", ""], false), rows_first);
        assert_eq!(order(&["", "", ""], true), columns_first); // HyperSpy's way
        assert_eq!(order(&["y", "x"], true), Layout::Axes { frames: None, y: 0, x: 1 });
        assert_eq!(order(&["x", "y"], false), Layout::Axes { frames: None, y: 1, x: 0 });
    }

    #[test]
    fn units_as_the_format_writes_them() {
        assert_eq!(
            (plain_units("[n_m]"), plain_units("[]"), plain_units("nm")),
            ("nm".into(), String::new(), "nm".into())
        );
    }
}
