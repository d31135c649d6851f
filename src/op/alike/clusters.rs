//! Clusters of rows: for each row, the first row of its cluster.

use super::{Banded, Banding};
use crate::op::dedup::Halves;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

/// How many rows of a bucket others are compared with. More are there only where very many rows share a band and are not alike.
const MOST: usize = 32;

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
}

impl Buckets {
    /// Finds the buckets of all bands. It needs 4 bytes for each band of a row, which it takes, and 8 for each row while a band is sorted.
    pub fn of(mut groups: Vec<Banded>, bands: u32) -> Buckets {
        let all = groups.iter().map(|group| group.rows).sum();
        let mut buckets = Buckets { any: vec![false; all], ..Buckets::default() };
        let mut sorted: Vec<u64> = Vec::with_capacity(groups.iter().map(|group| group.signed.len()).sum());
        for band in 0..bands as usize {
            let mut start = 0;
            for group in &mut groups {
                let keys = std::mem::take(&mut group.keys[band]);
                let rows = group.signed.iter().map(|row| u64::from(*row) + start);
                sorted.extend(keys.into_iter().zip(rows).map(|(key, row)| (u64::from(key) << 32) | row));
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

    fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.rows[start as usize..*end as usize])
    }
}

/// Returns the clusters of rows whose signatures are nearly equal: `short` has 8 bits of each place of the rows that are in buckets, in order.
///
/// A row is compared with the rows before it in its buckets that are not alike among themselves, so it depends on the order of rows and on nothing else.
pub fn nearly(buckets: &Buckets, banding: &Banding, short: &[u8]) -> Vec<u32> {
    let mut parents: Vec<u32> = (0..buckets.any.len() as u32).collect();
    let places = banding.places() as usize;
    // Where the bits of a row are.
    let mut at = vec![0; parents.len()];
    buckets.any.iter().zip(&mut at).fold(0_u32, |next, (any, at)| {
        *at = next;
        next + u32::from(*any)
    });
    let bits = |row: u32| &short[at[row as usize] as usize * places..][..places];
    let mut apart: Vec<u32> = Vec::new();
    for bucket in buckets.iter() {
        apart.clear();
        for row in bucket {
            let root = root(&mut parents, *row);
            if apart.iter().any(|other| self::root(&mut parents, *other) == root) {
                continue;
            }
            match apart.iter().find(|other| banding.are_alike(bits(**other), bits(*row))) {
                Some(other) => {
                    let other = self::root(&mut parents, *other);
                    parents[root.max(other) as usize] = root.min(other);
                }
                None if apart.len() < MOST => apart.push(*row),
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
