//! Samples drawn anew: what a value could have been with other rows, for intervals of what has no formula.
//!
//! This is the Poisson bootstrap (Hanley and MacGibbon 2006; Chamandy et al. 2012): in each of many samples every unit comes as often as a number drawn
//! after Poisson with mean 1 says. The number is made of a hash of the unit and the sample alone, so that samples of row groups merge, and nothing
//! depends on chance, order or threads.

use super::acc::{Acc, Kind, Of, mark, move_moments, try_once, whole};
use super::bind::AggCall;
use super::table::Fold;
use crate::expr::ExprError;
use crate::expr::bind::Binder;
use crate::expr::cells::Fault;
use crate::expr::eval::{Frame, column};
use crate::expr::key::put_key;
use crate::expr::literals::constant;
use crate::expr::tree::Node;
use crate::expr::value::{Value, array_of, value_at};
use crate::hash::{Hash, mix64};
use crate::table::{Malformed, Reader, Type};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef};
use sqlparser::ast::{Expr as Ast, Function};
use std::sync::Arc;

/// How many samples are drawn.
pub const SAMPLES: usize = 1000;

/// What is added to a unit's hash between two samples: the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The probability that a number drawn after Poisson with mean 1 is at most 0, 1, 2 …, of 2^64.
const AT_MOST: [u64; 12] = [
    6_786_177_901_268_885_274,
    13_572_355_802_537_770_549,
    16_965_444_753_172_213_186,
    18_096_474_403_383_694_065,
    18_379_231_815_936_564_285,
    18_435_783_298_447_138_329,
    18_445_208_545_532_234_003,
    18_446_555_009_401_533_385,
    18_446_723_317_385_195_808,
    18_446_742_018_272_269_410,
    18_446_743_888_360_976_771,
    18_446_744_058_369_041_076,
];

pub const TABLE: &[Fold] = &[
    Fold {
        name: "bootstrap_low",
        also: &[],
        forms: &[
            ("value: float, unit: any -> float", Kind::Drawn, |acc, of| end(acc, of, |(low, _)| low)),
            ("value: float, unit: any, level: float -> float", Kind::Drawn, |acc, of| end(acc, of, |(low, _)| low)),
        ],
        doc: "Gives the lower end of the confidence interval of a value made of counts, sums, means, deviations and `pass_at_k`, at a level of 0.95 unless another is given: percentiles of 1000 samples, in which every `unit` comes as often as Poisson with mean 1 says (Hanley and MacGibbon 2006). Rows of one unit come and go together: `id` draws rows, `task` whole tasks.",
        example: ("bootstrap_low(sum(x), x)", "1.0"),
    },
    Fold {
        name: "bootstrap_high",
        also: &[],
        forms: &[
            ("value: float, unit: any -> float", Kind::Drawn, |acc, of| end(acc, of, |(_, high)| high)),
            ("value: float, unit: any, level: float -> float", Kind::Drawn, |acc, of| end(acc, of, |(_, high)| high)),
        ],
        doc: "Gives the upper end of the confidence interval of such a value; see `bootstrap_low`.",
        example: ("bootstrap_high(sum(x), x)", "16.0"),
    },
];

/// A value of samples.
pub struct Inner {
    calls: Vec<AggCall>,
    /// Over the results of the calls.
    value: Node,
}

impl Inner {
    /// Appends what of it belongs into keys, but for the arguments of the calls.
    pub fn write(&self, out: &mut String) {
        for call in &self.calls {
            out.push_str(&format!("`{}`({};{});", call.name, call.told(), call.types.len()));
        }
        self.value.write(out);
    }
}

/// What is remembered of rows in each of the samples.
#[derive(Clone, Debug)]
pub struct Drawn(Vec<Acc>);

impl Drawn {
    /// Begins with nothing.
    pub fn new(inner: Option<&Inner>) -> Drawn {
        let calls = inner.map_or(&[][..], |inner| &inner.calls);
        Drawn((0..SAMPLES).flat_map(|_| calls.iter().map(|call| Acc::new(call.kind, &call.of()))).collect())
    }

