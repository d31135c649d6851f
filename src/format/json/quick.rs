//! Rows as they mostly are: plain values of known columns, read in one pass over the bytes.
//!
//! A row is read whole before any of it is taken. Whatever is out of the ordinary (a new column, a value of another type, lists
//! and structs, anything that is not JSON) is left to serde, which knows all of JSON and says what is wrong.

use crate::format::build::{Column, Fields, Kind};
use std::ops::Range;

/// Reads rows, with room for one.
#[derive(Default)]
pub(super) struct Quick {
    /// The values of the row, each with the position of its column.
    values: Vec<(usize, Value)>,
    /// The texts of the row that were written with escapes.
    unescaped: String,
}

/// A value, and where its text is.
enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// In the record.
    Text(Range<usize>),
    /// In [`Quick::unescaped`].
    Unescaped(Range<usize>),
}

impl Quick {
    /// Takes a row into `fields`, or returns false and leaves them as they are.
    pub fn take(&mut self, record: &str, fields: &mut Fields, line: u32) -> bool {
        if self.read(record, fields).is_none() {
            return false;
        }
        for (position, value) in self.values.drain(..) {
            let column: &mut Column = fields.open(position);
            let taken = match value {
                Value::Null => {
                    column.nulls(1);
                    Ok(())
                }
                Value::Bool(value) => column.bool(value, line),
                Value::Int(value) => column.int(value, line),
                Value::Float(value) => column.float(value, line),
                Value::Text(at) => column.text(&record[at], line),
                Value::Unescaped(at) => column.text(&self.unescaped[at], line),
            };
            taken.expect("the column was asked whether it takes such a value");
        }
        fields.end_row();
        true
    }

    fn read(&mut self, record: &str, fields: &Fields) -> Option<()> {
        self.values.clear();
        self.unescaped.clear();
        let bytes = record.as_bytes();
        let mut at = space(bytes, after(bytes, space(bytes, 0), b'{')?);
        // Columns come in the order of the row before; one that comes out of it may be there twice.
        let mut next = 0;
        if bytes.get(at) == Some(&b'}') {
            return (space(bytes, at + 1) == bytes.len()).then_some(());
        }
        loop {
            let name = after(bytes, at, b'"')?;
            let end = special(bytes, name).filter(|end| bytes[*end] == b'"')?;
            let position = fields.find(next, &record[name..end])?;
            if position < next && self.values.iter().any(|(seen, _)| *seen == position) {
                return None;
            }
            next = next.max(position + 1);
            at = space(bytes, after(bytes, space(bytes, end + 1), b':')?);
            let (value, end) = self.value(record, at)?;
            if !fields.accepts(position, value.kind()) {
                return None;
            }
            self.values.push((position, value));
            at = space(bytes, end);
            match bytes.get(at)? {
                b',' => at = space(bytes, at + 1),
                b'}' => return (space(bytes, at + 1) == bytes.len()).then_some(()),
                _ => return None,
            }
        }
    }

    /// Reads the value at `at`; returns it and the offset after it.
    fn value(&mut self, record: &str, at: usize) -> Option<(Value, usize)> {
        let bytes = record.as_bytes();
        let word = |word: &str, value| bytes[at..].starts_with(word.as_bytes()).then_some((value, at + word.len()));
        match bytes.get(at)? {
            b'"' => self.text(record, at + 1),
            b'n' => word("null", Value::Null),
            b't' => word("true", Value::Bool(true)),
            b'f' => word("false", Value::Bool(false)),
            _ => number(record, at),
        }
    }

    /// Reads the text that begins at `from`, after its quote.
    fn text(&mut self, record: &str, mut from: usize) -> Option<(Value, usize)> {
        let bytes = record.as_bytes();
        let mut end = special(bytes, from)?;
        if bytes[end] == b'"' {
            return Some((Value::Text(from..end), end + 1));
        }
        let start = self.unescaped.len();
        loop {
            self.unescaped.push_str(&record[from..end]);
            match bytes[end] {
                b'"' => return Some((Value::Unescaped(start..self.unescaped.len()), end + 1)),
                b'\\' => {
                    let (character, after) = escape(bytes, end + 1)?;
                    self.unescaped.push(character);
                    from = after;
                }
                // A control character.
                _ => return None,
            }
            end = special(bytes, from)?;
        }
    }
}

