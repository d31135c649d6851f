//! Groups of rows of a whole table, known by a hash each.

use std::collections::HashMap;

/// The groups of some rows and their sizes, in the order of their hashes, so that no order of rows counts.
pub(super) struct Strata {
    pub hashes: Vec<i64>,
    pub sizes: Vec<u64>,
    at: HashMap<i64, usize>,
}

impl Strata {
    /// Gathers the hashes of rows.
    pub(super) fn of<'a>(hashes: impl Iterator<Item = &'a [i64]>) -> Strata {
        let mut sizes: HashMap<i64, u64> = HashMap::new();
        hashes.flatten().for_each(|hash| *sizes.entry(*hash).or_default() += 1);
        let mut sorted: Vec<(i64, u64)> = sizes.into_iter().collect();
        sorted.sort_unstable();
        let at = sorted.iter().enumerate().map(|(at, (hash, _))| (*hash, at)).collect();
        let (hashes, sizes) = sorted.into_iter().unzip();
        Strata { hashes, sizes, at }
    }

    /// Returns the position of a group, if there is such a one.
    pub(super) fn find(&self, hash: i64) -> Option<usize> {
        self.at.get(&hash).copied()
    }
}
