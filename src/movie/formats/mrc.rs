//! MRC images and stacks, as the CCP-EM standard of 2014 and older programs write them.
//!
//! Format: Cheng et al., J. Struct. Biol. 192, 146 (2015), and IMOD's notes on modes and the sign of bytes.

use super::input::Input;
use super::number::Number;
use super::stored::Stored;
use super::{Axis, Metadata, Parsed, size};
use std::sync::Arc;

const HEADER: u64 = 1024;

/// Whether the word MAP stands where the standard wants it.
pub fn named(input: &Input) -> bool {
    input.cursor(208, false).take::<4>().is_ok_and(|word| word == *b"MAP " || word == *b"MAP\0")
}

/// Older files have no signature, only sizes, a mode and axes that make sense.
pub fn recognise(input: &Input) -> bool {
    [false, true].iter().any(|&order| plausible(input, order))
}

fn plausible(input: &Input, big_endian: bool) -> bool {
    let words = |at: u64, n: usize| {
        let mut c = input.cursor(at, big_endian);
        (0..n).map(|_| c.u32()).collect::<Result<Vec<_>, _>>()
    };
    let (Ok(sizes), Ok(axes)) = (words(0, 4), words(64, 3)) else { return false };
    let mut axes = axes;
    axes.sort_unstable();
    input.len() >= HEADER
        && sizes[..3].iter().all(|n| (1..=1 << 24).contains(n))
        && (sizes[3] <= 16 || sizes[3] == 101)
        && axes == [1, 2, 3]
}

pub fn parse(input: &Arc<Input>) -> Result<Parsed, String> {
    input.holds(0, HEADER, "the header")?;
    // The machine stamp says the order, but many programs leave it out or get it wrong.
    let stamp = input.cursor(212, false).u8()?;
    let big_endian = match (plausible(input, false), plausible(input, true)) {
        (true, false) => false,
        (false, true) => true,
        _ => stamp == 0x11,
    };
    let mut c = input.cursor(0, big_endian);
    let [nx, ny, nz, mode] = [c.u32()?, c.u32()?, c.u32()?, c.u32()?].map(u64::from);
    c.at = 28;
    let grid = [c.u32()?, c.u32()?, c.u32()?];
    let cell = [c.f32()?, c.f32()?, c.f32()?];
    c.at = 92;
    let extended = u64::from(c.u32()?);
    let number = pixel_type(input, mode, big_endian)?;
    let pixels = nx.checked_mul(ny).and_then(|n| n.checked_mul(nz)).and_then(|n| n.checked_mul(number.bytes() as u64));
    let at = HEADER + extended;
    let bytes = pixels.ok_or_else(|| format!("is damaged: {nx} x {ny} x {nz} pixels"))?;
    input.holds(at, bytes, "its pixels")?;
    let axis = |n: u64, i: usize| {
        // The cell is in ångström.
        let scale = f64::from(cell[i]) / f64::from(grid[i]) * 0.1;
        Ok::<_, String>(if grid[i] == 0 { Axis::new(size(n)?) } else { Axis::new(size(n)?).scaled(scale, 0.0, "nm") })
    };
    let mut axes = [axis(nz, 2)?, axis(ny, 1)?, axis(nx, 0)?];
    let mut metadata = labels(input, big_endian)?;
    fei_extended(input, big_endian, extended, &mut axes, &mut metadata)?;
    let (height, width) = (axes[1].size, axes[2].size);
    let stored = Stored { input: input.clone(), at, height, width, number, big_endian };
    Ok(Parsed { frames: Box::new(stored), axes, metadata })
}

fn pixel_type(input: &Input, mode: u64, big_endian: bool) -> Result<Number, String> {
    Ok(match mode {
        0 => byte_type(input, big_endian)?,
        1 => Number::I(2),
        2 => Number::F(4),
        6 => Number::U(2),
        12 => Number::F(2),
        3 | 4 => return Err("holds complex numbers (MRC mode 3 or 4): save their modulus instead".into()),
        16 => return Err("is an image in colour (MRC mode 16): save it in grey levels".into()),
        101 => return Err("holds 4-bit pixels (MRC mode 101), which are not supported: convert it to bytes".into()),
        other => return Err(format!("holds pixels of MRC mode {other}, which is not known")),
    })
}

/// Bytes have a sign by the standard of 2014. Before, they had none; IMOD says it in a flag, and others that are not
/// of version 2014 are taken to be of the old kind.
fn byte_type(input: &Input, big_endian: bool) -> Result<Number, String> {
    let mut c = input.cursor(152, big_endian);
    let (imod, flags) = (c.u32()?, c.u32()?);
    if imod == 1_146_047_817 {
        return Ok(if flags & 1 == 1 { Number::I(1) } else { Number::U(1) });
    }
    c.at = 108;
    let version = c.u32()?;
    Ok(if (20_140..20_200).contains(&version) { Number::I(1) } else { Number::U(1) })
}

fn labels(input: &Input, big_endian: bool) -> Result<Metadata, String> {
    let mut metadata = Metadata::default();
    let count = input.cursor(220, big_endian).u32()?.min(10);
    for i in 0..count {
        let raw = input.read(224 + 80 * u64::from(i), 80, "a label")?;
        let text: String = raw.iter().take_while(|&&b| b != 0).map(|&b| char::from(b)).collect();
        metadata.add(format!("label {i}"), text);
    }
    Ok(metadata)
}

