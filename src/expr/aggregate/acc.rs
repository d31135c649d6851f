//! What an aggregate remembers of the rows it saw: small, mergeable, with canonical bytes.

use super::super::exact::Exact;
use super::super::key::{put_key, take_key};
use super::super::value::Value;
use super::drawn::{Drawn, Inner};
use super::grams::Grams;
use super::picked::Picked;
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
    /// How often each n-gram of words occurs.
    Grams,
    /// How often values fall into buckets of equal width.
    Buckets,
    /// By the mark of the second value, how often there was a first, and how often it was true.
    Trials,
    /// Some of the different values, and how often each occurs.
    Picked,
    /// The same of vectors, and how many numbers they have.
    Vectors,
    /// What other kinds remember, in samples drawn anew.
    Drawn,
}

impl Kind {
    /// Returns how many arguments are values of rows; those after them are literals.
    pub fn values(self) -> usize {
        if self == Kind::Trials { 2 } else { 1 }
    }
}

/// What an aggregate is of.
pub struct Of<'a> {
    /// The types of the values.
    pub types: &'a [Type],
    /// The literals after them, such as the `q` of `quantile`.
    pub literals: &'a [Value],
    /// What is computed of samples.
    pub inner: Option<&'a Inner>,
}

impl Of<'_> {
    /// Returns the type of the first value.
    pub fn ty(&self) -> &Type {
        &self.types[0]
    }

    /// Returns a literal that is a number.
    pub fn number(&self, i: usize) -> Option<f64> {
        match self.literals.get(i) {
            Some(Value::Int(n)) => Some(*n as f64),
            Some(Value::Float(x)) => Some(*x),
            _ => None,
        }
    }

    /// Returns a literal that is a count.
    pub fn count(&self, i: usize) -> Option<usize> {
        match self.literals.get(i) {
            Some(Value::Int(n)) => usize::try_from(*n).ok(),
            _ => None,
        }
    }
}

/// The bucket of what is no number.
pub const NO_BUCKET: i64 = i64::MIN;

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
    Grams(Grams),
    /// By mark: how many, and how many of them true.
    Trials(BTreeMap<Vec<u8>, (u64, u64)>),
    Picked(Picked),
    Vectors {
        /// The numbers of the shortest and of the longest.
        lengths: Option<(u64, u64)>,
        picked: Picked,
    },
    Drawn(Drawn),
}

impl Acc {
    /// Begins with nothing.
    pub fn new(kind: Kind, of: &Of) -> Acc {
        match kind {
            Kind::Count => Acc::Count(0),
            Kind::Ints => Acc::Ints { n: 0, sum: 0 },
            Kind::Floats => Acc::Floats { n: 0, sum: Box::new(Exact::new()) },
            Kind::Moments => Acc::Moments { n: 0, mean: 0.0, squares: 0.0 },
            Kind::Least | Kind::Greatest => Acc::Best(None),
            Kind::Tally | Kind::Marks | Kind::Buckets => Acc::Tally(BTreeMap::new()),
            Kind::Grams => Acc::Grams(Grams::default()),
            Kind::Trials => Acc::Trials(BTreeMap::new()),
            Kind::Picked => Acc::Picked(Picked::new(of.count(0))),
            Kind::Vectors => Acc::Vectors { lengths: None, picked: Picked::new(of.count(0)) },
            Kind::Drawn => Acc::Drawn(Drawn::new(of.inner)),
        }
    }

