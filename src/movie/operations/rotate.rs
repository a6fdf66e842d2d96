//! Frames turned about their centre.

use super::interpolate::sample;
use crate::error::{Error, Result, check};
use crate::movie::{FrameSource, Movie};
use ndarray::{Array2, Axis as Direction, Zip};
use std::sync::Arc;

/// A turn by quarters, which moves pixels and computes none.
struct Quarters {
    from: Arc<dyn FrameSource>,
    quarters: usize,
}

impl FrameSource for Quarters {
    fn shape(&self) -> (usize, usize, usize) {
        let (frames, height, width) = self.from.shape();
        if self.quarters % 2 == 1 { (frames, width, height) } else { (frames, height, width) }
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        let mut frame = self.from.read(index)?;
        for _ in 0..self.quarters {
            frame = frame.reversed_axes();
            frame.invert_axis(Direction(0));
        }
        Ok(frame.as_standard_layout().into_owned())
    }
}

/// A turn by any angle: the largest upright rectangle inside the turned frame.
struct Turned {
    from: Arc<dyn FrameSource>,
    sin: f64,
    cos: f64,
    size: (usize, usize),
}

impl FrameSource for Turned {
    fn shape(&self) -> (usize, usize, usize) {
        (self.from.shape().0, self.size.0, self.size.1)
    }

    fn read(&self, index: usize) -> Result<Array2<f32>> {
        let frame = self.from.read(index)?;
        let centre = |n: usize| (n as f64 - 1.0) / 2.0;
        let (cy, cx) = (centre(frame.nrows()), centre(frame.ncols()));
        let mut turned = Array2::zeros(self.size);
        Zip::indexed(&mut turned).par_for_each(|(y, x), to| {
            let (dy, dx) = (y as f64 - centre(self.size.0), x as f64 - centre(self.size.1));
            *to = sample(&frame, cy + dx * self.sin + dy * self.cos, cx + dx * self.cos - dy * self.sin);
        });
        Ok(turned)
    }
}

/// Height and width of the largest upright rectangle in a rectangle turned by an angle, from what its pixels' centres
/// span: either two of its corners touch the longer sides, or all four touch a side each.
fn inscribed((height, width): (usize, usize), sin: f64, cos: f64) -> (usize, usize) {
    let (h, w) = (height as f64 - 1.0, width as f64 - 1.0);
    let (sin, cos) = (sin.abs(), cos.abs());
    let (long, short) = (h.max(w), h.min(w));
    let (rows, columns) = if short <= 2.0 * sin * cos * long || (sin - cos).abs() < 1e-9 {
        let half = short / 2.0;
        if w >= h { (half / cos, half / sin) } else { (half / sin, half / cos) }
    } else {
        let double = cos * cos - sin * sin;
        ((h * cos - w * sin) / double, (w * cos - h * sin) / double)
    };
    let whole = |length: f64| (length + 1e-9).floor() as usize + 1;
    (whole(rows), whole(columns))
}

impl Movie {
    /// Every frame turned counter-clockwise, as it is shown, about its centre. Quarters move pixels; other angles are
    /// interpolated (cubic convolution) and give the largest upright rectangle inside the turned frame, so that every
    /// pixel was recorded. The centre keeps its place on the axes.
    ///
    /// # Errors
    /// If the angle is not finite, or is no multiple of 90 degrees and the pixels are not square.
    pub fn rotate(&self, degrees: f64) -> Result<Movie> {
        check("degrees", degrees, degrees.is_finite(), "a finite number of degrees, counter-clockwise")?;
        let within = degrees.rem_euclid(360.0);
        let step = format!("rotate {degrees} degrees counter-clockwise");
        let from = self.source.clone();
        let quarters = (within / 90.0).round();
        if within == 90.0 * quarters {
            let quarters = quarters as usize % 4;
            let mut movie = self.after(Quarters { from, quarters }, &step);
            if quarters % 2 == 1 {
                let [_, y, x] = &self.axes;
                for (to, from) in [(1, x), (2, y)] {
                    (movie.axes[to].scale, movie.axes[to].units) = (from.scale, from.units.clone());
                }
            }
            return Ok(self.same_centre(movie));
        }
        let [_, y, x] = &self.axes;
        if y.units != x.units || (y.scale / x.scale - 1.0).abs() > 0.01 {
            let pixel = format!("{} {} high and {} {} wide", y.scale, y.units, x.scale, x.units);
            let expected = format!("a multiple of 90, because the pixels are not square: {pixel}");
            return Err(Error::Option { option: "degrees", value: degrees.to_string(), expected });
        }
        let (sin, cos) = within.to_radians().sin_cos();
        let size = inscribed((self.height(), self.width()), sin, cos);
        Ok(self.same_centre(self.after(Turned { from, sin, cos, size }, &step)))
    }

    /// `turned` with offsets that leave this movie's centre where it is.
    fn same_centre(&self, mut turned: Movie) -> Movie {
        for (axis, old) in turned.axes.iter_mut().zip(&self.axes).skip(1) {
            let centre = old.offset + old.scale * (old.size as f64 - 1.0) / 2.0;
            axis.offset = centre - axis.scale * (axis.size as f64 - 1.0) / 2.0;
        }
        turned
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The rectangle's corners lie inside the turned frame, and a rectangle a pixel larger all around does not.
        #[test]
        fn the_rectangle_is_inside(h in 4_usize..60, w in 4_usize..60, degrees in 0.1_f64..89.9) {
            let (sin, cos) = degrees.to_radians().sin_cos();
            let (rows, columns) = inscribed((h, w), sin, cos);
            let inside = |rows: f64, columns: f64| {
                let corner = |dy: f64, dx: f64| {
                    let (y, x) = (dx * sin + dy * cos, dx * cos - dy * sin);
                    y.abs() <= (h as f64 - 1.0) / 2.0 + 1e-6 && x.abs() <= (w as f64 - 1.0) / 2.0 + 1e-6
                };
                corner(rows / 2.0, columns / 2.0) && corner(rows / 2.0, -columns / 2.0)
            };
            prop_assert!(inside(rows as f64 - 1.0, columns as f64 - 1.0), "{rows} x {columns}");
            prop_assert!(!inside(rows as f64 + 1.0, columns as f64 + 1.0), "{rows} x {columns}");
        }
    }
}
