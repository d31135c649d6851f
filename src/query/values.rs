//! Cells of columns as the engine has them, and back: bools are 0 and 1, dates and times their texts, lists and structs their JSON.

use crate::expr::{Value, value_at};
use crate::table::{Field, Type};
use crate::time::{format_date, format_timestamp, read_date, read_timestamp};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};

/// Returns the type that a column is declared with; the number stands for the type of ours.
pub(super) fn declared(ty: &Type, number: usize) -> String {
    let affinity = match ty {
        Type::Bool | Type::Int => "INTEGER",
        Type::Float => "REAL",
        _ => "TEXT",
    };
    format!("{affinity}_{number}")
}

/// Returns the number of the type that a column was declared with.
pub(super) fn number(declared: &str) -> Option<usize> {
    declared.rsplit_once('_')?.1.parse().ok()
}

/// Returns a cell for the engine.
pub(super) fn put<'a>(ty: &Type, column: &'a ArrayRef, row: usize) -> ToSqlOutput<'a> {
    if *ty == Type::Null || column.is_null(row) {
        return ToSqlOutput::Borrowed(ValueRef::Null);
    }
    let text = |text: String| ToSqlOutput::Owned(Owned::Text(text));
    match ty {
        Type::Null => ToSqlOutput::Borrowed(ValueRef::Null),
        Type::Bool => ToSqlOutput::Borrowed(ValueRef::Integer(column.as_boolean().value(row).into())),
        Type::Int => ToSqlOutput::Borrowed(ValueRef::Integer(column.as_primitive::<Int64Type>().value(row))),
        Type::Float => ToSqlOutput::Borrowed(ValueRef::Real(column.as_primitive::<Float64Type>().value(row))),
        Type::String => ToSqlOutput::Borrowed(ValueRef::Text(column.as_string::<i32>().value(row).as_bytes())),
        Type::Date => text(format_date(column.as_primitive::<Date32Type>().value(row))),
        Type::Timestamp => text(format_timestamp(column.as_primitive::<TimestampMicrosecondType>().value(row))),
        Type::List(_) | Type::Struct(_) => text(value_at(column, row).to_string()),
    }
}

/// Reads a cell of the engine's as a value of a type; or says what it is instead.
pub(super) fn get(ty: &Type, cell: ValueRef) -> Result<Value, String> {
    let text =
        |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| "text that is not UTF-8".to_owned());
    let shown = |what: &str, value: String| {
        let value: String = value.chars().take(200).collect();
        format!("{what} {value}")
    };
    Ok(match (ty, cell) {
        (_, ValueRef::Null) => Value::Null,
        (Type::Bool, ValueRef::Integer(0)) => Value::Bool(false),
        (Type::Bool, ValueRef::Integer(1)) => Value::Bool(true),
        (Type::Int, ValueRef::Integer(value)) => Value::Int(value),
        (Type::Float, ValueRef::Integer(value)) => Value::Float(value as f64),
        (Type::Float, ValueRef::Real(value)) => Value::Float(value),
        (_, ValueRef::Integer(value)) => return Err(shown("the int", value.to_string())),
        (_, ValueRef::Real(value)) => return Err(shown("the float", format!("{value:?}"))),
        (_, ValueRef::Blob(bytes)) => return Err(format!("{} bytes", bytes.len())),
        (_, ValueRef::Text(bytes)) => {
            let text = text(bytes)?;
            let wrong = || shown("the text", format!("{text:?}"));
            match ty {
                Type::String => Value::String(text),
                Type::Date => Value::Date(read_date(&text).ok_or_else(wrong)?),
                Type::Timestamp => Value::Timestamp(read_timestamp(&text).ok_or_else(wrong)?),
                Type::List(_) | Type::Struct(_) => {
                    let json: serde_json::Value = serde_json::from_str(&text).map_err(|_| wrong())?;
                    from_json(ty, &json).ok_or_else(wrong)?
                }
                _ => return Err(wrong()),
            }
        }
    })
}

/// Reads JSON as a value of a type, if it is one.
fn from_json(ty: &Type, json: &serde_json::Value) -> Option<Value> {
    use serde_json::Value as Json;
    Some(match (ty, json) {
        (_, Json::Null) => Value::Null,
        (Type::Bool, Json::Bool(value)) => Value::Bool(*value),
        (Type::Int, Json::Number(value)) => Value::Int(value.as_i64()?),
        (Type::Float, Json::Number(value)) => Value::Float(value.as_f64()?),
        (Type::String, Json::String(value)) => Value::String(value.clone()),
        (Type::Date, Json::String(value)) => Value::Date(read_date(value)?),
        (Type::Timestamp, Json::String(value)) => Value::Timestamp(read_timestamp(value)?),
        (Type::List(item), Json::Array(items)) => {
            Value::List(items.iter().map(|one| from_json(item, one)).collect::<Option<_>>()?)
        }
        (Type::Struct(fields), Json::Object(object)) => {
            if object.keys().any(|key| fields.iter().all(|field| field.name != *key)) {
                return None;
            }
            let one = |field: &Field| {
                let value = object.get(&field.name).unwrap_or(&Json::Null);
                Some((field.name.clone(), from_json(&field.ty, value)?))
            };
            Value::Struct(fields.iter().map(one).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}
