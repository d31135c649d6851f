//! What is made of a row to be compared: bits or hashes, packed into a list of ints. A row of which nothing can be made has an empty one.

use crate::table::Type;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, ListArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use std::sync::{Arc, LazyLock};

/// What an op makes that packs rows.
pub(super) static WRITES: LazyLock<[Type; 1]> = LazyLock::new(|| [Type::List(Box::new(Type::Int))]);

/// What an op makes that packs rows in two columns.
pub(super) static WRITES_TWO: LazyLock<[Type; 2]> = LazyLock::new(|| [(); 2].map(|()| Type::List(Box::new(Type::Int))));

/// Makes the column, of the lengths of the lists and of all their ints.
pub(super) fn column(lengths: Vec<usize>, ints: Vec<i64>) -> ArrayRef {
    let item = Arc::new(Field::new("item", DataType::Int64, true));
    Arc::new(ListArray::new(item, OffsetBuffer::from_lengths(lengths), Arc::new(Int64Array::from(ints)), None))
}

/// A column, read.
pub(super) struct Packed<'a> {
    ends: &'a [i32],
    ints: &'a [i64],
}

impl<'a> Packed<'a> {
    /// Reads a column; none if it is another.
    pub fn of(column: &'a ArrayRef) -> Option<Packed<'a>> {
        let lists = column.as_list_opt::<i32>()?;
        let ints = lists.values().as_primitive_opt::<Int64Type>()?;
        Some(Packed { ends: lists.value_offsets(), ints: ints.values() })
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// Returns the ints of all rows.
    pub fn all(&self) -> &'a [i64] {
        &self.ints[self.ends[0] as usize..self.ends[self.len()] as usize]
    }

    /// Returns what was made of a row; nothing of one of which nothing can be made.
    pub fn row(&self, row: usize) -> Option<&'a [i64]> {
        let ints = &self.ints[self.ends[row] as usize..self.ends[row + 1] as usize];
        (!ints.is_empty()).then_some(ints)
    }
}
