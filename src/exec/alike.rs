//! Rows that are alike: which row of each cluster is kept, and what is told of it beside those that go.

use super::context::Stop;
use super::kept::Kept;
use super::stage::Flow;
use super::too_many::grouped;
use super::whole::{Decided, Other, column_into};
use crate::diag::Diagnostic;
use crate::expr::value_at;
use crate::graph::Against;
use crate::hash::Hash;
use crate::op::{self, Alike, Banded, Banding, Buckets, Cosine, Deduping};
use crate::table::{ColumnRef, RowGroup, Schema, Take};
use arrow_array::{ArrayRef, Int64Array, StringArray};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// How much of a row's key is told, in characters.
const MOST: usize = 120;

/// Rows of a table, as they are compared.
struct Compared<'a> {
    /// What the dataset is called; none: it is our own.
    name: Option<&'a str>,
    schema: &'a Schema,
    key: &'a [String],
    groups: &'a [Arc<RowGroup>],
}

impl Flow<'_> {
    /// Decides which rows stay of those that are alike, among themselves and with those of other datasets. `key` are the columns by which our
    /// rows are told apart.
    pub(super) fn dedup(
        &self,
        deduping: Deduping,
        against: &[Against],
        (schema, key): (&Schema, &[String]),
        groups: &[Arc<RowGroup>],
        hashes: &[Vec<ColumnRef>],
    ) -> Result<Vec<Decided>, Stop> {
        let others = self.others(against)?;
        let compared: Vec<Compared> = others
            .iter()
            .map(|Other { of, table, .. }| Compared {
                name: Some(&of.name),
                schema: &table.schema,
                key: &table.key,
                groups: &table.groups,
            })
            .chain([Compared { name: None, schema, key, groups }])
            .collect();
        let all: Vec<&Vec<ColumnRef>> = others.iter().flat_map(|other| &other.hashes).chain(hashes).collect();
        let before: u64 = others.iter().map(|other| other.table.rows()).sum();
        let rows = before + groups.iter().map(|group| u64::from(group.rows)).sum::<u64>();
        if rows > u64::from(u32::MAX) {
            let most = grouped(u32::MAX.into());
            let title = format!("`{}` compares {} rows with each other, more than {most}", self.node, grouped(rows));
            return Err(Diagnostic::error("too-many-rows", title).into());
        }
        let mut key = op::key("dedup");
        deduping.write_key(&mut key);
        key.int("others", (all.len() - hashes.len()) as i64);
        all.iter().copied().flatten().for_each(|column| column_into(&mut key, *column));
        // Of each of our groups which rows stay, and of those that go which row is kept for them.
        let outputs = self.action(key.finish(), || {
            let clusters = match deduping.alike {
                Alike::Equal => {
                    let halves: Vec<Vec<ColumnRef>> = all.iter().map(|columns| columns[..2].to_vec()).collect();
                    let halves = self.ints(&halves)?;
                    let pair = |pair: &Vec<Int64Array>| (pair[0].clone(), pair[1].clone());
                    let pairs: Vec<(Int64Array, Int64Array)> = halves.iter().map(pair).collect();
                    let pairs: Vec<(&[i64], &[i64])> =
                        pairs.iter().map(|(high, low)| (&high.values()[..], &low.values()[..])).collect();
                    op::equal(&pairs)
                }
                Alike::Nearly(banding) => self.nearly(banding, &all)?,
                Alike::Along(cosine) => self.along(cosine, &all)?,
            };
            let ranks = match deduping.best {
                true => {
                    let last = hashes.iter().map(|columns| columns[columns.len() - 1..].to_vec());
                    Some(self.ints(&last.collect::<Vec<_>>())?)
                }
                false => None,
            };
            let ranks = ranks.as_ref().map(|ranks| ranks.iter().flat_map(|group| group[0].values().iter().copied()));
            let kept = op::keep(clusters, before as usize, ranks);
            let mut outputs = Vec::with_capacity(2 * groups.len());
            let mut row = before as usize;
            for group in groups {
                let own = row..row + group.rows as usize;
                let stays = own.clone().map(|row| kept[row] as usize == row);
                outputs.push(self.context.put_take(&Take::of_mask(stays))?);
                let gone = own.filter(|row| kept[*row] as usize != *row).map(|row| i64::from(kept[row]));
                let gone: ArrayRef = Arc::new(Int64Array::from_iter_values(gone));
                outputs.push(self.context.put_column(&gone)?);
                row += group.rows as usize;
            }
            Ok(outputs)
        })?;
        let kept: Vec<[Hash; 1]> = outputs.chunks_exact(2).map(|group| [group[1]]).collect();
        let told = self.alike(&compared, &kept)?;
        let takes = outputs.iter().step_by(2).enumerate();
        Ok(takes.map(|(at, keep)| Decided { keep: *keep, told: told.get(at).copied().into_iter().collect() }).collect())
    }

    /// Returns the clusters of rows with signatures that are nearly equal.
    fn nearly(&self, banding: Banding, all: &[&Vec<ColumnRef>]) -> Result<Vec<u32>, Stop> {
        let [low, high] =
            [0, 1].map(|place| Kept::new(self.context, all.iter().map(|columns| columns[place]).collect()));
        let buckets = buckets(&low, banding.bands, |at, column| {
            let high = if banding.needs_all_bits() { Some(high.column(at)?) } else { None };
            Ok(banding.bands(column, high.as_ref()))
        })?;
        // Only signatures of rows that may be alike are needed once more, and of these half of the bits.
        let mut short = Vec::with_capacity(buckets.several() * banding.places() as usize);
        of_any(&buckets, &low, |column, rows| banding.shorten(column, rows, &mut short).ok_or(None))?;
        Ok(op::nearly(&buckets, op::MOST, |a, b| banding.are_alike(&short, a, b)))
    }

    /// Returns the clusters of rows with vectors of nearly the same direction.
    fn along(&self, cosine: Cosine, all: &[&Vec<ColumnRef>]) -> Result<Vec<u32>, Stop> {
        let [directions, of_rows] =
            [0, 1].map(|place| Kept::new(self.context, all.iter().map(|columns| columns[place]).collect()));
        let buckets = buckets(&directions, cosine.bands(), |_, column| Ok(cosine.cut(column)))?;
        let (mut vectors, mut dimensions) = (Vec::new(), 0);
        of_any(&buckets, &of_rows, |column, rows| {
            cosine.vectors(column, rows, &mut dimensions, &mut vectors).map_err(|_| {
                let title = format!("`{}` compares vectors of unlike numbers of dimensions", self.node);
                Some(Diagnostic::error("row-error", title).help("make all of them with the same model"))
            })
        })?;
        let vector = |at: usize| &vectors[at * dimensions..][..dimensions];
        Ok(op::nearly(&buckets, usize::MAX, |a, b| cosine.are_alike(vector(a), vector(b))))
    }

    /// Makes the column beside the rows of each group that go: the row that is kept for each, by its key. There are none where no row goes.
    fn alike(&self, compared: &[Compared], kept: &[[Hash; 1]]) -> Result<Vec<Hash>, Stop> {
        let kept_rows =
            self.ints(&kept.iter().map(|[chunk]| vec![ColumnRef { chunk: *chunk, take: None }]).collect::<Vec<_>>())?;
        let mut wanted: Vec<i64> = kept_rows.iter().flat_map(|group| group[0].values().iter().copied()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut key = op::key("alike");
        kept.iter().for_each(|[chunk]| _ = key.hash("kept", *chunk));
        // The row groups that have them: where the rows begin, of which dataset, and the columns of the key.
        let mut needed = Vec::new();
        let (mut start, mut rest) = (0, &wanted[..]);
        for one in compared {
            for group in one.groups {
                let end = start + i64::from(group.rows);
                let (here, after) = rest.split_at(rest.partition_point(|row| *row < end));
                rest = after;
                if !here.is_empty() {
                    let columns = named(one.schema, one.key, group);
                    key.int("start", start).text("dataset", one.name.unwrap_or_default());
                    columns.iter().for_each(|column| column_into(&mut key, *column));
                    needed.push((start, here, one.name, columns));
                }
                start = end;
            }
        }
        self.action(key.finish(), || {
            let mut names: HashMap<i64, String> = HashMap::with_capacity(wanted.len());
            for (start, rows, dataset, columns) in &needed {
                let columns = columns.iter().map(|at| self.context.column(*at)).collect::<Result<Vec<_>, Stop>>()?;
                let name = |row: &i64| (*row, row_name(*dataset, &columns, (row - start) as usize));
                names.extend(rows.iter().map(name));
            }
            let column = |group: &Vec<Int64Array>| {
                let told = group[0].values().iter().map(|row| names[row].as_str());
                let told: ArrayRef = Arc::new(StringArray::from_iter_values(told));
                self.context.put_column(&told)
            };
            kept_rows.iter().map(column).collect()
        })
    }
}

