//! The part of the language that tells which rows are alike: its table of keys, and its declarations.

use super::decl::*;
use super::declare::{Declarer, int};
use super::keys::{COLUMN, REF, SQL};
use super::shape::Role::{Definition, Edge};
use super::shape::{self, Range, Shape, Text as Meaning, key};
use super::value::Table;
use crate::diag::{Diagnostic, Span};
use crate::op::{Banding, SHINGLE};

/// The most places that a signature may have: 4096 bytes of each row.
const MOST_PLACES: u32 = 2048;

pub static DEDUP: shape::Table = shape::Table {
    sections: &[&[
        key(
            "by",
            Definition,
            Shape::OneOrMore(&SQL),
            "The columns or expressions to compare. Without it, all columns; `minhash` needs texts.",
        ),
        key(
            "method",
            Definition,
            Shape::Text(Meaning::OneOf(&["exact", "normalised", "minhash", "semantic"])),
            "`exact`: the same bytes; `normalised`: the same but for case, white space and Unicode forms; `minhash`: nearly the same words in nearly the \
             same order; `semantic`: vectors of nearly the same direction, as `embed` makes them.",
        )
        .default("\"exact\""),
        key(
            "threshold",
            Definition,
            Shape::Number(Range::Share),
            "From where on rows are alike. Of `minhash`, the Jaccard index of the shingles; of `semantic`, the cosine of the vectors, which has to be given.",
        )
        .default("0.8")
        .with(&["method"]),
        key("ngram", Definition, Shape::Int(1, 100), "Of `minhash`: the words of a shingle.").default("5").with(&["method"]),
        key(
            "bands",
            Definition,
            Shape::Int(1, 1024),
            "Of `minhash`: how many bands a signature is cut into, with `rows`. Without them, of 112 places so many that at the `threshold` 95 of 100 pairs \
             have a band in common.",
        )
        .with(&["rows"]),
        key("rows", Definition, Shape::Int(1, 256), "Of `minhash`: the places of a band.").with(&["bands"]),
        key(
            "keep",
            Definition,
            Shape::Either(&Shape::Text(Meaning::OneOf(&["first"])), &Shape::Table(&KEEP)),
            "Which of the rows that are alike is kept: the first, or `{ best = \"length(text)\" }`.",
        )
        .default("\"first\""),
        key(
            "against",
            Edge,
            Shape::OneOrMore(&REF),
            "Other datasets with what `by` reads: rows that are like one of theirs are dropped too.",
        ),
    ]],
    groups: &[],
};

pub static KEEP: shape::Table = shape::Table {
    sections: &[&[key(
        "best",
        Definition,
        SQL,
        "The row for which this number, date or timestamp is largest (`-score`: smallest); of several the first. Nulls come last.",
    )
    .required()]],
    groups: &[],
};

pub static DECONTAMINATE: shape::Table = shape::Table {
    sections: &[&[
        key("columns", Definition, Shape::OneOrMore(&COLUMN), "The columns of texts to look into. Without it, all of them."),
        key(
            "against",
            Edge,
            Shape::OneOrMore(&REF),
            "The evaluation datasets: all of their columns of texts. Without it, all datasets of the project with `role = \"evaluation\"`.",
        ),
        key(
            "ngram",
            Definition,
            Shape::Int(2, 100),
            "How many words in a row have to be the same. A text of an evaluation dataset that has fewer, but 8 at least, counts as a whole.",
        )
        .default("13"),
    ]],
    groups: &[],
};

impl Declarer<'_> {
    pub(super) fn dedup(&mut self, table: &Table, span: Span) -> Dedup {
        let count = |key| table.get(key).and_then(|entry| int(&entry.value)).and_then(|n| u32::try_from(n).ok());
        let method = self.text(table, "method");
        let method = match method.as_ref().map_or("exact", |text| &text.value) {
            "minhash" => {
                let threshold =
                    table.get("threshold").and_then(|entry| super::check::number(&entry.value)).unwrap_or(0.8);
                let bands = count("bands").zip(count("rows"));
                self.useless_bands(table, bands, threshold);
                Method::MinHash(MinHash { threshold, ngram: count("ngram").unwrap_or(SHINGLE), bands })
            }
            other => {
                let is_semantic = other == "semantic";
                let stray = ["ngram", "bands", "rows", "threshold"];
                for key in &stray[..if is_semantic { 3 } else { 4 }] {
                    if let Some(entry) = table.get(key) {
                        let title = format!("`{key}` has no meaning for the method `{other}`");
                        let at = entry.key;
                        let problem = self.error("stray-key", title, at, "has no effect");
                        problem.help.push("leave it out, or compare by `method = \"minhash\"`".to_owned());
                    }
                }
                match other {
                    "normalised" => Method::Normalised,
                    "semantic" => {
                        let given = table.get("threshold").and_then(|entry| super::check::number(&entry.value));
                        if given.is_none() && !table.contains_key("threshold") {
                            let problem = Diagnostic::error(
                                "no-threshold",
                                "`semantic` has to know from which cosine on rows are alike",
                            );
                            let problem = problem.at(&span, "without `threshold`");
                            let help =
                                "give one, such as `threshold = 0.95`: what is alike differs from model to model";
                            self.problems.push(problem.help(help));
                        }
                        Method::Semantic(given.unwrap_or(1.0))
                    }
                    _ => Method::Exact,
                }
            }
        };
        let best = table.get("keep").and_then(|entry| entry.value.table()).and_then(|keep| self.text(keep, "best"));
        Dedup { by: self.texts(table, "by"), method, best, against: self.texts(table, "against"), span }
    }

    /// Says where bands take too much of each row, or hardly ever find what they are to find.
    fn useless_bands(&mut self, table: &Table, bands: Option<(u32, u32)>, threshold: f64) {
        let (Some((bands, rows)), Some(entry)) = (bands, table.get("bands")) else { return };
        let (at, places) = (entry.value.at, bands.saturating_mul(rows));
        if places > MOST_PLACES {
            let title = format!("{bands} bands of {rows} places are {places} places for each row");
            let problem = self.error("bad-bands", title, at, &format!("`bands` times `rows` is at most {MOST_PLACES}"));
            problem.help.push("without `bands` and `rows`, 112 places do, cut as the threshold needs it".to_owned());
            return;
        }
        let found = Banding::found((bands, rows), threshold);
        if found < 0.5 && (0.0..=1.0).contains(&threshold) {
            let title = format!(
                "{bands} bands of {rows} places find {:.0} of 100 pairs that are alike at {threshold}",
                100.0 * found
            );
            // So many are enough for every other pair, and shorter ones find more.
            let least = (1..=rows).rev().find(|rows| Banding::found((bands, *rows), threshold) >= 0.5);
            let label = least
                .map_or("more bands are needed".to_owned(), |rows| format!("with so many, `rows` is at most {rows}"));
            let problem = self.error("bad-bands", title, at, &label);
            problem.help.push("without `bands` and `rows`, 112 places do, cut as the threshold needs it".to_owned());
        }
    }

    pub(super) fn decontaminate(&mut self, table: &Table, span: Span) -> Decontaminate {
        let ngram = table.get("ngram").and_then(|entry| int(&entry.value)).and_then(|n| u32::try_from(n).ok());
        let (columns, against) = (self.texts(table, "columns"), self.texts(table, "against"));
        Decontaminate { columns, against, ngram: ngram.unwrap_or(13), span }
    }
}
