//! Aggregates: folded per row group into small states, merged, finished into slices.

mod acc;
mod bind;
mod drawn;
mod grams;
mod intervals;
mod literal;
mod measures;
mod picked;
mod table;
mod vendi;

pub use bind::AggCall;
pub use intervals::Sample;
pub use table::{all, find, names};

use super::bind::{Binder, Place, Scope};
use super::eval::{Frame, column};
use super::key::{put_key, take_key};
use super::tree::Node;
use super::value::{Value, array_of, value_at};
use super::{ExprError, RowError, frame, named};
use crate::table::{Batch, Malformed, Reader, Schema, Type};
use acc::{Acc, Kind, get, key, put};
use std::collections::{BTreeMap, HashMap};

/// Bytes of states with n-grams that are merged at once; in memory they are twice as large.
const PART: u64 = 1 << 28;

/// The value of a metric, with the expressions that slice it.
#[derive(Clone)]
pub struct Aggregate {
    by: Vec<Node>,
    calls: Vec<AggCall>,
    /// The value over the results of `calls`, which are its columns.
    value: Node,
    reads: Vec<String>,
    types: Vec<Type>,
    canonical: String,
}

/// What an aggregate remembers of some rows.
#[derive(Clone, Debug)]
pub struct State {
    /// By the keys of the `by` values.
    slices: BTreeMap<Vec<u8>, Vec<Acc>>,
}

/// The value for the rows that agree in `by`.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    pub by: Vec<Value>,
    pub value: Value,
    /// What the mean that the value is made of is of; none if it is not made of one mean alone.
    pub sample: Option<Sample>,
}

impl Aggregate {
    /// Parses and binds a value and its slices; errors say which text they are about: 0 the value, 1 the first of `by`.
    pub fn parse(value: &str, by: &[String], schema: &Schema) -> Result<Aggregate, Vec<(usize, ExprError)>> {
        let mut errors = Vec::new();
        let mut slices = Vec::new();
        for (i, text) in by.iter().enumerate() {
            // A column's name needs no quotes here.
            if let Some(column) = schema.index(text) {
                slices.push(Node::new(schema.0[column].ty.clone(), super::tree::Kind::Column(column)));
                continue;
            }
            match Binder::new(text, Scope::Known(schema), Place::Scalar).finish() {
                Ok(node) => slices.push(node),
                Err(wrong) => errors.extend(wrong.into_iter().map(|error| (i + 1, error))),
            }
        }
        let mut binder = Binder::new(value, Scope::Known(schema), Place::Value);
        let bound = binder.finish();
        let mut calls = binder.aggregates;
        let value = match bound {
            Ok(node) => Some(node),
            Err(wrong) => {
                errors.splice(0..0, wrong.into_iter().map(|error| (0, error)));
                None
            }
        };
        if let Some(node) = &value
            && calls.is_empty()
        {
            let error = ExprError::new(
                "no-aggregate",
                "the value has no aggregate",
                0..binder.text.text.len(),
                format!("the same {} for all rows", node.ty),
            );
            errors.insert(0, (0, error.help("a metric makes one value of many rows: `count(*)`, `avg(x)`, …")));
        }
        let Some(value) = value.filter(|_| errors.is_empty()) else { return Err(errors) };
        let mut columns = Vec::new();
        let mut canonical = "by(".to_owned();
        for node in &mut slices {
            node.renumber(&mut columns);
            node.write(&mut canonical);
            canonical.push(';');
        }
        // The calls are numbered in the order of the text, and so are the columns of `value`.
        canonical.push_str(") fold(");
        for call in &mut calls {
            canonical.push_str(&format!("`{}`({},", call.name, call.told()));
            for (i, arg) in call.args.iter_mut().enumerate() {
                canonical.push_str(if i > 0 { "," } else { "" });
                arg.renumber(&mut columns);
                arg.write(&mut canonical);
            }
            canonical.push_str(");");
        }
        canonical.push_str(") ");
        value.write(&mut canonical);
        let (reads, types) = named(schema, &columns);
        Ok(Aggregate { by: slices, calls, value, reads, types, canonical })
    }

