//! JSON straight into columns: a serde visitor per value, no tree between; rows of plain values do without serde.

mod quick;

use super::build::{Clash, Column, Fields, Given, Refused};
use super::scan::{self, More, Scanner};
use super::{ParseError, Parsed, ParsedColumn, Types, declaration};
use crate::table::Type;
use quick::Quick;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// How deep values may be nested, the row itself counted.
const DEEPEST: u32 = 64;

/// How many columns and fields a segment may have, structs counted as often as they are nested.
const MOST_FIELDS: usize = 4096;

/// Parses one object a line; blank lines are no rows.
pub(super) fn parse_lines(text: &str, types: &Types) -> Result<Parsed, ParseError> {
    let mut rows = Rows::new(types);
    let (mut line, mut rest) = (0, text);
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        let record = rest[..end].trim_ascii_end();
        if !record.trim_ascii_start().is_empty() {
            rows.push(record, line)?;
        }
        rest = rest.get(end + 1..).unwrap_or_default();
        line += 1;
    }
    rows.finish()
}

/// Parses the elements of an array, each behind it a comma, the last perhaps not.
pub(super) fn parse_elements(text: &str, types: &Types) -> Result<Parsed, ParseError> {
    let mut rows = Rows::new(types);
    let mut scanner = Scanner::Elements(scan::Elements::default());
    let (mut line, mut from) = (0, 0);
    while from < text.len() {
        let (end, next) = match scanner.next(text.as_bytes(), from) {
            Some(end) if end.more == More::Closed => {
                let (line, column) = super::position(text, end.at);
                return Err(ParseError::new(line, column, "this bracket closes nothing"));
            }
            Some(end) => (end.at - 1, end.at),
            None => (text.len(), text.len()),
        };
        let element = text[from..end].trim_ascii_end();
        let space = element.len() - element.trim_ascii_start().len();
        line += newlines(&element[..space]);
        let value = &element[space..];
        if !value.is_empty() {
            let at = from + space;
            let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
            // Only the first line of an element may begin inside a line of the file.
            let indent = |error: ParseError| match error.line == line {
                true => error.right(text[start..at].chars().count()),
                false => error,
            };
            rows.push(value, line).map_err(indent)?;
        }
        line += newlines(&text[from + space.min(end - from)..next]);
        from = next;
    }
    rows.finish()
}

fn newlines(text: &str) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', text.as_bytes()).count()).unwrap_or(u32::MAX)
}

/// Parses JSON texts, one a row, as values of a declared type; `Err` has the number of a row that is none.
pub(super) fn parse_cells<'a>(
    cells: impl Iterator<Item = Option<&'a str>>,
    ty: &Type,
) -> Result<arrow_array::ArrayRef, usize> {
    let mut column = Column::declared(ty);
    for (row, cell) in cells.enumerate() {
        let Some(cell) = cell else {
            column.nulls(1);
            continue;
        };
        let mut state = State::default();
        let mut from = serde_json::Deserializer::from_str(cell);
        let cell = Cell { column: &mut column, state: &mut state };
        cell.deserialize(&mut from).and_then(|()| from.end()).map_err(|_| row)?;
    }
    Ok(column.finish())
}

/// The rows of a segment so far.
struct Rows<'t> {
    quick: Quick,
    fields: Fields,
    types: &'t Types,
    state: State,
}

/// What the visitors of one row share.
#[derive(Default)]
struct State {
    line: u32,
    depth: u32,
    /// New columns and fields so far, of all rows.
    names: usize,
    fault: Option<Fault>,
    /// A float that may have been written as an integer too large for 64 bits.
    huge: Option<f64>,
}

/// Why a value was not taken; serde's own error only carries the position.
struct Fault {
    /// From the inside out.
    path: Vec<String>,
    says: String,
    remedy: Remedy,
    since: Option<(u32, String)>,
}

