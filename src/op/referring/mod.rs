//! Ops that look into another table: rows near to a row, rows to show as examples, and a language model of its texts.

mod examples;
mod lists;
mod nearest;
mod perplexity;
mod vectors;

pub use examples::{Choice, Examples, Same};
pub use nearest::{Nearest, SIMILARITY};
pub use perplexity::Perplexity;

#[cfg(test)]
mod tests;
