//! `join`: which rows of another table have the key of a row.
//!
//! Keys are compared by 128 bits of a hash. The other table is seen as the hashes of its keys alone: what is taken of its rows is
//! gathered after it is known which rows they are.

use crate::hash::KeyWriter;
use crate::op::{RowOp, columns, write_count};
use crate::table::{Batch, RowError, Type, row_hashes};
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::DataType;
use std::collections::HashMap;
use std::sync::Arc;

/// What becomes of rows with and without a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// A row comes once for each match.
    Inner,
    /// So it does, and once with nulls if it has none.
    Left,
    /// A row comes if it has a match.
    Semi,
    /// A row comes if it has none.
    Anti,
}

impl JoinKind {
    /// All kinds by their words.
    pub const ALL: [(&'static str, JoinKind); 4] =
        [("inner", JoinKind::Inner), ("left", JoinKind::Left), ("semi", JoinKind::Semi), ("anti", JoinKind::Anti)];

    /// Returns the kind of this word.
    pub fn of(word: &str) -> Option<JoinKind> {
        JoinKind::ALL.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)
    }

    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        JoinKind::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    /// Returns whether rows get columns of the other table.
    pub fn takes(self) -> bool {
        matches!(self, JoinKind::Inner | JoinKind::Left)
    }
}

/// Makes two int columns: the halves of a hash of the key; null where a part of the key is.
pub struct JoinKeys {
    by: Vec<String>,
}

impl JoinKeys {
    /// Compares rows by the values of `by`.
    pub fn new(by: Vec<String>) -> JoinKeys {
        JoinKeys { by }
    }
}

impl RowOp for JoinKeys {
    fn write_key(&self, key: &mut KeyWriter) {
        write_count(key, &self.by);
    }

    fn name(&self) -> &'static str {
        "join-keys"
    }

    fn reads(&self) -> &[String] {
        &self.by
    }

    fn writes(&self) -> &[Type] {
        &[Type::Int, Type::Int]
    }

    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError> {
        let columns = columns(input, &self.by)?;
        let (mut high, mut low) = (Vec::with_capacity(input.rows), Vec::with_capacity(input.rows));
        for (row, hash) in row_hashes(&columns, input.rows).iter().enumerate() {
            let null = columns.iter().any(|column| column.is_null(row) || *column.data_type() == DataType::Null);
            let half =
                |at: usize| i64::from_le_bytes(hash.as_bytes()[at..at + 8].try_into().expect("a hash has 32 bytes"));
            high.push((!null).then(|| half(0)));
            low.push((!null).then(|| half(8)));
        }
        Ok(vec![Arc::new(Int64Array::from(high)), Arc::new(Int64Array::from(low))])
    }
}

/// Where in a table each key is: 24 bytes for each row.
pub struct Places {
    /// Hash and position in the table, sorted.
    keys: Vec<(u64, u64, u32)>,
    /// The position of the first row of each row group, and the number of all rows.
    starts: Vec<u32>,
}

impl Places {
    /// Begins a list for so many rows.
    pub fn for_rows(rows: usize) -> Places {
        Places { keys: Vec::with_capacity(rows), starts: vec![0] }
    }

    /// Adds the keys of the next row group, as [`JoinKeys`] makes them.
    pub fn add(&mut self, high: &Int64Array, low: &Int64Array) {
        let first = self.starts.last().copied().unwrap_or(0);
        let rows = high.len().min(low.len());
        let there = (0..rows).filter(|row| high.is_valid(*row) && low.is_valid(*row));
        self.keys.extend(there.map(|row| (high.value(row) as u64, low.value(row) as u64, first + row as u32)));
        self.starts.push(first + rows as u32);
    }

    /// Ends the adding.
    pub fn sort(&mut self) {
        self.keys.sort_unstable();
    }

    /// Returns the rows with a key, in their order.
    fn of(&self, high: u64, low: u64) -> &[(u64, u64, u32)] {
        let begin = self.keys.partition_point(|(h, l, _)| (*h, *l) < (high, low));
        let rest = &self.keys[begin..];
        // Most keys are there once or a few times.
        let end = rest.iter().take(8).take_while(|(h, l, _)| (*h, *l) == (high, low)).count();
        let end = if end < 8 { end } else { rest.partition_point(|(h, l, _)| (*h, *l) == (high, low)) };
        &rest[..end]
    }
}

/// The rows of a row group that come, and the rows of the other table that they come with.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// The position of each row that comes, in order.
    pub rows: Vec<u32>,
    /// For each of them the position in `taken`; past its end where there is no match.
    pub with: Vec<u32>,
    /// The rows of the other table that are needed, each once: row group, and positions in it, in order.
    pub taken: Vec<(usize, Vec<u32>)>,
}

/// So many rows that it is refused: a row of one table, and how many it matches in the other; how many rows there would be.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany {
    pub row: usize,
    pub matches: usize,
    pub total: u64,
}

impl Matches {
    /// Finds the matches of rows with these keys; at most `most` rows may come.
    pub fn find(
        kind: JoinKind,
        high: &Int64Array,
        low: &Int64Array,
        places: &Places,
        most: u64,
    ) -> Result<Matches, TooMany> {
        let found: Vec<&[(u64, u64, u32)]> = (0..high.len())
            .map(|row| match high.is_valid(row) && low.is_valid(row) {
                true => places.of(high.value(row) as u64, low.value(row) as u64),
                false => &[],
            })
            .collect();
        if !kind.takes() {
            let comes = |row: &usize| found[*row].is_empty() == (kind == JoinKind::Anti);
            let rows = (0..found.len()).filter(comes).map(|row| row as u32).collect();
            return Ok(Matches { rows, ..Matches::default() });
        }
        let total = found.iter().map(|places| places.len() as u64).sum();
        if total > most {
            // The first of those that match most.
            let row = (0..found.len()).rev().max_by_key(|row| found[*row].len()).expect("there is a row that matches");
            return Err(TooMany { row, matches: found[row].len(), total });
        }
        let mut needed: Vec<u32> = found.iter().flat_map(|places| places.iter().map(|(.., at)| *at)).collect();
        needed.sort_unstable();
        needed.dedup();
        let order: HashMap<u32, u32> = needed.iter().enumerate().map(|(order, at)| (*at, order as u32)).collect();
        let mut matches = Matches::default();
        for (row, places) in found.iter().enumerate() {
            for (.., at) in *places {
                matches.rows.push(row as u32);
                matches.with.push(order[at]);
            }
            if places.is_empty() && kind == JoinKind::Left {
                matches.rows.push(row as u32);
                matches.with.push(needed.len() as u32);
            }
        }
        for at in needed {
            let group = places.starts.partition_point(|start| *start <= at) - 1;
            let row = at - places.starts[group];
            match matches.taken.last_mut() {
                Some((last, rows)) if *last == group => rows.push(row),
                _ => matches.taken.push((group, vec![row])),
            }
        }
        Ok(matches)
    }

    /// Returns how many rows of the other table are needed.
    pub fn needed(&self) -> usize {
        self.taken.iter().map(|(_, rows)| rows.len()).sum()
    }
}