impl Value {
    fn kind(&self) -> Kind {
        match self {
            Value::Null => Kind::Null,
            Value::Bool(_) => Kind::Bool,
            Value::Int(value) if value.unsigned_abs() >= 1 << 53 => Kind::Long,
            Value::Int(_) => Kind::Int,
            Value::Float(_) => Kind::Float,
            Value::Text(_) | Value::Unescaped(_) => Kind::Text,
        }
    }
}

fn after(bytes: &[u8], at: usize, expected: u8) -> Option<usize> {
    (bytes.get(at) == Some(&expected)).then_some(at + 1)
}

fn space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// Finds the first quote, backslash or control character at or after `from`, eight bytes at a time.
fn special(bytes: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    // The lowest bit set is of a byte that is zero, or below; higher ones may be an echo of it.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let mut at = from;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\'))) | control;
        match found & (ONES << 7) {
            0 => at += 8,
            bits => return Some(at + bits.trailing_zeros() as usize / 8),
        }
    }
    bytes[at.min(bytes.len())..].iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)).map(|found| at + found)
}

/// Reads what follows a backslash; returns the character and the offset after it.
fn escape(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let character = match bytes.get(at)? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        byte @ (b'"' | b'\\' | b'/') => char::from(*byte),
        b'u' => {
            let unit = unit(bytes, at + 1)?;
            if !(0xd800..0xe000).contains(&unit) {
                return Some((char::from_u32(unit)?, at + 5));
            }
            let second = after(bytes, after(bytes, at + 5, b'\\')?, b'u')?;
            let pair = [unit as u16, self::unit(bytes, second)? as u16];
            return Some((char::decode_utf16(pair).next()?.ok()?, second + 4));
        }
        _ => return None,
    };
    Some((character, at + 1))
}

/// Reads four hexadecimal digits.
fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digit = |unit: u32, byte: &u8| Some(unit * 16 + char::from(*byte).to_digit(16)?);
    bytes.get(at..at + 4)?.iter().try_fold(0, digit)
}

/// Reads a number that is exact: an integer of up to 18 digits, or a float that no integer was meant by.
fn number(record: &str, at: usize) -> Option<(Value, usize)> {
    let bytes = record.as_bytes();
    let digits = |from: usize| from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let first = at + usize::from(bytes[at] == b'-');
    let whole = digits(first);
    if whole == first || (bytes[first] == b'0' && whole > first + 1) {
        return None;
    }
    let mut end = whole;
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
        if end == whole + 1 {
            return None;
        }
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let from = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        end = digits(from.min(bytes.len()));
        if end == from {
            return None;
        }
    }
    if end == whole {
        // `-0` is a float.
        let exact = whole - first <= 18 && (bytes[first] != b'0' || first == at);
        return exact.then(|| record[at..end].parse().ok().map(|int| (Value::Int(int), end)))?;
    }
    let float: f64 = record[at..end].parse().ok()?;
    (float.abs() < 9e18).then_some((Value::Float(float), end))
}

#[cfg(test)]
mod tests {
    use super::super::Rows;
    use super::*;
    use crate::format::{Parsed, Types};
    use crate::table::Type;
    use proptest::prelude::*;

    /// Parses rows up to the first that is wrong: with this parser where it will, or all by serde.
    fn parse(rows: &[String], types: &Types, quick: bool) -> Result<Parsed, crate::format::ParseError> {
        let mut parsed = Rows::new(types);
        for (line, row) in rows.iter().enumerate() {
            match quick {
                true => parsed.push(row, line as u32)?,
                false => parsed.push_any(row, line as u32)?,
            }
        }
        parsed.finish()
    }

    fn same(rows: &[String], types: &Types) {
        let (quick, any) = (parse(rows, types, true), parse(rows, types, false));
        assert_eq!(format!("{quick:?}"), format!("{any:?}"), "{rows:?}");
    }

