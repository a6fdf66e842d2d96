//! Counts as an `.npz` archive: small, without loss, and the same bytes everywhere.

use crate::error::{Error, Result};
use crate::movie::Movie;
use crate::progress::stop_if_asked;
use miniz_oxide::deflate::core::{
    CompressionStrategy, CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params,
};

/// A movie of whole counts as an archive with one deflated array, `counts`, of the smallest unsigned type that holds
/// them. `round` makes counts whole that are not.
///
/// Format: PKWARE's APPNOTE.TXT, without dates.
pub(super) fn npz(movie: &Movie, round: bool) -> Result<Vec<u8>> {
    let array = npy(movie, round)?;
    let packed = deflate(&array);
    let mut sum = flate2::Crc::new();
    sum.update(&array);
    let name = b"counts.npy";
    let size = |bytes: &[u8]| {
        u32::try_from(bytes.len()).map_err(|_| Error::data("more than 4 GiB of counts do not fit such an archive"))
    };
    // Version 2.0, no flags, deflated, 1980-01-01 00:00, the checksum, sizes, the name's length, no extra field.
    let mut entry = vec![];
    for half in [20_u16, 0, 8, 0, 0x21] {
        entry.extend(half.to_le_bytes());
    }
    for word in [sum.sum(), size(&packed)?, size(&array)?] {
        entry.extend(word.to_le_bytes());
    }
    entry.extend((name.len() as u16).to_le_bytes());
    entry.extend([0; 2]);
    let mut archive = b"PK\x03\x04".to_vec();
    archive.extend(&entry);
    archive.extend(name);
    archive.extend(&packed);
    let directory = archive.len() as u32;
    archive.extend(b"PK\x01\x02\x14\x00");
    archive.extend(&entry);
    archive.extend([0; 14]); // no comment, first disk, no attributes, at the archive's beginning
    archive.extend(name);
    let length = archive.len() as u32 - directory;
    archive.extend(b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00");
    archive.extend(length.to_le_bytes());
    archive.extend(directory.to_le_bytes());
    archive.extend([0; 2]);
    Ok(archive)
}

/// The deflater is miniz_oxide's, whose output depends on nothing but its input; others choose by what the processor can
/// do. Noise does not repeat itself: codes for single counts alone are shorter than with matches among them.
fn deflate(array: &[u8]) -> Vec<u8> {
    let strategy = CompressionStrategy::HuffmanOnly;
    let mut compressor = CompressorOxide::new(create_comp_flags_from_zip_params(9, -15, strategy as i32));
    let mut packed = vec![];
    compress_to_output(&mut compressor, array, TDEFLFlush::Finish, |bytes| {
        packed.extend_from_slice(bytes);
        true
    });
    packed
}

fn npy(movie: &Movie, round: bool) -> Result<Vec<u8>> {
    let mut counts: Vec<u16> = Vec::with_capacity(movie.len() * movie.height() * movie.width());
    for frame in movie.frames() {
        stop_if_asked("while packing a movie")?;
        let frame = frame?;
        for &value in &frame.data {
            let whole = if round { value.round() } else { value };
            if whole != whole.trunc() || !(0.0..=65_535.0).contains(&whole) {
                return Err(Error::data(format!("frame {} holds {value}, which is no whole count", frame.index)));
            }
            counts.push(whole as u16);
        }
    }
    let bytes = counts.iter().all(|&v| v < 256);
    let kind = if bytes { "|u1" } else { "<u2" };
    let (frames, height, width) = (movie.len(), movie.height(), movie.width());
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({frames}, {height}, {width}), }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut array = b"\x93NUMPY\x01\x00".to_vec();
    array.extend((header.len() as u16).to_le_bytes());
    array.extend(header.as_bytes());
    match bytes {
        true => array.extend(counts.iter().map(|&v| v as u8)),
        false => array.extend(counts.iter().flat_map(|v| v.to_le_bytes())),
    }
    Ok(array)
}