    /// Takes in the cells of `arrays` at `row`; `key` is room to work in.
    pub fn push(&mut self, kind: Kind, of: &Of, arrays: &[ArrayRef], row: usize, key: &mut Vec<u8>) {
        if let Acc::Drawn(drawn) = self {
            return drawn.push(of, arrays, row, key);
        }
        let null = |i: usize| of.types[i] == Type::Null || arrays[i].is_null(row);
        if (0..of.types.len()).any(null) {
            // A task is one although none of its trials came to anything.
            if let Acc::Trials(trials) = self
                && !null(1)
            {
                mark(key, &of.types[1], &arrays[1], row);
                trials.entry(key.clone()).or_insert((0, 0));
            }
            return;
        }
        let (ty, array) = (of.ty(), &arrays[0]);
        match self {
            Acc::Count(n) => *n += 1,
            Acc::Ints { n, sum } => {
                *n += 1;
                *sum += whole(ty, array, row);
            }
            Acc::Floats { n, sum } => {
                *n += 1;
                sum.add(array.as_primitive::<Float64Type>().value(row));
            }
            Acc::Moments { n, mean, squares } => {
                move_moments((n, mean, squares), array.as_primitive::<Float64Type>().value(row));
            }
            Acc::Best(best) => {
                key.clear();
                put_key(key, ty, array, row);
                if best.as_ref().is_none_or(|best| if kind == Kind::Least { *key < *best } else { *key > *best }) {
                    *best = Some(key.clone());
                }
            }
            Acc::Tally(tally) => {
                match kind {
                    Kind::Buckets => {
                        let place = array.as_primitive::<Float64Type>().value(row) / of.number(0).unwrap_or(1.0);
                        let bucket = if place.is_nan() { NO_BUCKET } else { place.floor() as i64 };
                        key.clear();
                        key.extend_from_slice(&bucket_key(bucket));
                    }
                    Kind::Marks => mark(key, ty, array, row),
                    _ => {
                        key.clear();
                        put_key(key, ty, array, row);
                    }
                }
                match tally.get_mut(key.as_slice()) {
                    Some(n) => *n += 1,
                    None => drop(tally.insert(key.clone(), 1)),
                }
            }
            Acc::Grams(grams) => grams.push(array.as_string::<i32>().value(row), of.count(0).unwrap_or(1)),
            Acc::Trials(trials) => {
                mark(key, &of.types[1], &arrays[1], row);
                try_once(trials, key, array.as_boolean().value(row));
            }
            Acc::Picked(picked) => {
                key.clear();
                put_key(key, ty, array, row);
                picked.push(key);
            }
            Acc::Vectors { lengths, picked } => {
                let length = array.as_list::<i32>().value_length(row) as u64;
                *lengths = wider(*lengths, Some((length, length)));
                key.clear();
                put_key(key, ty, array, row);
                picked.push(key);
            }
            Acc::Drawn(_) => unreachable!("samples are not drawn of samples"),
        }
    }

    /// Ends the taking in of rows.
    pub fn seal(&mut self) {
        if let Acc::Grams(grams) = self {
            grams.seal();
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
            (Acc::Grams(grams), Acc::Grams(other)) => grams.merge(other),
            (Acc::Trials(trials), Acc::Trials(other)) => {
                for (key, (more, plus)) in other {
                    let (n, sum) = trials.entry(key).or_insert((0, 0));
                    (*n, *sum) = (*n + more, *sum + plus);
                }
            }
            (Acc::Picked(picked), Acc::Picked(other)) => picked.merge(other),
            (Acc::Vectors { lengths, picked }, Acc::Vectors { lengths: more, picked: other }) => {
                *lengths = wider(*lengths, more);
                picked.merge(other);
            }
            (Acc::Drawn(drawn), Acc::Drawn(other)) => drawn.merge(other),
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
            Acc::Grams(grams) => grams.encode(out),
            Acc::Trials(trials) => {
                put(out, trials.len() as u64);
                for (key, (n, sum)) in trials {
                    out.extend_from_slice(key);
                    put(out, *n);
                    put(out, *sum);
                }
            }
            Acc::Picked(picked) => picked.encode(out),
            Acc::Vectors { lengths, picked } => {
                // Without vectors the shortest is longer than the longest.
                let (least, most) = lengths.unwrap_or((1, 0));
                put(out, least);
                put(out, most);
                picked.encode(out);
            }
            Acc::Drawn(drawn) => drawn.encode(out),
        }
    }

