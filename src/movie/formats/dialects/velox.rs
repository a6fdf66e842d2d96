//! Velox's EMD: every image in `Data/Image`, as (rows, columns, frames), with metadata as JSON, a column a frame.

use super::{Axis, Candidate, Hdf5, Layout, Metadata, Object};
use serde_json::Value as Json;

const LONGEST_JSON: u64 = 1 << 24;

pub fn find<'a>(file: &Hdf5, root: &Object) -> Result<Vec<Candidate<'a>>, String> {
    let Some(data) = file.child(root, "Data")? else { return Ok(vec![]) };
    let Some(images) = file.child(&data, "Image")? else { return Ok(vec![]) };
    let mut found = vec![];
    for (name, address) in file.links(&images)? {
        let group = file.object(address)?;
        let Some(data) = file.child(&group, "Data")? else { continue };
        let Some(dataset) = file.dataset(&data)? else { continue };
        let sizes = dataset.sizes().to_vec();
        let layout = match (sizes.len(), dataset.number()) {
            (_, Err(problem)) => Err(problem),
            (3, Ok(_)) => Ok(Layout::Axes { frames: Some(2), y: 0, x: 1 }),
            _ => Layout::usual(&sizes),
        };
        let metadata = json(file, &group);
        let name = detector(&metadata).map_or_else(|| name.clone(), |detector| format!("{name}/{detector}"));
        let describe = Box::new(move |_: &Hdf5, axes| Ok(describe(&metadata, axes)));
        found.push(Candidate { name, address: data.address, sizes, layout, describe });
    }
    Ok(found)
}

/// The metadata of the first frame; nothing where they cannot be read.
fn json(file: &Hdf5, group: &Object) -> Json {
    let read = || {
        let object = file.child(group, "Metadata").ok()??;
        let dataset = file.dataset(&object).ok()??;
        let bytes = dataset.sizes().first().copied().filter(|&n| n <= LONGEST_JSON)?;
        let columns = dataset.sizes().get(1).copied().unwrap_or(1);
        let raw = dataset.read((columns > 0).then_some((1, 0))).ok()?;
        let end = raw.iter().position(|&b| b == 0).unwrap_or(raw.len()).min(bytes as usize);
        serde_json::from_slice(&raw[..end]).ok()
    };
    read().unwrap_or(Json::Null)
}

fn detector(json: &Json) -> Option<String> {
    json["BinaryResult"]["Detector"].as_str().map(ToString::to_string).filter(|name| !name.is_empty())
}

/// Numbers are kept as text.
fn number(json: &Json) -> Option<f64> {
    json.as_f64().or_else(|| json.as_str()?.parse().ok())
}

fn describe(json: &Json, mut axes: [Axis; 3]) -> ([Axis; 3], Metadata) {
    let mut metadata = Metadata::default();
    flatten("", json, &mut metadata, 0);
    let result = &json["BinaryResult"];
    for (axis, size, unit, offset) in [(2, "width", "PixelUnitX", "x"), (1, "height", "PixelUnitY", "y")] {
        if let (Some(scale), Some(unit)) = (number(&result["PixelSize"][size]), result[unit].as_str()) {
            axes[axis] = axes[axis].clone().scaled(scale, number(&result["Offset"][offset]).unwrap_or(0.0), unit);
        }
    }
    // Cameras have no frame time: their exposure is all there is.
    let index = number(&result["DetectorIndex"]).unwrap_or(0.0);
    let exposure = number(&json["Detectors"][format!("Detector-{index}")]["ExposureTime"]);
    let frame_time = number(&json["Scan"]["FrameTime"]).or(exposure);
    if let Some(seconds) = frame_time.filter(|_| axes[0].size > 1) {
        axes[0] = axes[0].clone().scaled(seconds, 0.0, "s");
    }
    if let Some(seconds) = exposure {
        metadata.insert_common("exposure_time_s", seconds.to_string());
    }
    metadata.common("frame_time_s", 1.0, &["Scan.FrameTime"]);
    metadata.common("dwell_time_s", 1.0, &["Scan.DwellTime"]);
    metadata.common("voltage_kv", 1e-3, &["Optics.AccelerationVoltage"]);
    metadata.common("magnification", 1.0, &["Optics.NominalMagnification", "CustomProperties.StemMagnification.value"]);
    metadata.common_text("detector", &["BinaryResult.Detector"]);
    metadata.common_text("instrument", &["Instrument.InstrumentModel", "Instrument.InstrumentClass"]);
    if let Some(seconds) = number(&json["Acquisition"]["AcquisitionStartDatetime"]["DateTime"]) {
        metadata.insert_common("acquired", super::super::date(seconds as u32));
    }
    (axes, metadata)
}

fn flatten(path: &str, json: &Json, metadata: &mut Metadata, depth: usize) {
    let below = |name: &str| if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
    match json {
        Json::Object(entries) if depth < 16 => {
            entries.iter().for_each(|(name, value)| flatten(&below(name), value, metadata, depth + 1));
        }
        Json::Array(values) if depth < 16 => {
            values.iter().enumerate().for_each(|(i, v)| flatten(&below(&i.to_string()), v, metadata, depth + 1));
        }
        Json::String(text) => metadata.add(path, text),
        Json::Number(number) => metadata.add(path, number),
        Json::Bool(value) => metadata.add(path, value),
        _ => {}
    }
}
