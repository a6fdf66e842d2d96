//! The network's maps of frames: in batches or tiles that fit into the device's memory.

use super::super::augment::mirror;
use super::super::predict::Prediction;
use crate::error::{Error, Result};
use ndarray::{Array2, Array3, Array4, ArrayView3, Axis, s};
use rayon::prelude::*;

/// Most pixels that go through the network at once on a CPU: half a second's work, so that the user can stop it.
pub(super) const AT_ONCE_CPU: usize = 1 << 20;
/// The same on a GPU, to begin with: about 2 GB. A smaller one says that it is too much.
pub(super) const AT_ONCE_GPU: usize = 1 << 22;

/// Runs the network on frames that may not fit into memory all at once, or one by one.
pub(super) struct Engine<'a> {
    /// The network, for stacks of images whose sides are multiples of `stride`.
    pub predict: &'a dyn Fn(&Array4<f32>) -> Result<Prediction>,
    pub stride: usize,
    /// Pixels that a prediction can see across.
    pub field: usize,
    /// Most pixels at once; becomes less where the device has not enough memory.
    pub most_px: usize,
}

/// Maps of one frame: `[channel, y, x]`.
#[derive(Clone)]
pub(super) struct Maps {
    pub mean: Array3<f32>,
    pub spread: Option<Array3<f32>>,
}

/// A part of a frame that is looked at by itself: what is kept of it, and what is shown to the network.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    keep: (usize, usize),
    see: (usize, usize),
}

impl Engine<'_> {
    /// How many frames of this many pixels go through at once.
    pub fn frames_at_once(&self, (h, w): (usize, usize)) -> usize {
        (self.most_px / (h.next_multiple_of(self.stride) * w.next_multiple_of(self.stride)).max(1)).max(1)
    }

    /// The maps of frames, each given as its planes. Where the device runs out of memory, half as many pixels are tried, from then on.
    pub fn maps(&mut self, images: &[&[Array2<f32>]]) -> Result<Vec<Maps>> {
        let mut done = vec![];
        while done.len() < images.len() {
            let size = images[done.len()].first().map_or((0, 0), |plane| plane.dim());
            let end = images.len().min(done.len() + self.frames_at_once(size));
            match self.some(&images[done.len()..end]) {
                Ok(maps) => done.extend(maps),
                Err(problem) if problem.is_out_of_memory() && self.smaller(end - done.len(), size) => {}
                Err(problem) if problem.is_out_of_memory() => {
                    return Err(Error::data(format!(
                        "the device has too little memory even for {} pixels at a time ({problem}): close what else \
                         uses it",
                        self.most_px
                    )));
                }
                Err(problem) => return Err(problem),
            }
        }
        Ok(done)
    }

    /// Halves what goes through at once; false where less makes no sense.
    fn smaller(&mut self, frames: usize, (h, w): (usize, usize)) -> bool {
        let least = (self.field + 2 * self.margin()).pow(2);
        let now = self.most_px.min(frames * h * w);
        self.most_px = (now / 2).max(least);
        now > least
    }

    fn some(&self, images: &[&[Array2<f32>]]) -> Result<Vec<Maps>> {
        let Some(first) = images.first().and_then(|planes| planes.first()) else {
            return Ok(vec![]);
        };
        let (h, w) = first.dim();
        let padded = (h.next_multiple_of(self.stride), w.next_multiple_of(self.stride));
        let mut stack = Array4::zeros((images.len(), images[0].len(), padded.0, padded.1));
        stack.axis_iter_mut(Axis(0)).into_par_iter().zip(images).for_each(|(mut to, planes)| {
            for (mut to, plane) in to.axis_iter_mut(Axis(0)).zip(planes.iter()) {
                to.slice_mut(s![..h, ..w]).assign(plane);
                for (y, x) in beyond((h, w), padded) {
                    to[[y, x]] = plane[[mirror(y as i64, h), mirror(x as i64, w)]];
                }
            }
        });
        let prediction = if images.len() == 1 && padded.0 * padded.1 > self.most_px {
            self.tiled(&stack)?
        } else {
            (self.predict)(&stack)?
        };
        let of = |maps: &Array4<f32>, i: usize| maps.index_axis(Axis(0), i).slice(s![.., ..h, ..w]).to_owned();
        let one = |i| Maps { mean: of(&prediction.mean, i), spread: prediction.spread.as_ref().map(|s| of(s, i)) };
        Ok((0..images.len()).into_par_iter().map(one).collect())
    }

    /// Pixels beyond what is kept of a tile that can change what is kept: half of what the network sees.
    fn margin(&self) -> usize {
        self.field.div_ceil(2).next_multiple_of(self.stride)
    }

    /// Tile by tile. Each sees so far beyond what is kept of it that the rest of the frame makes no difference.
    fn tiled(&self, stack: &Array4<f32>) -> Result<Prediction> {
        let (_, _, h, w) = stack.dim();
        let mut whole: Option<Prediction> = None;
        for rows in self.spans(h) {
            for columns in self.spans(w) {
                let seen = stack.slice(s![.., .., rows.see.0..rows.see.1, columns.see.0..columns.see.1]).to_owned();
                let tile = (self.predict)(&seen)?;
                let whole = whole.get_or_insert_with(|| tile.grown(h, w));
                let put = |to: &mut Array4<f32>, from: &Array4<f32>| {
                    let inside = |span: &Span| span.keep.0 - span.see.0..span.keep.1 - span.see.0;
                    to.slice_mut(s![.., .., rows.keep.0..rows.keep.1, columns.keep.0..columns.keep.1])
                        .assign(&from.slice(s![.., .., inside(&rows), inside(&columns)]));
                };
                put(&mut whole.mean, &tile.mean);
                if let (Some(to), Some(from)) = (&mut whole.spread, &tile.spread) {
                    put(to, from);
                }
            }
        }
        whole.ok_or_else(|| Error::data("a frame without pixels has no map"))
    }

    /// Cuts a side so that a square of what is seen has at most `most_px` pixels. All cuts lie on multiples of the
    /// stride, where the network's own grids lie.
    fn spans(&self, length: usize) -> Vec<Span> {
        let margin = self.margin();
        let side = (self.most_px as f64).sqrt() as usize;
        let keep = (side.saturating_sub(2 * margin) / self.stride).max(1) * self.stride;
        (0..length)
            .step_by(keep)
            .map(|start| {
                let end = (start + keep).min(length);
                Span { keep: (start, end), see: (start.saturating_sub(margin), (end + margin).min(length)) }
            })
            .collect()
    }
}

