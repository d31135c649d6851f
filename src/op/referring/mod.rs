//! Ops that look into another table: rows near to a row, and rows to show as examples.

mod examples;
mod lists;
mod nearest;
mod vectors;

pub use examples::{Choice, Examples, Same};
pub use nearest::{Nearest, SIMILARITY};

#[cfg(test)]
mod tests;
