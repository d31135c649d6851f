//! CSV and TSV: rows of texts, and what type the texts of a column are.

use super::conform::conform;
use super::{Header, ParseError, Parsed, ParsedColumn, Types, declaration, infer, position, scan};
use crate::table::Type;
use arrow_array::ArrayRef;
use arrow_array::builder::StringBuilder;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

fn reader(delimiter: u8, text: &str) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text.as_bytes())
}

/// Reads the names of the columns from the header; `Err` says what is wrong with them.
pub(super) fn names(delimiter: u8, record: &str) -> Result<Vec<String>, String> {
    let mut row = csv::StringRecord::new();
    let mut reader = reader(delimiter, record);
    reader.read_record(&mut row).map_err(|error| error.to_string())?;
    if reader.read_record(&mut csv::StringRecord::new()).map_err(|error| error.to_string())? {
        return Err("a carriage return alone ends the header: lines end with a line feed".to_owned());
    }
    let mut names: Vec<String> = Vec::with_capacity(row.len());
    let mut seen = std::collections::HashSet::with_capacity(row.len());
    for (i, name) in row.iter().enumerate() {
        if name.is_empty() {
            return Err(format!("column {} has no name", i + 1));
        }
        if !seen.insert(name) {
            return Err(format!("there are two columns `{name}`"));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

struct Column<'h> {
    name: &'h str,
    declared: Option<&'h Type>,
    texts: StringBuilder,
    ty: Type,
    /// Where in the segment the row begins that made the type what it is.
    evidence: u64,
}

/// Parses the rows of a segment.
pub(super) fn parse(delimiter: u8, header: &Header, text: &str, types: &Types) -> Result<Parsed, ParseError> {
    // The reader takes a byte order mark at the very beginning for itself; here it begins a value. An empty line before it does no harm.
    let text = &*if text.starts_with('\u{feff}') { Cow::Owned(format!("\r{text}")) } else { Cow::Borrowed(text) };
    let bytes = text.len() / header.0.len().max(1);
    let mut columns: Vec<Column> = header
        .0
        .iter()
        .map(|name| Column {
            name,
            declared: types.get(name),
            texts: StringBuilder::with_capacity((bytes / 16).min(4096), bytes),
            ty: Type::Null,
            evidence: 0,
        })
        .collect();
    let mut reader = reader(delimiter, text);
    let mut row = csv::StringRecord::new();
    let mut rows = 0;
    loop {
        let start = reader.position().byte();
        let more = reader.read_record(&mut row).map_err(|error| ParseError::new(0, 1, error.to_string()))?;
        if !more {
            break;
        }
        if row.len() != columns.len() {
            let end = reader.position().byte();
            return Err(ragged(delimiter, text, start..end, row.len(), columns.len()));
        }
        rows += 1;
        let mut has_empty = false;
        for (column, field) in columns.iter_mut().zip(&row) {
            if field.is_empty() {
                has_empty = true;
                break;
            }
            column.push(field, start);
        }
        if has_empty {
            // Only the bytes tell nothing from an empty text in quotes.
            let raw = text[start as usize..reader.position().byte() as usize].trim_start_matches(['\r', '\n']);
            let raw = scan::fields(raw.as_bytes(), delimiter).map(|field| field.first() == Some(&b'"'));
            let raw = raw.chain(std::iter::repeat(false));
            for ((column, field), quoted) in columns.iter_mut().zip(&row).zip(raw) {
                match (field.is_empty(), quoted) {
                    _ if column.texts.offsets_slice().len() > rows => {}
                    (false, _) => column.push(field, start),
                    (true, true) => column.texts.append_value(""),
                    (true, false) => column.texts.append_null(),
                }
            }
        }
    }
    let columns = columns.into_iter().enumerate().map(|(at, column)| column.finish(delimiter, text, at));
    Ok(Parsed { rows, columns: columns.collect::<Result<_, _>>()?, bad: Vec::new() })
}

impl Column<'_> {
    fn push(&mut self, field: &str, start: u64) {
        self.texts.append_value(field);
        if self.declared.is_none() && self.ty != Type::String {
            let joined = infer::join(&self.ty, &infer::guess(field));
            if joined != self.ty {
                (self.ty, self.evidence) = (joined, start);
            }
        }
    }

    /// Returns the column, which is the one at position `at` of the header.
    fn finish(mut self, delimiter: u8, text: &str, at: usize) -> Result<ParsedColumn, ParseError> {
        let texts: ArrayRef = Arc::new(self.texts.finish());
        let (ty, array) = match self.declared {
            None => (self.ty, texts),
            Some(ty) => {
                let array = conform(&texts, ty).map_err(|misfit| {
                    let start = row_start(delimiter, text, misfit.row);
                    let (line, column) = position(text, field_start(delimiter, text, start, at));
                    let title = format!("`{}` is declared {ty}, and {} here", self.name, misfit.title);
                    let help = format!("declare the column as text: {}", declaration(self.name, "string"));
                    ParseError::new(line, column, title).help(help)
                })?;
                (ty.clone(), array)
            }
        };
        let (line, _) = position(text, skip_ends(text, self.evidence));
        Ok(ParsedColumn { name: self.name.to_owned(), ty, array, evidence: u32::try_from(line).unwrap_or(u32::MAX) })
    }
}

/// Says that a row has not as many fields as the header: at the first that is too many, or where one is missing.
fn ragged(delimiter: u8, text: &str, row: Range<u64>, found: usize, wanted: usize) -> ParseError {
    let start = skip_ends(text, row.start);
    let end = start + text[start..row.end as usize].trim_end_matches(['\r', '\n']).len();
    let fault = if found > wanted { field_start(delimiter, text, start, wanted) } else { end };
    let (line, column) = position(text, fault);
    let fields = if found == 1 { "field" } else { "fields" };
    let title = format!("this row has {found} {fields}, and the header has {wanted}");
    let what = if delimiter == b'\t' { "tab" } else { "comma" };
    ParseError::new(line, column, title)
        .help(format!("a field that holds a {what} or a line end stands in double quotes"))
}

/// Returns where a field of the row at `start` begins.
fn field_start(delimiter: u8, text: &str, start: usize, at: usize) -> usize {
    let before = scan::fields(&text.as_bytes()[start..], delimiter).take(at);
    start + before.map(|field| field.len() + 1).sum::<usize>()
}

/// Skips line ends: the parser begins a row right after the first byte that ended the one before.
fn skip_ends(text: &str, start: u64) -> usize {
    let rest = &text[start as usize..];
    start as usize + (rest.len() - rest.trim_start_matches(['\r', '\n']).len())
}

/// Finds where a row begins, by parsing again those before it.
fn row_start(delimiter: u8, text: &str, row: usize) -> usize {
    let mut reader = reader(delimiter, text);
    let mut record = csv::StringRecord::new();
    for _ in 0..row {
        if !matches!(reader.read_record(&mut record), Ok(true)) {
            break;
        }
    }
    skip_ends(text, reader.position().byte())
}
