//! Compressed blocks, unpacked to at most the size that is wanted.

use std::io::Read;

pub fn zlib(packed: &[u8], most: usize) -> Result<Vec<u8>, String> {
    // Deflate makes at most 1032 bytes of one.
    let mut out = Vec::with_capacity(most.min(packed.len().saturating_mul(1032)));
    let decoder = flate2::read::ZlibDecoder::new(packed);
    decoder.take(most as u64).read_to_end(&mut out).map_err(|e| format!("is damaged: cannot be unpacked ({e})"))?;
    Ok(out)
}

/// TIFF's LZW: most significant bit first, codes widen one early.
pub fn lzw(packed: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let mut out = vec![];
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
    let (mut from, mut block) = (packed, vec![0; 1 << 16]);
    while out.len() < most {
        let done = decoder.decode_bytes(from, &mut block);
        from = &from[done.consumed_in..];
        out.extend(&block[..done.consumed_out]);
        match done.status {
            Ok(weezl::LzwStatus::Ok) if done.consumed_in + done.consumed_out > 0 => {}
            Ok(_) => break,
            Err(e) => return Err(format!("is damaged: cannot be unpacked ({e})")),
        }
    }
    out.truncate(most);
    Ok(out)
}

/// Apple's PackBits: a count, then bytes as they are or one to repeat.
pub fn pack_bits(packed: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let mut out = vec![];
    let mut at = 0;
    while let Some(&count) = packed.get(at).filter(|_| out.len() < most) {
        let short = "is damaged: a packed run is cut short";
        match count as i8 {
            -128 => at += 1,
            n if n >= 0 => {
                let end = at + 2 + n as usize;
                out.extend(packed.get(at + 1..end).ok_or(short)?);
                at = end;
            }
            n => {
                let byte = *packed.get(at + 1).ok_or(short)?;
                out.extend(std::iter::repeat_n(byte, 1 + usize::from(n.unsigned_abs())));
                at += 2;
            }
        }
    }
    out.truncate(most);
    Ok(out)
}

/// LibLZF, as h5py writes it.
pub fn lzf(packed: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let short = "is damaged: an LZF block is cut short";
    let mut out: Vec<u8> = vec![];
    let mut bytes = packed.iter().copied();
    while let Some(control) = bytes.next() {
        if out.len() >= most {
            break;
        }
        if control < 32 {
            for _ in 0..=control {
                out.push(bytes.next().ok_or(short)?);
            }
            continue;
        }
        let mut length = usize::from(control >> 5);
        if length == 7 {
            length += usize::from(bytes.next().ok_or(short)?);
        }
        let back = usize::from(control & 31) << 8 | usize::from(bytes.next().ok_or(short)?);
        let start = out.len().checked_sub(back + 1).ok_or("is damaged: an LZF block points before its beginning")?;
        for i in start..start + length + 2 {
            out.push(out[i]);
        }
    }
    out.truncate(most);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_and_references() {
        assert_eq!(pack_bits(&[2, 1, 2, 3, 0xfe, 9, 0x80], 99).unwrap(), [1, 2, 3, 9, 9, 9]);
        assert_eq!(pack_bits(&[2, 1, 2, 3, 0xfe, 9], 4).unwrap(), [1, 2, 3, 9]);
        assert!(pack_bits(&[2, 1], 99).is_err());
        assert_eq!(lzf(&[0, 7, 0x20, 0], 99).unwrap(), [7, 7, 7, 7]); // one byte, then three from one back
        assert!(lzf(&[0x20, 0], 99).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200), most in 0_usize..3000) {
            for unpack in [zlib, lzw, pack_bits, lzf] {
                if let Ok(out) = unpack(&bytes, most) {
                    prop_assert!(out.len() <= most);
                }
            }
        }

        /// What an encoder packed comes back.
        #[test]
        fn lzw_comes_back(bytes in prop::collection::vec(0_u8..4, 1..6000)) {
            let packed = weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(&bytes).unwrap();
            prop_assert_eq!(lzw(&packed, bytes.len()).unwrap(), bytes);
        }
    }
}
