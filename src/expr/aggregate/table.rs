//! The table of aggregates. One entry is all that an aggregate needs.

use super::super::cells::Fault;
use super::super::key::take_key;
use super::super::signature::Form;
use super::super::value::Value;
use super::acc::{Acc, Kind, Of};
use super::{drawn, intervals, measures};
use crate::table::{Reader, Type};
use crate::text;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// Gives the result out of what was remembered.
pub type Finish = fn(&Acc, &Of) -> Result<Value, Fault>;

/// One entry.
pub struct Fold {
    pub name: &'static str,
    pub also: &'static [&'static str],
    pub forms: &'static [(&'static str, Kind, Finish)],
    pub doc: &'static str,
    /// A value over the four rows that `docs/expressions.md` shows, and its result.
    pub example: (&'static str, &'static str),
}

/// `count(distinct x)`, which has syntax of its own.
pub const DISTINCT: (&str, Kind, Finish) =
    ("x: any -> int", Kind::Marks, |acc, _| Ok(Value::Int(tally(acc).len() as i64)));

/// The tables, in the order of the reference.
const TABLES: &[&[Fold]] = &[TABLE, intervals::TABLE, drawn::TABLE, measures::TABLE];

/// Returns all entries.
pub fn all() -> impl Iterator<Item = &'static Fold> {
    TABLES.iter().flat_map(|table| table.iter())
}

const TABLE: &[Fold] = &[
    Fold {
        name: "count",
        also: &[],
        forms: &[("x: any -> int", Kind::Count, |acc, _| Ok(Value::Int(count(acc) as i64)))],
        doc: "Counts the values that are not null; `count(*)` counts rows, `count(distinct x)` different values.",
        example: ("concat_ws(' ', count(x), count(*), count(distinct x))", "'3 4 2'"),
    },
    Fold {
        name: "sum",
        also: &[],
        forms: &[
            ("x: int -> int", Kind::Ints, sum_ints),
            ("x: float -> float", Kind::Floats, |acc, _| Ok(mean_of(acc, |sum, _| sum))),
        ],
        doc: "Adds up; floats without rounding in between; null without values.",
        example: ("sum(x)", "5"),
    },
    Fold {
        name: "avg",
        also: &["mean"],
        forms: &[
            ("x: bool -> float", Kind::Ints, avg),
            ("x: int -> float", Kind::Ints, avg),
            ("x: float -> float", Kind::Floats, avg),
        ],
        doc: "Gives the mean; of bools the share of true.",
        example: ("avg(ok)", "0.75"),
    },
    Fold {
        name: "min",
        also: &[],
        forms: &[("x: ordered -> T", Kind::Least, best)],
        doc: "Gives the least value.",
        example: ("min(word)", "'a'"),
    },
    Fold {
        name: "max",
        also: &[],
        forms: &[("x: ordered -> T", Kind::Greatest, best)],
        doc: "Gives the greatest value.",
        example: ("max(x)", "2"),
    },
    Fold {
        name: "stddev",
        also: &["stddev_samp", "std"],
        forms: &[("x: float -> float", Kind::Moments, |acc, _| Ok(spread(acc, 1, f64::sqrt)))],
        doc: "Gives the standard deviation of a sample; null for fewer than two values.",
        example: ("round(stddev(x), 4)", "0.5774"),
    },
    Fold {
        name: "stddev_pop",
        also: &[],
        forms: &[("x: float -> float", Kind::Moments, |acc, _| Ok(spread(acc, 0, f64::sqrt)))],
        doc: "Gives the standard deviation of a whole population.",
        example: ("round(stddev_pop(x), 4)", "0.4714"),
    },
    Fold {
        name: "var_samp",
        also: &["variance", "var"],
        forms: &[("x: float -> float", Kind::Moments, |acc, _| Ok(spread(acc, 1, |x| x)))],
        doc: "Gives the variance of a sample; null for fewer than two values.",
        example: ("round(var_samp(x), 4)", "0.3333"),
    },
    Fold {
        name: "var_pop",
        also: &[],
        forms: &[("x: float -> float", Kind::Moments, |acc, _| Ok(spread(acc, 0, |x| x)))],
        doc: "Gives the variance of a whole population.",
        example: ("round(var_pop(x), 4)", "0.2222"),
    },
    Fold {
        name: "median",
        also: &[],
        forms: &[
            ("x: int -> float", Kind::Tally, |acc, of| quantile(acc, of, 0.5)),
            ("x: float -> float", Kind::Tally, |acc, of| quantile(acc, of, 0.5)),
        ],
        doc: "Gives the middle value, exact; between two: their mean.",
        example: ("median(x)", "2.0"),
    },
    Fold {
        name: "quantile",
        also: &["percentile", "percentile_cont", "quantile_cont"],
        forms: &[
            ("x: int, q: float -> float", Kind::Tally, |acc, of| quantile(acc, of, of.number(0).unwrap_or(0.5))),
            ("x: float, q: float -> float", Kind::Tally, |acc, of| quantile(acc, of, of.number(0).unwrap_or(0.5))),
        ],
        doc: "Gives the value below which the share `q` (a number from 0 to 1) lies, exact, with linear interpolation.",
        example: ("quantile(x, 0.25)", "1.5"),
    },
    Fold {
        name: "bool_and",
        also: &["every"],
        forms: &[("x: bool -> bool", Kind::Least, best)],
        doc: "Tells whether all values are true.",
        example: ("bool_and(ok)", "false"),
    },
    Fold {
        name: "bool_or",
        also: &[],
        forms: &[("x: bool -> bool", Kind::Greatest, best)],
        doc: "Tells whether one value is true.",
        example: ("bool_or(ok)", "true"),
    },
    Fold {
        name: "entropy",
        also: &[],
        forms: &[("x: any -> float", Kind::Marks, entropy)],
        doc: "Gives Shannon's entropy of the values, in bits: 0 if all are equal, log2(k) if k values are equally frequent.",
        example: ("round(entropy(word), 4)", "0.9183"),
    },
    Fold {
        name: "mode",
        also: &[],
        forms: &[("x: T -> T", Kind::Tally, mode)],
        doc: "Gives the most frequent value, the least of equally frequent ones.",
        example: ("mode(word)", "'b'"),
    },
];

