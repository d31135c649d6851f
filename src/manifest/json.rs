//! Values as JSON, as they are sent to endpoints: equal numbers are written alike.

use super::value::{Kind, Value};

/// Converts a value whose numbers are finite; dates become strings.
pub fn json(value: &Value) -> serde_json::Value {
    match &value.kind {
        Kind::Text(text) => text.as_ref().into(),
        Kind::Date(date) => date.as_str().into(),
        Kind::Int(int) => (*int).into(),
        Kind::Float(float) => number(*float),
        Kind::Bool(bool) => (*bool).into(),
        Kind::List(items) => items.iter().map(json).collect(),
        Kind::Table(table) => table.iter().map(|(name, entry)| (name.to_owned(), json(&entry.value))).collect(),
    }
}

/// Converts a number: 1.0 is written as 1.
pub fn number(number: f64) -> serde_json::Value {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    if number.fract() == 0.0 && (-BOUND..BOUND).contains(&number) { (number as i64).into() } else { number.into() }
}
