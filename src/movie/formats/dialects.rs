//! Movies in HDF5 files: Velox and NCEM EMD, HyperSpy, USID and NSID, and plain arrays.

mod hyperspy;
mod ncem;
mod plain;
mod usid;
mod velox;

use super::hdf5::{Dataset, Hdf5, Object, Value};
use super::input::Input;
use super::number::Number;
use super::{Axis, Frames, Metadata, Parsed, choose, shape_text, size};
use std::sync::Arc;

/// Objects in one file, and groups inside groups: more than any movie's file has.
const MOST_OBJECTS: usize = 20_000;
const DEEPEST: usize = 16;

pub fn parse(input: &Arc<Input>, choice: Option<&str>) -> Result<Parsed, String> {
    let file = Hdf5::open(input.clone())?;
    let root = file.root()?;
    let mut found = vec![];
    for dialect in [velox::find, hyperspy::find, ncem::find, usid::find, plain::find] {
        found = dialect(&file, &root)?;
        if !found.is_empty() {
            break;
        }
    }
    // Several datasets of which some are no images: those are not offered.
    if found.iter().any(|c| c.layout.is_ok()) {
        found.retain(|c| c.layout.is_ok());
    }
    let names: Vec<_> = found.iter().map(|c| (c.name.clone(), shape_text(&c.sizes))).collect();
    if names.is_empty() {
        return Err("holds no dataset of two or three dimensions".into());
    }
    let chosen = found.swap_remove(choose(&names, choice)?);
    let layout = chosen.layout.map_err(|problem| format!("{problem} (dataset {})", chosen.name))?;
    let object = file.object(chosen.address)?;
    let dataset = file.dataset(&object)?.ok_or("is damaged: a dataset is gone")?;
    let number = dataset.number()?;
    let (axes, metadata) = (chosen.describe)(&file, layout.axes(&dataset)?)?;
    let frames = Movie { layout, height: axes[1].size, width: axes[2].size, number, dataset };
    Ok(Parsed { frames: Box::new(frames), axes, metadata })
}

type Describe<'a> = Box<dyn FnOnce(&Hdf5, [Axis; 3]) -> Result<([Axis; 3], Metadata), String> + 'a>;

/// A dataset that could be a movie.
struct Candidate<'a> {
    name: String,
    address: u64,
    sizes: Vec<u64>,
    layout: Result<Layout, String>,
    /// Scales, units and metadata, once it was chosen.
    describe: Describe<'a>,
}

/// How frames, rows and columns lie in a dataset.
#[derive(Debug, Clone, PartialEq)]
enum Layout {
    /// The dataset's axes that hold frames, rows and columns.
    Axes { frames: Option<usize>, y: usize, x: usize },
    /// Two axes that stand for three, as USID keeps them: frames along one, rows and columns along the other.
    Folded { frames: usize, height: usize, width: usize },
}

impl Layout {
    /// The usual order: the last two axes are rows and columns.
    fn usual(sizes: &[u64]) -> Result<Layout, String> {
        match sizes.len() {
            2 => Ok(Layout::Axes { frames: None, y: 0, x: 1 }),
            3 => Ok(Layout::Axes { frames: Some(0), y: 1, x: 2 }),
            n => Err(format!("holds data of {n} dimensions ({}): a frame has 2, a movie 3", shape_text(sizes))),
        }
    }

    fn axes(&self, dataset: &Dataset) -> Result<[Axis; 3], String> {
        let sizes = dataset.sizes();
        let of = |axis: usize| sizes.get(axis).copied().ok_or("is damaged: an axis is missing");
        let (frames, height, width) = match *self {
            Layout::Axes { frames, y, x } => (frames.map_or(Ok(1), of)?, of(y)?, of(x)?),
            Layout::Folded { frames, height, width } => (of(frames)?, height as u64, width as u64),
        };
        Ok([Axis::new(size(frames)?), Axis::new(size(height)?), Axis::new(size(width)?)])
    }
}

struct Movie {
    dataset: Dataset,
    layout: Layout,
    height: usize,
    width: usize,
    number: (Number, bool),
}

