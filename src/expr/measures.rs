//! Measures of texts over columns: each is told by the literals of its call, and those of one text are taken together.

use super::Expr;
use super::cells::{Args, Fault, Outcome, Prepared, Val};
use super::tree::{Kind, Node};
use crate::table::Type;
use crate::text::{Measure, Measurer, Number};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use std::sync::Arc;

/// Tells which measure of its first argument a call is, in a row, from the others.
pub type Make = fn(&Args, usize) -> Result<Measure, Fault>;

/// Measures the first argument.
pub fn measure(args: &Args, ty: &Type, make: Make) -> Outcome {
    let (text, valid) = (args.column::<&str>(0), args.valid());
    let mut numbers = Vec::with_capacity(args.rows);
    let mut known =
        if let Prepared::Measure(measure) = args.prepared { Some(Measurer::new([&**measure])) } else { None };
    let mut found = Vec::new();
    for row in 0..args.rows {
        if valid.as_ref().is_some_and(|valid| valid.is_null(row)) {
            numbers.push(Number::None);
            continue;
        }
        match &mut known {
            Some(measurer) => measurer.measure(text.get(row), &mut found),
            None => {
                let measure = make(args, row).map_err(|fault| fault.at(row))?;
                Measurer::new([&measure]).measure(text.get(row), &mut found);
            }
        }
        numbers.push(found[0]);
    }
    Ok(array(ty, numbers.into_iter()))
}

/// Takes measures of one column together; what a measure is read of is told by [`Expr::measure`].
pub fn measured(measures: &[(&Measure, &Type)], column: &StringArray) -> Vec<ArrayRef> {
    let mut measurer = Measurer::new(measures.iter().map(|(measure, _)| *measure));
    let mut numbers: Vec<Vec<Number>> = vec![Vec::with_capacity(column.len()); measures.len()];
    let mut found = Vec::new();
    for text in column {
        match text {
            Some(text) => measurer.measure(text, &mut found),
            None => found = vec![Number::None; measures.len()],
        }
        numbers.iter_mut().zip(&found).for_each(|(numbers, number)| numbers.push(*number));
    }
    measures.iter().zip(numbers).map(|((_, ty), numbers)| array(ty, numbers.into_iter())).collect()
}

fn array(ty: &Type, numbers: impl Iterator<Item = Number>) -> ArrayRef {
    match ty {
        Type::Bool => {
            let is = |number| if let Number::Is(is) = number { Some(is) } else { None };
            Arc::new(numbers.map(is).collect::<BooleanArray>())
        }
        Type::Int => {
            let count = |number| if let Number::Count(count) = number { Some(count as i64) } else { None };
            Arc::new(numbers.map(count).collect::<Int64Array>())
        }
        _ => {
            let share = |number| if let Number::Share(share) = number { Some(share) } else { None };
            Arc::new(numbers.map(share).collect::<Float64Array>())
        }
    }
}

/// Tells the measure that a call is whose other arguments are literals; none where one of them is not.
pub fn literal(make: Make, args: &[Node]) -> Option<Result<Measure, Fault>> {
    let val = |node: &Node| match &node.kind {
        Kind::Literal(array) => Some(Val { array: array.clone(), constant: true }),
        _ => None,
    };
    let others = args[1..].iter().map(val).collect::<Option<Vec<_>>>()?;
    // A null gives null, whatever the measure.
    if others.iter().any(|val| val.array.is_null(0)) {
        return None;
    }
    let text = Val { array: Arc::new(StringArray::from(vec![""])), constant: true };
    let vals: Vec<Val> = std::iter::once(text).chain(others).collect();
    Some(make(&Args { vals: &vals, rows: 1, prepared: &Prepared::None }, 0))
}

impl Expr {
    /// Returns the measure that this expression is, of the one column that it reads.
    pub fn measure(&self) -> Option<&Measure> {
        match &self.node.kind {
            Kind::Call(call) => match (&call.prepared, &call.args[0].kind) {
                (Prepared::Measure(measure), Kind::Column(_)) => Some(measure),
                _ => None,
            },
            _ => None,
        }
    }
}
