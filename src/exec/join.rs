//! A row group joined with another table: the keys of the other table as hashes, matches by them, and what is taken of the rows
//! that match.
//!
//! Three kinds of action. *Keys*: hashes, row by row, of both tables. *Matches*: of one row group's hashes and all hashes of the
//! other table, which rows they are; what is taken is not read. *Gathered*: of the rows that are needed of each row group of the
//! other table, one column. So a column that is not taken does nothing, and one that is taken does not match anew.

use super::context::Stop;
use super::fan::{Piece, ranges};
use super::refer::of;
use super::stage::Flow;
use super::too_many::grouped;
use crate::diag::{Diagnostic, Span};
use crate::graph::{Join, Stage};
use crate::hash::{Hash, KeyWriter};
use crate::op::{self, Fanned, Matches, Places, TooMany};
use crate::table::{Batch, ColumnRef, RowGroup, Schema, Table, Take};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array, new_empty_array, new_null_array};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// The rows that a row group may become in a join. Their takes are all in memory at once: 8 bytes for each row.
const MOST: u64 = 4_000_000;

/// The other table as the hashes of its keys.
pub(super) struct Joined {
    table: Arc<Table>,
    /// The halves of the hashes, by row group.
    keys: Vec<[Hash; 2]>,
    /// Of all of them.
    key: Hash,
    /// Where each chunk of halves is: equal ones are several row groups, in order.
    groups: HashMap<[Hash; 2], Vec<usize>>,
    places: OnceLock<Places>,
}

/// Rows that are needed of a row group of the other table.
struct Needed {
    group: usize,
    take: Hash,
}

