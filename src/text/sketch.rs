//! Sketches of sets: of two sets, the share of equal places of their sketches is about their Jaccard index.
//!
//! This is *fast similarity sketching* (Dahlgaard, Knudsen and Thorup, FOCS 2017): as in MinHash each place holds the least of hashes of all
//! elements, so two places are equal with a probability of just the Jaccard index; but an element is not hashed for every place, only until every place
//! has something, so that a set of n elements takes about n + k log k hashes and not n × k. Sketches deviate from the index no more than MinHash does.

use crate::hash::mix64;

/// What is added to an element between two rounds.
const ROUND: u64 = 0x9e37_79b9_7f4a_7c15;

/// A place that nothing came to.
const EMPTY: u64 = u64::MAX;

/// Makes sketches of one size.
pub struct Sketcher {
    places: Vec<u64>,
}

impl Sketcher {
    /// Makes sketches of `size` places, of at most 2^31.
    pub fn new(size: usize) -> Sketcher {
        Sketcher { places: vec![EMPTY; size] }
    }

    /// Returns the sketch of a set; elements that come twice change nothing. The empty set has none.
    pub fn sketch(&mut self, elements: &[u64]) -> Option<&[u64]> {
        if elements.is_empty() {
            return None;
        }
        let size = self.places.len() as u64;
        self.places.fill(EMPTY);
        let mut empty = size;
        // What comes in a later round is larger than all that came before, so it counts in empty places only.
        for round in 0..size {
            let salt = round.wrapping_mul(ROUND);
            for element in elements {
                let hash = mix64(element.wrapping_add(salt));
                let at = (((hash >> 32) * size) >> 32) as usize;
                let place = &mut self.places[at];
                empty -= u64::from(*place == EMPTY);
                *place = (*place).min((round << 32) | (hash & 0xffff_ffff));
            }
            if empty == 0 {
                return Some(&self.places);
            }
        }
        // What chance left empty has a round of its own, in which all elements come to it.
        for at in 0..size {
            if self.places[at as usize] == EMPTY {
                let salt = (size + at).wrapping_mul(ROUND);
                let least = elements.iter().map(|element| mix64(element.wrapping_add(salt)) & 0xffff_ffff).min();
                self.places[at as usize] = ((size + at) << 32) | least.expect("there are elements");
            }
        }
        Some(&self.places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch(elements: impl Iterator<Item = u64>, size: usize) -> Vec<u64> {
        Sketcher::new(size).sketch(&elements.map(|i| mix64(i ^ 0xabc)).collect::<Vec<_>>()).unwrap().to_vec()
    }

    fn equal(a: &[u64], b: &[u64]) -> usize {
        a.iter().zip(b).filter(|(a, b)| a == b).count()
    }

    proptest! {
        #[test]
        fn neither_order_nor_repetition_counts(mut elements in proptest::collection::vec(any::<u64>(), 1..200), size in 1..130_usize) {
            let first = Sketcher::new(size).sketch(&elements).unwrap().to_vec();
            prop_assert!(first.iter().all(|place| *place != EMPTY));
            elements.reverse();
            elements.push(elements[0]);
            let mut sketcher = Sketcher::new(size);
            sketcher.sketch(&[1, 2, 3]);
            prop_assert_eq!(sketcher.sketch(&elements).unwrap(), &first[..]);
        }
    }

    #[test]
    fn the_share_of_equal_places_is_the_jaccard_index_for_small_and_large_sets() {
        for (n, shared) in [(2, 1), (10, 8), (60, 48), (300, 240), (3000, 2400), (300, 60)] {
            // Two sets of n elements with so many in common.
            let jaccard = shared as f64 / (2 * n - shared) as f64;
            let (mut sum, mut squares) = (0.0, 0.0);
            let trials = 400;
            for trial in 0..trials {
                let base = trial * 1_000_000;
                let a = sketch((0..n).map(|i| base + i), 112);
                let b = sketch((n - shared..2 * n - shared).map(|i| base + i), 112);
                let share = equal(&a, &b) as f64 / 112.0;
                sum += share;
                squares += (share - jaccard).powi(2);
            }
            let (mean, deviation) = (sum / trials as f64, (squares / trials as f64).sqrt());
            // Of MinHash, the deviation is this; of so many means, theirs.
            let minhash = (jaccard * (1.0 - jaccard) / 112.0).sqrt();
            assert!(
                (mean - jaccard).abs() < 4.0 * minhash / (trials as f64).sqrt() + 1e-9,
                "{n} {shared}: {mean} and not {jaccard}"
            );
            assert!(deviation < 1.15 * minhash, "{n} {shared}: {deviation}, MinHash {minhash}");
        }
    }
}
