//! Clusters of rows: for each row, the first row of its cluster.

use super::Banded;
use crate::op::dedup::Halves;
use crate::op::sieve::Sieve;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

/// Returns the clusters of rows with one fingerprint, given as halves by row group. The fingerprint 0, 0 is that of nothing, and like no other.
pub fn equal(groups: &[(&[i64], &[i64])]) -> Vec<u32> {
    let mut first: HashMap<(i64, i64), u32, BuildHasherDefault<Halves>> = HashMap::default();
    let rows = groups.iter().flat_map(|(high, low)| high.iter().copied().zip(low.iter().copied()));
    let one = |(row, print): (usize, (i64, i64))| match print {
        (0, 0) => row as u32,
        _ => *first.entry(print).or_insert(row as u32),
    };
    rows.enumerate().map(one).collect()
}

/// Rows that share a band: what may be alike.
#[derive(Default)]
pub struct Buckets {
    /// The rows of each bucket, in order; a row is in one bucket of a band at most.
    rows: Vec<u32>,
    ends: Vec<u32>,
    /// Which rows are in any.
    pub any: Vec<bool>,
    /// How many rows each row group has.
    pub lengths: Vec<usize>,
}

impl Buckets {
    /// Finds the buckets of all bands. It needs 4 bytes for each band of a row, which it takes, and 4 to 8 for each row.
    pub fn of(mut groups: Vec<Banded>, bands: u32) -> Buckets {
        let lengths: Vec<usize> = groups.iter().map(|group| group.rows).collect();
        let rows = lengths.iter().sum();
        let mut buckets = Buckets { any: vec![false; rows], lengths, ..Buckets::default() };
        // Most keys are of one row. Those that may be of two are told by a bit for some of their bits, and the others need not be sorted.
        let mut sieve = Sieve::new(rows);
        let mut sorted: Vec<u64> = Vec::new();
        for band in 0..bands as usize {
            sieve.clear();
            for group in &groups {
                group.keys[band].iter().for_each(|key| sieve.add(u64::from(*key)));
            }
            let mut start = 0;
            for group in &mut groups {
                let keys = std::mem::take(&mut group.keys[band]);
                for (key, row) in keys.into_iter().zip(&group.signed) {
                    if sieve.may_be_several(u64::from(key)) {
                        sorted.push(u64::from(key) << 32 | (u64::from(*row) + start));
                    }
                }
                start += group.rows as u64;
            }
            sorted.sort_unstable();
            for bucket in sorted.chunk_by(|a, b| a >> 32 == b >> 32).filter(|bucket| bucket.len() > 1) {
                for row in bucket.iter().map(|one| *one as u32) {
                    buckets.rows.push(row);
                    buckets.any[row as usize] = true;
                }
                buckets.ends.push(buckets.rows.len() as u32);
            }
            sorted.clear();
        }
        buckets
    }

    /// Returns how many rows are in any.
    pub fn several(&self) -> usize {
        self.any.iter().filter(|any| **any).count()
    }

    fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.rows[start as usize..*end as usize])
    }
}

/// Returns the clusters of rows that are alike, of those that share buckets; `are_alike` knows these by their positions among all that are in any.
///
/// A row is compared with at most `most` rows before it in each of its buckets, of those that are not alike among themselves: so it depends on the
/// order of rows and on nothing else.
pub fn nearly(buckets: &Buckets, most: usize, are_alike: impl Fn(usize, usize) -> bool) -> Vec<u32> {
    let mut parents: Vec<u32> = (0..buckets.any.len() as u32).collect();
    let mut at = vec![0; parents.len()];
    buckets.any.iter().zip(&mut at).fold(0_u32, |next, (any, at)| {
        *at = next;
        next + u32::from(*any)
    });
    let at = |row: u32| at[row as usize] as usize;
    let mut apart: Vec<u32> = Vec::new();
    for bucket in buckets.iter() {
        apart.clear();
        for row in bucket {
            let root = root(&mut parents, *row);
            if apart.iter().any(|other| self::root(&mut parents, *other) == root) {
                continue;
            }
            match apart.iter().find(|other| are_alike(at(**other), at(*row))) {
                Some(other) => {
                    let other = self::root(&mut parents, *other);
                    parents[root.max(other) as usize] = root.min(other);
                }
                None if apart.len() < most => apart.push(*row),
                None => {}
            }
        }
    }
    (0..parents.len() as u32).map(|row| root(&mut parents, row)).collect()
}

/// Returns the first row of a row's cluster, and shortens the way to it.
fn root(parents: &mut [u32], mut row: u32) -> u32 {
    while parents[row as usize] != row {
        parents[row as usize] = parents[parents[row as usize] as usize];
        row = parents[row as usize];
    }
    row
}
