//! Reading and writing the binary encodings of `docs/format.md`.

use super::types::{DEEPEST, Field, Schema, Type};
use super::{ColumnRef, RowGroup, Table};
use crate::hash::Hash;
use std::sync::Arc;

/// Bytes that are not what their place says they are. The blob they came from counts as missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// Takes fields off the front of some bytes.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Begins at the first byte.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// Returns the offset of the next byte.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Takes the next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len()).ok_or(Malformed("too short"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// Takes a byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        let byte = *self.bytes.get(self.at).ok_or(Malformed("too short"))?;
        self.at += 1;
        Ok(byte)
    }

    /// Takes a number of four bytes.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().expect("four bytes were taken")))
    }

    /// Takes a hash.
    pub fn hash(&mut self) -> Result<Hash, Malformed> {
        Ok(Hash::from_bytes(self.take(32)?.try_into().expect("32 bytes were taken")))
    }

    /// Takes a text behind its length.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.u32()? as usize;
        std::str::from_utf8(self.take(length)?).map_err(|_| Malformed("a name is not UTF-8"))
    }

    /// Takes exactly `expected`.
    pub fn magic(&mut self, expected: &[u8]) -> Result<(), Malformed> {
        if self.take(expected.len())? == expected { Ok(()) } else { Err(Malformed("wrong first bytes")) }
    }

    /// Skips to the next multiple of 8.
    pub fn pad(&mut self) -> Result<(), Malformed> {
        self.take(self.at.next_multiple_of(8) - self.at).map(|_| ())
    }

    /// Checks that nothing is left.
    pub fn end(&self) -> Result<(), Malformed> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(Malformed("bytes after the end")) }
    }

    /// Takes a type.
    pub fn ty(&mut self) -> Result<Type, Malformed> {
        self.ty_within(DEEPEST)
    }

    fn ty_within(&mut self, depth: u32) -> Result<Type, Malformed> {
        let depth = depth.checked_sub(1).ok_or(Malformed("types nested too deeply"))?;
        Ok(match self.u8()? {
            0 => Type::Null,
            1 => Type::Bool,
            2 => Type::Int,
            3 => Type::Float,
            4 => Type::String,
            5 => Type::Date,
            6 => Type::Timestamp,
            7 => Type::List(Box::new(self.ty_within(depth)?)),
            8 => Type::Struct(self.fields(depth)?),
            _ => return Err(Malformed("unknown type")),
        })
    }

    fn fields(&mut self, depth: u32) -> Result<Vec<Field>, Malformed> {
        (0..self.u32()?).map(|_| Ok(Field::new(self.text()?, self.ty_within(depth)?))).collect()
    }
}

/// Appends a text behind its length.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_len(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Appends a length.
pub fn put_len(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).expect("counts and names stay below 4 GiB").to_le_bytes());
}

/// Appends zeros up to a multiple of 8.
pub fn put_pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(8), 0);
}

/// Appends a type.
pub fn put_type(out: &mut Vec<u8>, ty: &Type) {
    out.push(match ty {
        Type::Null => 0,
        Type::Bool => 1,
        Type::Int => 2,
        Type::Float => 3,
        Type::String => 4,
        Type::Date => 5,
        Type::Timestamp => 6,
        Type::List(_) => 7,
        Type::Struct(_) => 8,
    });
    match ty {
        Type::List(item) => put_type(out, item),
        Type::Struct(fields) => put_fields(out, fields),
        _ => {}
    }
}

/// Appends a list of named types.
pub fn put_fields(out: &mut Vec<u8>, fields: &[Field]) {
    put_len(out, fields.len());
    for field in fields {
        put_text(out, &field.name);
        put_type(out, &field.ty);
    }
}

/// In place of the number of a group's takes: it follows, and is as wide as the positions in it.
const MANY: u8 = 255;

/// How wide positions in a group's takes are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Byte,
    Word,
}

