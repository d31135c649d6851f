//! What `sample` takes rows by, if not by chance alone: an order, or weights, as numbers that are remembered row by row.

use super::RowOp;
use crate::hash::KeyWriter;
use crate::table::{Batch, RowError, Type};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::{DataType, TimeUnit};
use std::sync::Arc;

/// The rank of a row without a value: below all others.
const LAST: i64 = i64::MIN;

/// Makes one int column of one column.
pub struct Ranking {
    name: &'static str,
    reads: [String; 1],
    ints: fn(&ArrayRef) -> Result<Int64Array, RowError>,
}

impl Ranking {
    /// Ranks by the values of `column`, a number, date or timestamp. Null and NaN are below all others; 0 and −0 are equal.
    pub fn by_order(column: String) -> Ranking {
        Ranking { name: "rank", reads: [column], ints: |column| Ok(ranks(column)) }
    }

    /// Returns whether values of a type have an order that rows can be ranked by.
    pub fn orders(ty: &Type) -> bool {
        matches!(ty, Type::Int | Type::Float | Type::Date | Type::Timestamp | Type::Null)
    }

    /// Weighs by the values of `column`, which are ints or floats of at least 0: these are the bits of floats.
    pub fn by_weight(column: String) -> Ranking {
        Ranking { name: "weight", reads: [column], ints: weights }
    }
}

impl RowOp for Ranking {
    fn write_key(&self, _: &mut KeyWriter) {}

    fn name(&self) -> &'static str {
        self.name
    }

    fn reads(&self) -> &[String] {
        &self.reads
    }

    fn writes(&self) -> &[Type] {
        &[Type::Int]
    }

    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError> {
        Ok(vec![Arc::new((self.ints)(&super::columns(input, &self.reads)?[0])?)])
    }
}

fn ranks(column: &ArrayRef) -> Int64Array {
    match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().iter().map(|value| value.unwrap_or(LAST)).collect(),
        DataType::Float64 => {
            column.as_primitive::<Float64Type>().iter().map(|value| value.map_or(LAST, of_float)).collect()
        }
        DataType::Date32 => {
            column.as_primitive::<Date32Type>().iter().map(|value| value.map_or(LAST, i64::from)).collect()
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let values = column.as_primitive::<TimestampMicrosecondType>();
            values.iter().map(|value| value.unwrap_or(LAST)).collect()
        }
        _ => vec![LAST; column.len()].into(),
    }
}

/// Returns a number in the order of floats.
fn of_float(value: f64) -> i64 {
    if value.is_nan() {
        return LAST;
    }
    let bits = (value + 0.0).to_bits() as i64;
    // Of negative floats the larger bits are the smaller number.
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

fn weights(column: &ArrayRef) -> Result<Int64Array, RowError> {
    let weight = |row: usize| match column.data_type() {
        _ if column.is_null(row) => None,
        DataType::Int64 => Some(column.as_primitive::<Int64Type>().value(row) as f64),
        DataType::Float64 => Some(column.as_primitive::<Float64Type>().value(row)),
        _ => None,
    };
    let checked = |row| match weight(row) {
        Some(weight) if weight >= 0.0 && weight.is_finite() => Ok((weight + 0.0).to_bits() as i64),
        other => {
            let found = other.map_or("null".to_owned(), |weight| weight.to_string());
            let message = format!("its weight is {found}; a weight is a finite number of at least 0");
            let help = "give rows that are not to be taken the weight 0, for example `greatest(coalesce(w, 0), 0)`";
            Err(RowError { row, message, help: Some(help.to_owned()) })
        }
    };
    Ok((0..column.len()).map(checked).collect::<Result<Vec<i64>, RowError>>()?.into())
}

/// Returns the weight whose bits these are.
pub(super) fn weight_of_bits(bits: i64) -> f64 {
    f64::from_bits(bits as u64)
}
