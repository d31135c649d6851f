//! `synth`: rows from nothing. A value depends on the seed, the column's name and the row's number, and on nothing else.

mod column;
mod stream;

pub use column::synth_column;

use super::draw::parts;
use crate::hash::KeyWriter;
use crate::table::Type;
use std::collections::BTreeSet;
use std::ops::Range;

/// Cuts `rows` rows into the row groups of a synthetic table, of `per_group` rows each but the last.
pub fn synth_groups(rows: u64, per_group: u64) -> impl Iterator<Item = Range<u64>> {
    let step = per_group.max(1);
    (0..rows.div_ceil(step)).map(move |group| group * step..rows.min((group + 1) * step))
}

/// A value written in the manifest.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

impl Literal {
    /// Returns the type of the value.
    pub fn ty(&self) -> Type {
        match self {
            Literal::Bool(_) => Type::Bool,
            Literal::Int(_) => Type::Int,
            Literal::Float(_) => Type::Float,
            Literal::String(_) => Type::String,
            Literal::Date(_) => Type::Date,
            Literal::Timestamp(_) => Type::Timestamp,
        }
    }

    fn write_key(&self, key: &mut KeyWriter) {
        match self {
            Literal::Bool(value) => key.int("bool", i64::from(*value)),
            Literal::Int(value) => key.int("int", *value),
            Literal::Float(value) => key.float("float", *value),
            Literal::String(value) => key.text("string", value),
            Literal::Date(value) => key.int("date", i64::from(*value)),
            Literal::Timestamp(value) => key.int("timestamp", *value),
        };
    }
}

/// Which part of a person's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamePart {
    First,
    Last,
    /// The first name, a blank, and the last name.
    Full,
}

/// How the values of a column come about.
#[derive(Clone, Debug, PartialEq)]
pub enum Recipe {
    /// One of some values, of one type. No weights: all alike; otherwise one weight per value.
    Choice { values: Vec<Literal>, weights: Vec<f64> },
    /// A whole number from `low` to `high`, both included.
    Integer { low: i64, high: i64 },
    /// A number from `low` to `high`; with `decimals`, each of the numbers with so many decimals is as likely.
    Float { low: f64, high: f64, decimals: Option<u8> },
    /// A normally distributed number.
    Normal { mean: f64, sd: f64, decimals: Option<u8> },
    /// True with probability `p`.
    Bool { p: f64 },
    /// `start`, `start + step`, …; null past the end of 64 bits.
    Sequence { start: i64, step: i64 },
    /// A person's name from the built-in lists.
    Name(NamePart),
    /// A day from `first` to `last`, both included, in days since 1970-01-01.
    Date { first: i32, last: i32 },
    /// A random UUID of version 4 as text.
    Uuid,
    /// Always the same.
    Constant(Literal),
}

impl Recipe {
    /// Returns the type of the column.
    pub fn ty(&self) -> Type {
        match self {
            Recipe::Choice { values, .. } => values.first().map_or(Type::Null, Literal::ty),
            Recipe::Integer { .. } | Recipe::Sequence { .. } => Type::Int,
            Recipe::Float { .. } | Recipe::Normal { .. } => Type::Float,
            Recipe::Bool { .. } => Type::Bool,
            Recipe::Name(_) | Recipe::Uuid => Type::String,
            Recipe::Date { .. } => Type::Date,
            Recipe::Constant(value) => value.ty(),
        }
    }

