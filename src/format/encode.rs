//! Rows as text: JSONL, CSV and TSV, a group of rows at a time, so that groups can be encoded on several threads.

use super::{Format, Problem};
use crate::table::{Batch, Picked, Schema};
use crate::time;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use std::sync::Arc;

/// Encodes the rows of a batch. The encodings of batches, one after the other behind [`encode_header`], are a file.
///
/// JSONL has every column in every row. NaN and the infinities, which JSON lacks, become null there.
pub fn encode_rows(format: Format, batch: &Batch) -> Result<Vec<u8>, Problem> {
    encode_picked(format, &Picked::from(batch))
}

/// Does the same with rows that are picked, without copying them first.
pub fn encode_picked(format: Format, rows: &Picked) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::with_capacity(rows.columns.iter().map(|(_, array, _)| array.get_array_memory_size()).sum());
    match format.delimiter() {
        Some(delimiter) => delimited(delimiter, rows, &mut out),
        None if format == Format::Jsonl => jsonl(rows, &mut out),
        None => return Err(not_text(format)),
    }
    Ok(out)
}

/// Encodes what a file begins with: the names of the columns of CSV and TSV.
pub fn encode_header(format: Format, schema: &Schema) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::new();
    match format.delimiter() {
        Some(delimiter) => {
            for (i, name) in schema.names().enumerate() {
                if i > 0 {
                    out.push(delimiter);
                }
                if name.starts_with('\u{feff}') { quote(&mut out, name) } else { field(&mut out, delimiter, name) }
            }
            out.push(b'\n');
        }
        None if format == Format::Jsonl => {}
        None => return Err(not_text(format)),
    }
    Ok(out)
}

pub(super) fn not_text(format: Format) -> Problem {
    Problem::new(format!("{format} files are not written by rows")).help("jsonl, csv and tsv are")
}

/// Returns the values as texts: as they are in CSV, nulls as nulls, lists and structs as JSON.
pub(super) fn texts(array: &ArrayRef) -> ArrayRef {
    let cells = Cells::of(array);
    let mut texts = StringBuilder::new();
    let mut out = Vec::new();
    for row in 0..array.len() {
        if cells.is_null(row) {
            texts.append_null();
            continue;
        }
        out.clear();
        cells.text(&mut out, row);
        texts.append_value(String::from_utf8_lossy(&out));
    }
    Arc::new(texts.finish())
}