    /// Returns exactly the columns that are read, in the order of their first use.
    pub fn reads(&self) -> &[String] {
        &self.reads
    }

    /// Returns the text of the bound value and slices, for keys; see `Expr::canonical`.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// Returns the type of the value.
    pub fn ty(&self) -> &Type {
        &self.value.ty
    }

    /// Returns the state of no rows.
    pub fn empty(&self) -> State {
        let mut slices = BTreeMap::new();
        if self.by.is_empty() {
            slices.insert(Vec::new(), self.accs());
        }
        State { slices }
    }

    fn accs(&self) -> Vec<Acc> {
        self.calls.iter().map(|call| Acc::new(call.kind, &call.of())).collect()
    }

    /// Folds the rows of one row group.
    pub fn fold(&self, batch: &Batch) -> Result<State, RowError> {
        let frame = frame(batch, &self.reads, &self.types)?;
        let by = self.by.iter().map(|node| column(node, &frame)).collect::<Result<Vec<_>, _>>()?;
        let mut slots: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut room = Vec::new();
        let of_row: Vec<usize> = (0..batch.rows)
            .map(|row| {
                room.clear();
                self.by.iter().zip(&by).for_each(|(node, array)| put_key(&mut room, &node.ty, array, row));
                match slots.get(room.as_slice()) {
                    Some(slot) => *slot,
                    None => {
                        slots.insert(room.clone(), slots.len());
                        slots.len() - 1
                    }
                }
            })
            .collect();
        let mut accs: Vec<Vec<Acc>> = (0..slots.len()).map(|_| self.accs()).collect();
        for (i, call) in self.calls.iter().enumerate() {
            let arrays = call.args.iter().map(|arg| column(arg, &frame)).collect::<Result<Vec<_>, _>>()?;
            if call.kind == Kind::Vectors {
                vendi::check(&arrays[0])?;
            }
            let of = call.of();
            for (row, slot) in of_row.iter().enumerate() {
                accs[*slot][i].push(call.kind, &of, &arrays, row, &mut room);
            }
        }
        accs.iter_mut().flatten().for_each(Acc::seal);
        let mut state = self.empty();
        state.slices.extend(slots.into_iter().map(|(key, slot)| (key, std::mem::take(&mut accs[slot]))));
        Ok(state)
    }

    /// Adds the state of later rows. Associative; for stddev and variance up to the rounding of floats, so the order of row groups is kept.
    pub fn merge(&self, into: &mut State, other: State) {
        for (key, accs) in other.slices {
            match into.slices.get_mut(&key) {
                Some(own) => {
                    own.iter_mut().zip(accs).zip(&self.calls).for_each(|((own, acc), call)| own.merge(call.kind, acc));
                }
                None => drop(into.slices.insert(key, accs)),
            }
        }
    }

    /// Returns whether states grow with the texts, as counts of n-grams do. Others are small, and taken in with the first part.
    pub fn grows(&self) -> bool {
        self.calls.iter().any(|call| call.kind == Kind::Grams)
    }

    /// Returns into how many parts states of together `bytes` are to be taken, one after the other, so that memory is bounded.
    pub fn parts(&self, bytes: u64) -> u64 {
        if self.grows() { bytes.div_ceil(PART).max(1) } else { 1 }
    }

    /// Adds one part of the state of later rows; see [`Aggregate::parts`] and [`Aggregate::settle`].
    pub fn merge_part(&self, into: &mut State, mut other: State, part: u64, parts: u64) {
        for (acc, call) in other.slices.values_mut().flat_map(|accs| accs.iter_mut().zip(&self.calls)) {
            match acc {
                Acc::Grams(grams) => grams.keep(part, parts),
                acc if part > 0 => *acc = Acc::new(call.kind, &call.of()),
                _ => {}
            }
        }
        self.merge(into, other);
    }

