//! Rows that cannot be read: found in a segment that was refused, and left out of it.

use super::scan::{Delimited, Elements, More, Scanner};
use super::{Format, ParseError, Parsed};
use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

/// A record that is no row: what is wrong with it, and how it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its place is counted as everywhere in a segment.
    pub error: ParseError,
    /// The beginning of the record; bytes that are no text are shown as `�`.
    pub text: String,
    /// The part of its line that is around the fault, without control characters.
    pub near: String,
    /// How many characters of `near` are before the fault.
    pub caret: u32,
}

/// Characters of a record that are kept.
const KEPT: usize = 500;

/// Characters before and after a fault that are shown.
const AROUND: (usize, usize) = (56, 24);

/// Refusals that are looked into one by one; with more, every record of the segment is tried for itself.
const ROUNDS: usize = 8;

impl BadRow {
    /// Moves the row down by some lines.
    pub(super) fn below(self, lines: usize) -> BadRow {
        BadRow { error: self.error.below(lines), ..self }
    }

    /// Describes a record whose fault is at `error`, counted from the beginning of the record.
    pub(super) fn new(error: ParseError, record: &[u8]) -> BadRow {
        let line = record.split(|byte| *byte == b'\n').nth(error.line as usize).unwrap_or_default();
        let at = (error.column as usize).saturating_sub(1);
        let start = at.saturating_sub(AROUND.0);
        let line = String::from_utf8_lossy(line);
        let mut rest = line.chars().skip(start);
        let shown: String = rest.by_ref().take(at - start + AROUND.1).collect();
        let shown = shown.trim_end_matches('\r').replace(char::is_control, " ");
        let (before, after) = (if start > 0 { "…" } else { "" }, if rest.next().is_some() { "…" } else { "" });
        let caret = (at - start).min(shown.chars().count()) + before.chars().count();
        BadRow {
            error,
            text: beginning(record),
            near: format!("{before}{shown}{after}"),
            caret: u32::try_from(caret).unwrap_or(0),
        }
    }
}

/// Returns the beginning of a record as text, without what stands around it.
fn beginning(record: &[u8]) -> String {
    let record = record.trim_ascii();
    let record = record.strip_suffix(b"},").map_or(record, |_| &record[..record.len() - 1]);
    // A character has at most four bytes.
    let text = String::from_utf8_lossy(&record[..record.len().min(4 * KEPT)]);
    match text.char_indices().nth(KEPT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None if record.len() > 4 * KEPT => format!("{text}…"),
        None => text.into_owned(),
    }
}

/// Parses a segment that `strict` refuses, without the records that are no rows for themselves.
///
/// # Errors
/// The refusal, if it is not for one record alone: the rows do not go together.
pub(super) fn parse(
    format: Format,
    bytes: &[u8],
    mut refusal: ParseError,
    strict: impl Fn(&[u8]) -> Result<Parsed, ParseError>,
) -> Result<Parsed, ParseError> {
    let records = records(format, bytes);
    let mut bad: Vec<(usize, BadRow)> = Vec::new();
    let mut is_bad = vec![false; records.len()];
    let mut good = bytes.to_vec();
    for round in 0.. {
        let wanted = refusal.line as usize;
        let found = bad.len();
        for (at, record) in records.iter().enumerate() {
            let is_meant = round >= ROUNDS || record.lines.contains(&wanted);
            if !is_meant || is_bad[at] {
                continue;
            }
            let raw = &bytes[record.bytes.clone()];
            if let Err(error) = strict(raw) {
                let mut row = BadRow::new(error, raw);
                if row.error.line == 0 {
                    row.error = row.error.right(record.indent);
                }
                bad.push((at, row.below(*record.lines.start())));
                is_bad[at] = true;
                blank(&mut good[record.bytes.clone()]);
            }
        }
        if bad.len() == found {
            return Err(refusal);
        }
        match strict(&good) {
            Ok(parsed) => {
                bad.sort_by_key(|(at, _)| *at);
                return Ok(Parsed { bad: bad.into_iter().map(|(_, row)| row).collect(), ..parsed });
            }
            Err(error) => refusal = error,
        }
    }
    unreachable!("every round finds a bad row, or is the last")
}

/// Makes a record one of no rows that takes as many bytes and lines: carriage returns end empty lines of CSV, and are blank in JSON.
fn blank(record: &mut [u8]) {
    record.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'\r');
}

/// A record of a segment, with what ends it.
struct Record {
    bytes: Range<usize>,
    /// The lines of the segment that it is in, from 0.
    lines: RangeInclusive<usize>,
    /// Characters before it in its first line.
    indent: usize,
}

fn records(format: Format, bytes: &[u8]) -> Vec<Record> {
    let mut scanner = match (format, format.delimiter()) {
        (_, Some(delimiter)) => Scanner::Delimited(Delimited::new(delimiter)),
        (Format::Json, _) => Scanner::Elements(Elements::default()),
        _ => Scanner::Lines,
    };
    let mut records = Vec::new();
    let (mut from, mut line, mut indent) = (0, 0, 0);
    while from < bytes.len() {
        let end = match scanner.next(bytes, from) {
            Some(end) if end.more == More::MayFollow => end.at,
            _ => bytes.len(),
        };
        let record = &bytes[from..end];
        let ends = memchr::memchr_iter(b'\n', record).count();
        records.push(Record { bytes: from..end, lines: line..=line + ends, indent });
        line += ends;
        let last = memchr::memrchr(b'\n', record).map_or(0, |at| at + 1);
        let tail: Cow<str> = String::from_utf8_lossy(&record[last..]);
        indent = if last == 0 { indent } else { 0 } + tail.chars().count();
        from = end;
    }
    records
}
