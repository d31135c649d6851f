//! Which of very many hashes come several times.

use crate::op::alike::packed::{self, Packed};
use crate::op::seen::Seen;
use arrow_array::ArrayRef;

/// Which of the places of a hash that comes several times are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    All,
    AllButTheFirst,
}

/// Marks the hashes that come several times in columns of lists of them, counted over all of these in order; there are so many `columns`, and `hashes` in all.
///
/// `read` is called with the position of each column, some times in order. It needs 2 to 4 bytes for each hash, and 16 for each of `most` that come several times: where there
/// are more of these, it reads once more for each `most`.
pub fn repeated<E>(
    columns: usize,
    hashes: usize,
    which: Which,
    most: usize,
    mut read: impl FnMut(usize) -> Result<ArrayRef, E>,
) -> Result<Vec<u64>, E> {
    let mut each = |one: &mut dyn FnMut(usize, u64) -> bool| {
        let mut place = 0;
        for at in 0..columns {
            let column = read(at)?;
            for hash in Packed::of(&column).iter().flat_map(Packed::all) {
                if !one(place, *hash as u64) {
                    return Ok(false);
                }
                place += 1;
            }
        }
        Ok(true)
    };
    let mut seen = Seen::new(hashes / 2);
    each(&mut |_, hash| {
        seen.add(hash);
        true
    })?;
    let mut marks = vec![0_u64; hashes.div_ceil(64)];
    let mut ranges = vec![(0, u64::MAX)];
    let mut several: Vec<(u64, u64)> = Vec::new();
    while let Some((from, to)) = ranges.pop() {
        several.clear();
        let took_all = each(&mut |place, hash| {
            if from <= hash && hash <= to && seen.may_be_several(hash) {
                if several.len() >= most && from < to {
                    return false;
                }
                several.push((hash, place as u64));
            }
            true
        })?;
        if !took_all {
            let middle = from + (to - from) / 2;
            ranges.extend([(middle + 1, to), (from, middle)]);
            continue;
        }
        several.sort_unstable();
        for places in several.chunk_by(|a, b| a.0 == b.0).filter(|places| places.len() > 1) {
            for (_, place) in &places[usize::from(which == Which::AllButTheFirst)..] {
                marks[*place as usize / 64] |= 1 << (place % 64);
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
