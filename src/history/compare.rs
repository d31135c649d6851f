//! The difference of two tables: rows and cells, in time proportional to the row groups that differ.

use crate::exec::{Context, Stop};
use crate::expr::{Value, value_at};
use crate::hash::Hash;
use crate::table::{ColumnRef, RowGroup, Table, row_hashes};
use arrow_array::{Array, ArrayRef};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What differs between two tables.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct TableDiff {
    pub columns_added: Vec<String>,
    pub columns_removed: Vec<String>,
    /// What rows were matched by, and the columns of both tables: the names of the values below.
    pub key: Vec<String>,
    pub old_columns: Vec<String>,
    pub new_columns: Vec<String>,
    pub rows_added: u64,
    pub rows_removed: u64,
    pub rows_changed: u64,
    /// How many cells changed, by column.
    pub cells_changed: Vec<(String, u64)>,
    /// Where the first of them are, counted from 0: added and changed rows in the newer table, removed ones in the older.
    pub added_at: Vec<u64>,
    pub removed_at: Vec<u64>,
    pub changed_at: Vec<u64>,
    /// The first of the added rows: their values in the order of the newer table's columns.
    pub added: Vec<Vec<Value>>,
    /// The first of the removed rows, in the order of the older table's columns.
    pub removed: Vec<Vec<Value>>,
    /// The first of the changed rows.
    pub changed: Vec<ChangedRow>,
    /// Row groups that had to be read, of both tables.
    pub groups_read: u64,
}

/// A row that both tables have, with other values.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ChangedRow {
    /// The values of the key.
    pub key: Vec<Value>,
    pub cells: Vec<Cell>,
}

/// A value that changed.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Cell {
    pub column: String,
    pub old: Value,
    pub new: Value,
}

impl TableDiff {
    /// Returns whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.rows_added + self.rows_removed + self.rows_changed == 0
            && self.columns_added.is_empty()
            && self.columns_removed.is_empty()
    }
}

/// A row group of one of the tables, with the common columns only.
struct Side<'a> {
    group: &'a RowGroup,
    /// The position of its first row.
    start: u64,
    hashes: Vec<Hash>,
}

