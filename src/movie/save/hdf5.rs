//! As much of HDF5 as a movie's file needs: groups, attributes, small datasets, and one large one whose numbers follow.
//!
//! Format: "HDF5 File Format Specification Version 3.0": superblock 2, object headers 2, links and attributes as
//! messages of their object, contiguous datasets. HDF5 1.8 (2008) and later read it.

/// What HDF5 writes for "nowhere".
const NOWHERE: u64 = u64::MAX;
const SUPERBLOCK_BYTES: usize = 48;

/// The type of stored numbers or texts.
#[derive(Clone, Copy)]
pub(super) enum Type {
    /// Of 4 or 8 bytes.
    Float(u8),
    Unsigned(u8),
    /// Bytes with the closing zero.
    Text(usize),
}

impl Type {
    fn message(self) -> Vec<u8> {
        let number = |class: u8, bits: [u8; 3], bytes: u8| {
            let mut m = vec![0x10 | class];
            m.extend(bits);
            m.extend(u32::from(bytes).to_le_bytes());
            m.extend([0, 0]); // bit offset
            m.extend((u16::from(bytes) * 8).to_le_bytes());
            m
        };
        match self {
            Type::Unsigned(bytes) => number(0, [0, 0, 0], bytes),
            Type::Float(bytes) => {
                // The mantissa's first bit is implied; sign, exponent and mantissa where IEEE 754 has them.
                let (exponent, mantissa) = if bytes == 4 { (8, 23) } else { (11, 52) };
                let mut m = number(1, [0x20, bytes * 8 - 1, 0], bytes);
                m.extend([mantissa, exponent, 0, mantissa]);
                m.extend(((1_u32 << (exponent - 1)) - 1).to_le_bytes());
                m
            }
            Type::Text(bytes) => {
                let mut m = vec![0x13, 0x10, 0, 0]; // UTF-8, ends with a zero
                m.extend((bytes as u32).to_le_bytes());
                m
            }
        }
    }
}

/// The value of an attribute.
pub(super) enum Value<'a> {
    Number(u32),
    Text(&'a str),
}

fn attribute(name: &str, value: &Value) -> Vec<u8> {
    let (of, data) = match value {
        Value::Number(n) => (Type::Unsigned(4), n.to_le_bytes().to_vec()),
        Value::Text(text) => (Type::Text(text.len() + 1), [text.as_bytes(), &[0]].concat()),
    };
    let (datatype, space) = (of.message(), [2, 0, 0, 0]); // one value without axes
    let mut m = vec![3, 0];
    for length in [name.len() + 1, datatype.len(), space.len()] {
        m.extend((length as u16).to_le_bytes());
    }
    m.push(1); // the name is UTF-8
    m.extend(name.bytes().chain([0]));
    m.extend(datatype);
    m.extend(space);
    m.extend(data);
    m
}

/// A file in the making: objects are added before those that link to them.
pub(super) struct Builder {
    bytes: Vec<u8>,
    /// Where the large dataset's header says where its numbers are.
    pending: Option<usize>,
}

pub(super) type Attributes<'a> = [(&'a str, Value<'a>)];

impl Builder {
    pub(super) fn new() -> Builder {
        Builder { bytes: vec![0; SUPERBLOCK_BYTES], pending: None }
    }

    /// Writes an object header and gives its address.
    fn object(&mut self, mut messages: Vec<(u8, Vec<u8>)>, attributes: &Attributes) -> u64 {
        const ATTRIBUTE: u8 = 0xc;
        messages.extend(attributes.iter().map(|(name, value)| (ATTRIBUTE, attribute(name, value))));
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = self.bytes.len();
        let size: usize = messages.iter().map(|(_, body)| 4 + body.len()).sum();
        self.bytes.extend(b"OHDR\x02\x02"); // version 2; the size has four bytes
        self.bytes.extend((size as u32).to_le_bytes());
        for (kind, body) in messages {
            self.bytes.push(kind);
            self.bytes.extend((body.len() as u16).to_le_bytes());
            self.bytes.push(0);
            self.bytes.extend(body);
        }
        // Addresses that come later would change the checksum: `finish` writes it again.
        self.bytes.extend(checksum(&self.bytes[at..]).to_le_bytes());
        at as u64
    }

    pub(super) fn group(&mut self, links: &[(&str, u64)], attributes: &Attributes) -> u64 {
        let nowhere = [NOWHERE.to_le_bytes(), NOWHERE.to_le_bytes()].concat();
        // Links are messages here, not in a heap; the group's own message keeps every default.
        let mut messages = vec![(0x2, [vec![0, 0], nowhere].concat()), (0xa, vec![0, 0])];
        for (name, address) in links {
            let mut m = vec![1, 0, name.len() as u8];
            m.extend(name.bytes());
            m.extend(address.to_le_bytes());
            messages.push((0x6, m));
        }
        self.object(messages, attributes)
    }

