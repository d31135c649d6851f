//! Choices between values. `case` is syntax and stands in the introduction of the reference.

use super::super::cells::{Args, Outcome};
use super::super::key::put_key;
use super::Run::{Lazy as L, Rows};
use super::{Function, Lazy, f};
use crate::table::Type;
use arrow_array::{Array, new_null_array};
use std::cmp::Ordering;

pub const TABLE: &[Function] = &[
    f(
        "coalesce",
        &["ifnull"],
        &[("values: T... -> T", L(Lazy::Coalesce))],
        "Gives the first value that is not null; what follows it is not evaluated.",
        ("coalesce(null, 2, 3)", "2"),
    ),
    f(
        "nullif",
        &[],
        &[("a: T, b: T -> T", L(Lazy::NullIf))],
        "Gives null if `a = b`, else `a`.",
        ("nullif(0, 0)", "null"),
    ),
    f(
        "if",
        &["iff"],
        &[("condition: bool, yes: T, no: T -> T", L(Lazy::If))],
        "Gives `yes` where the condition is true, else `no`; only the one needed is evaluated.",
        ("if(2 > 1, 'more', 'less')", "'more'"),
    ),
    f(
        "greatest",
        &[],
        &[("values: ordered... -> T", Rows(|a| best(a, Ordering::Greater)))],
        "Gives the greatest value; nulls are skipped.",
        ("greatest(1, null, 3)", "3"),
    )
    .sees_nulls(),
    f(
        "least",
        &[],
        &[("values: ordered... -> T", Rows(|a| best(a, Ordering::Less)))],
        "Gives the least value; nulls are skipped.",
        ("least(2.5, 1)", "1.0"),
    )
    .sees_nulls(),
];

fn best(args: &Args, wanted: Ordering) -> Outcome {
    let array = &args.vals[0].array;
    let ty = Type::of(array.data_type()).expect("arguments are of a table's type");
    let nulls = new_null_array(array.data_type(), 1);
    let mut sources: Vec<&dyn Array> = args.vals.iter().map(|val| val.array.as_ref()).collect();
    sources.push(nulls.as_ref());
    let (mut best, mut key) = (Vec::new(), Vec::new());
    let picks: Vec<(usize, usize)> = (0..args.rows)
        .map(|row| {
            let mut pick = (args.vals.len(), 0);
            for (i, val) in args.vals.iter().enumerate() {
                let at = if val.constant { 0 } else { row };
                if val.array.is_null(at) {
                    continue;
                }
                key.clear();
                put_key(&mut key, &ty, &val.array, at);
                if pick.0 == args.vals.len() || key.cmp(&best) == wanted {
                    std::mem::swap(&mut key, &mut best);
                    pick = (i, at);
                }
            }
            pick
        })
        .collect();
    Ok(arrow_select::interleave::interleave(&sources, &picks).expect("all sources are of one type"))
}
