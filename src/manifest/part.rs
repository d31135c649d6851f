//! Parts of some rows: a number of them, or a share.

use super::check::number;
use super::decl::MaxFailed;
use super::value::{Kind, Value};

/// Reads a number of rows (an integer), a share (a fraction below 1), or a share in percent (`"2%"`); none if it is neither.
pub fn part(value: &Value) -> Option<MaxFailed> {
    let share = match (&value.kind, value.string()) {
        (Kind::Int(rows), _) => return u64::try_from(*rows).ok().map(MaxFailed::Rows),
        (_, Some(text)) => percent(&text).filter(|share| *share <= 1.0)?,
        _ => number(value).filter(|share| (0.0..1.0).contains(share))?,
    };
    Some(if share == 0.0 { MaxFailed::Rows(0) } else { MaxFailed::Share(share) })
}

/// Reads `2%` as 0.02, and `250%` as 2.5; by the digits, so that no rounding tells the two apart.
pub fn percent(text: &str) -> Option<f64> {
    let digits = text.strip_suffix('%')?;
    let plain = digits.starts_with(|c: char| c.is_ascii_digit()) && !digits.ends_with('.');
    if !plain || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    format!("{digits}e-2").parse().ok()
}
