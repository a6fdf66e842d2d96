//! Datatypes and dataspaces.

use super::super::input::{Cursor, Input};
use super::super::number::Number;

/// What one element is, as far as movies and their attributes need it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Number {
        number: Number,
        big_endian: bool,
    },
    /// Text of a fixed length.
    Text(u64),
    /// Text in the global heap.
    HeapText,
    /// Elements of another type in the global heap, as lists of references are kept.
    HeapList(Box<Type>),
    /// The address of another object.
    Reference,
    /// Several values side by side, by their names.
    Compound {
        names: Vec<String>,
        size: u64,
    },
    /// Something else, in words.
    Other {
        what: &'static str,
        size: u64,
    },
}

const DEEPEST: u32 = 8;

impl Type {
    pub(super) fn size(&self, offset_size: usize) -> u64 {
        match self {
            Type::Number { number, .. } => number.bytes() as u64,
            Type::Text(size) | Type::Compound { size, .. } | Type::Other { size, .. } => *size,
            Type::HeapText | Type::HeapList(_) => 4 + offset_size as u64 + 4,
            Type::Reference => offset_size as u64,
        }
    }

    pub(super) fn parse(body: &Input) -> Result<Type, String> {
        Type::read(&mut body.cursor(0, false), 0)
    }

    fn read(c: &mut Cursor<'_>, depth: u32) -> Result<Type, String> {
        if depth > DEEPEST {
            return Err("is damaged: a datatype inside itself".into());
        }
        let (class, bits, size) = (c.u8()?, c.uint(3)?, u64::from(c.u32()?));
        let other = |what| Ok(Type::Other { what, size });
        match class & 0xf {
            0 | 4 => {
                c.skip(4)?;
                let kind = if bits & 8 != 0 && class & 0xf == 0 { Number::I } else { Number::U };
                let Some(number) = Number::sized(kind, size as usize) else {
                    return other("integers of an unusual size");
                };
                Ok(Type::Number { number, big_endian: bits & 1 != 0 })
            }
            1 => Type::float(c, bits, size),
            3 => Ok(Type::Text(size)),
            6 => Type::compound(c, class >> 4, bits & 0xffff, size),
            7 => {
                if bits & 0xf == 0 {
                    Ok(Type::Reference)
                } else {
                    other("references to regions")
                }
            }
            // An enumeration is its base type: this is how truth values are kept.
            8 => Type::read(c, depth + 1),
            9 if bits & 0xf == 1 => Ok(Type::HeapText),
            9 => Ok(Type::HeapList(Box::new(Type::read(c, depth + 1)?))),
            10 => other("arrays as elements"),
            11 => other("complex numbers"),
            _ => other("values that are not numbers"),
        }
    }

    /// Only the three layouts of IEEE 754 are read.
    fn float(c: &mut Cursor<'_>, bits: u64, size: u64) -> Result<Type, String> {
        let (_offset, precision) = (c.u16()?, c.u16()?);
        let (exponent_at, exponent_bits) = (c.u8()?, c.u8()?);
        let (fraction_at, fraction_bits) = (c.u8()?, c.u8()?);
        let bias = c.u32()?;
        let layout = (size, precision, exponent_at, exponent_bits, fraction_at, fraction_bits, bias);
        let ieee = [(2, 16, 10, 5, 0, 10, 15), (4, 32, 23, 8, 0, 23, 127), (8, 64, 52, 11, 0, 52, 1023)];
        if !ieee.contains(&layout) || bits & 0x40 != 0 {
            return Ok(Type::Other { what: "floating-point numbers of an unusual layout", size });
        }
        Ok(Type::Number { number: Number::F(size as usize), big_endian: bits & 1 != 0 })
    }

    fn compound(c: &mut Cursor<'_>, version: u8, members: u64, size: u64) -> Result<Type, String> {
        let mut names = vec![];
        // The members' own types are not needed: the names tell complex numbers from tables. Types have no length in
        // front of them, so only the first name can be read without following them all.
        if members > 0 && version >= 1 {
            let mut name = vec![];
            while name.len() < 64 {
                match c.u8()? {
                    0 => break,
                    byte => name.push(byte),
                }
            }
            names.push(String::from_utf8_lossy(&name).into_owned());
        }
        Ok(Type::Compound { names, size })
    }