fn jsonl(rows: &Picked, out: &mut Vec<u8>) {
    let named = named(rows.columns.iter().map(|(name, array, _)| (name.as_str(), array)));
    let columns: Vec<_> = named.into_iter().zip(positions(rows)).collect();
    for row in 0..rows.rows {
        if columns.is_empty() {
            out.push(b'{');
        }
        for ((before, cells), at) in &columns {
            out.extend_from_slice(before);
            cells.json(out, at(row));
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Returns for each column where in it a row is.
fn positions(rows: &Picked) -> impl Iterator<Item = impl Fn(usize) -> usize> {
    let takes = rows.columns.iter().map(|(_, _, take)| take.as_ref().map(|take| take.indices()));
    takes.map(|take| move |row| take.map_or(row, |take| take[row] as usize))
}

fn delimited(delimiter: u8, rows: &Picked, out: &mut Vec<u8>) {
    let columns: Vec<_> = rows.columns.iter().map(|(_, array, _)| Cells::of(array)).zip(positions(rows)).collect();
    let mut scratch = Vec::new();
    for row in 0..rows.rows {
        for (i, (cells, at)) in columns.iter().enumerate() {
            let row = at(row);
            if i > 0 {
                out.push(delimiter);
            }
            if cells.is_null(row) {
                // A blank line would be no row at all.
                if columns.len() == 1 {
                    out.extend_from_slice(b"\"\"");
                }
                continue;
            }
            match &cells.values {
                Values::Text(texts) => field(out, delimiter, texts.value(row)),
                Values::List { .. } | Values::Struct(_) => {
                    scratch.clear();
                    cells.json(&mut scratch, row);
                    field(out, delimiter, &String::from_utf8_lossy(&scratch));
                }
                _ => cells.text(out, row),
            }
        }
        out.push(b'\n');
    }
}

/// Writes a field of CSV; an empty text in quotes, so that it is not a null.
fn field(out: &mut Vec<u8>, delimiter: u8, text: &str) {
    let special = |byte: &u8| *byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r');
    if text.is_empty() || text.as_bytes().iter().any(special) {
        quote(out, text);
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

fn quote(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=at]);
        out.push(b'"');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// The cells of a column, its type found once.
struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Null,
    Bool(&'a BooleanArray),
    Int(&'a [i64]),
    Float(&'a [f64]),
    Text(&'a StringArray),
    Date(&'a [i32]),
    Timestamp(&'a [i64]),
    List {
        ends: &'a [i32],
        items: Box<Cells<'a>>,
    },
    /// Each field behind the bytes that come before its value.
    Struct(Vec<(Vec<u8>, Cells<'a>)>),
}

fn named<'a>(columns: impl Iterator<Item = (&'a str, &'a ArrayRef)>) -> Vec<(Vec<u8>, Cells<'a>)> {
    let prepared = |(i, (name, array)): (usize, (&str, &'a ArrayRef))| {
        let mut before = vec![if i == 0 { b'{' } else { b',' }];
        string(&mut before, name);
        before.push(b':');
        (before, Cells::of(array))
    };
    columns.enumerate().map(prepared).collect()
}

fn object(out: &mut Vec<u8>, fields: &[(Vec<u8>, Cells)], row: usize) {
    if fields.is_empty() {
        out.push(b'{');
    }
    for (before, cells) in fields {
        out.extend_from_slice(before);
        cells.json(out, row);
    }
    out.push(b'}');
}

impl<'a> Cells<'a> {
    fn of(array: &'a ArrayRef) -> Cells<'a> {
        let values = match array.data_type() {
            DataType::Null => Values::Null,
            DataType::Boolean => Values::Bool(array.as_boolean()),
            DataType::Int64 => Values::Int(array.as_primitive::<Int64Type>().values()),
            DataType::Float64 => Values::Float(array.as_primitive::<Float64Type>().values()),
            DataType::Utf8 => Values::Text(array.as_string()),
            DataType::Date32 => Values::Date(array.as_primitive::<Date32Type>().values()),
            DataType::Timestamp(_, _) => Values::Timestamp(array.as_primitive::<TimestampMicrosecondType>().values()),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Values::List { ends: list.value_offsets(), items: Box::new(Cells::of(list.values())) }
            }
            DataType::Struct(fields) => {
                let names = fields.iter().map(|field| field.name().as_str());
                Values::Struct(named(names.zip(array.as_struct().columns())))
            }
            // A batch holds columns of the types above.
            _ => Values::Null,
        };
        Cells { nulls: array.nulls(), values }
    }

    fn is_null(&self, row: usize) -> bool {
        matches!(self.values, Values::Null) || self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    /// Writes a value as JSON.
    fn json(&self, out: &mut Vec<u8>, row: usize) {
        if self.is_null(row) {
            return out.extend_from_slice(b"null");
        }
        match &self.values {
            Values::Text(texts) => string(out, texts.value(row)),
            Values::Float(values) if !values[row].is_finite() => out.extend_from_slice(b"null"),
            Values::Date(_) | Values::Timestamp(_) => {
                out.push(b'"');
                self.text(out, row);
                out.push(b'"');
            }
            Values::List { ends, items } => {
                out.push(b'[');
                for item in ends[row] as usize..ends[row + 1] as usize {
                    if item > ends[row] as usize {
                        out.push(b',');
                    }
                    items.json(out, item);
                }
                out.push(b']');
            }
            Values::Struct(fields) => object(out, fields, row),
            _ => self.text(out, row),
        }
    }

    /// Writes a value that is not null as plain text.
    fn text(&self, out: &mut Vec<u8>, row: usize) {
        match &self.values {
            Values::Null => {}
            Values::Bool(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            Values::Int(values) => number(out, &values[row]),
            Values::Float(values) => match values[row] {
                value if value.is_finite() => number(out, &value),
                value if value.is_nan() => out.extend_from_slice(b"NaN"),
                value => out.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" }),
            },
            Values::Text(texts) => out.extend_from_slice(texts.value(row).as_bytes()),
            Values::Date(values) => time::write_date(out, values[row].into()),
            Values::Timestamp(values) => time::write_timestamp(out, values[row]),
            Values::List { .. } | Values::Struct(_) => self.json(out, row),
        }
    }
}

/// Writes a number with the fewest digits that read back as it.
fn number(out: &mut Vec<u8>, value: &impl serde::Serialize) {
    serde_json::to_writer(out, value).expect("a number is written into memory");
}

/// Writes a JSON string.
fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = first_special(rest) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Finds the first byte that a JSON string escapes, 32 bytes at a step.
fn first_special(bytes: &[u8]) -> Option<usize> {
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    let mut at = 0;
    for block in bytes.chunks(32) {
        if block.iter().fold(false, |any, byte| any | special(byte)) {
            return block.iter().position(special).map(|found| at + found);
        }
        at += block.len();
    }
    None
}
