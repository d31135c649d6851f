//! Edit distance: how many characters have to be changed to make one text of another.

use super::{TooLong, within};
use rapidfuzz::distance::levenshtein;

/// Returns the least number of characters to insert, delete or replace (Levenshtein 1966).
///
/// Characters are Unicode scalar values. Computed by `rapidfuzz` 0.5 with the bits of 64 characters at a time (Hyyrö 2003).
pub fn edit_distance(a: &str, b: &str) -> Result<usize, TooLong> {
    Ok(measured(a, b)?.0)
}

/// Returns 1 less the edit distance by the length of the longer text: 1 for equal texts, 0 where nothing is kept.
pub fn edit_similarity(a: &str, b: &str) -> Result<f64, TooLong> {
    let (distance, longer) = measured(a, b)?;
    Ok(if longer == 0 { 1.0 } else { 1.0 - distance as f64 / longer as f64 })
}

fn measured(a: &str, b: &str) -> Result<(usize, usize), TooLong> {
    if a.is_ascii() && b.is_ascii() {
        let longer = a.len().max(b.len());
        if a == b {
            return Ok((0, longer));
        }
        within(a.len(), b.len())?;
        return Ok((levenshtein::distance(a.bytes(), b.bytes()), longer));
    }
    let (of_a, of_b) = (a.chars().count(), b.chars().count());
    if a == b {
        return Ok((0, of_a));
    }
    within(of_a, of_b)?;
    Ok((levenshtein::distance(a.chars(), b.chars()), of_a.max(of_b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_and_not_bytes() {
        assert_eq!(edit_distance("kitten", "sitting"), Ok(3));
        assert_eq!(edit_distance("né", "ne"), Ok(1));
        assert_eq!(edit_distance("", "日本"), Ok(2));
        assert_eq!(edit_similarity("", ""), Ok(1.0));
    }

    #[test]
    fn texts_that_would_take_minutes_are_refused_and_equal_ones_are_not() {
        let (a, b) = ("a".repeat(600_000), "b".repeat(600_000));
        assert_eq!(edit_distance(&a, &b), Err(TooLong(600_000, 600_000)));
        assert_eq!(edit_distance(&a, &a), Ok(0));
    }
}
