//! Pure measures of texts: small, exact, each with its definition and source.
//!
//! A *word* is a run of characters between Unicode white space, as `str::split_whitespace` cuts, if nothing else is said; no language is assumed.

mod c4;
mod compress;
mod count;
mod encoding;
mod entropy;
mod grammar;
mod language;
mod lines;
pub mod lm;
mod markup;
mod normalise;
mod number;
pub mod personal;
pub mod phrases;
mod quality;
mod readability;
mod repeats;
mod self_bleu;
mod similar;
mod sketch;
mod spans;
mod static_model;
mod symbols;
mod tokenizer;
mod words;

pub use c4::{LineRules, lines as c4_lines};
pub use compress::{zlib_ratio, zstd_ratio};
pub use count::{char_count, line_count, sentence_count};
pub use encoding::{ENCODINGS, Encoding};
pub use entropy::entropy;
pub use grammar::{grammar_errors, spelling_errors};
pub use language::language;
pub use markup::{code_share, json_error, markdown_share};
pub use normalise::{normalise, normalise_into};
pub use number::last_number;
pub use quality::{Kind, Measure, Measurer, Number, stop_words};
pub use readability::{flesch_kincaid, flesch_reading_ease};
pub use self_bleu::self_bleu;
pub use similar::{
    TooLong, bleu, chrf, edit_distance, edit_similarity, exact_match, normalised_match, rouge_l, rouge_n, shared_span,
};
pub use sketch::Sketcher;
pub use spans::{line_spans, normal_words, paragraph_spans, without, word_spans};
pub use static_model::StaticModel;
pub use tokenizer::Tokenizer;
pub use words::{WORD_KINDS, WordKind, Words};