    fn value() -> impl Strategy<Value = String> {
        let text = prop_oneof![
            any::<String>().prop_map(|text| serde_json::to_string(&text).expect("a text is JSON")),
            r#"(\\(["\\/bfnrtu]|u[0-9a-fA-F]{4}|ud8[0-9a-f]{2}\\ud[c-f][0-9a-f]{2})|[a-zé\u{1}\u{7f}]){0,12}"#
                .prop_map(|text| format!("\"{text}\"")),
        ];
        let number = prop_oneof![
            any::<i64>().prop_map(|n| n.to_string()),
            any::<f64>().prop_map(|n| format!("{n:e}")),
            (-1000..1000i64).prop_map(|n| format!("{}", n as f64 / 8.0)),
            "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
            "[-+0-9.eE]{1,6}",
        ];
        let word = prop::sample::select(vec!["null", "true", "false", "nul", "[]", "{}", "[1,2]", "{\"x\":1}", ""]);
        prop_oneof![3 => text, 3 => number, 1 => word.prop_map(str::to_owned)]
    }

    fn row() -> impl Strategy<Value = String> {
        let name = prop::sample::select(vec!["a", "b", "c", "a", "b", "c", "\\u0061", "é"]);
        let space = || prop::sample::select(vec!["", "", "", " ", "\t", "\r ", "\u{c}"]);
        let field = (space(), name, space(), space(), value(), space())
            .prop_map(|(a, name, b, c, value, d)| format!("{a}\"{name}\"{b}:{c}{value}{d}"));
        (prop::collection::vec(field, 0..5), space(), prop::sample::select(vec!["}", "}", "}", "", ",}", "}}"]))
            .prop_map(|(fields, space, end)| format!("{{{}{end}{space}", fields.join(",")))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn rows_come_out_as_by_serde_and_so_do_errors(rows in prop::collection::vec(row(), 1..6), declared in 0..4usize) {
            let ty = [Type::Float, Type::String, Type::Date, Type::Null];
            let types = (0..declared).map(|i| (["a", "b", "c"][i % 3].to_owned(), ty[(declared + i) % 4].clone()));
            same(&rows, &types.collect());
        }

        #[test]
        fn rows_of_steady_types_come_out_as_by_serde(values in prop::collection::vec((any::<i64>(), any::<f64>(), any::<String>()), 2..6)) {
            let row = |(a, b, c): &(i64, f64, String)| serde_json::json!({"a": a, "b": b, "c": c}).to_string();
            let rows: Vec<String> = values.iter().map(row).collect();
            same(&rows, &Types::new());
        }
    }

    #[test]
    fn a_row_of_plain_values_in_known_columns_does_without_serde() {
        let types = Types::new();
        let mut rows = Rows::new(&types);
        rows.push(r#"{"a": 1, "b": "x", "c": 0.5, "d": null, "e": true}"#, 0).expect("it is JSON");
        for row in [
            r#"{"a": -12, "b": "\u00e9\ud83d\ude00\n", "c": 1e3, "d": 7, "e": null}"#,
            r#" { "e" : false , "a" : 123456789012345678 } "#,
            "{}",
        ] {
            assert!(rows.quick.take(row, &mut rows.fields, 1), "{row}");
        }
        for row in [
            r#"{"a": "x"}"#,
            r#"{"f": 1}"#,
            r#"{"a": 1, "a": 2}"#,
            r#"{"a": [1]}"#,
            r#"{"a": -0}"#,
            "{",
            "{\"b\": \"\t\"}",
        ] {
            assert!(!rows.quick.take(row, &mut rows.fields, 1), "{row}");
        }
        assert_eq!(rows.fields.rows(), 4);
    }

    #[test]
    fn the_first_special_byte_is_found_wherever_it_is() {
        for special_byte in [b'"', b'\\', 0, 0x1f, b'\n'] {
            for at in 0..40 {
                let mut bytes = vec![0x21; 40];
                (0..40).for_each(|i| bytes[i] = [b' ', b'#', b'[', b']', 0x7f, 0x80, 0xff, b'!'][i % 8]);
                bytes[at] = special_byte;
                for from in 0..=at {
                    assert_eq!(special(&bytes, from), Some(at), "{special_byte} at {at} from {from}");
                }
                assert_eq!(special(&bytes, at + 1), None);
            }
        }
    }
}