/// The pixels of the larger of two sizes that the smaller does not have.
fn beyond((h, w): (usize, usize), padded: (usize, usize)) -> impl Iterator<Item = (usize, usize)> {
    (0..padded.0).flat_map(move |y| (if y < h { w } else { 0 }..padded.1).map(move |x| (y, x)))
}

impl Prediction {
    /// Zeros for a frame of this size, channels as here.
    fn grown(&self, h: usize, w: usize) -> Prediction {
        let like = |maps: &Array4<f32>| Array4::zeros((maps.shape()[0], maps.shape()[1], h, w));
        Prediction { mean: like(&self.mean), spread: self.spread.as_ref().map(like) }
    }
}

impl Maps {
    /// The larger of the channels, at every pixel.
    pub fn any(&self) -> Array2<f32> {
        fold(self.mean.view())
    }
}

fn fold(maps: ArrayView3<f32>) -> Array2<f32> {
    maps.fold_axis(Axis(0), 0.0_f32, |a, b| a.max(*b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::RefCell;
    use tch::TchError;

    /// A stand-in that looks as far as it says: each pixel is the mean of its surroundings, zeros beyond.
    fn mean_of(stack: &Array4<f32>, reach: usize) -> Prediction {
        let (n, _, h, w) = stack.dim();
        let mean = Array4::from_shape_fn((n, 2, h, w), |(i, c, y, x)| {
            let rows = y.saturating_sub(reach)..(y + reach + 1).min(h);
            let columns = x.saturating_sub(reach)..(x + reach + 1).min(w);
            (c + 1) as f32 * stack.slice(s![i, .., rows, columns]).sum() / (2 * reach + 1).pow(2) as f32
        });
        Prediction { spread: Some(mean.mapv(|v| v * 0.1)), mean }
    }

    fn image(h: usize, w: usize) -> Array2<f32> {
        Array2::from_shape_fn((h, w), |(y, x)| ((y * 31 + x * 17) % 29) as f32)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// A frame in tiles has the same maps as the whole frame, to the last pixel, at any size.
        #[test]
        fn tiles_equal_the_whole(h in 20_usize..90, w in 20_usize..90, most in 900_usize..4000) {
            let predict = |stack: &Array4<f32>| Ok(mean_of(stack, 6));
            let mut engine = Engine { predict: &predict, stride: 4, field: 13, most_px: usize::MAX };
            let frame = [image(h, w), image(h, w) * 0.5];
            let whole = engine.maps(&[&frame]).unwrap();
            engine.most_px = most;
            let tiles = engine.maps(&[&frame]).unwrap();
            prop_assert_eq!(whole[0].mean.dim(), (2, h, w));
            // Sums of up to 169 numbers in another order.
            prop_assert!((&whole[0].mean - &tiles[0].mean).iter().all(|d| d.abs() < 1e-4));
            let spread = |maps: &[Maps]| maps[0].spread.clone().unwrap();
            prop_assert!((&spread(&whole) - &spread(&tiles)).iter().all(|d| d.abs() < 1e-4));
        }
    }

    /// What the network is given: every plane of every frame, mirrored beyond its borders up to a multiple of the stride.
    #[test]
    fn frames_are_mirrored_to_the_stride() {
        for (h, w) in [(21, 30), (24, 31), (33, 24)] {
            let frames: Vec<[Array2<f32>; 2]> = (0..3).map(|i| [image(h, w) + i as f32, image(h, w) * -0.5]).collect();
            let planes: Vec<&[Array2<f32>]> = frames.iter().map(|f| &f[..]).collect();
            let size = (h.next_multiple_of(8), w.next_multiple_of(8));
            let expected = Array4::from_shape_fn((3, 2, size.0, size.1), |(i, plane, y, x)| {
                let inside = |at: usize, n: usize| if at < n { at } else { 2 * n - 2 - at };
                frames[i][plane][[inside(y, h), inside(x, w)]]
            });
            let predict = |stack: &Array4<f32>| {
                assert_eq!(*stack, expected);
                Ok(mean_of(stack, 0))
            };
            let maps = Engine { predict: &predict, stride: 8, field: 1, most_px: 1 << 20 }.maps(&planes).unwrap();
            assert!(maps.iter().all(|m| m.mean.dim() == (2, h, w)));
        }
    }

    /// A device that holds 5000 pixels: batches become smaller, then tiles, with the same result; one that holds nothing
    /// is an error that says what to do; other errors are passed on at once.
    #[test]
    fn too_little_memory_makes_smaller_batches_and_tiles() {
        let frames: Vec<[Array2<f32>; 1]> = (0..5).map(|i| [image(48, 40) + i as f32]).collect();
        let frames: Vec<&[Array2<f32>]> = frames.iter().map(|f| &f[..]).collect();
        let calls = RefCell::new(vec![]);
        let holding = |most: usize| {
            let calls = &calls;
            move |stack: &Array4<f32>| {
                calls.borrow_mut().push(stack.len());
                if stack.len() > most {
                    return Err(TchError::Torch("CUDA out of memory. Tried to allocate 2.00 GiB".into()).into());
                }
                Ok(mean_of(stack, 2))
            }
        };
        let plenty = holding(usize::MAX);
        let expected = Engine { predict: &plenty, stride: 4, field: 5, most_px: 1 << 20 }.maps(&frames).unwrap();
        for most in [5000, 1500, 300] {
            let predict = holding(most);
            let mut engine = Engine { predict: &predict, stride: 4, field: 5, most_px: 1 << 20 };
            let found = engine.maps(&frames).unwrap();
            assert_eq!(found.len(), 5);
            for (a, b) in found.iter().zip(&expected) {
                assert!((&a.mean - &b.mean).iter().all(|d| d.abs() < 1e-4));
            }
            calls.borrow_mut().clear();
            engine.maps(&frames).unwrap();
            assert!(calls.borrow().iter().all(|n| *n <= most), "what failed once is not tried again");
        }
        let predict = holding(0);
        let problem = Engine { predict: &predict, stride: 4, field: 5, most_px: 1 << 20 }.maps(&frames).err().unwrap();
        assert!(problem.to_string().contains("too little memory"), "{problem}");
        calls.borrow_mut().clear();
        let other = |stack: &Array4<f32>| {
            calls.borrow_mut().push(stack.len());
            Err::<Prediction, _>(TchError::Torch("something else".into()).into())
        };
        assert!(Engine { predict: &other, stride: 4, field: 5, most_px: 1 << 20 }.maps(&frames).is_err());
        assert_eq!(calls.borrow().len(), 1);
    }
}
