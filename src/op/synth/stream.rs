//! Streams of random words: the words of a row are found without those of the rows before it.

use crate::hash::mix64;

/// The random words of one column.
pub(super) struct Stream {
    rows: u64,
    words: u64,
}

/// 2^64 divided by the golden ratio: an odd number whose multiples are spread evenly.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Stream {
    /// Begins the stream of the column called `name`.
    pub(super) fn new(seed: i64, name: &str) -> Stream {
        let hash = blake3::Hasher::new_derive_key("datamake synth 1")
            .update(&seed.to_le_bytes())
            .update(name.as_bytes())
            .finalize();
        let word = |at: usize| u64::from_le_bytes(hash.as_bytes()[at..at + 8].try_into().expect("a hash has 32 bytes"));
        Stream { rows: word(0), words: word(8) }
    }

    /// Returns the `n`-th word of a row.
    pub(super) fn word(&self, row: u64, n: u64) -> u64 {
        let row = mix64(row.wrapping_mul(STEP).wrapping_add(self.rows));
        mix64(row.wrapping_add(self.words).wrapping_add(n.wrapping_mul(STEP)))
    }

    /// Returns a whole number below `n`, which is at most 2^64.
    pub(super) fn below(&self, row: u64, word: u64, n: u128) -> u64 {
        // Multiplying and shifting favours no number by more than n / 2^64.
        ((u128::from(self.word(row, word)) * n) >> 64) as u64
    }

    /// Returns a number from 0 on and below 1.
    pub(super) fn unit(&self, row: u64) -> f64 {
        (self.word(row, 0) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Returns a number above 0 and below 1, symmetric around the middle.
    pub(super) fn open_unit(&self, row: u64) -> f64 {
        ((self.word(row, 0) >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
    }
}
