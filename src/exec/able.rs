//! Ops over rows of which some cannot be computed: those fail alone, and the others have their values.

use super::context::Stop;
use super::failure::RowFailure;
use super::stage::Flow;
use crate::diag::Span;
use crate::expr::value_at;
use crate::hash::{Hash, Key};
use crate::op;
use crate::table::{Batch, RowError, Take, Type, failing_alone};
use arrow_array::{Array, ArrayRef, UInt32Array, new_null_array};

/// What an op made of a row group.
pub(super) struct Made {
    /// One chunk for each column, null where a row failed.
    pub chunks: Vec<Hash>,
    pub failed: Option<Failing>,
}

/// The rows of a group that failed.
pub(super) struct Failing {
    /// The rows that did not, and the blob of this take.
    pub keep: Take,
    pub keep_at: Hash,
    /// Why the others failed, in their order.
    pub failures: Hash,
}

/// Columns with all rows, null where a row cannot be computed, and why each of those cannot.
pub(super) type Able = (Vec<ArrayRef>, Vec<RowError>);

/// An action of an op on a row group.
pub(super) struct Action<'a> {
    pub key: Key,
    /// What the columns are for: one of them, a filter, a step.
    pub of: &'a str,
    pub span: &'a Span,
    pub writes: Vec<&'a Type>,
}

impl Flow<'_> {
    /// Returns what an op makes of the rows that `load` loads. Which rows fail is remembered with the columns, so nothing is run
    /// to know it again.
    pub(super) fn made(
        &self,
        action: Action,
        load: impl FnOnce() -> Result<Batch, Stop>,
        run: impl Fn(&Batch) -> Result<Vec<ArrayRef>, RowError>,
    ) -> Result<Made, Stop> {
        let Action { key, of, span, writes } = action;
        let outputs = self.action(key, || {
            let batch = load()?;
            let (columns, failed) =
                able(&batch, &writes, run).map_err(|error| self.uncomputable("a row", span, &batch, error))?;
            let mut outputs =
                columns.iter().map(|column| self.context.put_column(column)).collect::<Result<Vec<_>, Stop>>()?;
            if !failed.is_empty() {
                let keep = rest(batch.rows, &failed);
                outputs.push(self.context.put_take(&keep)?);
                let failures = failed.into_iter().map(RowFailure::of_error);
                outputs.push(self.context.put_column(&RowFailure::column(failures.collect()))?);
            }
            Ok(outputs)
        })?;
        let (chunks, failed) = outputs.split_at(writes.len().min(outputs.len()));
        let failed = match failed {
            [] => None,
            [keep, failures] => {
                let failures = self.named(*failures, of)?;
                Some(Failing { keep: self.context.take(*keep)?, keep_at: *keep, failures })
            }
            _ => unreachable!("an op has its columns, and those of failed rows"),
        };
        Ok(Made { chunks: chunks.to_vec(), failed })
    }

    /// Says of failures what has no value. The op that found them does not know: it is one action, whatever its columns are called.
    pub(super) fn named(&self, failures: Hash, of: &str) -> Result<Hash, Stop> {
        let key = op::key("name-failures").hash("failures", failures).text("of", of).finish();
        let outputs = self.action(key, || {
            let column = self.context.column(failures)?;
            let named = (0..column.len()).map(|row| {
                let failure = RowFailure::of_value(&value_at(&column, row)).ok_or(Stop::Missing(failures))?;
                Ok(RowFailure { of: Some(of.to_owned()), ..failure })
            });
            let named = RowFailure::column(named.collect::<Result<_, Stop>>()?);
            Ok(vec![self.context.put_column(&named)?])
        })?;
        Ok(outputs[0])
    }

    /// Puts together which rows of a group failed at several ops: why, says the first of them at which a row did.
    pub(super) fn any_failed(&self, rows: u32, failed: Vec<Failing>) -> Result<Option<Failing>, Stop> {
        if failed.len() < 2 {
            return Ok(failed.into_iter().next());
        }
        let mut key = op::key("failed");
        failed.iter().for_each(|one| _ = key.hash("keep", one.keep_at).hash("failures", one.failures));
        let outputs = self.action(key.finish(), || {
            let places: Vec<Vec<Option<usize>>> = failed.iter().map(|one| places(&one.keep)).collect();
            let first = |row: usize| (0..places.len()).find_map(|at| Some((at, places[at][row]?)));
            let first: Vec<Option<(usize, usize)>> = (0..rows as usize).map(first).collect();
            let keep = Take::of_mask(first.iter().map(Option::is_none));
            let failures = self.picked(&failed, &first.into_iter().flatten().collect::<Vec<_>>())?;
            Ok(vec![self.context.put_take(&keep)?, failures])
        })?;
        Ok(Some(Failing { keep: self.context.take(outputs[0])?, keep_at: outputs[0], failures: outputs[1] }))
    }

    /// Writes the failures at some places: of which op, and the position among its failures.
    pub(super) fn picked(&self, failed: &[Failing], at: &[(usize, usize)]) -> Result<Hash, Stop> {
        let columns = failed.iter().map(|one| self.context.column(one.failures));
        let columns: Vec<ArrayRef> = columns.collect::<Result<_, Stop>>()?;
        let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
        let picked = arrow_select::interleave::interleave(&columns, at).expect("they are all failures");
        self.context.put_column(&picked)
    }
}