/// Returns the rows that share a band.
fn buckets(
    columns: &Kept,
    bands: u32,
    cut: impl Fn(usize, &ArrayRef) -> Result<Option<Banded>, Stop> + Sync,
) -> Result<Buckets, Stop> {
    let one = |at: usize| cut(at, &columns.column(at)?)?.ok_or_else(|| columns.missing(at));
    let banded = (0..columns.len()).into_par_iter().map(one).collect::<Result<Vec<_>, Stop>>()?;
    Ok(Buckets::of(banded, bands))
}

/// Reads columns once more, for the rows that are in buckets.
fn of_any(
    buckets: &Buckets,
    columns: &Kept,
    mut read: impl FnMut(&ArrayRef, &mut dyn Iterator<Item = usize>) -> Result<(), Option<Diagnostic>>,
) -> Result<(), Stop> {
    let mut start = 0;
    for (at, length) in buckets.lengths.iter().enumerate() {
        let any = &buckets.any[start..start + length];
        start += length;
        if any.contains(&true) {
            let column = columns.column(at)?;
            if column.len() != *length {
                return Err(columns.missing(at));
            }
            let found = read(&column, &mut (0..*length).filter(|row| any[*row]));
            found.map_err(|problem| problem.map_or_else(|| columns.missing(at), Stop::from))?;
        }
    }
    Ok(())
}

/// Returns the columns that tell a row of a group: its key, or all.
pub(super) fn named(schema: &Schema, key: &[String], group: &RowGroup) -> Vec<ColumnRef> {
    let of_key: Option<Vec<usize>> = key.iter().map(|name| schema.index(name)).collect();
    match of_key {
        Some(places) if !places.is_empty() => places.into_iter().map(|at| group.columns[at]).collect(),
        _ => group.columns.clone(),
    }
}

/// Tells a row by its key: `eval: 17`.
pub(super) fn row_name(dataset: Option<&str>, columns: &[ArrayRef], row: usize) -> String {
    let values: Vec<String> = columns.iter().map(|column| value_at(column, row).to_string()).collect();
    let all = values.join(", ");
    let cut: String = all.chars().take(MOST).collect();
    let more = if cut.len() < all.len() { "…" } else { "" };
    dataset.map_or(String::new(), |name| format!("{name}: ")) + &cut + more
}
