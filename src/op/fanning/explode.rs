//! `explode`: each element of a list is a row.

use super::{FanOp, Fanned};
use crate::hash::KeyWriter;
use crate::op::columns;
use crate::table::{Batch, Field, RowError, Type};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array, new_null_array};
use std::sync::Arc;

/// Lets a row come once for each element of a list, with the element and, if wanted, its position from 0.
///
/// A row whose list is empty or null does not come, unless empty ones are kept: then it comes once, with nulls.
/// Its key: whether empty ones are kept, and whether positions are wanted.
pub struct Explode {
    reads: [String; 1],
    item: Type,
    keep_empty: bool,
    writes: Vec<Field>,
}

impl Explode {
    /// Takes apart the lists of `item`s in `column`.
    pub fn new(column: &str, item: Type, into: &str, index: Option<&str>, keep_empty: bool) -> Explode {
        let element = Field::new(into, item.clone());
        let index = index.map(|index| Field::new(index, Type::Int));
        Explode {
            reads: [column.to_owned()],
            item,
            keep_empty,
            writes: std::iter::once(element).chain(index).collect(),
        }
    }
}

impl FanOp for Explode {
    fn write_key(&self, key: &mut KeyWriter) {
        key.int("keep empty", i64::from(self.keep_empty)).int("columns", self.writes.len() as i64);
    }

    fn name(&self) -> &'static str {
        "explode"
    }

    fn reads(&self) -> &[String] {
        &self.reads
    }

    fn writes(&self) -> &[Field] {
        &self.writes
    }

    fn run(&self, input: &Batch) -> Result<Fanned, RowError> {
        let column = columns(input, &self.reads)?.remove(0);
        let lists = column.as_list_opt::<i32>();
        let (mut rows, mut places, mut index) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..input.rows {
            let range = match lists {
                Some(lists) if lists.is_valid(row) => {
                    let offsets = lists.value_offsets();
                    offsets[row] as u32..offsets[row + 1] as u32
                }
                _ => 0..0,
            };
            if range.is_empty() && self.keep_empty {
                rows.push(row as u32);
                places.push(None);
                index.push(None);
            }
            for (at, place) in range.enumerate() {
                rows.push(row as u32);
                places.push(Some(place));
                index.push(Some(at as i64));
            }
        }
        let elements: ArrayRef = match lists {
            Some(lists) => arrow_select::take::take(lists.values(), &UInt32Array::from(places), None)
                .expect("elements that were there once fit into a column"),
            None => new_null_array(&self.item.arrow(), rows.len()),
        };
        let index: ArrayRef = Arc::new(Int64Array::from(index));
        let columns = std::iter::once(elements).chain((self.writes.len() > 1).then_some(index)).collect();
        Ok(Fanned { rows, columns })
    }
}