enum Remedy {
    /// Declare the column as this type.
    Declare(&'static str),
    Say(String),
}

impl<'t> Rows<'t> {
    fn new(types: &'t Types) -> Rows<'t> {
        Rows { quick: Quick::default(), fields: Fields::new(), types, state: State::default() }
    }

    /// Parses one row that begins in `line`.
    fn push(&mut self, record: &str, line: u32) -> Result<(), ParseError> {
        if self.quick.take(record, &mut self.fields, line) { Ok(()) } else { self.push_any(record, line) }
    }

    fn push_any(&mut self, record: &str, line: u32) -> Result<(), ParseError> {
        self.state.line = line;
        let object = record.trim_ascii_start();
        if !object.starts_with('{') {
            return Err(not_an_object(record, object, line));
        }
        let mut from = serde_json::Deserializer::from_str(record);
        let row = Row { fields: &mut self.fields, types: self.types, state: &mut self.state };
        row.deserialize(&mut from).and_then(|()| from.end()).map_err(|error| self.error(record, &error))?;
        if let Some(value) = self.state.huge.take()
            && let Some(at) = scan::wide_integer(record, value)
        {
            return Err(at_offset(record, at, line, "this integer does not fit into 64 bits")
                .help("declare the column as float or string: types = { … = \"string\" } keeps its digits"));
        }
        Ok(())
    }

    fn error(&mut self, record: &str, error: &serde_json::Error) -> ParseError {
        let offset = match error.is_eof() {
            true => record.len(),
            false => offset_of(record, error.line(), error.column()),
        };
        let at = |title: String| at_offset(record, offset, self.state.line, title);
        let Some(mut fault) = self.state.fault.take() else {
            return syntax(record, error, at);
        };
        fault.path.reverse();
        let column = fault.path.first().cloned().unwrap_or_default();
        let path = fault.path.join(".").replace(".[]", "[]");
        let mut made = at(format!("`{path}` {}", fault.says)).help(match fault.remedy {
            Remedy::Declare(ty) => format!("declare the column: {}", declaration(&column, ty)),
            Remedy::Say(help) => help,
        });
        made.also = fault.since;
        made
    }

    fn finish(self) -> Result<Parsed, ParseError> {
        let rows = self.fields.rows();
        let columns = self.fields.finish().into_iter().map(|(name, column)| ParsedColumn {
            name,
            ty: column.ty(),
            evidence: column.evidence(),
            array: column.finish(),
        });
        Ok(Parsed { rows, columns: columns.collect(), bad: Vec::new() })
    }
}

fn not_an_object(record: &str, object: &str, line: u32) -> ParseError {
    let what = match object.as_bytes().first() {
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b'-' | b'0'..=b'9') => "a number",
        Some(b't' | b'f') => "a bool",
        Some(b'n') => "null",
        _ => "something else",
    };
    let title = if object.starts_with('\0') {
        "there is a NUL byte, so this is not a text file".to_owned()
    } else {
        format!("a row is a JSON object, and this is {what}")
    };
    let made = at_offset(record, record.len() - object.len(), line, title);
    match what {
        "an array" => made.help("if the file is one array of objects: format = \"json\""),
        _ => made,
    }
}

fn syntax(record: &str, error: &serde_json::Error, at: impl Fn(String) -> ParseError) -> ParseError {
    if error.is_eof() {
        return at("the row ends before its JSON object does".to_owned()).help("each row is one whole JSON object");
    }
    if record.contains('\0') {
        return at("there is a NUL byte inside JSON".to_owned()).help("inside a string it is written \\u0000");
    }
    let said = error.to_string();
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    let made = at(format!("this is not JSON: {said}"));
    match said {
        "trailing characters" => made.help("there is one JSON object a row"),
        _ if said.contains("surrogate") => made.help("\\ud800 to \\udfff come in pairs"),
        _ if said.starts_with("control character") => made.help("inside a string it is written \\u00…"),
        _ => made,
    }
}

/// Finds the offset of the place that serde names: lines and columns of bytes, both from 1.
fn offset_of(record: &str, line: usize, column: usize) -> usize {
    let ends = memchr::memchr_iter(b'\n', record.as_bytes());
    let start = if line <= 1 { 0 } else { ends.skip(line - 2).map(|at| at + 1).next().unwrap_or(0) };
    (start + column.saturating_sub(1)).min(record.len())
}

fn at_offset(record: &str, offset: usize, line: u32, title: impl Into<String>) -> ParseError {
    let (down, column) = super::position(record, offset);
    ParseError::new(down, column, title).below(line as usize)
}

impl State {
    /// Keeps what is wrong; the error for serde only stops the parser.
    fn fail<E: de::Error>(&mut self, says: impl Into<String>, remedy: Remedy) -> E {
        self.fault = Some(Fault { path: Vec::new(), says: says.into(), remedy, since: None });
        E::custom("refused")
    }

    fn clash<E: de::Error>(&mut self, clash: Clash, found: &str) -> E {
        match clash {
            Clash::Type { known, since } => {
                let says = format!("is {found} here, and {known} before");
                let error = self.fail(says, Remedy::Declare("string"));
                if let Some(fault) = &mut self.fault {
                    fault.since = Some((since, format!("it is {known} here")));
                }
                error
            }
            Clash::Declared { known } => {
                let wanted = match known {
                    Type::Date => "; a date is written \"2024-12-31\"",
                    Type::Timestamp => "; a timestamp is written \"2024-12-31T23:59:59Z\"",
                    _ => "",
                };
                let help = format!("declare the column as another type, or correct the value{wanted}");
                self.fail(format!("is declared {known}, and is {found} here"), Remedy::Say(help))
            }
            Clash::Inexact => {
                let says = "has floats and an integer past 2^53, which a float would round";
                self.fail(says, Remedy::Declare("string"))
            }
            Clash::TooLarge => self.fail("is an integer that does not fit into 64 bits", Remedy::Declare("string")),
        }
    }

    fn deeper<E: de::Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        if self.depth <= DEEPEST {
            return Ok(());
        }
        Err(self.fail(format!("is nested more than {DEEPEST} deep"), Remedy::Declare("string")))
    }

