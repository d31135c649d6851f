//! Formats of data files: bytes to columns and back, pure but for the readers and writers handed in.
//!
//! Formats of *records* (JSONL, JSON, CSV, TSV, lines) are read in two steps: [`Splitter`] cuts the bytes into segments of
//! whole records, by content, and [`parse_segment`] makes columns of one segment, knowing nothing of the others. So the
//! columns of a segment can be remembered under the hash of its bytes. [`Unifier`] then finds the type that all
//! segments agree on and [`conform`] brings each column to it. Formats of *columns* (Parquet, Arrow) are read by [`read_rows`] or [`read_batches`].

mod apart;
mod arrow_types;
mod build;
mod conform;
mod delimited;
mod encode;
mod infer;
mod json;
mod pieces;
mod row_groups;
mod salvage;
mod scan;
mod split;
mod stream;
mod text;
mod unify;
mod whole;
mod write;

#[cfg(test)]
mod tests;

pub use conform::{Misfit, conform};
pub use encode::{encode_header, encode_picked, encode_rows};
pub use row_groups::{ParquetEncoder, RowGroup as ParquetGroup, full_row_groups};
pub use salvage::BadRow;
pub use split::{Header, Segment, Splitter};
pub use stream::StreamEncoder;
pub use text::parse_text;
pub use unify::{Conflict, Place, Unifier};
pub use whole::{Source, read_batches, read_rows};
pub use write::{WriteError, Writer};

use crate::table::Type;
use arrow_array::ArrayRef;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A format of data files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// One JSON array of objects.
    Json,
    /// Fields between commas, a header first.
    Csv,
    /// Fields between tabs, a header first.
    Tsv,
    Parquet,
    /// Arrow IPC, as a file or a stream; also called Feather.
    Arrow,
    /// Plain text, one row per file.
    Text,
    /// Plain text, one row per line.
    Lines,
}

/// How the bytes of a file are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Format {
    /// All formats, in the order in which messages list them.
    pub const ALL: [Format; 8] = [
        Format::Jsonl,
        Format::Json,
        Format::Csv,
        Format::Tsv,
        Format::Parquet,
        Format::Arrow,
        Format::Text,
        Format::Lines,
    ];

    /// Tells the format and the compression of a file from its name, `data.jsonl.zst`; case does not count.
    pub fn by_extension(path: &str) -> Option<(Format, Compression)> {
        let name = path.rsplit(['/', '\\']).next()?.to_ascii_lowercase();
        let (stem, compression) = match name.rsplit_once('.')? {
            (stem, "gz" | "gzip") => (stem, Compression::Gzip),
            (stem, "zst" | "zstd") => (stem, Compression::Zstd),
            _ => (name.as_str(), Compression::None),
        };
        let format = match stem.rsplit_once('.')?.1 {
            "jsonl" | "ndjson" | "jsonlines" => Format::Jsonl,
            "json" => Format::Json,
            "csv" => Format::Csv,
            "tsv" | "tab" => Format::Tsv,
            "parquet" | "pq" => Format::Parquet,
            "arrow" | "arrows" | "feather" | "ipc" => Format::Arrow,
            "txt" | "text" | "md" => Format::Text,
            _ => return None,
        };
        Some((format, compression))
    }

    /// Returns whether the format is read through [`Splitter`] and [`parse_segment`]; the others through [`read_batches`], or
    /// whole files through [`parse_text`].
    pub fn has_records(self) -> bool {
        !matches!(self, Format::Parquet | Format::Arrow | Format::Text)
    }

    /// Returns whether rows are written as text, so that row groups can be written apart and put together.
    pub fn is_text(self) -> bool {
        self == Format::Jsonl || self.is_delimited()
    }

    /// Returns whether values are written as text, so that their type is a guess that gives way to string.
    pub fn is_delimited(self) -> bool {
        self.delimiter().is_some()
    }

    pub(crate) fn delimiter(self) -> Option<u8> {
        match self {
            Format::Csv => Some(b','),
            Format::Tsv => Some(b'\t'),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Jsonl => "jsonl",
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
            Format::Text => "text",
            Format::Lines => "lines",
        })
    }
}

impl FromStr for Format {
    type Err = Problem;

    /// Reads the name of a format as the manifest has it.
    fn from_str(text: &str) -> Result<Format, Problem> {
        let known = Format::ALL.into_iter().find(|format| format.to_string() == text);
        known.ok_or_else(|| {
            let names: Vec<String> = Format::ALL.iter().map(|format| format!("`{format}`")).collect();
            Problem::new(format!("`{text}` is not a format")).help(format!("there are {}", names.join(", ")))
        })
    }
}

/// What is wrong, without a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Lower case, one line, no full stop.
    pub title: String,
    /// What to do.
    pub help: Option<String>,
}

impl Problem {
    /// Says what is wrong.
    pub fn new(title: impl Into<String>) -> Problem {
        Problem { title: title.into(), help: None }
    }