impl Flow<'_> {
    /// Makes the keys of the tables that stages join with, on all threads.
    pub(super) fn begin_joins(&self, stages: &[Stage]) -> Result<(), Stop> {
        for stage in stages {
            if let Stage::Fan { fan: crate::graph::Fan::Join(join), .. } = stage {
                self.joined(join, true)?;
            }
        }
        Ok(())
    }

    /// Returns the other table of a join.
    fn joined(&self, join: &Join, at_once: bool) -> Result<Arc<Joined>, Stop> {
        let name = (join.input, join.their.op.reads().to_vec());
        // No thread waits for another with this lock held: each may be in the middle of work of all threads.
        if let Some(joined) = self.others.joined.lock().expect("no thread panics with this lock").get(&name) {
            return Ok(joined.clone());
        }
        let table = self.others.tables[join.input].as_ref().expect("rows go ahead only where other inputs are known");
        let table = self.context.table(table)?;
        let one = |flow: Flow, group: &RowGroup| {
            let chunks = flow.column_of(&join.their, &table.schema, group)?;
            Ok([chunks[0], chunks[1]])
        };
        let keys: Vec<[Hash; 2]> = match at_once {
            true => self.each(&table.groups, |flow, group| one(flow, group))?,
            false => table.groups.iter().map(|group| one(*self, group)).collect::<Result<_, Stop>>()?,
        };
        let mut key = KeyWriter::new("joined", 1);
        let mut groups: HashMap<[Hash; 2], Vec<usize>> = HashMap::new();
        for (at, pair) in keys.iter().enumerate() {
            key.hash("high", pair[0]).hash("low", pair[1]);
            groups.entry(*pair).or_default().push(at);
        }
        let joined = Arc::new(Joined { table, keys, key: key.finish(), groups, places: OnceLock::new() });
        // Whoever was first has it; they are alike.
        let mut all = self.others.joined.lock().expect("no thread panics with this lock");
        Ok(all.entry(name).or_insert(joined).clone())
    }

    /// Returns where each key of the other table is.
    fn places<'j>(&self, joined: &'j Joined, span: &Span) -> Result<&'j Places, Stop> {
        if let Some(places) = joined.places.get() {
            return Ok(places);
        }
        let rows = joined.table.rows();
        if rows > u64::from(u32::MAX) {
            let title = format!(
                "`{}` joins with a table of {} rows, more than {}",
                self.node,
                grouped(rows),
                grouped(u32::MAX.into())
            );
            return Err(Diagnostic::error("too-many-rows", title).at(span, "joined here").into());
        }
        // One thread does it, and the others wait.
        let _alone = self.others.placing.lock().expect("no thread panics with this lock");
        if let Some(places) = joined.places.get() {
            return Ok(places);
        }
        let mut places = Places::for_rows(rows as usize);
        for pair in &joined.keys {
            places.add(&self.halves(pair[0])?, &self.halves(pair[1])?);
        }
        places.sort();
        Ok(joined.places.get_or_init(|| places))
    }

    fn halves(&self, chunk: Hash) -> Result<Int64Array, Stop> {
        let column = self.context.column(chunk)?;
        column.as_primitive_opt::<Int64Type>().cloned().ok_or(Stop::Missing(chunk))
    }

    /// Joins a row group.
    pub(super) fn join(
        &self,
        join: &Join,
        span: &Span,
        schema: &Schema,
        group: &Arc<RowGroup>,
    ) -> Result<Vec<Piece>, Stop> {
        let own = self.column_of(&join.own, schema, group)?;
        let joined = self.joined(join, false)?;
        let most = self.context.limits.max as usize;
        let mut key = op::key("join");
        key.text("kind", join.kind.word()).int("most", most as i64);
        key.hash("high", own[0]).hash("low", own[1]).hash("other", joined.key);
        // Of each piece which rows, and with what; then an empty take, as no piece is; then what is needed of the other table.
        let outputs = self.action(key.finish(), || {
            let places = self.places(&joined, span)?;
            let matches = Matches::find(join.kind, &self.halves(own[0])?, &self.halves(own[1])?, places, MOST);
            let matches = matches.map_err(|too_many| self.explodes(join, span, schema, group, too_many))?;
            let mut outputs = Vec::new();
            let there = matches.needed();
            let null = matches.with.iter().any(|at| *at as usize == there);
            let put = |rows: usize, picked: &[u32]| self.context.put_take(&Take::new(rows, picked.to_vec()));
            for range in ranges(matches.rows.len(), most) {
                outputs.push(put(group.rows as usize, &matches.rows[range.clone()])?);
                if join.kind.takes() {
                    outputs.push(put(there + usize::from(null), &matches.with[range])?);
                }
            }
            if join.kind.takes() {
                outputs.push(put(0, &[])?);
                for (at, rows) in &matches.taken {
                    let [high, low] = joined.keys[*at];
                    let of = joined.table.groups[*at].rows as usize;
                    outputs.extend([high, low, put(of, rows)?]);
                }
            }
            Ok(outputs)
        })?;
        if !join.kind.takes() {
            return outputs.iter().map(|take| Ok(Piece { take: self.context.take(*take)?, columns: vec![] })).collect();
        }
        let end = Hash::of(&Take::new(0, Vec::new()).encode());
        let at = (0..outputs.len()).step_by(2).find(|at| outputs[*at] == end).ok_or(Stop::Missing(end))?;
        let needed = needed(&joined, &outputs[at + 1..]).ok_or(Stop::Missing(end))?;
        let mut pieces = Vec::with_capacity(at / 2);
        let mut columns: Option<Vec<Hash>> = None;
        for piece in outputs[..at].chunks_exact(2) {
            let (take, with) = (self.context.take(piece[0])?, self.context.take(piece[1])?);
            if take.is_empty() {
                continue;
            }
            let columns = match &columns {
                Some(columns) => columns,
                None => columns.insert(self.gathered(join, &joined, &needed, with.source_rows())?),
            };
            let with = if with.is_identity() { None } else { Some(piece[1]) };
            let columns = columns.iter().map(|chunk| ColumnRef { chunk: *chunk, take: with }).collect();
            pieces.push(Piece { take, columns });
        }
        Ok(pieces)
    }

    /// Gathers what is taken of the rows that are needed, `rows` in all; where that is one more than there are, the last is null.
    fn gathered(&self, join: &Join, joined: &Joined, needed: &[Needed], rows: usize) -> Result<Vec<Hash>, Stop> {
        let table = &joined.table;
        let mut chunks = Vec::with_capacity(join.columns.len());
        for (name, field) in &join.columns {
            let at = table.schema.index(name).expect("binding checked the columns");
            let mut key = op::key("gather");
            key.int("rows", rows as i64).text("type", &field.ty.to_string());
            for Needed { group, take } in needed {
                let column = table.groups[*group].columns[at];
                key.hash("chunk", column.chunk).maybe("take", column.take).hash("rows", *take);
            }
            let outputs = self.action(key.finish(), || {
                let parts = needed.iter().map(|Needed { group, take }| {
                    let take = self.context.take(*take)?;
                    Ok((table.groups[*group].columns[at], take.indices().to_vec()))
                });
                let parts = parts.collect::<Result<Vec<_>, Stop>>()?;
                Ok(vec![self.context.put_column(&self.gather(&parts, field, rows)?)?])
            })?;
            chunks.push(outputs[0]);
        }
        Ok(chunks)
    }

    /// Picks rows of several chunks into one column of `rows` rows; what is missing is null.
    fn gather(
        &self,
        parts: &[(ColumnRef, Vec<u32>)],
        field: &crate::table::Field,
        rows: usize,
    ) -> Result<ArrayRef, Stop> {
        let mut picked: Vec<ArrayRef> = Vec::with_capacity(parts.len() + 1);
        for (column, rows) in parts {
            let column = self.context.column(*column)?;
            let positions = UInt32Array::from(rows.clone());
            picked.push(arrow_select::take::take(&column, &positions, None).map_err(|_| self.too_large(field))?);
        }
        let there: usize = picked.iter().map(|part| part.len()).sum();
        if there < rows {
            picked.push(new_null_array(&field.ty.arrow(), rows - there));
        }
        if picked.is_empty() {
            return Ok(new_empty_array(&field.ty.arrow()));
        }
        let parts: Vec<&dyn Array> = picked.iter().map(AsRef::as_ref).collect();
        arrow_select::concat::concat(&parts).map_err(|_| self.too_large(field))
    }

    fn too_large(&self, field: &crate::table::Field) -> Stop {
        let title = format!("`{}` takes more of `{}` than a column of a row group holds", self.node, field.name);
        Diagnostic::error("too-large", title).help("leave this column out of the join's `columns`").into()
    }

    /// Says that the rows of a group would become too many.
    fn explodes(&self, join: &Join, span: &Span, schema: &Schema, group: &RowGroup, too_many: TooMany) -> Stop {
        let TooMany { row, matches, total } = too_many;
        let [rows, total, most, matches] = [u64::from(group.rows), total, MOST, matches as u64].map(grouped);
        let title = format!("{rows} rows of `{}` would become {total} by a join, more than {most}", self.node);
        let mut problem = Diagnostic::error("too-many-rows", title).at(span, "joined here");
        for (name, column) in join.own.op.reads().iter().zip(of(schema, group, join.own.op.reads())) {
            match self.context.column(column) {
                Ok(column) => {
                    let value: String = crate::expr::value_at(&column, row).to_string().chars().take(200).collect();
                    problem =
                        problem.note(format!("`{name}` is {value} in one of them, which alone matches {matches} rows"));
                }
                Err(stop) => return stop,
            }
        }
        problem
            .help("join by more columns, or `dedup` the other dataset by its key first")
            .help("to keep rows that have any match, `kind = \"semi\"`")
            .into()
    }

    /// Joins rows in memory.
    pub(super) fn join_rows(&self, join: &Join, batch: &Batch) -> Result<Option<Fanned>, Stop> {
        let Ok(own) = join.own.op.run(batch) else { return Ok(None) };
        let joined = self.joined(join, false)?;
        let (high, low) = (own[0].as_primitive::<Int64Type>(), own[1].as_primitive::<Int64Type>());
        let places = self.places(&joined, &join.own.span)?;
        let Ok(matches) = Matches::find(join.kind, high, low, places, MOST) else { return Ok(None) };
        let there = matches.needed();
        let rows = there + usize::from(matches.with.iter().any(|at| *at as usize == there));
        let with = UInt32Array::from(matches.with);
        let mut columns = Vec::with_capacity(join.columns.len());
        for (name, field) in &join.columns {
            let at = joined.table.schema.index(name).expect("binding checked the columns");
            let parts =
                matches.taken.iter().map(|(group, rows)| (joined.table.groups[*group].columns[at], rows.clone()));
            let picked = self.gather(&parts.collect::<Vec<_>>(), field, rows)?;
            columns.push(arrow_select::take::take(&picked, &with, None).map_err(|_| self.too_large(field))?);
        }
        Ok(Some(Fanned { rows: matches.rows, columns }))
    }
}

/// Reads which rows are needed of the other table. A row group is named by its keys, so that one that comes or goes before it
/// changes nothing; those that have the same keys all match, so they come in their order.
fn needed(joined: &Joined, outputs: &[Hash]) -> Option<Vec<Needed>> {
    let mut seen: HashMap<[Hash; 2], usize> = HashMap::new();
    let one = |part: &[Hash]| {
        let nth = seen.entry([part[0], part[1]]).or_default();
        let group = *joined.groups.get(&[part[0], part[1]])?.get(*nth)?;
        *nth += 1;
        Some(Needed { group, take: part[2] })
    };
    outputs.chunks_exact(3).map(one).collect()
}
