//! Which of very many hashes come several times.

use crate::op::dedup::Halves;
use crate::op::packed::{self, Packed};
use crate::op::sieve::Sieve;
use arrow_array::ArrayRef;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;

/// How many hashes are in memory at once.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Those that are told apart, in some bits each.
    pub told: usize,
    /// Those that come several times, whole.
    pub several: usize,
}

/// Which of the places of a hash that comes several times are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    All,
    AllButTheFirst,
}

/// Marks the hashes that come several times in columns of lists of them, counted over all of these in order; there are so many `columns`, and `hashes` in all.
///
/// `read` is called with the position of each column, some times in order. Needed are 2 to 4 bytes for each hash, of [`Room::told`] at most, and some 20 for each that comes several
/// times, of [`Room::several`] at most: where there are more, they are read once more for each so many.
pub fn repeated<E>(
    columns: usize,
    hashes: usize,
    which: Which,
    room: Room,
    mut read: impl FnMut(usize) -> Result<ArrayRef, E>,
) -> Result<Vec<u64>, E> {
    let mut each = |range: (u64, u64), one: &mut dyn FnMut(usize, u64) -> bool| {
        let mut place = 0;
        for at in 0..columns {
            let column = read(at)?;
            for hash in Packed::of(&column).iter().flat_map(Packed::all) {
                let hash = *hash as u64;
                if range.0 <= hash && hash <= range.1 && !one(place, hash) {
                    return Ok(false);
                }
                place += 1;
            }
        }
        Ok(true)
    };
    let mut marks = vec![0_u64; hashes.div_ceil(64)];
    let mut mark = |place: usize| marks[place / 64] |= 1 << (place % 64);
    let parts = hashes.div_ceil(room.told).max(1);
    let mut sieve = Sieve::new(hashes.div_ceil(parts) / 2);
    let mut first: HashMap<i64, usize, BuildHasherDefault<Halves>> = HashMap::default();
    let width = u64::MAX / parts as u64;
    for part in 0..parts as u64 {
        let from = part * width + u64::from(part > 0);
        let all = (from, if part + 1 == parts as u64 { u64::MAX } else { (part + 1) * width });
        sieve.clear();
        each(all, &mut |_, hash| {
            sieve.add(hash);
            true
        })?;
        let mut ranges = vec![all];
        while let Some((from, to)) = ranges.pop() {
            first.clear();
            let took_all = each((from, to), &mut |place, hash| {
                if sieve.may_be_several(hash) {
                    let is_full = first.len() >= room.several && from < to;
                    match first.entry(hash as i64) {
                        Entry::Occupied(first) => {
                            mark(place);
                            if which == Which::All {
                                mark(*first.get());
                            }
                        }
                        Entry::Vacant(_) if is_full => return false,
                        Entry::Vacant(vacant) => _ = vacant.insert(place),
                    }
                }
                true
            })?;
            if !took_all {
                // What is marked is right; the rest is found in two halves.
                let middle = from + (to - from) / 2;
                ranges.extend([(middle + 1, to), (from, middle)]);
            }
        }
    }
    Ok(marks)
}

/// Makes the marks of a column, whose first hash is at `start` of all: for each row a bit for each of its hashes, and nothing where none is marked. If none of the column
/// is, there are no rows.
pub fn marked(column: &ArrayRef, marks: &[u64], start: usize) -> Option<ArrayRef> {
    let lists = Packed::of(column)?;
    let is_marked = |place: usize| marks[place / 64] >> (place % 64) & 1 == 1;
    let (mut lengths, mut ints) = (Vec::with_capacity(lists.len()), Vec::new());
    let mut place = start;
    for row in 0..lists.len() {
        let n = lists.row(row).map_or(0, <[i64]>::len);
        let before = ints.len();
        if (place..place + n).any(is_marked) {
            ints.resize(before + n.div_ceil(64), 0);
            let marked = (0..n).filter(|at| is_marked(place + at));
            marked.for_each(|at| ints[before + at / 64] |= 1_i64 << (at % 64));
        }
        lengths.push(ints.len() - before);
        place += n;
    }
    Some(if ints.is_empty() { no_marks() } else { packed::column(lengths, ints) })
}

/// Returns the marks of a column of which nothing is marked.
pub fn no_marks() -> ArrayRef {
    packed::column(Vec::new(), Vec::new())
}