    /// Takes in a row: its unit is the first of `arrays`, and after it come the arguments of each call.
    pub fn push(&mut self, of: &Of, arrays: &[ArrayRef], row: usize, key: &mut Vec<u8>) {
        let Some(inner) = of.inner.filter(|inner| !inner.calls.is_empty()) else { return };
        key.clear();
        put_key(key, &of.types[0], &arrays[0], row);
        let bytes = Hash::of(key).as_bytes()[..8].try_into().expect("a hash has more than eight bytes");
        let unit = u64::from_le_bytes(bytes);
        let times = |sample: usize| {
            let drawn = mix64(unit.wrapping_add((sample as u64 + 1).wrapping_mul(STEP)));
            AT_MOST.iter().take_while(|at_most| drawn >= **at_most).count() as u8
        };
        let times: [u8; SAMPLES] = std::array::from_fn(times);
        let mut at = 1;
        for (i, call) in inner.calls.iter().enumerate() {
            let args = &arrays[at..at + call.types.len()];
            at += call.types.len();
            let Some(cell) = Cell::of(call, args, row, key) else { continue };
            for (accs, times) in self.0.chunks_exact_mut(inner.calls.len()).zip(times) {
                (0..times).for_each(|copy| cell.add(&mut accs[i], copy));
            }
        }
    }

    /// Takes in what was seen of other rows.
    pub fn merge(&mut self, other: Drawn) {
        // None of the kinds that are drawn merges in a way of its own.
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| own.merge(Kind::Count, other));
    }

    /// Appends the canonical bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.0.iter().for_each(|acc| acc.encode(out));
    }

    /// Takes it off `from`.
    pub fn decode(inner: Option<&Inner>, from: &mut Reader, bytes: &[u8]) -> Result<Drawn, Malformed> {
        let calls = inner.map_or(&[][..], |inner| &inner.calls);
        let all = (0..SAMPLES).flat_map(|_| calls);
        Ok(Drawn(all.map(|call| Acc::decode(call.kind, &call.of(), from, bytes)).collect::<Result<_, _>>()?))
    }
}

/// What a row gives to an aggregate.
enum Cell {
    One,
    Whole(i128),
    Float(f64),
    /// The mark of a task, and whether this one is true; none: it is neither.
    Trial(Vec<u8>, Option<bool>),
}

impl Cell {
    fn of(call: &AggCall, args: &[ArrayRef], row: usize, key: &mut Vec<u8>) -> Option<Cell> {
        let null = |i: usize| call.types[i] == Type::Null || args[i].is_null(row);
        if call.kind == Kind::Trials && !null(1) {
            mark(key, &call.types[1], &args[1], row);
            let passed = (!null(0)).then(|| args[0].as_boolean().value(row));
            return Some(Cell::Trial(key.clone(), passed));
        }
        if (0..call.types.len()).any(null) {
            return None;
        }
        Some(match call.kind {
            Kind::Ints => Cell::Whole(whole(&call.types[0], &args[0], row)),
            Kind::Floats | Kind::Moments => Cell::Float(args[0].as_primitive::<Float64Type>().value(row)),
            _ => Cell::One,
        })
    }

    /// Adds one of the copies that a sample has of the row. Tasks that come twice are two.
    fn add(&self, acc: &mut Acc, copy: u8) {
        match (acc, self) {
            (Acc::Ints { n, sum }, Cell::Whole(value)) => (*n, *sum) = (*n + 1, *sum + value),
            (Acc::Floats { n, sum }, Cell::Float(value)) => {
                *n += 1;
                sum.add(*value);
            }
            (Acc::Moments { n, mean, squares }, Cell::Float(value)) => move_moments((n, mean, squares), *value),
            (Acc::Trials(trials), Cell::Trial(mark, passed)) => {
                let mut mark = mark.clone();
                mark[0] ^= copy;
                match passed {
                    Some(passed) => try_once(trials, &mark, *passed),
                    None => _ = trials.entry(mark).or_insert((0, 0)),
                }
            }
            (Acc::Count(n), _) => *n += 1,
            _ => {}
        }
    }
}

