//! Rows that are alike: signatures row by row, and clusters over all of them.

mod clusters;
mod direction;
mod keep;
mod signature;

pub use clusters::{Buckets, equal, nearly};
pub use direction::{Cosine, Direction};
pub use keep::keep;
pub use signature::{Banded, SHINGLE, Signature};

use crate::hash::KeyWriter;

/// How many rows of a bucket a text is compared with. More are there only where very many share a band and are not alike.
pub const MOST: usize = 32;

/// Places of a signature, unless more are wanted.
pub const PLACES: u32 = 112;

/// How `dedup` decides over what was made of the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deduping {
    pub alike: Alike,
    /// Whether the last column says which row of a cluster is kept: the one with the largest rank. Otherwise it is the first.
    pub best: bool,
}

/// Which rows are of one cluster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Alike {
    /// Those with one fingerprint.
    Equal,
    /// Those whose signatures are nearly equal, and those that such rows lead to.
    Nearly(Banding),
    /// Those whose vectors have nearly the same direction, and those that such rows lead to.
    Along(Cosine),
}

impl Deduping {
    /// Writes the parameters in canonical form.
    pub fn write_key(&self, key: &mut KeyWriter) {
        key.int("best", i64::from(self.best));
        match self.alike {
            Alike::Equal => {}
            Alike::Nearly(Banding { bands, rows, needed }) => {
                key.int("bands", bands.into()).int("rows", rows.into()).int("needed", needed.into());
            }
            Alike::Along(Cosine { bits, threshold }) => {
                key.int("bits", bits.into()).float("threshold", threshold);
            }
        }
    }
}

/// How pairs of signatures are found and judged: those that are equal in all places of a band are compared place by place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Banding {
    pub bands: u32,
    /// The places of a band.
    pub rows: u32,
    /// How many places have to be equal, of all that the signature has.
    needed: u32,
}

impl Banding {
    /// Cuts a signature into bands: the longest of which still 95 of 100 pairs with a Jaccard index of `threshold` have one that is equal.
    ///
    /// Of 112 places that is 16 × 7 at 0.8, which finds 97.7 % of them; 14 × 8 would find 92.4 %.
    pub fn cut(threshold: f64) -> (u32, u32) {
        let found = |rows: &u32| Banding::found((PLACES / rows, *rows), threshold) >= 0.95;
        let rows = (1..=PLACES).take_while(found).last().unwrap_or(1);
        (PLACES / rows, rows)
    }

    /// Returns the share of pairs with a Jaccard index of `threshold` that have a band in common.
    pub fn found((bands, rows): (u32, u32), threshold: f64) -> f64 {
        let power = (0..rows).fold(1.0, |power, _| power * threshold);
        1.0 - (0..bands).fold(1.0, |missed, _| missed * (1.0 - power))
    }

    /// Judges pairs by the share of equal places: it may be two standard deviations of the estimate below what is expected at `threshold`, so
    /// that chance costs few of the pairs that are just alike.
    pub fn new((bands, rows): (u32, u32), threshold: f64) -> Banding {
        let places = f64::from(Banding { bands, rows, needed: 0 }.places());
        // Of each place 8 bits are compared, which are equal by chance once in 256 times.
        let expected = threshold + (1.0 - threshold) / 256.0;
        let slack = 2.0 * (places * threshold * (1.0 - threshold)).sqrt();
        Banding { bands, rows, needed: (places * expected - slack).ceil().max(1.0) as u32 }
    }

    /// Returns how many places a signature needs: it is the same for all thresholds, so that a change of it makes no signature anew.
    pub fn places(&self) -> u32 {
        (self.bands * self.rows).max(PLACES).next_multiple_of(8)
    }
}

#[cfg(test)]
mod tests;
