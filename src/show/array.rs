//! Arrays: an image where there are enough pixels for one, a table or text where there are few.

use super::{Content, Value, png_html, table};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use tch::Tensor;

/// From this many rows and columns on, an array is looked at, not read.
const IMAGE_SIDE: usize = 16;
/// Larger images are averaged down to at most this many pixels a side.
const LARGEST_SIDE: usize = 1024;
/// Width of an image on the page, in CSS pixels, where its own size does not say otherwise.
const SHOWN_WIDTH: std::ops::RangeInclusive<usize> = 256..=512;
/// Tensors with at most this many elements show them.
const FEW: usize = 100;

/// What to show for an array of numbers, owned or borrowed; `None` for anything else.
pub(super) fn content(value: &Value) -> Option<Content> {
    macro_rules! try_elements {
        ($($element:ty),*) => {$(
            if let Some(array) = value.cast::<Array2<$element>>() {
                return Some(plane(stringify!($element), array.mapv(|v| v as f64)));
            }
            if let Some(array) = value.cast::<ArrayView2<'static, $element>>() {
                return Some(plane(stringify!($element), array.mapv(|v| v as f64)));
            }
            if let Some(array) = value.cast::<Array1<$element>>() {
                return Some(Content::text(line(stringify!($element), array.len(), array)));
            }
            if let Some(array) = value.cast::<ArrayView1<'static, $element>>() {
                return Some(Content::text(line(stringify!($element), array.len(), array)));
            }
        )*};
    }
    try_elements!(f32, f64, u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);
    if let Some(array) = value.cast::<Array2<bool>>() {
        return Some(plane("bool", array.mapv(|v| f64::from(u8::from(v)))));
    }
    None
}

/// A tensor by shape, kind and device, with its elements where there are few.
pub(super) fn tensor(tensor: &Tensor) -> String {
    if !tensor.defined() {
        return "Tensor, undefined".to_owned();
    }
    let title = format!("Tensor {:?} {:?} on {:?}", tensor.size(), tensor.kind(), tensor.device());
    if tensor.numel() > FEW {
        return title;
    }
    match tensor.to_string(80) {
        Ok(values) => format!("{title}\n{values}"),
        Err(_) => title,
    }
}

fn line(element: &str, length: usize, values: &impl std::fmt::Display) -> String {
    format!("{length} × {element}\n{values}")
}

fn plane(element: &str, array: Array2<f64>) -> Content {
    let (rows, columns) = array.dim();
    let mut title = format!("{rows} × {columns} {element}");
    let range = range(&array);
    if let Some((low, high)) = range {
        title.push_str(&format!(", {} to {}", table::number(low), table::number(high)));
    }
    if rows < IMAGE_SIDE || columns < IMAGE_SIDE {
        let html = table::numbers(&title, rows, columns, |row, column| array[[row, column]]);
        return Content { plain: Some(format!("{title}\n{}", array.mapv(table::number))), html: Some(html) };
    }
    let html = image(&reduce(array), range).map(|png| {
        let width = columns.clamp(*SHOWN_WIDTH.start(), *SHOWN_WIDTH.end());
        format!("{}<div style=\"opacity:.7\">{title}</div>", png_html(&png, width))
    });
    Content { plain: Some(title), html }
}

/// The smallest and largest finite value.
fn range(array: &Array2<f64>) -> Option<(f64, f64)> {
    let finite = array.iter().copied().filter(|value| value.is_finite());
    finite.fold(None, |range, value| {
        let (low, high) = range.unwrap_or((value, value));
        Some((value.min(low), value.max(high)))
    })
}

/// Averages blocks of pixels until both sides fit `LARGEST_SIDE`.
fn reduce(array: Array2<f64>) -> Array2<f64> {
    let (rows, columns) = array.dim();
    let block = rows.max(columns).div_ceil(LARGEST_SIDE);
    if block <= 1 {
        return array;
    }
    let small = (rows.div_ceil(block), columns.div_ceil(block));
    Array2::from_shape_fn(small, |(y, x)| {
        let (top, left) = (y * block, x * block);
        let (bottom, right) = ((top + block).min(rows), (left + block).min(columns));
        array.slice(ndarray::s![top..bottom, left..right]).mean().unwrap_or(f64::NAN)
    })
}

/// A grey PNG, black at the smallest value; what is not a number is black, too.
fn image(array: &Array2<f64>, range: Option<(f64, f64)>) -> Option<Vec<u8>> {
    let (low, high) = range.unwrap_or((0.0, 1.0));
    let scale = if high > low { 255.0 / (high - low) } else { 0.0 };
    let pixels: Vec<u8> = array.iter().map(|value| ((value - low) * scale).round() as u8).collect();
    let (rows, columns) = array.dim();
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, columns as u32, rows as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&pixels).ok()?;
    writer.finish().ok()?;
    Some(png)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn large_arrays_are_images_and_small_ones_tables() {
        let large = content(&Value::of(&Array2::<f32>::zeros((16, 20)))).unwrap();
        assert!(large.html.unwrap().contains("data:image/png;base64,"));
        assert_eq!(large.plain.unwrap(), "16 × 20 f32, 0 to 0");
        let small = content(&Value::of(&Array2::<u8>::from_elem((2, 20), 7))).unwrap();
        let html = small.html.unwrap();
        assert!(html.contains("<table") && html.contains(">7<"));
    }

    #[test]
    fn views_show_as_arrays_do() {
        let array = Array2::<f64>::from_elem((2, 2), f64::NAN);
        assert!(content(&Value::of(&array.view())).is_some());
        assert!(content(&Value::of(&array.row(0))).unwrap().plain.unwrap().starts_with("2 × f64"));
    }

    #[test]
    fn wide_images_are_averaged_down() {
        let reduced = reduce(Array2::from_elem((10, 3000), 2.0));
        assert_eq!(reduced.dim(), (4, 1000));
        assert!(reduced.iter().all(|value| *value == 2.0));
    }

    #[test]
    fn a_frame_without_a_finite_value_is_still_an_image() {
        assert!(image(&Array2::from_elem((16, 16), f64::NAN), None).is_some());
    }

    #[test]
    fn tensors_tell_shape_kind_and_device() {
        let few = tensor(&Tensor::zeros([2, 3], (Kind::Float, Device::Cpu)));
        assert!(few.starts_with("Tensor [2, 3] Float on Cpu\n"), "{few}");
        let many = tensor(&Tensor::zeros([200], (Kind::Int64, Device::Cpu)));
        assert_eq!(many, "Tensor [200] Int64 on Cpu");
    }
}