impl Frames for Movie {
    fn read(&self, index: usize) -> Result<Vec<f32>, String> {
        let (fixed, turned) = match self.layout {
            Layout::Axes { frames, y, x } => (frames, y > x),
            Layout::Folded { frames, .. } => (Some(frames), false),
        };
        if fixed.is_none() && index > 0 {
            return Err(format!("has no frame {index}"));
        }
        let raw = self.dataset.read(fixed.map(|axis| (axis, index as u64)))?;
        let pixels = self.number.0.decode(&raw, self.number.1);
        let (h, w) = (self.height, self.width);
        if pixels.len() != h * w {
            return Err(format!("is damaged: frame {index} has {} pixels instead of {h} x {w}", pixels.len()));
        }
        if !turned {
            return Ok(pixels);
        }
        Ok((0..h * w).map(|i| pixels[i % w * h + i / w]).collect())
    }
}

/// Every object below one, with its path; soft links and circles are not followed.
fn walk(file: &Hdf5, root: &Object) -> Result<Vec<(String, Object)>, String> {
    let mut found = vec![];
    let mut seen = std::collections::HashSet::from([root.address]);
    let mut groups = vec![(String::new(), file.links(root)?, 0)];
    while let Some((path, links, depth)) = groups.pop() {
        for (name, address) in links {
            if !seen.insert(address) || found.len() >= MOST_OBJECTS {
                continue;
            }
            // One damaged object must not hide the others.
            let Ok(object) = file.object(address) else { continue };
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            if depth < DEEPEST {
                groups.push((path.clone(), file.links(&object).unwrap_or_default(), depth + 1));
            }
            found.push((path, object));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

fn attribute(attributes: &[(String, Value)], name: &str) -> Option<Value> {
    attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone())
}

fn number(attributes: &[(String, Value)], name: &str) -> Option<f64> {
    attribute(attributes, name)?.number()
}

fn text(attributes: &[(String, Value)], name: &str) -> Option<String> {
    attribute(attributes, name)?.text().map(ToString::to_string)
}

/// Attributes of a group and of all groups in it, as metadata.
fn tree(file: &Hdf5, group: &Object, metadata: &mut Metadata) -> Result<(), String> {
    let own = file.attributes(group)?;
    let below = walk(file, group)?;
    let add = |path: &str, attributes: Vec<(String, Value)>, metadata: &mut Metadata| {
        for (name, value) in attributes {
            if let Some(shown) = value.shown() {
                metadata.add(if path.is_empty() { name } else { format!("{path}.{name}") }, shown);
            }
        }
    };
    add("", own, metadata);
    for (path, object) in &below {
        add(&path.replace('/', "."), file.attributes(object).unwrap_or_default(), metadata);
    }
    Ok(())
}

/// A scale from the first values of an axis that is given as positions.
fn spacing(values: &[f64]) -> Option<(f64, f64)> {
    match *values {
        [first, second, ..] => Some((second - first, first)),
        _ => None,
    }
}

/// Values of a dataset that is small enough to be an axis.
fn positions(file: &Hdf5, object: &Object) -> Result<Vec<f64>, String> {
    let Some(dataset) = file.dataset(object)? else { return Ok(vec![]) };
    let total = dataset.sizes().iter().try_fold(1_u64, |all, &n| all.checked_mul(n));
    if total.is_none_or(|n| n > 1 << 24) {
        return Ok(vec![]);
    }
    Ok(match dataset.value()? {
        Some(Value::Numbers(values)) => values,
        _ => vec![],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_columns_by_the_number_of_axes() {
        assert_eq!(Layout::usual(&[5, 4]), Ok(Layout::Axes { frames: None, y: 0, x: 1 }));
        assert_eq!(Layout::usual(&[3, 5, 4]), Ok(Layout::Axes { frames: Some(0), y: 1, x: 2 }));
        assert!(Layout::usual(&[2, 3, 5, 4]).unwrap_err().contains("4 dimensions (2 x 3 x 5 x 4)"));
        assert!(Layout::usual(&[7]).is_err());
    }

    #[test]
    fn scales_from_positions() {
        assert_eq!(spacing(&[1.0, 1.5, 2.0]), Some((0.5, 1.0)));
        assert_eq!(spacing(&[1.0]), None);
    }
}
