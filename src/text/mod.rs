//! Pure measures of texts: small, exact, each with its definition and source.
//!
//! A *word* is a run of characters between Unicode white space, as `str::split_whitespace` cuts; no language is assumed.

mod c4;
mod count;
mod lines;
mod ngrams;
mod normalise;
mod number;
mod quality;
mod repeats;
mod symbols;
mod words;

pub use c4::{LineRules, lines as c4_lines};
pub use count::{char_count, line_count, sentence_count, word_count};
pub use ngrams::{distinct, repetition};
pub use normalise::{normalise, normalise_into};
pub use number::last_number;
pub use quality::{Kind, MOST_WORDS, Measure, Measurer, Number, STOP_WORDS, stop_words};
pub use words::Tokens;
