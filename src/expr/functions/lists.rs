//! Functions of lists. Positions count from 1.

use super::super::cells::{Args, Fault, Outcome};
use super::super::key::put_key;
use super::Run::Rows;
use super::{Function, f};
use crate::table::Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ListArray, UInt32Array};
use arrow_buffer::OffsetBuffer;
use std::sync::Arc;

pub const TABLE: &[Function] = &[
    f(
        "list_length",
        &["len", "array_length"],
        &[
            (
                "list: list<T> -> int",
                Rows(|a| {
                    let (lists, step) = a.lists(0);
                    a.each(|row| i64::from(lists.value_length(row * step)))
                }),
            ),
            ("text: string -> int", Rows(|a| super::super::cells::map1(a, |x: &str| x.chars().count() as i64))),
        ],
        "Counts the items, or the characters of a string.",
        ("len(split('a b c', ' '))", "3"),
    ),
    f(
        "list_contains",
        &["array_contains"],
        &[("list: list<T>, item: T -> bool", Rows(contains))],
        "Tells whether an item is in the list.",
        ("list_contains([1, 2], 2)", "true"),
    ),
    f(
        "list_join",
        &["array_to_string"],
        &[("list: list<string>, separator: string -> string", Rows(join))],
        "Joins the items with a separator between them; nulls are skipped.",
        ("list_join(['a', 'b'], '-')", "'a-b'"),
    ),
    f(
        "list_get",
        &[],
        &[("list: list<T>, n: int -> T", Rows(get))],
        "Gives the n-th item, also written `list[n]`; below 0 from the end; null if there are fewer.",
        ("split('a b c', ' ')[2]", "'b'"),
    ),
    f(
        "list",
        &["list_value"],
        &[("items: T... -> list<T>", Rows(list))],
        "Makes a list, also written `[a, b]`.",
        ("[1, 2.5]", "[1.0,2.5]"),
    )
    .sees_nulls(),
];

fn range(list: &ListArray, row: usize) -> std::ops::Range<usize> {
    list.value_offsets()[row] as usize..list.value_offsets()[row + 1] as usize
}

fn contains(args: &Args) -> Outcome {
    let (lists, step) = args.lists(0);
    let val = &args.vals[1];
    let ty = Type::of(val.array.data_type()).expect("arguments are of a table's type");
    let (mut wanted, mut key) = (Vec::new(), Vec::new());
    args.each(|row| {
        wanted.clear();
        put_key(&mut wanted, &ty, &val.array, if val.constant { 0 } else { row });
        range(lists, row * step).any(|i| {
            key.clear();
            put_key(&mut key, &ty, lists.values(), i);
            key == wanted
        })
    })
}

fn join(args: &Args) -> Outcome {
    let (lists, step) = args.lists(0);
    let separators = args.column::<&str>(1);
    let items = lists.values().as_string::<i32>();
    args.each(|row| {
        let items: Vec<&str> =
            range(lists, row * step).filter(|i| items.is_valid(*i)).map(|i| items.value(i)).collect();
        let between = separators.get(row).len().saturating_mul(items.len());
        if between > super::super::cells::LONGEST {
            Err(Fault::too_long())
        } else {
            Ok(items.join(separators.get(row)))
        }
    })
}

fn get(args: &Args) -> Outcome {
    let (lists, step) = args.lists(0);
    let places = args.column::<i64>(1);
    let valid = args.valid();
    let index = |row: usize| {
        if valid.as_ref().is_some_and(|valid| valid.is_null(row)) {
            return Ok(None);
        }
        let (range, n) = (range(lists, row * step), places.get(row));
        if n == 0 {
            return Err(Fault::new("items are counted from 1").help("the last item is -1").at(row));
        }
        let place = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
        let at = if n > 0 { Some(place - 1) } else { range.len().checked_sub(place) };
        Ok(at.filter(|at| *at < range.len()).map(|at| (range.start + at) as u32))
    };
    let indices = (0..args.rows).map(index).collect::<Result<UInt32Array, _>>()?;
    Ok(arrow_select::take::take(lists.values(), &indices, None).expect("every index is an item"))
}

fn list(args: &Args) -> Outcome {
    let n = args.vals.len();
    let sources: Vec<&dyn Array> = args.vals.iter().map(|val| val.array.as_ref()).collect();
    let picks: Vec<(usize, usize)> = (0..args.rows)
        .flat_map(|row| args.vals.iter().enumerate().map(move |(i, val)| (i, if val.constant { 0 } else { row })))
        .collect();
    let items = arrow_select::interleave::interleave(&sources, &picks).expect("all items are of one type");
    let field = Arc::new(arrow_schema::Field::new("item", items.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(n, args.rows));
    Ok(Arc::new(ListArray::new(field, offsets, items, None)))
}