    /// Why pixels cannot be of this type.
    pub(super) fn as_pixels(&self) -> Result<(Number, bool), String> {
        match self {
            Type::Number { number, big_endian } => Ok((*number, *big_endian)),
            Type::Compound { names, .. } if names.first().is_some_and(|n| is_real_part(n)) => Err(complex()),
            Type::Other { what: "complex numbers", .. } => Err(complex()),
            Type::Other { what, .. } => Err(format!("holds {what}, which are not real numbers")),
            Type::Compound { .. } => Err("holds a table, not an image".into()),
            _ => Err("holds text or references, not an image".into()),
        }
    }
}

fn is_real_part(name: &str) -> bool {
    let name = name.to_lowercase();
    name == "r" || name.starts_with("real")
}

fn complex() -> String {
    "holds complex numbers: save their modulus instead".into()
}

/// Sizes of the axes; empty for a single value.
pub(super) struct Space {
    pub(super) sizes: Vec<u64>,
    /// Sizes that the axes may grow to; `u64::MAX` without limit.
    pub(super) largest: Vec<u64>,
    pub(super) empty: bool,
}

impl Space {
    pub(super) fn parse(body: &Input, length_size: usize) -> Result<Space, String> {
        let mut c = body.cursor(0, false);
        let (version, rank, flags) = (c.u8()?, c.u8()?, c.u8()?);
        let kind = if version >= 2 { c.u8()? } else { u8::from(rank > 0) };
        if version == 1 {
            c.skip(5)?;
        }
        if rank > 32 {
            return Err(format!("is damaged: a dataset of {rank} dimensions"));
        }
        let unlimited = u64::MAX >> (64 - 8 * length_size);
        let mut read = || (0..rank).map(|_| c.uint(length_size)).collect::<Result<Vec<_>, _>>();
        let sizes = read()?;
        let largest = if flags & 1 != 0 { read()? } else { sizes.clone() };
        let largest = largest.into_iter().map(|n| if n == unlimited { u64::MAX } else { n }).collect();
        Ok(Space { sizes, largest, empty: kind == 2 })
    }

    pub(super) fn elements(&self) -> Result<u64, String> {
        let product = self.sizes.iter().try_fold(1_u64, |all, &n| all.checked_mul(n));
        let product = product.ok_or_else(|| "is damaged: a dataset is too large".to_string())?;
        Ok(if self.empty { 0 } else { product })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Type, String> {
        Type::parse(&Input::memory(bytes.to_vec()))
    }

    #[test]
    fn numbers_as_the_format_writes_them() {
        let little = parse(&[0x10, 0x08, 0, 0, 2, 0, 0, 0, 0, 0, 16, 0]).unwrap();
        assert_eq!(little, Type::Number { number: Number::I(2), big_endian: false });
        let big = parse(&[0x10, 0x01, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0]).unwrap();
        assert_eq!(big, Type::Number { number: Number::U(4), big_endian: true });
        let single = [0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0];
        assert_eq!(parse(&single).unwrap(), Type::Number { number: Number::F(4), big_endian: false });
        let mut other = single;
        other[16] = 126; // another bias
        assert!(parse(&other).unwrap().as_pixels().unwrap_err().contains("unusual layout"));
    }

    #[test]
    fn types_that_are_no_pixels() {
        let compound = |name: &[u8]| [&[0x16, 2, 0, 0, 16, 0, 0, 0][..], name].concat();
        assert!(parse(&compound(b"r\0")).unwrap().as_pixels().unwrap_err().contains("complex"));
        assert!(parse(&compound(b"realFloat\0")).unwrap().as_pixels().unwrap_err().contains("complex"));
        assert!(parse(&compound(b"row\0")).unwrap().as_pixels().unwrap_err().contains("table"));
        assert!(parse(&[0x13, 0, 0, 0, 9, 0, 0, 0]).unwrap().as_pixels().unwrap_err().contains("text"));
        // Lists of lists of lists, without end.
        let nested = [0x19, 0, 0, 0, 16, 0, 0, 0].repeat(20);
        assert!(parse(&nested).unwrap_err().contains("inside itself"));
    }
}