    /// Takes the memory of an aggregate off `from`.
    pub fn decode(kind: Kind, of: &Of, from: &mut Reader, bytes: &[u8]) -> Result<Acc, Malformed> {
        let ty = of.ty();
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
            Kind::Tally | Kind::Marks | Kind::Buckets => {
                let mut tally = BTreeMap::new();
                for _ in 0..get(from)? {
                    let key = match kind {
                        Kind::Marks => from.take(MARK)?.to_vec(),
                        Kind::Buckets => from.take(8)?.to_vec(),
                        _ => key(ty, from, bytes)?,
                    };
                    if tally.last_key_value().is_some_and(|(last, _)| *last >= key) {
                        return Err(Malformed("values out of order"));
                    }
                    tally.insert(key, get(from)?);
                }
                Acc::Tally(tally)
            }
            Kind::Grams => Acc::Grams(Grams::decode(from)?),
            Kind::Trials => {
                let mut trials = BTreeMap::new();
                for _ in 0..get(from)? {
                    let key = from.take(MARK)?.to_vec();
                    if trials.last_key_value().is_some_and(|(last, _)| *last >= key) {
                        return Err(Malformed("values out of order"));
                    }
                    let (n, sum) = (get(from)?, get(from)?);
                    if n >> 62 > 0 || sum > n {
                        return Err(Malformed("more of a part than of the whole"));
                    }
                    trials.insert(key, (n, sum));
                }
                Acc::Trials(trials)
            }
            Kind::Vectors => {
                let (least, most) = (get(from)?, get(from)?);
                let lengths = if (least, most) == (1, 0) { None } else { Some((least, most)) };
                if least > most && lengths.is_some() {
                    return Err(Malformed("a shortest that is longer than the longest"));
                }
                Acc::Vectors { lengths, picked: Picked::decode(of.count(0), ty, from, bytes)? }
            }
            Kind::Drawn => Acc::Drawn(Drawn::decode(of.inner, from, bytes)?),
            Kind::Picked => Acc::Picked(Picked::decode(of.count(0), ty, from, bytes)?),
        })
    }
}

fn wider(a: Option<(u64, u64)>, b: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (a, b) {
        (Some((least, most)), Some((less, more))) => Some((least.min(less), most.max(more))),
        (one, other) => one.or(other),
    }
}

/// Returns the whole number in a cell; bools are 0 and 1.
pub fn whole(ty: &Type, array: &ArrayRef, row: usize) -> i128 {
    match ty {
        Type::Bool => i128::from(array.as_boolean().value(row)),
        _ => i128::from(array.as_primitive::<Int64Type>().value(row)),
    }
}

/// Takes one more value into a number of values, their mean and their squares.
pub fn move_moments((n, mean, squares): (&mut u64, &mut f64, &mut f64), value: f64) {
    *n += 1;
    let delta = value - *mean;
    *mean += delta / *n as f64;
    *squares += delta * (value - *mean);
}

/// Takes one more trial into those of its task, known by a mark.
pub fn try_once(trials: &mut BTreeMap<Vec<u8>, (u64, u64)>, mark: &[u8], passed: bool) {
    match trials.get_mut(mark) {
        Some((n, sum)) => (*n, *sum) = (*n + 1, *sum + u64::from(passed)),
        None => drop(trials.insert(mark.to_vec(), (1, u64::from(passed)))),
    }
}

/// Puts into `out` what stands for a value where it does not matter which it is.
pub fn mark(out: &mut Vec<u8>, ty: &Type, array: &ArrayRef, row: usize) {
    out.clear();
    put_key(out, ty, array, row);
    let hash = Hash::of(out);
    out.clear();
    out.extend_from_slice(&hash.as_bytes()[..MARK]);
}

/// Returns what stands for a bucket, in the order of the buckets.
fn bucket_key(bucket: i64) -> [u8; 8] {
    (bucket as u64 ^ 1 << 63).to_be_bytes()
}

/// Returns the bucket that a key stands for.
pub fn bucket_of(key: &[u8]) -> i64 {
    key.try_into().map_or(NO_BUCKET, |bytes| (u64::from_be_bytes(bytes) ^ 1 << 63) as i64)
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
