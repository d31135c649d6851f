//! Values that are in several parts of a split: what a model has learnt it should not be asked.

use super::dedup::Halves;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

/// A row group of a table that is split: what [`super::Fingerprint`] makes of each row, and the part of each.
pub struct Checked<'a> {
    pub high: &'a [i64],
    pub low: &'a [i64],
    pub part: &'a [i64],
}

/// What is in several parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaks {
    /// How many values are.
    pub values: u64,
    /// How many rows have such a value.
    pub rows: u64,
    /// Of the first few of these values, in the order of the table: the first row in each part.
    pub shown: Vec<Vec<LeakedRow>>,
}

/// A row with a value that is in several parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeakedRow {
    pub group: usize,
    pub row: usize,
    pub part: i64,
}

type Print = (i64, i64);
type Prints<T> = HashMap<Print, T, BuildHasherDefault<Halves>>;

/// Rows that are looked at together, so that no table of all values is in memory at once.
const SHARD: usize = 1 << 20;

/// Finds the values that are in several parts; rows of nulls have none. The rows of the first `show` of them are named.
pub fn leaks(groups: &[Checked], show: usize) -> Leaks {
    let rows: usize = groups.iter().map(|group| group.part.len()).sum();
    let shards = (rows / SHARD + 1) as u64;
    let mut found = Leaks::default();
    // The first places of values that leak, the earliest `show` of all.
    let mut first: Vec<(usize, usize)> = Vec::new();
    for shard in 0..shards {
        let of_shard = |print: &Print| *print != (0, 0) && (print.0 as u64) % shards == shard;
        let mut parts: Prints<(i64, bool)> = HashMap::default();
        for (_, _, print, part) in each(groups).filter(|(_, _, print, _)| of_shard(print)) {
            let known = parts.entry(print).or_insert((part, false));
            known.1 |= known.0 != part;
        }
        let mut seen: Prints<()> = HashMap::default();
        for (group, row, print, _) in each(groups).filter(|(_, _, print, _)| of_shard(print) && parts[print].1) {
            found.rows += 1;
            if seen.insert(print, ()).is_none() {
                found.values += 1;
                first.push((group, row));
            }
        }
        first.sort_unstable();
        first.truncate(show);
    }
    let prints: Vec<Print> =
        first.iter().map(|(group, row)| (groups[*group].high[*row], groups[*group].low[*row])).collect();
    found.shown = vec![Vec::new(); prints.len()];
    for (group, row, print, part) in each(groups) {
        if let Some(at) = prints.iter().position(|known| *known == print)
            && found.shown[at].iter().all(|known| known.part != part)
        {
            found.shown[at].push(LeakedRow { group, row, part });
        }
    }
    found
}

/// Returns all rows: group, row, value and part.
fn each<'a>(groups: &'a [Checked]) -> impl Iterator<Item = (usize, usize, Print, i64)> + 'a {
    groups.iter().enumerate().flat_map(|(at, group)| {
        (0..group.part.len()).map(move |row| (at, row, (group.high[row], group.low[row]), group.part[row]))
    })
}