    /// Returns what is wrong with the parameters, if something is.
    pub fn check(&self) -> Result<(), String> {
        let fine = |holds: bool, problem: &dyn Fn() -> String| if holds { Ok(()) } else { Err(problem()) };
        match self {
            Recipe::Choice { values, weights } => {
                fine(!values.is_empty(), &|| "`choice` is empty".into())?;
                let types: BTreeSet<Type> = values.iter().map(Literal::ty).collect();
                let names: Vec<String> = types.iter().map(|ty| ty.to_string()).collect();
                fine(types.len() == 1, &|| {
                    format!("the values of `choice` are of several types: {}", names.join(", "))
                })?;
                fine(weights.is_empty() || weights.len() == values.len(), &|| {
                    format!("there are {} values and {} weights", values.len(), weights.len())
                })?;
                let odd = weights.iter().find(|weight| parts(**weight).is_none());
                fine(odd.is_none(), &|| {
                    format!("a weight is {}; it is a number from 0 to a million", odd.unwrap_or(&0.0))
                })?;
                let sum: u128 = weights.iter().filter_map(|weight| parts(*weight)).sum();
                fine(weights.is_empty() || sum > 0, &|| "all weights are 0".into())
            }
            Recipe::Integer { low, high } => fine(low <= high, &|| format!("{low} is above {high}")),
            Recipe::Float { low, high, decimals } => {
                fine((high - low).is_finite(), &|| {
                    format!("the numbers from {low} to {high} have no finite distance")
                })?;
                fine(low <= high, &|| format!("{low} is above {high}"))?;
                check_decimals(*decimals)?;
                let Some(decimals) = *decimals else { return Ok(()) };
                let (first, last) = column::grid(*low, *high, decimals);
                fine(last - first < 9e15, &|| {
                    "that many decimals are finer than a float; leave `decimals` out".into()
                })?;
                fine(first <= last, &|| format!("there is no number with {decimals} decimals from {low} to {high}"))
            }
            Recipe::Normal { mean, sd, decimals } => {
                fine(mean.is_finite(), &|| format!("the mean is {mean}; it is a finite number"))?;
                fine(sd.is_finite() && *sd >= 0.0, &|| {
                    format!("the standard deviation is {sd}; it is a number from 0 on")
                })?;
                check_decimals(*decimals)
            }
            Recipe::Bool { p } => {
                fine((0.0..=1.0).contains(p), &|| format!("the probability is {p}; it is a number from 0 to 1"))
            }
            Recipe::Date { first, last } => fine(first <= last, &|| "the first day is after the last".into()),
            Recipe::Sequence { .. } | Recipe::Name(_) | Recipe::Uuid | Recipe::Constant(_) => Ok(()),
        }
    }

    /// Writes the recipe in canonical form.
    pub fn write_key(&self, key: &mut KeyWriter) {
        let decimals = |key: &mut KeyWriter, decimals: &Option<u8>| {
            key.int("decimals", decimals.map_or(-1, i64::from));
        };
        match self {
            Recipe::Choice { values, weights } => {
                key.text("recipe", "choice").int("values", values.len() as i64);
                values.iter().for_each(|value| value.write_key(key));
                weights.iter().for_each(|weight| {
                    key.float("weight", *weight);
                });
            }
            Recipe::Integer { low, high } => {
                key.text("recipe", "integer").int("low", *low).int("high", *high);
            }
            Recipe::Float { low, high, decimals: digits } => {
                decimals(key.text("recipe", "float").float("low", *low).float("high", *high), digits);
            }
            Recipe::Normal { mean, sd, decimals: digits } => {
                decimals(key.text("recipe", "normal").float("mean", *mean).float("sd", *sd), digits);
            }
            Recipe::Bool { p } => {
                key.text("recipe", "bool").float("p", *p);
            }
            Recipe::Sequence { start, step } => {
                key.text("recipe", "sequence").int("start", *start).int("step", *step);
            }
            Recipe::Name(part) => {
                key.text("recipe", "name").text(
                    "part",
                    match part {
                        NamePart::First => "first",
                        NamePart::Last => "last",
                        NamePart::Full => "full",
                    },
                );
            }
            Recipe::Date { first, last } => {
                key.text("recipe", "date").int("first", i64::from(*first)).int("last", i64::from(*last));
            }
            Recipe::Uuid => {
                key.text("recipe", "uuid");
            }
            Recipe::Constant(value) => value.write_key(key.text("recipe", "constant")),
        }
    }
}

fn check_decimals(decimals: Option<u8>) -> Result<(), String> {
    match decimals {
        Some(16..) => Err("a float has no more than 15 decimals".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