    fn within(&mut self, name: &str) {
        if let Some(fault) = &mut self.fault {
            fault.path.push(name.to_owned());
        }
    }
}

/// Takes a row.
struct Row<'a> {
    fields: &'a mut Fields,
    types: &'a Types,
    state: &'a mut State,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Row { fields, types, state } = self;
        state.depth = 1;
        let make = |name: &str| types.get(name).map_or_else(Column::inferred, Column::declared);
        fill(fields, map, state, make)?;
        fields.end_row();
        Ok(())
    }
}

/// Fills the open row of `fields` from an object.
fn fill<'de, A: MapAccess<'de>>(
    fields: &mut Fields,
    mut map: A,
    state: &mut State,
    make: impl Fn(&str) -> Column,
) -> Result<(), A::Error> {
    while let Some(position) = map.next_key_seed(Name { fields, state, make: &make })? {
        let (name, column) = fields.at(position);
        if let Err(error) = map.next_value_seed(Cell { column, state }) {
            state.within(name);
            return Err(error);
        }
    }
    Ok(())
}

/// Takes the name of a field and finds its column.
struct Name<'a, F> {
    fields: &'a mut Fields,
    state: &'a mut State,
    make: &'a F,
}

impl<'de, F: Fn(&str) -> Column> DeserializeSeed<'de> for Name<'_, F> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<usize, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'de, F: Fn(&str) -> Column> Visitor<'de> for Name<'_, F> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<usize, E> {
        let Name { fields, state, make } = self;
        let before = fields.len();
        let found = fields.locate(name, || make(name));
        state.names += fields.len() - before;
        let (says, remedy) = match found {
            Ok(_) if state.names > MOST_FIELDS => (
                format!("is the field number {}, and rows may have {MOST_FIELDS}", state.names),
                Remedy::Say("if names are data, declare the column that holds them as string".to_owned()),
            ),
            Ok(position) => return Ok(position),
            Err(Refused::Twice) => {
                ("is there twice".to_owned(), Remedy::Say("an object has each name once".to_owned()))
            }
            Err(Refused::Undeclared) => {
                let help = "add the field to the declared type, or remove it".to_owned();
                ("is not in the declared type".to_owned(), Remedy::Say(help))
            }
        };
        let error = state.fail(says, remedy);
        state.within(name);
        Err(error)
    }
}

/// Takes a value into a column.
struct Cell<'a> {
    column: &'a mut Column,
    state: &'a mut State,
}

impl<'de> DeserializeSeed<'de> for Cell<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        if !self.column.keeps_text() {
            return from.deserialize_any(self);
        }
        let raw = <&RawValue>::deserialize(from)?.get();
        let line = self.state.line;
        let text = match raw.as_bytes().first() {
            Some(b'n') => {
                self.column.nulls(1);
                return Ok(());
            }
            Some(b'"') if !raw.contains('\\') => Cow::Borrowed(&raw[1..raw.len() - 1]),
            Some(b'"') => Cow::Owned(serde_json::from_str::<String>(raw).map_err(de::Error::custom)?),
            _ => Cow::Borrowed(raw),
        };
        self.column.text(&text, line).map_err(|clash| self.state.clash(clash, "text"))
    }
}

impl<'de> Visitor<'de> for Cell<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.column.nulls(1);
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.column.bool(value, self.state.line).map_err(|clash| self.state.clash(clash, "bool"))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.column.int(value, self.state.line).map_err(|clash| self.state.clash(clash, "int"))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        let taken = match i64::try_from(value) {
            Ok(value) => self.column.int(value, self.state.line),
            Err(_) => self.column.wide(value),
        };
        taken.map_err(|clash| self.state.clash(clash, "int"))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        if value.abs() >= 9.2e18 && self.column.given() == Given::Inferred {
            self.state.huge = Some(value);
        }
        self.column.float(value, self.state.line).map_err(|clash| self.state.clash(clash, "float"))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.column.text(value, self.state.line).map_err(|clash| {
            let shown: String = value.chars().take(40).collect();
            match clash {
                Clash::Declared { .. } => self.state.clash(clash, &format!("{shown:?}")),
                _ => self.state.clash(clash, "string"),
            }
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Cell { column, state } = self;
        state.deeper()?;
        let items = column.list(state.line).map_err(|clash| state.clash(clash, "list"))?;
        loop {
            match seq.next_element_seed(Cell { column: items, state }) {
                Ok(Some(())) => {}
                Ok(None) => break,
                Err(error) => {
                    state.within("[]");
                    return Err(error);
                }
            }
        }
        column.end_list();
        state.depth -= 1;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Cell { column, state } = self;
        state.deeper()?;
        let fields = column.fields(state.line).map_err(|clash| state.clash(clash, "struct"))?;
        fill(fields, map, state, |_| Column::inferred())?;
        column.end_struct();
        state.depth -= 1;
        Ok(())
    }
}