/// An entry with its signatures read.
pub struct FoldEntry {
    pub fold: &'static Fold,
    pub forms: Vec<(Form, (Kind, Finish, &'static str))>,
}

static ENTRIES: LazyLock<HashMap<&'static str, FoldEntry>> = LazyLock::new(|| {
    let entry = |fold: &'static Fold| {
        let forms =
            || fold.forms.iter().map(|(form, kind, finish)| (Form::read(form), (*kind, *finish, *form))).collect();
        std::iter::once(fold.name)
            .chain(fold.also.iter().copied())
            .map(move |name| (name, FoldEntry { fold, forms: forms() }))
    };
    all().flat_map(entry).collect()
});

/// Finds an aggregate by its lower-case name.
pub fn find(name: &str) -> Option<&'static FoldEntry> {
    ENTRIES.get(name)
}

/// Returns all names.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().flat_map(|fold| std::iter::once(fold.name).chain(fold.also.iter().copied()))
}

pub fn count(acc: &Acc) -> u64 {
    match acc {
        Acc::Count(n) | Acc::Ints { n, .. } | Acc::Floats { n, .. } | Acc::Moments { n, .. } => *n,
        Acc::Best(best) => u64::from(best.is_some()),
        Acc::Tally(tally) => tally.values().sum(),
        Acc::Trials(trials) => trials.values().map(|(n, _)| n).sum(),
        Acc::Grams(grams) => grams.all(),
        Acc::Picked(picked) | Acc::Vectors { picked, .. } => picked.all(),
        Acc::Drawn(_) => 0,
    }
}

pub fn tally(acc: &Acc) -> &BTreeMap<Vec<u8>, u64> {
    static EMPTY: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    if let Acc::Tally(tally) = acc { tally } else { &EMPTY }
}

pub fn value(key: &[u8], ty: &Type) -> Value {
    take_key(&mut Reader::new(key), ty).unwrap_or(Value::Null)
}

fn sum_ints(acc: &Acc, _: &Of) -> Result<Value, Fault> {
    match acc {
        Acc::Ints { n: 1.., sum } => i64::try_from(*sum).map(Value::Int).map_err(|_| {
            Fault::new(format!("the sum {sum} is too large for an int")).help("sum floats: `sum(cast(x as float))`")
        }),
        _ => Ok(Value::Null),
    }
}

fn mean_of(acc: &Acc, of: fn(f64, f64) -> f64) -> Value {
    match acc {
        Acc::Ints { n: n @ 1.., sum } => Value::Float(of(*sum as f64, *n as f64)),
        Acc::Floats { n: n @ 1.., sum } => Value::Float(of(sum.value(), *n as f64)),
        _ => Value::Null,
    }
}

fn avg(acc: &Acc, _: &Of) -> Result<Value, Fault> {
    Ok(mean_of(acc, |sum, n| sum / n))
}

fn best(acc: &Acc, of: &Of) -> Result<Value, Fault> {
    Ok(if let Acc::Best(Some(key)) = acc { value(key, of.ty()) } else { Value::Null })
}

fn spread(acc: &Acc, less: u64, root: fn(f64) -> f64) -> Value {
    match acc {
        Acc::Moments { n, squares, .. } if *n > less => Value::Float(root(squares / (n - less) as f64)),
        _ => Value::Null,
    }
}

/// Returns the number that so many others are below, counted with those that are equal.
pub fn at_rank(acc: &Acc, of: &Of, rank: u64) -> Option<f64> {
    let mut seen = 0;
    let key = tally(acc).iter().find(|(_, n)| {
        seen += **n;
        seen > rank
    });
    match key.map(|(key, _)| value(key, of.ty()))? {
        Value::Int(x) => Some(x as f64),
        Value::Float(x) => Some(x),
        _ => None,
    }
}

fn quantile(acc: &Acc, of: &Of, q: f64) -> Result<Value, Fault> {
    let n = count(acc);
    if n == 0 {
        return Ok(Value::Null);
    }
    let at = |rank: u64| at_rank(acc, of, rank).unwrap_or(f64::NAN);
    let place = q * (n - 1) as f64;
    let (low, high) = (at(place.floor() as u64), at(place.ceil() as u64));
    let share = place - place.floor();
    Ok(Value::Float(if low == high { low } else { low * (1.0 - share) + high * share }))
}

fn entropy(acc: &Acc, _: &Of) -> Result<Value, Fault> {
    Ok(text::entropy(tally(acc).values().copied().collect()).map_or(Value::Null, Value::Float))
}

fn mode(acc: &Acc, of: &Of) -> Result<Value, Fault> {
    let mut best: Option<(&Vec<u8>, u64)> = None;
    for (key, n) in tally(acc) {
        if best.is_none_or(|(_, most)| *n > most) {
            best = Some((key, *n));
        }
    }
    Ok(best.map_or(Value::Null, |(key, _)| value(key, of.ty())))
}