    /// Ends a part: n-grams that were merged are counted, and not known any more.
    pub fn settle(&self, state: &mut State) {
        for acc in state.slices.values_mut().flatten() {
            if let Acc::Grams(grams) = acc {
                grams.settle();
            }
        }
    }

    /// Computes the value of each slice, sorted by `by`; without `by`, and of all rows [`Aggregate::together`], there is exactly one. A row error
    /// counts slices.
    pub fn finish(&self, state: &State) -> Result<Vec<Slice>, RowError> {
        let accs: Vec<&[Acc]> = state.slices.values().map(Vec::as_slice).collect();
        let by = |key: &Vec<u8>| {
            let mut from = Reader::new(key);
            // The key of all rows together is empty.
            self.by.iter().map_while(|node| take_key(&mut from, &node.ty).ok()).collect()
        };
        let slices = state.slices.keys().map(by).zip(self.values(&accs)?);
        Ok(slices.map(|(by, (value, sample))| Slice { by, value, sample }).collect())
    }

    /// Returns the state of all rows together, where `by` slices them; none where nothing does.
    pub fn together(&self, state: &State) -> Option<State> {
        if self.by.is_empty() {
            return None;
        }
        let mut all = self.accs();
        for accs in state.slices.values() {
            all.iter_mut().zip(accs).zip(&self.calls).for_each(|((all, acc), call)| all.merge(call.kind, acc.clone()));
        }
        Some(State { slices: BTreeMap::from([(Vec::new(), all)]) })
    }

    fn values(&self, slices: &[&[Acc]]) -> Result<Vec<(Value, Option<Sample>)>, RowError> {
        let mut columns = Vec::with_capacity(self.calls.len());
        for (i, call) in self.calls.iter().enumerate() {
            let of = call.of();
            let finish = |(row, accs): (usize, &&[Acc])| (call.finish)(&accs[i], &of).map_err(|fault| fault.at(row));
            let values = slices.iter().enumerate().map(finish).collect::<Result<Vec<_>, _>>()?;
            columns.push(Some(array_of(&call.ty, &values)));
        }
        let values = column(&self.value, &Frame { columns, rows: slices.len() })?;
        let sample = |accs: &[Acc]| match self.calls.as_slice() {
            // Of the mean itself, not of what is computed from it.
            [call] if call.name == "avg" && matches!(self.value.kind, super::tree::Kind::Column(_)) => {
                Sample::of(&accs[0], call.of().ty())
            }
            _ => None,
        };
        Ok(slices.iter().enumerate().map(|(row, accs)| (value_at(&values, row), sample(accs))).collect())
    }
}

impl std::fmt::Debug for Aggregate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} over {:?}", self.canonical, self.reads)
    }
}

impl State {
    /// Writes the canonical bytes: the number of slices, then for each its key and the memory of each aggregate.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, self.slices.len() as u64);
        for (key, accs) in &self.slices {
            out.extend_from_slice(key);
            accs.iter().for_each(|acc| acc.encode(&mut out));
        }
        out
    }

    /// Reads the state of `aggregate` back.
    pub fn decode(aggregate: &Aggregate, bytes: &[u8]) -> Result<State, Malformed> {
        let mut from = Reader::new(bytes);
        let mut slices = BTreeMap::new();
        for _ in 0..get(&mut from)? {
            let start = from.position();
            for node in &aggregate.by {
                key(&node.ty, &mut from, bytes)?;
            }
            let key = bytes[start..from.position()].to_vec();
            if slices.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(Malformed("slices out of order"));
            }
            let acc = |call: &AggCall| Acc::decode(call.kind, &call.of(), &mut from, bytes);
            let accs = aggregate.calls.iter().map(acc).collect::<Result<_, _>>()?;
            slices.insert(key, accs);
        }
        if aggregate.by.is_empty() && slices.len() != 1 {
            return Err(Malformed("one slice is wanted"));
        }
        from.end()?;
        Ok(State { slices })
    }
}
