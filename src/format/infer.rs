//! What a field of CSV may be: the narrowest type that its text is written as.

use crate::table::Type;
use crate::time;

/// Returns the type that `text` is written as; an empty text is null.
///
/// Only what would be written back as it stands counts as a number: `007`, `+5`, ` 5` and numbers that
/// 64 bits do not hold are strings, so that nothing is lost.
pub(super) fn guess(text: &str) -> Type {
    match text.as_bytes() {
        [] => Type::Null,
        b"true" | b"false" => Type::Bool,
        [b'0'..=b'9' | b'-', ..] => number(text).unwrap_or(Type::String),
        _ => Type::String,
    }
}

fn number(text: &str) -> Option<Type> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let start = usize::from(bytes[0] == b'-');
    let whole = digits(start);
    if whole == 0 {
        return None;
    }
    let mut at = start + whole;
    if at == 4 && start == 0 && bytes.len() == 10 && bytes[4] == b'-' {
        return time::read_date(text).map(|_| Type::Date);
    }
    if whole > 1 && bytes[start] == b'0' {
        return None;
    }
    if at == bytes.len() {
        return if text == "-0" { Some(Type::Float) } else { text.parse::<i64>().ok().map(|_| Type::Int) };
    }
    if bytes[at] == b'.' {
        let fraction = digits(at + 1);
        at += 1 + fraction;
        if fraction == 0 {
            return None;
        }
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = if at <= bytes.len() { digits(at) } else { 0 };
        at += exponent;
        if exponent == 0 {
            return None;
        }
    }
    (at == bytes.len() && text.parse::<f64>().is_ok_and(f64::is_finite)).then_some(Type::Float)
}

/// Returns the type of a column that holds texts of both types: what is not equal or a number is a string.
pub(super) fn join(one: &Type, other: &Type) -> Type {
    one.unify(other).unwrap_or(Type::String)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_the_narrowest_type_that_loses_nothing() {
        let cases = [
            ("", Type::Null),
            ("0", Type::Int),
            ("-12", Type::Int),
            ("9223372036854775807", Type::Int),
            ("9223372036854775808", Type::String),
            ("007", Type::String),
            ("-007", Type::String),
            ("+5", Type::String),
            (" 5", Type::String),
            ("1_000", Type::String),
            ("-", Type::String),
            ("-0", Type::Float),
            ("0.5", Type::Float),
            ("1.0", Type::Float),
            ("1e-5", Type::Float),
            ("1E+5", Type::Float),
            ("1e", Type::String),
            ("1e+", Type::String),
            ("1.", Type::String),
            ("1.5x", Type::String),
            ("1e999", Type::String),
            ("nan", Type::String),
            ("true", Type::Bool),
            ("True", Type::String),
            ("2024-02-29", Type::Date),
            ("2023-02-29", Type::String),
            ("2024-02-29T00:00:00Z", Type::String),
            ("0001-01-01", Type::Date),
            ("text", Type::String),
        ];
        for (text, ty) in cases {
            assert_eq!(guess(text), ty, "{text:?}");
        }
    }

    #[test]
    fn only_int_and_float_meet_below_string() {
        assert_eq!(join(&Type::Int, &Type::Float), Type::Float);
        assert_eq!(join(&Type::Null, &Type::Date), Type::Date);
        assert_eq!(join(&Type::Int, &Type::Bool), Type::String);
        assert_eq!(join(&Type::Date, &Type::Int), Type::String);
    }
}
