//! Cutting: where a row group ends, decided from the rows of that group alone.

use super::chunk::{CHUNK, canonical, encode_chunk};
use crate::hash::{Hash, mix64};
use arrow_array::{Array, ArrayRef};
use std::collections::VecDeque;

/// How heavy row groups are; a table's hash depends on it, so there is one value outside of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// No cut before this weight.
    pub min: u32,
    /// The weight that groups come out at, about.
    pub target: u32,
    /// Always a cut at this weight.
    pub max: u32,
}

impl Limits {
    /// 4,096 rows of up to 1 KiB each.
    pub const DEFAULT: Limits = Limits { min: 1024, target: 4096, max: 16384 };
}

/// Finds the ends of row groups, fed with one row after the other.
///
/// The state is mixed over a window of 8 rows, so that runs of equal rows and columns of few values cut too,
/// and both sides of an edit come together again.
#[derive(Clone, Debug)]
pub struct Cutter {
    limits: Limits,
    weight: u32,
    window: VecDeque<u64>,
}

const WINDOW: usize = 8;

impl Cutter {
    /// Begins a group.
    pub fn new(limits: Limits) -> Cutter {
        Cutter { limits, weight: 0, window: VecDeque::with_capacity(WINDOW + 1) }
    }

    /// Takes the cut hash and the size in bytes of the next row; returns whether that row ends its group.
    pub fn push(&mut self, cut_hash: u64, bytes: usize) -> bool {
        let weight = weight(bytes);
        self.weight = self.weight.saturating_add(weight);
        self.window.push_back(cut_hash);
        if self.window.len() > WINDOW {
            self.window.pop_front();
        }
        let ends = self.weight >= self.limits.max || (self.weight >= self.limits.min && self.falls(weight));
        if ends {
            self.weight = 0;
            self.window.clear();
        }
        ends
    }

    fn falls(&self, weight: u32) -> bool {
        let state = self.window.iter().fold(0u64, |state, hash| state.rotate_left(8) ^ hash);
        u128::from(mix64(state)) * u128::from(self.limits.target) < u128::from(weight) << 64
    }
}

/// 1 up to 1 KiB, then 4, 16, … by powers of four, so that an edit of a cell seldom changes it.
fn weight(bytes: usize) -> u32 {
    let mut weight = 1u32;
    while weight < 1 << 20 && bytes > weight as usize * 1024 {
        weight *= 4;
    }
    weight
}

/// Hashes each row over all `columns` (each of `rows` rows): equal rows have equal hashes, whatever else the chunk holds.
pub fn row_hashes(columns: &[ArrayRef], rows: usize) -> Vec<Hash> {
    (0..rows)
        .map(|row| {
            let mut hasher = blake3::Hasher::new();
            for column in columns {
                hash_value(column, row, &mut |bytes| _ = hasher.update(bytes));
            }
            Hash::from_bytes(*hasher.finalize().as_bytes())
        })
        .collect()
}

/// Measures each row over all `columns` in bytes: texts by their length, all other values as 8.
pub fn row_sizes(columns: &[ArrayRef], rows: usize) -> Vec<usize> {
    let mut sizes = vec![0; rows];
    columns.iter().for_each(|column| add_sizes(column, &mut sizes));
    sizes
}

fn add_sizes(column: &ArrayRef, sizes: &mut [usize]) {
    use arrow_array::cast::AsArray;
    use arrow_schema::DataType;
    match column.data_type() {
        DataType::Utf8 => {
            let offsets = column.as_string::<i32>().value_offsets();
            sizes.iter_mut().zip(offsets.windows(2)).for_each(|(size, pair)| *size += (pair[1] - pair[0]) as usize);
        }
        DataType::Struct(_) => column.as_struct().columns().iter().for_each(|field| add_sizes(field, sizes)),
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            let mut items = vec![0; list.values().len()];
            add_sizes(list.values(), &mut items);
            for (size, pair) in sizes.iter_mut().zip(list.value_offsets().windows(2)) {
                *size += items[pair[0] as usize..pair[1] as usize].iter().sum::<usize>();
            }
        }
        _ => sizes.iter_mut().for_each(|size| *size += 8),
    }
}

/// Hands the bytes by which a value is hashed to `write`: they tell it from all other values.
pub fn hash_value(column: &ArrayRef, row: usize, write: &mut impl FnMut(&[u8])) {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
    use arrow_schema::DataType;
    if column.is_null(row) || *column.data_type() == DataType::Null {
        return write(&[0]);
    }
    match column.data_type() {
        DataType::Utf8 => hash_text(column.as_string::<i32>().value(row).as_bytes(), write),
        DataType::Int64 => {
            let value = column.as_primitive::<Int64Type>().value(row);
            write(&[2]);
            write(&value.to_le_bytes());
        }
        DataType::Boolean => {
            write(&chunk_of_one(1, [u8::from(column.as_boolean().value(row)), 0, 0, 0, 0, 0, 0, 0]));
        }
        DataType::Float64 => {
            let value = canonical(column.as_primitive::<Float64Type>().value(row));
            write(&chunk_of_one(3, value.to_le_bytes()));
        }
        DataType::Date32 => {
            let value = column.as_primitive::<Date32Type>().value(row);
            // Padded with zeros, whatever the sign.
            write(&chunk_of_one(5, u64::from(value as u32).to_le_bytes()));
        }
        DataType::Timestamp(..) => {
            let value = column.as_primitive::<TimestampMicrosecondType>().value(row);
            write(&chunk_of_one(6, value.to_le_bytes()));
        }
        // Lists and structs are rare in keys: their canonical encoding as a chunk of one row serves.
        _ => {
            let bytes = encode_chunk(&column.slice(row, 1));
            write(&[9]);
            write(&(bytes.len() as u64).to_le_bytes());
            write(&bytes);
        }
    }
}

