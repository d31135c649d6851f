//! Which rows fail alone, where all of them together fail.

use std::ops::Range;

/// Finds the rows that fail for themselves; `first` is why all of them fail together, and `fails` says it of some of them.
///
/// Halves of which nothing fails are done with: few rows that fail among many are found with few questions.
pub fn failing_alone<E>(rows: u32, first: E, fails: impl Fn(Range<u32>) -> Option<E>) -> Vec<(u32, E)> {
    let mut found = Vec::new();
    let mut open = vec![(0..rows, Some(first))];
    while let Some((rows, known)) = open.pop() {
        let Some(error) = known.or_else(|| fails(rows.clone())) else { continue };
        if rows.len() <= 1 {
            if !rows.is_empty() {
                found.push((rows.start, error));
            }
            continue;
        }
        let half = rows.start + rows.len() as u32 / 2;
        open.push((half..rows.end, None));
        open.push((rows.start..half, None));
    }
    found
}
