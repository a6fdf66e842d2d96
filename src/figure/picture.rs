//! PNG files whose bytes depend on their pixels alone. The png crate deflates by a library that takes other ways on other
//! processors; miniz_oxide does not.

use super::canvas::Pixels;

/// A PNG with so many pixels to a metre: one number a pixel where it is grey.
pub(super) fn png(image: &Pixels, per_metre: Option<u32>) -> Vec<u8> {
    let grey = image.is_grey();
    let levels = if grey { image.levels() } else { image.rgb.clone() };
    let row = levels.len() / image.height.max(1);
    // Each row begins with its filter: none.
    let mut rows = Vec::with_capacity(levels.len() + image.height);
    for row in levels.chunks_exact(row.max(1)) {
        rows.push(0);
        rows.extend_from_slice(row);
    }
    let mut head = vec![];
    head.extend((image.width as u32).to_be_bytes());
    head.extend((image.height as u32).to_be_bytes());
    head.extend([8, if grey { 0 } else { 2 }, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut bytes, b"IHDR", &head);
    if let Some(n) = per_metre {
        let density = [&n.to_be_bytes()[..], &n.to_be_bytes(), &[1]].concat();
        chunk(&mut bytes, b"pHYs", &density);
    }
    chunk(&mut bytes, b"IDAT", &miniz_oxide::deflate::compress_to_vec_zlib(&rows, 6));
    chunk(&mut bytes, b"IEND", &[]);
    bytes
}

fn chunk(bytes: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    bytes.extend((data.len() as u32).to_be_bytes());
    let start = bytes.len();
    bytes.extend(name);
    bytes.extend(data);
    let mut sum = flate2::Crc::new();
    sum.update(&bytes[start..]);
    bytes.extend(sum.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The png crate reads what went in.
        #[test]
        fn pixels_come_back(width in 1_usize..9, height in 1_usize..9, seed in 0_u8.., grey: bool) {
            let level = |i: usize| (i as u8).wrapping_mul(37).wrapping_add(seed);
            let rgb = (0..3 * width * height).map(|i| level(if grey { i / 3 } else { i })).collect();
            let image = Pixels { width, height, rgb };
            let bytes = png(&image, Some(11811));
            let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
            let mut read = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut read).unwrap();
            prop_assert_eq!(reader.info().pixel_dims.map(|d| d.xppu), Some(11811));
            let same = if image.is_grey() { read == image.levels() } else { read == image.rgb };
            prop_assert!(same);
        }
    }
}
