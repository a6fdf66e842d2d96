// Run by the kernel before the first cell of a notebook.
use atomotion::prelude::*;

// rust-analyzer learns about a type when it first meets one. It meets the common ones here, so that the first cells of
// the user need not wait. Nothing of this runs.
let atomotion_warm_up = || -> std::result::Result<(), Box<dyn std::error::Error>> {
    use atomotion::ndarray::Array2;
    use atomotion::polars::prelude::*;
    use atomotion::tch::{Device, Kind, Tensor};
    let frame = df!("a" => [1, 2])?;
    let frame = frame.lazy().filter(col("a").gt(lit(1))).group_by([col("a")]).agg([col("a").sum()]).collect()?;
    let column = frame.column("a")?.i32()?.iter().flatten().map(|value| value as f64).collect::<Vec<_>>();
    let image = Array2::<f32>::from_shape_fn((2, 2), |(y, x)| (y * x) as f32).mapv(|value| value + 1.0);
    let total = image.sum() + image.iter().sum::<f32>() + image.slice(atomotion::ndarray::s![0..1, ..]).sum();
    let tensor = Tensor::zeros([2, 2], (Kind::Float, Device::Cpu)) + 1.0;
    let text = format!("{column:?} {total} {:?}", tensor.size());
    Ok(drop(text))
};
let atomotion_warm_up = ();
// Where a type can be named from, it looks up when it first names one.
let atomotion_image = atomotion::ndarray::Array2::<f32>::zeros((1, 1));
let atomotion_image = ();
// evcxr allows `?` once it has met one, and until then shows the value of a cell that has one as bare text.
std::result::Result::<(), String>::Ok(())?;
// Tells evcxr to forget the variables of this cell.
println!("EVCXR_ERROR_OCCURRED");
