//! What an aggregate remembers of the rows it saw: small, mergeable, with canonical bytes.

use super::super::exact::Exact;
use super::super::key::{put_key, take_key};
use crate::hash::Hash;
use crate::table::{Malformed, Reader, Type};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use std::collections::BTreeMap;

/// The kinds of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// How many values.
    Count,
    /// Their sum; bools count as 0 and 1.
    Ints,
    /// Their sum without rounding.
    Floats,
    /// Mean and sum of squared distances from it (Welford 1962; merged after Chan, Golub and LeVeque 1979).
    Moments,
    /// The least, by key.
    Least,
    /// The greatest, by key.
    Greatest,
    /// How often each value occurs.
    Tally,
    /// How often each value occurs, where it does not matter which it is: values are known by 16 bytes of a hash.
    Marks,
}

/// Bytes of a mark: no two values of any data share one by chance.
const MARK: usize = 16;

/// The memory of one aggregate over one slice. Nulls leave no trace.
#[derive(Clone, Debug)]
pub enum Acc {
    Count(u64),
    Ints {
        n: u64,
        sum: i128,
    },
    Floats {
        n: u64,
        sum: Box<Exact>,
    },
    Moments {
        n: u64,
        mean: f64,
        squares: f64,
    },
    /// A key; none before the first value.
    Best(Option<Vec<u8>>),
    /// By key, or by mark.
    Tally(BTreeMap<Vec<u8>, u64>),
}

impl Acc {
    /// Begins with nothing.
    pub fn new(kind: Kind) -> Acc {
        match kind {
            Kind::Count => Acc::Count(0),
            Kind::Ints => Acc::Ints { n: 0, sum: 0 },
            Kind::Floats => Acc::Floats { n: 0, sum: Box::new(Exact::new()) },
            Kind::Moments => Acc::Moments { n: 0, mean: 0.0, squares: 0.0 },
            Kind::Least | Kind::Greatest => Acc::Best(None),
            Kind::Tally | Kind::Marks => Acc::Tally(BTreeMap::new()),
        }
    }

    /// Takes in the cell of `array` (of type `ty`) at `row`; `key` is room to work in.
    pub fn push(&mut self, kind: Kind, ty: &Type, array: &ArrayRef, row: usize, key: &mut Vec<u8>) {
        if *ty == Type::Null || array.is_null(row) {
            return;
        }
        match self {
            Acc::Count(n) => *n += 1,
            Acc::Ints { n, sum } => {
                *n += 1;
                *sum += match ty {
                    Type::Bool => i128::from(array.as_boolean().value(row)),
                    _ => i128::from(array.as_primitive::<Int64Type>().value(row)),
                };
            }
            Acc::Floats { n, sum } => {
                *n += 1;
                sum.add(array.as_primitive::<Float64Type>().value(row));
            }
            Acc::Moments { n, mean, squares } => {
                let value = array.as_primitive::<Float64Type>().value(row);
                *n += 1;
                let delta = value - *mean;
                *mean += delta / *n as f64;
                *squares += delta * (value - *mean);
            }
            Acc::Best(best) => {
                key.clear();
                put_key(key, ty, array, row);
                if best.as_ref().is_none_or(|best| if kind == Kind::Least { *key < *best } else { *key > *best }) {
                    *best = Some(key.clone());
                }
            }
            Acc::Tally(tally) => {
                key.clear();
                put_key(key, ty, array, row);
                if kind == Kind::Marks {
                    let hash = Hash::of(key);
                    key.clear();
                    key.extend_from_slice(&hash.as_bytes()[..MARK]);
                }
                match tally.get_mut(key.as_slice()) {
                    Some(n) => *n += 1,
                    None => drop(tally.insert(key.clone(), 1)),
                }
            }
        }
    }