/// Compares `old` with `new`, by the columns that both have and the newer table's key; keeps up to `samples` rows of each kind.
pub fn diff_tables(context: &Context, old: &Table, new: &Table, samples: usize) -> Result<TableDiff, Stop> {
    let common: Vec<(&str, usize, usize)> = new
        .schema
        .names()
        .enumerate()
        .filter_map(|(at, name)| Some((name, old.schema.index(name)?, at)))
        .filter(|(_, before, after)| old.schema.0[*before].ty == new.schema.0[*after].ty)
        .collect();
    let is_common = |name: &str| common.iter().any(|(other, ..)| *other == name);
    let mut diff = TableDiff {
        columns_added: new.schema.names().filter(|name| !is_common(name)).map(str::to_owned).collect(),
        columns_removed: old.schema.names().filter(|name| !is_common(name)).map(str::to_owned).collect(),
        old_columns: old.schema.names().map(str::to_owned).collect(),
        new_columns: new.schema.names().map(str::to_owned).collect(),
        ..TableDiff::default()
    };
    let keyed = !new.key.is_empty() && new.key.iter().all(|name| is_common(name));
    let key: Vec<&str> = if keyed {
        new.key.iter().map(String::as_str).collect()
    } else {
        common.iter().map(|(name, ..)| *name).collect()
    };

    diff.key = key.iter().map(|name| (*name).to_owned()).collect();
    // Groups whose common columns are the same chunks are equal without a look at them.
    let refs = |group: &RowGroup, newer: bool| -> (u32, Vec<ColumnRef>) {
        let at = |(_, before, after): &(&str, usize, usize)| group.columns[if newer { *after } else { *before }];
        (group.rows, common.iter().map(at).collect())
    };
    let mut unmatched: HashMap<(u32, Vec<ColumnRef>), u32> = HashMap::new();
    for group in &old.groups {
        *unmatched.entry(refs(group, false)).or_default() += 1;
    }
    let mut newer: Vec<(u64, &Arc<RowGroup>)> = Vec::new();
    for (start, group) in starts(new) {
        match unmatched.get_mut(&refs(group, true)) {
            Some(count) if *count > 0 => *count -= 1,
            _ => newer.push((start, group)),
        }
    }
    let mut older: Vec<(u64, &Arc<RowGroup>)> = Vec::new();
    for (start, group) in starts(old).into_iter().rev() {
        if let Some(count) = unmatched.get_mut(&refs(group, false)).filter(|count| **count > 0) {
            *count -= 1;
            older.push((start, group));
        }
    }
    older.reverse();
    diff.groups_read = (older.len() + newer.len()) as u64;

    let side = |table: &Table, (start, group)| -> Result<Side, Stop> {
        let group: &Arc<RowGroup> = group;
        let columns = columns(context, table, group, &key)?;
        Ok(Side { group, start, hashes: row_hashes(&columns, group.rows as usize) })
    };
    let older = older.into_iter().map(|group| side(old, group)).collect::<Result<Vec<Side>, Stop>>()?;
    let newer = newer.into_iter().map(|group| side(new, group)).collect::<Result<Vec<Side>, Stop>>()?;

    // Rows of equal keys are matched in the order in which they come.
    let mut waiting: HashMap<Hash, Vec<(usize, usize)>> = HashMap::new();
    for (at, side) in older.iter().enumerate().rev() {
        for (row, hash) in side.hashes.iter().enumerate().rev() {
            waiting.entry(*hash).or_default().push((at, row));
        }
    }
    let mut cells: Vec<u64> = vec![0; common.len()];
    let mut matched: HashSet<(usize, usize)> = HashSet::new();
    for side in &newer {
        // Of one newer row group, and of the older ones that its rows were in; none is kept for the next.
        let mut loaded: HashMap<ColumnRef, ArrayRef> = HashMap::new();
        let mut read = |at: ColumnRef| -> Result<ArrayRef, Stop> {
            if let Some(column) = loaded.get(&at) {
                return Ok(column.clone());
            }
            let column = context.column(at)?;
            loaded.insert(at, column.clone());
            Ok(column)
        };
        for (row, hash) in side.hashes.iter().enumerate() {
            let Some((old_at, old_row)) = waiting.get_mut(hash).and_then(Vec::pop) else {
                diff.rows_added += 1;
                if diff.added.len() < samples {
                    diff.added_at.push(side.start + row as u64);
                    diff.added.push(values(context, new, side.group, row)?);
                }
                continue;
            };
            matched.insert((old_at, old_row));
            let (before, after) = (older[old_at].group, side.group);
            let mut changed = Vec::new();
            for (i, (name, old_index, new_index)) in common.iter().enumerate() {
                if before.columns[*old_index] == after.columns[*new_index] && old_row == row {
                    continue;
                }
                let (was, is) = (read(before.columns[*old_index])?, read(after.columns[*new_index])?);
                if was.slice(old_row, 1).to_data() != is.slice(row, 1).to_data() {
                    cells[i] += 1;
                    if diff.changed.len() < samples {
                        changed.push(Cell {
                            column: (*name).to_owned(),
                            old: value_at(&was, old_row),
                            new: value_at(&is, row),
                        });
                    } else {
                        changed.push(Cell { column: String::new(), old: Value::Null, new: Value::Null });
                    }
                }
            }
            if !changed.is_empty() {
                diff.rows_changed += 1;
                if diff.changed.len() < samples {
                    diff.changed_at.push(side.start + row as u64);
                    let key =
                        columns(context, new, side.group, &key)?.iter().map(|column| value_at(column, row)).collect();
                    diff.changed.push(ChangedRow { key, cells: changed });
                }
            }
        }
    }
    for (at, side) in older.iter().enumerate() {
        for row in 0..side.hashes.len() {
            if !matched.contains(&(at, row)) {
                diff.rows_removed += 1;
                if diff.removed.len() < samples {
                    diff.removed_at.push(side.start + row as u64);
                    diff.removed.push(values(context, old, side.group, row)?);
                }
            }
        }
    }
    let counted = common.iter().zip(cells).filter(|(_, count)| *count > 0);
    diff.cells_changed = counted.map(|((name, ..), count)| ((*name).to_owned(), count)).collect();
    Ok(diff)
}

/// Returns the row groups of a table, each with the position of its first row.
fn starts(table: &Table) -> Vec<(u64, &Arc<RowGroup>)> {
    let mut next = 0;
    let mut groups = Vec::with_capacity(table.groups.len());
    for group in &table.groups {
        groups.push((next, group));
        next += u64::from(group.rows);
    }
    groups
}

fn columns(context: &Context, table: &Table, group: &RowGroup, names: &[&str]) -> Result<Vec<ArrayRef>, Stop> {
    let at = |name: &&str| table.schema.index(name).expect("the name is one of the table's");
    names.iter().map(|name| context.column(group.columns[at(name)])).collect()
}

fn values(context: &Context, table: &Table, group: &RowGroup, row: usize) -> Result<Vec<Value>, Stop> {
    let names: Vec<&str> = table.schema.names().collect();
    Ok(columns(context, table, group, &names)?.iter().map(|column| value_at(column, row)).collect())
}
