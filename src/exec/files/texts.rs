//! Plain text: files that are one row each, and lines that know where they stand.

use super::wrong::{changed, unreadable, wrong_file};
use super::{DataFile, Part, Reading, type_text};
use crate::exec::constant::Constant;
use crate::exec::context::{Context, Stop, Used};
use crate::fetch::files::open;
use crate::format::{BadRow, Compression, Format, Parsed, ParsedColumn, Problem, parse_text};
use crate::hash::Hash;
use crate::op;
use crate::table::{Cutter, Type};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, StringArray};
use rayon::prelude::*;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

/// The columns of plain text.
pub(super) const PATH: &str = "path";
const LINE: &str = "line";
const TEXT: &str = "text";

/// Bytes of a text that is one row, unpacked.
const LARGEST_TEXT: u64 = 256 << 20;

impl Context<'_> {
    /// Returns the parts of the files at `range`, which are one row each, cut by their paths and sizes.
    ///
    /// A part is an action over the contents of its files, so that a changed file has those beside it read again, and no others.
    pub(super) fn texts(
        &self,
        used: &Used,
        reading: &Reading,
        range: Range<usize>,
    ) -> Result<Vec<(usize, Part)>, Stop> {
        let parts = cut(self.limits, reading, range).into_iter().map(|range| {
            self.go_on()?;
            let files = &reading.files[range.clone()];
            let mut fresh = false;
            let outputs = self.needed_action(used, texts_key(files).finish(), || {
                fresh = true;
                let parsed = read_texts(reading, files)?;
                self.put_part(&parsed.0, &parsed.1)
            })?;
            let part: Part = self.json(outputs[0])?;
            (reading.told)(u64::from(part.rows));
            Ok((range.start, Part { first_line: 1, fresh, ..part }))
        });
        parts.collect()
    }

    /// Returns the parts of such files if all of them were read before.
    pub(super) fn known_texts(
        &self,
        used: &Used,
        reading: &Reading,
        range: Range<usize>,
    ) -> Option<Vec<(usize, Part)>> {
        let parts = cut(self.limits, reading, range).into_iter().map(|range| {
            let key = texts_key(&reading.files[range.clone()]).finish();
            let part: Part = self.json(*self.store.trace(key)?.first()?).ok()?;
            used.note(key);
            Some((range.start, Part { first_line: 1, ..part }))
        });
        parts.collect()
    }

    /// Gives lines, which know only their place in the part, the path of the file and the number of the line in it.
    pub(super) fn placed(&self, used: &Used, file: &DataFile, part: Part) -> Result<Part, Stop> {
        let column = |name: &str| part.columns.iter().find(|column| column.name == name).cloned();
        let (Some(line), Some(text)) = (column(LINE), column(TEXT)) else { return Ok(part) };
        let path = self.constant(used, Constant::Text(&file.file.path), part.rows)?;
        let first = part.first_line as i64;
        let key = op::key("lines").hash("chunk", line.chunk).int("first", first).finish();
        let lines = self.needed_action(used, key, || {
            let within = self.column(line.chunk)?;
            let within = within.as_primitive_opt::<Int64Type>().ok_or(Stop::Missing(line.chunk))?;
            let column: ArrayRef = Arc::new(within.unary::<_, Int64Type>(|line| line + first));
            Ok(vec![self.put_column(&column)?])
        })?;
        let path =
            super::PartColumn { name: PATH.to_owned(), ty: type_text(&Type::String), evidence: 0, chunk: path.chunk };
        let line = super::PartColumn { chunk: lines[0], ..line };
        Ok(Part { columns: vec![path, line, text], ..part })
    }
}

/// Divides files into those that are read together.
fn cut(limits: crate::table::Limits, reading: &Reading, range: Range<usize>) -> Vec<Range<usize>> {
    let mut cutter = Cutter::new(limits);
    let mut cut = Vec::new();
    let mut from = range.start;
    for at in range.clone() {
        let file = &reading.files[at];
        // Text packs to a quarter or less.
        let bytes = if file.compression == Compression::None { file.bytes } else { file.bytes.saturating_mul(4) };
        if cutter.push(Hash::of(file.file.path.as_bytes()).head(), usize::try_from(bytes).unwrap_or(usize::MAX)) {
            cut.push(from..at + 1);
            from = at + 1;
        }
    }
    if from < range.end {
        cut.push(from..range.end);
    }
    cut
}

fn texts_key(files: &[DataFile]) -> crate::hash::KeyWriter {
    let mut key = op::key("texts");
    for file in files {
        key.text("file", &file.file.path).text("packed", &format!("{:?}", file.compression)).hash("file", file.hash);
    }
    key
}

/// Reads files that are one row each; those that are no text are bad rows.
#[allow(clippy::type_complexity, reason = "the rows, and those that are none with their files")]
fn read_texts<'f>(reading: &Reading, files: &'f [DataFile]) -> Result<(Parsed, Vec<(Option<&'f str>, BadRow)>), Stop> {
    let texts = files.par_iter().map(|file| read_text(reading, file)).collect::<Result<Vec<_>, Stop>>()?;
    let (mut paths, mut rows, mut bad) = (Vec::new(), Vec::new(), Vec::new());
    for (file, bytes) in files.iter().zip(&texts) {
        match parse_text(bytes) {
            Ok(text) => {
                paths.push(file.file.path.as_str());
                rows.push(text);
            }
            Err(row) => bad.push((Some(file.file.path.as_str()), row)),
        }
    }
    let bytes: usize = rows.iter().map(|text| text.len()).sum();
    if i32::try_from(bytes).is_err() {
        let problem = Problem::new("with those beside it, this file is too large for one row group");
        return Err(wrong_file(reading, &files[0], &problem.help("unpack the files")));
    }
    let column =
        |name: &str, array: ArrayRef| ParsedColumn { name: name.to_owned(), ty: Type::String, array, evidence: 0 };
    let n = rows.len();
    let columns = vec![
        column(PATH, Arc::new(StringArray::from(paths))),
        column(TEXT, Arc::new(StringArray::from_iter_values(rows))),
    ];
    Ok((Parsed { rows: n, columns, bad: Vec::new() }, bad))
}

fn read_text(reading: &Reading, file: &DataFile) -> Result<Vec<u8>, Stop> {
    let known = (file.hash, file.stat);
    let mut reader = open(&file.file, file.compression, &known).map_err(|error| unreadable(reading, file, &error))?;
    let mut bytes = Vec::new();
    let mut limited = reader.by_ref().take(LARGEST_TEXT + 1);
    limited.read_to_end(&mut bytes).map_err(|error| unreadable(reading, file, &error.into()))?;
    if bytes.len() as u64 > LARGEST_TEXT {
        let problem = Problem::new("the file is one row, and longer than 256 MiB");
        return Err(wrong_file(reading, file, &problem.help("for one row per line: format = \"lines\"")));
    }
    let hash = reader.finish().map_err(|error| unreadable(reading, file, &error))?;
    if hash == file.hash { Ok(bytes) } else { Err(changed(reading, file)) }
}

impl Format {
    /// Returns what identifies a row where no key is declared: none, if that is the whole row.
    pub(in crate::exec) fn natural_key(self) -> &'static [&'static str] {
        match self {
            Format::Text => &[PATH],
            // Without the number, which changes with every line before it.
            Format::Lines => &[PATH, TEXT],
            _ => &[],
        }
    }
}
