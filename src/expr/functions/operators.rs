//! Arithmetic, comparison, logic and pattern operators.

use super::super::cells::{Args, Day, Fault, Micros, Outcome, map1, map2, test2};
use super::super::key::{float_order, put_key};
use super::super::like::Case;
use super::super::patterns::like;
use super::Run::{Lazy as L, Rows};
use super::{Function, Lazy, f};
use crate::table::Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray};
use arrow_buffer::BooleanBuffer;
use std::cmp::Ordering;
use std::sync::Arc;

pub const TABLE: &[Function] = &[
    f(
        "+",
        &[],
        &[
            ("a: int, b: int -> int", Rows(|a| int(a, "+", i64::checked_add))),
            ("a: float, b: float -> float", Rows(|a| map2(a, |x: f64, y: f64| x + y))),
            ("day: date, days: int -> date", Rows(|a| map2(a, |Day(x), y: i64| shift(x, Some(y))))),
        ],
        "Adds; ints that overflow are a row error.",
        ("1 + 2", "3"),
    ),
    f(
        "-",
        &[],
        &[
            ("a: int, b: int -> int", Rows(|a| int(a, "-", i64::checked_sub))),
            ("a: float, b: float -> float", Rows(|a| map2(a, |x: f64, y: f64| x - y))),
            ("day: date, days: int -> date", Rows(|a| map2(a, |Day(x), y: i64| shift(x, y.checked_neg())))),
            ("a: date, b: date -> int", Rows(|a| map2(a, |Day(x), Day(y)| i64::from(x) - i64::from(y)))),
            (
                "a: int -> int",
                Rows(|a| map1(a, |x: i64| x.checked_neg().ok_or_else(|| Fault::overflow(format!("-({x})"))))),
            ),
            ("a: float -> float", Rows(|a| map1(a, |x: f64| -x))),
        ],
        "Subtracts, or negates; two dates give days.",
        ("date '2024-03-01' - date '2024-02-01'", "29"),
    ),
    f(
        "*",
        &[],
        &[
            ("a: int, b: int -> int", Rows(|a| int(a, "*", i64::checked_mul))),
            ("a: float, b: float -> float", Rows(|a| map2(a, |x: f64, y: f64| x * y))),
        ],
        "Multiplies.",
        ("3 * 1.5", "4.5"),
    ),
    f(
        "/",
        &[],
        &[("a: float, b: float -> float", Rows(|a| map2(a, |x: f64, y: f64| divided(y == 0.0, || Some(x / y)))))],
        "Divides as floats, ints too; dividing by zero is a row error.",
        ("7 / 2", "3.5"),
    ),
    f(
        "//",
        &["div"],
        &[("a: int, b: int -> int", Rows(|a| map2(a, |x: i64, y: i64| divided(y == 0, || x.checked_div(y)))))],
        "Divides ints and drops the fraction (toward zero).",
        ("-7 // 2", "-3"),
    ),
    f(
        "%",
        &["mod"],
        &[
            ("a: int, b: int -> int", Rows(|a| map2(a, |x: i64, y: i64| divided(y == 0, || Some(x.wrapping_rem(y)))))),
            ("a: float, b: float -> float", Rows(|a| map2(a, |x: f64, y: f64| divided(y == 0.0, || Some(x % y))))),
        ],
        "Gives the remainder of the division toward zero; it has the sign of `a`.",
        ("-7 % 3", "-1"),
    ),
    f(
        "||",
        &[],
        &[("a: string, b: string -> string", Rows(|a| map2(a, |x: &str, y: &str| [x, y].concat())))],
        "Joins two strings; null if one is null (`concat` skips nulls).",
        ("'data' || 'make'", "'datamake'"),
    ),
    f(
        "=",
        &["=="],
        &[("a: T, b: T -> bool", Rows(|a| compare(a, |o| o == Ordering::Equal)))],
        "Tells whether two values are equal; lists and structs too.",
        ("1 = 1.0", "true"),
    )
    .light(),
    f(
        "<>",
        &["!="],
        &[("a: T, b: T -> bool", Rows(|a| compare(a, |o| o != Ordering::Equal)))],
        "Tells whether two values differ.",
        ("'a' <> 'A'", "true"),
    )
    .light(),
    f(
        "<",
        &[],
        &[("a: ordered, b: ordered -> bool", Rows(|a| compare(a, |o| o == Ordering::Less)))],
        "Compares; strings by their characters' code points, false before true, NaN after all numbers.",
        ("'10' < '9'", "true"),
    )
    .light(),
    f(
        "<=",
        &[],
        &[("a: ordered, b: ordered -> bool", Rows(|a| compare(a, |o| o != Ordering::Greater)))],
        "Compares.",
        ("2 <= 2", "true"),
    )
    .light(),
    f(
        ">",
        &[],
        &[("a: ordered, b: ordered -> bool", Rows(|a| compare(a, |o| o == Ordering::Greater)))],
        "Compares.",
        ("date '2024-01-31' > date '2024-01-30'", "true"),
    )
    .light(),
    f(
        ">=",
        &[],
        &[("a: ordered, b: ordered -> bool", Rows(|a| compare(a, |o| o != Ordering::Less)))],
        "Compares.",
        ("1 >= null", "null"),
    )
    .light(),
    f(
        "between",
        &[],
        &[("x: ordered, low: ordered, high: ordered -> bool", Rows(between))],
        "Written `x between low and high`: `x >= low and x <= high`.",
        ("2 between 1 and 3", "true"),
    )
    .sees_nulls()
    .light(),
    f(
        "is null",
        &[],
        &[("x: any -> bool", Rows(is_null))],
        "Tells whether a value is missing; `is not null` is the opposite.",
        ("null is null", "true"),
    )
    .sees_nulls()
    .light(),
    f(
        "is not distinct from",
        &[],
        &[("a: T, b: T -> bool", Rows(same))],
        "Is `=` where null equals null and is never the result; `is distinct from` is the opposite.",
        ("null is not distinct from 1", "false"),
    )
    .sees_nulls()
    .light(),
    f(
        "not",
        &[],
        &[("a: bool -> bool", Rows(|a| map1(a, |x: bool| !x)))],
        "Turns true and false round; null stays null.",
        ("not false", "true"),
    )
    .light(),
    f(
        "and",
        &[],
        &[("a: bool, b: bool... -> bool", L(Lazy::And))],
        "Is false if one is false, else null if one is null; what follows a false is not evaluated.",
        ("null and false", "false"),
    )
    .sees_nulls(),
    f(
        "or",
        &[],
        &[("a: bool, b: bool... -> bool", L(Lazy::Or))],
        "Is true if one is true, else null if one is null; what follows a true is not evaluated.",
        ("null or true", "true"),
    )
    .sees_nulls(),
    f(
        "like",
        &[],
        &[
            ("text: string, pattern: like -> bool", Rows(|a| like(a, Case::Counts))),
            ("text: string, pattern: like, escape: string -> bool", Rows(|a| like(a, Case::Counts))),
        ],
        "Matches the whole text: `%` is any text, `_` any character; `like '10!%' escape '!'` takes a sign literally.",
        ("'datamake' like 'data%'", "true"),
    ),
    f(
        "ilike",
        &[],
        &[
            ("text: string, pattern: like -> bool", Rows(|a| like(a, Case::Folded))),
            ("text: string, pattern: like, escape: string -> bool", Rows(|a| like(a, Case::Folded))),
        ],
        "Is `like` without regard to case.",
        ("'DataMake' ilike '%make'", "true"),
    ),
];