    /// Takes in all that `other`, of the same kind, saw after this one.
    pub fn merge(&mut self, kind: Kind, other: Acc) {
        match (self, other) {
            (Acc::Count(n), Acc::Count(more)) => *n += more,
            (Acc::Ints { n, sum }, Acc::Ints { n: more, sum: plus }) => {
                *n += more;
                *sum += plus;
            }
            (Acc::Floats { n, sum }, Acc::Floats { n: more, sum: plus }) => {
                *n += more;
                sum.merge(*plus);
            }
            (_, Acc::Moments { n: 0, .. }) => {}
            (own @ Acc::Moments { n: 0, .. }, other) => *own = other,
            (Acc::Moments { n, mean, squares }, Acc::Moments { n: more, mean: other, squares: plus }) => {
                let (a, b) = (*n as f64, more as f64);
                let delta = other - *mean;
                *n += more;
                *mean += delta * b / (a + b);
                *squares += plus + delta * delta * a * b / (a + b);
            }
            (Acc::Best(best), Acc::Best(Some(other)))
                if best.as_ref().is_none_or(|best| if kind == Kind::Least { other < *best } else { other > *best }) =>
            {
                *best = Some(other);
            }
            (Acc::Tally(tally), Acc::Tally(other)) => {
                other.into_iter().for_each(|(key, n)| *tally.entry(key).or_insert(0) += n);
            }
            // States of one aggregate have the same kinds in the same places.
            _ => {}
        }
    }

    /// Appends the canonical bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let float = |out: &mut Vec<u8>, x: f64| {
            let x = if x.is_nan() { f64::NAN } else { x };
            out.extend_from_slice(&x.to_bits().to_le_bytes());
        };
        match self {
            Acc::Count(n) => put(out, *n),
            Acc::Ints { n, sum } => {
                put(out, *n);
                out.extend_from_slice(&sum.to_le_bytes());
            }
            Acc::Floats { n, sum } => {
                put(out, *n);
                sum.encode(out);
            }
            Acc::Moments { n, mean, squares } => {
                put(out, *n);
                float(out, *mean);
                float(out, *squares);
            }
            Acc::Best(best) => {
                out.push(u8::from(best.is_some()));
                out.extend_from_slice(best.as_deref().unwrap_or(&[]));
            }
            Acc::Tally(tally) => {
                put(out, tally.len() as u64);
                for (key, n) in tally {
                    out.extend_from_slice(key);
                    put(out, *n);
                }
            }
        }
    }

    /// Takes the memory of an aggregate over values of type `ty` off `from`.
    pub fn decode(kind: Kind, ty: &Type, from: &mut Reader, bytes: &[u8]) -> Result<Acc, Malformed> {
        Ok(match kind {
            Kind::Count => Acc::Count(get(from)?),
            Kind::Ints => {
                let n = get(from)?;
                let sum = i128::from_le_bytes(from.take(16)?.try_into().expect("16 bytes were taken"));
                // No rows sum to more, so that merging cannot overflow.
                let bound = i128::from(n) << 64;
                if n >> 62 > 0 || sum > bound || sum < -bound {
                    return Err(Malformed("a sum out of range"));
                }
                Acc::Ints { n, sum }
            }
            Kind::Floats => Acc::Floats { n: get(from)?, sum: Box::new(Exact::decode(from)?) },
            Kind::Moments => {
                Acc::Moments { n: get(from)?, mean: f64::from_bits(get(from)?), squares: f64::from_bits(get(from)?) }
            }
            Kind::Least | Kind::Greatest => match from.u8()? {
                0 => Acc::Best(None),
                1 => Acc::Best(Some(key(ty, from, bytes)?)),
                _ => return Err(Malformed("neither a value nor none")),
            },
            Kind::Tally | Kind::Marks => {
                let mut tally = BTreeMap::new();
                for _ in 0..get(from)? {
                    let key = if kind == Kind::Marks { from.take(MARK)?.to_vec() } else { key(ty, from, bytes)? };
                    if tally.last_key_value().is_some_and(|(last, _)| *last >= key) {
                        return Err(Malformed("values out of order"));
                    }
                    tally.insert(key, get(from)?);
                }
                Acc::Tally(tally)
            }
        })
    }
}

/// Takes the bytes of one key.
pub fn key(ty: &Type, from: &mut Reader, bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    let start = from.position();
    take_key(from, ty)?;
    Ok(bytes[start..from.position()].to_vec())
}

pub fn put(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(&n.to_le_bytes());
}

pub fn get(from: &mut Reader) -> Result<u64, Malformed> {
    Ok(u64::from_le_bytes(from.take(8)?.try_into().expect("eight bytes were taken")))
}
