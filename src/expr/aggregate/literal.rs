//! What the literals of an aggregate have to be: known by their names in its signature.

use super::super::value::Value;

/// Returns the name of a parameter of a signature such as `x: float, q: float -> float`.
pub fn parameter(form: &'static str, at: usize) -> &'static str {
    let params = form.split_once(" -> ").map_or(form, |(params, _)| params);
    params.split(", ").nth(at).and_then(|param| param.split_once(": ")).map_or("", |(name, _)| name)
}

/// Says what a parameter has to be, and an example, where its value is not so.
pub fn rule(parameter: &str, value: Option<&Value>) -> Option<(&'static str, &'static str)> {
    let number = match value {
        Some(Value::Int(n)) => *n as f64,
        Some(Value::Float(x)) => *x,
        _ => f64::NAN,
    };
    let (holds, what, help) = match parameter {
        "q" => ((0.0..=1.0).contains(&number), "a number from 0 to 1", "the middle is `0.5`"),
        "level" => (number > 0.0 && number < 1.0, "a number between 0 and 1", "most often it is `0.95`"),
        "width" => (number > 0.0 && number.is_finite(), "a number above 0", "buckets of ten are `10`"),
        "values" => (
            matches!(value, Some(Value::List(items)) if !items.is_empty() && !items.contains(&Value::Null)),
            "a list of literals",
            "write them all: `['a', 'b']`",
        ),
        _ => ((1.0..=10_000.0).contains(&number), "a whole number from 1 to 10000", "write it as a number: `2`"),
    };
    if holds { None } else { Some((what, help)) }
}
