//! Numbers as files store them, turned into single precision.

/// The type of one stored number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Bool,
    /// Signed, of 1, 2, 4 or 8 bytes.
    I(usize),
    /// Unsigned, of 1, 2, 4 or 8 bytes.
    U(usize),
    /// IEEE 754, of 2, 4 or 8 bytes.
    F(usize),
}

impl Number {
    /// The same with a size that was read from a file.
    pub fn sized(kind: fn(usize) -> Number, bytes: usize) -> Option<Number> {
        let number = kind(bytes);
        let smallest = if matches!(number, Number::F(_)) { 2 } else { 1 };
        (bytes.is_power_of_two() && (smallest..=8).contains(&bytes)).then_some(number)
    }

    pub fn bytes(self) -> usize {
        match self {
            Number::Bool => 1,
            Number::I(n) | Number::U(n) | Number::F(n) => n,
        }
    }

    /// One number in double precision, for scales and times.
    pub fn exact(self, raw: &[u8], big_endian: bool) -> f64 {
        let n = self.bytes();
        let Some(raw) = raw.get(..n) else { return f64::NAN };
        let mut b = [0_u8; 8];
        b[..n].copy_from_slice(raw);
        if big_endian {
            b[..n].reverse();
        }
        let u = u64::from_le_bytes(b);
        match self {
            Number::Bool => f64::from(u8::from(u != 0)),
            Number::U(_) => u as f64,
            Number::I(n) => ((u << (64 - 8 * n)) as i64 >> (64 - 8 * n)) as f64,
            Number::F(2) => f64::from(half_to_f32(u as u16)),
            Number::F(4) => f64::from(f32::from_bits(u as u32)),
            Number::F(_) => f64::from_bits(u),
        }
    }

    /// Decodes packed numbers; bytes after the last whole one are left out.
    pub fn decode(self, raw: &[u8], big_endian: bool) -> Vec<f32> {
        match self {
            Number::Bool => raw.iter().map(|&b| f32::from(u8::from(b != 0))).collect(),
            Number::I(1) => raw.iter().map(|&b| f32::from(b as i8)).collect(),
            Number::U(1) => raw.iter().map(|&b| f32::from(b)).collect(),
            Number::I(2) => map(raw, big_endian, |b| f32::from(i16::from_le_bytes(b))),
            Number::U(2) => map(raw, big_endian, |b| f32::from(u16::from_le_bytes(b))),
            Number::F(2) => map(raw, big_endian, |b| half_to_f32(u16::from_le_bytes(b))),
            Number::I(4) => map(raw, big_endian, |b| i32::from_le_bytes(b) as f32),
            Number::U(4) => map(raw, big_endian, |b| u32::from_le_bytes(b) as f32),
            Number::F(4) => map(raw, big_endian, f32::from_le_bytes),
            Number::I(_) => map(raw, big_endian, |b| i64::from_le_bytes(b) as f32),
            Number::U(_) => map(raw, big_endian, |b| u64::from_le_bytes(b) as f32),
            Number::F(_) => map(raw, big_endian, |b| f64::from_le_bytes(b) as f32),
        }
    }
}

fn map<const N: usize>(raw: &[u8], big_endian: bool, one: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let pick = |b: &[u8]| {
        let mut value = [0; N];
        value.copy_from_slice(b);
        value
    };
    if big_endian {
        let turned = |b| {
            let mut value = pick(b);
            value.reverse();
            one(value)
        };
        return raw.chunks_exact(N).map(turned).collect();
    }
    raw.chunks_exact(N).map(|b| one(pick(b))).collect()
}

/// IEEE 754 half precision to single.
fn half_to_f32(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f32::from(bits & 0x3ff);
    match exponent {
        0 => sign * fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_matches_its_definition() {
        for (bits, value) in [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8)] {
            assert_eq!(half_to_f32(bits), value);
        }
        assert!(half_to_f32(0x7e00).is_nan());
    }

    #[test]
    fn both_byte_orders_of_every_type() {
        let le = [0x01, 0x80, 0, 0, 0, 0, 0xf0, 0x40];
        let be: Vec<u8> = le.iter().rev().copied().collect();
        for n in [1, 2, 4, 8] {
            assert_eq!(Number::U(n).decode(&le[..n], false), Number::U(n).decode(&be[8 - n..], true));
            assert_eq!(Number::I(n).decode(&le[..n], false), Number::I(n).decode(&be[8 - n..], true));
        }
        assert_eq!(Number::I(2).decode(&le[..2], false), [-32767.0]);
        assert_eq!(Number::F(8).decode(&le, false), [65536.0]);
        assert_eq!(Number::I(2).exact(&le, false), -32767.0);
        assert_eq!(Number::F(8).exact(&le, false), f64::from_bits(0x40f0_0000_0000_8001));
        assert_eq!(Number::F(4).decode(&[0, 0, 0x20, 0x40], false), [2.5]);
        assert_eq!(Number::Bool.decode(&[0, 7], false), [0.0, 1.0]);
        assert_eq!(Number::U(4).decode(&[1, 0, 0, 0, 9], false), [1.0]); // not a whole one
    }

    #[test]
    fn sizes_that_no_number_has() {
        assert_eq!(Number::sized(Number::F, 1), None);
        assert_eq!(Number::sized(Number::U, 3), None);
        assert_eq!(Number::sized(Number::I, 16), None);
        assert_eq!(Number::sized(Number::F, 2), Some(Number::F(2)));
    }
}
