//! Some of the different values, by chance but the same ones always, and how often each occurs.

use super::acc::{get, key, put};
use crate::hash::Hash;
use crate::table::{Malformed, Reader, Type};
use std::collections::BTreeMap;

/// How many are picked where it is not said.
pub const PICKED: usize = 100;

/// The values whose hashes are least. Which they are does not depend on order or grouping, and how often each of them occurs is exact:
/// what is among the least of all is among the least of every part.
#[derive(Clone, Debug)]
pub struct Picked {
    most: usize,
    /// By the hash of the key of the value: the key, and how often.
    by_hash: BTreeMap<Hash, (Vec<u8>, u64)>,
}

impl Picked {
    /// Begins with nothing.
    pub fn new(most: Option<usize>) -> Picked {
        Picked { most: most.unwrap_or(PICKED), by_hash: BTreeMap::new() }
    }

    /// Takes in a value by its key.
    pub fn push(&mut self, key: &[u8]) {
        self.add(Hash::of(key), key.to_vec(), 1);
    }

    fn add(&mut self, hash: Hash, key: Vec<u8>, n: u64) {
        if self.by_hash.len() == self.most && self.by_hash.last_key_value().is_some_and(|(last, _)| *last < hash) {
            return;
        }
        self.by_hash.entry(hash).or_insert((key, 0)).1 += n;
        if self.by_hash.len() > self.most {
            self.by_hash.pop_last();
        }
    }

    /// Takes in what was picked of other rows.
    pub fn merge(&mut self, other: Picked) {
        other.by_hash.into_iter().for_each(|(hash, (key, n))| self.add(hash, key, n));
    }

    /// Returns how many rows have a value that was picked.
    pub fn all(&self) -> u64 {
        self.by_hash.values().map(|(_, n)| n).sum()
    }

    /// Returns the keys of the values, each with how often it occurs.
    pub fn values(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.by_hash.values().map(|(key, n)| (key.as_slice(), *n))
    }

    /// Appends the canonical bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.by_hash.len() as u64);
        for (key, n) in self.by_hash.values() {
            out.extend_from_slice(key);
            put(out, *n);
        }
    }

    /// Takes what was picked off `from`.
    pub fn decode(most: Option<usize>, ty: &Type, from: &mut Reader, bytes: &[u8]) -> Result<Picked, Malformed> {
        let mut picked = Picked::new(most);
        for _ in 0..get(from)? {
            let (key, n) = (key(ty, from, bytes)?, get(from)?);
            let hash = Hash::of(&key);
            let after = picked.by_hash.last_key_value().is_none_or(|(last, _)| *last < hash);
            if n >> 40 > 0 || !after || picked.by_hash.len() == picked.most {
                return Err(Malformed("values out of order"));
            }
            picked.by_hash.insert(hash, (key, n));
        }
        Ok(picked)
    }
}
