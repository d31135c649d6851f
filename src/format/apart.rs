//! Rows of a file of columns that cannot be read: found in a batch that was refused, and left out of it.

use super::arrow_types::to_table;
use super::{BadRow, ParseError, Problem, Types};
use crate::table::{Batch, failing_alone};
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_cast::display::{ArrayFormatter, FormatOptions};

/// Characters of a value and of a row that are shown.
const SHOWN: (usize, usize) = (80, 500);

/// Converts the columns of a batch to those of a table.
pub(super) fn convert(names: &[&str], rows: usize, columns: &[ArrayRef], types: &Types) -> Result<Batch, Problem> {
    each(names, rows, columns, types).map_err(|(_, problem)| problem)
}

/// Converts a batch as [`convert`] does, without the rows that cannot be converted for themselves. Before it come `before` rows.
///
/// # Errors
/// The refusal, if it is not for single rows.
pub(super) fn convert_rows(
    names: &[&str],
    rows: usize,
    columns: &[ArrayRef],
    types: &Types,
    before: u64,
) -> Result<(Batch, Vec<BadRow>), Problem> {
    let (at, problem) = match each(names, rows, columns, types) {
        Ok(batch) => return Ok((batch, Vec::new())),
        Err(refusal) => refusal,
    };
    let all = u32::try_from(rows).unwrap_or(u32::MAX);
    // What is not taken is not there, inside of lists too.
    let fails = |rows: std::ops::Range<u32>| {
        let n = rows.len();
        match taken(columns, rows) {
            Some(columns) => each(names, n, &columns, types).err(),
            None => Some((at, problem.clone())),
        }
    };
    let bad = failing_alone(all, (at, problem.clone()), fails);
    let is_bad = |row: &u32| bad.binary_search_by_key(row, |(row, _)| *row).is_ok();
    let good: Vec<u32> = (0..all).filter(|row| !is_bad(row)).collect();
    let n = good.len();
    let rest = taken(columns, good).filter(|_| !bad.is_empty()).ok_or(problem)?;
    let batch = convert(names, n, &rest, types)?;
    let bad = bad.into_iter().map(|(row, (at, problem))| {
        let row = row as usize;
        let value = |at: usize, most| shown(&columns[at], row, most);
        let all: Vec<String> = (0..names.len()).map(|at| format!("{}: {}", names[at], value(at, SHOWN.1))).collect();
        let line = usize::try_from(before).unwrap_or(usize::MAX).saturating_add(row + 1);
        let error = ParseError { help: problem.help, ..ParseError::new(line, at + 1, problem.title) };
        BadRow { error, text: cut(&all.join(", "), SHOWN.1), near: value(at, SHOWN.0), caret: 0 }
    });
    Ok((batch, bad.collect()))
}

/// Converts column by column; what cannot be is returned with the position of its column.
fn each(names: &[&str], rows: usize, columns: &[ArrayRef], types: &Types) -> Result<Batch, (usize, Problem)> {
    let one = |(at, (name, array)): (usize, (&&str, &ArrayRef))| {
        let column = to_table(name, array, types.get(*name)).map_err(|problem| (at, problem))?;
        Ok(((*name).to_owned(), column))
    };
    Ok(Batch { rows, columns: names.iter().zip(columns).enumerate().map(one).collect::<Result<_, _>>()? })
}

/// Picks rows; none if that cannot be done with a column of this kind.
fn taken(columns: &[ArrayRef], rows: impl IntoIterator<Item = u32>) -> Option<Vec<ArrayRef>> {
    let rows: UInt32Array = rows.into_iter().map(Some).collect();
    columns.iter().map(|column| arrow_select::take::take(column, &rows, None).ok()).collect()
}

/// Writes a value as Arrow has it, in one line.
fn shown(column: &ArrayRef, row: usize, most: usize) -> String {
    if column.is_null(row) {
        return "null".to_owned();
    }
    let options = FormatOptions::default();
    let text = ArrayFormatter::try_new(column, &options).ok().and_then(|cells| cells.value(row).try_to_string().ok());
    cut(&text.unwrap_or_default().replace(char::is_control, " "), most)
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
