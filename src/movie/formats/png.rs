//! One PNG image in grey levels, of 1 to 16 bits.

use super::input::Input;
use super::number::Number;
use super::{Axis, Frames, Metadata, Parsed};
use std::io::Cursor;
use std::sync::Arc;

struct Png {
    input: Arc<Input>,
}

/// Larger files are no single images.
const MOST_BYTES: u64 = 1 << 30;

pub fn parse(input: &Arc<Input>) -> Result<Parsed, String> {
    let reader = reader(input)?;
    let info = reader.info();
    let (height, width) = (info.height as usize, info.width as usize);
    let mut metadata = Metadata::default();
    for text in &info.uncompressed_latin1_text {
        metadata.add(&text.keyword, &text.text);
    }
    let axes = [Axis::new(1), Axis::new(height), Axis::new(width)];
    Ok(Parsed { frames: Box::new(Png { input: input.clone() }), axes, metadata })
}

fn reader(input: &Input) -> Result<png::Reader<Cursor<Vec<u8>>>, String> {
    if input.len() > MOST_BYTES {
        return Err("is too large for one PNG image".into());
    }
    let problem = |e| format!("cannot be read as PNG: {e}");
    let bytes = input.read(0, input.len(), "an image")?;
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    // Grey levels of 1, 2 and 4 bits come out as they are, in bytes of their own.
    decoder.set_transformations(png::Transformations::IDENTITY);
    let reader = decoder.read_info().map_err(problem)?;
    let info = reader.info();
    input.could_unpack(input.len(), u64::from(info.width) * u64::from(info.height))?;
    match info.color_type {
        png::ColorType::Grayscale | png::ColorType::GrayscaleAlpha => Ok(reader),
        other => Err(format!("is an image in colour ({other:?}): save it in grey levels")),
    }
}

impl Frames for Png {
    fn read(&self, _index: usize) -> Result<Vec<f32>, String> {
        let problem = |e| format!("cannot be read as PNG: {e}");
        let mut reader = reader(&self.input)?;
        let (width, height) = (reader.info().width as usize, reader.info().height as usize);
        let bytes = reader.output_buffer_size().ok_or("is damaged: the image is too large")?;
        self.input.could_unpack(self.input.len(), bytes as u64)?;
        let mut raw = vec![0; bytes];
        let info = reader.next_frame(&mut raw).map_err(problem)?;
        let samples = info.color_type.samples();
        let mut pixels = Vec::with_capacity(width * height);
        for row in raw[..info.buffer_size()].chunks_exact(info.line_size.max(1)).take(height) {
            let values = match info.bit_depth as usize {
                16 => Number::U(2).decode(row, true),
                8 => Number::U(1).decode(row, false),
                bits => few_bits(row, bits, width),
            };
            pixels.extend(values.chunks_exact(samples).map(|v| v[0]));
        }
        if pixels.len() != width * height {
            return Err("cannot be read as PNG: it does not hold what it declares".into());
        }
        Ok(pixels)
    }
}

fn few_bits(row: &[u8], bits: usize, width: usize) -> Vec<f32> {
    let each = 8 / bits;
    let value = |i: usize| row[i / each] >> (8 - bits - i % each * bits) & ((1 << bits) - 1);
    (0..width).map(|i| f32::from(value(i))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::damage::{answers, edits};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pixels_of_few_bits() {
        assert_eq!(few_bits(&[0b1010_0000], 1, 3), [1.0, 0.0, 1.0]);
        assert_eq!(few_bits(&[0b1101_1000, 0b0100_0000], 2, 5), [3.0, 1.0, 2.0, 0.0, 1.0]);
        assert_eq!(few_bits(&[0x4f], 4, 2), [4.0, 15.0]);
    }

    proptest! {
        /// Whatever is done to a valid file, it is answered.
        #[test]
        fn damage_is_answered(which in any::<prop::sample::Index>(), edits in edits()) {
            let files = [
                include_bytes!("../../../tests/data/formats/grey8.png").as_slice(),
                include_bytes!("../../../tests/data/formats/grey16.png").as_slice(),
                include_bytes!("../../../tests/data/formats/grey1.png").as_slice(),
            ];
            answers(files[which.index(files.len())], &edits);
        }
    }
}
