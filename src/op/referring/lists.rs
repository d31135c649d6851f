//! Lists of rows of another table, as a column.

use crate::table::{Field, RowError, Type};
use arrow_array::{ArrayRef, ListArray, StructArray, UInt32Array};
use arrow_buffer::OffsetBuffer;
use std::sync::Arc;

/// Makes a column of lists of structs: for each row the other rows at `found`. The columns in `made` hold one value for each row that
/// was found, those in `columns` one for each row of the other table; the fields are theirs, in this order.
pub(super) fn lists(
    fields: &[Field],
    found: &[Vec<u32>],
    made: Vec<ArrayRef>,
    columns: &[ArrayRef],
) -> Result<ArrayRef, RowError> {
    let help = || Some("keep fewer columns of each row that is found, or fewer rows".to_owned());
    let total: usize = found.iter().map(Vec::len).sum();
    if i32::try_from(total).is_err() {
        let message = format!("{total} rows were found for the rows of a group, more than a column holds");
        return Err(RowError { row: 0, message, help: help() });
    }
    let positions = UInt32Array::from_iter_values(found.iter().flatten().copied());
    let too_large = |error: arrow_schema::ArrowError| RowError {
        row: 0,
        message: format!("what was found for the rows of a group is too large for a column: {error}"),
        help: help(),
    };
    let picked = columns.iter().map(|column| arrow_select::take::take(column, &positions, None).map_err(too_large));
    let children = made.into_iter().map(Ok).chain(picked).collect::<Result<Vec<ArrayRef>, RowError>>()?;
    let arrow = fields.iter().map(|field| arrow_schema::Field::new(&field.name, field.ty.arrow(), true)).collect();
    let structs = StructArray::try_new_with_length(arrow, children, None, total).map_err(too_large)?;
    let item = arrow_schema::Field::new("item", Type::Struct(fields.to_vec()).arrow(), true);
    let offsets = OffsetBuffer::from_lengths(found.iter().map(Vec::len));
    Ok(Arc::new(ListArray::try_new(Arc::new(item), offsets, Arc::new(structs), None).map_err(too_large)?))
}
