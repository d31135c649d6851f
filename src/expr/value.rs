//! Single values out of columns: for slices of metrics, for showing, for literals.

use crate::table::{Field, Type};
use crate::time::{format_date, format_timestamp};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, ListArray, NullArray, StringArray,
    StructArray, TimestampMicrosecondArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;
use std::sync::Arc;

/// One cell of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    List(Vec<Value>),
    Struct(Vec<(String, Value)>),
}

/// Returns the cell of `array`, a column of a table's type, at `row`.
pub fn value_at(array: &ArrayRef, row: usize) -> Value {
    let ty = Type::of(array.data_type()).expect("columns are of a table's type");
    cell(&ty, array, row)
}

fn cell(ty: &Type, array: &ArrayRef, row: usize) -> Value {
    if *ty == Type::Null || array.is_null(row) {
        return Value::Null;
    }
    match ty {
        Type::Null => Value::Null,
        Type::Bool => Value::Bool(array.as_boolean().value(row)),
        Type::Int => Value::Int(array.as_primitive::<Int64Type>().value(row)),
        Type::Float => Value::Float(array.as_primitive::<Float64Type>().value(row)),
        Type::String => Value::String(array.as_string::<i32>().value(row).to_owned()),
        Type::Date => Value::Date(array.as_primitive::<Date32Type>().value(row)),
        Type::Timestamp => Value::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        Type::List(item) => {
            let items = array.as_list::<i32>().value(row);
            Value::List((0..items.len()).map(|i| cell(item, &items, i)).collect())
        }
        Type::Struct(fields) => {
            let of =
                |(i, field): (usize, &Field)| (field.name.clone(), cell(&field.ty, array.as_struct().column(i), row));
            Value::Struct(fields.iter().enumerate().map(of).collect())
        }
    }
}

impl fmt::Display for Value {
    /// Writes the value as a cast to string gives it; null is `null`, lists and structs are JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            // The shortest digits that read back, always told apart from an int: `1.0`, `1e300`.
            Value::Float(value) => write!(f, "{value:?}"),
            Value::String(value) => f.write_str(value),
            Value::Date(value) => f.write_str(&format_date(*value)),
            Value::Timestamp(value) => f.write_str(&format_timestamp(*value)),
            Value::List(_) | Value::Struct(_) => f.write_str(&self.json()),
        }
    }
}

impl Value {
    /// Writes the value as JSON. JSON has no infinity and no NaN: they become `null`.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("keys are strings and nothing is written to a file")
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => to.serialize_unit(),
            Value::Bool(value) => to.serialize_bool(*value),
            Value::Int(value) => to.serialize_i64(*value),
            Value::Float(value) => to.serialize_f64(*value),
            Value::String(value) => to.serialize_str(value),
            Value::Date(_) | Value::Timestamp(_) => to.collect_str(self),
            Value::List(items) => to.collect_seq(items),
            Value::Struct(fields) => {
                let mut map = to.serialize_map(Some(fields.len()))?;
                fields.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
                map.end()
            }
        }
    }
}

/// Makes a column of type `ty` out of values of that type.
///
/// # Panics
/// If a value is of another type.
pub fn array_of(ty: &Type, values: &[Value]) -> ArrayRef {
    macro_rules! column {
        ($array:ty, $variant:path, $get:expr) => {
            Arc::new(<$array>::from_iter(values.iter().map(|value| match value {
                Value::Null => None,
                $variant(value) => Some($get(value)),
                other => panic!("{other:?} is not of type {ty}"),
            }))) as ArrayRef
        };
    }
    let nulls = || NullBuffer::from_iter(values.iter().map(|value| *value != Value::Null));
    match ty {
        Type::Null => Arc::new(NullArray::new(values.len())),
        Type::Bool => column!(BooleanArray, Value::Bool, Clone::clone),
        Type::Int => column!(Int64Array, Value::Int, Clone::clone),
        Type::Float => column!(Float64Array, Value::Float, Clone::clone),
        Type::String => column!(StringArray, Value::String, String::as_str),
        Type::Date => column!(Date32Array, Value::Date, Clone::clone),
        Type::Timestamp => column!(TimestampMicrosecondArray, Value::Timestamp, Clone::clone),
        Type::List(item) => {
            let lists: Vec<&[Value]> =
                values.iter().map(|v| if let Value::List(items) = v { &items[..] } else { &[] }).collect();
            let items: Vec<Value> = lists.concat();
            let offsets = OffsetBuffer::from_lengths(lists.iter().map(|list| list.len()));
            let field = Arc::new(arrow_schema::Field::new("item", item.arrow(), true));
            Arc::new(ListArray::new(field, offsets, array_of(item, &items), Some(nulls())))
        }
        Type::Struct(fields) => {
            let child = |(i, field): (usize, &Field)| {
                let of = |v: &Value| if let Value::Struct(cells) = v { cells[i].1.clone() } else { Value::Null };
                array_of(&field.ty, &values.iter().map(of).collect::<Vec<_>>())
            };
            let children = fields.iter().enumerate().map(child).collect();
            let arrow = fields.iter().map(|f| arrow_schema::Field::new(&f.name, f.ty.arrow(), true)).collect();
            Arc::new(
                StructArray::try_new_with_length(arrow, children, Some(nulls()), values.len())
                    .expect("children are of their fields' types and lengths"),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_into_a_column_and_come_back() {
        let ty = Type::List(Box::new(Type::Struct(vec![Field::new("a", Type::Int), Field::new("b", Type::String)])));
        let cell = Value::Struct(vec![("a".to_owned(), Value::Int(1)), ("b".to_owned(), Value::Null)]);
        let values = [Value::List(vec![cell, Value::Null]), Value::Null, Value::List(vec![])];
        let array = array_of(&ty, &values);
        assert_eq!(array.data_type(), &ty.arrow());
        assert_eq!((0..3).map(|row| value_at(&array, row)).collect::<Vec<_>>(), values);
        assert_eq!(values[0].to_string(), r#"[{"a":1,"b":null},null]"#);
    }
}