/// Returns for each row its position among those that are not kept.
pub(super) fn places(keep: &Take) -> Vec<Option<usize>> {
    let mut places = vec![None; keep.source_rows()];
    keep.complement().indices().iter().enumerate().for_each(|(at, row)| places[*row as usize] = Some(at));
    places
}

/// Returns the rows that are not among those that failed.
pub(super) fn rest(rows: usize, failed: &[RowError]) -> Take {
    let mut keep = vec![true; rows];
    failed.iter().for_each(|error| keep[error.row] = false);
    Take::of_mask(keep.into_iter())
}

/// Runs an op; returns its columns, null where a row cannot be computed, and why each of those cannot.
///
/// # Errors
/// What is no single row's fault: of another table, or of the size of a column.
pub(super) fn able(
    batch: &Batch,
    writes: &[&Type],
    run: impl Fn(&Batch) -> Result<Vec<ArrayRef>, RowError>,
) -> Result<Able, RowError> {
    let failed = match run(batch) {
        Ok(columns) => return Ok((columns, Vec::new())),
        Err(error) => unable(batch, error, |batch| run(batch).map(drop))?,
    };
    let keep = rest(batch.rows, &failed);
    if keep.is_empty() {
        return Ok((writes.iter().map(|ty| new_null_array(&ty.arrow(), batch.rows)).collect(), failed));
    }
    let columns = run(&batch.take(keep.indices().to_vec()))?;
    let mut at = vec![None; batch.rows];
    keep.indices().iter().enumerate().for_each(|(from, row)| at[*row as usize] = Some(from as u32));
    let at = UInt32Array::from(at);
    let spread = |column: &ArrayRef| arrow_select::take::take(column, &at, None).expect("the rows are there");
    Ok((columns.iter().map(spread).collect(), failed))
}

/// Finds all rows that cannot be computed, where an op said that it cannot do a batch.
///
/// # Errors
/// If it is no single row's fault.
pub(super) fn unable(
    batch: &Batch,
    error: RowError,
    run: impl Fn(&Batch) -> Result<(), RowError>,
) -> Result<Vec<RowError>, RowError> {
    if error.row == usize::MAX {
        return Err(error);
    }
    let fails = |rows: std::ops::Range<u32>| run(&batch.take(rows.collect())).err();
    let failed = failing_alone(batch.rows as u32, error.clone(), fails);
    let failed: Vec<RowError> =
        failed.into_iter().map(|(row, error)| RowError { row: row as usize, ..error }).collect();
    if failed.is_empty() { Err(error) } else { Ok(failed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Int64Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// Negates numbers, but not those past 100; and not more than `most` at once.
    fn negate(batch: &Batch, most: usize) -> Result<Vec<ArrayRef>, RowError> {
        let numbers = batch.columns[0].1.as_primitive::<Int64Type>();
        let wrong = |row, message: &str| RowError { row, message: message.to_owned(), help: None };
        if let Some(row) = numbers.iter().position(|n| n > Some(100)) {
            return Err(wrong(row, &format!("{} is too much", numbers.value(row))));
        }
        if numbers.len() > most {
            return Err(wrong(0, "they are too many"));
        }
        Ok(vec![Arc::new(numbers.unary::<_, Int64Type>(|n| -n))])
    }

    fn batch(numbers: &[i64]) -> Batch {
        let column: ArrayRef = Arc::new(Int64Array::from(numbers.to_vec()));
        Batch { rows: numbers.len(), columns: vec![("n".to_owned(), column)] }
    }

    proptest! {
        #[test]
        fn rows_that_cannot_be_computed_fail_alone_and_the_others_have_their_values(numbers in proptest::collection::vec(0..130i64, 0..40)) {
            let (columns, failed) = able(&batch(&numbers), &[&Type::Int], |batch| negate(batch, 100)).unwrap();
            let expect: Vec<Option<i64>> = numbers.iter().map(|n| (*n <= 100).then_some(-n)).collect();
            prop_assert_eq!(columns[0].as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), expect);
            let expect: Vec<(usize, String)> = (0..).zip(&numbers).filter(|(_, n)| **n > 100).map(|(row, n)| (row, format!("{n} is too much"))).collect();
            prop_assert_eq!(failed.into_iter().map(|error| (error.row, error.message)).collect::<Vec<_>>(), expect);
        }
    }

    #[test]
    fn what_is_no_single_rows_fault_is_an_error_of_all() {
        let error = able(&batch(&[1, 2, 3]), &[&Type::Int], |batch| negate(batch, 2)).unwrap_err();
        assert_eq!(error.message, "they are too many");
        let error = able(&batch(&[1, 200, 3, 4]), &[&Type::Int], |batch| negate(batch, 2)).unwrap_err();
        assert_eq!(error.message, "they are too many");
    }

    #[test]
    fn one_row_among_many_is_found_with_few_runs() {
        let mut numbers = vec![1; 4096];
        numbers[1234] = 101;
        let runs = std::cell::Cell::new(0);
        let counted = |batch: &Batch| {
            runs.set(runs.get() + 1);
            negate(batch, usize::MAX)
        };
        assert_eq!(able(&batch(&numbers), &[&Type::Int], counted).unwrap().1.len(), 1);
        assert!(runs.get() <= 26, "{}", runs.get());
    }
}
