//! Cutting a file of records into segments of whole records, by content, while its bytes stream in.

use super::scan::{self, Delimited, Elements, More, Scanner};
use super::{Format, ParseError};
use crate::table::{Cutter, Limits};
use std::hash::Hasher;
use std::ops::Range;
use std::sync::Arc;
use twox_hash::XxHash3_64;

/// A run of whole records of a file, as they stand in it.
///
/// A segment may have no rows: of blank lines alone, or empty, for a header that nothing follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub bytes: Vec<u8>,
    /// The line of the file that it begins in, from 1.
    pub first_line: u64,
    /// The byte of the file that follows it.
    pub end: u64,
    /// The header of the file, where the format has one.
    pub header: Option<Arc<Header>>,
}

/// The names of the columns of a CSV or TSV file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header(pub Vec<String>);

/// Cuts bytes into segments, however the bytes are fed.
///
/// A segment is a function of its records alone, so an edited record disturbs one or two of them. The segments of a
/// file, joined, are the file without its byte order mark, its header, and the brackets of a JSON array.
pub struct Splitter {
    format: Format,
    stage: Stage,
    scanner: Scanner,
    cutter: Cutter,
    key: Key,
    header: Option<Arc<Header>>,
    /// The line and the byte that `gathered` begins at; lines count from 1.
    line: u64,
    from: u64,
    /// The segment so far.
    gathered: Vec<u8>,
    /// Where in `gathered` the unfinished record begins.
    open: usize,
    /// Where in `gathered` the last record that is a row ends.
    gap: usize,
    /// Whether a record was seen, so that a comma before the closing bracket is one too many.
    seen: usize,
}

enum Stage {
    /// The first bytes, as long as they may be a byte order mark.
    Mark(Vec<u8>),
    /// Before the opening bracket.
    Bracket,
    Records,
    /// After the closing bracket.
    Closed,
}

/// Which part of a record its cut hash is of.
struct Key {
    names: Vec<String>,
    /// The positions of `names` in the header.
    positions: Vec<usize>,
    found: Vec<Option<Range<usize>>>,
}

/// Bytes of one record: more than this, and a quote was left open, or it is not a file of records.
const LARGEST_RECORD: usize = 256 << 20;

/// Bytes of a segment after which what is no row, blank lines above all, ends it.
const LARGEST_GAP: usize = 8 << 20;

impl Splitter {
    /// Begins a file of `format`, which [has records](Format::has_records); cuts by the columns `key`, or by whole records if there are none.
    pub fn new(format: Format, limits: Limits, key: &[String]) -> Splitter {
        let scanner = match (format, format.delimiter()) {
            (_, Some(delimiter)) => Scanner::Delimited(Delimited::new(delimiter)),
            (Format::Json, _) => Scanner::Elements(Elements::default()),
            _ => Scanner::Lines,
        };
        Splitter {
            format,
            stage: Stage::Mark(Vec::new()),
            scanner,
            cutter: Cutter::new(limits),
            // Lines have nothing but themselves to be cut by.
            key: Key {
                names: if format == Format::Lines { Vec::new() } else { key.to_vec() },
                positions: Vec::new(),
                found: Vec::new(),
            },
            header: None,
            line: 1,
            from: 0,
            gathered: Vec::new(),
            open: 0,
            gap: 0,
            seen: 0,
        }
    }

    /// Goes on in a file behind a segment that was cut before: from the byte and the line after it.
    ///
    /// # Errors
    /// If the header does not have the key.
    pub fn resume(mut self, header: Option<&[String]>, from: u64, line: u64) -> Result<Splitter, ParseError> {
        debug_assert_ne!(self.format, Format::Json, "the elements of an array are told by what comes before them");
        (self.stage, self.from, self.line, self.seen) = (Stage::Records, from, line, 1);
        header.map_or(Ok(()), |names| self.set_header(names.to_vec()))?;
        Ok(self)
    }

    /// Takes the next bytes of the file, and emits the segments that end in them.
    pub fn push(&mut self, mut bytes: &[u8], emit: &mut dyn FnMut(Segment)) -> Result<(), ParseError> {
        if let Stage::Mark(first) = &mut self.stage {
            let missing = (3 - first.len()).min(bytes.len());
            first.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            if first.len() == 3 {
                let first = std::mem::take(first);
                self.begin(&first, emit)?;
            }
        }
        self.records(bytes, emit)
    }

