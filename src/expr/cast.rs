//! Casts: which there are, and what they do with cells that do not fit.

use super::RowError;
use super::cells::{Args, Day, Fault, Micros, Outcome, Prepared, Val, map1};
use super::value::value_at;
use crate::table::Type;
use crate::time::{DAY, read_date, read_timestamp};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, NullArray, StructArray, UInt32Array, new_null_array};
use std::sync::Arc;

/// What becomes of a cell that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A row error: `CAST`.
    Strict,
    /// Null: `TRY_CAST`.
    Try,
}

/// Converts each cell; `None` is a cell that does not fit.
macro_rules! convert {
    ($array:expr, $mode:expr, $to:expr, $type:ty, $f:expr) => {
        one($array, |args| {
            map1(args, |x: $type| match ($f(x), $mode) {
                (None, Mode::Strict) => Err(unfit(&x, $to)),
                (cell, _) => Ok(cell),
            })
        })
    };
}

/// Returns the type to which both sides of a comparison, or all branches of a `case`, widen.
pub fn common(a: &Type, b: &Type) -> Option<Type> {
    Some(match (a, b) {
        _ if a == b => a.clone(),
        (Type::Null, ty) | (ty, Type::Null) => ty.clone(),
        (Type::Int, Type::Float) | (Type::Float, Type::Int) => Type::Float,
        (Type::Date, Type::Timestamp) | (Type::Timestamp, Type::Date) => Type::Timestamp,
        (Type::List(a), Type::List(b)) => Type::List(Box::new(common(a, b)?)),
        (Type::Struct(a), Type::Struct(b)) if a.len() == b.len() => {
            let both = a.iter().zip(b).map(|(a, b)| {
                (a.name == b.name).then(|| Some(crate::table::Field::new(&a.name, common(&a.ty, &b.ty)?))).flatten()
            });
            Type::Struct(both.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Returns whether there is a cast.
pub fn castable(from: &Type, to: &Type) -> bool {
    use Type::*;
    match (from, to) {
        (a, b) if a == b => true,
        (Null, _) | (_, String) => true,
        (Bool | Float | String, Int) | (Int | String, Bool) | (Bool | Int | String, Float) => true,
        (String | Timestamp, Date) | (String | Date, Timestamp) => true,
        (List(a), List(b)) => castable(a, b),
        (Struct(_), Struct(_)) => common(from, to).as_ref() == Some(to),
        _ => false,
    }
}

/// Casts a column; `castable(from, to)` holds.
pub fn cast(array: &ArrayRef, from: &Type, to: &Type, mode: Mode) -> Outcome {
    use Type as T;
    if from == to {
        return Ok(array.clone());
    }
    match (from, to) {
        (T::Null, _) => Ok(new_null_array(&to.arrow(), array.len())),
        (_, T::Null) => Ok(Arc::new(NullArray::new(array.len()))),
        (_, T::String) => one(array, |args| args.each(|row| value_at(array, row).to_string())),
        (T::Bool, T::Int) => convert!(array, mode, to, bool, |x: bool| Some(i64::from(x))),
        (T::Bool, T::Float) => convert!(array, mode, to, bool, |x: bool| Some(f64::from(u8::from(x)))),
        (T::Int, T::Bool) => convert!(array, mode, to, i64, |x: i64| Some(x != 0)),
        (T::Int, T::Float) => convert!(array, mode, to, i64, |x: i64| Some(x as f64)),
        (T::Float, T::Int) => convert!(array, mode, to, f64, float_to_int),
        (T::String, T::Bool) => convert!(array, mode, to, &str, text_to_bool),
        (T::String, T::Int) => convert!(array, mode, to, &str, |x: &str| x.trim().parse::<i64>().ok()),
        (T::String, T::Float) => convert!(array, mode, to, &str, |x: &str| x.trim().parse::<f64>().ok()),
        (T::String, T::Date) => convert!(array, mode, to, &str, |x: &str| read_date(x.trim()).map(Day)),
        (T::String, T::Timestamp) => convert!(array, mode, to, &str, |x: &str| read_timestamp(x.trim()).map(Micros)),
        (T::Timestamp, T::Date) => {
            convert!(array, mode, to, Micros, |Micros(x)| i32::try_from(x.div_euclid(DAY)).ok().map(Day))
        }
        (T::Date, T::Timestamp) => {
            convert!(array, mode, to, Day, |Day(x)| i64::from(x).checked_mul(DAY).map(Micros))
        }
        (T::List(a), T::List(b)) => items(array, a, b, mode),
        (T::Struct(a), T::Struct(b)) => {
            let structs = array.as_struct();
            let children = (0..a.len())
                .map(|i| cast(structs.column(i), &a[i].ty, &b[i].ty, mode))
                .collect::<Result<Vec<_>, _>>()?;
            let arrow_schema::DataType::Struct(fields) = to.arrow() else {
                unreachable!("a struct's Arrow type is one")
            };
            Ok(Arc::new(
                StructArray::try_new_with_length(fields, children, structs.nulls().cloned(), structs.len())
                    .expect("children were cast to their fields' types"),
            ))
        }
        _ => Err(Fault::new(format!("there is no cast from {from} to {to}")).at(0)),
    }
}

fn one(array: &ArrayRef, f: impl Fn(&Args) -> Outcome) -> Outcome {
    let vals = [Val { array: array.clone(), constant: false }];
    f(&Args { vals: &vals, rows: array.len(), prepared: &Prepared::None })
}

fn unfit(cell: &dyn std::fmt::Debug, to: &Type) -> Fault {
    let mut shown: String = format!("{cell:?}").chars().take(40).collect();
    if shown.chars().count() == 40 {
        shown.push('…');
    }
    Fault::new(format!("{shown} cannot be cast to {to}")).help(format!("`try_cast(… as {to})` gives null instead"))
}

fn float_to_int(x: f64) -> Option<i64> {
    // Both bounds are floats; 2^63 itself does not fit.
    let rounded = x.round_ties_even();
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded).then_some(rounded as i64)
}

fn text_to_bool(x: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|word| x.trim().eq_ignore_ascii_case(word));
    if is(["true", "t", "1"]) {
        Some(true)
    } else if is(["false", "f", "0"]) {
        Some(false)
    } else {
        None
    }
}

fn items(array: &ArrayRef, from: &Type, to: &Type, mode: Mode) -> Outcome {
    // A null list may hide items: taking all rows drops them.
    let all = UInt32Array::from_iter_values(0..array.len() as u32);
    let array = arrow_select::take::take(array, &all, None).expect("every index is a row");
    let lists = array.as_list::<i32>();
    let offsets = lists.offsets().clone();
    let cast = cast(lists.values(), from, to, mode).map_err(|error| RowError {
        row: offsets.partition_point(|end| *end as usize <= error.row).saturating_sub(1),
        ..error
    })?;
    let field = Arc::new(arrow_schema::Field::new("item", to.arrow(), true));
    Ok(Arc::new(ListArray::new(field, offsets, cast, lists.nulls().cloned())))
}
