//! EMD as the National Center for Electron Microscopy defined it: a group with `data`, and a dataset of positions an
//! axis. Axes are counted from 0, as since version 1.0, which says to HyperSpy that frames come first.

use super::hdf5::{Builder, Type, Value};
use super::{Plan, Stored, Wrapping};
use crate::movie::Axis;

fn positions(file: &mut Builder, name: &str, axis: &Axis) -> u64 {
    let values: Vec<f64> = (0..axis.size).map(|i| axis.offset + i as f64 * axis.scale).collect();
    let mut attributes = vec![("name", Value::Text(name))];
    if !axis.units.is_empty() {
        attributes.push(("units", Value::Text(&axis.units)));
    }
    file.numbers(&values, &attributes)
}

pub(super) fn wrapping(plan: &Plan) -> Result<Wrapping, String> {
    let [time, y, x] = plan.movie.axes();
    let all = [("time", time), ("y", y), ("x", x)];
    let axes = if time.size == 1 { &all[1..] } else { &all[..] };
    let mut file = Builder::new();
    let number = match plan.number {
        Stored::F32 => Type::Float(4),
        Stored::U16 => Type::Unsigned(2),
        Stored::U8 => Type::Unsigned(1),
    };
    let sizes: Vec<u64> = axes.iter().map(|(_, axis)| axis.size as u64).collect();
    let data = file.large(number, &sizes, plan.data_bytes());
    let dims: Vec<_> = axes.iter().map(|(name, axis)| positions(&mut file, name, axis)).collect();
    let names = ["dim0", "dim1", "dim2"];
    let links: Vec<_> = [("data", data)].into_iter().chain(names.into_iter().zip(dims)).collect();
    let movie = file.group(&links, &[("emd_group_type", Value::Number(1))]);
    let group = file.group(&[("movie", movie)], &[]);
    // Links and attributes are told apart by name: of several entries with one name the first is kept.
    let mut kept = std::collections::HashSet::new();
    let comments: Vec<_> =
        plan.metadata().filter(|(name, _)| kept.insert(*name)).map(|(n, value)| (n, Value::Text(value))).collect();
    let comments = file.group(&[], &comments);
    let version = [("version_major", Value::Number(1)), ("version_minor", Value::Number(0))];
    let root = file.group(&[("data", group), ("comments", comments)], &version);
    Ok(Wrapping { before: file.finish(root, plan.data_bytes()), after: vec![] })
}