    /// Ends the file, and emits the segment that it ends in.
    pub fn finish(mut self, emit: &mut dyn FnMut(Segment)) -> Result<(), ParseError> {
        if let Stage::Mark(first) = &mut self.stage {
            let first = std::mem::take(first);
            self.begin(&first, emit)?;
        }
        match self.stage {
            Stage::Bracket => return Err(self.error("the file is empty, and not a JSON array")),
            Stage::Records if self.format == Format::Json => {
                self.open = self.gathered.trim_ascii_end().len();
                return Err(self.error("the file ends before its JSON array does").help("is it complete?"));
            }
            _ => {}
        }
        if let Scanner::Delimited(quotes) = &self.scanner
            && quotes.is_open()
        {
            let title = "a quote opened in this row is never closed";
            return Err(self.error(title).help("inside of quotes, a quote is written twice"));
        }
        if self.open < self.gathered.len() && !matches!(self.stage, Stage::Closed) {
            let record = self.open..self.gathered.len();
            if self.take(record)? {
                self.cut(emit);
                return Ok(());
            }
        }
        // A header that nothing follows still says what the columns are.
        let only_header = self.header.is_some() && self.seen == 0;
        if !self.gathered.is_empty() || only_header {
            self.cut(emit);
        }
        Ok(())
    }

