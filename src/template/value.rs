//! Cells as the values that a template sees.

use crate::time::{format_date, format_timestamp};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use std::sync::Arc;

/// The columns that a template reads, sorted by name, at one row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) columns: Arc<Vec<(String, ArrayRef)>>,
    pub(super) row: usize,
}

impl Object for Row {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let at = self.columns.binary_search_by(|(name, _)| name.as_str().cmp(key)).ok()?;
        Some(value(&self.columns[at].1, self.row))
    }
}

/// One struct of a column of structs: a map in the order of its fields.
#[derive(Debug)]
struct Record {
    column: ArrayRef,
    row: usize,
}

impl Object for Record {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.column.as_struct().column_by_name(key).map(|field| value(field, self.row))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.column.as_struct().column_names().into_iter().map(Value::from).collect())
    }
}

/// Returns the cell of `column` at `row`.
///
/// A null is *undefined*, so that it cannot slip into a text as `None`: printing it, joining it to a string or giving it to a
/// filter is an error, while `is none`, `is defined`, `default` and `if` work.
pub(super) fn value(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::UNDEFINED;
    }
    match column.data_type() {
        DataType::Utf8 => Value::from(column.as_string::<i32>().value(row)),
        DataType::Int64 => Value::from(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::from(column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => Value::from(column.as_boolean().value(row)),
        DataType::Date32 => Value::from(format_date(column.as_primitive::<Date32Type>().value(row))),
        DataType::Timestamp(..) => {
            Value::from(format_timestamp(column.as_primitive::<TimestampMicrosecondType>().value(row)))
        }
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            (0..items.len()).map(|item| value(&items, item)).collect()
        }
        DataType::Struct(_) => Value::from_object(Record { column: column.clone(), row }),
        // Columns have no other types but null.
        _ => Value::UNDEFINED,
    }
}
