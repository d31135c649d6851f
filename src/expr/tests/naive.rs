//! Random expressions over random rows against a naive evaluator: one row, one value at a time.

use super::super::{Expr, Value, array_of, value_at};
use crate::table::{Batch, Field, Schema, Type};
use Value::{Bool, Float, Int, Null, String as Text};
use proptest::prelude::*;
use std::cmp::Ordering;

/// An expression: a column, a literal, or an operation written by a template in which `{}` are the operands.
#[derive(Clone, Debug)]
pub enum Tree {
    Column(usize),
    Literal(Value),
    Op(&'static str, Vec<Tree>),
}

/// The columns of the random rows: three of ints, then float, strings, bools.
pub const COLUMNS: [(&str, Type); 8] = [
    ("a", Type::Int),
    ("b", Type::Int),
    ("c", Type::Int),
    ("x", Type::Float),
    ("s", Type::String),
    ("t", Type::String),
    ("p", Type::Bool),
    ("q", Type::Bool),
];

/// Operations by result: templates with the types of their operands (i, f, s, b).
pub type Grammar = &'static [(char, &'static str, &'static str)];

/// What SQLite computes alike.
pub const SHARED: Grammar = &[
    ('i', "({} + {})", "ii"),
    ('i', "({} - {})", "ii"),
    ('i', "({} * {})", "ii"),
    ('i', "(- {})", "i"),
    ('i', "length({})", "s"),
    ('i', "coalesce({}, {})", "ii"),
    ('i', "nullif({}, {})", "ii"),
    ('i', "case when {} then {} when {} then {} else {} end", "bibii"),
    ('i', "case {} when {} then {} end", "iii"),
    ('s', "({} || {})", "ss"),
    ('s', "coalesce({}, {})", "ss"),
    ('s', "case when {} then {} end", "bs"),
    ('b', "({} = {})", "ii"),
    ('b', "({} < {})", "ii"),
    ('b', "({} >= {})", "if"),
    ('b', "({} <> {})", "ss"),
    ('b', "({} <= {})", "ss"),
    ('b', "({} and {})", "bb"),
    ('b', "({} or {})", "bb"),
    ('b', "(not {})", "b"),
    ('b', "({} is null)", "i"),
    ('b', "({} is not null)", "s"),
    ('b', "({} between {} and {})", "iii"),
    ('b', "({} in ({}, {}))", "iii"),
    ('b', "({} not in ({}, 1, 2))", "ii"),
    ('b', "({} like 'a%')", "s"),
    ('b', "({} like '%b_')", "s"),
    ('f', "({} + {})", "ff"),
    // Of a float and an int: a float, unless the first is null whatever the row.
    ('f', "coalesce({}, ({}))", "fi"),
];

/// What is ours alone: row errors, and choices of our own.
const OWN: Grammar = &[
    ('i', "({} // {})", "ii"),
    ('i', "({} % {})", "ii"),
    ('i', "cast({} as int)", "s"),
    ('i', "try_cast({} as int)", "s"),
    ('i', "({} + 9223372036854775807)", "i"),
    ('i', "if({}, {}, {})", "bii"),
    ('i', "greatest({}, {})", "ii"),
    ('f', "({} / {})", "if"),
    ('s', "cast({} as string)", "i"),
    ('b', "({} is not distinct from {})", "ii"),
    ('b', "({} is distinct from {})", "ss"),
    ('b', "({} is true)", "b"),
    ('b', "({} and {} and {})", "bbb"),
    ('b', "({} or {} or {})", "bbb"),
    ('b', "({} between {} and {})", "fif"),
];

/// Random trees of one type.
pub fn trees(ty: char, depth: u32, own: bool) -> BoxedStrategy<Tree> {
    let columns: Vec<Tree> = (0..COLUMNS.len()).filter(|i| letter(&COLUMNS[*i].1) == ty).map(Tree::Column).collect();
    let literals: Vec<Value> = match ty {
        'i' => vec![Null, Int(0), Int(1), Int(-2), Int(3)],
        'f' => vec![Null, Float(0.5), Float(-1.0), Float(2.0)],
        's' => vec![Null, Text(String::new()), Text("a".into()), Text("abc".into()), Text("7".into())],
        _ => vec![Null, Bool(true), Bool(false)],
    };
    let leaf =
        prop_oneof![3 => prop::sample::select(columns), 1 => prop::sample::select(literals).prop_map(Tree::Literal)];
    if depth == 0 {
        return leaf.boxed();
    }
    let grammar = SHARED.iter().chain(if own { OWN } else { &[] });
    let ops: Vec<_> = grammar.filter(|op| op.0 == ty).collect();
    let op = prop::sample::select(ops).prop_flat_map(move |(_, template, operands)| {
        let operands: Vec<BoxedStrategy<Tree>> = operands.chars().map(|ty| trees(ty, depth - 1, own)).collect();
        operands.prop_map(move |operands| Tree::Op(template, operands))
    });
    prop_oneof![1 => leaf, 4 => op].boxed()
}

fn letter(ty: &Type) -> char {
    match ty {
        Type::Int => 'i',
        Type::Float => 'f',
        Type::String => 's',
        _ => 'b',
    }
}

/// Random rows, one value per column.
pub fn rows() -> impl Strategy<Value = Vec<Vec<Value>>> {
    let ints = || prop::sample::select(vec![Null, Int(0), Int(1), Int(2), Int(-3)]);
    let texts = || {
        prop::sample::select(vec![
            Null,
            Text(String::new()),
            Text("a".into()),
            Text("ab".into()),
            Text("bbc".into()),
            Text("7".into()),
        ])
    };
    let bools = || prop::sample::select(vec![Null, Bool(true), Bool(false)]);
    let floats = prop::sample::select(vec![Null, Float(0.0), Float(0.5), Float(-1.0)]);
    let row = (ints(), ints(), ints(), floats, texts(), texts(), bools(), bools());
    prop::collection::vec(row.prop_map(|(a, b, c, x, s, t, p, q)| vec![a, b, c, x, s, t, p, q]), 1..12)
}

impl Tree {
    /// Writes the tree as SQL.
    pub fn sql(&self) -> String {
        match self {
            Tree::Column(i) => COLUMNS[*i].0.to_owned(),
            Tree::Literal(Text(text)) => format!("'{text}'"),
            Tree::Literal(Int(i)) if *i < 0 => format!("({i})"),
            Tree::Literal(Float(x)) if *x < 0.0 => format!("({x:?})"),
            Tree::Literal(value) => value.to_string(),
            Tree::Op(template, operands) => {
                let mut pieces = template.split("{}");
                let mut out = pieces.next().unwrap_or("").to_owned();
                operands.iter().zip(pieces).for_each(|(operand, piece)| out = out.clone() + &operand.sql() + piece);
                out
            }
        }
    }

