//! Columns of any Arrow type as columns of tables.

use super::conform::conform;
use super::encode::texts;
use super::{Problem, declaration};
use crate::table::Type;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, ListArray, StructArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, TimeUnit};
use std::sync::Arc;

/// Returns the column called `name` as one of a table: of the declared type, or of the nearest to its own.
pub(super) fn to_table(name: &str, array: &ArrayRef, declared: Option<&Type>) -> Result<ArrayRef, Problem> {
    let array = match (array.data_type(), declared) {
        // What is declared may round, and may be too large for an int.
        (ty, Some(Type::Float)) if is_decimal(ty) || ty.is_integer() => cast(name, array, &DataType::Float64)?,
        (ty, Some(Type::String)) if is_decimal(ty) || *ty == DataType::UInt64 => cast(name, array, &DataType::Utf8)?,
        (ty, Some(Type::String)) if is_binary(ty) => {
            let bytes = cast(name, array, &DataType::Binary)?;
            cast_to(&bytes, &DataType::Utf8)
                .map_err(|_| Problem::new(format!("`{name}` is declared string, and holds bytes that are not UTF-8")))?
        }
        _ => natural(name, array)?,
    };
    let Some(ty) = declared else { return Ok(array) };
    match conform(&array, ty) {
        Ok(array) => Ok(array),
        Err(_) if *ty == Type::String => Ok(texts(&array)),
        Err(misfit) => Err(Problem::new(format!("`{name}` is declared {ty}, and {}", misfit.title))
            .help("declare the column as another type")),
    }
}

/// Converts without a declaration; `path` names the column and what is inside of it.
fn natural(path: &str, array: &ArrayRef) -> Result<ArrayRef, Problem> {
    use DataType as D;
    match array.data_type() {
        D::Null | D::Boolean | D::Int64 | D::Float64 | D::Utf8 | D::Date32 => Ok(array.clone()),
        D::Int8 | D::Int16 | D::Int32 | D::UInt8 | D::UInt16 | D::UInt32 => cast(path, array, &D::Int64),
        D::UInt64 => cast_to(array, &D::Int64).map_err(|_| {
            Problem::new(format!("`{path}` holds an unsigned integer that does not fit into 64 bits with a sign"))
                .help(format!("declare the column: {}", declaration(path, "string")))
        }),
        D::Float16 | D::Float32 => cast(path, array, &D::Float64),
        D::LargeUtf8 | D::Utf8View => cast(path, array, &D::Utf8),
        D::Dictionary(_, values) => natural(path, &cast(path, array, values)?),
        D::RunEndEncoded(_, values) => natural(path, &cast(path, array, values.data_type())?),
        D::Date64 => cast(path, array, &D::Date32),
        D::Timestamp(unit, _) => cast(path, &without_zone(*unit, array), &Type::Timestamp.arrow()),
        D::List(_) => {
            let list = array.as_list::<i32>();
            let items = natural(&format!("{path}[]"), list.values())?;
            let field = Arc::new(Field::new("item", items.data_type().clone(), true));
            Ok(Arc::new(ListArray::new(field, list.offsets().clone(), items, list.nulls().cloned())))
        }
        D::LargeList(item) | D::FixedSizeList(item, _) | D::ListView(item) | D::LargeListView(item) => {
            natural(path, &cast(path, array, &D::List(item.clone()))?)
        }
        D::Struct(fields) => {
            let values = array.as_struct();
            if fields.is_empty() {
                return Ok(Arc::new(StructArray::new_empty_fields(array.len(), array.nulls().cloned())));
            }
            let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
            distinct(&names).map_err(|name| Problem::new(format!("`{path}` has two fields `{name}`")))?;
            let children = names.iter().zip(values.columns());
            let children = children.map(|(name, child)| natural(&format!("{path}.{name}"), child));
            let children = children.collect::<Result<Vec<_>, _>>()?;
            let field = |(name, child): (&&str, &ArrayRef)| Field::new(*name, child.data_type().clone(), true);
            let fields = names.iter().zip(&children).map(field).collect();
            Ok(Arc::new(StructArray::new(fields, children, array.nulls().cloned())))
        }
        ty => Err(unreadable(path, ty)),
    }
}

/// Checks that no name is there twice; `Err` is one that is.
pub(super) fn distinct<'a>(names: &[&'a str]) -> Result<(), &'a str> {
    let mut seen = std::collections::HashSet::with_capacity(names.len());
    names.iter().find(|name| !seen.insert(**name)).map_or(Ok(()), |name| Err(*name))
}

fn unreadable(path: &str, ty: &DataType) -> Problem {
    let inner = path.contains(['.', '[']);
    let problem = Problem::new(format!("`{path}` has the Arrow type {ty}, which tables do not have"));
    match ty {
        _ if inner => problem.help("convert the column before, or leave the file's column out"),
        _ if is_decimal(ty) => problem.help(format!(
            "declare the column: {} (rounded), or {} (all digits)",
            declaration(path, "float"),
            declaration(path, "string")
        )),
        _ if is_binary(ty) => {
            problem.help(format!("if the bytes are UTF-8, declare the column: {}", declaration(path, "string")))
        }
        _ => problem.help("convert the column before, to an int or a string, say"),
    }
}

fn is_decimal(ty: &DataType) -> bool {
    use DataType as D;
    matches!(ty, D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) | D::Decimal256(..))
}

fn is_binary(ty: &DataType) -> bool {
    use DataType as D;
    matches!(ty, D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_))
}

/// Forgets the zone, which says how an instant is shown and not which one it is.
fn without_zone(unit: TimeUnit, array: &ArrayRef) -> ArrayRef {
    let none = None::<Arc<str>>;
    match unit {
        TimeUnit::Second => Arc::new(array.as_primitive::<TimestampSecondType>().clone().with_timezone_opt(none)),
        TimeUnit::Millisecond => {
            Arc::new(array.as_primitive::<TimestampMillisecondType>().clone().with_timezone_opt(none))
        }
        TimeUnit::Microsecond => {
            Arc::new(array.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(none))
        }
        TimeUnit::Nanosecond => {
            Arc::new(array.as_primitive::<TimestampNanosecondType>().clone().with_timezone_opt(none))
        }
    }
}

fn cast_to(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, arrow_schema::ArrowError> {
    cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() })
}

fn cast(path: &str, array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Problem> {
    let from = array.data_type();
    cast_to(array, to)
        .map_err(|error| Problem::new(format!("`{path}` of the Arrow type {from} cannot be read: {error}")))
}
