//! Takes: index vectors that pick rows of a chunk without copying it.

use super::bytes::{Malformed, Reader};
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_buffer::{BooleanBuffer, Buffer};

/// Picks rows of a chunk, by position, in any order and with repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    source_rows: u32,
    indices: Vec<u32>,
}

const TAKE: &[u8; 8] = b"dmtake\0\x01";

impl Take {
    /// Picks `indices` of a chunk of `source_rows` rows. Every index is below `source_rows`.
    pub fn new(source_rows: usize, indices: Vec<u32>) -> Take {
        let source_rows = u32::try_from(source_rows).expect("a row group has fewer than 2^32 rows");
        debug_assert!(indices.iter().all(|i| *i < source_rows));
        Take { source_rows, indices }
    }

    /// Picks the rows for which `keep` holds.
    pub fn of_mask(keep: impl ExactSizeIterator<Item = bool>) -> Take {
        let rows = keep.len();
        let kept = keep.enumerate().filter(|(_, keep)| *keep).map(|(i, _)| i as u32).collect();
        Take::new(rows, kept)
    }

    /// Picks the rows whose bits are set.
    pub fn of_bits(keep: &BooleanBuffer) -> Take {
        Take::new(keep.len(), keep.set_indices_u32().collect())
    }

    /// Returns how many rows it picks.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Returns whether it picks nothing.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Returns whether it picks every row once, in order; such a take is not written.
    pub fn is_identity(&self) -> bool {
        self.indices.len() == self.source_rows as usize && self.is_ascending()
    }

    /// Returns the picked positions.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// Returns the number of rows of the chunk.
    pub fn source_rows(&self) -> usize {
        self.source_rows as usize
    }

    fn is_ascending(&self) -> bool {
        self.indices.windows(2).all(|pair| pair[0] < pair[1])
    }

    /// Returns the rows that it does not pick, in order.
    pub fn complement(&self) -> Take {
        let mut picked = vec![false; self.source_rows as usize];
        self.indices.iter().for_each(|i| picked[*i as usize] = true);
        Take::of_mask(picked.into_iter().map(|picked| !picked))
    }

    /// Returns the take that picks by `self` first and then by `next` from what `self` picked.
    pub fn then(&self, next: &Take) -> Take {
        Take {
            source_rows: self.source_rows,
            indices: next.indices.iter().map(|i| self.indices[*i as usize]).collect(),
        }
    }

    /// Picks rows of `column`.
    pub fn apply(&self, column: &ArrayRef) -> ArrayRef {
        assert_eq!(column.len(), self.source_rows(), "a take belongs to chunks of its source's rows");
        let indices = UInt32Array::from(self.indices.clone());
        arrow_select::take::take(column, &indices, None).expect("indices are within the chunk")
    }

    /// Writes the take's blob.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = TAKE.to_vec();
        if self.is_ascending() {
            out.push(0);
            out.extend_from_slice(&self.source_rows.to_le_bytes());
            let bitmap = out.len();
            out.resize(bitmap + (self.source_rows as usize).div_ceil(8), 0);
            self.indices.iter().for_each(|i| out[bitmap + *i as usize / 8] |= 1 << (i % 8));
        } else {
            out.push(1);
            out.extend_from_slice(&(self.indices.len() as u32).to_le_bytes());
            out.extend_from_slice(&self.source_rows.to_le_bytes());
            self.indices.iter().for_each(|i| out.extend_from_slice(&i.to_le_bytes()));
        }
        out
    }

    /// Reads a take's blob.
    pub fn decode(bytes: &[u8]) -> Result<Take, Malformed> {
        let mut from = Reader::new(bytes);
        from.magic(TAKE)?;
        let kind = from.u8()?;
        let n = from.u32()?;
        let take = match kind {
            0 => {
                let bitmap = from.take((n as usize).div_ceil(8))?;
                Take::of_bits(&BooleanBuffer::new(Buffer::from(bitmap), 0, n as usize))
            }
            1 => {
                let source_rows = from.u32()?;
                let indices: Vec<u32> = (0..n).map(|_| from.u32()).collect::<Result<_, _>>()?;
                if indices.iter().any(|i| *i >= source_rows) {
                    return Err(Malformed("an index past the chunk"));
                }
                Take { source_rows, indices }
            }
            _ => return Err(Malformed("unknown kind of take")),
        };
        from.end()?;
        Ok(take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn takes() -> impl Strategy<Value = Take> {
        (1usize..50).prop_flat_map(|n| prop::collection::vec(0..n as u32, 0..80).prop_map(move |i| Take::new(n, i)))
    }

    proptest! {
        #[test]
        fn a_take_reads_back_from_its_bytes(take in takes()) {
            prop_assert_eq!(Take::decode(&take.encode()), Ok(take));
        }

        #[test]
        fn a_take_and_its_complement_have_all_rows(take in takes()) {
            let mut kept: Vec<u32> = take.indices().to_vec();
            kept.sort_unstable();
            kept.dedup();
            prop_assert_eq!(kept.len() + take.complement().len(), take.source_rows());
        }
    }
}