impl Width {
    fn of(takes: usize) -> Width {
        if takes < usize::from(MANY) { Width::Byte } else { Width::Word }
    }
}

const TABLE: &[u8; 8] = b"dmtbl\0\0\x01";

impl Table {
    /// Returns the number of rows.
    pub fn rows(&self) -> u64 {
        self.groups.iter().map(|group| u64::from(group.rows)).sum()
    }

    /// Writes the table's blob.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = TABLE.to_vec();
        put_fields(&mut out, &self.schema.0);
        put_len(&mut out, self.key.len());
        self.key.iter().for_each(|name| put_text(&mut out, name));
        put_len(&mut out, self.groups.len());
        for group in &self.groups {
            let mut takes: Vec<Hash> = Vec::new();
            for take in group.columns.iter().filter_map(|column| column.take) {
                if !takes.contains(&take) {
                    takes.push(take);
                }
            }
            out.extend_from_slice(&group.rows.to_le_bytes());
            let width = Width::of(takes.len());
            match width {
                Width::Byte => out.push(takes.len() as u8),
                Width::Word => {
                    out.push(MANY);
                    put_len(&mut out, takes.len());
                }
            }
            takes.iter().for_each(|take| out.extend_from_slice(take.as_bytes()));
            for column in &group.columns {
                out.extend_from_slice(column.chunk.as_bytes());
                let which = column.take.and_then(|take| takes.iter().position(|t| *t == take)).map_or(0, |i| i + 1);
                match width {
                    Width::Byte => out.push(which as u8),
                    Width::Word => put_len(&mut out, which),
                }
            }
        }
        out
    }

    /// Reads a table's blob.
    pub fn decode(bytes: &[u8]) -> Result<Table, Malformed> {
        let mut from = Reader::new(bytes);
        from.magic(TABLE)?;
        let schema = Schema(from.fields(DEEPEST)?);
        let key = (0..from.u32()?).map(|_| Ok(from.text()?.to_owned())).collect::<Result<_, _>>()?;
        let mut groups = Vec::new();
        for _ in 0..from.u32()? {
            let rows = from.u32()?;
            let (width, count) = match from.u8()? {
                MANY => (Width::Word, from.u32()?),
                count => (Width::Byte, u32::from(count)),
            };
            if width != Width::of(count as usize) {
                return Err(Malformed("few takes written as many"));
            }
            let takes = (0..count).map(|_| from.hash()).collect::<Result<Vec<_>, _>>()?;
            let mut columns = Vec::with_capacity(schema.0.len());
            for _ in &schema.0 {
                let chunk = from.hash()?;
                let which = match width {
                    Width::Byte => u32::from(from.u8()?),
                    Width::Word => from.u32()?,
                };
                let take = match which {
                    0 => None,
                    n => Some(*takes.get(n as usize - 1).ok_or(Malformed("no such take"))?),
                };
                columns.push(ColumnRef { chunk, take });
            }
            groups.push(Arc::new(RowGroup { rows, columns }));
        }
        from.end()?;
        Ok(Table { schema, key, groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_holds_any_number_of_takes() {
        for n in [0u32, 1, 254, 255, 256, 1000] {
            let hash = |i: u32| Hash::of(&i.to_le_bytes());
            let column = |i: u32| ColumnRef { chunk: hash(i), take: (i < n).then(|| hash(i)) };
            let group = RowGroup { rows: 1, columns: (0..=n).map(column).collect() };
            let schema = Schema((0..=n).map(|i| Field::new(i.to_string(), Type::Int)).collect());
            let table = Table { schema, key: Vec::new(), groups: vec![Arc::new(group)] };
            let bytes = table.encode();
            assert_eq!(Table::decode(&bytes), Ok(table), "{n}");
            for end in [bytes.len() - 1, bytes.len() / 2] {
                assert!(Table::decode(&bytes[..end]).is_err(), "{n}");
            }
        }
    }
}
