//! Batches whose texts are kept once and named often, cut so that texts of their own do not fill the memory.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// Bytes that the texts of a piece may have, if it has more than one row.
const LARGEST: usize = 64 << 20;

/// Returns a schema whose texts are views: a dictionary of a small file may name a long text a million times.
pub(super) fn viewed(schema: &Schema) -> SchemaRef {
    let fields: Vec<Field> = schema.fields().iter().map(|field| view(field)).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn view(field: &Field) -> Field {
    let ty = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::List(item) => DataType::List(Arc::new(view(item))),
        DataType::LargeList(item) => DataType::LargeList(Arc::new(view(item))),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| view(field)).collect()),
        other => other.clone(),
    };
    field.clone().with_data_type(ty)
}

/// Cuts a batch into pieces with little enough text.
pub(super) fn of(batch: RecordBatch) -> Vec<RecordBatch> {
    let mut open = vec![batch];
    let mut pieces = Vec::new();
    while let Some(batch) = open.pop() {
        let rows = batch.num_rows();
        if rows > 1 && batch.columns().iter().map(|column| bytes(column)).sum::<usize>() > LARGEST {
            open.push(batch.slice(rows / 2, rows - rows / 2));
            open.push(batch.slice(0, rows / 2));
        } else if rows > 0 {
            pieces.push(batch);
        }
    }
    pieces
}

/// Returns how many bytes texts of its own would give a column, about.
fn bytes(column: &dyn Array) -> usize {
    match column.data_type() {
        // The length is in the first four bytes of a view.
        DataType::Utf8View => column.as_string_view().views().iter().map(|view| *view as u32 as usize).sum(),
        DataType::Dictionary(..) => {
            let values = column.as_any_dictionary().values();
            let longest = match values.data_type() {
                DataType::Utf8 => {
                    values.as_string::<i32>().value_offsets().windows(2).map(|at| (at[1] - at[0]) as usize).max()
                }
                _ => Some(bytes(values)),
            };
            longest.unwrap_or(0).saturating_mul(column.len())
        }
        DataType::Utf8 => {
            let offsets = column.as_string::<i32>().value_offsets();
            offsets.last().zip(offsets.first()).map_or(0, |(last, first)| (last - first) as usize)
        }
        DataType::LargeUtf8 => {
            let offsets = column.as_string::<i64>().value_offsets();
            offsets.last().zip(offsets.first()).map_or(0, |(last, first)| (last - first) as usize)
        }
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            let offsets = list.value_offsets();
            match (offsets.first(), offsets.last()) {
                (Some(first), Some(last)) => bytes(&list.values().slice(*first as usize, (last - first) as usize)),
                _ => 0,
            }
        }
        DataType::Struct(_) => column.as_struct().columns().iter().map(|field| bytes(field)).sum(),
        _ => 0,
    }
}
