//! Bringing a column to the type that all segments agreed on.

use super::json;
use crate::table::Type;
use crate::time;
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, ListArray, NullArray, PrimitiveArray, StringArray, StructArray, new_null_array,
};
use arrow_schema::{DataType, Field, TimeUnit};
use std::sync::Arc;

/// A value that a type does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The first row of its kind.
    pub row: usize,
    /// What is there, as the end of a sentence: `is "abc"`.
    pub title: String,
}

/// Returns the column as one of type `to`: nulls become nulls of any type, integers floats, structs get the fields
/// that they lack, and texts are read as what they say.
///
/// An empty text is null for every type but string. What loses digits or meaning is a misfit.
pub fn conform(array: &ArrayRef, to: &Type) -> Result<ArrayRef, Misfit> {
    let wrong = |title: String| Err(Misfit { row: 0, title });
    if *array.data_type() == to.arrow() {
        return Ok(array.clone());
    }
    match (array.data_type(), to) {
        (DataType::Null, to) => Ok(new_null_array(&to.arrow(), array.len())),
        (_, Type::Null) if array.null_count() == array.len() => Ok(Arc::new(NullArray::new(array.len()))),
        (DataType::Int64, Type::Float) => {
            let ints = array.as_primitive::<Int64Type>();
            match ints.iter().position(|int| int.is_some_and(|int| !super::is_exact(int))) {
                Some(row) => Err(Misfit { row, title: format!("is {}, which no float is", ints.value(row)) }),
                None => Ok(Arc::new(ints.unary::<_, Float64Type>(|int| int as f64))),
            }
        }
        (DataType::Timestamp(TimeUnit::Microsecond, _), Type::Timestamp) => {
            Ok(Arc::new(array.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<Arc<str>>)))
        }
        (DataType::Utf8, to) => read(array.as_string(), to),
        (DataType::List(_), Type::List(item)) => {
            let list: &ListArray = array.as_list();
            let items = conform(list.values(), item)?;
            let field = Arc::new(Field::new("item", item.arrow(), true));
            Ok(Arc::new(ListArray::new(field, list.offsets().clone(), items, list.nulls().cloned())))
        }
        (DataType::Struct(has), Type::Struct(wanted)) => {
            let known = |name: &String| wanted.iter().any(|field| field.name == *name);
            if let Some(field) = has.iter().find(|field| !known(field.name())) {
                return wrong(format!("has a field `{}` that the type lacks", field.name()));
            }
            let values = array.as_struct();
            let DataType::Struct(fields) = to.arrow() else { return wrong("is no struct".to_owned()) };
            if wanted.is_empty() {
                return Ok(Arc::new(StructArray::new_empty_fields(values.len(), values.nulls().cloned())));
            }
            let columns = wanted.iter().map(|field| match values.column_by_name(&field.name) {
                Some(column) => conform(column, &field.ty),
                None => Ok(new_null_array(&field.ty.arrow(), values.len())),
            });
            let columns = columns.collect::<Result<_, _>>()?;
            Ok(Arc::new(StructArray::new(fields, columns, values.nulls().cloned())))
        }
        (other, _) => wrong(match Type::of(other) {
            Some(ty) => format!("is {ty}"),
            None => format!("is {other}"),
        }),
    }
}

/// Reads texts as values of a type.
fn read(texts: &StringArray, to: &Type) -> Result<ArrayRef, Misfit> {
    let misfit = |row: usize| {
        let shown: String = texts.value(row).chars().take(40).collect();
        let wanted = match to {
            Type::Int if infer_float(&shown) => ", a float",
            Type::Date => " and not YYYY-MM-DD",
            Type::Timestamp => " and not YYYY-MM-DDTHH:MM:SSZ",
            Type::Bool => " and not true or false",
            _ => "",
        };
        Misfit { row, title: format!("is {shown:?}{wanted}") }
    };
    Ok(match to {
        Type::Null => match texts.iter().position(|text| text.is_some_and(|text| !text.is_empty())) {
            Some(row) => return Err(misfit(row)),
            None => Arc::new(NullArray::new(texts.len())),
        },
        Type::String => Arc::new(texts.clone()),
        Type::Bool => {
            let values = each(texts, |text| match text {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            });
            Arc::new(BooleanArray::from(values.map_err(misfit)?))
        }
        Type::Int => primitive::<Int64Type>(texts, |text| text.parse().ok()).map_err(misfit)?,
        Type::Float => primitive::<Float64Type>(texts, read_float).map_err(misfit)?,
        Type::Date => primitive::<Date32Type>(texts, time::read_date).map_err(misfit)?,
        Type::Timestamp => primitive::<TimestampMicrosecondType>(texts, time::read_timestamp).map_err(misfit)?,
        Type::List(_) | Type::Struct(_) => {
            let cells = texts.iter().map(|text| text.filter(|text| !text.is_empty()));
            json::parse_cells(cells, to).map_err(misfit)?
        }
    })
}

/// Reads a float; not what Rust takes beyond other languages, `infinity` and `+NaN`, but what the writers here write.
fn read_float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        _ if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
            text.parse().ok().filter(|value: &f64| value.is_finite())
        }
        _ => None,
    }
}

fn infer_float(text: &str) -> bool {
    super::infer::guess(text) == Type::Float
}

fn each<T>(texts: &StringArray, value: impl Fn(&str) -> Option<T>) -> Result<Vec<Option<T>>, usize> {
    let read = |(row, text): (usize, Option<&str>)| match text.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => value(text).map(Some).ok_or(row),
    };
    texts.iter().enumerate().map(read).collect()
}

fn primitive<P: ArrowPrimitiveType>(
    texts: &StringArray,
    value: impl Fn(&str) -> Option<P::Native>,
) -> Result<ArrayRef, usize> {
    Ok(Arc::new(each(texts, value)?.into_iter().collect::<PrimitiveArray<P>>()))
}