    fn dataset(&mut self, of: Type, sizes: &[u64], at: u64, bytes: u64, attributes: &Attributes) -> u64 {
        let mut space = vec![2, sizes.len() as u8, 0, 1];
        space.extend(sizes.iter().flat_map(|n| n.to_le_bytes()));
        let layout = [vec![3, 1], at.to_le_bytes().to_vec(), bytes.to_le_bytes().to_vec()].concat();
        let fill = vec![3, 0x0a]; // space when written, no fill value
        self.object(vec![(0x1, space), (0x3, of.message()), (0x5, fill), (0x8, layout)], attributes)
    }

    /// A dataset of one axis.
    pub(super) fn numbers(&mut self, values: &[f64], attributes: &Attributes) -> u64 {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = self.bytes.len() as u64;
        self.bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        self.dataset(Type::Float(8), &[values.len() as u64], at, 8 * values.len() as u64, attributes)
    }

    /// The dataset whose numbers follow what [`Builder::finish`] gives. A file has one.
    pub(super) fn large(&mut self, of: Type, sizes: &[u64], bytes: u64) -> u64 {
        let address = self.dataset(of, sizes, NOWHERE, bytes, &[]);
        self.pending = Some(address as usize);
        address
    }

    /// The file up to where the large dataset's `bytes` numbers begin.
    pub(super) fn finish(mut self, root: u64, bytes: u64) -> Vec<u8> {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let data_at = self.bytes.len() as u64;
        if let Some(at) = self.pending {
            let size = u32::from_le_bytes([6, 7, 8, 9].map(|i| self.bytes[at + i])) as usize;
            let end = at + 10 + size; // the layout is the last message, and its address and length end it
            self.bytes[end - 16..end - 8].copy_from_slice(&data_at.to_le_bytes());
            let sum = checksum(&self.bytes[at..end]).to_le_bytes();
            self.bytes[end..end + 4].copy_from_slice(&sum);
        }
        let mut superblock = b"\x89HDF\r\n\x1a\n\x02\x08\x08\x00".to_vec();
        for address in [0, NOWHERE, data_at + bytes, root] {
            superblock.extend(address.to_le_bytes());
        }
        superblock.extend(checksum(&superblock).to_le_bytes());
        self.bytes[..SUPERBLOCK_BYTES].copy_from_slice(&superblock);
        self.bytes
    }
}

/// The checksum of HDF5's metadata: Bob Jenkins' `lookup3` (2006), `hashlittle` from 0.
fn checksum(bytes: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(bytes.len() as u32);
    let mut s = [start; 3];
    let mut rest = bytes;
    while rest.len() > 12 {
        add(&mut s, &rest[..12]);
        let [a, b, c] = &mut s;
        for shift in [4, 6, 8, 16, 19, 4] {
            *a = a.wrapping_sub(*c) ^ c.rotate_left(shift);
            *c = c.wrapping_add(*b);
            (*a, *b, *c) = (*b, *c, *a);
        }
        rest = &rest[12..];
    }
    if rest.is_empty() {
        return s[2];
    }
    add(&mut s, rest);
    let [a, b, c] = &mut s;
    for shift in [14, 11, 25, 16, 4, 14, 24] {
        *c = (*c ^ *b).wrapping_sub(b.rotate_left(shift));
        (*a, *b, *c) = (*b, *c, *a);
    }
    // Seven turns leave what was computed last in the middle.
    s[1]
}

/// Adds up to twelve bytes, little-endian, to the three words.
fn add(s: &mut [u32; 3], bytes: &[u8]) {
    for (i, byte) in bytes.iter().enumerate() {
        s[i / 4] = s[i / 4].wrapping_add(u32::from(*byte) << (8 * (i % 4)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the algorithm's author, from the self-test in lookup3.c, and of an HDF5 file's superblock.
    #[test]
    fn checksums_are_lookup3() {
        assert_eq!(checksum(b""), 0xdead_beef);
        assert_eq!(checksum(b"Four score and seven years ago"), 0x1777_0551);
    }

    #[test]
    fn checksums_are_those_of_a_file() {
        let file = include_bytes!("../../../tests/data/formats/h5_group_late.h5");
        let stored = u32::from_le_bytes([file[44], file[45], file[46], file[47]]);
        assert_eq!(checksum(&file[..44]), stored);
    }
}
