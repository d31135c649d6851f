//! The laws of reading and writing, with the helpers that state them.

mod bad_rows;
mod errors;
mod records;
mod round_trip;
mod whole;

use super::*;
use crate::hash::Hash;
use crate::table::{Batch, Limits, Type, encode_chunk};
use arrow_array::ArrayRef;

/// Small segments, so that small inputs have several.
const SMALL: Limits = Limits { min: 2, target: 4, max: 8 };

/// Splits bytes that are fed `piece` at a time.
fn split_in(
    format: Format,
    limits: Limits,
    key: &[&str],
    bytes: &[u8],
    piece: usize,
) -> Result<Vec<Segment>, ParseError> {
    let key: Vec<String> = key.iter().map(|name| (*name).to_owned()).collect();
    let mut splitter = Splitter::new(format, limits, &key);
    let mut found = Vec::new();
    for piece in bytes.chunks(piece) {
        splitter.push(piece, &mut |segment| found.push(segment))?;
    }
    splitter.finish(&mut |segment| found.push(segment))?;
    Ok(found)
}

fn split(format: Format, bytes: &[u8]) -> Result<Vec<Segment>, ParseError> {
    split_in(format, SMALL, &[], bytes, usize::MAX)
}

/// Reads a whole file of records the way that the `files` maker does; an error is `line:column: title`, and so is the first bad row.
fn read(format: Format, bytes: &[u8], types: &Types) -> Result<Batch, String> {
    let shown = |first: u64, error: ParseError| {
        let also =
            error.also.map_or(String::new(), |(line, text)| format!(" (line {}: {text})", first + u64::from(line)));
        format!("{}:{}: {}{also}", first + u64::from(error.line), error.column, error.title)
    };
    let segments = split(format, bytes).map_err(|error| shown(1, error))?;
    let mut unifier = Unifier::new();
    let mut parts = Vec::new();
    for (number, segment) in segments.iter().enumerate() {
        let parsed = parse_segment(format, segment.header.as_deref(), &segment.bytes, types);
        let mut parsed = parsed.map_err(|error| shown(segment.first_line, error))?;
        if !parsed.bad.is_empty() {
            return Err(shown(segment.first_line, parsed.bad.remove(0).error));
        }
        let line = |place: Place| segments[place.segment].first_line + u64::from(place.line);
        for ParsedColumn { name, ty, evidence, .. } in &parsed.columns {
            let place = Place { segment: number, line: *evidence };
            let guess = format.is_delimited() && !types.contains_key(name);
            let added = if guess { unifier.add_text(name, ty, place) } else { unifier.add(name, ty, place) };
            added.map_err(|conflict| {
                format!("{}, {}: {}", line(conflict.first.1), line(conflict.second.1), conflict.title())
            })?;
        }
        parts.push(parsed);
    }
    let rows = parts.iter().map(|part| part.rows).sum();
    let columns = unifier.schema().0.into_iter().map(|field| {
        let mut arrays = vec![arrow_array::new_empty_array(&field.ty.arrow())];
        for part in &parts {
            let has = part.columns.iter().find(|column| column.name == field.name);
            let lacking = || arrow_array::new_null_array(&field.ty.arrow(), part.rows);
            arrays.push(has.map_or_else(lacking, |column| conform(&column.array, &field.ty).unwrap()));
        }
        (field.name, join(&arrays))
    });
    Ok(Batch { rows, columns: columns.collect() })
}

fn join(arrays: &[ArrayRef]) -> ArrayRef {
    let arrays: Vec<&dyn arrow_array::Array> = arrays.iter().map(AsRef::as_ref).collect();
    arrow_select::concat::concat(&arrays).unwrap()
}

fn types(declared: &[(&str, &str)]) -> Types {
    declared.iter().map(|(name, ty)| ((*name).to_owned(), ty.parse().unwrap())).collect()
}

/// Shows a batch as its schema and its rows in JSON.
fn shown(batch: &Batch) -> String {
    let fields: Vec<String> = batch.schema().0.iter().map(|f| format!("{}: {}", f.name, f.ty)).collect();
    let rows = String::from_utf8(encode_rows(Format::Jsonl, batch).unwrap()).unwrap();
    format!("{}\n{rows}", fields.join(", "))
}

/// Reads and shows each input; all that differ are named at once.
fn check_all(format: Format, declared: &[(&str, &str)], cases: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (input, expect) in cases {
        let found = match read(format, input.as_bytes(), &types(declared)) {
            Ok(batch) => shown(&batch),
            Err(error) => error,
        };
        if found.trim_end() != *expect {
            wrong.push_str(&format!("{input:?}\n  gives  {found:?}\n  not    {expect:?}\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn check(format: Format, input: &str, declared: &[(&str, &str)], expect: &str) {
    check_all(format, declared, &[(input, expect)]);
}

fn chunks(batch: &Batch) -> Vec<(String, Hash)> {
    batch.columns.iter().map(|(name, array)| (name.clone(), Hash::of(&encode_chunk(array)))).collect()
}
