//! Frames that lie in a file one after the other, uncompressed.

use super::Frames;
use super::input::{Input, Plane};
use super::number::Number;
use std::sync::Arc;

pub(super) struct Stored {
    pub input: Arc<Input>,
    pub at: u64,
    pub height: usize,
    pub width: usize,
    pub number: Number,
    pub big_endian: bool,
}

impl Frames for Stored {
    fn read(&self, index: usize) -> Result<Vec<f32>, String> {
        let size = self.number.bytes();
        let frame = (self.height * self.width * size) as u64;
        let offset = frame.checked_mul(index as u64).and_then(|n| n.checked_add(self.at));
        let plane = Plane {
            at: offset.ok_or("is damaged: a frame lies outside the file")?,
            height: self.height,
            width: self.width,
            y_stride: (self.width * size) as u64,
            x_stride: size as u64,
            size,
        };
        Ok(self.number.decode(&plane.read(&self.input)?, self.big_endian))
    }
}
