//! Finding where records end and where their fields are, without parsing them.

use memchr::{memchr, memchr2};
use std::ops::Range;

/// The end of a record.
pub(super) struct End {
    /// The offset after the record and what ends it.
    pub at: usize,
    /// Whether more records may follow.
    pub more: More,
}

/// Whether more records may follow a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    MayFollow,
    /// The array is closed; its bracket is at [`End::at`].
    Closed,
}

/// Finds the ends of records in bytes that come in pieces; keeps what it must know of the pieces before.
pub(super) enum Scanner {
    Lines,
    Delimited(Delimited),
    Elements(Elements),
}

impl Scanner {
    /// Finds the next end at or after `from` in this piece.
    pub fn next(&mut self, piece: &[u8], from: usize) -> Option<End> {
        match self {
            Scanner::Lines => memchr(b'\n', &piece[from..]).map(|at| End { at: from + at + 1, more: More::MayFollow }),
            Scanner::Delimited(state) => state.next(piece, from).map(|at| End { at, more: More::MayFollow }),
            Scanner::Elements(state) => state.next(piece, from),
        }
    }
}

/// Lines of fields, where a quote that opens a field hides line ends until it is closed.
///
/// A quote counts where a field begins: after a delimiter or a line end. Elsewhere outside of quotes it is a character
/// like any other, as the `csv` crate has it.
pub(super) struct Delimited {
    delimiter: u8,
    /// The last byte of the piece before.
    last: u8,
    state: Quotes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Outside,
    Inside,
    /// After a quote inside of quotes: the end, or the first of a doubled one.
    Closing,
}

impl Delimited {
    pub fn new(delimiter: u8) -> Delimited {
        Delimited { delimiter, last: b'\n', state: Quotes::Outside }
    }

    /// Returns whether a quote is open.
    pub fn is_open(&self) -> bool {
        self.state == Quotes::Inside
    }

    fn next(&mut self, piece: &[u8], mut at: usize) -> Option<usize> {
        while at < piece.len() {
            match self.state {
                Quotes::Outside => {
                    let Some(found) = memchr2(b'"', b'\n', &piece[at..]).map(|found| at + found) else { break };
                    at = found + 1;
                    if piece[found] == b'\n' {
                        if at == piece.len() {
                            self.last = b'\n';
                        }
                        return Some(at);
                    }
                    let before = if found == 0 { self.last } else { piece[found - 1] };
                    if before == self.delimiter || before == b'\n' || before == b'\r' {
                        self.state = Quotes::Inside;
                    }
                }
                Quotes::Inside => {
                    let Some(found) = memchr(b'"', &piece[at..]) else { break };
                    at += found + 1;
                    self.state = Quotes::Closing;
                }
                Quotes::Closing if piece[at] == b'"' => {
                    at += 1;
                    self.state = Quotes::Inside;
                }
                Quotes::Closing => self.state = Quotes::Outside,
            }
        }
        self.last = piece.last().copied().unwrap_or(self.last);
        None
    }
}

/// Returns the raw fields of a record, quotes and all.
pub(super) fn fields(record: &[u8], delimiter: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(record);
    std::iter::from_fn(move || {
        let field = rest?;
        let mut at = 0;
        if field.first() == Some(&b'"') {
            at = 1;
            while let Some(quote) = memchr(b'"', &field[at..]) {
                at += quote + 1;
                if field.get(at) != Some(&b'"') {
                    break;
                }
                at += 1;
            }
        }
        match memchr(delimiter, &field[at..]) {
            Some(found) => {
                rest = Some(&field[at + found + 1..]);
                Some(&field[..at + found])
            }
            None => {
                rest = None;
                Some(field)
            }
        }
    })
}

/// The elements of a JSON array, after its opening bracket.
#[derive(Default)]
pub(super) struct Elements {
    depth: u32,
    state: Text,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    Escaped,
}

impl Elements {
    fn next(&mut self, piece: &[u8], mut at: usize) -> Option<End> {
        while at < piece.len() {
            match self.state {
                Text::Outside => {
                    match piece[at] {
                        b'"' => self.state = Text::Inside,
                        b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                        b']' if self.depth == 0 => return Some(End { at, more: More::Closed }),
                        b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                        b',' if self.depth == 0 => return Some(End { at: at + 1, more: More::MayFollow }),
                        _ => {}
                    }
                    at += 1;
                }
                Text::Inside => {
                    at += memchr2(b'"', b'\\', &piece[at..])? + 1;
                    self.state = if piece[at - 1] == b'"' { Text::Outside } else { Text::Escaped };
                }
                Text::Escaped => {
                    at += 1;
                    self.state = Text::Inside;
                }
            }
        }
        None
    }
}

/// Finds the raw values of the fields called `names` of a JSON object, without parsing it.
///
/// Names are compared byte by byte, escapes unresolved. What is not an object has no fields.
pub(super) fn json_fields(object: &[u8], names: &[String], found: &mut Vec<Option<Range<usize>>>) {
    found.clear();
    found.resize(names.len(), None);
    let mut missing = names.len();
    let mut at = skip_space(object, 0);
    if object.get(at) != Some(&b'{') {
        return;
    }
    at += 1;
    while missing > 0 {
        at = skip_space(object, at);
        if object.get(at) != Some(&b'"') {
            return;
        }
        let Some(end) = skip_value(object, at) else { return };
        let name = &object[at + 1..end - 1];
        at = skip_space(object, end);
        if object.get(at) != Some(&b':') {
            return;
        }
        at = skip_space(object, at + 1);
        let Some(end) = skip_value(object, at) else { return };
        if let Some(which) = names.iter().position(|wanted| wanted.as_bytes() == name)
            && found[which].is_none()
        {
            found[which] = Some(at..end);
            missing -= 1;
        }
        at = skip_space(object, end);
        if object.get(at) != Some(&b',') {
            return;
        }
        at += 1;
    }
}

fn skip_space(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Returns the offset after the value that begins at `at`.
fn skip_value(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => skip_string(bytes, at),
        b'{' | b'[' => {
            let (mut depth, mut at) = (0usize, at);
            loop {
                match bytes.get(at)? {
                    b'"' => {
                        at = skip_string(bytes, at)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
            let length = bytes[at..].iter().position(ends)?;
            Some(at + length)
        }
    }
}

fn skip_string(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)? + 1;
        match bytes[at - 1] {
            b'"' => return Some(at),
            _ => at += 1,
        }
    }
}

/// Finds an integer literal of `value` that 64 bits with a sign do not hold.
///
/// A parser that gives such a number as a float leaves no other trace of how it was written.
pub(super) fn wide_integer(text: &str, value: f64) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = skip_string(bytes, at)?,
            b'-' | b'0'..=b'9' => {
                let part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                let length = bytes[at..].iter().take_while(|byte| part(byte)).count();
                let literal = &text[at..at + length];
                let whole = !literal.contains(['.', 'e', 'E']);
                if whole && literal.parse::<i64>().is_err() && literal.parse() == Ok(value) {
                    return Some(at);
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    None
}