    /// Looks at the first bytes of the file.
    fn begin(&mut self, first: &[u8], emit: &mut dyn FnMut(Segment)) -> Result<(), ParseError> {
        if first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]) {
            return Err(self.error("the file is UTF-16").help("convert it: iconv -f UTF-16 -t UTF-8"));
        }
        self.stage = if self.format == Format::Json { Stage::Bracket } else { Stage::Records };
        let rest = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first);
        self.from = (first.len() - rest.len()) as u64;
        self.records(rest, emit)
    }

    fn records(&mut self, mut piece: &[u8], emit: &mut dyn FnMut(Segment)) -> Result<(), ParseError> {
        if matches!(self.stage, Stage::Bracket) {
            piece = self.bracket(piece)?;
        }
        // `piece[..taken]` is in `gathered` or done with; `piece[..from]` is searched.
        let (mut taken, mut from) = (0, 0);
        while matches!(self.stage, Stage::Records)
            && let Some(end) = self.scanner.next(piece, from)
        {
            from = end.at;
            self.gathered_to(piece, &mut taken, end.at);
            let before = self.seen;
            let ends = self.take(self.open..self.gathered.len())?;
            if end.more == More::Closed {
                self.stage = Stage::Closed;
                taken = end.at + 1;
            }
            let is_gap = self.seen == before && self.gathered.len() - self.gap > LARGEST_GAP;
            self.open = self.gathered.len();
            if self.seen != before {
                self.gap = self.open;
            }
            if ends || is_gap {
                self.cut(emit);
            }
        }
        if matches!(self.stage, Stage::Closed) {
            return self.closed(&piece[taken..]);
        }
        let end = piece.len();
        self.gathered_to(piece, &mut taken, end);
        if self.gathered.len() - self.open > LARGEST_RECORD {
            return Err(self.error("this row is longer than 256 MiB").help(match self.format.delimiter() {
                Some(_) => "is a quote left open?",
                None => "is the format right?",
            }));
        }
        Ok(())
    }

    fn gathered_to(&mut self, piece: &[u8], taken: &mut usize, end: usize) {
        self.gathered.extend_from_slice(&piece[*taken..end]);
        *taken = end;
    }

    /// Takes a finished record; returns whether it ends the segment.
    fn take(&mut self, record: Range<usize>) -> Result<bool, ParseError> {
        let raw = &self.gathered[record];
        let record = match self.format {
            Format::Json => raw.trim_ascii(),
            _ => raw.strip_suffix(b"\n").map_or(raw, |line| line.strip_suffix(b"\r").unwrap_or(line)),
        };
        match self.format {
            Format::Json => {
                let (value, comma) = match record.strip_suffix(b",") {
                    Some(value) => (value.trim_ascii(), true),
                    None => (record, false),
                };
                if value.is_empty() {
                    if !comma && self.seen == 0 {
                        return Ok(false);
                    }
                    let (line, _) = self.here();
                    let before = String::from_utf8_lossy(raw);
                    let (down, column) = super::position(&before, before.trim_end().len().saturating_sub(1));
                    let title =
                        if comma { "a comma without a value before it" } else { "a comma after the last value" };
                    return Err(ParseError::new(line + down, column, title));
                }
                self.seen += 1;
                let hash = self.key.hash(self.format, value);
                Ok(self.cutter.push(hash, value.len()))
            }
            Format::Jsonl if record.iter().all(u8::is_ascii_whitespace) => Ok(false),
            _ if record.is_empty() && self.format != Format::Lines => Ok(false),
            _ if self.format.is_delimited() && self.header.is_none() => {
                let record = self.gathered[self.open..].to_vec();
                self.take_header(&record)?;
                self.line += memchr::memchr_iter(b'\n', &self.gathered).count() as u64;
                self.from += self.gathered.len() as u64;
                self.gathered.clear();
                self.gap = 0;
                Ok(false)
            }
            _ => {
                self.seen += 1;
                let hash = self.key.hash(self.format, record);
                Ok(self.cutter.push(hash, record.len()))
            }
        }
    }

    fn cut(&mut self, emit: &mut dyn FnMut(Segment)) {
        let next = Vec::with_capacity(self.gathered.len().min(8 << 20));
        let bytes = std::mem::replace(&mut self.gathered, next);
        (self.open, self.gap) = (0, 0);
        let first_line = self.line;
        self.line += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        self.from += bytes.len() as u64;
        emit(Segment { bytes, first_line, end: self.from, header: self.header.clone() });
    }

    fn take_header(&mut self, record: &[u8]) -> Result<(), ParseError> {
        let delimiter = self.format.delimiter().expect("only delimited files have a header");
        let record = super::utf8(record).map_err(|error| error.below(self.here().0))?;
        let names = super::delimited::names(delimiter, record).map_err(|title| {
            let help = "the first row of the file names its columns, each with a name of its own";
            self.error(title).help(help)
        })?;
        self.set_header(names)
    }

    fn set_header(&mut self, names: Vec<String>) -> Result<(), ParseError> {
        for key in &self.key.names {
            let position = names.iter().position(|name| name == key).ok_or_else(|| {
                let help = format!("its columns are {}", crate::diag::list(names.iter().map(String::as_str)));
                self.error(format!("the file has no column `{key}`, which is the key")).help(help)
            })?;
            self.key.positions.push(position);
        }
        self.header = Some(Arc::new(Header(names)));
        Ok(())
    }

    /// Takes the bytes up to the opening bracket; returns those after it.
    fn bracket<'a>(&mut self, piece: &'a [u8]) -> Result<&'a [u8], ParseError> {
        let space = piece.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.line += memchr::memchr_iter(b'\n', &piece[..space]).count() as u64;
        match piece.get(space) {
            None => Ok(&[]),
            Some(b'[') => {
                self.stage = Stage::Records;
                Ok(&piece[space + 1..])
            }
            Some(b'{') => Err(self
                .error("a JSON file is an array of objects, and this one begins with `{`")
                .help("if it has one object a line: format = \"jsonl\"")),
            Some(_) => Err(self.error("a JSON file is an array of objects, and this one does not begin with `[`")),
        }
    }

    fn closed(&mut self, rest: &[u8]) -> Result<(), ParseError> {
        match rest.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => Ok(()),
            Some(_) => Err(self.error("there is something after the closing `]` of the array")),
        }
    }

    /// Returns the line that the unfinished record begins in, from 0, and how long it is so far.
    fn here(&self) -> (usize, usize) {
        let before = memchr::memchr_iter(b'\n', &self.gathered[..self.open.min(self.gathered.len())]).count();
        (usize::try_from(self.line).unwrap_or(usize::MAX).saturating_add(before) - 1, self.gathered.len() - self.open)
    }

    fn error(&self, title: impl Into<String>) -> ParseError {
        ParseError::new(self.here().0, 1, title)
    }
}

impl Key {
    /// Returns the cut hash of a record: of the raw values of the key, or of all its bytes.
    ///
    /// It decides where segments end and names nothing, so it need not withstand anybody: XXH3, which is faster than memory.
    fn hash(&mut self, format: Format, record: &[u8]) -> u64 {
        if self.names.is_empty() {
            return XxHash3_64::oneshot(record);
        }
        let mut hasher = XxHash3_64::new();
        let mut add = |value: Option<&[u8]>| {
            hasher.write(&value.map_or(u64::MAX, |value| value.len() as u64).to_le_bytes());
            hasher.write(value.unwrap_or_default());
        };
        match format.delimiter() {
            None => {
                scan::json_fields(record, &self.names, &mut self.found);
                self.found.iter().for_each(|range| add(range.clone().map(|range| &record[range])));
            }
            Some(delimiter) => {
                for position in &self.positions {
                    add(scan::fields(record, delimiter).nth(*position));
                }
            }
        }
        hasher.finish()
    }
}
