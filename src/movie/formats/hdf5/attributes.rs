//! Attributes, and small datasets read as values.

use super::super::input::Input;
use super::types::{Space, Type};
use super::{Hdf5, Object, kind};

/// The value of an attribute, as far as it is of use.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Numbers(Vec<f64>),
    Texts(Vec<String>),
    /// Addresses of other objects.
    References(Vec<u64>),
}

/// Values of one attribute that are kept.
const MOST_VALUES: u64 = 1 << 16;

impl Value {
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Texts(texts) => texts.first().map(String::as_str),
            _ => None,
        }
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Numbers(numbers) => numbers.first().copied(),
            Value::Texts(texts) => texts.first()?.trim().parse().ok(),
            Value::References(_) => None,
        }
    }

    /// As it is shown in metadata.
    pub fn shown(&self) -> Option<String> {
        let joined = |mut all: Vec<String>| {
            if all.len() > 8 {
                all.truncate(8);
                all.push("…".into());
            }
            all.join(", ")
        };
        match self {
            Value::Numbers(numbers) => Some(joined(numbers.iter().take(9).map(ToString::to_string).collect())),
            Value::Texts(texts) => Some(joined(texts.iter().take(9).cloned().collect())),
            Value::References(_) => None,
        }
    }
}

impl Hdf5 {
    /// Attributes by name. One that cannot be understood is left out: it must not hide the movie.
    pub fn attributes(&self, object: &Object) -> Result<Vec<(String, Value)>, String> {
        let mut bodies: Vec<Input> = vec![];
        if let Some(info) = object.message(kind::ATTRIBUTE_INFO) {
            let mut c = info.body.cursor(1, false);
            let flags = c.u8()?;
            c.skip(if flags & 1 != 0 { 2 } else { 0 })?;
            let (heap, tree) = (c.uint(self.offset_size)?, c.uint(self.offset_size)?);
            if !self.undefined(heap) && !self.undefined(tree) {
                bodies = self.heap_objects(heap, tree, 8)?;
            }
        }
        let direct = object.messages.iter().filter(|m| m.kind == kind::ATTRIBUTE).map(|m| &*m.body);
        let all = direct.chain(&bodies).filter_map(|body| self.attribute(body).ok().flatten());
        let mut found: Vec<_> = all.collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    fn attribute(&self, body: &Input) -> Result<Option<(String, Value)>, String> {
        let mut c = body.cursor(0, false);
        let (version, flags) = (c.u8()?, c.u8()?);
        let sizes = [c.u16()?, c.u16()?, c.u16()?].map(u64::from);
        c.skip(if version == 3 { 1 } else { 0 })?;
        // Version 1 fills each part up to a multiple of eight bytes.
        let mut part = |size: u64| {
            let bytes = c.bytes(size, "an attribute")?;
            if version == 1 {
                c.skip(size.next_multiple_of(8) - size)?;
            }
            Ok::<_, String>(bytes)
        };
        let name = text_of(&part(sizes[0])?);
        let (datatype, space) = (Input::memory(part(sizes[1])?), Input::memory(part(sizes[2])?));
        let datatype = if flags & 1 != 0 {
            Type::parse(&*self.shared(kind::DATATYPE, &datatype)?)?
        } else {
            Type::parse(&datatype)?
        };
        let space = Space::parse(&space, self.length_size)?;
        let bytes = datatype.size(self.offset_size).checked_mul(space.elements()?.min(MOST_VALUES));
        let raw = c.bytes(bytes.ok_or("is damaged: an attribute is too large")?, "an attribute")?;
        Ok(self.value(&datatype, &raw)?.map(|value| (name, value)))
    }

    /// Turns stored elements into a value.
    pub(super) fn value(&self, datatype: &Type, raw: &[u8]) -> Result<Option<Value>, String> {
        let size = datatype.size(self.offset_size).max(1) as usize;
        let each = || raw.chunks_exact(size);
        Ok(match datatype {
            Type::Number { number, big_endian } => {
                let exact = |b: &[u8]| number.exact(b, *big_endian);
                Some(Value::Numbers(each().map(exact).collect()))
            }
            Type::Text(_) => Some(Value::Texts(each().map(text_of).collect())),
            Type::HeapText => {
                let texts = each().map(|b| Ok(text_of(&self.heap_bytes(b, 1)?))).collect::<Result<_, String>>()?;
                Some(Value::Texts(texts))
            }
            Type::HeapList(inner) if **inner == Type::Reference => {
                let mut all = vec![];
                for element in each() {
                    let bytes = self.heap_bytes(element, self.offset_size as u64)?;
                    all.extend(bytes.chunks_exact(self.offset_size).take(1).map(address_of));
                }
                Some(Value::References(all))
            }
            Type::Reference => Some(Value::References(each().map(address_of).collect())),
            _ => None,
        })
    }

    /// What a variable-length element points at: a count, an address and an index.
    fn heap_bytes(&self, element: &[u8], item: u64) -> Result<Vec<u8>, String> {
        let element = Input::memory(element.to_vec());
        let mut c = element.cursor(0, false);
        let (count, address, index) = (u64::from(c.u32()?), c.uint(self.offset_size)?, c.u32()?);
        if count == 0 {
            return Ok(vec![]);
        }
        let mut bytes = self.global_object(address, index)?;
        bytes.truncate(usize::try_from(count.saturating_mul(item)).unwrap_or(usize::MAX));
        Ok(bytes)
    }
}

/// Text up to its first zero, without spaces around it.
pub(super) fn text_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_string()
}

fn address_of(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |all, &b| (all << 8) | u64::from(b))
}
