//! Cells as the values that a template sees.

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
        DataType::Date32 => Value::from(date(i64::from(column.as_primitive::<Date32Type>().value(row)))),
        DataType::Timestamp(..) => Value::from(timestamp(column.as_primitive::<TimestampMicrosecondType>().value(row))),
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            (0..items.len()).map(|item| value(&items, item)).collect()
        }
        DataType::Struct(_) => Value::from_object(Record { column: column.clone(), row }),
        // Columns have no other types but null.
        _ => Value::UNDEFINED,
    }
}

/// Writes a day as `2024-02-29`.
fn date(days: i64) -> String {
    // Years begin in March here, so that the leap day comes last (Hinnant, "chrono-compatible low-level date algorithms").
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + i64::from(month <= 2))
}

/// Writes a moment as `2024-02-29T12:00:00Z`, with six decimals where it has some.
fn timestamp(micros: i64) -> String {
    const DAY: i64 = 86_400_000_000;
    let (days, micros) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    format!("{}T{:02}:{:02}:{:02}{fraction}Z", date(days), seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_are_written_as_in_iso_8601() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(19_782), "2024-02-29");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(-719_468), "0000-03-01");
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(timestamp(1_709_208_000_500_000), "2024-02-29T12:00:00.500000Z");
    }
}
