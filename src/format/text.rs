//! Plain text: a whole file as one row, or a row per line.

use super::{BadRow, ParseError, Parsed, ParsedColumn, utf8};
use crate::table::Type;
use arrow_array::builder::{Int64Builder, StringBuilder};
use std::sync::Arc;

/// Reads a whole file as one text, without a byte order mark.
pub fn parse_text(bytes: &[u8]) -> Result<&str, BadRow> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let error = ParseError::new(0, 1, "the file is UTF-16").help("convert it: iconv -f UTF-16 -t UTF-8");
        return Err(BadRow::new(error, bytes));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    utf8(bytes).map_err(|error| BadRow::new(error, bytes))
}

/// Parses the lines of a segment: their texts, and the number of each in the segment, from 0. Blank lines are rows, too.
pub(super) fn parse_lines(bytes: &[u8]) -> Parsed {
    let (mut lines, mut texts, mut bad) = (Int64Builder::new(), StringBuilder::new(), Vec::new());
    let (mut number, mut rest) = (0, bytes);
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        match utf8(line) {
            Ok(text) => {
                lines.append_value(number as i64);
                texts.append_value(text);
            }
            Err(error) => bad.push(BadRow::new(error, line).below(number)),
        }
        rest = rest.get(end + 1..).unwrap_or_default();
        number += 1;
    }
    let rows = number - bad.len();
    let columns = vec![
        ParsedColumn { name: "line".to_owned(), ty: Type::Int, array: Arc::new(lines.finish()), evidence: 0 },
        ParsedColumn { name: "text".to_owned(), ty: Type::String, array: Arc::new(texts.finish()), evidence: 0 },
    ];
    Parsed { rows, columns, bad }
}
