//! What a chunk went through before it was stored, undone: deflate, shuffle, checksum, LZF.

use super::super::input::Input;
use super::super::unpack;

pub(super) struct Filter {
    id: u16,
    values: Vec<u32>,
}

pub(super) fn parse(body: &Input) -> Result<Vec<Filter>, String> {
    let mut c = body.cursor(0, false);
    let (version, count) = (c.u8()?, c.u8()?);
    c.skip(if version == 1 { 6 } else { 0 })?;
    let mut filters = vec![];
    for _ in 0..count {
        let id = c.u16()?;
        // Filters of the format itself have no name in version 2.
        let name = if version == 1 || id >= 256 { u64::from(c.u16()?) } else { 0 };
        let (_flags, values) = (c.u16()?, c.u16()?);
        c.skip(if version == 1 { name.next_multiple_of(8) } else { name })?;
        let values = (0..values).map(|_| c.u32()).collect::<Result<Vec<_>, _>>()?;
        c.skip(if version == 1 && values.len() % 2 == 1 { 4 } else { 0 })?;
        known(id)?;
        filters.push(Filter { id, values });
    }
    Ok(filters)
}

fn known(id: u16) -> Result<(), String> {
    let name = match id {
        1 | 2 | 3 | 32000 => return Ok(()),
        4 => "szip",
        5 => "n-bit",
        6 => "scale-offset",
        32001 => "Blosc",
        32004 => "LZ4",
        32008 => "bitshuffle",
        32013 => "ZFP",
        32015 => "Zstandard",
        32026 => "Blosc2",
        _ => "an unknown filter",
    };
    Err(format!(
        "is compressed with {name} (HDF5 filter {id}), which is not supported: save it again with gzip, for example \
         h5repack -f GZIP=4"
    ))
}

/// Undoes the filters of one chunk, last first. `mask` says which were left out; `bytes` is the chunk's full size.
pub(super) fn undo(filters: &[Filter], mask: u32, raw: Vec<u8>, bytes: usize) -> Result<Vec<u8>, String> {
    let mut data = raw;
    for (i, filter) in filters.iter().enumerate().rev() {
        if mask & 1_u32.checked_shl(i as u32).unwrap_or(0) != 0 {
            continue;
        }
        data = match filter.id {
            // A checksum may still be at the end of what was deflated: four bytes more.
            1 => unpack::zlib(&data, bytes + 4)?,
            2 => unshuffle(&data, filter.values.first().copied().unwrap_or(1) as usize),
            3 => without_checksum(data)?,
            _ => unpack::lzf(&data, bytes + 4)?,
        };
    }
    if data.len() < bytes {
        return Err(format!("is damaged: a chunk gives {} bytes instead of {bytes}", data.len()));
    }
    data.truncate(bytes);
    Ok(data)
}

/// Bytes of equal significance stand together; bytes beyond the last whole element are as they were.
fn unshuffle(data: &[u8], size: usize) -> Vec<u8> {
    let count = if size > 1 { data.len() / size } else { 0 };
    let mut out = data.to_vec();
    for byte in 0..if count > 0 { size } else { 0 } {
        for i in 0..count {
            out[i * size + byte] = data[byte * count + i];
        }
    }
    out
}

fn without_checksum(mut data: Vec<u8>) -> Result<Vec<u8>, String> {
    let Some(end) = data.len().checked_sub(4) else {
        return Err("is damaged: a chunk is too short for its checksum".into());
    };
    let stored = u32::from_le_bytes([data[end], data[end + 1], data[end + 2], data[end + 3]]);
    data.truncate(end);
    let found = fletcher32(&data);
    // Old libraries stored the two halves' bytes the other way round on some machines.
    let turned = (found & 0x00ff_00ff) << 8 | (found & 0xff00_ff00) >> 8;
    if stored != found && stored != turned {
        return Err("is damaged: a chunk does not agree with its checksum".into());
    }
    Ok(data)
}

fn fletcher32(data: &[u8]) -> u32 {
    let (mut first, mut second) = (0_u64, 0_u64);
    let words = data.chunks_exact(2);
    let last = words.remainder().first().map(|&b| u64::from(b) << 8);
    for word in words.map(|w| u64::from(w[0]) << 8 | u64::from(w[1])).chain(last) {
        first = (first + word) % 65_535;
        second = (second + first) % 65_535;
    }
    (second << 16 | first) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked by hand from the definition: words in big-endian order, sums modulo 65535.
    #[test]
    fn checksums() {
        assert_eq!(fletcher32(&[0, 1, 0, 2]), 4 << 16 | 3);
        assert_eq!(fletcher32(&[0, 1, 2]), (1 + 513) << 16 | 513);
        let stored = |sum: u32| [vec![0, 1, 0, 2], sum.to_le_bytes().to_vec()].concat();
        assert_eq!(without_checksum(stored(4 << 16 | 3)).unwrap(), [0, 1, 0, 2]);
        assert!(without_checksum(stored(4 << 16 | 4)).is_err());
        assert!(without_checksum(vec![1, 2]).is_err());
    }

    #[test]
    fn shuffled_bytes() {
        assert_eq!(unshuffle(&[1, 3, 5, 2, 4, 6, 9], 2), [1, 2, 3, 4, 5, 6, 9]); // the last one is no whole element
        assert_eq!(unshuffle(&[1, 2], 0), [1, 2]);
        assert_eq!(unshuffle(&[1, 2], 4), [1, 2]);
    }

    #[test]
    fn filters_that_are_left_out_or_not_known() {
        let filters = [Filter { id: 2, values: vec![2] }];
        assert_eq!(undo(&filters, 0, vec![1, 3, 2, 4], 4).unwrap(), [1, 2, 3, 4]);
        assert_eq!(undo(&filters, 1, vec![1, 3, 2, 4], 4).unwrap(), [1, 3, 2, 4]);
        assert!(undo(&filters, 0, vec![1], 4).unwrap_err().contains("1 bytes instead of 4"));
        assert!(known(32001).unwrap_err().contains("Blosc"));
    }
}
