//! The identity of a row as a number: a hash of the values that identify it.

use super::{RowOp, columns, write_count};
use crate::hash::KeyWriter;
use crate::table::{Batch, RowError, Type, row_hashes};
use arrow_array::{ArrayRef, Int64Array};
use std::sync::Arc;

/// Makes one int column: the first 8 bytes of BLAKE3 over the values of some columns.
pub struct Identity {
    columns: Vec<String>,
}

/// Returns the op that makes the identity of each row from the values of `columns`.
pub fn row_identity(columns: Vec<String>) -> Identity {
    Identity { columns }
}

/// Returns the identity of each row; rows with equal values in `names` have equal ones.
pub(super) fn identities(input: &Batch, names: &[String]) -> Result<impl Iterator<Item = i64> + use<>, RowError> {
    let hashes = row_hashes(&columns(input, names)?, input.rows);
    Ok(hashes.into_iter().map(|hash| hash.head() as i64))
}

impl RowOp for Identity {
    fn write_key(&self, key: &mut KeyWriter) {
        write_count(key, &self.columns);
    }

    fn name(&self) -> &'static str {
        "identity"
    }

    fn reads(&self) -> &[String] {
        &self.columns
    }

    fn writes(&self) -> &[Type] {
        &[Type::Int]
    }

    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError> {
        Ok(vec![Arc::new(Int64Array::from_iter_values(identities(input, &self.columns)?))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::StringArray;

    #[test]
    fn rows_with_equal_values_have_equal_identities_and_others_do_not() {
        let id: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("b"), None, Some("a")]));
        let other: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
        let input = Batch { rows: 4, columns: vec![("other".into(), other), ("id".into(), id)] };
        let out: Vec<i64> = identities(&input, &["id".into()]).unwrap().collect();
        assert_eq!(out[0], out[3]);
        assert_ne!(out[0], out[1]);
        assert_ne!(out[1], out[2]);
    }

    #[test]
    fn an_absent_column_is_an_error_that_names_it() {
        let error = row_identity(vec!["id".into()]).run(&Batch::default()).unwrap_err();
        assert_eq!(error.message, "there is no column `id`");
    }
}