    /// Returns whether the column is one of floats; an operation on nulls alone is not.
    fn is_float(&self) -> bool {
        match self {
            Tree::Column(i) => COLUMNS[*i].1 == Type::Float,
            Tree::Literal(value) => matches!(value, Float(_)),
            Tree::Op("({} / {})", _) => true,
            Tree::Op(_, operands) => operands.iter().any(Tree::is_float),
        }
    }

    /// Computes the tree for one row; `Err` is a row error.
    fn value(&self, row: &[Value]) -> Result<Value, ()> {
        let (template, operands) = match self {
            Tree::Column(i) => return Ok(row[*i].clone()),
            Tree::Literal(value) => return Ok(value.clone()),
            Tree::Op(template, operands) => (*template, operands),
        };
        let get = |i: usize| operands[i].value(row);
        Ok(match template {
            "({} and {})" | "({} and {} and {})" | "({} or {})" | "({} or {} or {})" => {
                let decides = template.contains(" or ");
                let mut known = Bool(!decides);
                for operand in operands {
                    match operand.value(row)? {
                        Bool(b) if b == decides => return Ok(Bool(decides)),
                        Null => known = Null,
                        _ => {}
                    }
                }
                known
            }
            "coalesce({}, {})" => match get(0)? {
                Null => get(1)?,
                value => value,
            },
            "coalesce({}, ({}))" => match get(0)? {
                Null => match get(1)? {
                    Int(i) if operands[0].is_float() => Float(i as f64),
                    value => value,
                },
                value => value,
            },
            "nullif({}, {})" => {
                if compared(get(0)?, get(1)?) == Some(Ordering::Equal) {
                    Null
                } else {
                    get(0)?
                }
            }
            "case when {} then {} when {} then {} else {} end" => {
                if get(0)? == Bool(true) {
                    get(1)?
                } else if get(2)? == Bool(true) {
                    get(3)?
                } else {
                    get(4)?
                }
            }
            "case {} when {} then {} end" => {
                if compared(get(0)?, get(1)?) == Some(Ordering::Equal) {
                    get(2)?
                } else {
                    Null
                }
            }
            "case when {} then {} end" => {
                if get(0)? == Bool(true) {
                    get(1)?
                } else {
                    Null
                }
            }
            "if({}, {}, {})" => {
                if get(0)? == Bool(true) {
                    get(1)?
                } else {
                    get(2)?
                }
            }
            "({} in ({}, {}))" => {
                let mut found = Bool(false);
                for i in 1..3 {
                    match compared(get(0)?, get(i)?) {
                        Some(Ordering::Equal) => return Ok(Bool(true)),
                        None => found = Null,
                        _ => {}
                    }
                }
                found
            }
            "({} not in ({}, 1, 2))" => {
                let mut found = Bool(true);
                for item in [get(1), Ok(Int(1)), Ok(Int(2))] {
                    match compared(get(0)?, item?) {
                        Some(Ordering::Equal) => return Ok(Bool(false)),
                        None => found = Null,
                        _ => {}
                    }
                }
                found
            }
            _ => {
                let values = operands.iter().map(|operand| operand.value(row)).collect::<Result<Vec<_>, ()>>()?;
                return strict(template, &values);
            }
        })
    }
}

fn compared(a: Value, b: Value) -> Option<Ordering> {
    match (a, b) {
        (Null, _) | (_, Null) => None,
        (Int(a), Int(b)) => Some(a.cmp(&b)),
        (Text(a), Text(b)) => Some(a.cmp(&b)),
        (Bool(a), Bool(b)) => Some(a.cmp(&b)),
        (a, b) => number(&a)?.partial_cmp(&number(&b)?),
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Int(i) => Some(*i as f64),
        Float(x) => Some(*x),
        _ => None,
    }
}

fn strict(template: &str, values: &[Value]) -> Result<Value, ()> {
    let int = |f: fn(i64, i64) -> Option<i64>| match values {
        [Int(a), Int(b)] => f(*a, *b).map(Int).ok_or(()),
        _ => Ok(Null),
    };
    let test = |f: fn(Ordering) -> bool| {
        Ok(compared(values[0].clone(), values[1].clone()).map_or(Null, |order| Bool(f(order))))
    };
    let text = |f: &dyn Fn(&str) -> Value| if let Text(text) = &values[0] { f(text) } else { Null };
    match template {
        "({} + {})" => match values {
            [Int(a), Int(b)] => a.checked_add(*b).map(Int).ok_or(()),
            [a, b] => Ok(number(a).zip(number(b)).map_or(Null, |(a, b)| Float(a + b))),
            _ => Err(()),
        },
        "({} - {})" => int(i64::checked_sub),
        "({} * {})" => int(i64::checked_mul),
        "({} // {})" => int(i64::checked_div),
        "({} % {})" => int(i64::checked_rem),
        "({} + 9223372036854775807)" => match &values[0] {
            Int(a) => a.checked_add(i64::MAX).map(Int).ok_or(()),
            _ => Ok(Null),
        },
        "({} / {})" => match number(&values[0]).zip(number(&values[1])) {
            Some((_, 0.0)) => Err(()),
            Some((a, b)) => Ok(Float(a / b)),
            None => Ok(Null),
        },
        "(- {})" => match &values[0] {
            Int(a) => a.checked_neg().map(Int).ok_or(()),
            _ => Ok(Null),
        },
        "greatest({}, {})" => Ok(match values {
            [Int(a), Int(b)] => Int(*a.max(b)),
            [Null, other] | [other, Null] => other.clone(),
            _ => Null,
        }),
        "cast({} as int)" => match &values[0] {
            Text(text) => text.parse().map(Int).map_err(|_| ()),
            _ => Ok(Null),
        },
        "try_cast({} as int)" => Ok(text(&|text| text.parse().map_or(Null, Int))),
        "cast({} as string)" => Ok(if values[0] == Null { Null } else { Text(values[0].to_string()) }),
        "length({})" => Ok(text(&|text| Int(text.chars().count() as i64))),
        "({} || {})" => Ok(match values {
            [Text(a), Text(b)] => Text(a.clone() + b),
            _ => Null,
        }),
        "({} = {})" => test(|order| order == Ordering::Equal),
        "({} <> {})" => test(|order| order != Ordering::Equal),
        "({} < {})" => test(|order| order == Ordering::Less),
        "({} <= {})" => test(|order| order != Ordering::Greater),
        "({} >= {})" => test(|order| order != Ordering::Less),
        "(not {})" => Ok(if let Bool(b) = values[0] { Bool(!b) } else { Null }),
        "({} is null)" => Ok(Bool(values[0] == Null)),
        "({} is not null)" => Ok(Bool(values[0] != Null)),
        "({} is true)" => Ok(Bool(values[0] == Bool(true))),
        "({} is not distinct from {})" => Ok(Bool(values[0] == values[1])),
        "({} is distinct from {})" => Ok(Bool(values[0] != values[1])),
        "({} between {} and {})" => {
            let low = compared(values[0].clone(), values[1].clone()).map(|order| order != Ordering::Less);
            let high = compared(values[0].clone(), values[2].clone()).map(|order| order != Ordering::Greater);
            Ok(match (low, high) {
                (Some(false), _) | (_, Some(false)) => Bool(false),
                (Some(true), Some(true)) => Bool(true),
                _ => Null,
            })
        }
        "({} like 'a%')" => Ok(text(&|text| Bool(text.starts_with('a')))),
        "({} like '%b_')" => Ok(text(&|text| Bool(text.chars().rev().nth(1) == Some('b')))),
        other => panic!("no such operation: {other}"),
    }
}

/// Makes a batch of rows.
pub fn batch(rows: &[Vec<Value>]) -> (Schema, Batch) {
    let column = |i: usize| array_of(&COLUMNS[i].1, &rows.iter().map(|row| row[i].clone()).collect::<Vec<_>>());
    let columns = (0..COLUMNS.len()).map(|i| (COLUMNS[i].0.to_owned(), column(i))).collect();
    let schema = Schema(COLUMNS.iter().map(|(name, ty)| Field::new(*name, ty.clone())).collect());
    (schema, Batch { rows: rows.len(), columns })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn columns_are_computed_as_single_values_are(
        tree in prop::sample::select(vec!['i', 'f', 's', 'b']).prop_flat_map(|ty| trees(ty, 3, true)),
        rows in rows(),
    ) {
        let (schema, batch) = batch(&rows);
        let sql = tree.sql();
        let expr = Expr::parse(&sql, &schema).unwrap_or_else(|errors| panic!("{sql}: {errors:#?}"));
        let expect: Vec<Result<Value, ()>> = rows.iter().map(|row| tree.value(row)).collect();
        match (expr.eval(&batch), expect.iter().position(Result::is_err)) {
            (Ok(array), None) => {
                for (row, expect) in expect.into_iter().enumerate() {
                    // Where types widen, the naive value may still be the int.
                    let expect = match expect.expect("no row fails") {
                        Int(i) if *expr.ty() == Type::Float => Float(i as f64),
                        value => value,
                    };
                    prop_assert_eq!(value_at(&array, row), expect, "{} in row {}: {:?}", sql, row, rows[row]);
                }
            }
            (Err(error), Some(row)) => prop_assert_eq!(error.row, row, "{}: {}", sql, error.message),
            (got, row) => prop_assert!(false, "{sql}: got {got:?}, the first row error is in {row:?}"),
        }
    }
}