    /// Says what to do.
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)
    }
}

impl std::error::Error for Problem {}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Lines after the first of the segment, so that `segment.first_line + line` is the line in the file.
    /// The splitter counts from the first line of the file, so there it is `1 + line`.
    pub line: u32,
    /// In characters, from 1; where a segment of a JSON array begins inside a line, its first line counts from there.
    pub column: u32,
    /// Lower case, one line, no full stop.
    pub title: String,
    /// What to do.
    pub help: Option<String>,
    /// A second place that explains the first: its line, counted as `line` is, and what is there.
    pub also: Option<(u32, String)>,
}

impl ParseError {
    pub(crate) fn new(line: usize, column: usize, title: impl Into<String>) -> ParseError {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        ParseError { line: narrow(line), column: narrow(column), title: title.into(), help: None, also: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> ParseError {
        self.help = Some(help.into());
        self
    }

    /// Moves the error down by some lines.
    pub(crate) fn below(mut self, lines: usize) -> ParseError {
        let lines = u32::try_from(lines).unwrap_or(u32::MAX);
        self.line = self.line.saturating_add(lines);
        self
    }

    /// Moves the error right by some characters.
    pub(crate) fn right(mut self, characters: usize) -> ParseError {
        self.column = self.column.saturating_add(u32::try_from(characters).unwrap_or(u32::MAX));
        self
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)
    }
}

impl std::error::Error for ParseError {}

/// The columns of a segment.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub rows: usize,
    /// In order of first appearance.
    pub columns: Vec<ParsedColumn>,
    /// The records that are no rows, in their order.
    pub bad: Vec<BadRow>,
}

/// A column of a segment.
#[derive(Clone, Debug)]
pub struct ParsedColumn {
    pub name: String,
    /// As declared, otherwise inferred from this segment alone.
    pub ty: Type,
    /// Of type `ty`; but an undeclared column of CSV or TSV stays text (`""` and nothing told apart) until all segments are known.
    pub array: ArrayRef,
    /// The line, counted as in [`ParseError`], that made the type what it is: the first that no narrower type holds.
    pub evidence: u32,
}

/// Declared types, by the name of the column.
pub type Types = BTreeMap<String, Type>;

/// Bytes that a segment may have at most; the splitter makes no longer ones.
const LARGEST: usize = 1 << 30;

/// Parses a segment that [`Splitter`] made. The result depends on the arguments alone.
///
/// # Errors
/// What is wrong with the segment as a whole, or with its rows together. A record that is no row for itself is among [`Parsed::bad`].
pub fn parse_segment(
    format: Format,
    header: Option<&Header>,
    bytes: &[u8],
    types: &Types,
) -> Result<Parsed, ParseError> {
    if bytes.len() > LARGEST {
        return Err(ParseError::new(0, 1, "this part of the file is larger than 1 GiB and has no place to cut it"));
    }
    if format == Format::Lines {
        return Ok(text::parse_lines(bytes));
    }
    let strict = |bytes: &[u8]| parse_strict(format, header, bytes, types);
    strict(bytes).or_else(|refusal| salvage::parse(format, bytes, refusal, strict))
}

/// Parses a segment as [`parse_segment`] does, but refuses it for the first record that is no row.
pub fn parse_strict(
    format: Format,
    header: Option<&Header>,
    bytes: &[u8],
    types: &Types,
) -> Result<Parsed, ParseError> {
    let text = utf8(bytes)?;
    match (format.delimiter(), header) {
        (Some(delimiter), Some(header)) => delimited::parse(delimiter, header, text, types),
        (Some(_), None) => Err(ParseError::new(0, 1, format!("the {format} file has no header"))),
        (None, _) => match format {
            Format::Jsonl => json::parse_lines(text, types),
            Format::Json => json::parse_elements(text, types),
            _ => Err(ParseError::new(0, 1, format!("{format} files are not read by records"))),
        },
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, ParseError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("the bytes before are valid");
        let (line, column) = position(good, good.len());
        let byte = bytes[error.valid_up_to()];
        ParseError::new(line, column, format!("the byte 0x{byte:02x} is not valid UTF-8"))
            .help("convert the file: iconv -f LATIN1 -t UTF-8 (or whatever encoding it has)")
    })
}

/// Returns whether a float holds an integer without rounding it.
fn is_exact(int: i64) -> bool {
    // 2^63 as a float would come back as the largest integer.
    (int as f64) < i64::MAX as f64 && int as f64 as i64 == int
}

/// Returns how many lines end before `offset`, and the column there, in characters from 1.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line = memchr::memchr_iter(b'\n', before.as_bytes()).count();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[start..].chars().count() + 1)
}

/// Writes the declaration that settles the type of a column, as the manifest has it.
pub fn declaration(column: &str, ty: &str) -> String {
    let bare = !column.is_empty() && column.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { format!("types = {{ {column} = \"{ty}\" }}") } else { format!("types = {{ {column:?} = \"{ty}\" }}") }
}
