//! Which of many keys may have come several times, in a few bits for each: what comes once need not be sorted.

/// A table of bits for keys that are hashes: of some bits of each key whether it came, and whether it came again.
///
/// It has 16 to 32 places for each key, so of keys that come once at most one in 16 is taken for one that may be there several times.
pub(super) struct Sieve(Vec<u64>);

impl Sieve {
    /// Makes room for so many keys.
    pub fn new(keys: usize) -> Sieve {
        Sieve(vec![0; (keys / 2).next_power_of_two()])
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Adds a key. In the low half of a word stands what came, in the high half what came again.
    #[inline]
    pub fn add(&mut self, key: u64) {
        let at = self.place(key);
        let bit = 1 << (key & 31);
        let word = &mut self.0[at];
        *word |= (*word & bit) << 32 | bit;
    }

    /// Returns whether a key that was added may have been added several times; it says yes of all that were.
    #[inline]
    pub fn may_be_several(&self, key: u64) -> bool {
        self.0[self.place(key)] >> (32 + (key & 31)) & 1 == 1
    }

    #[inline]
    fn place(&self, key: u64) -> usize {
        (key >> 5) as usize & (self.0.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix64;

    #[test]
    fn what_came_several_times_is_known_and_most_of_what_came_once_too() {
        for keys in [1, 7, 1000] {
            let mut sieve = Sieve::new(keys as usize);
            let all = (0..keys).map(mix64).chain((0..keys / 3).map(mix64));
            all.for_each(|key| sieve.add(key));
            assert!((0..keys / 3).all(|key| sieve.may_be_several(mix64(key))));
            let wrong = (keys / 3..keys).filter(|key| sieve.may_be_several(mix64(*key))).count() as u64;
            assert!(wrong <= 1 + keys / 16, "{wrong} of {keys}");
            sieve.clear();
            assert!(!(0..keys).any(|key| sieve.may_be_several(mix64(key))));
        }
    }
}
