//! Pure measures of texts: small, exact, each with its definition and source.
//!
//! A *word* is a run of characters between Unicode white space, as `str::split_whitespace` cuts; no language is assumed.

mod count;
mod ngrams;
mod normalise;
mod number;
mod shingles;
mod sketch;

pub use count::{char_count, line_count, sentence_count, word_count};
pub use ngrams::{distinct, repetition};
pub use normalise::{normalise, normalise_into};
pub use number::last_number;
pub use shingles::Words;
pub use sketch::Sketcher;