/// FEI's extended header: of each image 128 bytes in its old form, or what its first number says (FEI1, FEI2).
fn fei_extended(
    input: &Input,
    big_endian: bool,
    bytes: u64,
    axes: &mut [Axis; 3],
    metadata: &mut Metadata,
) -> Result<(), String> {
    let kind = input.cursor(104, false).take::<4>()?;
    let mut c = input.cursor(HEADER, big_endian);
    let pixel_m;
    if matches!(&kind, b"FEI1" | b"FEI2") && bytes >= 768 {
        let at = |field: u64| input.cursor(HEADER + field, big_endian);
        metadata.add("Timestamp (days since 1899-12-30)", at(12).f64()?);
        metadata.add("HT", at(84).f64()?);
        metadata.add("Dose", at(92).f64()?);
        pixel_m = [at(156).f64()?, at(164).f64()?];
        metadata.add("Magnification", f64::from(at(208).f32().unwrap_or(0.0)));
        metadata.common("voltage_kv", 1e-3, &["HT"]);
    } else if kind == [0; 4] && bytes >= 128 * axes[0].size as u64 && bytes.is_multiple_of(128) {
        let mut fields = [0.0; 13];
        for field in &mut fields {
            *field = f64::from(c.f32()?);
        }
        pixel_m = [fields[11]; 2];
        // Only a size that a pixel can have shows that this is what the bytes mean.
        if !(1e-13..1e-3).contains(&pixel_m[0]) {
            return Ok(());
        }
        metadata.add("Exposure time", fields[8]);
        metadata.add("Magnification", fields[12]);
        metadata.common("exposure_time_s", 1.0, &["Exposure time"]);
        metadata.common("magnification", 1.0, &["Magnification"]);
    } else {
        return Ok(());
    }
    for (axis, metres) in [(2, pixel_m[0]), (1, pixel_m[1])] {
        if (1e-13..1e-3).contains(&metres) && axes[axis].nm().is_none() {
            axes[axis] = axes[axis].clone().scaled(metres, 0.0, "m");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::damage::{answers, edits};
    use super::*;
    use proptest::prelude::*;

    fn file(mode: u32, big_endian: bool, change: impl Fn(&mut Vec<u8>)) -> Arc<Input> {
        let word = |n: u32| if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
        let mut bytes = vec![0; 1024 + 2 * 2 * 2];
        for (at, value) in [(0, 2), (4, 2), (8, 1), (12, mode), (64, 1), (68, 2), (72, 3)] {
            bytes[at..at + 4].copy_from_slice(&word(value));
        }
        bytes[1024..].copy_from_slice(&[0xff, 0, 1, 0, 2, 0, 3, 0]);
        change(&mut bytes);
        Arc::new(Input::memory(bytes))
    }

    fn first(input: &Arc<Input>) -> f32 {
        parse(input).unwrap().frames.read(0).unwrap()[0]
    }

    /// Bytes have a sign or not by the version, and by what IMOD says.
    #[test]
    fn signs_of_bytes() {
        assert_eq!(first(&file(0, false, |_| ())), 255.0);
        assert_eq!(first(&file(0, false, |b| b[108..112].copy_from_slice(&20_140_u32.to_le_bytes()))), -1.0);
        let imod = |signed: u8| {
            move |b: &mut Vec<u8>| {
                b[152..156].copy_from_slice(&1_146_047_817_u32.to_le_bytes());
                b[156] = signed;
            }
        };
        assert_eq!((first(&file(0, false, imod(0))), first(&file(0, false, imod(1)))), (255.0, -1.0));
    }

    /// Without a machine stamp the sizes tell the byte order.
    #[test]
    fn byte_orders() {
        for big_endian in [false, true] {
            let input = file(6, big_endian, |_| ());
            assert!(recognise(&input));
            assert_eq!(first(&input), if big_endian { 65280.0 } else { 255.0 });
        }
        assert_eq!(first(&file(6, true, |b| b[208..216].copy_from_slice(b"MAP \x11\x11\0\0"))), 65280.0);
    }

    #[test]
    fn modes_that_are_no_movies() {
        for (mode, word) in [(3, "complex"), (4, "complex"), (16, "colour"), (101, "4-bit"), (7, "mode 7")] {
            assert!(parse(&file(mode, false, |_| ())).err().unwrap().contains(word), "mode {mode}");
        }
        assert!(parse(&file(2, false, |_| ())).err().unwrap().contains("cut short"));
    }

    #[test]
    fn pixel_sizes_of_fei() {
        let input = file(1, false, |b| {
            b[92..96].copy_from_slice(&128_u32.to_le_bytes());
            let mut extended = vec![0; 128];
            for (field, value) in [(8, 0.5_f32), (11, 2e-10), (12, 71_000.0)] {
                extended[4 * field..4 * field + 4].copy_from_slice(&value.to_le_bytes());
            }
            b.splice(1024..1024, extended);
        });
        let movie = parse(&input).unwrap();
        assert!((movie.axes[2].nm().unwrap() / 0.2 - 1.0).abs() < 1e-6, "{:?}", movie.axes);
        assert_eq!(movie.metadata.number("exposure_time_s"), Some(0.5));
        assert_eq!(movie.metadata.number("magnification"), Some(71_000.0));
    }

    proptest! {
        /// Whatever is done to a valid file, it is answered.
        #[test]
        fn damage_is_answered(which in any::<prop::sample::Index>(), edits in edits()) {
            let files = [
                include_bytes!("../../../tests/data/formats/mode_i2.mrc").as_slice(),
                include_bytes!("../../../tests/data/formats/big_endian.mrc").as_slice(),
            ];
            answers(files[which.index(files.len())], &edits);
        }
    }
}