/// Does the same with a text, by its bytes.
pub fn hash_text(text: &[u8], write: &mut impl FnMut(&[u8])) {
    write(&[4]);
    write(&(text.len() as u64).to_le_bytes());
    write(text);
}

/// What a cell of a type of one byte and one word is hashed as: 9, a length, and the chunk of one row with it.
fn chunk_of_one(ty: u8, word: [u8; 8]) -> [u8; 41] {
    let mut out = [0; 41];
    out[0] = 9;
    out[1] = 32;
    out[9..17].copy_from_slice(CHUNK);
    out[17] = ty;
    // One row.
    out[18] = 1;
    out[33..].copy_from_slice(&word);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Cuts rows and returns the hash of each group's rows.
    fn groups(rows: &[u64]) -> Vec<Hash> {
        let mut cutter = Cutter::new(Limits::DEFAULT);
        let mut found = Vec::new();
        let mut bytes: Vec<u8> = Vec::new();
        for row in rows {
            bytes.extend_from_slice(&row.to_le_bytes());
            if cutter.push(*row, 100) {
                found.push(Hash::of(&std::mem::take(&mut bytes)));
            }
        }
        found.push(Hash::of(&bytes));
        found
    }

    /// Edits one row in `n` rows at 50 places, and returns the most groups that any edit made anew.
    fn most_new_groups(row: impl Fn(u64) -> u64, n: u64) -> usize {
        let rows: Vec<u64> = (0..n).map(|i| Hash::of(&row(i).to_le_bytes()).head()).collect();
        let before: BTreeSet<Hash> = groups(&rows).into_iter().collect();
        assert!(n < 50_000 || before.len() > 1);
        let edits = (0..50).flat_map(|k| {
            let at = (k * 7919 * 131 % n) as usize;
            let (mut inserted, mut deleted, mut edited) = (rows.clone(), rows.clone(), rows.clone());
            inserted.insert(at, 12345 + k);
            deleted.remove(at);
            edited[at] = 999 + k;
            [inserted, deleted, edited]
        });
        edits.map(|rows| groups(&rows).iter().filter(|hash| !before.contains(hash)).count()).max().expect("some edits")
    }

    #[test]
    fn an_edit_in_distinct_rows_makes_at_most_three_groups_anew() {
        assert!(most_new_groups(|i| i, 1_000_000) <= 3);
    }

    #[test]
    fn an_edit_in_a_column_of_ten_values_makes_at_most_three_groups_anew() {
        assert!(most_new_groups(|i| Hash::of(&i.to_le_bytes()).head() % 10, 200_000) <= 3);
    }

    #[test]
    fn an_edit_in_a_run_of_equal_rows_makes_at_most_three_groups_anew() {
        assert!(most_new_groups(|_| 7, 200_000) <= 3);
    }

    #[test]
    fn a_cell_is_hashed_as_a_chunk_of_one_row() {
        use arrow_array::{BooleanArray, Date32Array, Float64Array, TimestampMicrosecondArray};
        use std::sync::Arc;
        let nan = f64::from_bits(0xfff8_0000_0000_0001);
        let columns: [ArrayRef; 4] = [
            Arc::new(BooleanArray::from(vec![true, false, true, false, true])),
            Arc::new(Float64Array::from(vec![0.0, -0.0, 1.5, f64::NEG_INFINITY, nan])),
            Arc::new(Date32Array::from(vec![0, -1, 19_782, i32::MIN, i32::MAX])),
            Arc::new(TimestampMicrosecondArray::from(vec![0, -1, 1_709_208_000_500_000, i64::MIN, i64::MAX])),
        ];
        for column in &columns {
            for (row, hash) in row_hashes(std::slice::from_ref(column), 5).into_iter().enumerate() {
                let chunk = encode_chunk(&column.slice(row, 1));
                let bytes = [&[9][..], &(chunk.len() as u64).to_le_bytes(), &chunk].concat();
                assert_eq!(hash, Hash::of(&bytes), "{} at {row}", column.data_type());
            }
        }
    }

    #[test]
    fn groups_come_out_at_about_the_target() {
        let rows: Vec<u64> = (0..1_000_000u64).map(|i| Hash::of(&i.to_le_bytes()).head()).collect();
        let mean = 1_000_000 / groups(&rows).len();
        assert!((3_500..7_000).contains(&mean), "{mean}");
    }
}
