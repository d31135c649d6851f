//! Cooks a recipe: the values of a column for a range of rows.

use super::stream::Stream;
use super::{Literal, NamePart, Recipe};
use crate::op::draw::{WHOLE, bound, parts};
use crate::op::normal::quantile;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, NullArray, StringArray, TimestampMicrosecondArray,
};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

static GIVEN: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("names/given.txt").split_whitespace().collect());
static FAMILY: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("names/family.txt").split_whitespace().collect());

/// Makes the rows `rows` of the column called `name`.
///
/// The recipe has passed [`Recipe::check`]; one that has not gives some values, but does not fail.
pub fn synth_column(recipe: &Recipe, seed: i64, name: &str, rows: Range<u64>) -> ArrayRef {
    let stream = Stream::new(seed, name);
    match recipe {
        Recipe::Choice { values, weights } => {
            let ends = ends(weights);
            let pick = |row| match ends.is_empty() {
                true => stream.below(row, 0, values.len() as u128) as usize,
                false => weighted(&stream, row, &ends),
            };
            literals(values, &rows.map(pick).collect::<Vec<usize>>())
        }
        Recipe::Integer { low, high } => ints(rows.map(|row| between(&stream, row, *low, *high))),
        Recipe::Float { low, high, decimals: None } => floats(rows.map(|row| low + stream.unit(row) * (high - low))),
        Recipe::Float { low, high, decimals: Some(decimals) } => {
            let (first, last) = grid(*low, *high, *decimals);
            floats(rows.map(|row| between(&stream, row, first as i64, last as i64) as f64 / power(*decimals)))
        }
        Recipe::Normal { mean, sd, decimals } => {
            floats(rows.map(|row| round(mean + sd * quantile(stream.open_unit(row)), *decimals)))
        }
        Recipe::Bool { p } => {
            let bound = bound(parts(*p).unwrap_or(0).min(WHOLE));
            let values: Vec<bool> = rows.map(|row| u128::from(stream.word(row, 0)) < bound).collect();
            Arc::new(BooleanArray::from(values))
        }
        Recipe::Sequence { start, step } => {
            let value = |row| i64::try_from(i128::from(*start) + i128::from(*step) * i128::from(row)).ok();
            Arc::new(rows.map(value).collect::<Int64Array>())
        }
        Recipe::Name(part) => {
            let given = |row| GIVEN[stream.below(row, 0, GIVEN.len() as u128) as usize];
            let family = |row| FAMILY[stream.below(row, 1, FAMILY.len() as u128) as usize];
            match part {
                NamePart::First => texts(rows.map(|row| given(row).to_owned())),
                NamePart::Last => texts(rows.map(|row| family(row).to_owned())),
                NamePart::Full => texts(rows.map(|row| format!("{} {}", given(row), family(row)))),
            }
        }
        Recipe::Date { first, last } => {
            let day = |row| between(&stream, row, i64::from(*first), i64::from(*last)) as i32;
            Arc::new(Date32Array::from_iter_values(rows.map(day)))
        }
        Recipe::Uuid => texts(rows.map(|row| uuid(stream.word(row, 0), stream.word(row, 1)))),
        Recipe::Constant(value) => literals(std::slice::from_ref(value), &vec![0; rows.count()]),
    }
}

fn ints(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn floats(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

fn texts(values: impl Iterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn between(stream: &Stream, row: u64, low: i64, high: i64) -> i64 {
    let span = (i128::from(high) - i128::from(low) + 1).max(1) as u128;
    low.wrapping_add(stream.below(row, 0, span) as i64)
}

/// Returns where the range of each weight ends, in whole numbers, so that a weight of 0 is never drawn.
fn ends(weights: &[f64]) -> Vec<u128> {
    let mut end = 0;
    let mut add = |weight: &f64| {
        end += parts(*weight).unwrap_or(0);
        end
    };
    weights.iter().map(&mut add).collect()
}

fn weighted(stream: &Stream, row: u64, ends: &[u128]) -> usize {
    let (sum, word) = (ends.last().copied().unwrap_or(0), u128::from(stream.word(row, 0)));
    // sum × word / 2^64 without the product, which may not fit.
    let drawn = (sum >> 64) * word + (((sum & u128::from(u64::MAX)) * word) >> 64);
    ends.partition_point(|end| *end <= drawn)
}

/// Returns the values at `picks`, as a column of their type; values of other types than the first are null.
fn literals(values: &[Literal], picks: &[usize]) -> ArrayRef {
    macro_rules! column {
        ($array:ty, $kind:path, $value:expr) => {
            Arc::new(
                picks
                    .iter()
                    .map(|at| match values.get(*at) {
                        Some($kind(value)) => Some($value(value)),
                        _ => None,
                    })
                    .collect::<$array>(),
            )
        };
    }
    match values.first() {
        None => Arc::new(NullArray::new(picks.len())),
        Some(Literal::Bool(_)) => column!(BooleanArray, Literal::Bool, |value: &bool| *value),
        Some(Literal::Int(_)) => column!(Int64Array, Literal::Int, |value: &i64| *value),
        Some(Literal::Float(_)) => column!(Float64Array, Literal::Float, |value: &f64| *value),
        Some(Literal::String(_)) => column!(StringArray, Literal::String, String::as_str),
        Some(Literal::Date(_)) => column!(Date32Array, Literal::Date, |value: &i32| *value),
        Some(Literal::Timestamp(_)) => {
            column!(TimestampMicrosecondArray, Literal::Timestamp, |value: &i64| *value)
        }
    }
}

/// Returns 10^decimals, exactly.
fn power(decimals: u8) -> f64 {
    (0..decimals.min(15)).fold(1.0, |power, _| power * 10.0)
}

/// Returns the first and last whole numbers that, divided by 10^decimals, lie from `low` to `high`.
pub(super) fn grid(low: f64, high: f64, decimals: u8) -> (f64, f64) {
    let power = power(decimals);
    let (first, last) = ((low * power).round(), (high * power).round());
    (if first / power < low { first + 1.0 } else { first }, if last / power > high { last - 1.0 } else { last })
}

/// Rounds to a number of decimals, to the float that such a decimal is read as.
fn round(value: f64, decimals: Option<u8>) -> f64 {
    let Some(decimals) = decimals else { return value };
    let scaled = (value * power(decimals)).round();
    // + 0.0 makes of −0 a 0. Beyond 2^53 there are no decimals left to round.
    if scaled.abs() < 9e15 { scaled / power(decimals) + 0.0 } else { value }
}

fn uuid(high: u64, low: u64) -> String {
    let high = (high & !0xf000) | 0x4000;
    let low = (low & (u64::MAX >> 2)) | (1 << 63);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}