fn int(args: &Args, sign: &str, op: fn(i64, i64) -> Option<i64>) -> Outcome {
    map2(args, |x: i64, y: i64| op(x, y).ok_or_else(|| Fault::overflow(format!("{x} {sign} {y}"))))
}

fn shift(day: i32, days: Option<i64>) -> Result<Day, Fault> {
    let moved = days.and_then(|days| i64::from(day).checked_add(days)).and_then(|day| i32::try_from(day).ok());
    moved.map(Day).ok_or_else(|| Fault::new("the date is out of range"))
}

fn divided<T>(by_zero: bool, result: impl FnOnce() -> Option<T>) -> Result<T, Fault> {
    if by_zero {
        return Err(Fault::new("division by zero").help("divide by `nullif(x, 0)` to get null instead"));
    }
    result().ok_or_else(|| Fault::overflow("the quotient"))
}

/// Compares two columns of one type, each with the loop that its cells want.
fn compare(args: &Args, answer: impl Fn(Ordering) -> bool + Copy) -> Outcome {
    match Type::of(args.vals[0].array.data_type()) {
        Some(Type::Int) => test2(args, |x: i64, y: i64| answer(x.cmp(&y))),
        Some(Type::Float) => test2(args, |x: f64, y: f64| answer(float_order(x).cmp(&float_order(y)))),
        Some(Type::String) => test2(args, |x: &str, y: &str| answer(x.cmp(y))),
        Some(Type::Bool) => test2(args, |x: bool, y: bool| answer(x.cmp(&y))),
        Some(Type::Date) => test2(args, |x: Day, y: Day| answer(x.cmp(&y))),
        Some(Type::Timestamp) => test2(args, |x: Micros, y: Micros| answer(x.cmp(&y))),
        _ => by_key(args, answer).map(|bits| Arc::new(BooleanArray::new(bits, args.valid())) as _),
    }
}

fn by_key(args: &Args, answer: impl Fn(Ordering) -> bool) -> Result<BooleanBuffer, super::super::RowError> {
    let types = args.vals.iter().map(|val| Type::of(val.array.data_type()).expect("arguments are of a table's type"));
    let types: Vec<Type> = types.collect();
    let (mut x, mut y) = (Vec::new(), Vec::new());
    Ok(BooleanBuffer::collect_bool(args.rows, |row| {
        for (i, key) in [&mut x, &mut y].into_iter().enumerate() {
            key.clear();
            let val = &args.vals[i];
            put_key(key, &types[i], &val.array, if val.constant { 0 } else { row });
        }
        answer(x.cmp(&y))
    }))
}

fn same(args: &Args) -> Outcome {
    by_key(args, |order| order == Ordering::Equal).map(|bits| Arc::new(BooleanArray::new(bits, None)) as _)
}

fn is_null(args: &Args) -> Outcome {
    let array = &args.vals[0].array;
    let bits = match array.logical_nulls() {
        Some(nulls) => !nulls.inner(),
        None => BooleanBuffer::new_unset(array.len()),
    };
    Ok(Arc::new(BooleanArray::new(bits, None)))
}

fn between(args: &Args) -> Outcome {
    let side = |bound: usize, answer: fn(Ordering) -> bool| -> Result<BooleanArray, super::super::RowError> {
        let vals = [args.vals[0].clone(), args.vals[bound].clone()];
        if vals.iter().any(|val| val.constant && val.array.is_null(0)) {
            return Ok(BooleanArray::new_null(args.rows));
        }
        let array = compare(&Args { vals: &vals, rows: args.rows, prepared: args.prepared }, answer)?;
        Ok(array.as_boolean().clone())
    };
    let (low, high) = (side(1, |o| o != Ordering::Less)?, side(2, |o| o != Ordering::Greater)?);
    let both = low.iter().zip(&high).map(|pair| match pair {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    });
    Ok(Arc::new(both.collect::<BooleanArray>()))
}