/// Gives one end of the interval; null where most samples have no value.
fn end(acc: &Acc, of: &Of, which: fn((f64, f64)) -> f64) -> Result<Value, Fault> {
    let (Acc::Drawn(Drawn(accs)), Some(inner)) = (acc, of.inner) else { return Ok(Value::Null) };
    let mut columns = Vec::with_capacity(inner.calls.len());
    for (i, call) in inner.calls.iter().enumerate() {
        let own = accs.iter().skip(i).step_by(inner.calls.len());
        let values = own.map(|acc| (call.finish)(acc, &call.of())).collect::<Result<Vec<Value>, Fault>>();
        let values = values.map_err(|fault| in_a_sample(&fault.message, fault.help))?;
        columns.push(Some(array_of(&call.ty, &values)));
    }
    let values = column(&inner.value, &Frame { columns, rows: SAMPLES });
    let values = values.map_err(|error| in_a_sample(&error.message, error.help))?;
    let number = |row| match value_at(&values, row) {
        Value::Float(x) if !x.is_nan() => Some(x),
        _ => None,
    };
    let mut numbers: Vec<f64> = (0..SAMPLES).filter_map(number).collect();
    if numbers.len() * 2 < SAMPLES {
        return Ok(Value::Null);
    }
    numbers.sort_by(f64::total_cmp);
    let rest = (1.0 - of.number(0).unwrap_or(super::intervals::LEVEL)) / 2.0;
    let at = |share: f64| {
        let place = share * (numbers.len() - 1) as f64;
        let (low, high) = (numbers[place.floor() as usize], numbers[place.ceil() as usize]);
        if low == high { low } else { low + (high - low) * (place - place.floor()) }
    };
    Ok(Value::Float(which((at(rest), at(1.0 - rest)))))
}

fn in_a_sample(message: &str, help: Option<String>) -> Fault {
    help.into_iter().fold(Fault::new(format!("in one of the samples: {message}")), Fault::help)
}

/// Returns whether copies of a row do to an aggregate what other such rows would.
fn can_be_drawn(kind: Kind) -> bool {
    matches!(kind, Kind::Count | Kind::Ints | Kind::Floats | Kind::Moments | Kind::Trials)
}

impl Binder<'_> {
    /// Binds the value of samples, and their unit: the arguments of the call, the types of those that rows have, and the rest.
    pub fn drawn(
        &mut self,
        ast: &Ast,
        function: &Function,
        name: &str,
    ) -> Option<(Vec<Node>, Arc<Inner>, Option<Node>)> {
        if function.filter.is_some() {
            return self.unsupported(ast, "`filter` here", "write it behind the aggregate inside");
        }
        let args = self.plain_args(ast, function)?;
        let (value_ast, unit_ast, level) = match args.as_slice() {
            [value, unit] => (*value, *unit, None),
            [value, unit, level] => (*value, *unit, Some(*level)),
            _ => {
                let title = format!("`{name}` takes a value and a unit, not {} arguments", args.len());
                let error = ExprError::new("wrong-arguments", title, self.text.of(ast), "these arguments");
                return self.fail(error.help(format!(
                    "write `{name}(avg(x), id)`: the value, and what is drawn: the column that tells rows, or tasks, apart"
                )));
            }
        };
        let own = std::mem::take(&mut self.aggregates);
        let value = self.bind(value_ast);
        let mut calls = std::mem::replace(&mut self.aggregates, own);
        let unit = self.argument(unit_ast);
        let level = level.map(|level| self.argument(level));
        let (value, unit) = (value?, unit?);
        let level = match level {
            Some(level) => Some(level?),
            None => None,
        };
        if !self.checks() {
            let value = constant(Type::Null, Value::Null);
            return Some((Vec::new(), Arc::new(Inner { calls: Vec::new(), value }), None));
        }
        if calls.is_empty() {
            let error = ExprError::new(
                "no-aggregate",
                format!("the value of `{name}` has no aggregate"),
                self.text.of(value_ast),
                "the same in all samples",
            );
            return self.fail(error.help(format!("write `{name}(avg(x), id)`")));
        }
        if let Some(call) = calls.iter().find(|call| !can_be_drawn(call.kind)) {
            let title = format!(
                "`{}` cannot be drawn anew: in a sample rows come twice, and it takes that for another thing",
                call.name
            );
            let error = ExprError::new("not-supported", title, self.text.of(value_ast), "not of this value");
            return self.fail(error.help(match call.name {
                "median" | "quantile" => "write `quantile_low(x, q)` and `quantile_high(x, q)`, which are exact",
                _ => "counts, sums, means, deviations and `pass_at_k` can",
            }));
        }
        let value = self.wanted(value, &Type::Float, value_ast, &format!("the value of `{name}`"))?;
        let mut nodes = vec![unit];
        calls.iter_mut().for_each(|call| nodes.append(&mut call.args));
        Some((nodes, Arc::new(Inner { calls, value }), level))
    }
}
