//! Columns of vectors, and the exact nearest of one for those of another.
//!
//! A cosine is the sum, in the order of the dimensions and in 32 bits, of the products of two vectors of length 1. Its bits depend on
//! these two vectors alone: blocks only change which sums are worked on side by side.

use crate::table::RowError;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef};

/// Vectors of the other table that are worked on side by side.
const LANES: usize = 8;

/// Vectors of the rows that are worked on side by side.
const ROWS: usize = 4;

/// Bytes of other vectors that stay in a processor's own cache while all rows pass by them.
const TILE: usize = 128 << 10;

const HELP: &str = "make both columns with `embed`, and with the same model";

/// Vectors of length 1, one after the other.
pub(super) struct Vectors {
    /// 0 if there are no vectors.
    dimensions: usize,
    values: Vec<f32>,
}

impl Vectors {
    /// Reads the vectors of the rows.
    pub(super) fn of_rows(column: &ArrayRef, name: &str) -> Result<Vectors, RowError> {
        let wrong = |row, what: &str| RowError {
            row,
            message: format!("`{name}` {what}"),
            help: Some(format!("drop such rows first, with `where`; {HELP}")),
        };
        read(column, wrong)
    }

    /// Reads the vectors of the other table. An error is not one of a row: its position is beyond all rows.
    pub(super) fn of_others(column: &ArrayRef, name: &str) -> Result<Vectors, RowError> {
        let wrong = |row: usize, what: &str| RowError {
            row: usize::MAX,
            message: format!("in row {} of the other table `{name}` {what}", row + 1),
            help: Some(format!("drop such rows from it, with `where`; {HELP}")),
        };
        read(column, wrong)
    }

    fn len(&self) -> usize {
        self.values.len().checked_div(self.dimensions).unwrap_or(0)
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dimensions..][..self.dimensions]
    }
}

/// Reads a column of vectors and brings them to length 1.
fn read(column: &ArrayRef, wrong: impl Fn(usize, &str) -> RowError) -> Result<Vectors, RowError> {
    let lists = column.as_list_opt::<i32>().ok_or_else(|| wrong(0, "is not a list"))?;
    let floats = lists.values().as_primitive_opt::<Float64Type>().ok_or_else(|| wrong(0, "is not a list of floats"))?;
    let mut vectors = Vectors { dimensions: 0, values: Vec::new() };
    for row in 0..lists.len() {
        if lists.is_null(row) {
            return Err(wrong(row, "is null"));
        }
        let (start, end) = (lists.value_offsets()[row] as usize, lists.value_offsets()[row + 1] as usize);
        if floats.nulls().is_some_and(|nulls| nulls.slice(start, end - start).null_count() > 0) {
            return Err(wrong(row, "has a number that is null"));
        }
        let values = &floats.values()[start..end];
        if values.is_empty() {
            return Err(wrong(row, "is an empty vector"));
        }
        if row == 0 {
            vectors.dimensions = values.len();
            vectors.values.reserve(values.len() * lists.len());
        } else if values.len() != vectors.dimensions {
            let first = vectors.dimensions;
            return Err(wrong(row, &format!("has {} dimensions, and that of the first row {first}", values.len())));
        }
        // The largest number first, so that no square is out of range.
        let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        if largest == 0.0 {
            return Err(wrong(row, "is zero, which points nowhere"));
        }
        if !values.iter().all(|value| value.is_finite()) {
            return Err(wrong(row, "has a number that is not finite"));
        }
        let length = values.iter().fold(0.0_f64, |sum, value| sum + (value / largest) * (value / largest)).sqrt();
        vectors.values.extend(values.iter().map(|value| (value / largest / length) as f32));
    }
    Ok(vectors)
}

/// A vector of the other table: its position, and the cosine.
pub(super) type Near = (u32, f32);

/// Finds for each row the `k` other vectors with the largest cosines, the largest first; those that are alike go by position.
/// `skip` tells which are not for a row.
pub(super) fn nearest(
    rows: &Vectors,
    others: &Vectors,
    k: usize,
    skip: impl Fn(usize, usize) -> bool,
) -> Result<Vec<Vec<Near>>, RowError> {
    let mut best = vec![Vec::with_capacity(k + 1); rows.len()];
    if rows.len() == 0 || others.len() == 0 || k == 0 {
        return Ok(best);
    }
    let dimensions = rows.dimensions;
    if others.dimensions != dimensions {
        let message =
            format!("the vector has {dimensions} dimensions, and those of the other table {}", others.dimensions);
        return Err(RowError { row: 0, message, help: Some(HELP.to_owned()) });
    }
    let panels = panels(others);
    let panel = LANES * dimensions;
    let tile = (TILE / (size_of::<f32>() * panel)).max(1);
    for (at, tile_panels) in panels.chunks(tile * panel).enumerate() {
        for block in (0..rows.len()).step_by(ROWS) {
            let count = ROWS.min(rows.len() - block);
            // A block at the end is filled up with its last row.
            let four: [&[f32]; ROWS] = std::array::from_fn(|i| rows.row(block + i.min(count - 1)));
            for (number, lanes) in tile_panels.chunks_exact(panel).enumerate() {
                let start = (at * tile + number) * LANES;
                let sums = cosines(four, lanes);
                for (i, sums) in sums.iter().enumerate().take(count) {
                    for (lane, cosine) in sums.iter().enumerate().take(others.len() - start) {
                        let cosine = cosine.clamp(-1.0, 1.0);
                        let row = block + i;
                        if is_better(&best[row], k, cosine) && !skip(row, start + lane) {
                            keep(&mut best[row], k, ((start + lane) as u32, cosine));
                        }
                    }
                }
            }
        }
    }
    Ok(best)
}

/// Lays vectors side by side, [`LANES`] in a panel: first the first dimension of each, and so on. The last panel is filled up with zeros.
fn panels(vectors: &Vectors) -> Vec<f32> {
    let dimensions = vectors.dimensions;
    let mut panels = vec![0.0; vectors.len().div_ceil(LANES) * LANES * dimensions];
    for row in 0..vectors.len() {
        let panel = &mut panels[row / LANES * LANES * dimensions..];
        for (dimension, value) in vectors.row(row).iter().enumerate() {
            panel[dimension * LANES + row % LANES] = *value;
        }
    }
    panels
}

/// Returns the cosines of some rows with each vector of a panel.
fn cosines(rows: [&[f32]; ROWS], panel: &[f32]) -> [[f32; LANES]; ROWS] {
    let mut sums = [[0.0_f32; LANES]; ROWS];
    let [a, b, c, d] = rows;
    for ((((lanes, a), b), c), d) in panel.as_chunks::<LANES>().0.iter().zip(a).zip(b).zip(c).zip(d) {
        for (sums, value) in sums.iter_mut().zip([a, b, c, d]) {
            for (sum, lane) in sums.iter_mut().zip(lanes) {
                *sum += value * lane;
            }
        }
    }
    sums
}

/// Returns whether a cosine is among the best so far; of those that are alike the earlier stay.
fn is_better(best: &[Near], k: usize, cosine: f32) -> bool {
    best.len() < k || best.last().is_some_and(|(_, worst)| cosine > *worst)
}

/// Puts a vector among the best, behind those that are as near.
fn keep(best: &mut Vec<Near>, k: usize, near: Near) {
    let at = best.partition_point(|(_, cosine)| *cosine >= near.1);
    best.insert(at, near);
    best.truncate(k);
}
